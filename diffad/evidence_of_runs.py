"""Findings from records that compare settings of one model: steps, schedules, disturbances, thresholds "
"and cost."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from diffad.bootstrap import Interval, percentile_interval
from diffad.claims import ROBUST_MARGIN, Finding, Term, is_a_change, is_above, is_positive, points
from diffad.errors import RecordError
from diffad.evaluation import MEAN_OVER_GROUPS, GroupResults, evaluate_groups
from diffad.evidence import BEST_READING, PAPER_BASELINES, Evidence
from diffad.figures.style import method_title
from diffad.records import RunRecord, RunScores, list_records, read_record
from diffad.tasks import evaluate_tasks

WALK, LONG_WALK = "partial_10", "partial_250"
SCHEDULES = ("linear", "sigmoid", "log_linear")  # each against cosine
MIDDLE_NOISE = {
    "gaussian-15": "Gaussian noise of 15 grey levels",
    "salt_and_pepper-0.05": "salt and pepper on 5 % of the pixels",
    "jpeg-50": "JPEG quality 50",
}
EPSILON = 8  # grey levels of 255, the usual size of an attack
LOW_SHARE, HIGH_SHARE = 0.2, 0.01  # of normal images above the lower and the higher threshold
FEWEST_NORMALS = 200  # of a data set's test images, below which its upper quantiles say nothing
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


def more_steps(evidence: Evidence) -> list[Finding]:
    """C5: what more steps find, and what they cost."""
    runs = read_all(evidence.results / "denoising-steps" / evidence.edition)
    found = _step_gain(runs, WALK, "MNIST-C: one walk in 250 steps, minus the same in 10 (U-Net)", "steps")
    runs |= read_all(evidence.results / "fast-against-slow" / evidence.edition)
    for shorter in (WALK, "denoiser_profile"):
        timed = [
            (folder, record)
            for folder, (record, _) in runs.values()
            if {shorter, LONG_WALK} <= set(record.nfe)
        ]
        if timed:
            found.append(_seconds(timed, shorter))
            break
    return found


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
        f"{value.estimate:.0f} times ({value.low:.0f} to {value.high:.0f})",
        is_above(value, 1.0),
        "scorers",
        tuple(folder for folder, _ in timed),
        "median with the smallest and largest ratio",
    )


def schedules(evidence: Evidence) -> list[Finding]:
    """C5: AUROC of networks trained under another schedule minus those under cosine, means over trainings."""
    cells = read_all(evidence.results / "noise-schedule" / evidence.edition)
    trainings: dict[str, list[str]] = {}
    for cell in cells:
        trainings.setdefault(cell.rpartition("-")[0], []).append(cell)
    if not trainings.get("cosine"):
        return []
    findings = []
    for name in SCHEDULES:
        pairs = [
            (cell, f"cosine-{cell.rpartition('-')[2]}")
            for cell in trainings.get(name, [])
            if f"cosine-{cell.rpartition('-')[2]}" in cells
        ]
        if pairs:
            findings.append(_schedule(name, pairs, cells))
    return findings


def _schedule(name: str, pairs: Sequence[tuple[str, str]], cells: Mapping[str, tuple[Path, Read]]) -> Finding:
    method = "one_step"
    chosen = {cell: cells[cell][1][1].by_method[method] for pair in pairs for cell in pair}
    first = cells[pairs[0][0]][1][1]
    for cell in chosen:
        _check_same_rows(first, cells[cell][1][1], cell)
    results = _groups(first, chosen)
    at = {cell: results.methods.index(cell) for cell in chosen}
    by_pair = [results.estimates[0, at[a]] - results.estimates[0, at[b]] for a, b in pairs]
    replicates = [results.replicates[0, at[a]] - results.replicates[0, at[b]] for a, b in pairs]
    value = percentile_interval(np.mean(by_pair), np.mean(replicates, axis=(0, 1)), CONFIDENCE)
    spread = ", ".join(f"{100 * each.mean():+.1f}" for each in by_pair)
    terms = [
        Term(sign, tuple((cells[pair[side]][0], method, group) for pair in pairs for group in results.groups))
        for side, sign in ((0, 1), (1, -1))
    ]
    return Finding(
        f"MNIST-C: schedule {name.replace('_', '-')} minus cosine, one level, mean of {len(pairs)} trainings",
        value,
        f"{points(value)} points",
        is_a_change(value),
        "noise_schedule",
        tuple(cells[cell][0] for cell in chosen),
        f"by training: {spread} points; the interval is over test images",
        tuple(terms),
    )


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
    for name, (folder, (_, scores)) in read_all(evidence.results / "robustness" / evidence.edition).items():
        if name.rpartition("/")[2] != part:
            continue
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
                        f"{name.partition('/')[0]}: {method_title(method)}, {title}, minus clean",
                        value,
                        f"{points(value)} points",
                        is_above(value, -ROBUST_MARGIN),
                        "robustness",
                        (folder,),
                        f"AUROC then {after.percent()} %",
                        tuple(terms),
                    )
                )
    return findings


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


# --- F1 to F3: signatures of failure ---


def false_positives(evidence: Evidence) -> list[Finding]:
    """F1: how many more normal images lie above the lower threshold than above the higher one."""
    return _thresholds(evidence, label=0, what="more normal images flagged at the lower threshold")


def false_negatives(evidence: Evidence) -> list[Finding]:
    """F2: how many more anomalies lie below the higher threshold than below the lower one."""
    return _thresholds(evidence, label=1, what="more anomalies missed at the higher threshold")


def _thresholds(evidence: Evidence, label: int, what: str) -> list[Finding]:
    """Every second normal test image draws the thresholds; the others, and all anomalies, are judged."""
    findings = []
    for key, tasks in evidence.tasks.items():
        if sum(int(np.sum(task.scores.labels == 0)) for task in tasks.values()) < FEWEST_NORMALS:
            continue
        for network in evidence.networks(key):
            method = f"{network}/one_step"
            between, levels = [], []
            for task in tasks.values():
                scores, labels = task.scores.by_method[method], task.scores.labels
                normal = np.flatnonzero(labels == 0)
                low, high = np.quantile(scores[normal[::2]], [1 - LOW_SHARE, 1 - HIGH_SHARE])
                judged = scores[normal[1::2]] if label == 0 else scores[labels == 1]
                between.append((judged > low) & (judged <= high))
                levels.append((np.mean(judged > low), np.mean(judged > high)))
            value = _mean_share(between)
            low, high = 100 * np.mean(levels, axis=0)
            named = ("flagged", low, high) if label == 0 else ("missed", 100 - low, 100 - high)
            findings.append(
                Finding(
                    f"{evidence.data_sets[key].title}: {method_title(method)}, {what}",
                    value,
                    f"{points(value)} points",
                    is_positive(value),
                    "failure_signatures",
                    evidence.records(key, method),
                    f"{named[0]}: {named[1]:.1f} % at the lower, {named[2]:.1f} % at the higher",
                )
            )
    return findings


def _mean_share(parts: Sequence[np.ndarray]) -> Interval:
    """The mean over tasks of the share of True, each task's images resampled on their own."""
    generator = np.random.default_rng(SEED)
    draws = [generator.binomial(len(part), part.mean(), NUM_RESAMPLES) / len(part) for part in parts]
    return percentile_interval(np.mean([part.mean() for part in parts]), np.mean(draws, axis=0), CONFIDENCE)


