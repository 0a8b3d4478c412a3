"""A run that is stopped, killed with SIGKILL included, goes on to the last bit as if never stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny import NETWORK, TINY, digits, noise_images, same_weights, settings, trained

import diffad.training
from diffad.checkpoints import latest_checkpoint, read_checkpoint
from diffad.errors import CheckpointError
from diffad.model import ModelConfig
from diffad.training import fit


class Killed(BaseException):
    """Stands for a kill in the middle of an update."""


@pytest.mark.parametrize("stop_in", [0, 1, 2, 3, 5])
def test_a_run_stopped_in_any_update_ends_as_if_never_stopped(tmp_path, monkeypatch, stop_in):
    whole, whole_history = trained(validation=digits(40)[30:])
    real, calls = diffad.training.trainer.l_simple, []

    def killer(model, *arguments):
        calls.append(model.training)
        if calls.count(True) == stop_in + 1:
            raise Killed
        return real(model, *arguments)

    monkeypatch.setattr(diffad.training.trainer, "l_simple", killer)
    with pytest.raises(Killed):
        trained(folder=tmp_path, validation=digits(40)[30:])
    monkeypatch.setattr(diffad.training.trainer, "l_simple", real)
    resumed, history = trained(folder=tmp_path, validation=digits(40)[30:])
    assert same_weights(whole, resumed)
    assert history.update == whole_history.update
    assert history.loss == whole_history.loss
    assert history.validation_loss == whole_history.validation_loss


# In parts, and looking at held-out normals for a reason to stop: all that a run must find again after a kill.
KILLED_RUN = {"num_updates": 400, "gradient_accumulation": 2, "patience": 200}

CHILD = """
import json, random, sys
import numpy as np, torch
import pyod.models.iforest  # draws from Python's own generator on import, which diffad never uses
state = torch.get_rng_state(), str(np.random.get_state()), random.getstate()
sys.path.insert(0, sys.argv[1])
from tiny import digits, trained
import diffad.experiments
assert torch.equal(state[0], torch.get_rng_state())
assert state[1:] == (str(np.random.get_state()), random.getstate())
torch.set_num_threads(int(sys.argv[3]))
print("imported", flush=True)
trained(folder=sys.argv[2], validation=digits(40)[30:], **json.loads(sys.argv[4]))
print("finished", flush=True)
"""


def test_kill_9_then_resume_equals_an_uninterrupted_run_and_imports_leave_random_state_alone(tmp_path):
    arguments = [sys.executable, "-c", CHILD, Path(__file__).parent, tmp_path, torch.get_num_threads()]
    arguments.append(json.dumps(KILLED_RUN))
    child = subprocess.Popen([str(argument) for argument in arguments], stdout=subprocess.PIPE, text=True)
    give_up = time.monotonic() + 600
    while latest_checkpoint(tmp_path) is None or latest_checkpoint(tmp_path).name < "update-00000006":
        assert child.poll() is None and time.monotonic() < give_up, "the child did not train"
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    printed, _ = child.communicate()
    assert child.returncode == -signal.SIGKILL and printed == "imported\n"
    stopped_after = read_checkpoint(latest_checkpoint(tmp_path)).update
    total = stopped_after + 7
    # A constant rate: with half a cosine the updates so far would depend on how many there are.
    assert 6 <= stopped_after < 400
    with pytest.raises(CheckpointError, match="num_updates = 400"):
        trained(folder=tmp_path, validation=digits(40)[30:], **KILLED_RUN | {"num_updates": total})
    resumed = resume_to(tmp_path, total)
    whole = run_to(total)
    assert same_weights(resumed, whole)


def run_to(total):
    """An uninterrupted run of 400 updates, looked at after `total`."""
    return stopped_run(None, total)


def resume_to(folder, total):
    """The run in `folder`, resumed and looked at after `total` updates."""
    return stopped_run(folder, total)


def stopped_run(folder, total):
    model, real = TINY.build(0), diffad.training.Trainer.step
    patch = pytest.MonkeyPatch()

    def step(trainer):
        if trainer.update == total:
            raise Killed
        real(trainer)

    patch.setattr(diffad.training.Trainer, "step", step)
    with pytest.raises(Killed):
        fit(model, digits(), settings(**KILLED_RUN), digits(40)[30:], folder, progress=False)
    patch.undo()
    return model


OTHER_RUNS = {
    "learning_rate": lambda folder: trained(folder=folder, learning_rate=2e-3),
    "batch_size": lambda folder: trained(folder=folder, batch_size=9),
    "seed": lambda folder: trained(folder=folder, seed=1),
    "images": lambda folder: trained(noise_images(64), folder=folder),
    "schedule": lambda folder: fit(
        ModelConfig(network_parameters=NETWORK, num_steps=60).build(),
        digits(),
        settings(),
        checkpoint_folder=folder,
        progress=False,
    ),
    "parameterisation": lambda folder: fit(
        TINY.model_copy(update={"parameterisation": "v"}).build(),
        digits(),
        settings(),
        checkpoint_folder=folder,
        progress=False,
    ),
    "tensor": lambda folder: fit(
        ModelConfig(network_parameters=NETWORK | {"attention": False}, num_steps=50).build(),
        digits(),
        settings(),
        checkpoint_folder=folder,
        progress=False,
    ),
}


@pytest.mark.parametrize("name", OTHER_RUNS)
def test_another_run_s_checkpoints_are_refused_by_what_differs(tmp_path, name):
    trained(folder=tmp_path)
    with pytest.raises(CheckpointError, match=name):
        OTHER_RUNS[name](tmp_path)


def test_what_changes_no_weight_may_change_on_the_way(tmp_path):
    first, _ = trained(folder=tmp_path)
    again, _ = trained(folder=tmp_path, validate_every=1, checkpoint_every=5, checkpoints_kept=9)
    assert same_weights(first, again)
