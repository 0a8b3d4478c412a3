"""The three kinds of data that a diffusion model is made of here, at rest and inside networks.

    kind       at rest                                       inside networks
    images     uint8 (n, height, width, channels)            float32 (n, channels, height, width) in [-1, 1]
    vectors    float32 (n, features)                         the same
    maps       float32 (n, height, width, channels)          float32 (n, channels, height, width), values unchanged

Vectors are tables or embeddings, maps are features of a frozen network at each place; both are expected whitened
or scaled, so that the forward process's unit noise has a meaning.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from diffad.images import check_images
from diffad.images import to_network as images_to_network

InputKind = Literal["images", "vectors", "maps"]
_AXES = {"vectors": "(n, features)", "maps": "(n, height, width, channels)"}


def check_inputs(
    data: np.ndarray,
    argument: str = "data",
    kind: InputKind = "images",
    shape: Sequence[int] | None = None,
) -> np.ndarray:
    """Return `data` if it is a non-empty array of that kind; refuse anything else.

    Args:
        data: what the caller passed.
        argument: its name in the caller's signature, for the error.
        kind: "images", "vectors" or "maps".
        shape: of one item, (height, width, channels) or (features,); None for any.

    Raises:
        TypeError: not an array, or not numbers.
        ValueError: another dtype, rank or shape than the kind's, no item, or values that are NaN or infinite.
    """
    if kind == "images":
        return check_images(data, argument, shape)
    if not isinstance(data, np.ndarray):
        raise TypeError(
            f"{argument}: got {type(data).__name__}, expected a numpy array of {kind} {_AXES[kind]}"
        )
    if data.dtype != np.float32:
        raise ValueError(f"{argument}: got dtype {data.dtype}, expected float32 {kind} {_AXES[kind]}")
    rank = 2 if kind == "vectors" else 4
    if data.ndim != rank or 0 in data.shape:
        raise ValueError(f"{argument}: got shape {data.shape}, expected non-empty {kind} {_AXES[kind]}")
    if shape is not None and tuple(data.shape[1:]) != tuple(shape):
        raise ValueError(f"{argument}: got {kind} of shape {tuple(data.shape[1:])}, expected {tuple(shape)}")
    if bad := int((~np.isfinite(data)).sum()):
        raise ValueError(f"{argument}: {bad} values are NaN or infinite, expected finite numbers")
    return data


def to_network(data: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Data at rest -> what networks take, on `device`; the dtype and the rank tell the kind.

    uint8 (n, h, w, c) -> float32 (n, c, h, w) in [-1, 1]; float32 (n, h, w, c) -> (n, c, h, w) as it is;
    float32 (n, features) as it is.
    """
    if data.dtype == np.uint8:
        return images_to_network(data, device)
    values = torch.from_numpy(np.require(data, np.float32, ("C", "W"))).to(device)
    return values if values.ndim == 2 else values.permute(0, 3, 1, 2).contiguous()


def network_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Shape of one item inside networks from its shape at rest: (h, w, c) -> (c, h, w), (features,) as it is."""
    return (shape[2], shape[0], shape[1]) if len(shape) == 3 else tuple(shape)
