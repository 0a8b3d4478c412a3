"""Tables of ablations: what several trainings of each setting reached, and what differs between settings."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from scipy.stats import t as student

from diffad.ablations import SCORED_LEVELS, WALK_STARTS, WALK_STEPS, Cell, reference_log_snr
from diffad.bootstrap import Interval
from diffad.comparison_tables import seconds_per_image
from diffad.figures.ablations import setting_title
from diffad.figures.style import method_title
from diffad.methods import level_name
from diffad.run_record import RunRecord, RunScores
from diffad.tables import one_header, one_line
from diffad.trainings import TrainedQuantity, TrainedSettings, by_setting

BITS, PSNR, SSIM, SHARPNESS, NOISE = "bits a dimension", "PSNR, dB", "SSIM", "sharpness", "noise error"
DECIMALS = {BITS: 2, PSNR: 2, SSIM: 3, SHARPNESS: 2, NOISE: 4}


def quality_values(cells: Mapping[str, Cell], num_steps: int = max(WALK_STEPS)) -> dict[str, TrainedQuantity]:
    """Quantity -> what every training reached on every held-out image.

    Noise error is the mean over the six levels of the scores; the rest but the bits is of the walk from the reference's
    t / T = 0.25 in `num_steps` steps.
    """
    levels, (start, *_) = reference_log_snr(SCORED_LEVELS), reference_log_snr(WALK_STARTS)
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in DECIMALS}
    errors = {}
    for setting, names in by_setting(list(cells)).items():
        qualities = [cells[name].quality for name in names]
        walks = [quality.walk(start, num_steps) for quality in qualities]
        found[BITS][setting] = np.array([[quality.bits_per_dim["total"]] for quality in qualities])
        errors[setting] = max(quality.bits_per_dim_error["total"] for quality in qualities)
        found[PSNR][setting] = np.array([walk.psnr.values for walk in walks])
        found[SSIM][setting] = np.array([walk.ssim.values for walk in walks])
        found[SHARPNESS][setting] = np.array([walk.sharpness.values for walk in walks])
        found[NOISE][setting] = np.array(
            [
                np.mean([each.values for each in quality.eps_error if each.log_snr in levels], axis=0)
                for quality in qualities
            ]
        )
    return {name: TrainedQuantity(each, errors if name == BITS else {}) for name, each in found.items()}


def eps_error_curves(cells: Mapping[str, Cell], levels: Sequence[float]) -> dict[str, np.ndarray]:
    """{setting: (trainings, levels)} mean errors of the predicted noise; NaN where a model has no such level."""
    return {
        setting: np.stack([cells[name].quality.eps_errors(levels) for name in names])
        for setting, names in by_setting(list(cells)).items()
    }


def level_aurocs(cells: Mapping[str, Cell]) -> dict[str, np.ndarray]:
    """{setting: (trainings, levels)} mean AUROC in % of one-step error at each of the cell's levels, from the records."""
    found = {}
    for setting, names in by_setting(list(cells)).items():
        fractions = cells[names[0]].record.experiment["scoring"]["levels"]
        found[setting] = np.array(
            [
                [100 * cells[name].record.interval(level_name(each)).estimate for each in fractions]
                for name in names
            ]
        )
    return found


def walks_table(record: RunRecord, scores: RunScores) -> pd.DataFrame:
    """What more steps back buy, from a `diffad.comparison` record whose scorers are partial diffusions by "l2".

    Index: steps, rising. Columns: method (the record's name), auroc (`Interval`, mean over groups, in [0, 1]), psnr
    (`Interval`, dB, mean over clean test images, over which it is taken) and milliseconds, measured, an image.
    """
    rows = {}
    for name, choice in record.experiment["scorers"].items():
        if choice["scorer"] == "partial":
            rows[choice["parameters"]["num_steps"]] = {
                "method": name,
                "auroc": record.interval(name),
                "psnr": mean_interval(reconstruction_psnr(scores, name)),
                "milliseconds": 1000 * seconds_per_image(record, name),
            }
    return pd.DataFrame.from_dict(rows, orient="index").sort_index()


