"""The detectors of the embeddings track by name, each behind fit(vectors) and decision_function(vectors).

All see the same rows. What differs is the space that each works in, which is fixed by what the vectors are and never by
a label:

- embeddings: baselines take raw features (the networks among them, and PCA, standardise by themselves); the library's
  diffusion detectors divide each row by its length and whiten;
- tables, whose columns have units: every column is first divided by its spread in training; the library's diffusion
  detectors whiten after that.

`ddpm_standardised` and `dte_neighbours` work on standardised features everywhere, as the published harness of
Livernoche et al. 2024 does with every method.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from sklearn.preprocessing import StandardScaler

from diffad.baselines import BASELINES, make_baseline
from diffad.detectors import DiffusionDetector
from diffad.detectors.preparation import FARTHEST
from diffad.model import ModelConfig
from diffad.scorers import Evaluator, make_scorer
from diffad.training import TrainingConfig, fit

Kind = Literal["embeddings", "tables"]
NETWORKS = ("autoencoder", "deep_svdd")
NETWORK_BATCH = 64  # rows a step, as diffad.baselines sets it

# The schedule of the published diffusion model of vectors (Livernoche et al. 2024).
PUBLISHED_SCHEDULE = {"beta_start": 1e-4, "beta_end": 0.01}


class VectorDetector(Protocol):
    """What a method of the track is."""

    def fit(self, vectors: np.ndarray) -> "VectorDetector":
        """Learn from float32 vectors (n, features), all normal."""
        ...

    def decision_function(self, vectors: np.ndarray) -> np.ndarray:
        """Scores of vectors (m, features), float (m,), higher = more anomalous."""
        ...


class StandardisedBaseline:
    """A baseline of `diffad.baselines` on features that are divided by their spread.

    Args:
        name, seed, parameters: as for `make_baseline`.
    """

    def __init__(self, name: str, seed: int, **parameters):
        self.scaler, self.baseline = StandardScaler(), make_baseline(name, seed, **parameters)

    def fit(self, vectors: np.ndarray) -> "StandardisedBaseline":
        """Learn from vectors (n, features)."""
        self.baseline.fit(self.scaler.fit_transform(vectors.astype(np.float64)))
        return self

    def decision_function(self, vectors: np.ndarray) -> np.ndarray:
        """Scores of vectors (m, features), float64 (m,)."""
        return self.baseline.decision_function(self.scaler.transform(vectors.astype(np.float64)))


class NetworkBaseline:
    """AutoEncoder or Deep SVDD of `diffad.baselines`, trained for as many updates on every data set.

    PyOD counts epochs and leaves out the last batch where it is not full. So a set of fewer rows than a batch is
    repeated whole until it fills one, which changes neither mean nor spread, and the epochs follow from the updates.
    Both networks standardise vectors by themselves.

    Args:
        name, seed, parameters: as for `make_baseline`.
        num_updates: optimiser steps, at least; a last epoch is finished.
    """

    def __init__(self, name: str, seed: int, num_updates: int = 500, **parameters):
        if num_updates < 1:
            raise ValueError(f"num_updates: got {num_updates}, expected at least 1")
        make_baseline(name, seed, **parameters)  # refuses what it does not take
        self.name, self.seed, self.num_updates, self.parameters = name, seed, num_updates, parameters

    def fit(self, vectors: np.ndarray) -> "NetworkBaseline":
        """Train on vectors (n, features)."""
        rows = np.tile(vectors, (-(-NETWORK_BATCH // len(vectors)), 1))
        epochs = -(-self.num_updates // (len(rows) // NETWORK_BATCH))
        self.baseline_ = make_baseline(self.name, self.seed, epochs=epochs, **self.parameters).fit(rows)
        return self

    def decision_function(self, vectors: np.ndarray) -> np.ndarray:
        """Scores of vectors (m, features), float64 (m,)."""
        return self.baseline_.decision_function(vectors)


class _OnStandardised:
    """Standardised float32 vectors for what follows, clipped where float32 could not hold their squares."""

    def _learn_scale(self, vectors: np.ndarray) -> np.ndarray:
        self.scaler_ = StandardScaler().fit(vectors.astype(np.float64))
        return self._scaled(vectors)

    def _scaled(self, vectors: np.ndarray) -> np.ndarray:
        rows = self.scaler_.transform(vectors.astype(np.float64))
        return np.clip(rows, -FARTHEST, FARTHEST).astype(np.float32)

    def _model(self, features: int, width: int, seed: int):
        return ModelConfig(
            network="mlp",
            network_parameters={"features": features, "width": width},
            schedule="linear",
            schedule_parameters=PUBLISHED_SCHEDULE,
        ).build(seed)


class StandardisedDDPM(_OnStandardised):
    """The diffusion model of vectors as it was published, less its leak and with its noise: standardised, not whitened.

    A residual perceptron predicts the noise, T = 1000, linear schedule; a row is noised a quarter of the way and walked
    back by DDIM; the squared difference is the score.

    Args:
        seed: of weights, batches and noise.
        num_updates, batch_size, learning_rate: of the training.
        width: hidden units.
        start, num_steps: of the walk, as in `diffad.scorers.registry.partial`.

    Source: Livernoche et al. 2024, who walk in 250 random steps where this takes `num_steps` without chance.
    """

    def __init__(
        self,
        seed: int,
        num_updates: int = 500,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        width: int = 128,
        start: float = 0.25,
        num_steps: int = 10,
    ):
        self.seed, self.width, self.start, self.num_steps = seed, width, start, num_steps
        self.training = TrainingConfig(
            num_updates=num_updates,
            batch_size=batch_size,
            learning_rate=learning_rate,
            validate_every=num_updates,
            seed=seed,
        )

    def fit(self, vectors: np.ndarray) -> "StandardisedDDPM":
        """Train on vectors (n, features)."""
        rows = self._learn_scale(vectors)
        model = self._model(rows.shape[1], self.width, self.seed)
        self.history_ = fit(model, rows, self.training.for_data(len(rows)), progress=False)
        evaluator = Evaluator(model, seed=self.seed)
        self.scorer_ = make_scorer("partial", evaluator, start=self.start, num_steps=self.num_steps)
        return self

    def decision_function(self, vectors: np.ndarray) -> np.ndarray:
        """Reconstruction errors of vectors (m, features), float64 (m,)."""
        return self.scorer_.scores(self._scaled(vectors))


class NeighboursTime(_OnStandardised):
    """Diffusion time from the nearest training rows, on standardised features (Livernoche et al. 2024, DTE-NP).

    Args:
        seed: not used; nothing is random.
        num_neighbours: at least 1.
    """

    def __init__(self, seed: int, num_neighbours: int = 5):
        self.num_neighbours = num_neighbours

    def fit(self, vectors: np.ndarray) -> "NeighboursTime":
        """Keep vectors (n, features)."""
        rows = self._learn_scale(vectors)
        evaluator = Evaluator(self._model(rows.shape[1], 1, 0))  # of the model, only the shape is asked
        self.scorer_ = make_scorer("time_nonparametric", evaluator, num_neighbours=self.num_neighbours).fit(
            rows
        )
        return self

    def decision_function(self, vectors: np.ndarray) -> np.ndarray:
        """Noise variances of vectors (m, features), float64 (m,)."""
        return self.scorer_.scores(self._scaled(vectors))


@dataclass(frozen=True)
class Method:
    """A method of the track.

    Attributes:
        title: for readers.
        family: "classical", "network" (learned, no diffusion) or "diffusion".
        build: (kind, seed, **settings) -> an unfitted detector.
        settings: names that `build` takes beside these.
    """

    title: str
    family: str
    build: Callable[..., VectorDetector]
    settings: tuple[str, ...]


def _classical(name: str) -> Method:
    def build(kind: Kind, seed: int, **settings):
        make = make_baseline if kind == "embeddings" else StandardisedBaseline
        return make(name, seed, **settings)

    recipe = BASELINES[name]
    taken = [*list(inspect.signature(recipe.build).parameters)[1:], "max_training_rows"]
    return Method(recipe.title, "classical", build, tuple(taken))


def _network(name: str) -> Method:
    def build(kind: Kind, seed: int, **settings):
        return NetworkBaseline(name, seed, **settings)

    return Method(BASELINES[name].title, "network", build, ("num_updates", "hidden", "learning_rate"))


def _preset(title: str, preset: str, **fixed) -> Method:
    def build(kind: Kind, seed: int, **settings):
        given = fixed | settings
        return DiffusionDetector(preset=preset, unit_norm=kind == "embeddings", random_state=seed, **given)

    taken = set(inspect.signature(DiffusionDetector).parameters) - {"preset", "unit_norm", "random_state"}
    return Method(title, "diffusion", build, tuple(sorted(taken)))


def _own(title: str, make: Callable[..., VectorDetector]) -> Method:
    taken = [each for each in inspect.signature(make).parameters if each != "seed"]
    return Method(title, "diffusion", lambda kind, seed, **settings: make(seed, **settings), tuple(taken))


METHODS: dict[str, Method] = {
    **{name: _network(name) if name in NETWORKS else _classical(name) for name in BASELINES},
    "ddpm": _preset("DDPM, whitened", "ddpm"),
    "ddpm_standardised": _own("DDPM, standardised", StandardisedDDPM),
    "dte_neighbours": _own("DTE, neighbours", NeighboursTime),
    "dte_classifier": _preset("DTE, classifier", "dte"),
    "empirical_diffusion": _preset("exact denoiser", "best"),
}


def make_method(name: str, kind: Kind, seed: int, **settings) -> VectorDetector:
    """The detector called `name`, unfitted, for vectors of that kind.

    Args:
        name: of `METHODS`.
        kind: "embeddings" or "tables"; see the module.
        seed: non-negative.
        settings: what the method takes; see its `Method.settings`.

    Raises:
        ValueError: no method has that name, or it does not take a setting or its value.
    """
    if name not in METHODS:
        raise ValueError(f"methods: got {name!r}, expected some of {', '.join(METHODS)}")
    method = METHODS[name]
    if unknown := sorted(set(settings) - set(method.settings)):
        taken = ", ".join(method.settings) or "nothing"
        raise ValueError(f"methods.{name}: got {unknown[0]!r}, which it does not take; it takes {taken}")
    return method.build(kind, seed, **settings)
