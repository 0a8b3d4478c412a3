"""The 15 corruptions of MNIST-C (Mu & Gilmer 2019, "MNIST-C: A Robustness Benchmark for Computer Vision",
Table 1).

Each takes one grey image, float64 (height, width) in [0, 1], and a `numpy.random.Generator`, and returns a
new image of the same shape and range; ink is 1, paper 0. Parameters are those of the official release at its
default severity. Lengths are in pixels of the official 28 x 28 grid and are not rescaled; positions follow
the image's own size.
"""

import zlib
from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage
from skimage.feature import canny
from skimage.util import random_noise

from diffad.datasets import plasma

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]

# The side of the images that the parameters were chosen for; smaller images are enlarged to at least this
# first.
OFFICIAL_SIDE = 28


def shot_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Count photons: each pixel is Poisson with 3 photons at full brightness, divided by 3."""
    return np.minimum(rng.poisson(image * 3.0) / 3.0, 1.0)


def impulse_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Salt and pepper: 17 % of the pixels become black or white with equal chance."""
    return random_noise(image, mode="s&p", amount=0.17, rng=rng)


def glass_blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Frosted glass: blur (sigma 0.7), twice swap half of the pixels with a neighbour, blur again."""
    blurred = ndimage.gaussian_filter(image, 0.7, mode="nearest")
    pixels = np.floor(blurred * 255.0).tolist()  # a list: scalar swaps in an array are five times slower
    height, width = image.shape
    for _ in range(2):
        swaps = rng.integers(0, 2, size=(height, width)).tolist()
        up, left = rng.integers(-1, 1, size=(2, height, width)).tolist()
        # In place and from the last pixel backwards, as in the release: a pixel can travel several steps.
        for row in range(height - 1, 1, -1):
            for column in range(width - 1, 1, -1):
                if swaps[row][column]:
                    other_row, other_column = row + up[row][column], column + left[row][column]
                    pixels[row][column], pixels[other_row][other_column] = (
                        pixels[other_row][other_column],
                        pixels[row][column],
                    )
    return ndimage.gaussian_filter(np.array(pixels) / 255.0, 0.7, mode="nearest")


def motion_blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smear along one direction: half a Gaussian (radius 10, sigma 3) at an angle within 45 degrees of the
    rows.

    As ImageMagick defines it: weights exp(-i^2 / (2 sigma^2)), i = 0 .. 20, each at the pixel nearest to i
    steps along the direction; beyond the border the edge pixel repeats.
    """
    angle = np.deg2rad(rng.uniform(-45.0, 45.0))
    steps = np.arange(2 * 10 + 1)
    weights = np.exp(-(steps**2) / (2.0 * 3.0**2))
    height, width = image.shape
    rows = np.ceil(steps * np.sin(angle) - 0.5)[:, None] + np.arange(height)  # (21, height)
    columns = np.ceil(steps * np.cos(angle) - 0.5)[:, None] + np.arange(width)  # (21, width)
    rows = np.clip(rows, 0, height - 1).astype(np.intp)
    columns = np.clip(columns, 0, width - 1).astype(np.intp)
    shifted = image[rows[:, :, None], columns[:, None, :]]  # (21, height, width)
    return np.tensordot(weights / weights.sum(), shifted, axes=1)


