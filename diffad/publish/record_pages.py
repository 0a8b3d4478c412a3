"""The run records as pages of the built book: what was run, by what, with what result, and whether that still holds."""

from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

import yaml

from diffad.publish.catalog import Catalog

FOLDER = "records"  # of the built book
RESULTS = "results"
TITLES = {"auroc": "AUROC", "average_precision": "average precision", "fpr_at_95_tpr": "FPR at 95 % TPR"}


@dataclass(frozen=True)
class Summary:
    """A record for a reader: its folder below `results`, what it holds, and which modules changed since."""

    folder: str
    record: object  # a diffad.run_record.RunRecord
    changed: tuple[str, ...]

    @property
    def standing(self) -> str:
        """Whether the code is still the code that made it, in words."""
        if not self.changed:
            return "up to date"
        return f"stale: {len(self.changed)} module{'s' if len(self.changed) > 1 else ''} changed"

    @property
    def page(self) -> str:
        """The name of its page in the built book, without an ending."""
        return f"{FOLDER}/{self.folder}"

    @property
    def seconds(self) -> float:
        """The wall time of all phases of the run."""
        return sum(self.record.wall_seconds.values())


@cache
def summaries(root: Path) -> tuple[Summary, ...]:
    """Every run record below the project's folder of results, sorted by folder; the scores are not read."""
    results = root / RESULTS
    if not results.is_dir():
        return ()
    # Imported here because numpy and pandas take a second, and a book without records needs neither.
    from diffad.provenance import changed_files, source_files
    from diffad.records import RECORD_FILE, RunRecord, list_records

    now, found = None, []
    for folder in list_records(results):
        record = RunRecord.model_validate_json((folder / RECORD_FILE).read_bytes())
        now = now or source_files()
        changed = changed_files(record.provenance.source_files, now)
        found.append(Summary(folder.relative_to(results).as_posix(), record, tuple(changed)))
    return tuple(found)


def records_of(folders: tuple[str, ...], known: tuple[Summary, ...]) -> list[Summary]:
    """The records at or under folders such as `results/mnist-c/cpu`, each once."""
    wanted = [f"{name.rstrip('/')}/" for name in folders]
    return [each for each in known if any(f"{RESULTS}/{each.folder}/".startswith(name) for name in wanted)]


def standing_of(records: list[Summary]) -> str:
    """One phrase for all records of a page."""
    stale = sum(bool(each.changed) for each in records)
    if not records:
        return ""
    if not stale:
        return f"{len(records)} up to date"
    return f"{stale} of {len(records)} made by earlier code"


def rerun_command(summary: Summary, root: Path) -> str:
    """The command that makes the record again, as far as an experiment file names it; "" otherwise."""
    name, *rest = summary.folder.split("/")
    for path in sorted((root / "experiments").glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and content.get("name") == name and len(rest) in (1, 2):
            verb, option = ("run", "--cell") if "protocol" in content else ("compare", "--run")
            cell = f" {option} {rest[1]}" if len(rest) == 2 else ""
            return f"diffad {verb} experiments/{path.name} --edition {rest[0]}{cell}"
    return ""


def record_body(summary: Summary, root: Path, catalog: Catalog, up: str) -> str:
    """The HTML of a record's page. up: from the page to the book's own folder, such as "../../"."""
    record = summary.record
    parts = [f"<h1>Record: {escape(summary.folder.replace('/', ' / '))}</h1>"]
    parts.append(_facts(summary, root, catalog, up))
    parts += [
        "<h2>Result</h2>",
        "<p>Mean over the groups of anomalies, with 95 % bootstrap intervals, in %.</p>",
    ]
    parts.append(_metric_table(record))
    parts += ["<h2>Configuration</h2>", _yaml(record.experiment), "<h2>Data</h2>"]
    parts.append(_yaml(record.data.model_dump(mode="json")))
    parts += ["<h2>Code and packages</h2>", _yaml({"versions": record.provenance.versions})]
    if summary.changed:
        changed = ", ".join(f"<code>{escape(name)}</code>" for name in summary.changed)
        parts.append(f"<p>Changed since the run: {changed}.</p>")
    return "\n".join(parts)


def _facts(summary: Summary, root: Path, catalog: Catalog, up: str) -> str:
    from diffad.publish.provenance import duration

    record, command = summary.record, rerun_command(summary, root)
    pages = [page for page in catalog.pages if records_of(page.records, (summary,))]
    # A page that was never run is not in the book yet.
    pages = [page for page in pages if (root / catalog.output / f"{page.page}.ipynb").is_file()]
    uses = ", ".join(
        f'<a href="{up}{catalog.output}/{page.page}.html">{escape(page.title)}</a>' for page in pages
    )
    facts = {
        "Edition": escape(record.edition),
        "Run on": escape(f"{record.provenance.device} ({record.provenance.system})"),
        "Wall time": duration(summary.seconds),
        "Seeds": escape(", ".join(f"{name} {seed}" for name, seed in record.seeds.items())),
        "Code": escape(summary.standing),
        "Shown on": uses or "no page",
        "Run it again": _again(command),
        "Files": f'<a href="{up}{summary.page}.json">record.json</a>; raw scores in '
        f"<code>{RESULTS}/{escape(summary.folder)}</code>",
    }
    rows = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in facts.items())
    return f'<table class="table facts"><tbody>{rows}</tbody></table>'


def _again(command: str) -> str:
    """How to make the record again, and how to hold a new run against it."""
    if not command:
        return "see the page that shows it"
    code = f"<code>{escape(command)}</code>"
    if command.startswith("diffad run "):
        code += "; with <code>--check</code> the new run is compared and the record left as it is"
    return code


def _metric_table(record) -> str:
    """A row a method, the best AUROC first."""
    metrics = record.evaluation.metrics
    methods = dict.fromkeys(value.method for value in record.metrics)
    ranked = sorted(methods, key=lambda method: -record.interval(method, metrics[0]).estimate)
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("method", "NFE", *(TITLES[each] for each in metrics))
    )
    rows = []
    for method in ranked:
        numbers = [record.interval(method, metric) for metric in metrics]
        cells = "".join(
            f"<td>{100 * each.estimate:.1f} ({100 * each.low:.1f}, {100 * each.high:.1f})</td>"
            for each in numbers
        )
        rows.append(
            f'<tr><th scope="row">{escape(method)}</th><td>{record.nfe.get(method, 0)}</td>{cells}</tr>'
        )
    table = f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="pst-scrollable-table-container">{table}</div>'


def _yaml(content: dict) -> str:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return f'<div class="highlight"><pre tabindex="0">{escape(text)}</pre></div>'


STATUS_HEAD = (
    "| Record | Edition | Wall time | Run on | Code |",
    "|---|---|---|---|---|",
)


def status_rows(known: tuple[Summary, ...], up: str) -> list[str]:
    """A Markdown table of all records, each linked to its page; `up` leads to the book's own folder."""
    from diffad.publish.provenance import duration

    rows = [
        f'| <a href="{up}{each.page}.html">{each.folder}</a> | {each.record.edition} | {duration(each.seconds)} '
        f"| {each.record.provenance.device} | {each.standing} |"
        for each in known
    ]
    return [*STATUS_HEAD, *rows]
