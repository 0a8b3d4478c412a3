# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
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
# # The data
#
# **The question.** What was normal, what was anomalous, and what had been seen in training? A detector's AUROC
# means nothing until these three are settled. This chapter settles them for every data set of the book, and shows
# where the data themselves mislead.
#
# ::::{admonition} What you will learn
# :class: tip
# - what each data set is, how large, under which licence, and what the paper means by "compact" and
#   "high-resolution";
# - how a split is made so that nothing tested was trained on, and why test labels are locked away;
# - faults of these data that can move published numbers, measured where that can be done here.
#
# *Before this:* nothing. *Time to read:* 15 minutes.
# ::::

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from diffad.datasets import CATALOG, available_items, is_available, load, load_vectors
from diffad.datasets.corruptions import CORRUPTIONS, corrupt
from diffad.datasets.duplicates import nearest_copies
from diffad.datasets.overview import (
    catalog_table,
    copies_table,
    corruption_table,
    image_sets_at_hand,
    leak_table,
)
from diffad.datasets.protocols import clean_versus_corrupted, official_split, one_versus_rest, redrawn_split
from diffad.datasets.vector_protocols import adbench_semi_supervised
from diffad.datasets.verifying import verify
from diffad.evaluation import auroc
from diffad.figures import data as figures
from diffad.figures.style import use_style
from diffad.tables import one_header

# %% tags=["parameters"]
images_a_side = 7  # pictures of normals, and of anomalies, in each row of the picture wall
leak_seeds = 3  # splits over which the effect of the duplication leak is averaged
look_alike = 0.975  # correlation of thumbnails from which two photographs are shown as look-alikes

# %% tags=["hide-input"]
use_style()
pd.set_option("display.max_colwidth", None)  # licences are read whole
at_hand = image_sets_at_hand()
rng = np.random.default_rng(0)

# %% [markdown]
# ## What there is
#
# Four image sets carry the paper's claims: CIFAR-10 {cite:p}`krizhevsky2009`, MNIST-C {cite:p}`mu2019mnistc`,
# MVTec-AD {cite:p}`bergmann2019mvtec` and Mini-ImageNet {cite:p}`vinyals2016matching`. ADBench
# {cite:p}`han2022adbench` adds vectors: its computer-vision sets are pictures that a frozen ResNet-18 or ViT has
# turned into some hundreds of numbers each. Scikit-learn's digits {cite:p}`alpaydin1998digits`, real scans, come with
# the packages, so there is always something to run without a download.
#
# The table is printed from the catalog that `diffad data fetch` uses, with the same sizes and licences.

# %% tags=["hide-input"]
one_header(catalog_table())

# %% [markdown]
# MVTec-AD and Mini-ImageNet are for non-commercial use; ImageNet is handed out only to registered researchers, so
# nobody may pass Mini-ImageNet on. The thumbnails below cite their sources and are too small to train on.
#
# ### What lay here when this page was computed
#
# `diffad data verify` reads every file, compares checksums with the published ones where single files have any, and
# counts.

# %% tags=["hide-input"]
found = [verify(name) for name in CATALOG if name != "folder" and is_available(name)]
display(
    Markdown(
        "\n".join(
            f"- **{CATALOG[each.name].title}**: {'; '.join(each.checks)}."
            + (f" *{'; '.join(each.notes)}.*" if each.notes else "")
            for each in found
        )
    )
)

# %% [markdown]
# ## Normal and anomalous
#
# A detector is trained on normal images only and then sees both kinds. What counts as normal is a choice, and the
# choice makes the task easy or hard: boots differ from trousers in outline, one dog from another dog in spots, a good
# screw from a bad one in a few pixels at the tip.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-wall", "caption": "Normal (left, solid frame) and anomalous (right, dashed frame) test images under one choice of the normal class. CIFAR-10: Krizhevsky 2009; Mini-ImageNet: ImageNet, non-commercial research; MVTec-AD: MVTec Software GmbH, CC BY-NC-SA 4.0."}, "image": {"alt": "A wall of small pictures. Each row is a data set: seven normal test images in solid blue frames on the left, seven anomalous ones in dashed red frames on the right."}}
choices = {
    "digits": 0,
    "mnist": 3,
    "fashion-mnist": 9,
    "cifar10": 8,
    "mini-imagenet": 4,
    **{name: 0 for name in at_hand if name.startswith("mvtec-ad/")},
}


