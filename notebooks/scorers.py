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
# # From denoiser to detector
#
# **The question.** A trained denoiser has only ever been asked to take noise off. There are many ways to make it say
# "anomalous": compare an image with its reconstruction, ask how probable it is, measure how hard the network pushes at
# it. Which way finds most, and what does it cost?
#
# The paper uses one of them, reconstruction error {cite:p}`bhosale2024anomaly`; the survey sorts all of them into three
# families {cite:p}`liu2025survey`. Here every one asks *the same trained network* about *the same digits*.
#
# ::::{admonition} What you will learn
# :class: tip
# - what the three families compute, and that at one noise level two of them are the same thing;
# - that ten well chosen network evaluations can be compared, fairly, with two hundred and fifty;
# - why anomalies can be *easier* than normal images, and three ways to mend that;
# - how a score becomes a decision with a false-positive rate that is kept.
#
# *Before this:* [sampling and reconstruction](sampling.ipynb) and [MNIST-C](mnist_c.ipynb). *Time to read:* 20 minutes.
# ::::

# %% tags=["hide-input"]
import time
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from myst_nb import glue
from scipy.stats import betabinom, spearmanr

from diffad import comparison_tables, tables
from diffad.datasets.corruptions import corrupt
from diffad.evaluation import MEAN_OVER_GROUPS
from diffad.experiments import PROTOCOLS, read_run
from diffad.figures import results as result_figures
from diffad.figures import scorers as figures
from diffad.figures.style import use_style
from diffad.methods import level_name
from diffad.records import mismatches, read_record, stale_modules
from diffad.scorers import Evaluator, make_scorer
from diffad.scorers.denoiser_profile import NormalDistance
from diffad.tasks import evaluate_tasks
from diffad.thresholds import conformal_p_values

# %% tags=["parameters"]
comparison_record = "../../results/scorers/cpu/mnist-c"  # every scorer on one model
model_run = "../../results/mnist-c/cpu"  # the run whose model was asked
pairs_folder = "../../results/fast-against-slow/cpu"  # ten evaluations against 250, a record a task
num_fitted, num_calibrated, num_fresh = 400, 300, 300  # held-out digits of the calibration plot
num_timed, num_rounds = 50, 2  # digits of the race, and how often it is run

# %% tags=["hide-input"]
use_style()
record, scores = read_record(comparison_record)
run = read_run(model_run)
assert record.experiment["record_of_model"], "the record must name the run whose model was asked"
asked = run.record.experiment
split = PROTOCOLS[asked["protocol"]](
    asked["dataset"],
    seed=run.record.seeds["split"],
    **asked["protocol_parameters"] | record.experiment["protocol_parameters"],
)
overview = comparison_tables.scorer_overview(record)
groups = sorted(set(scores.groups[scores.labels == 1]))
num_normal = int((scores.labels == 0).sum())
display(
    Markdown(
        f"**This page:** the *{record.edition}* edition. One U-Net of "
        f"{sum(each.numel() for each in run.model.parameters()) / 1e6:.2f} million parameters, trained on clean digits in "
        f"{run.record.wall_seconds['ddpm/train'] / 60:.0f} minutes; {len(overview)} scorers; {num_normal} clean test digits and "
        f"{int((scores.labels == 1).sum()) // len(groups)} other ones under each of {len(groups)} corruptions. That is few, "
        "because the slow scorers are slow, so look at the intervals. Scorers that have to learn what is usual saw "
        f"{record.experiment['held_out']} held-out clean digits. Settings are the library's or those of the cited paper; none "
        "was chosen on these labels."
    )
)

