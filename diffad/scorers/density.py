"""Density: how probable the model finds an image, in bits per dimension.

    VariationalBound   the bound on -log p(x_0), from all its terms or from a few that stand for the others
    OdeLikelihood      -log p(x_0) itself, along the probability-flow ODE
    Typicality         how far any score is from its mean over normal data, in either direction

Probable is not the same as normal: smooth or empty images are more probable than typical ones, and a one-sided
density score calls them the most normal of all (Nalisnick et al. 2019). Typicality and `diffad.scorers.complexity`
are two answers.
"""

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from diffad.inputs import check_inputs, network_shape
from diffad.likelihood import hutchinson_trace, ode_log_likelihood, rademacher
from diffad.objectives.bound import (
    discretised_log_likelihood,
    gaussian_log_likelihood,
    prior_term,
    vlb_terms,
)
from diffad.process import ForwardProcess
from diffad.reverse import learned_log_variance, posterior_log_variance
from diffad.samplers import ddim_timesteps
from diffad.scorers.base import ProfileScorer, Scorer, check_fitted
from diffad.scorers.evaluator import Evaluator, shared_noise

GREY_LEVEL = 2 / 255  # distance of two grey levels in [-1, 1]
# Of the bank of shared noise at level 0, clean data, where no other noise is drawn.
DEQUANTISATION_DRAW = 0


def bound_levels(process: ForwardProcess, count: int) -> tuple[list[int], np.ndarray]:
    """Times whose terms stand for the whole bound, and for how many steps each stands.

    t = 1 stands for itself. Of t = 2..T, `count` are the middles of equal shares of what the terms would be for
    N(0, I) data, (SNR_{t-1} - SNR_t) / (1 + SNR_t), and each counts for its share over its own expected term: the
    rule of `estimate_variational_bound` with fixed times in place of drawn ones, the same for every image.

    Args:
        process: its schedule gives the terms.
        count: 1..T - 1; at T - 1 every time is there and stands for itself.

    Returns:
        rising times (at most count + 1, as middles may fall together), float64 weights of the same length.
    """
    if not 1 <= count <= process.num_steps - 1:
        raise ValueError(f"num_levels: got {count}, expected 1..{process.num_steps - 1}")
    if count == process.num_steps - 1:
        return list(range(1, process.num_steps + 1)), np.ones(process.num_steps)
    snr = process.schedule.snr.numpy()
    expected = (snr[1:-1] - snr[2:]) / (1 + snr[2:])  # of t = 2..T
    probability = expected / expected.sum()
    middles = (np.arange(count) + 0.5) / count
    chosen, counts = np.unique(np.searchsorted(probability.cumsum(), middles), return_counts=True)
    weights = counts / (count * probability[chosen])
    return [1, *(chosen + 2).tolist()], np.concatenate([[1.0], weights])


