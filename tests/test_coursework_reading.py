"""Exercises are read from Markdown cells, their code from files, and MyST becomes Markdown that any notebook shows."""

import ast
from pathlib import Path

import nbformat
import pytest

from diffad.coursework.exercises import (
    Exercise,
    Solution,
    exercises_of,
    segments,
    solution_code,
    stub,
    without_exercises,
)
from diffad.coursework.plain import Plain, read_citations
from diffad.errors import DiffadError

ROOT = Path(__file__).parents[1]

CELL = """\
Before.

:::{exercise} Implement: a thing
:label: ex-thing
Write `thing`.
:::

:::{solution} ex-thing
:class: dropdown
```{literalinclude} /solutions.py
:pyobject: thing
```
Because.
:::

After."""
CODE = '''\
from math import comb

def helper(): ...

def thing(n: int) -> int:
    """So many.

    Args:
        n: of them.

    >>> thing(2)
    2
    """
    return comb(n, 1)
'''


def notebook(*sources: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source) for source in sources])


def test_a_cell_falls_into_text_exercises_and_solutions():
    before, exercise, _, solution, after = [*segments(CELL)[:2], "", *segments(CELL)[2:]]
    assert (before.strip(), after.strip()) == ("Before.", "After.")
    assert exercise == Exercise("ex-thing", "Implement: a thing", "Write `thing`.")
    assert solution == Solution("ex-thing", "solutions.py", "thing", "Because.")


def test_a_stub_keeps_the_head_and_the_words_and_nothing_of_the_answer(tmp_path):
    (tmp_path / "solutions.py").write_text(CODE)
    solution = segments(CELL)[2]
    assert solution_code(solution, tmp_path) == CODE[CODE.index("def thing") :].rstrip("\n")
    assert solution_code(solution, tmp_path, imports=True).startswith("from math import comb\n\n\ndef thing")
    text = stub(solution, tmp_path)
    assert text.startswith('def thing(n: int) -> int:\n    """So many.\n\n    Args:\n        n: of them.\n')
    assert ">>>" not in text and "comb" not in text
    assert ast.get_docstring(ast.parse(text).body[0]) == "So many.\n\nArgs:\n    n: of them."


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            [CELL.replace(":label: ex-thing", ":label: ex-other")],
            "got exercises ex-other and solutions ex-thing",
        ),
        ([CELL, CELL], "each label once"),
        ([CELL.replace(":::{solution} ex-thing", ":::{note}")], "got exercises ex-thing and solutions ,"),
    ],
)
def test_an_exercise_without_its_solution_is_refused(cells, message):
    with pytest.raises(DiffadError, match=message):
        exercises_of(notebook(*cells))


def test_a_solution_whose_code_is_missing_is_refused(tmp_path):
    solution = segments(CELL)[2]
    with pytest.raises(DiffadError, match="ex-thing includes solutions.py, which is not there"):
        solution_code(solution, tmp_path)
    (tmp_path / "solutions.py").write_text("x = 1\n")
    with pytest.raises(DiffadError, match="solutions.py has no function thing"):
        solution_code(solution, tmp_path)


def test_the_second_page_from_one_source_shows_no_exercises():
    shown = without_exercises(notebook("# Title", CELL, "## Exercises\n\nWords.", CELL[9:-8].strip()))
    assert [cell.source for cell in shown.cells] == ["# Title", "Before.\n\nAfter."]


# --- from MyST to Markdown ---


def test_roles_and_directives_become_what_any_notebook_shows():
    citations = read_citations(ROOT / "book" / "references.bib")
    text = (
        "(sec)=\n# T\n\n$$\nx\n$$ (eq-one)\n\n::::{admonition} Learn\n:class: tip\n- a\n::::\n\n"
        ":::{admonition} Why?\n:class: dropdown\nSo.\n:::\n\n:::{dropdown} And?\nNo.\n:::\n"
        "By {eq}`eq-one` and {eq}`eq-far-off`, {cite:p}`ho2020denoising`; {cite:t}`song2021ddim`; {term}`word <x>`; [a](../b.md)."
    )
    shown = Plain(notebook(text), citations)(text)
    assert "$$\nx \\tag{1}\n$$" in shown and "(sec)=" not in shown
    assert "**Learn**\n- a\n" in shown
    assert "<details><summary>Why?</summary>\n\nSo.\n\n</details>" in shown
    assert "<details><summary>And?</summary>\n\nNo.\n\n</details>" in shown
    assert "By (1) and equation *far off*, (Ho et al. 2020); Song et al. (2021); word; a." in shown


def test_glued_numbers_stand_in_the_text():
    made = notebook("A {glue:text}`answer` and {glue:text}`share:.1f`.")
    for name, data in {"answer": "'forty-two'", "share": "0.5"}.items():
        output = nbformat.v4.new_output("display_data", {"application/papermill.record/text/plain": data})
        output.metadata = {"scrapbook": {"name": name}}
        made.cells.append(nbformat.v4.new_code_cell("", outputs=[output]))
    assert Plain(made, {})(made.cells[0].source) == "A forty-two and 0.5."
