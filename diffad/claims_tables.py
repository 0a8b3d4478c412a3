"""The claims as tables of a page: HTML that says in words what it shows in colour, links each number to its chapter and
records, and prints the command that makes it anew.
"""

import html
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from diffad.claims import Judged, Outcome, Verdict
from diffad.workflow import command_of

# Dark enough for white letters (contrast above 4.5), and told apart in grey by their sign and word.
VERDICT_LOOKS = {
    Verdict.HOLDS: ("✔", "#00604A"),
    Verdict.IN_PART: ("◐", "#7A5200"),
    Verdict.FAILS: ("✘", "#9C1C0C"),
    Verdict.NOT_TESTABLE: ("?", "#4A4A4A"),
    Verdict.NOT_RUN: ("–", "#4A4A4A"),
}
OUTCOME_LOOKS = {
    Outcome.SUPPORTS: ("✔", "#00604A"),
    Outcome.IN_PART: ("◐", "#7A5200"),
    Outcome.UNDECIDED: ("?", "#4A4A4A"),
    Outcome.CONTRADICTS: ("✘", "#9C1C0C"),
}
RECORD_PAGES = "../../records"  # from a chapter of the built book
NUMBER = "<td style='white-space:nowrap'>"


def badge(said: Verdict | Outcome) -> str:
    """A verdict or an outcome as a coloured word with its sign."""
    sign, colour = (VERDICT_LOOKS if isinstance(said, Verdict) else OUTCOME_LOOKS)[said]
    return (
        f"<span style='background:{colour};color:#fff;border-radius:4px;padding:1px 6px;white-space:nowrap'>"
        f"{sign}&nbsp;{html.escape(said)}</span>"
    )


def counted_outcomes(judged: Judged) -> str:
    """The findings by their outcome, in words: "3 supports, 1 contradicts"."""
    counts = Counter(each.outcome for each in judged.findings)
    return ", ".join(f"{counts[each]} {each}" for each in Outcome if counts[each]) or "no record"


def summary_html(judged: Mapping[str, Judged], anchors: bool = True) -> str:
    """A row a claim: what the paper says and where, the verdict, and what the findings say.

    Args:
        judged: by key.
        anchors: whether keys link to the page's sections, `#c1` and so on.
    """
    rows = []
    for key, each in judged.items():
        name = f"<a href='#{key.lower()}'>{key}</a>" if anchors else key
        rows.append(
            f"<tr><td>{name}</td><td>{html.escape(each.claim.claim)}</td><td>{html.escape(each.claim.where)}</td>"
            f"<td>{badge(each.verdict)}</td><td>{_parts(each)}{counted_outcomes(each)}</td></tr>"
        )
    head = "<tr><th></th><th>claim</th><th>where</th><th>verdict</th><th>findings</th></tr>"
    return _table("Every claim with its verdict", head, rows)


def _parts(judged: Judged) -> str:
    """The verdict on each part of a claim that has several, a line each."""
    return "".join(f"{html.escape(name)}: {badge(verdict)}<br>" for name, verdict in judged.parts.items())


def findings_html(judged: Judged, known: Mapping[str, str], chapters: Collection[str]) -> str:
    """A row a finding of one claim: number with interval, outcome and chapter; below, the records and their commands.

    Args:
        judged: the claim.
        known: from `diffad.workflow.commands`.
        chapters: pages that the book has; others are not linked.
    """
    if not judged.findings:
        return (
            f"<p>{badge(Verdict.NOT_RUN)} No record of this is among those published. A claim without a record has no "
            "verdict.</p>"
        )
    rows = []
    for each in judged.findings:
        chapter = (
            f"<a href='{each.chapter}.html'>{each.chapter.replace('_', ' ')}</a>"
            if each.chapter in chapters
            else ""
        )
        rows.append(
            f"<tr><td>{html.escape(each.what)}</td>{NUMBER}{html.escape(each.numbers)}</td><td>{badge(each.outcome)}</td>"
            f"<td>{html.escape(each.detail)}</td><td>{chapter}</td></tr>"
        )
    head = "<tr><th>experiment</th><th>number (95 % interval)</th><th>says</th><th>more</th><th>chapter</th></tr>"
    return _table(f"Findings for {judged.claim.key}", head, rows) + _sources_html(judged, known)


def _sources_html(judged: Judged, known: Mapping[str, str]) -> str:
    """Each command with the records that it makes, once for all findings of a claim; closed until asked for."""
    folders = list(dict.fromkeys(folder for each in judged.findings for folder in each.records))
    rows = []
    for command, found in grouped_commands(folders, known).items():
        links = " ".join(
            f"<a href='{RECORD_PAGES}/{_name(folder)}.html'>{html.escape(_name(folder))}</a>"
            for folder in found
        )
        rows.append(f"<tr><td><code>{html.escape(command)}</code></td><td>{links}</td></tr>")
    head = "<tr><th>run it again</th><th>records</th></tr>"
    return (
        f"<details><summary>Records behind these findings ({len(folders)}), and the commands that make them</summary>"
        f"{_table('', head, rows)}</details>"
    )


def records_html(records: Mapping[str, Sequence[Path]], known: Mapping[str, str]) -> str:
    """A row a record: the task that it is of, a link to its page, and the command that makes it anew.

    Args:
        records: task -> folders of its records.
        known: from `diffad.workflow.commands`.
    """
    rows = []
    for task, folders in records.items():
        for folder in folders:
            link = f"<a href='{RECORD_PAGES}/{_name(folder)}.html'>{html.escape(_name(folder))}</a>"
            command = f"<code>{html.escape(command_of(folder, known))}</code>"
            rows.append(f"<tr><td>{html.escape(task)}</td><td>{link}</td><td>{command}</td></tr>")
    head = "<tr><th>task</th><th>record</th><th>run it again</th></tr>"
    return f"<details><summary>{len(rows)} records and their commands</summary>{_table('', head, rows)}</details>"


def _name(folder: Path) -> str:
    """A record's folder below that of all results."""
    parts = folder.parts
    return "/".join(parts[parts.index("results") + 1 :]) if "results" in parts else folder.name


def grouped_commands(folders: Sequence[Path], known: Mapping[str, str]) -> dict[str, list[Path]]:
    """Commands of records; those that differ in their cell alone stand together with CELL in its place."""
    grouped: dict[str, list[Path]] = {}
    for folder in folders:
        command = command_of(folder, known)
        words = command.split()
        for option in ("--cell", "--run"):
            if option in words:
                words[words.index(option) + 1] = "CELL"
        grouped.setdefault(" ".join(words), []).append(folder)
    return {
        (command_of(found[0], known) if len(found) == 1 else command): found
        for command, found in grouped.items()
    }


def _table(caption: str, head: str, rows: Sequence[str]) -> str:
    return (
        f"<div style='overflow-x:auto'><table class='table'><caption>{html.escape(caption)}</caption>"
        f"<thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
