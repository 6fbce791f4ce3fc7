"""Write the generated pages of docs/reference/ anew; with --check only say which are out of date.

They are made from the program itself: the errors from the table of refusals and the error classes, the
endpoints from the OpenAPI document and their declarations, the commands from their own help.
"""

import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import typer
from reference_events import events_page
from reference_text import HEAD, first_line, table

from caudal import payments
from caudal.api import ENDPOINTS, described, document_text
from caudal.ledger import REASONS
from caudal_base.errors import CaudalError

REFERENCE: Final = Path(__file__).parent.parent / "docs" / "reference"

_OF_REQUESTS: Final = (
    "caudal.access",
    "caudal.api",
    "caudal.connectors",
    "caudal.customers",
    "caudal.delivery",
    "caudal.events",
    "caudal.expressions",
    "caudal.idempotency",
    "caudal.ledger",
    "caudal.payments",
    "caudal.risk",
    "caudal.routing",
    "caudal.webhooks",
    "caudal_base.countries",
    "caudal_base.errors",
    "caudal_base.ids",
    "caudal_base.money",
    "caudal_base.personal",
    "caudal_base.strictjson",
    "caudal_base.vault",
)
"""Where the errors are declared that answer requests. All others end a command or a process."""

_COMMON: Final = frozenset({"--data", "--config", "--json", "--help"})
"""Options that all commands have."""

_ERRORS_INTRODUCTION: Final = """\
# Errors

Every error has a stable `code`. Over HTTP it is a problem document (RFC 9457):

```json
{
  "type": "/docs/errors#exceeds_debit_limit",
  "title": "The debit account's debits would exceed its limit",
  "status": 422,
  "detail": "1050 may be debited",
  "code": "exceeds_debit_limit",
  "field": "amount"
}
```

`code` is for programs; `detail` is for people and may change. `field` is the path of the part at fault
(`transfers[3].amount`). `instance`, where it is there, is the id of the request. The status decides:

| status | meaning | what to do |
|---|---|---|
| 4xx | final; no money was moved | change the request |
| 429 | too many requests | repeat the same request after `Retry-After` seconds |
| 5xx, or no answer | the outcome is unknown | repeat the same request with the same `Idempotency-Key` |
"""

_REFUSALS_INTRODUCTION: Final = """\
In the order in which they are looked for: a command that is wrong in several ways always gets the reason that
stands first. Reasons marked *passing* rest on the state of the book, which may change: the id of a transfer
or transaction that was refused for one stays refused (`id_already_refused`), so that a late duplicate cannot
succeed after its caller gave up. In the results of a batch a refusal has no status of its own. Where the path
of a request names the transfer that is not there (`pending_transfer_not_found`, `original_not_found`), it is
404.
"""

_PAYMENTS_INTRODUCTION: Final = """\
What the ledger refuses of a payment has the ledger's code: `exceeds_debit_limit` where the customer's balance
does not cover it. What our own decision is against is no error: the payment is `declined`. Nor is a partner's
no: the payment is `failed`, and its `failure` says why.
"""

_METRICS_INTRODUCTION: Final = """\
# Measurements

What `/metrics` says, in the text format of Prometheus: the API at `/metrics` of its own port, to keys with
the scope `ledger:read`; a worker at the port that `CAUDAL_WORKER_METRICS_PORT` names. An API answers for all
its processes, whichever is asked: counters and histograms are sums, and where there are several its gauges
have the label `process`. A process that dies takes nothing with it but what it counted since the last scrape.
Each worker speaks for itself. Those marked *database* come from the tables, at most ten seconds old, without
that label: of several APIs on one database take the `max`, not the sum; nothing but their reader pays for
them.
`book` is a book's number; `caudal_book_info` has its name. A histogram has `_bucket`, `_count` and `_sum`.
"""

_API_INTRODUCTION: Final = """\
An index. Parameters, bodies and examples stand in the OpenAPI document, [openapi.json](openapi.json), which a
running Caudal serves at `/openapi.json` and as pages at `/docs`. What holds for all endpoints stands in
[API conventions](../guides/api-conventions.md), the codes in [Errors](errors.md). A key with the scope
`admin` may do all of it.
"""


def errors_page() -> str:
    """docs/reference/errors.md"""
    reasons = (
        (f"`{reason.code}`", str(int(reason.status)), "yes" if reason.passing else "", reason.meaning)
        for reason in REASONS
    )
    of_requests, others = [], []
    for error in _own_errors():
        row = (f"`{error.code}`", str(error.status), error.title, first_line(error.__doc__))
        if error.__module__.startswith(_OF_REQUESTS):
            of_requests.append(row)
        else:
            others.append((row[0], *row[2:]))
    return "\n".join(
        (
            HEAD + _ERRORS_INTRODUCTION,
            "## Refusals of the ledger\n",
            _REFUSALS_INTRODUCTION,
            table(("code", "status", "passing", "meaning"), reasons),
            "## Refusals of payments\n",
            _PAYMENTS_INTRODUCTION,
            table(
                ("code", "status", "meaning"),
                ((f"`{reason.code}`", str(reason.status), reason.meaning) for reason in payments.REASONS),
            ),
            "## Errors of requests\n",
            table(("code", "status", "title", "when"), of_requests),
            "## Errors of commands and processes\n",
            "What `caudal …` may end with beside those above; see "
            "[the exit codes](cli.md#what-is-printed).\n",
            table(("code", "title", "when"), others),
        )
    )


