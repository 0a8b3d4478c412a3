"""Metrics and intervals against closed forms, scikit-learn, simulated coverage and bad input."""

import time

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from diffad import bootstrap, evaluation
from diffad.bootstrap import Resampling, bootstrap_replicates

MEAN = evaluation.MEAN_OVER_GROUPS


def two_gaussians(generator, num_each, distance):
    """Normal scores N(0, 1) and anomalous ones N(distance, 1), whose AUROC is Phi(distance / sqrt 2)."""
    scores = np.concatenate([generator.normal(size=num_each), generator.normal(distance, 1, num_each)])
    return np.repeat([0, 1], num_each), scores


def corrupted_digits(generator, num_each, num_groups, shared=0.8, distance=1.0):
    """Scores of clean digits and of `num_groups` corruptions of the same other digits."""
    digit = generator.normal(size=num_each) * np.sqrt(shared)
    groups = [digit + generator.normal(distance, np.sqrt(1 - shared), num_each) for _ in range(num_groups)]
    scores = np.concatenate([generator.normal(size=num_each), *groups])
    labels = np.repeat([0, 1], [num_each, num_each * num_groups])
    names = np.repeat(["clean"] + [f"corruption{i}" for i in range(num_groups)], num_each)
    units = np.tile(np.arange(num_each), num_groups + 1)
    return labels, names, scores, units


# --- metrics ---


def test_auroc_of_two_gaussians_is_the_closed_form():
    labels, scores = two_gaussians(np.random.default_rng(0), 20_000, 1.3)
    assert evaluation.auroc(labels, scores) == pytest.approx(norm.cdf(1.3 / np.sqrt(2)), abs=0.006)


def test_false_positive_rate_of_two_gaussians_is_the_closed_form():
    labels, scores = two_gaussians(np.random.default_rng(1), 20_000, 2.0)
    assert evaluation.fpr_at_95_tpr(labels, scores) == pytest.approx(norm.sf(2.0 + norm.ppf(0.05)), abs=0.015)


def test_metrics_by_hand():
    labels, scores = [0, 0, 1, 1], [1.0, 2.0, 2.0, 3.0]
    assert evaluation.auroc(labels, scores) == pytest.approx(3.5 / 4)
    assert evaluation.average_precision(labels, scores) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert evaluation.fpr_at_95_tpr(labels, scores) == 0.5
    assert evaluation.fpr_at_95_tpr([0, 1], [5.0, 1.0]) == 1.0


def test_higher_scores_mean_more_anomalous():
    assert evaluation.auroc([0, 1], [0.0, 1.0]) == 1.0
    assert evaluation.average_precision([0, 1], [0.0, 1.0]) == 1.0
    assert evaluation.fpr_at_95_tpr([0, 1], [0.0, 1.0]) == 0.0


