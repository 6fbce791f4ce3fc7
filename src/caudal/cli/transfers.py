"""`caudal transfers`: move money."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from caudal.cli import shapes, transfer_batches, transfer_reads
from caudal.cli.finding import find_account
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import (
    BookOption,
    DryRunOption,
    MetadataOption,
    TransferArgument,
    amount_of,
    metadata_of,
    moment_of,
)
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, money
from caudal.ledger import (
    BookInfo,
    CreateTransfer,
    Outcome,
    OutcomeStatus,
    PostPending,
    Remainder,
    ReverseTransfer,
    Transfer,
    TransferCommand,
    TransferId,
    Versions,
    VoidPending,
    get_transfer,
)
from caudal_base import ids
from caudal_base.check import check
from caudal_base.errors import InvalidRequest

app = group("Move money: create, post, void, reverse, batches; look it up.")

AmountOption = Annotated[
    str | None, typer.Option(metavar="UNITS", help="In units of the currency, exact: 10.50.")
]
MinorOption = Annotated[
    str | None, typer.Option("--amount-minor", metavar="N", help="The same in minor units: 1050.")
]
IdOption = Annotated[
    str | None,
    typer.Option("--id", help="The new transfer's id (`tr_…`): repeats of it answer the first one."),
]
CodeOption = Annotated[str | None, typer.Option(help="What kind of transfer it is, in your words.")]
ReferenceOption = Annotated[str | None, typer.Option(help="What it belongs to, in your words.")]
EffectiveOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="When it counts for value. (default: now)")
]
BeyondOption = Annotated[
    bool, typer.Option("--beyond-limits", help="It has happened outside already: pass limits and freezes.")
]
CorrectOption = Annotated[
    bool, typer.Option("--correct", help="Move what payments keep, or take back what they have written.")
]
DebitOption = Annotated[
    str, typer.Option(metavar="ACCOUNT", help="The account to debit, by id or reference.")
]
CreditOption = Annotated[str, typer.Option(metavar="ACCOUNT", help="The account to credit.")]
CurrencyOption = Annotated[str | None, typer.Option(help="ISO 4217. (default: the debited account's)")]
PendingOption = Annotated[bool, typer.Option("--pending", help="Only hold the money; post or void it later.")]
ExpiresOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="With --pending: when the hold lapses.")
]
MinAvailableOption = Annotated[
    str | None, typer.Option(metavar="UNITS", help="What must stay available on the account that pays.")
]
UpToOption = Annotated[bool, typer.Option("--up-to", help="Move what is available, at most the amount.")]
DebitVersionOption = Annotated[
    int | None,
    typer.Option("--if-debit-version", min=0, help="Refuse if the debited account has moved since."),
]
CreditVersionOption = Annotated[
    int | None,
    typer.Option("--if-credit-version", min=0, help="Refuse if the credited account has moved since."),
]


@on_database(app, "create")
async def create(
    operator: Operator,
    debit: DebitOption,
    credit: CreditOption,
    amount: AmountOption = None,
    amount_minor: MinorOption = None,
    currency: CurrencyOption = None,
    pending: PendingOption = False,
    expires_at: ExpiresOption = None,
    effective_at: EffectiveOption = None,
    code: CodeOption = None,
    reference: ReferenceOption = None,
    metadata: MetadataOption = None,
    if_debit_version: DebitVersionOption = None,
    if_credit_version: CreditVersionOption = None,
    min_available: MinAvailableOption = None,
    up_to: UpToOption = False,
    beyond_limits: BeyondOption = False,
    correct: CorrectOption = False,
    dry_run: DryRunOption = False,
    new_id: IdOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Debit one account and credit another: posted at once, or held with --pending."""
    found = await operator.book(book)
    debited = await find_account(operator, found, debit, field="debit")
    credited = await find_account(operator, found, credit, field="credit")
    unit = currency or debited.currency
    size = amount_of(amount, amount_minor, unit)
    if size is None:
        raise InvalidRequest("name the amount: --amount or --amount-minor", field="amount")
    command = CreateTransfer(
        id=_id(operator, new_id),
        debit_account=debited.id,
        credit_account=credited.id,
        amount=size,
        currency=unit,
        pending=pending,
        expires_at=moment_of(expires_at, field="expires_at"),
        effective_at=moment_of(effective_at, field="effective_at"),
        code=code,
        reference=reference,
        metadata=metadata_of(metadata),
        if_version=_versions(if_debit_version, if_credit_version),
        min_available=amount_of(min_available, None, unit, field="min_available"),
        up_to=up_to,
        beyond_limits=beyond_limits,
        may_correct=correct,
    )
    await _carry_out(operator, found, command, "transfer.create", dry_run=dry_run)


