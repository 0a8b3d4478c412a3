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
# # Two denoisers: U-Net and diffusion transformer
#
# **The question.** The paper compares two networks that take the noise off: a convolutional U-Net and a
# transformer. It says that the first keeps local detail and the second sees global dependencies
# {cite:p}`bhosale2024anomaly`. Is that so? What does each really see, what does it cost, and which one detects
# better when both may spend the same on training?
#
# ::::{admonition} What you will learn
# :class: tip
# - how the two are built, where their parameters are, and why one of them begins by answering zero;
# - how to *measure* what a network looks at, by gradients and by its attention, instead of believing a drawing;
# - what an image of twice the side costs in each;
# - how to compare two architectures fairly, and how far such a comparison carries.
#
# *Before this:* the three theory chapters. *Time to read:* 25 minutes.
# ::::

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display
from myst_nb import glue
from sklearn.svm import SVC

from diffad.costs import count_flops, on_meta, seconds_an_evaluation
from diffad.datasets import load
from diffad.datasets.corruptions import CORRUPTIONS
from diffad.datasets.protocols import clean_versus_corrupted
from diffad.evaluation import evaluate_groups, shared_units
from diffad.figures import networks as figures
from diffad.figures.style import use_style
from diffad.figures.theory import curves, image_rows
from diffad.images import to_network, to_uint8
from diffad.inspection import (
    attention_distance,
    attention_maps,
    count_parts,
    opened,
    reach,
    receptive_field,
    share_that_learns,
)
from diffad.model import DiffusionModel, ModelConfig
from diffad.networks import DIT_SIZES, UNET_SIZES, Condition, make_network
from diffad.oracle import GaussianOracle
from diffad.samplers import ddim, ddim_timesteps
from diffad.scorers import (
    Evaluator,
    LevelCalibration,
    OneStepReconstruction,
    PartialDiffusion,
    levels_from_fractions,
)
from diffad.scorers.reconstruction import noise_weights
from diffad.tables import one_header, one_line
from diffad.training import TrainingConfig, fit

# %% tags=["parameters"]
dataset = "digits"
unet_updates = 300  # the transformer gets as many as cost the same operations
guided_updates = 350  # of the class-conditional transformer in the last section
batch_size = 32
per_group = 60  # test digits a corruption
largest_timed = 2e9  # operations: an evaluation that takes more is counted, not timed
seed = 0

# %% tags=["hide-input"]
use_style()
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(seed)
split = clean_versus_corrupted(dataset, per_group=per_group, seed=seed)
height, channels = split.train.shape[1], split.train.shape[3]


def normal(*shape):
    return torch.randn(shape, generator=generator)


# %% [markdown]
# ## One task, two ways to build it
#
# Both networks do the same: take a noisy image $x_t$ and its time $t$, and predict the noise, an array of the
# image's own shape. Nothing else in this book knows which of the two it asks.
#
# **The U-Net** {cite:p}`ronneberger2015,ho2020denoising` is made of small convolutions. A 3 × 3 convolution sees
# one pixel in each direction, so the network halves the image again and again: on an image of an eighth of the
# side, one pixel further is eight pixels further. On the way back up, *skip connections* hand the fine maps of the
# way down across, so that detail is not lost. Where the maps are smallest, attention lets all places see each
# other. The time $t$, as a vector, is added inside every block.
#
# **The diffusion transformer**, DiT {cite:p}`peebles2023dit`, cuts the image into square patches, each a *token*: a
# vector of a few hundred numbers. Convolutions it has none. In every block, *attention* lets each token collect
# from all others, near or far alike, and a small perceptron then works on each token by itself. Since nothing
# in this knows where a token came from, its place in the image is added to it as a pattern of sines. Halving the
# patch gives four times the tokens.
#
# ### How the transformer is told the time
#
# The time (and the class, if there is one) becomes a vector $c$, and each block turns it into a shift
# $\beta$, a scale $\gamma$ and a gate $\alpha$ for each of its two halves:
#
# $$
# \begin{aligned}
# h' &= h + \alpha_1 \odot \mathrm{Attention}\!\left( (1 + \gamma_1) \odot \mathrm{LN}(h) + \beta_1 \right), \\
# h'' &= h' + \alpha_2 \odot \mathrm{MLP}\!\left( (1 + \gamma_2) \odot \mathrm{LN}(h') + \beta_2 \right), \\
# (\beta_1, \gamma_1, \alpha_1, \beta_2, \gamma_2, \alpha_2) &= W\, \mathrm{silu}(c) + b .
# \end{aligned}
# $$ (eq-adaln)
#
# Implemented by `diffad.networks.dit.DiTBlock`.
#
# (These $\alpha$ and $\beta$ have nothing to do with the noise schedule's; the letters are the paper's.) It is
# called *adaptive layer norm*. With $W = 0$ and $b = 0$ at the start it is **adaLN-Zero**: all gates are closed,
# and each block is the identity. The last layer starts at zero as well. So an untrained transformer predicts no
# noise at all, and each block joins in as soon as that lowers the loss. That is a claim about code, so let us
# execute it.

