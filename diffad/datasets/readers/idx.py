"""Reader of the IDX format of MNIST and Fashion-MNIST (http://yann.lecun.com/exdb/mnist/)."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from diffad.errors import DataCorrupted, DataNotFound

# Third byte of the magic number 0x0000TTDD: T is the type (8 = unsigned byte), D the number of dimensions.
_UNSIGNED_BYTE = 8

_BLOCK = 1 << 24


def find_idx(folder: Path, stem: str) -> Path | None:
    """Return the IDX file `stem` in `folder`, plain or gzipped, or None where there is neither."""
    for path in (folder / stem, folder / f"{stem}.gz"):
        if path.is_file():
            return path
    return None


def read_idx(folder: Path, stem: str, num_dims: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes, plain or gzipped.

    Args:
        folder: folder that holds ``stem`` or ``stem.gz``.
        stem: file name without ``.gz``, for instance ``"train-images-idx3-ubyte"``.
        num_dims: dimensions expected: 3 for images, 1 for labels.

    Returns:
        uint8 array in the file's shape.

    Raises:
        DataNotFound: neither file is there.
        DataCorrupted: another format, a truncated file or one with surplus bytes; the message names the file.
    """
    path = find_idx(folder, stem)
    if path is None:
        raise DataNotFound(f"{folder / stem} is missing (plain or .gz)")
    header = _read_bytes(path, 4 * (num_dims + 1), offset=0)
    expected_magic = _UNSIGNED_BYTE << 8 | num_dims
    if len(header) < 4 * (num_dims + 1) or int.from_bytes(header[:4], "big") != expected_magic:
        raise DataCorrupted(f"{path} is not an IDX file of {num_dims}-dimensional unsigned bytes")
    shape = tuple(int(n) for n in np.frombuffer(header[4:], dtype=">u4"))
    expected = math.prod(shape)
    pixels = _read_bytes(path, expected + 1, offset=len(header))  # one byte more than allowed shows a surplus
    if len(pixels) != expected:
        came = f"{len(pixels)} follow" if len(pixels) < expected else "more follow"
        raise DataCorrupted(f"{path} announces {expected} bytes of data in its header but {came}")
    return np.frombuffer(pixels, dtype=np.uint8).reshape(shape)


def _read_bytes(path: Path, count: int, offset: int) -> bytearray:
    """Read up to `count` bytes, by blocks: a damaged header may announce more than there is memory for."""
    opener = gzip.open if path.suffix == ".gz" else open
    data = bytearray()
    try:
        with opener(path, "rb") as file:
            file.seek(offset)
            while len(data) < count and (block := file.read(min(count - len(data), _BLOCK))):
                data += block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataCorrupted(f"{path} is not a whole gzip file: {error}") from error
    return data
