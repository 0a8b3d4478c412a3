"""The stratified percentile bootstrap of ranking metrics, vectorised over replicates.

Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 16. A replicate is a vector of
weights: how often each unit was drawn. Every metric here is a function of the true and false positives at
each threshold, so a weighted cumulative sum over a ranking that is sorted once replaces sorting every
resample anew.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DRAWN_AT_ONCE = 32  # the draws of a seed depend on it: intervals of records follow from this number
REPLICATES_AT_ONCE = 128  # a multiple of it; a block of some thousand images stays within a few megabytes


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


@dataclass(frozen=True)
class _Counts:
    """True and false positives of every replicate: row k, with k = 0 for none flagged, counts those above threshold k.

    true, false: (thresholds + 1, replicates). with_normal, with_anomalous: the thresholds, from 1, at which a normal or
    an anomalous row is passed; at all others that count stays.
    """

    true: np.ndarray
    false: np.ndarray
    with_normal: np.ndarray
    with_anomalous: np.ndarray


def _auroc_of_counts(counts: _Counts) -> np.ndarray:
    at, before = counts.with_normal, counts.with_normal - 1
    steps = counts.false[at] - counts.false[before]
    heights = (counts.true[at] + counts.true[before]) / 2  # trapezium: ties count half
    return np.einsum("kr,kr->r", steps, heights) / (counts.true[-1] * counts.false[-1])


def _average_precision_of_counts(counts: _Counts) -> np.ndarray:
    at, before = counts.with_anomalous, counts.with_anomalous - 1
    true = counts.true[at]
    flagged = np.maximum(true + counts.false[at], 1)  # where nothing is flagged, no recall is gained
    return ((true - counts.true[before]) * true / flagged).sum(axis=0) / counts.true[-1]


def _fpr_at_95_tpr_of_counts(counts: _Counts) -> np.ndarray:
    at = counts.with_anomalous
    first = at[np.argmax(counts.true[at] / counts.true[-1] >= 0.95, axis=0)]
    return np.take_along_axis(counts.false, first[None], axis=0)[0] / counts.false[-1]


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

    def counts(self, weights: np.ndarray) -> _Counts:
        """weights (units, replicates) -> true and false positives, both (thresholds + 1, replicates).

        One sum serves both: a normal row weighs `_BASE` times an anomalous one. Float64 holds it exactly while each
        count stays below `_BASE`, about 67 million.
        """
        sums = np.zeros((len(self.units) + 1, weights.shape[1]))
        np.multiply(weights[self.units], np.where(self.normal == 1, _BASE, 1.0)[:, None], out=sums[1:])
        at_ends = _running_sum(sums)[np.append(0, self.ends + 1)]
        false = np.floor(at_ends / _BASE)
        passed = np.diff(np.cumsum(self.normal)[self.ends], prepend=0)  # normal rows of each run
        rows = np.diff(self.ends, prepend=-1)
        with_normal, with_anomalous = (np.flatnonzero(each) + 1 for each in (passed > 0, passed < rows))
        return _Counts(at_ends - _BASE * false, false, with_normal, with_anomalous)


_BASE = 2.0**26


def _running_sum(values: np.ndarray) -> np.ndarray:
    """`numpy.cumsum(values, axis=0)` of whole numbers, in place.

    Adding whole rows in blocks of about the square root of their number takes a third of numpy's time.
    """
    height = math.isqrt(len(values))
    whole = len(values) // height * height
    blocks = values[:whole].reshape(-1, height, values.shape[1])
    for row in range(1, height):
        blocks[:, row] += blocks[:, row - 1]
    for block in range(1, len(blocks)):
        blocks[block] += blocks[block - 1, -1]
    for row in range(whole, len(values)):
        values[row] += values[row - 1]
    return values


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
        draws = range(block.start, block.stop, DRAWN_AT_ONCE)
        weights = np.hstack(
            [resampling.draw(min(DRAWN_AT_ONCE, block.stop - first), generator) for first in draws]
        )
        for method_index, ranked_tasks in enumerate(ranked):
            for task_index, task in enumerate(ranked_tasks):
                counts = task.counts(weights)
                result[:, method_index, task_index, block] = [
                    _METRICS_OF_COUNTS[name](counts) for name in metrics
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
