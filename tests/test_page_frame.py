"""The book's frame around a computed page: facts, links from figures to code and records, and how to run it again."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from diffad.publish import load_catalog, page_frame, record_pages, runner
from diffad.publish.catalog import Catalog

ROOT = Path(__file__).parents[1]
CATALOG = load_catalog(ROOT / runner.CATALOG)
PARAMETERS = 'folder = "results"  # a folder\nsize = 3\n'


def output(kind: str, content: str):
    return new_output("display_data", data={kind: content})


def page_with(*outputs, records=()):
    """An executed notebook with a cell an output, and its frame."""
    tagged = {"tags": ["parameters"]}
    injected = {"tags": ["injected-parameters"]}
    cells = [
        new_markdown_cell("# A page\n\nText."),
        new_code_cell(PARAMETERS, metadata=tagged),
        new_code_cell("# Parameters\nsize = 4\n", metadata=injected),
        *(new_code_cell("show()", outputs=[each]) for each in outputs),
    ]
    notebook = new_notebook(cells=cells)
    run = {"date": "2020-02-29", "seconds": 9.0, "device": "abacus <1>", "python": "3.11", "versions": {}}
    hashes = {"source": "", "library": "", "parameters": "", "files": "", "records": {}, "datasets": {}}
    notebook.metadata["diffad"] = {
        "page": "chapter",
        "source": "notebooks/chapter.py",
        "edition": "cpu",
        "parameters": {},
        "datasets": [],
        "inputs": hashes,
        "run": run,
    }
    entry = {"page": "chapter", "source": "notebooks/chapter.py", "title": "A page", "edition": "cpu"}
    page = Catalog.model_validate({"pages": [entry | {"records": list(records)}]}).pages[0]
    return notebook, page_frame.frame_of(notebook, page, None, ROOT, "../../", {"Colab": "https://colab/x"})


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        (output("image/png", "AAAA"), "figure"),
        (output("text/html", "<table><tr><td>1</td></tr></table>"), "table"),
        (output("text/markdown", "| a |\n|---|\n| 1 |"), "table"),
        (output("text/markdown", "| a |\n| :-- |\n| 1 |"), "table"),
        (output("text/markdown", "words - and | more"), ""),
        (output("text/plain", "3"), ""),
    ],
)
def test_a_line_under_each_figure_and_table_leads_to_the_cell_that_made_it(shown, kind):
    notebook, frame = page_with(shown)
    after = page_frame.framed(notebook, frame).cells[4].source
    assert (f"Code of this {kind}, cell 2" in after and "code/chapter.html#cell-2" in after) == bool(kind)
    assert len(notebook.cells) == 4, "the notebook itself must stay as it is"


def test_the_facts_stand_under_the_title_and_the_words_of_a_run_are_escaped():
    notebook, frame = page_with()
    top = page_frame.framed(notebook, frame).cells[0].source
    assert top.startswith("# A page\n") and top.endswith("Text.")
    assert "<b>Time to run:</b> 9 s" in top and "abacus &lt;1&gt;" in top
    assert '<a href="https://colab/x" rel="noopener">Open on Colab</a>' in top


def test_the_foot_names_each_parameter_with_the_value_that_it_was_run_with():
    notebook, frame = page_with()
    assert page_frame.parameter_rows(notebook) == [("folder", "'results'", "a folder"), ("size", "4", "")]
    assert "diffad.publish run --force chapter" in page_frame.foot(frame, notebook)


def test_a_figure_links_to_its_record_and_to_the_list_where_there_are_several():
    known = record_pages.summaries(ROOT)
    one, several = "results/mnist-c/cpu", "results/cifar10-one-class/cpu"
    for folder in (one, several):
        notebook, frame = page_with(output("image/png", "AAAA"), records=[folder])
        assert len(frame.records) == len(record_pages.records_of((folder,), known)) > 0
        line = page_frame.framed(notebook, frame).cells[4].source
        wanted = "../../records/mnist-c/cpu.html" if folder == one else f"#{page_frame.FOOT}"
        assert f'href="{wanted}"' in line


def test_a_notebook_that_does_not_say_how_it_was_made_has_no_frame():
    notebook, frame = page_with()
    del notebook.metadata["diffad"]
    assert page_frame.frame_of(notebook, frame.page, None, ROOT) is None


@pytest.mark.parametrize("page", CATALOG.pages, ids=lambda page: page.page)
def test_every_published_page_takes_its_frame(page):
    executed = runner.read_executed(runner.executed_path(ROOT, CATALOG, page))
    if executed is None:
        pytest.fail(f"{page.page} was never run")
    marked = page_frame.framed(executed, page_frame.frame_of(executed, page, None, ROOT))
    nbformat.validate(marked)
    figures = [cell for cell in executed.cells if page_frame.shown_kind(cell)]
    assert len(marked.cells) == len(executed.cells) + len(figures) + 1
