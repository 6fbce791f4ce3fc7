"""Checks of the later steps: capture, increment, cancel and refund, as the capability matrix has them."""

from collections.abc import Sequence

import msgspec

from caudal.connectors.contract_bench import Bench, Fault, NotApplicable, require, snapshot_of
from caudal.connectors.types import (
    Call,
    CannotAsk,
    CaptureMode,
    ErrorClass,
    NotFound,
    Operation,
    Refused,
    Reported,
    Snapshot,
    Status,
    Subject,
    Supported,
    Unknown,
)

IMPOSSIBLE = (ErrorClass.CONFLICT, ErrorClass.INVALID)


def _manual(row: Supported) -> bool:
    return CaptureMode.MANUAL in row.capture_modes


async def _refused(bench: Bench, call: Call, what: str) -> None:
    """At once, or after it was taken to be carried out later."""
    answer = await bench.ended(call, await bench.call(call))
    refused = isinstance(answer, Refused) and answer.error.class_ in IMPOSSIBLE
    require(refused, f"{what} was answered with {answer}")
    await bench.effects(call, 0)


async def a_capture_takes_all(bench: Bench) -> None:
    """What is authorised is captured once, also when it is asked for twice."""
    for row in bench.rows_where(_manual, "manual capture"):
        call, authorised = await bench.authorised(row)
        capture = bench.step(Operation.CAPTURE, call, authorised)
        for _ in range(2):
            captured = await bench.done(capture)
            require(captured.status is Status.SUCCEEDED, f"captured, it is {captured.status.value}")
            require(captured.captured == call.amount, f"{captured.captured} captured of {call.amount}")
        await bench.effects(capture, 1)


async def a_final_capture_of_a_part_ends_it(bench: Bench) -> None:
    """A part is captured, the rest is released, and nothing more can be captured."""
    for row in bench.rows_where(_manual, "manual capture"):
        call, authorised = await bench.authorised(row)
        part = call.amount // 4
        captured = await bench.done(bench.step(Operation.CAPTURE, call, authorised, amount=part))
        require((captured.status, captured.captured) == (Status.SUCCEEDED, part), f"captured: {captured}")
        more = bench.step(Operation.CAPTURE, call, captured, amount=part)
        await _refused(bench, more, "a capture after the final one")


async def captures_go_on_until_the_final_one(bench: Bench) -> None:
    """Parts are captured one after the other, and add up."""
    for row in bench.rows_where(lambda it: it.multiple_captures, "several captures"):
        call, authorised = await bench.authorised(row)
        part = call.amount // 4
        first = await bench.done(bench.step(Operation.CAPTURE, call, authorised, amount=part, final=False))
        require((first.status, first.captured) == (Status.AUTHORISED, part), f"after a part: {first}")
        second = await bench.done(bench.step(Operation.CAPTURE, call, first, amount=part))
        require((second.status, second.captured) == (Status.SUCCEEDED, 2 * part), f"after two: {second}")


async def no_more_is_captured_than_authorised(bench: Bench) -> None:
    """A capture above the authorisation is refused, and the authorisation stands."""
    for row in bench.rows_where(_manual, "manual capture"):
        call, authorised = await bench.authorised(row)
        over = bench.step(Operation.CAPTURE, call, authorised, amount=call.amount + 1)
        await _refused(bench, over, "a capture above the authorisation")
        now = snapshot_of(await bench.seen(call, authorised.partner_id), "fetch")
        require((now.status, now.captured or 0) == (Status.AUTHORISED, 0), f"then the payment was {now}")


async def an_increment_raises_what_is_authorised(bench: Bench) -> None:
    """The total is raised once, also when it is asked for twice, and can be captured."""
    for row in bench.rows_where(lambda it: it.increments, "increments"):
        call, authorised = await bench.authorised(row)
        total = call.amount + 500
        increment = bench.step(Operation.INCREMENT, call, authorised, amount=total)
        for _ in range(2):
            raised = await bench.done(increment)
            require((raised.status, raised.amount) == (Status.AUTHORISED, total), f"raised: {raised}")
        await bench.effects(increment, 1)
        captured = await bench.done(bench.step(Operation.CAPTURE, call, raised, amount=total))
        require(captured.captured == total, f"{captured.captured} captured of {total}")


async def a_cancellation_releases_all(bench: Bench) -> None:
    """Once, also when it is asked for twice; nothing can be captured after it."""
    rows = bench.rows_where(lambda it: it.cancels and _manual(it), "cancelling and manual capture")
    for row in rows:
        call, authorised = await bench.authorised(row)
        cancel = bench.step(Operation.CANCEL, call, authorised)
        for _ in range(2):
            cancelled = await bench.done(cancel)
            require(cancelled.status is Status.CANCELLED, f"cancelled, it is {cancelled.status.value}")
        await bench.effects(cancel, 1)
        capture = bench.step(Operation.CAPTURE, call, cancelled)
        await _refused(bench, capture, "a capture after cancelling")


async def a_pending_payment_can_be_called_off(bench: Bench) -> None:
    """Once, also when it is asked for twice; then no money moves."""
    called_off = 0
    for row in bench.rows_where(lambda it: it.cancels, "cancelling"):
        call = bench.submit(row)
        pending = await bench.reported(call)
        if pending.status is not Status.PENDING:
            continue
        cancel = bench.step(Operation.CANCEL, call, pending)
        for _ in range(2):
            cancelled = await bench.done(cancel)
            require(cancelled.status is Status.CANCELLED, f"called off, it is {cancelled.status.value}")
        await bench.simulator.advance(bench.connector.capabilities.poll_after)
        now = snapshot_of(await bench.seen(call, pending.partner_id), "fetch")
        require(now.status is Status.CANCELLED, f"called off, it became {now.status.value}")
        await bench.effects(cancel, 1)
        called_off += 1
    if not called_off:
        raise NotApplicable("nothing that can be called off is ever pending")


