"""ImageSet and VectorSet: what every reader returns and every protocol takes."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from diffad.errors import DataCorrupted

_BLOCK = 4096  # items hashed at a time: a memory-mapped set is never read whole


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images of one part of a data set.

    Attributes:
        name: catalog name, for instance ``"mnist"``.
        images: uint8 (n, height, width, channels); may be memory-mapped, treat it as read-only.
        labels: int64 (n,), each in 0 .. len(class_names) - 1.
        class_names: the name of each class id.
        masks: bool (n, height, width), True where a pixel is anomalous; None where the set has no masks.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    masks: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DataCorrupted(
                f"{self.name}: images must be uint8 (n, height, width, channels), got {self.images.dtype} "
                f"of shape {self.images.shape}"
            )
        if self.labels.shape != (len(self.images),):
            raise DataCorrupted(
                f"{self.name}: {len(self.images)} images but labels of shape {self.labels.shape}"
            )
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise DataCorrupted(
                f"{self.name}: class ids must lie in 0..{len(self.class_names) - 1}, "
                f"got {self.labels.min()}..{self.labels.max()}"
            )
        if self.masks is not None and self.masks.shape != self.images.shape[:3]:
            raise DataCorrupted(
                f"{self.name}: masks must be of shape {self.images.shape[:3]}, got {self.masks.shape}"
            )

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over shape, pixels, labels and masks, the same wherever the files lay."""
        digest = hashlib.sha256(repr((self.images.shape, self.class_names)).encode())
        _update(digest, self.images)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8"))
        if self.masks is not None:
            _update(digest, self.masks)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class VectorSet:
    """Vectors with anomaly labels: an embedding or a table.

    Attributes:
        name: catalog name, for instance ``"adbench-vit/MVTec-AD_bottle"``.
        vectors: float32 (n, features), finite.
        labels: int64 (n,), 0 = normal, 1 = anomalous.
    """

    name: str
    vectors: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over shape, vectors and labels."""
        digest = hashlib.sha256(repr(self.vectors.shape).encode())
        _update(digest, self.vectors)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8"))
        return digest.hexdigest()


def _update(digest: "hashlib._Hash", array: np.ndarray) -> None:
    for start in range(0, len(array), _BLOCK):
        digest.update(np.ascontiguousarray(array[start : start + _BLOCK]))


def content_hashes(rows: Iterable[np.ndarray]) -> np.ndarray:
    """Return one hash a row, so that duplicates are found by content and not by index.

    Args:
        rows: arrays of one shape and dtype (an array of images or vectors will do); each is hashed without a
            copy of all of them.

    Returns:
        uint64 (n,): two different rows of a set of a million share a hash with a chance of 3e-8.
    """
    digests = b"".join(hashlib.blake2b(np.ascontiguousarray(row), digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype=np.uint64)
