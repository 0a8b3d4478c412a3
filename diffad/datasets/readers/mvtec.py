"""Reader of MVTec-AD's layout, for its 15 categories and for a user's own folders laid out like it."""

from pathlib import Path

import numpy as np

from diffad.datasets.imageset import ImageSet
from diffad.datasets.readers.decoding import decode_pictures, open_picture, picture_files
from diffad.errors import DataCorrupted, DataNotFound

GOOD = "good"
DEFAULT_SIDE = 256  # pixels; the official images are square, 700 to 1,024 a side


def read_mvtec(folder: Path, part: str, home: Path, name: str, side: int = DEFAULT_SIDE) -> ImageSet:
    """Read a part of one category.

    Args:
        folder: the category's folder.
        part: ``"train"`` (good images only) or ``"test"``.
        home: the data home, for the cache of decoded images.
        name: what the set is called.
        side: pixels a side to which images and masks are resized.

    Returns:
        Images (n, side, side, 3) with class 0 = good and the defect types after it in alphabetical order; in
        the test part of a category that has ground truth, masks (n, side, side), True on the defect.

    Raises:
        DataNotFound: the category or the part is missing.
        DataCorrupted: no good images, a file that is not an image, a mask that is missing or of another size
            than its image; the message names the file.
    """
    if not (folder / part).is_dir():
        raise DataNotFound(f"{folder / part} is missing")
    kinds = sorted(path.name for path in (folder / part).iterdir() if path.is_dir() and path.name != GOOD)
    files = {
        kind: picture_files(folder / part / kind)
        for kind in (GOOD, *kinds)
        if (folder / part / kind).is_dir()
    }
    if not files.get(GOOD):
        raise DataCorrupted(f"{folder / part / GOOD} must hold at least one image")
    if part == "train" and kinds:
        raise DataCorrupted(f"{folder / part} must hold only the folder {GOOD}, found {', '.join(kinds)}")
    everything = [path for paths in files.values() for path in paths]
    images = decode_pictures(everything, 3, (side, side), home, f"{name}-{part}")
    labels = np.repeat(np.arange(len(files)), [len(paths) for paths in files.values()])
    masks = _read_masks(folder, files, side, home, name) if part == "test" else None
    return ImageSet(name, images, labels, tuple(files), masks)


def _read_masks(
    folder: Path, files: dict[str, list[Path]], side: int, home: Path, name: str
) -> np.ndarray | None:
    """Return the masks of all test images, False for good ones, or None without ground truth."""
    defective = [path for kind, paths in files.items() if kind != GOOD for path in paths]
    if not (folder / "ground_truth").is_dir() or not defective:
        return None
    mask_files = [folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png" for path in defective]
    for path, mask_file in zip(defective, mask_files, strict=True):
        if not mask_file.is_file():
            raise DataCorrupted(f"{mask_file} is missing, the mask of {path.parent.name}/{path.name}")
        with open_picture(path) as picture, open_picture(mask_file) as mask:
            if picture.size != mask.size:
                raise DataCorrupted(
                    f"{mask_file} is {mask.width} x {mask.height} pixels, "
                    f"its image {picture.width} x {picture.height}"
                )
    masks = np.zeros((sum(len(paths) for paths in files.values()), side, side), bool)
    # Shrinking takes area means: a pixel belongs to the defect where at least half of its area does.
    masks[len(files[GOOD]) :] = (
        decode_pictures(mask_files, 1, (side, side), home, f"{name}-masks")[..., 0] > 127
    )
    return masks
