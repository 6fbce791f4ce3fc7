"""Each invariant of webhooks to customers is broken by what it is about, and by nothing else."""

from typing import Any

import msgspec
import pytest

from caudal.simulation import arrivals
from caudal.simulation.arrivals import HEALTHY_WITHIN_S, Deliveries, Told
from caudal.simulation.receivers import RETRY_AFTER_S, Manner
from caudal.simulation.sink import FLOOD_BYTES
from caudal.simulation.targets import digest_of
from support import delivered as run
from support.delivered import arrival, deliveries, endpoint, receiver, row, tried


def broken(found: Deliveries) -> list[str]:
    """The names of the invariants that are broken."""
    return [name for name, look in arrivals.INVARIANTS.items() if list(look(found))]


def test_a_run_in_order_breaks_nothing() -> None:
    assert broken(deliveries()) == []


def disabled(reason: str, at: float) -> Told:
    return Told(
        seq=6, id="evt_6", type="webhook_endpoint.disabled", object=run.ENDPOINT, at=at, digest=b"",
        reason=reason,
    )  # fmt: skip


def enabled(at: float) -> Told:
    return Told(seq=7, id="evt_7", type="webhook_endpoint.enabled", object=run.ENDPOINT, at=at, digest=b"")


SLOW = receiver(manner=Manner.SLOW)
GONE = receiver(manner=Manner.GONE)
DEAD = receiver(manner=Manner.DEAD)
ASKED_QUIET = arrival(3, 1, 429, asked_quiet_s=RETRY_AFTER_S, at=1.0, answered_at=1.0)
LATER = {"at": 1.25 + RETRY_AFTER_S, "signed_at": 1 + RETRY_AFTER_S}
REFUSED = {"rows": [row(3, attempts=2), row(4)], "tries": [tried(3, 1, 500), tried(3, 2), tried(4)]}

