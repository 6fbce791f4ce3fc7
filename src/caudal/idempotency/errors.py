"""What a bad or reused idempotency key leads to.

InvalidRequest
└── InvalidIdempotencyKey   400  malformed, so nothing is kept of it
Unprocessable
└── KeyReused               422  the key has already answered another request
SerializationFailure
└── Overtaken                    another transaction answered first: run this one again
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from caudal_base.errors import InvalidRequest, Unprocessable


class InvalidIdempotencyKey(InvalidRequest):
    """`Idempotency-Key` is missing where it is needed, or no 1 to 255 printable ASCII characters."""

    code = "invalid_idempotency_key"
    title = "The idempotency key is not valid"


class KeyReused(Unprocessable):
    """The key belongs to a request with another method, path or body. Nothing was done."""

    code = "idempotency_key_reused"
    title = "This idempotency key was used for another request"


class Overtaken(psycopg.errors.SerializationFailure):
    """Another transaction has answered one of these keys since they were looked up.

    A serialization failure found on our side, and to be treated as one (`classify`: transient): roll back
    and run again. The lookup then finds the answer.
    """


@contextmanager
def detect_overtaking() -> Iterator[None]:
    """Raise `Overtaken` where a statement within stores an answer under a key that has one by now."""
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != "answer_pkey":
            raise
        raise Overtaken("another transaction has answered one of these idempotency keys") from error
