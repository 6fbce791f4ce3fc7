"""Rows of the tables, from what the database has."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from caudal.analytics.pseudonyms import Pseudonyms, as_json
from caudal.analytics.tables import CAPTURES, DISPUTES, PAYMENTS, REFUNDS, Table
from caudal_base import ids

Row = Sequence[Any]
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_US: Final = dt.timedelta(microseconds=1)

OF_OBJECT: Final[Mapping[str, Table]] = {
    "payment": PAYMENTS, "refund": REFUNDS, "capture": CAPTURES, "dispute": DISPUTES,
}  # fmt: skip
"""Which events become rows of which table; customers and partners have theirs elsewhere."""

_decode: Final = msgspec.json.Decoder().decode


def us(moment: dt.datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _US


def day_of_id(id: UUID) -> dt.date:
    """The day on which a UUIDv7 was made, in UTC."""
    return moment_of_ms(ms_of_id(id)).date()


def ms_of_id(id: UUID) -> int:
    """Milliseconds since 1970 at which a UUIDv7 was made."""
    return id.int >> 80


def moment_of_ms(ms: int) -> dt.datetime:
    """The moment of milliseconds since 1970."""
    return _EPOCH + dt.timedelta(milliseconds=ms)


def transfer(row: Row) -> Row:
    """Of `TRANSFERS`."""
    seq, id, recorded_at, effective_at, kind, debit, debit_code, credit, credit_code, *rest = row
    return (
        seq, ids.encode(ids.TRANSFER, id), recorded_at, effective_at or recorded_at, kind,
        ids.encode(ids.ACCOUNT, debit), debit_code, ids.encode(ids.ACCOUNT, credit), credit_code, *rest,
    )  # fmt: skip


def transaction(row: Row) -> Row:
    """Of `TRANSACTIONS`."""
    first, last, id, recorded_at, effective_at, *rest = row
    encoded = ids.encode(ids.TRANSACTION, id)
    return (first, last, encoded, recorded_at, effective_at or recorded_at, *rest)


def change(row: Row, data: Mapping[str, Any], tokens: Pseudonyms) -> Row:
    """Of a payment or a part of one, from the event that told of it."""
    seq, at, type_, kind, _ = row
    head = (seq, at, type_, data["id"])
    if kind == "payment":
        return (*head, *_payment(data, tokens))
    part = (data.get("payment"), data.get("state"), data.get("amount"), data.get("currency"))
    made = _moment(data.get("created_at"))
    if kind == "dispute":
        return (*head, *part, data.get("partner"), data.get("reason"), data.get("fee_amount", 0), made)
    return (*head, *part, (data.get("failure") or {}).get("code"), made)


def _payment(data: Mapping[str, Any], tokens: Pseudonyms) -> Row:
    context = data.get("context") or {}
    failure = data.get("failure") or {}
    plain = ("kind", "state", "customer", "destination", "amount", "currency")
    amounts = ("authorised_amount", "captured_amount", "refunded_amount", "disputed_amount", "fee_amount")
    return (
        *(data.get(name) for name in plain),
        *(data.get(name, 0) for name in amounts),
        data.get("method"), data.get("partner"), data.get("instrument"),
        context.get("card_token"), _token(context.get("device"), tokens.device),
        _token(context.get("ip"), tokens.ip),
        context.get("merchant"), context.get("country"),
        (data.get("decision") or {}).get("verdict"), failure.get("code"), failure.get("class"),
        _moment(data.get("created_at")), _moment(data.get("updated_at")),
    )  # fmt: skip


def attempt(row: Row) -> Row:
    """Of `ATTEMPTS`."""
    id, payment, operation, state, partner, updated_at, text = row
    data = _decode(text)
    failure = data.get("failure") or {}
    return (
        ids.encode(ids.ATTEMPT, id), ids.encode(ids.PAYMENT, payment), operation, state, partner,
        data.get("amount"), data.get("sends", 0), failure.get("code"),
        failure.get("class_") or failure.get("class"),
        _moment(data.get("created_at")), _moment(data.get("submitted_at")), updated_at,
    )  # fmt: skip


def feature_event(row: Row, tokens: Pseudonyms) -> Row:
    """Of `FEATURE_EVENTS`."""
    ordinal, source, id, event_at, known_at, entities, tags, values = row
    return (
        ordinal, source, id, event_at, known_at, us(event_at), us(known_at), tokens.entities(entities), tags,
        values,
    )  # fmt: skip


def decision(row: Row, tokens: Pseudonyms) -> Row:
    """Of `DECISIONS`. Reasons are codes alone: their texts may quote what was decided on."""
    data = _decode(row[2])
    served, decided = data["served"], data["decided"]
    latencies = data.get("latency_us") or {}
    return (
        row[0], data["id"], data["of"], data["subject"], data.get("customer"), _moment(data["at"]),
        _moment(data["as_of"]), data["ordinal"], decided["outcome"], decided.get("score"),
        served.get("feature_set", 0), served.get("rule_set", 0), served.get("serving", 0),
        served.get("model"), served.get("role"), served.get("fallback"),
        as_json([reason["code"] for reason in decided.get("reasons", ())]),
        tokens.facts(served.get("facts") or {}),
        msgspec.json.encode(served.get("features", ())).decode(),
        latencies.get("total", sum(latencies.values())) if latencies else None,
    )  # fmt: skip


def label(row: Row) -> Row:
    """Of `LABELS`."""
    seq, subject, kind, source, event_at, known_at = row
    return (seq, subject, kind, source, event_at, known_at, us(known_at))


def decoded(text: str) -> Mapping[str, Any]:
    """The data of an event."""
    found: Mapping[str, Any] = _decode(text)
    return found


def _token(value: str | None, made: Callable[[str], str]) -> str | None:
    return None if value is None else made(value)


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
