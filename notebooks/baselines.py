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
# # Every method on every data set
#
# **The question.** Across all data sets of this book, which detectors are better than which, and how often? The paper
# {cite:p}`bhosale2024anomaly` compares diffusion with Isolation Forest {cite:p}`liu2008isolation`, a one-class SVM
# {cite:p}`scholkopf2001support` and COPOD {cite:p}`li2020copod`. Here are these, and others that are no harder to use: ten in all, of which MNIST-C and CIFAR-10 have most.
#
# ::::{admonition} What you will learn
# :class: tip
# - how to compare many methods over many tasks: differences first, ranks second, tests last;
# - why ten tasks of one data set are not ten observations;
# - what two networks of equal training compute make of the same data;
# - how far our numbers can be held against published ones.
#
# *Before this:* [CIFAR-10](cifar10.ipynb), [Mini-ImageNet](mini_imagenet.ipynb). *Time to read:* 15 minutes.
# ::::

# %% tags=["hide-input"]
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown, display
from myst_nb import glue

from diffad import statistics, tables, task_tables
from diffad.claims_tables import records_html
from diffad.embeddings.configuration import load_embeddings_file
from diffad.embeddings.methods import METHODS as VECTOR_METHODS
from diffad.embeddings.summary import read_results
from diffad.errors import RecordError
from diffad.evaluation import MEAN_OVER_GROUPS
from diffad.evidence import BEST_READING, NEURAL, PAPER_BASELINES, PAPER_SCORES, TRADITIONAL, Evidence
from diffad.figures import results as result_figures
from diffad.figures.ranks import critical_difference_diagram
from diffad.figures.style import NETWORK_TITLES, method_title, use_style
from diffad.joined_tasks import add_comparisons, common_methods, evaluate_joined
from diffad.published import ONE_CLASS_CIFAR10, leaky_embeddings_table, published_table
from diffad.workflow import commands

# %% tags=["parameters"]
project = "../.."  # the project's folder
results_folder = "../../results"
edition_name = "cpu"

# %% tags=["hide-input"]
MOST_PAIRS = 6  # of methods, in a sentence
use_style()
evidence = Evidence(results_folder, edition_name)
compared, titles = evidence.compared, {key: each.title for key, each in evidence.data_sets.items()}
known = commands(project)
num_tasks = {key: len(results.groups) for key, results in compared.items()}
display(
    Markdown(
        f"**This page:** the *{edition_name}* edition, computed from the raw scores of "
        + ", ".join(
            f"{titles[key]} ({number} task{'s' if number > 1 else ''})" for key, number in num_tasks.items()
        )
        + ". Within a task all methods trained on the same images and scored the same test images; no label of a test image was used for a "
        "choice, but for what the chapters say of the profile on CIFAR-10."
    )
)


def show_data_set(key: str) -> None:
    """The table of one data set, and where its numbers come from; a word where nothing was run."""
    if key not in compared:
        display(Markdown("*Not run:* no record of it is among those published."))
        return
    display(task_tables.task_table(compared[key]))
    counts = f"{num_tasks[key]} tasks, {len(compared[key].methods)} methods"
    display(Markdown(f"AUROC in %, {counts}. The mean has its 95 % bootstrap interval over test images."))
    display(
        HTML(records_html({name: list(task.records) for name, task in evidence.tasks[key].items()}, known))
    )


# %% [markdown]
# "One level" and "partial diffusion" score by reconstruction error, as the paper does: after one step from one noise level, and after ten steps from
# a quarter of the way to pure noise. The others read ten levels of the same network; the [scorers](scorers.ipynb) have a chapter. Best mean
# first. COPOD and ECOD rank an image among the whole test set.
#
# ## MNIST-C

# %% tags=["hide-input"]
show_data_set("mnist-c")

# %% [markdown]
# ## CIFAR-10

# %% tags=["hide-input"]
show_data_set("cifar10")