# %% [markdown]
# ## Three families
#
# **Reconstruction** asks what the model would have made of the image. Noise is mixed in up to a level $t$, the network
# takes it off, and the distance to the original is the score, at one level or summed over several:
#
# $$
# A(x) = d\bigl(x, \hat x_0(x_t)\bigr), \qquad S(x) = \sum_t w_t \, d\bigl(x, \hat x_0(x_t)\bigr).
# $$
#
# One network evaluation gives $\hat x_0$ in a single step {cite:p}`ho2020denoising`. *Partial diffusion* takes many small
# ones from a level in between {cite:p}`wyatt2022anoddpm`, from several levels at once {cite:p}`graham2023ood`, or hides
# half of the pixels behind a checkerboard and lets the model fill them in {cite:p}`liu2023lmd`.
#
# **Density** asks how probable the image is. The training bound gives it in bits per dimension
# ([derivation](reverse_process.ipynb)), the probability-flow ODE gives it without the bound's slack {cite:p}`song2021sde`:
#
# $$
# A(x) = -\log p_\theta(x) \;\le\; \sum_{t} L_t(x).
# $$
#
# A variant asks for the distance from the *usual* density, in either direction {cite:p}`nalisnick2019typicality`; another
# subtracts what a file compressor needs for the same image {cite:p}`serra2020`. Diffusion-time estimation belongs here too:
# how much noise does the image look as if it had {cite:p}`livernoche2024dte`?
#
# **Score** asks how hard the model pushes the image towards the data, which is the gradient of the log density
# {cite:p}`song2019ncsn`, and at several noise levels a vector of such lengths {cite:p}`mahmood2021msma`:
#
# $$
# A(x) = \bigl\lVert \nabla_x \log p_t(x) \bigr\rVert, \qquad \nabla_{x_t} \log p_t(x_t) \approx
# -\,\frac{\epsilon_\theta(x_t, t)}{\sqrt{1-\bar\alpha_t}}.
# $$
#
# To it belong the error of the predicted noise, the bend of the path from image to noise {cite:p}`heng2024diffpath`, and what the
# network computes on the way: its bottleneck describes the image {cite:p}`baranchuk2022,xiang2023`.
#
# :::{admonition} Two families, one number
# :class: note
# Since $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$, the error of $\hat x_0$ is that of
# $\epsilon_\theta$ times $\sqrt{(1-\bar\alpha_t)/\bar\alpha_t}$, the same for all images. At *one* level, reconstruction
# error and noise error rank images alike (but for clipping to the range of pixels). They part where levels are added up: the
# factor decides which level is heard.
# :::
#
# ## Accuracy against cost
#
# Cost is counted in network evaluations an image (NFE), because that is what every machine pays for. Both axes matter: a
# scorer is worth its place if nothing to its left is as high.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Mean AUROC over the corruptions, with its 95 % interval, against network evaluations an image (logarithmic). A number stands for the scorer in the same row of the table below; colour and shape for its family. Scorers of equal cost stand side by side in one grey band.", "name": "fig-scorers-cost"}, "image": {"alt": "Scatter plot of numbered points with vertical intervals. The horizontal axis is logarithmic from one to about a thousand network evaluations. The numbers are those of the table below."}}
figures.cost_and_accuracy(overview)

# %% tags=["hide-input"]
display(comparison_tables.scorer_table(overview))

# %% [markdown]
# NFE: network evaluations an image, counted by a hook on the network itself, so that no scorer can forget one.
# Milliseconds: wall time of the recorded scoring, divided by the images. The machine, two cores, was shared with other work
# that came and went while the scorers ran one after the other, so single times say little; evaluations are exact.

# %% tags=["hide-input"]
best = overview.iloc[0]
cheap = overview[overview["nfe"].between(1, 10)].iloc[0]
dear = overview[overview["nfe"] >= 100]
best_dear = dear.iloc[0]
each_evaluation = (overview["milliseconds"] / overview["nfe"])[overview["nfe"] >= 10]
rank_correlation = spearmanr(np.log(overview["nfe"].clip(lower=1)), overview["estimate"])
of_family = overview.groupby("family").first()
display(
    Markdown(
        f"**What it says.** The best here is *{best['title']}* with {100 * best['estimate']:.1f} % at {best['nfe']} evaluations; at ten or "
        f"fewer it is *{cheap['title']}* with {100 * cheap['estimate']:.1f} %. Of the {len(dear)} scorers that take a hundred or more, the "
        f"best, *{best_dear['title']}*, reaches {100 * best_dear['estimate']:.1f} %. Over all {len(overview)} scorers, cost and AUROC have a rank "
        f"correlation of {rank_correlation.statistic:.2f}: evaluations by themselves buy nothing. By family, the best are "
        + "; ".join(
            f"{family}: *{row['title']}*, {100 * row['estimate']:.1f} %"
            for family, row in of_family.iterrows()
        )
        + ". That these are the best is hindsight; that they were all computed and shown is not. How uneven the recorded times are: one evaluation "
        f"of the same network took from {each_evaluation.min():.1f} to {each_evaluation.max():.1f} ms, by the scorer it happened to serve. The next section "
        "therefore races two scorers in turns."
    )
)
glue("scorers-best-title", best["title"], display=False)
glue("scorers-best", f"{100 * best['estimate']:.1f}", display=False)
glue("scorers-best-nfe", int(best["nfe"]), display=False)

