"""Two processes on CPUs train to the curve and the weights of one with the same global batch."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY, digits, trained

from diffad.checkpoints import read_checkpoint

CHANGES = {"num_updates": 8, "gradient_accumulation": 2, "checkpoints_kept": 9}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder in which two processes have trained together, stopped, and trained on."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, Path(__file__).parent / "two_processes.py", folder, json.dumps(CHANGES)]
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    common |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    children = [
        subprocess.Popen(
            [str(word) for word in command],
            env=os.environ | common | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        printed = [child.communicate(timeout=600)[0] for child in children]
    finally:
        for child in children:
            child.kill()
    assert [child.returncode for child in children] == [0, 0], printed
    return folder


@pytest.fixture(scope="module")
def one():
    """The same training in this process alone: the model and its history."""
    return trained(validation=digits(40)[30:], **CHANGES)


def outcome(folder, rank):
    return json.loads((folder / f"{rank}.json").read_text())


def load(folder, rank, name):
    return load_file(folder / f"{rank}-{name}.safetensors")


def test_the_curve_is_that_of_one_process(two, one):
    for rank in (0, 1):
        history = outcome(two, rank)["whole"]["history"]
        assert history["update"] == one[1].update
        assert history["learning_rate"] == one[1].learning_rate
        for column in ("loss", "validation_loss"):
            assert history[column] == pytest.approx(getattr(one[1], column), rel=1e-5)


def test_the_weights_are_those_of_one_process(two, one):
    """Within rounding, where rounding decides nothing: Adam turns the sign of a gradient of nearly zero, such as
    that of an attention's key bias, into a whole step.
    """
    first, second = load(two, 0, "whole"), load(two, 1, "whole")
    assert all(torch.equal(first[name], second[name]) for name in first)
    expected = one[0].network.state_dict()
    differences = torch.cat([(first[name] - value).abs().flatten() for name, value in expected.items()])
    moved = torch.cat(
        [
            (TINY.build().network.state_dict()[name] - value).abs().flatten()
            for name, value in expected.items()
        ]
    )
    assert (differences < 1e-6).float().mean() > 0.99 and differences.max() <= 2 * 8e-3
    assert (moved > 1e-5).float().mean() > 0.9
    x_t, t = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 9, 25, 50])
    network = TINY.build().network.eval()
    network.load_state_dict(first)
    with torch.no_grad():
        torch.testing.assert_close(network(x_t, t), one[0].network(x_t, t), rtol=1e-4, atol=1e-4)


def test_only_the_first_process_writes(two):
    assert [outcome(two, rank)["whole"]["written"] for rank in (0, 1)] == [4, 0]
    assert [outcome(two, rank)["resumed"]["written"] for rank in (0, 1)] == [6, 0]
    last = read_checkpoint(two / "checkpoints" / "update-00000004")
    assert not any("module." in name for name in last.tensors)


def test_all_processes_take_up_a_stopped_run_to_the_last_bit(two):
    for rank in (0, 1):
        whole, resumed = load(two, rank, "whole"), load(two, rank, "resumed")
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)
        histories = [outcome(two, rank)[name]["history"] for name in ("whole", "resumed")]
        assert histories[0]["loss"] == histories[1]["loss"]
