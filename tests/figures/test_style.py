"""A notebook shows our figures as sharp images, and methods' colours can be told apart."""

import base64
import subprocess
import sys
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diffad.figures.style import METHOD_COLOURS, image_grid, method_title, use_style

IN_A_NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
from diffad.figures.style import use_style
from matplotlib.figure import Figure
use_style()
figure = Figure(figsize=(2, 1))
figure.subplots()
data, _ = shell.display_formatter.format(figure)
print(data["image/png"])
"""


def test_a_figure_at_a_cells_end_is_shown_as_a_sharp_image():
    done = subprocess.run([sys.executable, "-c", IN_A_NOTEBOOK], capture_output=True, text=True, check=True)
    image = Image.open(BytesIO(base64.b64decode(done.stdout)))
    assert image.width > 300  # two inches at 200 dots an inch, less the margins that are cut
    assert image.mode == "P"  # a palette: a page of many figures stays light


def test_a_table_shows_long_cells_whole():
    long = "best of the three of the paper and best baseline of all: IForest"
    with pd.option_context("display.max_colwidth", 50), mpl.rc_context():
        table = pd.DataFrame({"against": [long]})
        assert long not in table._repr_html_()  # what a notebook shows
        use_style()
        assert long in table._repr_html_()


def test_every_method_has_a_colour_of_its_own():
    own = {name: colour for name, colour in METHOD_COLOURS.items() if not name.startswith("unet/")}
    assert len(set(own.values())) == len(own)


def test_where_networks_stand_side_by_side_a_method_is_called_by_its_network():
    assert (
        method_title("dit/one_step") == "DiT, one level"
        and method_title("unet/one_step") == "U-Net, one level"
    )
    assert METHOD_COLOURS["unet/one_step"] == METHOD_COLOURS["one_step"] != METHOD_COLOURS["dit/one_step"]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_grid_shows_every_image(channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, channels), dtype=np.uint8)
    figure = image_grid(images, columns=3, titles=list("abcde"))
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(shown) == 5
    assert np.array_equal(shown[4].reshape(images[4].shape), images[4])
    assert [axes.get_title() for axes in figure.axes][:5] == list("abcde")


def test_a_grid_of_nothing_or_of_other_titles_is_refused():
    images = np.zeros((2, 8, 8, 1), np.uint8)
    for bad in ((images[:0], 3, None), (images, 0, None), (images, 2, ["a"])):
        with pytest.raises(ValueError, match="as many titles as images"):
            image_grid(*bad)
