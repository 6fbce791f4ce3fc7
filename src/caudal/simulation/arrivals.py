"""What must hold of webhooks to customers' endpoints, each as a function that yields what breaks it. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Final

import msgspec

from caudal.delivery import Options
from caudal.simulation.delivery_store import Row, Try
from caudal.simulation.receivers import ENDING, Manner, Receiver, wants
from caudal.simulation.sink import FLOOD_BYTES
from caudal.simulation.targets import Arrival

TEST: Final = "webhook_endpoint.test"
_CREATED: Final = "webhook_endpoint.created"
_ENABLED: Final = "webhook_endpoint.enabled"
_DISABLED: Final = "webhook_endpoint.disabled"

KEPT_BYTES: Final = 2_048
"""Of an answer in the log, as the guide says."""

HEALTHY_WITHIN_S: Final = 15.0
"""A healthy endpoint that had to wait for one that is dead would wait for its time-out: that long. On a
machine that is too busy for the run everything takes longer, and that is no fault of other endpoints."""

NOTICED_WITHIN_S: Final = 0.5
"""After a `Retry-After` was sent it may take so long until whoever delivers has heard of it."""

_REQUESTED: Final = "requested"

_LEASE_S: Final = Options().lease_s

STOPS_WITHIN_S: Final = 5.0
"""Whoever drives an endpoint hears within seconds that it has been changed."""

RECORDED_WITHIN_S: Final = 15.0
"""What a worker that is killed has not written down is no older than this."""

SEEN_WITHIN_S: Final = 1.0
"""What a worker had sent when it was killed is seen at the endpoint a little later."""

_COMES: Final = frozenset(Manner) - ENDING
"""Manners of endpoints at which everything arrives in the end; at one that is gone, unless it has said so."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the feed shows it."""

    seq: int
    id: str
    type: str
    object: str
    at: float
    """Seconds since 1970."""
    digest: bytes
    """Of its bytes in the feed."""
    reason: str | None = None
    """Why an endpoint was disabled."""


