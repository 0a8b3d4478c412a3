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
# # CIFAR-10: one class against the rest
#
# **The question.** Train a diffusion model on small photographs of one kind, ships say. Show it frogs and trucks. Are they
# reconstructed worse than ships, as the paper claims {cite:p}`bhosale2024anomaly`? Does the model find them better than
# classical detectors do on the same pixels?
#
# CIFAR-10 {cite:p}`krizhevsky2009` has ten classes, so this makes ten tasks, each with a model of its own. It is harder than
# corrupted digits: nothing is wrong with a frog but that it is no ship.
#
# ::::{admonition} What you will learn
# :class: tip
# - why reconstruction error prefers *simple* images to *normal* ones, and how often that inverts it;
# - what else the same ten network evaluations say, and how much of the damage that mends;
# - how to report a method that was chosen with some of the classes in view;
# - whether a transformer makes more of the same compute than a U-Net does;
# - how far pixels and one class alone take a detector, beside what others published.
#
# *Before this:* [MNIST-C](mnist_c.ipynb). *Time to read:* 15 minutes.
# ::::

# %% tags=["hide-input"]
from pathlib import Path

import numpy as np
from IPython.display import Markdown, display
from myst_nb import glue
from scipy.stats import spearmanr

from diffad import tables, task_tables, two_networks
from diffad.configuration import ScoringConfig
from diffad.datasets import load
from diffad.evaluation import MEAN_OVER_GROUPS
from diffad.experiments import PROTOCOLS, read_run
from diffad.figures import one_class as figures
from diffad.figures import results as result_figures
from diffad.figures import two_networks as network_figures
from diffad.figures.style import method_title, use_style
from diffad.joined_tasks import evaluate_joined, find_data_set, joined_tasks
from diffad.methods import level_name, make_scorers
from diffad.published import ONE_CLASS_CIFAR10, published_table
from diffad.records import mismatches, stale_modules
from diffad.scorers.complexity import compressed_bits_per_dim
from diffad.tasks import evaluate_tasks, share_images

# %% tags=["parameters"]
runs_folder = "../../results/cifar10-one-class/cpu"  # a record a class
development = ["automobile", "ship"]  # classes on whose training images the method was chosen
num_again = 10  # test images a class that the stored models score again

# %% tags=["hide-input"]
use_style()
found = [read_run(path.parent) for path in sorted(Path(runs_folder).glob("*/record.json"))]
found.sort(key=lambda run: run.record.experiment["protocol_parameters"]["normal"])
asked = found[0].record.experiment
names = load(asked["dataset"], "test").class_names
runs = {names[run.record.experiment["protocol_parameters"]["normal"]]: run for run in found}
records, tasks = (
    {name: run.record for name, run in runs.items()},
    {name: run.scores for name, run in runs.items()},
)
scoring = ScoringConfig.model_validate(asked["scoring"])
split = PROTOCOLS[asked["protocol"]](
    asked["dataset"], seed=found[0].record.seeds["split"], **asked["protocol_parameters"]
)
assert share_images(list(tasks.values())), "the tasks must test the same images, in the same order"
sizes = found[0].record.data.split["sizes"]
parameters = sum(each.numel() for each in found[0].model.parameters())
training = asked["training"]
display(
    Markdown(
        f"**This page:** the *{found[0].record.edition}* edition, {len(runs)} of {len(names)} tasks on `{asked['dataset']}`. In each, "
        f"{sizes['train']:,} images of one class train a U-Net of {parameters / 1e6:.2f} million parameters "
        f"({training['num_updates']:,} updates of {training['batch_size']}), {sizes['validation']:,} more of that class are held out to "
        f"calibrate, and {sizes['test']:,} images of the test part are scored, equally many of each class. All tasks are "
        "tested on the same images. No other images were seen, and no pretrained weights used."
    )
)

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Test images, a row a class. In each task one row is normal and all others are anomalous.", "name": "fig-cifar10-classes"}, "image": {"alt": "A grid of small test images, one row for each class, eight images a row."}}
answers = next(iter(tasks.values())).groups
figures.image_rows({name: split.test[np.flatnonzero(answers == name)[:8]] for name in names})

