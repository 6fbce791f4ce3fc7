"""Customers' endpoints during a run: made, given new secrets, failing, mended, and seen to in the end."""

import asyncio
import contextlib
import datetime as dt
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import UUID

from psycopg import Error

from caudal.simulation import arrivals, delivery_store
from caudal.simulation.arrivals import Received
from caudal.simulation.healing import NotAtRest, Patience
from caudal.simulation.owners import EndpointView, Owners
from caudal.simulation.plans import stream
from caudal.simulation.receivers import Manner, Receiver, Rotation, receivers
from caudal.simulation.sink import Sink
from caudal.simulation.targets import Bodies, Target
from caudal.simulation.types import Parameters
from caudal.simulation.verifying import GRACE_S, Key, hmac_key, public_key, require_verifier
from caudal.simulation.world import World
from caudal_base.database import Connection

_HASTEN_EVERY_S: Final = 0.4
_LOOK_EVERY_S: Final = 0.1
_FAILING_DAYS: Final = 6
"""After fewer an endpoint is disabled at which everything fails."""

Reached = Callable[[int], Awaitable[bool]]


class _Endpoint:
    """One of the run's endpoints, as its owner knows it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.receiver: Receiver = target.receiver
        self.id = ""
        """Once it is made."""
        self.paused = False
        """Disabled by its owner."""
        self.given_up: set[int] = set()
        self.replayed_from = 0

    @property
    def uuid(self) -> UUID:
        return UUID(hex=self.id.partition("_")[2])


class Endpoints:
    """All of them."""

    def __init__(self, parameters: Parameters, world: World) -> None:
        """Raises `VerifierMissing`."""
        require_verifier()
        self._parameters = parameters
        self._world = world
        self._owners = Owners(world.http())
        self._bodies = Bodies()
        drawn = receivers(parameters.seed, parameters.payments, parameters.faults)
        self._endpoints = [
            _Endpoint(
                Target(each, stream(parameters.seed, f"sink {each.name}"), self._bodies, parameters.faults)
            )
            for each in drawn
        ]
        self._sink = Sink({each.receiver.name: each.target for each in self._endpoints})
        self._tested: dict[str, str] = {}
        self.secrets: list[str] = []
        """All that the API has shown: to be found nowhere."""
        self.counts: Counter[str] = Counter()
        self._through = 0
        """The newest event when nothing was on its way: of later ones nobody knows how far they are."""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Take webhooks meanwhile."""
        async with self._sink.serving():
            try:
                yield
            finally:
                self._owners.close()

    async def begin(self) -> None:
        """Make those that are there from the beginning."""
        for each in self._endpoints:
            if not each.receiver.begins:
                await self._make(each)

    async def conduct(self, reached: Reached) -> None:
        """Do what is drawn when so many scripts have been begun, until there are no callers any more."""
        hastening = asyncio.create_task(self._hasten())
        try:
            async with asyncio.TaskGroup() as tasks:
                for each in self._endpoints:
                    tasks.create_task(self._live(each, reached))
        finally:
            hastening.cancel()

    async def calm(self) -> None:
        """Nothing goes wrong any more, but for those that are gone or dead; of these days have passed."""
        for each in self._endpoints:
            each.target.calm = each.receiver.manner is not Manner.GONE
            if not each.id:
                await self._make(each)
            elif each.paused:
                await self._owners.post(f"/{each.id}/enable", None, dict[str, Any])
        self._sink.hang_up()
        async with self._world.database.connection() as connection:
            await self._age(connection)

    async def finish(self) -> None:
        """Wait until everything has arrived; what was given up is sent again. Raises `NotAtRest`."""
        await self._test()
        await self._rest()
        while given_up := await self._given_up():
            for each in given_up:
                each.replayed_from = each.replayed_from or self._sink.next()
                await self._replay(each, {"failed_only": True})
            await self._rest()

    async def evidence(self) -> arrivals.Deliveries:
        """All there is to be known, of what had happened when it was last at rest.

        Alerts and the like are told at their own times, also while this is gathered.
        """
        await self._given_up()
        async with self._world.database.connection() as connection:
            rows, tries = await delivery_store.log(connection, self._world.book_id)
        statuses = {view.id: view.status for view in await self._owners.endpoints()}
        events = await self._owners.feed()
        later = {event.id for event in events if event.seq > self._through}
        return arrivals.Deliveries(
            events=[event for event in events if event.id not in later],
            endpoints=[
                Received(
                    id=each.id,
                    receiver=each.receiver,
                    status=statuses[each.id],
                    arrivals=[arrival for arrival in each.target.arrivals if arrival.event not in later],
                    unverified=each.target.unverified,
                    signed_by_ended=each.target.signed_by_ended,
                    given_up=frozenset(each.given_up),
                    replayed_from=each.replayed_from,
                    rows=[row for row in rows if row.endpoint == each.uuid and row.seq <= self._through],
                    tries=[one for one in tries if one.endpoint == each.uuid and one.seq <= self._through],
                )
                for each in self._endpoints
            ],
            changed=self._bodies.changed,
            digests=self._bodies.digests,
            strays=self._sink.strays,
            flooded=self._sink.flooded,
            workers_killed=self._world.workers_killed,
            tested=self._tested,
            slowness=self._world.waiting.slowness,
        )

    def report(self) -> dict[str, int]:
        """What came and went, in figures."""
        came = [arrival for each in self._endpoints for arrival in each.target.arrivals]
        taken = sum(len({a.event for a in each.target.arrivals if a.taken}) for each in self._endpoints)
        found = Counter(f"status_{arrival.status}" if arrival.answered else "unanswered" for arrival in came)
        for each in self._endpoints:
            found.update({f"verified_{name}": count for name, count in each.target.verified.items()})
        found.update(self.counts)
        return {
            "received": len(came),
            "arrived": taken,
            "repeated": sum(arrival.taken for arrival in came) - taken,
            **dict(sorted(found.items())),
        }

    # What is done with endpoints

    async def _make(self, each: _Endpoint) -> None:
        receiver = each.receiver
        body = {
            "url": self._sink.url(each.target),
            "types": receiver.types,
            "ordered": receiver.ordered,
            "concurrency": receiver.concurrency,
            "signature": receiver.signature,
        }
        each.target.unsure_until = math.inf
        view = await self._owners.post("", body, EndpointView)
        if self._learn(each, view):
            each.target.unsure_until = 0.0
        else:
            self.counts["secrets_lost"] += 1
            again = Rotation(after=0, overlap_s=0, signature=receiver.signature)
            await self._rotate(view.id, each, again, lost=True)
        each.id = view.id

    async def _live(self, each: _Endpoint, reached: Reached) -> None:
        """All that happens to one while there are callers."""
        receiver = each.receiver
        if receiver.begins:
            if not await reached(receiver.begins):
                return
            await self._make(each)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rotate_often(each, reached))
            if receiver.manner is Manner.DOWN:
                tasks.create_task(self._go_down(each, reached))
        if receiver.pauses is not None and await reached(receiver.pauses):
            await self._owners.post(f"/{each.id}/disable", None, dict[str, Any])
            each.paused = True
            self.counts["paused"] += 1

    async def _rotate_often(self, each: _Endpoint, reached: Reached) -> None:
        for rotation in each.receiver.rotations:
            if not await reached(rotation.after):
                return
            await self._rotate(each.id, each, rotation)

    async def _rotate(self, id: str, each: _Endpoint, rotation: Rotation, *, lost: bool = False) -> None:
        """Until the new secret is known: whose answer was lost has to have another."""
        body = {"overlap_s": rotation.overlap_s, "signature": rotation.signature}
        each.target.unsure_until = math.inf
        while True:
            view = await self._owners.post(f"/{id}/rotate_secret", body, EndpointView)
            self.counts["rotated"] += 1
            if self._learn(each, view):
                break
            self.counts["secrets_lost"] += 1
            lost = True
        # What is under way may be signed with the one that nobody has ever heard of.
        each.target.unsure_until = time.time() + GRACE_S if lost else 0.0

    def _learn(self, each: _Endpoint, view: EndpointView) -> bool:
        """Take the new secret; False where the answer does not have it."""
        newest, *older = view.secrets
        if view.secret is not None:
            self.secrets.append(view.secret)
            verify = hmac_key(view.secret)
        elif newest.public_key is not None:
            verify = public_key(newest.public_key)
        else:
            return False
        key = Key(signature=newest.signature, made_at=newest.created_at, verify=verify)
        still = {old.created_at: _moment(old.expires_at) for old in older if old.expires_at is not None}
        each.target.keyring.add(key, still=still, now=_moment(newest.created_at))
        return True

    async def _go_down(self, each: _Endpoint, reached: Reached) -> None:
        """For a while; then its owner has everything of that time sent again."""
        start, end = each.receiver.down
        if not await reached(start):
            return
        since = dt.datetime.now(dt.UTC)
        each.target.down = True
        self.counts["went_down"] += 1
        await reached(end)
        each.target.down = False
        until = dt.datetime.now(dt.UTC)
        await self._replay(each, {"since": since.isoformat(), "until": until.isoformat()})

    async def _replay(self, each: _Endpoint, which: Mapping[str, Any]) -> None:
        after: int | None = 0
        while after is not None:
            answer = await self._owners.post(f"/{each.id}/replay", {**which, "after": after}, dict[str, Any])
            self.counts["replayed"] += answer["replayed"]
            after = answer.get("next_after")

    async def _test(self) -> None:
        """A test event, for one alone."""
        each = self._endpoints[0]
        answer = await self._owners.post(f"/{each.id}/test", None, dict[str, Any])
        self._tested[answer["id"]] = each.id

    # Time

    async def _hasten(self) -> None:
        """Let hours pass for what has failed, as long as the run goes."""
        while True:
            with contextlib.suppress(Error):  # the database comes back
                await self._hasten_once()
            await asyncio.sleep(_HASTEN_EVERY_S)

    async def _hasten_once(self) -> None:
        now = time.time()
        waiting = [
            each.uuid
            for each in self._endpoints
            if each.id and each.receiver.manner is not Manner.DEAD and each.target.quiet_until < now
        ]
        buggy = [
            each.uuid
            for each in self._endpoints
            if each.id and each.receiver.manner is Manner.BUGGY and not each.target.calm
        ]
        async with self._world.database.connection() as connection:
            await delivery_store.exhaust(connection, self._world.book_id, buggy)
            await delivery_store.hasten(connection, self._world.book_id, waiting)

    async def _rest(self) -> None:
        """Wait until nothing is on its way any more."""
        patience = Patience(self._parameters.patience_s)
        names = {each.uuid: each.receiver.name for each in self._endpoints}
        while True:
            async with self._world.database.connection() as connection:
                await self._age(connection)
                newest = await delivery_store.newest(connection, self._world.book_id)
                found = await delivery_store.unrest(connection, self._world.book_id, list(names))
            if not found:
                self._through = newest
                return
            if patience.lost(sum(found.values())):
                what = ", ".join(f"{count} webhooks for {names[uuid]}" for uuid, count in found.items())
                raise NotAtRest(what)
            await self._hasten_once()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _age(self, connection: Connection) -> None:
        """Let who is dead have been so for days."""
        dead = [each.uuid for each in self._endpoints if each.receiver.manner is Manner.DEAD]
        await delivery_store.age(connection, self._world.book_id, dead, _FAILING_DAYS)

    async def _given_up(self) -> list[_Endpoint]:
        """Those with something that was given up, which is kept in mind."""
        by_uuid = {each.uuid: each for each in self._endpoints if each.receiver.manner is not Manner.DEAD}
        async with self._world.database.connection() as connection:
            found = await delivery_store.failed(connection, self._world.book_id, list(by_uuid))
        for uuid, seq in found:
            by_uuid[uuid].given_up.add(seq)
        self.counts["given_up"] += len(found)
        return [by_uuid[uuid] for uuid in dict.fromkeys(uuid for uuid, _ in found)]


def _moment(text: str | None) -> float:
    return dt.datetime.fromisoformat(text or "").timestamp()
