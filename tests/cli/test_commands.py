"""What commands print, and with which code they exit."""

import contextlib
import importlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from caudal.cli.root import COMMANDS, FLAGS
from support.processes import CAUDAL, ENVIRONMENT, Up, run, run_process, wait_for


def leaves(command: Any) -> Iterator[Any]:
    """The commands below one, or itself."""
    below = getattr(command, "commands", None)
    if below is None:
        yield command
    else:
        for child in below.values():
            yield from leaves(child)


MOVE = ("transfers", "create", "--debit", "cash", "--credit")


@pytest.fixture(scope="module")
def accounts(up: Up) -> tuple[str, str]:
    """A cash account and a customer's, by reference."""
    for reference, side in (("cash", "debit"), ("ana", "credit")):
        opened = up.caudal(
            "accounts", "open", "--currency", "USD", "--side", side, "--reference", reference, "--json"
        )
        assert opened.code == 0, opened
    up.caudal("accounts", "open", "--currency", "USD", "--reference", "rich")
    assert up.caudal(*MOVE, "rich", "--amount", "1").code == 0
    return "cash", "ana"


def test_every_command_explains_itself() -> None:
    root = run("--help")

    assert root.code == 0
    assert "Exit codes: 0 done" in " ".join(root.out.split())
    for noun in ("accounts", "transfers", "ledger", "keys", "audit", "jobs", "db"):
        shown = run(noun, "--help")
        assert shown.code == 0, noun
        assert "Exit codes" in shown.out


def test_the_version_is_shown_without_loading_the_database_driver() -> None:
    probe = (
        "import sys; from caudal.cli import run; code = run(['version', '--json']);"
        "loaded = {name.split('.')[0] for name in sys.modules};"
        "sys.exit(code or bool(loaded & {'psycopg', 'litestar', 'granian'}))"
    )
    done = subprocess.run([CAUDAL[0], "-P", "-c", probe], capture_output=True, text=True, check=True)

    assert set(json.loads(done.stdout)) == {"caudal", "python", "postgresql"}


def test_a_transfer_from_the_command_line_moves_exactly_what_it_says(
    up: Up, accounts: tuple[str, str]
) -> None:
    both = ("--debit", "cash", "--credit", "ana", "-m", "a=1")
    before = up.caudal("accounts", "show", "ana", "--json").json["credits_posted"]

    made = up.caudal("transfers", "create", *both, "--amount", "1234.50", "--json")

    assert made.code == 0
    assert made.json["result"] == "created"
    assert made.json["amount"] == 123_450
    assert made.json["metadata"] == {"a": "1"}
    after = up.caudal("accounts", "show", "ana", "--json").json["credits_posted"]
    assert after - before == 123_450
    again = up.caudal("transfers", "create", *both, "--amount-minor", "123450", "--id", made.json["id"])
    assert again.code == 0
    assert "exists already" in again.out


def test_a_hold_is_posted_in_part_and_the_post_reversed(up: Up, accounts: tuple[str, str]) -> None:
    both = ("--debit", "cash", "--credit", "ana")
    held = up.caudal("transfers", "create", *both, "--amount", "10", "--pending", "--json").json
    posted = up.caudal("transfers", "post", held["id"], "--amount", "4", "--hold-rest", "--json").json
    voided = up.caudal("transfers", "void", posted["remainder_id"], "--json").json
    reversed_ = up.caudal("transfers", "reverse", posted["id"], "--json").json

    assert (held["state"], posted["amount"], voided["kind"], reversed_["amount"]) == (
        "open", 400, "void_pending", 400,
    )  # fmt: skip
    assert up.caudal("transfers", "show", held["id"], "--json").json["state"] == "posted"


def test_a_dry_run_says_what_would_happen_and_does_nothing(up: Up, accounts: tuple[str, str]) -> None:
    before = up.caudal("accounts", "show", "ana", "--json").json["version"]

    tried = up.caudal(
        "transfers", "create", "--debit", "cash", "--credit", "ana", "--amount", "5", "--dry-run", "--json"
    )

    assert tried.code == 0
    assert tried.json["dry_run"] is True
    assert up.caudal("accounts", "show", "ana", "--json").json["version"] == before


