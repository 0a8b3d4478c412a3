"""Protocols: which items are normal, which anomalous, and who sees them when.

Each function is pure in (data set, its arguments, seed) and returns a `Split`, whose test labels are sealed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffad.datasets.corruptions import CORRUPTIONS, corrupt
from diffad.datasets.imageset import ImageSet
from diffad.datasets.loading import load
from diffad.datasets.split import Split, TestLabels

# Digits of the official MNIST-C evaluation are all 10,000; experiments on two cores state a random 1,000.
DEFAULT_PER_GROUP = 1000


def one_versus_rest(
    name: str,
    normal: int | Sequence[int],
    *,
    seed: int = 0,
    validation_fraction: float = 0.1,
    home: Path | None = None,
) -> Split:
    """Take one class, or a group of classes, as normal and every other class as anomalous.

    The normal images of the official training part are divided into training and validation; the whole official test
    part is tested. Groups are class names.

    Args:
        name: a data set with class labels.
        normal: the class id or ids that are normal; at least one class must remain anomalous.
        seed: non-negative integer.
        validation_fraction: share of the normal training images that is held out, in (0, 1).
        home: the data home; `data_home` if not given.
    """
    _check_fraction("validation_fraction", validation_fraction)
    train, test = load(name, "train", home), load(name, "test", home)
    classes = _check_classes(normal, train)
    rng = _generator(seed)
    training, validation = _hold_out(np.flatnonzero(np.isin(train.labels, classes)), validation_fraction, rng)
    labels = (~np.isin(test.labels, classes)).astype(np.int64)
    groups = np.array(test.class_names)[test.labels]
    return Split(
        "one_versus_rest",
        name,
        seed,
        {"normal": classes, "validation_fraction": validation_fraction},
        train.images,
        training,
        validation,
        test.images,
        TestLabels(labels, groups, np.arange(len(test), dtype=np.int64)),
    )


def clean_versus_corrupted(
    name: str,
    *,
    per_group: int | None = None,
    corruptions: Sequence[str] | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    home: Path | None = None,
) -> Split:
    """Train on clean digits; tell clean test digits from corrupted ones (the paper's use of MNIST-C).

    The test set is `per_group` clean test digits and, for each corruption, the corrupted versions of as many OTHER
    test digits, the same ones for each corruption. Groups are ``"clean"`` or the corruption's name.

    Args:
        name: ``"digits"``, ``"mnist"`` or another set of grey images.
        per_group: test digits a group; at most half of the test part. Default: 1,000, or that half if it is smaller.
        corruptions: names of `CORRUPTIONS`; all 15 if not given.
        seed: non-negative integer; it draws the digits and seeds the corruptions.
        validation_fraction: share of the clean training digits that is held out, in (0, 1).
        home: the data home; `data_home` if not given.
    """
    _check_fraction("validation_fraction", validation_fraction)
    names = list(CORRUPTIONS) if corruptions is None else list(corruptions)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"corruptions must be one or more different names, got {names}")
    train, test = load(name, "train", home), load(name, "test", home)
    largest = len(test) // 2
    per_group = min(DEFAULT_PER_GROUP, largest) if per_group is None else per_group
    if not 1 <= per_group <= largest:
        raise ValueError(f"per_group must lie in 1..{largest} (half of the test images of {name}), got {per_group}")
    rng = _generator(seed)
    training, validation = _hold_out(np.arange(len(train)), validation_fraction, rng)
    drawn = rng.permutation(len(test))[: 2 * per_group]
    clean, others = np.sort(drawn[:per_group]), np.sort(drawn[per_group:])
    sources = test.images[others]
    images = np.concatenate([test.images[clean]] + [corrupt(sources, c, seed, others) for c in names])
    groups = np.repeat(["clean", *names], per_group)
    return Split(
        "clean_versus_corrupted",
        name,
        seed,
        {"per_group": per_group, "corruptions": names, "validation_fraction": validation_fraction},
        train.images,
        training,
        validation,
        images,
        TestLabels((groups != "clean").astype(np.int64), groups, np.concatenate([clean] + [others] * len(names))),
    )


def _generator(seed: int) -> np.random.Generator:
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be an integer of 0 or more, got {seed!r}")
    return np.random.default_rng(seed)


def _check_fraction(argument: str, fraction: float) -> None:
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"{argument} must lie between 0 and 1, both excluded, got {fraction}")


def _check_classes(normal: int | Sequence[int], images: ImageSet) -> list[int]:
    """Return the normal classes as a sorted list without repeats."""
    classes = sorted({int(c) for c in np.atleast_1d(normal)})
    known = len(images.class_names)
    if not classes or classes[0] < 0 or classes[-1] >= known:
        raise ValueError(f"normal must name classes of {images.name} in 0..{known - 1}, got {normal}")
    if len(classes) == known:
        raise ValueError(f"normal must leave at least one class of {images.name} anomalous, got all {known}")
    return classes


def _hold_out(
    indices: np.ndarray, fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Divide `indices` at random into a large and a held-out part of at least one item; both sorted."""
    held_out = max(1, round(len(indices) * fraction))
    if held_out >= len(indices):
        raise ValueError(f"{len(indices)} normal items are too few to hold out a share of {fraction}")
    shuffled = rng.permutation(indices)
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])
