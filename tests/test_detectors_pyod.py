"""`DiffusionDetector`: presets, thresholds, p-values, maps, bad input, pickles and folders."""

import copy
import io
import json
import pickle
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.exceptions import NotFittedError
from small_pyod import digits, image_detector, vector_detector, vectors

from diffad.detectors import PRESETS, DiffusionDetector
from diffad.empirical import EmpiricalDiffusion
from diffad.errors import CheckpointError
from diffad.thresholds import conformal_threshold


@pytest.fixture(scope="module")
def fitted_vectors() -> DiffusionDetector:
    return vector_detector().fit(vectors())


@pytest.fixture(scope="module")
def fitted_images() -> DiffusionDetector:
    return image_detector().fit(digits())


@pytest.fixture(scope="module")
def fitted_rows() -> DiffusionDetector:
    """Without a network: each row scored by the others."""
    return vector_detector(preset="best").fit(vectors())


@pytest.fixture(params=["fitted_vectors", "fitted_rows", "fitted_images"])
def fitted(request: pytest.FixtureRequest) -> DiffusionDetector:
    return request.getfixturevalue(request.param)


def unseen(detector: DiffusionDetector) -> np.ndarray:
    """Rows of the kind that `detector` was fitted on."""
    return vectors(11, seed=7) if detector.input_kind_ == "vectors" else digits(11, first=100)


# --- presets ---

EVALUATIONS = {"ddpm": 10, "dit": 10, "dte": 1, "fast": 2, "profile": 10, "best": 20}  # of images
CASES = [(preset, kind) for preset, kinds in PRESETS.items() for kind in kinds]


@pytest.mark.parametrize(("preset", "kind"), CASES)
def test_every_preset_learns_and_scores(preset: str, kind: str) -> None:
    if kind == "vectors":
        detector, train, test = vector_detector(preset=preset), vectors(30), vectors(5, seed=1)
    else:
        detector = image_detector(preset=preset, num_updates=1, batch_size=4, scoring_batch_size=16)
        train, test = digits(12), digits(5, first=50)
    detector.fit(train)
    scores = detector.decision_function(test)
    assert len(np.unique(scores)) == 5 and np.isfinite(scores).all()
    assert np.array_equal(detector.decision_function(test[::-1])[::-1], scores)
    expected = 1 if kind == "vectors" and preset in ("fast", "best") else EVALUATIONS[preset]
    assert detector.evaluations_per_item_ == expected


@pytest.mark.parametrize("preset", ["ddpm", "dte"])
def test_fitting_changes_what_is_learned(preset: str) -> None:
    one, other = (vector_detector(preset=preset, num_updates=updates).fit(vectors()) for updates in (1, 9))
    assert not np.array_equal(one.decision_scores_, other.decision_scores_)


def test_fast_asks_the_network_at_most_twice() -> None:
    assert EVALUATIONS["fast"] <= 2 and set(EVALUATIONS) == set(PRESETS)


def test_a_preset_that_does_not_exist_or_does_not_fit_is_refused() -> None:
    with pytest.raises(
        ValueError, match="preset: got 'huge', expected one of ddpm, dit, dte, fast, profile, best"
    ):
        vector_detector(preset="huge").fit(vectors())
    with pytest.raises(
        ValueError, match="preset: got 'dit' for vectors, expected one of ddpm, dte, fast, profile, best"
    ):
        vector_detector(preset="dit").fit(vectors())


# --- kinds of data ---


def test_grey_images_may_come_without_channels(fitted_images: DiffusionDetector) -> None:
    flat = image_detector().fit(digits()[..., 0])
    assert np.array_equal(flat.decision_scores_, fitted_images.decision_scores_)
    assert np.array_equal(
        flat.decision_function(digits(4)[..., 0]), fitted_images.decision_function(digits(4))
    )
    assert fitted_images.n_features_in_ == 64 and fitted_images.input_shape_ == (8, 8, 1)


