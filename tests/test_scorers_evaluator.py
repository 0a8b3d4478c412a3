"""The evaluator: an image's score is its own, noise is shared and antithetic, every evaluation is counted."""

import numpy as np
import pytest
import torch
from tiny import BAD_IMAGES, TINY, CountingNetwork, digits, noise_images, trained, wrapped

from diffad.scorers import Evaluator, OneStepReconstruction, PartialDiffusion, shared_noise

LEVELS = [2, 10, 30]


@pytest.fixture(scope="module")
def model():
    """A tiny trained model."""
    return trained(digits(300), num_updates=60, batch_size=32)[0]


SCORERS = {
    "profile": lambda evaluator, images: OneStepReconstruction(evaluator, LEVELS).profile(images),
    "maps": lambda evaluator, images: OneStepReconstruction(evaluator, LEVELS).maps(images),
    "l1": lambda evaluator, images: OneStepReconstruction(evaluator, LEVELS, 1, "l1").profile(images),
    "partial": lambda evaluator, images: PartialDiffusion(evaluator, 20, 4).scores(images),
    "partial maps": lambda evaluator, images: PartialDiffusion(evaluator, 20, 4).maps(images),
}


@pytest.mark.parametrize("name", SCORERS)
def test_a_score_depends_on_neither_order_nor_neighbours(model, name):
    images = np.concatenate([digits(40), noise_images(10)])
    scores = SCORERS[name](Evaluator(model, batch_size=16), images)
    chosen = np.random.default_rng(0).permutation(len(images))[:23]
    again = SCORERS[name](Evaluator(model, batch_size=16), images[chosen])
    np.testing.assert_array_equal(again, scores[chosen])
    alone = SCORERS[name](Evaluator(model, batch_size=16), images[-1:])
    np.testing.assert_array_equal(alone, scores[-1:])


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("batch_size", [1, 7, 300])
def test_a_score_depends_on_the_batch_size_by_rounding_alone(model, name, batch_size):
    images = digits(9)
    scores = SCORERS[name](Evaluator(model, batch_size=16), images)
    other = SCORERS[name](Evaluator(model, batch_size=batch_size), images)
    if "maps" in name:  # a pixel's error may be next to zero: compare with the map's own size
        np.testing.assert_allclose(other, scores, rtol=0, atol=1e-5 * scores.max())
    else:
        np.testing.assert_allclose(other, scores, rtol=1e-5)


@pytest.mark.parametrize("name", SCORERS)
def test_scores_are_finite_positive_float64_and_not_constant(model, name):
    scores = SCORERS[name](Evaluator(model), digits(30))
    assert scores.dtype == np.float64 and len(scores) == 30
    assert np.isfinite(scores).all() and (scores >= 0).all()
    each = scores.reshape(30, -1).mean(axis=1)
    assert each.std() > 1e-2 * each.mean()


def test_training_shows_in_the_scores(model):
    """A trained network reconstructs digits better than an untrained one, and digits better than noise."""
    untrained = Evaluator(TINY.build().eval())
    before, after = (SCORERS["profile"](evaluator, digits(30)) for evaluator in (untrained, Evaluator(model)))
    assert (after.mean(axis=0) < before.mean(axis=0)).all()
    assert (after.mean(axis=0)[1:] < 0.8 * before.mean(axis=0)[1:]).all()  # the finest level is hardly noisy
    noise = SCORERS["profile"](Evaluator(model), noise_images(30))
    assert (noise.mean(axis=0)[1:] > 1.2 * after.mean(axis=0)[1:]).all()


def test_the_seed_changes_the_noise_and_nothing_else_does(model):
    images = digits(5)
    first = SCORERS["profile"](Evaluator(model, seed=0), images)
    torch.manual_seed(7)
    np.testing.assert_array_equal(SCORERS["profile"](Evaluator(model, seed=0), images), first)
    assert not np.array_equal(SCORERS["profile"](Evaluator(model, seed=1), images), first)


