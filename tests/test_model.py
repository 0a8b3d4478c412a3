"""A model is a function of its configuration and seed, and comes back from disk bit by bit or not at all."""

import json
import pickle
import random

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny import NETWORK, TINY, PoisonedNetwork, same_weights, weights, wrapped

from diffad.errors import CheckpointError
from diffad.model import DiffusionModel, ModelConfig


@pytest.fixture
def saved(tmp_path):
    """A saved model and its folder."""
    model = TINY.build(3).eval()
    return model, model.save(tmp_path / "model")


def points(seed=0):
    return torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_weights_are_a_function_of_the_seed_and_of_nothing_else():
    first = TINY.build(1)
    torch.manual_seed(99)
    assert same_weights(first, TINY.build(1))
    assert not same_weights(first, TINY.build(2))


def test_building_touches_no_global_random_state():
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    TINY.build(5)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])
    assert before[2] == random.getstate()


def test_a_saved_model_comes_back_to_the_last_bit(saved):
    model, folder = saved
    loaded = DiffusionModel.load(folder)
    assert same_weights(model, loaded) and not loaded.training
    assert loaded.configuration == model.configuration
    for name, value in weights(loaded).items():
        assert value.stride() == weights(model)[name].stride(), name
    with torch.inference_mode():
        assert torch.equal(loaded.predict(points(), 7), model.predict(points(), 7))
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "weights.safetensors"]


def test_saving_again_replaces_the_model(saved):
    _, folder = saved
    other = TINY.build(4)
    other.save(folder)
    assert same_weights(DiffusionModel.load(folder), other)


