"""Receipts: what was fetched from where, and the hash of each file, kept beside the data.

Where no checksum is published, the receipt is the only way to notice later that a file has changed.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pooch
from pydantic import BaseModel, ConfigDict, ValidationError

from diffad.errors import DataCorrupted
from diffad.storage import publish_file

NAME = ".diffad-receipt.json"


class Receipt(BaseModel):
    """The origin of the official files of a data set, and the sha256 of each file that came of them."""

    model_config = ConfigDict(extra="forbid")

    data: str
    fetched: str
    sources: dict[str, dict[str, Any]]
    files: dict[str, str]


def read_receipt(folder: Path) -> Receipt | None:
    """Return the receipt of a data set's folder, or None where it was put there by hand.

    Raises:
        DataCorrupted: there is one, but it is not whole.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        return Receipt.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataCorrupted(f"{path} is not a whole receipt") from error


def add_receipt(folder: Path, data: str, sources: Mapping[str, Any], published: Sequence[Path]) -> None:
    """Write a receipt, or add to the one that is there.

    Args:
        folder: the data set's folder.
        data: catalog name.
        sources: what is known of each official file.
        published: files and folders that came of them; folders are listed with everything in them.
    """
    files = [file for path in published for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    hashes = {
        file.relative_to(folder).as_posix(): pooch.file_hash(str(file)) for file in files if file.is_file()
    }
    earlier = read_receipt(folder)
    receipt = Receipt(
        data=data,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
        sources={**(earlier.sources if earlier else {}), **sources},
        files={**(earlier.files if earlier else {}), **hashes},
    )
    with publish_file(folder / NAME) as partial:
        partial.write_text(json.dumps(receipt.model_dump(), indent=1, sort_keys=True), encoding="utf-8")


def changed_files(folder: Path, receipt: Receipt) -> list[str]:
    """Return the files of a receipt that are gone or have another content now."""
    return [
        name
        for name, checksum in receipt.files.items()
        if not (folder / name).is_file() or pooch.file_hash(str(folder / name)) != checksum
    ]


def has_checksum(path: Path, checksum: str | None) -> bool:
    """Return whether a file has the checksum ``"algorithm:hexadecimal"``; any file has none."""
    if checksum is None:
        return True
    algorithm, _, expected = checksum.partition(":")
    return pooch.file_hash(str(path), alg=algorithm) == expected
