"""Which settings matter: a design of many small trainings, and one compact record of what they found.

    python -m diffad.sensitivity design                   the cells of experiments/sensitivity.yaml
    diffad run experiments/sensitivity.yaml --edition cpu --results .work/runs
    python -m diffad.sensitivity collect .work/runs/sensitivity/cpu

Three kinds of cells. `default-N` differ in their seed alone: their spread is the noise floor under everything else.
`SETTING-VALUE` change one setting of the default. `design-NN` change all of them at once, along a scrambled Sobol
sequence, which fills the ranges evenly. A whole record of each cell would be large; an AUROC depends on the ranks of the
scores alone, so the collected record keeps these, and every AUROC in it can be computed anew.
"""

import argparse
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, FiniteFloat
from scipy.stats import qmc, rankdata
from yaml import safe_dump

from diffad.ablations import Cell, read_cells
from diffad.errors import RecordError
from diffad.evaluation import anomalous_groups, auroc
from diffad.methods import PARTIAL_DIFFUSION, level_name
from diffad.storage import ensure_folder, publish_file

RECORD_FILE, RANKS_FILE = "sensitivity.json", "ranks.npz"
NUM_DESIGN, NUM_SEEDS, DESIGN_SEED = 32, 6, 0
DEFAULT, DESIGN = "default", "design"


@dataclass(frozen=True)
class Setting:
    """One hyper-parameter of the study.

    Attributes:
        name: the record's name of it.
        title: for readers.
        path: keys within a cell that lead to it.
        default: its value in the default cell.
        alone: values that it takes while all others keep their default.
        choices: values in the design; or None, and then `low` to `high` on a logarithmic scale.
        ordered: whether its choices are, as sizes are.
    """

    name: str
    title: str
    path: tuple[str, ...]
    default: Any
    alone: tuple
    choices: tuple | None = None
    low: float = 0.0
    high: float = 0.0
    ordered: bool = True

    @property
    def values(self) -> tuple:
        """The default among the values that stand alone, in order."""
        found = (self.default, *self.alone)
        return found if isinstance(self.default, str) else tuple(sorted(found))

    def at(self, position: float) -> Any:
        """The design's value at a position in [0, 1)."""
        if self.choices:
            return self.choices[int(position * len(self.choices))]
        value = self.low * (self.high / self.low) ** position
        return round(value) if isinstance(self.default, int) else float(f"{value:.3g}")

    def of(self, experiment: dict) -> Any:
        """Its value in a record's experiment."""
        place = experiment
        for key in self.path:
            place = place.get(key) if isinstance(place, dict) else None
        return self.default if place is None else place


SETTINGS = {
    each.name: each
    for each in (
        Setting(
            "learning_rate",
            "learning rate",
            ("training", "learning_rate"),
            2e-3,
            (1e-4, 5e-4, 8e-3),
            low=2e-4,
            high=1e-2,
        ),
        Setting("num_updates", "training length", ("training", "num_updates"), 200, (50, 100, 400), low=50, high=400),
        Setting("batch_size", "batch size", ("training", "batch_size"), 32, (8, 16, 64), (8, 16, 32, 64)),
        Setting("ema_decay", "moving average", ("training", "ema_decay"), 0.98, (0.0, 0.9, 0.995), (0.0, 0.9, 0.98, 0.995)),
        Setting(
            "size", "width", ("model", "network_parameters", "size"), "tiny", ("mini", "small"), ("tiny", "mini", "small")
        ),
        Setting("layers_per_block", "depth", ("model", "network_parameters", "layers_per_block"), 1, (2, 3), (1, 2, 3)),
        Setting(
            "parameterisation", "prediction", ("model", "parameterisation"), "eps", ("x0", "v"), ("eps", "x0", "v"),
            ordered=False,
        ),
    )
}  # fmt: skip


# --- the design ---


def design() -> dict[str, dict]:
    """The cells of `experiments/sensitivity.yaml`: name -> what the cell changes of its edition."""
    cells = {f"{DEFAULT}-{seed}": _cell({}, seed) for seed in range(NUM_SEEDS)}
    for each in SETTINGS.values():
        for number, value in enumerate(each.alone):
            cells[f"{each.name}-{number}"] = _cell({each.name: value}, 0)
    positions = qmc.Sobol(len(SETTINGS), seed=DESIGN_SEED).random(NUM_DESIGN)  # (cells, settings) in [0, 1)
    for number, row in enumerate(positions):
        changes = {each.name: each.at(place) for each, place in zip(SETTINGS.values(), row, strict=True)}
        cells[f"{DESIGN}-{number:02d}"] = _cell(changes, 100 + number)
    return cells


