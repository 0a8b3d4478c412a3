"""Experiment files: everything that cannot run is refused when the file is read, by the field's name."""

import copy
from pathlib import Path

import pytest
import yaml

from diffad.configuration import Experiment, load_experiment
from diffad.workflow import file_kind, read_experiments

ROOT = Path(__file__).parent.parent
SMALLEST = {
    "name": "tiny",
    "title": "Tiny",
    "protocol": "clean_versus_corrupted",
    "editions": {
        "smoke": {
            "dataset": "digits",
            "model": {"network_parameters": {"image_size": 8, "channels": 1, "size": "tiny"}},
            "training": {"num_updates": 5},
        }
    },
}


def changed(path, value):
    """SMALLEST with `value` at a dotted path."""
    content = copy.deepcopy(SMALLEST)
    *parents, last = path.split(".")
    place = content
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return content


def write(tmp_path, content):
    path = tmp_path / "experiment.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


EXPERIMENTS = [
    each.path for each in read_experiments(ROOT / "experiments") if file_kind(each) == "run"
]  # files of other kinds are read by other tests


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_the_published_experiments_can_be_read(path):
    experiment = load_experiment(path)
    assert {"smoke", "cpu"} <= set(experiment.editions)


def test_the_smallest_file_has_defaults(tmp_path):
    edition = load_experiment(write(tmp_path, SMALLEST)).edition("smoke")
    assert (
        edition.model.num_steps == 1000
        and edition.training.batch_size == 64
        and edition.scoring.metric == "l2"
    )
    assert edition.baselines == ("iforest", "ocsvm", "copod")


def test_a_read_experiment_survives_yaml(tmp_path):
    experiment = load_experiment(write(tmp_path, SMALLEST))
    assert load_experiment(write(tmp_path, experiment.model_dump(mode="json"))) == experiment


SMOKE = "editions.smoke"
REFUSED = {
    "unknown key": ("author", "me", "author: Extra"),
    "unknown key of an edition": (f"{SMOKE}.epochs", 3, f"{SMOKE}.epochs: Extra"),
    "unknown key of the model": (f"{SMOKE}.model.depth", 3, f"{SMOKE}.model.depth: Extra"),
    "unknown key of the network": (
        f"{SMOKE}.model.network_parameters.widht",
        3,
        "network_parameters.widht: Extra",
    ),
    "unknown key of the schedule": (f"{SMOKE}.model.schedule_parameters", {"slope": 1}, "model: .*slope"),
    "unknown key of training": (f"{SMOKE}.training.epochs", 3, f"{SMOKE}.training.epochs: Extra"),
    "unknown key of scoring": (f"{SMOKE}.scoring.draws", 3, f"{SMOKE}.scoring.draws: Extra"),
    "unknown key of partial diffusion": (
        f"{SMOKE}.scoring.partial_diffusion.from",
        1,
        "partial_diffusion.from: Extra",
    ),
    "edition": ("editions.huge", SMALLEST["editions"]["smoke"], "editions.huge"),
    "protocol": ("protocol", "guess", "protocol: "),
    "name": ("name", "Has Spaces", "name: "),
    "wrong type": (f"{SMOKE}.training.num_updates", "many", f"{SMOKE}.training.num_updates: "),
    "impossible value": (f"{SMOKE}.training.num_updates", 0, f"{SMOKE}.training.num_updates: "),
    "network": (f"{SMOKE}.model.network", "resnet", "network: got 'resnet'"),
    "schedule": (f"{SMOKE}.model.schedule", "sine", "sine"),
    "baseline": (f"{SMOKE}.baselines", ["iforest", "oracle"], "baselines: got oracle"),
    "metric": (f"{SMOKE}.scoring.metric", "l3", f"{SMOKE}.scoring.metric: "),
    "headline": (f"{SMOKE}.scoring.headline", "median", f"{SMOKE}.scoring.headline: "),
    "single level": (f"{SMOKE}.scoring.single_level", 0.33, "single_level: got 0.33"),
    "odd draws": (f"{SMOKE}.scoring.num_draws", 3, "num_draws: got 3"),
    "level": (f"{SMOKE}.scoring.levels", [0.1, 1.5], r"levels: got .* fractions of T in \(0, 1\]"),
    "levels that coincide": (f"{SMOKE}.scoring.levels", [0.1, 0.1001], "fall on the times"),
    "too many steps back": (
        f"{SMOKE}.scoring.partial_diffusion",
        {"start": 0.005, "num_steps": 6},
        "num_steps: got 6",
    ),
    "no edition's training": (f"{SMOKE}.training", None, f"{SMOKE}.training: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_run_is_refused_by_its_name(tmp_path, case):
    path, value, words = REFUSED[case]
    with pytest.raises(ValueError, match=words) as caught:
        load_experiment(write(tmp_path, changed(path, value)))
    assert "experiment.yaml" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["name: [", "- a list", "just words", "", "\x00"])
def test_what_is_no_experiment_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match="experiment.yaml"):
        load_experiment(write(tmp_path, content))


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "experiment.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match="experiment.yaml is not YAML"):
        load_experiment(tmp_path / "experiment.yaml")


def test_a_tag_that_would_run_code_is_refused(tmp_path):
    with pytest.raises(ValueError, match="experiment.yaml:1 is not YAML"):
        load_experiment(write(tmp_path, f"name: !!python/object/apply:os.mkdir ['{tmp_path}/owned']"))
    assert not (tmp_path / "owned").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere.yaml is not there"):
        load_experiment(tmp_path / "nowhere.yaml")


def test_a_missing_edition_is_named():
    with pytest.raises(ValueError, match="edition: got 'gpu', expected one of smoke"):
        Experiment.model_validate(SMALLEST).edition("gpu")