# %%
shape = {"image_size": height, "channels": channels}
parts_of = {
    "U-Net": ModelConfig(network="unet", network_parameters=shape | {"size": "tiny"}),
    "DiT": ModelConfig(network="dit", network_parameters=shape | {"size": "mini", "patch": 2}),
}
untrained = {name: configuration.build(seed) for name, configuration in parts_of.items()}
x_t, times = normal(16, channels, height, height), torch.randint(1, 1001, (16,), generator=generator)
with torch.no_grad():
    answers = {name: model.network(x_t, times) for name, model in untrained.items()}
    tokens, vector = normal(16, 16, 64), normal(16, 64)
    assert not answers["DiT"].any(), "the untrained transformer does not answer zero"
    assert all(torch.equal(block(tokens, vector), tokens) for block in untrained["DiT"].network.blocks)

# %% tags=["hide-input"]
glue("networks-unet-start", f"{answers['U-Net'].square().mean().item():.2f}", display=False)
glue("networks-dit-start", f"{answers['DiT'].square().mean().item():.0f}", display=False)

# %% [markdown]
# Both assertions hold: the answer is exactly {glue:text}`networks-dit-start` for any input, and each block returns its
# input bit by bit. (The U-Net, diffusers' `UNet2DModel`, starts at random: its first answers have a mean square of
# {glue:text}`networks-unet-start`, where 1 would be as large as the noise.)
#
# Can a network whose gates are all closed learn? The gradient says how. Below, the first updates of training: for
# each part of the transformer, the share of its parameters whose gradient is not zero.

# %% tags=["hide-input"]
batch = to_network(split.train[:batch_size])
waking = share_that_learns(parts_of["DiT"].build(seed), batch, 4, 1e-3, seed=seed)
waking = pd.DataFrame(waking, index=[f"update {number}" for number in range(1, 5)]).T
assert (waking.iloc[:, 0] > 0).sum() == 1 and (waking.iloc[:, -1] > 0.9).all()
one_header(waking.rename_axis("share that learns")).style.format(lambda share: f"{100 * share:.0f} %")

# %% [markdown]
# The network wakes up from its end. In the first update only the last layer, which belongs to *input and output*, gets
# a gradient: everything before it is multiplied by its zeros. With the last layer open, the gates get one; with the
# gates open, attention and perceptrons do. After three updates all of it learns. Nothing had to break a symmetry by
# large random numbers, and no block disturbs the signal before it has something to say.
#
# ### Named sizes
#
# What `make_network` knows by name, with the parameters of each and the operations of one evaluation, for colour images
# of 32 × 32 pixels and patches of 4:

# %% tags=["hide-input"]
named = {f"U-Net {size}": ("unet", {"size": size}) for size in UNET_SIZES}
named |= {f"DiT {size}/4": ("dit", {"size": size, "patch": 4}) for size in DIT_SIZES}
rows = []
for name, (kind, parameters) in named.items():
    network = on_meta(kind, {"image_size": 32, "channels": 3} | parameters)
    layout = (
        " – ".join(map(str, UNET_SIZES[parameters["size"]]))
        if kind == "unet"
        else "{} blocks, {} wide, {} heads".format(*DIT_SIZES[parameters["size"]])
    )
    count = sum(parameter.numel() for parameter in network.parameters())
    rows.append((name, layout, figures.millions(count), f"{count_flops(network) / 1e9:.3g}"))
columns = ["network", "channels a level, or layout", "parameters", "10⁹ operations"]
one_header(pd.DataFrame(rows, columns=columns).set_index("network"))

