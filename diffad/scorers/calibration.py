"""From a profile of several numbers an image to one score, calibrated on held-out normal images.

Raw errors of two levels have different sizes and cannot be added. Each becomes a z-score against held-out normals;
then they are combined. One-sided rules ask "worse than normal?". Two-sided ones also ask "suspiciously good?":
images simpler than normal ones (smaller digits, smooth objects) are reconstructed better than normal and invert
every one-sided score.

    ProfileCalibration   any profile: logarithms where normals are positive, plain numbers elsewhere
    LevelCalibration     errors over noise levels, which must be positive
    CalibratedScorer     a scorer with a profile, its calibration and a rule: one scorer again
"""

from typing import Self

import numpy as np
from sklearn.covariance import LedoitWolf

from diffad.scorers.base import ProfileScorer, Scorer, check_fitted

COMBINATIONS = ("mean", "max", "max_abs", "mahalanobis")
FLOOR = 1e-6  # of the smallest normal value: what a value of 0 or less counts as, on a logarithmic scale


class ProfileCalibration:
    """Mean, spread and covariance of the profile of held-out normal images.

    A number that is positive for every held-out normal is taken as a logarithm: errors are positive and skewed, on
    a log scale normals are close to symmetric, and a two-sided score treats "half the error" and "twice the error"
    alike. Other numbers (bits, odd moments) stay as they are.

    Args:
        profile: numbers of held-out normal images, (n, k), n >= 2.

    Attributes:
        logarithmic_: whether each number is taken as a logarithm, bool (k,).
        floor_: what a logarithm's argument is raised to if it is smaller, (k,): a millionth of the smallest normal.
        mean_, scale_: of the numbers so taken, (k,).
        covariance_: Ledoit-Wolf estimate of the z-scores' covariance, (k, k).

    Raises:
        ValueError: not a finite (n, k) array with two or more images, or a number that is equal for all.
    """

    def __init__(self, profile: np.ndarray):
        profile = self._checked(profile)
        if len(profile) < 2:
            raise ValueError(
                f"profile: got {len(profile)} held-out normal image, expected at least 2 to calibrate on"
            )
        smallest = profile.min(axis=0)
        self.logarithmic_, self.floor_ = smallest > 0, FLOOR * smallest
        taken = self._taken(profile)
        self.mean_, self.scale_ = taken.mean(axis=0), taken.std(axis=0, ddof=1)
        if (self.scale_ == 0).any():
            raise ValueError(
                f"profile: all held-out errors are equal at level number {int(np.argmin(self.scale_))}, expected some spread"
            )
        self._estimator = LedoitWolf().fit(self.z_scores(profile))
        self.covariance_ = self._estimator.covariance_

    def z_scores(self, profile: np.ndarray) -> np.ndarray:
        """(n, k) numbers -> (n, k) z-scores; 0 is a typical normal image, positive is higher than that."""
        profile = self._checked(profile)
        if profile.shape[1] != len(self.mean_):
            raise ValueError(
                f"profile: got {profile.shape[1]} levels, expected {len(self.mean_)} as calibrated"
            )
        return (self._taken(profile) - self.mean_) / self.scale_

    def combine(self, profile: np.ndarray, rule: str) -> np.ndarray:
        """One score an image, float64 (n,), higher = more anomalous.

        Args:
            profile: numbers (n, k).
            rule: "mean" z-score and "max" z-score (one-sided); "max_abs", the largest |z| (two-sided);
                "mahalanobis", the distance of the whole profile from the normal mean (two-sided, aware of
                correlated levels).

        Raises:
            ValueError: another rule, or another number of levels than calibrated.
        """
        z = self.z_scores(profile)
        match rule:
            case "mean":
                return z.mean(axis=1)
            case "max":
                return z.max(axis=1)
            case "max_abs":
                return np.abs(z).max(axis=1)
            case "mahalanobis":
                return np.sqrt(self._estimator.mahalanobis(z))
            case _:
                raise ValueError(f"rule: got {rule!r}, expected one of {', '.join(COMBINATIONS)}")

    def _taken(self, profile: np.ndarray) -> np.ndarray:
        """Each number, or its logarithm where normals are positive."""
        positive = np.where(self.logarithmic_, np.maximum(profile, self.floor_), 1.0)
        return np.where(self.logarithmic_, np.log(positive), profile)

    def _checked(self, profile: np.ndarray) -> np.ndarray:
        profile = np.asarray(profile, dtype=np.float64)
        if profile.ndim != 2 or not profile.size:
            raise ValueError(f"profile: got shape {profile.shape}, expected (images, levels)")
        if not np.isfinite(profile).all():
            raise ValueError("profile: some numbers are NaN or infinite, expected finite ones")
        return profile


class LevelCalibration(ProfileCalibration):
    """`ProfileCalibration` of errors over noise levels: all positive, so all taken as logarithms.

    Args:
        profile: errors of held-out normal images, (n, levels), positive, n >= 2.

    Raises:
        ValueError: as `ProfileCalibration`, or an error that is not positive, here or in what is scored later.
    """

    def _checked(self, profile: np.ndarray) -> np.ndarray:
        profile = np.asarray(profile, dtype=np.float64)
        if profile.ndim == 2 and not (np.isfinite(profile).all() and (profile > 0).all()):
            raise ValueError(
                "profile: some errors are NaN, infinite or not positive, expected positive numbers"
            )
        return super()._checked(profile)


class CalibratedScorer(Scorer):
    """The profile of a scorer, calibrated on held-out normals and combined by a rule.

    Args:
        scorer: anything with a profile.
        rule: of `COMBINATIONS`.

    Attributes:
        calibration_: the `ProfileCalibration`.
    """

    def __init__(self, scorer: ProfileScorer, rule: str = "max_abs"):
        if rule not in COMBINATIONS:
            raise ValueError(f"rule: got {rule!r}, expected one of {', '.join(COMBINATIONS)}")
        self.scorer, self.rule, self.evaluator = scorer, rule, scorer.evaluator

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return self.scorer.evaluations_per_image

    def fit(self, normals: np.ndarray) -> Self:
        """Calibrate on held-out normal data (n, ...), n >= 2."""
        self.calibration_ = ProfileCalibration(self.scorer.fit(normals).profile(normals))
        return self

    def scores(self, images: np.ndarray) -> np.ndarray:
        """The combined score of data at rest (n, ...): float64 (n,), higher = more anomalous."""
        check_fitted(self, "calibration_")
        return self.calibration_.combine(self.scorer.profile(images), self.rule)
