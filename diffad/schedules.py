"""Noise schedules: how fast the Markov forward process turns data into noise.

A schedule is the table of alpha_bar_t = prod_{s<=t} (1 - beta_s) for t = 0..T. Time runs as in the papers:
t = 1..T are the noise levels, alpha_bar_0 = 1 is clean data. Everything else (beta, SNR, posterior variance)
follows from that table (eq-signal-to-noise, eq-posterior-variance).

The table is kept as log(alpha_bar) in float64. Close to t = 0 alpha_bar is 1 - 1e-4 or nearer to 1, and every
quantity that matters there is a difference of two such numbers; `expm1` of a logarithm keeps all its digits,
a subtraction does not.

Sources: Ho et al. 2020 (linear), Rombach et al. 2022 (scaled linear), Nichol & Dhariwal 2021 (cosine), Xu et
al. 2022 (sigmoid), Kingma et al. 2021 (log-SNR, VDM), Lin et al. 2024 (zero terminal SNR), Song et al. 2021
(continuous time).
"""

import inspect
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

MAX_STEPS = 10_000


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The noise level at every time t = 0..T of a forward process.

    Attributes:
        name: key in `SCHEDULES`, or a name of your own.
        parameters: keyword arguments that rebuild the schedule with `make_schedule(name, num_steps,
            **parameters)`.
        log_alpha_bar: float64 CPU tensor (T + 1,); starts at 0 and strictly decreases; only the last entry
            may be -inf.

    Raises:
        ValueError: if the table is not one-dimensional with 2..10,001 entries, does not start at 0, or is not
            strictly decreasing.
    """

    name: str
    parameters: dict
    log_alpha_bar: Tensor = field(repr=False)

    def __post_init__(self):
        table = torch.as_tensor(self.log_alpha_bar, dtype=torch.float64, device="cpu")
        if table.ndim != 1 or not 2 <= len(table) <= MAX_STEPS + 1:
            raise ValueError(
                f"log_alpha_bar must have shape (T + 1,), T in 1..{MAX_STEPS}, came {tuple(table.shape)}"
            )
        if table[0] != 0:
            raise ValueError(f"alpha_bar must be 1 at t = 0, clean data, came {math.exp(table[0]):.6g}")
        not_falling = ~(table[1:] < table[:-1])  # written so that NaN counts as not falling
        if not_falling.any():
            t = int(not_falling.nonzero()[0]) + 1
            raise ValueError(f"alpha_bar must strictly decrease from t = 0 to T, but it does not at t = {t}")
        object.__setattr__(self, "log_alpha_bar", table)

    @property
    def num_steps(self) -> int:
        """T, the number of noising steps."""
        return len(self.log_alpha_bar) - 1

    @cached_property
    def alpha_bar(self) -> Tensor:
        """Share of the signal left in x_t; float64 (T + 1,), alpha_bar[0] == 1. Equation: eq-alpha-bar."""
        return self.log_alpha_bar.exp()

    @cached_property
    def one_minus_alpha_bar(self) -> Tensor:
        """Variance of the noise at t, without cancellation near t = 0; float64 (T + 1,)."""
        # A minus sign in place of abs would give -0 at t = 0, and there an SNR of minus infinity.
        return torch.expm1(self.log_alpha_bar).abs()

    @cached_property
    def beta(self) -> Tensor:
        """Variance added by step t; float64 (T + 1,), beta[0] == 0. Ho et al. 2020, eq. 2."""
        steps = -torch.expm1(self.log_alpha_bar.diff())
        return torch.cat([torch.zeros(1, dtype=torch.float64), steps])

    @cached_property
    def alpha(self) -> Tensor:
        """1 - beta_t = alpha_bar_t / alpha_bar_{t-1}; float64 (T + 1,), alpha[0] == 1."""
        steps = self.log_alpha_bar.diff().exp()
        return torch.cat([torch.ones(1, dtype=torch.float64), steps])

    @cached_property
    def log_snr(self) -> Tensor:
        """log(alpha_bar_t / (1 - alpha_bar_t)); float64 (T + 1,), log_snr[0] == inf."""
        return self.log_alpha_bar - self.one_minus_alpha_bar.log()

    @cached_property
    def snr(self) -> Tensor:
        """Signal-to-noise ratio at t; float64 (T + 1,), snr[0] == inf. Equation: eq-signal-to-noise."""
        return self.alpha_bar / self.one_minus_alpha_bar

    @cached_property
    def posterior_variance(self) -> Tensor:
        """Variance of q(x_{t-1} | x_t, x_0); (T + 1,), 0 at t <= 1. Equation: eq-posterior-variance."""
        noise = self.one_minus_alpha_bar
        steps = self.beta[1:] * noise[:-1] / noise[1:]
        return torch.cat([torch.zeros(1, dtype=torch.float64), steps])

    @property
    def has_continuous_time(self) -> bool:
        """Whether the schedule is a function of continuous time; `continuous_log_snr` needs it."""
        return self.name in CONTINUOUS_LOG_ALPHA_BAR

    def continuous_log_alpha_bar(self, time: Tensor) -> Tensor:
        """log(alpha_bar) at continuous time in [0, 1], where t = T * time; the limit of ever finer steps.

        Equation: eq-continuous-time. Source: Song et al. 2021 (score SDE), section 3.4.

        Args:
            time: float tensor of any shape, values in [0, 1].

        Raises:
            ValueError: if `time` leaves [0, 1], or the schedule has no continuous-time view.
        """
        if not self.has_continuous_time:
            raise ValueError(
                f"schedule {self.name!r} has no continuous-time view, only "
                f"{sorted(CONTINUOUS_LOG_ALPHA_BAR)} have one"
            )
        time = torch.as_tensor(time, dtype=torch.float64)
        if not ((time >= 0) & (time <= 1)).all():
            raise ValueError(f"time must lie in [0, 1], came {time.min():.6g} to {time.max():.6g}")
        return CONTINUOUS_LOG_ALPHA_BAR[self.name](time, self.num_steps, **self.parameters)

    def continuous_log_snr(self, time: Tensor) -> Tensor:
        """log-SNR at continuous time in [0, 1]; see `continuous_log_alpha_bar`."""
        log_alpha_bar = self.continuous_log_alpha_bar(time)
        return log_alpha_bar - (-torch.expm1(log_alpha_bar)).log()


def from_beta(beta: Tensor, name: str = "custom", parameters: dict | None = None) -> NoiseSchedule:
    """The schedule whose step t adds variance beta_t.

    Args:
        beta: floats (T,), the values of t = 1..T, each in (0, 1]; 1 only at the last step.

    Raises:
        ValueError: if a beta leaves (0, 1].
    """
    beta = torch.as_tensor(beta, dtype=torch.float64)
    if beta.ndim != 1 or len(beta) == 0:
        raise ValueError(f"beta must have shape (T,) with T at least 1, came shape {tuple(beta.shape)}")
    if not ((beta > 0) & (beta <= 1)).all():
        raise ValueError(f"beta must lie in (0, 1], came values from {beta.min():.6g} to {beta.max():.6g}")
    log_alpha_bar = torch.cat([torch.zeros(1, dtype=torch.float64), torch.log1p(-beta).cumsum(0)])
    return NoiseSchedule(name, parameters or {}, log_alpha_bar)


def from_log_snr(log_snr: Tensor, name: str = "custom", parameters: dict | None = None) -> NoiseSchedule:
    """The schedule with the given log-SNR at t = 1..T: alpha_bar = sigmoid(log_snr).

    Equation: eq-log-snr-schedule. Source: Kingma et al. 2021, section 3.2.

    Args:
        log_snr: floats (T,), strictly decreasing.
    """
    log_snr = torch.as_tensor(log_snr, dtype=torch.float64)
    if log_snr.ndim != 1:
        raise ValueError(f"log_snr must have shape (T,), came shape {tuple(log_snr.shape)}")
    log_alpha_bar = torch.cat([torch.zeros(1, dtype=torch.float64), logsigmoid(log_snr)])
    return NoiseSchedule(name, parameters or {}, log_alpha_bar)


def linear(num_steps: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
    """beta_t rises in a straight line. Equation: eq-linear-schedule. Ho et al. 2020, section 4.

    The defaults were chosen for T = 1000; with fewer steps they leave signal at t = T (raise `beta_end`
    accordingly).
    """
    num_steps = check_num_steps(num_steps)
    check_open_unit(beta_start=beta_start, beta_end=beta_end)
    beta = torch.linspace(beta_start, beta_end, num_steps, dtype=torch.float64)
    return from_beta(beta, "linear", {"beta_start": beta_start, "beta_end": beta_end})


def scaled_linear(num_steps: int, beta_start: float = 0.00085, beta_end: float = 0.012) -> NoiseSchedule:
    """sqrt(beta_t) rises in a straight line. Rombach et al. 2022 (latent diffusion), with their defaults."""
    num_steps = check_num_steps(num_steps)
    check_open_unit(beta_start=beta_start, beta_end=beta_end)
    beta = torch.linspace(beta_start**0.5, beta_end**0.5, num_steps, dtype=torch.float64) ** 2
    return from_beta(beta, "scaled_linear", {"beta_start": beta_start, "beta_end": beta_end})


def cosine(num_steps: int, offset: float = 0.008, max_beta: float = 0.999) -> NoiseSchedule:
    """alpha_bar falls like a squared cosine. Equation: eq-cosine-schedule.

    Source: Nichol & Dhariwal 2021, eq. 17; beta is clipped as there.
    """
    num_steps = check_num_steps(num_steps)
    check_open_unit(offset=offset, max_beta=max_beta)
    time = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
    beta = -torch.expm1(_cosine_log_alpha_bar(time, num_steps, offset, max_beta).diff())
    return from_beta(beta.clamp(max=max_beta), "cosine", {"offset": offset, "max_beta": max_beta})


def sigmoid(num_steps: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
    """beta_t rises along a sigmoid between -6 and 6. Xu et al. 2022 (GeoDiff), as in diffusers' "sigmoid"."""
    num_steps = check_num_steps(num_steps)
    check_open_unit(beta_start=beta_start, beta_end=beta_end)
    rise = torch.sigmoid(torch.linspace(-6, 6, num_steps, dtype=torch.float64))
    beta = beta_start + (beta_end - beta_start) * rise
    return from_beta(beta, "sigmoid", {"beta_start": beta_start, "beta_end": beta_end})


