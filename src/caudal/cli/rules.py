"""`caudal rules`: rules of decisions from draft to publication, their tests, and their snoozes."""

import datetime as dt
import re
from typing import Annotated, Any, Final

import msgspec
import typer

from caudal import risk, rules
from caudal.access import Scope
from caudal.cli.acting import KeyOption, acting, committed
from caudal.cli.exits import Exit
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import (
    DEFAULT_LIMIT,
    AfterOption,
    BookOption,
    LimitOption,
    moment_of,
    number_of,
    span_of,
)
from caudal.cli.rules_files import FileArgument, read_rules
from caudal.cli.rules_shapes import (
    show_backtest,
    show_faults,
    show_rule_set,
    show_rule_sets,
    show_snoozes,
    show_stats,
    show_tests,
)
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import facts
from caudal.ledger import BookInfo, Ledger
from caudal.rules import ReviewVerdict, RulesInvalid, Snooze, StatsPeriod, Version
from caudal_base.errors import InvalidRequest

app = group("Rules of decisions: draft, test, backtest, review, publish, snooze them; how they do.")

CURRENT: Final = "current"
MONTH: Final = dt.timedelta(days=30)
_VERSION: Final = re.compile(r"v[1-9][0-9]{0,8}", re.ASCII)

VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="A rule set: `v3`.")]
RuleArgument = Annotated[str, typer.Argument(metavar="RULE", help="A rule of the published set.")]
SinceOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Decisions from then on. (default: 30 days before --until)")
]
UntilOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Decisions before then. (default: now)")
]
LabelAfterOption = Annotated[
    int | None,
    typer.Option(
        "--label-after", metavar="DAYS", min=1, max=3_660,
        help="How old a decision is when its end is known. (default: as the terms of models say, else 120, "
        "of applications 365)",
    ),
]  # fmt: skip
ReasonOption = Annotated[str, typer.Option(help="Why; no personal data.")]


@on_database(app, "draft")
async def draft(
    operator: Operator, file: FileArgument, key_file: KeyOption = None, book: BookOption = FIRST_BOOK
) -> None:
    """Keep the rules in FILE as the next version. What cannot be is told with rule, line and column."""
    written = read_rules(operator, file)
    found, caller = await acting(operator, book, key_file, Scope.RULES_WRITE)
    try:
        kept = await committed(
            operator,
            lambda connection: rules.draft(
                connection, found.book_id, written, caller=caller, ledger=Ledger(operator.clock),
                at=operator.clock.now(),
            ),
        )  # fmt: skip
    except RulesInvalid as refused:
        if not operator.terminal.as_json:
            show_faults(operator.terminal.err, refused.problems)
        raise
    await _answer(operator, found, kept)


@on_database(app, "test")
async def try_(operator: Operator, file: FileArgument, book: BookOption = FIRST_BOOK) -> Exit | None:
    """Check the rules in FILE and run their tests: nothing is kept. Exit code 1 where one fails."""
    written = read_rules(operator, file)
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        checked, tested = await rules.try_tests(connection, found.book_id, written)
    view = rules.tests_view(checked.problems, tested, checked.warnings)
    operator.terminal.answer(msgspec.to_builtins(view), lambda out: show_tests(out, view, checked.problems))
    return None if view.passed else Exit.REFUSED


@on_database(app, "backtest")
async def backtest(
    operator: Operator,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Rules as TOML, or as JSON (*.json); or a rule set: `v3`, `current`."
        ),
    ],
    since: SinceOption = None,
    until: UntilOption = None,
    label_after: LabelAfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """What rules would have done with decisions of the past: nothing is kept or changed.

    By rule: hits, amounts, overlaps; what would have come out another way; and precision and recall, on the
    last decisions that are old enough for their ends to be known.
    """
    found = await operator.book(book)
    made_from, made_before, now = _span(operator, since, until)
    kept = CURRENT if file == CURRENT else _VERSION.fullmatch(file) and file
    written = None if kept else read_rules(operator, file)
    async with operator.database.connection() as connection:
        if written is None:
            wanted = None if kept == CURRENT else _number(file)
            version = await rules.get_version(connection, found.book_id, wanted)
            rule_set = rules.RuleSet(version.version, version.rules, version.reads)
        else:
            rule_set = await rules.compiled(connection, found.book_id, written)
        with operator.terminal.progress() as progress:
            view = await risk.backtest(
                connection, found.book_id, rule_set, made_from=made_from, made_before=made_before, now=now,
                label_after_days=label_after, report=lambda count: progress("decisions", count, 0),
            )  # fmt: skip
    operator.terminal.answer(msgspec.to_builtins(view), lambda out: show_backtest(out, view))


