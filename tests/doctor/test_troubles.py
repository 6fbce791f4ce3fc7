"""Each trouble is made real on a real database: the doctor finds it, and no longer once it is mended."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from caudal.doctor import Finding, Patient, Severity, examine
from caudal.ledger import BookMode, create_book
from caudal.migrations import MIGRATIONS
from caudal_base.clock import Clock, SystemClock
from caudal_base.database import Database
from caudal_base.ids import IdSource, uuid7
from caudal_base.migrate import read_migrations

NOW = dt.datetime.now(dt.UTC)
JOB = UUID("01890000-0000-7000-8000-000000000001")


def made(age: dt.timedelta) -> UUID:
    """An id of that age."""
    return uuid7(NOW - age, lambda count: b"\7" * count)


LATE = made(dt.timedelta(minutes=40))
OLD = made(dt.timedelta(hours=30))
FAR = made(dt.timedelta(hours=5))


def job(state: str, extra: str = "null, null, null") -> str:
    return f"""
        insert into jobs.job (book_id, id, queue, kind, state, alone, attempts, run_at, enqueued_at,
                              claim, claimed_until, ended_at, payload)
        values (1, '{JOB}', 'late', 'test.kind', '{state}', false, 9, now() - interval '1 h',
                now() - interval '1 h', {extra}, '{{}}')
    """


def attempt(id: UUID, state: str, data: str = "{}") -> str:
    return f"""
        insert into payments.attempt (book_id, id, payment_id, operation, state, partner, updated_at, data)
        values (1, '{id}', '{id}', 'submit', '{state}', 'acme', now() - interval '20 min', '{data}')
    """


REVIEW = f"""
    insert into payments.payment (book_id, id, kind, state, customer, amount, currency, authorised_amount,
        captured_amount, refunded_amount, refunding_amount, disputed_amount, partner, version, created_at,
        updated_at, data)
    values (1, '{FAR}', 'pay_in', 'review', '{FAR}', 1, 'USD', 0, 0, 0, 0, 0, 'acme', 1, now(), now(), '{{}}')
"""

PARKED = f"""
    insert into webhooks.inbound (book_id, id, partner, event_id, type, state, occurred_at, received_at,
        attempts, settled_at, reason, body)
    values (1, '{LATE}', 'acme', 'evt_1', 'x', 'parked', now(), now() - interval '40 min', 9, now(),
        'why', 'x')
"""


BURNING = f"""
    insert into objectives.standing (book_id, name, data)
    values (1, 'ledger_reads', '{{"evaluated_at": "{NOW.isoformat()}", "total": 100, "bad": 30,
        "budget_left_basis_points": -90000, "burn_rates": {{"1h": 300.0}}, "severity": "page",
        "since": "{NOW.isoformat()}", "demanded_at": "{NOW.isoformat()}"}}')
"""


UNREAD = f"""
    insert into features.feature_set (book_id, version, declared, created_at, created_by)
    values (1, 1, '{{}}', now() - interval '1 day', 'x');
    insert into events.head (book_id, seq) values (1, 1);
    insert into events.event (book_id, seq, id, type, object_type, object_id, at, data)
    values (1, 1, '{LATE}', 'payment.succeeded', 'payment', '{LATE}', now() - interval '6 min', '{{}}')
"""


def endpoint(status: str, reason: str, failing: str, behind: str = "null") -> str:
    return f"""
        insert into delivery.endpoint (book_id, id, url, types, ordered, concurrency, status, reason,
            created_at, disabled_at)
        values (1, '{LATE}', 'https://example.com', '{{*}}', false, 1, '{status}', {reason}, now(),
                case '{status}' when 'disabled' then now() end);
        insert into delivery.drive (book_id, endpoint_id, active, revision, through_seq, failing_since,
            behind_since)
        values (1, '{LATE}', true, 1, 0, {failing}, {behind})
    """


NO_ENDPOINT = "delete from delivery.endpoint; delete from delivery.drive"
NO_JOB = "delete from jobs.job"
NO_ATTEMPT = "delete from payments.attempt"
DEAD_ROWS = """
    insert into routing.outage (book_id, partner, reason, since, until)
    select 9, n::text, '', now(), now() from generate_series(1, 60000) as n;
    delete from routing.outage;
    select pg_stat_force_next_flush()
