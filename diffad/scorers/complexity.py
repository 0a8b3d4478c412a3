"""Corrections of the complexity bias: simple images are easy, whatever they show.

A smooth plane is reconstructed better and found more probable than a car by a model of cars. What an image costs
in general, apart from being normal, has to be taken off.

    InputComplexity       what a general-purpose compressor needs for the image (Serra et al. 2020)
    ComplexityRegression  the same for errors: what their size owes to complexity among normals is taken off
    BackgroundRatio       what a second model, trained on perturbed images, thinks of it (Ren et al. 2019)
"""

import io
import zlib
from collections.abc import Callable
from typing import Self

import numpy as np
from PIL import Image
from sklearn.linear_model import LinearRegression

from diffad.images import check_images
from diffad.scorers.base import Scorer, check_fitted


def _with_pillow(image: np.ndarray, **settings) -> int:
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, **settings)
    return buffer.tell()


# uint8 (h, w, c) -> bytes, all without loss.
CODECS: dict[str, Callable[[np.ndarray], int]] = {
    "png": lambda image: _with_pillow(image, format="PNG", optimize=True),
    "webp": lambda image: _with_pillow(image, format="WEBP", lossless=True, quality=100),
    "zlib": lambda image: len(zlib.compress(np.ascontiguousarray(image).tobytes(), level=9)),
}


def compressed_bits_per_dim(images: np.ndarray, codec: str = "png") -> np.ndarray:
    """Length of each image's losslessly compressed file, bits per dimension: float64 (n,).

    Args:
        images: uint8 (n, height, width, 1 or 3).
        codec: "png", "webp" or "zlib". Small images are mostly file header, equally for all.

    Raises:
        ValueError: another codec.
    """
    check_images(images)
    if codec not in CODECS:
        raise ValueError(f"codec: got {codec!r}, expected one of {', '.join(sorted(CODECS))}")
    return np.array([8 * CODECS[codec](image) / image.size for image in images])


class InputComplexity(Scorer):
    """Bits per dimension that the model needs more than a compressor does.

    Args:
        scorer: one in bits per dimension: `VariationalBound` or `OdeLikelihood`.
        codec: as in `compressed_bits_per_dim`.

    Raises:
        ValueError: a scorer of errors, from which bits can't be subtracted: see `ComplexityRegression`.

    Source: Serra et al. 2020, eq. 3: S(x) = -log2 p(x) / d - L(x) / d.
    """

    logarithmic = True

    def __init__(self, scorer: Scorer, codec: str = "png"):
        if not scorer.logarithmic:
            raise ValueError(
                f"scorer: got {type(scorer).__name__}, which is not in bits per dimension, expected a density scorer"
            )
        self.scorer, self.codec, self.evaluator = scorer, codec, scorer.evaluator

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return self.scorer.evaluations_per_image

    def fit(self, normals: np.ndarray) -> Self:
        """Fit the scorer underneath."""
        self.scorer.fit(normals)
        return self

    def scores(self, images: np.ndarray) -> np.ndarray:
        """The difference for uint8 images (n, h, w, c): float64 (n,), higher = more anomalous."""
        return self.scorer.scores(images) - compressed_bits_per_dim(images, self.codec)


class ComplexityRegression(Scorer):
    """What a score has left after its regression on complexity among normal images.

    The logarithm of an error grows with the compressed length; among held-out normals a line is fitted, and the
    score is how far an image lies above it. So a plane is held against cars as simple as itself.

    Args:
        scorer: any; the logarithm is taken of errors, not of densities (`Scorer.logarithmic`).
        codec: as in `compressed_bits_per_dim`.

    Attributes:
        regression_: scikit-learn's `LinearRegression` from bits per dimension to the score.
    """

    logarithmic = True

    def __init__(self, scorer: Scorer, codec: str = "png"):
        self.scorer, self.codec, self.evaluator = scorer, codec, scorer.evaluator

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return self.scorer.evaluations_per_image

    def fit(self, normals: np.ndarray) -> Self:
        """Fit the line on held-out normal images, uint8 (n, h, w, c), n >= 2."""
        self.scorer.fit(normals)
        lengths = compressed_bits_per_dim(normals, self.codec)
        if len(normals) < 2:
            raise ValueError(f"normals: got {len(normals)} image, expected at least 2 to fit a line")
        self.regression_ = LinearRegression().fit(lengths[:, None], log_scores(self.scorer, normals))
        return self

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Distance above the line for uint8 images (n, h, w, c): float64 (n,), higher = more anomalous."""
        check_fitted(self, "regression_")
        lengths = compressed_bits_per_dim(images, self.codec)
        usual = self.regression_.intercept_ + self.regression_.coef_[0] * lengths
        return log_scores(self.scorer, images) - usual


class BackgroundRatio(Scorer):
    """How much worse the model of normal images does than a model of the background.

    The background model has seen the same images with pixels replaced (`perturb_images`): what both find hard is
    hard for reasons that have nothing to do with being normal, and cancels.

    Args:
        foreground: a scorer of the model of normal images.
        background: the same scorer of the background model, on its own evaluator.

    Source: Ren et al. 2019, eq. 4: log p(x) - log p_background(x), here with its sign turned; for errors the
    logarithm of their ratio.
    """

    logarithmic = True

    def __init__(self, foreground: Scorer, background: Scorer):
        if type(foreground) is not type(background):
            raise ValueError(
                f"background: got a {type(background).__name__}, expected a {type(foreground).__name__} as the foreground"
            )
        self.foreground, self.background, self.evaluator = foreground, background, foreground.evaluator

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE), of both models together."""
        return self.foreground.evaluations_per_image + self.background.evaluations_per_image

    def fit(self, normals: np.ndarray) -> Self:
        """Fit both scorers."""
        self.foreground.fit(normals)
        self.background.fit(normals)
        return self

    def scores(self, images: np.ndarray) -> np.ndarray:
        """The logarithm of the ratio for data at rest (n, ...): float64 (n,), higher = more anomalous."""
        return log_scores(self.foreground, images) - log_scores(self.background, images)


def perturb_images(images: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Images in which each pixel has been replaced, with probability `rate`, by one drawn at random.

    Args:
        images: uint8 (n, height, width, channels).
        rate: in (0, 1]; Ren et al. found 0.1 to 0.3 best.
        seed: of which pixels, and by what.

    Returns:
        uint8 in the shape of `images`: what a background model is trained on. Source: Ren et al. 2019, section 3.
    """
    check_images(images)
    if not 0 < rate <= 1:
        raise ValueError(f"rate: got {rate}, expected a probability in (0, 1]")
    rng = np.random.default_rng(seed)
    replaced = rng.random((*images.shape[:3], 1)) < rate
    return np.where(replaced, rng.integers(0, 256, images.shape, dtype=np.uint8), images)


def log_scores(scorer: Scorer, images: np.ndarray) -> np.ndarray:
    """Scores that may be subtracted: as they are where they are logarithms, else their logarithms.

    Raises:
        ValueError: errors that are 0 or less.
    """
    scores = scorer.scores(images)
    if scorer.logarithmic:
        return scores
    if (scores <= 0).any():
        raise ValueError(
            f"images: {int((scores <= 0).sum())} scores of {type(scorer).__name__} are 0 or less, expected positive errors"
        )
    return np.log(scores)