def _own_errors() -> list[type[CaudalError]]:
    """Every error with a code of its own, by status and code."""
    for package in ("caudal", "caudal_base"):
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    errors = {
        error.code: error
        for error in _descendants(CaudalError)
        if "code" in vars(error) and error.__module__.startswith(("caudal.", "caudal_base."))
    }
    return sorted(errors.values(), key=lambda error: (error.status, error.code))


def _descendants(cls: type[CaudalError]) -> Iterator[type[CaudalError]]:
    for child in cls.__subclasses__():
        yield child
        yield from _descendants(child)


def api_page() -> str:
    """docs/reference/api.md"""
    document = json.loads(document_text())
    scopes = {endpoint.name: endpoint.scope for endpoint in ENDPOINTS}
    parts = [
        HEAD + "# The HTTP API\n",
        _API_INTRODUCTION,
    ]
    for tag in document["tags"]:
        rows = [
            (
                f"`{method.upper()}`",
                f"`{path}`",
                operation["summary"],
                f"`{scopes[operation['operationId']]}`" if scopes[operation["operationId"]] else "",
                _key_of(operation),
            )
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        parts += [f"## {tag['name']}\n", table(("", "path", "what it does", "scope", "key"), rows)]
    parts.append(
        "*key*: whether `Idempotency-Key` is needed. Endpoints without a scope are open to anybody.\n"
    )
    return "\n".join(parts)


def _key_of(operation: Mapping[str, Any]) -> str:
    for parameter in operation["parameters"]:
        if parameter["name"] == "Idempotency-Key":
            return "needed" if parameter["required"] else "taken"
    return ""


def commands_page() -> str:
    """docs/reference/commands.md"""
    parts = [
        HEAD + "# Commands\n",
        "Every command also takes `--data DIR`, `--config FILE`, `--json` and `--help`. What they have in\n"
        "common stands in [The command line](cli.md).\n",
    ]
    for path, command in commands():
        usage = " ".join(_placeholder(argument) for argument in _parameters(command, "argument"))
        parts.append(f"## `caudal {path}`\n")
        parts.append(_reflowed(command.help) + "\n")
        parts.append(f"```\ncaudal {path}{' ' + usage if usage else ''} [OPTIONS]\n```\n")
        rows = [
            (f"`{_names(option)}`", _described(option))
            for option in _parameters(command, "option")
            if not _COMMON & set(option.opts) or (option.opts == ["--data"] and option.metavar == "FILE")
        ]
        if rows:
            parts.append(table(("option", ""), rows))
    return "\n".join(parts)


def commands() -> list[tuple[str, Any]]:
    """Every command that does something, with its words after `caudal`: `ledger import csv`."""
    root = importlib.import_module("caudal.cli.root")
    found: list[tuple[str, Any]] = []
    for name, (_, module, _) in root.COMMANDS.items():
        command = typer.main.get_command(importlib.import_module(module).app)
        found += _leaves(name, command)
    return found


def _leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, child in below.items():
        yield from _leaves(f"{path} {name}", child)


def _parameters(command: Any, kind: str) -> list[Any]:
    return [p for p in command.params if p.param_type_name == kind and not getattr(p, "hidden", False)]


def _names(option: Any) -> str:
    names = ", ".join(option.opts)
    if option.secondary_opts:
        names += " / " + ", ".join(option.secondary_opts)
    return names if option.is_flag else f"{names} {_placeholder(option)}"


def _placeholder(parameter: Any) -> str:
    """What stands for the value: its own name for it, its choices, or its type."""
    if parameter.metavar:
        return str(parameter.metavar)
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return str(parameter.display_type(typer.Context(typer.core.TyperCommand("caudal"))))


def _described(option: Any) -> str:
    text = _reflowed(option.help or "").replace("\n", " ")
    if option.required:
        return f"{text} Needed."
    if option.show_default and option.default not in (None, False, (), []) and not option.is_flag:
        value = getattr(option.default, "value", option.default)
        return f"{text} (default: {value})"
    return text


def _reflowed(text: str | None) -> str:
    """The paragraphs of a help text, a line each."""
    paragraphs = re.split(r"\n\s*\n", (text or "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def metrics_page() -> str:
    """docs/reference/metrics.md"""
    rows = (
        (
            f"`{one.name}`",
            one.type,
            " ".join(f"`{label}`" for label in one.labels),
            one.unit,
            ", ".join(one.where),
            one.help,
        )
        for one in described()
    )
    found = table(("name", "type", "labels", "unit", "of", "meaning"), rows)
    return "\n".join((HEAD + _METRICS_INTRODUCTION, found))


PAGES: Final = {
    "errors.md": errors_page,
    "api.md": api_page,
    "commands.md": commands_page,
    "events.md": events_page,
    "metrics.md": metrics_page,
}


def main() -> int:
    """Write the pages; with --check write nothing, and exit with 1 where one is out of date."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
    print(f"{'out of date' if check else 'written'}: {', '.join(stale)}" if stale else "all are current")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
