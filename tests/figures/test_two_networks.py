"""Two networks side by side: what is drawn is what was given."""

import numpy as np
import pytest

from diffad.bootstrap import Interval
from diffad.figures import two_networks


def test_each_network_has_its_share_of_the_power():
    image = np.full((2, 3), 4.0)
    figure = two_networks.error_spectra(
        np.array([0.1, 0.2, 0.4]), image, {"unet": image / 2, "dit": image / 4}
    )
    lines = {tuple(line.get_ydata()) for line in figure.axes[0].lines}
    assert (0.5, 0.5, 0.5) in lines and (0.25, 0.25, 0.25) in lines
    assert {text.get_text() for text in figure.axes[0].get_legend().texts} == {"U-Net", "DiT"}


def test_spectra_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="error_power"):
        two_networks.error_spectra(np.zeros(3), np.ones((2, 3)), {"unet": np.ones((2, 2))})


def test_differences_are_drawn_in_points_in_the_order_given():
    given = {"one_step": Interval(0.02, -0.01, 0.05), "denoiser_profile": Interval(-0.1, -0.2, 0.0)}
    axes = two_networks.difference_plot(given).axes[0]
    ends = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    assert (-1.0, 5.0) in ends and (-20.0, 0.0) in ends
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one level", "denoiser's profile"]


def test_no_difference_is_refused():
    with pytest.raises(ValueError, match="differences"):
        two_networks.difference_plot({})
