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
# # Bugs in the wild
#
# *Needs: the theory chapters. Takes: half an hour.*
#
# Diffusion code rarely crashes. A wrong index or a missing line gives images that are a little worse, or
# scores that are a little more random, and nobody notices. Each exhibit below was found in published code.
# Its faulty variant is kept alive in `diffad.faults` and runs here beside the right one, with a picture of
# the damage and the test that would have caught it. Nothing else in the library uses those variants.

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import torch
from myst_nb import glue
from torch.nn.functional import cross_entropy

from diffad.datasets import load
from diffad.datasets.corruptions import corrupt
from diffad.evaluation import auroc
from diffad.faults import (
    TableSendingProcess,
    ancestral_with_last_noise,
    cross_entropy_of_softmax,
    lowest_loss_of_softmax,
    partial_diffusion_without_noise,
    sample_off_by_one,
    tanh_log_likelihood,
)
from diffad.figures.style import use_style
from diffad.figures.theory import curves, image_rows
from diffad.images import to_network
from diffad.model import DiffusionModel
from diffad.objectives import discretised_log_likelihood
from diffad.oracle import GaussianOracle
from diffad.process import ForwardProcess
from diffad.reverse import beta_log_variance
from diffad.samplers import ancestral, partial_diffusion
from diffad.schedules import make_schedule
from diffad.tables import one_header
from diffad.transfers import count_transfers

# %% tags=["parameters"]
dataset = "digits"
corruption = "zigzag"
num_images = 200
seed = 0

# %% [markdown]
# No network is trained on this page. The denoiser is the best linear one for the digits, the oracle of a
# Gaussian with their mean and covariance: it is exact for what it is, so whatever goes wrong below is the
# exhibit's fault.

# %% tags=["hide-input"]
use_style()
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(seed)
train, test = load(dataset, "train"), load(dataset, "test")
pixels = to_network(train.images).double()
mean_image = pixels.mean(0)
covariance = torch.cov(pixels.flatten(1).T) + 1e-4 * torch.eye(mean_image.numel(), dtype=torch.float64)


def digits_model(num_steps, schedule="cosine"):
    process = ForwardProcess(make_schedule(schedule, num_steps))
    return DiffusionModel(GaussianOracle(process, mean_image, covariance), process)


def normal(*shape):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# %% [markdown]
# ## 1. Off by one in $\bar\alpha$
#
# Papers count $t = 1, \dots, T$; arrays count from 0. A table of the $T$ values $\bar\alpha_1, \dots,
# \bar\alpha_T$ is right if read at $t - 1$; a table with $\bar\alpha_0 = 1$ in front is right if read at $t$.
# Mix the two, and the image has less noise than the network is told. At $t = 1$ it has none at all.
#
# With a thousand steps the neighbours are so alike that it hardly shows. With few steps, as in fast
# detectors, it does.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-off-by-one", "caption": "Error of the predicted noise with 25 steps: the image noised at the right level, and one level too low while the network is told t."}, "image": {"alt": "Two curves of mean squared error of the predicted noise against t. The faulty one lies above the right one everywhere; the gap is small over most of the way and grows to orders of magnitude towards the last t."}}
few = 25
model = digits_model(few)
x_0 = to_network(test.images[:num_images]).double()
noise = normal(*x_0.shape)
noising = {
    "right": model.process.sample,
    "off by one": lambda x, t, eps: sample_off_by_one(model.process, x, t, eps),
}
steps = list(range(1, few + 1))
errors = {
    name: [(model.predict(sample(x_0, t, noise), t) - noise).square().mean().item() for t in steps]
    for name, sample in noising.items()
}
curves(dict.fromkeys(errors, steps), errors, "t", "mean squared error of the noise", log_y=True)

# %% tags=["hide-input"]
ratio = np.array(errors["off by one"]) / np.array(errors["right"])
glue("bugs-off-by-one", f"{np.median(ratio):.1f}", display=False)
glue("bugs-off-by-one-late", f"{ratio[-2]:.0f}", display=False)

