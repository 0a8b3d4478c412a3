"""What the benchmarks share: a clock that knows the device, rounds in which rivals take turns, and their report."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import torch

from diffad.storage import publish_file

RESULTS = Path(__file__).resolve().parent.parent / "results" / "benchmarks"
PACKAGES = ("torch", "diffusers", "accelerate", "timm", "denoising-diffusion-pytorch")


def default_device() -> torch.device:
    """A GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def wait_for_device() -> None:
    """Let the accelerator finish what is queued, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(function: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    wait_for_device()
    began = time.perf_counter()
    function()
    wait_for_device()
    return time.perf_counter() - began


def take_turns(functions: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each function in each round, after one round that is thrown away.

    They take turns, in an order that is reversed from round to round, so that whatever else runs on the machine
    slows all of them.
    """
    for function in functions.values():
        function()
    measured: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(rounds):
        for name in list(functions)[:: -1 if number % 2 else 1]:
            measured[name].append(seconds(functions[name]))
    return measured


def median_ratio(slower: list[float], faster: list[float]) -> tuple[float, float, float]:
    """Median, lowest and highest over rounds of how many times the first takes as long as the second."""
    ratios = [one / other for one, other in zip(slower, faster, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def matmul_rate(device: torch.device, dtype: torch.dtype, size: int, repeats: int = 10) -> float:
    """Operations a second of a dense product of two (size, size) matrices: the median of `repeats`."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    times = take_turns({"product": lambda: left @ right}, repeats)["product"]
    return 2 * size**3 / statistics.median(times)


def machine() -> dict:
    """Where and with what the numbers were measured."""
    device = default_device()
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    """The processor's name; platform knows it on few systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write_result(name: str, settings: dict, results: object, folder: Path | str = RESULTS) -> Path:
    """Write settings, machine and results to `folder`/NAME.json, whole or not at all; returns the path."""
    path = Path(folder) / f"{name}.json"
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    with publish_file(path) as partial:
        content = {"settings": settings, "machine": machine(), "results": results}
        partial.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written to {path}")
    return path
