"""A diffusion model as PyOD's and scikit-learn's users know a detector.

`fit(X)`, `decision_function(X)`, `predict(X)`, `decision_scores_`, `threshold_` and `labels_` mean what they mean in
PyOD (Zhao et al. 2019), higher = more anomalous. A share of the rows is held out of the training all the same: their
scores are those of normals that the network has never seen, and give p-values and a threshold with a stated
false-positive rate.
"""

from pathlib import Path
from typing import Self

import numpy as np
import torch
from pydantic import ValidationError
from pyod.models.base import BaseDetector
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from diffad.datasets.imageset import content_hashes
from diffad.detectors.empirical import EmpiricalScoring
from diffad.detectors.held_out import split_held_out
from diffad.detectors.maps import relative_maps
from diffad.detectors.preparation import Preparation, checked, kind_of
from diffad.detectors.presets import CALIBRATIONS, find_preset, network_defaults
from diffad.detectors.pyod_files import packed_model, read_fitted, unpacked_model, write_fitted
from diffad.detectors.scoring import learn_scorer, taken_up
from diffad.detectors.seeding import GLOBAL_GENERATOR
from diffad.model import ModelConfig
from diffad.scorers import Evaluator, Scorer
from diffad.thresholds import (
    FEWEST_HELD_OUT,
    conformal_p_values,
    conformal_threshold,
    cross_fitted_scores,
    num_held_out,
)
from diffad.training import TrainingConfig, fit

MOST_HELD_OUT = 1000
FEWEST_ROWS = 2 * FEWEST_HELD_OUT
DEFAULT_UPDATES = {"images": 2000, "vectors": 1000}


