"""One condition for every network: what it holds, what it costs, and that guidance is Ho & Salimans'."""

import pytest
import torch
from tiny import CountingNetwork, noise_images, wrapped

from diffad.model import DiffusionModel, evaluations
from diffad.networks import Condition, make_network
from diffad.process import ForwardProcess
from diffad.samplers import ancestral, ddim, ddim_timesteps
from diffad.schedules import make_schedule
from diffad.scorers import Evaluator

TOLD = {
    "unet": {"image_size": 8, "channels": 1, "size": "tiny", "num_classes": 3, "condition_channels": 2},
    "dit": {
        "image_size": 8,
        "channels": 1,
        "size": "Ti",
        "patch": 4,
        "num_classes": 3,
        "condition_channels": 2,
    },
    "mlp": {"features": 6, "width": 16, "num_classes": 3},
}


def told_network(kind, seed=0, **changes):
    """A network that takes conditions, with random weights in place of its zeros."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_network(kind, TOLD[kind] | changes).eval()
        if kind == "dit":
            network.blocks = network.blocks[:2]  # what is told enters each the same way
        for parameter in network.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.05)
    return network


def told_model(kind, learned_variance=False):
    network = told_network(kind, learned_variance=learned_variance)
    process = ForwardProcess(make_schedule("cosine", 20))
    return DiffusionModel(network, process, "eps", learned_variance)


def batch(kind, size=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (size, 6) if kind == "mlp" else (size, 1, 8, 8)
    image = None if kind == "mlp" else torch.randn(size, 2, 8, 8, generator=generator)
    condition = Condition(torch.arange(size) % 3, image)
    return (
        torch.randn(shape, generator=generator),
        torch.randint(1, 21, (size,), generator=generator),
        condition,
    )


@pytest.mark.parametrize("kind", TOLD)
def test_every_part_of_a_condition_changes_the_prediction(kind):
    model, (x_t, t, condition) = told_model(kind), batch(kind)
    with torch.inference_mode():
        told = model.predict(x_t, t, condition=condition)
        other = Condition((condition.labels + 1) % 3, condition.image)
        assert told.shape == x_t.shape
        assert not torch.allclose(told, model.predict(x_t, t, condition=other))
        assert not torch.allclose(told, model.predict(x_t, t))
        if condition.image is not None:
            other = Condition(condition.labels, -condition.image)
            assert not torch.allclose(told, model.predict(x_t, t, condition=other))


@pytest.mark.parametrize("kind", TOLD)
def test_no_condition_is_the_null_condition(kind):
    model, (x_t, t, condition) = told_model(kind), batch(kind)
    with torch.inference_mode():
        nothing = model.predict(x_t, t)
        assert torch.equal(nothing, model.predict(x_t, t, condition=condition.null()))
        dropped = condition.drop(torch.zeros(4, dtype=torch.bool))
        assert torch.equal(nothing, model.predict(x_t, t, condition=dropped))
        half = condition.drop(torch.tensor([True, False, True, False]))
        mixed, told = model.predict(x_t, t, condition=half), model.predict(x_t, t, condition=condition)
    assert torch.equal(mixed[::2], told[::2]) and torch.equal(mixed[1::2], nothing[1::2])


@pytest.mark.parametrize("target", ["eps", "x0", "v", "score"])
@pytest.mark.parametrize("kind", TOLD)
def test_guidance_is_a_line_through_the_two_predictions_in_every_target(kind, target):
    model, (x_t, t, condition) = told_model(kind).double(), batch(kind)
    x_t = x_t.double()
    with torch.inference_mode():
        null, told = model.predict(x_t, t, target), model.predict(x_t, t, target, condition)
        for guidance in (0.0, 0.5, 1.0, 3.0):
            guided = model.predict(x_t, t, target, condition, guidance)
            torch.testing.assert_close(guided, null + guidance * (told - null), rtol=1e-9, atol=1e-9)


def test_guidance_leaves_the_learned_variance_conditional():
    model, (x_t, t, condition) = told_model("dit", learned_variance=True), batch("dit")
    with torch.inference_mode():
        null = model.predict_with_variance(x_t, t)[0]
        told, fraction = model.predict_with_variance(x_t, t, condition=condition)
        guided, guided_fraction = model.predict_with_variance(x_t, t, condition=condition, guidance=2.0)
    torch.testing.assert_close(guided, 2 * told - null)
    assert torch.equal(fraction, guided_fraction)


class CountingTold(CountingNetwork):
    """Counts calls of a network that takes conditions."""

    def forward(self, x_t, t, condition=None):
        return super().forward(x_t, t)


@pytest.mark.parametrize("guidance", [0, 0.0, 0.5, 1, 1.0, 4.0])
def test_the_stated_cost_is_what_the_network_is_asked(guidance):
    network = CountingTold()
    model = wrapped(network)
    x_t, condition = torch.randn(5, 1, 8, 8), Condition(torch.zeros(5, dtype=torch.int64))
    model.predict(x_t, 3, condition=condition, guidance=guidance)
    assert network.num_samples == 5 * evaluations(guidance)
    conditioned = model.conditioned(condition, guidance)
    conditioned.predict(x_t, 3)
    assert network.num_samples == 5 * (evaluations(guidance) + conditioned.evaluations_per_prediction)
    assert model.evaluations_per_prediction == 1


def test_samplers_sample_under_a_condition_of_one_or_of_each():
    model, (x_t, _, condition) = told_model("dit"), batch("dit")
    each, one = model.conditioned(condition, 2.0), model.conditioned(condition[:1], 2.0)
    with torch.inference_mode():
        first = ddim(each, x_t, ddim_timesteps(20, 4))
        assert not torch.allclose(first, ddim(model, x_t, ddim_timesteps(20, 4)))
        torch.testing.assert_close(ddim(one, x_t, ddim_timesteps(20, 4))[:1], first[:1])
        assert ancestral(each, x_t, torch.Generator().manual_seed(0)).isfinite().all()


@pytest.mark.parametrize(("guidance", "cost"), [(1.0, 1), (2.0, 2)])
def test_a_scorer_counts_what_guidance_costs(guidance, cost):
    told = told_model("unet").conditioned(batch("unet")[2][:1], guidance)
    evaluator = Evaluator(told, batch_size=4)
    values = evaluator.one_step(
        noise_images(6), [5], 2, lambda x_0, x0_hat: (x_0 - x0_hat).square().mean((1, 2, 3))
    )
    assert values.shape == (6, 1) and evaluator.evaluations == 6 * 2 * cost


def test_a_given_condition_is_sent_to_the_device_once():
    conditioned = wrapped(CountingTold()).conditioned(Condition(torch.zeros(1, dtype=torch.int64)), 2.0)
    assert conditioned.predict(torch.empty(3, 1, 8, 8, device="meta"), 4).device.type == "meta"
    assert conditioned.condition.labels.device.type == "meta"


def test_a_conditioned_model_shares_the_network_and_its_mode():
    model = told_model("mlp")
    conditioned = model.conditioned(batch("mlp")[2])
    assert conditioned.network is model.network and conditioned.input_shape == (6,)
    assert not conditioned.train(False).training
    for mode in (True, False):
        model.train(mode)
        assert model.conditioned(batch("mlp")[2]).training is mode and model.network.training is mode
    with pytest.raises(ValueError, match="conditioned already"):
        conditioned.predict(torch.randn(4, 6), 1, condition=batch("mlp")[2])


def test_a_condition_is_cut_moved_expanded_and_dropped_as_one():
    condition = batch("unet")[2]
    assert len(condition) == 4 and len(condition[1:3]) == 2
    picked = condition[torch.tensor([3, 0])]
    assert picked.labels.tolist() == [0, 0] and torch.equal(picked.image, condition.image[[3, 0]])
    assert condition.to("meta").image.device.type == "meta"
    assert torch.equal(condition[:1].expand(3).image[2], condition.image[0])
    assert condition.expand(4) is condition
    kept = condition.drop(torch.tensor([True, False, False, True]))
    assert kept.labels.tolist() == [0, -1, -1, 0]
    assert not kept.image[1:3].any() and torch.equal(kept.image[0], condition.image[0])
    assert condition.labels.tolist() == [0, 1, 2, 0]


LABELS = torch.zeros(2, dtype=torch.int64)
REFUSED = {
    "nothing": (lambda: Condition(), ValueError, "neither labels nor an image"),
    "float labels": (lambda: Condition(LABELS.float()), TypeError, "labels of torch.float32"),
    "int images": (lambda: Condition(image=torch.zeros(2, 1, 8, 8, dtype=torch.uint8)), TypeError, "uint8"),
    "label rank": (lambda: Condition(LABELS[:, None]), ValueError, r"labels of shape \(2, 1\)"),
    "image rank": (lambda: Condition(image=torch.zeros(2, 8, 8)), ValueError, r"shape \(2, 8, 8\)"),
    "negative": (lambda: Condition(LABELS - 2), ValueError, "label -2"),
    "numbers": (lambda: Condition(LABELS, torch.zeros(3, 1, 8, 8)), ValueError, "2 labels and 3 images"),
    "expand": (lambda: Condition(LABELS).expand(5), ValueError, "got 2 items, expected 1 or the batch's 5"),
    "keep": (lambda: Condition(LABELS).drop(torch.ones(2)), ValueError, "keep: got torch.float32"),
    "keep length": (lambda: Condition(LABELS).drop(torch.ones(3).bool()), ValueError, r"shape \(3,\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_impossible_condition_is_refused(case):
    build, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        build()


NOT_TAKEN = {
    "too high": (Condition(torch.full((4,), 3)), {}, r"label 3, expected labels in -1..2"),
    "length": (Condition(LABELS), {}, "got 2 items, expected the batch's 4"),
    "no classes": (Condition(torch.arange(4)), {"num_classes": 0}, "num_classes 0"),
    "no image": (Condition(image=torch.zeros(4, 2, 8, 8)), {"condition_channels": 0}, "condition_channels 0"),
    "image shape": (Condition(image=torch.zeros(4, 2, 4, 4)), {}, r"shape \(2, 4, 4\), expected \(2, 8, 8\)"),
}


@pytest.mark.parametrize("kind", ["unet", "dit"])
@pytest.mark.parametrize("case", NOT_TAKEN)
def test_a_condition_that_the_network_does_not_take_is_refused(case, kind):
    condition, changes, words = NOT_TAKEN[case]
    network, (x_t, t, _) = told_network(kind, **changes), batch(kind)
    with pytest.raises(ValueError, match=words):
        network(x_t, t, condition)


@pytest.mark.parametrize("kind", TOLD)
def test_noisy_data_of_another_shape_are_refused(kind):
    x_t, t, _ = batch(kind)
    with pytest.raises(ValueError, match="x_t: got shape"):
        told_network(kind)(x_t[..., :4], t)


def test_guidance_needs_a_condition():
    model, (x_t, t, _) = told_model("mlp"), batch("mlp")
    with pytest.raises(ValueError, match="guidance: got 2.0 without a condition"):
        model.predict(x_t, t, guidance=2.0)
