"""Stripe's SDK, with our own connections, time-outs and no retries. Imported on the first call only.

Requests go through `StripeClient.raw_request_async`: it signs, encodes, checks and raises as the SDK's
services do, and leaves out building an object of each answer, which costs 0.7 ms of CPU for an expanded
PaymentIntent and gives nothing that plain JSON does not.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any, Final

import httpx
import stripe

from caudal.connectors.lanes import Lanes
from caudal.connectors.stripe.failures import Failed
from caudal.connectors.types import Why
from caudal_base.secret import Secret

LONGEST_RETRY_AFTER: Final = dt.timedelta(hours=1)

# It would measure us for Stripe, and leave a file in the home directory.
stripe.enable_telemetry = False
# At INFO it writes two lines for each request.
logging.getLogger("stripe").setLevel(logging.WARNING)


class _Http(stripe.HTTPClient):
    """What the SDK calls for a request: httpx, without a pool that costs more than the request."""

    name = "httpx"

    def __init__(self, timeout: dt.timedelta) -> None:
        super().__init__()
        self._lanes = Lanes(timeout)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Body, status and headers of the answer. Raises `stripe.APIConnectionError` where there is none."""
        content = post_data.encode() if post_data else b""
        try:
            status, answered, body = await self._lanes.send(
                method, url, headers=dict(headers), content=content
            )
        except httpx.TransportError as error:
            raise stripe.APIConnectionError(type(error).__name__) from error  # type: ignore[no-untyped-call]
        return body, status, answered

    async def sleep_async(self, secs: float) -> None:
        """Part of the SDK's interface; it sleeps between retries, which are off."""
        await asyncio.sleep(secs)

    async def close_async(self) -> None:
        """Close the connections."""
        await self._lanes.close()


class Sdk:
    """A `StripeClient` of one account."""

    def __init__(self, *, api_key: Secret, url: str | None, version: str, timeout: dt.timedelta) -> None:
        """`url` replaces all of Stripe's addresses."""
        self._http = _Http(timeout)
        base = url.rstrip("/") if url is not None else None
        self._client = stripe.StripeClient(
            api_key.reveal(),
            stripe_version=version,
            base_addresses=(
                {"api": base, "files": base, "connect": base, "meter_events": base} if base else None
            ),
            http_client=self._http,
            max_network_retries=0,
        )

    async def request(
        self, method: str, path: str, params: Mapping[str, Any], *, key: str | None = None
    ) -> dict[str, Any] | Failed:
        """The JSON object that Stripe answers with, or how it failed."""
        options = {"idempotency_key": key} if key is not None else {}
        try:
            response = await self._client.raw_request_async(method, path, **params, **options)
        except stripe.APIConnectionError as error:
            return Failed(why=_why(error.__cause__))
        except stripe.StripeError as error:
            return _failed(error)
        except AttributeError:
            # The SDK itself stumbles over an error member that is no object.
            return Failed(why=Why.UNREADABLE)
        data = response.data
        return data if isinstance(data, dict) else Failed(why=Why.UNREADABLE)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()


def _why(cause: BaseException | None) -> Why:
    if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol):
        return Why.UNREACHABLE
    return Why.TIMEOUT if isinstance(cause, httpx.TimeoutException) else Why.DROPPED


def _failed(error: stripe.StripeError) -> Failed:
    body = error.json_body
    detail = body.get("error") if isinstance(body, dict) else None
    return Failed(
        status=error.http_status,
        error=detail if isinstance(detail, dict) else {},
        retry_after=_retry_after(error.headers),
    )


def _retry_after(headers: Mapping[str, str] | None) -> dt.timedelta | None:
    """Of a `Retry-After` in seconds, at most an hour."""
    value = headers.get("retry-after", "") if headers else ""
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        return None
    return min(dt.timedelta(seconds=int(value)), LONGEST_RETRY_AFTER)
