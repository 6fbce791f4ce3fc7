"""Customers and their accounts, in the database."""

import json
from typing import Any

import pytest

from caudal.customers import (
    ChangeCustomerStatus,
    ChangeProduct,
    CustomerAction,
    CustomerFilter,
    CustomerId,
    CustomerNotFound,
    CustomerRow,
    CustomerStatus,
    CustomerType,
    ProductDirectory,
    account_of,
    get_customer,
    list_customers,
    queue_load,
)
from caudal.events import find as find_events
from caudal.ledger import (
    AccountId,
    AccountStatus,
    CreateTransfer,
    LimitRule,
    OpenAccount,
    OutcomeStatus,
    Side,
    TransferId,
    get_account,
    limit_of,
)
from caudal_base.database import Database
from caudal_base.errors import CaudalError
from support.customer_worlds import CustomerWorld, basic, new_customer_id, person, seconds


@pytest.fixture
async def world(shared_database: Database) -> CustomerWorld:
    return await CustomerWorld.make(shared_database, basic(currencies=("EUR", "USD"), limits=()))


def code_of(result: object) -> str:
    assert isinstance(result, CaudalError)
    return result.code


async def fund(world: CustomerWorld, customer: CustomerId, amount: int) -> None:
    bank = AccountId(f"acct_{'f' * 32}")
    async with world.database.transaction() as connection:
        outcomes = await world.ledger.apply(
            connection,
            world.book_id,
            [
                OpenAccount(id=bank, currency="EUR", normal_side=Side.DEBIT),
                CreateTransfer(
                    id=TransferId(f"tr_{customer[4:]}"),
                    debit_account=bank,
                    credit_account=account_of(customer, "EUR"),
                    amount=amount,
                    currency="EUR",
                ),
            ],
        )
    assert outcomes[1].status is OutcomeStatus.CREATED, outcomes[1]


async def test_a_customer_is_taken_on_with_an_account_in_each_currency_of_its_product(
    world: CustomerWorld,
) -> None:
    command = person(
        reference="C-17",
        name_token="tok_name_17",
        email_token="tok_email_17",
        phone_token="tok_phone_17",
        metadata={"segment": "gold"},
    )

    [customer] = await world.apply(command)

    assert customer.status is CustomerStatus.ACTIVE
    assert (customer.product, customer.product_version) == ("basic", 1)
    assert customer.accounts == {
        "EUR": account_of(command.id, "EUR"),
        "USD": account_of(command.id, "USD"),
    }
    assert customer.created_at == customer.updated_at == world.clock.now()
    async with world.database.connection() as connection:
        assert await get_customer(connection, world.book_id, command.id) == customer
        for currency, id_ in customer.accounts.items():
            account = await get_account(connection, world.book_id, id_, now=world.clock.now())
            assert (account.currency, account.normal_side, account.code) == (
                currency,
                Side.CREDIT,
                "customer",
            )
            assert account.reference == f"customer:{command.id}:{currency}"
            assert limit_of(account) == (LimitRule.DEBITS_MUST_NOT_EXCEED_CREDITS, 0)


async def test_the_same_customer_again_is_answered_with_the_first_and_does_nothing(
    world: CustomerWorld,
) -> None:
    command = person(reference="C-17")
    [first] = await world.attempt([command])
    world.clock.advance(seconds(5))
    before = await world.rows("select * from events.event where book_id = %(book_id)s")

    [again] = await world.attempt([command])

    assert not isinstance(first, CaudalError)
    assert not isinstance(again, CaudalError)
    assert (first.changed, again.changed) == (True, False)
    assert again.customer == first.customer
    assert await world.rows("select * from events.event where book_id = %(book_id)s") == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": CustomerType.BUSINESS}, "type"),
        ({"jurisdiction": "FR"}, "jurisdiction"),
        ({"reference": "C-18"}, "reference"),
        ({"name_token": "tok_other"}, "name_token"),
        ({"metadata": {"segment": "gold"}}, "metadata"),
    ],
)
async def test_an_id_that_exists_with_other_content_is_refused_with_the_field(
    world: CustomerWorld, changes: dict[str, Any], field: str
) -> None:
    command = person(reference="C-17")
    [before] = await world.apply(command)

    [refused] = await world.attempt([person(command.id, **{"reference": "C-17", **changes})])

    assert code_of(refused) == "customer_exists"
    assert isinstance(refused, CaudalError)
    assert refused.field == field
    async with world.database.connection() as connection:
        assert await get_customer(connection, world.book_id, command.id) == before