# %% [markdown]
# At the median level the error is {glue:text}`bugs-off-by-one` times the right one, at the last but one
# {glue:text}`bugs-off-by-one-late` times. **The test that catches it:** compare mean and variance of the
# noised image at every $t$, the first included, with {eq}`eq-forward-marginal`.
#
# ## 2. Noise added at the last step
#
# Ancestral sampling adds noise after each step, {eq}`eq-ancestral`, but the step to $x_0$ must be left out. A
# loop that treats all steps alike leaves noise of variance $\beta_1$ on the finished image.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-last-noise", "caption": "The same draws, with and without noise in the last step, for a sampler of 10 steps. The third row is the difference."}, "image": {"alt": "Three rows of ten images: digit-like samples, the same samples with grain on them, and their difference, which is pure noise."}}
model = digits_model(10)
start = normal(10, *x_0.shape[1:])
draws = {}
for name, sampler in {
    "right": lambda *a: ancestral(*a, variance=beta_log_variance),
    "faulty": ancestral_with_last_noise,
}.items():
    draws[name] = sampler(model, start, torch.Generator().manual_seed(seed + 1))[:, 0].numpy()
draws["difference"] = draws["faulty"] - draws["right"]
image_rows(draws, size=0.7)

# %% tags=["hide-input"]
always_black = (pixels == -1).all(0)
grain = {}
for num_steps in (10, 25, 100, 250):
    model = digits_model(num_steps)
    start = normal(50, *x_0.shape[1:])
    for name, sampler in {"right": ancestral, "faulty": ancestral_with_last_noise}.items():
        samples = sampler(model, start, generator)
        grain[num_steps, name] = 127.5 * samples[:, always_black].std().item()
grain = pd.Series(grain).unstack()
grain.index.name = "steps"
grain.columns = [f"{name}: grain in black pixels (grey levels)" for name in grain.columns]
one_header(grain).style.format("{:.1f}")

# %% [markdown]
# The table gives the spread of pixels that are black in every digit of the training set. **The test that
# catches it:** data that are a single point; the reverse process must land on it.
#
# ## 3. A softmax before the cross-entropy
#
# Some detectors do not denoise at all. A classifier learns to guess how much noise an image carries, say in
# which tenth of $1, \dots, T$ its level lies; a test image to which *no* noise was added and which is taken for a
# noisy one is an anomaly. Such a classifier has $k = 10$ outputs, one for each tenth. Its loss, PyTorch's
# cross-entropy, turns them into probabilities by a softmax *inside* the loss. In the exhibit the network ends in
# a softmax of its own, so the outputs pass through two. What the loss takes for outputs of any size are then
# numbers between 0 and 1, and the second softmax can make no probability of them that is near 0 or 1. Even an
# answer that is right and certain (a 1 for the true class, 0 for all others) costs
#
# $$
# \ell_\mathrm{min} = \log\left( e + k - 1 \right) - 1 > 0 ,
# $$ (eq-softmax-floor)
#
# Implemented by `diffad.faults.lowest_loss_of_softmax`.
#
# where a right loss would cost 0. There is worse. Suppose digits that look like this one come from the third
# tenth in six cases of ten and from the fourth in the other four. The right loss is smallest for the answer
# "60 % third, 40 % fourth", the truth. The loss with two softmaxes is smallest for a certain "third": it rewards
# overconfidence.
#
# Below, the same small network is trained twice from the same start on the same noisy digits, once with each
# loss. Every 20 updates both are measured on test digits, **both with the right loss**, so that the curves can
# be compared. Neighbouring tenths look alike, so no classifier can be certain, and the lowest value that can be
# reached is above 0.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-softmax", "caption": "Two classifiers of the noise level, one trained with the right loss, one with two softmaxes. Both curves show the right cross-entropy on test digits."}, "image": {"alt": "Two curves of test cross-entropy against updates. The right loss falls steadily. The doubled softmax never comes near it and rises in the second half."}}
process, num_classes, num_rounds = ForwardProcess(make_schedule("cosine", 1000)), 10, 600
flat = {
    part: to_network(images).flatten(1) for part, images in (("train", train.images), ("test", test.images))
}