# %% [markdown]
# *tiny*, *mini* and *small* are for 8 to 28 pixels and two cores; *ddpm* is the U-Net of {cite:t}`ho2020denoising`; S, B,
# L and XL are those of {cite:t}`peebles2023dit`. Operations count a multiplication and an addition as two.
#
# ## Where the parameters are

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-networks-parameters", "caption": "The share of each part in the parameters, with the total on the right. Counted from the networks themselves."}, "image": {"alt": "Stacked bars for three U-Nets and four transformers. In the U-Nets convolutions take most, those going up about half of everything; in the transformers perceptrons take two fifths, adaLN-Zero a third and attention a fifth."}}
drawn = ["U-Net tiny", "U-Net small", "U-Net ddpm", "DiT mini/4", "DiT Ti/4", "DiT S/4", "DiT B/4"]
parts = {
    name: count_parts(on_meta(named[name][0], {"image_size": 32, "channels": 3} | named[name][1]))
    for name in drawn
}
figures.parameter_bars(parts)

# %% tags=["hide-input"]
share = {
    name: {part: count / sum(each.values()) for part, count in each.items()} for name, each in parts.items()
}
glue("networks-share-up", f"{100 * share['U-Net ddpm']['convolutions, going up']:.0f} %", display=False)
glue("networks-share-attention", f"{100 * share['U-Net ddpm']['attention']:.0f} %", display=False)
glue("networks-share-adaln", f"{100 * share['DiT S/4']['adaLN-Zero']:.0f} %", display=False)
glue("networks-share-dit-attention", f"{100 * share['DiT S/4']['attention']:.0f} %", display=False)

# %% [markdown]
# In the DDPM paper's U-Net {glue:text}`networks-share-up` of the parameters are convolutions on the way up: they take in
# the skip connections besides what comes from below, and each level has one block more than on the way down.
# Attention, of which one hears most, is {glue:text}`networks-share-attention`. In DiT-S it is
# {glue:text}`networks-share-dit-attention`, and {glue:text}`networks-share-adaln` only say what the time means to each
# block. Those are cheap all the same: they are
# applied once an image, not once a token.
#
# ## What an image of twice the side costs
#
# Convolutions cost in proportion to the pixels. In attention each token asks each other: four times the tokens, sixteen
# times the products. So a transformer must become quadratic in the number of pixels some day. When? Operations are
# counted by `torch.utils.flop_counter`, on networks without memory (`diffad.costs.on_meta`); seconds are measured, one
# image at a time, as the time of one core.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"name": "fig-networks-cost", "caption": "One evaluation of one colour image: operations counted (left) and seconds measured on one core (right, as far as it was timed)."}, "image": {"alt": "Two panels on logarithmic axes against 8 to 256 pixels a side. The curve of the U-Net without attention is straight with a slope of two; all others bend upwards from 64 pixels on, the transformers with smaller patches most. On the right the time is flat up to about 16 pixels and then rises in the same way."}}
sides = [8, 16, 32, 64, 128, 256]
compared = {
    "U-Net small, no attention": ("unet", {"size": "small", "attention": False}),
    "U-Net small": ("unet", {"size": "small"}),
    "U-Net ddpm": ("unet", {"size": "ddpm"}),
    "DiT Ti/4": ("dit", {"size": "Ti", "patch": 4}),
    "DiT S/4": ("dit", {"size": "S", "patch": 4}),
    "DiT S/8": ("dit", {"size": "S", "patch": 8}),
}
operations, seconds = {}, {}
for name, (kind, parameters) in compared.items():
    each = [{"image_size": side, "channels": 3} | parameters for side in sides]
    operations[name] = [count_flops(on_meta(kind, settings)) for settings in each]
    timed = [
        settings for settings, count in zip(each, operations[name], strict=True) if count <= largest_timed
    ]
    seconds[name] = [seconds_an_evaluation(make_network(kind, settings)) for settings in timed]
figures.cost_curves(sides, operations, seconds)

# %% tags=["hide-input"]
growth = {name: counts[-1] / counts[-2] for name, counts in operations.items()}
early = {name: counts[2] / counts[1] for name, counts in operations.items()}
table = pd.DataFrame({"from 16 to 32 pixels": early, "from 128 to 256 pixels": growth})
one_header(table.rename_axis("operations grow by a factor of")).style.format("{:.1f}")

# %% [markdown]
# Twice the side is four times the pixels, and the U-Net without attention costs just that, at every size. All others
# start near 4, since at first convolutions or perceptrons cost most, and are on their way to 16. **That goes for the
# U-Nets with attention too**: it sits on maps of a quarter of the side (*small*) or half of it (*ddpm*), which at 256
# pixels are no longer small. Large U-Nets therefore have more levels, and attention on the smallest alone; large
# transformers have larger patches, and give up detail within them. So "the transformer scales, the U-Net does not", or
# the reverse, is not a law: ask where the attention is. On small images time does not follow the operations at all: the
# core waits for Python, layer by layer.
#
# ## The same training budget for both
#
# Which one is better? "Equal parameters" would be a poor measure: parameters of a transformer work on every token.
# "Equal epochs" lets the costlier network win. So we fix what training costs: floating-point operations of the forward
# and the backward pass, counted. One network of each kind, about equally costly an image, is trained on the clean
# digits of [the data chapter](data.ipynb), with the same optimiser and the same learning rate, which was tuned for
# neither.

