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
# # Sampling and reconstruction
#
# *Needs: the forward and the reverse process. Takes: three quarters of an hour.*
#
# A trained denoiser answers one question: what is behind this noise? This chapter turns the answer into
# samples, into reconstructions, and into likelihoods. One network serves all of them, and a detector will use
# the last two. Wherever data are drawn from a known distribution, the network is the exact oracle of the last
# chapter, so that every claim can be held against the truth.

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import torch
from myst_nb import glue

from diffad.datasets import load
from diffad.datasets.corruptions import corrupt
from diffad.faults import langevin_with_reversed_sign
from diffad.figures.style import use_style
from diffad.figures.theory import curves, histograms, image_rows, paths_over_density, truth_against_estimate
from diffad.images import to_network
from diffad.likelihood import exact_trace, hutchinson_trace, ode_log_likelihood, rademacher
from diffad.model import DiffusionModel, ModelConfig
from diffad.oracle import GaussianMixtureOracle, GaussianOracle
from diffad.process import ForwardProcess
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
from diffad.schedules import make_schedule
from diffad.tables import one_header
from diffad.training import TrainingConfig, fit

# %% tags=["parameters"]
dataset = "digits"
num_steps = 1000
num_updates = 350
batch_size = 32
corruption = "stripe"
seed = 0

# %% tags=["hide-input"]
use_style()
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(seed)


def normal(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=generator, dtype=dtype)


# %% [markdown]
# ## Ancestral sampling
#
# The reverse process was defined as a chain, so draw from it as from any chain: start with noise, and draw
# each state from its predecessor,
#
# $$
# x_{t-1} = \tilde\mu_t(x_t, \hat x_0(x_t, t)) + \sigma_t z, \quad z \sim \mathcal N(0, I)
# \quad (t = T, \dots, 2), \qquad x_0 = \hat x_0(x_1, 1) .
# $$ (eq-ancestral)
#
# Implemented by `diffad.samplers.ancestral`.
#
# The last step is different: its mean is the clean image itself, and noise on a clean image would simply stay
# there.
#
# ## Skipping steps: DDIM
#
# A thousand network calls for one image is a lot. Can we go from $t$ straight to some $s < t$? The training
# loss only ever looked at the marginals $q(x_t \mid x_0)$, the law of each state by itself, so any other chain with the
# *same marginals* is served by the same network. Look for one of the form "clean part plus old noise plus fresh noise", where
# a number $\eta$ from 0 to 1 says how much of the noise is fresh:
#
# $$
# x_s = \sqrt{\bar\alpha_s}\, \hat x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2}\; \hat\epsilon + \sigma z,
# \qquad
# \sigma^2 = \eta^2\, \frac{1-\bar\alpha_s}{1-\bar\alpha_t} \left( 1 - \frac{\bar\alpha_t}{\bar\alpha_s} \right) .
# $$ (eq-ddim)
#
# Implemented by `diffad.samplers.ddim_step`; along a list of times by `diffad.samplers.ddim`.
#
# If $\hat x_0$ and $\hat\epsilon$ were the true ones, the two noises would add up to variance
# $1-\bar\alpha_s$ for every $\sigma$: the marginal is right whatever $\eta$ is {cite:p}`song2021ddim`. At
# $\eta = 1$ the fresh noise is the posterior's and the chain is ancestral sampling; at $\eta = 0$ there is no
# fresh noise at all, and the starting noise alone decides the image.
#
# Both, on data that are a mixture of three Gaussians in one dimension, with the exact denoiser:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-paths", "caption": "Twelve paths from noise (left) to data (right) over the exact densities (grey). Ancestral paths jitter; DDIM paths are smooth, and paths that start in order stay in order."}, "image": {"alt": "Two panels with a grey density that is a single bump at the left and splits into three bands at the right. In the left panel jagged lines wander into the bands; in the right panel smooth lines fan out into them without crossing."}}
process = ForwardProcess(make_schedule("cosine", num_steps))
centres, spread = torch.tensor([[-1.2], [0.1], [1.0]]), torch.tensor([[0.01], [0.004], [0.02]])
mixture = GaussianMixtureOracle(process, torch.tensor([0.35, 0.25, 0.4]), centres, spread)
model = DiffusionModel(mixture, process)
start = torch.linspace(-1.8, 1.8, 12, dtype=torch.float64)[:, None]
walks = {
    "ancestral": ancestral_trajectory(model, start, generator),
    "DDIM": ddim_trajectory(model, start, ddim_timesteps(num_steps, num_steps)),
}
paths = {name: np.stack([start[:, 0], *(state.x[:, 0] for state in walk)]) for name, walk in walks.items()}
values = torch.linspace(-3.2, 3.2, 280, dtype=torch.float64)[:, None]
shown_times = np.unique(np.linspace(0, num_steps, 160).round().astype(int))
density = np.stack([mixture.log_prob(values, int(t)).exp() for t in shown_times], axis=1)
paths_over_density(paths, density, values[:, 0].numpy(), shown_times)

