"""Figures of scorers and of one-class tasks draw what they are given, and refuse what they cannot draw."""

import numpy as np
import pandas as pd
import pytest

from diffad.evaluation import MEAN_OVER_GROUPS, evaluate_groups
from diffad.figures import features, one_class, scorers

RNG = np.random.default_rng(0)


def overview(costs):
    estimate = np.linspace(0.9, 0.6, len(costs))
    return pd.DataFrame(
        {
            "family": [list(scorers.FAMILIES)[number % 3] for number in range(len(costs))],
            "nfe": costs,
            "estimate": estimate,
            "low": estimate - 0.02,
            "high": estimate + 0.02,
        }
    )


def test_every_scorer_is_a_point_with_its_number():
    axis = scorers.cost_and_accuracy(overview([10, 10, 250, 1])).axes[0]
    assert sorted(text.get_text() for text in axis.texts) == ["1", "2", "3", "4"]
    assert axis.get_xscale() == "log"


def test_scorers_of_equal_cost_stand_side_by_side_and_keep_their_order():
    axis = scorers.cost_and_accuracy(overview([10, 10, 10])).axes[0]
    places = {text.get_text(): text.get_position()[0] for text in axis.texts}
    assert places["1"] < places["2"] < places["3"]
    assert places["2"] == pytest.approx(10)


def test_a_scorer_without_a_network_stands_left_of_one_evaluation():
    axis = scorers.cost_and_accuracy(overview([1, 0])).axes[0]
    assert next(text for text in axis.texts if text.get_text() == "2").get_position()[0] < 1
    assert axis.get_xticklabels()[0].get_text() == "none"


def results(methods):
    labels = np.repeat([0, 1, 1], 20)
    groups = np.repeat(["clean", "blur", "fog"], 20)
    chosen = {name: RNG.normal(size=60) + labels for name in methods}
    return evaluate_groups(labels, groups, chosen, num_resamples=10)


def test_bars_begin_at_chance():
    axis = scorers.departures_from_chance(results(["a", "b"]), ["blur", MEAN_OVER_GROUPS]).axes[0]
    assert {bar.get_x() for bar in axis.patches} == {50}
    assert len(axis.patches) == 4


def test_more_methods_than_bars_are_refused():
    with pytest.raises(ValueError, match="at most 5"):
        scorers.departures_from_chance(results(list("abcdef")), ["blur"])


def test_error_maps_need_a_map_an_image():
    images = np.zeros((2, 8, 8, 1), np.uint8)
    figure = scorers.error_map_rows(images, {"error": np.ones((2, 8, 8))}, ["a", "b"])
    assert len(figure.axes) == 4
    with pytest.raises(ValueError, match="as many maps"):
        scorers.error_map_rows(images, {"error": np.ones((3, 8, 8))}, ["a", "b"])


def test_calibration_draws_each_way():
    stated = np.array([0.05, 0.1])
    figure = scorers.calibration(
        {"p": RNG.random(50)}, stated, {"p": stated}, np.array([stated / 2, 2 * stated])
    )
    assert [len(axis.lines) for axis in figure.axes] == [2, 2]


def test_histograms_name_their_auroc():
    labels = np.repeat([0, 1], 20)
    figure = one_class.score_histograms(labels, {"error": 1.0 + labels})
    assert figure.axes[0].get_title() == "error: 100.0 %"
    with pytest.raises(ValueError, match="positive"):
        one_class.score_histograms(labels, {"error": labels - 1.0})


def test_image_rows_are_equally_long():
    images = np.zeros((3, 8, 8, 3), np.uint8)
    assert len(one_class.image_rows({"a": images, "b": images}).axes) == 6
    with pytest.raises(ValueError, match="equally many"):
        one_class.image_rows({"a": images, "b": images[:2]})


def test_spectra_and_spaces_draw_a_line_and_a_row_each():
    spread = {"raw": np.geomspace(10, 0.1, 20), "whitened": np.full(20, 2.0)}
    assert len(features.spread_over_noise(spread).axes[0].lines) == 2
    rows = [{"raw": 0.6, "whitened": 0.8}, {"raw": 0.7, "whitened": 0.9}]
    axis = features.spaces_dot_plot({"set": rows}).axes[0]
    assert [text.get_text() for text in axis.texts] == ["65.0", "85.0"]
