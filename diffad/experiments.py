"""An experiment file becomes a run record: split, train, score, judge.

The test labels are revealed last, in exchange for the finished scores of every method at once; nothing before
that line can depend on them.
"""

import contextlib
import dataclasses
import inspect
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from diffad.configuration import Edition, Experiment
from diffad.datasets import load, protocols
from diffad.datasets.loading import FOLDER, available_parts
from diffad.datasets.split import Split
from diffad.errors import RecordError
from diffad.methods import score_baseline, score_diffusion
from diffad.model import DiffusionModel
from diffad.provenance import device_name, provenance
from diffad.records import (
    DataDescription,
    RunRecord,
    RunScores,
    claim_record,
    is_stale,
    list_records,
    new_record,
    read_record,
)
from diffad.storage import publish_file
from diffad.training import TrainingHistory, fit

PROTOCOLS = {
    "clean_versus_corrupted": protocols.clean_versus_corrupted,
    "one_versus_rest": protocols.one_versus_rest,
    "contaminated_one_versus_rest": protocols.contaminated_one_versus_rest,
    "official_split": protocols.official_split,
    "redrawn_split": protocols.redrawn_split,
}
MODEL_FOLDER, HISTORY_FILE = "model", "training.json"


@dataclass
class Stopwatch:
    """Wall seconds of each phase of a run."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, phase: str, function, *arguments, **keywords):
        """Call and time; returns what the function returns."""
        started = time.perf_counter()
        result = function(*arguments, **keywords)
        self.seconds[phase] = round(time.perf_counter() - started, 3)
        return result


def make_split(experiment: Experiment, edition: Edition, cell: str | None = None) -> Split:
    """The train, validation and sealed test set of an edition, or of one of its cells.

    Raises:
        ValueError: a key of `protocol_parameters` that the protocol does not take, or a value that it refuses.
    """
    edition = edition.of_cell(cell)
    protocol, parameters = PROTOCOLS[experiment.protocol], edition.protocol_parameters
    try:
        inspect.signature(protocol).bind(edition.dataset, seed=edition.seed, **parameters)
    except TypeError as error:
        raise ValueError(f"protocol_parameters: {experiment.protocol} {error}") from error
    return protocol(edition.dataset, seed=edition.seed, **parameters)


def train_model(
    edition: Edition, split: Split, checkpoints: Path | None, progress: bool = True
) -> tuple[DiffusionModel, TrainingHistory]:
    """Train the edition's model on the split's normal images; taken up again from `checkpoints` where a run
    was stopped.
    """
    model = edition.model.build(edition.training.seed)
    history = fit(model, split.train, edition.training, split.validation, checkpoints, progress)
    return model, history


def run_experiment(
    experiment: Experiment,
    edition_name: str,
    results: Path | str = "results",
    checkpoints: Path | str | None = ".work/checkpoints",
    progress: bool = True,
    cell: str | None = None,
) -> RunRecord:
    """Run one edition, or one cell of it, from data to record; return the record, published with its raw scores
    and its model.

    Args:
        experiment: from `diffad.configuration.load_experiment`.
        edition_name: "smoke", "cpu" or "gpu".
        results: the record goes to `record_folder`, the trained model to its `model` folder.
        checkpoints: training can be stopped and goes on from here; None keeps none. Removed once the record
            stands.
        progress: whether to show progress bars.
        cell: which of the edition's cells; None where it has none.

    Raises:
        DataNotFound: the data set is not in the data home; the message names the command that fetches it.
        RecordError: another run holds the record's folder.
        ValueError: the edition has no such cell, or has cells and none was named.
    """
    edition = experiment.edition(edition_name).of_cell(cell)
    identity = run_identity(experiment, edition_name, cell)
    watch = Stopwatch()
    made_by = provenance()  # before hours in which the files may change
    split = watch.time("split", make_split, experiment, edition)
    folder = record_folder(experiment, edition_name, results, cell)
    working = None if checkpoints is None else Path(checkpoints) / identity["name"]
    with claim_record(folder) as claim, one_thread():
        claim.check_same_run(**identity)
        model, history = train_model(edition, split, working, progress)
        watch.seconds["ddpm/train"] = round(history.seconds[-1], 3)
        run_scores, nfe = _score(edition, model, split, watch, progress)
        record = new_record(
            run_scores,
            **identity,
            edition=edition_name,
            data=DataDescription(
                name=edition.dataset,
                fingerprint=data_fingerprint(edition.dataset),
                split=split.describe(),
            ),
            wall_seconds=watch.seconds,
            nfe=nfe,
        )
        device = device_name(next(model.parameters()).device)
        record = record.model_copy(update={"provenance": made_by.model_copy(update={"device": device})})
        model.save(folder / MODEL_FOLDER)
        with publish_file(folder / HISTORY_FILE) as path:
            path.write_text(json.dumps(dataclasses.asdict(history), indent=1) + "\n")
        record = claim.write(record, run_scores)
    if working is not None:
        shutil.rmtree(working, ignore_errors=True)
    return record


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, as sums depend on how they are shared out: the same scores on any number of cores.

    Several cells use several cores. An accelerator is not affected.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def data_fingerprint(name: str) -> str:
    """The hash of the content of a data set's training part, or of its first part at hand where it has none.

    Raises:
        DataNotFound: nothing of it is in the data home.
    """
    part = next(iter(available_parts(name)), "train") if not name.startswith(FOLDER) else "train"
    return load(name, part).fingerprint


def record_folder(
    experiment: Experiment, edition_name: str, results: Path | str = "results", cell: str | None = None
) -> Path:
    """Where a run's record goes: results/NAME/EDITION, or results/NAME/EDITION/CELL."""
    return Path(results, experiment.name, edition_name, *([cell] if cell else []))


