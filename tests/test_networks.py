"""The Denoiser protocol: shapes, times, sizes, and names for whatever cannot be built."""

import pytest
import torch
from diffusers import UNet2DModel
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


PARAMETERS = {
    "tiny": 176_849,
    "mini": 280_177,
    "small": 686_769,
    "medium": 2_734_945,
    "base": 7_200_385,
    "large": 17_279_937,
}


def count(**parameters):
    with torch.device("meta"):  # counts without memory
        network = make_network("unet", {"image_size": 32, "channels": 1} | parameters)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("size", PARAMETERS)
def test_the_sizes_stay_as_recorded_models_have_them(size):
    assert count(size=size) == PARAMETERS[size]


def test_every_size_is_tested():
    assert set(UNET_SIZES) == {*PARAMETERS, "ddpm"}


# The configuration published with google/ddpm-cifar10-32.
DDPM_CIFAR10 = {
    "act_fn": "silu",
    "attention_head_dim": None,
    "block_out_channels": (128, 256, 256, 256),
    "center_input_sample": False,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "in_channels": 3,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-06,
    "norm_num_groups": 32,
    "out_channels": 3,
    "resnet_time_scale_shift": "default",
    "sample_size": 32,
    "time_embedding_type": "positional",
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
}


def test_ddpm_is_the_paper_s_network():
    with torch.device("meta"):
        published = UNet2DModel(**DDPM_CIFAR10)
        ours = make_network("unet", {"image_size": 32, "channels": 3, "size": "ddpm"}).unet
    assert sum(parameter.numel() for parameter in ours.parameters()) == 35_746_307  # Ho et al. 2020: 35.7 M
    assert {name: ours.config[name] for name in DDPM_CIFAR10} == DDPM_CIFAR10
    shapes = {name: value.shape for name, value in published.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes


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


def test_a_unet_is_built_from_diffusers_arguments():
    layout = build().configuration.layout()
    network = make_network("diffusers_unet", {"arguments": layout})
    shapes = {name: value.shape for name, value in build().state_dict().items()}
    assert {name: value.shape for name, value in network.state_dict().items()} == shapes
    assert network.input_shape == (8, 8, 1)


FOREIGN = {
    "unknown argument": ({"depth": 3}, "UNet2DModel cannot be built"),
    "impossible": ({"norm_num_groups": 7}, "UNet2DModel cannot be built"),
    "oblong": ({"sample_size": (8, 16)}, r"sample_size \(8, 16\)"),
    "no size": ({"sample_size": None}, "sample_size None"),
    "classes": ({"num_class_embeds": 3}, "class embedding"),
    "channels": ({"out_channels": 2}, "out_channels 2 for in_channels 1, expected 1"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_diffusers_arguments_that_have_no_meaning_here_are_refused(case):
    change, words = FOREIGN[case]
    with pytest.raises(ValueError, match=words):
        make_network("diffusers_unet", {"arguments": build().configuration.layout() | change})
