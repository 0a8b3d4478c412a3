"""What is said to be seen is seen: receptive fields, attention, parts and costs agree with networks whose answer is
known.
"""

import math

import pytest
import torch

from diffad import costs, inspection
from diffad.model import DiffusionModel, ModelConfig
from diffad.networks import make_network
from diffad.oracle import GaussianOracle
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule

SHAPE = {"image_size": 8, "channels": 1}
DIT = SHAPE | {"size": "mini", "patch": 2}
UNET = SHAPE | {"size": "tiny"}
PROCESS = ForwardProcess(make_schedule("cosine", 100))


class Shifted(torch.nn.Module):
    """Predicts three times the pixel one row below and two columns to the right."""

    def forward(self, x_t, t):
        return 3 * torch.roll(x_t, (-1, -2), (2, 3))


@pytest.fixture
def x_t():
    return torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_the_receptive_field_of_a_shift_is_the_one_pixel_that_it_takes(x_t):
    field = inspection.receptive_field(DiffusionModel(Shifted(), PROCESS), x_t, 50, 2, 3)
    expected = torch.zeros(8, 8)
    expected[3, 5] = 3
    assert torch.equal(field, expected)
    assert inspection.reach(field, 2, 3) == pytest.approx(math.sqrt(5))
    assert inspection.reach(field, 3, 5) == 0
    assert math.isnan(inspection.reach(torch.zeros(8, 8), 3, 5))


