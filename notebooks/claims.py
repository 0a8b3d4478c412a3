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
# # Claims against evidence
#
# **The question.** The paper {cite:p}`bhosale2024anomaly` says six things about diffusion models as anomaly detectors, and names three
# ways in which they fail. Which of these hold, on what, and how sure is that?
#
# ::::{admonition} What you will learn
# :class: tip
# - what each claim was turned into so that a run could refute it;
# - what the runs say, with an interval at every number;
# - how a verdict follows from numbers by a rule that was written down, and where "in part" hides a plain no.
#
# *Before this:* [the baselines](baselines.ipynb). *Time to read:* 15 minutes.
# ::::
#
# The paper prints no table of results, hyper-parameters or splits that we could find, so its claims are compared, and not its numbers. Where it
# says a thing is given as far as we know it; pages and tables of it are not quoted.

# %% tags=["hide-input"]
from pathlib import Path

from IPython.display import HTML, Markdown, display
from myst_nb import glue

from diffad.claims import VERDICT_RULE
from diffad.claims_tables import findings_html, summary_html
from diffad.evidence import Evidence
from diffad.judging import judge
from diffad.publish.catalog import load_catalog
from diffad.workflow import commands

# %% tags=["parameters"]
project = "../.."  # the project's folder
results_folder = "../../results"
edition_name = "cpu"  # whose records are judged

# %% tags=["hide-input"]
evidence = Evidence(results_folder, edition_name)
judged = judge(evidence)
known = commands(project)
chapters = {page.page for page in load_catalog(Path(project) / "notebooks" / "catalog.yaml").pages}
folders = {folder for each in judged.values() for finding in each.findings for folder in finding.records}
num_findings = {
    kind: sum(len(each.findings) for key, each in judged.items() if key.startswith(kind)) for kind in "CF"
}
display(
    Markdown(
        f"**This page:** {num_findings['C']} findings on the claims and {num_findings['F']} on the failures, from {len(folders)} records of the *{edition_name}* edition, computed from the raw scores "
        "when the page was built. `diffad verify-results` recomputes every recorded number; a test recomputes those of this page another way."
    )
)


def show(*keys: str) -> None:
    """Each claim's test, rule and findings."""
    for key in keys:
        each = judged[key]
        display(
            Markdown(
                f"*The paper:* {each.claim.claim} ({each.claim.where}).\n\n*Our test:* {each.claim.test}.\n\n*The rule:* {each.claim.rule}."
            )
        )
        display(HTML(findings_html(each, known, chapters)))


# %% [markdown]
# ## The verdicts

# %% tags=["hide-input"]
display(HTML(summary_html(judged)))

# %% tags=["hide-input"]
display(Markdown(VERDICT_RULE))

# %% [markdown]
# A finding *cannot be told* where its interval holds both answers. All intervals are 95 % bootstrap intervals over test images, paired
# where two methods are compared: both are scored on the same images, and each replicate draws these once for both, and once for all tasks
# that an image serves. Most do not say what another training would change. Where settings of training are compared (C5), seeds count:
# the interval then covers other images and other seeds, and settings that were trained once decide nothing.
#
# Images only: what the same questions give on [embeddings and tables](embeddings.ipynb) stands in that chapter, and is no part of these verdicts.
#
# :::{admonition} How much freedom was left
# :class: warning
# The rules and margins stand in `diffad/claims.py`. They were written when some of the records existed already, and are kept simple for that
# reason: zero, or a round margin, for all data sets alike. A claim in general words can always be put to another test, and then get
# another verdict. So read the findings, and not only the colours.
# :::

# %% [markdown]
# (c1)=
# ## C1: better than the baselines

# %% tags=["hide-input"]
show("C1")

# %% [markdown]
# The claim is about every data set, so a single red row among these refutes it as it was put. The green ones say where it is true all the same.

# %% [markdown]
# (c1b)=
# ### C1b: the same networks, read in another way

# %% tags=["hide-input"]
show("C1b")

# %% [markdown]
# This reading is ours. It shows that what the paper's score misses is in the network; it cannot rescue the claim about the score.

# %% [markdown]
# (c2)=
# ## C2: normal data are reconstructed better

# %% tags=["hide-input"]
show("C2")

# %% [markdown]
# (c3)=
# ## C3: iterative denoising captures complex data better

# %% tags=["hide-input"]
show("C3")

# %% [markdown]
# Two questions hide in this claim: whether the network's picture of the data is better than a traditional method's, and whether it is the
# *iterating* that makes it so. The rows "minus one level" answer the second.

# %% [markdown]
# (c4)=
# ## C4: the transformer scales

# %% tags=["hide-input"]
show("C4")

# %% [markdown]
# (c5)=
# ## C5: steps and schedules

