"""The figures of the networks' chapter draw every map, part and curve that they are given."""

import numpy as np
import pytest

from diffad.figures import networks as figures

MAPS = np.random.default_rng(0).uniform(0, 1, (3, 8, 8))


def test_receptive_fields_show_each_map_with_the_predicted_pixel_and_the_reach():
    figure = figures.receptive_fields(
        {"a": MAPS, "b": MAPS[::-1]}, list("xyz"), 2, 5, {"a": [1, 2, 3], "b": [1, 2, np.nan]}
    )
    figure.canvas.draw()
    assert [axis.get_title() for axis in figure.axes[:3]] == list("xyz")
    assert [axis.get_xlabel() for axis in figure.axes] == ["1.0 px", "2.0 px", "3.0 px"] + [
        "1.0 px",
        "2.0 px",
        "sees nothing",
    ]
    np.testing.assert_array_equal(figure.axes[3].images[0].get_array(), MAPS[2])
    assert all(axis.patches[0].get_xy() == (4.5, 1.5) for axis in figure.axes)


def test_a_map_of_zeros_can_be_drawn():
    figure = figures.receptive_fields({"": [np.zeros((4, 4))]}, ["two\nlines"], 0, 0)
    figure.canvas.draw()
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), np.zeros((4, 4)))


def test_attention_is_drawn_for_every_block_and_head_on_one_scale():
    maps = np.random.default_rng(0).uniform(0, 1, (2, 3, 4, 4))
    figure = figures.attention_grid({"little": maps, "much": maps / 2}, (1, 2))
    figure.canvas.draw()
    panels = [axis for axis in figure.axes if axis.images and axis.patches]
    assert len(panels) == 2 * 2 * 3
    assert {axis.images[0].get_clim() for axis in panels} == {(0, maps.max())}


def test_parameter_bars_fill_the_whole_and_name_the_total():
    parts = {"one": {"attention": 300_000, "perceptrons": 100_000}, "two": {"input and output": 35_700_000}}
    figure = figures.parameter_bars(parts)
    figure.canvas.draw()
    axes = figure.axes[0]
    assert [text.get_text().strip() for text in axes.texts] == ["0.40 M", "35.7 M"]
    ends = [
        max(bar.get_x() + bar.get_width() for bar in axes.patches if round(bar.get_y() + 0.4) == row)
        for row in (0, 1)
    ]
    assert ends == pytest.approx([100, 100])
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {
        "attention",
        "perceptrons",
        "input and output",
    }


def test_cost_curves_draw_what_was_timed_and_all_that_was_counted():
    figure = figures.cost_curves([8, 16, 32], {"a": [1, 4, 16], "b": [2, 9, 99]}, {"a": [1, 2, 3], "b": [1]})
    figure.canvas.draw()
    left, right = figure.axes
    assert [len(line.get_xdata()) for line in left.lines] == [3, 3]
    assert [len(line.get_xdata()) for line in right.lines] == [3, 1]
    assert left.get_ylabel() and right.get_ylabel()


@pytest.mark.parametrize(
    ("count", "text"), [(176_849, "0.18 M"), (35_746_307, "35.7 M"), (675_129_632, "675 M")]
)
def test_millions_for_readers(count, text):
    assert figures.millions(count) == text
