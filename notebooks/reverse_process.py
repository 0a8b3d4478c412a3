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
# # The reverse process and the variational lower bound
#
# *Needs: the forward process; Kullback-Leibler divergence, Jensen's inequality. Takes: an hour.*
#
# The forward process destroys. A second chain, the reverse process, is to rebuild: from pure noise $x_T$ back
# to an image $x_0$, one small step at a time. Its steps are learned, and this chapter derives what they are
# learned *from*: a bound on the likelihood of the data that falls apart into one Kullback-Leibler divergence
# for each step. Each of these is derived, computed, and drawn against $t$, first for data whose answer is
# known exactly, then for a network trained on digits in this very notebook.

# %% tags=["hide-input"]
import copy

import numpy as np
import pandas as pd
import torch
from myst_nb import glue

from diffad.bits import image_bits_per_dim
from diffad.datasets import load
from diffad.figures.style import use_style
from diffad.figures.theory import curves, image_rows, where_bits_go
from diffad.images import to_network
from diffad.model import DiffusionModel, ModelConfig
from diffad.objectives import (
    LowDiscrepancyTimes,
    gaussian_log_likelihood,
    min_snr_weight,
    p2_weight,
    prior_term,
    simple_weight,
    snr_plus_one_weight,
    truncated_snr_weight,
    vlb_terms,
)
from diffad.oracle import GaussianOracle
from diffad.process import ForwardProcess
from diffad.rescheduling import RescheduledNetwork
from diffad.schedules import make_schedule
from diffad.training import TrainingConfig, fit

# %% tags=["parameters"]
dataset = "digits"
num_steps = 1000
num_updates = 400
batch_size = 32
num_test = 200
label = 0
seed = 0

# %% tags=["hide-input"]
use_style()
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(seed)
train, test = load(dataset, "train"), load(dataset, "test")
channels, height = train.images.shape[3], train.images.shape[1]
test_images = test.images[:num_test]
x_test = to_network(test_images)

