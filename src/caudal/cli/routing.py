"""`caudal routing`: which partner gets which payments, what rules would do, and how each route does."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Final

import typer
from rich.console import Console

from caudal import payments, routing
from caudal.cli.exits import Exit
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption, day_of, number_of
from caudal.cli.paging import more
from caudal.cli.payment_calls import partners_of
from caudal.cli.requests import FileArgument, read_json
from caudal.cli.routing_shapes import (
    condition_shape,
    figures_shape,
    show_rule_set,
    trial_shape,
    version_shape,
)
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, money, table
from caudal.connectors import Capabilities, Registry
from caudal.ledger import BookInfo, Ledger
from caudal.routing import Conditioned, Rules
from caudal_base.errors import CaudalError, InvalidRequest

app = group("Which partner gets which payments: rules, figures, partners' health.")

WEEK: Final = dt.timedelta(days=7)

FileOption = Annotated[
    str, typer.Option("--file", metavar="FILE", help="Rules as JSON; - is standard input.")
]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="A rule set: `v3`.")]
PartnerArgument = Annotated[str, typer.Argument(metavar="PARTNER", help="By its name in the settings.")]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="DAY", help="The first day, UTC. (default: 6 days before the last)"),
]
ThroughOption = Annotated[
    str | None, typer.Option("--to", metavar="DAY", help="The last day, UTC, included. (default: today)")
]


@on_database(app, "create")
async def create(operator: Operator, file: FileArgument, book: BookOption = FIRST_BOOK) -> None:
    """Keep rules as the next version, a draft: FILE is as for POST /v1/routing/rule-sets.

    Says why they may not be published, and what is odd about them.
    """
    found = await operator.book(book)
    rules: Rules = read_json(operator, file, Rules)
    async with operator.database.transaction() as connection:
        kept = await routing.create(
            connection,
            found.book_id,
            rules,
            caller=operator.caller,
            ledger=Ledger(operator.clock),
            at=operator.clock.now(),
        )
    shape = version_shape(kept, None, _capabilities(operator, found))
    operator.terminal.answer(shape, lambda out: show_rule_set(out, shape))


@on_database(app, "publish")
async def publish(operator: Operator, version: VersionArgument, book: BookOption = FIRST_BOOK) -> None:
    """Let payments go by a rule set, within two seconds; to publish an older one is to go back to it."""
    found = await operator.book(book)
    partners = _capabilities(operator, found)
    async with operator.database.transaction() as connection:
        result = await routing.publish(
            connection,
            found.book_id,
            _number(version),
            partners,
            caller=operator.caller,
            ledger=Ledger(operator.clock),
            at=operator.clock.now(),
        )
    if isinstance(result, CaudalError):
        raise result
    shape = version_shape(result, result.version, partners)
    operator.terminal.answer(shape, lambda out: show_rule_set(out, shape))


@on_database(app, "list")
async def list_(
    operator: Operator,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List rule sets, the newest first."""
    found = await operator.book(book)
    size = min(limit, 1_000)
    async with operator.database.connection() as connection:
        versions, current = await routing.list_versions(
            connection, found.book_id, before=number_of(after), limit=size
        )
    partners = _capabilities(operator, found)
    shapes = [version_shape(version, current, partners) for version in versions]
    cursor = str(versions[-1].version) if len(versions) == size else None

    def show_rows(out: Console) -> None:
        shown = table("version", "current", "rules", "published", "by", "note")
        for one in shapes:
            shown.add_row(
                one["name"], "yes" if one["current"] else "", str(len(one["rules"])),
                cell(one["published_at"]), one["created_by"], one["note"] or "",
            )  # fmt: skip
        out.print(shown if shapes else "No rules: the first partner that can do a payment gets it.")
        more(out, cursor)

    operator.terminal.answer({"data": shapes, "next_cursor": cursor}, show_rows)


@on_database(app, "show")
async def show(
    operator: Operator,
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="`v3`, or `current`.")] = "current",
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show a rule set, by default the one that payments go by."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        wanted = None if version == "current" else _number(version)
        kept = await routing.get_version(connection, found.book_id, wanted)
        _, current = await routing.list_versions(connection, found.book_id, limit=1)
    shape = version_shape(kept, current, _capabilities(operator, found))
    operator.terminal.answer(shape, lambda out: show_rule_set(out, shape))


@on_database(app, "try")
async def try_(
    operator: Operator,
    file: FileOption,
    from_: FromOption = None,
    to: ThroughOption = None,
    book: BookOption = FIRST_BOOK,
) -> Exit | None:
    """What rules would have done with payments of the past: nothing is kept or changed.

    By partner: how many payments, of how much, at which cost as far as fees are known; and those that no
    rule serves, which end it with the exit code of a refusal.
    """
    found = await operator.book(book)
    rules: Rules = read_json(operator, file, Rules)
    since, through = _days(operator, from_, to)
    async with operator.database.connection() as connection:
        tried = await payments.try_rules(
            connection,
            found.book_id,
            rules,
            _capabilities(operator, found),
            created_from=_midnight(since),
            created_before=_midnight(through + dt.timedelta(days=1)),
        )
    trial = tried.trial

    def show_trial(out: Console) -> None:
        shown = table(
            "rule", "partner", "payments", "amount", "had before", "cost", right=("payments", "amount")
        )
        for one in trial.lines:
            shown.add_row(
                one.rule or "(named)", one.partner, str(one.payments), money(one.amount, one.currency),
                str(one.before), "not known" if one.cost is None else money(one.cost, one.currency),
            )  # fmt: skip
        out.print(shown if trial.lines else "No payments in this time.")
        out.print(f"{trial.payments} payments, of which {trial.moved} would have gone elsewhere.")
        if trial.foreign:
            out.print(
                f"{trial.foreign} of these have an instrument that is not the vault's, and may mean nothing "
                "to that partner."
            )
        for left in trial.unserved:
            out.print(
                f"No rule serves {left.payments} of {left.kind} by {left.method} in {left.currency}, "
                f"such as {left.example}."
            )
        if not tried.complete:
            out.print("There were more payments: these are the newest.")

    operator.terminal.answer(trial_shape(tried, since, through), show_trial)
    return Exit.REFUSED if trial.unserved else None


