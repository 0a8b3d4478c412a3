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
# # How many steps?
#
# **The question.** "More diffusion steps $T$: finer denoising, more compute", says the paper {cite:p}`bhosale2024anomaly`. That
# sentence holds two numbers under one name:
#
# - $T$, into how many steps the way to noise is cut when the network is **trained**;
# - the number of steps in which a trained network is **walked back**, each of which is one evaluation of the network (NFE).
#
# DDPM ties them together; since DDIM {cite:p}`song2021ddim` they are free of each other. This page changes one at a time.
#
# ::::{admonition} What you will learn
# :class: tip
# - what $T$ costs, and what it buys, when the walk back stays the same;
# - what 250 steps back see that one step does not, and what they lose;
# - why *finer* and *closer to the image* are two different things.
#
# *Before this:* [sampling](sampling.ipynb), [the noise schedule](noise_schedule.ipynb). *Time to read:* 12 minutes.
# ::::

# %% tags=["hide-input"]
import pandas as pd
import torch
from IPython.display import Markdown, display
from myst_nb import glue

from diffad import ablation_tables, tables
from diffad.ablations import edge_energy, read_cells
from diffad.bootstrap import Interval
from diffad.claims import Outcome, verdict_of
from diffad.efficiency.growth import fit_exponent
from diffad.evaluation import MEAN_OVER_GROUPS
from diffad.evidence import Evidence
from diffad.evidence_of_runs import closer
from diffad.evidence_of_trainings import five_steps_against_one
from diffad.experiments import PROTOCOLS, read_run
from diffad.figures import ablations as figures
from diffad.figures import one_class
from diffad.figures.style import method_title, use_style
from diffad.images import to_network, to_uint8
from diffad.records import mismatches, read_record, stale_modules
from diffad.samplers import partial_diffusion
from diffad.trainings import TrainedSettings, by_setting, coverage

# %% tags=["parameters"]
runs_folder = "../../results/steps/cpu"  # a record a number of steps and seed
thousand_folder = "../../results/noise-schedule/cpu"  # its cosine cells are T = 1000
comparison_record = "../../results/denoising-steps/cpu/mnist-c"
model_run = "../../results/mnist-c/cpu"
results_folder = "../../results"  # where the verdict on "finer" reads what the page of claims reads
num_shown = 8  # images that are walked back here, by the stored model

# %% tags=["hide-input"]
use_style()
thousand = {name.replace("cosine", "t1000"): each for name, each in read_cells(thousand_folder).items()}
cells = read_cells(runs_folder) | {name: each for name, each in thousand.items() if name.startswith("t1000-")}
order = sorted(by_setting(list(cells)), key=lambda setting: int(setting[1:]))
cells = {name: cells[name] for setting in order for name in by_setting(list(cells))[setting]}
trainings, numbers = by_setting(list(cells)), [int(setting[1:]) for setting in order]
first = cells[f"{order[0]}-0"].record
asked, training = first.experiment, first.experiment["training"]
counts = sorted({len(names) for names in trainings.values()})
display(
    Markdown(
        f"**The first part:** the *{first.edition}* edition on `{asked['dataset']}`. Networks trained with $T$ = {', '.join(f'{each:,}' for each in numbers)} under the "
        f"cosine schedule, {' or '.join(map(str, counts))} training{'s' * (max(counts) > 1)} of each, {training['num_updates']:,} updates of {training['batch_size']}, all else the same: "
        "the cosine schedule is a function of $t/T$, so the noise levels that the scores ask at are the same for every $T$."
    )
)

