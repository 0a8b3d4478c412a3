"""Reader of the binary version of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html)."""

from pathlib import Path

import numpy as np

from diffad.datasets.imageset import ImageSet
from diffad.errors import DataCorrupted, DataNotFound

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}

_RECORDS_PER_FILE = 10_000
_RECORD = 1 + 3 * 32 * 32  # a label byte, then the red, green and blue planes, each row by row
_BLOCK = 2_000  # records read at a time: keeps the peak within 1.05 x the images' own bytes


def read_cifar10(folder: Path, part: str) -> ImageSet:
    """Read a part of CIFAR-10 into one array.

    Args:
        folder: ``cifar-10-batches-bin``.
        part: ``"train"`` (50,000 images) or ``"test"`` (10,000).

    Raises:
        DataNotFound: a batch file is missing.
        DataCorrupted: a batch file of another length, or a class id above 9; the message names the file.
    """
    files = [folder / name for name in BATCHES[part]]
    for path in files:
        if not path.is_file():
            raise DataNotFound(f"{path} is missing")
        if path.stat().st_size != _RECORDS_PER_FILE * _RECORD:
            raise DataCorrupted(
                f"{path} holds {path.stat().st_size} bytes; "
                f"{_RECORDS_PER_FILE} records of {_RECORD} bytes are {_RECORDS_PER_FILE * _RECORD}"
            )
    images = np.empty((len(files) * _RECORDS_PER_FILE, 32, 32, 3), np.uint8)
    labels = np.empty(len(images), np.int64)
    start = 0
    for path in files:
        with open(path, "rb") as file:
            for _ in range(_RECORDS_PER_FILE // _BLOCK):
                records = np.frombuffer(file.read(_BLOCK * _RECORD), np.uint8).reshape(_BLOCK, _RECORD)
                labels[start : start + _BLOCK] = records[:, 0]
                planes = records[:, 1:].reshape(_BLOCK, 3, 32, 32)
                for channel in range(3):  # plane by plane: three times faster than one transposed copy
                    images[start : start + _BLOCK, :, :, channel] = planes[:, channel]
                start += _BLOCK
        if labels[start - _RECORDS_PER_FILE : start].max() >= len(CLASS_NAMES):
            raise DataCorrupted(f"{path} holds a class id outside 0..9")
    return ImageSet("cifar10", images, labels, CLASS_NAMES)
