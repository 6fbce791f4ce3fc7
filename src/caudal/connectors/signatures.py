"""How partners sign webhooks, and how each way is checked over the raw bytes.

A `Scheme` answers with what the signature vouches for. The signature is looked at before the time, so
that `TOO_OLD` is only ever said of what the partner really signed. Schemes differ in two more respects:

- Plaid signs a JWT with a public key that its header names and that has to be fetched. Its scheme is a
  `KeyedScheme`: `verify` is pure over the keys at hand and raises `KeyNeeded` for others, whoever received
  the webhook awaits `learn`, and verifies again.
- Marqeta signs the body alone (HMAC, with basic authentication beside it) and no time. Its scheme answers
  `Signed(id=None, at=None)`: age cannot be told, so only the event's own token keeps repeats out.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from caudal.connectors.errors import RefusalReason, WebhookRefused
from caudal_base.secret import Secret

TOLERANCE: Final = dt.timedelta(minutes=5)
"""How far a signature's time may be from ours, either way; what Stripe and Standard Webhooks recommend."""

MOST_SIGNATURES: Final = 16
"""Signatures that are looked at in one header: two or three while secrets rotate, never so many."""


class Signed(msgspec.Struct, frozen=True):
    """What a signature vouches for beside the body."""

    id: str | None
    """The message's id, where the scheme signs one."""
    at: dt.datetime | None
    """When it was signed, where the scheme says so. A repeated delivery is signed anew."""


class Scheme(Protocol):
    """One way of signing."""

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Signed:
        """What the signature in `headers` (lower-case names) vouches for. Raises `WebhookRefused`."""


class KeyedScheme(Scheme, Protocol):
    """A scheme whose public keys are fetched; its `verify` raises `KeyNeeded` for those it does not have."""

    async def learn(self, key_id: str) -> bool:
        """Fetch a key; whether the partner has it. Bounded: a forger may name as many as he likes."""


class StripeScheme:
    """Stripe's: `stripe-signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`, HMAC-SHA256 over `<t>.<body>`.

    Several `v1` come while the endpoint's secret is rotated. Other schemes in the header (`v0`) are ignored.
    """

    HEADER: Final = "stripe-signature"

    def __init__(self, secrets: Sequence[Secret], *, tolerance: dt.timedelta = TOLERANCE) -> None:
        """A webhook is good when any of `secrets` signed it."""
        self._secrets = tuple(secrets)
        self._tolerance = tolerance

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Signed:
        """When it was signed. Raises `WebhookRefused`."""
        header = headers.get(self.HEADER)
        if not header:
            raise WebhookRefused(RefusalReason.MISSING, f"no {self.HEADER} header")
        parts = [part.strip().partition("=") for part in header.split(",")]
        times = [value for name, _, value in parts if name == "t"]
        given = [value for name, _, value in parts if name == "v1"]
        if not times or not given:
            raise WebhookRefused(RefusalReason.MISSING, f"{self.HEADER} has no time or no v1 signature")
        if len(times) > 1 or len(given) > MOST_SIGNATURES:
            raise WebhookRefused(RefusalReason.MALFORMED, f"{self.HEADER} says too much")
        at = _moment(times[0])
        content = times[0].encode() + b"." + body
        wanted = [digest(secret.reveal().encode(), content).hex().encode() for secret in self._secrets]
        require_match(wanted, [signature.encode() for signature in given])
        _require_near(at, now, self._tolerance)
        return Signed(id=None, at=at)


class StandardWebhooks:
    """Standard Webhooks, `v1`: HMAC-SHA256 over `<id>.<seconds>.<body>`, base64, several by spaces.

    The specification is at standardwebhooks.com; secrets are `whsec_` and base64. Asymmetric signatures
    (`v1a`) in the same header are ignored.
    """

    PREFIX: Final = "whsec_"

    def __init__(self, secrets: Sequence[Secret], *, tolerance: dt.timedelta = TOLERANCE) -> None:
        """A webhook is good when any of `secrets` signed it. `ValueError` for one that is no base64."""
        self._keys = tuple(_standard_key(secret) for secret in secrets)
        self._tolerance = tolerance

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Signed:
        """The message's id, and when it was signed. Raises `WebhookRefused`."""
        message_id = headers.get("webhook-id")
        time = headers.get("webhook-timestamp")
        signatures = headers.get("webhook-signature")
        if not message_id or not time or not signatures:
            raise WebhookRefused(
                RefusalReason.MISSING, "webhook-id, webhook-timestamp and webhook-signature are needed"
            )
        pairs = [signature.partition(",") for signature in signatures.split()]
        given = [value for version, _, value in pairs if version == "v1"]
        if not given:
            raise WebhookRefused(RefusalReason.MISSING, "webhook-signature has no v1 signature")
        # With a full stop in the id, the same signed text could be cut into parts in another way.
        if "." in message_id or not message_id.isascii() or len(given) > MOST_SIGNATURES:
            raise WebhookRefused(RefusalReason.MALFORMED, "webhook-id or webhook-signature is out of form")
        at = _moment(time)
        content = f"{message_id}.{time}.".encode() + body
        wanted = [base64.b64encode(digest(key, content)) for key in self._keys]
        require_match(wanted, [signature.encode() for signature in given])
        _require_near(at, now, self._tolerance)
        return Signed(id=message_id, at=at)


def _standard_key(secret: Secret) -> bytes:
    text = secret.reveal().removeprefix(StandardWebhooks.PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("a secret of Standard Webhooks is whsec_ and base64")
    return key


def digest(key: bytes, content: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.digest(key, content, hashlib.sha256)


def require_match(wanted: Sequence[bytes], given: Sequence[bytes]) -> None:
    """Refuse unless one of `given` is one of `wanted`. Takes as long for a near miss as for any other."""
    matches = [hmac.compare_digest(ours, theirs) for ours in wanted for theirs in given]
    if not any(matches):
        raise WebhookRefused(RefusalReason.NO_MATCH, "no signature is by one of our secrets")


_SECONDS: Final = re.compile(r"[0-9]{1,11}", re.ASCII)


def _moment(seconds: str) -> dt.datetime:
    if not _SECONDS.fullmatch(seconds):
        raise WebhookRefused(RefusalReason.MALFORMED, "the signature's time is no count of seconds")
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC)


def _require_near(at: dt.datetime, now: dt.datetime, tolerance: dt.timedelta) -> None:
    if at < now - tolerance:
        raise WebhookRefused(RefusalReason.TOO_OLD, "signed too long ago")
    if at > now + tolerance:
        raise WebhookRefused(RefusalReason.TOO_NEW, "signed too far in the future")