class DiffusionDetector(BaseDetector):
    """Outlier detection by a diffusion model of the training data, for images and for vectors.

    Images are uint8, (n, height, width, 1 or 3) or (n, height, width), square; vectors are (n, features). Training
    data should be normal; a small share of anomalies is tolerated.

    Two thresholds are on offer. PyOD's: `threshold_` is the (1 - contamination) quantile of `decision_scores_`, the
    scores of all rows given to `fit`, as `decision_function` gives them. The network has been trained on most of
    these rows, so new normals score a little higher and are flagged a little more often than `contamination` says.
    With `false_positive_rate` the threshold comes from held-out rows alone, and normals are flagged at that rate.

    The presets "fast" and "best" train no network for vectors: the training rows are their own denoiser
    (`diffad.empirical`). Each row is then scored by the others, which gives its place in `decision_scores_`, and all
    rows count as held out. `decision_function` knows nothing of that, and finds a training row close to itself.

    Args:
        contamination: share of the training rows that `labels_` flags, in (0, 0.5].
        preset: "ddpm", "dit", "dte", "fast", "profile" or "best"; see `diffad.detectors.presets`. What follows on training
            means nothing to "fast" and "best" on vectors.
        false_positive_rate: share of new normals that `predict` may flag, in (0, 0.5]; None keeps PyOD's threshold.
        held_out_fraction: share of the rows that is not trained on, in (0, 1); at least 3 rows are held out, at most
            1000, and as many as `false_positive_rate` needs.
        num_updates: optimiser steps; None is 2000 for images, 1000 for vectors, 10,000 of the small classifier of
            preset "dte".
        batch_size: rows a step.
        learning_rate: of Adam; None is 1e-3, and 1e-4 for preset "dte".
        network_parameters: fields of the denoiser's configuration that differ from the defaults, such as
            {"size": "medium"}; None for none.
        unit_norm: whether vectors are divided by their length before they are whitened, in place of each feature by
            its spread: True for embeddings, False for tables.
        scoring_batch_size: network evaluations at a time.
        verbose: whether to show progress bars on stderr.
        random_state: int, or as scikit-learn's `check_random_state`; the same int gives the same detector.

    Attributes:
        decision_scores_, threshold_, labels_: as in PyOD; (n,), a float, and (n,) of 0 and 1.
        held_out_: sorted indices of the rows that were held out; all where each was scored by the others.
        held_out_scores_: their scores, each under a calibration without it, (n_held_out,).
        model_: the trained `DiffusionModel`; history_: its `TrainingHistory`; None where it was
            loaded, or not trained (preset "dte").
        input_kind_: "images" or "vectors"; input_shape_: of one item, (height, width, channels) or (features,).
        n_features_in_: features of a vector, or pixels times channels of an image.

    Pickles and joblib's dumps of a fitted detector hold plain arrays, wherever it was trained. Loading any pickle
    executes what is in it: to pass a detector on, use `save` and `load`, which write and read safetensors and JSON.
    """

    def __init__(
        self,
        contamination=0.1,
        preset="ddpm",
        false_positive_rate=None,
        held_out_fraction=0.2,
        num_updates=None,
        batch_size=64,
        learning_rate=None,
        network_parameters=None,
        unit_norm=False,
        scoring_batch_size=250,
        verbose=False,
        random_state=0,
    ):
        super().__init__(contamination=contamination)
        self.preset = preset
        self.false_positive_rate = false_positive_rate
        self.held_out_fraction = held_out_fraction
        self.num_updates = num_updates
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.network_parameters = network_parameters
        self.unit_norm = unit_norm
        self.scoring_batch_size = scoring_batch_size
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y=None) -> Self:  # noqa: N803
        """Train on the rows of X less those held out, calibrate on these, and score all.

        Args:
            X: uint8 images or vectors; at least 6, or more where `false_positive_rate` needs more.
            y: ignored; scikit-learn's pipelines pass it.

        Raises:
            TypeError, ValueError: data of another kind, NaN, too few rows, rows that are all equal, or a parameter
                that is out of its range.
            FloatingPointError: the training diverged.
        """
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)  # what an earlier fit learned must not outlive one that fails
        kind = kind_of(X)
        self.preset_ = find_preset(self.preset, kind)
        self._check_rates()
        X = checked(self, X, kind, reset=True, fewest=FEWEST_ROWS)
        self._set_n_classes(None)
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.input_kind_, self.input_shape_ = kind, X.shape[1:]
        if self.preset_.network is None:
            self._fit_rows(X)
        else:
            self._fit_network(X)
        return self

    def decision_function(self, X) -> np.ndarray:  # noqa: N803
        """Anomaly scores of images or vectors like those fitted: float64 (n,), higher = more anomalous.

        Raises:
            NotFittedError: called before `fit`.
            TypeError, ValueError: data of another kind, size or number of features than fitted, or NaN.
        """
        check_is_fitted(self, "decision_scores_")
        X = self._checked(X)
        if self.preset_.network is None:
            return self.empirical_.scores(X)
        return self._combine(self._profile(self.preparation_.transform(X)))

    def predict_proba(self, X, method="linear", return_confidence=False):  # noqa: N803
        """As PyOD's, float64 (n, 2): the shares of normal and anomalous; X may also be a list of rows."""
        X = X if hasattr(X, "shape") else np.asarray(X)
        return super().predict_proba(X, method, return_confidence)

    def p_values(self, X) -> np.ndarray:  # noqa: N803
        """Conformal p-values: how often a normal item scores so high, float64 (n,) in [1 / (held out + 1), 1].

        Flagging what has p <= alpha flags a share alpha of new normals (Bates et al. 2023): on average exactly so where
        rows were held out of the training, nearly so where each was scored by the others (a jackknife). Raises as
        `decision_function`.
        """
        scores = self.decision_function(X)
        return conformal_p_values(self.held_out_scores_, scores)

    def maps(self, X) -> np.ndarray:  # noqa: N803
        """Where images are unlike normal ones: float32 (n, height, width), higher = more anomalous.

        Raises:
            ValueError: the detector was fitted on vectors, or its preset's score has no map. Else as
                `decision_function`.
        """
        check_is_fitted(self, "decision_scores_")
        images = self._checked(X)
        scorer = self._scorer() if self.input_kind_ == "images" else None
        if not hasattr(scorer, "maps"):
            raise ValueError(
                f"preset: {self.preset!r} fitted on {self.input_kind_} has no maps, expected images and a preset "
                "that compares pixels"
            )
        if self.preset_.rule is not None:
            return relative_maps(scorer, self.calibration_, images)
        return scorer.maps(images).astype(np.float32)

    @property
    def evaluations_per_item_(self) -> int:
        """Network evaluations a row (NFE)."""
        check_is_fitted(self, "decision_scores_")
        return 1 if self.preset_.network is None else self._scorer().evaluations_per_image

    def save(self, folder: Path | str) -> Path:
        """Write the fitted detector to `folder`, whole or not at all: safetensors and JSON, nothing to execute.

        Args:
            folder: replaced if it is there.

        Raises:
            NotFittedError: called before `fit`.
            ValueError: a parameter that JSON cannot hold, such as a PyThresh object; or the folder cannot be written.
        """
        check_is_fitted(self, "decision_scores_")
        return write_fitted(self, Path(folder))

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read what `save` wrote; nothing is unpickled.

        Raises:
            CheckpointError: a file is missing, altered, or of another program.
        """
        stored = read_fitted(Path(folder))
        detector = cls(**stored.parameters)
        vars(detector).update(stored.learned)
        detector._set_n_classes(None)
        detector._calibrate(detector.held_out_profile_)
        detector._learn_scores(detector.decision_scores_)
        return detector

    def __getstate__(self) -> dict:
        """The detector with its network as plain arrays: nothing that needs the machine or device it came from."""
        state = super().__getstate__()
        if "model_" in state:
            state = state | {"model_": packed_model(state["model_"])}
        return state

    def __setstate__(self, state: dict) -> None:
        """Take up what `__getstate__` gave; the network is built again on the CPU."""
        if "model_" in state:
            state = state | {"model_": unpacked_model(state["model_"])}
        super().__setstate__(state)

    def _check_rates(self) -> None:
        rate, fraction = self.false_positive_rate, self.held_out_fraction
        if rate is not None and not 0 < rate <= 0.5:
            raise ValueError(f"false_positive_rate: got {rate!r}, expected None or a number in (0, 0.5]")
        if rate is not None and not isinstance(self.contamination, (int, float)):
            raise ValueError(
                f"false_positive_rate: got {rate!r} beside a thresholder as contamination, expected None"
            )
        if not 0 < fraction < 1:
            raise ValueError(f"held_out_fraction: got {fraction!r}, expected a number in (0, 1)")

    def _fit_rows(self, X: np.ndarray) -> None:  # noqa: N803
        """Keep the rows themselves; each is scored by the others, and so all of them are held out, one at a time."""
        self.empirical_ = EmpiricalScoring(self.unit_norm, self.preset_.parameters).fit(X)
        self._calibrate(self.empirical_.training_scores[:, None])
        self.held_out_ = np.arange(len(X))
        self._learn_scores(self.empirical_.training_scores)

    def _fit_network(self, X: np.ndarray) -> None:  # noqa: N803
        """Train on the rows less those held out, calibrate on these, and score all."""
        training, self.held_out_ = self._split(X)
        self.preparation_ = Preparation(self.input_kind_, self.unit_norm).fit(X[training])
        prepared = self.preparation_.transform(X)
        self._train(prepared[training], prepared[self.held_out_])
        profile = self._profile(prepared)
        self._calibrate(profile[self.held_out_])
        self._learn_scores(self._combine(profile))

    def _split(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # noqa: N803
        rate = self.false_positive_rate or 1 / (FEWEST_HELD_OUT + 1)
        count = num_held_out(len(X), rate, self.held_out_fraction, MOST_HELD_OUT, "X", "row")
        return split_held_out(content_hashes(X), count, self.seed_, "X")

    def _train(self, training: np.ndarray, held_out: np.ndarray) -> None:
        """Train the denoiser, or in its place the scorer that learns by itself."""
        network = self.preset_.network
        parameters = network_defaults(network, training.shape[1:]) | (self.network_parameters or {})
        with GLOBAL_GENERATOR:
            model = ModelConfig(network=network, network_parameters=parameters).build(self.seed_)
        self.model_, self.history_, self.scorer_arrays_ = model, None, {}
        given = {"num_updates": self.num_updates, "learning_rate": self.learning_rate}
        given = {name: value for name, value in given.items() if value is not None}
        if self.preset_.trains_scorer:
            size = {"batch_size": self.batch_size}
            with GLOBAL_GENERATOR:
                self.scorer_arrays_ = learn_scorer(self.preset_, self._evaluator(), training, **size, **given)
            return
        configuration = self._training_configuration(
            {"num_updates": DEFAULT_UPDATES[self.input_kind_]} | given
        )
        self.history_ = fit(
            model, training, configuration.for_data(len(training)), held_out, progress=bool(self.verbose)
        )

    def _training_configuration(self, given: dict) -> TrainingConfig:
        try:
            return TrainingConfig(
                batch_size=self.batch_size, validate_every=given["num_updates"], seed=self.seed_, **given
            )
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{where}: got {first['input']!r}, {first['msg']}") from error

    def _calibrate(self, profile: np.ndarray) -> None:
        """Learn what normals score from the held-out rows' part of the profile (n_held_out, k)."""
        self.held_out_profile_ = profile
        if self.preset_.rule is None:
            self.calibration_, self.held_out_scores_ = None, profile[:, 0]
        else:
            calibrate = CALIBRATIONS[self.preset_.calibration]
            self.calibration_ = calibrate(profile)
            self.held_out_scores_ = cross_fitted_scores(profile, self.preset_.rule, calibrate=calibrate)

    def _learn_scores(self, scores: np.ndarray) -> None:
        """Set what PyOD derives from the scores of all rows, (n,)."""
        self.decision_scores_ = scores
        self._process_decision_scores()
        if self.false_positive_rate is not None:
            self.threshold_ = conformal_threshold(self.held_out_scores_, self.false_positive_rate)
            self.labels_ = (scores > self.threshold_).astype(int)

    def _checked(self, X) -> np.ndarray:  # noqa: N803
        return checked(self, X, self.input_kind_, reset=False)

    def _profile(self, prepared: np.ndarray) -> np.ndarray:
        """The preset's numbers an item before they are calibrated, float64 (n, k)."""
        scorer = self._scorer()
        return scorer.scores(prepared)[:, None] if self.preset_.rule is None else scorer.profile(prepared)

    def _combine(self, profile: np.ndarray) -> np.ndarray:
        if self.calibration_ is None:
            return profile[:, 0]
        return self.calibration_.combine(profile, self.preset_.rule)

    def _scorer(self) -> Scorer:
        return taken_up(self.preset_, self._evaluator(), self.scorer_arrays_)

    def _evaluator(self) -> Evaluator:
        model = self.model_.to("cuda" if torch.cuda.is_available() else "cpu")
        return Evaluator(model, self.scoring_batch_size, self.seed_, bool(self.verbose))
