"""What must not be published, each with its code and the field at fault; and what is merely odd."""

from typing import Any

import pytest

from caudal.routing import Rules, problems, warnings
from support.routes import PARTNERS, default, rules

OPEN = {"to": {"partner": "alpha"}}


def found(written: Rules) -> list[tuple[str, str | None]]:
    return [(problem.code, problem.field) for problem in problems(written, PARTNERS)]


def own(**changes: Any) -> Rules:
    """A rule set of two rules, of which the first one is looked at."""
    return rules({"name": "own", **OPEN, **changes}, default("alpha", "bank"))


def test_a_rule_set_that_serves_everything_has_no_problem_and_no_warning() -> None:
    when = {"currency": ["EUR"], "instrument": ["tok_"]}
    written = own(when=when, to={"partner": "beta"}, next=[{"partner": "alpha"}])
    assert found(written) == []
    assert warnings(written, PARTNERS) == []


@pytest.mark.parametrize(
    "written",
    [rules(), rules({"name": "own", "when": {"currency": ["EUR"]}, **OPEN})],
    ids=["none at all", "the last one has conditions"],
)
def test_without_a_default_a_payment_could_be_left_without_a_route(written: Rules) -> None:
    assert found(written) == [("routing_no_default", "rules")]


@pytest.mark.parametrize(
    "routes",
    [
        {"a": {"to": {"route": "a"}}},
        {"a": {"to": {"partner": "alpha"}, "next": [{"route": "b"}]}, "b": {"to": {"route": "a"}}},
        {"a": {"to": {"route": "b"}}, "b": {"to": {"route": "c"}}, "c": {**OPEN, "next": [{"route": "a"}]}},
    ],
    ids=["itself", "two", "three"],
)
def test_routes_that_lead_back_to_themselves_are_refused(routes: dict[str, Any]) -> None:
    written = rules({"name": "own", "to": {"route": "a"}}, default("alpha"), routes=routes)
    assert found(written) == [("routing_cycle", "routes.a")]


def test_two_ways_to_the_same_route_are_no_circle() -> None:
    routes = {"a": {"to": {"route": "c"}, "next": [{"route": "b"}]}, "b": {"to": {"route": "c"}}, "c": OPEN}
    assert found(rules({"name": "own", "to": {"route": "a"}}, default("alpha"), routes=routes)) == []


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"to": {"partner": "nobody"}}, "routing_partner_unknown", "rules[0].to"),
        ({"next": [{"partner": "nobody"}]}, "routing_partner_unknown", "rules[0].next[0]"),
        (
            {"to": {"split": [{"partner": "alpha", "weight": 50}, {"partner": "nobody", "weight": 50}]}},
            "routing_partner_unknown",
            "rules[0].to",
        ),
        ({"to": {"route": "nowhere"}}, "routing_route_unknown", "rules[0].to.route"),
        ({"to": {}}, "routing_invalid", "rules[0].to"),
        ({"to": {"partner": "alpha", "route": "nowhere"}}, "routing_invalid", "rules[0].to"),
        ({"name": "default"}, "routing_invalid", "rules[1].name"),
        ({"name": "Own"}, "routing_invalid", "rules[0].name"),
        ({"when": {"currency": ["XXX"]}}, "routing_invalid", "rules[0].when.currency[0]"),
        ({"when": {"currency": ["EUR", "EUR"]}}, "routing_invalid", "rules[0].when.currency"),
        ({"when": {"country": ["XX"]}}, "routing_invalid", "rules[0].when.country[0]"),
        ({"when": {"customer": ["cus_1"]}}, "routing_invalid", "rules[0].when.customer[0]"),
        ({"when": {"instrument": [""]}}, "routing_invalid", "rules[0].when.instrument[0]"),
        ({"when": {"amount_from": 1}}, "routing_invalid", "rules[0].when.amount_from"),
        (
            {"when": {"currency": ["EUR", "JPY"], "amount_to": 1}},
            "routing_invalid",
            "rules[0].when.amount_to",
        ),
        (
            {"when": {"currency": ["EUR"], "amount_from": 2, "amount_to": 1}},
            "routing_invalid",
            "rules[0].when.amount_to",
        ),
        (
            {"when": {"currency": ["EUR"], "amount_from": 2**53}},
            "routing_invalid",
            "rules[0].when.amount_from",
        ),
    ],
)
def test_what_does_not_exist_or_cannot_be_is_refused_with_the_field(
    changes: dict[str, Any], code: str, field: str
) -> None:
    assert (code, field) in found(own(**changes))


@pytest.mark.parametrize("weights", [(70, 20), (70, 40), (-10, 110), (0, 100)])
def test_weights_are_positive_and_make_a_hundred(weights: tuple[int, int]) -> None:
    split = [{"partner": name, "weight": weight} for name, weight in zip(PARTNERS, weights, strict=False)]
    assert found(own(to={"split": split})) == [("routing_weights", "rules[0].to.split")]


