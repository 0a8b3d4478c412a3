"""What the page for teachers says by code: links to chapters, and how long each notebook of the course takes.

A Markdown page holds the lines `<!-- course-notebooks -->` for the table, and `<!-- chapter:NAME -->` for a link.
"""

import re
from collections import Counter
from pathlib import Path

from diffad.coursework.editions import TESTS, pages_with_exercises
from diffad.coursework.exercises import KINDS, exercises_of
from diffad.coursework.grading import read_question
from diffad.publish.catalog import load_catalog
from diffad.publish.provenance import duration, read_provenance
from diffad.publish.runner import CATALOG, executed_path, read_executed

TABLE_MARK = "<!-- course-notebooks -->"
CHAPTER_MARK = re.compile(r"<!-- chapter:(\w+) -->")
HEAD = (
    "| Notebook | Compute | Implement | Investigate | Points | Run time | Run on |",
    "|---|---|---|---|---|---|---|",
)


def fill_in(text: str, root: Path, folder: Path) -> str:
    """The text of a page in `folder` with its marks replaced."""
    if TABLE_MARK in text:
        text = text.replace(TABLE_MARK, course_table(root, folder))
    return CHAPTER_MARK.sub(lambda match: chapter_link(match.group(1), root, folder), text)


def chapter_link(name: str, root: Path, folder: Path) -> str:
    """A link to a computed page by its title; its name in words where it is not there, as in a part of the book."""
    catalog = load_catalog(root / CATALOG)
    page = next((each for each in catalog.pages if each.page == name), None)
    if page is None or not executed_path(root, catalog, page).is_file():
        return name.replace("_", " ")
    return f"[{page.title}]({executed_path(root, catalog, page).relative_to(root / folder).as_posix()})"


def course_table(root: Path, folder: Path) -> str:
    """A Markdown table: a row for each notebook with exercises, how many of each kind, points, and the time it took.

    A line below it names the slowest.
    """
    catalog, rows, total, points = load_catalog(root / CATALOG), list(HEAD), Counter(), 0.0
    seconds: dict[str, float] = {}
    for page in pages_with_exercises(root):
        executed = read_executed(executed_path(root, catalog, page))
        pairs, known = exercises_of(executed), read_provenance(executed)
        kinds = Counter(exercise.title.split(":")[0] for exercise, _ in pairs)
        seconds |= {page.title: known.run.seconds} if known else {}
        graded = sum(_points(root, solution.name) for _, solution in pairs)
        time = (duration(known.run.seconds), known.run.device) if known else ("", "")
        counts = [str(kinds[kind]) for kind in KINDS]
        rows.append(
            f"| {' | '.join([chapter_link(page.page, root, folder), *counts, f'{graded:g}', *time])} |"
        )
        total, points = total + kinds, points + graded
    counts = [f"**{total[kind]}**" for kind in KINDS]
    rows.append(f"| {' | '.join([f'**{total.total()} exercises**', *counts, f'**{points:g}**', '', ''])} |")
    slowest = max(seconds, key=seconds.get, default="")
    last = f"The slowest of them, *{slowest}*, took {duration(seconds[slowest])}." if slowest else ""
    return "\n".join([*rows, "", last])


def _points(root: Path, name: str) -> float:
    path = root / TESTS / f"{name}.py"
    return read_question(path).points if path.is_file() else 0.0
