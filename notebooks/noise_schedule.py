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
# # The noise schedule
#
# **The question.** The paper says that the choice between a linear and a cosine noise schedule changes quality and stability
# {cite:p}`bhosale2024anomaly`. Does it? And does a detector notice?
#
# A schedule does two things at once. It decides **which noise levels a training spends its time on**, and it decides **what the
# number $t$ means** when a score says "noise up to $t = 0.25\,T$". Mixed together, the two look like one large effect. This page
# takes them apart: four schedules, the same training for each, every network asked at the *same
# signal-to-noise ratios*.
#
# ::::{admonition} What you will learn
# :class: tip
# - what four common schedules do differently, in one picture;
# - how to compare networks that count time differently;
# - what a schedule changes in a network, and what of that a detector notices;
# - why one training of each tells two networks apart, and not two schedules;
# - why a setting such as $t = 0.25\,T$ must not be carried over from one schedule to another.
#
# *Before this:* [the forward process](forward_process.ipynb), [MNIST-C](mnist_c.ipynb). *Time to read:* 12 minutes.
# ::::

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from myst_nb import glue

from diffad import ablation_tables, tables
from diffad.ablations import LOG_SNR_RANGE, SCORED_LEVELS, read_cells, reference_log_snr
from diffad.figures import ablations as figures
from diffad.figures.style import method_title, use_style
from diffad.records import mismatches, stale_modules
from diffad.schedules import make_schedule
from diffad.trainings import TrainedSettings, by_setting, coverage, joint_confidence, pooled_spread

# %% tags=["parameters"]
runs_folder = "../../results/noise-schedule/cpu"  # a record a schedule and seed
seeds_folder = ""  # of an edition with several seeds a schedule, if that is another one
schedules = ["linear", "cosine", "sigmoid", "log_linear"]

# %% tags=["hide-input"]
use_style()
found = read_cells(runs_folder)
cells = {name: found[name] for each in schedules for name in by_setting(list(found)).get(each, [])}
trainings = by_setting(list(cells))
first = next(iter(cells.values())).record
asked, training = first.experiment, first.experiment["training"]
counts = sorted({len(names) for names in trainings.values()})
display(
    Markdown(
        f"**This page:** the *{first.edition}* edition on `{asked['dataset']}`: {len(trainings)} schedules, "
        f"{' or '.join(map(str, counts))} training{'s' * (max(counts) > 1)} of each. A U-Net of size *{asked['model']['network_parameters']['size']}*, "
        f"$T$ = {asked['model']['num_steps']:,}, {training['num_updates']:,} updates of {training['batch_size']} clean images, the same for all. "
        f"These are short trainings; the *gpu* edition trains longer. Detection: {first.data.split['sizes']['test']:,} test "
        f"images, clean and under {len(asked['protocol_parameters']['corruptions'])} corruptions. Quality: "
        f"{next(iter(cells.values())).quality.num_images} clean images that no network was trained on."
    )
)

# %% [markdown]
# ## Four ways from image to noise
#
# *Linear* raises the variance that a step adds in a straight line {cite:p}`ho2020denoising`; *cosine* lets the signal fall like a
# squared cosine {cite:p}`nichol2021improved`; *sigmoid* raises the variance along an S-curve, as the diffusers library offers it
# {cite:p}`vonplaten2022diffusers`; *log-linear* divides the signal-to-noise ratio by the same factor in every step, a straight
# line in the log-SNR {cite:p}`kingma2021vdm`.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Left: the logarithm of the signal-to-noise ratio over time. Right: the share of a training that falls on each unit of log-SNR, as training draws t evenly. Grey lines: the six noise levels at which every network is asked on this page.", "name": "fig-schedule-curves"}, "image": {"alt": "Two panels with four curves each. Left, log-SNR falls from about ten to about minus ten along four different paths. Right, the shares of training: cosine has a high peak at zero, linear a low one there and much weight to its left, sigmoid its peak at two to three, and log-linear is flat."}}
levels = reference_log_snr(SCORED_LEVELS)
curves = {name: make_schedule(name, asked["model"]["num_steps"]) for name in trainings}
figures.schedule_curves(curves, levels)

# %% [markdown]
# The cosine schedule gathers a training around equal parts of signal and noise. Linear and sigmoid spend a large share on images
# that are noise already; log-linear spends as much on images that are hardly touched as on any others. What a network of
# limited size and time is good at should follow from that.
#
# :::{admonition} One number, four meanings
# :class: important
# In the left picture, draw a vertical line at $t/T = 0.25$: it meets the four curves at four different heights. The table says
# which.
# :::

