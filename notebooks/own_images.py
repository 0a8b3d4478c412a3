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
# # Your own images
#
# **The question.** You have a folder of pictures that are fine, and a stack of new ones. Which of the new ones are not fine, and
# why does the program think so?
#
# Three commands answer it: *train* on the good ones, *score* the new ones, *explain* a verdict. This page runs them on a box of
# buttons, exactly as you would type them. The buttons are drawn by a program, so the page needs no download, and we know the truth.
#
# ::::{admonition} What you will learn
# :class: tip
# - how to get from a folder of pictures to a list of suspects, and what each of the commands does;
# - how to read a score, a threshold, a p-value and an error map;
# - how to find out *why* one picture is flagged, and what to change when you disagree.
#
# *Before this:* nothing; the theory can wait. *Time to read:* 10 minutes.
# ::::

# %% tags=["hide-input"]
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Image
from myst_nb import glue

from diffad.cli.sources import folder_images
from diffad.datasets.buttons import write_buttons
from diffad.detectors import ImageDetector
from diffad.explanation import explain_image
from diffad.figures.explanation import full_colour
from diffad.figures.maps import map_overlays
from diffad.figures.style import image_grid, use_style

# %% tags=["parameters"]
num_normal = 400
num_new = 24
seed = 0

# %% tags=["hide-input"]
use_style()
folder = tempfile.TemporaryDirectory()  # goes away with the notebook
os.chdir(folder.name)
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["OMP_NUM_THREADS"] = (
    "1"  # on several threads sums come out in another order, and so do last digits
)
write_buttons("buttons", num_normal, num_new, seed)
new = folder_images(Path("buttons/new"), (64, 64, 3))
glue("own-num-normal", num_normal, display=False)
glue("own-num-new", num_new, display=False)
glue("own-num-bad", sum(not name.startswith("good") for name in new.names), display=False)

# %% [markdown]
# ## What is in the box
#
# `buttons/normal` holds {glue:text}`own-num-normal` pictures of good buttons. They are not all alike: each is turned, lit and
# coloured in its own way, and that variety is what *normal* means here. `buttons/new` holds {glue:text}`own-num-new` more, and
# {glue:text}`own-num-bad` of them have something wrong: a hole too few, a crack, a chipped rim, a stain. Their file names say which, so
# that we can check; the program never looks at names.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-buttons", "caption": "The new pictures under their file names. Some buttons are defective."}, "image": {"alt": "A grid of drawn shirt buttons on blue cloth. Most have four holes and a whole rim; some have three holes, a crack, a piece missing from the rim, or a brown stain."}}
shown = image_grid(new.images, 8, [name.removesuffix(".png").replace("_", " ") for name in new.names])
Image(full_colour(shown), width=760)

# %% [markdown]
# With pictures of your own you need a folder like the first one: PNG or JPEG files, *only good ones*, a few hundred if you
# can. They may have any size; they are shrunk to one. With too few the program refuses and says how many it needs: it could not promise
# a rate of false alarms.
#
# ## Command 1: install
#
# In the project's folder, once. It takes some minutes.
#
# ```bash
# make install && source .venv/bin/activate
# ```
#
# ## Command 2: train

# %% language="bash"
# diffad train buttons/normal --out detector --image-size 32 --edition smoke --batch-size 32 --quiet

# %% [markdown]
# The program shrank the pictures to 32 x 32 pixels and set one in ten aside. On the others it trained a {term}`DDPM`: it added
# noise to a button, let a small network guess the noise, told it how far off it was, and did so some hundred times with 32 buttons each. A
# network that has seen only good buttons learns to take noise off *good buttons*.
#
# Then it asked the network about the buttons set aside, which it had never seen. How far off it is on *those* is what we may
# expect on good buttons, and it sets the threshold: the line above which at most 5 % of good buttons lie.
#
# `--edition smoke` and `--batch-size 32` keep this page quick. For your own pictures leave both out: a larger network is then trained for longer,
# about half an hour on two cores, and finds fainter faults. Stopped in the middle, the same command goes on where it was.
#
# ## Command 3: score

