"""Versions that are kept for ever, and which of them counts: the one that was published last.

A room that has such versions keeps them in `rule_set` of its schema, and each publication in `publication`,
where a number counts the publications of a book. Writes are made under the book's lock.
"""

import datetime as dt

from caudal_base.database import Connection


class Publications:
    """The statements on one schema's versions."""

    def __init__(self, schema: str) -> None:
        """`schema` is a word of ours, and nobody else's."""
        self._current = f"""
select version
  from {schema}.publication
 where book_id = %(book_id)s
 order by number desc
 limit 1
"""
        self._publish = f"""
insert into {schema}.publication (book_id, number, version, published_at, published_by)
select %(book_id)s,
       coalesce((select max(number) from {schema}.publication where book_id = %(book_id)s), 0) + 1,
       %(version)s, %(at)s, %(by)s
"""
        self._latest = f"""
select version
  from {schema}.rule_set
 where book_id = %(book_id)s
   and version < %(before)s
 order by version desc
 limit %(limit)s
"""

    async def publish(
        self, connection: Connection, book_id: int, version: int, at: dt.datetime, by: str
    ) -> None:
        """Make a version the current one."""
        parameters = {"book_id": book_id, "version": version, "at": at, "by": by}
        await connection.execute(self._publish.encode(), parameters)

    async def latest(self, connection: Connection, book_id: int, *, before: int, limit: int) -> list[int]:
        """The numbers of up to `limit` versions below `before`, the newest first."""
        parameters = {"book_id": book_id, "before": before, "limit": limit}
        return [
            row[0] for row in await (await connection.execute(self._latest.encode(), parameters)).fetchall()
        ]

    async def current(self, connection: Connection, book_id: int) -> int | None:
        """Which version was published last; None: none ever was."""
        row = await (await connection.execute(self._current.encode(), {"book_id": book_id})).fetchone()
        return None if row is None else int(row[0])
