"""`caudal payments`: look them up."""

import datetime as dt
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from caudal.cli.finding import find_customer
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import (
    DEFAULT_LIMIT,
    AfterOption,
    BookOption,
    LimitOption,
    amount_of,
    moment_of,
)
from caudal.cli.paging import more
from caudal.cli.payment_calls import ask, ask_for_rows
from caudal.cli.payment_shapes import (
    attempt_rows,
    capture_rows,
    dispute_rows,
    payment_rows,
    refund_rows,
    show_payment,
)
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import money, table, when
from caudal.ledger import BookInfo
from caudal.payments import (
    AttemptView,
    CaptureView,
    DisputeView,
    PaymentKind,
    PaymentState,
    PaymentView,
    RefundView,
    WaitingFor,
)
from caudal_base import ids
from caudal_base.errors import InvalidRequest

CustomerFilter = Annotated[
    str | None, typer.Option(metavar="CUSTOMER", help="Only those of this customer, by id or reference.")
]
ReferenceFilter = Annotated[str | None, typer.Option(help="Only those with this reference.")]
StateFilter = Annotated[PaymentState | None, typer.Option(help="Only those in this state.")]
AmountFilter = Annotated[
    str | None, typer.Option(metavar="UNITS", help="Only those of this amount; needs --currency.")
]
CurrencyFilter = Annotated[str | None, typer.Option(help="Only those in this currency.")]
PartnerFilter = Annotated[str | None, typer.Option(help="Only those that go through this partner.")]
SinceFilter = Annotated[str | None, typer.Option(metavar="TIME", help="Created then or later.")]
UntilFilter = Annotated[str | None, typer.Option(metavar="TIME", help="Created before.")]


class Transfer(msgspec.Struct, frozen=True):
    """Of a payment's transfer what is shown."""

    id: str
    kind: str
    amount: int
    currency: str
    recorded_at: dt.datetime
    code: str = ""


class Detail(PaymentView, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A payment with what belongs to it."""

    attempts: list[AttemptView]
    captures: list[CaptureView]
    refunds: list[RefundView]
    disputes: list[DisputeView]
    transfers: list[Transfer]


def register(app: typer.Typer) -> None:
    """Add the commands that read payments to `app`."""
    on_database(app, "show")(show)
    on_database(app, "list")(list_)


async def read(operator: Operator, book: BookInfo, payment: str) -> PaymentView:
    """A payment as it stands. Raises `PaymentNotFound`, and `InvalidId` naming `payment`."""
    return msgspec.convert(await _read(operator, book, payment), Detail)


async def _read(operator: Operator, book: BookInfo, payment: str) -> dict[str, Any]:
    ids.decode(ids.PAYMENT, payment, field="payment")
    return await ask(operator, book, "GET", "/v1/payments/{id}", dict[str, Any], named=payment)


async def show(
    operator: Operator,
    payment: Annotated[str, typer.Argument(metavar="PAYMENT", help="The payment's id (`pay_…`).")],
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show a payment with its calls to partners, captures, refunds, disputes and transfers."""
    told = await _read(operator, await operator.book(book), payment)
    found = msgspec.convert(told, Detail)

    def show_all(out: Console) -> None:
        show_payment(out, found)
        parts = (
            ("Calls to the partner", found.attempts, lambda: attempt_rows(found.attempts, found.currency)),
            ("Captures", found.captures, lambda: capture_rows(found.captures, found.currency)),
            ("Refunds", found.refunds, lambda: refund_rows(found.refunds)),
            ("Disputes", found.disputes, lambda: dispute_rows(found.disputes)),
            ("Transfers", found.transfers, lambda: _transfer_rows(found.transfers)),
        )
        for title, rows, draw in parts:
            if rows:
                out.print(f"\n{title}", style="bold")
                out.print(draw())

    operator.terminal.answer(told, show_all)


async def list_(
    operator: Operator,
    customer: CustomerFilter = None,
    reference: ReferenceFilter = None,
    kind: Annotated[PaymentKind | None, typer.Option(help="Only those of this kind.")] = None,
    state: StateFilter = None,
    amount: AmountFilter = None,
    currency: CurrencyFilter = None,
    partner: PartnerFilter = None,
    waiting: Annotated[
        WaitingFor | None, typer.Option(help="Only those that `approve` or `decline` lets go on.")
    ] = None,
    since: SinceFilter = None,
    until: UntilFilter = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List payments, the newest first."""
    query = {"kind": kind, "waiting": waiting}
    await list_payments(
        operator, book, "/v1/payments", query, customer=customer, reference=reference, state=state,
        amount=amount, currency=currency, partner=partner, since=since, until=until, limit=limit, after=after,
    )  # fmt: skip


async def list_payments(
    operator: Operator,
    book: str,
    path: str,
    wanted: dict[str, Any],
    *,
    customer: str | None,
    reference: str | None,
    state: PaymentState | None,
    amount: str | None,
    currency: str | None,
    partner: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    after: str | None,
) -> None:
    """List payments or payouts by the conditions that both have, and those of `wanted`."""
    if amount is not None and currency is None:
        raise InvalidRequest("name the currency of the amount: --currency", field="currency")
    found = await operator.book(book)
    query = {
        "customer": None if customer is None else (await find_customer(operator, found, customer)).id,
        "reference": reference,
        "state": state,
        "amount": amount_of(amount, None, currency or ""),
        "currency": currency,
        "partner": partner,
        "created_from": moment_of(since, field="since"),
        "created_before": moment_of(until, field="until"),
        "cursor": after,
        **wanted,
    }
    rows, cursor = await ask_for_rows(operator, found, path, PaymentView, query=query, limit=limit)

    def show_rows(out: Console) -> None:
        out.print(payment_rows(rows, with_kind=path == "/v1/payments") if rows else "No payments.")
        more(out, cursor)

    operator.terminal.answer({"data": rows, "next_cursor": cursor}, show_rows)


def _transfer_rows(transfers: list[Transfer]) -> Any:
    shown = table("recorded", "kind", "for", "amount", "transfer", right=("amount",))
    for transfer in transfers:
        shown.add_row(
            when(transfer.recorded_at), transfer.kind, transfer.code,
            money(transfer.amount, transfer.currency), transfer.id,
        )  # fmt: skip
    return shown