# %% tags=["hide-input"]
shares = (0.1, 0.25, 0.5)
meaning = pd.DataFrame(
    {
        f"t/T = {share:g}": [
            f"{float(each.log_snr[round(share * each.num_steps)]):.1f}" for each in curves.values()
        ]
        for share in shares
    },
    index=pd.Index([figures.setting_title(name) for name in curves], name="log-SNR at"),
)
display(tables.one_header(meaning))

# %% [markdown]
# So every network below is asked at the times where *its own* schedule has the log-SNR that the cosine schedule has at
# $t/T$ = 0.05, 0.1, 0.2, 0.35, 0.5 and 0.7 ({eq}`eq-matched-noise`). All networks meet the same noise on the same images.
#
# ## What training made of the network

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Error of the predicted noise on held-out clean images against log-SNR. Left: the error itself. Right: as a percentage of the cosine schedule's mean. Lines are means over trainings, dots are single trainings.", "name": "fig-schedule-eps"}, "image": {"alt": "Two panels of curves over log-SNR with a dot for each training. Left, all errors rise from strong noise at the left to little noise at the right. Right, the same errors relative to cosine: curves of schedules that spend more training at a level lie lower there."}}
errors = ablation_tables.eps_error_curves(cells, LOG_SNR_RANGE)
base = errors["cosine"].mean(axis=0)
figures.curves_of_trainings(
    LOG_SNR_RANGE,
    {"noise error": errors, "relative to cosine": {name: 100 * each / base for name, each in errors.items()}},
    "log-SNR (clean to the right)",
    ["mean squared error", "% of cosine's error"],
    chance=[None, 100],
    logarithmic=[True, False],
)

# %% tags=["hide-input"]
values = ablation_tables.quality_values(cells)
display(ablation_tables.quality_table(values))
bound_error = max(each.quality.bits_per_dim_error["total"] for each in cells.values())
display(
    Markdown(
        f"Means and 95 % intervals; the {coverage(trainings)}. *Bits a dimension* is the "
        "[variational bound](reverse_process.ipynb) (lower is better), whose end points and steps are those of each "
        f"schedule; over images alone its standard error is up to {bound_error:.2f}. *PSNR, SSIM* {{cite:p}}`wang2004ssim` *and sharpness* are of images that were "
        "noised to the log-SNR of the cosine schedule's $t/T$ = 0.25 and walked back in five steps. *Sharpness* is the energy of the edges, the squared "
        "differences of neighbouring pixels, as a share of the original's: 1 is as sharp as the original. *Noise error* is the mean over the six levels "
        f"of the scores, the noisiest at log-SNR {min(levels):.1f}."
    )
)
# The percentage by which linear's error exceeds cosine's at each log-SNR that both have.
excess = pd.Series(100 * (errors["linear"].mean(axis=0) / base - 1), index=LOG_SNR_RANGE).dropna()
sentences = []
for word, found in (("below", excess[excess < 0]), ("above", excess[excess > 0])):
    if len(found):
        at, most = ", ".join(f"{each:g}" for each in found.index), found.abs().idxmax()
        sentences.append(
            f"Linear's error lies {word} cosine's at log-SNR {at}, most at {most:g}, by {abs(found[most]):.0f} %."
        )
if (excess.index < min(levels)).any():
    hidden = ", ".join(f"{each:g}" for each in excess.index if each < min(levels))
    sentences.append(f"The mean over the six levels says nothing of log-SNR {hidden}: no score asks there.")
display(Markdown(" ".join(sentences)))

# %% tags=["hide-input"]
display(ablation_tables.bound_table(cells))
a_step = float(curves["log_linear"].log_snr[1] - curves["log_linear"].log_snr[2])
display(
    Markdown(
        "The bound in two parts, bits a dimension. *Last step* is the price of the pixels themselves, given the nearly clean image: the "
        "[reconstruction term](reverse_process.ipynb) $L_0$ of {eq}`eq-variational-bound`. The log-linear schedule "
        f"pays most of its bound there: each of its steps changes the SNR by {100 * np.expm1(a_step):.1f} %, so the variance that the bound gives its last step is "
        "tiny, and whatever error the network still makes is punished by it. It is a fault of that step, of which no score makes use."
    )
)

# %% tags=["hide-input"]
quality = ablation_tables.quality_differences(values, "linear")
display(ablation_tables.quality_difference_table(quality))