# %% [markdown]
# ## The step to be learned
#
# Reversing time exactly would take $q(x_{t-1} \mid x_t)$, which depends on the unknown distribution of
# images. Split it by what the clean image might have been:
#
# $$
# q(x_{t-1} \mid x_t) = \int q(x_{t-1} \mid x_t, x_0)\; q(x_0 \mid x_t)\, dx_0 .
# $$
#
# The first factor we know, it is the posterior of the last chapter. The second asks "which image could this
# noisy one have been?", and that is all a network has to answer. If $\beta_t$ is small, the integral is close
# to a single Gaussian, whose mean is the posterior's mean at the *expected* image $\hat x_0 = \mathbb E[x_0
# \mid x_t]$, since $\tilde\mu_t$ is linear in $x_0$. So let a network predict $\hat x_0(x_t, t)$ and put it
# where the unknown $x_0$ stood:
#
# $$
# p_\theta(x_{t-1} \mid x_t) = \mathcal N\!\left(x_{t-1};\ \tilde\mu_t(x_t, \hat x_0(x_t, t)),\ \sigma_t^2 I\right),
# \qquad p(x_T) = \mathcal N(0, I) .
# $$ (eq-reverse-step)
#
# Implemented by `diffad.reverse.reverse_step`.
#
# This is how the reverse process is tied to the posterior: it *is* the posterior, with a guess in place of
# the truth. Which variance? If the data were a single point, the guess would be exact and $\sigma_t^2 =
# \tilde\beta_t$ (`diffad.reverse.posterior_log_variance`). If they were $\mathcal N(0, I)$, the right answer
# would be $\beta_t$ (`diffad.reverse.beta_log_variance`). Real data lie between, and a network can learn
# where {cite:p}`nichol2021improved`, from an output $w \in [0, 1]$ for each pixel:
#
# $$
# \log \sigma_t^2 = w \log \beta_t + (1 - w) \log \tilde\beta_t .
# $$ (eq-learned-variance)
#
# Implemented by `diffad.reverse.learned_log_variance`.
#
# ### Four names for one prediction
#
# A network need not predict $x_0$. It may as well predict the noise $\epsilon$; or the velocity $v =
# \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0$ {cite:p}`salimans2022progressive`, a mixture of noise and image
# that has the same size at every $t$; or the score $s = \nabla_{x_t} \log q(x_t)$ {cite:p}`song2021sde`, the direction in which
# noisy images become more likely fastest. Given $x_t$, each determines the others.
#
# $$
# \begin{aligned}
# \hat x_0 &= \frac{x_t - \sqrt{1-\bar\alpha_t}\;\hat\epsilon}{\sqrt{\bar\alpha_t}}
#   = \sqrt{\bar\alpha_t}\, x_t - \sqrt{1-\bar\alpha_t}\;\hat v, \\
# \hat\epsilon &= \sqrt{\bar\alpha_t}\;\hat v + \sqrt{1-\bar\alpha_t}\, x_t = -\sqrt{1-\bar\alpha_t}\;\hat s .
# \end{aligned}
# $$ (eq-conversions)
#
# Implemented by `diffad.process.ForwardProcess.convert`, in all twelve directions.
#
# The last equality is Tweedie's formula: predicting the noise *is* estimating the score.
#
# ## The bound
#
# We would like to make $-\log p_\theta(x_0)$ small, but $p_\theta(x_0) = \int p_\theta(x_{0:T})\, dx_{1:T}$
# is an integral over all paths. Multiply and divide by the density of the forward paths, and use Jensen's
# inequality (the logarithm of a mean is at least the mean of the logarithms):
#
# $$
# -\log p_\theta(x_0) = -\log \mathbb E_{q(x_{1:T} \mid x_0)}\!\left[ \frac{p_\theta(x_{0:T})}{q(x_{1:T} \mid x_0)} \right]
# \;\le\; \mathbb E_q\!\left[ -\log \frac{p_\theta(x_{0:T})}{q(x_{1:T} \mid x_0)} \right] .
# $$
#
# Both densities are products over steps. The trick that makes this useful is to read the forward steps
# backwards. By the Markov property and Bayes' rule, for $t \ge 2$,
#
# $$
# q(x_t \mid x_{t-1}) = q(x_t \mid x_{t-1}, x_0)
#   = q(x_{t-1} \mid x_t, x_0)\, \frac{q(x_t \mid x_0)}{q(x_{t-1} \mid x_0)} .
# $$
#
# In the product over $t$ the fractions cancel in a chain, all but $q(x_T \mid x_0)$ at one end and $q(x_1
# \mid x_0)$ at the other, which cancels the first step. What remains pairs each reverse step with the
# posterior that it imitates:
#
# $$
# -\log p_\theta(x_0) \;\le\; \underbrace{L_T}_{\text{prior}}
#   + \sum_{t=2}^{T} \underbrace{L_{t-1}}_{\text{denoising}} + \underbrace{L_0}_{\text{reconstruction}} .
# $$ (eq-variational-bound)
#
# Implemented by `diffad.objectives.variational_bound` (every term),
# `diffad.objectives.estimate_variational_bound` (an unbiased estimate from a few $t$), with the parts kept
# apart in `diffad.objectives.VariationalBound`; for whole sets of images, `diffad.bits.image_bits_per_dim`.
#
# **The prior term** asks whether any signal is left at the end. Nothing in it can be trained:
#
# $$
# L_T = \mathrm{KL}\!\left( q(x_T \mid x_0) \,\|\, \mathcal N(0, I) \right) .
# $$ (eq-prior-term)
#
# Implemented by `diffad.objectives.prior_term`.
#
# **The denoising terms** compare each reverse step with the posterior that knows the answer:
#
# $$
# L_{t-1} = \mathbb E_{q(x_t \mid x_0)}\, \mathrm{KL}\!\left( q(x_{t-1} \mid x_t, x_0) \,\|\, p_\theta(x_{t-1} \mid x_t) \right) .
# $$ (eq-denoising-term)
#
# Implemented by `diffad.objectives.step_term` and, from the network on, `diffad.objectives.vlb_terms`.
#
# **The reconstruction term** is what the very last step costs, $-\log$ of the probability of the true grey
# levels:
#
# $$
# L_0 = \mathbb E_{q(x_1 \mid x_0)} \left[ -\log p_\theta(x_0 \mid x_1) \right] .
# $$ (eq-reconstruction-term)
#
# Implemented by `diffad.objectives.step_term`, for $t = 1$.
#
# ### What a KL of Gaussians costs
#
# All these divergences are between Gaussians. For one dimension,
#
# $$
# \mathrm{KL}\!\left( \mathcal N(\mu_1, \sigma_1^2) \,\|\, \mathcal N(\mu_2, \sigma_2^2) \right)
#   = \frac12 \left[ \frac{\sigma_1^2}{\sigma_2^2} - 1 - \log \frac{\sigma_1^2}{\sigma_2^2}
#   + \frac{(\mu_1 - \mu_2)^2}{\sigma_2^2} \right] .
# $$ (eq-gaussian-kl)
#
# Implemented by `diffad.objectives.gaussian_kl`.
#
# Put in the posterior and the reverse step. Their means share the $x_t$ part, so only the $x_0$ parts differ;
# with $\sigma_t^2 = \tilde\beta_t$ the variance part vanishes too, and
#
# $$
# L_{t-1} = \frac12 \left( \mathrm{SNR}(t-1) - \mathrm{SNR}(t) \right)
#   \mathbb E \left\lVert x_0 - \hat x_0(x_t, t) \right\rVert^2 .
# $$ (eq-denoising-as-error)
#
# Implemented by `diffad.objectives.step_term`; a test holds the two sides against each other.
#
# Read it slowly, for it is the heart of the matter. **The term is the squared error of a denoiser.**
# Minimising the bound over the network means nothing else than denoising as well as possible at every noise
# level, and the weight says how much each level counts: as much as the signal-to-noise ratio drops there.
#
# ### Grey levels are not real numbers
#
# A pixel has 256 levels, and a density has no upper limit on a level, so $L_0$ uses the probability of the
# level's whole bin under the Gaussian, with the outermost bins open:
#
# $$
# p_\theta(x_0 \mid x_1) = \Phi\!\left( \frac{x_0 + \delta - \mu}{\sigma} \right)
#   - \Phi\!\left( \frac{x_0 - \delta - \mu}{\sigma} \right), \qquad \delta = \tfrac{1}{255} .
# $$ (eq-discretised)
#
# Implemented by `diffad.objectives.discretised_log_likelihood`, with the exact normal CDF $\Phi$.
#
# Now the bound is one on the length of a code for the image. In bits for each of the $D$ dimensions:
#
# $$
# \text{bits per dimension} = \frac{L_T + \sum_t L_{t-1} + L_0}{D \log 2} .
# $$ (eq-bits-per-dim)
#
# Implemented by `diffad.objectives.bits_per_dim`.
#
# ## Where everything is known: the oracle
#
# Before a network is trusted, the formulas must be. Take data $\mathcal N(\mu, \Sigma)$. Then $x_t$ and $x_0$
# are jointly Gaussian, and the best possible denoiser, the *oracle*, is linear regression:
#
# $$
# \mathbb E[x_0 \mid x_t] = \mu + \sqrt{\bar\alpha_t}\,\Sigma
#   \left( \bar\alpha_t \Sigma + (1-\bar\alpha_t) I \right)^{-1} \left( x_t - \sqrt{\bar\alpha_t}\,\mu \right) .
# $$ (eq-oracle-gaussian)
#
# Implemented by `diffad.oracle.GaussianOracle`.
#
# For a mixture of such Gaussians the score is the average of the components' scores, weighted with the
# probability $r_k(x_t)$ that $x_t$ came from component $k$:
#
# $$
# \nabla \log q(x_t) = \sum_k r_k(x_t)\, \nabla \log q_k(x_t),
# \qquad r_k(x_t) = \frac{w_k\, q_k(x_t)}{\sum_j w_j\, q_j(x_t)} .
# $$ (eq-oracle-mixture)
#
# Implemented by `diffad.oracle.GaussianMixtureOracle`.
#
# An oracle speaks the same protocol as a network, so the same code computes its bound. And for it the answer
# is known: with the true variance of the reverse step, every $p(x_{t-1} \mid x_t)$ *is* $q(x_{t-1} \mid
# x_t)$, the inequality becomes an equality, and for each $x_0$ the bound must be $-\log q(x_0)$, plus what
# the prior lacks. The data below have the mean spread of the digits along their principal axes.