# %% [markdown]
# ## Ten evaluations against 250
#
# AnoDDPM {cite:p}`wyatt2022anoddpm` and the benchmark of {cite:t}`livernoche2024dte` walk back 250 steps from a quarter of the way to
# noise. Below, the ten-level *denoiser's profile* (errors and bottleneck activations at ten levels, one evaluation each)
# against exactly that, on the same models and the same images, MNIST-C and the ten one-class tasks of
# [CIFAR-10](cifar10.ipynb).

# %% tags=["hide-input"]
titles = {
    "denoiser_profile": "profile, 10 NFE",
    "partial_250": "partial diffusion, 250 NFE",
    "one_level_2": "one level, 2 NFE",
}
fast, slow, cheapest = titles.values()
one_model = comparison_tables.scorer_results(record, scores, titles)
pairs = {
    path.parent.name: read_record(path.parent) for path in sorted(Path(pairs_folder).glob("*/record.json"))
}
many_models = evaluate_tasks({name: each[1] for name, each in pairs.items()}, list(titles))
assert record.nfe["denoiser_profile"] == 10 and record.nfe["partial_250"] == 250


def cost_row(what, estimates, difference, records):
    seconds = {name: sum(each.wall_seconds[f"{name}/score"] for each in records) for name in titles}
    images = sum(each.data.split["sizes"]["test"] for each in records)
    return {
        "task": what,
        **{titles[name]: tables.one_line(estimates[name].percent()) for name in titles},
        "profile minus 250 steps, points": tables.one_line(difference.percent()),
        "ms an image, profile": f"{1000 * seconds['denoiser_profile'] / images:,.1f}",
        "ms an image, 250 steps": f"{1000 * seconds['partial_250'] / images:,.0f}",
        "times faster": f"{seconds['partial_250'] / seconds['denoiser_profile']:.1f}",
    }


mnist_means = {name: one_model.interval("auroc", title, MEAN_OVER_GROUPS) for name, title in titles.items()}
mnist_difference = one_model.difference("auroc", fast, slow, MEAN_OVER_GROUPS)
class_means = tables.means(many_models)
class_difference = many_models.difference("auroc", "denoiser_profile", "partial_250", MEAN_OVER_GROUPS)
class_records = [each[0] for each in pairs.values()]
rows = [
    cost_row(
        f"{run.record.experiment['dataset']}, {len(groups)} corruptions",
        mnist_means,
        mnist_difference,
        [record],
    ),
    cost_row(
        f"{class_records[0].data.name}, mean of {len(pairs)} classes",
        class_means,
        class_difference,
        class_records,
    ),
]
display(tables.one_header(pd.DataFrame(rows).set_index("task").T.rename_axis("measured")))

# %% [markdown]
# AUROC in %, differences in points, paired, with 95 % bootstrap intervals over the test images. Times are wall seconds of
# the recorded scoring, one way after the other, under whatever else the machine did. A fairer race, run when this page was made: the
# same digits, the same batch size, the two in turns.

# %% tags=["hide-input", "nbval-ignore-output"]
racers = {
    name: make_scorer(choice["scorer"], Evaluator(run.model, batch_size=num_timed), **choice["parameters"])
    for name, choice in record.experiment["scorers"].items()
    if name in ("denoiser_profile", "partial_250")
}
race = split.validation[:num_timed]
lap_times = {name: [] for name in racers}
for scorer in racers.values():
    scorer.fit(race)  # warms up, too
