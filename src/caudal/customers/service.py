"""What other rooms do with customers. Nothing here opens or commits a transaction.

    async with database.transaction() as connection:
        [changed] = await customers.apply(connection, book_id, [CreateCustomer(…)], caller=caller)

Every command leaves an audit record, refusals included; what it changed is told as an event.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from caudal import audit, events
from caudal.access import Caller
from caudal.customers import product_store, rules, store
from caudal.customers.errors import CustomerNotFound
from caudal.customers.rules import Plan, State
from caudal.customers.types import (
    ChangeCustomerStatus,
    Changed,
    ChangeProduct,
    CreateCustomer,
    Customer,
    CustomerCommand,
    CustomerFilter,
    CustomerId,
)
from caudal.customers.views import customer_view
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.clock import Clock
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest
from caudal_base.ids import IdSource

MAX_PAGE: Final = 1_000


class Customers:
    """The customers of one deployment. Holds no connection, and no state."""

    def __init__(self, ledger: Ledger, clock: Clock, new_ids: IdSource) -> None:
        """`clock` is read under the book's lock; `new_ids` makes the ids of events."""
        self._ledger = ledger
        self._clock = clock
        self._new_ids = new_ids

    async def apply(
        self, connection: Connection, book_id: int, commands: Sequence[CustomerCommand], *, caller: Caller
    ) -> list[Changed | CaudalError]:
        """Carry out `commands` in order, under the book's lock; one result each. The caller commits.

        Results beside `Changed`: `InvalidId`, `UnknownCountry`, `InvalidToken`, `PersonalDataRefused`,
        `CustomerInvalid`, `CustomerExists`, `CustomerReferenceTaken`, `CustomerNotFound`, `CustomerClosed`,
        `CustomerNotEmpty`, `CustomerAccountsRefused`, `ProductUnknown`. Raises `BookNotFound`.

        A new customer's id that exists is answered with the customer, if it was created with the same content
        (its product aside, which may have been changed).
        """
        results: list[Changed | CaudalError] = []
        records: list[audit.Record] = []
        for lot in rules.lots(commands):
            plans, at = await self._apply_lot(connection, book_id, lot)
            results += [Changed(p.after, p.event is not None) if isinstance(p, Plan) else p for p in plans]
            records += [_record(book_id, c, p, caller, at) for c, p in zip(lot, plans, strict=True)]
        await audit.append(connection, records)
        return results

    async def _apply_lot(
        self, connection: Connection, book_id: int, lot: Sequence[CustomerCommand]
    ) -> tuple[list[Plan | CaudalError], dt.datetime]:
        refusals = [_malformed(command) for command in lot]
        well = [command for command, refusal in zip(lot, refusals, strict=True) if refusal is None]
        state, at = await self._load(connection, book_id, well)
        plans = [
            _planned(state, command, at) if refusal is None else refusal
            for command, refusal in zip(lot, refusals, strict=True)
        ]
        plans = await self._change_accounts(connection, book_id, plans)
        async with connection.pipeline():
            await _write(connection, book_id, state, plans)
        await events.append(connection, book_id, _told(plans, at), self._new_ids)
        return plans, at

    async def _load(
        self, connection: Connection, book_id: int, commands: Sequence[CustomerCommand]
    ) -> tuple[State, dt.datetime]:
        """Lock the book and read what `commands` refer to; also the time of the lot."""
        creating = [command for command in commands if isinstance(command, CreateCustomer)]
        changing = [command for command in commands if isinstance(command, ChangeProduct)]
        newest = {c.product for c in creating} | {c.product for c in changing if c.version is None}
        versions = [(c.product, c.version) for c in changing if c.version is not None]
        references = [c.reference for c in creating if c.reference is not None]
        async with connection.pipeline():
            load = await self._ledger.begin(connection, book_id, ())
            # Behind the lock: each statement sees all that the last writer of the book has committed.
            customers = await store.queue_known(
                connection, book_id, [rules.customer_of(command) for command in commands], references
            )
            named = await product_store.queue_newest(connection, book_id, sorted(newest))
            versioned = await product_store.queue_versions(connection, book_id, versions)
            book = await load.finish()
            state = State.of(
                await store.customers_of(customers),
                await product_store.products_of(named),
                await product_store.products_of(versioned),
            )
        return state, max(self._clock.now(), book.recorded_at)

    async def _change_accounts(
        self, connection: Connection, book_id: int, plans: Sequence[Plan | CaudalError]
    ) -> list[Plan | CaudalError]:
        """Let the ledger do its part of each plan; where it refuses, the refusal is in the plan's place."""
        commands = [command for plan in plans if isinstance(plan, Plan) for command in plan.accounts]
        if not commands:
            return list(plans)
        outcomes = iter(await self._ledger.apply(connection, book_id, commands))
        return [
            rules.refusal_of([next(outcomes) for _ in plan.accounts]) or plan
            if isinstance(plan, Plan)
            else plan
            for plan in plans
        ]


