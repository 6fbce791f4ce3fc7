"""The bank over HTTP: its routes under `/bank/v1`, its words for errors, its signed events."""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import parse_qs

import msgspec

from caudal_sandbox.bank import bodies
from caudal_sandbox.bank.bank import PARTNER, Bank
from caudal_sandbox.bank.errors import Refusal
from caudal_sandbox.bank.types import Entry, Kind, Order, Settlement, Status
from caudal_sandbox.control import BadBody, body_of, guarded
from caudal_sandbox.faults import Faults
from caudal_sandbox.messages import Request, Response, json_response
from caudal_sandbox.partner import Operation, Partner, Trouble
from caudal_sandbox.partner import Refusal as Refused
from caudal_sandbox.routing import Router
from caudal_sandbox.world import World

R = TypeVar("R", Settlement, Entry)

VERSION: Final = "2026-09-01"
"""The only one; callers name it in `Bank-Version`."""

KEY_PREFIX: Final = "bk_test_"
"""Every API key that begins so is good."""

KEY_LIFETIME_S: Final = 3_600.0
"""So short that whoever repeats a call too late makes a second transfer."""

LARGEST_PAGE: Final = 100

_PATHS: Final = {
    "transfers": Kind.TRANSFER,
    "direct_debits": Kind.DIRECT_DEBIT,
    "refunds": Kind.REFUND,
}

_WORDS: Final = {
    Trouble.RATE_LIMITED: (429, "rate_limited", "too many calls"),
    Trouble.UNAVAILABLE: (503, "unavailable", "come back later"),
    Trouble.INTERNAL: (500, "internal_error", "something went wrong"),
    Trouble.KEY_IN_FLIGHT: (409, "idempotency_in_flight", "a call with this key is being worked on"),
    Trouble.KEY_OTHER_PARAMETERS: (422, "idempotency_key_reused", "the key came with another body before"),
    Trouble.KEY_OTHER_ENDPOINT: (422, "idempotency_key_reused", "the key was used at another address"),
}


class BankPartner(Partner):
    """A bank that transfers, collects and settles."""

    name: ClassVar[str] = PARTNER
    default_faults: ClassVar[Faults] = Faults(key_lifetime_s=KEY_LIFETIME_S)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._bank = Bank(world.store, world.clock, world.draws, world.effects, self._tell)

    def add_routes(self, router: Router) -> None:
        """`/bank/v1/…`, and in the control API what makes orders move."""
        for path, kind in _PATHS.items():
            if kind is not Kind.REFUND:
                router.add("POST", f"/bank/v1/{path}", self._writes(partial(self._order, kind)))
                router.add("POST", f"/bank/v1/{path}/*/cancel", self._writes(partial(self._cancel, kind)))
            router.add("GET", f"/bank/v1/{path}", self._reads(partial(self._search, kind)))
            router.add("GET", f"/bank/v1/{path}/*", self._reads(partial(self._find, kind)))
        router.add("POST", "/bank/v1/direct_debits/*/refunds", self._writes(self._refund))
        router.add("GET", "/bank/v1/settlements", self._reads(self._settlements))
        router.add("GET", "/bank/v1/settlements/*/lines", self._reads(self._lines))
        router.otherwise("/bank/", lambda _: _error(404, "not_found", "there is nothing at this address"))
        router.add("POST", "/control/bank/moves", guarded(self._move))
        router.add("POST", "/control/returns", guarded(self._return))

    def authenticate(self, request: Request) -> Response | None:
        """Let in whoever has a key."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.startswith(KEY_PREFIX):
            return _error(401, "authentication_failed", "send an API key as Authorization: Bearer")
        return None

    def trouble(self, trouble: Trouble, request: Request) -> Response:
        """The bank's words for an error."""
        return _error(*_WORDS[trouble])

    def sign(self, event_id: str, body: bytes, secrets: Sequence[str], at: int) -> list[tuple[str, str]]:
        """The headers of Standard Webhooks, with a signature by each secret."""
        content = f"{event_id}.{at}.".encode() + body
        signatures = [f"v1,{_signature(secret, content)}" for secret in secrets]
        return [
            ("webhook-id", event_id),
            ("webhook-timestamp", str(at)),
            ("webhook-signature", " ".join(signatures)),
        ]

    def settle(self) -> list[dict[str, Any]]:
        """Book what is open, one settlement for each currency."""
        return [msgspec.to_builtins(settlement) for settlement in self._bank.settle()]

    def reload(self) -> None:
        """Take what the store holds."""
        super().reload()
        self._bank.reload()

    def _tell(self, event_type: str, data: Order | Settlement) -> None:
        if not self.wants(event_type):
            return
        at = dt.datetime.fromtimestamp(self.world.clock.now(), dt.UTC)
        event_id = self.world.draws.id("evt")
        body = msgspec.json.encode({"id": event_id, "type": event_type, "timestamp": at, "data": data})
        self.emit(event_id, event_type, body)

    def _reads(self, operation: Operation) -> Any:
        return self.call(partial(_answered, operation))

    def _writes(self, operation: Operation) -> Any:
        return self.call(partial(_answered, partial(_with_key, operation)))

    def _order(self, kind: Kind, request: Request) -> Response:
        new = body_of(request, bodies.NewOrder)
        order = self._bank.order(
            kind,
            reference=new.reference,
            amount=new.amount,
            account=new.account,
            remittance=new.remittance,
        )
        return json_response(201, order)

    def _refund(self, request: Request) -> Response:
        new = body_of(request, bodies.NewRefund)
        refund = self._bank.refund(
            request.segments[0], reference=new.reference, amount=new.amount, remittance=new.remittance
        )
        return json_response(201, refund)

    def _cancel(self, kind: Kind, request: Request) -> Response:
        reference = body_of(request, bodies.Cancel).reference
        return json_response(200, self._bank.cancel(kind, request.segments[0], reference=reference))

    def _find(self, kind: Kind, request: Request) -> Response:
        return json_response(200, self._bank.find(kind, request.segments[0]))

    def _search(self, kind: Kind, request: Request) -> Response:
        reference = _parameters(request).get("reference")
        if reference is None:
            raise Refusal(400, "invalid_request", "name the reference that is looked for")
        found = self._bank.search(kind, reference, lag_s=self.faults.search_lag_s)
        return json_response(200, {"data": found, "next_cursor": None})

    def _settlements(self, request: Request) -> Response:
        since = _parameters(request).get("created_from")
        made = list(self._bank.settlements())
        if since is not None:
            try:
                moment = msgspec.convert(since, dt.datetime)
            except msgspec.ValidationError:
                raise Refusal(400, "invalid_request", "created_from is a time in RFC 3339") from None
            if moment.tzinfo is None:
                raise Refusal(400, "invalid_request", "created_from has no zone")
            made = [settlement for settlement in made if settlement.created_at >= moment]
        return _page(request, made)

    def _lines(self, request: Request) -> Response:
        return _page(request, self._bank.lines(request.segments[0]))

    def _move(self, request: Request) -> Response:
        move = body_of(request, bodies.Move)
        return self._directed(move.order, move.status, move.reason)

    def _return(self, request: Request) -> Response:
        back = body_of(request, bodies.Return)
        order_id = back.transfer or back.direct_debit
        if order_id is None or (back.transfer and back.direct_debit):
            raise BadBody("name a transfer or a direct_debit")
        return self._directed(order_id, Status.RETURNED, back.reason)

    def _directed(self, order_id: str, status: Status, reason: str | None) -> Response:
        try:
            order = self._bank.direct(order_id, status, reason)
        except Refusal as refusal:
            return json_response(refusal.status, {"error": refusal.message})
        self.world.store.flush()
        return json_response(200, order)