# %% [markdown]
# ## T in training
#
# What can $T$ change? Training draws a level at random for each image and takes one step there, so an update costs the same at any $T$.
# With a large $T$ the network sees more levels, closer together, and one nearer to the clean image. With $T = 20$ the smallest noise
# that it ever sees is already a twentieth of the way. One would expect the small $T$ to lose. Does it?

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Networks trained with different T, asked at the same noise. Top: bits a dimension, PSNR of held-out images walked back in five steps, error of the predicted noise. Bottom: mean AUROC by three scores. 95 % intervals.", "name": "fig-steps-training"}, "image": {"alt": "Six panels over a logarithmic axis of T from 20 to 4000, each with a point and an interval for each T. The numbers stand in the tables below."}}
values = ablation_tables.quality_values(cells)
methods = ["one_step", "partial_diffusion", "levels_max_abs", "denoiser_profile"]
trained = {method: TrainedSettings.of(cells, method) for method in methods}
seconds = {
    setting: [cells[name].history.seconds[-1] for name in names] for setting, names in trainings.items()
}
panels = {
    title: [values[title].interval(setting) for setting in order]
    for title in (ablation_tables.BITS, ablation_tables.PSNR, ablation_tables.NOISE)
}
for method in ("one_step", "partial_diffusion", "denoiser_profile"):
    panels[f"{method_title(method).removeprefix('DDPM, ')}, AUROC in %"] = [
        ablation_tables.times(trained[method].interval(setting), 100) for setting in order
    ]
figures.against_steps(numbers, panels, "T")

# %% tags=["hide-input"]
display(ablation_tables.quality_table(values))

# %% tags=["hide-input"]
display(ablation_tables.detection_table(trained))
display(ablation_tables.detection_table(trained, "t1000"))

# %% [markdown]
# AUROC in %, then each $T$ minus $T = 1000$ in points, with 95 % intervals, on the same test images. *Bits a dimension* is the
# variational bound, with as many terms as there are steps. For a perfect network fewer and coarser steps make it looser; whether
# that shows beside the errors of a real one, the table says.

# %% tags=["hide-input"]
coarse = ablation_tables.quality_differences(values, "t1000")[order[0]]
detection = {method: each.difference(order[-1], order[0]) for method, each in trained.items()}
sees = [method_title(method) for method, each in detection.items() if each.low > 0]
loses = [method_title(method) for method, each in detection.items() if each.high < 0]
smallest = f"$T$ = {numbers[0]:,}"
estimates = {
    quantity: {setting: each.interval(setting).estimate for setting in order}
    for quantity, each in values.items()
}
winners = {
    quantity: max(
        order, key=lambda setting, of=quantity, by=found: ablation_tables.better(of, by[setting], 0.0)
    )
    for quantity, found in estimates.items()
}
winners |= {
    method_title(method): max(order, key=lambda setting, by=each: by.interval(setting).estimate)
    for method, each in trained.items()
}
# How far the smallest T is the better than 1,000, and whether beyond chance.
leads = {
    quantity: (
        ablation_tables.better(quantity, *(estimates[quantity][each] for each in (order[0], "t1000"))),
        each,
    )
    for quantity, each in coarse.items()
}
small = {method_title(method): each.difference(order[0], "t1000") for method, each in trained.items()}
leads |= {title: (each.estimate, each) for title, each in small.items()}
told = {
    name: lead
    for name, (lead, each) in leads.items()
    if ablation_tables.changes(each) == ablation_tables.DIFFERS
}
won, lost = ([name for name, lead in told.items() if sign * lead > 0] for sign in (1, -1))
best_in = [name for name, setting in winners.items() if setting == order[0]]


def listed(names):
    """Quantities and scores, without units and networks."""
    return ", ".join(name.removeprefix("DDPM, ").partition(", dB")[0] for name in names)


