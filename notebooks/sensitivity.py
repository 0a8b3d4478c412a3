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
# # Which settings matter?
#
# **The question.** The paper names no hyper-parameters {cite:p}`bhosale2024anomaly`. How much could its results depend on them? Learning rate,
# length of training, batch, moving average, width, depth, what the network predicts, and the noise level of the score: which of these
# decide what a detector finds, and which are not worth an afternoon?
#
# Small trainings on 8 x 8 digits answer it by numbers: some differ in their seed alone, some change one setting, and most change
# all settings at once.
#
# ::::{admonition} What you will learn
# :class: tip
# - how to ask about many settings with a few dozen trainings;
# - which settings the *training loss* depends on, and which the *detector*;
# - how large the noise floor is: what another seed changes;
# - how a share of the variance is computed, and how far a picture of such shares can be trusted.
#
# *Before this:* [MNIST-C](mnist_c.ipynb), [the noise schedule](noise_schedule.ipynb). *Time to read:* 12 minutes.
# ::::
#
# :::{admonition} Described, not chosen
# :class: warning
# The AUROCs here are of test images, with labels. They say how results vary with settings. No setting of this book was chosen by
# them, and none should be: whoever picks the best row below and reports it has tuned on the test set.
# :::

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from myst_nb import glue

from diffad import ablation_tables, sensitivity_tables, tables
from diffad.figures import ablations as figures
from diffad.figures.style import use_style
from diffad.importance import MADE_UP, NOTHING, WITH_CAUTION, total_shares
from diffad.sensitivity import DEFAULT, DESIGN, SETTINGS, as_features, level_rows, read_sensitivity

# %% tags=["parameters"]
record_folder = "../../results/sensitivity/cpu"
num_replicates = 100  # forests behind each interval of importance

# %% tags=["hide-input"]
use_style()
collected = read_sensitivity(record_folder)
table, record = collected.table, collected.record
levels, headline = record.shared["scoring"]["levels"], record.shared["scoring"]["headline"]
kinds = table["kind"].value_counts()
design, defaults = table[table["kind"] == DESIGN], table[table["kind"] == DEFAULT]
display(
    Markdown(
        f"**This page:** the *{record.edition}* edition on `{record.shared['dataset']}`: {len(table)} trainings, {len(defaults)} of the default settings from other "
        f"seeds, {len(table) - len(defaults) - len(design)} with one setting changed, {len(design)} along a Sobol sequence through all ranges, each from a seed of "
        f"its own. Each is tested on the same {len(collected.labels):,} images, clean and under {len(record.shared['protocol_parameters']['corruptions'])} corruptions, "
        f"and asked at {len(levels)} noise levels. A training took {table['train_seconds'].median():.0f} seconds (median, on a busy machine)."
    )
)
display(sensitivity_tables.settings_table())
display(
    Markdown(
        f"These {len(SETTINGS)} are settings of a training. The *noise level* is one more, of the score alone: every trained network was asked at all {len(levels)} levels, "
        "so it is free to change afterwards."
    )
)

# %% [markdown]
# ## One at a time
#
# The plain way: keep everything at its default, change one setting, look. A band shows the range of the default over its
# seeds, and the line within it their mean: what lies within the band is no finding.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Mean AUROC of two scores against each setting, all others at their default. Ring: the default, trained from the seed that all changes share. Bands: lowest to highest of the default's trainings from several seeds; thin line: their mean.", "name": "fig-sensitivity-one"}, "image": {"alt": "Seven small panels, one for each setting, with a line for the reconstruction error and one for the denoiser's profile, and two horizontal bands for the spread over seeds."}}
results = {"partial diffusion": "partial_diffusion", "denoiser's profile": headline}
panels = sensitivity_tables.one_at_a_time(table, results)
floors = {
    title: tuple(
        float(100 * each)
        for each in (defaults[method].min(), defaults[method].mean(), defaults[method].max())
    )
    for title, method in results.items()
}
figures.one_at_a_time(
    panels, floors, "mean AUROC in %", {each.title: each.default for each in SETTINGS.values()}
)

