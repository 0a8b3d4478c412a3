"""The command line, end to end: every command, every bad input, JSON, and Ctrl-C."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from small_detector import digits, small_detector, write_pictures

from diffad.cli import main
from diffad.detectors import ImageDetector
from diffad.records import content_hash, read_record

QUICK = ("--size", "tiny", "--updates", "6", "--batch-size", "8", "--held-out", "0.3")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def refused(run):
    """Run what must fail: exit code 2, nothing on stdout and one sentence on stderr, which is returned."""

    def call(*arguments: object) -> str:
        code, out, err = run(*arguments)
        lines = [line for line in err.splitlines() if line.startswith("diffad: ")]
        assert code == 2 and out == "" and len(lines) == 1 and "Traceback" not in err, err
        assert err.rstrip().splitlines()[-1] == lines[0]
        return lines[0]

    return call


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a detector of digits, 8 x 8 and grey."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    return small_detector().fit(digits()).save(folder, {"source": "digits", "classes": []})


# --- help, version, faults ---


def test_help_and_version(run) -> None:
    code, out, _ = run("--help")
    assert code == 0 and "diffad train photos/normal --out detector" in out
    for command in ("train", "score", "evaluate", "run", "results", "verify-results", "data"):
        assert f"\n  {command} " in out
        code, text, _ = run(command, "--help")
        assert code == 0 and "Usage: diffad" in text
    assert run("--version") == (0, "diffad 0.1.0\n", "")
    assert run("data", "where", "--home", "somewhere") == (0, "somewhere\n", "")


def test_help_waits_for_no_heavy_import() -> None:
    heavy = "{'torch', 'diffusers', 'scipy', 'sklearn', 'pydantic', 'PIL'} & set(sys.modules)"
    code = f"import sys; from diffad.cli import main; main(['--help']); sys.exit(str({heavy} or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "" and "Usage" in done.stdout


def test_a_fault_of_the_program_shows_its_traceback(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(self, images, progress=False):
        return len(None)

    monkeypatch.setattr(ImageDetector, "decision_function", faulty)
    with pytest.raises(TypeError, match="NoneType"):
        main(["score", str(model), "digits", "--limit", "3"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "trian"),
        (["train", "digits"], "--out"),
        (["train", "digits", "--out", "x", "--updates", "many"], "--updates"),
        (["train", "digits", "--out", "x", "--colour"], "--colour"),
        (["data", "fetch", "letters"], "data set must be one of digits"),
        (["data", "fetch"], "NAME"),
    ],
)
def test_usage_errors_are_one_sentence(refused, arguments: list[str], message: str) -> None:
    assert message.lower() in refused(*arguments).lower()


# --- from a user's own pictures to their scores ---


def test_own_pictures_from_training_to_maps(run, tmp_path: Path) -> None:
    """The tutorial: train, score with maps, and evaluate, on pictures in two folders."""
    normal = write_pictures(tmp_path / "normal", 40)
    new, good = write_pictures(tmp_path / "new", 6, 1, bright=True), write_pictures(tmp_path / "good", 6, 2)
    trained = tmp_path / "detector"
    code, out, err = run("train", normal, "--out", trained, "--image-size", 16, *QUICK)
    assert code == 0 and "calibrated on 19 held out" in out
    assert "40 images, read as colour and resized to 16 x 16 pixels" in err and "training:" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["detector", "good", "new", "normal"]

    table, maps = tmp_path / "scores.csv", tmp_path / "maps"
    code, out, _ = run("score", trained, new, "--out", table, "--maps", maps)
    rows = list(csv.DictReader(table.open()))
    assert code == 0 and [row["name"] for row in rows] == sorted(path.name for path in new.iterdir())
    assert set(rows[0]) == {"name", "score", "p_value", "anomalous"} and "of 6 images" in out
    assert sorted(path.name for path in maps.iterdir()) == sorted(
        ["maps.npy", *(path.name if path.suffix == ".png" else f"{path.name}.png" for path in new.iterdir())]
    )
    with Image.open(maps / "00.png") as picture:
        assert picture.size == (16, 16)
    assert np.load(maps / "maps.npy").shape == (6, 16, 16)

    code, out, _ = run("evaluate", trained, "--normal", good, "--anomalous", new, "--json")
    result = json.loads(out)
    assert code == 0 and result["num_normal"] == result["num_anomalous"] == 6
    assert [value["metric"] for value in result["metrics"][:3]] == [
        "auroc",
        "average_precision",
        "fpr_at_95_tpr",
    ]
    assert all(0 <= value["low"] <= value["estimate"] <= value["high"] <= 1 for value in result["metrics"])


def test_grey_and_colour_pictures_are_converted_to_what_was_trained_on(run, tmp_path: Path) -> None:
    grey = write_pictures(tmp_path / "grey", 40, mode="L")
    code, out, err = run("train", grey, "--out", tmp_path / "m", "--image-size", 8, "--json", *QUICK)
    assert code == 0 and json.loads(out)["image_shape"] == [8, 8, 1] and "read as grey" in err
    colour = write_pictures(tmp_path / "colour", 3)
    code, out, err = run("score", tmp_path / "m", colour, "--json")
    assert code == 0 and len(json.loads(out)["images"]) == 3 and "read as grey" in err


# --- data sets and arrays ---


def test_train_on_classes_score_and_evaluate_one_versus_rest(run, tmp_path: Path) -> None:
    train = ("train", "digits", "--classes", "0,1", "--out", tmp_path / "m", "--quiet", *QUICK)
    code, out, err = run(*train)
    assert code == 0 and err == ""
    before = {path: path.read_bytes() for path in (tmp_path / "m").rglob("*") if path.is_file()}
    code, _, err = run(*train[:-4], *train[-4:])  # the same command again finds it done
    assert code == 0 and before == {path: path.read_bytes() for path in before}
    code, out, err = run("evaluate", tmp_path / "m", "digits", "--quiet", "--json")
    result = json.loads(out)
    assert code == 0 and err == "" and result["protocol"] == "one_versus_rest"
    assert result["parameters"]["normal"] == [0, 1] and result["num_left_out"] == 0
    assert {value["group"] for value in result["metrics"]} == {"mean", *"23456789"}
    assert all(value["low"] <= value["estimate"] <= value["high"] for value in result["metrics"])


def test_scores_are_the_same_on_stdout_in_files_and_in_the_library(run, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", digits(90)[80:])
    code, out, err = run("score", model, tmp_path / "images.npy", "--json", "--out", tmp_path / "s.json")
    result = json.loads(out)
    assert code == 0 and result == json.loads((tmp_path / "s.json").read_text()) and "scoring" in err
    detector = ImageDetector.load(model)
    scores = detector.decision_function(digits(90)[80:])
    assert [row["score"] for row in result["images"]] == scores.tolist()
    assert [row["anomalous"] for row in result["images"]] == (scores > detector.threshold_).tolist()
    assert [row["name"] for row in result["images"]] == [f"images.npy/{index}" for index in range(10)]
    code, out, _ = run("score", model, "digits", "--part", "train", "--limit", 4, "--quiet")
    assert code == 0 and out.count("digits/train/") == 4 and "of 4 images are called anomalous" in out


def test_evaluate_clean_versus_corrupted_prints_a_table(run, model: Path) -> None:
    code, out, _ = run("evaluate", model, "digits", "--per-group", 20, "--seed", 3, "--quiet")
    assert code == 0 and out.startswith("group") and "\nmean " in out and "\nfog " in out
    assert "20 normal and 300 anomalous images" in out


def test_a_transformer_is_trained_and_scores_by_the_same_commands(run, refused, tmp_path: Path) -> None:
    transformer = ("--network", "dit", "--patch", "2", "--size", "mini", *QUICK[2:], "--quiet")
    code, _, err = run("train", "digits", "--classes", "0", "--out", tmp_path / "m", *transformer)
    assert code == 0, err
    assert ImageDetector.load(tmp_path / "m").model_.configuration.network == "dit"
    code, out, _ = run("score", tmp_path / "m", "digits", "--limit", 4, "--quiet")
    assert code == 0 and "of 4 images are called anomalous" in out
    start = ("train", "digits", "--out", tmp_path / "n", "--network", "dit", *QUICK[2:])
    assert "patch: got 16 for image_size 8, expected a divisor" in refused(*start, "--patch", 16)
    assert "'mini', 'Ti', 'S', 'B', 'L' or 'XL'" in refused(*start, "--size", "tiny")


def test_test_images_that_were_trained_on_are_left_out(run, refused, model: Path, tmp_path: Path) -> None:
    for name, images in (("seen", digits(4)), ("new", digits(90)[80:])):
        (tmp_path / name).mkdir()
        for index, image in enumerate(images):
            Image.fromarray(image[..., 0]).save(tmp_path / name / f"{name}{index}.png")
    code, out, err = run(
        "evaluate",
        model,
        "--normal",
        tmp_path / "new",
        "--anomalous",
        write_pictures(tmp_path / "a", 4),
        "--json",
    )
    assert code == 0 and json.loads(out)["num_left_out"] == 0
    said = refused("evaluate", model, "--normal", tmp_path / "seen", "--anomalous", tmp_path / "a")
    assert "0 normal and 4 anomalous ones are left" in said


# --- bad input ---


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((40, 8, 8, 1), np.nan), "2560 pixels are NaN or infinite"),
        (np.full((40, 8, 8, 1), np.inf, np.float32), "2560 pixels are NaN or infinite"),
        (np.full((40, 8, 8, 1), 0.5), "got dtype float64 with values from 0.5 to 0.5"),
        (np.full((40, 8, 8, 1), 300, np.int64), "got dtype int64 with values from 300 to 300"),
        (np.zeros((40, 8, 8), np.uint8), "got an array of rank 3"),
        (np.zeros((40, 8, 8, 4), np.uint8), "got 4 channels"),
        (np.zeros((0, 8, 8, 1), np.uint8), "expected at least one image"),
        (np.full((3, 8, 8, 1), "a"), "got dtype <U1"),
        (np.full((3, 8, 8, 1), None), "not a .npy file of numbers"),
    ],
)
def test_arrays_that_are_no_images_are_refused(
    refused, model: Path, tmp_path: Path, array, message: str
) -> None:
    np.save(tmp_path / "bad.npy", array, allow_pickle=True)
    assert message in refused("train", tmp_path / "bad.npy", "--out", tmp_path / "m", *QUICK)
    assert message in refused("score", model, tmp_path / "bad.npy")
    assert not (tmp_path / "m").exists()


def test_one_image_is_too_few_to_train_on(refused, tmp_path: Path) -> None:
    one = write_pictures(tmp_path / "one", 1)
    assert "got 1 normal image, expected at least 38" in refused(
        "train", one, "--out", tmp_path / "m", *QUICK
    )


def test_sources_that_cannot_be_read_are_refused(refused, model: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "m", *QUICK)
    assert "diffad data fetch mnist" in refused("train", "mnist", "--home", tmp_path / "home", *out)
    assert "diffad data fetch mnist" in refused("evaluate", model, "mnist", "--home", tmp_path / "home")
    assert "neither a data set (digits, mnist" in refused("train", "photos", *out)
    assert "a.npy is not there" in refused("score", model, tmp_path / "a.npy")
    (tmp_path / "empty").mkdir()
    assert "holds no image" in refused("train", tmp_path / "empty", *out)
    pictures = write_pictures(tmp_path / "pictures", 3)
    (pictures / "notes.txt").write_text("no image")
    assert "notes.txt is not an image" in refused("train", pictures, *out)
    (pictures / "notes.txt").rename(pictures / "notes.png")
    assert "notes.png is not an image" in refused("score", model, pictures)
    whole = (pictures / "00.png").read_bytes()
    (pictures / "notes.png").write_bytes(whole[: len(whole) // 2])
    assert "notes.png cannot be decoded" in refused("score", model, pictures)


def test_options_that_do_not_fit_are_refused(refused, model: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "m")
    assert "expected class ids" in refused("train", "digits", "--classes", "zero", *out)
    assert "classes of digits in 0..9" in refused("train", "digits", "--classes", "12", *out)
    assert "--image-size" in refused("train", "digits", "--image-size", 16, *out)
    assert "learning_rate" in refused("train", "digits", "--learning-rate", -1, *out)
    assert "num_updates" in refused("train", "digits", "--updates", 0, *out)
    assert "schedule" in refused("train", "digits", "--schedule", "straight", *out)
    assert "multiple of 4" in refused("train", write_pictures(tmp_path / "p", 40), "--image-size", 18, *out)
    assert "expected a file that ends in .csv or .json" in refused("score", model, "digits", "--out", "a.txt")
    assert "expected DATASET, or --normal and --anomalous" in refused("evaluate", model)
    assert "expected the normal ones" in refused("evaluate", model, "digits", "--protocol", "one_versus_rest")
    assert "(32, 32, 3), expected (8, 8, 1)" in refused("score", model, write_array(tmp_path, (2, 32, 32, 3)))


def write_array(folder: Path, shape: tuple[int, ...]) -> Path:
    np.save(folder / "array.npy", np.zeros(shape, np.uint8))
    return folder / "array.npy"


def test_folders_that_cannot_be_written_are_refused_before_the_work(
    refused, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "--out: cannot write in" in refused("train", "digits", "--out", tmp_path / "file" / "m", *QUICK)
    assert "is there and is no detector" in refused("train", "digits", "--out", tmp_path / "file", *QUICK)
    assert "--out: cannot write in" in refused("score", model, "digits", "--out", tmp_path / "file" / "s.csv")
    assert "file" in refused("score", model, "digits", "--maps", tmp_path / "file" / "maps")
    assert "--maps" in refused("score", model, "digits", "--maps", tmp_path)
    assert (tmp_path / "file").read_text() == "in the way"


def test_another_detector_is_not_overwritten(refused, model: Path, tmp_path: Path) -> None:
    before = (model / "detector.json").read_bytes()
    assert "holds a detector that differs in" in refused("train", "digits", "--out", model, *QUICK)
    assert (model / "detector.json").read_bytes() == before


def test_corrupt_and_foreign_checkpoints_are_refused_and_never_unpickled(
    refused, model: Path, tmp_path: Path
) -> None:
    assert "detector.json is missing" in refused("score", tmp_path, "digits")
    marker = tmp_path / "unpickled"
    payload = b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
    for name in ("detector.json", "held_out.npz", "model/weights.safetensors"):
        content = (model / name).read_bytes()
        for damaged in (content[: len(content) // 2], payload):
            (model / name).write_bytes(damaged)
            try:
                assert name.rpartition("/")[2] in refused("score", model, "digits")
            finally:
                (model / name).write_bytes(content)
    assert not marker.exists()


def test_a_training_that_diverges_is_one_sentence(
    refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffad.training import trainer

    monkeypatch.setattr(trainer, "l_simple", lambda model, x_0, t, *_: model.predict(x_0, t).mean() * np.nan)
    assert "the loss became nan in update 1" in refused("train", "digits", "--out", tmp_path / "m", *QUICK)
    assert not (tmp_path / "m").exists()


# --- experiments and their records ---


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment file of a second."""
    edition = {
        "dataset": "digits",
        "protocol_parameters": {"per_group": 12, "corruptions": ["fog", "zigzag"]},
        "model": {"network_parameters": {"image_size": 8, "channels": 1, "size": "tiny"}},
        "training": {"num_updates": 6, "batch_size": 8},
        "scoring": {"levels": [0.1, 0.3], "partial_diffusion": {"num_steps": 2}, "calibration_images": 40},
        "baselines": ["iforest"],
    }
    content = {
        "name": "quick",
        "title": "Quick",
        "protocol": "clean_versus_corrupted",
        "editions": {"smoke": edition},
    }
    path = tmp_path_factory.mktemp("experiment") / "quick.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def recorded(experiment: Path) -> Path:
    """The folder of results after `diffad run`."""
    root = experiment.parent / "results"
    paths = ["--results", str(root), "--checkpoints", str(experiment.parent / "checkpoints")]
    assert main(["run", str(experiment), *paths, "--quiet"]) == 0
    return root


