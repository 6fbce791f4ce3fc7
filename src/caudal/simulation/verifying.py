"""Verifying webhooks as a customer does: with what others have written, over the bytes as they came.

`v1` is verified by the library `standardwebhooks`, `v1a` by hand with `cryptography`, as the specification
says ("Signature scheme" of Standard Webhooks 1.0.0): none of our own code takes part.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from caudal_base.errors import CaudalError

GRACE_S: Final = 5.0
"""What is under way when a secret ends may still be signed with it, and customers keep it for so long."""

Verify = Callable[[Mapping[str, str], bytes], bool]


class VerifierMissing(CaudalError):
    """What verifies webhooks independently of us is not installed."""

    code = "verifier_missing"
    status = 500
    title = "The simulation needs a library that is not installed"


def require_verifier() -> None:
    """Refuse to go on without the library that verifies. Raises `VerifierMissing`."""
    _library()


class Key(msgspec.Struct, kw_only=True):
    """A secret that a customer knows, or a public key."""

    signature: str
    made_at: str
    """As the API says it; no two of one endpoint are of the same moment."""
    verify: Verify
    ends: float | None = None
    """From then on nothing is signed with it, in seconds since 1970."""


class Keyring:
    """What one customer verifies with. The newest comes first."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    def add(self, key: Key, *, still: Mapping[str, float], now: float) -> None:
        """Take a new one. Of the others those that `still` sign have their end there; the rest ends `now`."""
        for known in self.keys:
            ends = still.get(known.made_at, now)
            known.ends = ends if known.ends is None else min(known.ends, ends)
        self.keys.insert(0, key)

    def verified_by(self, headers: Mapping[str, str], body: bytes, at: float) -> Key | None:
        """The newest key that signed it, of those that a customer has at the moment `at`."""
        for key in self.keys:
            if (key.ends is None or at < key.ends + GRACE_S) and key.verify(headers, body):
                return key
        return None

    def was_good(self, headers: Mapping[str, str], body: bytes, signed_at: float) -> bool:
        """Whether a key signed it that was in force then, though it may have ended since."""
        return any(
            key.ends is not None and signed_at < key.ends and key.verify(headers, body) for key in self.keys
        )


def hmac_key(secret: str) -> Verify:
    """Verifies `v1` with `whsec_…`."""
    library: Any = _library()
    webhook = library.Webhook(secret)

    def verify(headers: Mapping[str, str], body: bytes) -> bool:
        try:
            webhook.verify(body, headers, json_parse=False)
        except (library.WebhookVerificationError, ValueError):
            return False
        return True

    return verify


def public_key(text: str) -> Verify:
    """Verifies `v1a` with `whpk_…`."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(text.removeprefix("whpk_")))

    def verify(headers: Mapping[str, str], body: bytes) -> bool:
        content = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        for part in headers.get("webhook-signature", "").split(" "):
            version, _, signature = part.partition(",")
            if version != "v1a":
                continue
            try:
                key.verify(base64.b64decode(signature, validate=True), content)
            except (InvalidSignature, binascii.Error):
                continue
            return True
        return False

    return verify


def _library() -> Any:
    try:
        from standardwebhooks import webhooks
    except ImportError as error:
        raise VerifierMissing("it verifies webhooks: pip install 'caudal[simulation]'") from error
    return webhooks
