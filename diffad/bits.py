"""Bits per dimension of images: the variational bound as a figure that can be set beside published ones.

Images are 8-bit, so the bound is one on the codelength of a file; 8 bits a dimension is what storing the
pixels raw costs.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from diffad.images import check_images, to_network
from diffad.objectives import estimate_variational_bound
from diffad.reverse import LogVariance, learned_log_variance, posterior_log_variance

if TYPE_CHECKING:
    from diffad.model import DiffusionModel

PARTS = ("total", "prior", "denoising", "reconstruction")


@dataclass(frozen=True)
class BitsPerDim:
    """The bound's mean over images and its three parts, in bits per dimension, each with its standard error.

    Attributes:
        mean, standard_error: "total", "prior" (L_T), "denoising" (L_1 .. L_{T-1}), "reconstruction" (L_0) ->
            bits.
        num_images: how many images were measured.
        num_evaluations: network evaluations an image.
    """

    mean: dict[str, float]
    standard_error: dict[str, float]
    num_images: int
    num_evaluations: int


def image_bits_per_dim(
    model: "DiffusionModel",
    images: np.ndarray,
    num_draws: int = 20,
    seed: int = 0,
    batch_size: int = 250,
    variance: LogVariance | None = None,
) -> BitsPerDim:
    """Bits per dimension of 8-bit images under a diffusion model. Equations: eq-variational-bound,
    eq-bits-per-dim.

    Args:
        model: trained on such images; clean-data estimates are held within [-1, 1].
        images: uint8 (n, height, width, channels).
        num_draws: noise levels drawn for each image besides t = 1; the mean over images has no bias at any
            number.
        seed: of the noise.
        batch_size: images a network call.
        variance: of the reverse step; if None the learned one where the model has it, else the posterior
            variance.

    Raises:
        ValueError: images that are not uint8 (n, h, w, c), or `num_draws` below 1.
    """
    check_images(images)
    if variance is None:
        variance = learned_log_variance if model.learned_variance else posterior_log_variance
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    generator = torch.Generator(device).manual_seed(seed)
    nats: dict[str, list[torch.Tensor]] = {part: [] for part in PARTS}
    for start in range(0, len(images), batch_size):
        x_0 = to_network(images[start : start + batch_size], device)
        bound = estimate_variational_bound(model, x_0, generator, num_draws, variance=variance, clamp=1.0)
        for part in PARTS:
            nats[part].append(getattr(bound, part).double())
    to_bits = 1 / (math.log(2) * images[0].size)
    values = {part: torch.cat(pieces) * to_bits for part, pieces in nats.items()}
    count = len(images)
    return BitsPerDim(
        mean={part: value.mean().item() for part, value in values.items()},
        standard_error={
            part: value.std().item() / count**0.5 if count > 1 else math.nan for part, value in values.items()
        },
        num_images=count,
        num_evaluations=num_draws + 1,
    )
