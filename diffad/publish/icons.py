"""The theme brings 2,000 icons, 1.5 MB a page, and draws a dozen: the built book keeps those that its pages name."""

import json
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

SCRIPT = Path("_static") / "scripts" / "fontawesome.js"
# Added by scripts of the theme while a page is read.
ADDED_LATER = frozenset({"xmark", "check", "copy"})
CLASSES = re.compile(r"class=\"([^\"]*\bfa-[^\"]*)\"")

DRAW = """\
/* Icons: Font Awesome Free (https://fontawesome.com), CC BY 4.0. Only those that this book shows. */
(() => {
  const icons = ICONS;
  const draw = (mark) => {
    const kind = [...mark.classList].find((name) => icons[name.replace("fa-", "")]);
    if (!kind || mark.closest("svg")) return;
    const [width, height, outline] = icons[kind.replace("fa-", "")];
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const { name, value } of mark.attributes) icon.setAttribute(name, value);
    icon.classList.add("svg-inline--fa");
    icon.setAttribute("aria-hidden", "true");
    icon.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("fill", "currentColor");
    path.setAttribute("d", outline);
    icon.append(path);
    mark.replaceWith(icon);
  };
  const drawAll = () => document.querySelectorAll('i[class*="fa-"], span[class*="fa-"]').forEach(draw);
  drawAll();
  new MutationObserver(drawAll).observe(document.documentElement, { childList: true, subtree: true });
})();
"""


def icon_names(pages: list[Path]) -> set[str]:
    """The icons that HTML files name in classes such as `fa-solid fa-bars`, without `fa-`."""
    found: set[str] = set()
    for page in pages:
        for classes in CLASSES.findall(page.read_text(encoding="utf-8")):
            found |= {name.removeprefix("fa-") for name in classes.split() if name.startswith("fa-")}
    return found - {"solid", "regular", "brands", "lg", "sm", "xl", "fw"}


def trimmed(script: str, names: set[str]) -> tuple[str, set[str]]:
    """A script that draws the icons `names` of Font Awesome's `script`, and the names that it does not have."""
    icons, unknown = {}, set()
    for name in sorted(names):
        entry = rf'(?<=[,{{])"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]*)"\]'
        # A name stands in several sets; the filled drawings, which the theme uses, come last.
        if found := re.findall(entry, script):
            width, height, outline = found[-1]
            icons[name] = [int(width), int(height), outline]
        else:
            unknown.add(name)
    return DRAW.replace("ICONS", json.dumps(icons, indent=1)), unknown


def trim_icons(app: Sphinx, exception: Exception | None) -> None:
    """Event `build-finished`: replace the theme's script by one that holds the icons of the built pages."""
    target = Path(app.outdir) / SCRIPT
    if exception is not None or app.builder.format != "html" or not target.is_file():
        return
    script = _original(app, target)
    pages = [path for path in Path(app.outdir).rglob("*.html") if "_static" not in path.parts]
    text, unknown = trimmed(script, icon_names(pages) | ADDED_LATER)
    if unknown:
        logger.warning("the theme's script has no icon %s", ", ".join(sorted(unknown)))
    target.write_text(text, encoding="utf-8")


def _original(app: Sphinx, target: Path) -> str:
    """The theme's own script: its copy in the build may have been trimmed by the build before."""
    import pydata_sphinx_theme

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static" / "scripts"
    source = theme / target.name
    return (source if source.is_file() else target).read_text(encoding="utf-8")
