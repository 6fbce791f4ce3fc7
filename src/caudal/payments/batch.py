"""One batch of commands on one book, inside the caller's transaction.

    batch = Batch(tools, connection, book_id, routes, commands)
    async with connection.pipeline():
        await batch.queue()              # the book's lock first; then what creations need
        …                                # statements of the caller's own
        await batch.arrive()
    await batch.load()                   # what commands on existing payments need: nothing for creations
    outcomes = await batch.carry_out()
    async with connection.pipeline():
        await batch.write(also)

Two round trips for creations; three or four more where existing payments are looked up.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal import customers, events, jobs, routing
from caudal.connectors import Method, Registry
from caudal.customers import CustomerId, CustomerRow, Product, ProductDirectory
from caudal.ledger import AccountId, Decided, Ledger, Needs, OpenAccount
from caudal.ledger import Command as LedgerCommand
from caudal.ledger import OutcomeStatus as LedgerStatus
from caudal.ledger import carry_out as ledger_carry_out
from caudal.payments import accounts, figures, handling, hearing, needs, postings, store, writing
from caudal.payments.attempts import find_attempt
from caudal.payments.commands import Answered, Command, CreatePayment, Heard, Looked, Send, Settle
from caudal.payments.creation import Creation
from caudal.payments.jobs import TIMERS, AskJob, AttemptJob, SettlementsJob, TimerJob, queue_of
from caudal.payments.machine import Machine
from caudal.payments.outcomes import Outcome, OutcomeStatus
from caudal.payments.refusals import Refusal
from caudal.payments.routes import Choice, Routes
from caudal.payments.types import Case, PaymentState
from caudal.routing import Again, Cause, Directory
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.decide import ApproveAll, Decide, Pending
from caudal_base.ids import IdSource
from caudal_base.money import currencies
from caudal_base.statements import Statement

CURRENCIES: Final = currencies()


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What batches of all books work with; one for each process."""

    ledger: Ledger
    decide: Decide
    registry: Registry
    products: ProductDirectory
    routing: Directory
    new_ids: IdSource
    opened: set[tuple[int, AccountId]] = msgspec.field(default_factory=set)
    """The books' own accounts that some committed transaction has shown."""


