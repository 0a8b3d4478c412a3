"""What stands around a computed page in the book: its facts under the title, a line under each figure and table that
leads to its code and its records, and at the end how to run it again.

All of it is added while the book is built, to a copy of the executed notebook. The addresses are relative, so they hold
on disk.
"""

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode

from diffad.publish import code_pages, launch, record_pages
from diffad.publish.catalog import Page
from diffad.publish.provenance import (
    PageState,
    Provenance,
    duration,
    page_footer,
    page_note,
    read_provenance,
)
from diffad.publish.record_pages import Summary

FOOT = "made-from"  # the anchor of a page's foot
MARKDOWN_TABLE = re.compile(r"^\s*\|\s*:?-", re.MULTILINE)
MANY = 4  # records that are listed one by one


@dataclass(frozen=True)
class Frame:
    """What the frame of a page is made of. up: from the page to the book's own folder, such as "../../"."""

    page: Page
    provenance: Provenance
    state: PageState | None
    records: tuple[Summary, ...]
    services: dict[str, str]
    up: str

    @property
    def code(self) -> str:
        """The address of the page that shows the notebook's source."""
        return f"{self.up}{code_pages.FOLDER}/{PurePosixPath(self.page.source).stem}.html"

    def links(self) -> str:
        """Where the page opens as a notebook, and where its code stands."""
        notebook = f"{self.up}{launch.FOLDER}/{self.page.page}.ipynb"
        links = [f'<a href="{notebook}" download>Download the notebook</a>']
        links += [
            f'<a href="{escape(address)}" rel="noopener">Open on {name}</a>'
            for name, address in self.services.items()
        ]
        return " · ".join([*links, f'<a href="{self.code}">Code</a>', f'<a href="#{FOOT}">Made from</a>'])


def frame_of(
    notebook: NotebookNode,
    page: Page,
    state: PageState | None,
    root: Path,
    up: str = "",
    services: dict[str, str] | None = None,
) -> Frame | None:
    """The frame of an executed notebook; None where the notebook does not say how it was made."""
    provenance = read_provenance(notebook)
    if provenance is None:
        return None
    records = record_pages.records_of(page.records, record_pages.summaries(root)) if page.records else []
    return Frame(page, provenance, state, tuple(records), services or {}, up)


def framed(notebook: NotebookNode, frame: Frame) -> NotebookNode:
    """A copy of an executed notebook with everything that the book adds to it."""
    copy = nbformat.from_dict(notebook)
    tags = [list(cell.metadata.get("tags", [])) for cell in copy.cells]
    numbers = code_pages.source_numbers(tags)
    cells: list[NotebookNode] = []
    for cell, number in zip(copy.cells, numbers, strict=True):
        cells.append(cell)
        if kind := shown_kind(cell):
            cells.append(_raw(origin(frame, kind, number), f"origin-{number}"))
    _add_head(cells, frame)
    cells.append(_raw(foot(frame, notebook), "provenance"))
    copy.cells = cells
    return copy


def _add_head(cells: list[NotebookNode], frame: Frame) -> None:
    """Put the facts, and where need be a note, under the title of the first cell."""
    if not cells or cells[0].cell_type != "markdown":
        return
    lines = cells[0].source.split("\n")
    title = next((number for number, line in enumerate(lines) if line.startswith("# ")), -1)
    added = ["", _fence(head(frame)), "", page_note(frame.provenance, frame.state)]
    cells[0].source = "\n".join([*lines[: title + 1], *added, *lines[title + 1 :]])


def head(frame: Frame) -> str:
    """The facts under a page's title: time to run, edition, device, and its links."""
    run = frame.provenance.run
    facts = [
        f"<b>Time to run:</b> {duration(run.seconds)}",
        f"<b>Edition:</b> {frame.provenance.edition}",
        f"<b>Run on:</b> {escape(run.device)}, {run.date}",
    ]
    if frame.records:
        facts.append(f"<b>Records:</b> {record_pages.standing_of(list(frame.records))}")
    shown = "".join(f"<li>{fact}</li>" for fact in facts)
    return f'<ul class="page-facts">{shown}</ul>\n<p class="page-links">{frame.links()}</p>'


