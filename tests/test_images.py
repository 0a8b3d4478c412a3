"""Images at rest and in networks: one exact way each, and one sentence for whatever is no image."""

import warnings

import numpy as np
import pytest
import torch
from tiny import BAD_IMAGES, noise_images

from diffad.images import check_images, to_network, to_uint8


def test_all_256_values_survive_the_round_trip():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(to_uint8(to_network(images)), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_axes_range_and_layout(channels):
    images = noise_images(5, shape=(6, 4, channels))
    inside = to_network(images)
    assert inside.shape == (5, channels, 6, 4) and inside.dtype == torch.float32 and inside.is_contiguous()
    assert inside[3, channels - 1, 5, 2].item() == pytest.approx(images[3, 5, 2, channels - 1] / 127.5 - 1)
    ends = to_network(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
    assert ends.flatten().tolist() == [-1.0, 1.0]
    np.testing.assert_array_equal(to_uint8(inside), images)


def test_the_caller_s_images_are_not_changed():
    images = noise_images()
    before = images.copy()
    to_network(images).zero_()
    np.testing.assert_array_equal(images, before)


def test_read_only_images_pass_without_a_warning(tmp_path):
    np.save(tmp_path / "images.npy", noise_images())
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_network(mapped)


def test_values_outside_are_clipped():
    tensor = torch.tensor([-9.0, -1.001, 1.001, 9.0]).view(1, 1, 2, 2)
    assert to_uint8(tensor).flatten().tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_what_is_no_image_is_refused_in_one_sentence(case):
    images, error, words = BAD_IMAGES[case]
    with pytest.raises(error, match=words) as caught:
        check_images(images, "photographs")
    message = str(caught.value)
    assert message.startswith("photographs: ") and "\n" not in message and "expected" in message


def test_another_shape_than_required_is_refused():
    with pytest.raises(ValueError, match=r"\(8, 8, 1\), expected \(8, 8, 3\)"):
        check_images(noise_images(), "images", (8, 8, 3))
    assert check_images(noise_images(), "images", (8, 8, 1)) is not None
