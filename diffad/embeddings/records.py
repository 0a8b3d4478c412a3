"""Records of the embeddings track: a data set has one, with the ranks of all test rows under every method and seed.

A record is a folder with `vectors.json` and one `scores-HASH.npz`, written as `diffad.records` writes its own: the JSON
is renamed into place last, names the hash of the scores' file and carries a hash of itself.

Scores are kept as dense ranks within their test set, equal scores sharing one: two bytes a number in place of eight,
and all that an AUROC depends on.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from scipy.stats import rankdata

from diffad.errors import RecordError
from diffad.evaluation import auroc
from diffad.provenance import Provenance
from diffad.storage import ensure_folder, publish_file

VECTORS_FILE = "vectors.json"
TOLERANCE = 1e-9  # of an AUROC computed again from the same ranks
LARGEST_RANK = 2**16

AUROC = Annotated[float, Field(ge=0, le=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MethodResult(_Model):
    """One method on one split: its settings, AUROC in [0, 1], and seconds to fit and score."""

    settings: dict[str, Any]
    auroc: AUROC
    seconds: FiniteFloat


class Cell(_Model):
    """One split of a data set, with every method that was run on it."""

    seed: int = Field(ge=0)
    split: dict[str, Any] = Field(description="what `Split.describe` says of it")
    source_hash: str = Field(description="of the code that ran it last")
    device: str
    methods: dict[str, MethodResult]


class VectorsRecord(_Model):
    """Everything about a data set's cells but the ranks. `write_vectors` fills in the two hashes."""

    format: Literal["diffad-vectors-1"] = "diffad-vectors-1"
    experiment: str
    edition: Literal["smoke", "cpu", "gpu"]
    track: str
    kind: Literal["embeddings", "tables"]
    data: str
    limits: dict[str, int] = Field(description="rows to which larger sets are thinned")
    provenance: Provenance = Field(description="of the cell that was written last")
    cells: tuple[Cell, ...] = Field(min_length=1)
    scores_sha256: str | None = None
    content_hash: str | None = None

    def cell(self, seed: int) -> Cell | None:
        """The cell of that seed, None where it was not run."""
        return next((cell for cell in self.cells if cell.seed == seed), None)


@dataclass(frozen=True, eq=False)
class CellRanks:
    """The raw material of a cell.

    Attributes:
        labels: uint8 (n,), 0 = normal, 1 = anomalous, in the order of `Split.test`.
        by_method: {name: uint16 (n,)}, dense ranks from 0, higher = more anomalous.
    """

    labels: np.ndarray
    by_method: dict[str, np.ndarray]

    def aurocs(self) -> dict[str, float]:
        """Every method's AUROC, in [0, 1]."""
        return {method: auroc(self.labels, ranks) for method, ranks in self.by_method.items()}


def ranks_of(scores: np.ndarray) -> np.ndarray:
    """Finite scores (n,) as dense ranks from 0, uint16 (n,).

    Raises:
        ValueError: more different scores than 65,536.
    """
    ranks = rankdata(scores, method="dense") - 1
    if ranks.max() >= LARGEST_RANK:
        raise ValueError(
            f"scores: got {int(ranks.max()) + 1} different ones, expected at most {LARGEST_RANK}"
        )
    return ranks.astype(np.uint16)


# --- writing ---