@pytest.mark.parametrize(
    ("arguments", "code", "error", "field"),
    [
        ((*MOVE, "ana", "--amount", "1.234"), 2, "invalid_amount", "amount"),
        ((*MOVE, "nobody", "--amount", "1"), 1, "account_not_found", "credit"),
        ((*MOVE, "cash", "--amount", "1"), 1, "same_account", None),
        (("transfers", "show", "tr_1"), 2, "invalid_id", "transfer"),
        (("accounts", "list", "--book", "none"), 1, "book_not_found", "book"),
        (("accounts", "balance", "ana", "--at", "yesterday"), 2, "invalid_request", "at"),
        (("accounts", "close", "rich"), 1, "account_not_empty", None),
        (("accounts", "list", "--limit", "0"), 2, "usage", None),
        (("keys", "create", "nothing"), 2, "invalid_key_request", "scopes"),
        (("jobs", "replay", "job_" + 32 * "1"), 1, "job_not_found", None),
        (("ledger", "close-period", "2020-01-31"), 1, "confirmation_needed", "--yes"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_json_object_and_an_exit_code(
    up: Up,
    accounts: tuple[str, str],
    arguments: tuple[str, ...],
    code: int,
    error: str,
    field: str | None,
) -> None:
    refused = up.caudal(*arguments, "--json")

    assert refused.code == code
    assert refused.json["error"]["code"] == error
    if field is not None:
        assert refused.json["error"]["field"] == field
    assert "Traceback" not in refused.err


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((*MOVE, "ana", "--amount", "1", "--code", "a\udcff"), "--code"),
        (("accounts", "open", "--currency", "USD", "--reference=a\udcff"), "--reference"),
        (("accounts", "open", "--currency", "USD", "--metadata", "k=\udcff"), "--metadata"),
        (("accounts", "show", "--json", "a\udcff"), None),
    ],
)
def test_an_argument_that_is_not_utf8_is_wrong_usage(arguments: tuple[str, ...], field: str | None) -> None:
    """Python gives bytes that are not UTF-8 as lone surrogates."""
    refused = run(*arguments, "--json")

    assert refused.code == 2
    assert refused.json["error"]["code"] == "usage"
    assert "\\xff is not UTF-8" in refused.json["error"]["detail"]
    assert refused.json["error"].get("field") == field
    assert refused.err == ""


def test_options_without_a_value_are_known_where_arguments_are_refused() -> None:
    """What stands behind one of these is not blamed on it."""
    flags = {
        name
        for _, module, _ in COMMANDS.values()
        for command in leaves(typer.main.get_command(importlib.import_module(module).app))
        for option in command.params
        if getattr(option, "is_flag", False) and not getattr(option, "is_eager", False)
        for name in (*option.opts, *option.secondary_opts)
    }

    assert {name for name in flags if not name.endswith("-completion")} <= FLAGS


def test_a_refusal_for_people_goes_to_standard_error(up: Up, accounts: tuple[str, str]) -> None:
    refused = run_process("accounts", "show", "nobody", "--data", up.directory)

    assert refused.code == 1
    assert refused.out == ""
    assert refused.err == (
        "Error: The book main has no account nobody. `caudal accounts list` shows those it has. (account)\n"
    )


def test_piped_tables_are_plain_lines_with_numbers_on_the_right(up: Up, accounts: tuple[str, str]) -> None:
    listed = run_process("accounts", "list", "--data", up.directory)

    header, *rows = listed.out.splitlines()
    assert header.endswith("balance")
    assert all(len(row) == len(header) and row.endswith("USD") for row in rows if "USD" in row)
    assert "\x1b" not in listed.out
    assert all(line == line.rstrip() for line in listed.out.splitlines())


def test_what_looks_like_markup_is_shown_as_it_is(up: Up) -> None:
    up.caudal("accounts", "open", "--currency", "USD", "--reference", "[bold]:smile:")

    assert "[bold]:smile:" in up.caudal("accounts", "show", "[bold]:smile:").out
    assert "[bold]:smile:" in up.caudal("accounts", "list").out
    assert "default: CAUDAL_DATA_DIR" in " ".join(
        run("accounts", "list", "--help").out.replace("│", "").split()
    )


def test_lists_go_on_where_they_ended(up: Up, accounts: tuple[str, str]) -> None:
    first = up.caudal("accounts", "list", "--limit", "1", "--json").json
    second = up.caudal("accounts", "list", "--limit", "1", "--after", first["next_cursor"], "--json").json

    assert first["data"][0]["id"] != second["data"][0]["id"]


def test_a_key_may_make_so_many_requests_as_it_is_told(up: Up) -> None:
    made = up.caudal(
        "keys", "create", "slow", "--scope", "ledger:read", "--requests-per-second", 1, "--json"
    ).json
    headers = {"Authorization": f"Bearer {made['text']}"}
    assert made["requests_per_second"] == 1

    def status() -> int:
        return httpx.get(f"{up.url}/v1/accounts", headers=headers).status_code

    wait_for(lambda: status() == 429)
    changed = up.caudal("keys", "change", made["public_id"], "--requests-per-second", 0, "--json")
    assert (changed.json["id"], changed.json["requests_per_second"]) == (made["id"], 0)
    wait_for(lambda: "ratelimit" not in httpx.get(f"{up.url}/v1/accounts", headers=headers).headers)
    assert [status() for _ in range(5)] == [200] * 5
    told = up.caudal("keys", "change", made["id"], "--requests-per-second", "default")
    assert "as the settings say" in told.out
    for wrong in ("many", "-1", "1.5"):
        refused = up.caudal("keys", "change", made["id"], f"--requests-per-second={wrong}", "--json")
        assert (refused.code, refused.json["error"]["code"]) == (2, "invalid_key_request")


def test_keys_are_made_listed_and_revoked(up: Up) -> None:
    made = up.caudal(
        "keys", "create", "reader", "--scope", "ledger:read", "--expires-in", "1d", "--json"
    ).json
    assert made["books"] == ["main"]
    assert up.caudal("keys", "list", "--json").json["data"][0] == {
        name: value for name, value in made.items() if name != "text"
    }

    asked = up.caudal("keys", "revoke", made["id"])
    assert asked.code == 1
    assert "--yes" in asked.err
    assert up.caudal("keys", "revoke", made["id"], "--yes", "--json").json["status"] == "revoked"


def test_a_key_is_named_by_any_id_that_the_list_shows(up: Up) -> None:
    made = up.caudal("keys", "create", "other", "--scope", "ledger:read", "--json").json
    assert made["public_id"] in up.caudal("keys", "list").out

    revoked = up.caudal("keys", "revoke", made["public_id"], "--yes", "--json")
    unknown = up.caudal("keys", "revoke", "0" * 12, "--yes", "--json")
    neither = up.caudal("keys", "revoke", "key_1", "--yes", "--json")

    assert (revoked.json["id"], revoked.json["status"]) == (made["id"], "revoked")
    assert (unknown.code, unknown.json["error"]["code"]) == (1, "key_not_found")
    assert (neither.code, neither.json["error"]["code"]) == (2, "invalid_id")


def test_what_operators_do_is_in_the_audit_log(up: Up, accounts: tuple[str, str]) -> None:
    account = up.caudal("accounts", "open", "--currency", "EUR", "--json").json["id"]
    up.caudal("accounts", "freeze", account)

    records = up.caudal("audit", "list", "--object", account, "--json").json["data"]

    assert [(one["principal"], one["action"], one["result"]) for one in records] == [
        ("operator", "account.freeze", "created"),
        ("operator", "account.open", "created"),
    ]
    assert up.caudal("audit", "verify").code == 0


def test_the_sample_bank_is_imported_once_and_compared(up: Up) -> None:
    up.caudal("ledger", "books", "create", "sample")

    first = up.caudal("ledger", "import", "berka", "--sample", "--book", "sample", "--json").json
    second = up.caudal("ledger", "import", "berka", "--sample", "--book", "sample", "--json").json
    compared = up.caudal("ledger", "compare", "berka", "--sample", "--book", "sample", "--json").json

    assert first["created"] == first["rows"] > 0
    assert (second["created"], second["existing"]) == (0, first["created"])
    assert compared["transactions"] == first["rows"]
    assert compared["posted_exactly"] == compared["account_days"] > 0
    assert {"exact", "off_by_2_or_more", "accounts"} <= compared.keys()


def test_the_books_are_proved_and_a_changed_row_is_found(up: Up, accounts: tuple[str, str]) -> None:
    import psycopg

    from caudal_base.embedded import attach

    proved = up.caudal("ledger", "check")
    assert proved.code == 0, proved
    assert "invariants hold" in proved.out

    change = (
        "update ledger.account_state set debits_posted = debits_posted + %s"
        " where book_id = 1 and account_no = 1"
    )
    with attach(up.directory) as session, psycopg.connect(session.dsn(), autocommit=True) as connection:
        connection.execute(change, [1])
        found = up.caudal("ledger", "check", "--json")
        connection.execute(change, [-1])

    assert found.code == 1
    assert found.json["ok"] is False
    assert found.json["findings"][0]["rows"]


def test_the_trial_balance_balances(up: Up, accounts: tuple[str, str]) -> None:
    balance = up.caudal("ledger", "trial-balance", "--json").json

    assert balance["balanced"] is True
    assert balance["totals"]["USD"]["debits_posted"] == balance["totals"]["USD"]["credits_posted"]


def test_a_hold_lapses_in_the_journal_without_anybody_asking(up: Up, accounts: tuple[str, str]) -> None:
    """The worker sweeps: nothing else touches these accounts."""
    ids = [up.caudal("accounts", "open", "--currency", "JPY", "--json").json["id"] for _ in range(2)]
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))
    held = up.caudal(
        "transfers", "create", "--debit", ids[0], "--credit", ids[1], "--amount", "5", "--pending",
        "--expires-at", soon, "--json",
    )  # fmt: skip
    assert held.code == 0, held

    deadline = time.monotonic() + 40
    while not (swept := up.caudal("audit", "list", "--principal", "expiry", "--json").json["data"]):
        assert time.monotonic() < deadline
    assert swept[0]["details"] == {"holds": 1}
    shown = up.caudal("transfers", "show", held.json["id"], "--json").json
    assert (shown["state"], "resolved_by" in shown) == ("expired", True)


