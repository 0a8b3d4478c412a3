"""The publisher: what makes a page run again, what never replaces a good page, what is refused."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from small_project import HEADER, Project

from diffad.errors import DiffadError
from diffad.publish import load_catalog, notebook, provenance, runner
from diffad.publish.catalog import Catalog
from diffad.publish.inputs import library_files
from diffad.publish.sphinx_extension import titled


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.setenv("DIFFAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    return Project(tmp_path / "project")


def outputs(path: Path) -> str:
    return "".join(
        out.get("text", "") for cell in nbformat.read(path, 4).cells for out in cell.get("outputs", [])
    )


def test_parameters_arrive_and_an_untouched_page_is_not_run_again(project):
    project.add("page", parameters={"size": 7})
    assert project.publish().outcomes == {"page": "run"}
    before = project.executed("page").stat()
    assert outputs(project.executed("page")) == "size 7\n"
    assert project.publish().outcomes == {"page": "unchanged"}
    assert project.executed("page").stat() == before


def test_a_fresh_checkout_computes_its_smoke_pages_once_and_keeps_equal_notebooks_byte_for_byte(project):
    project.add("page")
    project.publish()
    before = project.executed("page").read_bytes()
    provenance.state_path(project.root, "page").unlink()
    assert project.publish().outcomes == {"page": "run again, same outputs"}
    assert project.executed("page").read_bytes() == before
    assert project.publish().outcomes == {"page": "unchanged"}


def test_a_recorded_edition_is_not_computed_again_by_a_fresh_checkout(project):
    project.add("page", edition="cpu")
    project.publish()
    provenance.state_path(project.root, "page").unlink()
    assert project.publish().outcomes == {"page": "unchanged"}
    assert project.publish(force=True).outcomes == {"page": "run again, same outputs"}


def test_source_library_parameters_files_and_records_each_change_the_key(project):
    code = "# %%\nfrom diffad import used\n"
    reads = {"records": ["results/run"], "files": ["experiments/one.yaml"]}
    project.add("page", code, **reads)
    project.write("results/run/record.json", "{}")
    project.write("experiments/one.yaml", "a: 1")
    keys = [project.inputs("page").key]
    for change in (
        lambda: project.add("page", code + "# a comment\n", **reads),
        lambda: project.write("diffad/deep.py", "VALUE = 2\n"),
        lambda: project.write("diffad/__init__.py", "VALUE = 2\n"),
        lambda: project.add("page", code, parameters={"size": 4}, **reads),
        lambda: project.write("results/run/record.json", "{ }"),
        lambda: project.write("experiments/one.yaml", "a: 2"),
    ):
        change()
        keys.append(project.inputs("page").key)
    assert len(set(keys)) == len(keys)


def test_a_module_that_the_notebook_cannot_reach_does_not_change_the_key(project):
    project.add("page", "# %%\nfrom diffad.used import VALUE\n")
    key = project.inputs("page").key
    project.write("diffad/unused.py", "VALUE = 2\n")
    assert project.inputs("page").key == key
    names = [path.name for path in library_files(project.root / "notebooks/page.py", project.root)]
    assert names == ["__init__.py", "deep.py", "used.py"]


def test_commands_of_a_terminal_are_no_python_to_follow_imports_in(project):
    project.add("page", '# %% language="bash"\n# import of goods --all\n# %%\nfrom diffad import deep\n')
    names = [path.name for path in library_files(project.root / "notebooks/page.py", project.root)]
    assert names == ["__init__.py", "deep.py"]


def test_a_lock_beside_a_record_does_not_change_the_key(project):
    project.add("page", records=["results/run"])
    project.write("results/run/record.json", "{}")
    key = project.inputs("page").key
    project.write("results/run/.record.lock", "")
    assert project.inputs("page").key == key


def test_relative_imports_and_data_files_beside_a_module_are_followed(project):
    project.write("diffad/sub/__init__.py", "from .inner import VALUE\nfrom .. import deep\n")
    project.write("diffad/sub/inner.py", "VALUE = 1\n")
    project.write("diffad/sub/table.yaml", "a: 1\n")
    project.add("page", "# %%\nimport diffad.sub\n")
    files = library_files(project.root / "notebooks/page.py", project.root)
    assert {path.relative_to(project.root).as_posix() for path in files} == {
        "diffad/__init__.py",
        "diffad/deep.py",
        "diffad/sub/__init__.py",
        "diffad/sub/inner.py",
        "diffad/sub/table.yaml",
    }


def test_the_content_of_a_data_set_is_part_of_the_key(project, monkeypatch):
    project.add("page", datasets=["digits"])
    inputs = project.inputs("page")
    assert set(inputs.datasets) == {"digits"}
    altered = inputs.model_copy(update={"datasets": {"digits": "other"}})
    assert altered.key != inputs.key
    assert inputs.changes_since(altered) == ["data set digits"]


def test_a_failing_notebook_leaves_the_others_and_its_own_earlier_copy(project):
    project.add("bad")
    project.add("good")
    assert project.publish().ok
    before = project.executed("bad").read_bytes()
    project.add("bad", "# %%\nraise RuntimeError('the cell that fails')\n")
    project.add("good", "# %%\nprint('new')\n")
    report = project.publish()
    assert set(report.faults) == {"bad"} and report.outcomes["good"] == "run"
    assert project.executed("bad").read_bytes() == before
    assert outputs(project.executed("good")) == "new\n"
    printed = "\n".join(project.lines)
    assert "FAILED in cell 2; the earlier notebook is kept" in printed
    assert "raise RuntimeError('the cell that fails')" in printed
    assert provenance.read_state(project.root, "bad").how == "failed"
    assert "last run" in provenance.page_note(
        provenance.read_provenance(nbformat.read(project.executed("bad"), 4)),
        provenance.read_state(project.root, "bad"),
    )


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_leaves_the_earlier_notebook_and_no_half_of_one(project, sent):
    project.add("page")
    project.publish()
    before = project.executed("page").read_bytes()
    marker = project.root / "started"
    slow = f"import pathlib, time\npathlib.Path({str(marker)!r}).touch()\ntime.sleep(30)\n"
    project.add("page", f"# %%\nprint('half')\n# %%\n{slow}")
    command = [sys.executable, "-m", "diffad.publish", "run", "--root", str(project.root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marker.exists(), process.communicate()
    os.kill(process.pid, sent)
    process.communicate(timeout=20)
    assert process.returncode == (130 if sent == signal.SIGINT else -signal.SIGKILL)
    assert project.executed("page").read_bytes() == before
    assert [path.name for path in project.executed("page").parent.iterdir()] == ["page.ipynb"]
    assert project.plan("page").action == "run"


def test_a_write_that_breaks_off_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "page.ipynb"
    notebook.write_bytes_whole(path, b"whole")

    def full(_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        notebook.write_bytes_whole(path, b"half")
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_without_its_data_shows_the_committed_run_with_a_mark(project):
    project.add("page", edition="cpu")
    project.publish()
    entry = project.executed("page")
    committed = nbformat.read(entry, 4)
    committed.metadata.diffad.datasets = ["mnist"]
    nbformat.write(committed, entry)
    before = entry.read_bytes()
    project.add("page", edition="cpu", datasets=["mnist"])
    report = project.publish()
    assert report.ok and report.outcomes["page"].startswith("recorded run shown, data not here: mnist")
    assert entry.read_bytes() == before
    marked = project.framed("page", committed)
    top, bottom = marked.cells[0].source, marked.cells[-1].source
    assert top.startswith("# A page\n") and ":::{admonition} A recorded run" in top
    assert "`mnist` is not in the data home (`diffad data fetch mnist`" in top
    run = provenance.read_provenance(committed).run
    for said in (run.date, run.device, "cpu edition", "mnist", f"Python {run.python}"):
        assert said in top and said in bottom
    assert committed.cells[0].source == "# A page"


def test_a_recorded_page_says_what_has_changed_since(project):
    project.add("page", edition="cpu", code="# %%\nprint('one')\n")
    project.publish()
    project.add("page", edition="cpu", code="# %%\nprint('two')\n", datasets=["mnist"])
    project.publish()
    known = provenance.read_provenance(nbformat.read(project.executed("page"), 4))
    note = provenance.page_note(known, provenance.read_state(project.root, "page"))
    assert ":class: warning" in note and "Since then, source changed." in note


def test_a_page_without_data_and_without_a_committed_run_is_a_fault_that_names_the_command(project):
    project.add("page", datasets=["mnist"])
    report = project.publish()
    assert "diffad data fetch mnist" in report.faults["page"]


@pytest.mark.parametrize(
    ("header", "settings", "message"),
    [
        (
            HEADER.replace(' tags=["parameters"]', ""),
            {},
            "exactly one code cell tagged `parameters`, found 0",
        ),
        (HEADER + '# %% tags=["parameters"]\nother = 1\n\n', {}, "found 2"),
        (HEADER + '# %% mystnb={"image":\n1\n\n', {}, "must stand on its `# %%` line"),
        (HEADER, {"files": ["nowhere.yaml"]}, "there is no file nowhere.yaml"),
        (HEADER, {"parameters": {"sise": 4}}, "has no parameter sise"),
    ],
)
def test_a_source_whose_parameters_could_be_lost_is_refused(project, header, settings, message):
    project.add("page", header=header, **settings)
    assert message in project.publish().faults["page"]
    assert not project.executed("page").exists()


def test_parameters_that_did_not_arrive_are_a_fault(project):
    project.add("page", parameters={"size": 4})
    project.publish()
    page = load_catalog(project.root / runner.CATALOG).pages[0]
    executed = nbformat.read(project.executed("page"), 4)
    injected = next(cell for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", []))
    injected.source = "size = 3"
    with pytest.raises(notebook.NotebookFault, match="asked for"):
        notebook.check_parameters_arrived(executed, page)
    executed.cells.remove(injected)
    with pytest.raises(notebook.NotebookFault, match="0 cells with injected parameters"):
        notebook.check_parameters_arrived(executed, page)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("# %%\nimport warnings\nwarnings.warn('mind this')\n", "wrote to stderr"),
        ("# %%\nimport sys\nprint(sys.prefix)\n", "path of this machine"),
        ("# %%\nobject()\n", "memory address"),
        ("# %%\nprint('x' * 1_100_000)\n", "at most 1,000,000 are allowed"),
    ],
)
def test_outputs_that_a_reader_should_not_get_are_refused(project, code, message):
    project.add("page", code)
    assert message in project.publish().faults["page"]
    assert not project.executed("page").exists()


@pytest.mark.parametrize(
    ("code", "settings", "message"),
    [
        ("# %%\nimport time\ntime.sleep(30)\n", {"timeout": 1}, "timed out"),
        ("# %%\nimport os\nos._exit(1)\n", {}, "Kernel died"),
        ("# %%\nthis is no Python\n", {}, "invalid syntax"),
    ],
)
def test_a_page_that_hangs_dies_or_is_no_python_does_not_stop_the_others(project, code, settings, message):
    project.add("bad", code, **settings)
    project.add("good")
    report = project.publish()
    assert message in report.faults["bad"] and report.outcomes["good"] == "run"


def test_an_executed_notebook_with_marks_of_a_merge_is_computed_anew(project):
    project.add("page", edition="cpu")
    project.publish()
    path = project.executed("page")
    path.write_text("<<<<<<< ours\n" + path.read_text())
    assert project.publish().outcomes == {"page": "run"}
    assert outputs(path) == "size 3\n"


def test_styled_tables_get_a_name_that_lasts(project):
    project.add("page", "# %%\nimport pandas\npandas.DataFrame({'a': [0.5]}).style.format(precision=2)\n")
    project.publish()
    first = project.executed("page").read_bytes()
    assert b"T_" in first
    project.publish(force=True)
    assert project.executed("page").read_bytes() == first


def test_progress_bars_times_and_random_identifiers_leave_no_trace(project):
    code = "# %%\nfrom tqdm.auto import tqdm\nfor _ in tqdm(range(3)):\n    pass\nprint('done')\n"
    project.add("page", code)
    project.publish()
    first = nbformat.read(project.executed("page"), 4)
    assert [out.text for cell in first.cells for out in cell.get("outputs", [])] == ["done\n"]
    assert set(first.metadata) == {"kernelspec", "language_info", "diffad"}
    project.executed("page").unlink()
    project.publish()
    assert nbformat.read(project.executed("page"), 4).cells == first.cells


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pages: [{page: a, source: a.py, title: A, edition: smoke, colour: red}]", "pages.0.colour"),
        ("pages: [{page: a, source: a.py, title: A, edition: huge}]", "pages.0.edition"),
        ("pages: [{page: a, source: ../a.py, title: A, edition: cpu}]", "inside the project"),
        ("pages: [{page: a, source: /a.py, title: A, edition: cpu}]", "pages.0.source"),
        ("pages: [{page: a, source: a.py, title: A, edition: cpu, timeout: 0}]", "pages.0.timeout"),
        (
            "pages: [&a {page: a, source: a.py, title: A, edition: cpu}, *a]",
            "once",
        ),
        ("pages: [", "not valid YAML"),
    ],
)
def test_a_faulty_catalogue_is_refused_with_the_field(tmp_path, text, message):
    path = tmp_path / "catalog.yaml"
    path.write_text(text)
    with pytest.raises(DiffadError, match=message.replace("[", r"\[")):
        load_catalog(path)


def test_the_command_line_answers_bad_input_with_one_sentence_and_code_2(project):
    project.add("page")
    command = [sys.executable, "-m", "diffad.publish", "run", "nosuchpage", "--root", str(project.root)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "Error: unknown page nosuchpage; the catalogue has page\n"


def test_which_pages_can_be_run_again_here(project):
    project.add("short")
    project.add("never")
    project.add("bigdata", edition="cpu")
    project.publish("short", "bigdata")
    project.add("bigdata", edition="cpu", datasets=["mnist"])
    paths, left_out = runner.reproducible_pages(project.root, seconds=100)
    assert [path.name for path in paths] == ["short.ipynb"]
    assert left_out == ["never: not executed yet", "bigdata: its data are not here: mnist"]
    assert runner.reproducible_pages(project.root, seconds=0)[1][0].startswith("short: takes")


def test_nbval_fails_on_a_changed_number_and_passes_on_a_changed_time(project):
    code = "# %%\nprint(f'mean {size / 7:.4f} after 0.2 s')\n# %%\n[print('silent')];\n"
    project.add("page", code)
    project.publish()
    path = project.executed("page")
    text = path.read_text()
    assert "mean 0.4286 after 0.2 s" in text
    variants = {
        "same": text,
        "slower": text.replace("after 0.2 s", "after 9.1 s"),
        "wrong": text.replace("mean 0.4286", "mean 0.4386"),
    }
    for name, content in variants.items():
        path.with_name(f"{name}.ipynb").write_text(content)
    path.unlink()
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env", str(path.parent)]
    command += ["-p", "diffad.publish.tolerance", "-p", "no:cacheprovider", "--color=no"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True)
    failed = re.findall(r"^FAILED \S*?(\w+)\.ipynb::Cell (\d+)", done.stdout, flags=re.MULTILINE)
    assert done.returncode == 1 and failed == [("wrong", "1")], done.stdout[-3000:]


def test_pages_from_one_source_have_the_catalogues_titles_in_the_book_and_others_keep_their_own():
    both = [
        {"page": name, "source": "notebooks/two.py", "title": name.upper(), "edition": "smoke"}
        for name in "ab"
    ]
    alone = {"page": "c", "source": "notebooks/one.py", "title": "C", "edition": "smoke"}
    catalog = Catalog(pages=[*both, alone])

    def heading(name: str) -> str:
        cells = [nbformat.v4.new_markdown_cell("(label)=\n# The heading\n\n## A section")]
        return titled(nbformat.v4.new_notebook(cells=cells), name, catalog).cells[0].source

    assert heading("a") == "(label)=\n# A\n\n## A section"
    assert heading("b") == "(label)=\n# B\n\n## A section"
    assert heading("c") == heading("not in the catalogue") == "(label)=\n# The heading\n\n## A section"
