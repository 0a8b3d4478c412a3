"""`load` and `load_vectors`: one function each that reads any data set of the catalog from the data home."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from sklearn.datasets import load_digits

from diffad.datasets.catalog import CATALOG, Entry, find_entry
from diffad.datasets.home import data_home
from diffad.datasets.imageset import ImageSet, VectorSet
from diffad.datasets.readers.adbench import read_adbench
from diffad.datasets.readers.cifar10 import BATCHES, read_cifar10
from diffad.datasets.readers.folder import read_folder
from diffad.datasets.readers.idx import find_idx, read_idx
from diffad.datasets.readers.mini_imagenet import SIDE as MINI_IMAGENET_SIDE
from diffad.datasets.readers.mini_imagenet import read_mini_imagenet
from diffad.datasets.readers.mnist_c import read_mnist_c
from diffad.datasets.readers.mvtec import DEFAULT_SIDE, read_mvtec
from diffad.errors import DataCorrupted, DataNotFound

FOLDER = "folder:"

T = TypeVar("T")

# scikit-learn's digits stand in the order in which their 13 writers wrote them, so a cut by position keeps
# almost every writer on one side: a random cut would put the same hand into training and test.
_DIGITS_TRAIN = 1197

_DIGIT_NAMES = tuple("0123456789")
_FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def load(name: str, part: str = "train", home: Path | None = None, side: int | None = None) -> ImageSet:
    """Read one part of a data set of images.

    Args:
        name: an image set of the catalog: ``"mnist"``; with its item where it has items:
            ``"mvtec-ad/screw"``, ``"mnist-c/fog"``; or ``"folder:PATH"`` for a folder of your own.
        part: ``"train"`` or ``"test"``; Mini-ImageNet also has ``"val"``.
        home: the data home; `data_home` if not given.
        side: pixels a side to which MVTec-AD's images (default 256), Mini-ImageNet's (default 84) or your own
            (default: as they are) are resized; the other sets have a size of their own.

    Raises:
        ValueError: unknown `name` or `part`, or a `side` for a set that is not resized.
        DataNotFound: the set is not in the data home; the message names the command that fetches it.
        DataCorrupted: a file is there but not whole; the message names the file.
    """
    home = data_home() if home is None else Path(home)
    if name.startswith(FOLDER):
        return _load_folder(Path(name.removeprefix(FOLDER)).expanduser(), part, home, side)
    entry, item = find_entry(name)
    if entry.kind != "images" or entry.name not in _READERS:
        raise ValueError(
            f"load reads images, {name!r} is none of the catalog's; vectors are read by load_vectors"
        )
    if part not in entry.parts:
        raise ValueError(f"part of {entry.name} must be one of {', '.join(entry.parts)}; got {part!r}")
    if entry.items and item is None:
        raise ValueError(f"{entry.name} is read item by item, as {entry.name}/{entry.items[0]}; got {name!r}")
    if side is not None and entry.name not in ("mvtec-ad", "mini-imagenet"):
        raise ValueError(
            f"side is for mvtec-ad, mini-imagenet and folders, {entry.name} has a size of its own; got {side}"
        )
    return _or_say_how_to_fetch(entry, home, lambda: _READERS[entry.name](home, entry, item, part, side))


def load_vectors(name: str, home: Path | None = None) -> VectorSet:
    """Read an ADBench embedding or table.

    Args:
        name: entry and item, for instance ``"adbench-resnet18/CIFAR10_0"`` or
            ``"adbench-classical/47_yeast"``.
        home: the data home; `data_home` if not given.

    Raises:
        ValueError: unknown `name`.
        DataNotFound, DataCorrupted: as for `load`.
    """
    home = data_home() if home is None else Path(home)
    entry, item = find_entry(name)
    if entry.kind != "vectors" or item is None:
        raise ValueError(f"load_vectors reads an item such as adbench-vit/MVTec-AD_bottle; got {name!r}")
    return _or_say_how_to_fetch(
        entry, home, lambda: read_adbench(home / entry.folder / f"{item}.npz", f"{entry.name}/{item}")
    )


def is_available(name: str, home: Path | None = None) -> bool:
    """Return whether files of `name` are in the data home; a set with items counts when one of them is there.

    Nothing is read, so it takes milliseconds; `diffad data verify` looks inside.

    Raises:
        ValueError: unknown `name`.
    """
    home = data_home() if home is None else Path(home)
    if name.startswith(FOLDER):
        return Path(name.removeprefix(FOLDER)).expanduser().is_dir()
    entry, item = find_entry(name)
    if entry.items and item is None:
        return bool(available_items(entry.name, home))
    return (
        bool(available_parts(name, home))
        if entry.kind == "images"
        else _vectors_file(home, entry, item).is_file()
    )


def available_items(name: str, home: Path | None = None) -> tuple[str, ...]:
    """Return the items of a set (categories, corruptions, files) that are in the data home."""
    entry, _ = find_entry(name)
    return tuple(item for item in entry.items if is_available(f"{entry.name}/{item}", home))


def available_parts(name: str, home: Path | None = None) -> tuple[str, ...]:
    """Return the parts of an image set (or of one item of it) whose files are in the data home."""
    home = data_home() if home is None else Path(home)
    entry, item = find_entry(name)
    return tuple(part for part in entry.parts if all(_part_files(home, entry, item, part)))


def content_fingerprint(name: str, home: Path | None = None) -> str:
    """Return a sha256 over the content of everything of `name` that is in the data home, every item and part
    of it.

    Raises:
        DataNotFound: nothing of it is there.
        DataCorrupted: as for `load`.
    """
    entry, item = find_entry(name)
    names = [name] if item or not entry.items else [f"{name}/{i}" for i in available_items(name, home)]
    if entry.kind == "vectors":
        prints = [load_vectors(each, home).fingerprint for each in names]
    else:
        prints = [
            load(each, part, home).fingerprint for each in names for part in available_parts(each, home)
        ]
    if not prints:
        raise DataNotFound(f"nothing of {name} is in the data home {home or data_home()}")
    return hashlib.sha256("\n".join(prints).encode()).hexdigest()


def _or_say_how_to_fetch(entry: Entry, home: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except DataNotFound as error:
        raise DataNotFound(
            f"{entry.name} is not in the data home {home} ({error}); "
            f"fetch it with: diffad data fetch {entry.name}"
        ) from error


def _load_folder(folder: Path, part: str, home: Path, side: int | None) -> ImageSet:
    """Read a folder laid out like MVTec-AD, or one of pictures only, which is all ``"train"``."""
    if part not in CATALOG["folder"].parts:
        raise ValueError(f"part of a folder must be one of train, test; got {part!r}")
    if (folder / "train").is_dir():
        return read_mvtec(folder, part, home, f"{FOLDER}{folder}", side or DEFAULT_SIDE)
    if part == "test":
        raise DataNotFound(
            f"{folder / 'test'} is missing: a folder of pictures alone has only the part train"
        )
    return read_folder(folder, side)


def _read_digits(home: Path, entry: Entry, item: str | None, part: str, side: int | None) -> ImageSet:
    bunch = load_digits()
    chosen = slice(None, _DIGITS_TRAIN) if part == "train" else slice(_DIGITS_TRAIN, None)
    images = np.rint(bunch.images[chosen] * (255.0 / 16.0)).astype(np.uint8)[..., None]
    return ImageSet("digits", images, bunch.target[chosen].astype(np.int64), _DIGIT_NAMES)


def _read_idx(home: Path, entry: Entry, item: str | None, part: str, side: int | None) -> ImageSet:
    folder, (images_stem, labels_stem) = home / entry.folder, _idx_stems(part)
    images, labels = read_idx(folder, images_stem, 3), read_idx(folder, labels_stem, 1)
    if len(images) != len(labels):
        raise DataCorrupted(
            f"{folder / labels_stem} holds {len(labels)} labels for the {len(images)} images beside it"
        )
    names = _FASHION_NAMES if entry.name == "fashion-mnist" else _DIGIT_NAMES
    if len(labels) and labels.max() >= len(names):
        raise DataCorrupted(
            f"{folder / labels_stem} holds class id {labels.max()}, allowed are 0..{len(names) - 1}"
        )
    return ImageSet(entry.name, images[..., None], labels.astype(np.int64), names)


_Reader = Callable[[Path, Entry, str | None, str, int | None], ImageSet]
_READERS: dict[str, _Reader] = {
    "digits": _read_digits,
    "mnist": _read_idx,
    "fashion-mnist": _read_idx,
    "mnist-c": lambda home, entry, item, part, side: read_mnist_c(home / entry.folder, item, part),
    "cifar10": lambda home, entry, item, part, side: read_cifar10(home / entry.folder, part),
    "mini-imagenet": lambda home, entry, item, part, side: read_mini_imagenet(
        home / entry.folder, part, home, side or MINI_IMAGENET_SIDE
    ),
    "mvtec-ad": lambda home, entry, item, part, side: read_mvtec(
        home / entry.folder / item, part, home, f"mvtec-ad/{item}", side or DEFAULT_SIDE
    ),
}


def _idx_stems(part: str) -> tuple[str, str]:
    stem = "train" if part == "train" else "t10k"
    return f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"


def _part_files(home: Path, entry: Entry, item: str | None, part: str) -> list[bool]:
    """Return for each file or folder that a part needs whether it is there."""
    folder = home / entry.folder
    if entry.name in ("mnist", "fashion-mnist"):
        return [find_idx(folder, stem) is not None for stem in _idx_stems(part)]
    if entry.name == "cifar10":
        return [(folder / name).is_file() for name in BATCHES[part]]
    if entry.name == "mini-imagenet":
        return [(folder / f"{part}.csv").is_file(), (folder / "images").is_dir()]
    if entry.name == "mnist-c":
        return [(folder / item / f"{part}_{kind}.npy").is_file() for kind in ("images", "labels")]
    if entry.name == "mvtec-ad":
        return [(folder / item / part / "good").is_dir()]
    return [entry.name == "digits"]


def _vectors_file(home: Path, entry: Entry, item: str | None) -> Path:
    return home / entry.folder / f"{item}.npz"
