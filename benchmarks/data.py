"""How fast and how large loading is, and whether batches reach the network faster than it can learn from
them.

    python benchmarks/data.py
    python benchmarks/data.py --json

Needs CIFAR-10 and Mini-ImageNet's test part in the data home; a set that is not there is named and left out.
Each load runs in a process of its own, so that its memory can be told from everything else's: peak resident
memory after the load, less what the process held before it, against the bytes of the images. Mini-ImageNet's
first load decodes into a fresh cache; the later ones map it. Files are read once beforehand: "cached" means
by the operating system.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from diffad.datasets import data_home, is_available, load
from diffad.images import to_network
from diffad.model import ModelConfig
from diffad.training import batch_indices

ROUNDS = 5
BATCH = 128

LOAD_ELSEWHERE = """
import json, sys, time, tracemalloc
from pathlib import Path
from diffad.datasets import load
name, part, home, what = sys.argv[1:]
if what == "memory":
    tracemalloc.start()
began = time.perf_counter()
images = load(name, part, Path(home)).images
seconds = time.perf_counter() - began
print(json.dumps(tracemalloc.get_traced_memory()[1] / images.nbytes if what == "memory" else seconds))
"""


@dataclass
class Measurement:
    """A measured number and the goal it is held against."""

    name: str
    value: float
    unit: str
    goal: float
    higher_is_better: bool = False

    @property
    def passed(self) -> bool:
        """Whether the goal is reached."""
        return self.value >= self.goal if self.higher_is_better else self.value <= self.goal


def load_elsewhere(name: str, part: str, home: Path, what: str) -> float:
    """Load in a fresh process; return its seconds, or its peak memory as a share of the images' bytes."""
    command = [sys.executable, "-c", LOAD_ELSEWHERE, name, part, str(home), what]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure_cifar10(home: Path) -> list[Measurement]:
    """Load the 50,000 training images."""
    seconds = min(load_elsewhere("cifar10", "train", home, "seconds") for _ in range(ROUNDS))
    memory = load_elsewhere("cifar10", "train", home, "memory")
    return [
        Measurement("CIFAR-10 train, load", seconds, "s", 0.5),
        Measurement("CIFAR-10 train, peak memory", memory, "x its bytes", 1.2),
    ]


def measure_mini_imagenet(home: Path) -> list[Measurement]:
    """Load the 20 test classes with an empty cache, then with the cache that this left."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        fresh = Path(folder)
        (fresh / "mini-imagenet").symlink_to((home / "mini-imagenet").resolve())
        first = load_elsewhere("mini-imagenet", "test", fresh, "seconds")
        later = min(load_elsewhere("mini-imagenet", "test", fresh, "seconds") for _ in range(ROUNDS))
        memory = load_elsewhere("mini-imagenet", "test", fresh, "memory")
    return [
        Measurement("Mini-ImageNet test, first load", first, "s", 30.0),
        Measurement("Mini-ImageNet test, later loads", later, "s", 2.0),
        Measurement("Mini-ImageNet test, peak memory later", memory, "x its bytes", 1.2),
    ]


def measure_batches(name: str, part: str, home: Path) -> Measurement:
    """Compare cutting and converting batches with training steps of the smallest U-Net on one ready-made
    batch.

    Both take turns; the median ratio of their times is reported, so that other work on the machine slows
    both.
    """
    images = load(name, part, home).images
    network = {"image_size": images.shape[1], "channels": images.shape[3], "size": "tiny"}
    model = ModelConfig(network_parameters=network, num_steps=1000).build()
    optimiser = torch.optim.AdamW(model.parameters())
    ready = to_network(images[:BATCH])
    times = torch.full((BATCH,), 500)

    def cut(update: int) -> None:
        to_network(images[batch_indices(len(images), BATCH, update, seed=0)])

    def train(update: int) -> None:
        optimiser.zero_grad()
        model.network(ready, times).square().mean().backward()
        optimiser.step()

    ratios = []
    for update in range(ROUNDS + 1):
        seconds = []
        for step in (cut, train):
            began = time.perf_counter()
            step(update)
            seconds.append(time.perf_counter() - began)
        ratios.append(seconds[1] / seconds[0])
    ratio = float(np.median(ratios[1:]))  # the first round warms both up
    return Measurement(f"{name} batches, speed against training", ratio, "x", 5.0, higher_is_better=True)


def main() -> None:
    """Measure what the data home allows, print it, and exit with 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, default=data_home(), help="the data home")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    measurements: list[Measurement] = []
    for name, part, measure in (
        ("cifar10", "train", measure_cifar10),
        ("mini-imagenet", "test", measure_mini_imagenet),
    ):
        if not is_available(name, arguments.home):
            print(f"{name} is not in {arguments.home}: left out", file=sys.stderr)
            continue
        measurements += [*measure(arguments.home), measure_batches(name, part, arguments.home)]
    if arguments.json:
        print(json.dumps([{**asdict(each), "passed": each.passed} for each in measurements], indent=1))
    else:
        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        )
        for each in measurements:
            sign = ">=" if each.higher_is_better else "<="
            verdict = "reached" if each.passed else "MISSED"
            print(f"{each.name:46}{each.value:8.2f} {each.unit:12} goal {sign} {each.goal:g}: {verdict}")
    sys.exit(0 if measurements and all(each.passed for each in measurements) else 1)


if __name__ == "__main__":
    main()
