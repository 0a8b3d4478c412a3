"""The sources as pages: cell for cell those that jupytext reads, so that a link to a cell is right."""

from pathlib import Path

import jupytext
import pytest

from diffad.publish.code_pages import code_body, source_cells, source_numbers

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))


def as_written(code: str) -> str:
    """A cell's code as its source has it: jupytext keeps a shell's lines as comments, so that the file stays Python."""
    if not code.startswith("%%"):
        return code
    return "\n".join(f"# {line}".rstrip() for line in code.splitlines()[1:])


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_cells_are_those_of_the_notebook(source):
    cells = source_cells(source.read_text())
    expected = jupytext.read(source).cells
    assert len(cells) == len(expected)
    for shown, cell in zip(cells, expected, strict=True):
        assert cell.cell_type != "code" or as_written(cell.source.strip()) in shown


def test_a_page_has_an_anchor_for_each_cell_and_escapes_the_code(tmp_path):
    source = tmp_path / "page.py"
    source.write_text("# ---\n# header\n# ---\n\n# %% [markdown]\n# # A page\n\n# %%\nx = 1 < 2\n")
    body = code_body(source, "notebooks/page.py", "../")
    assert 'id="cell-0"' in body and 'id="cell-1"' in body and 'id="cell-2"' not in body
    assert "&lt;" in body and "header" not in body


def test_the_cell_that_papermill_adds_has_no_number_of_its_own():
    assert source_numbers([[], ["parameters"], ["injected-parameters"], []]) == [0, 1, 1, 2]
