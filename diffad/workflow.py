"""What is to be run: every record that the files in experiments/ ask for, found once, for the Snakefile and for checks.

    python -m diffad.workflow list --edition cpu
    python -m diffad.workflow run experiments/mnist_c.yaml --edition cpu --cell CELL

`run` is `diffad run` for one cell, except that a record which stands, made by the code as it is, is left alone: the
workflow may be killed between a record and the note that it was made, and nothing is computed twice.
"""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from diffad.yaml_lines import YamlDocument, read_yaml

EXPERIMENTS = Path("experiments")
Kind = Literal["run", "compare", "embeddings", "robustness"]


def file_kind(document: YamlDocument) -> Kind:
    """Which command runs a file of experiments/, by the keys that it holds: `diffad run`, `diffad compare`, ...

    Raises:
        ValueError: it is none of them.
    """
    content = document.content if isinstance(document.content, dict) else {}
    editions = content.get("editions")
    editions = list(editions.values()) if isinstance(editions, dict) else []
    if "scorers" in content:
        return "compare"
    if "attack" in content:
        return "robustness"
    if any(isinstance(edition, dict) and "tracks" in edition for edition in editions):
        return "embeddings"
    if "protocol" in content:
        return "run"
    raise ValueError(
        f"experiment: {document.path}:1: got none of the keys protocol, scorers, attack, by which an experiment is told"
    )


@dataclass(frozen=True)
class Job:
    """One thing to run.

    Attributes:
        command: what runs it, printed beside its numbers.
        file: the experiment file.
        name, edition, cell: of the experiment; `cell` is a comparison's run, or None.
        kind: see `file_kind`.
        folder: where its record goes; a record for each data set lies below it where the kind is embeddings or
            robustness.
        datasets: names of the data sets that it reads, as far as its file names them.
        needs: folders of finished runs whose models it asks.
    """

    file: Path
    name: str
    edition: str
    cell: str | None
    kind: Kind
    folder: Path
    datasets: tuple[str, ...] = ()
    needs: tuple[Path, ...] = field(default=())

    @property
    def command(self) -> str:
        """The one command that makes the record anew, from the project's folder."""
        words = ["diffad", self.kind, self.file.as_posix(), "--edition", self.edition]
        if self.cell is not None:
            words += ["--cell" if self.kind == "run" else "--run", self.cell]
        if self.kind == "robustness":
            words.append("--again")
        return shlex.join(words)


def find_jobs(
    edition: str, experiments: Path | str = EXPERIMENTS, results: Path | str = "results"
) -> list[Job]:
    """Every job of an edition that the files in `experiments` ask for, files in alphabetical order.

    Raises:
        ValueError: a file that is refused, or two that would write the same records; with file and line.
    """
    documents = read_experiments(experiments)
    return [job for document in documents for job in _jobs(document, edition, Path(results))]


def commands(root: Path | str = ".") -> dict[str, str]:
    """Folder of each record that experiment files ask for, in any edition -> the one command that makes it anew.

    Args:
        root: the project's folder; folders and commands are as seen from there.
    """
    root = Path(root)
    found = {}
    for edition in ("smoke", "cpu", "gpu"):
        for job in find_jobs(edition, root / EXPERIMENTS, "results"):
            found[job.folder.as_posix()] = replace(job, file=job.file.relative_to(root)).command
    return found


def command_of(folder: Path | str, known: Mapping[str, str]) -> str:
    """The command that makes a record anew: that of its folder or of one above it; "" where no file asks for it.

    Args:
        folder: of the record, from the project's folder or with the way there before it, "../../results/...".
        known: from `commands`.
    """
    parts = Path(folder).parts
    parts = parts[parts.index("results") :] if "results" in parts else parts
    above = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((known[each] for each in above if each in known), "")


def read_experiments(experiments: Path | str = EXPERIMENTS) -> list[YamlDocument]:
    """The files in a folder, as YAML.

    Raises:
        ValueError: one is no YAML, a key stands twice in it, or two have one name, by which records are filed; a file
            system may not tell upper from lower case.
    """
    documents = [read_yaml(path, "experiment") for path in sorted(Path(experiments).glob("*.yaml"))]
    first: dict[str, YamlDocument] = {}
    for document in documents:
        name = document.content.get("name") if isinstance(document.content, dict) else None
        other = first.setdefault(str(name).casefold(), document)
        if name is not None and other is not document:
            raise ValueError(
                f"experiment: {document.path}:{document.line(['name'])}: name: got {name!r}, which is that of "
                f"{other.path}:{other.line(['name'])}, too: both would write the same records"
            )
    return documents