for _ in range(num_rounds):
    for name, scorer in racers.items():
        started = time.perf_counter()
        scorer.scores(race)
        lap_times[name].append(time.perf_counter() - started)
laps = {name: np.array(times) / num_timed for name, times in lap_times.items()}
race_ratios = laps["partial_250"] / laps["denoiser_profile"]
display(
    Markdown(
        f"Seconds an image, best of {num_rounds} rounds: {laps['denoiser_profile'].min():.4f} for the profile and {laps['partial_250'].min():.4f} for 250 steps: "
        f"{laps['partial_250'].min() / laps['denoiser_profile'].min():.1f} times as fast (by round: {', '.join(f'{each:.1f}' for each in race_ratios)})."
    )
)
glue("scorers-race", f"{laps['partial_250'].min() / laps['denoiser_profile'].min():.1f}", display=False)

# %% [markdown]
# Task by task, from the records:

# %% tags=["hide-input"]
rows = [
    {
        "task": name,
        **{
            titles[method]: tables.one_line(many_models.interval("auroc", method, name).percent())
            for method in titles
        },
        "difference, points": tables.one_line(
            many_models.difference("auroc", "denoiser_profile", "partial_250", name).percent()
        ),
        "times faster": f"{each.wall_seconds['partial_250/score'] / each.wall_seconds['denoiser_profile/score']:.1f}",
    }
    for name, (each, _) in pairs.items()
]
display(tables.one_header(pd.DataFrame(rows).set_index("task")))
mnist_speed = record.wall_seconds["partial_250/score"] / record.wall_seconds["denoiser_profile/score"]
class_speed = sum(each.wall_seconds["partial_250/score"] for each in class_records) / sum(
    each.wall_seconds["denoiser_profile/score"] for each in class_records
)
outcome = {
    "holds": "more than",
    "does not hold": "less than",
    "cannot be told": "neither more nor less, as far as these images can tell, than",
}
display(
    Markdown(
        f"**Ten against 250.** On {run.record.experiment['dataset']} the profile finds {outcome[tables.verdict(mnist_difference)]} the walk of 250 steps "
        f"({tables.one_line(mnist_difference.percent())} points) and was {mnist_speed:.1f} times as fast. On the {len(pairs)} classes of "
        f"{class_records[0].data.name} it finds {outcome[tables.verdict(class_difference)]} it ({tables.one_line(class_difference.percent())} points), "
        f"{class_speed:.1f} times as fast. The ratio of evaluations is 25; the recorded ratios also hold what else "
        "the machine did meanwhile, the race above less so."
    )
)
glue("scorers-speed-mnist", f"{mnist_speed:.1f}", display=False)
glue("scorers-speed-classes", f"{class_speed:.1f}", display=False)
glue("scorers-difference-mnist", mnist_difference.percent(), display=False)
glue("scorers-difference-classes", class_difference.percent(), display=False)

# %% [markdown]
# ## Which noise level sees what
#
# Why do ten levels find more than a walk that starts from one? Because each level asks another question. Below are the
# recorded one-step errors of all test digits of [MNIST-C](mnist_c.ipynb), corruptions sorted by the level that sees them
# best. Little noise hides only the finest detail, so the network is asked about edges and grain; much noise leaves only the
# coarse layout, so it is asked where the digit stands and how it is turned.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "AUROC in % of one-step error at each noise level. Corruptions are sorted by the level at which they show best: those of grain and edge on top, those of place and shape at the bottom. Red is inverted.", "name": "fig-scorers-levels"}, "image": {"alt": "Heat map of corruptions by ten noise levels, sorted so that the best level of each row moves from left to right going down. No column is good in all rows; some cells lie far below 50."}}
levels = {level_name(fraction): fraction for fraction in asked["scoring"]["levels"]}
by_level = comparison_tables.recorded_aurocs(run.record, list(levels)).rename(columns=levels)
best_level = by_level.idxmax(axis=1)
result_figures.level_heatmap(by_level.loc[best_level.sort_values(kind="stable").index])

