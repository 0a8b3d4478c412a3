"""Methods compared over many tasks: ranks, tests, and who wins where.

The tests are those that Demšar ("Statistical comparisons of classifiers over multiple data sets", JMLR 2006) recommends:
Friedman's for whether any method differs, Wilcoxon's signed-rank test with Holm's correction for which do. A task is one
observation in them, and they take tasks to be independent. Ten tasks in which each class of one data set is normal
once, or fifteen corruptions of the same digits, are not: they share images, or models. Their p-values are too small
then, and say less than the paired intervals of `diffad.tasks`, which draw each image once for all tasks it serves.

Tables have a row a task and a column a method; higher values are better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, wilcoxon
from statsmodels.stats.multitest import multipletests

from diffad.bootstrap import Interval
from diffad.evaluation import GroupResults

NOT_INDEPENDENT = (
    "The tests take tasks to be independent. These share images or classes, so their p-values are too small; "
    "the paired intervals, which draw each image once for all its tasks, are the safer guide."
)


def estimates_table(results: GroupResults, methods: Sequence[str] | None = None) -> pd.DataFrame:
    """The results' first metric in its own unit: a row a task (or group), a column a method, all if none is named.

    Raises:
        ValueError: a method that the results do not hold.
    """
    methods = list(results.methods if methods is None else methods)
    if missing := [method for method in methods if method not in results.methods]:
        raise ValueError(f"methods: got {missing[0]!r}, expected some of {', '.join(results.methods)}")
    rows = [results.methods.index(method) for method in methods]
    return pd.DataFrame(results.estimates[0, rows].T, index=results.groups, columns=methods)


def average_ranks(table: pd.DataFrame) -> pd.Series:
    """Each method's mean rank over the tasks, 1 for the best; methods that tie share the mean of their ranks."""
    return _checked(table).rank(axis=1, ascending=False).mean().sort_values(kind="stable")


@dataclass(frozen=True)
class FriedmanTest:
    """Friedman's chi-square with its p-value: how likely ranks so different are if no method differs from another."""

    statistic: float
    p_value: float
    num_tasks: int
    num_methods: int


def friedman(table: pd.DataFrame) -> FriedmanTest:
    """Friedman's test, corrected for ties.

    Raises:
        ValueError: fewer than three methods or two tasks, or a value that is not finite.
    """
    table = _checked(table)
    if table.shape[1] < 3 or table.shape[0] < 2:
        raise ValueError(
            f"table: got {table.shape[0]} tasks and {table.shape[1]} methods, expected 2 and 3 or more"
        )
    if (table.nunique(axis=1) == 1).all():  # every rank tied: no method differs
        return FriedmanTest(0.0, 1.0, *table.shape)
    found = friedmanchisquare(*(table[method] for method in table))
    return FriedmanTest(float(found.statistic), float(found.pvalue), *table.shape)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """P-values corrected for their number as Holm (1979) does, float64 of the same length, each in [0, 1]."""
    return multipletests(np.asarray(p_values, float), method="holm")[1]


def signed_rank_p(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test; 1 where no task differs.

    Exact for small samples without ties, as scipy decides. Tasks without a difference are left out (Wilcoxon's own way).
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    if not np.any(difference):
        return 1.0
    return float(wilcoxon(difference).pvalue)


def pairwise_tests(table: pd.DataFrame) -> pd.DataFrame:
    """Wilcoxon's signed-rank test of every pair of methods, Holm's correction over all pairs: a symmetric table of
    p-values, 1 on its diagonal.
    """
    methods = list(_checked(table))
    pairs = [(a, b) for number, a in enumerate(methods) for b in methods[number + 1 :]]
    matrix = pd.DataFrame(1.0, index=methods, columns=methods)
    if not pairs:
        return matrix
    for (a, b), p_value in zip(
        pairs, holm([signed_rank_p(table[a], table[b]) for a, b in pairs]), strict=True
    ):
        matrix.loc[a, b] = matrix.loc[b, a] = p_value
    return matrix


def pairs_told_apart(p_values: pd.DataFrame, alpha: float = 0.05) -> list[tuple[str, str]]:
    """Pairs of methods with a p-value below `alpha`, from `pairwise_tests`, the smallest first."""
    methods = list(p_values)
    pairs = [(a, b) for number, a in enumerate(methods) for b in methods[number + 1 :]]
    found = [pair for pair in pairs if p_values.loc[pair] < alpha]
    return sorted(found, key=lambda pair: p_values.loc[pair])


def signed_rank_against(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Wilcoxon's signed-rank test of `method` against every other, Holm's correction over these alone.

    Returns:
        A row a method that it was tested against: "median difference" (`method` minus it), "p" and "p, Holm".
    """
    _checked(table)
    others = [other for other in table if other != method]
    plain = [signed_rank_p(table[method], table[other]) for other in others]
    return pd.DataFrame(
        {
            "median difference": [float((table[method] - table[other]).median()) for other in others],
            "p": plain,
            "p, Holm": holm(plain) if plain else [],
        },
        index=others,
    )


def smallest_p(num_tasks: int) -> float:
    """The smallest two-sided p-value that the signed-rank test can give on so many tasks: 2 to the 1 - n."""
    if num_tasks < 1:
        raise ValueError(f"num_tasks: got {num_tasks}, expected 1 or more")
    return float(2.0 ** (1 - num_tasks))


@dataclass(frozen=True)
class Tally:
    """On how many tasks one method wins, ties with and loses to another; a tie's paired interval contains 0."""

    won: int
    tied: int
    lost: int

    def __str__(self) -> str:
        return f"{self.won} / {self.tied} / {self.lost}"


def tally(differences: Sequence[Interval]) -> Tally:
    """Count paired intervals of differences: above 0, around it, below it."""
    won = sum(each.low > 0 for each in differences)
    lost = sum(each.high < 0 for each in differences)
    return Tally(won, len(differences) - won - lost, lost)


def win_tie_loss(results: GroupResults, method: str, other: str) -> Tally:
    """`method` against `other` on every task of the results, by the paired intervals of their first metric."""
    metric = results.metrics[0]
    return tally([results.difference(metric, method, other, task) for task in results.groups])


def win_tie_loss_table(many: Mapping[str, GroupResults], method: str, others: Sequence[str]) -> pd.DataFrame:
    """`method` against `others` on several data sets, and over all: "won / tied / lost" in each cell.

    A row an other, a column a data set. Data sets that lack one of the two show an empty cell.
    """
    rows = {}
    for other in others:
        found = {
            name: win_tie_loss(results, method, other)
            for name, results in many.items()
            if {method, other} <= set(results.methods)
        }
        total = Tally(
            *(sum(getattr(each, part) for each in found.values()) for part in ("won", "tied", "lost"))
        )
        rows[other] = {name: str(found.get(name, "")) for name in many} | {"all tasks": str(total)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*many, "all tasks"])


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty or not np.isfinite(table.to_numpy(float)).all():
        raise ValueError(
            f"table: got {table.shape[0]} tasks and {table.shape[1]} methods with gaps, expected finite values"
        )
    return table
