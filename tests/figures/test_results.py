"""The figures of results show the numbers they are given, with no label upon another."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from diffad.bootstrap import Interval
from diffad.evaluation import MEAN_OVER_GROUPS, auroc, evaluate_groups, per_group_table
from diffad.figures import results
from diffad.figures.style import METHOD_COLOURS, method_title

GROUPS = ["impulse_noise", "canny_edges", "dotted_line", "fog", "stripe"]


def some_results(methods=("ddpm", "iforest", "another")):
    generator = np.random.default_rng(0)
    labels, groups = np.repeat([0, 1], [40, 200]), np.repeat(["clean", *GROUPS], 40)
    shift = np.repeat([0.0, 0.5, 1.0, 1.5, 2.0, 3.0], 40)
    scores = {name: generator.normal(shift / (place + 1)) for place, name in enumerate(methods)}
    return labels, groups, scores


def draw(figure):
    """Render, and return the figure's renderer for measuring."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def assert_no_overlap(texts, renderer):
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_visible() and text.get_text()]
    assert len(boxes) > 1
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)


def texts_of(figure):
    """Tick labels within view, axis labels, titles and legend entries of the whole figure."""
    texts = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            texts.append(axis.label)
        texts.append(axes.title)
    for legend in figure.legends:
        texts += legend.get_texts()
    return texts


def test_roc_curves_pass_through_the_rates_and_state_the_area():
    labels, _, scores = some_results()
    figure = results.roc_curves(labels, scores)
    assert_no_overlap(texts_of(figure), draw(figure))
    whole, few = figure.axes
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert entries == [
        f"{method_title(name)}  {100 * auroc(labels, values):.1f}" for name, values in scores.items()
    ]
    lines = [line for line in whole.lines if not line.get_label().startswith("_")]
    for line, values in zip(lines, scores.values(), strict=True):
        false_rate, true_rate = line.get_data()
        assert np.trapezoid(true_rate, false_rate) == pytest.approx(auroc(labels, values))
    assert few.get_xscale() == "log" and few.get_xlim()[0] == pytest.approx(1 / 40)


def test_the_dot_plot_shows_each_interval_in_its_group():
    labels, groups, scores = some_results()
    table = per_group_table(labels, groups, scores, num_resamples=30)
    shared = evaluate_groups(labels, groups, scores, num_resamples=30)
    means = {name: shared.interval("auroc", name, MEAN_OVER_GROUPS) for name in scores}
    figure = results.group_dot_plot(table, means)
    assert_no_overlap(texts_of(figure), draw(figure))
    (axes,) = figure.axes
    names = [text.get_text() for text in axes.get_yticklabels()]
    first = table[table["method"] == "ddpm"].sort_values("estimate", ascending=False)
    assert names == ["mean", *first["group"].str.replace("_", " ")]
    points = axes.containers[0].lines[0].get_xdata()
    assert points == pytest.approx(100 * np.array([means["ddpm"].estimate, *first["estimate"]]))
    heights = axes.get_yticks()
    for container in axes.containers:
        assert (np.abs(container.lines[0].get_ydata() - heights) < np.diff(heights)[0] / 2).all()
        low_and_high = container.lines[2][0].get_segments()
        assert len(low_and_high) == len(GROUPS) + 1


def test_the_dot_plot_without_means_has_only_groups():
    labels, groups, scores = some_results()
    figure = results.group_dot_plot(per_group_table(labels, groups, scores, num_resamples=30))
    assert len(figure.axes[0].get_yticklabels()) == len(GROUPS)


def test_an_incomplete_table_is_refused():
    labels, groups, scores = some_results()
    table = per_group_table(labels, groups, scores, num_resamples=10)
    with pytest.raises(ValueError, match="every method for every group"):
        results.group_dot_plot(table.iloc[1:])
    with pytest.raises(ValueError, match="means every method"):
        results.group_dot_plot(table, {"ddpm": Interval(0.5, 0.4, 0.6)})


def test_the_heat_map_prints_each_value_where_it_belongs():
    values = np.random.default_rng(1).uniform(size=(5, 10))
    levels = [0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    figure = results.level_heatmap(pd.DataFrame(values, index=GROUPS, columns=levels))
    assert_no_overlap(texts_of(figure), draw(figure))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == [f"{100 * value:.0f}" for value in values.ravel()]
    assert [text.get_text() for text in axes.get_yticklabels()][:2] == ["impulse noise", "canny edges"]
    assert [float(text.get_text()) for text in axes.get_xticklabels()] == levels


@pytest.mark.parametrize("channels", [1, 3])
def test_the_grid_shows_input_reconstruction_and_error(channels):
    generator = np.random.default_rng(2)
    images = generator.integers(0, 256, (5, 8, 8, channels), dtype=np.uint8)
    others = generator.integers(0, 256, (5, 8, 8, channels), dtype=np.uint8)
    errors = np.abs(images.astype(float) - others).mean(axis=-1)
    figure = results.reconstruction_grid(images, others, errors, GROUPS)
    assert_no_overlap(texts_of(figure), draw(figure))
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(shown) == 15
    assert np.array_equal(shown[1].get_array().reshape(images[1].shape), images[1])
    assert np.array_equal(shown[6].get_array().reshape(others[1].shape), others[1])
    assert np.array_equal(shown[11].get_array(), errors[1])
    assert {image.get_clim() for image in shown[10:]} == {(0.0, np.quantile(errors, 0.995))}  # one scale


def test_a_grid_of_unequal_counts_is_refused():
    images = np.zeros((2, 8, 8, 1), np.uint8)
    with pytest.raises(ValueError, match="as many"):
        results.reconstruction_grid(images, images[:1], images[..., 0], ["a", "b"])


def test_a_method_looks_the_same_everywhere_and_methods_differ_in_grey():
    known = [name for name in METHOD_COLOURS if not name.startswith("unet/")]  # those look as without it
    looks = [results.method_look(name) for name in known]
    assert [look.colour for look in looks] == [METHOD_COLOURS[name] for name in known]
    assert results.method_look("unet/one_step") == results.method_look("one_step")
    assert len({(look.marker, look.dash) for look in looks}) == len(looks)
    assert results.method_look("unheard of") == results.method_look("unheard of")
    assert results.method_look("unheard of").colour not in METHOD_COLOURS.values()
