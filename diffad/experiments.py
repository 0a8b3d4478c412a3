"""An experiment file becomes a run record: split, train, score, judge.

The test labels are revealed last, in exchange for the finished scores of every method at once; nothing before
that line can depend on them.
"""

import dataclasses
import inspect
import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from diffad.baselines import make_baseline
from diffad.configuration import Edition, Experiment, ScoringConfig
from diffad.datasets import load, protocols
from diffad.datasets.split import Split
from diffad.errors import RecordError
from diffad.model import DiffusionModel
from diffad.records import DataDescription, RunRecord, RunScores, claim_record, new_record, read_record
from diffad.scorers import (
    COMBINATIONS,
    Evaluator,
    LevelCalibration,
    OneStepReconstruction,
    PartialDiffusion,
    levels_from_fractions,
)
from diffad.storage import publish_file
from diffad.training import TrainingHistory, fit

PROTOCOLS = {
    "clean_versus_corrupted": protocols.clean_versus_corrupted,
    "one_versus_rest": protocols.one_versus_rest,
}
MODEL_FOLDER, HISTORY_FILE = "model", "training.json"

# Names of the methods in a record. A level's is `level_name(fraction)`.
ONE_STEP, PARTIAL_DIFFUSION = "one_step", "partial_diffusion"


def level_name(fraction: float) -> str:
    """The record's name for one-step error at the level `fraction` of T."""
    return f"one_step_at_{fraction:g}"


def rule_name(rule: str) -> str:
    """The record's name for a rule that combines the level profile (see `diffad.scorers.COMBINATIONS`)."""
    return f"levels_{rule}"


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


@dataclass
class Scores:
    """Finished scores of the test set: method -> float64 (n,), and the network evaluations an image each
    takes.
    """

    by_method: dict[str, np.ndarray]
    nfe: dict[str, int]


def make_split(experiment: Experiment, edition: Edition) -> Split:
    """The train, validation and sealed test set of an edition.

    Raises:
        ValueError: a key of `protocol_parameters` that the protocol does not take, or a value that it refuses.
    """
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


def make_scorers(
    model: DiffusionModel, scoring: ScoringConfig, progress: bool = False
) -> tuple[OneStepReconstruction, PartialDiffusion]:
    """The two reconstruction scorers of an edition, over one evaluator."""
    evaluator = Evaluator(model, scoring.batch_size, progress=progress)
    one_step = OneStepReconstruction(
        evaluator, levels_from_fractions(scoring.levels, model.num_steps), scoring.num_draws, scoring.metric
    )
    start = max(1, round(scoring.partial_diffusion.start * model.num_steps))
    return one_step, PartialDiffusion(evaluator, start, scoring.partial_diffusion.num_steps, scoring.metric)


def calibrate(one_step: OneStepReconstruction, split: Split, scoring: ScoringConfig) -> LevelCalibration:
    """Calibrate the level profile on held-out normal images."""
    return LevelCalibration(one_step.profile(split.validation[: scoring.calibration_images]))


def score_diffusion(
    model: DiffusionModel, split: Split, scoring: ScoringConfig, progress: bool = True
) -> Scores:
    """Score the test images by one-step error at each level, by the rules over levels, and by partial
    diffusion.
    """
    one_step, partial = make_scorers(model, scoring, progress)
    calibration = calibrate(one_step, split, scoring)
    profile = one_step.profile(split.test)  # (n, levels)
    by_method = {
        ONE_STEP: profile[:, scoring.levels.index(scoring.single_level)],
        PARTIAL_DIFFUSION: partial.scores(split.test),
    }
    nfe = {ONE_STEP: scoring.num_draws, PARTIAL_DIFFUSION: partial.evaluations_per_image}
    for rule in COMBINATIONS:
        by_method[rule_name(rule)] = calibration.combine(profile, rule)
        nfe[rule_name(rule)] = one_step.evaluations_per_image
    for number, fraction in enumerate(scoring.levels):
        by_method[level_name(fraction)] = profile[:, number]
        nfe[level_name(fraction)] = scoring.num_draws
    return Scores(by_method, nfe)


def score_baseline(name: str, split: Split, seed: int) -> np.ndarray:
    """Fit a baseline on the same training images and score the same test images, (n,)."""
    return make_baseline(name, seed).fit(split.train).decision_function(split.test)


def run_experiment(
    experiment: Experiment,
    edition_name: str,
    results: Path | str = "results",
    checkpoints: Path | str | None = ".work/checkpoints",
    progress: bool = True,
) -> RunRecord:
    """Run one edition from data to record and return the record, published with its raw scores and its model.

    Args:
        experiment: from `diffad.configuration.load_experiment`.
        edition_name: "smoke", "cpu" or "gpu".
        results: the record goes to results/NAME/EDITION, the trained model to its `model` folder.
        checkpoints: training can be stopped and goes on from here; None keeps none. Removed once the record
            stands.
        progress: whether to show progress bars.

    Raises:
        DataNotFound: the data set is not in the data home; the message names the command that fetches it.
        RecordError: another run holds the record's folder.
    """
    edition = experiment.edition(edition_name)
    watch = Stopwatch()
    split = watch.time("split", make_split, experiment, edition)
    folder = Path(results) / experiment.name / edition_name
    working = None if checkpoints is None else Path(checkpoints) / f"{experiment.name}-{edition_name}"
    identity = {
        "name": f"{experiment.name}-{edition_name}",
        "experiment": {
            "experiment": experiment.name,
            "protocol": experiment.protocol,
            **edition.model_dump(mode="json"),
        },
        "seeds": {"split": edition.seed, "training": edition.training.seed, "baselines": edition.seed},
    }
    with claim_record(folder) as claim:
        claim.check_same_run(**identity)
        data = DataDescription(
            name=edition.dataset,
            fingerprint=load(edition.dataset, "train").fingerprint,
            split=split.describe(),
        )
        model, history = train_model(edition, split, working, progress)
        watch.seconds["ddpm/train"] = round(history.seconds[-1], 3)
        scores = watch.time("ddpm/score", score_diffusion, model, split, edition.scoring, progress)
        for name in edition.baselines:
            scores.by_method[name] = watch.time(
                f"{name}/fit and score", score_baseline, name, split, edition.seed
            )
            scores.nfe[name] = 0
        run_scores = RunScores.of_split(split, scores.by_method)  # here the labels are revealed
        record = new_record(
            run_scores,
            **identity,
            edition=edition_name,
            data=data,
            wall_seconds=watch.seconds,
            nfe=scores.nfe,
            device=next(model.parameters()).device,
        )
        model.save(folder / MODEL_FOLDER)
        with publish_file(folder / HISTORY_FILE) as path:
            path.write_text(json.dumps(dataclasses.asdict(history), indent=1) + "\n")
        record = claim.write(record, run_scores)
    if working is not None:
        shutil.rmtree(working, ignore_errors=True)
    return record


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
