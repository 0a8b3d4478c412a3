"""The baselines that are networks, PyOD's autoencoder and Deep SVDD, made to leave the rest of the program alone.

Both seed Python, NumPy and PyTorch globally and take their randomness from there. Here the global generators are put
back as they were after each call, so that what runs later does not depend on whether a baseline ran before.
"""

import contextlib
import os
import random
from collections.abc import Callable, Iterator

import numpy as np
import torch
from pyod.models.base import BaseDetector


@contextlib.contextmanager
def seeded_globally(seed: int) -> Iterator[None]:
    """Global generators of Python, NumPy and PyTorch seeded inside, and as they were before afterwards."""
    python, numpy_state, hash_seed = (
        random.getstate(),
        np.random.get_state(),
        os.environ.get("PYTHONHASHSEED"),
    )
    try:
        with torch.random.fork_rng():
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)
        if hash_seed is None:
            os.environ.pop("PYTHONHASHSEED", None)
        else:
            os.environ["PYTHONHASHSEED"] = hash_seed


class NetworkDetector:
    """A PyOD detector that trains a network, built for the rows and features it meets.

    Training and scoring both happen under the seed; the features that do not vary in training are divided by 1.

    Args:
        build: (number of rows, number of features) -> an unfitted PyOD detector that does not standardise by itself.
        seed: non-negative; fixes initial weights, order of rows and dropout.
        standardise: whether features are centred and divided by their spread in training, as PyOD does by default;
            images, whose pixels share one scale, are better left alone.
    """

    def __init__(self, build: Callable[[int, int], BaseDetector], seed: int, standardise: bool):
        self.build, self.seed, self.standardise = build, seed, standardise

    def fit(self, vectors: np.ndarray) -> "NetworkDetector":
        """Train on vectors (n, features)."""
        self.centre_, self.spread_ = 0.0, 1.0
        if self.standardise:
            self.centre_, spread = vectors.mean(axis=0), vectors.std(axis=0)
            self.spread_ = np.where(spread > 0, spread, 1.0)
        with seeded_globally(self.seed):
            self.detector_ = self.build(*vectors.shape).fit(self._scaled(vectors))
        return self

    def decision_function(self, vectors: np.ndarray) -> np.ndarray:
        """vectors (n, features) -> (n,): reconstruction error or squared distance from the centre."""
        with seeded_globally(self.seed):
            return np.asarray(self.detector_.decision_function(self._scaled(vectors))).reshape(-1)

    def _scaled(self, vectors: np.ndarray) -> np.ndarray:
        return ((vectors - self.centre_) / self.spread_).astype(np.float32)