# %% [markdown]
# Each schedule minus *linear*, image by image, with 95 % intervals.
#
# ## What the detector makes of it

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Mean AUROC over the corruptions, in four ways to score. Mark and bar: mean over trainings with its 95 % interval. Where a schedule was trained several times, ticks below: single trainings.", "name": "fig-schedule-auroc"}, "image": {"alt": "Four panels side by side, one a score, each with a row for each of four schedules. The numbers stand in the table below."}}
methods = ["one_step", "partial_diffusion", "levels_max_abs", "denoiser_profile"]
trained = {method: TrainedSettings.of(cells, method) for method in methods}
figures.settings_by_method(
    {
        method_title(method).removeprefix("DDPM, "): (
            {name: each.interval(name) for name in trainings},
            each.values(),
        )
        for method, each in trained.items()
    }
)

# %% tags=["hide-input"]
display(ablation_tables.detection_table(trained))
display(ablation_tables.detection_table(trained, "linear"))
scoring = cells[trainings["cosine"][0]].record.experiment["scoring"]
asked_at = scoring["single_level"], scoring["partial_diffusion"]["start"]
log_snr = [f"{each:.1f}" for each in reference_log_snr(asked_at)]
display(
    Markdown(
        "AUROC in %; then each schedule minus *linear*, in points. The four scores ask at the same noise under every schedule, here by the cosine schedule's "
        f"time: *one level* at $t/T$ = {asked_at[0]:g} (log-SNR {log_snr[0]}), *partial diffusion* starts at {asked_at[1]:g} (log-SNR {log_snr[1]}), the other two "
        f"ask at all of {', '.join(f'{each:g}' for each in SCORED_LEVELS)}."
    )
)

# %% [markdown]
# Test images are drawn once for all networks, so the differences are paired. Where schedules were trained several times, the spread between
# trainings widens each interval by Student's t. Where each was trained once, nothing here knows what another seed would have
# changed; [the page on settings](sensitivity.ipynb) measures that on small digits, and for the error at one level it is not little.
#
# ## The level or the schedule?

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Mean AUROC of one-step reconstruction error against the log-SNR at which it is measured. Lines are means over trainings, dots single trainings.", "name": "fig-schedule-levels"}, "image": {"alt": "Four curves that rise and fall together over six noise levels, with a dot for each training. What their rise and fall is, and how far apart they lie, stands in the text below."}}
by_level = ablation_tables.level_aurocs(cells)
figures.curves_of_trainings(
    levels, {"one level": by_level}, "log-SNR (clean to the right)", ["mean AUROC in %"], chance=[50]
)

# %% tags=["hide-input"]
means = np.array([each.mean(axis=0) for each in by_level.values()])  # (schedules, levels)
over_levels = np.ptp(means, axis=1).mean()
over_schedules = np.ptp(means, axis=0)
half = len(levels) // 2  # levels run from clean to noisy
by_half = [
    (np.ptp(part, axis=1).mean(), np.ptp(part, axis=0).max()) for part in (means[:, :half], means[:, half:])
]
display(
    Markdown(
        f"From the best to the worst of six levels, AUROC changes by {over_levels:.0f} points, mean over the schedules; from the best to the worst "
        f"schedule at one level by {over_schedules.mean():.1f} points on average and {over_schedules.max():.1f} at most (at log-SNR {levels[over_schedules.argmax()]:.2f}). "
        f"But much of that comes from the noisy end. At the {half} cleaner levels (log-SNR {levels[half - 1]:.1f} and above) the level changes AUROC by "
        f"{by_half[0][0]:.1f} points, mean over the schedules, and the schedule by at most {by_half[0][1]:.1f}. At the noisier ones both matter: "
        f"{by_half[1][0]:.1f} points by the level, at most {by_half[1][1]:.1f} by the schedule, and the worst mean AUROC is {means.min():.0f} %"
        + (", below chance. " if means.min() < 50 else ". ")
        + "Who keeps $t = 0.25\\,T$ and changes the schedule changes the level, and will take the one effect for the other."
    )
)

# %% [markdown]
# ## Is a schedule more stable than another?
#
# Here *stable* means that another seed gives nearly the same network.

