"""Several writes as one statement: a round of parsing, binding and waiting less for each of them.

PostgreSQL runs data-modifying parts of a WITH to their ends, in no order that can be told, all on one
snapshot (documentation, "Data-Modifying Statements in WITH"). So the statements must write to different
rows and read nothing that another of them writes.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

_NAMED = re.compile(r"%\((\w+)\)s")


class Statement(NamedTuple):
    """A statement and its values, by name (`%(name)s`) or by place (`%s`)."""

    text: str
    values: Mapping[str, Any] | Sequence[Any]


def together(statements: Sequence[Statement]) -> tuple[bytes, list[Any]]:
    """One statement that does what all of `statements` do, with its values; the last one counts its rows."""
    values: list[Any] = []
    for text, own in statements:
        values += [own[name] for name in _by_place(text)[1]] if isinstance(own, Mapping) else own
    return _combined(tuple(text for text, _ in statements)), values


@lru_cache(maxsize=1024)
def _combined(texts: tuple[str, ...]) -> bytes:
    """The combined text; of a few dozen combinations at most, which the driver comes to know as prepared."""
    *parts, last = (_by_place(text)[0] for text in texts)
    if not parts:
        return last.encode()
    ctes = ",\n".join(f"part_{number} as ({part})" for number, part in enumerate(parts))
    return f"with {ctes}\n{last}".encode()


@lru_cache(maxsize=1024)
def _by_place(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with its values by place, and their names in that order; none where it has no names."""
    return _NAMED.sub("%s", text), tuple(_NAMED.findall(text))