def slow(evidence: Evidence) -> list[Finding]:
    """F3: seconds to train and score by diffusion over those of the slowest of the paper's three "
    "baselines, by task."""
    findings = []
    for key, tasks in evidence.tasks.items():
        for network in evidence.networks(key):
            ratios, folders = [], []
            for task in tasks.values():
                folder, _ = task.sources[f"{network}/one_step"]
                seconds = task.records[folder].wall_seconds
                others = [
                    each.wall_seconds[f"{name}/fit and score"]
                    for each in task.records.values()
                    for name in PAPER_BASELINES
                    if f"{name}/fit and score" in each.wall_seconds
                ]
                if others and {"ddpm/train", "ddpm/score"} <= set(seconds):
                    ratios.append((seconds["ddpm/train"] + seconds["ddpm/score"]) / max(others))
                    folders.append(folder)
            if ratios:
                value = Interval(float(np.median(ratios)), min(ratios), max(ratios))
                findings.append(_slow(evidence, key, network, value, tuple(folders)))
    return findings


def _slow(evidence: Evidence, key: str, network: str, value: Interval, folders: tuple[Path, ...]) -> Finding:
    title = method_title(f"{network}/one_step").partition(",")[0]
    return Finding(
        f"{evidence.data_sets[key].title}: seconds of the {title} over those of the slowest of the three",
        value,
        f"{value.estimate:.1f} times ({value.low:.1f} to {value.high:.1f})",
        is_above(value, 1.0),
        "efficiency",
        folders,
        "median with the smallest and largest ratio of the tasks; the machine was shared",
    )


# --- shared ---


def _groups(scores: RunScores, by_method: Mapping[str, np.ndarray]) -> GroupResults:
    return evaluate_groups(
        scores.labels, scores.groups, by_method, ["auroc"], NUM_RESAMPLES, CONFIDENCE, SEED, scores.units
    )


def _check_same_rows(first: RunScores, other: RunScores, name: str) -> None:
    """RecordError unless both test the same rows."""
    if not (np.array_equal(first.labels, other.labels) and np.array_equal(first.groups, other.groups)):
        raise RecordError(f"{name}: its test images are not those of the record that it is compared with")