def _cell(changes: dict[str, Any], seed: int) -> dict:
    cell: dict = {}
    for name, value in changes.items():
        place = cell
        *parents, last = SETTINGS[name].path
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    if seed:
        cell.setdefault("training", {})["seed"] = seed
    return cell


# --- the record ---


class CellResult(BaseModel):
    """One training: its settings, its seed, and what it reached."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, float | int | str]
    seed: int
    validation_loss: FiniteFloat
    train_seconds: FiniteFloat
    auroc: dict[str, FiniteFloat]  # method -> mean over groups, in [0, 1]
    record: str  # content hash of the cell's own run record


class SensitivityRecord(BaseModel):
    """Every cell of the design."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = "diffad-sensitivity-1"
    edition: str
    shared: dict[str, Any]  # what all cells have in common: data, protocol, scoring
    source_hash: str
    device: str
    cells: dict[str, CellResult]
    ranks_sha256: str
    content_hash: str | None = None


@dataclass(frozen=True)
class Sensitivity:
    """A collected record with the ranks that its AUROCs follow from.

    Attributes:
        ranks: uint16 (cells, methods, n), dense ranks of each method's scores.
        labels, groups: (n,), of the test images, which all cells share.
        methods: names along the second axis.
    """

    record: SensitivityRecord
    ranks: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    methods: tuple[str, ...]

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a cell: kind ("default", "design" or the setting that was changed), every setting, seed,
        validation_loss, train_seconds, and each method's mean AUROC in [0, 1].
        """
        rows = {
            name: {
                "kind": name.rsplit("-", 1)[0],
                **cell.settings,
                "seed": cell.seed,
                "validation_loss": cell.validation_loss,
                "train_seconds": cell.train_seconds,
                **cell.auroc,
            }
            for name, cell in self.record.cells.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def mismatches(self, tolerance: float = 1e-9) -> list[str]:
        """One sentence for each recorded AUROC that the ranks do not give; empty for an honest record."""
        sentences = []
        for (name, cell), ranks in zip(self.record.cells.items(), self.ranks, strict=True):
            for method, values in zip(self.methods, ranks, strict=True):
                found = mean_auroc(self.labels, self.groups, values)
                if abs(found - cell.auroc[method]) > tolerance:
                    sentences.append(
                        f"{name}: {method} is recorded as {cell.auroc[method]}, the ranks give {found}"
                    )
        return sentences


def mean_auroc(labels: np.ndarray, groups: np.ndarray, scores: np.ndarray) -> float:
    """The unweighted mean over the groups of anomalies of the AUROC against all normal images, in [0, 1]."""
    found = []
    for name in anomalous_groups(labels, groups):
        rows = (labels == 0) | (groups == name)
        found.append(auroc(labels[rows], scores[rows]))
    return float(np.mean(found))


def collect(folder: Path | str, results: Path | str = "results") -> SensitivityRecord:
    """Gather the finished cells in `folder` into results/sensitivity/EDITION.

    Raises:
        RecordError: a cell of the design is missing or damaged, or cells tested other images or ran other code.
    """
    cells = read_cells(folder, with_quality=False)
    first = next(iter(cells.values()))
    _check_alike(cells)
    scoring = first.record.experiment["scoring"]
    methods = [level_name(level) for level in scoring["levels"]]
    methods += [PARTIAL_DIFFUSION, "levels_max_abs", scoring["headline"]]
    ranks = np.stack([_ranks(cell, methods) for cell in cells.values()])  # (cells, methods, n)
    target = ensure_folder(Path(results) / "sensitivity" / first.record.edition)
    with publish_file(target / RANKS_FILE) as path, open(path, "wb") as file:
        np.savez_compressed(
            file,
            ranks=ranks,
            labels=first.scores.labels.astype(np.uint8),
            groups=first.scores.groups,
            methods=methods,
        )
    shared = {
        key: first.record.experiment[key] for key in ("dataset", "protocol", "protocol_parameters", "scoring")
    }
    record = SensitivityRecord(
        edition=first.record.edition,
        shared=shared,
        source_hash=first.record.provenance.source_hash,
        device=first.record.provenance.device,
        cells={
            name: _result(cell, methods, ranks[number]) for number, (name, cell) in enumerate(cells.items())
        },
        ranks_sha256=hashlib.sha256((target / RANKS_FILE).read_bytes()).hexdigest(),
    )
    record = record.model_copy(update={"content_hash": _content_hash(record)})
    with publish_file(target / RECORD_FILE) as path:
        path.write_text(record.model_dump_json(indent=1) + "\n")
    return record


def read_sensitivity(folder: Path | str) -> Sensitivity:
    """Read what `collect` wrote.

    Raises:
        RecordError: a file is missing, not such a record, or edited by hand.
    """
    path, ranks_path = Path(folder) / RECORD_FILE, Path(folder) / RANKS_FILE
    try:
        record = SensitivityRecord.model_validate_json(path.read_bytes())
        content = ranks_path.read_bytes()
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{path} is missing or no record of sensitivity ({str(error).splitlines()[0]})"
        ) from error
    if (
        record.content_hash != _content_hash(record)
        or record.ranks_sha256 != hashlib.sha256(content).hexdigest()
    ):
        raise RecordError(
            f"{path} or {ranks_path.name} was edited by hand: the hashes differ; collect it again"
        )
    with np.load(ranks_path, allow_pickle=False) as archive:
        return Sensitivity(
            record,
            archive["ranks"],
            archive["labels"].astype(np.int64),
            archive["groups"],
            tuple(archive["methods"].tolist()),
        )


def level_rows(table: pd.DataFrame, levels: Sequence[float]) -> pd.DataFrame:
    """Each cell once a noise level: its settings, `level` (t / T), `auroc` at that level, and `cell`, its name.

    The level is a setting of the score, not of the training: every model was asked at all of them.
    """
    rows = []
    for name, row in table.iterrows():
        for level in levels:
            settings = {each: row[each] for each in SETTINGS}
            rows.append({"cell": name, **settings, "level": level, "auroc": row[level_name(level)]})
    return pd.DataFrame(rows)


def as_features(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Settings as numbers for `diffad.importance.total_shares`: ordered choices become their position, others a column of
    0 and 1 each.
    """
    columns = {}
    for name in names:
        setting = SETTINGS.get(name)
        if setting is None or not isinstance(setting.default, str):
            columns[name] = table[name].astype(float)
        elif setting.ordered:
            columns[name] = table[name].map(setting.choices.index)
        else:
            columns |= {f"{name}={choice}": (table[name] == choice).astype(int) for choice in setting.choices}
    return pd.DataFrame(columns, index=table.index)


