"""Findings from records that compare settings of one model: steps, schedules, disturbances, thresholds "
"and cost."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from diffad.bootstrap import Interval
from diffad.claims import ROBUST_MARGIN, Finding, Term, is_above, is_positive, points
from diffad.errors import RecordError
from diffad.evaluation import MEAN_OVER_GROUPS, GroupResults, evaluate_groups
from diffad.evidence import BEST_READING, Evidence
from diffad.figures.style import method_title
from diffad.records import RunRecord, RunScores, list_records, read_record
from diffad.robustness.reading import flagged, run_title
from diffad.tasks import evaluate_tasks

WALK, LONG_WALK = "partial_10", "partial_250"
MIDDLE_NOISE = {
    "gaussian-15": "Gaussian noise of 15 grey levels",
    "salt_and_pepper-0.05": "salt and pepper on 5 % of the pixels",
    "jpeg-50": "JPEG quality 50",
}
ALARM_RATE = 0.05  # of clean normal images, at which the line is drawn
EPSILON = 8  # grey levels of 255, the usual size of an attack
NUM_RESAMPLES, SEED, CONFIDENCE = 1000, 0, 0.95

Read = tuple[RunRecord, RunScores]


def read_all(folder: Path) -> dict[str, tuple[Path, Read]]:
    """Records at or under a folder by their path below it, sorted; none where it is not there."""
    return {each.relative_to(folder).as_posix(): (each, read_record(each)) for each in list_records(folder)}


# --- C3 and C5: steps ---


def long_walk(evidence: Evidence) -> list[Finding]:
    """C3: 250 steps against one level with two noises, on the models of CIFAR-10."""
    runs = read_all(evidence.results / "fast-against-slow" / evidence.edition)
    what = "CIFAR-10: partial diffusion in 250 steps, minus one level (U-Net)"
    return _step_gain(runs, "one_level_2", what, "scorers")


def steps_found(evidence: Evidence) -> list[Finding]:
    """C5: what more steps find."""
    runs = read_all(evidence.results / "denoising-steps" / evidence.edition)
    return _step_gain(runs, WALK, "MNIST-C: one walk in 250 steps, minus the same in 10 (U-Net)", "steps")


def steps_cost(evidence: Evidence) -> list[Finding]:
    """C5: what more steps cost."""
    runs = read_all(evidence.results / "denoising-steps" / evidence.edition)
    runs |= read_all(evidence.results / "fast-against-slow" / evidence.edition)
    for shorter in (WALK, "denoiser_profile"):
        timed = [
            (folder, record)
            for folder, (record, _) in runs.values()
            if {shorter, LONG_WALK} <= set(record.nfe)
        ]
        if timed:
            return [_seconds(timed, shorter)]
    return []


def _step_gain(runs: Mapping[str, tuple[Path, Read]], other: str, what: str, chapter: str) -> list[Finding]:
    """The long walk minus a shorter look: mean over the runs, or over one run's groups of anomalies."""
    runs = {name: each for name, each in runs.items() if {LONG_WALK, other} <= set(each[1][1].by_method)}
    if not runs:
        return []
    scores = {name: each[1][1] for name, each in runs.items()}
    if len(runs) == 1:
        (one,) = scores.values()
        results = _groups(one, {method: one.by_method[method] for method in (LONG_WALK, other)})
        terms = [
            Term(
                sign,
                tuple((folder, method, group) for folder, _ in runs.values() for group in results.groups),
            )
            for method, sign in ((LONG_WALK, 1), (other, -1))
        ]
    else:
        results = evaluate_tasks(scores, [LONG_WALK, other])
        terms = [
            Term(sign, tuple((folder, method, None) for folder, _ in runs.values()))
            for method, sign in ((LONG_WALK, 1), (other, -1))
        ]
    value = results.difference("auroc", LONG_WALK, other, MEAN_OVER_GROUPS)
    folders = tuple(folder for folder, _ in runs.values())
    counts = f"{len(results.groups)} tasks, {sum(len(each.labels) for each in scores.values()):,} test images"
    return [
        Finding(
            what, value, f"{points(value)} points", is_positive(value), chapter, folders, counts, tuple(terms)
        )
    ]


def _seconds(timed: Sequence[tuple[Path, RunRecord]], shorter: str) -> Finding:
    """Seconds of the long walk over those of a shorter look, by run: median, smallest and largest."""
    ratios = [
        record.wall_seconds[f"{LONG_WALK}/score"] / record.wall_seconds[f"{shorter}/score"]
        for _, record in timed
    ]
    value = Interval(float(np.median(ratios)), min(ratios), max(ratios))
    return Finding(
        f"Seconds for 250 evaluations over those for {timed[0][1].nfe[shorter]}, by model",
        value,
        f"{value.estimate:.0f} times" + (f" ({value.low:.0f} to {value.high:.0f})" if len(timed) > 1 else ""),
        is_above(value, 1.0),
        "scorers",
        tuple(folder for folder, _ in timed),
        "median with the smallest and largest ratio" if len(timed) > 1 else "one model, no interval",
    )