async def test_a_reference_belongs_to_one_customer_within_a_batch_and_after_it(world: CustomerWorld) -> None:
    first, second, third = (person(reference="C-17") for _ in range(3))
    results = await world.attempt([first, second])
    results += await world.attempt([third])

    assert not isinstance(results[0], CaudalError)
    assert [code_of(result) for result in results[1:]] == ["customer_reference_taken"] * 2
    assert await world.rows("select count(*) from customers.customer where book_id = %(book_id)s") == [(1,)]
    assert await world.rows("select count(*) from ledger.account where book_id = %(book_id)s") == [(2,)]


async def test_a_refused_command_does_not_fail_its_neighbours(world: CustomerWorld) -> None:
    good, late = person(), person()
    results = await world.attempt(
        [
            good,
            person(product="none"),
            person(jurisdiction="ZZ"),
            person(CustomerId("cus_17")),
            person(name_token="Ann"),
            person(reference="x" * 256),
            ChangeCustomerStatus(customer=new_customer_id(), action=CustomerAction.BLOCK),
            late,
        ]
    )

    assert [result.code if isinstance(result, CaudalError) else "done" for result in results] == [
        "done",
        "product_unknown",
        "unknown_country",
        "invalid_id",
        "invalid_token",
        "customer_invalid",
        "customer_not_found",
        "done",
    ]
    async with world.database.connection() as connection:
        found = await list_customers(connection, world.book_id, CustomerFilter())
    assert [customer.id for customer in found] == [good.id, late.id]


async def test_an_account_that_somebody_else_has_given_the_customers_reference_refuses_the_customer_whole(
    world: CustomerWorld,
) -> None:
    command = person()
    async with world.database.transaction() as connection:
        await world.ledger.apply(
            connection,
            world.book_id,
            [
                OpenAccount(
                    id=AccountId(f"acct_{'e' * 32}"),
                    currency="USD",
                    normal_side=Side.CREDIT,
                    reference=f"customer:{command.id}:USD",
                )
            ],
        )

    [refused] = await world.attempt([command])

    assert code_of(refused) == "customer_accounts_refused"
    assert isinstance(refused, CaudalError)
    assert refused.members == {"reason": "reference_taken"}
    assert await world.rows("select count(*) from customers.customer where book_id = %(book_id)s") == [(0,)]
    assert await world.rows("select count(*) from ledger.account where book_id = %(book_id)s") == [(1,)]


async def test_blocking_and_unblocking_take_turns_and_repeats_change_nothing(world: CustomerWorld) -> None:
    command = person()
    await world.apply(command)
    seen = []
    for action in ("block", "block", "unblock", "unblock"):
        world.clock.advance(seconds(1))
        [result] = await world.attempt(
            [ChangeCustomerStatus(customer=command.id, action=CustomerAction(action))]
        )
        assert not isinstance(result, CaudalError)
        seen.append((result.customer.status.value, result.changed))

    assert seen == [("blocked", True), ("blocked", False), ("active", True), ("active", False)]
    async with world.database.connection() as connection:
        account = await get_account(
            connection, world.book_id, account_of(command.id, "EUR"), now=world.clock.now()
        )
    assert account.status is AccountStatus.OPEN


