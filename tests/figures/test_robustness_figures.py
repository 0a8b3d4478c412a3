"""The figures of robustness show the numbers they are given, with no label upon another."""

import numpy as np
import pandas as pd
import pytest
from test_results import assert_no_overlap, draw, texts_of

from diffad.figures import robustness as figures
from diffad.figures.results import method_look
from diffad.figures.style import method_title

METHODS = ["one_step", "denoiser_profile", "knn", "random"]


def some_table(panels=("Gaussian noise", "JPEG", "Salt and pepper")):
    rows = []
    for number, panel in enumerate(panels):
        for place, strength in enumerate(["clean", "5", "15", "45"]):
            for each, method in enumerate(METHODS):
                value = 0.95 - 0.1 * place - 0.05 * each - 0.02 * number
                rows.append((panel, strength, method, value, value - 0.03, value + 0.02))
    return pd.DataFrame(rows, columns=figures.COLUMNS)


def test_curves_show_every_rate_with_its_interval_in_the_method_s_own_look():
    figure = figures.strength_curves(
        some_table(), axis_labels=["sigma", "quality", "share"], control="random"
    )
    assert_no_overlap(texts_of(figure), draw(figure))
    assert [axis.get_title() for axis in figure.axes] == ["Gaussian noise", "JPEG", "Salt and pepper"]
    assert [each.get_text() for each in figure.legends[0].get_texts()] == [
        method_title(each) for each in METHODS
    ]
    first = figure.axes[0].containers[1]  # the profile
    np.testing.assert_allclose(first.lines[0].get_ydata(), [90, 80, 70, 60])
    assert first.lines[0].get_color() == method_look("denoiser_profile").colour
    ends = np.array([segment[:, 1] for segment in first.lines[2][0].get_segments()])
    np.testing.assert_allclose(ends, [[87, 92], [77, 82], [67, 72], [57, 62]])
    assert figure.axes[0].containers[3].lines[0].get_linestyle() == "--"
    labels = [tick.get_text() for tick in figure.axes[1].get_xticklabels()]
    assert labels == ["clean", "5", "15", "45"]


def test_curves_refuse_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="table: got columns .* expected also low"):
        figures.strength_curves(some_table().drop(columns="low"))
    with pytest.raises(ValueError, match="axis_labels: got 1, expected one for each of 3 panels"):
        figures.strength_curves(some_table(), axis_labels=["sigma"])


def test_the_matrix_prints_each_cell_and_frames_an_attack_on_the_judge_itself():
    table = pd.DataFrame(
        [[0.1, 0.2, 0.55], [0.3, 0.04, 0.6]],
        index=["one_step", "denoiser_profile"],
        columns=["one_step", "denoiser_profile", "iforest"],
    )
    figure = figures.transfer_matrix(table)
    axis = figure.axes[0]
    slanted = axis.get_xticklabels()  # their boxes overlap although they do not
    assert_no_overlap([each for each in texts_of(figure) if each not in slanted], draw(figure))
    assert [each.get_text() for each in axis.texts] == ["10", "20", "55", "30", "4", "60"]
    assert sorted(each.get_xy() for each in axis.patches) == [(0, 0), (1, 1)]
    assert [each.get_text() for each in axis.get_yticklabels()] == [
        method_title(each) for each in table.index
    ]


@pytest.mark.parametrize("channels", [1, 3])
def test_changed_images_show_the_signed_difference(channels):
    clean = np.full((4, 8, 8, channels), 100, np.uint8)
    changed = clean + np.uint8(4)
    changed[0] -= 8
    figure = figures.changed_images(clean, changed, ["normal"] * 2 + ["anomaly"] * 2, 8)
    draw(figure)
    shown = [axis.images[0].get_array() for axis in figure.axes[8:12]]
    assert [each.mean() for each in shown] == [-4, 4, 4, 4] and figure.axes[8].images[0].get_clim() == (-8, 8)
    assert figure.axes[-1].get_ylabel() == "grey levels" and figure.get_suptitle() == ""
    headed = figures.changed_images(clean, changed, ["26 to 46"] * 4, 8, "alarm above 27")
    assert headed.get_suptitle() == "alarm above 27"
    assert_no_overlap(texts_of(headed), draw(headed))
    with pytest.raises(ValueError, match="expected equally many"):
        figures.changed_images(clean, changed, ["normal"], 8)


def test_convergence_draws_a_line_an_epsilon():
    best = np.array([[1, 0.8, 0.7], [1, 0.5, 0.3]])
    figure = figures.convergence(best, range(3), ["4", "8"])
    draw(figure)
    lines = figure.axes[0].get_lines()
    np.testing.assert_allclose(lines[1].get_ydata(), best[1])
    assert [each.get_text() for each in figure.legends[0].get_texts()] == ["4", "8"]