def write_vectors(record: VectorsRecord, ranks: Mapping[int, CellRanks], folder: Path) -> VectorsRecord:
    """Publish a record and its cells' ranks in place of what the folder holds; return it with its hashes.

    The caller holds the folder (`diffad.records.claim_record`).

    Args:
        record: as it should stand.
        ranks: seed -> the ranks of its cell, one for each cell.
        folder: made if it is not there.
    """
    content = _to_bytes(ranks)
    record = record.model_copy(update={"scores_sha256": hashlib.sha256(content).hexdigest()})
    record = record.model_copy(update={"content_hash": _content_hash(record)})
    folder = ensure_folder(Path(folder))
    with publish_file(folder / _scores_file(record)) as path:
        path.write_bytes(content)
    with publish_file(folder / VECTORS_FILE) as path:  # from here on the new record stands
        path.write_text(json.dumps(record.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    for path in [*folder.glob("scores-*.npz"), *folder.glob(".*.partial")]:
        if path.name != _scores_file(record):
            path.unlink()
    return record


def _to_bytes(ranks: Mapping[int, CellRanks]) -> bytes:
    arrays = {}
    for seed, cell in ranks.items():
        arrays[f"labels_{seed}"] = cell.labels.astype(np.uint8)
        arrays[f"methods_{seed}"] = np.array(list(cell.by_method))
        arrays[f"ranks_{seed}"] = np.stack(list(cell.by_method.values()))  # (methods, n)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _scores_file(record: VectorsRecord) -> str:
    return f"scores-{record.scores_sha256[:12]}.npz"


def _content_hash(record: VectorsRecord) -> str:
    content = record.model_dump(mode="json", exclude={"content_hash"})
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


# --- reading ---


def read_vectors(folder: Path | str) -> tuple[VectorsRecord, dict[int, CellRanks]]:
    """Read a data set's record and the ranks of its cells, by seed.

    Raises:
        RecordError: a file is missing, altered, damaged or foreign; the message names it.
    """
    path = Path(folder) / VECTORS_FILE
    record = _read_description(path)
    scores_path = path.parent / _scores_file(record)
    try:
        content = scores_path.read_bytes()
    except OSError as error:
        raise RecordError(
            f"{scores_path} is missing: the record cannot be checked without its scores"
        ) from error
    if hashlib.sha256(content).hexdigest() != record.scores_sha256:
        raise RecordError(
            f"{scores_path} does not match the scores_sha256 of its record: it is damaged or was replaced"
        )
    try:
        return record, _from_bytes(content, [cell.seed for cell in record.cells])
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise RecordError(f"{scores_path} does not hold a record's ranks: {error}") from error


def read_description(folder: Path | str) -> VectorsRecord:
    """A data set's record without its ranks, whose hash is not checked; RecordError as for `read_vectors`."""
    return _read_description(Path(folder) / VECTORS_FILE)


def list_vectors(root: Path | str) -> list[Path]:
    """Folders at or under `root` that hold a record of vectors, sorted."""
    return sorted(path.parent for path in Path(root).rglob(VECTORS_FILE))


def verify_embeddings(folder: Path | str) -> tuple[list[str], int]:
    """Recompute every AUROC of a data set's record from its ranks.

    Returns:
        One sentence for each that differs from what the record says, and how many were recomputed.

    Raises:
        RecordError: as for `read_vectors`.
    """
    record, ranks = read_vectors(folder)
    sentences, count = [], 0
    for cell in record.cells:
        found = ranks[cell.seed].aurocs()
        if found.keys() != cell.methods.keys():
            odd = sorted(found.keys() ^ cell.methods.keys())
            sentences.append(f"seed {cell.seed}: {odd[0]} stands in one of record and ranks alone")
        for method in found.keys() & cell.methods.keys():
            count += 1
            recorded = cell.methods[method].auroc
            if abs(found[method] - recorded) > TOLERANCE:
                sentences.append(
                    f"seed {cell.seed}, {method}: auroc is recorded as {recorded!r}, the ranks give {found[method]!r}"
                )
    return sentences, count


def _read_description(path: Path) -> VectorsRecord:
    try:
        record = VectorsRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path} is missing: {path.parent} holds no record of vectors") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise RecordError(f"{path} is not a record of vectors: {where}: {first['msg']}") from error
    if record.scores_sha256 is None or record.content_hash != _content_hash(record):
        raise RecordError(
            f"{path} was edited by hand: its content does not match its content_hash; run it again"
        )
    return record


def _from_bytes(content: bytes, seeds: list[int]) -> dict[int, CellRanks]:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise ValueError("it is not an npz file")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {
            seed: CellRanks(
                archive[f"labels_{seed}"],
                dict(zip(archive[f"methods_{seed}"].tolist(), archive[f"ranks_{seed}"], strict=True)),
            )
            for seed in seeds
        }
