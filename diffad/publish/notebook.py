"""One notebook: read its source, run it with parameters, clean its outputs, write it whole or not at all."""

import ast
import hashlib
import json
import logging
import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import papermill
from nbformat import NotebookNode
from traitlets.config import Config

from diffad.errors import DiffadError
from diffad.publish.catalog import Page
from diffad.publish.comparison import MEMORY_ADDRESS, STYLED_TABLE

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LARGEST_OUTPUT = 1_000_000  # bytes of one output, so that a page stays light to load and to review
PROGRESS_LINE = re.compile(r"\d+%\|.*\||\d+(\.\d+)?\s?(it|s|[a-z]+)/(s|it)\b|^\s*\d+it \[")


class NotebookFault(DiffadError):
    """A notebook's source, or what it printed, is not fit to be published; the message says where and why."""


def read_source(page: Page, root: Path) -> NotebookNode:
    """Read a py:percent source into a notebook whose cells have stable identifiers.

    Raises:
        NotebookFault: a cell whose settings cannot be read, not exactly one code cell tagged `parameters`, or
            a parameter that this cell does not assign.
    """
    notebook = jupytext.read(root / page.source)
    for cell in notebook.cells:
        if fault := cell.metadata.get("incorrectly_encoded_metadata"):
            raise NotebookFault(
                f"{page.source}: the settings of a cell must stand on its `# %%` line: {fault}"
            )
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1 or tagged[0].cell_type != "code":
        raise NotebookFault(
            f"{page.source} needs exactly one code cell tagged `parameters`, found {len(tagged)}: "
            "without it papermill runs the defaults and says nothing"
        )
    unknown = sorted(page.parameters.keys() - assigned_values(tagged[0].source).keys())
    if unknown:
        raise NotebookFault(f"page {page.page}: {page.source} has no parameter {', '.join(unknown)}")
    notebook.metadata["kernelspec"] = dict(KERNEL)
    return notebook


def execute(notebook: NotebookNode, page: Page, folder: Path, output: Path) -> NotebookNode:
    """Run a notebook in `folder` with the page's parameters; `output` keeps what was run so far, for a look
    at a fault.

    Raises:
        papermill.PapermillExecutionError: a cell failed; it carries the cell and the traceback.
        NotebookFault: the parameters did not arrive.
    """
    logging.getLogger("papermill").setLevel(logging.ERROR)
    output.parent.mkdir(parents=True, exist_ok=True)
    executed = papermill.execute_notebook(
        notebook,
        output,
        parameters=page.parameters,
        kernel_name=KERNEL["name"],
        progress_bar={"desc": f"  {page.page}", "leave": False, "disable": not sys.stderr.isatty()},
        cwd=folder,
        execution_timeout=page.timeout,
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),
    )
    check_parameters_arrived(executed, page)
    return executed


def check_parameters_arrived(notebook: NotebookNode, page: Page) -> None:
    """Make sure that the executed notebook holds the page's parameters, and nothing else, in its injected
    cell.

    Raises:
        NotebookFault: none, more than one, or another injected cell.
    """
    injected = [cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    if len(injected) != (1 if page.parameters else 0):
        raise NotebookFault(f"page {page.page}: {len(injected)} cells with injected parameters, expected one")
    if injected and (arrived := assigned_values(injected[0].source)) != page.parameters:
        raise NotebookFault(
            f"page {page.page}: asked for {page.parameters}, the notebook was run with {arrived}"
        )


def assigned_values(code: str) -> dict[str, Any]:
    """Names and values of the assignments at the top level of `code`; None for what is no literal."""
    values: dict[str, Any] = {}
    for node in ast.parse(code).body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        for target in targets:
            if isinstance(target, ast.Name):
                try:
                    values[target.id] = ast.literal_eval(node.value)
                except (ValueError, TypeError):
                    values[target.id] = None
    return values


def clean(notebook: NotebookNode) -> NotebookNode:
    """Drop what differs from run to run or from machine to machine; the cells and their outputs stay."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": dict(KERNEL),
            "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
        }
    )
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        kept = {
            key: cell.metadata[key] for key in ("mystnb", "jupyter", "slideshow") if cell.metadata.get(key)
        }
        cell.metadata = nbformat.from_dict(kept | ({"tags": tags} if tags else {}))
        content = hashlib.sha256(f"{cell.cell_type}{cell.source}".encode()).hexdigest()[:8]
        seen[content] += 1
        cell.id = content if seen[content] == 1 else f"{content}-{seen[content]}"
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(without_progress, cell.outputs) if output is not None]
            for data in (output.data for output in cell.outputs if "text/html" in output.get("data", {})):
                data["text/html"] = STYLED_TABLE.sub(f"T_{content[:5]}", data["text/html"])
                data["text/plain"] = MEMORY_ADDRESS.sub("", data.get("text/plain", ""))
    return notebook


def without_progress(output: NotebookNode) -> NotebookNode | None:
    """The output without progress bars; None if nothing else was in it."""
    if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
        return None
    if output.get("name") == "stderr":
        lines = re.split(r"[\r\n]+", output.text)
        output.text = "\n".join(line for line in lines if line.strip() and not PROGRESS_LINE.search(line))
        return output if output.text else None
    return output


def check_outputs(notebook: NotebookNode, page: str, root: Path) -> None:
    """Refuse outputs that a reader should not get.

    Raises:
        NotebookFault: an error, a warning, a path of this machine, a memory address, or an output over
            `LARGEST_OUTPUT`.
    """
    private = {
        str(path)
        for path in (root, Path.home(), Path(sys.prefix), Path(tempfile.gettempdir()))
        if len(str(path)) > 1
    }
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            where = f"page {page}, cell {number}"
            text = json.dumps(output)
            if output.output_type == "error":
                raise NotebookFault(f"{where} holds an error: {output.ename}: {output.evalue}")
            if output.get("name") == "stderr":
                raise NotebookFault(
                    f"{where} wrote to stderr; mend the cause of: {output.text.strip()[:300]}"
                )
            if len(text) > LARGEST_OUTPUT:
                raise NotebookFault(
                    f"{where} has an output of {len(text):,} bytes, at most {LARGEST_OUTPUT:,} are allowed"
                )
            readable = json.dumps({kind: value for kind, value in _texts(output).items()})
            if found := [path for path in private if path in readable]:
                raise NotebookFault(f"{where} prints a path of this machine ({found[0]})")
            if address := MEMORY_ADDRESS.search(readable):
                raise NotebookFault(
                    f"{where} prints a memory address ({address.group().strip()}); end the line with `;`"
                )


def _texts(output: NotebookNode) -> dict[str, Any]:
    """The readable parts of an output, by MIME type; pictures are left out."""
    data = {kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")}
    return data | ({"text": output.text} if "text" in output else {})


def same_content(one: NotebookNode, other: NotebookNode) -> bool:
    """Whether two executed notebooks have the same cells and outputs, whatever their metadata say."""
    return one.cells == other.cells


def write_whole(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook beside its place and rename it there, so that nobody ever sees half of one."""
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_whole(path, (nbformat.writes(notebook).rstrip("\n") + "\n").encode())


def write_bytes_whole(path: Path, content: bytes) -> None:
    """Write `content` to a `.partial` file in the same folder and rename it when it is on the disk."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
