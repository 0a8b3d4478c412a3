"""The forward process: against simulation, Bayes' rule and diffusers; in every dtype; and what it refuses."""

import copy

import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal

from diffad.process import CONVERSIONS, PARAMETERISATIONS, ForwardProcess
from diffad.schedules import SCHEDULES, make_schedule
from diffad.transfers import count_transfers

FLOAT = torch.float64
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def draws(*shape, seed=0, dtype=FLOAT):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=FLOAT).to(dtype)


def make_process(name="linear", num_steps=100):
    return ForwardProcess(make_schedule(name, num_steps))


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_steps_compose_to_the_marginal(name, num_steps):
    """Mean and variance pushed through every step in turn are those of the closed form."""
    process = make_process(name, num_steps)
    one, zero = torch.ones(1, dtype=FLOAT), torch.zeros(1, dtype=FLOAT)
    mean, variance = one, zero
    for t in range(1, num_steps + 1):
        mean = process.step(mean, t, zero)
        variance = process.step(zero, t, one) ** 2 + process.coefficient("alpha", t, one) * variance
        expected_mean, expected_variance = process.marginal(one, t)
        torch.testing.assert_close(mean, expected_mean, rtol=1e-9, atol=1e-15)
        torch.testing.assert_close(variance, expected_variance, rtol=1e-9, atol=0)


def test_simulated_chain_has_the_marginal():
    process, x_0 = make_process("cosine", 20), torch.full((200_000,), 0.7, dtype=FLOAT)
    x = x_0
    for t in range(1, 13):
        x = process.step(x, t, draws(len(x), seed=t))
    mean, variance = process.marginal(x_0[:1], 12)
    assert abs(x.mean() - mean) < 4 * (variance / len(x)).sqrt()
    assert abs(x.var() / variance - 1) < 4 * (2 / len(x)) ** 0.5


def test_sample_is_diffusers_add_noise():
    process = make_process("linear", 1000)
    theirs = DDPMScheduler(1000, beta_schedule="linear")
    x_0, noise, t = (
        draws(8, 3, 4, 4, dtype=torch.float32),
        draws(8, 3, 4, 4, seed=1, dtype=torch.float32),
        torch.arange(1, 9) * 125,
    )
    torch.testing.assert_close(
        process.sample(x_0, t, noise), theirs.add_noise(x_0, noise, t - 1), rtol=0, atol=2e-6
    )


@pytest.mark.parametrize("t", [2, 40, 100])
def test_posterior_obeys_bayes_rule(t):
    """log q(x_t|x_{t-1}) + log q(x_{t-1}|x_0) - log q(x_t|x_0) is the posterior's log density, anywhere."""
    process = make_process("linear")
    x_0, x_t, x_before = draws(50, seed=1), draws(50, seed=2), draws(50, seed=3)

    def log_prob(x, mean, variance):
        return Normal(mean, variance.sqrt()).log_prob(x)

    zero = torch.zeros_like(x_0)
    step = log_prob(x_t, process.step(x_before, t, zero), process.coefficient("beta", t, x_0))
    joint = (
        step + log_prob(x_before, *process.marginal(x_0, t - 1)) - log_prob(x_t, *process.marginal(x_0, t))
    )
    torch.testing.assert_close(
        log_prob(x_before, *process.posterior(x_0, x_t, t)), joint, rtol=1e-9, atol=1e-8
    )


def test_posterior_of_the_first_step_is_the_clean_data():
    x_0, x_1 = draws(5, 2), draws(5, 2, seed=1)
    mean, variance = make_process().posterior(x_0, x_1, 1)
    torch.testing.assert_close(mean, x_0, rtol=1e-14, atol=1e-14)
    assert variance == 0