# %% tags=["hide-input"]
steady = read_cells(seeds_folder) if seeds_folder else cells
results = ablation_tables.values_by_result(steady, methods)
steadiest = {
    result: ablation_tables.steadier(found, "linear", "cosine", joint_confidence(len(results)))
    for result, found in results.items()
    if {"linear", "cosine"} <= set(found)
}
told = [
    name for name, each in steadiest.items() if ablation_tables.changes(each, 1.0) == ablation_tables.DIFFERS
]
if results:
    one = next(iter(steady.values())).record
    display(ablation_tables.spread_table(results))
    spread, at_one_level = (
        pooled_spread(results[method_title(each)]) for each in ("denoiser_profile", "one_step")
    )
    several = sorted({len(each) for each in next(iter(results.values())).values()})
    text = (
        f"Standard deviation between trainings that differ in their seed alone, AUROC in points (`{one.experiment['dataset']}`, *{one.edition}* edition, "
        f"{' or '.join(map(str, several))} trainings of each schedule that stands here). "
        + (
            "Between linear and cosine "
            + (f"the spreads of {', '.join(told)} differ" if told else "none of these spreads differs")
            + " beyond chance, all of them judged together; with so few trainings a ratio of two standard deviations has to be very large to be told. "
            if steadiest
            else "Linear or cosine was trained once, so the two cannot be compared. "
        )
        + f"Over all schedules, trainings of one schedule differ by {spread.deviation:.1f} points (standard deviation of the denoiser's profile, "
        f"{spread.degrees} degrees of freedom) and by {at_one_level.deviation:.1f} at one level: who reports one training of each reports that too."
    )
else:
    text = (
        "Each schedule was trained once in this edition, so this cannot be asked here. The experiment file has three seeds a schedule: run the cells "
        "`linear-1`, `linear-2`, `cosine-1` and so on, and this page shows their spread."
    )
display(Markdown(text))

# %% [markdown]
# ## Verdict
#
# :::{admonition} What the paper claims
# :class: note
# C5, second half: linear versus cosine schedules change quality and stability.
# :::

# %% tags=["hide-input"]
cosine = quality["cosine"]
detection = {method: each.difference("cosine", "linear") for method, each in trained.items()}
again = ablation_tables.trained_again(trainings, "linear", "cosine")
# Above 0 where cosine is the better, below where linear is.
leads = {
    name: ablation_tables.better(name, *(found.interval(each).estimate for each in ("cosine", "linear")))
    for name, found in values.items()
}


def better_one(word: str, lead: float) -> str:
    return ("cosine" if lead > 0 else "linear") if word == ablation_tables.DIFFERS else "–"


def row(what: str, difference: str, word: str, lead: float | None) -> tuple[str, str, str, str]:
    return what, difference, word, "–" if lead is None else better_one(word, lead)


rows = [
    row(
        "quality: " + name,
        ablation_tables.plain(each, ablation_tables.DECIMALS[name]),
        ablation_tables.changes(each),
        leads[name],
    )
    for name, each in cosine.items()
]
rows += [
    row(
        "detection: " + method_title(name) + ", points",
        tables.one_line(each.percent()),
        ablation_tables.changes(each),
        each.estimate,
    )
    for name, each in detection.items()
]
rows += [
    row(
        "stability: " + name + ", ratio of deviations",
        ablation_tables.plain(each, 1),
        ablation_tables.changes(each, 1.0),
        1 - each.estimate,
    )
    for name, each in steadiest.items()
    if name in (ablation_tables.PSNR, method_title("denoiser_profile"))
]
networks = "linear and cosine" if again else "these two networks"
verdicts = pd.DataFrame(rows, columns=["what", "cosine minus linear", networks, "better"]).set_index("what")
display(tables.one_header(verdicts))
joint = {
    "quality": ablation_tables.quality_differences(values, "linear", joint_confidence(len(cosine)))[
        "cosine"
    ].values(),
    "detection": [
        each.difference("cosine", "linear", joint_confidence(len(trained))) for each in trained.values()
    ],
}
parts = {
    part: ablation_tables.of_settings(ablation_tables.any_differs(differences), again)
    for part, differences in joint.items()
}
parts["stability"] = (
    ablation_tables.any_differs(steadiest.values(), 1.0) if steadiest else ablation_tables.NOT_ASKED
)


def better_by(part: str) -> str:
    """Who is better in the rows of a part of the table above, where they differ."""
    found = [each for what, *_, each in rows if what.startswith(part)]
    told = [f"{name} is the better in {found.count(name)}" for name in ("cosine", "linear") if name in found]
    return f"one by one, of {len(found)} measures, " + (
        " and ".join(told) if told else "none tells which is better"
    )


