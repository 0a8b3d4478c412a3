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
# # On noisy and adversarial images
#
# **The question.** A detector that was tried on clean images meets a cheap camera, a JPEG file, someone who wants a defect to pass,
# and a training set in which a few defects were overlooked. Is it still a detector? The paper says that diffusion is robust on noisy
# and adversarial data {cite:p}`bhosale2024anomaly`, and shows no experiment on it. Here are three.
#
# ::::{admonition} What you will learn
# :class: tip
# - what noise that nobody sees does to a score, and why AUROC hides the half of it that a user feels;
# - how to attack an anomaly score by its own gradient, and how to tell a weak attack from a robust score;
# - whether an attack on one detector fools the others, and whether other random numbers are a defence;
# - how many overlooked anomalies among the training images it takes to matter.
#
# *Before this:* [MNIST-C](mnist_c.ipynb), [CIFAR-10](cifar10.ipynb). *Time to read:* 15 minutes.
# ::::

# %% tags=["hide-input"]
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from myst_nb import glue

from diffad.figures import one_class as image_figures
from diffad.figures import robustness as figures
from diffad.figures.style import method_title, use_style
from diffad.records import mismatches, read_record
from diffad.robustness import reading
from diffad.robustness import tables as robust
from diffad.robustness.attack import DOWN, UP, projected_gradient
from diffad.robustness.configuration import load_robustness
from diffad.robustness.noise import NOISE, add_noise
from diffad.robustness.objectives import make_objective
from diffad.robustness.panel import Panel
from diffad.robustness.runs import make_trial
from diffad.tables import one_header

# %% tags=["parameters"]
robustness_file = "../../experiments/robustness.yaml"
edition_name = "cpu"
results_folder = "../../results/robustness/cpu"  # a folder a run
contamination_folder = "../../results/contamination/cpu"  # a record a digit and rate
promised = 0.05  # share of false alarms that the line is drawn for
shown_epsilon = 8  # grey levels, of the pictures and the table of transfer

# %% tags=["hide-input"]
use_style()
asked = load_robustness(robustness_file)
tried = {
    name: reading.read_robustness(Path(results_folder, name))
    for name in asked.edition(edition_name).runs
    if Path(results_folder, name, "noise", "record.json").exists()
}
attacked = {name: each for name, each in tried.items() if "attack" in each.scores}
ours = ["one_step", "partial_diffusion", "levels_max_abs", "denoiser_profile"]
headline = "denoiser_profile"
baselines = list(asked.baselines)
paper = [name for name in ("iforest", "ocsvm", "copod") if name in baselines]
titles = {name: "MNIST-C" if name == "mnist-c" else f"CIFAR-10, {name} normal" for name in tried}
first, target_run = next(iter(tried)), next(iter(attacked))
trial = make_trial(asked, edition_name, first, root="../..")
rows = []
for name, each in tried.items():
    scores = each.scores["noise"]
    rows.append(
        {
            "data": titles[name],
            "normal images": int((scores.labels == 0).sum()),
            "anomalies": int((scores.labels == 1).sum()),
            "held-out normals that draw the line": int((each.scores["calibration"].labels == 0).sum()),
            "attacked, of each kind": int((each.scores["attack"].labels == 0).sum())
            if name in attacked
            else "-",
        }
    )
display(one_header(pd.DataFrame(rows).set_index("data")))
display(
    Markdown(
        f"**This page:** the *{edition_name}* edition. The models are those of the recorded runs; nothing was trained anew for the first two "
        f"parts. Baselines are fitted on {asked.edition(edition_name).baseline_training_images:,} of the same training images. Test images are fewer than in the "
        "other chapters, and of MNIST-C they come from "
        + ", ".join(trial.split.parameters["corruptions"]).replace("_", " ")
        + ", chosen from the recorded run because they are not found at a glance. Make it again: "
        f"`diffad robustness experiments/robustness.yaml --edition {edition_name} --again`."
    )
)

