"""What becomes of a customer by a command. Pure."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from caudal.customers.errors import (
    CustomerAccountsRefused,
    CustomerClosed,
    CustomerExists,
    CustomerInvalid,
    CustomerNotEmpty,
    CustomerNotFound,
    CustomerReferenceTaken,
    ProductUnknown,
)
from caudal.customers.types import (
    ChangeCustomerStatus,
    ChangeProduct,
    CreateCustomer,
    Customer,
    CustomerAction,
    CustomerCommand,
    CustomerId,
    CustomerStatus,
    Product,
    account_of,
    account_reference,
)
from caudal.ledger import (
    AccountAction,
    AccountCommand,
    ChangeStatus,
    LimitRule,
    Metadata,
    OpenAccount,
    Outcome,
    Side,
)
from caudal_base import ids
from caudal_base.countries import require_country
from caudal_base.errors import CaudalError
from caudal_base.personal import refuse_personal, refuse_personal_in
from caudal_base.vault import require_token

ACCOUNT_CODE: Final = "customer"
"""The chart of accounts' code of customers' accounts."""

MAX_REFERENCE: Final = 255
MAX_METADATA: Final = 50
MAX_METADATA_KEY: Final = 40
MAX_METADATA_VALUE: Final = 500

_STATUS_AFTER: Final = {
    CustomerAction.BLOCK: CustomerStatus.BLOCKED,
    CustomerAction.UNBLOCK: CustomerStatus.ACTIVE,
    CustomerAction.CLOSE: CustomerStatus.CLOSED,
}
_EVENTS: Final = {
    CustomerAction.BLOCK: "customer.blocked",
    CustomerAction.UNBLOCK: "customer.unblocked",
    CustomerAction.CLOSE: "customer.closed",
}


class State(msgspec.Struct, kw_only=True):
    """Of a book's customers and products what a lot of commands refers to."""

    customers: dict[CustomerId, Customer] = {}
    by_reference: dict[str, CustomerId] = {}
    newest: dict[str, Product] = {}
    versions: dict[tuple[str, int], Product] = {}

    @classmethod
    def of(
        cls, customers: Iterable[Customer], newest: Iterable[Product], versions: Iterable[Product]
    ) -> "State":
        """From what was found."""
        found = list(customers)
        return cls(
            customers={customer.id: customer for customer in found},
            by_reference={c.reference: c.id for c in found if c.reference is not None},
            newest={product.name: product for product in newest},
            versions={(product.name, product.version): product for product in versions},
        )


class Plan(msgspec.Struct, frozen=True):
    """What a command comes to, if the ledger agrees."""

    after: Customer
    event: str | None = None
    """The type of the event that tells of it; None: it stands so already, and nothing is to be done."""
    accounts: tuple[AccountCommand, ...] = ()
    """What the ledger is to do, all or nothing."""


def lots(commands: Sequence[CustomerCommand]) -> list[list[CustomerCommand]]:
    """Cut so that no lot names a customer or a new reference twice: within one, order means nothing."""
    cut: list[list[CustomerCommand]] = [[]]
    named: set[str] = set()
    for command in commands:
        own: set[str] = {customer_of(command)}
        if isinstance(command, CreateCustomer) and command.reference is not None:
            own.add(f"reference {command.reference}")
        if own & named:
            cut.append([])
            named = set()
        named |= own
        cut[-1].append(command)
    return cut


def customer_of(command: CustomerCommand) -> CustomerId:
    """The customer that a command is about."""
    return command.id if isinstance(command, CreateCustomer) else command.customer


def action_of(command: CustomerCommand) -> str:
    """What a command does, as the audit log names it."""
    match command:
        case CreateCustomer():
            return "customer.create"
        case ChangeCustomerStatus():
            return f"customer.{command.action.value}"
        case ChangeProduct():
            return "customer.change_product"


def refuse_malformed(command: CustomerCommand) -> None:
    """Raise the typed error of a command that can never succeed, whatever the book holds.

    `InvalidId`, `UnknownCountry`, `InvalidToken`, `CustomerInvalid`, `PersonalDataRefused`.
    """
    ids.decode(ids.CUSTOMER, customer_of(command))
    if isinstance(command, CreateCustomer):
        require_country(command.jurisdiction, "jurisdiction")
        for field in ("name_token", "email_token", "phone_token"):
            token = getattr(command, field)
            if token is not None:
                # What looks like an address or a number is told so: a token was meant to spare us that.
                refuse_personal(token, field)
                require_token(token, field)
        if command.reference is not None:
            _refuse_text(command.reference, MAX_REFERENCE, "reference")
            refuse_personal(command.reference, "reference")
        if command.metadata is not None:
            _refuse_metadata(command.metadata)


def _refuse_text(text: str, longest: int, field: str) -> None:
    if not 1 <= len(text) <= longest or "\0" in text:
        raise CustomerInvalid(f"a text of 1 to {longest} characters, without NUL", field=field)