def noisy_digits(part, count, generator):
    x = flat[part][torch.randint(len(flat[part]), (count,), generator=generator)]
    t = torch.randint(1, 1001, (count,), generator=generator)
    noisy = process.sample(x, t, torch.randn(x.shape, generator=generator))
    return noisy, (t - 1) * num_classes // 1000


test_x, test_class = noisy_digits("test", 4000, torch.Generator().manual_seed(seed))
losses = {"right": cross_entropy, "softmax twice": cross_entropy_of_softmax}
measured, accuracy = {name: [] for name in losses}, {}
for name, loss in losses.items():
    draws = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        size = flat["train"].shape[1]
        classifier = torch.nn.Sequential(
            torch.nn.Linear(size, 128), torch.nn.ReLU(), torch.nn.Linear(128, num_classes)
        )
    optimiser = torch.optim.Adam(classifier.parameters(), lr=3e-3)
    for update in range(num_rounds):
        x, target = noisy_digits("train", 256, draws)
        optimiser.zero_grad()
        loss(classifier(x), target).backward()
        optimiser.step()
        if update % 20 == 19:
            with torch.no_grad():
                logits = classifier(test_x)
                measured[name].append(cross_entropy(logits, test_class).item())
                accuracy[name] = (logits.argmax(1) == test_class).float().mean().item()
curves(
    dict.fromkeys(measured, np.arange(20, num_rounds + 1, 20)),
    measured,
    "update",
    "cross-entropy on test digits (nats)",
)

# %% tags=["hide-input"]
glue("bugs-floor", f"{lowest_loss_of_softmax(num_classes):.2f}", display=False)
glue("bugs-ce-right", f"{measured['right'][-1]:.2f}", display=False)
glue("bugs-ce-faulty", f"{measured['softmax twice'][-1]:.2f}", display=False)
glue("bugs-accuracy-right", f"{100 * accuracy['right']:.0f} %", display=False)
glue("bugs-accuracy-faulty", f"{100 * accuracy['softmax twice']:.0f} %", display=False)

# %% [markdown]
# The faulty loss itself cannot fall below {glue:text}`bugs-floor` nats, however good
# the network: whoever watches only that number sees training stall. By the right loss the two classifiers end
# at {glue:text}`bugs-ce-right` (right) and {glue:text}`bugs-ce-faulty` nats (faulty). Asked only for the likeliest
# tenth, they are right for {glue:text}`bugs-accuracy-right` and {glue:text}`bugs-accuracy-faulty` of the digits.
# So accuracy hardly shows the fault, while the probabilities are badly wrong; and it is from the probabilities
# that such a detector makes its score. **The test that catches it:** a certain and right answer costs nothing.
#
# ## 4. A tanh for the CDF
#
# The probability of a grey level, {eq}`eq-discretised`, needs the normal CDF. The reference implementation
# and many that follow it use an old approximation,
#
# $$
# \Phi(z) \approx \tfrac12 \left[ 1 + \tanh\!\left( \sqrt{2/\pi}\, (z + 0.044715\, z^3) \right) \right],
# $$ (eq-tanh-cdf)
#
# Implemented by `diffad.faults.tanh_log_likelihood`, as the faulty variant of
# `diffad.objectives.discretised_log_likelihood`.
#
# and cut the probability off at $10^{-12}$. Both are harmless for well reconstructed pixels. For a detector
# the badly reconstructed ones are the point:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-tanh", "caption": "Cost of a pixel against its distance from the predicted value, in standard deviations: exact, and with the tanh and its floor."}, "image": {"alt": "Two curves of nats against distance. They agree up to about three standard deviations; then the tanh curve leaves the exact curve upwards and from about six on stays flat at the floor while the exact one keeps rising."}}
scale = 0.1
distance = torch.linspace(0, 9, 200, dtype=torch.float64)
variants = {"exact": discretised_log_likelihood, "tanh, floor": tanh_log_likelihood}
log_variance = torch.full_like(distance, 2 * np.log(scale))
cost = {
    name: -variant(distance * scale, torch.zeros_like(distance), log_variance).numpy()
    for name, variant in variants.items()
}
curves(
    dict.fromkeys(cost, distance.numpy()),
    cost,
    "distance from the prediction (standard deviations)",
    "cost (nats)",
)

