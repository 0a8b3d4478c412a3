"""Scoring on several devices and in several processes; what crosses between a device and the host."""

import os
import subprocess
import sys
from pathlib import Path

import exact_digits
import numpy as np
import pytest
import torch
from tiny import CountingNetwork, digits, wrapped

from diffad.scorers import Evaluator, make_scorer
from diffad.scorers.devices import AcrossDevices, across_processes
from diffad.transfers import COPIES, count_transfers

SCORERS = ["one_level", "eps_error", "score_norm", "bound", "partial", "ancestral", "inpainting", "path"]
LEVELS = {"one_level", "eps_error", "score_norm"}


class count_copies_to_host(count_transfers):
    """As its parent, and lets a tensor without data arrive on the host, as zeros."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name, settings = operation.name().split(".")[0], [*args[1:], *(kwargs or {}).values()]
        if name in COPIES and args[0].is_meta and torch.device("cpu") in settings:
            self.transfers.names.append("to host")
            self.transfers.num_bytes.append(args[0].numel() * args[0].element_size())
            dtype = next((each for each in settings if isinstance(each, torch.dtype)), args[0].dtype)
            return torch.zeros(args[0].shape, dtype=dtype)
        return super().__torch_dispatch__(operation, types, args, kwargs)


class OneWeight(torch.nn.Module):
    """The cheapest network that lives on a device."""

    def __init__(self, device):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty((), device=device))

    def forward(self, x_t, t):
        return self.weight * x_t


@pytest.mark.parametrize("name", SCORERS)
def test_a_batch_comes_back_in_one_copy(name):
    """Copies to the host: one a batch. To the device: the pixels, and which copies a batch of tuples holds."""
    parameters = {"levels": [0.1, 0.5]} if name in {"eps_error", "score_norm"} else {}
    parameters |= {"start": 0.1} if name == "ancestral" else {}
    parameters |= {"num_levels": 3} if name == "bound" else {}
    parameters |= {"num_steps": 3} if name in {"partial", "inpainting", "path"} else {}
    scorer = make_scorer(name, Evaluator(wrapped(OneWeight("meta")), 8), **parameters)
    with count_copies_to_host():
        scorer.scores(digits(8))  # tables are sent once
    with count_copies_to_host() as few:
        scorer.scores(digits(8))
    with count_copies_to_host() as many:
        scorer.scores(digits(24))
    to_host = {count: transfers.names.count("to host") for count, transfers in ((8, few), (24, many))}
    copies = scorer.evaluations_per_image if name in LEVELS or name == "bound" else 1
    extra = 1 if name == "bound" else 0  # the prior term's pass over the images
    assert to_host == {8: copies + extra, 24: 3 * (copies + extra)}
    batches = 2 * (copies + extra)  # by which `many` is longer
    assert len(many) - len(few) <= 3 * batches  # the one copy back, pixels, places


def test_every_share_runs_on_its_own_copy():
    network = CountingNetwork()
    scorer = make_scorer("eps_error", Evaluator(wrapped(network, 100), 4))
    across = AcrossDevices(scorer, ["cpu", "cpu", "cpu"])
    scores = across.scores(digits(11))
    assert network.num_samples == 0  # the copies were asked
    shares = [copied.evaluator.model.network.num_samples for copied in across.copies]
    assert all(share > 0 for share in shares)
    np.testing.assert_allclose(scores, scorer.scores(digits(11)), rtol=1e-5)
    assert scorer.evaluator.evaluations == 2 * 11 * 20  # counted for both


def test_profiles_and_maps_are_shared_too_and_fewer_images_than_devices_are_enough():
    scorer = make_scorer("eps_error", Evaluator(exact_digits.model(), 16))
    across, images = AcrossDevices(scorer, ["cpu", "cpu"]), exact_digits.clean()
    np.testing.assert_allclose(across.profile(images[:7]), scorer.profile(images[:7]), rtol=1e-5)
    np.testing.assert_allclose(across.maps(images[:3]), scorer.maps(images[:3]), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(across.scores(images[:1]), scorer.scores(images[:1]), rtol=1e-5)
    assert across.evaluations_per_image == 20


def test_fitting_reaches_every_copy():
    scorer = make_scorer("calibrated", Evaluator(exact_digits.model(), 16))
    across = AcrossDevices(scorer, ["cpu", "cpu"]).fit(exact_digits.normals()[:30])
    images = exact_digits.clean()[:5]
    np.testing.assert_allclose(across.scores(images), scorer.scores(images), rtol=1e-5)


def test_no_device_is_refused():
    with pytest.raises(ValueError, match="devices: got none"):
        AcrossDevices(make_scorer("path", Evaluator(exact_digits.model())), [])


def test_one_process_scores_everything():
    images = exact_digits.clean()[:5]
    np.testing.assert_array_equal(
        across_processes(lambda share: share[:, 3, 3, 0], images), images[:, 3, 3, 0]
    )


def test_two_processes_score_as_one(tmp_path):
    """Under torchrun; each process gets all scores and made its half of the evaluations."""
    script = Path(__file__).parent / "two_scoring_processes.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, str(script), str(tmp_path)], env=environment, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    alone = make_scorer("eps_error", Evaluator(exact_digits.model(), 16)).scores(exact_digits.clean()[:25])
    outcomes = [np.load(tmp_path / f"{rank}.npz") for rank in (0, 1)]
    for outcome in outcomes:
        np.testing.assert_allclose(outcome["scores"], alone, rtol=1e-5)
    assert [int(outcome["evaluations"]) for outcome in outcomes] == [13 * 20, 12 * 20]
