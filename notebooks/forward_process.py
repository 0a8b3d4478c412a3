# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The Markov forward process
#
# *Needs: probability (Gaussians, conditional densities, Bayes' rule). Takes: half an hour.*
#
# A diffusion model learns to take noise away. Before it can, somebody has to put noise on, in a way so simple
# that everything about it is known exactly. That is the forward process: a Markov chain that walks from an
# image to pure noise in $T$ small Gaussian steps {cite:p}`sohldickstein2015,ho2020denoising`. Nothing in it
# is learned. This chapter derives its three laws (one step, many steps at once, one step back), shows them on
# a digit, and checks each of them against a simulation that knows nothing of the formulas.

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import torch
from myst_nb import glue

from diffad.datasets import load
from diffad.figures.style import use_style
from diffad.figures.theory import bayes_step, image_rows, schedule_curves, simulation_against_formula
from diffad.images import to_network
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule
from diffad.tables import one_header

# %% tags=["parameters"]
dataset = "digits"
label = 0
num_steps = 1000
num_chains = 100_000
seed = 0

# %% tags=["hide-input"]
use_style()
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(seed)


def normal(*shape):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# %% [markdown]
# ## One step
#
# Let $x_0$ be an image, its pixels scaled to $[-1, 1]$. Step $t$ shrinks what is there a little and adds a
# little Gaussian noise:
#
# $$
# \begin{aligned}
# q(x_t \mid x_{t-1}) &= \mathcal N\!\left(x_t;\ \sqrt{1-\beta_t}\, x_{t-1},\ \beta_t I\right), \quad\text{that is}\\
# x_t &= \sqrt{1-\beta_t}\, x_{t-1} + \sqrt{\beta_t}\, \epsilon_t, \quad \epsilon_t \sim \mathcal N(0, I).
# \end{aligned}
# $$ (eq-forward-step)
#
# Implemented by `diffad.process.ForwardProcess.step`.
#
# The numbers $\beta_1, \dots, \beta_T$ between 0 and 1 are the *noise schedule*. Two things deserve a second
# look.
#
# - **The chain is Markov.** The law of $x_t$ asks for $x_{t-1}$ and for nothing older. So the whole path has
#   the density $q(x_{1:T} \mid x_0) = \prod_{t=1}^T q(x_t \mid x_{t-1})$, a product of terms that each look
#   at two neighbours.
# - **Why shrink?** If $x_{t-1}$ has variance 1, then $x_t$ has variance $(1-\beta_t) \cdot 1 + \beta_t = 1$
#   again. Noise comes in exactly as fast as signal goes out, and a network that looks at $x_t$ sees numbers
#   of the same size at every $t$.
#
# ## Many steps at once
#
# To train a network at $t = 700$ we would rather not simulate 700 steps. We need not. Write $\alpha_t = 1 -
# \beta_t$, and put one step into the next:
#
# $$
# x_t = \sqrt{\alpha_t}\,x_{t-1} + \sqrt{1-\alpha_t}\,\epsilon_t
#     = \sqrt{\alpha_t \alpha_{t-1}}\,x_{t-2}
#       + \underbrace{\sqrt{\alpha_t (1-\alpha_{t-1})}\,\epsilon_{t-1}
#       + \sqrt{1-\alpha_t}\,\epsilon_t}_{\text{two independent Gaussians}} .
# $$
#
# A sum of independent Gaussians is Gaussian, and its variance is the sum of the variances:
# $\alpha_t(1-\alpha_{t-1}) + 1 - \alpha_t = 1 - \alpha_t\alpha_{t-1}$. The pattern repeats with every further
# step: the factors multiply, and the variance is always one minus their product. So give the product a name:
#
# $$
# \bar\alpha_t = \prod_{s=1}^{t} \alpha_s = \prod_{s=1}^{t} (1 - \beta_s), \qquad \bar\alpha_0 = 1 .
# $$ (eq-alpha-bar)
#
# Implemented by `diffad.schedules.NoiseSchedule.alpha_bar`.
#
# With it the $t$ steps collapse into one:
#
# $$
# \begin{aligned}
# q(x_t \mid x_0) &= \mathcal N\!\left(x_t;\ \sqrt{\bar\alpha_t}\, x_0,\ (1-\bar\alpha_t) I\right), \quad\text{that is}\\
# x_t &= \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1-\bar\alpha_t}\, \epsilon .
# \end{aligned}
# $$ (eq-forward-marginal)
#
# Implemented by `diffad.process.ForwardProcess.sample` and `diffad.process.ForwardProcess.marginal`.
#
# One multiplication and one addition reach any noise level. This is what makes training cheap.
#
# ## A digit dissolves
#
# The same digit and the same noise $\epsilon$ at growing $t$, under two schedules. The linear schedule of
# {cite:t}`ho2020denoising` has destroyed most of the digit half-way; the cosine schedule of
# {cite:t}`nichol2021improved` spreads the loss more evenly.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-dissolving", "caption": "A digit dissolves. Both rows use the same noise; only the schedule differs."}, "image": {"alt": "Two rows of nine images of one digit, from clean at t = 0 to pure noise at t = T. In the linear row the digit is gone soon after the middle; in the cosine row it is visible for longer."}}
test = load(dataset, "test")
digit = to_network(test.images[test.labels == label][:1]).double()  # (1, channels, height, width)
processes = {name: ForwardProcess(make_schedule(name, num_steps)) for name in ("linear", "cosine")}
times = [0, *(int(share * num_steps) for share in (0.05, 0.15, 0.25, 0.4, 0.55, 0.7, 0.85, 1))]
noise = normal(*digit.shape)
rows = {
    name: np.stack([digit[0, 0]] + [process.sample(digit, t, noise)[0, 0] for t in times[1:]])
    for name, process in processes.items()
}
image_rows(rows, [f"t = {t}" for t in times])

