"""A book whose payments go through two partners that nobody ever calls: a test says what they report."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import httpx

from caudal import customers
from caudal.access import OPERATOR, Caller
from caudal.api import Services
from caudal.connectors import Snapshot, Status, Subject
from caudal.customers import (
    ChangeCustomerStatus,
    Changed,
    CreateCustomer,
    CustomerAction,
    CustomerId,
    Customers,
    CustomerType,
    NewProduct,
    Product,
)
from caudal.customers import Fee as ProductFee
from caudal.ledger import BookInfo, BookMode, create_book
from caudal.payments import Payments
from caudal_base import ids
from caudal_base.decide import ApproveAll, Limit
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings, Settings
from support.deliveries import SEALING_KEY
from support.worlds import World, new_key

BOOK = "payments"
CALLER = Caller(principal=OPERATOR, request_id="req_test")
_NOBODY = "http://127.0.0.1:9"

SETTINGS = Settings(
    sealing_key=SEALING_KEY,  # or it would be kept in the directory that the tests are run in
    partners={
        name: PartnerSettings(
            connector=name, book=BOOK, url=_NOBODY, api_key=Secret(f"sk_test_{name}"), calls_per_second=1
        )
        for name in ("stripe", "bank")
    },
)
"""Of an application with a card partner and a bank, both serving the book `payments`."""

PRODUCT = NewProduct(
    name="basic",
    currencies=("EUR",),
    limits=(Limit(currency="EUR", kind="payout", per_day=100_000),),
    fees=(ProductFee(kind="pay_in", method="card", flat=30),),
)


@dataclass
class PaymentWorld(World):
    """A caller who may do everything in the book, and what its partners say."""

    _partner_ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @classmethod
    async def make(cls, http: httpx.AsyncClient, services: Services, *, name: str = BOOK) -> "PaymentWorld":
        """The book with its product."""
        async with services.database.transaction() as connection:
            book = await create_book(
                connection, id=services.ids.new(), name=name, mode=BookMode.TEST, now=services.clock.now()
            )
            (made,) = await customers.create_products(
                connection,
                book.book_id,
                [PRODUCT],
                caller=CALLER,
                ledger=services.ledger,
                at=services.clock.now(),
            )
        assert isinstance(made, Product), made
        return await cls.enter(http, services, book)

    @classmethod
    async def enter(cls, http: httpx.AsyncClient, services: Services, book: BookInfo) -> "PaymentWorld":
        """Another caller in the same book."""
        return cls(http, services, book, await new_key(services, frozenset({book.book_id})))

    def _customers(self) -> Customers:
        return Customers(self.services.ledger, self.services.clock, self.services.ids)

    async def customer(self, balance: int = 0, *, id: str | None = None) -> str:
        """A new customer's id, with `balance` euro cents."""
        customer = CustomerId(id or ids.encode(ids.CUSTOMER, self.services.ids.new()))
        await self._apply(
            CreateCustomer(id=customer, type=CustomerType.PERSON, product="basic", jurisdiction="DE")
        )
        if balance:
            source = await self.account(normal_side="debit", currency="EUR")
            await self.moved(source, self.wallet(customer), balance, currency="EUR")
        return customer

    async def block(self, customer: str) -> None:
        """The customer takes no more payments."""
        await self._apply(ChangeCustomerStatus(customer=CustomerId(customer), action=CustomerAction.BLOCK))

    async def _apply(self, command: Any) -> None:
        async with self.services.database.transaction() as connection:
            (result,) = await self._customers().apply(connection, self.book.book_id, [command], caller=CALLER)
        assert isinstance(result, Changed), result

    @staticmethod
    def wallet(customer: str) -> str:
        """The customer's account."""
        return customers.account_of(customer, "EUR")

    async def available(self, customer: str) -> int:
        """What the customer can spend."""
        told = (await self.get(f"/v1/accounts/{self.wallet(customer)}")).json()
        return int(told["available"])

    async def begun(self, body: dict[str, Any], path: str = "/v1/payments") -> dict[str, Any]:
        """What a payment that was accepted answered."""
        response = await self.post(path, body)
        assert response.status_code == 201, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def read(self, payment: str) -> dict[str, Any]:
        """The payment with all that belongs to it."""
        response = await self.get(f"/v1/payments/{payment}")
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def said(self, payment: str, status: Status, **more: Any) -> dict[str, Any]:
        """The partner says where the payment stands; the payment after that."""
        known = await self.read(payment)
        snapshot = Snapshot(
            subject=Subject.PAYMENT,
            partner_id=known.get("partner_id") or f"pi_{next(self._partner_ids)}_{payment[-8:]}",
            status=status,
            amount=known["amount"],
            currency=known["currency"],
            attempt_id=known["attempts"][0]["id"],
        )
        await self.tell(known["partner"], snapshot, **more)
        return await self.read(payment)

    async def tell(self, partner: str, snapshot: Snapshot, **changes: Any) -> None:
        """A webhook of the partner is applied."""
        services = self.services
        payments = Payments(services.ledger, ApproveAll(), services.partners, services.ids)
        fields = {name: getattr(snapshot, name) for name in snapshot.__struct_fields__}
        async with services.database.transaction() as connection:
            (applied,) = await payments.apply_snapshots(
                connection, self.book.book_id, partner, [Snapshot(**{**fields, **changes})]
            )
        assert applied.status.value in ("applied", "unchanged"), applied

    async def disputed(self, payment: dict[str, Any], status: Status = Status.OPEN) -> None:
        """The payer asks their bank for the money of a payment through Stripe."""
        snapshot = Snapshot(
            subject=Subject.DISPUTE,
            partner_id=f"dp_{payment['id'][-8:]}",
            parent_id=payment["partner_id"],
            status=status,
            amount=payment["amount"],
            currency="EUR",
        )
        await self.tell("stripe", snapshot)

    async def authorised(self, customer: str, amount: int = 1050, **fields: Any) -> dict[str, Any]:
        """A card payment that may be captured."""
        made = await self.begun(pay_in(customer, amount, capture="manual", **fields))
        return await self.said(made["id"], Status.AUTHORISED)

    async def succeeded(self, customer: str, amount: int = 1050, **fields: Any) -> dict[str, Any]:
        """A card payment that the partner has captured."""
        made = await self.begun(pay_in(customer, amount, **fields))
        return await self.said(made["id"], Status.SUCCEEDED, captured=amount)


def pay_in(customer: str, amount: Any = 1050, **fields: Any) -> dict[str, Any]:
    """The body of a card payment."""
    return {
        "kind": "pay_in",
        "customer": customer,
        "amount": amount,
        "currency": "EUR",
        "instrument": "pm_card_visa",
        **fields,
    }


def payout(customer: str, amount: Any = 1000, **fields: Any) -> dict[str, Any]:
    """The body of a payout."""
    return {
        "customer": customer,
        "amount": amount,
        "currency": "EUR",
        "instrument": "tok_bank_ok",
        **fields,
    }


def internal(customer: str, to: str, amount: Any = 500, **fields: Any) -> dict[str, Any]:
    """The body of a payment from customer to customer."""
    return {
        "kind": "internal",
        "customer": customer,
        "destination": to,
        "amount": amount,
        "currency": "EUR",
        **fields,
    }