def test_a_table_keeps_the_names_of_its_columns() -> None:
    table = pd.DataFrame(vectors(), columns=list("abcde"))
    detector = vector_detector().fit(table)
    assert list(detector.feature_names_in_) == list("abcde") and detector.n_features_in_ == 5
    with pytest.raises(ValueError, match="feature names should match"):
        detector.decision_function(table[list("edcba")])


def test_a_detector_may_be_fitted_again_on_another_kind() -> None:
    detector = vector_detector().fit(pd.DataFrame(vectors(), columns=list("abcde")))
    detector.set_params(network_parameters=None).fit(digits())
    assert detector.input_kind_ == "images" and not hasattr(detector, "feature_names_in_")


def test_the_seed_alone_decides(fitted_vectors: DiffusionDetector) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    same = vector_detector().fit(vectors())
    assert np.array_equal(same.decision_scores_, fitted_vectors.decision_scores_)
    other = vector_detector(random_state=1).fit(vectors())
    assert not np.array_equal(other.held_out_, fitted_vectors.held_out_)


# --- thresholds ---


def test_p_values_are_those_of_normals_that_were_held_out(fitted: DiffusionDetector) -> None:
    test = unseen(fitted)
    scores, normals = fitted.decision_function(test), fitted.held_out_scores_
    expected = [(1 + np.sum(normals >= score)) / (1 + len(normals)) for score in scores]
    np.testing.assert_allclose(fitted.p_values(test), expected)
    assert len(normals) == len(fitted.held_out_) == (60 if fitted.preset == "best" else 12)


def test_a_stated_rate_sets_the_threshold_by_held_out_rows() -> None:
    detector = vector_detector(false_positive_rate=0.1, held_out_fraction=0.4).fit(vectors(100))
    assert detector.threshold_ == conformal_threshold(detector.held_out_scores_, 0.1)
    assert np.array_equal(detector.labels_, detector.decision_scores_ > detector.threshold_)
    test = vectors(200, seed=1)
    assert np.array_equal(detector.predict(test), detector.p_values(test) <= 0.1)


# Without a network each row is scored by the others: a jackknife, which keeps the rate nearly and errs to the safe side.
@pytest.mark.parametrize(("preset", "tolerance"), [("ddpm", 0.035), ("best", 0.06)])
def test_new_normals_are_flagged_at_the_stated_rate(preset: str, tolerance: float) -> None:
    """The mean over detectors: each one's rate varies around it with its held-out rows."""
    settings = {"preset": preset, "false_positive_rate": 0.2, "held_out_fraction": 0.5, "num_updates": 2}
    rates = [
        vector_detector(**settings, random_state=seed)
        .fit(vectors(160, seed=seed))
        .predict(vectors(200, seed=1000 + seed))
        .mean()
        for seed in range(12)
    ]
    assert np.mean(rates) == pytest.approx(0.2, abs=tolerance)


def test_held_out_rows_are_not_trained_on() -> None:
    detector = vector_detector(preset="dte", num_updates=1).fit(np.repeat(vectors(40), 2, axis=0))
    assert len(detector.held_out_) == 16
    twins = detector.held_out_ ^ 1  # the row that is equal to each
    assert np.array_equal(detector.decision_scores_[twins], detector.decision_scores_[detector.held_out_])


# --- maps ---


def test_without_a_network_each_row_is_scored_by_the_others() -> None:
    train = vectors(30)
    detector = vector_detector(preset="best").fit(train)
    left_out = vector_detector(preset="best").fit(np.delete(train, 4, axis=0))
    own, by_others = detector.decision_scores_[4], left_out.decision_function(train[4:5])[0]
    assert abs(own - by_others) < 0.5 * detector.decision_scores_.std()
    assert detector.decision_function(train[4:5])[0] < own - 1  # it finds itself
    assert not hasattr(detector, "model_")


def test_embeddings_are_scored_at_the_fixed_setting() -> None:
    train, test = vectors(40, 12), vectors(9, 12, seed=1)
    expected = EmpiricalDiffusion().fit(train)
    detector = vector_detector(preset="best", unit_norm=True).fit(train)
    np.testing.assert_allclose(detector.decision_function(test), expected.decision_function(test), rtol=1e-9)
    assert np.array_equal(detector.decision_scores_, expected.training_scores_)


