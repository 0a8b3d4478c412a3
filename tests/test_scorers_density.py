"""Densities and diffusion times against closed form."""

import math

import exact_digits
import numpy as np
import pytest
import torch
from scipy.stats import invgamma

from diffad.model import DiffusionModel
from diffad.objectives.bound import prior_term, vlb_terms
from diffad.oracle import GaussianOracle
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule
from diffad.scorers import (
    Evaluator,
    LearnedTime,
    NonParametricTime,
    OdeLikelihood,
    Typicality,
    VariationalBound,
)
from diffad.scorers.density import bound_levels
from diffad.scorers.diffusion_time import classifier

MEAN = torch.tensor([0.3, -0.5, 0.1], dtype=torch.float64)
VARIANCES = torch.tensor([0.5, 0.2, 0.9], dtype=torch.float64)


def gaussian_vectors(num_steps=100):
    """The exact model of three-dimensional Gaussian vectors, its oracle, and float32 draws (20, 3)."""
    process = ForwardProcess(make_schedule("cosine", num_steps))
    oracle = GaussianOracle(process, MEAN, torch.diag(VARIANCES))
    oracle.input_kind = "vectors"
    vectors = oracle.sample(20, torch.Generator().manual_seed(0)).float().numpy()
    return DiffusionModel(oracle, process), oracle, vectors


