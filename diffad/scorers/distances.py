"""How far a reconstruction is from its image. Each takes (x_0, x_hat), shape (batch, channels, height, width)
in [-1, 1].

`_map` functions keep the pixels, (batch, height, width); the others give one number an image, (batch,).
Survey section 3: A = d(x, x_hat), d in {L1, L2}.
"""

from collections.abc import Callable

import torch


def l2_map(x_0: torch.Tensor, x_hat: torch.Tensor) -> torch.Tensor:
    """Squared difference, mean over channels: (batch, height, width)."""
    return (x_hat - x_0).square().mean(dim=1)


def l1_map(x_0: torch.Tensor, x_hat: torch.Tensor) -> torch.Tensor:
    """Absolute difference, mean over channels: (batch, height, width)."""
    return (x_hat - x_0).abs().mean(dim=1)


DISTANCE_MAPS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {"l1": l1_map, "l2": l2_map}


def distance_map(name: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The per-pixel distance called `name`.

    Raises:
        ValueError: no distance has that name.
    """
    if name not in DISTANCE_MAPS:
        raise ValueError(f"distance: got {name!r}, expected one of {', '.join(sorted(DISTANCE_MAPS))}")
    return DISTANCE_MAPS[name]


def distance(name: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The distance called `name`, one number an image: the mean of its map over the pixels, (batch,)."""
    pixels = distance_map(name)
    return lambda x_0, x_hat: pixels(x_0, x_hat).flatten(1).mean(dim=1)
