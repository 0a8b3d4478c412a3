"""`diffad score`: how unlike normal ones images are."""

import csv
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from diffad.cli.options import Detector, Home, Json, Quiet, Source, print_json, say, table

Out = Annotated[Path | None, typer.Option(help="a .csv or .json file for the scores", dir_okay=False)]
Maps = Annotated[
    Path | None,
    typer.Option(
        help="folder for a picture an image that shows where it is unusual, and maps.npy", file_okay=False
    ),
]
Part = Annotated[Literal["train", "test"], typer.Option(help="of a data set")]
Limit = Annotated[int | None, typer.Option(min=1, help="score only the first so many images")]


def score_command(
    model_folder: Detector,
    source: Source,
    out: Out = None,
    maps: Maps = None,
    part: Part = "test",
    limit: Limit = None,
    home: Home = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Score images, one row each.

    A row has the score, the p-value and whether the image is called anomalous. The p-value is the share
    of normal images that score as high or higher. Pictures are converted to the size and the
    channels that the detector was trained on.

    \b
    Examples:
      diffad score detector photos/new --out scores.csv --maps maps
      diffad score detector digits --limit 100 --json
    """
    check_targets(out, maps)
    from diffad.cli.sources import images_to_score
    from diffad.detectors import ImageDetector

    detector = ImageDetector.load(model_folder)
    found = images_to_score(source, part, detector.image_shape_, limit, home)
    say(found.remark, quiet)
    scores = detector.decision_function(found.images, progress=not quiet)
    result = describe_scores(detector, found.names, scores)
    if maps is not None:
        write_maps(detector.maps(found.images, progress=not quiet), found.names, maps)
        say(f"{len(found.names)} maps in {maps}", quiet)
    if out is not None:
        write_scores(result, out)
    if as_json:
        print_json(result)
    else:
        print_scores(result, out)


def check_targets(out: Path | None, maps: Path | None) -> None:
    """Refuse, before any work, targets that cannot be written; ValueError names the option."""
    from diffad.storage import ensure_folder

    if out is not None:
        if out.suffix not in (".csv", ".json"):
            raise ValueError(f"--out: got {out}, expected a file that ends in .csv or .json")
        ensure_folder(out.absolute().parent, "--out")
    if maps is not None:
        if maps.is_dir() and any(maps.iterdir()) and not (maps / "maps.npy").is_file():
            raise ValueError(f"--maps: {maps} holds other files, expected an empty folder or one of maps")
        ensure_folder(maps.absolute().parent, "--maps")


def describe_scores(detector, names: list[str], scores: np.ndarray) -> dict:
    """Scores of named images as plain JSON values."""
    rows = [
        {
            "name": name,
            "score": float(score),
            "p_value": float(p_value),
            "anomalous": bool(score > detector.threshold_),
        }
        for name, score, p_value in zip(names, scores, detector.p_values(scores), strict=True)
    ]
    return {
        "threshold": detector.threshold_,
        "false_positive_rate": detector.detection.false_positive_rate,
        "num_images": len(rows),
        "num_anomalous": sum(row["anomalous"] for row in rows),
        "images": rows,
    }


def write_scores(result: dict, path: Path) -> None:
    """Write the rows as CSV or everything as JSON, by the file's ending, whole or not at all."""
    import json

    from diffad.storage import publish_file

    with publish_file(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        if path.suffix == ".json":
            file.write(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        else:
            writer = csv.DictWriter(file, list(result["images"][0]))
            writer.writeheader()
            writer.writerows(result["images"])


def print_scores(result: dict, out: Path | None) -> None:
    """Print the rows, or where they were written, and how many images are called anomalous."""
    if out is None:
        rows = [row | {"anomalous": "yes" if row["anomalous"] else "no"} for row in result["images"]]
        print(table(rows))
    count = f"{result['num_anomalous']} of {result['num_images']} images are called anomalous"
    print(f"{count} (score above {result['threshold']:.4g})" + (f"; scores in {out}" if out else ""))


def write_maps(maps: np.ndarray, names: list[str], folder: Path) -> None:
    """Write a picture an image and `maps.npy`, whole or not at all, in place of an older folder of maps.

    Dark is usual; all pictures share one scale, which ends at the 99.9th percentile of all pixels.

    Args:
        maps: float32 (n, height, width), 1 = usual.
        names: one an image; a slash in it becomes a hyphen.
        folder: where to.
    """
    from matplotlib import colormaps
    from PIL import Image

    from diffad.storage import publish_folder

    brightest = float(np.quantile(maps, 0.999)) or 1.0
    with publish_folder(folder) as partial:
        np.save(partial / "maps.npy", maps)
        for name, values in zip(names, maps, strict=True):
            pixels = colormaps["inferno"](np.clip(values / brightest, 0, 1), bytes=True)[..., :3]
            file = name.replace("/", "-")
            Image.fromarray(pixels).save(partial / (file if file.endswith(".png") else f"{file}.png"))