# %% tags=["hide-input"]
changed = table[~table["kind"].isin([DEFAULT, DESIGN])]
text = "Every change was trained from the seed of the ringed default, so both share that seed's luck. "
for title, method in results.items():
    ring, (low, mean, high) = 100 * table.loc[f"{DEFAULT}-0", method], floors[title]
    place = int((defaults[method] < table.loc[f"{DEFAULT}-0", method]).sum()) + 1
    where = (
        "the lowest"
        if place == 1
        else "the highest"
        if place == len(defaults)
        else f"number {place} from below"
    )
    below, above = int((100 * changed[method] < low).sum()), int((100 * changed[method] > high).sum())
    text += (
        f"For *{title}* the ring is {where} of {len(defaults)} seeds, {abs(ring - mean):.1f} points {'below' if ring < mean else 'above'} their mean, and "
        f"{below} of {len(changed)} changes lie below the band and {above} above it. "
    )
display(
    Markdown(
        text
        + "So a change is a finding only where it lies outside the band *and* far from its ring: within the band, another seed does as much, and near the ring the change has done little."
    )
)

# %% [markdown]
# One at a time is easy to read and easily misleads: it sees each setting at one place of all the others. A learning rate that is fine at
# 200 updates may be far too small at 50. So the larger part of the trainings changes all at once.
#
# ## All at once
#
# 1. **A design.** The settings of these trainings follow a Sobol sequence: points that fill all ranges evenly, with fewer gaps and clumps than
#    random draws.
# 2. **A prediction.** A random forest {cite:p}`breiman2001` learns to predict a result, such as an AUROC, from the settings. It is the mean of
#    many decision trees, each grown on other trainings.
# 3. **A shuffle.** Among trainings that the forest has *not* seen, the values of one setting are dealt out anew. Whatever the setting
#    did for the prediction is lost, alone or together with others, and the squared error rises.
# 4. **A share.** Half of that rise, divided by the variance of the result, is the setting's *total share*
#    {cite:p}`homma1996,hutter2014`.
# 5. **An interval.** All of it is done again on trainings drawn with replacement. Other draws give other shares; 95 % of them lie in the
#    interval.
#
# ### A case whose answer is known
#
# Let three settings $a$, $b$, $c$ be drawn evenly between 0 and 1, and let the result be $2a + b$. Then $c$ does nothing, and a perfect forest
# predicts without an error. What remains after a shuffle is that shuffle's doing:

# %% tags=["hide-input"]
rng = np.random.default_rng(0)
example = pd.DataFrame(rng.uniform(size=(200_000, 3)), columns=["a", "b", "c"])


def known(settings):
    return 2 * settings["a"] + settings["b"]


variance = known(example).var()
rises = {
    name: np.square(known(example.assign(**{name: rng.permutation(example[name])})) - known(example)).mean()
    for name in example
}
rows = {
    name: {
        "error after the shuffle": f"{rise:.3f}",
        "half of it": f"{rise / 2:.3f}",
        "variance of the result": f"{variance:.3f}",
        "total share, %": f"{100 * rise / 2 / variance:.0f}",
    }
    for name, rise in rises.items()
}
display(tables.one_header(pd.DataFrame.from_dict(rows, orient="index").rename_axis("setting")))

# %% [markdown]
# Twice the factor is four times the variance: $a$ makes four fifths of it, $b$ one fifth. Why half? A dealt-out $a$ is another draw of $a$, and the
# difference of two draws has twice the variance of one.
#
# Real forests are not perfect, and trainings are few. So three things will look odd below:
#
# - **A share below 0.** The shuffle happened to make the prediction better. That is chance; read it as 0.
# - **Shares that do not add up to 100 %.** An interaction counts for each setting that has a part in it, and what the forest does not explain
#   counts for none.
# - **A forest that explains less than 0 %.** It predicts worse than somebody who always says the mean. Then no share means anything.
#
# A *control* runs along: a setting of random numbers, which cannot matter. What it gets, chance gives.
#
# ### The settings of a training

