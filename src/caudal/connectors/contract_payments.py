"""Checks of beginning payments: effects, answers that get lost, declines, and what is not supported."""

import asyncio

import msgspec

from caudal.connectors.contract_bench import (
    Bench,
    Fault,
    Instrument,
    NotApplicable,
    new_attempt,
    require,
    snapshot_of,
)
from caudal.connectors.types import (
    CannotAsk,
    CaptureMode,
    Direction,
    ErrorClass,
    Method,
    NotFound,
    NotSent,
    Refused,
    Reported,
    Status,
    Subject,
    Unknown,
)

DECLINES = (ErrorClass.HARD_DECLINE, ErrorClass.SOFT_DECLINE)


async def capabilities_are_complete(bench: Bench) -> None:
    """The matrix has rows, each kind once, and the times and the version are said."""
    capabilities = bench.connector.capabilities
    kinds = [(row.direction, row.method) for row in capabilities.supported]
    require(bool(kinds), "no kind of payment is supported")
    require(len(set(kinds)) == len(kinds), "a kind of payment has two rows")
    require(bool(capabilities.api_version), "the version of the partner's API is not said")
    require(capabilities.poll_after.total_seconds() > 0, "poll_after is not positive")
    for row in capabilities.supported:
        require(bool(row.capture_modes), f"{row.method.value} has no capture mode")
        manual = CaptureMode.MANUAL in row.capture_modes
        require(manual or not (row.multiple_captures or row.increments), "captures need manual capture")


async def a_payment_succeeds_as_asked(bench: Bench) -> None:
    """Amount, currency, ids and fees come back as they were sent, and there is one effect."""
    for row in bench.rows:
        call, paid = await bench.paid(row)
        require(paid.subject is Subject.PAYMENT, f"the snapshot is of a {paid.subject.value}")
        require(bool(paid.partner_id), "the partner's id is missing")
        require((paid.amount, paid.currency) == (call.amount, call.currency), "another amount came back")
        require(paid.captured in (None, call.amount), f"{paid.captured} captured of {call.amount}")
        require(paid.attempt_id == call.attempt_id, "the attempt's id did not come back")
        require(paid.error is None, "a payment that succeeded has an error")
        fee_ids = [fee.partner_id for fee in paid.fees]
        require(len(set(fee_ids)) == len(fee_ids), "two fees have one id")
        await bench.effects(call, 1)


async def a_payment_can_be_fetched(bench: Bench) -> None:
    """By its id it reads as by its attempt; an id that does not exist is not found."""
    for row in bench.rows:
        call, paid = await bench.paid(row)
        fetched = snapshot_of(await bench.seen(call, paid.partner_id), "fetch")
        require(fetched == paid, "fetched by id it reads otherwise")
        queried = await bench.query(msgspec.structs.replace(call, partner_id=paid.partner_id))
        require(snapshot_of(queried, "query by id") == paid, "queried by id it reads otherwise")
        nothing = await bench.fetch(row, "no_such_payment_1")
        require(isinstance(nothing, NotFound | CannotAsk), f"an unknown id was answered with {nothing}")


async def the_same_attempt_twice_has_one_effect(bench: Bench) -> None:
    """Sent again with the same key, the same payment comes back."""
    for row in bench.rows:
        call = bench.submit(row)
        first, second = await bench.reported(call), await bench.reported(call)
        require(first.partner_id == second.partner_id, "the repeat made another payment")
        await bench.brought_to(Status.SUCCEEDED, call, second)
        await bench.effects(call, 1)


async def the_same_attempt_at_once_has_one_effect(bench: Bench) -> None:
    """Sent twice together, one of them works; the other says the same, or that it does not know."""
    for row in bench.rows:
        call = bench.submit(row)
        answers = await asyncio.gather(bench.call(call), bench.call(call))
        made = {answer.snapshot.partner_id for answer in answers if isinstance(answer, Reported)}
        require(len(made) <= 1, "two payments were made")
        odd = [it for it in answers if not isinstance(it, Reported | Unknown | NotSent)]
        require(not odd, f"a repeat was answered with {odd}")
        await bench.brought_to(Status.SUCCEEDED, call, await bench.reported(call))
        await bench.effects(call, 1)


async def a_lost_answer_is_unknown_and_then_found(bench: Bench) -> None:
    """After a 500 or a broken connection the payment may exist: unknown, until a query finds it."""
    for row in bench.rows:
        for fault in (Fault.ERROR_AFTER, Fault.DROP_AFTER):
            call = bench.submit(row)
            answer = await bench.faulty(fault, call)
            require(isinstance(answer, Unknown), f"{fault.value} was answered with {answer}")
            found = await bench.found_after_horizon(call)
            if isinstance(found, CannotAsk):
                continue
            snapshot = snapshot_of(found, f"query after {fault.value}")
            require(snapshot.attempt_id == call.attempt_id, "another attempt was found")
            require((snapshot.amount, snapshot.currency) == (call.amount, call.currency), "another amount")
            await bench.brought_to(Status.SUCCEEDED, call, snapshot)
            await bench.effects(call, 1)


