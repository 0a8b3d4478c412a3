"""Figures and tables of costs show what was measured, name every line once, and keep names apart."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from diffad.efficiency import recorded
from diffad.efficiency import tables as costs
from diffad.efficiency.record import EfficiencyRecord
from diffad.efficiency.recorded import Trade
from diffad.efficiency.settings import NETWORK_METHODS, EfficiencySettings, Measurement
from diffad.figures import efficiency as figures
from diffad.provenance import Provenance

SETTINGS = EfficiencySettings(
    methods=("one_step", "partial_diffusion_250", "iforest", "pca"),
    sides=(8, 16, 32, 64),
    rows=(250, 500, 1000),
    rounds=2,
)
NOWHERE = Provenance(source_hash="0", source_files={}, versions={}, system="none", device="a machine")


def measured(cell, number):
    """PCA is stopped at 64 pixels; a network's cost is linear in the pixels, a baseline's in pixels and rows."""
    about = {**cell.model_dump(exclude={"phases"}), "round": number}
    for phase in cell.phases:
        if cell.method == "pca" and cell.side == 64:
            yield Measurement(**about, phase=phase, stopped="more than 20 s")
            continue
        network = cell.method in NETWORK_METHODS
        images = SETTINGS.batch(cell.side) if network else 100
        evaluations = NETWORK_METHODS[cell.method][1] if network else cell.rows
        seconds = 1e-7 * cell.side**2 * images * evaluations * (1 + number)
        told = {"images": images, "calls": 1, "cpu_seconds": seconds, "wall_seconds": seconds}
        yield Measurement(**about, phase=phase, **told, peak_bytes=100 * cell.side**2 * cell.rows)


@pytest.fixture(scope="module")
def record():
    cells = [(cell, number) for number in range(SETTINGS.rounds) for cell in SETTINGS.cells()]
    found = [each for cell, number in cells for each in measured(cell, number)]
    return EfficiencyRecord(settings=SETTINGS, provenance=NOWHERE).with_measurements(found).finished()


def names_at_the_edge(panel):
    return [text.get_text() for text in panel.texts]


def test_every_method_is_a_named_line_with_its_exponent(record):
    figure = figures.growth_curves(record, "scoring", "seconds")
    names = names_at_the_edge(figure.axes[0])
    assert len(names) == 4 and "IForest  1.0" in names and "partial diffusion, 250 steps  1.0" in names
    assert len(names_at_the_edge(figure.axes[1])) == 2  # a network's scoring does not know rows
    assert all(panel.get_xscale() == panel.get_yscale() == "log" for panel in figure.axes)


def test_training_names_the_networks_not_their_scores(record):
    names = names_at_the_edge(figures.growth_curves(record, "training", "seconds").axes[0])
    assert [name for name in names if "DDPM" in name] == ["DDPM (U-Net)  1.0"]


def test_a_stopped_method_ends_in_a_cross_at_its_least_cost(record):
    panel = figures.growth_curves(record, "training", "seconds").axes[0]
    crosses = [line for line in panel.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(64, SETTINGS.cap_seconds)]
    assert not [
        line
        for line in figures.growth_curves(record, "training", "bytes").axes[0].lines
        if line.get_marker() == "x"
    ]


def test_the_least_cost_of_a_stopped_network_is_in_its_unit(record):
    about = {
        "method": "one_step",
        "axis": "pixels",
        "side": 64,
        "rows": 500,
        "round": 0,
        "stopped": "more than 20 s",
    }
    scoring = Measurement(**about, phase="scoring")
    assert figures.least_cost(scoring, record) == pytest.approx(20 / SETTINGS.batch(64))
    training = Measurement(**about, phase="training")
    images = SETTINGS.updates * SETTINGS.batch(64)
    assert figures.least_cost(training, record) == pytest.approx(20 / images * SETTINGS.images_seen)


def test_no_cross_stands_where_scoring_was_never_reached(record):
    """PCA's training was stopped at 64 pixels, so nothing is known of what scoring costs there."""
    panel = figures.growth_curves(record, "scoring", "seconds").axes[0]
    assert not [line for line in panel.lines if line.get_marker() == "x"]
    reached = [
        each
        for each in record.measurements
        if (each.method, each.phase, each.stopped) != ("pca", "training", "more than 20 s")
    ]
    trained = EfficiencyRecord(settings=SETTINGS, provenance=NOWHERE).with_measurements(reached).finished()
    panel = figures.growth_curves(trained, "scoring", "seconds").axes[0]
    assert [line.get_xdata()[0] for line in panel.lines if line.get_marker() == "x"] == [64]


