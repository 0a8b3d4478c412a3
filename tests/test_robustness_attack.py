"""Projected gradient finds the known optimum of a Gaussian's score, stays in the ball, and what it finds can be saved."""

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear
from tiny import digits, noise_images, trained

from diffad.configuration import ScoringConfig
from diffad.robustness.attack import DOWN, UP, projected_gradient, random_in_ball
from diffad.robustness.objectives import TARGETS, Objective, make_objective
from diffad.robustness.panel import Panel

IMAGES = noise_images(6, seed=4, shape=(4, 4, 1))
CENTRE = np.random.default_rng(0).integers(20, 236, (4, 4, 1)) + 0.25  # grey levels, no tie when rounded
WEIGHT = np.random.default_rng(1).uniform(0.5, 2, (4, 4, 1))
SCORING = ScoringConfig(
    levels=(0.1, 0.4), calibration_images=20, partial_diffusion={"start": 0.3, "num_steps": 3}, num_draws=2
)


class Quadratic(Objective):
    """The score of Gaussian data, (x - m)^T A^T A (x - m), in grey levels; x flattened."""

    name = "quadratic"

    def __init__(self, centre=CENTRE, root=None):
        self.centre = torch.from_numpy(centre.transpose(2, 0, 1).ravel())
        root = np.diag(np.sqrt(WEIGHT.transpose(2, 0, 1).ravel())) if root is None else root
        self.root = torch.from_numpy(root)

    def score(self, x_0):
        levels = (x_0.double().flatten(1) + 1) * 127.5
        return ((levels - self.centre) @ self.root.T).square().sum(dim=1)

    def of(self, images):
        return self.score(torch.from_numpy(images).permute(0, 3, 1, 2).double() / 127.5 - 1).numpy()


def ends(images, epsilon):
    return np.maximum(images.astype(int) - epsilon, 0), np.minimum(images.astype(int) + epsilon, 255)


@pytest.mark.parametrize("epsilon", [1, 4, 16, 60])
def test_the_highest_score_within_the_ball_is_found(epsilon):
    low, high = ends(IMAGES, epsilon)
    best = np.where(np.abs(high - CENTRE) > np.abs(low - CENTRE), high, low)
    found = projected_gradient(Quadratic(), IMAGES, np.full(6, UP), epsilon, 20)
    reached, optimum, clean = (Quadratic().of(each) for each in (found.images, best.astype(np.uint8), IMAGES))
    # where the centre lies inside the ball either end is a local optimum
    outside = (np.abs(IMAGES - CENTRE) > epsilon).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(found.images[outside], best[outside])
    assert ((reached - clean) / (optimum - clean) > 0.95).all()


@pytest.mark.parametrize("epsilon", [1, 4, 16, 60])
def test_the_lowest_score_within_the_ball_is_found(epsilon):
    low, high = ends(IMAGES, epsilon)
    best = np.rint(CENTRE).clip(low, high).astype(np.uint8)
    found = projected_gradient(Quadratic(), IMAGES, np.full(6, DOWN), epsilon, 40)
    reached, optimum, clean = (Quadratic().of(each) for each in (found.images, best, IMAGES))
    assert ((clean - reached) / (clean - optimum) > 0.995).all()


def test_correlated_pixels_are_no_obstacle():
    """With a full covariance the lowest score is a bounded least-squares problem, which scipy solves."""
    root = (
        np.linalg.qr(np.random.default_rng(2).normal(size=(16, 16)))[0] * np.geomspace(0.4, 1.5, 16)[:, None]
    )
    score = Quadratic(root=root)
    found = projected_gradient(score, IMAGES, np.full(6, DOWN), 30, 100)
    for image, reached in zip(IMAGES, score.of(found.images), strict=True):
        low, high = (each.ravel() for each in ends(image, 30))
        exact = lsq_linear(root, root @ CENTRE.ravel(), (low, high)).cost * 2
        clean = score.of(image[None])[0]
        assert exact - 1e-6 <= reached and (clean - reached) / (clean - exact) > 0.98


def test_more_steps_find_more_and_no_step_loses():
    found = projected_gradient(Quadratic(), IMAGES, np.full(6, DOWN), 16, 12)
    assert found.best.shape == (13, 6) and (np.diff(found.best, axis=0) <= 0).all()
    np.testing.assert_allclose(found.best[0], Quadratic().of(IMAGES), rtol=1e-5)
    np.testing.assert_allclose(found.best[-1], Quadratic().of(found.images), rtol=1e-5)
    short = projected_gradient(Quadratic(), IMAGES, np.full(6, DOWN), 16, 2)
    assert (found.best[-1] <= short.best[-1]).all() and (found.best[-1] < short.best[-1]).any()


