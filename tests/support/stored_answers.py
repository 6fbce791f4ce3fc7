"""Answers under idempotency keys, kept as the desks keep them."""

from collections.abc import Sequence
from datetime import datetime

from caudal import idempotency
from caudal.idempotency import Answer, Claim
from caudal_base.database import Connection


async def keep(
    connection: Connection, book_id: int, answers: Sequence[tuple[Claim, Answer]], *, at: datetime
) -> None:
    """Store answers. Raises `Overtaken` where one of the keys has an answer."""
    columns = idempotency.insert_parameters(book_id, answers, at)
    with idempotency.detect_overtaking():
        await connection.execute(idempotency.INSERT, columns)