async def a_refund_pays_back(bench: Bench) -> None:
    """In parts, each once, up to what was paid and no further."""
    for row in bench.rows_where(lambda it: it.refunds, "refunds"):
        call, paid = await bench.paid(row)
        part = call.amount // 4
        for amount in (part, call.amount - part):
            refund = bench.step(Operation.REFUND, call, paid, amount=amount)
            first, again = await bench.reported(refund), await bench.reported(refund)
            require(first.partner_id == again.partner_id, "the repeat made another refund")
            require(first.subject is Subject.REFUND, f"the snapshot is of a {first.subject.value}")
            require((first.amount, first.currency) == (amount, call.currency), f"refunded: {first}")
            require(first.attempt_id == refund.attempt_id, "the attempt's id did not come back")
            require(first.parent_id == paid.partner_id, "the refund does not name its payment")
            done = await bench.finished(refund, again)
            require(done.status is Status.SUCCEEDED, f"the refund is {done.status.value}")
            require(done.partner_id == first.partner_id, "another refund was found")
            await bench.effects(refund, 1)
        more = bench.step(Operation.REFUND, call, paid, amount=1)
        await _refused(bench, more, "a refund of more than was paid")


async def what_a_payment_cannot_do_is_refused(bench: Bench) -> None:
    """Steps outside of the matrix are refused without effect."""
    for row in bench.rows:
        call, paid = await bench.paid(row)
        steps = {Operation.CAPTURE: _manual(row), Operation.INCREMENT: row.increments}
        steps |= {Operation.REFUND: row.refunds}
        for operation, has_it in steps.items():
            if not has_it:
                step = bench.step(operation, call, paid)
                await _refused(bench, step, f"{operation.value} of {row.method.value}")


async def _steps(bench: Bench) -> Sequence[tuple[Call, Supported]]:
    """A fresh step of every operation that the matrix has."""
    found: list[tuple[Call, Supported]] = []
    for row in bench.rows:
        wanted: list[tuple[Operation, dict[str, object]]] = []
        if _manual(row):
            wanted.append((Operation.CAPTURE, {}))
            if row.cancels:
                wanted.append((Operation.CANCEL, {}))
            if row.increments:
                wanted.append((Operation.INCREMENT, {"amount": 2_000_000}))
        for operation, change in wanted:
            call, authorised = await bench.authorised(row)
            if operation is Operation.INCREMENT:
                change = {"amount": call.amount + 500}
            found.append((bench.step(operation, call, authorised, **change), row))
        if row.refunds:
            call, paid = await bench.paid(row)
            found.append((bench.step(Operation.REFUND, call, paid, amount=call.amount // 2), row))
    return found


async def a_steps_lost_answer_is_unknown_and_then_found(bench: Bench) -> None:
    """After a 500 or a broken connection a query tells that the step took place."""
    for fault in (Fault.ERROR_AFTER, Fault.DROP_AFTER):
        for step, _ in await _steps(bench):
            what = f"{step.operation.value} with {fault.value}"
            answer = await bench.faulty(fault, step)
            require(isinstance(answer, Unknown), f"{what} was answered with {answer}")
            found = await bench.found_after_horizon(step)
            require(isinstance(found, Reported | CannotAsk), f"the query of {what} found {found}")
            if isinstance(found, Reported):
                _require_done(step, await bench.finished(step, found.snapshot), what)
            await bench.effects(step, 1)


async def a_lost_step_is_unknown_and_not_found(bench: Bench) -> None:
    """After a 500 or a broken connection without effect a query tells that it did not take place."""
    for fault in (Fault.ERROR_BEFORE, Fault.DROP_BEFORE):
        for step, _ in await _steps(bench):
            what = f"{step.operation.value} with {fault.value}"
            answer = await bench.faulty(fault, step)
            require(isinstance(answer, Unknown), f"{what} was answered with {answer}")
            await bench.effects(step, 0)
            found = await bench.found_after_horizon(step)
            require(isinstance(found, NotFound | CannotAsk), f"the query of {what} found {found}")


async def a_step_on_nothing_is_refused(bench: Bench) -> None:
    """A payment that the partner does not have can be neither captured nor refunded."""
    for step, _ in await _steps(bench):
        lost = msgspec.structs.replace(step, partner_id="no_such_payment_1", related={})
        answer = await bench.call(lost)
        require(isinstance(answer, Refused), f"{step.operation.value} of nothing was answered with {answer}")


def _require_done(step: Call, snapshot: Snapshot, what: str) -> None:
    match step.operation:
        case Operation.CAPTURE:
            done = snapshot.captured == step.captured_before + step.amount
        case Operation.INCREMENT:
            done = snapshot.amount == step.amount
        case Operation.CANCEL:
            done = snapshot.status is Status.CANCELLED
        case Operation.REFUND | Operation.SUBMIT:
            done = (snapshot.attempt_id, snapshot.amount) == (step.attempt_id, step.amount)
    require(done, f"the query of {what} says {snapshot}")
