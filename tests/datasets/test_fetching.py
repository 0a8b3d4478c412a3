"""Fetching from a local server: whole releases arrive, and no bad server, disk or user leaves half of one."""

import gzip
import io
import json
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pooch
import pytest
from releases import write_adbench, write_mnist, write_mnist_c, write_mvtec
from server import QUIET, leftovers

from diffad.datasets import CATALOG, is_available, load, load_vectors
from diffad.datasets.fetching import fetch
from diffad.datasets.receipts import NAME, read_receipt
from diffad.datasets.verifying import verify
from diffad.errors import DataCorrupted, DataNotFound, DiffadError


@pytest.fixture
def mnist(server, tmp_path: Path) -> Path:
    """Serve a small MNIST; return a home where it lies unpacked, to compare with."""
    source = tmp_path / "source"
    write_mnist(source)
    for path in (source / "MNIST" / "raw").iterdir():
        (server.folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    return source


@pytest.fixture
def cifar10(server) -> None:
    """Serve an archive with CIFAR-10's file names and a few bytes in each."""
    with tarfile.open(server.folder / "cifar-10-binary.tar.gz", "w:gz") as tar:
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin", "batches.meta.txt"]
        for name in names:
            content = name.encode() * 50
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_a_fetched_release_is_read_like_one_that_was_put_there(mnist, offer, home, server) -> None:
    offer("mnist")
    assert len(fetch("mnist", home, how=QUIET)) == 4
    for part in ("train", "test"):
        assert load("mnist", part, home).fingerprint == load("mnist", part, mnist).fingerprint
    receipt = read_receipt(home / "MNIST" / "raw")
    assert len(receipt.files) == len(receipt.sources) == 4
    assert receipt.sources["t10k-labels-idx1-ubyte.gz"]["origin"].startswith(server.url)
    assert fetch("mnist", home, how=QUIET) == () and set(server.requests.values()) == {1}
    assert not (home / ".incoming" / "mnist").exists()


def test_archives_of_each_kind_are_unpacked_into_the_official_layout(server, offer, home, tmp_path) -> None:
    source = tmp_path / "source"
    write_mnist_c(source, count=4)
    write_mvtec(source)
    with zipfile.ZipFile(server.folder / "mnist_c.zip", "w") as bundle:
        for path in sorted((source / "mnist_c").rglob("*.npy")):
            bundle.write(path, path.relative_to(source))
    with tarfile.open(server.folder / "mvtec_anomaly_detection.tar.xz", "w:xz") as tar:
        tar.add(source / "mvtec_anomaly_detection" / "screw", "screw")
    for name, item, part in (("mnist-c", "fog", "test"), ("mvtec-ad", "screw", "train")):
        offer(name)
        fetch(name, home, accept_licence=True, how=QUIET)
        fetched, placed = load(f"{name}/{item}", part, home), load(f"{name}/{item}", part, source)
        assert fetched.fingerprint == placed.fingerprint
        assert any("as they were fetched" in check for check in verify(name, home).checks)
    assert read_receipt(home / "mnist_c").files["fog/test_images.npy"]


def test_a_category_that_stands_there_is_kept(server, offer, home, tmp_path) -> None:
    write_mvtec(home, "screw")
    own = (home / "mvtec_anomaly_detection" / "screw" / "train" / "good" / "000.png").read_bytes()
    write_mvtec(tmp_path / "source", "screw", side=16)
    write_mvtec(tmp_path / "source", "grid", side=16)
    with tarfile.open(server.folder / "mvtec_anomaly_detection.tar.xz", "w:xz") as tar:
        for category in ("screw", "grid"):
            tar.add(tmp_path / "source" / "mvtec_anomaly_detection" / category, category)
    offer("mvtec-ad")
    fetch("mvtec-ad", home, accept_licence=True, how=QUIET)
    assert (home / "mvtec_anomaly_detection" / "screw" / "train" / "good" / "000.png").read_bytes() == own
    assert is_available("mvtec-ad/grid", home)


def test_single_files_can_be_fetched_one_by_one_and_their_hashes_are_kept(
    server, offer, home, tmp_path
) -> None:
    write_adbench(tmp_path / "source")
    served = tmp_path / "source" / "adbench" / "CV_by_ResNet18" / "CIFAR10_0.npz"
    shutil.copy(served, server.folder)
    shutil.copy(served, server.folder / "CIFAR10_1.npz")
    offer("adbench-resnet18", checksums=False)
    assert fetch("adbench-resnet18/CIFAR10_0", home, how=QUIET) == ("CIFAR10_0.npz",)
    assert load_vectors("adbench-resnet18/CIFAR10_0", home).vectors.shape == (60, 5)
    assert fetch("adbench-resnet18", home, how=QUIET) == ("CIFAR10_1.npz",)
    folder = home / "adbench" / "CV_by_ResNet18"
    assert read_receipt(folder).files["CIFAR10_0.npz"] == pooch.file_hash(str(served))
    with open(folder / "CIFAR10_0.npz", "ab") as file:
        file.write(b"x")
    with pytest.raises(DataCorrupted, match=r"CIFAR10_0.npz has changed since it was fetched"):
        verify("adbench-resnet18", home)


def test_an_unreadable_file_without_published_checksum_is_not_published(server, offer, home) -> None:
    (server.folder / "CIFAR10_0.npz").write_bytes(b"<html>come back later</html>")
    offer("adbench-resnet18", checksums=False)
    with pytest.raises(DataCorrupted, match=r"CIFAR10_0.npz is not a whole .npz"):
        fetch("adbench-resnet18/CIFAR10_0", home, how=QUIET)
    assert leftovers(home) == []


@pytest.mark.parametrize(
    ("manner", "error", "message"),
    [
        (
            "missing",
            DataNotFound,
            "status 404.*by hand: get train-images-idx3-ubyte.gz from http.*place it in",
        ),
        ("truncated", DataNotFound, "broke off before the end of the file"),
        (
            "altered",
            DataCorrupted,
            "train-images-idx3-ubyte.gz .*does not have the official checksum sha256:",
        ),
        ("stalled", DataNotFound, "nothing came for 0.3 s"),
    ],
)
def test_bad_servers_leave_nothing_and_one_sentence(mnist, offer, home, manner, error, message) -> None:
    offer("mnist", manner)
    with pytest.raises(error, match=message):
        fetch("mnist", home, how=replace(QUIET, timeout=0.3))
    assert leftovers(home) == []


def test_without_a_network_the_error_says_what_to_place_where(mnist, offer, home, monkeypatch) -> None:
    offer("mnist")
    closed = tuple(replace(source, urls=("http://127.0.0.1:9/file",)) for source in CATALOG["mnist"].sources)
    monkeypatch.setitem(CATALOG, "mnist", replace(CATALOG["mnist"], sources=closed))
    with pytest.raises(DataNotFound) as caught:
        fetch("mnist", home, how=QUIET)
    for fact in (CATALOG["mnist"].page, "train-images-idx3-ubyte.gz", str(home), "no connection"):
        assert fact in str(caught.value)


def test_a_file_placed_by_hand_is_checked_and_used(cifar10, offer, home, server) -> None:
    offer("cifar10", "missing")
    home.mkdir()
    placed = Path(shutil.copy(server.folder / "cifar-10-binary.tar.gz", home))
    fetch("cifar10", home, how=QUIET)
    assert is_available("cifar10", home) and placed.is_file() and not server.requests
    shutil.rmtree(home / "cifar-10-batches-bin")
    placed.write_bytes(placed.read_bytes() + b"x")
    with pytest.raises(DataCorrupted, match="cifar-10-binary.tar.gz does not have the official checksum"):
        fetch("cifar10", home, how=QUIET)


def test_a_slow_server_is_waited_for_and_a_flaky_one_tried_again(mnist, offer, home, server) -> None:
    offer("mnist", "slow")
    fetch("mnist", home, how=replace(QUIET, timeout=0.3))
    assert is_available("mnist", home)
    shutil.rmtree(home)
    server.requests.clear()
    offer("mnist", "flaky")
    source = CATALOG["mnist"].sources[:1]
    CATALOG["mnist"] = replace(CATALOG["mnist"], sources=source)
    assert fetch("mnist", home, how=replace(QUIET, attempts=2)) == (source[0].filename,)
    assert server.requests[source[0].filename] == 2


def test_the_next_address_is_tried(cifar10, offer, home, server) -> None:
    offer("cifar10", "missing altered good")
    fetch("cifar10", home, how=QUIET)
    assert (
        read_receipt(home / "cifar-10-batches-bin")
        .sources["cifar-10-binary.tar.gz"]["origin"]
        .endswith("/good/cifar-10-binary.tar.gz")
    )


def test_a_full_disk_is_foreseen(cifar10, offer, home, monkeypatch) -> None:
    offer("cifar10")
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 100))
    with pytest.raises(DiffadError, match="GB free, fetching needs about"):
        fetch("cifar10", home, how=QUIET)
    assert leftovers(home) == []


