"""Command line of the publisher: `python -m diffad.publish`, which `make book` and `make test` call."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from diffad.errors import DiffadError
from diffad.publish import runner
from diffad.publish.catalog import load_catalog

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Run the notebooks of the book and publish them."
)
Root = Annotated[Path, typer.Option(help="the project's folder", file_okay=False, exists=True)]
HERE = Path(".")


@app.command()
def run(
    pages: Annotated[
        list[str] | None, typer.Argument(help="pages to look at; all of them if none is named")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="run pages even if nothing changed")] = False,
    text_only: Annotated[
        bool, typer.Option("--text-only", help="run nothing: renew the text of pages whose code is the same")
    ] = False,
    root: Root = HERE,
) -> None:
    """Run the notebooks that changed; exit code 1 if one failed.

    A page of which only the text changed is not run: its outputs stay, with the new text around them.
    """
    if force and text_only:
        raise DiffadError("got --force and --text-only, expected at most one of them")
    report = runner.publish(
        root.resolve(), pages, force, lambda line: print(line, flush=True), text_only=text_only
    )
    if not report.ok:
        print(
            f"{len(report.faults)} of {len(report.outcomes)} notebooks failed: {', '.join(report.faults)}",
            file=sys.stderr,
        )
        raise typer.Exit(1)


@app.command()
def status(root: Root = HERE) -> None:
    """Say for each page what the next run would do, and why."""
    root = root.resolve()
    catalog = load_catalog(root / runner.CATALOG)
    for page in catalog.pages:
        plan = runner.plan_page(page, root, catalog)
        print(f"{page.page:<24} {page.edition:<6} {plan.action:<5} {plan.reason}")


@app.command()
def reproducible(
    seconds: Annotated[float, typer.Option(help="longest run time of a notebook", min=0)] = 120.0,
    root: Root = HERE,
) -> None:
    """Print the executed notebooks that can be run again here; the others and why go to stderr."""
    paths, left_out = runner.reproducible_pages(root.resolve(), seconds)
    for reason in left_out:
        print(f"Checked, not run again: {reason}", file=sys.stderr)
    for path in paths:
        print(path)


@app.command()
def where(page: Path) -> None:
    """Print where a built page lies, as an address for the browser."""
    if not page.is_file():
        raise DiffadError(f"there is no built page {page}; `make book` builds it")
    print(f"The book is ready: {page.resolve().as_uri()}")


@app.command()
def pdf(target: Path = Path("_build/diffad.pdf"), root: Root = HERE) -> None:
    """Print the whole book to one PDF, by Chromium, Chrome or Edge."""
    from diffad.publish.pdf import make_pdf

    made = make_pdf(root.resolve(), target)
    print(f"The book as a PDF: {made.resolve().as_uri()} ({made.stat().st_size / 1e6:.1f} MB)")


def main() -> None:
    """Run a command; bad input exits with code 2 and one sentence, Ctrl-C with 130."""
    try:
        app()
    except DiffadError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
