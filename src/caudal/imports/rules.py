"""What all imports share: ids that follow from where a row comes from, and exact reading of dates."""

import datetime as dt
from typing import Final

from caudal.imports.reader import Unreadable
from caudal.ledger import AccountId, TransferId
from caudal_base import ids
from caudal_base.money import InvalidAmount, parse_decimal
from caudal_base.personal import PersonalDataRefused, personal_kind

MAX_REFERENCE: Final = 255
"""Characters of an account's or transfer's reference, and of a code."""

MAX_METADATA_VALUE: Final = 500


def transfer_id_of(*source: str) -> TransferId:
    """The id of the transfer that a row becomes; `source` identifies the row.

    It has no time in it: what a row says of time may be corrected, and its identity may not change with it.
    """
    return TransferId(ids.of_names(ids.TRANSFER, "row", *source))


def account_id_of(reference: str) -> AccountId:
    """The id under which an import opens the account of this reference."""
    return AccountId(ids.of_names(ids.ACCOUNT, "account", reference))


def read_amount(text: str, currency: str, column: str) -> int:
    """The minor units that `text` says, exactly. Raises `Unreadable`."""
    try:
        return parse_decimal(text, currency)
    except InvalidAmount as error:
        raise Unreadable("invalid_amount", f"{shown(text)}: {error.detail}", column) from None


def read_text(text: str, most: int, column: str) -> str:
    """`text` without white space around it. Raises `Unreadable` where it is too long, or personal data."""
    text = text.strip()
    if len(text) > most:
        raise Unreadable("text_too_long", f"more than {most} characters", column)
    kind = personal_kind(text)
    if kind is not None:
        raise Unreadable(PersonalDataRefused.code, f"this looks like {kind}", column)
    return text


def midnight(day: dt.date) -> dt.datetime:
    """The first moment of a day in UTC, from which on a transfer of that day counts."""
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def shown(text: str) -> str:
    """`text` fit for an error: short and printable."""
    text = text if len(text) <= 40 else f"{text[:40]}…"
    return repr(text)
