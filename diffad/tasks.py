"""Several tasks that ask one question, such as ten classes of which each is normal once: one table and one mean.

A task has a record of its own. Together they are read as `GroupResults` whose groups are the tasks, so that every
table and figure of groups serves tasks too.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from diffad.bootstrap import Resampling, bootstrap_replicates, check_bootstrap_settings
from diffad.evaluation import METRICS, GroupResults, group_resampling
from diffad.run_record import RunScores


def evaluate_tasks(
    tasks: Mapping[str, RunScores],
    methods: Sequence[str],
    metric: str = "auroc",
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> GroupResults:
    """A metric of every method on every task, all anomalies of a task together, with the replicates they share.

    Within a task, normal images and each group of anomalies are resampled apart, by the same draws for all methods.
    Tasks that test the same images, as those do in which each class is normal once, share the draws too: an image is
    one observation, however many tasks it serves. Intervals are over test images; that another training would give
    other scores is not in them.

    Args:
        tasks: name -> raw scores.
        methods: names that every task has scores of.
        metric, num_resamples, confidence, seed: as in `diffad.evaluation.evaluate_groups`.

    Raises:
        ValueError: no task, an unknown metric, or a method that a task lacks.
    """
    if not tasks or metric not in METRICS:
        raise ValueError(
            f"tasks, metric: got {len(tasks)} tasks and {metric!r}, expected one or more and {', '.join(METRICS)}"
        )
    for name, scores in tasks.items():
        if missing := [method for method in methods if method not in scores.by_method]:
            raise ValueError(f"methods: got {missing[0]!r}, expected one that task {name!r} has scores of")
    check_bootstrap_settings(num_resamples, confidence, seed)
    shared = share_images(list(tasks.values()))
    estimates = np.empty((1, len(methods), len(tasks)))
    replicates = np.empty((*estimates.shape, num_resamples))
    for number, scores in enumerate(tasks.values()):
        chosen = {method: scores.by_method[method] for method in methods}
        resampling = (
            _by_class(scores) if shared else group_resampling(scores.labels, scores.groups, scores.units)
        )
        rows = [np.arange(len(scores.labels))]
        drawn_by = seed if shared else seed + number
        estimates[0, :, number] = [METRICS[metric](scores.labels, each) for each in chosen.values()]
        replicates[:, :, number] = bootstrap_replicates(
            [metric], scores.labels, chosen, rows, resampling, num_resamples, drawn_by
        )[:, :, 0]
    return GroupResults([metric], list(methods), list(tasks), estimates, replicates, confidence)


def share_images(tasks: Sequence[RunScores]) -> bool:
    """Whether every task has the same class in every row: the same images, of which others are normal each time."""
    first = tasks[0].groups
    return all(each.units is None and np.array_equal(each.groups, first) for each in tasks)


def _by_class(scores: RunScores) -> Resampling:
    """Every row a unit, every class a stratum: the same for all tasks on these rows."""
    _, strata = np.unique(scores.groups, return_inverse=True)
    return Resampling(np.arange(len(scores.labels)), strata)