async def test_closing_needs_zero_on_every_account_and_closes_all_of_them(world: CustomerWorld) -> None:
    empty, rich = person(), person()
    await world.apply(empty, rich)
    await fund(world, rich.id, 100)

    closed, refused = await world.attempt(
        [ChangeCustomerStatus(customer=c.id, action=CustomerAction.CLOSE) for c in (empty, rich)]
    )

    assert not isinstance(closed, CaudalError)
    assert closed.customer.status is CustomerStatus.CLOSED
    assert code_of(refused) == "customer_not_empty"
    statuses = await world.rows(
        """
        select a.reference, s.status
          from ledger.account a join ledger.account_state s using (book_id, account_no)
         where a.book_id = %(book_id)s and a.code = 'customer' order by a.account_no
        """
    )
    assert statuses == [
        (f"customer:{empty.id}:EUR", 3),
        (f"customer:{empty.id}:USD", 3),
        (f"customer:{rich.id}:EUR", 1),
        (f"customer:{rich.id}:USD", 1),
    ]
    async with world.database.connection() as connection:
        assert (await get_customer(connection, world.book_id, rich.id)).status is CustomerStatus.ACTIVE


async def test_a_closed_customer_stays_as_it_is(world: CustomerWorld) -> None:
    command = person()
    close = ChangeCustomerStatus(customer=command.id, action=CustomerAction.CLOSE)
    [_, closed] = await world.apply(command, close)

    results = await world.attempt(
        [
            close,
            ChangeCustomerStatus(customer=command.id, action=CustomerAction.UNBLOCK),
            ChangeCustomerStatus(customer=command.id, action=CustomerAction.BLOCK),
            ChangeProduct(customer=command.id, product="basic"),
        ]
    )

    assert not isinstance(results[0], CaudalError)
    assert results[0].changed is False
    assert [code_of(result) for result in results[1:]] == ["customer_closed"] * 3
    async with world.database.connection() as connection:
        assert await get_customer(connection, world.book_id, command.id) == closed


async def test_another_product_opens_what_accounts_are_missing_and_keeps_the_others(
    world: CustomerWorld,
) -> None:
    await world.keep(basic(name="swiss", currencies=("CHF", "EUR"), limits=()))
    command = person()
    [_, changed] = await world.apply(command, ChangeProduct(customer=command.id, product="swiss"))

    assert (changed.product, changed.product_version) == ("swiss", 1)
    assert changed.currencies == ("EUR", "USD", "CHF")
    assert list(changed.accounts.values()) == [account_of(command.id, c) for c in ("EUR", "USD", "CHF")]
    assert await world.rows(
        "select currency from ledger.account where book_id = %(book_id)s order by account_no"
    ) == [("EUR",), ("USD",), ("CHF",)]


async def test_a_product_is_changed_to_its_newest_version_or_the_one_that_is_named(
    world: CustomerWorld,
) -> None:
    command = person()
    await world.apply(command)
    await world.keep(basic(currencies=("EUR",)), basic(currencies=("EUR", "GBP"), limits=()))

    [newest] = await world.apply(ChangeProduct(customer=command.id, product="basic"))
    [named] = await world.apply(ChangeProduct(customer=command.id, product="basic", version=2))
    [missing] = await world.attempt([ChangeProduct(customer=command.id, product="basic", version=9)])

    assert (newest.product_version, named.product_version) == (3, 2)
    assert named.currencies == ("EUR", "USD", "GBP")
    assert code_of(missing) == "product_unknown"
    assert isinstance(missing, CaudalError)
    assert missing.field == "version"


async def test_payments_read_many_customers_in_one_statement_and_products_once_per_process(
    world: CustomerWorld,
) -> None:
    first, second = person(), person(jurisdiction="FR")
    await world.apply(first, second)
    await world.apply(ChangeCustomerStatus(customer=second.id, action=CustomerAction.BLOCK))
    directory = ProductDirectory()

    async with world.database.transaction() as connection:
        async with connection.pipeline():
            load = await queue_load(connection, world.book_id, [first.id, second.id, new_customer_id()])
            rows = await load.finish()
        products = await directory.load(connection, world.book_id, {("basic", 1), ("basic", 7)})

    assert rows == {
        first.id: CustomerRow(first.id, CustomerStatus.ACTIVE, "DE", "basic", 1),
        second.id: CustomerRow(second.id, CustomerStatus.BLOCKED, "FR", "basic", 1),
    }
    assert list(products) == [("basic", 1)]
    assert products["basic", 1].currencies == ("EUR", "USD")
    assert directory.get(world.book_id, "basic", 1) == products["basic", 1]
    assert directory.get(world.book_id + 1, "basic", 1) is None
    await world.rows("select 1 from customers.product where book_id = %(book_id)s")
    # A second look asks nobody: a connection that is closed would say so.
    async with world.database.connection() as closed:
        pass
    assert await directory.load(closed, world.book_id, [("basic", 1)]) == products


