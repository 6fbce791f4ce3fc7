"""`caudal payments`: move customers' money."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from caudal.cli import payment_reads
from caudal.cli.finding import find_customer
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import (
    BookOption,
    DryRunOption,
    MetadataOption,
    YesOption,
    amount_of,
    metadata_of,
    moment_of,
)
from caudal.cli.payment_calls import ask
from caudal.cli.payment_shapes import refund_rows, show_payment
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import money
from caudal.connectors import CaptureMode, Method
from caudal.ledger import BookInfo
from caudal.payments import PaymentKind, PaymentView, RefundView
from caudal_base import ids
from caudal_base.errors import InvalidRequest

NOT_DONE: Final = Text("This is how it would stand; nothing was done.", "bold")

app = group("Move customers' money: create, capture, cancel, review, refund; look it up.")

PaymentArgument = Annotated[str, typer.Argument(metavar="PAYMENT", help="The payment's id (`pay_…`).")]
CustomerOption = Annotated[
    str, typer.Option(metavar="CUSTOMER", help="Whose payment it is, by id or reference.")
]
CurrencyOption = Annotated[str, typer.Option(help="ISO 4217: EUR.")]
AmountOption = Annotated[
    str | None, typer.Option(metavar="UNITS", help="In units of the currency, exact: 10.50.")
]
MinorOption = Annotated[
    str | None, typer.Option("--amount-minor", metavar="N", help="The same in minor units: 1050.")
]
InstrumentOption = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", help="What is charged or paid to: `tok_…`, or the partner's own token."),
]
MethodOption = Annotated[
    Method | None,
    typer.Option(help="By which rail. (default: card for a pay-in, bank_transfer for a payout)"),
]
PartnerOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="By which partner. (default: the first that can)")
]
ReferenceOption = Annotated[str | None, typer.Option(help="What it belongs to, in your words.")]
DescriptionOption = Annotated[str | None, typer.Option(help="Words of your own, without personal data.")]
ExecuteOption = Annotated[
    str | None, typer.Option("--execute-at", metavar="TIME", help="When it is to begin. (default: now)")
]
IdOption = Annotated[
    str | None,
    typer.Option("--id", help="The new payment's id (`pay_…`): repeats of it answer the first one."),
]


@on_database(app, "create")
async def create(
    operator: Operator,
    customer: CustomerOption,
    currency: CurrencyOption,
    kind: Annotated[PaymentKind, typer.Option(help="Which way the money goes.")] = PaymentKind.PAY_IN,
    amount: AmountOption = None,
    amount_minor: MinorOption = None,
    instrument: InstrumentOption = None,
    method: MethodOption = None,
    partner: PartnerOption = None,
    capture: Annotated[
        CaptureMode, typer.Option(help="`manual`: only authorise it, and capture it later.")
    ] = CaptureMode.AUTOMATIC,
    to: Annotated[
        str | None, typer.Option(metavar="CUSTOMER", help="Of an internal payment: who receives.")
    ] = None,
    reference: ReferenceOption = None,
    description: DescriptionOption = None,
    metadata: MetadataOption = None,
    execute_at: ExecuteOption = None,
    return_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the customer comes back to from a redirect.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Your id of the customer's device.")] = None,
    ip: Annotated[str | None, typer.Option(help="The customer's network address.")] = None,
    merchant: Annotated[str | None, typer.Option(help="Your id of the merchant.")] = None,
    card_token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="The card, by a token that stands for it.")
    ] = None,
    country: Annotated[str | None, typer.Option(help="Where it is made: ISO 3166-1 alpha-2.")] = None,
    new_id: IdOption = None,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Begin a payment. What becomes of it at the partner's shows `caudal payments show`."""
    context = {
        "device": device, "ip": ip, "merchant": merchant, "card_token": card_token, "country": country,
    }  # fmt: skip
    body = {
        "kind": kind,
        "capture": None if capture is CaptureMode.AUTOMATIC else capture,
        "return_url": return_url,
        "context": {name: value for name, value in context.items() if value is not None} or None,
    }
    await begin(
        operator, book, "/v1/payments", body, customer=customer, currency=currency,
        amount=amount, amount_minor=amount_minor, instrument=instrument, method=method, partner=partner,
        reference=reference, description=description, metadata=metadata, execute_at=execute_at,
        new_id=new_id, dry_run=dry_run, to=to,
    )  # fmt: skip


async def begin(
    operator: Operator,
    book: str,
    path: str,
    more: Mapping[str, Any],
    *,
    customer: str,
    currency: str,
    amount: str | None,
    amount_minor: str | None,
    instrument: str | None,
    method: Method | None,
    partner: str | None,
    reference: str | None,
    description: str | None,
    metadata: list[str] | None,
    execute_at: str | None,
    new_id: str | None,
    dry_run: bool,
    to: str | None = None,
) -> None:
    """Ask for a payment with the options that all kinds have, and `more` fields of the body."""
    size = amount_of(amount, amount_minor, currency)
    if size is None:
        raise InvalidRequest("name the amount: --amount or --amount-minor", field="amount")
    pairs, begins = metadata_of(metadata), moment_of(execute_at, field="execute_at")
    found = await operator.book(book)
    receives = None if to is None else (await find_customer(operator, found, to, field="to")).id
    body = {
        "customer": (await find_customer(operator, found, customer)).id,
        "destination": receives,
        "amount": size,
        "currency": currency,
        "id": new_id,
        "instrument": instrument,
        "method": method,
        "partner": partner,
        "reference": reference,
        "description": description,
        "metadata": pairs,
        "execute_at": begins,
        **more,
    }
    query = {"dry_run": dry_run}
    made = await ask(operator, found, "POST", path, PaymentView, query=query, body=body)
    _answer(operator, made, dry_run=dry_run)


