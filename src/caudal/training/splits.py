"""What is trained on and what is tested on: out of time where there is a time, else repeated folds."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd
from sklearn.model_selection import RepeatedStratifiedKFold

from caudal.training.errors import ColumnUnfit, DataTooSmall
from caudal.training.types import Column, ColumnKind, Division, Floats, Places, Span, Table, Wishes

FOLDS: Final = 5
_LEAST_DIFFERENT: Final = 50
"""Values of one column at least, so that two rows are hardly the same by chance."""
TEST_SHARE: Final = 0.2
LEAST_POSITIVES: Final = 10
_FIRST_DAY: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Training and test."""

    division: Division
    said: str
    """How it was divided, in words."""
    train: Any
    """Numbers of rows, the oldest first where there is a time."""
    test: Any
    """Empty in cross-validation."""
    repeats: int = 0
    alike: Any = None
    """Of each row a number that it shares with rows that are the same; None where no row is there twice."""
    train_span: Span | None = None
    test_span: Span | None = None


def split(y: Any, time: Column | None, wishes: Wishes, repeats: int | None) -> Split:
    """How the rows are divided. Raises `DataTooSmall`, `ColumnUnfit`."""
    if time is None:
        return _folds(y, repeats)
    order = np.argsort(time.values, kind="stable")
    ordered = time.values[order]
    train_mask, test_mask, said = _bounds(order, ordered, time, wishes)
    train, test = order[train_mask], order[test_mask]
    gap = ""
    if wishes.label_delay_days and len(test):
        begins = float(time.values[test].min())
        train = train[time.values[train] < begins - _delay(time, wishes.label_delay_days)]
        gap = f", what was known {wishes.label_delay_days:g} days before the test"
    for rows, which in ((train, f"training{gap and gap + ','}"), (test, "test")):
        positives = int(y[rows].sum())
        if positives < LEAST_POSITIVES or len(rows) - positives < LEAST_POSITIVES:
            raise DataTooSmall(
                f"the {which} has {positives} rows with the risk and {len(rows) - positives} without; each "
                f"must be at least {LEAST_POSITIVES}",
                field="time",
            )
    return Split(
        division=Division.OUT_OF_TIME,
        said=said + gap,
        train=train,
        test=test,
        train_span=span(time, train),
        test_span=span(time, test),
    )


def folds(y: Any, division: Split, seed: int) -> Iterator[tuple[Places, Places]]:
    """The repeated stratified folds, of scikit-learn's making: training and test of each."""
    maker = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=division.repeats, random_state=seed)
    if division.alike is None:
        yield from maker.split(np.zeros(len(y)), y)
        return
    _, firsts = np.unique(division.alike, return_index=True)
    for _, test in maker.split(np.zeros(len(firsts)), y[firsts]):
        tested = np.isin(division.alike, test)
        yield np.flatnonzero(~tested), np.flatnonzero(tested)


