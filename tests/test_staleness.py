"""A record is out of date where what computes its scores has changed, and not otherwise."""

import functools

import pytest
from small_records import some_record, some_scores, write_some

from diffad import provenance, records
from diffad.records import read_record


@pytest.fixture
def folder(tmp_path):
    """A folder that holds a whole record."""
    return write_some(tmp_path / "run")


def test_a_fresh_record_is_not_stale(folder):
    record, _ = read_record(folder)
    assert not records.is_stale(record) and records.stale_modules(record) == []


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package that a record's scores are computed by: its entry, a network, a reader of files and a figure."""
    files = {
        "methods.py": b"from diffad import configuration\nfrom diffad.networks import unet\n\n\n"
        b"def run():\n    return unet.z\n",
        "networks/__init__.py": b"",
        "networks/unet.py": b"z = 3\n",
        "configuration.py": b"from diffad import yaml_lines\n",
        "yaml_lines.py": b"",
        "figures.py": b"colour = 1\n",
    }
    folder = tmp_path / "diffad"
    (folder / "networks").mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    compute = functools.partial(provenance.source_files, (folder / "methods.py",), tmp_path)
    monkeypatch.setattr(records, "source_files", compute)
    return folder


@pytest.fixture
def record_of_package(package):
    files = records.source_files()
    made_by = provenance.provenance().model_copy(update={"source_files": files})
    return some_record(some_scores()).model_copy(update={"provenance": made_by})


def test_a_change_of_code_that_the_run_reaches_makes_a_record_stale(package, record_of_package):
    assert not records.is_stale(record_of_package)
    (package / "networks" / "unet.py").write_bytes(b"z = 4\n")
    assert records.is_stale(record_of_package)
    assert records.stale_modules(record_of_package) == ["diffad/networks/unet.py"]
    (package / "networks" / "unet.py").write_bytes(b"z = 3\n")
    assert not records.is_stale(record_of_package)
    entry = package / "methods.py"
    (package / "networks" / "dit.py").write_bytes(b"")
    entry.write_bytes(entry.read_bytes().replace(b"import unet", b"import dit, unet"))
    assert records.stale_modules(record_of_package) == ["diffad/methods.py", "diffad/networks/dit.py"]


def test_a_remark_or_a_figure_or_a_reader_of_files_makes_no_record_stale(package, record_of_package):
    assert not {"diffad/configuration.py", "diffad/yaml_lines.py"} & records.source_files().keys()
    for name in ("figures.py", "configuration.py", "yaml_lines.py"):
        (package / name).write_bytes(b"changed = 2\n")
    (package / "methods.py").write_bytes(
        b'"""What it is for."""\r\nfrom diffad import configuration\r\n'
        b"from diffad.networks import unet  # a remark\r\n\r\n"
        b'def run():\r\n    """Say more."""\r\n    return unet.z\r\n'
    )
    assert records.stale_modules(record_of_package) == []


def test_code_that_no_longer_computes_anything_makes_no_record_stale(record_of_package):
    files = {**record_of_package.provenance.source_files, "diffad/gone.py": "0" * 64}
    made_by = record_of_package.provenance.model_copy(update={"source_files": files})
    assert not records.is_stale(record_of_package.model_copy(update={"provenance": made_by}))


def test_provenance_names_versions_and_device():
    found = provenance.provenance()
    assert {"python", "torch", "diffusers", "pyod", "numpy", "scikit-learn"} <= found.versions.keys()
    assert found.device.startswith("CPU, ")
    computing = {
        "datasets/readers/cifar10.py",
        "networks/dit.py",
        "training/trainer.py",
        "methods.py",
        "baselines.py",
    }
    assert (
        len(found.source_hash) == 64 and {f"diffad/{name}" for name in computing} <= found.source_files.keys()
    )
    idle = ("figures", "cli", "configuration.py", "yaml_lines.py", "records.py", "experiments.py")
    assert not {name for name in found.source_files if name.removeprefix("diffad/").startswith(idle)}