def is_recorded(experiment: Experiment, edition_name: str, results: Path | str, cell: str | None) -> bool:
    """Whether this run's record stands, whole and made by the code as it is.

    Raises:
        RecordError: the folder's record is damaged or of another run.
    """
    folder = record_folder(experiment, edition_name, results, cell)
    if not list_records(folder):
        return False
    with claim_record(folder) as claim:
        claim.check_same_run(**run_identity(experiment, edition_name, cell))
    return not is_stale(read_record(folder)[0])


def run_identity(experiment: Experiment, edition_name: str, cell: str | None) -> dict:
    """What a run is a function of, beside data and code: name, configuration and seeds."""
    edition = experiment.edition(edition_name).of_cell(cell)
    configuration = edition.model_dump(mode="json", exclude={"cells"})
    return {
        "name": "-".join([experiment.name, edition_name, *([cell] if cell else [])]),
        "experiment": {"experiment": experiment.name, "protocol": experiment.protocol, **configuration},
        "seeds": {"split": edition.seed, "training": edition.training.seed, "baselines": edition.seed},
    }


def _score(
    edition: Edition, model: DiffusionModel, split: Split, watch: Stopwatch, progress: bool
) -> tuple[RunScores, dict[str, int]]:
    """Scores of every method with the labels that are revealed for them, and each method's NFE."""
    scores = watch.time("ddpm/score", score_diffusion, model, split, edition.scoring, progress)
    for name in edition.baselines:
        scores.by_method[name] = watch.time(
            f"{name}/fit and score", score_baseline, name, split, edition.seed
        )
        scores.nfe[name] = 0
    return RunScores.of_split(split, scores.by_method), scores.nfe  # here the labels are revealed


@dataclass(frozen=True)
class FinishedRun:
    """A run read back from its folder: the record, its raw scores, the trained model and its training."""

    record: RunRecord
    scores: RunScores
    model: DiffusionModel
    history: TrainingHistory


def read_run(folder: Path | str) -> FinishedRun:
    """Read what `run_experiment` published in `folder`.

    Raises:
        RecordError: the record is missing, damaged or edited by hand.
        CheckpointError: the model is.
    """
    record, scores = read_record(folder)
    path = Path(folder) / HISTORY_FILE
    try:
        history = TrainingHistory(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise RecordError(f"{path} is missing or not a training history ({error})") from error
    return FinishedRun(record, scores, DiffusionModel.load(Path(folder) / MODEL_FOLDER), history)
