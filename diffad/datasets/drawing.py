"""Random draws that protocols share, each from an explicit generator."""

import numpy as np


def generator(seed: int) -> np.random.Generator:
    """Return the generator of a split's draws.

    Raises:
        ValueError: `seed` is not an integer of 0 or more.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be an integer of 0 or more, got {seed!r}")
    return np.random.default_rng(seed)


def hold_out(
    indices: np.ndarray, validation_fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Divide `indices` at random into training and a held-out validation part of at least one; both sorted.

    Raises:
        ValueError: the fraction is not in (0, 1), or nothing would be left to train on.
    """
    if not 0.0 < validation_fraction < 1.0:
        raise ValueError(
            f"validation_fraction must lie between 0 and 1, both excluded, got {validation_fraction}"
        )
    held_out = max(1, round(len(indices) * validation_fraction))
    if held_out >= len(indices):
        raise ValueError(
            f"{len(indices)} normal items are too few to hold out a share of {validation_fraction}"
        )
    shuffled = rng.permutation(indices)
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])


def check_rate(argument: str, rate: float) -> None:
    """Raise ValueError unless `rate` lies in [0, 0.5]: with more, the anomalies would be the norm."""
    if not 0.0 <= rate <= 0.5:
        raise ValueError(f"{argument} must lie in 0..0.5, got {rate}")


def replace_some(
    indices: np.ndarray, intruders: np.ndarray, rate: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Replace a share of `indices` by draws from `intruders` without repeats.

    Returns:
        The sorted indices, as many as came in, and those of the intruders among them.

    Raises:
        ValueError: there are fewer intruders than the rate asks for.
    """
    count = round(len(indices) * rate)
    if count > len(intruders):
        raise ValueError(f"rate {rate} asks for {count} anomalous items, there are {len(intruders)}")
    chosen = rng.choice(intruders, count, replace=False)
    kept = rng.choice(indices, len(indices) - count, replace=False)
    return np.sort(np.concatenate([kept, chosen])), np.sort(chosen)