# %%
step_cost = {
    name: batch_size * count_flops(on_meta(each.network, each.network_parameters), backward=True)
    for name, each in parts_of.items()
}
budget = unet_updates * step_cost["U-Net"]
models, histories = {}, {}
for name in parts_of:
    updates = round(budget / step_cost[name])
    training = TrainingConfig(
        num_updates=updates,
        batch_size=batch_size,
        learning_rate=4e-3,
        ema_decay=0.98,
        validate_every=updates,
        seed=seed,
    )
    models[name] = parts_of[name].build(seed)
    histories[name] = fit(models[name], split.train, training, split.validation, progress=False)

# %% tags=["hide-input", "tolerance-0.05"]
summary = pd.DataFrame(
    {
        name: {
            "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
            "operations of an update, 10⁹": f"{step_cost[name] / 1e9:.2f}",
            "updates": f"{histories[name].update[-1]}",
            "operations of training, 10¹²": f"{histories[name].update[-1] * step_cost[name] / 1e12:.3f}",
            "held-out loss, all levels": f"{histories[name].validation_loss[-1]:.3f}",
        }
        for name, model in models.items()
    }
)
one_header(summary.rename_axis("equal compute"))

# %% tags=["nbval-ignore-output"]
{name: f"{history.seconds[-1]:.0f} s of training" for name, history in histories.items()}

# %% [markdown]
# ### What each makes of a digit
#
# Clean and corrupted test digits, noised to $t = 0.4\,T$ and rebuilt in five DDIM steps by each network, from the same
# noise:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-networks-reconstructions", "caption": "Test digits (first row; which are corrupted is not marked) and what each network, trained at equal cost, makes of them from the same noise."}, "image": {"alt": "Three rows of twelve small digit images: inputs, reconstructions by the U-Net, and reconstructions by the transformer."}}
shown = split.test[:12]
start = round(0.4 * 1000)
rebuilt = {"input": to_network(shown)[:, 0].numpy()}
for name, model in models.items():
    rebuilt[name] = PartialDiffusion(Evaluator(model), start, 5).reconstructions(shown)[:, 0]
image_rows(rebuilt, size=0.62)

# %% [markdown]
# ### Loss at each noise level
#
# One number for all levels hides where a network is good. Here is the mean squared error of the predicted noise on
# held-out clean digits, level by level, each image with the same noise for both networks; and beside them the best
# *linear* denoiser, which knows the mean and the covariance of the training digits and nothing else.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-networks-loss", "caption": "Loss on held-out clean digits at each noise level, after training at equal cost."}, "image": {"alt": "Three curves of loss against t / T on a logarithmic axis: the linear oracle, the U-Net and the transformer. All fall as the noise grows."}}
fractions = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
levels = levels_from_fractions(fractions, 1000)
pixels = to_network(split.train).double()
covariance = torch.cov(pixels.flatten(1).T) + 1e-3 * torch.eye(pixels[0].numel(), dtype=torch.float64)
process = models["U-Net"].process
linear = DiffusionModel(GaussianOracle(process, pixels.mean(0), covariance), process)
losses = {}
for name, model in {**models, "linear oracle": linear}.items():
    scorer = OneStepReconstruction(Evaluator(model), levels, num_draws=4)
    losses[name] = scorer.profile(split.validation) * noise_weights(scorer.evaluator, levels)
mean_losses = {name: values.mean(axis=0) for name, values in losses.items()}
curves(dict.fromkeys(losses, fractions), mean_losses, "t / T", "mean squared error of the noise", log_y=True)

# %% tags=["hide-input", "tolerance-0.05"]
difference = losses["DiT"] - losses["U-Net"]
error = difference.std(axis=0, ddof=1) / len(difference) ** 0.5
some = [fractions.index(fraction) for fraction in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9)]
table = pd.DataFrame(
    {
        f"{fractions[k]:g}": {
            **{name: f"{values[k]:.4f}" for name, values in mean_losses.items()},
            "DiT less U-Net": f"{difference[:, k].mean():+.4f}",
            "standard error": f"{error[k]:.4f}",
        }
        for k in some
    }
)
one_header(table.rename_axis("t / T"))