# %% [markdown]
# ## The probability flow
#
# As the steps of $\eta = 0$ shrink they trace the solution of an ordinary differential equation. It has its
# simplest form in the angle $\varphi$ with $\cos\varphi = \sqrt{\bar\alpha}$ and $\sin\varphi =
# \sqrt{1-\bar\alpha}$, which runs from 0 (data) to $\pi/2$ (noise). Then $x_\varphi = \cos\varphi\; x_0 +
# \sin\varphi\; \epsilon$, and its derivative is the velocity:
#
# $$
# \frac{dx}{d\varphi} = \cos\varphi\; \hat\epsilon(x, \varphi) - \sin\varphi\; \hat x_0(x, \varphi) = \hat v(x, \varphi) .
# $$ (eq-probability-flow)
#
# Implemented by `diffad.likelihood.ode_log_likelihood`, which integrates it; `diffad.samplers.ddim` with
# $\eta = 0$ is a solver of first order: half the step, about half the error.
#
# Its solutions have at every time the same distribution as the noisy chain {cite:p}`song2021sde`. And once
# sampling is solving an ordinary differential equation (ODE), better solvers are at hand. DPM-Solver++ {cite:p}`lu2022dpmsolverpp` is
# one of second order, half the step and about a quarter of the error; `diffad.samplers.dpm_solver` asks diffusers' implementation for it, with the same network.
# How far from the true solution is each after a given number of network evaluations?

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-solvers", "caption": "Distance from the ODE's exact solution against the number of network evaluations (NFE), for Gaussian data with the exact denoiser."}, "image": {"alt": "Two falling lines on logarithmic axes. DDIM's error falls in proportion to the number of evaluations; DPM-Solver's starts lower and falls about twice as steeply."}}
covariance = torch.tensor([[0.6, 0.45, 0.1], [0.45, 0.5, 0.0], [0.1, 0.0, 0.15]], dtype=torch.float64)
gaussian = GaussianOracle(process, torch.tensor([0.2, -0.1, 0.3]), covariance)
gaussian_model = DiffusionModel(gaussian, process)
noise = normal(500, 3)
# For Gaussian data the ODE's solution is known: stretch the noise along the principal axes.
spread_of_axes = gaussian.variances.sqrt()
solution = gaussian.mean + (noise @ gaussian.directions * spread_of_axes) @ gaussian.directions.T
evaluations = [5, 8, 12, 20, 35, 60, 100]
solvers = {
    "DDIM": lambda n: ddim(gaussian_model, noise, ddim_timesteps(num_steps, n)),
    "DPM-Solver++": lambda n: dpm_solver(gaussian_model, noise, n),
}
errors = {
    name: [(solve(n) - solution).square().mean().sqrt().item() for n in evaluations]
    for name, solve in solvers.items()
}
curves(
    dict.fromkeys(errors, evaluations),
    errors,
    "network evaluations",
    "root mean square distance",
    log_x=True,
    log_y=True,
)

# %% [markdown]
# ## Digits
#
# Now with a network that is not exact: a small U-Net, trained here for a few seconds on the training digits.
# The same starting noise in every column.

