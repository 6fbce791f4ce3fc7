"""`caudal risk`: lists of what payments are declined, reviewed or spared for, and what became of them."""

import datetime as dt
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from caudal import risk
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption, span_of
from caudal.cli.paging import more
from caudal.cli.payment_calls import ask
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, money, table
from caudal.ledger import Ledger
from caudal.risk import (
    AddEntry,
    AddLabel,
    Entry,
    EntryFilter,
    Label,
    LabelKind,
    ListKind,
    RemoveEntry,
    SubjectKind,
)
from caudal_base.errors import CaudalError, InvalidRequest

app = group("Decisions on payments: the block, allow and watch lists, and what became of payments.")
lists = group("The block, allow and watch lists.")
app.add_typer(lists, name="lists")

ListArgument = Annotated[
    ListKind, typer.Argument(metavar="LIST", help="block, allow (spares the watch list) or watch.")
]
SubjectArgument = Annotated[
    SubjectKind,
    typer.Argument(metavar="KIND", help="customer, instrument, device, ip, country or merchant."),
]
ValueArgument = Annotated[
    str, typer.Argument(metavar="VALUE", help="Which one: `cus_…`, `tok_…`, an address, a code of a country.")
]


@on_database(lists, "add")
async def add(
    operator: Operator,
    list: ListArgument,
    kind: SubjectArgument,
    value: ValueArgument,
    reason: Annotated[str, typer.Option(help="Why; no personal data.")],
    expires_in: Annotated[
        str | None, typer.Option(metavar="SPAN", help="For how long: 12h, 90d. (default: for ever)")
    ] = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Put something on a list, or give what is there another reason and expiry."""
    found = await operator.book(book)
    now = operator.clock.now()
    command = AddEntry(
        list=list,
        subject=kind,
        value=value,
        reason=reason,
        expires_at=None if expires_in is None else now + span_of(expires_in, field="expires_in"),
    )
    async with operator.database.transaction() as connection:
        (result,) = await risk.add_entries(
            connection, found.book_id, [command], caller=operator.caller, at=now
        )
    if isinstance(result, CaudalError):
        raise result
    entry = result
    operator.terminal.answer(_shape(entry), lambda out: out.print(facts([*_shape(entry).items()])))


@on_database(lists, "remove")
async def remove(
    operator: Operator,
    list: ListArgument,
    kind: SubjectArgument,
    value: ValueArgument,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Take something off a list."""
    found = await operator.book(book)
    command = RemoveEntry(list=list, subject=kind, value=value)
    async with operator.database.transaction() as connection:
        (refusal,) = await risk.remove_entries(
            connection, found.book_id, [command], caller=operator.caller, at=operator.clock.now()
        )
    if refusal is not None:
        raise refusal
    removed = {"list": list.value, "kind": kind.value, "value": value, "removed": True}
    operator.terminal.answer(removed, lambda out: out.print(facts([*removed.items()])))


@on_database(lists, "list")
async def list_(
    operator: Operator,
    list: Annotated[ListKind | None, typer.Option(help="Only this list.")] = None,
    kind: Annotated[SubjectKind | None, typer.Option(help="Only entries of this kind.")] = None,
    value: Annotated[str | None, typer.Option(help="Only entries of this value.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show what is on the lists, expired entries included."""
    found = await operator.book(book)
    size = min(limit, 1_000)
    async with operator.database.connection() as connection:
        rows = await risk.list_entries(
            connection,
            found.book_id,
            EntryFilter(list=list, subject=kind, value=value),
            after=_place(after),
            limit=size,
        )
    cursor = _cursor(rows[-1]) if len(rows) == size else None

    def show_rows(out: Console) -> None:
        shown = table("list", "kind", "value", "reason", "by", "added", "expires")
        for row in rows:
            shown.add_row(
                row.list.value, row.subject.value, row.value, row.reason, row.created_by,
                cell(row.created_at), cell(row.expires_at),
            )  # fmt: skip
        out.print(shown if rows else "No entries. `caudal risk lists add` makes one.")
        more(out, cursor)

    operator.terminal.answer({"data": [_shape(row) for row in rows], "next_cursor": cursor}, show_rows)


def _cursor(entry: Entry) -> str:
    return f"{entry.list.value}:{entry.subject.value}:{entry.value}"


def _place(after: str | None) -> tuple[SubjectKind, str, ListKind] | None:
    if after is None:
        return None
    kind, _, rest = after.partition(":")
    subject, _, value = rest.partition(":")
    try:
        return SubjectKind(subject), value, ListKind(kind)
    except ValueError:
        raise InvalidRequest("this is not a cursor that was shown before", field="after") from None


def _shape(entry: Entry) -> dict[str, Any]:
    return {
        "list": entry.list.value,
        "kind": entry.subject.value,
        "value": entry.value,
        "reason": entry.reason,
        "created_by": entry.created_by,
        "created_at": entry.created_at,
        "expires_at": entry.expires_at,
    }


@on_database(app, "label")
async def label(
    operator: Operator,
    subject: Annotated[
        str,
        typer.Argument(metavar="SUBJECT", help="A payment (`pay_…`) or your own name of an application."),
    ],
    kind: Annotated[
        LabelKind, typer.Argument(metavar="KIND", help="fraud, legitimate, repaid or defaulted.")
    ],
    note: Annotated[str | None, typer.Option(help="Why; no personal data.")] = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Say what became of a payment or an application, as somebody has found out."""
    found = await operator.book(book)
    async with operator.database.transaction() as connection:
        (result,) = await risk.add_labels(
            connection, found.book_id, [AddLabel(subject=subject, kind=kind, note=note)],
            caller=operator.caller, ledger=Ledger(operator.clock), at=operator.clock.now(),
        )  # fmt: skip
    if isinstance(result, CaudalError):
        raise result
    made = _label_shape(result)
    operator.terminal.answer(made, lambda out: out.print(facts([*made.items()])))


@on_database(app, "labels")
async def labels(
    operator: Operator,
    subject: Annotated[str | None, typer.Option(help="Only those of this payment or application.")] = None,
    kind: Annotated[LabelKind | None, typer.Option(help="Only those of this kind.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show what became of payments and applications, what became known last first."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        rows = await risk.find_labels(
            connection, found.book_id, subject=subject, kind=kind, limit=min(limit, 1_000)
        )

    def show_rows(out: Console) -> None:
        shown = table("subject", "kind", "happened", "known", "said by", "note")
        for row in rows:
            shown.add_row(
                row.subject,
                row.kind.value,
                cell(row.event_at),
                cell(row.known_at),
                row.source,
                cell(row.note),
            )
        out.print(shown if rows else "Nothing has become known.")

    operator.terminal.answer({"data": [_label_shape(row) for row in rows]}, show_rows)


def _label_shape(label: Label) -> dict[str, Any]:
    return {
        "subject": label.subject, "kind": label.kind.value, "bad": label.bad, "event_at": label.event_at,
        "known_at": label.known_at, "source": label.source, "note": label.note,
    }  # fmt: skip


@on_database(app, "reviews")
async def reviews(
    operator: Operator,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List the payments that wait for a person, with what they are held for."""
    found = await operator.book(book)
    page = await ask(
        operator, found, "GET", "/v1/reviews", dict[str, Any],
        query={"cursor": after, "limit": min(limit, 100)},
    )  # fmt: skip

    def show_rows(out: Console) -> None:
        shown = table("payment", "customer", "amount", "held since", "until", "score", "why")
        for row in page["data"]:
            payment, decision = row["payment"], row.get("decision", {})
            shown.add_row(
                payment["id"], payment["customer"], money(payment["amount"], payment["currency"]),
                cell(_moment(payment["created_at"])), cell(_moment(payment.get("review", {}).get("until"))),
                "" if (score := decision.get("score")) is None else f"{score:.4f}",
                " ".join(row.get("words", ())),
            )  # fmt: skip
        out.print(shown if page["data"] else "Nothing waits for a person.")
        more(out, page["next_cursor"])

    operator.terminal.answer(page, show_rows)


@on_database(app, "review")
async def review(
    operator: Operator,
    payment: Annotated[str, typer.Argument(metavar="PAYMENT", help="The payment's id (`pay_…`).")],
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show all that is known of a held payment. `caudal payments approve` or `decline` ends its review."""
    found = await operator.book(book)
    made = await ask(operator, found, "GET", "/v1/reviews/{id}", dict[str, Any], named=payment)

    def show_it(out: Console) -> None:
        held, decision = made["payment"], made.get("decision", {})
        amount = money(held["amount"], held["currency"])
        out.print(facts([(name, amount if name == "amount" else held.get(name)) for name in _OF_PAYMENT]))
        for sentence in made.get("words", ()):
            out.print(sentence, soft_wrap=True, highlight=False)
        if decision.get("features"):
            shown = table("feature", "value")
            for name, value in decision["features"].items():
                shown.add_row(name, "missing" if value is None else cell(value))
            out.print(shown)
        if made.get("linked"):
            shown = table("linked by", "payment", "customer", "outcome", "at", "known of it")
            for other in made["linked"]:
                shown.add_row(
                    ", ".join(other["shares"]), other["subject"], cell(other.get("customer")),
                    other["outcome"], cell(dt.datetime.fromisoformat(other["at"])),
                    " ".join(other.get("labels", ())),
                )  # fmt: skip
            out.print(shown)
        if made.get("history"):
            shown = table("paid before", "payment", "state", "amount")
            for past in made["history"]:
                shown.add_row(
                    cell(dt.datetime.fromisoformat(past["created_at"])), past["payment"], past["state"],
                    money(past["amount"], past["currency"]),
                )  # fmt: skip
            out.print(shown)
        if made.get("labels"):
            out.print(f"Known of it meanwhile: {', '.join(made['labels'])}.", highlight=False)

    operator.terminal.answer(made, show_it)


_OF_PAYMENT: Final = ("id", "kind", "state", "customer", "amount", "method", "instrument")


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
