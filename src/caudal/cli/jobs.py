"""`caudal jobs`: background work."""

from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

import typer
from rich.console import Console

from caudal import audit, jobs
from caudal.cli.exits import Exit
from caudal.cli.frame import group
from caudal.cli.operator import PRINCIPAL, Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, BookOption, LimitOption, YesOption
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, table
from caudal.jobs import Listed, State, operators
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.errors import CaudalError

app = group("Background jobs: list them, replay or skip dead ones.")

JobsArgument = Annotated[list[str], typer.Argument(metavar="JOB...", help="Jobs by id (`job_…`).")]
DeploymentOption = Annotated[
    bool, typer.Option("--deployment", help="Those that belong to no book but to the deployment.")
]

_WAITING = (State.READY, State.PARKED, State.RUNNING)


class _Action(Protocol):
    def __call__(
        self, connection: Connection, *, book_id: int, ids: Sequence[UUID], now: datetime
    ) -> Awaitable[list[operators.Result]]: ...


@on_database(app, "list")
async def list_(
    operator: Operator,
    state: Annotated[
        list[State] | None,
        typer.Option(help="Those in this state; may be repeated. (default: dead, else what waits or runs)"),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only those of this kind, as `ledger.expire`.")] = None,
    deployment: DeploymentOption = False,
    limit: LimitOption = DEFAULT_LIMIT,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List jobs: dead ones first, then what waits or runs. Jobs that have succeeded are gone."""
    book_id = audit.DEPLOYMENT if deployment else (await operator.book(book)).book_id
    wanted = set(state or (State.DEAD, *_WAITING))
    size = min(limit, operators.MAX_PAGE)
    async with operator.database.connection() as connection:
        rows: list[Listed] = []
        if ended := [one for one in wanted if one not in _WAITING]:
            rows += await operators.list_ended(
                connection, book_id=book_id, states=ended, kind=kind, limit=size
            )
        if waiting := [one for one in wanted if one in _WAITING]:
            rows += await operators.list_waiting(
                connection, book_id=book_id, states=waiting, kind=kind, limit=size
            )
    rows = rows[:limit]

    def show(out: Console) -> None:
        shown = table("job", "kind", "state", "attempts", "due", "last error", right=("attempts",))
        for row in rows:
            shown.add_row(
                ids.encode(ids.JOB, row.id), row.kind, row.state.value, str(row.attempts), cell(row.run_at),
                row.last_error,
            )  # fmt: skip
        out.print(shown if rows else "No jobs.")

    operator.terminal.answer({"data": [_shape(row) for row in rows]}, show)


@on_database(app, "backlog")
async def backlog(
    operator: Operator, deployment: DeploymentOption = False, book: BookOption = FIRST_BOOK
) -> None:
    """Count the unfinished jobs by queue and state."""
    book_id = audit.DEPLOYMENT if deployment else (await operator.book(book)).book_id
    async with operator.database.connection() as connection:
        found = await operators.backlog(connection, book_id=book_id)
    rows = [
        {
            "queue": one.queue,
            "state": one.state.value,
            "count": one.count,
            "oldest_run_at": one.oldest_run_at,
        }
        for one in found
    ]

    def show(out: Console) -> None:
        shown = table("queue", "state", "jobs", "oldest due", right=("jobs",))
        for one in found:
            shown.add_row(one.queue, one.state.value, f"{one.count:,}", cell(one.oldest_run_at))
        out.print(shown if found else "No unfinished jobs.")

    operator.terminal.answer({"data": rows}, show)


@on_database(app, "replay")
async def replay(
    operator: Operator,
    job: JobsArgument,
    deployment: DeploymentOption = False,
    book: BookOption = FIRST_BOOK,
) -> Exit:
    """Try dead, skipped or cancelled jobs again, from their first attempt."""
    return await _act(operator, book, deployment, job, operators.replay, "job.replay")


@on_database(app, "skip")
async def skip(
    operator: Operator,
    job: JobsArgument,
    yes: YesOption = False,
    deployment: DeploymentOption = False,
    book: BookOption = FIRST_BOOK,
) -> Exit:
    """Set dead jobs aside, so that what waits behind them goes on without their effect."""
    operator.terminal.confirm("Go on without the effect of these jobs?", yes=yes)
    return await _act(operator, book, deployment, job, operators.skip, "job.skip")


@on_database(app, "cancel")
async def cancel(
    operator: Operator,
    job: JobsArgument,
    yes: YesOption = False,
    deployment: DeploymentOption = False,
    book: BookOption = FIRST_BOOK,
) -> Exit:
    """Call off jobs that wait. One that runs cannot be called off."""
    operator.terminal.confirm("Call these jobs off?", yes=yes)
    return await _act(operator, book, deployment, job, operators.cancel, "job.cancel")


async def _act(
    operator: Operator, book: str, deployment: bool, named: list[str], action: _Action, name: str
) -> Exit:
    book_id = audit.DEPLOYMENT if deployment else (await operator.book(book)).book_id
    wanted = [ids.decode(ids.JOB, one, field="job") for one in named]
    now = operator.clock.now()
    async with operator.database.transaction() as connection:
        results = await action(connection, book_id=book_id, ids=wanted, now=now)
        records = [
            audit.Record(
                book_id=book_id,
                at=now,
                principal=PRINCIPAL,
                action=name,
                object_id=one,
                request_id=operator.request_id,
                result=result.code if isinstance(result, CaudalError) else result.value,
            )
            for one, result in zip(named, results, strict=True)
        ]
        await audit.append(connection, records)
    if len(results) == 1 and isinstance(results[0], CaudalError):
        raise results[0]
    rows = [_result(one, result) for one, result in zip(named, results, strict=True)]

    def show(out: Console) -> None:
        for row in rows:
            out.print(f"{row['id']}  {row['state'] or row['error']['detail']}")

    operator.terminal.answer({"data": rows}, show)
    return Exit.REFUSED if any(row["error"] for row in rows) else Exit.DONE


def _result(job: str, result: jobs.State | CaudalError) -> dict[str, Any]:
    if isinstance(result, CaudalError):
        return {"id": job, "state": None, "error": result.problem()}
    return {"id": job, "state": result.value, "error": None}


def _shape(row: Listed) -> dict[str, Any]:
    return {
        "id": ids.encode(ids.JOB, row.id),
        "queue": row.queue,
        "kind": row.kind,
        "key": row.key,
        "state": row.state.value,
        "attempts": row.attempts,
        "run_at": row.run_at,
        "enqueued_at": row.enqueued_at,
        "claimed_until": row.claimed_until,
        "ended_at": row.ended_at,
        "last_error": row.last_error,
        "payload": row.payload,
    }
