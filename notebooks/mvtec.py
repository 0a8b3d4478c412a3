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
# # MVTec-AD: defects, from pixels
#
# **The question.** A factory has photographs of good screws and good toothbrushes. Is a defect, a scratched thread or a bent
# bristle, reconstructed worse than what is around it? MVTec-AD {cite:p}`bergmann2019mvtec` asks exactly this, and the paper names it
# among the sets on which diffusion beats the classical detectors {cite:p}`bhosale2024anomaly`.
#
# Here the networks see the pixels and nothing else, as the paper's do. What features of a network trained on other photographs
# add is measured [in feature space](feature_space.ipynb).
#
# ::::{admonition} What you will learn
# :class: tip
# - why a defect that covers few of its pixels hardly moves an image's reconstruction error;
# - how U-Net and transformer, given equal compute, and ten baselines do on the same split;
# - what separates these figures from the nearly perfect ones that others publish on the same photographs.
#
# *Before this:* [MNIST-C](mnist_c.ipynb). *Time to read:* 8 minutes.
# ::::

# %% tags=["hide-input"]
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from myst_nb import glue
from scipy.stats import pearsonr, rankdata

from diffad import tables, task_tables, two_networks
from diffad.configuration import load_experiment
from diffad.evaluation import MEAN_OVER_GROUPS
from diffad.experiments import make_split
from diffad.figures import one_class as figures
from diffad.figures import results as result_figures
from diffad.figures.style import method_title, use_style
from diffad.joined_tasks import evaluate_joined, find_data_set, joined_tasks
from diffad.published import MVTEC_IMAGES
from diffad.records import mismatches, read_record, stale_modules
from diffad.run_record import RunScores
from diffad.scorers.complexity import compressed_bits_per_dim
from diffad.tasks import evaluate_tasks

# %% tags=["parameters"]
results_folder = "../../results"
edition_name = "cpu"

# %% tags=["hide-input"]
use_style()
data_set = find_data_set("mvtec")
tasks = joined_tasks(data_set, results_folder, edition_name)
experiment = load_experiment("../../experiments/mvtec_pixels.yaml")
splits = {cell: make_split(experiment, experiment.edition(edition_name), cell) for cell in tasks}
records = {
    name: {cell: read_record(Path(results_folder, name, edition_name, cell))[0] for cell in tasks}
    for name in data_set.folders
}
unet, dit = (records[name] for name in data_set.folders)
side = splits[next(iter(tasks))].test.shape[1]
display(
    Markdown(
        f"**This page:** the *{edition_name}* edition at {side} x {side} pixels, the {len(tasks)} categories at hand: "
        + "; ".join(
            f"*{cell}*, {len(splits[cell].train)} good images train, {len(splits[cell].validation)} calibrate, "
            f"{int((task.scores.labels == 0).sum())} good and {int(task.scores.labels.sum())} defective ones are tested"
            for cell, task in tasks.items()
        )
        + ". Which good images are tested is drawn anew from those of both official parts (the *redrawn* split): in the copies at hand the "
        "official good test images differ in light from the training ones, which a detector of light would be praised for "
        "(see [the data](data.ipynb)). U-Net and DiT had equally many operations of training."
    )
)

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Tested images as the networks see them: good ones, and defective ones, in the order of the test set.", "name": "fig-mvtec-images"}, "image": {"alt": "For each category a row of good and a row of defective images. At this size most defects are hard to see."}}
rows = {}
for cell, task in tasks.items():
    for label, word in ((0, "good"), (1, "defective")):
        rows[f"{cell},\n{word}"] = splits[cell].test[np.flatnonzero(task.scores.labels == label)[:8]]
figures.image_rows(rows)

# %% [markdown]
# ## Every method

# %% tags=["hide-input"]
ours = two_networks.qualified()
asked = next(iter(unet.values())).experiment
baselines = [*asked["baselines"], *next(iter(dit.values())).experiment["baselines"]]
results = evaluate_joined(data_set, tasks, [*ours, *baselines])
averages = tables.means(results)
table = pd.DataFrame(
    {
        **{
            cell: {
                method_title(method): tables.one_line(results.interval("auroc", method, cell).percent())
                for method in results.methods
            }
            for cell in tasks
        },
        "mean": {
            method_title(method): tables.one_line(averages[method].percent()) for method in results.methods
        },
    }
)
order = sorted(results.methods, key=lambda method: -averages[method].estimate)
display(tables.one_header(table.loc[[method_title(method) for method in order]].rename_axis("method")))

