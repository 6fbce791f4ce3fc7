"""`caudal webhooks endpoints` and `listen`, on a running `caudal up`: as a developer sees them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import Up, wait_for

_TOLD = {"webhook_endpoint.created", "webhook_endpoint.test"}


@pytest.fixture(scope="module")
def endpoint(up: Up) -> str:
    """One that nobody answers at."""
    made = up.caudal("webhooks", "endpoints", "create", "http://127.0.0.1:9/", "--type", "refund.*", "--json")
    assert made.code == 0, made.err
    assert made.json["secret"].startswith("whsec_")
    return str(made.json["id"])


def test_an_endpoint_is_shown_without_its_secret_and_changed(up: Up, endpoint: str) -> None:
    shown = up.caudal("webhooks", "endpoints", "show", endpoint, "--json")
    changed = up.caudal(
        "webhooks", "endpoints", "change", endpoint, "--concurrency", 3, "--ordered", "--json"
    )
    listed = up.caudal("webhooks", "endpoints", "list", "--json")

    assert "secret" not in shown.json
    assert (changed.json["concurrency"], changed.json["ordered"]) == (3, True)
    assert endpoint in [row["id"] for row in listed.json["data"]]


def test_what_cannot_be_an_endpoint_is_refused(up: Up, endpoint: str) -> None:
    refused = up.caudal("webhooks", "endpoints", "create", "http://10.0.0.1/", "--json")

    assert (refused.code, refused.json["error"]["code"]) == (1, "webhook_address_refused")
    for verb in (["create", "http://127.0.0.1:9/"], ["change", endpoint]):
        wrong = up.caudal("webhooks", "endpoints", *verb, "--type", "payments.*", "--json")
        error = wrong.json["error"]
        assert (wrong.code, error["code"], error["field"]) == (2, "invalid_event_types", "types[0]")


def test_a_rotation_shows_the_new_secret_once(up: Up, endpoint: str) -> None:
    rotated = up.caudal("webhooks", "endpoints", "rotate-secret", endpoint, "--overlap", "1h", "--json")

    assert rotated.json["secret"].startswith("whsec_")
    assert len(rotated.json["secrets"]) == 2


def test_nothing_is_removed_or_sent_again_without_being_asked(up: Up, endpoint: str) -> None:
    for verb in ("delete", "replay"):
        asked = up.caudal("webhooks", "endpoints", verb, endpoint)
        assert (asked.code, "--yes" in asked.err) == (1, True)


def test_one_event_that_is_sent_again_is_told_of_as_one(up: Up, endpoint: str) -> None:
    sent = up.caudal("webhooks", "endpoints", "test", endpoint, "--json").json["id"]

    again = up.caudal("webhooks", "endpoints", "replay", endpoint, "--event", sent)
    kind = ("--type", "webhook_endpoint.test", "--json")
    listed = up.caudal("webhooks", "endpoints", "deliveries", endpoint, *kind)

    assert (again.code, again.out.strip()) == (0, "1 event is on the way.")
    assert [row["event"] for row in listed.json["data"]] == [sent]


def test_listen_prints_what_comes_verified_and_leaves_nothing_behind(up: Up, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("wb") as written:
        listening = subprocess.Popen(
            [sys.executable, "-m", "caudal", "webhooks", "listen", "--json", "--data", str(up.directory)],
            stdout=written,
            stderr=subprocess.DEVNULL,
        )
        try:
            mine = wait_for(lambda: _listener(up))
            assert up.caudal("webhooks", "endpoints", "test", mine).code == 0
            wait_for(lambda: _types(out, mine) >= _TOLD)
        finally:
            listening.send_signal(signal.SIGINT)
            code = listening.wait(timeout=30)

    assert code == 0
    assert _types(out, mine) == _TOLD
    assert _listener(up) is None


def _types(out: Path, endpoint: str) -> set[str]:
    """Of the events of an endpoint that were printed: in any order, as nobody asked for one."""
    whole = out.read_bytes().rpartition(b"\n")[0]
    events = [json.loads(line) for line in whole.splitlines()]
    return {event["type"] for event in events if event["object"] == endpoint}


def _listener(up: Up) -> str | None:
    rows = up.caudal("webhooks", "endpoints", "list", "--json").json["data"]
    return next((row["id"] for row in rows if row["description"] == "caudal webhooks listen"), None)
