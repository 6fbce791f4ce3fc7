"""`caudal accounts`: open and change them."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from caudal.cli import shapes
from caudal.cli.account_reads import register
from caudal.cli.finding import find_account
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import (
    AccountArgument,
    BookOption,
    DryRunOption,
    MetadataOption,
    amount_of,
    metadata_of,
)
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, money
from caudal.ledger import (
    Account,
    AccountAction,
    AccountCommand,
    AccountId,
    BookInfo,
    ChangeLimit,
    ChangeStatus,
    LimitRule,
    OpenAccount,
    Side,
    balance_of,
    limit_of,
)
from caudal_base import ids
from caudal_base.check import check

app = group("Open, show, limit, freeze and close accounts; their balances.")


@on_database(app, "open")
async def open_account(
    operator: Operator,
    currency: Annotated[str, typer.Option(help="ISO 4217: USD, EUR, JPY.")],
    side: Annotated[
        Side,
        typer.Option(help="Where its balance grows: `credit` for what you owe, as a customer's money."),
    ] = Side.CREDIT,
    reference: Annotated[str | None, typer.Option(help="Your own name for it, unique in the book.")] = None,
    code: Annotated[str | None, typer.Option(help="The chart of accounts' code.")] = None,
    limit: Annotated[LimitRule, typer.Option(help="What bounds it.")] = LimitRule.NONE,
    overdraft: Annotated[
        str | None, typer.Option(metavar="UNITS", help="By how much the limit may be passed: 500.00.")
    ] = None,
    metadata: MetadataOption = None,
    dry_run: DryRunOption = False,
    account_id: Annotated[str | None, typer.Option("--id", help="Its id; one is made up by default.")] = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Open an account."""
    found = await operator.book(book)
    if account_id is not None:
        ids.decode(ids.ACCOUNT, account_id)
    wanted = OpenAccount(
        id=AccountId(account_id or operator.new_id(ids.ACCOUNT)),
        currency=currency,
        normal_side=side,
        reference=reference,
        code=code,
        metadata=metadata_of(metadata),
        limit=limit,
        overdraft=amount_of(overdraft, None, currency, field="overdraft") or 0,
    )
    await _carry_out(operator, found, wanted, "account.open", dry_run=dry_run)


@on_database(app, "limit")
async def limit_(
    operator: Operator,
    account: AccountArgument,
    limit: Annotated[LimitRule, typer.Option(help="What bounds it from now on.")],
    overdraft: Annotated[
        str | None, typer.Option(metavar="UNITS", help="By how much the limit may be passed: 500.00.")
    ] = None,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Give an account another limit. Refused where the account already stands beyond it."""
    found = await operator.book(book)
    subject = await find_account(operator, found, account)
    bound = amount_of(overdraft, None, subject.currency, field="overdraft") or 0
    command = ChangeLimit(account=subject.id, limit=limit, overdraft=bound)
    await _carry_out(operator, found, command, "account.limit", dry_run=dry_run)


@on_database(app, "freeze")
async def freeze(
    operator: Operator,
    account: AccountArgument,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Stop an account: no new transfers; open holds may be voided and expire. `unfreeze` takes it back."""
    await _change(operator, book, account, AccountAction.FREEZE, dry_run=dry_run)


@on_database(app, "unfreeze")
async def unfreeze(
    operator: Operator,
    account: AccountArgument,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Let a frozen account go on."""
    await _change(operator, book, account, AccountAction.UNFREEZE, dry_run=dry_run)


@on_database(app, "close")
async def close(
    operator: Operator,
    account: AccountArgument,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Close an account that is at zero and has no open holds. `reopen` takes it back."""
    await _change(operator, book, account, AccountAction.CLOSE, dry_run=dry_run)


@on_database(app, "reopen")
async def reopen(
    operator: Operator,
    account: AccountArgument,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Open a closed account again."""
    await _change(operator, book, account, AccountAction.REOPEN, dry_run=dry_run)


async def _change(operator: Operator, book: str, named: str, action: AccountAction, *, dry_run: bool) -> None:
    found = await operator.book(book)
    account = await find_account(operator, found, named)
    command = ChangeStatus(account=account.id, action=action)
    await _carry_out(operator, found, command, f"account.{action.value}", dry_run=dry_run)


async def _carry_out(
    operator: Operator, book: BookInfo, command: AccountCommand, action: str, *, dry_run: bool
) -> None:
    (outcome,) = await operator.carry_out(book, [command], action, dry_run=dry_run)
    _answer(operator, shapes.accepted(outcome).account, dry_run=dry_run)


def _answer(operator: Operator, account: Account | None, *, dry_run: bool) -> None:
    check(account is not None, "an accepted command on an account has an account")
    if account is None:
        return

    def tell(out: Console) -> None:
        if dry_run:
            out.print(Text("This is how it would stand; nothing was done.", "bold"))
        show(out, account)

    operator.terminal.answer({**shapes.account(account), **({"dry_run": True} if dry_run else {})}, tell)


def show(out: Console, account: Account) -> None:
    """An account for people."""
    currency = account.currency
    stand = balance_of(account, account.version)
    limit, overdraft = limit_of(account)
    bound = None if limit is LimitRule.NONE else limit.value.replace("_", " ")
    if overdraft:
        bound = f"{bound} by more than {money(overdraft, currency)}"
    pending = {"debits": account.debits_pending, "credits": account.credits_pending}
    held = [f"{side} {money(amount, currency)}" for side, amount in pending.items() if amount]
    rows = [
        ("account", account.id),
        ("reference", account.reference),
        ("code", account.code),
        ("normal side", account.normal_side.value),
        ("status", account.status.value),
        ("balance", money(stand.posted, currency)),
        ("available", money(stand.available, currency)),
        ("pending", ", ".join(held)),
        ("limit", bound),
        ("metadata", cell(account.metadata) if account.metadata else None),
        ("opened", account.opened_at),
    ]
    out.print(facts(rows))


register(app, show)
