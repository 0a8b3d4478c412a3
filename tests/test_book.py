"""The book's configuration, prose and rendering: complete, consistent, and without a word to another host."""

import html
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
import yaml
from pybtex.database import parse_file

import diffad
from diffad.publish import load_catalog, notebook, provenance, runner

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
CATALOG = load_catalog(ROOT / runner.CATALOG)
PROSE = sorted((ROOT / "book").glob("*.md"))
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
JUPYTER_BOOK = Path(sys.executable).with_name("jupyter-book")


def toc_files(entry) -> list[str]:
    """Every file named anywhere in a table of contents."""
    if isinstance(entry, dict):
        return [entry[key] for key in ("root", "file") if key in entry] + toc_files(list(entry.values()))
    return [name for part in entry for name in toc_files(part)] if isinstance(entry, list) else []


def test_every_page_of_the_table_of_contents_exists():
    missing = [name for name in toc_files(TOC) if not list(ROOT.glob(f"{name}.*"))]
    assert not missing


def test_every_computed_page_and_every_prose_page_is_in_the_table_of_contents():
    listed = toc_files(TOC)
    assert len(listed) == len(set(listed))
    computed = {f"{CATALOG.output}/{page.page}" for page in CATALOG.pages}
    assert set(listed) == computed | {f"book/{path.stem}" for path in PROSE}


def test_the_rendering_never_runs_a_notebook_and_its_extensions_are_installed():
    assert CONFIG["execute"]["execute_notebooks"] == "off"
    for extension in CONFIG["sphinx"]["config"]["extensions"]:
        assert importlib.import_module(extension).setup


def test_every_citation_is_in_the_bibliography():
    cited = {
        key.strip()
        for path in [*PROSE, *SOURCES]
        for group in re.findall(r"\{cite(?::[a-z]+)?\}`([^`]+)`", path.read_text())
        for key in group.split(",")
    }
    assert cited and cited <= set(parse_file(ROOT / "book" / "references.bib").entries)


def test_dependencies_stand_in_one_place_and_each_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        re.match(r"[\w.-]+", line).group()
        for line in project["dependencies"] + extras["book"] + extras["test"]
    ]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.!+-]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    assert {name.lower().replace("_", "-") for name in wanted} <= pinned
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert [name for name in environment if isinstance(name, str)] == ["python=3.11", "pip", "make", "git"]
    assert environment[-1] == {"pip": ["--constraint constraints.txt", "--editable .[book,test]"]}


def test_the_version_is_the_same_everywhere():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == diffad.__version__


def test_the_commands_that_the_readme_and_the_book_name_exist():
    makefile = (ROOT / "Makefile").read_text()
    for path in (ROOT / "README.md", ROOT / "book" / "how_to_run.md"):
        # In a block of commands, or in a sentence between backquotes.
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), flags=re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"{path.name}: make {target}"


class Resources(HTMLParser):
    """What a page loads by itself, and what its scripts and styles hold."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.within = ""

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.within = tag if tag in ("script", "style") else ""
        if tag in ("script", "img", "iframe", "source", "video", "embed") and values.get("src"):
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") not in (
            "next",
            "prev",
            "canonical",
            "author",
            "index",
            "search",
        ):
            self.loaded.append(values.get("href", ""))

    def handle_endtag(self, tag):
        self.within = ""

    def handle_data(self, data):
        if self.within:
            self.inline.append(data)


CHAPTER = """\
# A computed page

A number {glue:text}`answer`, an equation {eq}`eq-one`, a source {cite:p}`ho2020denoising`, a word
{term}`DDPM`.

$$
q(x_t \\mid x_0) = \\mathcal N(\\sqrt{\\bar\\alpha_t} x_0, (1 - \\bar\\alpha_t) I)
$$ (eq-one)

:::{prf:proposition} A statement
:label: prop-one
True.
:::

:::{exercise} Compute
:label: exercise-one
Do it.
:::

