"""Tables of a comparison name every scorer with its family and its measured cost, best first."""

import numpy as np
import pytest

from diffad import comparison_tables
from diffad.published import ONE_CLASS_CIFAR10, leaky_embeddings_table, published_table
from diffad.run_record import DataDescription, RunScores, compute_metrics, new_record

SCORERS = {
    "plain": {"scorer": "one_level", "parameters": {"num_draws": 1}},
    "walk": {"scorer": "partial", "parameters": {"num_steps": 250}},
    "both": {"scorer": "calibrated", "parameters": {"rule": "max_abs"}},
}


@pytest.fixture
def finished():
    labels = np.repeat([0, 1, 1], 10)
    rng = np.random.default_rng(0)
    scores = RunScores(
        labels,
        np.repeat(["clean", "blur", "fog"], 10),
        {
            name: rng.normal(size=30) + strength * labels
            for name, strength in zip(SCORERS, (0, 1, 5), strict=True)
        },
    )
    record = new_record(
        scores,
        name="comparison",
        experiment={"scorers": SCORERS},
        edition="smoke",
        data=DataDescription(name="digits", fingerprint="0", split={"sizes": {"test": 30}}),
        seeds={"split": 0},
        wall_seconds={"plain/score": 0.3, "walk/score": 30.0, "both/score": 3.0},
        nfe={"plain": 1, "walk": 250, "both": 10},
    )
    return record, scores


def test_the_overview_is_sorted_and_holds_the_measured_time(finished):
    table = comparison_tables.scorer_overview(finished[0])
    assert list(table.index) == ["both", "walk", "plain"]
    assert table.loc["walk", "milliseconds"] == pytest.approx(1000)
    assert list(table["family"]) == ["score", "reconstruction", "reconstruction"]
    assert comparison_tables.seconds_per_image(finished[0], "plain") == pytest.approx(0.01)


def test_titles_tell_entries_apart():
    title = comparison_tables.scorer_title
    assert title("partial", {"num_steps": 250}).endswith("250 steps")
    assert title("one_level", {"num_draws": 1}) != title("one_level", {"num_draws": 2})
    assert title("calibrated", {"rule": "max_abs"}).endswith("max |z|")
    assert title("denoiser_profile", {"levels": [0.1, 0.5]}).endswith("2 levels")
    assert title("ancestral", {"start": 0.1}).endswith("from 0.1 T")


def test_the_table_numbers_its_rows_from_one(finished):
    table = comparison_tables.scorer_table(comparison_tables.scorer_overview(finished[0]))
    assert list(table.index) == [1, 2, 3]
    assert list(table["NFE"]) == [10, 250, 1]


def test_results_carry_the_readers_titles(finished):
    results = comparison_tables.scorer_results(*finished, {"walk": "a walk"})
    assert results.methods == ["a walk"]
    assert results.interval("auroc", "a walk", "mean") == finished[0].interval("walk")


def test_recorded_aurocs_have_a_row_a_group(finished):
    table = comparison_tables.recorded_aurocs(finished[0], ["walk", "both"])
    assert list(table.index) == ["blur", "fog"]
    assert table.loc["fog", "both"] == finished[0].interval("both", group="fog").estimate


def test_inverted_groups_are_counted(finished):
    record, scores = finished
    turned = RunScores(scores.labels, scores.groups, {**scores.by_method, "both": -scores.by_method["both"]})
    record = record.model_copy(update={"metrics": compute_metrics(turned, record.evaluation)})
    table = comparison_tables.inversion_table(record, comparison_tables.scorer_overview(record)).set_index(
        "name"
    )
    assert table.loc["both", "inverted beyond chance"] == 2
    assert table.loc["walk", "inverted beyond chance"] == 0
    assert table.index[-1] == "both"


def test_published_rows_cite_and_ours_stand_among_them():
    table = published_table(ONE_CLASS_CIFAR10, [("here", "70.0 (69.0, 71.0)", "normal images alone")])
    lines = table.splitlines()[2:]
    assert all("{cite:p}`" in line for line in lines if "**" not in line)
    assert [number for number, line in enumerate(lines) if "**here**" in line] == [
        1
    ]  # after Deep SVDD's 64.8


def test_the_leaky_table_has_a_figure_everywhere():
    table = leaky_embeddings_table()
    assert table.shape == (12, 5)
    assert table.notna().all(axis=None)