# %% tags=["hide-input"]
one_for_all, one_each = by_level.mean().max(), by_level.max(axis=1).mean()
display(
    Markdown(
        f"The corruptions' best levels range from $t/T = {best_level.min():g}$ (*{best_level.idxmin().replace('_', ' ')}*) to "
        f"${best_level.max():g}$ (*{best_level.idxmax().replace('_', ' ')}*). The best single level for all of them reaches "
        f"{100 * one_for_all:.1f} %, an oracle that picks the best for each {100 * one_each:.1f} %. What a combination of levels can gain "
        "lies between these two, and above them where levels say more together."
    )
)

# %% [markdown]
# ## When anomalies are easier than normal images
#
# An error says how *hard* an image is, not how *unusual*. A smaller digit, a blurred one or an empty sky leaves the network
# less to get wrong. It then scores *below* the normal images: the detector is inverted, and no threshold on that side will
# ever find it. Density does the same: simple images are more probable than typical ones {cite:p}`nalisnick2019`.
#
# Three remedies, each asking the same network nothing more:
#
# - **Two-sided scores.** Calibrate each level on held-out normals and count what is unusually good as unusual too ($\max |z|$;
#   for densities, typicality).
# - **Complexity correction.** Subtract what the image's compressed file size predicts for a normal image
#   {cite:p}`serra2020`.
# - **The denoiser's profile.** Keep the errors as a vector and add what the bottleneck saw; ask how far all of it together lies
#   from normal (Mahalanobis distance, Ledoit–Wolf covariance {cite:p}`ledoit2004`).

# %% tags=["hide-input"] mystnb={"figure": {"caption": "The six corruptions that plain error does worst at, and the mean over all. Bars begin at chance: to the left the score is inverted. Lines are 95 % intervals.", "name": "fig-scorers-mended"}, "image": {"alt": "Horizontal bars for six corruptions and the mean, five methods each, beginning at an AUROC of 50. Plain errors reach to the left for some corruptions; two-sided scores and the profile reach to the right."}}
mending = {
    "one_level_2": "error, one level",
    "eps_error": "error, ten levels",
    "complexity_regression": "error less complexity",
    "calibrated_max_abs": "two-sided, max |z|",
    "denoiser_profile": "denoiser's profile",
}
mended = comparison_tables.scorer_results(record, scores, mending)
hardest = sorted(groups, key=lambda group: mended.interval("auroc", mending["eps_error"], group).estimate)[:6]
figures.departures_from_chance(mended, [*hardest, MEAN_OVER_GROUPS])

# %% tags=["hide-input"]
worst_table = comparison_tables.inversion_table(record, overview)
display(tables.one_header(worst_table.drop(columns="name").set_index("scorer")))
sided = worst_table.set_index("name")["inverted beyond chance"]
display(
    Markdown(
        f"Corruptions that are inverted beyond chance (their whole interval below 50): {sided['eps_error']} of {len(groups)} for the plain error of ten "
        f"levels, {sided['complexity_regression']} after the correction for complexity, {sided['calibrated_max_abs']} for the two-sided score and "
        f"{sided['denoiser_profile']} for the profile."
    )
)

# %% [markdown]
# ## Where does it look?
#
# A score that sums over pixels can be left unsummed: an error map. Below are three of them for one held-out digit, clean and
# spoiled, computed now with the recorded model. The one-level map shows *what was changed by reconstruction*; the map of ten
# levels, each in units of what is usual there, also shows damage that one level is blind to; partial diffusion shows what
# the walk repaired.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "A digit, clean and under seven corruptions, and three kinds of error map. Each row has one colour scale; bright is a large error.", "name": "fig-scorers-maps"}, "image": {"alt": "Four rows of eight pictures: the digit clean and corrupted, then three rows of error maps. Maps are dark for the clean digit and bright where dots, lines or stripes were added."}}
evaluator = Evaluator(run.model, batch_size=100)
chosen = ["impulse_noise", "dotted_line", "zigzag", "stripe", "spatter", "motion_blur", "scale"]
base = split.validation[[3]]
examples = np.concatenate([base] + [corrupt(base, name, seed=2, indices=[3]) for name in chosen])
noise_error = make_scorer("eps_error", evaluator)
usual = noise_error.maps(split.validation[:20]).mean(axis=(0, 2, 3))  # (levels,)
maps = {
    "one level": make_scorer("one_level", evaluator)
    .maps(examples)
    .reshape(len(examples), *examples.shape[1:3]),
    "ten levels": (noise_error.maps(examples) / usual[:, None, None]).mean(axis=1),
    "partial\ndiffusion": make_scorer("partial", evaluator).maps(examples),
}
figures.error_map_rows(examples, maps, ["clean", *chosen])

