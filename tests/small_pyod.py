"""Detectors that learn vectors or digits in a moment, and data for them."""

import numpy as np
from sklearn.datasets import load_digits

from diffad.detectors import DiffusionDetector


def vector_detector(**parameters) -> DiffusionDetector:
    """An unfitted detector of vectors; `parameters` change its constructor's."""
    small = {
        "preset": "ddpm",
        "num_updates": 5,
        "network_parameters": {"width": 8, "depth": 1},
        "scoring_batch_size": 64,
    }
    return DiffusionDetector(**small | parameters)


def image_detector(**parameters) -> DiffusionDetector:
    """An unfitted detector of small images; `parameters` change its constructor's."""
    small = {"preset": "fast", "num_updates": 4, "batch_size": 16, "scoring_batch_size": 64}
    return DiffusionDetector(**small | parameters)


def vectors(num_rows: int = 60, num_features: int = 5, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Normal draws around `shift`, float64 (num_rows, num_features)."""
    return np.random.default_rng(seed).normal(shift, 1.0, (num_rows, num_features))


def digits(num_images: int = 60, first: int = 0) -> np.ndarray:
    """Real 8 x 8 digits, uint8 (num_images, 8, 8, 1)."""
    images = load_digits().images[first : first + num_images, :, :, None]
    return (images * 255 / 16).round().astype(np.uint8)
