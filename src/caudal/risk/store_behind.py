"""The SQL of how far features and labels are behind the book's events."""

from typing import Final

from caudal.risk.types import Behind
from caudal_base.database import Connection

# Seeks. A book for which nothing is published is not followed, so nobody waits; what was told before its
# first publication has been waited for since then.
BEHIND: Final = """
select head.seq - place.seq, case when next.at is not null then greatest(next.at, published.at) end
  from (
       select least(
                  (select created_at
                     from features.feature_set
                    where book_id = %(book_id)s
                    order by version
                    limit 1),
                  (select published_at
                     from rules.publication
                    where book_id = %(book_id)s
                    order by number
                    limit 1),
                  (select at
                     from models.serving
                    where book_id = %(book_id)s
                    order by version
                    limit 1)
              ) as at
       ) as published
 cross join (
       select coalesce((select seq
                          from risk.followed
                         where book_id = %(book_id)s), 0) as seq
       ) as place
  join events.head as head
    on head.book_id = %(book_id)s
  left join events.event as next
    on next.book_id = %(book_id)s
   and next.seq = place.seq + 1
 where published.at is not null
"""


async def behind(connection: Connection, book_id: int) -> Behind:
    """How far features and labels are behind; not at all where nothing is published, or nothing was told."""
    row = await (await connection.execute(BEHIND, {"book_id": book_id})).fetchone()
    return Behind(events=0, since=None) if row is None else Behind(events=row[0], since=row[1])
