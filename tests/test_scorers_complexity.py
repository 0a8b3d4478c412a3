"""Corrections of the complexity bias, and calibration of profiles that may be negative."""

import exact_digits
import numpy as np
import pytest
from tiny import noise_images

from diffad.scorers import (
    BackgroundRatio,
    CalibratedScorer,
    ComplexityRegression,
    DenoisingPath,
    EpsError,
    Evaluator,
    InputComplexity,
    ProfileCalibration,
    ScoreNorm,
    VariationalBound,
    compressed_bits_per_dim,
)
from diffad.scorers.calibration import FLOOR


@pytest.mark.parametrize("codec", ["png", "webp", "zlib"])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_costs_more_bits_than_nothing(codec, channels):
    flat = np.full((2, 32, 32, channels), 90, np.uint8)
    noise = noise_images(2, shape=(32, 32, channels))
    assert (compressed_bits_per_dim(flat, codec) < 1).all()
    assert (compressed_bits_per_dim(noise, codec) > 6.5).all()
    assert compressed_bits_per_dim(noise, codec).dtype == np.float64


def test_input_complexity_is_the_difference():
    bound = VariationalBound(Evaluator(exact_digits.model(), 64), 5)
    images = exact_digits.clean()[:6]
    found = InputComplexity(bound, "zlib").scores(images)
    np.testing.assert_allclose(found, bound.scores(images) - compressed_bits_per_dim(images, "zlib"))
    with pytest.raises(ValueError, match="scorer: got EpsError, which is not in bits per dimension"):
        InputComplexity(EpsError(bound.evaluator, [3]))
    with pytest.raises(ValueError, match="codec: got 'gif', expected one of png, webp, zlib"):
        InputComplexity(bound, "gif").scores(images)


def test_what_complexity_explains_is_taken_off():
    error = EpsError(Evaluator(exact_digits.model(), 64), [3, 20])
    normals = exact_digits.normals()
    scorer = ComplexityRegression(error, "zlib").fit(normals)
    left, lengths = scorer.scores(normals), compressed_bits_per_dim(normals, "zlib")
    assert abs(left.mean()) < 1e-9 and abs(np.corrcoef(left, lengths)[0, 1]) < 1e-9
    np.testing.assert_allclose(
        left,
        np.log(error.scores(normals)) - scorer.regression_.intercept_ - scorer.regression_.coef_[0] * lengths,
    )
    with pytest.raises(ValueError, match="normals: got 1 image"):
        ComplexityRegression(error).fit(normals[:1])


def test_a_background_that_knows_as_much_leaves_nothing():
    def scorer(of, seed=0):
        evaluator = Evaluator(exact_digits.model(), 64, seed)
        return EpsError(evaluator, [3, 20]) if of == "errors" else VariationalBound(evaluator, 5)

    images = exact_digits.clean()[:6]
    for of in ("errors", "density"):
        np.testing.assert_allclose(BackgroundRatio(scorer(of), scorer(of)).scores(images), 0, atol=1e-12)
    ratio = BackgroundRatio(scorer("errors"), scorer("errors", 1))
    expected = np.log(scorer("errors").scores(images) / scorer("errors", 1).scores(images))
    np.testing.assert_allclose(ratio.scores(images), expected)
    assert ratio.evaluations_per_image == 8
    with pytest.raises(ValueError, match="background: got a VariationalBound, expected a EpsError"):
        BackgroundRatio(scorer("errors"), scorer("density"))


def mixed_profile(num_images=300, seed=0):
    """A positive, a signed and a negative number an image."""
    z = np.random.default_rng(seed).normal(size=(num_images, 3))
    return np.stack([np.exp(0.5 * z[:, 0]), z[:, 1] + 0.3, z[:, 2] / 10 - 5], axis=1)


def test_logarithms_are_taken_where_normals_are_positive():
    profile = mixed_profile()
    calibration = ProfileCalibration(profile)
    assert calibration.logarithmic_.tolist() == [True, False, False]
    taken = np.stack([np.log(profile[:, 0]), profile[:, 1], profile[:, 2]], axis=1)
    expected = (taken - taken.mean(axis=0)) / taken.std(axis=0, ddof=1)
    np.testing.assert_allclose(calibration.z_scores(profile), expected)
    far = np.array([[1.0, 9.0, -5.0], [1.0, -9.0, -5.0], [1.0, 0.3, 3.0]])
    assert (calibration.combine(far, "max_abs") > 5).all()
    assert (calibration.combine(far, "mahalanobis") > 5).all()


def test_a_value_that_is_not_positive_is_very_low_and_finite():
    profile = mixed_profile()
    calibration = ProfileCalibration(profile)
    z = calibration.z_scores(np.array([[0.0, 0.3, -5.0], [-2.0, 0.3, -5.0]]))
    lowest = (np.log(FLOOR * profile[:, 0].min()) - calibration.mean_[0]) / calibration.scale_[0]
    np.testing.assert_allclose(z[:, 0], lowest)
    assert lowest < -20


@pytest.mark.parametrize("build", [lambda e: DenoisingPath(e, 5), lambda e: ScoreNorm(e, [3, 30])])
def test_a_calibrated_scorer_is_its_profile_calibrated(build):
    scorer = build(Evaluator(exact_digits.model(), 64))
    calibrated = CalibratedScorer(scorer, "max_abs").fit(exact_digits.normals()[:50])
    images = exact_digits.clean()[:5]
    by_hand = ProfileCalibration(scorer.profile(exact_digits.normals()[:50]))
    np.testing.assert_array_equal(
        calibrated.scores(images), by_hand.combine(scorer.profile(images), "max_abs")
    )
    with pytest.raises(ValueError, match="rule: got 'median'"):
        CalibratedScorer(scorer, "median")
