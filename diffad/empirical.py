"""The diffusion model that needs no training: the exact denoiser of the training rows themselves.

    eq-empirical-denoiser    D(x; sigma) = sum_i w_i x_i,   w = softmax(-||x - x_i||^2 / (2 sigma^2))

If the data distribution is taken to be the training rows, each equally likely, then a row with noise of standard
deviation sigma comes from row i with probability w_i, and the mean of these is the denoiser that a network of unlimited
size would learn. Large sigma: the mean of all rows, so the error is the distance from it, in whitened space the
Mahalanobis distance. Small sigma: the nearest row, so the error is that of nearest-neighbour search. Between the two
lies a local average of what is normal.

The row is asked about as it is, with no noise added: the error is then the length of the score of the noised density,
||x - D(x; sigma)|| = sigma^2 ||grad log p_sigma(x)||, and the same for every run.

Sources: Karras et al. 2022, appendix B.3 (the ideal denoiser); Livernoche et al. 2024 (a non-parametric estimate from
neighbours, which `EmpiricalDiffusion` shares the idea with); Breunig et al. 2000 (error relative to the neighbours').
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.metrics import pairwise_distances_chunked
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from diffad.whitening import ShrunkWhitening, UnitNorm

CHUNK_MEGABYTES = 128  # of distances held at once
SMALLEST_ERROR = 1e-12  # in units of sigma^2: a row that equals a training row has error 0, and no logarithm


class EmpiricalDenoiser:
    """The posterior mean of clean rows given noisy ones, when the training rows are all there is.

    Equation: eq-empirical-denoiser.

    Args:
        rows: training rows, floats (n, features), n >= 2.

    Raises:
        ValueError: another shape, or fewer than two rows.
    """

    def __init__(self, rows: np.ndarray):
        if rows.ndim != 2 or len(rows) < 2:
            raise ValueError(f"rows: got shape {rows.shape}, expected (n, features) with at least two rows")
        self.rows = rows

    def weights(self, squared_distances: np.ndarray, sigma: float) -> np.ndarray:
        """The probability of each training row: squared distances (m, n) -> (m, n), rows sum to 1."""
        return softmax(-squared_distances / (2 * sigma**2), axis=1)

    def errors(self, queries: np.ndarray, squared_distances: np.ndarray, sigma: float) -> np.ndarray:
        """Squared distance of each query (m, features) from its denoised self, (m,)."""
        denoised = self.weights(squared_distances, sigma) @ self.rows  # (m, features)
        return np.square(queries - denoised).sum(axis=1)


class EmpiricalDiffusion(BaseEstimator):
    """Detects anomalous vectors by the error of the exact denoiser of the training rows, in partly whitened space.

    Rows are scaled to length 1, partly whitened (`ShrunkWhitening`), and denoised at a few levels; the error at each is
    divided by what the training rows that the denoiser draws on have themselves, each without its own help. The score
    is the mean logarithm of these ratios. Nothing is random, no network is trained, and the label of no row is used.

    Equation: eq-empirical-score.

    Args:
        power: of the whitening, in [0, 1].
        levels: noise levels, in units of the median distance of a training row from its nearest neighbour.
        reach: the neighbours that an error is compared with are weighted as at `reach` times the level.
        unit_norm: whether rows are first scaled to length 1.

    Attributes:
        preparation_: the fitted transformers.
        denoiser_: `EmpiricalDenoiser` of the prepared training rows.
        scale_: median distance of a training row from its nearest neighbour, in prepared space.
        training_errors_: squared errors of the training rows, each denoised from the others, in units of the level,
            float64 (n, levels).
        training_scores_: scores of the training rows, each denoised from the others, float64 (n,).
    """

    def __init__(
        self,
        power: float = 0.375,
        levels: tuple[float, ...] = (0.25, 0.3, 0.35, 0.4),
        reach: float = 2.0,
        unit_norm: bool = True,
    ):
        self.power, self.levels, self.reach, self.unit_norm = power, levels, reach, unit_norm

    def fit(self, X: ArrayLike, y=None) -> "EmpiricalDiffusion":
        """Learn what is normal from rows (n, features), n >= 3; `y` is ignored.

        Raises:
            ValueError: a parameter outside its range; NaN, infinity or fewer than three rows; all rows equal.
        """
        self._check_parameters()
        rows = validate_data(self, X, dtype=np.float64, ensure_min_samples=3)
        self.preparation_ = self._preparation()
        prepared = self.preparation_.fit_transform(rows)
        self.denoiser_ = EmpiricalDenoiser(prepared)
        self.scale_ = _typical_distance(_in_chunks(_nearest, prepared, prepared, leave_out_self=True))
        self.training_errors_ = _in_chunks(self._errors, prepared, prepared, leave_out_self=True)
        self.training_scores_ = self._scores(prepared, leave_out_self=True)
        return self

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Scores of rows (m, features): float64 (m,), higher = more anomalous, as PyOD has it.

        About 0 for a row that is denoised as well as its neighbours in the training set are.
        """
        check_is_fitted(self, "denoiser_")
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        return self._scores(self.preparation_.transform(rows), leave_out_self=False)

    def _preparation(self) -> Pipeline:
        first = [UnitNorm()] if self.unit_norm else []
        return make_pipeline(*first, ShrunkWhitening(self.power))

    def _errors(self, queries: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """Squared errors of queries (m, features) at each level, in units of the level: (m, levels)."""
        sigmas = [level * self.scale_ for level in self.levels]
        return np.stack([self.denoiser_.errors(queries, distances, s) / s**2 for s in sigmas], axis=1)

    def _usual_errors(self, distances: np.ndarray) -> np.ndarray:
        """What the training rows near each query err by, on average: (m, levels)."""
        sigmas = [self.reach * level * self.scale_ for level in self.levels]
        near = [self.denoiser_.weights(distances, sigma) for sigma in sigmas]  # (m, n) each
        return np.stack([w @ self.training_errors_[:, k] for k, w in enumerate(near)], axis=1)

    def _scores(self, prepared: np.ndarray, leave_out_self: bool) -> np.ndarray:
        """Mean log ratio of a row's errors to the usual ones, (m,)."""

        def score(queries: np.ndarray, distances: np.ndarray) -> np.ndarray:
            errors, usual = self._errors(queries, distances), self._usual_errors(distances)
            return np.log((errors + SMALLEST_ERROR) / (usual + SMALLEST_ERROR)).mean(axis=1)

        return _in_chunks(score, prepared, self.denoiser_.rows, leave_out_self)

    def _check_parameters(self) -> None:
        if len(self.levels) == 0 or not all(level > 0 for level in self.levels):
            raise ValueError(f"levels: got {self.levels!r}, expected at least one positive number")
        if not self.reach > 0:
            raise ValueError(f"reach: got {self.reach!r}, expected a positive number")


def _nearest(queries: np.ndarray, distances: np.ndarray) -> np.ndarray:
    return distances.min(axis=1)


def _in_chunks(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
    queries: np.ndarray,
    rows: np.ndarray,
    leave_out_self: bool,
) -> np.ndarray:
    """`measure(queries, squared distances (m, n) to the rows)`, a chunk of queries at a time.

    leave_out_self: query k is row k, and is infinitely far from itself.
    """

    def reduce(distances: np.ndarray, start: int) -> np.ndarray:
        if leave_out_self:
            chunk = np.arange(len(distances))
            distances[chunk, start + chunk] = np.inf
        return measure(queries[start : start + len(distances)], distances)

    parts = pairwise_distances_chunked(
        queries, rows, metric="euclidean", squared=True, reduce_func=reduce, working_memory=CHUNK_MEGABYTES
    )
    return np.concatenate(list(parts))


def _typical_distance(nearest: np.ndarray) -> float:
    """Median distance from squared distances to the nearest neighbour (n,); of those above 0, where most are 0.

    Raises:
        ValueError: all are 0, so that no noise level follows from them.
    """
    above = nearest[nearest > 0]
    if not len(above):
        raise ValueError("X: all rows have a row equal to them, expected rows that differ")
    return float(np.sqrt(np.median(nearest) or np.median(above)))
