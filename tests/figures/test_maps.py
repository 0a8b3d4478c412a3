"""Figures of error maps are drawn from what they are given and refuse what does not fit."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from diffad.figures.maps import map_overlays, overlap_curves
from diffad.localisation import per_region_overlap


def example(channels=3):
    """Two grey images, one with a bright square, maps that find it, and its mask."""
    images = np.full((2, 16, 16, channels), 90, np.uint8)
    images[1, 4:8, 4:8] = 250
    masks = np.zeros((2, 16, 16), bool)
    masks[1, 4:8, 4:8] = True
    return images, masks + 0.1 * np.random.default_rng(0).random(masks.shape), masks


@pytest.mark.parametrize("channels", [1, 3])
def test_overlays_show_each_image_and_outline_the_region(channels):
    images, maps, masks = example(channels)
    figure = map_overlays(images, maps, ["good", "broken_zipper"], masks)
    FigureCanvasAgg(figure).draw()
    upper, lower = figure.axes[:2], figure.axes[2:4]
    assert [axes.get_title() for axes in upper] == ["good", "broken\nzipper"]
    assert [len(axes.images) for axes in upper + lower] == [1, 1, 2, 2]
    assert len(upper[1].collections) == 2 and not upper[0].collections
    strength = np.asarray(lower[1].images[1].get_alpha())
    assert strength[5, 5] > 0.7 and strength[0, 0] < 0.2
    FigureCanvasAgg(map_overlays(images, maps, ["a", "b"])).draw()
    FigureCanvasAgg(map_overlays(images, np.ones((2, 16, 16)), ["a", "b"])).draw()


def test_overlays_refuse_what_does_not_fit():
    images, maps, masks = example()
    with pytest.raises(ValueError, match="images, maps, names: got"):
        map_overlays(images, maps[:1], ["a", "b"])
    with pytest.raises(ValueError, match="masks: got shape"):
        map_overlays(images, maps, ["a", "b"], masks[:, :8])


def test_overlap_curves_name_each_area():
    _, maps, masks = example()
    figure = overlap_curves(masks, {"ddpm": maps, "mine": np.zeros(masks.shape)})
    FigureCanvasAgg(figure).draw()
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == [f"DDPM  {100 * per_region_overlap(masks, maps):.1f}", "mine  15.0"]
