"""Answers to POSTs that carried an `Idempotency-Key`: one effect per key, its first final answer replayed."""

from caudal.idempotency.errors import InvalidIdempotencyKey, KeyReused, Overtaken, detect_overtaking
from caudal.idempotency.rules import HEADER, decide, fingerprint, is_final, parse_key, plan
from caudal.idempotency.service import PURGE_LIMIT, lookup, purge, run_once
from caudal.idempotency.store import (
    INSERT,
    LOOKUP,
    found,
    insert_parameters,
    lookup_parameters,
    queue_lookup,
)
from caudal.idempotency.types import (
    RETENTION,
    Answer,
    Claim,
    Decision,
    Done,
    Follow,
    Fresh,
    Headers,
    Plan,
    Replay,
    Stored,
)

__all__ = [
    "HEADER",
    "INSERT",
    "LOOKUP",
    "PURGE_LIMIT",
    "RETENTION",
    "Answer",
    "Claim",
    "Decision",
    "Done",
    "Follow",
    "Fresh",
    "Headers",
    "InvalidIdempotencyKey",
    "KeyReused",
    "Overtaken",
    "Plan",
    "Replay",
    "Stored",
    "decide",
    "detect_overtaking",
    "fingerprint",
    "found",
    "insert_parameters",
    "is_final",
    "lookup",
    "lookup_parameters",
    "parse_key",
    "plan",
    "purge",
    "queue_lookup",
    "run_once",
]
