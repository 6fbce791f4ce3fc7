"""The audit log: who did what, to what, from where, with what result; one record per command.

A room appends its records in the transaction of their effects. A record is canonical JSON (`rules.leaf`),
made to become a leaf of an RFC 6962 tree.

**The order of sealing.** A tree can only take records that no open transaction can still precede. Ids
follow the clock and give no such promise; `audit.record.inserted_by`, the number of the inserting
transaction (`xid8`), does: once `inserted_by < pg_snapshot_xmin(pg_current_snapshot())`, that transaction
has ended and no later one can take a smaller number. So a sealer takes these rows in the order
(`inserted_by`, `id`) and never has to insert a leaf before one that is sealed. The numbers are those of one
server: a book is sealed on the server that wrote it, and before a logical dump is loaded elsewhere.
"""

from caudal.audit.errors import RecordRefused
from caudal.audit.rules import leaf
from caudal.audit.service import append, page, verify
from caudal.audit.store import INSERT, insert_parameters, queue_append
from caudal.audit.types import DEPLOYMENT, Details, Mismatch, Page, Query, Record, Stored, Verification

__all__ = [
    "DEPLOYMENT",
    "INSERT",
    "Details",
    "Mismatch",
    "Page",
    "Query",
    "Record",
    "RecordRefused",
    "Stored",
    "Verification",
    "append",
    "insert_parameters",
    "leaf",
    "page",
    "queue_append",
    "verify",
]
