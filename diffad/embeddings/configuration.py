"""The file of the embeddings track: which vectors, which methods, which seeds; checked before anything is computed."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from diffad.datasets.vector_protocols import check_vectors_name
from diffad.editions import EditionsFile, read_editions
from diffad.embeddings.methods import Kind, make_method

PROTOCOL = "adbench_semi_supervised"
SEEDS = (0, 1, 2, 3, 4)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Track(_Model):
    """Data sets of one kind, whose mean is reported."""

    title: str = Field(min_length=1)
    kind: Kind = Field(description="what the vectors are; see diffad.embeddings.methods")
    most_training_rows: int | None = Field(
        default=None, ge=2, description="larger training halves are thinned"
    )
    most_test_rows: int | None = Field(
        default=None, ge=2, description="larger test sets are thinned, classes by share"
    )
    data: tuple[str, ...] = Field(
        min_length=1, description="names that `load_vectors` reads, or digits/0 ..."
    )

    @field_validator("data")
    @classmethod
    def _can_be_read(cls, data: tuple[str, ...]) -> tuple[str, ...]:
        for name in data:
            check_vectors_name(name)
        return data

    def limits(self) -> dict[str, int]:
        """The protocol's limits, those that are set."""
        limits = {"most_training_rows": self.most_training_rows, "most_test_rows": self.most_test_rows}
        return {name: limit for name, limit in limits.items() if limit is not None}


class EmbeddingsEdition(_Model):
    """One edition, complete: every method on every data set of every track with every seed."""

    tracks: dict[str, Track] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=SEEDS, min_length=1)
    methods: dict[str, dict[str, Any]] = Field(
        min_length=1, description="name -> settings that differ from the defaults"
    )

    @field_validator("seeds")
    @classmethod
    def _are_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if min(seeds) < 0 or len(set(seeds)) < len(seeds):
            raise ValueError(f"got {list(seeds)}, expected integers of 0 or more, each once")
        return seeds

    @field_validator("methods")
    @classmethod
    def _can_be_made(cls, methods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, settings in methods.items():
            try:
                make_method(name, "tables", 0, **settings)
            except TypeError as error:
                raise ValueError(f"{name}: {error}") from error
        return methods

    @model_validator(mode="after")
    def _one_record_a_data_set(self) -> "EmbeddingsEdition":
        names = [name for track in self.tracks.values() for name in track.data]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"tracks: got {twice[0]!r} twice, expected each data set once: it has one record"
            )
        return self

    def track_of(self, data: str) -> str:
        """The name of the track that holds a data set; ValueError where none does."""
        for name, track in self.tracks.items():
            if data in track.data:
                return name
        raise ValueError(
            f"data: got {data!r}, expected a data set of the edition, such as {self.some_data()}"
        )

    def some_data(self) -> str:
        """The first data set of the first track."""
        return next(iter(self.tracks.values())).data[0]


class EmbeddingsFile(EditionsFile[EmbeddingsEdition]):
    """An experiment file of the embeddings track."""

    protocol: Literal[PROTOCOL]


def load_embeddings_file(path: Path | str) -> EmbeddingsFile:
    """Read an experiment file of the embeddings track.

    Raises:
        ValueError: no such file, not YAML, or a key or value that is refused; the message names file, line and field.
    """
    return read_editions(path, EmbeddingsFile, "experiment", "experiments/embeddings.yaml")[0]
