"""`caudal decisions`: what was decided, of what, and why; and the same made again."""

import datetime as dt
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from caudal.cli.exits import Exit
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption
from caudal.cli.paging import more
from caudal.cli.payment_calls import ask, ask_for_rows
from caudal.cli.requests import FileArgument, read_json
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, table
from caudal.ledger import Ledger
from caudal.risk import (
    Application,
    Applications,
    Decider,
    DecisionDesk,
    PaymentElsewhere,
    Record,
    SubjectOf,
)
from caudal_base.decide import Verdict

app = group("What was decided, and why: list decisions, show, explain and replay them.")

DecisionArgument = Annotated[
    str, typer.Argument(metavar="DECISION", help="The decision's id (`dec_…`), as the payment names it.")
]


@on_database(app, "list")
async def list_(
    operator: Operator,
    subject: Annotated[
        str | None, typer.Option(metavar="PAYMENT", help="Only those on this payment or application.")
    ] = None,
    customer: Annotated[str | None, typer.Option(help="Only those on this customer's.")] = None,
    outcome: Annotated[Verdict | None, typer.Option(help="Only those that came out so.")] = None,
    of: Annotated[SubjectOf | None, typer.Option(help="Only those on payments, or on applications.")] = None,
    score_from: Annotated[float | None, typer.Option(help="Only those with at least this score.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List decisions, the newest first."""
    found = await operator.book(book)
    query = {
        "subject": subject, "customer": customer, "outcome": None if outcome is None else outcome.value,
        "of": None if of is None else of.value, "score_from": score_from, "cursor": after,
    }  # fmt: skip
    rows, cursor = await ask_for_rows(
        operator, found, "/v1/decisions", dict[str, Any], query=query, limit=limit
    )

    def show_rows(out: Console) -> None:
        shown = table("decision", "at", "subject", "outcome", "score", "reasons")
        for row in rows:
            reasons = " ".join(reason["code"] for reason in row.get("reasons", ()))
            shown.add_row(
                row["id"],
                cell(_moment(row["at"])),
                row["subject"],
                row["outcome"],
                cell(_score(row.get("score"))),
                reasons,
            )
        out.print(shown if rows else "No decisions are recorded.")
        more(out, cursor)

    operator.terminal.answer({"data": rows, "next_cursor": cursor}, show_rows)


@on_database(app, "show")
async def show(operator: Operator, decision: DecisionArgument, book: BookOption = FIRST_BOOK) -> None:
    """Show a decision with all that it was made of."""
    found = await operator.book(book)
    made = await ask(operator, found, "GET", "/v1/decisions/{id}", dict[str, Any], named=decision)

    def show_it(out: Console) -> None:
        plain = [
            (name, _moment(value) if name in ("at", "as_of") else value)
            for name, value in made.items()
            if not isinstance(value, dict | list)
        ]
        out.print(facts(plain))
        for title in ("facts", "features", "latency_us"):
            if made.get(title):
                shown = table(title, "value")
                for name, value in made[title].items():
                    shown.add_row(name, cell(value))
                out.print(shown)
        _show_reasons(out, made)

    operator.terminal.answer(made, show_it)


@on_database(app, "explain")
async def explain(operator: Operator, decision: DecisionArgument, book: BookOption = FIRST_BOOK) -> None:
    """Say why it was decided so, in words."""
    found = await operator.book(book)
    told = await ask(operator, found, "GET", "/v1/decisions/{id}/explain", dict[str, Any], named=decision)

    def show_it(out: Console) -> None:
        for sentence in told["words"]:
            out.print(sentence, soft_wrap=True, highlight=False)
        if told.get("features"):
            shown = table("feature", "value", "about")
            for feature in told["features"]:
                value = feature.get("value")
                shown.add_row(
                    feature["name"], "missing" if value is None else cell(value), feature.get("about", "")
                )
            out.print(shown)

    operator.terminal.answer(told, show_it)


@on_database(app, "replay")
async def replay(
    operator: Operator, decision: DecisionArgument, book: BookOption = FIRST_BOOK
) -> Exit | None:
    """Make a decision again with the values and versions that it was made with; exit 1 if it differs."""
    found = await operator.book(book)
    made = await ask(operator, found, "GET", "/v1/decisions/{id}/replay", dict[str, Any], named=decision)

    def show_it(out: Console) -> None:
        out.print("The same, byte for byte." if made["same"] else "It comes out differently now:")
        out.print(
            facts([("outcome", made["again"]["outcome"]), ("score", _score(made["again"].get("score")))])
        )
        _show_reasons(out, made["again"])

    operator.terminal.answer(made, show_it)
    return None if made["same"] else Exit.REFUSED


def _score(score: float | None) -> str | None:
    return None if score is None else f"{score:.4f}"


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _show_reasons(out: Console, made: dict[str, Any]) -> None:
    if made.get("reasons"):
        shown = table("reason", "wants", "why")
        for reason in made["reasons"]:
            shown.add_row(reason["code"], reason["wants"], reason["text"])
        out.print(shown)


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An application as people write it."""

    subject: str
    values: dict[str, int | float | str | bool | None]
    customer: str | None = None


@on_database(app, "make")
async def make(operator: Operator, file: FileArgument, book: BookOption = FIRST_BOOK) -> None:
    """Decide on an application by the model that serves, from a JSON file of `subject` and `values`."""
    found = await operator.book(book)
    asked: _Asked = read_json(operator, file, _Asked)
    applications = Applications(Ledger(operator.clock), operator.clock, operator.ids)
    async with operator.database.transaction() as connection:
        record = await applications.decide(
            connection, found.book_id,
            Application(subject=asked.subject, values=asked.values, customer=asked.customer),
        )  # fmt: skip
    _answer(operator, record)


@on_database(app, "payment")
async def on_payment(operator: Operator, file: FileArgument, book: BookOption = FIRST_BOOK) -> None:
    """Decide on a payment that is carried out elsewhere: FILE is as for POST /v1/decisions/payment."""
    found = await operator.book(book)
    asked: PaymentElsewhere = read_json(operator, file, PaymentElsewhere)
    decider = Decider(operator.clock, operator.ids, elsewhere=True)
    desk = DecisionDesk(operator.database, Ledger(operator.clock), decider, operator.clock)
    try:
        made = await desk.decide(found.book_id, asked, operator.caller)
    finally:
        await desk.drain()
    _answer(operator, made.record)


def _answer(operator: Operator, record: Record) -> None:
    made = msgspec.to_builtins(record.decided)
    told = {"id": record.id, "model": record.served.model, **made}

    def show_it(out: Console) -> None:
        out.print(facts([(name, value) for name, value in told.items() if name != "reasons"]))
        _show_reasons(out, told)

    operator.terminal.answer(told, show_it)
