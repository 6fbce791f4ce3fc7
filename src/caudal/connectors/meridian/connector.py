"""Meridian as a `Connector`: payments by card, and what is received now and carried out later."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from caudal.connectors.drift import NO_CURRENCY, Drift, DriftKind, Reading
from caudal.connectors.errors import PartnerUnavailable
from caudal.connectors.http import Http, Reply
from caudal.connectors.meridian import reports, rules
from caudal.connectors.meridian.notifications import Signatures, snapshot_of
from caudal.connectors.meridian.requests import CURRENCIES, ROOT, is_id, post_of
from caudal.connectors.types import (
    Answer,
    Call,
    CannotAsk,
    Capabilities,
    CaptureMode,
    Direction,
    ErrorClass,
    Found,
    Inbound,
    Method,
    NotFound,
    NotSent,
    Operation,
    Refused,
    Reported,
    Settlement,
    Snapshot,
    Status,
    Supported,
    Unknown,
    Why,
)
from caudal_base.settings import PartnerSettings

API_VERSION: Final = "v3"

ACCEPTED: Final = b"[accepted]"

CAPABILITIES: Final = Capabilities(
    supported=(
        Supported(
            direction=Direction.PAY_IN,
            method=Method.CARD,
            currencies=CURRENCIES,
            capture_modes=frozenset(CaptureMode),
            cancels=True,
            refunds=True,
        ),
    ),
    # Meridian forgets a key after an hour, and takes the same call for another one then.
    key_lifetime=dt.timedelta(minutes=55),
    # The index behind the search is minutes late on a bad day.
    search_horizon=dt.timedelta(minutes=15),
    authorisation_lifetime=dt.timedelta(days=6),
    poll_after=dt.timedelta(minutes=5),
    calls_per_second=50,
    api_version=API_VERSION,
)

_TYPES: Final = {
    Operation.SUBMIT: "PAYMENT",
    Operation.CAPTURE: "CAPTURE",
    Operation.CANCEL: "CANCELLATION",
    Operation.REFUND: "REFUND",
}
"""What an operation is called in a search."""

_IN_DOUBT: Final = {"M-400": Why.KEY_REUSED, "M-401": Why.IN_FLIGHT}
"""Errors that say that the key has been seen; of what became of the first call with it they say nothing."""

_DOES_NOT_KNOW: Final = "ERROR"
"""The result code with which Meridian says in a 200 that it does not know itself."""


class Meridian:
    """One merchant's account, as `caudal.connectors.Connector` describes it."""

    capabilities = CAPABILITIES
    acknowledgement = ACCEPTED

    def __init__(self, name: str, settings: PartnerSettings, drift: Drift) -> None:
        """Raises `ValueError` for settings that it cannot work with."""
        if settings.url is None:
            raise ValueError("Meridian needs the address of its API, without /meridian/v3")
        self.name = name
        self._drift = drift
        self._signatures = Signatures(settings.webhook_secrets)
        self._http = Http(
            settings.url,
            key_header="X-API-Key",
            api_key=settings.api_key,
            headers={"Accept": "application/json, text/csv"},
            timeout=dt.timedelta(milliseconds=settings.timeout_ms),
        )

    async def call(self, call: Call) -> Answer:
        """Carry out `call`: a payment at once; what comes after it is received, and told of later."""
        post = post_of(call)
        if isinstance(post, Refused):
            return post
        reply = await self._http.post(post.path, post.body, key=call.attempt_id)
        if isinstance(reply, NotSent | Unknown):
            return reply
        if reply.status == 200:
            return self._result(call, reply.fields)
        return self._not_done(reply)

    async def query(self, call: Call) -> Found:
        """Learn what became of `call`, by a search for its reference, which shows what is new late."""
        post = post_of(call)
        if isinstance(post, Refused):
            return post
        if not is_id(call.attempt_id):
            return NotFound()
        reply = await self._http.get(f"{ROOT}/search?merchantReference={call.attempt_id}")
        if isinstance(reply, NotSent | Unknown):
            return Unknown(reply.reason)
        if reply.status != 200:
            return self._not_told(reply)
        results = (reply.fields or {}).get("results")
        if not isinstance(results, list) or not all(isinstance(it, dict) for it in results):
            self._drift.record(DriftKind.UNEXPECTED_TYPE, "search.results", type(results).__name__)
            return Unknown(Why.UNREADABLE)
        match results:
            case []:
                return NotFound()
            case [fields]:
                return self._found(call, fields)
            case _:
                return Unknown(Why.SEVERAL_FOUND)

    async def fetch(self, partner_id: str, direction: Direction) -> Found:
        """Meridian looks payments up by our reference only."""
        return CannotAsk()

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Sequence[Inbound]:
        """The items of a batch, each by its own signatures. Raises `WebhookRefused`."""
        return self._signatures.verify(body)

    def parse(self, inbound: Inbound) -> Sequence[Snapshot]:
        """What an item says of a payment, a modification, a chargeback or a report."""
        snapshot = snapshot_of(inbound, self._drift)
        return () if snapshot is None else (snapshot,)

    async def settlements(self, since: dt.datetime) -> AsyncIterator[Settlement]:
        """The reports made since then, oldest first. Raises `PartnerUnavailable`.

        One that is not the sum of its lines is drift, and left out: nothing is posted on a guess.
        """
        start = quote(f"{since.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}")
        listed = await self._read(f"{reports.ROOT}?type=SETTLEMENT&createdFrom={start}")
        found = (listed.fields or {}).get("reports")
        if not isinstance(found, list):
            raise PartnerUnavailable(f"{self.name} lists no reports")
        for fields in found:
            name = fields.get("name") if isinstance(fields, dict) else None
            if not isinstance(name, str) or not is_id(name):
                self._drift.record(DriftKind.MISSING, "report.name")
                continue
            file = await self._read(f"{reports.ROOT}/{name}")
            settlement = reports.settlement(fields, file.content, self._drift)
            if settlement is not None:
                yield settlement

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()

    async def _read(self, path: str) -> Reply:
        reply = await self._http.get(path)
        if isinstance(reply, NotSent | Unknown):
            raise PartnerUnavailable(f"{self.name} does not answer: {reply.reason}")
        if reply.status != 200:
            raise PartnerUnavailable(f"{self.name} answers {reply.status} to {path.partition('?')[0]}")
        return reply

    def _result(self, call: Call, fields: Mapping[str, Any] | None) -> Answer:
        """What a 200 says."""
        if fields is None:
            return Unknown(Why.UNREADABLE)
        if fields.get("resultCode") == _DOES_NOT_KNOW:
            return Unknown(Why.SERVER_ERROR)
        if call.operation is Operation.SUBMIT:
            return self._payment(
                call, fields, rules.payment(fields, self._drift, code="resultCode", table=rules.RESULTS)
            )
        return self._modification(call, fields, code="resultCode")

    def _found(self, call: Call, fields: Mapping[str, Any]) -> Found:
        """What the one result of a search says."""
        if fields.get("type") != _TYPES[call.operation]:
            Reading(self._drift, "search", fields).contradiction("type", str(fields.get("type"))[:64])
            return Unknown(Why.UNREADABLE)
        if call.operation is Operation.SUBMIT:
            return self._payment(
                call, fields, rules.payment(fields, self._drift, code="status", table=rules.STATUSES)
            )
        return self._modification(call, fields, code="status")

    def _payment(self, call: Call, fields: Mapping[str, Any], snapshot: Snapshot) -> Reported | Unknown:
        """The payment of a call, if it can be read and is the call's."""
        if not snapshot.partner_id or snapshot.currency == NO_CURRENCY:
            return Unknown(Why.UNREADABLE)
        if snapshot.attempt_id != call.attempt_id:
            Reading(self._drift, "payment", fields).contradiction("merchantReference", "of_another_attempt")
            return Unknown(Why.UNREADABLE)
        return Reported(snapshot)

    def _modification(
        self, call: Call, fields: Mapping[str, Any], *, code: str
    ) -> Reported | Refused | Unknown:
        """What stands with a capture, a cancellation or a refund, if it can be read and is the call's."""
        step = rules.modification(fields, self._drift, code=code)
        if not step.partner_id or step.status is Status.UNKNOWN:
            return Unknown(Why.UNREADABLE)
        if (step.attempt_id, step.parent_id) != (call.attempt_id, call.partner_id):
            Reading(self._drift, "modification", fields).contradiction("merchantReference", "of_another")
            return Unknown(Why.UNREADABLE)
        if call.operation is Operation.REFUND:
            return Reported(rules.as_refund(step))
        if step.status is Status.FAILED and step.error is not None:
            return Refused(step.error)
        if step.status is Status.SUCCEEDED:
            captures = call.operation is Operation.CAPTURE
            return Reported(rules.carried_out(step, captured=step.amount if captures else 0))
        return Reported(step)

    def _not_done(self, reply: Reply) -> Answer:
        """What an answer to a call says that is no 200. In doubt nothing is known."""
        if reply.status == 429:
            return NotSent(Why.RATE_LIMITED, reply.retry_after)
        if reply.status >= 500:
            return Unknown(Why.SERVER_ERROR)
        error = None
        if reply.status >= 400 and reply.fields is not None:
            error = rules.refused_call(reply.status, reply.fields, self._drift)
        if error is None:
            return Unknown(Why.UNREADABLE)
        if error.class_ is ErrorClass.CREDENTIALS:
            return NotSent(Why.CREDENTIALS)
        doubt = _IN_DOUBT.get(error.code)
        if doubt is Why.KEY_REUSED:
            self._drift.record(DriftKind.CONTRADICTION, "error.errorCode", error.code)
        return Refused(error) if doubt is None else Unknown(doubt)

    def _not_told(self, reply: Reply) -> Unknown:
        """Of a search that was not answered nothing is known."""
        answer = self._not_done(reply)
        return Unknown(answer.reason if isinstance(answer, NotSent | Unknown) else Why.UNREADABLE)
