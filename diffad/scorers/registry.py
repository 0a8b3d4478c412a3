"""Every scorer by name: what a figure, a table or a detector's preset can enumerate.

    make_scorer("partial", evaluator, start=0.25, num_steps=10)

Noise levels are given as shares of T, so that one setting means the same for every model. The families are those
of the survey (Liu et al. 2025, section 3); scorers of the diffusion time stand with the densities, as they ask how
far off the data an item lies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diffad.scorers.base import Scorer, ScorerStack
from diffad.scorers.calibration import CalibratedScorer
from diffad.scorers.complexity import ComplexityRegression, InputComplexity
from diffad.scorers.denoiser_profile import DenoiserDistance, DenoiserProfile
from diffad.scorers.density import OdeLikelihood, Typicality, VariationalBound
from diffad.scorers.diffusion_time import LearnedTime, NonParametricTime
from diffad.scorers.distances import DistanceMap
from diffad.scorers.evaluator import Evaluator
from diffad.scorers.inpainting import MaskedInpainting
from diffad.scorers.reconstruction import (
    DEFAULT_LEVELS,
    AncestralReconstruction,
    OneStepReconstruction,
    PartialDiffusion,
    levels_from_fractions,
    noise_weights,
)
from diffad.scorers.score import DenoisingPath, EpsError, ScoreNorm

RECONSTRUCTION, DENSITY, SCORE = FAMILIES = ("reconstruction", "density", "score")
ALL_KINDS, SPATIAL, IMAGES = ("images", "vectors", "maps"), ("images", "maps"), ("images",)
DEFAULT_START = 0.25  # of T: AnoDDPM's 250 of 1000
DEFAULT_STARTS = (0.1, 0.25, 0.5)
CELLS = 8  # of the checkerboard along a side, as in Liu et al. 2023


@dataclass(frozen=True)
class ScorerEntry:
    """A scorer that can be made by name.

    Attributes:
        title: a few words for a legend.
        family: "reconstruction", "density" or "score".
        build: (evaluator, **parameters) -> the scorer.
        needs_normals: whether `fit` must see normal data before `scores`.
        has_profile: whether it gives several numbers an image, which can be calibrated.
        has_maps: whether it says where, on images and maps.
        kinds: the inputs it takes.
        reference: of the book's bibliography.
    """

    title: str
    family: str
    build: Callable[..., Scorer]
    reference: str
    needs_normals: bool = False
    has_profile: bool = False
    has_maps: bool = False
    kinds: tuple[str, ...] = ALL_KINDS


def _time(evaluator: Evaluator, fraction: float) -> int:
    return levels_from_fractions([fraction], evaluator.model.num_steps)[0]


def _times(evaluator: Evaluator, fractions: Sequence[float]) -> list[int]:
    return levels_from_fractions(fractions, evaluator.model.num_steps)


def one_step(
    evaluator: Evaluator,
    levels: Sequence[float] = DEFAULT_LEVELS,
    num_draws: int = 2,
    metric: str | DistanceMap = "l2",
) -> OneStepReconstruction:
    """One-step reconstruction at levels t / T, weighted so that each level's noise error counts alike."""
    times = _times(evaluator, levels)
    return OneStepReconstruction(evaluator, times, num_draws, metric, noise_weights(evaluator, times))


def one_level(
    evaluator: Evaluator, level: float = 0.1, num_draws: int = 2, metric: str | DistanceMap = "l2"
) -> OneStepReconstruction:
    """One-step reconstruction at a single level t / T."""
    return OneStepReconstruction(evaluator, [_time(evaluator, level)], num_draws, metric)


def partial(
    evaluator: Evaluator,
    start: float = DEFAULT_START,
    num_steps: int = 10,
    metric: str | DistanceMap = "l2",
) -> PartialDiffusion:
    """Partial diffusion from t / T = `start`."""
    return PartialDiffusion(evaluator, _time(evaluator, start), num_steps, metric)


def partial_stack(
    evaluator: Evaluator,
    starts: Sequence[float] = DEFAULT_STARTS,
    num_steps: int = 10,
    metric: str | DistanceMap = "l2",
    weights: Sequence[float] | None = None,
) -> ScorerStack:
    """Partial diffusion from several levels, their errors as a profile."""
    walks = [PartialDiffusion(evaluator, time, num_steps, metric) for time in _times(evaluator, starts)]
    return ScorerStack(walks, weights)


def ancestral(
    evaluator: Evaluator, start: float = DEFAULT_START, metric: str | DistanceMap = "l2"
) -> AncestralReconstruction:
    """Every step of the reverse process from t / T = `start`."""
    return AncestralReconstruction(evaluator, _time(evaluator, start), metric)


def inpainting(
    evaluator: Evaluator,
    num_steps: int = 10,
    cells: int = CELLS,
    start: float = 1.0,
    metric: str | DistanceMap = "l2",
) -> MaskedInpainting:
    """Checkerboard inpainting, hidden pixels beginning as noise at t / T = `start`."""
    return MaskedInpainting(evaluator, num_steps, cells, _time(evaluator, start), metric)


def eps_error(evaluator: Evaluator, levels: Sequence[float] = DEFAULT_LEVELS, num_draws: int = 2) -> EpsError:
    """Error of the predicted noise at levels t / T."""
    return EpsError(evaluator, _times(evaluator, levels), num_draws)


