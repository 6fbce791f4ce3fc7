"""Cursors: texts that mean something to the list that gave them, and to nobody else."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Final, TypeVar

from caudal.api.fields import MAX_VERSION
from caudal.api.problems import InvalidParameter
from caudal.api.views import PageView, json_answer
from caudal.idempotency import Answer

Row = TypeVar("Row")

_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_YEARS: Final = range(1900, 3000)


def number(cursor: str | None) -> int | None:
    """The place in a cursor of a list that goes by number. Raises `InvalidParameter`."""
    if cursor is None:
        return None
    if not _NUMBER.fullmatch(cursor) or int(cursor) > MAX_VERSION:
        raise bad_cursor()
    return int(cursor)


def bad_cursor() -> InvalidParameter:
    """What a cursor is answered with that this list never gave."""
    return InvalidParameter("this is no cursor of this list", field="cursor")


def day(value: dt.date, field: str) -> dt.date:
    """`value`, unless its year is one that no ledger has any use for: `InvalidParameter`."""
    if value.year not in _YEARS:
        raise InvalidParameter("a day lies in the years 1900 to 2999", field=field)
    return value


def page_answer(rows: Sequence[Row], next_: object) -> Answer:
    """A page of a list."""
    return json_answer(200, PageView(data=tuple(rows), next_cursor=None if next_ is None else str(next_)))
