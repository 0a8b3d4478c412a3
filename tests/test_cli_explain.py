"""`diffad explain`: one image, its picture, and every bad input."""

import json

import numpy as np
import pytest
from PIL import Image
from small_detector import digits, small_detector, write_pictures

from diffad.cli import main
from diffad.detectors import ImageDetector


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a detector of digits, 8 x 8 and grey."""
    return small_detector().fit(digits()).save(tmp_path_factory.mktemp("trained") / "model")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "digit.png"
    Image.fromarray(255 - digits(1)[0, ..., 0]).save(path)
    return path


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["explain", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_an_image_is_explained_in_words_and_in_a_picture(model, picture, tmp_path, capsys):
    code, out, err = run(capsys, model, picture, "--out", tmp_path / "why.png")
    detector = ImageDetector.load(model)
    score = detector.decision_function(255 - digits(1))[0]
    verdict = "is called" if score > detector.threshold_ else "is not called"
    assert code == 0 and f"digit.png {verdict} anomalous: it scores {score:.3g}," in out
    assert "p-value" in out and "levels" in out and "where" in out
    assert err.strip() == f"picture in {tmp_path / 'why.png'}"
    with Image.open(tmp_path / "why.png") as image:
        assert image.format == "PNG" and np.asarray(image.convert("L")).std() > 10


def test_json_agrees_with_what_score_says(model, picture, capsys):
    code, out, err = run(capsys, model, picture, "--json")
    explained = json.loads(out)
    main(["score", str(model), str(picture.parent), "--json", "--quiet"])
    row = json.loads(capsys.readouterr().out)["images"][0]
    assert code == 0 and err == ""
    assert {name: explained[name] for name in row} == row


def test_a_picture_of_another_size_and_mode_is_converted(model, tmp_path, capsys):
    colour = write_pictures(tmp_path / "colour", 1) / "00.png"
    code, out, _ = run(capsys, model, colour, "--json")
    assert code == 0 and json.loads(out)["name"] == "00.png"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("MODEL", "nowhere.png"), "IMAGE: nowhere.png is not there, expected a file with a picture"),
        (("MODEL", "FOLDER"), "is a folder, expected one picture; `diffad score` takes folders"),
        (("MODEL", "TEXT"), "notes.png"),
        (("FOLDER", "PICTURE"), "expected the folder of a detector that `diffad train` wrote"),
        (("MODEL", "PICTURE", "--out", "why.jpg"), "--out: got why.jpg, expected a file that ends in .png"),
        (("MODEL", "PICTURE", "--out", "PICTURE/why.png"), "--out: cannot write in"),
        (("MODEL",), "Missing argument 'IMAGE'"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(model, picture, tmp_path, capsys, arguments, message):
    text = tmp_path / "notes.png"
    text.write_text("no picture")
    names = {"MODEL": model, "PICTURE": picture, "FOLDER": tmp_path, "TEXT": text}
    given = [str(names.get(each, each)).replace("PICTURE/", f"{picture}/") for each in arguments]
    code, out, err = run(capsys, *given)
    assert code == 2 and out == "" and message in err and "Traceback" not in err
    assert len(err.strip().splitlines()) == 1 and err.startswith("diffad: ")
