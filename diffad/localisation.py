"""How well error maps find anomalous pixels: pixel AUROC and per-region overlap (PRO).

Masks are True (or not 0) where a pixel is anomalous; maps are higher where it looks so. Images without any
anomalous pixel belong in both: their pixels are the negatives that a threshold must spare.

Pixel AUROC counts pixels, so one large defect outweighs many small ones. PRO counts defects: each connected region
weighs the same, whatever its size. Source: Bergmann et al. 2021 ("The MVTec anomaly detection dataset", section
5.2), with the same limit of 30 % false positives.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from sklearn.metrics import roc_auc_score, roc_curve

FALSE_POSITIVE_LIMIT = 0.3
EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=int)  # regions that touch at a corner are one


class OverlapCurve(NamedTuple):
    """The mean overlap of the regions against the false positive rate, both rising from 0 to 1."""

    false_positive_rate: np.ndarray
    overlap: np.ndarray


def pixel_auroc(masks: np.ndarray, maps: np.ndarray) -> float:
    """Area under the ROC curve over all pixels of all images, in [0, 1].

    Args:
        masks: (n, height, width), not 0 where anomalous; both kinds of pixel present.
        maps: finite numbers (n, height, width), higher = more anomalous.

    Raises:
        ValueError: shapes that differ, values that are NaN or infinite, or one kind of pixel alone.
    """
    masks, maps = check_masks_and_maps(masks, maps)
    return float(roc_auc_score(masks.ravel(), maps.ravel()))


def per_region_overlap(
    masks: np.ndarray, maps: np.ndarray, false_positive_limit: float = FALSE_POSITIVE_LIMIT
) -> float:
    """Area under the curve of mean overlap against false positive rate, up to a limit and divided by it: in [0, 1].

    Args:
        masks, maps: as in `pixel_auroc`.
        false_positive_limit: in (0, 1]; 0.3 in the MVTec-AD papers.

    Raises:
        ValueError: as `pixel_auroc`, or a limit outside (0, 1].
    """
    if not 0 < false_positive_limit <= 1:
        raise ValueError(
            f"false_positive_limit: got {false_positive_limit}, expected a rate above 0 and up to 1"
        )
    rate, overlap = overlap_curve(masks, maps)
    inside = rate < false_positive_limit
    at_limit = np.interp(false_positive_limit, rate, overlap)
    rate, overlap = np.append(rate[inside], false_positive_limit), np.append(overlap[inside], at_limit)
    return float(np.trapezoid(overlap, rate) / false_positive_limit)


def overlap_curve(masks: np.ndarray, maps: np.ndarray) -> OverlapCurve:
    """Mean overlap of the regions and false positive rate at every threshold.

    A region's overlap is the share of its pixels above the threshold. The mean over regions is therefore the true
    positive rate of an ROC curve in which each anomalous pixel weighs one over its region's size.

    Args:
        masks, maps: as in `pixel_auroc`.
    """
    masks, maps = check_masks_and_maps(masks, maps)
    rate, overlap, _ = roc_curve(
        masks.ravel(), maps.ravel(), sample_weight=region_weights(masks).ravel(), drop_intermediate=True
    )
    return OverlapCurve(rate, overlap)


def region_weights(masks: np.ndarray) -> np.ndarray:
    """What each pixel weighs: 1 where normal, one over its region's size where anomalous; float64 (n, h, w).

    Regions are connected by sides and corners, image by image.

    Args:
        masks: bool (n, height, width).
    """
    weights = np.ones(masks.shape)
    for mask, weight in zip(masks, weights, strict=True):
        regions, count = ndimage.label(mask, EIGHT_NEIGHBOURS)
        if count:
            sizes = np.bincount(regions.ravel())
            weight[mask] = 1 / sizes[regions[mask]]
    return weights


def check_masks_and_maps(masks: np.ndarray, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks as bool and maps as they are, both (n, height, width); refused where they do not fit.

    Raises:
        ValueError: with what came and what was expected.
    """
    masks, maps = np.asarray(masks), np.asarray(maps)
    if masks.ndim != 3 or masks.shape != maps.shape:
        raise ValueError(
            f"masks, maps: got shapes {masks.shape} and {maps.shape}, expected the same (n, height, width)"
        )
    if masks.dtype.kind not in "biuf" or maps.dtype.kind not in "biuf":
        raise ValueError(f"masks, maps: got dtypes {masks.dtype} and {maps.dtype}, expected numbers")
    if bad := int((~np.isfinite(maps)).sum()):
        raise ValueError(f"maps: {bad} values are NaN or infinite, expected finite numbers")
    masks = masks != 0
    if masks.all() or not masks.any():
        kind = "anomalous" if masks.any() else "normal"
        raise ValueError(f"masks: all pixels are {kind}, expected normal and anomalous ones")
    return masks, maps
