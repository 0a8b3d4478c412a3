"""Where in the spectrum an image's reconstruction goes wrong: coarse shapes or fine detail.

Claim C4 says that a U-Net keeps local detail and a transformer sees the whole. Local detail is what is left at high
spatial frequencies, the whole at low ones; a residual's power by frequency tells which of them a network loses.
"""

import numpy as np


def radial_power(images: np.ndarray, num_bands: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Mean power of images by spatial frequency, in rings of equal width.

    Args:
        images: float (n, height, width, channels), square; residuals or images, any units.
        num_bands: rings between frequency 0 and the highest of a row or column, at least 1.

    Returns:
        The middle of each ring in cycles a pixel, (num_bands,), in (0, 0.5); and the power of each image in each ring,
        (n, num_bands), averaged over channels and the ring's frequencies, so that white noise of variance 1 has
        power 1 everywhere. The mean of the image (frequency 0) is left out.

    Raises:
        ValueError: another rank, images that are not square, or more rings than the image can tell apart.
    """
    images = np.asarray(images, dtype=np.float64)
    if images.ndim != 4 or images.shape[1] != images.shape[2]:
        raise ValueError(
            f"images: got shape {images.shape}, expected square images (n, side, side, channels)"
        )
    side = images.shape[1]
    if not 1 <= num_bands <= side // 2:
        raise ValueError(f"num_bands: got {num_bands}, expected 1..{side // 2} for images of {side} pixels")
    power = np.square(np.abs(np.fft.fft2(images, axes=(1, 2)))).mean(axis=3) / side**2  # (n, side, side)
    frequency = np.fft.fftfreq(side)
    radius = np.hypot(frequency[:, None], frequency[None])
    edges = np.linspace(0, 0.5, num_bands + 1)
    ring = np.digitize(radius, edges[1:-1])
    inside = (radius > 0) & (radius <= 0.5)
    bands = [power[:, inside & (ring == band)].mean(axis=1) for band in range(num_bands)]
    return (edges[1:] + edges[:-1]) / 2, np.stack(bands, axis=1)
