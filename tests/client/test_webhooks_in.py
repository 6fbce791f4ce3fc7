import pytest

from caudal.client import Caudal, Conflict, InboundState, NotFound
from caudal.connectors import Inbound
from caudal.webhooks import NewInbound, receive
from support.client_settings import YESTERDAY, Setting


async def arrived(setting: Setting, caudal: Caudal, *event_ids: str) -> int:
    """Webhooks have come in; the number of their book."""
    services = setting.services
    async with services.database.transaction() as connection:
        book = await services.books.require(connection, (await anext(aiter(caudal.books.list()))).id)
        new = [
            NewInbound(
                id=services.ids.new(),
                partner="acme",
                inbound=Inbound(event_id=event_id, type="payment", created_at=YESTERDAY, body=b"{}"),
                received_at=services.clock.now(),
            )
            for event_id in event_ids
        ]
        await receive(connection, book.book_id, new, now=YESTERDAY, new_ids=services.ids)
    return book.book_id


async def test_webhooks_are_listed_read_and_replayed(setting: Setting, caudal: Caudal) -> None:
    book_id = await arrived(setting, caudal, "msg_1", "msg_2", "msg_3")
    async with setting.services.database.transaction() as connection:
        await connection.execute(
            "update webhooks.inbound set state = 'parked', settled_at = now(), reason = 'no'"
            " where book_id = %s and event_id = 'msg_2'",
            (book_id,),
        )

    rows = [row async for row in caudal.webhooks_in.list(page_size=2)]
    (parked,) = [row async for row in caudal.webhooks_in.list(state=InboundState.PARKED)]
    replayed = await caudal.webhooks_in.replay(parked.id)

    assert [row.event_id for row in rows] == ["msg_3", "msg_2", "msg_1"]
    assert (parked.event_id, parked.reason, parked.occurred_at) == ("msg_2", "no", YESTERDAY)
    assert replayed.state is InboundState.RECEIVED
    assert await caudal.webhooks_in.get(parked.id) == replayed


async def test_what_cannot_be_replayed_is_a_conflict(setting: Setting, caudal: Caudal) -> None:
    book_id = await arrived(setting, caudal, "msg_1")
    async with setting.services.database.transaction() as connection:
        await connection.execute(
            "update webhooks.inbound set state = 'applied', settled_at = now() where book_id = %s", (book_id,)
        )
    (row,) = [row async for row in caudal.webhooks_in.list()]

    with pytest.raises(Conflict):
        await caudal.webhooks_in.replay(row.id)
    with pytest.raises(NotFound):
        await caudal.webhooks_in.replay(f"whi_{'7' * 32}")
