"""Copies, look-alikes and the leak are found where they were planted, and only there."""

from pathlib import Path

import numpy as np
import pytest
from releases import write_adbench, write_mini_imagenet, write_mnist
from scipy import ndimage

from diffad.datasets import CATALOG
from diffad.datasets.corruptions import CORRUPTIONS
from diffad.datasets.duplicates import count_copies, nearest_copies
from diffad.datasets.overview import (
    catalog_table,
    copies_table,
    corruption_table,
    image_sets_at_hand,
    leak_table,
)


def scenes(count: int, seed: int) -> np.ndarray:
    """Smooth random colour images (count, 32, 32, 3)."""
    noise = np.random.default_rng(seed).normal(size=(count, 32, 32, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 4, 4, 0))
    return np.clip(128 + 600 * smooth, 0, 255).astype(np.uint8)


def test_copies_are_counted_within_and_between_parts() -> None:
    items = np.arange(12, dtype=np.uint8).reshape(6, 2)
    parts = {"train": items[[0, 1, 1, 1, 2]], "test": items[[2, 3, 3, 4]]}
    assert count_copies(parts) == {"train": 2, "test": 1, "between parts": 1}


def test_a_changed_copy_is_found_and_a_stranger_is_not() -> None:
    train = scenes(50, seed=1)
    shifted = np.roll(train[7], 1, axis=1)
    darker = (train[30] * 0.6 + 10).astype(np.uint8)
    flat = np.full_like(train[0], 90)
    tested = np.stack([shifted, darker, scenes(1, seed=2)[0], flat])
    similarity, nearest = nearest_copies(tested, train)
    assert list(nearest[:2]) == [7, 30] and (similarity[:2] > 0.95).all()
    assert similarity[2] < 0.9 and similarity[3] == 0.0
    with pytest.raises(ValueError, match="images of one shape"):
        nearest_copies(tested, train[:, :16])


def test_planted_copies_appear_in_the_table(home: Path) -> None:
    write_mini_imagenet(home)
    write_adbench(home)
    write_mnist(home)
    table = copies_table(["mini-imagenet", "adbench-classical/14_glass", "mnist"], home)
    assert table.loc["mini-imagenet", "copies"] == 6
    assert table.loc["adbench-classical/14_glass", "copies"] == 10
    assert table.loc["adbench-classical/14_glass", "shared"] == 1
    assert table.loc["mnist", "copies"] == 0
    assert image_sets_at_hand(home) == ["digits", "mnist", "mini-imagenet"]


def test_the_leak_helps_a_nearest_neighbour_detector(home: Path) -> None:
    folder = home / "adbench" / "CV_by_ViT"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [80, 20])
    # Normals and anomalies of one distribution: an honest detector is at chance.
    np.savez(folder / "MVTec-AD_wood.npz", X=rng.normal(size=(100, 20)), y=labels)
    np.savez(folder / "MVTec-AD_tile.npz", X=rng.normal(size=(1000, 3)), y=np.arange(1000) % 2)
    table = leak_table("adbench-vit", home=home)
    assert list(table["set"]) == ["MVTec-AD_wood"]  # the harness leaves larger sets alone
    assert table["repeated"][0] > 0.9 and table["leaking"][0] > 0.8 and abs(table["honest"][0] - 0.5) < 0.2


def test_the_tables_cover_the_catalog_and_the_corruptions() -> None:
    assert list(catalog_table().index) == [entry.title for name, entry in CATALOG.items() if name != "folder"]
    assert catalog_table().loc["MVTec-AD", "download"] == "5.3 GB"
    table = corruption_table({"grey": np.full((3, 28, 28, 1), 100, np.uint8)})
    assert len(table) == len(CORRUPTIONS) and table["what it does"].str.endswith((".", ")")).all()
    assert table.loc["brightness", "grey"] == pytest.approx(128, abs=1)
