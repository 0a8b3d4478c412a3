"""Scores read off the network, inpainting, walks and distances, each against what theory says."""

import exact_digits
import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from tiny import noise_images

from diffad.model import DiffusionModel
from diffad.oracle import GaussianOracle
from diffad.process import ForwardProcess
from diffad.samplers import ddim_timesteps
from diffad.schedules import make_schedule
from diffad.scorers import (
    AncestralReconstruction,
    DenoisingPath,
    EpsError,
    Evaluator,
    MaskedInpainting,
    OneStepReconstruction,
    ScoreNorm,
    ScorerStack,
)
from diffad.scorers.distances import distance, distance_map, feature_map
from diffad.scorers.inpainting import checkerboard
from diffad.scorers.reconstruction import noise_weights

LEVELS = [3, 20, 60]


def independent_pixels(num_steps=50):
    """The exact model of 4 x 4 images whose pixels are independent Gaussians of one mean and variance."""
    process = ForwardProcess(make_schedule("cosine", num_steps))
    oracle = GaussianOracle(process, torch.full((1, 4, 4), 0.2), 0.04 * torch.eye(16))
    return DiffusionModel(oracle, process)


def standard_normal_vectors(num_steps=100, size=50):
    """The exact model of N(0, I) vectors, and draws of them, float32 (6, size)."""
    process = ForwardProcess(make_schedule("cosine", num_steps))
    oracle = GaussianOracle(process, torch.zeros(size), torch.eye(size))
    oracle.input_kind = "vectors"
    return DiffusionModel(oracle, process), np.random.default_rng(0).normal(size=(6, size)).astype(np.float32)


