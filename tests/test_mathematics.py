"""Formulas are drawn at build time: by MathJax, once a glyph, with words for those who cannot see them."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from diffad.publish.mathematics import FormulaFault, aligned, glyphs, typeset

PRIOR = r"p(x_T) = \mathcal N(0, I)"


def test_a_formula_is_a_picture_with_mathml_beside_it():
    drawn = typeset(PRIOR)
    assert drawn.startswith("<mjx-container") and 'aria-hidden="true"' in drawn and 'role="img"' not in drawn
    (mathml,) = re.findall(r"<math .*</math>", drawn)
    words = "".join(ElementTree.fromstring(mathml).itertext())
    assert words.startswith("p(") and "T" in words


def test_every_outline_is_defined_once_however_often_it_is_used():
    page = typeset(PRIOR) + typeset(PRIOR) + typeset(r"p(x) + p(y)", True)
    used, defined = (
        set(re.findall(r'href="#(glyph-\w+)"', page)),
        re.findall(r'id="(glyph-\w+)"', glyphs(page)),
    )
    assert used and set(defined) == used and len(defined) == len(set(defined))
    assert "<path data-c" not in page
    assert glyphs("<p>no formula</p>") == ""


def test_the_same_formula_is_the_same_text_in_every_build():
    first = typeset(r"\bar\alpha_t")
    typeset.cache_clear()
    assert typeset(r"\bar\alpha_t") == first


@pytest.mark.parametrize("tex", [r"\nosuchcommand", r"\frac{1}", r"\begin{align} x", "x^2^2"])
def test_what_mathjax_cannot_read_is_named(tex):
    with pytest.raises(FormulaFault) as refused:
        typeset(tex)
    assert repr(tex) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("x", "x"),
        (r"x \\ y", r"\begin{split}x \\ y\end{split}"),
        ("x\n\ny", r"\begin{align}\begin{aligned}x\\y\end{aligned}\end{align}"),
    ],
)
def test_lines_under_one_another_are_aligned(text, tex):
    assert aligned(text) == tex
    typeset(tex, True)
