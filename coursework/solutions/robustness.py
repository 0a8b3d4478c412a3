"""Solutions to the exercises of the chapter on noisy and adversarial images; their examples are run by the tests."""

import numpy as np


def attack_over_noise(weights: np.ndarray) -> float:
    """How many times further than random noise of the same size the worst change moves a score that is a weighted sum.

    >>> round(attack_over_noise(np.ones(28 * 28)), 1)  # the square root of the number of pixels
    28.0
    >>> round(attack_over_noise(np.ones(3 * 32 * 32)), 1)
    55.4
    """
    # The worst change moves each pixel by epsilon with its weight's sign: epsilon times the sum of |weights|. Signs
    # by the toss of a coin move the score by 0 on average, with standard deviation epsilon times the root of the sum
    # of squares.
    return float(np.abs(weights).sum() / np.sqrt((weights**2).sum()))


def projected_step(
    pixels: np.ndarray, originals: np.ndarray, gradient: np.ndarray, size: float, epsilon: float
) -> np.ndarray:
    """One step that raises a score, by the sign of its gradient, and back to where images are allowed.

    Args:
        pixels: where the search stands, grey levels, of any shape.
        originals: the images before the attack, grey levels in 0..255, of that shape.
        gradient: of the score at `pixels`, of that shape.
        size: of the step, in grey levels, positive.
        epsilon: the largest change of a pixel against its original, in grey levels.

    Returns:
        The nearest point, pixel by pixel, that is within epsilon of the original and in 0..255; not rounded.
    """
    moved = pixels + size * np.sign(gradient)
    return np.clip(np.clip(moved, originals - epsilon, originals + epsilon), 0, 255)


def auroc_and_false_alarms(shift: float, seed: int = 0) -> tuple[float, float]:
    """AUROC and the share of false alarms, both in %, where noise moves the scores of all images by so much.

    The line is drawn on clean normal images for 5 % of false alarms; scores are in their standard deviations, and
    anomalies lie two of them higher.

    >>> results = [auroc_and_false_alarms(shift) for shift in (0.0, 1.0, 2.0)]
    >>> [round(auroc) for auroc, _ in results]  # blind to what moves all alike
    [92, 92, 92]
    >>> [round(alarms) for _, alarms in results]
    [5, 26, 64]
    """
    rng = np.random.default_rng(seed)
    line = np.quantile(rng.standard_normal(100_000), 0.95)
    normal, anomalous = shift + rng.standard_normal(4000), shift + 2 + rng.standard_normal(4000)
    auroc = (anomalous[:, None] > normal[None, :]).mean()
    return 100 * float(auroc), 100 * float((normal > line).mean())
