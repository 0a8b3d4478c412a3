"""Several tasks read as one table: shared images are drawn once, and means over tasks are those of their parts."""

import numpy as np
import pytest

from diffad import task_tables
from diffad.evaluation import MEAN_OVER_GROUPS, auroc, paired_bootstrap
from diffad.run_record import RunScores
from diffad.tasks import evaluate_tasks, share_images

CLASSES = np.repeat(["cat", "dog", "ship"], 30)


def one_class(normal: str, seed: int, strength: float = 1.0) -> RunScores:
    labels = (CLASSES != normal).astype(int)
    noise = np.random.default_rng(seed).normal(size=(2, len(labels)))
    return RunScores(labels, CLASSES, {"good": noise[0] + strength * labels, "noise": noise[1]})


@pytest.fixture
def tasks() -> dict[str, RunScores]:
    return {name: one_class(name, seed) for seed, name in enumerate(("cat", "dog", "ship"))}


def test_estimates_are_the_aurocs_of_the_tasks_and_their_mean(tasks):
    results = evaluate_tasks(tasks, ["good", "noise"], num_resamples=20)
    each = [auroc(scores.labels, scores.by_method["good"]) for scores in tasks.values()]
    assert [results.interval("auroc", "good", name).estimate for name in tasks] == pytest.approx(each)
    assert results.interval("auroc", "good", MEAN_OVER_GROUPS).estimate == pytest.approx(np.mean(each))


def test_tasks_on_the_same_images_share_their_draws():
    scores = {"a": one_class("cat", 0)}
    scores["b"] = scores["a"]
    results = evaluate_tasks(scores, ["good"], num_resamples=50)
    assert np.array_equal(results.replicates[0, 0, 0], results.replicates[0, 0, 1])


def test_tasks_on_other_images_are_drawn_apart():
    first = one_class("cat", 0)
    order = np.random.default_rng(0).permutation(len(CLASSES))
    second = RunScores(first.labels[order], CLASSES[order], {"good": first.by_method["good"][order]})
    assert not share_images([first, second])
    results = evaluate_tasks({"a": first, "b": second}, ["good"], num_resamples=50)
    assert not np.array_equal(results.replicates[0, 0, 0], results.replicates[0, 0, 1])


def test_methods_are_paired_within_a_task(tasks):
    results = evaluate_tasks(tasks, ["good", "noise"])
    ours = results.difference("auroc", "good", "noise", "cat")
    scores = tasks["cat"]
    plain = paired_bootstrap("auroc", scores.labels, *scores.by_method.values())
    assert ours.estimate == pytest.approx(plain.estimate)
    assert (ours.low, ours.high) == pytest.approx((plain.low, plain.high), abs=0.04)


def test_a_method_that_a_task_lacks_is_named(tasks):
    with pytest.raises(ValueError, match="'other'.*'cat'"):
        evaluate_tasks(tasks, ["other"])


def test_no_task_and_an_unknown_metric_are_refused(tasks):
    with pytest.raises(ValueError, match="0 tasks"):
        evaluate_tasks({}, ["good"])
    with pytest.raises(ValueError, match="'accuracy'"):
        evaluate_tasks(tasks, ["good"], "accuracy")


def test_the_table_has_a_row_a_method_best_first(tasks):
    table = task_tables.task_table(evaluate_tasks(tasks, ["noise", "good"], num_resamples=20))
    assert list(table.index) == ["good", "noise"]
    assert list(table.columns) == ["cat", "dog", "ship", "mean (95 % interval)"]


def test_the_best_method_is_that_with_the_highest_mean(tasks):
    assert (
        task_tables.best_method(evaluate_tasks(tasks, ["noise", "good"], num_resamples=20), ["noise", "good"])
        == "good"
    )


def test_parts_are_means_over_their_own_tasks(tasks):
    tasks["ship"] = one_class("ship", 2, strength=4.0)
    table = task_tables.parts_table(tasks, {"all": list(tasks), "one": ["ship"]}, ["good", "noise"], "noise")
    expected = 100 * auroc(tasks["ship"].labels, tasks["ship"].by_method["good"])
    assert table.loc["one", "good"].startswith(f"{expected:.1f}")
    assert table.loc["all", "tasks"] == 3
