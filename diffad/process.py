"""The Markov forward process: data become noise, one small Gaussian step at a time.

    eq-forward-step        q(x_t | x_{t-1})        `ForwardProcess.step`
    eq-forward-marginal    q(x_t | x_0)            `ForwardProcess.sample`, `ForwardProcess.marginal`
    eq-forward-posterior   q(x_{t-1} | x_t, x_0)   `ForwardProcess.posterior`
    eq-conversions         eps, x0, v and score are four names of one prediction: `ForwardProcess.convert`

Time is an int (the same for the whole batch) or an integer tensor (batch,); always t = 1..T. Coefficients
come from float64 tables. With an int they enter as Python numbers, so nothing at all is looked up on the
device; with a tensor they are gathered from a copy of the table that is sent to the device once and kept.
float16 and bfloat16 inputs are computed in float32 and rounded once, at the end.

Sources: Ho et al. 2020, section 2; Salimans & Ho 2022 (v); Song et al. 2021 (score).
"""

import math
import operator
from collections.abc import Callable

import torch
from torch import Tensor

from diffad.schedules import NoiseSchedule

HALF_PRECISION = (torch.float16, torch.bfloat16)

# What each conversion computes from the prediction p, the noisy x, a = sqrt(alpha_bar) and
# s = sqrt(1 - alpha_bar). All follow from x = a x0 + s eps, v = a eps - s x0, score = -eps / s and a^2 + s^2
# = 1; none goes through a third quantity, which would lose digits where a or s is small.
CONVERSIONS: dict[tuple[str, str], Callable] = {
    ("eps", "x0"): lambda p, x, a, s: (x - s * p) / a,
    ("eps", "v"): lambda p, x, a, s: (p - s * x) / a,
    ("eps", "score"): lambda p, x, a, s: -p / s,
    ("x0", "eps"): lambda p, x, a, s: (x - a * p) / s,
    ("x0", "v"): lambda p, x, a, s: (a * x - p) / s,
    ("x0", "score"): lambda p, x, a, s: (a * p - x) / s**2,
    ("v", "x0"): lambda p, x, a, s: a * x - s * p,
    ("v", "eps"): lambda p, x, a, s: a * p + s * x,
    ("v", "score"): lambda p, x, a, s: -(a * p + s * x) / s,
    ("score", "x0"): lambda p, x, a, s: (x + s**2 * p) / a,
    ("score", "eps"): lambda p, x, a, s: -s * p,
    ("score", "v"): lambda p, x, a, s: -s * (x + p) / a,
}
PARAMETERISATIONS = ("eps", "x0", "v", "score")
DIVIDES_BY_SIGNAL = {("eps", "x0"), ("eps", "v"), ("score", "x0"), ("score", "v")}


def coefficient_tables(schedule: NoiseSchedule) -> dict[str, Tensor]:
    """Every coefficient of the process at t = 0..T; float64 CPU tensors (T + 1,)."""
    noise = schedule.one_minus_alpha_bar
    before, noise_before = schedule.alpha_bar[:-1], noise[:-1]
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    # The posterior variance is 0 at t = 1; its logarithm takes the next value there, as in Nichol & Dhariwal
    # 2021.
    clipped = schedule.posterior_variance[2:] if schedule.num_steps > 1 else schedule.beta[1:]
    return {
        "beta": schedule.beta,
        "alpha": schedule.alpha,
        "alpha_bar": schedule.alpha_bar,
        "log_alpha_bar": schedule.log_alpha_bar,
        "one_minus_alpha_bar": noise,
        "sqrt_alpha_bar": schedule.alpha_bar.sqrt(),
        "sqrt_one_minus_alpha_bar": noise.sqrt(),
        "sqrt_alpha": schedule.alpha.sqrt(),
        "sqrt_beta": schedule.beta.sqrt(),
        "snr": schedule.snr,
        "log_snr": schedule.log_snr,
        "posterior_variance": schedule.posterior_variance,
        "posterior_log_variance_clipped": torch.cat([clipped[:1], clipped[:1], clipped])[: len(noise)].log(),
        # eq-forward-posterior: mean = posterior_x0 * x_0 + posterior_xt * x_t
        "posterior_x0": torch.cat([one, before.sqrt() * schedule.beta[1:] / noise[1:]]),
        "posterior_xt": torch.cat([zero, schedule.alpha[1:].sqrt() * noise_before / noise[1:]]),
    }


