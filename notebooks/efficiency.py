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
# # What detection costs
#
# **The question.** A diffusion model asks a network once, ten times or hundreds of times an image, after a training that takes minutes to days.
# Isolation Forest is done before the network is loaded. The paper gives no such comparison, and says itself that the cost of scaling is left
# open {cite:p}`bhosale2024anomaly`. How do time and memory grow with the size of images and with the number of training images, for diffusion
# and for ten traditional detectors? And when is the difference worth paying?
#
# ::::{admonition} What you will learn
# :class: tip
# - to read a growth law off a logarithmic plot, and to doubt it at small sizes;
# - which costs grow with pixels, which with training rows, and which you choose yourself;
# - what network evaluations cost, and why counting them is the fair measure;
# - what accuracy was bought at what price in this book's experiments on pixels.
#
# *Before this:* [the two denoisers](networks.ipynb) and [from denoiser to detector](scorers.ipynb). *Time to read:* 12 minutes.
# ::::

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from myst_nb import glue

from diffad.efficiency import recorded
from diffad.efficiency import tables as costs
from diffad.efficiency.record import read_efficiency, verify_efficiency
from diffad.figures import efficiency as figures
from diffad.figures.style import method_title, use_style
from diffad.joined_tasks import DATA_SETS
from diffad.tables import one_header, one_line

# %% tags=["parameters"]
efficiency_record = "../../results/efficiency/cpu"
results_folder = "../../results"
shown_side = 32  # pixels a side of the table of costs
experiments = [
    "mnist-c",
    "cifar10-one-class",
    "mini-imagenet",
    "mvtec-pixels",
]  # experiments whose accuracy is set against cost

# %% tags=["hide-input"]
use_style()
record = read_efficiency(efficiency_record)
mismatches, recomputed = verify_efficiency(efficiency_record)
assert record.is_complete and not mismatches, mismatches
settings = record.settings
unit = "processor seconds of one thread" if settings.device == "cpu" else "wall seconds of the GPU"
display(
    Markdown(
        f"**This page:** {len(record.measurements):,} measurements on {record.provenance.device}, in {settings.rounds} rounds, {unit}. "
        f"Other work ran on the machine at the same time. Processor time is not lengthened by it as wall time is, but caches and clock "
        "speed are shared, so each cell is measured once a round, all methods taking turns, and medians are shown with the lowest and the "
        f"highest round. All {recomputed:,} medians and exponents below were recomputed from the raw rounds when this page was run."
    )
)

# %% [markdown]
# ## How it was measured
#
# Each cell, one method at one size, runs in a process of its own. It first does the same on a few tiny images, so that loading
# code is not counted, and then trains and scores under two caps. What passes a cap is ended by the operating system and shown as stopped,
# never left out. Memory is the peak of the resident set above what the imports take, with the images themselves included.
#
# The images are random, with the spectrum of photographs, because no data set has all sizes. What a network's weights are does not
# change what it costs, so networks are measured untrained. `benchmarks/efficiency.py` is the command.

# %% tags=["hide-input"]
kilo = f"{settings.rows_at_each_side:,}"
display(
    Markdown(
        f"- **Against pixels:** {', '.join(map(str, settings.sides))} pixels a side, "
        f"{'grey' if settings.channels == 1 else 'in colour'}, {kilo} training images.\n"
        f"- **Against rows:** {settings.rows[0]:,} to {settings.rows[-1]:,} training images of {settings.side_for_rows} pixels a side. "
        "The limits that keep some baselines usable elsewhere in this book are lifted here.\n"
        f"- **Caps:** {settings.cap_seconds} s and {settings.cap_bytes / 1e9:g} GB for one call.\n"
        f"- **Networks:** U-Net *{settings.unet['size']}* and DiT *{settings.dit['size']}* with patches of {settings.dit['patch']}, the same "
        "at each size, with the attention that they have there. Their training seconds are the measured time an image, times a budget of "
        f"{settings.images_seen:,} images seen. Their batch holds at most {settings.images_at_once} images and {settings.pixels_at_once:,} pixels.\n"
        f"- **Baselines** are fitted on all rows and score {settings.scored_images} images in one call. COPOD and ECOD rank those "
        "among the training rows, so their time an image is that of such a batch."
    )
)