class Received(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One endpoint, and all that came to it."""

    id: str
    receiver: Receiver
    status: str
    """In the end, by the API."""
    arrivals: list[Arrival]
    unverified: list[str]
    signed_by_ended: list[str]
    given_up: frozenset[int]
    """Seqs of what had been given up before a replay."""
    replayed_from: int
    """The place in the order from which on these were sent again."""
    rows: list[Row]
    tries: list[Try]

    @cached_property
    def by_event(self) -> dict[str, list[Arrival]]:
        """What came, by event."""
        found: defaultdict[str, list[Arrival]] = defaultdict(list)
        for arrival in self.arrivals:
            found[arrival.event].append(arrival)
        return dict(found)

    @cached_property
    def taken(self) -> dict[str, int]:
        """By event that it has taken, the place in the order of its first 2xx."""
        return {
            event: min(taken)
            for event, came in self.by_event.items()
            if (taken := [arrival.answered for arrival in came if arrival.taken])
        }

    @property
    def name(self) -> str:
        """For findings."""
        return f"{self.receiver.name} {self.id}"


class Deliveries(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything about webhooks to customers' endpoints."""

    events: list[Told] = []
    """The feed."""
    endpoints: list[Received] = []
    changed: list[str] = []
    """Events that came with different bodies."""
    digests: Mapping[str, bytes] = {}
    """Of bodies as they came, by event."""
    strays: list[str] = []
    """Requests that came where nothing is sent."""
    flooded: list[int] = []
    """How many bytes of endless answers were read, at least as far as buffers know."""
    workers_killed: list[float] = []
    """When."""
    tested: Mapping[str, str] = {}
    """By test event, the endpoint that it is for."""
    slowness: float = 1.0
    """How many times as long as on a machine of their own the workers took, for want of a processor."""

    @cached_property
    def by_id(self) -> dict[str, Told]:
        """The feed's events."""
        return {event.id: event for event in self.events}

    def wanted(self, endpoint: Received) -> list[Told]:
        """What the endpoint is to be told, in order: what it wants, from its own creation on."""
        start = next((event.seq for event in self.of_endpoint(endpoint.id) if event.type == _CREATED), 0)
        return [
            event
            for event in self.events[max(0, start - 1) :]
            if (event.type != TEST and wants(endpoint.receiver.types, event.type))
            or self.tested.get(event.id) == endpoint.id
        ]

    @cached_property
    def _of_endpoints(self) -> dict[str, list[Told]]:
        found: defaultdict[str, list[Told]] = defaultdict(list)
        for event in self.events:
            if event.type.startswith("webhook_endpoint."):
                found[event.object].append(event)
        return dict(found)

    def of_endpoint(self, id: str) -> list[Told]:
        """What was told of an endpoint itself."""
        return self._of_endpoints.get(id, [])

    def killed_between(self, start: float, end: float) -> bool:
        """Whether a worker was killed then."""
        return any(start <= at <= end for at in self.workers_killed)


def missed(deliveries: Deliveries) -> Iterator[str]:
    """Everything that an endpoint wants has arrived there at least once, but where nobody is any more."""
    for endpoint in deliveries.endpoints:
        if endpoint.receiver.manner in _COMES or (
            endpoint.receiver.manner is Manner.GONE and endpoint.status == "enabled"
        ):
            for event in deliveries.wanted(endpoint):
                if event.id not in endpoint.taken:
                    yield f"{endpoint.name}: {event.type} {event.seq} has not arrived"


def unwanted(deliveries: Deliveries) -> Iterator[str]:
    """Nothing has arrived that an endpoint filters, or that the feed does not know."""
    for endpoint in deliveries.endpoints:
        expected = {event.id for event in deliveries.wanted(endpoint)}
        for event in endpoint.by_event.keys() - expected:
            known = deliveries.by_id.get(event)
            yield f"{endpoint.name}: {event} {'' if known is None else known.type}"
    for stray in deliveries.strays:
        yield f"a request where nothing is sent: {stray}"


def changed(deliveries: Deliveries) -> Iterator[str]:
    """What arrived is byte for byte what the feed shows, at every attempt and endpoint."""
    for event in deliveries.changed:
        yield f"{event} came with different bodies"
    for event, digest in deliveries.digests.items():
        told = deliveries.by_id.get(event)
        if told is not None and told.digest != digest:
            yield f"{event} is not what the feed shows"


def out_of_order(deliveries: Deliveries) -> Iterator[str]:
    """At an ordered endpoint nothing of an object came before what is earlier had arrived or was given up.

    What was given up comes in order when it is sent again. Tests stand in no line: they are sent at once.
    """
    for endpoint in deliveries.endpoints:
        if not endpoint.receiver.ordered:
            continue
        first: defaultdict[str, list[Told]] = defaultdict(list)
        again: defaultdict[str, list[Told]] = defaultdict(list)
        for event in deliveries.wanted(endpoint):
            if event.type == TEST:
                continue
            (again if event.seq in endpoint.given_up else first)[event.object].append(event)
        yield from _overtaken(endpoint, first, since=0)
        yield from _overtaken(endpoint, again, since=endpoint.replayed_from)


def _overtaken(endpoint: Received, lines: Mapping[str, list[Told]], since: int) -> Iterator[str]:
    """Whatever came after `since` and before an earlier one of its line had been taken."""
    for object, line in lines.items():
        ready = 0
        for event in line:
            came = [one.order for one in endpoint.by_event.get(event.id, ()) if one.order > since]
            if came and min(came) < ready:
                what = f"{event.type} {event.seq} of {object}"
                yield f"{endpoint.name}: {what} came before an earlier one was taken"
            ready = max(ready, endpoint.taken.get(event.id, 2**62))


def unverified(deliveries: Deliveries) -> Iterator[str]:
    """Everything is signed with a secret that is in force, and nothing with one that has ended."""
    for endpoint in deliveries.endpoints:
        for what in endpoint.unverified:
            yield f"{endpoint.name}: {what} bears no signature that is good"
        for what in endpoint.signed_by_ended:
            yield f"{endpoint.name}: {what}"


def sent_to_disabled(deliveries: Deliveries) -> Iterator[str]:
    """Who has answered 410, or has failed for days, is disabled, which is told, and gets nothing any more."""
    ends = {
        event.object: event
        for event in deliveries.events
        if event.type == _DISABLED and event.reason != _REQUESTED
    }
    for endpoint in deliveries.endpoints:
        gone = any(arrival.status == 410 for arrival in endpoint.arrivals)
        reason = "gone" if gone else "failing" if endpoint.receiver.manner is Manner.DEAD else None
        end = ends.get(endpoint.id)
        if reason is None:
            if end is not None or endpoint.status != "enabled":
                yield f"{endpoint.name}: {endpoint.status}, and nothing was wrong with it"
        elif end is None or endpoint.status != "disabled" or end.reason != reason:
            yield f"{endpoint.name}: {endpoint.status}, and should be disabled as {reason}"
        else:
            late = [arrival for arrival in endpoint.arrivals if arrival.at > end.at]
            if late:
                yield f"{endpoint.name}: {len(late)} webhooks after it was disabled"


def sent_while_paused(deliveries: Deliveries) -> Iterator[str]:
    """What an owner has disabled gets nothing until it is enabled, but for what was under way."""
    for endpoint in deliveries.endpoints:
        stopped: float | None = None
        for event in deliveries.of_endpoint(endpoint.id):
            if event.type == _DISABLED and event.reason == _REQUESTED:
                stopped = event.at
            elif event.type == _ENABLED and stopped is not None:
                late = [
                    a for a in endpoint.arrivals if a.signed_at > stopped + STOPS_WITHIN_S and a.at < event.at
                ]
                if late:
                    yield f"{endpoint.name}: {len(late)} webhooks while it was disabled"
                stopped = None


def sent_too_soon(deliveries: Deliveries) -> Iterator[str]:
    """After a `Retry-After` nothing at all is sent before then, unless the endpoint was enabled anew.

    Nor, if the worker was killed before it could write that down.
    """
    for endpoint in deliveries.endpoints:
        for asked in endpoint.arrivals:
            if not asked.asked_quiet_s:
                continue
            start = asked.answered_at
            anew = [told.at for told in deliveries.of_endpoint(endpoint.id) if told.type == _ENABLED]
            end = min([start + asked.asked_quiet_s, *(at for at in anew if at > start)])
            for other in endpoint.arrivals:
                soon = other.signed_at >= start + NOTICED_WITHIN_S and other.at < end
                if soon and not deliveries.killed_between(start, start + NOTICED_WITHIN_S):
                    yield f"{endpoint.name}: {other.event} {other.at - start:.1f} s after a Retry-After"


def log_differs(deliveries: Deliveries) -> Iterator[str]:
    """The log says what the endpoint saw: each attempt with its answer, each delivery with its outcome.

    Only what came just before a worker was killed may be missing.
    """
    for endpoint in deliveries.endpoints:
        if endpoint.receiver.manner is not Manner.DEAD:
            yield from _attempts_differ(deliveries, endpoint)
        numbers: defaultdict[int, list[int]] = defaultdict(list)
        for each in endpoint.tries:
            numbers[each.seq].append(each.number)
            if each.response_bytes > KEPT_BYTES:
                yield f"{endpoint.name}: {each.response_bytes} bytes of an answer are kept"
        seqs = {event.seq: event.id for event in deliveries.events}
        for row in endpoint.rows:
            logged = sorted(numbers[row.seq])
            missing = set(range(1, row.attempts + 1)) - set(logged)
            if len(logged) + len(missing) != row.attempts or (missing and not deliveries.workers_killed):
                yield f"{endpoint.name}: {row.seq} has {row.attempts} attempts, and {logged} in the log"
            if row.state == "delivered" and seqs.get(row.seq) not in endpoint.taken:
                yield f"{endpoint.name}: {row.seq} is called delivered, and was never taken"


def _attempts_differ(deliveries: Deliveries, endpoint: Received) -> Iterator[str]:
    seqs = {event.seq: event.id for event in deliveries.events}
    logged = Counter((seqs.get(each.seq, ""), each.status) for each in endpoint.tries if each.status)
    seen = Counter((each.event, each.status) for each in endpoint.arrivals if each.answered)
    for (event, status), count in logged.items():
        times = seen[event, status]
        if times < count:
            yield f"{endpoint.name}: {event} {count} times with {status} in the log, {times} times seen"
    for (event, status), count in seen.items():
        if count <= logged[event, status]:
            continue
        came = [each.at for each in endpoint.by_event[event] if each.status == status]
        within_s, before_s = RECORDED_WITHIN_S * deliveries.slowness, SEEN_WITHIN_S * deliveries.slowness
        lost = sum(deliveries.killed_between(at - before_s, at + within_s) for at in came)
        times = logged[event, status]
        if count - times > lost:
            yield f"{endpoint.name}: {event} {count} times with {status}, {times} times in the log"


def floods_read(deliveries: Deliveries) -> Iterator[str]:
    """Of an answer without end only so much is read as is bounded."""
    for count in deliveries.flooded:
        if count >= FLOOD_BYTES:
            yield f"{count} bytes"


def healthy_delayed(deliveries: Deliveries) -> Iterator[str]:
    """However others fail, a healthy endpoint has its webhooks in time.

    Those of a worker that was killed wait until its claim has ended.
    """
    within_s = HEALTHY_WITHIN_S * deliveries.slowness
    for endpoint in deliveries.endpoints:
        if endpoint.receiver.manner is not Manner.HEALTHY:
            continue
        enabled = [told.at for told in deliveries.of_endpoint(endpoint.id) if told.type == _ENABLED]
        for event in deliveries.wanted(endpoint):
            came = endpoint.by_event.get(event.id)
            if not came:
                continue
            first = came[0].at
            since = max([event.at, *(at for at in enabled if at <= first)])
            if first - since > within_s and not deliveries.killed_between(since - _LEASE_S, first):
                yield f"{endpoint.name}: {event.type} {event.seq} came after {first - since:.1f} s"


INVARIANTS: Final[Mapping[str, Callable[[Deliveries], Iterator[str]]]] = {
    "deliveries_complete": missed,
    "deliveries_wanted": unwanted,
    "deliveries_as_feed": changed,
    "deliveries_in_order": out_of_order,
    "deliveries_verified": unverified,
    "disabled_left_alone": sent_to_disabled,
    "paused_left_alone": sent_while_paused,
    "retry_after_kept": sent_too_soon,
    "delivery_log_true": log_differs,
    "answers_bounded": floods_read,
    "healthy_not_delayed": healthy_delayed,
}
"""By name."""
