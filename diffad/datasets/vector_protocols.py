"""Protocols on ADBench's embeddings and tables: semi-supervised, contaminated, and the published leak by its
name.

The semi-supervised protocol is that of DTE (Livernoche et al. 2024, arXiv 2305.18593): half of the normals
train, the other half and all anomalies are tested. Here the rows are split FIRST; the published harness
repeats rows of small sets before it splits, so that test rows repeat training rows
(`adbench_published_leak`).
"""

from pathlib import Path

import numpy as np

from diffad.datasets.drawing import check_rate, generator, hold_out, replace_some
from diffad.datasets.imageset import VectorSet
from diffad.datasets.loading import load_vectors
from diffad.datasets.split import Parts, Split, TestLabels, divide

# The published harness repeats rows of smaller sets up to the first number, and draws the second from larger
# ones.
LEAK_THRESHOLD = 1000
LARGEST = 10_000


def adbench_semi_supervised(
    name: str, *, seed: int = 0, validation_fraction: float = 0.1, home: Path | None = None
) -> Split:
    """Train on half of the normal rows, test on the other half and all anomalies; no row is on both sides.

    Rows of the training half whose content occurs among the tested ones are dropped: several ADBench tables
    hold a row more than once. Groups are ``"normal"`` and ``"anomaly"``.

    Args:
        name: for instance ``"adbench-resnet18/CIFAR10_0"``.
        seed: non-negative integer.
        validation_fraction: share of the training half that is held out, in (0, 1).
        home: the data home; `data_home` if not given.
    """
    rng = generator(seed)
    rows = load_vectors(name, home)
    seen = _half_of_the_normals(rows.labels, rng)
    tested = np.setdiff1d(np.arange(len(rows)), seen)
    parts = divide(rows.vectors, seen, validation_fraction, rows.vectors[tested], rng)
    parameters = {"validation_fraction": validation_fraction}
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


def _half_of_the_normals(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw half of the positions whose label is 0; sorted."""
    normals = rng.permutation(np.flatnonzero(labels == 0))
    return np.sort(normals[: len(normals) // 2])


def _answers(rows: VectorSet, tested: np.ndarray) -> TestLabels:
    labels = rows.labels[tested]
    return TestLabels(labels, np.array(["normal", "anomaly"])[labels], tested)