@given(
    st.sampled_from(sorted(CONVERSIONS)),
    st.sampled_from(sorted(set(SCHEDULES) - {"zero_terminal"})),
    st.sampled_from([1, 2, 50, 1000]),
    st.data(),
)
@settings(max_examples=120, deadline=None)
def test_conversions_round_trip(pair, name, num_steps, data):
    source, target = pair
    process = make_process(name, num_steps)
    t = data.draw(st.integers(1, num_steps))
    x_0, noise = draws(3, 2), draws(3, 2, seed=1)
    x_t = process.sample(x_0, t, noise)
    truth = everything(process, x_0, noise, t)
    there = process.convert(truth[source], x_t, t, source, target)
    back = process.convert(there, x_t, t, target, source)
    torch.testing.assert_close(back, truth[source], rtol=1e-10, atol=1e-10)
    # Where a signal of 1e-5 is divided by, what float64 can say of the other quantity is less than 1e-10.
    torch.testing.assert_close(there, truth[target], rtol=1e-8, atol=1e-8)


def everything(process, x_0, noise, t):
    signal = process.coefficient("sqrt_alpha_bar", t, x_0)
    spread = process.coefficient("sqrt_one_minus_alpha_bar", t, x_0)
    return {"eps": noise, "x0": x_0, "v": signal * noise - spread * x_0, "score": -noise / spread}


@pytest.mark.parametrize("name", PARAMETERISATIONS)
def test_converting_to_itself_changes_nothing(name):
    prediction = draws(4, 3)
    assert torch.equal(make_process().convert(prediction, draws(4, 3, seed=1), 5, name, name), prediction)


def test_score_is_the_gradient_of_the_marginal():
    process, x_0 = make_process(), draws(6, 1)
    x_t = process.sample(x_0, 30, draws(6, 1, seed=1)).requires_grad_()
    mean, variance = process.marginal(x_0, 30)
    gradient = torch.autograd.grad(Normal(mean, variance.sqrt()).log_prob(x_t).sum(), x_t)[0]
    torch.testing.assert_close(process.convert(x_0, x_t, 30, "x0", "score"), gradient)


@given(shapes, st.integers(1, 30), st.sampled_from(sorted(SCHEDULES)), st.data())
@settings(max_examples=60, deadline=None)
def test_a_tensor_of_times_equals_one_time_each(shape, num_steps, name, data):
    process = make_process(name, num_steps)
    t = torch.tensor(data.draw(st.lists(st.integers(1, num_steps), min_size=shape[0], max_size=shape[0])))
    x_0, noise = draws(*shape), draws(*shape, seed=1)
    together = process.sample(x_0, t, noise)
    assert together.shape == x_0.shape
    for i, level in enumerate(t.tolist()):
        alone = process.sample(x_0[i : i + 1], level, noise[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-14, atol=1e-14)


@given(
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32]),
    st.sampled_from(["step", "sample", "posterior", "convert"]),
    st.sampled_from(sorted(SCHEDULES)),
    st.sampled_from([2, 50, 1000]),
    st.booleans(),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_low_precision_is_rounded_once(dtype, method, name, num_steps, as_tensor, data):
    """The result is the exact one of the rounded inputs, to about one unit in the last place."""
    process = make_process(name, num_steps)
    t = data.draw(st.integers(1, num_steps - 1))
    t_given = torch.full((4,), t) if as_tensor else t
    x, y = draws(4, 3, dtype=dtype), draws(4, 3, seed=1, dtype=dtype)

    def call(a, b):
        if method == "posterior":
            return process.posterior(a, b, t_given)[0]
        if method == "convert":
            return process.convert(a, b, t_given, "v", "x0")
        return getattr(process, method)(a, t_given, b)

    low, exact = call(x, y), call(x.double(), y.double())
    assert low.dtype == dtype
    scale = (x.double().abs() + y.double().abs()).clamp(min=1e-2)
    allowed = (
        torch.finfo(dtype).eps * (0.5 * exact.abs() + 0.01 * scale)
        if dtype != torch.float32
        else 3e-7 * scale
    )
    assert (
        (low.double() - exact).abs() <= allowed + torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    ).all()


def test_half_precision_prediction_does_not_round_the_sample():
    process, x_t = make_process(), draws(4, 3, dtype=torch.float32)
    x0_hat = process.convert(draws(4, 3, seed=1, dtype=torch.bfloat16), x_t, 10, "eps", "x0")
    assert x0_hat.dtype == torch.float32


