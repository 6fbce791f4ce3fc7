"""Addresses of the internet and devices are personal data: an export has tokens in their place.

The same address has the same token in every export of a book, so that counts and joins by it are right. Who
has the export alone cannot go back: the key that makes the tokens stays in the database.
"""

import contextlib
import hashlib
import ipaddress
import json
from collections.abc import Mapping
from typing import Any, Final

KEY_BYTES: Final = 32
_IP: Final = "ip"
_DEVICE: Final = "device"
_FACTS: Final = "payment."


class Pseudonyms:
    """Makes tokens with a book's key."""

    def __init__(self, key: bytes) -> None:
        """`key` is `KEY_BYTES` long."""
        self._key = key

    def ip(self, address: str) -> str:
        """The token of an address, however it is written."""
        with contextlib.suppress(ValueError):
            address = str(ipaddress.ip_address(address))
        return self._token(_IP, address)

    def device(self, name: str) -> str:
        """The token of a device: people name theirs after themselves."""
        return self._token(_DEVICE, name)

    def _token(self, kind: str, value: str) -> str:
        salt = b"" if kind == _IP else kind.encode()
        made = hashlib.blake2b(value.encode(), key=self._key, digest_size=16, person=salt)
        return f"{kind}_{made.hexdigest()}"

    def entities(self, text: str) -> str:
        """The entities of an event, as JSON. Most have neither, and stay as they are."""
        if f'"{_IP}"' not in text and f'"{_DEVICE}"' not in text:
            return text
        return as_json(self._without(json.loads(text), ""))

    def facts(self, found: Mapping[str, Any]) -> str:
        """What a decision was made on, as JSON."""
        return as_json(self._without(found, _FACTS))

    def _without(self, found: Mapping[str, Any], prefix: str) -> Mapping[str, Any]:
        made = {
            prefix + name: token(str(value))
            for name, token in ((_IP, self.ip), (_DEVICE, self.device))
            if (value := found.get(prefix + name)) is not None
        }
        return {**found, **made}


def as_json(found: Any) -> str:
    """In one way only, so that the same rows are the same bytes."""
    return json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