:::{solution} exercise-one
:class: dropdown
```{literalinclude} /coursework/solutions/chapter.py
:pyobject: done
```
:::
"""


def computed_page() -> nbformat.NotebookNode:
    """An executed notebook with an equation, a glued number, a proposition, an exercise and a provenance."""
    source = "from myst_nb import glue\nglue('answer', 42, display=False)"
    output = nbformat.v4.new_output(
        "display_data",
        data={"application/papermill.record/text/plain": "42"},
        metadata={"scrapbook": {"mime_prefix": "application/papermill.record/", "name": "answer"}},
    )
    cells = [nbformat.v4.new_markdown_cell(CHAPTER), nbformat.v4.new_code_cell(source, outputs=[output])]
    nb = notebook.clean(nbformat.v4.new_notebook(cells=cells))
    inputs = {"source": "", "library": "", "parameters": "", "files": "", "records": {}, "datasets": {}}
    run = {"date": "2020-02-29", "seconds": 90.0, "device": "abacus", "python": "3.11.0", "versions": {}}
    nb.metadata["diffad"] = {
        "page": "chapter",
        "source": "notebooks/chapter.py",
        "edition": "cpu",
        "run": run,
    }
    nb.metadata["diffad"] |= {"parameters": {}, "datasets": ["mnist"], "inputs": inputs}
    assert provenance.read_provenance(nb) is not None
    return nb


@pytest.fixture(scope="module")
def small_book(tmp_path_factory) -> Path:
    """The book's own configuration and prose with one computed page."""
    root = tmp_path_factory.mktemp("book")
    shutil.copy(ROOT / "_config.yml", root)
    shutil.copytree(ROOT / "book", root / "book", ignore=shutil.ignore_patterns("chapters"))
    # The prose leads to chapters, and the landing page shows numbers of some, that are not part of this small book.
    for page in (root / "book").glob("*.md"):
        page.write_text(re.sub(r"\[([^\]]+)\]\(chapters/[^)]+\)", r"\1", page.read_text()))
    (root / "book" / "index.md").write_text("# A small book\n\nWith {eq}`eq-one` of another page.\n")
    (root / "notebooks").mkdir()
    (root / "notebooks" / "chapter.py").write_text(
        "# %% [markdown]\n# # A computed page\n\n# %%\nanswer = 42\n"
    )
    entry = {
        "page": "chapter",
        "source": "notebooks/chapter.py",
        "title": "A computed page",
        "edition": "cpu",
    }
    (root / "notebooks" / "catalog.yaml").write_text(yaml.safe_dump({"pages": [entry]}))
    (root / "coursework" / "solutions").mkdir(parents=True)
    (root / "coursework" / "solutions" / "chapter.py").write_text("def done():\n    return 'it is done'\n")
    (root / "book" / "chapters").mkdir()
    nbformat.write(computed_page(), root / "book" / "chapters" / "chapter.ipynb")
    names = ["book/chapters/chapter", *(f"book/{path.stem}" for path in PROSE if path.stem != "index")]
    toc = {"format": "jb-book", "root": "book/index", "chapters": [{"file": name} for name in names]}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    return root


