"""The report: each invariant of the day is broken by what it is about, and the page says what is so."""

import re
from typing import Any
from uuid import UUID

import msgspec
import pytest

from caudal.cli.demo_live import line, sparkline
from caudal.demo import Live, Parameters, Report, page, tables
from caudal.demo.callers import Sample
from caudal.demo.checks import NOT_HERE, OF_THE_DAY, Seen, invariants, last_states, missed
from caudal.demo.figures import percentiles, series
from caudal.demo.schedule import Day
from caudal.demo.types import (
    AccountFigures,
    Backlog,
    Duplicates,
    InvariantFigures,
    LaneFigures,
    PhaseFigures,
    RouteFigures,
    Shed,
    Unknowns,
    Webhooks,
)
from caudal.events import Event
from caudal.simulation import INVARIANTS
from caudal_base import ids
from support import simulated as run

EVENT = Event(
    seq=1, id=UUID(int=1), type="payment.succeeded", version=1, object_type="payment", object_id=run.PAYMENT,
    at=run.NOW, data=msgspec.Raw(b'{"state": "succeeded"}'),
)  # fmt: skip
NAME = ids.encode(ids.EVENT, EVENT.id)
SAMPLE = Sample(payment_id="pay_1", due=0.0, seconds=0.01, status=201, shed=1)
GOOD = Seen(not_at_rest=None, samples=[SAMPLE], events=[EVENT], arrived={NAME: 0.1}, order=[("pay_1", 1)])


def broken(**changes: Any) -> list[str]:
    found = invariants(msgspec.structs.replace(GOOD, **changes), run.evidence())
    return [each.name for each in found if not each.holds]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("everything_ends", {"not_at_rest": "1 jobs of webhooks"}),
        ("shed_is_not_lost", {"samples": [msgspec.structs.replace(SAMPLE, status=0)]}),
        ("webhooks_arrive", {"arrived": {}}),
        ("webhooks_in_order", {"order": [("pay_1", 2), ("pay_2", 1), ("pay_1", 1)]}),
    ],
)
def test_each_invariant_of_the_day_is_broken_by_what_it_is_about(name: str, changes: dict[str, Any]) -> None:
    assert broken() == []
    assert broken(**changes) == [name]


def test_a_day_is_held_against_the_invariants_of_the_simulation_too() -> None:
    found = invariants(GOOD, run.evidence(leaks=["our API key in jobs.job"]))

    assert [each.name for each in found] == [
        *OF_THE_DAY,
        *(name for name in INVARIANTS if name not in NOT_HERE),
    ]
    (leak,) = [each for each in found if not each.holds]
    assert (leak.name, leak.count, leak.examples) == ("nothing_leaked", 1, ("our API key in jobs.job",))
    assert all(each.meaning.endswith(".") for each in found)


def test_the_feed_tells_of_gaps_and_of_last_states() -> None:
    later = msgspec.structs.replace(EVENT, seq=3, data=msgspec.Raw(b'{"state": "returned"}'))
    assert missed([EVENT, later]) == [3]
    assert last_states([EVENT, later]) == {run.PAYMENT: "returned"}


DAY = Day(seconds=10.0, rate=1.0)
LOOKS = [
    Backlog(second=1.0, jobs=1, open=2, unknown=0, webhooks=4, health={"stripe": "up", "bank": "up"}),
    Backlog(second=6.0, jobs=9, open=8, unknown=3, webhooks=4, health={"stripe": "down", "bank": "up"}),
]


