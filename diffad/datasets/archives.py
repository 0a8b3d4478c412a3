"""Safe extraction of archives: nothing lands outside the folder asked for, whatever a member is called."""

import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path

from tqdm import tqdm

from diffad.errors import DataCorrupted


def unpack(archive: Path, folder: Path, progress: bool = True) -> None:
    """Extract a tar (plain, gzip, bzip2, xz) or zip archive into an existing folder, with a progress bar.

    Raises:
        DataCorrupted: neither kind of archive, not a whole one, or one with a member that would land outside
            `folder` or is a device; the message names the archive and the member.
        OSError: the disk is full or the folder cannot be written.
    """
    try:
        if tarfile.is_tarfile(archive):
            _unpack_tar(archive, folder, progress)
        elif zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder, progress)
        else:
            raise DataCorrupted(f"{archive} is neither a tar nor a zip archive")
    except (tarfile.ReadError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataCorrupted(f"{archive} is not a whole archive: {error}") from error


def _unpack_tar(archive: Path, folder: Path, progress: bool) -> None:
    with tarfile.open(archive) as tar, _bar(archive, progress) as bar:
        for member in tar:
            try:
                tar.extract(member, folder, filter="data")
            except tarfile.FilterError as error:
                raise DataCorrupted(f"{archive} holds an unsafe member: {error}") from error
            bar.update(member.size)


def _unpack_zip(archive: Path, folder: Path, progress: bool) -> None:
    root = folder.resolve()
    with zipfile.ZipFile(archive) as bundle, _bar(archive, progress) as bar:
        for member in bundle.infolist():
            # ZipFile.extract would drop the dots silently; an archive that has them is not the official one.
            if not (root / member.filename).resolve().is_relative_to(root):
                raise DataCorrupted(f"{archive} holds an unsafe member: {member.filename!r}")
            bundle.extract(member, root)
            bar.update(member.file_size)


def _bar(archive: Path, progress: bool) -> tqdm:
    return tqdm(
        desc=f"unpacking {archive.name}", unit="B", unit_scale=True, leave=False, disable=not progress
    )