@on_database(app, "post")
async def post(
    operator: Operator,
    transfer: TransferArgument,
    amount: AmountOption = None,
    amount_minor: MinorOption = None,
    hold_rest: Annotated[
        bool, typer.Option("--hold-rest", help="Hold the rest anew. (default: it is released)")
    ] = False,
    effective_at: EffectiveOption = None,
    code: CodeOption = None,
    reference: ReferenceOption = None,
    metadata: MetadataOption = None,
    beyond_limits: BeyondOption = False,
    correct: CorrectOption = False,
    dry_run: DryRunOption = False,
    new_id: IdOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Post a pending transfer: whole, or a part of it."""
    found = await operator.book(book)
    pending = await _transfer(operator, found, transfer)
    command = PostPending(
        id=_id(operator, new_id),
        pending_id=pending.id,
        amount=amount_of(amount, amount_minor, pending.currency),
        remainder=Remainder.HOLD if hold_rest else Remainder.RELEASE,
        effective_at=moment_of(effective_at, field="effective_at"),
        code=code,
        reference=reference,
        metadata=metadata_of(metadata),
        beyond_limits=beyond_limits,
        may_correct=correct,
    )
    await _carry_out(operator, found, command, "transfer.post", dry_run=dry_run)


@on_database(app, "void")
async def void(
    operator: Operator,
    transfer: TransferArgument,
    code: CodeOption = None,
    reference: ReferenceOption = None,
    metadata: MetadataOption = None,
    dry_run: DryRunOption = False,
    new_id: IdOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Void a pending transfer: what it held is released."""
    found = await operator.book(book)
    command = VoidPending(
        id=_id(operator, new_id),
        pending_id=(await _transfer(operator, found, transfer)).id,
        code=code,
        reference=reference,
        metadata=metadata_of(metadata),
    )
    await _carry_out(operator, found, command, "transfer.void", dry_run=dry_run)


@on_database(app, "reverse")
async def reverse(
    operator: Operator,
    transfer: TransferArgument,
    amount: AmountOption = None,
    amount_minor: MinorOption = None,
    effective_at: EffectiveOption = None,
    code: CodeOption = None,
    reference: ReferenceOption = None,
    metadata: MetadataOption = None,
    beyond_limits: BeyondOption = False,
    correct: CorrectOption = False,
    dry_run: DryRunOption = False,
    new_id: IdOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Move back what a transfer has moved: what is left of it, or a part."""
    found = await operator.book(book)
    original = await _transfer(operator, found, transfer)
    command = ReverseTransfer(
        id=_id(operator, new_id),
        original_id=original.id,
        amount=amount_of(amount, amount_minor, original.currency),
        effective_at=moment_of(effective_at, field="effective_at"),
        code=code,
        reference=reference,
        metadata=metadata_of(metadata),
        beyond_limits=beyond_limits,
        may_correct=correct,
    )
    await _carry_out(operator, found, command, "transfer.reverse", dry_run=dry_run)


def _versions(debit: int | None, credit: int | None) -> Versions | None:
    return None if debit is None and credit is None else Versions(debit=debit, credit=credit)


async def _transfer(operator: Operator, book: BookInfo, named: str) -> Transfer:
    async with operator.database.connection() as connection:
        detail = await get_transfer(connection, book.book_id, TransferId(named), now=operator.clock.now())
    return detail.transfer


def _id(operator: Operator, given: str | None) -> TransferId:
    if given is not None:
        ids.decode(ids.TRANSFER, given)
    return TransferId(given or operator.new_id(ids.TRANSFER))


async def _carry_out(
    operator: Operator, book: BookInfo, command: TransferCommand, action: str, *, dry_run: bool = False
) -> None:
    (outcome,) = await operator.carry_out(book, [command], action, dry_run=dry_run)
    shapes.accepted(outcome)
    data = {**shapes.recorded(outcome), **({"dry_run": True} if dry_run else {})}
    operator.terminal.answer(data, lambda out: _show(out, outcome, dry_run=dry_run))


def _show(out: Console, outcome: Outcome, *, dry_run: bool) -> None:
    transfer = outcome.transfer
    check(transfer is not None, "an accepted transfer command has a transfer")
    if transfer is None:
        return
    if dry_run:
        out.print(Text("This would be recorded; nothing was done.", "bold"))
    elif outcome.status is OutcomeStatus.EXISTS:
        out.print(Text("It exists already; nothing was done again.", "bold"))
    rows = [
        ("transfer", None if dry_run else transfer.id),
        ("kind", transfer.kind.value),
        ("amount", money(transfer.amount, transfer.currency)),
        ("debit", transfer.debit_account),
        ("credit", transfer.credit_account),
        ("seq", None if dry_run else transfer.seq),
        ("recorded", None if dry_run else transfer.recorded_at),
        ("effective", transfer.effective_at),
        ("code", transfer.code),
        ("reference", transfer.reference),
        ("metadata", cell(transfer.metadata) if transfer.metadata else None),
        ("rest held as", None if dry_run or outcome.remainder is None else outcome.remainder.id),
    ]
    out.print(facts(rows))


transfer_batches.register(app)
transfer_reads.register(app)
