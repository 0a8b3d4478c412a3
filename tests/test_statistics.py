"""Ranks and tests against cases that a textbook or a pencil gives."""

import numpy as np
import pandas as pd
import pytest

from diffad.bootstrap import Interval
from diffad.evaluation import GroupResults
from diffad.statistics import (
    Tally,
    average_ranks,
    estimates_table,
    friedman,
    holm,
    pairs_told_apart,
    pairwise_tests,
    signed_rank_against,
    signed_rank_p,
    smallest_p,
    tally,
    win_tie_loss,
    win_tie_loss_table,
)


def table(rows, methods="abc"):
    return pd.DataFrame(rows, columns=list(methods[: len(rows[0])]), dtype=float)


def results(estimates, spread, methods=("good", "bad")):
    """One metric of two methods on tasks; replicates lie around the estimates, `spread` (tasks,) apart."""
    estimates = np.array(estimates, float)[None]
    around = np.linspace(-1, 1, 201)
    replicates = np.broadcast_to(estimates[..., None], (*estimates.shape, 201)).copy()
    replicates[0, 0] += np.array(spread)[:, None] * around
    tasks = [f"task {number}" for number in range(estimates.shape[2])]
    return GroupResults(["auroc"], list(methods), tasks, estimates, replicates, 0.95)


def test_ranks_are_means_over_tasks_and_ties_share_theirs():
    ranks = average_ranks(table([[0.9, 0.8, 0.7], [0.5, 0.5, 0.1]]))
    assert ranks.to_dict() == {"a": (1 + 1.5) / 2, "b": (2 + 1.5) / 2, "c": 3.0}
    assert list(ranks.index) == ["a", "b", "c"]


def test_friedmans_statistic_is_that_of_the_pencil():
    """Four tasks, three methods, always the same order: 12 n / (k (k + 1)) * sum of (R - (k + 1) / 2)^2 = 8."""
    found = friedman(table([[3, 2, 1]] * 4))
    assert found.statistic == pytest.approx(12 * 4 / (3 * 4) * 2) == 8.0
    assert found.p_value == pytest.approx(np.exp(-4))  # chi-square with two degrees of freedom
    assert (found.num_tasks, found.num_methods) == (4, 3)


def test_friedman_finds_nothing_where_all_are_equal():
    assert friedman(table([[1, 1, 1]] * 4)).p_value == 1.0


@pytest.mark.parametrize("rows", [[[1, 2]] * 5, [[1, 2, 3]], [[1, 2, np.nan]] * 4])
def test_friedman_refuses_what_it_cannot_test(rows):
    with pytest.raises(ValueError, match="table: got"):
        friedman(table(rows))


def test_holms_correction_of_the_pencil():
    # sorted: .01 * 4, .02 * 3, .03 * 2, .9 * 1, and never below the one before
    assert holm([0.02, 0.9, 0.01, 0.03]) == pytest.approx([0.06, 0.9, 0.04, 0.06])


def test_the_signed_rank_test_is_exact_on_few_tasks():
    """Six tasks all won: of 64 patterns of signs, two are as extreme."""
    assert signed_rank_p([1, 2, 3, 4, 5, 6], [0] * 6) == pytest.approx(2 / 64) == smallest_p(6)
    # One lost, of the smallest difference: W = 1, which two patterns of 64 reach on each side.
    assert signed_rank_p([-1, 2, 3, 4, 5, 6], [0] * 6) == pytest.approx(4 / 64)
    assert signed_rank_p([1, 2], [1, 2]) == 1.0


def test_every_pair_is_tested_and_corrected_together():
    generator = np.random.default_rng(0)
    base = generator.normal(size=10)
    found = pairwise_tests(pd.DataFrame({"a": base + 1 + generator.random(10), "b": base, "c": base}))
    assert found.loc["a", "b"] == pytest.approx(min(1, 3 * smallest_p(10)))
    assert found.loc["b", "c"] == 1.0 and (found.T == found).all(axis=None)
    assert (np.diag(found) == 1).all()


def test_signed_rank_against_one_are_corrected_for_their_own_number():
    rows = signed_rank_against(table([[n + 1, n / 10, 0] for n in range(1, 7)]), "a")
    assert list(rows.index) == ["b", "c"]
    assert rows["p"].tolist() == pytest.approx([2 / 64] * 2)
    assert rows["p, Holm"].tolist() == pytest.approx([4 / 64] * 2)
    assert rows.loc["c", "median difference"] == pytest.approx(4.5)


def test_a_tie_is_an_interval_that_contains_zero():
    found = tally([Interval(0.1, 0.01, 0.2), Interval(0.1, 0.0, 0.2), Interval(-0.1, -0.2, -0.1)])
    assert found == Tally(1, 1, 1) and str(found) == "1 / 1 / 1"


def test_wins_follow_the_paired_replicates():
    found = results([[0.9, 0.6, 0.4], [0.5, 0.5, 0.5]], spread=[0.01, 0.5, 0.01])
    assert win_tie_loss(found, "good", "bad") == Tally(1, 1, 1)
    assert win_tie_loss(found, "bad", "good") == Tally(1, 1, 1)


def test_a_data_set_that_lacks_a_method_leaves_a_gap():
    both = results([[0.9], [0.5]], [0.01])
    other = results([[0.9], [0.5]], [0.01], ("good", "third"))
    shown = win_tie_loss_table({"x": both, "y": other}, "good", ["bad", "third"])
    assert shown.loc["bad"].tolist() == ["1 / 0 / 0", "", "1 / 0 / 0"]
    assert shown.loc["third"].tolist() == ["", "1 / 0 / 0", "1 / 0 / 0"]


def test_the_table_has_a_row_a_task():
    found = results([[0.9, 0.6], [0.5, 0.4]], [0.01, 0.01])
    assert estimates_table(found).loc["task 1"].to_dict() == {"good": 0.6, "bad": 0.4}
    assert list(estimates_table(found, ["bad"])) == ["bad"]
    with pytest.raises(ValueError, match="methods: got 'none'"):
        estimates_table(found, ["none"])


def test_pairs_that_a_test_tells_apart_come_the_clearest_first():
    p_values = pd.DataFrame(
        [[1, 0.04, 0.5], [0.04, 1, 0.001], [0.5, 0.001, 1]], index=list("abc"), columns=list("abc")
    )
    assert pairs_told_apart(p_values) == [("b", "c"), ("a", "b")]
    assert pairs_told_apart(p_values, alpha=0.01) == [("b", "c")]
    assert pairs_told_apart(p_values, alpha=1e-4) == []
