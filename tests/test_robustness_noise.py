"""Noise is what it says, a function of each image alone, and grows along one draw."""

import numpy as np
import pytest
from tiny import BAD_IMAGES, digits, noise_images

from diffad.robustness.noise import NOISE, add_noise

STRENGTHS = {"gaussian": (10, 40), "salt_and_pepper": (0.02, 0.2), "jpeg": (80, 10)}  # weak, strong
GREY = np.full((40, 32, 32, 1), 128, np.uint8)


@pytest.fixture(params=NOISE)
def kind(request):
    return request.param


def differing(images):
    """Grey images that differ in one pixel each: content is what noise is seeded by."""
    images = images.copy()
    images[np.arange(len(images)), 0, 0, 0] = np.arange(len(images)) + 100
    return images


def depends_on_neighbours(add):
    """Whether an image's noise changes with the company it is scored in."""
    images = noise_images(8, shape=(16, 16, 1))
    whole = add(images)
    order = np.random.default_rng(1).permutation(8)
    alone = np.concatenate([add(images[place : place + 1]) for place in range(8)])
    return not (np.array_equal(whole, alone) and np.array_equal(add(images[order]), whole[order]))


def test_noise_does_not_depend_on_neighbours_or_place(kind):
    assert not depends_on_neighbours(lambda images: add_noise(images, kind, STRENGTHS[kind][1], seed=3))


def test_one_generator_for_the_whole_batch_would_be_found_out():
    def faulty(images):
        return (images + np.random.default_rng(0).normal(0, 20, images.shape)).clip(0, 255).astype(np.uint8)

    assert depends_on_neighbours(faulty)


@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 32, 3)])
def test_images_keep_their_format_and_are_not_written_to(kind, shape):
    images = noise_images(4, shape=shape)
    before = images.copy()
    noisy = add_noise(images, kind, STRENGTHS[kind][1])
    assert noisy.dtype == np.uint8 and noisy.shape == images.shape and not np.array_equal(noisy, images)
    np.testing.assert_array_equal(images, before)


def test_more_is_more(kind):
    images = digits(30).repeat(3, axis=1).repeat(3, axis=2)
    weak, strong = (
        np.abs(add_noise(images, kind, each).astype(int) - images).mean() for each in STRENGTHS[kind]
    )
    assert 0 < weak < strong


def test_gaussian_noise_has_the_spread_that_was_asked_for():
    difference = add_noise(differing(GREY), "gaussian", 20, seed=1).astype(float) - differing(GREY)
    assert abs(difference.std() - 20) < 0.5 and abs(difference.mean()) < 0.5
    twice = add_noise(differing(GREY), "gaussian", 40, seed=1).astype(float) - differing(GREY)
    unclipped = np.abs(difference) < 40  # twice that stays within 0..255
    assert np.abs(twice - 2 * difference)[unclipped].max() <= 2, (
        "the same draw, twice as strong"
    )  # both are rounded


def test_salt_and_pepper_strikes_the_share_that_was_asked_for_and_nests():
    images = differing(GREY)
    few, many = (add_noise(images, "salt_and_pepper", rate) != images for rate in (0.05, 0.2))
    assert abs(few.mean() - 0.05) < 0.01 and abs(many.mean() - 0.2) < 0.01
    assert (many >= few).all(), "what is struck at 5 % is struck at 20 %"
    struck = add_noise(images, "salt_and_pepper", 0.2)[many]
    assert set(np.unique(struck)) == {0, 255} and abs((struck == 255).mean() - 0.5) < 0.02


def test_salt_and_pepper_strikes_all_channels_of_a_pixel():
    images = np.full((4, 32, 32, 3), 90, np.uint8)
    changed = add_noise(images, "salt_and_pepper", 0.2) != images
    assert (changed.all(axis=3) == changed.any(axis=3)).all() and changed.any()


def test_seeds_and_images_differ():
    images = differing(GREY)[:2]
    one, other = (add_noise(images, "gaussian", 20, seed=seed).astype(int) for seed in (0, 1))
    assert not np.array_equal(one, other) and not np.array_equal(one[0] - images[0], one[1] - images[1])
    np.testing.assert_array_equal(one, add_noise(images, "gaussian", 20, seed=0))


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_images_are_refused(name):
    images, error, message = BAD_IMAGES[name]
    with pytest.raises(error, match=message):
        add_noise(images, "gaussian", 10)


@pytest.mark.parametrize(
    ("kind", "strength", "message"),
    [
        ("snow", 1, "kind: got 'snow', expected one of gaussian, salt_and_pepper, jpeg"),
        ("gaussian", 0, "strength: got 0 for gaussian, expected a number in 0.5..255"),
        ("gaussian", float("nan"), "strength: got nan"),
        ("gaussian", True, "strength: got True"),
        ("salt_and_pepper", 1.5, r"expected a number in 0.001..1 \(share of pixels\)"),
        ("jpeg", 96, "expected a whole number in 1..95"),
        ("jpeg", 50.5, "expected a whole number"),
        ("jpeg", "high", "strength: got 'high'"),
    ],
)
def test_bad_strengths_are_refused(kind, strength, message):
    with pytest.raises(ValueError, match=message):
        add_noise(GREY, kind, strength)


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="seed: got"):
        add_noise(GREY, "gaussian", 10, seed)
