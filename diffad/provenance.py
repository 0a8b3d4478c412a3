"""What a result was computed by: the code, the packages and the device.

The source hash covers every .py file of the package by its path and content, with line endings made equal, so
that it is the same on every machine that holds the same code.
"""

import hashlib
import importlib.metadata
import os
import platform
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

PACKAGE_FOLDER = Path(__file__).resolve().parent
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


def source_files(folder: Path = PACKAGE_FOLDER) -> dict[str, str]:
    """sha256 of each .py file under `folder`, by its path with forward slashes, sorted; line endings count as
    \\n.

    Hidden folders, where editors keep their copies, are left out.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    return {
        name: hashlib.sha256(paths[name].read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        for name in sorted(paths)
        if not any(part.startswith(".") for part in name.split("/"))
    }


def source_hash(folder: Path = PACKAGE_FOLDER) -> str:
    """One sha256 over the names and contents of all .py files under `folder`."""
    lines = [f"{digest}  {name}\n" for name, digest in source_files(folder).items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


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
