"""Exercises, their solutions and their tests; the two editions; and points for what is handed in."""

import ast
import doctest
import importlib.util
import inspect
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from diffad.coursework import editions, syllabus
from diffad.coursework.exercises import (
    KINDS,
    Exercise,
    Solution,
    exercises_of,
    solution_code,
)
from diffad.coursework.grading import Question, grade, read_question
from diffad.coursework.handed_in import grade_file
from diffad.errors import DiffadError
from diffad.publish import load_catalog
from diffad.publish.runner import CATALOG, executed_path, read_executed

ROOT = Path(__file__).parents[1]
SOLUTIONS = sorted((ROOT / "coursework" / "solutions").glob("*.py"))
QUESTIONS = {path.stem: read_question(path) for path in sorted((ROOT / editions.TESTS).glob("*.py"))}
PAGES = editions.pages_with_exercises(ROOT)


@cache
def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"coursework_{path.parent.name}_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def functions(path: Path) -> dict:
    """The public functions that a file defines itself."""
    found = inspect.getmembers(module(path), inspect.isfunction)
    return {name: each for name, each in found if each.__module__ == module(path).__name__ and name[0] != "_"}


@cache
def exercises() -> dict[str, list[tuple[Exercise, Solution]]]:
    catalog = load_catalog(ROOT / CATALOG)
    return {page.page: exercises_of(read_executed(executed_path(ROOT, catalog, page))) for page in PAGES}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, Path]:
    """Both editions, written from the book."""
    folder = tmp_path_factory.mktemp("editions")
    for edition in ("student", "instructor"):
        editions.write_edition(ROOT, edition, folder / edition)
    return {edition: folder / edition for edition in ("student", "instructor")}


# --- the exercises of the book ---


def test_there_are_exercises_of_each_kind_in_all_parts_of_the_book():
    kinds = Counter(exercise.title.split(":")[0] for pairs in exercises().values() for exercise, _ in pairs)
    assert sum(kinds.values()) >= 24 and all(kinds[kind] >= 6 for kind in KINDS)
    assert len(PAGES) >= 10


def test_each_function_of_a_solution_is_shown_once_and_each_shown_one_is_there():
    shown = [
        (solution.file, solution.name)
        for pairs in exercises().values()
        for _, solution in pairs
        if solution.name
    ]
    defined = [(path.relative_to(ROOT).as_posix(), name) for path in SOLUTIONS for name in functions(path)]
    missing = set(defined) - set(shown)
    # A chapter whose text waits for its next run shows its newest solutions after that.
    waiting = {path for path, _ in missing if Path(path).stem not in exercises()}
    assert len(shown) == len(set(shown)) and set(shown) <= set(defined)
    assert {path for path, _ in missing} == waiting


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_what_a_solution_claims_comes_out(path):
    assert doctest.testmod(module(path)).failed == 0
    graded = functions(path).keys() & QUESTIONS.keys()
    for name, function in functions(path).items():
        assert name in graded or ">>>" in function.__doc__, f"nothing runs {name}"


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_tests_accept_the_right_answer_and_reject_typical_wrong_ones(name):
    question = QUESTIONS[name]
    right = next(functions(path)[name] for path in SOLUTIONS if name in functions(path))
    assert not grade(question, {name: right}).failures
    wrong = functions(ROOT / editions.MISTAKES / f"{name}.py")
    assert len(wrong) >= 3
    for mistake, function in wrong.items():
        assert grade(question, {name: function}).failures, f"{mistake} passed for {name}"


def test_each_question_has_cases_that_students_see_and_a_hidden_one():
    assert len(QUESTIONS) >= 6
    for question in QUESTIONS.values():
        hidden = [case.hidden for case in question.cases]
        assert any(hidden) and hidden.count(False) >= 2, question.name


