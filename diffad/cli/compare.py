"""`diffad compare`: every scorer on the models of finished runs."""

from pathlib import Path
from typing import Annotated

import typer

from diffad.cli.options import Json, Quiet, print_json, table
from diffad.cli.run import Edition, Results

ComparisonFile = Annotated[
    Path, typer.Argument(help="a comparison file, such as experiments/scorers.yaml", metavar="COMPARISON")
]
Run = Annotated[str | None, typer.Option(help="one of the edition's runs; all if not given")]


def compare_command(
    comparison: ComparisonFile,
    edition: Edition = "cpu",
    run: Run = None,
    results: Results = Path("results"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Score the models of finished runs by every scorer that the file names, and write a record of each.

    \b
    Example:
      diffad compare experiments/scorers.yaml --edition cpu
    """
    from diffad.cli.results import metric_rows
    from diffad.comparison import comparison_folder, load_comparison, run_comparison
    from diffad.storage import ensure_folder

    loaded = load_comparison(comparison)
    ensure_folder(results, "--results")
    finished = []
    for name in [run] if run else loaded.edition(edition).runs:
        record = run_comparison(loaded, edition, name, results, progress=not quiet)
        folder = comparison_folder(loaded, edition, name, results)
        finished.append({"folder": str(folder), "record": record.model_dump(mode="json")})
        if not as_json:
            print(table(metric_rows(record)))
            print(f"record in {folder}")
    if as_json:
        print_json(finished)
