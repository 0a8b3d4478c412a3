"""One look for every figure of the book: fonts, sharpness, and a fixed colour for each method.

Colours are Okabe & Ito's ("Color Universal Design", 2008), which the colour-blind can tell apart; where grey
must do, methods also differ by marker and dash.
"""

import sys
from binascii import b2a_base64
from collections.abc import Sequence
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
}

# The name of a method for readers, and its colour; a record's own name for it is the key. All diffusion scores
# of one network share its colour: what differs is how its errors are read.
METHODS = {
    "one_step": ("DDPM, one level", OKABE_ITO["sky"]),
    "partial_diffusion": ("DDPM, partial diffusion", OKABE_ITO["purple"]),
    "levels_mean": ("DDPM, mean z", "#4C78A8"),
    "levels_max": ("DDPM, max z", "#7FA7CF"),
    "levels_max_abs": ("DDPM, max |z|", OKABE_ITO["blue"]),
    "levels_mahalanobis": ("DDPM, Mahalanobis of levels", "#1B3A5C"),
    "ddpm": ("DDPM", "#005A8D"),
    "dit": ("DiT", OKABE_ITO["vermilion"]),
    "iforest": ("IForest", OKABE_ITO["green"]),
    "ocsvm": ("OCSVM", OKABE_ITO["orange"]),
    "copod": ("COPOD", "#882255"),
    "ecod": ("ECOD", "#999999"),
    "knn": ("KNN", "#56707A"),
    "lof": ("LOF", "#B8A300"),
    "pca": ("PCA", "#7F5539"),
    "mahalanobis": ("Mahalanobis", OKABE_ITO["black"]),
    "denoiser_profile": ("DDPM, denoiser's profile", "#6A3D9A"),
    "denoiser_errors": ("DDPM, errors by channel", "#9E86C8"),
    "denoiser_activations": ("DDPM, bottleneck", "#B15928"),
    "best": ("DDPM, preset best", "#08306B"),
    "autoencoder": ("AutoEncoder", "#CC3377"),
    "deep_svdd": ("Deep SVDD", "#4D9221"),
}
# Where two networks stand side by side a method is named with its network, "unet/one_step". The transformer's are warm.
NETWORK_TITLES = {"unet": "U-Net", "dit": "DiT"}
METHODS |= {
    f"dit/{method}": (METHODS[method][0].replace("DDPM", NETWORK_TITLES["dit"]), colour)
    for method, colour in {
        "one_step": "#E34A33",
        "partial_diffusion": "#F4A582",
        "levels_mean": "#B2182B",
        "levels_max": "#D6604D",
        "levels_max_abs": "#8C2D04",
        "levels_mahalanobis": "#67001F",
        "denoiser_profile": "#A50F15",
        "denoiser_errors": "#EF6548",
        "denoiser_activations": "#CC4C02",
        "best": "#7F0000",
    }.items()
}
METHODS |= {
    f"unet/{method.removeprefix('dit/')}": (
        title.replace(NETWORK_TITLES["dit"], NETWORK_TITLES["unet"]),
        METHODS[method.removeprefix("dit/")][1],
    )
    for method, (title, _) in list(METHODS.items())
    if method.startswith("dit/")
}
METHOD_COLOURS = {name: colour for name, (_, colour) in METHODS.items()}


def method_title(method: str) -> str:
    """The name of a method for readers; a name that is not in METHODS is its own."""
    return METHODS[method][0] if method in METHODS else method


def use_style() -> None:
    """Set the defaults of matplotlib and of tables; call it once, in a notebook's first code cell.

    In a notebook a cell that ends in a Figure shows it, see `sharp_png`. Without this call a Figure made without
    pyplot would be shown as text. A table's cells are shown whole: pandas would cut them after 50 characters.
    """
    pd.set_option("display.max_colwidth", None)
    cycle = [OKABE_ITO[name] for name in ("blue", "vermilion", "green", "orange", "purple", "sky")]
    mpl.rcParams.update(
        {
            "figure.dpi": 100,
            "savefig.dpi": 200,
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": mpl.cycler(color=cycle),
            "legend.frameon": False,
        }
    )
    shell = (
        sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    )  # else: not in a notebook
    if shell is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
        shell.display_formatter.formatters["image/png"].for_type(Figure, sharp_png)


def sharp_png(figure: Figure) -> tuple[str, dict]:
    """A figure as PNG at twice the screen's resolution, in 256 colours: a third of the bytes of all colours.

    Returns:
        The file in base64, and the width and height at which a notebook shows it, in pixels of the screen.
    """
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=2 * figure.dpi, bbox_inches="tight")
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "png", optimize=True)
        encoded = b2a_base64(small.getvalue(), newline=False).decode("ascii")
        return encoded, {"width": image.width // 2, "height": image.height // 2}


def image_grid(images: np.ndarray, columns: int, titles: Sequence[str] | None = None) -> Figure:
    """Images in rows of `columns`, each with its title.

    images: uint8 (n, height, width, 1 or 3). titles: n short strings or None.
    """
    if columns < 1 or not len(images) or (titles is not None and len(titles) != len(images)):
        counts = f"{len(images)} images, {columns} columns, {len(titles) if titles else 0} titles"
        raise ValueError(f"image_grid needs an image, a column, and as many titles as images, got {counts}")
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(0.95 * columns, (1.2 if titles else 1.0) * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for each in axes[len(images) :]:
        each.set_axis_off()
    for index, image in enumerate(images):
        axes[index].set(xticks=[], yticks=[])
        axes[index].spines[:].set(
            visible=True, color="0.7", linewidth=0.5
        )  # white must not melt into the page
        axes[index].imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
        if titles:
            axes[index].set_title(titles[index], fontsize=8)
    return figure