def test_draws_come_in_antithetic_pairs_and_pairs_differ():
    bank = {(level, draw): shared_noise((1, 8, 8), level, draw, 0) for level in (3, 4) for draw in range(4)}
    for level in (3, 4):
        assert torch.equal(bank[level, 1], -bank[level, 0]) and torch.equal(bank[level, 3], -bank[level, 2])
        assert not torch.equal(bank[level, 2], bank[level, 0])
    assert not torch.equal(bank[3, 0], bank[4, 0])
    assert not torch.equal(bank[3, 0], shared_noise((1, 8, 8), 3, 0, 1))
    large = shared_noise((3, 200, 200), 5, 0, 0)
    assert abs(large.mean().item()) < 0.01 and abs(large.std().item() - 1) < 0.01


def test_a_pair_cancels_what_is_odd_in_the_noise():
    """For a linear network the mean over a pair of draws has no noise in it at all."""
    images = digits(6)
    scorer = OneStepReconstruction(Evaluator(wrapped(CountingNetwork())), [20], num_draws=2)
    mean = scorer.reconstructions(images)[:, 0]  # (n, c, h, w)
    schedule = scorer.evaluator.model.process.schedule
    a, s = schedule.alpha_bar[20].sqrt().item(), (1 - schedule.alpha_bar[20]).sqrt().item()
    x_0 = images.transpose(0, 3, 1, 2) / 127.5 - 1
    np.testing.assert_allclose(mean, (1 - 0.3 * s) * a * x_0 / a, atol=1e-5)


@pytest.mark.parametrize(("num_images", "batch_size"), [(8, 6), (5, 16), (1, 4), (13, 7)])
def test_the_counter_equals_the_evaluations_made(num_images, batch_size):
    network = CountingNetwork()
    evaluator = Evaluator(wrapped(network), batch_size=batch_size)
    one_step, partial = OneStepReconstruction(evaluator, LEVELS, 4), PartialDiffusion(evaluator, 20, 5)
    images = digits(num_images)
    one_step.profile(images)
    assert evaluator.evaluations == num_images * one_step.evaluations_per_image == num_images * 12
    assert network.num_samples == -(-num_images * 12 // batch_size) * batch_size  # the last batch is padded
    made = network.num_samples
    partial.scores(images)
    assert evaluator.evaluations == num_images * (12 + 5)
    assert network.num_samples - made == 5 * -(-num_images // batch_size) * batch_size
    assert set(network.batch_sizes) == {batch_size}


def test_every_image_is_asked_about_at_every_level_and_draw():
    network = CountingNetwork()
    OneStepReconstruction(Evaluator(wrapped(network), batch_size=24), LEVELS, 2).profile(digits(4))
    assert sorted(torch.cat(network.times).tolist()) == sorted(LEVELS * 8)


@pytest.mark.parametrize("case", BAD_IMAGES)
@pytest.mark.parametrize("name", ["profile", "partial"])
def test_what_is_no_image_is_refused(name, case):
    bad, error, words = BAD_IMAGES[case]
    with pytest.raises(error, match=words):
        SCORERS[name](Evaluator(TINY.build()), bad)


@pytest.mark.parametrize("name", ["profile", "partial"])
def test_images_of_another_shape_than_the_network_s_are_refused(name):
    with pytest.raises(ValueError, match=r"images: got images of .* \(8, 8, 3\), expected \(8, 8, 1\)"):
        SCORERS[name](Evaluator(TINY.build()), noise_images(2, shape=(8, 8, 3)))


@pytest.mark.parametrize("levels", [[], [0], [51], [5, -1]])
def test_impossible_levels_are_refused(levels):
    with pytest.raises(ValueError, match=r"levels: got .* 1\.\.50"):
        OneStepReconstruction(Evaluator(TINY.build()), levels).profile(digits(2))


@pytest.mark.parametrize("num_draws", [0, 3, -2])
def test_an_odd_number_of_draws_is_refused(num_draws):
    with pytest.raises(ValueError, match=f"num_draws: got {num_draws}"):
        OneStepReconstruction(Evaluator(TINY.build()), [3], num_draws).profile(digits(2))


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="batch_size: got 0"):
        Evaluator(TINY.build(), batch_size=0)


def test_progress_counts_images(capsys):
    SCORERS["profile"](Evaluator(TINY.build(), batch_size=5, progress=True), digits(7))
    assert "7/7" in capsys.readouterr().err
    SCORERS["profile"](Evaluator(TINY.build()), digits(2))
    assert capsys.readouterr().err == ""