# %% [markdown]
# ## Growth with the size of images
#
# On logarithmic axes a power law $\text{cost} = a\,n^b$ is a straight line of slope $b$. Twice the side is four times the numbers $n$ that an image holds.
# Behind each name stands $b$, fitted by least squares to the larger half of the sizes: at small sizes the calls themselves cost more than what
# they compute, and every line is flat.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Training: a whole fit of a baseline; a network's stated budget of images seen. Left against pixels a side, right against training rows. Behind each name, the fitted exponent. A cross: stopped by its cap, drawn as low as the cost could have been, so the true one lies there or above.", "name": "fig-efficiency-training"}, "image": {"alt": "Two panels of lines on logarithmic axes, one line a method, named at the right edge. The exponents stand in the tables below."}}
figures.growth_curves(record, "training", "seconds")

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Scoring one image, against pixels a side. A network's cost does not depend on its training rows, so the right panel shows baselines alone. A line that ends early: training was stopped at the next size, so there was nothing to score with. A cross: scoring itself was stopped, and costs that or more.", "name": "fig-efficiency-scoring"}, "image": {"alt": "Two panels of lines on logarithmic axes, one line a method, named at the right edge. The exponents stand in the tables below."}}
figures.growth_curves(record, "scoring", "seconds")

# %% [markdown]
# Exponents against the numbers an image holds, with 95 % intervals. They cover the scatter of the rounds and any bend within the larger half of the
# sizes; they promise nothing beyond the largest.

# %% tags=["hide-input"]
display(costs.exponent_table(record, "pixels"))

# %% tags=["hide-input"]
display(
    Markdown(
        "With the numbers an image holds, time of **training** grows\n\n"
        + costs.growth_sentences(record, "pixels", "training")
        + "\n\nand time of **scoring**\n\n"
        + costs.growth_sentences(record, "pixels", "scoring")
        + "\n\nBehind a method that was stopped stand the sizes at which it was fitted. They are smaller, and there lines tend to be flatter."
    )
)
walks = ["partial_diffusion", "partial_diffusion_250"]
common = costs.exponents_at_common_sizes(record, walks, "pixels", "scoring")
own = {
    each.method: each
    for each in record.growths
    if (each.axis, each.phase, each.quantity) == ("pixels", "scoring", "seconds")
}
if common and own[walks[0]].sizes != own[walks[1]].sizes:
    few, many = (common[name] for name in walks)
    display(
        Markdown(
            f"So exponents fitted at different sizes must not be compared. Partial diffusion in ten steps and in {costs.NETWORK_METHODS[walks[1]][1]} asks one and "
            f"the same network, yet above it has {costs.exponent_text(own[walks[0]])} (at {costs.sizes_text('pixels', own[walks[0]].sizes)}) and "
            f"{costs.exponent_text(own[walks[1]])} (at {costs.sizes_text('pixels', own[walks[1]].sizes)}). Fitted at the same sizes, "
            f"{costs.sizes_text('pixels', few.sizes)}, they are {costs.exponent_text(few)} and {costs.exponent_text(many)}."
        )
    )

# %% [markdown]
# ## Growth with the number of training images
#
# Here the sides change places. A network's training is what you grant it: the editions of this book fix the number of updates, and a step costs
# the same whether it draws its batch from hundreds of images or from thousands. (Train for a number of passes over the data instead, and it is
# linear by definition.) A detector that compares every image with every other has no such choice.

# %% tags=["hide-input"]
display(costs.exponent_table(record, "rows"))

# %% tags=["hide-input"]
display(
    Markdown(
        "With the training rows, time of **training** grows\n\n"
        + costs.growth_sentences(record, "rows", "training")
        + "\n\nand time of **scoring** an image\n\n"
        + costs.growth_sentences(record, "rows", "scoring")
    )
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "All exponents of time with their 95 % intervals: filled for training, open for scoring.", "name": "fig-efficiency-exponents"}, "image": {"alt": "Two panels of points with intervals, a row a method, between dashed lines that mark constant, linear and quadratic growth."}}
figures.exponents(record)