def test_tables_are_sent_once():
    process, x = make_process(), torch.empty(4, 3, device="meta")
    t = torch.ones(4, dtype=torch.int64, device="meta")
    with count_transfers() as first:
        process.sample(x, t, x)
    with count_transfers() as later:
        for _ in range(5):
            process.sample(x, t, x)
            process.sample(x, 3, x)
    assert len(first) == 2 and len(later) == 0


def test_copies_work_alone():
    process = make_process()
    clone = copy.deepcopy(process)
    x, noise = draws(3, 2), draws(3, 2, seed=1)
    assert torch.equal(clone.sample(x, 7, noise), process.sample(x, 7, noise))


def test_pure_noise_says_nothing_about_the_data():
    process = make_process("zero_terminal", 10)
    x = draws(2, 3)
    for t in (10, torch.tensor([3, 10])):
        with pytest.raises(ValueError, match="source 'eps' cannot be converted to 'x0' at t = 10"):
            process.convert(x, x, t, "eps", "x0")
    assert process.convert(x, x, 10, "v", "x0").isfinite().all()
    assert process.convert(x, x, 9, "eps", "x0").isfinite().all()


X = torch.zeros(4, 1, 2, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.sample(X, 0, X), r"t must lie in 1\.\.100, came 0"),
        (lambda p: p.sample(X, 101, X), r"t must lie in 1\.\.100, came 101"),
        (lambda p: p.step(X, -1, X), r"t must lie in 1\.\.100, came -1"),
        (lambda p: p.posterior(X, X, torch.tensor([1, 2, 3, 101])), r"t must lie in 1\.\.100, came 1\.\.101"),
        (lambda p: p.marginal(X, torch.tensor([0, 1, 2, 3])), r"t must lie in 1\.\.100, came 0\.\.3"),
        (
            lambda p: p.sample(X, torch.tensor([1, 2]), X),
            r"t must have shape \(batch,\) = \(4,\), came \(2,\)",
        ),
        (lambda p: p.sample(X, torch.ones(4, 1, dtype=torch.int64), X), r"came \(4, 1\)"),
        (
            lambda p: p.sample(X, 3, X[:2]),
            r"noise must have the shape of x_0, \(4, 1, 2, 2\), came \(2, 1, 2, 2\)",
        ),
        (lambda p: p.posterior(X, X[..., :1], 3), "x_t must have the shape of x_0"),
        (lambda p: p.convert(X, X[:1], 3, "eps", "x0"), "x_t must have the shape of prediction"),
        (lambda p: p.convert(X, X, 3, "noise", "x0"), "source must be one of .* came 'noise'"),
        (lambda p: p.convert(X, X, 3, "eps", "mean"), "target must be one of .* came 'mean'"),
        (lambda p: p.coefficient("gamma", 3, X), "name must be one of .* came 'gamma'"),
        (lambda p: p.number("beta", 101), r"t must lie in 0\.\.100, came 101"),
        (lambda p: p.long_step_variance(5, 5), r"t_low and t must rise within 0\.\.100"),
    ],
)
def test_refuses_bad_values(call, message):
    with pytest.raises(ValueError, match=message):
        call(make_process())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.sample(X, 1.0, X), "t must be an int or an integer tensor, came float"),
        (
            lambda p: p.sample(X, torch.ones(4), X),
            "t must be an int or an integer tensor.* came a tensor of torch.float32",
        ),
        (
            lambda p: p.sample(X.to(torch.uint8), 1, X),
            "x_0 must be a floating-point tensor, came torch.uint8",
        ),
        (lambda p: p.sample(X.numpy(), 1, X), "x_0 must be a floating-point tensor, came ndarray"),
        (lambda p: ForwardProcess("cosine"), "schedule must be a NoiseSchedule, came str"),
    ],
)
def test_refuses_bad_types(call, message):
    with pytest.raises(TypeError, match=message):
        call(make_process())
