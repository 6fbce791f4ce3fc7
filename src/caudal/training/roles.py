"""What the columns of a file are for: the outcome, the time, identifiers, inputs. Said, or found out.

Nothing here goes by one data set's names.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from caudal.training import outcome
from caudal.training.errors import ColumnUnfit
from caudal.training.reading import as_text, require
from caudal.training.types import BadRow, Column, ColumnKind, Floats, Objects, Roles, Table, Wishes

MOST_DISTINCT_SHARE: Final = 0.5
"""A category that has more different values than half of the rows names single rows: people, references."""
_SHORTEST: Final = 50
"""Of fewer rows nothing is told by how many different values there are."""
_DENSE: Final = 3
"""Whole numbers, all different, over a range of at most so many times the rows: they count rows."""
_MEETINGS: Final = 8
"""Whole numbers that are all different, where so many pairs should be alike by chance, are drawn without
replacement: numbers of customers, in a part of them.
"""
_LONG: Final = 1e8
"""Whole numbers, all different, as large as this: account numbers."""


def assign(table: Table, wishes: Wishes, *, find_time: bool = True) -> Roles:
    """What each column is for. Raises `TargetUnclear`, `ColumnUnknown`, `ColumnUnfit`."""
    found: list[str] = []
    for name in (*wishes.leave_out, *wishes.keep, *wishes.groups, *wishes.rising, *wishes.falling):
        require(table.columns, name)
    target = wishes.target or outcome.find(table, found)
    require(table.columns, target)
    positive = outcome.risk_of(table.columns[target], wishes.positive, found)
    time = wishes.time
    if time is not None:
        require(table.columns, time)
        if table.columns[time].kind is ColumnKind.CATEGORY:
            raise ColumnUnfit(f"{time} holds neither dates nor numbers", field="time")
    elif find_time and wishes.out_of_time:
        time = _time(table, target, found)
    left_out = {}
    for name, column in table.columns.items():
        if name in {target, time} or name in wishes.keep:
            continue
        why = "you left it out" if name in wishes.leave_out else _unfit(column, table.rows)
        if why is not None:
            left_out[name] = why
    inputs = tuple(name for name in table.columns if name not in {target, time, *left_out})
    return Roles(
        target=target, positive=positive, time=time, inputs=inputs, left_out=left_out, found=tuple(found)
    )


def outcomes(table: Table, roles: Roles) -> tuple[Any, list[BadRow]]:
    """1 for the risk and 0 for its absence, NaN where the outcome is not there, and the rows without."""
    column = table.columns[roles.target]
    texts = texts_of(column)
    known = np.array([text is not None for text in texts], dtype=bool)
    y = np.where(known, (texts == roles.positive).astype(np.float64), np.nan)
    bad = [BadRow(int(table.numbers[place]), "no outcome") for place in np.flatnonzero(~known)]
    return y, bad


def texts_of(column: Column) -> Objects:
    """A column's values as texts, None where missing."""
    if column.kind is ColumnKind.CATEGORY:
        values: Objects = column.values
        return values
    different = {one: as_text(float(one)) for one in np.unique(column.values[np.isfinite(column.values)])}
    return np.array([different.get(one) for one in column.values], dtype=object)


def _time(table: Table, target: str, found: list[str]) -> str | None:
    """The column of dates that all rows have, the earliest of several; or numbers that never fall."""
    dated = []
    for name, column in table.columns.items():
        if column.kind is ColumnKind.DATE and name != target:
            there = column.values[np.isfinite(column.values)]
            if len(there) >= 0.995 * table.rows and len(np.unique(there)) >= 10:
                dated.append((float(np.median(there)), name))
    if dated:
        name = min(dated)[1]
        found.append(f"Time is {name}: dates that all rows have, the earliest of them.")
        return name
    for name, column in table.columns.items():
        if column.kind is ColumnKind.NUMBER and name != target and _rises(column.values):
            found.append(f"Time is {name}: it never falls from row to row.")
            return name
    return None


def _rises(values: Floats) -> bool:
    """Whether numbers grow from row to row as times do, and not by the same step, as counters do."""
    if len(values) < _SHORTEST or not np.all(np.isfinite(values)):
        return False
    steps = np.diff(values)
    return bool(np.all(steps >= 0)) and len(np.unique(values)) >= 10 and len(np.unique(steps)) >= 3


def _unfit(column: Column, rows: int) -> str | None:
    """Why a column is no input; None where it may be one."""
    if column.kind is ColumnKind.CATEGORY:
        there = [one for one in column.values.tolist() if one is not None]
        different = len(set(there))
        if different == 0 or (different == 1 and len(there) == rows):
            return "it always says the same"
        if rows >= _SHORTEST and different > MOST_DISTINCT_SHARE * len(there):
            return f"an identifier or free text: {different:,} different values in {len(there):,} rows"
        return None
    there_numbers = column.values[np.isfinite(column.values)]
    different = len(np.unique(there_numbers))
    if different == 0 or (different == 1 and len(there_numbers) == rows):
        return "it always says the same"
    if column.whole and column.kind is ColumnKind.NUMBER and rows >= _SHORTEST and len(there_numbers) == rows:
        return _counting(column.values, different)
    return None


def _counting(values: Floats, different: int) -> str | None:
    """Amounts meet one another by chance: about n² / 2 range times, if they were spread evenly."""
    count = len(values)
    if different < count * 0.999:
        return None
    spread = float(values.max() - values.min())
    sorted_ = bool(np.all(np.diff(values) > 0)) or bool(np.all(np.diff(values) < 0))
    never_meet = different == count and count * count >= 2 * _MEETINGS * spread
    if sorted_ or never_meet or spread <= _DENSE * count or float(np.abs(values).max()) >= _LONG:
        return "an identifier: whole numbers, another one in each row"
    return None


def dates_as_inputs(table: Table, names: Sequence[str]) -> list[str]:
    """Those of the columns that are dates."""
    return [name for name in names if table.columns[name].kind is ColumnKind.DATE]
