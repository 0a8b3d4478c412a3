"""Which t a batch sees: the right expectation, less spread, and more draws where the loss is large."""

import pytest
import torch
from closed_form import generator
from hypothesis import given, settings
from hypothesis import strategies as st

from diffad.objectives import ImportanceTimes, LowDiscrepancyTimes, UniformTimes

SAMPLERS = {"uniform": UniformTimes, "low_discrepancy": LowDiscrepancyTimes, "importance": ImportanceTimes}


@given(st.sampled_from(sorted(SAMPLERS)), st.integers(1, 200), st.integers(1, 70), st.integers(0, 2**31))
@settings(max_examples=80, deadline=None)
def test_draws_lie_in_range_and_repeat_with_the_seed(name, num_steps, batch, seed):
    t, weight = SAMPLERS[name](num_steps).draw(batch, generator(seed))
    assert t.shape == weight.shape == (batch,) and t.dtype == torch.int64
    assert ((t >= 1) & (t <= num_steps)).all()
    again, _ = SAMPLERS[name](num_steps).draw(batch, generator(seed))
    assert torch.equal(t, again)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_t_is_equally_likely(name):
    sampler, g = SAMPLERS[name](10), generator()
    t = torch.cat([sampler.draw(7, g)[0] for _ in range(3000)])
    share = torch.bincount(t, minlength=11)[1:] / len(t)
    torch.testing.assert_close(share, torch.full((10,), 0.1), rtol=0, atol=0.01)


@given(st.integers(1, 50), st.integers(1, 5), st.integers(0, 1000))
@settings(deadline=None)
def test_low_discrepancy_leaves_no_gap(num_steps, times, seed):
    """A batch of k T draws holds every t exactly k times."""
    t, _ = LowDiscrepancyTimes(num_steps).draw(num_steps * times, generator(seed))
    counts = torch.bincount(t, minlength=num_steps + 1)[1:]
    assert (counts - times).abs().max() <= 1  # one draw may round across a border


def test_low_discrepancy_lowers_the_variance_of_a_batch_mean():
    loss = torch.linspace(0, 1, 101)
    spread = {}
    for name in ("uniform", "low_discrepancy"):
        sampler, g = SAMPLERS[name](100), generator()
        spread[name] = torch.stack([loss[sampler.draw(16, g)[0]].mean() for _ in range(500)]).std()
    assert spread["low_discrepancy"] < spread["uniform"] / 3


def trained_importance_times(losses, history=4):
    sampler = ImportanceTimes(len(losses), history=history)
    for _ in range(history):
        sampler.update(torch.arange(1, len(losses) + 1), losses)
    return sampler


def test_importance_draws_in_proportion_to_the_loss():
    losses = torch.tensor([8.0, 4.0, 2.0, 1.0])
    probabilities = trained_importance_times(losses).probabilities()
    torch.testing.assert_close(probabilities, (losses / losses.sum()).double(), rtol=0, atol=1e-3)
    assert probabilities.sum().item() == pytest.approx(1)


def test_importance_weights_keep_the_expectation_and_lower_the_variance():
    losses = torch.tensor([8.0, 4.0, 2.0, 1.0])
    t, weight = trained_importance_times(losses).draw(200_000, generator())
    estimate = losses[t - 1] * weight
    assert estimate.mean().item() == pytest.approx(losses.mean().item(), rel=1e-3)
    assert (
        estimate.std() < 0.01 * losses.std()
    )  # the draws are in proportion to the loss, so each product is the same


def test_importance_is_uniform_until_every_t_was_seen():
    sampler = ImportanceTimes(3, history=2)
    sampler.update(torch.tensor([1, 1, 2, 2, 3]), torch.tensor([9.0, 9, 1, 1, 1]))
    assert (sampler.probabilities() == 1 / 3).all()
    sampler.update(torch.tensor([3]), torch.tensor([1.0]))
    assert sampler.probabilities()[0] > 0.7


def test_importance_forgets_old_losses():
    sampler = trained_importance_times(torch.tensor([100.0, 1.0]))
    for _ in range(4):
        sampler.update(torch.tensor([1]), torch.tensor([1.0]))
    torch.testing.assert_close(sampler.probabilities(), torch.full((2,), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("name", SAMPLERS)
def test_refuses_no_steps(name):
    with pytest.raises(ValueError, match=r"num_steps must lie in 1\.\.10000, came 0"):
        SAMPLERS[name](0)


def test_refuses_bad_arguments():
    with pytest.raises(ValueError, match="history must be at least 1, came 0"):
        ImportanceTimes(10, history=0)
    with pytest.raises(ValueError, match=r"uniform_share must lie in \(0, 1\), came 1"):
        ImportanceTimes(10, uniform_share=1)
    with pytest.raises(ValueError, match=r"losses must have the shape of t, \(2,\), came \(3,\)"):
        ImportanceTimes(10).update(torch.tensor([1, 2]), torch.ones(3))
