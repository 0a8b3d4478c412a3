"""Sphinx extension: frames each computed page with where it comes from; the notebook's file stays as it is.

It adds pages for the notebooks' sources and for the run records, and fills the tables of all pages and of all records
where a Markdown page holds the lines `<!-- page-status -->` and `<!-- record-status -->`. Formulas are drawn by
`mathematics`, icons by `icons`; what the page for teachers says of the notebooks comes from `coursework.syllabus`.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.config import Config

from diffad.coursework import syllabus
from diffad.coursework.exercises import without_exercises
from diffad.publish import code_pages, icons, launch, mathematics
from diffad.publish.catalog import Catalog
from diffad.publish.inputs import digest_files
from diffad.publish.launch import Launch
from diffad.publish.page_frame import frame_of, framed
from diffad.publish.provenance import read_state, state_path, status_row
from diffad.publish.record_pages import RESULTS, record_body, records_of, standing_of, status_rows, summaries
from diffad.publish.runner import CATALOG, executed_path, load_catalog, read_executed

STATUS_MARK = "<!-- page-status -->"
RECORDS_MARK = "<!-- record-status -->"
STATUS_HEAD = (
    "| Page | Edition | Run time | Data | Computed | State | Records |",
    "|---|---|---|---|---|---|---|",
)


def mark_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Event `source-read`: frame an executed notebook, or fill in the tables of the page with the marks."""
    root, page = Path(app.srcdir), Path(docname).name
    if Path(app.env.doc2path(docname)).suffix == ".ipynb":
        app.env.note_dependency(str(state_path(root, page)))
        source[0] = nbformat.writes(as_shown(app, docname, nbformat.reads(source[0], as_version=4)))
        return
    if STATUS_MARK in source[0]:
        source[0] = source[0].replace(STATUS_MARK, status_table(app, root, Path(docname).parent))
    if RECORDS_MARK in source[0]:
        for summary in summaries(root):
            app.env.note_dependency(str(root / RESULTS / summary.folder / "record.json"))
        source[0] = source[0].replace(RECORDS_MARK, "\n".join(status_rows(summaries(root), above(docname))))
    if syllabus.TABLE_MARK in source[0]:
        for path in (root / load_catalog(root / CATALOG).output).glob("*.ipynb"):
            app.env.note_dependency(str(path))
    source[0] = syllabus.fill_in(source[0], root, Path(docname).parent)


def as_shown(app: Sphinx, docname: str, executed: NotebookNode) -> NotebookNode:
    """An executed notebook with its page's title and, in the book of pages, its frame."""
    root, name = Path(app.srcdir), Path(docname).name
    catalog = load_catalog(root / CATALOG)
    page = next((each for each in catalog.pages if each.page == name), None)
    if page is None:
        return executed
    for folder in page.records:
        for record in (root / folder).rglob("record.json"):
            app.env.note_dependency(str(record))
    # A label may stand once in a book: the exercises stand on the page that is named after their source.
    once = executed if Path(page.source).stem == name else without_exercises(executed)
    titled_copy = titled(once, name, catalog)
    services = launch_of(app).links(name, catalog.output)
    frame = frame_of(titled_copy, page, read_state(root, name), root, above(docname), services)
    # One long page, from which the PDF is printed, has no other pages beside it.
    return framed(titled_copy, frame) if frame is not None and app.builder.name == "html" else titled_copy


def above(docname: str) -> str:
    """The way from a page to the book's own folder: "../../" from book/chapters/page."""
    return "../" * docname.count("/")


def launch_of(app: Sphinx) -> Launch:
    """Where the project can be had, as `_config.yml` says."""
    config = app.config
    return Launch(config.diffad_repository, config.diffad_branch, config.diffad_book_branch)


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
        standing = standing_of(records_of(page.records, summaries(root)))
        state = read_state(root, page.page)
        rows.append(status_row(link, page.edition, read_executed(path), state, standing))
    return "\n".join(rows)


def extra_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Event `html-collect-pages`: a page for each notebook's source and for each run record."""
    if app.builder.name != "html":
        return
    root = Path(app.srcdir)
    catalog = load_catalog(root / CATALOG)
    for name in dict.fromkeys(page.source for page in catalog.pages if (root / page.source).is_file()):
        docname = f"{code_pages.FOLDER}/{Path(name).stem}"
        body = code_pages.code_body(root / name, name, above(docname))
        yield docname, {"title": f"The code of {Path(name).name}", "body": body}, "page.html"
    for summary in summaries(root):
        body = record_body(summary, root, catalog, above(summary.page))
        yield summary.page, {"title": f"Record {summary.folder}", "body": body}, "page.html"


def copy_files(app: Sphinx, exception: Exception | None) -> None:
    """Event `build-finished`: put the notebooks to download, their sources and the records beside the pages."""
    if exception is not None or app.builder.name != "html":
        return
    root, target = Path(app.srcdir), Path(app.outdir)
    catalog = load_catalog(root / CATALOG)
    for folder in (launch.FOLDER, code_pages.FOLDER):
        (target / folder).mkdir(exist_ok=True)
    for page in catalog.pages:
        if (root / page.source).is_file():
            shutil.copy(root / page.source, target / code_pages.FOLDER)
        if (executed := read_executed(executed_path(root, catalog, page))) is not None:
            ready = launch.launchable(executed, page, root, launch_of(app), catalog.output)
            nbformat.write(ready, target / launch.FOLDER / f"{page.page}.ipynb")
    for summary in summaries(root):
        source = root / RESULTS / summary.folder / "record.json"
        shutil.copy(source, target / f"{summary.page}.json")


def mend_roles(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Event `html-page-context`: docutils calls a bibliography a list, and its entries no items of one."""
    if "body" in context:
        context["body"] = context["body"].replace(
            '<div role="list" class="citation-list">', '<div class="citation-list">'
        )


def draw_every_node(app: Sphinx) -> None:
    """Event `builder-inited`: one long page is drawn by the rules of the many.

    Sphinx looks for rules under the builder's name and, finding any, never under its format.
    """
    rules = app.registry.translation_handlers
    rules["singlehtml"] = rules.get("html", {}) | rules.get("singlehtml", {})


def notice_new_looks(app: Sphinx, config: Config) -> None:
    """Event `config-inited`: a change of a style sheet or a logo counts as a change of every page's look."""
    # Without this Sphinx finds no page out of date and copies no static file.
    folders = [Path(app.srcdir) / name for name in config.html_static_path]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    config.diffad_static_files = digest_files(files, Path(app.srcdir))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_config_value("diffad_static_files", "", "html", types=[str])
    app.add_config_value("diffad_repository", "", "env", types=[str])
    app.add_config_value("diffad_branch", "main", "env", types=[str])
    app.add_config_value("diffad_book_branch", "gh-pages", "env", types=[str])
    mathematics.setup(app)
    app.connect("config-inited", notice_new_looks)
    app.connect("builder-inited", draw_every_node)
    app.connect("source-read", mark_page)
    app.connect("html-page-context", mend_roles)
    app.connect("html-collect-pages", extra_pages)
    app.connect("build-finished", copy_files)
    app.connect("build-finished", icons.trim_icons)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