@on_database(app, "report")
async def report(
    operator: Operator, from_: FromOption = None, to: ThroughOption = None, book: BookOption = FIRST_BOOK
) -> None:
    """How each route does: approvals, declines, and what the partner takes."""
    found = await operator.book(book)
    since, through = _days(operator, from_, to)
    async with operator.database.connection() as connection:
        figures = await routing.report(connection, found.book_id, since, through)
    rows = [figures_shape(one) for one in figures]

    def show_rows(out: Console) -> None:
        shown = table(
            "rule", "partner", "method", "approved", "declined", "failed", "not sent", "rate", "amount",
            "cost", right=("approved", "declined", "failed", "not sent", "rate", "amount", "cost"),
        )  # fmt: skip
        for one in rows:
            rate = one["approval_basis_points"]
            shown.add_row(
                one["rule"] or "-", one["partner"], one["method"], str(one["approved"]),
                str(one["soft_declines"] + one["hard_declines"]), str(one["failed"]), str(one["not_sent"]),
                "" if rate is None else f"{rate / 100:.2f} %",
                money(one["approved_amount"], one["currency"]), money(one["cost"], one["currency"]),
            )  # fmt: skip
        out.print(shown if rows else "No payment was tried in these days.")

    answer = {"from_day": since.isoformat(), "through_day": through.isoformat(), "data": rows}
    operator.terminal.answer(answer, show_rows)


@on_database(app, "partners")
async def partners(operator: Operator, book: BookOption = FIRST_BOOK) -> None:
    """Which partners get new payments, and why others do not."""
    found = await operator.book(book)
    names = [*_capabilities(operator, found)]
    async with operator.database.connection() as connection:
        conditions = await routing.conditions(connection, found.book_id, names, at=operator.clock.now())

    def show_rows(out: Console) -> None:
        shown = table("partner", "health", "why", "until")
        for one in conditions:
            why = one.drain.reason if one.drain else one.outage.reason if one.outage else ""
            shown.add_row(one.partner, one.health.value, why, cell(one.outage.until if one.outage else None))
        out.print(shown if conditions else "No partner serves this book.")

    operator.terminal.answer({"data": [condition_shape(one) for one in conditions]}, show_rows)


@on_database(app, "drain")
async def drain(
    operator: Operator,
    partner: PartnerArgument,
    reason: Annotated[str, typer.Option(help="Why; no personal data.")],
    book: BookOption = FIRST_BOOK,
) -> None:
    """Let a partner run dry: it gets no new payments but those that name it; what it has goes on."""
    found = await operator.book(book)
    names = [*_capabilities(operator, found)]
    async with operator.database.transaction() as connection:
        await routing.drain(
            connection, found.book_id, partner, reason, names, caller=operator.caller,
            ledger=Ledger(operator.clock), at=operator.clock.now(),
        )  # fmt: skip
        (now,) = await routing.conditions(connection, found.book_id, [partner], at=operator.clock.now())
    _answer(operator, now)


@on_database(app, "resume")
async def resume(operator: Operator, partner: PartnerArgument, book: BookOption = FIRST_BOOK) -> None:
    """Send a partner new payments again."""
    found = await operator.book(book)
    names = [*_capabilities(operator, found)]
    async with operator.database.transaction() as connection:
        await routing.resume(
            connection, found.book_id, partner, names, caller=operator.caller,
            ledger=Ledger(operator.clock), at=operator.clock.now(),
        )  # fmt: skip
        (now,) = await routing.conditions(connection, found.book_id, [partner], at=operator.clock.now())
    _answer(operator, now)


def _answer(operator: Operator, condition: Conditioned) -> None:
    shape = condition_shape(condition)
    rows = [("partner", shape["partner"]), ("health", shape["health"])]
    if condition.drain is not None:
        rows += [("since", condition.drain.since), ("why", condition.drain.reason)]
    operator.terminal.answer(shape, lambda out: out.print(facts(rows)))


def _capabilities(operator: Operator, book: BookInfo) -> Mapping[str, Capabilities]:
    """What the partners of a book can do, by their settings: nobody is called."""
    registry = Registry.from_settings(partners_of(operator), operator.clock)
    return {partner.name: partner.capabilities for partner in registry.of_book(book.name)}


def _number(version: str) -> int:
    if not (
        version.startswith("v") and version[1:].isascii() and version[1:].isdigit() and len(version) < 11
    ):
        raise InvalidRequest("a rule set is called v1, v2, …", field="version")
    return int(version[1:])


def _days(operator: Operator, since: str | None, through: str | None) -> tuple[dt.date, dt.date]:
    last = operator.clock.now().date() if through is None else day_of(through, field="to")
    first = last - WEEK + dt.timedelta(days=1) if since is None else day_of(since, field="from")
    return first, last


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
