"""What every scorer offers, so that detectors, figures and combinations need not know which one they hold."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.exceptions import NotFittedError

from diffad.scorers.evaluator import Evaluator


class Scorer(ABC):
    """One way in which a diffusion model says "anomalous".

    Attributes:
        evaluator: of the model; it makes and counts every network evaluation.
        logarithmic: True where scores are minus a log density plus a constant, so that two of them may be
            subtracted; False where they are errors or distances, of which the logarithms may.
    """

    evaluator: Evaluator
    logarithmic = False

    @property
    @abstractmethod
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE); the evaluator counts the same."""

    @abstractmethod
    def scores(self, images: np.ndarray) -> np.ndarray:
        """Anomaly scores of data at rest (n, ...): float64 (n,), higher = more anomalous."""

    def fit(self, normals: np.ndarray) -> Self:
        """Learn what the score needs of normal data (n, ...), if anything; most scorers need nothing."""
        return self


class ProfileScorer(Scorer):
    """A scorer that gives several numbers an image, such as one a noise level.

    Attributes:
        weights: float64 (k,), what each number counts for in `scores`.
    """

    weights: np.ndarray

    @abstractmethod
    def profile(self, images: np.ndarray) -> np.ndarray:
        """Several scores of data at rest (n, ...): float64 (n, k)."""

    def scores(self, images: np.ndarray) -> np.ndarray:
        """The weighted sum of the profile, float64 (n,), higher = more anomalous. Survey (Liu et al. 2025),
        section 3: S = sum_t w_t L_t.
        """
        return (self.profile(images) * self.weights).sum(axis=1)


def checked_weights(weights: Sequence[float] | None, count: int) -> np.ndarray:
    """`weights` as float64 (count,); equal ones that sum to 1 if None.

    Raises:
        ValueError: another number of weights, or one that is negative, NaN or infinite, or all of them 0.
    """
    if weights is None:
        return np.full(count, 1 / count)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (count,) or not np.isfinite(weights).all() or weights.min() < 0 or not weights.any():
        raise ValueError(
            f"weights: got {weights.tolist()}, expected {count} numbers of at least 0, not all 0"
        )
    return weights


def check_fitted(scorer: Scorer, attribute: str) -> None:
    """Refuse a scorer that has not seen normal data yet.

    Raises:
        NotFittedError: of scikit-learn, with the scorer's name.
    """
    if not hasattr(scorer, attribute):
        raise NotFittedError(f"{type(scorer).__name__} has not been fitted: call fit(normals) first")


class ScorerStack(ProfileScorer):
    """The scores of several scorers as one profile: several start levels, or several families at once.

    Args:
        scorers: at least one.
        weights: what each counts for in `scores`; equal if None.
    """

    def __init__(self, scorers: Sequence[Scorer], weights: Sequence[float] | None = None):
        if not scorers:
            raise ValueError("scorers: got none, expected at least one")
        self.scorers, self.evaluator = list(scorers), scorers[0].evaluator
        self.weights = checked_weights(weights, len(scorers))

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE), of all scorers together."""
        return sum(scorer.evaluations_per_image for scorer in self.scorers)

    def fit(self, normals: np.ndarray) -> Self:
        """Fit every scorer on the same normal data."""
        for scorer in self.scorers:
            scorer.fit(normals)
        return self

    def profile(self, images: np.ndarray) -> np.ndarray:
        """Each scorer's scores, float64 (n, scorers)."""
        return np.stack([scorer.scores(images) for scorer in self.scorers], axis=1)

    def maps(self, images: np.ndarray) -> np.ndarray:
        """The weighted sum of the scorers' maps, float64 (n, h, w)."""
        return sum(
            weight * scorer.maps(images) for weight, scorer in zip(self.weights, self.scorers, strict=True)
        )