# %% tags=["hide-input"]
show("C5")

# %% [markdown]
# (c6)=
# ## C6: robust on noisy and adversarial data

# %% tags=["hide-input"]
show("C6")

# %% [markdown]
# Noise falls on all test images, normal ones included: a detector that tells clean from noisy images, and not normal from anomalous ones, gains
# nothing. Look at the false alarms too: AUROC only says how the images are *ordered*, and a line that was drawn on clean images may flag every noisy
# one. An attack pushes normal images to look anomalous and anomalies to look normal, by the gradient of the very score that judges them.

# %% [markdown]
# ## The signatures of failure
#
# The paper names three. The first two are true of any threshold, by definition; what matters is how large they are, and that the chapter
# [when detectors fail](failure_signatures.ipynb) mends them.

# %% [markdown]
# (f1)=
# ### F1: false positives

# %% tags=["hide-input"]
show("F1")

# %% [markdown]
# (f2)=
# ### F2: false negatives

# %% tags=["hide-input"]
show("F2")

# %% [markdown]
# (f3)=
# ### F3: slow

# %% tags=["hide-input"]
show("F3")

# %% tags=["hide-input"]
for key, each in judged.items():
    glue(f"claims-{key.lower()}", str(each.verdict), display=False)
glue("claims-findings", num_findings["C"], display=False)
of_claims = {
    folder
    for key, each in judged.items()
    for finding in each.findings
    for folder in finding.records
    if key.startswith("C")
}
glue("claims-records", len(of_claims), display=False)

# %% [markdown]
# ## Try it
#
# - Change `MARGIN` in `diffad/claims.py` from two points to five and build the page again. Which verdict changes? Should it?
# - Pick a red row and run its command with `--check` added: it makes the run anew and holds every score against the record. On a processor
#   all that a network computes is the same to the last digit.
# - Write the rule by which C2 would be a claim about *most* data. What would the verdict be then?
#
# ## Quick check
#
# :::{admonition} Ten tasks of one data set all speak against a claim. Are these ten pieces of evidence?
# :class: dropdown
# Not ten independent ones: they share their images, and often what makes them hard. The data set speaks once, loudly.
# :::
#
# :::{admonition} An interval from -0.5 to +3.1 points: does the claim fail?
# :class: dropdown
# It is not shown. More test images, or more trainings, could show it, or the contrary.
# :::
#
# :::{admonition} Why does a better reading of the same network not count for C1?
# :class: dropdown
# The claim is about the score that the paper uses. What another score finds says where the information is, and is a finding of its own.
# :::

# %% [markdown]
# ## Exercises
#
# From *compute* over *implement* to *investigate*. *Implement* exercises come with tests: the notebooks for students have an empty function to fill
# in and a cell that checks it, see [Teach](../teach.md). Open a solution when you have one of your own.

# %% [markdown]
# :::{exercise} Compute: a finding by chance
# :label: ex-claims-chance
# A method is neither better nor worse than another anywhere. How often does at least one of 10 independent findings, or of 28, have a 95 %
# interval that lies above zero?
# :::

# %% [markdown]
# :::{solution} ex-claims-chance
# :class: dropdown
# ```{literalinclude} /coursework/solutions/claims.py
# :pyobject: chance_of_a_false_finding
# ```
#
# So a single green row among many proves little. That is why a claim *holds* here only where every finding supports it. Findings that share
# test images are not independent, and then chance findings come in groups.
# :::

# %% [markdown]
# :::{exercise} Implement: a verdict that nobody writes by hand
# :label: ex-claims-verdict
# Write `verdict(lows, highs, universal)` by the rule above, for findings that support a claim where their interval lies above zero.
# :::

# %% [markdown]
# :::{solution} ex-claims-verdict
# :class: dropdown
# ```{literalinclude} /coursework/solutions/claims.py
# :pyobject: verdict
# ```
#
# An undecided finding is neither for nor against: it keeps a claim from holding, and does not refute it. Only a contradiction can do that,
# and for a claim about *every* data set one is enough.
# :::

# %% [markdown]
# :::{exercise} Investigate: true, and yet it does not hold
# :label: ex-claims-power
# A claim is true of every data set: the difference is two standard errors everywhere. How often is the verdict *holds*, if 1, 4 or 10 data
# sets are asked?
# :::

# %% [markdown]
# :::{solution} ex-claims-power
# :class: dropdown
# ```{literalinclude} /coursework/solutions/claims.py
# :pyobject: held_although_true
# ```
#
# Each finding misses zero about every other time, so all ten hardly ever do. The stricter a rule is about errors of one kind, the more it
# makes of the other. Read *in part* with that in mind, and ask for more test images before asking for more data sets.
# :::
