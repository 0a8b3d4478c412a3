"""What the records of the embeddings track say together: means, intervals, and paired comparisons over data sets.

Two things vary and have an interval each. Splits: the mean over a track's data sets is taken for each seed, and Student's
interval over the seeds says what another split would change. Data sets: they are resampled, which says what another
collection of data sets would change, and is the wider one. Embeddings of the same images by two networks, and a seed's
splits of one data set, are no independent observations: what shares its images is drawn together.

AUROC and differences of AUROC are in [0, 1] and [-1, 1] throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student

from diffad.bootstrap import Interval, check_bootstrap_settings, percentile_interval
from diffad.embeddings.records import VectorsRecord, list_vectors, read_description
from diffad.errors import RecordError
from diffad.statistics import Tally, tally

NUM_RESAMPLES = 4000


@dataclass(frozen=True, eq=False)
class TrackResults:
    """All records of an edition, read together; made by `read_results`."""

    records: tuple[VectorsRecord, ...]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a method, data set and seed: columns track, data, seed, method, auroc, seconds."""
        return pd.DataFrame(
            [
                {
                    "track": record.track,
                    "data": record.data,
                    "seed": cell.seed,
                    "method": method,
                    "auroc": result.auroc,
                    "seconds": result.seconds,
                }
                for record in self.records
                for cell in record.cells
                for method, result in cell.methods.items()
            ]
        )

    @property
    def methods(self) -> list[str]:
        """Methods that every cell has, in the order of the first."""
        every = [set(cell.methods) for record in self.records for cell in record.cells]
        return [name for name in self.records[0].cells[0].methods if all(name in each for each in every)]

    @property
    def tracks(self) -> list[str]:
        """Names of the tracks."""
        return list(dict.fromkeys(record.track for record in self.records))

    @property
    def seeds(self) -> list[int]:
        """Seeds that every data set was split with."""
        every = [{cell.seed for cell in record.cells} for record in self.records]
        return sorted(set.intersection(*every))

    def names(self, tracks: Sequence[str] = ()) -> list[str]:
        """Data sets of some tracks, or of all."""
        return [record.data for record in self.records if not tracks or record.track in tracks]

    def mean(self, track: str, method: str, confidence: float = 0.95) -> Interval:
        """The mean over a track's data sets, then over seeds, with Student's interval of the seeds' means.

        Raises:
            RecordError: nothing is recorded of this track and method.
        """
        return student_interval(self._wide((track,), [method])[method].groupby("seed").mean(), confidence)

    def by_data(self, tracks: Sequence[str] = (), methods: Sequence[str] = ()) -> pd.DataFrame:
        """Mean over seeds: a row a data set, a column a method. Empty arguments mean all."""
        return self._wide(tracks, methods).groupby("data", sort=False).mean()

    def seconds(self, tracks: Sequence[str] = ()) -> pd.Series:
        """Mean seconds to fit and score once, by method."""
        rows = self.table[self.table["data"].isin(self.names(tracks))]
        return rows.groupby("method", sort=False)["seconds"].mean()

    def differences(self, method: str, other: str, tracks: Sequence[str] = ()) -> pd.DataFrame:
        """`method` minus `other` on the same splits: a row a data set, a column a seed."""
        wide = self._wide(tracks, [method, other])
        return (wide[method] - wide[other]).unstack("seed")

    def compare(self, method: str, other: str, tracks: Sequence[str] = ()) -> "PairedComparison":
        """`method` against `other` over data sets: mean difference, its interval over data sets, wins and losses.

        A data set is won or lost where Student's interval over its seeds' differences leaves 0 out.
        """
        gaps = self.differences(method, other, tracks)
        splits = [student_interval(row) for _, row in gaps.iterrows()]
        return PairedComparison(method, other, interval_over_sets(gaps.mean(axis=1)), tally(splits))

    def _wide(self, tracks: Sequence[str], methods: Sequence[str]) -> pd.DataFrame:
        """Index (data, seed), a column a method."""
        methods = list(methods) or self.methods
        rows = self.table[self.table["data"].isin(self.names(tracks)) & self.table["method"].isin(methods)]
        if missing := [name for name in methods if name not in set(rows["method"])]:
            raise RecordError(f"the records hold no {missing[0]!r} on {', '.join(tracks) or 'any track'}")
        wide = rows.pivot_table(index=["data", "seed"], columns="method", values="auroc", sort=False)
        return wide[methods]


@dataclass(frozen=True)
class PairedComparison:
    """`method` against `other`: the mean difference of AUROC with its interval over data sets, and who won where."""

    method: str
    other: str
    difference: Interval
    tally: Tally


def read_results(
    results: Path | str = "results", edition: str = "cpu", experiment: str = "embeddings"
) -> TrackResults:
    """Read every record of an edition, without the ranks.

    Raises:
        RecordError: there is none, or one was edited by hand.
    """
    root = Path(results) / experiment / edition
    records = [read_description(folder) for folder in list_vectors(root)]
    if not records:
        raise RecordError(
            f"{root} holds no record of vectors: run diffad embeddings experiments/embeddings.yaml"
        )
    return TrackResults(tuple(records))


def student_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean of values (n,) with Student's t interval; a single value has no width."""
    values = np.asarray(values, dtype=np.float64)
    half = 0.0
    if len(values) > 1:
        half = student.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return Interval(float(values.mean()), float(values.mean() - half), float(values.mean() + half))


def interval_over_sets(
    values: pd.Series, confidence: float = 0.95, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval:
    """The mean over data sets with its bootstrap interval, data sets of the same images drawn together.

    Args:
        values: one a data set, its name (ENTRY/ITEM) in the index; what shares ITEM shares its images.
        confidence, num_resamples, seed: of the percentile bootstrap (Efron & Tibshirani 1993, chapter 13).
    """
    check_bootstrap_settings(num_resamples, confidence, seed)
    groups = np.unique([str(name).partition("/")[2] for name in values.index], return_inverse=True)[1]
    num_groups = groups.max() + 1
    drawn = np.random.default_rng(seed).integers(num_groups, size=(num_resamples, num_groups))
    weights = np.stack([np.bincount(row, minlength=num_groups) for row in drawn])[
        :, groups
    ]  # (resamples, sets)
    numbers = values.to_numpy(dtype=np.float64)
    replicates = (weights @ numbers) / weights.sum(axis=1)
    return percentile_interval(numbers.mean(), replicates, confidence)


def best_of(means: pd.Series, methods: Sequence[str]) -> str:
    """The one of `methods` with the highest of `means`: hindsight, which favours it."""
    return str(means[list(methods)].idxmax())