# %% [markdown]
# Image AUROC in % with 95 % bootstrap intervals over test images, best mean first. Two categories of fifteen are no sample of the
# data set: read each column as a case.

# %% tags=["hide-input"]
places = {
    cell: sorted(results.methods, key=lambda method: -results.interval("auroc", method, cell).estimate)
    for cell in tasks
}
display(
    Markdown(
        " ".join(
            f"On *{cell}* {method_title(ranked[0])} is best ({100 * results.interval('auroc', ranked[0], cell).estimate:.1f} %); "
            + ", ".join(
                f"on *{other}* it is number {places[other].index(ranked[0]) + 1} of {len(ranked)} "
                f"({100 * results.interval('auroc', ranked[0], other).estimate:.1f} %)"
                for other in tasks
                if other != cell
            )
            + "."
            for cell, ranked in places.items()
        )
        + " The best of two dozen methods on a few dozen good images is partly luck, so who wins one category says little about another."
    )
)

# %% tags=["hide-input"] mystnb={"figure": {"caption": "AUROC with 95 % intervals: reconstruction error and the denoiser's profile of either network, and the paper's three baselines. Left of 50 a score is inverted.", "name": "fig-mvtec-methods"}, "image": {"alt": "Dot plot of seven methods for the two categories and their mean. The numbers stand in the table above."}}
paper = [name for name in ("iforest", "ocsvm", "copod") if name in baselines]
chosen = ["unet/denoiser_profile", "dit/denoiser_profile", "unet/one_step", "dit/one_step", *paper]
shown = evaluate_joined(data_set, tasks, chosen)
result_figures.group_dot_plot(tables.intervals(shown), tables.means(shown))

# %% [markdown]
# ## Why so little on screws?
#
# The error of a whole image is a sum over thousands of pixels, of which a defect covers few, and a screw lies turned at any angle. How few is
# not known for screws: the copy at hand has no masks, the drawings of where the defects are. And smallness alone explains little: the
# toothbrush's defects are small, too, and are found. So does the error follow the defect, or how much there is to be rebuilt, or the light?
# Rank correlations of the U-Net's error over the good test images alone answer for the last two: there is no defect in them.


# %% tags=["hide-input"]
def rank_correlation(a, b):
    """Spearman's, which is Pearson's of the ranks, with a 95 % interval by Fisher's transformation, in [-1, 1]."""
    found = pearsonr(rankdata(a), rankdata(b))
    ends = found.confidence_interval(0.95)
    return found.statistic, ends.low, ends.high


rows, correlations, growth = {}, {}, {}
for cell, task in tasks.items():
    error, good = task.scores.by_method["unet/one_step"], task.scores.labels == 0
    masks = splits[cell].reveal(error).masks
    bits, grey = (
        compressed_bits_per_dim(splits[cell].test[good]),
        splits[cell].test[good].mean(axis=(1, 2, 3)),
    )
    for what, values in (("detail", bits), ("light", grey)):
        correlations[cell, what] = rank_correlation(error[good], values)
    growth[cell] = np.median(error[~good]) / np.median(error[good])
    shown_cells = {
        what: tables.one_line("{:.2f} ({:.2f}, {:.2f})".format(*correlations[cell, what]))
        for what in ("detail", "light")
    }
    rows[cell] = {
        "good test images": int(good.sum()),
        "with detail (compressed length)": shown_cells["detail"],
        "with light (mean grey)": shown_cells["light"],
        "spread of good images' errors (90 % / 10 % quantile)": f"{np.quantile(error[good], 0.9) / np.quantile(error[good], 0.1):.2f}",
        "median defective / median good": f"{growth[cell]:.2f}",
        "share of pixels on a defect": "no masks at hand"
        if masks is None
        else f"{100 * masks[~good].mean():.1f} %",
    }