@pytest.mark.parametrize(
    ("when", "partner"),
    [
        ({"kind": ["payout"]}, "alpha"),
        ({"kind": ["pay_in"], "method": ["card"]}, "bank"),
        ({"method": ["card"], "currency": ["EUR", "CHF"]}, "beta"),
        ({"capture": ["manual"]}, "gamma"),
        ({"capture": ["manual", "automatic"]}, "gamma"),
        ({"kind": ["payout"], "currency": ["EUR", "JPY"]}, "bank"),
        ({"method": ["bank_debit"]}, "alpha"),
    ],
)
def test_what_a_rule_names_each_of_its_partners_must_be_able_to_do(
    when: dict[str, Any], partner: str
) -> None:
    assert found(own(when=when, to={"partner": partner})) == [("routing_partner_incapable", "rules[0]")]
    assert found(own(when=when, to={"partner": "alpha"}, next=[{"partner": partner}]))[0] == (
        "routing_partner_incapable",
        "rules[0]",
    )


def test_what_a_rule_leaves_open_a_partner_need_not_do_all_of() -> None:
    assert found(own(when={"currency": ["EUR"]}, to={"partner": "gamma"}, next=[{"partner": "bank"}])) == []


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ({"cause": "hard_decline", "then": "elsewhere"}, "routing_retry_forbidden", "then"),
        ({"cause": "hard_decline", "then": "later", "wait_s": 60}, "routing_retry_forbidden", "then"),
        ({"cause": "invalid", "then": "later"}, "routing_retry_forbidden", "then"),
        ({"cause": "soft_decline", "then": "later", "times": 0}, "routing_invalid", "times"),
        ({"cause": "soft_decline", "then": "later", "times": 11}, "routing_invalid", "times"),
        ({"cause": "soft_decline", "then": "later", "wait_s": -1}, "routing_invalid", "wait_s"),
        ({"cause": "soft_decline", "then": "later", "codes": [""]}, "routing_invalid", "codes"),
        (
            {"cause": "soft_decline", "then": "never", "partner": "nobody"},
            "routing_partner_unknown",
            "partner",
        ),
    ],
)
def test_rows_of_retries_that_would_do_harm_are_refused(row: dict[str, Any], code: str, field: str) -> None:
    assert found(rules(default("alpha"), retries=[row])) == [(code, f"retries[0].{field}")]


def test_all_problems_are_told_at_once_and_not_without_end() -> None:
    several = own(name="Own", to={"partner": "nobody"}, when={"country": ["XX"]})
    assert len(found(several)) == 3
    assert len(found(rules(*(default("nobody", name=f"r{n}") for n in range(100))))) == 50
    assert found(rules(*(default("alpha", name=f"r{n}") for n in range(101)))) == [
        ("routing_invalid", "rules")
    ]


def test_routes_that_unfold_without_measure_are_refused_in_no_time() -> None:
    routes: dict[str, Any] = {
        f"r{n}": {"to": {"route": f"r{n + 1}"}, "next": [{"route": f"r{n + 1}"}] * 9} for n in range(48)
    }
    routes["r48"] = OPEN
    written = rules({"name": "own", "to": {"route": "r0"}}, default("alpha"), routes=routes)
    assert found(written) == [("routing_invalid", "rules")]


@pytest.mark.parametrize(
    ("first", "second", "warned"),
    [
        ({}, {"currency": ["EUR"]}, True),
        ({"country": ["DE", "FR"]}, {"country": ["FR"]}, True),
        ({"country": ["DE"]}, {"country": ["FR"]}, False),
        ({"currency": ["EUR"], "amount_to": 100}, {"currency": ["EUR"], "amount_to": 50}, True),
        ({"currency": ["EUR"], "amount_to": 50}, {"currency": ["EUR"], "amount_to": 100}, False),
        ({"instrument": ["pm_"]}, {"instrument": ["pm_card"]}, True),
        ({"instrument": ["pm_card"]}, {"instrument": ["pm_"]}, False),
        ({"customer": ["cus_" + "a" * 32]}, {}, False),
    ],
)
def test_a_rule_that_nothing_reaches_is_a_warning(
    first: dict[str, Any], second: dict[str, Any], warned: bool
) -> None:
    written = rules(
        {"name": "first", "when": first, **OPEN}, {"name": "second", "when": second, **OPEN},
        default("alpha", "bank"),
    )  # fmt: skip
    assert found(written) == []
    assert [w.split(" (")[0] for w in warnings(written, PARTNERS)] == (["rules[1]"] if warned else [])


def test_a_rule_that_takes_over_what_the_one_before_cannot_do_is_reached() -> None:
    written = rules(default("beta", name="first"), default("alpha", "bank"))
    assert warnings(written, PARTNERS) == []


def test_what_a_partner_could_do_and_no_rule_serves_is_a_warning() -> None:
    assert warnings(rules(default("alpha")), PARTNERS) == [
        f"no rule serves payout by bank_transfer in {currency}, automatic capture in general, "
        "though a partner could"
        for currency in ("EUR", "USD")
    ]


@pytest.mark.parametrize(
    ("when", "warned"),
    [({}, True), ({"instrument": ["tok_"]}, False), ({"instrument": ["tok_", "pm_"]}, True)],
)
def test_cards_whose_tokens_only_one_of_the_partners_knows_are_warned_of(
    when: dict[str, Any], warned: bool
) -> None:
    cards = {"name": "cards", "when": {"method": ["card"], **when}, "to": {"partner": "alpha"}}
    written = rules({**cards, "next": [{"partner": "beta"}]}, default("alpha", "bank"))
    found = [one for one in warnings(written, PARTNERS) if "token" in one]
    assert [one.split(" sends")[0] for one in found] == (["rules[0] (cards)"] if warned else [])
    assert all("alpha and beta" in one for one in found)
