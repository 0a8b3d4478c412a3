"""Whether bf16 ranks images as fp32 does: Spearman correlation of a trained model's scores, level by level.

    python benchmarks/precision.py
    python benchmarks/precision.py --per-group 200 --model results/mnist-c/cpu/model

The same trained weights score the same images, clean digits and those of each corruption, with the same noise
twice, in fp32 and in bf16 autocast, by one-step reconstruction. Printed are the correlations of the error at each
level, of the mean over levels, and of the rules that combine the levels, each rule calibrated in the precision that
it is used in. No label is read.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from common import RESULTS, default_device, machine, write_result
from scipy.stats import spearmanr

from diffad.configuration import load_experiment
from diffad.experiments import make_split
from diffad.model import DiffusionModel
from diffad.scorers import (
    COMBINATIONS,
    DEFAULT_LEVELS,
    Evaluator,
    LevelCalibration,
    OneStepReconstruction,
    levels_from_fractions,
)

GOAL = 0.999


def profiles(arguments: argparse.Namespace) -> dict[str, dict[str, np.ndarray]]:
    """precision -> part ("test" or "validation") -> errors (n, levels)."""
    experiment = load_experiment(arguments.experiment)
    edition = experiment.edition(arguments.edition)
    size = edition.protocol_parameters | {"per_group": arguments.per_group}
    split = make_split(experiment, edition.model_copy(update={"protocol_parameters": size}))
    parts = {"test": split.test, "validation": split.validation[: len(split.test)]}
    device = default_device()
    evaluator = Evaluator(DiffusionModel.load(arguments.model).to(device), arguments.batch_size)
    scorer = OneStepReconstruction(
        evaluator, levels_from_fractions(DEFAULT_LEVELS, evaluator.model.num_steps)
    )
    found = {}
    for precision in ("fp32", "bf16"):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            found[precision] = {name: scorer.profile(images) for name, images in parts.items()}
    return found


def correlations(found: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Rank correlation of bf16 with fp32 for each score."""
    scores: dict[str, list[np.ndarray]] = {}
    for parts in found.values():
        for number, level in enumerate(DEFAULT_LEVELS):
            scores.setdefault(f"error at t/T = {level:g}", []).append(parts["test"][:, number])
        scores.setdefault("mean error over levels", []).append(parts["test"].mean(axis=1))
        calibration = LevelCalibration(parts["validation"])
        for rule in COMBINATIONS:
            scores.setdefault(f"rule {rule}", []).append(calibration.combine(parts["test"], rule))
    return {name: float(spearmanr(*pair).statistic) for name, pair in scores.items()}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=Path("results/mnist-c/cpu/model"))
    parser.add_argument("--experiment", type=Path, default=Path("experiments/mnist_c.yaml"))
    parser.add_argument("--edition", default="cpu", help="whose test and validation images are scored")
    parser.add_argument("--per-group", type=int, default=60, help="test images a corruption, and clean ones")
    parser.add_argument("--batch-size", type=int, default=250)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON")
    return parser.parse_args()


def main() -> None:
    """Print the table, write the JSON, and exit with 1 where a score falls below the goal."""
    arguments = parse_arguments()
    found = profiles(arguments)
    table = correlations(found)
    print(f"\n{arguments.model}, {len(found['fp32']['test'])} test images, on {machine()['device']}")
    print(f"{'score':<26}{'rank correlation of bf16 with fp32':>36}")
    for name, correlation in table.items():
        print(f"{name:<26}{correlation:>36.5f}{'' if correlation >= GOAL else f'   below {GOAL}'}")
    settings = {name: value for name, value in vars(arguments).items() if name != "out"}
    write_result(f"precision-{default_device().type}", settings, table, arguments.out)
    raise SystemExit(any(correlation < GOAL for correlation in table.values()))


if __name__ == "__main__":
    main()
