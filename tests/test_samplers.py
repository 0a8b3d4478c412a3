"""The samplers, with the oracle as network: exact distributions, exact returns, and diffusers as the second
opinion.
"""

import pytest
import torch
from closed_form import FLOAT, correlated_oracle, gaussian_model, generator, make_process, mixture_oracle
from diffusers import DDIMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from diffad.model import DiffusionModel
from diffad.process import ForwardProcess
from diffad.reverse import beta_log_variance, learned_log_variance, posterior_log_variance
from diffad.samplers import (
    ancestral,
    ancestral_trajectory,
    ddim,
    ddim_timesteps,
    ddim_trajectory,
    dpm_solver,
    invert,
    langevin,
    partial_diffusion,
)
from diffad.schedules import SCHEDULES, make_schedule
from diffad.transfers import count_transfers

LINEAR = make_process("linear", 1000)
STEPS_LINEAR = make_process("linear", 100, beta_end=0.2)


def normal(*shape, seed=0, dtype=FLOAT):
    return torch.randn(shape, generator=generator(seed), dtype=FLOAT).to(dtype)


def v_model(oracle, process):
    """The oracle as a velocity network, which is defined in pure noise too."""

    class Velocity(torch.nn.Module):
        def forward(self, x_t, t):
            return process.convert(oracle.x0(x_t, t), x_t, t, "x0", "v")

    return DiffusionModel(Velocity(), process, "v")


@given(st.integers(1, 10_000), st.data())
@settings(deadline=None)
def test_timesteps_fall_evenly_from_start_to_zero(start, data):
    num_steps = data.draw(st.integers(1, start))
    times = ddim_timesteps(start, num_steps)
    gaps = {a - b for a, b in zip(times[:-1], times[1:], strict=True)}
    assert times[0] == start and times[-1] == 0 and len(times) == num_steps + 1
    assert min(gaps) >= 1 and max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_is_diffusers(eta):
    oracle, model = gaussian_model(LINEAR)
    theirs = DDIMScheduler(1000, clip_sample=False)  # linear, alpha_bar 1 behind the last step
    theirs.set_timesteps(20)
    x = normal(5, 3, dtype=torch.float32)
    ours = ddim(model, x, [int(t) + 1 for t in theirs.timesteps] + [0], eta, generator(7))
    g = generator(7)
    for t in theirs.timesteps:
        noise = torch.randn(x.shape, generator=g) if eta and t > 0 else None
        x = theirs.step(oracle(x, int(t) + 1), t, x, eta=eta, variance_noise=noise).prev_sample
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"vdm", "scaled_linear"}))
def test_ddim_carries_noise_to_the_data(name):
    """The ODE of a Gaussian is linear: z -> mean + z sqrt(variance) when the schedule ends in noise."""
    process = make_process(name, 1000)
    oracle, _ = gaussian_model(process, mean=(0.0, 0.0, 0.0))
    z = normal(4, 3)
    exact = z @ oracle.directions @ torch.diag(oracle.variances.sqrt()) @ oracle.directions.T
    x = ddim(v_model(oracle, process), z, ddim_timesteps(1000, 1000))
    torch.testing.assert_close(x, exact, rtol=0.03, atol=0.03)


def test_eta_one_is_ancestral_sampling():
    """With every step and eta = 1, DDIM is the posterior-variance sampler, draw for draw."""
    oracle, model = gaussian_model(STEPS_LINEAR)
    x = normal(6, 3)
    by_ddim = ddim(model, x, ddim_timesteps(100, 100), 1.0, generator(3))
    by_ancestral = ancestral(model, x, generator(3))
    # The two differ in the step to t = 1 only by nothing at all, and at t = 1 neither adds noise.
    torch.testing.assert_close(by_ddim, by_ancestral, rtol=1e-9, atol=1e-9)


def test_ancestral_samples_have_the_datas_moments():
    process = make_process("cosine", 200)
    oracle, model = gaussian_model(process)
    variances = torch.tensor([0.05, 0.3, 0.8], dtype=FLOAT)
    for variance in (posterior_log_variance, beta_log_variance, oracle.exact_log_variance):
        x = ancestral(model, normal(20_000, 3), generator(1), variance=variance)
        torch.testing.assert_close(x.mean(0), oracle.mean, rtol=0, atol=0.03)
        torch.testing.assert_close(x.var(0), variances, rtol=0.1, atol=0)


def test_exact_variance_samples_the_data_in_a_handful_of_steps():
    """With the true reverse variance even 5 steps give the exact covariance but for the last step's missing
    noise.
    """
    process = make_process("cosine", 5)
    oracle, model = gaussian_model(process, mean=(0.0,), variances=(0.5,))
    trajectory = ancestral_trajectory(
        model, normal(100_000, 1), generator(1), variance=oracle.exact_log_variance
    )
    for state in trajectory:
        if state.t > 0:
            expected = 0.5 * process.number("alpha_bar", state.t) + process.number(
                "one_minus_alpha_bar", state.t
            )
            assert state.x.var().item() == pytest.approx(expected, rel=0.02)


