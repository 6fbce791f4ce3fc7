"""Every reason for which a command on a payment is refused. What the ledger refuses has its own table."""

from typing import Final, NamedTuple

import msgspec


class Reason(NamedTuple):
    """One row of the table of refusals."""

    code: str
    status: int
    """The HTTP status of an answer to a request of its own."""
    meaning: str


REASONS: Final = (
    # Creation.
    Reason("id_of_another_time", 422, "an id of your own is a UUIDv7 whose time is within a day of now"),
    Reason("amount_must_be_positive", 422, "amounts are at least 1 minor unit"),
    Reason("amount_too_large", 422, "amounts are at most 2^53 - 1 minor units"),
    Reason("amount_below_minimum", 422, "the partner does not take so small an amount"),
    Reason("execute_at_in_the_past", 422, "the time to execute is over"),
    Reason("customer_not_found", 422, "no customer has this id"),
    Reason("customer_not_active", 409, "the customer is blocked or closed"),
    Reason("currency_not_offered", 422, "the customer has no account in this currency"),
    Reason("destination_missing", 422, "an internal payment names the customer who receives"),
    Reason("destination_not_allowed", 422, "only an internal payment has a destination"),
    Reason("same_customer", 422, "customer and destination are the same"),
    Reason("instrument_missing", 422, "nothing says what is charged or paid to"),
    Reason("instrument_not_allowed", 422, "an internal payment has no method, instrument or capture mode"),
    Reason("unknown_partner", 422, "no partner of this name serves the book"),
    Reason("partner_unsupported", 422, "no partner of the book does this kind, method, currency and capture"),
    Reason("no_route", 422, "no rule of the book's routing serves this kind, method, currency and capture"),
    Reason("partners_drained", 409, "every partner that could do it is being drained by an operator"),
    Reason("exists_with_different_content", 409, "the id exists with another content"),
    # An existing payment.
    Reason("payment_not_found", 404, "no payment has this id"),
    Reason("payment_in_flight", 409, "an operation is with the partner, and its outcome is not known yet"),
    Reason("payment_not_capturable", 409, "only an authorised payment can be captured"),
    Reason("payment_not_incrementable", 409, "only an authorised payment can be incremented"),
    Reason("payment_not_cancellable", 409, "it has ended, or the partner cannot call it off"),
    Reason("payment_not_confirmable", 409, "it does not wait for the customer"),
    Reason("payment_not_in_review", 409, "nobody is asked to decide on it"),
    Reason("payment_not_refundable", 409, "only a payment that has succeeded can be refunded"),
    Reason("payment_disputed", 409, "a dispute is open: the money is claimed back already"),
    Reason("exceeds_authorised_amount", 422, "more than is authorised and not captured yet"),
    Reason("exceeds_captured_amount", 422, "more than was captured and is not refunded yet"),
    Reason("multiple_captures_unsupported", 422, "the partner takes one capture only: it must be final"),
    Reason("increment_not_above", 422, "an increment raises the authorised amount"),
    Reason("increment_unsupported", 422, "the partner cannot increment"),
    Reason("refund_unsupported", 422, "the partner cannot refund this kind of payment"),
    Reason("review_other_currency", 409, "the partner reports another currency: it can only be declined"),
    Reason(
        "review_cannot_decline",
        409,
        "the money has moved and the partner cannot give it back: approve, and settle the difference with it",
    ),
    Reason("contradicts_state", 409, "the partner says what cannot be, as far as we know"),
)
"""The table in the docs is generated from this one."""

BY_CODE: Final = {reason.code: reason for reason in REASONS}


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a command was refused: a code of `REASONS` or of the ledger's, the field, and words for people."""

    code: str
    detail: str
    field: str | None = None


def refusal(code: str, field: str | None = None, detail: str | None = None) -> Refusal:
    """A refusal of the table."""
    return Refusal(code, detail or BY_CODE[code].meaning, field)
