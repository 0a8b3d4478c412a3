"""Reader of the official MNIST-C release: one folder a corruption with NumPy arrays."""

from pathlib import Path

import numpy as np

from diffad.datasets.imageset import ImageSet
from diffad.errors import DataCorrupted, DataNotFound


def read_mnist_c(folder: Path, corruption: str, part: str) -> ImageSet:
    """Read one corruption's images and labels.

    Args:
        folder: ``mnist_c``.
        corruption: a corruption's name, or ``"identity"`` for the clean digits.
        part: ``"train"`` or ``"test"``.

    Raises:
        DataNotFound: a file is missing.
        DataCorrupted: not an array of NumPy's format, another shape, as many labels as images missing, a
            class id outside 0..9; the message names the file.
    """
    images = _read_array(folder / corruption / f"{part}_images.npy")
    labels_file = folder / corruption / f"{part}_labels.npy"
    labels = _read_array(labels_file)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (28, 28, 1):
        raise DataCorrupted(
            f"{folder / corruption / part}_images.npy must be uint8 (n, 28, 28, 1), "
            f"got {images.dtype} {images.shape}"
        )
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DataCorrupted(
            f"{labels_file} must hold {len(images)} integers, got {labels.dtype} {labels.shape}"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() <= 9:
        raise DataCorrupted(f"{labels_file} holds a class id outside 0..9")
    return ImageSet(f"mnist-c/{corruption}", images, labels.astype(np.int64), tuple("0123456789"))


def _read_array(path: Path) -> np.ndarray:
    if not path.is_file():
        raise DataNotFound(f"{path} is missing")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataCorrupted(f"{path} is not a whole array of NumPy's format: {error}") from error
