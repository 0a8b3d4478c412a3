"""An experiment file becomes a whole record or none, the same one each time, and labels are revealed last."""

import copy

import numpy as np
import pytest
import torch

from diffad import experiments
from diffad.configuration import HEADLINES, Experiment
from diffad.datasets.split import Split
from diffad.errors import CheckpointError, DataNotFound, RecordError
from diffad.experiments import read_run, record_folder, run_experiment
from diffad.methods import level_name, score_diffusion
from diffad.records import RecordClaim, list_records, mismatches, read_record

CONTENT = {
    "name": "tiny",
    "title": "Tiny",
    "protocol": "clean_versus_corrupted",
    "editions": {
        "smoke": {
            "dataset": "digits",
            "protocol_parameters": {"per_group": 12, "corruptions": ["impulse_noise", "stripe"]},
            "model": {
                "network_parameters": {"image_size": 8, "channels": 1, "size": "tiny"},
                "num_steps": 50,
            },
            "training": {"num_updates": 4, "batch_size": 8, "checkpoint_every": 2, "validate_every": 2},
            "scoring": {
                "levels": [0.1, 0.4],
                "calibration_images": 20,
                "partial_diffusion": {"start": 0.3, "num_steps": 2},
            },
            "baselines": ["iforest"],
        }
    },
}


def experiment(**changes):
    """The tiny experiment with keys of its edition changed."""
    content = copy.deepcopy(CONTENT)
    content["editions"]["smoke"] |= changes
    return Experiment.model_validate(content)