# %% tags=["hide-input"] mystnb={"figure": {"caption": "What matters: the share of the variance that each setting accounts for, interactions included, in four results. Bars: mean over forests fitted to resampled trainings, each judged on trainings that it has not seen; whiskers: 95 % of them. The last row is a control: a setting of random numbers.", "name": "fig-sensitivity-importance"}, "image": {"alt": "Four panels of horizontal bars with whiskers, a row a setting and a last row for random numbers. The numbers stand in the table below."}}
names = list(SETTINGS)
tested = (table["kind"] == DESIGN).to_numpy()
rows = level_rows(table, levels)
importance = {
    "held-out loss": total_shares(
        as_features(table, names),
        np.log(table["validation_loss"]),
        tested=tested,
        num_replicates=num_replicates,
    ),
    "error at one level, AUROC": total_shares(
        as_features(rows, [*names, "level"]),
        rows["auroc"],
        runs=rows["cell"],
        tested=np.repeat(tested, len(levels)),
        num_replicates=num_replicates,
    ),
    "partial diffusion, AUROC": total_shares(
        as_features(table, names), table["partial_diffusion"], tested=tested, num_replicates=num_replicates
    ),
    "denoiser's profile, AUROC": total_shares(
        as_features(table, names), table[headline], tested=tested, num_replicates=num_replicates
    ),
}
titles = {name: each.title for name, each in SETTINGS.items()} | {"level": "noise level"}
figures.importance_bars(importance, titles)

# %% tags=["hide-input"]
display(sensitivity_tables.importance_table(importance, titles))
first = {
    result: [titles[name] for name in each.ranked() if name != MADE_UP and each.shares[name].low > 0]
    for result, each in importance.items()
    if each.trust() != NOTHING
}
untold = [result for result, each in importance.items() if each.trust() == NOTHING]
display(
    Markdown(
        "Shares in %, with 95 % intervals. The last row is the share of the variance that a forest explains of trainings that it has not seen: 100 % is perfect, "
        "0 % no better than their mean. Read it first: what it cannot predict, it cannot explain. "
        + (
            f"For *{'*, *'.join(untold)}* it explains less than its largest share alone, so nothing can be attributed there, whatever the other rows say. "
            if untold
            else ""
        )
        + "Settings whose interval lies above 0: "
        + "; ".join(f"for *{result}* {', '.join(found) or 'none'}" for result, found in first.items())
        + "."
    )
)

# %% [markdown]
# The *profile* uses all noise levels, so the level is no setting of it.
#
# ## The floor under everything
#
# How much of all that variation is what another seed would do anyway?

# %% tags=["hide-input"]
quantities = {
    "held-out loss, log": np.log(table["validation_loss"]),
    "error at t/T = 0.1, AUROC": 100 * table["one_step_at_0.1"],
    "partial diffusion, AUROC": 100 * table["partial_diffusion"],
    "max |z|, AUROC": 100 * table["levels_max_abs"],
    "denoiser's profile, AUROC": 100 * table[headline],
}
floor = sensitivity_tables.floor_table(quantities, table["kind"])
display(tables.one_header(floor))
ratios = sensitivity_tables.floor_ratios(quantities, table["kind"])
above = [title for title, (_, _, share) in ratios.items() if share.high > 1]
one_level_seeds = ratios["error at t/T = 0.1, AUROC"][0]
display(
    Markdown(
        "Standard deviation over seeds of the default and over the design (AUROC in points); and the range that the design spans. The share of the variance "
        f"that a seed alone makes is the square of the ratio of both. Its interval is wide: it comes from {len(defaults)} and {len(design)} trainings. "
        + (
            f"For *{'*, *'.join(above)}* it reaches beyond 100 %: with so few seeds it cannot be ruled out that seeds alone scatter as much as all settings together. "
            if above
            else ""
        )
        + f"The error at one level has a standard deviation of {one_level_seeds:.1f} points over seeds, so two trainings that differ in nothing else lie about "
        f"{2**0.5 * one_level_seeds:.1f} points apart (the square root of 2 times that). Keep it in mind wherever one training of each setting is compared."
    )
)