def log_linear(num_steps: int, log_snr_max: float = 9.21, log_snr_min: float = -9.21) -> NoiseSchedule:
    """Every step divides the SNR by the same factor, from its maximum at t = 1 to its minimum at t = T."""
    num_steps = check_num_steps(num_steps)
    _check_falls("log_snr_max", log_snr_max, "log_snr_min", log_snr_min)
    log_snr = torch.linspace(log_snr_max, log_snr_min, num_steps, dtype=torch.float64)
    return from_log_snr(log_snr, "log_linear", {"log_snr_max": log_snr_max, "log_snr_min": log_snr_min})


def vdm(num_steps: int, gamma_min: float = -13.3, gamma_max: float = 5.0) -> NoiseSchedule:
    """The VDM parameterisation without learning: log-SNR = -gamma, a straight line in time = t / T.

    Kingma et al. 2021, section 3.2, with the end points of their code. Unlike `log_linear` it is a function of
    continuous time: halving the steps keeps the curve and reads it at fewer points.
    """
    num_steps = check_num_steps(num_steps)
    _check_falls("gamma_max", gamma_max, "gamma_min", gamma_min)
    time = torch.arange(1, num_steps + 1, dtype=torch.float64) / num_steps
    return from_log_snr(
        -(gamma_min + (gamma_max - gamma_min) * time), "vdm", {"gamma_min": gamma_min, "gamma_max": gamma_max}
    )


