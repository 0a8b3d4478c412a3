"""Run records: what was run, on what, by what code, and how well it did, with the raw scores it follows from.

A record is a folder with `record.json` and one `scores-HASH.npz`. The JSON names the hash of the scores' file
and carries a hash of itself, so that an edit by hand is refused. `record.json` is the last thing renamed into
place: a writer that is killed at any moment leaves the old record or the new one, whole, and at worst a file
that no record names.
"""

import contextlib
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from diffad.errors import RecordError
from diffad.provenance import changed_files, source_files
from diffad.run_record import (
    DataDescription,
    EvaluationSettings,
    MetricValue,
    RunRecord,
    RunScores,
    compute_metrics,
    mismatches,
    new_record,
    recompute,
)
from diffad.storage import ensure_folder, publish_file

__all__ = [
    "DataDescription",
    "EvaluationSettings",
    "MetricValue",
    "RunRecord",
    "RunScores",
    "claim_record",
    "compute_metrics",
    "content_hash",
    "is_stale",
    "list_records",
    "mismatches",
    "new_record",
    "read_record",
    "recompute",
    "stale_modules",
    "write_record",
]

RECORD_FILE = "record.json"
LOCK_FILE = ".record.lock"
READ_ATTEMPTS = 20  # a writer may replace a record between the reading of its two files


# --- writing ---


class RecordClaim:
    """The right to write one record's folder, held for the length of a run; made by `claim_record`."""

    def __init__(self, folder: Path):
        self.folder = folder

    def check_same_run(self, name: str, experiment: Mapping[str, Any], seeds: Mapping[str, int]) -> None:
        """Call before a long run: RecordError if the folder holds a run's record that differs in these."""
        if not (self.folder / RECORD_FILE).exists():
            return
        old, _ = read_record(self.folder)
        asked = {"name": name, "experiment": json.loads(json.dumps(experiment)), "seeds": dict(seeds)}
        for field, value in asked.items():
            if getattr(old, field) != value:
                raise RecordError(
                    f"{self.folder / RECORD_FILE} is of another run (its {field} differs): "
                    "remove its folder or choose another"
                )

    def write(self, record: RunRecord, scores: RunScores) -> RunRecord:
        """Publish the record and its scores, in place of an older one of this run; return it with its hashes.

        Raises RecordError where the folder holds another run's record (name, experiment or seeds differ).
        """
        self.check_same_run(record.name, record.experiment, record.seeds)
        content = scores.to_bytes()
        record = record.model_copy(update={"scores_sha256": hashlib.sha256(content).hexdigest()})
        record = record.model_copy(update={"content_hash": content_hash(record)})
        text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
        with publish_file(self.folder / _scores_file(record)) as path:
            path.write_bytes(content)
        with publish_file(self.folder / RECORD_FILE) as path:  # from here on the new record stands
            path.write_text(text, encoding="utf-8")
        self._remove_left_overs(_scores_file(record))
        return record

    def _remove_left_overs(self, scores_file: str) -> None:
        """Drop the scores of the record that was replaced, and what killed writers left."""
        for path in [*self.folder.glob("scores-*.npz"), *self.folder.glob(".*.partial")]:
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != scores_file:
                path.unlink()


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


# --- reading ---


def content_hash(record: RunRecord) -> str:
    """sha256 over everything in the record but this hash itself, in canonical JSON."""
    content = record.model_dump(mode="json", exclude={"content_hash"})
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _scores_file(record: RunRecord) -> str:
    return f"scores-{record.scores_sha256[:12]}.npz"


def read_record(folder: str | Path) -> tuple[RunRecord, RunScores]:
    """Read a record and its raw scores; RecordError names the file that is missing, altered or foreign."""
    path = Path(folder) / RECORD_FILE
    if not path.exists():
        raise RecordError(f"{path} is missing: {folder} holds no finished run")
    for _ in range(READ_ATTEMPTS):
        record = _parse(_read_bytes(path), path)
        scores_path = path.parent / _scores_file(record)
        try:
            return record, _parse_scores(_read_bytes(scores_path), record, scores_path)
        except FileNotFoundError:
            continue
    raise RecordError(f"{scores_path} is missing: the record cannot be checked without its scores")


def list_records(root: str | Path) -> list[Path]:
    """Folders at or under `root` that hold a record, sorted; the folder of an unfinished run holds none."""
    return sorted(path.parent for path in Path(root).rglob(RECORD_FILE))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
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


def _parse_scores(content: bytes, record: RunRecord, path: Path) -> RunScores:
    if hashlib.sha256(content).hexdigest() != record.scores_sha256:
        raise RecordError(
            f"{path} does not match the scores_sha256 of its record: it is damaged or was replaced"
        )
    try:
        return RunScores.from_bytes(content)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path} does not hold a record's scores: {error}") from error


# --- staleness ---


def stale_modules(record: RunRecord) -> list[str]:
    """Names of the files that compute scores and that were added or changed since the record was made, sorted."""
    return changed_files(record.provenance.source_files, source_files())


def is_stale(record: RunRecord) -> bool:
    """Whether any file that computes scores differs from those that made the record."""
    return bool(stale_modules(record))