def test_run_results_and_verify(run, recorded: Path) -> None:
    code, out, _ = run("results", "--root", recorded)
    assert code == 0 and "quick-smoke" in out and "denoiser_profile 0." in out and "iforest" in out
    code, out, _ = run("results", "--root", recorded, "--json")
    (row,) = json.loads(out)
    record, _ = read_record(recorded / "quick" / "smoke")
    assert row["method"]["auroc"][0] == record.interval("denoiser_profile").estimate and isinstance(
        row["stale"], list
    )
    code, out, err = run("verify-results", "--root", recorded)
    assert code == 0 and f"{len(record.metrics)} metrics recomputed" in out and err == ""


def test_verify_fails_on_a_number_that_the_scores_do_not_give(run, recorded: Path) -> None:
    path = recorded / "quick" / "smoke" / "record.json"
    original = path.read_text()
    record, _ = read_record(path.parent)
    better = record.metrics[0].model_copy(update={"estimate": record.metrics[0].estimate / 2})
    forged = record.model_copy(update={"metrics": (better, *record.metrics[1:])})
    forged = forged.model_copy(update={"content_hash": content_hash(forged)})
    try:
        path.write_text(forged.model_dump_json())
        code, out, err = run("verify-results", "--root", recorded)
        assert code == 1 and "MISMATCH" in out and "is recorded as" in err
        path.write_text(original.replace('"quick-smoke"', '"quick-smoky"', 1))
        code, out, _ = run("verify-results", "--root", recorded, "--json")
        assert code == 1 and "edited by hand" in json.loads(out)[0]["mismatches"][0]
    finally:
        path.write_text(original)