def _refuse_metadata(metadata: Metadata) -> None:
    if len(metadata) > MAX_METADATA:
        raise CustomerInvalid(f"at most {MAX_METADATA} pairs", field="metadata")
    for key, value in metadata.items():
        if not 1 <= len(key) <= MAX_METADATA_KEY or len(value) > MAX_METADATA_VALUE or "\0" in key + value:
            raise CustomerInvalid("keys to 40 characters, values to 500, without NUL", field="metadata")
    refuse_personal_in(metadata, "metadata")


def plan(state: State, command: CustomerCommand, at: dt.datetime) -> Plan:
    """What `command` comes to. Raises the typed error of its refusal."""
    match command:
        case CreateCustomer():
            return _create(state, command, at)
        case ChangeCustomerStatus():
            return _change_status(state, command, at)
        case ChangeProduct():
            return _change_product(state, command, at)


def refusal_of(outcomes: Sequence[Outcome]) -> CaudalError | None:
    """The error that the ledger's refusal of a plan's accounts means; None if it did them."""
    refusals = [outcome.refusal for outcome in outcomes if outcome.refusal is not None]
    if not refusals:
        return None
    # The members of a linked group that are not at fault answer that they failed with it.
    (cause, *_) = [r for r in refusals if r.code != "linked_failed"] or refusals
    if cause.code == "account_not_empty":
        return CustomerNotEmpty("an account of the customer is not at zero, or has an open hold")
    return CustomerAccountsRefused(f"an account of the customer: {cause.detail}", reason=cause.code)


def _create(state: State, command: CreateCustomer, at: dt.datetime) -> Plan:
    before = state.customers.get(command.id)
    if before is not None:
        _refuse_other_content(before, command)
        return Plan(before)
    if command.reference is not None and command.reference in state.by_reference:
        raise CustomerReferenceTaken("another customer of the book has this reference", field="reference")
    product = _existing(state.newest.get(command.product), "product")
    customer = Customer(
        id=command.id,
        type=command.type,
        status=CustomerStatus.ACTIVE,
        jurisdiction=command.jurisdiction,
        product=product.name,
        product_version=product.version,
        currencies=product.currencies,
        created_at=at,
        updated_at=at,
        reference=command.reference,
        name_token=command.name_token,
        email_token=command.email_token,
        phone_token=command.phone_token,
        metadata=command.metadata or None,
    )
    return Plan(customer, "customer.created", _opening(customer.id, product.currencies))


# The product is not compared: it may have been changed since.
_COMPARED: Final = (
    "type",
    "jurisdiction",
    "reference",
    "name_token",
    "email_token",
    "phone_token",
    "metadata",
)


def _refuse_other_content(before: Customer, command: CreateCustomer) -> None:
    for field in _COMPARED:
        if (getattr(before, field) or None) != (getattr(command, field) or None):
            raise CustomerExists(f"the customer was created with another {field}", field=field)


def _change_status(state: State, command: ChangeCustomerStatus, at: dt.datetime) -> Plan:
    before = _customer(state, command.customer)
    status = _STATUS_AFTER[command.action]
    if before.status is status:
        return Plan(before)
    if before.status is CustomerStatus.CLOSED:
        raise CustomerClosed("a closed customer stays closed")
    closing = _closing(before) if status is CustomerStatus.CLOSED else ()
    return Plan(replace(before, status=status, updated_at=at), _EVENTS[command.action], closing)


def _change_product(state: State, command: ChangeProduct, at: dt.datetime) -> Plan:
    before = _customer(state, command.customer)
    if before.status is CustomerStatus.CLOSED:
        raise CustomerClosed("a closed customer keeps its product")
    if command.version is None:
        product = _existing(state.newest.get(command.product), "product")
    else:
        product = _existing(state.versions.get((command.product, command.version)), "version")
    if (before.product, before.product_version) == (product.name, product.version):
        return Plan(before)
    missing = tuple(currency for currency in product.currencies if currency not in before.currencies)
    after = replace(
        before,
        product=product.name,
        product_version=product.version,
        currencies=before.currencies + missing,
        updated_at=at,
    )
    return Plan(after, "customer.product_changed", _opening(before.id, missing))


def _customer(state: State, customer: CustomerId) -> Customer:
    found = state.customers.get(customer)
    if found is None:
        raise CustomerNotFound("no customer of the book has this id")
    return found


def _existing(product: Product | None, field: str) -> Product:
    if product is None:
        raise ProductUnknown("no product has this name and version", field=field)
    return product


def _opening(customer: CustomerId, currencies: Sequence[str]) -> tuple[AccountCommand, ...]:
    """Open an account in each currency: what the customer is owed, never less than nothing."""
    return tuple(
        OpenAccount(
            id=account_of(customer, currency),
            currency=currency,
            normal_side=Side.CREDIT,
            code=ACCOUNT_CODE,
            reference=account_reference(customer, currency),
            limit=LimitRule.DEBITS_MUST_NOT_EXCEED_CREDITS,
            linked=currency != currencies[-1],
        )
        for currency in currencies
    )


def _closing(customer: Customer) -> tuple[AccountCommand, ...]:
    last = customer.currencies[-1]
    return tuple(
        ChangeStatus(account=account, action=AccountAction.CLOSE, linked=currency != last)
        for currency, account in customer.accounts.items()
    )
