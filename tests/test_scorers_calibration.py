"""Calibration: held-out normals have z-scores of mean 0 and spread 1; two-sided rules see what is too easy."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from diffad.scorers import COMBINATIONS, LevelCalibration


def normal_profile(num_images=500, seed=0):
    """Positive errors (n, 4): log-normal, correlated over levels, of very different size."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(size=(num_images, 1)) + 0.7 * rng.normal(size=(num_images, 4))
    return np.exp(0.3 * logs) * np.array([1e-4, 1e-2, 1.0, 50.0])


def test_held_out_normals_have_mean_0_and_spread_1():
    profile = normal_profile()
    z = LevelCalibration(profile).z_scores(profile)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=0, ddof=1), 1, rtol=1e-12)


def test_twice_and_half_the_error_are_equally_far():
    calibration = LevelCalibration(normal_profile())
    typical = np.exp(calibration.mean_)[None]
    z = calibration.z_scores(np.concatenate([2 * typical, typical, typical / 2]))
    np.testing.assert_allclose(z[0], -z[2])
    np.testing.assert_allclose(z[1], 0, atol=1e-12)
    np.testing.assert_allclose(z[0], np.log(2) / calibration.scale_)


def test_the_rules_are_what_they_say():
    calibration = LevelCalibration(normal_profile())
    profile = normal_profile(50, seed=1)
    z = calibration.z_scores(profile)
    np.testing.assert_allclose(calibration.combine(profile, "mean"), z.mean(axis=1))
    np.testing.assert_allclose(calibration.combine(profile, "max"), z.max(axis=1))
    np.testing.assert_allclose(calibration.combine(profile, "max_abs"), np.abs(z).max(axis=1))
    squared = np.einsum("ni,ij,nj->n", z, np.linalg.inv(calibration.covariance_), z)
    np.testing.assert_allclose(calibration.combine(profile, "mahalanobis"), np.sqrt(squared), rtol=1e-6)


@pytest.mark.parametrize("rule", COMBINATIONS)
def test_every_rule_sees_what_is_badly_reconstructed(rule):
    calibration = LevelCalibration(normal_profile())
    scores = calibration.combine(np.concatenate([normal_profile(200, 1), 6 * normal_profile(200, 2)]), rule)
    assert scores.shape == (400,) and scores.dtype == np.float64
    assert roc_auc_score(np.repeat([0, 1], 200), scores) > 0.95


@pytest.mark.parametrize(
    ("rule", "sees"), [("mean", False), ("max", False), ("max_abs", True), ("mahalanobis", True)]
)
def test_two_sided_rules_see_what_is_too_easy_and_one_sided_ones_invert(rule, sees):
    calibration = LevelCalibration(normal_profile())
    scores = calibration.combine(np.concatenate([normal_profile(200, 1), normal_profile(200, 2) / 6]), rule)
    auroc = roc_auc_score(np.repeat([0, 1], 200), scores)
    assert auroc > 0.95 if sees else auroc < 0.05


REFUSED = {
    "one image": (np.ones((1, 3)), "at least 2"),
    "no image": (np.ones((0, 3)), r"\(images, levels\)"),
    "one axis": (np.ones(5), r"\(images, levels\)"),
    "NaN": (np.full((3, 2), np.nan), "NaN"),
    "infinite": (np.full((3, 2), np.inf), "infinite"),
    "zero": (np.zeros((3, 2)), "not positive"),
    "a constant level": (np.array([[1.0, 2.0], [3.0, 2.0]]), "equal at level number 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_profile_that_cannot_calibrate_is_refused(case):
    profile, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        LevelCalibration(profile)


def test_other_levels_and_rules_are_refused():
    calibration = LevelCalibration(normal_profile())
    with pytest.raises(ValueError, match="got 3 levels, expected 4"):
        calibration.z_scores(np.ones((2, 3)))
    with pytest.raises(ValueError, match="rule: got 'median', expected one of mean, max"):
        calibration.combine(normal_profile(5), "median")