def _check_alike(cells: dict[str, Cell]) -> None:
    if missing := sorted(design().keys() - cells.keys()):
        raise RecordError(
            f"sensitivity: {len(missing)} cells of the design are missing, the first is {missing[0]}"
        )
    (first_name, first), *others = cells.items()
    for name, cell in others:
        if not np.array_equal(cell.scores.groups, first.scores.groups):
            raise RecordError(f"sensitivity: cell {name} tested other images than {first_name}")
        if cell.record.provenance.source_hash != first.record.provenance.source_hash:
            raise RecordError(
                f"sensitivity: cell {name} was run by other code than {first_name}; run it again"
            )


def _ranks(cell: Cell, methods: Sequence[str]) -> np.ndarray:
    return np.stack([rankdata(cell.scores.by_method[method], "dense") for method in methods]).astype(
        np.uint16
    )


def _result(cell: Cell, methods: Sequence[str], ranks: np.ndarray) -> CellResult:
    labels, groups = cell.scores.labels, cell.scores.groups
    loss = cell.history.validation_loss[-1]
    return CellResult(
        settings={name: each.of(cell.record.experiment) for name, each in SETTINGS.items()},
        seed=cell.record.seeds["training"],
        validation_loss=math.nan if loss is None else loss,
        train_seconds=cell.history.seconds[-1],
        auroc={method: mean_auroc(labels, groups, each) for method, each in zip(methods, ranks, strict=True)},
        record=cell.record.content_hash,
    )


def _content_hash(record: SensitivityRecord) -> str:
    content = record.model_dump(mode="json", exclude={"content_hash"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m diffad.sensitivity`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("design", help="print the design's cells as YAML")
    collecting = commands.add_parser("collect", help="gather finished cells into one record")
    collecting.add_argument("folder", type=Path)
    collecting.add_argument("--results", type=Path, default=Path("results"))
    chosen = parser.parse_args(arguments)
    if chosen.command == "design":
        for name, cell in design().items():
            print(f"{name}: {safe_dump(cell, default_flow_style=True, width=1000, sort_keys=False).strip()}")
        return
    record = collect(chosen.folder, chosen.results)
    print(f"{len(record.cells)} cells")


if __name__ == "__main__":
    main()