BAD_INPUT = {
    "one class": ([1, 1], [0.0, 1.0], "only the class 1"),
    "not finite": ([0, 1], [0.0, np.nan], "finite"),
    "infinite": ([0, 1], [0.0, np.inf], "finite"),
    "length": ([0, 1], [0.0, 1.0, 2.0], "differ in length"),
    "empty": ([], [], "empty"),
    "other labels": ([0, 2], [0.0, 1.0], "0 .normal. or 1"),
    "label matrix": ([[0, 1]], [0.0, 1.0], "one-dimensional"),
    "score matrix": ([0, 1], [[0.0, 1.0]], "one-dimensional"),
    "words": ([0, 1], ["low", "high"], "numbers"),
    "word labels": (["a", "b"], [0.0, 1.0], "0 .normal. or 1"),
    "nan labels": ([0, np.nan], [0.0, 1.0], "0 .normal. or 1"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
@pytest.mark.parametrize("name", evaluation.METRICS)
def test_bad_input_is_refused_in_one_sentence(name, case):
    labels, scores, message = BAD_INPUT[case]
    with pytest.raises(ValueError, match=message) as refusal:
        evaluation.METRICS[name](labels, scores)
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match=message):
        evaluation.bootstrap_interval(name, labels, scores)


# --- the bootstrap of one set ---


@pytest.mark.parametrize("name", evaluation.METRICS)
def test_replicates_equal_scikit_learn_on_the_resampled_images(name):
    generator = np.random.default_rng(2)
    labels = np.repeat([0, 1], [13, 9])
    scores = generator.integers(0, 6, len(labels)).astype(float)  # many ties
    rows = np.arange(len(labels))
    num_resamples = bootstrap.REPLICATES_AT_ONCE + 40  # more than one block, and the last of another size
    got = bootstrap_replicates(
        [name], labels, {"": scores}, [rows], Resampling(rows, labels), num_resamples, seed=7
    )
    at_once = bootstrap.DRAWN_AT_ONCE
    weights = np.concatenate(
        [
            Resampling(rows, labels).draw(size, draws)
            for draws in [np.random.default_rng(7)]
            for size in [at_once] * (num_resamples // at_once) + [num_resamples % at_once]
        ],
        axis=1,
    ).astype(int)
    for replicate in range(num_resamples):
        drawn = np.repeat(rows, weights[:, replicate])
        assert (labels[drawn] == 0).sum() == 13 and (labels[drawn] == 1).sum() == 9  # stratified
        expected = evaluation.METRICS[name](labels[drawn], scores[drawn])
        assert got[0, 0, 0, replicate] == pytest.approx(expected, abs=1e-12)


def test_counts_of_many_rows_are_those_of_numpys_cumulative_sum():
    generator = np.random.default_rng(11)
    for num_rows in (1, 2, 3, 10, 1023):
        values = generator.integers(0, 5, (num_rows, 4)).astype(float)
        np.testing.assert_array_equal(bootstrap._running_sum(values.copy()), np.cumsum(values, axis=0))


def test_every_image_is_drawn_equally_often():
    rows = np.arange(40)
    weights = Resampling(rows, rows % 2).draw(5000, np.random.default_rng(3))
    assert weights.mean() == 1.0
    assert np.abs(weights.mean(axis=1) - 1).max() < 0.06  # standard error 0.014
    assert weights.var() == pytest.approx(1 - 1 / 20, abs=0.03)  # binomial(20, 1/20)


def test_the_interval_covers_the_truth_about_95_times_in_100():
    generator, hits, repetitions = np.random.default_rng(4), 0, 300
    truth = norm.cdf(1 / np.sqrt(2))
    for repetition in range(repetitions):
        interval = evaluation.bootstrap_interval(
            "auroc", *two_gaussians(generator, 80, 1.0), 300, seed=repetition
        )
        hits += interval.low <= truth <= interval.high
    assert (
        0.91 <= hits / repetitions <= 0.98
    )  # 95 % +- 3 standard errors, less the bootstrap's own small bias


def test_the_interval_is_as_wide_as_theory_says():
    labels, scores = two_gaussians(np.random.default_rng(5), 1000, 1.0)
    interval = evaluation.bootstrap_interval("auroc", labels, scores)
    normal, anomalous = scores[labels == 0], scores[labels == 1]
    placements_1 = (anomalous[:, None] > normal).mean(axis=1)  # DeLong et al. 1988, equation 6
    placements_0 = (anomalous[:, None] > normal).mean(axis=0)
    error = np.sqrt(placements_1.var(ddof=1) / 1000 + placements_0.var(ddof=1) / 1000)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_a_thousand_resamples_of_two_thousand_scores_take_less_than_a_second():
    labels, scores = two_gaussians(np.random.default_rng(6), 1000, 1.0)
    start = time.perf_counter()
    evaluation.bootstrap_interval("auroc", labels, scores, num_resamples=1000)
    assert time.perf_counter() - start < 1.0


def test_the_seed_fixes_the_interval_and_the_global_generator_does_not():
    labels, scores = two_gaussians(np.random.default_rng(7), 60, 1.0)
    first = evaluation.bootstrap_interval(evaluation.auroc, labels, scores, seed=3)
    np.random.seed(99)
    assert evaluation.bootstrap_interval("auroc", labels, scores, seed=3) == first
    assert evaluation.bootstrap_interval("auroc", labels, scores, seed=4) != first
    assert first.low < first.estimate < first.high


def test_perfect_separation_gives_a_point_interval():
    interval = evaluation.bootstrap_interval("auroc", [0, 0, 1, 1], [0.0, 1.0, 2.0, 3.0])
    assert (interval.estimate, interval.low, interval.high) == (1.0, 1.0, 1.0)
    assert interval.percent() == "100.0 (100.0, 100.0)"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_resamples": 1}, "num_resamples"),
        ({"num_resamples": 10.5}, "num_resamples"),
        ({"confidence": 1.0}, "confidence"),
        ({"confidence": float("nan")}, "confidence"),
        ({"seed": -1}, "seed"),
        ({"seed": None}, "seed"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        evaluation.bootstrap_interval("auroc", [0, 1], [0.0, 1.0], **settings)


def test_an_unknown_metric_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="auroc, average_precision, fpr_at_95_tpr"):
        evaluation.bootstrap_interval("accuracy", [0, 1], [0.0, 1.0])


# --- paired ---


def test_the_paired_interval_is_far_narrower_than_an_unpaired_one():
    generator = np.random.default_rng(8)
    labels, scores_a = two_gaussians(generator, 300, 1.0)
    scores_b = scores_a + generator.normal(0, 0.2, len(scores_a))
    paired = evaluation.paired_bootstrap("auroc", labels, scores_a, scores_b)
    one = evaluation.bootstrap_interval("auroc", labels, scores_a)
    unpaired_width = np.sqrt(2) * (one.high - one.low)
    assert paired.high - paired.low < 0.4 * unpaired_width
    difference = roc_auc_score(labels, scores_a) - roc_auc_score(labels, scores_b)
    assert paired.estimate == pytest.approx(difference)


def test_a_method_never_differs_from_itself():
    labels, scores = two_gaussians(np.random.default_rng(9), 50, 0.5)
    interval = evaluation.paired_bootstrap("auroc", labels, scores, 2 * scores + 1)  # same ranking
    assert (interval.estimate, interval.low, interval.high) == (0.0, 0.0, 0.0)


def test_the_paired_interval_covers_no_difference_about_95_times_in_100():
    generator, hits, repetitions = np.random.default_rng(10), 0, 200
    for repetition in range(repetitions):
        labels, signal = two_gaussians(generator, 80, 1.0)
        scores_a, scores_b = signal + generator.normal(0, 0.5, (2, len(signal)))  # equally good, correlated
        interval = evaluation.paired_bootstrap("auroc", labels, scores_a, scores_b, 300, seed=repetition)
        hits += interval.low <= 0 <= interval.high
    assert 0.90 <= hits / repetitions <= 0.985  # intervals that ignore the pairing would cover nearly always


def test_paired_refusals_name_the_method_at_fault():
    with pytest.raises(ValueError, match="scores_b must be finite"):
        evaluation.paired_bootstrap("auroc", [0, 1], [0.0, 1.0], [0.0, np.inf])
    with pytest.raises(ValueError, match="scores_a and labels differ in length"):
        evaluation.paired_bootstrap("auroc", [0, 1], [0.0], [0.0, 1.0])


# --- groups ---


def test_the_table_holds_each_group_against_all_normals():
    labels, groups, scores, units = corrupted_digits(np.random.default_rng(11), 60, 3)
    table = evaluation.per_group_table(
        labels, groups, {"a": scores, "b": -scores}, num_resamples=50, units=units
    )
    assert list(table.columns) == [
        "group",
        "method",
        "estimate",
        "low",
        "high",
        "num_normal",
        "num_anomalous",
    ]
    assert list(table["group"].unique()) == ["corruption0", "corruption1", "corruption2"]
    assert (table["num_normal"] == 60).all() and (table["num_anomalous"] == 60).all()
    one = table[(table["group"] == "corruption1") & (table["method"] == "a")].iloc[0]
    rows = (labels == 0) | (groups == "corruption1")
    assert one["estimate"] == pytest.approx(roc_auc_score(labels[rows], scores[rows]))
    assert one["low"] < one["estimate"] < one["high"]
    by_method = table.pivot(index="group", columns="method", values="estimate")
    assert np.allclose(by_method["a"] + by_method["b"], 1.0)


def test_copies_of_one_group_are_as_uncertain_as_one():
    """Fifteen identical groups hold no more information than one: only drawing digits jointly knows that."""
    labels, groups, scores, units = corrupted_digits(np.random.default_rng(12), 100, 1)
    copies = 15
    many_labels = np.concatenate([labels[:100], np.tile(labels[100:], copies)])
    many_groups = np.concatenate([groups[:100], np.repeat([f"copy{i}" for i in range(copies)], 100)])
    many_scores = np.concatenate([scores[:100], np.tile(scores[100:], copies)])
    many_units = np.concatenate([units[:100], np.tile(units[100:], copies)])
    one = evaluation.mean_over_groups_interval("auroc", labels, groups, scores, units=units)
    joint = evaluation.mean_over_groups_interval(
        "auroc", many_labels, many_groups, many_scores, units=many_units
    )
    apart = evaluation.mean_over_groups_interval("auroc", many_labels, many_groups, many_scores)
    assert (joint.estimate, joint.low, joint.high) == pytest.approx((one.estimate, one.low, one.high))
    assert apart.high - apart.low < 0.85 * (joint.high - joint.low)


def test_the_mean_covers_the_truth_about_95_times_in_100_only_with_units():
    generator, repetitions, hits, hits_apart = np.random.default_rng(13), 100, 0, 0
    truth = norm.cdf(1 / np.sqrt(2))
    for repetition in range(repetitions):
        labels, groups, scores, units = corrupted_digits(generator, 60, 5, shared=0.95)
        joint = evaluation.mean_over_groups_interval(
            "auroc", labels, groups, scores, 150, seed=repetition, units=units
        )
        apart = evaluation.mean_over_groups_interval("auroc", labels, groups, scores, 150, seed=repetition)
        hits += joint.low <= truth <= joint.high
        hits_apart += apart.low <= truth <= apart.high
    assert 0.89 <= hits / repetitions <= 0.99
    assert hits_apart / repetitions < 0.90


def test_normal_images_are_drawn_once_for_all_groups():
    """With anomalies of one score each, all the uncertainty is the clean images', and the groups share it."""
    generator, num_groups = np.random.default_rng(14), 10
    clean = generator.normal(size=200)
    scores = np.concatenate([clean, np.full(50 * num_groups, 0.3)])
    labels = np.repeat([0, 1], [200, 50 * num_groups])
    groups = np.repeat(["clean"] + [f"g{i}" for i in range(num_groups)], [200] + [50] * num_groups)
    mean = evaluation.mean_over_groups_interval("auroc", labels, groups, scores)
    share = (clean < 0.3).mean()
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 200), rel=0.1)