# %% [markdown]
# The spread over seeds need not be the same everywhere in the design: it was measured at the default alone.
#
# ## Does a lower loss find more?

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Every training: mean AUROC against the loss on held-out clean images. Filled: the design; rings: the default from several seeds; crosses: one setting changed.", "name": "fig-sensitivity-loss"}, "image": {"alt": "Two scatter plots of AUROC against the held-out loss on a logarithmic axis, for partial diffusion and for the denoiser's profile."}}
figures.scatter_of_cells(
    table["validation_loss"],
    {title: 100 * table[method] for title, method in results.items()},
    table["kind"],
    "loss on held-out clean images",
    "mean AUROC in %",
)

# %% tags=["hide-input"]
parts = {"all": design, "networks that predict eps or v": design[design["parameterisation"] != "x0"]}
correlations = {
    (title, part): sensitivity_tables.rank_correlation(rows["validation_loss"], rows[method])
    for title, method in results.items()
    for part, rows in parts.items()
}
display(
    tables.one_header(
        pd.DataFrame(
            {
                title: {
                    f"{part} ({len(rows)})": ablation_tables.plain(correlations[title, part], 2)
                    for part, rows in parts.items()
                }
                for title in results
            }
        ).rename_axis("rank correlation over the design")
    )
)

# %% [markdown]
# Where a correlation is near $-1$, the loss on clean images is a guide to settings that needs no label of an anomaly; where it is near 0, it
# is none. The loss is the error of the predicted *noise*, whatever a network predicts. One that predicts the clean image has to divide its error by
# a nearly vanishing noise to be compared at the cleanest levels, so its loss is of another order, and mixing both kinds hides what holds
# within one. Compare losses only among networks that predict the same kind of thing.
#
# That the moving average makes no difference has a reason of its own: it starts from a short memory and lengthens it update by update, up
# to its setting. In trainings as short as these, the longer settings are never reached.

# %% [markdown]
# ## Verdict
#
# :::{admonition} What the paper claims
# :class: note
# Nothing: it gives neither hyper-parameters nor an analysis of them. This page fills that gap for one small data set.
# :::

# %% tags=["hide-input"]
one_level = importance["error at one level, AUROC"]
strongest = {result: each.strongest() for result, each in importance.items()}
spans = {title: floor.loc[title, "range over the design"] for title in quantities}
lines = []
for result, name in strongest.items():
    each = importance[result]
    share, explained = (tables.one_line(found.percent(0)) for found in (each.shares[name], each.r_squared))
    if each.trust() == NOTHING:
        lines.append(
            f"- **{result}**: nothing can be attributed. The forest explains {explained} % of what it has not seen, less than the "
            f"{100 * each.shares[name].estimate:.0f} % that it would give to *{titles[name]}* alone."
        )
        continue
    told = "most by" if each.shares[name].low > 0 else "no setting stands out beyond chance; the largest is"
    lines.append(
        f"- **{result}**: {told} *{titles[name]}*, {share} % of the variance; the forest explains {explained} % of what it has not seen"
        + (", which may be nothing: take it with caution." if each.trust() == WITH_CAUTION else ".")
    )
display(
    Markdown(
        "\n".join(lines)
        + f"\n\nOver the design, AUROC ranges from {spans['partial diffusion, AUROC']} for partial diffusion and from {spans['denoiser' + chr(39) + 's profile, AUROC']} for the "
        "profile, with the same data and the same method: a figure without its settings, or of one seed, says little. These are "
        "small networks on 8 x 8 digits; which settings matter elsewhere is for the same experiment elsewhere."
    )
)
for result, key in zip(importance, ("loss", "level", "partial", "profile"), strict=True):
    first_named = "nothing" if importance[result].trust() == NOTHING else titles[strongest[result]]
    glue(f"sensitivity-{key}-first", first_named, display=False)
    glue(f"sensitivity-{key}-share", importance[result].shares[strongest[result]].percent(0), display=False)
    glue(f"sensitivity-{key}-explained", importance[result].r_squared.percent(0), display=False)
