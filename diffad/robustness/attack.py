"""Images changed on purpose: projected gradient on an anomaly score.

Nobody sees a change of a few grey levels. Madry et al. 2018 ("Towards deep learning models resistant to adversarial
attacks") look for the worst one: the image within an L-infinity ball around the original, every pixel at most epsilon away,
that moves the score furthest, found by steps along the sign of the gradient, each followed by a projection into the ball.

    anomalies are pushed DOWN, to look normal;  normal images are pushed UP, to look anomalous.

What counts is an image that can be saved: pixels are whole numbers in 0..255. So every gradient is taken at the ROUNDED image
(straight through the rounding) and the best rounded image of all steps is kept. Epsilon is a whole number of grey levels,
hence rounding cannot leave the ball.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffad.datasets.imageset import content_hashes
from diffad.images import check_images
from diffad.robustness.objectives import Objective

PATH_LENGTH = 2.5  # all steps together, in epsilons: as Madry et al. advise, each end of the ball can be reached from the other
DOWN, UP = -1, 1


@dataclass(frozen=True)
class Attacked:
    """What an attack found.

    Attributes:
        images: uint8, the shape of those attacked; the best rounded image of each.
        best: float64 (num_steps + 1, n), the score of the best image after each number of steps, by the objective.
    """

    images: np.ndarray
    best: np.ndarray


def projected_gradient(
    objective: Objective,
    images: np.ndarray,
    directions: np.ndarray,
    epsilon: int,
    num_steps: int = 10,
    start: np.ndarray | None = None,
    batch_size: int = 20,
    device: torch.device | str = "cpu",
) -> Attacked:
    """Move each image's score as far as the ball allows. Equations: eq-projected-gradient, eq-projected-step.

    Steps go along the sign of the gradient; their size falls linearly to 0 and adds up to 2.5 epsilon.

    Args:
        objective: the score.
        images: uint8 (n, height, width, 1 or 3).
        directions: (n,), `UP` (+1) to raise an image's score, `DOWN` (-1) to lower it.
        epsilon: largest change of a pixel, whole grey levels, 1..255.
        num_steps: gradients an image, at least 1.
        start: images within the ball to start from, such as those found in a smaller one; the originals if None. The best
            of all that were seen is returned, so a larger ball never finds less.
        batch_size: images at a time.
        device: where the objective computes.

    Raises:
        TypeError, ValueError: an argument outside what is allowed.
        FloatingPointError: a score or gradient that is not finite.
    """
    _check(images, directions, epsilon, num_steps, start, batch_size)
    directions = np.asarray(directions)
    found, best = np.empty_like(images), np.empty((num_steps + 1, len(images)))
    for begin in range(0, len(images), batch_size):
        part = slice(begin, begin + batch_size)
        clean, push = (
            _pixels(images[part], device),
            torch.from_numpy(directions[part].astype(np.float64)).to(device),
        )
        first = clean if start is None else _pixels(start[part], device)
        pixels, best[:, part] = _climb(objective, clean, first, push, epsilon, num_steps)
        found[part] = pixels.to("cpu", torch.uint8).permute(0, 2, 3, 1).numpy()
    return Attacked(found, best)


def _climb(
    objective: Objective, clean: Tensor, first: Tensor, push: Tensor, epsilon: int, num_steps: int
) -> tuple[Tensor, np.ndarray]:
    """The best rounded images (batch, c, h, w) in 0..255 and their scores after each step (num_steps + 1, batch)."""
    low, high = (clean - epsilon).clamp(min=0), (clean + epsilon).clamp(max=255)
    point = first.clamp(low, high)
    best, gain = clean.clone(), torch.full_like(push, -torch.inf)
    history = []
    for step in range(num_steps + 1):
        shown = point.round().requires_grad_()
        loss, score = objective.loss_and_score(shown / 127.5 - 1)
        reached = push * score.detach().double()
        better = reached > gain
        gain, best = torch.where(better, reached, gain), torch.where(_wide(better), shown.detach(), best)
        history.append((push * gain).cpu().numpy())
        if step == num_steps:
            break
        (gradient,) = torch.autograd.grad((push * loss).sum(), shown)
        if not (torch.isfinite(gradient).all() and torch.isfinite(reached).all()):
            raise FloatingPointError(f"attack: a score or gradient of {objective.name} is NaN or infinite")
        size = 2 * PATH_LENGTH * epsilon * (num_steps - step) / (num_steps * (num_steps + 1))
        point = (point + size * gradient.sign()).clamp(low, high)
    return best, np.stack(history)


def random_in_ball(images: np.ndarray, epsilon: int, seed: int = 0) -> np.ndarray:
    """The control: every pixel moved by exactly epsilon, up or down by the toss of a coin, and clipped to 0..255.

    No noise within the ball is larger. The coin depends on the seed and the image alone.

    Args:
        images: uint8 (n, height, width, 1 or 3).
        epsilon: whole grey levels, 1..255.
        seed: non-negative.
    """
    check_images(images)
    _check_epsilon(epsilon)
    moved = np.empty_like(images)
    for place, (image, key) in enumerate(zip(images, content_hashes(images), strict=True)):
        signs = np.random.default_rng([seed, 0xBA11, int(key)]).choice((-1, 1), image.shape)
        moved[place] = (image.astype(np.int64) + epsilon * signs).clip(0, 255)
    return moved


def _pixels(images: np.ndarray, device) -> Tensor:
    """uint8 (n, h, w, c) -> float32 (n, c, h, w) in 0..255."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float()


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _check_epsilon(epsilon) -> None:
    if isinstance(epsilon, bool) or not isinstance(epsilon, (int, np.integer)) or not 1 <= epsilon <= 255:
        raise ValueError(f"epsilon: got {epsilon!r}, expected a whole number of grey levels in 1..255")


def _check(images, directions, epsilon, num_steps, start, batch_size) -> None:
    check_images(images)
    _check_epsilon(epsilon)
    for argument, value in (("num_steps", num_steps), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{argument}: got {value!r}, expected an integer of at least 1")
    directions = np.asarray(directions)
    if directions.shape != (len(images),) or not np.isin(directions, (DOWN, UP)).all():
        raise ValueError(
            f"directions: got {directions.tolist()}, expected -1 or 1 for each of {len(images)} images"
        )
    if start is not None:
        check_images(start, "start", images.shape[1:])
        away = np.abs(start.astype(np.int64) - images).max() if len(start) == len(images) else None
        if away is None or away > epsilon:
            what = f"{len(start)} images" if away is None else f"images up to {away} grey levels away"
            raise ValueError(
                f"start: got {what}, expected one within {epsilon} of each of {len(images)} images"
            )
