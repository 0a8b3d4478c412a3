"""`load`: one function that reads any data set of labelled images from the data home."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from diffad.datasets.home import data_home
from diffad.datasets.idx import read_idx
from diffad.datasets.imageset import ImageSet
from diffad.errors import DataCorrupted, DataNotFound

PARTS = ("train", "test")

# scikit-learn's digits stand in the order in which their 13 writers wrote them, so a cut by position keeps almost
# every writer on one side: a random cut would put the same hand into training and test.
_DIGITS_TRAIN = 1197

_DIGIT_NAMES = tuple("0123456789")
_FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def load(name: str, part: str = "train", home: Path | None = None) -> ImageSet:
    """Read one part of a data set.

    Args:
        name: ``"digits"``, ``"mnist"`` or ``"fashion-mnist"``.
        part: ``"train"`` or ``"test"``.
        home: the data home; `data_home` if not given.

    Raises:
        ValueError: unknown `name` or `part`.
        DataNotFound: the set is not in the data home; the message names the command that fetches it.
        DataCorrupted: a file is there but not whole; the message names the file.
    """
    if name not in _READERS:
        raise ValueError(f"data set must be one of {', '.join(_READERS)}; got {name!r}")
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}; got {part!r}")
    home = data_home() if home is None else Path(home)
    try:
        return _READERS[name](home, part)
    except DataNotFound as error:
        raise DataNotFound(
            f"{name} is not in the data home {home} ({error}); fetch it with: diffad data fetch {name}"
        ) from error


def is_available(name: str, home: Path | None = None) -> bool:
    """Return whether `load` finds both parts of `name` whole.

    Raises:
        ValueError: unknown `name`.
        DataCorrupted: a file is there but not whole.
    """
    try:
        for part in PARTS:
            load(name, part, home)
    except DataNotFound:
        return False
    return True


def _read_digits(home: Path, part: str) -> ImageSet:
    bunch = load_digits()
    chosen = slice(None, _DIGITS_TRAIN) if part == "train" else slice(_DIGITS_TRAIN, None)
    images = np.rint(bunch.images[chosen] * (255.0 / 16.0)).astype(np.uint8)[..., None]
    return ImageSet("digits", images, bunch.target[chosen].astype(np.int64), _DIGIT_NAMES)


def _idx_reader(name: str, folder: str, class_names: tuple[str, ...]) -> Callable[[Path, str], ImageSet]:
    def read(home: Path, part: str) -> ImageSet:
        raw = home / folder / "raw"
        stem = "train" if part == "train" else "t10k"
        images = read_idx(raw, f"{stem}-images-idx3-ubyte", 3)
        labels = read_idx(raw, f"{stem}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            raise DataCorrupted(
                f"{raw / stem}-labels-idx1-ubyte holds {len(labels)} labels for the {len(images)} images beside it"
            )
        return ImageSet(name, images[..., None], labels.astype(np.int64), class_names)

    return read


_READERS: dict[str, Callable[[Path, str], ImageSet]] = {
    "digits": _read_digits,
    "mnist": _idx_reader("mnist", "MNIST", _DIGIT_NAMES),
    "fashion-mnist": _idx_reader("fashion-mnist", "FashionMNIST", _FASHION_NAMES),
}