def test_a_disk_that_fills_up_leaves_nothing(mnist, offer, home) -> None:
    offer("mnist")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # any longer file fails as on a full disk
    try:
        with pytest.raises(DiffadError, match=f"there is no room in {home} for mnist"):
            fetch("mnist", home, how=QUIET)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert leftovers(home) == []


def test_a_home_that_cannot_be_written_is_named(mnist, offer, tmp_path) -> None:
    offer("mnist")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DiffadError, match=r"file/home cannot be written to"):
        fetch("mnist", tmp_path / "file" / "home", how=QUIET)


FETCH_ELSEWHERE = """
import sys
from dataclasses import replace
from pathlib import Path
from diffad.datasets import CATALOG
from diffad.datasets.catalog import Source
from diffad.datasets.fetching import Fetching, fetch
url, checksum, home = sys.argv[1:]
source = replace(CATALOG["cifar10"].sources[0], urls=(url,), checksum=checksum, size=None)
CATALOG["cifar10"] = replace(CATALOG["cifar10"], sources=(source,))
source = replace(source, size=0)
CATALOG["cifar10"] = replace(CATALOG["cifar10"], sources=(source,))
print(len(fetch("cifar10", Path(home), how=Fetching(progress=False))))
"""


@pytest.fixture
def elsewhere(cifar10, server, home):
    """Return a function that starts a process which fetches the served CIFAR-10 in a given manner."""
    file = server.folder / "cifar-10-binary.tar.gz"

    def start(manner: str) -> subprocess.Popen:
        url = f"{server.url}/{manner}/{file.name}"
        arguments = [url, f"sha256:{pooch.file_hash(str(file))}", str(home)]
        return subprocess.Popen(
            [sys.executable, "-c", FETCH_ELSEWHERE, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def wait_for_request(server, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while not server.requests and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.requests, process.communicate()


def test_two_processes_at_once_fetch_it_once(elsewhere, server, home) -> None:
    processes = [elsewhere("slow"), elsewhere("slow")]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted(out.strip() for out, _ in outputs) == ["0", "1"]
    assert sum(server.requests.values()) == 1 and is_available("cifar10", home)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_fetch_leaves_no_half_and_the_next_one_succeeds(
    kind, elsewhere, offer, server, home
) -> None:
    process = elsewhere("stalled")
    wait_for_request(server, process)
    time.sleep(0.1)
    process.send_signal(kind)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert not is_available("cifar10", home) and not (home / "cifar-10-batches-bin").exists()
    if kind == signal.SIGINT:
        assert leftovers(home) == []
    offer("cifar10")
    fetch("cifar10", home, how=QUIET)
    assert is_available("cifar10", home)
    assert all(Path(name).parts[0] == "cifar-10-batches-bin" for name in leftovers(home))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("mvtec-ad", DiffadError, "CC BY-NC-SA 4.0.*read it at https://www.mvtec.com.*--accept-licence"),
        (
            "mini-imagenet",
            DataNotFound,
            "register at https://image-net.org.*place them in .*mini-imagenet as",
        ),
        ("digits", ValueError, "comes with scikit-learn"),
        ("folder", ValueError, "folder:PATH"),
        ("letters", ValueError, "data set must be one of digits, .*'letters'"),
    ],
)
def test_what_cannot_be_fetched_says_why(name, error, message, home) -> None:
    with pytest.raises(error, match=message):
        fetch(name, home, how=QUIET)


def test_a_broken_receipt_is_named(mnist, offer, home) -> None:
    offer("mnist")
    fetch("mnist", home, how=QUIET)
    (home / "MNIST" / "raw" / NAME).write_text(json.dumps({"data": "mnist"}))
    with pytest.raises(DataCorrupted, match=f"{NAME} is not a whole receipt"):
        verify("mnist", home)


def test_verify_finds_files_that_are_not_the_official_ones(mnist) -> None:
    with pytest.raises(DataCorrupted, match="train-images-idx3-ubyte does not have the official content"):
        verify("mnist", mnist)
    with pytest.raises(DataNotFound, match="fetch it with: diffad data fetch cifar10"):
        verify("cifar10", mnist)


def test_every_source_is_documented() -> None:
    for entry in CATALOG.values():
        assert entry.licence and entry.layout and entry.splits and entry.title
        assert entry.sources or entry.by_hand
        for source in entry.sources:
            assert source.checksum is None or source.checksum.startswith(("sha256:", "md5:"))
            assert source.checksum is not None or entry.name.startswith("adbench")
            assert source.urls and all(url.endswith(source.filename) for url in source.urls)
    counts = CATALOG["mvtec-ad"].item_counts.values()
    assert (sum(c["train"] for c in counts), sum(c["test"] for c in counts)) == (
        3629,
        1725,
    )  # the paper's totals
    assert np.all([entry.must_accept for entry in CATALOG.values() if "non-commercial" in entry.licence])
