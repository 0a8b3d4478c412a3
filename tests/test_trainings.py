"""Intervals of several trainings cover other seeds and other images, at the rate that they say."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from diffad import trainings
from diffad.ablations import Cell
from diffad.run_record import EvaluationSettings, RunScores

GROUPS = np.repeat(["clean", "fog", "rotate"], 60)
LABELS = (GROUPS != "clean").astype(int)


def cell(shift, rng, common):
    """A cell whose anomalies score `shift` higher; `common` is what every network sees of the images."""
    scores = RunScores(
        LABELS, GROUPS, {"error": common + 0.3 * rng.normal(size=len(LABELS)) + shift * LABELS}
    )
    record = SimpleNamespace(
        evaluation=EvaluationSettings(num_resamples=200), data=SimpleNamespace(split={"seed": 0})
    )
    return Cell(record, scores, None, None)


def cells(shifts, seed=0):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=len(LABELS))
    return {name: cell(shift, rng, common) for name, shift in shifts.items()}


def alike(values, images=1000):
    """A quantity that is the same on every image."""
    return trainings.TrainedQuantity(
        {name: np.repeat(np.c_[each], images, 1) for name, each in values.items()}
    )


def test_two_settings_give_student_s_interval():
    rng = np.random.default_rng(1)
    values = {"a": rng.normal(size=4), "b": rng.normal(size=5) + 1}
    found = alike(values).difference("a", "b")
    expected = ttest_ind(values["a"], values["b"]).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_one_training_of_each_gives_the_paired_interval_of_its_images():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 1, 50))
    found = trainings.TrainedQuantity({"a": a, "b": b}).difference("a", "b")
    expected = ttest_rel(a[0], b[0]).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_of_a_mean_alone_the_stated_error_is_taken():
    quantity = trainings.TrainedQuantity(
        {"a": np.array([[2.0]]), "b": np.array([[1.0]])}, {"a": 0.3, "b": 0.4}
    )
    found = quantity.difference("a", "b")
    assert (found.estimate, found.high) == pytest.approx((1, 1 + 1.96 * 0.5), abs=1e-3)


def test_the_spread_is_pooled_over_settings():
    spread = trainings.pooled_spread({"a": [0.0, 2.0], "b": [10.0, 12.0], "c": [5.0]})
    assert spread.deviation == pytest.approx(2**0.5) and spread.degrees == 2


def test_one_training_of_each_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        trainings.pooled_spread({"a": [1.0], "b": [2.0]})


def test_intervals_of_means_have_the_stated_coverage():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(400):
        interval = alike({name: rng.normal(size=3) for name in "abcd"}, images=2).interval("a")
        hits += interval.low <= 0 <= interval.high
    assert 0.92 < hits / 400 < 0.98


def test_joint_intervals_are_wider():
    assert trainings.joint_confidence(5) == pytest.approx(0.99)


def test_trained_once_the_interval_is_that_of_the_images():
    trained = trainings.TrainedSettings.of(cells({"a-0": 1.0, "b-0": 1.2}), "error")
    expected = np.quantile(trained.results.replicates[0].mean(axis=1)[0], [0.025, 0.975])
    found = trained.interval("a")
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_names_give_settings():
    assert trainings.by_setting(["log_linear-0", "log_linear-1", "t20-0"]) == {
        "log_linear": ["log_linear-0", "log_linear-1"],
        "t20": ["t20-0"],
    }


def test_seeds_that_disagree_widen_the_interval():
    shifts = {"a-0": 1.0, "a-1": 1.0, "b-0": 1.0, "b-1": 1.0}
    calm = trainings.TrainedSettings.of(cells(shifts), "error").difference("a", "b")
    wild = trainings.TrainedSettings.of(cells(shifts | {"a-0": 0.5, "a-1": 1.5}), "error").difference(
        "a", "b"
    )
    assert wild.high - wild.low > 2 * (calm.high - calm.low)


def test_the_interval_is_wider_than_that_of_the_images_alone():
    trained = trainings.TrainedSettings.of(cells({"a-0": 0.8, "a-1": 1.2, "b-0": 1.0, "b-1": 1.1}), "error")
    images = np.quantile(trained.results.replicates[0].mean(axis=1)[:2].mean(axis=0), [0.025, 0.975])
    both = trained.interval("a")
    assert both.low < images[0] and both.high > images[1]
    assert both.estimate == pytest.approx(np.mean(trained.values()["a"]))


def test_a_difference_on_the_same_images_is_told_where_each_alone_is_not():
    shifts = {f"{name}-{seed}": shift for name, shift in (("a", 1.3), ("b", 1.0)) for seed in range(3)}
    trained = trainings.TrainedSettings.of(cells(shifts), "error")
    assert trained.difference("a", "b").low > 0
    assert trained.interval("a").low < trained.interval("b").high


def test_other_images_are_refused():
    mixed = cells({"a-0": 1.0, "a-1": 1.0})
    record = SimpleNamespace(evaluation=None, data=SimpleNamespace(split={"seed": 1}))
    mixed["a-1"] = dataclasses.replace(mixed["a-1"], record=record)
    with pytest.raises(ValueError, match="'a-1' tested other images"):
        trainings.evaluate_trainings(mixed, "error")
    with pytest.raises(ValueError, match="method: got 'loss'"):
        trainings.evaluate_trainings(cells({"a-0": 1.0}), "loss")
