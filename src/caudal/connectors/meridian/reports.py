"""Meridian's settlement reports: files with a line for each movement, and a last one for the payout."""

import csv
import datetime as dt
import io
from collections.abc import Mapping
from typing import Final

from caudal.connectors.drift import Drift, DriftKind, Reading
from caudal.connectors.meridian.amounts import from_decimal
from caudal.connectors.types import LineKind, Settlement, SettlementLine

ROOT: Final = "/meridian/v3/reports"

MOST_LINES: Final = 200_000

STATUSES: Final[Mapping[str, bool | None]] = {"PAID": True, "ANNOUNCED": False}
"""Whether the payout has reached our bank."""

PAYOUT: Final = "PAYOUT"

KINDS: Final[Mapping[str, LineKind]] = {
    "SETTLED": LineKind.PAYMENT,
    "REFUNDED": LineKind.REFUND,
    "REFUND_FAILED": LineKind.REFUND,
    "CHARGEBACK": LineKind.DISPUTE,
    "CHARGEBACK_REVERSED": LineKind.DISPUTE,
    "FEE": LineKind.FEE,
}

_COLUMNS: Final = frozenset(
    {
        "Batch", "Line", "Type", "PSP reference", "Original reference", "Merchant reference", "Currency",
        "Gross", "Commission", "Net", "Value date",
    }
)  # fmt: skip


def settlement(listed: Mapping[str, object], content: bytes, drift: Drift) -> Settlement | None:
    """A report that was listed, with its file; None, and drift, where it does not hold together."""
    reading = Reading(drift, "report", listed)
    name, currency = reading.text("name"), reading.currency()
    arrived = reading.mapped("status", STATUSES, None)
    rows = _rows(content, drift)
    if reading.broken or arrived is None or rows is None:
        return None
    payouts = [row for row in rows if row["Type"] == PAYOUT]
    lines = [_line(row, currency, drift) for row in rows if row["Type"] != PAYOUT]
    whole = tuple(line for line in lines if line is not None)
    net = sum(line.amount - line.fee for line in whole)
    paid = _amount(payouts[0], "Gross", currency) if len(payouts) == 1 else None
    if len(whole) < len(lines) or paid is None or paid != -net or any(row["Batch"] != name for row in rows):
        reading.contradiction("file", "not_the_sum_of_its_lines")
        return None
    booked = _day(payouts[0]["Value date"]) if arrived else None
    if arrived and booked is None:
        reading.contradiction("file", "paid_without_a_value_date")
        return None
    return Settlement(
        partner_id=name, amount=net, currency=currency, arrived=arrived, arrived_at=booked, lines=whole
    )


def _rows(content: bytes, drift: Drift) -> list[dict[str, str]] | None:
    """The rows by column; other columns than ours may stand among them."""
    try:
        reader = csv.DictReader(io.StringIO(content.decode()), delimiter=";", strict=True)
        if not set(reader.fieldnames or ()) >= _COLUMNS:
            drift.record(DriftKind.MISSING, "report.columns")
            return None
        rows: list[dict[str, str]] = []
        for row in reader:
            if None in row or None in row.values() or len(rows) >= MOST_LINES:
                drift.record(DriftKind.CONTRADICTION, "report.line")
                return None
            rows.append(row)
    except (UnicodeDecodeError, csv.Error):
        drift.record(DriftKind.UNEXPECTED_TYPE, "report.file")
        return None
    return rows


def _line(row: Mapping[str, str], currency: str, drift: Drift) -> SettlementLine | None:
    kind = KINDS.get(row["Type"])
    if kind is None:
        drift.record(DriftKind.UNKNOWN_VALUE, "report.line.Type", row["Type"])
    gross, commission, net = (_amount(row, column, currency) for column in ("Gross", "Commission", "Net"))
    if gross is None or commission is None or net != gross - commission or not row["Line"]:
        drift.record(DriftKind.CONTRADICTION, "report.line", row["Type"])
        return None
    return SettlementLine(
        partner_id=row["Line"],
        kind=kind or LineKind.ADJUSTMENT,
        source_id=row["PSP reference"] or None,
        payment_partner_id=row["Original reference"] or None,
        attempt_id=row["Merchant reference"] or None,
        amount=gross,
        fee=commission,
        currency=currency,
    )


def _amount(row: Mapping[str, str], column: str, currency: str) -> int | None:
    return from_decimal(row[column], currency) if row["Currency"] == currency else None


def _day(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC)
    except ValueError:
        return None
