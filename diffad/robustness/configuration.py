"""Robustness files: which finished runs are tried, by what noise and by what attacks, in YAML."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from diffad.baselines import BASELINES
from diffad.editions import EditionsFile, read_editions
from diffad.robustness.noise import check_strength
from diffad.robustness.objectives import TARGETS

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Epsilon = Annotated[int, Field(ge=1, le=255)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AttackConfig(_Model):
    """Projected gradient on scores; see `diffad.robustness.attack`."""

    targets: tuple[Literal[TARGETS], ...] = Field(min_length=1, description="scores that are attacked")
    epsilons: tuple[Epsilon, ...] = Field(
        default=(1, 2, 4, 8, 16), min_length=1, description="grey levels of 255"
    )
    num_steps: int = Field(
        default=10, ge=1, description="gradients at each epsilon, from where the last one ended"
    )
    normals: int = Field(default=40, ge=2, description="normal images, pushed to look anomalous")
    anomalies: int = Field(default=40, ge=2, description="anomalies, pushed to look normal")
    fresh_seeds: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(101, 102), description="noise banks unknown to the attacker that score the same images"
    )
    batch_size: int = Field(default=20, ge=1)

    @field_validator("epsilons")
    @classmethod
    def _rising(cls, epsilons: tuple[int, ...]) -> tuple[int, ...]:
        if list(epsilons) != sorted(set(epsilons)):
            raise ValueError(
                f"got {list(epsilons)}, expected numbers that rise: each starts from the one before"
            )
        return epsilons


class RobustnessEdition(_Model):
    """Whose models are tried, on how many images."""

    runs: dict[Name, Path] = Field(
        min_length=1, description="name -> folder of a finished run with its model"
    )
    protocol_parameters: dict[Name, dict[str, Any]] = Field(
        default_factory=dict,
        description="run -> changes to its protocol's parameters, such as fewer test images",
    )
    attacked: tuple[Name, ...] = Field(default=(), description="the runs that are also attacked")
    calibration: int = Field(
        default=300, ge=20, description="held-out normals that calibrate and draw the line"
    )
    more_normals: int = Field(
        default=200,
        ge=1,
        description="further held-out normals, scored like the test images: false alarms are counted on them too",
    )
    baseline_training_images: int = Field(default=5000, ge=20)
    batch_size: int = Field(default=250, ge=1)

    @field_validator("protocol_parameters", "attacked")
    @classmethod
    def _known_runs(cls, value, info):
        unknown = sorted(set(value) - set(info.data.get("runs", value)))
        if unknown:
            raise ValueError(f"got {', '.join(unknown)}, expected some of {', '.join(info.data['runs'])}")
        return value


class Robustness(EditionsFile[RobustnessEdition]):
    """A robustness file."""

    noise: dict[str, tuple[float, ...]] = Field(description="kind of noise -> strengths")
    attack: AttackConfig
    baselines: tuple[str, ...] = Field(default=tuple(BASELINES), min_length=1)
    seed: int = Field(default=0, ge=0, description="of the noise, of the control and of the baselines")

    @field_validator("noise")
    @classmethod
    def _possible(cls, noise: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        for kind, strengths in noise.items():
            for strength in strengths:
                check_strength(kind, strength)
            if len(set(strengths)) != len(strengths) or not strengths:
                raise ValueError(
                    f"got {list(strengths)} for {kind}, expected one or more numbers that differ"
                )
        return noise

    @field_validator("baselines")
    @classmethod
    def _known(cls, baselines: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(baselines) - set(BASELINES))
        if unknown:
            raise ValueError(f"got {', '.join(unknown)}, expected some of {', '.join(sorted(BASELINES))}")
        return baselines


def load_robustness(path: Path | str) -> Robustness:
    """Read a robustness file.

    Raises:
        ValueError: no such file, not YAML, a key that stands twice, or a key or value that is refused; the message names
            file, line and field.
    """
    return read_editions(path, Robustness, "robustness", "experiments/robustness.yaml")[0]
