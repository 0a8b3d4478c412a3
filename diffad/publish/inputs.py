"""What a page depends on, as hashes: a page is run again when one of them has changed.

jupyter-cache keys on the code cells alone and serves stale output when an imported module changes. Here the
key covers the notebook's source, every module of `diffad` that it imports (followed through their imports, so
that a change of the command line re-runs nothing; comments and docstrings do not count), its parameters, the
content of its data sets and the run records that it reads.
"""

import json
from functools import cache
from pathlib import Path

import jupytext
from pydantic import BaseModel, ConfigDict

from diffad.errors import DiffadError
from diffad.publish.catalog import Page
from diffad.sources import code_digest, digest, imported_files

OTHER_LANGUAGES = ("%%bash", "%%sh", "%%script")  # how a cell begins that is not Python
DATA_SUFFIXES = {".yaml", ".yml", ".json", ".csv"}


class Inputs(BaseModel):
    """The hashes of everything that a page is computed from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    library: str
    parameters: str
    files: str
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
        parts = ("source", "library", "parameters", "files", "records")
        changed = [part for part in parts if getattr(self, part) != getattr(earlier, part)]
        known = self.datasets.keys() & earlier.datasets.keys()
        changed += [
            f"data set {name}" for name in sorted(known) if self.datasets[name] != earlier.datasets[name]
        ]
        return changed


def page_inputs(page: Page, root: Path) -> Inputs:
    """Hash what `page` depends on, as it is now.

    Raises:
        DiffadError: the source, another file or a record folder is missing.
    """
    source = _existing(page, page.source, root)
    return Inputs(
        source=digest(_text(source)),
        library=digest_files(library_files(source, root), root),
        parameters=digest(json.dumps(page.parameters, sort_keys=True).encode()),
        files=digest_files([_existing(page, name, root) for name in page.files], root),
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
    lines = [f"{path.relative_to(root).as_posix()} {_file_digest(path)}" for path in sorted(paths)]
    return digest("\n".join(lines).encode())


def library_files(source: Path, root: Path) -> list[Path]:
    """Every file of `diffad` that a notebook reaches through its imports, and the data files beside them."""
    notebook = jupytext.read(source)
    cells = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    lines = (line for code in cells if not code.startswith(OTHER_LANGUAGES) for line in code.splitlines())
    code = "\n".join(line for line in lines if not line.startswith(("%", "!")))
    found = set(imported_files(code, root))
    folders = {path.parent for path in found}
    return sorted(
        found | {path for folder in folders for path in folder.iterdir() if path.suffix in DATA_SUFFIXES}
    )


def _existing(page: Page, name: str, root: Path) -> Path:
    path = root / name
    if not path.is_file():
        raise DiffadError(f"page {page.page}: there is no file {name}")
    return path


def _record_files(page: Page, name: str, root: Path) -> list[Path]:
    folder = root / name
    if not folder.is_dir():
        raise DiffadError(f"page {page.page}: there is no folder of run records {name}")
    # Hidden files are locks of writers, which no checkout holds.
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def _file_digest(path: Path) -> str:
    return code_digest(path) if path.suffix == ".py" else digest(_text(path))


def _text(path: Path) -> bytes:
    """A file's bytes with Unix line ends, so that a checkout on another system has the same hash."""
    return path.read_bytes().replace(b"\r\n", b"\n")
