"""From MyST to the Markdown that any notebook program shows: roles become words, directives headings and folds."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from nbformat import NotebookNode

EQUATION = re.compile(r"^(\$\$\n.*?)\n\$\$ *\((eq-[\w-]+)\)$", re.MULTILINE | re.DOTALL)
OPENING = re.compile(r"^:{3,}\{([\w:-]+)\} *(.*)$")
CLOSING = re.compile(r"^:{3,}$")
OPTION = re.compile(r"^:([\w-]+): *(.*)$")
ROLE = re.compile(r"\{([\w:]+)\}`([^`]*)`")
LINK_TO_PROSE = re.compile(r"\[([^\]]+)\]\(\.\./[\w/]+\.md[^)]*\)")


class Plain:
    """Rewrites the Markdown cells of one notebook.

    Args:
        notebook: executed; its glued numbers and its numbered equations are what roles refer to.
        citations: {key: (authors, year)}, as `read_citations` gives them.
    """

    def __init__(self, notebook: NotebookNode, citations: Mapping[str, tuple[str, str]]):
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        labels = [label for _, label in EQUATION.findall(text)]
        self.equations = {label: number for number, label in enumerate(labels, start=1)}
        self.glued, self.citations = glued_values(notebook), citations

    def __call__(self, text: str) -> str:
        """MyST -> Markdown."""
        text = EQUATION.sub(self._tagged, text)
        text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.MULTILINE)
        text = _unfold(text)
        return LINK_TO_PROSE.sub(r"\1", ROLE.sub(self._role, text))

    def _tagged(self, match: re.Match) -> str:
        return f"{match.group(1)} \\tag{{{self.equations[match.group(2)]}}}\n$$"

    def _role(self, match: re.Match) -> str:
        role, content = match.groups()
        if role == "eq":
            number = self.equations.get(content)
            return f"({number})" if number else f"equation *{content.removeprefix('eq-').replace('-', ' ')}*"
        if role.startswith("glue"):
            return self.glued.get(content.split(":")[0], f"`{content}`")
        if role.startswith("cite"):
            return self._citation(role, content)
        if role == "term":
            return re.sub(r"\s*<.*>$", "", content)
        return f"`{content}`"

    def _citation(self, role: str, content: str) -> str:
        found = [self.citations.get(key.strip(), (key.strip(), "")) for key in content.split(",")]
        if role == "cite:t":
            return ", ".join(f"{authors} ({year})" for authors, year in found)
        return "(" + "; ".join(f"{authors} {year}" for authors, year in found) + ")"


def _unfold(text: str) -> str:
    """Admonitions become bold titles, dropdowns HTML folds; other directives keep their content."""
    lines: list[str] = []
    ends: list[str] = []  # what closes each open directive
    in_head = False
    for line in text.split("\n"):
        if in_head and (option := OPTION.match(line)):
            if option.groups() == ("class", "dropdown") and ends[-1] == "":
                title = lines.pop().strip("*") if lines and lines[-1].startswith("**") else ""
                lines.append(f"<details><summary>{title}</summary>\n")
                ends[-1] = "\n</details>"
            continue
        in_head = False
        if opened := OPENING.match(line):
            name, title = opened.groups()
            folded = name == "dropdown"
            lines.append(
                f"<details><summary>{title}</summary>\n" if folded else f"**{title}**" if title else ""
            )
            ends.append("\n</details>" if folded else "")
            in_head = True
        elif CLOSING.match(line) and ends:
            lines.append(ends.pop())
        else:
            lines.append(line)
    return "\n".join(lines)


def glued_values(notebook: NotebookNode) -> dict[str, str]:
    """The numbers and words that the cells of an executed notebook glued, by name, as they are shown."""
    values: dict[str, str] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            for kind, data in output.get("data", {}).items():
                if name and kind.endswith("text/plain"):
                    values[name] = _unquoted(data)
    return values


def _unquoted(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def read_citations(path: Path) -> dict[str, tuple[str, str]]:
    """{key: (authors as one cites them, year)} of a BibTeX file."""
    from pybtex.database import parse_file

    return {
        key: (_authors(entry), entry.fields.get("year", ""))
        for key, entry in parse_file(path).entries.items()
    }


def _authors(entry) -> str:
    persons = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [" ".join(person.last_names).strip("{}") for person in persons]
    if not names:
        return entry.fields.get("title", "").strip("{}")
    return names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."
