"""Anomaly scores: (diffusion model, images) -> a number an image, higher = more anomalous, and where it can,
a map.
"""

from diffad.scorers.calibration import COMBINATIONS, LevelCalibration
from diffad.scorers.evaluator import Evaluator, shared_noise
from diffad.scorers.reconstruction import (
    DEFAULT_LEVELS,
    OneStepReconstruction,
    PartialDiffusion,
    levels_from_fractions,
)

__all__ = [
    "COMBINATIONS",
    "DEFAULT_LEVELS",
    "Evaluator",
    "LevelCalibration",
    "OneStepReconstruction",
    "PartialDiffusion",
    "levels_from_fractions",
    "shared_noise",
]
