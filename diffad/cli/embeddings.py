"""`diffad embeddings`: the embeddings track, from its file to its records."""

from pathlib import Path
from typing import Annotated

import typer

from diffad.cli.options import Home, Json, Quiet, print_json, say, table
from diffad.cli.run import Edition, Results

DIFFERENT = 1  # exit code

EmbeddingsExperiment = Annotated[
    Path, typer.Argument(help="such as experiments/embeddings.yaml", metavar="EXPERIMENT")
]
Track = Annotated[list[str], typer.Option(help="only this track; may be repeated")]
Data = Annotated[str | None, typer.Option(help="only this data set, such as adbench-vit/MVTec-AD_bottle")]
Seed = Annotated[list[int], typer.Option(help="only this seed; may be repeated", min=0)]
Again = Annotated[bool, typer.Option("--again", help="run what is recorded again, and replace it")]
Check = Annotated[
    bool,
    typer.Option(
        "--check", help="run recorded cells anew, write nothing, compare; exit code 1 if one differs"
    ),
]


def embeddings_command(
    experiment: EmbeddingsExperiment,
    edition: Edition = "smoke",
    track: Track = [],  # noqa: B006 (typer's way to an option that may be repeated)
    data: Data = None,
    seed: Seed = [],  # noqa: B006
    again: Again = False,
    check: Check = False,
    results: Results = Path("results"),
    home: Home = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int | None:
    """Run every method on embeddings and tables, a record a data set.

    What is recorded by the same settings is not run again; stopped and started anew, at most one split
    of one data set is lost. Several processes may share the work.

    \b
    Example:
      diffad embeddings experiments/embeddings.yaml --edition smoke
    """
    from diffad.embeddings.configuration import load_embeddings_file
    from diffad.embeddings.runs import run_embeddings
    from diffad.storage import ensure_folder

    loaded = load_embeddings_file(experiment)
    if check:
        return check_cells(loaded, edition, track, data, seed, results, home, as_json)
    ensure_folder(results, "--results")
    progress = run_embeddings(
        loaded, edition, results, track, data, seed, again, home, lambda sentence: say(sentence, quiet)
    )
    if as_json:
        print_json(vars(progress))
        return None
    print(
        f"{len(progress.run)} cells run, {len(progress.stood)} stood, {len(progress.held)} data sets are held by others"
    )
    return None


def check_cells(
    loaded, edition: str, track, data, seed, results: Path, home: Path | None, as_json: bool
) -> int:
    """Run recorded cells anew and print both numbers of each method; 1 where one differs, else 0."""
    from diffad.embeddings.runs import check_cell, chosen_data

    rows = []
    for name in chosen_data(loaded, edition, track, data):
        for each in seed or loaded.edition(edition).seeds:
            cells = check_cell(loaded, edition, name, each, results, home)
            rows += [{"data": name, "seed": each, **row} for row in cells]
    if as_json:
        print_json(rows)
    else:
        print(table([{**row, "same": "yes" if row["same"] else "NO"} for row in rows]))
    return 0 if all(row["same"] for row in rows) else DIFFERENT