def shown_kind(cell: NotebookNode) -> str:
    """ "figure" or "table" for a code cell that shows one, else ""."""
    outputs = [output.get("data", {}) for output in cell.get("outputs", [])]
    if "remove-cell" in cell.metadata.get("tags", []) or "remove-output" in cell.metadata.get("tags", []):
        return ""
    moving = any('class="moving"' in data.get("text/html", "") for data in outputs)
    if moving or any(kind.startswith("image/") for data in outputs for kind in data):
        return "figure"
    tables = [
        data
        for data in outputs
        if "<table" in data.get("text/html", "") or MARKDOWN_TABLE.search(data.get("text/markdown", ""))
    ]
    return "table" if tables else ""


def origin(frame: Frame, kind: str, number: int) -> str:
    """The line under a figure or table: to the cell of the source, and to the record or records behind it."""
    links = [f'<a href="{frame.code}#cell-{number}" aria-label="Code of this {kind}, cell {number}">Code</a>']
    if len(frame.records) == 1:
        only = frame.records[0]
        links.append(
            f'<a href="{frame.up}{only.page}.html" aria-label="Record behind this {kind}">Record</a>'
        )
    elif frame.records:
        label = f"The {len(frame.records)} records behind this page"
        links.append(f'<a href="#{FOOT}" aria-label="{label}">Records</a>')
    return f'<p class="origin">{" · ".join(links)}</p>'


def foot(frame: Frame, notebook: NotebookNode) -> str:
    """The end of a page: how it was computed, from which records, and how to run it with other parameters."""
    parts = [f"<p>{escape(page_footer(frame.provenance, frame.state))}</p>"]
    if frame.records:
        parts.append(f"<p><b>Records:</b> {_record_links(frame)}</p>")
    if folders := _other_folders(frame):
        parts.append(
            f"<p><b>Read from:</b> {', '.join(f'<code>{escape(name)}</code>' for name in folders)}</p>"
        )
    command = f"python -m diffad.publish run --force {frame.page.page}"
    parts.append(
        f"<p><b>Try it:</b> change a value and run the page again, with <code>{command}</code> or as a notebook. "
        f"{frame.links()}</p>"
    )
    if rows := parameter_rows(notebook):
        parts.append(_parameter_table(rows))
    words = "".join(parts)
    return f'<section id="{FOOT}" class="provenance-footer" aria-label="How this page was made">{words}</section>'


def _parameter_table(rows: list[tuple[str, str, str]]) -> str:
    cells = "".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td><code>{escape(value)}</code></td>'
        f"<td>{escape(what)}</td></tr>"
        for name, value, what in rows
    )
    table = f'<table class="table"><caption>Parameters of this page</caption><tbody>{cells}</tbody></table>'
    return f'<div class="pst-scrollable-table-container">{table}</div>'


def _record_links(frame: Frame) -> str:
    def link(each: Summary) -> str:
        stale = " (stale)" if each.changed else ""
        return f'<a href="{frame.up}{each.page}.html">{escape(each.folder)}</a>{stale}'

    listed = ", ".join(map(link, frame.records))
    if len(frame.records) <= MANY:
        return f"{listed}."
    standing = record_pages.standing_of(list(frame.records))
    return f"<details><summary>{len(frame.records)} records, {standing}</summary>{listed}</details>"


def _other_folders(frame: Frame) -> list[str]:
    """Folders of results that the page reads and that hold no run record."""
    return [name for name in frame.page.records if not record_pages.records_of((name,), frame.records)]


def parameter_rows(notebook: NotebookNode) -> list[tuple[str, str, str]]:
    """Name, value and comment of each parameter of an executed notebook; what papermill injected counts."""
    rows: dict[str, tuple[str, str]] = {}
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "parameters" in tags or "injected-parameters" in tags:
            comments = _comments(cell.source)
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    name = node.targets[0].id
                    what = comments.get(node.end_lineno or node.lineno) or rows.get(name, ("", ""))[1]
                    rows[name] = (ast.unparse(node.value), what)
    return [(name, *rest) for name, rest in rows.items()]


def _comments(code: str) -> dict[int, str]:
    """The comment at the end of each line, by the line's number."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _fence(html: str) -> str:
    return f"```{{raw}} html\n{html}\n```"


def _raw(html: str, identifier: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(_fence(html), id=identifier)
