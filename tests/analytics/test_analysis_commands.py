"""`caudal export`, `caudal analytics` and `caudal simulate fraud`, as they are called."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from caudal_base.database import Database
from support.exports import book_of, read, some_payments
from support.payment_worlds import PaymentWorld
from support.processes import run


@pytest.fixture(autouse=True)
def _as_nice_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in this process must not have it come last for good."""
    monkeypatch.setattr(os, "nice", lambda _by: 0)


def caudal(dsn: str, *arguments: str) -> tuple[int, Any]:
    """The exit code, and what was answered."""
    called = run(*arguments, "--json", environment={"CAUDAL_DATABASE_URL": dsn})
    return called.code, called.json


@pytest.fixture
async def paid(database: Database) -> str:
    """The name of a book with two payments."""
    world = await PaymentWorld.make(database)
    await some_payments(world, 2)
    return (await book_of(database, world.book_id)).name


def test_an_export_and_what_is_said_of_it(paid: str, dsn: str, tmp_path: Path) -> None:
    lake, page = str(tmp_path / "lake"), tmp_path / "page.html"

    code, first = caudal(dsn, "export", "--out", lake, "--book", paid)
    assert (code, first["rows"]["attempts"]) == (0, 2)
    code, report = caudal(dsn, "analytics", "--export", lake, "--book", paid, "--html", str(page))
    assert code == 0
    assert report["volume"][0]["payments"] == 2
    assert "<svg" in page.read_text(encoding="utf-8")
    code, live = caudal(dsn, "analytics", "volume", "--book", paid)
    assert (code, live["volume"], live["fraud"]) == (0, report["volume"], [])


async def test_following_an_export_writes_what_is_new_until_interrupted(
    database: Database, dsn: str, tmp_path: Path
) -> None:
    world = await PaymentWorld.make(database)
    await some_payments(world, 1)
    book = (await book_of(database, world.book_id)).name
    lake = tmp_path / "lake"
    following = subprocess.Popen(
        [sys.executable, "-P", "-m", "caudal", "export", "--out", str(lake), "--book", book, "--follow",
         "--every", "1", "--share", "1", "--json"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "CAUDAL_DATABASE_URL": dsn},
        # A shell that runs the tests in the background has its children ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        assert following.stdout is not None
        first = json.loads(following.stdout.readline())
        (new,) = await some_payments(world, 1)
        second = json.loads(following.stdout.readline())
        following.send_signal(signal.SIGINT)
        assert following.wait(100) == 130
    finally:
        following.kill()
        following.communicate()

    assert first["rows"]["attempts"] == 1
    rows = read(lake, "payments")
    assert new in {row["id"] for row in rows}
    assert len(rows) == len({row["seq"] for row in rows})
    assert first["positions"]["events"] < second["positions"]["events"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("export", "--out", "lake", "--book", "nobody"), "book_not_found"),
        (("analytics", "--export", "nowhere"), "export_missing"),
        (("simulate", "fraud", "--out", "x.csv", "--live"), "usage"),
        (("simulate", "fraud", "--out", "x.txt"), "invalid_request"),
    ],
)
def test_what_cannot_be_done_is_said(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: str
) -> None:
    monkeypatch.chdir(tmp_path)

    status, answer = caudal(dsn, *arguments)

    assert status in (1, 2)
    assert answer["error"]["code"] == code
    assert list(tmp_path.iterdir()) == []
