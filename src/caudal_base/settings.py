"""Settings: one frozen object, from `CAUDAL_*` variables and an optional TOML file.

A variable wins over the file, the file over the default. Names that are not known are refused, so a
misspelt setting cannot silently stay at its default; and with `CAUDAL_ENV=production` so are the defaults
that only suit a developer's machine.

    # caudal.toml, named by CAUDAL_CONFIG
    env = "production"
    database_url = "postgresql://caudal@db.internal/caudal?passfile=..."
    log_format = "json"

    [partners.stripe]
    connector = "stripe"
    book = "main"
    api_key = "sk_..."
    webhook_secrets = ["whsec_..."]

The partners as a variable are one JSON object: `CAUDAL_PARTNERS='{"stripe": {"connector": "stripe", ...}}'`.
"""

import difflib
import enum
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec
import psycopg
from msgspec import Meta
from psycopg.conninfo import conninfo_to_dict

from caudal_base.errors import CaudalError
from caudal_base.secret import Secret
from caudal_base.strictjson import StrictDecoder

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


SHORTEST_SECRET: Final = 16
"""Of a partner's key or webhook secret in production, in characters: shorter ones are examples."""


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


class PartnerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account with a partner, and the book whose payments go through it.

    The times in seconds override what the connector knows of the partner, which is for tests and simulations.
    """

    connector: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*(:[A-Za-z_][A-Za-z0-9_]*)?$")]
    """`stripe`, `bank`, `meridian`, or one of your own as `package.module:name`."""
    book: Annotated[str, Meta(min_length=1)]
    """The name of the book that it serves."""
    url: str | None = None
    """Where the partner's API is; none is where the connector knows it to be."""
    api_key: Secret
    webhook_secrets: list[Secret] = []
    """Whichever of them signed a webhook is good: two while one replaces the other.

    In production not empty, but for a connector of your own: its partner may sign with published keys.
    """
    timeout_ms: Annotated[int, Meta(ge=1, le=120_000)] = 10_000
    """How long to wait for the answer to a call. After it, the outcome is unknown."""
    calls_per_second: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    """At most so many with this key, as agreed with the partner; none is the connector's own bound."""
    at_once: Annotated[int, Meta(ge=1, le=1_000)] = 32
    """Calls that may be under way together, in each process."""
    key_lifetime_s: Annotated[float, Meta(ge=0)] | None = None
    """How long the partner remembers idempotency keys."""
    search_horizon_s: Annotated[float, Meta(ge=0)] | None = None
    """After how long a search sees whatever the partner has accepted."""
    poll_after_s: Annotated[float, Meta(gt=0)] | None = None
    """When to ask about what the partner has said nothing of since."""
    authorisation_lifetime_s: Annotated[float, Meta(gt=0)] | None = None
    """How long an authorisation holds."""


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
    trace_exporter: str | None = None
    """Where traces go: the address of an OTLP collector over HTTP, or `console`; none is nowhere."""
    api_processes: Annotated[int, Meta(ge=1, le=64)] = 1
    worker_processes: Annotated[int, Meta(ge=1, le=64)] = 1
    """Workers that there are in all: each keeps to its part of what partners allow in a second."""
    worker_metrics_port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    """Where a worker serves its measurements, on `host`; none is nowhere."""
    pool_size: Annotated[int, Meta(ge=2, le=200)] = 10
    """Database connections of each process, at most."""
    statement_timeout_ms: Annotated[int, Meta(ge=100, le=3_600_000)] = 30_000
    lock_timeout_ms: Annotated[int, Meta(ge=100, le=3_600_000)] = 10_000
    max_body_bytes: Annotated[int, Meta(ge=1_024, le=64 * 1024 * 1024)] = 8 * 1024 * 1024
    """The largest request body; a batch of 8,000 transfers has about 3 MB."""
    requests_per_second: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000
    """What an API key may ask that has no limit of its own; 0 is as much as comes."""
    request_burst_s: Annotated[int, Meta(ge=1, le=60)] = 2
    """After a pause a key may make so many seconds' worth of requests at once."""
    drain_notice_s: Annotated[int, Meta(ge=0, le=300)] | None = None
    """How long after SIGTERM the API still serves while `/health/ready` says that it does not, so that
    nobody sends it more. None is none in development and 5 in production."""
    long_reads: Annotated[int, Meta(ge=1, le=199)] | None = None
    """Statements, exports, reports at once in each process; none is a quarter of `pool_size`."""
    queue_limit: Annotated[int, Meta(ge=1, le=1_000_000)] = 4_096
    """Requests that may wait for a book's next batch before the next one is refused with 503."""
    parked_webhook_days: Annotated[int, Meta(ge=1, le=3_650)] = 90
    """How long a partner's webhook that waits for a person keeps its body: without, it cannot be applied."""
    sealing_key: Secret | None = None
    """What seals the secrets of webhook endpoints: 32 bytes in base64. Several by commas while one replaces
    the other: the first seals, all open. None is one in the data directory, which is not for production."""
    webhook_log_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    """How long deliveries to webhook endpoints, with what was answered, are kept."""
    webhook_disable_days: Annotated[int, Meta(ge=1, le=365)] = 5
    """After how long in which every attempt failed a webhook endpoint is disabled."""
    partners: dict[str, PartnerSettings] = {}
    """Who moves money for us, by the names that payments, accounts and webhook addresses use."""


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
    if name == "partners":
        values[name] = _partners(value, where, problems, from_text=from_text)
        return
    wanted = _FIELDS[name].type
    if from_text and wanted not in _TEXTS and _INTEGER.fullmatch(value):
        value = int(value)
    try:
        values[name] = msgspec.convert(value, wanted, dec_hook=_from_text)
    except msgspec.ValidationError as error:
        problems.append(f"{where}: {str(error).replace('`', '')}")


