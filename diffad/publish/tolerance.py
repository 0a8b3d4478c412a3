"""Pytest plugin for nbval: compares outputs by `comparison`, so that a changed number fails and a changed
timing does not.

Load it with `pytest --nbval -p diffad.publish.tolerance`.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from diffad.publish.comparison import ComparableText, cell_tolerance
from diffad.publish.notebook import without_progress

# Vector figures carry generated identifiers; like the PNG figures that nbval leaves out, they show numbers
# checked as text.
PICTURES = ("image/svg+xml", "application/pdf")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every notebook cell the tolerant comparison."""
    for item in items:
        if isinstance(item, IPyNbCell):
            if isinstance(item.parent, IPyNbFile):
                item.parent.skip_compare = tuple({*item.parent.skip_compare, *PICTURES})
            item.sanitize = _comparable(cell_tolerance(item.cell.metadata.get("tags", [])))
            item.compare_outputs = _ignoring_progress(item.compare_outputs)


def _comparable(tolerance: float) -> Callable[[Any], Any]:
    def sanitize(value: Any) -> ComparableText:
        return ComparableText(
            value if isinstance(value, str) else json.dumps(value, sort_keys=True), tolerance
        )

    return sanitize


def _ignoring_progress(compare: Callable[..., bool]) -> Callable[..., bool]:
    def compare_outputs(test: list, reference: list, skip_compare: tuple[str, ...] | None = None) -> bool:
        printed = [output for output in map(without_progress, test) if output is not None]
        return compare(printed, reference, skip_compare)

    return compare_outputs
