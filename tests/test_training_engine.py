"""What `fit` can do beside plain training: parts, compilation, early stopping, levels, other inputs, conditions."""

import functools
import json

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from pydantic import ValidationError
from tiny import TINY, digits, same_weights, settings, trained, weights, wrapped

import diffad.training
from diffad.checkpoints import latest_checkpoint, read_checkpoint
from diffad.errors import CheckpointError, OutOfMemory
from diffad.networks.conditioning import Condition
from diffad.training import Trainer, TrainingConfig, TrainingHistory, fit

GENERATOR = np.random.default_rng(0)
VECTORS = GENERATOR.standard_normal((40, 6)).astype(np.float32)
MAPS = GENERATOR.standard_normal((40, 4, 2, 3)).astype(np.float32)


class SmallNetwork(torch.nn.Module):
    """A linear layer over the last axis, plus a number for each label; keeps what it was asked."""

    def __init__(self, features=6, kind="vectors", shape=None, classes=3):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(features, features)
        self.label = torch.nn.Parameter(torch.zeros(classes + 1))
        self.input_kind, self.input_shape = kind, shape or (features,)
        self.sizes, self.labels = [], []

    def forward(self, x_t, t, condition=None):
        self.sizes.append(len(x_t))
        if condition is None:
            return self.layer(x_t) + self.label[-1]
        self.labels.append(condition.labels)
        return self.layer(x_t) + self.label[condition.labels][:, None]


def learn_vectors(folder=None, **changes):
    """A small network after `fit` on vectors, and its history."""
    model = wrapped(SmallNetwork())
    return model, fit(model, VECTORS, settings(**changes), VECTORS[:9], folder, progress=False)


# --- a batch in parts ---


@pytest.mark.parametrize("parts", [2, 8])
def test_a_batch_in_parts_teaches_what_the_whole_batch_teaches(parts):
    whole, whole_history = learn_vectors()
    in_parts, history = learn_vectors(gradient_accumulation=parts)
    assert history.loss == pytest.approx(whole_history.loss, rel=1e-5)
    assert history.validation_loss == pytest.approx(whole_history.validation_loss, rel=1e-5)
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(in_parts)[name], value, rtol=1e-4, atol=1e-6)


def test_a_u_net_s_gradient_in_parts_is_that_of_the_whole_batch():
    gradients = []
    for parts in (1, 4):
        run = Trainer(TINY.build(), digits(), settings(gradient_accumulation=parts))
        loss = run.gradient(run.batches.training(run.inputs, 8, 0))
        gradients.append([loss, *(parameter.grad for parameter in run.parameters)])
        run.close()
    for whole, in_parts in zip(*gradients, strict=True):
        torch.testing.assert_close(in_parts, whole, rtol=1e-4, atol=1e-6)


def test_only_a_part_is_in_the_network_at_a_time():
    network = SmallNetwork()
    fit(wrapped(network), VECTORS, settings(gradient_accumulation=4), progress=False)
    assert network.sizes == [2] * 4 * 6


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 4)])
def test_a_run_is_not_continued_in_other_parts(tmp_path, before, after):
    """Sums in another order are rounded otherwise, and a resumed run is to be exact."""
    learn_vectors(tmp_path, gradient_accumulation=before)
    with pytest.raises(CheckpointError, match="gradient_accumulation = .* asks for"):
        learn_vectors(tmp_path, gradient_accumulation=after)


def test_processes_and_parts_share_a_batch_equally(monkeypatch):
    monkeypatch.setattr(Accelerator, "num_processes", 2)
    with pytest.raises(
        ValueError, match="batch_size: got 8, expected a multiple of 16: 2 processes times gradient_acc"
    ):
        learn_vectors(gradient_accumulation=8)


def test_parts_must_be_equal():
    with pytest.raises(
        ValidationError, match="gradient_accumulation: got 3, expected a divisor of batch_size = 8"
    ):
        settings(gradient_accumulation=3)


# --- compiled ---


def test_a_compiled_training_leaves_no_trace_in_names_or_network(tmp_path, monkeypatch):
    asked = []
    compile_eagerly = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(
        torch, "compile", lambda network, **how: asked.append(how) or compile_eagerly(network, **how)
    )
    plain, compiled = wrapped(SmallNetwork()), wrapped(SmallNetwork())
    network = compiled.network
    fit(plain, VECTORS, settings(), progress=False)
    fit(compiled, VECTORS, settings(compile=True), VECTORS[:5], tmp_path, progress=False)
    assert asked == [{"dynamic": False}]
    assert compiled.network is network and same_weights(plain, compiled)
    names = read_checkpoint(latest_checkpoint(tmp_path)).tensors
    assert {"network.layer.weight", "network.label"} < names.keys()
    again = wrapped(SmallNetwork())
    fit(again, VECTORS, settings(compile=True), VECTORS[:5], tmp_path, progress=False)
    assert same_weights(again, compiled)


