"""The methods of a run record: what each name stands for and how its scores come about.

    one_step              error of x0_hat at one noise level, as the paper scores
    partial_diffusion     error after partial diffusion
    one_step_at_0.1       the same at one of the levels, here t = 0.1 T
    levels_RULE           the errors of all levels, combined by a rule (`diffad.scorers.COMBINATIONS`)
    denoiser_errors       distance of the errors by level and channel from those of normal images
    denoiser_activations  distance of what the bottleneck sees at each level
    denoiser_profile      distance of both together
    iforest, ...          a baseline (`diffad.baselines`)

All but `partial_diffusion` come from the same network evaluations.
"""

from dataclasses import dataclass

import numpy as np

from diffad.baselines import make_baseline
from diffad.configuration import ScoringConfig, denoiser_name, rule_name
from diffad.datasets.split import Split
from diffad.model import DiffusionModel
from diffad.scorers import COMBINATIONS, Evaluator, LevelCalibration, PartialDiffusion, levels_from_fractions
from diffad.scorers.denoiser_profile import DESCRIPTIONS, DenoiserProfile, NormalDistance

ONE_STEP, PARTIAL_DIFFUSION = "one_step", "partial_diffusion"


def level_name(fraction: float) -> str:
    """The record's name for one-step error at the level `fraction` of T."""
    return f"one_step_at_{fraction:g}"


@dataclass
class Scores:
    """Finished scores of the test set: method -> float64 (n,), and the network evaluations an image each
    takes.
    """

    by_method: dict[str, np.ndarray]
    nfe: dict[str, int]


def make_scorers(
    model: DiffusionModel, scoring: ScoringConfig, progress: bool = False
) -> tuple[DenoiserProfile, PartialDiffusion]:
    """The two scorers of an edition that ask the network, over one evaluator."""
    evaluator = Evaluator(model, scoring.batch_size, progress=progress)
    levels = levels_from_fractions(scoring.levels, model.num_steps)
    start = max(1, round(scoring.partial_diffusion.start * model.num_steps))
    profile = DenoiserProfile(evaluator, levels, scoring.num_draws, scoring.metric)
    return profile, PartialDiffusion(evaluator, start, scoring.partial_diffusion.num_steps, scoring.metric)


def score_diffusion(
    model: DiffusionModel, split: Split, scoring: ScoringConfig, progress: bool = True
) -> Scores:
    """Score the test images by every method that asks the network; calibrated on held-out normal images."""
    profile, partial = make_scorers(model, scoring, progress)
    held_out = profile.measure(split.validation[: scoring.calibration_images])
    view = profile.measure(split.test)
    errors = view.level_errors  # (n, levels)
    every_level = {
        rule_name(rule): LevelCalibration(held_out.level_errors).combine(errors, rule)
        for rule in COMBINATIONS
    }
    every_level |= {
        denoiser_name(of): NormalDistance(held_out.rows(of))(view.rows(of)) for of in DESCRIPTIONS
    }
    one_level = {ONE_STEP: errors[:, scoring.levels.index(scoring.single_level)]}
    one_level |= {level_name(fraction): errors[:, number] for number, fraction in enumerate(scoring.levels)}
    walked = {PARTIAL_DIFFUSION: partial.scores(split.test)}
    nfe = dict.fromkeys(one_level, scoring.num_draws)
    nfe |= dict.fromkeys(every_level, profile.evaluations_per_image)
    nfe |= dict.fromkeys(walked, partial.evaluations_per_image)
    return Scores(one_level | walked | every_level, nfe)


def score_baseline(name: str, split: Split, seed: int) -> np.ndarray:
    """Fit a baseline on the same training images and score the same test images, (n,)."""
    return make_baseline(name, seed).fit(split.train).decision_function(split.test)
