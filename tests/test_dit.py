"""The diffusion transformer: the published parameter count, zero at the start, positions, and what is refused."""

import math

import pytest
import torch

from diffad.networks import DIT_SIZES, DiTConfig, make_network

SMALL = {"image_size": 8, "channels": 1, "size": "Ti", "patch": 2}


def count(**parameters):
    """Numbers in the network, the fixed positions included, as the published counts include them."""
    with torch.device("meta"):  # counts without memory
        network = make_network("dit", parameters)
    return sum(values.numel() for values in [*network.parameters(), network.positions])


def published_parts(depth, width, size, channels, patch, num_classes, outputs):
    """The numbers of the paper's network, part by part, from its description alone (weights + biases)."""

    def linear(features_in, features_out):
        return features_in * features_out + features_out

    block = linear(width, 3 * width) + linear(width, width)  # attention
    block += linear(width, 4 * width) + linear(4 * width, width)  # perceptron
    block += linear(width, 6 * width)  # adaLN-Zero
    depends_on_input = {
        "patches": linear(channels * patch**2, width),
        "positions": (size // patch) ** 2 * width,
        "classes": (num_classes + 1) * width if num_classes else 0,
        "pixels": linear(width, outputs * patch**2),
    }
    same_for_all = {
        "time": linear(256, width) + linear(width, width),
        "blocks": depth * block,
        "last adaLN": linear(width, 2 * width),
    }
    return same_for_all, depends_on_input


def test_s_2_has_the_published_number_of_parameters():
    latent = {"image_size": 32, "channels": 4, "size": "S", "patch": 2, "num_classes": 1000}
    same, depends = published_parts(12, 384, 32, 4, 2, 1000, outputs=8)
    ours = count(**latent, learned_variance=True)
    assert ours == sum(same.values()) + sum(depends.values()) == 32_963_360
    assert round(ours / 1e6, 1) == 33.0  # Peebles & Xie 2023, table 4


def test_s_2_on_32_px_images_differs_from_it_only_in_the_parts_that_depend_on_the_input():
    same, latent = published_parts(12, 384, 32, 4, 2, 1000, outputs=8)
    _, images = published_parts(12, 384, 32, 3, 2, 0, outputs=3)
    ours = count(image_size=32, channels=3, size="S", patch=2)
    assert ours - sum(images.values()) == 32_963_360 - sum(latent.values()) == sum(same.values())


@pytest.mark.parametrize(("size", "millions"), [("S", 33), ("B", 130), ("L", 458), ("XL", 675)])
def test_the_sizes_are_the_published_ones(size, millions):
    latent = {"image_size": 32, "channels": 4, "patch": 2, "num_classes": 1000, "learned_variance": True}
    assert count(size=size, **latent) / 1e6 == pytest.approx(
        millions, rel=0.005
    )  # the paper cuts 130.5 to 130


def test_every_size_is_allowed_and_no_other():
    for size in DIT_SIZES:
        DiTConfig(**SMALL | {"size": size})
    with pytest.raises(ValueError, match="'Ti', 'S', 'B', 'L' or 'XL'"):
        make_network("dit", SMALL | {"size": "giant"})


@pytest.mark.parametrize("learned_variance", [False, True])
def test_an_untrained_network_answers_exactly_zero(learned_variance):
    network = make_network("dit", SMALL | {"learned_variance": learned_variance, "num_classes": 2})
    output = network(torch.randn(3, 1, 8, 8), torch.tensor([1, 5, 1000]))
    assert output.shape == (3, 2 if learned_variance else 1, 8, 8) and not output.any()


def test_an_untrained_block_changes_nothing_and_everything_is_reached_by_gradients():
    network = make_network("dit", SMALL)
    tokens, vector = torch.randn(2, 16, 192), torch.randn(2, 192)
    assert torch.equal(network.blocks[0](tokens, vector), tokens)
    for name, parameter in network.named_parameters():
        if not parameter.any() and name.endswith("weight"):
            torch.nn.init.normal_(parameter, std=0.02)
    network(torch.randn(2, 1, 8, 8), torch.tensor([3, 9])).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("image_size", "patch"), [(8, 2), (8, 8), (28, 2), (28, 4), (32, 2), (64, 8), (256, 16), (256, 8)]
)
def test_every_patch_fits_every_image_size_that_it_divides(image_size, patch):
    network = make_network("dit", {"image_size": image_size, "channels": 3, "size": "Ti", "patch": patch})
    network.blocks = network.blocks[:1]  # the shapes, not the time
    x_t = torch.randn(1, 3, image_size, image_size)
    assert network.positions.shape == (1, (image_size // patch) ** 2, 192)
    assert network.input_shape == (image_size, image_size, 3) and network.input_kind == "images"
    assert network(x_t, torch.tensor([7])).shape == x_t.shape


def test_the_positions_are_sines_and_cosines_of_row_and_column():
    network = make_network("dit", SMALL)
    row, column = 2, 3
    came = network.positions[0, row * 4 + column]
    waves = [position / 10_000 ** (i / 48) for position in (row, column) for i in range(48)]
    expected = torch.tensor([math.sin(wave) for wave in waves] + [math.cos(wave) for wave in waves])
    torch.testing.assert_close(came, expected)
    assert "positions" not in network.state_dict()


def test_equal_patches_are_told_apart_by_their_place():
    network = make_network("dit", SMALL)
    torch.nn.init.normal_(network.output.linear.weight)
    with torch.inference_mode():
        output = network(torch.zeros(1, 1, 8, 8), torch.tensor([4]))[0, 0]
    corners = torch.stack([output[:2, :2], output[:2, -2:], output[-2:, :2], output[-2:, -2:]]).flatten(1)
    assert (torch.pdist(corners) > 0.01).all()


def test_pixels_go_back_to_the_patch_they_came_from():
    network = make_network("dit", SMALL | {"channels": 3}).eval()
    for parameter in (network.output.linear.weight, *(block.modulation.weight for block in network.blocks)):
        torch.nn.init.normal_(parameter, std=0.02)
    for block in network.blocks:
        block.attention.forward = lambda tokens: torch.zeros_like(tokens)  # each token on its own
    x_t, t = torch.randn(1, 3, 8, 8), torch.tensor([4])
    changed = x_t.clone()
    changed[:, :, 2:4, 6:8] += 1
    with torch.inference_mode():
        difference = (network(changed, t) - network(x_t, t)).abs().sum(dim=1)[0]
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:4, 6:8] = True
    assert (difference[inside] > 0).all() and not difference[~inside].any()


REFUSED = {
    "not divisible": ({"image_size": 28, "patch": 8}, "patch: got 8 for image_size 28, .*2 or 4"),
    "odd": ({"image_size": 9}, "patch: got 2 for image_size 9, .*none of 2, 4, 8, 16 is one"),
    "patch": ({"patch": 3}, "network_parameters.patch: .*2, 4, 8 or 16"),
    "unknown key": ({"depth": 3}, "network_parameters.depth"),
    "classes": ({"num_classes": -1}, "network_parameters.num_classes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_built_is_refused_by_name(case):
    change, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        make_network("dit", SMALL | change)
