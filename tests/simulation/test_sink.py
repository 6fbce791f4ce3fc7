"""The endpoints of a run, over real connections: they verify, misbehave as drawn, and note everything."""

import base64
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from caudal.delivery import Signature, new_secret
from caudal.delivery.signing import NewSecret, headers, signer
from caudal.simulation import NoAnswer, Reply
from caudal.simulation.http import Http
from caudal.simulation.receivers import RETRY_AFTER_S, Manner
from caudal.simulation.sink import FLOOD_BYTES, Sink
from caudal.simulation.targets import Bodies, Target
from caudal.simulation.verifying import GRACE_S, Key, Keyring, hmac_key, public_key
from support.delivered import receiver
from support.deliveries import until

BODY = b'{"id":"evt_1","object_type":"payment","object":"pay_' + b"0" * 31 + b'1","data":{}}'
BUGGY_BODY = BODY.replace(b"01", b"06")


def key_of(secret: NewSecret, **changes: Any) -> Key:
    if secret.signature is Signature.V1A:
        verify = public_key(secret.public_key or "")
    else:
        verify = hmac_key("whsec_" + base64.b64encode(secret.raw).decode())
    return Key(**{"signature": secret.signature.value, "made_at": "1", "verify": verify, **changes})


SECRET, OTHER, PUBLIC = new_secret(Signature.V1), new_secret(Signature.V1), new_secret(Signature.V1A)


def signed(*secrets: NewSecret, body: bytes = BODY, at: float | None = None) -> str:
    """The lines of a request's head."""
    signers = [signer(secret.signature, secret.raw) for secret in secrets]
    made = headers(signers, "evt_1", int(time.time() if at is None else at), body)
    return "".join(f"{name}: {value}\r\n" for name, value in made)


def target(manner: Manner = Manner.HEALTHY, chance: float = 0.99, **changes: Any) -> Target:
    """One that knows `SECRET`; of one that is flaky `chance` is what it draws, each time."""
    draw = random.Random(1)
    draw.random = lambda: chance  # type: ignore[method-assign]
    made = Target(receiver(manner=manner, **changes), draw, Bodies(), 1.0)
    made.keyring.add(key_of(SECRET), still={}, now=0.0)
    return made


class Asking:
    """Sends to the one target of a sink."""

    def __init__(self, sink: Sink, target: Target) -> None:
        self.sink = sink
        self.target = target
        host, _, self.path = sink.url(target).removeprefix("http://").partition("/")
        self.http = Http(int(host.rpartition(":")[2]), {})

    async def post(
        self, *secrets: NewSecret, body: bytes = BODY, at: float | None = None, path: str | None = None
    ) -> Reply:
        lines = signed(*(secrets or (SECRET,)), body=body, at=at)
        where = self.path if path is None else path
        return await self.http.request("POST", f"/{where}", body, headers=lines, timeout_s=2.0)


@asynccontextmanager
async def asking(target: Target) -> AsyncIterator[Asking]:
    sink = Sink({target.receiver.name: target})
    async with sink.serving():
        asking = Asking(sink, target)
        yield asking
        asking.http.close()


async def test_what_is_signed_is_taken_and_written_down() -> None:
    async with asking(target()) as one:
        assert (await one.post()).status == 200
        assert (await one.post()).status == 200
    first, second = one.target.arrivals
    assert [first.order, first.answered, second.order, second.answered] == [1, 2, 3, 4]
    assert first.taken
    assert abs(first.at - first.signed_at) < 5
    assert one.target.verified == {"v1": 2}


@pytest.mark.parametrize(
    "secrets", [(OTHER,), (PUBLIC,), ()], ids=["another secret", "another scheme", "none"]
)
async def test_what_bears_no_good_signature_is_refused(secrets: tuple[NewSecret, ...]) -> None:
    async with asking(target()) as one:
        lines = signed(*secrets)
        reply = await one.http.request("POST", f"/{one.path}", BODY, headers=lines)
    assert reply.status == 401
    assert len(one.target.unverified) == one.target.refused == 1


async def test_a_changed_body_is_refused() -> None:
    async with asking(target()) as one:
        reply = await one.http.request("POST", f"/{one.path}", BODY + b" ", headers=signed(SECRET))
    assert reply.status == 401


async def test_while_a_new_secret_is_on_its_way_a_refusal_is_no_surprise() -> None:
    async with asking(target()) as one:
        one.target.unsure_until = time.time() + 60
        assert (await one.post(OTHER)).status == 401
        assert (one.target.refused, one.target.unverified) == (1, [])
        one.target.unsure_until = time.time() - 1
        assert (await one.post(OTHER)).status == 401
    assert len(one.target.unverified) == 1


async def test_after_a_rotation_either_secret_is_good_until_the_old_one_ends() -> None:
    one = target()
    now = time.time()
    one.keyring.add(key_of(PUBLIC, made_at="2"), still={"1": now + 1}, now=now)
    both = {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in signed(SECRET).splitlines())
    }
    assert one.keyring.verified_by(both, BODY, now + GRACE_S) is one.keyring.keys[1]
    assert one.keyring.verified_by(both, BODY, now + 1 + GRACE_S) is None
    async with asking(one) as asked:
        assert (await asked.post(SECRET, PUBLIC)).status == 200
    assert one.verified == {"v1a": 1}