# %% [markdown]
# ## Memory
#
# A baseline holds all training images as 8-byte numbers, and copies of them: 8 times what the images take at rest, before it begins. A network
# holds a batch. How large that is, you choose; so its memory is a setting and has no exponent.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Peak memory of training above the imports. Networks' batches are cut to a number of pixels.", "name": "fig-efficiency-memory"}, "image": {"alt": "Two panels of lines on logarithmic axes, one line a method, named at the right edge: peak megabytes against pixels a side and against training rows."}}
figures.growth_curves(record, "training", "bytes")

# %% [markdown]
# ## One size in numbers

# %% tags=["hide-input"]
display(
    Markdown(
        f"Images of {shown_side} pixels a side, {kilo} training rows; medians of {settings.rounds} rounds (lowest to highest). NFE: network evaluations an image."
    )
)
display(costs.cost_table(record, "pixels", shown_side))

# %% [markdown]
# ## What an evaluation costs
#
# Diffusion scores differ in how often they ask. If time is evaluations times the time of one, then counting evaluations (NFE) is a fair measure, and
# does not depend on the machine. Does it hold?

# %% tags=["hide-input"]
each = costs.seconds_an_evaluation(record, shown_side)
few, many = min(each.values()), max(each.values())
display(
    Markdown(
        f"Roughly: at {shown_side} pixels the U-Net's seconds an image, divided by its evaluations, lie between {1e3 * few:.1f} and {1e3 * many:.1f} ms for "
        f"{len(each)} scores that take {min(costs.NETWORK_METHODS[name][1] for name in each)} to {max(costs.NETWORK_METHODS[name][1] for name in each)} evaluations. "
        f"The dearest evaluation, that of *{costs.title_of(max(each, key=each.get))}*, costs {100 * (many / few - 1):.0f} % more than the cheapest. "
        f"The number of evaluations differs {max(costs.NETWORK_METHODS[name][1] for name in each) / min(costs.NETWORK_METHODS[name][1] for name in each):.0f}-fold: "
        "beside that, the error is small. "
        "Below, one evaluation of one image by both networks: operations counted on the network itself, milliseconds measured in batches, and their ratio."
    )
)
display(one_header(costs.evaluation_table(record).rename_axis("side")))

# %% [markdown]
# Where attention sits on maps that grow with the image, its products grow with the square of the pixels, for the U-Net as for the transformer; [the
# chapter on networks](networks.ipynb) counts them.
#
# ## Accuracy against cost
#
# What was it all good for? Here stand the experiments in which networks and traditional detectors learn from the same pixels. Each point is a
# method in one of them: mean AUROC over its tasks, against the wall time of one task with training and scoring of all its test images. Scores of one network share its training, and its scoring by their evaluations. The grey line joins what nothing
# cheaper reaches.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Mean AUROC against wall seconds of a task. Filled: diffusion. Open: traditional detectors. Intervals stand in the chapters of the experiments.", "name": "fig-efficiency-accuracy"}, "image": {"alt": "A panel for each experiment: points of all methods, each with its name beside it, AUROC against seconds on a logarithmic axis. The best of both kinds stand in the table below."}}
folders = {
    title: name
    for title, name in {each.title: each.folders[0] for each in DATA_SETS}.items()
    if name in experiments and recorded.read_experiment(results_folder, name, "cpu")
}
found = {title: recorded.trades(results_folder, name) for title, name in folders.items()}
figures.accuracy_and_cost(found)

# %% tags=["hide-input"]
rows, gains, ratios, candidates = {}, {}, {}, {True: [], False: []}
for name, methods in found.items():
    network, baseline = (recorded.best_of(methods, kind) for kind in (True, False))
    for kind, counts in candidates.items():
        counts.append(sum(recorded.is_network(each.method) == kind for each in methods))
    gains[name] = recorded.gain(results_folder, folders[name], network, baseline)
    ratios[name] = network.seconds / baseline.seconds
    rows[name] = {
        "best of diffusion": method_title(network.method),
        "AUROC, %": f"{100 * network.auroc:.1f}",
        "takes": costs.seconds_text(network.seconds),
        "best baseline": method_title(baseline.method),
        "its AUROC, %": f"{100 * baseline.auroc:.1f}",
        "it takes": costs.seconds_text(baseline.seconds),
        "difference, points": one_line(gains[name].percent()),
        "times the cost": f"{ratios[name]:,.0f}",
    }
