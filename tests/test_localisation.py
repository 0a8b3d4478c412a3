"""Pixel AUROC and per-region overlap against closed form."""

import numpy as np
import pytest

from diffad.localisation import overlap_curve, per_region_overlap, pixel_auroc, region_weights


def two_regions():
    """One image without and one with a region of 4 and one of 16 pixels: bool (2, 20, 20)."""
    masks = np.zeros((2, 20, 20), bool)
    masks[1, 1:3, 1:3] = True
    masks[1, 8:12, 8:12] = True
    return masks


def test_a_perfect_map_has_both_areas_1():
    masks = two_regions()
    assert pixel_auroc(masks, masks.astype(float)) == 1
    assert per_region_overlap(masks, masks.astype(float)) == pytest.approx(1)
    assert per_region_overlap(masks, np.where(masks, 5.0, -3.0), 0.05) == pytest.approx(1)


def test_a_constant_map_is_chance():
    """All thresholds are one: the curve is the diagonal, whose area up to a limit L is L / 2 after division."""
    masks = two_regions()
    assert pixel_auroc(masks, np.zeros(masks.shape)) == 0.5
    assert per_region_overlap(masks, np.zeros(masks.shape), 0.3) == pytest.approx(0.15)
    assert per_region_overlap(masks, np.zeros(masks.shape), 1.0) == pytest.approx(0.5)


def test_overlap_counts_regions_and_auroc_counts_pixels():
    """Only the large region is found: 16 of 20 pixels, but 1 of 2 regions."""
    masks = two_regions()
    maps = np.zeros(masks.shape)
    maps[1, 8:12, 8:12] = 1
    # True positive rate 0.8 at no false positive, then a straight line to (1, 1).
    assert pixel_auroc(masks, maps) == pytest.approx(0.9)
    limit = 0.3
    expected = (0.5 + (0.5 + 0.5 * limit)) / 2  # mean height of a line from 0.5 that would reach 1 at rate 1
    assert per_region_overlap(masks, maps, limit) == pytest.approx(expected)
    maps = np.zeros(masks.shape)
    maps[1, 1:3, 1:3] = 1
    assert per_region_overlap(masks, maps, limit) == pytest.approx(expected)  # a small region counts as much
    assert pixel_auroc(masks, maps) == pytest.approx(0.6)


def test_the_curve_is_the_mean_over_regions_counted_one_by_one():
    masks = two_regions()
    maps = np.random.default_rng(0).normal(size=masks.shape) + masks
    rate, overlap = overlap_curve(masks, maps)
    small, large = maps[1, 1:3, 1:3].ravel(), maps[1, 8:12, 8:12].ravel()
    normal = maps[~masks]
    for threshold in (-1.0, 0.0, 0.7, 1.5):
        by_hand = ((small >= threshold).mean() + (large >= threshold).mean()) / 2
        # The curve leaves out points on straight lines, so its height is read off by interpolation.
        assert np.interp((normal >= threshold).mean(), rate, overlap) == pytest.approx(by_hand, abs=0.13)
    steps = [
        (((small >= s).mean() + (large >= s).mean()) / 2, (normal >= s).mean())
        for s in np.sort(maps.ravel())[::-1]
    ]
    heights, rates = np.array([(0, 0), *steps]).T
    inside = rates <= 0.3
    area = np.trapezoid(heights[inside], rates[inside]) / 0.3
    assert per_region_overlap(masks, maps, 0.3) == pytest.approx(area, abs=2e-3)


def test_regions_are_connected_by_corners_and_within_one_image():
    masks = np.zeros((2, 4, 4), bool)
    masks[0, 0, 0] = masks[0, 1, 1] = True  # one region of two pixels
    masks[0, 3, 3] = True
    masks[1, 0, 0] = True
    weights = region_weights(masks)
    assert weights[0, 0, 0] == weights[0, 1, 1] == 0.5 and weights[0, 3, 3] == weights[1, 0, 0] == 1
    assert weights[masks].sum() == 3 and (weights[~masks] == 1).all()


def test_masks_may_be_grey_levels_and_maps_of_any_scale():
    masks, maps = two_regions(), np.random.default_rng(1).random((2, 20, 20))
    grey = 255 * masks.astype(np.uint8)
    assert pixel_auroc(grey, maps) == pixel_auroc(masks, maps) == pixel_auroc(masks, np.exp(3 * maps))
    assert per_region_overlap(grey, maps) == per_region_overlap(masks, np.float32(maps))


REFUSED = {
    "shapes": (np.ones((2, 3, 3)), np.ones((2, 3, 4)), "got shapes"),
    "rank": (np.ones((3, 3)), np.ones((3, 3)), r"expected the same \(n, height, width\)"),
    "NaN": (np.eye(3)[None], np.full((1, 3, 3), np.nan), "NaN"),
    "all normal": (np.zeros((1, 3, 3)), np.ones((1, 3, 3)), "all pixels are normal"),
    "all anomalous": (np.ones((1, 3, 3)), np.ones((1, 3, 3)), "all pixels are anomalous"),
    "words": (np.full((1, 3, 3), "a"), np.ones((1, 3, 3)), "dtypes"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("metric", [pixel_auroc, per_region_overlap])
def test_what_cannot_be_judged_is_refused(metric, case):
    masks, maps, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        metric(masks, maps)


@pytest.mark.parametrize("limit", [0, -0.1, 1.1, float("nan")])
def test_an_impossible_limit_is_refused(limit):
    with pytest.raises(ValueError, match="false_positive_limit: got"):
        per_region_overlap(two_regions(), np.zeros((2, 20, 20)), limit)
