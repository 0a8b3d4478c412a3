"""Every baseline through one contract, COPOD's habits shown, and bad input refused."""

import random
import warnings

import numpy as np
import pytest
import torch
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from scipy.stats import spearmanr
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import NotFittedError

from diffad import baselines
from diffad.baselines import BASELINES, as_vectors, make_baseline
from diffad.evaluation import auroc

BATCH_RANKED = ("copod", "ecod")


def blobs(generator, num_rows, num_features=12):
    """Correlated float32 vectors around 3."""
    mixing = np.random.default_rng(99).normal(size=(num_features, num_features))
    return (generator.normal(size=(num_rows, num_features)) @ mixing + 3).astype(np.float32)


def squares(generator, num_images, bright=False):
    """uint8 images (n, 8, 8, 1): a grey square on black; the bright ones have ink on the border too."""
    images = np.zeros((num_images, 8, 8, 1), np.uint8)
    images[:, 2:6, 2:6] = generator.integers(100, 156, (num_images, 4, 4, 1))
    if bright:
        images = images + generator.integers(40, 90, images.shape).astype(np.uint8)
    return images


@pytest.fixture(scope="module")
def vectors():
    generator = np.random.default_rng(0)
    test = blobs(generator, 120)
    test[60:] += generator.normal(0, 12, (60, 12)).astype(np.float32)
    return blobs(generator, 300), test, np.repeat([0, 1], 60)


@pytest.mark.parametrize("name", BASELINES)
def test_far_vectors_score_higher(name, vectors):
    train, test, labels = vectors
    detector = make_baseline(name)
    assert detector.fit(train) is detector
    scores = detector.decision_function(test)
    assert scores.shape == (120,) and scores.dtype == np.float64
    assert auroc(labels, scores) > 0.8
    assert np.ptp(scores) > 0


