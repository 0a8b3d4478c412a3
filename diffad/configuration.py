"""Experiment files: what is run, in YAML, checked before anything is computed."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from diffad.baselines import BASELINES
from diffad.datasets.catalog import CATALOG, find_entry
from diffad.datasets.loading import FOLDER
from diffad.editions import EditionsFile, read_editions
from diffad.model import ModelConfig
from diffad.scorers import COMBINATIONS, DEFAULT_LEVELS, levels_from_fractions
from diffad.scorers.denoiser_profile import DESCRIPTIONS
from diffad.training import TrainingConfig
from diffad.yaml_lines import YamlDocument


def rule_name(rule: str) -> str:
    """The record's name for a rule that combines the errors of all levels (see `diffad.scorers.COMBINATIONS`)."""
    return f"levels_{rule}"


def denoiser_name(description: str) -> str:
    """The record's name for the distance of a description of the denoiser's view from that of normal images."""
    return f"denoiser_{description}"


# What a cell may change of its edition: single keys of these parts, or these values.
CELL_PARTS, CELL_VALUES = ("model", "training", "scoring"), ("dataset", "baselines")
PROTOCOL_NAMES = (
    "clean_versus_corrupted", "one_versus_rest", "contaminated_one_versus_rest", "official_split", "redrawn_split",
)  # fmt: skip

HEADLINES = (
    *map(rule_name, COMBINATIONS),
    *map(denoiser_name, DESCRIPTIONS),
)  # methods that look at every level


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
    headline: Literal[HEADLINES] = Field(
        default=denoiser_name("profile"), description="the method that is compared with the baselines"
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
    cells: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], dict[str, Any]] = Field(
        default_factory=dict,
        description="name -> one task, with its own model and record: protocol parameters; under `model`, `training` "
        "and `scoring` the keys that differ there from the edition; and `dataset` and `baselines` where those do",
    )
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
        _check_dataset(self.dataset)
        num_steps = self.model.num_steps
        levels_from_fractions(self.scoring.levels, num_steps)  # refused now, not after hours of training
        (start,) = levels_from_fractions([self.scoring.partial_diffusion.start], num_steps)
        if self.scoring.partial_diffusion.num_steps > start:
            raise ValueError(
                f"partial_diffusion.num_steps: got {self.scoring.partial_diffusion.num_steps}, expected 1..{start}, "
                "the noise level that it starts from"
            )

    def of_cell(self, cell: str | None) -> "Edition":
        """This edition as one of its `cells` changes it, without cells; itself where it has none.

        Raises:
            ValueError: no such cell, none named where there are some, or a cell's change that is refused.
        """
        if not self.cells and cell is None:
            return self
        if cell not in self.cells:
            expected = f"one of {', '.join(self.cells)}" if self.cells else "none: the edition is one run"
            raise ValueError(f"cell: got {cell!r}, expected {expected}")
        own, values = dict(self.cells[cell]), self.model_dump(exclude={"cells"})
        for part in CELL_PARTS:
            change = own.pop(part, {})
            if not isinstance(change, dict):
                raise ValueError(f"cells.{cell}.{part}: got {change!r}, expected keys and values")
            values[part] = _merged(values[part], change)
        values |= {name: own.pop(name) for name in CELL_VALUES if name in own}
        values["protocol_parameters"] |= own
        try:
            return Edition.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(["cells", cell, *map(str, first["loc"])])
            raise ValueError(f"{where}: {first['msg']}") from error

    @model_validator(mode="after")
    def _every_cell_can_be_run(self) -> "Edition":
        for cell in self.cells:
            self.of_cell(cell)
        return self


def _check_dataset(name: str) -> None:
    """ValueError unless the catalog's images or a folder are meant; whether they lie on this machine is not asked."""
    if name.startswith(FOLDER):
        return
    images = [each.name for each in CATALOG.values() if each.kind == "images" and each.name != "folder"]
    if name.partition("/")[0] not in images:
        raise ValueError(f"dataset: got {name!r}, expected one of {', '.join(images)}")
    try:
        entry, item = find_entry(name)
    except ValueError as error:
        raise ValueError(f"dataset: {error}") from error
    if entry.items and item is None:
        raise ValueError(f"dataset: got {name!r}, expected one of its items, such as {name}/{entry.items[0]}")


def _merged(values: dict, changes: dict) -> dict:
    """`values` with `changes` in their place; dictionaries within are merged likewise."""
    return values | {
        key: _merged(values[key], change)
        if isinstance(change, dict) and isinstance(values.get(key), dict)
        else change
        for key, change in changes.items()
    }


class Experiment(EditionsFile[Edition]):
    """An experiment file: a protocol, in editions of rising cost."""

    protocol: Literal[PROTOCOL_NAMES]


def load_experiment(path: Path | str) -> Experiment:
    """Read an experiment file.

    Raises:
        ValueError: no such file, not YAML, a key that stands twice, a key or value that is refused, or two cells of one
            edition that are the same run; the message names file, line and field.
    """
    experiment, document = read_editions(path, Experiment, "experiment", "experiments/mnist_c.yaml")
    _refuse_doubled_runs(experiment, document)
    return experiment


def _refuse_doubled_runs(experiment: Experiment, document: YamlDocument) -> None:
    """ValueError where two cells of an edition are the same run by other names."""
    for name, edition in experiment.editions.items():
        first: dict[str, str] = {}
        for cell in edition.cells:
            run = edition.of_cell(cell).model_dump_json()
            if run in first:
                line = document.line(["editions", name, "cells", cell])
                raise ValueError(
                    f"experiment: {document.path}:{line}: editions.{name}.cells.{cell}: got the same run as "
                    f"{first[run]!r}, expected cells that differ"
                )
            first[run] = cell
