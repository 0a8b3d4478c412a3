"""Findings from trainings of one network under several settings: noise schedules, and numbers of diffusion steps.

A difference of two settings holds what other images and what other seeds would change (`diffad.trainings`). Of one
training each nothing is known about seeds: then a finding decides nothing, however narrow its interval.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from diffad.ablation_tables import DECIMALS, PSNR, SHARPNESS, five_minus_one, plain, quality_values
from diffad.ablations import Cell, read_cells
from diffad.bootstrap import Interval
from diffad.claims import MARGIN, QUALITY_MARGIN, Finding, Outcome, Term, is_a_change, is_positive, points
from diffad.evidence import Evidence
from diffad.records import list_records
from diffad.trainings import TrainedSettings, by_setting

SCHEDULES = ("linear", "sigmoid", "log_linear")  # each against cosine
STEPS_OF = {"t20": "20", "t100": "100", "cosine": "1,000", "t4000": "4,000"}
METHOD = "one_step"  # the paper's score
UNITS = {PSNR: " dB", SHARPNESS: ""}


@dataclass(frozen=True)
class Trainings:
    """Cells named "SETTING-SEED" with their folders; all tested the same images."""

    cells: dict[str, Cell]
    folders: dict[str, Path]

    @classmethod
    def read(cls, evidence: Evidence, *names: str) -> "Trainings":
        """Cells of the experiments `names`, as far as they were run; the first that has a cell of a name gives it."""
        cells, folders = {}, {}
        for folder in (evidence.results / name / evidence.edition for name in names):
            for name, cell in (read_cells(folder) if list_records(folder) else {}).items():
                cells.setdefault(name, cell)
                folders.setdefault(name, folder / name)
        return cls(cells, folders)

    @property
    def settings(self) -> dict[str, list[str]]:
        """Setting -> its cells."""
        return by_setting(list(self.cells))

    def has(self, *settings: str) -> bool:
        """Whether all of these were run."""
        return set(settings) <= set(self.settings)

    def of(self, *settings: str) -> tuple[Path, ...]:
        """Folders of the cells of settings."""
        return tuple(self.folders[name] for each in settings for name in self.settings[each])

    def judged(self, rule: Callable[[Interval], Outcome], value: Interval, *settings: str) -> Outcome:
        """By the rule where each setting was trained twice or more; else undecided."""
        trained_again = all(len(self.settings[each]) > 1 for each in settings)
        return rule(value) if trained_again else Outcome.UNDECIDED

    def counted(self, *settings: str) -> str:
        """How often the settings were trained, and what the interval covers."""
        numbers = [len(self.settings[each]) for each in settings]
        if max(numbers) == 1:
            return "one training each, so not decided: the interval covers other images, not other seeds"
        return (
            f"{' and '.join(map(str, numbers))} trainings; the interval covers other images and other seeds"
        )


def schedules(evidence: Evidence) -> list[Finding]:
    """C5: AUROC of networks trained under another schedule, minus those under cosine."""
    trainings = Trainings.read(evidence, "noise-schedule")
    return [
        _detection(
            trainings,
            name,
            "cosine",
            f"MNIST-C: schedule {_title(name)} minus cosine, one level",
            partial(is_a_change, margin=MARGIN),
            "noise_schedule",
        )
        for name in SCHEDULES
        if trainings.has(name, "cosine")
    ]


def schedule_quality(evidence: Evidence) -> list[Finding]:
    """C5: how close to a held-out image networks trained under another schedule rebuild it, minus those under cosine."""
    trainings = Trainings.read(evidence, "noise-schedule")
    if not trainings.has("cosine"):
        return []
    quality = quality_values(trainings.cells)[PSNR]
    return [
        _quality(
            trainings,
            f"Digits: PSNR of a held-out image rebuilt in five steps, schedule {_title(name)} minus cosine",
            quality.difference(name, "cosine"),
            PSNR,
            partial(trainings.judged, partial(is_a_change, margin=QUALITY_MARGIN)),
            (name, "cosine"),
            "noise_schedule",
        )
        for name in SCHEDULES
        if trainings.has(name)
    ]


def numbers_of_steps(evidence: Evidence) -> list[Finding]:
    """C5: AUROC of networks trained with more diffusion steps T minus those trained with fewer, on the same noise."""
    trainings = Trainings.read(evidence, "noise-schedule", "steps")
    return [
        _detection(
            trainings,
            more,
            fewer,
            f"MNIST-C: trained with T = {STEPS_OF[more]} minus T = {STEPS_OF[fewer]}, one level",
            is_positive,
            "steps",
        )
        for more, fewer in (("cosine", "t20"), ("cosine", "t100"), ("t4000", "cosine"))
        if trainings.has(more, fewer)
    ]


def five_steps_against_one(evidence: Evidence, quantity: str) -> list[Finding]:
    """C5: what five steps back make of a held-out image, minus what one does, on every training of the schedules.

    quantity: `PSNR` or `SHARPNESS` of `diffad.ablation_tables`.
    """
    trainings = Trainings.read(evidence, "noise-schedule")
    if not trainings.cells:
        return []
    settings = tuple(trainings.settings)
    return [
        _quality(
            trainings,
            f"Digits: {quantity.partition(',')[0]} of a held-out image rebuilt in five steps, minus that in one",
            five_minus_one(trainings.cells)[quantity],
            quantity,
            lambda value, *_: is_positive(value),  # the same networks walk both ways
            settings,
            "steps",
            f"{len(trainings.cells)} networks under {len(settings)} schedules",
        )
    ]


def _title(schedule: str) -> str:
    return schedule.replace("_", "-")


def _detection(
    trainings: Trainings,
    setting: str,
    other: str,
    what: str,
    rule: Callable[[Interval], Outcome],
    chapter: str,
) -> Finding:
    """The paper's score under one setting minus that under another, means over trainings and groups of anomalies."""
    trained = TrainedSettings.of(trainings.cells, METHOD)
    value = trained.difference(setting, other)
    groups = trained.results.groups
    terms = [
        Term(sign, tuple((folder, METHOD, group) for folder in trainings.of(name) for group in groups))
        for name, sign in ((setting, 1), (other, -1))
    ]
    return Finding(
        what,
        value,
        f"{points(value)} points",
        trainings.judged(rule, value, setting, other),
        chapter,
        trainings.of(setting, other),
        trainings.counted(setting, other),
        tuple(terms),
    )


def _quality(
    trainings: Trainings,
    what: str,
    value: Interval,
    quantity: str,
    outcome: Callable[..., Outcome],
    settings: tuple[str, ...],
    chapter: str,
    note: str = "",
) -> Finding:
    """outcome: of the value and the settings."""
    images = next(iter(trainings.cells.values())).quality.num_images
    return Finding(
        what,
        value,
        f"{plain(value, DECIMALS[quantity])}{UNITS[quantity]}",
        outcome(value, *settings),
        chapter,
        trainings.of(*settings),
        f"{images} held-out images; {note or trainings.counted(*settings)}",
    )
