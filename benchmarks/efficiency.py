"""What detection costs, against the size of images and the number of training rows.

    python benchmarks/efficiency.py                      # about twenty minutes of one core
    python benchmarks/efficiency.py --device cuda        # the networks alone, by the wall's clock
    python benchmarks/efficiency.py --smoke --out .work/efficiency

Each measurement runs in a process of its own on one thread and is written as soon as it is done: stopped and started
again, the command goes on where it was. Methods take turns in rounds, so that whatever else runs on the machine
meets all of them. What takes more than the caps is recorded as stopped. `diffad verify-results` recomputes medians and
exponents from the raw rounds.
"""

import argparse
from pathlib import Path

from diffad.efficiency.record import measure_all
from diffad.efficiency.settings import NETWORK_METHODS, EfficiencySettings

RESULTS = Path(__file__).resolve().parent.parent / "results" / "efficiency"
SMOKE = {
    "sides": (8, 16, 24),
    "rows_at_each_side": 64,
    "rows": (64, 96, 128),
    "side_for_rows": 8,
    "scored_images": 10,
    "rounds": 1,
    "updates": 1,
    "images_at_once": 4,
}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--methods", nargs="+", help="all by default; on cuda, the networks")
    parser.add_argument("--sides", type=int, nargs="+", help="pixels a side")
    parser.add_argument("--rows", type=int, nargs="+", help="training rows")
    parser.add_argument("--rounds", type=int, help="how often each cell is measured")
    parser.add_argument("--cap-seconds", type=int, help="for one call; what takes longer is stopped")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, one round: to see that it runs")
    parser.add_argument("--out", type=Path, help="folder of the record; results/efficiency/DEVICE by default")
    return parser.parse_args()


def settings_of(arguments: argparse.Namespace) -> EfficiencySettings:
    """The settings that the command line asks for."""
    asked = {name: getattr(arguments, name) for name in ("methods", "sides", "rows", "rounds", "cap_seconds")}
    given = {name: value for name, value in asked.items() if value is not None}
    on_device = {"device": arguments.device}
    if arguments.device == "cuda":
        on_device["methods"] = tuple(NETWORK_METHODS)
    return EfficiencySettings(**(SMOKE if arguments.smoke else {}) | on_device | given)


def main() -> None:
    """Measure what is left, and print the exponents."""
    arguments = parse_arguments()
    folder = arguments.out or RESULTS / ("gpu" if arguments.device == "cuda" else "cpu")
    record = measure_all(settings_of(arguments), folder)
    print(f"\n{'method':<24}{'axis':<8}{'phase':<10}{'of':<9}{'exponent':>9}  95 % interval")
    for each in record.growths:
        print(
            f"{each.method:<24}{each.axis:<8}{each.phase:<10}{each.quantity:<9}{each.exponent:>9.2f}"
            f"  {each.low:.2f} to {each.high:.2f}"
        )
    print(f"{len(record.measurements)} measurements, {len(record.stopped())} stopped, in {folder}")


if __name__ == "__main__":
    main()
