"""The design is the file's, the collected record gives every AUROC anew, and tampering is refused."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from diffad import sensitivity
from diffad.ablations import Cell
from diffad.configuration import load_experiment
from diffad.errors import RecordError
from diffad.run_record import RunScores
from diffad.training import TrainingHistory

EDITION = load_experiment("experiments/sensitivity.yaml").edition("cpu")
GROUPS = np.repeat(["clean", "fog", "rotate"], 20)
SCORING = {"levels": [0.1, 0.5], "headline": "denoiser_profile"}
METHODS = ["one_step_at_0.1", "one_step_at_0.5", "partial_diffusion", "levels_max_abs", "denoiser_profile"]


def test_the_file_s_cells_are_the_design():
    assert EDITION.cells == sensitivity.design()


def test_the_edition_s_own_values_are_the_defaults():
    asked = EDITION.of_cell("default-0").model_dump(mode="json")
    assert all(each.of(asked) == each.default for each in sensitivity.SETTINGS.values())


@pytest.mark.parametrize("name", sensitivity.SETTINGS)
def test_one_setting_is_changed_at_a_time(name):
    setting = sensitivity.SETTINGS[name]
    for number, value in enumerate(setting.alone):
        asked = EDITION.of_cell(f"{name}-{number}").model_dump(mode="json")
        found = {other: each.of(asked) for other, each in sensitivity.SETTINGS.items()}
        expected = {other: each.default for other, each in sensitivity.SETTINGS.items()} | {name: value}
        assert found == expected and value != setting.default


def test_the_design_fills_its_ranges_and_never_repeats_a_seed():
    cells = {
        name: EDITION.of_cell(name).model_dump(mode="json") for name in EDITION.cells if "design" in name
    }
    assert len({cell["training"]["seed"] for cell in cells.values()}) == len(cells) == sensitivity.NUM_DESIGN
    for setting in sensitivity.SETTINGS.values():
        found = [setting.of(cell) for cell in cells.values()]
        if setting.choices:
            counts = [found.count(choice) for choice in setting.choices]
            assert min(counts) >= len(cells) // len(setting.choices) - 1
        else:
            assert (
                setting.low <= min(found) < setting.low * 1.5
                and setting.high / 1.5 < max(found) <= setting.high
            )


def cell(seed=0, source="a", groups=GROUPS):
    rng = np.random.default_rng(seed)
    labels = (groups != "clean").astype(int)
    scores = RunScores(labels, groups, {name: rng.normal(size=len(groups)) + labels for name in METHODS})
    record = SimpleNamespace(
        edition="cpu",
        seeds={"training": seed},
        content_hash=f"{seed:064d}",
        provenance=SimpleNamespace(source_hash=source, device="CPU"),
        experiment={
            "dataset": "digits",
            "protocol": "clean_versus_corrupted",
            "protocol_parameters": {},
            "scoring": SCORING,
            "training": {"num_updates": 100 + seed},
        },
    )
    return Cell(record, scores, TrainingHistory([1], [0.2], [0.1], [0.0], [3.0]), None)


@pytest.fixture
def collected(tmp_path, monkeypatch):
    cells = {"default-0": cell(0), "default-1": cell(1), "num_updates-0": cell(2)}
    monkeypatch.setattr(sensitivity, "read_cells", lambda folder, with_quality: cells)
    monkeypatch.setattr(sensitivity, "design", lambda: dict.fromkeys(cells))
    sensitivity.collect("anywhere", tmp_path)
    return cells, tmp_path / "sensitivity" / "cpu"


def test_what_was_collected_gives_every_auroc_anew(collected):
    cells, folder = collected
    found = sensitivity.read_sensitivity(folder)
    assert found.mismatches() == [] and list(found.methods) == METHODS
    table = found.table
    assert list(table["kind"]) == ["default", "default", "num_updates"]
    assert list(table["num_updates"]) == [100, 101, 102] and set(table["size"]) == {"tiny"}
    raw = cells["default-1"].scores
    expected = sensitivity.mean_auroc(raw.labels, raw.groups, raw.by_method["partial_diffusion"])
    assert table.loc["default-1", "partial_diffusion"] == expected


def test_a_wrong_number_is_found(collected):
    _, folder = collected
    found = sensitivity.read_sensitivity(folder)
    found.record.cells["default-0"].auroc["partial_diffusion"] += 0.01
    assert len(found.mismatches()) == 1 and found.mismatches()[0].startswith("default-0: partial_diffusion")


def test_an_edited_record_is_refused(collected):
    _, folder = collected
    path = folder / sensitivity.RECORD_FILE
    content = json.loads(path.read_text())
    content["cells"]["default-0"]["validation_loss"] = 0.01
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match="edited by hand"):
        sensitivity.read_sensitivity(folder)
    with pytest.raises(RecordError, match="is missing"):
        sensitivity.read_sensitivity(folder / "nowhere")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"default-1": cell(1, source="b")}, "other code"),
        ({"default-1": cell(1, groups=GROUPS[::-1])}, "other images"),
    ],
)
def test_cells_that_do_not_belong_together_are_refused(collected, tmp_path, monkeypatch, changed, words):
    cells = collected[0] | changed
    monkeypatch.setattr(sensitivity, "read_cells", lambda folder, with_quality: cells)
    with pytest.raises(RecordError, match=words):
        sensitivity.collect("anywhere", tmp_path)


def test_a_missing_cell_is_refused(collected, tmp_path, monkeypatch):
    monkeypatch.setattr(sensitivity, "design", lambda: dict.fromkeys(["default-0", "size-0"]))
    with pytest.raises(RecordError, match="1 cells of the design are missing, the first is size-0"):
        sensitivity.collect("anywhere", tmp_path)


def test_each_level_is_a_row_of_its_own_and_choices_become_numbers(collected):
    table = sensitivity.read_sensitivity(collected[1]).table
    rows = sensitivity.level_rows(table, SCORING["levels"])
    assert len(rows) == 6 and set(rows["level"]) == {0.1, 0.5}
    assert (
        rows.loc[rows["cell"] == "default-1", "auroc"].tolist()
        == table.loc["default-1", METHODS[:2]].tolist()
    )
    features = sensitivity.as_features(rows, ["size", "parameterisation", "level"])
    assert features["size"].tolist() == [0] * 6 and features["level"].tolist() == [0.1, 0.5] * 3
    assert list(features.columns[1:4]) == [f"parameterisation={name}" for name in ("eps", "x0", "v")]
    assert features.iloc[:, 1:4].sum(axis=1).tolist() == [1] * 6