again = ablation_tables.trained_again(trainings, order[0], "t1000")
display(
    Markdown(
        f"Of all $T$, {smallest} has the best mean in {len(best_in)} of {len(winners)} columns of the tables above"
        + (f" ({listed(best_in)}). " if best_in else ". ")
        + f"At this budget of {training['num_updates']:,} updates, "
        + (
            f"it lost against $T$ = 1,000 beyond chance in {listed(lost)}"
            if lost
            else f"{smallest} lost nothing against $T$ = 1,000 that we could measure"
        )
        + (f", and gained in {listed(won)}. " if won else ". ")
        + (
            ""
            if again
            else "That is said of these networks: one training of each cannot tell whether another seed would turn it round. "
        )
        + "The seconds of a training, mean over those of each $T$, on a machine that did other work besides: "
        + ", ".join(
            f"{sum(each) / len(each):.0f} ($T$ = {int(setting[1:]):,})" for setting, each in seconds.items()
        )
        + "."
    )
)
display(
    Markdown(
        f"The {coverage(trainings)}. From $T$ = {numbers[0]:,} to 1,000 the bound changes by {ablation_tables.plain(ablation_tables.times(coarse[ablation_tables.BITS], -1), 2)} bits a dimension. The error of the predicted "
        f"noise at the same levels changes by {ablation_tables.plain(ablation_tables.times(coarse[ablation_tables.NOISE], -1), 4)}. For detection, $T$ = {numbers[-1]:,} is "
        + (
            f"better than $T$ = {numbers[0]} by {', '.join(sees)}"
            if sees
            else f"better than $T$ = {numbers[0]} by no score beyond chance"
        )
        + (f" and worse by {', '.join(loses)}" if loses else "")
        + (
            "."
            if ablation_tables.trained_again(trainings, order[0], order[-1])
            else ", as far as one training of each can tell."
        )
    )
)

# %% [markdown]
# ## Steps back from the noise
#
# Now one trained network, the one of [the MNIST-C page](mnist_c.ipynb). Each test image is noised to $t = 0.25\,T$, always by the same noise,
# and walked back in 1 to 250 DDIM steps. That is what a score by reconstruction can spend its evaluations on.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "One model, walked back from the same noise in more and more steps: mean AUROC of the reconstruction error over fifteen corruptions; PSNR of clean test images; milliseconds an image on one core. 95 % intervals over test images.", "name": "fig-steps-back"}, "image": {"alt": "Three panels over a logarithmic axis of the number of steps. The time rises in proportion to the steps; the numbers of all three stand in the table below."}}
record, scores = read_record(comparison_record)
walks = ablation_tables.walks_table(record, scores)
figures.against_steps(
    list(walks.index),
    {
        "mean AUROC, %": [ablation_tables.times(each, 100) for each in walks["auroc"]],
        "PSNR of clean images, dB": list(walks["psnr"]),
        "milliseconds an image": list(walks["milliseconds"]),
    },
    "steps back (NFE)",
    ["milliseconds an image"],
)

# %% tags=["hide-input", "nbval-ignore-output"]
shown = pd.DataFrame(
    {
        "AUROC, %": [tables.one_line(each.percent()) for each in walks["auroc"]],
        "PSNR, dB": [ablation_tables.plain(each, 2) for each in walks["psnr"]],
        "ms an image": [f"{each:,.1f}" for each in walks["milliseconds"]],
    },
    index=walks.index.rename("steps"),
)
display(tables.one_header(shown))
fewest, most = walks.index[0], walks.index[-1]
names = walks["method"]
results = tables.group_results(record, scores, [*names, "denoiser_profile"])
more = results.difference("auroc", names[most], names[fewest], MEAN_OVER_GROUPS)
profile = results.difference("auroc", "denoiser_profile", names[most], MEAN_OVER_GROUPS)
psnr = ablation_tables.mean_interval(
    ablation_tables.reconstruction_psnr(scores, names[most])
    - ablation_tables.reconstruction_psnr(scores, names[fewest])
)
slope = Interval(*fit_exponent(walks.index, walks["milliseconds"])[1:])
power = ablation_tables.plain(slope, 2)
display(
    Markdown(
        f"{most} steps against {fewest}: AUROC {tables.one_line(more.percent())} points, PSNR of the {(scores.labels == 0).sum()} clean test images "
        f"{ablation_tables.plain(psnr, 2)} dB, both paired. Time grows like the steps to the power {power}: the slope of a straight line through the "
        f"{len(walks)} times on logarithmic axes, with Student's interval; 1 would be in proportion. One look at each of ten levels (*denoiser's profile*, "
        f"{record.nfe['denoiser_profile']} evaluations) minus {most} steps from one level: {tables.one_line(profile.percent())} points."
    )
)

