"""Every method that is tried, fitted once: diffusion scores over one noise bank, and baselines."""

import time
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from diffad.baselines import make_baseline
from diffad.configuration import ScoringConfig, denoiser_name, rule_name
from diffad.experiments import FinishedRun
from diffad.methods import ONE_STEP, PARTIAL_DIFFUSION
from diffad.scorers import Evaluator, LevelCalibration, PartialDiffusion, levels_from_fractions
from diffad.scorers.denoiser_profile import DenoiserProfile, NormalDistance
from diffad.thresholds import cross_fitted_scores

MAX_ABS, PROFILE = rule_name("max_abs"), denoiser_name("profile")
DIFFUSION_METHODS = (ONE_STEP, PARTIAL_DIFFUSION, MAX_ABS, PROFILE)


class Panel:
    """Scores images by every method, in the ordinary path that records use.

    Args:
        run: a finished run with its model.
        batch_size: network evaluations at a time.
        baselines: names of `diffad.baselines.BASELINES`.
        seed: of the baselines.
        progress: whether to show progress bars.
        noise_seed: of the noise bank; 0 is that of every recorded run.

    Attributes:
        scoring: how the run scored.
        view: what the denoiser says of the held-out normals (after `fit`).
        held_out: method -> scores (m,) of the held-out normals, each under a calibration that did not see it.
        nfe: method -> network evaluations an image.
        seconds: wall seconds of fitting.
    """

    def __init__(
        self,
        run: FinishedRun,
        batch_size: int,
        baselines: Sequence[str],
        seed: int = 0,
        progress: bool = False,
        noise_seed: int = 0,
    ):
        self.run, self.baseline_names, self.seed, self.progress = run, tuple(baselines), seed, progress
        self.batch_size = batch_size
        self.scoring = ScoringConfig.model_validate(run.record.experiment["scoring"])
        evaluator = Evaluator(run.model, batch_size, noise_seed, progress)
        steps, partial = run.model.num_steps, self.scoring.partial_diffusion
        levels = levels_from_fractions(self.scoring.levels, steps)
        self._profile = DenoiserProfile(evaluator, levels, self.scoring.num_draws, self.scoring.metric)
        self._partial = PartialDiffusion(
            evaluator, max(1, round(partial.start * steps)), partial.num_steps, self.scoring.metric
        )
        self._single = self.scoring.levels.index(self.scoring.single_level)
        self.nfe = dict.fromkeys((MAX_ABS, PROFILE), self._profile.evaluations_per_image)
        self.nfe |= {ONE_STEP: self.scoring.num_draws, PARTIAL_DIFFUSION: self._partial.evaluations_per_image}
        self.nfe |= dict.fromkeys(self.baseline_names, 0)
        self.seconds: dict[str, float] = {}

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._profile.evaluator.device

    def fit(self, held_out: np.ndarray, train: np.ndarray | None = None) -> Self:
        """Calibrate on held-out normals (m, ...) and fit the baselines, if there are any, on training images (n, ...)."""
        self.view = self._profile.measure(held_out)
        self._levels = LevelCalibration(self.view.level_errors)
        self._distance = NormalDistance(self.view.rows("profile"))
        self.held_out = {
            ONE_STEP: self.view.level_errors[:, self._single],
            PARTIAL_DIFFUSION: self._partial.scores(held_out),
            MAX_ABS: cross_fitted_scores(self.view.level_errors, "max_abs"),
            PROFILE: cross_fitted_scores(self.view.rows("profile"), "mahalanobis", calibrate=NormalDistance),
        }
        self._baselines = {}
        for name in self.baseline_names:
            started = time.perf_counter()
            self._baselines[name] = make_baseline(name, self.seed).fit(train)
            self.held_out[name] = self._baselines[name].decision_function(held_out)
            self.seconds[f"{name}/fit"] = round(time.perf_counter() - started, 3)
        return self

    def with_noise_bank(self, noise_seed: int, held_out: np.ndarray) -> "Panel":
        """The diffusion methods of this panel over another noise bank, calibrated anew; no baselines."""
        panel = Panel(self.run, self.batch_size, (), self.seed, self.progress, noise_seed)
        return panel.fit(held_out)

    def scores(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Method -> float64 (n,), higher = more anomalous, of uint8 images (n, ...) that are scored as one batch."""
        seen = self._profile.measure(images)
        errors = seen.level_errors
        by_method = {
            ONE_STEP: errors[:, self._single],
            PARTIAL_DIFFUSION: self._partial.scores(images),
            MAX_ABS: self._levels.combine(errors, "max_abs"),
            PROFILE: self._distance(seen.rows("profile")),
        }
        return by_method | {name: each.decision_function(images) for name, each in self._baselines.items()}
