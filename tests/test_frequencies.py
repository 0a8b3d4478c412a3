"""Power by frequency: white noise is flat, a wave stands in its own ring, bad input is refused."""

import numpy as np
import pytest

from diffad.frequencies import radial_power


def test_white_noise_has_its_variance_in_every_ring():
    noise = np.random.default_rng(0).normal(0, 2, (400, 16, 16, 3))
    frequencies, power = radial_power(noise, 4)
    assert frequencies == pytest.approx([0.0625, 0.1875, 0.3125, 0.4375])
    assert power.shape == (400, 4) and power.mean(axis=0) == pytest.approx(4 * np.ones(4), rel=0.05)


@pytest.mark.parametrize(("cycles", "ring"), [(1, 0), (3, 1), (5, 2), (7, 3)])
def test_a_wave_stands_in_its_own_ring(cycles, ring):
    wave = np.cos(2 * np.pi * cycles * np.arange(16) / 16)
    image = np.broadcast_to(wave[None, :, None, None], (1, 16, 16, 1))
    _, power = radial_power(image, 4)
    assert power[0].argmax() == ring and power[0, ring] > 0.999 * power.sum()


def test_the_mean_of_an_image_does_not_count():
    assert not radial_power(np.full((1, 8, 8, 1), 3.0), 2)[1].any()


@pytest.mark.parametrize(
    ("shape", "bands", "word"),
    [((8, 8, 1), 2, "images"), ((1, 8, 6, 1), 2, "square"), ((1, 8, 8, 1), 5, "num_bands")],
)
def test_bad_input_is_refused(shape, bands, word):
    with pytest.raises(ValueError, match=word):
        radial_power(np.zeros(shape), bands)