def test_a_secret_that_signs_no_more_ends_now() -> None:
    ring = Keyring()
    for name in "12":
        ring.add(key_of(SECRET, made_at=name), still={}, now=10.0)
    ring.add(key_of(SECRET, made_at="3"), still={"2": 30.0}, now=20.0)
    assert [(key.made_at, key.ends) for key in ring.keys] == [("3", None), ("2", 30.0), ("1", 10.0)]


async def test_who_verifies_with_the_first_secret_refuses_the_second_until_it_is_mended() -> None:
    outdated = target(Manner.OUTDATED)
    outdated.keyring.add(key_of(OTHER, made_at="2"), still={}, now=time.time())
    async with asking(outdated) as one:
        assert (await one.post(SECRET, OTHER)).status == 200
        assert (await one.post(OTHER)).status == 401
        outdated.calm = True
        assert (await one.post(OTHER)).status == 200
    assert (outdated.unverified, outdated.signed_by_ended) == ([], [])


async def test_and_notices_if_an_ended_secret_signs_on() -> None:
    outdated = target(Manner.OUTDATED)
    outdated.keyring.add(key_of(OTHER, made_at="2"), still={}, now=time.time() - GRACE_S - 2)
    async with asking(outdated) as one:
        await one.post(SECRET, OTHER)
    assert len(outdated.signed_by_ended) == 1


async def test_a_flaky_one_errs_at_the_rates_of_its_mishaps() -> None:
    async with asking(target(Manner.FLAKY, chance=0.01)) as one:
        assert (await one.post()).status == 500
    async with asking(target(Manner.FLAKY, chance=0.075)) as one:
        assert (await one.post()).headers["location"] == "/elsewhere"


async def test_it_asks_to_be_left_alone_so_often_and_no_more() -> None:
    flaky = target(Manner.FLAKY, chance=0.05)
    async with asking(flaky) as one:
        replies = [await one.post() for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 429, 429]
    assert [reply.headers.get("retry-after") for reply in replies] == [str(RETRY_AFTER_S)] * 2 + [None]
    assert [arrival.asked_quiet_s for arrival in flaky.arrivals] == [RETRY_AFTER_S, RETRY_AFTER_S, 0]
    assert flaky.quiet_until > time.time()


@pytest.mark.parametrize("chance", [0.1, 0.125], ids=["hangs up", "speaks no HTTP"])
async def test_or_gives_no_answer(chance: float) -> None:
    flaky = target(Manner.FLAKY, chance=chance)
    async with asking(flaky) as one:
        with pytest.raises((NoAnswer, ValueError, IndexError)):
            await one.post()
    (arrival,) = flaky.arrivals
    assert (arrival.status, arrival.answered, arrival.taken) == (0, 0, False)


async def test_an_endless_answer_ends_when_nobody_reads_it() -> None:
    flaky = target(Manner.FLAKY, chance=0.135)
    async with asking(flaky) as one:
        with pytest.raises(NoAnswer):
            await one.http.request("POST", f"/{one.path}", BODY, headers=signed(SECRET), timeout_s=0.2)
        await until(lambda: bool(one.sink.flooded))
    assert 0 < one.sink.flooded[0] <= FLOOD_BYTES
    assert flaky.arrivals[0].taken


async def test_a_buggy_one_fails_for_some_objects_until_it_is_mended() -> None:
    buggy = target(Manner.BUGGY)
    async with asking(buggy) as one:
        assert (await one.post()).status == 200
        assert (await one.post(body=BUGGY_BODY)).status == 500
        buggy.calm = True
        assert (await one.post(body=BUGGY_BODY)).status == 200


async def test_one_that_is_gone_says_so_from_some_moment_on() -> None:
    async with asking(target(Manner.GONE, gone_after=2)) as one:
        assert [(await one.post()).status for _ in range(4)] == [200, 200, 410, 410]


async def test_one_that_is_down_hangs_up() -> None:
    down = target(Manner.DOWN)
    async with asking(down) as one:
        down.down = True
        with pytest.raises(NoAnswer):
            await one.post()
        down.down = False
        assert (await one.post()).status == 200


@pytest.mark.parametrize("silent", [True, False])
async def test_at_a_dead_one_there_is_nobody(silent: bool) -> None:
    async with asking(target(Manner.DEAD, silent=silent)) as one:
        with pytest.raises(NoAnswer):
            await one.http.request("POST", f"/{one.path}", BODY, headers=signed(SECRET), timeout_s=0.1)
    assert one.target.arrivals == []


async def test_who_goes_where_nothing_is_sent_is_noticed() -> None:
    async with asking(target()) as one:
        with pytest.raises(NoAnswer):
            await one.post(path="elsewhere")
    assert one.sink.strays == ["POST /elsewhere HTTP/1.1"]


async def test_another_body_of_the_same_event_is_noticed() -> None:
    async with asking(target()) as one:
        await one.post()
        await one.post(body=BUGGY_BODY)
    assert one.target._bodies.changed == ["evt_1"]


def test_a_tampered_v1a_signature_is_none() -> None:
    lines = signed(PUBLIC).splitlines()
    sent = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    verify: Callable[..., bool] = public_key(PUBLIC.public_key or "")
    assert verify(sent, BODY)
    assert not verify(sent, BODY + b" ")
    assert not verify({**sent, "webhook-id": "evt_2"}, BODY)
    assert not verify({**sent, "webhook-timestamp": "1"}, BODY)
    assert not verify({**sent, "webhook-signature": "v1a,not base64"}, BODY)
