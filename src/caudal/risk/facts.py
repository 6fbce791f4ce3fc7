"""A payment as features, rules and models see it. Pure."""

import datetime as dt

from caudal.features import Asked, Event
from caudal.risk.decision_types import Value
from caudal.risk.rules import plain_address
from caudal_base.decide import Subject, Verdict

CARD = "card"
PAYMENT = "payment"


def asked_of(subject: Subject) -> Asked:
    """Whose features are wanted: an instrument of the method `card` is a card, any other an account.

    The vault's token of a card goes before the instrument, which may be another one at each partner.
    """
    context = subject.context
    entities = {"customer": subject.customer_id}
    card = None
    if subject.instrument is not None:
        if subject.method in (CARD, None):
            card = subject.instrument
        else:
            entities["account"] = subject.instrument
    tags = {"kind": subject.kind, "currency": subject.currency}
    if subject.method is not None:
        tags["method"] = subject.method
    if context is not None:
        card = context.card_token or card
        named = {
            "device": context.device,
            "ip": None if context.ip is None else plain_address(context.ip),
            "merchant": context.merchant,
        }
        entities.update({name: value for name, value in named.items() if value})
        if context.country is not None:
            tags["country"] = context.country
    if card:
        entities[CARD] = card
    return Asked(entities, tags, {"amount": subject.amount})


def facts_of(subject: Subject, asked: Asked) -> dict[str, Value]:
    """What rules call `payment.…`; what a payment does not have is None."""
    entities, tags = asked.entities, asked.tags
    return {
        "payment.amount": subject.amount,
        "payment.currency": subject.currency,
        "payment.kind": subject.kind,
        "payment.method": subject.method,
        "payment.customer": subject.customer_id,
        "payment.card": entities.get(CARD),
        "payment.device": entities.get("device"),
        "payment.ip": entities.get("ip"),
        "payment.country": tags.get("country"),
        "payment.merchant": entities.get("merchant"),
    }


def event_of(subject: Subject, asked: Asked, verdict: Verdict, at: dt.datetime) -> Event:
    """The payment as later decisions know it."""
    tags = {**asked.tags, "verdict": verdict.value}
    if subject.partner is not None:
        tags["partner"] = subject.partner
    return Event(
        id=subject.payment_id, source=PAYMENT, event_at=at, known_at=at, entities=asked.entities, tags=tags,
        values=asked.values,
    )  # fmt: skip
