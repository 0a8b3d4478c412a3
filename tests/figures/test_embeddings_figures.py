"""Figures of the embeddings track draw every method where its numbers are, in its family's look."""

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest

from diffad.bootstrap import Interval
from diffad.figures.embeddings import FAMILY_LOOKS, aurocs_heatmap, method_means, paired_differences

FAMILIES = {"DDPM": "diffusion", "KNN": "classical", "Deep SVDD": "network"}
MEANS = {
    "tables": {
        "DDPM": Interval(0.7, 0.6, 0.8),
        "KNN": Interval(0.9, 0.85, 0.95),
        "Deep SVDD": Interval(0.5, 0.4, 0.6),
    },
    "vectors": {
        "DDPM": Interval(0.8, 0.7, 0.9),
        "KNN": Interval(0.9, 0.8, 1.0),
        "Deep SVDD": Interval(0.6, 0.5, 0.7),
    },
}


def points(axis):
    """(x, y) of each method's marker, by colour."""
    return {
        matplotlib.colors.to_hex(line.get_color()): (line.get_xdata()[0], line.get_ydata()[0])
        for line in axis.lines
        if line.get_marker() not in ("None", "")
    }


def colour(family):
    return matplotlib.colors.to_hex(FAMILY_LOOKS[family][0])


def test_the_best_method_stands_at_the_top_and_every_marker_at_its_mean():
    figure = method_means(MEANS, FAMILIES)
    first, second = figure.axes
    assert [tick.get_text() for tick in first.get_yticklabels()] == ["KNN", "DDPM", "Deep SVDD"]
    assert points(first)[colour("diffusion")] == (pytest.approx(70), 1)
    assert points(second)[colour("network")] == (pytest.approx(60), 2)
    assert first.get_ylim()[0] > first.get_ylim()[1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "diffusion",
        "network",
        "classical",
    ]


def test_tracks_of_other_methods_are_refused():
    with pytest.raises(ValueError, match="expected the same in each"):
        method_means({"a": MEANS["tables"], "b": {"KNN": Interval(0.5, 0.4, 0.6)}}, FAMILIES)


def test_differences_are_drawn_in_points_in_the_order_given():
    rows = {"all": {"KNN": Interval(-0.02, -0.03, -0.01), "Deep SVDD": Interval(0.1, 0.05, 0.15)}}
    (axis,) = paired_differences(rows, "DDPM", FAMILIES).axes
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["KNN", "Deep SVDD"]
    assert points(axis)[colour("classical")] == (pytest.approx(-2), 0)
    assert points(axis)[colour("network")] == (pytest.approx(10), 1)


def test_the_heatmap_sorts_both_ways_and_sets_diffusion_in_bold():
    table = pd.DataFrame(
        {"DDPM": [0.5, 0.9], "KNN": [0.6, 1.0], "Deep SVDD": [0.4, 0.7]}, index=["hard", "easy"]
    )
    axis = aurocs_heatmap(table, FAMILIES).axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["easy", "hard"]
    columns = axis.get_xticklabels()
    assert [tick.get_text() for tick in columns] == ["KNN", "DDPM", "Deep SVDD"]
    assert [tick.get_fontweight() for tick in columns] == ["normal", "bold", "normal"]
    assert np.allclose(axis.collections[0].get_array().ravel(), [100, 90, 70, 60, 50, 40])
