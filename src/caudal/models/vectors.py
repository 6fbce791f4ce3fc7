"""From a row to the numbers that a model takes. Never fails: what cannot be taken is missing. Pure."""

import math
from collections.abc import Sequence

from caudal.models.types import Input, InputKind, Row, Value

_INFINITE = (math.inf, -math.inf)


class Vectors:
    """Makes vectors of rows, as a card's inputs say."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        """`inputs` of a card that is sound."""
        self.required = frozenset(one.name for one in inputs if one.required)
        self._plan = [(one.name, _places(one), _absent(one), _other(one), one.ratio) for one in inputs]

    def vector(self, row: Row) -> tuple[list[float], list[str]]:
        """The numbers, and the names of inputs that are missing."""
        vector: list[float] = []
        missing: list[str] = []
        add, get = vector.append, row.get
        for name, places, absent, other, ratio in self._plan:
            value = get(name)
            if value is None and ratio is not None:
                value = ratio_of(row, ratio)
            if places is None:
                number = number_of(value)
                if number is None:
                    missing.append(name)
                    number = absent
                add(number)
            else:
                text = text_of(value)
                if text is None:
                    missing.append(name)
                    add(absent)
                else:
                    place = places.get(text, other)
                    if place != place:
                        missing.append(name)
                    add(place)
        return vector, missing


def number_of(value: Value) -> float | None:
    """A finite number, or nothing."""
    if type(value) is float:
        return value if value == value and value not in _INFINITE else None
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    return None


def ratio_of(row: Row, parts: tuple[str, str]) -> float | None:
    """The first over the second; None where either is missing, or the second is nothing."""
    above, below = number_of(row.get(parts[0])), number_of(row.get(parts[1]))
    return None if above is None or not below else above / below


def text_of(value: Value) -> str | None:
    """A category as text: numbers as they are written, since files say 3 and 3.0 for one thing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def _places(one: Input) -> dict[str, float] | None:
    if one.kind is InputKind.NUMBER:
        return None
    return {category: float(place) for place, category in enumerate(one.categories)}


def _absent(one: Input) -> float:
    return math.nan if one.missing is None else one.missing


def _other(one: Input) -> float:
    return math.nan if one.unknown is None else float(one.categories.index(one.unknown))
