"""Detectors: fitted on normal data alone, they score how unlike it other data is, and say where the line lies."""

from diffad.detectors.image import DEFAULT_DETECTION, ImageDetector

__all__ = ["DEFAULT_DETECTION", "ImageDetector"]
