"""Rules of the house that no library checks. Prints every breach as `path:line: what`; 1 if there is one.

- No tracked file names a package registry's host or a path of somebody's machine.
- A file of Python has at most 400 lines, a function at most 60 without its docstring.
- A room is used by what its `__init__` exports: nobody outside imports deeper.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

CODE = ("src/", "tools/")
"""Where lengths and imports are checked. Tests may be long lists of cases."""

ALLOWED_LENGTHS: dict[str, str] = {}
"""`path` or `path:function`, and why it is better long than cut."""

# Written so that this file does not match itself.
FORBIDDEN = (
    (re.compile(r"pypi\.org|pythonhosted\.org|registry\.npmjs|\bartifactory\b", re.I), "a registry's host"),
    (re.compile(r"(index-url|find-links)[ =]+\S*:/{2}", re.I), "a package index"),
    (re.compile(r"(?<![\w.])/(work|root|Users)/\w|(?<![\w.])/(home|tmp)/[\w.]"), "a path of one machine"),
)


def tracked(root: Path) -> list[str]:
    """The files that git knows of in `root`, relative to it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def forbidden_text(name: str, text: str) -> Iterator[str]:
    """Registry hosts and machine paths."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, what in FORBIDDEN:
            if match := pattern.search(line):
                yield f"{name}:{number}: {what}: {match.group()}"


def long_code(name: str, text: str, tree: ast.Module) -> Iterator[str]:
    """Files and functions that ask to be two."""
    count = len(text.splitlines())
    if count > MAX_FILE_LINES and name not in ALLOWED_LENGTHS:
        yield f"{name}:1: {count} lines, more than {MAX_FILE_LINES}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = function_length(node)
            if length > MAX_FUNCTION_LINES and f"{name}:{node.name}" not in ALLOWED_LENGTHS:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, more than {MAX_FUNCTION_LINES}"


def function_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function from its `def` to its end, without its docstring."""
    first = node.body[0]
    docstring = 0
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        docstring = (first.end_lineno or first.lineno) - first.lineno + 1
    return (node.end_lineno or node.lineno) - node.lineno + 1 - docstring


def deep_imports(name: str, tree: ast.Module) -> Iterator[str]:
    """Imports of a room's inside (`caudal.ledger.store`) from outside the room."""
    here = Path(name).with_suffix("").parts[1:]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            imported = [node.module]
        elif isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        else:
            continue
        for module in imported:
            parts = tuple(module.split("."))
            if parts[0] == "caudal" and len(parts) > 2 and parts[:2] != here[:2]:
                yield f"{name}:{node.lineno}: imports {module}: use what {'.'.join(parts[:2])} exports"


def breaches(root: Path) -> Iterator[str]:
    """Everything that is against the rules in the tracked files of `root`."""
    for name in tracked(root):
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        yield from forbidden_text(name, text)
        if name.endswith(".py") and name.startswith(CODE):
            tree = ast.parse(text, name)
            yield from long_code(name, text, tree)
            yield from deep_imports(name, tree)


def main() -> int:
    """Check the repository in the current directory, or the one given."""
    found = list(breaches(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    for breach in found:
        print(breach, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