# %% [markdown]
# ## From a score to a decision
#
# A score orders images; a decision needs a line. The line comes from normal images that were held out, and the share of
# normals that it flags should be the share that was promised. A *conformal p-value* does that for any score: the share of held-out normals
# that score at least as high, counting the image itself {cite:p}`bates2023testing`. Flag what has $p \le \alpha$, and on
# average a share $\alpha$ of normal images is flagged.
#
# It matters which normals. The profile learns means and a covariance from held-out digits. Drawing the line by the scores
# *of those same digits* breaks the promise, because the covariance has fitted them; a second set of held-out digits keeps
# it. Three disjoint sets of clean digits that the network never saw show this: one to learn the distance from, one to draw the line, and
# one to see what is flagged.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Left: conformal p-values of fresh clean digits; they should rise along the diagonal. Right: share of fresh clean digits flagged against the share promised. Grey: where 95 of 100 draws of digits would lie.", "name": "fig-scorers-calibration"}, "image": {"alt": "Two panels. Left, two curves of p-values close to the diagonal. Right, the line for separate held-out digits stays within the grey band; the line for digits that the distance was fitted on lies far above it."}}
held_out = split.validation[: num_fitted + num_calibrated + num_fresh]
assert len(held_out) == num_fitted + num_calibrated + num_fresh, "too few held-out digits for the three sets"
view = make_scorer("denoiser_profile", evaluator).view.measure(held_out)
fitted, calibrated, fresh = np.split(np.arange(len(held_out)), [num_fitted, num_fitted + num_calibrated])
level_errors = view.level_errors[:, list(asked["scoring"]["levels"]).index(asked["scoring"]["single_level"])]
distance = NormalDistance(view.rows()[fitted])(view.rows())
p_values = {
    "error, one level": conformal_p_values(level_errors[calibrated], level_errors[fresh]),
    "denoiser's profile": conformal_p_values(distance[calibrated], distance[fresh]),
}
same_digits = conformal_p_values(distance[fitted], distance[fresh])
stated = np.arange(1, 31) / 100
observed = {
    "profile, separate held-out digits": np.array(
        [(p_values["denoiser's profile"] <= rate).mean() for rate in stated]
    ),
    "profile, the digits it was fitted on": np.array([(same_digits <= rate).mean() for rate in stated]),
    "one level, held-out digits": np.array(
        [(p_values["error, one level"] <= rate).mean() for rate in stated]
    ),
}
drawn = np.floor(stated * (num_calibrated + 1) + 1e-9)  # held-out digits above the line
band = np.stack(
    [betabinom.ppf(end, num_fresh, drawn, num_calibrated + 1 - drawn) / num_fresh for end in (0.025, 0.975)]
)
figures.calibration(p_values, stated, observed, band)

# %% tags=["hide-input", "tolerance-0.05"]
shown = np.array([0.01, 0.05, 0.1])
places = [int(np.argmin(np.abs(stated - rate))) for rate in shown]
reliability = pd.DataFrame(
    {
        **{name: [f"{100 * shares[place]:.1f}" for place in places] for name, shares in observed.items()},
        "95 of 100 draws": [f"{100 * band[0, place]:.1f} to {100 * band[1, place]:.1f}" for place in places],
    },
    index=pd.Index([f"{100 * rate:.0f} %" for rate in shown], name="promised"),
)
display(tables.one_header(reliability))