display(tables.one_header(pd.DataFrame(rows).T.rename_axis("category")))
noticed = [
    f"{what} on *{cell}* ({each[0]:.2f})"
    for (cell, what), each in correlations.items()
    if each[1] > 0 or each[2] < 0
]
display(
    Markdown(
        (
            f"Of these {len(correlations)} correlations the intervals of {len(noticed)} leave zero out: {', '.join(noticed)}. "
            if noticed
            else f"No interval of these {len(correlations)} correlations leaves zero out. "
        )
        + "With so few images no more can be told.\n\n"
        "The last but one column is what the score would have to see: "
        + "; ".join(
            f"a defect changes the error by {round(100 * (each - 1)):+d} % on *{cell}*"
            for cell, each in growth.items()
        )
        + ", in the median. The column before it is what it has to see that through, how much good images differ among themselves."
    )
)

# %% [markdown]
# ## Beside published figures

# %% tags=["hide-input"]
published = [
    f"| {name} {{cite:p}}`{key}` | {image:.1f} | mean of fifteen categories, features of a pretrained network |"
    for name, (image, _, key) in MVTEC_IMAGES.items()
]
here = [
    f"| **{method_title(method)} (here)** | **{averages[method].percent()}** | {len(tasks)} categories at {side} pixels, good images alone |"
    for method in ("unet/one_step", "unet/denoiser_profile", "dit/denoiser_profile")
]
display(Markdown("\n".join(["| method | image AUROC, % | on what |", "|---|---|---|", *here, *published])))

# %% [markdown]
# Not the same protocol: theirs use all fifteen categories at full resolution on the official split, and features of a network that
# has seen a million labelled photographs. The gap is what pixels alone, at this size and with minutes of training, leave undone. What
# features add:

# %% tags=["hide-input"]
sentences = []
for cell, task in tasks.items():
    folder = Path(results_folder, f"mvtec-ad-{cell}", edition_name)
    if not (folder / "redrawn" / "record.json").is_file():
        continue
    record, scores = read_record(folder / "redrawn")
    best = places[cell][0]
    sentence = (
        f"On *{cell}* a diffusion detector on features reaches {tables.one_line(record.interval('features').percent())} %, the best method on pixels, "
        f"{method_title(best)}, {tables.one_line(results.interval('auroc', best, cell).percent())} %"
    )
    same_images = [each.data.split["indices_sha256"]["test"] for each in (record, unet[cell])]
    if len(set(same_images)) == 1:
        both = {"features": scores.by_method["features"], best: task.scores.by_method[best]}
        joined = RunScores(task.scores.labels, task.scores.groups, both)
        gain = evaluate_tasks({cell: joined}, list(both)).difference(
            "auroc", "features", best, MEAN_OVER_GROUPS
        )
        sentence += (
            f": a difference of {tables.one_line(gain.percent())} points on the same test images. "
            + (
                "So features close a part of the gap to a perfect detector."
                if gain.low > 0
                else "So features are not shown to add anything there."
            )
        )
    else:
        sentence += ", on other draws of the good test images, so no difference is computed."
    if (folder / "official" / "record.json").is_file():
        official = read_record(folder / "official")[0].interval("features")
        sentence += f" On the official split the same detector has {tables.one_line(official.percent())} %."
    sentences.append(sentence)
display(
    Markdown(
        " ".join(sentences)
        + " The detector on features sees larger images, and it was tuned on the test images of these categories, which flatters it. How it works stands "
        "[in feature space](feature_space.ipynb)."
    )
)

# %% [markdown]
# ## Verdict, by category
#
# The mean over two categories would be the mean of two cases, so each is judged by itself, against the baselines that are best on it.

# %% tags=["hide-input"]
subjects = [f"{network}/{way}" for way in two_networks.JUDGED for network in ("unet", "dit")]
for cell in tasks:
    rivals = {
        "best of the paper's three": task_tables.best_method(results, paper, cell),
        "best baseline of all": task_tables.best_method(results, baselines, cell),
    }
    judged = task_tables.verdict_table(results, subjects, rivals, cell)
    display(judged.rename_axis(columns=f"{cell}: score"))
