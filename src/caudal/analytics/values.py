"""What applications were decided on, as columns: a JSON object of each row."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa


def columns(facts: Sequence[str]) -> dict[str, Any]:
    """A column for each name that any row has, null where a row has none; by their names.

    Whole numbers are int64, or float64 where some are no integers or beyond 64 bits; truths are bool; a name
    whose values are of several kinds has texts.
    """
    rows = [msgspec.json.decode(text, type=dict[str, Any]) for text in facts]
    names = sorted({name for row in rows for name in row})
    return {name: _column([row.get(name) for row in rows]) for name in names}


def _column(values: list[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.array(values, type=pa.bool_())
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pa.array(values, type=pa.int64())
    if kinds and kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in values], type=pa.float64())
    return pa.array([_text(value) for value in values], type=pa.string())


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
