"""Images by way of frozen features: where is an image unlike normal ones, and how much as a whole.

Two diffusion models share one pass through a frozen network. A position-conditioned denoiser on whitened feature maps
says where an image is abnormal; its image score is the mean of the highest hundredth of the map. By default it is the
best linear denoiser, a formula: features are whitened around what is usual at their place, where that denoiser pulls
every one towards 0 by the same factor, at every noise level. The error of a place is then its squared length, the
Mahalanobis distance. With a `training` configuration a network is trained instead (`diffad.networks.position_mlp`).
The exact denoiser of the training vectors (`diffad.empirical`) says whether the image as a whole is, which
a place-by-place score cannot see. Each becomes a z-score by normal images that it was not fitted on, and they
are added, the whole counting twice: one number for all data, not one for each.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.transform import resize
from sklearn.exceptions import NotFittedError

from diffad.empirical import EmpiricalDiffusion
from diffad.features import FeatureExtractor, Features
from diffad.images import check_images
from diffad.model import DiffusionModel, ModelConfig
from diffad.scorers import EpsError, Evaluator, levels_from_fractions
from diffad.training import TrainingConfig, fit
from diffad.whitening import ShrunkWhitening

PLACES_WHITENED = 50_000  # places that the covariance of the maps is estimated from, drawn evenly
HIGHEST_SHARE = 0.01  # of the places, averaged into the map's image score
WHOLE_WEIGHT = 2.0  # of the image as a whole against its highest places
SMOOTHING = 4.0  # pixels at 256 a side, standard deviation, as PatchCore smooths its maps


@dataclass(frozen=True)
class FeatureScores:
    """What `FeatureMapDetector` says of n images; every number float64, higher = more anomalous.

    Attributes:
        image: places + WHOLE_WEIGHT * whole, (n,).
        places: z-score of the highest places of the map, (n,).
        whole: z-score of the image as a whole, (n,).
        maps: smoothed error maps at the images' size, (n, height, width).
    """

    image: np.ndarray
    places: np.ndarray
    whole: np.ndarray
    maps: np.ndarray


class FeatureMapDetector:
    """Fitted on normal images alone; scores images and maps them, by two diffusion models on frozen features.

    Args:
        extractor: of the features; `FeatureExtractor()` if None.
        training: how the maps' denoiser is trained; None for the best linear one, which needs no training.
        level: noise level of a trained denoiser, as a fraction of T.
        num_draws: antithetic noises at that level.
        progress: whether to show progress bars.

    Attributes:
        whole_: the fitted `EmpiricalDiffusion`.
        model_: the maps' trained diffusion model, None where the linear denoiser is used.
    """

    def __init__(
        self,
        extractor: FeatureExtractor | None = None,
        training: TrainingConfig | None = None,
        level: float = 0.15,
        num_draws: int = 2,
        progress: bool = False,
    ):
        self.extractor = extractor or FeatureExtractor()
        self.level, self.num_draws, self.training, self.progress = level, num_draws, training, progress

    @property
    def evaluations_per_image(self) -> int:
        """Evaluations of the two denoisers an image; the pass through the frozen network is not one."""
        return 1 + (1 if self.training is None else self.num_draws)

    def fit(self, images: np.ndarray, validation: np.ndarray) -> "FeatureMapDetector":
        """Learn what is normal.

        Args:
            images: uint8 (n, height, width, channels), normal, n >= 3.
            validation: normal images that are not among them, two or more, for the map's z-score.

        Raises:
            TypeError, ValueError: anything else.
        """
        shape = check_images(images, "images").shape[1:]
        check_images(validation, "validation", shape)
        if len(images) < 3 or len(validation) < 2:
            raise ValueError(
                f"images: got {len(images)} and {len(validation)} for validation, expected at least 3 and 2"
            )
        self.image_shape = shape
        return self.fit_features(self.extractor.extract(images), self.extractor.extract(validation))

    def fit_features(self, train: Features, validation: Features) -> "FeatureMapDetector":
        """As `fit`, from features that were extracted before."""
        self._place_means = train.maps.mean(axis=0)  # (h, w, c)
        places = (train.maps - self._place_means).reshape(-1, train.maps.shape[-1])
        self._whitening = ShrunkWhitening().fit(places[:: -(-len(places) // PLACES_WHITENED)])
        self.model_ = None if self.training is None else self._train(self._whiten(train.maps))
        self.whole_ = EmpiricalDiffusion().fit(train.vectors)
        usual = np.log(self._highest(self._error_maps(validation.maps)))
        self._usual_places = usual.mean(), usual.std(ddof=1)
        own = self.whole_.training_scores_  # each row was denoised from the others
        self._usual_whole = own.mean(), own.std(ddof=1)
        return self

    def scores(self, images: np.ndarray) -> FeatureScores:
        """Score and map uint8 images (n, height, width, channels) of the size fitted.

        Raises:
            NotFittedError (a ValueError): called before `fit`.
            TypeError, ValueError: images of another kind or size.
        """
        if not hasattr(self, "whole_"):
            raise NotFittedError("this FeatureMapDetector is not fitted: call fit before scores")
        check_images(images, "images", getattr(self, "image_shape", None))
        return self.score_features(self.extractor.extract(images), images.shape[1:3])

    def score_features(self, features: Features, size: tuple[int, int]) -> FeatureScores:
        """As `scores`, from features that were extracted before; `size` (height, width) of the maps returned."""
        errors = self._error_maps(features.maps)  # (n, h, w)
        places = (np.log(self._highest(errors)) - self._usual_places[0]) / self._usual_places[1]
        whole = self.whole_.decision_function(features.vectors)
        whole = (whole - self._usual_whole[0]) / self._usual_whole[1]
        return FeatureScores(places + WHOLE_WEIGHT * whole, places, whole, _enlarged(errors, size))

    def _train(self, maps: np.ndarray) -> DiffusionModel:
        """The network that denoises whitened maps (n, h, w, c)."""
        height, width, channels = maps.shape[1:]
        parameters = {"height": height, "width": width, "channels": channels}
        model = ModelConfig(network="position_mlp", network_parameters=parameters).build(self.training.seed)
        fit(model, maps, self.training.for_data(len(maps)), progress=self.progress)
        return model

    def _whiten(self, maps: np.ndarray) -> np.ndarray:
        """Maps (n, h, w, c) less what is usual at each place, with every direction's spread the same."""
        whitened = self._whitening.transform((maps - self._place_means).reshape(-1, maps.shape[-1]))
        return whitened.astype(np.float32).reshape(maps.shape)

    def _error_maps(self, maps: np.ndarray) -> np.ndarray:
        """Mean squared error of the predicted noise at each place, (n, h, w), up to a factor."""
        whitened = self._whiten(maps)
        if self.model_ is None:
            return np.square(whitened, dtype=np.float64).mean(axis=3)
        levels = levels_from_fractions([self.level], self.model_.num_steps)
        evaluator = Evaluator(self.model_, batch_size=16, progress=self.progress)
        return EpsError(evaluator, levels, self.num_draws).maps(whitened)[:, 0]

    @staticmethod
    def _highest(errors: np.ndarray) -> np.ndarray:
        """Mean of the highest hundredth of each map (n, h, w), at least one place: (n,)."""
        flat = np.sort(errors.reshape(len(errors), -1), axis=1)
        return flat[:, -max(1, round(HIGHEST_SHARE * flat.shape[1])) :].mean(axis=1)


def _enlarged(errors: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Maps (n, h, w) at `size` (height, width), smoothed."""
    enlarged = [resize(error, size, order=1, mode="edge", anti_aliasing=False) for error in errors]
    return gaussian_filter(np.stack(enlarged), (0, SMOOTHING * size[0] / 256, SMOOTHING * size[1] / 256))
