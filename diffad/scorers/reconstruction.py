"""Reconstruction error: the paper's score. Noise an image, denoise it with a model of normal images, measure
what changed.

    OneStepReconstruction     one evaluation a level and draw: x0_hat(x_t) against x_0, at several levels
    PartialDiffusion          noise to one level, walk back in several DDIM steps (AnoDDPM, Wyatt et al. 2022)
    AncestralReconstruction   the same walk in every step there is, each drawn at random (Ho et al. 2020)

At level t the squared one-step error is (1 - alpha_bar_t) / alpha_bar_t times the error of the predicted
noise, so within one level both rank images alike. Levels see different things: fine noise asks for texture,
coarse noise for shape.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch

from diffad.inputs import check_inputs
from diffad.reverse import posterior_log_variance, reverse_step
from diffad.samplers import partial_diffusion
from diffad.scorers.base import ProfileScorer, Scorer, checked_weights
from diffad.scorers.distances import DistanceMap, distance, distance_map
from diffad.scorers.evaluator import Evaluator

# Levels t / T spread over fine, middle and coarse noise; none was chosen on a test label.
DEFAULT_LEVELS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
STEP_DRAW = 2  # draw of the noise within a walk; draws 0 and 1 are those that a walk starts from


def levels_from_fractions(fractions: Sequence[float], num_steps: int) -> list[int]:
    """Times round(fraction * T), at least 1.

    Raises:
        ValueError: a fraction outside (0, 1], or two that fall on the same time.
    """
    if not len(fractions) or not all(0 < fraction <= 1 for fraction in fractions):
        raise ValueError(f"levels: got {list(fractions)}, expected fractions of T in (0, 1]")
    levels = [max(1, round(fraction * num_steps)) for fraction in fractions]
    if len(set(levels)) < len(levels):
        raise ValueError(
            f"levels: {list(fractions)} fall on the times {levels} of T = {num_steps}, expected times that differ"
        )
    return levels


def noise_weights(evaluator: Evaluator, levels: Sequence[int]) -> np.ndarray:
    """Weights that turn squared errors of x0_hat into those of the predicted noise: the SNR at each level.

    Args:
        evaluator: of the model whose process is meant.
        levels: times in 1..T.

    Returns:
        float64 (levels,), alpha_bar / (1 - alpha_bar). Source: Ho et al. 2020, eqs. 12 and 14.
    """
    return np.array([evaluator.model.process.number("snr", level) for level in levels])


class OneStepReconstruction(ProfileScorer):
    """Error of the one-step estimate of x_0 at each of several noise levels.

    Args:
        evaluator: of a trained model.
        levels: times in 1..T.
        num_draws: noises a level, shared by all images: 1, or an even number of antithetic ones.
        metric: a name of `diffad.scorers.distances.DISTANCE_MAPS`, such as "l2" (mean squared difference), or
            a function (x_0, x_hat) -> (batch, h, w).
        weights: of the levels in `scores`; equal if None, and see `noise_weights`.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        levels: Sequence[int],
        num_draws: int = 2,
        metric: str | DistanceMap = "l2",
        weights: Sequence[float] | None = None,
    ):
        self.evaluator, self.levels, self.num_draws, self.metric = evaluator, list(levels), num_draws, metric
        self._distance, self._map = distance(metric), distance_map(metric)
        self.weights = checked_weights(weights, len(self.levels)) if self.levels else np.zeros(0)

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return len(self.levels) * self.num_draws

    def profile(self, images: np.ndarray) -> np.ndarray:
        """Errors of data at rest (n, ...) at each level: float64 (n, levels), higher = worse reconstructed."""
        return self.evaluator.one_step(images, self.levels, self.num_draws, self._distance)

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Errors a pixel, float64 (n, levels, h, w)."""
        return self.evaluator.one_step(images, self.levels, self.num_draws, self._map, "mapping")

    def reconstructions(self, images: np.ndarray) -> np.ndarray:
        """The estimates of x_0 themselves, mean over draws: float64 (n, levels, c, h, w) in about [-1, 1]."""
        return self.evaluator.one_step(
            images, self.levels, self.num_draws, lambda x_0, x_hat: x_hat, "reconstructing"
        )


class WalkReconstruction(Scorer):
    """Error after a walk through many noise levels; each way of walking says how it reconstructs.

    Attributes:
        evaluator: of a trained model.
        metric: as in `OneStepReconstruction`.
    """

    def __init__(self, evaluator: Evaluator, metric: str | DistanceMap = "l2"):
        self.evaluator, self.metric = evaluator, metric
        self._distance, self._map = distance(metric), distance_map(metric)

    @abstractmethod
    def reconstruct(self, images_shape: Sequence[int]) -> Callable[[torch.Tensor], torch.Tensor]:
        """A function x_0 -> x_hat, both (batch, ...), for data at rest of that shape (n, ...)."""

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Reconstruction errors of data at rest (n, ...): float64 (n,), higher = more anomalous."""
        return self._each(images, self._distance, "scoring")

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Errors a pixel, float64 (n, h, w)."""
        return self._each(images, self._map, "mapping")

    def reconstructions(self, images: np.ndarray) -> np.ndarray:
        """The reconstructions, float64 (n, c, h, w), of images in [-1, 1]."""
        return self._each(images, lambda x_0, x_hat: x_hat, "reconstructing")

    def _each(self, images: np.ndarray, measure: DistanceMap, description: str) -> np.ndarray:
        model = self.evaluator.model
        check_inputs(images, "images", model.input_kind, model.input_shape)
        reconstruct = self.reconstruct(images.shape)
        return self.evaluator.per_image(images, lambda x_0: measure(x_0, reconstruct(x_0)), description)


class PartialDiffusion(WalkReconstruction):
    """Error after partial diffusion: noise to `start`, back to t = 0 in `num_steps` deterministic DDIM steps.

    Several start levels: a `diffad.scorers.ScorerStack` of these.

    Args:
        evaluator: of a trained model.
        start: the noise level, 1..T.
        num_steps: DDIM steps, 1..start; each is one network evaluation.
        metric: as in `OneStepReconstruction`.
    """

    def __init__(self, evaluator: Evaluator, start: int, num_steps: int, metric: str | DistanceMap = "l2"):
        super().__init__(evaluator, metric)
        check_start(start, evaluator.model.num_steps)
        if not 1 <= num_steps <= start:
            raise ValueError(f"num_steps: got {num_steps}, expected 1..{start} (start)")
        self.start, self.num_steps = start, num_steps

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return self.num_steps

    def reconstruct(self, images_shape: Sequence[int]) -> Callable[[torch.Tensor], torch.Tensor]:
        """Equation: eq-partial-diffusion."""
        evaluator, noise = self.evaluator, self.evaluator.noise(images_shape, self.start)
        return lambda x_0: partial_diffusion(
            evaluator.model, x_0, self.start, self.num_steps, noise.expand_as(x_0), evaluator.clamp
        )


class AncestralReconstruction(WalkReconstruction):
    """Error after the full reverse process from `start`: every step is taken, and each adds noise.

    The noise of a step is shared by all images, as the noise at the start is.

    Args:
        evaluator: of a trained model.
        start: the noise level, 1..T, and so the number of network evaluations.
        metric: as in `OneStepReconstruction`.

    Source: Ho et al. 2020, algorithm 2, started at a lower level as in Wyatt et al. 2022 (AnoDDPM).
    """

    def __init__(self, evaluator: Evaluator, start: int, metric: str | DistanceMap = "l2"):
        super().__init__(evaluator, metric)
        check_start(start, evaluator.model.num_steps)
        self.start = start

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return self.start

    def reconstruct(self, images_shape: Sequence[int]) -> Callable[[torch.Tensor], torch.Tensor]:
        """Equation: eq-ancestral. All noise of the walk is kept on the device: `start` items of the data."""
        evaluator, model = self.evaluator, self.evaluator.model
        first = evaluator.noise(images_shape, self.start)
        within = {t: evaluator.noise(images_shape, t, STEP_DRAW) for t in range(2, self.start + 1)}

        def walk(x_0: torch.Tensor) -> torch.Tensor:
            x = model.process.sample(x_0, self.start, first.expand_as(x_0))
            for t in range(self.start, 0, -1):
                x, log_variance, _ = reverse_step(model, x, t, posterior_log_variance, evaluator.clamp)
                if t > 1:  # the last step returns the mean
                    x = x + (0.5 * log_variance).exp() * within[t]
            return x

        return walk


def check_start(start: int, num_steps: int) -> None:
    """Refuse a start level outside 1..T.

    Raises:
        ValueError: with the level and the range.
    """
    if not 1 <= start <= num_steps:
        raise ValueError(f"start: got {start}, expected a time in 1..{num_steps}")
