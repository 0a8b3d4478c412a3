"""ImageSet: labelled images as every reader returns them and every protocol takes them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from diffad.errors import DataCorrupted


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images of one part of a data set.

    Attributes:
        name: catalog name, for instance ``"mnist"``.
        images: uint8 (n, height, width, channels); may be memory-mapped, treat it as read-only.
        labels: int64 (n,), each in 0 .. len(class_names) - 1.
        class_names: the name of each class id.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DataCorrupted(
                f"{self.name}: images must be uint8 (n, height, width, channels), got {self.images.dtype} "
                f"of shape {self.images.shape}"
            )
        if self.labels.shape != (len(self.images),):
            raise DataCorrupted(f"{self.name}: {len(self.images)} images but labels of shape {self.labels.shape}")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise DataCorrupted(
                f"{self.name}: class ids must lie in 0..{len(self.class_names) - 1}, "
                f"got {self.labels.min()}..{self.labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over shape, pixels and labels: equal content gives an equal fingerprint, wherever it came from."""
        digest = hashlib.sha256(repr((self.images.shape, self.class_names)).encode())
        for block in range(0, len(self.images), 4096):  # by blocks: a memory-mapped set is never read whole
            digest.update(np.ascontiguousarray(self.images[block : block + 4096]))
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8"))
        return digest.hexdigest()


def content_hashes(rows: Iterable[np.ndarray]) -> np.ndarray:
    """Return one hash a row, so that duplicates are found by content and not by index.

    Args:
        rows: arrays of one shape and dtype (an array of images or vectors will do); each is hashed without a copy of
            all of them.

    Returns:
        uint64 (n,): two different rows of a set of a million share a hash with a chance of 3e-8.
    """
    digests = b"".join(hashlib.blake2b(np.ascontiguousarray(row), digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype=np.uint64)
