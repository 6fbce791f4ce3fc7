"""Commands that come in files of JSON: batches, journal entries, templates; and trying commands out."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from caudal_base import ids
from caudal_base.clock import SystemClock
from caudal_base.ids import IdSource
from support.processes import CAUDAL, ENVIRONMENT, Ran, Up

SOURCE = IdSource(SystemClock())


def new_id(prefix: str = ids.TRANSFER) -> str:
    return ids.encode(prefix, SOURCE.new())


@pytest.fixture(scope="module")
def accounts(up: Up) -> tuple[str, str]:
    """A bank's account and a customer's that must not be overdrawn, by id, in a book of their own."""
    up.caudal("ledger", "books", "create", "files")
    rule = ("--limit", "debits_must_not_exceed_credits")
    made = [
        up.caudal("accounts", "open", "--currency", "USD", "--book", "files", *more, "--json").json["id"]
        for more in (("--side", "debit", "--reference", "bank"), ("--reference", "bo", *rule))
    ]
    return made[0], made[1]


class Files:
    """Commands on files of one test."""

    def __init__(self, up: Up, directory: Path) -> None:
        self.up = up
        self.file = directory / "commands.json"

    def __call__(self, *arguments: str, content: Any) -> Ran:
        """Runs the command on a file with the content."""
        self.file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return self.up.caudal(*arguments, self.file, "--book", "files", "--json")

    def available(self, account: str) -> int:
        found = self.up.caudal("accounts", "show", account, "--book", "files", "--json").json
        return int(found["available"])


@pytest.fixture
def files(up: Up, accounts: tuple[str, str], tmp_path: Path) -> Files:
    return Files(up, tmp_path)


def move(accounts: tuple[str, str], amount: int, **more: Any) -> dict[str, Any]:
    """A deposit with the customer."""
    bank, customer = accounts
    return {
        "id": new_id(), "debit_account": bank, "credit_account": customer,
        "amount": amount, "currency": "USD", **more,
    }  # fmt: skip


def test_a_batch_carries_out_every_kind_of_command_in_order(files: Files, accounts: tuple[str, str]) -> None:
    before = files.available("bo")
    first, held, other = (
        move(accounts, 500),
        move(accounts, 70, pending=True),
        move(accounts, 9, pending=True),
    )
    content = {
        "transfers": [
            first,
            held,
            {"id": new_id(), "type": "post_pending", "pending_id": held["id"], "amount": 60},
            other,
            {"id": new_id(), "type": "void_pending", "pending_id": other["id"]},
            {"id": new_id(), "type": "reversal", "original_id": first["id"], "amount": 100},
        ]
    }

    done = files("transfers", "batch", content=content)
    again = files("transfers", "batch", content=content)

    assert done.code == again.code == 0
    assert [one["kind"] for one in done.json["results"]] == [
        "posted", "pending", "post_pending", "pending", "void_pending", "reversal",
    ]  # fmt: skip
    assert (done.json["created"], done.json["exists"], done.json["refused"]) == (6, 0, 0)
    assert (again.json["created"], again.json["exists"]) == (0, 6)
    assert files.available("bo") == before + 500 + 60 - 100


@pytest.mark.parametrize(("atomic", "created"), [((), 1), (("--atomic",), 0)])
def test_a_batch_with_a_refusal_is_exit_code_1(
    files: Files, accounts: tuple[str, str], atomic: tuple[str, ...], created: int
) -> None:
    bank, customer = accounts
    too_much = {**move(accounts, 10**9), "debit_account": customer, "credit_account": bank}

    done = files("transfers", "batch", *atomic, content={"transfers": [move(accounts, 1), too_much]})

    assert done.code == 1
    assert (done.json["created"], done.json["refused"]) == (created, 2 - created)
    assert done.json["results"][1]["error"]["code"] == "exceeds_debit_limit"


def test_conditions_on_versions_hold_in_batches_and_in_commands(
    files: Files, accounts: tuple[str, str]
) -> None:
    files("transfers", "batch", content={"transfers": [move(accounts, 1)]})
    old = move(accounts, 1, if_version={"credit": 0})
    both = ("--debit", "bank", "--credit", "bo", "--amount", "1", "--book", "files", "--json")

    batch = files("transfers", "batch", content={"transfers": [old]})
    refused = files.up.caudal("transfers", "create", *both, "--if-credit-version", "0")
    version = files.up.caudal("accounts", "show", "bank", "--book", "files", "--json").json["version"]
    accepted = files.up.caudal("transfers", "create", *both, "--if-debit-version", version)

    assert batch.json["results"][0]["error"]["code"] == "credit_version_mismatch"
    assert refused.json["error"]["code"] == "credit_version_mismatch"
    assert accepted.code == 0


def test_a_dry_run_of_a_batch_writes_nothing(files: Files, accounts: tuple[str, str]) -> None:
    before = files.available("bo")

    tried = files("transfers", "batch", "--dry-run", content={"transfers": [move(accounts, 5)]})

    assert (tried.code, tried.json["dry_run"], tried.json["created"]) == (0, True, 1)
    assert files.available("bo") == before


def test_a_batch_comes_from_standard_input_and_is_shown_as_a_table(up: Up, accounts: tuple[str, str]) -> None:
    content = {"transfers": [move(accounts, 5), move((accounts[0], accounts[0]), 1)]}

    done = subprocess.run(
        [*CAUDAL, "transfers", "batch", "-", "--book", "files", "--data", str(up.directory)],
        env=ENVIRONMENT, input=json.dumps(content), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done
    _, first, second, reason, counts = done.stdout.splitlines()
    assert "0.05 USD" in first
    assert "refused" in second
    assert reason == "Item 1 was refused: debit and credit account are the same (same_account)"
    assert counts == "1 created, 0 exists, 1 refused"


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        (b'{"transfers": [], "transfers": []}', "invalid_field", "transfers"),
        (b'{"atomic": true, "atomic": true, "transfers": [{"id": "tr_%s"}]}', "duplicate_key", "atomic"),
        (b'{"transfers": [{"id": "tr_%s", "code": "a\\u0000"}]}', "nul_character", "transfers[0].code"),
        (b'{"transfers": [{"id": "tr_%s", "code": "\xff"}]}', "invalid_text", "transfers[0].code"),
        (b'{"transfers": [{"id": "tr_%s", "amout": 1}]}', "unknown_field", "transfers[0].amout"),
        (b'{"transfers": [{"id": "tr_%s"}]}', "missing_field", "transfers[0].debit_account"),
        (b"transfers", "malformed_json", None),
    ],
)
def test_a_file_that_is_not_sound_is_refused_as_the_api_does(
    files: Files, content: bytes, code: str, field: str | None
) -> None:
    refused = files("transfers", "batch", content=content.replace(b"%s", b"0" * 32))

    assert refused.code == 2
    assert refused.json["error"]["code"] == code
    assert refused.json["error"].get("field") == field


def test_a_file_that_is_not_there_is_named(up: Up) -> None:
    refused = up.caudal("transfers", "batch", "nowhere.json", "--json")

    assert refused.code == 1
    assert refused.json["error"]["detail"] == "nowhere.json: No such file or directory"


def test_an_entry_of_many_postings_is_recorded_whole_or_not_at_all(
    files: Files, accounts: tuple[str, str]
) -> None:
    bank, customer = accounts
    before = files.available("bo")
    content = {
        "id": new_id(ids.TRANSACTION),
        "reference": "payday",
        "postings": [
            {"account": bank, "side": "debit", "amount": 30, "currency": "USD"},
            {"account": customer, "side": "credit", "amount": 10, "currency": "USD"},
            {"account": customer, "side": "credit", "amount": 20, "currency": "USD"},
        ],
    }

    tried = files("ledger", "record", "--dry-run", content=content)
    assert (tried.code, tried.json["dry_run"], files.available("bo")) == (0, True, before)
    done = files("ledger", "record", content=content)
    again = files("ledger", "record", content=content)
    content["postings"][0]["amount"] = 31  # type: ignore[index]
    unbalanced = files("ledger", "record", content={**content, "id": new_id(ids.TRANSACTION)})

    assert (done.json["result"], again.json["result"]) == ("created", "exists")
    assert done.json["reference"] == "payday"
    assert len(done.json["postings"]) == 3
    assert sum(one["amount"] for one in done.json["transfers"]) == 30
    assert files.available("bo") == before + 30
    assert (unbalanced.code, unbalanced.json["error"]["code"]) == (1, "postings_unbalanced")


def test_a_template_is_kept_in_versions_and_makes_entries(files: Files, accounts: tuple[str, str]) -> None:
    bank, customer = accounts
    template: dict[str, Any] = {
        "name": "deposit",
        "definition": {
            "parameters": {"sum": {"type": "amount"}, "to": {"type": "account"}},
            "legs": [
                {"account": bank, "side": "debit", "amount": {"kind": "whole", "of": "sum"}},
                {"account": "to", "side": "credit", "amount": {"kind": "whole", "of": "sum"}},
            ],
        },
    }
    tried = files("ledger", "templates", "create", "--dry-run", content=template)
    made = files("ledger", "templates", "create", content=template)
    again = files("ledger", "templates", "create", content=template)
    template["definition"]["code"] = "deposit"
    newer = files("ledger", "templates", "create", content=template)

    assert [(one.json["result"], one.json["version"]) for one in (made, again, newer)] == [
        ("created", 1), ("exists", 1), ("created", 2),
    ]  # fmt: skip
    assert (tried.json["dry_run"], tried.json["version"]) == (True, 1)
    named = ("--book", "files", "--json")
    listed = files.up.caudal("ledger", "templates", "list", *named).json["data"]
    shown = files.up.caudal("ledger", "templates", "show", "deposit@1", *named).json
    assert [(one["name"], one["version"]) for one in listed] == [("deposit", 1), ("deposit", 2)]
    assert shown["definition"].get("code") is None
    assert "all of sum" in files.up.caudal("ledger", "templates", "show", "deposit", "--book", "files").out

    entry = {
        "template": "deposit",
        "parameters": {"sum": {"amount": 7, "currency": "USD"}, "to": customer},
    }
    recorded = files("ledger", "record", content=entry)
    assert (recorded.json["template"], recorded.json["code"]) == ("deposit@2", "deposit")
    kept = files.up.caudal("audit", "list", "--book", "files", "--action", "template.create", "--json")
    assert [one["result"] for one in kept.json["data"]] == ["created", "exists", "created"]


def test_a_template_that_is_not_sound_is_refused(files: Files) -> None:
    refused = files("ledger", "templates", "create", content={"name": "x", "definition": {"legs": []}})
    missing = files.up.caudal("ledger", "templates", "show", "none", "--book", "files", "--json")

    assert refused.json["error"]["code"] == "template_invalid"
    assert (missing.code, missing.json["error"]["code"]) == (1, "template_not_found")


def test_accounts_get_other_limits_and_are_found_by_reference(up: Up, accounts: tuple[str, str]) -> None:
    named = ("--book", "files", "--json")
    opened = up.caudal("accounts", "open", "--currency", "USD", "--reference", "cy", *named).json["id"]
    wanted = ("--limit", "debits_must_not_exceed_credits", "--overdraft", "12.50")

    tried = up.caudal("accounts", "limit", "cy", *wanted, "--dry-run", *named)
    before = up.caudal("accounts", "show", "cy", *named)
    done = up.caudal("accounts", "limit", "cy", *wanted, *named)
    listed = up.caudal("accounts", "list", "--reference", "cy", *named)

    assert (tried.json["dry_run"], tried.json["overdraft"]) == (True, 1_250)
    assert before.json["limit"] == "none"
    assert (done.json["limit"], done.json["overdraft"]) == ("debits_must_not_exceed_credits", 1_250)
    assert [one["id"] for one in listed.json["data"]] == [opened]


def test_every_command_that_writes_to_accounts_and_transfers_can_be_tried_out(
    up: Up, accounts: tuple[str, str]
) -> None:
    named = ("--book", "files", "--json")
    both = ("--debit", "bank", "--credit", "bo", "--amount", "1")
    held = up.caudal("transfers", "create", *both, "--pending", *named).json["id"]
    moved = up.caudal("transfers", "create", *both, *named).json["id"]
    head = up.caudal("ledger", "journal", *named).json["head"]

    tried = [
        up.caudal(*arguments, "--dry-run", *named)
        for arguments in (
            ("transfers", "post", held),
            ("transfers", "void", held),
            ("transfers", "reverse", moved),
            ("accounts", "open", "--currency", "USD"),
            ("accounts", "freeze", "bo"),
        )
    ]

    assert [(one.code, one.json["dry_run"]) for one in tried] == [(0, True)] * 5
    refused = up.caudal("accounts", "close", "bo", "--dry-run", *named)
    assert (refused.code, refused.json["error"]["code"]) == (1, "account_not_empty")
    assert up.caudal("ledger", "journal", *named).json["head"] == head
