"""One trained model, every scorer: which way of asking finds most for how many network evaluations.

A comparison takes the model of a finished run, draws a smaller test set by the same protocol, and scores it by
every scorer that its file names. Each scorer is timed, so that accuracy and cost stand side by side.
"""

import time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from diffad.editions import EditionsFile, read_editions
from diffad.experiments import PROTOCOLS, FinishedRun, data_fingerprint, read_run
from diffad.records import DataDescription, RunRecord, RunScores, claim_record, new_record
from diffad.scorers import SCORERS, Evaluator, make_scorer


class ScorerChoice(BaseModel):
    """A scorer of `diffad.scorers.SCORERS` with its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scorer: Literal[tuple(SCORERS)]
    parameters: dict[str, Any] = Field(default_factory=dict)


class ComparisonEdition(BaseModel):
    """Whose models are asked, and on how many images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], Path] = Field(
        min_length=1,
        description="name -> folder of a finished run; its model, protocol and data set are taken",
    )
    protocol_parameters: dict[str, Any] = Field(
        default_factory=dict, description="changes to those of the run, such as fewer test images"
    )
    held_out: int = Field(default=200, ge=20, description="held-out normals for scorers that calibrate")
    batch_size: int = Field(default=250, ge=1)


class Comparison(EditionsFile[ComparisonEdition]):
    """A comparison file."""

    scorers: dict[str, ScorerChoice] = Field(min_length=1)


def load_comparison(path: Path | str) -> Comparison:
    """Read a comparison file.

    Raises:
        ValueError: no such file, not YAML, a key that stands twice, or a key or value that is refused; the message names
            file, line and field.
    """
    return read_editions(path, Comparison, "comparison", "experiments/scorers.yaml")[0]


def run_comparison(
    comparison: Comparison,
    edition_name: str,
    run_name: str,
    results: Path | str = "results",
    progress: bool = True,
) -> RunRecord:
    """Ask one run's model by every scorer and publish the record in results/NAME/EDITION/RUN.

    Raises:
        RecordError: the run whose model is asked is missing or damaged, or another writes the record.
        DataNotFound: its data set is not in the data home.
        ValueError: a parameter that a scorer or the protocol does not take.
    """
    edition = comparison.edition(edition_name)
    if run_name not in edition.runs:
        raise ValueError(f"run_name: got {run_name!r}, expected one of {', '.join(edition.runs)}")
    run = read_run(edition.runs[run_name])
    protocol, dataset, parameters, seed = _protocol_of(run, edition)
    split = PROTOCOLS[protocol](dataset, seed=seed, **parameters)
    held_out = split.validation[: edition.held_out]
    identity = {
        "name": f"{comparison.name}-{edition_name}-{run_name}",
        "experiment": {
            "comparison": comparison.name,
            "model_of": run.record.name,
            "record_of_model": run.record.content_hash,
            "protocol": protocol,
            "scorers": {name: each.model_dump(mode="json") for name, each in comparison.scorers.items()},
            **edition.model_dump(mode="json", exclude={"runs"}),
        },
        "seeds": {"split": seed, "training": run.record.seeds["training"]},
    }
    with claim_record(comparison_folder(comparison, edition_name, run_name, results)) as claim:
        claim.check_same_run(**identity)
        by_method, nfe, seconds = {}, {}, {}
        scorers = {
            name: _make(name, each, run, edition, progress) for name, each in comparison.scorers.items()
        }
        for name, scorer in scorers.items():
            scorer.fit(held_out)
            started = time.perf_counter()
            by_method[name] = scorer.scores(split.test)
            seconds[f"{name}/score"] = round(time.perf_counter() - started, 3)
            nfe[name] = scorer.evaluations_per_image
        scores = RunScores.of_split(split, by_method)  # here the labels are revealed
        record = new_record(
            scores,
            **identity,
            edition=edition_name,
            data=DataDescription(name=dataset, fingerprint=data_fingerprint(dataset), split=split.describe()),
            wall_seconds=seconds,
            nfe=nfe,
            device=next(run.model.parameters()).device,
        )
        return claim.write(record, scores)


def comparison_folder(
    comparison: Comparison, edition_name: str, run_name: str, results: Path | str = "results"
) -> Path:
    """Where the record goes: results/NAME/EDITION/RUN."""
    return Path(results, comparison.name, edition_name, run_name)


def _protocol_of(run: FinishedRun, edition: ComparisonEdition) -> tuple[str, str, dict, int]:
    """Protocol, data set, parameters and seed: those of the run, with the edition's changes."""
    experiment = run.record.experiment
    parameters = experiment["protocol_parameters"] | edition.protocol_parameters
    return experiment["protocol"], experiment["dataset"], parameters, run.record.seeds["split"]


def _make(name: str, choice: ScorerChoice, run: FinishedRun, edition: ComparisonEdition, progress: bool):
    evaluator = Evaluator(run.model, edition.batch_size, progress=progress)
    try:
        return make_scorer(choice.scorer, evaluator, **choice.parameters)
    except TypeError as error:
        raise ValueError(f"scorers.{name}: {error}") from error
