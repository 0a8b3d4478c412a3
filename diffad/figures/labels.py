"""Names of points: each beside its own point, where there is room for it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cbook import STEP_LOOKUP_MAP
from matplotlib.transforms import Bbox

SIZE = 7.5  # points
MARKER = 4.0  # points from a marker's middle to its edge, with a little air
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))  # right first
DISTANCES = (6.0, 10.0, 15.0, 21.0, 28.0, 36.0, 46.0)  # points between a name and its point
NEAR = 10.0  # points; a name further off is joined to its point by a thin line
FAR = 0.5  # pixels of a name's length that may be covered to bring it a pixel nearer
ROUNDS = 4  # in which every name chooses again, all others standing where they are


@dataclass(frozen=True)
class Label:
    """A name with the point that it belongs to, in the data's units."""

    x: float
    y: float
    text: str
    colour: str


def label_beside(panel: Axes, labels: Sequence[Label]) -> None:
    """Write each name as near to its point as it finds room, on no other name, no point and no line of the panel.

    The crowded points choose first, and all choose again when the others have chosen. Where no place is free, the one
    with the least overlap is taken.

    Args:
        panel: everything else is drawn, and its figure was laid out; its limits are kept from here on.
        labels: each with its point.
    """
    if not labels:
        return
    panel.set(xlim=panel.get_xlim(), ylim=panel.get_ylim())
    pixel = panel.figure.dpi / 72  # a point in pixels
    points = panel.transData.transform([(each.x, each.y) for each in labels])  # (labels, 2)
    texts = [
        panel.annotate(
            each.text, (each.x, each.y), (0, 0), textcoords="offset points", fontsize=SIZE, color=each.colour,
            ha="center", va="center",
        )
        for each in labels
    ]  # fmt: skip
    drawn, middles = _along_lines(panel), [text.get_window_extent() for text in texts]
    markers = [Bbox.from_bounds(*(point - MARKER * pixel), *(2 * MARKER * pixel,) * 2) for point in points]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)  # (labels, labels)
    crowded = np.argsort(-np.exp(-apart / (40 * pixel)).sum(axis=1), kind="stable")
    chosen: dict[int, tuple[Bbox, np.ndarray, float]] = {}  # label -> its box, offset and gap
    for _ in range(ROUNDS):
        for number in crowded:
            middle = middles[number]
            taken = markers + [box for other, (box, _, _) in chosen.items() if other != number]
            found = [
                (middle.translated(*(pixel * offset)), offset, gap)
                for offset, gap in _places(middle.width / pixel, middle.height / pixel)
            ]
            costs = [
                _overlap(box, taken, drawn, panel.bbox) + FAR * gap * pixel * box.height
                for box, _, gap in found
            ]
            chosen[number] = found[int(np.argmin(costs))]
    for number, (box, offset, gap) in chosen.items():
        texts[number].set_position(tuple(offset))
        if gap > NEAR:
            end = np.clip(points[number], box.min, box.max)
            line = panel.transData.inverted().transform([points[number], end]).T
            panel.plot(*line, color=labels[number].colour, linewidth=0.5, alpha=0.6, zorder=0.5)


def _places(width: float, height: float) -> list[tuple[np.ndarray, float]]:
    """(offset of a name's middle from its point, gap between both), in points, the nearest first."""
    return [
        (np.array([right * (width / 2 + gap), up * (height / 2 + gap if right == 0 else gap)]), gap)
        for gap in DISTANCES
        for right, up in DIRECTIONS
    ]


def _overlap(box: Bbox, taken: Sequence[Bbox], drawn: np.ndarray, room: Bbox) -> float:
    """Square pixels of the box that lie on another, outside of the room or on a line of the panel."""
    total = 3 * (box.width * box.height - _shared(box, room))
    total += sum(_shared(box, each) for each in taken)
    inside = ((drawn > box.min) & (drawn < box.max)).all(axis=1)
    return total + box.height * float(inside.sum())


def _shared(one: Bbox, other: Bbox) -> float:
    common = Bbox.intersection(one, other)
    return 0.0 if common is None else common.width * common.height


def _along_lines(panel: Axes) -> np.ndarray:
    """Places a pixel apart along all lines of the panel that join points: float64 (places, 2) in pixels."""
    found = [np.empty((0, 2))]
    for line in panel.lines:
        if line.get_linestyle() == "None":
            continue
        x, y = STEP_LOOKUP_MAP[line.get_drawstyle()](*line.get_data())
        corners = line.get_transform().transform(np.column_stack([x, y]))
        for start, end in zip(corners[:-1], corners[1:], strict=True):
            steps = max(int(np.abs(end - start).max()), 1)
            found.append(start + (end - start) * np.linspace(0, 1, steps, endpoint=False)[:, None])
    return np.concatenate(found)
