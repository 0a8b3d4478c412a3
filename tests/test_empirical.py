"""The exact denoiser of the training rows, against the mixture oracle and against its two limits."""

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import euclidean_distances

from diffad.empirical import EmpiricalDenoiser, EmpiricalDiffusion
from diffad.oracle import GaussianMixtureOracle
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule


def rows(num_rows=60, features=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(num_rows, features)) @ rng.normal(size=(features, features))


def test_it_is_the_mixture_oracle_of_points():
    train, test = rows(20, 4), rows(5, 4, seed=1)
    process, t = ForwardProcess(make_schedule("cosine", 100)), 30
    a = process.number("alpha_bar", t)
    oracle = GaussianMixtureOracle(process, torch.ones(20), torch.from_numpy(train), torch.tensor(1e-12))
    expected = oracle.x0(torch.from_numpy(test) * a**0.5, t).numpy()
    denoiser, sigma = EmpiricalDenoiser(train), ((1 - a) / a) ** 0.5
    distances = euclidean_distances(test, train, squared=True)
    np.testing.assert_allclose(denoiser.weights(distances, sigma) @ train, expected, rtol=1e-6)
    np.testing.assert_allclose(
        denoiser.errors(test, distances, sigma), np.square(test - expected).sum(axis=1), rtol=1e-6
    )


def test_much_noise_gives_mahalanobis_and_little_the_nearest_neighbour():
    train, test = rows(), rows(30, seed=0) + 1.0
    far = EmpiricalDiffusion(power=1.0, levels=(1e4,), unit_norm=False).fit(train).decision_function(test)
    order = np.argsort(LedoitWolf().fit(train).mahalanobis(test))
    np.testing.assert_array_equal(np.argsort(far), order)
    near = EmpiricalDiffusion(power=0.0, levels=(1e-3,), reach=1e9, unit_norm=False).fit(train)
    nearest = euclidean_distances(test, train).min(axis=1)
    np.testing.assert_array_equal(np.argsort(near.decision_function(test)), np.argsort(nearest))


def test_a_training_rows_score_is_that_of_a_detector_without_it():
    """Preparation and scale set aside: with power 0 and one huge reach both see the same neighbours."""
    train = rows(30)
    whole = EmpiricalDiffusion(power=0.0, levels=(0.5,), unit_norm=False).fit(train)
    distances = euclidean_distances(train[:1], train[1:], squared=True)
    prepared = whole.denoiser_.rows
    sigma = 0.5 * whole.scale_
    error = EmpiricalDenoiser(prepared[1:]).errors(prepared[:1], distances, sigma)[0] / sigma**2
    assert whole.training_errors_[0, 0] == pytest.approx(error)
    usual = EmpiricalDenoiser(prepared[1:]).weights(distances, 2 * sigma) @ whole.training_errors_[1:, 0]
    assert whole.training_scores_[0] == pytest.approx(np.log(error / usual[0]))


def test_anomalies_in_directions_that_hardly_vary_are_found():
    train, normal = np.split(rows(300, 20), [200])
    anomalous = normal + 3 * np.linalg.svd(train - train.mean(0))[2][-1]
    labels, test = np.repeat([0, 1], 100), np.vstack([normal, anomalous])
    found = {}
    for power in (0.0, 1.0):
        detector = EmpiricalDiffusion(power=power, unit_norm=False).fit(train)
        found[power] = roc_auc_score(labels, detector.decision_function(test))
    assert found[1.0] > 0.8 and found[1.0] > found[0.0] + 0.1


def test_scores_do_not_depend_on_company_or_order_and_one_row_is_enough():
    detector, test = EmpiricalDiffusion().fit(rows()), rows(9, seed=2)
    together = detector.decision_function(test)
    np.testing.assert_allclose(detector.decision_function(test[::-1])[::-1], together, rtol=1e-9)
    np.testing.assert_allclose(
        [detector.decision_function(row[None])[0] for row in test], together, rtol=1e-9
    )


def test_constant_columns_few_rows_and_repeated_rows_are_fine():
    train = np.hstack([rows(5, 30), np.zeros((5, 4))])
    train = np.vstack([train, train[:2]])
    detector = EmpiricalDiffusion().fit(train)
    assert np.isfinite(detector.training_scores_).all()
    assert np.isfinite(detector.decision_function(np.vstack([train, np.zeros((1, 34))]))).all()


def test_errors_name_what_is_wrong():
    with pytest.raises(NotFittedError):
        EmpiricalDiffusion().decision_function(rows())
    with pytest.raises(ValueError, match="NaN"):
        EmpiricalDiffusion().fit(np.full((5, 2), np.nan))
    with pytest.raises(ValueError, match="minimum of 3"):
        EmpiricalDiffusion().fit(rows(2))
    with pytest.raises(ValueError, match="expected rows that differ"):
        EmpiricalDiffusion().fit(np.ones((5, 2)))
    with pytest.raises(ValueError, match=r"levels: got \(\)"):
        EmpiricalDiffusion(levels=()).fit(rows())
    with pytest.raises(ValueError, match="reach: got 0"):
        EmpiricalDiffusion(reach=0).fit(rows())
    with pytest.raises(ValueError, match="8 features"):
        EmpiricalDiffusion().fit(rows()).decision_function(rows(features=3))
