"""Fetching: official files into the data home, checked, unpacked safely, and there whole or not at all.

Files are downloaded to ``.incoming`` in the data home with pooch, checked against the catalog, unpacked
beside their place and renamed into it. A lock lets one process fetch a data set while others wait for it.
What was fetched from where, with the hash of each file, is recorded beside the data (`receipts`).
"""

import errno
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock
import pooch
import requests

from diffad.datasets.archives import unpack
from diffad.datasets.catalog import Entry, Source, find_entry
from diffad.datasets.home import data_home
from diffad.datasets.loading import available_parts, is_available
from diffad.datasets.readers.adbench import read_adbench
from diffad.datasets.receipts import add_receipt, has_checksum
from diffad.errors import DataCorrupted, DataNotFound, DiffadError
from diffad.storage import publish_file


@dataclass(frozen=True)
class Fetching:
    """How to fetch.

    Attributes:
        progress: whether to show progress bars.
        attempts: times each address is tried.
        timeout: seconds without a byte after which an address is given up.
    """

    progress: bool = True
    attempts: int = 3
    timeout: float = 30.0


def fetch(
    name: str, home: Path | None = None, accept_licence: bool = False, how: Fetching = Fetching()
) -> tuple[str, ...]:
    """Bring a data set, or one item of a set of single files, into the data home.

    A file that you placed in the data home itself, under its official name, is used instead of a download.

    Args:
        name: a catalog name, or for ADBench ``entry/item``.
        home: the data home; `data_home` if not given.
        accept_licence: that you accept the licence of a set which asks for it.
        how: progress bars, attempts and timeout.

    Returns:
        Names of the official files that were fetched; none if all was there.

    Raises:
        ValueError: unknown `name`.
        DataNotFound: no address gave the file, or none is open to the public; the message names the page, the
            file and the folder to place it in by hand.
        DataCorrupted: a file of another checksum, or an unsafe or broken archive.
        DiffadError: the licence was not accepted, the disk is full, or the data home cannot be written to.
    """
    entry, item = find_entry(name)
    home = data_home() if home is None else Path(home)
    _check_allowed(entry, home, accept_licence)
    try:
        (home / ".locks").mkdir(parents=True, exist_ok=True)
        with _lock(entry, home):
            wanted = _wanted(entry, item, home)
            _check_room(wanted, home)
            for source in wanted:
                _fetch_source(entry, source, home, how)
            return tuple(source.filename for source in wanted)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiffadError(
                f"there is no room in {home} for {entry.name}; nothing half-written was left"
            ) from error
        raise DiffadError(f"{home} cannot be written to: {error}") from error


def _check_allowed(entry: Entry, home: Path, accept_licence: bool) -> None:
    """Raise the error that says why a data set is not fetched, if there is a reason."""
    if entry.name in ("digits", "folder"):
        raise ValueError(f"{entry.name} cannot be fetched: {entry.by_hand}")
    if not entry.sources:
        raise DataNotFound(_by_hand(entry, home))
    if entry.must_accept and not accept_licence:
        raise DiffadError(
            f"{entry.title} stands under {entry.licence}: read it at {entry.page}, then pass --accept-licence"
        )


def missing(entry: Entry, home: Path) -> tuple[str, ...]:
    """Return what of `entry` is not in the data home: items for a set that has them, otherwise parts."""
    if entry.items:
        return tuple(item for item in entry.items if not is_available(f"{entry.name}/{item}", home))
    return tuple(part for part in entry.parts if part not in available_parts(entry.name, home))


def _wanted(entry: Entry, item: str | None, home: Path) -> list[Source]:
    """Return the sources that are still to be fetched."""
    sources = entry.sources
    if item is not None and len(sources) > 1:
        sources = tuple(source for source in sources if source.filename == f"{item}.npz")
    if any(source.top is not None for source in sources):
        return list(sources) if missing(entry, home) else []
    return [source for source in sources if not _is_there(source, home / entry.folder)]


def _is_there(source: Source, folder: Path) -> bool:
    """Return whether a file that is kept as published lies in its folder, gzipped or not."""
    return any((folder / name).is_file() for name in (source.filename, source.filename.removesuffix(".gz")))


