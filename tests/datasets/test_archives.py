"""Archives that are not the official ones: refused, with nothing written outside the data home."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from server import QUIET, leftovers

from diffad.datasets.fetching import fetch
from diffad.errors import DataCorrupted


def unsafe_tar(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("cifar-10-batches-bin/../../../escaped.txt")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"boo!"))


def unsafe_link(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)


def unsafe_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("cifar-10-batches-bin/../../../../escaped.txt", "boo!")


def other_content(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("something-else"))


def half_an_archive(path: Path) -> None:
    unsafe_link(path)
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (unsafe_tar, "holds an unsafe member"),
        (unsafe_link, "holds an unsafe member"),
        (unsafe_zip, r"holds an unsafe member: .*escaped.txt"),
        (other_content, "does not hold the folder cifar-10-batches-bin"),
        (half_an_archive, "is n.*archive"),
    ],
)
def test_bad_archives_are_refused_and_nothing_escapes(write, message, offer, home, server, tmp_path) -> None:
    write(server.folder / "cifar-10-binary.tar.gz")
    offer("cifar10")
    with pytest.raises(DataCorrupted, match=message):
        fetch("cifar10", home, how=QUIET)
    assert leftovers(home) == [] and not list(tmp_path.rglob("escaped.txt"))
