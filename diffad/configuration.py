"""Experiment files: what is run, in YAML, checked before anything is computed."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diffad.baselines import BASELINES
from diffad.model import ModelConfig
from diffad.scorers import COMBINATIONS, DEFAULT_LEVELS, levels_from_fractions
from diffad.training import TrainingConfig


class PartialDiffusionConfig(BaseModel):
    """Partial diffusion as AnoDDPM (Wyatt et al. 2022) does it: a quarter of the way to noise and back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: float = Field(default=0.25, gt=0, le=1, description="noise level as a fraction of T")
    num_steps: int = Field(default=10, ge=1, description="DDIM steps, each one network evaluation")


class ScoringConfig(BaseModel):
    """How test images are scored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: tuple[float, ...] = Field(default=DEFAULT_LEVELS, description="noise levels as fractions of T")
    single_level: float = Field(
        default=0.1, description="the one of `levels` at which plain one-step error is reported"
    )
    num_draws: int = Field(
        default=2, ge=1, description="noises a level: 1, or an even number in antithetic pairs"
    )
    metric: Literal["l1", "l2"] = "l2"
    headline: Literal[COMBINATIONS] = Field(
        default="max_abs", description="the rule of the level profile that is compared with the baselines"
    )
    partial_diffusion: PartialDiffusionConfig = PartialDiffusionConfig()
    calibration_images: int = Field(
        default=1000, ge=2, description="held-out normals that calibrate the levels"
    )
    batch_size: int = Field(default=250, ge=1)

    def model_post_init(self, context: Any) -> None:
        if self.num_draws != 1 and self.num_draws % 2:
            raise ValueError(
                f"num_draws: got {self.num_draws}, expected 1 or an even number (antithetic pairs)"
            )
        if self.single_level not in self.levels:
            raise ValueError(
                f"single_level: got {self.single_level}, expected one of levels {list(self.levels)}"
            )


class Edition(BaseModel):
    """One edition (smoke, cpu, gpu) of an experiment, complete."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    protocol_parameters: dict[str, Any] = Field(default_factory=dict)
    model: ModelConfig
    training: TrainingConfig
    scoring: ScoringConfig = ScoringConfig()
    baselines: tuple[str, ...] = ("iforest", "ocsvm", "copod")
    seed: int = Field(default=0, ge=0)

    def model_post_init(self, context: Any) -> None:
        unknown = sorted(set(self.baselines) - set(BASELINES))
        if unknown:
            raise ValueError(
                f"baselines: got {', '.join(unknown)}, expected some of {', '.join(sorted(BASELINES))}"
            )
        num_steps = self.model.num_steps
        levels_from_fractions(self.scoring.levels, num_steps)  # refused now, not after hours of training
        (start,) = levels_from_fractions([self.scoring.partial_diffusion.start], num_steps)
        if self.scoring.partial_diffusion.num_steps > start:
            raise ValueError(
                f"partial_diffusion.num_steps: got {self.scoring.partial_diffusion.num_steps}, expected 1..{start}, "
                "the noise level that it starts from"
            )


class Experiment(BaseModel):
    """An experiment file: a protocol, in editions of rising cost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    protocol: Literal["clean_versus_corrupted", "one_versus_rest"]
    editions: dict[Literal["smoke", "cpu", "gpu"], Edition]

    def edition(self, name: str) -> Edition:
        """The edition called `name`.

        Raises:
            ValueError: the experiment has no such edition.
        """
        if name not in self.editions:
            raise ValueError(f"edition: got {name!r}, expected one of {', '.join(self.editions)}")
        return self.editions[name]


def load_experiment(path: Path | str) -> Experiment:
    """Read an experiment file.

    Raises:
        ValueError: no such file, not YAML, or a key or value that is refused; the message names file and
            field.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"experiment: {path} is not there, expected an experiment file such as experiments/mnist_c.yaml"
        )
    try:
        return Experiment.model_validate(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"experiment: {path} is not YAML ({' '.join(str(error).split())})") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(
            f"experiment: {path}: {'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
        ) from error
