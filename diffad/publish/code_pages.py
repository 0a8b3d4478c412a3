"""The sources of the notebooks as pages of the built book, a section a cell, so that a figure can link to its code."""

import re
from html import escape
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

FOLDER = "code"  # of the built book
MARKER = re.compile(r"^# %%.*$", re.MULTILINE)


def source_cells(text: str) -> list[str]:
    """The cells of a py:percent source as they are written, from one `# %%` line to the next."""
    starts = [match.start() for match in MARKER.finditer(text)]
    return [text[start:end].rstrip() for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def code_body(source: Path, name: str, up: str) -> str:
    """The HTML of the page that shows a source.

    name: of the file, from the project's folder. up: from the page to the book's own folder, such as "../".
    """
    cells = source_cells(source.read_text(encoding="utf-8"))
    formatter = HtmlFormatter(cssclass="highlight", wrapcode=True)
    parts = [
        f"<h1>The code of <code>{escape(source.name)}</code></h1>",
        f"<p>The source <code>{escape(name)}</code>, cell by cell; prose stands in comments. "
        f'<a href="{up}{FOLDER}/{escape(source.name)}" download>Download the file</a>.</p>',
    ]
    for number, cell in enumerate(cells):
        shown = highlight(cell, PythonLexer(), formatter)
        link = f'<a class="cell-number" href="#cell-{number}">cell {number}</a>'
        parts.append(
            f'<section class="source-cell" id="cell-{number}" aria-label="Cell {number}">{link}{shown}</section>'
        )
    return "\n".join(parts)


def source_numbers(tags: list[list[str]]) -> list[int]:
    """For each cell of an executed notebook its number in the source: papermill adds one cell with the parameters.

    tags: of each cell, in order.
    """
    numbers, current = [], -1
    for names in tags:
        current += "injected-parameters" not in names
        numbers.append(current)
    return numbers
