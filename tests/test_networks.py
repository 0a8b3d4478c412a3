"""The Denoiser protocol: shapes, times, sizes, and names for whatever cannot be built."""

import pytest
import torch
from tiny import NETWORK

from diffad.networks import UNET_SIZES, make_network


def build(**changes):
    return make_network("unet", NETWORK | changes).eval()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("attention", [True, False])
def test_the_output_has_the_input_s_shape(channels, attention):
    network = build(channels=channels, attention=attention)
    x_t = torch.randn(2, channels, 8, 8)
    assert network(x_t, torch.tensor([1, 50])).shape == x_t.shape
    assert network.input_shape == (8, 8, channels)


def test_a_learned_variance_doubles_the_channels():
    network = build(channels=3, learned_variance=True)
    assert network(torch.randn(2, 3, 8, 8), torch.tensor([1, 2])).shape == (2, 6, 8, 8)


def test_time_1_is_diffusers_time_0():
    network, x_t, t = build(), torch.randn(2, 1, 8, 8), torch.tensor([1, 30])
    with torch.inference_mode():
        assert torch.equal(network(x_t, t), network.unet(x_t, t - 1).sample)
        assert not torch.allclose(network(x_t, t), network(x_t, t + 1))


@pytest.mark.parametrize(
    ("size", "millions"), [("tiny", 0.18), ("small", 0.69), ("medium", 2.7), ("large", 17.3)]
)
def test_the_sizes_are_as_documented(size, millions):
    with torch.device("meta"):  # counts without memory
        network = make_network("unet", {"image_size": 32, "channels": 1, "size": size})
    count = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert count == pytest.approx(millions, rel=0.04)


def test_every_size_is_tested():
    assert set(UNET_SIZES) == {"tiny", "small", "medium", "large"}


def test_convolutions_are_channels_last():
    weight = build().unet.mid_block.resnets[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


REFUSED = {
    "unknown key": ({"widht": 4}, "network_parameters.widht: "),
    "size name": ({"size": "giant"}, "network_parameters.size: .*'tiny'"),
    "wrong type": ({"channels": "grey"}, "network_parameters.channels: "),
    "no channel": ({"channels": 0}, "network_parameters.channels: "),
    "too small": ({"image_size": 2}, "network_parameters.image_size: "),
    "odd": ({"image_size": 9}, "image_size: got 9, expected a multiple of 2"),
    "not divisible": ({"image_size": 28, "size": "large"}, "image_size: got 28, expected a multiple of 8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_built_is_refused_by_name(case):
    change, words = REFUSED[case]
    with pytest.raises(ValueError, match=words) as caught:
        make_network("unet", NETWORK | change)
    assert "\n" not in str(caught.value)


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="network: got 'resnet', expected one of .*unet"):
        make_network("resnet", NETWORK)
