"""One call to a partner over HTTP: sent, and its answer, or what is known of it without one.

Nothing is repeated here. A call that certainly did not reach the partner is `NotSent`; one that may have
reached it and has no answer is `Unknown`.
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

LONGEST_WAIT_S: Final = 3_600
"""What a `Retry-After` may ask for."""

_decoder: Final = msgspec.json.Decoder()
_key_form: Final = re.compile(r"[\x21-\x7e]{1,512}")
_seconds_form: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class Reply(msgspec.Struct, frozen=True):
    """An answer, whoever gave it."""

    status: int
    content: bytes
    retry_after: dt.timedelta | None

    @property
    def fields(self) -> Mapping[str, Any] | None:
        """The JSON object in its body; None where there is none."""
        try:
            value = _decoder.decode(self.content)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return value if isinstance(value, dict) else None


class Http:
    """A partner's API at one address with one key. Opens connections on the first call."""

    def __init__(
        self,
        url: str,
        *,
        key_header: str,
        api_key: Secret,
        headers: Mapping[str, str],
        timeout: dt.timedelta,
        key_scheme: str = "",
    ) -> None:
        """`headers` go with every call, the key in `key_header` behind `key_scheme`, such as `Bearer `.

        `timeout` is for each wait for an answer.

        Raises `ValueError` for what can be no address or key.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("a partner's address is http:// or https://, a host, and perhaps a path")
        if not _key_form.fullmatch(api_key.reveal()):
            raise ValueError("an API key is printable ASCII without spaces")
        self._url = url.rstrip("/")
        self._key_header = key_header
        self._key_scheme = key_scheme
        self._api_key = api_key
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "caudal", **headers}
        self._timeout = timeout
        self._lanes: Lanes | None = None

    async def get(self, path: str) -> Reply | NotSent | Unknown:
        """Read `path`, which has its query."""
        return await self._send("GET", path, {}, b"")

    async def post(self, path: str, body: bytes, *, key: str) -> Reply | NotSent | Unknown:
        """Send the JSON `body` to `path` under the idempotency key `key`."""
        return await self._send(
            "POST", path, {"Content-Type": "application/json", "Idempotency-Key": key}, body
        )

    async def close(self) -> None:
        """Close connections."""
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            await lanes.close()

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Reply | NotSent | Unknown:
        if self._lanes is None:
            self._lanes = Lanes(self._timeout)
        sent = {**self._headers, self._key_header: self._key_scheme + self._api_key.reveal(), **headers}
        try:
            status, answered, content = await self._lanes.send(
                method, self._url + path, headers=sent, content=body
            )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return NotSent(Why.UNREACHABLE)
        except httpx.TimeoutException:
            return Unknown(Why.TIMEOUT)
        except httpx.HTTPError:
            # A write that broke off is among these: the partner may have read all of it.
            return Unknown(Why.DROPPED)
        return Reply(status, content, _retry_after(answered.get("retry-after", "")))


def _retry_after(text: str) -> dt.timedelta | None:
    """What `Retry-After` says in seconds (RFC 9110, section 10.2.3); dates are not read."""
    if not _seconds_form.fullmatch(text):
        return None
    return dt.timedelta(seconds=min(int(text), LONGEST_WAIT_S))