# %%
process = ForwardProcess(make_schedule("cosine", num_steps))
pixels = to_network(train.images).flatten(1).double()
spectrum = torch.linalg.eigvalsh(torch.cov(pixels.T)).clamp(min=1e-3)
oracle = GaussianOracle(process, torch.zeros(len(spectrum)), torch.diag(spectrum))
exact_model = DiffusionModel(oracle, process)

# Every term is quadratic in the noise, so its mean over these 2 d points is the mean over all noise, exactly.
axes = len(spectrum) ** 0.5 * torch.eye(len(spectrum), dtype=torch.float64)
noise = torch.cat([axes, -axes])
x_0 = oracle.sample(1, generator)
settings = {"variance": oracle.exact_log_variance, "likelihood": gaussian_log_likelihood}
bound = prior_term(process, x_0).item() + sum(
    vlb_terms(exact_model, x_0.expand_as(noise), t, noise, **settings).mean().item()
    for t in range(1, num_steps + 1)
)

# %% tags=["hide-input"]
x_end = process.sample(x_0.expand_as(noise), num_steps, noise)
standard_normal = torch.distributions.Normal(0.0, 1.0)
prior_lack = (oracle.log_prob(x_end, num_steps) - standard_normal.log_prob(x_end).sum(1)).mean().item()
truth = -oracle.log_prob(x_0).item() + prior_lack
relative = abs(bound / truth - 1)
assert relative < 1e-6, "the bound of the oracle is not the exact one"
glue("reverse-oracle-bound", f"{bound:.6f}", display=False)
glue("reverse-oracle-truth", f"{truth:.6f}", display=False)
glue("reverse-oracle-error", f"{relative:.0e}", display=False)

