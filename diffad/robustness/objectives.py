"""Anomaly scores as differentiable functions of the pixels: what an attacker follows.

    OneLevelError        one_step: error of x0_hat at one noise level
    LargestDeviation     levels_max_abs: the largest |z| of the errors over all levels
    ProfileDistance      denoiser_profile: Mahalanobis distance of errors and bottleneck activations
    PartialDiffusionError  partial_diffusion: error after a walk of DDIM steps

Each computes the very number that `diffad.methods` records, from the same fixed noise, so that its gradient is that of the
score and hides nothing: no random draw, no rounding and no clipping stands between pixels and score. (Athalye et al. 2018,
"Obfuscated gradients give a false sense of security": defences that look strong because gradients are noisy or missing.)
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from diffad.configuration import ScoringConfig, denoiser_name, rule_name
from diffad.methods import ONE_STEP, PARTIAL_DIFFUSION
from diffad.model import DiffusionModel
from diffad.samplers import ddim_timesteps, ddim_trajectory, last
from diffad.scorers import LevelCalibration, levels_from_fractions

# The attack must see what the score sees: the scorer's own reading of the bottleneck.
from diffad.scorers.denoiser_profile import (
    MEASURES,
    DenoiserView,
    NormalDistance,
    _capturing,
    _mean_over_positions,
)
from diffad.scorers.evaluator import shared_noise

LARGEST_NORM = (
    8  # exponent of the smooth maximum: at most 10 ** (1 / 8) = 1.33 times the maximum of ten numbers
)


class Objective(ABC):
    """A score that can be differentiated.

    Attributes:
        name: of the recorded method that it is.
    """

    name: str

    @abstractmethod
    def score(self, x_0: Tensor) -> Tensor:
        """The score of images (batch, channels, height, width) in [-1, 1]: (batch,), higher = more anomalous."""

    def loss_and_score(self, x_0: Tensor) -> tuple[Tensor, Tensor]:
        """What is differentiated, and the score itself; the same but where the score has corners."""
        score = self.score(x_0)
        return score, score


class LevelView:
    """The denoiser's errors and bottleneck activations at several levels, differentiable in the image.

    Args:
        model: a trained model; images only.
        levels: times in 1..T.
        metric: "l2" or "l1".
        num_draws: noises a level.
        seed: of the noise bank, as in `diffad.scorers.Evaluator`.
    """

    def __init__(
        self, model: DiffusionModel, levels: Sequence[int], metric: str, num_draws: int = 1, seed: int = 0
    ):
        self.model, self.levels, self.num_draws = model.eval(), list(levels), num_draws
        self.measure, self.seed = MEASURES[metric], seed

    def __call__(self, x_0: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, channels, h, w) -> errors (batch, levels, channels), activations (batch, levels, width)."""
        draws = [(level, draw) for level in self.levels for draw in range(self.num_draws)]
        copies = len(draws)
        noise = torch.stack([shared_noise(x_0.shape[1:], *each, self.seed) for each in draws]).to(x_0.device)
        times = torch.tensor([level for level, _ in draws], device=x_0.device).repeat(len(x_0))
        repeated = x_0.repeat_interleave(copies, dim=0)  # image 0 at every level, then image 1, ...
        x_t = self.model.process.sample(repeated, times, noise.repeat(len(x_0), 1, 1, 1))
        with _capturing(self.model.network.bottleneck) as captured:
            error = self.measure(self.model.predict(x_t, times, "x0") - repeated).flatten(2).mean(dim=2)
        seen = torch.cat([error, _mean_over_positions(captured[0])], dim=1)
        seen = seen.view(len(x_0), len(self.levels), self.num_draws, -1).mean(dim=2)
        channels = x_0.shape[1]
        return seen[..., :channels], seen[..., channels:]


class OneLevelError(Objective):
    """Error of the one-step estimate at one level: the paper's score.

    Args:
        view: of one level.
    """

    name = ONE_STEP

    def __init__(self, view: LevelView):
        self.view = view

    def score(self, x_0: Tensor) -> Tensor:
        """(batch, c, h, w) -> (batch,)."""
        return self.view(x_0)[0].mean(dim=(1, 2))


