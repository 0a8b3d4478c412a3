"""Fixtures: data homes with small releases in the official layouts."""

from dataclasses import replace
from pathlib import Path

import pooch
import pytest
from releases import write_mnist
from server import serving

from diffad.datasets import CATALOG


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty data home."""
    return tmp_path / "home"


@pytest.fixture
def mnist_home(home: Path) -> Path:
    """A data home with a small MNIST."""
    write_mnist(home)
    return home


@pytest.fixture
def server(tmp_path: Path):
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as running:
        yield running


@pytest.fixture
def offer(server, monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes the catalog's entry point at files of the local server."""

    def point(name: str, manner: str = "good", checksums: bool = True) -> None:
        sources = []
        for source in CATALOG[name].sources:
            file = server.folder / source.filename
            if file.is_file():
                checksum = f"sha256:{pooch.file_hash(str(file))}" if checksums else None
                urls = tuple(f"{server.url}/{each}/{source.filename}" for each in manner.split())
                size = file.stat().st_size
                sources.append(replace(source, urls=urls, size=size, checksum=checksum, unpacked_md5=None))
        monkeypatch.setitem(CATALOG, name, replace(CATALOG[name], sources=tuple(sources)))

    return point
