"""The measurements of cost: exponents are found, runs go on, edits are refused, what takes too much is stopped."""

import json
import multiprocessing
import sys

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_records import some_record

from diffad.efficiency import measuring, recorded
from diffad.efficiency import record as records
from diffad.efficiency.growth import fit_exponent, growths, larger_half, summaries
from diffad.efficiency.measuring import SMALLER_STOPPED, measure_in_process
from diffad.efficiency.meter import Meter
from diffad.efficiency.record import EFFICIENCY_FILE, measure_all, read_efficiency, verify_efficiency
from diffad.efficiency.settings import NETWORK_METHODS, Cell, EfficiencySettings, Measurement
from diffad.efficiency.subjects import natural_images, network_scorer, network_training
from diffad.errors import RecordError
from diffad.records import RunScores, write_record

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="caps and peaks are the system's")
SMALL = EfficiencySettings(
    methods=("one_step", "iforest", "knn"),
    sides=(8, 16, 24, 32),
    rows_at_each_side=64,
    rows=(64, 128, 256),
    side_for_rows=8,
    scored_images=10,
    rounds=2,
    images_at_once=4,
    updates=1,
)


def made_up(cell, settings, images, number, law=lambda n: 1e-6 * n**1.5):
    """What `measure_in_process` would say of a method with that law of growth; each round is 1 % slower."""
    n = cell.side**2 if cell.axis == "pixels" else cell.rows
    told = {"images": 10, "calls": 1, "wall_seconds": 1.0, "peak_bytes": 1000 * n}
    about = {**cell.model_dump(exclude={"phases"}), "round": number, **told}
    return [
        Measurement(**about, phase=phase, cpu_seconds=law(n) * (1 + number / 100)) for phase in cell.phases
    ]


@pytest.fixture
def without_processes(monkeypatch):
    """Measurements are made up; the cells that were asked for are listed."""
    asked = []

    def measure(cell, settings, images, number):
        assert len(np.load(images)) >= cell.rows + settings.scored_images
        asked.append((cell, number))
        return made_up(cell, settings, images, number)

    monkeypatch.setattr(records, "measure_in_process", measure)
    return asked


# --- growth ---


def test_the_exponent_of_a_power_law_is_found():
    numbers = np.array([64.0, 256, 1024, 4096])
    scale, exponent, low, high = fit_exponent(numbers, 3e-5 * numbers**1.7)
    assert exponent == pytest.approx(1.7) and scale == pytest.approx(3e-5)
    assert low == pytest.approx(high, abs=1e-6)


def test_the_interval_covers_the_exponent_under_noise():
    generator = np.random.default_rng(0)
    numbers = np.repeat([1e3, 2e3, 4e3, 8e3], 3)
    covered = 0
    for _ in range(400):
        noisy = 1e-4 * numbers * np.exp(generator.normal(0, 0.2, len(numbers)))
        _, _, low, high = fit_exponent(numbers, noisy)
        covered += low <= 1 <= high
    assert 0.91 < covered / 400 < 0.98


@pytest.mark.parametrize(
    "numbers, costs, message",
    [
        ([1, 2], [1, 2], "at least three"),
        ([1, 2, 3], [1, 0, 2], "costs"),
        ([2, 2, 2], [1, 2, 3], "two places"),
    ],
)
def test_what_has_no_exponent_is_refused(numbers, costs, message):
    with pytest.raises(ValueError, match=message):
        fit_exponent(np.array(numbers), np.array(costs))


def test_small_sizes_do_not_bend_the_exponent():
    """A constant cost of calling hides growth at small sizes; the larger half is fitted."""
    assert larger_half([8, 16, 32, 64, 128, 256]) == [64, 128, 256]
    assert larger_half([1, 2, 3, 4, 5, 6, 7]) == [4, 5, 6, 7]
    assert larger_half([1, 2, 3]) == [1, 2, 3]
    settings = EfficiencySettings(methods=("knn",))
    cells = [cell for cell in settings.cells() if cell.axis == "pixels"]
    measured = [
        each
        for cell in cells
        for number in range(3)
        for each in made_up(cell, settings, None, number, lambda n: 1e-3 + 1e-6 * n**2)
    ]
    found = {(each.phase, each.quantity): each for each in growths(measured, settings)}
    assert found["training", "seconds"].exponent == pytest.approx(2, abs=0.02)
    assert found["training", "seconds"].sizes == (64, 128, 256)
    assert found["training", "bytes"].exponent == pytest.approx(1)


