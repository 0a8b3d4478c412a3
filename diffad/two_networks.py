"""U-Net and diffusion transformer from equal compute, set side by side: what each was given, and how well it detects.

Tasks come from `diffad.joined_tasks`, whose methods are named by network, "unet/one_step" and "dit/one_step".
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diffad.bootstrap import Interval
from diffad.costs import count_flops, on_meta
from diffad.errors import RecordError
from diffad.evaluation import MEAN_OVER_GROUPS, GroupResults
from diffad.experiments import HISTORY_FILE
from diffad.figures.style import NETWORK_TITLES, method_title
from diffad.joined_tasks import NETWORKS, JoinedTask
from diffad.run_record import RunRecord
from diffad.tables import means, one_header, one_line

WAYS = (  # of asking a network
    "one_step",
    "partial_diffusion",
    "levels_max_abs",
    "levels_mahalanobis",
    "denoiser_errors",
    "denoiser_activations",
    "denoiser_profile",
)
JUDGED = (
    "one_step",
    "partial_diffusion",
    "denoiser_profile",
)  # the paper's two scores and the book's reading
NEURAL = ("autoencoder", "deep_svdd")  # baselines that are networks, in the records of the transformer
OPERATIONS = "operations a training, 10^12"


def runs_by_network(tasks: Mapping[str, JoinedTask]) -> dict[str, dict[Path, RunRecord]]:
    """Folder and record of every run of each network that all tasks were run with."""
    found = {network: {} for network in NETWORKS}
    for task in tasks.values():
        for folder, record in task.records.items():
            found[record.experiment["model"]["network"]][folder] = record
    return {network: runs for network, runs in found.items() if runs and len(runs) == len(tasks)}


def budget_table(tasks: Mapping[str, JoinedTask]) -> pd.DataFrame:
    """What each network was given: a row a network, compute counted on the network itself, minutes a task, and the
    error of the noise on held-out normal images, as means over the tasks.

    Raises:
        RecordError: a run's training history is missing or damaged.
    """
    rows = {}
    for network, runs in runs_by_network(tasks).items():
        asked = next(iter(runs.values())).experiment
        images = asked["training"]["num_updates"] * asked["training"]["batch_size"]
        meta = on_meta(network, asked["model"]["network_parameters"])
        rows[NETWORK_TITLES[network]] = {
            "parameters, millions": sum(each.numel() for each in meta.parameters()) / 1e6,
            OPERATIONS: count_flops(meta, backward=True) * images / 1e12,
            "images seen": images,
            "training, min a task": np.mean([run.wall_seconds["ddpm/train"] for run in runs.values()]) / 60,
            "scoring, min a task": np.mean([run.wall_seconds["ddpm/score"] for run in runs.values()]) / 60,
            "noise error on held-out normals": np.mean([_last_validation_loss(folder) for folder in runs]),
        }
    return one_header(pd.DataFrame.from_dict(rows, orient="index").rename_axis("network"))


def _last_validation_loss(folder: Path) -> float:
    path = folder / HISTORY_FILE
    try:
        return float(json.loads(path.read_text())["validation_loss"][-1])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise RecordError(f"{path} is missing or not a training history ({error})") from error


def qualified(ways: Sequence[str] = WAYS) -> list[str]:
    """The names of `ways` by either network, as in a joined task."""
    return [f"{network}/{way}" for network in NETWORKS for way in ways]


def network_differences(results: GroupResults, ways: Sequence[str] = WAYS) -> dict[str, Interval]:
    """U-Net minus DiT in the mean over tasks, in [-1, 1], with the paired interval, for each way of asking."""
    metric = results.metrics[0]
    return {way: results.difference(metric, f"unet/{way}", f"dit/{way}", MEAN_OVER_GROUPS) for way in ways}


def network_table(results: GroupResults, ways: Sequence[str] = WAYS) -> pd.DataFrame:
    """Means of both networks in %, their paired difference in points, and tasks won, tied and lost by the U-Net."""
    metric, averages = results.metrics[0], means(results)
    rows = {}
    for way, difference in network_differences(results, ways).items():
        each = [results.difference(metric, f"unet/{way}", f"dit/{way}", task) for task in results.groups]
        won, lost = sum(one.low > 0 for one in each), sum(one.high < 0 for one in each)
        rows[method_title(way).removeprefix("DDPM, ")] = {
            **{NETWORK_TITLES[name]: one_line(averages[f"{name}/{way}"].percent()) for name in NETWORKS},
            "U-Net minus DiT, points": one_line(difference.percent()),
            "tasks for U-Net / tied / for DiT": f"{won} / {len(each) - won - lost} / {lost}",
        }
    return one_header(pd.DataFrame.from_dict(rows, orient="index").rename_axis("score"))


def told_apart(differences: Mapping[str, Interval]) -> str:
    """One sentence on the paper's score and the profile, from `network_differences`."""
    plain, profile = differences["one_step"], differences["denoiser_profile"]
    apart = [each for each in (plain, profile) if each.low > 0 or each.high < 0]
    return (
        f"By the paper's score the U-Net's lead is {one_line(plain.percent())} points, by the denoiser's profile "
        f"{one_line(profile.percent())}: "
    ) + {
        0: "neither interval leaves zero out.",
        1: "one of the two intervals leaves zero out.",
        2: "both intervals leave zero out.",
    }[len(apart)]


def neural_note(results: GroupResults) -> str:
    """One sentence on the means of the baselines in `NEURAL`."""
    averages = means(results)
    reached = [f"{method_title(name)} reaches {one_line(averages[name].percent())} %" for name in NEURAL]
    return f"Of the two baselines, {' and '.join(reached)}."
