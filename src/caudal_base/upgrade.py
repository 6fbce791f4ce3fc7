"""Moving a data directory from an older major version of PostgreSQL to the one that Caudal brings.

The old server is run by its own programs, read-only, while its roles and databases stream into a new cluster
made beside it. Every table's rows are then compared by count and by content. Renaming the new cluster to its
place is the last step; the old one stays beside it, untouched, until its owner removes it. Killed before that
step, the old data is what there is, and the next run begins anew.

A dump is slower than `pg_upgrade`, and does not care how the old cluster was built: its collations, its page
checksums, its C library. The new databases all sort by code point (`C.UTF-8`), as new ones of Caudal's do;
the report names those that sorted otherwise. Left behind are edits of `postgresql.conf` and `pg_hba.conf`.
"""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

from caudal_base.embedded import EmbeddedError, VersionMismatch, process, tools
from caudal_base.embedded.fingerprint import Fingerprint, fingerprint
from caudal_base.embedded.identity import Identity, binaries_for, identity_for, server_major
from caudal_base.embedded.layout import UPGRADING, Layout, explained, give_to_owner_of, sync_directory
from caudal_base.embedded.locks import FileLock
from caudal_base.embedded.server import (
    HARDENING,
    connection_string,
    create_cluster,
    find_cluster,
    in_use,
    make_socket_dir,
    passwords,
    remove_socket_dir,
)
from caudal_base.embedded.tuning import PORT, READ_ONLY, UNSAFE_BULK_LOAD

Progress = Callable[[str], None]
"""Told what is being done."""

_BINARIES = ("/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin", "/usr/local/pgsql-{major}/bin")
"""Where Debian, Red Hat and builds from source put the programs of a major version."""

_CODE_POINT_LOCALES = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8"})


class UpgradeError(EmbeddedError):
    """The data could not be moved; the message says why. The old data is as it was."""


class UpgradeReport(msgspec.Struct, frozen=True):
    """What `upgrade` did. `kept` is the old cluster: remove it once the new one has proven itself.

    `resorted` names the databases whose texts sorted by a language's rules before.
    """

    from_major: int
    to_major: int
    kept: str
    databases: list[str]
    tables: int
    rows: int
    resorted: list[str]


def upgrade(
    directory: Path, *, old_bin: Path | None = None, progress: Progress | None = None
) -> UpgradeReport | None:
    """Moves the directory's data to our PostgreSQL; None where it is there already.

    `old_bin` holds the programs of the old version, looked for in the usual places if not given. Delivery of
    WAL to a place of backups ends: the new cluster needs a new place. Raises UpgradeError, VersionMismatch,
    DirectoryUnusable, DirectoryInUse or ServerFailed; the old data is then as it was.
    """
    layout = Layout.of(directory)
    if not layout.lock.exists() and not layout.clusters():
        raise UpgradeError(f"{layout.root} holds no database of Caudal's.")
    lock = FileLock(layout.lock)
    with explained(layout.root, "upgrade"):
        if not lock.try_acquire():
            raise in_use(layout, lock)
        try:
            old_major = _old_major(layout)
            if old_major is None:
                return None
            identity = identity_for(layout)
            programs = _programs(old_major, old_bin, identity)
            return _upgrade(layout, old_major, programs, identity, progress or _silent)
        finally:
            process.remove_leftovers(layout.root / UPGRADING)
            lock.release()


def _silent(_what: str) -> None:
    """For callers who do not look."""


def _old_major(layout: Layout) -> int | None:
    try:
        if find_cluster(layout) is None:
            raise UpgradeError(f"{layout.root} holds no database.")
    except VersionMismatch as mismatch:
        if mismatch.found > mismatch.expected:
            raise
        return mismatch.found
    return None


