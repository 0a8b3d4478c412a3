"""Run records: what was run, on what, by what code, and how well it did, with the raw scores it follows from.

A record is a folder with `record.json` and one `scores-HASH.npz`. The JSON names the hash of the scores' file
and carries a hash of itself, so that an edit by hand is refused. `record.json` is the last thing renamed into
place: a writer that is killed at any moment leaves the old record or the new one, whole, and at worst a file
that no record names.
"""

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, ValidationError

from diffad.bootstrap import Interval
from diffad.errors import RecordError
from diffad.evaluation import (
    MEAN_OVER_GROUPS,
    METRICS,
    check_labels_and_scores,
    evaluate_groups,
    group_resampling,
)
from diffad.provenance import PACKAGE_FOLDER, Provenance, provenance, source_files, source_hash
from diffad.storage import ensure_folder, publish_file

RECORD_FILE = "record.json"
LOCK_FILE = ".record.lock"


def _plain(value: Any) -> Any:
    """Refuse what JSON cannot carry unchanged: NaN and infinity."""
    json.dumps(value, allow_nan=False)
    return value


PlainDict = Annotated[dict[str, JsonValue], AfterValidator(_plain)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataDescription(_Model):
    """Which data: the set's name, the hash of its content, and the split's own description."""

    name: str
    fingerprint: str
    split: PlainDict


class EvaluationSettings(_Model):
    """How metrics and intervals follow from the scores; see `diffad.evaluation`."""

    metrics: tuple[Literal["auroc", "average_precision", "fpr_at_95_tpr"], ...] = tuple(METRICS)
    num_resamples: int = Field(1000, ge=2)
    confidence: float = Field(0.95, gt=0, lt=1)
    seed: int = Field(0, ge=0)


class MetricValue(_Model):
    """One number of a table with its interval; `group` is a group of anomalies or "mean", the mean over
    groups.
    """

    method: str
    group: str
    metric: str
    estimate: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat


class RunRecord(_Model):
    """Everything about a run but its raw scores. `write_record` fills in the two hashes."""

    format: Literal["diffad-run-1"] = "diffad-run-1"
    name: str = Field(min_length=1)
    experiment: PlainDict
    edition: Literal["smoke", "cpu", "gpu"]
    data: DataDescription
    seeds: dict[str, int]
    wall_seconds: dict[str, FiniteFloat] = Field(
        description="phase of the run, such as 'ddpm/train' -> seconds"
    )
    nfe: dict[str, int] = Field(description="method -> network evaluations an image; 0 without a network")
    provenance: Provenance
    evaluation: EvaluationSettings
    metrics: tuple[MetricValue, ...]
    scores_sha256: str | None = None
    content_hash: str | None = None

    def interval(self, method: str, metric: str = "auroc", group: str = MEAN_OVER_GROUPS) -> Interval:
        """One recorded number; RecordError where the record does not hold it."""
        for value in self.metrics:
            if (value.method, value.metric, value.group) == (method, metric, group):
                return Interval(value.estimate, value.low, value.high)
        raise RecordError(f"record {self.name!r} holds no {metric} of {method!r} for {group!r}")

    def table(self) -> pd.DataFrame:
        """All metrics, one a row: columns method, group, metric, estimate, low, high."""
        return pd.DataFrame(
            [value.model_dump() for value in self.metrics], columns=list(MetricValue.model_fields)
        )


@dataclass(frozen=True, eq=False)
class RunScores:
    """The raw material of a record.

    labels: int64 (n,), 0 or 1. groups: str (n,). by_method: {name: float64 (n,)}, finite, higher = more
    anomalous. units: int64 (n,) or None, the original image behind each row; see
    `diffad.evaluation.group_resampling`.
    """

    labels: np.ndarray
    groups: np.ndarray
    by_method: dict[str, np.ndarray]
    units: np.ndarray | None = None

    def __post_init__(self):
        if not isinstance(self.by_method, Mapping) or not self.by_method:
            raise ValueError("by_method must map at least one method's name to its scores")
        checked = {
            str(m): check_labels_and_scores(self.labels, s, f"scores of {m!r}")[1]
            for m, s in self.by_method.items()
        }
        object.__setattr__(self, "by_method", checked)
        object.__setattr__(self, "labels", np.asarray(self.labels).astype(np.int64))
        object.__setattr__(self, "groups", np.asarray(self.groups).astype(str))
        if self.units is not None:
            object.__setattr__(self, "units", np.asarray(self.units).astype(np.int64))
        group_resampling(self.labels, self.groups, self.units)  # refuses groups or units that do not fit

    def to_bytes(self) -> bytes:
        """The content of the npz file; the same scores give the same bytes."""
        arrays = {
            "labels": self.labels,
            "groups": self.groups,
            "methods": np.array(list(self.by_method)),
            "scores": np.stack(list(self.by_method.values())),  # (methods, n)
        }
        if self.units is not None:
            arrays["units"] = self.units
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "RunScores":
        """The inverse of `to_bytes`; ValueError, KeyError, OSError or BadZipFile for any other content."""
        if not zipfile.is_zipfile(io.BytesIO(content)):
            raise ValueError("it is not an npz file")
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        by_method = dict(zip(arrays["methods"].tolist(), arrays["scores"], strict=True))
        return cls(arrays["labels"], arrays["groups"], by_method, arrays.get("units"))


# --- making ---


def compute_metrics(scores: RunScores, settings: EvaluationSettings) -> tuple[MetricValue, ...]:
    """Every metric of every method, on every group and on their mean, with intervals."""
    results = evaluate_groups(
        scores.labels,
        scores.groups,
        scores.by_method,
        settings.metrics,
        settings.num_resamples,
        settings.confidence,
        settings.seed,
        scores.units,
    )
    return tuple(
        MetricValue(
            method=method, group=group, metric=metric, **vars(results.interval(metric, method, group))
        )
        for method in results.methods
        for metric in results.metrics
        for group in [MEAN_OVER_GROUPS, *results.groups]
    )


def new_record(
    scores: RunScores,
    *,
    name: str,
    experiment: Mapping[str, Any],
    edition: str,
    data: DataDescription,
    seeds: Mapping[str, int],
    wall_seconds: Mapping[str, float],
    nfe: Mapping[str, int],
    device="cpu",
    evaluation: EvaluationSettings | None = None,
) -> RunRecord:
    """A record of finished scores with its metrics and this process's provenance; not yet written."""
    evaluation = evaluation or EvaluationSettings()
    return RunRecord(
        name=name,
        experiment=experiment,
        edition=edition,
        data=data,
        seeds=seeds,
        wall_seconds=wall_seconds,
        nfe=nfe,
        provenance=provenance(device),
        evaluation=evaluation,
        metrics=compute_metrics(scores, evaluation),
    )


def recompute(record: RunRecord, scores: RunScores) -> tuple[MetricValue, ...]:
    """The record's metrics computed anew from the raw scores with the record's own settings."""
    return compute_metrics(scores, record.evaluation)


def mismatches(record: RunRecord, scores: RunScores, tolerance: float = 1e-9) -> list[str]:
    """One sentence for each recorded metric that the raw scores do not give; empty for an honest record."""
    recorded = {(value.method, value.metric, value.group): value for value in record.metrics}
    computed = {(value.method, value.metric, value.group): value for value in recompute(record, scores)}
    sentences = []
    for key in sorted(recorded.keys() | computed.keys()):
        before, now = recorded.get(key), computed.get(key)
        if before is None or now is None:
            sentences.append(
                f"{record.name}: {key} is {'not recorded' if before is None else 'without scores'}"
            )
            continue
        for end in ("estimate", "low", "high"):
            old, new = getattr(before, end), getattr(now, end)
            if abs(old - new) > tolerance:
                sentences.append(f"{record.name}: {key} {end} is recorded as {old}, the scores give {new}")
    return sentences


def stale_modules(record: RunRecord, folder: Path = PACKAGE_FOLDER) -> list[str]:
    """Names of the package's files that were added, removed or changed since the record was made, sorted."""
    before, now = record.provenance.source_files, source_files(folder)
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def is_stale(record: RunRecord, folder: Path = PACKAGE_FOLDER) -> bool:
    """Whether any source file of the package differs from those that made the record."""
    return record.provenance.source_hash != source_hash(folder)


# --- writing ---


class RecordClaim:
    """The right to write one record's folder, held for the length of a run; made by `claim_record`."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, record: RunRecord, scores: RunScores) -> RunRecord:
        """Publish the record with its scores, in place of an older one of the same run; return it with its
        hashes.

        Raises RecordError where the folder holds the record of another run (name, experiment or seeds
        differ).
        """
        _refuse_another_run(record, self.folder)
        content = scores.to_bytes()
        record = record.model_copy(update={"scores_sha256": hashlib.sha256(content).hexdigest()})
        record = record.model_copy(update={"content_hash": content_hash(record)})
        with publish_file(self.folder / _scores_file(record)) as path:
            path.write_bytes(content)
        with publish_file(self.folder / RECORD_FILE) as path:  # from here on the new record stands
            path.write_text(
                json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n",
                encoding="utf-8",
            )
        for left_over in [*self.folder.glob("scores-*.npz"), *self.folder.glob(".*.partial")]:
            if left_over.name != _scores_file(record):
                left_over.unlink()
        return record


@contextlib.contextmanager
def claim_record(folder: str | Path) -> Iterator[RecordClaim]:
    """Claim a record's folder before a run starts; RecordError if another process or thread holds it.

    The claim is a lock of the operating system: it ends with the process, however that ends.
    """
    folder = ensure_folder(Path(folder))
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RecordError(
            f"{folder} is being written by another run: two runs may not write one record"
        ) from None
    try:
        yield RecordClaim(folder)
    finally:
        lock.release()


def write_record(record: RunRecord, scores: RunScores, folder: str | Path) -> RunRecord:
    """Claim the folder, write the record and its scores, and return the record with its hashes."""
    with claim_record(folder) as claim:
        return claim.write(record, scores)


def _refuse_another_run(record: RunRecord, folder: Path) -> None:
    if not (folder / RECORD_FILE).exists():
        return
    old, _ = read_record(folder)
    for field in ("name", "experiment", "seeds"):
        if getattr(old, field) != getattr(record, field):
            raise RecordError(
                f"{folder / RECORD_FILE} is of another run (its {field} differs): choose another folder"
            )


# --- reading ---


def content_hash(record: RunRecord) -> str:
    """sha256 over everything in the record but this hash itself, in canonical JSON."""
    content = record.model_dump(mode="json", exclude={"content_hash"})
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _scores_file(record: RunRecord) -> str:
    return f"scores-{record.scores_sha256[:12]}.npz"


def read_record(folder: str | Path) -> tuple[RunRecord, RunScores]:
    """Read a record and its raw scores. RecordError names the file that is missing, altered or of another
    format.
    """
    path = Path(folder) / RECORD_FILE
    content = _read_bytes(path)
    record = _parse(content, path)
    scores_path = path.parent / _scores_file(record)
    if not scores_path.exists() and _read_bytes(path) != content:  # a writer published a new record meanwhile
        return read_record(folder)
    return record, _read_scores(record, scores_path)


def list_records(root: str | Path) -> list[Path]:
    """The folders at or under `root` that hold a record, sorted; a folder of a run that never finished holds
    none.
    """
    return sorted(path.parent for path in Path(root).rglob(RECORD_FILE))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error


def _parse(content: bytes, path: Path) -> RunRecord:
    try:
        record = RunRecord.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RecordError(f"{path} is not a run record: {where}: {first['msg']}") from error
    if record.scores_sha256 is None or record.content_hash is None:
        raise RecordError(f"{path} lacks its hashes: it was not written by write_record")
    if content_hash(record) != record.content_hash:
        raise RecordError(
            f"{path} was edited by hand: its content does not match its content_hash; run it again"
        )
    return record


def _read_scores(record: RunRecord, path: Path) -> RunScores:
    content = _read_bytes(path)
    if hashlib.sha256(content).hexdigest() != record.scores_sha256:
        raise RecordError(
            f"{path} does not match the scores_sha256 of its record: it is damaged or was replaced"
        )
    try:
        return RunScores.from_bytes(content)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path} does not hold a record's scores: {error}") from error
