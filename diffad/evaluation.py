"""How well a score separates anomalies from normal data, and how sure we are of it.

Labels are 0 (normal) and 1 (anomalous); a higher score means more anomalous. The area under the ROC curve,
the average precision and the false positive rate at 95 % true positives are scikit-learn's. Intervals come
from the stratified percentile bootstrap (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993,
chapters 13 and 16): normal and anomalous images are resampled apart, so that every replicate keeps both
counts.

Methods that scored the same images are compared on the same replicates (paired). Where one image appears in
several groups, as a digit does in fifteen corruptions, all its versions are drawn together: they are one
observation, and treating them as fifteen would make the interval of the mean too narrow.

The percentile interval of a perfect separation is the single point 1: it says that these images were
separated, not that all future ones will be.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from diffad.bootstrap import (
    Interval,
    Resampling,
    bootstrap_replicates,
    check_bootstrap_settings,
    percentile_interval,
)

MEAN_OVER_GROUPS = "mean"


# --- metrics ---


def auroc(labels, scores) -> float:
    """Area under the ROC curve, in [0, 1]: how often an anomaly scores above a normal image, ties half.

    labels: (n,) of 0 and 1, both present. scores: (n,), finite. Raises ValueError for anything else.
    """
    labels, scores = check_labels_and_scores(labels, scores)
    return float(roc_auc_score(labels, scores))


def average_precision(labels, scores) -> float:
    """Average precision with anomalies as the positive class, in (0, 1]; chance is the share of anomalies.

    labels: (n,) of 0 and 1, both present. scores: (n,), finite. Raises ValueError for anything else.
    """
    labels, scores = check_labels_and_scores(labels, scores)
    return float(average_precision_score(labels, scores))


def fpr_at_95_tpr(labels, scores) -> float:
    """Share of normal images flagged where at least 95 % of anomalies first are; in [0, 1], low is good.

    labels: (n,) of 0 and 1, both present. scores: (n,), finite. Raises ValueError for anything else.
    """
    labels, scores = check_labels_and_scores(labels, scores)
    false_positive_rate, true_positive_rate, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(false_positive_rate[np.argmax(true_positive_rate >= 0.95)])


METRICS: dict[str, Callable[..., float]] = {
    "auroc": auroc,
    "average_precision": average_precision,
    "fpr_at_95_tpr": fpr_at_95_tpr,
}


def check_labels_and_scores(labels, scores, argument: str = "scores") -> tuple[np.ndarray, np.ndarray]:
    """Labels as int64 (n,) and scores as float64 (n,); ValueError names `argument` or labels otherwise."""
    labels = _check_labels(labels)
    return labels, _check_scores(scores, len(labels), argument)


def _check_labels(labels) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"labels must be one-dimensional, got shape {labels.shape}")
    if len(labels) == 0:
        raise ValueError("labels are empty: at least one normal (0) and one anomalous (1) image are needed")
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise ValueError("labels must be 0 (normal) or 1 (anomalous), got other values")
    if labels.min() == labels.max():
        raise ValueError(
            f"labels hold only the class {int(labels[0])}; both 0 (normal) and 1 (anomalous) are needed"
        )
    return labels.astype(np.int64)


def _check_scores(scores, num_labels: int, argument: str) -> np.ndarray:
    scores = np.asarray(scores)
    if scores.ndim != 1 or scores.dtype.kind not in "biuf":
        raise ValueError(
            f"{argument} must be one-dimensional numbers, got {scores.dtype} of shape {scores.shape}"
        )
    if len(scores) != num_labels:
        raise ValueError(f"{argument} and labels differ in length: {len(scores)} and {num_labels}")
    scores = scores.astype(np.float64)
    bad = np.count_nonzero(~np.isfinite(scores))
    if bad:
        raise ValueError(f"{argument} must be finite, got {bad} NaN or infinite value(s) of {len(scores)}")
    return scores


def _check_methods(scores_by_method, num_labels: int) -> dict[str, np.ndarray]:
    if not isinstance(scores_by_method, Mapping) or not scores_by_method:
        raise ValueError("scores_by_method must map at least one method's name to its scores")
    return {
        str(method): _check_scores(scores, num_labels, f"scores of {method!r}")
        for method, scores in scores_by_method.items()
    }


def _metric_name(metric) -> str:
    for name, function in METRICS.items():
        if metric == name or metric is function:
            return name
    raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")


def bootstrap_interval(
    metric, labels, scores, num_resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """A metric with its stratified bootstrap interval. metric: a name of METRICS or one of its functions."""
    labels, scores = check_labels_and_scores(labels, scores)
    name = _metric_name(metric)
    check_bootstrap_settings(num_resamples, confidence, seed)
    rows = np.arange(len(labels))
    replicates = bootstrap_replicates(
        [name], labels, {"": scores}, [rows], Resampling(rows, labels), num_resamples, seed
    )
    return percentile_interval(METRICS[name](labels, scores), replicates[0, 0, 0], confidence)


def paired_bootstrap(
    metric, labels, scores_a, scores_b, num_resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """The interval of metric(a) - metric(b), two methods on the same images, resampled by the same draws."""
    labels = _check_labels(labels)
    scores = {
        "a": _check_scores(scores_a, len(labels), "scores_a"),
        "b": _check_scores(scores_b, len(labels), "scores_b"),
    }
    name = _metric_name(metric)
    check_bootstrap_settings(num_resamples, confidence, seed)
    rows = np.arange(len(labels))
    replicates = bootstrap_replicates(
        [name], labels, scores, [rows], Resampling(rows, labels), num_resamples, seed
    )
    estimate = METRICS[name](labels, scores["a"]) - METRICS[name](labels, scores["b"])
    return percentile_interval(estimate, replicates[0, 0, 0] - replicates[0, 1, 0], confidence)


# --- groups of anomalies against the same normal images ---


def anomalous_groups(labels, groups) -> list[str]:
    """Names of the groups of anomalies, sorted (a test set's own order says nothing).

    labels: (n,) of 0 and 1; groups: (n,) names. Raises ValueError where a group holds both.
    """
    labels, groups = _check_labels(labels), np.asarray(groups)
    if groups.shape != labels.shape:
        raise ValueError(f"groups and labels differ in shape: {groups.shape} and {labels.shape}")
    names = sorted({str(name) for name in groups[labels == 1].tolist()})
    mixed = sorted(set(names) & {str(name) for name in groups[labels == 0].tolist()})
    if mixed:
        raise ValueError(f"groups must hold either normal or anomalous images, but {mixed[0]!r} holds both")
    return names


def group_resampling(labels, groups, units=None) -> Resampling:
    """The resampling of several groups of anomalies against shared normal images.

    units: None where every anomaly is an image of its own; each group is then a stratum. Otherwise (n,)
    integers or names: anomalies of the same unit come from the same original image (a digit corrupted in
    fifteen ways) and are drawn together; every group must hold the same units, each once, or ValueError is
    raised. Values at normal rows are ignored.
    """
    names = anomalous_groups(labels, groups)
    labels, groups = _check_labels(labels), np.asarray(groups).astype(str)
    anomalous = np.flatnonzero(labels == 1)
    unit_of_row, strata = np.arange(len(labels)), np.zeros(len(labels), np.int64)
    if units is None:
        for stratum, name in enumerate(names, start=1):
            strata[anomalous[groups[anomalous] == name]] = stratum
        return Resampling(unit_of_row, strata)
    units = np.asarray(units)
    if units.shape != labels.shape:
        raise ValueError(f"units and labels differ in shape: {units.shape} and {labels.shape}")
    present, numbers = np.unique(units[anomalous], return_inverse=True)
    for name in names:
        if not np.array_equal(np.sort(units[anomalous][groups[anomalous] == name]), present):
            raise ValueError(f"units must be the same in every group, each once, but group {name!r} differs")
    num_normal = len(labels) - len(anomalous)
    unit_of_row[labels == 0] = np.arange(num_normal)
    unit_of_row[anomalous] = num_normal + numbers
    return Resampling(unit_of_row, np.repeat([0, 1], [num_normal, len(present)]))


def shared_units(labels, groups, indices) -> np.ndarray | None:
    """`indices` where every group of anomalies holds the same original images, each once; None otherwise.

    indices: (n,), each row's position in the data set, as a revealed split gives it. Corruptions of the same
    digits share them; classes or defect types do not, and their images are independent.
    """
    names = anomalous_groups(labels, groups)
    labels, groups, indices = np.asarray(labels), np.asarray(groups).astype(str), np.asarray(indices)
    first, *others = [np.sort(indices[(labels == 1) & (groups == name)]) for name in names]
    if len(np.unique(first)) < len(first) or not all(np.array_equal(first, other) for other in others):
        return None
    return indices


@dataclass(frozen=True)
class GroupResults:
    """Every metric of every method on every group, with the bootstrap replicates that all of them share."""

    metrics: list[str]
    methods: list[str]
    groups: list[str]
    estimates: np.ndarray  # (metrics, methods, groups)
    replicates: np.ndarray  # (metrics, methods, groups, num_resamples)
    confidence: float

    def interval(self, metric: str, method: str, group: str) -> Interval:
        """One group's interval, or for MEAN_OVER_GROUPS that of the unweighted mean over the groups."""
        at = self.metrics.index(metric), self.methods.index(method)
        return self._reduce(self.estimates[at], self.replicates[at], group)

    def difference(self, metric: str, method_a: str, method_b: str, group: str) -> Interval:
        """The paired interval of metric(a) - metric(b) on a group, or on MEAN_OVER_GROUPS."""
        metric_index = self.metrics.index(metric)
        a, b = (metric_index, self.methods.index(method_a)), (metric_index, self.methods.index(method_b))
        return self._reduce(
            self.estimates[a] - self.estimates[b], self.replicates[a] - self.replicates[b], group
        )

    def _reduce(self, estimates: np.ndarray, replicates: np.ndarray, group: str) -> Interval:
        rows = slice(None) if group == MEAN_OVER_GROUPS else [self.groups.index(group)]
        return percentile_interval(estimates[rows].mean(), replicates[rows].mean(axis=0), self.confidence)


def evaluate_groups(
    labels,
    groups,
    scores_by_method: Mapping[str, np.ndarray],
    metrics: Sequence = ("auroc",),
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    units=None,
) -> GroupResults:
    """Each group of anomalies against all normal images, for every metric and method, on the same draws.

    labels, groups: (n,); scores_by_method: {name: (n,) scores}; units: see `group_resampling`.
    """
    resampling = group_resampling(labels, groups, units)
    names = anomalous_groups(labels, groups)
    if MEAN_OVER_GROUPS in names:
        raise ValueError(f"groups may not hold {MEAN_OVER_GROUPS!r}: it names the mean over the groups")
    labels, groups = _check_labels(labels), np.asarray(groups).astype(str)
    scores = _check_methods(scores_by_method, len(labels))
    metrics = [_metric_name(metric) for metric in metrics]
    check_bootstrap_settings(num_resamples, confidence, seed)
    tasks = [np.flatnonzero((labels == 0) | (groups == name)) for name in names]
    estimates = np.array(
        [
            [[METRICS[metric](labels[rows], values[rows]) for rows in tasks] for values in scores.values()]
            for metric in metrics
        ]
    )
    replicates = bootstrap_replicates(metrics, labels, scores, tasks, resampling, num_resamples, seed)
    return GroupResults(metrics, list(scores), names, estimates, replicates, confidence)


def per_group_table(
    labels,
    groups,
    scores_by_method: Mapping[str, np.ndarray],
    metric="auroc",
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    units=None,
) -> pd.DataFrame:
    """One row a group and method: columns group, method, estimate, low, high, num_normal, num_anomalous.

    Groups stand in alphabetical order, methods in the order given; arguments as in `evaluate_groups`.
    """
    results = evaluate_groups(
        labels, groups, scores_by_method, [metric], num_resamples, confidence, seed, units
    )
    labels, groups = np.asarray(labels), np.asarray(groups).astype(str)
    num_normal = int((labels == 0).sum())
    return pd.DataFrame(
        [
            {
                "group": group,
                "method": method,
                **asdict(results.interval(results.metrics[0], method, group)),
                "num_normal": num_normal,
                "num_anomalous": int((labels[groups == group] == 1).sum()),
            }
            for group in results.groups
            for method in results.methods
        ]
    )


def mean_over_groups_interval(
    metric,
    labels,
    groups,
    scores,
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    units=None,
) -> Interval:
    """Interval of a metric's unweighted mean over the groups of anomalies, which share the normal images.

    A replicate draws the normal images once for all groups, and with `units` the original images behind the
    anomalies once for all groups too; see `group_resampling`.
    """
    results = evaluate_groups(labels, groups, {"": scores}, [metric], num_resamples, confidence, seed, units)
    return results.interval(results.metrics[0], "", MEAN_OVER_GROUPS)


def paired_mean_over_groups_interval(
    metric,
    labels,
    groups,
    scores_a,
    scores_b,
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    units=None,
) -> Interval:
    """Interval of mean(a) - mean(b), two methods' mean over groups on the same images and the same draws."""
    methods = {"a": scores_a, "b": scores_b}
    results = evaluate_groups(labels, groups, methods, [metric], num_resamples, confidence, seed, units)
    return results.difference(results.metrics[0], "a", "b", MEAN_OVER_GROUPS)
