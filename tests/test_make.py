"""`make html` as a reader runs it, on a project of two notebooks: one that fails leaves the other built, and the build red."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from small_project import HEADER, Project

ROOT = Path(__file__).parents[1]
FAILS = "# %%\nprint('before')\n\n# %%\nraise RuntimeError('the cell that fails')\n"


@pytest.fixture
def project(tmp_path) -> Project:
    """Two pages that were run, a table of contents, the book's configuration, and a stand-in for .venv."""
    if shutil.which("make") is None:
        pytest.skip("there is no make on this machine")
    project = Project(tmp_path)
    shutil.rmtree(tmp_path / "diffad")  # the library that runs the build is the real one
    for name in ("Makefile", "_config.yml", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "book" / "_static", tmp_path / "book" / "_static")
    project.write("book/references.bib", "")
    project.write("book/index.md", "# A small book\n")
    files = [{"file": f"book/chapters/{page}"} for page in ("good", "bad")]
    project.write("_toc.yml", yaml.safe_dump({"format": "jb-book", "root": "book/index", "chapters": files}))
    for page in ("good", "bad"):
        project.add(page, header=HEADER.replace("A page", page.capitalize()))
    assert project.publish().ok
    for program in ("python", "jupyter-book"):
        real = Path(sys.executable).with_name(program)
        stand_in = project.write(f".venv/bin/{program}", f'#!/bin/sh\nexec "{real}" "$@"\n')
        stand_in.chmod(0o755)
    project.write(".venv/.installed", "")
    return project


def make_html(project: Project) -> subprocess.CompletedProcess:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        ["make", "html"], cwd=project.root, env=environment, capture_output=True, text=True, timeout=600
    )


def test_a_notebook_that_fails_leaves_the_others_built_and_the_build_red(project):
    project.add("good", "# %%\nprint('new words of the good one')\n", HEADER.replace("A page", "Good"))
    project.add("bad", FAILS, HEADER.replace("A page", "Bad"))
    done = make_html(project)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "FAILED in cell 3; the earlier notebook is kept" in said
    assert "raise RuntimeError('the cell that fails')" in said and "1 of 2 notebooks failed: bad" in said
    built = project.root / "_build" / "html" / "book" / "chapters"
    assert "new words of the good one" in (built / "good.html").read_text()
    bad = (built / "bad.html").read_text()
    assert "The last run of this notebook failed" in bad and "size 3" in bad
    assert "new words" not in bad and "the cell that fails" not in bad


def test_a_book_whose_notebooks_run_is_green(project):
    done = make_html(project)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
