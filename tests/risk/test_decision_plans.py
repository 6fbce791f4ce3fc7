"""At size: links and the order of decisions and labels cost what they give, however many there are."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest

from caudal.analytics import store as exports
from caudal.risk import store_labels, store_links
from caudal_base import arrays
from caudal_base.database import Connection
from support.plans import filled, require_known_planner, touched_by

if TYPE_CHECKING:
    from conftest import Server

BOOK = 1
MANY = 40_000
NOW: Final = dt.datetime.now(dt.UTC)

# Half of all payments come from one device.
FILL = """
insert into risk.decision (book_id, id, of, subject, customer, outcome, at, data, seq)
select 1, lpad(to_hex(n), 32, '0')::uuid, 1, 'pay_' || n, 'cus_' || n % 5000, 0, now(),
       json_build_object('served', json_build_object('facts', json_build_object(
           'payment.device', case when n % 2 = 0 then 'hot' else 'd' || n end,
           'payment.ip', 'ip' || n % 900))),
       n
  from generate_series(1, 40000) n;

insert into risk.label (book_id, subject, kind, source, event_at, known_at, seq)
select 1, 'pay_' || n, 'fraud', 'operator', now(), now(), n
  from generate_series(1, 40000) n;

insert into risk.linked (book_id, seq) values (1, 0);
"""


@pytest.fixture(scope="module")
async def connection(server: "Server", migrated_template: str) -> AsyncIterator[Connection]:
    """A database with 40,000 decisions, all but the newest 100 linked, and as many labels."""
    require_known_planner(server)
    async with filled(server, migrated_template, FILL) as opened:
        after = {"book_id": BOOK, "after": 0, "limit": MANY - 100}
        await opened.execute(store_links.LINK.encode(), after)
        await opened.execute("analyze risk.decision; analyze risk.label; analyze risk.link")
        yield opened


@pytest.mark.parametrize("device", ["hot", "d101", "nobody"])
async def test_who_shares_a_device_is_found_by_seeks(connection: Connection, device: str) -> None:
    told = await touched_by(
        connection, store_links.SHARING,
        {
            "book_id": BOOK, "customer": "cus_7", "kinds": arrays.texts(["device", "ip"]),
            "values": arrays.texts([device, "ip3"]), "looked_at": 5_000, "limit": 51,
        },
    )  # fmt: skip

    assert told.scanned == []
    assert told.rows > 0
    assert told.blocks <= 1_000, told.plan


@pytest.mark.parametrize(
    ("statement", "values", "most"),
    [
        (store_links.LINK, {"after": MANY - 100, "limit": 100}, 3_000),
        (store_links.UNNUMBERED, {}, 10),
        (store_links.NUMBER_DECISIONS, {"limit": 500}, 20),
        (store_links.NUMBER_LABELS, {"limit": 500}, 20),
        (exports.DECISIONS, {"after": 20_000, "through": 39_000, "limit": 100}, 150),
        (exports.LABELS, {"after": 20_000, "through": 39_000, "limit": 100}, 150),
        (exports.HEADS, {}, 30),
    ],
    ids=["link", "unnumbered", "number decisions", "number labels", "decisions", "labels", "heads"],
)
async def test_what_follows_decisions_reads_behind_a_place(
    connection: Connection, statement: str, values: dict[str, Any], most: int
) -> None:
    async with connection.transaction(force_rollback=True):
        told = await touched_by(connection, statement, {"book_id": BOOK, **values})

    assert set(told.scanned) <= {"linked"}
    assert told.blocks <= most, told.plan


# What has been said of decisions: all of them have been called frauds just now, none of them before.
SPAN: Final = {"of": 1, "after": UUID(int=0), "limit": 200}


@pytest.mark.parametrize(
    ("statement", "values", "rows"),
    [
        (
            store_labels.MATURED,
            {"known_by": NOW + dt.timedelta(days=1), "before": UUID(int=MANY)},
            200,
        ),
        (
            store_labels.MATURED,
            {"known_by": NOW + dt.timedelta(days=1), "before": UUID(int=MANY), "of": None},
            200,
        ),
        (
            store_labels.TOLD,
            {
                "known_by": NOW + dt.timedelta(days=1),
                "silent": UUID(int=MANY + 1),
                "silent_since": NOW + dt.timedelta(days=1),
            },
            200,
        ),
        (store_labels.SILENT, {"known_by": NOW - dt.timedelta(days=1), "silent": UUID(int=MANY)}, 200),
        (store_labels.ENDS, {"known_by": NOW + dt.timedelta(days=1), "before": UUID(int=MANY)}, 1),
    ],
    ids=["matured", "of all", "told", "silent", "ends"],
)
async def test_how_decisions_ended_is_read_for_as_many_as_are_asked_for(
    connection: Connection, statement: str, values: dict[str, Any], rows: int
) -> None:
    told = await touched_by(connection, statement, {"book_id": BOOK, **SPAN, **values})

    assert told.scanned == []
    assert told.rows == rows
    assert told.blocks <= 1_700, told.plan
