"""The catalogue of pages: which notebook is run with which parameters on which data for which page."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from diffad.errors import DiffadError

Edition = Literal["smoke", "cpu", "gpu"]


class Page(BaseModel):
    """One page of the book that is computed by a notebook. Paths are relative to the project's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="name of the executed notebook, without its ending"
    )
    source: str = Field(pattern=r"^[^/\\].*\.py$", description="py:percent source")
    title: str = Field(min_length=1, description="title shown in lists of pages")
    edition: Edition = Field(description="smoke: seconds; cpu: a two-core machine; gpu: one modern GPU")
    parameters: dict[str, bool | int | float | str | list[int | float | str]] = Field(default_factory=dict)
    datasets: tuple[str, ...] = Field(default=(), description="data sets that must be in the data home")
    files: tuple[str, ...] = Field(default=(), description="other files that the page reads")
    records: tuple[str, ...] = Field(default=(), description="folders of run records that the page reads")
    timeout: int = Field(default=600, gt=0, description="seconds that one cell may take")

    @field_validator("source")
    @classmethod
    def _stays_inside(cls, source: str) -> str:
        if ".." in Path(source).parts:
            raise ValueError(f"must lie inside the project, got {source!r}")
        return source


class Catalog(BaseModel):
    """All pages, in the order in which they are run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: str = Field(default="book/chapters", description="folder of the executed notebooks")
    pages: tuple[Page, ...]

    @model_validator(mode="after")
    def _each_page_once(self) -> "Catalog":
        names = [page.page for page in self.pages]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"each page may stand once in the catalogue, repeated: {', '.join(repeated)}")
        return self

    def select(self, names: list[str]) -> tuple[Page, ...]:
        """The pages with these names, in the catalogue's order; all pages for an empty list.

        Raises:
            DiffadError: a name that is not in the catalogue.
        """
        known = [page.page for page in self.pages]
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise DiffadError(f"unknown page {', '.join(unknown)}; the catalogue has {', '.join(known)}")
        return tuple(page for page in self.pages if not names or page.page in names)


def load_catalog(path: Path) -> Catalog:
    """Read a catalogue of pages from a YAML file.

    Raises:
        DiffadError: no such file, not YAML, an unknown key or an impossible value (the message names the
            field).
    """
    if not path.is_file():
        raise DiffadError(
            f"no catalogue of pages at {path}; run the command in the project's folder or pass --root"
        )
    try:
        return Catalog.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise DiffadError(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DiffadError(f"{path}: {field}: {first['msg']} (got {first['input']!r})") from error