@on_database(app, "stats")
async def stats(
    operator: Operator,
    by: Annotated[StatsPeriod, typer.Option(help="day, week (from Monday) or month, in UTC.")] = (
        StatsPeriod.MONTH
    ),
    since: SinceOption = None,
    until: UntilOption = None,
    label_after: LabelAfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """How often published rules fired; and how often rightly, of decisions old enough for that to be known.

    Where the decisions asked for are younger, those are looked at that were the last to become old enough.
    """
    found = await operator.book(book)
    made_from, made_before, now = _span(operator, since, until)
    async with operator.database.connection() as connection:
        with operator.terminal.progress() as progress:
            view = await risk.rule_stats(
                connection, found.book_id, by, made_from=made_from, made_before=made_before, now=now,
                label_after_days=label_after, report=lambda count: progress("decisions", count, 0),
            )  # fmt: skip
    operator.terminal.answer(msgspec.to_builtins(view), lambda out: show_stats(out, view))


@on_database(app, "review")
async def review(
    operator: Operator,
    version: VersionArgument,
    verdict: Annotated[ReviewVerdict, typer.Argument(metavar="VERDICT", help="accept or reject.")],
    note: Annotated[str | None, typer.Option(help="Why; no personal data.")] = None,
    key_file: KeyOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Accept or reject a draft, once, as somebody other than its author: see --key-file."""
    found, caller = await acting(operator, book, key_file, Scope.RULES_REVIEW)
    kept = await committed(
        operator,
        lambda connection: rules.review(
            connection, found.book_id, _number(version), verdict, caller=caller,
            ledger=Ledger(operator.clock), at=operator.clock.now(), note=note,
        ),
    )  # fmt: skip
    await _answer(operator, found, kept)


@on_database(app, "publish")
async def publish(
    operator: Operator, version: VersionArgument, key_file: KeyOption = None, book: BookOption = FIRST_BOOK
) -> None:
    """Let decisions go by a rule set, from the next batch on; to publish an older one is to go back to it."""
    found, caller = await acting(operator, book, key_file, Scope.RULES_WRITE)
    kept = await committed(
        operator,
        lambda connection: rules.publish(
            connection, found.book_id, _number(version), caller=caller, ledger=Ledger(operator.clock),
            at=operator.clock.now(),
        ),
    )  # fmt: skip
    await _answer(operator, found, kept)


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
        versions, current = await rules.list_versions(
            connection, found.book_id, before=number_of(after), limit=size
        )
    views = [rules.rule_set_row(version, current) for version in versions]
    cursor = str(versions[-1].version) if len(versions) == size else None
    operator.terminal.answer(
        {"data": msgspec.to_builtins(views), "next_cursor": cursor},
        lambda out: show_rule_sets(out, views, cursor),
    )


@on_database(app, "show")
async def show(
    operator: Operator,
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="`v3`, or `current`.")] = "current",
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show a rule set, by default the one that decisions go by."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        wanted = None if version == "current" else _number(version)
        kept = await rules.get_version(connection, found.book_id, wanted)
    await _answer(operator, found, kept)


@on_database(app, "snooze")
async def snooze(
    operator: Operator,
    rule: RuleArgument,
    reason: ReasonOption,
    for_: Annotated[str, typer.Option("--for", metavar="SPAN", help="For how long: 45m, 12h, 7d.")],
    key_file: KeyOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Have a rule not fire for a while, from the next batch of decisions on, in whichever version counts."""
    found, caller = await acting(operator, book, key_file, Scope.RULES_WRITE)
    now = operator.clock.now()
    span = span_of(for_, field="for")
    made = await committed(
        operator,
        lambda connection: rules.snooze(
            connection, found.book_id, rule, now + span, reason, caller=caller,
            ledger=Ledger(operator.clock), at=now,
        ),
    )  # fmt: skip
    _tell(operator, made)


@on_database(app, "wake")
async def wake(
    operator: Operator,
    rule: RuleArgument,
    reason: ReasonOption,
    key_file: KeyOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Have a snoozed rule fire again, from the next batch of decisions on."""
    found, caller = await acting(operator, book, key_file, Scope.RULES_WRITE)
    made = await committed(
        operator,
        lambda connection: rules.wake(
            connection, found.book_id, rule, reason, caller=caller, ledger=Ledger(operator.clock),
            at=operator.clock.now(),
        ),
    )  # fmt: skip
    _tell(operator, made)


@on_database(app, "snoozes")
async def snoozes(operator: Operator, book: BookOption = FIRST_BOOK) -> None:
    """List the rules that are snoozed."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        made = await rules.list_snoozes(connection, found.book_id, at=operator.clock.now())
    views = [rules.snooze_view(one) for one in made]
    operator.terminal.answer({"data": msgspec.to_builtins(views)}, lambda out: show_snoozes(out, views))


def _span(
    operator: Operator, since: str | None, until: str | None
) -> tuple[dt.datetime, dt.datetime, dt.datetime]:
    now = operator.clock.now()
    before = moment_of(until, field="until") or now
    return moment_of(since, field="since") or before - MONTH, before, now


async def _answer(operator: Operator, book: BookInfo, kept: Version) -> None:
    async with operator.database.connection() as connection:
        view = await rules.shown(connection, book.book_id, kept, at=operator.clock.now())
    operator.terminal.answer(msgspec.to_builtins(view), lambda out: show_rule_set(out, view))


def _tell(operator: Operator, made: Snooze) -> None:
    shape: dict[str, Any] = msgspec.to_builtins(rules.snooze_view(made))
    rows = [("rule", made.rule), ("until", made.until), ("reason", made.reason), ("by", made.by)]
    operator.terminal.answer(shape, lambda out: out.print(facts(rows)))


def _number(version: str) -> int:
    digits = version[1:]
    if not (version.startswith("v") and digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise InvalidRequest("a rule set is called v1, v2, …", field="version")
    return int(digits)
