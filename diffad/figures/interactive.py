"""Figures that a reader moves: a slider through the forward process, one through pictures, and marks that speak.

Each is one piece of HTML that needs no server, no library and no network. It holds a still picture, which is shown until
its script runs, on paper, and where scripts are off. All can be used from the keyboard and by screen readers.
"""

import itertools
import json
import math
from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from diffad.figures.style import METHOD_COLOURS
from diffad.images import to_network, to_uint8
from diffad.process import ForwardProcess
from diffad.schedules import NoiseSchedule

NOISE_SCALE = 127 / 4  # noise is sent in a byte a value, so up to four standard deviations
OTHER_COLOUR = "#56707A"
STYLE = """\
figure.moving { margin: 1.2rem 0; max-width: 100%; }
figure.moving .live { display: none; }
figure.moving.started .live { display: block; }
figure.moving.started .still { display: none; }
figure.moving .controls { display: flex; flex-wrap: wrap; gap: 0.4rem 1.2rem; align-items: center; margin: 0.5rem 0; }
figure.moving input[type=range] { flex: 1 1 14rem; min-width: 0; accent-color: #0072b2; height: 1.6rem; }
figure.moving select { font: inherit; padding: 0.1rem 0.4rem; }
figure.moving canvas { width: 100%; image-rendering: pixelated; border-radius: 4px; }
figure.moving .view { position: relative; overflow: hidden; background: #fff; border-radius: 4px; max-width: 44rem; }
figure.moving .view img { position: absolute; left: 0; top: 0; width: 100%; padding: 0 !important; border-radius: 0; }
figure.moving output { display: block; min-height: 3.2em; font-variant-numeric: tabular-nums; }
figure.moving svg.plot { width: 100%; height: auto; background: #fff; border-radius: 6px; }
figure.moving svg.plot [data-set] { cursor: pointer; outline: none; }
figure.moving svg.plot .chosen { stroke: #000; stroke-width: 2.5; }
figure.moving th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; }
figure.moving th button { text-decoration: underline dotted; }
@media print {
  figure.moving.started .live { display: none; }
  figure.moving.started .still { display: block; }
  figure.moving .controls { display: none; }
}
"""
_numbers = itertools.count(1)


class MovingFigure:
    """A figure as HTML: a notebook shows it, and so does the book."""

    def __init__(self, html: str, title: str):
        self.html, self.title = html, title

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<moving figure: {self.title}>"


def process_slider(
    images: np.ndarray,
    noise: np.ndarray,
    schedules: Mapping[str, NoiseSchedule],
    title: str,
    description: str,
) -> MovingFigure:
    """Images at any time of the forward process, under a schedule that the reader chooses.

    The browser computes x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise from the same tables as
    `diffad.process.ForwardProcess`, with one noise for all times and schedules.

    Args:
        images: uint8 (n, height, width, 1 or 3).
        noise: float, standard normal, of the same shape; drawn to the 32nd part of a standard deviation.
        schedules: by the name that a reader sees; all with the same number of steps.
        title: stands under the figure. description: of the picture, for those who cannot see it.

    Raises:
        ValueError: no image, shapes that differ, no schedule, or schedules with different numbers of steps.
    """
    images, noise = np.asarray(images), np.asarray(noise)
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images) or noise.shape != images.shape:
        raise ValueError(
            f"process_slider needs uint8 images (n, height, width, channels) and noise of their shape, "
            f"got {images.dtype} {images.shape} and {noise.shape}"
        )
    steps = {schedule.num_steps for schedule in schedules.values()}
    if len(steps) != 1:
        raise ValueError(f"process_slider needs schedules with one number of steps, got {sorted(steps)}")
    (num_steps,) = steps
    quantised = np.clip(np.round(noise * NOISE_SCALE), -127, 127).astype(np.int8)
    count, height, width, channels = images.shape
    data = {
        "clean": _base64(images),
        "noise": _base64(quantised),
        "noise_scale": NOISE_SCALE,
        "alpha_bars": {
            name: _base64(each.alpha_bar.numpy().astype("<f4")) for name, each in schedules.items()
        },
        "steps": num_steps,
        "count": count,
        "height": height,
        "width": width,
        "channels": channels,
    }
    still = _picture(
        _still_process(images, quantised / NOISE_SCALE, next(iter(schedules.values()))), description
    )
    options = "".join(f"<option>{escape(name)}</option>" for name in schedules)
    number = next(_numbers)
    controls = (
        f'<label for="moving-{number}-choice">schedule</label>'
        f'<select id="moving-{number}-choice" data-part="choice">{options}</select>'
        f'<label for="moving-{number}">time t</label>'
        f'<input id="moving-{number}" type="range" min="0" max="{num_steps}" value="{num_steps // 5}" data-part="slider">'
    )
    live = f'<canvas data-part="canvas" role="img" aria-label="{escape(description)}"></canvas>'
    return _assemble("process", still, controls, live, data, title)


