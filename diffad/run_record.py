"""What a run record holds: what was run, on what, by what code, how well it did, and the raw scores it
follows from.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, JsonValue

from diffad.bootstrap import Interval
from diffad.errors import RecordError
from diffad.evaluation import (
    MEAN_OVER_GROUPS,
    METRICS,
    check_labels_and_scores,
    evaluate_groups,
    group_resampling,
    shared_units,
)
from diffad.provenance import Provenance, provenance


def _plain(value: Any) -> Any:
    """Refuse what JSON cannot carry unchanged: NaN and infinity."""
    json.dumps(value, allow_nan=False)
    return value


PlainDict = Annotated[dict[str, JsonValue], AfterValidator(_plain)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataDescription(_Model):
    """Which data: the set's name, the hash of its content, and the split's own description."""

    name: str
    fingerprint: str
    split: PlainDict


class EvaluationSettings(_Model):
    """How metrics and intervals follow from the scores; see `diffad.evaluation`."""

    metrics: tuple[Literal["auroc", "average_precision", "fpr_at_95_tpr"], ...] = tuple(METRICS)
    num_resamples: int = Field(1000, ge=2)
    confidence: float = Field(0.95, gt=0, lt=1)
    seed: int = Field(0, ge=0)


class MetricValue(_Model):
    """One number with its interval; `group` is a group of anomalies, or "mean" for the mean over groups."""

    method: str
    group: str
    metric: str
    estimate: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat


class RunRecord(_Model):
    """Everything about a run but its raw scores. `write_record` fills in the two hashes."""

    format: Literal["diffad-run-1"] = "diffad-run-1"
    name: str = Field(min_length=1)
    experiment: PlainDict
    edition: Literal["smoke", "cpu", "gpu"]
    data: DataDescription
    seeds: dict[str, int]
    wall_seconds: dict[str, FiniteFloat] = Field(
        description="phase of the run, such as 'ddpm/train' -> seconds"
    )
    nfe: dict[str, int] = Field(description="method -> network evaluations an image; 0 without a network")
    provenance: Provenance
    evaluation: EvaluationSettings
    metrics: tuple[MetricValue, ...]
    scores_sha256: str | None = None
    content_hash: str | None = None

    def interval(self, method: str, metric: str = "auroc", group: str = MEAN_OVER_GROUPS) -> Interval:
        """One recorded number; RecordError where the record does not hold it."""
        for value in self.metrics:
            if (value.method, value.metric, value.group) == (method, metric, group):
                return Interval(value.estimate, value.low, value.high)
        raise RecordError(f"record {self.name!r} holds no {metric} of {method!r} for {group!r}")

    def table(self) -> pd.DataFrame:
        """All metrics, one a row: columns method, group, metric, estimate, low, high."""
        return pd.DataFrame(
            [value.model_dump() for value in self.metrics], columns=list(MetricValue.model_fields)
        )


@dataclass(frozen=True, eq=False)
class RunScores:
    """The raw material of a record.

    labels: int64 (n,), 0 or 1. groups: str (n,). by_method: {name: float64 (n,)}, finite, higher = more
    anomalous. units: int64 (n,) or None, the original image behind each row; see
    `diffad.evaluation.group_resampling`.
    """

    labels: np.ndarray
    groups: np.ndarray
    by_method: dict[str, np.ndarray]
    units: np.ndarray | None = None

    def __post_init__(self):
        if not isinstance(self.by_method, Mapping) or not self.by_method:
            raise ValueError("by_method must map at least one method's name to its scores")
        checked = {
            str(m): check_labels_and_scores(self.labels, s, f"scores of {m!r}")[1]
            for m, s in self.by_method.items()
        }
        object.__setattr__(self, "by_method", checked)
        object.__setattr__(self, "labels", np.asarray(self.labels).astype(np.int64))
        object.__setattr__(self, "groups", np.asarray(self.groups).astype(str))
        if self.units is not None:
            object.__setattr__(self, "units", np.asarray(self.units).astype(np.int64))
        group_resampling(self.labels, self.groups, self.units)  # refuses groups or units that do not fit

    @classmethod
    def of_split(cls, split, by_method: Mapping[str, np.ndarray]) -> "RunScores":
        """Finished scores of a `diffad.datasets` split's test set, with the labels it gives in exchange."""
        if not by_method:
            raise ValueError("by_method must map at least one method's name to its scores")
        *_, answers = (split.reveal(scores) for scores in by_method.values())
        units = shared_units(answers.labels, answers.groups, answers.indices)
        return cls(answers.labels, answers.groups, dict(by_method), units)

    def to_bytes(self) -> bytes:
        """The content of the npz file; the same scores give the same bytes."""
        arrays = {
            "labels": self.labels,
            "groups": self.groups,
            "methods": np.array(list(self.by_method)),
            "scores": np.stack(list(self.by_method.values())),  # (methods, n)
        }
        if self.units is not None:
            arrays["units"] = self.units
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "RunScores":
        """The inverse of `to_bytes`; ValueError, KeyError, OSError or BadZipFile for any other content."""
        if not zipfile.is_zipfile(io.BytesIO(content)):
            raise ValueError("it is not an npz file")
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        by_method = dict(zip(arrays["methods"].tolist(), arrays["scores"], strict=True))
        return cls(arrays["labels"], arrays["groups"], by_method, arrays.get("units"))