def wall_row(name: str, normal: int) -> figures.WallRow:
    """Draw test images of the normal class and of all others."""
    images = load(name, "test")
    drawn = [
        rng.permutation(np.flatnonzero(each))[:images_a_side]
        for each in (images.labels == normal, images.labels != normal)
    ]
    entry, _, item = name.partition("/")
    title = f"{CATALOG[entry].title}:\n{item or images.class_names[normal]}"
    return figures.WallRow(title, images.images[np.sort(drawn[0])], images.images[np.sort(drawn[1])])


figures.picture_wall([wall_row(name, choices[name]) for name in choices if name in at_hand], images_a_side)

# %% [markdown]
# ## "Compact" and "high-resolution"
#
# The paper {cite:p}`bhosale2024anomaly` calls CIFAR-10, MNIST-C and MVTec-AD *compact* and Mini-ImageNet
# *high-resolution*. In pixels that is the wrong way round for MVTec-AD: its photographs are wider than the images
# of Mini-ImageNet, even in a shrunken copy. The words make sense for what a network is given. MVTec-AD as ADBench has it is a
# short vector an image; CIFAR-10 and MNIST-C are thumbnails; Mini-ImageNet is the only one of the four whose images a
# network must take at a size where attention over pixels becomes expensive. We keep the paper's words in this sense,
# and use MVTec-AD both as embeddings and, shrunk, as images.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-scale", "caption": "One image of each set at one scale: a pixel is equally large in all of them. Below the title its shape and how many numbers a network sees."}, "image": {"alt": "Images of growing size side by side at the same pixel scale: an 8 by 8 digit the size of a crumb, a 28 by 28 and a 32 by 32 thumbnail, an 84 by 84 photograph, and a 256 by 256 photograph that dwarfs them."}}
shown = {
    "digits": 0,
    "mnist": 7,
    "cifar10": 3,
    "mini-imagenet": 1200,
    "mvtec-ad/toothbrush": 20,
    "mvtec-ad/bottle": 20,
}
figures.at_one_scale(
    {
        CATALOG[name.partition("/")[0]].title: load(name, "test").images[index]
        for name, index in shown.items()
        if name in at_hand
    }
)

# %% [markdown]
# ## Fifteen ways to spoil a digit
#
# MNIST-C {cite:p}`mu2019mnistc` takes MNIST's {cite:p}`lecun1998gradient` test digits and spoils each in 15 ways.
# Here clean digits are normal and spoiled ones anomalous. `diffad` reads the official release where it lies in the
# data home; otherwise it makes the corruptions itself, with the parameters of the release. Each image's random
# numbers come from the seed, the corruption's name and the image's own number, so an image is spoiled in the same way
# whatever else is asked for.

# %% tags=["hide-input"]
clean = {
    CATALOG[name].title: load(name, "test").images[:200] for name in ("digits", "mnist") if name in at_hand
}
one_header(corruption_table(clean)).style.format(precision=0, subset=list(clean)).set_properties(
    **{"text-align": "left"}, subset=["what it does"]
)

# %% [markdown]
# The last columns give the root-mean-square change in grey levels. Loud is not the same as anomalous: brightness
# changes every pixel and leaves the digit as it was, a dotted line changes few.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-corruptions", "caption": "Four MNIST digits, clean and under each of the 15 corruptions."}, "image": {"alt": "Sixteen strips of four handwritten digits: clean, with noise, blurred, sheared, shrunk, rotated, brightened, moved, with inverted sides, in fog, with mud, crossed by dotted lines and zigzags, and reduced to outlines."}}
source = load("mnist" if "mnist" in at_hand else "digits", "test")
four = np.array([7, 2, 1, 8])
figures.corruption_sheet(
    source.images[four], {name: corrupt(source.images[four], name, 0, four) for name in CORRUPTIONS}
)

