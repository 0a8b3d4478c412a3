"""The stratified percentile bootstrap of ranking metrics, vectorised over replicates.

Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 16. A replicate is a vector of
weights: how often each unit was drawn. Every metric here is a function of the true and false positives at
each threshold, so a weighted cumulative sum over a ranking that is sorted once replaces sorting every
resample anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

REPLICATES_AT_ONCE = 32  # keeps a replicate block of some thousand images within the processor's cache


@dataclass(frozen=True)
class Interval:
    """A metric's estimate with the ends of its confidence interval; all three in the metric's own unit."""

    estimate: float
    low: float
    high: float

    def percent(self, decimals: int = 1) -> str:
        """The interval in per cent for a table, for example "91.5 (90.2, 92.7)"."""
        low, high = f"{100 * self.low:.{decimals}f}", f"{100 * self.high:.{decimals}f}"
        return f"{100 * self.estimate:.{decimals}f} ({low}, {high})"


def _auroc_of_counts(true_positives: np.ndarray, false_positives: np.ndarray) -> np.ndarray:
    steps = np.diff(false_positives, axis=0, prepend=0)
    heights = true_positives - np.diff(true_positives, axis=0, prepend=0) / 2  # trapezium: ties count half
    return np.einsum("kr,kr->r", steps, heights) / (true_positives[-1] * false_positives[-1])


def _average_precision_of_counts(true_positives: np.ndarray, false_positives: np.ndarray) -> np.ndarray:
    flagged = np.maximum(true_positives + false_positives, 1)  # where nothing is flagged, no recall is gained
    recall_steps = np.diff(true_positives, axis=0, prepend=0) / true_positives[-1]
    return (recall_steps * true_positives / flagged).sum(axis=0)


def _fpr_at_95_tpr_of_counts(true_positives: np.ndarray, false_positives: np.ndarray) -> np.ndarray:
    first = np.argmax(true_positives / true_positives[-1] >= 0.95, axis=0)
    return np.take_along_axis(false_positives, first[None], axis=0)[0] / false_positives[-1]


_METRICS_OF_COUNTS = {
    "auroc": _auroc_of_counts,
    "average_precision": _average_precision_of_counts,
    "fpr_at_95_tpr": _fpr_at_95_tpr_of_counts,
}


@dataclass(frozen=True)
class _RankedTask:
    """One method's ranking of one task's rows, highest score first."""

    normal: np.ndarray  # (rows,) 1.0 where the row is normal
    units: np.ndarray  # (rows,) which unit each row belongs to
    ends: np.ndarray  # (thresholds,) last row of each run of equal scores

    @classmethod
    def rank(cls, labels, scores, units) -> "_RankedTask":
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        return cls(1.0 - labels[order], units[order], ends)

    def counts(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """weights (units, replicates) -> true and false positives, both (thresholds, replicates)."""
        row_weights = weights[self.units]
        flagged = np.cumsum(row_weights, axis=0)[self.ends]
        row_weights *= self.normal[:, None]
        false_positives = np.cumsum(row_weights, axis=0)[self.ends]
        return flagged - false_positives, false_positives


@dataclass(frozen=True)
class Resampling:
    """What is drawn: `units` (n,) numbers each row's unit from 0, `strata` (units,) each unit's stratum.

    Rows of one unit are drawn together; every replicate draws as many units from each stratum as there are.
    """

    units: np.ndarray
    strata: np.ndarray

    def draw(self, num_replicates: int, generator: np.random.Generator) -> np.ndarray:
        """How often each unit was drawn, float64 (units, num_replicates)."""
        weights = np.empty((len(self.strata), num_replicates))
        for stratum in range(self.strata.max() + 1):
            members = np.flatnonzero(self.strata == stratum)
            drawn = generator.integers(len(members), size=(len(members), num_replicates))
            cells = drawn * num_replicates + np.arange(num_replicates)
            weights[members] = np.bincount(cells.ravel(), minlength=drawn.size).reshape(drawn.shape)
        return weights


def bootstrap_replicates(
    metrics: Sequence[str],
    labels: np.ndarray,
    scores_by_method: Mapping[str, np.ndarray],
    tasks: Sequence[np.ndarray],
    resampling: Resampling,
    num_resamples: int,
    seed: int,
) -> np.ndarray:
    """Every metric of every method on every task: float64 (metrics, methods, tasks, num_resamples).

    tasks: the rows of each task. All methods and tasks see the same draws, so differences and means taken
    within a replicate are paired.
    """
    ranked = [
        [_RankedTask.rank(labels[rows], scores[rows], resampling.units[rows]) for rows in tasks]
        for scores in scores_by_method.values()
    ]
    result = np.empty((len(metrics), len(ranked), len(tasks), num_resamples))
    generator = np.random.default_rng(seed)
    for start in range(0, num_resamples, REPLICATES_AT_ONCE):
        block = slice(start, min(start + REPLICATES_AT_ONCE, num_resamples))
        weights = resampling.draw(block.stop - block.start, generator)
        for method_index, ranked_tasks in enumerate(ranked):
            for task_index, task in enumerate(ranked_tasks):
                counts = task.counts(weights)
                result[:, method_index, task_index, block] = [
                    _METRICS_OF_COUNTS[name](*counts) for name in metrics
                ]
    return result


def percentile_interval(estimate: float, replicates: np.ndarray, confidence: float) -> Interval:
    """The percentile interval of replicates (num_resamples,) around the estimate from the data themselves."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return Interval(float(estimate), float(low), float(high))


def _is_integer(value) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_bootstrap_settings(num_resamples, confidence, seed) -> None:
    """Raise ValueError unless num_resamples >= 2 and seed >= 0 are integers and confidence is in (0, 1)."""
    if not _is_integer(num_resamples) or num_resamples < 2:
        raise ValueError(f"num_resamples must be an integer of at least 2, got {num_resamples!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    if not _is_integer(seed) or seed < 0:
        raise ValueError(f"seed must be a non-negative integer, got {seed!r}")
