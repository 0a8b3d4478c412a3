"""`diffad run`: an experiment file becomes a run record."""

import inspect
from pathlib import Path
from typing import Annotated, Literal

import typer

from diffad.cli.options import Json, Quiet, print_json, table

ExperimentFile = Annotated[
    Path, typer.Argument(help="an experiment file, such as experiments/mnist_c.yaml", metavar="EXPERIMENT")
]
Edition = Annotated[
    Literal["smoke", "cpu", "gpu"], typer.Option(help="seconds, a two-core machine, or one GPU")
]
Results = Annotated[Path, typer.Option(help="the record goes to RESULTS/NAME/EDITION", file_okay=False)]
Checkpoints = Annotated[
    Path, typer.Option(help="where a stopped training is taken up again", file_okay=False)
]


def run_command(
    experiment: ExperimentFile,
    edition: Edition = "smoke",
    results: Results = Path("results"),
    checkpoints: Checkpoints = Path(".work/checkpoints"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run an experiment file and write its record.

    The record holds scores, metrics with intervals, and what they were computed by. Stopped with Ctrl-C
    or killed, the same command goes on from the last checkpoint.

    \b
    Example:
      diffad run experiments/mnist_c.yaml --edition smoke
    """
    from diffad.cli.results import metric_rows
    from diffad.configuration import load_experiment
    from diffad.experiments import run_experiment
    from diffad.storage import ensure_folder

    loaded = load_experiment(experiment)
    check_protocol_parameters(loaded, edition)
    ensure_folder(results, "--results")
    record = run_experiment(loaded, edition, results, checkpoints, progress=not quiet)
    folder = results / loaded.name / edition
    if as_json:
        print_json({"folder": str(folder), "record": record.model_dump(mode="json")})
        return
    print(table(metric_rows(record)))
    print(f"record in {folder}")


def check_protocol_parameters(experiment, edition_name: str) -> None:
    """Refuse an edition that is not there, or parameters that its protocol does not have; ValueError names them."""
    from diffad.experiments import PROTOCOLS

    edition = experiment.edition(edition_name)
    allowed = list(inspect.signature(PROTOCOLS[experiment.protocol]).parameters)[
        1:
    ]  # the first is the data set
    unknown = sorted(
        set(edition.protocol_parameters) - set(allowed) | {"seed"} & set(edition.protocol_parameters)
    )
    if unknown:
        expected = ", ".join(name for name in allowed if name != "seed")
        raise ValueError(
            f"protocol_parameters: got {', '.join(unknown)}, expected some of {expected} (of {experiment.protocol})"
        )