# %% [markdown]
# ### Finer is not closer
#
# The one-step estimate is, ideally, the *mean* of all clean images that the noisy one might have come from {cite:p}`ho2020denoising`. A mean is
# smooth, and of all guesses it has the smallest squared error. Further steps commit to *one* of these images: sharper, and
# further off wherever the choice was wrong. A network short of training is not there yet, and a few more steps may mend its errors too.
# The picture shows it.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Held-out clean digits, noised to the middle of the way (t = 0.5 T) and walked back in 1, 5 and 50 steps by the stored model.", "name": "fig-steps-finer"}, "image": {"alt": "Four rows of eight digits: the originals; one step, blurred; five steps, with crisper strokes; fifty steps, as crisp as the originals but here and there of another shape."}}
run = read_run(model_run)
their = run.record.experiment
split = PROTOCOLS[their["protocol"]](
    their["dataset"], seed=run.record.seeds["split"], **their["protocol_parameters"]
)
images = split.validation[-num_shown:]
x_0, middle = to_network(images), run.model.num_steps // 2
noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
rebuilt = {steps: partial_diffusion(run.model, x_0, middle, steps, noise, clamp=1.0) for steps in (1, 5, 50)}
one_class.image_rows(
    {"held-out\ndigits": images}
    | {f"{steps} step{'s' * (steps > 1)}": to_uint8(each) for steps, each in rebuilt.items()}
)

# %% tags=["hide-input", "tolerance-0.05"]
sharper = pd.DataFrame(
    {
        "sharpness": [
            f"{(edge_energy(each) / edge_energy(x_0)).mean().item():.2f}" for each in rebuilt.values()
        ],
        "PSNR, dB": [
            f"{(10 * torch.log10(4 / (each - x_0).square().flatten(1).mean(1))).mean().item():.1f}"
            for each in rebuilt.values()
        ],
    },
    index=pd.Index(rebuilt, name="steps"),
)
display(tables.one_header(sharper))

# %% [markdown]
# *Sharpness* is the energy of the edges as a share of the original's: 1 is as sharp as the original. The same was measured on the trainings
# of the first part, on more images:

# %% tags=["hide-input"]
finer = ablation_tables.five_minus_one(cells)
rows = {
    quantity: ablation_tables.plain(each, ablation_tables.DECIMALS[quantity])
    for quantity, each in finer.items()
    if quantity in (ablation_tables.SHARPNESS, ablation_tables.PSNR, ablation_tables.SSIM)
}
display(tables.one_header(pd.DataFrame({"five steps minus one": rows}).rename_axis("quantity")))
longer = ablation_tables.mean_interval(
    ablation_tables.reconstruction_psnr(scores, names[5])
    - ablation_tables.reconstruction_psnr(scores, names[1])
)
shorter = finer[ablation_tables.PSNR]
display(
    Markdown(
        f"Mean over all {len(cells)} trainings, with 95 % intervals over trainings; from the noise of the cosine schedule's $t/T$ = 0.25. Do not set the PSNR beside "
        f"that of the walks further up without a thought. These are different networks: that one was trained for {their['training']['num_updates']:,} updates, these "
        f"for {training['num_updates']:,}. Five steps minus one: {ablation_tables.plain(longer, 2)} dB there, {ablation_tables.plain(shorter, 2)} dB here. "
        + (
            "That fits what was expected above: many steps take the longer trained network away from the original, and mend what the shortly trained ones get "
            "wrong at first."
            if psnr.high < 0 < shorter.low
            else ""
        )
    )
)