# %%
train, test = load(dataset, "train"), load(dataset, "test")
configuration = ModelConfig(
    network_parameters={
        "image_size": train.images.shape[1],
        "channels": train.images.shape[3],
        "size": "tiny",
        "attention": False,
    },
    schedule="cosine",
    num_steps=num_steps,
)
network = configuration.build(seed)
training = TrainingConfig(
    num_updates=num_updates, batch_size=batch_size, learning_rate=4e-3, ema_decay=0.98, seed=seed
)
history = fit(network, train.images, training, progress=False)
# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-samples", "caption": "Digits that nobody wrote, from the same noise by four samplers."}, "image": {"alt": "Four rows of ten generated digit images. Most are readable digits. The rows of the deterministic samplers resemble each other column by column; the ancestral row shows other digits."}}
x_end = normal(10, *to_network(train.images[:1]).shape[1:], dtype=torch.float32)
samples = {
    f"ancestral\n{num_steps} NFE": ancestral(network, x_end, generator, clamp=1.0),
    "DDIM, 50 NFE": ddim(network, x_end, ddim_timesteps(num_steps, 50), clamp=1.0),
    "DDIM, 10 NFE": ddim(network, x_end, ddim_timesteps(num_steps, 10), clamp=1.0),
    "DPM-Solver++\n10 NFE": dpm_solver(network, x_end, 10, clamp=1.0),
}
image_rows({name: x[:, 0].numpy() for name, x in samples.items()}, size=0.7, label_width=1.2)

# %% [markdown]
# ## Reconstruction by partial diffusion
#
# A detector does not want new digits. It wants to know what *this* image would look like if it were normal.
# So do not start from pure noise: noise the image up to some level $t_0$, and denoise from there,
#
# $$
# x_{t_0} = \sqrt{\bar\alpha_{t_0}}\, x + \sqrt{1 - \bar\alpha_{t_0}}\, \epsilon
# \quad\longrightarrow\quad \hat x = \mathrm{DDIM}(x_{t_0};\ t_0 \to 0) .
# $$ (eq-partial-diffusion)
#
# Implemented by `diffad.samplers.partial_diffusion`.
#
# What the noise has drowned is made up by the network, from normal data; what it has not is kept
# {cite:p}`wyatt2022anoddpm`. The level decides. Below, a normal digit and the same digit damaged, each
# rebuilt from growing $t_0$.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-partial", "caption": "Reconstructions from growing noise levels of a normal digit and of the same digit with inverted columns. Too low a level keeps the damage; too high a level forgets the digit."}, "image": {"alt": "Two rows of eight digit images. The first is rebuilt faithfully from low and middle levels and turns into another digit at the highest. In the second row the damaged columns remain at low levels and fade at high ones."}}
levels = [int(share * num_steps) for share in (0.05, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)]
index = int(np.flatnonzero(test.labels == 0)[0])
clean_image = test.images[index : index + 1]
damaged_image = corrupt(clean_image, corruption, seed, np.array([index]))
draw = normal(*to_network(clean_image).shape, dtype=torch.float32)
rebuilt = {}
for name, image in {"normal": clean_image, corruption: damaged_image}.items():
    x = to_network(image)
    versions = [partial_diffusion(network, x, t, 10, draw, clamp=1.0) for t in levels]
    rebuilt[name] = torch.cat([x, *versions])[:, 0].numpy()
image_rows(rebuilt, ["input", *(f"$t_0$ = {t}" for t in levels)])

# %% [markdown]
# Over many test digits, the reconstruction error of normal and damaged ones against the level:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-error-by-level", "caption": "Mean squared reconstruction error of normal and damaged test digits against the level from which they are rebuilt."}, "image": {"alt": "Two rising curves of error against the level. The damaged digits' curve lies above the normal ones' at every level; both grow with the level, and the gap is widest in the middle and upper part."}}
several = np.arange(100)
pairs = {"normal": test.images[several], corruption: corrupt(test.images[several], corruption, seed, several)}
shared_noise = normal(len(several), *draw.shape[1:], dtype=torch.float32)
error_by_level = {}
for name, images in pairs.items():
    x = to_network(images)
    error_by_level[name] = [
        (partial_diffusion(network, x, t, 5, shared_noise, clamp=1.0) - x).square().mean().item()
        for t in levels
    ]
curves(dict.fromkeys(error_by_level, levels), error_by_level, "$t_0$", "mean squared error")

# %% [markdown]
# ## Inversion: from the image to its noise
#
# With $\eta = 0$ the path is a function of its start, so it can be walked the other way. Solve {eq}`eq-ddim`
# for the noisier state:
#
# $$
# x_t = \frac{\sqrt{\bar\alpha_t}}{\sqrt{\bar\alpha_s}}\, x_s
#   + \left( \sqrt{1-\bar\alpha_t} - \frac{\sqrt{\bar\alpha_t}}{\sqrt{\bar\alpha_s}} \sqrt{1-\bar\alpha_s} \right) \hat\epsilon(x_t, t) .
# $$ (eq-inversion)
#
# Implemented by `diffad.samplers.invert`.
#
# The unknown $x_t$ stands on both sides. The usual shortcut evaluates the network at $x_s$ instead; repeating
# with the $x_t$ so found closes the gap. The table shows how far an inverted and resampled point ends from
# where it began.