# %% [markdown]
# ## Mini-ImageNet

# %% tags=["hide-input"]
show_data_set("mini-imagenet")

# %% [markdown]
# ## MVTec-AD, as pixels

# %% tags=["hide-input"]
show_data_set("mvtec")

# %% [markdown]
# ## Means at a glance

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Mean AUROC over each data set's tasks with its 95 % interval, for the methods that all data sets have: the paper's scores, the denoiser's profile, and the baselines.", "name": "fig-baselines-means"}, "image": {"alt": "Dot plot with one band a data set and one mark a method. The numbers stand in the tables above."}}
everywhere = [
    method
    for method in next(iter(compared.values())).methods
    if all(method in results.methods for results in compared.values())
]
shown = [
    each
    for each in everywhere
    if each.rpartition("/")[2] in (*PAPER_SCORES, BEST_READING, *TRADITIONAL, *NEURAL)
]
rows = [
    {"group": titles[key], "method": method, **vars(results.interval("auroc", method, MEAN_OVER_GROUPS))}
    for key, results in compared.items()
    for method in shown
]
result_figures.group_dot_plot(pd.DataFrame(rows))

# %% [markdown]
# ## Who wins where
#
# A task is *won* where the paired interval of the difference lies above zero, *lost* where it lies below, and *tied* where it holds zero. First
# the paper's score, then the denoiser's profile, each against every baseline: won / tied / lost.

# %% tags=["hide-input"]
baselines = [
    each for each in (*TRADITIONAL, *NEURAL) if any(each in results.methods for results in compared.values())
]
networks = [
    network
    for network in ("unet", "dit")
    if any(f"{network}/one_step" in results.methods for results in compared.values())
]
for network in networks:
    for reading in ("one_step", BEST_READING):
        method = f"{network}/{reading}"
        counts = statistics.win_tie_loss_table(compared, method, baselines).rename(
            index=method_title, columns=titles
        )
        display(Markdown(f"**{method_title(method)}** against"))
        display(counts)

# %% [markdown]
# ## Ranks and tests
#
# Demšar's recipe {cite:p}`demsar2006` for many methods over many data sets: rank the methods on each task, ask with Friedman's test whether any
# differ, and with Wilcoxon's signed-rank test and Holm's correction which pairs do. A bar joins methods among which no pair differs at
# the 5 % level.

# %% tags=["hide-input"]
display(Markdown(f":::{{warning}}\n{statistics.NOT_INDEPENDENT}\n:::"))
rank_rows = {}
for key, results in compared.items():
    table = statistics.estimates_table(results)
    if len(table) < 3:
        continue
    test = statistics.friedman(table)
    rank_rows[titles[key]] = {
        "tasks": test.num_tasks,
        "methods": test.num_methods,
        "Friedman's chi-square": f"{test.statistic:.1f}",
        "p": f"{test.p_value:.2g}",
        "smallest p of a pair": f"{statistics.smallest_p(test.num_tasks):.2g}",
    }
display(tables.one_header(pd.DataFrame.from_dict(rank_rows, orient="index").rename_axis("data set")))

# %% [markdown]
# "Smallest p of a pair" is what Wilcoxon's test gives where one method wins every task. Holm's correction multiplies it by the number of pairs, so
# that with many methods and ten tasks hardly any pair can be told apart: a long bar says that the test is weak, not that the methods are
# alike. The paired intervals above are the sharper tool.


# %% tags=["hide-input"] mystnb={"figure": {"caption": "CIFAR-10: average rank over the ten classes. Bars join methods that Wilcoxon's test with Holm's correction does not tell apart.", "name": "fig-baselines-ranks-cifar10"}, "image": {"alt": "Methods on a line of average ranks, best on the left, with a bar over those that are not told apart."}}
tests = {}


