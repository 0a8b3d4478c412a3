"""Tables of several tasks, such as ten classes each normal once, from `diffad.tasks.evaluate_tasks`."""

from collections.abc import Mapping, Sequence

import pandas as pd

from diffad.evaluation import MEAN_OVER_GROUPS, GroupResults
from diffad.figures.style import method_title
from diffad.run_record import RunRecord, RunScores
from diffad.tables import means, one_header, one_line, verdict
from diffad.tasks import evaluate_tasks


def task_table(results: GroupResults) -> pd.DataFrame:
    """AUROC in %: a row a method, best mean first; a column a task, then the mean with its interval."""
    metric = results.metrics[0]
    averages = means(results)
    order = sorted(results.methods, key=lambda method: -averages[method].estimate)
    table = pd.DataFrame(
        [
            {
                **{
                    task: f"{100 * results.interval(metric, method, task).estimate:.1f}"
                    for task in results.groups
                },
                "mean (95 % interval)": one_line(averages[method].percent()),
            }
            for method in order
        ],
        index=pd.Index([method_title(method) for method in order], name="method"),
    )
    return one_header(table)


def best_method(results: GroupResults, methods: Sequence[str], task: str = MEAN_OVER_GROUPS) -> str:
    """The one of `methods` with the highest mean over the tasks, or on one of them."""
    metric = results.metrics[0]
    return max(methods, key=lambda method: results.interval(metric, method, task).estimate)


def parts_table(
    tasks: Mapping[str, RunScores], parts: Mapping[str, Sequence[str]], methods: Sequence[str], against: str
) -> pd.DataFrame:
    """Means over parts of the tasks, such as those a choice was made on and those it was not.

    Args:
        tasks: name -> raw scores.
        parts: title -> names of tasks.
        methods: columns; the first is compared with `against`, which is among them.
        against: the method of the last column's paired difference.
    """
    rows = {}
    for title, names in parts.items():
        results = evaluate_tasks({name: tasks[name] for name in names}, methods)
        averages = means(results)
        difference = results.difference(results.metrics[0], methods[0], against, MEAN_OVER_GROUPS)
        rows[title] = {
            "tasks": len(names),
            **{method_title(method): one_line(averages[method].percent()) for method in methods},
            f"{method_title(methods[0])} minus {method_title(against)}": one_line(difference.percent()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def verdict_table(
    results: GroupResults,
    methods: Sequence[str],
    references: Mapping[str, str],
    task: str = MEAN_OVER_GROUPS,
) -> pd.DataFrame:
    """Whether each of `methods` is better than each reference: a row a pair, with the paired difference of the means over
    the tasks, or on one of them.

    references: what it is for a reader, such as "best baseline of all" -> method. References that are one and the same
        method share a row.
    """
    labels = {}
    for label, other in references.items():
        labels.setdefault(other, []).append(label)
    rows = []
    for method in methods:
        for other, names_of in labels.items():
            label = " and ".join(names_of)
            difference = results.difference(results.metrics[0], method, other, task)
            names = (method_title(method), f"{label}: {method_title(other)}")
            rows.append((*names, one_line(difference.percent()), verdict(difference)))
    columns = ["score", "against", "difference, points", "C1: diffusion is better"]
    return one_header(pd.DataFrame(rows, columns=columns).set_index("score"))


def training_table(records: Mapping[str, RunRecord]) -> pd.DataFrame:
    """Wall time of each task: a row a task, then their sum; minutes, and milliseconds an image scored."""
    rows = {}
    for name, record in records.items():
        seconds, images = record.wall_seconds, record.data.split["sizes"]["test"]
        baselines = sum(value for phase, value in seconds.items() if phase.endswith("/fit and score"))
        rows[name] = {
            "training, min": seconds["ddpm/train"] / 60,
            "scoring, min": seconds["ddpm/score"] / 60,
            "all baselines, min": baselines / 60,
            "test images": images,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.loc["all"] = table.sum()
    table["test images"] = table["test images"].astype(int)
    return table.round(1)
