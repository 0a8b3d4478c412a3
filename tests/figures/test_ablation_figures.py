"""Figures of ablations draw what they are given."""

import numpy as np
import pytest

from diffad.bootstrap import Interval
from diffad.figures import ablations
from diffad.importance import MADE_UP, Importance
from diffad.schedules import make_schedule


def texts(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


def test_a_training_s_share_sums_to_a_whole():
    names = ("linear", "cosine", "log_linear")
    left, right = ablations.schedule_curves({name: make_schedule(name, 500) for name in names}, [1.0]).axes
    assert [line.get_label() for line in left.lines[:3]] == ["linear", "cosine", "log-linear"]
    for line in right.lines[:3]:
        assert 90 < line.get_ydata().sum() <= 100 + 1e-9


def test_every_training_is_seen_beside_the_mean_and_gaps_stay_gaps():
    values = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, np.nan]])
    figure = ablations.curves_of_trainings([1, 2, 3], {"error": {"linear": values}}, "log-SNR", ["error"])
    mean, *trainings = figure.axes[0].lines
    assert mean.get_ydata().tolist() == [2, 3] and len(trainings) == 2
    assert trainings[1].get_ydata().tolist() == [3, 4]


def test_points_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="has 2 points, expected 3"):
        ablations.curves_of_trainings([1, 2, 3], {"error": {"linear": np.zeros((1, 2))}}, "", [""])


def test_each_setting_has_its_interval_and_its_trainings():
    intervals = {
        "linear": Interval(0.8, 0.7, 0.9),
        "cosine": Interval(0.6, 0.5, 0.7),
        "sigmoid": Interval(0.7, 0.6, 0.8),
    }
    trained = {"linear": [0.78, 0.82], "cosine": [0.6, 0.6, 0.6], "sigmoid": [0.7]}
    axis = ablations.settings_by_method({"one level": (intervals, trained)}).axes[0]
    assert texts(axis) == ["linear", "cosine", "sigmoid"]
    marks = [line.get_xdata().tolist() for line in axis.lines if line.get_marker() == "|"]
    assert marks == [[78, 82], [60, 60, 60]]  # a single training is the mean, which is drawn already


def test_steps_are_labelled_and_intervals_drawn():
    panels = {"AUROC": [Interval(50, 40, 60), Interval(70, 60, 80)], "seconds": [0.1, 10.0]}
    left, right = ablations.against_steps([20, 4000], panels, "T", ["seconds"]).axes
    assert [label.get_text() for label in left.get_xticklabels()] == ["20", "4,000"]
    assert left.get_xscale() == "log" and right.get_yscale() == "log" and left.get_yscale() == "linear"


def test_what_matters_most_stands_on_top_and_chance_at_the_bottom():
    shares = {
        "depth": Interval(0.1, 0, 0.2),
        "rate": Interval(0.6, 0.5, 0.7),
        MADE_UP: Interval(0, -0.1, 0.1),
    }
    found = Importance(shares, Interval(0.8, 0.7, 0.9))
    without = Importance({key: shares[key] for key in ("rate", MADE_UP)}, found.r_squared)
    left, right = ablations.importance_bars({"loss": found, "AUROC": without}, {"rate": "learning rate"}).axes
    assert texts(left) == ["learning rate", "depth", MADE_UP]
    assert [bar.get_width() for bar in left.patches] == pytest.approx([60, 10, 0])
    dots = [line.get_xdata()[0] for line in left.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([60, 10, 0])  # so that the bar of no length is seen
    assert [text.get_text() for text in right.texts] == ["no part in it"]


def test_each_setting_is_a_panel_with_its_default_ringed():
    panels = {
        "width": (["tiny", "mini"], {"profile": [0.8, 0.9]}),
        "rate": ([1e-4, 1e-3], {"profile": [0.5, 0.8]}),
    }
    figure = ablations.one_at_a_time(
        panels, {"profile": (0.7, 0.77, 0.8)}, "AUROC", {"width": "tiny", "rate": 1e-3}
    )
    width, rate, *unused = figure.axes
    assert [label.get_text() for label in width.get_xticklabels()] == ["tiny", "mini"]
    assert width.lines[2].get_xdata() == 0 and rate.lines[2].get_xdata() == 1
    assert set(width.lines[0].get_ydata()) == {0.77}  # the mean over seeds, across the panel
    assert not unused[0].axison


def test_kinds_of_training_are_told_apart():
    kinds = ["design", "design", "default", "size"]
    axis = ablations.scatter_of_cells(
        [0.1, 0.2, 0.3, 0.4], {"walk": [50, 60, 70, 80]}, kinds, "loss", "AUROC"
    ).axes[0]
    counts = {line.get_label(): len(line.get_xdata()) for line in axis.lines}
    assert counts == {"all settings changed": 2, "one setting changed": 1, "default, several seeds": 1}


def test_a_number_of_steps_has_a_title_for_readers():
    assert [ablations.setting_title(name) for name in ("t4000", "log_linear", "tiny")] == [
        "T = 4,000",
        "log-linear",
        "tiny",
    ]