def test_learned_variance_is_used():
    oracle, _ = gaussian_model(STEPS_LINEAR)

    class WithVariance(torch.nn.Module):
        def __init__(self, raw):
            super().__init__()
            self.raw = raw

        def forward(self, x_t, t):
            return torch.cat([oracle(x_t, t), torch.full_like(x_t, self.raw)], dim=1)

    x, settings = normal(3, 3), {"variance": learned_log_variance}
    for raw, fixed in ((-1.0, posterior_log_variance), (1.0, beta_log_variance)):
        model = DiffusionModel(WithVariance(raw), STEPS_LINEAR, learned_variance=True)
        learned = ancestral(model, x, generator(5), **settings)
        torch.testing.assert_close(learned, ancestral(model, x, generator(5), variance=fixed))
    with pytest.raises(ValueError, match="variance 'learned' needs a model with learned_variance=True"):
        ancestral(gaussian_model(STEPS_LINEAR)[1], x, generator(), **settings)


@pytest.mark.parametrize("variance", [posterior_log_variance, beta_log_variance])
def test_the_last_step_adds_no_noise(variance):
    _, model = gaussian_model(STEPS_LINEAR)
    x_1 = normal(4, 3)
    ends = [ancestral(model, x_1, generator(seed), start=1, variance=variance) for seed in (1, 2)]
    assert torch.equal(ends[0], ends[1])
    torch.testing.assert_close(ends[0], model.predict(x_1, 1, "x0"))


def test_ddim_ends_exactly_on_the_clean_estimate():
    _, model = gaussian_model(STEPS_LINEAR)
    states = list(ddim_trajectory(model, normal(4, 3), [100, 50, 1, 0], eta=0.7, generator=generator()))
    assert [state.t for state in states] == [50, 1, 0]
    assert torch.equal(states[-1].x, states[-1].x0_hat)


@pytest.mark.parametrize("name", ["linear", "cosine", "zero_terminal", "sigmoid", "log_linear", "vdm"])
def test_inversion_then_sampling_returns_the_input(name):
    process = make_process(name, 1000)
    oracle = correlated_oracle(process)
    model = v_model(oracle, process) if name == "zero_terminal" else DiffusionModel(oracle, process)
    x_0, times = oracle.sample(16, generator()), ddim_timesteps(1000, 1000)
    returned = ddim(model, invert(model, x_0, times), times)
    assert (returned - x_0).abs().max() < 1e-3


def test_refinement_is_what_makes_inversion_exact():
    process = make_process("linear", 200, beta_end=0.1)
    oracle = mixture_oracle(process)
    model, times = DiffusionModel(oracle, process), ddim_timesteps(200, 200)
    x_0 = oracle.sample(32, generator())
    errors = [(ddim(model, invert(model, x_0, times, r), times) - x_0).abs().max() for r in (0, 1, 4)]
    assert errors[0] > 10 * errors[1] > 10 * errors[2]


@pytest.mark.parametrize("name", ["linear", "cosine", "zero_terminal"])
def test_dpm_solver_goes_where_ddim_goes(name):
    process = make_process(name, 1000)
    oracle, _ = gaussian_model(process)
    model = v_model(oracle, process)
    for start in (1000, 400):
        x = normal(50, 3)
        fine = ddim(model, x, ddim_timesteps(start, start))
        coarse, solver = ddim(model, x, ddim_timesteps(start, 25)), dpm_solver(model, x, 25, start=start)
        assert (solver - fine).abs().mean() < 0.4 * (coarse - fine).abs().mean()


def test_partial_diffusion_restores_what_the_data_allow():
    """One step is the optimal estimate; the mean over noises pulls an outlier towards the data, more so from
    a higher t.
    """
    process = make_process("cosine", 100)
    oracle, model = gaussian_model(process, mean=(0.0,), variances=(0.1,))
    x_0, noise = torch.full((4000, 1), 3.0, dtype=FLOAT), normal(4000, 1)
    x_t = process.sample(x_0, 30, noise)
    torch.testing.assert_close(partial_diffusion(model, x_0, 30, 1, noise), oracle.x0(x_t, 30))
    pulled = [partial_diffusion(model, x_0, start, 10, noise).mean() for start in (10, 30, 60)]
    assert 3 > pulled[0] > pulled[1] > pulled[2] > 0
    assert partial_diffusion(model, x_0, 60, 10, noise, clamp=0.5).abs().max() <= 0.5


