"""`diffad results` and `diffad verify-results`: what the records say, and whether it follows from their scores."""

from pathlib import Path
from typing import Annotated

import typer

from diffad.cli.options import Json, print_json, say, table
from diffad.errors import DataNotFound, RecordError

MISMATCH = 1  # exit code

Root = Annotated[Path, typer.Option(help="the folder that holds the records", file_okay=False)]


def results_command(root: Root = Path("results"), as_json: Json = False) -> None:
    """List the recorded runs and their headlines.

    Also shown: edition, device, and which modules changed since. The headline is the mean AUROC over
    the groups of anomalies, for the method that the experiment names and for the best baseline.

    \b
    Example:
      diffad results --json
    """
    from diffad.records import read_record, stale_modules

    rows = []
    for folder in record_folders(root):
        record, _ = read_record(folder)
        rows.append({"folder": str(folder), **headline(record), "stale": stale_modules(record)})
    if as_json:
        print_json(rows)
        return
    print(table([printable(row) for row in rows]) or f"no records in {root}")
    for row in rows:
        if row["stale"]:
            print(f"{row['name']}: changed since it was run: {', '.join(row['stale'])}")


def verify_results_command(root: Root = Path("results"), as_json: Json = False) -> int:
    """Recompute every metric from the raw scores.

    The exit code is 1 if one differs from what its record says.

    \b
    Example:
      diffad verify-results --root results
    """
    from diffad.efficiency.record import list_efficiency, verify_efficiency
    from diffad.embeddings.records import list_vectors, verify_embeddings
    from diffad.records import mismatches, read_record

    checks = {folder: lambda each: check_record(*read_record(each), mismatches) for folder in record_folders(root)}
    checks |= {folder: verify_embeddings for folder in list_vectors(root)}
    checks |= {folder: verify_efficiency for folder in list_efficiency(root)}
    if not checks:
        raise DataNotFound(f"--root: no record is in {root}, expected a folder of recorded runs")
    found = []
    for folder, check in checks.items():
        try:
            sentences, count = check(folder)
        except RecordError as error:
            sentences, count = [str(error)], 0
        found.append({"folder": str(folder), "metrics_checked": count, "mismatches": sentences})
        if not as_json:
            print(f"{'ok      ' if not sentences else 'MISMATCH'}  {folder}: {count} metrics recomputed")
            for sentence in sentences:
                say(f"  {sentence}")
    if as_json:
        print_json(found)
    return MISMATCH if any(row["mismatches"] for row in found) else 0


def check_record(record, scores, mismatches) -> tuple[list[str], int]:
    """One sentence for each metric that does not follow from the scores, and how many were recomputed."""
    return mismatches(record, scores), len(record.metrics)


def record_folders(root: Path) -> list[Path]:
    """Folders of records at or under `root`; DataNotFound where `root` is not there."""
    from diffad.records import list_records

    if not root.is_dir():
        raise DataNotFound(f"--root: {root} is not a folder, expected the folder of recorded runs")
    return list_records(root)


def headline(record) -> dict:
    """A record's headline as plain JSON values; intervals are (estimate, low, high)."""
    methods = {value.method for value in record.metrics}
    asked = record.experiment.get("scoring", {}).get("headline")
    baselines = [name for name in record.experiment.get("baselines", []) if name in methods]
    best = max(baselines, key=lambda name: record.interval(name).estimate, default=None)
    chosen = {"method": asked if asked in methods else None, "baseline": best}
    return {
        "name": record.name,
        "edition": record.edition,
        **{
            role: {"name": name, "auroc": list(vars(record.interval(name)).values())}
            for role, name in chosen.items()
            if name
        },
        "device": record.provenance.device,
        "date": record.provenance.model_dump(mode="json").get("date"),
    }


def printable(row: dict) -> dict[str, object]:
    """A row of `results` as text, a column each."""
    columns = {"name": row["name"], "edition": row["edition"]}
    for role in ("method", "baseline"):
        numbers = row.get(role)
        columns[role] = f"{numbers['name']} {_interval(numbers['auroc'])}" if numbers else "-"
    return columns | {"device": row["device"], "code": "changed" if row["stale"] else "same"}


def metric_rows(record) -> list[dict[str, object]]:
    """A row a method with its mean over groups of each metric, the best AUROC first."""
    methods = dict.fromkeys(value.method for value in record.metrics)
    ranked = sorted(methods, key=lambda method: -record.interval(method).estimate)
    titles = {"auroc": "AUROC", "average_precision": "AP", "fpr_at_95_tpr": "FPR95"}
    return [
        {"method": method, "NFE": record.nfe.get(method, 0)}
        | {
            titles[metric]: _interval(vars(record.interval(method, metric)).values())
            for metric in record.evaluation.metrics
        }
        for method in ranked
    ]


def _interval(values) -> str:
    estimate, low, high = values
    return f"{estimate:.3f} [{low:.3f}, {high:.3f}]"
