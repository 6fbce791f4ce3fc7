"""The partners of a run: the sandbox's control API, how badly it behaves, and what settings name."""

import random
from typing import Any, Final

import msgspec

from caudal.simulation.http import Http
from caudal.simulation.plans import stream
from caudal_base.check import check

NAMES: Final = ("stripe", "bank", "meridian")

KEY_LIFETIME_S: Final = 6.0
"""How long we take a partner to remember our keys: as short as a run needs, to see what comes after."""

PARTNER_KEY_LIFETIME_S: Final = 10.0
"""How long it does remember them: clocks and the way there take some time too."""

SEARCH_HORIZON_S: Final = 3.0
SEARCH_LAG_S: Final = 1.0
TIMEOUT_MS: Final = 1_000
SLOWEST_MS: Final = 1_400
"""Some answers come after the time-out."""

_PREFIXES: Final = {
    "stripe": ("sk_test_", "whsec_"),
    "bank": ("bk_test_", "whsec_"),
    "meridian": ("mk_test_", ""),
}
"""Of API keys, and of webhook secrets."""


class Secrets(msgspec.Struct, frozen=True):
    """What a partner and we share, and what must be found nowhere else."""

    api_key: str
    webhook: str
    old_webhook: str


def secrets(seed: int) -> dict[str, Secrets]:
    """By partner; of each seed others, so that a log of another run is not mistaken for this one's."""
    draw = stream(seed, "secrets")
    return {name: _secrets(name, draw) for name in NAMES}


def _secrets(name: str, draw: random.Random) -> Secrets:
    of_key, of_webhook = _PREFIXES[name]

    def webhook() -> str:
        # Standard Webhooks has base64 behind the prefix; hexadecimal digits in fours are that too.
        return f"{of_webhook}{draw.randbytes(24).hex()}"

    return Secrets(api_key=f"{of_key}{draw.randbytes(16).hex()}", webhook=webhook(), old_webhook=webhook())


def settings(url: str, book: str, shared: dict[str, Secrets]) -> bytes:
    """The value of `CAUDAL_PARTNERS`."""
    return msgspec.json.encode(
        {
            name: {
                "connector": name,
                "book": book,
                "url": url,
                "api_key": shared[name].api_key,
                "webhook_secrets": [shared[name].webhook],
                "timeout_ms": TIMEOUT_MS,
                "calls_per_second": 10_000,
                "at_once": 24,
                "key_lifetime_s": KEY_LIFETIME_S,
                "search_horizon_s": SEARCH_HORIZON_S,
                "poll_after_s": 3.0,
                "authorisation_lifetime_s": 20.0,
            }
            for name in NAMES
        }
    )


def faults(seed: int, scale: float) -> dict[str, dict[str, Any]]:
    """How badly each partner behaves: drawn around rates at which every kind of fault comes often."""
    draw = stream(seed, "faults")
    made = {}
    for name in NAMES:
        rates = {
            kind: round(min(1.0, scale * draw.uniform(0.5, 1.5) * rate), 4)
            for kind, rate in (
                ("delay_before", 0.02), ("delay_after", 0.02), ("rate_limited", 0.02),
                ("unavailable", 0.01), ("error_before", 0.015), ("error_after", 0.015),
                ("drop_before", 0.015), ("drop_after", 0.015),
            )
        }  # fmt: skip
        made[name] = {
            **rates,
            "delay_ms_min": 20,
            "delay_ms_max": SLOWEST_MS,
            "retry_after_s": 1,
            "search_lag_s": SEARCH_LAG_S if scale else 0.0,
            "key_lifetime_s": PARTNER_KEY_LIFETIME_S,
        }
    return made


def calm() -> dict[str, dict[str, Any]]:
    """Nothing goes wrong any more."""
    kinds = (
        "delay_before", "delay_after", "rate_limited", "unavailable", "error_before", "error_after",
        "drop_before", "drop_after", "search_lag_s",
    )  # fmt: skip
    return {name: dict.fromkeys(kinds, 0) for name in NAMES}


def endpoints(api_url: str, shared: dict[str, Secrets], seed: int, scale: float) -> dict[str, dict[str, Any]]:
    """Where each partner's webhooks go, and what goes wrong on the way."""
    draw = stream(seed, "webhooks")
    made = {}
    for name in NAMES:
        rates = {
            kind: round(min(1.0, scale * draw.uniform(0.5, 1.5) * rate), 4)
            for kind, rate in (
                ("duplicate", 0.05), ("delay", 0.1), ("reorder", 0.05), ("forge", 0.02), ("old_secret", 0.01),
                ("before_response", 0.15),
            )
        }  # fmt: skip
        made[name] = {
            "url": f"{api_url}/webhooks/in/{name}",
            "secrets": [shared[name].webhook],
            "old_secrets": [shared[name].old_webhook],
            **rates,
        }
    return made


class Control:
    """The sandbox's control API."""

    def __init__(self, port: int) -> None:
        self._http = Http(port, {"Content-Type": "application/json"})

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer as JSON; the sandbox must take it."""
        status, answer = await self.try_call(method, path, body)
        check(status < 300, f"the sandbox takes {method} {path}: {status} {answer}")
        return answer

    async def try_call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the answer, whatever it is: what a script asks for may have become impossible."""
        data = b"" if body is None else msgspec.json.encode(body)
        reply = await self._http.request(method, f"/control/{path}", data, timeout_s=30.0)
        return reply.status, msgspec.json.decode(reply.body) if reply.body else None

    def close(self) -> None:
        """Close connections."""
        self._http.close()