@pytest.mark.parametrize("name", BASELINES)
def test_images_with_ink_where_training_had_none_score_higher(name):
    """Border pixels are constant in training: dropping or zeroing such columns would lose this anomaly."""
    generator = np.random.default_rng(1)
    test = np.concatenate([squares(generator, 40), squares(generator, 10, bright=True)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = make_baseline(name).fit(squares(generator, 200)).decision_function(test)
    assert auroc(np.repeat([0, 1], [40, 10]), scores) > 0.9


@pytest.mark.parametrize("name", BASELINES)
def test_fitting_matters(name, vectors):
    train, test, _ = vectors
    one = make_baseline(name).fit(train).decision_function(test)
    other = make_baseline(name).fit(train + 5).decision_function(test)
    assert not np.allclose(one, other)


@pytest.mark.parametrize("name", BASELINES)
def test_the_seed_fixes_the_scores(name, vectors):
    train, test, _ = vectors
    scores = [
        make_baseline(name, seed=3, max_training_rows=100).fit(train).decision_function(test) for _ in "ab"
    ]
    np.random.seed(5)
    assert np.array_equal(*scores)
    other = make_baseline(name, seed=4, max_training_rows=100).fit(train).decision_function(test)
    assert not np.array_equal(scores[0], other)


@pytest.mark.parametrize("name", BASELINES)
def test_only_batch_ranked_detectors_depend_on_the_rest_of_the_batch(name, vectors):
    train, test, _ = vectors
    detector = make_baseline(name).fit(train)
    whole = detector.decision_function(test)
    apart = np.concatenate([detector.decision_function(test[:60]), detector.decision_function(test[60:])])
    assert np.allclose(whole, apart, rtol=1e-8) == (name not in BATCH_RANKED)
    order = np.random.default_rng(2).permutation(len(test))
    assert np.allclose(detector.decision_function(test[order]), whole[order], rtol=1e-8)


@pytest.mark.parametrize("name", BASELINES)
def test_one_test_item_is_scored(name, vectors):
    train, test, _ = vectors
    scores = make_baseline(name).fit(train).decision_function(test[:1])
    assert scores.shape == (1,) and np.isfinite(scores).all()


@pytest.mark.parametrize("pyod_class", [COPOD, ECOD])
def test_blocks_of_columns_add_up_to_pyod_on_all_columns(pyod_class, vectors, monkeypatch):
    train, test, _ = vectors
    monkeypatch.setattr(baselines, "COLUMNS_AT_ONCE", 5)
    blocks = make_baseline(pyod_class.__name__.lower()).fit(train)
    whole = pyod_class().fit(train.astype(np.float64))
    expected = whole.decision_function(test.astype(np.float64))
    assert blocks.decision_function(test) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", BATCH_RANKED)
def test_columns_that_never_vary_add_nothing(name, vectors):
    train, test, _ = vectors
    scores = make_baseline(name).fit(train).decision_function(test)

    def padded(rows):
        return np.hstack([rows, np.full((len(rows), 2), 7, np.float32)])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with_constants = make_baseline(name).fit(padded(train)).decision_function(padded(test))
    assert with_constants == pytest.approx(scores, rel=1e-12)


def test_mahalanobis_knows_the_correlation():
    generator = np.random.default_rng(3)
    train = generator.normal(size=(500, 1)) + 0.1 * generator.normal(size=(500, 2))
    along, across = np.array([[1.5, 1.5]]), np.array([[1.5, -1.5]])
    detector = make_baseline("mahalanobis").fit(train)
    assert detector.decision_function(across) > 20 * detector.decision_function(along)


def test_training_rows_are_a_stated_seeded_sample(vectors):
    train, _, _ = vectors
    detector = make_baseline("ocsvm", seed=1, max_training_rows=50).fit(train)
    rows = detector.training_rows_
    assert len(rows) == len(set(rows)) == 50 and (np.diff(rows) > 0).all() and rows.max() < len(train)
    again = make_baseline("ocsvm", max_training_rows=None).fit(train[rows])
    assert np.array_equal(detector.decision_function(train), again.decision_function(train))
    assert BASELINES["ocsvm"].max_training_rows == 5000
    assert len(make_baseline("knn").fit(train).training_rows_) == len(train)


def test_pixels_are_divided_by_255_and_vectors_left_alone():
    images = np.array([[[[0], [51]], [[102], [255]]]], np.uint8)
    assert as_vectors(images) == pytest.approx(np.array([[0, 0.2, 0.4, 1.0]]))
    rows = np.array([[300.0, -2.0]], np.float32)
    assert np.array_equal(as_vectors(rows), rows)


# --- bad input ---

BAD_ITEMS = {
    "nan": np.array([[0.0, np.nan], [1.0, 2.0]]),
    "infinite": np.array([[0.0, np.inf], [1.0, 2.0]]),
    "no rows": np.zeros((0, 3)),
    "no features": np.zeros((3, 0)),
    "no images": np.zeros((0, 8, 8, 1), np.uint8),
    "rank 3": np.zeros((5, 8, 8), np.uint8),
    "rank 1": np.zeros(5),
    "integer vectors": np.zeros((5, 8), np.int64),
    "two channels": np.zeros((5, 8, 8, 2), np.uint8),
    "float images": np.zeros((5, 8, 8, 1)),
}


@pytest.mark.parametrize("case", BAD_ITEMS)
@pytest.mark.parametrize("name", ["iforest", "copod", "mahalanobis"])
def test_bad_items_are_refused(name, case):
    with pytest.raises(ValueError, match="train"):
        make_baseline(name).fit(BAD_ITEMS[case])
    fitted = make_baseline(name).fit(np.random.default_rng(0).normal(size=(30, 2)))
    with pytest.raises(ValueError, match="test"):
        fitted.decision_function(BAD_ITEMS[case])


@pytest.mark.parametrize("name", BASELINES)
def test_one_training_row_is_refused(name):
    with pytest.raises(ValueError, match="at least 2 items"):
        make_baseline(name).fit(np.zeros((1, 4)))


@pytest.mark.parametrize("name", BASELINES)
def test_another_feature_count_is_refused(name, vectors):
    train, test, _ = vectors
    detector = make_baseline(name).fit(train)
    with pytest.raises(ValueError, match=f"7 features an item, {name} was fitted on 12"):
        detector.decision_function(test[:, :7])


@pytest.mark.parametrize("name", BASELINES)
def test_unfitted_use_is_refused(name, vectors):
    with pytest.raises(NotFittedError, match=f"{name} is not fitted"):
        make_baseline(name).decision_function(vectors[1])


@pytest.mark.parametrize("name", ["knn", "lof"])
def test_too_few_rows_for_the_neighbours_are_refused(name):
    with pytest.raises(ValueError, match="n_neighbors"):
        make_baseline(name).fit(np.zeros((4, 2)))


@pytest.mark.parametrize("num_rows", [300, 20], ids=["more rows than features", "fewer"])
def test_mahalanobis_is_the_distance_of_the_covariance_that_is_never_built(num_rows):
    generator = np.random.default_rng(2)
    train, test = (blobs(generator, rows, 40).astype(np.float64) for rows in (num_rows, 30))
    ours = make_baseline("mahalanobis").fit(train).decision_function(test)
    np.testing.assert_allclose(ours, LedoitWolf().fit(train).mahalanobis(test), rtol=1e-8)


@pytest.mark.parametrize("name", ["autoencoder", "deep_svdd"])
def test_networks_leave_the_global_generators_alone(name, vectors):
    train, test, _ = vectors
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    make_baseline(name, epochs=1).fit(train).decision_function(test)
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected


@pytest.mark.parametrize("name", ["autoencoder", "deep_svdd"])
def test_fewer_rows_than_a_batch_train_the_networks_too(name, vectors):
    train, test, labels = vectors
    assert auroc(labels, make_baseline(name).fit(train[:30]).decision_function(test)) > 0.6


@pytest.mark.parametrize("name", ["autoencoder", "deep_svdd"])
def test_training_changes_what_the_networks_say(name, vectors):
    train, test, _ = vectors
    short, long = (
        make_baseline(name, epochs=epochs).fit(train).decision_function(test) for epochs in (1, 20)
    )
    assert spearmanr(short, long).statistic < 0.9999 and np.ptp(long) > 0


def test_scores_that_are_not_finite_are_refused(vectors, monkeypatch):
    train, test, _ = vectors
    detector = make_baseline("knn").fit(train)
    monkeypatch.setattr(detector.detector_, "decision_function", lambda rows: np.full(len(rows), np.nan))
    with pytest.raises(ValueError, match="knn gave 120 scores that are not finite"):
        detector.decision_function(test)


def test_lists_are_refused():
    with pytest.raises(TypeError, match="train"):
        make_baseline("iforest").fit([[0.0, 1.0], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "iforrest"}, "iforest, ocsvm"),
        ({"name": "knn", "neighbours": 3}, "no parameter 'neighbours'; it takes n_neighbors"),
        ({"name": "copod", "contamination": 0.2}, "no parameter 'contamination'"),
        ({"name": "knn", "seed": -1}, "seed"),
        ({"name": "knn", "seed": 0.5}, "seed"),
        ({"name": "knn", "max_training_rows": 1}, "max_training_rows"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_baseline(**arguments)
