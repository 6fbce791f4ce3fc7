"""The guide's template keeps the contract as it stands on the page; broken in any way, the kit says which."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from caudal.connectors import Drift, NotFound, NotSent, Refused, Reported, Status, Unknown, Why
from caudal.connectors.contract import CHECKS, ContractBroken, Report, Result, check_connector
from caudal_base.clock import SystemClock
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.doc_pages import ROOT, blocks

PAGE = ROOT / "docs" / "guides" / "connectors.md"

NOT_ACMES = {
    "a_capture_takes_all",
    "a_final_capture_of_a_part_ends_it",
    "captures_go_on_until_the_final_one",
    "no_more_is_captured_than_authorised",
    "an_increment_raises_what_is_authorised",
    "a_cancellation_releases_all",
    "a_pending_payment_can_be_called_off",
}
"""Checks of what the template's partner does not have."""


class Guide:
    """The page's two files, imported."""

    def __init__(self, acme: ModuleType, simulator: ModuleType) -> None:
        self.acme = acme
        self.simulator = simulator

    def made(self) -> tuple[Any, Any]:
        """A connector, and the simulator that it speaks to."""
        settings = PartnerSettings(
            connector="acme:create",
            book="main",
            url="https://acme.test",
            api_key=Secret("a key"),
            webhook_secrets=[Secret(self.simulator.SECRET)],
        )
        simulator = self.simulator.AcmeSimulator()
        connector = self.acme.create("acme", settings, Drift("acme", SystemClock()))
        connector.send = simulator.send
        return connector, simulator

    async def report(self, spoil: Callable[[Any], None] = lambda connector: None) -> Report:
        """What the kit says of a connector that `spoil` has spoilt."""
        connector, simulator = self.made()
        spoil(connector)
        return await check_connector(connector, simulator)


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    named = [block.text for block in blocks(PAGE) if block.language == "py"]
    return {text.partition("\n")[0].removeprefix("# "): text for text in named}


@pytest.fixture
def guide(files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guide]:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Guide(importlib.import_module("acme"), importlib.import_module("acme_simulator"))
    for name in ("acme", "acme_simulator"):
        del sys.modules[name]


async def test_the_template_keeps_the_contract(guide: Guide) -> None:
    report = await guide.report()
    report.require()
    assert [check.name for check in report.checks] == [check.__name__ for check in CHECKS]
    without = {check.name for check in report.checks if check.result is Result.NOT_APPLICABLE}
    assert without == NOT_ACMES


