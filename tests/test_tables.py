"""Tables of results say what the scores say."""

import numpy as np
import pytest

from diffad import tables
from diffad.bootstrap import Interval
from diffad.evaluation import auroc, evaluate_groups


@pytest.fixture
def results():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 1], 200)
    groups = np.repeat(["clean", "far", "easy"], 200)
    better = np.concatenate([rng.normal(0, 1, 200), rng.normal(4, 1, 200), rng.normal(-2, 1, 200)])
    noise = rng.normal(0, 1, 600)
    found = evaluate_groups(labels, groups, {"one_step": better, "knn": noise}, num_resamples=200)
    return found, labels, groups, better


def test_groups_are_won_lost_and_tied_by_their_own_paired_interval(results):
    row = tables.paired_differences(results[0], "one_step", ["knn"]).loc["KNN"]
    assert (row["won"], row["tied"], row["lost"]) == (1, 0, 1)


def test_an_easy_group_is_named_inverted(results):
    assert tables.inverted_groups(results[0], "one_step") == ["easy"]
    assert tables.inverted_groups(results[0], "knn") == []


def test_the_table_of_percents_ends_with_the_mean_of_its_groups(results):
    found, labels, groups, scores = results
    table = tables.per_group_percent(found)
    assert list(table.index) == ["far", "easy", "mean"]
    mean = np.mean(
        [
            auroc(labels[rows], scores[rows])
            for name in ("far", "easy")
            for rows in [np.isin(groups, ["clean", name])]
        ]
    )
    assert table.loc["mean", "DDPM, one level"].startswith(f"{100 * mean:.1f}\u00a0(")


def test_a_table_has_one_row_of_headers_and_its_intervals_do_not_break(results):
    html = tables.per_group_percent(results[0]).to_html()
    assert html.count("<tr") == 1 + 3 and "<th>group</th>" in html
    assert all(" " not in cell for cell in tables.per_group_percent(results[0]).to_numpy().ravel())


def test_level_table_holds_the_estimates(results):
    table = tables.level_table(results[0], {"one_step": 0.1, "knn": 0.5})
    assert list(table.columns) == [0.1, 0.5]
    assert table.loc["far", 0.1] == results[0].interval("auroc", "one_step", "far").estimate


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        ((0.1, 0.05, 0.2), "holds"),
        ((-0.1, -0.2, -0.05), "does not hold"),
        ((0.0, -0.1, 0.1), "cannot be told"),
    ],
)
def test_verdict_follows_the_interval(interval, word):
    assert tables.verdict(Interval(*interval)) == word


def test_share_below_the_median_normal():
    scores = np.array([0.0, 1.0, 2.0, 0.5, 3.0, 0.9, 1.1])
    assert tables.share_lower_than_median(scores, np.array([0, 0, 0, 1, 1, 1, 1])) == 0.5


def test_a_note_on_code_names_what_changed_and_does_not_run_on():
    assert tables.code_note([]) == "The code that computes scores is that of the runs."
    assert tables.code_note({"diffad/b.py", "diffad/a.py"}).endswith("in `diffad/a.py`, `diffad/b.py`.")
    many = tables.code_note([f"diffad/{letter}.py" for letter in "abcdefgh"])
    assert many.endswith("`diffad/f.py` and 2 more files.") and "diffad/g.py" not in many