def test_names_are_moved_apart_and_keep_their_order():
    values = np.array([0.5, 0.5, 0.1, 0.52])
    moved = figures.spread(values, 0.1)
    assert np.diff(np.sort(moved)).min() > 0.1 - 1e-9
    assert (np.argsort(moved, kind="stable") == np.argsort(values, kind="stable")).all()
    assert moved[2] == pytest.approx(0.1) and moved.mean() == pytest.approx(values.mean())
    assert figures.spread([0.1, 0.9], 0.1) == pytest.approx([0.1, 0.9])


def test_names_do_not_touch(record):
    figure = figures.growth_curves(record, "training", "bytes")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[k + 1 :])


def test_exponents_are_drawn_with_their_methods(record):
    panel = figures.exponents(record).axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == [
        costs.title_of(name) for name in SETTINGS.methods
    ]


TRADES = [
    Trade("one_step", 0.6, 300.0, 1),
    Trade("denoiser_profile", 0.8, 350.0, 10),
    Trade("iforest", 0.7, 1.0, 0),
    Trade("knn", 0.65, 2.0, 0),
]


def test_accuracy_and_cost_shows_every_method_once():
    figure = figures.accuracy_and_cost({"some": TRADES, "more": TRADES, "again": TRADES})
    assert [sorted(names_at_the_edge(panel)) for panel in figure.axes[:3]] == [
        ["IForest", "KNN", "U-Net, denoiser's profile", "U-Net, one level"]
    ] * 3
    with pytest.raises(ValueError, match="at least one experiment"):
        figures.accuracy_and_cost({"none": []})


def test_names_stand_beside_their_points_on_nothing_else():
    crowd = [
        Trade(name, 0.6 + 0.004 * k, 300.0 + 9 * k, 0) for k, name in enumerate(("knn", "lof", "pca", "ecod"))
    ]
    figure = figures.accuracy_and_cost({"some": TRADES[:3] + crowd})
    figure.draw_without_rendering()
    (panel,) = (each for each in figure.axes if each.texts)
    boxes = [text.get_window_extent() for text in panel.texts]
    assert len(boxes) == 7 and not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])
    for text, box in zip(panel.texts, boxes, strict=True):
        point = panel.transData.transform(text.xy)
        gap = np.linalg.norm(point - np.clip(point, box.min, box.max)) * 72 / figure.dpi
        assert 3 < gap < 50
        assert panel.bbox.containsx(box.x0) and panel.bbox.containsx(box.x1)


def test_the_frontier_leaves_out_what_something_cheaper_reaches():
    assert [each.method for each in recorded.frontier(TRADES)] == ["iforest", "denoiser_profile"]
    assert recorded.best_of(TRADES, networks=True).method == "denoiser_profile"
    assert recorded.best_of(TRADES, networks=False).method == "iforest"
    with pytest.raises(ValueError, match="networks=True"):
        recorded.best_of(TRADES[2:], networks=True)


# --- tables ---


def test_costs_of_one_size_are_sorted_and_show_the_rounds(record):
    table = costs.cost_table(record, "pixels", 16)
    assert table.index[0] == "DDPM, one level" and set(table.index) == {
        costs.title_of(name) for name in SETTINGS.methods
    }
    assert table.loc["DDPM, one level", "NFE"] == "1" and table.loc["IForest", "NFE"] == "0"
    low, high = 1e3 * 1e-7 * 256, 2e3 * 1e-7 * 256
    shown = table.loc["DDPM, one level", "scoring an image, ms"].replace("\N{NO-BREAK SPACE}", " ")
    assert shown == f"{1.5 * low:.3g} ({low:.3g} to {high:.3g})"
    with pytest.raises(ValueError, match="expected one of 8, 16"):
        costs.cost_table(record, "pixels", 20)


