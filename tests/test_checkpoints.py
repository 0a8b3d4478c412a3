"""Training checkpoints: read back to the last bit, refused when not whole or not ours, never unpickled."""

import json
import pickle

import pytest
import torch
from tiny import TINY, digits, settings, trained

import diffad.training
from diffad.checkpoints import latest_checkpoint, prune_checkpoints, read_checkpoint, write_checkpoint
from diffad.errors import CheckpointError
from diffad.training import fit


@pytest.fixture
def folder(tmp_path):
    """The checkpoints of a tiny run of six updates."""
    trained(folder=tmp_path)
    return tmp_path


def test_what_was_written_is_read_to_the_last_bit(folder):
    checkpoint = read_checkpoint(latest_checkpoint(folder))
    path = write_checkpoint(folder / "copy", checkpoint)
    again = read_checkpoint(path)
    assert again.tensors.keys() == checkpoint.tensors.keys()
    assert all(torch.equal(again.tensors[name], value) for name, value in checkpoint.tensors.items())
    for name in ("update", "seconds", "history", "configuration"):
        assert getattr(again, name) == getattr(checkpoint, name)
    assert {name.split(".")[0] for name in again.tensors} == {"network", "average", "optimiser"}


def test_the_last_few_are_kept(tmp_path):
    trained(folder=tmp_path, num_updates=9, checkpoint_every=2, checkpoints_kept=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"update-{n:08d}" for n in (6, 8, 9)]
    prune_checkpoints(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["update-00000009"]


def test_a_half_written_checkpoint_does_not_count(folder):
    half = folder / ".update-00000008-abc.partial"
    half.mkdir()
    (half / "tensors.safetensors").write_bytes(b"half")
    assert latest_checkpoint(folder).name == "update-00000006"
    trained(folder=folder)  # goes on from the whole one
    assert latest_checkpoint(folder / "nothing here") is None


def test_adam_s_moments_lie_in_memory_like_their_weights(folder, monkeypatch):
    """A fused Adam walks weights and moments in memory order: another layout would pair the wrong numbers."""
    trainers = []
    real = diffad.training.Trainer.restore
    monkeypatch.setattr(
        diffad.training.Trainer, "restore", lambda self, found: (real(self, found), trainers.append(self))
    )
    fit(TINY.build(), digits(), settings(), checkpoint_folder=folder, progress=False)
    (trainer,) = trainers
    stored = read_checkpoint(latest_checkpoint(folder)).tensors
    state = trainer.optimiser.state
    parameters = [parameter for group in trainer.optimiser.param_groups for parameter in group["params"]]
    assert any(parameter.dim() == 4 and not parameter.is_contiguous() for parameter in parameters)
    for index, parameter in enumerate(parameters):
        for key in ("exp_avg", "exp_avg_sq"):
            assert state[parameter][key].stride() == parameter.stride()
            assert torch.equal(state[parameter][key], stored[f"optimiser.{index}.{key}"])


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_missing_file_is_named(folder, name):
    (latest_checkpoint(folder) / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        trained(folder=folder)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.9])
@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_truncated_file_is_refused(folder, name, kept):
    path = latest_checkpoint(folder) / name
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(CheckpointError, match=name):
        trained(folder=folder)


FOREIGN_STATES = {
    "a list": [],
    "another program": {"step": 3},
    "another format": {"format": "diffad-checkpoint-99"},
    "without history": {"format": "diffad-checkpoint-1", "update": 1, "seconds": 0.0, "configuration": {}},
    "configuration of another kind": {
        "format": "diffad-checkpoint-1",
        "update": 1,
        "seconds": 0.0,
        "history": {},
        "configuration": [],
    },
    "history of another kind": {
        "format": "diffad-checkpoint-1",
        "update": 1,
        "seconds": 0.0,
        "history": {"accuracy": [1]},
        "configuration": {},
    },
    "an update that is no number": {
        "format": "diffad-checkpoint-1",
        "update": "one",
        "seconds": 0.0,
        "history": {},
        "configuration": {},
    },
}


@pytest.mark.parametrize("case", FOREIGN_STATES)
def test_a_foreign_state_is_refused(folder, case):
    (latest_checkpoint(folder) / "state.json").write_text(json.dumps(FOREIGN_STATES[case]))
    with pytest.raises(CheckpointError, match="state.json|format"):
        trained(folder=folder)


class Exploit:
    """Writes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_pickled_checkpoint_is_never_unpickled(folder, tmp_path, name):
    (latest_checkpoint(folder) / name).write_bytes(pickle.dumps(Exploit(tmp_path / "owned")))
    with pytest.raises(CheckpointError, match=name):
        trained(folder=folder)
    assert not (tmp_path / "owned").exists()