def reconstruction_psnr(scores: RunScores, method: str) -> np.ndarray:
    """PSNR in dB of each clean test image (label 0), from its mean squared error in [-1, 1]: float64 (images,)."""
    return 10 * np.log10(4 / scores.by_method[method][scores.labels == 0])


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """The mean of values (n,), one an image or training, with Student's interval."""
    half = student.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return Interval(float(values.mean()), float(values.mean() - half), float(values.mean() + half))


def times(interval: Interval, factor: float) -> Interval:
    """The interval in another unit; a negative factor turns it round."""
    ends = sorted((factor * interval.low, factor * interval.high))
    return Interval(factor * interval.estimate, *ends)


def five_minus_one(cells: Mapping[str, Cell]) -> dict[str, Interval]:
    """Quantity -> a walk of five steps minus a walk of one, on the same trainings: mean over them, Student's interval."""
    several, one = (quality_values(cells, steps) for steps in (5, 1))
    return {
        quantity: mean_interval(
            np.concatenate(
                [np.subtract(found, one[quantity].values()[name]) for name, found in each.values().items()]
            )
        )
        for quantity, each in several.items()
    }


def plain(interval: Interval, decimals: int) -> str:
    """An interval in its own unit on one line, such as "2.45 (2.40, 2.50)"; with a sign where it is a difference."""
    ends = [f"{value:.{decimals}f}" for value in (interval.estimate, interval.low, interval.high)]
    return one_line(f"{ends[0]} ({ends[1]}, {ends[2]})")


def quality_table(values: Mapping[str, TrainedQuantity]) -> pd.DataFrame:
    """A row a setting, a column a quantity of `quality_values`: mean over trainings with its interval."""
    table = pd.DataFrame(
        {
            quantity: {
                setting_title(name): plain(found.interval(name), DECIMALS[quantity]) for name in found.images
            }
            for quantity, found in values.items()
        }
    )
    return one_header(table.rename_axis("setting"))


def bound_table(cells: Mapping[str, Cell]) -> pd.DataFrame:
    """A row a setting: the variational bound in bits a dimension, all steps but the last, and the last; means over trainings."""
    rows = {}
    for setting, names in by_setting(list(cells)).items():
        parts = [cells[name].quality.bits_per_dim for name in names]
        rows[setting_title(setting)] = {
            "all steps but the last": f"{np.mean([each['denoising'] for each in parts]):.2f}",
            "last step": f"{np.mean([each['reconstruction'] for each in parts]):.2f}",
        }
    return one_header(pd.DataFrame.from_dict(rows, orient="index").rename_axis("setting"))


def quality_differences(
    values: Mapping[str, TrainedQuantity], against: str, confidence: float = 0.95
) -> dict[str, dict[str, Interval]]:
    """Setting -> {quantity: the setting minus `against`}."""
    settings = [name for name in next(iter(values.values())).images if name != against]
    return {
        name: {quantity: found.difference(name, against, confidence) for quantity, found in values.items()}
        for name in settings
    }


def quality_difference_table(differences: Mapping[str, Mapping[str, Interval]]) -> pd.DataFrame:
    """The result of `quality_differences` as a page shows it."""
    table = pd.DataFrame(
        {
            setting_title(name): {
                quantity: plain(each, DECIMALS[quantity]) for quantity, each in found.items()
            }
            for name, found in differences.items()
        }
    )
    return one_header(table.T.rename_axis("setting"))


def detection_table(trained: Mapping[str, TrainedSettings], against: str | None = None) -> pd.DataFrame:
    """A row a setting, a column a score: mean AUROC in %; or its difference to `against`, in points.

    Intervals cover other test images and other trainings.
    """
    columns = {}
    for method, each in trained.items():
        names = [name for name in each.settings if name != against]
        columns[method_title(method)] = {
            setting_title(name): one_line(
                (each.interval(name) if against is None else each.difference(name, against)).percent()
            )
            for name in names
        }
    return one_header(pd.DataFrame(columns).rename_axis("setting"))