# %% [markdown]
# The bundled digits measure 8×8 pixels, too few for a dotted line. They are enlarged four times by repeating pixels,
# spoiled at that size, and averaged back:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-corruptions-digits", "caption": "The same for four of the bundled digits: corruptions that live in fine detail (glass blur, dotted line) nearly vanish at this size."}, "image": {"alt": "Sixteen strips of four coarse 8 by 8 digits, clean and under each corruption; several are hard to tell from clean."}}
source = load("digits", "test")
figures.corruption_sheet(
    source.images[four], {name: corrupt(source.images[four], name, 0, four) for name in CORRUPTIONS}
)

# %% [markdown]
# ## A split that cannot leak
#
# Every experiment gets its data from a *protocol*, a function of the data set, its own settings and a seed, and of
# nothing else. It returns a `Split`: normal images to train on, held-out normal images for thresholds, z-scores and
# early stopping, and test images **without labels**. The labels come only in exchange for finished scores. So no
# threshold, noise level or stopping time can be chosen on them by oversight.

# %%
split = one_versus_rest("digits", 0)
print(split)
try:
    split.reveal(np.full(len(split.test), np.nan))
except ValueError as error:
    print("unfinished scores:", error)
distance = np.square(split.test - split.train.mean(axis=0)).sum(axis=(1, 2, 3))
revealed = split.reveal(distance)
print(f"AUROC of the distance to the mean zero: {auroc(revealed.labels, distance):.3f}")

# %% [markdown]
# The test images stand in random order, so their place tells nothing. What a split held is stored with each run, by
# index and by hash; a split made again from the stored seed must have the same hash.

# %%
{
    key: value
    for key, value in split.describe().items()
    if key in ("sizes", "duplicates_dropped", "fingerprint")
}

# %% [markdown]
# The protocols, and what they give on the data at hand:

# %% tags=["hide-input"]
splits = {
    "one class against the rest": one_versus_rest("digits", 0),
    "a group of classes": one_versus_rest("digits", [0, 6, 8]),
}
splits["clean against corrupted"] = clean_versus_corrupted(
    "mnist" if "mnist" in at_hand else "digits", corruptions=list(CORRUPTIONS)[:3]
)
if "cifar10" in at_hand:
    splits["one class against the rest "] = one_versus_rest("cifar10", 8)
if "mini-imagenet" in at_hand:
    splits["one class, parts split by class"] = one_versus_rest("mini-imagenet", 4)
for name in [each for each in at_hand if each.startswith("mvtec-ad/")][:1]:
    splits["the authors' own split"] = official_split(name, side=64)
for item in available_items("adbench-resnet18")[:1]:
    splits["semi-supervised, split first"] = adbench_semi_supervised(f"adbench-resnet18/{item}")
protocols_at_hand = pd.DataFrame(
    {
        "protocol": name.strip(),
        "data set": each.data,
        **each.describe()["sizes"],
        "dropped as copies": sum(each.describe()["duplicates_dropped"].values()),
    }
    for name, each in splits.items()
).set_index("protocol")
one_header(protocols_at_hand)

