"""Tables of results, from a run record and its raw scores to what a page shows. Nothing here is computed by
hand.
"""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from diffad.bootstrap import Interval
from diffad.evaluation import MEAN_OVER_GROUPS, GroupResults, evaluate_groups
from diffad.figures.style import method_title
from diffad.records import RunRecord
from diffad.run_record import RunScores

MOST_NAMED = 6  # files in a sentence


def group_results(
    record: RunRecord, scores: RunScores, methods: Sequence[str], metric: str = "auroc"
) -> GroupResults:
    """Every group's metric for `methods`, on the record's own bootstrap draws, so that differences are
    paired.
    """
    settings = record.evaluation
    chosen = {method: scores.by_method[method] for method in methods}
    return evaluate_groups(
        scores.labels,
        scores.groups,
        chosen,
        [metric],
        settings.num_resamples,
        settings.confidence,
        settings.seed,
        scores.units,
    )


def intervals(results: GroupResults) -> pd.DataFrame:
    """One row a group and method: columns group, method, estimate, low, high; the mean over groups left out."""
    rows = [
        {"group": group, "method": method, **vars(results.interval(results.metrics[0], method, group))}
        for group in results.groups
        for method in results.methods
    ]
    return pd.DataFrame(rows)


def means(results: GroupResults) -> dict[str, Interval]:
    """Each method's mean over the groups, with its interval."""
    return {
        method: results.interval(results.metrics[0], method, MEAN_OVER_GROUPS) for method in results.methods
    }


def one_line(text: str) -> str:
    """The text with spaces at which no browser breaks it, so that an interval stays beside its estimate."""
    return text.replace(" ", "\u00a0")


def one_header(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the name of its index in the corner: pandas gives it a second, else empty, row of headers."""
    return table.rename_axis(index=None, columns=table.index.name)


def summary_table(record: RunRecord, methods: Sequence[str]) -> pd.DataFrame:
    """One row a method, best first: mean AUROC, AP and FPR95 over groups in % with 95 % intervals, NFE and
    seconds.
    """
    rows = []
    for method in methods:
        cells = {
            title: one_line(record.interval(method, metric).percent())
            for metric, title in METRIC_TITLES.items()
        }
        rows.append(
            {
                "method": method_title(method),
                **cells,
                "NFE": record.nfe[method],
                "key": record.interval(method).estimate,
            }
        )
    table = pd.DataFrame(rows).sort_values("key", ascending=False, kind="stable")
    return one_header(table.drop(columns="key").set_index("method"))


METRIC_TITLES = {"auroc": "AUROC", "average_precision": "AP", "fpr_at_95_tpr": "FPR at 95 % TPR"}


def per_group_percent(results: GroupResults) -> pd.DataFrame:
    """A row a group, hardest for the first method at the bottom, then the mean; "87.1 (85.9, 88.3)" in each
    method's column.
    """
    metric = results.metrics[0]
    first = {group: results.interval(metric, results.methods[0], group).estimate for group in results.groups}
    order = [*sorted(results.groups, key=first.get, reverse=True), MEAN_OVER_GROUPS]
    table = pd.DataFrame(
        {
            method_title(method): [
                one_line(results.interval(metric, method, group).percent()) for group in order
            ]
            for method in results.methods
        },
        index=pd.Index([group.replace("_", " ") for group in order], name="group"),
    )
    return one_header(table)


def paired_differences(results: GroupResults, method: str, others: Sequence[str]) -> pd.DataFrame:
    """`method` minus each of `others`: the mean difference in points with its paired interval, and groups
    won, tied and lost.

    A group is won or lost where the paired interval of its difference leaves 0 out, tied where it does not.
    """
    metric, rows = results.metrics[0], []
    for other in others:
        groups = [results.difference(metric, method, other, group) for group in results.groups]
        won, lost = sum(each.low > 0 for each in groups), sum(each.high < 0 for each in groups)
        mean = results.difference(metric, method, other, MEAN_OVER_GROUPS)
        rows.append(
            {
                "against": method_title(other),
                "difference, points": one_line(mean.percent()),
                "won": won,
                "tied": len(groups) - won - lost,
                "lost": lost,
            }
        )
    return one_header(pd.DataFrame(rows).set_index("against"))


def level_table(results: GroupResults, levels: dict[str, float]) -> pd.DataFrame:
    """AUROC in [0, 1] of each group (rows) at each noise level (columns t/T); `levels` maps method names to
    levels.
    """
    metric = results.metrics[0]
    table = {
        level: [results.interval(metric, name, group).estimate for group in results.groups]
        for name, level in levels.items()
    }
    return pd.DataFrame(table, index=results.groups)


def verdict(difference: Interval) -> str:
    """One word for a claim that a difference is positive: holds, does not hold, or cannot be told from these
    data.
    """
    if difference.low > 0:
        return "holds"
    return "does not hold" if difference.high < 0 else "cannot be told"


def code_note(changed: Collection[str]) -> str:
    """One sentence on whether the code is that of the runs.

    changed: files that compute scores and changed since, as `diffad.records.stale_modules` finds them.
    """
    if not changed:
        return "The code that computes scores is that of the runs."
    names = ", ".join(f"`{each}`" for each in sorted(changed)[:MOST_NAMED])
    if len(changed) > MOST_NAMED:
        names += f" and {len(changed) - MOST_NAMED} more files"
    return f"Since the runs, code that computes scores changed in {names}."


def inverted_groups(results: GroupResults, method: str) -> list[str]:
    """Groups whose interval lies below 0.5: anomalies that the method finds more normal than normal ones."""
    return [
        group for group in results.groups if results.interval(results.metrics[0], method, group).high < 0.5
    ]


def share_lower_than_median(scores: np.ndarray, labels: np.ndarray) -> float:
    """Share of anomalies (label 1) that score below the median of the normal images, in [0, 1]."""
    return float(np.mean(scores[labels == 1] < np.median(scores[labels == 0])))