display(
    Markdown(
        f"**Quality** of held-out images: {ablation_tables.SENTENCES[parts['quality']]} ({better_by('quality')}). "
        f"**Detection**: {ablation_tables.SENTENCES[parts['detection']]} ({better_by('detection')}). "
        f"**Stability** over seeds: {ablation_tables.SENTENCES[parts['stability']]}. "
        "All at equal noise and equal training. Each of the three asks several questions at once; its verdict rests on wider intervals than "
        "the table's, which hold all together in 95 of 100 cases (Bonferroni). "
        f"The {coverage(trainings)}."
    )
)
for key, value in {
    "verdict-quality": parts["quality"],
    "verdict-detection": parts["detection"],
    "verdict-stability": parts["stability"],
    "bits": ablation_tables.plain(cosine[ablation_tables.BITS], 2),
    "psnr": ablation_tables.plain(cosine[ablation_tables.PSNR], 2),
    "noise": ablation_tables.plain(cosine[ablation_tables.NOISE], 4),
    "one-step": detection["one_step"].percent(),
    "partial": detection["partial_diffusion"].percent(),
    "profile": detection["denoiser_profile"].percent(),
    "spread": f"{spread.deviation:.1f}" if results else "not measured",
    "levels": f"{over_levels:.0f}",
    "schedules": f"{over_schedules.mean():.1f}",
    "trainings": " or ".join(map(str, counts)),
}.items():
    glue(f"schedule-{key}", value, display=False)

# %% [markdown]
# ### Can the records be trusted?

# %% tags=["hide-input"]
for name, cell in cells.items():
    assert not mismatches(cell.record, cell.scores), name
changed = sorted({module for each in cells.values() for module in stale_modules(each.record)})
display(
    Markdown(
        f"Every metric of the {len(cells)} records follows from their raw scores. "
        + tables.code_note(changed)
        + " One cell is run again by\n\n```bash\n"
        + f"diffad run experiments/noise_schedule.yaml --edition {first.edition} --cell cosine-0\n"
        + f"python -m diffad.ablations quality results/noise-schedule/{first.edition}/cosine-0\n```"
    )
)

# %% [markdown]
# ## Try it
#
# - `python -m diffad.ablations levels vdm scaled_linear` prints where two more schedules have the same noise. Add one of them as a cell and run the
#   *smoke* edition.
# - Write a schedule that spends all of its training between log-SNR 0 and 4, where this page finds anomalies best. What happens to
#   bits a dimension, and why?
#
# ## Quick check
#
# :::{admonition} Two papers use t = 250 of 1000, one with a linear, one with a cosine schedule. Do they measure the same?
# :class: dropdown
# No. At a quarter of the way the linear schedule has far less signal left: look at the table of log-SNRs. Translate by equal
# SNR before comparing.
# :::
#
# :::{admonition} The validation loss is lower under schedule A than under B. Is A better?
# :class: dropdown
# That does not follow. The loss is a mean over the levels that the schedule draws. One that draws many nearly clean images has a
# higher loss by construction, as noise is harder to see there. Compare at equal noise.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Compute: one level, many times
# :label: ex-schedule-cosine
# The plain cosine schedule has $\bar\alpha = \cos^2(\pi u / 2)$ with $u = t/T$. Solve its log-SNR for $u$. Where does it stand at 4, at 0
# and at $-4$? And where would a log-linear schedule that falls from 10 to $-10$?
# :::

# %% [markdown]
# :::{solution} ex-schedule-cosine
# :class: dropdown
# ```{literalinclude} /coursework/solutions/noise_schedule.py
# :pyobject: cosine_share
# ```
#
# The log-linear one is at 4, 0 and $-4$ for $u$ = 0.3, 0.5 and 0.7. So $u = 0.3$ is a log-SNR of 4 to the one, and of 1.3 to the other.
# :::

# %% [markdown]
# :::{exercise} Implement: the same noise by another clock
# :label: ex-schedule-match
# Write `matching_times(log_snr, wanted)`: at which times has a schedule come nearest to the wanted log-SNRs?
# :::

# %% [markdown]
# :::{solution} ex-schedule-match
# :class: dropdown
# ```{literalinclude} /coursework/solutions/noise_schedule.py
# :pyobject: matching_times
# ```
#
# Near in the logarithm: a difference of the ratios themselves would look at the clean end alone, where ratios are large. Time 0 is left
# out, as no noise is there to be asked about.
# :::

# %% [markdown]
# :::{exercise} Investigate: what does a training spend its time on?
# :label: ex-schedule-spend
# A training draws $t$ evenly from 1 to $T$. Which share of its draws falls on log-SNRs from 0 to 4, at which the cleaner scores of this page ask,
# and which on $-4$ and below, where an image is noise already? Ask the linear, the plain cosine and the log-linear schedule of the first
# exercise.
# :::

# %% [markdown]
# :::{solution} ex-schedule-spend
# :class: dropdown
# ```{literalinclude} /coursework/solutions/noise_schedule.py
# :pyobject: share_of_training
# ```
#
# The cosine schedule spends about twice as much as the others on the levels that the scores ask at, and far less on noise. Compare with the
# curves of the noise error above: is each network best where it spent its time?
# :::