# %% [markdown]
# - *One class against the rest*: a class, or a group of classes, is normal; all others are anomalous.
# - *Clean against corrupted*: MNIST-C's test set is as many clean digits as spoiled ones of each kind, the spoiled
#   ones made of **other** test digits. The same digits return under each corruption, so the 15 groups are not
#   independent samples, and intervals of their mean must be drawn digit by digit.
# - *The authors' own split* of MVTec-AD, with the masks of the defects.
# - *Semi-supervised* for ADBench's vectors: half of the normals train, the rest and all anomalies are tested.
# - *Contaminated*: any of the above with a stated share of anomalies among what is seen in training.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-defects", "caption": "Defective test images of MVTec-AD with the outline of their masks. MVTec Software GmbH, CC BY-NC-SA 4.0."}, "image": {"alt": "Six photographs of one kind of object with a defect; an orange line follows the border of each defect."}}
masked = [name for name in at_hand if name.startswith("mvtec-ad/") and load(name, "test").masks is not None]
if masked:
    images = load(masked[0], "test")
    # Every defect once, evenly over the test part.
    chosen = np.flatnonzero(images.labels)[:: max(1, int((images.labels > 0).sum() // 6))][:6]
    titles = [images.class_names[label] for label in images.labels[chosen]]
    display(figures.outlined_defects(images.images[chosen], images.masks[chosen], titles))

# %% [markdown]
# ## Known faults
#
# ### Copies
#
# If a test image was also trained on, its score is no test. We look for copies by content, not by index: the same
# bytes twice. Every protocol drops copies from training before anything is held out.

# %% tags=["hide-input"]
tables = [f"adbench-classical/{item}" for item in available_items("adbench-classical")]
copies = copies_table(at_hand + tables)
repeating = copies[(copies["copies"] > 0) | (copies["shared"] > 0)]
sentences = [
    f"Exact copies are in {sum(repeating.index.isin(at_hand))} of the {len(at_hand)} image sets at hand"
]
if tables:
    both = int((repeating.loc[repeating.index.isin(tables), "shared"] > 0).sum())
    sentences += [
        f"and in {sum(repeating.index.isin(tables))} of ADBench's {len(tables)} classical tables at hand"
    ]
    sentences += [f"; {both} of these hold rows that are normal *and* anomalous"]
display(Markdown(" ".join(sentences).replace(" ;", ";") + "."))
one_header(repeating.sort_values("copies", ascending=False))

# %% [markdown]
# No exact copy does not mean no copy. CIFAR-10 was gathered from the web by search words, and the web repeats itself:
# cropped, recompressed, relit. For each test image we look for the training image of the same class whose thumbnail
# it resembles most.

# %% tags=["hide-input"]
if "cifar10" in at_hand:
    train, test = load("cifar10", "train"), load("cifar10", "test")
    pairs = []
    for label in range(10):
        tested, trained = (np.flatnonzero(each.labels == label) for each in (test, train))
        similarity, nearest = nearest_copies(test.images[tested], train.images[trained])
        pairs += zip(similarity, tested, trained[nearest], strict=True)
    similarity, tested, trained = map(np.array, zip(*sorted(pairs, reverse=True), strict=True))
    alike = int((similarity >= look_alike).sum())
    display(
        Markdown(
            f"**{alike} of {len(test):,} test images** have a training image of their own class whose thumbnail "
            f"correlates with theirs by at least {look_alike}."
        )
    )

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-look-alikes", "caption": "CIFAR-10 test images (left of each pair) and the training image most like them (right), with the correlation of their thumbnails, evenly drawn from those above the threshold. Krizhevsky 2009."}, "image": {"alt": "Eighteen pairs of tiny photographs. The two of a pair show the same object in the same pose, often the same photograph with another crop or brightness."}}
if "cifar10" in at_hand:
    evenly = np.linspace(0, max(alike - 1, 17), 18).astype(int)
    display(
        figures.look_alikes(test.images[tested[evenly]], train.images[trained[evenly]], similarity[evenly])
    )

# %% [markdown]
# They favour whoever remembers training images, a nearest-neighbour detector most. We keep them, so that results stay
# comparable with others', and say so.
#
# ### A leak in a published harness
#
# ADBench's harness repeats the rows of sets with fewer than 1,000 rows, with replacement, until there are 1,000,
# **and then splits them**. Copies of one row fall on both sides. The results that others have built on it, DTE's
# among them {cite:p}`han2022adbench,livernoche2024dte`, inherit this. We split first. The old way is kept under its
# own name, `adbench_published_leak`, to measure what it is worth:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-leak", "caption": "The duplication leak on MVTec-AD's ResNet-18 embeddings, rows in brackets. Left: how many of the tested normals had been trained on. Right: a nearest-neighbour detector with and without the leak."}, "image": {"alt": "Two panels over the MVTec-AD categories. The left bars are long: more than half of the tested normals were trained on, nearly all for toothbrush. On the right the leaking AUROC lies above the honest one for most categories."}}
leaks = {
    name: leak_table(name, range(leak_seeds))
    for name in ("adbench-resnet18", "adbench-vit")
    if available_items(name)
}
if "adbench-resnet18" in leaks:
    display(figures.leak_effect(leaks["adbench-resnet18"]))

# %% tags=["hide-input"]
worth = pd.DataFrame(
    {
        "embedding": CATALOG[name].title.partition(", ")[2],
        "sets": len(table),
        "tested normals seen in training, %": 100 * table["repeated"].mean(),
        "AUROC with the leak": 100 * table["leaking"].mean(),
        "AUROC split first": 100 * table["honest"].mean(),
        "worth of the leak, points": 100 * (table["leaking"] - table["honest"]).mean(),
    }
    for name, table in leaks.items()
)
if len(worth):
    display(one_header(worth.round(1).set_index("embedding")))

# %% [markdown]
# ### Columns that never change
#
# The ResNet-18 embeddings come out of a ReLU, and some of their columns are zero for every normal. The skewness of a constant
# column is 0/0; a detector that uses it, such as COPOD {cite:p}`li2020copod`, returns NaN. In the table of
# {cite:t}`livernoche2024dte` these NaN were replaced by a constant score, and COPOD stands there with an AUROC of exactly chance on most sets.

# %% tags=["hide-input"]
constant = []
for entry in ("adbench-resnet18", "adbench-vit"):
    for item in available_items(entry):
        vectors = load_vectors(f"{entry}/{item}")
        normals = vectors.vectors[vectors.labels == 0]
        constant.append(
            (
                CATALOG[entry].title.partition(", ")[2],
                int((np.ptp(normals, axis=0) == 0).sum()),
                normals.shape[1],
            )
        )
if constant:
    frame = pd.DataFrame(constant, columns=["embedding", "constant", "columns"]).groupby("embedding")
    counts = pd.DataFrame(
        {
            "sets": frame.size(),
            "columns": frame["columns"].first(),
            "sets with a constant column among the normals": frame["constant"].agg(
                lambda each: int((each > 0).sum())
            ),
            "constant columns, most in one set": frame["constant"].max(),
        }
    )
    display(one_header(counts))

# %% [markdown]
# ### Few images, and what they have in common
#
# AUROC counts pairs of a good and a defective image. Where there are few good ones, a single one that is ranked
# wrongly moves it by points, whatever the method:

# %% tags=["hide-input"]
few = []
for name in [each for each in at_hand if each.startswith("mvtec-ad/")]:
    labels = load(name, "test").labels
    good, bad = int((labels == 0).sum()), int((labels > 0).sum())
    has_masks = load(name, "test").masks is not None
    few.append((name, good, bad, good * bad, 100 / good, "yes" if has_masks else "no"))
columns = [
    "category",
    "good, tested",
    "defective, tested",
    "pairs",
    "points that one good image can cost",
    "masks",
]
one_header(pd.DataFrame(few, columns=columns).set_index("category").round(1))

# %% [markdown]
# Screws lie at any angle, which makes screw the category where methods that compare patches position by position
# fail. And a copy of a data set can be worse than the original. The toothbrushes come in three colours: are they
# spread alike over what is trained on and what is tested?

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-colours", "caption": "The colour of the bristles of every toothbrush image of the copy that this page was computed from, one swatch an image."}, "image": {"alt": "Three rows of coloured swatches: good training images, good test images, defective test images. If the colours of the good test images differ from those of the others, colour alone gives the labels away."}}


def bristle_colours(images: np.ndarray) -> np.ndarray:
    """Return the mean RGB, in [0, 1], of the strongly coloured pixels in the middle of each image: (n, 3)."""
    middle = images[:, 60:200, 95:165] / 255.0
    saturated = (np.ptp(middle, axis=3) > 0.35 * middle.max(axis=3)) & (middle.max(axis=3) > 0.25)
    return np.stack(
        [
            pixels[mask].mean(axis=0) if mask.any() else pixels.mean(axis=(0, 1))
            for pixels, mask in zip(middle, saturated, strict=True)
        ]
    )


def rarity(colours: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Score a colour by how few of the known ones lie near it: (n,), higher is rarer."""
    return -(np.linalg.norm(colours[:, None] - known[None], axis=2) < 0.1).mean(axis=1)


brushes = "mvtec-ad/toothbrush" in at_hand
if brushes:
    train, test = load("mvtec-ad/toothbrush", "train"), load("mvtec-ad/toothbrush", "test")
    colours = bristle_colours(test.images)
    groups = {
        "good, trained on": bristle_colours(train.images),
        "good, tested": colours[test.labels == 0],
        "defective, tested": colours[test.labels > 0],
    }
    display(figures.mean_colours(groups))

# %% tags=["hide-input"]
if brushes:
    results = {}
    for title, split in {
        "the copy's own split": official_split("mvtec-ad/toothbrush"),
        "good images drawn anew": redrawn_split("mvtec-ad/toothbrush"),
    }.items():
        scores = rarity(bristle_colours(split.test), bristle_colours(split.train))
        value = auroc(split.reveal(scores).labels, scores)
        results[title] = {
            "rare colours are anomalous": 100 * value,
            "common colours are anomalous": 100 * (1 - value),
        }
    title = "AUROC of a detector that knows nothing but the colour"
    display(one_header(pd.DataFrame(results).T.round(1).rename_axis(title)))

# %% [markdown]
# A detector that knows nothing but colour should be at chance, 50. Where it is far from chance in either direction,
# the split rewards or punishes colour, and a score on it says little about defects. This happens in copies whose good
# test images were filled up from a run of training images of one colour. `redrawn_split` draws the good test images
# anew from all good ones; results on such a copy should be reported with it.
#
# ### Backbones that have seen the anomalies
#
# The classes of Mini-ImageNet are ImageNet classes. A backbone pretrained on ImageNet has been taught to tell its
# normal class from its anomalies, with labels. Detectors on such features, the ADBench embeddings among them, are not
# comparable with a diffusion model trained on normal pixels alone, and each table in this book says which of the two
# it shows.
#
# ## In your own hands
#
# ```bash
# diffad data list                               # what there is, and what is here
# diffad data fetch mnist                        # checked, unpacked, there whole or not at all
# diffad data fetch mvtec-ad --accept-licence    # 5 GB, non-commercial
# diffad data verify mnist                       # checksums, counts, every file read
# ```
#
# For images of your own, lay a folder out like MVTec-AD: `train/good`, `test/good`, `test/DEFECT` and, where you have
# masks, `ground_truth/DEFECT/NAME_mask.png`. Then `official_split("folder:PATH")` splits it like a category.
#
# :::{exercise} Compute: how much leaks?
# :label: ex-data-leak
# A set has $n$ rows. The harness draws 1,000 rows of it with replacement and splits them in half. What share of the
# tested rows has a copy in the training half? Compare with the left panel of the figure on the leak.
# :::
#
# :::{solution} ex-data-leak
# :class: dropdown
# A given row is drawn about $1000/n$ times, half of them into training: about Poisson with mean $500/n$. A tested row
# has no copy in training with probability $e^{-500/n}$, so the share is $1 - e^{-500/n}$, before some training rows
# are set aside for validation. For the 102 rows of toothbrush that is nearly all of them; for 500 rows it is still
# more than half.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Implement: standardise without a leak
# :label: ex-data-standardise
# Write `standardise(train, test)`, which gives each feature mean 0 and standard deviation 1. What may be looked at, and what not? And what
# should become of a feature that is constant in training?
# :::

# %% [markdown]
# :::{solution} ex-data-standardise
# :class: dropdown
# ```{literalinclude} /coursework/solutions/data.py
# :pyobject: standardise
# ```
#
# Mean and spread come from the training rows alone. Taken from the tested rows too, a row's value would depend on which others are tested beside it: a detector that is put to work meets rows one by one. A constant feature would be divided by zero; the NaN that follows is how a published comparison came to give two detectors an AUROC of one half.
# :::

# %% [markdown]
# :::{exercise} Investigate: how fast does a leak close?
# :label: ex-data-simulate
# Simulate the leak of the exercise above instead of deriving it: draw 1,000 of $n$ rows with replacement, halve them, and count the tested rows
# that have a copy in training. Compare with the formula for $n = 100$, 500 and 2,000.
# :::

# %% [markdown]
# :::{solution} ex-data-simulate
# :class: dropdown
# ```{literalinclude} /coursework/solutions/data.py
# :pyobject: leaked_share
# ```
#
# Even at 2,000 rows a fifth of the tested ones is known to the detector. A leak of this kind does not go away by having more data than are drawn.
# :::