def ranks_of(key: str):
    """The critical-difference diagram of a data set: the paper's scores, the profile and the baselines."""
    results = compared[key]
    chosen = [
        each
        for each in results.methods
        if each.rpartition("/")[2] in (*PAPER_SCORES, BEST_READING, *TRADITIONAL, *NEURAL)
    ]
    table = statistics.estimates_table(results, chosen)
    tests[key] = statistics.pairwise_tests(table)
    return critical_difference_diagram(statistics.average_ranks(table), tests[key])


ranks_of("cifar10")

# %% tags=["hide-input"] mystnb={"figure": {"caption": "MNIST-C: average rank over the fifteen corruptions, which share their digits and one model.", "name": "fig-baselines-ranks-mnist-c"}, "image": {"alt": "Methods on a line of average ranks, best on the left, with bars over those that are not told apart."}}
ranks_of("mnist-c")

# %% tags=["hide-input"]
for key, p_values in tests.items():
    apart = statistics.pairs_told_apart(p_values)
    listed = "; ".join(f"{method_title(a)} from {method_title(b)}" for a, b in apart[:MOST_PAIRS])
    number = f"Of {len(p_values) * (len(p_values) - 1) // 2} pairs the test tells {len(apart)} apart"
    display(
        Markdown(
            f"**{titles[key]}.** {number}"
            + (f": {listed}{' and others' if len(apart) > MOST_PAIRS else ''}." if apart else ".")
        )
    )

# %% [markdown]
# A bar reaches from the best to the worst of its group. It may cross a method that is not in the group, so read the pairs from the line
# above and not from the bars.

# %% tags=["hide-input"]
whole = pd.concat(
    {titles[key]: statistics.estimates_table(results, everywhere) for key, results in compared.items()}
)
against = statistics.signed_rank_against(whole, "unet/one_step")
shown_tests = pd.DataFrame(
    {
        "median difference, points": [f"{100 * each:+.1f}" for each in against["median difference"]],
        "p": [f"{each:.2g}" for each in against["p"]],
        "p, Holm": [f"{each:.2g}" for each in against["p, Holm"]],
    },
    index=pd.Index([method_title(each) for each in against.index], name="U-Net, one level, against"),
)
display(
    Markdown(
        f"All {len(whole)} tasks together, the paper's score against each other method that all data sets have:"
    )
)
display(tables.one_header(shown_tests))
clear = [method_title(each) for each in against.index if against.loc[each, "p, Holm"] < 0.05]
display(
    Markdown(
        (
            f"After Holm's correction the paper's score differs from {', '.join(clear)}. "
            if clear
            else "After Holm's correction the paper's score differs from none of them. "
        )
        + "A median of zero means that on many tasks both do equally well, most often corruptions that both find without fault, and not that the "
        f"means are equal. {num_tasks.get('mnist-c', 0)} of the {len(whole)} tasks are MNIST-C's, which share one model and their clean digits: a few hard "
        "data sets count for less here than they should."
    )
)

# %% [markdown]
# ## U-Net against transformer
#
# Both networks were trained on the same images for the same number of operations; the [chapter on Mini-ImageNet](mini_imagenet.ipynb) says how these
# were counted. U-Net minus DiT, in points of mean AUROC, with the tasks that the U-Net wins, ties and loses.

# %% tags=["hide-input"]
rows = {}
for key, results in compared.items():
    if set(evidence.networks(key)) == {"unet", "dit"}:
        for reading in (*PAPER_SCORES, BEST_READING):
            unet, dit = f"unet/{reading}", f"dit/{reading}"
            difference = results.difference("auroc", unet, dit, MEAN_OVER_GROUPS)
            rows[titles[key], method_title(unet).partition(", ")[2]] = {
                "U-Net": tables.one_line(results.interval("auroc", unet, MEAN_OVER_GROUPS).percent()),
                "DiT": tables.one_line(results.interval("auroc", dit, MEAN_OVER_GROUPS).percent()),
                "difference, points": tables.one_line(difference.percent()),
                "won / tied / lost": str(statistics.win_tie_loss(results, unet, dit)),
            }
