"""Templates: refused where they can never work, and entries from them conserve every amount."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caudal.ledger import (
    AccountId,
    Ledger,
    OpenAccount,
    OutcomeStatus,
    RecordTransaction,
    Side,
    TransactionId,
    templates,
)
from caudal.ledger.books import BookMode, create_book
from caudal.ledger.errors import BookNotFound, TemplateInvalid, TemplateNotFound
from caudal.ledger.templates import Argument, Definition, NewTemplate, Template
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.errors import InvalidRequest
from caudal_base.money import MAX_AMOUNT, Money

AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ENTRY = TransactionId("txn_" + "1" * 32)
BUYER, SELLER, HOUSE, PARTNER = (AccountId(f"acct_{digit * 32}") for digit in "abcd")

SALE: dict[str, Any] = {
    "parameters": {
        "price": {"type": "amount"},
        "buyer": {"type": "account"},
        "seller": {"type": "account"},
        "order": {"type": "text"},
    },
    "amounts": {
        "percentage": {"kind": "percent", "of": "price", "percent": "2.9"},
        "flat": {"kind": "fixed", "amount": 30, "currency": "EUR"},
        "fee": {"kind": "sum", "of": ["percentage", "flat"]},
    },
    "legs": [
        {"account": "buyer", "side": "debit", "amount": {"kind": "whole", "of": "price"}},
        {"account": HOUSE, "side": "credit", "amount": {"kind": "weight", "of": "fee", "weight": 2}},
        {"account": PARTNER, "side": "credit", "amount": {"kind": "weight", "of": "fee", "weight": 1}},
        {"account": "seller", "side": "credit", "amount": {"kind": "remainder", "currency_of": "price"}},
    ],
    "code": "sale",
    "reference": "order {order}",
    "metadata": {"order": "{order}"},
}


def template(document: Mapping[str, Any]) -> Template:
    definition = msgspec.convert(document, Definition)
    templates.refuse_invalid("sale", definition)
    return Template(name="sale", version=3, definition=definition, created_at=AT)


def arguments(**changed: Argument) -> dict[str, Argument]:
    usual: dict[str, Argument] = {
        "price": Money(10_005, "EUR"),
        "buyer": BUYER,
        "seller": SELLER,
        "order": "A-17",
    }
    return usual | changed


def expand(document: Mapping[str, Any], given_arguments: Mapping[str, Argument]) -> RecordTransaction:
    return templates.expand(template(document), given_arguments, transaction_id=ENTRY)


def amounts(entry: RecordTransaction) -> list[tuple[str, str, int]]:
    return [(posting.account, posting.side.value, posting.amount) for posting in entry.postings]


def leg(account: str, side: str, kind: str, **rest: Any) -> dict[str, Any]:
    return {"account": account, "side": side, "amount": {"kind": kind, **rest}}


def split(*credits: dict[str, Any], debit: dict[str, Any] | None = None) -> dict[str, Any]:
    """A template that divides `price` of `buyer`."""
    return {
        "parameters": {"price": {"type": "amount"}, "buyer": {"type": "account"}},
        "legs": [debit or leg("buyer", "debit", "whole", of="price"), *credits],
    }


PRICE_OF_BUYER: dict[str, Argument] = {"price": Money(1_000, "EUR"), "buyer": BUYER}


class TestExpansion:
    def test_fees_are_split_by_weight_and_the_seller_gets_the_remainder(self) -> None:
        entry = expand(SALE, arguments())

        # 2.9 % of 10,005 is 290.145; with 30 flat 320, in parts of 213 and 107.
        assert amounts(entry) == [
            (BUYER, "debit", 10_005),
            (HOUSE, "credit", 213),
            (PARTNER, "credit", 107),
            (SELLER, "credit", 9_685),
        ]

    def test_texts_fill_the_code_the_reference_and_metadata_and_the_entry_names_its_template(self) -> None:
        moment = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
        entry = templates.expand(template(SALE), arguments(), transaction_id=ENTRY, effective_at=moment)

        assert (entry.id, entry.effective_at) == (ENTRY, moment)
        assert (entry.code, entry.reference) == ("sale", "order A-17")
        assert entry.metadata == {"order": "A-17"}
        assert entry.template == "sale@3"

    def test_the_same_arguments_make_the_same_entry(self) -> None:
        assert expand(SALE, arguments()) == expand(SALE, arguments())

    def test_percentages_of_one_amount_are_rounded_together(self) -> None:
        third = {"of": "price", "percent": "33.333333"}
        entry = expand(
            split(
                leg(SELLER, "credit", "percent", **third),
                leg(HOUSE, "credit", "percent", **third),
                leg(PARTNER, "credit", "percent", of="price", percent="33.333334"),
            ),
            PRICE_OF_BUYER,
        )

        # Each exact share is 333.33…; the cent that is missing goes to the greatest fraction.
        assert [amount for _, _, amount in amounts(entry)] == [1_000, 333, 333, 334]

    def test_weights_divide_what_percentages_leave(self) -> None:
        entry = expand(
            split(
                leg(HOUSE, "credit", "percent", of="price", percent="10"),
                leg(SELLER, "credit", "weight", of="price", weight=2),
                leg(PARTNER, "credit", "weight", of="price", weight=1),
            ),
            PRICE_OF_BUYER,
        )

        assert [amount for _, _, amount in amounts(entry)] == [1_000, 100, 600, 300]

    def test_a_leg_of_zero_is_left_out(self) -> None:
        entry = expand(
            split(
                leg(HOUSE, "credit", "percent", of="price", percent="0.01"),
                leg(SELLER, "credit", "remainder", currency_of="price"),
            ),
            PRICE_OF_BUYER,
        )

        assert amounts(entry) == [(BUYER, "debit", 1_000), (SELLER, "credit", 1_000)]

    def test_every_currency_has_a_remainder_of_its_own(self) -> None:
        document = {
            "parameters": {
                "sold": {"type": "amount", "currency": "USD"},
                "bought": {"type": "amount", "currency": "EUR"},
            },
            "legs": [
                leg(BUYER, "debit", "whole", of="sold"),
                leg(HOUSE, "credit", "remainder", currency_of="sold"),
                leg(PARTNER, "debit", "remainder", currency_of="bought"),
                leg(SELLER, "credit", "whole", of="bought"),
            ],
        }

        entry = expand(document, {"sold": Money(1_100, "USD"), "bought": Money(1_000, "EUR")})

        assert [(p.amount, p.currency) for p in entry.postings] == [
            (1_100, "USD"),
            (1_100, "USD"),
            (1_000, "EUR"),
            (1_000, "EUR"),
        ]

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"price": None}, "parameters.price"),
            ({"tip": Money(1, "EUR")}, "parameters.tip"),
            ({"price": BUYER}, "parameters.price"),
            ({"price": Money(-1, "EUR")}, "parameters.price.amount"),
            ({"price": Money(5, "USD")}, "parameters.price.currency"),
            ({"buyer": Money(1, "EUR")}, "parameters.buyer"),
            ({"buyer": "acct_17"}, "parameters.buyer"),
            ({"order": ""}, "parameters.order"),
            ({"order": "a\0b"}, "parameters.order"),
            ({"order": "x" * 501}, "parameters.order"),
            ({"order": "x" * 495}, "reference"),
            ({"price": Money(20, "EUR")}, "legs[3].amount"),
        ],
    )
    def test_arguments_that_do_not_fit_are_refused_by_name(
        self, changed: dict[str, Argument | None], field: str
    ) -> None:
        fixed_currency = SALE | {
            "parameters": SALE["parameters"] | {"price": {"type": "amount", "currency": "EUR"}}
        }
        unfit = {name: value for name, value in (arguments() | changed).items() if value is not None}

        with pytest.raises(TemplateInvalid) as refusal:
            expand(fixed_currency, unfit)

        assert refusal.value.field == field

    def test_amounts_that_all_round_to_zero_are_refused(self) -> None:
        with pytest.raises(TemplateInvalid) as refusal:
            expand(
                split(leg(SELLER, "credit", "whole", of="price")),
                PRICE_OF_BUYER | {"price": Money(0, "EUR")},
            )
        assert refusal.value.field == "parameters"

    def test_sides_that_rounding_has_parted_are_refused(self) -> None:
        half = {"kind": "percent", "of": "price", "percent": "50"}
        halves = {
            "parameters": {"price": {"type": "amount"}},
            "amounts": {"one": half, "other": half},
            "legs": [
                leg(BUYER, "debit", "whole", of="one"),
                leg(HOUSE, "debit", "whole", of="other"),
                leg(SELLER, "credit", "whole", of="price"),
            ],
        }

        assert amounts(expand(halves, {"price": Money(10, "EUR")}))[0] == (BUYER, "debit", 5)
        with pytest.raises(TemplateInvalid) as refusal:
            expand(halves, {"price": Money(11, "EUR")})
        assert refusal.value.field == "legs"

    def test_two_remainders_that_meet_in_one_currency_are_refused(self) -> None:
        document = {
            "parameters": {"one": {"type": "amount"}, "two": {"type": "amount"}},
            "legs": [
                leg(BUYER, "debit", "whole", of="one"),
                leg(SELLER, "credit", "remainder", currency_of="one"),
                leg(HOUSE, "debit", "whole", of="two"),
                leg(PARTNER, "credit", "remainder", currency_of="two"),
            ],
        }

        assert len(expand(document, {"one": Money(5, "EUR"), "two": Money(6, "USD")}).postings) == 4
        with pytest.raises(TemplateInvalid) as refusal:
            expand(document, {"one": Money(5, "EUR"), "two": Money(6, "EUR")})
        assert refusal.value.field == "legs[3].amount"


percentages = st.integers(1, 99_999_999).map(lambda n: f"{n // 1_000_000}.{n % 1_000_000:06d}")


@st.composite
def divisions(draw: st.DrawFn) -> dict[str, Any]:
    """Credits that take some percentages of `price`, and the rest by weight or as a remainder."""
    credits, left = [], 100_000_000
    for _ in range(draw(st.integers(0, 5))):
        if left <= 1:
            break
        part = draw(st.integers(1, left - 1))
        left -= part
        percent = f"{part // 1_000_000}.{part % 1_000_000:06d}"
        credits.append(leg(SELLER, "credit", "percent", of="price", percent=percent))
    if draw(st.booleans()):
        credits.append(leg(HOUSE, "credit", "remainder", currency_of="price"))
    else:
        weights = draw(st.lists(st.integers(1, 1_000_000_000), min_size=1, max_size=5))
        credits += [leg(HOUSE, "credit", "weight", of="price", weight=weight) for weight in weights]
    return split(*draw(st.permutations(credits)))


class TestConservation:
    @given(divisions(), st.integers(1, MAX_AMOUNT), st.sampled_from(["EUR", "JPY", "KWD"]))
    def test_what_is_divided_is_conserved(self, document: dict[str, Any], amount: int, currency: str) -> None:
        entry = expand(document, {"price": Money(amount, currency), "buyer": BUYER})

        sides: Counter[Side] = Counter()
        for posting in entry.postings:
            assert posting.amount > 0
            assert posting.currency == currency
            sides[posting.side] += posting.amount
        assert sides[Side.DEBIT] == sides[Side.CREDIT] == amount

    @given(st.lists(percentages, min_size=1, max_size=3), st.integers(1, 10**12))
    def test_a_percentage_is_within_a_minor_unit_of_its_exact_value(
        self, percents: list[str], amount: int
    ) -> None:
        millionths = [int(percent.replace(".", "")) for percent in percents]
        if sum(millionths) > 100_000_000:
            return
        accounts = [SELLER, HOUSE, PARTNER]
        document = split(
            *(
                leg(account, "credit", "percent", of="price", percent=percent)
                for account, percent in zip(accounts, percents, strict=False)
            ),
            leg(AccountId("acct_" + "e" * 32), "credit", "remainder", currency_of="price"),
        )

        taken = {
            p.account: p.amount
            for p in expand(document, PRICE_OF_BUYER | {"price": Money(amount, "EUR")}).postings
        }

        for account, part in zip(accounts, millionths, strict=False):
            assert abs(taken.get(account, 0) * 100_000_000 - amount * part) < 100_000_000


def changed(path: str, value: Any) -> dict[str, Any]:
    """`SALE` with one thing changed; None removes it."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(SALE))
    *parents, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    place: Any = document
    for step in parents:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


