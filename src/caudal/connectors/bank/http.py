"""One call to the bank's API over HTTP: sent, and its answer read, or what is known of it without an answer.

Nothing is repeated here. A call that certainly did not reach the bank is `NotSent`; one that may have
reached it and has no answer of the bank's own is `Unknown`.
"""

import asyncio
import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from caudal.connectors.types import NotSent, Unknown, Why
from caudal_base.secret import Secret

API_VERSION: Final = "2026-09-01"
"""Sent with every call; the bank answers in the shapes of this version."""

LARGEST_ANSWER: Final = 2 * 1024 * 1024
"""In bytes; a page of 100 settlement lines has about 40 kB."""

LONGEST_WAIT_S: Final = 3_600
"""What a `Retry-After` may ask for."""

_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""The call has not left us. All else of httpx's, a broken write too, may come after the bank has read it."""

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

    def __init__(self, url: str, api_key: Secret, *, timeout: dt.timedelta, at_once: int) -> None:
        """`timeout` is for a call from end to end. Raises `ValueError` for what can be no address or key."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("a bank's address is http:// or https://, a host, and perhaps a path")
        if not _key_form.fullmatch(api_key.reveal()):
            raise ValueError("an API key is printable ASCII without spaces")
        self._url = url.rstrip("/")
        self._api_key = api_key
        self._timeout_s = timeout.total_seconds()
        # Connecting has to end before the call as a whole does, or it would pass for sent.
        self._timeouts = {
            "connect": self._timeout_s / 2,
            "pool": self._timeout_s / 2,
            "read": self._timeout_s,
            "write": self._timeout_s,
        }
        self._at_once = at_once
        self._client: httpx.AsyncClient | None = None

    async def get(self, path: str) -> Reply | NotSent | Unknown:
        """Read `path`, which has its query."""
        return await self._send("GET", path, self._headers(None), None)

    async def post(self, path: str, body: msgspec.Struct, *, key: str) -> Reply | NotSent | Unknown:
        """Send `body` to `path` under the idempotency key `key`."""
        return await self._send("POST", path, self._headers(key), _encoder.encode(body))

    async def close(self) -> None:
        """Close connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> Reply | NotSent | Unknown:
        client = self._client
        if client is None:
            client = self._client = self._connected()
        # Made by hand: the client's merging of addresses, headers and time-outs costs half as much again.
        request = httpx.Request(
            method, self._url + path, headers=headers, content=body, extensions={"timeout": self._timeouts}
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await client.send(request, stream=True)
                try:
                    content = await _bounded(response)
                finally:
                    await response.aclose()
        except _NEVER_SENT:
            return NotSent(Why.UNREACHABLE)
        except (TimeoutError, httpx.TimeoutException):
            return Unknown(Why.TIMEOUT)
        except httpx.HTTPError:
            return Unknown(Why.DROPPED)
        if content is None:
            return Unknown(Why.UNREADABLE)
        retry_after = _retry_after(response.headers.get("retry-after", ""))
        return Reply(response.status_code, _object(content), retry_after)

    def _connected(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=self._at_once, max_keepalive_connections=self._at_once)
        return httpx.AsyncClient(limits=limits, follow_redirects=False)

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


async def _bounded(response: httpx.Response) -> bytes | None:
    """The body; None where it is larger than allowed."""
    content = b""
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > LARGEST_ANSWER:
            return None
    return content


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
