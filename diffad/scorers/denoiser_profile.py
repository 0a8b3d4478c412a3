"""What a denoiser says of an image beyond how large its error is: the error of each channel at each noise level,
and what its bottleneck sees there, both from the same network evaluations.

A single error is blind twice. It adds up channels and levels, so that an image easier than normal ones (a plane in
a clear sky, to a model of cars) scores below them. And it forgets what the network computed on the way: trained to
denoise, the bottleneck describes the image (Baranchuk et al. 2022, "Label-efficient semantic segmentation with
diffusion models"; Xiang et al. 2023, "Denoising diffusion autoencoders are unified self-supervised learners").
Held-out normals say how both usually vary together; an image is anomalous if it does not vary so.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.covariance import LedoitWolf

from diffad.scorers.evaluator import Evaluator

MEASURES = {"l1": torch.abs, "l2": torch.square}
FOLDS = 5  # held-out normals are scored in as many parts, each under a calibration on the others


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

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """Both as rows, for `DistanceEnsemble`: "errors" as logarithms (n, levels * channels), "activations"
        (n, levels * width).
        """
        n = len(self.errors)
        return {
            "errors": np.log(self.errors).reshape(n, -1),
            "activations": self.activations.reshape(n, -1),
        }


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


class DistanceEnsemble:
    """How far rows lie from held-out normal ones, in several descriptions at once.

    In each description the distance is Mahalanobis's, with the covariance of Ledoit and Wolf (2004), which stays
    invertible with fewer rows than columns. Logarithms of the distances are standardised by those of held-out
    normals, each under a calibration without it, and averaged.

    Args:
        parts: name -> rows of held-out normals, (n, columns of that part), n >= 10. Constant columns are left out.

    Raises:
        ValueError: fewer rows, rows that are not finite, parts of different lengths, or a part without spread.
    """

    FEWEST = 2 * FOLDS

    def __init__(self, parts: Mapping[str, np.ndarray]):
        lengths = {len(rows) for rows in parts.values()}
        if len(lengths) != 1 or min(lengths) < self.FEWEST:
            raise ValueError(
                f"parts: got {sorted(lengths)} held-out normals, expected the same number of at least {self.FEWEST} in each"
            )
        self._distances = {name: _Distance(rows, name) for name, rows in parts.items()}
        self._usual = {name: self._held_out_logs(rows, name) for name, rows in parts.items()}

    def distances(self, parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Name -> standardised log distance, float64 (n,), 0 for a usual normal, higher = more anomalous.

        Raises:
            ValueError: other parts or columns than calibrated on, or rows that are not finite.
        """
        if parts.keys() != self._distances.keys():
            raise ValueError(f"parts: got {', '.join(parts)}, expected {', '.join(self._distances)}")
        return {
            name: (self._distances[name].log_distance(rows) - mean) / scale
            for (name, rows), (mean, scale) in zip(parts.items(), map(self._usual.get, parts), strict=True)
        }

    def combine(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """Mean of the standardised log distances, float64 (n,), higher = more anomalous."""
        return np.mean(list(self.distances(parts).values()), axis=0)

    @staticmethod
    def _held_out_logs(rows: np.ndarray, name: str) -> tuple[float, float]:
        fold = np.arange(len(rows)) % FOLDS
        logs = [
            _Distance(rows[fold != left_out], name).log_distance(rows[fold == left_out])
            for left_out in range(FOLDS)
        ]
        logs = np.concatenate(logs)
        return float(logs.mean()), float(logs.std(ddof=1))


class _Distance:
    """Mahalanobis distance from one set of rows."""

    def __init__(self, rows: np.ndarray, name: str):
        self.name, self.columns = name, np.shape(rows)[1]
        rows = self._checked(rows)
        self.varies = rows.std(axis=0) > 1e-12 * np.abs(rows).max(axis=0)
        if not self.varies.any():
            raise ValueError(f"parts: all held-out rows of {name!r} are equal, expected some spread")
        rows = rows[:, self.varies]
        self.mean, self.scale = rows.mean(axis=0), rows.std(axis=0)
        self.covariance = LedoitWolf().fit((rows - self.mean) / self.scale)

    def log_distance(self, rows: np.ndarray) -> np.ndarray:
        rows = self._checked(rows)[:, self.varies]
        squared = self.covariance.mahalanobis((rows - self.mean) / self.scale)
        return np.log(np.maximum(squared, np.finfo(np.float64).tiny)) / 2

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.columns:
            raise ValueError(f"parts: {self.name!r} has shape {rows.shape}, expected (n, {self.columns})")
        if not np.isfinite(rows).all():
            raise ValueError(f"parts: {self.name!r} holds NaN or infinite values, expected finite numbers")
        return rows


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