def test_maps_show_where_pixels_are_unusual(fitted_images: DiffusionDetector) -> None:
    images = digits(4, first=100).copy()
    images[0, :4, :4] = 255
    maps = fitted_images.maps(images)
    assert maps.shape == (4, 8, 8) and maps.dtype == np.float32
    assert maps[0, :4, :4].mean() > maps[0, 4:, 4:].mean()
    with pytest.raises(ValueError, match="'dte' fitted on images has no maps"):
        image_detector(preset="dte").fit(digits(20)).maps(images)


def test_vectors_have_no_maps(fitted_vectors: DiffusionDetector) -> None:
    with pytest.raises(ValueError, match="fitted on vectors has no maps"):
        fitted_vectors.maps(vectors(3))


# --- bad input ---


@pytest.mark.parametrize(
    "method", ["decision_function", "predict", "predict_proba", "p_values", "maps", "save"]
)
def test_unfitted_use_is_refused(method: str, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="This DiffusionDetector instance is not fitted yet"):
        getattr(vector_detector(), method)(tmp_path if method == "save" else vectors())


@pytest.mark.parametrize("unit_norm", [False, True])
@pytest.mark.parametrize("preset", ["ddpm", "dte", "profile", "best"])
def test_constant_columns_are_taken(preset: str, unit_norm: bool) -> None:
    train = np.column_stack([vectors(), np.full(60, 7.0), np.zeros(60)])
    detector = vector_detector(preset=preset, unit_norm=unit_norm).fit(train)
    assert np.isfinite(detector.decision_scores_).all()
    usual, other = vectors(1, 7, seed=1), vectors(1, 7, seed=1) + np.array([0, 0, 0, 0, 0, 100.0, 0])
    usual[0, 5:] = 7.0, 0.0
    if (
        preset != "dte" and not unit_norm
    ):  # a classifier of five updates knows nothing, a direction has no length
        assert detector.decision_function(other)[0] > detector.decision_function(usual)[0]


@pytest.mark.parametrize("preset", ["ddpm", "dte", "best"])
def test_fewer_rows_than_features_are_taken(preset: str) -> None:
    detector = vector_detector(preset=preset).fit(vectors(12, num_features=40))
    assert np.isfinite(detector.decision_function(vectors(5, num_features=40, seed=1))).all()


@pytest.mark.parametrize("preset", ["ddpm", "best"])
def test_an_outlier_beyond_all_numbers_has_a_score(preset: str) -> None:
    detector = vector_detector(preset=preset).fit(vectors())
    scores = detector.decision_function(np.array([[1e200] * 5, [0.0] * 5]))
    assert np.isfinite(scores).all() and scores[0] > scores[1]


def test_one_row_scores_as_it_does_among_others(fitted: DiffusionDetector) -> None:
    test = unseen(fitted)
    assert np.array_equal(fitted.decision_function(test[3:4]), fitted.decision_function(test)[3:4])
    assert fitted.predict(test[3:4]).shape == fitted.p_values(test[3:4]).shape == (1,)
    assert fitted.predict_proba(test[3:4]).shape == (1, 2)


