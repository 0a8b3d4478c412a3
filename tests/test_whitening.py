"""Whitening and the unit sphere: exact where there is enough data, well behaved where there is not."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from diffad.whitening import ShrunkWhitening, UnitNorm


def rows(num_rows=400, features=6, seed=0):
    """Correlated Gaussian rows of very different spreads."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(num_rows, features)) @ rng.normal(size=(features, features)) + 5


CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{number}-{check.func.__name__}")
    for estimator in (UnitNorm(), ShrunkWhitening())
    for number, (_, check) in enumerate(estimator_checks_generator(estimator))
    # The checks of other array libraries need SCIPY_ARRAY_API in the environment before scipy is imported.
    if not check.func.__name__.startswith("check_array_api")
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learns_conventions_hold(estimator, check):
    check(clone(estimator))


@pytest.mark.parametrize("shape", [(400, 6), (20, 50)])
def test_squared_length_is_the_shrunk_mahalanobis_distance(shape):
    train, test = rows(*shape), rows(30, shape[1], seed=0) + 1
    whitened = ShrunkWhitening().fit(train).transform(test)
    np.testing.assert_allclose(
        np.square(whitened).sum(axis=1), LedoitWolf().fit(train).mahalanobis(test), rtol=1e-8
    )


def test_full_whitening_levels_every_direction_and_half_only_damps():
    train = rows(20_000)
    spread = [np.linalg.eigvalsh(np.cov(ShrunkWhitening(p).fit_transform(train).T)) for p in (0, 0.5, 1)]
    np.testing.assert_allclose(spread[2], 1, atol=0.02)
    ratios = [s[-1] / s[0] for s in spread]
    assert ratios[0] > 5 * ratios[1] > 25 * ratios[2]
    np.testing.assert_allclose(spread[0], np.linalg.eigvalsh(np.cov(train.T)))


def test_constant_columns_and_few_rows_give_finite_numbers():
    train = np.hstack([rows(4, 30), np.full((4, 3), 7.0)])
    whitening = ShrunkWhitening().fit(train)
    test = train[:2] + np.eye(2, 33, k=31)  # something in a column that never varied
    out = whitening.transform(test)
    assert np.isfinite(out).all()
    assert np.linalg.norm(out - whitening.transform(train[:2])) > 0.1
    same = np.ones((3, 2))
    assert not ShrunkWhitening().fit(same).transform(same).any()


def test_unit_norm_keeps_direction_alone_and_survives_zeros_and_giants():
    data = np.array([[3.0, 4.0], [0.0, 0.0], [1e200, 1e200], [3e-200, 4e-200]])
    out = UnitNorm().fit_transform(data)
    np.testing.assert_allclose(out, [[0.6, 0.8], [0, 0], [0.5**0.5, 0.5**0.5], [0.6, 0.8]])


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="power: got 1.5"):
        ShrunkWhitening(power=1.5).fit(rows())
    with pytest.raises(ValueError, match="NaN"):
        ShrunkWhitening().fit([[1.0, np.nan], [1.0, 2.0]])
    with pytest.raises(ValueError, match="minimum of 2"):
        ShrunkWhitening().fit([[1.0, 2.0]])
    for step in (UnitNorm(), ShrunkWhitening()):
        with pytest.raises(NotFittedError):
            step.transform(rows())
    with pytest.raises(ValueError, match="6 features"):
        make_pipeline(UnitNorm(), ShrunkWhitening()).fit(rows()).transform(rows(features=5))
