"""Command line of the coursework: `python -m diffad.coursework`, which `make student` and `make instructor` call."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from diffad.coursework.handed_in import grade_file
from diffad.errors import DiffadError

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Notebooks for a course, and points for them."
)
Root = Annotated[Path, typer.Option(help="the project's folder", file_okay=False, exists=True)]
Out = Annotated[Path | None, typer.Option(help="folder to write  [default: _build/EDITION]", file_okay=False)]
HERE = Path(".")
TESTS = Path("coursework") / "tests"


@app.command()
def student(out: Out = None, root: Root = HERE) -> None:
    """Write the edition for students: without solutions and hidden tests."""
    _write("student", out, root)


@app.command()
def instructor(out: Out = None, root: Root = HERE) -> None:
    """Write the edition for instructors: with solutions, all tests and typical wrong answers."""
    _write("instructor", out, root)


def _write(edition: Literal["student", "instructor"], out: Path | None, root: Path) -> None:
    from diffad.coursework.editions import write_edition  # it loads what runs notebooks

    folder = out or root / "_build" / edition
    notebooks = write_edition(root.resolve(), edition, folder)
    print(f"{len(notebooks)} notebooks in {folder}, and all of it in {folder.with_suffix('.zip')}")


@app.command()
def grade(
    files: Annotated[list[Path], typer.Argument(help="notebooks that were handed in", metavar="FILES")],
    root: Root = HERE,
) -> None:
    """Points of handed-in notebooks, hidden tests included. Their code is run."""
    for path in files:
        marks = grade_file(path, root / TESTS)
        for each in marks:
            print(each.said)
        points, most = sum(each.points for each in marks), sum(each.most for each in marks)
        print(f"{path}: {points:.1f} of {most:g} points")


def main() -> None:
    """Run a command; bad input exits with code 2 and one sentence."""
    try:
        app()
    except DiffadError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
