"""Every method on every split of every data set of a file of the embeddings track, taken up where it was stopped.

A cell is one split of one data set. Its methods are fitted and scored, then its labels are revealed in exchange for all
finished scores, then the data set's record is replaced by one that holds the cell too: whoever is killed loses the cell
in work. Methods that stand in a record with the same settings are not run again. Several processes may work on one
file: each claims a data set while it works on it and passes over those that others hold.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffad.datasets.split import Split
from diffad.datasets.vector_protocols import adbench_semi_supervised
from diffad.embeddings.configuration import EmbeddingsFile
from diffad.embeddings.methods import Kind, make_method
from diffad.embeddings.records import (
    VECTORS_FILE,
    Cell,
    CellRanks,
    MethodResult,
    VectorsRecord,
    ranks_of,
    read_vectors,
    write_vectors,
)
from diffad.errors import RecordError
from diffad.evaluation import auroc
from diffad.provenance import ROOT, Provenance, changed_files, provenance, source_files
from diffad.records import claim_record

ENTRIES = tuple(ROOT / "diffad" / name for name in ("datasets/vector_protocols.py", "embeddings/methods.py"))
Report = Callable[[str], None]


@dataclass
class Progress:
    """What a call of `run_embeddings` did: cells by name ("DATA seed SEED"), data sets that another process holds."""

    run: list[str] = field(default_factory=list)
    stood: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


def run_embeddings(
    file: EmbeddingsFile,
    edition_name: str,
    results: Path | str = "results",
    tracks: Sequence[str] = (),
    data: str | None = None,
    seeds: Sequence[int] = (),
    again: bool = False,
    home: Path | None = None,
    report: Report = lambda sentence: None,
) -> Progress:
    """Run what is not recorded yet; a record a data set goes to `record_folder`.

    Args:
        file: from `load_embeddings_file`.
        edition_name: "smoke", "cpu" or "gpu".
        results: folder of all records.
        tracks: only these; all if empty.
        data: only this data set.
        seeds: only these; the edition's if empty.
        again: whether what is recorded is run again.
        home: the data home.
        report: told a sentence about each cell.

    Raises:
        ValueError: no such edition, track or data set.
        DataNotFound: vectors are not in the data home; the message names the command that fetches them.
        RecordError: a record was edited by hand, or is of other limits.
    """
    seeds, progress = tuple(seeds) or file.edition(edition_name).seeds, Progress()
    for name in chosen_data(file, edition_name, tracks, data):
        work = _DataSet(file, edition_name, name, Path(results), home)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(claim_record(work.folder))
            except RecordError:
                progress.held.append(name)
                report(f"{name}: another run is at it")
                continue
            for seed in seeds:
                started, num_methods = time.perf_counter(), work.run(seed, again)
                seconds = time.perf_counter() - started
                report(
                    f"{name} seed {seed}: "
                    + (f"{num_methods} methods in {seconds:.1f} s" if num_methods else "stands")
                )
                (progress.run if num_methods else progress.stood).append(f"{name} seed {seed}")
    return progress


def chosen_data(
    file: EmbeddingsFile, edition_name: str, tracks: Sequence[str] = (), data: str | None = None
) -> list[str]:
    """Names of the data sets of some tracks, or of all; or the one that is named. ValueError for what is not there."""
    edition = file.edition(edition_name)
    if data is not None:
        edition.track_of(data)
        return [data]
    if unknown := [name for name in tracks if name not in edition.tracks]:
        raise ValueError(f"track: got {unknown[0]!r}, expected some of {', '.join(edition.tracks)}")
    return [name for track in tracks or edition.tracks for name in edition.tracks[track].data]


def record_folder(
    file: EmbeddingsFile, edition_name: str, data: str, results: Path | str = "results"
) -> Path:
    """Where a data set's record goes: results/NAME/EDITION/ENTRY/ITEM."""
    return Path(results, file.name, edition_name, *data.split("/"))


def score_cell(
    split: Split, kind: Kind, methods: dict[str, dict[str, Any]]
) -> tuple[dict[str, MethodResult], CellRanks]:
    """Fit every method on what the split lets be seen, score its test rows, and only then reveal the labels.

    Nothing is chosen on held-out rows here, so the protocol's whole half is trained on. The seed of the split is that
    of the methods.

    Args:
        split: of `adbench_semi_supervised`.
        kind: of the vectors.
        methods: name -> settings.
    """
    seen = np.concatenate([split.train, split.validation])
    scores, seconds = {}, {}
    for name, settings in methods.items():
        started = time.perf_counter()
        detector = make_method(name, kind, split.seed, **settings).fit(seen)
        scores[name] = np.asarray(detector.decision_function(split.test), dtype=np.float64)
        seconds[name] = round(time.perf_counter() - started, 3)
    labels, *_ = [split.reveal(each).labels for each in scores.values()]
    found = {
        name: MethodResult(settings=settings, auroc=auroc(labels, scores[name]), seconds=seconds[name])
        for name, settings in methods.items()
    }
    return found, CellRanks(labels.astype(np.uint8), {name: ranks_of(each) for name, each in scores.items()})


