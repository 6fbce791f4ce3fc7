"""Settings: one frozen object, from `CAUDAL_*` variables and an optional TOML file.

A variable wins over the file, the file over the default. Names that are not known are refused, so a
misspelt setting cannot silently stay at its default; and with `CAUDAL_ENV=production` so are the defaults
that only suit a developer's machine.

    # caudal.toml, named by CAUDAL_CONFIG
    env = "production"
    database_url = "postgresql://caudal@db.internal/caudal?passfile=..."
    log_format = "json"
"""

import difflib
import enum
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import psycopg
from msgspec import Meta
from psycopg.conninfo import conninfo_to_dict

from caudal_base.errors import CaudalError
from caudal_base.secret import Secret

PREFIX: Final = "CAUDAL_"

CONFIG_VARIABLE: Final = "CAUDAL_CONFIG"
"""Names the TOML file."""

OTHER_VARIABLES: Final = frozenset(
    {
        CONFIG_VARIABLE,
        "CAUDAL_API_KEY",  # the client's key
        "CAUDAL_CORPUS",  # where tests and benchmarks find third-party data
        "CAUDAL_TEST_DATABASE_URL",  # a server for the test suite
        "CAUDAL_URL",  # where the client finds the API
    }
)
"""`CAUDAL_*` variables that are no settings and are left alone."""

WELL_KNOWN_PASSWORDS: Final = frozenset(
    {"admin", "caudal", "changeme", "password", "postgres", "secret", "test"}
)
"""Passwords of examples and tutorials, refused in production."""


class InvalidSettings(CaudalError):
    """The settings do not hold together; `problems` says all that is wrong, one line each."""

    code = "invalid_settings"
    title = "The settings are not valid"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Environment(enum.Enum):
    """What the process is for. PRODUCTION refuses development's defaults."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogFormat(enum.Enum):
    """How log lines look."""

    CONSOLE = "console"
    """For people."""
    JSON = "json"
    """One object a line, for programs."""


class LogLevel(enum.Enum):
    """The least severe messages that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set from outside. `database_url` is `CAUDAL_DATABASE_URL`, and so on."""

    env: Environment = Environment.DEVELOPMENT
    database_url: Secret | None = None
    """A PostgreSQL of your own, 15 or later, by URL or `key=value` string; none starts the embedded one."""
    data_dir: Path = Path(".caudal")
    """Where the embedded PostgreSQL and other state of this machine live."""
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    """The API's port; none is 8000 or the next free one."""
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.CONSOLE
    api_processes: Annotated[int, Meta(ge=1, le=64)] = 1
    pool_size: Annotated[int, Meta(ge=2, le=200)] = 10
    """Database connections of each process, at most."""
    statement_timeout_ms: Annotated[int, Meta(ge=100, le=3_600_000)] = 30_000
    lock_timeout_ms: Annotated[int, Meta(ge=100, le=3_600_000)] = 10_000
    max_body_bytes: Annotated[int, Meta(ge=1_024, le=64 * 1024 * 1024)] = 8 * 1024 * 1024
    """The largest request body; a batch of 8,000 transfers has about 3 MB."""
    queue_limit: Annotated[int, Meta(ge=1, le=1_000_000)] = 4_096
    """Requests that may wait for a book's next batch before the next one is refused with 503."""


def load(environ: Mapping[str, str] | None = None, *, file: Path | None = None) -> Settings:
    """The settings in `environ` (the process's own by default) and in `file` or the one it names.

    Raises `InvalidSettings` with everything that is wrong. Values of secrets are in no message.
    """
    environ = os.environ if environ is None else environ
    if file is None and environ.get(CONFIG_VARIABLE):
        file = Path(environ[CONFIG_VARIABLE])
    problems: list[str] = []
    values = _from_file(file, problems) if file is not None else {}
    values |= _from_environment(environ, problems)
    if not problems:
        settings = Settings(**values)
        problems = _contradictions(settings)
        if not problems:
            return settings
    raise InvalidSettings(problems)


_FIELDS: Final = {field.name: field for field in msgspec.structs.fields(Settings)}


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in _FIELDS or variable != variable.upper():
            known = sorted({*(PREFIX + field.upper() for field in _FIELDS), *OTHER_VARIABLES})
            problems.append(f"{variable} is no setting{_suggestion(variable.upper(), known)}")
        elif not environ[variable]:
            problems.append(f"{variable} is empty: unset it or give it a value")
        else:
            _convert(name, environ[variable], variable, values, problems, from_text=True)
    return values


def _from_file(file: Path, problems: list[str]) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"{file} cannot be read: {error.strerror}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{file} is not TOML: {error}")
        return {}
    values: dict[str, Any] = {}
    for name, value in content.items():
        where = f"{name} in {file}"
        if name in _FIELDS:
            _convert(name, value, where, values, problems, from_text=False)
        else:
            problems.append(f"{where} is no setting{_suggestion(name, sorted(_FIELDS))}")
    return values


def _convert(
    name: str, value: Any, where: str, values: dict[str, Any], problems: list[str], *, from_text: bool
) -> None:
    """Put `value` as the setting `name` into `values`, or why it cannot be into `problems`."""
    wanted = _FIELDS[name].type
    if from_text and wanted not in _TEXTS and _INTEGER.fullmatch(value):
        value = int(value)
    try:
        values[name] = msgspec.convert(value, wanted, dec_hook=_from_text)
    except msgspec.ValidationError as error:
        problems.append(f"{where}: {str(error).replace('`', '')}")


_TEXTS: Final = (str, Path, Secret | None)
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def _from_text(wanted: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("Expected str")
    return wanted(value)


def _suggestion(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _contradictions(settings: Settings) -> list[str]:
    """What is wrong with `settings` as a whole."""
    problems = []
    password = None
    if settings.database_url is not None:
        try:
            password = conninfo_to_dict(settings.database_url.reveal()).get("password")
        except psycopg.ProgrammingError:
            problems.append("database_url is neither a postgresql:// URL nor a key=value string")
    if settings.env is Environment.PRODUCTION:
        if settings.database_url is None:
            problems.append("in production database_url must be set: the embedded PostgreSQL is one machine")
        if password in WELL_KNOWN_PASSWORDS:
            problems.append("in production database_url must not hold a password that everybody knows")
        if settings.log_format is LogFormat.CONSOLE:
            problems.append("in production log_format must be json")
    return problems
