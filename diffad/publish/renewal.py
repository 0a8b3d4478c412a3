"""New words around old outputs: a page of which only the text changed need not be computed again.

The text is everything that no kernel reads: Markdown cells, captions and descriptions of figures. Where the
code cells of a source are those of the executed notebook, with the same tags, its outputs still follow from
its code, so the new text is put around them. What the page says of its run stays as it was: the date, the
device and the inputs, of which only the source's hash is renewed.
"""

import copy

from nbformat import NotebookNode

from diffad.publish import notebook as notebooks

INJECTED = "injected-parameters"


def code_is_the_same(source: NotebookNode, executed: NotebookNode) -> bool:
    """Whether the code cells of a source are those that were executed, in order, with the same tags.

    Args:
        source: as `notebook.read_source` gives it.
        executed: the published notebook; its cell of injected parameters does not count.
    """
    return _code_cells(source) == _code_cells(executed)


def with_new_text(source: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """A cleaned copy of `source` with the outputs of `executed`, and its cell of injected parameters.

    Args:
        source: its code cells are those of `executed` (`code_is_the_same`).
        executed: the published notebook.
    """
    old = iter([copy.deepcopy(cell) for cell in executed.cells if cell.cell_type == "code"])
    cells: list[NotebookNode] = []
    for cell in copy.deepcopy(source.cells):
        if cell.cell_type == "code":
            before = next(old)
            if INJECTED in _tags(before):
                cells.append(before)
                before = next(old)
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
        cells.append(cell)
    cells += list(old)  # parameters that were injected after the last cell
    renewed = copy.deepcopy(executed)
    renewed.cells = cells
    return notebooks.clean(renewed)


def _code_cells(notebook: NotebookNode) -> list[tuple[str, list[str]]]:
    return [
        (cell.source, _tags(cell))
        for cell in notebook.cells
        if cell.cell_type == "code" and INJECTED not in _tags(cell)
    ]


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))
