"""The denoiser's view of an image: errors by channel and bottleneck activations, and distances from usual ones."""

import numpy as np
import pytest
import torch

from diffad.model import ModelConfig
from diffad.scorers import Evaluator, OneStepReconstruction
from diffad.scorers.denoiser_profile import DenoiserProfile, NormalDistance
from tests.tiny import digits, noise_images, trained

LEVELS = [5, 20]


@pytest.fixture(scope="module")
def model():
    return trained()[0]


def profile(model, **changes):
    return DenoiserProfile(Evaluator(model, batch_size=8), **{"levels": LEVELS, "num_draws": 2} | changes)


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_the_mean_over_channels_is_the_reconstruction_error(model, metric):
    view = profile(model, metric=metric).measure(digits(10))
    expected = OneStepReconstruction(Evaluator(model, 8), LEVELS, 2, metric).profile(digits(10))
    np.testing.assert_allclose(view.level_errors, expected, rtol=1e-6)


def test_the_channels_are_kept_apart():
    colour = ModelConfig(
        network_parameters={"image_size": 8, "channels": 3, "size": "tiny"}, num_steps=50
    ).build()
    images = noise_images(6, shape=(8, 8, 3))
    images[..., 1] = 0  # one channel that is easier or harder than the two others
    view = profile(colour).measure(images)
    assert view.errors.shape == (6, 2, 3) and view.rows("errors").shape == (6, 6)
    assert np.ptp(view.errors.mean(axis=(0, 1))) > 0


def test_the_activations_are_those_of_the_bottleneck_at_the_image_noised_to_the_level(model):
    images = digits(3)
    scorer = profile(model, levels=[20], num_draws=1)
    view = scorer.measure(images)
    seen = []
    handle = model.network.bottleneck.register_forward_hook(lambda *a: seen.append(a[-1].mean((2, 3))))
    scorer.evaluator.one_step(images, [20], 1, lambda x_0, x_hat: x_hat.flatten(1).mean(1))
    handle.remove()
    np.testing.assert_allclose(view.activations[:, 0], seen[0][:3].numpy(), rtol=1e-6)
    assert not model.network.bottleneck._forward_hooks, "the hook was left behind"


def test_order_and_neighbours_do_not_matter(model):
    images = digits(11)
    whole = profile(model).measure(images)
    for number in (0, 7, 10):
        alone = profile(model).measure(images[[number]])
        np.testing.assert_array_equal(alone.errors[0], whole.errors[number])
        np.testing.assert_array_equal(alone.activations[0], whole.activations[number])


def test_the_evaluations_are_as_declared(model):
    scorer = profile(model)
    scorer.measure(digits(9))
    assert scorer.evaluator.evaluations == 9 * scorer.evaluations_per_image == 9 * 4


def test_vectors_and_tokens_have_a_bottleneck_too():
    vectors = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    table = ModelConfig(network="mlp", network_parameters={"features": 5}, num_steps=50).build()
    view = profile(table).measure(vectors)
    assert view.errors.shape == (7, 2, 1) and view.activations.shape[:2] == (7, 2)
    transformer = {"image_size": 8, "channels": 1, "size": "Ti", "patch": 2}
    tokens = ModelConfig(network="dit", network_parameters=transformer, num_steps=50).build()
    assert profile(tokens).measure(digits(3)).activations.shape == (3, 2, 192)


def test_a_network_without_a_bottleneck_is_refused(model):
    class Bare(torch.nn.Module):
        pass

    model = trained()[0]
    model.network = Bare()
    with pytest.raises(ValueError, match="evaluator: its network Bare names no bottleneck"):
        profile(model)


def test_an_unknown_metric_is_refused(model):
    with pytest.raises(ValueError, match="metric: got 'l3', expected one of l1, l2"):
        profile(model, metric="l3")


def gaussian(n, columns, seed=0):
    return np.random.default_rng(seed).standard_normal((n, columns))


def test_the_distance_is_mahalanobis_s():
    rows = gaussian(20_000, 2) @ np.array([[1.0, 0.9], [0.0, 0.4]])
    precision = np.linalg.inv(np.cov(rows.T))
    points = np.array([[2.0, 1.8], [1.9, -1.9]])  # as far from zero, but the second is unusual
    expected = np.sqrt(np.einsum("ni,ij,nj->n", points, precision, points))
    np.testing.assert_allclose(NormalDistance(rows)(points), expected, rtol=0.02)


def test_unusual_rows_are_found_even_with_more_columns_than_rows():
    distance, new = NormalDistance(gaussian(60, 200)), gaussian(500, 200, 1)
    assert np.isfinite(distance(new)).all()
    assert (distance(new * 1.5) > distance(new)).mean() > 0.99


def test_constant_columns_are_left_out():
    rows = gaussian(30, 2)
    with_constant, changed = np.c_[rows, np.full(30, 7.0)], np.c_[rows, np.full(30, 9.0)]
    np.testing.assert_allclose(NormalDistance(with_constant)(changed), NormalDistance(rows)(rows))


def test_the_profile_is_both_descriptions_side_by_side(model):
    view = profile(model).measure(digits(4))
    both = np.concatenate([view.rows("errors"), view.rows("activations")], axis=1)
    np.testing.assert_array_equal(view.rows(), both)
    with pytest.raises(ValueError, match="of: got 'error', expected one of errors, activations, profile"):
        view.rows("error")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (gaussian(1, 2), "got 1 held-out normal, expected at least 2"),
        (gaussian(4, 2)[0], r"got shape \(2,\), expected \(n, columns\)"),
        (np.ones((20, 2)), "all held-out normals are equal"),
        (np.full((20, 2), np.nan), "NaN or infinite"),
    ],
)
def test_rows_that_cannot_calibrate_are_refused(rows, message):
    with pytest.raises(ValueError, match=f"rows: .*{message}"):
        NormalDistance(rows)


def test_another_number_of_columns_is_refused():
    with pytest.raises(ValueError, match=r"rows: got shape \(3, 5\), expected \(n, 2\)"):
        NormalDistance(gaussian(20, 2))(gaussian(3, 5))