def test_a_fit_that_fails_leaves_nothing_behind() -> None:
    detector = vector_detector().fit(vectors())
    with pytest.raises(ValueError, match="num_updates: got 0"):
        detector.set_params(num_updates=0).fit(vectors(30))
    with pytest.raises(NotFittedError):
        detector.predict(vectors(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_with_nan_or_infinity_are_refused(fitted_vectors: DiffusionDetector, bad: float) -> None:
    spoiled = vectors()
    spoiled[3, 2] = bad
    message = "Input X contains NaN" if np.isnan(bad) else "Input X contains infinity"
    with pytest.raises(ValueError, match=message):
        vector_detector().fit(spoiled)
    with pytest.raises(ValueError, match=message):
        fitted_vectors.decision_function(spoiled)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros(8), ValueError, "Expected 2D array, got 1D array instead"),
        (np.zeros((0, 5)), ValueError, r"Found array with 0 sample\(s\)"),
        (np.zeros((8, 0)), ValueError, r"Found array with 0 feature\(s\)"),
        (vectors(5), ValueError, "minimum of 6 is required by DiffusionDetector"),
        (
            np.ones((20, 4)),
            ValueError,
            "X: all of them are also among those held out, expected X that differ",
        ),
        (csr_matrix(vectors()), TypeError, "Sparse data was passed"),
        (np.full((20, 2), "a"), ValueError, "could not convert string to float"),
        (digits(5), ValueError, "X: got 5 images, expected at least 6"),
        (np.zeros((20, 8, 12, 1), np.uint8), ValueError, "X: all of them are"),
        (digits(20)[:, :, :6], ValueError, "X: got images of 8 x 6 pixels, expected square ones"),
        (digits(20) / 255.0, ValueError, "X: got dtype float64 with values from 0.0 to 1.0, expected uint8"),
        (np.full((20, 8, 8), np.nan), ValueError, "X: 1280 pixels are NaN or infinite"),
        (np.zeros((20, 8, 8, 2), np.uint8), ValueError, "X: got 2 channels"),
    ],
)
def test_data_that_cannot_be_fitted_are_refused(X, error: type, message: str) -> None:  # noqa: N803
    with pytest.raises(error, match=message):
        DiffusionDetector(num_updates=2).fit(X)