def test_the_paired_mean_agrees_with_the_means_and_is_narrower():
    generator = np.random.default_rng(15)
    labels, groups, scores, units = corrupted_digits(generator, 150, 5)
    other = scores + generator.normal(0, 0.2, len(scores))
    paired = evaluation.paired_mean_over_groups_interval("auroc", labels, groups, scores, other, units=units)
    one = evaluation.mean_over_groups_interval("auroc", labels, groups, scores, units=units)
    two = evaluation.mean_over_groups_interval("auroc", labels, groups, other, units=units)
    assert paired.estimate == pytest.approx(one.estimate - two.estimate)
    assert paired.high - paired.low < 0.4 * np.hypot(one.high - one.low, two.high - two.low)


def test_results_of_several_metrics_equal_those_of_one():
    labels, groups, scores, units = corrupted_digits(np.random.default_rng(16), 40, 3)
    results = evaluation.evaluate_groups(
        labels, groups, {"a": scores}, list(evaluation.METRICS), num_resamples=40, units=units
    )
    for name in evaluation.METRICS:
        alone = evaluation.mean_over_groups_interval(name, labels, groups, scores, 40, units=units)
        assert results.interval(name, "a", MEAN) == alone
    rows = (labels == 0) | (groups == "corruption2")
    expected = average_precision_score(labels[rows], scores[rows])
    assert results.interval("average_precision", "a", "corruption2").estimate == pytest.approx(expected)