display(one_header(pd.DataFrame.from_dict(rows, orient="index").rename_axis("experiment")))
ahead = [name for name, gain in gains.items() if gain.low > 0]
behind = [name for name, gain in gains.items() if gain.high < 0]
level = [name for name in gains if name not in ahead + behind]


def named(names):
    return f"{len(names)} ({', '.join(names)})" if names else "none"


def counted(numbers):
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"


display(
    Markdown(
        f"Differences are paired, with 95 % intervals over test images. Of {len(gains)} experiments, diffusion is ahead beyond chance in {named(ahead)}, behind in "
        f"{named(behind)}, and in {named(level)} neither can be told to be ahead; its cost is {min(ratios.values()):,.0f} to {max(ratios.values()):,.0f} times that of "
        f"the best baseline. Both were picked by their result on these images, the best of {counted(candidates[True])} readings of diffusion and the best of "
        f"{counted(candidates[False])} baselines. That flatters both, and more so the kind with more to pick from."
    )
)

# %% [markdown]
# ## When does diffusion pay?

# %% tags=["hide-input"]
fast, slow = (
    costs.find(record, name, "pixels", "scoring", shown_side).median for name in ("knn", "denoiser_profile")
)
training = costs.find(record, "one_step", "pixels", "training", shown_side).median
display(
    Markdown(
        f"- **Ask first what a baseline reaches.** It costs seconds. Where no difference can be told above, or it is ahead, training a network on the same pixels bought nothing that shows.\n"
        f"- **Training is paid once, scoring for each image.** At {shown_side} pixels the budget takes {costs.seconds_text(training)}; the denoiser's profile then "
        f"takes {costs.seconds_text(slow)} an image, KNN {costs.seconds_text(fast)} with {kilo} rows. After {training / slow:,.0f} images scoring has cost as much as training.\n"
        f"- **Evaluations are the lever.** The cost of scoring is their number times that of one, so ten instead of 250 is 25 times cheaper; "
        "[From denoiser to detector](scorers.ipynb) shows what each number finds.\n"
        "- **Many rows favour the network.** Its cost does not ask how many there are; that of detectors which compare all pairs, or hold a kernel matrix, does.\n"
        "- **Large images favour neither.** Look at the exponents: what has attention on large maps grows faster than the pixels. Shrink the images, or "
        "work [on features](feature_space.ipynb), before you buy a larger machine."
    )
)

# %% [markdown]
# ## What the experiments of this book took
#
# An edition called *cpu* is to finish within two hours a data set on two cores. The wall times in the records say whether it did; they were taken on a machine that
# did other work besides, so an idle one needs less.

# %% tags=["hide-input", "nbval-ignore-output"]
times = recorded.wall_times(results_folder)
parts = ["training", "scoring", "baselines", "other", "all"]
shown = times.assign(**{part: times[part].map("{:.1f}".format) for part in parts})
display(one_header(shown.set_index("experiment").rename_axis("experiment, minutes")))

# %% tags=["hide-input", "nbval-ignore-output"]
by_set = recorded.wall_times_by_data_set(times)
display(
    one_header(
        by_set.assign(
            **{part: by_set[part].map("{:.1f}".format) for part in ("all", "minutes", "side by side")}
        ).rename(columns={"all": "all, minutes", "minutes": "longest, minutes", "within": "within 2 h"})
    )
)
late = {
    word: [name for name in by_set.index if by_set.loc[name, "within"] == word]
    for word in set(by_set["within"])
}
sentence = f"The longest edition keeps to two hours, its cells one after another, for {len(late.get('yes', []))} of {len(by_set)} data sets"
if later := late.get("two cells side by side"):
    sentence += f"; for {', '.join(later)} it does so only if two cells run side by side, which half the sum estimates"
if never := late.get("no"):
    sentence += f"; for {', '.join(never)} it does not"
display(
    Markdown(
        f"{sentence}. *Longest* is the data set's longest experiment, *side by side* half of it where it has several cells, an estimate. "
        "**The gpu editions were not measured:** no GPU was at hand, so no time is stated for them. "
        "`python benchmarks/efficiency.py --device cuda` measures the networks of this page on one, and `diffad run EXPERIMENT --edition gpu` records each experiment's own times."
    )
)

