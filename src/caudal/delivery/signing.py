"""Secrets and signatures of Standard Webhooks: `v1` and `v1a`. Pure but for making secrets.

Source: the Standard Webhooks specification 1.0.0, "Signature scheme": what is signed is
`<id>.<seconds>.<body>`; a header has one signature per secret, by spaces, each `<identifier>,<base64>`.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from caudal.delivery.types import Signature
from caudal_base.secret import Secret

SECRET_BYTES: Final = 32
"""Of an HMAC secret: the specification wants 24 to 64."""

Signer = Callable[[bytes], bytes]
"""From what is signed to one signature of the header."""


class NewSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that was just made."""

    signature: Signature
    raw: bytes
    """What is kept, sealed: the HMAC key, or the seed of the ed25519 key."""
    public_key: str | None
    """`whpk_…`"""

    @property
    def shown(self) -> Secret | None:
        """What the endpoint needs and we show once: `whsec_…`; None where the public key is enough."""
        if self.signature is Signature.V1A:
            return None
        return Secret("whsec_" + base64.b64encode(self.raw).decode())


def new_secret(signature: Signature, entropy: Callable[[int], bytes] = os.urandom) -> NewSecret:
    """A secret of the wanted kind."""
    raw = entropy(SECRET_BYTES)
    public_key = None
    if signature is Signature.V1A:
        public = Ed25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
        public_key = "whpk_" + base64.b64encode(public).decode()
    return NewSecret(signature=signature, raw=raw, public_key=public_key)


def signer(signature: Signature, raw: bytes) -> Signer:
    """Signs with one secret."""
    if signature is Signature.V1A:
        key = Ed25519PrivateKey.from_private_bytes(raw)
        return lambda content: b"v1a," + base64.b64encode(key.sign(content))
    return lambda content: b"v1," + base64.b64encode(hmac.digest(raw, content, hashlib.sha256))


def headers(signers: Sequence[Signer], message_id: str, seconds: int, body: bytes) -> list[tuple[str, str]]:
    """The three headers of a webhook: its id, the attempt's time, a signature by each secret."""
    content = f"{message_id}.{seconds}.".encode() + body
    signatures = b" ".join([sign(content) for sign in signers])
    return [
        ("webhook-id", message_id),
        ("webhook-timestamp", str(seconds)),
        ("webhook-signature", signatures.decode()),
    ]
