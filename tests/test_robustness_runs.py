"""A robustness file and a finished run become three records; what stands is not made again; bad input is refused by field."""

import copy

import numpy as np
import pytest
import yaml

from diffad.cli import main
from diffad.errors import DataNotFound
from diffad.evaluation import auroc
from diffad.records import list_records, mismatches, read_record
from diffad.robustness import reading, runs
from diffad.robustness.configuration import Robustness, load_robustness
from tests.test_experiments import run as finish_run

CONTENT = {
    "name": "harder",
    "title": "Harder",
    "noise": {"gaussian": [20], "jpeg": [80, 10]},
    "attack": {
        "targets": ["one_step", "denoiser_profile"],
        "epsilons": [2, 16],
        "num_steps": 3,
        "normals": 7,
        "anomalies": 9,
        "fresh_seeds": [7],
    },
    "baselines": ["iforest", "knn"],
    "editions": {
        "smoke": {
            "runs": {"tiny": "to be set"},
            "protocol_parameters": {"tiny": {"per_group": 8}},
            "attacked": ["tiny"],
            "calibration": 30,
            "more_normals": 11,
            "baseline_training_images": 50,
        }
    },
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a tiny finished run."""
    folder = tmp_path_factory.mktemp("run")
    finish_run(folder)
    return folder / "results/tiny/smoke"


def content(finished, **changes):
    """CONTENT for that run; keys such as smoke__calibration change the edition, others the file."""
    made = copy.deepcopy(CONTENT)
    made["editions"]["smoke"]["runs"] = {"tiny": str(finished)}
    for key, value in changes.items():
        place = made["editions"]["smoke"] if key.startswith("smoke__") else made
        place[key.removeprefix("smoke__")] = value
    return made


@pytest.fixture(scope="module")
def tried(finished, tmp_path_factory):
    """Folders of the results and of the work, and the records; tests only read them."""
    folder = tmp_path_factory.mktemp("tried")
    loaded = Robustness.model_validate(content(finished))
    records = runs.run_robustness(
        loaded, "smoke", "tiny", folder / "results", folder / "work", progress=False
    )
    return folder, loaded, records


def part(tried, name):
    return read_record(tried[0] / "results/harder/smoke/tiny" / name)


def test_three_records_are_whole(tried):
    folder, _, records = tried
    assert [each.name for each in list_records(folder)] == ["attack", "calibration", "noise"]
    assert not list((folder / "work").rglob("*.npz")), "attacked images are kept no longer than needed"
    for name, record in records.items():
        stored, scores = part(tried, name)
        assert stored == record and not mismatches(stored, scores)
        assert all(len(np.unique(values)) > 4 for values in scores.by_method.values()), "a constant score"
    assert (
        records["attack"].nfe["denoiser_profile#7@one_step-2"] == 4 and records["noise"].nfe["knn@clean"] == 0
    )


def test_noise_falls_on_normal_images_and_anomalies_alike(tried):
    record, scores = part(tried, "noise")
    assert len(scores.labels) == 11 + 8 + 2 * 8 and set(scores.groups[:11]) == {"held-out normal"}
    assert (scores.labels[:11] == 0).all() and (scores.labels == 0).sum() == 19
    for label in (0, 1):
        rows = scores.labels == label
        changed = scores.by_method["one_step@gaussian-20"][rows] != scores.by_method["one_step@clean"][rows]
        assert changed.all()
    assert reading.noise_conditions(record) == {
        "gaussian": {20.0: "gaussian-20"},
        "jpeg": {80.0: "jpeg-80", 10.0: "jpeg-10"},
    }


def test_clean_scores_are_the_same_in_every_part(tried):
    _, noise = part(tried, "noise")
    _, calibration = part(tried, "calibration")
    _, attack = part(tried, "attack")
    for method in ("one_step", "denoiser_profile", "knn"):
        clean = noise.by_method[f"{method}@clean"]
        np.testing.assert_allclose(clean[:11], calibration.by_method[method][30:], rtol=1e-6)
        assert np.isin(attack.by_method[f"{method}@clean"], clean).all()
    assert (attack.labels == 0).sum() == 7 and (attack.labels == 1).sum() == 9


def test_an_attack_moves_its_own_score_further_than_noise_does(tried):
    record, scores = part(tried, "attack")
    sign = np.where(scores.labels == 1, -1, 1)
    assert list(reading.attack_conditions(record)) == ["random", "one_step", "denoiser_profile"]
    for target in ("one_step", "denoiser_profile"):
        moved = [
            (scores.by_method[f"{target}@{attack}-16"] - scores.by_method[f"{target}@clean"]) * sign
            for attack in (target, "random")
        ]
        assert (moved[0] > 0).all() and moved[0].mean() > 2 * moved[1].mean()


def test_reading_gives_what_the_scores_say(tried):
    record, scores = part(tried, "attack")
    table = reading.auroc_by_condition(record, scores, ["one_step", "knn"], ["one_step-2", "one_step-16"])
    row = table[(table["condition"] == "one_step-16") & (table["method"] == "knn")].iloc[0]
    here, clean = (auroc(scores.labels, scores.by_method[f"knn@{each}"]) for each in ("one_step-16", "clean"))
    assert row["estimate"] == pytest.approx(here) and row["change"] == pytest.approx(here - clean)
    assert row["change_low"] <= row["change"] <= row["change_high"]
    mixed = reading.one_sided(scores, "one_step", "one_step-16", 1)
    np.testing.assert_array_equal(
        mixed[scores.labels == 0], scores.by_method["one_step@clean"][scores.labels == 0]
    )
    (anomalies,) = reading.one_sided_auroc(record, scores, "one_step", ["one_step-16"], 1)
    assert anomalies.estimate == pytest.approx(auroc(scores.labels, mixed))


def test_false_alarms_are_counted_above_a_line_on_clean_images(tried):
    _, calibration = part(tried, "calibration")
    _, noise = part(tried, "noise")
    line = reading.line(calibration, "knn", 0.1)
    held_out = calibration.by_method["knn"][:30]
    assert (held_out > line).sum() == 2 and (held_out >= line).sum() == 3  # 10 % of 30 + 1, itself among them
    normal = noise.by_method["knn@gaussian-20"][noise.labels == 0]
    rate = reading.flagged(calibration, noise, "knn", "gaussian-20", 0, 0.1)
    assert rate.estimate == pytest.approx(np.mean(normal > line)) and rate.low <= rate.estimate <= rate.high


def test_what_stands_is_not_made_again(tried, monkeypatch):
    folder, loaded, records = tried
    monkeypatch.setattr(runs, "_fitted_panel", lambda *_: pytest.fail("the scores were computed again"))
    again = runs.run_robustness(loaded, "smoke", "tiny", folder / "results", folder / "work", progress=False)
    assert again == records


def test_a_stopped_attack_goes_on_where_it_was(tried, finished, tmp_path, monkeypatch):
    """Killed between two targets, the first target's images are read and not searched for again."""
    loaded = Robustness.model_validate(content(finished))
    search, targets = runs.projected_gradient, []

    def stop_at_the_second(objective, *arguments):
        targets.append(objective.name)
        if objective.name == "denoiser_profile":
            raise KeyboardInterrupt
        return search(objective, *arguments)

    monkeypatch.setattr(runs, "projected_gradient", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        runs.run_robustness(loaded, "smoke", "tiny", tmp_path, tmp_path / "work", progress=False)
    assert [each.name for each in list_records(tmp_path)] == ["calibration", "noise"]
    monkeypatch.setattr(runs, "projected_gradient", lambda *all: targets.append(all[0].name) or search(*all))
    targets.clear()
    record = runs.run_robustness(loaded, "smoke", "tiny", tmp_path, tmp_path / "work", progress=False)[
        "attack"
    ]
    assert set(targets) == {"denoiser_profile"}
    assert record.scores_sha256 == tried[2]["attack"].scores_sha256


def test_a_run_that_is_not_attacked_has_two_records(finished, tmp_path):
    loaded = Robustness.model_validate(content(finished, smoke__attacked=[], baselines=["iforest"]))
    records = runs.run_robustness(loaded, "smoke", "tiny", tmp_path, tmp_path / "work", progress=False)
    assert list(records) == ["calibration", "noise"]
    assert set(reading.read_robustness(tmp_path / "harder/smoke/tiny").scores) == {"calibration", "noise"}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"smoke__runs": {"tiny": "nowhere"}},
            DataNotFound,
            r"editions.smoke.runs.tiny: nowhere holds no finished",
        ),
        (
            {"smoke__calibration": 5000},
            ValueError,
            "editions.smoke: calibration and more_normals ask for 5011",
        ),
        (
            {"smoke__protocol_parameters": {"tiny": {"per_groups": 3}}},
            ValueError,
            "editions.smoke.protocol_parameters.tiny: .*per_groups",
        ),
    ],
)
def test_what_the_run_cannot_give_is_refused_by_field(finished, tmp_path, changes, error, message):
    loaded = Robustness.model_validate(content(finished, **changes))
    with pytest.raises(error, match=message):
        runs.run_robustness(loaded, "smoke", "tiny", tmp_path, progress=False)
    assert not list_records(tmp_path)