def test_exponents_and_stops_stand_in_one_table(record):
    table = costs.exponent_table(record, "pixels")
    assert table.loc["PCA", "stopped"] == "64 px, training: more than 20 s"
    assert table.loc["IForest", "time of training"].startswith("1.00")
    assert table.loc["DDPM, one level", "memory of training"] == "–"


def test_exponents_are_compared_at_sizes_that_all_methods_reached():
    """Both cost alike, less steep below 64 pixels; one is stopped above, so that the record fits it lower."""
    settings = SETTINGS.model_copy(update={"sides": (8, 16, 32, 64, 128)})
    found = []
    for cell, number in ((cell, number) for cell in settings.cells() for number in range(2)):
        slow = max(cell.side / 64, 1) ** 2  # steeper from 64 pixels on
        for phase in cell.phases:
            about = {**cell.model_dump(exclude={"phases"}), "round": number, "phase": phase}
            seconds = 1e-5 * cell.side**2 * slow * (1 + number / 100)
            if cell.method == "pca" and cell.side == 128:
                found.append(Measurement(**about, stopped="more than 20 s"))
            else:
                found.append(
                    Measurement(**about, images=1, calls=1, cpu_seconds=seconds, wall_seconds=seconds)
                )
    whole = EfficiencyRecord(settings=settings, provenance=NOWHERE).with_measurements(found).finished()
    own = {each.method: each for each in whole.growths if (each.axis, each.phase) == ("pixels", "scoring")}
    assert own["iforest"].exponent > own["pca"].exponent + 0.3
    common = costs.exponents_at_common_sizes(whole, ["iforest", "pca"], "pixels", "scoring")
    assert common["iforest"].sizes == common["pca"].sizes == (16, 32, 64)
    assert common["iforest"].exponent == pytest.approx(common["pca"].exponent)
    assert "PCA (at 16 to 64 px)" in costs.growth_sentences(whole, "pixels", "scoring")
    few = ["iforest", "one_step"]
    assert not costs.exponents_at_common_sizes(whole, few, "rows", "scoring")  # a network knows no rows


def test_growth_is_put_in_words(record):
    assert costs.growth_word(0.1) == "hardly" and costs.growth_word(1.0) == "about linearly"
    assert costs.growth_word(2.0).startswith("about quadratically")
    assert "about linearly: " in costs.growth_sentences(record, "pixels", "training")


@pytest.mark.parametrize(
    "seconds, text",
    [(7200, "2.0 h"), (150, "2.5 min"), (90, "90 s"), (0.021, "21 ms"), (2.6e-5, "26 µs"), (5e-8, "50 ns")],
)
def test_seconds_are_told_in_a_unit_that_suits(seconds, text):
    assert costs.seconds_text(seconds) == text


def test_evaluations_cost_the_same_whatever_asks(record):
    found = costs.seconds_an_evaluation(record, 32)
    assert found["one_step"] == pytest.approx(found["partial_diffusion_250"])


# --- what was recorded ---


def test_scoring_is_shared_out_by_evaluations():
    run = SimpleNamespace(
        wall_seconds={"ddpm/train": 100.0, "ddpm/score": 40.0, "knn/fit and score": 3.0},
        nfe={"one_step": 1, "denoiser_profile": 10, "partial_diffusion": 10, "knn": 0},
    )
    assert recorded.seconds_of(run, "one_step") == pytest.approx(102)
    assert recorded.seconds_of(run, "partial_diffusion") == pytest.approx(120)
    assert recorded.seconds_of(run, "knn") == 3


def test_a_data_set_is_judged_by_its_longest_experiment():
    times = pd.DataFrame(
        {
            "data set": ["a", "a", "b", "c"],
            "experiment": ["short", "long", "cells", "endless"],
            "records": [1, 1, 10, 2],
            "all": [10.0, 119.0, 200.0, 300.0],
        }
    )
    table = recorded.wall_times_by_data_set(times)
    assert table["within"].to_dict() == {"a": "yes", "b": "two cells side by side", "c": "no"}
    assert table.loc["a", "longest"] == "long" and table.loc["a", "all"] == 129
    assert table.loc["a", "side by side"] == 119 and table.loc["b", "side by side"] == 100
