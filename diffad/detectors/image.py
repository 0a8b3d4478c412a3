"""A detector: a diffusion model of normal images, the noise levels it is asked at, and what normal images score there.

`fit` takes normal images alone. A share of them is held out of the training; their errors calibrate the level profile
(`diffad.scorers.calibration`), set the threshold at a stated false-positive rate, and turn any score into a p-value
(`diffad.thresholds`).

The names are PyOD's and scikit-learn's: parameters are stored unchanged, what was learned ends in an underscore.
"""

from pathlib import Path
from typing import Self

import numpy as np
import torch

from diffad.datasets.imageset import content_hashes
from diffad.detector_files import claim_training, images_fingerprint, read_detector, write_detector
from diffad.detectors.held_out import split_held_out
from diffad.detectors.maps import relative_maps
from diffad.detectors.seeding import GLOBAL_GENERATOR
from diffad.images import check_images
from diffad.model import DiffusionModel, ModelConfig
from diffad.scorers import Evaluator, LevelCalibration, OneStepReconstruction, levels_from_fractions
from diffad.thresholds import (
    DetectionConfig,
    conformal_p_values,
    conformal_threshold,
    cross_fitted_scores,
)
from diffad.training import TrainingConfig, TrainingHistory, fit

DEFAULT_DETECTION = DetectionConfig()


