"""The detectors that diffusion is compared with, each behind fit(train) and decision_function(test).

Isolation Forest, One-Class SVM and COPOD are the paper's; KNN, LOF, ECOD and PCA are PyOD's too, and so are the
two networks, AutoEncoder and Deep SVDD. Mahalanobis uses scikit-learn's Ledoit-Wolf shrinkage. All of them see
the same thing: an image as the vector of its pixels divided by 255, a vector as it is. Nothing is standardised
unless the detector itself does so, as PCA does, and the networks do with vectors: dividing features by their
spread costs some of these detectors more than the choice among them gains.

Constant columns (the border pixels of digits) are kept. A test image with ink where no training image had any
is anomalous, and COPOD and ECOD count it so; where a column is constant in the test set too it adds nothing
to any score. Older PyOD gave NaN for such columns; a score that is not finite is refused here, never
replaced.

COPOD and ECOD rank a row together with its whole batch: PyOD's `decision_function` appends the batch to the
training rows and takes each row's ranks, and each column's skewness, in the union. The same image therefore
scores differently in another batch. Score a whole test set in one call, and compare only scores from one
call.
"""

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.copod import COPOD
from pyod.models.deep_svdd import DeepSVDD
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from pyod.models.ocsvm import OCSVM
from pyod.models.pca import PCA
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.exceptions import NotFittedError

from diffad.images import check_images
from diffad.neural_baselines import NetworkDetector

COLUMNS_AT_ONCE = 64  # COPOD and ECOD hold about ten float64 copies of (training + test rows, columns)


class LedoitWolfMahalanobis:
    """Squared Mahalanobis distance to the training mean, with Ledoit & Wolf's (2004) shrunk covariance.

    The shrunk covariance (1 - s) S + s m I, with m the mean variance, has the eigenvectors of S and the eigenvalue s m
    wherever the training rows do not reach. So it is never built: n rows of p features cost n p min(n, p).
    """

    def fit(self, vectors: np.ndarray) -> "LedoitWolfMahalanobis":
        """Estimate mean and covariance of vectors (n, features)."""
        self.mean_ = vectors.mean(axis=0)
        centred = vectors - self.mean_
        self.shrinkage_ = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
        mean_variance = np.square(centred).sum() / centred.size
        if not mean_variance:
            raise ValueError("train: got rows that are all the same, expected some that differ")
        _, singular, self.axes_ = scipy.linalg.svd(centred, full_matrices=False, overwrite_a=True)
        self.floor_ = self.shrinkage_ * mean_variance
        self.variances_ = (1 - self.shrinkage_) * np.square(singular) / len(vectors) + self.floor_
        # Where nothing is shrunk, directions in which no training row varies would be divided by nothing.
        tiny = np.finfo(np.float64).eps * max(self.variances_.max(), mean_variance) * len(self.mean_)
        self.floor_, self.variances_ = max(self.floor_, tiny), np.maximum(self.variances_, tiny)
        return self

    def decision_function(self, vectors: np.ndarray) -> np.ndarray:
        """vectors (n, features) -> (n,) squared distances, at least 0."""
        centred = vectors - self.mean_
        along = centred @ self.axes_.T  # (n, axes)
        beside = np.maximum(np.square(centred).sum(axis=1) - np.square(along).sum(axis=1), 0)
        return (np.square(along) / self.variances_).sum(axis=1) + beside / self.floor_