def test_a_command_alone_starts_the_database_for_itself_and_leaves_nothing_running(tmp_path: Path) -> None:
    directory = tmp_path / "data"

    first = run("accounts", "open", "--currency", "USD", "--reference", "cash", "--data", directory, "--json")
    second = run("accounts", "list", "--data", directory, "--json")
    status = run("db", "status", "--json", environment={"CAUDAL_DATA_DIR": str(directory)})

    assert first.code == 0
    assert str(directory) in first.err
    assert [one["reference"] for one in second.json["data"]] == ["cash"]
    assert second.err == ""
    assert status.json["running"] is False
    assert status.json["migrations"]["missing"] == []
    assert not (directory / "server.json").exists()


@pytest.mark.parametrize("arguments", [("accounts", "list"), ("db", "status"), ("db", "migrate")])
def test_a_database_that_cannot_be_reached_is_exit_code_3(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    away = {"CAUDAL_DATABASE_URL": f"postgresql://nobody:secret@/none?host={tmp_path}"}

    refused = run(*arguments, "--json", environment=away)

    assert refused.code == 3
    assert refused.json["error"]["code"] == "unavailable"
    assert "connection to server on socket" in refused.json["error"]["detail"]
    assert "had its effect" not in refused.out
    assert "secret" not in refused.out


def test_a_database_without_the_schema_is_explained_and_migrated_on_request(dsn: str, tmp_path: Path) -> None:
    import psycopg
    from psycopg import sql

    from caudal.migrations import MIGRATIONS

    newest = sorted(file.name for file in MIGRATIONS.iterdir() if file.name.endswith(".sql"))[-1]
    own = {"CAUDAL_DATABASE_URL": dsn}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop schema if exists migration cascade")
    behind = run("accounts", "list", "--json", environment=own)
    assert behind.code == 3
    assert behind.json["error"]["code"] == "schema_behind"
    assert "caudal db migrate" in behind.json["error"]["detail"]

    with psycopg.connect(dsn, autocommit=True) as connection:
        made = "select nspname from pg_namespace where nspname !~ '^pg_|^public$|^information_schema$'"
        for (schema,) in connection.execute(made).fetchall():
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
    migrated = run("db", "migrate", "--json", environment=own)
    assert migrated.code == 0, migrated
    assert migrated.json["applied"][-1] == newest.removesuffix(".sql")
    assert run("accounts", "list", "--json", environment=own).json["data"] == []

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "insert into migration.applied (number, name, sha256) values (9999, '9999_future', '')"
        )
    ahead = run("accounts", "list", environment=own)
    assert ahead.code == 0
    assert "A newer Caudal has migrated this database further (9999_future)" in ahead.err


