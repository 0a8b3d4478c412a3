"""Peak resident memory of training on MNIST's size, above what importing the libraries takes.

    python benchmarks/memory.py
    python benchmarks/memory.py --updates 20 --json

Two processes are started and the peak that the system saw of each is compared: one imports torch, diffusers
and `diffad.training` and does nothing, the other also trains. 60,000 images of 28 x 28 uint8 take 47 MB; as
floats they would take 188 MB, and that is what must not happen. Images are MNIST's where the data home has
them, noise otherwise: memory does not depend on what they show.
"""

import argparse
import json
import resource
import subprocess
import sys

TARGET_GB = 1.5
BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def peak_bytes() -> int:
    """The largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_UNIT


def measure_import() -> dict:
    """Import and do nothing; what a user pays before the first image."""
    import diffusers  # noqa: F401  the import is what is measured
    import torch  # noqa: F401

    import diffad.training  # noqa: F401

    return {"peak_bytes": peak_bytes()}


def measure_training(arguments: argparse.Namespace) -> dict:
    """Import, load the images, train, and look at the peak."""
    import numpy as np

    from diffad.datasets import is_available, load
    from diffad.model import ModelConfig
    from diffad.training import TrainingConfig, fit

    if is_available("mnist"):
        images, source = load("mnist", "train").images, "MNIST"
    else:
        images, source = (
            np.random.default_rng(0).integers(0, 256, (60_000, 28, 28, 1), dtype=np.uint8),
            "noise",
        )
    network = {"image_size": 28, "channels": 1, "size": arguments.size}
    configuration = TrainingConfig(
        num_updates=arguments.updates, batch_size=arguments.batch_size, validate_every=arguments.updates
    )
    fit(ModelConfig(network_parameters=network).build(), images, configuration, images[:512], progress=False)
    return {"peak_bytes": peak_bytes(), "source": source, "image_bytes": images.nbytes}


def in_a_process(arguments: argparse.Namespace, what: str) -> dict:
    """Run this file in a process of its own and return what it measured."""
    command = [sys.executable, __file__, "--only", what, "--updates", str(arguments.updates)]
    command += ["--size", arguments.size, "--batch-size", str(arguments.batch_size)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="small", help="of the U-Net: tiny, small, medium or large")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print JSON after the table")
    parser.add_argument(
        "--only", choices=("import", "training"), help="measure one in this process, print JSON"
    )
    return parser.parse_args()


def main() -> None:
    """Print the table; exit with 1 if training takes more than the target."""
    arguments = parse_arguments()
    if arguments.only:
        print(json.dumps(measure_import() if arguments.only == "import" else measure_training(arguments)))
        return
    imported, trained = (in_a_process(arguments, what) for what in ("import", "training"))
    above = (trained["peak_bytes"] - imported["peak_bytes"]) / 1e9
    rows = {
        f"images at rest ({trained['source']}, uint8)": trained["image_bytes"] / 1e9,
        "peak after the imports": imported["peak_bytes"] / 1e9,
        f"peak of training, U-Net {arguments.size}, batch {arguments.batch_size}": trained["peak_bytes"]
        / 1e9,
        "training above the imports": above,
    }
    for name, gigabytes in rows.items():
        print(f"{name:<45}{gigabytes:>8.3f} GB")
    print(f"{'target: at most':<45}{TARGET_GB:>8.3f} GB  {'pass' if above <= TARGET_GB else 'FAIL'}")
    if arguments.json:
        print(
            json.dumps(
                {"settings": vars(arguments), "gigabytes": rows, "passed": above <= TARGET_GB}, indent=1
            )
        )
    raise SystemExit(above > TARGET_GB)


if __name__ == "__main__":
    main()