# %% language="bash"
# diffad score detector buttons/new --out scores.csv --maps maps --quiet

# %% [markdown]
# One line a picture, in a file that any spreadsheet opens. Sorted by score:

# %% tags=["hide-input", "tolerance-0.05"]
scores = pd.read_csv("scores.csv").sort_values("score", ascending=False, ignore_index=True)
scores["defective"] = ~scores["name"].str.startswith("good")
found = int((scores["anomalous"] & scores["defective"]).sum())
false_alarms = int((scores["anomalous"] & ~scores["defective"]).sum())
bad, good = int(scores["defective"].sum()), int((~scores["defective"]).sum())
detector = ImageDetector.load("detector")
num_held_out = len(detector.normal_scores_)
missed = scores.loc[scores["defective"] & ~scores["anomalous"], "name"]
assert found >= 0.5 * bad and false_alarms <= 0.2 * good, "the tutorial's detector does not do its work"
glue("own-found", found, display=False)
glue("own-false-alarms", false_alarms, display=False)
glue("own-missed", ", ".join(name.removesuffix(".png") for name in missed) or "none", display=False)
glue("own-num-good", good, display=False)
glue("own-held-out", num_held_out, display=False)
glue("own-threshold", f"{detector.threshold_:.2f}", display=False)
glue("own-smallest-p", f"{1 / (1 + num_held_out):.3f}", display=False)
scores.head(12).style.format({"score": "{:.2f}", "p_value": "{:.3f}"}).hide(axis="index")

# %% [markdown]
# How to read a line:
#
# - **score**: how unlike the good buttons this one is. Higher is more anomalous. The number has no unit; it counts how many *standard
#   deviations* of good buttons the picture is off, at the noise level where it is off most.
# - **anomalous**: whether the score lies above the threshold, here {glue:text}`own-threshold`.
# - **p_value**: how often a *good* button scores so high ({term}`conformal p-value`). It is counted, not computed from a formula: among the
#   {glue:text}`own-held-out` good buttons set aside and this one, the share that score as high. So it cannot fall below one in
#   {glue:text}`own-held-out` plus one, {glue:text}`own-smallest-p`. A p-value of 0.05 does not say that the button is
#   defective with 95 % certainty; that also depends on how many are.
#
# Of the {glue:text}`own-num-bad` defective buttons {glue:text}`own-found` are flagged (missed: {glue:text}`own-missed`); of the
# {glue:text}`own-num-good` good ones, {glue:text}`own-false-alarms`. After so short a training that is a first look, and no more. The `maps` folder says *where* each picture is unusual:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-maps", "caption": "The eight pictures with the highest scores, and where they are unusual: bright where the network's error is many times what is usual on good buttons."}, "image": {"alt": "Two rows of eight buttons, the highest scores first. In the lower row bright spots lie over the missing holes, cracks, chipped rims and stains."}}
maps = dict(zip(new.names, np.load("maps/maps.npy"), strict=True))
top = scores["name"].head(8)
small = dict(zip(new.names, folder_images(Path("buttons/new"), detector.image_shape_).images, strict=True))
titles = [
    f"{name.removesuffix('.png')}\n{score:.1f}" for name, score in zip(top, scores["score"], strict=False)
]
shown = map_overlays(
    np.stack([small[name] for name in top]), np.stack([maps[name] for name in top]), titles, usual=1.0
)
Image(full_colour(shown), width=780)

# %% [markdown]
# ## Command 4: explain
#
# A number convinces nobody who has to throw away a button. Ask why:

# %% language="bash"
# diffad explain detector buttons/new/crack_05.png --out why.png --quiet

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-why", "caption": "Why the cracked button is flagged. From the left: the picture; its error map; its score among those of good buttons set aside; what each noise level said."}, "image": {"alt": "Four panels. A button with a crack across it; bright spots along the crack; a histogram of scores of good buttons, with this button's score to the right of the threshold; bars of z-scores at ten noise levels, some beyond the dashed threshold."}}
Image("why.png", width=780)

