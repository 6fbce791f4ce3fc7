"""Files of rules."""

import datetime as dt
import math
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from caudal.cli.operator import Operator
from caudal.rules import RiskRules
from caudal_base.errors import InvalidRequest, PayloadTooLarge
from caudal_base.strictjson import StrictDecoder

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="Rules as TOML, or as JSON (*.json); - is standard input.")
]
_INTEGERS: Final = range(-(2**63), 2**63)


def read_rules(operator: Operator, file: str) -> RiskRules:
    """The rules in a file. Raises `OSError`, `InvalidRequest` for what is no rules, `PayloadTooLarge`."""
    most = operator.call.settings.max_body_bytes
    if file == "-":
        text = sys.stdin.buffer.read(most + 1)
    else:
        with Path(file).open("rb") as opened:
            text = opened.read(most + 1)
    if len(text) > most:
        raise PayloadTooLarge(f"a file of rules has at most {most:,} bytes")
    is_json = file.endswith(".json") or (file == "-" and text.lstrip().startswith(b"{"))
    decoder: StrictDecoder[RiskRules] = StrictDecoder(RiskRules, max_bytes=2 * most)
    return decoder.decode(text if is_json else _json_of(text))


def _json_of(toml: bytes) -> bytes:
    try:
        found = tomllib.loads(toml.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"this is no TOML: {error}") from None
    return msgspec.json.encode(_plain(found))


def _plain(value: Any) -> Any:
    """The same with times as texts, as JSON has them; what JSON cannot say is refused."""
    match value:
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case dt.datetime() if value.tzinfo is None:
            raise InvalidRequest(f"{value.isoformat()} has no time zone: write it with a Z at its end")
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case float() if not math.isfinite(value):
            raise InvalidRequest(f"{value} is no number that a payment can have")
        case int() if value not in _INTEGERS:
            raise InvalidRequest("an integer has at most 64 bits")
        case _:
            return value