class LargestDeviation(Objective):
    """The largest |z| over levels, against held-out normals. A maximum has corners, at which a step along its gradient
    lowers one level and raises another; what is differentiated is a smooth maximum, the norm of order 8.

    Args:
        view: of all levels.
        calibration: the score's own.
    """

    name = rule_name("max_abs")

    def __init__(self, view: LevelView, calibration: LevelCalibration):
        self.view = view
        self.mean, self.scale = torch.from_numpy(calibration.mean_), torch.from_numpy(calibration.scale_)

    def score(self, x_0: Tensor) -> Tensor:
        """(batch, c, h, w) -> (batch,)."""
        return self.loss_and_score(x_0)[1]

    def loss_and_score(self, x_0: Tensor) -> tuple[Tensor, Tensor]:
        """The smooth maximum, and the maximum."""
        errors = self.view(x_0)[0].double().mean(dim=2)  # (batch, levels)
        deviations = ((errors.log() - self.mean.to(errors.device)) / self.scale.to(errors.device)).abs()
        return torch.linalg.vector_norm(deviations, LARGEST_NORM, dim=1), deviations.amax(dim=1)


class ProfileDistance(Objective):
    """Mahalanobis distance of errors and bottleneck activations from those of held-out normals.

    Args:
        view: of all levels.
        distance: the score's own.
    """

    name = denoiser_name("profile")

    def __init__(self, view: LevelView, distance: NormalDistance):
        self.view = view
        self.varies = torch.from_numpy(distance.varies)
        self.shift = torch.from_numpy(distance.mean + distance.covariance.location_ * distance.scale)
        self.scale = torch.from_numpy(distance.scale)
        self.precision = torch.from_numpy(distance.covariance.get_precision())

    def score(self, x_0: Tensor) -> Tensor:
        """(batch, c, h, w) -> (batch,)."""
        errors, activations = (seen.double().flatten(1) for seen in self.view(x_0))
        rows = torch.cat([errors.log(), activations], dim=1)[:, self.varies.to(x_0.device)]
        shift, scale, precision = (each.to(x_0.device) for each in (self.shift, self.scale, self.precision))
        rows = (rows - shift) / scale
        return torch.einsum("bi,ij,bj->b", rows, precision, rows).clamp(min=1e-12).sqrt()


class PartialDiffusionError(Objective):
    """Error after noising to `start` and walking back in `num_steps` DDIM steps; every step is differentiated.

    Args:
        model: a trained model.
        start: noise level, 1..T.
        num_steps: DDIM steps.
        metric: "l2" or "l1".
        seed: of the noise bank.
    """

    name = PARTIAL_DIFFUSION

    def __init__(self, model: DiffusionModel, start: int, num_steps: int, metric: str, seed: int = 0):
        self.model, self.start, self.measure, self.seed = model.eval(), start, MEASURES[metric], seed
        self.timesteps = ddim_timesteps(start, num_steps)

    def score(self, x_0: Tensor) -> Tensor:
        """(batch, c, h, w) -> (batch,)."""
        noise = shared_noise(x_0.shape[1:], self.start, 0, self.seed).to(x_0.device).expand_as(x_0)
        x_start = self.model.process.sample(x_0, self.start, noise)
        x_hat = last(ddim_trajectory(self.model, x_start, self.timesteps, clamp=1.0)).x
        return self.measure(x_hat - x_0).flatten(1).mean(dim=1)


TARGETS = (OneLevelError.name, PARTIAL_DIFFUSION, LargestDeviation.name, ProfileDistance.name)


def make_objective(
    name: str, model: DiffusionModel, scoring: ScoringConfig, held_out: DenoiserView, seed: int = 0
) -> Objective:
    """The recorded method `name` as an objective.

    Args:
        name: of `TARGETS`.
        model: the trained model.
        scoring: how the run scored.
        held_out: what the denoiser says of the held-out normals that calibrate the score, from the same noise bank.
        seed: of the noise bank.

    Raises:
        ValueError: a method that is not among them.
    """
    levels = levels_from_fractions(scoring.levels, model.num_steps)
    every = LevelView(model, levels, scoring.metric, scoring.num_draws, seed)
    if name == OneLevelError.name:
        level = levels[scoring.levels.index(scoring.single_level)]
        return OneLevelError(LevelView(model, [level], scoring.metric, scoring.num_draws, seed))
    if name == LargestDeviation.name:
        return LargestDeviation(every, LevelCalibration(held_out.level_errors))
    if name == ProfileDistance.name:
        return ProfileDistance(every, NormalDistance(held_out.rows("profile")))
    if name == PARTIAL_DIFFUSION:
        partial = scoring.partial_diffusion
        start = max(1, round(partial.start * model.num_steps))
        return PartialDiffusionError(model, start, partial.num_steps, scoring.metric, seed)
    raise ValueError(f"name: got {name!r}, expected one of {', '.join(TARGETS)}")
