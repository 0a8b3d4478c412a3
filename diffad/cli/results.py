"""`diffad results` and `diffad verify-results`: what the records say, and whether it follows from their scores."""

from pathlib import Path
from typing import Annotated

import typer

from diffad.cli.options import Json, print_json, say, table
from diffad.errors import DataNotFound

MISMATCH = 1  # exit code

Jobs = Annotated[int | None, typer.Option(min=1, help="processes  [default: one a core]")]
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


def verify_results_command(root: Root = Path("results"), jobs: Jobs = None, as_json: Json = False) -> int:
    """Recompute every recorded figure from raw scores, ranks and rounds.

    The exit code is 1 if one differs from what its record says, or a record cannot be read or was
    edited by hand; file and line of each are told.

    \b
    Example:
      diffad verify-results --root results
    """
    from diffad.verifying import verify_all

    checked = verify_all(root, jobs)
    faults = [fault for each in checked for fault in each.faults]
    if as_json:
        print_json(
            [
                {
                    "folder": str(Path(each.path).parent),
                    "file": each.path,
                    "metrics_checked": each.count,
                    "mismatches": [str(fault) for fault in each.faults],
                }
                for each in checked
            ]
        )
        return MISMATCH if faults else 0
    for each in checked:
        print(f"{'MISMATCH' if each.faults else 'ok      '}  {each.path}: {each.count} metrics recomputed")
        for fault in each.faults:
            say(f"  {fault}")
    print(
        f"{sum(each.count for each in checked)} figures of {len(checked)} files recomputed, {len(faults)} faults"
    )
    return MISMATCH if faults else 0


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
