"""YAML files whose faults are told with their line: where a key stands, which one stands twice, what was refused.

PyYAML reads a key that stands twice without a word and keeps the last one, and knows no lines once a file is read. Its
nodes do. JSON is read too: but for rare escapes it is a part of YAML.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
MERGE_KEY = "<<"


@dataclass(frozen=True)
class YamlDocument:
    """A file's content with the nodes that it was read from.

    Attributes:
        path: the file.
        content: its plain values: dictionaries, lists, numbers, text.
        root: PyYAML's node of the whole, None for an empty file.
    """

    path: Path
    content: Any
    root: yaml.Node | None

    def line(self, keys: Sequence[str | int], value: Any = None) -> int:
        """The line, from 1, of what `keys` lead to, or of the last of them that the file holds.

        Args:
            keys: keys of mappings and indices of lists, from the top.
            value: where what is found holds this scalar, the scalar's line.
        """
        node, line = self.root, 1
        for key in keys:
            found = _child(node, key)
            if found is None:
                break
            line, node = found
        if value is not None and node is not None:
            scalars = (each for each in _nodes(node) if isinstance(each, yaml.ScalarNode))
            line = next((_line(each) for each in scalars if each.value == str(value)), line)
        return line


def read_yaml(path: Path | str, what: str) -> YamlDocument:
    """Read a YAML file, by the safe loader.

    Args:
        path: the file.
        what: the argument that it was given as, with which a message starts.

    Raises:
        ValueError: it is not YAML, or a key stands twice in one mapping; the message names file and line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_doubles(root, path, what)
        return YamlDocument(path, yaml.safe_load(text), root)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = path if mark is None else f"{path}:{mark.line + 1}"
        raise ValueError(f"{what}: {where} is not YAML ({' '.join(str(error).split())})") from error


def read_model(path: Path | str, model: type[Model], what: str) -> tuple[Model, YamlDocument]:
    """Read a YAML file into a pydantic model.

    Raises:
        ValueError: as `read_yaml`, or a key or value that the model refuses; the message names file, line and field.
    """
    document = read_yaml(path, what)
    try:
        return model.model_validate(document.content), document
    except ValidationError as error:
        raise ValueError(refusal(document, error, what)) from error


def refusal(document: YamlDocument, error: ValidationError, what: str) -> str:
    """One sentence for the first fault that pydantic found: file, line, field and reason."""
    first = error.errors()[0]
    reason = " ".join(first["msg"].replace("Value error, ", "").split())
    # A check of several fields tells which one in its words: "scoring.levels: got 3, expected ...".
    named = re.match(r"((?:[a-z_][\w.-]*: )*)(?:got '?([^',\s]+))?", reason)
    keys = [*first["loc"], *re.split(r": |\.", named.group(1))]
    keys = [key for key in keys if key != ""]
    field = ".".join(map(str, first["loc"])) or "file"
    return f"{what}: {document.path}:{document.line(keys, named.group(2))}: {field}: {reason}"


def _refuse_doubles(root: yaml.Node | None, path: Path, what: str) -> None:
    for node in _nodes(root):
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if key.value == MERGE_KEY or not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in lines:
                raise ValueError(
                    f"{what}: {path}:{_line(key)}: key {key.value!r} stands twice, first in line {lines[key.value]}"
                )
            lines[key.value] = _line(key)


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """The node and all below it, each once: an anchor's node stands at every alias."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting += [each for pair in reversed(node.value) for each in reversed(pair)]
        elif isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)


def _child(node: yaml.Node | None, key: str | int) -> tuple[int, yaml.Node] | None:
    """The line of a key (or of a list's item) and the node of its value; None where there is none."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return _line(name), value
        merged = (value for name, value in node.value if name.value == MERGE_KEY)
        return next((found for each in merged if (found := _child(each, key))), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return _line(node.value[key]), node.value[key]
    return None


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