def test_data_unlike_those_fitted_are_refused(
    fitted_vectors: DiffusionDetector, fitted_images: DiffusionDetector
) -> None:
    with pytest.raises(ValueError, match="X has 4 features, but DiffusionDetector is expecting 5 features"):
        fitted_vectors.predict(vectors(3, num_features=4))
    with pytest.raises(ValueError, match="got an array of rank 4, expected rank 2.*fitted on vectors"):
        fitted_vectors.predict(digits(3))
    with pytest.raises(ValueError, match=r"X: got images of .* \(16, 16, 1\), expected \(8, 8, 1\)"):
        fitted_images.predict(np.zeros((2, 16, 16, 1), np.uint8))
    with pytest.raises(ValueError, match=r"X: got images of .* \(8, 8, 3\), expected \(8, 8, 1\)"):
        fitted_images.predict(np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"got data of rank 2, expected images.*\(8, 8, 1\)"):
        fitted_images.predict(digits(3).reshape(3, 64))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"false_positive_rate": 0.0}, "false_positive_rate: got 0.0, expected None or a number in"),
        ({"false_positive_rate": 0.01}, "X: got 60 normal rows, expected at least 198"),
        ({"held_out_fraction": 1.0}, "held_out_fraction: got 1.0"),
        ({"num_updates": 0}, "num_updates: got 0"),
        ({"batch_size": 0}, "batch_size: got 0"),
        ({"learning_rate": 2.0}, "learning_rate: got 2.0"),
        ({"network_parameters": {"wide": 3}}, "wide"),
        ({"random_state": "a"}, "cannot be used to seed"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vector_detector(**parameters).fit(vectors())


@pytest.mark.parametrize("contamination", [0.0, 0.6, -1.0])
def test_a_contamination_that_pyod_refuses_is_refused(contamination: float) -> None:
    with pytest.raises(ValueError, match=r"contamination must be in \(0, 0.5\]"):
        DiffusionDetector(contamination=contamination)


# --- pickles and folders ---


def _through_joblib(detector: DiffusionDetector) -> DiffusionDetector:
    file = io.BytesIO()
    joblib.dump(detector, file)
    file.seek(0)
    return joblib.load(file)


def _through_pickle(detector: DiffusionDetector) -> DiffusionDetector:
    return pickle.loads(pickle.dumps(detector))


@pytest.mark.parametrize("through", [_through_pickle, _through_joblib, copy.deepcopy])
def test_a_pickled_detector_scores_to_the_last_bit(fitted: DiffusionDetector, through) -> None:
    restored, test = through(fitted), unseen(fitted)
    assert np.array_equal(restored.decision_function(test), fitted.decision_function(test))
    assert np.array_equal(restored.p_values(test), fitted.p_values(test))
    assert restored.threshold_ == fitted.threshold_ and restored.get_params() == fitted.get_params()


def test_a_pickle_holds_no_tensor_and_so_no_device(fitted: DiffusionDetector) -> None:
    class Strict(pickle.Unpickler):
        def find_class(self, module: str, name: str):
            assert not module.startswith(("torch", "diffusers", "timm")), f"{module}.{name}"
            return super().find_class(module, name)

    Strict(io.BytesIO(pickle.dumps(fitted))).load()


@pytest.mark.parametrize("unit_norm", [False, True])
@pytest.mark.parametrize("preset", ["best", "dte", "ddpm"])
def test_a_saved_detector_scores_to_the_last_bit(preset: str, unit_norm: bool, tmp_path: Path) -> None:
    table = pd.DataFrame(vectors(), columns=list("abcde"))
    detector = vector_detector(
        preset=preset, unit_norm=unit_norm, false_positive_rate=0.2, contamination=0.2
    ).fit(table)
    loaded = DiffusionDetector.load(detector.save(tmp_path / "detector"))
    test = pd.DataFrame(vectors(9, seed=1), columns=list("abcde"))
    for method in ("decision_function", "predict", "p_values", "predict_proba", "predict_confidence"):
        assert np.array_equal(getattr(loaded, method)(test), getattr(detector, method)(test)), method
    for name in ("decision_scores_", "labels_", "threshold_", "held_out_", "held_out_scores_", "seed_"):
        assert np.array_equal(getattr(loaded, name), getattr(detector, name)), name
    assert loaded.get_params() == detector.get_params()
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(test[list("edcba")])


def test_a_saved_detector_of_images_scores_and_maps_the_same(
    fitted_images: DiffusionDetector, tmp_path: Path
) -> None:
    folder, test = fitted_images.save(tmp_path / "detector"), digits(6, first=100)
    loaded = DiffusionDetector.load(folder)
    assert np.array_equal(loaded.decision_function(test), fitted_images.decision_function(test))
    assert np.array_equal(loaded.maps(test), fitted_images.maps(test))
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == ["arrays.safetensors", "detector.json", "model/model.json", "model/weights.safetensors"]


def _edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "detector.json").unlink(), "detector.json is missing"),
        (
            lambda folder: (folder / "detector.json").write_bytes(b"\x80\x04K\x01."),
            "not a detector's description",
        ),
        (lambda folder: (folder / "detector.json").write_text("[]"), "not a detector's description"),
        (lambda folder: _edit(folder / "detector.json", format="other"), "format 'other'"),
        (lambda folder: _edit(folder / "detector.json", preset={}), "not a detector's description"),
        (lambda folder: _edit(folder / "detector.json", files={}), "not a detector's description"),
        (lambda folder: (folder / "arrays.safetensors").unlink(), "arrays.safetensors is missing"),
        (lambda folder: (folder / "arrays.safetensors").write_bytes(b"\x80\x04"), "damaged or was replaced"),
        (lambda folder: _edit(folder / "model" / "model.json", format=1), "damaged or was replaced"),
    ],
)
def test_a_damaged_or_foreign_folder_is_refused(
    fitted_vectors: DiffusionDetector, tmp_path: Path, damage, message: str
) -> None:
    folder = fitted_vectors.save(tmp_path / "detector")
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        DiffusionDetector.load(folder)


def test_what_json_cannot_hold_is_not_saved(tmp_path: Path) -> None:
    detector = vector_detector(random_state=np.random.RandomState(0)).fit(vectors())
    with pytest.raises(ValueError, match="random_state: got a RandomState, expected plain"):
        detector.save(tmp_path / "detector")
    assert not (tmp_path / "detector").exists()