def test_experiments_and_results_that_are_refused(refused, experiment: Path, tmp_path: Path) -> None:
    assert "is not there" in refused("run", tmp_path / "none.yaml")
    assert "expected one of smoke" in refused("run", experiment, "--edition", "gpu")
    content = yaml.safe_load(experiment.read_text())
    edited = tmp_path / "edited.yaml"
    edited.write_text(yaml.safe_dump(content | {"titel": "?"}))
    assert "titel" in refused("run", edited)
    content["editions"]["smoke"]["protocol_parameters"]["per_gruop"] = 3
    edited.write_text(yaml.safe_dump(content))
    assert "protocol_parameters: got per_gruop" in refused("run", edited)
    (tmp_path / "file").write_text("")
    assert "--results" in refused("run", experiment, "--results", tmp_path / "file" / "r")
    assert "is not a folder" in refused("results", "--root", tmp_path / "none")
    assert "no record is in" in refused("verify-results", "--root", tmp_path)


# --- Ctrl-C ---


def test_ctrl_c_leaves_nothing_half_written_and_the_same_command_goes_on(run, tmp_path: Path) -> None:
    arguments = ["train", "digits", "--out", str(tmp_path / "m"), "--size", "tiny", "--updates", "150"]
    arguments += ["--batch-size", "8", "--checkpoint-every", "10"]
    code = "import sys; from diffad.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background job ignores Ctrl-C, and its children too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    checkpoints, deadline = tmp_path / ".m.training", time.monotonic() + 300
    while not list(checkpoints.glob("update-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in said and "interrupted" in said
    assert "the same command goes on" in said and not (tmp_path / "m").exists()
    assert not list(tmp_path.rglob("*.partial"))
    code, _, err = run(*arguments)
    assert code == 0 and "going on from the checkpoints" in err and not checkpoints.exists()
    assert ImageDetector.load(tmp_path / "m").num_training_ > 1000
