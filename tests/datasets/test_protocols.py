"""Protocols: disjoint by content, pure, and with labels that only finished scores unlock."""

import numpy as np
import pytest

from diffad.datasets import Split, TestLabels, data_home, is_available, load
from diffad.datasets.corruptions import CORRUPTIONS, corrupt
from diffad.datasets.protocols import clean_versus_corrupted, one_versus_rest

SPLITS = {
    "one_versus_rest": lambda seed: one_versus_rest("digits", 3, seed=seed),
    "a group of classes": lambda seed: one_versus_rest("digits", [0, 6, 8], seed=seed),
    "clean_versus_corrupted": lambda seed: clean_versus_corrupted("digits", per_group=20, seed=seed),
}


def contents(items: np.ndarray) -> set[bytes]:
    return {item.tobytes() for item in items}


def answers(split: Split) -> TestLabels:
    return split.reveal(np.zeros(len(split.test)))


@pytest.fixture(params=SPLITS, ids=lambda name: name.replace(" ", "_"))
def make(request: pytest.FixtureRequest):
    return SPLITS[request.param]


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
    for scores in (np.zeros(count - 1), np.zeros((count, 1)), np.array(["0"] * count), np.zeros(count, complex)):
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
            assert not np.array_equal(value, revealed.labels) and not np.array_equal(value, revealed.groups), name
    # Not by position either: normals are spread over the whole test set.
    normal = np.flatnonzero(revealed.labels == 0) / len(split.test)
    assert abs(normal.mean() - 0.5) < 0.15


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


def test_duplicates_are_dropped_from_the_earlier_part() -> None:
    pool = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(4, axis=1)
    pool[7] = pool[0]  # validation repeats a training item
    test = np.concatenate([pool[1:3], pool[8:9], pool[:1] + 100])  # the test set repeats two and one
    labels = TestLabels(np.array([0, 0, 1, 1]), np.array(["a", "a", "b", "b"]), np.arange(4))
    split = Split("toy", "toy", 0, {}, pool, np.arange(6), np.arange(6, 10), test, labels)
    assert sorted(split.train[:, 0, 0, 0]) == [3, 4, 5]
    assert sorted(split.validation[:, 0, 0, 0]) == [0, 6, 9]
    assert split.describe()["duplicates_dropped"] == {"train": 3, "validation": 1}


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
        (lambda: one_versus_rest("digits", 1, validation_fraction=1.0), "validation_fraction must lie between 0 and 1"),
        (lambda: clean_versus_corrupted("digits", per_group=301), r"per_group must lie in 1\.\.300"),
        (lambda: clean_versus_corrupted("digits", corruptions=[]), "corruptions must be one or more"),
        (lambda: clean_versus_corrupted("digits", corruptions=["frost"]), "corruption must be one of"),
        (lambda: load("digits", "dev"), "part must be one of train, test; got 'dev'"),
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