# %% [markdown]
# The bound, added up term by term from the library's functions, is {glue:text}`reverse-oracle-bound` nats (as bits, but with
# the natural logarithm); the exact value is {glue:text}`reverse-oracle-truth`. They differ by a relative
# {glue:text}`reverse-oracle-error`, which is rounding.
#
# With the posterior variance instead, which is what most implementations use, the terms are those of
# {eq}`eq-denoising-as-error`. For Gaussian data the expected error of the best denoiser is known, so the
# whole curve is: the line below is the formula, the dots are the library's terms on random data and random
# noise.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-oracle-terms", "caption": "The denoising terms of the oracle against t, for two schedules: in closed form (lines) and as the code measures them (dots)."}, "image": {"alt": "Two curves of nats per step on a logarithmic axis against t, each with dots lying on it. The linear schedule's curve falls steeply over the first hundred steps; the cosine schedule's is flatter."}}
lines_x, lines_y = {}, {}
some_times = [int(t) for t in np.unique(np.geomspace(2, num_steps, 24).round())]
for name in ("cosine", "linear"):
    each = ForwardProcess(make_schedule(name, num_steps))
    best = GaussianOracle(each, torch.zeros(len(spectrum)), torch.diag(spectrum))
    lines_x[name], lines_y[name] = (
        np.arange(2, num_steps + 1),
        best.optimal_terms(each.schedule.posterior_variance.log()).numpy(),
    )
    data, draws = (
        best.sample(400, generator),
        torch.randn(400, len(spectrum), generator=generator, dtype=torch.float64),
    )
    measured = [vlb_terms(DiffusionModel(best, each), data, t, draws).mean().item() for t in some_times]
    lines_x[f"{name}, measured"], lines_y[f"{name}, measured"] = some_times, measured
curves(
    lines_x,
    lines_y,
    "t",
    "$L_{t-1}$ (nats)",
    log_x=True,
    log_y=True,
    points=[n for n in lines_x if "measured" in n],
)

# %% [markdown]
# ## A network, trained here
#
# Now a small U-Net learns to predict the noise in the training digits. `diffad.training.fit` minimises
# {eq}`eq-l-simple` below. It is stopped twice on the way, to see what becomes of the bound.

