"""What a batch of payments writes: set-based statements, one for each kind of thing that changed."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from caudal.connectors import Settlement
from caudal.payments.types import Attempt, Capture, Case, Dispute, Payment, Refund
from caudal_base import arrays
from caudal_base.statements import Statement

_PAYMENT_COLUMNS: Final = (
    "id, kind, state, customer, amount, currency, authorised_amount, captured_amount, refunded_amount, "
    "refunding_amount, disputed_amount, partner, partner_id, reference, version, created_at, updated_at, data"
)

INSERT_PAYMENTS: Final = f"""
insert into payments.payment (book_id, {_PAYMENT_COLUMNS})
select %(book_id)s, {_PAYMENT_COLUMNS}
  from unnest(%(ids)s, %(kinds)s, %(states)s, %(customers)s, %(amounts)s, %(currencies)s, %(authorised)s,
              %(captured)s, %(refunded)s, %(refunding)s, %(disputed)s, %(partners)s, %(partner_ids)s,
              %(references)s, %(versions)s, %(created)s, %(updated)s, %(data)s)
       as batch ({_PAYMENT_COLUMNS})
"""

UPDATE_PAYMENTS: Final = """
update payments.payment as p
   set state = batch.state,
       partner = batch.partner,
       authorised_amount = batch.authorised,
       captured_amount = batch.captured,
       refunded_amount = batch.refunded,
       refunding_amount = batch.refunding,
       disputed_amount = batch.disputed,
       partner_id = batch.partner_id,
       version = batch.version,
       updated_at = batch.updated_at,
       data = batch.data
  from unnest(%(ids)s, %(states)s, %(authorised)s, %(captured)s, %(refunded)s, %(refunding)s, %(disputed)s,
              %(partners)s, %(partner_ids)s, %(versions)s, %(updated)s, %(data)s)
       as batch (id, state, authorised, captured, refunded, refunding, disputed, partner, partner_id, version,
                 updated_at, data)
 where p.book_id = %(book_id)s
   and p.id = batch.id
"""

UPSERT_ATTEMPTS: Final = """
insert into payments.attempt as a (book_id, id, payment_id, operation, state, partner, updated_at, data)
select %(book_id)s, id, payment_id, operation, state, partner, updated_at, data
  from unnest(%(ids)s, %(payments)s, %(operations)s, %(states)s, %(partners)s, %(updated)s, %(data)s)
       as batch (id, payment_id, operation, state, partner, updated_at, data)
    on conflict (book_id, id) do update
   set state = excluded.state,
       updated_at = excluded.updated_at,
       data = excluded.data
"""

UPSERT_CAPTURES: Final = """
insert into payments.capture (book_id, id, payment_id, state, amount, data)
select %(book_id)s, id, payment_id, state, amount, data
  from unnest(%(ids)s, %(payments)s, %(states)s, %(amounts)s, %(data)s)
       as batch (id, payment_id, state, amount, data)
    on conflict (book_id, id) do update
   set state = excluded.state,
       data = excluded.data
"""

UPSERT_REFUNDS: Final = """
insert into payments.refund (book_id, id, payment_id, state, amount, partner_id, data)
select %(book_id)s, id, payment_id, state, amount, partner_id, data
  from unnest(%(ids)s, %(payments)s, %(states)s, %(amounts)s, %(partner_ids)s, %(data)s)
       as batch (id, payment_id, state, amount, partner_id, data)
    on conflict (book_id, id) do update
   set state = excluded.state,
       partner_id = excluded.partner_id,
       data = excluded.data
"""

UPSERT_DISPUTES: Final = """
insert into payments.dispute (book_id, id, payment_id, state, amount, partner, partner_id, data)
select %(book_id)s, id, payment_id, state, amount, partner, partner_id, data
  from unnest(%(ids)s, %(payments)s, %(states)s, %(amounts)s, %(partners)s, %(partner_ids)s, %(data)s)
       as batch (id, payment_id, state, amount, partner, partner_id, data)
    on conflict (book_id, id) do update
   set state = excluded.state,
       data = excluded.data
