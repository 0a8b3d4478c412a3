"""Sphinx extension: shows a computed page's provenance on it; the notebook's file stays as it is.

It also fills the table of all pages where a Markdown page holds the line `<!-- page-status -->`,
and lets MathJax draw.
"""

import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.config import Config

from diffad.publish import icons, mathematics
from diffad.publish.catalog import Catalog
from diffad.publish.inputs import digest_files
from diffad.publish.provenance import read_state, state_path, status_row, with_provenance
from diffad.publish.runner import CATALOG, executed_path, load_catalog, read_executed

STATUS_MARK = "<!-- page-status -->"
STATUS_HEAD = (
    "| Page | Edition | Data | Run time | Device | Date | torch | State |",
    "|---|---|---|---|---|---|---|---|",
)


def mark_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Event `source-read`: add provenance to an executed notebook, or the table to the page with the mark."""
    root, page = Path(app.srcdir), Path(docname).name
    if Path(app.env.doc2path(docname)).suffix == ".ipynb":
        app.env.note_dependency(str(state_path(root, page)))
        executed = titled(nbformat.reads(source[0], as_version=4), page, load_catalog(root / CATALOG))
        source[0] = nbformat.writes(with_provenance(executed, read_state(root, page)))
    elif STATUS_MARK in source[0]:
        source[0] = source[0].replace(STATUS_MARK, status_table(app, root, Path(docname).parent))


def titled(notebook: NotebookNode, name: str, catalog: Catalog) -> NotebookNode:
    """The notebook under its page's title in the catalogue, where several pages come from one source: its own
    heading could not tell them apart.
    """
    pages = {page.page: page for page in catalog.pages}
    sources = [page.source for page in catalog.pages]
    if name not in pages or sources.count(pages[name].source) == 1:
        return notebook
    for cell in notebook.cells:
        heading = re.compile(r"^# .*$", re.MULTILINE)
        if cell.cell_type == "markdown" and heading.search(cell.source):
            cell.source = heading.sub(lambda _: f"# {pages[name].title}", cell.source, count=1)
            break
    return notebook


def status_table(app: Sphinx, root: Path, folder: Path) -> str:
    """A Markdown table with one row for each page of the catalogue, linked from a page in `folder`."""
    catalog = load_catalog(root / CATALOG)
    rows = list(STATUS_HEAD)
    for page in catalog.pages:
        path = executed_path(root, catalog, page)
        for dependency in (path, state_path(root, page.page), root / CATALOG):
            app.env.note_dependency(str(dependency))
        link = (
            f"[{page.title}]({path.relative_to(root / folder).as_posix()})" if path.is_file() else page.title
        )
        rows.append(status_row(link, page.edition, read_executed(path), read_state(root, page.page)))
    return "\n".join(rows)


def notice_new_looks(app: Sphinx, config: Config) -> None:
    """Event `config-inited`: a change of a style sheet or a logo counts as a change of every page's look."""
    # Without this Sphinx finds no page out of date and copies no static file.
    folders = [Path(app.srcdir) / name for name in config.html_static_path]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    config.diffad_static_files = digest_files(files, Path(app.srcdir))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_config_value("diffad_static_files", "", "html", types=[str])
    mathematics.setup(app)
    app.connect("config-inited", notice_new_looks)
    app.connect("source-read", mark_page)
    app.connect("build-finished", icons.trim_icons)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
