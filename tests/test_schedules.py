"""Noise schedules: against diffusers, against their own continuous limit, and over the whole range of T."""

import math
import pickle

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from hypothesis import given, settings
from hypothesis import strategies as st

from diffad.schedules import SCHEDULES, from_beta, from_log_snr, make_schedule

DIFFUSERS_NAMES = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "cosine": "squaredcos_cap_v2",
    "sigmoid": "sigmoid",
}
BETA_ENDS = ("beta_start", "beta_end")


def diffusers_arguments(schedule):
    return {key: value for key, value in schedule.parameters.items() if key in BETA_ENDS}


@pytest.mark.parametrize("name", DIFFUSERS_NAMES)
@pytest.mark.parametrize("num_steps", [1, 10, 1000])
def test_agrees_with_diffusers(name, num_steps):
    ours = make_schedule(name, num_steps)
    theirs = DDPMScheduler(num_steps, beta_schedule=DIFFUSERS_NAMES[name], **diffusers_arguments(ours))
    torch.testing.assert_close(ours.beta[1:], theirs.betas.double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.alpha_bar[1:], theirs.alphas_cumprod.double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("t", [1, 500, 1000])
def test_posterior_variance_agrees_with_diffusers(t):
    ours = make_schedule("linear", 1000)
    theirs = DDPMScheduler(1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02)
    assert float(theirs._get_variance(t - 1)) == pytest.approx(ours.posterior_variance[t].item(), abs=1e-6)


@pytest.mark.parametrize("name", DIFFUSERS_NAMES)
def test_zero_terminal_agrees_with_diffusers(name):
    ours = make_schedule("zero_terminal", 1000, base=name)
    base = make_schedule(name, 1000)
    theirs = DDPMScheduler(
        1000,
        beta_schedule=DIFFUSERS_NAMES[name],
        rescale_betas_zero_snr=True,
        **diffusers_arguments(base),
    )
    torch.testing.assert_close(ours.alpha_bar[1:], theirs.alphas_cumprod.double(), rtol=0, atol=1e-6)
    # The same algorithm in float64 agrees to more digits: the gap above is diffusers' float32.
    exact = (1 - rescale_zero_terminal_snr(base.beta[1:])).cumprod(0)
    torch.testing.assert_close(ours.alpha_bar[1:], exact, rtol=0, atol=1e-12)


@given(
    st.sampled_from(sorted(SCHEDULES)), st.one_of(st.integers(1, 40), st.sampled_from([1000, 4321, 10_000]))
)
@settings(max_examples=60, deadline=None)
def test_every_table_is_consistent(name, num_steps):
    schedule = make_schedule(name, num_steps)
    assert schedule.num_steps == num_steps
    assert schedule.alpha_bar[0] == 1 and schedule.beta[0] == 0 and schedule.snr[0] == math.inf
    for table in (schedule.alpha_bar, schedule.beta, schedule.snr, schedule.posterior_variance):
        assert table.shape == (num_steps + 1,) and table.dtype == torch.float64
    assert (schedule.log_alpha_bar.diff() < 0).all()
    assert ((schedule.beta[1:] > 0) & (schedule.beta[1:] <= 1)).all()
    torch.testing.assert_close((1 - schedule.beta).cumprod(0), schedule.alpha_bar, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(schedule.alpha + schedule.beta, torch.ones(num_steps + 1, dtype=torch.float64))
    assert (schedule.posterior_variance[:2] == 0).all()
    assert (schedule.posterior_variance <= schedule.beta).all()
    torch.testing.assert_close(schedule.log_snr[1:].exp(), schedule.snr[1:], rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_parameters_rebuild_the_schedule(name):
    schedule = make_schedule(name, 37)
    again = make_schedule(schedule.name, 37, **schedule.parameters)
    assert torch.equal(again.log_alpha_bar, schedule.log_alpha_bar)
    assert torch.equal(pickle.loads(pickle.dumps(schedule)).alpha_bar, schedule.alpha_bar)


@pytest.mark.parametrize("name", ["linear", "scaled_linear", "cosine", "sigmoid", "vdm"])
def test_continuous_time_is_the_limit_of_fine_steps(name):
    def gap(num_steps):
        # Keep the total noise while the steps shrink: T beta is what the limit depends on.
        scale = 100 / num_steps
        ends = {"beta_start": 0.01 * scale, "beta_end": 0.1 * scale}
        schedule = make_schedule(name, num_steps, **({} if name in ("cosine", "vdm") else ends))
        time = (
            torch.arange(num_steps, dtype=torch.float64) / num_steps
        )  # without the end point, where the cosine is clipped
        return (schedule.continuous_log_alpha_bar(time).exp() - schedule.alpha_bar[:-1])[1:].abs().max()

    assert gap(1000) < 3e-3
    assert gap(4000) < max(gap(1000) / 3, 1e-12)


def test_continuous_log_snr_matches_the_table():
    schedule = make_schedule("vdm", 50)
    time = torch.arange(1, 51, dtype=torch.float64) / 50
    torch.testing.assert_close(schedule.continuous_log_snr(time), schedule.log_snr[1:])


def test_small_noise_keeps_its_digits():
    schedule = from_beta(torch.full((3,), 1e-12, dtype=torch.float64))
    # 1 - alpha_bar of three steps is 3e-12 less terms of 1e-24; 1 - alpha_bar would keep four digits.
    torch.testing.assert_close(
        schedule.one_minus_alpha_bar[1:],
        torch.tensor([1e-12, 2e-12, 3e-12], dtype=torch.float64),
        rtol=1e-10,
        atol=0,
    )


def test_log_linear_divides_the_snr_by_one_factor():
    steps = make_schedule("log_linear", 64).log_snr[1:].diff()
    torch.testing.assert_close(steps, steps[:1].expand_as(steps))


def test_vdm_is_read_off_one_curve():
    coarse, fine = make_schedule("vdm", 10), make_schedule("vdm", 20)
    torch.testing.assert_close(coarse.log_snr[1:], fine.log_snr[2::2])


def test_zero_terminal_ends_in_pure_noise_and_keeps_the_first_level():
    schedule, base = make_schedule("zero_terminal", 100, base="linear"), make_schedule("linear", 100)
    assert schedule.alpha_bar[-1] == 0 and schedule.snr[-1] == 0 and schedule.beta[-1] == 1
    assert schedule.alpha_bar[1] == base.alpha_bar[1]


def test_from_log_snr_has_that_snr():
    log_snr = torch.tensor([4.0, 1.0, -3.0], dtype=torch.float64)
    torch.testing.assert_close(from_log_snr(log_snr).log_snr[1:], log_snr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("linear", 0), r"num_steps must lie in 1\.\.10000, came 0"),
        (("linear", -3), r"num_steps must lie in 1\.\.10000, came -3"),
        (("cosine", 10_001), r"num_steps must lie in 1\.\.10000, came 10001"),
        (("liner", 10), r"name must be one of .*'linear'.*, came 'liner'"),
    ],
)
def test_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_schedule(*arguments)


@pytest.mark.parametrize("num_steps", [10.0, "10", True, None])
def test_refuses_a_number_of_steps_that_is_no_integer(num_steps):
    with pytest.raises(TypeError, match="num_steps must be an integer"):
        make_schedule("linear", num_steps)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        (
            "linear",
            {"beta_max": 0.1},
            r"no parameter \['beta_max'\], allowed are \['beta_end', 'beta_start'\]",
        ),
        ("linear", {"beta_end": 1.5}, r"beta_end must lie in \(0, 1\), came 1.5"),
        ("cosine", {"max_beta": float("nan")}, r"max_beta must lie in \(0, 1\)"),
        ("vdm", {"gamma_min": 6.0}, "gamma_max must be finite and above gamma_min"),
        ("log_linear", {"log_snr_min": float("-inf")}, "log_snr_max must be finite and above log_snr_min"),
        ("zero_terminal", {"base": "zero_terminal"}, "base must be a schedule other than"),
        ("zero_terminal", {"base": "cosine", "beta_end": 0.1}, "no parameter"),
    ],
)
def test_refuses_bad_parameters(name, parameters, message):
    with pytest.raises(ValueError, match=message):
        make_schedule(name, 10, **parameters)


