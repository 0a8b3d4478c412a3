"""Every method of every run record, its mean AUROC and its network evaluations: what the book's overview shows."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from diffad.records import list_records, read_record
from diffad.run_record import RunRecord


@dataclass(frozen=True)
class MethodMean:
    """A method over all tasks of one experiment in one edition.

    method: the record's name of it. experiment: the folder of its records. nfe: network evaluations an image.
    auroc: mean over the tasks of each task's mean over groups, 0..1; least and greatest: over the tasks. tasks: how many.
    """

    method: str
    experiment: str
    edition: str
    nfe: int
    auroc: float
    least: float
    greatest: float
    tasks: int


def method_means(results: Path | str) -> list[MethodMean]:
    """The means of all records under the folder `results`, experiment by experiment.

    Raises:
        RecordError: a record that was altered, or whose scores are missing.
    """
    found: dict[tuple[str, str], list[RunRecord]] = defaultdict(list)
    for folder in list_records(results):
        record, _ = read_record(folder)
        found[folder.relative_to(results).parts[0], record.edition].append(record)
    means = []
    for (experiment, edition), records in found.items():
        for method in dict.fromkeys(name for record in records for name in record.nfe):
            means.append(_mean(method, experiment, edition, [each for each in records if method in each.nfe]))
    return means


def _mean(method: str, experiment: str, edition: str, records: list[RunRecord]) -> MethodMean:
    values = [record.interval(method).estimate for record in records]
    nfe = max(record.nfe[method] for record in records)
    mean = sum(values) / len(values)
    return MethodMean(method, experiment, edition, nfe, mean, min(values), max(values), len(values))
