"""A chapter as a notebook that opens anywhere: an install cell before it, and a cell with the settings for a GPU.

The built book offers each to download. With a repository named in `_config.yml` (`diffad_repository`) there are also
links that open it on Colab, from the branch that the book is published on, and on Binder, from the main branch.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import nbformat
import yaml
from nbformat import NotebookNode

from diffad.errors import DiffadError
from diffad.publish.catalog import Page

FOLDER = "notebooks"  # of the built book
INSTALL = """\
# Installs diffad where it is missing (on Colab, say), and moves to the folder that this page was computed in.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

repository = {repository!r}  # where to get it from, unless this notebook lies within a copy of the project
if importlib.util.find_spec("diffad") is not None:
    import diffad

    project = Path(diffad.__file__).resolve().parents[1]
else:
    around = [Path.cwd(), *Path.cwd().parents, Path.cwd() / "diffad-book"]
    project = next((each for each in around if (each / "diffad" / "__init__.py").is_file()), None)
    if project is None:
        if not repository:
            raise SystemExit("Set `repository` above to the address of the project's git repository, and run this cell again.")
        project = Path.cwd() / "diffad-book"
        subprocess.run(["git", "clone", "--depth", "1", repository, str(project)], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--editable", f"{{project}}[book]"], check=True)
    sys.path.insert(0, str(project))
os.chdir(project / "{folder}")
"""
GPU_WITH_EXPERIMENT = """\
# The gpu edition of what this page shows. It needs a CUDA device, the data sets, and up to two hours: set gpu = True.
gpu = False
if gpu:
    for command in {commands}:
        subprocess.run([sys.executable, "-m", "diffad.cli", *command], cwd=project, check=True)
{settings}"""
GPU_WITHOUT = """\
# Nothing on this page takes longer than minutes; diffad uses a CUDA device where there is one.
import torch

gpu = torch.cuda.is_available()
print("computed on", torch.cuda.get_device_name() if gpu else "the processor")
"""


@dataclass(frozen=True)
class Launch:
    """Where the project can be had: `repository`, such as https://github.com/NAME/diffad, may be empty.

    branch: of the sources. book_branch: that the built book is published on.

    Raises:
        DiffadError: an address that is not of the form https://HOST/OWNER/NAME.
    """

    repository: str = ""
    branch: str = "main"
    book_branch: str = "gh-pages"

    def __post_init__(self) -> None:
        parts = urlsplit(self.repository)
        names = [name for name in parts.path.split("/") if name]
        if self.repository and (parts.scheme != "https" or not parts.netloc or len(names) != 2):
            raise DiffadError(
                f"diffad_repository in _config.yml must read https://HOST/OWNER/NAME, got {self.repository!r}"
            )

    @property
    def _path(self) -> str:
        """OWNER/NAME."""
        return urlsplit(self.repository).path.strip("/").removesuffix(".git")

    def links(self, page: str, output: str) -> dict[str, str]:
        """Services by name, each with the address that opens `page` there; only GitHub's are known to both."""
        if urlsplit(self.repository).netloc != "github.com":
            return {}
        inside = quote(f"lab/tree/{output}/{page}.ipynb", safe="")
        return {
            "Colab": f"https://colab.research.google.com/github/{self._path}/blob/{self.book_branch}/{FOLDER}/{page}.ipynb",
            "Binder": f"https://mybinder.org/v2/gh/{self._path}/{self.branch}?urlpath={inside}",
        }


def install_cell(launch: Launch, output: str) -> NotebookNode:
    """The first cell: it installs diffad if need be and goes to the folder `output` of the project."""
    return _cell(INSTALL.format(repository=launch.repository, folder=output), "install")


def gpu_cell(page: Page, root: Path) -> NotebookNode:
    """The cell after the parameters: it runs the gpu edition of the page's experiments and reads their records."""
    commands = [command for name in page.files if (command := _gpu_command(root / name, name)) is not None]
    settings = {
        name: changed for name, value in page.parameters.items() if (changed := _on_gpu(value)) != value
    }
    if not commands or not settings:
        return _cell(GPU_WITHOUT, "gpu")
    lines = "".join(f"    {name} = {json.dumps(value)}\n" for name, value in settings.items())
    return _cell(GPU_WITH_EXPERIMENT.format(commands=json.dumps(commands), settings=lines), "gpu")


def _gpu_command(path: Path, name: str) -> list[str] | None:
    """What `diffad` must be called with for the gpu edition of an experiment file; None if it has none."""
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return None
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or "gpu" not in content.get("editions", {}):
        return None
    return ["run" if "protocol" in content else "compare", name, "--edition", "gpu"]


def _on_gpu(value):
    """A parameter's value in the gpu edition: its folder of records there, or the edition's name."""
    if not isinstance(value, str):
        return value
    parts = ["gpu" if part in ("cpu", "smoke") else part for part in value.split("/")]
    return "/".join(parts)


def _cell(code: str, tag: str) -> NotebookNode:
    return nbformat.v4.new_code_cell(code.rstrip("\n"), id=tag, metadata={"tags": [tag]})


def launchable(executed: NotebookNode, page: Page, root: Path, launch: Launch, output: str) -> NotebookNode:
    """A copy of an executed notebook with its outputs, the install cell first and the gpu cell after the parameters."""
    copy = nbformat.from_dict(executed)
    tags = [set(cell.metadata.get("tags", [])) for cell in copy.cells]
    parameters = [
        number for number, names in enumerate(tags) if names & {"parameters", "injected-parameters"}
    ]
    if parameters:
        copy.cells.insert(parameters[-1] + 1, gpu_cell(page, root))
    copy.cells.insert(0, install_cell(launch, output))
    return copy
