"""Commands in files: read as strictly as the API reads bodies, and carried out by the API's own handlers.

So what a body may hold, and what becomes of it, is written once. Another is who calls: the operator, whom the
audit log names so, without an idempotency key, since ids of commands serve for repeats.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from caudal.access import OPERATOR, Principal, Scope
from caudal.cli.operator import Operator
from caudal.idempotency import Answer
from caudal.ledger import BookInfo, Command, Outcome, Render
from caudal_base.clock import Clock
from caudal_base.database import Database
from caudal_base.strictjson import StrictDecoder

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="A file of JSON; - is standard input.")]

_CALLER: Final[Principal] = msgspec.structs.replace(
    OPERATOR, scopes=frozenset({Scope.LEDGER_BEYOND_LIMITS.value})
)
"""As in `caudal transfers create`: it may pass limits where a command says so; closed periods stay closed."""


def read_json(operator: Operator, file: str, type_: type[Any]) -> Any:
    """What `file` (`-`: standard input) says, as `type_`.

    Raises `OSError`, the `InvalidRequest` of `strictjson`, and `PayloadTooLarge` beyond the setting
    `max_body_bytes`.
    """
    most = operator.call.settings.max_body_bytes
    if file == "-":
        text = sys.stdin.buffer.read(most + 1)
    else:
        with Path(file).open("rb") as opened:
            text = opened.read(most + 1)
    decoder: StrictDecoder[Any] = StrictDecoder(type_, max_bytes=most)
    return decoder.decode(text)


class _Services(msgspec.Struct, frozen=True):
    """What handlers of commands ask the process for."""

    database: Database
    clock: Clock


class OperatorRequest:
    """A request of the operator, as handlers of commands see it. Keeps the outcomes of its commands."""

    def __init__(self, operator: Operator, book: BookInfo, query: Any, body: Any) -> None:
        """`query` and `body` are of the endpoint's types."""
        self.services = _Services(operator.database, operator.clock)
        self.principal = _CALLER
        self.book_id = book.book_id
        self.request_id = operator.request_id
        self.ids: Mapping[str, str] = {}
        self.query = query
        self.body = body
        self.outcomes: list[Outcome] = []
        self._operator = operator
        self._book = book

    def new_id(self, prefix: str) -> str:
        """The id of what the request makes."""
        return self._operator.new_id(prefix)

    async def earlier_answer(self) -> None:
        """None: there is no idempotency key."""

    async def carry_out(
        self,
        action: str,
        commands: Sequence[Command],
        render: Render,
        *,
        dry_run: bool,
        items: str | None = None,
    ) -> Answer:
        """Carry out `commands` in the operator's name, and keep what became of them."""
        self.outcomes = await self._operator.carry_out(
            self._book, commands, action, dry_run=dry_run, items=items
        )
        return render(self.outcomes)


async def carry_out_file(
    operator: Operator, book: str, path: str, file: str, *, dry_run: bool, **changed: Any
) -> list[Outcome]:
    """Carry out the commands in `file`, which has the form of a POST to `path`; one outcome each, in order.

    `changed` are fields of the body that the command line sets. Raises what `read_json` and the endpoint do.
    """
    # Here, since the other commands on transfers need not wait for the whole API to be loaded.
    from caudal.api import ENDPOINTS

    (endpoint,) = (one for one in ENDPOINTS if (one.method, one.path) == ("POST", path))
    body = read_json(operator, file, endpoint.body)
    if changed:
        body = msgspec.structs.replace(body, **changed)
    request: Any = OperatorRequest(operator, await operator.book(book), endpoint.query(dry_run=dry_run), body)
    await endpoint.handle(request)
    outcomes: list[Outcome] = request.outcomes
    return outcomes
