"""Which share of the machine's arithmetic a training reaches: model FLOPs utilisation, step by step in `fit`.

    python benchmarks/utilisation.py                                # DiT-B/4 at 64 px, batch 256, bf16, compiled: one GPU
    python benchmarks/utilisation.py --size mini --patch 2 --image-size 8 --channels 1 --batch-size 8 \\
        --updates 4 --precision fp32 --no-compile --matrix 512      # the same path on a CPU, in seconds

Utilisation is the operations of the network's forward and backward passes (counted by torch, two a multiply-add),
times the steps a second of `diffad.training.fit` with all that it does, over the measured rate of a dense matrix
product in the same precision on the same device. Steps are timed after those in which the network is compiled.
"""

import argparse
import statistics
from pathlib import Path

import torch
from common import RESULTS, default_device, machine, matmul_rate, write_result
from loops import NUM_STEPS, random_inputs

from diffad.costs import count_flops, on_meta
from diffad.model import ModelConfig
from diffad.training import TrainingConfig, fit

GOAL = 0.40  # on an H100-class GPU
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def network_words(arguments: argparse.Namespace) -> ModelConfig:
    """The transformer under test."""
    parameters = {
        "image_size": arguments.image_size,
        "channels": arguments.channels,
        "size": arguments.size,
        "patch": arguments.patch,
    }
    return ModelConfig(network="dit", network_parameters=parameters, num_steps=NUM_STEPS)


def seconds_a_step(arguments: argparse.Namespace, words: ModelConfig) -> list[float]:
    """Train; the seconds a step of each round but the first, in which everything warms up."""
    model = words.build()
    images = random_inputs(model, max(2 * arguments.batch_size, 1024))
    configuration = TrainingConfig(
        num_updates=arguments.updates * (arguments.rounds + 1),
        validate_every=arguments.updates,
        batch_size=arguments.batch_size,
        gradient_accumulation=arguments.gradient_accumulation,
        precision=arguments.precision,
        compile=arguments.compile,
    )
    history = fit(model, images, configuration)
    ends = history.seconds
    return [(end - begin) / arguments.updates for begin, end in zip(ends, ends[1:], strict=False)]


def measure(arguments: argparse.Namespace) -> dict:
    """What was counted and what was timed."""
    words, device = network_words(arguments), default_device()
    network = on_meta(words.network, words.network_parameters)
    flops = count_flops(network, arguments.batch_size, backward=True)
    steps = seconds_a_step(arguments, words)
    rate = matmul_rate(device, DTYPES[arguments.precision], arguments.matrix)
    achieved = flops / statistics.median(steps)
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "flops_a_step": flops,
        "seconds_a_step": steps,
        "images_per_second": arguments.batch_size / statistics.median(steps),
        "flops_per_second": achieved,
        "matmul_flops_per_second": rate,
        "utilisation": achieved / rate,
        "peak_gigabytes": torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else None,
    }


def parse_arguments() -> argparse.Namespace:
    """The command line; the defaults are the measurement that is meant for a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="B", help="of the transformer")
    parser.add_argument("--patch", type=int, default=4)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--channels", type=int, default=3, choices=(1, 3))
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--gradient-accumulation", type=int, default=1)
    parser.add_argument("--precision", choices=sorted(DTYPES), default="bf16")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--updates", type=int, default=20, help="updates a round")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds, after one to warm up")
    parser.add_argument("--matrix", type=int, default=8192, help="size of the matrices of the dense product")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON")
    return parser.parse_args()


def main() -> None:
    """Print the numbers, write the JSON, and on a GPU exit with 1 below the goal."""
    arguments = parse_arguments()
    result, device = measure(arguments), default_device()
    print(
        f"\nDiT-{arguments.size}/{arguments.patch} at {arguments.image_size} px, {result['parameters'] / 1e6:.1f} M "
        f"parameters, batch {arguments.batch_size}, {arguments.precision}, "
        f"{'compiled' if arguments.compile else 'not compiled'}, on {machine()['device']}"
    )
    print(f"{result['flops_a_step'] / 1e12:>12.4f} TFLOP a step, forward and backward")
    print(f"{result['images_per_second']:>12.1f} images a second in fit")
    print(f"{result['flops_per_second'] / 1e12:>12.3f} TFLOP/s in training")
    print(
        f"{result['matmul_flops_per_second'] / 1e12:>12.3f} TFLOP/s in a dense product of {arguments.matrix}"
    )
    print(f"{result['utilisation']:>12.1%} utilisation (goal on an H100-class GPU: {GOAL:.0%})")
    if result["peak_gigabytes"] is not None:
        print(f"{result['peak_gigabytes']:>12.2f} GB at the peak")
    settings = {name: value for name, value in vars(arguments).items() if name != "out"}
    write_result(f"utilisation-{device.type}", settings, result, arguments.out)
    raise SystemExit(device.type == "cuda" and result["utilisation"] < GOAL)


if __name__ == "__main__":
    main()