# %% [markdown]
# ## What it costs
#
# A fair comparison says what each side was given. The baselines see the same training images as vectors of pixels.

# %% tags=["hide-input", "nbval-ignore-output"]
cost = task_tables.training_table(records)
display(tables.one_header(cost.rename_axis("normal class")).style.format(precision=1))
losses = {name: run.history.validation_loss[-1] for name, run in runs.items()}
display(
    Markdown(
        f"Wall time on a busy two-core machine. On held-out images the noise is predicted with a mean squared error of "
        f"{min(losses.values()):.3f} (*{min(losses, key=losses.get)}*) to {max(losses.values()):.3f} (*{max(losses, key=losses.get)}*), "
        "where 1 would be no prediction at all. These are small models trained for minutes: the *gpu* edition's network is larger and trained for longer."
    )
)

# %% [markdown]
# ## Reconstruction error, as the paper scores
#
# Noise is mixed in at one level, fixed in the experiment file before any run, and taken off in one step. The squared difference to
# the original is the score. Below 50 % it is inverted: images of *other* classes are reconstructed better than normal ones.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "AUROC with 95 % intervals of reconstruction error and of the paper's three baselines, by normal class.", "name": "fig-cifar10-errors"}, "image": {"alt": "Dot plot of five methods for each class and their mean. The numbers of all methods stand in the table further down; left of 50 a score is inverted."}}
headline = scoring.headline
paper = [name for name in ("iforest", "ocsvm", "copod") if name in asked["baselines"]]
baselines = list(asked["baselines"])
ours = ["one_step", "partial_diffusion", "levels_max_abs", "levels_mahalanobis"]
ours += ["denoiser_errors", "denoiser_activations", "denoiser_profile"]
results = evaluate_tasks(tasks, [*ours, *baselines])
first = evaluate_tasks(tasks, ["one_step", "partial_diffusion", *paper])
result_figures.group_dot_plot(tables.intervals(first), tables.means(first))

# %% tags=["hide-input"]
averages = tables.means(results)
one_step = {name: results.interval("auroc", "one_step", name) for name in runs}
inverted = [name for name, each in one_step.items() if each.high < 0.5]
separated = [name for name, each in one_step.items() if each.low > 0.5]
worst = min(one_step, key=lambda name: one_step[name].estimate)
bits = compressed_bits_per_dim(split.test)
with_complexity = {
    method: np.array([spearmanr(bits, scores.by_method[method]).statistic for scores in tasks.values()])
    for method in ("one_step", "knn", headline)
    if method in results.methods
}
display(
    Markdown(
        f"The mean over the {len(runs)} classes is {tables.one_line(averages['one_step'].percent())} %: "
        f"inverted beyond chance are {len(inverted)} ({', '.join(inverted) or 'none'}), and separated {len(separated)} "
        f"({', '.join(separated) or 'none'}). The most extreme is *{worst}* with {tables.one_line(one_step[worst].percent())} %.\n\n"
        "**Why.** The error follows how much detail an image has. The rank correlation, over all test images, of the score with the length of "
        "the image's compressed file is, mean of the tasks, "
        + "; ".join(
            f"{each.mean():.2f} for {method_title(method)}" for method, each in with_complexity.items()
        )
        + ". A clear sky is easy to denoise for a model of anything. So the sign of the result is decided by whether the normal class "
        "is more or less detailed than the other nine, and the model has little say in it."
    )
)

# %% tags=["hide-input"] mystnb={"figure": {"caption": "The class that reconstruction error does worst at. Left: its error for normal images and for all others. Right: the denoiser's profile, from the same model and one evaluation at each of ten levels. AUROC above each.", "name": "fig-cifar10-histograms"}, "image": {"alt": "Two panels of two histograms each. Left, the anomalies' errors lie lower than those of the normal class. Right, the anomalies' scores lie higher than the normal ones."}}
their = tasks[worst]
figures.score_histograms(
    their.labels,
    {
        f"{worst}, reconstruction error": their.by_method["one_step"],
        f"{worst}, denoiser's profile": their.by_method["denoiser_profile"],
    },
)

