"""The command tree, and what its errors look like."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from caudal.cli.exits import EXPLAINED, Exit

_RUN, _LEDGER, _PAYMENTS, _DECIDE, _OPERATE = "Run", "Ledger", "Payments", "Decisions", "Operate"

COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "up": (_RUN, "caudal.cli.up", "Run everything on this machine: PostgreSQL, the API and the worker."),
    "api": (_RUN, "caudal.cli.api", "Run the HTTP API alone, as in production."),
    "worker": (_RUN, "caudal.cli.worker", "Run the background work alone, as in production."),
    "accounts": (
        _LEDGER,
        "caudal.cli.accounts",
        "Open, show, limit, freeze and close accounts; their balances.",
    ),
    "transfers": (
        _LEDGER,
        "caudal.cli.transfers",
        "Move money: create, post, void, reverse, batches; look it up.",
    ),
    "ledger": (_LEDGER, "caudal.cli.ledger", "Books, journal entries, templates, checks, periods, imports."),
    "payments": (
        _PAYMENTS,
        "caudal.cli.payments",
        "Move customers' money: create, capture, cancel, review, refund; look it up.",
    ),
    "payouts": (_PAYMENTS, "caudal.cli.payouts", "Pay customers' money out to bank accounts."),
    "routing": (
        _PAYMENTS,
        "caudal.cli.routing",
        "Which partner gets what: rules, their publication, figures, partners' health.",
    ),
    "disputes": (_PAYMENTS, "caudal.cli.disputes", "What payers ask their banks for back."),
    "customers": (
        _LEDGER,
        "caudal.cli.customers",
        "People and businesses: take them on, block, close, change their products.",
    ),
    "products": (_LEDGER, "caudal.cli.products", "What customers are given: currencies, limits, fees."),
    "features": (
        _DECIDE,
        "caudal.cli.features",
        "What decisions know of customers, cards, devices: publish it, show it.",
    ),
    "rules": (
        _DECIDE,
        "caudal.cli.rules",
        "Rules of decisions: draft, test, backtest, review, publish, snooze them; how they do.",
    ),
    "models": (
        _DECIDE,
        "caudal.cli.models",
        "Models of fraud and credit: train, register, shadow, promote, roll back; how they drift.",
    ),
    "decisions": (
        _DECIDE,
        "caudal.cli.decisions",
        "What was decided on payments and applications, and why; and the same made again.",
    ),
    "risk": (_DECIDE, "caudal.cli.risk", "Decisions on payments: lists, and what became of payments."),
    "anomalies": (
        _DECIDE,
        "caudal.cli.anomalies",
        "What is unlike an entity's own past: list it, explain it, say what is watched.",
    ),
    "cases": (_DECIDE, "caudal.cli.cases", "Work for people: list it, assign, note, close, reopen."),
    "events": (_OPERATE, "caudal.cli.events", "What has changed: list it, show it, follow it."),
    "webhooks": (_OPERATE, "caudal.cli.webhooks", "Webhooks: from partners, and to endpoints of yours."),
    "keys": (_OPERATE, "caudal.cli.keys", "API keys: create, list, revoke."),
    "audit": (_OPERATE, "caudal.cli.audit", "Who did what, to what, and with what result."),
    "jobs": (_OPERATE, "caudal.cli.jobs", "Background jobs: list them, replay or skip dead ones."),
    "objectives": (
        _OPERATE,
        "caudal.cli.objectives",
        "What is promised of the service, and how fast the budget for failures burns.",
    ),
    "doctor": (_OPERATE, "caudal.cli.doctor", "Say what is wrong, and what to do about it."),
    "db": (_OPERATE, "caudal.cli.db", "The database: its schema, its version, its state."),
    "backup": (_OPERATE, "caudal.cli.backup", "Copy the embedded database to another place."),
    "restore": (_OPERATE, "caudal.cli.restore", "Restore a backup into a new data directory."),
    "export": (
        _OPERATE,
        "caudal.cli.export",
        "Write what the database knows as Parquet, and go on with what is new.",
    ),
    "analytics": (
        _OPERATE,
        "caudal.cli.analytics",
        "What became of payments: volume, approval, fraud, loss, cohorts, with plots.",
    ),
    "demo": (_OPERATE, "caudal.cli.demo", "See a trading day in a minute, on a temporary deployment."),
    "bench": (_OPERATE, "caudal.cli.bench", "Measure how fast this machine runs it."),
    "simulate": (
        _OPERATE,
        "caudal.cli.simulate",
        "Prove that nothing is lost or done twice; draw payments with fraud in them.",
    ),
    "version": (_OPERATE, "caudal.cli.version", "Show the version."),
}
"""Each command with its panel in `--help`, its module and what it does."""


class _LazyGroup(TyperGroup):
    """Lists its commands from `COMMANDS`, and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name in COMMANDS:
            loaded = typer.main.get_command(importlib.import_module(COMMANDS[name][1]).app)
            loaded.name = name
            self.commands[name] = loaded
        return super().resolve_command(ctx, args)


