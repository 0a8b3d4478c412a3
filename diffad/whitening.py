"""Spaces in which white noise makes sense, as scikit-learn transformers: the unit sphere, and whitened features.

A diffusion model adds noise of equal size in every direction. On raw embeddings that noise drowns the directions of
small variance, in which normal data hardly move and anomalies often do; dividing each feature by its own spread does
not help, because features are correlated. Whitening by the full covariance does: every direction gets the same
spread. With a few hundred rows of hundreds of features the sample covariance is singular, so it is shrunk towards a
multiple of the identity (Ledoit & Wolf 2004) first.
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.utils.validation import check_is_fitted, validate_data


class UnitNorm(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divides each row by its Euclidean length, so that rows differ in direction only; rows of zeros stay zero.

    It remembers only how many features it has seen.
    """

    def fit(self, X: ArrayLike, y=None) -> "UnitNorm":
        """Check rows (n, features); there is nothing to learn. ValueError for NaN, infinity or no row."""
        validate_data(self, X, dtype=np.float64)
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Rows (n, features) -> float64 rows of length 1, or 0 where the row is zero."""
        check_is_fitted(self, "n_features_in_")
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        largest = np.abs(rows).max(axis=1, keepdims=True)
        # scaled first, so that nothing overflows when squared
        rows = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)


class ShrunkWhitening(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Centres rows and divides each principal direction by (its shrunk variance) ** (power / 2).

    power = 1 whitens fully: squared length is then the squared Mahalanobis distance of the shrunk covariance. power = 0
    only centres. In between, large directions are damped and not levelled. The result is turned back into the
    features' own axes (zero-phase whitening), so it has as many features as the input.

    Fewer rows than features and constant columns are fine: directions without variance get the shrinkage target's.
    Where every row is the same there is no variance at all, and rows are only centred.

    Args:
        power: in [0, 1].

    Attributes:
        mean_: float64 (features,).
        shrinkage_: weight of the identity in the covariance, in [0, 1].
        variances_: shrunk variances along `directions_`, float64 (rank,).
        directions_: orthonormal rows, float64 (rank, features).
        residual_variance_: of every direction beyond these.

    Source: Ledoit & Wolf 2004.
    """

    def __init__(self, power: float = 1.0):
        self.power = power

    def fit(self, X: ArrayLike, y=None) -> "ShrunkWhitening":
        """Learn mean and shrunk covariance of rows (n, features), n >= 2.

        Raises:
            ValueError: `power` outside [0, 1]; NaN, infinity or fewer than two rows.
        """
        if not 0 <= self.power <= 1:
            raise ValueError(f"power: got {self.power!r}, expected a number in [0, 1]")
        rows = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        self.mean_ = rows.mean(axis=0)
        centred = rows - self.mean_
        features = centred.shape[1]
        self.shrinkage_ = float(ledoit_wolf_shrinkage(centred, assume_centered=True)) if features > 1 else 0.0
        variances, self.directions_ = _principal_directions(centred)
        target = variances.sum() / features
        self.variances_ = (1 - self.shrinkage_) * variances + self.shrinkage_ * target
        self.residual_variance_ = self.shrinkage_ * target
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Rows (n, features) -> whitened float64 rows (n, features)."""
        check_is_fitted(self, "mean_")
        centred = validate_data(self, X, dtype=np.float64, reset=False) - self.mean_
        floor = 1e-12 * self.variances_.max(initial=0.0)
        if floor == 0:
            return centred  # all training rows were the same
        residual = max(self.residual_variance_, floor) ** (-self.power / 2)
        gains = np.maximum(self.variances_, floor) ** (-self.power / 2)
        along = centred @ self.directions_.T  # (n, rank)
        return residual * centred + (along * (gains - residual)) @ self.directions_


def _principal_directions(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances (rank,) and orthonormal directions (rank, features) of centred rows (n, features)."""
    num_rows, features = centred.shape
    if num_rows <= features:
        _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
        return lengths**2 / num_rows, directions
    variances, directions = np.linalg.eigh(centred.T @ centred / num_rows)
    return np.maximum(variances, 0.0), directions.T