def check_cell(
    file: EmbeddingsFile,
    edition_name: str,
    data: str,
    seed: int,
    results: Path | str = "results",
    home: Path | None = None,
) -> list[dict[str, Any]]:
    """Run a recorded cell anew, write nothing, and lay the numbers side by side.

    Returns:
        One row a method of the file: method, recorded and now (AUROC in [0, 1]), same (to the last digit).

    Raises:
        RecordError: the cell is not recorded. Else as `run_embeddings`.
    """
    work = _DataSet(file, edition_name, data, Path(results), home)
    cell = read_vectors(work.folder)[0].cell(seed)
    if cell is None or set(work.methods) - set(cell.methods):
        raise RecordError(
            f"{work.folder / VECTORS_FILE} lacks seed {seed} or some of its methods: run it first"
        )
    found, _ = score_cell(work.split(seed), work.track.kind, work.methods)
    return [
        {
            "method": name,
            "recorded": cell.methods[name].auroc,
            "now": result.auroc,
            "same": cell.methods[name].auroc == result.auroc,
        }
        for name, result in found.items()
    ]


class _DataSet:
    """The work on one data set of an edition; its folder is held by the caller."""

    def __init__(self, file: EmbeddingsFile, edition_name: str, data: str, results: Path, home: Path | None):
        edition = file.edition(edition_name)
        track_name = edition.track_of(data)
        self.track, self.methods, self.data, self.home = (
            edition.tracks[track_name],
            edition.methods,
            data,
            home,
        )
        self.folder = record_folder(file, edition_name, data, results)
        self.identity = {
            "experiment": file.name,
            "edition": edition_name,
            "track": track_name,
            "kind": self.track.kind,
            "data": data,
            "limits": self.track.limits(),
        }

    def run(self, seed: int, again: bool) -> int:
        """Run the methods of a cell that are not recorded, or all, and publish; how many they were."""
        record, ranks = self._standing()
        old = record.cell(seed) if record else None
        methods = self._missing(None if again else old)
        if not methods:
            return 0
        split = self.split(seed)
        if old is not None and old.split["fingerprint"] != split.fingerprint:
            raise RecordError(
                f"{self.folder / VECTORS_FILE} is of other data or another split: remove its folder to run it anew"
            )
        found, scored = score_cell(split, self.track.kind, methods)
        if old is not None:
            found = {**old.methods, **found}
            scored = CellRanks(scored.labels, {**ranks[seed].by_method, **scored.by_method})
        self._publish(record, {**ranks, seed: scored}, split, found)
        return len(methods)

    def split(self, seed: int) -> Split:
        """The split of that seed."""
        return adbench_semi_supervised(self.data, seed=seed, home=self.home, **self.track.limits())

    def _standing(self) -> tuple[VectorsRecord | None, dict[int, CellRanks]]:
        if not (self.folder / VECTORS_FILE).exists():
            return None, {}
        record, ranks = read_vectors(self.folder)
        for name, value in self.identity.items():
            if getattr(record, name) != value:
                raise RecordError(
                    f"{self.folder / VECTORS_FILE} has {name} {getattr(record, name)!r}, the experiment file {value!r}: "
                    "remove its folder or choose another"
                )
        return record, ranks

    def _missing(self, cell: Cell | None) -> dict[str, dict[str, Any]]:
        """Methods of the file that a cell lacks, or has by other settings."""
        recorded = {name: result.settings for name, result in cell.methods.items()} if cell else {}
        return {name: settings for name, settings in self.methods.items() if recorded.get(name) != settings}

    def _publish(
        self,
        record: VectorsRecord | None,
        ranks: dict[int, CellRanks],
        split: Split,
        found: dict[str, MethodResult],
    ) -> None:
        made_by = _provenance()
        cell = Cell(
            seed=split.seed,
            split=split.describe(),
            source_hash=made_by.source_hash,
            device=made_by.device,
            methods=found,
        )
        others = [each for each in record.cells if each.seed != split.seed] if record else []
        cells = tuple(sorted([*others, cell], key=lambda each: each.seed))
        new = VectorsRecord(**self.identity, provenance=made_by, cells=cells)
        write_vectors(new, {each.seed: ranks[each.seed] for each in cells}, self.folder)


@cache
def _provenance() -> Provenance:
    """Of this process; of the code, what computes scores of vectors."""
    return provenance("cuda" if torch.cuda.is_available() else "cpu", ENTRIES)


def stale_modules(record: VectorsRecord) -> list[str]:
    """Names of the files that compute scores of vectors and that were added or changed since the record's last cell was
    run, sorted.
    """
    return changed_files(record.provenance.source_files, source_files(ENTRIES))