# %% tags=["hide-input"]
flagged = explain_image(detector, small["crack_05.png"])
strongest = flagged.by_weight[0]
assert flagged.anomalous and strongest.z > 0
glue("own-why-level", strongest.step, display=False)
glue("own-why-times", f"{strongest.times_usual:.1f}", display=False)
glue("own-why-place", flagged.region.place, display=False)
glue("own-why-region", f"{flagged.region.times_usual:.0f}", display=False)

# %% [markdown]
# The four panels are four answers.
#
# 1. **What did the program see?** The picture at 32 x 32 pixels. A fault that is invisible here cannot be found; train with a larger
#    `--image-size` then.
# 2. **Where?** Noise was added and the network took it off again. Along the crack it put back what good buttons have there, a smooth
#    surface. This one has none; the error is largest in the {glue:text}`own-why-place` part, {glue:text}`own-why-region` times the usual.
# 3. **How unusual is that?** The grey bars are the good buttons set aside. This one lies beyond the dashed line.
# 4. **At which noise levels?** The network is asked ten times, with little noise ($t = 5$) to much ($t = 700$ of 1000). Little noise
#    blurs only fine grain; much noise hides all but the rough shape. At $t =$ {glue:text}`own-why-level` the error is
#    {glue:text}`own-why-times` times that of a typical good button: so much noise that the network must guess small things from what
#    it knows of buttons, and not so much that the whole button is gone.
#
# A bar may also point *down*: a picture that is easier than good buttons, a blank one for instance, is just as unlike them. The score
# takes the longest bar, up or down. [Which levels see what](mnist_c.ipynb), and why easy pictures fool a score that looks up only, are
# subjects of this book.
#
# And a good one, for comparison:

# %% language="bash"
# diffad explain detector buttons/new/good_18.png --quiet

# %% [markdown]
# ## When you disagree
#
# | You see | It means | Do |
# |---|---|---|
# | too many good ones flagged | the new pictures differ from the normal folder in light, camera or framing | add such pictures to the normal folder and train again |
# | a few good ones flagged | that is the 5 % you allowed | `--false-positive-rate 0.01` in `diffad train`; it sets at least 99 pictures aside |
# | faults missed, map dark | the fault is smaller than a pixel, or the training too short | larger `--image-size`; leave out `--edition smoke` |
# | faults missed, map bright in the right place | the fault is seen, but good buttons vary as much | more normal pictures; a stricter look at what is in that folder |
# | p-values never below 0.02 | too few pictures set aside to say more | more normal pictures, or `--held-out 0.3` |
# | a folder of known faults at hand | you can measure | `diffad evaluate detector --normal good --anomalous bad` |
#
# `diffad train --help` lists the rest. In Python the same is two lines, `detector = ImageDetector.load("detector")` and
# `detector.decision_function(images)`.
#
# ## What to take along
#
# - Four commands: install, train, score, explain. Only good pictures are needed, and no labels.
# - The threshold is a promise about good pictures: at most the share that you allowed is flagged. Nothing is promised about
#   faults; measure that on faults you know.
# - A verdict can be taken apart: where, how unusual, at which noise levels.
#
# ## Quick check
#
# :::{admonition} The detector flags 5 % of good buttons. You inspect a thousand buttons, ten of them defective. Most alarms are...?
# :class: dropdown
# False: about fifty good ones are flagged, and at most ten defective ones. Where faults are rare, allow fewer false alarms, and
# look at the flagged ones again.
# :::
#
# :::{admonition} A defective button slipped into the normal folder. What happens?
# :class: dropdown
# If it was set aside, it raises the threshold a little; if it was trained on, the network learns a little of it. One in hundreds does
# not matter much; many teach the program that such faults are normal.
# :::
