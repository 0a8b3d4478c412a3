"""The 15 corruptions: what each does to a pixel, and that an image's corruption is its own."""

import numpy as np
import pytest
from scipy import ndimage

from diffad.datasets import load
from diffad.datasets.corruptions import CORRUPTIONS, corrupt
from diffad.datasets.plasma import plasma_fractal


@pytest.fixture(scope="module")
def strokes() -> np.ndarray:
    """Twelve 28 x 28 images of soft strokes, uint8 (12, 28, 28, 1)."""
    rng = np.random.default_rng(0)
    images = np.zeros((12, 28, 28))
    for image in images:
        row, column = rng.integers(7, 20, 2)
        image[row - 1 : row + 2, 6:22] = 1.0
        image[6:22, column - 1 : column + 2] = 1.0
    return np.rint(ndimage.gaussian_filter(images, (0, 0.6, 0.6)) * 255).astype(np.uint8)[..., None]


def one(name: str, image: np.ndarray, seed: int = 0) -> np.ndarray:
    return CORRUPTIONS[name](image, np.random.default_rng(seed))


def test_there_are_the_fifteen_of_the_paper() -> None:
    assert len(CORRUPTIONS) == 15
    assert all(function.__doc__ for function in CORRUPTIONS.values())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_changes_images_and_leaves_its_input_alone(name: str, strokes: np.ndarray) -> None:
    before = strokes.copy()
    corrupted = corrupt(strokes, name)
    assert corrupted.shape == strokes.shape and corrupted.dtype == np.uint8
    assert np.array_equal(strokes, before)
    assert (corrupted != strokes).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_depends_on_seed_name_and_index_alone(name: str, strokes: np.ndarray) -> None:
    indices = np.arange(100, 112)
    together = corrupt(strokes, name, 3, indices)
    backwards = corrupt(strokes[::-1], name, 3, indices[::-1])[::-1]
    alone = corrupt(strokes[7:8], name, 3, indices[7:8])
    assert np.array_equal(together, backwards)
    assert np.array_equal(together[7:8], alone)


RANDOM = sorted(set(CORRUPTIONS) - {"scale", "brightness", "stripe", "canny_edges"})


@pytest.mark.parametrize("name", RANDOM)
def test_random_corruptions_differ_between_images_and_seeds(name: str, strokes: np.ndarray) -> None:
    same = np.repeat(strokes[:1], 12, axis=0)
    assert len(np.unique(corrupt(same, name, 0), axis=0)) > 1
    assert not np.array_equal(corrupt(same, name, 0), corrupt(same, name, 1))


def test_shot_noise_counts_photons() -> None:
    grey = np.full((200, 200), 0.25)
    noisy = one("shot_noise", grey)
    assert set(np.unique(np.rint(noisy * 3))) <= {0, 1, 2, 3}
    # Poisson(0.75) cut at 3, divided by 3: mean 0.2471 by summing its probabilities.
    assert noisy.mean() == pytest.approx(0.247, abs=0.006)


def test_impulse_noise_replaces_seventeen_percent() -> None:
    noisy = one("impulse_noise", np.full((300, 300), 0.5))
    assert (noisy == 0.5).mean() == pytest.approx(0.83, abs=0.01)
    assert (noisy == 1.0).mean() == pytest.approx(0.085, abs=0.01)


def test_motion_blur_is_half_a_gaussian_along_a_line() -> None:
    point = np.zeros((61, 61))
    point[30, 30] = 1.0
    smeared = one("motion_blur", point)
    assert smeared.sum() == pytest.approx(1.0)
    # One-sided: the smear ends at the point and thins out with the Gaussian's own ratio, sigma = 3.
    assert smeared[:, 31:].sum() == 0.0
    assert smeared[:, 29].sum() / smeared[30, 30] == pytest.approx(np.exp(-1 / 18), rel=0.3)


def test_shapes_move_about_the_centre_as_stated() -> None:
    image = np.zeros((29, 29))
    image[9:20, 13:16] = 1.0  # a bar, symmetric about the centre pixel (14, 14)
    for name in ("rotate", "shear", "scale"):
        assert ndimage.center_of_mass(one(name, image)) == pytest.approx((14.0, 14.0), abs=0.05)
    assert one("scale", image).sum() == pytest.approx(image.sum() * 0.49, rel=0.05)
    rows, columns = np.nonzero(one("rotate", image) > 0.5)
    slope = np.polyfit(rows - 14.0, columns - 14.0, 1)[0]
    assert abs(np.arctan(slope)) == pytest.approx(0.4, abs=0.04)
    rows, columns = np.nonzero(one("shear", image) > 0.5)
    assert abs(np.polyfit(rows - 14.0, columns - 14.0, 1)[0]) == pytest.approx(np.tan(0.4), abs=0.04)


