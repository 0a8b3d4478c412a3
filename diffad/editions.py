"""What all files under `experiments/` share: a name, a title, and editions of rising cost."""

from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from diffad.yaml_lines import YamlDocument, read_model

AnyEdition = TypeVar("AnyEdition", bound=BaseModel)
AnyFile = TypeVar("AnyFile", bound="EditionsFile")
EditionName = Literal["smoke", "cpu", "gpu"]
FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class EditionsFile(BaseModel, Generic[AnyEdition]):
    """A file with editions of one kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: FileName
    title: str
    editions: dict[EditionName, AnyEdition]

    def edition(self, name: str) -> AnyEdition:
        """The edition called `name`.

        Raises:
            ValueError: the file has no such edition.
        """
        if name not in self.editions:
            raise ValueError(f"edition: got {name!r}, expected one of {', '.join(self.editions)}")
        return self.editions[name]


def read_editions(
    path: Path | str, kind: type[AnyFile], what: str, example: str
) -> tuple[AnyFile, YamlDocument]:
    """Read a file with editions, and where each of its keys stands.

    Args:
        path: the file.
        kind: of file.
        what: the argument that it was given as, with which a message starts.
        example: a file of this kind, for who named one that is not there.

    Raises:
        ValueError: no such file, not YAML, a key that stands twice, or a key or value that is refused; the message names
            file, line and field.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{what}: {path} is not there, expected a file such as {example}")
    return read_model(path, kind, what)
