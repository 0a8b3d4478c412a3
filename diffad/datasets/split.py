"""Split: what a detector may see in training, and a sealed test set.

The labels of the test set are handed out only in exchange for finished scores, so that no hyper-parameter,
threshold or stopping time can be chosen on them by oversight.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffad.datasets.drawing import hold_out
from diffad.datasets.imageset import content_hashes
from diffad.storage import publish_file

_TEST_ORDER = (
    0x7E57  # sets the shuffling of the test items apart from the protocol's own draws with the same seed
)


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


@dataclass(frozen=True, eq=False)
class Parts:
    """The items of a split before they are sealed.

    Attributes:
        pool: items (n, ...) that training and validation are taken from; the selection copies it once.
        training, validation: int64 indices into `pool`, disjoint.
        test: test items in any order.
        dropped: how many items were dropped because their content is also tested, or also held out.
    """

    pool: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    dropped: Mapping[str, int] = field(default_factory=lambda: {"also_in_test": 0, "also_in_validation": 0})


def divide(
    pool: np.ndarray, seen: np.ndarray, validation_fraction: float, test: np.ndarray, rng: np.random.Generator
) -> Parts:
    """Divide what is seen in training into training and validation, without any content of the test items.

    Items seen whose content is also tested are dropped first, then a random share is held out for validation,
    then training items whose content is also held out are dropped. Without this a detector would be tested on
    images that
    it was trained on: Mini-ImageNet, CIFAR-10 and several of ADBench's tables hold some items more than once.

    Args:
        pool: items (n, ...).
        seen: int64 indices into `pool` of the items that may be seen in training.
        validation_fraction: share of them that is held out, in (0, 1).
        test: test items.
        rng: source of the draw.

    Raises:
        ValueError: the fraction is not in (0, 1), or too few items are left.
    """
    hashes = content_hashes(pool[index] for index in seen)
    untested = ~np.isin(hashes, content_hashes(test))
    training, validation = hold_out(np.flatnonzero(untested), validation_fraction, rng)  # positions in `seen`
    repeated = np.isin(hashes[training], hashes[validation])
    dropped = {"also_in_test": int((~untested).sum()), "also_in_validation": int(repeated.sum())}
    return Parts(pool, seen[training[~repeated]], seen[validation], test, dropped)


class Split:
    """Normal items to train and validate on, and test items whose labels are sealed.

    A split is a pure function of (data set, protocol with its parameters, seed). Protocols pass its items
    through `divide`, so that no content of `test` occurs in `train` or `validation`, and none of `validation`
    in `train`; the one exception, a published leak kept for comparison, says so in its name.

    Attributes:
        train: uint8 images (n, height, width, channels) or float32 vectors (n, features), all normal unless
            the protocol contaminates them.
        validation: the same kind; for thresholds, z-scores and early stopping.
        test: the same kind, in an order that tells nothing about the labels.
    """

    def __init__(
        self,
        protocol: str,
        data: str,
        seed: int,
        parameters: Mapping[str, Any],
        parts: Parts,
        answers: TestLabels,
    ) -> None:
        """Seal a split.

        Args:
            protocol, data, seed, parameters: what the split is a function of, for the record.
            parts: the items and where they come from.
            answers: the labels of `parts.test`, in the same order.

        Raises:
            ValueError: a part without items, or as many answers as test items missing.
        """
        self.protocol, self.data, self.seed, self.parameters = protocol, data, seed, dict(parameters)
        if not (len(parts.training) and len(parts.validation) and len(parts.test)):
            raise ValueError(
                f"{protocol} of {data} leaves a part empty: {len(parts.training)} training, "
                f"{len(parts.validation)} validation and {len(parts.test)} test items"
            )
        if not len(answers.labels) == len(answers.groups) == len(answers.indices) == len(parts.test):
            raise ValueError(f"{protocol} of {data}: {len(parts.test)} test items need as many answers")
        self._training_indices, self._validation_indices = parts.training, parts.validation
        self._dropped = dict(parts.dropped)
        self.train, self.validation = parts.pool[parts.training], parts.pool[parts.validation]
        order = np.random.default_rng([seed, _TEST_ORDER]).permutation(len(parts.test))
        self.test = parts.test[order]
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
        """Return what a run record stores of a split, as plain JSON values, without any test label."""
        return {
            "protocol": self.protocol,
            "data": self.data,
            "seed": self.seed,
            "parameters": self.parameters,
            "sizes": {part: len(getattr(self, part)) for part in ("train", "validation", "test")},
            "duplicates_dropped": dict(self._dropped),
            "indices_sha256": {
                "train": _hash_indices(self._training_indices),
                "validation": _hash_indices(self._validation_indices),
                "test": self._test_digest,
            },
            "fingerprint": self.fingerprint,
        }

    def save(self, path: Path) -> None:
        """Write the split by index and hash to an ``.npz`` file, whole or not at all.

        It holds the indices of the three parts in the order of `train`, `validation` and `test` and, as JSON,
        `describe()`. Labels are not in it; whoever reads the test indices can look them up in the data set.
        """
        with publish_file(Path(path)) as partial, open(partial, "wb") as file:
            np.savez_compressed(
                file,
                train=self._training_indices,
                validation=self._validation_indices,
                test=self._answer().indices,
                description=np.array(json.dumps(self.describe(), sort_keys=True)),
            )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{part}={len(getattr(self, part))}" for part in ("train", "validation", "test"))
        return (
            f"Split({self.protocol} of {self.data}, {json.dumps(self.parameters)}, seed={self.seed}, {sizes})"
        )


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
