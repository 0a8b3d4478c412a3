"""Protocols on ADBench's embeddings and tables: semi-supervised, contaminated, and the published leak by its
name.

The semi-supervised protocol is that of DTE (Livernoche et al. 2024, arXiv 2305.18593): half of the normals
train, the other half and all anomalies are tested. Here the rows are split FIRST; the published harness
repeats rows of small sets before it splits, so that test rows repeat training rows
(`adbench_published_leak`).
"""

from pathlib import Path

import numpy as np

from diffad.datasets.catalog import find_entry
from diffad.datasets.drawing import check_rate, generator, hold_out, replace_some
from diffad.datasets.imageset import VectorSet
from diffad.datasets.loading import load, load_vectors
from diffad.datasets.split import Parts, Split, TestLabels, divide

# The published harness repeats rows of smaller sets up to the first number, and draws the second from larger
# ones.
LEAK_THRESHOLD = 1000
LARGEST = 10_000
DIGITS = "digits/"


def adbench_semi_supervised(
    name: str,
    *,
    seed: int = 0,
    validation_fraction: float = 0.1,
    most_training_rows: int | None = None,
    most_test_rows: int | None = None,
    home: Path | None = None,
) -> Split:
    """Train on half of the normal rows, test on the other half and all anomalies; no row is on both sides.

    Rows of the training half whose content occurs among the tested ones are dropped: several ADBench tables
    hold a row more than once. Groups are ``"normal"`` and ``"anomaly"``.

    Args:
        name: for instance ``"adbench-resnet18/CIFAR10_0"``; or ``"digits/7"``, scikit-learn's digits as vectors,
            of which one is normal: a set that needs no file.
        seed: non-negative integer.
        validation_fraction: share of the training half that is held out, in (0, 1).
        most_training_rows: a larger training half, validation included, is thinned at random to so many rows;
            None keeps all. A set that is not larger is split as without.
        most_test_rows: likewise for the test rows, whose share of anomalies is kept; at least one normal and one
            anomaly stay.
        home: the data home; `data_home` if not given.

    Raises:
        ValueError: a limit below 2. Otherwise as `load_vectors`.
    """
    _check_limits(most_training_rows=most_training_rows, most_test_rows=most_test_rows)
    rng = generator(seed)
    rows = _read(name, home)
    half = _half_of_the_normals(rows.labels, rng)
    tested = np.setdiff1d(np.arange(len(rows)), half)
    seen = _thinned(half, rows.labels[half], most_training_rows, rng)
    tested = _thinned(tested, rows.labels[tested], most_test_rows, rng)
    parts = divide(rows.vectors, seen, validation_fraction, rows.vectors[tested], rng)
    parameters = {"validation_fraction": validation_fraction}
    limits = {"most_training_rows": most_training_rows, "most_test_rows": most_test_rows}
    parameters |= {argument: limit for argument, limit in limits.items() if limit is not None}
    return Split("adbench_semi_supervised", name, seed, parameters, parts, _answers(rows, tested))


def adbench_contaminated(
    name: str, rate: float, *, seed: int = 0, validation_fraction: float = 0.1, home: Path | None = None
) -> Split:
    """Like `adbench_semi_supervised`, but a share of the rows seen in training is anomalous and nobody knows
    which.

    Args:
        rate: share of anomalies among the rows seen in training, in [0, 0.5]; those used there are not
            tested.
        name, seed, validation_fraction, home: as for `adbench_semi_supervised`.
    """
    check_rate("rate", rate)
    rng = generator(seed)
    rows = load_vectors(name, home)
    normals = _half_of_the_normals(rows.labels, rng)
    seen, intruders = replace_some(normals, np.flatnonzero(rows.labels == 1), rate, rng)
    if len(intruders) == (rows.labels == 1).sum():
        raise ValueError(f"rate {rate} leaves no anomaly of {name} to test")
    tested = np.setdiff1d(np.arange(len(rows)), np.union1d(normals, intruders))
    parts = divide(rows.vectors, seen, validation_fraction, rows.vectors[tested], rng)
    parameters = {"rate": rate, "validation_fraction": validation_fraction}
    return Split("adbench_contaminated", name, seed, parameters, parts, _answers(rows, tested))