def images_to_network(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_all_levels_give_the_bound_itself():
    model, images = exact_digits.model(), exact_digits.clean()[:5]
    evaluator = Evaluator(model, 40)
    scorer = VariationalBound(evaluator, exact_digits.NUM_STEPS - 1)
    assert scorer.levels == list(range(1, exact_digits.NUM_STEPS + 1))
    np.testing.assert_allclose(scorer.weights, 1)
    x_0 = images_to_network(images)
    nats = prior_term(model.process, x_0)
    for t in scorer.levels:
        nats = nats + vlb_terms(model, x_0, t, evaluator.noise(images.shape, t).expand_as(x_0), clamp=1.0)
    np.testing.assert_allclose(scorer.scores(images), nats / (64 * math.log(2)), rtol=1e-5)


def test_few_levels_stand_for_all():
    process = exact_digits.model().process
    for count in (5, 20, 60):
        levels, weights = bound_levels(process, count)
        assert levels[0] == 1 and levels == sorted(set(levels)) and levels[-1] <= process.num_steps
        snr = process.schedule.snr.numpy()
        expected = (snr[1:-1] - snr[2:]) / (1 + snr[2:])
        # For the data that the rule expects, the weighted few add up to the whole.
        assert weights[1:] @ expected[np.array(levels[1:]) - 2] == pytest.approx(expected.sum())
    images = exact_digits.clean()
    evaluator = Evaluator(exact_digits.model(), 100)
    whole = VariationalBound(evaluator, 99).scores(images)
    few = VariationalBound(evaluator, 20).scores(images)
    assert few.mean() == pytest.approx(whole.mean(), rel=0.05)
    assert np.corrcoef(few, whole)[0, 1] > 0.95


@pytest.mark.parametrize("count", [0, 100])
def test_an_impossible_number_of_levels_is_refused(count):
    with pytest.raises(ValueError, match=rf"num_levels: got {count}, expected 1\.\.99"):
        VariationalBound(Evaluator(exact_digits.model()), count)


def test_the_ode_finds_the_density_of_vectors():
    model, oracle, vectors = gaussian_vectors()
    # Dimensions do not mix here, so one probe already gives the exact divergence.
    scorer = OdeLikelihood(Evaluator(model, 20), num_steps=100)
    exact = -oracle.log_prob(torch.from_numpy(vectors)) / (3 * math.log(2))
    np.testing.assert_allclose(scorer.scores(vectors), exact, atol=0.03)


def test_the_ode_gives_bits_of_an_8_bit_pixel():
    """The density times the width of a grey level, in bits: against the oracle's own density. What the probes
    miss of the divergence is the same for all, as a Gaussian's divergence is.
    """
    model, images = exact_digits.model(), exact_digits.clean()[:6]
    scorer = OdeLikelihood(Evaluator(model, 6), num_steps=50, num_probes=8)
    log_density = model.network.log_prob(images_to_network(images))
    exact = -(log_density / 64 + math.log(2 / 255)) / math.log(2)
    difference = scorer.scores(images) - exact.numpy()
    assert abs(difference.mean()) < 0.4 and difference.std() < 0.1 * exact.std()


def test_no_probe_is_refused():
    with pytest.raises(ValueError, match="num_probes: got 0"):
        OdeLikelihood(Evaluator(exact_digits.model()), 5, 0)


class OneNumber:
    """A scorer of vectors that gives their first feature."""

    evaluator, evaluations_per_image, logarithmic = None, 0, True

    def fit(self, normals):
        return self

    def scores(self, vectors):
        return vectors[:, 0].astype(np.float64)


def test_typicality_is_two_sided():
    normals = np.random.default_rng(0).normal(3, 2, (500, 1))
    scorer = Typicality(OneNumber()).fit(normals)
    mean, spread = normals.mean(), normals.std(ddof=1)
    found = scorer.scores(np.array([[mean], [mean + 4], [mean - 4]]))
    np.testing.assert_allclose(found, [0, 4 / spread, 4 / spread], atol=1e-12)
    for bad in (normals[:1], np.ones((5, 1))):
        with pytest.raises(ValueError, match=r"normals: got \d with equal scores"):
            Typicality(OneNumber()).fit(bad)


def test_the_nonparametric_time_is_the_mode_of_the_posterior():
    model, _, vectors = gaussian_vectors()
    normals, tested = vectors[:15], vectors[15:]
    scorer = NonParametricTime(Evaluator(model), 4).fit(normals)
    squared = np.sort(((tested[:, None].astype(float) - normals) ** 2).sum(axis=2))[:, :4].mean(axis=1)
    np.testing.assert_allclose(scorer.scores(tested), squared / 3, rtol=1e-6)
    grid = np.linspace(1e-3, 3, 200_001)  # variances
    for found, r2 in zip(scorer.scores(tested), squared, strict=True):
        posterior = invgamma.logpdf(grid, a=3 / 2 - 1, scale=r2 / 2)
        assert grid[np.argmax(posterior)] == pytest.approx(found, abs=1e-4)


def test_neighbours_must_be_there():
    model, _, vectors = gaussian_vectors()
    with pytest.raises(ValueError, match=r"normals: got 3, expected at least 5 \(num_neighbours\)"):
        NonParametricTime(Evaluator(model)).fit(vectors[:3])
    with pytest.raises(ValueError, match="num_neighbours: got 0"):
        NonParametricTime(Evaluator(model), 0)


def learned(seed=0, num_updates=20):
    settings = {"num_updates": num_updates, "learning_rate": 2e-3, "dropout": 0.1}
    return LearnedTime(Evaluator(exact_digits.model(), 32, seed), **settings).fit(exact_digits.normals())


def test_the_learned_time_rises_with_the_noise_and_one_softmax_is_applied():
    scorer = learned(num_updates=400)
    assert isinstance(scorer.classifier_[-1], torch.nn.Linear)
    # A softmax inside the network would hold the cross entropy above log(e + 6) - 1 = 1.165 nats.
    assert scorer.losses_[0] > 1.8 and scorer.losses_[-100:].mean() < 1.15
    rng = np.random.default_rng(1)
    means = []
    for spread in (0, 20, 50, 100):
        noisy = exact_digits.clean() + rng.normal(0, spread, exact_digits.clean().shape)
        means.append(scorer.scores(np.clip(noisy, 0, 255).astype(np.uint8)).mean())
    assert means == sorted(means) and means[-1] > means[0] + 0.1


def test_learning_is_a_function_of_the_seed_and_leaves_global_randomness_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = learned(), learned(), learned(seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(first.losses_, again.losses_)
    assert not np.array_equal(first.losses_, other.losses_)


def test_the_classifier_has_the_published_widths():
    widths = [layer.out_features for layer in classifier(64, 7, 0.5) if isinstance(layer, torch.nn.Linear)]
    assert widths == [256, 512, 256, 7]
    for changes, words in (({"num_bins": 1}, "num_bins: got 1"), ({"num_updates": 0}, "num_updates")):
        with pytest.raises(ValueError, match=words):
            LearnedTime(Evaluator(exact_digits.model()), **changes)
