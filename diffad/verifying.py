"""Every recorded figure recomputed from what it follows from, and each that does not follow told with file and line.

    record.json        metrics and intervals from raw scores
    vectors.json       AUROCs of embeddings and tables from ranks
    sensitivity.json   AUROCs of many small trainings from ranks
    efficiency.json    medians and exponents from measured rounds
    quality.json       means are taken when a page is built; its hash and the training that it is of are checked
    localisation.json  pixel figures, which need the full maps and masks; that they lie in [0, 1] is checked

A record that was edited by hand is searched for what was edited: a metric that the scores do not give, else the line of
the hash that its content no longer has.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from joblib import Parallel, delayed
from pydantic import BaseModel, ValidationError

from diffad.errors import DataNotFound, RecordError
from diffad.records import RECORD_FILE, RunScores, read_record
from diffad.run_record import MetricValue, RunRecord, recompute
from diffad.yaml_lines import YamlDocument

TOLERANCE = 1e-9
HASHES = ("content_hash", "scores_sha256", "ranks_sha256")


@dataclass(frozen=True)
class Fault:
    """Something recorded that does not follow, or cannot be read: where it stands, and what is wrong."""

    path: str
    line: int | None
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.sentence}" if self.line else f"{self.path}: {self.sentence}"


@dataclass(frozen=True)
class Checked:
    """One file after its check: how many numbers were recomputed, and what is wrong with it."""

    path: str
    count: int
    faults: tuple[Fault, ...]


def verify_all(root: Path | str, jobs: int | None = None) -> list[Checked]:
    """Check every record at or under a folder, several at a time; in the order of their paths.

    Args:
        root: such as results.
        jobs: processes; as many as there are cores at most, if not given.

    Raises:
        DataNotFound: there is no such folder, or no record in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataNotFound(f"--root: {root} is not a folder, expected the folder of recorded runs")
    paths = sorted(path for path in root.rglob("*.json") if path.name in CHECKS)
    if not paths:
        raise DataNotFound(f"--root: no record is in {root}, expected a folder of recorded runs")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = max(1, min(cores, len(paths) // 4)) if jobs is None else jobs  # a process takes seconds to start
    largest_first = sorted(paths, key=lambda path: -path.stat().st_size)
    checked = Parallel(jobs)(delayed(verify_file)(path) for path in largest_first)
    return sorted(checked, key=lambda each: each.path)


def verify_file(path: Path) -> Checked:
    """Check one file by its name; whatever makes it unreadable is a fault, not an error."""
    try:
        count, faults = CHECKS[path.name](path)
    except (RecordError, OSError) as error:
        text = " ".join(str(error).split())
        count, faults = 0, [Fault(str(path), _unreadable_line(path, text), text)]
    return Checked(str(path), count, tuple(faults))


# --- run records ---


def _check_run(path: Path) -> tuple[int, list[Fault]]:
    try:
        record, scores = read_record(path.parent)
    except RecordError as error:
        return 0, _why_unreadable(path, " ".join(str(error).split()))
    return len(record.metrics), _wrong_metrics(path, record, scores)


def _wrong_metrics(path: Path, record: RunRecord, scores: RunScores) -> list[Fault]:
    computed = {_key(value): value for value in recompute(record, scores)}
    recorded = {_key(value): number for number, value in enumerate(record.metrics)}
    document, faults = None, []
    for key, number in recorded.items():
        value, now = record.metrics[number], computed.get(key)
        for end in ("estimate", "low", "high"):
            if now is not None and abs(getattr(value, end) - getattr(now, end)) <= TOLERANCE:
                continue
            document = document or _document(path)
            line = document.line(["metrics", number, end]) if document else None
            gives = (
                "the scores hold no such method or group"
                if now is None
                else f"the scores give {getattr(now, end)}"
            )
            faults.append(
                Fault(str(path), line, f"{key} {end} is recorded as {getattr(value, end)}, {gives}")
            )
    document = document or (_document(path) if computed.keys() - recorded.keys() else None)
    line = document.line(["metrics"]) if document else None
    return faults + [
        Fault(str(path), line, f"{key} is not recorded") for key in sorted(computed.keys() - recorded.keys())
    ]


def _why_unreadable(path: Path, text: str) -> list[Fault]:
    """What was edited in a record that is refused: metrics that its scores do not give, else the line of the fault."""
    whole = [Fault(str(path), _unreadable_line(path, text), text)]
    try:
        record = RunRecord.model_validate_json(path.read_bytes())
        (scores_path,) = path.parent.glob(f"scores-{str(record.scores_sha256)[:12]}.npz")
        scores = RunScores.from_bytes(scores_path.read_bytes())
        return [*_wrong_metrics(path, record, scores), *whole]
    except (ValueError, KeyError, OSError):
        return whole


def _key(value: MetricValue) -> tuple[str, str, str]:
    return value.method, value.metric, value.group


# --- other records: each has its own check ---


def _by_sentences(
    check: Callable[[Path], tuple[list[str], int]],
) -> Callable[[Path], tuple[int, list[Fault]]]:
    """A check of a folder that returns sentences and a count, as one of a file."""

    def call(path: Path) -> tuple[int, list[Fault]]:
        sentences, count = check(path.parent)
        return count, [Fault(str(path), _line_of_number(path, each), each) for each in sentences]

    return call


def _embeddings(folder: Path) -> tuple[list[str], int]:
    from diffad.embeddings.records import verify_embeddings

    return verify_embeddings(folder)


def _efficiency(folder: Path) -> tuple[list[str], int]:
    from diffad.efficiency.record import verify_efficiency

    return verify_efficiency(folder)


def _sensitivity(folder: Path) -> tuple[list[str], int]:
    from diffad.sensitivity import read_sensitivity

    found = read_sensitivity(folder)
    return found.mismatches(), sum(len(cell.auroc) for cell in found.record.cells.values())


def _quality(folder: Path) -> tuple[list[str], int]:
    from diffad.ablations import read_quality

    read_quality(folder)
    return [], 0


def _localisation(folder: Path) -> tuple[list[str], int]:
    figures = _json(folder / "localisation.json")
    names = ("pixel_auroc", "per_region_overlap")
    return [
        f"{name} is recorded as {figures.get(name)}, which is no share"
        for name in names
        if not isinstance(figures.get(name), float) or not 0 <= figures[name] <= 1
    ], 0


CHECKS: dict[str, Callable[[Path], tuple[int, list[Fault]]]] = {
    RECORD_FILE: _check_run,
    "vectors.json": _by_sentences(_embeddings),
    "sensitivity.json": _by_sentences(_sensitivity),
    "efficiency.json": _by_sentences(_efficiency),
    "quality.json": _by_sentences(_quality),
    "localisation.json": _by_sentences(_localisation),
}


# --- lines ---


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is not JSON ({error})") from error


def _document(path: Path) -> YamlDocument | None:
    """The file's nodes with their lines, by YAML's reader, of which JSON is a part; None where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return YamlDocument(path, None, yaml.compose(text, Loader=loader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _unreadable_line(path: Path, text: str) -> int | None:
    """The line of what makes a file unreadable: where JSON breaks off, a field of the wrong type, or a hash."""
    try:
        json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        return error.lineno
    except (OSError, UnicodeDecodeError):
        return None
    document = _document(path)
    if document is None:
        return None
    keys = _refused_field(path)
    if keys:
        return document.line(keys)
    named = next((name for name in HASHES if name in text and name != "content_hash"), "content_hash")
    return document.line([named])


def _refused_field(path: Path) -> list[str | int]:
    """Where the model of a run record refuses a file; empty for other files, and where it does not."""
    if path.name != RECORD_FILE:
        return []
    model: type[BaseModel] = RunRecord
    try:
        model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        return list(error.errors()[0]["loc"])
    return []


def _line_of_number(path: Path, sentence: str) -> int | None:
    """The first line that holds the number of "... is recorded as NUMBER"."""
    found = re.search(r"recorded as (-?[\d.]+(?:e-?\d+)?)", sentence)
    if not found:
        return None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if found.group(1) in line:
            return number
    return None
