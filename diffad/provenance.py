"""What a result was computed by: the code, the packages and the device.

The source hash covers the modules that a run is computed by: `diffad.experiments` and what it imports. A change of a
figure or of the command line leaves a record up to date, and so does a comment or a docstring.
"""

import importlib.metadata
import os
import platform
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from diffad.sources import code_digests, digest, imported_files

ENTRY = Path(__file__).resolve().parent / "experiments.py"
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


def source_files(entry: Path = ENTRY) -> dict[str, str]:
    """The `code_digest` of the module `entry` of the package and of every module that it imports, by path."""
    root = entry.parent.parent
    return code_digests({entry, *imported_files(entry.read_text(encoding="utf-8"), root)}, root)


def source_hash(entry: Path = ENTRY) -> str:
    """One SHA-256 over the names and digests of `source_files`."""
    return digest("".join(f"{each}  {name}\n" for name, each in source_files(entry).items()).encode())


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


def provenance(device="cpu") -> Provenance:
    """The state of this process's code and packages, and the named device; packages not installed are left
    out.
    """
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Provenance(
        source_hash=source_hash(),
        source_files=source_files(),
        versions=versions,
        system=f"{platform.system()} {platform.machine()}",
        device=device_name(device),
    )
