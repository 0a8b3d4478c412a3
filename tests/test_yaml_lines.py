"""Faults of YAML files are told with the line that they stand in."""

import pytest
from pydantic import BaseModel, ConfigDict, model_validator

from diffad.yaml_lines import read_model, read_yaml

TEXT = """\
name: a
parts:
  one: &shared {size: 1, colours: [red, green]}
  two: *shared
  three:
    <<: *shared
    size: 3
list:
  - first
  - second
"""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int
    colours: list[str]

    @model_validator(mode="after")
    def _known(self):
        if "blue" in self.colours:
            raise ValueError("colours: got blue, expected another")
        return self


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    parts: dict[str, Part]
    list: list[str]


@pytest.fixture
def write(tmp_path):
    def call(text: str):
        (tmp_path / "file.yaml").write_text(text)
        return tmp_path / "file.yaml"

    return call


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (["name"], 1),
        (["parts", "three", "size"], 7),
        (["parts", "two", "size"], 3),  # an alias leads to its anchor
        (["parts", "three", "colours"], 3),  # and so does a merged key
        (["list", 1], 10),
        (["list", 7], 8),  # what is not there: the last that is
        (["parts", "four", "size"], 2),
        ([], 1),
    ],
)
def test_the_line_of_a_key_is_found(write, keys, line):
    assert read_yaml(write(TEXT), "file").line(keys) == line


def test_the_line_of_a_value_within_a_list_is_found(write):
    document = read_yaml(write("names:\n  - a\n  - b\n"), "file")
    assert document.line(["names"], "b") == 3 and document.line(["names"], "z") == 1


def test_aliases_and_merges_are_read_as_yaml_says(write):
    found, _ = read_model(write(TEXT), File, "file")
    assert found.parts["two"] == found.parts["one"]
    assert found.parts["three"] == Part(size=3, colours=["red", "green"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("name: a", "name: a\nname: b"), r"file.yaml:2: key 'name' stands twice, first in line 1"),
        (("size: 3", "size: 3\n    size: 4"), r"file.yaml:8: key 'size' stands twice, first in line 7"),
        (("size: 3", "size: many"), r"file.yaml:7: parts.three.size: "),
        (("size: 3", "size: 3\n    weight: 4"), r"file.yaml:8: parts.three.weight: Extra"),
        (("[red, green]", "[red,\n         blue]"), r"file.yaml:4: parts.one: colours: got blue"),
        (("name: a\n", ""), r"file.yaml:1: name: Field required"),
        (("  - second", "  - [second"), r"file.yaml:11 is not YAML"),
    ],
)
def test_a_fault_is_told_with_its_line(write, change, words):
    assert change[0] in TEXT
    with pytest.raises(ValueError, match=words) as caught:
        read_model(write(TEXT.replace(*change)), File, "file")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "words", "- a"])
def test_what_is_no_mapping_is_refused(write, text):
    with pytest.raises(ValueError, match="file.yaml:1: file: "):
        read_model(write(text), File, "file")
