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
# # Explore
#
# **Three figures to move**, before any formula: what noise does to an image, what a trained network gives back, and how every
# method of this book did against what it costs. Nothing here needs a server; the arrow keys work as well as a mouse.
#
# ::::{admonition} What you will learn
# :class: tip
# - what a noise level is, and that a schedule is nothing but how fast the levels are gone through;
# - how much of an image a network can give back at each level, and that it gives back *normal* images;
# - that more network evaluations do not simply buy a better detector.
#
# *Before this:* nothing. *Time to read:* 5 minutes.
# ::::

# %% tags=["hide-input"]
import numpy as np
import torch
from IPython.display import Markdown, display

from diffad.datasets import load
from diffad.datasets.corruptions import corrupt
from diffad.experiments import read_run
from diffad.figures.interactive import Mark, frame_slider, process_slider, scatter, tiles
from diffad.figures.style import method_title
from diffad.images import to_network, to_uint8
from diffad.methods import level_name
from diffad.recorded_methods import method_means
from diffad.schedules import make_schedule

# %% tags=["parameters"]
photographs = "cifar10"  # data set of the first figure
chosen_photographs = [29, 4, 6, 9, 13]  # of its training part
num_steps = 1000  # T
model_run = "../../results/mnist-c/cpu"  # the run whose network the second figure asks
damages = ["impulse_noise", "motion_blur", "stripe", "zigzag", "canny_edges"]
results = "../../results"  # the records of the third figure
seed = 0

# %% [markdown]
# ## What the forward process does
#
# Noise is mixed into an image, a little more at each time $t$. At $t = 0$ it is untouched, at $t = T$ hardly anything of it is left.
# The *schedule* says how fast. Move the slider, then change the schedule: where does the linear one spend its steps?

# %% tags=["hide-input", "nbval-ignore-output"]
images = load(photographs, "train").images[chosen_photographs]
noise = np.random.default_rng(seed).standard_normal(images.shape)
schedules = {
    "cosine": make_schedule("cosine", num_steps),
    "linear": make_schedule("linear", num_steps),
    "sigmoid": make_schedule("sigmoid", num_steps),
    "log-linear": make_schedule("log_linear", num_steps),
}
process_slider(
    images,
    noise,
    schedules,
    f"{len(images)} photographs of {photographs} at time t of the forward process, with the same noise throughout. "
    "Your browser computes the pixels from the formula and the tables that the library uses.",
    "A row of small photographs that dissolve into noise as t grows.",
)

# %% [markdown]
# The [first chapter](forward_process.ipynb) derives the formula behind the slider.
#
# ## What a network gives back
#
# A U-Net has learned, from clean handwritten digits alone, to take noise off. Below it sees one clean digit and the same digit
# damaged in five ways. At each noise level it guesses, in one step, what was there before the noise.
# With little noise it gives back what it got, damage and all. With much noise it gives back a clean digit, and not always the same one.

# %% tags=["hide-input", "nbval-ignore-output"]
run = read_run(model_run)
asked = run.record.experiment
base = load(asked["dataset"], "test").images[[7]]
inputs = np.concatenate([base] + [corrupt(base, name, seed=seed, indices=[7]) for name in damages])
x_0 = to_network(inputs)
drawn = torch.randn(x_0[:1].shape, generator=torch.Generator().manual_seed(seed)).expand_as(x_0)
process = run.model.process
frames, captions = [], []
for level in asked["scoring"]["levels"]:
    t = round(level * run.model.num_steps)
    x_t = process.sample(x_0, t, drawn)
    with torch.no_grad():
        guess = run.model.predict(x_t, t, "x0")
    error = ((guess - x_0) ** 2).clamp(0, 1)
    frames.append(tiles(np.stack([inputs, to_uint8(x_t), to_uint8(guess), to_uint8(2 * error - 1)])))
    recorded = run.record.interval(level_name(level))
    captions.append(
        f"t = {t} of {run.model.num_steps}. Over all corruptions of the test set the error at this level has an AUROC of "
        f"{100 * recorded.estimate:.1f} % (95 % interval {100 * recorded.low:.1f} to {100 * recorded.high:.1f})."
    )
frame_slider(
    np.stack(frames),
    captions,
    "noise level",
    f"From top to bottom: the input, the input with noise, the network's guess of the clean image, the squared error. From left to right: "
    f"a clean digit, then {', '.join(name.replace('_', ' ') for name in damages)}.",
    "Four rows of six small digits: input, noised, guess, error.",
    start=4,
)

# %% [markdown]
# [MNIST-C](mnist_c.ipynb) turns this error into a detector, and says when it is inverted.
#
# ## Every method that was recorded
#
# Each mark is one method on one data set. The further right, the more often it asks a network for each image; diamonds ask none.
# Above 50 % a method ranks anomalies higher than normal data; at 50 % it guesses.

# %% tags=["hide-input", "nbval-ignore-output"]
means = method_means(results)
marks = [
    Mark(
        each.method,
        method_title(each.method),
        f"{each.experiment} ({each.edition})",
        each.nfe,
        100 * each.auroc,
        (100 * each.least, 100 * each.greatest),
        each.tasks,
    )
    for each in means
]
scatter(
    marks,
    f"Mean AUROC over tasks against network evaluations an image: {len(marks)} pairs of method and experiment, read from the run records.",
    "AUROC in % against the number of network evaluations an image, a mark a method and data set. The table below holds the same.",
)


# %% tags=["hide-input"]
def best(experiment: str, least: int, most: float) -> float | None:
    """The best mean AUROC of an experiment's methods with that many evaluations, in %."""
    return max(
        (100 * each.auroc for each in means if each.experiment == experiment and least <= each.nfe <= most),
        default=None,
    )


rows, slower_wins = [], []
for name in dict.fromkeys(each.experiment for each in means):
    none, few, many = best(name, 0, 0), best(name, 1, 10), best(name, 11, np.inf)
    rows.append((name, *("" if value is None else f"{value:.1f}" for value in (none, few, many))))
    if few is not None and many is not None:
        slower_wins.append(many > few)
lines = [
    "| experiment | none | 1 to 10 | more |",
    "|---|---|---|---|",
    *(f"| {' | '.join(row)} |" for row in rows),
]
display(
    Markdown(
        "The best mean AUROC in %, by the network evaluations that an image takes. It is the best in hindsight, of as many methods as "
        "the records hold, and so flatters each column; the chapters compare methods that were fixed before.\n\n"
        + "\n".join(lines)
        + f"\n\nIn {sum(slower_wins)} of the {len(slower_wins)} experiments that asked both ways, the best slow method beats the best with at most ten evaluations."
    )
)

# %% [markdown]
# ## Try it
#
# - At which $t$ can you no longer tell the photographs apart under each schedule? Compare the signal-to-noise ratios that the figure gives there.
# - Find the level at which the stripe is gone from the guess. Is that the level at which its error is largest?
# - Choose one data set in the last figure and go through it with the arrow keys. Which method without a network would you have to beat?
#
# ## Quick check
#
# :::{admonition} The same image at the same signal-to-noise ratio, under two schedules: what differs?
# :class: dropdown
# Only the name $t$ of the moment. The picture is the same up to the draw of the noise.
# :::
#
# :::{admonition} Why does the network return a clean digit when it was shown a striped one with much noise?
# :class: dropdown
# It has seen clean digits only. When noise hides what was there, its best guess is the mean of the clean digits that could have
# become this picture.
# :::