def test_a_network_is_charged_for_its_budget_and_a_baseline_for_its_rows():
    settings = SMALL.model_copy(update={"images_seen": 1000})
    about = {"axis": "pixels", "side": 8, "rows": 64, "phase": "training", "round": 0}
    measured = [
        Measurement(**about, method=method, images=10, calls=1, cpu_seconds=2.0, wall_seconds=3.0)
        for method in ("one_step", "knn")
    ]
    seconds = {
        each.method: each.median for each in summaries(measured, settings) if each.quantity == "seconds"
    }
    assert seconds == {"one_step": 200.0, "knn": 2.0}


def test_a_network_memory_has_no_exponent(without_processes, tmp_path):
    record = measure_all(SMALL, tmp_path, tell=lambda line: None)
    assert {each.method for each in record.growths if each.quantity == "bytes"} == {"iforest", "knn"}


# --- the record ---


def test_the_recorded_numbers_follow_from_the_rounds(without_processes, tmp_path):
    record = measure_all(SMALL, tmp_path, tell=lambda line: None)
    assert record.is_complete and not record.stopped() and not record.changed_modules()
    mismatches, count = verify_efficiency(tmp_path)
    assert not mismatches and count > 100
    training = [each for each in record.summaries if (each.method, each.phase) == ("knn", "training")]
    first = next(each for each in training if each.quantity == "seconds")
    assert first.low < first.median < first.high and first.rounds == 2


def test_a_killed_run_goes_on_and_measures_nothing_twice(monkeypatch, without_processes, tmp_path):
    measure = records.measure_in_process

    def killed(cell, settings, images, number):
        if len(without_processes) == 5:
            raise KeyboardInterrupt
        return measure(cell, settings, images, number)

    monkeypatch.setattr(records, "measure_in_process", killed)
    with pytest.raises(KeyboardInterrupt):
        measure_all(SMALL, tmp_path, tell=lambda line: None)
    before = read_efficiency(tmp_path)
    assert not before.is_complete and len(without_processes) == 5
    monkeypatch.setattr(records, "measure_in_process", measure)
    after = measure_all(SMALL, tmp_path, tell=lambda line: None)
    assert after.is_complete
    assert len(set(without_processes)) == len(without_processes) == SMALL.rounds * len(SMALL.cells())
    assert after.measurements[: len(before.measurements)] == before.measurements


def test_rounds_take_turns(without_processes, tmp_path):
    measure_all(SMALL, tmp_path, tell=lambda line: None)
    assert [number for _, number in without_processes] == sorted(number for _, number in without_processes)


def test_a_record_of_other_settings_or_other_code_is_refused(monkeypatch, without_processes, tmp_path):
    measure_all(SMALL, tmp_path, tell=lambda line: None)
    with pytest.raises(RecordError, match="other settings"):
        measure_all(SMALL.model_copy(update={"rounds": 3}), tmp_path)
    monkeypatch.setattr(records, "ENTRIES", (records.ROOT / "diffad" / "bits.py",))
    with pytest.raises(RecordError, match="other code"):
        measure_all(SMALL, tmp_path)


@pytest.mark.parametrize("what", ["measurements", "growths"])
def test_an_edited_record_is_refused(without_processes, tmp_path, what):
    measure_all(SMALL, tmp_path, tell=lambda line: None)
    path = tmp_path / EFFICIENCY_FILE
    content = json.loads(path.read_text())
    field = "cpu_seconds" if what == "measurements" else "exponent"
    content[what][0][field] *= 0.5
    path.write_text(json.dumps(content))
    for read in (read_efficiency, verify_efficiency, lambda folder: measure_all(SMALL, folder)):
        with pytest.raises(RecordError, match="edited by hand"):
            read(tmp_path)


def test_a_number_that_does_not_follow_is_found(without_processes, tmp_path):
    """An editor who also renews the hash is caught by recomputing."""
    record = measure_all(SMALL, tmp_path, tell=lambda line: None)
    wrong = record.growths[0].model_copy(update={"exponent": 1.0})
    record = record.model_copy(update={"growths": (wrong, *record.growths[1:])})
    record = record.model_copy(update={"content_hash": records._content_hash(record)})
    records._write(record, tmp_path / EFFICIENCY_FILE)
    mismatches, _ = verify_efficiency(tmp_path)
    assert len(mismatches) == 1 and "exponent is recorded as 1.0" in mismatches[0]