def _fetch_source(entry: Entry, source: Source, home: Path, how: Fetching) -> None:
    incoming = home / ".incoming" / entry.name
    incoming.mkdir(parents=True, exist_ok=True)
    for leftover in incoming.iterdir():  # the lock is ours: whatever lies here is from a run that was killed
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    try:
        file, origin = _obtain(entry, source, home, incoming, how)
        if entry.kind == "vectors":  # no checksum is published for these, but they can be read
            read_adbench(file, f"{entry.name}/{file.stem}")
        origins = {source.filename: _origin(file, origin, source)}
        final = home / entry.folder
        if source.top is None:
            published = [_publish_file(file, source, final)]
        else:
            unpacked = incoming / "unpacked"
            unpacked.mkdir()
            unpack(file, unpacked, how.progress)
            published = _publish_contents(_contents(source, unpacked, file), final)
        add_receipt(final, entry.name, origins, published)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _obtain(entry: Entry, source: Source, home: Path, incoming: Path, how: Fetching) -> tuple[Path, str]:
    """Return the checked official file and where it came from: the data home itself, or an address."""
    placed = home / source.filename
    if placed.is_file():
        if not has_checksum(placed, source.checksum):
            raise DataCorrupted(f"{placed} does not have the official checksum {source.checksum}")
        return placed, "placed by hand"
    failures: list[str] = []
    wrong_checksums = 0
    for url in source.urls:
        try:
            return _download(url, source, incoming, how), url
        except requests.exceptions.RequestException as error:
            failures.append(f"{url}: {_reason(error, how)}")
        except ValueError:  # pooch's word for a checksum that differs
            failures.append(f"{url}: the file does not have the official checksum {source.checksum}")
            wrong_checksums += 1
    said = f"could not fetch {source.filename} ({'; '.join(failures)})"
    if wrong_checksums == len(source.urls):
        raise DataCorrupted(said)
    raise DataNotFound(
        f"{said}; by hand: get {source.filename} from {entry.page}, place it in {home} "
        "and run the command again"
    )


def _download(url: str, source: Source, incoming: Path, how: Fetching) -> Path:
    pooch.get_logger().setLevel("ERROR")  # its notices would break the progress bar
    store = pooch.create(
        path=incoming,
        base_url="",
        registry={source.filename: source.checksum},
        urls={source.filename: url},
        retry_if_failed=how.attempts - 1,
    )
    downloader = pooch.HTTPDownloader(progressbar=how.progress, chunk_size=1 << 16, timeout=how.timeout)
    return Path(store.fetch(source.filename, downloader=downloader))


def _contents(source: Source, unpacked: Path, archive: Path) -> Path:
    """Return the folder inside an unpacked archive whose members belong into the entry's folder."""
    contents = unpacked / source.top
    if not contents.is_dir():
        raise DataCorrupted(f"{archive} does not hold the folder {source.top} of the official release")
    return contents


def _publish_file(file: Path, source: Source, final: Path) -> Path:
    """Put a finished file into its folder by rename, under its official name."""
    final.mkdir(parents=True, exist_ok=True)
    with publish_file(final / source.filename) as partial:
        shutil.copyfile(file, partial)
    return final / source.filename


def _publish_contents(contents: Path, final: Path) -> list[Path]:
    """Rename a finished folder into place, or the members that a folder standing there lacks."""
    if not final.exists():
        final.parent.mkdir(parents=True, exist_ok=True)
        contents.rename(final)
        return sorted(final.iterdir())
    published = []
    for path in sorted(contents.iterdir()):
        if not (final / path.name).exists():
            published.append(path.rename(final / path.name))
    return published


def _origin(file: Path, origin: str, source: Source) -> dict[str, str | int | None]:
    """Return what the receipt says of an official file."""
    return {
        "origin": origin,
        "bytes": file.stat().st_size,
        "sha256": pooch.file_hash(str(file)),
        "published_checksum": source.checksum,
    }


def _lock(entry: Entry, home: Path) -> filelock.BaseFileLock:
    lock = filelock.FileLock(home / ".locks" / f"{entry.name}.lock")
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"another process is fetching {entry.name}; waiting for it", file=sys.stderr)
        return lock.acquire()


def _check_room(wanted: Sequence[Source], home: Path) -> None:
    needed = sum((source.size or 0) * (1.0 + source.expansion) for source in wanted)
    free = shutil.disk_usage(home).free
    if needed > free:
        raise DiffadError(f"{home} has {free / 1e9:.1f} GB free, fetching needs about {needed / 1e9:.1f} GB")


def _reason(error: requests.exceptions.RequestException, how: Fetching) -> str:
    """Say in a few words why a download failed."""
    if error.response is not None:
        return f"the server answered with status {error.response.status_code}"
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error):
        return f"nothing came for {how.timeout:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off before the end of the file"
    return "no connection"


def _by_hand(entry: Entry, home: Path) -> str:
    return (
        f"{entry.name} cannot be downloaded: {entry.by_hand}; the lists are at {entry.page}; "
        f"place them in {home / entry.folder} as {entry.layout}"
    )
