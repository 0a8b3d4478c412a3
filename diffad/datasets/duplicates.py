"""Finding what a data set holds more than once: exact copies by hash, near copies by thumbnail.

Exact copies are dropped by every protocol (`diffad.datasets.split.divide`). Near copies (the same photograph
cropped, shifted or recompressed) are not, so that results stay comparable with published ones; here they are
found, so that one can see how many there are.
"""

from collections.abc import Mapping

import numpy as np

from diffad.datasets.imageset import content_hashes

THUMBNAIL = 8  # pixels a side
_BLOCK = 1000  # tested images compared at a time


def count_copies(parts: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Count the exact copies within each part and between parts.

    Args:
        parts: name of a part to its items (n, ...), all of one shape and dtype.

    Returns:
        For each part, how many items repeat an earlier one of it; for ``"between parts"``, how many different
        contents occur in more than one part.
    """
    hashes = {name: content_hashes(items) for name, items in parts.items()}
    copies = {name: len(each) - len(np.unique(each)) for name, each in hashes.items()}
    _, occurrences = np.unique(
        np.concatenate([np.unique(each) for each in hashes.values()]), return_counts=True
    )
    return {**copies, "between parts": int((occurrences > 1).sum())}


def nearest_copies(tested: np.ndarray, trained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find for each tested image the training image that looks most like it.

    Images are compared by the correlation of their thumbnails of 8 x 8 area means, all channels together:
    shifts by a pixel, recompression and changes of brightness or contrast hardly change it.

    Args:
        tested: uint8 (n, height, width, channels).
        trained: uint8 (m, height, width, channels).

    Returns:
        Correlations float32 (n,) in [-1, 1], and int64 (n,) indices into `trained`. Images without contrast
        correlate with nothing.

    Raises:
        ValueError: the sides are smaller than a thumbnail or the two sets have different shapes.
    """
    if tested.shape[1:] != trained.shape[1:] or min(tested.shape[1:3]) < THUMBNAIL:
        raise ValueError(
            f"tested and trained must be images of one shape, at least {THUMBNAIL} pixels a side, "
            f"got {tested.shape[1:]} and {trained.shape[1:]}"
        )
    ours, theirs = _thumbnails(tested), _thumbnails(trained)
    similarity = np.empty(len(ours), np.float32)
    nearest = np.empty(len(ours), np.int64)
    for start in range(0, len(ours), _BLOCK):
        correlation = ours[start : start + _BLOCK] @ theirs.T  # (block, m)
        nearest[start : start + _BLOCK] = correlation.argmax(axis=1)
        similarity[start : start + _BLOCK] = correlation.max(axis=1)
    return similarity, nearest


def _thumbnails(images: np.ndarray) -> np.ndarray:
    """Return float32 (n, 64 * channels): area means with zero mean and unit norm, or zeros without
    contrast.
    """
    rows, columns = (side // THUMBNAIL for side in images.shape[1:3])
    sums = np.zeros((len(images), THUMBNAIL, THUMBNAIL, images.shape[3]), np.float32)
    for row in range(rows):
        for column in range(columns):  # strided sums: six times faster than a mean over reshaped axes
            sums += images[:, row : rows * THUMBNAIL : rows, column : columns * THUMBNAIL : columns]
    flat = sums.reshape(len(images), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, norms, out=np.zeros_like(flat), where=norms > 0)
