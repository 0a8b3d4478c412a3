"""The IDX reader: whole files come back, broken ones are named."""

import gzip

import numpy as np
import pytest
from releases import idx_bytes

from diffad.datasets import load
from diffad.errors import DataCorrupted, DataNotFound


def test_mnist_is_read_plain_and_gzipped(mnist_home) -> None:
    plain = load("mnist", "train", mnist_home)
    assert plain.images.shape == (80, 28, 28, 1) and plain.images.dtype == np.uint8
    assert plain.labels.dtype == np.int64 and set(plain.labels) == set(range(10))
    for path in sorted((mnist_home / "MNIST" / "raw").iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    zipped = load("mnist", "train", mnist_home)
    assert np.array_equal(plain.images, zipped.images) and plain.fingerprint == zipped.fingerprint
    assert plain.fingerprint != load("mnist", "test", mnist_home).fingerprint


def test_a_missing_set_names_the_command_that_fetches_it(home) -> None:
    with pytest.raises(DataNotFound, match=r"train-images-idx3-ubyte .*diffad data fetch mnist"):
        load("mnist", "train", home)


@pytest.mark.parametrize(
    ("stem", "damage", "message"),
    [
        ("train-images-idx3-ubyte", lambda b: b[:-1], "announces 62720 bytes .* 62719 follow"),
        ("train-images-idx3-ubyte", lambda b: b + b"x", "announces 62720 bytes .* more follow"),
        ("train-images-idx3-ubyte", lambda b: b[:9], "is not an IDX file"),
        ("train-images-idx3-ubyte", lambda b: b"", "is not an IDX file"),
        ("train-images-idx3-ubyte", lambda b: b"\x89PNG" + b[4:], "is not an IDX file of 3-dimensional"),
        ("train-images-idx3-ubyte", lambda b: b[:4] + b"\xff" * 8 + b[12:], "announces"),
        (
            "train-labels-idx1-ubyte",
            lambda b: idx_bytes(np.zeros(79, np.uint8)),
            "79 labels for the 80 images",
        ),
        ("train-labels-idx1-ubyte", lambda b: b[:-1] + b"\x0b", r"class id 11, allowed are 0\.\.9"),
    ],
)
def test_damaged_files_are_named(mnist_home, stem: str, damage, message: str) -> None:
    path = mnist_home / "MNIST" / "raw" / stem
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataCorrupted, match=message) as caught:
        load("mnist", "train", mnist_home)
    assert stem in str(caught.value)


def test_a_truncated_gzip_file_is_named(mnist_home) -> None:
    path = mnist_home / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes())[:-200])
    path.unlink()
    with pytest.raises(DataCorrupted, match=r"train-images-idx3-ubyte.gz is not a whole gzip file"):
        load("mnist", "train", mnist_home)
