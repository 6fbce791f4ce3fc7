"""Books with a history, made by the ledger itself, and what a plain recomputation says of them."""

import datetime as dt
import itertools
from collections.abc import Sequence
from uuid import UUID

from hypothesis import strategies as st
from msgspec.structs import replace

from caudal.ledger import (
    AccountId,
    Book,
    BookInfo,
    BookMode,
    Command,
    CreateTransfer,
    Hold,
    HoldState,
    Ledger,
    OpenAccount,
    PostPending,
    RecordTransaction,
    ReverseTransfer,
    Side,
    Transfer,
    TransferId,
    TransferKind,
    create_book,
    rules,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from support.histories import START, Step, histories

_numbers = itertools.count(1)
POSTED = (TransferKind.POSTED, TransferKind.POST, TransferKind.REVERSAL)


async def new_book(database: Database, *, at: dt.datetime = START) -> BookInfo:
    number = next(_numbers)
    async with database.transaction() as connection:
        return await create_book(
            connection, id=UUID(int=number), name=f"book-{number}", mode=BookMode.TEST, now=at
        )


async def live_through(database: Database, book_id: int, history: Sequence[Step]) -> tuple[Book, ManualClock]:
    """Carry out a history in the database and in the model, which the ledger's own tests hold equal."""
    clock = ManualClock(START)
    ledger, model = Ledger(clock), Book(recorded_at=START)
    for step in history:
        clock.advance(dt.timedelta(seconds=step.seconds))
        rules.apply(model, step.commands, clock.now())
        async with database.transaction() as connection:
            await ledger.apply(connection, book_id, step.commands)
    return model, clock


_DATED = (CreateTransfer, PostPending, ReverseTransfer, RecordTransaction)


@st.composite
def spread_histories(draw: st.DrawFn) -> list[Step]:
    """Histories over hours and days, with effective times to the microsecond, on both sides of midnight."""
    # With 43,200 every batch is recorded at noon or at midnight, to the microsecond.
    factor = draw(st.sampled_from([1, 1_000, 5_000, 43_200]))
    moments = st.one_of(
        st.none(),
        st.builds(
            lambda day, second, tick: (
                START.replace(hour=0) + dt.timedelta(days=day, seconds=second, microseconds=tick)
            ),
            st.integers(-2, 4),
            st.sampled_from([0, 1, 43_200, 50_000, 86_399]),
            st.sampled_from([0, 0, 1, 999_999]),
        ),
    )
    steps = []
    for step in draw(histories()):
        commands: list[Command] = []
        for command in step.commands:
            dated = isinstance(command, _DATED) and not getattr(command, "pending", False)
            commands.append(replace(command, effective_at=draw(moments)) if dated else command)
        steps.append(Step(step.seconds * factor, commands))
    return steps


def moments_of_interest(model: Book) -> list[dt.datetime]:
    """Every recorded and effective moment, just before and after them, and the edges of their days."""
    base = {t.recorded_at for t in model.new_transfers} | {
        t.effective_at for t in model.new_transfers if t.effective_at is not None
    }
    tick = dt.timedelta(microseconds=1)
    midnights = {m.replace(hour=0, minute=0, second=0, microsecond=0) for m in base}
    edges = midnights | {m + dt.timedelta(days=1) for m in midnights}
    return sorted({m + step for m in base | edges for step in (-tick, 0 * tick, tick)})


def value_at(transfer: Transfer) -> dt.datetime:
    return transfer.effective_at or transfer.recorded_at


def posted_sums(transfers: Sequence[Transfer], account: AccountId) -> tuple[int, int]:
    """Posted debits and credits that these transfers bring to the account, added up one by one."""
    moving = [t for t in transfers if t.kind in POSTED]
    return (
        sum(t.amount for t in moving if t.debit_account == account),
        sum(t.amount for t in moving if t.credit_account == account),
    )


def pending_sums(model: Book, account: AccountId, *, at: dt.datetime) -> tuple[int, int]:
    """What open holds keep on the account at a moment, those due by then left out."""
    number = model.accounts[account].no

    def counts(hold: Hold) -> bool:
        return hold.state is HoldState.OPEN and (hold.expires_at is None or hold.expires_at > at)

    open_holds = [hold for hold in model.holds.values() if counts(hold)]
    return (
        sum(hold.amount for hold in open_holds if hold.debit_no == number),
        sum(hold.amount for hold in open_holds if hold.credit_no == number),
    )


def two_accounts() -> list[Command]:
    return [
        OpenAccount(id=account(1), currency="USD", normal_side=Side.DEBIT, code="1000"),
        OpenAccount(id=account(2), currency="USD", normal_side=Side.CREDIT, code="2000"),
    ]


def account(number: int) -> AccountId:
    return AccountId(f"acct_{number:032x}")


def transfer(number: int) -> TransferId:
    return TransferId(f"tr_{number:032x}")
