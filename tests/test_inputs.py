"""The three kinds of input: what is accepted, what is refused, and how each enters a network."""

import numpy as np
import pytest
import torch

from diffad.inputs import check_inputs, network_shape, to_network
from tests.tiny import noise_images

VECTORS = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
MAPS = np.random.default_rng(1).standard_normal((5, 4, 2, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("data", "kind", "shape"),
    [(noise_images(5), "images", (8, 8, 1)), (VECTORS, "vectors", (3,)), (MAPS, "maps", (4, 2, 3))],
)
def test_each_kind_is_accepted_as_it_is(data, kind, shape):
    assert check_inputs(data, "data", kind, shape) is data
    assert to_network(data).shape == (5, *network_shape(shape))


def test_images_are_scaled_and_floats_are_not():
    assert to_network(np.full((1, 2, 2, 1), 255, np.uint8)).unique().tolist() == [1.0]
    assert torch.equal(to_network(VECTORS), torch.from_numpy(VECTORS))
    assert torch.equal(to_network(MAPS), torch.from_numpy(MAPS).permute(0, 3, 1, 2))


def test_what_is_given_is_not_written_to():
    frozen = VECTORS.copy()
    frozen.flags.writeable = False
    to_network(frozen).zero_()
    assert frozen.any()


@pytest.mark.parametrize(
    ("data", "kind", "shape", "message"),
    [
        (VECTORS.tolist(), "vectors", None, "got list"),
        (VECTORS.astype(np.float64), "vectors", None, "got dtype float64, expected float32 vectors"),
        (MAPS, "vectors", None, r"got shape \(5, 4, 2, 3\), expected non-empty vectors"),
        (VECTORS[:0], "vectors", None, "expected non-empty"),
        (VECTORS, "vectors", (4,), r"got vectors of shape \(3,\), expected \(4,\)"),
        (np.where(VECTORS > 0, np.nan, VECTORS), "vectors", None, "NaN or infinite"),
        (noise_images(2), "maps", None, "got dtype uint8, expected float32 maps"),
        (MAPS, "images", None, "float32"),
    ],
)
def test_anything_else_is_refused_by_name(data, kind, shape, message):
    with pytest.raises((TypeError, ValueError), match=f"rows: .*{message}"):
        check_inputs(data, "rows", kind, shape)
