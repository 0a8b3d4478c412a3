"""The paper's claims, what a number has to be for one to hold, and the verdicts that follow.

A claim is split into findings: one number each, with its interval, from the raw scores of run records. A finding's
outcome follows from its interval by a rule with a margin; a claim's verdict follows from the outcomes of its findings.
Nobody writes a verdict by hand, and a claim without records is "not run".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from diffad.bootstrap import Interval

# How much worse is "no worse", and how much change is "a change", in AUROC; written when part of the records existed.
MARGIN = 0.02  # between two networks
QUALITY_MARGIN = 0.1  # decibels between two settings of training
ROBUST_MARGIN = 0.05  # between clean images and disturbed ones
SOURCE = "stated in the paper's text"  # no page or table of it is at hand, and none is made up


class Outcome(StrEnum):
    """What one finding says of its claim."""

    SUPPORTS = "supports"
    IN_PART = "in part"
    UNDECIDED = "cannot be told"
    CONTRADICTS = "contradicts"


class Verdict(StrEnum):
    """What all findings say of a claim together."""

    HOLDS = "holds"
    IN_PART = "holds in part"
    FAILS = "does not hold"
    NOT_TESTABLE = "not testable here"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Term:
    """A mean AUROC over tasks, as it follows from raw scores.

    Attributes:
        weight: of this mean in the finding's number, +1 or -1 where it is a difference.
        scores: (folder of the record, method's name there, group of anomalies or None for all together), one a task.
    """

    weight: float
    scores: tuple[tuple[Path, str, str | None], ...]


@dataclass(frozen=True)
class Finding:
    """One number for or against a claim.

    Attributes:
        what: the experiment and its quantity, for a reader.
        value: the number with its interval, in the unit of `numbers`.
        numbers: the same as text.
        outcome: what it says of the claim.
        chapter: the page that is about it, "" where there is none.
        records: folders of the records that it follows from.
        detail: more numbers, such as tasks won, tied and lost.
        terms: how `value.estimate` follows from AUROCs of raw scores; empty where it is none of them.
        part: of the claim, where its words hold several, such as "noise" and "attacks".
    """

    what: str
    value: Interval
    numbers: str
    outcome: Outcome
    chapter: str
    records: tuple[Path, ...]
    detail: str = ""
    terms: tuple[Term, ...] = ()
    part: str = ""


@dataclass(frozen=True)
class Claim:
    """What the paper says, and how it is put to a test.

    Attributes:
        key: C1 to C6, with a letter where one is tested in two ways, and F1 to F3 for the signatures of failure.
        claim: in our words.
        where: where the paper says it.
        test: what was run.
        rule: when a finding supports the claim, and when it contradicts it.
        universal: whether it is about every data set in so many words, so that one counterexample refutes it.
    """

    key: str
    claim: str
    where: str
    test: str
    rule: str
    universal: bool = False


@dataclass(frozen=True)
class Judged:
    """A claim with its findings and the verdict that follows from them."""

    claim: Claim
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """See `verdict_of`."""
        return verdict_of([each.outcome for each in self.findings], self.claim.universal)

    @property
    def parts(self) -> dict[str, Verdict]:
        """The verdict on each part of the claim; empty where it has one part alone."""
        names = list(dict.fromkeys(each.part for each in self.findings))
        if len(names) < 2:
            return {}
        return {
            name: verdict_of(
                [each.outcome for each in self.findings if each.part == name], self.claim.universal
            )
            for name in names
        }


def verdict_of(outcomes: Sequence[Outcome], universal: bool = False) -> Verdict:
    """Holds: every finding supports. Does not hold: none supports and at least one contradicts, or one contradicts a
    claim about every data set. Not testable here: all are undecided. Holds in part: anything else. Not run: there is no
    finding.
    """
    if not outcomes:
        return Verdict.NOT_RUN
    if all(each == Outcome.SUPPORTS for each in outcomes):
        return Verdict.HOLDS
    if universal and Outcome.CONTRADICTS in outcomes:
        return Verdict.FAILS
    if Outcome.SUPPORTS in outcomes or Outcome.IN_PART in outcomes:
        return Verdict.IN_PART
    return Verdict.FAILS if Outcome.CONTRADICTS in outcomes else Verdict.NOT_TESTABLE


VERDICT_RULE = (
    "A claim *holds* where every finding supports it. It *does not hold* where none supports it and at least one "
    "contradicts it; a claim about every data set in so many words (C1) does not hold as soon as one contradicts it. It "
    "is *not testable here* where no interval decides, and *holds in part* otherwise."
)


def is_positive(value: Interval) -> Outcome:
    """Supports where the whole interval lies above 0, contradicts where it lies below."""
    return is_above(value, 0.0)


def is_above(value: Interval, mark: float) -> Outcome:
    """Supports where the whole interval lies above a mark, contradicts where it lies below."""
    if value.low > mark:
        return Outcome.SUPPORTS
    return Outcome.CONTRADICTS if value.high < mark else Outcome.UNDECIDED


def is_a_change(value: Interval, margin: float = MARGIN) -> Outcome:
    """Supports where the interval leaves 0 out, on either side; contradicts where it lies within `margin` of 0."""
    if value.low > 0 or value.high < 0:
        return Outcome.SUPPORTS
    return Outcome.CONTRADICTS if -margin < value.low and value.high < margin else Outcome.UNDECIDED


def all_of(outcomes: Sequence[Outcome]) -> Outcome:
    """Of parts that must all support: contradicts where one does, undecided where one is."""
    if Outcome.CONTRADICTS in outcomes:
        return Outcome.CONTRADICTS
    return Outcome.UNDECIDED if Outcome.UNDECIDED in outcomes else Outcome.SUPPORTS


def points(value: Interval) -> str:
    """A difference of AUROCs as "+1.2 (-0.3, 2.7)", in points of a hundred."""
    return f"{100 * value.estimate:+.1f} ({100 * value.low:+.1f}, {100 * value.high:+.1f})"


ABOVE_ZERO = "supports if its whole 95 % interval lies above 0, contradicts if it lies below"

CLAIMS = {
    each.key: each
    for each in (
        Claim(
            "C1",
            "Diffusion beats Isolation Forest, one-class SVM and COPOD on every tested data set",
            SOURCE,
            "Reconstruction error, the paper's score, in one step and by partial diffusion, of a U-Net and "
            "a DiT of equal training "
            "compute, against the three on the same pixels and splits",
            "Mean AUROC over a data set's tasks minus that of each of the three. A finding supports if all "
            "three intervals lie above 0, "
            "contradicts if one lies below; shown is the difference to the best of the three",
            universal=True,
        ),
        Claim(
            "C1b",
            "The same, for another reading of the same networks",
            "not the paper's score: ours",
            "The denoiser's profile (errors and bottleneck at ten noise levels, calibrated on held-out "
            "normals)",
            "as for C1",
            universal=True,
        ),
        Claim(
            "C2",
            "Normal data are reconstructed better than anomalies",
            SOURCE,
            "AUROC of the one-step reconstruction error, task by task",
            "A finding supports if the interval of every task lies above 50 %, in part if that of "
            "some does, contradicts if none does and one lies below; shown is the mean over the tasks",
        ),
        Claim(
            "C3",
            "Iterative denoising captures complex, high-dimensional distributions better than traditional "
            "methods",
            SOURCE,
            "Partial diffusion (ten steps, and 250) against the traditional baseline with the best mean, "
            "and against a single step",
            f"The difference of mean AUROC {ABOVE_ZERO}. The baseline is chosen in hindsight, which "
            "favours it",
        ),
        Claim(
            "C4",
            "DiT scales to high-resolution images without significant loss; the U-Net keeps local detail, "
            "the transformer global structure",
            SOURCE,
            "DiT minus U-Net by the paper's score, on small images and on Mini-ImageNet; on MNIST-C, the "
            "U-Net's lead on local corruptions "
            "minus its lead on global ones",
            f"DiT minus U-Net supports if its interval lies above -{100 * MARGIN:.0f} points, contradicts "
            "if below; the U-Net's lead on "
            f"local corruptions {ABOVE_ZERO}",
        ),
        Claim(
            "C5",
            "More diffusion steps denoise finer and cost more; linear and cosine schedules change quality "
            "and stability",
            SOURCE,
            "One model walked back in 10 and in 250 steps, and others in one and in five; networks trained with 20 to 4,000 "
            "diffusion steps, and under four schedules. Whether training is stable was not asked",
            f"More steps: the gain in AUROC, in decibels or in sharpness, {ABOVE_ZERO}; the ratio of seconds, above 1. "
            "Schedules: a difference supports if its interval leaves 0 out, contradicts if it lies within "
            f"{100 * MARGIN:.0f} points, or {QUALITY_MARGIN:g} decibels, of 0. Settings that were trained once decide nothing",
        ),
        Claim(
            "C6",
            "Robust on noisy and adversarial data",
            SOURCE,
            "Noise on all test images, attacks by the score's own gradient, and anomalies among the "
            "training images",
            "AUROC on disturbed data minus that on clean ones supports if its interval lies above "
            f"-{100 * ROBUST_MARGIN:.0f} points, "
            "contradicts if below",
        ),
        Claim(
            "F1",
            "False positives: a threshold too low flags normal images",
            SOURCE,
            "Every second normal test image sets two thresholds, above which one in five and one in a hundred of "
            "them lie; the others are judged. Data sets with 200 normal test images or more",
            "The rise of false alarms with the lower threshold "
            + ABOVE_ZERO
            + "; by definition it cannot fall",
        ),
        Claim(
            "F2",
            "False negatives: a threshold too high misses anomalies",
            SOURCE,
            "The share of anomalies below the same two thresholds",
            "The rise of misses with the higher threshold " + ABOVE_ZERO + "; by definition it cannot fall",
        ),
        Claim(
            "F3",
            "Slow: too many steps, too large a network",
            SOURCE,
            "Measured wall time of the recorded runs: training and scoring, against the slowest of the "
            "paper's three baselines",
            "The ratio of wall times supports if it is above 1",
        ),
    )
}
