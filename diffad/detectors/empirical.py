"""Vectors scored by the exact denoiser of the training rows: nothing is trained, and every row is left out once."""

from typing import Self

import numpy as np
from sklearn.preprocessing import StandardScaler

from diffad.detectors.blocks import in_blocks, learned_arrays, part, take_up_arrays
from diffad.detectors.preparation import FARTHEST
from diffad.empirical import EmpiricalDenoiser, EmpiricalDiffusion

DIFFUSION_ARRAYS = ("scale_", "training_errors_", "training_scores_", "n_features_in_")


class EmpiricalScoring:
    """`EmpiricalDiffusion` of embeddings (`unit_norm`), or of tables, whose features are first divided by their spread.

    Args:
        unit_norm: whether vectors are divided by their length.
        parameters: of `EmpiricalDiffusion`.
    """

    def __init__(self, unit_norm: bool, parameters: dict):
        self.scaler = None if unit_norm else StandardScaler()
        self.diffusion = EmpiricalDiffusion(unit_norm=unit_norm, **parameters)

    def fit(self, X: np.ndarray) -> Self:  # noqa: N803
        """Learn from vectors (n, features), n >= 3; ValueError where all rows are equal."""
        self.diffusion.fit(X if self.scaler is None else self.scaler.fit(X).transform(X))
        return self

    @property
    def training_scores(self) -> np.ndarray:
        """Scores of the training rows, each denoised from the others, float64 (n,)."""
        return self.diffusion.training_scores_

    def scores(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Scores of vectors (m, features), float64 (m,), higher = more anomalous."""
        return in_blocks(self._block_scores, X)

    def _block_scores(self, rows: np.ndarray) -> np.ndarray:
        if self.scaler is not None:
            rows = np.clip(self.scaler.transform(rows), -FARTHEST, FARTHEST)
        return self.diffusion.decision_function(rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """What was learned, by name."""
        diffusion = self.diffusion
        arrays = {name: np.array(getattr(diffusion, name)) for name in DIFFUSION_ARRAYS}
        arrays["rows"] = diffusion.denoiser_.rows
        steps = {"scaler": self.scaler} if self.scaler is not None else {}
        for name, step in (steps | diffusion.preparation_.named_steps).items():
            arrays |= {f"{name}.{key}": value for key, value in learned_arrays(step).items()}
        return arrays

    @classmethod
    def from_arrays(cls, unit_norm: bool, parameters: dict, arrays: dict[str, np.ndarray]) -> Self:
        """The fitted scoring that `arrays` came from."""
        scoring = cls(unit_norm, parameters)
        diffusion = scoring.diffusion
        take_up_arrays(diffusion, {name: arrays[name] for name in DIFFUSION_ARRAYS})
        diffusion.denoiser_ = EmpiricalDenoiser(arrays["rows"])
        diffusion.preparation_ = diffusion._preparation()
        steps = {} if unit_norm else {"scaler": scoring.scaler}
        for name, step in (steps | diffusion.preparation_.named_steps).items():
            take_up_arrays(step, part(arrays, f"{name}."))
        return scoring