def test_a_run_that_the_file_does_not_name_is_refused(finished, tmp_path):
    loaded = Robustness.model_validate(content(finished))
    with pytest.raises(ValueError, match="run: got 'huge', expected one of tiny"):
        runs.run_robustness(loaded, "smoke", "huge", tmp_path, progress=False)
    with pytest.raises(ValueError, match="edition: got 'gpu', expected one of smoke"):
        runs.run_robustness(loaded, "gpu", "tiny", tmp_path, progress=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise": {"snow": [1]}}, "noise: .*kind: got 'snow', expected one of gaussian"),
        ({"noise": {"jpeg": [0]}}, "noise: .*strength: got 0.0 for jpeg, expected a whole number in 1..95"),
        ({"noise": {"gaussian": [5, 5]}}, "numbers that differ"),
        ({"attack": CONTENT["attack"] | {"targets": ["knn"]}}, "attack.targets.0: "),
        ({"attack": CONTENT["attack"] | {"epsilons": [0]}}, "attack.epsilons.0: "),
        (
            {"attack": CONTENT["attack"] | {"epsilons": [4, 2]}},
            r"attack.epsilons: got \[4, 2\], expected numbers that rise",
        ),
        ({"attack": CONTENT["attack"] | {"stpes": 3}}, "attack.stpes: "),
        ({"baselines": ["magic"]}, "baselines: got magic, expected some of"),
        ({"smoke__attacked": ["huge"]}, "editions.smoke.attacked: got huge, expected some of tiny"),
        ({"smoke__protocol_parameters": {"huge": {}}}, "protocol_parameters: got huge"),
        ({"smoke__runs": {}}, "editions.smoke.runs: "),
        ({"seed": -1}, "seed: "),
    ],
)
def test_a_file_is_refused_by_line_and_field(finished, tmp_path, changes, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(content(finished, **changes)))
    with pytest.raises(ValueError, match=rf"robustness: .*wrong.yaml:\d+: .*{message}"):
        load_robustness(path)


def test_the_published_file_can_be_read():
    loaded = load_robustness("experiments/robustness.yaml")
    assert set(loaded.editions) == {"smoke", "cpu", "gpu"} and len(loaded.noise) == 3
    assert loaded.attack.epsilons == (1, 2, 4, 8, 16)


def test_the_command_prints_each_condition(tried, finished, tmp_path, capsys):
    folder = tried[0]
    path = tmp_path / "file.yaml"
    path.write_text(yaml.safe_dump(content(finished)))
    arguments = [
        "robustness",
        str(path),
        "--results",
        str(folder / "results"),
        "--work",
        str(folder / "work"),
        "--quiet",
    ]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "gaussian-20" in out and "denoiser_profile-16" in out and "#7" not in out
    assert main([*arguments, "--run", "huge"]) == 2
    assert "run: got 'huge', expected one of tiny" in capsys.readouterr().err
    assert main(["robustness", str(tmp_path / "nowhere.yaml")]) == 2