@pytest.mark.parametrize("epsilon", [1, 5])
def test_images_stay_in_the_ball_and_are_pixels(epsilon):
    images = np.where(IMAGES > 128, 255, 0).astype(np.uint8)  # at the ends of what a pixel can be
    for direction in (UP, DOWN):
        found = projected_gradient(Quadratic(), images, np.full(6, direction), epsilon, 7).images
        assert found.dtype == np.uint8 and found.shape == images.shape
        # further out than 0 and 255 there is nothing: UP leaves them, wrapped around they would be 254 levels away
        assert np.abs(found.astype(int) - images).max() == (epsilon if direction == DOWN else 0)


def test_each_image_has_its_own_direction():
    directions = np.array([UP, DOWN] * 3)
    clean, moved = (
        Quadratic().of(each)
        for each in (IMAGES, projected_gradient(Quadratic(), IMAGES, directions, 4).images)
    )
    assert (np.sign(moved - clean) == directions).all()


def test_a_gradient_of_the_wrong_sign_would_be_found_out():
    class Wrong(Quadratic):
        def loss_and_score(self, x_0):
            return -self.score(x_0), self.score(x_0)

    found = projected_gradient(Wrong(), IMAGES, np.full(6, DOWN), 4)
    np.testing.assert_array_equal(found.images, IMAGES)  # the original is the best that it ever saw


def test_rounding_at_the_end_alone_would_lose_what_was_found():
    """An attack whose float pixels move by less than half a grey level is worth nothing once saved."""
    low, high = IMAGES - 0.4, IMAGES + 0.4
    floats = np.where(CENTRE > IMAGES, high, low).clip(0, 255)
    np.testing.assert_array_equal(np.rint(floats).astype(np.uint8), IMAGES)
    found = projected_gradient(Quadratic(), IMAGES, np.full(6, DOWN), 1, 8)  # ours moves by whole levels
    assert (Quadratic().of(found.images) < Quadratic().of(IMAGES)).all()


def test_a_larger_ball_starts_from_the_smaller_and_never_finds_less():
    directions = np.array([UP, DOWN] * 3)
    small = projected_gradient(Quadratic(), IMAGES, directions, 4, 2).images
    large = projected_gradient(Quadratic(), IMAGES, directions, 8, 1, start=small).images
    assert (directions * (Quadratic().of(large) - Quadratic().of(small)) >= 0).all()


def test_neighbours_do_not_matter():
    directions = np.array([UP, DOWN] * 3)
    whole = projected_gradient(Quadratic(), IMAGES, directions, 4, batch_size=6).images
    parts = projected_gradient(Quadratic(), IMAGES, directions, 4, batch_size=1).images
    np.testing.assert_array_equal(whole, parts)


# --- the scores themselves ---


@pytest.fixture(scope="module")
def fitted():
    """A tiny trained model as a run, its panel, and images."""
    model, _ = trained(num_updates=30)

    class Record:
        experiment = {"scoring": SCORING.model_dump(mode="json")}

    class Run:
        record = Record

    Run.model = model
    return model, Panel(Run, 16, ()).fit(digits(60)[:40]), digits(90)[60:80]


@pytest.mark.parametrize("target", TARGETS)
def test_the_attacked_score_is_the_recorded_one(fitted, target):
    model, panel, images = fitted
    objective = make_objective(target, model, SCORING, panel.view)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        np.testing.assert_allclose(objective.score(pixels).numpy(), panel.scores(images)[target], rtol=1e-4)
    other = make_objective(target, model, SCORING, panel.view, seed=5)
    with torch.no_grad():
        assert not np.allclose(other.score(pixels).numpy(), panel.scores(images)[target], rtol=1e-3)


@pytest.mark.parametrize("target", TARGETS)
def test_the_gradient_is_that_of_the_score(fitted, target):
    """Against a central difference along the gradient, in double precision."""
    model, panel, images = fitted
    objective = make_objective(target, model.double(), SCORING, panel.view)
    try:
        x = (torch.from_numpy(images[:3]).permute(0, 3, 1, 2).double() / 127.5 - 1) * 0.9
        x.requires_grad_()
        loss, score = objective.loss_and_score(x)
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        along = gradient / gradient.flatten(1).norm(dim=1)[:, None, None, None]
        with torch.no_grad():
            ahead, behind = (objective.loss_and_score(x + step * along)[0] for step in (1e-4, -1e-4))
        slope = ((ahead - behind) / 2e-4).numpy()
        np.testing.assert_allclose(slope, gradient.flatten(1).norm(dim=1).numpy(), rtol=2e-3)
        assert (loss >= score - 1e-9).all() and (loss <= 1.34 * score).all()
    finally:
        model.float()


