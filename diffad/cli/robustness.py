"""`diffad robustness`: finished runs under noise and attack."""

from pathlib import Path
from typing import Annotated

import typer

from diffad.cli.options import Json, Quiet, print_json, table
from diffad.cli.run import Edition, Results

RobustnessFile = Annotated[
    Path, typer.Argument(help="a robustness file, such as experiments/robustness.yaml", metavar="ROBUSTNESS")
]
Run = Annotated[str | None, typer.Option(help="one of the edition's runs; all if not given")]
Work = Annotated[Path, typer.Option(help="where a stopped attack is taken up again", file_okay=False)]
Again = Annotated[bool, typer.Option("--again", help="make records that stand, too")]


def robustness_command(
    robustness: RobustnessFile,
    edition: Edition = "smoke",
    run: Run = None,
    results: Results = Path("results"),
    work: Work = Path(".work/robustness"),
    again: Again = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Try the models of finished runs on noisy and on attacked images, and write records of each.

    Records that stand, made by the code as it is, are not made again. Stopped with Ctrl-C or killed,
    the same command goes on: records and attacked images are kept.

    \b
    Example:
      diffad robustness experiments/robustness.yaml --edition cpu
    """
    from diffad.robustness.configuration import load_robustness
    from diffad.robustness.runs import robustness_folder, run_robustness
    from diffad.storage import ensure_folder

    loaded = load_robustness(robustness)
    ensure_folder(results, "--results")
    finished = []
    for name in [run] if run else loaded.edition(edition).runs:
        for part, record in run_robustness(loaded, edition, name, results, work, not quiet, again).items():
            folder = robustness_folder(loaded, edition, name, part, results)
            finished.append({"folder": str(folder), "record": record.model_dump(mode="json")})
            if not as_json:
                print(table(condition_rows(record)))
                print(f"record in {folder}")
    if as_json:
        print_json(finished)


def condition_rows(record) -> list[dict[str, object]]:
    """A row a condition with the AUROC of each method in %, as recorded; other noise banks are left out."""
    rows: dict[str, dict[str, object]] = {}
    for name in record.nfe:
        method, _, condition = name.partition("@")
        if "#" not in method:
            row = rows.setdefault(condition or "clean", {"condition": condition or "clean"})
            row[method] = f"{100 * record.interval(name).estimate:.1f}"
    return list(rows.values())