# --- making ---


def compute_metrics(scores: RunScores, settings: EvaluationSettings) -> tuple[MetricValue, ...]:
    """Every metric of every method, on every group and on their mean, with intervals."""
    results = evaluate_groups(
        scores.labels,
        scores.groups,
        scores.by_method,
        settings.metrics,
        settings.num_resamples,
        settings.confidence,
        settings.seed,
        scores.units,
    )
    return tuple(
        MetricValue(
            method=method, group=group, metric=metric, **vars(results.interval(metric, method, group))
        )
        for method in results.methods
        for metric in results.metrics
        for group in [MEAN_OVER_GROUPS, *results.groups]
    )


def new_record(
    scores: RunScores,
    *,
    name: str,
    experiment: Mapping[str, Any],
    edition: str,
    data: DataDescription,
    seeds: Mapping[str, int],
    wall_seconds: Mapping[str, float],
    nfe: Mapping[str, int],
    device="cpu",
    evaluation: EvaluationSettings | None = None,
) -> RunRecord:
    """A record of finished scores with its metrics and this process's provenance; not yet written."""
    evaluation = evaluation or EvaluationSettings()
    return RunRecord(
        name=name,
        experiment=experiment,
        edition=edition,
        data=data,
        seeds=seeds,
        wall_seconds=wall_seconds,
        nfe=nfe,
        provenance=provenance(device),
        evaluation=evaluation,
        metrics=compute_metrics(scores, evaluation),
    )


def recompute(record: RunRecord, scores: RunScores) -> tuple[MetricValue, ...]:
    """The record's metrics computed anew from the raw scores with the record's own settings."""
    return compute_metrics(scores, record.evaluation)


def mismatches(record: RunRecord, scores: RunScores, tolerance: float = 1e-9) -> list[str]:
    """One sentence for each recorded metric that the raw scores do not give; empty for an honest record."""
    recorded = {(value.method, value.metric, value.group): value for value in record.metrics}
    computed = {(value.method, value.metric, value.group): value for value in recompute(record, scores)}
    sentences = []
    for key in sorted(recorded.keys() | computed.keys()):
        before, now = recorded.get(key), computed.get(key)
        if before is None or now is None:
            sentences.append(
                f"{record.name}: {key} is {'not recorded' if before is None else 'without scores'}"
            )
            continue
        for end in ("estimate", "low", "high"):
            old, new = getattr(before, end), getattr(now, end)
            if abs(old - new) > tolerance:
                sentences.append(f"{record.name}: {key} {end} is recorded as {old}, the scores give {new}")
    return sentences
