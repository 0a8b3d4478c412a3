"""Anomaly scores: (diffusion model, data) -> a number an item, higher = more anomalous, and where it can, a map.

reconstruction, inpainting   the paper's family: take something away, let the model put it back, compare
density, diffusion_time      how probable an item is, and how much noise would explain it
score                        what the network's own answer says
calibration, complexity      from a profile to one score; corrections for what is easy or hard in general
evaluator, base              one way to ask the network, and what every scorer offers
registry                     all of them by name
"""

from diffad.scorers.base import ProfileScorer, Scorer, ScorerStack
from diffad.scorers.calibration import (
    COMBINATIONS,
    CalibratedScorer,
    LevelCalibration,
    ProfileCalibration,
)
from diffad.scorers.complexity import (
    BackgroundRatio,
    ComplexityRegression,
    InputComplexity,
    compressed_bits_per_dim,
    perturb_images,
)
from diffad.scorers.density import OdeLikelihood, Typicality, VariationalBound
from diffad.scorers.diffusion_time import LearnedTime, NonParametricTime
from diffad.scorers.evaluator import Evaluator, shared_noise
from diffad.scorers.inpainting import MaskedInpainting
from diffad.scorers.reconstruction import (
    DEFAULT_LEVELS,
    AncestralReconstruction,
    OneStepReconstruction,
    PartialDiffusion,
    levels_from_fractions,
)
from diffad.scorers.registry import SCORERS, ScorerEntry, make_scorer
from diffad.scorers.score import DenoisingPath, EpsError, ScoreNorm

__all__ = [
    "COMBINATIONS",
    "DEFAULT_LEVELS",
    "SCORERS",
    "AncestralReconstruction",
    "BackgroundRatio",
    "CalibratedScorer",
    "ComplexityRegression",
    "DenoisingPath",
    "EpsError",
    "Evaluator",
    "InputComplexity",
    "LearnedTime",
    "LevelCalibration",
    "MaskedInpainting",
    "NonParametricTime",
    "OdeLikelihood",
    "OneStepReconstruction",
    "PartialDiffusion",
    "ProfileCalibration",
    "ProfileScorer",
    "Scorer",
    "ScorerEntry",
    "ScorerStack",
    "ScoreNorm",
    "Typicality",
    "VariationalBound",
    "compressed_bits_per_dim",
    "levels_from_fractions",
    "make_scorer",
    "perturb_images",
    "shared_noise",
]
