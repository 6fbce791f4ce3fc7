"""The columns in which accounts, transfers and journal entries are read, and what makes structs of them."""

from typing import Final

import msgspec
from psycopg.rows import TupleRow

from caudal.ledger.book import is_kept
from caudal.ledger.codes import KIND_OF, STATUS_OF, account_id, transaction_id, transfer_id
from caudal.ledger.types import (
    Account,
    AccountId,
    Posting,
    Side,
    Terms,
    Transaction,
    TransactionId,
    Transfer,
    TransferId,
)

TRANSFER_COLUMNS: Final = """
       t.seq, t.id, t.recorded_at, t.debit_account_no, t.credit_account_no, d.id, c.id, d.currency,
       t.amount, t.kind,
       t.debit_debits_posted, t.debit_credits_posted, t.debit_debits_pending, t.debit_credits_pending,
       t.credit_debits_posted, t.credit_credits_posted, t.credit_debits_pending, t.credit_credits_pending,
       t.related_seq, r.id, t.group_seq, t.effective_at, t.code, t.reference, t.metadata, t.terms
"""
"""Of `transfer t`, its accounts `d` and `c`, and `r`, which it relates to; read by `transfer_of`."""

TRANSFER_JOINS: Final = """
  join ledger.account d
    on d.book_id = t.book_id and d.account_no = t.debit_account_no
  join ledger.account c
    on c.book_id = t.book_id and c.account_no = t.credit_account_no
  left join ledger.transfer r
    on r.book_id = t.book_id and r.seq = t.related_seq
"""

TRANSACTION_COLUMNS: Final = """
       id, first_seq, last_seq, recorded_at, postings, effective_at, code, reference, metadata, template,
       beyond_limits
"""

ACCOUNT_COLUMNS: Final = """
       a.account_no, a.id, a.currency, a.normal_side, s.status,
       s.debits_posted, s.credits_posted, s.debits_pending, s.credits_pending,
       s.max_net_debit, s.max_net_credit, s.version, s.next_expiry,
       a.code, a.reference, a.metadata, a.opened_at
"""
"""Of `account a` and its `account_state s`; read by `account_of`."""


def transfer_of(row: TupleRow) -> Transfer:
    """The transfer of a row of `TRANSFER_COLUMNS`."""
    return Transfer(
        row[0], TransferId(transfer_id(row[1])), row[2], row[3], row[4],
        AccountId(account_id(row[5])), AccountId(account_id(row[6])), row[7], row[8], KIND_OF[row[9]],
        (row[10], row[11], row[12], row[13]), (row[14], row[15], row[16], row[17]),
        row[18], None if row[19] is None else TransferId(transfer_id(row[19])), row[20],
        row[21], row[22], row[23], row[24],
        None if row[25] is None else msgspec.convert(row[25], Terms),
    )  # fmt: skip


def account_of(row: TupleRow) -> Account:
    """The account of a row of `ACCOUNT_COLUMNS`."""
    id_ = AccountId(account_id(row[1]))
    return Account(
        no=row[0], id=id_, kept=is_kept(id_, row[14]), currency=row[2], normal_side=Side(row[3]),
        status=STATUS_OF[row[4]], debits_posted=row[5], credits_posted=row[6],
        debits_pending=row[7], credits_pending=row[8],
        max_net_debit=row[9], max_net_credit=row[10], version=row[11], next_expiry=row[12],
        code=row[13], reference=row[14], metadata=row[15], opened_at=row[16],
    )  # fmt: skip


def transaction_of(row: TupleRow) -> Transaction:
    """The journal entry of a row of `TRANSACTION_COLUMNS`."""
    return Transaction(
        id=TransactionId(transaction_id(row[0])), first_seq=row[1], last_seq=row[2], recorded_at=row[3],
        postings=msgspec.convert(row[4], tuple[Posting, ...]), effective_at=row[5], code=row[6],
        reference=row[7], metadata=row[8], template=row[9], beyond_limits=row[10],
    )  # fmt: skip