def test_the_network_is_given_back_when_training_fails(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda network, **how: torch.nn.Sequential(network))
    model = TINY.build()
    network = model.network
    with pytest.raises(TypeError):  # a Sequential takes one argument
        fit(model, digits(), settings(compile=True), progress=False)
    assert model.network is network


# --- stopping early ---

SCRIPT = [3.0, 2.0, 1.0, 2.5, 1.5, 1.2, 0.5]  # the third is the best before two worse ones in a row


@pytest.fixture
def scripted(monkeypatch):
    """Validation losses by a script."""
    monkeypatch.setattr(Trainer, "validate", lambda run: (SCRIPT[len(run.history.update)], [None] * 5))


def stopping(folder=None, **changes):
    changes = {"num_updates": 40, "validate_every": 2, "patience": 2, "checkpoints_kept": 99} | changes
    return learn_vectors(folder, **changes)


def test_training_stops_after_patience_and_keeps_the_best_average(tmp_path, scripted):
    model, history = stopping(tmp_path)
    assert history.validation_loss == SCRIPT[:5] and history.update == [2, 4, 6, 8, 10]
    assert history.best_row == 2 and history.rows_since_best == 2
    assert latest_checkpoint(tmp_path).name == "update-00000010"
    best = read_checkpoint(tmp_path / "update-00000006").tensors
    last = read_checkpoint(latest_checkpoint(tmp_path)).tensors
    for index, value in enumerate(model.network.parameters()):
        assert torch.equal(value, best[f"average.{index}"]) and torch.equal(value, last[f"best.{index}"])
        assert not torch.equal(value, last[f"average.{index}"])


def test_a_run_that_was_not_stopped_also_keeps_the_best(scripted):
    model, history = stopping(num_updates=8)
    assert history.update == [2, 4, 6, 8]
    assert same_weights(model, stopping()[0]) is False  # another cosine
    constant = {"rate_decay": "constant"}
    assert same_weights(stopping(num_updates=8, **constant)[0], stopping(**constant)[0])


@pytest.mark.parametrize("stop_in", [3, 7, 9])
@pytest.mark.parametrize("checkpoint_every", [1, 3])
def test_early_stopping_survives_a_kill_to_the_last_bit(
    tmp_path, scripted, monkeypatch, stop_in, checkpoint_every
):
    whole, whole_history = stopping(gradient_accumulation=2)
    real = Trainer.step

    def step(run):
        if run.update == stop_in:
            raise KeyboardInterrupt
        real(run)

    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(KeyboardInterrupt):
        stopping(tmp_path, gradient_accumulation=2, checkpoint_every=checkpoint_every)
    monkeypatch.setattr(Trainer, "step", real)
    resumed, history = stopping(tmp_path, gradient_accumulation=2, checkpoint_every=checkpoint_every)
    assert same_weights(whole, resumed)
    assert (history.update, history.loss) == (whole_history.update, whole_history.loss)
    monkeypatch.setattr(Trainer, "step", lambda run: pytest.fail("it trained on"))
    assert same_weights(
        whole, stopping(tmp_path, gradient_accumulation=2, checkpoint_every=checkpoint_every)[0]
    )


def test_what_decides_when_to_stop_may_not_change_on_the_way(tmp_path, scripted):
    stopping(tmp_path)
    with pytest.raises(CheckpointError, match="validate_every"):
        stopping(tmp_path, validate_every=3)
    with pytest.raises(CheckpointError, match="validation"):
        changed = settings(num_updates=40, validate_every=2, patience=2)
        fit(wrapped(SmallNetwork()), VECTORS, changed, VECTORS[9:], tmp_path, progress=False)


def test_patience_needs_held_out_normals():
    with pytest.raises(ValueError, match="validation: got None, expected held-out normal data"):
        trained(patience=2)


# --- the training curve ---


def test_the_validation_loss_is_kept_a_band_of_noise_levels():
    _, history = trained(validation=digits(192)[64:], num_updates=12, validate_every=12)
    by_level = np.array(history.validation_loss_by_level[-1])
    assert (
        by_level.shape == (5,) and np.argmax(by_level) == 0
    )  # the noise on nearly clean data is hard to see
    counts = [26, 25, 26, 26, 25]  # of 128 images, levels being spread evenly
    assert np.average(by_level, weights=counts) == pytest.approx(history.validation_loss[-1], rel=0.02)


def test_a_band_without_an_image_has_no_loss():
    _, history = trained(validation=digits(2))
    assert [len(row) for row in history.validation_loss_by_level] == [5, 5]
    assert sum(loss is not None for loss in history.validation_loss_by_level[0]) == 2
    json.dumps(history.validation_loss_by_level, allow_nan=False)


def test_a_history_from_before_the_bands_is_read():
    old = {"update": [1, 2], "loss": [2.0, 1.0], "validation_loss": [None, None]}
    history = TrainingHistory(**old, learning_rate=[0.1, 0.1], seconds=[1.0, 2.0])
    assert history.validation_loss_by_level == [None, None] and history.best_row is None
    history.append(3, 0.5, 0.4, 0.1, 3.0, [0.4] * 5)
    assert history.validation_loss_by_level == [None, None, [0.4] * 5] and history.best_row == 2


