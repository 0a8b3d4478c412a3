"""Tables of robustness say what their records say, and the words of the verdict follow the rule of the claims."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffad import evidence_of_runs
from diffad.bootstrap import Interval
from diffad.evaluation import auroc
from diffad.evidence import Evidence
from diffad.robustness import reading, tables
from diffad.robustness.reading import RobustnessRecords
from diffad.run_record import EvaluationSettings, RunScores

METHODS = ["one_step", "knn"]
ASKED = {"targets": ["one_step"], "epsilons": [2, 8], "fresh_seeds": [7]}


class Record:
    """What the tables read of a record."""

    evaluation = EvaluationSettings(metrics=("auroc",), num_resamples=50)
    experiment = {"noise": {"gaussian": [5.0, 20.0], "jpeg": [90.0, 10.0]}, "attack": ASKED}


def scores_of(names, shifts, num_normal=40, seed=0):
    """Normal scores around 0, those of anomalies shifted; the same draw under every name."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [num_normal, 30])
    drawn = rng.normal(size=len(labels))
    groups = np.where(labels == 0, "normal", "anomalous")
    return RunScores(
        labels, groups, {name: drawn + shift * labels for name, shift in zip(names, shifts, strict=True)}
    )


@pytest.fixture(scope="module")
def records():
    noises = ["clean", "gaussian-5", "gaussian-20", "jpeg-90", "jpeg-10"]
    names = [f"{method}@{noise}" for noise in noises for method in METHODS]
    noise = scores_of(names, [3, 1, 2, 1, 0, 1, 2.5, 1, 1, 1])
    attack_names = [
        f"one_step@{each}" for each in ("clean", "random-2", "random-8", "one_step-2", "one_step-8")
    ]
    attack_names += [each.replace("one_step@", "one_step#7@") for each in attack_names]
    attack_names += [f"knn@{each}" for each in ("clean", "random-8", "one_step-8")]
    attack = scores_of(attack_names, [3, 3, 2.5, 1, -2, 3, 3, 2.5, 1.5, -1, 1, 1, 0.8])
    calibration = scores_of(METHODS, [0, 0], seed=1)
    return RobustnessRecords(
        dict.fromkeys(("noise", "attack", "calibration"), Record()),
        {"noise": noise, "attack": attack, "calibration": calibration},
    )


def test_noise_curves_put_clean_images_before_each_kind_and_weak_before_strong(records):
    table = tables.noise_curves(records, METHODS)
    places = list(dict.fromkeys(zip(table["panel"], table["strength"], strict=True)))
    assert places == [
        *[("Gaussian noise", each) for each in ("clean", "5", "20")],
        *[("JPEG", each) for each in ("clean", "90", "10")],
    ]
    row = tables.at(table, method="one_step", panel="Gaussian noise", strength="20")
    noise = records.scores["noise"]
    here, clean = (
        auroc(noise.labels, noise.by_method[f"one_step@{each}"]) for each in ("gaussian-20", "clean")
    )
    assert row["estimate"] == pytest.approx(here) and row["change"] == pytest.approx(here - clean)
    assert tables.at(table, method="knn", strength="20")["change"] == 0
    with pytest.raises(ValueError, match="table: got none with"):
        tables.at(table, method="lof")


def test_false_alarms_are_those_above_the_line(records):
    table = tables.alarm_curves(records, METHODS, 0.1)
    line = reading.line(records.scores["calibration"], "knn", 0.1)
    noise = records.scores["noise"]
    share = np.mean(noise.by_method["knn@jpeg-10"][noise.labels == 0] > line)
    assert tables.at(table, method="knn", condition="jpeg-10")["estimate"] == pytest.approx(share)


