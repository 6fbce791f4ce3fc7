"""Logs: one event a line, with the context it happened in, and without what must not be in a log.

    log = structlog.get_logger()
    with context(request_id="req_…"):
        log.info("transfer_refused", code="account_frozen")

Events are constant words, what varies is in the fields. Secrets, credentials, bodies and rows of the
database are masked on the way out, here and in the messages of libraries that use `logging`; objects other
than plain values appear as their type's name, so that no struct prints a customer's data by accident.
"""

import enum
import functools
import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import date
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final, TextIO
from uuid import UUID

import msgspec
import psycopg
import structlog
from structlog.typing import Processor

from caudal_base.secret import MASK, Secret
from caudal_base.settings import LogFormat, LogLevel

context = structlog.contextvars.bound_contextvars
"""Adds fields to every event of this task, and of those it starts, while the `with` block lasts."""

_MASKED_FIELD = re.compile(
    r"passw|secret|token|authorization|cookie|api_?key|dsn|database_url|(^|_)body$", re.I
)

# Looked for first, since it is cheap: every text that has the pattern has the mark, in small letters.
_MASKED_TEXT: Final = (
    ("caudal_", re.compile(r"\b(caudal_(?:live|test)_)[A-Za-z0-9_-]+"), rf"\1{MASK}"),
    ("@", re.compile(r"(://[^\s/:@]*:)[^\s@]+@"), rf"\1{MASK}@"),
    ("password", re.compile(r"(\bpassword\s*=\s*)('[^']*'|\S+)", re.I), rf"\1{MASK}"),
    ("bearer ", re.compile(r"(\bbearer +)[A-Za-z0-9._~+/=-]+", re.I), rf"\1{MASK}"),
)

_LEVELS: Final = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}

# At INFO these write a line for every connection or request.
_CHATTY: Final = ("psycopg.pool", "httpx", "httpcore")


def configure(*, level: LogLevel, format: LogFormat, stream: TextIO | None = None) -> None:
    """Write the events of structlog and of `logging` to `stream` (standard error by default)."""
    stream = sys.stderr if stream is None else stream
    threshold = _LEVELS[level]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _render_exception,
        _mask,
    ]
    renderer = _renderer(format, stream)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shared, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


def _renderer(format: LogFormat, stream: TextIO) -> Processor:
    if format is LogFormat.JSON:
        return structlog.processors.JSONRenderer(serializer=_to_json)
    return structlog.dev.ConsoleRenderer(
        timestamp_key="at", colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _to_json(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event).decode()


def _render_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace `exc_info` by the text of the exception and of those that led to it."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = _describe(error)
    return event


def _describe(error: BaseException) -> str:
    """The traceback of `error` and its causes, without locals and without rows, which PostgreSQL quotes."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    text = f"{_describe(earlier)}\n\nwhich led to:\n\n" if earlier is not None else ""
    text += "".join(traceback.format_tb(error.__traceback__))
    text += f"{type(error).__qualname__}: {_message(error)}"
    if isinstance(error, BaseExceptionGroup):
        text += "".join(f"\n\nwith:\n\n{_describe(member)}" for member in error.exceptions)
    return text


def _message(error: BaseException) -> str:
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        diag = error.diag
        named = {"table": diag.table_name, "column": diag.column_name, "constraint": diag.constraint_name}
        return " ".join(
            [f"SQLSTATE {error.sqlstate}", *(f"{kind} {name}" for kind, name in named.items() if name)]
        )
    return str(error)


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        event[name] = _safe(name, value)
    return event


def _safe(name: str, value: Any) -> Any:
    """`value` as it may be written under `name`: plain, and with its secrets masked."""
    if _is_masked(name):
        return MASK
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _masked_text(value)
        case enum.Enum():
            return _safe(name, value.value)
        case UUID() | date() | Decimal() | PurePath():
            return str(value)
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case Secret():
            return MASK
        case Mapping():
            return {str(key): _safe(str(key), child) for key, child in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_safe(name, child) for child in value]
        case BaseException():
            return _masked_text(f"{type(value).__qualname__}: {_message(value)}")
        case _:
            return f"<{type(value).__qualname__}>"


@functools.lru_cache(maxsize=1_024)
def _is_masked(field: str) -> bool:
    return _MASKED_FIELD.search(field) is not None


def _masked_text(text: str) -> str:
    lowered = text.lower()
    for mark, pattern, replacement in _MASKED_TEXT:
        if mark in lowered:
            text = pattern.sub(replacement, text)
    return text
