"""Options that several commands share, and how they speak."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None,
    typer.Option(help="the data home; default: DIFFAD_DATA or the platform's cache folder", file_okay=False),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON to stdout, and nothing else there")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress bars and no remarks")]
Detector = Annotated[
    Path, typer.Argument(help="the folder of a detector that `diffad train` wrote", metavar="MODEL_FOLDER")
]
Source = Annotated[
    str,
    typer.Argument(
        help="a data set of `diffad data list`, a folder of images, or a .npy file of uint8 (n, h, w, c)",
        metavar="SOURCE",
    ),
]


def parse_classes(text: str | None) -> list[int]:
    """ "0,1" -> [0, 1]; None -> [].

    Raises:
        ValueError: not class ids parted by commas.
    """
    try:
        classes = [int(part) for part in text.split(",")] if text is not None else []
    except ValueError:
        raise ValueError(
            f"--classes: got {text!r}, expected class ids parted by commas, such as 0,1"
        ) from None
    return classes


def say(text: str, quiet: bool = False) -> None:
    """A remark for the user, on stderr: stdout is for results."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    """Print JSON to stdout; NaN and infinity, which JSON does not have, are refused."""
    print(json.dumps(value, indent=1, allow_nan=False))


def table(rows: list[dict[str, object]]) -> str:
    """Rows as aligned columns under their keys; numbers to the right."""
    if not rows:
        return ""
    columns = list(rows[0])
    cells = [columns] + [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    numeric = [isinstance(rows[0][column], (int, float)) for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if right else cell.ljust(w)
            for cell, w, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    )


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