def run(folder, **changes):
    return run_experiment(experiment(**changes), "smoke", folder / "results", folder / "work", progress=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of one finished run, and its record; tests only read it."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, run(folder)


def test_the_record_is_whole(finished):
    folder, record = finished
    assert [path.relative_to(folder).as_posix() for path in list_records(folder)] == ["results/tiny/smoke"]
    stored, scores = read_record(folder / "results/tiny/smoke")
    assert stored == record and not mismatches(stored, scores)
    methods = {"one_step", "partial_diffusion", "iforest", level_name(0.1), level_name(0.4)}
    methods |= set(HEADLINES)
    assert set(scores.by_method) == methods == set(record.nfe)
    assert set(scores.groups) == {"clean", "impulse_noise", "stripe"} and len(scores.labels) == 36
    assert all(len(np.unique(values)) > 10 for values in scores.by_method.values()), "a constant score"
    np.testing.assert_array_equal(scores.by_method["one_step"], scores.by_method[level_name(0.1)])
    assert record.edition == "smoke" and record.seeds == {"split": 0, "training": 0, "baselines": 0}
    assert {"split", "ddpm/train", "ddpm/score", "iforest/fit and score"} <= set(record.wall_seconds)


def test_the_nfe_are_those_of_the_scorers(finished):
    _, record = finished
    assert record.nfe["one_step"] == 2 and record.nfe["partial_diffusion"] == 2 and record.nfe["iforest"] == 0
    assert {record.nfe[name] for name in HEADLINES} == {4}


def test_a_run_is_read_back_with_its_model_and_its_scores_follow_from_it(finished):
    folder, record = finished
    found = read_run(folder / "results/tiny/smoke")
    assert found.record == record and found.history.update == [2, 4]
    edition = experiment().edition("smoke")
    split = experiments.make_split(experiment(), edition)
    again = score_diffusion(found.model, split, edition.scoring, progress=False)
    for name, values in again.by_method.items():
        np.testing.assert_array_equal(values, found.scores.by_method[name], err_msg=name)


def test_checkpoints_are_removed_once_the_record_stands(finished):
    folder, _ = finished
    assert not list((folder / "work").iterdir())


def test_a_second_run_gives_the_same_scores(finished, tmp_path):
    _, record = finished
    torch.manual_seed(5)
    np.random.seed(5)
    again = run(tmp_path)
    assert again.scores_sha256 == record.scores_sha256 and again.metrics == record.metrics
    assert run(tmp_path).scores_sha256 == record.scores_sha256  # in the same folder: it may be run again


def test_another_run_is_refused_before_it_trains_and_never_replaces_the_record(finished, monkeypatch):
    folder, record = finished
    monkeypatch.setattr(experiments, "fit", lambda *_: pytest.fail("it trained"))
    with pytest.raises(RecordError, match="of another run"):
        run(folder, seed=1)
    assert read_record(folder / "results/tiny/smoke")[0] == record


class Killed(BaseException):
    """Stands for a kill."""


def die(*_, **__):
    raise Killed


PLACES = {
    "in training": (experiments, "fit"),
    "in scoring": (experiments, "score_diffusion"),
    "in a baseline": (experiments, "score_baseline"),
    "before publishing": (RecordClaim, "write"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_run_leaves_no_record_and_can_be_run_again(finished, tmp_path, monkeypatch, place):
    monkeypatch.setattr(*PLACES[place], die)
    with pytest.raises(Killed):
        run(tmp_path)
    assert list_records(tmp_path) == []
    monkeypatch.undo()
    assert run(tmp_path).scores_sha256 == finished[1].scores_sha256


def test_labels_are_revealed_last_and_only_for_finished_scores(tmp_path, monkeypatch):
    events = []
    for module, name in (
        (experiments, "fit"),
        (experiments, "score_diffusion"),
        (experiments, "score_baseline"),
    ):
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, real=real, name=name, **k: (real(*a, **k), events.append(name))[0]
        )
    real_reveal = Split.reveal
    monkeypatch.setattr(
        Split, "reveal", lambda self, scores: (events.append("reveal"), real_reveal(self, scores))[1]
    )
    run(tmp_path)
    first = events.index("reveal")
    assert events[:first] == ["fit", "score_diffusion", "score_baseline"] and set(events[first:]) == {
        "reveal"
    }


def test_old_checkpoints_of_other_settings_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "score_diffusion", die)
    with pytest.raises(Killed):
        run(tmp_path)
    training = CONTENT["editions"]["smoke"]["training"] | {"learning_rate": 5e-4}
    with pytest.raises(CheckpointError, match="learning_rate"):
        run(tmp_path, training=training)


def test_a_missing_data_set_says_how_to_fetch_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFAD_DATA", str(tmp_path / "empty"))
    with pytest.raises(DataNotFound, match="diffad data fetch mnist"):
        run(tmp_path, dataset="mnist")
    assert list_records(tmp_path) == []


@pytest.mark.parametrize("parameters", [{"per_groups": 3}, {"seed": 3}, {"name": "mnist"}])
def test_an_unknown_key_of_the_protocol_is_refused_by_its_name(tmp_path, parameters):
    with pytest.raises(ValueError, match=f"protocol_parameters: .*{next(iter(parameters))}"):
        run(tmp_path, protocol_parameters=parameters)


def test_an_unwritable_folder_is_refused_before_training(tmp_path, monkeypatch):
    (tmp_path / "results").write_text("a file")
    monkeypatch.setattr(experiments, "fit", lambda *_: pytest.fail("it trained"))
    with pytest.raises(ValueError, match="cannot write in .*results"):
        run(tmp_path)


def test_images_that_the_network_is_not_made_for_are_refused(tmp_path):
    model = {"network_parameters": {"image_size": 16, "channels": 1, "size": "tiny"}, "num_steps": 50}
    with pytest.raises(ValueError, match=r"inputs: got images of .* \(8, 8, 1\), expected \(16, 16, 1\)"):
        run(tmp_path, model=model)


CELLS = {"stripes": {"corruptions": ["stripe"]}, "dots": {"corruptions": ["impulse_noise"]}}


def test_each_cell_has_its_own_split_and_record(tmp_path):
    celled = experiment(cells=CELLS)
    for cell in CELLS:
        assert not experiments.is_recorded(celled, "smoke", tmp_path, cell)
        run_experiment(celled, "smoke", tmp_path, None, progress=False, cell=cell)
    folders = [record_folder(celled, "smoke", tmp_path, cell) for cell in sorted(CELLS)]
    assert list_records(tmp_path) == folders and folders[0] == tmp_path / "tiny/smoke/dots"
    record, scores = read_record(folders[0])
    assert set(scores.groups) == {"clean", "impulse_noise"} and record.name == "tiny-smoke-dots"
    assert record.experiment["protocol_parameters"] == {"per_group": 12, "corruptions": ["impulse_noise"]}
    assert experiments.is_recorded(celled, "smoke", tmp_path, "dots")


@pytest.mark.parametrize(
    ("cells", "cell", "message"),
    [
        (CELLS, None, "got None, expected one of stripes, dots"),
        (CELLS, "dot", "got 'dot'"),
        ({}, "dots", "got 'dots', expected none"),
    ],
)
def test_a_cell_that_is_not_there_is_refused(tmp_path, cells, cell, message):
    with pytest.raises(ValueError, match=f"cell: {message}"):
        run_experiment(experiment(cells=cells), "smoke", tmp_path, None, progress=False, cell=cell)


def test_a_cell_changes_single_keys_of_its_edition():
    cells = {
        "fast": {
            "per_group": 3,
            "training": {"num_updates": 7},
            "model": {"network_parameters": {"size": "mini"}},
        },
        "plain": {"baselines": []},
    }
    edition = experiment(cells=cells).edition("smoke")
    fast, plain = edition.of_cell("fast"), edition.of_cell("plain")
    assert fast.training.num_updates == 7 and fast.training.batch_size == edition.training.batch_size
    assert fast.model.network_parameters == edition.model.network_parameters | {"size": "mini"}
    assert fast.protocol_parameters == edition.protocol_parameters | {"per_group": 3}
    assert plain.baselines == () and plain.model == edition.model and not plain.cells


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"num_updates": 0}}, "cells.bad.training.num_updates: .*greater"),
        ({"model": {"network_parameters": {"widht": 3}}}, "cells.bad.*widht"),
        ({"scoring": 3}, "cells.bad.scoring: got 3"),
        ({"baselines": ["oracle"]}, "cells.bad.*oracle"),
    ],
)
def test_a_change_that_is_refused_names_its_cell(change, message):
    with pytest.raises(ValueError, match=message):
        experiment(cells={"bad": change})


def test_scores_do_not_depend_on_the_number_of_threads(tmp_path):
    records, threads = [], torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            records.append(
                run_experiment(experiment(), "smoke", tmp_path / str(number), None, progress=False)
            )
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert records[0].scores_sha256 == records[1].scores_sha256


def test_a_cell_with_a_data_set_of_its_own_is_split_from_it():
    edition = experiment(cells={"other": {"dataset": "fashion-mnist"}}).edition("smoke")
    with pytest.raises(DataNotFound, match="fashion-mnist"):
        experiments.make_split(experiment(), edition, "other")
