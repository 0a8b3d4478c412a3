"""`diffad run`: an experiment file becomes a run record."""

import inspect
from pathlib import Path
from typing import Annotated, Literal

import typer

from diffad.cli.options import Json, Quiet, print_json, say, table

ExperimentFile = Annotated[
    Path, typer.Argument(help="an experiment file, such as experiments/mnist_c.yaml", metavar="EXPERIMENT")
]
Edition = Annotated[
    Literal["smoke", "cpu", "gpu"], typer.Option(help="seconds, a two-core machine, or one GPU")
]
Cell = Annotated[
    str | None, typer.Option(help="one of the edition's cells; all that are not recorded if not given")
]
Results = Annotated[Path, typer.Option(help="records go to RESULTS/NAME/EDITION[/CELL]", file_okay=False)]
Checkpoints = Annotated[
    Path, typer.Option(help="where a stopped training is taken up again", file_okay=False)
]
Check = Annotated[
    bool,
    typer.Option(
        "--check", help="run what is recorded anew, write nothing, compare; exit code 1 if a score differs"
    ),
]
DIFFERENT = 1  # exit code


def run_command(
    experiment: ExperimentFile,
    edition: Edition = "smoke",
    cell: Cell = None,
    results: Results = Path("results"),
    checkpoints: Checkpoints = Path(".work/checkpoints"),
    check: Check = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int | None:
    """Run an experiment file and write its record, or a record for each of its cells.

    A record holds scores, metrics with intervals, and what they were computed by. Stopped with Ctrl-C
    or killed, the same command goes on from the last checkpoint. Cells whose record stands, made by the
    code as it is, are not run again; name one to run it again. With --check it is run again and compared.

    \b
    Example:
      diffad run experiments/mnist_c.yaml --edition smoke
    """
    from diffad.cli.results import metric_rows
    from diffad.configuration import load_experiment
    from diffad.experiments import is_recorded, record_folder, run_experiment
    from diffad.storage import ensure_folder
    from diffad.workflow import check_others

    loaded = load_experiment(experiment)
    check_others(experiment)
    check_protocol_parameters(loaded, edition)
    cells = [cell] if cell or not loaded.edition(edition).cells else list(loaded.edition(edition).cells)
    loaded.edition(edition).of_cell(cells[0])  # refuses a cell that is not there
    if check:
        return check_cells(loaded, edition, cells, results, not quiet, as_json)
    ensure_folder(results, "--results")
    finished = []
    for each in cells:
        folder = record_folder(loaded, edition, results, each)
        if each and not cell and is_recorded(loaded, edition, results, each):
            say(f"{folder} stands")
            continue
        record = run_experiment(loaded, edition, results, checkpoints, not quiet, each)
        finished.append({"folder": str(folder), "record": record.model_dump(mode="json")})
        if not as_json:
            print(table(metric_rows(record)))
            print(f"record in {folder}")
    if as_json:
        print_json(finished[0] if cell or not loaded.edition(edition).cells else finished)
    return None


def check_cells(loaded, edition: str, cells, results: Path, progress: bool, as_json: bool) -> int:
    """Run recorded cells anew and print each method's numbers of both; 1 where a score differs, else 0."""
    from diffad.rerunning import check_run

    rows = [
        {"cell": cell or edition, **each.row()}
        for cell in cells
        for each in check_run(loaded, edition, results, cell, progress)
    ]
    if as_json:
        print_json(rows)
    else:
        shown = [
            {
                **row,
                "recorded": f"{row['recorded']:.6f}",
                "now": f"{row['now']:.6f}",
                "difference": f"{row['difference']:.1e}",
                "same": "yes" if row["same"] else "NO",
            }
            for row in rows
        ]
        print(table(shown))
    return 0 if all(row["same"] for row in rows) else DIFFERENT


def check_protocol_parameters(experiment, edition_name: str) -> None:
    """Refuse an edition that is not there, or parameters that its protocol does not have; ValueError names them."""
    from diffad.experiments import PROTOCOLS

    edition = experiment.edition(edition_name)
    allowed = list(inspect.signature(PROTOCOLS[experiment.protocol]).parameters)[
        1:
    ]  # the first is the data set
    given = {name for cell in edition.cells or [None] for name in edition.of_cell(cell).protocol_parameters}
    unknown = sorted(given - set(allowed) | {"seed"} & given)
    if unknown:
        expected = ", ".join(name for name in allowed if name != "seed")
        raise ValueError(
            f"protocol_parameters: got {', '.join(unknown)}, expected some of {expected} (of {experiment.protocol})"
        )
