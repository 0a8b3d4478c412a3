"""Training learns, repeats to the last bit, survives a kill, and never keeps a loss that is not a number."""

import random

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny import (
    BAD_IMAGES,
    TINY,
    PoisonedNetwork,
    digits,
    noise_images,
    same_weights,
    settings,
    trained,
    weights,
    wrapped,
)

import diffad.training
from diffad.checkpoints import latest_checkpoint, read_checkpoint
from diffad.training import TrainingConfig, batch_indices, content_hash, fit

# --- learning ---


def test_the_loss_falls_and_the_weights_change():
    model, history = trained(
        digits(500),
        validation=digits(600)[500:],
        num_updates=80,
        batch_size=32,
        validate_every=20,
        learning_rate=3e-3,
        ema_decay=0.9,
    )
    assert history.update == [20, 40, 60, 80]
    assert history.loss[-1] < 0.6 * history.loss[0]
    assert history.validation_loss[-1] < 0.85 * history.validation_loss[0]
    assert history.seconds == sorted(history.seconds) and history.seconds[0] > 0
    before = weights(TINY.build(0))
    assert all(not torch.equal(before[name], value) for name, value in weights(model).items())
    assert not model.training


def test_what_is_returned_is_the_moving_average(tmp_path):
    model, _ = trained(folder=tmp_path, ema_decay=0.99)
    tensors = read_checkpoint(latest_checkpoint(tmp_path)).tensors
    for index, (name, value) in enumerate(model.network.named_parameters()):
        assert torch.equal(value, tensors[f"average.{index}"])
        assert not torch.equal(value, tensors[f"network.{name}"]), name


def test_the_validation_loss_is_of_the_moving_average_and_changes_no_training():
    with_validation, history = trained(validation=digits(40)[30:])
    without, _ = trained()
    assert same_weights(with_validation, without)
    assert all(loss > 0 for loss in history.validation_loss)


def test_the_learning_rate_warms_up_and_falls():
    rates = [settings(num_updates=100, warmup_updates=10).learning_rate_at(update) for update in range(100)]
    assert rates[:10] == pytest.approx([1e-3 * (update + 1) / 11 for update in range(10)])
    assert rates[10] == 1e-3 and rates[55] == pytest.approx(5e-4) and rates[-1] < 1e-6
    assert rates[10:] == sorted(rates[10:], reverse=True)
    constant = settings(num_updates=100, warmup_updates=0, rate_decay="constant")
    assert {constant.learning_rate_at(update) for update in range(100)} == {1e-3}


def test_the_optimiser_is_given_the_rate(tmp_path):
    tiny_steps, _ = trained(learning_rate=1e-9, ema_decay=0.0)
    start = weights(TINY.build(0))
    assert all((value - start[name]).abs().max() < 1e-7 for name, value in weights(tiny_steps).items())


def test_one_image_is_enough():
    _, history = trained(digits(1), batch_size=1)
    assert np.isfinite(history.loss).all()


# --- repeating ---


def test_two_runs_of_one_seed_are_equal_to_the_last_bit_and_another_seed_is_not():
    first, first_history = trained(seed=1)
    second, second_history = trained(seed=1)
    assert same_weights(first, second) and first_history.loss == second_history.loss
    model = TINY.build(1)  # the same initial weights, other batches and noise
    fit(model, digits(), settings(seed=2), progress=False)
    assert not same_weights(first, model)


def test_no_global_random_state_is_touched_or_listened_to():
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first, _ = trained()
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])
    assert before[2] == random.getstate()
    torch.manual_seed(2)
    np.random.seed(2)
    assert same_weights(first, trained()[0])


