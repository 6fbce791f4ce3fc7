"""`caudal events` on a database."""

import asyncio
import json
import subprocess

from caudal_base.database import Database
from support.events import event, payment_id, told
from support.ledgers import new_book
from support.processes import CAUDAL, ENVIRONMENT, Ran, run


def prepared(dsn: str) -> str:
    """The name of a book with three events."""

    async def prepare() -> str:
        database = await Database.open(dsn)
        book = await new_book(database)
        happened = [event(1, "payment.created"), event(2, "payment.created"), event(1, data={"amount": 1050})]
        await told(database, book.book_id, happened)
        await database.close()
        return book.name

    return asyncio.run(prepare())


def caudal(dsn: str, *arguments: str) -> Ran:
    return run(*arguments, environment={"CAUDAL_DATABASE_URL": dsn})


def test_events_are_listed_and_shown(dsn: str) -> None:
    book = prepared(dsn)

    everything = caudal(dsn, "events", "list", "--book", book, "--json").json
    of_one = caudal(dsn, "events", "list", "--book", book, "--object", payment_id(1), "--json").json
    page = caudal(dsn, "events", "list", "--book", book, "--limit", "2", "--json").json
    rest = caudal(dsn, "events", "list", "--book", book, "--after", page["next_cursor"], "--json").json
    last = everything["data"][2]
    shown = caudal(dsn, "events", "show", last["id"], "--book", book, "--json").json
    table = caudal(dsn, "events", "list", "--book", book, "--type", "payment.created").out
    people = caudal(dsn, "events", "show", last["id"], "--book", book).out

    assert [row["seq"] for row in everything["data"]] == [1, 2, 3]
    assert everything["next_cursor"] is None
    assert [row["seq"] for row in of_one["data"]] == [1, 3]
    assert [row["seq"] for row in page["data"] + rest["data"]] == [1, 2, 3]
    assert shown == last
    assert (shown["object"], shown["data"]) == (payment_id(1), {"amount": 1050})
    assert [line.split()[0] for line in table.splitlines()] == ["seq", "1", "2"]
    assert '"amount": 1050' in people
    assert caudal(dsn, "events", "show", "evt_" + "1" * 32, "--book", book).code == 1


def test_events_are_followed_as_they_happen(dsn: str) -> None:
    book = prepared(dsn)
    with subprocess.Popen(
        [*CAUDAL, "events", "tail", "--book", book, "--after", "1", "--json"],
        env={**ENVIRONMENT, "CAUDAL_DATABASE_URL": dsn, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        seen = [json.loads(following.stdout.readline())["seq"] for _ in range(2)]

        async def more() -> None:
            database = await Database.open(dsn)
            await told(database, 1, [event(3)])
            await database.close()

        asyncio.run(more())
        seen.append(json.loads(following.stdout.readline())["seq"])
        following.terminate()

    assert seen == [2, 3, 4]
