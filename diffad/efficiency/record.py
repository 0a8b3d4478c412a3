"""The measurements on disk: one file, hashed against edits by hand, written after every cell.

A run that was killed goes on where it was; it loses the cell that was being measured. What is measured is never
measured again. Medians and exponents stand beside the raw rounds and are recomputed from them by `verify_efficiency`.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from diffad.efficiency.growth import Growth, Summary, growths, summaries
from diffad.efficiency.measuring import SMALLER_STOPPED, measure_in_process
from diffad.efficiency.settings import Cell, EfficiencySettings, Measurement
from diffad.efficiency.subjects import natural_images
from diffad.errors import RecordError
from diffad.provenance import ROOT, Provenance, changed_files, provenance, source_files
from diffad.records import claim_record
from diffad.storage import publish_file

ENTRIES = (ROOT / "diffad" / "efficiency" / "measuring.py",)  # what measures: this module and what it imports
EFFICIENCY_FILE = "efficiency.json"
DERIVED = ("summaries", "growths")


class EfficiencyRecord(BaseModel):
    """Raw measurements of a grid with what follows from them, and by what they were made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = "diffad-efficiency-1"
    settings: EfficiencySettings
    provenance: Provenance
    measurements: tuple[Measurement, ...] = ()
    summaries: tuple[Summary, ...] = ()
    growths: tuple[Growth, ...] = ()
    content_hash: str | None = None

    def with_measurements(self, new: list[Measurement]) -> "EfficiencyRecord":
        """This record with more measurements and a new hash; what follows from them is left to `finished`."""
        record = self.model_copy(update={"measurements": (*self.measurements, *new)})
        return record.model_copy(update={"content_hash": _content_hash(record)})

    def finished(self) -> "EfficiencyRecord":
        """This record with the medians and exponents that follow from its measurements."""
        values = {
            "summaries": summaries(self.measurements, self.settings),
            "growths": growths(self.measurements, self.settings),
        }
        return self.model_copy(update=values).with_measurements([])

    @property
    def is_complete(self) -> bool:
        """Whether every cell was measured in every round, or stopped."""
        return not any(True for _ in _left_to_do(self))

    def stopped(self) -> list[Measurement]:
        """What was stopped for a reason of its own, not because a smaller size was."""
        return [each for each in self.measurements if each.stopped not in (None, SMALLER_STOPPED)]

    def changed_modules(self) -> list[str]:
        """Files of the package that changed since the measurements, sorted."""
        return changed_files(self.provenance.source_files, source_files(ENTRIES))


def measure_all(
    settings: EfficiencySettings, folder: Path | str, tell: Callable[[str], None] = print
) -> EfficiencyRecord:
    """Measure every cell that `folder`/efficiency.json does not hold yet; the finished record.

    Args:
        tell: is given a line for each cell.

    Raises:
        RecordError: the file is damaged, was edited, holds other settings or other code, or another process writes it.
        RuntimeError: a method failed otherwise than by taking too much.
        ValueError: the settings ask for a GPU, and there is none.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: got cuda, but torch sees no GPU here, expected cpu or a machine with one")
    path = Path(folder) / EFFICIENCY_FILE
    with claim_record(folder), tempfile.TemporaryDirectory() as scratch:
        record = _begin(settings, path)
        while (todo := next(_left_to_do(record), None)) is not None:
            number, cell = todo
            if _smaller_stopped(record, cell):
                about = {**cell.model_dump(exclude={"phases"}), "round": number, "stopped": SMALLER_STOPPED}
                new = [Measurement(**about, phase=phase) for phase in cell.phases]
            else:
                new = measure_in_process(cell, settings, _image_file(Path(scratch), cell, settings), number)
            record = record.with_measurements(new)
            _write(record, path)
            tell(_line(number, cell, new))
        record = record.finished()
        _write(record, path)
    return record


def _begin(settings: EfficiencySettings, path: Path) -> EfficiencyRecord:
    """The record so far, or an empty one."""
    made_by = provenance(settings.device, ENTRIES)
    if not path.exists():
        return EfficiencyRecord(settings=settings, provenance=made_by)
    record = read_efficiency(path.parent)
    for field, found, asked in (
        ("settings", record.settings, settings),
        ("code", record.provenance.source_hash, made_by.source_hash),
        ("device", record.provenance.device, made_by.device),
    ):
        if found != asked:
            raise RecordError(
                f"{path} was measured with other {field}: one record holds one of them; "
                "remove the file, or choose another folder"
            )
    return record


def _left_to_do(record: EfficiencyRecord) -> Iterator[tuple[int, Cell]]:
    """(round, cell) pairs without measurements, in the order in which they are measured.

    A cell that was stopped is not tried in later rounds.
    """
    done = {(each.method, each.axis, each.size, each.phase, each.round) for each in record.measurements}
    stopped = {
        (each.method, each.axis, each.size, each.phase) for each in record.measurements if each.stopped
    }
    for number in range(record.settings.rounds):
        for cell in record.settings.cells():
            keys = [(cell.method, cell.axis, cell.size, phase) for phase in cell.phases]
            measured = all((*key, number) in done for key in keys)
            if not measured and not (number and all(key in stopped for key in keys)):
                yield number, cell


def _smaller_stopped(record: EfficiencyRecord, cell: Cell) -> bool:
    """Whether a smaller size of the method's phase on this axis was stopped: the larger would be, too."""
    return any(
        each.stopped and (each.method, each.axis) == (cell.method, cell.axis) and each.size < cell.size
        for each in record.measurements
        if each.phase in cell.phases
    )