def zero_terminal(num_steps: int, base: str = "linear", **parameters) -> NoiseSchedule:
    """The schedule `base`, shifted and scaled so that no signal at all is left at t = T (SNR exactly 0).

    Lin et al. 2024, algorithm 1: sqrt(alpha_bar) is shifted to end at 0 and scaled to keep its value at t =
    1. With T = 1 there is one level, and it is pure noise.

    Args:
        base: a name in `SCHEDULES`; `parameters` go to it.
    """
    if base == "zero_terminal":
        raise ValueError("base must be a schedule other than 'zero_terminal'")
    schedule = make_schedule(base, num_steps, **parameters)
    log_alpha_bar = schedule.log_alpha_bar.clone()
    first, last = schedule.alpha_bar[1].sqrt(), schedule.alpha_bar[-1].sqrt()
    if num_steps > 1:
        inner = schedule.alpha_bar[2:-1].sqrt()
        log_alpha_bar[2:-1] = 2 * ((inner - last) * (first / (first - last))).log()
    log_alpha_bar[-1] = -math.inf
    return NoiseSchedule("zero_terminal", {"base": base, **schedule.parameters}, log_alpha_bar)


SCHEDULES: dict[str, Callable[..., NoiseSchedule]] = {
    "linear": linear,
    "scaled_linear": scaled_linear,
    "cosine": cosine,
    "sigmoid": sigmoid,
    "log_linear": log_linear,
    "vdm": vdm,
    "zero_terminal": zero_terminal,
}