class TestRefusedDefinitions:
    @pytest.mark.parametrize(
        ("document", "field"),
        [
            (changed("parameters/acct_x", {"type": "account"}), "parameters.acct_x"),
            (changed("parameters/Price", {"type": "amount"}), "parameters.Price"),
            (changed("parameters/spare", {"type": "amount"}), "parameters.spare"),
            (changed("parameters/buyer/currency", "EUR"), "parameters.buyer.currency"),
            (changed("parameters/price/currency", "XXL"), "parameters.price.currency"),
            (changed("parameters/price/currency", "USD"), "amounts.fee.of"),
            (changed("amounts/price", {"kind": "sum", "of": ["flat"]}), "amounts.price"),
            (changed("amounts/spare", {"kind": "sum", "of": ["flat"]}), "amounts.spare"),
            (changed("amounts/flat/amount", 0), "amounts.flat.amount"),
            (changed("amounts/flat/amount", MAX_AMOUNT + 1), "amounts.flat.amount"),
            (changed("amounts/flat/currency", "EURO"), "amounts.flat.currency"),
            (changed("amounts/percentage/percent", "100.000001"), "amounts.percentage.percent"),
            (changed("amounts/percentage/percent", "0"), "amounts.percentage.percent"),
            (changed("amounts/percentage/percent", "-2"), "amounts.percentage.percent"),
            (changed("amounts/percentage/percent", "2,9"), "amounts.percentage.percent"),
            (changed("amounts/percentage/percent", "1e1"), "amounts.percentage.percent"),
            (changed("amounts/percentage/of", "fee"), "amounts.percentage"),
            (changed("amounts/percentage/of", "buyer"), "amounts.percentage.of"),
            (changed("amounts/fee/of", []), "amounts.fee.of"),
            (changed("amounts/fee/of", ["percentage", "flat", "tax"]), "amounts.fee.of[2]"),
            (changed("legs/0/account", "payer"), "legs[0].account"),
            (changed("legs/0/account", "order"), "legs[0].account"),
            (changed("legs/1/account", "acct_17"), "legs[1].account"),
            (changed("legs/0/amount/of", "total"), "legs[0].amount.of"),
            (changed("legs/0/amount/of", "seller"), "legs[0].amount.of"),
            (changed("legs/1/amount/weight", 0), "legs[1].amount.weight"),
            (changed("legs/1/amount", {"kind": "whole", "of": "fee"}), "legs[2].amount"),
            (changed("legs/2/amount", {"kind": "remainder", "currency_of": "price"}), "legs[3].amount"),
            (changed("legs/3/amount/currency_of", "order"), "legs[3].amount.currency_of"),
            (changed("legs/0/side", "credit"), "legs"),
            (changed("legs", []), "legs"),
            (changed("legs", SALE["legs"] * 26), "legs"),
            (changed("reference", "order {number}"), "reference"),
            (changed("metadata/payer", "{buyer}"), "metadata.payer"),
            (changed("metadata/" + "k" * 41, "x"), "metadata"),
            (changed("code", ""), "code"),
            (
                split(
                    leg(SELLER, "credit", "percent", of="price", percent="60"),
                    leg(HOUSE, "credit", "percent", of="price", percent="40.000001"),
                ),
                "legs[2].amount",
            ),
            (split(leg(SELLER, "credit", "percent", of="price", percent="99.999999")), "legs"),
            (split(leg(SELLER, "credit", "fixed", amount=5, currency="EUR")), "legs"),
        ],
    )
    def test_the_field_at_fault_is_named(self, document: dict[str, Any], field: str) -> None:
        with pytest.raises(TemplateInvalid) as refusal:
            template(document)

        assert refusal.value.field == f"definition.{field}"

    @pytest.mark.parametrize("name", ["", "Sale", "1sale", "sale@2", "s" * 64])
    def test_a_name_is_short_and_plain(self, name: str) -> None:
        with pytest.raises(TemplateInvalid) as refusal:
            templates.refuse_invalid(name, msgspec.convert(SALE, Definition))
        assert refusal.value.field == "name"

    def test_a_definition_of_sums_of_sums_is_judged_at_once(self) -> None:
        doubled = {f"a{n}": {"kind": "sum", "of": [f"a{n - 1}"] * 2} for n in range(1, 50)}
        document = split(
            leg(SELLER, "credit", "whole", of="a49"), debit=leg("buyer", "debit", "whole", of="a49")
        )
        document["amounts"] = {"a0": {"kind": "sum", "of": ["price"]}} | doubled

        assert expand(document, PRICE_OF_BUYER).postings[0].amount == 1_000 * 2**49


