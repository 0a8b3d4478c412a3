"""The moving figures: what the browser is given is what the library computes, and every figure stands without a script."""

import base64
import json
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from diffad.figures.interactive import NOISE_SCALE, Mark, frame_slider, process_slider, scatter, tiles
from diffad.images import to_network
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
NOISE = RNG.standard_normal(IMAGES.shape)
SCHEDULES = {name: make_schedule(name, 50) for name in ("cosine", "linear")}
MARKS = [
    Mark("knn", "KNN", "digits", 0, 61.0, (61.0, 61.0), 1),
    Mark("one_step", "DDPM, one level", "digits", 1, 90.0, (80.0, 95.0), 3),
    Mark("x<y", "x<y", "cars & ships", 250, 45.5, (40.0, 50.0), 10),
]


class Elements(HTMLParser):
    """The start tags of a piece of HTML, with their attributes."""

    def __init__(self, html: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.found if name == tag]


def data_of(figure) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', figure.html).group(1))


def array(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=dtype)


def three_figures():
    frames = RNG.integers(0, 256, (3, 8, 9, 3), dtype=np.uint8)
    return [
        process_slider(IMAGES, NOISE, SCHEDULES, "a title", "a description"),
        frame_slider(frames, ["a", "b", "c"], "level", "a title", "a description"),
        scatter(MARKS, "a title", "a description"),
    ]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("t", [1, 20, 50])
def test_the_browser_is_given_what_the_library_computes(name, t):
    data = data_of(process_slider(IMAGES, NOISE, SCHEDULES, "t", "d"))
    clean = array(data["clean"], "u1").reshape(IMAGES.shape) / 127.5 - 1
    noise = array(data["noise"], "i1").reshape(IMAGES.shape) / data["noise_scale"]
    alpha_bar = array(data["alpha_bars"][name], "<f4")
    assert len(alpha_bar) == data["steps"] + 1 == 51
    shown = np.sqrt(alpha_bar[t]) * clean + np.sqrt(1 - alpha_bar[t]) * noise
    drawn = torch.from_numpy(NOISE).float().permute(0, 3, 1, 2)
    expected = (
        ForwardProcess(SCHEDULES[name]).sample(to_network(IMAGES), t, drawn).permute(0, 2, 3, 1).numpy()
    )
    assert np.abs(shown - expected).max() <= 0.5 / NOISE_SCALE + 1e-5


def test_a_strip_of_frames_holds_them_in_order():
    frames = np.stack([np.full((4, 6, 3), value, np.uint8) for value in (0, 100, 200)])
    figure = frame_slider(frames, ["a", "b", "c"], "level", "t", "d", start=2)
    strip, still = (
        Image.open(BytesIO(base64.b64decode(each["src"].split(",")[1])))
        for each in sorted(Elements(figure.html).of("img"), key=lambda each: -int(each["height"]))
    )
    assert strip.size == (6, 12) and [strip.getpixel((0, y)) for y in (0, 4, 8)] == [0, 100, 200]
    assert still.size == (6, 4) and still.getpixel((0, 0)) == 200


@pytest.mark.parametrize("index", range(3))
def test_every_control_has_a_label_and_every_picture_words(index):
    elements = Elements(three_figures()[index].html)
    labelled = {each["for"] for each in elements.of("label")}
    controls = elements.of("input") + elements.of("select")
    assert controls and all(each["id"] in labelled for each in controls)
    pictures = [each for _, each in elements.found if each.get("role") == "img"]
    assert all(each.get("alt") for each in elements.of("img")) and all(
        each.get("aria-label") for each in pictures
    )
    assert not any(
        (value or "").startswith(("http:", "https:", "//"))
        for _, each in elements.found
        for value in each.values()
    )


def test_figures_on_one_page_share_no_identifier():
    ids = [
        each["id"]
        for figure in three_figures() * 2
        for _, each in Elements(figure.html).found
        if "id" in each
    ]
    assert len(set(ids)) >= 4
    ids = [
        each["id"]
        for figure in three_figures() + three_figures()
        for _, each in Elements(figure.html).found
        if "id" in each
    ]
    assert len(ids) == len(set(ids))


def test_a_mark_stands_where_its_numbers_say_and_says_them():
    elements = Elements(scatter(MARKS, "t", "d").html)
    circles = elements.of("circle")
    assert len(circles) == 2 and len([each for each in elements.of("path") if "aria-label" in each]) == 1
    one_step, other = sorted(circles, key=lambda each: float(each["cx"]))
    assert float(one_step["cy"]) < float(other["cy"]), "a higher AUROC stands higher"
    assert one_step["aria-label"] == (
        "DDPM, one level on digits: AUROC 90.0 %, 80.0 to 95.0 over 3 tasks; 1 network evaluation an image"
    )
    assert other["data-set"] == "cars & ships"
    rows = [each for each in elements.of("tr") if "data-set" in each]
    assert len(rows) == len(MARKS)


def test_tiles_are_laid_out_with_a_line_between():
    pixels = np.arange(2 * 3, dtype=np.uint8).reshape(2, 3, 1, 1, 1) * np.ones((1, 1, 4, 5, 1), np.uint8)
    picture = tiles(pixels)
    assert picture.shape == (9, 17, 3)
    assert picture[0, 0, 0] == 0 and picture[5, 6, 0] == 4 and (picture[4] == 255).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: process_slider(IMAGES / 255, NOISE, SCHEDULES, "", ""), "uint8 images .* got float64"),
        (
            lambda: process_slider(IMAGES, NOISE[:1], SCHEDULES, "", ""),
            r"noise of their shape.*\(1, 6, 5, 3\)",
        ),
        (lambda: process_slider(IMAGES, NOISE, {}, "", ""), "one number of steps, got \\[\\]"),
        (
            lambda: process_slider(IMAGES, NOISE, SCHEDULES | {"x": make_schedule("cosine", 9)}, "", ""),
            r"got \[9, 50\]",
        ),
        (lambda: frame_slider(IMAGES, ["one"], "", "", ""), "a caption for each, .* 1 captions"),
        (lambda: frame_slider(IMAGES, ["a", "b"], "", "", "", start=2), r"start must be one of 0..1, got 2"),
        (lambda: scatter([], "", ""), "at least one mark"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()
