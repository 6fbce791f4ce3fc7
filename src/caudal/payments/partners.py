"""Which partner carries out what, as far as settings and capability matrices say."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from caudal.connectors import Capabilities, CaptureMode, Direction, Method, Partner, Registry, Supported
from caudal.payments.refusals import Refusal, refusal
from caudal.payments.types import Payment, PaymentKind
from caudal.routing import capability

DIRECTIONS: Final = {PaymentKind.PAY_IN: Direction.PAY_IN, PaymentKind.PAYOUT: Direction.PAYOUT}


class Partners:
    """The partners of one book."""

    def __init__(self, registry: Registry, book: str) -> None:
        """`book` is the book's name, as settings have it."""
        self._all: Sequence[Partner] = registry.of_book(book)
        self._by_name: Mapping[str, Partner] = {partner.name: partner for partner in self._all}
        self._chosen: dict[tuple[object, ...], tuple[str, Supported]] = {}
        self._rows: dict[tuple[object, ...], Supported | None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the settings."""
        return tuple(self._by_name)

    def choose(
        self, named: str | None, direction: Direction, method: Method, currency: str, capture: CaptureMode,
        *, without: frozenset[str] = frozenset(),
    ) -> tuple[str, Supported] | Refusal:  # fmt: skip
        """The named partner, or the first that can do it and is none of `without`, with what it can do."""
        key = (named, direction, method, currency, capture, without)
        known = self._chosen.get(key)
        if known is not None:
            return known
        if named is not None and named not in self._by_name:
            return refusal("unknown_partner", "partner")
        for partner in self._all:
            if (named is None and partner.name not in without) or partner.name == named:
                row = capability(partner.capabilities, direction, method, currency)
                if row is not None and capture in row.capture_modes:
                    # What partners can do does not change, and currencies are few.
                    return self._chosen.setdefault(key, (partner.name, row))
        if without and not isinstance(self.choose(named, direction, method, currency, capture), Refusal):
            return refusal("partners_drained")
        return refusal("partner_unsupported", "partner" if named is not None else "method")

    def supported(self, payment: Payment) -> Supported | None:
        """What a payment's partner can do with it; None where it is not configured any more."""
        key = (payment.partner, payment.kind, payment.method, payment.currency)
        if key not in self._rows:
            partner = self._by_name.get(payment.partner or "")
            self._rows[key] = (
                None
                if partner is None or payment.method is None
                else capability(
                    partner.capabilities, DIRECTIONS[payment.kind], payment.method, payment.currency
                )
            )
        return self._rows[key]

    def row(self, name: str, direction: Direction, method: Method, currency: str) -> Supported | None:
        """What a partner can do with a kind of payment; None: nothing, or it is not configured any more."""
        capabilities = self.capabilities(name)
        return None if capabilities is None else capability(capabilities, direction, method, currency)

    def capabilities(self, name: str) -> Capabilities | None:
        """What a partner can do; None where it is not configured any more."""
        partner = self._by_name.get(name)
        return None if partner is None else partner.capabilities

    @property
    def lifetimes(self) -> dict[str, dt.timedelta]:
        """How long each partner's authorisations last."""
        return {p.name: p.capabilities.authorisation_lifetime for p in self._all}
