"""Write docs/reference/payment-states.md anew; with --check only say whether it is out of date.

All of it is made from the tables that the code executes: the diagram and the transitions from
`payments.TABLE`, those of refunds and disputes from theirs, the refusals from `payments.REASONS`.
"""

import ast
import enum
import inspect
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from caudal.payments import (
    DISPUTES,
    FINAL,
    REASONS,
    REFUNDS,
    TABLE,
    DisputePosting,
    DisputeState,
    Effect,
    Event,
    PartState,
    PaymentState,
    Posting,
    RefundPosting,
    Row,
)

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "payment-states.md"

_INTRODUCTION: Final = """\
<!-- Made by tools/write_payment_states.py: do not edit. -->
# The states of payments

What can happen to a payment, all of it: the program runs these tables, and a test goes through every state
that can be reached by them. How a payment goes its way stands in [Payments](../concepts/payments.md).

## Diagram

States with a way out of the diagram wait for nothing more. What partners say later may still change them.

"""

_ROWS_INTRODUCTION: Final = """\
## Transitions

The first row whose conditions all hold is taken. An event without a row is refused and changes nothing.
*Ledger* is what is posted, all or nothing; *then* is the work that begins; *attempt* and *capture* are what
becomes of the one under way.

"""

_NEW: Final = "(new)"


def page() -> str:
    """The whole page."""
    parts = [
        _INTRODUCTION,
        "```mermaid\n" + "\n".join(_diagram()) + "\n```\n\n",
        "## States\n\n" + _table(("state", "meaning", "has ended"), _states()),
        "\n" + _ROWS_INTRODUCTION,
        *(_section(state) for state in (None, *PaymentState)),
        "## What is posted\n\n" + _glossary(Posting, (row.posting for row in TABLE)),
        "\n## What begins\n\n" + _glossary(Effect, itertools.chain(*(row.effects for row in TABLE))),
        "\n## Refunds\n\nBy what the partner says of one. A refund that is new was made at the partner.\n\n",
        _table(("state", "the partner says", "becomes", "ledger"), _refunds()),
        "\n" + _glossary(RefundPosting, RefundPosting),
        "\n## Disputes\n\nThe partner's last word counts.\n\n",
        _table(("state", "the partner says", "becomes", "ledger"), _disputes()),
        "\n" + _glossary(DisputePosting, DisputePosting),
        "\n## Refusals\n\nBeside these, a command may be refused for a reason of the ledger's: see"
        " [Errors](errors.md).\n\n",
        _table(("code", "status", "meaning"), ((f"`{r.code}`", str(r.status), r.meaning) for r in REASONS)),
    ]
    return "".join(parts)


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield "    direction LR"
    edges: dict[tuple[str, str], dict[str, None]] = {}
    for row in TABLE:
        if not row.stale and row.state is not row.to:
            before = "[*]" if row.state is None else row.state.value
            edges.setdefault((before, row.to.value), {})[_words(row.event)] = None
    for (before, after), events in edges.items():
        yield f"    {before} --> {after}: {', '.join(events)}"
    for state in PaymentState:
        if state in FINAL:
            yield f"    {state.value} --> [*]"


def _states() -> Iterator[tuple[str, ...]]:
    meanings = _meanings(PaymentState)
    for state in PaymentState:
        yield f"`{state.value}`", meanings.get(state.name, ""), "yes" if state in FINAL else ""


def _section(state: PaymentState | None) -> str:
    rows = [row for row in TABLE if row.state is state]
    stale = [row for row in rows if row.stale and not row.guards]
    name = _NEW if state is None else f"`{state.value}`"
    head = ("event", "if", "becomes", "ledger", "then", "attempt", "capture")
    moving = [_cells(row) for row in rows if row not in stale]
    text = f"### From {name}\n\n" + (_table(head, moving) + "\n" if moving else "")
    if stale:
        text += f"Says nothing new: {', '.join(_words(row.event) for row in stale)}.\n\n"
    return text


def _cells(row: Row) -> tuple[str, ...]:
    return (
        _words(row.event),
        " and ".join(_words(guard) for guard in row.guards),
        "says nothing new" if row.stale else f"`{row.to.value}`",
        "" if row.posting is Posting.NOTHING else _words(row.posting),
        ", ".join(_words(effect) for effect in row.effects),
        "" if row.attempt is None else row.attempt.value,
        "" if row.part is None else row.part.value,
    )


def _refunds() -> Iterator[tuple[str, ...]]:
    for (state, event), (after, posting) in REFUNDS.items():
        yield _before(state), event.value, f"`{after.value}`", _posted(posting)


def _disputes() -> Iterator[tuple[str, ...]]:
    for (state, said), (after, posting) in DISPUTES.items():
        yield _before(state), said.value, f"`{after.value}`", _posted(posting)


def _before(state: PartState | DisputeState | None) -> str:
    return _NEW if state is None else f"`{state.value}`"


def _posted(posting: RefundPosting | DisputePosting) -> str:
    return "" if posting.value == "nothing" else _words(posting)


def _words(member: Event | enum.Enum) -> str:
    return str(member.value).replace("_", " ")


def _glossary(kind: type[enum.Enum], used: Iterable[enum.Enum]) -> str:
    """The members that are used and say what they mean."""
    wanted, meanings = set(used), _meanings(kind)
    rows = [(_words(m), meanings[m.name]) for m in kind if m in wanted and m.name in meanings]
    return _table(("", "meaning"), rows)


def _meanings(kind: type[enum.Enum]) -> dict[str, str]:
    """What stands under each member in the source: the first paragraph, in one line."""
    (class_,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(class_, ast.ClassDef)
    found = {}
    for member, below in itertools.pairwise(class_.body):
        match member, below:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split("\n\n", 1)[0].split())
    return found


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def main(arguments: list[str]) -> int:
    """Write the page, or with --check compare it."""
    made = page()
    if arguments != ["--check"]:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == made:
        return 0
    print(f"{PAGE.name} is out of date: run python tools/write_payment_states.py")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