def make_schedule(name: str, num_steps: int, **parameters) -> NoiseSchedule:
    """Build a schedule by name.

    Args:
        name: a key of `SCHEDULES`.
        num_steps: T, 1..10,000.
        parameters: keyword arguments of that schedule, for example `beta_end=0.02`.

    Raises:
        ValueError: unknown name, unknown parameter, or a value out of range; the message says what is
            allowed.
        TypeError: `num_steps` is not an integer.
    """
    if name not in SCHEDULES:
        raise ValueError(f"name must be one of {sorted(SCHEDULES)}, came {name!r}")
    accepted = inspect.signature(SCHEDULES[name]).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values())
    unknown = set(parameters) - set(accepted)
    if unknown and not takes_any:
        allowed = sorted(set(accepted) - {"num_steps"})
        raise ValueError(f"schedule {name!r} has no parameter {sorted(unknown)}, allowed are {allowed}")
    return SCHEDULES[name](num_steps, **parameters)


def check_num_steps(num_steps: int) -> int:
    """`num_steps` as an int, refused outside 1..10,000."""
    if isinstance(num_steps, bool):
        raise TypeError("num_steps must be an integer, came a bool")
    try:
        num_steps = operator.index(num_steps)
    except TypeError:
        raise TypeError(f"num_steps must be an integer, came {type(num_steps).__name__}") from None
    if not 1 <= num_steps <= MAX_STEPS:
        raise ValueError(f"num_steps must lie in 1..{MAX_STEPS}, came {num_steps}")
    return num_steps


def check_open_unit(**values: float) -> None:
    """Refuse a named value outside the open interval (0, 1)."""
    for name, value in values.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie in (0, 1), came {value}")


def _check_falls(high_name: str, high: float, low_name: str, low: float) -> None:
    if not (math.isfinite(high) and math.isfinite(low) and high > low):
        raise ValueError(f"{high_name} must be finite and above {low_name}, came {high} and {low}")


def _linear_log_alpha_bar(time: Tensor, num_steps: int, beta_start: float, beta_end: float) -> Tensor:
    # Song et al. 2021, eq. 33: the VP SDE with beta(time) = T * beta_t is what the linear schedule tends to.
    return -num_steps * (beta_start * time + (beta_end - beta_start) * time**2 / 2)


def _scaled_linear_log_alpha_bar(time: Tensor, num_steps: int, beta_start: float, beta_end: float) -> Tensor:
    start, rise = beta_start**0.5, beta_end**0.5 - beta_start**0.5
    return -num_steps * (start**2 * time + start * rise * time**2 + rise**2 * time**3 / 3)


def _cosine_log_alpha_bar(time: Tensor, num_steps: int, offset: float, max_beta: float) -> Tensor:
    def log_cosine_squared(u):
        angle = (u + offset) / (1 + offset) * math.pi / 2
        return torch.log1p(-(torch.sin(angle) ** 2))  # log1p keeps the digits where the cosine is close to 1

    return log_cosine_squared(time) - log_cosine_squared(torch.zeros((), dtype=torch.float64))


def _sigmoid_log_alpha_bar(time: Tensor, num_steps: int, beta_start: float, beta_end: float) -> Tensor:
    # The integral of sigmoid(12 u - 6) is softplus(12 u - 6) / 12.
    softplus = torch.nn.functional.softplus
    area = (softplus(12 * time - 6) - softplus(torch.tensor(-6.0, dtype=torch.float64))) / 12
    return -num_steps * (beta_start * time + (beta_end - beta_start) * area)


def _vdm_log_alpha_bar(time: Tensor, num_steps: int, gamma_min: float, gamma_max: float) -> Tensor:
    return logsigmoid(-(gamma_min + (gamma_max - gamma_min) * time))


CONTINUOUS_LOG_ALPHA_BAR: dict[str, Callable[..., Tensor]] = {
    "linear": _linear_log_alpha_bar,
    "scaled_linear": _scaled_linear_log_alpha_bar,
    "cosine": _cosine_log_alpha_bar,
    "sigmoid": _sigmoid_log_alpha_bar,
    "vdm": _vdm_log_alpha_bar,
}
