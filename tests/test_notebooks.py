"""The executed notebooks that are published are what their sources and the catalogue say."""

from pathlib import Path

import jupytext
import nbformat
import pytest

from diffad.publish import load_catalog, notebook, provenance, runner

ROOT = Path(__file__).parents[1]
CATALOG = load_catalog(ROOT / runner.CATALOG)
PAGES = {page.page: page for page in CATALOG.pages}
LARGEST_PAGE = 1_000_000  # bytes


def executed(name: str) -> nbformat.NotebookNode:
    path = runner.executed_path(ROOT, CATALOG, PAGES[name])
    assert path.is_file(), (
        f"{path.name} is in the catalogue but was never run: python -m diffad.publish run {name}"
    )
    return nbformat.read(path, as_version=4)


def tagged(nb: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in nb.cells if tag in cell.metadata.get("tags", [])]


def test_every_executed_notebook_stands_in_the_catalogue():
    assert {path.stem for path in (ROOT / CATALOG.output).glob("*.ipynb")} == set(PAGES)


def test_every_source_stands_in_the_catalogue():
    assert {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.py")} == {
        page.source for page in PAGES.values()
    }


@pytest.mark.parametrize("name", PAGES)
def test_the_parameters_that_were_asked_for_arrived(name):
    nb = executed(name)
    assert len(tagged(nb, "parameters")) == 1
    notebook.check_parameters_arrived(nb, PAGES[name])


@pytest.mark.parametrize("name", PAGES)
def test_the_cells_are_those_of_the_source(name):
    source = jupytext.read(ROOT / PAGES[name].source)
    run = [
        cell for cell in executed(name).cells if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    assert [(cell.cell_type, cell.source) for cell in run] == [
        (cell.cell_type, cell.source) for cell in source.cells
    ], f"the source has changed since: python -m diffad.publish run {name}"


@pytest.mark.parametrize("name", PAGES)
def test_every_code_cell_ran_in_order(name):
    counts = [
        cell.execution_count for cell in executed(name).cells if cell.cell_type == "code" and cell.source
    ]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("name", PAGES)
def test_outputs_are_fit_for_a_reader(name):
    notebook.check_outputs(executed(name), name, ROOT)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light(name):
    assert runner.executed_path(ROOT, CATALOG, PAGES[name]).stat().st_size <= LARGEST_PAGE


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_where_its_numbers_come_from(name):
    known = provenance.read_provenance(executed(name))
    page = PAGES[name]
    assert known is not None
    assert (known.page, known.source, known.edition) == (page.page, page.source, page.edition)
    assert known.parameters == page.parameters
    assert set(known.inputs.datasets) == set(page.datasets), "was run without all of its data"


@pytest.mark.parametrize("name", PAGES)
def test_a_notebook_keeps_nothing_that_differs_from_run_to_run(name):
    nb = executed(name)
    assert set(nb.metadata) == {"kernelspec", "language_info", "diffad"}
    assert all(not cell.metadata.keys() - {"tags", "mystnb", "jupyter", "slideshow"} for cell in nb.cells)


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_has_words_for_those_who_cannot_see_it(name):
    for number, cell in enumerate(executed(name).cells):
        pictures = [
            out
            for out in cell.get("outputs", [])
            if any(kind.startswith("image/") for kind in out.get("data", {}))
        ]
        described = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        described = described or any(out.get("metadata", {}).get("alt") for out in pictures)
        assert not pictures or described, f"the figure of cell {number} has no alt text (mystnb: image: alt)"
