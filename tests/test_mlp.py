"""The residual perceptron for vectors: zero at the start, quick to learn, and better than its width."""

import time

import pytest
import torch

from diffad.model import DiffusionModel, ModelConfig
from diffad.networks import make_network

SMALL = {"features": 12, "width": 16, "depth": 2}


@pytest.mark.parametrize("learned_variance", [False, True])
def test_an_untrained_network_answers_exactly_zero(learned_variance):
    network = make_network("mlp", SMALL | {"learned_variance": learned_variance})
    output = network(torch.randn(3, 12), torch.tensor([1, 5, 1000]))
    assert output.shape == (3, 24 if learned_variance else 12) and not output.any()
    assert network.input_shape == (12,) and network.input_kind == "vectors"


def test_a_model_of_vectors_is_built_saved_and_loaded(tmp_path):
    model = ModelConfig(network="mlp", network_parameters=SMALL, num_steps=20).build().eval()
    assert model.input_kind == "vectors" and model.input_shape == (12,)
    torch.nn.init.normal_(model.network.output.weight)
    loaded = DiffusionModel.load(model.save(tmp_path / "model"))
    x_t = torch.randn(4, 12)
    with torch.inference_mode():
        assert model.predict(x_t, 3).any() and torch.equal(model.predict(x_t, 3), loaded.predict(x_t, 3))


def test_dropout_acts_in_training_alone():
    network = make_network("mlp", SMALL | {"dropout": 0.5})
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x_t, t = torch.randn(4, 12), torch.tensor([1, 2, 3, 4])
    torch.manual_seed(0)
    assert not torch.allclose(network(x_t, t), network(x_t, t))
    network.eval()
    assert torch.equal(network(x_t, t), network(x_t, t))


def learn(network, x_0, alpha_bar, num_updates, seed=0):
    """Mean squared error of eps on fresh noise after a few updates of Adam, at a fixed noise level each."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)

    def error():
        x = x_0[torch.randint(len(x_0), (128,), generator=generator)]
        t = torch.randint(1, len(alpha_bar), (128,), generator=generator)
        noise = torch.randn(x.shape, generator=generator)
        a = alpha_bar[t, None].float()
        return (network(a.sqrt() * x + (1 - a).sqrt() * noise, t) - noise).square().mean()

    for _ in range(num_updates):
        optimiser.zero_grad()
        error().backward()
        optimiser.step()
    with torch.inference_mode():
        return torch.stack([error() for _ in range(20)]).mean().item()


def test_hundreds_of_vectors_are_learned_in_seconds_even_by_a_narrow_network():
    # Whitened vectors: the best possible answer is sqrt(1 - alpha_bar) x_t, whose error is the mean of alpha_bar.
    model = ModelConfig(network="mlp", network_parameters={"features": 512, "width": 128}).build()
    x_0 = torch.randn(400, 512, generator=torch.Generator().manual_seed(1))
    started = time.process_time()
    alpha_bar = model.process.schedule.alpha_bar
    error = learn(model.network, x_0, alpha_bar, 300)
    assert time.process_time() - started < 20
    assert error < alpha_bar[1:].mean() + 0.06


REFUSED = {
    "no feature": ({"features": 0}, "network_parameters.features"),
    "dropout": ({"dropout": 1.0}, "network_parameters.dropout"),
    "width": ({"width": 0}, "network_parameters.width"),
    "unknown key": ({"size": "S"}, "network_parameters.size"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_built_is_refused_by_name(case):
    change, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        make_network("mlp", SMALL | change)
