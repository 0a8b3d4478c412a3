"""`diffad data`: list, fetch and verify the data sets of the catalog."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from diffad.datasets.catalog import CATALOG, Entry
from diffad.datasets.fetching import Fetching, fetch, missing
from diffad.datasets.home import data_home
from diffad.datasets.loading import is_available
from diffad.datasets.verifying import verify

app = typer.Typer(no_args_is_help=True, help="List, fetch and verify data sets.")

Name = Annotated[
    str, typer.Argument(help="a name that `diffad data list` shows; for ADBench also ENTRY/ITEM")
]
Home = Annotated[
    Path | None,
    typer.Option(help="the data home; default: DIFFAD_DATA or the platform's cache folder", file_okay=False),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("list")
def list_command(home: Home = None, as_json: Json = False) -> None:
    """List the data sets: what each is, whether it is here, how large it is and under which licence."""
    home = home or data_home()
    rows = [describe_entry(entry, home) for entry in CATALOG.values()]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print(f"data home: {home}\n")
    columns = {"name": 18, "here": 9, "download": 10, "scale": 16}
    print("".join(title.ljust(width) for title, width in columns.items()) + "licence")
    for row in rows:
        row["download"] = _size(row["bytes"])
        print("".join(str(row[title]).ljust(width) for title, width in columns.items()) + row["licence"])


@app.command("fetch")
def fetch_command(
    name: Name,
    home: Home = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="you have read the licence and accept it")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Fetch a data set into the data home: checked against its checksum, unpacked, whole or not at all."""
    home = home or data_home()
    entry = CATALOG.get(name.partition("/")[0])
    if entry is not None and entry.sources:
        print(f"{entry.title}: {entry.licence}\nplease cite: {entry.citation}", file=sys.stderr)
    fetched = fetch(name, home, accept_licence, Fetching(progress=not quiet))
    print(
        f"{name}: {f'{len(fetched)} files fetched' if fetched else 'already there'}, in {home / entry.folder}"
    )


@app.command("verify")
def verify_command(name: Name, home: Home = None, as_json: Json = False) -> None:
    """Check the files of a data set against checksums and official counts; exit code 2 if one is damaged."""
    found = verify(name, home)
    if as_json:
        print(json.dumps(asdict(found), indent=1))
        return
    print(f"{found.name} in {found.folder}")
    for check in found.checks:
        print(f"  ok    {check}")
    for note in found.notes:
        print(f"  note  {note}")


@app.command("where")
def where_command(home: Home = None) -> None:
    """Print the data home."""
    print(home or data_home())


def describe_entry(entry: Entry, home: Path) -> dict[str, str | int | bool | None]:
    """Return a row of `diffad data list`; its key ``here`` is ``"yes"``, ``"in part"`` or ``"no"``."""
    present = entry.name != "folder" and is_available(entry.name, home)
    return {
        "name": entry.name,
        "title": entry.title,
        "here": ("in part" if missing(entry, home) else "yes") if present else "no",
        "folder": str(home / entry.folder) if entry.folder else "",
        "kind": entry.kind,
        "scale": entry.scale,
        "bytes": entry.size,
        "licence": entry.licence,
        "must_accept_licence": entry.must_accept,
        "page": entry.page,
        "citation": entry.citation,
        "splits": entry.splits,
    }


def _size(size: int | None) -> str:
    if size is None:
        return "-"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
