"""Noise on test images, as a camera, a transmission or a file format brings it.

    gaussian          adds normal noise of that standard deviation, in grey levels of 0..255
    salt_and_pepper   that share of the pixels becomes black or white, all channels together
    jpeg              saved and read as JPEG (Pillow) of that quality, 1..95, lower = coarser

Every draw is a function of the seed, the kind and the image's own pixels. So an image's noise depends neither on its
neighbours nor on its place, and grows with the strength along one and the same draw: the noise of sigma 20 is twice that
of sigma 10, and a pixel that is salt at 1 % is salt at 5 %.
"""

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from diffad.datasets.imageset import content_hashes
from diffad.images import check_images

BEST_QUALITY = 95  # Pillow's documentation: above it a file grows and hardly gains


def gaussian(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add normal noise of standard deviation `sigma` grey levels, independent by pixel and channel; clipped."""
    noisy = image + sigma * rng.standard_normal(image.shape)
    return np.rint(noisy).clip(0, 255).astype(np.uint8)


def salt_and_pepper(image: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Make a share `rate` of the pixels, on average, black or white with equal chance, in all channels."""
    struck, colour = rng.random((2, *image.shape[:2]))
    return np.where((struck < rate)[..., None], np.where(colour < 0.5, 0, 255)[..., None], image).astype(
        np.uint8
    )


def jpeg(image: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    """Save as JPEG of that quality and read again; nothing is drawn at random."""
    file = io.BytesIO()
    grey = image.shape[2] == 1
    Image.fromarray(image[..., 0] if grey else image).save(file, "JPEG", quality=int(quality))
    with Image.open(file) as read:
        return np.asarray(read.convert("L" if grey else "RGB")).reshape(image.shape)


@dataclass(frozen=True)
class NoiseKind:
    """A kind of noise.

    Attributes:
        apply: (image uint8 (height, width, channels), strength, generator) -> uint8 of that shape.
        title: for readers.
        strength: what the number means, for readers.
        allowed: (lowest, highest) strength, both included.
        whole: whether the strength must be a whole number.
        weaker_is_higher: True where a larger number means less noise.
    """

    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    title: str
    strength: str
    allowed: tuple[float, float]
    whole: bool = False
    weaker_is_higher: bool = False


NOISE: dict[str, NoiseKind] = {
    "gaussian": NoiseKind(gaussian, "Gaussian noise", "standard deviation, grey levels of 255", (0.5, 255)),
    "salt_and_pepper": NoiseKind(salt_and_pepper, "Salt and pepper", "share of pixels", (0.001, 1)),
    "jpeg": NoiseKind(jpeg, "JPEG", "quality", (1, BEST_QUALITY), whole=True, weaker_is_higher=True),
}


def check_strength(kind: str, strength: float) -> float:
    """Return `strength` if noise of that kind can have it.

    Raises:
        ValueError: an unknown kind, or a strength outside its range.
    """
    if kind not in NOISE:
        raise ValueError(f"kind: got {kind!r}, expected one of {', '.join(NOISE)}")
    low, high = NOISE[kind].allowed
    number = isinstance(strength, (int, float)) and not isinstance(strength, bool)
    if not number or not low <= strength <= high or (NOISE[kind].whole and strength != int(strength)):
        what = "a whole number" if NOISE[kind].whole else "a number"
        raise ValueError(
            f"strength: got {strength!r} for {kind}, expected {what} in {low:g}..{high:g} ({NOISE[kind].strength})"
        )
    return strength


def add_noise(images: np.ndarray, kind: str, strength: float, seed: int = 0) -> np.ndarray:
    """Add noise to each image.

    Args:
        images: uint8 (n, height, width, 1 or 3).
        kind: of `NOISE`.
        strength: in the kind's own unit.
        seed: non-negative; with the image's pixels it determines the noise.

    Returns:
        uint8 images of the same shape, a new array.

    Raises:
        TypeError, ValueError: images of another format, an unknown kind, a strength outside its range, a bad seed.
    """
    check_images(images)
    check_strength(kind, strength)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed: got {seed!r}, expected an integer of at least 0")
    code = zlib.crc32(kind.encode())
    noisy = np.empty_like(images)
    for place, (image, key) in enumerate(zip(images, content_hashes(images), strict=True)):
        noisy[place] = NOISE[kind].apply(image, strength, np.random.default_rng([seed, code, int(key)]))
    return noisy