# %% [markdown]
# Beyond the floor all anomalies cost the same, so a likelihood score can no longer rank them. **The test that
# catches it:** compare with SciPy's normal distribution, in the tails.
#
# ## 5. Reconstruction that starts from the image itself
#
# Partial diffusion has two halves, {eq}`eq-partial-diffusion`: add noise up to level $t_0$, then denoise from
# $t_0$ down to 0. In one published benchmark the line of the first half is commented out. The second half runs
# as before: it is handed the clean image and told that this is $x_{t_0}$. The denoiser trusts what it is told,
# looks for noise of level $t_0$ in the image, and takes away what it mistakes for it.
#
# Why that matters: the method works because noise *drowns* the unusual, so that the network must make something
# usual up in its place. Without noise nothing is drowned. An anomaly goes in whole, and what comes back is not a
# normal digit but the anomaly itself, distorted.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-no-noise", "caption": "A normal digit and a damaged one (input), and what partial diffusion gives back: with the noising step (right) and without it (faulty)."}, "image": {"alt": "Two rows of three images: a normal and a damaged digit, each as the input, rebuilt rightly, and rebuilt by the faulty variant. The right reconstructions are digit-like; the faulty ones are blurred, over-contrasted copies of the input."}}
model, level, calls = digits_model(1000), 500, 5
indices = np.arange(num_images)
groups = {
    "normal": test.images[:num_images],
    corruption: corrupt(test.images[:num_images], corruption, seed, indices),
}
shared = normal(*x_0.shape)
reconstruct = {"right": partial_diffusion, "faulty": partial_diffusion_without_noise}
rows = {}
for name, images in groups.items():
    x = to_network(images).double()
    versions = [run(model, x[:1], level, calls, shared[:1], clamp=1.0) for run in reconstruct.values()]
    rows[name] = torch.cat([x[:1], *versions])[:, 0].numpy()
image_rows(rows, ["input", *reconstruct], size=1.1)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-no-noise-auroc", "caption": "AUROC of the reconstruction error, normal against damaged digits, for both variants and growing levels."}, "image": {"alt": "Two curves of AUROC against the level. Both fall as the level grows, from near one; the two lie far apart over most levels."}}
labels = np.repeat([0, 1], num_images)
levels = [50, 100, 200, 300, 400, 500, 600, 700, 800, 900]
both = torch.cat([to_network(images).double() for images in groups.values()])
noise_bank = shared.repeat(2, 1, 1, 1)
separation = {
    name: [
        auroc(
            labels,
            (run(model, both, t, calls, noise_bank, clamp=1.0) - both).square().flatten(1).mean(1).numpy(),
        )
        for t in levels
    ]
    for name, run in reconstruct.items()
}
curves(dict.fromkeys(separation, levels), separation, "level $t_0$", "AUROC")

# %% tags=["hide-input"]
glue("bugs-level", level, display=False)
for name, values in separation.items():
    glue(f"bugs-auroc-{name}", f"{values[levels.index(level)]:.2f}", display=False)

# %% [markdown]
# The figure above asks how well each variant's error tells damaged digits from normal ones, for different
# levels $t_0$. At $t_0 =$ {glue:text}`bugs-level` the right variant reaches an AUROC of
# {glue:text}`bugs-auroc-right`, the faulty one {glue:text}`bugs-auroc-faulty`.
#
# Do not read from this which variant is the better detector: on other data the order may be the other way
# round. Read from it that **a good number is no proof of a right program**. The faulty variant does separate, by
# a mechanism that nobody described, and a paper that reports it under the name of partial diffusion, with a
# noise level $t_0$, reports something that was never run. **The test that catches it:** start twice with
# different noise; two different reconstructions must come back. The faulty variant returns the same one twice.
#
# ## 6. Tables sent to the device at every call
#
# The coefficients $\sqrt{\bar\alpha_t}$ are small tables. Kept as NumPy arrays and sent to the accelerator
# inside every call, they cost two copies a call, and each copy makes the host wait. Here
# `diffad.transfers.count_transfers` counts, on a device that needs no hardware:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-transfers", "caption": "Copies between host and device during a run of calls: tables kept on the device, and tables sent at every call."}, "image": {"alt": "Two lines against the number of calls. The right one stays flat at two copies; the faulty one rises to two thousand copies after a thousand calls."}}
calls = [1, 10, 100, 300, 1000]
on_device = torch.empty(64, *x_0.shape[1:], device="meta")
t_each = torch.ones(64, dtype=torch.int64, device="meta")
copies = {"right": [], "sent at every call": []}
for count in calls:
    process = ForwardProcess(make_schedule("cosine", 1000))
    for name, variant in zip(copies, (process, TableSendingProcess(process)), strict=True):
        with count_transfers() as transfers:
            for _ in range(count):
                variant.sample(on_device, t_each, on_device)
        copies[name].append(len(transfers))