# %% tags=["hide-input"]
changed = record.changed_modules()
display(
    Markdown(
        "Since the measurements, code changed in " + ", ".join(f"`{name}`" for name in changed) + "."
        if changed
        else "The code that was measured is the code as it is."
    )
)
growth = {(each.method, each.axis, each.phase, each.quantity): each for each in record.growths}
for key, (method, axis, phase) in {
    "unet-pixels": ("one_step", "pixels", "scoring"),
    "dit-pixels": ("dit", "pixels", "scoring"),
    "unet-rows": ("one_step", "rows", "training"),
    "ocsvm-rows": ("ocsvm", "rows", "training"),
}.items():
    if (fitted := growth.get((method, axis, phase, "seconds"))) is not None:
        glue(f"efficiency-{key}", costs.exponent_text(fitted), display=False)
glue("efficiency-ahead", len(ahead), display=False)
glue("efficiency-experiments", len(found), display=False)
glue("efficiency-cost-ratio", f"{np.median(list(ratios.values())):,.0f}", display=False)
glue("efficiency-profile-an-image", costs.seconds_text(slow), display=False)

# %% [markdown]
# ## Try it
#
# - `python benchmarks/efficiency.py --smoke --out .work/efficiency` measures tiny sizes on your machine. Are its exponents those of this page? Why are they smaller?
# - Count operations instead: `diffad.costs.count_flops` needs no clock. At which side does the transformer's exponent pass that of the U-Net?
# - Take patches of 8 instead of 4 for the transformer. Which of its two exponents changes, and what is lost?
#
# ## Quick check
#
# :::{admonition} A method takes 1 ms at 16 pixels and 4 ms at 32. What is its exponent against the numbers an image holds?
# :class: dropdown
# One. Four times the numbers, four times the time. Against the *side* it would be two: say which you mean.
# :::
#
# :::{admonition} Why fit the larger half of the sizes alone?
# :class: dropdown
# At small sizes a constant cost, that of calling, hides what grows. It would flatten the line, and promise too little at large sizes.
# :::
#
# :::{admonition} Processor time on a shared machine: what can still disturb it?
# :class: dropdown
# Caches, memory bandwidth and the clock speed are shared. So rounds are spread over the whole run, and their spread is shown.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Compute: when does a line look straight?
# :label: ex-efficiency-constant
# A call costs a constant and then the same for every number. Which slope has it on logarithmic axes where both parts cost as much? How many
# times larger must an image be for a slope of 0.95?
# :::

# %% [markdown]
# :::{solution} ex-efficiency-constant
# :class: dropdown
# ```{literalinclude} /coursework/solutions/efficiency.py
# :pyobject: local_exponent
# ```
#
# At a tenth of the size where both are equal the slope is below 0.1, and 19 times that size is needed for 0.95. A small exponent in a table
# may be a constant that is not yet overgrown.
# :::

# %% [markdown]
# :::{exercise} Implement: the exponent of a power law
# :label: ex-efficiency-exponent
# Write `growth_exponent(numbers, costs)`: the slope of a straight line through the logarithms of the larger half of the sizes, by least
# squares.
# :::

# %% [markdown]
# :::{solution} ex-efficiency-exponent
# :class: dropdown
# ```{literalinclude} /coursework/solutions/efficiency.py
# :pyobject: growth_exponent
# ```
#
# The logarithm of $a\,n^b$ is a straight line in $\log n$, and the unit of the costs only moves it up or down. Least squares in the
# logarithms weigh relative errors: without them the largest size alone would decide.
# :::

# %% [markdown]
# :::{exercise} Investigate: after how many images does a network pay?
# :label: ex-efficiency-even
# A network trains for 150 s and then takes 3 ms an image; a detector that compares each image with all training rows has no training and
# takes 3 microseconds a row. After how many images has the network cost less, for 500 to 100,000 rows? And if it is asked ten times an
# image?
# :::

# %% [markdown]
# :::{solution} ex-efficiency-even
# :class: dropdown
# ```{literalinclude} /coursework/solutions/efficiency.py
# :pyobject: images_to_break_even
# ```
#
# Never, where all rows are compared as fast as the network is evaluated: then its training is not even the point. Put your own times in,
# from the table of one size above. And cost is half the question: the cheaper one must also find the anomalies.
# :::