# %% [markdown]
# The standard error is that of the mean difference over {glue:text}`networks-held-out` held-out digits. It says nothing
# about the luck of the initial weights: each network was trained once.
#
# ### Which detects better?
#
# The test set is {glue:text}`networks-per-group` clean digits and as many others under each of the fifteen corruptions.
# Each network's error at five levels is calibrated on held-out clean digits and combined by max |z|
# ([how](digits_c.ipynb)); *one level* is the plain error at $t = 0.2\,T$. Levels and rule were fixed before.

# %% tags=["hide-input", "tolerance-0.05"]
scored = levels_from_fractions((0.05, 0.1, 0.2, 0.4, 0.6), 1000)
scores = {}
for name, model in models.items():
    scorer = OneStepReconstruction(Evaluator(model), scored, num_draws=2)
    calibration = LevelCalibration(scorer.profile(split.validation))
    profile = scorer.profile(split.test)
    scores[f"{name}, max |z|"] = calibration.combine(profile, "max_abs")
    scores[f"{name}, one level"] = profile[:, scored.index(200)]
answers = split.reveal(next(iter(scores.values())))
units = shared_units(answers.labels, answers.groups, answers.indices)
results = evaluate_groups(answers.labels, answers.groups, scores, ["auroc"], 1000, units=units)
rows = {}
for score in ("max |z|", "one level"):
    pair = f"DiT, {score}", f"U-Net, {score}"
    difference = results.difference("auroc", *pair, "mean")
    each = [results.difference("auroc", *pair, group) for group in results.groups]
    rows[score] = {
        "U-Net": one_line(results.interval("auroc", pair[1], "mean").percent()),
        "DiT": one_line(results.interval("auroc", pair[0], "mean").percent()),
        "DiT less U-Net, points": one_line(difference.percent()),
        "DiT better": sum(one.low > 0 for one in each),
        "U-Net better": sum(one.high < 0 for one in each),
    }
one_header(pd.DataFrame(rows).T.rename_axis("mean AUROC, %"))

# %% tags=["hide-input", "tolerance-0.05"]
glue("networks-held-out", len(split.validation), display=False)
glue("networks-per-group", per_group, display=False)
headline = results.difference("auroc", "DiT, max |z|", "U-Net, max |z|", "mean")
verdict = (
    "the transformer is ahead"
    if headline.low > 0
    else "the U-Net is ahead"
    if headline.high < 0
    else "the two cannot be told apart"
)
display(
    Markdown(
        f"By the two-sided score **{verdict}** on these test digits: a difference of {one_line(headline.percent())} points. "
        f"The last columns count the corruptions, of {len(CORRUPTIONS)}, on which the paired 95 % interval leaves zero out."
    )
)

# %% [markdown]
# How far does this carry? Not far. The intervals cover the luck of the test digits, not that of training, of which there
# was one a network. Sizes are tiny, the budget is seconds, and at 8 × 8 pixels "local" and "global" are nearly the same.
# What it shows is how to ask: same operations, same data, same noise, same scores, a paired interval. The chapters on
# larger images ask again.
#
# ## What does each see?
#
# A pixel of the prediction depends on pixels of the input. Its derivative by each of them says how strongly; the root
# mean square over many noisy images is the **effective receptive field** {cite:p}`luo2016receptive`:
#
# $$
# F_{ij}(t) = \sqrt{\, \mathbb E_{x_t} \left[ \left( \frac{\partial\, \hat y_{rc}(x_t, t)}{\partial\, x_{t,ij}} \right)^{2} \right] }
# $$ (eq-receptive-field)
#
# Implemented by `diffad.inspection.receptive_field`.
#
# To have one number for it, take the mean distance from $(r, c)$, each pixel weighted by its $F$: the *reach*
# (`diffad.inspection.reach`), which is 0 if only the pixel itself counts. Which prediction $\hat y$ is meant makes a
# difference, since $\hat x_0$ and $\hat\epsilon$ differ by a multiple of $x_t$ ({eq}`eq-conversions`): at much noise the
# best guess of a pixel's *noise* is nearly the noisy pixel itself. We ask about the raw output $\hat\epsilon$ where the
# wiring is in question, and about the clean image $\hat x_0$ where the task is.
#
# ### Before training: what the wiring allows
#
# The output $\hat\epsilon$ at 32 × 32 pixels, untrained, on pure noise. The transformer's zeros would hide everything, so its gates are opened at
# random for this figure alone (`diffad.inspection.opened`).

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-networks-wiring", "caption": "Effective receptive field of the framed pixel at 32 × 32 pixels, untrained; each map to its own maximum, colours by the square root; below each the reach."}, "image": {"alt": "Four heat maps. Both U-Nets, with and without attention, show a bright blob around the framed pixel that fades over the whole image; the transformer as it starts is black; with its gates opened it shows a bright square of four by four pixels on a faint even background."}}
x = normal(8, 1, 32, 32)
at_32 = {"image_size": 32, "channels": 1}
wired = {
    "U-Net small,\nno attention": ModelConfig(
        network_parameters=at_32 | {"size": "small", "attention": False}
    ).build(seed),
    "U-Net small": ModelConfig(network_parameters=at_32 | {"size": "small"}).build(seed),
    "DiT Ti/4\nas it starts": ModelConfig(
        network="dit", network_parameters=at_32 | {"size": "Ti", "patch": 4}
    ).build(seed),
}
fields = {name: receptive_field(model.eval(), x, 500, 17, 17) for name, model in wired.items()}
with opened(wired["DiT Ti/4\nas it starts"].network, seed, spread=0.5):
    fields["DiT Ti/4,\ngates opened"] = receptive_field(wired["DiT Ti/4\nas it starts"], x, 500, 17, 17)
