"""What happens without a caller is in the audit log too, in the transaction of its effect."""

import json

from caudal import audit
from caudal.connectors import Reported, Status, Unknown, Why
from caudal.payments.commands import Looked
from support.payment_worlds import PaymentWorld, snapshot_of


async def told_of(world: PaymentWorld, object_id: str) -> list[tuple[str, str, str]]:
    """Principal, action and result of each record, sorted: the clock stands still."""
    async with world.database.connection() as connection:
        page = await audit.page(connection, audit.Query(book_id=world.book_id, object_id=object_id))
    return sorted(
        (record.principal, record.action, json.loads(record.leaf)["result"]) for record in page.records
    )


async def test_a_call_and_its_answer_are_told_of(world: PaymentWorld) -> None:
    case = await world.create()
    await world.report(case, Status.SUCCEEDED)

    assert await told_of(world, case.attempts[0].id) == [
        ("partner:acquirer", "attempt.answer", "succeeded"),
        ("worker", "attempt.send", "submitting"),
    ]


async def test_what_a_webhook_changed_is_told_of_and_its_repeat_is_not(world: PaymentWorld) -> None:
    case = await world.create()
    await world.send(case.attempts[0])
    for _ in range(2):
        await world.hear(snapshot_of(case, Status.SUCCEEDED))

    assert await told_of(world, case.payment.id) == [("partner:acquirer", "payment.hear", "succeeded")]


async def test_a_look_that_found_nothing_is_not_told_of(world: PaymentWorld) -> None:
    case = await world.create()
    attempt = case.attempts[0]
    await world.answer(attempt, Unknown(Why.TIMEOUT))
    await world.apply(Looked(attempt_id=attempt.id, found=Unknown(Why.TIMEOUT)))
    await world.apply(Looked(attempt_id=attempt.id, found=Reported(snapshot_of(case, Status.SUCCEEDED))))

    assert [action for _, action, _ in await told_of(world, attempt.id)] == [
        "attempt.answer",
        "attempt.look",
        "attempt.send",
    ]