@on_database(app, "capture")
async def capture_(
    operator: Operator,
    payment: PaymentArgument,
    amount: AmountOption = None,
    amount_minor: MinorOption = None,
    hold_rest: Annotated[
        bool, typer.Option("--hold-rest", help="More captures follow. (default: the rest is released)")
    ] = False,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Take what is authorised: whole, or a part of it."""
    found = await operator.book(book)
    size = await _amount(operator, found, payment, amount, amount_minor)
    await _change(
        operator, found, payment, "capture", {"amount": size, "final": not hold_rest}, dry_run=dry_run
    )


@on_database(app, "increment")
async def increment(
    operator: Operator,
    payment: PaymentArgument,
    amount: Annotated[str | None, typer.Option(metavar="UNITS", help="The new total: 15.00.")] = None,
    amount_minor: MinorOption = None,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Raise what is authorised to a new total."""
    found = await operator.book(book)
    size = await _amount(operator, found, payment, amount, amount_minor)
    if size is None:
        raise InvalidRequest("name the new total: --amount or --amount-minor", field="amount")
    await _change(operator, found, payment, "increment", {"amount": size}, dry_run=dry_run)


@on_database(app, "cancel")
async def cancel(
    operator: Operator,
    payment: PaymentArgument,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Call a payment off, or void what is authorised."""
    found = await operator.book(book)
    told = await payment_reads.read(operator, found, payment)
    operator.terminal.confirm(f"Call off the {_said(told)}?", yes=yes or dry_run)
    await _change(operator, found, payment, "cancel", dry_run=dry_run)


@on_database(app, "confirm")
async def confirm(
    operator: Operator,
    payment: PaymentArgument,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """The customer has come back from the partner's page: ask the partner now how the payment stands."""
    await _change(operator, await operator.book(book), payment, "confirm", dry_run=dry_run)


@on_database(app, "approve")
async def approve(
    operator: Operator,
    payment: PaymentArgument,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """End a review with yes."""
    await _change(operator, await operator.book(book), payment, "approve", dry_run=dry_run)


@on_database(app, "decline")
async def decline(
    operator: Operator,
    payment: PaymentArgument,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """End a review with no: what is held is released, what was taken wrongly is given back."""
    found = await operator.book(book)
    told = await payment_reads.read(operator, found, payment)
    operator.terminal.confirm(f"Decline the {_said(told)}?", yes=yes or dry_run)
    await _change(operator, found, payment, "decline", dry_run=dry_run)


@on_database(app, "refund")
async def refund(
    operator: Operator,
    payment: PaymentArgument,
    amount: AmountOption = None,
    amount_minor: MinorOption = None,
    reason: Annotated[str | None, typer.Option(help="Why, in your words.")] = None,
    metadata: MetadataOption = None,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Pay back what was captured: what is left of it, or a part."""
    found = await operator.book(book)
    size = await _amount(operator, found, payment, amount, amount_minor)
    body = {"amount": size, "reason": reason, "metadata": metadata_of(metadata)}
    made = await ask(
        operator, found, "POST", "/v1/payments/{id}/refunds", RefundView, named=_id(payment),
        query={"dry_run": dry_run}, body=body,
    )  # fmt: skip

    def show(out: Console) -> None:
        if dry_run:
            out.print(NOT_DONE)
        out.print(refund_rows([made]))

    operator.terminal.answer({**msgspec.to_builtins(made), **_said_to_be_dry(dry_run)}, show)


async def _change(
    operator: Operator,
    book: BookInfo,
    payment: str,
    action: str,
    body: Mapping[str, Any] | None = None,
    *,
    dry_run: bool,
) -> None:
    path = f"/v1/payments/{{id}}/{action}"
    made = await ask(
        operator, book, "POST", path, PaymentView, named=_id(payment), query={"dry_run": dry_run}, body=body
    )
    _answer(operator, made, dry_run=dry_run)


async def _amount(
    operator: Operator, book: BookInfo, payment: str, amount: str | None, minor: str | None
) -> int | None:
    """The amount in minor units of the payment's currency."""
    if amount is None:
        return amount_of(None, minor, "")
    told = await payment_reads.read(operator, book, payment)
    return amount_of(amount, minor, told.currency)


def _id(payment: str) -> str:
    ids.decode(ids.PAYMENT, payment, field="payment")
    return payment


def _said(payment: PaymentView) -> str:
    """A payment in a question."""
    kind = payment.kind.value.replace("_", "-")
    return f"{kind} of {money(payment.amount, payment.currency)} of {payment.customer}"


def _answer(operator: Operator, payment: PaymentView, *, dry_run: bool) -> None:
    def show(out: Console) -> None:
        if dry_run:
            out.print(NOT_DONE)
        show_payment(out, payment)

    operator.terminal.answer({**msgspec.to_builtins(payment), **_said_to_be_dry(dry_run)}, show)


def _said_to_be_dry(dry_run: bool) -> dict[str, bool]:
    return {"dry_run": True} if dry_run else {}


payment_reads.register(app)
