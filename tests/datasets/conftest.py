"""Fixtures: data homes with small releases in the official layouts."""

from pathlib import Path

import pytest
from releases import write_mnist


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty data home."""
    return tmp_path / "home"


@pytest.fixture
def mnist_home(home: Path) -> Path:
    """A data home with a small MNIST."""
    write_mnist(home)
    return home
