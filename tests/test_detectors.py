"""The detector: held-out calibration, threshold, p-values, files, and a training that can be stopped."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_detector import digits, small_detector

from diffad.detector_files import claim_training, differences
from diffad.detectors import ImageDetector
from diffad.errors import CheckpointError
from diffad.scorers import LevelCalibration
from diffad.thresholds import (
    DetectionConfig,
    conformal_p_values,
    conformal_threshold,
    cross_fitted_scores,
)


@pytest.fixture(scope="module")
def fitted() -> ImageDetector:
    return small_detector().fit(digits())


@pytest.fixture
def saved(fitted: ImageDetector, tmp_path: Path) -> Path:
    return fitted.save(tmp_path / "detector", {"source": "digits"})


# --- threshold and p-values ---


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 1 / 3, 0.5])
def test_above_the_threshold_is_where_the_p_value_is_at_most_the_rate(rate: float) -> None:
    rng = np.random.default_rng(0)
    for n in (99, 100, 119, 250):
        normals = rng.normal(size=n)
        scores = np.concatenate([rng.normal(size=500), normals])
        flagged = scores > conformal_threshold(normals, rate)
        assert np.array_equal(flagged, conformal_p_values(normals, scores) <= rate + 1e-12)


def test_normal_images_are_flagged_at_the_stated_rate() -> None:
    """Over many draws of held-out normals the share flagged is the rate; a single draw's varies around it."""
    rng = np.random.default_rng(1)
    shares = [
        (rng.normal(size=200) > conformal_threshold(rng.normal(size=39), 0.1)).mean() for _ in range(500)
    ]
    assert np.mean(shares) == pytest.approx(0.1, abs=0.008)


def test_p_values_count_the_held_out_normals_that_score_as_high() -> None:
    assert conformal_p_values(np.array([3.0, 1.0, 2.0]), np.array([0.0, 2.0, 9.0])).tolist() == [
        1.0,
        0.75,
        0.25,
    ]


def test_a_rate_finer_than_the_held_out_normals_can_tell_is_refused() -> None:
    with pytest.raises(ValueError, match="false_positive_rate: got 0.05 with 18"):
        conformal_threshold(np.arange(18.0), 0.05)
    assert conformal_threshold(np.arange(19.0), 0.05) == 18.0


def test_cross_fitted_scores_are_those_of_new_normals_and_self_scores_are_too_low() -> None:
    rng = np.random.default_rng(2)
    profile, new = np.exp(rng.normal(size=(24, 8))), np.exp(rng.normal(size=(4000, 8)))
    calibration = LevelCalibration(profile)
    expected = calibration.combine(new, "max_abs").mean()
    crossed = cross_fitted_scores(profile, "max_abs").mean()
    own = calibration.combine(profile, "max_abs").mean()
    assert own < crossed and abs(crossed - expected) < abs(own - expected)


def test_as_many_are_held_out_as_the_rate_needs() -> None:
    assert DetectionConfig().num_held_out(60_000) == 1000
    assert DetectionConfig().num_held_out(500) == 50
    assert DetectionConfig().num_held_out(40) == 19
    assert DetectionConfig(false_positive_rate=0.5).num_held_out(6) == 3
    with pytest.raises(ValueError, match=r"images: got 1 normal image, expected at least 38"):
        DetectionConfig().num_held_out(1)


# --- fitting and scoring ---


def test_training_and_held_out_images_share_no_content() -> None:
    images = np.concatenate([digits(60), digits(60)])  # each twice
    detector = small_detector().fit(images)
    assert len(detector.normal_scores_) == 19 and detector.num_training_ < 120 - 19
    assert len(detector.seen_hashes_) == 120


def test_scores_do_not_depend_on_neighbours_and_predictions_follow_the_threshold(
    fitted: ImageDetector,
) -> None:
    images = digits(120)[80:]
    scores = fitted.decision_function(images)
    assert scores.dtype == np.float64 and len(np.unique(scores)) == len(images)
    assert np.array_equal(fitted.decision_function(images[5:6]), scores[5:6])
    assert np.array_equal(fitted.predict(images), scores > fitted.threshold_)
    assert np.array_equal(fitted.p_values(scores) <= 0.05, scores > fitted.threshold_)


