"""A robustness file and finished runs become records, three for each run.

    calibration   clean scores of the held-out normals that draw the line (label 0) and of those that are counted (label 1):
                  both are normal, so an AUROC of 50 % is what it should be
    noise         every method on the same images under every noise; a method's name is METHOD@CONDITION
    attack        the same for images under projected gradient and under random noise of the same size, with the scores by
                  noise banks that the attacker did not know

Conditions of one record share rows, so every difference between them is paired. A record that stands, made by the code as
it is, is not made again; attacked images are kept from target to target, so that a run that was stopped goes on.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from diffad.datasets.split import Split
from diffad.errors import DataNotFound
from diffad.experiments import PROTOCOLS, FinishedRun, data_fingerprint, read_run
from diffad.records import (
    DataDescription,
    EvaluationSettings,
    RunRecord,
    RunScores,
    claim_record,
    is_stale,
    list_records,
    new_record,
    read_record,
)
from diffad.robustness.attack import DOWN, UP, projected_gradient, random_in_ball
from diffad.robustness.configuration import Robustness, RobustnessEdition
from diffad.robustness.noise import add_noise
from diffad.robustness.objectives import make_objective
from diffad.robustness.panel import Panel
from diffad.storage import publish_file

PARTS = ("calibration", "noise", "attack")
CLEAN, NORMAL, ANOMALOUS = "clean", "normal", "anomalous"
METRICS = EvaluationSettings(metrics=("auroc",))


def condition_name(method: str, condition: str) -> str:
    """The record's name for a method on images under a condition."""
    return f"{method}@{condition}"


def noise_name(kind: str, strength: float) -> str:
    """The record's name for a noise of that strength."""
    return f"{kind}-{strength:g}"


def attack_name(target: str, epsilon: int) -> str:
    """The record's name for images attacked against `target`, or "random" for the control."""
    return f"{target}-{epsilon}"


@dataclass
class Trial:
    """One finished run under trial: its split drawn anew, its panel of methods, and what is tested."""

    run: FinishedRun
    split: Split
    calibration: np.ndarray
    more: np.ndarray
    seed: int
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def images(self) -> np.ndarray:
        """The further normals, then the test images."""
        return np.concatenate([self.more, self.split.test])

    def timed(self, phase: str, function: Callable, *arguments, **keywords):
        """Call; the seconds are added to the phase."""
        started = time.perf_counter()
        result = function(*arguments, **keywords)
        self.seconds[phase] = round(self.seconds.get(phase, 0.0) + time.perf_counter() - started, 3)
        return result


def robustness_folder(
    robustness: Robustness, edition_name: str, run_name: str, part: str, results: Path | str = "results"
) -> Path:
    """Where a record goes: results/NAME/EDITION/RUN/PART."""
    return Path(results, robustness.name, edition_name, run_name, part)


def parts_of(edition: RobustnessEdition, run_name: str) -> tuple[str, ...]:
    """The records that a run gets."""
    return PARTS if run_name in edition.attacked else PARTS[:-1]


def run_robustness(
    robustness: Robustness,
    edition_name: str,
    run_name: str,
    results: Path | str = "results",
    work: Path | str = ".work/robustness",
    progress: bool = True,
    again: bool = False,
) -> dict[str, RunRecord]:
    """Try one finished run; publish its records and return them by part.

    Args:
        robustness: from `load_robustness`.
        edition_name, run_name: which of its runs.
        results: where records go, see `robustness_folder`.
        work: attacked images of a run that was stopped are kept here until its record stands.
        progress: whether to show progress bars.
        again: whether to make records that stand, too.

    Raises:
        DataNotFound: the finished run, or its data set, is not there; the message names what to do.
        RecordError: its record is damaged, or another process writes the record.
        ValueError: a run that the file does not name, or a parameter that its protocol refuses.
    """
    edition = robustness.edition(edition_name)
    if run_name not in edition.runs:
        raise ValueError(f"run: got {run_name!r}, expected one of {', '.join(edition.runs)}")
    folder = {
        part: robustness_folder(robustness, edition_name, run_name, part, results)
        for part in parts_of(edition, run_name)
    }
    trial = make_trial(robustness, edition_name, run_name)
    makers = {"calibration": _calibration, "noise": _noise, "attack": _attack}
    panel, records = None, {}
    for part in folder:
        identity = _identity(robustness, edition_name, run_name, part, trial)
        with claim_record(folder[part]) as claim:
            claim.check_same_run(**identity)
            if not again and list_records(folder[part]):
                records[part], _ = read_record(folder[part])
                if not is_stale(records[part]):
                    continue
            if panel is None:
                panel = _fitted_panel(robustness, edition, trial, progress)
            kept = Path(work, hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16])
            trial.seconds = {}
            scores = makers[part](robustness, trial, panel, kept)
            record = _record(scores, identity, edition_name, trial, panel)
            records[part] = claim.write(record, scores)
            for path in kept.glob("*.npz"):
                path.unlink()
    return records


