"""Verifying: is what lies in the data home the official release, whole and unchanged?

Three looks: file hashes against the publisher's and against the receipt of the fetch; every item and part
through its reader, which finds truncated files, wrong counts and masks of another size; and the number of
items against the official one. The first two failing is an error; a release that is there in part is worth a
note.
"""

import gzip
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from diffad.datasets.catalog import Entry, Source, find_entry
from diffad.datasets.home import data_home
from diffad.datasets.loading import available_items, available_parts, load, load_vectors
from diffad.datasets.receipts import NAME, changed_files, has_checksum, read_receipt
from diffad.errors import DataCorrupted, DataNotFound


@dataclass
class Verification:
    """What was found in order, and what is worth knowing.

    Attributes:
        name: catalog name.
        folder: where it lies.
        checks: what was looked at and found right.
        notes: in what it differs from the whole official release without being damaged.
    """

    name: str
    folder: str
    checks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(name: str, home: Path | None = None) -> Verification:
    """Verify what is in the data home of a data set.

    Args:
        name: a catalog name.
        home: the data home; `data_home` if not given.

    Raises:
        ValueError: unknown `name`.
        DataNotFound: nothing of it is there.
        DataCorrupted: a file is damaged or has changed since it was fetched; the message names it.
    """
    home = data_home() if home is None else Path(home)
    entry, _ = find_entry(name)
    if entry.name == "folder":
        raise ValueError("a folder of your own has no official release to verify it against")
    found = Verification(entry.name, str(home / entry.folder) if entry.folder else "the scikit-learn package")
    items = available_items(entry.name, home)
    if not items and (entry.items or not available_parts(entry.name, home)):
        raise DataNotFound(
            f"{entry.name} is not in the data home {home}; fetch it with: diffad data fetch {entry.name}"
        )
    _verify_files(entry, home / entry.folder, found)
    _verify_content(entry, items, home, found)
    return found


def _verify_files(entry: Entry, folder: Path, found: Verification) -> None:
    """Compare what can be compared with the publisher's checksums and with the receipt."""
    official = [source for source in entry.sources if _is_official(source, folder)]
    if official:
        found.checks.append(f"{len(official)} files with the published checksum")
    receipt = read_receipt(folder) if entry.sources else None
    if receipt is not None:
        changed = changed_files(folder, receipt)
        if changed:
            raise DataCorrupted(
                f"{folder / changed[0]} has changed since it was fetched (see {NAME} beside it)"
            )
        found.checks.append(f"{len(receipt.files)} files as they were fetched on {receipt.fetched}")
    elif not found.checks and entry.sources:
        found.notes.append("put there by hand: no checksum of its single files is published")


def _is_official(source: Source, folder: Path) -> bool:
    """Return whether a file that is kept as published, gzipped or not, has its checksum; False if none is
    known.

    Raises:
        DataCorrupted: a checksum of its content is known and differs.
    """
    if source.top is not None or source.checksum is None:
        return False
    official, plain = folder / source.filename, folder / source.filename.removesuffix(".gz")
    if official.is_file() and has_checksum(official, source.checksum):
        return True
    for path in (official, plain):
        if path.is_file() and source.unpacked_md5 is not None:
            if _content_md5(path) != source.unpacked_md5:
                raise DataCorrupted(f"{path} does not have the official content (md5 {source.unpacked_md5})")
            return True
    return False


def _content_md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except (OSError, EOFError) as error:
        raise DataCorrupted(f"{path} cannot be read: {error}") from error
    return digest.hexdigest()


def _verify_content(entry: Entry, items: tuple[str, ...], home: Path, found: Verification) -> None:
    """Read everything that is there and compare the numbers of items with the official ones."""
    total = 0
    for name in [f"{entry.name}/{item}" for item in items] or [entry.name]:
        if entry.kind == "vectors":
            total += len(load_vectors(name, home))
            continue
        item = name.partition("/")[2]
        official = entry.item_counts.get(item, {}) if item else entry.counts
        parts = available_parts(name, home)
        for part in parts:
            count = len(load(name, part, home))
            total += count
            if count != official.get(part, count):
                found.notes.append(
                    f"{name} {part}: {count:,} images, {official[part]:,} in the official release"
                )
        found.notes += [f"{name} {part}: absent" for part in official if part not in parts]
    unit = "rows" if entry.kind == "vectors" else "images"
    found.checks.append(f"read {f'{len(items)} items, ' if items else ''}{total:,} {unit}")
    absent = [item for item in entry.items if item not in items]
    if absent:
        named = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        found.notes.append(f"{len(items)} of {len(entry.items)} items are there; absent: {named}")
