"""The contract of connectors, as checks that anybody can run: `check_connector`.

    report = await check_connector(connector, simulator)
    report.require()

A connector is held against a simulator of its partner that the kit controls (`Simulator`): made to fail
before or after the effect, to lag, to limit, to send webhooks, to settle, and to show its own book of
effects. Each check has a name, and the report lists all that failed. In pytest, one test per check:

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_contract(check, connector, simulator):
        await run(check, connector, simulator)
"""

import enum
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from caudal.connectors import contract_payments as payments
from caudal.connectors import contract_steps as steps
from caudal.connectors import contract_webhooks as webhooks
from caudal.connectors.contract_bench import (
    Bench,
    Broken,
    Delivery,
    Fault,
    Instrument,
    NotApplicable,
    Simulator,
)
from caudal.connectors.protocol import Connector

Check = Callable[[Bench], Awaitable[None]]

CHECKS: Final[tuple[Check, ...]] = (
    payments.capabilities_are_complete,
    payments.a_payment_succeeds_as_asked,
    payments.a_payment_can_be_fetched,
    payments.the_same_attempt_twice_has_one_effect,
    payments.the_same_attempt_at_once_has_one_effect,
    payments.different_attempts_are_different_payments,
    payments.a_lost_answer_is_unknown_and_then_found,
    payments.a_lost_call_is_unknown_and_never_found,
    payments.a_rate_limit_is_not_sent,
    payments.a_query_that_fails_knows_nothing,
    payments.a_search_that_lags_finds_nothing_yet,
    payments.a_decline_says_why,
    payments.what_is_not_supported_is_refused,
    steps.a_capture_takes_all,
    steps.a_final_capture_of_a_part_ends_it,
    steps.captures_go_on_until_the_final_one,
    steps.no_more_is_captured_than_authorised,
    steps.an_increment_raises_what_is_authorised,
    steps.a_cancellation_releases_all,
    steps.a_pending_payment_can_be_called_off,
    steps.a_refund_pays_back,
    steps.what_a_payment_cannot_do_is_refused,
    steps.a_steps_lost_answer_is_unknown_and_then_found,
    steps.a_lost_step_is_unknown_and_not_found,
    steps.a_step_on_nothing_is_refused,
    webhooks.a_webhook_tells_of_its_payment,
    webhooks.a_repeated_webhook_has_the_same_id,
    webhooks.a_tampered_webhook_is_refused,
    webhooks.a_webhook_out_of_time_is_refused,
    webhooks.an_event_that_strays_crashes_nothing,
    webhooks.a_settlement_is_the_sum_of_its_lines,
)
"""All that a connector must keep to."""


class Result(enum.Enum):
    """What came of a check."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_APPLICABLE = "not_applicable"
    """The partner does not have what the check is about."""


class Checked(msgspec.Struct, frozen=True):
    """One check, and what came of it."""

    name: str
    result: Result
    detail: str = ""
    """How the contract is broken, or what the partner does not have."""


class ContractBroken(AssertionError):
    """A connector does not keep to its contract; the text lists every check that failed."""


class Report(msgspec.Struct, frozen=True):
    """What came of all checks, in their order."""

    checks: tuple[Checked, ...]

    @property
    def failures(self) -> tuple[Checked, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.result is Result.BROKEN)

    def require(self) -> None:
        """Raise `ContractBroken` unless all is kept."""
        if self.failures:
            raise ContractBroken("\n".join(f"{check.name}: {check.detail}" for check in self.failures))


async def check_connector(connector: Connector, simulator: Simulator) -> Report:
    """Hold `connector` to all of `CHECKS`, one after the other, whatever fails."""
    return Report(tuple([await run(check, connector, simulator) for check in CHECKS]))


async def run(check: Check, connector: Connector, simulator: Simulator) -> Checked:
    """One check; a failure is a result, and no exception."""
    name = check.__name__
    try:
        await check(Bench(connector, simulator))
    except Broken as error:
        return Checked(name, Result.BROKEN, str(error))
    except NotApplicable as error:
        return Checked(name, Result.NOT_APPLICABLE, str(error))
    return Checked(name, Result.KEPT)


__all__ = [
    "CHECKS",
    "Check",
    "Checked",
    "ContractBroken",
    "Delivery",
    "Fault",
    "Instrument",
    "Report",
    "Result",
    "Simulator",
    "check_connector",
    "run",
]