def make_trial(robustness: Robustness, edition_name: str, run_name: str, root: Path | str = ".") -> Trial:
    """Read a finished run and draw its images by its own protocol, with the edition's changes.

    Args:
        robustness, edition_name, run_name: as in `run_robustness`.
        root: folder that the file's paths of runs start from.

    Raises:
        DataNotFound: the run is not there.
        ValueError: fewer held-out normals than are asked for, or a parameter that the protocol does not take.
    """
    edition = robustness.edition(edition_name)
    folder = Path(root, edition.runs[run_name])
    if not list_records(folder):
        raise DataNotFound(
            f"editions.{edition_name}.runs.{run_name}: {folder} holds no finished run; make it with `diffad run` first"
        )
    run = read_run(folder)
    asked = run.record.experiment
    parameters = asked["protocol_parameters"] | edition.protocol_parameters.get(run_name, {})
    try:
        split = PROTOCOLS[asked["protocol"]](asked["dataset"], seed=run.record.seeds["split"], **parameters)
    except TypeError as error:
        raise ValueError(f"editions.{edition_name}.protocol_parameters.{run_name}: {error}") from error
    needed = edition.calibration + edition.more_normals
    if needed > len(split.validation):
        raise ValueError(
            f"editions.{edition_name}: calibration and more_normals ask for {needed} held-out normals, "
            f"{run_name} has {len(split.validation)}"
        )
    held_out = split.validation[:needed]
    return Trial(
        run, split, held_out[: edition.calibration], held_out[edition.calibration :], robustness.seed
    )


def _fitted_panel(robustness: Robustness, edition: RobustnessEdition, trial: Trial, progress: bool) -> Panel:
    rng = np.random.default_rng(robustness.seed)
    count = min(edition.baseline_training_images, len(trial.split.train))
    rows = np.sort(rng.choice(len(trial.split.train), count, replace=False))
    panel = Panel(trial.run, edition.batch_size, robustness.baselines, robustness.seed, progress)
    return panel.fit(trial.calibration, trial.split.train[rows])


def _calibration(robustness: Robustness, trial: Trial, panel: Panel, kept: Path) -> RunScores:
    counted = trial.timed("score", panel.scores, trial.more)
    labels = np.repeat([0, 1], [len(trial.calibration), len(trial.more)])
    by_method = {name: np.concatenate([panel.held_out[name], scores]) for name, scores in counted.items()}
    return RunScores(labels, np.where(labels == 0, "draws the line", "counted"), _rounded(by_method))


def _noise(robustness: Robustness, trial: Trial, panel: Panel, kept: Path) -> RunScores:
    images, by_method = trial.images, {}
    conditions = {CLEAN: images} | {
        noise_name(kind, strength): add_noise(images, kind, strength, trial.seed)
        for kind, strengths in robustness.noise.items()
        for strength in strengths
    }
    for name, noisy in conditions.items():
        for method, scores in trial.timed(f"{name}/score", panel.scores, noisy).items():
            by_method[condition_name(method, name)] = scores
    return _revealed(trial, by_method)