# %% [markdown]
# ## Noise on every test image
#
# Noise falls on *all* test images, normal and anomalous alike: a camera does not know which is which. The model, its calibration and the
# baselines stay as they were on clean images. Gaussian noise of standard deviation 5 on a scale of 255 is hardly visible.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "The same test images clean and under every noise of this page. An image's noise is a function of its own pixels and grows along one draw.", "name": "fig-robustness-noise"}, "image": {"alt": "Ten rows of eight handwritten digits: clean, then Gaussian noise of three strengths, salt and pepper of three rates, and JPEG of three qualities. Within each kind the later rows look worse."}}
some = trial.split.test[:8]
pictures = {"clean": some} | {
    f"{NOISE[kind].title}, {strength:g}": add_noise(some, kind, strength, asked.seed)
    for kind, strengths in asked.noise.items()
    for strength in strengths
}
image_figures.image_rows(pictures)


# %% tags=["hide-input"] mystnb={"figure": {"caption": "MNIST-C: AUROC with 95 % intervals against the strength of the noise, which falls on normal images and anomalies alike.", "name": "fig-robustness-noise-auroc"}, "image": {"alt": "Three panels, one a kind of noise. The diffusion scores that look at several levels start highest and fall with the first step of Gaussian noise; the baselines start lower and stay level. All numbers stand in the tables below."}}
noise = {name: robust.noise_curves(each, [*ours, *baselines]) for name, each in tried.items()}
axis_names = [NOISE[kind].strength.partition(",")[0] for kind in asked.noise]
shown_methods = [*ours, *paper[1:], "lof"]
figures.strength_curves(noise[first][noise[first]["method"].isin(shown_methods)], axis_labels=axis_names)

# %% tags=["hide-input"]
for name, table in noise.items():
    display(robust.wide(table, f"AUROC in %, {titles[name]}"))
    display(robust.change_summary(table, titles[name]))

# %% [markdown]
# Change of AUROC against clean images in points, with paired 95 % intervals: the same images, drawn together. "Fallen beyond chance"
# counts the noises whose whole interval lies below zero.
#
# Two things to see. The more levels a score looks at, the more it has to lose: the finest levels describe texture that no clean digit
# has, so a score that listens to its most surprised level hears nothing but the noise. And a baseline that hardly separates anything cannot
# fall far: *level* is not *robust*. COPOD and ECOD rank an image among the batch that it is scored with, noise and all.
#
# ## What a user feels: false alarms
#
# AUROC asks whether anomalies score above normal images *that are just as noisy*. A user has drawn a line on clean images and keeps it. The
# line here is conformal {cite:p}`bates2023testing`: on clean normal images it raises a false alarm in one case of twenty.


# %% tags=["hide-input"] mystnb={"figure": {"caption": "MNIST-C: share of normal images flagged, at a line drawn on clean held-out normals for a false alarm rate of 5 % (dotted).", "name": "fig-robustness-alarms"}, "image": {"alt": "Three panels, one a kind of noise. The false alarm rate of the diffusion scores rises from near 5 percent to near 100 percent with the first or second step of most noises; the numbers stand in the table below."}}
alarms = {name: robust.alarm_curves(each, [*ours, *baselines], promised) for name, each in tried.items()}
figures.strength_curves(
    alarms[first][alarms[first]["method"].isin(shown_methods)], "false alarms in %", promised, axis_names
)

# %% tags=["hide-input"]
for name, table in alarms.items():
    display(robust.wide(table, f"false alarms in %, {titles[name]}"))

# %% tags=["hide-input"]
silent = noise[first].merge(
    alarms[first][["method", "condition", "strength", "panel", "estimate"]],
    on=["method", "condition", "strength", "panel"],
    suffixes=("", "_alarms"),
)
silent = silent[silent["change"].abs() < 0.02].sort_values("estimate_alarms").iloc[-1]
display(
    Markdown(
        f"AUROC hides this. {method_title(silent['method'])} under {silent['panel']} {silent['strength']} on {titles[first]}: its AUROC changes by "
        f"{robust.percent_cells(silent, sign=True, of='change')} points, and its false alarms stand at {100 * silent['estimate_alarms']:.0f} %."
    )
)

