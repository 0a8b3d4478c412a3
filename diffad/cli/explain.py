"""`diffad explain`: why one image is called anomalous, or is not."""

from pathlib import Path
from typing import Annotated

import typer

from diffad.cli.options import Detector, Json, Quiet, print_json, say

Image = Annotated[Path, typer.Argument(help="one picture: a .png, .jpg, ... file", metavar="IMAGE")]
Out = Annotated[
    Path | None, typer.Option(help="a .png file for the picture of the explanation", dir_okay=False)
]


def explain_command(
    model_folder: Detector, image: Image, out: Out = None, quiet: Quiet = False, as_json: Json = False
) -> None:
    """Explain the score of one image.

    Says whether the image is called anomalous and where the threshold lies, how often a normal image
    scores so high (the p-value), which noise levels found it unusual, and which part of it. The picture
    shows the same: the image, its error map, its score among those of held-out normal images, its levels.

    \b
    Examples:
      diffad explain detector photos/new/0042.png --out why.png
      diffad explain detector photos/new/0042.png --json
    """
    check_paths(image, out)
    from diffad.cli.sources import one_picture
    from diffad.detectors import ImageDetector
    from diffad.explanation import as_json as plain
    from diffad.explanation import explain_image, in_words

    detector = ImageDetector.load(model_folder)
    explanation = explain_image(detector, one_picture(image, detector.image_shape_))
    if out is not None:
        write_picture(explanation, image.name, out)
        say(f"picture in {out}", quiet)
    if as_json:
        print_json({"name": image.name} | plain(explanation))
    else:
        print(in_words(explanation, image.name))


def check_paths(image: Path, out: Path | None) -> None:
    """Refuse, before any work, what is no file and what cannot be written; the error names the argument."""
    from diffad.errors import DataNotFound
    from diffad.storage import ensure_folder

    if image.is_dir():
        raise ValueError(f"IMAGE: {image} is a folder, expected one picture; `diffad score` takes folders")
    if not image.is_file():
        raise DataNotFound(f"IMAGE: {image} is not there, expected a file with a picture")
    if out is not None:
        if out.suffix != ".png":
            raise ValueError(f"--out: got {out}, expected a file that ends in .png")
        ensure_folder(out.absolute().parent, "--out")


def write_picture(explanation, name: str, path: Path) -> None:
    """Write the picture of an explanation as PNG, whole or not at all."""
    from diffad.figures.explanation import explanation_figure
    from diffad.storage import publish_file

    figure = explanation_figure(explanation, name)
    with publish_file(path) as partial:
        figure.savefig(partial, format="png", dpi=150)
