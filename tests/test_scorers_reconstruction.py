"""Reconstruction against closed form: for Gaussian data the optimal network and its error are formulas."""

import numpy as np
import pytest
import torch
from tiny import TINY, CountingNetwork, digits, wrapped

from diffad.model import DiffusionModel
from diffad.oracle import GaussianOracle
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule
from diffad.scorers import (
    DEFAULT_LEVELS,
    Evaluator,
    OneStepReconstruction,
    PartialDiffusion,
    levels_from_fractions,
    shared_noise,
)
from diffad.scorers.distances import DISTANCE_MAPS, distance, distance_map

LEVELS = [5, 20, 45]
MEAN = torch.tensor([[[-0.2, 0.0], [0.1, 0.3]]], dtype=torch.float64)  # (1, 2, 2): one channel, four pixels
VARIANCES = torch.tensor([0.01, 0.02, 0.03, 0.04], dtype=torch.float64)


@pytest.fixture(scope="module")
def gaussian():
    """The exact model of Gaussian data, and uint8 images drawn from them."""
    process = ForwardProcess(make_schedule("cosine", 50))
    oracle = GaussianOracle(process, MEAN, torch.diag(VARIANCES))
    x_0 = oracle.sample(4000, torch.Generator().manual_seed(0))
    images = (
        ((x_0 + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    )
    return DiffusionModel(oracle, process), images


def optimal_error(model, images, level, noise):
    """x_hat - x_0 of the optimal denoiser, by hand: (n, 4). Its gain is K = a s2 / (a^2 s2 + 1 - a^2)."""
    alpha_bar = model.process.schedule.alpha_bar[level].item()
    a, variance = alpha_bar**0.5, VARIANCES.numpy()
    gain = a * variance / (alpha_bar * variance + 1 - alpha_bar)
    centred = images.reshape(len(images), 4) / 127.5 - 1 - MEAN.flatten().numpy()
    return (gain * a - 1) * centred + gain * (1 - alpha_bar) ** 0.5 * noise.flatten().numpy()


@pytest.mark.parametrize("metric", ["l2", "l1"])
def test_one_step_errors_are_the_closed_form_image_by_image(gaussian, metric):
    model, images = gaussian
    scorer = OneStepReconstruction(Evaluator(model, 64), LEVELS, 2, metric)
    profile, maps = scorer.profile(images[:100]), scorer.maps(images[:100])
    size = {"l2": np.square, "l1": np.abs}[metric]
    for number, level in enumerate(LEVELS):
        draws = [
            optimal_error(model, images[:100], level, shared_noise((1, 2, 2), level, draw, 0))
            for draw in (0, 1)
        ]
        expected = size(np.array(draws)).mean(axis=0)  # (n, 4)
        np.testing.assert_allclose(maps[:, number].reshape(100, 4), expected, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(profile[:, number], expected.mean(axis=1), rtol=1e-3)


def test_the_mean_error_is_the_posterior_variance(gaussian):
    """E ||x_0 - E[x_0 | x_t]||^2 = s2 (1 - a^2) / (a^2 s2 + 1 - a^2), over images and many draws."""
    model, images = gaussian
    profile = OneStepReconstruction(Evaluator(model, 2000), LEVELS, 1000).profile(images[:200])
    alpha_bar = model.process.schedule.alpha_bar[LEVELS].numpy()[:, None]
    variance = VARIANCES.numpy()
    expected = (variance * (1 - alpha_bar) / (alpha_bar * variance + 1 - alpha_bar)).mean(axis=1)
    np.testing.assert_allclose(profile.mean(axis=0), expected, rtol=0.08)


def test_one_step_of_partial_diffusion_is_the_one_step_estimate(gaussian):
    model, images = gaussian
    evaluator = Evaluator(model, 50)
    partial = PartialDiffusion(evaluator, 20, 1)
    expected = OneStepReconstruction(evaluator, [20], 1).profile(images[:50])[:, 0]
    np.testing.assert_allclose(partial.scores(images[:50]), expected, rtol=1e-5)


def test_partial_diffusion_pulls_towards_the_mean(gaussian):
    """A far image loses most of its distance to normal data; a typical one is returned nearly as it was."""
    model, images = gaussian
    partial = PartialDiffusion(Evaluator(model, 50), 25, 5)
    far = np.full((1, 2, 2, 1), 250, np.uint8)
    scores = partial.scores(np.concatenate([images[:100], far]))
    assert scores[-1] > 3 * scores[:-1].max()
    back = partial.reconstructions(far)[0]
    assert back.shape == (1, 2, 2) and (back < 0.8).all()


def test_maps_average_to_scores_and_have_the_images_shape(gaussian):
    model, images = gaussian
    evaluator = Evaluator(model, 50)
    one_step, partial = OneStepReconstruction(evaluator, LEVELS), PartialDiffusion(evaluator, 20, 3)
    maps = one_step.maps(images[:7])
    assert maps.shape == (7, 3, 2, 2) and partial.maps(images[:7]).shape == (7, 2, 2)
    np.testing.assert_allclose(maps.mean(axis=(2, 3)), one_step.profile(images[:7]), rtol=1e-6)
    np.testing.assert_allclose(
        partial.maps(images[:7]).mean(axis=(1, 2)), partial.scores(images[:7]), rtol=1e-6
    )
    assert one_step.reconstructions(images[:7]).shape == (7, 3, 1, 2, 2)


def test_the_partial_reconstruction_walks_down_to_clean_data():
    network = CountingNetwork()
    PartialDiffusion(Evaluator(wrapped(network), 4), 20, 5).scores(digits(4))
    times = [set(t.tolist()) for t in network.times]
    assert all(len(step) == 1 for step in times) and len(times) == 5
    walked = [step.pop() for step in times]
    assert walked[0] == 20 and walked == sorted(set(walked), reverse=True) and walked[-1] >= 1


@pytest.mark.parametrize(
    ("start", "num_steps", "words"),
    [
        (0, 1, "start: got 0"),
        (51, 1, "start: got 51"),
        (10, 0, "num_steps: got 0"),
        (10, 11, r"num_steps: got 11, expected 1\.\.10"),
    ],
)
def test_impossible_walks_are_refused(start, num_steps, words):
    with pytest.raises(ValueError, match=words):
        PartialDiffusion(Evaluator(TINY.build()), start, num_steps)


def test_levels_are_fractions_of_T():
    assert levels_from_fractions([0.005, 0.1, 1.0], 1000) == [5, 100, 1000]
    assert levels_from_fractions([0.001], 10) == [1]
    assert len(levels_from_fractions(DEFAULT_LEVELS, 1000)) == len(DEFAULT_LEVELS)
    for fractions in ([], [0.0], [1.1], [-0.1], [float("nan")]):
        with pytest.raises(ValueError, match=r"levels: got .* in \(0, 1\]"):
            levels_from_fractions(fractions, 100)
    with pytest.raises(ValueError, match=r"fall on the times \[1, 1\] of T = 100"):
        levels_from_fractions([0.01, 0.012], 100)


def test_distances():
    x_0, x_hat = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    x_hat[1, 0, 2, 3] = -3.0
    assert distance_map("l1")(x_0, x_hat)[1, 2, 3] == 1 and distance_map("l2")(x_0, x_hat)[1, 2, 3] == 3
    assert distance("l2")(x_0, x_hat).tolist() == [0, pytest.approx(3 / 16)]
    assert set(DISTANCE_MAPS) == {"l1", "l2", "ssim", "gradient"}
    for function in (distance, distance_map):
        with pytest.raises(ValueError, match="distance: got 'l3', expected one of gradient, l1, l2, ssim"):
            function("l3")
