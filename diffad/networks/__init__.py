"""Denoisers: the networks that the reverse process learns.

Every one speaks the same protocol, so that no scorer or sampler knows which network it asks.
"""

from typing import Protocol

import torch
from pydantic import BaseModel, ValidationError

from diffad.networks.conditioning import Condition
from diffad.networks.dit import DIT_SIZES, DiT, DiTConfig
from diffad.networks.mlp import MLP, MLPConfig
from diffad.networks.position_mlp import PositionMLP, PositionMLPConfig
from diffad.networks.unet import UNET_SIZES, DiffusersUNetConfig, UNet, UNetConfig

__all__ = [
    "DIT_SIZES",
    "MLP",
    "NETWORKS",
    "UNET_SIZES",
    "Condition",
    "Denoiser",
    "DiT",
    "DiTConfig",
    "DiffusersUNetConfig",
    "MLPConfig",
    "PositionMLP",
    "PositionMLPConfig",
    "UNet",
    "UNetConfig",
    "make_network",
    "network_configuration",
]


class Denoiser(Protocol):
    """What a network must offer to be trained, sampled and scored.

    One that takes conditions has a third argument, `condition: Condition | None = None`; it is passed only where
    there is one, so a network without conditions need not have it.
    """

    def __call__(self, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Predict from noisy data at time t.

        Args:
            x_t: noisy data, shape (batch, channels, height, width) or (batch, features).
            t: times in 1..T, int64, shape (batch,).

        Returns:
            A tensor of x_t's shape, or with twice its channels where the network also learns the reverse
            variance.
        """
        ...


NETWORKS = {
    "unet": (UNet, UNetConfig),
    "diffusers_unet": (UNet, DiffusersUNetConfig),
    "dit": (DiT, DiTConfig),
    "mlp": (MLP, MLPConfig),
    "position_mlp": (PositionMLP, PositionMLPConfig),
}


def network_configuration(kind: str, parameters: dict) -> BaseModel:
    """The checked configuration of the network named `kind`.

    Raises:
        ValueError: an unknown kind, or a key or value that the network's configuration refuses, by its name.
    """
    if kind not in NETWORKS:
        raise ValueError(f"network: got {kind!r}, expected one of {', '.join(sorted(NETWORKS))}")
    _, configuration_class = NETWORKS[kind]
    try:
        return configuration_class(**parameters)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["network_parameters", *map(str, first["loc"])])
        raise ValueError(f"{where}: {first['msg']}") from error


def make_network(kind: str, parameters: dict) -> torch.nn.Module:
    """Build the network named `kind` from a plain dictionary; ValueError as `network_configuration`."""
    configuration = network_configuration(kind, parameters)
    return NETWORKS[kind][0](configuration)
