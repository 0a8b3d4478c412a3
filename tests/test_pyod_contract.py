"""`DiffusionDetector` keeps the contracts of PyOD and scikit-learn: their own checks, and their own tools around it."""

import time
import warnings
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from pyod.models.combination import aom, average, majority_vote, maximization, median, moa
from pyod.models.feature_bagging import FeatureBagging
from pyod.models.knn import KNN
from pyod.utils.utility import standardizer
from sklearn.base import clone, is_outlier_detector
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator
from small_pyod import digits, image_detector, vector_detector, vectors

from diffad.detectors import DiffusionDetector

# What PyOD does otherwise than scikit-learn, for all its detectors.
PYOD_CONVENTIONS = {
    "check_do_not_raise_errors_in_init_or_set_params": "PyOD refuses a bad contamination in the constructor",
    "check_outliers_fit_predict": "PyOD predicts 0 and 1, scikit-learn 1 and -1",
    "check_outliers_train": "PyOD predicts 0 and 1, scikit-learn 1 and -1",
}
# These need SCIPY_ARRAY_API in the environment before scipy is imported.
NOT_RUN = {"check_array_api_input", "check_array_api_input_and_values"}


def checks(estimator) -> list:
    """(name, check) of scikit-learn's checks, called as check(estimator)."""
    found = []
    for _, check in estimator_checks_generator(estimator):
        name = (check.func if isinstance(check, partial) else check).__name__
        while isinstance(getattr(check, "func", None), partial):
            check = check.func
        if name not in NOT_RUN:
            found.append(pytest.param(name, check, id=f"{name}-{len(found)}"))
    return found


