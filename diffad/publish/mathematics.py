"""Formulas are drawn while the book is built, by the bundled MathJax in an embedded JavaScript engine.

A page then holds SVG pictures of its formulas, with MathML for screen readers, and loads no MathJax: 2 MB less to read,
nothing to wait for, and nothing that a browser could refuse to a page opened from disk. A formula that MathJax cannot
read is a warning of the build. A glyph's outline stands once on a page, however often it is used.
"""

import hashlib
import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

RENDERER = "diffad_svg"
PARTS = (
    "startup.js",
    "core.js",
    "adaptors/liteDOM.js",
    "input/tex.js",
    "output/svg.js",
    "output/svg/fonts/tex.js",
)
BEFORE = """
globalThis.console = {log() {}, warn() {}, error() {}};
globalThis.MathJax = {
  loader: {load: []}, startup: {typeset: false, ready() {}}, svg: {fontCache: 'none'},
  tex: {packages: {'[-]': ['noundefined']}},  // an unknown command is an error, not red letters
};
"""
AFTER = """
MathJax.startup.getComponents();
MathJax.startup.makeMethods();
function drawn(tex, display) {
  const picture = MathJax.startup.adaptor.outerHTML(MathJax.tex2svg(tex, {display}));
  return JSON.stringify([picture, MathJax.tex2mml(tex, {display})]);
}
"""
OUTLINE = re.compile(r'<path data-c="([0-9A-F]+)" d="([^"]*)"></path>')
USE = re.compile(r'href="#(glyph-[0-9a-f]+)"')
FAULT = re.compile(r'data-mjx-error="([^"]*)"')
# The style sheet needs to know tables alone.
ROLE = re.compile(r' data-mml-node="(?!mtable|merror)[^"]*"')

# Outlines of the glyphs drawn in this process, by their identifier: the hash of the outline.
_outlines: dict[str, str] = {}


class FormulaFault(ValueError):
    """MathJax cannot read a formula; the message says why."""


@cache
def _engine() -> Any:
    """MathJax in a JavaScript engine of its own, loaded once in a process (0.2 s)."""
    from py_mini_racer import MiniRacer  # not needed, and large, where no page holds a formula

    package = importlib.util.find_spec("sphinx-mathjax-offline")
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / "static" / "mathjax"
    engine = MiniRacer()
    for script in (BEFORE, *((folder / part).read_text(encoding="utf-8") for part in PARTS), AFTER):
        engine.eval(f"{script};0")
    return engine


@cache
def typeset(tex: str, display: bool = False) -> str:
    """HTML of a formula: an SVG picture that refers to `glyphs`, and MathML that only screen readers see.

    Raises:
        FormulaFault: MathJax cannot read `tex`.
    """
    picture, mathml = json.loads(_engine().eval(f"drawn({json.dumps(tex)}, {json.dumps(display)})"))
    if fault := FAULT.search(picture):
        raise FormulaFault(f"{fault.group(1)} in the formula {tex!r}")
    picture = OUTLINE.sub(_reference, ROLE.sub("", picture))
    picture = picture.replace('role="img" focusable="false"', 'aria-hidden="true" focusable="false"')
    spoken = re.sub(r">\s+<", "><", mathml.strip())
    kind = ' display="block"' if display else ""
    return picture.replace(
        "</mjx-container>", f"<mjx-assistive-mml{kind}>{spoken}</mjx-assistive-mml></mjx-container>"
    )


def _reference(outline: re.Match[str]) -> str:
    """A reference in place of an outline, which is kept for `glyphs`."""
    name = "glyph-" + hashlib.sha256(outline.group(2).encode()).hexdigest()[:10]
    _outlines[name] = outline.group(2)
    return f'<use data-c="{outline.group(1)}" href="#{name}"></use>'


def glyphs(page: str) -> str:
    """An SVG element without size that defines every outline which the HTML of `page` refers to; "" if it refers to none."""
    used = dict.fromkeys(USE.findall(page))
    if not used:
        return ""
    paths = "".join(f'<path id="{name}" d="{_outlines[name]}"></path>' for name in used)
    return f'<svg class="glyphs" aria-hidden="true" width="0" height="0"><defs>{paths}</defs></svg>'


def aligned(text: str) -> str:
    """The TeX of a displayed block: as Sphinx writes it for MathJax in the browser, parts under one another."""
    parts = [part for part in text.split("\n\n") if part.strip()]
    lines = [rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part for part in parts]
    if len(lines) < 2:
        return "".join(lines)
    return r"\begin{align}\begin{aligned}" + r"\\".join(lines) + r"\end{aligned}\end{align}"


def _drawn(node: nodes.Node, tex: str, display: bool) -> str:
    """The formula's HTML, or its TeX and a warning where MathJax cannot read it."""
    try:
        return typeset(tex, display)
    except FormulaFault as fault:
        logger.warning("%s", fault, location=node)
        return f"<code>{nodes.Text(tex)}</code>"


def visit_inline(translator: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(translator.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    translator.body.append(_drawn(node, node.astext(), False) + "</span>")
    raise nodes.SkipNode


def visit_block(translator: Any, node: nodes.math_block) -> None:
    """Write a displayed formula, with its number where it has one."""
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"] and not node["nowrap"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, _("Link to this equation"))
        translator.body.append("</span>")
    tex = node.astext() if node["nowrap"] else aligned(node.astext())
    translator.body.append(f"{_drawn(node, tex, True)}</div>\n")
    raise nodes.SkipNode


def add_glyphs(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Event `html-page-context`: the outlines that a page's formulas refer to, at its head."""
    if "body" in context:
        context["body"] = glyphs(context["body"] + str(context.get("toc", ""))) + context["body"]


def setup(app: Sphinx) -> None:
    """Register the renderer of formulas."""
    app.add_html_math_renderer(RENDERER, (visit_inline, None), (visit_block, None))
    app.connect("html-page-context", add_glyphs)
