"""The figures of failures: what is flagged, missed and paid stands on them, and wrong data are refused."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from diffad.bootstrap import Interval
from diffad.figures import failures

ONES, TWOS = np.full(10, 1.0), np.full(10, 2.0)
AREA = Interval(0.8, 0.7, 0.9)


def words(figure: Figure) -> list[str]:
    """Every text that the figure shows."""
    figure.canvas.draw()
    return [text.get_text() for axis in figure.axes for text in [*axis.texts, axis.title, axis.xaxis.label]]


def test_false_alarms_name_the_share_above_each_line() -> None:
    figure = failures.false_alarms({"old": ONES, "new": np.r_[ONES[:5], TWOS[:5]]}, {"a": 1.5, "b": 3.0})
    assert [axis.get_ylabel() for axis in figure.axes] == ["old", "new"]
    assert [text.get_text() for text in figure.axes[1].texts] == ["50.0 %", "0.0 %"]


def test_two_readings_name_the_share_that_is_found() -> None:
    figure = failures.two_readings({"a": (ONES, TWOS), "b": (TWOS, ONES)}, {"a": 1.5, "b": 3.0}, "fog")
    assert "a: 100 % found" in words(figure) and "b: 0 % found" in words(figure)


def test_missed_shares_are_sorted_by_what_was_missed_before() -> None:
    axis = failures.missed_shares(["x_y", "z"], [0.9, 0.2], [0.1, 0.2]).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["z", "x y"]


def test_cost_and_quality_marks_every_cost() -> None:
    figure = failures.cost_and_quality({"one_step": {2: AREA, 20: AREA}, "partial_diffusion": {250: AREA}})
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["2", "20", "250"]
    figure.canvas.draw()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: failures.false_alarms({}, {"a": 1.0}),
        lambda: failures.false_alarms({"a": ONES}, {}),
        lambda: failures.missed_shares(["a"], [0.1, 0.2], [0.1]),
        lambda: failures.cost_and_quality({"one_step": {}}),
    ],
)
def test_wrong_data_are_refused(draw) -> None:
    with pytest.raises(ValueError, match="needs"):
        draw()
