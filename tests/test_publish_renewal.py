"""Pages of which only the text changed: new words around the old outputs, and nothing else taken for text."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from small_project import HEADER, PRINTS, Project

from diffad.publish import provenance, renewal

# What a run leaves behind, as an output: a file beside the notebook that counts the runs.
COUNTS_RUNS = """\
# %%
from pathlib import Path
log = Path('runs.txt')
log.write_text((log.read_text() if log.is_file() else '') + 'x')
print('size', size)
"""
CAPTIONED = """\
# %% tags=["hide-input"] mystnb={"figure": {"caption": "Old caption"}}
print('size', size)
"""
# The kernel has the real package, which has no such module.
IMPORTS = "# %%\nif not size:\n    from diffad import used\n"
NEW_HEADER = HEADER.replace("# # A page", "# # A page\n#\n# More words.")
MORE_TEXT = "\n# %% [markdown]\n# ## Exercises\n"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.setenv("DIFFAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    return Project(tmp_path / "project")


def runs(project: Project) -> int:
    return len((project.root / "book" / "chapters" / "runs.txt").read_text())


def read(project: Project, page: str = "page") -> nbformat.NotebookNode:
    return nbformat.read(project.executed(page), as_version=4)


def known(project: Project) -> provenance.Provenance:
    return provenance.read_provenance(read(project))


def backdate(project: Project) -> None:
    """Let the committed run be of another day, as the runs of a real checkout are."""
    executed = read(project)
    executed.metadata.diffad.run.date = "2020-02-29"
    nbformat.write(executed, project.executed("page"))


@pytest.mark.parametrize(("edition", "parameters"), [("smoke", {}), ("cpu", {"size": 7})])
def test_new_text_comes_around_the_old_outputs_without_a_run(project, edition, parameters):
    project.add("page", COUNTS_RUNS, edition=edition, parameters=parameters)
    project.publish()
    before = read(project)
    project.add("page", COUNTS_RUNS + MORE_TEXT, NEW_HEADER, edition=edition, parameters=parameters)
    assert project.publish().outcomes == {"page": "text renewed, outputs kept"}
    assert runs(project) == 1
    after = read(project)
    code = [[cell for cell in notebook.cells if cell.cell_type == "code"] for notebook in (before, after)]
    assert code[0] == code[1]
    text = [cell.source for cell in after.cells if cell.cell_type == "markdown"]
    assert text == ["# A page\n\nMore words.", "## Exercises"]
    assert project.publish().outcomes == {"page": "unchanged"}


def test_the_run_keeps_its_date_and_the_page_says_that_its_text_is_newer(project):
    project.add("page", edition="cpu")
    project.publish()
    backdate(project)
    run, inputs = known(project).run, known(project).inputs
    assert "Text renewed" not in provenance.page_footer(known(project), None)
    project.add("page", header=NEW_HEADER, edition="cpu")
    project.publish()
    assert known(project).run == run and run.date == "2020-02-29"
    assert known(project).inputs == inputs.model_copy(update={"source": project.inputs("page").source})
    footer = provenance.page_footer(known(project), None)
    assert re.search(
        r"Computed on 2020-02-29 .* Text renewed on 20\d\d-\d\d-\d\d, code and outputs as before", footer
    )


def test_a_caption_is_text(project):
    project.add("page", CAPTIONED)
    project.publish()
    project.add("page", CAPTIONED.replace("Old", "New"))
    assert project.publish().outcomes == {"page": "text renewed, outputs kept"}
    assert read(project).cells[-1].metadata.mystnb.figure.caption == "New caption"
    assert read(project).cells[-1].outputs[0].text == "size 3\n"


def test_a_changed_cell_or_tag_is_no_text(project):
    project.add("page", edition="cpu")
    project.publish()
    for code in (
        PRINTS + "# a comment\n",
        "# %% tags=[\"tolerance-0.5\"]\nprint('size', size)\n",
        "# %%\nprint('size',\n      size)\n",
        PRINTS + "# %%\nprint('one more')\n",
        "",
    ):
        project.add("page", code, edition="cpu")
        assert project.plan("page").action == "run", code


def test_text_that_changed_with_the_library_or_the_parameters_is_run_again(project):
    code = IMPORTS + "# %%\nprint('size', size)\n"
    project.add("page", code, edition="cpu")
    project.publish()
    project.add("page", code, NEW_HEADER, edition="cpu", parameters={"size": 4})
    assert project.plan("page").action == "run"
    project.add("page", code, NEW_HEADER, edition="cpu")
    assert project.plan("page").action == "renew"
    project.write("diffad/deep.py", "VALUE = 2\n")
    assert project.plan("page").action == "run"
    assert project.publish(force=True).outcomes == {"page": "run"}


def test_a_fresh_checkout_still_computes_a_smoke_page_of_which_the_text_changed(project):
    project.add("page", COUNTS_RUNS)
    project.publish()
    provenance.state_path(project.root, "page").unlink()
    project.add("page", COUNTS_RUNS, NEW_HEADER)
    assert project.plan("page").action == "run"
    project.publish()
    assert runs(project) == 2


def test_a_page_without_its_data_gets_new_text_and_keeps_its_mark(project):
    project.add("page", edition="cpu")
    project.publish()
    executed = read(project)
    executed.metadata.diffad.datasets = ["mnist"]
    nbformat.write(executed, project.executed("page"))
    project.add("page", header=NEW_HEADER, edition="cpu", datasets=["mnist"])
    outcome = project.publish().outcomes["page"]
    assert outcome == "text renewed, outputs kept (data not here: mnist)"
    marked = project.framed("page", read(project))
    assert "`mnist` is not in the data home" in marked.cells[0].source
    assert "More words." in marked.cells[0].source and "Since then" not in marked.cells[0].source
    assert project.publish().outcomes["page"].startswith("recorded run shown, data not here: mnist")


def test_renewing_text_alone_runs_nothing_and_leaves_a_stale_page_stale(project):
    code = IMPORTS + COUNTS_RUNS
    project.add("page", code, edition="cpu")
    project.add("other", COUNTS_RUNS.replace("runs.txt", "others.txt"))
    project.publish()
    project.write("diffad/deep.py", "VALUE = 2\n")
    project.add("page", code, NEW_HEADER, edition="cpu")
    project.add("other", PRINTS)
    report = project.publish(text_only=True)
    assert report.outcomes == {
        "page": "text renewed, outputs kept",
        "other": "left as it is, though it should be run (changed: source)",
    }
    assert runs(project) == 1 and "More words." in read(project).cells[0].source
    assert known(project).inputs.changes_since(project.inputs("page")) == ["library"]
    assert project.plan("page").reason == "changed: library"
    assert project.publish().outcomes == {"page": "run again, same outputs", "other": "run"}
    assert runs(project) == 2


def test_the_command_line_takes_one_of_the_two_switches(project):
    project.add("page")
    command = [sys.executable, "-m", "diffad.publish", "run", "--root", str(project.root)]
    both = subprocess.run([*command, "--force", "--text-only"], capture_output=True, text=True)
    assert both.returncode == 2 and "expected at most one of them" in both.stderr
    one = subprocess.run([*command, "--text-only"], capture_output=True, text=True)
    assert one.returncode == 0 and "left as it is, though it should be run (never run)" in one.stdout
    assert not Path(project.executed("page")).exists()


def test_parameters_injected_after_the_last_cell_are_kept():
    def notebook(*cells):
        return nbformat.v4.new_notebook(cells=list(cells))

    def code(source, tag):
        return nbformat.v4.new_code_cell(source, metadata={"tags": [tag]})

    given = code("size = 4", "injected-parameters")
    source = notebook(nbformat.v4.new_markdown_cell("new"), code("size = 3", "parameters"))
    executed = notebook(code("size = 3", "parameters"), given)
    assert renewal.code_is_the_same(source, executed)
    renewed = renewal.with_new_text(source, executed)
    assert [cell.source for cell in renewed.cells] == ["new", "size = 3", "size = 4"]