if rows:
    display(pd.DataFrame.from_dict(rows, orient="index"))
else:
    display(Markdown("*Not run:* no data set has records of both networks."))

# %% [markdown]
# ## Twice the evaluations
#
# The package's preset `best` asks a network twenty times an image: twice at each of ten levels, with noises of opposite sign, which cancels
# part of the luck of the draw, and scores by the Mahalanobis distance of the ten errors. The records above hold the same score from one
# noise a level (*Mahalanobis of levels*), and the denoiser's profile, which takes ten evaluations too. Here the stored models
# answer the preset on all the test images of their records.

# %% tags=["hide-input"]
rows = {}
for key, tasks in evidence.tasks.items():
    asked = add_comparisons(tasks, Path(results_folder, "presets", edition_name))
    for network in evidence.networks(key):
        best, half, profile = (f"{network}/{each}" for each in ("best", "levels_mahalanobis", BEST_READING))
        if best not in common_methods(asked.values()):
            continue
        results = evaluate_joined(evidence.data_sets[key], asked, [best, half, profile])
        rows[titles[key], NETWORK_TITLES[network]] = {
            "best, 20 evaluations": tables.one_line(
                results.interval("auroc", best, MEAN_OVER_GROUPS).percent()
            ),
            **{
                f"minus {title}, points": tables.one_line(
                    results.difference("auroc", best, other, MEAN_OVER_GROUPS).percent()
                )
                for title, other in (("the same from 10", half), ("the profile from 10", profile))
            },
        }
if rows:
    display(pd.DataFrame.from_dict(rows, orient="index"))
else:
    display(Markdown("*Not run:* `diffad compare experiments/presets.yaml --edition cpu`."))
lacking = [titles[key] for key in evidence.tasks if titles[key] not in {title for title, _ in rows}]
if rows and lacking:
    display(
        Markdown(
            f"Not asked: the models of {' and '.join(lacking)}, which are not kept; `diffad compare experiments/presets.yaml` names those that were."
        )
    )

# %% [markdown]
# ## Embeddings and tables
#
# The other half of the comparison is made on vectors: embeddings of images by frozen networks, and tables, as ADBench {cite:p}`han2022adbench`
# collects them. Half of the normal rows train; the rest and the anomalies are tested.

# %% tags=["hide-input"]
try:
    vectors = read_results(results_folder, edition_name)
    sizes = {track: len(vectors.names((track,))) for track in vectors.tracks}
    tracks = (
        load_embeddings_file(Path(project, "experiments", "embeddings.yaml")).edition(edition_name).tracks
    )
    rows = {
        VECTOR_METHODS[method].title: {
            f"{tracks[track].title} ({sizes[track]})": tables.one_line(vectors.mean(track, method).percent())
            for track in tracks
            if track in vectors.tracks
        }
        for method in vectors.methods
    }
    display(pd.DataFrame.from_dict(rows, orient="index"))
    display(
        Markdown(
            f"Mean AUROC in % over a track's data sets (their number in brackets), with Student's interval over {len(vectors.seeds)} splits: "
            "what another split would change, not another data set. Run again: `diffad embeddings experiments/embeddings.yaml --edition "
            f"{edition_name} --track TRACK`."
        )
    )
except RecordError as error:
    vectors = None
    display(Markdown(f"*Not run:* {error}."))

# %% [markdown]
# ## Beside published figures
#
# ### CIFAR-10, one class normal

# %% tags=["hide-input"]
own = []
if "cifar10" in compared:
    means = tables.means(compared["cifar10"])
    own = [
        (f"{method_title(method)} (here)", interval.percent(), "normal images alone")
        for method, interval in means.items()
        if method.rpartition("/")[2] in ("one_step", BEST_READING) or method in (*PAPER_BASELINES, *NEURAL)
    ]
