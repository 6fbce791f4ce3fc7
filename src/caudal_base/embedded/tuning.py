"""What every embedded PostgreSQL runs with. Given on its command line, so that it comes with the code."""

from collections.abc import Mapping

PORT = 5432
"""Names the socket's file; nothing listens on TCP."""

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

SPEED: Mapping[str, str] = {
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_connections": "100",
}

ARCHIVING: Mapping[str, str] = {
    "wal_level": "replica",
    "max_wal_senders": "6",
    "max_replication_slots": "6",
    "max_slot_wal_keep_size": "16GB",
}

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
