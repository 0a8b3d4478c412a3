"""Small releases in the official layouts, so that no test depends on a download."""

from pathlib import Path

import numpy as np


def idx_bytes(array: np.ndarray) -> bytes:
    """Return `array` (uint8) as an IDX file."""
    header = [0x0800 | array.ndim, *array.shape]
    return np.array(header, dtype=">u4").tobytes() + array.tobytes()


def write_mnist(home: Path, images_per_class: int = 8, folder: str = "MNIST") -> None:
    """Write a small MNIST release: blurred blobs that differ by class and by image."""
    raw = home / folder / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(5)
    for stem, classes in (("train", np.repeat(np.arange(10), images_per_class)), ("t10k", np.repeat(np.arange(10), 4))):
        classes = rng.permutation(classes).astype(np.uint8)
        images = np.zeros((len(classes), 28, 28), np.uint8)
        for image, digit in zip(images, classes, strict=True):
            image[4 + digit : 18, 6 : 12 + digit] = rng.integers(90, 256, (14 - digit, 6 + digit))
        (raw / f"{stem}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (raw / f"{stem}-labels-idx1-ubyte").write_bytes(idx_bytes(classes))
