"""From what a user passes to what a diffusion model takes: checked, and for vectors put where noise is white."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from diffad.images import check_images
from diffad.inputs import InputKind


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
        vars(detector).pop("feature_names_in_", None)  # of an earlier fit on a table
    return images


class Preparation:
    """Images pass as they are. Vectors are standardised ..."""

    def __init__(self, kind: InputKind):
        self.kind = kind

    def fit(self, X: np.ndarray) -> Self:  # noqa: N803
        if self.kind == "vectors":
            self.mean_, scale = X.mean(axis=0), X.std(axis=0)
            self.scale_ = np.where(scale > 0, scale, 1.0)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        if self.kind == "images":
            return X
        return ((X - self.mean_) / self.scale_).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """What was learned, by name."""
        return {} if self.kind == "images" else {"mean": self.mean_, "scale": self.scale_}

    @classmethod
    def from_arrays(cls, kind: InputKind, arrays: dict[str, np.ndarray]) -> Self:
        """The fitted preparation that `arrays` came from."""
        preparation = cls(kind)
        if kind == "vectors":
            preparation.mean_, preparation.scale_ = arrays["mean"], arrays["scale"]
        return preparation