def _programs(major: int, given: Path | None, identity: Identity) -> Path:
    """The old version's programs. Raises UpgradeError where they are not there, or of another version."""
    candidates = [given] if given else [Path(pattern.format(major=major)) for pattern in _BINARIES]
    for candidate in candidates:
        with contextlib.suppress(OSError):
            done = subprocess.run(  # noqa: S603
                [candidate / "postgres", "-V"],
                cwd="/",
                capture_output=True,
                text=True,
                check=True,
                **identity.popen(),
            )
            found = done.stdout.split()[2].split(".")[0]
            if found == str(major):
                return candidate.absolute()
            raise UpgradeError(f"{candidate} holds PostgreSQL {found}; the data is of {major}.")
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise UpgradeError(
        f"Only the programs of PostgreSQL {major} can read this data, and {looked} has none that "
        f"can be run. Install them (Debian: postgresql-{major}) and name their folder with --old-bin."
    )


def _upgrade(
    layout: Layout, old_major: int, old_programs: Path, identity: Identity, progress: Progress
) -> UpgradeReport:
    old_cluster = layout.clusters()[old_major]
    if old_cluster != layout.cluster(
        old_major
    ):  # the folder's name is the one that the new cluster will need
        old_cluster = old_cluster.rename(layout.cluster(old_major))
    work = Layout(layout.root / UPGRADING)
    process.remove_leftovers(work.root)
    work.root.mkdir(mode=0o711 if identity.dropped else 0o700)
    give_to_owner_of(layout.root, work.root)
    shutil.copyfile(layout.passwords, work.passwords)
    work.passwords.chmod(0o600)
    programs = binaries_for(identity)
    progress("making the new cluster")
    new_cluster = create_cluster(work, programs, identity, durable=True)
    with (
        _serving(old_programs, old_cluster, layout, identity, READ_ONLY) as old,
        _serving(programs, new_cluster, work, identity, UNSAFE_BULK_LOAD) as new,
    ):
        report = _move(old, new, old_major=old_major, kept=old_cluster, progress=progress)
    progress("writing to disk")
    where = "/proc/self/cwd" if identity.dropped else str(new_cluster)
    process.run([programs / "initdb", "--sync-only", "-D", where], cluster=new_cluster, identity=identity)
    new_cluster.rename(layout.cluster(server_major()))
    layout.archive.unlink(missing_ok=True)
    sync_directory(layout.root)
    return report


class _Side(msgspec.Struct, frozen=True):
    """One of the two servers."""

    layout: Layout
    socket_dir: Path

    def dsn(self, dbname: str = "postgres") -> str:
        """How its superuser connects."""
        return connection_string(self.layout, self.socket_dir, dbname=dbname, role="postgres")


@contextlib.contextmanager
def _serving(
    programs: Path, cluster: Path, layout: Layout, identity: Identity, settings: Mapping[str, str]
) -> Iterator[_Side]:
    """Runs a cluster with the programs of its version for the length of the block."""
    socket_dir = make_socket_dir(layout, identity)
    log_start = layout.log.stat().st_size if layout.log.exists() else 0
    server = process.launch(
        programs,
        cluster,
        socket_dir=socket_dir,
        identity=identity,
        settings={"listen_addresses": "", "port": str(PORT), **settings},
        log=layout.log,
    )
    try:
        process.await_ready(server, cluster, log=layout.log, log_start=log_start)
        yield _Side(layout, socket_dir)
    finally:
        process.stop(server)
        remove_socket_dir(layout, socket_dir)


def _move(old: _Side, new: _Side, *, old_major: int, kept: Path, progress: Progress) -> UpgradeReport:
    progress("copying roles")
    _copy_roles(old, new)
    databases = _databases(old)
    seen: list[Fingerprint] = []
    for name in databases:
        progress(f"copying {name}")
        if name != "postgres":
            _create_database(old, new, name)
        _copy_content(old, new, name)
        progress(f"comparing {name}")
        seen.append(_compare(old, new, name))
    with psycopg.connect(new.dsn(), autocommit=True) as connection:
        connection.execute(HARDENING)
    return UpgradeReport(
        from_major=old_major,
        to_major=server_major(),
        kept=str(kept),
        databases=list(databases),
        tables=sum(len(item.tables) for item in seen),
        rows=sum(rows for item in seen for rows, _ in item.tables.values()),
        resorted=[name for name, by_code_point in databases.items() if not by_code_point],
    )


