"""What training and scoring cost above the bare network, side by side in one run.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --rounds 7 --size medium --image-size 32 --json

Training: `diffad.training.fit` (batches cut from uint8 images, noise levels, moving average, clipping, progress
bar, history, the check for NaN) against forward, backward and optimiser step of the same network on one
ready-made batch.
Scoring: `OneStepReconstruction` (uint8 to score) against forward calls on ready-made batches.

The two of a pair take turns, so that whatever else runs on the machine slows both; the ratio of each round is
taken and its median reported. Only ratios mean anything on a loaded machine.
"""

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from common import seconds

from diffad.model import DiffusionModel, ModelConfig
from diffad.networks import UNET_SIZES
from diffad.scorers import Evaluator, OneStepReconstruction
from diffad.training import TrainingConfig, fit

TARGETS = {"training": 0.97, "scoring": 0.95}
NUM_STEPS = 1000


@dataclass
class Comparison:
    """Images a second of both sides, medians over rounds, and the median of the rounds' ratios."""

    name: str
    diffad_per_second: float
    bare_per_second: float
    ratio: float
    ratios: list[float]

    @property
    def target(self) -> float:
        """The least ratio that is aimed at."""
        return TARGETS[self.name]

    @property
    def passed(self) -> bool:
        """Whether the ratio reaches the target."""
        return self.ratio >= self.target


def build(arguments: argparse.Namespace) -> DiffusionModel:
    """The network under test, untrained: what its weights are does not change what it costs."""
    network = {"image_size": arguments.image_size, "channels": arguments.channels, "size": arguments.size}
    return ModelConfig(network_parameters=network, num_steps=NUM_STEPS).build()


def random_images(arguments: argparse.Namespace, num_images: int) -> np.ndarray:
    """uint8 noise in the shape of the images."""
    shape = (num_images, arguments.image_size, arguments.image_size, arguments.channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def compare(name: str, ours: Callable, bare: Callable, num_images: int, rounds: int) -> Comparison:
    """Time both in turn, after one round that is thrown away; the order changes from round to round."""
    ours(), bare()
    pairs = []
    for number in range(rounds):
        if number % 2:
            second, first = seconds(bare), seconds(ours)
        else:
            first, second = seconds(ours), seconds(bare)
        pairs.append((first, second))
    ratios = [round(plain / full, 4) for full, plain in pairs]
    full, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Comparison(name, num_images / full, num_images / plain, statistics.median(ratios), ratios)


def training(arguments: argparse.Namespace, device: torch.device) -> Comparison:
    """fit against a bare loop over the same network, batch, optimiser and number of updates."""
    updates, batch = arguments.updates, arguments.batch_size
    images = random_images(arguments, max(1000, batch))
    configuration = TrainingConfig(
        num_updates=updates, batch_size=batch, validate_every=updates, checkpoint_every=updates
    )
    model, network = build(arguments), build(arguments).network.to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=configuration.learning_rate, fused=True)
    x_t = torch.randn(batch, arguments.channels, arguments.image_size, arguments.image_size, device=device)
    noise, t = torch.randn_like(x_t), torch.randint(1, NUM_STEPS + 1, (batch,), device=device)

    def bare_loop() -> None:
        for _ in range(updates):
            loss = torch.nn.functional.mse_loss(network(x_t, t), noise)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    return compare(
        "training", lambda: fit(model, images, configuration), bare_loop, updates * batch, arguments.rounds
    )


def scoring(arguments: argparse.Namespace, device: torch.device) -> Comparison:
    """The one-step scorer against forward calls at the same batch size, as many as the scorer makes."""
    batch, levels, draws = arguments.scoring_batch_size, [50, 100, 200, 400], 2
    evaluations = arguments.scoring_batches * batch
    images = random_images(arguments, evaluations // (len(levels) * draws))
    model = build(arguments).to(device)
    scorer = OneStepReconstruction(Evaluator(model, batch), levels, draws)
    x_t = torch.randn(batch, arguments.channels, arguments.image_size, arguments.image_size, device=device)
    t = torch.randint(1, NUM_STEPS + 1, (batch,), device=device)

    def bare_calls() -> None:
        with torch.inference_mode():
            for _ in range(arguments.scoring_batches):
                model.network(x_t, t)

    return compare("scoring", lambda: scorer.profile(images), bare_calls, len(images), arguments.rounds)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which the two take turns")
    parser.add_argument("--size", choices=sorted(UNET_SIZES), default="small", help="of the U-Net")
    parser.add_argument("--image-size", type=int, default=28)
    parser.add_argument("--channels", type=int, default=1, choices=(1, 3))
    parser.add_argument("--batch-size", type=int, default=64, help="images a training step")
    parser.add_argument("--updates", type=int, default=12, help="training steps a round")
    parser.add_argument("--scoring-batch-size", type=int, default=248, help="a multiple of 8 evaluations")
    parser.add_argument("--scoring-batches", type=int, default=4, help="batches a round")
    parser.add_argument("--json", action="store_true", help="print JSON after the table")
    return parser.parse_args()


def main() -> None:
    """Print the table; exit with 1 if a ratio is below its target."""
    arguments = parse_arguments()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    results = [training(arguments, device), scoring(arguments, device)]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"\nU-Net {arguments.size}, {arguments.image_size} px, {device}, {torch.get_num_threads()} threads, "
        f"{arguments.rounds} rounds, load average {load:.1f}"
    )
    print(
        f"{'':<10}{'diffad img/s':>14}{'bare img/s':>12}{'ratio':>8}{'lowest':>8}{'highest':>9}{'target':>8}"
    )
    for result in results:
        print(
            f"{result.name:<10}{result.diffad_per_second:>14.1f}{result.bare_per_second:>12.1f}"
            f"{result.ratio:>8.3f}{min(result.ratios):>8.3f}{max(result.ratios):>9.3f}{result.target:>8.2f}"
            f"  {'pass' if result.passed else 'FAIL'}"
        )
    if arguments.json:
        rows = [asdict(result) | {"target": result.target, "passed": result.passed} for result in results]
        about = vars(arguments) | {
            "device": str(device),
            "threads": torch.get_num_threads(),
            "load_average": load,
            "torch": torch.__version__,
            "machine": platform.machine(),
        }
        print(json.dumps({"settings": about, "results": rows}, indent=1))
    raise SystemExit(not all(result.passed for result in results))


if __name__ == "__main__":
    main()
