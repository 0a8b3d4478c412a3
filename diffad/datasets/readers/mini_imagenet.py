"""Reader of Mini-ImageNet as Ravi & Larochelle (2017) lay it out: a list a part, and one image folder."""

import csv
from pathlib import Path

import numpy as np

from diffad.datasets.imageset import ImageSet
from diffad.datasets.readers.decoding import decode_pictures
from diffad.errors import DataCorrupted, DataNotFound

SIDE = 84  # pixels, the size at which the split was published

# WordNet's first lemma of the 20 test classes; other classes are called by their WordNet id.
TEST_CLASS_NAMES = {
    "n01930112": "nematode", "n01981276": "king crab", "n02099601": "golden retriever",
    "n02110063": "malamute", "n02110341": "dalmatian", "n02116738": "African hunting dog",
    "n02129165": "lion", "n02219486": "ant", "n02443484": "black-footed ferret",
    "n02871525": "bookshop", "n03127925": "crate", "n03146219": "cuirass",
    "n03272010": "electric guitar", "n03544143": "hourglass", "n03775546": "mixing bowl",
    "n04146614": "school bus", "n04149813": "scoreboard", "n04418357": "theater curtain",
    "n04522168": "vase", "n07613480": "trifle",
}  # fmt: skip


def read_mini_imagenet(folder: Path, part: str, home: Path, side: int = SIDE) -> ImageSet:
    """Read a part of Mini-ImageNet; the decoded images are memory-mapped, so that only those used are read.

    Args:
        folder: ``mini-imagenet``.
        part: ``"train"``, ``"val"`` or ``"test"``; the parts share no class.
        home: the data home, for the cache of decoded images.
        side: pixels a side to which the images are resized, by area means when shrinking.

    Returns:
        Images of side x side x 3; class ids number the part's WordNet ids in alphabetical order.

    Raises:
        DataNotFound: the part's list is missing.
        DataCorrupted: a malformed list, a repeated name, an image that is missing or broken; the message
            names it.
    """
    names, wordnet_ids = _read_list(folder / f"{part}.csv")
    files = [folder / "images" / name for name in names]
    for path in files:
        if not path.is_file():
            raise DataCorrupted(f"{path} is missing, but {part}.csv names it")
    images = decode_pictures(files, 3, (side, side), home, f"mini-imagenet/{part}")
    classes, labels = np.unique(wordnet_ids, return_inverse=True)
    class_names = tuple(TEST_CLASS_NAMES.get(str(c), str(c)) for c in classes)
    return ImageSet("mini-imagenet", images, labels.astype(np.int64), class_names)


def _read_list(path: Path) -> tuple[list[str], list[str]]:
    """Return the file names and WordNet ids of a list with the header ``filename,label``."""
    if not path.is_file():
        raise DataNotFound(f"{path} is missing")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != ["filename", "label"] or any(len(row) != 2 for row in rows):
        raise DataCorrupted(f"{path} must be rows of filename,label under that header")
    names = [row[0] for row in rows[1:]]
    if not names or len(set(names)) != len(names) or any(Path(name).name != name for name in names):
        raise DataCorrupted(f"{path} must name at least one image, each once and without a folder")
    return names, [row[1] for row in rows[1:]]
