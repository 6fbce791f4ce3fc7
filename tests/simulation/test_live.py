"""One small run against everything real: processes that are killed, a sandbox that misbehaves."""

from typing import Any

import pytest

from support.processes import Ran, run, run_process

PAYMENTS = 60


@pytest.fixture(scope="module")
def ran() -> Ran:
    return run_process(
        *("simulate", "payments", "--json", "--seed", 20_264, "--payments", PAYMENTS),
        *("--clients", 24, "--kills", 6, "--faults", 2),
    )


@pytest.fixture(scope="module")
def report(ran: Ran) -> dict[str, Any]:
    found: dict[str, Any] = ran.json
    return found


@pytest.mark.timeout(240)
def test_everything_holds(ran: Ran, report: dict[str, Any]) -> None:
    assert report["invariants_broken"] == []
    assert (report["double_effects"], report["lost"]) == (0, 0)
    assert ran.code == 0, ran.err


def test_the_run_was_none_of_fair_weather(report: dict[str, Any]) -> None:
    assert set(report["kills"]) == {"api", "api_worker", "worker", "workers", "postmaster", "backend"}
    assert report["unanswered"] > 0
    assert report["sent"] > report["requests"] > PAYMENTS
    assert report["webhooks"]["duplicated"] > 0
    assert sum(report["faults"].get(kind, 0) for kind in ("error_after", "drop_after", "drop_before")) > 0


def test_customers_got_their_webhooks_though_endpoints_failed_and_secrets_changed(
    report: dict[str, Any],
) -> None:
    sent = report["deliveries"]
    answered = sum(count for name, count in sent.items() if name.startswith("status_"))
    assert sent["received"] == answered + sent.get("unanswered", 0)
    assert sent["received"] > sent["status_200"] == sent["arrived"] + sent["repeated"]
    assert sent["arrived"] > 4 * PAYMENTS
    assert min(sent["verified_v1"], sent["verified_v1a"], sent["rotated"]) > 0


def test_payments_went_by_rules_to_all_partners_and_one_was_away(report: dict[str, Any]) -> None:
    partners = {route.rpartition(": ")[2] for route in report["routes"]}
    assert partners == {"stripe", "meridian", "bank"}
    assert report["publications"] >= 2
    assert len(report["outages"]) == 1


def test_it_says_how_to_see_it_again(report: dict[str, Any]) -> None:
    parameters = report["parameters"]
    assert (parameters["seed"], parameters["payments"]) == (20_264, PAYMENTS)
    assert (parameters["clients"], parameters["kills"], parameters["faults"]) == (24, 6, 2.0)


def test_a_count_of_payments_that_is_none_is_refused() -> None:
    assert run("simulate", "payments", "--payments", 0).code == 2