def test_a_checkpoint_from_before_the_bands_is_taken_up(tmp_path):
    whole, _ = trained(folder=tmp_path)
    path = latest_checkpoint(tmp_path) / "state.json"
    state = json.loads(path.read_text())
    del state["history"]["validation_loss_by_level"]
    path.write_text(json.dumps(state))
    again, history = trained(folder=tmp_path)
    assert same_weights(again, whole) and history.validation_loss_by_level == [None, None]


# --- other inputs ---


@pytest.mark.parametrize(("data", "kind"), [(VECTORS, "vectors"), (MAPS, "maps")], ids=["vectors", "maps"])
def test_vectors_and_maps_are_learned_and_taken_up_again(data, kind, tmp_path):
    def run(folder=None):
        model = wrapped(SmallNetwork({"vectors": 6, "maps": 2}[kind], kind, data.shape[1:]))
        history = fit(model, data, settings(num_updates=30), data[:9], folder, progress=False)
        return model, history

    model, history = run(tmp_path)
    assert history.validation_loss[-1] < history.validation_loss[0]
    assert same_weights(model, run()[0]) and same_weights(model, run(tmp_path)[0])
    with pytest.raises(ValueError, match="inputs: got"):
        fit(model, digits(), settings(), progress=False)


# --- conditions ---

LABELS = torch.arange(40) % 3


def conditional(labels=LABELS, folder=None, **changes):
    network = SmallNetwork()
    model = wrapped(network)
    known = Condition(labels=labels)
    fit(model, VECTORS, settings(**changes), checkpoint_folder=folder, progress=False, conditions=known)
    return model


def test_each_item_comes_with_its_own_condition(monkeypatch):
    seen = []
    real = diffad.training.trainer.l_simple
    monkeypatch.setattr(
        diffad.training.trainer,
        "l_simple",
        lambda model, x_0, t, noise, known: (
            seen.append((x_0, known.labels)) or real(model, x_0, t, noise, known)
        ),
    )
    conditional(condition_dropout=0.0)
    row_of = {row.tobytes(): index for index, row in enumerate(VECTORS)}
    for x_0, labels in seen:
        assert [row_of[row.tobytes()] % 3 for row in x_0.numpy()] == labels.tolist()


def test_a_share_of_the_conditions_is_hidden_the_same_in_every_run():
    first, second = conditional(num_updates=200), conditional(num_updates=200)
    hidden = torch.cat(first.network.labels) == -1
    assert 0.07 < hidden.float().mean() < 0.13
    assert torch.equal(torch.cat(first.network.labels), torch.cat(second.network.labels))
    assert same_weights(first, second)
    assert (torch.cat(conditional(condition_dropout=0.0).network.labels) >= 0).all()


def test_other_conditions_are_another_run(tmp_path):
    conditional(folder=tmp_path)
    with pytest.raises(CheckpointError, match="conditions"):
        conditional((LABELS + 1) % 3, folder=tmp_path)
    with pytest.raises(ValueError, match="conditions: got 39, expected one for each of 40 inputs"):
        conditional(LABELS[1:])


# --- bad input ---


class HungryNetwork(SmallNetwork):
    """Asks for more memory than any machine has."""

    def forward(self, x_t, t, condition=None):
        return super().forward(x_t, t) + torch.empty(2**50)


def test_a_shortage_of_memory_says_what_to_change():
    with pytest.raises(OutOfMemory) as caught:
        fit(wrapped(HungryNetwork()), VECTORS, settings(gradient_accumulation=2), progress=False)
    message = str(caught.value)
    assert "cpu ran out of memory with batch_size = 8, 4 at a time, in update 1" in message
    assert "smaller batch_size" in message and "gradient_accumulation above 2" in message


def test_another_runtime_error_stays_what_it_is():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fit(wrapped(SmallNetwork(5, shape=(6,))), VECTORS, settings(), progress=False)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="batch_size: got 8 with 7 images to train on, expected at most 7"):
        trained(digits(7))


def test_a_default_batch_can_be_fitted_to_the_data():
    configuration = TrainingConfig(num_updates=5, batch_size=64, gradient_accumulation=4)
    assert configuration.for_data(64) is configuration
    fewer = configuration.for_data(30)
    assert (fewer.batch_size, fewer.gradient_accumulation, fewer.num_updates) == (30, 2, 5)


def test_a_run_without_later_settings_is_written_as_before_there_were_any():
    early = TrainingConfig(num_updates=5)
    assert (
        not {"gradient_accumulation", "compile", "patience", "condition_dropout"} & early.model_dump().keys()
    )
    late = TrainingConfig(num_updates=5, patience=3, gradient_accumulation=2)
    assert late.model_dump()["patience"] == 3 and late.model_dump(mode="json")["gradient_accumulation"] == 2
    assert TrainingConfig(**early.model_dump()) == early and TrainingConfig(**late.model_dump()) == late