def test_the_script_prints_what_the_page_says(files: dict[str, str], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    script = [sys.executable, str(tmp_path / "try_acme.py")]
    out = subprocess.run(script, capture_output=True, text=True, check=True, timeout=60).stdout
    [shown] = [block.text for block in blocks(PAGE) if block.language == "text"]
    assert out.startswith(shown)
    assert len(out.splitlines()) == len(CHECKS)


def changing(name: str, change: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Changes the answers of an async method."""

    def spoil(connector: Any) -> None:
        right = getattr(connector, name)

        async def wrong(*arguments: Any) -> Any:
            return change(await right(*arguments))

        setattr(connector, name, wrong)

    return spoil


def spoilt_snapshot(**change: Any) -> Callable[[Any], Any]:
    def spoil(answer: Any) -> Any:
        if not isinstance(answer, Reported):
            return answer
        return Reported(msgspec.structs.replace(answer.snapshot, **change))

    return spoil


def new_key_each_time(connector: Any) -> None:
    right, count = connector.send, iter(range(10**9))

    async def send(method: str, url: str, *, headers: dict[str, str], content: bytes = b"") -> Any:
        return await right(
            method, url, headers={**headers, "Idempotency-Key": f"key {next(count)}"}, content=content
        )

    connector.send = send


def without_signatures(connector: Any) -> None:
    class Anything:
        def verify(self, headers: Any, body: bytes, *, now: Any) -> None: ...

    connector._scheme = Anything()


def without_times(connector: Any) -> None:
    right = connector._scheme.verify

    def verify(headers: Any, body: bytes, *, now: Any) -> Any:
        import datetime as dt

        at = dt.datetime.fromtimestamp(int(headers.get("webhook-timestamp", "0")), dt.UTC)
        return right(headers, body, now=at)

    connector._scheme.verify = verify


def careless_parsing(connector: Any) -> None:
    right = connector.parse

    def parse(inbound: Any) -> Any:
        import json

        assert json.loads(inbound.body)["data"]["amount"] > 0
        return right(inbound)

    connector.parse = parse


def without_rows(connector: Any) -> None:
    connector.capabilities = msgspec.structs.replace(connector.capabilities, supported=())


def promising_captures(connector: Any) -> None:
    from caudal.connectors import CaptureMode

    [row] = connector.capabilities.supported
    more = msgspec.structs.replace(row, capture_modes=frozenset(CaptureMode))
    connector.capabilities = msgspec.structs.replace(connector.capabilities, supported=(more,))


def unknown_to(wrong: Any) -> Callable[[Any], Any]:
    return lambda answer: wrong if isinstance(answer, Unknown) else answer


def doubled_settlements(connector: Any) -> None:
    right = connector.settlements

    async def settlements(since: Any) -> Any:
        async for settlement in right(since):
            yield settlement
            yield settlement

    connector.settlements = settlements


def short_settlements(connector: Any) -> None:
    right = connector.settlements

    async def settlements(since: Any) -> Any:
        async for settlement in right(since):
            yield msgspec.structs.replace(settlement, lines=settlement.lines[1:])

    connector.settlements = settlements


@pytest.mark.parametrize(
    ("spoil", "caught"),
    [
        (new_key_each_time, "the_same_attempt_twice_has_one_effect"),
        (new_key_each_time, "the_same_attempt_at_once_has_one_effect"),
        (changing("call", unknown_to(NotSent(Why.UNREACHABLE))), "a_lost_answer_is_unknown_and_then_found"),
        (changing("call", unknown_to(NotSent(Why.UNREACHABLE))), "a_lost_call_is_unknown_and_never_found"),
        (changing("call", unknown_to(None)), "a_steps_lost_answer_is_unknown_and_then_found"),
        (changing("query", lambda found: NotFound()), "a_lost_answer_is_unknown_and_then_found"),
        (changing("query", lambda found: NotFound()), "a_steps_lost_answer_is_unknown_and_then_found"),
        (changing("call", spoilt_snapshot(attempt_id=None)), "a_payment_succeeds_as_asked"),
        (changing("call", spoilt_snapshot(amount=1)), "a_payment_succeeds_as_asked"),
        (changing("call", spoilt_snapshot(currency="USD")), "a_payment_succeeds_as_asked"),
        (changing("call", spoilt_snapshot(status=Status.UNKNOWN)), "a_payment_succeeds_as_asked"),
        (changing("call", spoilt_snapshot(parent_id=None)), "a_refund_pays_back"),
        (changing("fetch", spoilt_snapshot(amount=1)), "a_payment_can_be_fetched"),
        (
            changing("call", lambda it: Unknown(Why.TIMEOUT) if isinstance(it, NotSent) else it),
            "a_rate_limit_is_not_sent",
        ),
        (
            changing("call", lambda it: NotSent(Why.BUSY) if isinstance(it, Refused) else it),
            "what_is_not_supported_is_refused",
        ),
        (
            changing("call", lambda it: NotSent(Why.BUSY) if isinstance(it, Refused) else it),
            "a_decline_says_why",
        ),
        (
            changing("query", lambda it: Unknown(Why.TIMEOUT) if isinstance(it, NotFound) else it),
            "a_query_that_fails_knows_nothing",
        ),
        (without_signatures, "a_tampered_webhook_is_refused"),
        (without_times, "a_webhook_out_of_time_is_refused"),
        (careless_parsing, "an_event_that_strays_crashes_nothing"),
        (without_rows, "capabilities_are_complete"),
        (promising_captures, "a_capture_takes_all"),
        (doubled_settlements, "a_settlement_is_the_sum_of_its_lines"),
        (short_settlements, "a_settlement_is_the_sum_of_its_lines"),
    ],
)
async def test_the_kit_names_what_is_broken(guide: Guide, spoil: Callable[[Any], None], caught: str) -> None:
    report = await guide.report(spoil)
    assert caught in {failure.name for failure in report.failures}
    with pytest.raises(ContractBroken, match=caught):
        report.require()


async def test_a_connector_that_raises_is_broken_and_no_crash(guide: Guide) -> None:
    def raising(connector: Any) -> None:
        async def wrong(*arguments: Any) -> Any:
            raise RuntimeError("a bug")

        connector.call = connector.query = connector.fetch = wrong

    report = await guide.report(raising)
    details = {failure.name: failure.detail for failure in report.failures}
    assert details["a_payment_succeeds_as_asked"] == "the call of submit raised RuntimeError: a bug"
    assert details["a_query_that_fails_knows_nothing"] == "the query of submit raised RuntimeError: a bug"