def test_maps_are_errors_in_units_of_what_is_usual_at_each_level(fitted: ImageDetector) -> None:
    images = digits(150)[80:]  # more than are mapped at a time
    maps = fitted.maps(images)
    assert maps.shape == (70, 8, 8) and maps.dtype == np.float32
    relative = fitted._scorer(progress=False).profile(images) / np.exp(
        fitted.calibration_.mean_
    )  # (70, levels)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), relative.mean(axis=1), rtol=1e-5)
    assert np.abs(maps.mean() - 1) < 0.2 and maps.std() > 0.05


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((60, 8, 8, 1), np.nan, np.float32), "NaN or infinite"),
        (np.full((60, 8, 8, 1), np.inf), "NaN or infinite"),
        (np.zeros((60, 8, 8, 1)), "dtype float64"),
        (np.zeros((60, 8, 8), np.uint8), "rank 3"),
        (np.zeros((60, 8, 8, 2), np.uint8), "2 channels"),
        (np.zeros((0, 8, 8, 1), np.uint8), "at least one image"),
        (np.zeros((1, 8, 8, 1), np.uint8), "expected at least 38"),
        (np.zeros((60, 8, 12, 1), np.uint8), "expected square"),
        (np.zeros((60, 8, 8, 1), np.uint8), "expected images that differ"),
    ],
)
def test_images_that_cannot_be_fitted_are_refused(images: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_detector().fit(images)


def test_images_of_another_size_than_fitted_are_refused(fitted: ImageDetector) -> None:
    for method in (fitted.decision_function, fitted.predict, fitted.maps):
        with pytest.raises(ValueError, match=r"\(16, 16, 1\), expected \(8, 8, 1\)"):
            method(np.zeros((2, 16, 16, 1), np.uint8))


# --- files ---


def test_a_loaded_detector_scores_to_the_last_bit(fitted: ImageDetector, saved: Path) -> None:
    loaded, images = ImageDetector.load(saved, "cpu"), digits(100)[80:]
    assert np.array_equal(loaded.decision_function(images), fitted.decision_function(images))
    assert loaded.threshold_ == fitted.threshold_ and loaded.origin_ == {"source": "digits"}
    assert loaded.identity(loaded.fingerprint_) == fitted.identity(fitted.fingerprint_)
    assert np.array_equal(loaded.seen_hashes_, fitted.seen_hashes_)


def test_the_description_is_plain_json_with_calibration_and_threshold(
    fitted: ImageDetector, saved: Path
) -> None:
    written = json.loads((saved / "detector.json").read_text())
    assert written["threshold"] == fitted.threshold_ and written["num_held_out"] == 19
    assert written["calibration"]["mean_log_error"] == fitted.calibration_.mean_.tolist()
    assert written["image_shape"] == [8, 8, 1] and written["evaluations_per_image"] == 6
    assert sorted(path.name for path in saved.iterdir()) == ["detector.json", "held_out.npz", "model"]


def _edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "detector.json").unlink(), "detector.json is missing"),
        (lambda folder: (folder / "detector.json").write_text("{"), "not a detector's description"),
        (lambda folder: (folder / "detector.json").write_text("[]"), "not a detector's description"),
        (lambda folder: (folder / "detector.json").write_bytes(b"\x80\x04K\x01."), "not a detector's"),
        (lambda folder: _edit(folder / "detector.json", format="other-1"), "format 'other-1'"),
        (lambda folder: _edit(folder / "detector.json", detection={"rules": 1}), "rules: Extra inputs"),
        (lambda folder: _edit(folder / "detector.json", files={}), "not a detector's description"),
        (lambda folder: (folder / "held_out.npz").unlink(), "held_out.npz is missing"),
        (lambda folder: (folder / "held_out.npz").write_bytes(b"PK"), "damaged or was replaced"),
        (
            lambda folder: (folder / "model" / "weights.safetensors").write_bytes(b"\x80\x04K\x01."),
            "damaged or was replaced",
        ),
        (lambda folder: (folder / "model" / "model.json").write_text("{}"), "model.json"),
    ],
)
def test_a_damaged_or_foreign_folder_is_refused(saved: Path, damage, message: str) -> None:
    damage(saved)
    with pytest.raises(CheckpointError, match=message):
        ImageDetector.load(saved)


# --- stopped trainings ---


def test_a_stopped_training_goes_on_to_the_same_weights(
    fitted: ImageDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffad import training

    step, calls = training.Trainer.step, []

    def stop_in_the_tenth(self, *arguments):
        calls.append(1)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(training.Trainer, "step", stop_in_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        small_detector().fit(digits(), checkpoints=tmp_path / "stopped")
    resumed = small_detector().fit(digits(), checkpoints=tmp_path / "stopped")
    assert len(calls) == 10 + 4  # from update 8 to 12
    images = digits(100)[80:]
    assert np.array_equal(resumed.decision_function(images), fitted.decision_function(images))


def test_a_training_of_other_images_or_settings_is_not_continued(tmp_path: Path) -> None:
    small_detector().fit(digits(), checkpoints=tmp_path)
    with pytest.raises(CheckpointError, match="differs in images;"):
        small_detector().fit(digits(81), checkpoints=tmp_path)
    with pytest.raises(CheckpointError, match="differs in detection.rule;"):
        small_detector(rule="mean").fit(digits(), checkpoints=tmp_path)


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    with claim_training(tmp_path, {}), pytest.raises(CheckpointError, match="another process is training"):
        with claim_training(tmp_path, {}):
            pass


def test_settings_that_alter_no_weight_may_change() -> None:
    before = {"training": {"seed": 0, "checkpoint_every": 4}, "images": "a"}
    assert differences(before, {"training": {"seed": 0, "checkpoint_every": 9}, "images": "a"}) == []
    assert differences(before, {"training": {"seed": 1, "checkpoint_every": 4}, "images": "b"}) == [
        "images",
        "training.seed",
    ]
