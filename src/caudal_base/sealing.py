"""Secrets that have to be read again, at rest: AES-256-GCM under a key that is not in the database.

A sealed text is one byte of version, four bytes that name the key, a nonce of twelve, and the ciphertext with
its tag. The context is authenticated with it (what the secret belongs to), so that a row cannot be moved to
another. A random nonce is safe for 2^32 seals under one key (NIST SP 800-38D, 8.3); secrets are far fewer.

The keys come from `sealing_key`: 32 bytes in base64, or several by commas, of which the first seals and all
open. In development, where none is set, one is made in the data directory at first use.
"""

import base64
import binascii
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from caudal_base.errors import CaudalError
from caudal_base.secret import Secret

FILE: Final = "sealing.key"
"""The key of development, in the data directory."""

KEY_BYTES: Final = 32

_VERSION: Final = b"\x01"
_NAME_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_BODY: Final = len(_VERSION) + _NAME_BYTES + _NONCE_BYTES


class SealBroken(CaudalError):
    """What was sealed cannot be opened: under another key, for something else, or changed."""

    code = "seal_broken"
    title = "A sealed secret cannot be opened with the keys at hand"


class InvalidSealingKey(CaudalError):
    """The key's text is not 32 bytes in base64. The message holds nothing of it."""

    code = "invalid_sealing_key"
    title = "The sealing key is not valid"


class Sealing:
    """Seals and opens. The keys are read at the first use, so that who seals nothing needs none."""

    def __init__(self, keys: Secret | None, directory: Path) -> None:
        """`keys` as the setting has them; None is the key in `directory`, made there if there is none."""
        self._text = keys
        self._directory = directory
        self._keys: dict[bytes, AESGCM] = {}
        self._first = b""

    def seal(self, secret: bytes, *, context: str) -> bytes:
        """`secret`, sealed for `context`. Raises `InvalidSealingKey`, `OSError` where no key can be made."""
        self._load()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[self._first].encrypt(nonce, secret, context.encode())
        return _VERSION + self._first + nonce + sealed

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """What was sealed for `context`. Raises `SealBroken`, and what `seal` does."""
        self._load()
        key = self._keys.get(sealed[1 : 1 + _NAME_BYTES])
        if sealed[:1] != _VERSION or key is None:
            raise SealBroken("it was sealed under a key that is not here")
        try:
            return key.decrypt(sealed[_BODY - _NONCE_BYTES : _BODY], sealed[_BODY:], context.encode())
        except InvalidTag:
            raise SealBroken("it was changed, or sealed for something else") from None

    def _load(self) -> None:
        if self._keys:
            return
        text = self._text.reveal() if self._text is not None else _kept_in(self._directory)
        for raw in keys_of(text):
            name = hashlib.sha256(raw).digest()[:_NAME_BYTES]
            self._first = self._first or name
            self._keys[name] = AESGCM(raw)


def keys_of(text: str) -> list[bytes]:
    """The keys in a setting's text. Raises `InvalidSealingKey`."""
    keys = []
    for part in text.split(","):
        try:
            keys.append(base64.b64decode(part.strip(), validate=True))
        except binascii.Error:
            raise InvalidSealingKey("a sealing key is 32 bytes in base64") from None
        if len(keys[-1]) != KEY_BYTES:
            raise InvalidSealingKey("a sealing key is 32 bytes in base64")
    return keys


def _kept_in(directory: Path) -> str:
    """The key of development: whoever comes first makes it, and the others read that one."""
    file = directory / FILE
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=directory, prefix=FILE)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "w") as opened:
                opened.write(base64.b64encode(os.urandom(KEY_BYTES)).decode() + "\n")
                opened.flush()
                os.fsync(opened.fileno())
            file.hardlink_to(fresh)  # fails where another process was faster
        except FileExistsError:
            return file.read_text().strip()
        finally:
            fresh.unlink()
    return file.read_text().strip()
