"""A recorded run made anew gives the same scores, and a record that it does not give is noticed."""

import json

import numpy as np
import pytest
import yaml

from diffad.cli import main
from diffad.configuration import load_experiment
from diffad.errors import RecordError
from diffad.records import read_record, write_record
from diffad.rerunning import SAME, check_run
from diffad.run_record import RunScores, new_record

CONTENT = {
    "name": "quick",
    "title": "Quick",
    "protocol": "clean_versus_corrupted",
    "editions": {
        "smoke": {
            "dataset": "digits",
            "protocol_parameters": {"per_group": 12, "corruptions": ["fog", "zigzag"]},
            "model": {"network_parameters": {"image_size": 8, "channels": 1, "size": "tiny"}},
            "training": {"num_updates": 6, "batch_size": 8},
            "scoring": {
                "levels": [0.1, 0.3],
                "partial_diffusion": {"num_steps": 2},
                "calibration_images": 40,
            },
            "baselines": ["iforest"],
        }
    },
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The experiment's file and the folder of results, after a run."""
    root = tmp_path_factory.mktemp("quick")
    path = root / "quick.yaml"
    path.write_text(yaml.safe_dump(CONTENT))
    places = ["--results", str(root / "results"), "--checkpoints", str(root / "checkpoints")]
    assert main(["run", str(path), *places, "--quiet"]) == 0
    return path, root / "results"


def rewrite(results, change):
    """Replace the record's scores by others, metrics and hashes included."""
    folder = results / "quick" / "smoke"
    record, scores = read_record(folder)
    scores = change(scores)
    kept = {"name", "experiment", "edition", "data", "seeds", "wall_seconds", "nfe", "evaluation"}
    fields = {name: getattr(record, name) for name in kept}
    fields["nfe"] = {name: number for name, number in record.nfe.items() if name in scores.by_method}
    write_record(new_record(scores, **fields), scores, folder)


@pytest.fixture
def copied(recorded, tmp_path):
    """As `recorded`, to be spoiled."""
    path, results = recorded
    target = tmp_path / "results" / "quick" / "smoke"
    target.mkdir(parents=True)
    for file in (results / "quick" / "smoke").glob("*.*"):
        target.joinpath(file.name).write_bytes(file.read_bytes())
    return path, tmp_path / "results"


def test_a_run_made_anew_agrees_and_leaves_the_record_alone(recorded, capsys):
    path, results = recorded
    before = {file: file.read_bytes() for file in (results / "quick" / "smoke").glob("*.*")}
    assert main(["run", str(path), "--check", "--results", str(results), "--quiet", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["method"] for row in rows} >= {"one_step", "denoiser_profile", "iforest"}
    assert all(row["same"] and row["recorded"] == row["now"] for row in rows)
    assert {file: file.read_bytes() for file in before} == before


def test_a_score_that_differs_is_shown_and_sets_the_exit_code(copied, capsys):
    path, results = copied

    def moved(scores):
        other = dict(scores.by_method)
        other["iforest"] = other["iforest"] + np.eye(1, len(scores.labels))[0] * 1e-3
        return RunScores(scores.labels, scores.groups, other, scores.units)

    rewrite(results, moved)
    found = {each.method: each for each in check_run(load_experiment(path), "smoke", results, progress=False)}
    assert not found["iforest"].same and found["iforest"].difference > SAME
    assert all(each.same for name, each in found.items() if name != "iforest")
    assert main(["run", str(path), "--check", "--results", str(results), "--quiet"]) == 1
    assert capsys.readouterr().out.count("NO") == 1


def test_a_record_of_other_methods_is_one_clear_error(copied):
    path, results = copied
    rewrite(
        results,
        lambda scores: RunScores(
            scores.labels, scores.groups, {"one_step": scores.by_method["one_step"]}, scores.units
        ),
    )
    with pytest.raises(RecordError, match="was made with other methods than quick has now"):
        check_run(load_experiment(path), "smoke", results, progress=False)


def test_what_was_never_recorded_cannot_be_checked(recorded, tmp_path, capsys):
    path, _ = recorded
    assert main(["run", str(path), "--check", "--results", str(tmp_path), "--quiet"]) not in (0, 1)
    assert "record.json" in capsys.readouterr().err