def _error(status: int, code: str, message: str) -> Response:
    return json_response(status, {"error": {"code": code, "message": message}})


def _answered(operation: Operation, request: Request) -> Response:
    """The operation's answer; refusals in the bank's words. A key keeps those of an order's state."""
    version = request.headers.get("bank-version", VERSION)
    try:
        if version != VERSION:
            raise Refusal(400, "invalid_request", f"there is no version {version[:32]}, only {VERSION}")
        return operation(request)
    except Refusal as refusal:
        answer = _error(refusal.status, refusal.code, refusal.message)
        raise Refused(answer, kept=refusal.status == 409) from refusal
    except BadBody as bad:
        raise Refused(_error(400, "invalid_request", str(bad)), kept=False) from bad


def _with_key(operation: Operation, request: Request) -> Response:
    """Refuse what changes something and has no idempotency key."""
    if not request.headers.get("idempotency-key"):
        raise Refusal(400, "invalid_request", "send an Idempotency-Key")
    return operation(request)


def _parameters(request: Request) -> dict[str, str]:
    """The query's parameters; of those that are given twice the last counts."""
    return {name: values[-1] for name, values in parse_qs(request.query).items()}


def _page(request: Request, rows: Sequence[R]) -> Response:
    """A page of `rows`, which are in a lasting order: the cursor is the id of the last row seen."""
    parameters = _parameters(request)
    limit, cursor = parameters.get("limit", str(LARGEST_PAGE)), parameters.get("cursor")
    if not (limit.isascii() and limit.isdigit()) or not 1 <= int(limit) <= LARGEST_PAGE:
        raise Refusal(400, "invalid_request", f"limit is from 1 to {LARGEST_PAGE}")
    start = 0
    if cursor is not None:
        start = next((at for at, row in enumerate(rows, start=1) if row.id == cursor), -1)
        if start < 0:
            raise Refusal(400, "invalid_request", "cursor is none that the list has given")
    page = rows[start : start + int(limit)]
    more = start + len(page) < len(rows)
    return json_response(200, {"data": page, "next_cursor": page[-1].id if more else None})


def _signature(secret: str, content: bytes) -> str:
    """HMAC-SHA256 by a secret of Standard Webhooks, `whsec_` and base64; of others by their bytes."""
    text = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        key = text.encode()
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