def test_a_foreign_file_is_refused(tmp_path):
    with pytest.raises(RecordError, match="cannot be read"):
        read_efficiency(tmp_path)
    (tmp_path / EFFICIENCY_FILE).write_text('{"format": "something"}')
    with pytest.raises(RecordError, match="not a record of efficiency"):
        read_efficiency(tmp_path)


# --- stopping ---


def test_what_was_stopped_is_not_tried_larger_or_again(monkeypatch, tmp_path):
    asked = []

    def measure(cell, settings, images, number):
        asked.append((cell, number))
        if cell.method == "knn" and cell.axis == "pixels" and cell.side >= 16:
            about = {**cell.model_dump(exclude={"phases"}), "round": number, "stopped": "more than 1 s"}
            return [Measurement(**about, phase=phase) for phase in cell.phases]
        return made_up(cell, settings, images, number)

    monkeypatch.setattr(records, "measure_in_process", measure)
    record = measure_all(SMALL, tmp_path, tell=lambda line: None)
    tried = [(cell.side, number) for cell, number in asked if (cell.method, cell.axis) == ("knn", "pixels")]
    assert tried == [(8, 0), (16, 0), (8, 1)]
    told = {(each.size, each.stopped) for each in record.measurements if each.stopped}
    assert told == {(16, "more than 1 s"), (24, SMALLER_STOPPED), (32, SMALLER_STOPPED)}
    assert {each.size for each in record.stopped()} == {16} and record.is_complete
    assert ("knn", "pixels") not in {(each.method, each.axis) for each in record.growths}
    assert not verify_efficiency(tmp_path)[0]


def in_a_process(method, side, rows, tmp_path, **changes):
    settings = SMALL.model_copy(update=changes)
    path = tmp_path / "images.npy"
    np.save(path, natural_images(rows + settings.scored_images, side, 1, seed=0))
    phases = NETWORK_METHODS[method][2][:1] if method in NETWORK_METHODS else ("training", "scoring")
    cell = Cell(method=method, axis="pixels", side=side, rows=rows, phases=phases)
    return measure_in_process(cell, settings, path, 0)


@ON_LINUX
def test_a_baseline_and_a_network_are_measured_in_processes(tmp_path):
    training, scoring = in_a_process("knn", 8, 300, tmp_path)
    assert (training.images, scoring.images) == (300, 10)
    assert 0 < scoring.cpu_seconds < 1 and training.peak_bytes > 300 * 64
    (network,) = in_a_process("dit", 8, 64, tmp_path)
    assert network.phase == "training" and network.images == 4 and 0 < network.cpu_seconds < 5


@ON_LINUX
def test_what_takes_too_long_is_stopped(tmp_path):
    stopped = in_a_process("autoencoder", 64, 3000, tmp_path, cap_seconds=1)
    assert [each.stopped for each in stopped] == ["more than 1 s"] * 2
    assert all(each.cpu_seconds is None for each in stopped)


@ON_LINUX
def test_what_takes_too_much_memory_is_stopped(tmp_path):
    stopped = in_a_process("pca", 64, 1000, tmp_path, cap_bytes=20_000_000)
    assert [each.stopped for each in stopped] == ["more than 0.02 GB"] * 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(tmp_path):
    settings = EfficiencySettings(methods=tuple(NETWORK_METHODS), device="cuda")
    with pytest.raises(ValueError, match="device: got cuda"):
        measure_all(settings, tmp_path)


@ON_LINUX
def test_a_process_that_is_started_anew_measures_too(monkeypatch, tmp_path):
    """Beside a GPU nothing is forked."""
    monkeypatch.setattr(measuring, "processes", lambda device: multiprocessing.get_context("spawn"))
    (network,) = in_a_process("one_step", 8, 64, tmp_path)
    assert network.stopped is None and network.cpu_seconds > 0


@ON_LINUX
def test_any_other_failure_is_told_with_its_traceback(tmp_path):
    with pytest.raises(RuntimeError, match="(?s)lof at 8 px, 64 rows.*ValueError"):
        in_a_process("lof", 8, 64, tmp_path, scored_images=10, seed=-1)


@ON_LINUX
def test_a_phase_is_not_charged_for_the_memory_of_the_one_before():
    meter = Meter()
    _, large = meter.measure(lambda: np.ones(25_000_000).sum())
    _, small = meter.measure(lambda: np.ones(1_000_000).sum())
    assert large.peak_bytes > 190e6
    assert small.peak_bytes < 0.3 * large.peak_bytes


