"""Figures of data show every image that they are given, where it belongs."""

import numpy as np
import pandas as pd
import pytest

from diffad.figures import data as figures


def images(count: int, side: int = 8, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def shown(figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]


def test_the_wall_has_normals_left_and_anomalies_right() -> None:
    rows = [
        figures.WallRow("grey", images(4), images(3)),
        figures.WallRow("colour", images(9, 5, 3), images(9, 6, 3)),
    ]
    figure = figures.picture_wall(rows, columns=4)
    assert len(shown(figure)) == 4 + 3 + 4 + 4
    by_place = sorted((axes.get_position().y0, axes.get_position().x0, axes) for axes in figure.axes)
    top_left = [axes for *_, axes in by_place if axes.get_title(loc="left") == "normal"]
    assert len(top_left) == 1 and np.array_equal(
        np.asarray(top_left[0].get_images()[0].get_array()), rows[0].normal[0, ..., 0]
    )
    for *_, axes in by_place:
        left = axes.get_position().x0 < 0.6
        assert axes.spines["top"].get_linestyle() == ("-" if left else "--")
    with pytest.raises(ValueError, match="images on both sides"):
        figures.picture_wall([figures.WallRow("empty", images(1), images(0))])


def test_the_corruption_sheet_has_a_titled_strip_each() -> None:
    corrupted = {f"kind_{index}": images(3, seed=index) for index in range(6)}
    figure = figures.corruption_sheet(images(3), corrupted)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["clean", *(f"kind {index}" for index in range(6))]
    strip = shown(figure)[3]
    for place in range(3):
        assert np.array_equal(strip[:, place * 9 : place * 9 + 8], corrupted["kind_2"][place, ..., 0])


def test_at_one_scale_a_pixel_is_equally_large_everywhere() -> None:
    figure = figures.at_one_scale({"small": images(1, 8)[0], "large": images(1, 80, 3)[0]})
    small, large = (axes.get_position().height for axes in figure.axes)
    assert large / small == pytest.approx(10)
    assert "= 19,200" in figure.axes[1].get_title(loc="left")


def test_defects_are_outlined_only_where_there_are_any() -> None:
    masks = np.zeros((2, 8, 8), bool)
    masks[1, 2:5, 2:5] = True
    figure = figures.outlined_defects(images(2), masks, ["good", "bad"], columns=2)
    assert [len(axes.collections) for axes in figure.axes] == [0, 1]


def test_look_alikes_stand_side_by_side() -> None:
    first, second = images(5, seed=1), images(5, seed=2)
    figure = figures.look_alikes(first, second, np.linspace(1, 0.9, 5), columns=3)
    pair = shown(figure)[4]
    assert np.array_equal(pair[:, :8], first[4, ..., 0]) and np.array_equal(pair[:, 9:], second[4, ..., 0])
    assert figure.axes[4].get_title() == "0.900"


def test_swatches_have_the_colours_given() -> None:
    colours = {"good": np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), "bad": np.array([[0.0, 0.0, 1.0]])}
    first, second = shown(figures.mean_colours(colours))
    assert np.array_equal(first[0, :2], colours["good"]) and np.array_equal(second[0, 0], [0.0, 0.0, 1.0])


def test_the_leak_is_drawn_smallest_set_on_top() -> None:
    frame = pd.DataFrame(
        {
            "set": ["a", "b"],
            "rows": [100, 500],
            "repeated": [0.9, 0.6],
            "leaking": [0.9, 0.8],
            "honest": [0.7, 0.75],
        }
    )
    left, right = figures.leak_effect(frame).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["b (500)", "a (100)"]
    assert sorted(bar.get_width() for bar in left.patches) == pytest.approx([60, 90])
    honest, leaking = (points.get_offsets()[:, 0] for points in right.collections[1:])
    assert list(honest) == pytest.approx([75, 70]) and list(leaking) == pytest.approx([80, 90])