def closer(evidence: Evidence) -> list[Finding]:
    """C5: how much closer to a normal image the walk in 250 steps ends than that in 10, in decibels."""
    findings = []
    for name, (folder, (_, scores)) in read_all(
        evidence.results / "denoising-steps" / evidence.edition
    ).items():
        if not {WALK, LONG_WALK} <= set(scores.by_method):
            continue
        normal = scores.labels == 0
        gain = 10 * np.log10(scores.by_method[WALK][normal] / scores.by_method[LONG_WALK][normal])
        half = student.ppf((1 + CONFIDENCE) / 2, len(gain) - 1) * gain.std(ddof=1) / len(gain) ** 0.5
        value = Interval(float(gain.mean()), float(gain.mean() - half), float(gain.mean() + half))
        findings.append(
            Finding(
                f"{run_title(name)}: PSNR of a reconstructed normal image after 250 steps, minus that after 10 (U-Net)",
                value,
                f"{value.estimate:+.2f} ({value.low:+.2f}, {value.high:+.2f}) dB",
                is_positive(value),
                "steps",
                (folder,),
                f"{len(gain)} normal test images, Student's interval",
            )
        )
    return findings


# --- C6: disturbances ---


def noise(evidence: Evidence) -> list[Finding]:
    """C6: AUROC under noise of middle strength minus that on clean images, for the paper's score and the "
    "profile."""
    return [
        finding
        for condition, title in MIDDLE_NOISE.items()
        for finding in _disturbed(evidence, "noise", lambda name, wanted=condition: name == wanted, title)
    ]


def attacks(evidence: Evidence) -> list[Finding]:
    """C6: AUROC of each score under an attack on itself minus that on clean images."""
    return _disturbed(
        evidence,
        "attack",
        lambda name: name.rpartition("-")[2] == str(EPSILON),
        f"attacked within {EPSILON} of 255 grey levels",
        own=True,
    )


def _disturbed(
    evidence: Evidence, part: str, wanted: Callable[[str], bool], title: str, own: bool = False
) -> list[Finding]:
    """One finding a run and method for the condition that is wanted; with `own` only attacks on the "
    "method itself."""
    findings = []
    runs = read_all(evidence.results / "robustness" / evidence.edition)
    for name, (folder, (_, scores)) in runs.items():
        if name.rpartition("/")[2] != part:
            continue
        calibration = runs.get(f"{name.rpartition('/')[0]}/calibration")
        for method in ("one_step", BEST_READING):
            clean = f"{method}@clean"
            conditions = [each for each in scores.by_method if each.startswith(f"{method}@")]
            found = [each for each in conditions if wanted(each.partition("@")[2])]
            if own:
                found = [each for each in found if each.partition("@")[2].rpartition("-")[0] == method]
            for disturbed in found if clean in scores.by_method else []:
                results = _groups(scores, {each: scores.by_method[each] for each in (disturbed, clean)})
                value = results.difference("auroc", disturbed, clean, MEAN_OVER_GROUPS)
                after = results.interval("auroc", disturbed, MEAN_OVER_GROUPS)
                terms = [
                    Term(sign, tuple((folder, each, group) for group in results.groups))
                    for each, sign in ((disturbed, 1), (clean, -1))
                ]
                findings.append(
                    Finding(
                        f"{run_title(name.partition('/')[0])}: {method_title(method)}, {title}, minus clean",
                        value,
                        f"{points(value)} points",
                        is_above(value, -ROBUST_MARGIN),
                        "robustness",
                        (folder,),
                        f"AUROC then {after.percent()} %{_alarms(calibration, scores, disturbed)}",
                        tuple(terms),
                    )
                )
    return findings


def _alarms(calibration: tuple[Path, Read] | None, scores: RunScores, disturbed: str) -> str:
    """How many disturbed normal images lie above a line drawn on clean ones, after a semicolon; "" where none was."""
    if calibration is None:
        return ""
    method, _, condition = disturbed.partition("@")
    rate = flagged(calibration[1][1], scores, method, condition, 0, ALARM_RATE).estimate
    return f"; false alarms {100 * rate:.0f} %, of {100 * ALARM_RATE:.0f} % on clean images"


def contamination(evidence: Evidence) -> list[Finding]:
    """C6: AUROC after training with one anomaly in ten images minus that after clean training, same test "
    "images."""
    cells = read_all(evidence.results / "contamination" / evidence.edition)
    findings = []
    for cell, (folder, (_, scores)) in cells.items():
        start, _, rate = cell.rpartition("-")
        clean = cells.get(f"{start}-00")
        if rate != "10" or clean is None:
            continue
        _check_same_rows(scores, clean[1][1], cell)
        for method in ("one_step", BEST_READING):
            both = {"with": scores.by_method[method], "without": clean[1][1].by_method[method]}
            results = evaluate_tasks(
                {cell: RunScores(scores.labels, scores.groups, both, scores.units)}, list(both)
            )
            value = results.difference("auroc", "with", "without", MEAN_OVER_GROUPS)
            findings.append(
                Finding(
                    f"Digit {start.partition('-')[0]} normal: {method_title(method)}, trained with 10 % "
                    "anomalies, minus clean training",
                    value,
                    f"{points(value)} points",
                    is_above(value, -ROBUST_MARGIN),
                    "robustness",
                    (folder, clean[0]),
                    "one training each; the interval is over test images",
                    (Term(1, ((folder, method, None),)), Term(-1, ((clean[0], method, None),))),
                )
            )
    return findings


# --- shared ---


def _groups(scores: RunScores, by_method: Mapping[str, np.ndarray]) -> GroupResults:
    return evaluate_groups(
        scores.labels, scores.groups, by_method, ["auroc"], NUM_RESAMPLES, CONFIDENCE, SEED, scores.units
    )


def _check_same_rows(first: RunScores, other: RunScores, name: str) -> None:
    """RecordError unless both test the same rows."""
    if not (np.array_equal(first.labels, other.labels) and np.array_equal(first.groups, other.groups)):
        raise RecordError(f"{name}: its test images are not those of the record that it is compared with")