async def a_lost_call_is_unknown_and_never_found(bench: Bench) -> None:
    """After a 500 or a broken connection without effect, nothing is found."""
    for row in bench.rows:
        for fault in (Fault.ERROR_BEFORE, Fault.DROP_BEFORE):
            call = bench.submit(row)
            answer = await bench.faulty(fault, call)
            require(isinstance(answer, Unknown), f"{fault.value} was answered with {answer}")
            await bench.effects(call, 0)
            found = await bench.found_after_horizon(call)
            require(isinstance(found, NotFound | CannotAsk), f"after {fault.value} a query found {found}")


async def a_rate_limit_is_not_sent(bench: Bench) -> None:
    """A 429 has no effect, says so, and the same attempt goes through later."""
    for row in bench.rows:
        call = bench.submit(row)
        answer = await bench.faulty(Fault.RATE_LIMITED, call)
        require(isinstance(answer, NotSent), f"a 429 was answered with {answer}")
        await bench.effects(call, 0)
        await bench.brought_to(Status.SUCCEEDED, call, await bench.reported(call))
        await bench.effects(call, 1)


async def a_query_that_fails_knows_nothing(bench: Bench) -> None:
    """What was never submitted is not found; asking changes nothing."""
    for row in bench.rows:
        call = bench.submit(row)
        found = await bench.query(call)
        require(isinstance(found, NotFound | CannotAsk), f"an attempt never sent was found: {found}")
        await bench.effects(call, 0)


async def a_search_that_lags_finds_nothing_yet(bench: Bench) -> None:
    """Before the search horizon a payment may be not found; from the horizon on it is."""
    horizon = bench.connector.capabilities.search_horizon
    if not horizon:
        raise NotApplicable("a search sees everything at once, or there is none")
    for row in bench.rows:
        await bench.simulator.lag_search(horizon / 2)
        try:
            call = bench.submit(row)
            await bench.reported(call)
            found = await bench.query(call)
            require(isinstance(found, NotFound | Reported), f"a query in the lag was answered with {found}")
            await bench.simulator.advance(horizon)
            snapshot_of(await bench.query(call), "query after the horizon")
        finally:
            await bench.simulator.lag_search(horizon * 0)


async def a_decline_says_why(bench: Bench) -> None:
    """A declined instrument ends in FAILED or is refused, as a decline, with no effect."""
    for row in bench.rows:
        call = bench.submit(row, Instrument.DECLINED)
        answer = await bench.call(call)
        if isinstance(answer, Reported):
            failed = await bench.brought_to(Status.FAILED, call, answer.snapshot)
            error = failed.error
            require(failed.attempt_id == call.attempt_id, "the attempt's id did not come back")
        else:
            require(isinstance(answer, Refused), f"a decline was answered with {answer}")
            error = answer.error if isinstance(answer, Refused) else None
        require(error is not None and bool(error.code), "the decline says no code")
        require(error is not None and error.class_ in DECLINES, f"the decline is classed {error}")
        await bench.effects(call, 0)


async def what_is_not_supported_is_refused(bench: Bench) -> None:
    """Kinds, currencies and capture modes outside of the matrix are refused, and nothing is done."""
    kinds = {(row.direction, row.method) for row in bench.rows}
    row = bench.rows[0]
    wrong = [
        bench.submit(row, direction=direction, method=method)
        for direction in Direction
        for method in Method
        if (direction, method) not in kinds
    ]
    for supported in bench.rows:
        if supported.currencies is not None:
            wrong.append(bench.submit(supported, currency="XTS"))
        if CaptureMode.MANUAL not in supported.capture_modes:
            wrong.append(bench.submit(supported, capture_mode=CaptureMode.MANUAL))
    for call in wrong:
        answer = await bench.call(call)
        what = f"{call.direction.value} {call.method.value} {call.currency} {call.capture_mode.value}"
        require(isinstance(answer, Refused), f"{what} was answered with {answer}")
        require(
            isinstance(answer, Refused) and answer.error.class_ is ErrorClass.INVALID,
            f"{what} was refused as {answer}",
        )
        await bench.effects(call, 0)


async def different_attempts_are_different_payments(bench: Bench) -> None:
    """What is the same but for the attempt is another payment."""
    for row in bench.rows:
        call = bench.submit(row)
        again = msgspec.structs.replace(call, attempt_id=new_attempt())
        first, second = await bench.reported(call), await bench.reported(again)
        require(first.partner_id != second.partner_id, "the second attempt got the first one's payment")
        for asked, made in ((call, first), (again, second)):
            await bench.brought_to(Status.SUCCEEDED, asked, made)
        await bench.effects(call, 1)
        await bench.effects(again, 1)