def alike(table: Table) -> Any:
    """Of each row a number that it shares with rows that are the same in every column; None where none is.

    Rows of few possible values are the same by chance, and are no repetition.
    """
    hashes = np.zeros(table.rows, dtype=np.uint64)
    most = 0
    for column in table.columns.values():
        codes, different = pd.factorize(column.values)
        most = max(most, len(different))
        hashes = pd.util.hash_array(hashes ^ pd.util.hash_array(codes.astype(np.int64)))
    found, same = np.unique(hashes, return_inverse=True)
    if len(found) == table.rows or most < max(_LEAST_DIFFERENT, len(found) // 20):
        return None
    return same


def span(time: Column, rows: Places) -> Span:
    """From when to when."""
    low, high = float(time.values[rows].min()), float(time.values[rows].max())
    if time.kind is ColumnKind.DATE:
        first, last = (_FIRST_DAY + dt.timedelta(days=day) for day in (low, high))
        return Span(first=first, last=last, said=f"{first:%Y-%m-%d} to {last:%Y-%m-%d}")
    return Span(first=None, last=None, said=f"{low:,.10g} to {high:,.10g}".replace(",", ""))


def asked_for(time: Column, rows: Places, wishes: Wishes) -> tuple[Any, float, float]:
    """Which of the rows are trained or tested on by the bounds, and the first and last time of these.

    Between the end of training and the beginning of the test there may be a gap. Raises `ColumnUnfit`.
    """
    values = time.values[rows]
    said = [wishes.train_from, wishes.train_until, wishes.test_from, wishes.test_until]
    from_train, until_train, from_test, until_test = (_moment(time, text) for text in said)
    within = np.ones(len(values), dtype=bool)
    if from_train is not None:
        within &= values >= from_train[0]
    if until_test is not None:
        within &= values < until_test[1]
    if until_train is not None and from_test is not None:
        within &= (values < until_train[1]) | (values >= from_test[0])
    if not within.any():
        raise DataTooSmall("no row lies within the bounds", field="train_from")
    return within, float(values[within].min()), float(values[within].max())


def _folds(y: Any, repeats: int | None) -> Split:
    positives = int(y.sum())
    if min(positives, len(y) - positives) < LEAST_POSITIVES * 2:
        raise DataTooSmall(
            f"{positives} rows with the risk, {len(y) - positives} without: at least "
            f"{LEAST_POSITIVES * 2} of each are needed",
            field="data",
        )
    times = repeats or (5 if len(y) <= 5_000 else 2 if len(y) <= 50_000 else 1)
    repeated = f", repeated {times} times" if times > 1 else ""
    return Split(
        division=Division.CROSS_VALIDATION,
        said=f"{FOLDS} stratified folds{repeated}; figures are means over the folds",
        train=np.arange(len(y)),
        test=np.array([], dtype=np.int64),
        repeats=times,
    )


def _bounds(order: Places, ordered: Floats, time: Column, wishes: Wishes) -> tuple[Any, Any, str]:
    """Which of the ordered rows train and which test."""
    said = [wishes.train_from, wishes.train_until, wishes.test_from, wishes.test_until]
    if not any(said):
        # Rows of one moment stay together, in training.
        edge = ordered[max(0, int(len(order) * (1 - TEST_SHARE)) - 1)]
        train = ordered <= edge
        if train.all():
            train = ordered < edge
        return (
            train,
            ~train,
            f"out of time by {time.name}: the last {np.mean(~train):.0%} of rows are the test",
        )
    from_train, until_train, from_test, until_test = (_moment(time, text) for text in said)
    if from_test is None and until_train is None:
        raise ColumnUnfit("say where training ends or where the test begins", field="train_until")
    train, test = np.ones(len(ordered), dtype=bool), np.ones(len(ordered), dtype=bool)
    if from_train is not None:
        train &= ordered >= from_train[0]
    if until_train is not None:
        train &= ordered < until_train[1]
        test &= ordered >= until_train[1]
    if from_test is not None:
        test &= ordered >= from_test[0]
        train &= ordered < from_test[0]
    if until_test is not None:
        test &= ordered < until_test[1]
    return train, test, f"out of time by {time.name}, as bounded on the command line"


def _moment(time: Column, text: str | None) -> tuple[float, float] | None:
    """What a bound covers: a year, a day, a number; its beginning and the beginning of what is next."""
    if text is None:
        return None
    try:
        if time.kind is ColumnKind.NUMBER:
            number = float(text)
            return number, float(np.nextafter(number, np.inf))
        if len(text) == 4:
            year = int(text)
            return _day(dt.datetime(year, 1, 1, tzinfo=dt.UTC)), _day(
                dt.datetime(year + 1, 1, 1, tzinfo=dt.UTC)
            )
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ColumnUnfit(f"{text!r} is no value of {time.name}", field="time") from None
    begins = _day(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))
    return begins, begins + 1 if len(text) == 10 else float(np.nextafter(begins, np.inf))


def _day(moment: dt.datetime) -> float:
    return (moment - _FIRST_DAY) / dt.timedelta(days=1)


def _delay(time: Column, days: float) -> float:
    """Of dates days; of plain numbers seconds, which is what event times without a date are."""
    return days if time.kind is ColumnKind.DATE else days * 86_400
