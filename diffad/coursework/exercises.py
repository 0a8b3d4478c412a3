"""Exercises and solutions as they stand in the chapters: sphinx-exercise's directives in Markdown cells.

    :::{exercise} Implement: any number of steps at once
    :label: ex-forward-sample
    Write ...
    :::

    :::{solution} ex-forward-sample
    :class: dropdown
    ```{literalinclude} /coursework/solutions/forward_process.py
    :pyobject: sample_forward
    ```
    Why it is so.
    :::

The code of a solution stands in the file that it includes, and nowhere else.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from diffad.errors import DiffadError

DIRECTIVE = re.compile(r"^:::\{(exercise|solution)\} *(.*?)\n(.*?)\n:::$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"^:(\w+): *(.*)\n?", re.MULTILINE)
INCLUDE = re.compile(r"^```\{literalinclude\} /(\S+)\n:pyobject: (\w+)\n```\n?", re.MULTILINE)
HEADING = "## Exercises"
KINDS = ("Compute", "Implement", "Investigate")


@dataclass(frozen=True)
class Exercise:
    """What is asked: the label by which its solution refers to it, its title, and its text in MyST."""

    label: str
    title: str
    text: str


@dataclass(frozen=True)
class Solution:
    """The answer: to the exercise of that label; the file and the name of its code, if it has any; and words."""

    label: str
    file: str
    name: str
    text: str


def segments(source: str) -> list[str | Exercise | Solution]:
    """The parts of a Markdown cell in order: text, exercises, solutions. Empty text is left out."""
    parts: list[str | Exercise | Solution] = []
    end = 0
    for match in DIRECTIVE.finditer(source):
        parts += [source[end : match.start()], _directive(*match.groups())]
        end = match.end()
    parts.append(source[end:])
    return [part for part in parts if not isinstance(part, str) or part.strip()]


def _directive(kind: str, argument: str, body: str) -> Exercise | Solution:
    head = re.match(r"(?::\w+:.*\n?)*", body).group()
    text, options = body[len(head) :].strip(), dict(OPTION.findall(head))
    if kind == "exercise":
        return Exercise(options.get("label", ""), argument.strip(), text)
    include = INCLUDE.search(text)
    file, name = include.groups() if include else ("", "")
    return Solution(argument.strip(), file, name, INCLUDE.sub("", text).strip())


def exercises_of(notebook: NotebookNode) -> list[tuple[Exercise, Solution]]:
    """The exercises of a notebook with their solutions, in order.

    Raises:
        DiffadError: an exercise without a label or without exactly one solution, or a solution of nothing.
    """
    parts = [
        part for cell in notebook.cells if cell.cell_type == "markdown" for part in segments(cell.source)
    ]
    exercises = [part for part in parts if isinstance(part, Exercise)]
    solutions = [part for part in parts if isinstance(part, Solution)]
    asked, answered = sorted(each.label for each in exercises), sorted(each.label for each in solutions)
    if asked != answered or len(set(asked)) < len(asked) or "" in asked:
        raise DiffadError(
            f"exercises: got exercises {', '.join(asked)} and solutions {', '.join(answered)}, "
            "expected one solution for each, and each label once"
        )
    by_label = {each.label: each for each in solutions}
    return [(each, by_label[each.label]) for each in exercises]


def without_exercises(notebook: NotebookNode) -> NotebookNode:
    """The notebook less its exercises, solutions and their heading: for the second page from one source."""
    kept = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if cell.source.startswith(HEADING):
                continue
            parts = segments(cell.source)
            if any(not isinstance(part, str) for part in parts):
                cell.source = "\n\n".join(part.strip("\n") for part in parts if isinstance(part, str))
                if not cell.source.strip():
                    continue
        kept.append(cell)
    notebook.cells = kept
    return notebook


def solution_code(solution: Solution, root: Path, imports: bool = False) -> str:
    """The source of the function that a solution includes.

    Args:
        imports: whether what it needs of its file's imports, numpy aside, comes before it.

    Raises:
        DiffadError: the file is missing or holds no such function.
    """
    path = root / solution.file
    if not path.is_file():
        raise DiffadError(f"exercises: {solution.label} includes {solution.file}, which is not there")
    text = path.read_text(encoding="utf-8")
    function = _function(text, solution)
    code = ast.get_source_segment(text, function)
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    needed = [
        ast.unparse(statement)
        for statement in ast.parse(text).body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        and used & {alias.asname or alias.name for alias in statement.names} - {"np"}
    ]
    return "\n".join([*needed, "", "", code]) if imports and needed else code


def stub(solution: Solution, root: Path) -> str:
    """The same function without its body: the head and what the docstring says, less its examples.

    Raises:
        DiffadError: as `solution_code`.
    """
    code = solution_code(solution, root)
    function = _function(code, solution)
    head = "\n".join(code.splitlines()[: function.body[0].lineno - 1])
    words = ast.get_docstring(function, clean=False).split("\n    >>>")[0].rstrip()
    close = '"""' if "\n" not in words else '\n    """'
    return f'{head}\n    """{words}{close}\n    ...  # your code'


def _function(text: str, solution: Solution) -> ast.FunctionDef:
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == solution.name:
            return statement
    raise DiffadError(f"exercises: {solution.file} has no function {solution.name}")