best_baseline = task_tables.best_method(results, baselines)
best_of_three = task_tables.best_method(results, paper)
against_the_three = {
    method: results.difference("auroc", method, best_of_three, MEAN_OVER_GROUPS) for method in subjects
}
display(
    Markdown(
        "The page [claims](claims.ipynb) counts MVTec-AD as one data set and so takes the mean over both categories. Against "
        f"{method_title(best_of_three)}, the best of the paper's three by that mean: "
        + "; ".join(
            f"{method_title(method)} {tables.one_line(each.percent())}, *{tables.verdict(each)}*"
            for method, each in against_the_three.items()
        )
        + " (points, and whether diffusion is better)."
    )
)
for key, value in {
    "unet-one-step": averages["unet/one_step"].percent(),
    "dit-one-step": averages["dit/one_step"].percent(),
    "unet-profile": averages["unet/denoiser_profile"].percent(),
    "dit-profile": averages["dit/denoiser_profile"].percent(),
    "best-baseline": averages[best_baseline].percent(),
    "best-baseline-name": method_title(best_baseline),
    "c1-plain": tables.verdict(results.difference("auroc", "unet/one_step", best_of_three, MEAN_OVER_GROUPS)),
}.items():
    glue(f"mvtec-{key}", value, display=False)

# %% [markdown]
# ### Can the records be trusted?

# %% tags=["hide-input"]
changed = set()
for name in data_set.folders:
    for cell in tasks:
        record, scores = read_record(Path(results_folder, name, edition_name, cell))
        assert not mismatches(record, scores), (name, cell)
        changed |= set(stale_modules(record))
display(
    Markdown(
        "Every recorded metric follows from its raw scores. "
        + tables.code_note(changed)
        + f" Any record is made again by one command, for instance `diffad run experiments/mvtec_pixels.yaml --edition {edition_name} --cell screw`."
    )
)

# %% [markdown]
# ## Try it
#
# - Set `protocol: official_split` in a copy of `experiments/mvtec_pixels.yaml` with another name and run it: how much of the toothbrush's
#   figure was light?
# - Your own parts: lay them out like MVTec-AD and run `diffad train` and `diffad score` on them.
#
# ## Quick check
#
# :::{admonition} Would averaging the error over fewer, worse pixels help?
# :class: dropdown
# It often does: the maximum or a high quantile of the map asks for the worst place instead of the whole. But with a network that has seen few
# images the worst place of a good image is bad, too.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Compute: how bad must a scratch be?
# :label: ex-mvtec-share
# A scratch covers 2 % of the pixels. How many times the usual error must it have there to raise the mean error of the image by a tenth? And
# if it covers 0.2 %?
# :::

# %% [markdown]
# :::{solution} ex-mvtec-share
# :class: dropdown
# ```{literalinclude} /coursework/solutions/mvtec.py
# :pyobject: factor_needed
# ```
#
# Set the share of pixels on a defect in the table above against the spread of good images: it tells how bad a defect must be to stand out
# in the mean.
# :::

# %% [markdown]
# :::{exercise} Implement: ask the worst pixels only
# :label: ex-mvtec-worst
# Write `worst_share_score(maps, share)`: the mean error over the worst share of each image's pixels. Which two scores stand at the ends, at
# a share of 1 and at a tiny one?
# :::

# %% [markdown]
# :::{solution} ex-mvtec-worst
# :class: dropdown
# ```{literalinclude} /coursework/solutions/mvtec.py
# :pyobject: worst_share_score
# ```
#
# At 1 it is the mean of the image, at a tiny share its maximum. Which pixels are the worst is for each image to say: a line drawn over all
# images together would make the score of one depend on the others.
# :::

# %% [markdown]
# :::{exercise} Investigate: does the worst place give a defect away?
# :label: ex-mvtec-spots
# Draw errors of pixels for good images that differ as a whole by 15 %, and put a defect with three times the error on 2 % of the pixels of
# as many others. What is the AUROC by the worst share, from 1 down to 2 %? Then give every image, good or defective, another small spot
# with four times the error.
# :::

# %% [markdown]
# :::{solution} ex-mvtec-spots
# :class: dropdown
# ```{literalinclude} /coursework/solutions/mvtec.py
# :pyobject: auroc_by_worst_share
# ```
#
# The smaller the share, the clearer the defect, as long as nothing else is bad. With a bad spot in every image the spot fills the small
# share, and a larger one, which holds both, does better. A network that has seen few images has such spots: edges, a thread, a label.
# :::
