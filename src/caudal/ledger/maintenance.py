"""Care for the tables after a large upload."""

from typing import Final

from caudal_base.database import Connection

_ANALYZE: Final = """
analyze ledger.account, ledger.account_state, ledger.account_event, ledger.transfer, ledger.transfer_metadata,
        ledger.effective_day, ledger.batch
"""


async def refresh_statistics(connection: Connection) -> None:
    """Let the planner know how large the tables have become, without waiting for autovacuum to notice.

    A book that has just been filled has no statistics: measured after 49,102 transfers, looking 2,000 of them
    up by id took 0.5 s without and 0.02 s with. Reads a sample, so its cost is bounded; blocks neither
    readers nor writers. Does nothing on tables that belong to another role than the connection's.
    """
    await connection.execute(_ANALYZE)