@pytest.mark.parametrize(("num_images", "batch_size"), [(10, 3), (7, 7), (5, 12), (1, 4), (100, 64)])
def test_every_image_is_seen_once_an_epoch(num_images, batch_size):
    epochs = 4
    updates = -(-epochs * num_images // batch_size)
    batches = [batch_indices(num_images, batch_size, update, 0) for update in range(updates)]
    assert {len(batch) for batch in batches} == {batch_size}
    stream = np.concatenate(batches)[: epochs * num_images].reshape(epochs, num_images)
    np.testing.assert_array_equal(np.sort(stream, axis=1), np.tile(np.arange(num_images), (epochs, 1)))
    if num_images > 5:
        assert len({tuple(epoch) for epoch in stream}) == epochs, "each epoch has an order of its own"
        assert not np.array_equal(batches[0], batch_indices(num_images, batch_size, 0, 1))


def test_every_update_has_noise_of_its_own(monkeypatch):
    seen = []
    real = diffad.training.trainer.l_simple
    monkeypatch.setattr(
        diffad.training.trainer,
        "l_simple",
        lambda model, x_0, t, noise, *rest: seen.append((t, noise)) or real(model, x_0, t, noise, *rest),
    )
    trained()
    assert len({noise.sum().item() for _, noise in seen}) == 6
    assert all(1 <= t.min() and t.max() <= 50 for t, _ in seen)


# --- bad numbers and bad input ---


@pytest.mark.parametrize(("where", "what"), [("output", "loss became nan"), ("gradient", "NaN or infinite")])
def test_nan_stops_the_run_and_the_last_checkpoint_is_good(tmp_path, where, what):
    bad_update = {"output": 5, "gradient": 4}[
        where
    ]  # the gradient's is a checkpoint's own update, its loss still good
    configuration = settings(num_updates=20, validate_every=20, rate_decay="constant", checkpoints_kept=5)
    with pytest.raises(FloatingPointError) as caught:
        fit(
            wrapped(PoisonedNetwork(bad_update, where)),
            digits(),
            configuration,
            checkpoint_folder=tmp_path,
            progress=False,
        )
    message = str(caught.value)
    assert what in message and f"update {bad_update} " in message and "learning rate 0.001" in message
    last = read_checkpoint(latest_checkpoint(tmp_path))
    assert last.update == {"output": 4, "gradient": 2}[where]
    assert all(torch.isfinite(value).all() for value in last.tensors.values())


@pytest.mark.parametrize("case", BAD_IMAGES)
@pytest.mark.parametrize("argument", ["inputs", "validation"])
def test_what_is_no_image_is_refused(case, argument):
    bad, error, words = BAD_IMAGES[case]
    arguments = {"inputs": digits(), "validation": digits()} | {argument: bad}
    with pytest.raises(error, match=f"{argument}: .*{words}"):
        fit(TINY.build(), configuration=settings(), progress=False, **arguments)


@pytest.mark.parametrize("shape", [(8, 8, 3), (16, 16, 1), (7, 8, 1)])
def test_images_of_another_shape_than_the_network_s_are_refused(shape):
    with pytest.raises(ValueError, match=r"inputs: got images of .*, expected \(8, 8, 1\)"):
        trained(noise_images(4, shape=shape))
    with pytest.raises(ValueError, match=r"validation: got images of .*, expected \(8, 8, 1\)"):
        trained(validation=noise_images(4, shape=shape))


def test_an_unwritable_checkpoint_folder_is_refused_before_the_first_update(tmp_path, monkeypatch):
    (tmp_path / "in-the-way").write_text("a file")
    monkeypatch.setattr(diffad.training.Trainer, "step", lambda trainer: pytest.fail("it trained"))
    with pytest.raises(ValueError, match="checkpoint_folder: cannot write in .*in-the-way"):
        trained(folder=tmp_path / "in-the-way" / "checkpoints")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_updates", 0),
        ("batch_size", 0),
        ("batch_size", "many"),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("ema_decay", 1.0),
        ("precision", "fp8"),
        ("rate_decay", "step"),
        ("seed", -1),
        ("gradient_clip", 0),
        ("epochs", 3),
    ],
)
def test_a_setting_is_refused_by_its_name(name, value):
    with pytest.raises(ValidationError, match=name):
        TrainingConfig(**{"num_updates": 5} | {name: value})


# --- precision, memory, progress ---


def test_bf16_holds_for_its_run_alone():
    model, history = trained(precision="bf16")
    assert np.isfinite(history.loss).all()
    x_t, t = torch.zeros(2, 1, 8, 8), torch.tensor([1, 2])
    assert all(value.dtype == torch.float32 for value in weights(model).values())
    assert model.network(x_t, t).dtype == torch.float32
    full, _ = trained()
    assert not same_weights(model, full)
    assert same_weights(full, trained()[0])


def test_images_stay_uint8_until_a_batch_is_cut(monkeypatch):
    seen = []
    real = diffad.training.batches.to_network
    monkeypatch.setattr(
        diffad.training.batches,
        "to_network",
        lambda images, *rest: seen.append((images.dtype, len(images))) or real(images, *rest),
    )
    trained(digits(300), validation=digits(300))
    assert {dtype for dtype, _ in seen} == {np.dtype(np.uint8)}
    assert max(size for _, size in seen) <= 128 and [size for _, size in seen].count(8) == 6


def test_a_memory_mapped_file_trains_like_an_array(tmp_path):
    np.save(tmp_path / "images.npy", digits())
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert same_weights(trained(mapped)[0], trained()[0])


def test_content_hash_sees_shape_and_every_pixel():
    images = noise_images(5000, shape=(2, 2, 1))
    changed = images.copy()
    changed[4500, 1, 1, 0] ^= 1
    assert content_hash(images) == content_hash(images.copy())
    assert len({content_hash(array) for array in (images, changed, images.reshape(2500, 4, 2, 1))}) == 3


def test_progress_shows_loss_and_speed(capsys):
    fit(TINY.build(), digits(), settings())
    shown = capsys.readouterr().err
    assert "training: 100%" in shown and "6/6" in shown and "loss=" in shown and "images_per_second=" in shown
    trained()
    assert capsys.readouterr().err == ""
