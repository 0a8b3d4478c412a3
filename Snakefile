# Data -> runs -> executed notebooks -> book, on this machine or on a cluster.
#
#     snakemake --cores 2 --config edition=cpu             everything: records, notebooks, book
#     snakemake --cores 2 --config edition=smoke runs      the records alone
#     snakemake --cores 2 --config edition=cpu --dry-run   what would be run, and why
#     snakemake --profile profiles/slurm --config edition=gpu runs
#
# The cells are those of experiments/*.yaml, found by diffad.workflow; none is listed here. Stopped or killed at any moment, the same
# command goes on: a record is renamed into place when it is whole, a training goes on from its last checkpoint, and what stands
# is not made again. Options that this needs are in profiles/default/config.yaml, which snakemake reads by itself.
#
# Keys of --config: edition (smoke, cpu or gpu), results, experiments, work.

import re
import shlex
import sys
from pathlib import Path

from diffad.workflow import find_jobs

EDITION = config.get("edition", "smoke")
RESULTS = Path(config.get("results", "results"))
WORK = Path(config.get("work", ".work"))
EXPERIMENTS = Path(config.get("experiments", "experiments"))
CATALOG = Path("notebooks/catalog.yaml")

if EDITION not in ("smoke", "cpu", "gpu"):
    raise ValueError(f"edition: got {EDITION!r}, expected smoke, cpu or gpu")

PYTHON = shlex.quote(sys.executable)
JUPYTER_BOOK = shlex.quote(str(Path(sys.executable).with_name("jupyter-book")))
JOBS = {job.folder.as_posix(): job for job in find_jobs(EDITION, EXPERIMENTS, RESULTS)}
NOTES = WORK / "snakemake"  # of steps that leave no single file: data at hand, several records, a page
PLACES = {"results": shlex.quote(str(RESULTS)), "checkpoints": shlex.quote(str(WORK / "checkpoints"))}
BOOK = "_build/html/index.html"
WITH_GPU = {"gpu": 1, "gpu_manufacturer": "nvidia"} if EDITION == "gpu" else {}


def folders(*kinds):
    """A pattern of the folders that jobs of these kinds write."""
    return "|".join(re.escape(folder) for folder, job in JOBS.items() if job.kind in kinds) or "(?!)"


def finished(job):
    """The file that says that a job is done: its record, or a note where it writes several."""
    if job.kind in ("run", "compare"):
        return f"{job.folder.as_posix()}/record.json"
    return f"{NOTES}/{job.kind}/{job.folder.as_posix()}.done"


def data_of(job):
    """Notes of the data sets that are not in the data home yet; nothing has to be done for those that are."""
    from diffad.datasets import is_available

    return [f"{NOTES}/data/{name.replace('/', '--')}.ready" for name in job.datasets if not is_available(name)]


def needed(wildcards):
    """What a job waits for: its data, and the runs whose models it asks. Their age is nothing to go by."""
    job = JOBS[wildcards.folder]
    runs = [finished(JOBS[each.as_posix()]) for each in job.needs if each.as_posix() in JOBS]
    return [ancient(path) for path in [*data_of(job), *runs]]


def argument(wildcards):
    """`--cell NAME` or `--run NAME` of a job that has one."""
    job = JOBS[wildcards.folder]
    option = "--cell" if job.kind == "run" else "--run"
    return f"{option} {shlex.quote(job.cell)}" if job.cell else ""


def pages():
    """The pages of the catalogue by name; none where there is no catalogue."""
    if not CATALOG.is_file():
        return {}
    from diffad.publish.catalog import load_catalog

    return {page.page: page for page in load_catalog(CATALOG).pages}


def page_inputs(wildcards):
    """A page's source, and the records of this edition that it shows."""
    page = PAGES[wildcards.page]
    shown = [Path(name) for name in page.records]
    records = [
        finished(job)
        for folder, job in JOBS.items()
        if any(Path(folder) == each or each in Path(folder).parents for each in shown)
    ]
    return [page.source, *page.files, *records]


PAGES = pages()


localrules:
    all,
    runs,
    notebooks,


rule all:
    input:
        [finished(job) for job in JOBS.values()],
        BOOK,


rule runs:
    input:
        [finished(job) for job in JOBS.values()],


rule notebooks:
    input:
        [f"{NOTES}/pages/{page}.done" for page in PAGES],


rule data:
    output:
        touch(f"{NOTES}/data/{{name}}.ready"),
    params:
        name=lambda wildcards: shlex.quote(wildcards.name.replace("--", "/")),
    shell:
        "{PYTHON} -m diffad data fetch {params.name}"


# `update`: a record that stands stays where it is while its job looks at it. diffad.workflow then leaves it as it is.
rule cell:
    input:
        needed,
    output:
        update("{folder}/record.json"),
    wildcard_constraints:
        folder=folders("run"),
    params:
        file=lambda wildcards: shlex.quote(str(JOBS[wildcards.folder].file)),
        argument=argument,
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        **WITH_GPU,
    shell:
        "{PYTHON} -m diffad.workflow run {params.file} --edition {EDITION} {params.argument} "
        "--results {PLACES[results]} --checkpoints {PLACES[checkpoints]}"


rule comparison:
    input:
        needed,
    output:
        update("{folder}/record.json"),
    wildcard_constraints:
        folder=folders("compare"),
    params:
        file=lambda wildcards: shlex.quote(str(JOBS[wildcards.folder].file)),
        argument=argument,
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        **WITH_GPU,
    shell:
        "{PYTHON} -m diffad compare {params.file} --edition {EDITION} {params.argument} --results {PLACES[results]} --quiet"


# Commands that write several records and leave those that stand alone.
rule several_records:
    input:
        needed,
    output:
        touch(f"{NOTES}/{{kind}}/{{folder}}.done"),
    wildcard_constraints:
        kind="embeddings|robustness",
        folder=folders("embeddings", "robustness"),
    params:
        file=lambda wildcards: shlex.quote(str(JOBS[wildcards.folder].file)),
        argument=argument,
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        **WITH_GPU,
    shell:
        "{PYTHON} -m diffad {wildcards.kind} {params.file} --edition {EDITION} {params.argument} --results {PLACES[results]} --quiet"


# The publisher runs a page only if its source, library code, parameters, records or data have changed.
rule page:
    input:
        page_inputs,
    output:
        touch(f"{NOTES}/pages/{{page}}.done"),
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "{PYTHON} -m diffad.publish run {wildcards.page}"


rule book:
    input:
        rules.notebooks.input,
        "_config.yml",
        "_toc.yml",
        [str(path) for path in sorted(Path("book").glob("*.md"))],
    output:
        BOOK,
    shell:
        "{JUPYTER_BOOK} build . -q -n -W --keep-going"
