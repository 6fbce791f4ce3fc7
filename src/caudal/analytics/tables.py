"""The tables of an export: their columns, and the version of each.

Columns are only ever added, with a new version; older files lack them, and readers see null there. What
changes the meaning of a column gets a table of another name. Times are UTC; amounts are minor units; ids are
the external ones. There is no free text in any of them: references, descriptions and metadata stay in the
database.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import pyarrow as pa

_TIME: Final = pa.timestamp("us", tz="UTC")
_INT, _TEXT, _REAL, _FLAG = pa.int64(), pa.string(), pa.float64(), pa.bool_()


class Table(msgspec.Struct, frozen=True):
    """One table."""

    name: str
    version: int
    about: str
    columns: tuple[tuple[str, Any], ...]

    def schema(self) -> Any:
        """The schema of its files, which say of which table and version they are."""
        metadata = {"caudal.table": self.name, "caudal.schema_version": str(self.version)}
        return pa.schema([pa.field(name, type_) for name, type_ in self.columns], metadata=metadata)


_CHANGE: Final = (("seq", _INT), ("at", _TIME), ("type", _TEXT), ("id", _TEXT))
_PART: Final = (("payment", _TEXT), ("state", _TEXT), ("amount", _INT), ("currency", _TEXT))

TRANSFERS: Final = Table(
    "transfers", 1, "What was posted, held and released in the ledger, by `seq`.",
    (
        ("seq", _INT), ("id", _TEXT), ("recorded_at", _TIME), ("effective_at", _TIME), ("kind", _TEXT),
        ("debit_account", _TEXT), ("debit_code", _TEXT), ("credit_account", _TEXT), ("credit_code", _TEXT),
        ("amount", _INT), ("currency", _TEXT), ("related_seq", _INT), ("group_seq", _INT), ("code", _TEXT),
    ),
)  # fmt: skip
TRANSACTIONS: Final = Table(
    "transactions", 1, "Journal entries: which transfers belong together.",
    (
        ("first_seq", _INT), ("last_seq", _INT), ("id", _TEXT), ("recorded_at", _TIME),
        ("effective_at", _TIME), ("code", _TEXT), ("template", _TEXT), ("beyond_limits", _FLAG),
    ),
)  # fmt: skip
PAYMENTS: Final = Table(
    "payments", 1, "A row for each change of a payment: the one with the newest `seq` is how it stands.",
    (
        *_CHANGE, ("kind", _TEXT), ("state", _TEXT), ("customer", _TEXT), ("destination", _TEXT),
        ("amount", _INT), ("currency", _TEXT), ("authorised_amount", _INT), ("captured_amount", _INT),
        ("refunded_amount", _INT), ("disputed_amount", _INT), ("fee_amount", _INT), ("method", _TEXT),
        ("partner", _TEXT), ("instrument", _TEXT), ("card_token", _TEXT), ("device", _TEXT), ("ip", _TEXT),
        ("merchant", _TEXT), ("country", _TEXT), ("verdict", _TEXT), ("failure_code", _TEXT),
        ("failure_class", _TEXT), ("created_at", _TIME), ("updated_at", _TIME),
    ),
)  # fmt: skip
REFUNDS: Final = Table(
    "refunds", 1, "A row for each change of a refund.",
    (*_CHANGE, *_PART, ("failure_code", _TEXT), ("created_at", _TIME)),
)  # fmt: skip
CAPTURES: Final = Table(
    "captures", 1, "A row for each change of a capture; its currency is the payment's.",
    (*_CHANGE, *_PART, ("failure_code", _TEXT), ("created_at", _TIME)),
)  # fmt: skip
DISPUTES: Final = Table(
    "disputes", 1, "A row for each change of a dispute; `reason` in the partner's words.",
    (*_CHANGE, *_PART, ("partner", _TEXT), ("reason", _TEXT), ("fee_amount", _INT), ("created_at", _TIME)),
)  # fmt: skip
ATTEMPTS: Final = Table(
    "attempts", 1, "Calls to partners that have come to an end.",
    (
        ("id", _TEXT), ("payment", _TEXT), ("operation", _TEXT), ("state", _TEXT), ("partner", _TEXT),
        ("amount", _INT), ("sends", _INT), ("failure_code", _TEXT), ("failure_class", _TEXT),
        ("created_at", _TIME), ("submitted_at", _TIME), ("updated_at", _TIME),
    ),
)  # fmt: skip
DECISIONS: Final = Table(
    "decisions", 1, "What was decided, on what, by what: `features` and `facts` are JSON, exact to the bit.",
    (
        ("seq", _INT), ("id", _TEXT), ("of", _TEXT), ("subject", _TEXT), ("customer", _TEXT), ("at", _TIME),
        ("as_of", _TIME), ("ordinal", _INT), ("outcome", _TEXT), ("score", _REAL),
        ("feature_set", _INT), ("rule_set", _INT), ("serving", _INT),
        ("model", _TEXT), ("role", _TEXT), ("fallback", _TEXT), ("reasons", _TEXT),
        ("facts", _TEXT), ("features", _TEXT), ("latency_us", _INT),
    ),
)  # fmt: skip
LABELS: Final = Table(
    "labels", 1, "What became known of payments and applications: of a subject the newest word counts.",
    (
        ("seq", _INT), ("subject", _TEXT), ("kind", _TEXT), ("source", _TEXT), ("event_at", _TIME),
        ("known_at", _TIME), ("known_us", _INT),
    ),
)  # fmt: skip
FEATURE_EVENTS: Final = Table(
    "feature_events", 1, "What features are computed of, in the order in which it became known.",
    (
        ("ordinal", _INT), ("source", _TEXT), ("id", _TEXT), ("event_at", _TIME), ("known_at", _TIME),
        ("event_us", _INT), ("known_us", _INT), ("entities", _TEXT), ("tags", _TEXT), ("vals", _TEXT),
    ),
)  # fmt: skip
FEATURE_SETS: Final = Table(
    "feature_sets", 1, "Features as they were declared, by version.",
    (("version", _INT), ("created_at", _TIME), ("declared", _TEXT)),
)  # fmt: skip

TABLES: Final[Mapping[str, Table]] = {
    each.name: each
    for each in (
        TRANSFERS, TRANSACTIONS, PAYMENTS, REFUNDS, CAPTURES, DISPUTES, ATTEMPTS, DECISIONS, LABELS,
        FEATURE_EVENTS,
        FEATURE_SETS,
    )
}  # fmt: skip