def render(root: Path) -> subprocess.CompletedProcess:
    command = [str(JUPYTER_BOOK), "build", ".", "-n", "-W", "--keep-going"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.fixture(scope="module")
def rendered(small_book) -> Path:
    done = render(small_book)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return small_book / "_build" / "html"


def test_no_page_loads_anything_from_another_host(rendered):
    pages = [path for path in rendered.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > len(PROSE)
    for page in pages:
        resources = Resources()
        resources.feed(page.read_text())
        for address in resources.loaded:
            assert not re.match(r"(https?:)?//", address), f"{page.name} loads {address}"
            path = address.split("?")[0].split("#")[0]
            assert path.startswith("data:") or (page.parent / path).is_file(), f"{page.name} lacks {address}"
        hosts = [text for text in resources.inline if re.search(r"https?://(?!www\.w3\.org)", text)]
        assert not hosts, f"{page.name} names another host in a script or style: {hosts[0][:200]}"
    for style in (rendered / "_static").glob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style.read_text()), style.name


def test_every_internal_link_leads_somewhere(rendered):
    pages = {path: path.read_text() for path in rendered.rglob("*.html") if "_static" not in path.parts}
    anchors = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    for page, text in pages.items():
        for address in map(html.unescape, re.findall(r'<a[^>]*\bhref="([^"]+)"', text)):
            if re.match(r"[a-z]+:", address):
                continue
            name, _, anchor = address.partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.is_file(), f"{page.name}: {address}"
            assert not anchor or target not in anchors or anchor in anchors[target], f"{page.name}: {address}"


def test_a_search_from_disk_fetches_nothing(rendered):
    assert "SHOW_SEARCH_SUMMARY: false" in (rendered / "_static" / "documentation_options.js").read_text()


def test_mathematics_is_drawn_in_the_page_and_loads_no_script(rendered):
    page = (rendered / "book" / "chapters" / "chapter.html").read_text()
    assert "<mjx-container" in page and "<mjx-assistive-mml" in page and "eq-one" in page
    assert not re.search(r"<script[^>]*mathjax", page, flags=re.IGNORECASE)
    used, defined = re.findall(r'href="#(glyph-\w+)"', page), re.findall(r'<path id="(glyph-\w+)"', page)
    assert set(used) == set(defined) and len(defined) == len(set(defined)) < len(used)


def test_only_the_icons_that_the_pages_show_are_loaded(rendered):
    script = (rendered / "_static" / "scripts" / "fontawesome.js").read_text()
    assert len(script) < 50_000 and '"magnifying-glass"' in script and '"circle-half-stroke"' in script
    assert '"dragon"' not in script


def test_a_computed_page_shows_when_and_on_what_it_was_run(rendered):
    page = (rendered / "book" / "chapters" / "chapter.html").read_text()
    assert "Computed on 2020-02-29 on abacus in 2 min" in page  # at the end
    top = re.sub(r"<[^>]+>", "", page[page.index("page-facts") : page.index("page-links")])
    assert "Time to run: 2 min" in top and "Edition: cpu" in top and "Run on: abacus, 2020-02-29" in top
    assert "cpu edition" in page and "data: mnist" in page
    status = (rendered / "book" / "status.html").read_text()
    assert "abacus" in status and "chapters/chapter.html" in status


def test_a_page_leads_to_its_code_and_to_a_notebook_that_installs_what_it_needs(rendered):
    page = (rendered / "book" / "chapters" / "chapter.html").read_text()
    assert 'href="../../code/chapter.html"' in page and 'href="../../notebooks/chapter.ipynb"' in page
    assert 'id="cell-1"' in (rendered / "code" / "chapter.html").read_text()
    downloaded = nbformat.read(rendered / "notebooks" / "chapter.ipynb", as_version=4)
    assert downloaded.cells[0].metadata.tags == ["install"]


def test_a_solution_is_folded_and_shows_the_code_of_its_file(rendered):
    page = (rendered / "book" / "chapters" / "chapter.html").read_text()
    solution = page.split('class="solution dropdown admonition"')[1]
    assert "it is done" in re.sub(r"<[^>]+>", "", solution)


def test_the_page_for_teachers_counts_the_exercises(rendered):
    text = re.sub(r"<[^>]+>", " ", (rendered / "book" / "teach.html").read_text())
    assert re.search(r"1\s+exercises", text) and "A computed page" in text and "forward process" in text


def test_the_glued_number_arrives(rendered):
    text = re.sub(r"<[^>]+>", "", (rendered / "book" / "chapters" / "chapter.html").read_text())
    assert "A number 42, an equation" in text


def test_a_page_is_read_again_when_its_state_changes(small_book, rendered):
    path = provenance.state_path(small_book, "chapter")
    path.parent.mkdir(parents=True)
    state = provenance.PageState(page="chapter", how="copy", key="", notebook="", missing=("mnist",))
    path.write_text(state.model_dump_json())
    assert render(small_book).returncode == 0
    page = (rendered / "book" / "chapters" / "chapter.html").read_text()
    assert "is not in the data home" in re.sub(r"<[^>]+>", "", page)


def test_a_changed_style_sheet_reaches_the_pages(small_book, rendered):
    style = small_book / "book" / "_static" / "diffad.css"
    style.write_text(style.read_text() + "/* new */")
    assert render(small_book).returncode == 0
    assert (rendered / "_static" / "diffad.css").read_text().endswith("/* new */")


def test_each_reference_that_leads_nowhere_is_a_warning_that_fails_the_build(small_book, rendered):
    page = small_book / "book" / "cite.md"
    good = page.read_text()
    faults = [
        "{eq}`eq-nowhere`",
        "{glue:text}`nothing`",
        "{cite:p}`nobody1999`",
        "[a](gone.md)",
        "{term}`gone`",
        "$\\nosuchcommand{x}$",
    ]
    page.write_text("\n\n".join([good, *faults]))
    done = render(small_book)
    page.write_text(good)
    warnings = [line for line in done.stderr.splitlines() if "cite.md" in line and "WARNING" in line]
    assert done.returncode != 0 and len(warnings) == len(faults), "\n".join(warnings)
