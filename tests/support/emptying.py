"""Tables without rows, where tests that cannot have a book of their own share a database."""

from psycopg import sql

from caudal_base.database import Database


async def empty(database: Database, *tables: str) -> None:
    """Remove all rows of the tables, each named with its schema.

    Nobody may truncate the audit log, its owner neither, but the owner may grant it to itself.
    """
    names = sql.SQL(", ").join(sql.Identifier(*table.split(".")) for table in tables)
    async with database.transaction() as connection:
        await connection.execute("grant truncate on audit.record to current_user")
        await connection.execute(sql.SQL("truncate {}").format(names))
        await connection.execute("revoke truncate on audit.record from current_user")