far = {"": [reach(field, 17, 17) for field in fields.values()]}
figures.receptive_fields({"": [field.numpy() for field in fields.values()]}, list(fields), 17, 17, far, 1.75)

# %% [markdown]
# The convolutions see a blob, bright in the middle: many paths lead to near pixels, few to far ones. All other pixels
# count a little even without attention, because the U-Net's group norms divide by the spread over the whole map; and as
# long as attention is random, it averages over all places and adds little. The transformer as it starts sees nothing.
# With open gates it sees its own patch, and all other patches faintly, near or far alike.
#
# ### After training: what is worth looking at
#
# Now the estimate $\hat x_0$ of the two networks that were trained at equal cost, on noisy held-out digits. And since this is a question about the
# *task* as much as about the network: the linear oracle has a receptive field too, and it is the right one for a linear
# denoiser of digits.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-networks-fields", "caption": "Effective receptive field of the estimated clean pixel (framed) at six noise levels, on held-out digits; each map to its own maximum, colours by the square root, below each the reach in pixels."}, "image": {"alt": "Four rows of six heat maps of eight by eight pixels: the untrained U-Net, the trained U-Net, the trained transformer and the linear oracle. In the oracle's row the framed pixel alone is bright at little noise, and with more noise more and more of the image lights up."}}
seen = [0.02, 0.1, 0.25, 0.5, 0.75, 0.95]
row = column = height // 2
clean = to_network(split.validation[:64])
noises = {level: normal(*clean.shape) for level in seen}
looked_at = {
    "U-Net,\nuntrained": untrained["U-Net"].eval(),
    "U-Net, trained": models["U-Net"],
    "DiT, trained": models["DiT"],
    "linear oracle": linear,
}
fields = {
    name: [
        receptive_field(
            model,
            process.sample(clean, int(level * 1000), noises[level]),
            int(level * 1000),
            row,
            column,
            "x0",
        ).float()
        for level in seen
    ]
    for name, model in looked_at.items()
}
reaches = {name: [reach(field, row, column) for field in maps] for name, maps in fields.items()}
figures.receptive_fields(
    {name: [field.numpy() for field in maps] for name, maps in fields.items()},
    [f"t / T = {level:g}" for level in seen],
    row,
    column,
    reaches,
)

# %% tags=["hide-input", "tolerance-0.05"]
for key, name in (("unet", "U-Net, trained"), ("dit", "DiT, trained"), ("oracle", "linear oracle")):
    glue(f"networks-reach-{key}-low", f"{reaches[name][0]:.1f}", display=False)
    glue(f"networks-reach-{key}-high", f"{reaches[name][-1]:.1f}", display=False)