class ImageDetector:
    """Finds images unlike those it was fitted on, by a diffusion model's reconstruction errors over noise levels.

    Args:
        model: fields of a `ModelConfig`; `image_size` and `channels` in its `network_parameters` come from the images.
        training: how it is trained.
        detection: how images are scored and where the threshold lies.

    Attributes:
        model_: the trained `DiffusionModel`.
        calibration_: the `LevelCalibration` of all held-out normals; `profile_` are their errors, (n_held_out, levels).
        normal_scores_: their scores, each by a calibration without it, (n_held_out,).
        threshold_: images that score above it are called anomalous.
        image_shape_: (height, width, channels) of the images.
        history_: the `TrainingHistory`; None for a detector that was loaded.
        fingerprint_: sha256 of the images given to `fit`.
        seen_hashes_: uint64, one for each of these images: what a test must not hold.
        num_training_: how many of them it was trained on.
    """

    def __init__(self, model: dict, training: TrainingConfig, detection: DetectionConfig = DEFAULT_DETECTION):
        self.model, self.training, self.detection = model, training, detection

    def fit(
        self, images: np.ndarray, y=None, checkpoints: Path | str | None = None, progress: bool = False
    ) -> Self:
        """Train on normal images, less those held out, and calibrate on the held-out ones.

        Args:
            images: uint8 (n, height, width, channels), square, all normal.
            y: ignored; scikit-learn's pipelines pass it.
            checkpoints: folder in which a stopped training is taken up again; None keeps none. The caller removes it.
            progress: whether to show progress bars on stderr.

        Raises:
            TypeError, ValueError: images of another kind, or too few of them.
            CheckpointError: `checkpoints` holds a training of other images or settings.
            FloatingPointError: the training diverged.
        """
        check_images(images)
        configuration, hashes = self._fitting_model(images.shape), content_hashes(images)
        training, held_out = self.split(hashes)
        fingerprint = images_fingerprint(images)
        with GLOBAL_GENERATOR:
            model = configuration.build(self.training.seed)
        with claim_training(checkpoints, self.identity(fingerprint)):
            self.history_: TrainingHistory | None = fit(
                model, images[training], self.training, images[held_out], checkpoints, progress
            )
            self._learn(model, images.shape[1:], len(training), hashes, fingerprint)
            self._calibrate(self._scorer(progress).profile(images[held_out]))
        return self

    def split(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the images that `fit` trains on, and of those that it holds out, from all their
        `content_hashes`, uint64 (n,).
        """
        return split_held_out(hashes, self.detection.num_held_out(len(hashes)), self.detection.seed)

    def identity(self, fingerprint: str) -> dict:
        """What a fitted detector is a function of, as plain JSON values; `fingerprint` is that of its images."""
        parts = {"training": self.training, "detection": self.detection}
        configurations = {name: part.model_dump(mode="json") for name, part in parts.items()}
        return {"model": self.model, **configurations, "images": fingerprint}

    def decision_function(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
        """Anomaly scores of uint8 images (n, h, w, c): float64 (n,), higher = more anomalous.

        Raises:
            TypeError, ValueError: images of another kind or size than fitted.
        """
        check_images(images, shape=self.image_shape_)
        return self.calibration_.combine(self._scorer(progress).profile(images), self.detection.rule)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """int64 (n,): 1 where an image scores above the threshold, else 0."""
        return (self.decision_function(images) > self.threshold_).astype(np.int64)

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Conformal p-values of `scores` (n,): how often a normal image scores so high, float64 (n,) in (0, 1]."""
        return conformal_p_values(self.normal_scores_, scores)

    def maps(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
        """Where images are unlike normal ones: float32 (n, h, w), 1 where a pixel's error is usual.

        The mean over levels of a pixel's error, in units of the mean error (geometric) of normal images at that level.

        Raises:
            TypeError, ValueError: images of another kind or size than fitted.
        """
        check_images(images, shape=self.image_shape_)
        return relative_maps(self._scorer(progress), self.calibration_, images)

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return len(self.detection.levels) * self.detection.num_draws

    def save(self, folder: Path | str, origin: dict | None = None) -> Path:
        """Write the detector to `folder`, whole or not at all: safetensors, JSON, and an npz of numbers.

        Args:
            folder: replaced if it is there.
            origin: plain JSON values that say where the images came from, for `detector.json`.
        """
        return write_detector(self, Path(folder), origin or {})

    @classmethod
    def load(cls, folder: Path | str, device: torch.device | str | None = None) -> Self:
        """Read what `save` wrote; nothing is unpickled. `origin_` is what `save` was told.

        Args:
            folder: a detector's folder.
            device: where it computes; a CUDA device if there is one, else the CPU, if not given.

        Raises:
            CheckpointError: a file is missing, altered, or of another program.
        """
        stored = read_detector(Path(folder))
        detector = cls(
            stored.parameters["model"],
            TrainingConfig(**stored.parameters["training"]),
            DetectionConfig(**stored.parameters["detection"]),
        )
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        detector.history_, detector.origin_ = None, stored.origin
        detector._learn(
            stored.model.to(device),
            stored.image_shape,
            stored.num_training,
            stored.seen_hashes,
            stored.fingerprint,
        )
        detector._calibrate(stored.profile)
        return detector

    def _fitting_model(self, images_shape: tuple[int, ...]) -> ModelConfig:
        """The model's configuration with the size and channels of images (n, h, w, c)."""
        _, height, width, channels = images_shape
        if height != width:
            raise ValueError(f"images: got {height} x {width} pixels, expected square ones")
        parameters = self.model.get("network_parameters", {}) | {"image_size": height, "channels": channels}
        return ModelConfig(**self.model | {"network_parameters": parameters})

    def _learn(
        self,
        model: DiffusionModel,
        image_shape: tuple[int, int, int],
        num_training: int,
        seen_hashes: np.ndarray,
        fingerprint: str,
    ) -> None:
        self.model_, self.image_shape_ = model, tuple(image_shape)
        self.num_training_, self.seen_hashes_, self.fingerprint_ = num_training, seen_hashes, fingerprint

    def _calibrate(self, profile: np.ndarray) -> None:
        self.profile_, self.calibration_ = profile, LevelCalibration(profile)
        self.normal_scores_ = cross_fitted_scores(profile, self.detection.rule)
        self.threshold_ = conformal_threshold(self.normal_scores_, self.detection.false_positive_rate)

    def _scorer(self, progress: bool) -> OneStepReconstruction:
        detection = self.detection
        evaluator = Evaluator(self.model_, detection.batch_size, detection.seed, progress)
        levels = levels_from_fractions(detection.levels, self.model_.num_steps)
        return OneStepReconstruction(evaluator, levels, detection.num_draws, detection.metric)
