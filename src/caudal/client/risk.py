"""`caudal.labels`: what becomes known of payments after they were decided on."""

import datetime as dt

from caudal.client.bodies import Body, ListQuery, Write
from caudal.client.ids import new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.sending import Sender
from caudal.client.types import Answer, OpenEnum, Page

_LABELS = "/v1/risk/labels"


class RiskLabelKind(OpenEnum):
    """What became known."""

    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    OTHER_DISPUTE_OPENED = "other_dispute_opened"
    OTHER_DISPUTE_WON = "other_dispute_won"
    OTHER_DISPUTE_LOST = "other_dispute_lost"
    FRAUD = "fraud"
    LEGITIMATE = "legitimate"
    REPAID = "repaid"
    DEFAULTED = "defaulted"


class RiskLabel(Answer, frozen=True, kw_only=True):
    """What became known of a payment or an application. The newest of a subject counts."""

    subject: str
    kind: RiskLabelKind
    bad: bool
    event_at: dt.datetime
    known_at: dt.datetime
    source: str
    note: str | None = None


class NewRiskLabel(Body, frozen=True, kw_only=True):
    """POST /v1/risk/labels"""

    subject: str
    kind: RiskLabelKind
    note: str | None = None


class RiskLabelsQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/risk/labels"""

    subject: str | None = None
    kind: RiskLabelKind | None = None


class RiskLabels:
    """What becomes known of payments and applications, days or months after they were decided on."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def add(
        self,
        subject: str,
        kind: RiskLabelKind,
        *,
        note: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> RiskLabel:
        """Say what has become known.

        Raises `Unprocessable` (`label_invalid`) for what was never decided on, and for what looks like
        personal data.
        """
        return await self._sender.write(
            RiskLabel,
            _LABELS,
            NewRiskLabel(subject=subject, kind=kind, note=note),
            key=idempotency_key or new_idempotency_key(),
            query=Write(dry_run=dry_run),
        )

    def list(
        self, *, subject: str | None = None, kind: RiskLabelKind | None = None, page_size: int | None = None
    ) -> Rows[RiskLabel]:
        """Those that became known last, at most 1,000."""
        query = RiskLabelsQuery(subject=subject, kind=kind, limit=page_size)
        return Rows(self._sender, Page[RiskLabel], _LABELS, query)