async def test_customers_of_another_book_are_not_there(
    world: CustomerWorld, shared_database: Database
) -> None:
    other = await CustomerWorld.make(shared_database)
    command = person(reference="C-1")
    await world.apply(command)

    async with shared_database.connection() as connection:
        with pytest.raises(CustomerNotFound):
            await get_customer(connection, other.book_id, command.id)
        assert await (await queue_load(connection, other.book_id, [command.id])).finish() == {}
    [same] = await other.apply(command)
    assert same.product == "basic"


async def test_lists_filter_and_page_by_id(world: CustomerWorld) -> None:
    await world.keep(basic(name="swiss", currencies=("CHF",), limits=()))
    commands = [
        person(reference="C-1"),
        person(jurisdiction="FR"),
        person(product="swiss"),
        person(product="swiss", jurisdiction="FR"),
    ]
    created = await world.apply(*commands)
    await world.apply(ChangeCustomerStatus(customer=commands[1].id, action=CustomerAction.BLOCK))

    async def found(after: CustomerId | None = None, limit: int = 50, **wanted: Any) -> list[int]:
        async with world.database.connection() as connection:
            page = await list_customers(
                connection, world.book_id, CustomerFilter(**wanted), after=after, limit=limit
            )
        return [[c.id for c in created].index(customer.id) for customer in page]

    assert await found() == [0, 1, 2, 3]
    assert await found(limit=2) == [0, 1]
    assert await found(after=created[1].id, limit=2) == [2, 3]
    assert await found(reference="C-1") == [0]
    assert await found(status=CustomerStatus.BLOCKED) == [1]
    assert await found(status=CustomerStatus.ACTIVE) == [0, 2, 3]
    assert await found(product="swiss") == [2, 3]
    assert await found(jurisdiction="FR", product="swiss") == [3]


async def test_every_command_leaves_an_audit_record_and_every_change_an_event(world: CustomerWorld) -> None:
    command = person(reference="C-17", name_token="tok_name_17")
    await world.attempt(
        [
            command,
            command,
            ChangeCustomerStatus(customer=command.id, action=CustomerAction.BLOCK),
            ChangeProduct(customer=command.id, product="none"),
        ]
    )

    leaves = await world.rows(
        "select leaf from audit.record where book_id = %(book_id)s and action like 'customer.%%' order by id"
    )
    records = [json.loads(leaf) for (leaf,) in leaves]
    assert [(r["action"], r["object_id"], r["result"], r.get("details", {})) for r in records] == [
        ("customer.create", command.id, "created", {"product": "basic@1"}),
        ("customer.create", command.id, "unchanged", {"product": "basic@1"}),
        ("customer.block", command.id, "blocked", {}),
        ("customer.change_product", command.id, "product_unknown", {}),
    ]
    async with world.database.connection() as connection:
        told = await find_events(connection, world.book_id, object=command.id)
    assert [event.type for event in told.events] == ["customer.created", "customer.blocked"]
    assert json.loads(bytes(told.events[0].data)) == {
        "id": command.id,
        "type": "person",
        "status": "active",
        "jurisdiction": "DE",
        "product": "basic",
        "product_version": 1,
        "accounts": {c: account_of(command.id, c) for c in ("EUR", "USD")},
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "reference": "C-17",
        "name_token": "tok_name_17",
    }
    assert json.loads(bytes(told.events[1].data))["status"] == "blocked"