async def get_customer(connection: Connection, book_id: int, customer: CustomerId) -> Customer:
    """The customer with this id. Raises `InvalidId`, `CustomerNotFound`."""
    ids.decode(ids.CUSTOMER, customer)
    found = await store.customers_of(await store.queue_known(connection, book_id, [customer], []))
    if not found:
        raise CustomerNotFound("no customer of the book has this id")
    return found[0]


async def list_customers(
    connection: Connection,
    book_id: int,
    wanted: CustomerFilter,
    *,
    after: CustomerId | None = None,
    limit: int = 50,
) -> list[Customer]:
    """The customers that `wanted` wants, by id: the first `limit` behind `after`.

    `InvalidRequest` for a limit outside 1 to 1,000, `InvalidId` for an `after` that is no id.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"a page has 1 to {MAX_PAGE} customers", field="limit")
    return await store.find(connection, book_id, wanted, after=after, limit=limit)


def _malformed(command: CustomerCommand) -> CaudalError | None:
    try:
        rules.refuse_malformed(command)
    except CaudalError as refusal:
        return refusal
    return None


def _planned(state: State, command: CustomerCommand, at: dt.datetime) -> Plan | CaudalError:
    try:
        return rules.plan(state, command, at)
    except CaudalError as refusal:
        return refusal


async def _write(
    connection: Connection, book_id: int, state: State, plans: Sequence[Plan | CaudalError]
) -> None:
    changed = [plan.after for plan in plans if isinstance(plan, Plan) and plan.event is not None]
    created = [customer for customer in changed if customer.id not in state.customers]
    updated = [customer for customer in changed if customer.id in state.customers]
    if created:
        await store.insert(connection, book_id, created)
    if updated:
        await store.update(connection, book_id, updated)


def _told(plans: Sequence[Plan | CaudalError], at: dt.datetime) -> list[events.NewEvent]:
    return [
        events.NewEvent(
            type=plan.event,
            object_type="customer",
            object_id=plan.after.id,
            at=at,
            data=customer_view(plan.after),
        )
        for plan in plans
        if isinstance(plan, Plan) and plan.event is not None
    ]


def _record(
    book_id: int, command: CustomerCommand, plan: Plan | CaudalError, caller: Caller, at: dt.datetime
) -> audit.Record:
    customer = rules.customer_of(command)
    details: audit.Details = {}
    if isinstance(plan, Plan):
        result = "unchanged" if plan.event is None else plan.event.partition(".")[2]
        if not isinstance(command, ChangeCustomerStatus):
            details = {"product": f"{plan.after.product}@{plan.after.product_version}"}
    else:
        result = plan.code
    return audit.Record(
        book_id=book_id,
        at=at,
        principal=caller.principal.actor,
        action=rules.action_of(command),
        # What is no id may be anything, also what must not be kept.
        object_id="customer" if isinstance(plan, ids.InvalidId) else customer,
        request_id=caller.request_id,
        result=result,
        details=details,
        origin=caller.origin,
    )