class ForwardProcess:
    """The forward process of a schedule, on tensors of any shape (batch, ...).

    Args:
        schedule: the noise levels, from `diffad.schedules.make_schedule`.

    Every method takes t as an int or an integer tensor (batch,), in 1..T, and raises

    - ValueError if t leaves 1..T, or shapes do not match. For a tensor t on an accelerator the range is
      asserted on the device instead, because reading it back would stall the queue in every training step;
    - TypeError if t is not an integer, or images are not floating point.
    """

    def __init__(self, schedule: NoiseSchedule):
        if not isinstance(schedule, NoiseSchedule):
            raise TypeError(f"schedule must be a NoiseSchedule, came {type(schedule).__name__}")
        self.schedule = schedule
        self.num_steps = schedule.num_steps
        self._tables = coefficient_tables(schedule)
        self._numbers = {name: table.tolist() for name, table in self._tables.items()}
        self._on_device: dict[tuple, Tensor] = {}
        self._ends_in_pure_noise = bool(schedule.alpha_bar[-1] == 0)

    def step(self, x_previous: Tensor, t: int | Tensor, noise: Tensor) -> Tensor:
        """Draw x_t from q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I). Equation: eq-forward-step.

        Args:
            x_previous: x_{t-1}, floats (batch, ...).
            t: the time stepped to, 1..T.
            noise: standard normal draws in the shape of `x_previous`.

        Returns:
            x_t in the shape and dtype of `x_previous`. Source: Ho et al. 2020, eq. 2.
        """
        check_same_shape(x_previous=x_previous, noise=noise)
        keep, add = self._at(("sqrt_alpha", "sqrt_beta"), t, x_previous)
        x, noise = widen(x_previous), widen(noise)
        return (keep * x + add * noise).to(x_previous.dtype)

    def sample(self, x_0: Tensor, t: int | Tensor, noise: Tensor) -> Tensor:
        """Draw x_t from q(x_t | x_0) = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I).

        Equation: eq-forward-marginal.

        Args:
            x_0: clean data, floats (batch, ...).
            t: noise level, 1..T.
            noise: standard normal draws in the shape of `x_0`.

        Returns:
            x_t in the shape and dtype of `x_0`. Source: Ho et al. 2020, eq. 4.
        """
        check_same_shape(x_0=x_0, noise=noise)
        signal, spread = self._at(("sqrt_alpha_bar", "sqrt_one_minus_alpha_bar"), t, x_0)
        return (signal * widen(x_0) + spread * widen(noise)).to(x_0.dtype)

    def marginal(self, x_0: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of q(x_t | x_0). Equation: eq-forward-marginal.

        Returns:
            mean in the shape and dtype of `x_0`, and the variance, broadcastable to it. Source: Ho et al.
            2020, eq. 4.
        """
        check_floating(x_0=x_0)
        (signal,) = self._at(("sqrt_alpha_bar",), t, x_0)
        return (signal * widen(x_0)).to(x_0.dtype), self.coefficient("one_minus_alpha_bar", t, x_0)

    def posterior(self, x_0: Tensor, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of q(x_{t-1} | x_t, x_0): one step back, if the clean data were known.

        Equation: eq-forward-posterior.

        Returns:
            mean in the shape and dtype of `x_t`, and the variance, broadcastable to it (0 at t = 1).
            Source: Ho et al. 2020, eqs. 6 and 7.
        """
        check_same_shape(x_0=x_0, x_t=x_t)
        from_x_0, from_x_t = self._at(("posterior_x0", "posterior_xt"), t, x_t)
        mean = (from_x_0 * widen(x_0) + from_x_t * widen(x_t)).to(x_t.dtype)
        return mean, self.coefficient("posterior_variance", t, x_t)

    def convert(self, prediction: Tensor, x_t: Tensor, t: int | Tensor, source: str, target: str) -> Tensor:
        """Say a prediction about x_t in other words. Equation: eq-conversions.

        Args:
            prediction: floats (batch, ...), what the network said.
            x_t: the noisy data it said it about, same shape.
            t: noise level of `x_t`, 1..T.
            source, target: "eps" (the noise), "x0" (the clean data), "v" (sqrt(alpha_bar) eps - sqrt(1 -
                alpha_bar) x_0) or "score" (gradient of log q(x_t)).

        Returns:
            the prediction as `target`, in its own shape and in the wider of the two dtypes (under autocast a
            network answers in half precision about a float32 x_t; nothing of x_t is lost).

        Raises:
            ValueError: also where the signal is exactly 0 (zero terminal SNR, t = T) and the noise says
                nothing about x_0.

        Source: Salimans & Ho 2022, section 4 and appendix D; Song et al. 2021 for the score.
        """
        for argument, value in (("source", source), ("target", target)):
            if value not in PARAMETERISATIONS:
                raise ValueError(f"{argument} must be one of {PARAMETERISATIONS}, came {value!r}")
        check_same_shape(prediction=prediction, x_t=x_t)
        signal, spread = self._at(("sqrt_alpha_bar", "sqrt_one_minus_alpha_bar"), t, x_t)
        dtype = torch.promote_types(prediction.dtype, x_t.dtype)
        if source == target:
            return prediction.to(dtype)
        if self._ends_in_pure_noise and (source, target) in DIVIDES_BY_SIGNAL:
            self._refuse_pure_noise(t, source, target)
        converted = CONVERSIONS[source, target](widen(prediction), widen(x_t), signal, spread)
        return converted.to(dtype)

    def coefficient(self, name: str, t: int | Tensor, like: Tensor) -> Tensor:
        """A coefficient of the schedule at t, shaped so that it broadcasts against `like`.

        Args:
            name: "beta", "alpha", "alpha_bar", "log_alpha_bar", "one_minus_alpha_bar", the "sqrt_" of these,
                "snr", "log_snr", "posterior_variance", "posterior_log_variance_clipped", "posterior_x0" or
                "posterior_xt".
            t: 1..T.
            like: floats (batch, ...); gives the device, the dtype (float32 for half precision) and the number
                of axes.

        Returns:
            tensor (batch, 1, ...) for a tensor t, (1, 1, ...) for an int.
        """
        if name not in self._tables:
            raise ValueError(f"name must be one of {sorted(self._tables)}, came {name!r}")
        check_floating(like=like)
        t = self.check_time(t, like)
        shape = (-1,) + (1,) * (like.ndim - 1)
        return self._table(name, like)[t].view(shape if like.ndim else ())

    def number(self, name: str, t: int) -> float:
        """A coefficient at one time as a Python number; t in 0..T, since a sampler ends at clean data."""
        if not 0 <= t <= self.num_steps:
            raise ValueError(f"t must lie in 0..{self.num_steps}, came {t}")
        return self._numbers[name][t]

    def long_step_variance(self, t_low: int, t: int) -> float:
        """1 - alpha_bar_t / alpha_bar_{t_low}: the variance that the steps t_low + 1 .. t add up to."""
        if not 0 <= t_low < t <= self.num_steps:
            raise ValueError(f"t_low and t must rise within 0..{self.num_steps}, came {t_low} and {t}")
        return -math.expm1(self._numbers["log_alpha_bar"][t] - self._numbers["log_alpha_bar"][t_low])

    def __reduce__(self):
        return ForwardProcess, (self.schedule,)  # a copy elsewhere fills its own device tables

    def check_time(self, t: int | Tensor, like: Tensor) -> int | Tensor:
        """t as an int or integer tensor, refused outside 1..T or if its length is not the batch of `like`."""
        if not isinstance(t, Tensor):
            try:
                t = operator.index(t)
            except TypeError:
                raise TypeError(f"t must be an int or an integer tensor, came {type(t).__name__}") from None
            if not 1 <= t <= self.num_steps:
                raise ValueError(f"t must lie in 1..{self.num_steps}, came {t}")
            return t
        if t.is_floating_point() or t.dtype == torch.bool:
            raise TypeError(f"t must be an int or an integer tensor (batch,), came a tensor of {t.dtype}")
        if t.shape != like.shape[:1] or like.ndim == 0:
            raise ValueError(f"t must have shape (batch,) = {tuple(like.shape[:1])}, came {tuple(t.shape)}")
        if t.device.type == "cpu" and t.numel():
            low, high = torch.aminmax(t)
            if low < 1 or high > self.num_steps:
                raise ValueError(f"t must lie in 1..{self.num_steps}, came {int(low)}..{int(high)}")
        elif not t.is_meta and t.numel():
            torch._assert_async(((t >= 1) & (t <= self.num_steps)).all())
        return t

    def _at(self, names: tuple[str, ...], t: int | Tensor, like: Tensor) -> tuple:
        """The named coefficients at t: Python numbers for an int, tensors (batch, 1, ...) for a tensor."""
        t = self.check_time(t, like)
        if isinstance(t, int):
            return tuple(self._numbers[name][t] for name in names)
        shape = (-1,) + (1,) * (like.ndim - 1)
        return tuple(self._table(name, like)[t].view(shape) for name in names)

    def _table(self, name: str, like: Tensor) -> Tensor:
        """The table on the device of `like`; sent there once and kept."""
        dtype = torch.float32 if like.dtype in HALF_PRECISION else like.dtype
        key = name, like.device, dtype
        if key not in self._on_device:
            self._on_device[key] = self._tables[name].to(device=like.device, dtype=dtype)
        return self._on_device[key]

    def _refuse_pure_noise(self, t: int | Tensor, source: str, target: str) -> None:
        at_the_end = t == self.num_steps
        if at_the_end.any() if isinstance(at_the_end, Tensor) else at_the_end:
            raise ValueError(
                f"source {source!r} cannot be converted to {target!r} at t = {self.num_steps}, "
                "where alpha_bar is 0 and the noise hides the data; predict 'v' or 'x0'"
            )


def widen(x: Tensor) -> Tensor:
    """float16 and bfloat16 as float32, so that a formula is rounded once; other floats unchanged."""
    return x.float() if x.dtype in HALF_PRECISION else x


def check_floating(**tensors: Tensor) -> None:
    """Refuse a named argument that is not a floating-point tensor."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a floating-point tensor, came {type(tensor).__name__}")
        if not tensor.is_floating_point():
            raise TypeError(f"{name} must be a floating-point tensor, came {tensor.dtype}")


def check_same_shape(**tensors: Tensor) -> None:
    """Refuse named tensors that are not floating point or differ in shape; the first sets the shape."""
    check_floating(**tensors)
    (first_name, first), *others = tensors.items()
    for name, tensor in others:
        if tensor.shape != first.shape:
            expected, came = tuple(first.shape), tuple(tensor.shape)
            raise ValueError(f"{name} must have the shape of {first_name}, {expected}, came {came}")