def adbench_published_leak(
    name: str, *, seed: int = 0, validation_fraction: float = 0.1, home: Path | None = None
) -> Split:
    """Split as the published harness does, LEAK INCLUDED; only to measure what the leak is worth.

    Sets of fewer than 1,000 rows are first resampled with replacement to 1,000 and larger ones than 10,000
    are thinned to 10,000 (ADBench's data generator), then half of the normals train. Copies of one row fall
    on both sides, so detectors that remember training rows look better than they are. Nothing is dropped
    here.

    Args:
        name, seed, validation_fraction, home: as for `adbench_semi_supervised`.
    """
    rng = generator(seed)
    rows = load_vectors(name, home)
    if len(rows) < LEAK_THRESHOLD:
        drawn = rng.choice(len(rows), LEAK_THRESHOLD, replace=True)
    else:
        drawn = rng.permutation(len(rows))[:LARGEST]
    seen = _half_of_the_normals(rows.labels[drawn], rng)
    training, validation = hold_out(seen, validation_fraction, rng)
    tested = drawn[np.setdiff1d(np.arange(len(drawn)), seen)]
    parts = Parts(rows.vectors, drawn[training], drawn[validation], rows.vectors[tested])
    parameters = {"validation_fraction": validation_fraction}
    return Split("adbench_published_leak", name, seed, parameters, parts, _answers(rows, tested))


def check_vectors_name(name: str) -> None:
    """Refuse a name that `adbench_semi_supervised` cannot read.

    Raises:
        ValueError: neither an item of a set of vectors, nor one of the digits.
    """
    if name.startswith(DIGITS):
        if name.removeprefix(DIGITS) not in "0123456789" or len(name) != len(DIGITS) + 1:
            raise ValueError(f"data: got {name!r}, expected digits/0 to digits/9, the digit that is normal")
        return
    entry, item = find_entry(name)
    if entry.kind != "vectors" or item is None:
        raise ValueError(
            f"data: got {name!r}, expected an item such as adbench-vit/MVTec-AD_bottle, or digits/0"
        )


def _read(name: str, home: Path | None) -> VectorSet:
    """An item of ADBench, or scikit-learn's digits as vectors of grey levels in [0, 1] with one digit normal."""
    if not name.startswith(DIGITS):
        return load_vectors(name, home)
    check_vectors_name(name)
    parts = [load("digits", part) for part in ("train", "test")]
    images = np.concatenate([part.images for part in parts])
    digits = np.concatenate([part.labels for part in parts])
    vectors = images.reshape(len(images), -1).astype(np.float32) / 255
    return VectorSet(name, vectors, (digits != int(name.removeprefix(DIGITS))).astype(np.int64))


def _check_limits(**limits: int | None) -> None:
    for argument, limit in limits.items():
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 2):
            raise ValueError(f"{argument}: got {limit!r}, expected None or an integer of at least 2")


def _thinned(
    positions: np.ndarray, labels: np.ndarray, most: int | None, rng: np.random.Generator
) -> np.ndarray:
    """At most `most` of `positions` (n,), drawn from each of the classes in `labels` (n,) by its share; sorted."""
    if most is None or len(positions) <= most:
        return positions
    classes = [positions[labels == label] for label in np.unique(labels)]
    if len(classes) == 1:
        return np.sort(rng.choice(positions, most, replace=False))
    normal, anomalous = classes
    num_anomalous = min(max(1, round(most * len(anomalous) / len(positions))), most - 1)
    drawn = [
        rng.choice(normal, most - num_anomalous, replace=False),
        rng.choice(anomalous, num_anomalous, replace=False),
    ]
    return np.sort(np.concatenate(drawn))


def _half_of_the_normals(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw half of the positions whose label is 0; sorted."""
    normals = rng.permutation(np.flatnonzero(labels == 0))
    return np.sort(normals[: len(normals) // 2])


def _answers(rows: VectorSet, tested: np.ndarray) -> TestLabels:
    labels = rows.labels[tested]
    return TestLabels(labels, np.array(["normal", "anomaly"])[labels], tested)