# %% [markdown]
# ## Verdict
#
# :::{admonition} What the paper claims
# :class: note
# C5, first half: more diffusion steps $T$ give finer denoising and need more compute.
# :::

# %% tags=["hide-input"]
evidence = Evidence(results_folder, record.edition)
finer_parts = {
    "sharper": five_steps_against_one(evidence, ablation_tables.SHARPNESS),
    "closer to the original": closer(evidence) + five_steps_against_one(evidence, ablation_tables.PSNR),
}
finer_verdicts = {
    name: str(verdict_of([each.outcome for each in found])) for name, found in finer_parts.items()
}
words = {Outcome.SUPPORTS: "holds", Outcome.CONTRADICTS: "does not hold"}
detects, dearer = tables.verdict(more), tables.verdict(slope)


def of_trainings(interval, *settings):
    """The verdict on settings of a training; none where one of them was trained once."""
    return (
        tables.verdict(interval)
        if ablation_tables.trained_again(trainings, *settings)
        else ablation_tables.ONCE
    )


verdicts = pd.DataFrame(
    [
        *(
            (
                "steps back",
                f"{part}. {each.what}",
                tables.one_line(each.numbers),
                words.get(each.outcome, str(each.outcome)),
            )
            for part, found in finer_parts.items()
            for each in found
        ),
        (
            "steps back",
            f"better detection, {most} minus {fewest}, points",
            tables.one_line(more.percent()),
            detects,
        ),
        ("steps back", "more compute: the exponent is above 0", power, dearer),
        (
            f"T = {numbers[0]} minus 1,000",
            "looser bound, bits",
            ablation_tables.plain(coarse[ablation_tables.BITS], 2),
            of_trainings(coarse[ablation_tables.BITS], order[0], "t1000"),
        ),
        *(
            (
                f"T = {numbers[-1]:,} minus {numbers[0]}",
                f"better detection, {method_title(method)}, points",
                tables.one_line(each.percent()),
                of_trainings(each, order[-1], order[0]),
            )
            for method, each in detection.items()
        ),
    ],
    columns=["more of what", "claim", "difference", "verdict"],
).set_index("more of what")
display(tables.one_header(verdicts))
display(
    Markdown(
        "**Finer**, in the two senses that [the page of claims](claims.ipynb) tells apart, from the same numbers: "
        + "; ".join(f"*{part}*: {word}" for part, word in finer_verdicts.items())
        + f". **More compute:** for the walk back, like its steps to the power {power}; an update of a training costs the same at any $T$. "
        f"**Detection:** that {most} steps find more than {fewest}: {detects}."
    )
)
for key, value in {
    "finer": finer_verdicts["sharper"],
    "sharpness": ablation_tables.plain(finer[ablation_tables.SHARPNESS], 2),
    "closer": finer_verdicts["closer to the original"],
    "psnr": ablation_tables.plain(psnr, 2),
    "detection": detects,
    "auroc": more.percent(),
    "auroc-one": walks.loc[fewest, "auroc"].percent(),
    "auroc-most": walks.loc[most, "auroc"].percent(),
    "most": int(most),
    "exponent": power,
    "profile": profile.percent(),
    "bits": ablation_tables.plain(ablation_tables.times(coarse[ablation_tables.BITS], -1), 2),
    "t-detection": of_trainings(detection["denoiser_profile"], order[-1], order[0]),
    "t-auroc": detection["denoiser_profile"].percent(),
    "t-one-step": detection["one_step"].percent(),
}.items():
    glue(f"steps-{key}", value, display=False)

# %% [markdown]
# ### Can the records be trusted?

# %% tags=["hide-input"]
for name, cell in cells.items():
    assert not mismatches(cell.record, cell.scores), name
