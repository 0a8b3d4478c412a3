"""Decoding of many picture files into one array, once: later calls map the pixels from a cache file."""

import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import platformdirs
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from diffad.errors import DataCorrupted
from diffad.storage import publish_file

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})

_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"})
_CACHE_VERSION = (
    1  # raise it when decoding changes, so that caches of an earlier way are not taken for this one's
)


def picture_files(folder: Path) -> list[Path]:
    """List the pictures directly in `folder` by name; hidden files are passed over.

    Raises:
        DataCorrupted: a file that is not a picture by its ending; the message names it.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    for path in files:
        if path.suffix.lower() not in SUFFIXES:
            raise DataCorrupted(f"{path} is not an image (endings allowed: {', '.join(sorted(SUFFIXES))})")
    return files


@contextmanager
def open_picture(path: Path):
    """Open a picture of 8 bits a channel; every way in which it can be broken becomes an error naming it."""
    try:
        with Image.open(path) as picture:
            if picture.mode not in _EIGHT_BIT_MODES:
                raise DataCorrupted(f"{path} has pixels of mode {picture.mode}; 8 bits a channel are allowed")
            yield picture
    except UnidentifiedImageError as error:
        raise DataCorrupted(f"{path} is not an image") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataCorrupted(f"{path} cannot be decoded: {error}") from error


def read_picture(path: Path, channels: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode one picture.

    Args:
        path: the file.
        channels: 1 (grey) or 3 (RGB); other modes are converted.
        size: (height, width) to resize to: by area means when shrinking, bicubic when enlarging; None keeps
            the size.

    Returns:
        uint8 (height, width, channels).
    """
    with open_picture(path) as picture:
        converted = picture.convert("L" if channels == 1 else "RGB")
        if size is not None and converted.size != size[::-1]:
            shrinks = converted.height >= size[0] and converted.width >= size[1]
            method = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
            converted = converted.resize(size[::-1], method)
        pixels = np.asarray(converted)
    return pixels[..., None] if channels == 1 else pixels


def decode_pictures(
    files: Sequence[Path], channels: int, size: tuple[int, int], home: Path, name: str
) -> np.ndarray:
    """Decode pictures into one memory-mapped array, or map the one that an earlier call left behind.

    The cache is keyed by the files' names, sizes and times, so a changed release is decoded anew. It is
    written beside its final name and renamed, so no half-written cache is ever mapped; two processes may
    build it at once.

    Args:
        files: the pictures, in the order wanted.
        channels: 1 or 3.
        size: (height, width) of every decoded picture.
        home: the data home; the cache lies in its folder ``.cache``, or in the user's cache where it is
            read-only.
        name: what the progress bar and the cache file are called.

    Returns:
        uint8 (n, height, width, channels), read-only.
    """
    # Named for a reader's eye by its end, and by a hash where that end is not enough to tell two sets apart.
    told_apart = hashlib.sha256(name.encode()).hexdigest()[:8]
    stem = f"{re.sub('[^a-z0-9]+', '-', name.lower())[-40:]}-{told_apart}-{size[0]}x{size[1]}x{channels}-"
    folder = _cache_folder(home)
    final = folder / f"{stem}{_cache_key(files)}.npy"
    if not final.is_file():
        _build_cache(files, channels, size, final, name)
        for outdated in folder.glob(f"{stem}*.npy"):
            if outdated != final:
                outdated.unlink(missing_ok=True)
    return np.load(final, mmap_mode="r", allow_pickle=False)


def _build_cache(files: Sequence[Path], channels: int, size: tuple[int, int], final: Path, name: str) -> None:
    with publish_file(final) as partial:
        shape = (len(files), *size, channels)
        decoded = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        with ThreadPoolExecutor(
            min(os.cpu_count() or 1, 8)
        ) as pool:  # Pillow decodes outside the interpreter lock
            pictures = pool.map(lambda path: read_picture(path, channels, size), files)
            # disable=None: a bar on a terminal, none where output is recorded.
            try:
                for index, pixels in enumerate(
                    tqdm(pictures, f"decoding {name}", len(files), leave=False, disable=None)
                ):
                    decoded[index] = pixels
            except BaseException:
                pool.shutdown(cancel_futures=True)  # Ctrl-C or a broken file: don't decode the rest first
                raise
        decoded.flush()


def _cache_folder(home: Path) -> Path:
    for folder in (home / ".cache", Path(platformdirs.user_cache_dir("diffad")) / "decoded"):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise DataCorrupted(
        f"neither {home} nor the user's cache folder can be written to, and decoded images need it"
    )


def _cache_key(files: Sequence[Path]) -> str:
    digest = hashlib.sha256(str(_CACHE_VERSION).encode())
    for path in files:
        status = path.stat()
        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
