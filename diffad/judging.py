"""All claims judged: findings from the records, verdicts from the findings."""

from diffad import evidence_of_failures as failures
from diffad import evidence_of_runs as runs
from diffad.claims import CLAIMS, Judged
from diffad.evidence import (
    BEST_READING,
    PAPER_SCORES,
    Evidence,
    beats_the_three,
    iterating_helps,
    normal_is_easier,
    transformer_keeps_up,
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
        "C3": iterating_helps(evidence) + runs.long_walk(evidence),
        "C4": transformer_keeps_up(evidence),
        "C5": runs.more_steps(evidence)
        + runs.finer(evidence)
        + runs.numbers_of_steps(evidence)
        + runs.schedules(evidence),
        "C6": runs.noise(evidence) + runs.attacks(evidence) + runs.contamination(evidence),
        "F1": failures.false_positives(evidence),
        "F2": failures.false_negatives(evidence),
        "F3": failures.slow(evidence),
    }
    return {key: Judged(claim, tuple(findings[key])) for key, claim in CLAIMS.items()}
