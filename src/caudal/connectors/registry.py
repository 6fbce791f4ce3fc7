"""The partners that settings name, each with its connector and its guard."""

import hashlib
import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, cast

from caudal.connectors.drift import Drift
from caudal.connectors.errors import PartnerMisconfigured, PartnerUnknown
from caudal.connectors.partner import Partner
from caudal.connectors.protocol import Connector
from caudal_base.clock import Clock
from caudal_base.limits import TokenBucket
from caudal_base.settings import PartnerSettings

Factory = Callable[[str, PartnerSettings, Drift], Connector]
"""Makes a connector of a partner's name, its settings, and where drift is recorded.

It must be cheap, and not connect; a partner's SDK is imported on the first call. Raises `ValueError` for
settings that it cannot work with, without a secret in the message.
"""

OURS: Final[Mapping[str, str]] = {
    "stripe": "caudal.connectors.stripe:create",
    "bank": "caudal.connectors.bank:create",
    "meridian": "caudal.connectors.meridian:create",
}
"""The connectors that come with Caudal, by the names that settings use."""


class Registry:
    """The partners of this process. One for each process: rate limits and breakers live in it."""

    def __init__(self, partners: Iterable[Partner] = ()) -> None:
        """Names must differ."""
        self._partners = {partner.name: partner for partner in partners}

    @classmethod
    def from_settings(
        cls, settings: Mapping[str, PartnerSettings], clock: Clock, *, processes: int = 1
    ) -> "Registry":
        """A guarded connector for each partner. Raises `PartnerMisconfigured`. Connects to nobody.

        Partners that use one key at one address share its rate limit; the lowest that is set holds. Where
        several `processes` call, this one keeps to its part of it, so that none need ask the others.
        """
        made = []
        for name, partner in settings.items():
            drift = Drift(name, clock)
            try:
                connector = factory(partner.connector)(name, partner, drift)
            except ValueError as error:
                raise PartnerMisconfigured([f"partner {name}: {error}"]) from None
            made.append((connector, partner, drift))
        buckets = _buckets(made, processes)
        return cls(
            Partner(connector, partner, drift, bucket=bucket, clock=clock)
            for (connector, partner, drift), bucket in zip(made, buckets, strict=True)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the settings."""
        return tuple(self._partners)

    def __iter__(self) -> Iterator[Partner]:
        return iter(self._partners.values())

    def get(self, name: str) -> Partner:
        """The partner of this name. Raises `PartnerUnknown`."""
        try:
            return self._partners[name]
        except KeyError:
            raise PartnerUnknown(f"no partner is named {name[:64]!r}", field="partner") from None

    def of_book(self, book: str) -> tuple[Partner, ...]:
        """The partners that serve the book of this name, in the order of the settings."""
        return tuple(partner for partner in self if partner.book == book)

    async def close(self) -> None:
        """Close all connections."""
        for partner in self:
            await partner.close()


def factory(connector: str) -> Factory:
    """What makes the connectors that settings call so. Raises `ValueError` where there is no such thing."""
    module_name, _, name = OURS.get(connector, connector).partition(":")
    try:
        found = getattr(importlib.import_module(module_name), name or "create")
    except (ImportError, AttributeError) as error:
        raise ValueError(f"connector {connector} cannot be imported: {error}") from error
    return cast(Factory, found)


def _buckets(made: Iterable[tuple[Connector, PartnerSettings, Drift]], processes: int) -> list[TokenBucket]:
    """The bucket of each, one for all that use the same key at the same address, in one of `processes`."""
    keys = []
    rates: dict[tuple[str, str | None, bytes], float | None] = {}
    for connector, settings, _ in made:
        digest = hashlib.sha256(settings.api_key.reveal().encode()).digest()
        key = (settings.connector, settings.url, digest)
        rate = settings.calls_per_second or connector.capabilities.calls_per_second
        known = [other for other in (rates.get(key), rate) if other is not None]
        rates[key] = min(known, default=None)
        keys.append(key)
    now = time.monotonic()
    shared = {
        key: TokenBucket(None if rate is None else rate / processes, now=now) for key, rate in rates.items()
    }
    return [shared[key] for key in keys]
