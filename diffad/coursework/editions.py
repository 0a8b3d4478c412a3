"""Two editions of the chapters as notebooks, from the same sources: for students and for instructors.

Both hold the executed chapters with their exercises. Students get an empty function to fill in and a cell that checks
it, and the tests that are not hidden. Instructors get the solutions, all tests, and the typical wrong answers.
"""

import pprint
import zipfile
from pathlib import Path
from typing import Literal

import nbformat
from nbformat import NotebookNode

from diffad.coursework.exercises import Exercise, Solution, exercises_of, segments, solution_code, stub
from diffad.coursework.grading import ANSWER, read_test
from diffad.coursework.plain import Plain, read_citations
from diffad.publish.catalog import Page, load_catalog
from diffad.publish.runner import CATALOG, executed_path, read_executed
from diffad.storage import publish_file, publish_folder

Edition = Literal["student", "instructor"]
TESTS, MISTAKES = Path("coursework") / "tests", Path("coursework") / "mistakes"
ZIP_DATE = (2020, 1, 1, 0, 0, 0)  # the same sources give the same file
SETUP = """\
# Run this cell first: numpy, and the tests of the exercises.
import os
from pathlib import Path

import numpy as np

import diffad
from diffad.coursework.grading import Grader

grader = Grader(globals(), Path("tests").resolve())
os.chdir(Path(diffad.__file__).parents[1] / "book" / "chapters")  # where the chapter's paths start"""
README = """\
# diffad: coursework, edition for {reader}

Notebooks of the chapters that have exercises. They need the package `diffad`, which `make install` sets up in the
project's folder:

    cd diffad && make install && source .venv/bin/activate
    pip install jupyterlab && jupyter lab THIS_FOLDER

Run a notebook's first cell, then go where you like: the exercises stand at the end. `grader.check("name")` runs the
tests of an exercise.
"""
FOR_INSTRUCTORS = """
`tests` holds hidden cases too, which students do not have; `mistakes` holds wrong answers that the tests reject.
Points of what was handed in:

    python -m diffad.coursework grade handed_in/*.ipynb

The tests are in the OK format of [otter-grader](https://otter-grader.readthedocs.io), which can grade them as well.
"""


def pages_with_exercises(root: Path) -> list[Page]:
    """The pages of the catalogue that have exercises; of several pages from one source, the one named after it."""
    catalog, found = load_catalog(root / CATALOG), []
    for page in catalog.pages:
        executed = read_executed(executed_path(root, catalog, page))
        if Path(page.source).stem == page.page and executed is not None and exercises_of(executed):
            found.append(page)
    return found


def write_edition(root: Path, edition: Edition, out: Path) -> list[Path]:
    """Write an edition to the folder `out`, which it replaces, and to a zip file beside it.

    Args:
        root: the project's folder.
        edition: "student" or "instructor".
        out: the folder to write.

    Returns:
        The notebooks.

    Raises:
        DiffadError: an exercise without its solution, or a solution whose code is missing.
    """
    catalog, citations = load_catalog(root / CATALOG), read_citations(root / "book" / "references.bib")
    pages = pages_with_exercises(root)
    with publish_folder(out) as partial:
        for page in pages:
            executed = read_executed(executed_path(root, catalog, page))
            made = make_notebook(executed, page, edition, root, citations)
            nbformat.write(made, partial / f"{page.page}.ipynb")
        _write_tests(root, edition, partial)
        reader = f"{edition}s"
        text = README.format(reader=reader) + (FOR_INSTRUCTORS if edition == "instructor" else "")
        (partial / "README.md").write_text(text, encoding="utf-8")
    _write_zip(out)
    return [out / f"{page.page}.ipynb" for page in pages]


def make_notebook(
    executed: NotebookNode, page: Page, edition: Edition, root: Path, citations: dict[str, tuple[str, str]]
) -> NotebookNode:
    """One chapter for one kind of reader: `executed` with its exercises as cells to work in."""
    plain = Plain(executed, citations)
    solutions = {exercise.label: solution for exercise, solution in exercises_of(executed)}
    cells = [
        _markdown(f"*{page.title}: edition for {edition}s, from the book's chapter of that name.*"),
        nbformat.v4.new_code_cell(SETUP),
    ]
    for cell in executed.cells:
        if cell.cell_type != "markdown":
            for output in cell.get("outputs", []):
                if "text/markdown" in output.get("data", {}):
                    output.data["text/markdown"] = plain(output.data["text/markdown"])
            cells.append(cell)
            continue
        for part in segments(cell.source):
            if isinstance(part, str):
                cells.append(_markdown(plain(part).strip("\n")))
            elif isinstance(part, Exercise):
                cells += _exercise_cells(part, solutions[part.label], edition, root, plain)
    for number, cell in enumerate(cells):
        cell["id"] = f"{page.page.replace('_', '-')}-{number}"
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": executed.metadata.kernelspec, "diffad_edition": edition}
    )


def _markdown(text: str, **metadata) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(text, metadata=metadata)


def _exercise_cells(
    exercise: Exercise, solution: Solution, edition: Edition, root: Path, plain: Plain
) -> list[NotebookNode]:
    """The exercise; then a place to answer it, or its solution; then the cell that checks it."""
    graded = (root / TESTS / f"{solution.name}.py").is_file()
    cells = [_markdown(f"### {exercise.title}\n\n{plain(exercise.text)}")]
    if edition == "student":
        tags = {"tags": [ANSWER]}
        if graded:
            cells.append(nbformat.v4.new_code_cell(stub(solution, root), metadata=tags))
        else:
            cells += [nbformat.v4.new_code_cell("# Your code", metadata=tags)] if solution.name else []
            cells.append(_markdown("*Your answer:*", **tags))
    else:
        words = f"**Solution.** {plain(solution.text)}"
        if graded:
            words += f"\n\n*Typical wrong answers, which the tests reject:* {_mistakes(root, solution.name)}."
        if solution.name:
            cells.append(nbformat.v4.new_code_cell(solution_code(solution, root, imports=True)))
        cells.append(_markdown(words))
    if graded:
        cells.append(nbformat.v4.new_code_cell(f'grader.check("{solution.name}")'))
    return cells


def _mistakes(root: Path, name: str) -> str:
    """The names of the typical wrong answers to a question, in words."""
    import ast

    tree = ast.parse((root / MISTAKES / f"{name}.py").read_text(encoding="utf-8"))
    names = [each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name[0] != "_"]
    return "; ".join(each.replace("_", " ") for each in names)


def _write_tests(root: Path, edition: Edition, folder: Path) -> None:
    """The tests, without hidden cases for students; for instructors the wrong answers too."""
    (folder / "tests").mkdir()
    for path in sorted((root / TESTS).glob("*.py")):
        test = read_test(path)
        if edition == "student":
            for suite in test["suites"]:
                suite["cases"] = [case for case in suite["cases"] if not case["hidden"]]
        text = f"OK_FORMAT = True\n\ntest = {pprint.pformat(test, width=100, sort_dicts=False)}\n"
        (folder / "tests" / path.name).write_text(text, encoding="utf-8")
    if edition == "instructor":
        (folder / "mistakes").mkdir()
        for path in sorted((root / MISTAKES).glob("*.py")):
            (folder / "mistakes" / path.name).write_bytes(path.read_bytes())


def _write_zip(folder: Path) -> None:
    with (
        publish_file(folder.with_suffix(".zip")) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
                archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), path.read_bytes(), zipfile.ZIP_DEFLATED)
