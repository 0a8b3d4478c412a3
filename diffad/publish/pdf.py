"""The book as one PDF, printed by a browser from the same sources: `make pdf`."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from diffad.errors import DiffadError

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
LONGEST = 600  # seconds that a step may take


def find_browser() -> str:
    """Path of a browser of the Chromium family: what the environment variable `CHROMIUM` names, else the first found.

    Raises:
        DiffadError: none, with what to install.
    """
    named = os.environ.get("CHROMIUM")
    candidates = [named] if named else [*BROWSERS, *PLACES]
    found = next((path for path in map(shutil.which, candidates) if path), None)
    if found is None:
        asked = f"CHROMIUM names {named!r}, which is no program" if named else "none is on this machine"
        raise DiffadError(
            f"a PDF is printed by Chromium, Chrome or Edge, and {asked}; install one (Debian and Ubuntu: "
            "apt-get install chromium; macOS: brew install --cask chromium) or set CHROMIUM to its path"
        )
    return found


def make_pdf(root: Path, target: Path) -> Path:
    """Render the book in `root` as one page and print it to `target`.

    Raises:
        DiffadError: no browser, a warning of the rendering, or no PDF.
    """
    browser = find_browser()
    folder = root / "_build" / "pdf"
    render = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(root),
        "--builder",
        "singlehtml",
    ]
    done = subprocess.run(
        [*render, "--path-output", str(folder), "-q", "-n", "-W", "--keep-going"], timeout=LONGEST
    )
    if done.returncode:
        raise DiffadError(
            f"the book could not be rendered as one page (exit code {done.returncode}), see above"
        )
    page = beside_its_files(folder / "_build" / "singlehtml", first_page(root))
    return print_page(page, target, browser)


def beside_its_files(folder: Path, name: str) -> Path:
    """A copy of the rendered page `name` in `folder`: Sphinx writes its addresses as if it lay there."""
    text = (folder / f"{name}.html").read_text(encoding="utf-8")
    page = folder / "printed.html"
    page.write_text(text.replace(f'href="{name}.html#', 'href="#'), encoding="utf-8")
    return page


def first_page(root: Path) -> str:
    """The page that the table of contents begins with; all others follow it in the one page."""
    return yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))["root"]


def print_page(page: Path, target: Path, browser: str) -> Path:
    """Print an HTML file to a PDF with an outline; `target` appears whole or not at all.

    Raises:
        DiffadError: the browser made no PDF, with its last words.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profile}",
            "--no-pdf-header-footer",
            "--generate-pdf-document-outline",
            f"--print-to-pdf={partial.resolve()}",
            page.resolve().as_uri(),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium refuses to run as root with one
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    if not partial.is_file() or not partial.read_bytes().startswith(b"%PDF"):
        partial.unlink(missing_ok=True)
        raise DiffadError(f"{browser} printed no PDF: {done.stderr.strip()[-300:] or 'it said nothing'}")
    partial.replace(target)
    return target