CASES: dict[str, tuple[Deliveries, list[str]]] = {
    "one that has not come": (
        deliveries(endpoint(arrivals=[arrival(3, 1)], rows=[row(3)], tries=[tried(3)])),
        ["deliveries_complete"],
    ),
    "one that was never taken": (
        deliveries(
            endpoint(
                arrivals=[arrival(3, 1), arrival(4, 3, 500)],
                rows=[row(3), row(4, "pending")],
                tries=[tried(3), tried(4, 1, 500)],
            )
        ),
        ["deliveries_complete"],
    ),
    "one that it filters": (
        deliveries(
            endpoint(
                arrivals=[arrival(3, 1), arrival(4, 3), arrival(5, 5)],
                rows=[row(3), row(4), row(5)],
                tries=[tried(3), tried(4), tried(5)],
            )
        ),
        ["deliveries_wanted"],
    ),
    "one from before its time": (
        deliveries(
            endpoint(
                arrivals=[arrival(1, 1), arrival(3, 3), arrival(4, 5)],
                rows=[row(1), row(3), row(4)],
                tries=[tried(1), tried(3), tried(4)],
            )
        ),
        ["deliveries_wanted"],
    ),
    "a redirect that was followed": (deliveries(strays=["POST /elsewhere"]), ["deliveries_wanted"]),
    "another body at another attempt": (deliveries(changed=["evt_3"]), ["deliveries_as_feed"]),
    "another body than in the feed": (
        deliveries(digests={"evt_3": digest_of(b"other")}),
        ["deliveries_as_feed"],
    ),
    "the later one first": (
        deliveries(endpoint(arrivals=[arrival(4, 1), arrival(3, 3)])),
        ["deliveries_in_order"],
    ),
    "the later one before the earlier was answered": (
        deliveries(endpoint(arrivals=[arrival(3, 1, answered=4), arrival(4, 2, answered=3)])),
        ["deliveries_in_order"],
    ),
    "the later one after the earlier was refused": (
        deliveries(endpoint(arrivals=[arrival(3, 1, 500), arrival(4, 3), arrival(3, 5)], **REFUSED)),
        ["deliveries_in_order"],
    ),
    "the later one first when both are sent again": (
        deliveries(
            endpoint(
                arrivals=[arrival(3, 1, 500), arrival(4, 3, 500), arrival(4, 6), arrival(3, 8)],
                rows=[row(3, attempts=2), row(4, attempts=2)],
                tries=[tried(3, 1, 500), tried(4, 1, 500), tried(3, 2), tried(4, 2)],
                given_up=frozenset({3, 4}),
                replayed_from=5,
            )
        ),
        ["deliveries_in_order"],
    ),
    "a signature that is not good": (
        deliveries(endpoint(unverified=["evt_3 signed at 1"])),
        ["deliveries_verified"],
    ),
    "a signature by a secret that has ended": (
        deliveries(endpoint(signed_by_ended=["evt_3 signed at 1"])),
        ["deliveries_verified"],
    ),
    "one that is gone and was not disabled": (
        deliveries(
            endpoint(
                receiver=GONE,
                arrivals=[arrival(3, 1, 410), arrival(3, 3), arrival(4, 5)],
                rows=[row(3, attempts=2), row(4)],
                tries=[tried(3, 1, 410), tried(3, 2), tried(4)],
            )
        ),
        ["disabled_left_alone"],
    ),
    "one that is gone and got more": (
        deliveries(
            endpoint(
                receiver=GONE,
                status="disabled",
                arrivals=[arrival(3, 1, 410), arrival(4, 3)],
                rows=[row(3, "failed"), row(4)],
                tries=[tried(3, 1, 410), tried(4)],
                given_up=frozenset({3}),
            ),
            events=[*run.EVENTS, disabled("gone", 2.0)],
        ),
        ["disabled_left_alone"],
    ),
    "one that is well and was disabled": (deliveries(endpoint(status="disabled")), ["disabled_left_alone"]),
    "one that is dead and goes on": (
        deliveries(endpoint(receiver=DEAD, arrivals=[], rows=[], tries=[])),
        ["disabled_left_alone"],
    ),
    "one that came though it was disabled": (
        deliveries(
            endpoint(
                receiver=SLOW,
                arrivals=[arrival(3, 1), arrival(4, 3, at=20.2, signed_at=20)],
            ),
            events=[*run.EVENTS, disabled("requested", 4.0), enabled(30.0)],
        ),
        ["paused_left_alone"],
    ),
    "one that came too soon": (
        deliveries(
            endpoint(
                receiver=SLOW,
                arrivals=[ASKED_QUIET, arrival(3, 3, at=2.5, signed_at=2), arrival(4, 5, **LATER)],
                rows=[row(3, attempts=2), row(4)],
                tries=[tried(3, 1, 429), tried(3, 2), tried(4)],
            )
        ),
        ["retry_after_kept"],
    ),
    "an attempt that was never made": (
        deliveries(endpoint(rows=[row(3, attempts=2), row(4)], tries=[tried(3), tried(3, 2), tried(4)])),
        ["delivery_log_true"],
    ),
    "an attempt with another answer": (
        deliveries(endpoint(tries=[tried(3, 1, 500), tried(4)])),
        ["delivery_log_true"],
    ),
    "an attempt that is not in the log": (
        deliveries(endpoint(arrivals=[arrival(3, 1), arrival(4, 3), arrival(4, 5)])),
        ["delivery_log_true"],
    ),
    "attempts that are miscounted": (
        deliveries(endpoint(rows=[row(3, attempts=2), row(4)])),
        ["delivery_log_true"],
    ),
    "more of an answer than is kept": (
        deliveries(endpoint(tries=[tried(3, kept=2_049), tried(4)])),
        ["delivery_log_true"],
    ),
    "an answer that was read on and on": (deliveries(flooded=[FLOOD_BYTES]), ["answers_bounded"]),
    "a healthy one that had to wait": (
        deliveries(endpoint(arrivals=[arrival(3, 1), arrival(4, 3, at=2.1 + HEALTHY_WITHIN_S)])),
        ["healthy_not_delayed"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_invariant_is_broken_by_what_it_is_about(name: str) -> None:
    found, expected = CASES[name]
    assert broken(found) == expected


def test_every_invariant_is_broken_by_some_case() -> None:
    assert {name for _, names in CASES.values() for name in names} == set(arrivals.INVARIANTS)


def test_a_repeat_breaks_no_order() -> None:
    again = [arrival(3, 1), arrival(4, 3), arrival(3, 5)]
    log = {"rows": [row(3, attempts=2), row(4)], "tries": [tried(3), tried(3, 2), tried(4)]}
    assert broken(deliveries(endpoint(arrivals=again, **log))) == []


def test_what_was_given_up_holds_up_nothing() -> None:
    came = [arrival(3, 1, 500), arrival(4, 3), arrival(3, 6)]
    one = endpoint(arrivals=came, given_up=frozenset({3}), replayed_from=5, **REFUSED)
    assert broken(deliveries(one)) == []


def test_an_unordered_endpoint_may_get_the_later_one_first() -> None:
    one = endpoint(receiver=receiver(ordered=False), arrivals=[arrival(4, 1), arrival(3, 3)])
    assert broken(deliveries(one)) == []


def after_a_kill(*killed: float, **changes: Any) -> list[str]:
    return broken(deliveries(endpoint(**changes), workers_killed=list(killed)))


def test_what_a_worker_had_not_written_down_when_it_was_killed_may_be_missing_in_the_log() -> None:
    came = [arrival(3, 1), arrival(4, 3), arrival(4, 5)]
    assert after_a_kill(2.5, arrivals=came) == []
    assert after_a_kill(2.0, arrivals=came) == []  # it had been sent, and was seen a little later
    assert after_a_kill(1.2, arrivals=came) == ["delivery_log_true"]
    counted = {"rows": [row(3), row(4, attempts=2)], "tries": [tried(3), tried(4, 2)]}
    assert after_a_kill(2.5, arrivals=came, **counted) == []


def test_a_worker_that_was_killed_at_once_could_not_write_down_that_it_was_to_wait() -> None:
    changes = {
        "receiver": SLOW,
        "arrivals": [ASKED_QUIET, arrival(3, 3, at=2.5, signed_at=2), arrival(4, 5, **LATER)],
        "rows": [row(3, attempts=2), row(4)],
        "tries": [tried(3, 1, 429), tried(3, 2), tried(4)],
    }
    assert after_a_kill(1.2, **changes) == []
    assert after_a_kill(2.4, **changes) == ["retry_after_kept"]


def test_what_waits_for_a_dead_workers_claim_to_end_is_late_for_that_reason() -> None:
    late = [arrival(3, 1), arrival(4, 3, at=2.1 + HEALTHY_WITHIN_S)]
    assert after_a_kill(1.5, arrivals=late) == []
    assert after_a_kill(2.2 + HEALTHY_WITHIN_S, arrivals=late) == ["healthy_not_delayed"]


def test_a_healthy_one_that_was_disabled_has_its_time_from_then_on() -> None:
    came = [arrival(3, 1), arrival(4, 3, at=40.0, signed_at=40)]
    events = [*run.EVENTS, disabled("requested", 3.0), enabled(30.0)]
    assert broken(deliveries(endpoint(arrivals=came), events=events)) == []
    assert broken(deliveries(endpoint(arrivals=came), events=[*events[:-1], enabled(20.0)])) == [
        "healthy_not_delayed"
    ]


def test_on_a_machine_that_is_too_busy_there_is_longer() -> None:
    came = [arrival(3, 1), arrival(4, 3, at=2.1 + HEALTHY_WITHIN_S)]
    assert broken(deliveries(endpoint(arrivals=came), slowness=1.1)) == []
    assert broken(deliveries(endpoint(arrivals=came), slowness=1.0)) == ["healthy_not_delayed"]


def test_one_that_is_gone_need_not_have_got_everything() -> None:
    one = endpoint(
        receiver=GONE, status="disabled", arrivals=[arrival(3, 1, 410)], rows=[row(3, "failed")],
        tries=[tried(3, 1, 410)],
    )  # fmt: skip
    assert broken(deliveries(one, events=[*run.EVENTS, disabled("gone", 2.0)])) == []


def test_a_test_event_is_for_one_endpoint_alone() -> None:
    test = Told(seq=6, id="evt_6", type="webhook_endpoint.test", object=run.ENDPOINT, at=4.0, digest=b"")
    events = [*run.EVENTS, test]
    came = msgspec.structs.replace(arrival(3, 5), event="evt_6", at=4.0)
    one = endpoint(
        arrivals=[arrival(3, 1), arrival(4, 3), came],
        rows=[row(3), row(4), row(6)],
        tries=[tried(3), tried(4), tried(6)],
    )
    assert broken(deliveries(one, events=events, tested={"evt_6": run.ENDPOINT})) == []
    assert broken(deliveries(one, events=events)) == ["deliveries_wanted"]
    assert broken(deliveries(events=events, tested={"evt_6": run.ENDPOINT})) == ["deliveries_complete"]


def test_a_test_event_stands_in_no_line() -> None:
    """Both are about the endpoint, and the test comes first."""
    rotated = Told(
        seq=6, id="evt_6", type="webhook_endpoint.secret_rotated", object=run.ENDPOINT, at=3.5, digest=b""
    )
    last = Told(seq=7, id="evt_7", type="webhook_endpoint.test", object=run.ENDPOINT, at=4.0, digest=b"")
    one = endpoint(
        receiver=receiver(types=("payment.*", "webhook_endpoint.secret_rotated")),
        arrivals=[
            arrival(3, 1), arrival(4, 3), msgspec.structs.replace(arrival(3, 5), event="evt_7", at=4.0),
            msgspec.structs.replace(arrival(3, 7), event="evt_6", at=5.0),
        ],
        rows=[row(3), row(4), row(6), row(7)],
        tries=[tried(3), tried(4), tried(6), tried(7)],
    )  # fmt: skip
    assert broken(deliveries(one, events=[*run.EVENTS, rotated, last], tested={"evt_7": run.ENDPOINT})) == []
    other = msgspec.structs.replace(last, type="webhook_endpoint.secret_rotated")
    assert broken(deliveries(one, events=[*run.EVENTS, rotated, other])) == ["deliveries_in_order"]
