"""Options and arguments that several commands have, and how their texts are read."""

import datetime as dt
import re
from typing import Annotated, Final

import typer

from caudal_base.errors import InvalidRequest
from caudal_base.money import parse_decimal

BookOption = Annotated[str, typer.Option("--book", metavar="NAME", help="The book, by name or id.")]
AccountArgument = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The account, by id (`acct_…`) or by its reference.")
]
TransferArgument = Annotated[str, typer.Argument(metavar="TRANSFER", help="The transfer's id (`tr_…`).")]
MetadataOption = Annotated[
    list[str] | None,
    typer.Option("--metadata", "-m", metavar="KEY=VALUE", help="A pair of metadata; may be repeated."),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many to show, at most.")]
AfterOption = Annotated[
    str | None,
    typer.Option("--after", metavar="CURSOR", help="Go on behind this one: the `next_cursor` shown before."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")]

DEFAULT_LIMIT: Final = 50

_MINOR: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_SPAN: Final = re.compile(r"([0-9]{1,5})([mhd])", re.ASCII)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def amount_of(amount: str | None, minor: str | None, currency: str, *, field: str = "amount") -> int | None:
    """Minor units from `--amount` (units of the currency, exact) or `--amount-minor`; None for neither.

    Raises `InvalidRequest` for both, and for what is no exact amount.
    """
    if amount is not None and minor is not None:
        raise InvalidRequest("name the amount once: in units, or in minor units", field=field)
    if minor is not None:
        if not _MINOR.fullmatch(minor):
            raise InvalidRequest("expected a whole number of minor units", field=field)
        return int(minor)
    return None if amount is None else parse_decimal(amount, currency, field=field)


def metadata_of(pairs: list[str] | None) -> dict[str, str] | None:
    """The metadata in `KEY=VALUE` texts. Raises `InvalidRequest`."""
    if not pairs:
        return None
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidRequest(f"{pair!r} is not KEY=VALUE", field="metadata")
        if key in found:
            raise InvalidRequest(f"{key} is given twice", field="metadata")
        found[key] = value
    return found


def moment_of(text: str | None, *, field: str) -> dt.datetime | None:
    """A moment as RFC 3339 has it; without an offset it is UTC's. Raises `InvalidRequest`."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{text!r} is no time; write it as 2026-01-31T12:00:00Z", field=field) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def day_of(text: str, *, field: str) -> dt.date:
    """A day, as 2026-01-31. Raises `InvalidRequest`."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{text!r} is no day; write it as 2026-01-31", field=field) from None


def span_of(text: str, *, field: str) -> dt.timedelta:
    """A span of time: `15m`, `12h`, `90d`. Raises `InvalidRequest`."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"{text!r} is no span; write it as 15m, 12h or 90d", field=field)
    return dt.timedelta(**{_UNITS[match[2]]: int(match[1])})


def number_of(text: str | None, *, field: str = "after") -> int | None:
    """A cursor that counts. Raises `InvalidRequest`."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidRequest("this is not a cursor that was shown before", field=field)
    return int(text)
