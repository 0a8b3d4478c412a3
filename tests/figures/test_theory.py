"""The theory figures: every panel is drawn and labelled, and every curve can be told apart without colour."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from diffad.figures import theory

X = np.linspace(0, 1, 20)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8))
PARTS = {"reconstruction": 1.0, "denoising": 3.0, "prior": 0.1}

FIGURES = {
    "simulation_against_formula": lambda: theory.simulation_against_formula(
        {1: X, 9: X}, {1: (0.5, 0.1), 9: (0.0, 1.0)}, 0.8
    ),
    "schedule_curves": lambda: theory.schedule_curves(
        {"a": X, "b": X}, {"a": X, "b": X**2}, {"a": -X, "b": -5 * X}
    ),
    "bayes_step": lambda: theory.bayes_step(X, {"start": X, "posterior": X**2}, X, 0.2, 0.8),
    "curves": lambda: theory.curves({"a": X, "b": X}, {"a": X, "b": X**2}, "x", "y", points=["b"]),
    "where_bits_go": lambda: theory.where_bits_go({"a": X + 1, "b": X + 2}, {"a": PARTS, "b": PARTS}),
    "paths_over_density": lambda: theory.paths_over_density(
        {"a": np.zeros((30, 3)), "b": np.ones((30, 3))},
        np.ones((9, 20)),
        np.linspace(-1, 1, 9),
        np.arange(20),
    ),
    "histograms": lambda: theory.histograms({"a": X, "b": X}, np.linspace(-3, 3, 50), np.ones(50)),
    "truth_against_estimate": lambda: theory.truth_against_estimate(
        X, {"a": X, "b": X + 0.1}, "truth", "estimate"
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_panel_is_drawn_and_named(name):
    figure = FIGURES[name]()
    assert isinstance(figure, Figure) and figure.axes
    figure.canvas.draw()
    for axis in figure.axes:
        assert axis.has_data() and axis.get_xlabel()
    assert any(axis.get_ylabel() or axis.get_yticklabels() for axis in figure.axes)


def test_curves_differ_in_dash_as_well_as_colour():
    figure = theory.curves(
        dict.fromkeys("abcdefg", X), {name: X + i for i, name in enumerate("abcdefg")}, "x", "y"
    )
    styles = {str((line.get_linestyle(), line._unscaled_dash_pattern)) for line in figure.axes[0].lines}
    assert len(styles) == 7
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == list("abcdefg")


def test_image_rows_shows_every_image_with_its_names():
    figure = theory.image_rows({"first": IMAGES, "second": IMAGES}, ["a", "b", "c", "d"])
    assert len(figure.axes) == 8 and all(axis.images for axis in figure.axes)
    assert [axis.get_title() for axis in figure.axes[:4]] == ["a", "b", "c", "d"]
    assert [figure.axes[0].get_ylabel(), figure.axes[4].get_ylabel()] == ["first", "second"]
    np.testing.assert_array_equal(figure.axes[5].images[0].get_array(), IMAGES[1])


def test_walkers_outside_the_panel_lower_the_histogram():
    inside, half_away = np.zeros(100), np.concatenate([np.zeros(50), np.full(50, 99.0)])
    figure = theory.histograms({"in": inside, "half": half_away}, np.linspace(-3, 3, 50), np.ones(50))
    heights = [axis.patches[0].get_data().values.max() for axis in figure.axes]
    assert heights[1] == pytest.approx(heights[0] / 2)