def check_others(path: Path | str) -> None:
    """Refuse an experiment file if another one in its folder has its name: they would write the same records.

    Other files of the folder that cannot be read are left to their own run.

    Raises:
        ValueError: with file and line.
    """
    path = Path(path)
    document = read_yaml(path, "experiment")
    for other in sorted(path.parent.glob("*.yaml")):
        if other.resolve() == path.resolve():
            continue
        try:
            found = read_yaml(other, "experiment")
        except ValueError:
            continue
        if isinstance(found.content, dict) and document.content.get("name") == found.content.get("name"):
            raise ValueError(
                f"experiment: {path}:{document.line(['name'])}: name: got {document.content['name']!r}, which is that "
                f"of {other}:{found.line(['name'])}, too: both would write the same records"
            )


def _jobs(document: YamlDocument, edition: str, results: Path) -> list[Job]:
    kind = file_kind(document)
    if edition not in document.content.get("editions", {}):
        return []
    match kind:
        case "run":
            return _runs(document.path, edition, results)
        case "compare":
            return _comparisons(document.path, edition, results)
    content, asked = document.content, document.content["editions"][edition]
    job = Job(document.path, content["name"], edition, None, kind, results / content["name"] / edition)
    if kind == "embeddings":
        return [job]
    return [
        Job(job.file, job.name, edition, run, kind, job.folder / run, needs=(_moved(Path(folder), results),))
        for run, folder in asked["runs"].items()
    ]


def _runs(path: Path, edition_name: str, results: Path) -> list[Job]:
    from diffad.configuration import load_experiment  # imports torch, which a listing of files can do without

    experiment = load_experiment(path)
    edition, folder = experiment.edition(edition_name), results / experiment.name / edition_name
    return [
        Job(
            path,
            experiment.name,
            edition_name,
            cell,
            "run",
            folder / cell if cell else folder,
            (edition.of_cell(cell).dataset,),
        )
        for cell in edition.cells or [None]
    ]


def _comparisons(path: Path, edition: str, results: Path) -> list[Job]:
    from diffad.comparison import load_comparison

    comparison = load_comparison(path)
    folder = results / comparison.name / edition
    return [
        Job(path, comparison.name, edition, run, "compare", folder / run, needs=(_moved(each, results),))
        for run, each in comparison.edition(edition).runs.items()
    ]


def _moved(folder: Path, results: Path) -> Path:
    """A file names records in `results`; they may lie elsewhere."""
    return results.joinpath(*folder.parts[1:]) if folder.parts[:1] == ("results",) else folder


def run_cell(
    file: Path | str,
    edition: str,
    cell: str | None,
    results: Path | str = "results",
    checkpoints: Path | str = ".work/checkpoints",
) -> bool:
    """Run one cell of an experiment file unless its record stands; returns whether it was run.

    Raises:
        RecordError: the folder's record is damaged or of another run, or another process writes it.
        ValueError: the file, edition or cell is refused.
    """
    from diffad.configuration import load_experiment
    from diffad.experiments import is_recorded, run_experiment

    experiment = load_experiment(file)
    experiment.edition(edition).of_cell(cell)
    if is_recorded(experiment, edition, results, cell):
        return False
    run_experiment(experiment, edition, results, checkpoints, progress=False, cell=cell)
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m diffad.workflow`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("list", help="print every job of an edition")
    listed.add_argument("--experiments", type=Path, default=EXPERIMENTS)
    run = commands.add_parser("run", help="run one cell unless its record stands")
    run.add_argument("file", type=Path)
    run.add_argument("--cell")
    run.add_argument("--checkpoints", type=Path, default=Path(".work/checkpoints"))
    for each in (listed, run):
        each.add_argument("--edition", choices=("smoke", "cpu", "gpu"), default="smoke")
        each.add_argument("--results", type=Path, default=Path("results"))
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "list":
            for job in find_jobs(chosen.edition, chosen.experiments, chosen.results):
                print(f"{job.folder}\t{job.command}")
        elif run_cell(chosen.file, chosen.edition, chosen.cell, chosen.results, chosen.checkpoints):
            print("recorded")
        else:
            print("its record stands")
    except ValueError as error:
        parser.exit(2, f"diffad: {error}\n")


if __name__ == "__main__":
    main()
