"""What a denoiser says of an image beyond how large its error is: the error of each channel at each noise level,
and what its bottleneck sees there, both from the same network evaluations.

A single error is blind twice. It adds up channels and levels, so that an image easier than normal ones (a plane in
a clear sky, to a model of cars) scores below them. And it forgets what the network computed on the way: trained to
denoise, the bottleneck describes the image (Baranchuk et al. 2022, "Label-efficient semantic segmentation with
diffusion models"; Xiang et al. 2023, "Denoising diffusion autoencoders are unified self-supervised learners").
Held-out normals say how both usually vary together; an image is anomalous if it does not vary so.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from sklearn.covariance import LedoitWolf

from diffad.scorers.base import Scorer, check_fitted
from diffad.scorers.evaluator import Evaluator

DESCRIPTIONS = ("errors", "activations", "profile")
MEASURES = {"l1": torch.abs, "l2": torch.square}


@dataclass(frozen=True)
class DenoiserView:
    """What `DenoiserProfile.measure` saw of n images at each noise level.

    errors: float64 (n, levels, channels), positive; mean error of x0_hat over a channel's pixels. For vectors
    there is one channel.
    activations: float64 (n, levels, width), mean over positions of the bottleneck's output.
    """

    errors: np.ndarray
    activations: np.ndarray

    @property
    def level_errors(self) -> np.ndarray:
        """(n, levels): the mean over channels, which is the paper's reconstruction error at each level."""
        return self.errors.mean(axis=2)

    def rows(self, of: str = "profile") -> np.ndarray:
        """One row an image for `NormalDistance`: "errors" as logarithms, (n, levels * channels), "activations",
        (n, levels * width), or "profile", both side by side.

        Raises:
            ValueError: none of the three.
        """
        if of not in DESCRIPTIONS:
            raise ValueError(f"of: got {of!r}, expected one of {', '.join(DESCRIPTIONS)}")
        n = len(self.errors)
        errors, activations = np.log(self.errors).reshape(n, -1), self.activations.reshape(n, -1)
        if of == "profile":
            return np.concatenate([errors, activations], axis=1)
        return errors if of == "errors" else activations


class DenoiserProfile:
    """Errors by channel and bottleneck activations at several noise levels, one evaluation a level and draw.

    Args:
        evaluator: of a trained model whose network names its `bottleneck` module.
        levels: times in 1..T.
        num_draws: noises a level, 1 or an even number (antithetic pairs).
        metric: "l2" (squared) or "l1" (absolute) error.

    Raises:
        ValueError: an unknown metric, or a network without a `bottleneck`.
    """

    def __init__(self, evaluator: Evaluator, levels: Sequence[int], num_draws: int = 1, metric: str = "l2"):
        if metric not in MEASURES:
            raise ValueError(f"metric: got {metric!r}, expected one of {', '.join(sorted(MEASURES))}")
        if not hasattr(evaluator.model.network, "bottleneck"):
            raise ValueError(
                f"evaluator: its network {type(evaluator.model.network).__name__} names no bottleneck, "
                "expected one that does, such as the U-Net"
            )
        self.evaluator, self.levels, self.num_draws, self.metric = evaluator, list(levels), num_draws, metric

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return len(self.levels) * self.num_draws

    def measure(self, data: np.ndarray) -> DenoiserView:
        """Look at data at rest (n, ...), uint8 images or what the model takes instead."""
        with _capturing(self.evaluator.model.network.bottleneck) as captured:

            def errors_and_activations(x_0: torch.Tensor, x_hat: torch.Tensor) -> torch.Tensor:
                error = MEASURES[self.metric](x_hat - x_0)
                error = error.flatten(2).mean(dim=2) if error.ndim > 2 else error.mean(dim=1, keepdim=True)
                return torch.cat([error, _mean_over_positions(captured[0]).to(error.dtype)], dim=1)

            seen = self.evaluator.one_step(data, self.levels, self.num_draws, errors_and_activations)
        channels = 1 if data.ndim == 2 else data.shape[3]
        return DenoiserView(seen[..., :channels], seen[..., channels:])