@pytest.fixture
async def book_id(database: Database) -> int:
    async with database.transaction() as connection:
        book = await create_book(connection, id=UUID(int=7), name="shop", mode=BookMode.TEST, now=AT)
    return book.book_id


def new(document: Mapping[str, Any], name: str = "sale") -> NewTemplate:
    return NewTemplate(name=name, definition=msgspec.convert(document, Definition))


OTHER = SALE | {"code": "other"}


class TestKeeping:
    async def test_the_same_definition_answers_its_version_and_another_makes_the_next(
        self, database: Database, book_id: int
    ) -> None:
        async def keep(document: Mapping[str, Any]) -> tuple[OutcomeStatus, int]:
            async with database.transaction() as connection:
                (kept,) = await templates.create(connection, book_id, [new(document)], at=AT)
            assert kept.template.definition == msgspec.convert(document, Definition)
            return kept.status, kept.template.version

        assert await keep(SALE) == (OutcomeStatus.CREATED, 1)
        assert await keep(SALE) == (OutcomeStatus.EXISTS, 1)
        assert await keep(OTHER) == (OutcomeStatus.CREATED, 2)
        assert await keep(SALE) == (OutcomeStatus.EXISTS, 1)

    async def test_a_batch_has_one_result_each_in_order(self, database: Database, book_id: int) -> None:
        batch = [new(OTHER, "b"), new(SALE, "a"), new(SALE, "b"), new(OTHER, "b")]
        async with database.transaction() as connection:
            kept = await templates.create(connection, book_id, batch, at=AT)

        assert [(k.status.value, k.template.name, k.template.version) for k in kept] == [
            ("created", "b", 1),
            ("created", "a", 1),
            ("created", "b", 2),
            ("exists", "b", 1),
        ]

    async def test_of_a_batch_with_an_invalid_one_none_is_kept(
        self, database: Database, book_id: int
    ) -> None:
        async with database.transaction() as connection:
            with pytest.raises(TemplateInvalid) as refusal:
                await templates.create(
                    connection, book_id, [new(SALE), new(changed("legs/0/account", "payer"))], at=AT
                )
            assert await templates.find(connection, book_id) == []

        assert refusal.value.field == "templates[1].definition.legs[0].account"

    async def test_two_at_once_get_versions_of_their_own(self, database: Database, book_id: int) -> None:
        async with database.transaction() as first:
            await templates.create(first, book_id, [new(SALE)], at=AT)

            async def second() -> list[templates.KeptTemplate]:
                async with database.transaction() as connection:
                    return await templates.create(connection, book_id, [new(OTHER), new(SALE)], at=AT)

            task = asyncio.create_task(second())
            await _until_somebody_waits(database)
        kept = await task

        assert [(k.status.value, k.template.version) for k in kept] == [("created", 2), ("exists", 1)]

    async def test_a_template_is_found_by_name_and_version_in_its_own_book(
        self, database: Database, book_id: int
    ) -> None:
        async with database.transaction() as connection:
            await templates.create(connection, book_id, [new(SALE), new(OTHER), new(SALE, "refund")], at=AT)

            assert (await templates.get(connection, book_id, "sale")).version == 2
            assert (await templates.get(connection, book_id, "sale", 1)).definition.code == "sale"
            for book, name, version in (
                (book_id, "sale", 3),
                (book_id, "gift", None),
                (book_id + 1, "sale", None),
            ):
                with pytest.raises(TemplateNotFound):
                    await templates.get(connection, book, name, version)

    async def test_a_template_needs_a_book(self, database: Database, book_id: int) -> None:
        async with database.transaction() as connection:
            with pytest.raises(BookNotFound):
                await templates.create(connection, book_id + 1, [new(SALE)], at=AT)

    async def test_lists_page_by_name_and_version(self, database: Database, book_id: int) -> None:
        async with database.transaction() as connection:
            await templates.create(connection, book_id, [new(SALE), new(OTHER), new(SALE, "refund")], at=AT)
            first = await templates.find(connection, book_id, limit=2)
            rest = await templates.find(connection, book_id, after=(first[1].name, first[1].version))
            of_one = await templates.find(connection, book_id, name="sale")
            with pytest.raises(InvalidRequest):
                await templates.find(connection, book_id, limit=0)

        assert [t.label for t in first + rest] == ["refund@1", "sale@1", "sale@2"]
        assert [t.label for t in of_one] == ["sale@1", "sale@2"]

    async def test_an_entry_from_a_template_is_posted_or_tried(
        self, database: Database, book_id: int
    ) -> None:
        ledger = Ledger(ManualClock(AT))
        opened = [
            OpenAccount(id=account, currency="EUR", normal_side=Side.CREDIT)
            for account in (BUYER, SELLER, HOUSE, PARTNER)
        ]
        async with database.transaction() as connection:
            await ledger.apply(connection, book_id, opened)
            (kept,) = await templates.create(connection, book_id, [new(SALE)], at=AT)
            entry = templates.expand(kept.template, arguments(), transaction_id=ENTRY)
            (tried,) = await ledger.dry_run(connection, book_id, [entry])
            (posted,) = await ledger.apply(connection, book_id, [entry])

        assert tried.status is posted.status is OutcomeStatus.CREATED
        assert posted.transaction is not None
        assert posted.transaction.template == "sale@1"
        assert [t.amount for t in posted.transfers] == [213, 107, 9_685]


async def _until_somebody_waits(database: Database) -> None:
    """Until some connection waits for a lock that another one holds."""
    async with database.connection() as connection:
        while True:
            cursor = await connection.execute("select count(*) from pg_locks where not granted")
            if await cursor.fetchone() != (0,):
                return
