"""Reader of ADBench's tables and embeddings: one ``.npz`` a data set with X (n, features) and y (n,)."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from diffad.datasets.imageset import VectorSet
from diffad.errors import DataCorrupted, DataNotFound


def read_adbench(path: Path, name: str) -> VectorSet:
    """Read one ADBench file.

    Args:
        path: the ``.npz`` file.
        name: what the set is called.

    Returns:
        Vectors in float32 and labels, 1 = anomalous.

    Raises:
        DataNotFound: the file is missing.
        DataCorrupted: not a whole ``.npz``, X or y missing or pickled, another shape, NaN or infinity, labels
            other than 0 and 1; the message names the file.
    """
    if not path.is_file():
        raise DataNotFound(f"{path} is missing")
    try:
        with np.load(path, allow_pickle=False) as archive:
            vectors, labels = archive["X"], archive["y"]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataCorrupted(f"{path} is not a whole .npz with plain arrays X and y: {error}") from error
    if vectors.ndim != 2 or labels.shape != (len(vectors),) or vectors.dtype.kind not in "fiu":
        raise DataCorrupted(
            f"{path} must hold numbers X (n, features) and y (n,), got {vectors.dtype} {vectors.shape} and "
            f"{labels.shape}"
        )
    if not np.isin(labels, (0, 1)).all():
        raise DataCorrupted(f"{path} must hold labels 0 and 1 only in y")
    if not np.isfinite(vectors).all():
        raise DataCorrupted(f"{path} holds NaN or infinity in X")
    return VectorSet(name, vectors.astype(np.float32), labels.astype(np.int64))