def _partners(value: Any, where: str, problems: list[str], *, from_text: bool) -> dict[str, PartnerSettings]:
    """The partners in a table of the file or in a variable's JSON. No message holds anything of a value."""
    if from_text:
        try:
            value = _JSON_OBJECT.decode(value.encode("utf-8", "surrogateescape"))
        except CaudalError as error:
            at = f" ({error.field})" if error.field else ""
            problems.append(f"{where}: {error.title}{at}")
            return {}
    if not isinstance(value, dict):
        problems.append(f"{where}: Expected tables, one for each partner")
        return {}
    partners = {}
    for name, fields in value.items():
        if not _PARTNER_NAME.fullmatch(name):
            problems.append(f"{where}: a partner's name is lower case, digits and _, at most 32 characters")
            continue
        try:
            partners[name] = msgspec.convert(fields, PartnerSettings, dec_hook=_from_text)
        except msgspec.ValidationError as error:
            problems.append(f"{name} of {where}: {str(error).replace('`', '').replace('$.', '')}")
    return partners


_JSON_OBJECT: Final = StrictDecoder(dict[str, Any], max_bytes=1024 * 1024)
# It is part of ledger accounts' references and of webhook addresses.
_PARTNER_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
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
    problems += _sealing_problems(settings)
    if settings.long_reads is not None and settings.long_reads > settings.pool_size * 4 // 5 - 1:
        problems.append("long_reads must leave a fifth of pool_size, and one connection more")
    if settings.trace_exporter not in (None, "console") and _address(settings.trace_exporter or "") is None:
        problems.append("trace_exporter must be console, or http:// or https:// and a host")
    if settings.env is Environment.PRODUCTION:
        if settings.database_url is None:
            problems.append("in production database_url must be set: the embedded PostgreSQL is one machine")
        if password in WELL_KNOWN_PASSWORDS:
            problems.append("in production database_url must not hold a password that everybody knows")
        if settings.log_format is LogFormat.CONSOLE:
            problems.append("in production log_format must be json")
    for name, partner in settings.partners.items():
        problems += _partner_problems(name, partner, production=settings.env is Environment.PRODUCTION)
    return problems


def _sealing_problems(settings: Settings) -> list[str]:
    """What is wrong with the key that seals secrets."""
    if settings.sealing_key is None:
        production = settings.env is Environment.PRODUCTION
        return ["in production sealing_key must be set: `openssl rand -base64 32`"] if production else []
    # Here, since most commands seal nothing and need not wait for the library.
    from caudal_base.sealing import InvalidSealingKey, keys_of

    try:
        keys_of(settings.sealing_key.reveal())
    except InvalidSealingKey:
        return ["sealing_key must be 32 bytes in base64, or several of them by commas"]
    return []


def _partner_problems(name: str, partner: PartnerSettings, *, production: bool) -> list[str]:
    """What is wrong with one partner's settings as a whole."""
    problems = []
    url = _address(partner.url) if partner.url is not None else None
    if partner.url is not None and url is None:
        problems.append(
            f"url of partner {name} must be http:// or https:// and a host, without user or query"
        )
    secrets = [("api_key", partner.api_key), *(("webhook_secrets", it) for it in partner.webhook_secrets)]
    for field, secret in secrets:
        text = secret.reveal()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            problems.append(f"{field} of partner {name} must be printable ASCII without spaces")
        elif production and (len(text) < SHORTEST_SECRET or "sandbox" in text.lower()):
            problems.append(f"in production {field} of partner {name} must not be one of an example")
    if production and not partner.webhook_secrets and _is_ours(partner.connector):
        problems.append(
            f"in production webhook_secrets of partner {name} must not be empty, or all of its webhooks are "
            "refused: set the secret that the partner shows with the address of the webhooks"
        )
    if production and url is not None and url.scheme == "http" and not _is_loopback(url.hostname or ""):
        problems.append(f"in production url of partner {name} must be https://")
    return problems


def _address(url: str) -> SplitResult | None:
    """The parts of an address to call, or None where it is none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises for a port that is none
    except ValueError:
        return None
    plain = not (parts.query or parts.fragment or parts.username is not None)
    return parts if parts.scheme in ("http", "https") and parts.hostname and plain else None


def _is_ours(connector: str) -> bool:
    """Whether it comes with Caudal: all of those verify by secrets. Others are named by their module."""
    return "." not in connector and ":" not in connector


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