def test_otter_grader_agrees():
    grading = pytest.importorskip("otter.test_files", reason="needs otter-grader: pip install otter-grader")
    for name, question in QUESTIONS.items():
        right = next(functions(path)[name] for path in SOLUTIONS if name in functions(path))
        wrong = next(iter(functions(ROOT / editions.MISTAKES / f"{name}.py").values()))
        for function, passes in ((right, True), (wrong, False)):
            test = grading.OKTestFile.from_file(str(ROOT / editions.TESTS / f"{name}.py"))
            test.run({name: function})
            assert all(case.passed for case in test.test_case_results) is passes, name
            assert len(test.test_case_results) == len(question.cases)


# --- the editions ---


def text_of(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_edition_for_students_holds_no_solution_and_no_hidden_test(written):
    student, instructor = (text_of(written[edition]) for edition in ("student", "instructor"))
    assert "{solution}" not in student and "literalinclude" not in student and "**Solution.**" not in student
    for pairs in exercises().values():
        for exercise, solution in pairs:
            assert json.dumps(exercise.title, ensure_ascii=False)[1:-1] in student
            words = max(re.split(r"[{}$\n\\`\"*]", solution.text), key=len).strip()
            assert len(words) > 15 and words in instructor and words not in student, exercise.label
            if solution.name:
                body = ast.parse(solution_code(solution, ROOT)).body[0].body[1:]
                last = ast.unparse(body[-1]).splitlines()[-1]
                assert json.dumps(last)[1:-1] not in student, exercise.label
    for question in QUESTIONS.values():
        seen = read_question(written["student"] / "tests" / f"{question.name}.py")
        assert seen.cases == tuple(case for case in question.cases if not case.hidden)
    assert "'hidden': True" not in student and not (written["student"] / "mistakes").exists()


@pytest.mark.parametrize("edition", ["student", "instructor"])
def test_an_edition_is_whole_valid_and_plain_markdown(written, edition):
    paths = sorted(written[edition].glob("*.ipynb"))
    assert {path.stem for path in paths} == {page.page for page in PAGES}
    for path in paths:
        made = nbformat.read(path, as_version=4)
        nbformat.validate(made)
        for cell in made.cells:
            if cell.cell_type == "markdown":
                assert not re.search(r"\{[a-z:]+\}`|^:::", cell.source, flags=re.MULTILINE), cell.source
    with zipfile.ZipFile(written[edition].with_suffix(".zip")) as archive:
        names = {name.removeprefix(f"{edition}/") for name in archive.namelist()}
    files = [path for path in written[edition].rglob("*") if path.is_file()]
    assert names == {path.relative_to(written[edition]).as_posix() for path in files}


def test_the_same_sources_give_the_same_edition(written, tmp_path):
    editions.write_edition(ROOT, "student", tmp_path / "student")
    before = written["student"].with_suffix(".zip").read_bytes()
    assert (tmp_path / "student.zip").read_bytes() == before


def test_the_checks_of_the_edition_for_instructors_pass(written, monkeypatch):
    for path in written["instructor"].glob("*.ipynb"):
        monkeypatch.chdir(written["instructor"])
        cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        names: dict = {}
        exec(cells[0], names)
        assert Path.cwd() == ROOT / "book" / "chapters"  # where the chapters' paths start
        codes = {solution_code(each, ROOT, imports=True) for _, each in exercises()[path.stem] if each.name}
        solutions = [cell for cell in cells if cell in codes]
        assert len(solutions) == len(codes)
        checks = [cell for cell in cells if cell.startswith("grader.check(")]
        for cell in solutions:
            exec(cell, names)
        assert checks or path.stem == "own_images", path.stem
        for cell in checks:
            assert not eval(cell, names).failures, cell


# --- the page for teachers ---


def test_the_syllabus_names_pages_that_exist_and_its_table_counts_what_is_there():
    text = (ROOT / "book" / "teach.md").read_text()
    known = {page.page for page in load_catalog(ROOT / CATALOG).pages}
    assert set(syllabus.CHAPTER_MARK.findall(text)) <= known
    shown = syllabus.fill_in(text, ROOT, Path("book"))
    assert "<!--" not in shown and "[Sampling and reconstruction](chapters/sampling.ipynb)" in shown
    count = sum(len(pairs) for pairs in exercises().values())
    points = sum(question.points for name, question in QUESTIONS.items() if name in str(exercises()))
    total = shown.split("exercises** | ")[1].splitlines()[0]
    assert f"**{count} exercises** | " in shown and total.split(" | ")[3] == f"**{points:g}**"


def test_a_page_that_a_part_of_the_book_lacks_is_named_without_a_link(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / CATALOG).write_text("pages: []\n")
    assert syllabus.chapter_link("some_page", tmp_path, Path("book")) == "some page"


# --- points ---


def handed_in(written, tmp_path, page: str, answers: dict[str, str]) -> Path:
    """A student's notebook in which answer cells that define a name hold other code."""
    made = nbformat.read(written["student"] / f"{page}.ipynb", as_version=4)
    for cell in made.cells:
        for name, code in answers.items():
            if cell.cell_type == "code" and cell.source.startswith(f"def {name}("):
                cell.source = code
    path = tmp_path / f"{page}.ipynb"
    nbformat.write(made, path)
    return path


def marks(path: Path, seconds: float = 60):
    return {each.name: each for each in grade_file(path, ROOT / editions.TESTS, seconds)}


def test_points_of_an_empty_a_right_and_a_wrong_notebook(written, tmp_path):
    empty = marks(handed_in(written, tmp_path, "forward_process", {}))
    assert empty.keys() == {"sample_forward"} and empty["sample_forward"].points == 0
    code = (ROOT / "coursework" / "solutions" / "forward_process.py").read_text()
    right = marks(handed_in(written, tmp_path, "forward_process", {"sample_forward": code}))
    assert right["sample_forward"].points == right["sample_forward"].most == 3
    wrong = marks(
        handed_in(
            written, tmp_path, "forward_process", {"sample_forward": code.replace("beta[:t]", "beta[1:t]")}
        )
    )
    assert 0 < wrong["sample_forward"].points < 3
    assert "- The first step uses beta_1" in wrong["sample_forward"].said


def test_a_loop_without_an_end_and_broken_code_get_no_points_and_harm_nobody(written, tmp_path):
    endless = {"sample_forward": "while True: pass"}
    stopped = marks(handed_in(written, tmp_path, "forward_process", endless), seconds=4)
    assert stopped["sample_forward"].points == 0 and "stopped after 4 s" in stopped["sample_forward"].said
    broken = marks(
        handed_in(written, tmp_path, "forward_process", {"sample_forward": "def sample_forward(:"})
    )
    assert broken["sample_forward"].points == 0 and "NameError" in broken["sample_forward"].said


def test_the_command_line_answers_bad_input_with_one_sentence(tmp_path):
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "empty.ipynb")
    command = [sys.executable, "-m", "diffad.coursework", "grade", str(tmp_path / "empty.ipynb")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "has no answer cells" in done.stderr and done.stderr.count("\n") == 1
    with pytest.raises(DiffadError, match="nowhere.ipynb is not a notebook"):
        grade_file(tmp_path / "nowhere.ipynb", ROOT / editions.TESTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no test thing.py .* expected one of: none"),
        ("test = 1", "not in otter-grader's OK format"),
        ("OK_FORMAT = True\ntest = {'name': 'other'}", "not in otter-grader's OK format"),
        ("OK_FORMAT = True\ntest = open('x')", "not in otter-grader's OK format"),
        ("OK_FORMAT = (", "not in otter-grader's OK format"),
    ],
)
def test_a_test_file_of_another_kind_is_refused_and_not_run(tmp_path, text, message):
    if text is not None:
        (tmp_path / "thing.py").write_text(text)
    with pytest.raises(DiffadError, match=message):
        read_question(tmp_path / "thing.py")


def test_a_result_says_which_cases_failed_and_what_came_out():
    question = QUESTIONS["auroc"]
    result = grade(question, {"auroc": lambda normal, anomalous: 0.25})
    assert result.points == 0 and len(result.failures) == len(question.cases)
    assert "auroc: 3 of 3 tests failed" in str(result) and "0.25" in str(result)
    assert str(grade(Question("none", 1, question.cases[:0] + question.cases[1:2]), {})).count("NameError")
