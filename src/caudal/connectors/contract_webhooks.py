"""Checks of what a partner says unasked: its webhooks, and its settlements."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from caudal.connectors.contract_bench import Bench, Broken, Delivery, NotApplicable, require
from caudal.connectors.errors import RefusalReason, WebhookRefused
from caudal.connectors.types import Inbound, Settlement, Snapshot, Status, Subject

LONG: Final = dt.timedelta(hours=1)
"""Longer than any scheme's tolerance."""

MOST_MUTATIONS: Final = 2_000
"""Of one kind of event."""

STRANGE: Final[tuple[Any, ...]] = (None, [], {}, True, -(10**30), "never_heard_of_it")
"""What a field may hold that nobody expected."""


def _verified(bench: Bench, delivery: Delivery) -> Sequence[Inbound]:
    try:
        return bench.connector.verify(delivery.headers, delivery.body, now=bench.simulator.now())
    except WebhookRefused as error:
        raise Broken(f"a genuine webhook was refused: {error}") from error


def _refusal(bench: Bench, delivery: Delivery, what: str) -> RefusalReason:
    try:
        bench.connector.verify(delivery.headers, delivery.body, now=bench.simulator.now())
    except WebhookRefused as error:
        return error.reason
    except Exception as error:
        raise Broken(f"verifying {what} raised {type(error).__name__}: {error}") from error
    raise Broken(f"{what} was accepted")


def _parsed(bench: Bench, inbound: Inbound, what: str) -> Sequence[Snapshot]:
    try:
        return bench.connector.parse(inbound)
    except Exception as error:
        raise Broken(f"parsing {what} raised {type(error).__name__}: {error}") from error


async def _deliveries(bench: Bench) -> Sequence[Delivery]:
    """The webhooks of a payment, and of a refund where there are any."""
    await bench.simulator.deliveries()
    for row in bench.rows:
        await bench.paid(row)
    found = await bench.simulator.deliveries()
    if not found:
        raise NotApplicable("the partner sends no webhooks")
    return found


async def a_webhook_tells_of_its_payment(bench: Bench) -> None:
    """Genuine webhooks are accepted; one of them brings a payment's end, with our attempt's id."""
    await bench.simulator.deliveries()
    for row in bench.rows:
        call, paid = await bench.paid(row)
        deliveries = await bench.simulator.deliveries()
        if not deliveries:
            raise NotApplicable("the partner sends no webhooks")
        inbound: list[Inbound] = []
        for sent in deliveries:
            events = _verified(bench, sent)
            require(bool(events), "a genuine webhook has no events")
            require(all(it.body in sent.body for it in events), "the body was changed")
            inbound += events
        require(all(it.event_id and it.type for it in inbound), "an event has no id or no type")
        said = [snapshot for it in inbound for snapshot in _parsed(bench, it, it.type)]
        ends = [
            it
            for it in said
            if (it.subject, it.partner_id, it.status) == (Subject.PAYMENT, paid.partner_id, Status.SUCCEEDED)
        ]
        require(bool(ends), "no webhook said that the payment had succeeded")
        for end in ends:
            require(end.attempt_id == call.attempt_id, "the webhook does not name the attempt")
            require((end.amount, end.currency) == (call.amount, call.currency), "it says another amount")


async def a_repeated_webhook_has_the_same_id(bench: Bench) -> None:
    """However often it comes, and however it is signed anew; different events have different ids."""
    deliveries = await _deliveries(bench)
    by_body: dict[bytes, set[str]] = {}
    for delivery in deliveries:
        again = bench.simulator.sign(delivery.body, at=bench.simulator.now())
        for sent in (delivery, again):
            for event in _verified(bench, sent):
                by_body.setdefault(event.body, set()).add(event.event_id)
    require(all(len(ids) == 1 for ids in by_body.values()), "a repeat has another event id")
    require(len({min(ids) for ids in by_body.values()}) == len(by_body), "two events have one id")


