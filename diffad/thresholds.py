"""Where the line is drawn: from the scores of held-out normal images to a threshold and to p-values.

A conformal p-value says how often a normal image scores so high (Bates et al. 2023, "Testing for outliers with conformal
p-values", equation 2):

    p(s) = (1 + number of held-out normals that score at least s) / (1 + number of held-out normals).

Flagging what has p <= alpha flags a share alpha of normal images, whatever the scores' distribution.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from diffad.scorers import COMBINATIONS, DEFAULT_LEVELS, LevelCalibration, ProfileCalibration
from diffad.scorers.denoiser_profile import NormalDistance

FEWEST_HELD_OUT = 3  # each is scored under a calibration on the others, and that takes two
CALIBRATION_FOLDS = 20


class DetectionConfig(BaseModel):
    """How images are scored and where the line is drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: tuple[float, ...] = Field(default=DEFAULT_LEVELS, description="noise levels as fractions of T")
    num_draws: int = Field(default=2, ge=1, description="noises a level: 1, or an even number")
    metric: Literal["l1", "l2"] = "l2"
    rule: Literal[COMBINATIONS] = Field(
        default="max_abs", description="how the levels' z-scores are combined"
    )
    false_positive_rate: float = Field(
        default=0.05, gt=0, le=0.5, description="share of normals to be flagged"
    )
    held_out_fraction: float = Field(
        default=0.1, gt=0, lt=1, description="share of the images not trained on"
    )
    most_held_out: int = Field(default=1000, ge=FEWEST_HELD_OUT)
    batch_size: int = Field(default=250, ge=1, description="network evaluations at a time")
    seed: int = Field(default=0, ge=0, description="of the hold-out and of the noise bank")

    def num_held_out(self, num_images: int) -> int:
        """How many of `num_images` are held out: the fraction, and never fewer than the rate needs.

        Raises:
            ValueError: that would be more than half of them.
        """
        return num_held_out(num_images, self.false_positive_rate, self.held_out_fraction, self.most_held_out)


def num_held_out(
    num_items: int,
    false_positive_rate: float,
    fraction: float,
    most: int,
    argument: str = "images",
    item: str = "image",
) -> int:
    """How many of `num_items` normals to hold out: the fraction of them, at most `most`, and never fewer than the
    rate needs.

    Args:
        argument, item: what the items are called in the error.

    Raises:
        ValueError: the rate needs more than half of them.
    """
    needed = max(math.ceil(1 / false_positive_rate - 1e-9) - 1, FEWEST_HELD_OUT)
    if 2 * needed > num_items:
        raise ValueError(
            f"{argument}: got {num_items} normal {item}{'' if num_items == 1 else 's'}, expected at least "
            f"{2 * needed}: a false-positive rate of {false_positive_rate:g} needs {needed} held out "
            "and as many to train on"
        )
    return max(needed, min(round(fraction * num_items), most, num_items // 2))


def cross_fitted_scores(
    profile: np.ndarray,
    rule: str,
    folds: int = CALIBRATION_FOLDS,
    calibrate: Callable[[np.ndarray], ProfileCalibration | NormalDistance] = LevelCalibration,
) -> np.ndarray:
    """Scores of held-out normals, each under a calibration that did not see it.

    Scored under a calibration on themselves they would look more normal than new normals do, and a threshold set on
    them would flag too many.

    Args:
        profile: errors (n, levels), n >= 3.
        rule: see `LevelCalibration.combine`.
        folds: parts that are left out in turn, at most n.
        calibrate: makes a calibration of the others' profile.

    Returns:
        float64 (n,).
    """
    fold = np.arange(len(profile)) % min(folds, len(profile))
    scores = np.empty(len(profile))
    for left_out in range(fold.max() + 1):
        inside = fold == left_out
        scores[inside] = calibrate(profile[~inside]).combine(profile[inside], rule)
    return scores


def conformal_threshold(normal_scores: np.ndarray, false_positive_rate: float) -> float:
    """The largest score that is not flagged: `score > threshold` exactly where its p-value is at most the rate.

    Args:
        normal_scores: scores of held-out normals, (n,), n >= 1 / rate - 1.
        false_positive_rate: in (0, 1).

    Raises:
        ValueError: too few held-out normals for the rate.
    """
    n = len(normal_scores)
    flagged = math.floor(
        false_positive_rate * (n + 1) + 1e-9
    )  # p-values that may be flagged: 1..flagged of n + 1
    if flagged < 1:
        raise ValueError(
            f"false_positive_rate: got {false_positive_rate:g} with {n} held-out normals, expected at least {1 / (n + 1):.3g}"
        )
    return float(np.sort(normal_scores)[n - flagged])


def conformal_p_values(normal_scores: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """p-values of `scores` (n,) against the scores of held-out normals (m,): float64 (n,) in [1 / (m + 1), 1]."""
    at_least = len(normal_scores) - np.searchsorted(np.sort(normal_scores), scores, side="left")
    return (1 + at_least) / (1 + len(normal_scores))
