"""Statements as callers get them."""

import datetime as dt
from typing import Self

from caudal.api.fields import Time
from caudal.api.views import TransferView, View, transfer_view
from caudal.ledger import Basis, Side, Statement, StatementLine


class StatementHead(View, frozen=True, kw_only=True):
    """What a statement says beside its lines. Balances are posted ones, positive on the normal side."""

    account: str
    currency: str
    normal_side: Side
    basis: Basis
    from_day: dt.date
    through_day: dt.date
    opening_balance: int
    closing_balance: int
    through_seq: int
    """What is recorded later is not in it."""

    @classmethod
    def of(cls, statement: Statement) -> Self:
        """`statement` for a caller."""
        return cls(
            account=statement.account.id,
            currency=statement.account.currency,
            normal_side=statement.account.normal_side,
            basis=statement.basis,
            from_day=statement.from_day,
            through_day=statement.through_day,
            opening_balance=statement.opening_balance,
            closing_balance=statement.closing_balance,
            through_seq=statement.through_seq,
        )


class LineView(View, frozen=True, kw_only=True):
    """An entry, with the posted balance after it in the statement's own order."""

    seq: int
    side: Side
    amount: int
    balance: int
    value_at: Time
    transfer: TransferView


class StatementView(StatementHead, frozen=True, kw_only=True):
    """A statement with its lines: as many as there are, streamed."""

    lines: tuple[LineView, ...]


def line_view(line: StatementLine) -> LineView:
    """`line` for a caller."""
    entry = line.entry
    return LineView(
        seq=entry.seq,
        side=entry.side,
        amount=entry.amount,
        balance=line.balance,
        value_at=entry.value_at,
        transfer=transfer_view(entry.transfer),
    )