assert not mismatches(record, scores)
changed = sorted(
    {module for each in (record, *(cell.record for cell in cells.values())) for module in stale_modules(each)}
)
display(
    Markdown(
        f"Every metric of the {len(cells) + 1} records follows from their raw scores. "
        + tables.code_note(changed)
        + " They are run again by\n\n```bash\n"
        + f"diffad run experiments/steps.yaml --edition {first.edition} --cell {order[0]}-0\n"
        + f"python -m diffad.ablations quality results/steps/{first.edition}/{order[0]}-0\n"
        + f"diffad compare experiments/denoising_steps.yaml --edition {record.edition}\n```"
    )
)

# %% [markdown]
# ## Try it
#
# - Walk back from $t = 0.7\,T$ instead. At how many steps does a reconstructed digit become another digit?
# - Add the scorer `ancestral` to `experiments/denoising_steps.yaml`: it takes every step and adds noise in each. Where does it stand?
#
# ## Quick check
#
# :::{admonition} PSNR falls when more steps are taken. Has the sampler a fault?
# :class: dropdown
# No. The one-step estimate is the mean of what is possible, and no guess has a smaller expected squared error. A sample from what is possible has
# twice the error of the mean, if the network is exact.
# :::
#
# :::{admonition} Why does an update cost the same with T = 4000 as with T = 20?
# :class: dropdown
# An update draws one level for each image and evaluates the network once there. $T$ says from how many levels is drawn.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Compute: the least noise that a network has seen
# :label: ex-steps-least
# Under the plain cosine schedule, $\bar\alpha_t = \cos^2(\pi t / 2T)$, how many grey levels of noise are in an image at $t = 1$, for $T$ =
# 20, 100, 1,000 and 4,000? An image's 255 grey levels span $-1$ to 1; divide by $\sqrt{\bar\alpha_1}$ first, so that the image has its full
# contrast.
# :::

# %% [markdown]
# :::{solution} ex-steps-least
# :class: dropdown
# ```{literalinclude} /coursework/solutions/steps.py
# :pyobject: least_noise
# ```
#
# For small angles the tangent is its angle, so five times the steps are a fifth of the noise. Pixels are whole grey levels: noise of much
# less than one of them cannot be told from rounding, and a network learns nothing from it that a detector could ask for.
# :::

# %% [markdown]
# :::{exercise} Implement: how close is a rebuilt image?
# :label: ex-steps-psnr
# Write `psnr(images, rebuilt)` in dB for each of a batch of images with values from $-1$ to 1. What does twice the squared error cost?
# :::

# %% [markdown]
# :::{solution} ex-steps-psnr
# :class: dropdown
# ```{literalinclude} /coursework/solutions/steps.py
# :pyobject: psnr
# ```
#
# Twice the squared error costs $10 \log_{10} 2$, or 3 dB, wherever one starts. The mean over pixels comes before the logarithm, that over
# images after it: else one bad image would stand for all.
# :::

# %% [markdown]
# :::{exercise} Investigate: finer and further off
# :label: ex-steps-finer
# Pixels are $-1$ or 1, as likely, and the best guess of a pixel from $x_t$ is $\tanh(\sqrt{\bar\alpha_t}\, x_t / (1 - \bar\alpha_t))$.
# Noise many of them to $\bar\alpha = 1/2$ and walk them back by DDIM in 1, 5 and 50 steps. How large are the pixels then on average, and
# how far off?
# :::

# %% [markdown]
# :::{solution} ex-steps-finer
# :class: dropdown
# ```{literalinclude} /coursework/solutions/steps.py
# :pyobject: error_and_size
# ```
#
# No training is needed to see it: the denoiser is exact. One step gives grey means, 50 steps give black or white pixels, some of them
# wrong. The error stays below twice that of the mean, because DDIM adds no fresh noise: each pixel goes to the side where it already stood.
# :::