class VariationalBound(ProfileScorer):
    """The variational bound on -log p(x_0) in bits per dimension, and its profile over noise levels.

    Args:
        evaluator: of a trained model.
        num_levels: how many of the terms t = 2..T are evaluated, besides t = 1: at T - 1 all of them, and the
            score is the bound; with fewer it is a sum over fixed times (`bound_levels`), the same for every image.
        num_draws: noises a level, shared by all images: 1, or an even number of antithetic ones.

    Attributes:
        levels: the times evaluated, the first of them 1.

    Source: Ho et al. 2020, eq. 5; Nichol & Dhariwal 2021, section 3.3 (few terms by importance).
    """

    logarithmic = True

    def __init__(self, evaluator: Evaluator, num_levels: int = 20, num_draws: int = 1):
        self.evaluator, self.num_draws = evaluator, num_draws
        self.levels, self.weights = bound_levels(evaluator.model.process, num_levels)

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return len(self.levels) * self.num_draws

    def profile(self, images: np.ndarray) -> np.ndarray:
        """Terms L_{t-1} of data at rest (n, ...), in bits per dimension: float64 (n, levels)."""
        evaluator, model = self.evaluator, self.evaluator.model
        variance = learned_log_variance if model.learned_variance else posterior_log_variance
        is_grey = model.input_kind == "images"
        likelihood = discretised_log_likelihood if is_grey else gaussian_log_likelihood

        def terms(x_0: torch.Tensor, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
            return vlb_terms(model, x_0, t, noise, variance, likelihood, evaluator.clamp)

        nats = evaluator.per_level(images, self.levels, self.num_draws, terms)
        return nats / _nats_a_dimension(images)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """The bound, prior term included, in bits per dimension: float64 (n,)."""
        process = self.evaluator.model.process
        prior = self.evaluator.per_image(images, lambda x_0: prior_term(process, x_0))
        return super().scores(images) + prior / _nats_a_dimension(images)


class OdeLikelihood(Scorer):
    """-log p(x_0) in bits per dimension along the probability-flow ODE, by Heun's method.

    Images have grey levels, so one draw of uniform noise, shared by all, fills the gaps (dequantisation), and the
    score is the codelength of an 8-bit pixel. Vectors and maps are taken as they are.

    Args:
        evaluator: of a trained model.
        num_steps: along the ODE, 1..T; two network evaluations each, and for each of these `num_probes` backward
            passes, which NFE leaves out.
        num_probes: random probes of the divergence, at least 1, shared by all images.

    Source: Song et al. 2021 (score SDE), eq. 39.
    """

    logarithmic = True

    def __init__(self, evaluator: Evaluator, num_steps: int = 10, num_probes: int = 1):
        if num_probes < 1:
            raise ValueError(f"num_probes: got {num_probes}, expected at least 1")
        self.evaluator, self.num_steps, self.num_probes = evaluator, num_steps, num_probes
        self._timesteps = ddim_timesteps(evaluator.model.num_steps, num_steps)

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return 2 * self.num_steps

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Bits per dimension of data at rest (n, ...): float64 (n,), higher = less probable."""
        evaluator, model = self.evaluator, self.evaluator.model
        check_inputs(images, "images", model.input_kind, model.input_shape)
        probes, shift = self._probes(images.shape), self._dequantisation(images.shape)

        def nats(x_0: torch.Tensor) -> torch.Tensor:
            # The divergence needs gradients, which inference mode cannot give.
            with torch.inference_mode(mode=False), torch.no_grad():
                x_0 = x_0.clone() + shift
                return -ode_log_likelihood(model, x_0, hutchinson_trace(probes), self._timesteps)

        bits = evaluator.per_image(images, nats) / _nats_a_dimension(images)
        # The density of a grey level's interval times its width is the level's probability.
        return bits - math.log2(GREY_LEVEL) if model.input_kind == "images" else bits

    def _probes(self, images_shape: Sequence[int]) -> torch.Tensor:
        """The same probes for every image: (num_probes, 1, ...)."""
        item = torch.zeros(1, *network_shape(images_shape[1:]))
        generator = torch.Generator().manual_seed(self.evaluator.seed)
        return rademacher(self.num_probes, item, generator).to(self.evaluator.device)

    def _dequantisation(self, images_shape: Sequence[int]) -> torch.Tensor | float:
        """Uniform noise of one grey level around 0 for images, (c, h, w); 0 for other data."""
        if self.evaluator.model.input_kind != "images":
            return 0.0
        normal = shared_noise(network_shape(images_shape[1:]), 0, DEQUANTISATION_DRAW, self.evaluator.seed)
        return (GREY_LEVEL * (torch.special.ndtr(normal) - 0.5)).to(self.evaluator.device)


class Typicality(Scorer):
    """How far a score is from its mean over normal data, in standard deviations and in either direction.

    Args:
        scorer: any; minus a log density gives the typicality test.

    Attributes:
        mean_, scale_: of the normal data's scores.

    Source: Nalisnick et al. 2019 (typical sets), eq. 6 for one image.
    """

    def __init__(self, scorer: Scorer):
        self.scorer, self.evaluator = scorer, scorer.evaluator

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return self.scorer.evaluations_per_image

    def fit(self, normals: np.ndarray) -> Self:
        """Learn the mean and spread from held-out normal data (n, ...), n >= 2."""
        scores = self.scorer.fit(normals).scores(normals)
        if len(scores) < 2 or scores.std() == 0:
            raise ValueError(f"normals: got {len(scores)} with equal scores, expected 2 or more that differ")
        self.mean_, self.scale_ = scores.mean(), scores.std(ddof=1)
        return self

    def scores(self, images: np.ndarray) -> np.ndarray:
        """|score - mean| / spread of data at rest (n, ...): float64 (n,)."""
        check_fitted(self, "mean_")
        return np.abs(self.scorer.scores(images) - self.mean_) / self.scale_


def _nats_a_dimension(images: np.ndarray) -> float:
    """Nats of a whole item that make one bit per dimension."""
    return math.log(2) * images[0].size