@contextlib.contextmanager
def _constant_columns_allowed() -> Iterator[None]:
    """PyOD takes a constant column's skewness, NaN, as 0; scipy's warning on it tells a reader nothing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss occurred in moment calculation", RuntimeWarning)
        yield


class ColumnBlocks:
    """COPOD or ECOD fitted on blocks of columns, which bounds memory and changes nothing.

    Both score a row by a sum of tail surprises over the columns (Li et al., "COPOD", 2020; Li et al., "ECOD",
    2022), so the scores of the blocks add up to those of one detector on all columns.
    """

    def __init__(self, build: Callable[[], COPOD | ECOD]):
        self.build = build

    def fit(self, vectors: np.ndarray) -> "ColumnBlocks":
        """Fit one detector a block on vectors (n, features)."""
        self.detectors_ = []
        with _constant_columns_allowed():
            for start in range(0, vectors.shape[1], COLUMNS_AT_ONCE):
                self.detectors_.append(self.build().fit(vectors[:, start : start + COLUMNS_AT_ONCE]))
                _drop_plot_data(self.detectors_[-1])
        return self

    def decision_function(self, vectors: np.ndarray) -> np.ndarray:
        """vectors (n, features) -> (n,) summed tail surprises in nats, among training rows and batch."""
        scores = np.zeros(len(vectors))
        with _constant_columns_allowed():
            for block, detector in enumerate(self.detectors_):
                start = block * COLUMNS_AT_ONCE
                scores += detector.decision_function(vectors[:, start : start + COLUMNS_AT_ONCE])
                _drop_plot_data(detector)
        return scores


def _drop_plot_data(detector: COPOD | ECOD) -> None:
    """Free the four (rows, columns) arrays that PyOD keeps for its outlier plots."""
    del detector.U_l, detector.U_r, detector.U_skew, detector.O


@dataclass(frozen=True)
class Recipe:
    """How a baseline is built and what it is given.

    build(seed, **parameters) returns a detector whose fit and decision_function take float64 (n, features);
    higher is more anomalous. Where `needs_kind`, it is also told `images`, whether the vectors are pixels. More
    training rows than max_training_rows (None: no limit) are cut to a seeded random sample.
    """

    title: str
    build: Callable
    max_training_rows: int | None
    reason: str
    needs_kind: bool = False


def _iforest(seed: int, n_estimators: int = 100, max_samples: int | str = "auto") -> IForest:
    return IForest(n_estimators=n_estimators, max_samples=max_samples, random_state=seed)


def _ocsvm(seed: int, kernel: str = "rbf", gamma: float | str = "scale", nu: float = 0.5) -> OCSVM:
    return OCSVM(kernel=kernel, gamma=gamma, nu=nu)


def _copod(seed: int) -> ColumnBlocks:
    return ColumnBlocks(COPOD)


def _ecod(seed: int) -> ColumnBlocks:
    return ColumnBlocks(ECOD)


def _knn(seed: int, n_neighbors: int = 5, method: str = "largest", metric: str = "minkowski") -> KNN:
    return KNN(n_neighbors=n_neighbors, method=method, metric=metric)


def _lof(seed: int, n_neighbors: int = 20, metric: str = "minkowski") -> LOF:
    return LOF(n_neighbors=n_neighbors, metric=metric)


def _pca(seed: int, n_components: int | float = 0.99, standardization: bool = True) -> PCA:
    # the components are weighted by 1 / variance: those of (nearly) none must go before they are divided by
    return PCA(
        n_components=n_components, standardization=standardization, svd_solver="full", random_state=seed
    )


def _mahalanobis(seed: int) -> LedoitWolfMahalanobis:
    return LedoitWolfMahalanobis()


def _autoencoder(
    seed: int, images: bool, hidden: tuple[int, ...] = (64, 32), epochs: int = 30, learning_rate: float = 1e-3
) -> NetworkDetector:
    # Without dropout: at PyOD's 0.2 the errors of unseen normals are mostly noise. Everything else is PyOD's.
    return NetworkDetector(
        lambda rows, features: AutoEncoder(
            preprocessing=False,
            hidden_neuron_list=list(hidden),
            epoch_num=epochs,
            lr=learning_rate,
            batch_size=min(64, rows),  # PyOD passes over a batch that is not full
            dropout_rate=0.0,
            random_state=seed,
            device="cpu",
            verbose=0,
        ),
        seed,
        standardise=not images,
    )


def _deep_svdd(
    seed: int, images: bool, hidden: tuple[int, ...] = (64, 32), epochs: int = 30, learning_rate: float = 1e-3
) -> NetworkDetector:
    return NetworkDetector(
        lambda rows, features: DeepSVDD(
            features,
            preprocessing=False,
            hidden_neurons=list(hidden),
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=min(64, rows),
            dropout_rate=0.0,
            random_state=seed,
            verbose=0,
        ),
        seed,
        standardise=not images,
    )


BASELINES: dict[str, Recipe] = {
    "iforest": Recipe("IForest", _iforest, None, "each tree samples 256 rows; linear in the rows"),
    "ocsvm": Recipe("OCSVM", _ocsvm, 5_000, "training time grows with the square of the rows"),
    "copod": Recipe("COPOD", _copod, None, "sorts each column; scored as one batch"),
    "ecod": Recipe("ECOD", _ecod, None, "sorts each column; scored as one batch"),
    "knn": Recipe("KNN", _knn, 10_000, "compares every training row with every other"),
    "lof": Recipe("LOF", _lof, 10_000, "compares every training row with every other"),
    "pca": Recipe(
        "PCA", _pca, None, "standardises the features itself, as PyOD does; keeps 99 % of the variance"
    ),
    "mahalanobis": Recipe("Mahalanobis", _mahalanobis, None, "raw features, Ledoit-Wolf shrinkage"),
    "autoencoder": Recipe(
        "AutoEncoder", _autoencoder, 10_000, "a network; pixels as they are, vectors standardised", True
    ),
    "deep_svdd": Recipe(
        "Deep SVDD", _deep_svdd, 10_000, "a network; pixels as they are, vectors standardised", True
    ),
}


class Baseline:
    """A named detector with its preprocessing; made by `make_baseline`.

    After `fit`: detector_, num_features_, and training_rows_ (sorted int64 indices of the rows that were
    used).
    """

    def __init__(self, name: str, seed: int, max_training_rows: int | None, parameters: dict):
        self.name, self.seed, self.parameters = name, seed, parameters
        self.max_training_rows = max_training_rows

    def fit(self, train: np.ndarray) -> "Baseline":
        """Learn what is normal.

        Args:
            train: uint8 images (n, height, width, channels) or float vectors (n, features), n >= 2.

        Raises:
            TypeError, ValueError: anything else, NaN or infinity, or fewer rows than the detector needs.
        """
        train = _check_items(train, "train")
        if len(train) < 2:
            raise ValueError(f"train must hold at least 2 items to tell what is usual, got {len(train)}")
        self.training_rows_ = self._choose_rows(len(train))
        kind = {"images": train.ndim == 4} if BASELINES[self.name].needs_kind else {}
        detector = BASELINES[self.name].build(self.seed, **kind, **self.parameters)
        neighbours = getattr(detector, "n_neighbors", 0)
        if len(self.training_rows_) <= neighbours:
            raise ValueError(
                f"train must hold more items than {self.name}'s n_neighbors={neighbours}, "
                f"got {len(self.training_rows_)}"
            )
        vectors = as_vectors(train[self.training_rows_], "train")
        self.detector_, self.num_features_ = detector.fit(vectors), vectors.shape[1]
        return self

    def _choose_rows(self, num_rows: int) -> np.ndarray:
        if self.max_training_rows is None or num_rows <= self.max_training_rows:
            return np.arange(num_rows)
        chosen = np.random.default_rng(self.seed).choice(num_rows, self.max_training_rows, replace=False)
        return np.sort(chosen)

    def decision_function(self, test: np.ndarray) -> np.ndarray:
        """Score a whole test set in one call (see the module's note on COPOD and ECOD).

        Args:
            test: images or vectors with as many features an item as in `fit`; one or more.

        Returns:
            float64 (n,), finite; higher is more anomalous.

        Raises:
            NotFittedError (a ValueError): called before `fit`.
            TypeError, ValueError: bad input, another number of features, or a detector that gave NaN or
            infinity.
        """
        if not hasattr(self, "detector_"):
            raise NotFittedError(f"{self.name} is not fitted: call fit(train) before decision_function(test)")
        vectors = as_vectors(test, "test")
        if vectors.shape[1] != self.num_features_:
            raise ValueError(
                f"test has {vectors.shape[1]} features an item, "
                f"{self.name} was fitted on {self.num_features_}"
            )
        scores = np.asarray(self.detector_.decision_function(vectors), dtype=np.float64)
        if not np.isfinite(scores).all():
            raise ValueError(
                f"{self.name} gave {np.count_nonzero(~np.isfinite(scores))} scores that are not finite"
            )
        return scores


def make_baseline(name: str, seed: int = 0, **parameters) -> Baseline:
    """A detector of BASELINES that is not yet fitted.

    Args:
        name: a key of BASELINES.
        seed: for the random trees and for the choice of training rows; non-negative.
        parameters: the detector's own (PyOD's names and defaults, but gamma="scale" for ocsvm, so that the
        kernel's
            width follows the data, and n_components=0.99 for pca), and max_training_rows (None for no limit).

    Raises:
        ValueError: an unknown name or parameter, a bad seed or number of rows.
    """
    if name not in BASELINES:
        raise ValueError(f"baseline must be one of {', '.join(BASELINES)}, got {name!r}")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be a non-negative integer, got {seed!r}")
    recipe = BASELINES[name]
    rows = parameters.pop("max_training_rows", recipe.max_training_rows)
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, (int, np.integer)) or rows < 2):
        raise ValueError(f"max_training_rows must be None or an integer of at least 2, got {rows!r}")
    allowed = [
        *list(inspect.signature(recipe.build).parameters)[2 if recipe.needs_kind else 1 :],
        "max_training_rows",
    ]
    unknown = sorted(set(parameters) - set(allowed))
    if unknown:
        raise ValueError(f"{name} has no parameter {unknown[0]!r}; it takes {', '.join(allowed)}")
    return Baseline(name, int(seed), rows, parameters)


def as_vectors(items: np.ndarray, argument: str = "items") -> np.ndarray:
    """uint8 images (n, height, width, channels) -> float64 (n, pixels) in [0, 1]; float vectors -> float64,
    unscaled.

    Raises:
        TypeError: not an array of numbers. ValueError: another rank, no item, NaN or infinity. Both name
        `argument`.
    """
    items = _check_items(items, argument)
    return items.astype(np.float64) if items.ndim == 2 else items.reshape(len(items), -1) / 255.0


def _check_items(items: np.ndarray, argument: str) -> np.ndarray:
    if not isinstance(items, np.ndarray) or items.ndim == 4:
        return check_images(items, argument)
    if items.ndim != 2 or items.dtype.kind != "f":
        raise ValueError(
            f"{argument}: got {items.dtype} of shape {items.shape}, "
            "expected uint8 images (n, height, width, channels) or float vectors (n, features)"
        )
    if 0 in items.shape:
        raise ValueError(f"{argument}: got shape {items.shape}, expected at least one vector of one feature")
    bad = np.count_nonzero(~np.isfinite(items))
    if bad:
        raise ValueError(f"{argument}: {bad} values are NaN or infinite, expected finite vectors")
    return items
