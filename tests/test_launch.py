"""The notebooks to download and to open elsewhere: addresses are well-formed, and they run away from the project."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import nbformat
import pytest

from diffad.errors import DiffadError
from diffad.publish import load_catalog, runner
from diffad.publish.launch import Launch, gpu_cell, install_cell, launchable

ROOT = Path(__file__).parents[1]
CATALOG = load_catalog(ROOT / runner.CATALOG)
PAGES = {page.page: page for page in CATALOG.pages}
HERE = Launch("https://github.com/someone/diffad")


@pytest.mark.parametrize("page", PAGES)
def test_the_addresses_of_colab_and_binder_are_well_formed(page):
    links = HERE.links(page, CATALOG.output)
    assert set(links) == {"Colab", "Binder"}
    colab, binder = urlsplit(links["Colab"]), urlsplit(links["Binder"])
    assert (colab.scheme, colab.netloc) == ("https", "colab.research.google.com")
    assert colab.path == f"/github/someone/diffad/blob/gh-pages/notebooks/{page}.ipynb"
    assert (binder.scheme, binder.netloc, binder.path) == (
        "https",
        "mybinder.org",
        "/v2/gh/someone/diffad/main",
    )
    (opened,) = parse_qs(binder.query)["urlpath"]
    path = unquote(opened).removeprefix("lab/tree/")
    assert (ROOT / path).is_file()


def test_without_a_repository_there_are_no_links_and_a_wrong_address_is_refused():
    assert Launch().links("data", "book/chapters") == {}
    assert Launch("https://codeberg.org/someone/diffad").links("data", "book/chapters") == {}
    for wrong in ("github.com/someone/diffad", "https://github.com/someone", "git@github.com:someone/diffad"):
        with pytest.raises(DiffadError, match="diffad_repository.*https://HOST/OWNER/NAME"):
            Launch(wrong)


def test_the_install_cell_finds_the_project_from_any_folder(tmp_path):
    code = install_cell(HERE, CATALOG.output).source + "\nprint(Path.cwd())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == Path(sys.modules["diffad"].__file__).parents[1] / CATALOG.output


def test_without_diffad_and_without_an_address_the_install_cell_says_what_to_set(tmp_path):
    code = install_cell(Launch(), CATALOG.output).source
    blocked = "import sys\nsys.path = [p for p in sys.path if 'site-packages' not in p]\nsys.meta_path = sys.meta_path[:3]\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", blocked + code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1 and "Set `repository` above" in done.stderr


def test_the_gpu_cell_runs_the_experiment_of_the_page_and_reads_its_record():
    cell = gpu_cell(PAGES["mnist_c"], ROOT).source
    assert '["run", "experiments/mnist_c.yaml", "--edition", "gpu"]' in cell
    assert 'recorded_run = "../../results/mnist-c/gpu"' in cell and 'edition_name = "gpu"' in cell
    compile(cell, "gpu", "exec")
    theory = gpu_cell(PAGES["forward_process"], ROOT).source
    assert "torch.cuda.is_available()" in theory


@pytest.mark.parametrize("name", PAGES)
def test_a_notebook_to_download_is_whole(name):
    executed = runner.read_executed(runner.executed_path(ROOT, CATALOG, PAGES[name]))
    ready = launchable(executed, PAGES[name], ROOT, HERE, CATALOG.output)
    nbformat.validate(ready)
    tags = [cell.metadata.get("tags", []) for cell in ready.cells]
    assert tags[0] == ["install"] and tags.count(["gpu"]) == 1 and len(tags) == len(executed.cells) + 2
    place = tags.index(["gpu"])
    assert {"parameters", "injected-parameters"} & set(tags[place - 1])
