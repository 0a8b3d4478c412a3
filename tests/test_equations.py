"""The theory chapters and the code point at each other: every numbered equation names its function, and that
function names it.

A chapter states it in the paragraph below the equation, "Implemented by `diffad.module.function`"; the
function in its docstring, "Equation: eq-label". Neither may dangle.
"""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import jupytext
import pytest

import diffad

ROOT = Path(__file__).parents[1]
CHAPTERS = [
    "forward_process",
    "reverse_process",
    "sampling",
    "networks",
    "feature_space",
    "bugs_in_the_wild",
    "robustness",
]
LABEL = r"eq-[a-z0-9]+(?:-[a-z0-9]+)*"
EQUATION = re.compile(rf"^\$\$\n.*?^\$\$ \(({LABEL})\)\n(.*?)(?=^\$\$\n|^#|\Z)", re.DOTALL | re.MULTILINE)


def markdown(chapter: str) -> str:
    notebook = jupytext.read(ROOT / "notebooks" / f"{chapter}.py")
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def named_functions(chapter: str) -> dict[str, list[str]]:
    """Label -> dotted names in the paragraph that follows the equation."""
    found = {}
    for label, after in EQUATION.findall(markdown(chapter)):
        paragraph = after.strip().split("\n\n")[0]
        found[label] = re.findall(r"`(diffad\.[\w.]+)`", paragraph) if "Implemented by" in paragraph else []
    return found


def resolve(name: str):
    """The object of a dotted name."""
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        for part in parts[split:]:
            found = inspect.getattr_static(found, part)
        return found
    raise AssertionError(f"{name} does not exist")


def docstring(name: str) -> str:
    found = resolve(name)
    found = getattr(found, "func", found)  # a cached property keeps its function there
    return inspect.getdoc(found) or ""


EQUATIONS = {label: names for chapter in CHAPTERS for label, names in named_functions(chapter).items()}


def labels_in_code() -> dict[str, list[str]]:
    """Label -> the places in diffad's docstrings that name it, as `file: function`."""
    found: dict[str, list[str]] = {}
    for module in pkgutil.walk_packages(diffad.__path__, "diffad."):
        path = importlib.util.find_spec(module.name).origin
        tree = ast.parse(Path(path).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                for label in re.findall(LABEL, ast.get_docstring(node) or ""):
                    where = f"{module.name}.{getattr(node, 'name', '(module)')}"
                    found.setdefault(label, []).append(where)
    return found


def test_the_chapters_have_equations():
    assert all(len(named_functions(chapter)) >= 2 for chapter in CHAPTERS) and len(EQUATIONS) >= 35


def test_every_numbered_equation_was_found():
    labels = [
        label
        for chapter in CHAPTERS
        for label in re.findall(rf"^\$\$ \(({LABEL})\)", markdown(chapter), re.MULTILINE)
    ]
    assert sorted(labels) == sorted(EQUATIONS), "a label stands twice, or in a form that is not read"


@pytest.mark.parametrize("label", EQUATIONS)
def test_every_equation_names_a_function_that_names_it(label):
    names = EQUATIONS[label]
    assert names, f"({label}) is not followed by a paragraph with 'Implemented by `diffad...`'"
    for name in names[:1]:
        assert label in docstring(name), f"the docstring of {name} does not name {label}"
    for name in names:
        assert docstring(name), f"{name}, named below ({label}), has no docstring"


@pytest.mark.parametrize("label", sorted(labels_in_code()))
def test_every_label_in_the_code_stands_in_a_chapter(label):
    assert label in EQUATIONS, f"{labels_in_code()[label]} names {label}, which no chapter has"


@pytest.mark.parametrize("label", sorted(labels_in_code()))
def test_every_function_that_names_an_equation_is_named_below_it(label):
    named = {name.rsplit(".", 1)[-1] for name in EQUATIONS.get(label, [])}
    naming = [where for where in labels_in_code()[label] if not where.endswith("(module)")]
    assert not naming or named & {where.rsplit(".", 1)[-1] for where in naming}, (
        f"{label}: {naming}, but {named}"
    )


def test_every_reference_in_a_chapter_leads_to_an_equation():
    for chapter in CHAPTERS:
        missing = set(re.findall(rf"{{eq}}`({LABEL})`", markdown(chapter))) - set(EQUATIONS)
        assert not missing, f"{chapter} refers to {missing}"
