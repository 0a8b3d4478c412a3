"""What a step of the process or of a sampler costs above its bare tensor arithmetic.

    python benchmarks/core.py

Times each of diffad's steps and the same formula typed in with ready-made coefficients, in turn, and prints
the ratio of the medians. diffusers' DDIM step stands beside them. The goal is a ratio of at most 1.1 on a
batch of images.
"""

import time

import torch
from diffusers import DDIMScheduler

from diffad.process import ForwardProcess
from diffad.samplers import ddim_step
from diffad.schedules import make_schedule

GOAL = 1.1
SHAPE = (128, 3, 32, 32)
ROUNDS, CALLS = 600, 2


def least_times(functions: dict, rounds: int = ROUNDS, calls: int = CALLS) -> dict[str, float]:
    """Least seconds a call of each function over many rounds, in which they take turns.

    The least, not the mean: whatever else runs on the machine can only add time, never take it away.
    """
    least = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            wait_for_device()
            began = time.perf_counter()
            for _ in range(calls):
                function()
            wait_for_device()
            least[name] = min(least[name], (time.perf_counter() - began) / calls)
    return least


def wait_for_device() -> None:
    """Let the accelerator finish what is queued, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def cases(device: torch.device) -> dict[str, tuple]:
    """Pairs of diffad's step and the bare arithmetic; the bare coefficients are looked up before the clock
    starts.
    """
    process = ForwardProcess(make_schedule("linear", 1000))
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(SHAPE, generator=generator).to(device) for _ in range(2))
    t, t_low, times = 500, 480, torch.full((SHAPE[0],), 500, device=device)
    a, s = (process.number(name, t) for name in ("sqrt_alpha_bar", "sqrt_one_minus_alpha_bar"))
    a_low, s_low = (process.number(name, t_low) for name in ("sqrt_alpha_bar", "sqrt_one_minus_alpha_bar"))
    from_x_0, from_x_t = (process.number(name, t) for name in ("posterior_x0", "posterior_xt"))
    a_each, s_each = (torch.full((SHAPE[0], 1, 1, 1), number, device=device) for number in (a, s))
    return {
        "sample, one t": (lambda: process.sample(x, t, y), lambda: a * x + s * y),
        "sample, a t each": (lambda: process.sample(x, times, y), lambda: a_each * x + s_each * y),
        "posterior": (lambda: process.posterior(x, y, t), lambda: from_x_0 * x + from_x_t * y),
        "eps to x0": (lambda: process.convert(x, y, t, "eps", "x0"), lambda: (y - s * x) / a),
        "DDIM step": (
            lambda: ddim_step(process, x, y, t, t_low),
            lambda: a_low * y + s_low * ((x - a * y) / s),
        ),
    }


def diffusers_step(device: torch.device):
    """diffusers' DDIM step over the same distance, for comparison."""
    scheduler = DDIMScheduler(1000, clip_sample=False)
    scheduler.set_timesteps(50)
    x, eps = torch.randn(SHAPE, device=device), torch.randn(SHAPE, device=device)
    return lambda: scheduler.step(eps, 499, x)


def main() -> None:
    """Print the table; exit with 1 if a ratio is above the goal."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"device {device}, batch {SHAPE}, least of {ROUNDS} rounds of {CALLS} calls")
    print(f"{'step':<20}{'diffad us':>12}{'bare us':>12}{'ratio':>8}")
    worst = 0.0
    for name, (ours, bare) in cases(device).items():
        seconds = least_times({"ours": ours, "bare": bare})
        ratio = seconds["ours"] / seconds["bare"]
        worst = max(worst, ratio)
        print(f"{name:<20}{seconds['ours'] * 1e6:>12.1f}{seconds['bare'] * 1e6:>12.1f}{ratio:>8.3f}")
    theirs = least_times({"diffusers": diffusers_step(device)})["diffusers"]
    print(f"{'diffusers DDIM step':<20}{theirs * 1e6:>12.1f}")
    print(f"worst ratio {worst:.3f}, goal {GOAL}")
    raise SystemExit(worst > GOAL)


if __name__ == "__main__":
    main()
