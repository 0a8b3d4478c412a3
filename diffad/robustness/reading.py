"""What robustness records say.

read_robustness      the records of one run
auroc_by_condition   AUROC of methods under conditions, and how much each differs from clean images, paired
one_sided            an attack on the anomalies alone, or on the normal images alone
flagged              share of normal images and of anomalies above a line drawn on clean held-out normals
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from diffad.bootstrap import Interval
from diffad.evaluation import MEAN_OVER_GROUPS, GroupResults, evaluate_groups
from diffad.records import RunRecord, RunScores, read_record
from diffad.robustness.noise import NOISE
from diffad.robustness.runs import CLEAN, PARTS, attack_name, condition_name, noise_name
from diffad.thresholds import conformal_threshold


@dataclass(frozen=True)
class RobustnessRecords:
    """The records of one run, by part ("calibration", "noise", "attack")."""

    records: dict[str, RunRecord]
    scores: dict[str, RunScores]


def run_title(name: str) -> str:
    """A run of experiments/robustness.yaml for a reader: "ship" is CIFAR-10's one-class task with ships normal."""
    return {"mnist-c": "MNIST-C", "digits-c": "Digits"}.get(name, f"CIFAR-10 ({name} normal)")


def read_robustness(folder: Path | str) -> RobustnessRecords:
    """Read results/NAME/EDITION/RUN; a run that was not attacked has no part "attack".

    Raises:
        RecordError: the calibration or the noise is missing, or a record is damaged.
    """
    found = {
        part: read_record(Path(folder, part))
        for part in PARTS
        if part != "attack" or Path(folder, part, "record.json").exists()
    }
    return RobustnessRecords(
        {part: each[0] for part, each in found.items()}, {part: each[1] for part, each in found.items()}
    )


def noise_conditions(record: RunRecord) -> dict[str, dict[float, str]]:
    """Kind of noise -> strength, weakest first -> the condition's name; from a record of noise."""
    return {
        kind: {
            strength: noise_name(kind, strength)
            for strength in sorted(strengths, reverse=NOISE[kind].weaker_is_higher)
        }
        for kind, strengths in record.experiment["noise"].items()
    }


def attack_conditions(record: RunRecord) -> dict[str, dict[int, str]]:
    """Target, or "random" for the control -> epsilon -> the condition's name; from a record of attacks."""
    asked = record.experiment["attack"]
    return {
        target: {epsilon: attack_name(target, epsilon) for epsilon in asked["epsilons"]}
        for target in ("random", *asked["targets"])
    }


def auroc_by_condition(
    record: RunRecord, scores: RunScores, methods: Sequence[str], conditions: Sequence[str]
) -> pd.DataFrame:
    """One row a condition and method: condition, method, estimate, low, high (AUROC, mean over groups) and change,
    change_low, change_high (minus that on clean images, paired), all in [0, 1].
    """
    return changes_between(record, scores, methods, conditions, CLEAN)


def one_sided(scores: RunScores, method: str, condition: str, attacked_label: int) -> np.ndarray:
    """Scores (n,) where only images of one label are attacked and the others are clean: 1 for anomalies, 0 for normals."""
    clean, changed = (scores.by_method[condition_name(method, each)] for each in (CLEAN, condition))
    return np.where(scores.labels == attacked_label, changed, clean)


def one_sided_auroc(
    record: RunRecord, scores: RunScores, method: str, conditions: Sequence[str], attacked_label: int
) -> list[Interval]:
    """AUROC for each condition where only images of one label are attacked."""
    chosen = {each: one_sided(scores, method, each, attacked_label) for each in conditions}
    results = _evaluate(record, scores, chosen)
    return [results.interval("auroc", each, MEAN_OVER_GROUPS) for each in conditions]


def line(calibration: RunScores, method: str, rate: float = 0.05) -> float:
    """The largest score that is not flagged, so that a share `rate` of clean held-out normals would be (conformal)."""
    return conformal_threshold(calibration.by_method[method][calibration.labels == 0], rate)


def flagged(
    calibration: RunScores, scores: RunScores, method: str, condition: str, label: int, rate: float = 0.05
) -> Interval:
    """Share of the images of a label that score above the line drawn on clean held-out normals, in [0, 1].

    The Wilson interval is over images; the line is taken as given, as a user has it.

    Args:
        calibration, scores: of the parts "calibration", and "noise" or "attack", of one run.
        label: 0, the false alarm rate; 1, the detection rate.
        rate: of false alarms that the line was drawn for, in (0, 1).
    """
    values = scores.by_method[condition_name(method, condition)][scores.labels == label]
    above = int((values > line(calibration, method, rate)).sum())
    ends = binomtest(above, len(values)).proportion_ci(0.95, "wilson")
    return Interval(above / len(values), float(ends.low), float(ends.high))


def side_by_side(runs: Mapping[str, RunScores], methods: Sequence[str]) -> RunScores:
    """Scores of several runs on the same test images as METHOD@RUN, so that differences between runs are paired.

    Args:
        runs: name -> raw scores.
        methods: names that every run has scores of.

    Raises:
        ValueError: no run, or two that did not test the same images in the same order.
    """
    if not runs:
        raise ValueError("runs: got none, expected at least one")
    first = next(iter(runs.values()))
    for name, scores in runs.items():
        if not (np.array_equal(scores.groups, first.groups) and np.array_equal(scores.labels, first.labels)):
            raise ValueError(
                f"runs: {name!r} tests other images than {next(iter(runs))!r}, expected the same"
            )
    by_method = {
        condition_name(method, name): scores.by_method[method]
        for name, scores in runs.items()
        for method in methods
    }
    return RunScores(first.labels, first.groups, by_method, first.units)


def changes_between(
    record: RunRecord, scores: RunScores, methods: Sequence[str], runs: Sequence[str], against: str
) -> pd.DataFrame:
    """As `auroc_by_condition`, with the runs of `side_by_side` for conditions and one of them instead of clean images."""
    names = [condition_name(method, each) for each in dict.fromkeys([against, *runs]) for method in methods]
    results = _evaluate(record, scores, {name: scores.by_method[name] for name in names})
    return _rows(results, methods, runs, against)


def _rows(
    results: GroupResults, methods: Sequence[str], conditions: Sequence[str], against: str
) -> pd.DataFrame:
    rows = []
    for condition in conditions:
        for method in methods:
            name, other = condition_name(method, condition), condition_name(method, against)
            change = results.difference("auroc", name, other, MEAN_OVER_GROUPS)
            rows.append(
                {"condition": condition, "method": method}
                | vars(results.interval("auroc", name, MEAN_OVER_GROUPS))
                | {"change": change.estimate, "change_low": change.low, "change_high": change.high}
            )
    return pd.DataFrame(rows)


def _evaluate(record: RunRecord, scores: RunScores, by_name: dict[str, np.ndarray]) -> GroupResults:
    settings = record.evaluation
    return evaluate_groups(
        scores.labels,
        scores.groups,
        by_name,
        ["auroc"],
        settings.num_resamples,
        settings.confidence,
        settings.seed,
        scores.units,
    )