# %% [markdown]
# The oracle shows what the task asks for: with little noise the pixel itself says nearly everything; with much, the
# whole digit must be asked. From $t/T = 0.02$ to $0.95$ its reach goes from {glue:text}`networks-reach-oracle-low` to
# {glue:text}`networks-reach-oracle-high` pixels, that of the U-Net from {glue:text}`networks-reach-unet-low` to
# {glue:text}`networks-reach-unet-high`, that of the transformer from {glue:text}`networks-reach-dit-low` to
# {glue:text}`networks-reach-dit-high`. Where a network's reach follows the oracle's, it is the noise level and not the
# architecture that decides what is looked at; where it does not, the network has not learned it yet, or knows something
# that no linear map can. For a detector this is the mechanism behind the noise levels: low ones test texture, because
# texture is what there is to look at; high ones test shape.
#
# ## Where the transformer looks
#
# Attention can be read off directly: in each head the shares that one token takes from all tokens add up to 1. They are
# computed by a hook in the running network (`diffad.inspection.attention_maps`), on the mean over the same digits.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-networks-attention", "caption": "The shares that the framed token takes from the 4 × 4 tokens, for each block and head of the trained transformer, at little and at much noise. Mean over 64 digits."}, "image": {"alt": "Two groups of sixteen heat maps of four by four tokens. One row a block, one column a head; the brighter a token, the larger its share."}}
grid = height // 2
token = (grid // 2, grid // 2)
attention = {
    level: attention_maps(
        models["DiT"].network, process.sample(clean, int(level * 1000), noises[level]), int(level * 1000)
    )
    for level in seen
}
mean_maps = {
    f"t / T = {level:g}": attention[level]
    .mean(1)[:, :, token[0] * grid + token[1]]
    .unflatten(-1, (grid, grid))
    .numpy()
    for level in (0.1, 0.75)
}
figures.attention_grid(mean_maps, token)

# %% tags=["hide-input", "tolerance-0.05"]
even = torch.full((1, grid * grid, grid * grid), 1 / grid**2)
far = {
    f"{level:g}": {
        f"block {b + 1}": attention_distance(maps[b], grid).mean().item() for b in range(len(maps))
    }
    for level, maps in attention.items()
}
glue("networks-attention-even", f"{attention_distance(even, grid).item():.2f}", display=False)
one_header(pd.DataFrame(far).rename_axis("mean distance looked, in patches, at t / T")).style.format("{:.2f}")

# %% [markdown]
# Looking at all tokens alike would be a distance of {glue:text}`networks-attention-even` patches. Attention may look
# anywhere from the first block on; whether it *uses* what it sees is for the gates to say, which is why the
# gradient above, and not this picture, is the measure of what the prediction depends on.
#
# ## Guidance: one network, with and without the class
#
# Both networks can be told a class, or shown an image, through one argument, `Condition`. In training a tenth of the
# labels is hidden; so the network learns the noise of "a three" and the noise of "some digit", and the difference of the
# two points towards threes. **Classifier-free guidance** {cite:p}`ho2022classifierfree` exaggerates it:
#
# $$
# \tilde\epsilon(x_t, c) = \hat\epsilon(x_t, \varnothing) + w \left( \hat\epsilon(x_t, c) - \hat\epsilon(x_t, \varnothing) \right) .
# $$ (eq-guidance)
#
# Implemented by `diffad.model.DiffusionModel.predict`.
#
# At $w = 0$ the class is ignored, $w = 1$ is the plain conditional prediction, and above 1 the class is exaggerated, at
# two evaluations a step. Does it do what it says? A support vector machine, trained on real digits, reads the samples.

# %%
digits = load(dataset, "train")
conditional = ModelConfig(
    network="dit", network_parameters=shape | {"size": "mini", "patch": 2, "num_classes": 10}
).build(seed)
training = TrainingConfig(
    num_updates=guided_updates, batch_size=batch_size, learning_rate=4e-3, ema_decay=0.98, seed=seed
)
labels = torch.from_numpy(digits.labels.astype(np.int64))
fit(conditional, digits.images, training, progress=False, conditions=Condition(labels=labels))
asked = torch.arange(10).repeat(8)
x_end = normal(len(asked), channels, height, height)
samples = {
    w: ddim(conditional.conditioned(Condition(labels=asked), w), x_end, ddim_timesteps(1000, 20), clamp=1.0)
    for w in (0.0, 1.0, 2.0, 4.0)
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-networks-guidance", "caption": "Ten classes asked for, from the same noise in each column, under growing guidance."}, "image": {"alt": "Four rows of ten digit images. One row for each weight of guidance, from none to strong; one column for each class from 0 to 9."}}
image_rows(
    {f"w = {w:g}": x[:10, 0].numpy() for w, x in samples.items()},
    [str(label) for label in range(10)],
    size=0.68,
)

# %% tags=["hide-input", "tolerance-0.1"]
test = load(dataset, "test")
reader = SVC().fit(digits.images.reshape(len(digits), -1), digits.labels)
rows = {}
for w, x in samples.items():
    read = reader.predict(to_uint8(x).reshape(len(x), -1))
    spread = np.mean([x[asked == label].std(0).mean().item() for label in range(10)])
    rows[f"{w:g}"] = {
        "read as asked, %": 100 * np.mean(read == asked.numpy()),
        "spread within a class": spread,
    }
glue(
    "networks-reader",
    f"{100 * reader.score(test.images.reshape(len(test), -1), test.labels):.0f} %",
    display=False,
)
one_header(pd.DataFrame(rows).T.rename_axis("w")).style.format("{:.2f}").format(
    "{:.0f}", subset="read as asked, %"
)

# %% [markdown]
# (The reader itself is right on {glue:text}`networks-reader` of real test digits.) The usual price of obedience is
# variety: the last column says whether samples of one class come to resemble each other. A detector can use the same
# network without any class, or ask of an image which class explains it best.
#
# ## What to take along
#
# - Same task, same protocol: the U-Net is convolutions with skips, the transformer is tokens with attention. Zero gates
#   let the transformer begin as "predict no noise", and it wakes up from its last layer.
# - The noise level decides what is worth looking at; the best linear denoiser shows it. The architecture decides how a
#   network gets there and what it costs.
# - Convolutions cost 4 times as much for twice the side. Attention tends to 16 in either network, later with larger
#   patches or smaller maps.
# - Compare architectures at equal training cost, with paired intervals, and do not generalise from one size.
#
# ## Try it
#
# All of this page follows from the cell of parameters. Set `unet_updates = 2000`: both networks then get four times the
# budget. Which of the two gains more, and at which noise levels? Guess first: which has less built in, and so more to
# learn? `seed = 1` trains both anew, and shows how much of a difference is luck.
#
# ## Quick check
#
# :::{dropdown} 1. All weights of the transformer's last layer are zero. Why is its gradient not?
# The derivative of the loss by a weight of the last layer is the layer's *input* times the error of the output. The
# input is not zero, nor is the error. Zero is the derivative by everything *before* that layer, in the first update.
# :::
#
# :::{dropdown} 2. A colleague shows that a U-Net's wiring reaches the whole image, and concludes that it sees globally. What is missing?
# Wiring says what may matter, not what does. The effective receptive field weighs it, and what is worth looking at
# depends on the noise level: the best linear denoiser's field at little noise is hardly larger than the pixel.
# :::
#
# :::{dropdown} 3. Why does halving the patch of a transformer cost more than four times as much on large images?
# Four times the tokens cost four times in the perceptrons, but sixteen times in attention, where each token asks each
# other. On large images attention is the larger part.
# :::
#
# :::{dropdown} 4. Two architectures were trained for the same number of epochs, and one wins. Is it the better one?
# It may only have been given more: more operations an image, or a better tuned learning rate. Equal operations settle the
# first; the second must be said.
# :::
#
# :::{dropdown} 5. What does guidance with $w = 4$ cost, and when is it free?
# Two evaluations a step instead of one. At $w = 0$ and $w = 1$ one of the two predictions has weight zero and need not be
# computed.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Implement: from images to tokens
# :label: ex-networks-patchify
# Write `patchify(images, patch)`, which cuts images (n, channels, height, width) into the tokens of a transformer. Order matters: tokens row by
# row, and in each token one channel after the other.
# :::

# %% [markdown]
# :::{solution} ex-networks-patchify
# :class: dropdown
# ```{literalinclude} /coursework/solutions/networks.py
# :pyobject: patchify
# ```
#
# `reshape` alone keeps the order of the memory and would cut the image into strips. First split both axes, then bring the two patch axes together, then flatten.
# :::

# %% [markdown]
# :::{exercise} Compute: what a small patch costs
# :label: ex-networks-cost
# By what factor does the cost of one attention matrix grow when the patch is halved? And from 32 to 256 pixels a side at the same patch?
# :::

# %% [markdown]
# :::{solution} ex-networks-cost
# :class: dropdown
# ```{literalinclude} /coursework/solutions/networks.py
# :pyobject: attention_cost
# ```
#
# Tokens grow with the square of the side, attention with the square of the tokens: the fourth power of the side.
# :::

# %% [markdown]
# :::{exercise} Investigate: how a network tells the time
# :label: ex-networks-time
# Times enter a network as sines and cosines of many frequencies. Compute the cosine of the angle between the embeddings of 500 and 501, 510, 600;
# then of 5 and 6, 15, 105. What do you notice, and why is that useful?
# :::

# %% [markdown]
# :::{solution} ex-networks-time
# :class: dropdown
# ```{literalinclude} /coursework/solutions/networks.py
# :pyobject: embedding_similarity
# ```
#
# The inner product is a sum of $\cos(\omega_k (t - t'))$, so it depends on the difference alone, falls quickly at first and then slowly: neighbouring times look alike, distant ones can be told apart, and no time is special.
# :::
