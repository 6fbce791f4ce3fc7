"""What every embedded PostgreSQL runs with. Given on its command line, so that it comes with the code."""

import os
from collections.abc import Mapping
from pathlib import Path

PORT = 5432
"""Names the socket's file; nothing listens on TCP."""

_MIB = 1024 * 1024


def memory_bytes() -> int:
    """The memory that this process may use: the machine's, or its container's share."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no control group of version 2, or its limit is "max"
        return machine


def shared_buffers_mib(memory: int) -> int:
    """An eighth of the memory: it shares the machine with the API, and the system caches files as well."""
    return max(64, min(1024, memory // 8 // _MIB))


SAFETY: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "log_min_error_statement": "panic",  # a statement can hold personal data, and logs never do
    "log_error_verbosity": "terse",  # DETAIL quotes the values of rows
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""What is not negotiable."""

SPEED: Mapping[str, str] = {
    "shared_buffers": f"{shared_buffers_mib(memory_bytes())}MB",
    "wal_buffers": "16MB",
    # Checkpoints make the next change of each page expensive: few of them. A crash replays at most about half
    # of this, some 2 GB, which takes seconds.
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    # The wheel has only pglz. Batches of 8,000 transfers cost the server 24.5 µs of CPU a row with it and
    # 17.7 µs without, for 14 % less WAL; on two cores the CPU is what runs out.
    "wal_compression": "off",
    "random_page_cost": "1.1",
    "jit": "off",  # compiling costs more than the ledger's short statements take
    "max_connections": "100",
}
"""What makes a ledger fast on a small machine."""

ARCHIVING: Mapping[str, str] = {
    "wal_level": "replica",
    "max_wal_senders": "6",
    "max_replication_slots": "6",
    # What is kept for a place of backups that is away; past it a new backup is needed, and the disk not full.
    "max_slot_wal_keep_size": "16GB",
}
"""What backups and recovery to a point in time need."""

DEFAULTS: Mapping[str, str] = {**SAFETY, **SPEED, **ARCHIVING}

READ_ONLY: Mapping[str, str] = {"default_transaction_read_only": "on", "autovacuum": "off"}
"""For a server of any version whose data is only to be read."""

UNSAFE_BULK_LOAD: Mapping[str, str] = {
    **DEFAULTS,
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "maintenance_work_mem": "256MB",
}
"""For a cluster that is thrown away unless it is loaded whole; to be synced to disk afterwards."""