# %%
configuration = ModelConfig(
    network_parameters={"image_size": height, "channels": channels, "size": "tiny", "attention": False},
    schedule="cosine",
    num_steps=num_steps,
)
model = configuration.build(seed)
stages, done = {"untrained": copy.deepcopy(model)}, 0
for updates in (num_updates // 10, num_updates):
    training = TrainingConfig(
        num_updates=updates - done,
        batch_size=batch_size,
        learning_rate=4e-3,
        ema_decay=0.98,
        seed=seed + done,
    )
    fit(model, train.images, training, progress=False)
    stages[f"{updates} updates"] = copy.deepcopy(model)
    done = updates

# %% [markdown]
# How does minimising the bound improve denoising? By {eq}`eq-denoising-as-error` the two are the same thing.
# Here is one digit with six amounts of noise, what each stage of the network makes of it in one step, and
# the bound of that stage on digits it has never seen.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-stages", "caption": "As the bound falls, the denoised digits appear. First row: one digit at six noise levels. Below: its estimate by the network at each stage of training, with that stage's bound."}, "image": {"alt": "A grid of digit images. The first row shows one digit with growing noise; below, the untrained network returns noise, the early network blurred shapes, the trained network a readable digit at the lower noise levels and a plausible one at the higher."}}
levels = [int(share * num_steps) for share in (0.1, 0.25, 0.4, 0.55, 0.7, 0.85)]
example = x_test[test.labels[:num_test] == label][:1]
draw = torch.randn(example.shape, generator=generator)
noisy = {t: process.sample(example, t, draw) for t in levels}
rows = {"noisy": np.stack([example[0, 0].numpy(), *(noisy[t][0, 0].numpy() for t in levels)])}
stage_bits = {name: image_bits_per_dim(stage, test_images, seed=seed) for name, stage in stages.items()}
with torch.no_grad():
    for name, stage in stages.items():
        estimates = [stage.predict(noisy[t], t, "x0").clamp(-1, 1)[0, 0].numpy() for t in levels]
        label = f"{name}\n{stage_bits[name].mean['total']:.1f} bits/dim"
        rows[label] = np.stack([example[0, 0].numpy(), *estimates])
image_rows(rows, ["clean", *(f"t = {t}" for t in levels)], label_width=1.3)

# %% [markdown]
# ### Each term against t
#
# The curve of the trained network on real test digits, beside the best *linear* denoiser for them: the oracle
# of a Gaussian with the digits' own mean and covariance. No linear map can lie below that one; what the
# network gains on it is what it knows of digits beyond their covariance.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-terms", "caption": "The denoising terms on test digits, in bits per dimension and step: the trained network, the same network early in training, and the best linear denoiser."}, "image": {"alt": "Three falling curves of bits per dimension and step against t on logarithmic axes. The early network lies highest; the trained network lies below the linear oracle over the middle of the way and close to it at both ends."}}
covariance = torch.cov(pixels.T) + 1e-3 * torch.eye(pixels.shape[1], dtype=torch.float64)
mean_image = pixels.mean(0).view(x_test.shape[1:])
linear_model = DiffusionModel(GaussianOracle(process, mean_image, covariance), process)
candidates = {name: stage for name, stage in stages.items() if name != "untrained"} | {
    "linear oracle": linear_model
}
to_bits = 1 / (np.log(2) * x_test[0].numel())
draws = torch.randn(x_test.shape, generator=generator)
with torch.no_grad():
    terms = {
        name: [vlb_terms(each, x_test, t, draws, clamp=1.0).mean().item() * to_bits for t in some_times]
        for name, each in candidates.items()
    }
curves(dict.fromkeys(terms, some_times), terms, "t", "$L_{t-1}$ (bits per dimension)", log_x=True, log_y=True)

# %% tags=["hide-input"]
bits = {
    "trained network": stage_bits[f"{num_updates} updates"],
    "linear oracle": image_bits_per_dim(linear_model, test_images, seed=seed),
}
table = pd.DataFrame({name: value.mean for name, value in bits.items()}).T
table.columns = ["total", "prior", "denoising, all steps", "reconstruction"]
gain = table.loc["linear oracle", "total"] - table.loc["trained network", "total"]
glue("reverse-total", f"{table.loc['trained network', 'total']:.2f}", display=False)
glue("reverse-levels", len(np.unique(train.images)), display=False)
glue("reverse-gain", f"{gain:.2f}", display=False)
glue("reverse-standard-error", f"{bits['trained network'].standard_error['total']:.2f}", display=False)
table.style.format("{:.3f}")

# %% [markdown]
# The trained network needs {glue:text}`reverse-total` bits per dimension (standard error
# {glue:text}`reverse-standard-error`), {glue:text}`reverse-gain` fewer than the linear oracle. The prior term
# is negligible: the schedule leaves nothing of the digit at $T$. These digits use only
# {glue:text}`reverse-levels` of the 256 grey levels, which neither model was told.
#
# ## Linear versus cosine: where the bits go
#
# A schedule decides at which $t$ the signal-to-noise ratio drops, and by {eq}`eq-denoising-as-error` that is
# where the bits are spent. To compare two schedules one need not train twice. A network sees a noisy image,
# not a number $t$; what it was trained for is a signal-to-noise ratio. So ask it under the other schedule at
# the time where its own has the same ratio:
#
# $$
# t' = \arg\min_{s}\, \left| \log \mathrm{SNR}_\text{trained}(s) - \log \mathrm{SNR}_\text{asked}(t) \right| .
# $$ (eq-matched-noise)
#
# Implemented by `diffad.rescheduling.matching_times`; `diffad.rescheduling.RescheduledNetwork` wraps a
# network with it.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-where-bits-go", "caption": "The same network under two schedules. Left: bits per dimension spent in each twentieth of the way. Right: the three parts of the bound."}, "image": {"alt": "Left: two step curves over t / T. The linear schedule spends most of its bits in the first tenth and almost none in the last half; the cosine schedule spreads them further. Right: two stacked bars of reconstruction, denoising and prior bits; their totals are similar, but the linear one has the larger reconstruction part."}}
linear_process = ForwardProcess(make_schedule("linear", num_steps))
by_schedule = {
    "cosine": model,
    "linear": DiffusionModel(RescheduledNetwork(model.network, process, linear_process), linear_process),
}
num_bins, draws_each = 20, 12
spent, parts = {}, {}
for name, each in by_schedule.items():
    times = LowDiscrepancyTimes(num_steps - 1)
    t = torch.cat([times.draw(len(x_test), generator)[0] + 1 for _ in range(draws_each)])
    batch = x_test.repeat(draws_each, 1, 1, 1)
    with torch.no_grad():
        nats = vlb_terms(each, batch, t, torch.randn(batch.shape, generator=generator), clamp=1.0)
    in_bin = ((t - 1) * num_bins // num_steps).numpy()
    mean_of_bin = np.bincount(in_bin, nats.numpy()) / np.bincount(in_bin)
    spent[name] = mean_of_bin * (num_steps / num_bins) * to_bits
    parts[name] = image_bits_per_dim(each, test_images, seed=seed).mean
where_bits_go(spent, parts)

# %% tags=["hide-input"]
first_tenth = {name: values[: num_bins // 10].sum() / values.sum() for name, values in spent.items()}
second_half = {name: values[num_bins // 2 :].sum() / values.sum() for name, values in spent.items()}
for name in by_schedule:
    glue(f"reverse-first-{name}", f"{100 * first_tenth[name]:.0f} %", display=False)
    glue(f"reverse-second-{name}", f"{100 * second_half[name]:.1f} %", display=False)

# %% [markdown]
# Under the linear schedule {glue:text}`reverse-first-linear` of the denoising bits are spent in the first
# tenth of the steps and {glue:text}`reverse-second-linear` in the whole second half: half of all steps are
# nearly idle. Under the cosine schedule it is {glue:text}`reverse-first-cosine` and
# {glue:text}`reverse-second-cosine`. The totals differ much less, and mostly by where the schedule *starts*:
# with ever finer steps the sum of the terms tends to an integral over the signal-to-noise ratio, in which the
# schedule appears only through its end points {cite:p}`kingma2021vdm`. A schedule changes how well the effort
# is spread, not what there is to be learned.
#
# ## From the bound to the loss that is used
#
# Trained with the bound's own weights, a network spends its effort on levels with imperceptible noise, where
# the signal-to-noise ratio falls fastest. {cite:t}`ho2020denoising` dropped the weights and got better
# images:
#
# $$
# L_\mathrm{simple} = \mathbb E_{t, x_0, \epsilon} \left\lVert \epsilon - \epsilon_\theta(x_t, t) \right\rVert^2 .
# $$ (eq-l-simple)
#
# Implemented by `diffad.objectives.l_simple`.
#
# The same with the clean image or the velocity in place of the noise:
#
# $$
# L_{x_0} = \mathbb E \left\lVert x_0 - \hat x_0(x_t, t) \right\rVert^2
# $$ (eq-x0-loss)
#
# Implemented by `diffad.objectives.x0_loss`.
#
# $$
# L_v = \mathbb E \left\lVert v - \hat v(x_t, t) \right\rVert^2
# $$ (eq-v-loss)
#
# Implemented by `diffad.objectives.v_loss`.
#
# By {eq}`eq-conversions` these are one error in three units,
#
# $$
# \lVert \epsilon - \hat\epsilon \rVert^2 = \mathrm{SNR}\; \lVert x_0 - \hat x_0 \rVert^2,
# \qquad
# \lVert v - \hat v \rVert^2 = (1 + \mathrm{SNR})\; \lVert x_0 - \hat x_0 \rVert^2 .
# $$ (eq-loss-units)
#
# Implemented by `diffad.objectives.weighted_loss`, which measures in the network's own unit.
#
# So every loss in use is the squared error of a denoiser times some weight of the signal-to-noise ratio:
#
# $$
# L_w = \mathbb E \left[ w(\mathrm{SNR}(t))\; \lVert x_0 - \hat x_0(x_t, t) \rVert^2 \right] .
# $$ (eq-weighted)
#
# Implemented by `diffad.objectives.weighted_loss`, with the weights `diffad.objectives.simple_weight`,
# `diffad.objectives.snr_plus_one_weight`, `diffad.objectives.min_snr_weight` {cite:p}`hang2023minsnr`,
# `diffad.objectives.p2_weight` {cite:p}`choi2022p2` and `diffad.objectives.truncated_snr_weight`
# {cite:p}`salimans2022progressive`.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-weights", "caption": "Five published weightings of the error of the clean image, against the signal-to-noise ratio."}, "image": {"alt": "Five curves on logarithmic axes over the signal-to-noise ratio. All but min-SNR and P2 rise in proportion to the ratio above one; min-SNR and P2 level off; below one, v and truncated SNR stay at one while the others fall."}}
snr = torch.logspace(-4, 4, 200, dtype=torch.float64)
weightings = {
    "L_simple (eps)": simple_weight,
    "v-loss": snr_plus_one_weight,
    "min-SNR": min_snr_weight,
    "P2": p2_weight,
    "truncated SNR": truncated_snr_weight,
}
weights = {name: weighting(snr).numpy() for name, weighting in weightings.items()}
curves(
    dict.fromkeys(weights, snr.numpy()), weights, "SNR", "weight of the $x_0$ error", log_x=True, log_y=True
)

# %% [markdown]
# $L_\mathrm{simple}$ says nothing about variances. To learn them, {cite:t}`nichol2021improved` add a little
# of the bound, in which the predicted mean is held fixed, so that it teaches the variance only:
#
# $$
# L_\mathrm{hybrid} = L_\mathrm{simple} + \lambda \left( L_T + \sum_t L_{t-1} + L_0 \right), \qquad \lambda = 0.001 .
# $$ (eq-l-hybrid)
#
# Implemented by `diffad.objectives.l_hybrid`.
#
# ### Which t?
#
# A batch sees one random $t$ for each image. Drawn independently, a batch may miss a whole range; drawn from
# one uniform number $u$ for all $k$ images, it cannot:
#
# $$
# t_i = 1 + \left\lfloor T \left( (u + i / k) \bmod 1 \right) \right\rfloor, \qquad i = 0, \dots, k-1 .
# $$ (eq-low-discrepancy)
#
# Implemented by `diffad.objectives.LowDiscrepancyTimes`.
#
# And when the bound itself is to be minimised, terms of very different size are better drawn in proportion to
# it, and divided by the probability so that the mean stays what it was:
#
# $$
# p_t \propto \sqrt{\mathbb E[L_t^2]}, \qquad L = \mathbb E_{t \sim p}\!\left[ \frac{L_t}{T p_t} \right] .
# $$ (eq-importance-times)
#
# Implemented by `diffad.objectives.ImportanceTimes`.
#
# ## What to take along
#
# - The reverse step is the forward posterior with the network's guess in place of the truth:
#   {eq}`eq-reverse-step`.
# - The bound is a sum of KL divergences, one for each step, and each is a weighted denoising error:
#   {eq}`eq-denoising-as-error`.
# - Schedules and weightings move effort between noise levels. They do not change what the best denoiser is.
#
# ## Quick check
#
# :::{dropdown} 1. How does minimising the bound improve denoising?
# Each $L_{t-1}$ is a positive weight times the squared error of $\hat x_0$ at level $t$, by
# {eq}`eq-denoising-as-error`. There is no other way for the network to lower the sum than to denoise better
# at some level.
# :::
#
# :::{dropdown} 2. How does the KL term tie the reverse process to the posterior?
# $L_{t-1}$ is the divergence of $q(x_{t-1} \mid x_t, x_0)$, which knows the clean image, from
# $p_\theta(x_{t-1} \mid x_t)$, which does not. Averaged over images it is smallest when $p_\theta$ has the
# mean that the posterior has on average, that is, when $\hat x_0 = \mathbb E[x_0 \mid x_t]$.
# :::
#
# :::{dropdown} 3. Why does the derivation condition the forward steps on $x_0$?
# Because $q(x_{t-1} \mid x_t)$ is unknown, while $q(x_{t-1} \mid x_t, x_0)$ is a Gaussian in closed form. The
# Markov property allows the condition to be added for free: $q(x_t \mid x_{t-1}) = q(x_t \mid x_{t-1}, x_0)$.
# :::
#
# :::{dropdown} 4. Is the bound ever an equality?
# Yes, when every reverse step is the true one, as for the oracle with the exact variance above. Then all that
# is lost is the prior's mismatch at $T$.
# :::
#
# :::{dropdown} 5. A colleague's network predicts $v$, yours predicts $\epsilon$. Can the two be compared?
# Yes. Convert either prediction with {eq}`eq-conversions` and compute the same bound. Their training losses
# cannot be compared: they measure the error in different units, {eq}`eq-loss-units`.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Implement: the divergence of two Gaussians
# :label: ex-reverse-kl
# Every term of the bound but two is a Kullback-Leibler divergence of Gaussians. Write `gaussian_kl(mean_1, variance_1, mean_2, variance_2)`,
# in nats and element by element. Derive it first: what is the expectation of $\log p - \log q$ under $p$?
# :::

# %% [markdown]
# :::{solution} ex-reverse-kl
# :class: dropdown
# ```{literalinclude} /coursework/solutions/reverse_process.py
# :pyobject: gaussian_kl
# ```
#
# The first three terms compare the variances and vanish where they are equal; the last measures how far apart the means are, in units of the *second* variance.
# :::

# %% [markdown]
# :::{exercise} Compute: one error in two units
# :label: ex-reverse-units
# A network's estimate of $x_0$ has a mean squared error of 0.01. How large is the squared error of the noise estimate that goes with it, at
# $\bar\alpha_t = 0.9$ and at $\bar\alpha_t = 0.1$? Use {eq}`eq-conversions`.
# :::

# %% [markdown]
# :::{solution} ex-reverse-units
# :class: dropdown
# ```{literalinclude} /coursework/solutions/reverse_process.py
# :pyobject: noise_error
# ```
#
# So a loss on the noise and a loss on $x_0$ weigh the levels differently: the first looks at little noise, the second at much.
# :::

# %% [markdown]
# :::{exercise} Investigate: does the choice of the variance matter?
# :label: ex-reverse-variance
# The reverse step may take $\beta_t$ or the posterior's $\tilde\beta_t$ of {eq}`eq-posterior-variance` as its variance. Compute their ratio over
# $t$ for the linear schedule with $T = 1000$. Where do they differ, and what does that mean for the bound?
# :::

# %% [markdown]
# :::{solution} ex-reverse-variance
# :class: dropdown
# ```{literalinclude} /coursework/solutions/reverse_process.py
# :pyobject: variance_ratio
# ```
#
# They differ in the first few steps alone, next to the clean image. Those steps hardly change how a sample looks, but they carry a good part of the bound, since there the variances are smallest and a wrong one is expensive.
# :::
