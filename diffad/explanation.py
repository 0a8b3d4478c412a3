"""Why an image is called anomalous, or is not: what a detector's score is made of, in terms that can be checked.

A score alone convinces nobody. This module takes it apart into what `diffad.detectors.ImageDetector` computed on the
way: where it lies among the scores of held-out normal images, what each noise level said, and which part of the image
was hard to reconstruct.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffad.detectors import ImageDetector
from diffad.images import check_images
from diffad.scorers import Evaluator, OneStepReconstruction, levels_from_fractions

REGION_SHARE = 0.5  # of the largest error above usual: what belongs to the most unusual region


@dataclass(frozen=True)
class LevelFinding:
    """What one noise level said of an image.

    Attributes:
        step: the time t of the level, in 1..num_steps.
        num_steps: T.
        times_usual: the image's error in units of the error of a typical held-out normal (their geometric mean).
        z: the logarithm of the error, in standard deviations of held-out normals; 0 is typical, negative easier.
    """

    step: int
    num_steps: int
    times_usual: float
    z: float


@dataclass(frozen=True)
class Region:
    """The most unusual part of an image, as shares of its height and width in 0..1, and its error there."""

    top: float
    bottom: float
    left: float
    right: float
    times_usual: float

    @property
    def place(self) -> str:
        """Where its middle lies: "upper left", "middle", ..."""
        rows, columns = (self.top + self.bottom) / 2, (self.left + self.right) / 2
        vertical = ("upper", "", "lower")[min(int(3 * rows), 2)]
        horizontal = ("left", "", "right")[min(int(3 * columns), 2)]
        return " ".join(part for part in (vertical, horizontal) if part) or "middle"


@dataclass(frozen=True)
class Explanation:
    """One image's score and what it is made of.

    Attributes:
        image: uint8 (height, width, channels), as the detector saw it.
        error_map: float32 (height, width), 1 where a pixel's error is usual.
        score, threshold: higher = more anomalous; above the threshold it is called so.
        false_positive_rate: the share of normal images that the threshold may flag.
        normal_scores: of the held-out normal images, float64 (n,).
        p_value: how often a normal image scores so high, in (0, 1].
        levels: what each noise level said, in the order of growing noise.
        rule: how the levels are combined (`diffad.scorers.calibration.COMBINATIONS`).
        region: the most unusual part.
    """

    image: np.ndarray
    error_map: np.ndarray
    score: float
    threshold: float
    false_positive_rate: float
    normal_scores: np.ndarray
    p_value: float
    levels: tuple[LevelFinding, ...]
    rule: str
    region: Region

    @property
    def anomalous(self) -> bool:
        """Whether the image scores above the threshold."""
        return self.score > self.threshold

    @property
    def num_as_high(self) -> int:
        """How many held-out normal images score as high or higher."""
        return int((self.normal_scores >= self.score).sum())

    @property
    def by_weight(self) -> tuple[LevelFinding, ...]:
        """The levels, the most telling first; one-sided rules count only errors that are larger than usual."""
        two_sided = self.rule in ("max_abs", "mahalanobis")
        return tuple(sorted(self.levels, key=lambda each: -(abs(each.z) if two_sided else each.z)))


def explain_image(detector: ImageDetector, image: np.ndarray) -> Explanation:
    """Take the score of one image apart.

    Args:
        detector: fitted or loaded.
        image: uint8 (height, width, channels), of the size that the detector was fitted on.

    Raises:
        TypeError, ValueError: an image of another kind or size.
    """
    if not isinstance(image, np.ndarray) or image.ndim != 3:
        got = f"shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image: got {got}, expected one uint8 array (height, width, channels)")
    images = image[None]
    check_images(images, "image", detector.image_shape_)
    scorer = _level_scorer(detector)
    profile = scorer.profile(images)  # (1, levels)
    score = float(detector.calibration_.combine(profile, detector.detection.rule)[0])
    error_map = detector.maps(images)[0]
    return Explanation(
        image=image,
        error_map=error_map,
        score=score,
        threshold=detector.threshold_,
        false_positive_rate=detector.detection.false_positive_rate,
        normal_scores=detector.normal_scores_,
        p_value=float(detector.p_values(np.array([score]))[0]),
        levels=_findings(detector, scorer.levels, profile),
        rule=detector.detection.rule,
        region=unusual_region(error_map),
    )


def _level_scorer(detector: ImageDetector) -> OneStepReconstruction:
    """The scorer whose errors `detector` combines, with the same noises."""
    detection = detector.detection
    evaluator = Evaluator(detector.model_, detection.batch_size, detection.seed)
    levels = levels_from_fractions(detection.levels, detector.model_.num_steps)
    return OneStepReconstruction(evaluator, levels, detection.num_draws, detection.metric)


def _findings(detector: ImageDetector, steps: Sequence[int], profile: np.ndarray) -> tuple[LevelFinding, ...]:
    calibration, num_steps = detector.calibration_, detector.model_.num_steps
    ratios = profile[0] / np.exp(calibration.mean_)
    return tuple(
        LevelFinding(int(step), num_steps, float(ratio), float(z))
        for step, ratio, z in zip(steps, ratios, calibration.z_scores(profile)[0], strict=True)
    )


def unusual_region(error_map: np.ndarray) -> Region:
    """The patch of a map round its largest error: the connected pixels that are at least half as far above usual.

    Args:
        error_map: (height, width), 1 where a pixel's error is usual.
    """
    from scipy.ndimage import label

    height, width = error_map.shape
    peak = np.unravel_index(np.argmax(error_map), error_map.shape)
    least = 1 + REGION_SHARE * (error_map[peak] - 1)
    parts, _ = label(error_map >= min(least, error_map[peak]))
    rows, columns = np.nonzero(parts == parts[peak])
    return Region(
        rows.min() / height,
        (rows.max() + 1) / height,
        columns.min() / width,
        (columns.max() + 1) / width,
        float(error_map[rows, columns].mean()),
    )


def as_json(explanation: Explanation) -> dict:
    """The numbers of an explanation as plain JSON values."""
    region = explanation.region
    return {
        "score": explanation.score,
        "threshold": explanation.threshold,
        "anomalous": explanation.anomalous,
        "p_value": explanation.p_value,
        "false_positive_rate": explanation.false_positive_rate,
        "num_held_out": len(explanation.normal_scores),
        "num_as_high": explanation.num_as_high,
        "rule": explanation.rule,
        "levels": [vars(level) for level in explanation.levels],
        "region": {name: float(value) for name, value in vars(region).items()} | {"place": region.place},
    }


def in_words(explanation: Explanation, name: str = "this image") -> str:
    """An explanation as a few plain sentences, one a line."""
    count, total = explanation.num_as_high, len(explanation.normal_scores)
    verdict = "is called anomalous" if explanation.anomalous else "is not called anomalous"
    side = "above" if explanation.anomalous else "not above"
    as_high = "none" if count == 0 else "all" if count == total else f"{count}"
    lines = [
        f"{name} {verdict}: it scores {explanation.score:.3g}, {side} the threshold of {explanation.threshold:.3g}",
        f"threshold   at most {explanation.false_positive_rate:.1%} of normal images score above it",
        f"p-value     {explanation.p_value:.3g}: of {total} held-out normal images, {as_high} "
        f"score{'s' if count == 1 else ''} as high or higher",
    ]
    lines += [
        f"{head:<11} {_level_words(level)}"
        for head, level in zip(("levels", "", ""), explanation.by_weight, strict=False)
    ]
    region = explanation.region
    lines.append(
        f"where       {region.place}: rows {region.top:.0%} to {region.bottom:.0%} from the top, columns {region.left:.0%} "
        f"to {region.right:.0%} from the left; the error there is {region.times_usual:.3g} times the usual"
    )
    return "\n".join(lines)


def _level_words(level: LevelFinding) -> str:
    size = f"{level.times_usual:.3g} times the usual error"
    side = "harder" if level.z > 0 else "easier"
    return f"t = {level.step} of {level.num_steps}: {size}, z = {level.z:+.1f} ({side} to reconstruct than usual)"
