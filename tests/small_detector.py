"""A detector trained for a moment on bundled digits, and a folder of small pictures, for tests of the command line."""

from pathlib import Path

import numpy as np
from PIL import Image

from diffad.datasets import load
from diffad.detectors import ImageDetector
from diffad.thresholds import DetectionConfig
from diffad.training import TrainingConfig


def small_detector(**detection) -> ImageDetector:
    """An unfitted detector that trains in a second; `detection` changes its DetectionConfig."""
    return ImageDetector(
        {"network_parameters": {"size": "tiny"}},
        TrainingConfig(num_updates=12, batch_size=16, warmup_updates=2, checkpoint_every=4),
        DetectionConfig(levels=(0.05, 0.2, 0.5), **detection),
    )


def digits(count: int = 80) -> np.ndarray:
    """The first training digits, uint8 (count, 8, 8, 1)."""
    return load("digits").images[:count]


def write_pictures(folder: Path, count: int, seed: int = 0, bright: bool = False, mode: str = "RGB") -> Path:
    """Write pictures of 20 x 24 pixels: a dim square on noise, or a bright disc where `bright`."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:20, :24]
    for index in range(count):
        pixels = rng.integers(0, 40, (20, 24, 3), dtype=np.uint8)
        top, left = rng.integers(2, 8, 2)
        if bright:
            pixels[(rows - 10) ** 2 + (columns - 12) ** 2 < 64] = 255
        else:
            pixels[top : top + 8, left : left + 8] += 100
        suffix = "jpg" if index % 2 else "png"
        Image.fromarray(pixels).convert(mode).save(folder / f"{index:02d}.{suffix}")
    return folder
