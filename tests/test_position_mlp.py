"""The denoiser of feature maps: zero at the start, one place at a time, and aware of the place."""

import numpy as np
import torch

from diffad.model import DiffusionModel, ModelConfig
from diffad.networks import make_network
from diffad.scorers import EpsError, Evaluator
from diffad.training import TrainingConfig, fit

SMALL = {"height": 4, "width": 3, "channels": 2, "hidden": 16, "depth": 1}


def test_an_untrained_network_answers_exactly_zero():
    for learned_variance in (False, True):
        network = make_network("position_mlp", SMALL | {"learned_variance": learned_variance})
        output = network(torch.randn(5, 2, 4, 3), torch.arange(1, 6))
        assert output.shape == (5, 4 if learned_variance else 2, 4, 3) and not output.any()
    assert network.input_shape == (4, 3, 2) and network.input_kind == "maps"


def test_a_place_answers_for_itself_alone_and_knows_where_it_is():
    network = make_network("position_mlp", SMALL).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x_t, t = torch.ones(1, 2, 4, 3), torch.tensor([7])
    before = network(x_t, t)
    assert len(torch.unique(before[0, 0])) == 12  # the same features, another answer at each place
    x_t[0, :, 1, 2] = -1
    changed = (network(x_t, t) != before).any(dim=1)[0]
    assert changed[1, 2] and changed.sum() == 1


def test_trained_on_maps_it_finds_what_is_right_elsewhere_but_wrong_here(tmp_path):
    """Everywhere +1 in the left column and -1 in the others is normal; a swapped place is not."""
    rng = np.random.default_rng(0)
    usual = np.where(np.arange(3) == 0, 1.0, -1.0)[None, None, :, None]
    maps = (usual + 0.1 * rng.normal(size=(64, 4, 3, 2))).astype(np.float32)
    model = ModelConfig(network="position_mlp", network_parameters=SMALL, num_steps=100).build()
    settings = TrainingConfig(num_updates=200, batch_size=32, learning_rate=1e-2, ema_decay=0.95)
    fit(model, maps, settings, progress=False)
    loaded = DiffusionModel.load(model.save(tmp_path / "model"))
    odd = maps[:8].copy()
    odd[:, 2, 0] *= -1
    errors = EpsError(Evaluator(loaded), [30], 2).maps(odd)[:, 0]  # (8, 4, 3)
    assert (errors.reshape(8, -1).argmax(axis=1) == 6).all()
