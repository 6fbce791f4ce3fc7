"""What is drawn from a seed: the same again, everything at least once, and well-formed."""

import datetime as dt
from collections import Counter

import msgspec
import pytest

from caudal.simulation import chaos, partners, plans, shapes
from caudal.simulation.plans import Action, Script
from caudal.simulation.types import Victim
from caudal_base import ids

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
PEOPLE = plans.customers(1, 48, AT)


def drawn(seed: int, count: int) -> list[Script]:
    return shapes.scripts(seed, count, plans.customers(seed, 48, AT), AT)


def test_a_seed_draws_the_same_scripts_again() -> None:
    assert drawn(11, 200) == drawn(11, 200)


def test_another_seed_draws_others() -> None:
    first, second = drawn(11, 200), drawn(12, 200)
    assert [script.shape for script in first] != [script.shape for script in second]
    assert {script.payment_id for script in first}.isdisjoint(script.payment_id for script in second)


def test_a_run_of_2000_has_every_shape_and_every_action() -> None:
    scripts = drawn(3, 2_000)
    shapes_seen = {script.shape for script in scripts}
    assert shapes_seen == {maker.__name__ for maker in shapes.WEIGHTS}
    actions = {ask.action for script in scripts for step in script.steps for ask in step.asks}
    assert actions == set(Action) - {Action.CREATE}


def test_every_request_has_a_key_of_its_own() -> None:
    scripts = drawn(5, 500)
    keys = [script.create.key for script in scripts]
    keys += [ask.key for script in scripts for step in script.steps for ask in step.asks]
    assert len(set(keys)) == len(keys)


def test_payment_ids_are_uuid7_and_of_each_script() -> None:
    scripts = drawn(5, 300)
    decoded = [ids.decode(ids.PAYMENT, script.payment_id) for script in scripts]
    assert {each.version for each in decoded} == {7}
    assert len(set(decoded)) == 300


def test_refunds_carry_their_key_so_that_they_can_be_told_apart() -> None:
    refunds = [
        ask
        for script in drawn(5, 300)
        for step in script.steps
        for ask in step.asks
        if ask.action is Action.REFUND
    ]
    assert refunds
    assert all(ask.body["metadata"] == {"asked": ask.key} for ask in refunds)


def test_parts_add_up_and_are_positive() -> None:
    author = plans.Author(1, PEOPLE, AT)
    for count in (1, 2, 3):
        parts = shapes._parts(author, 500, count)
        assert (len(parts), sum(parts)) == (count, 500)
        assert min(parts) > 0


def test_an_internal_payment_goes_to_somebody_else() -> None:
    internal = [script.create.body for script in drawn(9, 1_000) if script.shape == "internal"]
    assert internal
    assert all(body["customer"] != body["destination"] for body in internal)


def test_funding_gives_each_customer_money_in_each_currency() -> None:
    made = {(s.create.body["customer"], s.create.body["currency"]) for s in shapes.funding(1, PEOPLE, AT)}
    assert made == {(person.id, currency) for person in PEOPLE for currency in person.currencies}


def test_the_canary_is_a_card_number_that_callers_try_to_send() -> None:
    sent = [msgspec.json.encode(script.create.body).decode() for script in drawn(2, 2_000)]
    assert any(plans.CANARY_CARD in body for body in sent)
    digits = [int(digit) for digit in reversed(plans.CANARY_CARD)]
    doubled = sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    assert doubled % 10 == 0


def test_kills_come_in_order_and_hit_everybody_before_anybody_twice() -> None:
    kills = chaos.schedule(4, 2_000, 13)
    assert [kill.after for kill in kills] == sorted(kill.after for kill in kills)
    assert {kill.victim for kill in kills[: len(Victim)]} == set(Victim)
    assert max(Counter(kill.victim for kill in kills).values()) == 3
    assert kills == chaos.schedule(4, 2_000, 13)


def test_no_kills_are_drawn_where_none_are_wanted() -> None:
    assert chaos.schedule(4, 2_000, 0) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_faults_are_rates_around_which_a_seed_draws(seed: int) -> None:
    for rates in partners.faults(seed, 1.0).values():
        assert 0 < rates["error_after"] < 0.05
    assert partners.faults(seed, 1.0) == partners.faults(seed, 1.0)
    assert partners.faults(seed, 1.0) != partners.faults(seed + 1, 1.0)


def test_without_faults_all_rates_are_zero() -> None:
    for rates in partners.faults(1, 0.0).values():
        drawn_rates = {name: rate for name, rate in rates.items() if name in partners.calm()["stripe"]}
        assert set(drawn_rates.values()) == {0.0}


def test_secrets_are_of_each_seed_and_fit_for_both_schemes() -> None:
    first, second = partners.secrets(1), partners.secrets(2)
    assert first["stripe"].api_key.startswith("sk_test_")
    assert first["bank"].api_key.startswith("bk_test_")
    assert first["meridian"].api_key.startswith("mk_test_")
    assert len(bytes.fromhex(first["meridian"].webhook)) == 24
    everything = [text for shared in (first, second) for each in shared.values() for text in _texts(each)]
    assert len(set(everything)) == len(everything) == 18


def _texts(secrets: partners.Secrets) -> list[str]:
    return [secrets.api_key, secrets.webhook, secrets.old_webhook]
