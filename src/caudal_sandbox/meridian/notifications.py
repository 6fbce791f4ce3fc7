"""Meridian's notifications: gathered into batches, each item signed by itself.

The signature is HMAC-SHA256 over the item's fields in a fixed order and says no time, so that a copy of a
true item is as good as the item: whoever takes them keeps repeats apart by the item's id.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from caudal_sandbox.meridian import views
from caudal_sandbox.meridian.types import Item, Payment, Report, money
from caudal_sandbox.store import Table
from caudal_sandbox.world import World

SIGNED: Final = (
    "id", "eventCode", "success", "eventDate", "pspReference", "originalReference", "merchantReference",
    "amount.value", "amount.currency", "amount.exponent", "intent", "reason",
)  # fmt: skip
"""The fields that a signature is over; joined by colons."""

GATHER_S: Final = 0.1
"""How long an item waits for others."""

MOST: Final = 10
"""Items to a batch."""

_SEND: Final = "meridian.send"

Emit = Callable[[str, bytes], None]
"""Puts a batch, by its id, on its way."""


class Notifier:
    """Gathers items, and sends them together."""

    def __init__(
        self, world: World, emit: Emit, *, wants: Callable[[str], bool], hurried: Callable[[], bool]
    ) -> None:
        """`hurried` says whether an item must not wait: it is to arrive before the answer to a call."""
        self._world = world
        self._items: Table[Item] = world.store.table("meridian.item", Item)
        self._emit = emit
        self._wants = wants
        self._hurried = hurried
        world.clock.on(_SEND, lambda _: self.send())

    @property
    def waiting(self) -> int:
        """Items that wait for others."""
        return len(self._items)

    def tell(
        self, code: str, success: bool, psp_reference: str, payment: Payment, amount: int,
        reference: str | None = None, *, reason: str = "",
    ) -> None:  # fmt: skip
        """Tell of something that happened to a payment."""
        about = psp_reference == payment.id
        self._add(
            code, success, psp_reference, "" if about else payment.id, reference or payment.reference,
            money(amount, payment.currency), payment.intent.value if about else "", reason,
        )  # fmt: skip

    def tell_report(self, report: Report) -> None:
        """Tell that there is a report, or that it has been paid."""
        code = "REPORT_PAID" if report.is_paid else "REPORT_AVAILABLE"
        self._add(code, True, report.id, "", "", money(report.net, report.currency), "", "")

    def send(self) -> None:
        """Send what has gathered."""
        items = list(self._items)
        for start in range(0, len(items), MOST):
            batch = items[start : start + MOST]
            for item in batch:
                self._items.remove(item.id)
            batch_id = self._world.draws.id("bat", 16)
            body = {"batchId": batch_id, "items": [item.fields for item in batch]}
            self._emit(batch_id, msgspec.json.encode(body))

    def _add(
        self, code: str, success: bool, psp_reference: str, original: str, reference: str,
        amount: Mapping[str, Any], intent: str, reason: str,
    ) -> None:  # fmt: skip
        if not self._wants(code):
            return
        world = self._world
        item_id = world.draws.id("ntf", 16)
        fields = {
            "id": item_id,
            "eventCode": code,
            "success": "true" if success else "false",
            "eventDate": views.moment(world.clock.now()),
            "pspReference": psp_reference,
            "originalReference": original,
            "merchantReference": reference,
            "amount": amount,
            "intent": intent,
            "reason": reason,
        }
        if not self._items:
            world.clock.schedule(world.clock.now() + GATHER_S, _SEND, "")
        self._items.put(Item(id=item_id, fields=fields))
        if self._hurried():
            self.send()


def seal(body: bytes, secrets: Sequence[str]) -> bytes:
    """A batch with its items signed by each secret; what is no batch stays as it is."""
    try:
        batch = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body
    items = batch.get("items") if isinstance(batch, dict) else None
    if not isinstance(items, list):
        return body
    signed = [
        {**item, "signatures": [_signature(item, secret) for secret in secrets]}
        if isinstance(item, dict)
        else item
        for item in items
    ]
    return msgspec.json.encode({**batch, "items": signed})


def _signature(item: Mapping[str, Any], secret: str) -> str:
    content = ":".join(_escaped(item, name) for name in SIGNED)
    try:
        key = bytes.fromhex(secret)
    except ValueError:
        key = secret.encode()
    return base64.b64encode(hmac.digest(key, content.encode(), hashlib.sha256)).decode()


def _escaped(item: Mapping[str, Any], name: str) -> str:
    outer, _, inner = name.partition(".")
    value = item.get(outer, "")
    if inner:
        value = value.get(inner, "") if isinstance(value, dict) else ""
    return str(value).replace("\\", "\\\\").replace(":", "\\:")
