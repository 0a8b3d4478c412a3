"""Images at rest and images inside networks.

At rest (files, data sets, a detector's input) images are uint8, shape (n, height, width, channels).
Inside networks they are float32, shape (n, channels, height, width), in [-1, 1]. One function converts each
way.
"""

import numpy as np
import torch

CHANNELS_ALLOWED = (1, 3)


def check_images(
    images: np.ndarray, argument: str = "images", shape: tuple[int, int, int] | None = None
) -> np.ndarray:
    """Return `images` if they are a non-empty uint8 array (n, height, width, channels); refuse anything else.

    Args:
        images: what the caller passed.
        argument: its name in the caller's signature, for the error.
        shape: the (height, width, channels) that is required, or None for any with 1 or 3 channels.

    Raises:
        TypeError: not an array, or not numbers.
        ValueError: NaN or infinite pixels, another dtype than uint8, another rank than 4, no image, no pixel,
            neither 1 nor 3 channels, or another shape than required.
    """
    if not isinstance(images, np.ndarray):
        raise TypeError(
            f"{argument}: got {type(images).__name__}, expected a numpy array of uint8 images (n, height, width, channels)"
        )
    if images.dtype != np.uint8:
        _refuse_dtype(images, argument)
    if images.ndim != 4:
        raise ValueError(
            f"{argument}: got an array of rank {images.ndim} and shape {images.shape}, expected rank 4 (n, height, width, channels)"  # noqa: E501
        )
    if 0 in images.shape:
        raise ValueError(
            f"{argument}: got shape {images.shape}, expected at least one image of at least one pixel"
        )
    if images.shape[3] not in CHANNELS_ALLOWED:
        raise ValueError(
            f"{argument}: got {images.shape[3]} channels (shape {images.shape}), expected 1 (grey) or 3 (colour) in the last axis"
        )
    if shape is not None and tuple(images.shape[1:]) != tuple(shape):
        raise ValueError(
            f"{argument}: got images of (height, width, channels) {tuple(images.shape[1:])}, expected {tuple(shape)}"
        )
    return images


def _refuse_dtype(images: np.ndarray, argument: str) -> None:
    if not np.issubdtype(images.dtype, np.number):
        raise TypeError(f"{argument}: got dtype {images.dtype}, expected uint8 pixels in 0..255")
    if images.size and np.issubdtype(images.dtype, np.floating):
        bad = int((~np.isfinite(images)).sum())
        if bad:
            raise ValueError(f"{argument}: {bad} pixels are NaN or infinite, expected uint8 pixels in 0..255")
    spread = f"values from {images.min()} to {images.max()}" if images.size else "no values"
    raise ValueError(
        f"{argument}: got dtype {images.dtype} with {spread}, expected uint8 pixels in 0..255 "
        "(pixels in [0, 1] become so by (255 * images).round().astype('uint8'))"
    )


def to_network(images: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """uint8 (n, height, width, channels) in 0..255 -> float32 (n, channels, height, width) in [-1, 1] on
    `device`.

    The bytes travel to the device, four times fewer than floats.
    """
    pixels = torch.from_numpy(np.require(images, requirements=("C", "W"))).to(device)  # (n, h, w, c) uint8
    pixels = pixels.permute(0, 3, 1, 2).to(
        torch.float32, memory_format=torch.contiguous_format
    )  # (n, c, h, w)
    return pixels.div_(127.5).sub_(1.0)


def to_uint8(tensor: torch.Tensor) -> np.ndarray:
    """float (n, channels, height, width) in [-1, 1] -> uint8 (n, height, width, channels); values outside are
    clipped.
    """
    pixels = tensor.detach().to("cpu", torch.float32).add(1.0).mul(127.5).round().clamp(0, 255)
    return pixels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
