"""Meridian's notifications: batches of items, each signed by itself, and what an item says.

An item's signatures are base64 of HMAC-SHA256 over its fields in a fixed order, joined by colons, which are
escaped in the fields. They say no time: a repeat is known by the item's id alone. Of a batch only what is
signed is read.
"""

import base64
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from caudal.connectors.drift import Drift, DriftKind, Reading
from caudal.connectors.errors import RefusalReason, WebhookRefused
from caudal.connectors.meridian import amounts, rules
from caudal.connectors.signatures import MOST_SIGNATURES, digest, require_match
from caudal.connectors.types import (
    AUTHORISATION_EXPIRED,
    ErrorClass,
    Inbound,
    PartnerError,
    Snapshot,
    Status,
    Subject,
)
from caudal_base.secret import Secret

SIGNED: Final = (
    "id", "eventCode", "success", "eventDate", "pspReference", "originalReference", "merchantReference",
    "amount.value", "amount.currency", "amount.exponent", "intent", "reason",
)  # fmt: skip

MOST_ITEMS: Final = 100

SHORTEST_KEY: Final = 16
"""Bytes of a secret."""

_SUCCESS: Final[Mapping[str, bool | None]] = {"true": True, "false": False}


class _Batch(msgspec.Struct):
    items: list[msgspec.Raw]


_batch_decoder: Final = msgspec.json.Decoder(_Batch)
_item_decoder: Final = msgspec.json.Decoder(dict[str, Any])