# %% [markdown]
# Noise does not only blur the difference, it moves everything across the line. For many scores a noisy normal image *is* an anomaly,
# and in a sense they are right: no training image was noisy. Whoever expects noise must calibrate on noisy images, or train on them.
#
# ## An attack by the score's own gradient
#
# Noise is blind. An adversary is not: a defect is to pass, or an honest part to be thrown out. Of all images within $\varepsilon$ grey
# levels of the original $\mathbf{x}$, which moves the score $s$ furthest?
#
# $$
# \mathbf{x}^\star = \arg\max_{\lVert \mathbf{x}' - \mathbf{x} \rVert_\infty \le \varepsilon,\; \mathbf{x}' \in \{0, \dots, 255\}^d}
# \; \pm\, s(\mathbf{x}')
# $$ (eq-projected-gradient)
#
# Implemented by `diffad.robustness.attack.projected_gradient`. Plus for normal images, which are pushed to look anomalous; minus for
# anomalies, which are pushed to look normal. The search takes steps along the sign of the gradient, each followed by a projection $\Pi$ onto
# the pixels within the ball {cite:p}`madry2018`:
#
# $$
# \mathbf{x}_{k+1} = \Pi\left(\mathbf{x}_k \pm \eta_k \operatorname{sign} \nabla s(\lfloor \mathbf{x}_k \rceil)\right),
# \qquad \textstyle\sum_k \eta_k = \tfrac{5}{2}\, \varepsilon,
# $$ (eq-projected-step)
#
# where $\lfloor \cdot \rceil$ rounds to whole grey levels and the step sizes $\eta_k$ fall linearly. Implemented by
# `diffad.robustness.attack.projected_gradient`. The gradient runs through the denoiser at every noise level and through the calibration. What is kept is the best *saved* image,
# in whole grey levels, and it is scored anew by the ordinary path.
#
# :::{admonition} Is the gradient honest?
# :class: note
# Many defences only hide their gradient, by randomness or by rounding, and fall to the next attack {cite:p}`athalye2018`. Here the noise that a
# score draws is fixed for all images, so the score is a smooth function of the pixels, and its gradient is exact: checked against
# differences, and the attack against a Gaussian's score, whose optimum is known in closed form.
# :::

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Attack on the denoiser's profile within 8 grey levels. First three: normal digits, pushed to look anomalous. Last three: anomalies, pushed to look normal. The titles give each score before and after.", "name": "fig-robustness-attacked"}, "image": {"alt": "Three rows of six digits. Original and attacked digits look alike. The third row shows the difference: in normal digits nearly every pixel of the background is raised by eight grey levels, in anomalies only pixels of the strokes are changed."}}
panel = Panel(trial.run, 250, ()).fit(trial.calibration)
objective = make_objective(headline, trial.run.model, panel.scoring, panel.view)
before = panel.scores(trial.split.test[:60])[headline]
line = reading.line(tried[first].scores["calibration"], headline, promised)
answers = trial.split.reveal(np.arange(len(trial.split.test)))  # after all scores: the attacker knows them
normal = [each for each in np.flatnonzero(answers.labels[:60] == 0) if before[each] <= line][:3]
anomalous = [each for each in np.flatnonzero(answers.labels[:60] == 1) if before[each] > line][:3]
chosen = np.array([*normal, *anomalous])
directions = np.array([UP] * len(normal) + [DOWN] * len(anomalous))
originals = trial.split.test[chosen]
long = {
    epsilon: projected_gradient(objective, originals, directions, epsilon, 24)
    for epsilon in (2, shown_epsilon)
}
after = panel.scores(long[shown_epsilon].images)[headline]
figures.changed_images(
    originals,
    long[shown_epsilon].images,
    [f"{a:.0f} to {b:.0f}" for a, b in zip(before[chosen], after, strict=True)],
    shown_epsilon,
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Does the attack converge? Score of the best image so far, relative to the original's, mean of each kind of image.", "name": "fig-robustness-convergence"}, "image": {"alt": "Four curves against the number of gradients. Those of normal images rise, the one of the larger ball to about twice the original score; those of anomalies fall by a few percent. All are flat after some ten gradients."}}
curves, names = [], []
for epsilon, found in long.items():
    for kind, rows_of in (("normal", directions == UP), ("anomaly", directions == DOWN)):
        curves.append((found.best / found.best[0])[:, rows_of].mean(axis=1))
        names.append(f"{kind}, within {epsilon}")
figures.convergence(np.array(curves), range(len(curves[0])), names)

# %% tags=["hide-input"]
settings = asked.attack
display(
    Markdown(
        f"In the recorded attack each ball starts from what was found in the smaller one: {settings.num_steps} gradients at each of "
        f"{len(settings.epsilons)} sizes, {settings.num_steps * len(settings.epsilons)} for the largest. Step sizes fall linearly to zero and add up to "
        "two and a half times the ball's radius. More gradients would find more: what follows is a lower bound on the harm."
    )
)


# %% tags=["hide-input"] mystnb={"figure": {"caption": "MNIST-C: AUROC with 95 % intervals of three scores, each attacked by its own gradient, against the largest change of a pixel in grey levels of 255. Right: the control, every pixel moved by as much at random.", "name": "fig-robustness-attack"}, "image": {"alt": "Four panels. Where both kinds are attacked all three scores fall below 50 percent at two to eight grey levels. Attacks on normal images alone do nearly as much, attacks on anomalies alone far less. Random noise lowers the scores that look at several levels and leaves the third."}}
attacks = {name: robust.attack_curves(each) for name, each in attacked.items()}
figures.strength_curves(attacks[target_run], axis_labels=["grey levels"] * 4)

# %% tags=["hide-input"]
for name, table in attacks.items():
    display(robust.attack_wide(table, f"AUROC in %, {titles[name]}; grey levels"))

# %% tags=["hide-input"]
sides = {
    side: robust.at(attacks[target_run], method=headline, panel=side, strength=str(shown_epsilon))
    for side in (robust.ANOMALIES, robust.NORMALS)
}
display(
    Markdown(
        f"The two directions are not alike. Within {shown_epsilon} grey levels, {method_title(headline)} on {titles[target_run]} comes to "
        f"{robust.percent_cells(sides[robust.ANOMALIES])} % where only anomalies are attacked, and to {robust.percent_cells(sides[robust.NORMALS])} % where only normal "
        "images are."
    )
)

# %% [markdown]
# To make a normal image unusual any texture will do that no training image had, and a few grey levels hold enough of it. To make an
# anomaly usual, the rotated digit would have to be turned back. This is no weakness of the search: another optimiser of the same
# score (Adam, straight through the rounding) finds no more, which a test holds it to.
#
# At a line drawn on clean images: how many anomalies still raise an alarm, and how many normal images do, when both are attacked.

# %% tags=["hide-input"]
for name, each in attacked.items():
    table = robust.flagged_table(each, promised).rename_axis(f"flagged in %, {titles[name]}; grey levels")
    display(one_header(table))

# %% [markdown]
# ## Does it transfer?
#
# An attacker may know one detector and meet another. The very images that fool one score are judged by all others, baselines among them.
# The control is random noise of the same size: what falls no further than under noise was not fooled.


# %% tags=["hide-input"] mystnb={"figure": {"caption": "MNIST-C: AUROC in % of every method on images attacked against one score within 8 grey levels, and on random noise of that size. Framed: a score judges the attack on itself.", "name": "fig-robustness-transfer"}, "image": {"alt": "A matrix with five rows, clean, random noise and three attacked scores, and twelve columns, the methods. The framed cells are the lowest of their rows or near to it; the numbers are printed in the cells."}}
transfers = {
    name: robust.transfer_table(each, [*ours, *baselines], shown_epsilon) for name, each in attacked.items()
}
figures.transfer_matrix(transfers[target_run])

# %% tags=["hide-input"]
for name, table in transfers.items():
    shown = (100 * table).round(0).astype(int).rename(index=method_title, columns=method_title)
    if name != target_run:
        display(
            one_header(shown.rename_axis(f"AUROC in %, {titles[name]}, within {shown_epsilon} grey levels"))
        )
    fall = 100 * (table.loc["random noise"] - table.loc[headline])
    display(
        Markdown(
            f"{titles[name]}: the attack on {method_title(headline)} lowers "
            + ", ".join(
                f"{method_title(method)} by {fall[method]:.0f}" for method in ours if method != headline
            )
            + f" points further than random noise does, the baselines by {fall[baselines].min():.0f} ({method_title(fall[baselines].idxmin())}) "
            f"to {fall[baselines].max():.0f} ({method_title(fall[baselines].idxmax())}); a negative fall is a rise."
        )
    )

# %% [markdown]
# All diffusion scores ask the same network, so what fools one of them moves the others. Read COPOD and ECOD with care: they rank an image
# among its batch, and the attack itself leaves marks where no clean digit has ink. If attacked anomalies bear more of them than attacked normal
# images, that *raises* their AUROC: they detect the attack, not the anomaly.
#
# ## Are other random numbers a defence?
#
# The attacker knew the noise that the score draws. Suppose it is drawn anew, unknown to the attacker, with the score calibrated anew.

# %% tags=["hide-input"]
for name, each in attacked.items():
    display(one_header(robust.other_noise(each).rename_axis(f"AUROC in %, {titles[name]}; grey levels")))

# %% [markdown]
# Where the rows of one score agree, the attack found a property of the image and not of one draw of noise, and randomness defends
# nothing. Where other noise does better, it is still no proof: an attacker who knows that the noise will be drawn anew averages the
# gradient over many draws {cite:p}`athalye2018`.
#
# ## Anomalies among the training images
#
# "Trained on normal images alone" is a promise that somebody must keep. Here a share of the images of one digit is replaced by other
# digits, in training and in calibration, and nobody knows which. They are of the same classes as the anomalies that are tested, but
# other images. Each rate is a training of its own; the test images are the same.

# %% tags=["hide-input"]
runs = {
    path.parent.name: read_record(path.parent)
    for path in sorted(Path(contamination_folder).glob("*/record.json"))
}
digits = {}
for record, scores in runs.values():
    parameters = record.experiment["protocol_parameters"]
    digits.setdefault(parameters["normal"], {})[parameters["rate"]] = (record, scores)
compared = {}
for digit, by_rate in digits.items():
    record = next(iter(by_rate.values()))[0]
    merged = reading.side_by_side(
        {f"{rate:g}": each[1] for rate, each in sorted(by_rate.items())}, [*ours, *baselines]
    )
    compared[digit] = reading.changes_between(
        record, merged, [*ours, *baselines], [f"{rate:g}" for rate in sorted(by_rate)], f"{min(by_rate):g}"
    )
record = next(iter(runs.values()))[0]
sizes = record.data.split["sizes"]
display(
    Markdown(
        f"{len(runs)} runs with {' and '.join(f'the digit {digit}' for digit in digits)} as normal and a share of "
        f"{', '.join(f'{100 * rate:g}' for rate in sorted(next(iter(digits.values()))))} % of anomalies among about {sizes['train']:,} training images and "
        f"{sizes['validation']:,} held out; {sizes['test']:,} test images. A small U-Net trained for {record.experiment['training']['num_updates']:,} updates, "
        "so this asks for a difference and not for a record."
    )
)

# %% tags=["hide-input"] mystnb={"figure": {"caption": "AUROC with 95 % intervals over test images against the share of anomalies among the training images. That another training would differ is not in the intervals.", "name": "fig-robustness-contamination"}, "image": {"alt": "A panel for each digit with seven methods. Lines fall with the share of anomalies, some hardly and some by several points; the numbers stand in the table below."}}
curve = pd.concat(
    [
        table.assign(
            panel=f"digit {digit} normal", strength=[f"{100 * float(each):g}" for each in table["condition"]]
        )
        for digit, table in compared.items()
    ]
)
figures.strength_curves(
    curve[curve["method"].isin([*ours, *paper, "lof"])],
    axis_labels=["anomalies in training, %"] * len(compared),
)

# %% tags=["hide-input"]
for digit, table in compared.items():
    display(robust.rate_table(table, f"AUROC in %, digit {digit} normal"))

# %% [markdown]
# The change is that of the highest rate against none, with its paired interval over test images.
#
# ## Verdict


# %% tags=["hide-input"]
middle = [list(each.values())[1] for each in reading.noise_conditions(tried[first].records["noise"]).values()]
under = {
    (name, each): robust.at(noise[name], method=headline, condition=each) for name in tried for each in middle
}
rates = {
    (name, each): robust.at(alarms[name], method=headline, condition=each)["estimate"]
    for name in tried
    for each in middle
}
fooled = {
    name: robust.at(table, method=headline, panel=robust.BOTH, strength=str(shown_epsilon))
    for name, table in attacks.items()
}
last = {digit: table[table["method"] == headline].iloc[-1] for digit, table in compared.items()}
parts = {
    "noise": robust.of_changes([robust.change(each) for each in under.values()]),
    "false-alarms": robust.of_alarms(list(rates.values()), promised),
    "attack": robust.of_attacks(
        [robust.Interval(each["estimate"], each["low"], each["high"]) for each in fooled.values()]
    ),
    "contamination": robust.of_changes([robust.change(each) for each in last.values()]),
}
verdict = robust.overall([word for part, word in parts.items() if part != "contamination"])
limit = 100 * robust.TOLERATED
measured = {
    f"moderate noise costs at most {limit:g} points of AUROC": "; ".join(
        f"{titles[name]}, {each.replace('_', ' ').replace('-', ' ')}: {robust.percent_cells(row, sign=True, of='change')}"
        for (name, each), row in under.items()
    ),
    f"false alarms stay within twice the promised {100 * promised:g} % under moderate noise": "; ".join(
        f"{titles[name]}, {each.replace('_', ' ').replace('-', ' ')}: {100 * rate:.0f} %"
        for (name, each), rate in rates.items()
    ),
    f"an attack within {shown_epsilon} grey levels leaves it above chance": "; ".join(
        f"{titles[name]}: AUROC {robust.percent_cells(row)} %" for name, row in fooled.items()
    ),
    f"beside C6: the most contaminated training costs at most {limit:g} points": "; ".join(
        f"digit {digit}: {robust.percent_cells(row, sign=True, of='change')}" for digit, row in last.items()
    ),
}
claims = pd.DataFrame(
    {"measured": list(measured.values()), "verdict": list(parts.values())},
    index=pd.Index(list(measured), name=f"C6, of {method_title(headline)}"),
)
display(one_header(claims))

# %% [markdown]
# A part holds where no interval reaches below what is tolerated, does not hold where all lie below it, and holds in part between.
# "Moderate" is the middle strength of each noise. Strengths, sizes and settings were fixed before any run; this rule for words was
# written with the first results in view, so trust the numbers beside the words.

# %% tags=["hide-input"]
weakest = next(iter(reading.noise_conditions(tried[first].records["noise"])["gaussian"].values()))
clean, weak = (robust.at(noise[first], method=headline, condition=each) for each in ("clean", weakest))
rival = max(
    baselines, key=lambda method: robust.at(noise[first], method=method, condition=weakest)["estimate"]
)
control = robust.at(attacks[target_run], method=headline, panel=robust.CONTROL, strength=str(shown_epsilon))
attack_words = f"{robust.percent_cells(fooled[target_run])} % on {titles[target_run]}"
display(
    Markdown(
        f"**C6, robust on noisy and adversarial data: {verdict}.** On {titles[first]} noise that is hardly visible ({weakest.replace('-', ', standard deviation ')}) takes "
        f"{method_title(headline)} from {robust.percent_cells(clean)} % to {robust.percent_cells(weak)} %, where the best baseline is {method_title(rival)} with "
        f"{robust.percent_cells(robust.at(noise[first], method=rival, condition=weakest))} %. At a line drawn on clean images moderate noise makes up to "
        f"{100 * max(rates.values()):.0f} % of normal images alarms.\n\n"
        f"Under attack by someone who has the model, within {shown_epsilon} grey levels, it reaches {attack_words}, where 50 % would be guessing and random noise of that "
        f"size leaves {robust.percent_cells(control)} %. The paper did not test its claim. What is tested here are small models, trained in minutes and without "
        "any defence, such as noise or attacked images among those they are trained and calibrated on."
    )
)
for key, value in {
    "c6": verdict,
    **{f"c6-{part}": word for part, word in parts.items()},
    "clean": robust.percent_cells(clean),
    "weak-noise": robust.percent_cells(weak),
    "weak-noise-change": robust.percent_cells(weak, sign=True, of="change"),
    "rival-name": method_title(rival),
    "rival-weak-noise": robust.percent_cells(robust.at(noise[first], method=rival, condition=weakest)),
    "worst-false-alarms": f"{100 * max(rates.values()):.0f}",
    "epsilon": shown_epsilon,
    "attacked": robust.percent_cells(fooled[target_run]),
    "random": robust.percent_cells(control),
    "contamination-change": "; ".join(
        robust.percent_cells(row, sign=True, of="change") for row in last.values()
    ),
}.items():
    glue(f"robustness-{key}", value, display=False)

# %% [markdown]
# ### Can the records be trusted?

# %% tags=["hide-input", "tolerance-0.05"]
checked = 0
for each in tried.values():
    for part, record in each.records.items():
        assert not mismatches(record, each.scores[part]), (record.name, part)
        checked += len(record.metrics)
again = panel.scores(trial.images[:20])
stored = tried[first].scores["noise"].by_method
for method in ours:
    np.testing.assert_allclose(again[method], stored[f"{method}@clean"][:20], rtol=1e-3)
display(
    Markdown(
        f"All {checked:,} recorded metrics follow from the raw scores, and the stored model scored 20 images again: as recorded, to one part in a thousand."
    )
)

# %% [markdown]
# ## Try it
#
# - Set `targets: [partial_diffusion]` in a copy of the file: is a walk of ten steps harder to attack than one?
# - Calibrate on *noisy* held-out normals. Do the false alarms come down, and what does it cost on clean images?
# - Which noise level of `one_step_at_...` would you keep if you knew that Gaussian noise of 15 grey levels will come? Look at the SNR of the level.
#
# ## Quick check
#
# :::{admonition} AUROC under noise hardly changed. May the user sleep?
# :class: dropdown
# No. AUROC compares noisy anomalies with noisy normal images. If all scores rise together the order stays and the line is crossed: look at the
# false alarm rate at a fixed line.
# :::
#
# :::{admonition} An attack moves a score no further than random noise. Is the score robust?
# :class: dropdown
# Or the attack is broken. Test it where the optimum is known, look whether more steps find more, and whether the gradient is that of the score.
# :::
#
# :::{admonition} Another detector is not fooled by the attacked images. Is it safe?
# :class: dropdown
# It is safe from this attack. Nobody attacked *it*: a detector with gradients, or with scores that can be asked for often enough, can be attacked itself.
# :::