def test_translate_moves_by_three_pixels_each_way() -> None:
    image = np.zeros((28, 28))
    image[10, 12] = 1.0
    moved = {tuple(np.argwhere(one("translate", image, seed))[0]) for seed in range(40)}
    assert moved == {(7, 9), (7, 15), (13, 9), (13, 15)}


def test_brightness_and_stripe_are_exact() -> None:
    image = np.linspace(0.0, 1.0, 28 * 28).reshape(28, 28)
    assert np.array_equal(one("brightness", image), np.minimum(image + 0.5, 1.0))
    striped = one("stripe", image)
    assert np.array_equal(striped[:, 7:21], image[:, 7:21])
    assert np.array_equal(striped[:, :7], 1.0 - image[:, :7])
    assert np.array_equal(striped[:, 21:], 1.0 - image[:, 21:])


def test_fog_keeps_the_brightest_value_and_lifts_the_paper(strokes: np.ndarray) -> None:
    for image in strokes[:4, :, :, 0] / 255.0:
        fogged = one("fog", image)
        assert fogged.max() <= image.max() + 1e-12
        assert fogged[image == 0.0].mean() > 0.05


def test_spatter_is_mud_of_one_grey() -> None:
    mud = one("spatter", np.zeros((28, 28)))
    assert 0.0 < mud.max() <= 63 / 255
    assert (mud == 0.0).mean() > 0.3


def test_dotted_line_is_two_on_two_off() -> None:
    ink = one("dotted_line", np.zeros((28, 28)))
    inked = ink.max(axis=0) > 0.5
    assert np.array_equal(inked, (np.arange(28) % 4 >= 2) & (np.arange(28) < 27))


def test_zigzag_spans_its_columns_and_turns() -> None:
    ink = sum(one("zigzag", np.zeros((60, 28)), seed) for seed in range(5))
    assert not ink[:, :1].any() and not ink[:, 27:].any()
    single = one("zigzag", np.zeros((60, 28)), 3)
    path = single.argmax(axis=0)[2:25]
    turns = np.count_nonzero(np.diff(np.sign(np.diff(path.astype(float)))))
    assert turns >= 4


def test_canny_keeps_only_outlines() -> None:
    square = np.zeros((28, 28))
    square[8:20, 8:20] = 1.0
    edges = one("canny_edges", square)
    assert set(np.unique(edges)) == {0.0, 1.0}
    assert edges[12:16, 12:16].sum() == 0.0 and edges.sum() > 30


def test_glass_blur_keeps_ink_but_moves_it(strokes: np.ndarray) -> None:
    image = strokes[0, :, :, 0] / 255.0
    glass = one("glass_blur", image)
    assert glass.sum() == pytest.approx(image.sum(), rel=0.03)
    blurred = ndimage.gaussian_filter(image, 0.7 * np.sqrt(2.0), mode="nearest")
    assert np.abs(glass - blurred).max() > 0.1


def test_plasma_spans_zero_to_one_and_is_rougher_with_a_smaller_decay() -> None:
    smooth, rough = (plasma_fractal(64, decay, np.random.default_rng(1)) for decay in (3.0, 1.2))
    assert smooth.min() == 0.0 and smooth.max() == 1.0
    assert np.abs(np.diff(rough)).mean() > 2 * np.abs(np.diff(smooth)).mean()
    with pytest.raises(ValueError, match="power of two"):
        plasma_fractal(48, 2.0, np.random.default_rng(0))


def test_small_digits_are_corrupted_enlarged_and_come_back_in_size(strokes: np.ndarray) -> None:
    digits = load("digits", "test").images[:6]
    assert np.array_equal(corrupt(digits, "identity"), digits)
    bright = corrupt(digits, "brightness").astype(int)
    assert np.array_equal(bright, np.minimum(np.rint(digits + 127.5), 255))
    striped = corrupt(digits, "stripe")
    assert np.array_equal(striped[:, :, 2:6], digits[:, :, 2:6])
    assert np.array_equal(striped[:, :, :2], 255 - digits[:, :, :2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "frost"}, "corruption must be one of .*'frost'"),
        ({"images": np.zeros((2, 28, 28, 3), np.uint8)}, r"images must be uint8 .* \(2, 28, 28, 3\)"),
        ({"images": np.zeros((2, 28, 28, 1))}, "images must be uint8 .* float64"),
        ({"images": [[1]]}, "images must be uint8 .* list"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"indices": [1, 2, 3]}, "indices must name each of the 2 images"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    call = {"images": np.zeros((2, 28, 28, 1), np.uint8), "name": "fog"} | arguments
    with pytest.raises(ValueError, match=message):
        corrupt(**call)
