"""What a page depends on, as hashes: a page is run again when one of them has changed.

jupyter-cache keys on the code cells alone and serves stale output when an imported module changes. Here the
key covers the notebook's source, every module of `diffad` that it imports (followed through their imports, so
that a change of the command line re-runs nothing), its parameters, the content of its data sets and the run
records that it reads. Imports are read from the syntax tree; a module that is only named in a string would be
missed, and `diffad` has none.
"""

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jupytext
from pydantic import BaseModel, ConfigDict

from diffad.errors import DiffadError
from diffad.publish.catalog import Page

PACKAGE = "diffad"
DATA_SUFFIXES = {".yaml", ".yml", ".json", ".csv"}


class Inputs(BaseModel):
    """The hashes of everything that a page is computed from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    library: str
    parameters: str
    records: dict[str, str]
    datasets: dict[str, str]  # a data set that is not in the data home is absent

    @property
    def key(self) -> str:
        """One hash for all of them."""
        return digest(self.model_dump_json().encode())

    def changes_since(self, earlier: "Inputs | None") -> list[str]:
        """Names of the parts that differ from `earlier`; a data set is compared only where both know it."""
        if earlier is None:
            return ["never run"]
        parts = ("source", "library", "parameters", "records")
        changed = [part for part in parts if getattr(self, part) != getattr(earlier, part)]
        known = self.datasets.keys() & earlier.datasets.keys()
        changed += [
            f"data set {name}" for name in sorted(known) if self.datasets[name] != earlier.datasets[name]
        ]
        return changed


def digest(content: bytes) -> str:
    """SHA-256 of `content`, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def page_inputs(page: Page, root: Path) -> Inputs:
    """Hash what `page` depends on, as it is now.

    Raises:
        DiffadError: the source or a record folder is missing.
    """
    source = root / page.source
    if not source.is_file():
        raise DiffadError(f"page {page.page}: there is no source {page.source}")
    return Inputs(
        source=digest(_text(source)),
        library=digest_files(library_files(source, root), root),
        parameters=digest(json.dumps(page.parameters, sort_keys=True).encode()),
        records={name: digest_files(_record_files(page, name, root), root) for name in page.records},
        datasets={name: dataset_fingerprint(name) for name in page.datasets if dataset_is_available(name)},
    )


def dataset_is_available(name: str) -> bool:
    """Whether the data set lies in the data home."""
    # Imported here because a catalogue without data sets needs no reader of any.
    from diffad.datasets import is_available

    return is_available(name)


@cache
def dataset_fingerprint(name: str) -> str:
    """SHA-256 over the content of a data set, read once in a process however many pages need it."""
    from diffad.datasets.loading import content_fingerprint

    return content_fingerprint(name)


def digest_files(paths: list[Path], root: Path) -> str:
    """One hash over the names (relative to `root`) and the contents of files."""
    lines = [f"{path.relative_to(root).as_posix()} {digest(_text(path))}" for path in sorted(paths)]
    return digest("\n".join(lines).encode())


def library_files(source: Path, root: Path) -> list[Path]:
    """Every file of `diffad` that a notebook reaches through its imports, and the data files beside them."""
    notebook = jupytext.read(source)
    lines = (line for cell in notebook.cells if cell.cell_type == "code" for line in cell.source.splitlines())
    code = "\n".join(line for line in lines if not line.startswith(("%", "!")))
    waiting = list(_imported_modules(ast.parse(code), package=""))
    found: set[Path] = set()
    while waiting:
        for path in set(_module_files(waiting.pop(), root)) - found:
            found.add(path)
            package = ".".join(path.relative_to(root).parts[:-1])
            waiting += _imported_modules(ast.parse(path.read_bytes()), package)
    folders = {path.parent for path in found}
    return sorted(
        found | {path for folder in folders for path in folder.iterdir() if path.suffix in DATA_SUFFIXES}
    )


def _imported_modules(tree: ast.Module, package: str) -> Iterator[str]:
    """Absolute names of the modules of `diffad` that are imported; `from a import b` yields a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == PACKAGE)


def _module_files(module: str, root: Path) -> Iterator[Path]:
    """The file of a module and the `__init__.py` of each package above it, as far as they exist."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        stem = root.joinpath(*parts[:length])
        for candidate in (stem / "__init__.py", stem.with_suffix(".py")):
            if candidate.is_file():
                yield candidate


def _record_files(page: Page, name: str, root: Path) -> list[Path]:
    folder = root / name
    if not folder.is_dir():
        raise DiffadError(f"page {page.page}: there is no folder of run records {name}")
    return [path for path in folder.rglob("*") if path.is_file()]


def _text(path: Path) -> bytes:
    """A file's bytes with Unix line ends, so that a checkout on another system has the same hash."""
    return path.read_bytes().replace(b"\r\n", b"\n")
