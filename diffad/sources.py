"""Which code a result depends on, and one hash of it.

A hash that changes with a comment would call every recorded run stale after a corrected typing error. So comments
and docstrings do not count, and of the package only those modules do that are reached through imports. Imports are
read from the syntax tree; a module that is only named in a string would be missed, and `diffad` has none.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

PACKAGE = "diffad"


def digest(content: bytes) -> str:
    """SHA-256 of `content`, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def code_digest(path: Path) -> str:
    """SHA-256 of a Python file without its comments, docstrings and blank lines, the same on every system."""
    return digest(_bare_code(path.read_text(encoding="utf-8")).encode())


def _bare_code(text: str) -> str:
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            for first, last in _docstring_lines(node):
                lines[first:last] = [""] * (last - first)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _docstring_lines(node: ast.AST) -> Iterator[tuple[int, int]]:
    """The half-open range of lines of a node's docstring, if it has one."""
    first = node.body[0] if node.body else None
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        yield first.lineno - 1, first.end_lineno


def imported_files(code: str, root: Path, without: Collection[str] = ()) -> list[Path]:
    """Every file of the package under `root` that `code` reaches through its imports, sorted.

    Args:
        without: paths under `root`, with forward slashes, that are left out with what only they import.
    """
    left_out = {root / name for name in without}
    waiting = list(_imported_modules(ast.parse(code), package=""))
    found: set[Path] = set()
    while waiting:
        for path in set(_module_files(waiting.pop(), root)) - found - left_out:
            found.add(path)
            package = ".".join(path.relative_to(root).parts[:-1])
            waiting += _imported_modules(ast.parse(path.read_bytes()), package)
    return sorted(found)


def code_digests(files: Iterable[Path], root: Path) -> dict[str, str]:
    """The `code_digest` of each file, by its path under `root` with forward slashes, sorted."""
    return {path.relative_to(root).as_posix(): code_digest(path) for path in sorted(files)}


def _imported_modules(tree: ast.Module, package: str) -> Iterator[str]:
    """Absolute names of the package's modules that are imported; `from a import b` yields a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == PACKAGE)


def _module_files(module: str, root: Path) -> Iterator[Path]:
    """The file of a module and the `__init__.py` of each package above it, as far as they exist."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        stem = root.joinpath(*parts[:length])
        for candidate in (stem / "__init__.py", stem.with_suffix(".py")):
            if candidate.is_file():
                yield candidate