# %% tags=["hide-input"]
times = ddim_timesteps(num_steps, num_steps)
x_0 = gaussian.sample(64, generator)
returned = {
    refinements: (ddim(gaussian_model, invert(gaussian_model, x_0, times, refinements), times) - x_0)
    .abs()
    .max()
    .item()
    for refinements in (0, 1, 3)
}
assert returned[3] < 1e-3, "inversion does not return to its start"
table = pd.Series(returned, name="largest distance after the round trip").to_frame()
one_header(table.rename_axis("refinements")).style.format("{:.1e}")

# %% [markdown]
# ## Langevin dynamics, and a sign
#
# The score $s = \nabla \log q(x_t)$ points towards higher density. Follow it and add the right amount of
# noise, and the walk settles on $q(x_t)$ itself, from wherever it starts {cite:p}`song2019ncsn`:
#
# $$
# x \leftarrow x + \gamma\, s(x, t) + \sqrt{2\gamma}\; z, \qquad z \sim \mathcal N(0, I) .
# $$ (eq-langevin)
#
# Implemented by `diffad.samplers.langevin`.
#
# The survey by {cite:t}`liu2025survey` prints this step with a minus before the score. Nothing fails loudly when
# one does so; the walk only goes where the data are not.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-langevin", "caption": "With plus, the walk settles on the exact density (line). With minus, it gathers where there are no data: between the peaks and outside."}, "image": {"alt": "Two histograms. With the plus sign the histogram of walkers follows the exact density, two peaks and a shoulder. With the minus sign it has its peak in the gap between them, and long tails on both sides."}}
level, step = int(0.22 * num_steps), 4e-3
walkers = normal(8000, 1)
walked = {
    "plus: towards the data": langevin(model, walkers, level, step, 800, generator),
    "minus, as printed": langevin_with_reversed_sign(model, walkers, level, step, 80, generator),
}
grid = torch.linspace(-3.5, 3.5, 400, dtype=torch.float64)
exact_density = mixture.log_prob(grid[:, None], level).exp().numpy()
histograms({name: x[:, 0].numpy() for name, x in walked.items()}, grid.numpy(), exact_density)

# %% tags=["hide-input"]
away = (walked["minus, as printed"].abs() > 3.5).double().mean().item()
glue("sampling-away", f"{100 * away:.0f} %", display=False)

# %% [markdown]
# The wrong sign was given a tenth of the steps, and {glue:text}`sampling-away` of its walkers are already
# outside the panel.
#
# ## How likely is an image, exactly?
#
# The bound only bounds. The probability flow gives the likelihood itself, because an ODE carries volumes in a
# way that can be computed: the log-density along a path changes by minus the divergence of the velocity, which is how fast a small
# volume that is carried along grows. From data ($\varphi = 0$) to noise,
#
# $$
# \log p(x_0) = \log \mathcal N\!\left( x_{\pi/2};\ 0, I \right) + \int_0^{\pi/2} \nabla \cdot \hat v(x_\varphi, \varphi)\, d\varphi .
# $$ (eq-change-of-variables)
#
# Implemented by `diffad.likelihood.ode_log_likelihood`.
#
# The divergence is the trace of a Jacobian. Exactly (`diffad.likelihood.exact_trace`) it costs one backward
# pass for each dimension. For images, estimate it {cite:p}`hutchinson1990` from a few random vectors $r$, called probes, with mean 0
# and unit covariance:
#
# $$
# \nabla \cdot \hat v = \mathbb E_r\!\left[ r^\top \frac{\partial \hat v}{\partial x}\, r \right] .
# $$ (eq-hutchinson)
#
# Implemented by `diffad.likelihood.hutchinson_trace`, with the probes of `diffad.likelihood.rademacher`, vectors of random signs.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-likelihood", "caption": "Log-likelihood per dimension of Gaussian data along the ODE, against the exact value."}, "image": {"alt": "A scatter plot whose points of the exact trace lie on the diagonal; those of four Hutchinson probes scatter closely around it."}}
points = gaussian.sample(40, generator)
exact = (gaussian.log_prob(points) / 3).numpy()
grid_times = ddim_timesteps(num_steps, min(200, num_steps))
estimates = {
    "exact trace": ode_log_likelihood(gaussian_model, points, exact_trace, grid_times),
    "four probes": ode_log_likelihood(
        gaussian_model, points, hutchinson_trace(rademacher(4, points, generator)), grid_times
    ),
}
estimates = {name: (value / 3).numpy() for name, value in estimates.items()}
truth_against_estimate(exact, estimates, "exact log-likelihood (nats per dimension)", "along the ODE")

