"""The two networks' budgets and scores side by side, from records that test the same images."""

import json

import numpy as np
import pytest

from diffad import task_tables, two_networks
from diffad.bootstrap import Interval
from diffad.errors import RecordError
from diffad.evaluation import MEAN_OVER_GROUPS
from diffad.joined_tasks import DataSet, evaluate_joined, joined_tasks
from diffad.records import DataDescription, EvaluationSettings, RunScores, new_record, write_record
from diffad.tables import one_line, verdict
from diffad.tasks import evaluate_tasks

DATA = DataSet("x", "X", ("plain", "transformer"), "x")
LABELS = np.repeat([0, 1], 40)
NETWORK_PARAMETERS = {
    "unet": {"image_size": 8, "channels": 1},
    "dit": {"image_size": 8, "channels": 1, "size": "mini", "patch": 2},
}
SEPARATION = {"unet": 2.0, "dit": 0.5}  # of anomalous from normal scores, in standard deviations


@pytest.fixture
def results_folder(tmp_path):
    for cell in ("cat", "dog"):
        for name, network in zip(DATA.folders, NETWORK_PARAMETERS, strict=True):
            folder = tmp_path / name / "cpu" / cell
            noise = np.random.default_rng(len(network)).normal(size=LABELS.size)
            by_method = dict.fromkeys(("one_step", "denoiser_profile"), SEPARATION[network] * LABELS + noise)
            scores = RunScores(LABELS, np.where(LABELS, "other", cell), by_method)
            record = new_record(
                scores,
                name=f"{name}-{cell}",
                experiment={
                    "model": {"network": network, "network_parameters": NETWORK_PARAMETERS[network]},
                    "training": {"num_updates": 5 if network == "unet" else 20, "batch_size": 3},
                },
                edition="cpu",
                data=DataDescription(name="digits", fingerprint="d", split={"fingerprint": cell}),
                seeds={},
                wall_seconds={"ddpm/train": 60.0 if cell == "cat" else 180.0, "ddpm/score": 30.0},
                nfe={},
                evaluation=EvaluationSettings(num_resamples=5),
            )
            write_record(record, scores, folder)
            (folder / "training.json").write_text(json.dumps({"validation_loss": [0.9, 0.25]}))
    return tmp_path


def test_the_budget_counts_images_operations_and_mean_minutes(results_folder):
    table = two_networks.budget_table(joined_tasks(DATA, results_folder))
    assert list(table.index) == ["U-Net", "DiT"]
    assert list(table["images seen"]) == [15, 60] and (table["noise error on held-out normals"] == 0.25).all()
    assert (table["training, min a task"] == 2).all() and (table["scoring, min a task"] == 0.5).all()
    assert (table[two_networks.OPERATIONS] > 0).all()


def test_a_network_that_some_tasks_lack_has_no_row(results_folder):
    (results_folder / "transformer" / "cpu" / "dog" / "record.json").unlink()
    assert list(two_networks.budget_table(joined_tasks(DATA, results_folder)).index) == ["U-Net"]


@pytest.mark.parametrize("content", [None, "{", "{}", '{"validation_loss": []}', "[]"])
def test_a_damaged_history_is_one_clear_error(results_folder, content):
    path = results_folder / "plain" / "cpu" / "dog" / "training.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(RecordError, match="dog/training.json is missing or not a training history"):
        two_networks.budget_table(joined_tasks(DATA, results_folder))


def test_the_better_network_wins_every_task_and_the_table_agrees_with_the_evaluation(results_folder):
    ways = ["one_step", "denoiser_profile"]
    results = evaluate_joined(DATA, joined_tasks(DATA, results_folder), two_networks.qualified(ways))
    table = two_networks.network_table(results, ways)
    assert list(table["tasks for U-Net / tied / for DiT"]) == ["2 / 0 / 0"] * 2
    differences = two_networks.network_differences(results, ways)
    assert differences["one_step"] == results.difference(
        "auroc", "unet/one_step", "dit/one_step", MEAN_OVER_GROUPS
    )
    assert table["U-Net minus DiT, points"].iloc[0] == one_line(differences["one_step"].percent())
    assert "both intervals leave zero out" in two_networks.told_apart(differences)


@pytest.mark.parametrize(
    ("plain", "profile", "words"),
    [
        ((-0.1, 0.1), (-0.2, 0.1), "neither interval"),
        ((0.1, 0.2), (-0.2, 0.1), "one of the two"),
        ((0.1, 0.2), (-0.2, -0.1), "both intervals"),
    ],
)
def test_told_apart_reads_the_intervals(plain, profile, words):
    intervals = [Interval(sum(each) / 2, *each) for each in (plain, profile)]
    differences = dict(zip(("one_step", "denoiser_profile"), intervals, strict=True))
    assert words in two_networks.told_apart(differences)


def test_verdicts_compare_each_method_with_each_reference(results_folder):
    tasks = joined_tasks(DATA, results_folder)
    results = evaluate_joined(DATA, tasks, ["unet/one_step", "dit/one_step"])
    table = task_tables.verdict_table(
        results, ["unet/one_step"], {"best of all": "dit/one_step", "itself": "unet/one_step"}
    )
    difference = results.difference("auroc", "unet/one_step", "dit/one_step", MEAN_OVER_GROUPS)
    assert list(table["C1: diffusion is better"]) == [verdict(difference), "cannot be told"]
    assert table["against"].iloc[0].startswith("best of all: ")


def test_references_that_are_one_method_share_a_row_and_a_task_can_be_judged_alone(results_folder):
    results = evaluate_joined(DATA, joined_tasks(DATA, results_folder), ["unet/one_step", "dit/one_step"])
    references = {"best of three": "dit/one_step", "best of all": "dit/one_step"}
    table = task_tables.verdict_table(results, ["unet/one_step"], references, "cat")
    assert len(table) == 1 and table["against"].iloc[0].startswith("best of three and best of all: ")
    difference = results.difference("auroc", "unet/one_step", "dit/one_step", "cat")
    assert table["difference, points"].iloc[0] == one_line(difference.percent())


def test_the_best_method_of_one_task_may_be_another_than_of_all():
    noise = np.random.default_rng(0).normal(size=LABELS.size)
    tasks = {
        name: RunScores(
            LABELS,
            np.where(LABELS, "other", name),
            {"even": 2 * LABELS + noise, "uneven": height * LABELS + noise},
        )
        for name, height in (("cat", 4), ("dog", -4))
    }
    results = evaluate_tasks(tasks, ["even", "uneven"], num_resamples=5)
    assert task_tables.best_method(results, ["even", "uneven"]) == "even"
    assert task_tables.best_method(results, ["even", "uneven"], "cat") == "uneven"


def test_the_note_names_both_networks_among_the_baselines_with_their_means():
    labels = np.repeat([0, 1], 30)
    scores = {"autoencoder": labels.astype(float), "deep_svdd": -labels.astype(float)}
    results = evaluate_tasks({"task": RunScores(labels, np.where(labels, "a", "b"), scores)}, list(scores))
    note = two_networks.neural_note(results)
    assert "AutoEncoder reaches 100.0" in note and "Deep SVDD reaches 0.0" in note
