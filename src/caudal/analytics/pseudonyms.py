"""Addresses of the internet are personal data: an export has tokens in their place.

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
_FACT: Final = "payment.ip"


class Pseudonyms:
    """Makes tokens with a book's key."""

    def __init__(self, key: bytes) -> None:
        """`key` is `KEY_BYTES` long."""
        self._key = key

    def ip(self, address: str) -> str:
        """The token of an address, however it is written."""
        with contextlib.suppress(ValueError):
            address = str(ipaddress.ip_address(address))
        return "ip_" + hashlib.blake2b(address.encode(), key=self._key, digest_size=16).hexdigest()

    def entities(self, text: str) -> str:
        """The entities of an event, as JSON. Most have no address, and stay as they are."""
        if f'"{_IP}"' not in text:
            return text
        found = json.loads(text)
        if _IP in found:
            found[_IP] = self.ip(found[_IP])
        return as_json(found)

    def facts(self, found: Mapping[str, Any]) -> str:
        """What a decision was made on, as JSON."""
        if found.get(_FACT) is not None:
            found = {**found, _FACT: self.ip(str(found[_FACT]))}
        return as_json(found)


def as_json(found: Any) -> str:
    """In one way only, so that the same rows are the same bytes."""
    return json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
