"""Protocols: disjoint by content, pure, and with labels that only finished scores unlock."""

import json
from pathlib import Path

import numpy as np
import pytest
from releases import write_adbench, write_mini_imagenet, write_mnist, write_mnist_c, write_mvtec

from diffad.datasets import Split, TestLabels, data_home, is_available, load, load_vectors
from diffad.datasets.corruptions import CORRUPTIONS, corrupt
from diffad.datasets.protocols import (
    clean_versus_corrupted,
    contaminated_one_versus_rest,
    official_split,
    one_versus_rest,
    redrawn_split,
)
from diffad.datasets.split import divide
from diffad.datasets.vector_protocols import (
    adbench_contaminated,
    adbench_published_leak,
    adbench_semi_supervised,
)

TABLE = "adbench-classical/14_glass"
SPLITS = {
    "one_versus_rest": lambda seed, home: one_versus_rest("digits", 3, seed=seed),
    "a group of classes": lambda seed, home: one_versus_rest("digits", [0, 6, 8], seed=seed),
    "split by class": lambda seed, home: one_versus_rest("mini-imagenet", 1, seed=seed, home=home),
    "contaminated": lambda seed, home: contaminated_one_versus_rest("digits", 3, 0.2, seed=seed),
    "contaminated, split by class": lambda seed, home: contaminated_one_versus_rest(
        "mini-imagenet", 1, 0.3, seed=seed, home=home
    ),
    "clean_versus_corrupted": lambda seed, home: clean_versus_corrupted("digits", per_group=20, seed=seed),
    "official MNIST-C": lambda seed, home: clean_versus_corrupted("mnist-c", seed=seed, home=home),
    "official MVTec": lambda seed, home: official_split("mvtec-ad/screw", side=16, seed=seed, home=home),
    "redrawn MVTec": lambda seed, home: redrawn_split("mvtec-ad/screw", side=16, seed=seed, home=home),
    "ADBench": lambda seed, home: adbench_semi_supervised(TABLE, seed=seed, home=home),
    "ADBench contaminated": lambda seed, home: adbench_contaminated(TABLE, 0.1, seed=seed, home=home),
}


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data home with a small release of every set; most of them repeat some items, as the real ones do."""
    home = tmp_path_factory.mktemp("home")
    write_mnist(home)
    write_mnist_c(home)
    write_mini_imagenet(home)
    write_mvtec(home)
    write_adbench(home)
    return home


def contents(items: np.ndarray) -> set[bytes]:
    return {item.tobytes() for item in items}


def answers(split: Split) -> TestLabels:
    return split.reveal(np.zeros(len(split.test)))


@pytest.fixture(params=SPLITS, ids=lambda name: name.replace(" ", "_"))
def make(request: pytest.FixtureRequest, full_home: Path):
    return lambda seed: SPLITS[request.param](seed, full_home)


def test_parts_are_disjoint_by_content(make) -> None:
    split = make(0)
    train, validation, test = contents(split.train), contents(split.validation), contents(split.test)
    assert not train & validation and not train & test and not validation & test


def test_a_split_is_a_pure_function_of_its_seed(make) -> None:
    first, again, other = make(0), make(0), make(1)
    assert first.describe() == again.describe()
    assert np.array_equal(first.train, again.train) and np.array_equal(first.test, again.test)
    assert first.fingerprint != other.fingerprint
    assert not np.array_equal(first.train, other.train)


def test_labels_come_only_for_finished_scores(make) -> None:
    split = make(0)
    count = len(split.test)
    for scores in (
        np.zeros(count - 1),
        np.zeros((count, 1)),
        np.array(["0"] * count),
        np.zeros(count, complex),
    ):
        with pytest.raises(ValueError, match=rf"scores must be real numbers of shape \({count},\)"):
            split.reveal(scores)
    unfinished = np.zeros(count)
    unfinished[[2, 5]] = np.nan, np.inf
    with pytest.raises(ValueError, match="scores must be finite, got 2"):
        split.reveal(unfinished)
    revealed = split.reveal(np.arange(count))
    assert set(np.unique(revealed.labels)) == {0, 1} and len(revealed.groups) == count
    with pytest.raises(ValueError, match="read-only"):
        revealed.labels[0] = 1


def test_no_attribute_of_a_split_gives_the_labels_away(make) -> None:
    split = make(0)
    revealed = answers(split)
    for name, value in vars(split).items():
        assert not isinstance(value, TestLabels), name
        if isinstance(value, np.ndarray) and value.shape == revealed.labels.shape:
            assert not np.array_equal(value, revealed.labels) and not np.array_equal(
                value, revealed.groups
            ), name
    # Not by position either: normals are spread over the whole test set.
    normal = np.flatnonzero(revealed.labels == 0) / len(split.test)
    assert abs(normal.mean() - 0.5) < 0.15


def test_fewer_tested_images_a_class_change_nothing_else() -> None:
    whole, fewer = one_versus_rest("digits", 3, seed=1), one_versus_rest("digits", 3, per_class=7, seed=1)
    np.testing.assert_array_equal(fewer.train, whole.train)
    np.testing.assert_array_equal(fewer.validation, whole.validation)
    labels = answers(fewer)
    _, counts = np.unique(labels.groups, return_counts=True)
    assert counts.tolist() == [7] * 10 and labels.labels.sum() == 63
    assert contents(fewer.test) <= contents(whole.test)
    again = one_versus_rest("digits", 3, per_class=7, seed=1)
    np.testing.assert_array_equal(again.test, fewer.test)


@pytest.mark.parametrize("per_class", [0, 10_000])
def test_more_test_images_than_a_class_has_are_refused(per_class: int) -> None:
    with pytest.raises(ValueError, match=f"per_class must lie in 1..[0-9]+ .*, got {per_class}"):
        one_versus_rest("digits", 3, per_class=per_class)


def test_one_versus_rest_labels_what_it_says() -> None:
    split = one_versus_rest("digits", [2, 5])
    revealed, source = answers(split), load("digits", "test")
    assert np.array_equal(split.test, source.images[revealed.indices])
    assert np.array_equal(revealed.labels == 0, np.isin(source.labels[revealed.indices], [2, 5]))
    assert np.array_equal(revealed.groups.astype(int), source.labels[revealed.indices])
    assert len(split.test) == len(source)
    normals = contents(load("digits", "train").images[np.isin(load("digits", "train").labels, [2, 5])])
    assert contents(split.train) | contents(split.validation) == normals


def test_clean_versus_corrupted_uses_other_digits_for_the_corrupted_versions(mnist_home) -> None:
    split = clean_versus_corrupted("mnist", per_group=9, seed=4, home=mnist_home)
    revealed, source = answers(split), load("mnist", "test", mnist_home).images
    clean = revealed.indices[revealed.groups == "clean"]
    assert (revealed.labels == (revealed.groups != "clean")).all()
    for name in CORRUPTIONS:
        chosen = revealed.groups == name
        indices = revealed.indices[chosen]
        assert len(set(indices)) == 9 and not set(indices) & set(clean)
        assert np.array_equal(split.test[chosen], corrupt(source[indices], name, 4, indices))
    assert np.array_equal(split.test[revealed.groups == "clean"], source[clean])


def test_content_that_is_tested_or_held_out_is_not_trained_on() -> None:
    pool = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1).repeat(4, axis=1)
    pool[20:40] = pool[:20]  # every image twice
    test = np.concatenate([pool[:5], pool[:2] + 100])  # five of them tested as well
    parts = divide(pool, np.arange(40), 0.2, test, np.random.default_rng(0))
    training, validation = (set(pool[chosen, 0, 0, 0]) for chosen in (parts.training, parts.validation))
    assert not training & validation and training | validation == set(range(5, 20))
    assert len(parts.validation) == 6 and len(parts.training) + parts.dropped["also_in_validation"] == 24
    assert parts.dropped["also_in_test"] == 10 and parts.dropped["also_in_validation"] > 0


def test_seed_changes_which_normals_are_held_out_but_not_their_number() -> None:
    sizes = {tuple(one_versus_rest("digits", 1, seed=s).describe()["sizes"].values()) for s in range(3)}
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: one_versus_rest("digits", 10), r"normal must name classes of digits in 0\.\.9, got 10"),
        (lambda: one_versus_rest("digits", [-1, 2]), r"normal must name classes of digits in 0\.\.9"),
        (lambda: one_versus_rest("digits", []), "normal must name classes"),
        (lambda: one_versus_rest("digits", range(10)), "at least one class of digits anomalous"),
        (lambda: one_versus_rest("letters", 1), "data set must be one of .*'letters'"),
        (lambda: one_versus_rest("digits", 1, seed=-2), "seed must be an integer of 0 or more, got -2"),
        (
            lambda: one_versus_rest("digits", 1, validation_fraction=1.0),
            "validation_fraction must lie between 0 and 1",
        ),
        (lambda: clean_versus_corrupted("digits", per_group=301), r"per_group must lie in 1\.\.300"),
        (lambda: clean_versus_corrupted("digits", corruptions=[]), "corruptions must be different names"),
        (lambda: clean_versus_corrupted("digits", corruptions=["frost"]), "corruptions must be .*frost"),
        (lambda: load("digits", "dev"), "part of digits must be one of train, test; got 'dev'"),
    ],
)
def test_bad_arguments_are_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_data_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("DIFFAD_DATA", str(tmp_path / "elsewhere"))
    assert data_home() == tmp_path / "elsewhere"
    monkeypatch.setenv("DIFFAD_DATA", "")
    assert data_home().name == "diffad"


def test_digits_are_always_at_hand_and_mnist_only_when_there(mnist_home, tmp_path) -> None:
    assert is_available("digits", tmp_path / "nowhere") and is_available("mnist", mnist_home)
    assert not is_available("mnist", tmp_path / "nowhere")


def test_classes_are_labelled_right_where_parts_share_none(full_home: Path) -> None:
    split = one_versus_rest("mini-imagenet", [0, 2], home=full_home)
    revealed, source = answers(split), load("mini-imagenet", "test", full_home)
    assert np.array_equal(split.test, source.images[revealed.indices])
    assert set(revealed.groups[revealed.labels == 1]) == {"lion"}
    assert set(revealed.groups[revealed.labels == 0]) == {"nematode", "vase"}
    assert (
        split.describe()["duplicates_dropped"]["also_in_test"] > 0
    )  # the release repeats images within and across classes


def test_contamination_replaces_the_share_asked_for() -> None:
    source = load("digits", "train")
    class_of = {image.tobytes(): label for image, label in zip(source.images, source.labels, strict=True)}
    clean = one_versus_rest("digits", 3)
    for rate in (0.0, 0.1, 0.5):
        split = contaminated_one_versus_rest("digits", 3, rate)
        seen = [class_of[content] for part in (split.train, split.validation) for content in map(bytes, part)]
        assert len(seen) == len(clean.train) + len(clean.validation)
        assert np.mean(np.array(seen) != 3) == pytest.approx(rate, abs=0.5 / len(seen))
    assert len(split.test) == len(clean.test)


def test_contaminants_are_not_tested(full_home: Path) -> None:
    split = contaminated_one_versus_rest("mini-imagenet", 1, 0.3, home=full_home)
    assert not contents(split.train) & contents(split.test)
    anomalous = {row.tobytes() for row in load_vectors(TABLE, full_home).vectors[50:]}
    split = adbench_contaminated(TABLE, 0.2, home=full_home)
    seen = [row.tobytes() in anomalous for part in (split.train, split.validation) for row in part]
    assert sum(seen) >= 4 and not contents(split.train) & contents(split.test)


def test_official_corrupted_digits_are_those_of_the_release(full_home: Path) -> None:
    split = clean_versus_corrupted("mnist-c", per_group=6, home=full_home)
    revealed = answers(split)
    for name in ("fog", "zigzag"):
        chosen = revealed.groups == name
        expected = load(f"mnist-c/{name}", "test", full_home).images[revealed.indices[chosen]]
        assert np.array_equal(split.test[chosen], expected)


def test_official_split_carries_masks_in_the_order_of_the_test_set(full_home: Path) -> None:
    split = official_split("mvtec-ad/screw", side=32, home=full_home)
    revealed, source = answers(split), load("mvtec-ad/screw", "test", full_home, side=32)
    assert np.array_equal(revealed.masks, source.masks[revealed.indices])
    assert np.array_equal(revealed.masks.any(axis=(1, 2)), revealed.labels == 1)
    assert set(revealed.groups) == {"good", "bent", "cut"}
    assert split.describe()["sizes"] == {"train": 8, "validation": 1, "test": 9}
    # The test part repeats a training image.
    assert split.describe()["duplicates_dropped"] == {"also_in_test": 1, "also_in_validation": 0}


def test_redrawn_split_tests_good_images_of_both_parts(full_home: Path) -> None:
    train, test = (load("mvtec-ad/screw", part, full_home, side=16) for part in ("train", "test"))
    pool = np.concatenate([train.images, test.images])
    from_training = 0
    for seed in range(4):
        split = redrawn_split("mvtec-ad/screw", side=16, seed=seed, home=full_home)
        revealed = answers(split)
        assert np.array_equal(split.test, pool[revealed.indices])
        assert (revealed.groups == "good").sum() == 4 and (revealed.labels == 1).sum() == 5
        assert np.array_equal(revealed.masks.any(axis=(1, 2)), revealed.labels == 1)
        from_training += (revealed.indices[revealed.labels == 0] < len(train)).sum()
    assert 0 < from_training < 16


def test_a_folder_of_ones_own_is_split_like_a_category(full_home: Path) -> None:
    folder = full_home / "mvtec_anomaly_detection" / "screw"
    split = official_split(f"folder:{folder}", side=16, home=full_home)
    assert split.test.shape == (9, 16, 16, 3) and set(answers(split).groups) == {"good", "bent", "cut"}


def test_adbench_splits_first_and_its_published_harness_leaks(full_home: Path) -> None:
    honest = adbench_semi_supervised(TABLE, home=full_home)
    leaky = adbench_published_leak(TABLE, home=full_home)
    assert not contents(honest.train) & contents(honest.test)
    assert contents(leaky.train) & contents(leaky.test)
    assert len(leaky.train) + len(leaky.validation) + len(leaky.test) == 1000
    revealed = answers(honest)
    assert (revealed.labels == 1).sum() == 10 and (revealed.labels == 0).sum() == 25
    assert honest.train.dtype == np.float32


def test_a_saved_split_gives_its_items_back(full_home: Path, tmp_path: Path) -> None:
    split = official_split("mvtec-ad/screw", side=16, seed=2, home=full_home)
    split.save(tmp_path / "split.npz")
    with np.load(tmp_path / "split.npz", allow_pickle=False) as saved:
        train = load("mvtec-ad/screw", "train", full_home, side=16).images
        test = load("mvtec-ad/screw", "test", full_home, side=16).images
        assert np.array_equal(train[saved["train"]], split.train)
        assert np.array_equal(train[saved["validation"]], split.validation)
        assert np.array_equal(test[saved["test"]], split.test)
        assert json.loads(str(saved["description"])) == split.describe()
    assert [path.name for path in tmp_path.iterdir()] == ["split.npz"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda home: contaminated_one_versus_rest("digits", 1, 0.6),
            r"rate must lie in 0\.\.0\.5, got 0\.6",
        ),
        (
            lambda home: adbench_contaminated(TABLE, 0.49, home=home),
            "rate 0.49 asks for 12 anomalous items, there are 10",
        ),
        (lambda home: adbench_contaminated(TABLE, 0.4, home=home), "leaves no anomaly"),
        (
            lambda home: official_split("digits", home=home),
            "name must be mvtec-ad/CATEGORY or folder:PATH, got 'digits'",
        ),
        (
            lambda home: official_split("mvtec-ad/gear", home=home),
            "mvtec-ad has one of bottle.*'mvtec-ad/gear'",
        ),
        (
            lambda home: official_split("mvtec-ad/zipper", home=home),
            "zipper.* is missing.*diffad data fetch mvtec-ad",
        ),
        (lambda home: adbench_semi_supervised("adbench-vit", home=home), "load_vectors reads an item"),
        (lambda home: adbench_semi_supervised("mnist", home=home), "load_vectors reads an item"),
        (lambda home: one_versus_rest(TABLE, 1, home=home), "load reads images"),
        (
            lambda home: one_versus_rest("mini-imagenet", 3, home=home),
            r"classes of mini-imagenet in 0\.\.2, got 3",
        ),
    ],
)
def test_bad_arguments_of_the_other_protocols_are_named(call, message: str, full_home: Path) -> None:
    with pytest.raises(ValueError, match=message):
        call(full_home)