display(Markdown(published_table(ONE_CLASS_CIFAR10, own)))

# %% [markdown]
# The same task by another protocol: theirs test all 10,000 images and train on 5,000 a class, ours test 1,000 drawn evenly and train on 4,500; their
# networks were trained for hours on a GPU, ours for minutes on a processor. Methods that see more than normal images, such as rotated copies as a
# made-up task or a pretrained network, are no fair mark for those that don't.
#
# ### ADBench embeddings
#
# The closest published protocol to ours is that of Livernoche et al. {cite:p}`livernoche2024dte`: half of the normal rows train, the others and all
# anomalies are tested, five seeds. Their printed figures for ResNet-18 embeddings:

# %% tags=["hide-input"]
display(leaky_embeddings_table().style.format(precision=1))

# %% tags=["hide-input"]
if vectors is not None:
    theirs = {"mvtec-ad-resnet18": "MVTec-AD", "cifar10-resnet18": "CIFAR10"}
    names = {
        "iforest": "IForest",
        "ocsvm": "OCSVM",
        "copod": "COPOD",
        "knn": "KNN",
        "lof": "LOF",
        "ddpm_standardised": "DDPM",
    }
    names |= {"dte_neighbours": "DTE, neighbours", "dte_classifier": "DTE, classifier"}
    printed = leaky_embeddings_table()
    rows = {
        (column, name): {
            "printed": f"{printed.loc[name, column]:.1f}",
            "ours": tables.one_line(vectors.mean(track, method).percent()),
            "ours minus printed": f"{100 * vectors.mean(track, method).estimate - printed.loc[name, column]:+.1f}",
        }
        for track, column in theirs.items()
        if track in vectors.tracks
        for method, name in names.items()
        if method in vectors.methods
    }
    display(pd.DataFrame.from_dict(rows, orient="index"))

# %% [markdown]
# Three differences probably explain most of what differs; only the first was tried, [in its chapter](embeddings.ipynb). *Copies:* their harness repeats the rows of sets with fewer than 1,000 to that number before it splits
# them, so that tested normal rows have twins among the training rows; most of MVTec-AD is concerned, and neighbour methods gain most. We split
# first. *COPOD:* constant columns gave it no number, and zeros were reported as 50 %; ours works on the same files. *Features:* theirs are
# standardised column by column, ours are as they come from the network for the classical methods. For CIFAR10 their mean is over ten
# classes, ours over the three that are at hand.

# %% tags=["hide-input"]
for key, results in compared.items():
    means = tables.means(results)
    for method in results.methods:
        glue(f"baselines-{key}-{method.replace('/', '-')}", means[method].percent(), display=False)
glue("baselines-tasks", len(whole), display=False)

# %% [markdown]
# ## So which detector?

# %% tags=["hide-input"]
lines = []
for key, results in compared.items():
    order = sorted(
        results.methods, key=lambda each: -results.interval("auroc", each, MEAN_OVER_GROUPS).estimate
    )
    classical = next(each for each in order if each in (*TRADITIONAL, *NEURAL))
    plain = max((each for each in order if each.endswith("/one_step")), key=lambda each: -order.index(each))
    lines.append(
        f"- **{titles[key]}:** first of {len(order)} is {method_title(order[0])}, the best that is no diffusion model {method_title(classical)} "
        f"(place {order.index(classical) + 1}), and the paper's score comes in at place {order.index(plain) + 1} ({method_title(plain)})."
    )
moved = {"reading": {}, "network": {}}  # mean change of the mean AUROC, by data set
for key, results in compared.items():
    if set(evidence.networks(key)) == {"unet", "dit"}:
        value = {
            (network, reading): results.interval("auroc", f"{network}/{reading}", MEAN_OVER_GROUPS).estimate
            for network in ("unet", "dit")
            for reading in ("one_step", BEST_READING)
        }
        moved["reading"][key] = np.mean(
            [abs(value[network, BEST_READING] - value[network, "one_step"]) for network in ("unet", "dit")]
        )
        moved["network"][key] = np.mean(
            [abs(value["unet", reading] - value["dit", reading]) for reading in ("one_step", BEST_READING)]
        )
