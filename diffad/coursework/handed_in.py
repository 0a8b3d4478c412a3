"""Points of notebooks that students handed in: their answers are run, in a process of their own, against all tests."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

from diffad.coursework.grading import ANSWER, Question, Result, grade, read_question
from diffad.errors import DiffadError

SECONDS = 60  # a notebook's answers and their tests may take so long; an endless loop is stopped


@dataclass(frozen=True)
class Marks:
    """Points of one question: `said` tells what failed."""

    name: str
    points: float
    most: float
    said: str


def grade_file(path: Path, tests: Path, seconds: float = SECONDS) -> list[Marks]:
    """Grade one notebook. Its code is run: do it where a stranger's code may run.

    Args:
        path: a notebook made from the edition for students.
        tests: folder of the tests, hidden cases included.
        seconds: after which a notebook that does not end gets no points.

    Raises:
        DiffadError: no notebook, or one without answer cells.
    """
    code, asked = answers(path)
    questions = [read_question(each) for each in sorted(tests.glob("*.py")) if each.stem in asked]
    request = json.dumps({"code": code, "tests": str(tests), "names": [each.name for each in questions]})
    command = [sys.executable, "-m", "diffad.coursework.handed_in"]
    try:
        done = subprocess.run(command, input=request, capture_output=True, text=True, timeout=seconds)
        rows = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
        reason = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
    except subprocess.TimeoutExpired:
        rows, reason = None, f"it was stopped after {seconds:g} s"
    if rows is None:
        return [Marks(each.name, 0.0, each.points, f"{each.name}: {reason}") for each in questions]
    return [Marks(**row) for row in rows]


def answers(path: Path) -> tuple[list[str], set[str]]:
    """The code of a notebook's answer cells, in order, and the questions that its other cells check.

    Raises:
        DiffadError: no notebook, or one without answer cells.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, nbformat.reader.NotJSONError) as error:
        raise DiffadError(f"FILES: {path} is not a notebook ({error})") from error
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code = [cell.source for cell in cells if ANSWER in cell.metadata.get("tags", [])]
    if not code:
        raise DiffadError(
            f"FILES: {path} has no answer cells, expected a notebook of the edition for students"
        )
    checks = [line for cell in cells for line in cell.source.splitlines() if line.startswith("grader.check(")]
    return code, {line.split('"')[1] for line in checks if line.count('"') >= 2}


def run_answers(code: list[str], questions: list[Question]) -> list[Result]:
    """Run answer cells one after the other in one namespace, a broken one without harm to the others, and grade."""
    import numpy as np

    names: dict[str, object] = {"np": np}
    for cell in code:
        try:
            exec(compile(cell, "answer", "exec"), names)
        except Exception as error:  # whatever a student wrote
            print(f"answer: {type(error).__name__}: {error}", file=sys.stderr)
    return [grade(question, names) for question in questions]


def _main() -> None:
    request = json.loads(sys.stdin.read())
    questions = [read_question(Path(request["tests"]) / f"{name}.py") for name in request["names"]]
    results = run_answers(request["code"], questions)
    rows = [
        Marks(each.question.name, each.points, each.question.points, str(each)).__dict__ for each in results
    ]
    print("\n" + json.dumps(rows))


if __name__ == "__main__":
    _main()
