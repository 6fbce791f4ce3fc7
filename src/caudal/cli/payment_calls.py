"""Payments from the command line: carried out by the API's own handlers, in the operator's name.

So what may be asked, and what becomes of it, is written once. There is no idempotency key: an id of the
caller's own serves for repeats.
"""

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from caudal.access import OPERATOR, Principal
from caudal.cli.operator import Operator
from caudal.connectors import Registry
from caudal.idempotency import Answer
from caudal.ledger import BookInfo, Ledger
from caudal.payments import PaymentDesk, Payments
from caudal.risk import Decider
from caudal.routing import Directory
from caudal_base.check import check
from caudal_base.clock import Clock
from caudal_base.database import Connection, Database
from caudal_base.errors import CaudalError, InvalidRequest
from caudal_base.ids import IdSource
from caudal_base.settings import Environment, PartnerSettings
from caudal_base.strictjson import StrictDecoder

T = TypeVar("T")

_ROWS_AT_ONCE: Final = 1_000
_AT: Final = re.compile(r"(.*) - at `\$\.?([^`]*)`", re.DOTALL)


class Refused(CaudalError):
    """The API's handler refused; its problem says why."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        """With the code, the status, the title and the words of `problem`."""
        super().__init__(problem["detail"], field=problem.get("field"))
        self.status = problem["status"]  # type: ignore[misc]
        self.code = problem["code"]  # type: ignore[misc]
        self.title = problem["title"]  # type: ignore[misc]


class _Services(msgspec.Struct, frozen=True):
    """What handlers of payments ask the process for."""

    database: Database
    clock: Clock
    ids: IdSource
    payments: PaymentDesk


class _Request:
    """A request of the operator, as handlers see it."""

    claim: None = None
    origin: None = None

    def __init__(self, operator: Operator, book: BookInfo, services: _Services, named: str | None) -> None:
        self.services = services
        self.principal: Principal = OPERATOR
        self.book_id = book.book_id
        self.request_id = operator.request_id
        self.ids: Mapping[str, str] = {} if named is None else {"id": named}
        self.replayed = False
        self.query: Any = None
        self.body: Any = None
        self._operator = operator

    def new_id(self, prefix: str) -> str:
        """The id of what the request makes."""
        return self._operator.new_id(prefix)

    async def once(self, work: Callable[[Connection], Awaitable[Answer]], *, dry_run: bool) -> Answer:
        """Do `work` in a transaction of which nothing is left: of payments, dry runs alone come here."""
        check(dry_run, "a command on payments goes through their desk")
        async with (
            self.services.database.transaction() as connection,
            connection.transaction(force_rollback=True),
        ):
            return await work(connection)


async def ask(
    operator: Operator,
    book: BookInfo,
    method: str,
    path: str,
    type_: type[T],
    *,
    named: str | None = None,
    query: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
) -> T:
    """What the API's endpoint answers, as `type_`; `named` is the id in its path.

    Of `query` and `body` what is None is left out. Raises `Refused`, and what the endpoint raises.
    """
    # Here, since `--help` need not wait for the whole API to be loaded.
    from caudal.api import ENDPOINTS

    (endpoint,) = (one for one in ENDPOINTS if (one.method, one.path) == (method, path))
    async with _services(operator, writes=method == "POST") as services:
        request: Any = _Request(operator, book, services, named)
        request.query = _query(endpoint.query, query or {})
        decoder = StrictDecoder[Any](endpoint.body, max_bytes=operator.call.settings.max_body_bytes)
        request.body = decoder.decode(msgspec.json.encode(_given(body or {})))
        answer: Any = await endpoint.handle(request)
    if answer.status >= 400:
        raise Refused(msgspec.json.decode(answer.body))
    return msgspec.json.decode(answer.body, type=type_)


async def ask_for_rows(
    operator: Operator, book: BookInfo, path: str, type_: type[T], *, query: Mapping[str, Any], limit: int
) -> tuple[list[T], str | None]:
    """Up to `limit` rows of a list, page by page, and the cursor to go on behind them: None at the end."""
    rows: list[T] = []
    cursor = query.get("cursor")
    while True:
        size = min(limit - len(rows), _ROWS_AT_ONCE)
        page = await ask(
            operator, book, "GET", path, dict[str, Any], query={**query, "cursor": cursor, "limit": size}
        )
        rows += msgspec.convert(page["data"], list[type_])  # type: ignore[valid-type]
        cursor = page["next_cursor"]
        if cursor is None or len(rows) >= limit:
            return rows, cursor


@contextlib.asynccontextmanager
async def _services(operator: Operator, *, writes: bool) -> AsyncIterator[_Services]:
    """What handlers work with. Partners are only named here, by their settings: workers call them."""
    registry = Registry.from_settings(partners_of(operator) if writes else {}, operator.clock)
    payments = Payments(
        Ledger(operator.clock), Decider(operator.clock, operator.ids), registry, operator.ids,
        routing=Directory(operator.clock),
    )  # fmt: skip
    desk = PaymentDesk(operator.database, payments)
    try:
        yield _Services(operator.database, operator.clock, operator.ids, desk)
    finally:
        await desk.drain()
        await registry.close()


def partners_of(operator: Operator) -> Mapping[str, PartnerSettings]:
    """Those of the settings, or else those that the `caudal up` of the data directory has brought."""
    settings = operator.call.settings
    if settings.partners or settings.env is not Environment.DEVELOPMENT:
        return settings.partners
    # Here, since commands that only read need not wait for it.
    from caudal.cli.up_sandbox import known_partners

    return known_partners(settings.data_dir)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _query(type_: type[Any], values: Mapping[str, Any]) -> Any:
    try:
        return msgspec.convert(_given(values), type_, builtin_types=())
    except msgspec.ValidationError as error:
        message, field = str(error), None
        if match := _AT.fullmatch(message):
            message, field = match[1], match[2]
        raise InvalidRequest(message.replace("`", ""), field=field) from None
