"""Pytest plugin for nbval: outputs are compared by `comparison`.

A changed number fails, a changed timing does not. Load it with `pytest --nbval -p diffad.publish.tolerance`.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from diffad.publish.comparison import ComparableText, cell_tolerance
from diffad.publish.notebook import without_progress

# Vector figures carry generated identifiers. Like the PNG figures that nbval leaves out, they are not
# compared:
# what they show is checked where it is printed.
PICTURES = ("image/svg+xml", "application/pdf")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every notebook cell the tolerant comparison."""
    for item in items:
        if isinstance(item, IPyNbCell):
            if isinstance(item.parent, IPyNbFile):
                item.parent.skip_compare = tuple({*item.parent.skip_compare, *PICTURES})
            item.sanitize = _comparable(cell_tolerance(item.cell.metadata.get("tags", [])))
            item.compare_outputs = _as_published(item.compare_outputs, item.cell.source)


def _comparable(tolerance: float) -> Callable[[Any], Any]:
    def sanitize(value: Any) -> ComparableText:
        return ComparableText(
            value if isinstance(value, str) else json.dumps(value, sort_keys=True), tolerance
        )

    return sanitize


def _as_published(compare: Callable[..., bool], source: str) -> Callable[..., bool]:
    """Drop from new outputs what the publisher drops, and what the notebook hides by a final semicolon."""
    # nbval runs cells without history, where IPython looks for that semicolon, so the hidden value comes
    # back.
    quiet = source.rstrip().endswith(";")

    def compare_outputs(test: list, reference: list, skip_compare: tuple[str, ...] | None = None) -> bool:
        shown = [output for output in test if not (quiet and output.output_type == "execute_result")]
        cleaned = [output for output in map(without_progress, shown) if output is not None]
        return compare(cleaned, reference, skip_compare)

    return compare_outputs
