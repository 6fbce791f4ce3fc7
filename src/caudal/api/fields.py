"""The forms of single values in bodies and parameters, as they are checked and as the document has them.

Amounts are checked by the ledger's rules, each kind of wrong with a reason of its own: the bounds here stand
in the document only.
"""

import datetime as dt
from typing import Annotated, Final

from msgspec import Meta

from caudal_base.money import MAX_AMOUNT
from caudal_base.strictjson import InvalidField

MAX_VERSION: Final = 2**63 - 1
MAX_CODE: Final = 64
MAX_REFERENCE: Final = 255
MAX_PAGE: Final = 1_000

_HEX: Final = "[0-9a-f]{32}$"

# The length beside the pattern: `$` also matches before a line's end.
AccountIdText = Annotated[
    str, Meta(pattern=f"^acct_{_HEX}", min_length=37, max_length=37, description="An account's id.")
]
TransferIdText = Annotated[
    str, Meta(pattern=f"^tr_{_HEX}", min_length=35, max_length=35, description="A transfer's id.")
]
TransactionIdText = Annotated[
    str, Meta(pattern=f"^txn_{_HEX}", min_length=36, max_length=36, description="A transaction's id.")
]
BookIdText = Annotated[
    str, Meta(pattern=f"^book_{_HEX}", min_length=37, max_length=37, description="A book's id.")
]
Amount = Annotated[
    int,
    Meta(
        description="Minor units of the currency, from 1 to 2^53 - 1.",
        extra_json_schema={"minimum": 1, "maximum": MAX_AMOUNT, "examples": [1050]},
    ),
]
AmountOrZero = Annotated[
    int,
    Meta(
        description="Minor units of the currency, from 0 to 2^53 - 1.",
        extra_json_schema={"minimum": 0, "maximum": MAX_AMOUNT},
    ),
]
SignedAmount = Annotated[int, Meta(description="Minor units of the currency; may be negative.")]
Count = Annotated[int, Meta(description="Minor units of the currency.")]
Seq = Annotated[int, Meta(description="A place in the book's gap-free order.", ge=0, le=MAX_VERSION)]
Currency = Annotated[
    str,
    Meta(
        description="An ISO 4217 code.",
        min_length=3,
        max_length=3,
        extra_json_schema={"pattern": "^[A-Z]{3}$", "examples": ["USD"]},
    ),
]
Code = Annotated[str, Meta(description="A code of your own.", min_length=1, max_length=MAX_CODE)]
Reference = Annotated[
    str, Meta(description="A reference of your own.", min_length=1, max_length=MAX_REFERENCE)
]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], Annotated[str, Meta(max_length=500)]],
    Meta(description="Up to 50 pairs of your own; keys to 40 characters, values to 500.", max_length=50),
]
Moment = Annotated[
    dt.datetime, Meta(tz=True, description="RFC 3339, with a zone; from 1900 to 2999. Answers are in UTC.")
]
Time = Annotated[dt.datetime, Meta(tz=True)]
"""As we write it: RFC 3339 in UTC."""
Rate = Annotated[
    str,
    Meta(
        description="A positive decimal of at most 18 digits on each side of the point.",
        min_length=1,
        max_length=37,
        extra_json_schema={"pattern": r"^[0-9]{1,18}(\.[0-9]{1,18})?$", "examples": ["0.9214"]},
    ),
]
Limit = Annotated[int, Meta(description="At most so many rows.", ge=1, le=MAX_PAGE)]
Cursor = Annotated[str, Meta(description="`next_cursor` of the page before.", min_length=1, max_length=200)]

_YEARS: Final = range(1900, 3000)


def utc(moment: dt.datetime | None, field: str) -> dt.datetime | None:
    """`moment` in UTC. Raises `InvalidField` for a year that no ledger has any use for."""
    if moment is None:
        return None
    if moment.year not in _YEARS:
        raise InvalidField("a time lies in the years 1900 to 2999", field=field)
    return moment.astimezone(dt.UTC)