def test_attack_curves_start_clean_and_have_both_sides_and_the_control(records):
    table = tables.attack_curves(records)
    assert list(dict.fromkeys(table["panel"])) == [
        tables.BOTH,
        tables.ANOMALIES,
        tables.NORMALS,
        tables.CONTROL,
    ]
    assert list(dict.fromkeys(table["strength"])) == ["0", "2", "8"]
    start = table[table["strength"] == "0"]["estimate"]
    assert start.nunique() == 1 and start.iloc[0] > 0.95
    last = table[table["strength"] == "8"].set_index("panel")["estimate"]
    assert last[tables.BOTH] < 0.2 and last[tables.CONTROL] > 0.9
    assert last[tables.NORMALS] == pytest.approx(start.iloc[0]), "here only anomalies were moved"


def test_the_other_tables_name_every_method_and_epsilon(records):
    transfer = tables.transfer_table(records, METHODS, 8)
    assert list(transfer.index) == ["clean images", "random noise", "one_step"] and list(transfer) == METHODS
    attack = records.scores["attack"]
    assert transfer.loc["one_step", "knn"] == pytest.approx(
        auroc(attack.labels, attack.by_method["knn@one_step-8"])
    )
    banks = tables.other_noise(records)
    assert list(banks) == ["0", "2", "8"] and [each.split(", ")[-1] for each in banks.index] == [
        "the noise attacked",
        "other noise 1",
    ]
    assert float(banks.iloc[1]["8"]) > float(banks.iloc[0]["8"])
    flagged = tables.flagged_table(records, 0.1)
    assert float(flagged.iloc[0]["0"]) > 90 and float(flagged.iloc[0]["8"]) < 20
    assert tables.attack_wide(tables.attack_curves(records), "x").shape == (4, 3)


def test_printed_cells_and_summaries(records):
    table = tables.noise_curves(records, METHODS)
    shown = tables.wide(table, "corner")
    assert list(shown) == ["clean", "Gaussian noise 5", "Gaussian noise 20", "JPEG 90", "JPEG 10"]
    row = tables.at(table, method="one_step", condition="jpeg-10")
    assert shown.loc["DDPM, one level", "JPEG 10"] == f"{100 * row['estimate']:.0f}"
    summary = tables.change_summary(table, "corner")
    assert summary.loc["DDPM, one level", "under"] == "Gaussian noise 20"
    assert summary.loc["KNN", "fallen beyond chance"] == "0 of 4"
    values = {
        "estimate": 0.5,
        "low": 0.4,
        "high": 0.6,
        "change": -0.1,
        "change_low": -0.2,
        "change_high": 0.01,
    }
    assert tables.percent_cells(values).replace("\u00a0", " ") == "50.0 (40.0, 60.0)"
    assert tables.percent_cells(values, sign=True, of="change").replace("\u00a0", " ") == "-10.0 (-20.0, 1.0)"


def test_runs_on_the_same_images_stand_side_by_side():
    clean, dirty = scores_of(METHODS, [3, 2]), scores_of(METHODS, [2, 2])
    merged = reading.side_by_side({"0": clean, "0.1": dirty}, METHODS)
    table = reading.changes_between(Record(), merged, METHODS, ["0", "0.1"], "0")
    shown = tables.rate_table(table, "corner")
    assert list(shown) == ["0 %", "10 %", "change, points"]
    assert tables.change(table.iloc[2]).high < 0 and tables.change(table.iloc[3]) == Interval(0, 0, 0)
    with pytest.raises(ValueError, match="runs: 'b' tests other images than 'a'"):
        reading.side_by_side({"a": clean, "b": scores_of(METHODS, [1, 1], num_normal=41)}, METHODS)
    with pytest.raises(ValueError, match="runs: got none"):
        reading.side_by_side({}, METHODS)


def changed_table(changes, method="one_step"):
    """As `changes_between` gives it: a row a rate of contamination, each with its change and an interval 2 points wide."""
    return pd.DataFrame(
        {
            "condition": rate,
            "method": method,
            **dict.fromkeys(("estimate", "low", "high"), 0.8 + change),
            "change": change,
            "change_low": change - 0.01,
            "change_high": change + 0.01,
        }
        for rate, change in changes.items()
    )


