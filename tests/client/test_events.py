from caudal.client import Caudal, Event
from support.client_settings import Setting
from support.events import event, payment_id, told


async def test_events_are_followed_without_gap_or_repeat(setting: Setting, caudal: Caudal) -> None:
    book = (await anext(aiter(caudal.books.list()))).id
    async with setting.services.database.connection() as connection:
        book_id = (await setting.services.books.require(connection, book)).book_id
    await told(setting.services.database, book_id, [event(1), event(2), event(1)])

    seen: list[Event] = []
    async for row in caudal.events.list(follow=True, page_size=2):
        seen.append(row)
        if len(seen) == 3:
            await told(setting.services.database, book_id, [event(2)])
        if len(seen) == 4:
            break

    assert [row.seq for row in seen] == [1, 2, 3, 4]
    assert seen[0].object == payment_id(1)
    assert seen[0].data == {"id": payment_id(1)}
    assert [row.seq async for row in caudal.events.list(object=payment_id(2), page_size=1)] == [2, 4]
    assert await caudal.events.get(seen[2].id) == seen[2]
