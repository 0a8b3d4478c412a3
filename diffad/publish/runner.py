"""Decide page by page what must be run, run it, and replace a published notebook only by a whole, fit one."""

import datetime
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import nbformat
from nbformat import NotebookNode
from papermill import PapermillExecutionError

from diffad.errors import DiffadError
from diffad.publish import notebook as notebooks
from diffad.publish import provenance, renewal
from diffad.publish.catalog import Catalog, Page, load_catalog
from diffad.publish.inputs import Inputs, dataset_is_available, digest, page_inputs

CATALOG = Path("notebooks") / "catalog.yaml"


@dataclass(frozen=True)
class Plan:
    """What is to be done with a page, and why."""

    page: Page
    action: Literal["run", "renew", "keep", "copy"]
    reason: str
    inputs: Inputs
    missing: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


@dataclass
class PublishingReport:
    """What became of each page; `faults` maps a page that failed to the reason."""

    outcomes: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every page can be published as it should be."""
        return not self.faults


def executed_path(root: Path, catalog: Catalog, page: Page) -> Path:
    """Where the executed notebook of a page lies."""
    return root / catalog.output / f"{page.page}.ipynb"


def read_executed(path: Path) -> NotebookNode | None:
    """The executed notebook at `path`, or None if there is none that can be read (after a merge, say)."""
    try:
        return nbformat.read(path, as_version=4)
    except (FileNotFoundError, nbformat.reader.NotJSONError):
        return None


def plan_page(page: Page, root: Path, catalog: Catalog, force: bool = False, text_only: bool = False) -> Plan:
    """Decide whether a page is run, gets new text around its old outputs, is kept as it is, or is shown from its
    committed copy because its data are missing.

    A page of the smoke edition is run once in every checkout, so that its figures were computed here; the
    longer editions are run when something that they depend on changed, other than their text.

    Args:
        page, root, catalog: the page, the project's folder, and the catalogue that it stands in.
        force: run it even if nothing changed.
        text_only: run nothing; a page that should be run gets new text if its code is the same, and is kept
            otherwise.

    Raises:
        DiffadError: the data are missing and there is no committed copy to show.
    """
    path = executed_path(root, catalog, page)
    inputs = page_inputs(page, root)
    committed = read_executed(path)
    known = provenance.read_provenance(committed) if committed is not None else None
    changes = tuple(inputs.changes_since(known.inputs if known else None))
    missing = tuple(name for name in page.datasets if not dataset_is_available(name))
    others = tuple(part for part in changes if part != "source")
    new_text = "source" in changes and renewal.code_is_the_same(notebooks.read_source(page, root), committed)
    if missing:
        if known is None:
            fetch = " && ".join(f"diffad data fetch {name}" for name in missing)
            raise DiffadError(
                f"page {page.page} has no executed notebook yet, and its data are missing: {fetch}"
            )
        reason = f"data not here: {', '.join(missing)}"
        if new_text:
            return Plan(page, "renew", reason, inputs, missing, others)
        return Plan(page, "copy", reason, inputs, missing, changes)
    computed_here = known is not None and _computed_here(root, page, path, known.inputs.key)
    must_run = _reason_to_run(page, known is not None, force, others if new_text else changes, computed_here)
    if must_run and not text_only:
        return Plan(page, "run", must_run, inputs, changes=changes)
    if new_text:
        return Plan(page, "renew", "only the text changed", inputs, changes=others)
    if must_run:
        return Plan(
            page, "keep", f"left as it is, though it should be run ({must_run})", inputs, changes=changes
        )
    return Plan(page, "keep", "unchanged", inputs)


def _reason_to_run(
    page: Page, known: bool, force: bool, changes: tuple[str, ...], computed_here: bool
) -> str:
    """Why a page whose data are here must be run, in words; empty if it need not be."""
    if force:
        return "asked for"
    if changes:
        return "changed: " + ", ".join(changes) if known else "never run"
    if page.edition == "smoke" and not computed_here:
        return "not yet run in this checkout"
    return ""


def _computed_here(root: Path, page: Page, path: Path, key: str) -> bool:
    """Whether the notebook at `path` was run in this checkout on the inputs with this key, or found up to date."""
    state = provenance.read_state(root, page.page)
    return (
        state is not None
        and state.key == key
        and state.notebook == digest(path.read_bytes())
        and state.how in ("run", "kept")
    )


def publish(
    root: Path,
    names: list[str] | None = None,
    force: bool = False,
    report_line: Callable[[str], None] = print,
    text_only: bool = False,
) -> PublishingReport:
    """Bring the executed notebooks up to date. A page that fails leaves the others, and its own earlier copy,
    as they are.

    Args:
        root: the project's folder, which holds `notebooks/catalog.yaml`.
        names: pages to look at; all of them if empty.
        force: run every page whose data are at hand.
        report_line: takes one line for each page, and the traceback of a failure.
        text_only: run nothing, only put new text around the outputs of pages whose code is the same.

    Raises:
        DiffadError: the catalogue cannot be read, or a name is not in it.
    """
    catalog = load_catalog(root / CATALOG)
    pages = catalog.select(names or [])
    report = PublishingReport()
    for number, page in enumerate(pages, start=1):
        label = f"[{number}/{len(pages)}] {page.page:<24}"
        begun = time.perf_counter()
        try:
            plan = plan_page(page, root, catalog, force, text_only)
            if plan.action == "run":
                report_line(f"{label} running ({plan.reason}) ...")
            outcome = carry_out(plan, root, catalog)
        except Exception as error:  # one page's fault, of whatever kind, must not stop the others
            report.faults[page.page] = str(error) or type(error).__name__
            outcome = _note_failure(page, root, catalog, error)
        report.outcomes[page.page] = outcome
        report_line(f"{label} {outcome} ({provenance.duration(time.perf_counter() - begun)})")
        if page.page in report.faults:
            report_line(report.faults[page.page])
    return report


def carry_out(plan: Plan, root: Path, catalog: Catalog) -> str:
    """Do what was planned for a page and note it in the build folder; returns the outcome in words.

    Raises:
        papermill.PapermillExecutionError: a cell failed.
        NotebookFault: the notebook is not fit to be published.
    """
    path = executed_path(root, catalog, plan.page)
    if plan.action == "run":
        same = run_page(plan, root, path)
        _write_state(plan, root, path, "run", reproduced=datetime.date.today().isoformat() if same else "")
        return "run again, same outputs" if same else "run"
    if plan.action == "renew":
        return renew_text(plan, root, path)
    if plan.action == "copy":
        _write_state(plan, root, path, "copy")
        stale = f"; since then, {' and '.join(plan.changes)} changed" if plan.changes else ""
        return f"recorded run shown, {plan.reason}{stale}"
    if plan.changes:
        return plan.reason
    state = provenance.read_state(root, plan.page.page)
    if state is None or state.key != plan.inputs.key or state.how not in ("run", "kept"):
        _write_state(plan, root, path, "kept")
    return plan.reason


def run_page(plan: Plan, root: Path, path: Path) -> bool:
    """Run a page and publish it at `path`; True if the notebook there said the same before, and was kept."""
    page, unfinished = plan.page, root / "_build" / "unfinished" / f"{plan.page.page}.ipynb"
    begun = time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    executed = notebooks.execute(notebooks.read_source(page, root), page, path.parent, unfinished)
    run = provenance.this_run(time.perf_counter() - begun)
    executed = notebooks.clean(executed)
    notebooks.check_outputs(executed, page.page, root)
    unfinished.unlink()
    description = provenance.Provenance(
        run=run, inputs=plan.inputs, **page.model_dump(exclude={"title", "files", "records", "timeout"})
    )
    executed.metadata[provenance.METADATA] = description.model_dump(mode="json")
    before = read_executed(path)
    same = before is not None and notebooks.same_content(before, executed)
    if before is None or not same or plan.changes:
        notebooks.write_whole(executed, path)
    return same


def renew_text(plan: Plan, root: Path, path: Path) -> str:
    """Put the source's text around the outputs at `path`, which stay; returns the outcome in words.

    Raises:
        NotebookFault: the source is not fit to be published.
    """
    page = plan.page
    executed = nbformat.read(path, as_version=4)
    known = provenance.Provenance.model_validate(executed.metadata[provenance.METADATA])
    computed_here = _computed_here(root, page, path, known.inputs.key)
    renewed = renewal.with_new_text(notebooks.read_source(page, root), executed)
    notebooks.check_outputs(renewed, page.page, root)
    inputs = known.inputs.model_copy(update={"source": plan.inputs.source})
    update = {"inputs": inputs, "text_renewed": datetime.date.today().isoformat()}
    renewed.metadata[provenance.METADATA] = known.model_copy(update=update).model_dump(mode="json")
    reproduced = provenance.read_state(root, page.page)
    notebooks.write_whole(renewed, path)
    if plan.missing:
        _write_state(plan, root, path, "copy")
    elif not plan.changes and (computed_here or page.edition != "smoke"):
        how = "run" if computed_here else "kept"
        _write_state(plan, root, path, how, reproduced.reproduced if computed_here and reproduced else "")
    else:  # what was noted holds for the notebook as it was
        provenance.state_path(root, page.page).unlink(missing_ok=True)
    return "text renewed, outputs kept" + (f" ({plan.reason})" if plan.missing else "")


def _note_failure(page: Page, root: Path, catalog: Catalog, error: Exception) -> str:
    """Mark a failed page in the build folder; an earlier copy stays published with that mark."""
    path = executed_path(root, catalog, page)
    kept = "; the earlier notebook is kept" if path.is_file() else ""
    if path.is_file():
        state = provenance.PageState(page=page.page, how="failed", key="", notebook=digest(path.read_bytes()))
        notebooks.write_bytes_whole(
            _made(provenance.state_path(root, page.page)), state.model_dump_json().encode()
        )
    cell = f" in cell {error.cell_index}" if isinstance(error, PapermillExecutionError) else ""
    return f"FAILED{cell}{kept}"


def _write_state(
    plan: Plan, root: Path, path: Path, how: Literal["run", "kept", "copy"], reproduced: str = ""
) -> None:
    state = provenance.PageState(
        page=plan.page.page,
        how=how,
        key=plan.inputs.key,
        notebook=digest(path.read_bytes()),
        missing=plan.missing,
        changes=plan.changes if how == "copy" else (),
        reproduced=reproduced,
    )
    content = state.model_dump_json(indent=1).encode()
    target = _made(provenance.state_path(root, plan.page.page))
    # Left alone when nothing changed: Sphinx reads a page again when its state is newer.
    if not target.is_file() or target.read_bytes() != content:
        notebooks.write_bytes_whole(target, content)


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def reproducible_pages(root: Path, seconds: float) -> tuple[list[Path], list[str]]:
    """Executed notebooks that can be run again here within `seconds` each, and for each other page why it
    can't.

    The paths are relative to the working directory where they can be, to stay short on a command line.
    """
    catalog = load_catalog(root / CATALOG)
    paths: list[Path] = []
    left_out: list[str] = []
    for page in catalog.pages:
        path = executed_path(root, catalog, page)
        executed = read_executed(path)
        known = provenance.read_provenance(executed) if executed is not None else None
        missing = [name for name in page.datasets if not dataset_is_available(name)]
        if known is None:
            left_out.append(f"{page.page}: not executed yet")
        elif missing:
            left_out.append(f"{page.page}: its data are not here: {', '.join(missing)}")
        elif known.run.seconds > seconds:
            took, limit = provenance.duration(known.run.seconds), provenance.duration(seconds)
            left_out.append(f"{page.page}: takes {took}, the limit is {limit}")
        else:
            paths.append(Path(os.path.relpath(path)))
    return paths, left_out