@pytest.mark.parametrize(
    ("log_snr", "message"),
    [
        ([1.0, 2.0, 0.0], "alpha_bar must strictly decrease from t = 0 to T, but it does not at t = 2"),
        ([1.0, 1.0], "does not at t = 2"),
        ([1.0, float("nan")], "does not at t = 2"),
        ([], r"log_alpha_bar must have shape \(T \+ 1,\)"),
        ([[1.0]], r"log_snr must have shape \(T,\)"),
    ],
)
def test_refuses_schedules_that_do_not_fall(log_snr, message):
    with pytest.raises(ValueError, match=message):
        from_log_snr(torch.tensor(log_snr))


@pytest.mark.parametrize("beta", [[0.1, 0.0], [-0.1], [1.2], [float("nan")], []])
def test_refuses_impossible_betas(beta):
    with pytest.raises(ValueError, match="beta must"):
        from_beta(torch.tensor(beta))


def test_refuses_noise_after_pure_noise():
    with pytest.raises(ValueError, match="does not at t = 2"):
        from_beta(torch.tensor([1.0, 0.5]))


def test_continuous_time_says_who_has_it():
    with pytest.raises(ValueError, match="'log_linear' has no continuous-time view"):
        make_schedule("log_linear", 10).continuous_log_snr(torch.tensor(0.5))
    with pytest.raises(ValueError, match=r"time must lie in \[0, 1\]"):
        make_schedule("cosine", 10).continuous_log_snr(torch.tensor(1.5))
