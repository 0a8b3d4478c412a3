"""The picture of an explanation shows the explanation's numbers, for grey and colour images and every rule."""

from io import BytesIO

import numpy as np
import PIL.Image
import pytest

from diffad.explanation import Explanation, LevelFinding, unusual_region
from diffad.figures.explanation import explanation_figure, full_colour
from diffad.figures.style import image_grid


def explanation(channels: int = 3, rule: str = "max_abs", score: float = 4.0) -> Explanation:
    error_map = np.ones((6, 6), np.float32)
    error_map[1:3, 2:4] = 9
    levels = (LevelFinding(50, 1000, 0.25, -4.0), LevelFinding(500, 1000, 3.0, 2.5))
    scores = np.linspace(0.5, 3.5, 40)
    image = np.full((6, 6, channels), 128, np.uint8)
    region = unusual_region(error_map)
    return Explanation(image, error_map, score, 3.0, 0.05, scores, 0.024, levels, rule, region)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_panel_shows_its_numbers(channels, tmp_path):
    figure = explanation_figure(explanation(channels), "a.png")
    image, overlay, scores, levels = figure.axes[:4]
    assert figure.get_suptitle() == "a.png: called anomalous"
    assert len(image.images) == 1 and np.array_equal(overlay.images[1].get_array(), explanation().error_map)
    assert sum(bar.get_height() for bar in scores.patches) == 40
    assert sorted(line.get_xdata()[0] for line in scores.lines) == [3.0, 4.0]
    assert [bar.get_height() for bar in levels.patches] == [-4.0, 2.5]
    assert [label.get_text() for label in levels.get_xticklabels()] == ["50", "500"]
    figure.savefig(tmp_path / "why.png")
    assert (tmp_path / "why.png").stat().st_size > 5000


@pytest.mark.parametrize(("rule", "lines"), [("max_abs", 2), ("max", 1), ("mean", 0), ("mahalanobis", 0)])
def test_the_threshold_is_drawn_over_the_levels_where_one_level_alone_can_cross_it(rule, lines):
    levels = explanation_figure(explanation(rule=rule)).axes[3]
    assert sum(line.get_linestyle() == "--" for line in levels.lines) == lines


def test_rare_colours_survive():
    image = np.full((40, 40, 3), (180, 170, 150), np.uint8)
    image += np.random.default_rng(0).integers(0, 60, image.shape, dtype=np.uint8)  # thousands of greys
    image[20, 20:24] = (255, 0, 255)
    figure = image_grid(image[None], 1)
    with PIL.Image.open(BytesIO(full_colour(figure))) as drawn:
        pixels = np.asarray(drawn.convert("RGB")).astype(int)
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) <= 256
    assert (np.abs(pixels - (255, 0, 255)).max(axis=-1) < 40).any()


def test_an_image_that_is_not_flagged_has_another_colour_and_title():
    flagged, passed = (explanation_figure(explanation(score=score)) for score in (4.0, 2.0))
    assert passed.get_suptitle() == "not called anomalous"
    assert flagged.axes[3].patches[0].get_facecolor() != passed.axes[3].patches[0].get_facecolor()
