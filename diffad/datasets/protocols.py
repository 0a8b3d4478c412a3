"""Protocols on images: which are normal, which anomalous, and who sees them when.

Each function is pure in (data set, its arguments, seed) and returns a `Split`, whose test labels are sealed.
Protocols on ADBench's vectors are in `vector_protocols`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffad.datasets.catalog import find_entry
from diffad.datasets.corruptions import CORRUPTIONS, corrupt
from diffad.datasets.drawing import check_rate, generator, replace_some
from diffad.datasets.imageset import ImageSet
from diffad.datasets.loading import FOLDER, load
from diffad.datasets.split import Split, TestLabels, divide

# All 10,000 test digits are the official evaluation; experiments on two cores state a random 1,000.
DEFAULT_PER_GROUP = 1000


def one_versus_rest(
    name: str,
    normal: int | Sequence[int],
    *,
    per_class: int | None = None,
    side: int | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    home: Path | None = None,
) -> Split:
    """Take one class, or a group of classes, as normal and every other class as anomalous.

    Where the official parts share their classes, the normal images of the training part are divided into
    training and validation, and the whole test part is tested. Mini-ImageNet's parts share none: there, half
    of the test part's normal images train and validate, the other half and all other classes are tested.
    Groups are class names.

    Args:
        name: a data set with class labels.
        normal: the class id or ids that are normal; at least one class must remain anomalous.
        per_class: test images drawn from each class, normal or not; all if not given. Which images are trained on
            does not depend on it.
        side: pixels a side to which Mini-ImageNet's images are resized; 84 if not given.
        seed: non-negative integer.
        validation_fraction: share of the normal images seen in training that is held out, in (0, 1).
        home: the data home; `data_home` if not given.
    """
    rng = generator(seed)
    pool, seen, test, tested = _class_sources(name, normal, rng, home, side)
    classes = _check_classes(normal, pool)
    parameters = {"normal": classes, "validation_fraction": validation_fraction}
    if per_class is not None:
        tested = _draw_from_each_class(test, tested, per_class, rng.spawn(1)[0])
        parameters["per_class"] = per_class
    if side is not None:
        parameters["side"] = side
    return Split(
        "one_versus_rest",
        name,
        seed,
        parameters,
        divide(pool.images, seen, validation_fraction, test.images[tested], rng),
        _class_answers(test, tested, classes),
    )


def contaminated_one_versus_rest(
    name: str,
    normal: int | Sequence[int],
    rate: float,
    *,
    per_class: int | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    home: Path | None = None,
) -> Split:
    """Like `one_versus_rest`, but a share of the training and validation images is anomalous and nobody knows
    which.

    Normal images are replaced by anomalous ones of the same part, drawn evenly over all of them, so the
    number of images stays what it was. None of the images that replace them is tested.

    Args:
        rate: share of anomalous images among those seen in training, in [0, 0.5].
        name, normal, per_class, seed, validation_fraction, home: as for `one_versus_rest`.
    """
    check_rate("rate", rate)
    rng = generator(seed)
    pool, seen, test, tested = _class_sources(name, normal, rng, home)
    classes = _check_classes(normal, pool)
    seen, intruders = replace_some(seen, np.flatnonzero(~np.isin(pool.labels, classes)), rate, rng)
    if test is pool:
        tested = np.setdiff1d(tested, intruders)
    parameters = {"normal": classes, "rate": rate, "validation_fraction": validation_fraction}
    if per_class is not None:
        tested = _draw_from_each_class(test, tested, per_class, generator(seed).spawn(1)[0])
        parameters["per_class"] = per_class
    return Split(
        "contaminated_one_versus_rest",
        name,
        seed,
        parameters,
        divide(pool.images, seen, validation_fraction, test.images[tested], rng),
        _class_answers(test, tested, classes),
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

    The test set is `per_group` clean test digits and, for each corruption, the corrupted versions of as many
    OTHER test digits, the same ones for each corruption. Groups are ``"clean"`` or the corruption's name.

    Args:
        name: ``"digits"``, ``"mnist"`` or another set of grey images, which are corrupted here; ``"mnist-c"``
            for MNIST with the corrupted digits of the official release.
        per_group: test digits a group; at most half of the test part. Default: 1,000, or that half if
            smaller.
        corruptions: names of `CORRUPTIONS`; all 15 if not given.
        seed: non-negative integer; it draws the digits and seeds the corruptions.
        validation_fraction: share of the clean training digits that is held out, in (0, 1).
        home: the data home; `data_home` if not given.
    """
    names = _check_corruptions(corruptions)
    rng = generator(seed)
    clean_name = "mnist" if name == "mnist-c" else name
    train, test = load(clean_name, "train", home), load(clean_name, "test", home)
    per_group = _check_per_group(per_group, len(test) // 2, name)
    drawn = rng.permutation(len(test))[: 2 * per_group]
    clean, others = np.sort(drawn[:per_group]), np.sort(drawn[per_group:])
    tested = np.concatenate([test.images[clean], *_corrupted(name, test, others, names, seed, home)])
    groups = np.repeat(["clean", *names], per_group)
    return Split(
        "clean_versus_corrupted",
        name,
        seed,
        {"per_group": per_group, "corruptions": names, "validation_fraction": validation_fraction},
        divide(train.images, np.arange(len(train)), validation_fraction, tested, rng),
        TestLabels(
            (groups != "clean").astype(np.int64), groups, np.concatenate([clean] + [others] * len(names))
        ),
    )


def official_split(
    name: str,
    *,
    side: int | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    home: Path | None = None,
) -> Split:
    """Use MVTec-AD's own split of a category, or that of a folder of your own laid out like one.

    The good training images are divided into training and validation; the official test part is tested, with
    its masks where it has them. Groups are ``"good"`` or the defect type.

    Args:
        name: for instance ``"mvtec-ad/screw"``, or ``"folder:PATH"``.
        side: pixels a side to which images and masks are resized; 256 if not given.
        seed: non-negative integer; it draws the validation images.
        validation_fraction: share of the good training images that is held out, in (0, 1).
        home: the data home; `data_home` if not given.
    """
    rng = generator(seed)
    train, test = _own_parts(name, home, side)
    return Split(
        "official_split",
        name,
        seed,
        {"side": test.images.shape[1], "validation_fraction": validation_fraction},
        divide(train.images, np.arange(len(train)), validation_fraction, test.images, rng),
        TestLabels(
            (test.labels != 0).astype(np.int64),
            np.array(test.class_names)[test.labels],
            np.arange(len(test), dtype=np.int64),
            test.masks,
        ),
    )


def redrawn_split(
    name: str,
    *,
    side: int | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    home: Path | None = None,
) -> Split:
    """Like `official_split`, but which good images are tested is drawn anew from those of both parts.

    For copies of a category whose good test images are not a fair sample: if they are all of one colour that
    few training images have, a detector of that colour looks like a detector of defects. As many good images
    are tested as in the official split, and all defective ones. Indices count the training part first, then
    the test part.

    Args:
        name, side, validation_fraction, home: as for `official_split`.
        seed: non-negative integer; it draws the good images that are tested, and the validation images.
    """
    rng = generator(seed)
    train, test = _own_parts(name, home, side)
    pool = np.concatenate([train.images, test.images])
    classes = np.concatenate([np.zeros(len(train), np.int64), test.labels])
    good = rng.permutation(np.flatnonzero(classes == 0))
    num_tested = int((test.labels == 0).sum())
    tested = np.sort(np.concatenate([good[:num_tested], np.flatnonzero(classes)]))
    masks = None
    if test.masks is not None:
        masks = np.concatenate([np.zeros((len(train), *test.masks.shape[1:]), bool), test.masks])[tested]
    answers = TestLabels(
        (classes[tested] != 0).astype(np.int64), np.array(test.class_names)[classes[tested]], tested, masks
    )
    return Split(
        "redrawn_split",
        name,
        seed,
        {"side": pool.shape[1], "validation_fraction": validation_fraction},
        divide(pool, np.sort(good[num_tested:]), validation_fraction, pool[tested], rng),
        answers,
    )


def _corrupted(
    name: str, test: ImageSet, others: np.ndarray, names: list[str], seed: int, home: Path | None
) -> list[np.ndarray]:
    """Return the chosen test digits under each corruption, made here or taken from the official release."""
    if name == "mnist-c":
        return [load(f"mnist-c/{each}", "test", home).images[others] for each in names]
    return [corrupt(test.images[others], each, seed, others) for each in names]


def _own_parts(name: str, home: Path | None, side: int | None) -> tuple[ImageSet, ImageSet]:
    """Return the training and the test part of a category, or of a folder laid out like one."""
    if not name.startswith((FOLDER, "mvtec-ad/")):
        raise ValueError(f"name must be mvtec-ad/CATEGORY or folder:PATH, got {name!r}")
    return load(name, "train", home, side), load(name, "test", home, side)


def _check_corruptions(corruptions: Sequence[str] | None) -> list[str]:
    """Return the names asked for; all 15 where none are."""
    names = list(CORRUPTIONS) if corruptions is None else list(corruptions)
    if not names or len(set(names)) != len(names) or not set(names) <= set(CORRUPTIONS):
        raise ValueError(f"corruptions must be different names out of {', '.join(CORRUPTIONS)}; got {names}")
    return names


def _check_per_group(per_group: int | None, largest: int, name: str) -> int:
    """Return the number of test digits a group."""
    if per_group is None:
        return min(DEFAULT_PER_GROUP, largest)
    if not 1 <= per_group <= largest:
        raise ValueError(
            f"per_group must lie in 1..{largest} (half of the test images of {name}), got {per_group}"
        )
    return per_group


def _class_sources(
    name: str,
    normal: int | Sequence[int],
    rng: np.random.Generator,
    home: Path | None,
    side: int | None = None,
) -> tuple[ImageSet, np.ndarray, ImageSet, np.ndarray]:
    """Return the set trained from and the normal images seen there, the set tested on and those tested."""
    entry, _ = find_entry(name)
    if entry.name == "mini-imagenet":
        images = load(name, "test", home, side)
        shuffled = rng.permutation(np.flatnonzero(np.isin(images.labels, _check_classes(normal, images))))
        seen = np.sort(shuffled[: len(shuffled) // 2])
        return images, seen, images, np.setdiff1d(np.arange(len(images)), seen)
    train, test = load(name, "train", home, side), load(name, "test", home, side)
    seen = np.flatnonzero(np.isin(train.labels, _check_classes(normal, train)))
    return train, seen, test, np.arange(len(test))


def _draw_from_each_class(
    test: ImageSet, tested: np.ndarray, per_class: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw `per_class` of the tested indices of each class; sorted."""
    classes = [tested[test.labels[tested] == each] for each in np.unique(test.labels[tested])]
    fewest = min(map(len, classes))
    if not 1 <= per_class <= fewest:
        raise ValueError(
            f"per_class must lie in 1..{fewest} (test images of the smallest class), got {per_class}"
        )
    return np.sort(np.concatenate([rng.permutation(each)[:per_class] for each in classes]))


def _class_answers(test: ImageSet, tested: np.ndarray, classes: list[int]) -> TestLabels:
    labels = test.labels[tested]
    groups = np.array(test.class_names)[labels]
    return TestLabels((~np.isin(labels, classes)).astype(np.int64), groups, tested)


def _check_classes(normal: int | Sequence[int], images: ImageSet) -> list[int]:
    """Return the normal classes as a sorted list without repeats."""
    classes = sorted({int(c) for c in np.atleast_1d(normal)})
    known = len(images.class_names)
    if not classes or classes[0] < 0 or classes[-1] >= known:
        raise ValueError(f"normal must name classes of {images.name} in 0..{known - 1}, got {normal}")
    if len(classes) == known:
        raise ValueError(f"normal must leave at least one class of {images.name} anomalous, got all {known}")
    return classes