def _attack(robustness: Robustness, trial: Trial, panel: Panel, kept: Path) -> RunScores:
    """The attacker knows which images are normal: labels are revealed for the clean scores."""
    asked = robustness.attack
    clean = _revealed(trial, {CLEAN: trial.timed("clean/score", panel.scores, trial.images)["one_step"]})
    rows = np.concatenate(
        [
            np.flatnonzero(clean.labels == each)[:count]
            for each, count in ((0, asked.normals), (1, asked.anomalies))
        ]
    )
    images, labels = trial.images[rows], clean.labels[rows]
    conditions = {CLEAN: images} | {
        attack_name("random", epsilon): random_in_ball(images, epsilon, trial.seed)
        for epsilon in asked.epsilons
    }
    for target in asked.targets:
        found = _attacked(robustness, trial, panel, target, images, labels, kept)
        conditions |= {attack_name(target, epsilon): found[str(epsilon)] for epsilon in asked.epsilons}
    by_method = {}
    for name, changed in conditions.items():
        for method, scores in trial.timed(f"{name}/score", panel.scores, changed).items():
            by_method[condition_name(method, name)] = scores
    for seed in asked.fresh_seeds:
        fresh = panel.with_noise_bank(seed, trial.calibration)
        for name, changed in conditions.items():
            if name.startswith("random"):
                continue
            for method, scores in trial.timed(f"noise bank {seed}/score", fresh.scores, changed).items():
                by_method[condition_name(f"{method}#{seed}", name)] = scores
    groups = np.where(labels == 0, NORMAL, ANOMALOUS)
    return RunScores(labels, groups, _rounded(by_method))


def _attacked(robustness, trial, panel, target, images, labels, kept) -> Mapping[str, np.ndarray]:
    """Images attacked against `target` by epsilon, each starting from those of the smaller one; kept on disk."""
    path, asked = kept / f"{target}.npz", robustness.attack
    if path.is_file():
        with np.load(path) as stored:
            return dict(stored)
    objective = make_objective(target, trial.run.model, panel.scoring, panel.view)
    directions, found, start = np.where(labels == 0, UP, DOWN), {}, None
    for epsilon in asked.epsilons:
        start = trial.timed(
            f"{target}-{epsilon}/attack",
            projected_gradient,
            objective,
            images,
            directions,
            epsilon,
            asked.num_steps,
            start,
            asked.batch_size,
            panel.device,
        ).images
        found[str(epsilon)] = start
    with publish_file(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **found)
    return found


def _revealed(trial: Trial, by_method: Mapping[str, np.ndarray]) -> RunScores:
    """Rows of the further normals and of the test images; the labels of the latter in exchange for the scores."""
    before = len(trial.more)
    answers = trial.split.reveal(next(iter(by_method.values()))[before:])
    labels = np.concatenate([np.zeros(before, np.int64), answers.labels])
    groups = np.concatenate([np.repeat("held-out normal", before), answers.groups])
    return RunScores(labels, groups, _rounded(by_method))


def _rounded(by_method: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores to the seven digits of float32: what was computed in single precision has no more, and files stay small."""
    return {name: scores.astype(np.float32).astype(np.float64) for name, scores in by_method.items()}


def _identity(robustness: Robustness, edition_name: str, run_name: str, part: str, trial: Trial) -> dict:
    edition = robustness.edition(edition_name)
    whole = robustness.model_dump(mode="json")
    asked = {part: whole[part]} if part in whole else {}
    sizes = edition.model_dump(mode="json", exclude={"runs", "protocol_parameters", "attacked"})
    return {
        "name": f"{robustness.name}-{edition_name}-{run_name}-{part}",
        "experiment": {
            "robustness": robustness.name,
            "part": part,
            "model_of": trial.run.record.name,
            "record_of_model": trial.run.record.content_hash,
            "protocol": trial.run.record.experiment["protocol"],
            "baselines": list(robustness.baselines),
            "changed_parameters": edition.protocol_parameters.get(run_name, {}),
            **sizes,
            **asked,
        },
        "seeds": {
            "split": trial.run.record.seeds["split"],
            "training": trial.run.record.seeds["training"],
            "noise": robustness.seed,
            "baselines": robustness.seed,
        },
    }


def _record(scores: RunScores, identity: dict, edition_name: str, trial: Trial, panel: Panel) -> RunRecord:
    dataset = trial.run.record.experiment["dataset"]
    nfe = {name: panel.nfe[name.split("@")[0].split("#")[0]] for name in scores.by_method}
    return new_record(
        scores,
        **identity,
        edition=edition_name,
        data=DataDescription(
            name=dataset, fingerprint=data_fingerprint(dataset), split=trial.split.describe()
        ),
        wall_seconds=panel.seconds | trial.seconds,
        nfe=nfe,
        device=panel.device,
        evaluation=METRICS,
    )