def shear(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shear by 0.4 radians to the left or the right about the centre."""
    angle = 0.4 * rng.choice((-1.0, 1.0))
    # The release's matrix: columns (1, 0) and (-sin, cos), so that sheared digits also grow a little taller.
    return _warp(image, np.array([[np.cos(angle), 0.0], [-np.sin(angle), 1.0]]))


def scale(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shrink to 0.7 of the size about the centre."""
    return _warp(image, np.eye(2) / 0.7)


def rotate(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rotate by 0.4 radians in either direction about the centre."""
    angle = 0.4 * rng.choice((-1.0, 1.0))
    return _warp(image, np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]))


def brightness(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add 0.5 to every pixel's value and cut at white."""
    return np.minimum(image + 0.5, 1.0)


def translate(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move by 3 pixels along each axis, in a random one of the four diagonal directions."""
    return ndimage.shift(image, 3 * rng.choice((-1, 1), size=2), order=0)


def stripe(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Invert the left and the right quarter of the columns (0-6 and 21-27 of 28)."""
    quarter = image.shape[1] // 4
    inverted = image.copy()
    inverted[:, :quarter] = 1.0 - inverted[:, :quarter]
    inverted[:, -quarter:] = 1.0 - inverted[:, -quarter:]
    return inverted


def fog(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Veil the image with a plasma fractal of strength 3.0 (roughness decay 1.4), keeping its maximum."""
    brightest = image.max()
    veil = 3.0 * plasma.plasma_fractal(256, 1.4, rng)[: image.shape[0], : image.shape[1]]
    return (image + veil) * brightest / (brightest + 3.0)


def spatter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Splash mud of grey value 63/255 where a blurred field of N(0.65, 0.3) noise exceeds 0.65."""
    liquid = ndimage.gaussian_filter(rng.normal(0.65, 0.3, image.shape), 1.0, mode="nearest")
    mud = ndimage.gaussian_filter((liquid > 0.65).astype(np.float64), 1.5, mode="nearest")
    mud[mud < 0.8] = 0.0
    return image * (1.0 - mud) + 63.0 / 255.0 * mud


def dotted_line(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a straight dotted line across the image between random end rows: 2 pixels off, 2 pixels on."""
    last_row, last_column = image.shape[0] - 1, image.shape[1] - 1
    start, end = rng.integers(0, last_row, size=2)
    ink = _stroke(image.shape, 0.0, start, last_column, end)
    ink[:, np.arange(image.shape[1]) % 4 < 2] = 0.0
    return np.minimum(image + ink, 1.0)


def zigzag(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a zigzag (amplitude 2, a turn every 4 pixels) from column 2 to 25 of 28, slightly sloping."""
    first, last = 2.0, image.shape[1] - 3.0
    start = rng.integers(0, image.shape[0] - 1)
    slope_angle = np.arctan(rng.integers(-5, 5) / (last - first))
    length = (last - first) / np.cos(slope_angle)
    turns = np.arange(2.0, length, 4.0)
    along = np.concatenate([[0.0], turns, [length]])
    across = np.concatenate([[0.0], 2.0 * (-1.0) ** np.arange(len(turns)), [0.0]])
    columns = first + np.cos(slope_angle) * along - np.sin(slope_angle) * across
    rows = start + np.sin(slope_angle) * along + np.cos(slope_angle) * across
    drawn = image
    for i in range(len(along) - 1):
        drawn = np.minimum(
            drawn + _stroke(image.shape, columns[i], rows[i], columns[i + 1], rows[i + 1]), 1.0
        )
    return drawn


def canny_edges(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep only the outlines: Canny's edge detector with scikit-image's default thresholds."""
    return canny(image).astype(np.float64)


def _warp(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Sample `image` bilinearly at ``matrix @ (row, column)`` about the centre; outside is black."""
    centre = (np.array(image.shape) - 1.0) / 2.0
    return ndimage.affine_transform(image, matrix, centre - matrix @ centre, order=1, mode="grid-constant")


def _stroke(
    shape: tuple[int, int], column_0: float, row_0: float, column_1: float, row_1: float
) -> np.ndarray:
    """Return the ink of a pen stroke: 1 on the line, fading to 0 at 1.45 rows from it, in [0, 1]."""
    columns = np.arange(int(np.floor(column_0)), min(int(np.ceil(column_1)), shape[1]))
    line = row_0 + (columns - column_0) * (row_1 - row_0) / (column_1 - column_0)
    distance = np.abs(np.arange(shape[0])[:, None] - line)  # (height, columns of the stroke)
    ink = np.zeros(shape)
    ink[:, columns] = np.maximum(np.log1p(-np.minimum(distance, 2.0) / 2.3) + 1.0, 0.0)
    return ink


CORRUPTIONS: dict[str, Corruption] = {
    function.__name__: function
    for function in (
        shot_noise,
        impulse_noise,
        glass_blur,
        motion_blur,
        shear,
        scale,
        rotate,
        brightness,
        translate,
        stripe,
        fog,
        spatter,
        dotted_line,
        zigzag,
        canny_edges,
    )
}


def corrupt(images: np.ndarray, name: str, seed: int = 0, indices: Sequence[int] | None = None) -> np.ndarray:
    """Corrupt each image with the MNIST-C corruption `name`.

    The random numbers of an image come from (seed, name, its index) alone, so an image's corruption does not
    depend on which others are asked for, nor on their order. Images with a side under 28 pixels are enlarged
    by repeating pixels to at least 28, corrupted there, and averaged back, so that the parameters keep their
    meaning.

    Args:
        images: uint8 (n, height, width, 1).
        name: a key of `CORRUPTIONS`, or ``"identity"``.
        seed: non-negative integer.
        indices: the index of each image in its data set, (n,); 0 .. n - 1 if not given.

    Returns:
        uint8 (n, height, width, 1), a new array.

    Raises:
        ValueError: an unknown name, another image format, or as many indices as images not given.
    """
    _check(images, name, seed)
    indices = np.arange(len(images)) if indices is None else np.asarray(indices)
    if indices.shape != (len(images),):
        raise ValueError(
            f"indices must name each of the {len(images)} images once, got shape {indices.shape}"
        )
    if name == "identity":
        return images.copy()
    corrupted = np.empty_like(images)
    for position, index in enumerate(indices):
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), int(index)])
        corrupted[position, :, :, 0] = _corrupt_one(images[position, :, :, 0], CORRUPTIONS[name], rng)
    return corrupted


def _check(images: np.ndarray, name: str, seed: int) -> None:
    """Raise ValueError for arguments of `corrupt` that are not what it says."""
    if name not in CORRUPTIONS and name != "identity":
        raise ValueError(f"corruption must be one of identity, {', '.join(CORRUPTIONS)}; got {name!r}")
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[3] != 1
    ):
        raise ValueError(
            "images must be uint8 of shape (n, height, width, 1), got "
            f"{getattr(images, 'dtype', type(images).__name__)} of shape {np.shape(images)}"
        )
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")


def _corrupt_one(image: np.ndarray, function: Corruption, rng: np.random.Generator) -> np.ndarray:
    """Corrupt one uint8 (height, width) image at 28 pixels a side or more and return it in its own size."""
    height, width = image.shape
    factor = -(-OFFICIAL_SIDE // min(height, width))
    enlarged = np.kron(image / 255.0, np.ones((factor, factor))) if factor > 1 else image / 255.0
    corrupted = np.clip(function(enlarged, rng), 0.0, 1.0)
    averaged = corrupted.reshape(height, factor, width, factor).mean(axis=(1, 3))
    return np.rint(averaged * 255.0).astype(np.uint8)