def test_langevin_settles_on_the_noisy_distribution():
    oracle, model = gaussian_model(STEPS_LINEAR, mean=(0.2, -0.4, 0.0))
    t = 30
    x = langevin(model, 3 * normal(20_000, 3), t, 0.02, 400, generator(1))
    mean, variance = (
        STEPS_LINEAR.number("sqrt_alpha_bar", t) * oracle.mean,
        torch.tensor([0.05, 0.3, 0.8], dtype=FLOAT),
    )
    expected = STEPS_LINEAR.number("alpha_bar", t) * variance + STEPS_LINEAR.number("one_minus_alpha_bar", t)
    torch.testing.assert_close(x.mean(0), mean, rtol=0, atol=0.03)
    torch.testing.assert_close(x.var(0), expected, rtol=0.06, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_stays_in_its_dtype_and_near_the_truth(dtype):
    oracle, model = gaussian_model(STEPS_LINEAR)
    x = normal(20, 3)
    for sampler in (
        lambda y: ddim(model, y, ddim_timesteps(100, 10)),
        lambda y: ancestral(model, y, generator(2), start=50),
        lambda y: partial_diffusion(model, y, 40, 5, y),
    ):
        low = sampler(x.to(dtype))
        assert low.dtype == dtype
        assert low.isfinite().all()
    low, exact = ddim(model, x.to(dtype), ddim_timesteps(100, 10)), ddim(model, x, ddim_timesteps(100, 10))
    assert (low.double() - exact).abs().max() < 12 * torch.finfo(dtype).eps * exact.abs().max()


@given(
    st.sampled_from(sorted(SCHEDULES)),
    st.integers(1, 30),
    st.lists(st.integers(1, 3), min_size=2, max_size=4).map(tuple),
    st.data(),
)
@settings(max_examples=50, deadline=None)
def test_any_shape_schedule_and_start(name, num_steps, shape, data):
    process = ForwardProcess(make_schedule(name, num_steps))

    class Velocity(torch.nn.Module):
        def forward(self, x_t, t):
            return 0.1 * x_t

    model = DiffusionModel(Velocity(), process, "v")
    start = data.draw(st.integers(1, num_steps))
    x = normal(*shape)
    times = ddim_timesteps(start, data.draw(st.integers(1, start)))
    for result in (
        ddim(model, x, times),
        ddim(model, x, times, 1.0, generator()),
        ancestral(model, x, generator(), start),
        partial_diffusion(model, x, start, 1, x),
    ):
        assert result.shape == x.shape and result.isfinite().all()


def test_no_sampler_moves_anything_between_devices():
    process = make_process("linear", 50)

    class Half(torch.nn.Module):
        def forward(self, x_t, t):
            return 0.5 * x_t

    model, x = DiffusionModel(Half(), process), torch.empty(4, 1, 8, 8, device="meta")

    def loops():
        ddim(model, x, ddim_timesteps(50, 25))
        ancestral(model, x, None)
        partial_diffusion(model, x, 30, 10, x)
        invert(model, x, ddim_timesteps(50, 10))
        langevin(model, x, 10, 0.1, 10, None)
        dpm_solver(model, x, 10)

    with count_transfers() as first:
        loops()
    with count_transfers() as again:
        loops()
    assert len(first) <= len(process._tables)  # each table at most once
    assert len(again) == 0


def call_ddim(**changes):
    _, model = gaussian_model(STEPS_LINEAR)
    arguments = {"timesteps": [100, 50, 0], "eta": 0.0, "generator": None} | changes
    return ddim(model, normal(2, 3), **arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ddim_timesteps(10, 11), r"num_steps must lie in 1\.\.start = 10, came 11"),
        (lambda: ddim_timesteps(10, 0), "came 0"),
        (lambda: call_ddim(timesteps=[101, 0]), "timesteps must fall strictly from at most 100 to 0"),
        (lambda: call_ddim(timesteps=[50, 50, 0]), "timesteps must fall strictly"),
        (lambda: call_ddim(timesteps=[50, 1]), "timesteps must fall strictly"),
        (lambda: call_ddim(timesteps=[0]), "timesteps must fall strictly"),
        (lambda: call_ddim(timesteps=[]), "timesteps must fall strictly"),
        (lambda: call_ddim(eta=-0.1), "eta must be at least 0, came -0.1"),
        (lambda: call_ddim(eta=0.5), "generator must be given when eta > 0"),
        (
            lambda: partial_diffusion(gaussian_model(STEPS_LINEAR)[1], normal(2, 3), 101, 5, normal(2, 3)),
            r"t must lie in 1\.\.100, came 101",
        ),
        (
            lambda: partial_diffusion(gaussian_model(STEPS_LINEAR)[1], normal(2, 3), 50, 5, normal(1, 3)),
            "noise must have the shape of x_0",
        ),
        (
            lambda: ancestral(gaussian_model(STEPS_LINEAR)[1], normal(2, 3), generator(), start=101),
            r"start must lie in 1\.\.100, came 101",
        ),
        (
            lambda: dpm_solver(gaussian_model(STEPS_LINEAR)[1], normal(2, 3), 5, start=0),
            r"start must lie in 1\.\.100, came 0",
        ),
        (
            lambda: invert(gaussian_model(STEPS_LINEAR)[1], normal(2, 3), [100, 0], refinements=-1),
            "refinements must be at least 0, came -1",
        ),
        (
            lambda: langevin(gaussian_model(STEPS_LINEAR)[1], normal(2, 3), 5, -0.1, 3, generator()),
            "step_size must be positive",
        ),
    ],
)
def test_refuses_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
