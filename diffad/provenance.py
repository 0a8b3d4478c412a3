"""What a result was computed by: the code, the packages and the device.

The source hash covers the modules that scores are computed by: the protocols, the training, the methods, and what they
import. Left out are modules that read, check or write files: what they make of an experiment file stands in the record,
and metrics are computed from its scores again by `diffad verify-results`. So a clearer message, a figure, a comment or
a docstring leaves a record up to date.
"""

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from diffad.sources import code_digests, digest, imported_files

ROOT = Path(__file__).resolve().parents[1]
ENTRIES = tuple(
    ROOT / "diffad" / name for name in ("datasets/protocols.py", "training/__init__.py", "methods.py")
)
DESCRIBING = frozenset({"diffad/configuration.py", "diffad/yaml_lines.py"})  # experiment files as data
PACKAGES = (
    "torch",
    "diffusers",
    "timm",
    "accelerate",
    "pyod",
    "scikit-learn",
    "scikit-image",
    "scipy",
    "numpy",
    "pandas",
)


class Provenance(BaseModel):
    """Code, packages and device behind a result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_hash: str
    source_files: dict[str, str]
    versions: dict[str, str]
    system: str
    device: str


def source_files(entries: Iterable[Path] = ENTRIES, root: Path = ROOT) -> dict[str, str]:
    """The `code_digest` of the modules `entries` and of every module of the package that they import, by path.

    Args:
        entries: files under `root`.
        root: the folder that the package lies in.
    """
    entries = list(entries)
    code = "\n".join(entry.read_text(encoding="utf-8") for entry in entries)
    found = {*entries, *imported_files(code, root, DESCRIBING)}
    return code_digests(found, root)


def hash_of_files(files: Mapping[str, str]) -> str:
    """One SHA-256 over the names and digests of `source_files`."""
    return digest("".join(f"{each}  {name}\n" for name, each in files.items()).encode())


def source_hash(entries: Iterable[Path] = ENTRIES, root: Path = ROOT) -> str:
    """One SHA-256 over the names and digests of `source_files`."""
    return hash_of_files(source_files(entries, root))


def changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the files in `now` that are not, or not the same, in `before`, sorted.

    A file that is in `before` alone no longer computes anything: if that matters, a file that used it has changed.
    """
    return sorted(name for name in now if before.get(name) != now[name])


def device_name(device="cpu") -> str:
    """The device's name for a reader, for example "NVIDIA H100" or "CPU, 2 cores, AMD EPYC".

    device: a torch.device or its string.
    """
    if str(device).startswith("cuda"):
        import torch  # not needed, and slow to import, where a record is only read

        return torch.cuda.get_device_name(device)
    if not str(device).startswith("cpu"):
        return str(device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = _processor_model()
    return f"CPU, {cores} cores" + (f", {model}" if model else "")


@cache
def _processor_model() -> str:
    """The processor's name where the system tells it (Linux in /proc/cpuinfo), else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def provenance(device="cpu", entries: Iterable[Path] = ENTRIES) -> Provenance:
    """The state of this process's packages and of the code reached from `entries`, and the named device; packages not
    installed are left out.
    """
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    files = source_files(entries)
    return Provenance(
        source_hash=hash_of_files(files),
        source_files=files,
        versions=versions,
        system=f"{platform.system()} {platform.machine()}",
        device=device_name(device),
    )
