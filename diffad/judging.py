"""All claims judged: findings from the records, verdicts from the findings."""

from collections.abc import Iterable
from dataclasses import replace

from diffad import evidence_of_failures as failures
from diffad import evidence_of_runs as runs
from diffad import evidence_of_trainings as trainings
from diffad.ablation_tables import PSNR, SHARPNESS
from diffad.claims import CLAIMS, Finding, Judged
from diffad.evidence import (
    BEST_READING,
    PAPER_SCORES,
    Evidence,
    beats_the_three,
    local_against_global,
    normal_is_easier,
    transformer_keeps_up,
    walk_against_one_look,
    walk_against_traditional,
)


def judge(evidence: Evidence) -> dict[str, Judged]:
    """Every claim by its key with its findings, in the order of `diffad.claims.CLAIMS`.

    Raises:
        RecordError: a record is damaged, was edited by hand, or cannot be joined with those of its task.
    """
    findings = {
        "C1": beats_the_three(evidence, PAPER_SCORES),
        "C1b": beats_the_three(evidence, [BEST_READING]),
        "C2": normal_is_easier(evidence),
        "C3": [
            *part("against traditional methods", walk_against_traditional(evidence)),
            *part("iterating against one look", walk_against_one_look(evidence) + runs.long_walk(evidence)),
        ],
        "C4": [
            *part("scaling", transformer_keeps_up(evidence)),
            *part("local and global", local_against_global(evidence)),
        ],
        "C5": [
            *part(
                "closer to the original",
                runs.closer(evidence) + trainings.five_steps_against_one(evidence, PSNR),
            ),
            *part("sharper", trainings.five_steps_against_one(evidence, SHARPNESS)),
            *part("better detection", runs.steps_found(evidence) + trainings.numbers_of_steps(evidence)),
            *part("more compute", runs.steps_cost(evidence)),
            *part("schedules change quality", trainings.schedule_quality(evidence)),
            *part("schedules change detection", trainings.schedules(evidence)),
        ],
        "C6": [
            *part("noise", runs.noise(evidence)),
            *part("attacks", runs.attacks(evidence)),
            *part("contaminated training", runs.contamination(evidence)),
        ],
        "F1": failures.false_positives(evidence),
        "F2": failures.false_negatives(evidence),
        "F3": failures.slow(evidence),
    }
    return {key: Judged(claim, tuple(findings[key])) for key, claim in CLAIMS.items()}


def part(name: str, findings: Iterable[Finding]) -> list[Finding]:
    """The findings, each told to be about one part of its claim."""
    return [replace(each, part=name) for each in findings]