def report(**changes: Any) -> Report:
    some = percentiles([0.001, 0.2])
    phase = PhaseFigures(
        name="spike", begins="12:45", ends="13:30", offered=7, offered_per_second=70.0, accepted=6, shed=1,
        answer=some, end=percentiles([]),
    )  # fmt: skip
    made = Report(
        parameters=Parameters(seconds=10.0, rate=1.0),
        machine="a machine <of ours>",
        payments=1_234,
        outcomes={"succeeded": 1_200, "failed": 34},
        phases=[phase],
        routes=[
            RouteFigures(
                rule="cards", partner="meridian", payments=5, outcomes={"succeeded": 5}, taken_over=4
            )
        ],
        lanes=[
            LaneFigures(
                rule="cards", partner="stripe", outcomes={"approved": 2, "soft_decline": 1},
                approval_basis_points=6_666, approved_amount=123_456, cost=99,
            )
        ],
        retries={"not_sent": 4},
        sent_again=2,
        duplicates=Duplicates(sent=9, replayed=6, refused={"idempotency_key_reused": 3}),
        shed=Shed(answers=2, requests=1, accepted_later=1, without_retry_after=0),
        unanswered=1,
        unknowns=Unknowns(
            count=3, resolved=3, by_partner={"stripe": 3}, by_reason={"timeout": 3},
            ended={"succeeded": 3}, took=some,
        ),
        webhooks=Webhooks(events=20, arrived=20, attempts=21, retried=1, refused=0, delay=some),
        partner_webhooks={"delivered": 8, "duplicated": 1},
        faults={"calls": 100, "drop_after": 2},
        accounts=[
            AccountFigures(name="shop", reference="r", transfers=3, debits=1, credits=200, balance=-199)
        ],
        invariants=[InvariantFigures(name="webhooks_arrive", meaning="They do.", holds=True, count=0)],
        after_s=1.5,
        seconds=30.0,
        cpu={"api": 2.5},
        series=series(DAY, [SAMPLE], {"pay_1": 0.5}, {"pay_1": run.payment()}, LOOKS),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def test_the_page_asks_nobody_for_anything() -> None:
    made = page(report())

    assert made.startswith("<!doctype html>")
    for way_out in ("src=", "href=", "url(", "@import", "<script", "http:", "https:"):
        assert way_out not in made, way_out


def test_the_page_has_all_plots_and_tables() -> None:
    made = page(report())

    titles = re.findall(r"<h2>([^<]*)</h2>", made)
    plots = [
        "Payments a second",
        "How long it took",
        "Where payments went",
        "How partners were",
        "What waited",
    ]
    assert titles == [*plots, *(each.title for each in tables(report()))]
    assert "All 1 invariants hold." in made
    assert "a machine &lt;of ours&gt;" in made
    assert "&quot;" not in made.replace('aria-label="', "")


def test_the_page_names_what_is_broken() -> None:
    wrong = InvariantFigures(
        name="webhooks_arrive", meaning="They do.", holds=False, count=7, examples=("<evt_1>",)
    )
    found = report(invariants=[wrong])

    assert not found.holds
    made = page(found)
    assert "<b>Broken:</b> webhooks_arrive." in made
    assert '<td class="broken">BROKEN</td><td>7 times: &lt;evt_1&gt;</td>' in made


def test_the_tables_say_what_the_report_says() -> None:
    found = {each.title: each for each in tables(report())}

    (spike,) = found["Phases"].rows
    assert spike == ("spike", "12:45", "7", "70.0", "6", "1")
    assert found["Latencies by phase"].rows == [("spike", "200", "200", "200", "", "", "")]
    assert found["Payments by route and outcome"].rows == [("cards", "meridian", "5", "5", "4")]
    (lane,) = found["Attempts by route"].rows
    assert lane == ("cards", "stripe", "2", "1", "66.7 %", "0.99")
    assert found["The two hot accounts"].rows == [("shop", "3", "0.01", "2.00", "-1.99")]
    went = {row[0]: row[1:] for row in found["What went wrong, and what became of it"].rows}
    assert went["duplicates sent"] == ("9", "6 got the first answer; refused: 3 idempotency key reused")
    assert went["faults of partners"] == ("2", "2 drop after")
    assert went["payments begun again"] == ("4", "4 not sent")
    assert all(len(row) == len(each.columns) for each in found.values() for row in each.rows)


def test_a_report_survives_json() -> None:
    told = msgspec.json.encode(report())
    assert msgspec.json.encode(msgspec.json.decode(told, type=Report)) == told


def test_the_line_for_those_without_a_screen_names_who_is_not_well() -> None:
    live = Live(
        second=5.0, of=10.0, clock="13:45", phase="spike", offered_per_second=120.4,
        accepted_per_second=119.0,
        finished_per_second=80.0, p50_ms=12.3, p99_ms=88.0, jobs=1_200, open=30, unknown=2,
        health={"stripe": "down", "bank": "up"}, webhooks=500, webhooks_waiting=3, shed=1, repeated=4,
        offered=9, accepted=8, curve=[1.0],
    )  # fmt: skip
    assert line(live) == (
        "13:45 spike: offered 120/s, accepted 119/s, finished 80/s, p50 12 ms, p99 88 ms, 30 open, "
        "1,200 jobs, 2 unknown, 500 webhooks, 1 shed, stripe down"
    )


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([], ""), ([0.0, 0.0], "▁▁"), ([0.0, 4.0, 8.0], "▁▅█"), ([1.0, 1.0, 8.0, 8.0], "▂█")],
)
def test_a_sparkline_goes_from_nothing_to_the_highest(values: list[float], drawn: str) -> None:
    assert sparkline(values, width=2 if len(values) == 4 else 3) == drawn
