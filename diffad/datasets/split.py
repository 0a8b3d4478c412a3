"""Split: what a detector may see in training, and a sealed test set.

The labels of the test set are handed out only in exchange for finished scores, so that no hyper-parameter, threshold
or stopping time can be chosen on them by oversight.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from diffad.datasets.imageset import content_hashes


@dataclass(frozen=True, eq=False)
class TestLabels:
    """The answers to a test set, read-only arrays in the order of `Split.test`.

    Attributes:
        labels: int64 (n,), 0 = normal, 1 = anomalous.
        groups: str (n,), what each item is: a class name, a corruption's name, a defect type.
        indices: int64 (n,), position of each item in the part of the data set that it was taken from.
        masks: bool (n, height, width), True where a pixel is anomalous; None where the data set has no masks.
    """

    __test__ = False  # not a test class, whatever its name suggests to pytest

    labels: np.ndarray
    groups: np.ndarray
    indices: np.ndarray
    masks: np.ndarray | None = None

    def __post_init__(self) -> None:
        for array in (self.labels, self.groups, self.indices, self.masks):
            if array is not None:
                array.setflags(write=False)


class Split:
    """Normal items to train and validate on, and test items whose labels are sealed.

    A split is a pure function of (data set, protocol with its parameters, seed). No content of `test` occurs in
    `train` or `validation`, and none of `validation` in `train`: duplicates are dropped from the earlier part.

    Attributes:
        train: uint8 images (n, height, width, channels) or float32 vectors (n, features), all normal unless the
            protocol contaminates them.
        validation: the same kind; for thresholds, z-scores and early stopping.
        test: the same kind, in an order that tells nothing about the labels.
    """

    def __init__(
        self,
        protocol: str,
        data: str,
        seed: int,
        parameters: Mapping[str, Any],
        pool: np.ndarray,
        training: np.ndarray,
        validation: np.ndarray,
        test: np.ndarray,
        answers: TestLabels,
    ) -> None:
        """Seal a split.

        Args:
            protocol, data, seed, parameters: what the split is a function of, for the record.
            pool: items (n, ...) that training and validation are taken from; copied once, by the selection.
            training, validation: int64 indices into `pool`; those whose content occurs in a later part are dropped.
            test: test items in any order.
            answers: their labels, in the same order.
        """
        self.protocol, self.data, self.seed, self.parameters = protocol, data, seed, dict(parameters)
        order = np.random.default_rng([seed, 0x7E57]).permutation(len(test))
        self.test = test[order]
        seen = np.unique(content_hashes(self.test))
        self._validation_indices, validation_seen = _without(pool, validation, seen)
        self._train_indices, _ = _without(pool, training, np.union1d(seen, validation_seen))
        self.train, self.validation = pool[self._train_indices], pool[self._validation_indices]
        self._dropped = {
            "train": len(training) - len(self.train),
            "validation": len(validation) - len(self.validation),
        }
        if not len(self.train) or not len(self.validation) or not len(test):
            raise ValueError(f"{protocol} of {data} leaves a part without items: {self!r}")
        self._answer, self._test_digest = _seal(answers, order)

    def reveal(self, scores: np.ndarray) -> TestLabels:
        """Hand out the labels of the test set in exchange for its finished scores.

        Args:
            scores: one finite real number for each item of `test`, (n_test,); higher = more anomalous.

        Raises:
            ValueError: another shape, another kind of number, NaN or infinity.
        """
        scores = np.asarray(scores)
        if scores.shape != (len(self.test),) or scores.dtype.kind not in "fiu":
            raise ValueError(
                f"scores must be real numbers of shape ({len(self.test)},), one for each test item, "
                f"got {scores.dtype} of shape {scores.shape}"
            )
        if not np.isfinite(scores).all():
            raise ValueError(f"scores must be finite, got {int((~np.isfinite(scores)).sum())} that are not")
        return self._answer()

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over everything in the split, the sealed labels included."""
        digest = hashlib.sha256(self._test_digest.encode())
        for items in (self.train, self.validation, self.test):
            digest.update(repr((items.shape, items.dtype.str)).encode())
            for start in range(0, len(items), 4096):  # by blocks: a memory-mapped part is never copied whole
                digest.update(np.ascontiguousarray(items[start : start + 4096]))
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return what a run record stores of a split, as plain JSON values; it tells nothing of single test labels."""
        return {
            "protocol": self.protocol,
            "data": self.data,
            "seed": self.seed,
            "parameters": self.parameters,
            "sizes": {part: len(getattr(self, part)) for part in ("train", "validation", "test")},
            "duplicates_dropped": dict(self._dropped),
            "indices_sha256": {
                "train": _hash_indices(self._train_indices),
                "validation": _hash_indices(self._validation_indices),
                "test": self._test_digest,
            },
            "fingerprint": self.fingerprint,
        }

    def __repr__(self) -> str:
        sizes = ", ".join(f"{part}={len(getattr(self, part))}" for part in ("train", "validation", "test"))
        return f"Split({self.protocol} of {self.data}, {json.dumps(self.parameters)}, seed={self.seed}, {sizes})"


def _without(pool: np.ndarray, indices: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the `indices` whose items' content is not in `seen`, and their content hashes."""
    hashes = content_hashes(pool[i] for i in indices)
    kept = ~np.isin(hashes, seen)
    return indices[kept], hashes[kept]


def _seal(answers: TestLabels, order: np.ndarray) -> tuple[Callable[[], TestLabels], str]:
    """Keep the reordered answers in a closure: no attribute of the split leads to them."""
    masks = None if answers.masks is None else answers.masks[order]
    sealed = TestLabels(answers.labels[order], answers.groups[order], answers.indices[order], masks)
    digest = hashlib.sha256(_hash_indices(sealed.indices).encode())
    digest.update(np.ascontiguousarray(sealed.labels, dtype="<i8"))
    digest.update("\n".join(sealed.groups.tolist()).encode())
    if masks is not None:
        digest.update(np.ascontiguousarray(masks))
    return lambda: sealed, digest.hexdigest()


def _hash_indices(indices: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(indices, dtype="<i8")).hexdigest()
