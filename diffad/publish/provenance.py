"""Where a page's numbers come from: kept in the executed notebook, shown on the page."""

import datetime
import importlib.metadata
import platform
from pathlib import Path
from typing import Literal

from nbformat import NotebookNode
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diffad.provenance import device_name
from diffad.publish.catalog import Edition
from diffad.publish.inputs import Inputs

METADATA = "diffad"
SHOWN_VERSIONS = ("torch", "diffusers", "pyod", "scikit-learn", "numpy")
EDITIONS = {
    "smoke": "smoke edition: seconds on a laptop, on small bundled data",
    "cpu": "cpu edition: a two-core machine",
    "gpu": "gpu edition: one modern GPU",
}


class Run(BaseModel):
    """When, where and on what a notebook was executed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: str
    seconds: float
    device: str
    python: str
    versions: dict[str, str]


class Provenance(BaseModel):
    """What an executed notebook says of itself, under the key `diffad` of its metadata."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: str
    source: str
    edition: Edition
    parameters: dict[str, bool | int | float | str | list[int | float | str]]
    datasets: tuple[str, ...]
    inputs: Inputs
    run: Run
    text_renewed: str = Field(
        default="", description="date since which the text around the outputs is another"
    )


class PageState(BaseModel):
    """How the last build came by a page; lies in the build folder, so a fresh checkout knows nothing yet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: str
    how: Literal["run", "kept", "copy", "failed"]
    key: str = Field(description="hash of the inputs for which this holds")
    notebook: str = Field(description="SHA-256 of the executed notebook")
    missing: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    reproduced: str = Field(default="", description="date of a run here that gave the same outputs")


def this_run(seconds: float) -> Run:
    """Describe a run that just ended on this machine."""
    installed = {name: importlib.metadata.version(name) for name in SHOWN_VERSIONS}
    return Run(
        date=datetime.date.today().isoformat(),
        seconds=round(seconds, 1),
        device=_device(),
        python=platform.python_version(),
        versions=installed,
    )


def _device() -> str:
    """The GPU that torch would use, else the processor."""
    # Imported here because torch takes seconds to load, and a build in which nothing changed never asks.
    import torch

    return device_name("cuda:0" if torch.cuda.is_available() else "cpu")


def read_provenance(notebook: NotebookNode) -> Provenance | None:
    """What the notebook says of itself; None if it says nothing, or in words that are unknown here."""
    try:
        return Provenance.model_validate(notebook.metadata.get(METADATA))
    except ValidationError:
        return None


def describe_run(provenance: Provenance) -> str:
    """One sentence in MyST: edition, data, device, duration, date and versions."""
    run, data = provenance.run, ", ".join(provenance.datasets) or "no data set"
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return (
        f"Computed on {run.date} on {run.device} in {duration(run.seconds)} "
        f"({EDITIONS[provenance.edition]}; data: {data}; Python {run.python}, {versions})."
    )


def duration(seconds: float) -> str:
    """Seconds in the words of a reader: '8.2 s', '12 min', '1.5 h'."""
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def page_note(provenance: Provenance, state: PageState | None) -> str:
    """The admonition under the title of a page whose data are missing or whose run failed; else empty."""
    if state is None:
        return ""
    if state.how == "copy":
        missing = " and ".join(f"`{name}`" for name in state.missing)
        fetch = " && ".join(f"diffad data fetch {name}" for name in state.missing)
        why = f"This page shows the committed run: {missing} is not in the data home (`{fetch}` brings it)."
    elif state.how == "failed":
        why = "The last run of this notebook failed; this page shows the run before it."
    else:
        return ""
    stale = f" Since then, {' and '.join(state.changes)} changed." if state.changes else ""
    kind, title = (
        ("warning", "An earlier run") if stale or state.how == "failed" else ("note", "A recorded run")
    )
    text = f"{why}{stale} {describe_run(provenance)}"
    return f":::{{admonition}} {title}\n:class: {kind} provenance\n{text}\n:::\n"


def page_footer(provenance: Provenance, state: PageState | None) -> str:
    """The sentences at the end of every computed page."""
    again = f" Run again on {state.reproduced} with the same outputs." if state and state.reproduced else ""
    words = (
        f" Text renewed on {provenance.text_renewed}, code and outputs as before."
        if provenance.text_renewed
        else ""
    )
    return f"{describe_run(provenance)}{again}{words}"


def status_row(
    link: str, edition: str, executed: NotebookNode | None, state: PageState | None, records: str = ""
) -> str:
    """A Markdown row of the table of all pages: what a page was computed from, and whether that holds.

    records: how the records that the page reads stand, in words.
    """
    known = read_provenance(executed) if executed is not None else None
    if known is None:
        return f"| {link} | {edition} | | | | not run yet | {records} |"
    if state is None:
        standing = "as committed"
    elif state.how == "failed":
        standing = "the last run failed"
    elif state.changes:
        standing = f"recorded before {' and '.join(state.changes)} changed"
    else:
        standing = "recorded, up to date" if state.how == "copy" else "up to date"
    run = known.run
    cells = (
        link,
        known.edition,
        duration(run.seconds).replace(" ", "\N{NO-BREAK SPACE}"),
        ", ".join(known.datasets) or "none",
        f"{run.date}, {run.device}, Python {run.python}, torch {run.versions.get('torch', 'not used')}",
        standing,
        records or "none read",
    )
    return f"| {' | '.join(cells)} |"


def state_path(root: Path, page: str) -> Path:
    """Where the build folder keeps the state of a page."""
    return root / "_build" / "publish" / f"{page}.json"


def read_state(root: Path, page: str) -> PageState | None:
    """The state of a page in the build folder; None if there is none, or an unreadable one."""
    try:
        return PageState.model_validate_json(state_path(root, page).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
