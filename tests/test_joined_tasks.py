"""Records of one task are joined only where they test the same images, and their methods keep apart."""

import numpy as np
import pytest

from diffad.errors import RecordError
from diffad.joined_tasks import (
    DATA_SETS,
    DataSet,
    add_comparisons,
    common_methods,
    evaluate_joined,
    find_data_set,
    join_task,
    joined_tasks,
)
from diffad.records import DataDescription, EvaluationSettings, RunScores, new_record, write_record
from diffad.tasks import evaluate_tasks

DATA = DataSet("x", "X", ("plain", "transformer"), "x")
LABELS = np.repeat([0, 1, 1], 10)
GROUPS = np.repeat(["clean", "fog", "zigzag"], 10)


def write(
    folder, network="unet", seed=0, baselines=("iforest",), split="f", labels=LABELS, fingerprint="d", **more
):
    """A small record of a network and baselines; every baseline's scores depend on its name alone."""
    scores = {"one_step": np.random.default_rng(seed).normal(labels)}
    scores |= {name: np.random.default_rng(len(name)).normal(size=len(labels)) for name in baselines} | more
    scores = RunScores(labels, GROUPS, scores)
    record = new_record(
        scores,
        name=f"{folder.parent.name}-{folder.name}",
        experiment={"model": {"network": network}, "baselines": [*baselines]},
        edition="cpu",
        data=DataDescription(name="digits", fingerprint=fingerprint, split={"fingerprint": split}),
        seeds={},
        wall_seconds={},
        nfe={},
        evaluation=EvaluationSettings(num_resamples=5),
    )
    return write_record(record, scores, folder)


def test_networks_are_told_apart_and_baselines_are_shared(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b", "dit", seed=1, baselines=("iforest", "autoencoder"))
    task = join_task("task", [tmp_path / "a", tmp_path / "b"])
    assert list(task.scores.by_method) == ["unet/one_step", "iforest", "dit/one_step", "autoencoder"]
    assert task.sources["iforest"] == (tmp_path / "a", "iforest")
    assert task.sources["dit/one_step"] == (tmp_path / "b", "one_step")
    assert set(task.records) == {tmp_path / "a", tmp_path / "b"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": "other"}, "its split differs"),
        ({"fingerprint": "other"}, "its data differs"),
        ({"labels": np.repeat([0, 1, 0], 10)}, "its labels differ"),
        ({"network": "unet", "seed": 3}, "scores of 'unet/one_step' differ"),
        ({"iforest": np.arange(30.0)}, "scores of 'iforest' differ"),
    ],
)
def test_records_of_other_images_or_other_scores_are_not_joined(tmp_path, change, words):
    write(tmp_path / "a")
    write(tmp_path / "b", **({"network": "dit", "seed": 1} | change))
    with pytest.raises(RecordError, match=words) as caught:
        join_task("task", [tmp_path / "a", tmp_path / "b"])
    assert str(tmp_path / "b") in str(caught.value)


def test_tasks_are_found_in_both_folders_and_joined_by_their_cell(tmp_path):
    for cell in ("cat", "dog"):
        write(tmp_path / "plain" / "cpu" / cell)
    write(tmp_path / "transformer" / "cpu" / "cat", "dit", seed=1)
    found = joined_tasks(DATA, tmp_path)
    assert list(found) == ["cat", "dog"]
    assert "dit/one_step" in found["cat"].scores.by_method
    assert common_methods(found.values()) == ["unet/one_step", "iforest"]
    assert joined_tasks(DATA, tmp_path / "nowhere") == {} and joined_tasks(DATA, tmp_path, "gpu") == {}


def test_tasks_are_evaluated_as_tasks_and_groups_as_groups(tmp_path):
    write(tmp_path / "plain" / "cpu")
    groups = DataSet("x", "X", ("plain",), "x", tasks="groups")
    found = joined_tasks(groups, tmp_path)
    assert list(found) == ["X"]
    assert evaluate_joined(groups, found).groups == ["fog", "zigzag"]
    assert evaluate_joined(DATA, found, ["iforest"]).groups == ["X"]
    expected = evaluate_tasks({"X": found["X"].scores}, ["iforest"])
    np.testing.assert_array_equal(evaluate_joined(DATA, found, ["iforest"]).replicates, expected.replicates)
    with pytest.raises(ValueError, match="methods: got 'dit/one_step'"):
        evaluate_joined(groups, found, ["dit/one_step"])
    with pytest.raises(ValueError, match="got 2 records of x"):
        evaluate_joined(groups, found | {"Y": found["X"]}, ["iforest"])


def test_data_sets_have_names_of_their_own():
    assert len({each.key for each in DATA_SETS}) == len(DATA_SETS)
    folders = [name for each in DATA_SETS for name in each.folders]
    assert len(folders) == len(set(folders))


def write_comparison(folder, model, labels=LABELS, split="f"):
    """A comparison that asked the model of the record `model`."""
    scores = RunScores(labels, GROUPS, {"best": np.random.default_rng(9).normal(labels)})
    record = new_record(
        scores,
        name=f"presets-cpu-{folder.name}",
        experiment={"comparison": "presets", "record_of_model": model.content_hash},
        edition="cpu",
        data=DataDescription(name="digits", fingerprint="d", split={"fingerprint": split}),
        seeds={},
        wall_seconds={},
        nfe={"best": 20},
        evaluation=EvaluationSettings(num_resamples=5),
    )
    return write_record(record, scores, folder)


def test_a_comparison_is_added_to_the_model_that_it_asked_and_to_no_other(tmp_path):
    write(tmp_path / "plain" / "cpu" / "cat")
    write(tmp_path / "plain" / "cpu" / "dog", seed=2)
    model = write(tmp_path / "transformer" / "cpu" / "cat", "dit", seed=1)
    tasks = joined_tasks(DATA, tmp_path)
    folder = tmp_path / "presets" / "cpu"
    assert add_comparisons(tasks, folder) == tasks  # nothing was asked yet
    write_comparison(folder / "any-name", model)
    write_comparison(folder / "elsewhere", model.model_copy(update={"content_hash": "0" * 64}))
    asked = add_comparisons(tasks, folder)
    assert asked["cat"].sources["dit/best"] == (folder / "any-name", "best")
    assert list(asked["cat"].scores.by_method) == [*tasks["cat"].scores.by_method, "dit/best"]
    assert asked["dog"] == tasks["dog"] and "dit/best" not in tasks["cat"].scores.by_method


@pytest.mark.parametrize(
    ("change", "words"),
    [({"split": "other"}, "its split differs"), ({"labels": np.repeat([0, 1, 0], 10)}, "its labels differ")],
)
def test_a_comparison_on_other_images_is_refused(tmp_path, change, words):
    model = write(tmp_path / "plain" / "cpu" / "cat")
    write_comparison(tmp_path / "presets" / "cat", model, **change)
    with pytest.raises(RecordError, match=f"presets/cat cannot be joined with .*{words}"):
        add_comparisons(joined_tasks(DATA, tmp_path), tmp_path / "presets")


def test_a_data_set_is_found_by_its_key_or_refused_by_name():
    assert [find_data_set(each.key) for each in DATA_SETS] == list(DATA_SETS)
    with pytest.raises(ValueError, match="key: got 'mnist', expected one of mnist-c, cifar10"):
        find_data_set("mnist")
