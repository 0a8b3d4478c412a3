"""Findings about the three ways in which the paper says that detectors fail: thresholds, and cost."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffad.bootstrap import Interval, percentile_interval
from diffad.claims import Finding, is_above, is_positive, points
from diffad.evidence import PAPER_BASELINES, Evidence
from diffad.figures.style import method_title

LOW_SHARE, HIGH_SHARE = 0.2, 0.01  # of normal images above the lower and the higher threshold
FEWEST_NORMALS = 200  # of a data set's test images, below which its upper quantiles say nothing
NUM_RESAMPLES, SEED, CONFIDENCE = 1000, 0, 0.95


def false_positives(evidence: Evidence) -> list[Finding]:
    """F1: how many more normal images lie above the lower threshold than above the higher one."""
    return _thresholds(evidence, label=0, what="more normal images flagged at the lower threshold")


def false_negatives(evidence: Evidence) -> list[Finding]:
    """F2: how many more anomalies lie below the higher threshold than below the lower one."""
    return _thresholds(evidence, label=1, what="more anomalies missed at the higher threshold")


def _thresholds(evidence: Evidence, label: int, what: str) -> list[Finding]:
    """Every second normal test image draws the thresholds; the others, and all anomalies, are judged."""
    findings = []
    for key, tasks in evidence.tasks.items():
        if sum(int(np.sum(task.scores.labels == 0)) for task in tasks.values()) < FEWEST_NORMALS:
            continue
        for network in evidence.networks(key):
            method = f"{network}/one_step"
            between, levels = [], []
            for task in tasks.values():
                scores, labels = task.scores.by_method[method], task.scores.labels
                normal = np.flatnonzero(labels == 0)
                low, high = np.quantile(scores[normal[::2]], [1 - LOW_SHARE, 1 - HIGH_SHARE])
                judged = scores[normal[1::2]] if label == 0 else scores[labels == 1]
                between.append((judged > low) & (judged <= high))
                levels.append((np.mean(judged > low), np.mean(judged > high)))
            value = _mean_share(between)
            low, high = 100 * np.mean(levels, axis=0)
            named = ("flagged", low, high) if label == 0 else ("missed", 100 - low, 100 - high)
            findings.append(
                Finding(
                    f"{evidence.data_sets[key].title}: {method_title(method)}, {what}",
                    value,
                    f"{points(value)} points",
                    is_positive(value),
                    "failure_signatures",
                    evidence.records(key, method),
                    f"{named[0]}: {named[1]:.1f} % at the lower, {named[2]:.1f} % at the higher",
                )
            )
    return findings


def _mean_share(parts: Sequence[np.ndarray]) -> Interval:
    """The mean over tasks of the share of True, each task's images resampled on their own."""
    generator = np.random.default_rng(SEED)
    draws = [generator.binomial(len(part), part.mean(), NUM_RESAMPLES) / len(part) for part in parts]
    return percentile_interval(np.mean([part.mean() for part in parts]), np.mean(draws, axis=0), CONFIDENCE)


def slow(evidence: Evidence) -> list[Finding]:
    """F3: seconds to train and score by diffusion over those of the slowest of the paper's three "
    "baselines, by task."""
    findings = []
    for key, tasks in evidence.tasks.items():
        for network in evidence.networks(key):
            ratios, folders = [], []
            for task in tasks.values():
                folder, _ = task.sources[f"{network}/one_step"]
                seconds = task.records[folder].wall_seconds
                others = [
                    each.wall_seconds[f"{name}/fit and score"]
                    for each in task.records.values()
                    for name in PAPER_BASELINES
                    if f"{name}/fit and score" in each.wall_seconds
                ]
                if others and {"ddpm/train", "ddpm/score"} <= set(seconds):
                    ratios.append((seconds["ddpm/train"] + seconds["ddpm/score"]) / max(others))
                    folders.append(folder)
            if ratios:
                value = Interval(float(np.median(ratios)), min(ratios), max(ratios))
                findings.append(_slow(evidence, key, network, value, tuple(folders)))
    return findings


def _slow(evidence: Evidence, key: str, network: str, value: Interval, folders: tuple[Path, ...]) -> Finding:
    title = method_title(f"{network}/one_step").partition(",")[0]
    several = len(evidence.tasks[key]) > 1
    spread = f" ({value.low:.1f} to {value.high:.1f})" if several else ""
    what = "median with the smallest and largest ratio of the tasks" if several else "one model"
    return Finding(
        f"{evidence.data_sets[key].title}: seconds of the {title} over those of the slowest of the three",
        value,
        f"{value.estimate:.1f} times{spread}",
        is_above(value, 1.0),
        "efficiency",
        folders,
        f"{what}; the machine was shared",
    )
