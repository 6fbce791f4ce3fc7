"""`caudal ledger record` and `caudal ledger templates`: journal entries of many postings."""

import re
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from caudal import audit
from caudal.cli import shapes
from caudal.cli.frame import group
from caudal.cli.operator import PRINCIPAL, Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, DryRunOption, LimitOption
from caudal.cli.paging import more
from caudal.cli.requests import FileArgument, carry_out_file, read_json
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, money, table, when
from caudal.ledger import Outcome, OutcomeStatus, Side, templates
from caudal_base.check import check
from caudal_base.errors import InvalidRequest

app = group("Templates: named sets of postings with parameters.")

_LABEL: Final = re.compile(r"([a-z][a-z0-9_-]{0,62})(?:@([1-9][0-9]{0,8}))?", re.ASCII)


def register(ledger: typer.Typer) -> None:
    """Add the commands to `ledger`."""
    on_database(ledger, "record")(record)
    ledger.add_typer(app, name="templates")


async def record(
    operator: Operator,
    file: FileArgument,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Record a journal entry of many postings, or of a template, as POST /v1/transactions has it.

    All of its postings or none; debits equal credits in every currency. With an `id` it is safe to repeat.
    """
    (outcome,) = await carry_out_file(operator, book, "/v1/transactions", file, dry_run=dry_run)
    shapes.accepted(outcome)
    data = {**shapes.entered(outcome), **({"dry_run": True} if dry_run else {})}
    operator.terminal.answer(data, lambda out: _show_entry(out, outcome, dry_run=dry_run))


def _show_entry(out: Console, outcome: Outcome, *, dry_run: bool) -> None:
    entry = outcome.transaction
    check(entry is not None, "an accepted entry has a transaction")
    if entry is None:
        return
    if dry_run:
        out.print(Text("This would be recorded; nothing was done.", "bold"))
    elif outcome.status is OutcomeStatus.EXISTS:
        out.print(Text("It exists already; nothing was done again.", "bold"))
    rows = [
        ("transaction", None if dry_run else entry.id),
        ("template", entry.template),
        ("recorded", None if dry_run else entry.recorded_at),
        ("effective", entry.effective_at),
        ("code", entry.code),
        ("reference", entry.reference),
        ("metadata", cell(entry.metadata) if entry.metadata else None),
    ]
    out.print(facts(rows))
    shown = table("account", "debit", "credit", right=("debit", "credit"))
    for posting in entry.postings:
        moved = money(posting.amount, posting.currency)
        debit, credit = (moved, "") if posting.side is Side.DEBIT else ("", moved)
        shown.add_row(posting.account, debit, credit)
    out.print(shown)


@on_database(app, "create")
async def create(
    operator: Operator, file: FileArgument, dry_run: DryRunOption = False, book: BookOption = FIRST_BOOK
) -> None:
    """Keep a template, `{"name": ..., "definition": ...}` as POST /v1/templates has it.

    A definition that the name does not have yet becomes its next version; versions never change.
    """
    found = await operator.book(book)
    wanted: templates.NewTemplate = read_json(operator, file, templates.NewTemplate)
    templates.refuse_invalid(wanted.name, wanted.definition)
    now = operator.clock.now()
    async with (
        operator.database.transaction() as connection,
        connection.transaction(force_rollback=dry_run),
    ):
        (kept,) = await templates.create(connection, found.book_id, [wanted], at=now)
        made = audit.Record(
            book_id=found.book_id,
            at=now,
            principal=PRINCIPAL,
            action="template.create",
            object_id=kept.template.label,
            request_id=operator.request_id,
            result=kept.status.value,
        )
        await audit.append(connection, [made])

    def show(out: Console) -> None:
        if dry_run:
            out.print(Text("This would be kept; nothing was done.", "bold"))
        elif kept.status is OutcomeStatus.EXISTS:
            out.print(Text("It exists already; nothing was done again.", "bold"))
        _show_template(out, kept.template)

    data = {"result": kept.status.value, **_shape(kept.template), **({"dry_run": True} if dry_run else {})}
    operator.terminal.answer(data, show)


@on_database(app, "list")
async def list_(
    operator: Operator,
    name: Annotated[str | None, typer.Option(help="Only the versions of this one.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List templates by name, every version of each."""
    found = await operator.book(book)
    behind = ("", 0)
    if after is not None:
        cursor_name, version = _label(after, field="after")
        behind = cursor_name, version or 0
    size = min(limit, 1_000)
    async with operator.database.connection() as connection:
        rows = await templates.find(connection, found.book_id, name=name, after=behind, limit=size)
    cursor = rows[-1].label if len(rows) == size else None

    def show(out: Console) -> None:
        shown = table("template", "created", "parameters", "legs", right=("legs",))
        for row in rows:
            definition = row.definition
            shown.add_row(
                row.label, when(row.created_at), " ".join(definition.parameters), str(len(definition.legs))
            )
        out.print(shown if rows else "No templates.")
        more(out, cursor)

    operator.terminal.answer({"data": [_shape(row) for row in rows], "next_cursor": cursor}, show)


@on_database(app, "show")
async def show(
    operator: Operator,
    template: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="By default its newest version.")],
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show a template: what it asks for, and what it posts."""
    found = await operator.book(book)
    name, version = _label(template, field="template")
    async with operator.database.connection() as connection:
        kept = await templates.get(connection, found.book_id, name, version)
    operator.terminal.answer(_shape(kept), lambda out: _show_template(out, kept))


def _label(text: str, *, field: str) -> tuple[str, int | None]:
    """A name, and a version where there is one. Raises `InvalidRequest`."""
    match = _LABEL.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"{text!r} is no template; write it as name or name@version", field=field)
    return match[1], None if match[2] is None else int(match[2])


def _shape(template: templates.Template) -> shapes.Shape:
    shape: shapes.Shape = msgspec.to_builtins(template, builtin_types=())
    return shape


def _show_template(out: Console, template: templates.Template) -> None:
    definition = template.definition
    asked = [
        f"{name} ({parameter.type.value}{f' in {parameter.currency}' if parameter.currency else ''})"
        for name, parameter in definition.parameters.items()
    ]
    rows = [
        ("template", template.label),
        ("created", template.created_at),
        ("parameters", ", ".join(asked)),
        ("code", definition.code),
        ("reference", definition.reference),
        ("metadata", cell(dict(definition.metadata)) if definition.metadata else None),
        *((f"amount {name}", _words(amount)) for name, amount in definition.amounts.items()),
    ]
    out.print(facts(rows))
    shown = table("side", "account", "amount")
    for leg in definition.legs:
        shown.add_row(leg.side.value, leg.account, _words(leg.amount))
    out.print(shown)


def _words(amount: templates.Derived | templates.Share) -> str:
    """How an amount is found, for people."""
    match amount:
        case templates.Fixed():
            return money(amount.amount, amount.currency)
        case templates.Whole():
            return f"all of {amount.of}"
        case templates.Percent():
            return f"{amount.percent} % of {amount.of}"
        case templates.Weight():
            return f"a share of {amount.of}, weight {amount.weight:,}"
        case templates.Rest():
            return f"what is left in the currency of {amount.currency_of}"
        case templates.Sum():
            return " + ".join(amount.of)
