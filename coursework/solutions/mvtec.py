"""Solutions to the exercises of the chapter on MVTec-AD; their examples are run by the tests."""

import numpy as np


def factor_needed(share: float, rise: float) -> float:
    """How many times the usual error a defect needs on its share of the pixels to raise the image's mean so much.

    >>> round(factor_needed(share=0.02, rise=0.1)), round(factor_needed(share=0.002, rise=0.1))
    (6, 51)
    """
    # The mean is (1 - share) + share * factor, in units of the usual error.
    return 1 + rise / share


def worst_share_score(maps: np.ndarray, share: float) -> np.ndarray:
    """The mean error over the worst pixels of each image.

    Args:
        maps: errors of pixels, (n, height, width).
        share: of an image's pixels, in (0, 1]. Their number is rounded, and at least one.

    Returns:
        (n,), higher = more anomalous.
    """
    pixels = np.sort(maps.reshape(len(maps), -1), axis=1)
    num_worst = max(1, round(share * pixels.shape[1]))
    return pixels[:, -num_worst:].mean(axis=1)


def auroc_by_worst_share(share: float, bad_spots: bool = False, seed: int = 0) -> float:
    """AUROC in % of the worst share's mean, where a defect trebles the error on 2 % of the pixels.

    Images differ as a whole by 15 %. With bad spots every image, good or defective, has as many pixels again whose
    error is four times as large.

    >>> shares = (1.0, 0.1, 0.02)
    >>> whole, tenth, worst = (auroc_by_worst_share(share) for share in shares)
    >>> whole < 65 and tenth > whole + 5 and worst > tenth + 5
    True
    >>> auroc_by_worst_share(0.02, bad_spots=True) < worst - 10  # they hide the defect
    True
    """
    rng = np.random.default_rng(seed)
    maps = rng.uniform(0.5, 1.5, (2, 400, 20, 20)) * np.exp(rng.normal(0, 0.15, (2, 400, 1, 1)))
    maps[1, :, :2, :4] *= 3  # 8 of 400 pixels
    if bad_spots:
        maps[:, :, 10:12, :4] *= 4
    good, defective = (worst_share_score(each, share) for each in maps)
    return 100 * float((defective[:, None] > good[None, :]).mean())
