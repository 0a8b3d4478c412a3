"""Scores read off the network's own answer: how it errs about noise, how long the score is, how a path bends.

    EpsError        error of the predicted noise at each of several levels
    ScoreNorm       length of the score at each level, no noise added (multi-scale score matching)
    DenoisingPath   how the predicted noise changes along the way from the image to noise (DiffPath)

Survey section 3: A = ||grad_x log p(x)||.
"""

from collections.abc import Sequence

import numpy as np
import torch

from diffad.samplers import ddim_timesteps
from diffad.scorers.base import ProfileScorer, checked_weights
from diffad.scorers.evaluator import Evaluator


class EpsError(ProfileScorer):
    """Mean squared error of the predicted noise at each level: what the network was trained to make small.

    Args:
        evaluator: of a trained model.
        levels: times in 1..T.
        num_draws: noises a level, shared by all images: 1, or an even number of antithetic ones.
        weights: of the levels in `scores`; equal if None.

    Source: Ho et al. 2020, eq. 14 (L_simple), one image at a time.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        levels: Sequence[int],
        num_draws: int = 2,
        weights: Sequence[float] | None = None,
    ):
        self.evaluator, self.levels, self.num_draws = evaluator, list(levels), num_draws
        self.weights = checked_weights(weights, len(self.levels))

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return len(self.levels) * self.num_draws

    def profile(self, images: np.ndarray) -> np.ndarray:
        """Errors of data at rest (n, ...) at each level: float64 (n, levels)."""

        def error(x_0: torch.Tensor, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
            return self._squared(x_0, t, noise).flatten(1).mean(dim=1)

        return self.evaluator.per_level(images, self.levels, self.num_draws, error)

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Errors a pixel, mean over channels, float64 (n, levels, h, w); images and maps alone."""

        def errors(x_0: torch.Tensor, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
            return self._squared(x_0, t, noise).mean(dim=1)

        return self.evaluator.per_level(images, self.levels, self.num_draws, errors, "mapping")

    def _squared(self, x_0: torch.Tensor, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        model = self.evaluator.model
        return (model.predict(model.process.sample(x_0, t, noise), t, "eps") - noise).square()


class ScoreNorm(ProfileScorer):
    """Length of the score at each level, asked about the image itself, to which no noise was added.

    The image is scaled to the level, sqrt(alpha_bar) x_0, as the variance-preserving network expects it. The
    profile holds sqrt(1 - alpha_bar) ||score|| / sqrt(d), the root mean square of the predicted noise: the length
    itself differs by a factor that is the same for all images, and fine levels would drown the others.

    Args:
        evaluator: of a trained model.
        levels: times in 1..T; one network evaluation each.
        weights: of the levels in `scores`; equal if None.

    Source: Mahmood et al. 2021 (MSMA), eq. 7, whose density of the profile is `ProfileCalibration` here.
    """

    def __init__(self, evaluator: Evaluator, levels: Sequence[int], weights: Sequence[float] | None = None):
        self.evaluator, self.levels = evaluator, list(levels)
        self.weights = checked_weights(weights, len(self.levels))

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return len(self.levels)

    def profile(self, images: np.ndarray) -> np.ndarray:
        """Lengths for data at rest (n, ...) at each level: float64 (n, levels)."""
        return self.evaluator.per_level(
            images,
            self.levels,
            1,
            lambda x_0, t, _: self._squared(x_0, t).flatten(1).mean(dim=1).sqrt(),
        )

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Length a pixel, over channels, float64 (n, levels, h, w); images and maps alone."""
        return self.evaluator.per_level(
            images, self.levels, 1, lambda x_0, t, _: self._squared(x_0, t).mean(dim=1).sqrt(), "mapping"
        )

    def _squared(self, x_0: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        model = self.evaluator.model
        mean, _ = model.process.marginal(x_0, t)
        return model.predict(mean, t, "eps").square()


class DenoisingPath(ProfileScorer):
    """How the predicted noise behaves along the deterministic path from the image up to noise.

    The path is DDIM's, walked backwards; the noise is predicted at each state before it is left. The profile
    holds six statistics, means over dimensions and steps of the predicted noise's first three powers, then of the
    first three powers of its change from step to step. `scores` is the root of the mean squared change: how much
    the path bends.

    Args:
        evaluator: of a trained model.
        num_steps: along the path, 3 or more so that changes can differ; one network evaluation each.

    Source: Heng et al. 2024 (DiffPath), section 4: the last statistic alone is its 1-D form, all six its 6-D form.
    """

    NUM_STATISTICS = 6
    SQUARED_CHANGE = 4

    def __init__(self, evaluator: Evaluator, num_steps: int = 10):
        if not 3 <= num_steps <= evaluator.model.num_steps:
            raise ValueError(f"num_steps: got {num_steps}, expected 3..{evaluator.model.num_steps}")
        self.evaluator, self.num_steps = evaluator, num_steps

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return self.num_steps

    def profile(self, images: np.ndarray) -> np.ndarray:
        """The six statistics of data at rest (n, ...): float64 (n, 6); odd powers may be negative."""
        return self.evaluator.per_image(images, self._statistics)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Root mean square of the predicted noise's change along the path, float64 (n,)."""
        return np.sqrt(self.profile(images)[:, self.SQUARED_CHANGE])

    def _statistics(self, x_0: torch.Tensor) -> torch.Tensor:
        model = self.evaluator.model
        process, x, predictions = model.process, x_0, []
        rising = ddim_timesteps(model.num_steps, self.num_steps)[::-1]
        for t_low, t in zip(rising[:-1], rising[1:], strict=True):
            eps = model.predict(x, max(t_low, 1), "eps")  # no network was trained at t = 0
            keep = process.number("sqrt_alpha_bar", t) / process.number("sqrt_alpha_bar", t_low)
            spread_low = process.number("sqrt_one_minus_alpha_bar", t_low)
            x = keep * x + (process.number("sqrt_one_minus_alpha_bar", t) - keep * spread_low) * eps
            predictions.append(eps.flatten(1))
        path = torch.stack(predictions, dim=1).double()  # (batch, steps, d)
        change = path.diff(dim=1) * self.num_steps
        moments = [part.pow(power).flatten(1).mean(dim=1) for part in (path, change) for power in (1, 2, 3)]
        return torch.stack(moments, dim=1)