@pytest.mark.parametrize("preset", ["ddpm", "best"])  # with a network and without
@pytest.mark.parametrize(("name", "check"), checks(vector_detector()))
def test_scikit_learn_checks(name: str, check, preset: str) -> None:
    """Every check passes but those that PyOD's own detectors fail as well."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Function fit_predict is deprecated", FutureWarning)
        if name not in PYOD_CONVENTIONS:
            check(vector_detector(preset=preset))
            return
        for detector in (vector_detector(preset=preset), KNN()):
            with pytest.raises((AssertionError, ValueError)):
                check(detector)


# --- PyOD's own tests of a detector ---


@pytest.fixture(scope="module")
def vector_case() -> tuple[DiffusionDetector, np.ndarray, np.ndarray]:
    """A fitted detector, test rows, and 1 where a row is anomalous."""
    detector = vector_detector(num_updates=60).fit(vectors(120))
    test = np.concatenate([vectors(40, seed=1), vectors(10, seed=2, shift=5.0)])
    return detector, test, np.repeat([0, 1], [40, 10])


@pytest.fixture(scope="module")
def image_case() -> tuple[DiffusionDetector, np.ndarray, np.ndarray]:
    """The same with digits, the anomalies being noise."""
    detector = image_detector(preset="best", num_updates=30).fit(digits(80))
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), dtype=np.uint8)
    return detector, np.concatenate([digits(32, first=80), noise]), np.repeat([0, 1], [32, 8])


@pytest.fixture(params=["vector_case", "image_case"])
def case(request: pytest.FixtureRequest) -> tuple[DiffusionDetector, np.ndarray, np.ndarray]:
    return request.getfixturevalue(request.param)


def test_attributes_after_fit(case) -> None:
    detector, _, _ = case
    num_rows = len(detector.decision_scores_)
    assert detector.decision_scores_.shape == detector.labels_.shape == (num_rows,)
    assert detector.threshold_ == np.percentile(detector.decision_scores_, 90)
    assert np.array_equal(detector.labels_, detector.decision_scores_ > detector.threshold_)
    assert detector.labels_.sum() == num_rows // 10
    assert detector._mu == detector.decision_scores_.mean() and detector._classes == 2


def test_scores_rank_anomalies_first(case) -> None:
    detector, test, labels = case
    scores = detector.decision_function(test)
    assert scores.shape == (len(test),) and scores.dtype == np.float64
    assert roc_auc_score(labels, scores) > 0.9


def test_predictions(case) -> None:
    detector, test, _ = case
    predicted = detector.predict(test)
    assert predicted.shape == (len(test),) and set(predicted) == {0, 1}
    again, confidence = detector.predict(test, return_confidence=True)
    assert np.array_equal(again, predicted)
    assert confidence.shape == (len(test),) and confidence.min() >= 0 and confidence.max() <= 1


@pytest.mark.parametrize("method", ["linear", "unify"])
def test_probabilities(case, method: str) -> None:
    detector, test, _ = case
    shares = detector.predict_proba(test, method=method)
    assert shares.shape == (len(test), 2) and shares.min() >= 0 and shares.max() <= 1
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    same, confidence = detector.predict_proba(test, method=method, return_confidence=True)
    assert np.array_equal(same, shares) and confidence.shape == (len(test),)


def test_an_unknown_probability_method_is_refused(case) -> None:
    detector, test, _ = case
    with pytest.raises(ValueError, match="is not a valid probability conversion method"):
        detector.predict_proba(test, method="something")


def test_confidence_and_rejection(case) -> None:
    detector, test, _ = case
    confidence = detector.predict_confidence(test)
    assert confidence.shape == (len(test),) and confidence.min() >= 0 and confidence.max() <= 1
    labels, statistics = detector.predict_with_rejection(test, c_r=0.1, return_stats=True)
    assert set(labels) <= {-2, 0, 1} and len(statistics) == 3


def test_training_rows_are_predicted_as_they_are_labelled(case) -> None:
    detector, _, _ = case
    train = vectors(120) if detector.input_kind_ == "vectors" else digits(80)
    assert np.array_equal(detector.decision_function(train), detector.decision_scores_)
    assert np.array_equal(detector.predict(train), detector.labels_)


def test_a_clone_has_the_parameters_and_nothing_learned(case) -> None:
    detector, test, _ = case
    copy = clone(detector)
    assert copy.get_params() == detector.get_params() and not hasattr(copy, "model_")
    assert is_outlier_detector(copy)
    assert copy.set_params(contamination=0.2).contamination == 0.2 and detector.contamination == 0.1


def test_fit_predict_is_what_fit_labels() -> None:
    detector = vector_detector()
    with pytest.warns(FutureWarning, match="fit_predict is deprecated"):
        predicted = detector.fit_predict(vectors())
    assert np.array_equal(predicted, vector_detector().fit(vectors()).labels_)


def test_labels_that_a_pipeline_passes_are_ignored() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = vector_detector().fit(vectors(), y=np.arange(60) % 3)
    assert np.array_equal(detector.decision_scores_, vector_detector().fit(vectors()).decision_scores_)


# --- their tools around it ---


def test_in_a_pipeline() -> None:
    pipeline = make_pipeline(StandardScaler(), vector_detector()).fit(vectors())
    scaled = StandardScaler().fit(vectors()).transform(vectors(9, seed=3))
    expected = vector_detector().fit(StandardScaler().fit_transform(vectors())).decision_function(scaled)
    assert np.array_equal(pipeline.decision_function(vectors(9, seed=3)), expected)
    assert pipeline.predict(vectors(9, seed=3)).shape == (9,)


@pytest.mark.parametrize("kind", ["vectors", "images"])
def test_in_a_grid_search(kind: str) -> None:
    if kind == "vectors":
        X, detector = np.concatenate([vectors(40), vectors(8, seed=1, shift=5.0)]), vector_detector()
        grid = {"preset": ["dte", "best"]}
    else:
        X, detector = np.concatenate([digits(24), 255 - digits(8, first=40)]), image_detector()
        grid = {"num_updates": [1, 3]}
    y, folds = np.repeat([0, 1], [len(X) - 8, 8]), StratifiedKFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(detector, grid, scoring="roc_auc", cv=folds, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    (name,) = grid
    assert search.best_params_[name] in grid[name]
    assert search.best_estimator_.decision_function(X[:3]).shape == (3,)


def test_in_pyod_combinations() -> None:
    train, test = vectors(), vectors(20, seed=1)
    detectors = [vector_detector(random_state=seed).fit(train) for seed in range(3)] + [KNN().fit(train)]
    raw = [np.column_stack(part) for part in zip(*_scores(detectors, test), strict=True)]
    scores = standardizer(*raw)[1]  # (20, 4)
    for combine in (average, maximization, median):
        assert combine(scores).shape == (20,) and np.isfinite(combine(scores)).all()
    for combine in (aom, moa):
        assert combine(scores, n_buckets=2, method="static").shape == (20,)
    votes = majority_vote(np.column_stack([detector.predict(test) for detector in detectors]))
    assert set(votes.ravel()) <= {0, 1}


def _scores(detectors: list, test: np.ndarray) -> list:
    return [(detector.decision_scores_, detector.decision_function(test)) for detector in detectors]


def test_as_the_base_of_feature_bagging() -> None:
    ensemble = FeatureBagging(vector_detector(), n_estimators=2, random_state=0).fit(vectors())
    assert ensemble.decision_function(vectors(7, seed=1)).shape == (7,)


def test_in_parallel_workers_it_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    set_seed = torch.manual_seed

    def dawdle(seed: int) -> torch.Generator:
        generator = set_seed(seed)
        time.sleep(0.05)  # time enough for another thread to set its own
        return generator

    monkeypatch.setattr(torch, "manual_seed", dawdle)
    fit = joblib.delayed(lambda seed: vector_detector(random_state=seed).fit(vectors()).decision_scores_)
    parallel = joblib.Parallel(n_jobs=2, prefer="threads")(fit(seed) for seed in (0, 1))
    assert np.array_equal(parallel[0], vector_detector(random_state=0).fit(vectors()).decision_scores_)
    assert not np.array_equal(parallel[0], parallel[1])
