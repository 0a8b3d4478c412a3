"""Bits per dimension of images: against the bound itself, and for images whose cost is known."""

import numpy as np
import pytest
import torch
from closed_form import generator, make_process

from diffad.bits import image_bits_per_dim
from diffad.images import to_network
from diffad.model import DiffusionModel
from diffad.objectives import variational_bound
from diffad.oracle import GaussianOracle

PROCESS = make_process("cosine", 50)


def model_of_grey(variance):
    oracle = GaussianOracle(PROCESS, torch.zeros(1, 4, 4), variance * torch.eye(16))
    return DiffusionModel(oracle, PROCESS)


def images(count=40, spread=40):
    pixels = np.random.default_rng(0).normal(127.5, spread, (count, 4, 4, 1))
    return pixels.round().clip(0, 255).astype(np.uint8)


def test_is_the_mean_of_the_bound():
    model, pictures = model_of_grey(0.1), images()
    bits = image_bits_per_dim(model, pictures, num_draws=200, batch_size=16)
    whole = variational_bound(model, to_network(pictures), generator(1), clamp=1.0).in_bits_per_dim()
    for part, value in bits.mean.items():
        assert value == pytest.approx(whole[part], abs=5 * bits.standard_error[part] + 1e-6)
    assert bits.num_images == 40 and bits.num_evaluations == 201
    assert bits.mean["total"] == pytest.approx(
        sum(bits.mean[p] for p in ("prior", "denoising", "reconstruction"))
    )


def test_a_better_model_needs_fewer_bits_and_none_fewer_than_the_entropy():
    pictures = images(count=200)
    fitting, wide = (image_bits_per_dim(model_of_grey(v), pictures).mean["total"] for v in (0.1, 2.0))
    entropy = 0.5 * np.log2(2 * np.pi * np.e * 40**2)  # of a grey level with standard deviation 40
    assert entropy < fitting < wide < 12


def test_repeats_with_the_seed_and_only_then():
    model, pictures = model_of_grey(0.1), images(10)
    first, again, other = (image_bits_per_dim(model, pictures, seed=seed).mean for seed in (3, 3, 4))
    assert first == again and first != other


def test_refuses_what_is_not_an_image():
    with pytest.raises(ValueError, match="images"):
        image_bits_per_dim(model_of_grey(0.1), np.zeros((2, 4, 4, 1)))
    with pytest.raises(ValueError, match="num_draws must be at least 1"):
        image_bits_per_dim(model_of_grey(0.1), images(2), num_draws=0)