def test_saving_never_removes_what_is_not_a_model(tmp_path):
    (tmp_path / "thesis.tex").write_text("five years")
    with pytest.raises(ValueError, match="thesis.tex"):
        TINY.build().save(tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        TINY.build().save(tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "five years"


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "in-the-way").write_text("a file")
    with pytest.raises(ValueError, match="cannot write in .*in-the-way"):
        TINY.build().save(tmp_path / "in-the-way" / "model")


def test_a_model_without_a_configuration_cannot_be_saved(tmp_path):
    with pytest.raises(CheckpointError, match="ModelConfig"):
        wrapped(PoisonedNetwork(1)).save(tmp_path / "model")


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_missing_file_is_named(saved, name):
    _, folder = saved
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        DiffusionModel.load(folder)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_truncated_weights_are_refused(saved, kept):
    _, folder = saved
    path = folder / "weights.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(CheckpointError, match="weights.safetensors is truncated or not a safetensors file"):
        DiffusionModel.load(folder)


class Exploit:
    """Writes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_pickled_checkpoint_is_never_unpickled(saved, tmp_path, write, name):
    _, folder = saved
    write({"unet.conv_in.weight": Exploit(tmp_path / "owned")}, folder / name)
    with pytest.raises(CheckpointError, match=name):
        DiffusionModel.load(folder)
    assert not (tmp_path / "owned").exists()


def rewrite(folder, change):
    model = DiffusionModel.load(folder)
    tensors = {name: value.contiguous() for name, value in weights(model).items()}
    change(tensors)
    save_file(tensors, folder / "weights.safetensors")


FIRST = "unet.conv_in.weight"
FOREIGN = {
    "missing": (lambda tensors: tensors.pop(FIRST), f"tensor '{FIRST}' is missing from"),
    "extra": (lambda tensors: tensors.update(other=torch.ones(2)), "tensor 'other' is not known"),
    "another shape": (
        lambda tensors: tensors.update({FIRST: torch.ones(16, 3, 3, 3)}),
        r"tensor 'unet.conv_in.weight' in .* has shape \(16, 3, 3, 3\), expected \(16, 1, 3, 3\)",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_weights_are_refused_by_the_tensor_s_name(saved, case):
    _, folder = saved
    change, words = FOREIGN[case]
    rewrite(folder, change)
    with pytest.raises(CheckpointError, match=words):
        DiffusionModel.load(folder)


DESCRIPTIONS = {
    "not JSON": "{",
    "a list": "[1]",
    "another program": '{"_class_name": "DDPMPipeline"}',
    "another format": '{"format": "diffad-model-99", "model": {}}',
    "no model": '{"format": "diffad-model-1"}',
    "an unknown key": json.dumps(
        {"format": "diffad-model-1", "model": {"network_parameters": NETWORK, "depth": 3}}
    ),
    "an unknown network": json.dumps(
        {"format": "diffad-model-1", "model": {"network": "x", "network_parameters": {}}}
    ),
    "binary": "\udcff\udcfe",
}


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_a_foreign_description_is_refused(saved, case):
    _, folder = saved
    (folder / "model.json").write_bytes(DESCRIPTIONS[case].encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match="model.json"):
        DiffusionModel.load(folder)


IMPOSSIBLE = {
    "key": ({"depth": 3}, "depth"),
    "network": ({"network": "resnet"}, "network: got 'resnet'"),
    "network key": ({"network_parameters": NETWORK | {"widht": 3}}, "network_parameters.widht"),
    "network value": ({"network_parameters": NETWORK | {"size": "huge"}}, "network_parameters.size"),
    "odd size": ({"network_parameters": NETWORK | {"image_size": 9}}, "image_size: got 9"),
    "steps": ({"num_steps": 0}, "num_steps"),
    "schedule": ({"schedule": "sine"}, "sine"),
    "schedule key": ({"schedule_parameters": {"slope": 1}}, "slope"),
    "schedule type": (
        {"schedule": "linear", "schedule_parameters": {"beta_end": "high"}},
        "schedule_parameters",
    ),
    "parameterisation": ({"parameterisation": "noise"}, "parameterisation"),
    "variance": ({"learned_variance": True}, "learned_variance"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_an_impossible_configuration_is_refused_before_anything_is_built(case):
    change, words = IMPOSSIBLE[case]
    with pytest.raises(ValueError, match=words):
        ModelConfig(**{"network_parameters": NETWORK, "num_steps": 50} | change)


def test_one_time_and_a_tensor_of_it_give_the_same():
    model = TINY.build().eval()
    with torch.inference_mode():
        for target in ("eps", "x0", "v", "score"):
            one = model.predict(points(), 9, target)
            assert torch.equal(one, model.predict(points(), torch.full((4,), 9), target))
            assert one.shape == (4, 1, 8, 8)


@pytest.mark.parametrize("parameterisation", ["eps", "x0", "v"])
def test_the_raw_output_is_read_in_the_model_s_own_parameterisation(parameterisation):
    model = TINY.model_copy(update={"parameterisation": parameterisation}).build().eval()
    with torch.inference_mode():
        raw, own = model.network_prediction(points(), 9), model.predict(points(), 9, parameterisation)
    assert torch.equal(raw, own)


def test_a_learned_variance_is_split_off():
    configuration = ModelConfig(
        network_parameters=NETWORK | {"learned_variance": True}, num_steps=50, learned_variance=True
    )
    model = configuration.build().eval()
    with torch.inference_mode():
        raw = model.network_prediction(points(), 9)
        eps, fraction = model.predict_with_variance(points(), 9)
    assert raw.shape == (4, 2, 8, 8)
    assert torch.equal(eps, raw[:, :1]) and torch.equal(fraction, (raw[:, 1:] + 1) / 2)
    assert TINY.build().predict_with_variance(points(), 9)[1] is None


def test_an_unknown_parameterisation_is_refused():
    with pytest.raises(ValueError, match="parameterisation: got 'noise'"):
        DiffusionModel(PoisonedNetwork(1), TINY.build().process, "noise")


def test_the_image_shape_is_the_network_s():
    assert TINY.build().input_shape == (8, 8, 1)
    assert wrapped(PoisonedNetwork(1)).input_shape is None
