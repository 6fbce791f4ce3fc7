"""`caudal.anomalies`: what is unlike an entity's own past."""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec

from caudal.client.bodies import Body, ListQuery, Write
from caudal.client.cases import CaseSeverity
from caudal.client.ids import new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.sending import Sender, segment
from caudal.client.types import Answer, OpenEnum, Page

_ANOMALIES = "/v1/anomalies"
_STREAMS = "/v1/anomaly-streams"
_SILENCES = "/v1/anomaly-silences"


class AnomalyDetector(OpenEnum):
    """How it was found."""

    LEVEL = "level"
    """Too much in a period."""
    BURST = "burst"
    """Too many events in a short time."""
    NEW_COUNTERPARTY = "new_counterparty"
    """A large first payment to somebody."""


class AnomalyPeriod(OpenEnum):
    """What an observation is of, UTC."""

    HOUR = "hour"
    DAY = "day"


class AnomalyLevel(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Too much in a period."""

    score: float = 4.0
    """How many robust standard deviations above the median."""
    at_least: int = 0


class AnomalyBurst(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Too many events in a short time."""

    window: str = "10m"
    odds: int = 1_000_000
    """Told where chance alone would do it in one window of so many."""
    at_least: int = 3


class AnomalyCounterparty(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """A large first payment to somebody."""

    counterparty: str = "merchant"
    at_least: int = 1
    times: float = 3.0
    """At least so many times the entity's own 95th percentile."""
    history: int = 20


class AnomalyFilter(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Which events count: of a list one must fit, and what is empty holds for all."""

    source: Sequence[str] = ("payment",)
    where: Mapping[str, Sequence[str]] = {}
    at_least: Mapping[str, int] = {}
    below: Mapping[str, int] = {}


class AnomalyStream(Answer, frozen=True, kw_only=True):
    """What is watched of whom, and what is found in it."""

    name: str
    entity: str
    of: AnomalyFilter = AnomalyFilter()
    value: str | None = None
    same: Sequence[str] = ()
    period: AnomalyPeriod = AnomalyPeriod.HOUR
    seasonal: bool = True
    level: AnomalyLevel | None = AnomalyLevel()
    burst: AnomalyBurst | None = None
    new_counterparty: AnomalyCounterparty | None = None
    warm_up: int = 72
    cool_down: str = "24h"
    severity: CaseSeverity = CaseSeverity.MEDIUM
    about: str = "events"
    enabled: bool = True


class Anomaly(Answer, frozen=True, kw_only=True):
    """Something that is unlike an entity's own past."""

    id: str
    stream: str
    version: int
    detector: AnomalyDetector
    entity: str
    words: str
    """What is unusual, with figures."""
    score: float
    observed: int
    usual_low: int
    usual_high: int
    at: dt.datetime
    source: str
    event: str
    ordinal: int
    silenced: bool
    case: str | None = None


class AnomalyExplained(Anomaly, frozen=True, kw_only=True):
    """An anomaly with all that it was computed of."""

    factor: float
    median: float
    spread: float
    past: Sequence[float]
    subjects: Mapping[str, str]
    tags: Mapping[str, str] = {}


class AnomalyStreamStanding(Answer, frozen=True, kw_only=True):
    """A stream as it was declared last, and how far it has come."""

    name: str
    version: int
    through: int
    after: int
    declared: AnomalyStream
    created_at: dt.datetime
    created_by: str


class AnomalySilence(Answer, frozen=True, kw_only=True):
    """Until a moment, anomalies of a stream or an entity (or both) open no cases."""

    number: int
    until: dt.datetime
    reason: str
    created_at: dt.datetime
    created_by: str
    stream: str | None = None
    entity: str | None = None


class _Streams(Answer, frozen=True):
    data: Sequence[AnomalyStreamStanding]


class _Silences(Answer, frozen=True):
    data: Sequence[AnomalySilence]


class NewAnomalyStream(Body, frozen=True, kw_only=True):
    """POST /v1/anomaly-streams/{name}: what is not said is as the document has it."""

    entity: str
    of: AnomalyFilter | None = None
    value: str | None = None
    same: Sequence[str] = ()
    period: AnomalyPeriod | None = None
    seasonal: bool | None = None
    level: AnomalyLevel | msgspec.UnsetType | None = msgspec.UNSET
    """None: none."""
    burst: AnomalyBurst | None = None
    new_counterparty: AnomalyCounterparty | None = None
    warm_up: int | None = None
    cool_down: str | None = None
    severity: CaseSeverity | None = None
    about: str | None = None
    enabled: bool | None = None


class NewAnomalySilence(Body, frozen=True, kw_only=True):
    """POST /v1/anomaly-silences"""

    until: dt.datetime
    reason: str
    stream: str | None = None
    entity: str | None = None


class AnomaliesQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/anomalies"""

    stream: str | None = None
    entity: str | None = None
    detector: AnomalyDetector | None = None


class Anomalies:
    """What is unlike an entity's own past, and the streams in which it is looked for."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    def list(
        self,
        *,
        stream: str | None = None,
        entity: str | None = None,
        detector: AnomalyDetector | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[Anomaly]:
        """The anomalies that meet every condition, the newest first; pages of at most 1,000."""
        query = AnomaliesQuery(
            stream=stream, entity=entity, detector=detector, cursor=cursor, limit=page_size
        )
        return Rows(self._sender, Page[Anomaly], _ANOMALIES, query)

    async def explain(self, id: str) -> AnomalyExplained:
        """An anomaly with all that it was computed of. Raises `NotFound`."""
        return await self._sender.read(AnomalyExplained, f"{_ANOMALIES}/{segment(id)}")

    async def streams(self) -> Sequence[AnomalyStreamStanding]:
        """All streams of the book, by name."""
        return (await self._sender.read(_Streams, _STREAMS)).data

    async def stream(self, name: str) -> AnomalyStreamStanding:
        """The stream of this name. Raises `NotFound`."""
        return await self._sender.read(AnomalyStreamStanding, f"{_STREAMS}/{segment(name)}")

    async def declare(
        self,
        name: str,
        stream: NewAnomalyStream,
        *,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> AnomalyStreamStanding:
        """Watch a stream: the next version of its name. Raises `Unprocessable`."""
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        path, query = f"{_STREAMS}/{segment(name)}", Write(dry_run=dry_run)
        return await self._sender.write(AnomalyStreamStanding, path, stream, key=key, query=query)

    async def silences(self) -> Sequence[AnomalySilence]:
        """All silences that are not over."""
        return (await self._sender.read(_Silences, _SILENCES)).data

    async def silence(
        self,
        *,
        until: dt.datetime,
        reason: str,
        stream: str | None = None,
        entity: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> AnomalySilence:
        """Let anomalies of a stream, an entity or both open no cases. Raises `Unprocessable`."""
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        body = NewAnomalySilence(until=until, reason=reason, stream=stream, entity=entity)
        query = Write(dry_run=dry_run)
        return await self._sender.write(AnomalySilence, _SILENCES, body, key=key, query=query)
