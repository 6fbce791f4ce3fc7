"""The tables of a report, for a terminal and for a page alike. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from caudal.demo.types import CURRENCY, Percentiles, Report
from caudal_base.money import format_decimal


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table with a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str] = ()
    """Columns of numbers."""
    note: str = ""


def tables(report: Report) -> Iterator[Table]:
    """All of them, in the order in which they are read."""
    yield phases(report)
    yield latencies(report)
    yield routes(report)
    yield attempts(report)
    yield handled(report)
    yield accounts(report)
    yield invariants(report)


def phases(report: Report) -> Table:
    """What came in each phase."""
    numbers = ("offered", "a second", "accepted", "turned away")
    return Table(
        title="Phases",
        columns=("phase", "from", *numbers),
        right=numbers,
        rows=[
            (
                each.name,
                each.begins,
                f"{each.offered:,}",
                f"{each.offered_per_second:,.1f}",
                f"{each.accepted:,}",
                f"{each.shed:,}",
            )
            for each in report.phases
        ],
    )


def latencies(report: Report) -> Table:
    """How long it took in each phase."""
    numbers = ("answer p50", "p95", "p99", "end p50", "p95", "p99")
    return Table(
        title="Latencies by phase",
        note="In ms, from when a request was due: to its answer, and to the end of its payment.",
        columns=("phase", *numbers),
        right=numbers,
        rows=[(each.name, *_ms(each.answer), *_ms(each.end)) for each in report.phases],
    )


def routes(report: Report) -> Table:
    """Payments by outcome and route."""
    states = sorted({state for each in report.routes for state in each.outcomes}, key=_by_success)
    numbers = ("payments", *states, "taken over")
    return Table(
        title="Payments by route and outcome",
        note="Taken over: begun with another partner, and ended with this one.",
        columns=("rule", "partner", *numbers),
        right=numbers,
        rows=[
            (
                each.rule or "—", each.partner, f"{each.payments:,}",
                *(f"{each.outcomes.get(state, 0):,}" for state in states), f"{each.taken_over:,}",
            )
            for each in report.routes
        ],
    )  # fmt: skip


def attempts(report: Report) -> Table:
    """What partners made of attempts, and what they cost."""
    outcomes = [name for name in _OUTCOMES if any(each.outcomes.get(name) for each in report.lanes)]
    numbers = (*(_OUTCOMES[name] for name in outcomes), "rate", "cost")
    return Table(
        title="Attempts by route",
        note="As routing counts them, those before the opening included. Soft and hard are declines, the "
        f"rate is that of approvals, costs are fees in {CURRENCY}.",
        columns=("rule", "partner", *numbers),
        right=numbers,
        rows=[
            (
                each.rule or "—",
                each.partner,
                *(f"{each.outcomes.get(name, 0):,}" for name in outcomes),
                "" if each.approval_basis_points is None else f"{each.approval_basis_points / 100:.1f} %",
                _money(each.cost),
            )
            for each in report.lanes
        ],
    )


_OUTCOMES: Final = {
    "approved": "approved",
    "soft_decline": "soft",
    "hard_decline": "hard",
    "failed": "failed",
    "not_sent": "unsent",
}


def handled(report: Report) -> Table:
    """What went wrong, and what became of it."""
    return Table(
        title="What went wrong, and what became of it",
        columns=("what", "how many", "what became of it"),
        right=("how many",),
        rows=[
            (what, f"{count:,}", then) for what, count, then in (*_of_callers(report), *_of_partners(report))
        ],
    )


def _of_callers(report: Report) -> Iterator[tuple[str, int, str]]:
    """What there was with callers, and with those who get webhooks."""
    shed, again, sent = report.shed, report.duplicates, report.webhooks
    refused = _counts(again.refused) or "none"
    yield "duplicates sent", again.sent, f"{again.replayed:,} got the first answer; refused: {refused}"
    yield (
        "requests turned away",
        shed.requests,
        f"{shed.answers:,} times, {shed.without_retry_after:,} without Retry-After; "
        f"{shed.accepted_later:,} accepted later",
    )
    yield "requests not answered", report.unanswered, "sent again with the same key"
    yield (
        "webhooks sent",
        sent.attempts,
        f"{sent.arrived:,} of {sent.events:,} events arrived, {sent.retried:,} after a retry; delay "
        f"p50 {sent.delay.p50_ms:,.0f} ms, p99 {sent.delay.p99_ms:,.0f} ms, "
        f"longest {_seconds(sent.delay.max_ms)}",
    )


def _of_partners(report: Report) -> Iterator[tuple[str, int, str]]:
    """What there was with partners."""
    unknown, wrong = report.unknowns, _only(report.faults, _WRONG)
    yield "faults of partners", sum(wrong.values()), _counts(wrong)
    yield (
        "outcomes unknown",
        unknown.count,
        f"{unknown.resolved:,} resolved: {_counts(unknown.ended) or 'none'}; after p50 "
        f"{_seconds(unknown.took.p50_ms)}, p99 {_seconds(unknown.took.p99_ms)}",
    )
    yield "… for this reason", sum(unknown.by_reason.values()), _counts(unknown.by_reason)
    yield (
        "calls sent again",
        report.sent_again,
        "under their key, once it was certain that they had not arrived",
    )
    yield "payments begun again", sum(report.retries.values()), _counts(report.retries)
    on_the_way = _only(report.partner_webhooks, _ON_THE_WAY)
    yield "webhooks of partners", report.partner_webhooks.get("delivered", 0), _counts(on_the_way)


_ON_THE_WAY: Final = ("duplicated", "delayed", "held", "reordered", "forged", "forgeries_taken")
_WRONG: Final = ("rate_limited", "unavailable", "error_before", "error_after", "drop_before", "drop_after")


def _only(counts: Mapping[str, int], names: Sequence[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if name in names}


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1e3:,.1f} s"


def accounts(report: Report) -> Table:
    """The two hot accounts."""
    numbers = ("transfers", f"debits {CURRENCY}", f"credits {CURRENCY}", f"balance {CURRENCY}")
    return Table(
        title="The two hot accounts",
        columns=("account", *numbers),
        right=numbers,
        rows=[
            (
                each.name,
                f"{each.transfers:,}",
                _money(each.debits),
                _money(each.credits),
                _money(each.balance),
            )
            for each in report.accounts
        ],
    )


def invariants(report: Report) -> Table:
    """Each of them, and whether it holds."""
    return Table(
        title="Invariants",
        columns=("invariant", "", "what it says"),
        rows=[
            (
                each.name.replace("_", " "),
                "holds" if each.holds else "BROKEN",
                each.meaning if each.holds else f"{each.count:,} times: {'; '.join(each.examples)}",
            )
            for each in report.invariants
        ],
    )


def _ms(of: Percentiles) -> tuple[str, str, str]:
    return (f"{of.p50_ms:,.0f}", f"{of.p95_ms:,.0f}", f"{of.p99_ms:,.0f}") if of.count else ("", "", "")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())


def _money(amount: int) -> str:
    units, point, decimals = format_decimal(abs(amount), CURRENCY).partition(".")
    return f"{'-' if amount < 0 else ''}{int(units):,}{point}{decimals}"


def _by_success(state: str) -> tuple[bool, str]:
    return state != "succeeded", state
