"""What is read of payments: cases whole, by whatever they are known by."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.payments.types import Attempt, Capture, Case, Dispute, Payment, Refund
from caudal_base import arrays, ids
from caudal_base.database import Connection

T = TypeVar("T")

_PAYMENTS: Final = """
select data::text
  from payments.payment
 where book_id = %s
   and id = any(%s)
"""

_PARTS: Final = {
    name: f"""
select payment_id, data::text
  from payments.{name}
 where book_id = %s
   and payment_id = any(%s)
 order by id
"""
    for name in ("attempt", "capture", "refund", "dispute")
}

# One seek an id: the limit keeps the planner from hashing the table where it has no statistics yet.
_OF_ATTEMPTS: Final = """
select a.payment_id
  from unnest(%s) as wanted (id)
 cross join lateral (
        select payment_id
          from payments.attempt
         where book_id = %s
           and id = wanted.id
         limit 1
       ) a
"""

_LANES: Final = """
select a.id, coalesce(p.data -> 'route' ->> 'rule', ''), p.data ->> 'method'
  from unnest(%(attempts)s) as wanted (id)
 cross join lateral (
        select id, payment_id
          from payments.attempt
         where book_id = %(book_id)s
           and id = wanted.id
         limit 1
       ) a
  join payments.payment p
    on p.book_id = %(book_id)s and p.id = a.payment_id
"""

_SETTLEMENTS: Final = """
select s.partner, s.partner_id
  from unnest(%(partners)s, %(partner_ids)s) as wanted (partner, partner_id)
  join payments.settlement s
    on s.book_id = %(book_id)s and s.partner = wanted.partner and s.partner_id = wanted.partner_id
"""

_BY_PARTNER: Final = {
    name: f"""
select found.id
  from unnest(%s, %s) as wanted (partner, partner_id)
 cross join lateral (
        select {column} as id
          from payments.{name}
         where book_id = %s
           and {condition}
           and partner_id = wanted.partner_id
         limit 1
       ) found
"""
    for name, column, condition in (
        ("payment", "id", "partner = wanted.partner"),
        ("refund", "payment_id", "partner_id is not null"),
        ("dispute", "payment_id", "partner = wanted.partner"),
    )
}

PAYMENT: Final = msgspec.json.Decoder(Payment)
PART_DECODERS: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    "attempt": msgspec.json.Decoder(Attempt),
    "capture": msgspec.json.Decoder(Capture),
    "refund": msgspec.json.Decoder(Refund),
    "dispute": msgspec.json.Decoder(Dispute),
}


class Known:
    """Under what names payments are looked for."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.payments: set[str] = set()
        self.attempts: set[str] = set()
        self.partner_ids: set[tuple[str, str]] = set()
        """Partners' ids of payments, refunds or disputes, each with its partner."""

    def __bool__(self) -> bool:
        return bool(self.payments or self.attempts or self.partner_ids)


async def find(connection: Connection, book_id: int, known: Known) -> set[str]:
    """The ids of the payments that are known by these names, as far as they exist: one round trip."""
    found = set(known.payments)
    cursors: list[AsyncCursor[TupleRow]] = []
    attempts = [a for a in known.attempts if _is(a, ids.ATTEMPT)]
    async with connection.pipeline():
        if attempts:
            cursors.append(await connection.execute(_OF_ATTEMPTS, (arrays.hex_uuids(attempts), book_id)))
        if known.partner_ids:
            pairs = sorted(known.partner_ids)
            columns = (
                arrays.texts([partner for partner, _ in pairs]),
                arrays.texts([partner_id for _, partner_id in pairs]),
                book_id,
            )
            cursors += [await connection.execute(text, columns) for text in _BY_PARTNER.values()]
        for cursor in cursors:
            found.update(ids.encode(ids.PAYMENT, row[0]) for row in await cursor.fetchall())
    return found


async def load(connection: Connection, book_id: int, payment_ids: Sequence[str]) -> list[Case]:
    """The cases of payments, of those that exist: one round trip."""
    if not payment_ids:
        return []
    parameters = (book_id, arrays.hex_uuids(payment_ids))
    parts: dict[str, dict[str, list[Any]]] = {}
    async with connection.pipeline():
        payments = await connection.execute(_PAYMENTS, parameters)
        cursors = {
            name: await connection.execute(statement, parameters) for name, statement in _PARTS.items()
        }
        found = [PAYMENT.decode(row[0]) for row in await payments.fetchall()]
        for name, cursor in cursors.items():
            of_payment: dict[str, list[Any]] = {}
            for payment_id, data in await cursor.fetchall():
                part = PART_DECODERS[name].decode(data)
                of_payment.setdefault(ids.encode(ids.PAYMENT, payment_id), []).append(part)
            parts[name] = of_payment
    return [
        Case(
            payment=payment,
            attempts=tuple(parts["attempt"].get(payment.id, ())),
            captures=tuple(parts["capture"].get(payment.id, ())),
            refunds=tuple(parts["refund"].get(payment.id, ())),
            disputes=tuple(parts["dispute"].get(payment.id, ())),
        )
        for payment in found
    ]


async def lanes_of(
    connection: Connection, book_id: int, attempts: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """By the keys of `attempts`, the rule and the method of each one's payment, as far as they are ours."""
    known = {key: attempt for key, attempt in attempts.items() if _is(attempt, ids.ATTEMPT)}
    if not known:
        return {}
    wanted = arrays.hex_uuids(sorted(set(known.values())))
    cursor = await connection.execute(_LANES, {"book_id": book_id, "attempts": wanted})
    found = {ids.encode(ids.ATTEMPT, row[0]): (row[1], row[2]) for row in await cursor.fetchall()}
    return {key: found[attempt] for key, attempt in known.items() if attempt in found}


async def recorded_settlements(
    connection: Connection, book_id: int, wanted: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Which of the settlements `wanted`, by partner and its id, have been recorded."""
    parameters = {
        "book_id": book_id,
        "partners": arrays.texts([partner for partner, _ in wanted]),
        "partner_ids": arrays.texts([partner_id for _, partner_id in wanted]),
    }
    cursor = await connection.execute(_SETTLEMENTS, parameters)
    return {(row[0], row[1]) for row in await cursor.fetchall()}


def _is(text: str, prefix: str) -> bool:
    """Whether a text that came from a partner is an id of ours at all."""
    try:
        ids.decode(prefix, text)
    except ids.InvalidId:
        return False
    return True