curves(dict.fromkeys(copies, calls), copies, "calls", "copies to the device", log_x=True, log_y=True)

# %% [markdown]
# **The test that catches it:** count the copies of a second call; there must be none.
#
# ## What the exhibits have in common
#
# None of them raises an error, and each is found by a test that compares with an exact answer: a closed form,
# a degenerate distribution, a limit. That is why this library has an oracle.
#
# ## Quick check
#
# :::{dropdown} 1. Why does the off-by-one hardly show with a thousand steps?
# Neighbouring levels then have almost the same $\bar\alpha_t$, so the network is told almost the truth. With
# few steps the neighbours differ much.
# :::
#
# :::{dropdown} 2. A training loss stops falling at a value well above zero. Which exhibit comes to mind, and how do you check?
# The doubled softmax. Feed the loss a certain and right answer by hand: it must be close to zero, not close
# to {eq}`eq-softmax-floor`.
# :::
#
# :::{dropdown} 3. Two detectors with the same AUROC: one adds noise before it reconstructs, one forgot. Are they equally good?
# One cannot know from one number. They are different methods; the second does not do what its description
# says, so nothing that is known of the first carries over.
# :::
#
# :::{dropdown} 4. Why does a floor under the probability hurt a detector more than a generator?
# The floor acts on values that the model finds very unlikely. Training data hardly have any. Anomalies
# consist of them.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Implement: a loss that softmax enters once
# :label: ex-bugs-cross-entropy
# Write `cross_entropy(logits, targets)`. Test it as you would test a stranger's: what must it give where the network is certain and right, where it
# knows nothing, and where logits are huge?
# :::

# %% [markdown]
# :::{solution} ex-bugs-cross-entropy
# :class: dropdown
# ```{literalinclude} /coursework/solutions/bugs_in_the_wild.py
# :pyobject: cross_entropy
# ```
#
# The largest logit is subtracted first, so nothing overflows; and the logarithm is taken of the sum, never of a probability that may have become 0.
# :::

# %% [markdown]
# :::{exercise} Compute: how low can the doubled softmax go?
# :label: ex-bugs-floor
# A loss takes the softmax of probabilities. What is the least it can reach with 7 classes, and what would guessing cost? Compare with
# {eq}`eq-softmax-floor`.
# :::

# %% [markdown]
# :::{solution} ex-bugs-floor
# :class: dropdown
# ```{literalinclude} /coursework/solutions/bugs_in_the_wild.py
# :pyobject: softmax_floor
# ```
#
# More than half of what guessing costs: a curve that flattens there looks like a hard problem, and is a bug.
# :::

# %% [markdown]
# :::{exercise} Investigate: does a row's score depend on its neighbours?
# :label: ex-bugs-neighbours
# Some detectors rank a row among its whole batch. Write a score of that kind, and find out whether a row scores the same alone as among others. How must
# it be ranked so that it does?
# :::

# %% [markdown]
# :::{solution} ex-bugs-neighbours
# :class: dropdown
# ```{literalinclude} /coursework/solutions/bugs_in_the_wild.py
# :pyobject: tail_scores
# ```
#
# Ranked with its batch it does not: a test set that is scored in two halves gives other numbers, and a row cannot be scored alone at all. Ranked among training rows it does.
# :::
