"""Which partners a payment may go to, in which order, and who gets it now."""

import datetime as dt
from collections import Counter
from typing import Any

import pytest

from caudal.connectors import CaptureMode, Direction, Method
from caudal.routing import (
    PROBE_EVERY,
    RECOVERY,
    Chosen,
    Facts,
    Outage,
    PartnerHealth,
    Rules,
    Standing,
    capable,
    choose,
    compiled,
    first_standing,
)
from support.routes import CUSTOMER, PARTNERS, default, facts, rules

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def chosen(written: Rules, payment: Facts) -> Chosen | None:
    return choose(compiled(written), payment, lambda name: capable(PARTNERS[name], payment))


def partners(written: Rules, payment: Facts) -> tuple[str, ...]:
    found = chosen(written, payment)
    return () if found is None else found.partners


@pytest.mark.parametrize(
    ("when", "fits", "does_not"),
    [
        ({"kind": ["pay_in"]}, {}, None),
        ({"method": ["card"]}, {}, None),
        ({"currency": ["USD"]}, {"currency": "USD"}, {"currency": "EUR"}),
        ({"capture": ["manual"]}, {"capture": CaptureMode.MANUAL}, {}),
        ({"currency": ["EUR"], "amount_from": 1_000}, {"amount": 1_000}, {"amount": 999}),
        ({"currency": ["EUR"], "amount_to": 1_000}, {"amount": 1_000}, {"amount": 1_001}),
        ({"country": ["FR", "DE"]}, {"country": "DE"}, {"country": "US"}),
        ({"country": ["FR"]}, {"country": "FR"}, {"country": None}),
        ({"customer": [CUSTOMER]}, {}, {"customer": "cus_" + "b" * 32}),
        ({"instrument": ["tok_", "pm_"]}, {}, {"instrument": "src_1"}),
        ({"instrument": ["tok_"]}, {"instrument": "tok_card_1"}, {"instrument": None}),
    ],
)
def test_a_rule_holds_where_each_of_its_conditions_does(
    when: dict[str, Any], fits: dict[str, Any], does_not: dict[str, Any] | None
) -> None:
    written = rules({"name": "own", "when": when, "to": {"partner": "beta"}}, default("alpha"))
    assert chosen(written, facts(**fits)) == Chosen("own", ("beta",))
    if does_not is not None:
        assert chosen(written, facts(**does_not)) == Chosen("default", ("alpha",))


def test_the_first_rule_that_holds_serves_a_payment_with_its_partners_in_order() -> None:
    written = rules(default("beta", "alpha", "gamma", name="first"), default("alpha"))
    assert chosen(written, facts()) == Chosen("first", ("beta", "alpha", "gamma"))


def test_partners_that_cannot_do_a_payment_are_left_out_and_a_rule_without_any_is_passed_over() -> None:
    written = rules(default("beta", "gamma", name="first"), default("alpha", "bank"))
    assert partners(written, facts(currency="CHF")) == ("gamma",)
    assert partners(written, facts(currency="CHF", amount=49)) == ("alpha",)
    assert partners(written, facts(currency="CHF", capture=CaptureMode.MANUAL)) == ("alpha",)
    payout = facts(direction=Direction.PAYOUT, method=Method.BANK_TRANSFER)
    assert chosen(written, payout) == Chosen("default", ("bank",))
    assert chosen(written, facts(method=Method.BANK_DEBIT)) is None


def test_a_split_draws_by_the_payments_id_always_the_same_and_by_weight() -> None:
    split = {"split": [{"partner": "alpha", "weight": 70}, {"partner": "beta", "weight": 30}]}
    written = rules({"name": "split", "to": split, "next": [{"partner": "gamma"}]})
    drawn = Counter(partners(written, facts(number)) for number in range(4_000))
    assert set(drawn) == {("alpha", "gamma"), ("beta", "gamma")}
    assert drawn["alpha", "gamma"] == pytest.approx(2_800, abs=120)
    again = Counter(partners(written, facts(number)) for number in range(4_000))
    assert drawn == again


def test_two_splits_draw_independently_of_each_other() -> None:
    half = {"split": [{"partner": "alpha", "weight": 50}, {"partner": "beta", "weight": 50}]}
    one, other = (rules({"name": name, "to": half}) for name in ("one", "other"))
    both = Counter((partners(one, facts(n)), partners(other, facts(n))) for n in range(4_000))
    assert all(count == pytest.approx(1_000, abs=120) for count in both.values())


def test_a_route_stands_for_all_its_partners_and_nobody_is_tried_twice() -> None:
    written = rules(
        {"name": "one", "to": {"route": "cheap"}, "next": [{"route": "sure"}, {"partner": "gamma"}]},
        routes={
            "cheap": {"to": {"partner": "beta"}, "next": [{"route": "sure"}]},
            "sure": {"to": {"partner": "alpha"}, "next": [{"partner": "beta"}]},
        },
    )
    assert partners(written, facts()) == ("beta", "alpha", "gamma")


def standing(drained: tuple[str, ...] = (), at: dt.datetime = NOW, **until: dt.datetime) -> Standing:
    outages = {
        name: Outage(partner=name, reason="breaker_open", since=NOW, until=end) for name, end in until.items()
    }
    return Standing(outages=outages, drained=frozenset(drained), at=at)


def given(found: Standing, number: int = 1) -> str | None:
    return first_standing(("alpha", "beta", "gamma"), found.health, facts(number).payment_id)


def test_who_is_down_or_being_drained_is_passed_over() -> None:
    soon = NOW + dt.timedelta(seconds=5)
    assert given(standing()) == "alpha"
    assert given(standing(alpha=soon)) == "beta"
    assert given(standing(("alpha",))) == "beta"
    assert given(standing(("alpha",), beta=soon)) == "gamma"


def test_after_an_outage_one_payment_in_twenty_tries_whether_it_is_over() -> None:
    ended = standing(alpha=NOW)
    assert ended.health("alpha") is PartnerHealth.RECOVERING
    tries = sum(given(ended, number) == "alpha" for number in range(2_000))
    assert tries == pytest.approx(2_000 / PROBE_EVERY, abs=40)
    over = standing(at=NOW + RECOVERY, alpha=NOW)
    assert over.health("alpha") is PartnerHealth.UP
    assert given(over) == "alpha"


def test_where_nobody_is_up_the_first_that_is_not_drained_gets_it() -> None:
    soon = NOW + dt.timedelta(seconds=5)
    assert given(standing(alpha=soon, beta=soon, gamma=soon)) == "alpha"
    assert given(standing(("alpha",), beta=soon, gamma=soon)) == "beta"
    assert given(standing(("alpha", "beta", "gamma"))) is None


def test_an_operators_drain_outweighs_what_was_measured() -> None:
    assert standing(("alpha",), alpha=NOW).health("alpha") is PartnerHealth.DRAINING