def test_a_short_call_is_repeated_until_the_clock_can_tell():
    calls = []
    _, usage = Meter().measure(lambda: calls.append(None), least_seconds=0.01)
    assert usage.calls == len(calls) > 10 and usage.wall_seconds < 1e-3


# --- what is measured ---


@pytest.mark.parametrize("method", NETWORK_METHODS)
def test_networks_are_asked_as_often_as_stated(method):
    model_calls = []
    settings = SMALL.model_copy(update={"images_at_once": 4})
    scores = network_scorer(method, settings, 8)
    owner = scores.__self__
    images = natural_images(settings.batch(8, NETWORK_METHODS[method][1]), 8, 1, seed=0)
    assert np.isfinite(scores(images)).all() and len(scores(images)) == len(images)
    model_calls.append(owner.evaluator.evaluations)
    assert (
        model_calls[0]
        == 2 * len(images) * NETWORK_METHODS[method][1]
        == 2 * len(images) * owner.evaluations_per_image
    )


def test_training_takes_the_updates_that_are_timed():
    settings = SMALL.model_copy(update={"updates": 3})
    with network_training("dit", settings, natural_images(64, 8, 1, seed=0)) as updates:
        trainer = updates.__closure__[1].cell_contents
        before = trainer.update
        updates()
        assert (before, trainer.update) == (1, 4)


def test_images_have_the_spectrum_of_photographs():
    images = natural_images(200, 32, 3, seed=1)
    assert images.shape == (200, 32, 32, 3) and images.dtype == np.uint8
    power = np.abs(np.fft.fft2(images[..., 0].astype(float) - images.mean())).mean(axis=0)
    assert 1.5 < power[0, 2] / power[0, 4] < 2.6  # twice the frequency, half the amplitude
    assert (images == natural_images(200, 32, 3, seed=1)).all()


def test_a_batch_holds_no_more_than_its_pixels():
    settings = EfficiencySettings()
    assert [settings.batch(side) for side in settings.sides] == [64, 64, 64, 16, 4, 1]
    assert [settings.batch(side, 250) for side in settings.sides] == [16, 16, 16, 4, 1, 1]


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"methods": ("nonsense",)}, "methods"),
        ({"methods": ("knn",), "device": "cuda"}, "methods"),
        ({"sides": (16, 8)}, "sides"),
        ({"sides": (8, 12)}, "sides"),
        ({"rows": (10, 100)}, "rows"),
        ({"rounds": 0}, "rounds"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_impossible_settings_are_refused(changes, field):
    with pytest.raises(ValidationError, match=field):
        EfficiencySettings(**changes)


# --- accuracy against cost ---


def write_task(folder, network, seed):
    """A record of digits with a network's readings and one baseline, and what they scored."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], 40)
    shared = np.random.default_rng(99).normal(size=80) + 0.5 * labels
    by_method = {name: rng.normal(size=80) + labels for name in recorded.NETWORK_METHODS} | {
        "iforest": shared
    }
    scores = RunScores(labels, np.where(labels, "fog", "clean"), by_method, np.arange(80))
    experiment = {"model": {"network": network}, "baselines": ["iforest"]}
    seconds = {"ddpm/train": 60.0, "ddpm/score": 11.0, "iforest/fit and score": 1.0}
    nfe = {"one_step": 1, "denoiser_profile": 10, "partial_diffusion": 10, "iforest": 0}
    record = some_record(scores, experiment=experiment, wall_seconds=seconds, nfe=nfe, edition="cpu")
    write_record(record, scores, folder)


def test_a_gain_is_the_paired_difference_of_two_trades(tmp_path):
    """CIFAR-10's transformer lies in a folder that is not named after the experiment."""
    for seed, task in enumerate(("cat", "dog")):
        write_task(tmp_path / "cifar10-one-class" / "cpu" / task, "unet", seed)
        write_task(tmp_path / "cifar10-dit" / "cpu" / task, "dit", 10 + seed)
    found = {each.method: each for each in recorded.trades(tmp_path, "cifar10-one-class")}
    assert {"one_step", "dit/one_step", "iforest"} <= set(found)
    for method in ("one_step", "dit/denoiser_profile"):
        gain = recorded.gain(tmp_path, "cifar10-one-class", found[method], found["iforest"])
        assert gain.estimate == pytest.approx(found[method].auroc - found["iforest"].auroc)
        assert gain.low < gain.estimate < gain.high
    with pytest.raises(ValueError, match="experiment: got 'robustness'"):
        recorded.gain(tmp_path, "robustness", found["one_step"], found["iforest"])
