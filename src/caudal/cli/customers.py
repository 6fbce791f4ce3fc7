"""`caudal customers`: take them on, block, close, move them to other products."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from caudal import customers
from caudal.cli.finding import find_customer
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import (
    DEFAULT_LIMIT,
    AfterOption,
    BookOption,
    DryRunOption,
    LimitOption,
    MetadataOption,
    YesOption,
    metadata_of,
)
from caudal.cli.paging import more
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, table
from caudal.customers import (
    ChangeCustomerStatus,
    ChangeProduct,
    CreateCustomer,
    Customer,
    CustomerAction,
    CustomerCommand,
    CustomerFilter,
    CustomerId,
    Customers,
    CustomerStatus,
    CustomerType,
    customer_view,
)
from caudal.ledger import BookInfo, Ledger
from caudal_base import ids
from caudal_base.errors import CaudalError

app = group("People and businesses: take them on, block, close, change their products.")

CustomerArgument = Annotated[
    str, typer.Argument(metavar="CUSTOMER", help="The customer, by id (`cus_…`) or by its reference.")
]


@on_database(app, "create")
async def create(
    operator: Operator,
    product: Annotated[str, typer.Option(help="A product, in its newest version.")],
    jurisdiction: Annotated[str, typer.Option(metavar="COUNTRY", help="Whose law applies: DE.")],
    type: Annotated[CustomerType, typer.Option(help="Whether it is a human being.")] = CustomerType.PERSON,
    reference: Annotated[str | None, typer.Option(help="Your own name for it, unique in the book.")] = None,
    name_token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="The vault's token of its name.")
    ] = None,
    email_token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="The vault's token of its e-mail address.")
    ] = None,
    phone_token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="The vault's token of its telephone number.")
    ] = None,
    metadata: MetadataOption = None,
    dry_run: DryRunOption = False,
    customer_id: Annotated[
        str | None, typer.Option("--id", help="Its id; one is made up by default.")
    ] = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Take a customer on, with an account in each of the product's currencies."""
    command = CreateCustomer(
        id=CustomerId(customer_id or operator.new_id(ids.CUSTOMER)),
        type=type,
        product=product,
        jurisdiction=jurisdiction,
        reference=reference,
        name_token=name_token,
        email_token=email_token,
        phone_token=phone_token,
        metadata=metadata_of(metadata),
    )
    await _carry_out(operator, await operator.book(book), command, dry_run=dry_run)


@on_database(app, "show")
async def show(operator: Operator, customer: CustomerArgument, book: BookOption = FIRST_BOOK) -> None:
    """Show a customer with its accounts."""
    found = await find_customer(operator, await operator.book(book), customer)
    operator.terminal.answer(_shape(found), lambda out: _show(out, found))


@on_database(app, "list")
async def list_(
    operator: Operator,
    reference: Annotated[str | None, typer.Option(help="Only the one with this reference.")] = None,
    status: Annotated[CustomerStatus | None, typer.Option(help="Only those in this status.")] = None,
    product: Annotated[str | None, typer.Option(help="Only those with this product.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(metavar="COUNTRY", help="Only those under it.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List customers, by their ids."""
    found = await operator.book(book)
    wanted = CustomerFilter(reference=reference, status=status, product=product, jurisdiction=jurisdiction)
    size = min(limit, 1_000)
    place = None if after is None else CustomerId(ids.encode(ids.CUSTOMER, _decoded(after, "after")))
    async with operator.database.connection() as connection:
        rows = await customers.list_customers(connection, found.book_id, wanted, after=place, limit=size)
    cursor = rows[-1].id if len(rows) == size else None

    def show_rows(out: Console) -> None:
        shown = table("customer", "reference", "type", "status", "jurisdiction", "product", "created")
        for row in rows:
            shown.add_row(
                row.id, row.reference or "", row.type.value, row.status.value, row.jurisdiction,
                f"{row.product}@{row.product_version}", cell(row.created_at),
            )  # fmt: skip
        out.print(shown if rows else "No customers. `caudal customers create` takes one on.")
        more(out, cursor)

    operator.terminal.answer({"data": [_shape(row) for row in rows], "next_cursor": cursor}, show_rows)


@on_database(app, "block")
async def block(
    operator: Operator,
    customer: CustomerArgument,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Let a customer make no new payments; those under way go on. `unblock` takes it back."""
    await _change_status(operator, book, customer, CustomerAction.BLOCK, dry_run=dry_run)


@on_database(app, "unblock")
async def unblock(
    operator: Operator,
    customer: CustomerArgument,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Let a blocked customer make payments again."""
    await _change_status(operator, book, customer, CustomerAction.UNBLOCK, dry_run=dry_run)


@on_database(app, "close")
async def close(
    operator: Operator,
    customer: CustomerArgument,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Close a customer with its accounts, for good. All must be at zero, without open holds."""
    if not dry_run:
        operator.terminal.confirm(f"Close {customer} and its accounts? There is no way back.", yes=yes)
    await _change_status(operator, book, customer, CustomerAction.CLOSE, dry_run=dry_run)


@on_database(app, "product")
async def product(
    operator: Operator,
    customer: CustomerArgument,
    name: Annotated[str, typer.Argument(metavar="PRODUCT", help="The product's name.")],
    version: Annotated[int | None, typer.Option(min=1, help="Its version. (default: the newest)")] = None,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Give a customer another product, or another version; opens what accounts are missing."""
    found = await operator.book(book)
    subject = await find_customer(operator, found, customer)
    command = ChangeProduct(customer=subject.id, product=name, version=version)
    await _carry_out(operator, found, command, dry_run=dry_run)


async def _change_status(
    operator: Operator, book: str, named: str, action: CustomerAction, *, dry_run: bool
) -> None:
    found = await operator.book(book)
    subject = await find_customer(operator, found, named)
    await _carry_out(
        operator, found, ChangeCustomerStatus(customer=subject.id, action=action), dry_run=dry_run
    )


async def _carry_out(operator: Operator, book: BookInfo, command: CustomerCommand, *, dry_run: bool) -> None:
    service = Customers(Ledger(operator.clock), operator.clock, operator.ids)
    caller = operator.caller
    async with (
        operator.database.transaction() as connection,
        connection.transaction(force_rollback=dry_run),
    ):
        (result,) = await service.apply(connection, book.book_id, [command], caller=caller)
    if isinstance(result, CaudalError):
        raise result
    customer = result.customer

    def tell(out: Console) -> None:
        if dry_run:
            out.print(Text("This is how it would stand; nothing was done.", "bold"))
        _show(out, customer)

    operator.terminal.answer({**_shape(customer), **({"dry_run": True} if dry_run else {})}, tell)


def _decoded(text: str, field: str) -> Any:
    return ids.decode(ids.CUSTOMER, text, field=field)


def _shape(customer: Customer) -> dict[str, Any]:
    """As the API has it."""
    shaped: dict[str, Any] = msgspec.to_builtins(customer_view(customer))
    return shaped


def _show(out: Console, customer: Customer) -> None:
    rows = [
        ("customer", customer.id),
        ("reference", customer.reference),
        ("type", customer.type.value),
        ("status", customer.status.value),
        ("jurisdiction", customer.jurisdiction),
        ("product", f"{customer.product}@{customer.product_version}"),
        *((f"account {currency}", account) for currency, account in customer.accounts.items()),
        ("name", customer.name_token),
        ("e-mail", customer.email_token),
        ("telephone", customer.phone_token),
        ("metadata", cell(customer.metadata) if customer.metadata else None),
        ("created", customer.created_at),
    ]
    out.print(facts(rows))