# %% [markdown]
# In % of the fresh clean digits. The band is exact: with $n$ digits to draw the line and $m$ fresh ones, the number flagged has a
# beta-binomial law, whatever the score. Its width is the price of few held-out digits: to promise 1 % and mean it, hold out hundreds.
#
# The labels of anomalies played no part in this. How many anomalies are found at that line is another question, and the
# AUROC's.
#
# ### Can the records be trusted?

# %% tags=["hide-input"]
assert not mismatches(record, scores)
for each, its_scores in pairs.values():
    assert not mismatches(each, its_scores)
same_run = record.experiment["record_of_model"] == run.record.content_hash
changed = sorted({name for each in (record, *class_records) for name in stale_modules(each)})
display(
    Markdown(
        f"Every metric of the {1 + len(pairs)} records follows from its raw scores. "
        + (
            "The comparison asked the model of the very run whose levels and maps are shown here. "
            if same_run
            else "The comparison asked an earlier training of the same configuration than the one whose levels and maps are shown here. "
        )
        + tables.code_note(changed)
    )
)

# %% [markdown]
# ## Do it yourself
#
# ```python
# from diffad.scorers import Evaluator, make_scorer
#
# scorer = make_scorer("denoiser_profile", Evaluator(model)).fit(held_out_normals)
# scorer.scores(images)  # higher = more anomalous
# scorer.evaluations_per_image
# ```
#
# - Put `time_learned` and `denoiser_profile` with three levels into a comparison file and run `diffad compare` on a model of yours.
# - The profile with two levels costs a fifth. Choose two levels from the heat map *without* looking at it again afterwards. Do they
#   beat those of the file?
# - Make the calibration plot with 50 digits to draw the line instead of 300. How wide is the band at 5 %?
#
# ## Quick check
#
# :::{admonition} At one noise level, does it matter whether you score by reconstruction error or by noise error?
# :class: dropdown
# No, but for clipping: they differ by a factor that depends on the level alone, so they order images alike.
# :::
#
# :::{admonition} Why can 250 evaluations find less than ten?
# :class: dropdown
# They are spent on one question, what the image looks like when it is rebuilt from one noise level. Ten evaluations at ten levels ask
# ten questions, and a corruption that one level is blind to shows at another.
# :::
#
# :::{admonition} A detector flags 12 % of normal images although 5 % were promised. Where do you look first?
# :class: dropdown
# At the images that set the line. If the network was trained on them, or the score's means and covariance were fitted on them, their
# scores are too low.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Implement: a profile becomes a score
# :label: ex-scorers-two-sided
# Write `two_sided_score(normal_errors, errors)`: logarithms of the errors, $z$-scores level by level against held-out normals, and the largest
# $|z|$. Which of the two arguments sets the mean and the spread?
# :::

# %% [markdown]
# :::{solution} ex-scorers-two-sided
# :class: dropdown
# ```{literalinclude} /coursework/solutions/scorers.py
# :pyobject: two_sided_score
# ```
#
# The held-out normals alone set them. On a logarithmic scale half the usual error is as far from usual as twice the usual error.
# :::

# %% [markdown]
# :::{exercise} Compute: how many images must be held out?
# :label: ex-scorers-held-out
# The smallest p-value that $n$ held-out images can give is $1/(n+1)$. How many does it take before anything can be flagged at a rate of 5 %, 1 %,
# 0.1 %?
# :::

# %% [markdown]
# :::{solution} ex-scorers-held-out
# :class: dropdown
# ```{literalinclude} /coursework/solutions/scorers.py
# :pyobject: fewest_held_out
# ```
#
# A promise about rare false alarms needs many images that were never trained on. No formula gets round that without an assumption about the tail.
# :::

# %% [markdown]
# :::{exercise} Investigate: why all images share their noise
# :label: ex-scorers-shared-noise
# Take two nearly equal images and a denoiser that is known. How much does the *difference* of their errors vary from noise to noise, if both get the
# same noise, and if each gets its own?
# :::

# %% [markdown]
# :::{solution} ex-scorers-shared-noise
# :class: dropdown
# ```{literalinclude} /coursework/solutions/scorers.py
# :pyobject: spread_of_difference
# ```
#
# Most of an error's variation comes from the noise and not from the image. Shared, it falls out of every comparison.
# :::
