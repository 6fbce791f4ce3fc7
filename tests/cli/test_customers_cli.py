"""`caudal customers`, `caudal products`, `caudal risk lists`."""

import json
from pathlib import Path

import pytest

from support.processes import Up

PRODUCT = {
    "name": "shell",
    "currencies": ["EUR"],
    "limits": [{"currency": "EUR", "country": "FR", "per_day": 200_000}],
    "fees": [{"kind": "payout", "flat": 20, "basis_points": 50}],
}
NEW = ("customers", "create", "--product", "shell", "--jurisdiction", "DE")


@pytest.fixture(scope="module")
def product(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a product that the book has in its first version."""
    file = tmp_path_factory.mktemp("products") / "shell.json"
    file.write_text(json.dumps(PRODUCT))
    made = up.caudal("products", "create", str(file), "--json")
    assert (made.code, made.json["version"]) == (0, 1), made
    return file


def test_products_are_kept_in_versions_and_shown(up: Up, product: Path) -> None:
    assert up.caudal("products", "create", str(product), "--json").json["version"] == 2

    listed = up.caudal("products", "list", "--limit", "1", "--json").json
    rest = up.caudal("products", "list", "--after", listed["next_cursor"], "--json").json
    shown = up.caudal("products", "show", "shell", "--version", "1")

    assert [(row["name"], row["version"]) for row in listed["data"] + rest["data"]] == [
        ("shell", 1),
        ("shell", 2),
    ]
    assert {name: listed["data"][0][name] for name in PRODUCT} == PRODUCT
    assert "each kind, from FR, 2,000.00 EUR a day" in shown.out
    assert "payout, 0.20 EUR, 0.5 %" in shown.out


def test_a_customer_lives_through_its_states(up: Up, product: Path) -> None:
    made = up.caudal(*NEW, "--reference", "shell-1", "--name-token", "tok_name_1", "-m", "a=1", "--json").json

    assert (made["status"], made["metadata"], list(made["accounts"])) == ("active", {"a": "1"}, ["EUR"])
    tried = up.caudal("customers", "block", "shell-1", "--dry-run", "--json").json
    assert (tried["status"], tried["dry_run"]) == ("blocked", True)
    assert up.caudal("customers", "show", "shell-1", "--json").json == made
    assert up.caudal("customers", "block", made["id"], "--json").json["status"] == "blocked"
    blocked = up.caudal("customers", "list", "--status", "blocked", "--json").json["data"]
    assert [row["id"] for row in blocked] == [made["id"]]
    assert up.caudal("customers", "unblock", "shell-1", "--json").json["status"] == "active"
    moved = up.caudal("customers", "product", "shell-1", "shell", "--version", "1", "--json")
    assert moved.json["product_version"] == 1
    assert up.caudal("customers", "close", "shell-1", "--yes", "--json").json["status"] == "closed"
    assert "closed" in up.caudal("customers", "show", "shell-1").out


@pytest.mark.parametrize(
    ("arguments", "code", "error", "field"),
    [
        ((*NEW, "--reference", "ann@example.com"), 1, "personal_data_refused", "reference"),
        ((*NEW[:3], "none", *NEW[4:]), 1, "product_unknown", "product"),
        (("customers", "show", "nobody"), 1, "customer_not_found", "customer"),
        (("customers", "show", "cus_1"), 2, "invalid_id", "customer"),
        (("customers", "close", "nobody"), 1, "confirmation_needed", "--yes"),
        (("products", "show", "none"), 1, "product_not_found", "name"),
        (("risk", "lists", "add", "block", "ip", "home", "--reason", "x"), 1, "entry_invalid", "value"),
        (("risk", "lists", "remove", "block", "device", "none"), 1, "entry_not_found", "value"),
    ],
)
def test_refusals_name_the_field(
    up: Up, product: Path, arguments: tuple[str, ...], code: int, error: str, field: str
) -> None:
    refused = up.caudal(*arguments, "--json")

    assert (refused.code, refused.json["error"]["code"]) == (code, error)
    assert refused.json["error"]["field"] == field


def test_things_are_put_on_lists_and_taken_off(up: Up) -> None:
    add = ("risk", "lists", "add", "block")
    assert up.caudal(*add, "country", "KP", "--reason", "sanctions").code == 0
    put = up.caudal(*add, "ip", "2001:db8:0::1", "--reason", "case 17", "--expires-in", "12h", "--json").json

    assert (put["list"], put["kind"], put["value"], put["reason"]) == (
        "block",
        "ip",
        "2001:db8::1",
        "case 17",
    )
    assert put["created_by"] == "operator"
    first = up.caudal("risk", "lists", "list", "--limit", "1", "--json").json
    rest = up.caudal("risk", "lists", "list", "--after", first["next_cursor"], "--json").json
    assert [row["value"] for row in first["data"] + rest["data"]] == ["KP", "2001:db8::1"]
    assert "sanctions" in up.caudal("risk", "lists", "list", "--kind", "country").out
    assert up.caudal("risk", "lists", "remove", "block", "ip", "2001:db8::1").code == 0
    assert up.caudal("risk", "lists", "list", "--kind", "ip", "--json").json["data"] == []
    told = up.caudal("audit", "list", "--action", "risk.list.add", "--json").json["data"]
    assert [record["object_id"] for record in told if record["result"] == "added"] == [
        "block:ip",
        "block:country",
    ]