"""

INSERT_SETTLEMENTS: Final = """
insert into payments.settlement (book_id, partner, partner_id, amount, currency, arrived_at, recorded_at)
select %(book_id)s, partner, partner_id, amount, currency, arrived_at, %(recorded_at)s
  from unnest(%(partners)s, %(partner_ids)s, %(amounts)s, %(currencies)s, %(arrived)s)
       as batch (partner, partner_id, amount, currency, arrived_at)
    on conflict (book_id, partner, partner_id) do nothing
"""

INSERT_LINES: Final = """
insert into payments.settlement_line (book_id, partner, partner_id, settlement, kind, source_id,
                                      payment_partner_id, attempt_id, amount, fee, currency)
select %(book_id)s, partner, partner_id, settlement, kind, source_id, payment_partner_id, attempt_id, amount,
       fee, currency
  from unnest(%(partners)s, %(partner_ids)s, %(settlements)s, %(kinds)s, %(sources)s, %(payments)s,
              %(attempts)s, %(amounts)s, %(fees)s, %(currencies)s)
       as batch (partner, partner_id, settlement, kind, source_id, payment_partner_id, attempt_id, amount,
                 fee, currency)
    on conflict (book_id, partner, partner_id) do nothing
"""

_encoder: Final = msgspec.json.Encoder()


def statements(
    book_id: int, before: dict[str, Case], after: dict[str, Case], settled: Sequence[tuple[str, Settlement]],
    at: dt.datetime,
) -> list[Statement]:  # fmt: skip
    """The statements that turn the loaded cases into those that the batch left."""
    new = [case.payment for id_, case in after.items() if id_ not in before]
    moved = [
        case.payment
        for id_, case in after.items()
        if id_ in before and case.payment is not before[id_].payment
    ]
    attempts: list[Attempt] = []
    captures: list[Capture] = []
    refunds: list[Refund] = []
    disputes: list[Dispute] = []
    for id_, case in after.items():
        old = before.get(id_)
        if case is old:
            continue
        attempts += [a for a in case.attempts if old is None or a not in old.attempts]
        captures += [c for c in case.captures if old is None or c not in old.captures]
        refunds += [r for r in case.refunds if old is None or r not in old.refunds]
        disputes += [d for d in case.disputes if old is None or d not in old.disputes]
    found: list[Statement] = []
    for text, columns in (
        (INSERT_PAYMENTS, _new_columns(new) if new else None),
        (UPDATE_PAYMENTS, _moved_columns(moved) if moved else None),
        (UPSERT_ATTEMPTS, _attempt_columns(attempts) if attempts else None),
        (UPSERT_CAPTURES, _part_columns(captures) if captures else None),
        (UPSERT_REFUNDS, _refund_columns(refunds) if refunds else None),
        (UPSERT_DISPUTES, _dispute_columns(disputes) if disputes else None),
    ):
        if columns is not None:
            found.append(Statement(text, {"book_id": book_id, **columns}))
    return found + (_settlements(book_id, settled, at) if settled else [])


def _moved_columns(payments: Sequence[Payment]) -> dict[str, Any]:
    return {
        "ids": arrays.hex_uuids([p.id for p in payments]),
        "states": arrays.texts([p.state.value for p in payments]),
        "authorised": arrays.bigints([p.authorised_amount for p in payments]),
        "captured": arrays.bigints([p.captured_amount for p in payments]),
        "refunded": arrays.bigints([p.refunded_amount for p in payments]),
        "refunding": arrays.bigints([p.refunding_amount for p in payments]),
        "disputed": arrays.bigints([p.disputed_amount for p in payments]),
        "partners": arrays.texts([p.partner for p in payments]),
        "partner_ids": arrays.texts([p.partner_id for p in payments]),
        "versions": arrays.integers([p.version for p in payments]),
        "updated": arrays.timestamps([p.updated_at for p in payments]),
        "data": _json(payments),
    }


def _new_columns(payments: Sequence[Payment]) -> dict[str, Any]:
    return {
        **_moved_columns(payments),
        "kinds": arrays.texts([p.kind.value for p in payments]),
        "customers": arrays.hex_uuids([p.customer for p in payments]),
        "amounts": arrays.bigints([p.amount for p in payments]),
        "currencies": arrays.texts([p.currency for p in payments]),
        "references": arrays.texts([p.reference for p in payments]),
        "created": arrays.timestamps([p.created_at for p in payments]),
    }


def _attempt_columns(attempts: Sequence[Attempt]) -> dict[str, Any]:
    return {
        "ids": arrays.hex_uuids([a.id for a in attempts]),
        "payments": arrays.hex_uuids([a.payment_id for a in attempts]),
        "operations": arrays.texts([a.operation.value for a in attempts]),
        "states": arrays.texts([a.state.value for a in attempts]),
        "partners": arrays.texts([a.partner for a in attempts]),
        "updated": arrays.timestamps([a.updated_at for a in attempts]),
        "data": _json(attempts),
    }


def _part_columns(parts: Sequence[Capture | Refund | Dispute]) -> dict[str, Any]:
    return {
        "ids": arrays.hex_uuids([p.id for p in parts]),
        "payments": arrays.hex_uuids([p.payment_id for p in parts]),
        "states": arrays.texts([p.state.value for p in parts]),
        "amounts": arrays.bigints([p.amount for p in parts]),
        "data": _json(parts),
    }


def _refund_columns(refunds: Sequence[Refund]) -> dict[str, Any]:
    return {**_part_columns(refunds), "partner_ids": arrays.texts([r.partner_id for r in refunds])}


def _dispute_columns(disputes: Sequence[Dispute]) -> dict[str, Any]:
    return {
        **_part_columns(disputes),
        "partners": arrays.texts([d.partner for d in disputes]),
        "partner_ids": arrays.texts([d.partner_id for d in disputes]),
    }


def _settlements(book_id: int, settled: Sequence[tuple[str, Settlement]], at: dt.datetime) -> list[Statement]:
    heads = {
        "book_id": book_id,
        "recorded_at": at,
        "partners": arrays.texts([partner for partner, _ in settled]),
        "partner_ids": arrays.texts([s.partner_id for _, s in settled]),
        "amounts": arrays.bigints([s.amount for _, s in settled]),
        "currencies": arrays.texts([s.currency for _, s in settled]),
        "arrived": arrays.timestamps([s.arrived_at for _, s in settled]),
    }
    lines = [(partner, s.partner_id, line) for partner, s in settled for line in s.lines]
    found = [Statement(INSERT_SETTLEMENTS, heads)]
    if lines:
        columns = {
            "book_id": book_id,
            "partners": arrays.texts([partner for partner, _, _ in lines]),
            "partner_ids": arrays.texts([line.partner_id for _, _, line in lines]),
            "settlements": arrays.texts([settlement for _, settlement, _ in lines]),
            "kinds": arrays.texts([line.kind.value for _, _, line in lines]),
            "sources": arrays.texts([line.source_id for _, _, line in lines]),
            "payments": arrays.texts([line.payment_partner_id for _, _, line in lines]),
            "attempts": arrays.texts([line.attempt_id for _, _, line in lines]),
            "amounts": arrays.bigints([line.amount for _, _, line in lines]),
            "fees": arrays.bigints([line.fee for _, _, line in lines]),
            "currencies": arrays.texts([line.currency for _, _, line in lines]),
        }
        found.append(Statement(INSERT_LINES, columns))
    return found


def _json(objects: Sequence[msgspec.Struct]) -> arrays.Array:
    return arrays.jsons([_encoder.encode(each) for each in objects])
