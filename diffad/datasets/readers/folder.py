"""Reader of a user's own folder of images."""

from pathlib import Path

import numpy as np

from diffad.datasets.imageset import ImageSet
from diffad.datasets.readers.decoding import open_picture, picture_files, read_picture
from diffad.errors import DataCorrupted, DataNotFound


def read_folder(folder: Path, side: int | None = None) -> ImageSet:
    """Read the pictures that lie directly in a folder, in the order of their names.

    Grey pictures give one channel; if any is in colour, all give three.

    Args:
        folder: any folder.
        side: pixels a side to resize to; None where all pictures have one size already.

    Returns:
        One class, ``"image"``.

    Raises:
        DataNotFound: no such folder.
        DataCorrupted: no picture in it, a file that is none, or pictures of different sizes with no `side`
            given; the message names the file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataNotFound(f"{folder} is not a folder")
    files = picture_files(folder)
    if not files:
        raise DataCorrupted(f"{folder} holds no image")
    size, channels = None if side is None else (side, side), 1
    for path in files:
        with open_picture(path) as picture:
            channels = max(channels, 1 if picture.mode in ("1", "L", "LA") else 3)
            size = size or (picture.height, picture.width)
            if side is None and (picture.height, picture.width) != size:
                raise DataCorrupted(
                    f"{path} is {picture.width} x {picture.height} pixels, {files[0].name} is "
                    f"{size[1]} x {size[0]}; give a side to resize them to"
                )
    images = np.empty((len(files), *size, channels), np.uint8)
    for index, path in enumerate(files):
        images[index] = read_picture(path, channels, size)
    return ImageSet(f"folder:{folder}", images, np.zeros(len(files), np.int64), ("image",))