def test_units_may_stand_in_any_order():
    labels, groups, scores, units = corrupted_digits(np.random.default_rng(17), 80, 4)
    order = np.random.default_rng(18).permutation(len(labels))
    order = np.concatenate([order[labels[order] == 0], order[labels[order] == 1]])
    straight = evaluation.mean_over_groups_interval("auroc", labels, groups, scores, 2000, units=units)
    mixed = evaluation.mean_over_groups_interval(
        "auroc", labels[order], groups[order], scores[order], 2000, units=units[order]
    )
    assert (mixed.low, mixed.high) == pytest.approx((straight.low, straight.high), abs=0.005)


def test_shared_units_are_found_where_groups_come_from_the_same_images():
    labels, groups, scores, units = corrupted_digits(np.random.default_rng(19), 10, 3)
    assert np.array_equal(evaluation.shared_units(labels, groups, units), units)
    assert evaluation.shared_units(labels, groups, np.arange(len(labels))) is None
    repeated = np.where(labels == 1, 0, units)
    assert evaluation.shared_units(labels, groups, repeated) is None


BAD_GROUPS = {
    "mixed group": ([0, 1, 1], ["a", "a", "b"], None, "holds both"),
    "wrong length": ([0, 1], ["clean", "a", "b"], None, "differ in shape"),
    "reserved name": ([0, 1], ["clean", "mean"], None, "mean"),
    "other units": ([0, 1, 1], ["clean", "a", "b"], [0, 0, 1], "group 'a' differs"),
    "repeated units": ([0, 1, 1], ["clean", "a", "a"], [0, 0, 0], "each once"),
    "units' length": ([0, 1, 1], ["clean", "a", "b"], [0, 0], "units and labels"),
}


@pytest.mark.parametrize("case", BAD_GROUPS)
def test_bad_groups_are_refused(case):
    labels, groups, units, message = BAD_GROUPS[case]
    with pytest.raises(ValueError, match=message):
        evaluation.per_group_table(labels, groups, {"a": np.arange(len(labels))}, units=units)


def test_a_table_without_methods_is_refused_and_a_bad_method_named():
    with pytest.raises(ValueError, match="at least one method"):
        evaluation.per_group_table([0, 1], ["clean", "a"], {})
    with pytest.raises(ValueError, match="scores of 'copod' must be finite"):
        evaluation.per_group_table([0, 1], ["clean", "a"], {"copod": [0.0, np.nan]})