@pytest.mark.parametrize("target", TARGETS)
def test_an_attack_survives_rounding_and_the_ordinary_path(fitted, target):
    model, panel, images = fitted
    directions = np.where(np.arange(len(images)) % 2, UP, DOWN)
    objective = make_objective(target, model, SCORING, panel.view)
    found = projected_gradient(objective, images, directions, 8, 6)
    clean, moved = panel.scores(images)[target], panel.scores(found.images)[target]
    chance = panel.scores(random_in_ball(images, 8))[target]
    np.testing.assert_allclose(moved, found.best[-1], rtol=1e-3)
    assert (directions * (moved - clean) > 0).all()
    assert (directions * (moved - clean)).mean() > 1.5 * np.abs(chance - clean).mean(), "no better than noise"


def test_another_optimiser_finds_no_more(fitted):
    """Adam on the score through the rounding: a search that stopped too early would fall behind."""
    model, panel, images = fitted
    objective, some = make_objective("denoiser_profile", model, SCORING, panel.view), images[:3]
    ours = projected_gradient(objective, some, np.full(3, DOWN), 8, 60).best
    clean = torch.from_numpy(some).permute(0, 3, 1, 2).float()
    low, high = (clean - 8).clamp(min=0), (clean + 8).clamp(max=255)
    point, theirs = clean.clone().requires_grad_(), torch.full((3,), torch.inf, dtype=torch.float64)
    optimiser = torch.optim.Adam([point], lr=0.5)
    for step in range(100):
        optimiser.param_groups[0]["lr"] = 0.5 * (1 - step / 100) + 0.02
        score = objective.score(((point.round() - point).detach() + point) / 127.5 - 1)
        theirs = torch.minimum(theirs, score.detach())
        optimiser.zero_grad()
        score.sum().backward()
        optimiser.step()
        with torch.no_grad():
            point.copy_(point.clamp(low, high))
    for parameter in model.parameters():
        parameter.grad = None
    fallen, theirs_fallen = ours[0] - ours[-1], ours[0] - theirs.numpy()
    assert (fallen > 0.9 * theirs_fallen).all() and (fallen > 0).all()


def test_the_network_s_weights_and_gradients_are_left_alone(fitted):
    model, panel, images = fitted
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    projected_gradient(
        make_objective("one_step", model, SCORING, panel.view), images[:4], np.full(4, UP), 4, 2
    )
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
    assert all(each.grad is None for each in model.parameters())


def test_an_unknown_target_is_refused(fitted):
    with pytest.raises(ValueError, match="name: got 'knn', expected one of one_step, "):
        make_objective("knn", fitted[0], SCORING, fitted[1].view)


def test_a_score_that_is_not_finite_is_refused():
    class Broken(Quadratic):
        def score(self, x_0):
            return super().score(x_0) * torch.nan

    with pytest.raises(FloatingPointError, match="quadratic is NaN"):
        projected_gradient(Broken(), IMAGES, np.full(6, UP), 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": 0}, "epsilon: got 0, expected a whole number of grey levels in 1..255"),
        ({"epsilon": 2.5}, "epsilon: got 2.5"),
        ({"num_steps": 0}, "num_steps: got 0, expected an integer of at least 1"),
        ({"batch_size": True}, "batch_size: got True"),
        ({"directions": np.zeros(6)}, "directions: got .* expected -1 or 1 for each of 6 images"),
        ({"directions": np.ones(5)}, "directions: got"),
        ({"start": IMAGES[:2]}, "start: got 2 images, expected one within 4 of each of 6"),
        ({"start": 255 - IMAGES}, "start: got images up to .* grey levels away"),
        ({"images": IMAGES.astype(float)}, "images: got dtype float64"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    given = {"images": IMAGES, "directions": np.full(6, UP), "epsilon": 4} | change
    with pytest.raises(ValueError, match=message):
        projected_gradient(Quadratic(), **given)


# --- the control ---


def test_the_control_moves_every_pixel_as_far_as_the_ball_allows():
    images = np.full((20, 8, 8, 3), 100, np.uint8)
    images[:, 0, 0, 0] = np.arange(20)
    moved = random_in_ball(images, 6, seed=1).astype(int) - images
    assert set(np.unique(moved[:, 1:])) == {-6, 6} and abs(moved[:, 1:].mean()) < 0.5
    np.testing.assert_array_equal(
        random_in_ball(images[5:6], 6, seed=1), random_in_ball(images, 6, seed=1)[5:6]
    )
    assert not np.array_equal(random_in_ball(images, 6, seed=2), random_in_ball(images, 6, seed=1))
    assert random_in_ball(np.zeros((2, 4, 4, 1), np.uint8), 3).max() == 3, "clipped, not wrapped around"
    with pytest.raises(ValueError, match="epsilon: got 0"):
        random_in_ball(images, 0)