def _application() -> typer.Typer:
    root = typer.Typer(
        name="caudal",
        cls=_LazyGroup,
        help="The fintech core: accounts and balances on an exact ledger, on PostgreSQL.",
        epilog=EXPLAINED,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, (panel, _, summary) in COMMANDS.items():
        root.command(name, help=summary, rich_help_panel=panel)(_not_loaded)
    return root


def _not_loaded() -> NoReturn:
    raise AssertionError("a command was run without its module")


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Errors go to standard error as text.

    With `--json` they go to standard output instead, as the one object `{"error": {…}}` with the members of
    RFC 9457: `code`, `title`, `detail`, `status` and, where one is at fault, `field`.
    """
    as_json = "--json" in arguments
    for index, argument in enumerate(arguments):
        if not _is_text(argument):
            return _not_text(arguments, index, as_json=as_json)
    command = typer.main.get_command(_application())
    try:
        code = command.main(list(arguments), prog_name="caudal", standalone_mode=False)
    except typer.TyperException as error:
        return _wrong_usage(error, as_json=as_json)
    except typer.Abort:
        return _failed(as_json, Exit.REFUSED, _problem("aborted", "Nothing was done", "not confirmed"))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`caudal … | head`). Python would complain once more as it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.REFUSED
    except Exception as error:
        from caudal.cli.errors import explain

        code, problem = explain(error)
        return _failed(as_json, code, problem)
    return code if isinstance(code, int) else Exit.DONE


def _is_text(argument: str) -> bool:
    """Whether it was UTF-8: of bytes that are not, Python makes lone surrogates, which nothing can store."""
    return not any("\ud800" <= character <= "\udfff" for character in argument)


def _not_text(arguments: Sequence[str], index: int, *, as_json: bool) -> int:
    """Refuse the argument at `index`, naming the option that it is of or stands behind."""
    argument = arguments[index]
    before = arguments[index - 1] if index else ""
    field = None
    if argument.startswith("--"):
        field = argument.partition("=")[0]
    elif argument.startswith("-"):
        field = argument[:2]
    elif before.startswith("-") and "=" not in before and before not in FLAGS:
        field = before
    shown = os.fsencode(argument).decode("utf-8", "backslashreplace")
    problem = _problem("usage", "The command line is not valid", f"The argument {shown} is not UTF-8.")
    if field is not None and _is_text(field):
        problem["field"] = field
    return _failed(as_json, Exit.USAGE, problem, hint="`caudal --help` shows how.")


FLAGS: Final = frozenset(
    {
        "--", "--all-books", "--atomic", "--beyond-limits", "--body", "--correct", "--cross-validate",
        "--csv", "--deliver", "--deployment", "--dry-run", "--failed-only", "--follow", "--hold-rest",
        "--json", "--live", "--newest", "--no-deliver", "--no-watch", "--nobody", "--ordered", "--overdue",
        "--pending", "--quick", "--sample", "--skip-errors", "--unordered", "--up-to", "--watch", "--yes",
        "-y",
    }
)  # fmt: skip
"""Options that take no value: what stands behind one of these is not its own."""


def _wrong_usage(error: typer.TyperException, *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    # Without arguments a group shows its help; that "error" has no message of its own.
    if type(error).__name__ == "NoArgsIsHelpError":
        if context is not None:
            context.get_help()
        return Exit.USAGE
    path = "caudal" if context is None else context.command_path
    problem = _problem("usage", "The command line is not valid", error.format_message())
    return _failed(as_json, Exit.USAGE, problem, hint=f"`{path} --help` shows how.")


def _problem(code: str, title: str, detail: str) -> dict[str, Any]:
    return {"code": code, "title": title, "detail": detail, "status": None}


def _failed(as_json: bool, code: int, problem: dict[str, Any], *, hint: str | None = None) -> int:
    if as_json:
        import json

        print(json.dumps({"error": problem}, ensure_ascii=False))
        return code
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    lines = Text.assemble(("Error: ", "bold red"), str(problem["detail"]).strip())
    if problem.get("field"):
        lines.append(f" ({problem['field']})")
    if hint is not None:
        lines.append(f"\n{hint}", style="dim")
    console.print(lines)
    return code
