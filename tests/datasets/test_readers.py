"""Readers: official layouts come back as they were written, and each broken file is named in one sentence."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from releases import picture, write_adbench, write_cifar10, write_mini_imagenet, write_mnist_c, write_mvtec

from diffad.datasets import (
    available_items,
    available_parts,
    content_fingerprint,
    is_available,
    load,
    load_vectors,
)
from diffad.datasets.readers.decoding import decode_pictures
from diffad.errors import DataCorrupted, DataNotFound

MVTEC = "mvtec_anomaly_detection/screw"


@pytest.fixture
def mvtec(home: Path) -> Path:
    write_mvtec(home)
    return home


@pytest.fixture
def imagenet(home: Path) -> Path:
    write_mini_imagenet(home)
    return home


def test_cifar10_is_read_plane_by_plane_and_checked(home: Path) -> None:
    write_cifar10(home)
    images = load("cifar10", "train", home)
    assert images.images.shape == (50_000, 32, 32, 3) and len(load("cifar10", "test", home)) == 10_000
    record = np.fromfile(home / "cifar-10-batches-bin" / "data_batch_3.bin", np.uint8, 3073, offset=7 * 3073)
    assert images.labels[20_007] == record[0] == 7
    assert np.array_equal(images.images[20_007], record[1:].reshape(3, 32, 32).transpose(1, 2, 0))
    path = home / "cifar-10-batches-bin" / "data_batch_2.bin"
    with open(path, "r+b") as file:
        file.write(b"\x0b")
    with pytest.raises(DataCorrupted, match="data_batch_2.bin holds a class id outside 0..9"):
        load("cifar10", "train", home)
    with open(path, "r+b") as file:
        file.truncate(10_000 * 3073 - 1)
    with pytest.raises(DataCorrupted, match="data_batch_2.bin holds 30729999 bytes.* are 30730000"):
        load("cifar10", "train", home)
    path.unlink()
    assert available_parts("cifar10", home) == ("test",)
    with pytest.raises(DataNotFound, match="data_batch_2.bin is missing.*diffad data fetch cifar10"):
        load("cifar10", "train", home)


def test_mini_imagenet_is_decoded_once_and_mapped_afterwards(imagenet: Path) -> None:
    first = load("mini-imagenet", "test", imagenet)
    assert first.images.shape == (36, 84, 84, 3) and first.class_names == ("nematode", "lion", "vase")
    name = imagenet / "mini-imagenet" / "images" / "n0212916500000004.jpg"
    with Image.open(name) as original:
        assert np.array_equal(first.images[16], np.asarray(original))
    assert first.labels[16] == 1
    caches = list((imagenet / ".cache").iterdir())
    assert len(caches) == 1
    written = caches[0].stat().st_mtime_ns
    again = load("mini-imagenet", "test", imagenet)
    assert isinstance(again.images, np.memmap) and again.fingerprint == first.fingerprint
    assert caches[0].stat().st_mtime_ns == written
    picture(999, 84).save(name)  # a changed release is decoded anew, and the outdated pixels go
    assert load("mini-imagenet", "test", imagenet).fingerprint != first.fingerprint
    assert len(list((imagenet / ".cache").iterdir())) == 1


def test_two_builders_of_one_cache_do_not_disturb_each_other(imagenet: Path) -> None:
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(load("mini-imagenet", "test", imagenet).fingerprint))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3 and len(set(results)) == 1
    assert [path.suffix for path in (imagenet / ".cache").iterdir()] == [".npy"]


def test_a_stopped_decoding_leaves_no_cache(imagenet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("diffad.datasets.readers.decoding.read_picture", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load("mini-imagenet", "test", imagenet)
    assert list((imagenet / ".cache").iterdir()) == []


def test_a_read_only_home_caches_elsewhere(
    imagenet: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (imagenet / ".cache").write_text("in the way: no folder can be made here")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "user"))
    assert len(load("mini-imagenet", "test", imagenet)) == 36
    assert len(list((tmp_path / "user" / "decoded").iterdir())) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: (f / "images" / "n0193011200000003.jpg").unlink(),
            "n0193011200000003.jpg is missing.*test.csv",
        ),
        (
            lambda f: (f / "images" / "n0193011200000003.jpg").write_bytes(b"not a jpeg"),
            "n0193011200000003.jpg is not an image",
        ),
        (
            lambda f: (f / "images" / "n0193011200000003.jpg").write_bytes(
                (f / "images" / "n0193011200000002.jpg").read_bytes()[:900]
            ),
            "n0193011200000003.jpg cannot be decoded",
        ),
        (lambda f: (f / "test.csv").write_text("name,class\n"), "test.csv must be rows of filename,label"),
        (lambda f: (f / "test.csv").write_text("filename,label\n"), "test.csv must name at least one image"),
        (lambda f: (f / "test.csv").write_text("filename,label\n../a.jpg,n1\n"), "without a folder"),
        (lambda f: (f / "test.csv").write_text("filename,label\na.jpg,n1\na.jpg,n1\n"), "each once"),
    ],
)
def test_a_broken_mini_imagenet_is_named(imagenet: Path, damage, message: str) -> None:
    damage(imagenet / "mini-imagenet")
    with pytest.raises(DataCorrupted, match=message):
        load("mini-imagenet", "test", imagenet)


def test_mvtec_is_read_with_masks_and_resized(mvtec: Path) -> None:
    train, test = (
        load("mvtec-ad/screw", "train", mvtec, side=32),
        load("mvtec-ad/screw", "test", mvtec, side=32),
    )
    assert train.images.shape == (10, 32, 32, 3) and train.masks is None and train.class_names == ("good",)
    assert test.class_names == ("good", "bent", "cut") and list(test.labels) == [0] * 4 + [1] * 3 + [2] * 2
    with Image.open(mvtec / MVTEC / "test" / "cut" / "001.png") as original:
        assert np.array_equal(test.images[8][..., 0], np.asarray(original))
    assert test.masks[8].mean() == 1 / 8 and not test.masks[:4].any()
    small = load("mvtec-ad/screw", "test", mvtec, side=8)
    assert np.abs(small.images[8, 0, 0, 0] - test.images[8, :4, :4, 0].mean()) <= 1.0  # shrunk by area means
    assert small.masks[8].mean() == 1 / 8
    assert load("mvtec-ad/screw", "test", mvtec).images.shape[1] == 256


def test_a_category_without_ground_truth_has_no_masks(mvtec: Path) -> None:
    for path in sorted((mvtec / MVTEC / "ground_truth").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (mvtec / MVTEC / "ground_truth").rmdir()
    assert load("mvtec-ad/screw", "test", mvtec, side=8).masks is None


def save_picture(path: Path, side: int, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dtype = np.uint16 if mode == "I;16" else np.uint8
    Image.fromarray(np.zeros((side, side), dtype)).convert(mode).save(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: save_picture(f / "ground_truth/bent/001_mask.png", 16),
            "001_mask.png is 16 x 16 pixels, its image 32 x 32",
        ),
        (
            lambda f: (f / "ground_truth/cut/000_mask.png").unlink(),
            "cut/000_mask.png is missing, the mask of cut/000.png",
        ),
        (lambda f: (f / "test/bent/readme.txt").write_text("hello"), "bent/readme.txt is not an image"),
        (lambda f: (f / "test/good/002.png").write_bytes(b"\x89PNG"), "good/002.png is not an image"),
        (
            lambda f: [p.unlink() for p in (f / "test/good").iterdir()],
            "test/good must hold at least one image",
        ),
        (lambda f: save_picture(f / "test/cut/001.png", 32, "I;16"), "cut/001.png has pixels of mode I;16"),
    ],
)
def test_a_broken_category_is_named(mvtec: Path, damage, message: str) -> None:
    damage(mvtec / MVTEC)
    with pytest.raises(DataCorrupted, match=message):
        load("mvtec-ad/screw", "test", mvtec)


def test_anomalies_among_the_training_images_are_refused(mvtec: Path) -> None:
    save_picture(mvtec / MVTEC / "train" / "bent" / "000.png", 32)
    with pytest.raises(DataCorrupted, match="train must hold only the folder good, found bent"):
        load("mvtec-ad/screw", "train", mvtec)


def test_official_mnist_c_is_read_and_checked(home: Path) -> None:
    write_mnist_c(home, count=12)
    fog = load("mnist-c/fog", "test", home)
    assert fog.images.shape == (12, 28, 28, 1) and available_parts("mnist-c/fog", home) == ("test",)
    folder = home / "mnist_c" / "fog"
    np.save(folder / "test_labels.npy", np.zeros(11, int))
    with pytest.raises(DataCorrupted, match="test_labels.npy must hold 12 integers"):
        load("mnist-c/fog", "test", home)
    np.save(folder / "test_labels.npy", np.full(12, 10))
    with pytest.raises(DataCorrupted, match=r"test_labels.npy holds a class id outside 0\.\.9"):
        load("mnist-c/fog", "test", home)
    np.save(folder / "test_images.npy", np.zeros((12, 28, 28)))
    with pytest.raises(DataCorrupted, match="test_images.npy must be uint8"):
        load("mnist-c/fog", "test", home)
    whole = (home / "mnist_c" / "zigzag" / "test_images.npy").read_bytes()
    (folder / "test_images.npy").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataCorrupted, match="test_images.npy is not a whole array"):
        load("mnist-c/fog", "test", home)
    np.save(folder / "test_images.npy", np.array([{"pickled": 1}]), allow_pickle=True)
    with pytest.raises(DataCorrupted, match="test_images.npy is not a whole array"):
        load("mnist-c/fog", "test", home)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.zeros((4, 2))}, "14_glass.npz is not a whole .npz with plain arrays X and y"),
        ({"X": np.zeros((4, 2)), "y": np.zeros(3)}, "must hold numbers X"),
        ({"X": np.zeros(4), "y": np.zeros(4)}, "must hold numbers X"),
        ({"X": np.array([["a"]] * 4), "y": np.zeros(4)}, "must hold numbers X"),
        ({"X": np.zeros((4, 2)), "y": np.array([0, 1, 2, 0])}, "labels 0 and 1 only"),
        ({"X": np.full((4, 2), np.nan), "y": np.zeros(4)}, "NaN or infinity"),
        ({"X": np.array([[object()]] * 4, dtype=object), "y": np.zeros(4)}, "plain arrays"),
        (None, "is not a whole .npz"),
    ],
)
def test_a_broken_table_is_named(home: Path, arrays: dict | None, message: str) -> None:
    write_adbench(home)
    path = home / "adbench" / "Classical" / "14_glass.npz"
    assert load_vectors("adbench-classical/14_glass", home).vectors.dtype == np.float32
    if arrays is None:
        path.write_bytes(path.read_bytes()[:-300])
    else:
        np.savez(path, **arrays)
    with pytest.raises(DataCorrupted, match=message) as caught:
        load_vectors("adbench-classical/14_glass", home)
    assert "14_glass.npz" in str(caught.value)


def test_a_folder_of_pictures_is_read_in_grey_or_in_colour(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for index in range(3):
        save_picture(folder / f"{index}.png", 12)
    (folder / ".hidden").write_text("passed over")
    assert load(f"folder:{folder}").images.shape == (3, 12, 12, 1)
    picture(1, 12).save(folder / "colour.jpg")
    assert load(f"folder:{folder}").images.shape == (4, 12, 12, 3)
    assert load(f"folder:{folder}", side=6).images.shape == (4, 6, 6, 3)
    assert is_available(f"folder:{folder}") and not is_available(f"folder:{tmp_path / 'other'}")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda f: (f / "notes.docx").write_text("x"), DataCorrupted, "notes.docx is not an image"),
        (lambda f: (f / "bad.png").write_text("x"), DataCorrupted, "bad.png is not an image"),
        (
            lambda f: save_picture(f / "wide.png", 13),
            DataCorrupted,
            "wide.png is 13 x 13 pixels, 0.png is 12 x 12",
        ),
        (lambda f: (f / "0.png").unlink(), DataCorrupted, "mine holds no image"),
        (lambda f: (f / "0.png").unlink() or f.rmdir(), DataNotFound, "mine is not a folder"),
    ],
)
def test_a_broken_folder_is_named(tmp_path: Path, damage, error, message: str) -> None:
    save_picture(tmp_path / "mine" / "0.png", 12)
    damage(tmp_path / "mine")
    with pytest.raises(error, match=message):
        load(f"folder:{tmp_path / 'mine'}")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load("mvtec-ad/gears"), r"mvtec-ad has one of bottle, .*; got 'mvtec-ad/gears'"),
        (lambda: load("mvtec-ad"), "mvtec-ad is read item by item, as mvtec-ad/bottle"),
        (lambda: load("mnist/3"), "mnist has nothing after the slash"),
        (lambda: load("mnist", side=32), "mnist has a size of its own; got 32"),
        (lambda: load("adbench-vit/MVTec-AD_bottle"), "load reads images"),
        (lambda: load_vectors("mnist"), "load_vectors reads an item"),
        (lambda: load("folder:/nowhere", "val"), "part of a folder must be one of train, test"),
        (lambda: is_available("imagenet"), "data set must be one of"),
    ],
)
def test_bad_names_are_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_fingerprints_follow_the_content_and_not_the_place(mvtec: Path, tmp_path: Path) -> None:
    write_mvtec(tmp_path / "copy")
    assert content_fingerprint("mvtec-ad", mvtec) == content_fingerprint("mvtec-ad", tmp_path / "copy")
    assert available_items("mvtec-ad", mvtec) == ("screw",)
    before = content_fingerprint("mvtec-ad", mvtec)
    picture(77, 32, "L").save(mvtec / MVTEC / "test" / "good" / "000.png")
    assert content_fingerprint("mvtec-ad", mvtec) != before
    with pytest.raises(DataNotFound, match="nothing of mnist-c is in the data home"):
        content_fingerprint("mnist-c", mvtec)


def test_decoding_keeps_the_order_asked_for(mvtec: Path) -> None:
    files = sorted((mvtec / MVTEC / "train" / "good").iterdir())
    forwards = decode_pictures(files, 1, (32, 32), mvtec, "forwards")
    backwards = decode_pictures(files[::-1], 1, (32, 32), mvtec, "backwards")
    assert np.array_equal(forwards, backwards[::-1])