def test_the_receptive_field_of_the_linear_oracle_is_a_row_of_its_matrix(x_t):
    factor = torch.randn(64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    covariance, mean = factor @ factor.T / 64, torch.zeros(1, 8, 8, dtype=torch.float64)
    model = DiffusionModel(GaussianOracle(PROCESS, mean, covariance), PROCESS)
    alpha_bar = PROCESS.number("alpha_bar", 40)
    inverse = torch.linalg.inv(alpha_bar * covariance + (1 - alpha_bar) * torch.eye(64, dtype=torch.float64))
    matrix = alpha_bar**0.5 * covariance @ inverse
    field = inspection.receptive_field(model, x_t.double(), 40, 4, 5, "x0")
    torch.testing.assert_close(field, matrix[4 * 8 + 5].view(8, 8).abs(), rtol=1e-6, atol=1e-9)


def test_the_best_linear_estimate_reaches_further_with_more_noise(x_t):
    place = torch.arange(8).double()
    distance = (place[:, None] - place).abs()
    covariance = torch.kron(0.6**distance, 0.6**distance)  # neighbouring pixels resemble each other
    model = DiffusionModel(GaussianOracle(PROCESS, torch.zeros(1, 8, 8).double(), covariance), PROCESS)
    reaches = [
        inspection.reach(inspection.receptive_field(model, x_t.double(), t, 4, 4, "x0"), 4, 4)
        for t in (2, 20, 50, 80)
    ]
    assert reaches == sorted(reaches) and reaches[0] < 0.3 < 1 < reaches[-1]


def test_a_pixel_outside_the_image_is_refused(x_t):
    with pytest.raises(ValueError, match="got 8, 0, expected a pixel of 8 x 8"):
        inspection.receptive_field(DiffusionModel(Shifted(), PROCESS), x_t, 50, 8, 0)


def test_an_untrained_transformer_sees_nothing_until_its_gates_are_opened_and_closes_them_again(x_t):
    model = ModelConfig(network="dit", network_parameters=DIT).build(0)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    assert not inspection.receptive_field(model, x_t, 500, 4, 4).any()
    with inspection.opened(model.network, seed=1, spread=0.5):
        assert inspection.receptive_field(model, x_t, 500, 4, 4).all()
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


def test_attention_maps_are_what_the_network_used_and_leave_it_as_it_was(x_t):
    network = make_network("dit", DIT).eval()
    with inspection.opened(network, spread=0.5):
        answer = network(x_t, torch.full((3,), 7))
        maps = inspection.attention_maps(network, x_t, 7)
        assert maps.shape == (4, 3, 4, 16, 16) and maps.var() > 0
        torch.testing.assert_close(maps.sum(-1), torch.ones(4, 3, 4, 16))
        assert torch.equal(network(x_t, torch.full((3,), 7)), answer)
        assert all(block.attention.fused_attn for block in network.blocks)
        assert not any(block.attention.attn_drop._forward_hooks for block in network.blocks)
        # The first block by hand: softmax of the scaled products of queries and keys.
        block, seen = network.blocks[0], []
        hook = block.attention.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        network(x_t, torch.full((3,), 7))
        hook.remove()
        q, k, _ = block.attention.qkv(seen[0]).view(3, 16, 3, 4, 16).permute(2, 0, 3, 1, 4)
        torch.testing.assert_close(maps[0], (q @ k.mT / 4).softmax(-1), rtol=1e-4, atol=1e-5)


def test_attention_distance_of_looking_at_oneself_and_at_a_neighbour():
    assert inspection.attention_distance(torch.eye(9)[None], 3).item() == 0
    neighbour = torch.eye(4)[[1, 0, 3, 2]]  # each of 2 x 2 tokens looks at the one beside it
    assert inspection.attention_distance(neighbour, 2).item() == 1


@pytest.mark.parametrize(("kind", "parameters"), [("unet", UNET), ("dit", DIT)])
def test_every_parameter_stands_in_exactly_one_part(kind, parameters):
    network = make_network(kind, parameters | {"num_classes": 3})
    parts = inspection.parameter_parts(network)
    listed = [id(parameter) for each in parts.values() for parameter in each]
    assert sorted(listed) == sorted(id(parameter) for parameter in network.parameters())
    assert sum(inspection.count_parts(network).values()) == sum(p.numel() for p in network.parameters())
    without = inspection.count_parts(make_network(kind, parameters))
    grown = {part: count - without[part] for part, count in inspection.count_parts(network).items()}
    assert {part for part, more in grown.items() if more} == {"time and class"}


def test_parts_of_another_network_are_refused():
    with pytest.raises(TypeError, match="got MLP, expected a UNet or a DiT"):
        inspection.count_parts(make_network("mlp", {"features": 4}))


def test_a_transformer_wakes_up_from_its_last_layer(x_t):
    model = ModelConfig(network="dit", network_parameters=DIT).build(0)
    shares = inspection.share_that_learns(model, x_t, 3, 1e-3)
    assert [part for part, share in shares[0].items() if share] == ["input and output"]
    assert shares[1]["adaLN-Zero"] > 0 and not shares[1]["perceptrons"] and not shares[1]["attention"]
    assert shares[2]["perceptrons"] > 0.9 and shares[2]["attention"] > 0.9


# --- costs ---


def test_operations_of_a_transformer_are_those_of_its_matrix_products():
    tokens, width, depth = 16, 64, 4
    each = tokens * 12 * width**2 + 2 * tokens**2 * width + 6 * width**2  # products, attention, modulation
    around = tokens * width * 4 + 256 * width + width**2 + 2 * width**2 + tokens * width * 4
    network = make_network("dit", DIT)
    assert costs.count_flops(network) == 2 * (depth * each + around)
    assert costs.count_flops(network, batch_size=5) == 5 * costs.count_flops(network)


@pytest.mark.parametrize(("kind", "parameters"), [("unet", UNET), ("dit", DIT)])
def test_a_network_without_numbers_costs_the_same_and_the_backward_pass_about_twice_as_much(kind, parameters):
    real, meta = make_network(kind, parameters), costs.on_meta(kind, parameters)
    assert all(parameter.is_meta for parameter in meta.parameters())
    for backward in (False, True):
        assert costs.count_flops(real, backward=backward) == costs.count_flops(meta, backward=backward)
    assert 2.8 < costs.count_flops(meta, backward=True) / costs.count_flops(meta) < 3.05
    assert all(parameter.grad is None for parameter in real.parameters())


def test_time_is_measured_and_a_network_without_numbers_is_refused():
    network = make_network("dit", DIT)
    assert 0 < costs.seconds_an_evaluation(network, least_repeats=2, least_seconds=0) < 60
    with pytest.raises(ValueError, match="got one on the meta device"):
        costs.seconds_an_evaluation(costs.on_meta("dit", DIT))
