import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
import structlog

from caudal_base import logs
from caudal_base.database import Database
from caudal_base.secret import Secret
from caudal_base.settings import LogFormat, LogLevel

CANARY = "4f1d-canary-9c2e"


class Lines:
    """What was logged, as text and as objects."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def last(self) -> dict[str, Any]:
        return self.read()[-1]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def lines() -> Lines:
    lines = Lines()
    logs.configure(level=LogLevel.INFO, format=LogFormat.JSON, stream=lines.stream)
    return lines


@pytest.fixture
def log() -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def test_an_event_is_one_json_object_a_line(lines: Lines, log: structlog.typing.FilteringBoundLogger) -> None:
    log.info("transfer_posted", amount=1050, text="two\nlines", nothing=None)
    log.warning("second")
    first, second = lines.read()
    assert datetime.fromisoformat(first.pop("at")).tzinfo == UTC
    assert first == {
        "event": "transfer_posted",
        "level": "info",
        "amount": 1050,
        "text": "two\nlines",
        "nothing": None,
    }
    assert (second["event"], second["level"]) == ("second", "warning")


def test_events_below_the_level_are_not_written(
    lines: Lines, log: structlog.typing.FilteringBoundLogger
) -> None:
    log.debug("not_seen")
    logging.getLogger("library").debug("not seen")
    assert lines.text == ""


def test_the_context_is_in_every_event_of_its_block(
    lines: Lines, log: structlog.typing.FilteringBoundLogger
) -> None:
    with logs.context(request_id="req_1"):
        log.info("inside")
        logging.getLogger("library").warning("inside too")
    log.info("outside")
    assert [line.get("request_id") for line in lines.read()] == ["req_1", "req_1", None]


def test_libraries_write_in_the_same_form(lines: Lines) -> None:
    logging.getLogger("some.library").warning("connected to %s", "db")
    line = lines.last()
    assert (line["event"], line["level"], line["logger"]) == ("connected to db", "warning", "some.library")


def test_for_people_the_lines_are_plain(log: structlog.typing.FilteringBoundLogger) -> None:
    lines = Lines()
    logs.configure(level=LogLevel.INFO, format=LogFormat.CONSOLE, stream=lines.stream)
    log.info("transfer_posted", amount=1050, password=CANARY)
    assert "transfer_posted" in lines.text
    assert "amount=1050" in lines.text
    assert CANARY not in lines.text


def test_values_of_simple_types_are_written_as_text(
    lines: Lines, log: structlog.typing.FilteringBoundLogger
) -> None:
    moment = datetime(2026, 5, 4, tzinfo=UTC)
    log.info("seen", id=UUID(int=1), at_time=moment, kind=LogFormat.JSON, many=(1, "two"))
    line = lines.last()
    assert line["id"] == "00000000-0000-0000-0000-000000000001"
    assert line["at_time"] == "2026-05-04 00:00:00+00:00"
    assert line["kind"] == "json"
    assert line["many"] == [1, "two"]


class Customer(msgspec.Struct):
    name: str


@pytest.mark.parametrize(
    "fields",
    [
        {"password": CANARY},
        {"db_password": CANARY},
        {"client_secret": CANARY},
        {"authorization": CANARY},
        {"Cookie": CANARY},
        {"api_key": CANARY},
        {"access_token": CANARY},
        {"database_url": CANARY},
        {"body": CANARY},
        {"request_body": {"name": CANARY}},
        {"anything": Secret(CANARY)},
        {"anything": [Secret(CANARY)]},
        {"anything": {"deep": {"password": CANARY}}},
        {"anything": CANARY.encode()},
        {"anything": memoryview(CANARY.encode())},
        {"anything": Customer(CANARY)},
        {"url": f"postgresql://caudal:{CANARY}@db/caudal"},
        {"dsn_text": f"host=db password={CANARY} user=caudal"},
        {"text": f"host=db password='{CANARY} x' user=caudal"},
        {"header": f"Bearer {CANARY}"},
        {"key": f"caudal_live_{CANARY}"},
        {"key": f"tried caudal_test_{CANARY}, no"},
    ],
)
def test_secrets_and_bodies_are_never_written(
    lines: Lines, log: structlog.typing.FilteringBoundLogger, fields: dict[str, Any]
) -> None:
    log.info("seen", **fields)
    with logs.context(**fields):
        logging.getLogger("library").warning("something of %r", fields.get("text", fields.get("url")))
    assert len(lines.read()) == 2
    assert CANARY not in lines.text


def test_what_is_no_secret_stays(lines: Lines, log: structlog.typing.FilteringBoundLogger) -> None:
    log.info("seen", account="acct_1", url="https://example.com/a:b@c", antibody="x", text="caudal_livestock")
    line = lines.last()
    assert line["account"] == "acct_1"
    assert line["antibody"] == "x"
    assert line["text"] == "caudal_livestock"


def fail_with(text: str) -> None:
    local = CANARY
    raise ValueError(f"{text}, {len(local)}")


def test_an_exception_is_written_with_its_causes_and_without_locals(
    lines: Lines, log: structlog.typing.FilteringBoundLogger
) -> None:
    try:
        try:
            fail_with("first")
        except ValueError as error:
            raise RuntimeError(f"second: postgresql://caudal:{CANARY}@db") from error
    except RuntimeError:
        log.exception("failed")
    line = lines.last()
    assert line["level"] == "error"
    assert "fail_with" in line["exception"]
    assert f"ValueError: first, {len(CANARY)}" in line["exception"]
    assert line["exception"].endswith("RuntimeError: second: postgresql://caudal:***@db")
    assert CANARY not in lines.text


def test_every_member_of_a_group_of_exceptions_is_written(
    lines: Lines, log: structlog.typing.FilteringBoundLogger
) -> None:
    log.error("failed", exc_info=ExceptionGroup("both", [ValueError("one"), KeyError("two")]))
    assert "ValueError: one" in lines.last()["exception"]
    assert "KeyError: 'two'" in lines.last()["exception"]


async def test_rows_that_postgresql_quotes_in_an_error_are_not_written(
    lines: Lines, log: structlog.typing.FilteringBoundLogger, database: Database
) -> None:
    async with database.connection() as connection:
        await connection.execute("create temporary table person (name text constraint person_name unique)")
        await connection.execute("insert into person (name) values (%s)", [CANARY])
        with pytest.raises(psycopg.errors.UniqueViolation) as caught:
            await connection.execute("insert into person (name) values (%s)", [CANARY])
    assert CANARY in str(caught.value)
    log.error("failed", exc_info=caught.value)
    log.error("failed", error=caught.value)
    logging.getLogger("library").error("failed", exc_info=caught.value)
    assert "SQLSTATE 23505 table person constraint person_name" in lines.read()[0]["exception"]
    assert lines.read()[1]["error"] == "UniqueViolation: SQLSTATE 23505 table person constraint person_name"
    assert CANARY not in lines.text


def test_the_pools_chatter_is_not_written(lines: Lines) -> None:
    logging.getLogger("psycopg.pool").info("connection given")
    logging.getLogger("psycopg.pool").warning("error connecting")
    assert [line["event"] for line in lines.read()] == ["error connecting"]
