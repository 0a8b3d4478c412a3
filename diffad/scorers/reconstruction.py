"""Reconstruction error: the paper's score. Noise an image, denoise it with a model of normal images, measure
what changed.

    OneStepReconstruction   one evaluation a level and draw: x0_hat(x_t) against x_0, at several levels
    PartialDiffusion        noise to one level, walk back in several DDIM steps (AnoDDPM, Wyatt et al. 2022)

At level t the squared one-step error is (1 - alpha_bar_t) / alpha_bar_t times the error of the predicted
noise, so within one level both rank images alike. Levels see different things: fine noise asks for texture,
coarse noise for shape.
"""

from collections.abc import Sequence

import numpy as np
import torch

from diffad.samplers import partial_diffusion
from diffad.scorers.distances import distance, distance_map
from diffad.scorers.evaluator import Evaluator

# Levels t / T spread over fine, middle and coarse noise; none was chosen on a test label.
DEFAULT_LEVELS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


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


class OneStepReconstruction:
    """Error of the one-step estimate of x_0 at each of several noise levels.

    Args:
        evaluator: of a trained model.
        levels: times in 1..T.
        num_draws: noises a level, shared by all images: 1, or an even number of antithetic ones.
        metric: "l2" (mean squared difference) or "l1".
    """

    def __init__(self, evaluator: Evaluator, levels: Sequence[int], num_draws: int = 2, metric: str = "l2"):
        self.evaluator, self.levels, self.num_draws, self.metric = evaluator, list(levels), num_draws, metric
        self._distance, self._map = distance(metric), distance_map(metric)

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return len(self.levels) * self.num_draws

    def profile(self, images: np.ndarray) -> np.ndarray:
        """Errors of uint8 images (n, h, w, c) at each level: float64 (n, levels), higher = worse
        reconstructed.
        """
        return self.evaluator.one_step(images, self.levels, self.num_draws, self._distance)

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Errors a pixel, float64 (n, levels, h, w)."""
        return self.evaluator.one_step(images, self.levels, self.num_draws, self._map, "mapping")

    def reconstructions(self, images: np.ndarray) -> np.ndarray:
        """The estimates of x_0 themselves, mean over draws: float64 (n, levels, c, h, w) in about [-1, 1]."""
        return self.evaluator.one_step(
            images, self.levels, self.num_draws, lambda x_0, x_hat: x_hat, "reconstructing"
        )


class PartialDiffusion:
    """Error after partial diffusion: noise to `start`, back to t = 0 in `num_steps` deterministic DDIM steps.

    Args:
        evaluator: of a trained model.
        start: the noise level, 1..T.
        num_steps: DDIM steps, 1..start; each is one network evaluation.
        metric: "l2" or "l1".
    """

    def __init__(self, evaluator: Evaluator, start: int, num_steps: int, metric: str = "l2"):
        if not 1 <= start <= evaluator.model.num_steps:
            raise ValueError(f"start: got {start}, expected a time in 1..{evaluator.model.num_steps}")
        if not 1 <= num_steps <= start:
            raise ValueError(f"num_steps: got {num_steps}, expected 1..{start} (start)")
        self.evaluator, self.start, self.num_steps, self.metric = evaluator, start, num_steps, metric
        self._distance, self._map = distance(metric), distance_map(metric)

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return self.num_steps

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Reconstruction errors of uint8 images (n, h, w, c): float64 (n,), higher = more anomalous."""
        return self._each(images, self._distance, "scoring")

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Errors a pixel, float64 (n, h, w)."""
        return self._each(images, self._map, "mapping")

    def reconstructions(self, images: np.ndarray) -> np.ndarray:
        """The reconstructions, float64 (n, c, h, w) in [-1, 1]."""
        return self._each(images, lambda x_0, x_hat: x_hat, "reconstructing")

    def _each(self, images: np.ndarray, measure, description: str) -> np.ndarray:
        noise = self.evaluator.noise(np.shape(images), self.start)

        def reconstruct_and_measure(x_0: torch.Tensor) -> torch.Tensor:
            x_hat = partial_diffusion(
                self.evaluator.model, x_0, self.start, self.num_steps, noise.expand_as(x_0), clamp=1.0
            )
            return measure(x_0, x_hat)

        return self.evaluator.per_image(images, reconstruct_and_measure, self.num_steps, description)
