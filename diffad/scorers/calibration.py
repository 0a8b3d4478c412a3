"""From a profile of errors over noise levels to one score, calibrated on held-out normal images.

Raw errors of two levels have different sizes and cannot be added. Each level's error becomes a z-score against
held-out normals; then the levels are combined. One-sided rules ask "worse reconstructed than normal?". Two-sided
ones also ask "suspiciously well?": images simpler than normal ones (smaller digits, smooth objects) are
reconstructed better than normal and invert every one-sided score.
"""

import numpy as np
from sklearn.covariance import LedoitWolf

COMBINATIONS = ("mean", "max", "max_abs", "mahalanobis")


class LevelCalibration:
    """Mean, spread and covariance of the log errors of held-out normal images.

    Logarithms, because errors are positive and skewed: on a log scale normals are close to symmetric, and a
    two-sided score treats "half the error" and "twice the error" alike.

    Args:
        profile: errors of held-out normal images, (n, levels), positive, n >= 2.

    Attributes:
        mean_, scale_: of the log errors, (levels,).
        covariance_: Ledoit-Wolf estimate of the z-scores' covariance, (levels, levels).

    Raises:
        ValueError: not a finite positive (n, levels) array with two or more images, or a level at which all
            errors are equal.
    """

    def __init__(self, profile: np.ndarray):
        logs = _log_profile(profile)
        if len(logs) < 2:
            raise ValueError(
                f"profile: got {len(logs)} held-out normal image, expected at least 2 to calibrate on"
            )
        self.mean_, self.scale_ = logs.mean(axis=0), logs.std(axis=0, ddof=1)
        if (self.scale_ == 0).any():
            raise ValueError(
                f"profile: all held-out errors are equal at level number {int(np.argmin(self.scale_))}, expected some spread"
            )
        self._estimator = LedoitWolf().fit(self.z_scores(profile))
        self.covariance_ = self._estimator.covariance_

    def z_scores(self, profile: np.ndarray) -> np.ndarray:
        """(n, levels) errors -> (n, levels) z-scores; 0 is a typical normal image, positive is worse
        reconstructed.
        """
        logs = _log_profile(profile)
        if logs.shape[1] != len(self.mean_):
            raise ValueError(f"profile: got {logs.shape[1]} levels, expected {len(self.mean_)} as calibrated")
        return (logs - self.mean_) / self.scale_

    def combine(self, profile: np.ndarray, rule: str) -> np.ndarray:
        """One score an image, float64 (n,), higher = more anomalous.

        Args:
            profile: errors (n, levels).
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


def _log_profile(profile: np.ndarray) -> np.ndarray:
    profile = np.asarray(profile, dtype=np.float64)
    if profile.ndim != 2 or not profile.size:
        raise ValueError(f"profile: got shape {profile.shape}, expected (images, levels)")
    if not (np.isfinite(profile).all() and (profile > 0).all()):
        raise ValueError("profile: some errors are NaN, infinite or not positive, expected positive numbers")
    return np.log(profile)
