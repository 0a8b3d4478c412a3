"""Quality of a model is measured at the level that was asked for, with the same noise for every model, and read back."""

import json

import numpy as np
import pytest
import torch

from diffad import ablations
from diffad.configuration import Experiment, load_experiment
from diffad.errors import RecordError
from diffad.experiments import run_experiment
from diffad.model import DiffusionModel
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule
from tests.tiny import digits, settings

SCHEDULES = ("linear", "cosine", "sigmoid", "log_linear")


class Zero(torch.nn.Module):
    """Predicts no noise at all: its error is the noise's own square, 1 on average."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x_t, t):
        return torch.zeros_like(x_t)


def model(schedule="cosine", num_steps=1000, parameterisation="eps"):
    return DiffusionModel(Zero(), ForwardProcess(make_schedule(schedule, num_steps)), parameterisation)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two updates of the smallest model, with its quality measured."""
    root = tmp_path_factory.mktemp("run")
    network = {"image_size": 8, "channels": 1, "size": "tiny"}
    edition = {
        "dataset": "digits",
        "protocol_parameters": {"per_group": 10, "corruptions": ["rotate", "fog"]},
        "cells": {"cosine-0": {}},
        "model": {"network_parameters": network},
        "training": settings(num_updates=2).model_dump(),
        "scoring": {"levels": [0.1, 0.5], "num_draws": 1, "calibration_images": 40},
        "baselines": [],
    }
    experiment = Experiment.model_validate(
        {
            "name": "small",
            "title": "small",
            "protocol": "clean_versus_corrupted",
            "editions": {"smoke": edition},
        }
    )
    run_experiment(experiment, "smoke", root, None, False, "cosine-0")
    folder = root / "small" / "smoke" / "cosine-0"
    return folder, ablations.measure_quality(folder, num_images=20, num_draws=2)


@pytest.mark.parametrize("name", SCHEDULES)
def test_matched_times_have_the_reference_s_noise(name):
    schedule = make_schedule(name, 1000)
    fractions = ablations.matched_fractions(schedule, ablations.SCORED_LEVELS)
    found = [float(schedule.log_snr[round(fraction * 1000)]) for fraction in fractions]
    assert found == pytest.approx(ablations.reference_log_snr(ablations.SCORED_LEVELS), abs=0.03)


def test_the_experiment_asks_every_schedule_at_the_same_noise():
    printed = ablations.level_lines(SCHEDULES)
    for edition_name in ("smoke", "cpu"):
        edition = load_experiment("experiments/noise_schedule.yaml").edition(edition_name)
        for cell in edition.cells:
            asked = edition.of_cell(cell)
            lines = printed[asked.model.schedule]
            assert list(asked.scoring.levels) == lines["levels"], cell
            assert asked.scoring.partial_diffusion.start == lines["start"][0], cell
            assert asked.scoring.single_level == lines["levels"][1], cell
            assert cell == f"{asked.model.schedule}-{asked.training.seed}"


def test_the_steps_are_those_of_the_schedules_in_all_but_their_number():
    schedules, steps = (load_experiment(f"experiments/{name}.yaml") for name in ("noise_schedule", "steps"))
    for edition in ("smoke", "cpu", "gpu"):
        cosine = schedules.edition(edition).of_cell("cosine-1").model_dump()
        fewer = steps.edition(edition).of_cell("t20-1").model_dump()
        assert fewer["model"].pop("num_steps") == 20 and cosine["model"].pop("num_steps") == 1000
        assert fewer == cosine


def test_a_level_that_the_schedule_lacks_is_not_asked():
    assert ablations.time_of(make_schedule("cosine", 20), 7.0) is None
    assert ablations.time_of(make_schedule("cosine", 1000), 7.0) is not None
    measured = ablations.eps_errors(model(num_steps=20), digits(4), 7.0)
    assert measured.t is None and np.isnan(measured.mean)


def test_the_error_of_no_prediction_is_the_noise_s_own_square():
    assert ablations.eps_errors(model(), digits(64), 1.0).mean == pytest.approx(1, abs=0.05)


def test_every_model_meets_the_same_noise():
    one, other = (ablations.eps_errors(model(name), digits(8), 1.0).values for name in ("linear", "cosine"))
    assert one == other  # of a network that predicts none, the error is the noise alone
    assert ablations.eps_errors(model(), digits(8), 1.0, seed=1).values != one
    assert ablations.eps_errors(model(), digits(8), -1.0).values != one


class Exact(torch.nn.Module):
    """Knows the clean images."""

    def __init__(self, x_0):
        super().__init__()
        self.x_0 = torch.nn.Parameter(x_0)

    def forward(self, x_t, t):
        return self.x_0.expand_as(x_t)


def test_a_perfect_rebuilding_is_as_sharp_and_alike_and_a_flat_one_is_neither():
    images = digits(3)
    process = ForwardProcess(make_schedule("cosine", 1000))
    x_0 = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
    nearly = DiffusionModel(Exact(x_0 + 0.02), process, "x0")
    walk = ablations.walk(nearly, images, 0.0, 5)
    clamped = (x_0 + 0.02).clamp(max=1)
    error = (clamped - x_0).square().flatten(1).mean(1)
    assert walk.psnr.values == pytest.approx((10 * torch.log10(4 / error)).tolist(), abs=0.01)
    assert walk.ssim.mean == pytest.approx(1, abs=0.01) and walk.sharpness.mean == pytest.approx(1, abs=0.05)
    flat = ablations.walk(DiffusionModel(Exact(torch.zeros_like(x_0)), process, "x0"), images, 0.0, 5)
    assert flat.sharpness.mean == 0 and flat.psnr.mean < walk.psnr.mean and flat.ssim.mean < 0.5


def test_what_was_measured_is_read_back(finished):
    folder, quality = finished
    cell = ablations.read_cells(folder.parent)["cosine-0"]
    assert cell.quality == quality and cell.quality.record_of_model == cell.record.content_hash
    assert len(quality.eps_error[0].values) == quality.num_images == 20
    start = ablations.reference_log_snr([0.25])[0]
    assert quality.walk(start, 5).num_steps == 5 and quality.eps_errors().shape == (14,)
    with pytest.raises(RecordError, match="no walk of 99 steps"):
        quality.walk(start, 99)


def test_quality_edited_by_hand_or_of_another_training_is_refused(finished, tmp_path):
    folder, quality = finished
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    content = json.loads((tmp_path / "quality.json").read_text())
    content["bits_per_dim"]["total"] = 0.1
    (tmp_path / "quality.json").write_text(json.dumps(content))
    with pytest.raises(RecordError, match="edited by hand"):
        ablations.read_quality(tmp_path)
    other = quality.model_copy(update={"record_of_model": "0" * 64})
    other = other.model_copy(update={"content_hash": ablations._content_hash(other)})
    (tmp_path / "quality.json").write_text(other.model_dump_json())
    with pytest.raises(RecordError, match="another training"):
        ablations.read_quality(tmp_path)
    (tmp_path / "quality.json").write_text("[]")
    with pytest.raises(RecordError, match="holds no quality"):
        ablations.read_quality(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(RecordError, match="no finished cell"):
        ablations.read_cells(tmp_path)


def test_the_command_prints_levels(capsys):
    ablations.main(["levels", "cosine"])
    assert "[0.05, 0.1, 0.2, 0.35, 0.5, 0.7], start 0.25" in capsys.readouterr().out
