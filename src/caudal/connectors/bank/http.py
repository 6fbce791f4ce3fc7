"""One call to the bank's API over HTTP: sent, and its answer read, or what is known of it without an answer.

Nothing is repeated here. A call that certainly did not reach the bank is `NotSent`; one that may have
reached it and has no answer of the bank's own is `Unknown`.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from caudal.connectors.lanes import Lanes
from caudal.connectors.types import NotSent, Unknown, Why
from caudal_base.secret import Secret

API_VERSION: Final = "2026-09-01"
"""Sent with every call; the bank answers in the shapes of this version."""

LONGEST_WAIT_S: Final = 3_600
"""What a `Retry-After` may ask for."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder()
_key_form: Final = re.compile(r"[\x21-\x7e]{1,512}")
_seconds_form: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class Reply(msgspec.Struct, frozen=True):
    """An answer, whoever gave it."""

    status: int
    fields: Mapping[str, Any] | None
    """The JSON object in its body; None where there is none."""
    retry_after: dt.timedelta | None


class BankApi:
    """The bank's API at one address with one key. Opens connections on the first call."""

    def __init__(self, url: str, api_key: Secret, *, timeout: dt.timedelta) -> None:
        """`timeout` is for each wait for an answer. Raises `ValueError` for what can be no address or key."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("a bank's address is http:// or https://, a host, and perhaps a path")
        if not _key_form.fullmatch(api_key.reveal()):
            raise ValueError("an API key is printable ASCII without spaces")
        self._url = url.rstrip("/")
        self._api_key = api_key
        self._timeout = timeout
        self._lanes: Lanes | None = None

    async def get(self, path: str) -> Reply | NotSent | Unknown:
        """Read `path`, which has its query."""
        return await self._send("GET", path, self._headers(None), b"")

    async def post(self, path: str, body: msgspec.Struct, *, key: str) -> Reply | NotSent | Unknown:
        """Send `body` to `path` under the idempotency key `key`."""
        return await self._send("POST", path, self._headers(key), _encoder.encode(body))

    async def close(self) -> None:
        """Close connections."""
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            await lanes.close()

    async def _send(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> Reply | NotSent | Unknown:
        if self._lanes is None:
            self._lanes = Lanes(self._timeout)
        try:
            status, answered, content = await self._lanes.send(
                method, self._url + path, headers=headers, content=body
            )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return NotSent(Why.UNREACHABLE)
        except httpx.TimeoutException:
            return Unknown(Why.TIMEOUT)
        except httpx.HTTPError:
            # A write that broke off is among these: the bank may have read all of it.
            return Unknown(Why.DROPPED)
        return Reply(status, _object(content), _retry_after(answered.get("retry-after", "")))

    def _headers(self, key: str | None) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {self._api_key.reveal()}",
            "Bank-Version": API_VERSION,
            "User-Agent": "caudal",
        }
        if key is not None:
            headers["Content-Type"] = "application/json"
            headers["Idempotency-Key"] = key
        return headers


def _object(content: bytes) -> Mapping[str, Any] | None:
    try:
        value = _decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return value if isinstance(value, dict) else None


def _retry_after(text: str) -> dt.timedelta | None:
    """What `Retry-After` says in seconds, which is all that the bank uses of RFC 9110 section 10.2.3."""
    if not _seconds_form.fullmatch(text):
        return None
    return dt.timedelta(seconds=min(int(text), LONGEST_WAIT_S))
