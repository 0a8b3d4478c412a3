"""When do two runs of a notebook say the same? Numbers may differ in the last digits, timings and pictures'
bytes freely.

A changed word, a changed count, or a number that moved by more than the tolerance is a difference. Counts
(numbers without a decimal point) must agree exactly. A decimal may be off by `tolerance` of itself, plus one
unit of its last printed digit: a value on the edge of rounding is no difference. The tag `tolerance-0.02` on
a cell sets its tolerance.
"""

import re
from decimal import Decimal

TOLERANCE = 1e-3
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w])|(?<![\w.])[-+]?\.\d+")
DURATION_UNITS = "ns|µs|us|ms|s|sec|secs|second|seconds|min|minute|minutes|h"
DURATION = re.compile(
    rf"\d+(?:\.\d+)?\s?(?:{DURATION_UNITS})\b|\d+(?:\.\d+)?\s?(?:it|images?|samples?|steps?)/s(?:econd)?\b"
)
STYLED_TABLE = re.compile(r"\bT_[0-9a-f]{5}(?=[_\"' ]|$)")  # pandas names a styled table at random
MEMORY_ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}(?=>)")
TAG = re.compile(r"^tolerance-(\d*\.?\d+(?:e-?\d+)?)$")


class ComparableText(str):
    """A printed output that is equal to another one if both say the same within `tolerance`."""

    tolerance: float = TOLERANCE

    def __new__(cls, text: str, tolerance: float = TOLERANCE) -> "ComparableText":
        made = super().__new__(cls, text)
        made.tolerance = tolerance
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and says_the_same(str(self), str(other), self.tolerance)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def says_the_same(one: str, other: str, tolerance: float = TOLERANCE) -> bool:
    """Compare two printed outputs word by word, and their numbers within `tolerance` (relative)."""
    (words, numbers), (other_words, other_numbers) = _split(one), _split(other)
    if words != other_words or len(numbers) != len(other_numbers):
        return False
    return all(_close(a, b, tolerance) for a, b in zip(numbers, other_numbers, strict=True))


def cell_tolerance(tags: list[str]) -> float:
    """The tolerance that a cell's tags ask for, else the default."""
    asked = [float(match.group(1)) for tag in tags if (match := TAG.match(tag))]
    return max(asked, default=TOLERANCE)


def _split(text: str) -> tuple[list[str], list[str]]:
    """The words of a text with a mark for each number, and its numbers; durations do not count."""
    plain = DURATION.sub("<duration>", MEMORY_ADDRESS.sub("", STYLED_TABLE.sub("T_table", text)))
    return NUMBER.sub(" # ", re.sub(r"-{2,}", "--", plain)).split(), NUMBER.findall(plain)


def _close(one: str, other: str, tolerance: float) -> bool:
    a, b = Decimal(one.replace("−", "-")), Decimal(other.replace("−", "-"))
    if a == b:
        return True
    if a == a.to_integral_value() and "." not in one + other and "e" not in (one + other).lower():
        return False
    last_digit = Decimal(1).scaleb(max(int(a.as_tuple().exponent), int(b.as_tuple().exponent)))
    return abs(a - b) <= Decimal(str(tolerance)) * max(abs(a), abs(b)) + last_digit
