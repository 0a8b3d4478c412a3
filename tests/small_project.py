"""A small project with a catalogue and notebooks, for the tests of the publisher."""

import json
from pathlib import Path

from nbformat import NotebookNode

from diffad.publish import load_catalog, page_frame, provenance, runner
from diffad.publish.inputs import page_inputs

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A page

# %% tags=["parameters"]
size = 3

"""
PRINTS = "# %%\nprint('size', size)\n"


class Project:
    """A project in a temporary folder: a catalogue, sources, and a package `diffad` that can be changed."""

    def __init__(self, root: Path):
        self.root = root
        self.pages: list[dict] = []
        self.write("diffad/__init__.py", "")
        self.write("diffad/used.py", "from diffad.deep import VALUE\n")
        self.write("diffad/deep.py", "VALUE = 1\n")
        self.write("diffad/unused.py", "VALUE = 1\n")

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def add(self, page: str, code: str = PRINTS, header: str = HEADER, **settings) -> None:
        self.write(f"notebooks/{page}.py", header + code)
        entry = {"page": page, "source": f"notebooks/{page}.py", "title": page, "edition": "smoke"}
        self.pages = [known for known in self.pages if known["page"] != page] + [entry | settings]
        self.write("notebooks/catalog.yaml", json.dumps({"pages": self.pages}))

    def publish(self, *names: str, force: bool = False, text_only: bool = False) -> runner.PublishingReport:
        self.lines: list[str] = []
        return runner.publish(self.root, list(names), force, self.lines.append, text_only)

    def executed(self, page: str) -> Path:
        return self.root / "book" / "chapters" / f"{page}.ipynb"

    def inputs(self, page: str):
        catalog = load_catalog(self.root / runner.CATALOG)
        return page_inputs(catalog.select([page])[0], self.root)

    def plan(self, page: str) -> runner.Plan:
        catalog = load_catalog(self.root / runner.CATALOG)
        return runner.plan_page(catalog.select([page])[0], self.root, catalog)

    def framed(self, page: str, executed: NotebookNode) -> NotebookNode:
        """An executed notebook as the book shows it."""
        catalog = load_catalog(self.root / runner.CATALOG)
        state = provenance.read_state(self.root, page)
        frame = page_frame.frame_of(executed, catalog.select([page])[0], state, self.root)
        return page_frame.framed(executed, frame)
