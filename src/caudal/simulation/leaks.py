"""Whether a card number or a secret has come to stand where it must not: in the database, in a log."""

from collections.abc import Mapping
from pathlib import Path

from caudal.simulation import store
from caudal_base.database import Database


async def search(database: Database, logs: list[Path], canaries: Mapping[str, str]) -> list[str]:
    """Where each of `canaries`, text by name, is found. The names are told, never the texts."""
    found = []
    wanted = {name: text.encode() for name, text in canaries.items()}
    async with database.connection() as connection:
        for schema, table in await store.tables(connection):
            content = await store.contents(connection, schema, table)
            found += [f"{name} in {schema}.{table}" for name, text in wanted.items() if text in content]
    for log in logs:
        content = log.read_bytes() if log.exists() else b""
        found += [f"{name} in {log.name}" for name, text in wanted.items() if text in content]
    return found