class Signatures:
    """Checks batches."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        """An item is good when any of `secrets` signed it. Raises `ValueError` for what is no secret."""
        self._keys = [_key(secret) for secret in secrets]

    def verify(self, body: bytes) -> list[Inbound]:
        """The items of a batch. Raises `WebhookRefused` if only one of them is not signed by Meridian."""
        try:
            items = _batch_decoder.decode(body).items
            decoded = [(bytes(item), _item_decoder.decode(item)) for item in items]
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _malformed("no batch of notifications") from None
        if not 1 <= len(decoded) <= MOST_ITEMS:
            raise _malformed(f"a batch has 1 to {MOST_ITEMS} items")
        return [self._verified(raw, item) for raw, item in decoded]

    def _verified(self, raw: bytes, item: Mapping[str, Any]) -> Inbound:
        signatures = item.get("signatures")
        if not isinstance(signatures, list) or not signatures:
            raise WebhookRefused(RefusalReason.MISSING, "an item has no signatures")
        given = [text.encode() for text in signatures if isinstance(text, str)]
        if len(given) < len(signatures) or len(given) > MOST_SIGNATURES:
            raise _malformed("an item's signatures are out of form")
        content = ":".join(_field(item, name) for name in SIGNED).encode()
        require_match([base64.b64encode(digest(key, content)) for key in self._keys], given)
        event_id, code, date = item.get("id"), item.get("eventCode"), item.get("eventDate")
        if not isinstance(event_id, str) or not isinstance(code, str):
            raise _malformed("an item's id or eventCode is out of form")
        try:
            created_at = msgspec.convert(date, dt.datetime)
        except msgspec.ValidationError:
            raise _malformed("an item's eventDate is no time") from None
        if created_at.tzinfo is None:
            raise _malformed("an item's eventDate has no zone")
        return Inbound(event_id=event_id, type=code, created_at=created_at, body=raw)


def snapshot_of(inbound: Inbound, drift: Drift) -> Snapshot | None:
    """What an item says; None, and drift, where it is of nothing that we know, or that has no name."""
    try:
        item = _item_decoder.decode(inbound.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        drift.record(DriftKind.UNEXPECTED_TYPE, "notification", inbound.type)
        return None
    reading = Reading(drift, "notification", item)
    read = reading.mapped("eventCode", _READERS, None)
    if read is None:
        return None
    said = _Item(reading, drift)
    snapshot = read(said)
    if not snapshot.partner_id:
        return None
    return msgspec.structs.replace(snapshot, status=Status.UNKNOWN) if said.is_broken else snapshot


class _Item:
    """The fields of an item that every code has."""

    def __init__(self, reading: Reading, drift: Drift) -> None:
        self.reading = reading
        self.drift = drift
        self.success = reading.mapped("success", _SUCCESS, None)
        self.psp_reference = reading.text("pspReference")
        settles = reading.optional_text("eventCode") in _SETTLING
        self.amount, self.currency = amounts.read(reading, "amount", drift, least=None if settles else 1)
        self.reference = reading.optional_text("merchantReference") or None
        self.original = reading.optional_text("originalReference") or None
        self.reason = reading.optional_text("reason") or None

    @property
    def is_broken(self) -> bool:
        return self.reading.broken or self.success is None

    def snapshot(self, subject: Subject, status: Status, **more: Any) -> Snapshot:
        return Snapshot(
            subject=subject, partner_id=self.psp_reference, status=status, amount=self.amount,
            currency=self.currency, **{"attempt_id": self.reference, **more},
        )  # fmt: skip

    def modification(self, subject: Subject, *, success: bool | None) -> Snapshot:
        """A capture, cancellation or refund; it names its payment."""
        self.reading.text("originalReference")
        error = None if success else rules.failure(self.reason, self.drift)
        status = Status.SUCCEEDED if success else Status.FAILED
        return self.snapshot(subject, status, parent_id=self.original, error=error)


def _authorisation(item: _Item) -> Snapshot:
    captures = item.reading.mapped("intent", rules.INTENTS, None)
    if captures is None:
        return item.snapshot(Subject.PAYMENT, Status.UNKNOWN)
    if not item.success:
        return item.snapshot(Subject.PAYMENT, Status.FAILED, captured=0, error=_refusal(item))
    status = Status.SUCCEEDED if captures else Status.AUTHORISED
    return item.snapshot(Subject.PAYMENT, status, captured=item.amount if captures else 0)


def _expired(item: _Item) -> Snapshot:
    error = PartnerError(code=AUTHORISATION_EXPIRED, class_=ErrorClass.SOFT_DECLINE)
    return item.snapshot(Subject.PAYMENT, Status.CANCELLED, captured=0, error=error)


def _capture(item: _Item) -> Snapshot:
    step = item.modification(Subject.STEP, success=item.success)
    return rules.carried_out(step, captured=item.amount) if item.success else step


def _cancellation(item: _Item) -> Snapshot:
    step = item.modification(Subject.STEP, success=item.success)
    return rules.carried_out(step, captured=0) if item.success else step


def _refund(item: _Item) -> Snapshot:
    return item.modification(Subject.REFUND, success=item.success)


def _refund_failed(item: _Item) -> Snapshot:
    return item.modification(Subject.REFUND, success=False)


def _dispute(status: Status) -> Callable[[_Item], Snapshot]:
    def read(item: _Item) -> Snapshot:
        parent_id = item.reading.text("originalReference")
        return item.snapshot(
            Subject.DISPUTE,
            status,
            attempt_id=None,
            parent_id=parent_id or None,
            reason=None if item.reason is None else item.reason[:64],
        )

    return read


def _report(status: Status) -> Callable[[_Item], Snapshot]:
    return lambda item: item.snapshot(Subject.SETTLEMENT, status, attempt_id=None)


_READERS: Final[Mapping[str, Callable[[_Item], Snapshot] | None]] = {
    "AUTHORISATION": _authorisation,
    "AUTHORISATION_EXPIRED": _expired,
    "CAPTURE": _capture,
    "CANCELLATION": _cancellation,
    "REFUND": _refund,
    "REFUND_FAILED": _refund_failed,
    "CHARGEBACK": _dispute(Status.OPEN),
    "CHARGEBACK_REVERSED": _dispute(Status.WON),
    "CHARGEBACK_UPHELD": _dispute(Status.LOST),
    "REPORT_AVAILABLE": _report(Status.PENDING),
    "REPORT_PAID": _report(Status.SUCCEEDED),
}

_SETTLING: Final = frozenset({"REPORT_AVAILABLE", "REPORT_PAID"})
"""Codes whose amount may be nothing, or negative where Meridian has drawn on our bank."""


def _refusal(item: _Item) -> PartnerError:
    """Of `51:INSUFFICIENT_FUNDS`."""
    code, _, meaning = (item.reason or "").partition(":")
    class_ = rules.REFUSALS.get(code)
    if class_ is None:
        item.drift.record(DriftKind.UNKNOWN_VALUE, "notification.reason", code)
    return PartnerError(
        code=code[:64] or "refused", class_=class_ or ErrorClass.SOFT_DECLINE, message=meaning[:64]
    )


def _field(item: Mapping[str, Any], name: str) -> str:
    """A field as it is signed; what is not there is the empty text."""
    outer, _, inner = name.partition(".")
    value = item.get(outer, "")
    if inner:
        value = value.get(inner, "") if isinstance(value, dict) else ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _malformed("a signed field is neither a text nor a number")
    return str(value).replace("\\", "\\\\").replace(":", "\\:")


def _key(secret: Secret) -> bytes:
    try:
        key = bytes.fromhex(secret.reveal())
    except ValueError:
        key = b""
    if len(key) < SHORTEST_KEY:
        raise ValueError("a secret of Meridian's notifications is hexadecimal, 32 digits at least")
    return key


def _malformed(detail: str) -> WebhookRefused:
    return WebhookRefused(RefusalReason.MALFORMED, detail)