asking = [key for key in moved["reading"] if moved["reading"][key] > moved["network"][key]]
if vectors is not None:
    for track in [each for each in tracks if each in vectors.tracks]:
        best = max(vectors.methods, key=lambda each: vectors.mean(track, each).estimate)
        lines.append(
            f"- **{tracks[track].title}:** first of {len(vectors.methods)} is {VECTOR_METHODS[best].title}."
        )
display(
    Markdown(
        "By the mean, and on the same images:\n\n"
        + "\n".join(lines)
        + "\n\nThe first place was found by looking at test labels, so it flatters whoever holds it; the intervals above say by how much. The "
        "exact denoiser was settled with test results of the embeddings in view, the tables played no part in that. "
        f"On {len(asking)} of {len(moved['reading'])} data sets the way of asking, profile instead of one level, moves the mean by more than the choice of "
        f"network does: by {100 * np.mean(list(moved['reading'].values())):.1f} points on average, against {100 * np.mean(list(moved['network'].values())):.1f}."
    )
)

# %% [markdown]
# ## Try it
#
# - Take the tests' word for it and rank by median instead of mean. Does the order change?
# - Leave one method out of the diagram of CIFAR-10 and draw it again. Do bars between the *others* change? Why should that worry you?
#
# ## Quick check
#
# :::{admonition} Method A wins six tasks and ties four, B has the higher mean. Which is better?
# :class: dropdown
# Both statements can be true: B gains much on a few tasks. Say which you mean; the table shows both.
# :::
#
# :::{admonition} Why is a tie not "no difference"?
# :class: dropdown
# Its interval holds zero, and other values too. It says that these test images do not tell.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Compute: tasks that a test cannot do without
# :label: ex-baselines-tasks
# One method wins every task. How many tasks does it take until Wilcoxon's test tells it from one other method at 5 %? And where all pairs
# of 3, of 12 or of 20 methods are tested, with Holm's correction?
# :::

# %% [markdown]
# :::{solution} ex-baselines-tasks
# :class: dropdown
# ```{literalinclude} /coursework/solutions/baselines.py
# :pyobject: fewest_tasks
# ```
#
# Holm multiplies the smallest p by the number of pairs. Set the numbers of tasks and methods of each data set above against this: where
# there are too few tasks, no result whatever could have told a pair apart, and a bar over all methods was certain before the first
# training.
# :::

# %% [markdown]
# :::{exercise} Implement: mean ranks
# :label: ex-baselines-ranks
# Write `average_ranks(scores)` for a table of tasks and methods. What do methods get that tie?
# :::

# %% [markdown]
# :::{solution} ex-baselines-ranks
# :class: dropdown
# ```{literalinclude} /coursework/solutions/baselines.py
# :pyobject: average_ranks
# ```
#
# Ties share the mean of their ranks, so the ranks of a task always have the same sum. A rank forgets by how much a method is better: half a
# point on an easy task counts as much as ten on a hard one.
# :::

# %% [markdown]
# :::{exercise} Investigate: who else is in the race?
# :label: ex-baselines-third
# On three of five tasks A is better than B, and both are better than C. On the other two B is better than C, and C than A. Which of A and B
# has the better mean rank? Now leave C out.
# :::

# %% [markdown]
# :::{solution} ex-baselines-third
# :class: dropdown
# ```{literalinclude} /coursework/solutions/baselines.py
# :pyobject: leader
# ```
#
# C is never the best and yet decides who is: it pushes A down where A loses. A mean rank is a statement about a field of methods, so name
# the field; or compare two methods by the differences between them, which no third one changes.
# :::