# %% tags=["hide-input"] mystnb={"figure": {"caption": "The same class: the images that each score finds most normal and most anomalous of all that were tested. By reconstruction error, plain and smooth ones are normal and busy ones anomalous, whatever they show.", "name": "fig-cifar10-extremes"}, "image": {"alt": "Four rows of ten small images. The first row, smallest error, shows smooth images with empty backgrounds of several classes; the second, largest error, shows busy textures; the third and fourth are the lowest and highest by the denoiser's profile."}}
by_error, by_profile = (np.argsort(their.by_method[method]) for method in ("one_step", "denoiser_profile"))
figures.image_rows(
    {
        "smallest error": split.test[by_error[:10]],
        "largest error": split.test[by_error[::-1][:10]],
        "most normal\nprofile": split.test[by_profile[:10]],
        "most unusual\nprofile": split.test[by_profile[::-1][:10]],
    }
)

# %% tags=["hide-input"]
easiest = by_error[: len(by_error) // 10]
display(
    Markdown(
        f"Of the tenth of the test images with the smallest error, {100 * np.mean(their.labels[easiest] == 0):.0f} % are normal "
        f"({100 * np.mean(their.labels == 0):.0f} % are by chance); of the tenth with the lowest profile score, "
        f"{100 * np.mean(their.labels[by_profile[: len(by_profile) // 10]] == 0):.0f} %."
    )
)

# %% [markdown]
# ## What else the same evaluations say
#
# The network computes more than one number. At each of ten noise levels, one evaluation gives
#
# - the error of each colour channel, so ten levels make a vector of thirty numbers instead of one (*errors by channel*);
# - the activations of its bottleneck, averaged over positions: a description of the image that it needs in order to denoise it
#   (*bottleneck*), known to be useful for other tasks {cite:p}`baranchuk2022,xiang2023`;
# - both together (*denoiser's profile*).
#
# Held-out images of the class say how such a vector usually varies; the score is its Mahalanobis distance from that, with a
# shrunk covariance {cite:p}`ledoit2004`. It is two-sided by nature: unusually easy is unusual.
#
# :::{admonition} How the method was chosen
# :class: warning
# That the bottleneck belongs in the profile was found by trial on two classes, automobile and ship, with images of the *training* part
# alone: held-out normals against training images of other classes. No test image was used, and the other eight classes were never looked
# at. Still, a choice made on two classes may flatter these two. They are therefore reported apart, below.
# :::

# %% tags=["hide-input"]
display(task_tables.task_table(results))

# %% [markdown]
# AUROC in %, by normal class; 95 % bootstrap intervals over test images, drawn once for all tasks and methods, since an image
# serves all ten. They do not cover what another training run would change. All DDPM rows but partial diffusion come from the same ten
# evaluations an image. COPOD and ECOD rank an image among the whole test set: they see more than the others do.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "AUROC with 95 % intervals by normal class: the denoiser's profile, plain reconstruction error, and the paper's three baselines.", "name": "fig-cifar10-profile"}, "image": {"alt": "Dot plot for each class and their mean. The denoiser's profile is the rightmost mark in most classes; the numbers stand in the table above."}}
shown = evaluate_tasks(tasks, [headline, "one_step", *paper])
result_figures.group_dot_plot(tables.intervals(shown), tables.means(shown))

# %% [markdown]
# ## Is the difference real?

# %% tags=["hide-input"]
display(
    tables.paired_differences(
        results,
        headline,
        ["one_step", "partial_diffusion", "denoiser_errors", "denoiser_activations", *baselines],
    )
)

# %% [markdown]
# The denoiser's profile minus each other score: mean difference in points with its paired 95 % interval. A class counts as won or
# lost where its own paired interval leaves zero out.
#
# Now the two classes that the choice was made on, and the eight that it was not. The baseline beside it is the one with the best mean
# over all classes: that is hindsight, and it favours the baseline.

# %% tags=["hide-input"]
best_baseline = task_tables.best_method(results, baselines)
best_of_three = task_tables.best_method(results, paper)
untouched = [name for name in runs if name not in development]
parts = {
    "all classes": list(runs),
    "looked at for the choice": [name for name in runs if name in development],
    "untouched": untouched,
}
parts = {title: some for title, some in parts.items() if some}
shown_methods = list(dict.fromkeys([headline, "one_step", best_of_three, best_baseline]))
display(task_tables.parts_table(tasks, parts, shown_methods, best_baseline))

# %% [markdown]
# ## A transformer from the same compute
#
# The paper trains two networks, a U-Net and a diffusion transformer (DiT). Here both were given the same number of floating-point
# operations, the same images and the same noise schedule. Beside the transformer ran the two baselines that are networks themselves,
# an autoencoder and Deep SVDD {cite:p}`ruff2018deepsvdd`.

# %% tags=["hide-input", "nbval-ignore-output"]
results_folder, edition_name = Path(runs_folder).parents[1], Path(runs_folder).name
data_set = find_data_set("cifar10")
joined = joined_tasks(data_set, results_folder, edition_name)
display(two_networks.budget_table(joined).style.format(precision=2))

# %% tags=["hide-input"] mystnb={"figure": {"caption": "U-Net minus DiT: difference of the mean AUROC over all classes with its paired 95 % interval, for each way of asking the network.", "name": "fig-cifar10-networks"}, "image": {"alt": "Seven rows, one for each score, with a dot and an interval around the difference; a vertical line marks zero. The numbers stand in the table below."}}
by_network = evaluate_joined(data_set, joined, [*two_networks.qualified(), *two_networks.NEURAL])
differences = two_networks.network_differences(by_network)
network_figures.difference_plot(differences)

# %% tags=["hide-input"]
display(two_networks.network_table(by_network))
display(
    Markdown(
        f"{two_networks.told_apart(differences)} The intervals cover other test images; another training of either network may move a "
        f"difference by as much. {two_networks.neural_note(by_network)} All methods of both records stand [in one comparison](baselines.ipynb)."
    )
)

# %% [markdown]
# ## Beside published figures

# %% tags=["hide-input"]
own = [
    ("DDPM, denoiser's profile (here)", averages[headline].percent(), "normal images alone"),
    ("DDPM, reconstruction error (here)", averages["one_step"].percent(), "normal images alone"),
    (
        f"{method_title(best_baseline)}, pixels (here)",
        averages[best_baseline].percent(),
        "normal images alone",
    ),
]
display(Markdown(published_table(ONE_CLASS_CIFAR10, own)))

# %% tags=["hide-input"]
display(
    Markdown(
        f"Not the same protocol: theirs test all 10,000 images, ours {sizes['test']:,} drawn evenly from them; theirs train on 5,000 images a "
        f"class, ours on {sizes['train']:,}, because {sizes['validation']:,} calibrate. The published networks were trained for hours on a GPU; ours "
        f"for {cost.loc[list(runs), 'training, min'].mean():.0f} minutes a class on two cores. Methods at the lower end of the table learned from "
        "more than normal images: rotations as a made-up task, or a network that has seen a million labelled photographs, cars and "
        "ships among them. What pretrained features do for a diffusion detector is measured [in feature space](feature_space.ipynb)."
    )
)

# %% [markdown]
# ## Verdict

# %% tags=["hide-input"]
display(
    task_tables.verdict_table(
        results,
        ["one_step", "partial_diffusion", headline],
        {"best of the paper's three": best_of_three, "best baseline of all": best_baseline},
    )
)
eight = tables.means(evaluate_tasks({name: tasks[name] for name in untouched}, [headline]))[headline]
lower = np.mean(
    [tables.share_lower_than_median(each.by_method["one_step"], each.labels) for each in tasks.values()]
)
display(
    Markdown(
        f"**C1, diffusion beats the baselines.** With the score of the paper the mean is {tables.one_line(averages['one_step'].percent())} %, "
        f"against {tables.one_line(averages[best_of_three].percent())} % of {method_title(best_of_three)} and "
        f"{tables.one_line(averages[best_baseline].percent())} % of {method_title(best_baseline)}. With the denoiser's profile it is "
        f"{tables.one_line(averages[headline].percent())} %, and {tables.one_line(eight.percent())} % on the {len(untouched)} classes that played "
        f"no part in its choice.\n\n"
        f"**C2, normal images are reconstructed better than anomalies.** So in {len(separated)} of {len(runs)} classes, the other way round in "
        f"{len(inverted)}. Over all tasks {100 * lower:.0f} % of the anomalies have a *smaller* error than the median normal image."
    )
)
for key, value in {
    "headline": averages[headline].percent(),
    "untouched": eight.percent(),
    "one-step": averages["one_step"].percent(),
    "best-baseline": averages[best_baseline].percent(),
    "best-baseline-name": method_title(best_baseline),
    "best-paper": averages[best_of_three].percent(),
    "best-paper-name": method_title(best_of_three),
    "c1-plain": tables.verdict(results.difference("auroc", "one_step", best_of_three, MEAN_OVER_GROUPS)),
    "c1-profile": tables.verdict(results.difference("auroc", headline, best_baseline, MEAN_OVER_GROUPS)),
    "c2-better": len(separated),
    "c2-worse": len(inverted),
    "tasks": len(runs),
    "networks-one-step": differences["one_step"].percent(),
    "networks-profile": differences["denoiser_profile"].percent(),
}.items():
    glue(f"cifar10-{key}", value, display=False)

# %% [markdown]
# ### Can the records be trusted?

# %% tags=["hide-input", "tolerance-0.05"]
levels = [level_name(fraction) for fraction in scoring.levels]
largest = 0.0
for name, run in runs.items():
    assert not mismatches(run.record, run.scores), name
    profile, _ = make_scorers(run.model, scoring)
    again = profile.measure(split.test[:num_again]).level_errors
    stored = np.stack([run.scores.by_method[level][:num_again] for level in levels], axis=1)
    largest = max(largest, float(np.abs(again / stored - 1).max()))
assert largest < 1e-3, f"a stored model gives other scores than its record: relative difference {largest:.2e}"
changed = sorted({module for record in records.values() for module in stale_modules(record)})
display(
    Markdown(
        f"Each of the {len(runs)} stored models scored {num_again} test images again, at ten levels: all agree with the record to better than one part "
        "in a thousand, and every recorded metric follows from the raw scores. " + tables.code_note(changed)
    )
)

# %% [markdown]
# ## Try it
#
# - Which two classes would you expect reconstruction error to do best at, from their pictures alone? Check with the first figure.
# - `diffad run experiments/cifar10_one_class.yaml --edition smoke` does the same with handwritten digits in seconds. Is error inverted for
#   the digit one? Why not, or why?
# - Read the scores of one record and correct the error for complexity by hand: a line through the held-out normals, or here through the
#   normal test images. How many points does it bring?
#
# ## Quick check
#
# :::{admonition} A model of cars reconstructs planes better than cars. Has it failed to learn cars?
# :class: dropdown
# Not necessarily. A plane before an empty sky has little that could be got wrong. The error of a *typical* car would have to be held against
# that of images just as detailed.
# :::
#
# :::{admonition} Why report two of the ten classes apart?
# :class: dropdown
# The method was chosen because it did well on them. Had another done better there, the page would be about that one. On the other eight it
# had no such chance.
# :::
#
# :::{admonition} The intervals are a few points wide. Would a second training run land within them?
# :class: dropdown
# They say what other test images would change, and nothing about other trainings. That takes more seeds, and more hours.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Implement: errors beside equally complex images
# :label: ex-cifar-complexity
# Write `corrected_for_complexity(normal_errors, normal_bits, errors, bits)`: fit a straight line from complexity to error on held-out normals, and
# return how far above it each image lies.
# :::

# %% [markdown]
# :::{solution} ex-cifar-complexity
# :class: dropdown
# ```{literalinclude} /coursework/solutions/cifar10.py
# :pyobject: corrected_for_complexity
# ```
#
# An empty sky now competes with normal images that are as simple. The line knows nothing of the tested images: fitted to them it would explain the anomalies away.
# :::

# %% [markdown]
# :::{exercise} Compute: is eight of ten beyond chance?
# :label: ex-cifar-sign
# One method beats another on eight of ten classes. How often does a fair coin do as well, to either side? And at nine of ten?
# :::

# %% [markdown]
# :::{solution} ex-cifar-sign
# :class: dropdown
# ```{literalinclude} /coursework/solutions/cifar10.py
# :pyobject: sign_test
# ```
#
# Ten tasks are few. That is why the page gives intervals over images too, and does not count wins alone.
# :::