# %% [markdown]
# ## Is the closed form true?
#
# Do not take the derivation's word for it. Take one pixel, run many chains through {eq}`eq-forward-step`, one
# step after the other with fresh noise each time, and compare what comes out with {eq}`eq-forward-marginal`.
# The loop below never looks at $\bar\alpha$.

# %%
process, x_0 = processes["linear"], 0.8
checkpoints = [num_steps // 20, num_steps // 5, num_steps // 2, num_steps]
x = torch.full((num_chains,), x_0, dtype=torch.float64)
simulated = {}
for t in range(1, num_steps + 1):
    x = process.step(x, t, normal(num_chains))
    if t in checkpoints:
        simulated[t] = x.clone()

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-simulation", "caption": "Simulated chains (histograms) and the closed form (line) at four times."}, "image": {"alt": "Four histograms of simulated pixel values with the predicted Gaussian density drawn over each. The line follows the histogram at every time while the mean moves from 0.8 to 0 and the spread grows to 1."}}
start = torch.tensor([x_0], dtype=torch.float64)
formulas = {t: tuple(part.item() for part in process.marginal(start, t)) for t in checkpoints}
simulation_against_formula({t: values.numpy() for t, values in simulated.items()}, formulas, x_0)

# %% [markdown]
# The eye agrees; now the numbers. A mean of $n$ draws is off by about $\sqrt{\text{variance}/n}$, and a
# variance by about $\text{variance}\sqrt{2/n}$. The last two columns give the deviations in these units:
# anything within about 3 is luck.

# %% tags=["hide-input"]
table = pd.DataFrame(
    [
        {
            "t": t,
            "mean, simulated": values.mean().item(),
            "mean, formula": mean,
            "variance, simulated": values.var().item(),
            "variance, formula": variance,
            "mean off by (standard errors)": (values.mean().item() - mean) / (variance / num_chains) ** 0.5,
            "variance off by (standard errors)": (values.var().item() / variance - 1)
            / (2 / num_chains) ** 0.5,
        }
        for (t, values), (mean, variance) in zip(simulated.items(), formulas.values(), strict=True)
    ]
).set_index("t")
worst = table.iloc[:, -2:].abs().to_numpy().max()
assert worst < 4, "the closed form and the simulation disagree"
glue("forward-chains", f"{num_chains:,}", display=False)
glue("forward-worst", f"{worst:.1f}", display=False)
one_header(table).style.format("{:.4f}").format("{:+.1f}", subset=table.columns[-2:])

# %% [markdown]
# With {glue:text}`forward-chains` chains the largest of the deviations is {glue:text}`forward-worst` standard
# errors. The cell stops the build if it ever exceeds 4.
#
# ## How fast? Schedules and the signal-to-noise ratio
#
# What a network can still see in $x_t$ depends on one number, the ratio of the signal's variance to the
# noise's:
#
# $$
# \mathrm{SNR}(t) = \frac{\bar\alpha_t}{1-\bar\alpha_t} .
# $$ (eq-signal-to-noise)
#
# Implemented by `diffad.schedules.NoiseSchedule.snr`.
#
# Two processes with the same SNR at some time have the same $q(x_t \mid x_0)$ there. So a schedule is nothing
# but a decision how long to stay at which SNR. The common ones:
#
# $$
# \text{linear:}\qquad \beta_t = \beta_1 + \frac{t-1}{T-1}\,(\beta_T - \beta_1)
# $$ (eq-linear-schedule)
#
# Implemented by `diffad.schedules.linear`; `diffad.schedules.scaled_linear` draws the straight line through
# $\sqrt{\beta_t}$ instead.
#
# $$
# \text{cosine:}\qquad \bar\alpha_t = \frac{f(t/T)}{f(0)}, \qquad
# f(u) = \cos^2\!\left(\frac{u + s}{1 + s}\cdot\frac{\pi}{2}\right), \qquad s = 0.008
# $$ (eq-cosine-schedule)
#
# Implemented by `diffad.schedules.cosine`.
#
# $$
# \text{log-SNR:}\qquad \bar\alpha_t = \operatorname{sigmoid}(\lambda_t), \qquad \lambda_t = \log \mathrm{SNR}(t)
# $$ (eq-log-snr-schedule)
#
# Implemented by `diffad.schedules.from_log_snr`. `diffad.schedules.log_linear` lets $\lambda_t$ fall by the
# same amount in every step; `diffad.schedules.vdm` reads it off a straight line in continuous time, with the
# end points of {cite:t}`kingma2021vdm`.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-schedules", "caption": "Seven schedules in two views. Left: the share of signal left. Right: the logarithm of the signal-to-noise ratio, in which a network lives."}, "image": {"alt": "Two panels of seven curves over t / T. On the left alpha bar falls from 1 to about 0; linear and sigmoid fall early, cosine later. On the right the log signal-to-noise ratio falls from above 9 to below -5 or lower, in straight lines for log-linear and VDM."}}
names = ["linear", "scaled_linear", "cosine", "sigmoid", "log_linear", "vdm", "zero_terminal"]
schedules = {name: make_schedule(name, num_steps) for name in names}
schedule_curves(
    {name: np.arange(1, num_steps + 1) / num_steps for name in names},
    {name: schedule.alpha_bar[1:].numpy() for name, schedule in schedules.items()},
    {name: schedule.log_snr[1:].numpy() for name, schedule in schedules.items()},
)

# %% [markdown]
# The right-hand view is the honest one. On the left the linear schedule seems to reach zero; on the right one
# sees what is left at the end. That remainder matters: sampling starts from *pure* noise, so whatever signal
# $x_T$ still carried in training is missing then. `diffad.schedules.zero_terminal` shifts and scales
# $\sqrt{\bar\alpha_t}$ so that nothing is left {cite:p}`lin2024flawed`.

# %% tags=["hide-input"]
half = {name: int((schedule.log_snr[1:] < 0).nonzero()[0]) + 1 for name, schedule in schedules.items()}
summary = pd.DataFrame(
    {
        "first t with more noise than signal": half,
        "signal left at T": {name: schedule.alpha_bar[-1].item() for name, schedule in schedules.items()},
        "log SNR at 1": {name: schedule.log_snr[1].item() for name, schedule in schedules.items()},
        "log SNR at T": {name: schedule.log_snr[-1].item() for name, schedule in schedules.items()},
    }
)
glue("forward-half-linear", half["linear"], display=False)
glue("forward-half-cosine", half["cosine"], display=False)
summary.style.format({"signal left at T": "{:.1e}", "log SNR at 1": "{:.1f}", "log SNR at T": "{:.1f}"})

# %% [markdown]
# Under the linear schedule noise has the upper hand from $t =$ {glue:text}`forward-half-linear` on, under the
# cosine schedule from $t =$ {glue:text}`forward-half-cosine` on. For a detector this is no detail: the noise
# level decides *what* is erased, and a level that erases nothing, or everything, cannot tell normal from
# anomalous.
#
# ### Infinitely many steps
#
# As $T$ grows and the steps shrink, the table turns into a function of continuous time $u = t/T$. Taking the
# logarithm of {eq}`eq-alpha-bar` and using $\log(1-\beta) \approx -\beta$ for small steps,
#
# $$
# \log \bar\alpha(u) = -\int_0^u \beta(s)\, ds, \qquad \beta(s) = \lim_{T\to\infty} T\, \beta_{sT} .
# $$ (eq-continuous-time)
#
# Implemented by `diffad.schedules.NoiseSchedule.continuous_log_alpha_bar`.
#
# For the linear schedule this is the variance-preserving stochastic differential equation of
# {cite:t}`song2021sde`: the same chain with infinitely many, infinitely small steps. How far is a table of finite length from it?

# %% tags=["hide-input"]
limits = {}
for name in ("linear", "cosine", "sigmoid", "vdm"):
    schedule = schedules[name]
    u = torch.arange(1, num_steps, dtype=torch.float64) / num_steps
    limits[name] = (schedule.continuous_log_alpha_bar(u).exp() - schedule.alpha_bar[1:-1]).abs().max().item()
pd.Series(limits, name="largest gap in signal left, table against limit").to_frame().style.format("{:.1e}")

# %% [markdown]
# ## One step back, if we knew the answer
#
# Now run the film backwards. Given $x_t$, where was $x_{t-1}$? Without knowing $x_0$ that is hard: it depends
# on what images look like, and learning it is the whole of the next chapter. But *with* $x_0$ it is Bayes'
# rule for three Gaussians:
#
# $$
# q(x_{t-1} \mid x_t, x_0) = \frac{q(x_t \mid x_{t-1}, x_0)\; q(x_{t-1} \mid x_0)}{q(x_t \mid x_0)} ,
# $$
#
# and by the Markov property
#
# $$
# q(x_t \mid x_{t-1}, x_0) = q(x_t \mid x_{t-1}) .
# $$
#
# Here the Markov property earns its keep: the first factor forgets $x_0$, so both factors are known. As a
# function of $x_{t-1}$, the exponent of their product is quadratic,
#
# $$
# -\frac12 \left[ \frac{(x_t - \sqrt{\alpha_t}\,x_{t-1})^2}{\beta_t}
#   + \frac{(x_{t-1} - \sqrt{\bar\alpha_{t-1}}\,x_0)^2}{1-\bar\alpha_{t-1}} \right] + \text{const},
# $$
#
# so the posterior is Gaussian again. Collect the terms in $x_{t-1}^2$ to get its inverse variance,
# $\frac{\alpha_t}{\beta_t} + \frac{1}{1-\bar\alpha_{t-1}} = \frac{1-\bar\alpha_t}{\beta_t
# (1-\bar\alpha_{t-1})}$, hence
#
# $$
# \tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\, \beta_t ,
# $$ (eq-posterior-variance)
#
# Implemented by `diffad.schedules.NoiseSchedule.posterior_variance`.
#
# and the terms linear in $x_{t-1}$ to get its mean:
#
# $$
# \begin{aligned}
# q(x_{t-1} \mid x_t, x_0) &= \mathcal N\!\left(x_{t-1};\ \tilde\mu_t(x_t, x_0),\ \tilde\beta_t I\right), \\
# \tilde\mu_t &= \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}\, x_0
#   + \frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\, x_t .
# \end{aligned}
# $$ (eq-forward-posterior)
#
# Implemented by `diffad.process.ForwardProcess.posterior`.
#
# The mean is a compromise between where the chain started and where it is now. At $t = 1$ the variance is 0
# and the mean is $x_0$ itself: the last step back needs no guess.
#
# The check is again a simulation that knows none of this: run chains from $x_0$, keep only those that happen
# to pass close to a chosen $x_t$, and look where they were one step earlier. A schedule with few, large steps
# makes the effect visible.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bayes", "caption": "One step back. The posterior (dash-dotted) is the product of what the start says and what the next state says; the grey histogram shows simulated chains that really passed by."}, "image": {"alt": "Three Gaussian curves over the value before the last step: a wide one from the start, one from the next state, and the narrower posterior between them, which follows a grey histogram of simulated chains."}}
coarse = ForwardProcess(make_schedule("cosine", 8))
t, x_t = 4, 1.1
before = coarse.sample(torch.full((20 * num_chains,), x_0).double(), t - 1, normal(20 * num_chains))
after = coarse.step(before, t, normal(20 * num_chains))
passed_by = before[(after - x_t).abs() < 0.03]

grid = torch.linspace(-1.5, 3, 400, dtype=torch.float64)
known_start, known_end = torch.full_like(grid, x_0), torch.full_like(grid, x_t)


def density(x, mean, variance):
    return torch.distributions.Normal(mean, variance.sqrt()).log_prob(x).exp()


step_mean, beta = coarse.step(grid, t, torch.zeros_like(grid)), coarse.coefficient("beta", t, grid)
likelihood = density(known_end, step_mean, beta)
posterior_mean, posterior_variance = coarse.posterior(known_start[:1], known_end[:1], t)
densities = {
    "$q(x_{t-1} | x_0)$: from the start": density(grid, *coarse.marginal(known_start, t - 1)),
    "$q(x_t | x_{t-1})$: from the next state (scaled)": likelihood / torch.trapezoid(likelihood, grid),
    "$q(x_{t-1} | x_t, x_0)$: the posterior": density(grid, posterior_mean, posterior_variance),
}
bayes_step(
    grid.numpy(), {name: value.numpy() for name, value in densities.items()}, passed_by.numpy(), x_0, x_t
)

# %% tags=["hide-input"]
error = (passed_by.mean() - posterior_mean.item()).abs() / (posterior_variance.item() / len(passed_by)) ** 0.5
spread = passed_by.var() / posterior_variance.item()
assert error < 5 and abs(spread - 1) < 0.05, "the posterior and the simulation disagree"
glue("forward-passed", f"{len(passed_by):,}", display=False)
glue("forward-posterior-mean", f"{posterior_mean.item():.3f}", display=False)
glue("forward-simulated-mean", f"{passed_by.mean().item():.3f}", display=False)
glue("forward-posterior-sd", f"{posterior_variance.item() ** 0.5:.3f}", display=False)
glue("forward-simulated-sd", f"{passed_by.std().item():.3f}", display=False)

# %% [markdown]
# {glue:text}`forward-passed` chains passed by. Their mean one step earlier was
# {glue:text}`forward-simulated-mean`, the formula says {glue:text}`forward-posterior-mean`; their standard
# deviation {glue:text}`forward-simulated-sd`, the formula {glue:text}`forward-posterior-sd`.
#
# ## What to take along
#
# - {eq}`eq-forward-step` is the definition; {eq}`eq-forward-marginal` jumps to any $t$;
#   {eq}`eq-forward-posterior` steps back if $x_0$ is known.
# - All three are Gaussian with known coefficients. Nothing was learned, and nothing can go wrong but an
#   index.
# - The schedule decides how long the process stays at which signal-to-noise ratio.
#
# ## Quick check
#
# Answer first, then open.
#
# :::{dropdown} 1. How does the Markov property let noise be *added* step by step, or all at once?
# Each step needs only the state before it, so the chain can be run one step at a time; and because each step
# is linear with independent Gaussian noise, any number of them is again linear with Gaussian noise. The
# factors multiply to $\sqrt{\bar\alpha_t}$, the variances add up to $1-\bar\alpha_t$:
# {eq}`eq-forward-marginal`.
# :::
#
# :::{dropdown} 2. How does the same property let noise be *removed* step by step?
# It splits the way back into single steps: given $x_t$, the states after $t$ carry no further information
# about $x_{t-1}$. And it makes each step tractable once $x_0$ is known or guessed, since $q(x_t \mid x_{t-1},
# x_0) = q(x_t \mid x_{t-1})$ turns Bayes' rule into a product of two known Gaussians:
# {eq}`eq-forward-posterior`.
# :::
#
# :::{dropdown} 3. Why multiply by $\sqrt{1-\beta_t}$ and not simply add noise?
# Without shrinking, the variance would grow without end. With it, data of variance 1 keep variance 1 at every
# $t$, so $x_T$ is close to $\mathcal N(0, I)$, from which we can draw, and the network's inputs always have
# the same scale.
# :::
#
# :::{dropdown} 4. A schedule leaves $\bar\alpha_T = 0.05$. What goes wrong when sampling?
# In training, $x_T$ still held a share $\sqrt{0.05}$ of the signal's amplitude, for instance the image's mean
# brightness; the network learned to rely on it. Sampling starts from pure noise, where it is missing, so all
# samples drift to a medium brightness. That is what the zero-terminal schedules mend.
#
# :::
#
# :::{dropdown} 5. At $t = 1$ the posterior variance $\tilde\beta_1$ is 0. Why must it be?
# The posterior is conditioned on $x_0$, and $x_{t-1} = x_0$ at $t = 1$: there is nothing left to be uncertain
# about. Code that divides by $\tilde\beta_1$, or adds noise in the last step back, has missed this.
#
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Compute: when noise takes over
# :label: ex-forward-half
# Let every step have the same $\beta$. From which $t$ on is there more noise than signal, that is,
# $\mathrm{SNR}(t) < 1$ in {eq}`eq-signal-to-noise`? Find a formula, and the answer for $\beta = 0.02$ and for half of it.
# :::

# %% [markdown]
# :::{solution} ex-forward-half
# :class: dropdown
# ```{literalinclude} /coursework/solutions/forward_process.py
# :pyobject: first_noisy_step
# ```
#
# Half the noise a step, twice the steps, very nearly: only the product of the $1-\beta_t$ counts.
# :::

# %% [markdown]
# :::{exercise} Implement: any number of steps at once
# :label: ex-forward-sample
# Write `sample_forward(x_0, t, noise, beta)`, which draws $x_t$ by {eq}`eq-forward-marginal`. Mind where the table starts: `beta[0]` is
# $\beta_1$, and at $t = 0$ nothing has happened yet.
# :::

# %% [markdown]
# :::{solution} ex-forward-sample
# :class: dropdown
# ```{literalinclude} /coursework/solutions/forward_process.py
# :pyobject: sample_forward
# ```
#
# `beta[:t]` holds exactly $\beta_1, \dots, \beta_t$, and an empty product is 1: no special case at $t = 0$.
# :::

# %% [markdown]
# :::{exercise} Investigate: why shrink at all?
# :label: ex-forward-shrink
# Leave the factor $\sqrt{1-\beta_t}$ out of {eq}`eq-forward-step` and simulate 300 steps with $\beta = 0.01$ from data of variance 1. What
# becomes of the variance, and why would a network mind?
# :::

# %% [markdown]
# :::{solution} ex-forward-shrink
# :class: dropdown
# ```{literalinclude} /coursework/solutions/forward_process.py
# :pyobject: variance_after
# ```
#
# Without shrinking, each step adds $\beta$ and takes nothing away: the variance grows without end. A network would meet inputs of another size at every $t$, and $x_T$ would be no distribution from which one can draw.
# :::
