"""Small releases in the official layouts, so that no test depends on a download."""

import csv
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image

from diffad.datasets.corruptions import CORRUPTIONS, corrupt


def idx_bytes(array: np.ndarray) -> bytes:
    """Return `array` (uint8) as an IDX file."""
    header = [0x0800 | array.ndim, *array.shape]
    return np.array(header, dtype=">u4").tobytes() + array.tobytes()


def write_mnist(home: Path, folder: str = "MNIST") -> None:
    """Write 80 training and 40 test images: noisy rectangles that differ by class."""
    raw = home / folder / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(5)
    for stem, per_class in (("train", 8), ("t10k", 4)):
        classes = rng.permutation(np.repeat(np.arange(10), per_class)).astype(np.uint8)
        images = np.zeros((len(classes), 28, 28), np.uint8)
        for image, digit in zip(images, classes, strict=True):
            image[4 + digit : 18, 6 : 12 + digit] = rng.integers(90, 256, (14 - digit, 6 + digit))
        (raw / f"{stem}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (raw / f"{stem}-labels-idx1-ubyte").write_bytes(idx_bytes(classes))


def write_mnist_c(home: Path, count: int = 40) -> None:
    """Write the test arrays of an MNIST-C release with as many digits as `write_mnist` writes."""
    rng = np.random.default_rng(6)
    clean = np.zeros((count, 28, 28, 1), np.uint8)
    clean[:, 8:20, 8:20] = rng.integers(90, 256, (count, 12, 12, 1))
    for name in ("identity", *CORRUPTIONS):
        folder = home / "mnist_c" / name
        folder.mkdir(parents=True)
        np.save(folder / "test_images.npy", corrupt(clean, name, seed=9))
        np.save(folder / "test_labels.npy", np.arange(count) % 10)


def picture(seed: int, side: int, mode: str = "RGB") -> Image.Image:
    """Return a picture of smooth noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def write_mini_imagenet(home: Path, per_class: int = 12) -> None:
    """Write a test split of three classes, each with one image twice under two names."""
    folder = home / "mini-imagenet"
    (folder / "images").mkdir(parents=True)
    rows = [("filename", "label")]
    for number, wordnet_id in enumerate(("n01930112", "n02129165", "n04522168")):
        for index in range(per_class):
            name = f"{wordnet_id}{index:08d}.jpg"
            # The last image of a class repeats its first, and the one before it the first of the next class.
            repeated = {per_class - 1: (number, 0), per_class - 2: ((number + 1) % 3, 0)}
            source_class, source = repeated.get(index, (number, index))
            picture(100 * source_class + source, 84).save(folder / "images" / name)
            rows.append((name, wordnet_id))
    with open(folder / "test.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_mvtec(home: Path, category: str = "screw", side: int = 32) -> None:
    """Write a category with two defect types and their masks."""
    root = home / "mvtec_anomaly_detection" / category
    for folder, count in (("train/good", 10), ("test/good", 4), ("test/bent", 3), ("test/cut", 2)):
        (root / folder).mkdir(parents=True)
        for index in range(count):
            seed = crc32(f"{folder}{index}".encode())
            picture(seed, side, "L").save(root / folder / f"{index:03d}.png")
    picture(crc32(b"train/good0"), side, "L").save(root / "test/good/003.png")  # a training image, tested
    for kind, count in (("bent", 3), ("cut", 2)):
        (root / "ground_truth" / kind).mkdir(parents=True)
        for index in range(count):
            mask = np.zeros((side, side), np.uint8)
            mask[: side // 2, : side // 4] = 255
            Image.fromarray(mask).save(root / "ground_truth" / kind / f"{index:03d}_mask.png")


def write_adbench(home: Path) -> None:
    """Write a table of 60 rows, some of them repeated, under one name of each ADBench folder."""
    rng = np.random.default_rng(8)
    vectors = rng.normal(size=(60, 5))
    labels = np.repeat([0, 1], [50, 10])
    vectors[50:] += 3.0
    vectors[20:30] = vectors[:10]  # normals that repeat normals
    vectors[59] = vectors[0]  # an anomaly that repeats a normal
    for folder, name in (
        ("Classical", "14_glass"),
        ("CV_by_ResNet18", "CIFAR10_0"),
        ("CV_by_ViT", "MVTec-AD_bottle"),
    ):
        (home / "adbench" / folder).mkdir(parents=True)
        np.savez(home / "adbench" / folder / f"{name}.npz", X=vectors, y=labels)


def write_cifar10(home: Path) -> None:
    """Write the six batch files at their full size; all but the first 20 records of each are black
    airplanes.
    """
    folder = home / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        records = rng.integers(0, 256, (20, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(20) % 10
        with open(folder / name, "wb") as file:
            file.write(records.tobytes())
            file.truncate(10_000 * 3073)  # sparse: takes no room on the disk