async def a_tampered_webhook_is_refused(bench: Bench) -> None:
    """Changed in any byte, truncated, without its signature, or with another's: never believed."""
    first, *others = await _deliveries(bench)
    body = first.body
    if not bench.simulator.signs_bodies:
        _tampered_fields(bench, first)
        return
    for index in range(0, len(body), max(1, len(body) // 64)):
        changed = body[:index] + bytes([body[index] ^ 1]) + body[index + 1 :]
        _refusal(bench, Delivery(first.headers, changed), "a changed body")
    _refusal(bench, Delivery(first.headers, body[:-1]), "a truncated body")
    _refusal(bench, Delivery(first.headers, b""), "an empty body")
    for name in first.headers:
        less = {key: value for key, value in first.headers.items() if key != name}
        try:
            bench.connector.verify(less, body, now=bench.simulator.now())
        except WebhookRefused:
            break
    else:
        raise Broken("a webhook was accepted whatever header was missing")
    _refusal(bench, Delivery({}, body), "a webhook without headers")
    for other in others:
        if other.body != body:
            _refusal(bench, Delivery(other.headers, body), "a webhook with another's signature")


def _tampered_fields(bench: Bench, genuine: Delivery) -> None:
    """What no signature covers may change, as long as nothing is read of it."""
    true = [(it, _parsed(bench, it, it.type)) for it in _verified(bench, genuine)]
    known = {it.event_id: (it.type, it.created_at, said) for it, said in true}
    for what, value in _mutations(msgspec.json.decode(genuine.body)):
        changed = Delivery(genuine.headers, msgspec.json.encode(value))
        try:
            events = bench.connector.verify(changed.headers, changed.body, now=bench.simulator.now())
        except WebhookRefused:
            continue
        for it in events:
            read = (it.type, it.created_at, _parsed(bench, it, what))
            require(read == known.get(it.event_id), f"a webhook with {what} was accepted")
    _refusal(bench, Delivery(genuine.headers, genuine.body[:-1]), "a truncated body")
    _refusal(bench, Delivery(genuine.headers, b""), "an empty body")


async def a_webhook_out_of_time_is_refused(bench: Bench) -> None:
    """A genuine signature from an hour ago is too old, from an hour ahead too new."""
    if not bench.simulator.signs_time:
        raise NotApplicable("the partner's signatures say no time")
    body = (await _deliveries(bench))[0].body
    now = bench.simulator.now()
    for at, wanted in ((now - LONG, RefusalReason.TOO_OLD), (now + LONG, RefusalReason.TOO_NEW)):
        reason = _refusal(bench, bench.simulator.sign(body, at=at), f"a webhook of {at:%H:%M}")
        require(reason is wanted, f"a webhook that is {wanted.value} was refused as {reason.value}")


async def an_event_that_strays_crashes_nothing(bench: Bench) -> None:
    """With a field missing, of another type or of an unknown value, an event is refused or parsed.

    What is read of it never moves more: an amount that cannot be read goes with no status but UNKNOWN.
    """
    kinds = {
        event.type: delivery.body
        for delivery in await _deliveries(bench)
        for event in _verified(bench, delivery)
    }
    for kind, body in kinds.items():
        for number, (what, value) in enumerate(_mutations(msgspec.json.decode(body))):
            if number >= MOST_MUTATIONS:
                break
            signed = bench.simulator.sign(msgspec.json.encode(value), at=bench.simulator.now())
            try:
                events = bench.connector.verify(signed.headers, signed.body, now=bench.simulator.now())
            except WebhookRefused:
                continue
            read = [it for event in events for it in _parsed(bench, event, f"{kind} with {what}")]
            for snapshot in read:
                nothing = snapshot.status is Status.UNKNOWN
                whole = snapshot.amount > 0 and len(snapshot.currency) == 3
                require(nothing or whole, f"{kind} with {what} was read as {snapshot}")
    strange = bench.simulator.sign(b"[]", at=bench.simulator.now())
    _refusal(bench, strange, "a signed body that is no event")


def _mutations(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """`value` with each part of it, however deep, left out or replaced."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}"
            yield f"{here} missing", {k: v for k, v in value.items() if k != key}
            for other in STRANGE:
                yield f"{here} = {other!r}", {**value, key: other}
            for what, changed in _mutations(inner, here):
                yield what, {**value, key: changed}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for what, changed in _mutations(inner, f"{path}[{index}]"):
                yield what, [*value[:index], changed, *value[index + 1 :]]


async def a_settlement_is_the_sum_of_its_lines(bench: Bench) -> None:
    """What was paid and settled is found in settlements: each adds up, each line once."""
    since = bench.simulator.now() - dt.timedelta(days=3650)
    calls = [await bench.paid(row) for row in bench.rows for _ in range(2)]
    await bench.simulator.settle()
    settlements = await _settlements(bench, since)
    if not settlements:
        raise NotApplicable("the partner settles nothing")
    lines = [line for settlement in settlements for line in settlement.lines]
    for settlement in settlements:
        net = sum(line.amount - line.fee for line in settlement.lines)
        require(settlement.amount == net, f"{settlement.partner_id} is {settlement.amount}, its lines {net}")
        require(all(line.currency == settlement.currency for line in settlement.lines), "a line's currency")
        require(settlement.arrived == (settlement.arrived_at is not None), "arrived, and when: one is wrong")
    require(len({line.partner_id for line in lines}) == len(lines), "a line is in two settlements")
    require(len({it.partner_id for it in settlements}) == len(settlements), "a settlement came twice")
    settled = {line.attempt_id for line in lines} | {line.payment_partner_id for line in lines}
    missing = [call for call, paid in calls if not {call.attempt_id, paid.partner_id} & settled]
    require(not missing, f"{len(missing)} of {len(calls)} payments are in no settlement")
    again = await _settlements(bench, since)
    require(again == settlements, "listed again, the settlements are others")


async def _settlements(bench: Bench, since: dt.datetime) -> list[Settlement]:
    try:
        return [settlement async for settlement in bench.connector.settlements(since)]
    except Exception as error:
        raise Broken(f"listing settlements raised {type(error).__name__}: {error}") from error