def test_noise_errors_are_reconstruction_errors_times_the_snr():
    evaluator, images = Evaluator(exact_digits.model(), 50), exact_digits.clean()
    one_step = OneStepReconstruction(evaluator, LEVELS, 2, weights=noise_weights(evaluator, LEVELS))
    eps = EpsError(evaluator, LEVELS, 2)
    np.testing.assert_allclose(eps.profile(images), one_step.profile(images) * one_step.weights, rtol=1e-3)
    np.testing.assert_allclose(one_step.scores(images), eps.profile(images).sum(axis=1), rtol=1e-3)
    np.testing.assert_allclose(eps.scores(images), eps.profile(images).mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(eps.maps(images).mean(axis=(2, 3)), eps.profile(images), rtol=1e-5)


def test_the_score_norm_is_the_length_of_the_exact_score():
    model, images = exact_digits.model(), exact_digits.clean()[:4]
    profile = ScoreNorm(Evaluator(model, 8), LEVELS).profile(images)
    x_0 = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 127.5 - 1
    for number, t in enumerate(LEVELS):
        a = model.process.number("sqrt_alpha_bar", t)
        s = model.process.number("sqrt_one_minus_alpha_bar", t)
        length = model.network.score(a * x_0, t).flatten(1).norm(dim=1)
        np.testing.assert_allclose(profile[:, number], s * length / 8, rtol=1e-4)


def test_the_path_of_white_data_is_known():
    """For N(0, I) data eps = s x, and a DDIM step multiplies x by the cosine of the step's angle."""
    model, vectors = standard_normal_vectors()
    steps = 10
    found = DenoisingPath(Evaluator(model, 4), steps).profile(vectors)
    process = model.process
    times = ddim_timesteps(model.num_steps, steps)[::-1]
    a = np.array([process.number("sqrt_alpha_bar", t) for t in times])
    s = np.array([process.number("sqrt_one_minus_alpha_bar", t) for t in times])
    asked = np.array([process.number("sqrt_one_minus_alpha_bar", max(t, 1)) for t in times])
    scale, x = [], 1.0
    for k in range(steps):
        scale.append(asked[k] * x)
        x = x * (a[k + 1] / a[k] + (s[k + 1] - a[k + 1] / a[k] * s[k]) * asked[k])
    change = steps * np.diff(scale)
    expected = [
        np.mean(np.power(part, power)) * np.mean(vectors.astype(float) ** power, axis=1)
        for part in (np.array(scale), change)
        for power in (1, 2, 3)
    ]
    np.testing.assert_allclose(found, np.array(expected).T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_steps", [2, 101])
def test_an_impossible_path_is_refused(num_steps):
    with pytest.raises(ValueError, match=rf"num_steps: got {num_steps}, expected 3\.\.100"):
        DenoisingPath(Evaluator(exact_digits.model()), num_steps)


def test_a_hidden_pixel_cannot_see_itself():
    """Where pixels know nothing of each other, what is painted does not depend on the image at all."""
    scorer = MaskedInpainting(Evaluator(independent_pixels(), 4), 5, 4, 50)
    painted = scorer.reconstructions(noise_images(3, shape=(4, 4, 1)))
    np.testing.assert_array_equal(painted[0], painted[1])
    np.testing.assert_array_equal(painted[0], painted[2])
    assert painted.std() > 0.01  # the noise of each pixel decides


def test_visible_pixels_decide_where_pixels_know_each_other():
    """On digits, half of an image brings back most of the other half."""
    images = exact_digits.clean()
    scorer = MaskedInpainting(Evaluator(exact_digits.model(), 32), 10, 8, 100)
    blind = ((images / 127.5 - 1) - (exact_digits.normals() / 127.5 - 1).mean(axis=0)) ** 2
    assert scorer.scores(images).mean() < 0.9 * blind.mean()


def test_the_board_alternates():
    assert checkerboard(4, 4, 4).int().tolist() == [[1, 0, 1, 0], [0, 1, 0, 1]] * 2
    assert checkerboard(4, 6, 2).int().tolist() == [[1, 1, 1, 0, 0, 0]] * 2 + [[0, 0, 0, 1, 1, 1]] * 2
    assert checkerboard(28, 28, 8).float().mean() == pytest.approx(0.5, abs=0.02)
    for cells in (1, 5):
        with pytest.raises(ValueError, match=f"cells: got {cells}, expected 2..4 for 4 x 6 pixels"):
            checkerboard(4, 6, cells)
    with pytest.raises(ValueError, match=r"num_steps: got 9, expected 1\.\.5 \(start\)"):
        MaskedInpainting(Evaluator(independent_pixels()), 9, 4, 5)


def test_ancestral_walks_end_in_the_data_s_distribution():
    model, image = independent_pixels(), noise_images(1, shape=(4, 4, 1))
    ends = np.array(
        [
            AncestralReconstruction(Evaluator(model, 1, seed), 50).reconstructions(image)[0]
            for seed in range(30)
        ]
    )
    assert ends.mean() == pytest.approx(0.2, abs=0.03) and ends.std() == pytest.approx(0.2, abs=0.03)
    low = AncestralReconstruction(Evaluator(model, 1), 1).reconstructions(image)[0]
    assert np.abs(low - (image[0, ..., 0] / 127.5 - 1)).mean() < 0.15  # from t = 1 an image comes back
    with pytest.raises(ValueError, match="start: got 51"):
        AncestralReconstruction(Evaluator(model), 51)


def test_a_stack_is_its_scorers_side_by_side():
    evaluator, images = Evaluator(exact_digits.model(), 16), exact_digits.clean()[:5]
    parts = [EpsError(evaluator, [level]) for level in LEVELS]
    stack = ScorerStack(parts, [1, 0, 2])
    profile = np.stack([part.scores(images) for part in parts], axis=1)
    np.testing.assert_array_equal(stack.profile(images), profile)
    np.testing.assert_allclose(stack.scores(images), profile[:, 0] + 2 * profile[:, 2])
    assert stack.evaluations_per_image == 6
    with pytest.raises(ValueError, match="scorers: got none"):
        ScorerStack([])
    for bad in ([1, 2], [1, -1, 1], [0, 0, 0], [1, np.nan, 1]):
        with pytest.raises(ValueError, match="weights: got .* expected 3 numbers"):
            ScorerStack(parts, bad)


def pictures(num_images=3, channels=3, size=24):
    """Smooth pictures in [-1, 1] and noisy copies, (n, c, size, size)."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(num_images, channels, 4, 4, generator=generator) * 2 - 1
    smooth = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(-1, 1)
    return smooth, (smooth + 0.2 * torch.randn(smooth.shape, generator=generator)).clamp(-1, 1)


@pytest.mark.parametrize("metric", ["l1", "l2", "ssim", "gradient"])
def test_a_distance_is_0_for_equals_and_positive_else(metric):
    smooth, noisy = pictures()
    assert distance_map(metric)(smooth, noisy).shape == (3, 24, 24)
    assert distance(metric)(smooth, smooth).abs().max() < 1e-6
    assert (distance(metric)(smooth, noisy) > 0.01).all()


def test_ssim_is_that_of_scikit_image():
    smooth, noisy = pictures()
    ours = distance_map("ssim")(smooth, noisy)
    for one, other, found in zip(smooth, noisy, ours, strict=True):
        _, theirs = structural_similarity(
            (one.numpy() + 1) / 2,
            (other.numpy() + 1) / 2,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            full=True,
        )
        inner = slice(6, -6)  # at the border the two mirror differently
        np.testing.assert_allclose(
            found[inner, inner], ((1 - theirs.mean(axis=0)) / 2)[inner, inner], atol=1e-4
        )
    with pytest.raises(ValueError, match="'ssim' got images of 5 x 8 pixels, expected at least 6"):
        distance("ssim")(smooth[:, :, :5, :8], smooth[:, :, :5, :8])


def test_edges_matter_to_the_gradient_and_brightness_does_not():
    smooth, _ = pictures()
    smooth = smooth / 2
    assert distance("gradient")(smooth, smooth + 0.3).max() < 1e-5
    edge = smooth.clone()
    edge[:, :, :, 12:] += 0.4
    found = distance_map("gradient")(smooth, edge)
    assert found[:, :, 11:13].mean() > 0.3 and found[:, :, :10].abs().max() < 1e-5


def test_features_see_what_their_network_sees():
    smooth, noisy = pictures()

    def averages(
        x,
    ):  # a pyramid of local means, shifted away from 0 so that the cosine sees differences of shape
        return [torch.nn.functional.avg_pool2d(x, size) + 0.1 for size in (2, 4)]

    metric = feature_map(averages)
    assert metric(smooth, noisy).shape == (3, 24, 24)
    assert metric(smooth, smooth).abs().max() < 1e-6 and metric(smooth, noisy).mean() > 1e-3
    scorer = OneStepReconstruction(Evaluator(exact_digits.model(), 8), [20], 2, feature_map(averages))
    assert np.isfinite(scorer.scores(exact_digits.clean()[:3])).all()
    assert scorer.maps(exact_digits.clean()[:3]).shape == (3, 1, 8, 8)