def _databases(old: _Side) -> dict[str, bool]:
    """The databases to move, and whether their texts sort by code point."""
    with psycopg.connect(old.dsn(), autocommit=True) as connection:
        rows = connection.execute(
            "select datname, to_jsonb(pg_database)"  # the columns differ from version to version
            "  from pg_database where datallowconn and not datistemplate order by datname"
        ).fetchall()
    return {
        name: facts.get("datlocprovider") != "i" and facts["datcollate"] in _CODE_POINT_LOCALES
        for name, facts in rows
    }


def _copy_roles(old: _Side, new: _Side) -> None:
    script = _output("pg_dumpall", old, "--globals-only", "--no-tablespaces")
    # The new cluster has its superuser already; what follows sets its attributes and password.
    lines = [line for line in script.splitlines() if line != "CREATE ROLE postgres;"]
    _run_script(new, "\n".join(lines))
    known = passwords(new.layout)
    with psycopg.connect(new.dsn(), autocommit=True) as connection:
        for role in ("postgres", "caudal"):
            if connection.execute("select from pg_roles where rolname = %s", [role]).rowcount:
                connection.execute(
                    sql.SQL("alter role {} password {}").format(
                        sql.Identifier(role), sql.Literal(known[role])
                    )
                )


def _create_database(old: _Side, new: _Side, name: str) -> None:
    """An empty database with the old one's owner, rights and settings, and our locale."""
    script = _output("pg_dump", old, "--create", "--schema-only", "--exclude-schema=*", f"--dbname={name}")
    lines = script.splitlines()
    [place] = [number for number, line in enumerate(lines) if line.startswith("CREATE DATABASE ")]
    create = sql.SQL("create database {} template template0;").format(sql.Identifier(name))
    lines[place] = create.as_string(None)
    _run_script(new, "\n".join(lines))


def _copy_content(old: _Side, new: _Side, name: str) -> None:
    """Streams one database's schema and rows from the old server to the new one."""
    dump = tools.command("pg_dump", old.dsn(), "--format=custom", "--compress=0", f"--dbname={name}")
    load = tools.command("pg_restore", new.dsn(), "--exit-on-error", f"--dbname={name}")
    with tempfile.TemporaryFile("w+") as dump_said, tempfile.TemporaryFile("w+") as load_said:
        with (
            tools.running(dump, old.dsn(), stdout=subprocess.PIPE, stderr=dump_said) as source,
            tools.running(load, new.dsn(), stdin=source.stdout, stderr=load_said) as target,
        ):
            if source.stdout is not None:
                source.stdout.close()  # so that the dump notices when the load ends
        for program, said in ((target, load_said), (source, dump_said)):
            if program.returncode != 0:
                said.seek(0)
                raise UpgradeError(f"The database {name} could not be copied:\n{said.read().strip()}")
    with psycopg.connect(new.dsn(name), autocommit=True) as connection:
        connection.execute("analyze")


def _compare(old: _Side, new: _Side, name: str) -> Fingerprint:
    before, after = fingerprint(old.dsn(name)), fingerprint(new.dsn(name))
    if before != after:
        raise UpgradeError(f"The copy of the database {name} differs from the original: {before.diff(after)}")
    return after


def _output(program: str, side: _Side, *arguments: str) -> str:
    code, written, complaint = tools.output(program, side.dsn(), *arguments)
    if code != 0:
        raise UpgradeError(f"{program} failed:\n{complaint}")
    return written


def _run_script(side: _Side, script: str) -> None:
    arguments = ("--dbname=postgres", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
    code, _, complaint = tools.output("psql", side.dsn(), *arguments, script=script)
    if code != 0:
        raise UpgradeError(f"The roles and databases could not be made anew:\n{complaint}")