"""

TROUBLES = [
    # what breaks it, what mends it, the finding's code, its subject
    (job("dead", "null, null, now()"), NO_JOB, "jobs_dead", "main/test.kind"),
    (job("ready"), NO_JOB, "jobs_overdue", "main/late"),
    (
        "update jobs.period set started_at = now() - interval '2 min'",
        "update jobs.period set started_at = now()",
        "worker_absent",
        "main",
    ),
    (attempt(LATE, "unknown"), NO_ATTEMPT, "attempts_unknown", "main/acme"),
    (attempt(LATE, "created"), NO_ATTEMPT, "attempts_not_begun", "main/acme"),
    (
        attempt(LATE, "unknown", '{"asked_at": "2026-01-01T00:00:00Z"}'),
        NO_ATTEMPT,
        "attempts_asked_of_a_person",
        "main/acme",
    ),
    (REVIEW, "delete from payments.payment", "payments_in_review", "main"),
    (PARKED, "delete from webhooks.inbound", "webhooks_parked", "main/acme"),
    (
        endpoint("enabled", "null", "now() - interval '1 h'"),
        NO_ENDPOINT,
        "endpoint_failing",
        "main/whe_01",
    ),
    (endpoint("enabled", "null", "null", "now()"), NO_ENDPOINT, "endpoint_behind", "main/whe_01"),
    (endpoint("disabled", "'gone'", "null"), NO_ENDPOINT, "endpoint_disabled", "main/whe_01"),
    (
        "insert into routing.outage (book_id, partner, reason, since, until)"
        " values (1, 'acme', 'breaker open', now(), now())",
        "delete from routing.outage",
        "partner_unavailable",
        "main/acme",
    ),
    (
        "insert into routing.drain (book_id, partner, reason, since, drained_by)"
        " values (1, 'acme', 'maintenance', now(), 'operator')",
        "delete from routing.drain",
        "partner_drained",
        "main/acme",
    ),
    (
        "insert into routing.clock (book_id, partner, ahead_ms, measured_at)"
        " values (1, 'acme', 12000, now() - interval '59 min'), (1, 'beta', 12000, now() - interval '2 h')",
        "delete from routing.clock",
        "clock_skew",
        "main/acme",
    ),
    (
        BURNING,
        "delete from objectives.standing",
        "objective_burning",
        "main/ledger_reads",
    ),
    (UNREAD, "insert into risk.followed (book_id, seq) values (1, 1)", "features_behind", "main"),
    (
        "drop index payments.attempt_unsettled_idx",
        None,
        "index_missing",
        "payments.attempt_unsettled_idx",
    ),
    (
        "alter table customers.product drop constraint product_pkey cascade",
        None,
        "index_missing",
        "customers.product_pkey",
    ),
    (
        "alter table risk.entry set (autovacuum_enabled = false)",
        None,
        "autovacuum_disabled",
        "risk.entry",
    ),
    (DEAD_ROWS, "vacuum routing.outage", "vacuum_behind", "routing.outage"),
]


@pytest.fixture(scope="module")
async def patient(shared_dsn: str, shared_database: Database) -> Patient:
    """A book in which a worker has just begun its regular work, and nothing is wrong."""
    async with shared_database.transaction() as connection:
        clock = SystemClock()
        book = await create_book(
            connection, id=IdSource(clock).new(), name="main", mode=BookMode.TEST, now=clock.now()
        )
        assert book.book_id == 1
        await connection.execute("insert into jobs.period values (1, 'ledger.expire', now())")
    return Patient(dsn=shared_dsn)


@pytest.fixture
def connection(shared_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(shared_dsn, autocommit=True) as opened:
        opened.execute("update jobs.period set started_at = now()")
        yield opened


async def found(patient: Patient, clock: Clock | None = None) -> dict[tuple[str, str], Finding]:
    return {
        (one.code, (one.subject or "")[:30]): one for one in await examine(patient, clock or SystemClock())
    }


@pytest.mark.parametrize(("breaks", "mends", "code", "subject"), TROUBLES, ids=[it[2] for it in TROUBLES])
async def test_a_trouble_is_found_and_gone_once_it_is_mended(
    connection: psycopg.Connection[Any],
    patient: Patient,
    breaks: str,
    mends: str | None,
    code: str,
    subject: str,
) -> None:
    def is_told(one: Finding) -> bool:
        return one.code == code and (one.subject or "").startswith(subject)

    before = await examine(patient, SystemClock())

    for statement in breaks.split(";"):
        connection.execute(statement.encode())
    after = await examine(patient, SystemClock())

    assert not any(is_told(one) for one in before)
    (told,) = [one for one in after if is_told(one)]
    for statement in (mends or told.remedy).rstrip(";").split(";"):
        connection.execute(statement.encode())  # without another, by what the doctor says
    assert not any(is_told(one) for one in await examine(patient, SystemClock()))


async def test_how_old_an_unknown_attempt_is_counts_from_its_creation_and_makes_it_critical(
    connection: psycopg.Connection[Any], patient: Patient
) -> None:
    connection.execute(attempt(LATE, "unknown").encode())
    late = (await found(patient))["attempts_unknown", "main/acme"]
    connection.execute(attempt(OLD, "unknown").encode())
    old = (await found(patient))["attempts_unknown", "main/acme"]
    connection.execute(NO_ATTEMPT)

    assert (late.severity, late.count) == (Severity.WARNING, 1)
    assert (old.severity, old.count) == (Severity.CRITICAL, 2)
    assert old.since is not None
    assert abs(old.since - (NOW - dt.timedelta(hours=30))) < dt.timedelta(seconds=1)


async def test_a_transaction_that_stays_open_is_found_until_it_ends(
    shared_dsn: str, patient: Patient
) -> None:
    class Later:
        """A clock that is half an hour ahead of the server's."""

        def now(self) -> dt.datetime:
            return dt.datetime.now(dt.UTC) + dt.timedelta(minutes=30)

    with psycopg.connect(shared_dsn, application_name="forgotten") as left_open:
        left_open.execute("select 1")
        pid = left_open.info.backend_pid
        subject = f"{pid} forgotten"
        during = await found(patient, Later())
    after = await found(patient, Later())

    assert during["transaction_open", subject].severity is Severity.WARNING
    assert during["transaction_open", subject].remedy == f"select pg_terminate_backend({pid});"
    assert ("transaction_open", subject) not in after
    assert during["clock_skew", "the database"].severity is Severity.CRITICAL
    assert ("clock_skew", "the database") not in await found(patient)