def score_norm(evaluator: Evaluator, levels: Sequence[float] = DEFAULT_LEVELS) -> ScoreNorm:
    """Length of the score at levels t / T."""
    return ScoreNorm(evaluator, _times(evaluator, levels))


def calibrated(evaluator: Evaluator, of: str = "eps_error", rule: str = "max_abs", **parameters):
    """The profile of the scorer named `of`, calibrated on normals and combined by `rule`."""
    return CalibratedScorer(make_scorer(of, evaluator, **parameters), rule)


def denoiser_profile(
    evaluator: Evaluator,
    levels: Sequence[float] = DEFAULT_LEVELS,
    num_draws: int = 1,
    metric: str = "l2",
    of: str = "profile",
) -> DenoiserDistance:
    """Distance of errors by channel and bottleneck activations at levels t / T from those of normals."""
    return DenoiserDistance(DenoiserProfile(evaluator, _times(evaluator, levels), num_draws, metric), of)


def typicality(evaluator: Evaluator, of: str = "bound", **parameters) -> Typicality:
    """Two-sided distance of the score named `of` from its normal mean."""
    return Typicality(make_scorer(of, evaluator, **parameters))


def input_complexity(evaluator: Evaluator, of: str = "bound", codec: str = "png", **parameters):
    """The density named `of` less the compressed length."""
    return InputComplexity(make_scorer(of, evaluator, **parameters), codec)


def complexity_regression(evaluator: Evaluator, of: str = "eps_error", codec: str = "png", **parameters):
    """The score named `of` less what it owes to complexity."""
    return ComplexityRegression(make_scorer(of, evaluator, **parameters), codec)


SCORERS: dict[str, ScorerEntry] = {
    "one_level": ScorerEntry(
        "one step, one level", RECONSTRUCTION, one_level, "ho2020denoising", has_profile=True, has_maps=True
    ),
    "one_step": ScorerEntry(
        "one step, ten levels", RECONSTRUCTION, one_step, "liu2025survey", has_profile=True, has_maps=True
    ),
    "partial": ScorerEntry(
        "partial diffusion, DDIM", RECONSTRUCTION, partial, "wyatt2022anoddpm", has_maps=True
    ),
    "partial_stack": ScorerEntry(
        "partial diffusion, three starts",
        RECONSTRUCTION,
        partial_stack,
        "graham2023ood",
        has_profile=True,
        has_maps=True,
    ),
    "ancestral": ScorerEntry(
        "partial diffusion, every step", RECONSTRUCTION, ancestral, "wyatt2022anoddpm", has_maps=True
    ),
    "inpainting": ScorerEntry(
        "checkerboard inpainting", RECONSTRUCTION, inpainting, "liu2023lmd", has_maps=True, kinds=SPATIAL
    ),
    "bound": ScorerEntry("variational bound", DENSITY, VariationalBound, "ho2020denoising", has_profile=True),
    "ode_likelihood": ScorerEntry("ODE likelihood", DENSITY, OdeLikelihood, "song2021sde"),
    "typicality": ScorerEntry(
        "typicality of the bound", DENSITY, typicality, "nalisnick2019typicality", needs_normals=True
    ),
    "input_complexity": ScorerEntry(
        "bound less input complexity", DENSITY, input_complexity, "serra2020", kinds=IMAGES
    ),
    "time_nonparametric": ScorerEntry(
        "diffusion time, neighbours", DENSITY, NonParametricTime, "livernoche2024dte", needs_normals=True
    ),
    "time_learned": ScorerEntry(
        "diffusion time, classifier", DENSITY, LearnedTime, "livernoche2024dte", needs_normals=True
    ),
    "eps_error": ScorerEntry(
        "noise error, ten levels", SCORE, eps_error, "ho2020denoising", has_profile=True, has_maps=True
    ),
    "score_norm": ScorerEntry(
        "score norm, ten levels", SCORE, score_norm, "mahmood2021msma", has_profile=True, has_maps=True
    ),
    "path": ScorerEntry(
        "bend of the denoising path", SCORE, DenoisingPath, "heng2024diffpath", has_profile=True
    ),
    "calibrated": ScorerEntry(
        "noise error, calibrated", SCORE, calibrated, "liu2025survey", needs_normals=True
    ),
    "denoiser_profile": ScorerEntry(
        "errors and activations", SCORE, denoiser_profile, "baranchuk2022", needs_normals=True
    ),
    "complexity_regression": ScorerEntry(
        "noise error less complexity",
        SCORE,
        complexity_regression,
        "serra2020",
        needs_normals=True,
        kinds=IMAGES,
    ),
}


def make_scorer(name: str, evaluator: Evaluator, **parameters) -> Scorer:
    """The scorer called `name`, for the evaluator's model.

    Args:
        name: of `SCORERS`.
        evaluator: of a trained model.
        parameters: of the scorer; what is not given has the entry's default.

    Raises:
        ValueError: no scorer has that name, or it does not take the model's kind of data.
        TypeError: a parameter it does not have.
    """
    if name not in SCORERS:
        raise ValueError(f"name: got {name!r}, expected one of {', '.join(sorted(SCORERS))}")
    entry, kind = SCORERS[name], evaluator.model.input_kind
    if kind not in entry.kinds:
        raise ValueError(f"name: scorer {name!r} got a model of {kind}, expected {' or '.join(entry.kinds)}")
    return entry.build(evaluator, **parameters)
