"""From what a user passes to what a diffusion model takes: checked, and for vectors put where noise is white."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import validate_data

from diffad.detectors.blocks import in_blocks, learned_arrays, part, take_up_arrays
from diffad.images import check_images
from diffad.inputs import InputKind
from diffad.whitening import ShrunkWhitening, UnitNorm

FARTHEST = 1e6  # standard deviations: beyond, an outlier is one, and float32 must hold its square


def kind_of(X) -> InputKind:  # noqa: N803 (scikit-learn's name)
    """What an array is by its rank: "images" for 3 or 4, "vectors" for any other, which `checked` may refuse."""
    return "images" if getattr(X, "ndim", 2) in (3, 4) else "vectors"


def checked(detector: BaseEstimator, X, kind: InputKind, reset: bool, fewest: int = 1) -> np.ndarray:  # noqa: N803
    """X as images (n, h, w, c) or float64 vectors (n, features), with scikit-learn's errors where it is neither.

    Args:
        detector: keeps `n_features_in_` (and `feature_names_in_`) where `reset`; else X must agree with them.
        kind: what X must be.
        fewest: least number of rows.

    Raises:
        TypeError, ValueError: data of another kind or size, NaN, or too few rows.
    """
    if kind == "vectors":
        if kind_of(X) == "images":
            raise ValueError(
                f"X: got an array of rank {X.ndim}, expected rank 2: {type(detector).__name__} was fitted on vectors"
            )
        return validate_data(detector, X, reset=reset, dtype=np.float64, ensure_min_samples=fewest)
    shape = None if reset else detector.input_shape_
    if kind_of(X) != "images":
        raise ValueError(
            f"X: got data of rank {np.ndim(X)}, expected images: {type(detector).__name__} was fitted on images of "
            f"(height, width, channels) {shape}"
        )
    images = np.asarray(X)
    images = check_images(images[..., None] if images.ndim == 3 else images, "X", shape)
    if len(images) < fewest:
        raise ValueError(f"X: got {len(images)} images, expected at least {fewest}")
    if reset:
        detector.n_features_in_ = int(np.prod(images.shape[1:]))
    return images


class Preparation:
    """Puts vectors where unit noise is white: scaled, and whitened by their shrunk covariance. Images pass as they are.

    Args:
        kind: of the data.
        unit_norm: whether vectors are divided by their length (embeddings, whose direction alone means something), in
            place of each feature by its spread (tables, whose features have units).
    """

    def __init__(self, kind: InputKind, unit_norm: bool = False):
        self.kind, self.unit_norm = kind, unit_norm
        scaling = UnitNorm() if unit_norm else StandardScaler()
        self._steps = [scaling, ShrunkWhitening()] if kind == "vectors" else []

    def fit(self, X: np.ndarray) -> Self:  # noqa: N803
        """Learn scale and covariance of float64 vectors (n, features), n >= 2."""
        for step in self._steps:
            X = step.fit(X).transform(X)  # noqa: N806
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """What the network takes: float32 vectors (n, features), or the images themselves."""
        if not self._steps:
            return X
        return np.clip(in_blocks(self._whiten, X), -FARTHEST, FARTHEST).astype(np.float32)

    def _whiten(self, rows: np.ndarray) -> np.ndarray:
        for step in self._steps:
            rows = step.transform(rows)
        return rows

    def arrays(self) -> dict[str, np.ndarray]:
        """What was learned, by the number of the step and the name."""
        return {
            f"{number}.{name}": value
            for number, step in enumerate(self._steps)
            for name, value in learned_arrays(step).items()
        }

    @classmethod
    def from_arrays(cls, kind: InputKind, unit_norm: bool, arrays: dict[str, np.ndarray]) -> Self:
        """The fitted preparation that `arrays` came from."""
        preparation = cls(kind, unit_norm)
        for number, step in enumerate(preparation._steps):
            take_up_arrays(step, part(arrays, f"{number}."))
        return preparation