class Batch:
    """See the module."""

    def __init__(
        self, tools: Tools, connection: Connection, book_id: int, routes: Routes,
        commands: Sequence[Command],
    ) -> None:  # fmt: skip
        """`routes` are those of the book."""
        self._tools = tools
        self._connection = connection
        self._book_id = book_id
        self._routes = routes
        self._partners = routes.partners
        self._choices: dict[int, Choice | Refusal] = {}
        self._fee_lanes: dict[str, tuple[str, str]] = {}
        self._commands = commands
        self._customers: dict[CustomerId, CustomerRow] = {}
        self._products: dict[tuple[str, int], Product] = {}
        self._before: dict[str, Case] = {}
        self._pending: Pending = ApproveAll()
        self._opening: dict[AccountId, OpenAccount] = {}
        self._accounts: set[AccountId] = set()
        self._own: set[tuple[str | None, str]] = set()
        self._posted_fees: set[str] = set()
        self._posted_settlements: set[str] = set()
        self._recorded_settlements: set[tuple[str, str]] = set()
        self._machine: Machine

    async def queue(self) -> None:
        """Send the first statements: the lock, and all that creations need."""
        connection, book_id = self._connection, self._book_id
        creations = [command for command in self._commands if isinstance(command, CreatePayment)]
        subjects = []
        for command in creations:
            choice = needs.choice_of(command, self._routes)
            if choice is not None:
                self._choices[id(command)] = choice
            partner = choice.partner if isinstance(choice, Choice) else None
            subjects.append(needs.subject_of(command, partner))
            self._accounts.add(accounts.wallet(command.customer, command.currency))
            if command.destination is not None:
                self._accounts.add(accounts.wallet(command.destination, command.currency))
            self._add_own_accounts(partner, command.currency)
        wanted = Needs(self._opening.values())
        wanted.accounts |= self._accounts
        self._load = await self._tools.ledger.begin_with(connection, book_id, wanted)
        self._head = await events.queue_head(connection, book_id)
        named = needs.customers_of(creations)
        self._rows = await customers.queue_load(connection, book_id, named) if named else None
        if subjects:
            self._pending = await self._tools.decide.begin(connection, book_id, subjects)

    async def arrive(self) -> None:
        """Read what the first statements found. Raises `BookNotFound`."""
        self._book = await self._load.finish()
        self._book.for_payments = True
        self._last_event = await self._head.finish()
        if self._rows is not None:
            self._customers |= await self._rows.finish()

    async def load(self) -> None:
        """Load the payments that the commands are about, and what the ledger has of them."""
        known = needs.known_of(self._commands)
        if known:
            found = await store.find(self._connection, self._book_id, known)
            for case in await store.load(self._connection, self._book_id, sorted(found)):
                self._before[case.payment.id] = case
        scheduled = [c for c in self._before.values() if c.payment.state is PaymentState.SCHEDULED]
        if scheduled:
            await self._load_scheduled(scheduled)
        named = {(row.product, row.product_version) for row in self._customers.values()}
        if named:
            self._products = await self._tools.products.load(self._connection, self._book_id, named)
        fees = list(needs.fees_in(self._commands, self._before))
        settlements = needs.settlements_in(self._commands)
        arrived = needs.arrived_in(self._commands)
        if arrived:
            self._recorded_settlements = await store.recorded_settlements(
                self._connection, self._book_id, arrived
            )
        if self._before or fees or settlements:
            transfers = {postings.fee_transfer(partner, fee, None): fee.partner_id for partner, fee in fees}
            paid = {postings.settlement_transfer(partner, s): s.partner_id for partner, s in settlements}
            for partner, fee in fees:
                self._add_own_accounts(partner, fee.currency)
            for partner, settlement in settlements:
                self._add_own_accounts(partner, settlement.currency)
            for case in needs.cases_to_retry(self._commands, self._before):
                for partner in self._routes.alternatives(case.payment):
                    self._add_own_accounts(partner, case.payment.currency)
            if settlements:
                told = needs.settlement_attempts(self._commands)
                self._fee_lanes = await store.lanes_of(self._connection, self._book_id, told)
            await self._widen([*transfers, *paid])
            there = self._book.transfers
            self._posted_fees = {name for transfer, name in transfers.items() if transfer.id in there}
            self._posted_settlements = {name for transfer, name in paid.items() if transfer.id in there}

    async def carry_out(self, chosen: Iterable[bool] | None = None) -> list[Outcome | None]:
        """One outcome for each command, in order; None for those that are not `chosen`."""
        tools = self._tools
        await tools.ledger.open_batch(self._connection, self._book_id, self._book, self._accounts)
        await self._pending.ready(self._book.recorded_at)
        self._machine = machine = Machine(
            now=self._book.recorded_at, cases=self._before.values(), post=self._post, new_ids=tools.new_ids,
            supported=self._partners.supported, lifetimes=self._partners.lifetimes,
            posted_fees=self._posted_fees, posted_settlements=self._posted_settlements,
            recorded_settlements=self._recorded_settlements,
            retry=self._retry, fee_lanes=self._fee_lanes,
        )  # fmt: skip
        self._open_accounts()
        creation = Creation(
            machine, customers=self._customers, products=self._products,
            choose_partner=self._chosen, decide=self._pending,
        )  # fmt: skip
        works = [True] * len(self._commands) if chosen is None else list(chosen)
        return [
            self._one(machine, creation, command) if work else None
            for command, work in zip(self._commands, works, strict=True)
        ]

    async def write(self, also: Sequence[Statement] = ()) -> AsyncCursor[TupleRow] | None:
        """Queue all that is to be written, and `also`, of whose last statement the cursor is."""
        decided = Decided(self._book_id, self._book, [], copied=False)
        return await self._tools.ledger.write(self._connection, decided, [*self._statements(), *also])

    @property
    def recorded_at(self) -> dt.datetime:
        """The batch's time."""
        return self._book.recorded_at

    def _statements(self) -> list[Statement]:
        now, book_id, changes = self._book.recorded_at, self._book_id, self._machine.changes
        found = writing.statements(book_id, self._before, self._machine.cases, changes.settled, now)
        told = [
            events.NewEvent(type=type_, object_type=object_type, object_id=object_id, at=now, data=data)
            for type_, object_type, object_id, data in changes.events
        ]
        found += events.statements(book_id, self._last_event, told, self._tools.new_ids)
        new_jobs = self._new_jobs(now)
        if new_jobs:
            found.append(Statement(jobs.ENQUEUE, jobs.enqueue_parameters(new_jobs, now=now)))
        found += self._pending.writes()
        if changes.unmoved:
            found += self._tools.decide.given_back(book_id, changes.unmoved)
        return [*found, *self._for_routing(now)]

    def _for_routing(self, now: dt.datetime) -> list[Statement]:
        """The figures of what has ended, and partners' health; this process goes by the latter at once."""
        changes, standing = self._machine.changes, self._routes.standing
        ended = figures.attempted(self._before, self._machine.cases)
        down, up = figures.health(changes, standing.outages, now)
        if down or up:
            self._tools.routing.notice(self._book_id, down, up)
        return routing.writes(self._book_id, now, ended=ended, costs=changes.costs, down=down, up=up)

    def _chosen(self, command: CreatePayment, method: Method) -> Choice | Refusal:
        """Who was chosen as the batch began: what he needs is loaded."""
        known = self._choices.get(id(command))
        return self._routes.choose(command, method) if known is None else known

    def _retry(self, case: Case, cause: Cause, code: str, wait: dt.timedelta | None) -> Again | None:
        return self._routes.again(case, cause, code, wait, self._book.recorded_at)

    def _new_jobs(self, now: dt.datetime) -> list[jobs.NewJob]:
        changes = self._machine.changes

        def job(payload: AttemptJob | AskJob | TimerJob | SettlementsJob, queue: str, at: dt.datetime
                ) -> jobs.NewJob:  # fmt: skip
            return jobs.NewJob(
                book_id=self._book_id, id=self._tools.new_ids.new(), kind=payload.KIND, payload=payload,
                run_at=at, queue=queue,
            )  # fmt: skip

        found = [job(AttemptJob(attempt=a), queue_of(by), at) for a, by, at in changes.attempt_jobs]
        found += [job(AskJob(payment=p), queue_of(partner), now) for p, partner in changes.asks]
        found += [job(TimerJob(payment=p), TIMERS, when) for p, when in changes.timers]
        found += [job(SettlementsJob(partner=p), queue_of(p), now) for p in sorted(changes.settlements)]
        return found

    def _one(self, machine: Machine, creation: Creation, command: Command) -> Outcome:
        match command:
            case CreatePayment():
                return creation.create(command)
            case Send():
                return handling.send(machine, command)
            case Answered():
                return hearing.answered(machine, command)
            case Looked():
                found = find_attempt(machine, command.attempt_id)
                capabilities = None if found is None else self._partners.capabilities(found[1].partner)
                if capabilities is None:
                    return Outcome(OutcomeStatus.WAITING)
                return hearing.looked(machine, command, capabilities)
            case Heard():
                return hearing.heard(machine, command)
            case Settle():
                return hearing.settled(machine, command)
            case _:
                return handling.on_payment(machine, creation, command)

    def _post(self, commands: Sequence[LedgerCommand]) -> Refusal | None:
        """Have the ledger carry out one linked group. The refusal is that of the member that failed."""
        outcomes = ledger_carry_out(self._book, commands)
        refusals = [outcome.refusal for outcome in outcomes if outcome.refusal is not None]
        if not refusals:
            return None
        reason = next((r for r in refusals if r.code != "linked_failed"), refusals[0])
        return Refusal(reason.code, reason.detail)

    def _open_accounts(self) -> None:
        opening = list(self._opening.values())
        outcomes = ledger_carry_out(self._book, opening)
        for command, outcome in zip(opening, outcomes, strict=True):
            check(outcome.refusal is None, f"the account {command.reference} of payments cannot be opened")
            if outcome.status is LedgerStatus.EXISTS:
                self._tools.opened.add((self._book_id, command.id))

    def _add_own_accounts(self, partner: str | None, currency: str) -> None:
        """The book's own accounts of a partner and a currency are at hand, and opened if need be."""
        if (partner, currency) in self._own or currency not in CURRENCIES:
            return  # Whoever names a currency that is none is refused by himself, not with the whole batch.
        self._own.add((partner, currency))
        for command in accounts.opening(partner, currency):
            self._accounts.add(command.id)
            if (self._book_id, command.id) not in self._tools.opened:
                self._opening[command.id] = command

    async def _load_scheduled(self, scheduled: Sequence[Case]) -> None:
        """What executing them needs: their customers, and what decides."""
        connection, book_id = self._connection, self._book_id
        subjects = [needs.subject_of_case(case) for case in scheduled]
        async with connection.pipeline():
            rows = await customers.queue_load(connection, book_id, needs.customers_of_cases(scheduled))
            self._pending = await self._tools.decide.begin(connection, book_id, subjects)
            self._customers |= await rows.finish()

    async def _widen(self, transfers: Sequence[Any]) -> None:
        referenced: list[str] = []
        currencies = set()
        for case in self._before.values():
            payment = case.payment
            self._accounts.add(accounts.wallet(payment.customer, payment.currency))
            if payment.destination is not None:
                self._accounts.add(accounts.wallet(payment.destination, payment.currency))
            self._add_own_accounts(payment.partner, payment.currency)
            referenced += [hold for hold in (payment.hold_id, payment.fee_hold_id) if hold is not None]
            referenced += [refund.hold_id for refund in case.refunds if refund.hold_id is not None]
            currencies.add(payment.currency)
        wanted = Needs([*self._opening.values(), *transfers])
        wanted.accounts |= self._accounts
        wanted.referenced_ids += referenced
        wanted.add_suspense(currencies)
        await self._tools.ledger.widen(self._connection, self._book_id, self._book, wanted)