def _still_process(images: np.ndarray, noise: np.ndarray, schedule: NoiseSchedule) -> np.ndarray:
    """uint8 (height, width, 3): a row an image, from clean on the left to noise on the right."""
    process = ForwardProcess(schedule)
    x_0, drawn = to_network(images), torch.from_numpy(noise).float().permute(0, 3, 1, 2)
    times = [round(fraction * schedule.num_steps) for fraction in (0, 0.1, 0.25, 0.5, 0.75, 1)]
    columns = [to_uint8(process.sample(x_0, t, drawn) if t else x_0) for t in times]
    return tiles(np.stack(columns, axis=1))


def frame_slider(
    frames: np.ndarray, captions: Sequence[str], label: str, title: str, description: str, start: int = 0
) -> MovingFigure:
    """One of several pictures of the same size, by a slider.

    Args:
        frames: uint8 (n, height, width, 3).
        captions: of each frame, said under it.
        label: of the slider. title: stands under the figure. description: for those who cannot see it.
        start: the frame that is shown first, and on paper.

    Raises:
        ValueError: no frame, another shape or type, or another number of captions.
    """
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or len(frames) != len(captions) or not len(frames):
        raise ValueError(
            f"frame_slider needs uint8 frames (n, height, width, 3) and a caption for each, "
            f"got {frames.dtype} {frames.shape} and {len(captions)} captions"
        )
    if not 0 <= start < len(frames):
        raise ValueError(f"start must be one of 0..{len(frames) - 1}, got {start}")
    count, height, width, _ = frames.shape
    number = next(_numbers)
    controls = (
        f'<label for="moving-{number}">{escape(label)}</label>'
        f'<input id="moving-{number}" type="range" min="0" max="{count - 1}" value="{start}" data-part="slider">'
    )
    strip = _picture(frames.reshape(count * height, width, 3), description)
    live = f'<div class="view" data-part="view" style="aspect-ratio: {width} / {height}">{strip}</div>'
    still = _picture(frames[start], f"{description} {captions[start]}")
    return _assemble("frames", still, controls, live, {"captions": list(captions)}, title)


@dataclass(frozen=True)
class Mark:
    """A method on a data set. auroc: in %. spread: its least and greatest over the set's tasks, in %."""

    method: str
    title: str
    data: str
    nfe: int
    auroc: float
    spread: tuple[float, float]
    tasks: int

    @property
    def words(self) -> str:
        """All of it in one sentence."""
        tasks = (
            f", {self.spread[0]:.1f} to {self.spread[1]:.1f} over {self.tasks} tasks"
            if self.tasks > 1
            else ""
        )
        plural = "s" if self.nfe > 1 else ""
        evaluations = (
            f"{self.nfe} network evaluation{plural} an image" if self.nfe else "no network evaluation"
        )
        return f"{self.title} on {self.data}: AUROC {self.auroc:.1f} %{tasks}; {evaluations}"


def scatter(marks: Sequence[Mark], title: str, description: str) -> MovingFigure:
    """AUROC against network evaluations, a mark a method and data set, with a table of the same.

    Raises:
        ValueError: no mark.
    """
    if not marks:
        raise ValueError("scatter needs at least one mark, got none")
    sets = list(dict.fromkeys(mark.data for mark in marks))
    options = '<option value="">all</option>' + "".join(f"<option>{escape(name)}</option>" for name in sets)
    number = next(_numbers)
    controls = (
        f'<label for="moving-{number}">data set</label>'
        f'<select id="moving-{number}" data-part="choice">{options}</select>'
    )
    plot = f'<svg class="plot" viewBox="0 0 760 420" role="group" aria-label="{escape(description)}">{_plot(marks)}</svg>'
    return _assemble("scatter", "", controls, "", None, title, plot, _table(marks))


LEFT, RIGHT, TOP, BOTTOM = 60, 740, 20, 360


def _across(nfe: int, largest: int) -> float:
    """Where a number of evaluations stands: none at the left, then by its logarithm."""
    if nfe == 0:
        return LEFT + 40
    return LEFT + 110 + (RIGHT - LEFT - 130) * math.log10(nfe) / max(1.0, math.log10(max(largest, 10)))


