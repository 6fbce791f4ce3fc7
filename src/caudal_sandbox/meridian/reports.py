"""Settlement reports as files: semicolons, decimal points, commission netted line by line."""

import datetime as dt
from collections.abc import Iterable
from typing import Final

from caudal_sandbox.meridian.types import Entry, Report, decimal

COLUMNS: Final = (
    "Batch;Line;Type;PSP reference;Original reference;Merchant reference;Currency;Gross;Commission;Net;"
    "Value date"
)


def name_of(currency: str, number: int, at: float) -> str:
    """The name of the report that was made then."""
    return f"settlement_{dt.datetime.fromtimestamp(at, dt.UTC):%Y%m%d}_{currency}_{number:05d}"


def text(report: Report, entries: Iterable[Entry]) -> str:
    """The file: a line for each movement, and last the payout, which takes their net off the balance."""
    day = f"{dt.datetime.fromtimestamp(report.value_at, dt.UTC):%Y-%m-%d}" if report.is_paid else ""
    lines = [COLUMNS]
    for entry in entries:
        amounts = (entry.gross, entry.commission, entry.gross - entry.commission)
        shown = ";".join(decimal(amount, report.currency) for amount in amounts)
        lines.append(
            f"{report.id};{entry.id};{entry.type};{entry.source};{entry.payment};{entry.reference};"
            f"{report.currency};{shown};{day}"
        )
    net = decimal(-report.net, report.currency)
    none = decimal(0, report.currency)
    lines.append(f"{report.id};{report.id};PAYOUT;{report.id};;;{report.currency};{net};{none};{net};{day}")
    return "\r\n".join(lines) + "\r\n"