def test_a_backup_is_restored_to_what_was_there(up: Up, accounts: tuple[str, str], tmp_path: Path) -> None:
    made = up.caudal("backup", tmp_path / "place", "--no-deliver", "--json")
    assert made.code == 0, made
    up.caudal("accounts", "open", "--currency", "USD", "--reference", "later")

    restored = run("restore", tmp_path / "place", "--data", tmp_path / "again", "--json")
    assert restored.code == 0, restored

    listed = run("accounts", "list", "--data", tmp_path / "again", "--json").json["data"]
    references = {one.get("reference") for one in listed}
    assert "ana" in references
    assert "later" not in references
    refused = run("restore", tmp_path / "place", "--data", tmp_path / "again", "--json")
    assert refused.code == 1


def test_bugs_show_a_traceback_only_to_who_asks(up: Up) -> None:
    arguments = ("accounts", "show", "nobody", "--data", up.directory)

    plain = run(*arguments)
    asked = run(*arguments, environment={"CAUDAL_LOG_LEVEL": "debug"})

    assert "Traceback" not in plain.err
    assert "Traceback" in asked.err


def test_colours_are_for_terminals(up: Up) -> None:
    leader, follower = os.openpty()
    process = subprocess.Popen(
        [*CAUDAL, "ledger", "books", "list", "--data", str(up.directory)],
        env={**ENVIRONMENT, "NO_COLOR": "1", "TERM": "xterm"},
        stdout=follower,
        stderr=follower,
        stdin=subprocess.DEVNULL,
    )
    os.close(follower)
    said = b""
    with contextlib.suppress(OSError):  # how the end of a terminal is told
        while chunk := os.read(leader, 4096):
            said += chunk
    os.close(leader)
    assert process.wait(60) == 0
    assert b"main" in said
    assert b"\x1b[3" not in said