glue("sensitivity-noise-level-share", one_level.shares["level"].percent(0), display=False)
glue("sensitivity-trainings", len(table), display=False)
for title, key in (("partial diffusion, AUROC", "partial"), ("denoiser's profile, AUROC", "profile")):
    glue(f"sensitivity-{key}-range", spans[title], display=False)
    glue(f"sensitivity-{key}-seeds", f"{ratios[title][0]:.1f}", display=False)
for (title, part), each in correlations.items():
    key = ("partial" if "partial" in title else "profile") + ("-loss" if part == "all" else "-loss-eps-v")
    glue(f"sensitivity-{key}", f"{each.estimate:.2f} ({each.low:.2f}, {each.high:.2f})", display=False)

# %% [markdown]
# ### Can the record be trusted?

# %% tags=["hide-input"]
assert not collected.mismatches()
display(
    Markdown(
        f"Every AUROC of the {len(table)} trainings was computed anew from the ranks of the raw scores. One training is run again by\n\n```bash\n"
        f"diffad run experiments/sensitivity.yaml --edition {record.edition} --cell design-00 --results .work/runs\n```"
    )
)

# %% [markdown]
# ## Try it
#
# - Add the schedule to the settings in `diffad/sensitivity.py`, print the design anew and run it. Where does it stand among the others?
# - Halve the design and make the picture of importance again. Which statements survive?
#
# ## Quick check
#
# :::{admonition} A setting's bar is near zero. May it be set to anything?
# :class: dropdown
# Within the range that was tried, and for the result that was measured. Outside, a training may fail.
# :::
#
# :::{admonition} The random numbers have a bar that is not zero. What does that say?
# :class: dropdown
# How large a bar is when there is nothing behind it. Bars of that size are no finding.
# :::
#
# :::{admonition} Why is the forest judged on trainings that it has not seen?
# :class: dropdown
# On those it was fitted to, it can explain anything, the random numbers included.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Compute: shares that add up to more than one
# :label: ex-sensitivity-shares
# Two settings $a$ and $b$ are $-1$ or 1, as likely, and each is chosen without the other. Which total share has each in the result
# $a + 2b$, and which in $a \cdot b$? Why may the shares of one result add up to more than 1?
# :::

# %% [markdown]
# :::{solution} ex-sensitivity-shares
# :class: dropdown
# ```{literalinclude} /coursework/solutions/sensitivity.py
# :pyobject: total_share
# ```
#
# In the product neither does anything by itself: all is interaction, and a total share counts it for both. Whoever changes $a$ alone, with
# $b$ fixed at 0 as a default between the two, would see nothing at all.
# :::

# %% [markdown]
# :::{exercise} Implement: importance by shuffling
# :label: ex-sensitivity-shuffle
# Write `permutation_share(predict, settings, results, column, order)`: shuffle one setting, and take half of the rise of the squared error
# as a share of the variance. Why half?
# :::

# %% [markdown]
# :::{solution} ex-sensitivity-shuffle
# :class: dropdown
# ```{literalinclude} /coursework/solutions/sensitivity.py
# :pyobject: permutation_share
# ```
#
# A shuffled setting is an independent draw of it. What it decides then differs between two draws, and the square of that difference is
# twice the variance on average.
# :::

# %% [markdown]
# :::{exercise} Investigate: the best row, trained again
# :label: ex-sensitivity-winner
# Of 32 trainings with different settings you take the best and train it again from another seed. How much worse is it on average, if seeds
# alone make none, 10 %, 30 % or all of the variance?
# :::

# %% [markdown]
# :::{solution} ex-sensitivity-winner
# :class: dropdown
# ```{literalinclude} /coursework/solutions/sensitivity.py
# :pyobject: winner_falls_back
# ```
#
# Read the share of the seeds off the table of the floor above. The larger it is, the more of the best row is luck, and luck does not come
# twice. So report what a second seed gives, and not the row that was picked.
# :::