def test_an_attack_on_both_kinds_knows_its_change_and_one_on_a_single_kind_has_none(records):
    table = tables.attack_curves(records)
    row = tables.at(table, panel=tables.BOTH, strength="8")
    assert row["change"] == pytest.approx(row["estimate"] - tables.at(table, strength="0")["estimate"])
    assert np.isnan(tables.at(table, panel=tables.ANOMALIES, strength="8")["change"])


def test_a_claim_has_a_row_a_disturbance_and_the_outcomes_of_its_rule(records):
    trainings = {
        "digit 4": changed_table({"0": 0.0, "0.05": -0.2, "0.1": -0.05}),
        "digit 8": changed_table({"0": 0.0, "0.1": -0.02}),
        "digit 9": changed_table({"0": 0.0, "0.05": -0.3}),  # its highest rate is not yet recorded
    }
    found = tables.disturbances(
        {"A": tables.noise_curves(records, METHODS), "B": tables.noise_curves(records, METHODS)},
        {"A": tables.attack_curves(records)},
        trainings,
        "one_step",
        ["gaussian-20", "jpeg-90"],
        8,
    )
    places = list(zip(found["part"], found["data"], found["disturbance"], strict=True))
    assert places == [
        ("noise", "A", "Gaussian noise 20"),
        ("noise", "A", "JPEG 90"),
        ("noise", "B", "Gaussian noise 20"),
        ("noise", "B", "JPEG 90"),
        ("attacks", "A", "attacked within 8 grey levels"),
        ("contaminated training", "digit 4", "10 % anomalies in training"),
        ("contaminated training", "digit 8", "10 % anomalies in training"),
    ]
    outcomes = [str(each) for each in found["outcome"]]
    assert outcomes == [*["contradicts", "supports"] * 2, "contradicts", "cannot be told", "supports"]
    knn = tables.disturbances(
        {"A": tables.noise_curves(records, METHODS)},
        {"A": tables.attack_curves(records)},
        {},
        "knn",
        ["jpeg-10"],
        8,
    )
    assert [str(each) for each in knn["outcome"]] == ["supports"], (
        "an attack on another score is none on this"
    )


def test_the_recorded_runs_are_judged_as_the_page_of_claims_judges_them():
    """The chapter and the page of claims read the same records, each in its own way."""
    methods = ["one_step", "denoiser_profile"]
    evidence = Evidence()
    runs = {
        path.parent.name: reading.read_robustness(path.parent)
        for path in sorted(Path("results/robustness/cpu").glob("*/noise"))
    }
    noise = {name: tables.noise_curves(each, methods) for name, each in runs.items()}
    attacks = {name: tables.attack_curves(each) for name, each in runs.items() if "attack" in each.records}
    conditions = list(evidence_of_runs.MIDDLE_NOISE)
    found = pd.concat([tables.disturbances(noise, attacks, {}, method, conditions, 8) for method in methods])
    for part, findings in (("noise", evidence_of_runs.noise), ("attacks", evidence_of_runs.attacks)):
        theirs = sorted((each.value.estimate, str(each.outcome)) for each in findings(evidence))
        here = found[found["part"] == part]
        ours = sorted(zip(here["change"], map(str, here["outcome"]), strict=True))
        assert [word for _, word in ours] == [word for _, word in theirs]
        np.testing.assert_allclose([number for number, _ in ours], [number for number, _ in theirs])


def test_the_word_for_false_alarms():
    words = [str(tables.of_alarms(each, 0.05)) for each in ([0.1], [0.04, 0.5], [0.5])]
    assert words == ["holds", "holds in part", "does not hold"]


def test_a_run_has_a_title_for_readers():
    assert reading.run_title("mnist-c") == "MNIST-C"
    assert reading.run_title("ship") == "CIFAR-10 (ship normal)"
