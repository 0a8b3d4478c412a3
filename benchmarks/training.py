"""Training throughput of a network in `diffad.training.fit`, in a bare loop, and in the loops of two other packages.

    python benchmarks/training.py
    python benchmarks/training.py --network dit --size S --patch 4 --image-size 32 --channels 3
    python benchmarks/training.py --network mlp --features 512 --batch-size 256

Same network, same initial weights, same batch size, fp32, one run; the loops take turns round by round and the
median of the rounds' ratios counts. `benchmarks/loops.py` says what each loop does. The other packages train on
image files, so a network for vectors meets the bare loop alone. Peak memory is measured in a process a loop.

Needs the extra `benchmark` for denoising-diffusion-pytorch.
"""

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from common import RESULTS, default_device, machine, median_ratio, take_turns, write_result
from loops import (
    NUM_STEPS,
    BareLoop,
    DiffusersLoop,
    LucidrainsLoop,
    OurLoop,
    random_inputs,
    write_pictures,
)

from diffad.model import ModelConfig
from diffad.training import TrainingConfig

OTHERS = ("diffusers", "lucidrains")
LEAST_OF_BARE = 0.97
DEFAULT_SIZES = {"unet": "small", "dit": "Ti"}
BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def network_words(arguments: argparse.Namespace) -> ModelConfig:
    """The network under test."""
    if arguments.network == "mlp":
        parameters = {"features": arguments.features, "width": arguments.width}
    else:
        parameters = {
            "image_size": arguments.image_size,
            "channels": arguments.channels,
            "size": arguments.size or DEFAULT_SIZES[arguments.network],
        }
        if arguments.network == "dit":
            parameters["patch"] = arguments.patch
    return ModelConfig(network=arguments.network, network_parameters=parameters, num_steps=NUM_STEPS)


@contextlib.contextmanager
def made_loops(arguments: argparse.Namespace, names: list[str]) -> Iterator[dict[str, Callable[[int], None]]]:
    """The named loops, each a function of a number of updates."""
    words, batch = network_words(arguments), arguments.batch_size
    inputs = random_inputs(words.build(), batch * max(16, (arguments.rounds + 1) * arguments.updates))
    configuration = TrainingConfig(num_updates=arguments.updates, batch_size=batch)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        folder.mkdir()
        paths = write_pictures(inputs, folder) if set(names) & set(OTHERS) else []
        size, channels = arguments.image_size, arguments.channels
        makers = {
            "diffad": lambda: OurLoop(words, inputs, configuration),
            "bare": lambda: BareLoop(words, inputs, batch, default_device()),
            "diffusers": lambda: DiffusersLoop(words, paths, size, batch),
            "lucidrains": lambda: LucidrainsLoop(words, folder, size, channels, batch),
        }
        yield {name: makers[name]().run for name in names}


def peak_memory(arguments: argparse.Namespace, name: str) -> float:
    """Bytes at the peak of a few updates of one loop, above what stood before the loop was made: on the GPU
    those allocated, else those resident.
    """
    with made_loops(arguments, []):  # so that the inputs have been made once
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_UNIT
    with made_loops(arguments, [name]) as loops:
        loops[name](3)
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_UNIT - before


def peak_memory_elsewhere(name: str) -> float:
    """`peak_memory` of one loop in a process of its own."""
    command = [sys.executable, *sys.argv, "--only-memory", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def measure(arguments: argparse.Namespace) -> list[dict]:
    """A row a loop: images a second, ours over theirs, and peak memory."""
    names = ["diffad", *(name for name in arguments.loops if name != "diffad")]
    if arguments.network == "mlp":
        names = [name for name in names if name not in OTHERS]
    with made_loops(arguments, names) as loops:
        functions = {name: (lambda run=run: run(arguments.updates)) for name, run in loops.items()}
        times = take_turns(functions, arguments.rounds)
    items, rows = arguments.updates * arguments.batch_size, []
    for name in names:
        ratio, lowest, highest = median_ratio(times[name], times["diffad"])
        rows.append(
            {
                "loop": name,
                "items_per_second": items / statistics.median(times[name]),
                "diffad_is_times_as_fast": ratio,
                "lowest": lowest,
                "highest": highest,
                "peak_gigabytes": peak_memory_elsewhere(name) / 1e9 if arguments.memory else None,
                "goal": None if name == "diffad" else LEAST_OF_BARE if name == "bare" else 1.0,
            }
        )
    return rows


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", choices=("unet", "dit", "mlp"), default="unet")
    parser.add_argument("--size", help="of the U-Net or transformer; default small or Ti")
    parser.add_argument("--image-size", type=int, default=28)
    parser.add_argument("--channels", type=int, default=1, choices=(1, 3))
    parser.add_argument("--patch", type=int, default=4, help="of the transformer")
    parser.add_argument("--features", type=int, default=512, help="of the perceptron's vectors")
    parser.add_argument("--width", type=int, default=512, help="of the perceptron")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--updates", type=int, default=8, help="updates a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which the loops take turns")
    parser.add_argument("--loops", nargs="+", choices=("bare", *OTHERS), default=["bare", *OTHERS])
    parser.add_argument("--memory", action="store_true", help="measure the peak memory of each loop too")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON")
    parser.add_argument("--only-memory", choices=("diffad", "bare", *OTHERS), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print the table, write the JSON, and exit with 1 where a goal is missed."""
    arguments = parse_arguments()
    if arguments.only_memory:
        print(json.dumps(peak_memory(arguments, arguments.only_memory)))
        return
    rows, about = measure(arguments), machine()
    print(
        f"\n{network_words(arguments).network_parameters} on {about['device']}, {about['threads']} threads,"
    )
    print(f"batch {arguments.batch_size}, {arguments.rounds} rounds of {arguments.updates} updates")
    print(f"{'loop':<12}{'items/s':>10}{'diffad is':>12}{'lowest':>9}{'highest':>9}{'goal':>7}{'peak GB':>9}")
    for row in rows:
        goal = "" if row["goal"] is None else f"{row['goal']:.2f}"
        peak = "" if row["peak_gigabytes"] is None else f"{row['peak_gigabytes']:.2f}"
        print(
            f"{row['loop']:<12}{row['items_per_second']:>10.1f}{row['diffad_is_times_as_fast']:>11.3f}x"
            f"{row['lowest']:>9.3f}{row['highest']:>9.3f}{goal:>7}{peak:>9}"
        )
    settings = {name: value for name, value in vars(arguments).items() if name not in ("only_memory", "out")}
    write_result(f"training-{arguments.network}-{default_device().type}", settings, rows, arguments.out)
    raise SystemExit(any(row["goal"] and row["diffad_is_times_as_fast"] < row["goal"] for row in rows))


if __name__ == "__main__":
    main()
