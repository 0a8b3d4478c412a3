"""The workflow, killed in the middle and started again: nothing is computed twice, and nothing half-written counts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from diffad.records import list_records, read_record
from diffad.workflow import run_cell

pytest.importorskip("snakemake", reason="it comes with the extra `workflow`")
ROOT = Path(__file__).parent.parent
SNAKEMAKE = [str(Path(sys.executable).with_name("snakemake")), "--snakefile", str(ROOT / "Snakefile")]
PATIENCE = 600  # seconds, for a busy machine; it takes 30 on an idle one
CELLS = ("first", "second")
CONTENT = {
    "name": "tiny",
    "title": "Tiny",
    "protocol": "one_versus_rest",
    "editions": {
        "smoke": {
            "dataset": "digits",
            "protocol_parameters": {"per_class": 8},
            "cells": {name: {"normal": number} for number, name in enumerate(CELLS)},
            "model": {
                "network_parameters": {"image_size": 8, "channels": 1, "size": "tiny"},
                "num_steps": 50,
            },
            "training": {"num_updates": 300, "batch_size": 8, "checkpoint_every": 10},
            "scoring": {
                "levels": [0.1, 0.4],
                "calibration_images": 20,
                "partial_diffusion": {"start": 0.3, "num_steps": 2},
            },
            "baselines": ["iforest"],
        }
    },
}


@pytest.fixture
def folder(tmp_path):
    """A project's folder with one experiment of two cells, and nothing else."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "tiny.yaml").write_text(yaml.safe_dump(CONTENT))
    return tmp_path


def start(folder) -> subprocess.Popen:
    command = [*SNAKEMAKE, "--directory", str(folder), "--cores", "1", "runs"]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for(condition, process):
    """Wait until the condition holds; fail if the process ends before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_in_the_middle_it_loses_nothing_and_repeats_nothing(folder):
    results, checkpoints = folder / "results", folder / ".work" / "checkpoints"
    killed = start(folder)

    def in_the_middle():
        """One cell has its record, the other a checkpoint."""
        finished = {path.name for path in list_records(results)}
        begun = {path.parent.name.removeprefix("tiny-smoke-") for path in checkpoints.glob("*/update-*")}
        return finished and begun - finished

    wait_for(in_the_middle, killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    (done,) = list_records(results)
    before = (done / "record.json").stat()
    (unfinished,) = (results / "tiny" / "smoke" / name for name in CELLS if name != done.name)

    again = start(folder)
    said = again.communicate(timeout=PATIENCE)[0]
    assert again.returncode == 0, said[-3000:]
    assert f"{unfinished.name}/record.json" in said
    after = (done / "record.json").stat()  # its job may be asked again, and leaves it
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert list_records(results) == sorted([done, unfinished])

    run_cell(folder / "experiments" / "tiny.yaml", "smoke", unfinished.name, folder / "at-once")
    _, resumed = read_record(unfinished)
    _, at_once = read_record(folder / "at-once" / "tiny" / "smoke" / unfinished.name)
    for method, scores in at_once.by_method.items():
        np.testing.assert_array_equal(resumed.by_method[method], scores, err_msg=method)


@pytest.mark.parametrize("profile", ["default", "slurm", "kubernetes"])
def test_profiles_name_options_that_snakemake_knows(profile):
    from snakemake.cli import get_argument_parser

    options = yaml.safe_load((ROOT / "profiles" / profile / "config.yaml").read_text())
    known = {name.lstrip("-") for action in get_argument_parser()._actions for name in action.option_strings}
    plugins = {name for name in options if name.startswith(("kubernetes-", "slurm-"))}
    assert set(options) - plugins <= known