def spread_table(values: Mapping[str, Mapping[str, Sequence[float]]]) -> pd.DataFrame:
    """A row a setting, a column a result of `values_by_result`: standard deviation between its trainings."""
    table = pd.DataFrame(
        {
            result: {setting_title(name): f"{np.std(found, ddof=1):.3f}" for name, found in settings.items()}
            for result, settings in values.items()
        }
    )
    return one_header(table.rename_axis("setting"))


def values_by_result(cells: Mapping[str, Cell], methods: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Result -> {setting: one number a training}: bits a dimension, PSNR, and the AUROC in % of each method.

    Only settings that were trained twice or more; empty where there is none.
    """
    several = {name for names in by_setting(list(cells)).values() if len(names) > 1 for name in names}
    chosen = {name: cell for name, cell in cells.items() if name in several}
    if not chosen:
        return {}
    quality = quality_values(chosen)
    found = {name: quality[name].values() for name in (BITS, PSNR)}
    for method in methods:
        aurocs = {name: 100 * cell.record.interval(method).estimate for name, cell in chosen.items()}
        found[method_title(method)] = {
            setting: [aurocs[name] for name in names] for setting, names in by_setting(list(chosen)).items()
        }
    return found


def steadier(
    values: Mapping[str, Sequence[float]], one: str, other: str, confidence: float = 0.95
) -> Interval:
    """Standard deviation between trainings of `other` over that of `one`, with the interval of an F ratio."""
    ratio = float(np.var(values[other], ddof=1) / np.var(values[one], ddof=1))
    degrees = len(values[other]) - 1, len(values[one]) - 1
    tail = (1 - confidence) / 2
    low, high = (ratio / f_distribution.ppf(place, *degrees) for place in (1 - tail, tail))
    return Interval(ratio**0.5, float(low**0.5), float(high**0.5))


DIFFERS, ALIKE, NOT_ASKED = "differs", "cannot be told apart", "not asked: one training of each"
ONCE = "cannot be told: one training of each"
SENTENCES = {
    DIFFERS: "linear and cosine differ beyond chance",
    ALIKE: "no difference between linear and cosine that can be told from chance",
    ONCE: "the two networks differ; one training of each cannot say whether the schedules do",
    NOT_ASKED: "not asked here, as linear or cosine was trained once",
}
BETTER = {BITS: -1, PSNR: 1, SSIM: 1, NOISE: -1}  # whether more is better, or less


def better(quantity: str, one: float, other: float) -> float:
    """Above 0 where `one` is the better value of a quantity of `DECIMALS` than `other`, below 0 where it is the worse.

    Sharpness is best at 1, where a reconstruction is as sharp as the original.
    """
    if quantity == SHARPNESS:
        return abs(other - 1) - abs(one - 1)
    return BETTER[quantity] * (one - other)


def changes(difference: Interval, none: float = 0.0) -> str:
    """Whether two settings differ: "differs" where the interval leaves `none` out, else "cannot be told apart"."""
    return DIFFERS if difference.low > none or difference.high < none else ALIKE


def trained_again(settings: Mapping[str, Sequence], *names: str) -> bool:
    """Whether each of the named settings was trained twice or more. settings: setting -> its trainings.

    Only then can a difference be one of the settings: else it may be what another seed would change.
    """
    return all(len(settings[name]) > 1 for name in names)


def of_settings(word: str, again: bool) -> str:
    """What `changes` says of networks, as a statement about their settings: none where one was trained once only."""
    return ONCE if word == DIFFERS and not again else word


def any_differs(differences: Iterable[Interval], none: float = 0.0) -> str:
    """As `changes`, of the strongest of several."""
    return DIFFERS if any(changes(each, none) == DIFFERS for each in differences) else ALIKE
