"""What other rooms call: carry out commands on payments, inside the caller's transaction."""

from collections.abc import Sequence

from caudal import audit
from caudal.connectors import Registry, Snapshot
from caudal.customers import ProductDirectory
from caudal.ledger import Ledger, require_book_number
from caudal.payments.auditing import records
from caudal.payments.batch import Batch, Tools
from caudal.payments.commands import Command, Heard
from caudal.payments.outcomes import Applied, AppliedStatus, Outcome, OutcomeStatus
from caudal.payments.partners import Partners
from caudal.payments.routes import Routes
from caudal.routing import Directory
from caudal_base.clock import SystemClock
from caudal_base.database import Connection
from caudal_base.decide import Decide
from caudal_base.ids import IdSource
from caudal_base.statements import Statement

_APPLIED = {
    OutcomeStatus.APPLIED: AppliedStatus.APPLIED,
    OutcomeStatus.UNCHANGED: AppliedStatus.UNCHANGED,
    OutcomeStatus.EXISTS: AppliedStatus.UNCHANGED,
    OutcomeStatus.WAITING: AppliedStatus.WAITING,
    OutcomeStatus.REFUSED: AppliedStatus.REFUSED,
}


class Payments:
    """The payments of one deployment. Holds no connection, and no state but what never changes."""

    def __init__(
        self, ledger: Ledger, decide: Decide, registry: Registry, new_ids: IdSource,
        products: ProductDirectory | None = None, routing: Directory | None = None,
    ) -> None:  # fmt: skip
        """`decide` is asked about every new payment, `registry` holds the partners.

        Without `routing` no rules are looked for: the first partner that can do a payment gets it.
        """
        self._routed = routing is not None
        self._tools = Tools(
            ledger=ledger,
            decide=decide,
            registry=registry,
            products=products or ProductDirectory(),
            routing=routing or Directory(SystemClock()),
            new_ids=new_ids,
        )
        self._partners: dict[int, Partners] = {}

    async def partners(self, connection: Connection, book_id: int) -> Partners:
        """The partners that serve a book. Raises `BookNotFound`."""
        known = self._partners.get(book_id)
        if known is None:
            book = await require_book_number(connection, book_id)
            known = self._partners[book_id] = Partners(self._tools.registry, book.name)
        return known

    async def routes(self, connection: Connection, book_id: int) -> Routes:
        """Who carries out payments of a book now. Raises `BookNotFound`.

        A statement at most every two seconds (`routing.FRESH_S`), and before the book's lock is taken.
        """
        partners = await self.partners(connection, book_id)
        if not self._routed:
            return Routes(partners)
        return Routes(partners, await self._tools.routing.load(connection, book_id))

    def batch(
        self, connection: Connection, book_id: int, routes: Routes, commands: Sequence[Command]
    ) -> Batch:
        """A batch for callers that add statements of their own to its round trips."""
        return Batch(self._tools, connection, book_id, routes, commands)

    async def carry_out(
        self, connection: Connection, book_id: int, commands: Sequence[Command]
    ) -> list[Outcome]:
        """Carry out `commands` in order; one outcome each. The caller commits. Raises `BookNotFound`.

        What partners, the worker and the clock bring about is audited here; what callers ask, where they
        are known: in `PaymentDesk`.
        """
        if not commands:
            return []
        batch = self.batch(connection, book_id, await self.routes(connection, book_id), commands)
        async with connection.pipeline():
            await batch.queue()
            await batch.arrive()
        await batch.load()
        outcomes = [outcome for outcome in await batch.carry_out() if outcome is not None]
        told = records(book_id, batch.recorded_at, commands, outcomes)
        async with connection.pipeline():
            await batch.write([Statement(audit.INSERT, audit.insert_parameters(told))] if told else ())
        return outcomes

    async def apply_snapshots(
        self, connection: Connection, book_id: int, partner: str, snapshots: Sequence[Snapshot]
    ) -> list[Applied]:
        """Take in what a partner says, in order; one result each. The caller commits."""
        heard = [Heard(partner=partner, snapshot=snapshot) for snapshot in snapshots]
        return [
            Applied(
                _APPLIED[outcome.status],
                None if outcome.refusal is None else outcome.refusal.detail,
                None if outcome.payment is None else outcome.payment.id,
            )
            for outcome in await self.carry_out(connection, book_id, heard)
        ]
