"""Accounts, balances and entries as callers get them."""

from caudal.api.fields import Time
from caudal.api.views import TransferView, View, transfer_view
from caudal.ledger import (
    Account,
    AccountEvent,
    AccountEventKind,
    AccountStatus,
    Balance,
    Entry,
    LimitRule,
    Metadata,
    Side,
    ValueBalance,
    balance_of,
    limit_of,
)
from caudal_base.errors import InvariantError


class AccountView(View, frozen=True, kw_only=True):
    """An account as it stands. All amounts are in minor units of its currency."""

    id: str
    currency: str
    normal_side: Side
    status: AccountStatus
    balance: int
    """Posted; positive on the normal side."""
    available: int
    """The balance less what is held out of it."""
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    limit: LimitRule
    overdraft: int
    """By how much the limit may be passed."""
    version: int
    """The seq that last touched it."""
    opened_at: Time
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None


class BalanceView(View, frozen=True, kw_only=True):
    """A balance at a moment, in minor units."""

    account: str
    currency: str
    normal_side: Side
    balance: int
    """Posted; positive on the normal side."""
    debits_posted: int
    credits_posted: int
    seq: int
    """The book's last seq that is counted."""
    available: int | None = None
    """The balance less what is held out of it; holds have no value date."""
    debits_pending: int | None = None
    credits_pending: int | None = None
    version: int | None = None
    """The seq that had last touched the account."""
    effective_at: Time | None = None
    """Of a balance by value: the moment."""


class EntryView(View, frozen=True, kw_only=True):
    """A transfer as one of its accounts sees it, with the account's counters after it."""

    seq: int
    side: Side
    amount: int
    """What it moved between posted balances; 0 for holds, voids and expiries."""
    balance: int
    """The posted balance after it."""
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    value_at: Time
    transfer: TransferView


class AccountEventView(View, frozen=True, kw_only=True):
    """An account's opening, or a change of its status or limit."""

    account: str
    kind: AccountEventKind
    status: AccountStatus
    recorded_at: Time
    max_net_debit: int | None = None
    max_net_credit: int | None = None


def account_view(account: Account) -> AccountView:
    """`account` for a caller."""
    if account.opened_at is None:
        raise InvariantError("an account is shown that was loaded in part")
    limit, overdraft = limit_of(account)
    balance = balance_of(account, account.version)
    return AccountView(
        id=account.id,
        currency=account.currency,
        normal_side=account.normal_side,
        status=account.status,
        balance=balance.posted,
        available=balance.available,
        debits_posted=account.debits_posted,
        credits_posted=account.credits_posted,
        debits_pending=account.debits_pending,
        credits_pending=account.credits_pending,
        limit=limit,
        overdraft=overdraft,
        version=account.version,
        opened_at=account.opened_at,
        code=account.code,
        reference=account.reference,
        metadata=account.metadata,
    )


def balance_view(balance: Balance | ValueBalance) -> BalanceView:
    """`balance` for a caller."""
    if isinstance(balance, ValueBalance):
        return BalanceView(
            account=balance.account,
            currency=balance.currency,
            normal_side=balance.normal_side,
            balance=balance.posted,
            debits_posted=balance.debits_posted,
            credits_posted=balance.credits_posted,
            seq=balance.seq,
            effective_at=balance.effective_at,
        )
    return BalanceView(
        account=balance.account,
        currency=balance.currency,
        normal_side=balance.normal_side,
        balance=balance.posted,
        debits_posted=balance.debits_posted,
        credits_posted=balance.credits_posted,
        seq=balance.seq,
        available=balance.available,
        debits_pending=balance.debits_pending,
        credits_pending=balance.credits_pending,
        version=balance.version,
    )


def entry_view(entry: Entry) -> EntryView:
    """`entry` for a caller."""
    return EntryView(
        seq=entry.seq,
        side=entry.side,
        amount=entry.amount,
        balance=entry.balance,
        debits_posted=entry.after.debits_posted,
        credits_posted=entry.after.credits_posted,
        debits_pending=entry.after.debits_pending,
        credits_pending=entry.after.credits_pending,
        value_at=entry.value_at,
        transfer=transfer_view(entry.transfer),
    )


def event_view(event: AccountEvent) -> AccountEventView:
    """`event` for a caller."""
    return AccountEventView(
        account=event.account,
        kind=event.kind,
        status=event.status,
        recorded_at=event.recorded_at,
        max_net_debit=event.max_net_debit,
        max_net_credit=event.max_net_credit,
    )