def _image_file(scratch: Path, cell: Cell, settings: EfficiencySettings) -> Path:
    """The images of the cell's axis and side, drawn once."""
    path = scratch / f"{cell.axis}-{cell.side}.npy"
    if not path.exists():
        most = settings.rows_at_each_side if cell.axis == "pixels" else max(settings.rows)
        with publish_file(path) as partial, partial.open("wb") as file:
            images = natural_images(
                most + settings.scored_images, cell.side, settings.channels, settings.seed
            )
            np.save(file, images)
    return path


def _line(number: int, cell: Cell, new: list[Measurement]) -> str:
    where = f"round {number + 1}  {cell.method:<22}{cell.side:>4} px{cell.rows:>7} rows"
    told = []
    for each in new:
        if each.stopped:
            told.append(f"{each.phase}: stopped, {each.stopped}")
        else:
            memory = "?" if each.peak_bytes is None else f"{each.peak_bytes / 1e6:.0f}"
            told.append(f"{each.phase} {each.cpu_seconds:.4g} s, {memory} MB")
    return f"{where}  {'; '.join(told)}"


# --- on disk ---


def _content_hash(record: EfficiencyRecord) -> str:
    content = record.model_dump(mode="json", exclude={"content_hash"})
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _write(record: EfficiencyRecord, path: Path) -> None:
    """Whole or not at all; a measurement a line, so that a reader finds it."""
    content = record.model_dump(mode="json")
    lists = ("measurements", *DERIVED)
    head = json.dumps({name: value for name, value in content.items() if name not in lists}, indent=1)
    rows = [
        f' "{name}": [\n' + ",\n".join(f"  {json.dumps(each)}" for each in content[name]) + "\n ]"
        for name in lists
    ]
    with publish_file(path) as partial:
        partial.write_text(head.rstrip("\n}") + ",\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def read_efficiency(folder: Path | str) -> EfficiencyRecord:
    """The record in `folder`; RecordError where it is missing, foreign or was edited by hand."""
    path = Path(folder) / EFFICIENCY_FILE
    try:
        record = EfficiencyRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} is not a record of efficiency: {error}") from error
    if record.content_hash != _content_hash(record):
        raise RecordError(f"{path} was edited by hand: its content does not match its content_hash")
    return record


def list_efficiency(root: Path | str) -> list[Path]:
    """Folders at or under `root` that hold a record of efficiency, sorted."""
    return sorted(path.parent for path in Path(root).rglob(EFFICIENCY_FILE))


def verify_efficiency(folder: Path | str, tolerance: float = 1e-9) -> tuple[list[str], int]:
    """Recompute every median and exponent from the raw rounds.

    Returns:
        A sentence for each number that differs by more than `tolerance` of itself, and how many were recomputed.

    Raises:
        RecordError: the record is missing, foreign or was edited by hand.
    """
    record = read_efficiency(folder)
    sentences, count = [], 0
    for name, again in zip(
        DERIVED,
        (summaries(record.measurements, record.settings), growths(record.measurements, record.settings)),
        strict=True,
    ):
        before, now = ({_key(each): each for each in some} for some in (getattr(record, name), again))
        for key in sorted(before.keys() | now.keys()):
            if key not in before or key not in now:
                kind = "not recorded" if key not in before else "without measurements"
                sentences.append(f"{folder}: {name} of {key} is {kind}")
                continue
            numbers = _numbers(before[key]), _numbers(now[key])
            count += len(numbers[0])
            sentences += [
                f"{folder}: {name} of {key}: {field} is recorded as {old}, the measurements give {numbers[1][field]}"
                for field, old in numbers[0].items()
                if abs(old - numbers[1][field]) > tolerance * max(abs(old), 1e-300)
            ]
    return sentences, count


def _key(each: Summary | Growth) -> tuple:
    return tuple(str(value) for value in each.model_dump().values() if isinstance(value, str)) + (
        (each.size,) if isinstance(each, Summary) else each.sizes
    )


def _numbers(each: Summary | Growth) -> dict[str, float]:
    return {name: value for name, value in each.model_dump().items() if isinstance(value, float)}
