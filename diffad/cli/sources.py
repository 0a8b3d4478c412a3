"""Where images come from at the command line: a data set of the catalog, a folder of pictures, or a .npy array."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffad.datasets.catalog import CATALOG, find_entry
from diffad.datasets.loading import FOLDER, load
from diffad.datasets.protocols import one_versus_rest
from diffad.datasets.readers.decoding import open_picture, picture_files, read_picture
from diffad.errors import DataCorrupted, DataNotFound
from diffad.images import check_images

DEFAULT_SIDE = 32  # pixels a side of a user's own pictures: minutes on two cores
RESIZED = "mvtec-ad"  # the one set of the catalog whose images have no size of their own


@dataclass(frozen=True)
class Source:
    """Images to train on or to score.

    images: uint8 (n, height, width, channels). names: one a row. remark: how they were read, for the user.
    """

    images: np.ndarray
    names: list[str]
    remark: str


def normal_images(
    source: str, classes: Sequence[int], image_size: int | None, seed: int, home: Path | None
) -> Source:
    """The images of `source` to train on: all are taken to be normal.

    Args:
        source: a catalog name, a folder of pictures (or one laid out like MVTec-AD), or a .npy file.
        classes: ids of the normal classes; none for all images.
        image_size: pixels a side to which pictures are resized.
        seed: of the protocol, where classes are given.
        home: the data home, or None for the usual one.

    Raises:
        ValueError: unknown source, or classes or a size for a source that has none to choose.
        DataNotFound, DataCorrupted: as `diffad.datasets.load`.
    """
    path = Path(source).expanduser()
    if _is_in_catalog(source):
        return _training_part(source, classes, image_size, seed, home)
    if classes:
        raise ValueError(f"--classes: {source} has no classes, expected a data set of the catalog")
    if path.suffix == ".npy":
        _refuse_size(source, image_size)
        return _array(path, None)
    if (path / "train").is_dir():
        return _named(f"{FOLDER}{path}", "train", image_size or DEFAULT_SIDE, home)
    side, files = image_size or DEFAULT_SIDE, _files(source, path)
    channels = 3 if any(_is_colour(file) for file in files) else 1
    return _pictures(path, files, (side, side, channels))


def images_to_score(
    source: str, part: str, shape: tuple[int, int, int], limit: int | None, home: Path | None
) -> Source:
    """The images of `source` for a detector of images of `shape` (height, width, channels).

    Args:
        source: as for `normal_images`.
        part: "train" or "test", for a set that has parts.
        shape: what the detector was fitted on; pictures are resized and converted to it.
        limit: at most so many, from the first; None for all.
        home: the data home, or None for the usual one.

    Raises:
        ValueError, DataNotFound, DataCorrupted: as `normal_images`; a set or an array of another shape.
    """
    path = Path(source).expanduser()
    if _is_in_catalog(source):
        found = _named(source, part, shape[0] if source.startswith(RESIZED) else None, home)
    elif path.suffix == ".npy":
        found = _array(path, shape)
    elif (path / "train").is_dir():
        found = _named(f"{FOLDER}{path}", part, shape[0], home)
    else:
        return _pictures(path, _files(source, path)[:limit], shape)
    check_images(found.images, source, shape)
    return Source(found.images[:limit], found.names[:limit], found.remark)


def folder_images(folder: Path, shape: tuple[int, int, int]) -> Source:
    """The pictures of a folder, resized and converted to `shape` (height, width, channels)."""
    return _pictures(folder, _files(str(folder), folder), shape)


def one_picture(file: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """One picture, resized and converted to `shape` (height, width, channels): uint8.

    Raises:
        DataCorrupted: it is no picture.
    """
    return _pictures(file.parent, [file], shape).images[0]


def _is_in_catalog(source: str) -> bool:
    return source.partition("/")[0] in CATALOG


def _training_part(
    source: str, classes: Sequence[int], image_size: int | None, seed: int, home: Path | None
) -> Source:
    entry, _ = find_entry(source)
    if entry.name != RESIZED:
        _refuse_size(source, image_size)
    if not classes:
        side = (image_size or DEFAULT_SIDE) if entry.name == RESIZED else None
        return _named(source, "train", side, home)
    split = one_versus_rest(source, list(classes), seed=seed, home=home)
    images = np.concatenate([split.train, split.validation])
    names = [f"{source}/train/{index}" for index in range(len(images))]
    return Source(images, names, f"{source}: {len(images)} training images of class {_listed(classes)}")


def _named(name: str, part: str, side: int | None, home: Path | None) -> Source:
    found = load(name, part, home, side)
    names = [f"{name}/{part}/{index}" for index in range(len(found))]
    return Source(found.images, names, f"{name}: {len(found)} images of the part {part}{_size(found.images)}")


def _array(path: Path, shape: tuple[int, int, int] | None) -> Source:
    if not path.is_file():
        raise DataNotFound(
            f"{path} is not there, expected a .npy file of uint8 images (n, height, width, channels)"
        )
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataCorrupted(f"{path} is not a .npy file of numbers ({error})") from error
    check_images(images, str(path), shape)
    names = [f"{path.name}/{index}" for index in range(len(images))]
    return Source(images, names, f"{path}: {len(images)} images{_size(images)}")


def _files(source: str, folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataNotFound(
            f"{source!r} is neither a data set ({', '.join(name for name in CATALOG if name != 'folder')}) "
            "nor a folder of images nor a .npy file that is there"
        )
    files = picture_files(folder)
    if not files:
        raise DataCorrupted(f"{folder} holds no image")
    return files


def _pictures(folder: Path, files: Sequence[Path], shape: tuple[int, int, int]) -> Source:
    height, width, channels = shape
    images = np.empty((len(files), *shape), np.uint8)
    for index, file in enumerate(files):
        images[index] = read_picture(file, channels, (height, width))
    colour = "grey" if channels == 1 else "colour"
    remark = f"{folder}: {len(files)} images, read as {colour} and resized to {height} x {width} pixels"
    return Source(images, [file.name for file in files], remark)


def _is_colour(file: Path) -> bool:
    with open_picture(file) as picture:
        return picture.mode not in ("1", "L", "LA")


def _size(images: np.ndarray) -> str:
    return f" of {images.shape[1]} x {images.shape[2]} pixels, {'grey' if images.shape[3] == 1 else 'colour'}"


def _refuse_size(source: str, image_size: int | None) -> None:
    if image_size is not None:
        raise ValueError(
            f"--image-size: {source} has a size of its own, expected a folder of pictures or {RESIZED}"
        )


def _listed(classes: Sequence[int]) -> str:
    return ", ".join(map(str, classes))
