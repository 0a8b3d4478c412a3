"""A recorded run, made anew and held against its record: does the same command give the same numbers?"""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from diffad.configuration import Experiment
from diffad.errors import RecordError
from diffad.experiments import record_folder, run_experiment
from diffad.records import read_record

SAME = 1e-9  # of the spread of a method's scores: what the order of a sum may change, and no training


@dataclass(frozen=True)
class Agreement:
    """A method's scores now and in the record.

    Attributes:
        method: its name in both.
        recorded: mean AUROC in the record, in [0, 1].
        now: the same of the new run.
        difference: the largest of any image's score, as a share of the recorded scores' standard deviation.
        same: whether that is at most `SAME`.
    """

    method: str
    recorded: float
    now: float
    difference: float
    same: bool

    def row(self) -> dict:
        """For a table or JSON."""
        return asdict(self)


def check_run(
    experiment: Experiment,
    edition_name: str,
    results: Path | str = "results",
    cell: str | None = None,
    progress: bool = True,
) -> list[Agreement]:
    """Run one edition, or one cell of it, again from data to scores and compare with its record, which is left alone.

    Args:
        experiment, edition_name, cell: as for `diffad.experiments.run_experiment`.
        results: where the record lies.

    Raises:
        RecordError: there is no such record, or the new run tests other images or other methods than it.
        DataNotFound: the data set is not in the data home.
    """
    folder = record_folder(experiment, edition_name, results, cell)
    record, before = read_record(folder)
    with tempfile.TemporaryDirectory() as scratch:
        new = run_experiment(experiment, edition_name, scratch, None, progress, cell)
        _, now = read_record(record_folder(experiment, edition_name, scratch, cell))
    same_rows = np.array_equal(before.labels, now.labels) and np.array_equal(before.groups, now.groups)
    if not same_rows or set(before.by_method) != set(now.by_method):
        what = "other methods" if same_rows else "other images"
        raise RecordError(f"{folder} was made with {what} than {experiment.name} has now; run it again")
    return [
        _agreement(name, before.by_method[name], now.by_method[name], record, new)
        for name in before.by_method
    ]


def _agreement(method: str, before: np.ndarray, now: np.ndarray, record, new) -> Agreement:
    spread = float(before.std()) or 1.0
    difference = float(np.abs(now - before).max()) / spread
    recorded, again = (each.interval(method).estimate for each in (record, new))
    return Agreement(method, recorded, again, difference, difference <= SAME)