class NormalDistance:
    """Mahalanobis distance of rows from held-out normal ones, with the covariance of Ledoit and Wolf (2004), which
    stays invertible with fewer rows than columns.

    Args:
        rows: of held-out normals, (n, columns), n >= 2. Each column is standardised; constant ones are left out.

    Raises:
        ValueError: fewer rows, rows that are not finite, or without any spread.
    """

    def __init__(self, rows: np.ndarray):
        rows = np.asarray(rows, dtype=np.float64)
        self.num_columns = rows.shape[1] if rows.ndim == 2 else None
        rows = self._checked(rows)
        if len(rows) < 2:
            raise ValueError(f"rows: got {len(rows)} held-out normal, expected at least 2 to calibrate on")
        self.varies = rows.std(axis=0) > 1e-12 * np.abs(rows).max(axis=0)
        if not self.varies.any():
            raise ValueError("rows: all held-out normals are equal, expected some spread")
        rows = rows[:, self.varies]
        self.mean, self.scale = rows.mean(axis=0), rows.std(axis=0)
        self.covariance = LedoitWolf().fit((rows - self.mean) / self.scale)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(n, columns) -> float64 (n,), higher = more anomalous.

        Raises:
            ValueError: another number of columns than calibrated on, or rows that are not finite.
        """
        rows = self._checked(np.asarray(rows, dtype=np.float64))[:, self.varies]
        return np.sqrt(self.covariance.mahalanobis((rows - self.mean) / self.scale))

    def combine(self, rows: np.ndarray, rule: str) -> np.ndarray:
        """As `ProfileCalibration.combine`, for the one rule "mahalanobis"; ValueError for another."""
        if rule != "mahalanobis":
            raise ValueError(f"rule: got {rule!r}, expected 'mahalanobis'")
        return self(rows)

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        if rows.ndim != 2 or rows.shape[1] != self.num_columns:
            raise ValueError(f"rows: got shape {rows.shape}, expected (n, {self.num_columns or 'columns'})")
        if not np.isfinite(rows).all():
            raise ValueError("rows: some values are NaN or infinite, expected finite numbers")
        return rows


class DenoiserDistance(Scorer):
    """How far what the denoiser says of an item lies from what it says of normal ones.

    Args:
        profile: how it is asked.
        of: "errors", "activations" or "profile", both.

    Raises:
        ValueError: none of the three.
    """

    def __init__(self, profile: DenoiserProfile, of: str = "profile"):
        if of not in DESCRIPTIONS:
            raise ValueError(f"of: got {of!r}, expected one of {', '.join(DESCRIPTIONS)}")
        self.view, self.of, self.evaluator = profile, of, profile.evaluator

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return self.view.evaluations_per_image

    def profile(self, images: np.ndarray) -> np.ndarray:
        """What is compared with normals: rows of data at rest (n, ...), float64 (n, columns)."""
        return self.view.measure(images).rows(self.of)

    def fit(self, normals: np.ndarray) -> Self:
        """Learn from held-out normals (n, ...) what is usual; n >= 2."""
        self.distance_ = NormalDistance(self.profile(normals))
        return self

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Anomaly scores of data at rest (n, ...): float64 (n,), higher = more anomalous."""
        check_fitted(self, "distance_")
        return self.distance_(self.profile(images))


@contextlib.contextmanager
def _capturing(module: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """A list whose one entry is the module's last output."""
    captured: list[torch.Tensor] = []

    def keep(_, __, output):
        captured[:] = [output]

    handle = module.register_forward_hook(keep)
    try:
        yield captured
    finally:
        handle.remove()


def _mean_over_positions(activation: torch.Tensor) -> torch.Tensor:
    """(batch, width, h, w), (batch, tokens, width) or (batch, width) -> (batch, width)."""
    if activation.ndim == 4:
        return activation.mean(dim=(2, 3))
    return activation.mean(dim=1) if activation.ndim == 3 else activation
