"""Error maps of a level profile in units of what is usual."""

import numpy as np

from diffad.scorers import LevelCalibration, OneStepReconstruction

MAP_BLOCK = 64  # images mapped at a time: a map at each level is large


def relative_maps(
    scorer: OneStepReconstruction, calibration: LevelCalibration, images: np.ndarray
) -> np.ndarray:
    """Where images are unlike normal ones: float32 (n, h, w), 1 where a pixel's error is usual.

    The mean over levels of a pixel's error, in units of the mean error (geometric) of normal images at that level.
    """
    usual = np.exp(calibration.mean_)[:, None, None]  # (levels, 1, 1)
    blocks = [images[start : start + MAP_BLOCK] for start in range(0, len(images), MAP_BLOCK)]
    return np.concatenate([(scorer.maps(block) / usual).mean(axis=1).astype(np.float32) for block in blocks])
