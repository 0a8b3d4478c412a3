"""Sphinx extension: shows a computed page's provenance on it; the notebook's file stays as it is."""

from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx

from diffad.publish.provenance import read_state, state_path, with_provenance


def mark_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Event `source-read`: add the note and the line of provenance to an executed notebook."""
    if Path(app.env.doc2path(docname)).suffix != ".ipynb":
        return
    root, page = Path(app.srcdir), Path(docname).name
    app.env.note_dependency(str(state_path(root, page)))
    marked = with_provenance(nbformat.reads(source[0], as_version=4), read_state(root, page))
    source[0] = nbformat.writes(marked)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", mark_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