# %% tags=["hide-input"]
worst = np.abs(estimates["exact trace"] - exact).max()
assert worst < 1e-3, "the ODE likelihood is off"
glue("sampling-ode", f"{worst:.0e}", display=False)
glue("sampling-probes", f"{np.abs(estimates['four probes'] - exact).mean():.2f}", display=False)

# %% [markdown]
# With the exact trace the largest error is {glue:text}`sampling-ode` nats per dimension; with four probes the
# mean error is {glue:text}`sampling-probes`.
#
# ## What to take along
#
# - One network, many chains: only the marginals were trained, and every sampler here shares them.
# - Reconstruction is sampling that starts in the middle. The level is the detector's most important setting.
# - Without fresh noise the path is invertible, and the model has an exact likelihood.
#
# ## Quick check
#
# :::{dropdown} 1. How does the Markov property let noise be removed step by step?
# $x_{t-1}$ depends on the later states only through $x_t$, so a chain that draws each state from its
# successor is a complete recipe. No step needs to remember the path.
# :::
#
# :::{dropdown} 2. Why is DDIM allowed to skip steps, though the network was trained on all of them?
# The loss looks at one level at a time: at $q(x_t \mid x_0)$, never at how one got there. {eq}`eq-ddim` keeps
# these marginals for any pair $s < t$. What is lost with long steps is accuracy of the path, not its
# validity.
# :::
#
# :::{dropdown} 3. Why must the last step add no noise?
# Its result is the answer. Noise added in an earlier step is seen by the network again and removed; noise
# added last is seen by nobody.
# :::
#
# :::{dropdown} 4. An anomaly is reconstructed perfectly. Name two causes.
# The level $t_0$ is so low that the anomaly was never drowned in noise; or the anomaly is simple enough that
# the network, trained on harder images, denoises it anyway. A third, in published code: the noising step is
# missing, see *Bugs in the wild*.
# :::
#
# :::{dropdown} 5. Two seeds give different ancestral samples from the same $x_T$, but the same DDIM sample. Why?
# Ancestral sampling draws fresh noise in every step; DDIM with $\eta = 0$ draws none, so $x_T$ alone decides.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Implement: one step of DDIM
# :label: ex-sampling-ddim
# Write `ddim_step(x_t, noise, t, s, alpha_bar)`, the step without fresh noise of {eq}`eq-ddim`: first the clean image that the estimated noise
# implies, then that image at level $s$. The same function walks down ($s < t$) and up.
# :::

# %% [markdown]
# :::{solution} ex-sampling-ddim
# :class: dropdown
# ```{literalinclude} /coursework/solutions/sampling.py
# :pyobject: ddim_step
# ```
#
# The two lines are the marginal, solved for $x_0$ at level $t$ and used forwards at level $s$.
# :::

# %% [markdown]
# :::{exercise} Compute: what a reconstruction costs
# :label: ex-sampling-cost
# You reconstruct 10,000 images from $t_0 = 250$. How many network evaluations are that in single steps, and how many in steps of 25? How many
# single looks, at ten levels each, could you have for the second price?
# :::

# %% [markdown]
# :::{solution} ex-sampling-cost
# :class: dropdown
# ```{literalinclude} /coursework/solutions/sampling.py
# :pyobject: evaluations
# ```
#
# The same price as ten looks at ten levels, which is how several scores of this book spend it.
# :::

# %% [markdown]
# :::{exercise} Investigate: is the path invertible?
# :label: ex-sampling-back
# Walk from a data point to noise with DDIM and back again. For Gaussian data the best denoiser is known, so no network is needed. How far off do
# you end, with 5, 50 and 500 steps each way? What is exact about DDIM, and what is not?
# :::

# %% [markdown]
# :::{solution} ex-sampling-back
# :class: dropdown
# ```{literalinclude} /coursework/solutions/sampling.py
# :pyobject: there_and_back
# ```
#
# The limit of infinitely many steps is a differential equation, which can be followed both ways. Each finite step takes the noise estimate from its own end: down and up do not take the same one, and the difference shrinks with the step.
# :::
