"""Detectors: fitted on normal data alone, they score how unlike it other data is, and say where the line lies.

ImageDetector       images; trains, scores and maps from a folder; what the command line uses
DiffusionDetector   images and vectors behind PyOD's and scikit-learn's contract
"""

from diffad.detectors.image import DEFAULT_DETECTION, ImageDetector
from diffad.detectors.presets import PRESETS, Preset
from diffad.detectors.pyod import DiffusionDetector

__all__ = ["DEFAULT_DETECTION", "PRESETS", "DiffusionDetector", "ImageDetector", "Preset"]