def _plot(marks: Sequence[Mark]) -> str:
    largest, lowest = max(mark.nfe for mark in marks), min(10 * (min(mark.auroc for mark in marks) // 10), 50)

    def down(auroc: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (auroc - lowest) / (100 - lowest)

    parts = []
    for level in range(int(lowest), 101, 10):
        y = down(level)
        dash = ' stroke-dasharray="4 3"' if level == 50 else ""
        parts.append(
            f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccd2d8"{dash}></line>'
        )
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" font-size="13">{level}</text>')
    powers = [10**power for power in range(int(math.log10(max(largest, 10))) + 1)]
    for nfe in [0, *powers]:
        x = _across(nfe, largest)
        parts.append(
            f'<text x="{x:.1f}" y="{BOTTOM + 22}" text-anchor="middle" font-size="13">{nfe:,}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 46}" text-anchor="middle" font-size="14">'
        "network evaluations an image</text>"
        f'<text transform="translate(16 {(TOP + BOTTOM) / 2}) rotate(-90)" text-anchor="middle" font-size="14">AUROC, %</text>'
    )
    places: dict[int, int] = {}
    for mark in sorted(marks, key=lambda mark: (mark.nfe, mark.auroc)):
        # Marks at one place would hide each other: they stand side by side.
        place = places[mark.nfe] = places.get(mark.nfe, -1) + 1
        x = _across(mark.nfe, largest) + (place % 7 - 3) * 7
        parts.append(_symbol(mark, x, down(mark.auroc)))
    return "".join(parts)


def _symbol(mark: Mark, x: float, y: float) -> str:
    """A circle for what asks a network, a diamond for what does not; its words are its name and its tooltip."""
    words = escape(mark.words, quote=True)
    common = (
        f'data-set="{escape(mark.data)}" fill="{METHOD_COLOURS.get(mark.method, OTHER_COLOUR)}" fill-opacity="0.85" '
        f'stroke="#fff" role="img" tabindex="-1" aria-label="{words}"'
    )
    if mark.nfe:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" {common}><title>{words}</title></circle>'
    corners = f"M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7 -7z"
    return f'<path d="{corners}" {common}><title>{words}</title></path>'


def _table(marks: Sequence[Mark]) -> str:
    heads = ("method", "data set", "AUROC, %", "least", "greatest", "evaluations")
    head = "".join(f'<th scope="col"><button type="button">{name}</button></th>' for name in heads)
    rows = []
    for mark in sorted(marks, key=lambda mark: -mark.auroc):
        numbers = (mark.auroc, *mark.spread)
        cells = "".join(f'<td data-value="{value:.4f}">{value:.1f}</td>' for value in numbers)
        rows.append(
            f'<tr data-set="{escape(mark.data)}"><td>{escape(mark.title)}</td><td>{escape(mark.data)}</td>{cells}'
            f'<td data-value="{mark.nfe}">{mark.nfe}</td></tr>'
        )
    table = f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    scroll = "max-height: 28rem; overflow: auto"
    return (
        f"<details><summary>The same as a table of {len(marks)} rows</summary>"
        f'<div style="{scroll}" tabindex="0" role="region" aria-label="Table of all methods">{table}</div></details>'
    )


def _assemble(
    kind: str,
    still: str,
    controls: str,
    live: str,
    data: dict | None,
    title: str,
    plain: str = "",
    after: str = "",
) -> MovingFigure:
    """still: shown without a script and on paper. live: shown with one. plain: always."""
    script = (Path(__file__).with_name("interactive.js")).read_text(encoding="utf-8")
    held = f'<script type="application/json">{json.dumps(data)}</script>' if data is not None else ""
    html = (
        f'<style>{STYLE}</style><figure class="moving" data-kind="{kind}">'
        f'<div class="still">{still}</div><div class="live"><div class="controls">{controls}</div>{live}</div>{plain}'
        f'<output class="live" data-part="said" aria-live="polite"></output><figcaption>{escape(title)}</figcaption>{after}{held}'
        f"</figure><script>{script}</script>"
    )
    return MovingFigure(html, title)


def tiles(pixels: np.ndarray, gap: int = 1) -> np.ndarray:
    """One picture of many, with white lines between them.

    Args:
        pixels: uint8 (rows, columns, height, width, 1 or 3).
        gap: pixels between two pictures.

    Returns:
        uint8 (height of all, width of all, 3).
    """
    rows, columns, height, width, channels = pixels.shape
    picture = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for row, column in itertools.product(range(rows), range(columns)):
        top, left = row * (height + gap), column * (width + gap)
        picture[top : top + height, left : left + width] = pixels[row, column]
    return picture


def _picture(pixels: np.ndarray, alt: str, scale: int = 2) -> str:
    """An <img> of uint8 (height, width, 3); grey pictures are stored as such."""
    image = Image.fromarray(pixels)
    if (pixels[..., :1] == pixels).all():
        image = image.convert("L")
    file = BytesIO()
    image.save(file, "png", optimize=True)
    height, width = pixels.shape[:2]
    source = b2a_base64(file.getvalue(), newline=False).decode()
    return (
        f'<img src="data:image/png;base64,{source}" alt="{escape(alt, quote=True)}" width="{scale * width}" '
        f'height="{scale * height}" style="image-rendering: pixelated; max-width: 100%; height: auto">'
    )


def _base64(array: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(array).tobytes()).decode()
