"""Tests of the "implement" exercises in otter-grader's format, and a small runner for them.

A test file is Python that holds `OK_FORMAT = True` and a dictionary `test`: a name, points, and cases, each a few lines
as one types them at the prompt, with what must come out. `otter-grader` reads the same files. The runner here needs
nothing but the standard library, so that a student's notebook can check itself wherever `diffad` is installed.
"""

import ast
import doctest
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from diffad.errors import DiffadError

ANSWER = "answer"  # the tag of a cell that a student fills in


@dataclass(frozen=True)
class Case:
    """One case of a test: what it is about, the lines that are run, and whether students see it."""

    message: str
    code: str
    hidden: bool


@dataclass(frozen=True)
class Question:
    """The test of one exercise: the function that it asks for, its points, and the cases."""

    name: str
    points: float
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Result:
    """What became of a question: `failures` are the messages of the cases that failed, with what came out."""

    question: Question
    failures: tuple[str, ...]

    @property
    def points(self) -> float:
        """Points in proportion to the cases that passed."""
        passed = len(self.question.cases) - len(self.failures)
        return self.question.points * passed / len(self.question.cases)

    def __str__(self) -> str:
        if not self.failures:
            return f"{self.question.name}: all {len(self.question.cases)} tests passed"
        head = f"{self.question.name}: {len(self.failures)} of {len(self.question.cases)} tests failed"
        return "\n".join([head, *self.failures])


def read_test(path: Path) -> dict:
    """The dictionary `test` of a file in the OK format. The file is read as literals; nothing in it is run.

    Raises:
        DiffadError: no such file, or it is not in that format.
    """
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.py"))) or "none"
        raise DiffadError(
            f"question: there is no test {path.name} in {path.parent}, expected one of: {known}"
        )
    try:
        values = {
            statement.targets[0].id: ast.literal_eval(statement.value)
            for statement in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(statement, ast.Assign)
        }
        if values["OK_FORMAT"] is not True or values["test"]["name"] != path.stem:
            raise KeyError("OK_FORMAT or name")
        return values["test"]
    except (SyntaxError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise DiffadError(f"question: {path} is not in otter-grader's OK format ({error!r})") from error


def read_question(path: Path) -> Question:
    """Read the test of one exercise.

    Raises:
        DiffadError: as `read_test`.
    """
    test = read_test(path)
    cases = [case for suite in test["suites"] for case in suite["cases"]]
    return Question(
        test["name"],
        float(test["points"]),
        tuple(Case(case["failure_message"], case["code"], bool(case["hidden"])) for case in cases),
    )


def grade(question: Question, names: Mapping[str, object]) -> Result:
    """Run the cases of a question on what a student defined.

    Args:
        question: its test.
        names: the student's definitions, by name; each case gets a copy.
    """
    failures = [_failure(case, dict(names)) for case in question.cases]
    return Result(question, tuple(failure for failure in failures if failure))


def _failure(case: Case, names: dict[str, object]) -> str:
    """What went wrong in a case, in the words of doctest under the case's own; empty if nothing did."""
    test = doctest.DocTestParser().get_doctest(case.code, names, case.message, None, None)
    said = io.StringIO()
    doctest.DocTestRunner(verbose=False).run(test, out=said.write)
    if not said.getvalue():
        return ""
    lines = [line for line in said.getvalue().splitlines() if not line.startswith(("*", "File", "Line"))]
    return "\n".join([f"- {case.message}", *(f"  {line}" for line in lines)])


class Grader:
    """Checks answers in a notebook, with otter-grader's own call: `Grader(globals()).check("sample_forward")`.

    Args:
        names: the notebook's `globals()`.
        folder: of the test files.
    """

    def __init__(self, names: Mapping[str, object], folder: Path | str = "tests"):
        self.names, self.folder = names, Path(folder)

    def check(self, name: str) -> Result:
        """Run the tests of one exercise; a notebook shows the result.

        Raises:
            DiffadError: there is no test of that name.
        """
        return grade(read_question(self.folder / f"{name}.py"), self.names)