async def test_connections_are_counted_against_the_databases_own_limit(
    server: Any, shared_dsn: str, patient: Patient
) -> None:
    name = conninfo_to_dict(shared_dsn)["dbname"]
    server.admin.execute(f'alter database "{name}" connection limit 7')
    before = await found(patient)
    held = [psycopg.connect(shared_dsn) for _ in range(4)]
    told = (await found(patient))["connections_nearly_used_up", "database"]
    for one in held:
        one.close()
    server.admin.execute(f'alter database "{name}" connection limit -1')

    assert " of the 7 connections that the database allows " in told.what
    assert ("connections_nearly_used_up", "database") not in before
    assert ("connections_nearly_used_up", "database") not in await found(patient)


async def test_settings_that_may_lose_data_are_found(server: Any, shared_dsn: str, patient: Patient) -> None:
    name = conninfo_to_dict(shared_dsn)["dbname"]
    server.admin.execute(f'alter database "{name}" set synchronous_commit = off')
    off = await found(patient)
    server.admin.execute(f'alter database "{name}" set synchronous_commit = on')
    on = await found(patient)
    server.admin.execute(f'alter database "{name}" reset synchronous_commit')

    assert off["setting_dangerous", "synchronous_commit"].severity is Severity.CRITICAL
    assert ("setting_dangerous", "synchronous_commit") not in on


async def test_an_index_that_is_invalid_is_made_again(
    server: Any, shared_dsn: str, connection: psycopg.Connection[Any], patient: Patient
) -> None:
    # What a `create index concurrently` that was interrupted leaves behind.
    with psycopg.connect(server.admin_dsn, dbname=conninfo_to_dict(shared_dsn)["dbname"]) as admin:
        if admin.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() != (True,):
            pytest.skip("only a superuser may change the catalogue")
        admin.execute(
            "update pg_index set indisvalid = false where indexrelid = 'jobs.job_ready_idx'::regclass"
        )
    invalid = await found(patient)
    connection.execute(invalid["index_invalid", "jobs.job_ready_idx"].remedy.encode())

    assert ("index_invalid", "jobs.job_ready_idx") not in await found(patient)


async def test_a_database_that_is_down_is_a_finding() -> None:
    patient = Patient(dsn="host=127.0.0.1 port=1 dbname=nothing connect_timeout=2")

    (told,) = await examine(patient, SystemClock())

    assert (told.code, told.severity) == ("database_unreachable", Severity.CRITICAL)


async def test_migrations_that_are_missing_are_found_and_tables_left_alone(server: Any) -> None:
    name = server.create_database()
    try:
        (told,) = [
            one
            for one in await examine(Patient(dsn=server.dsn(name)), SystemClock())
            if one.code not in ("setting_dangerous", "transaction_open")
        ]
    finally:
        server.drop_database(name)

    assert (told.code, told.count) == ("migrations_pending", len(read_migrations(MIGRATIONS)))
    assert told.remedy == "caudal db migrate"


async def test_a_schema_that_contradicts_this_version_is_found(
    connection: psycopg.Connection[Any], patient: Patient
) -> None:
    connection.execute("update migration.applied set name = '0001_other' where number = 1")
    (told,) = await examine(patient, SystemClock())
    connection.execute("update migration.applied set name = '0001_audit' where number = 1")

    assert told.code == "migrations_contradict"
    assert "0001_other" in told.what


async def test_what_cannot_be_looked_at_is_found_and_keeps_nothing_else_from_being(
    connection: psycopg.Connection[Any], patient: Patient
) -> None:
    connection.execute(PARKED.encode())
    with psycopg.connect(patient.dsn) as holder:
        holder.execute("lock table payments.attempt in access exclusive mode")
        during = await found(patient)
    connection.execute("delete from webhooks.inbound")

    assert during["not_checked", "attempts of main"].severity is Severity.WARNING
    assert ("webhooks_parked", "main/acme") in during
    assert ("not_checked", "attempts of main") not in await found(patient)


async def test_nobody_is_missed_where_the_server_was_started_for_the_doctor_alone(
    connection: psycopg.Connection[Any], patient: Patient
) -> None:
    connection.execute("update jobs.period set started_at = now() - interval '2 days'")

    told = await found(Patient(dsn=patient.dsn, running=False))

    assert ("worker_absent", "main") not in told


async def test_a_data_directory_that_is_gone_is_found(tmp_path: Path, patient: Patient) -> None:
    told = await found(Patient(dsn=patient.dsn, data_dir=tmp_path / "gone"))

    assert told["not_checked", "disk"].severity is Severity.WARNING
