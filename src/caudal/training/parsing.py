"""Texts as numbers and dates: in the ways that files write them, a whole column in one way.

What a column holds is seen from some of its values, and then read of all of them at once.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from caudal.training.types import DAY_US, Floats

_NOTHING: Final = ("", "na", "n/a", "nan", "null", "nat", "<na>", "#n/a", "\\n", "-", "?", ".")
_INFINITY: Final = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "#div/0!", "#num!")
MISSING: Final = (*_NOTHING, *_INFINITY)
"""In small letters: how files write that there is no value. A question mark is UCI's, `\\N` PostgreSQL's."""
_SAMPLE: Final = 1_000
_MONEY: Final = re.compile(
    r"[$€£¥₹\s\u00a0%']|(?<=\d) ?(?:EUR|USD|GBP|CHF|DM)$|^(?:EUR|USD|GBP|CHF|DM) ?(?=\d)"
)
_THOUSANDS: Final = re.compile(r"^[-+(]?\d{1,3}(?:,\d{3})+(?:\.\d+)?\)?$")
_CONTINENTAL: Final = re.compile(r"^[-+(]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+\)?$")
"""1.234,56: points between thousands, a comma before the fraction."""
_CONTINENTAL_WHOLE: Final = re.compile(r"^[-+(]?(?:\d{1,3}(?:\.\d{3})+|\d+)\)?$")
_BRACKETS: Final = re.compile(r"^\((.*)\)$")
_CLOCK: Final = r"[ T]\d{1,2}:\d{2}"
_DATES: Final = (
    (re.compile(r"^\d{4}-\d{2}-\d{2}$"), "%Y-%m-%d"),
    (re.compile(r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"), "ISO8601"),
    (re.compile(r"^\d{1,2}-[A-Za-z]{3}-\d{2}$"), "%d-%b-%y"),
    (re.compile(r"^\d{1,2}-[A-Za-z]{3}-\d{4}$"), "%d-%b-%Y"),
    (re.compile(r"^\d{1,2} [A-Za-z]{3} \d{4}$"), "%d %b %Y"),
    (re.compile(r"^[A-Za-z]{3} \d{1,2}, \d{4}$"), "%b %d, %Y"),
    (re.compile(r"^[A-Za-z]{3,9} \d{1,2}, \d{4}$"), "%B %d, %Y"),
    (re.compile(r"^[A-Za-z]{3}-\d{4}$"), "%b-%Y"),
    (re.compile(r"^[A-Za-z]{3} \d{4}$"), "%b %Y"),
    (re.compile(r"^[A-Za-z]{3}-\d{2}$"), "%b-%y"),
    (re.compile(r"^\d{4}-\d{2}$"), "%Y-%m"),
    (re.compile(r"^\d{4}/\d{1,2}/\d{1,2}$"), "%Y/%m/%d"),
    (re.compile(r"^\d{1,2}\.\d{1,2}\.\d{4}$"), "%d.%m.%Y"),
    (re.compile(r"^\d{1,2}\.\d{1,2}\.\d{2}$"), "%d.%m.%y"),
    (re.compile(r"^\d{1,2}/\d{1,2}/\d{4}$"), "%m/%d/%Y"),
    (re.compile(r"^\d{1,2}/\d{1,2}/\d{4}$"), "%d/%m/%Y"),
    (re.compile(r"^\d{1,2}-\d{1,2}-\d{4}$"), "%m-%d-%Y"),
    (re.compile(r"^\d{1,2}-\d{1,2}-\d{4}$"), "%d-%m-%Y"),
    (re.compile(r"^\d{1,2}/\d{1,2}/\d{2}$"), "%m/%d/%y"),
    (re.compile(r"^\d{1,2}/\d{1,2}/\d{2}$"), "%d/%m/%y"),
    *(
        (re.compile(rf"^{pattern}{_CLOCK}{end}$"), f"{format_} %H:%M{seconds}")
        for pattern, formats in (
            (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
            (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y",)),
            (r"\d{1,2}/\d{1,2}/\d{4}", ("%m/%d/%Y", "%d/%m/%Y")),
            (r"\d{1,2}/\d{1,2}/\d{2}", ("%m/%d/%y", "%d/%m/%y")),
        )
        for format_ in formats
        for end, seconds in (("", ""), (r":\d{2}", ":%S"), (r":\d{2}\.\d+", ":%S.%f"))
    ),
)
"""Where days and months may be either, the month is tried first, as where most such files come from."""
_CENTURY_DAYS: Final = 36_525
_FROM_2050: Final = 29_220
"""Days since 1970. Two figures of a year from 50 on are of the last century."""
_SECONDS_OF: Final = ((1.0, 8.0e8, 2.1e9), (1e3, 8.0e11, 2.1e12), (1e6, 8.0e14, 2.1e15))
"""Units of a second, and what 1995 to 2036 are in them."""
_TIME_WORDS: Final = re.compile(r"time|date|epoch|unix|stamp|(^|_)(ts|at|on|when|moment|dt)($|_)", re.I)


def numbers(words: Any, *, declared: bool) -> Floats:
    """What the texts are as numbers; NaN for what is none, and for infinity.

    Where few of a sample are numbers, and the column is not `declared` to hold them, all is NaN.
    """
    nothing: Floats = np.full(len(words), np.nan)
    sample = _sampled(words)
    if not declared and np.isfinite(_slowly(sample, _continental(sample))).mean() < 0.9:
        return nothing
    try:
        found = pc.cast(words, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        texts = words.to_pylist()
        return _slowly(texts, _continental([text for text in texts if text]))
    return np.where(np.isfinite(found), found, np.nan)


def dates(words: Any) -> Floats:
    """What the texts are as days since 1970, by the format that most of them have."""
    best: Floats = np.full(len(words), np.nan)
    sample = _sampled(words)
    texts: Any = None
    for pattern, format_ in _DATES:
        if sum(pattern.match(word) is not None for word in sample) < 0.5 * len(sample):
            continue
        if texts is None:
            texts = pd.Series(words.to_pylist(), dtype=object).replace("", None)
        found = days(pd.to_datetime(texts, format=format_, errors="coerce", utc=True))
        if "%y" in format_:
            found = np.where(found >= _FROM_2050, found - _CENTURY_DAYS, found)
        if np.isfinite(found).sum() > np.isfinite(best).sum():
            best = found
    return best


def days(instants: Any) -> Floats:
    """Days since 1970, NaN where there is none."""
    series = pd.Series(instants)
    if getattr(series.dtype, "tz", None) is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    stamps = series.astype("datetime64[us]")
    found: Floats = np.where(stamps.isna().to_numpy(), np.nan, stamps.astype("int64").to_numpy() / DAY_US)
    return found


def dates_in_numbers(name: str, values: Floats) -> Floats | None:
    """Whole numbers that are moments: 20180725, or seconds (or parts of them) since 1970; None for others."""
    there = values[np.isfinite(values)]
    if len(there) < 10 or there.min() <= 0 or np.any(there != np.round(there)) or there[0] < 19_000_101:
        return None
    low, high = float(there.min()), float(there.max())
    if low >= 19_000_101 and high <= 21_001_231:
        months, month_days = there // 100 % 100, there % 100
        if np.all((months >= 1) & (months <= 12) & (month_days >= 1) & (month_days <= 31)):
            texts = pd.Series([None if one != one else f"{one:.0f}" for one in values], dtype=object)
            return days(pd.to_datetime(texts, format="%Y%m%d", errors="coerce", utc=True))
    for scale, first, last in _SECONDS_OF:
        named = _TIME_WORDS.search(name) is not None
        if low >= first and high <= last and (named or scale > 1) and len(np.unique(there[:1_000])) > 5:
            return values / (scale * 86_400)
    return None


def _sampled(words: Any) -> list[str]:
    """Some of the texts that are there, from all over the column."""
    there = words.filter(pc.not_equal(words, ""))
    chosen = np.unique(np.linspace(0, max(len(there) - 1, 0), _SAMPLE).astype(np.int64))
    return there.take(pa.array(chosen)).to_pylist() if len(there) else []


def _continental(texts: Sequence[str]) -> bool:
    """Whether the commas stand before fractions: all fit that, and some fit nothing else."""
    bare = [_MONEY.sub("", text) for text in texts if "," in text]
    return (
        bool(bare)
        and sum(_CONTINENTAL.match(text) is not None for text in bare) >= 0.99 * len(bare)
        and any(not _THOUSANDS.match(text) for text in bare)
    )


def _slowly(texts: Sequence[str], continental: bool) -> Floats:
    """One by one, with currency signs and thousands."""
    if continental:
        return np.array([_number(_turned(text)) for text in texts], dtype=np.float64)
    found = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(
        dtype=np.float64, copy=True
    )
    for place in np.flatnonzero(~np.isfinite(found)).tolist():
        found[place] = _number(texts[place])
    numbers_: Floats = found
    return numbers_


def _turned(text: str) -> str:
    """1.234,56 as 1234.56."""
    bare = _MONEY.sub("", text)
    if _CONTINENTAL.match(bare) or _CONTINENTAL_WHOLE.match(bare):
        return bare.replace(".", "").replace(",", ".")
    return text


def _number(word: str) -> float:
    bare = _MONEY.sub("", word)
    if bare.startswith("("):
        bare = _BRACKETS.sub(r"-\1", bare)
    if "," in bare:
        if not _THOUSANDS.match(bare):
            return np.nan
        bare = bare.replace(",", "")
    if "_" in bare:
        return np.nan
    try:
        number = float(bare)
    except ValueError:
        return np.nan
    return number if np.isfinite(number) else np.nan
