"""The kinds of payments that callers make, and how often. Pure: all chance comes from the author."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Final

from caudal.simulation.plans import (
    ACTION,
    AUTHORISED,
    CANARY_CARD,
    LIMITED,
    LIMITED_ABOVE,
    REVIEW,
    SUCCEEDED,
    WATCHED,
    WATCHED_DEVICE,
    Action,
    Author,
    Customer,
    Deed,
    Script,
    Step,
)

GOOD_CARDS: Final = (
    "pm_card_visa", "pm_card_mastercard", "pm_card_amex", *["tok_card_ok"] * 3, "mtk_ok", "mtk_slow",
)  # fmt: skip
"""Stripe's own, those that go where rules say, and Meridian's own."""

DECLINED_CARDS: Final = (
    "pm_card_visa_chargeDeclined", "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_visa_chargeDeclinedLostCard", "pm_card_visa_chargeDeclinedExpiredCard",
    *["tok_card_declined"] * 2, *["tok_card_stolen"] * 3, "mtk_refused", "mtk_stolen", "mtk_slow_refused",
    "mtk_issuer_down", "mtk_sca",
)  # fmt: skip
HALF_DECLINED_CARDS: Final = ("tok_card_not_stripe", "tok_card_not_meridian")
THREE_D_SECURE_CARDS: Final = ("pm_card_threeDSecure2Required", "tok_card_3ds", "mtk_3ds", "mtk_3ds_refused")

LATE_REFUND_CARDS: Final = (
    "pm_card_pendingRefund", "pm_card_refundFail", "mtk_refund_fails", "mtk_refund_comes_back",
)  # fmt: skip
DISPUTED_CARDS: Final = (
    "pm_card_createDispute", "pm_card_createDisputeInquiry", "tok_card_disputed", "mtk_disputed",
)  # fmt: skip
ODD_CARDS: Final = (
    "mtk_error", "mtk_error_authorised", "mtk_unheard_of", "mtk_capture_fails", "mtk_cancel_fails",
)  # fmt: skip
"""With which Meridian does not say at once what it does, or does not do what it said."""

STRIPE_DEBITS: Final = {
    "EUR": ("pm_success_de", "pm_success_fr", "pm_successDelayed_de", "pm_failed_de", "pm_disputed_de"),
    "USD": ("pm_usBankAccount_success", "pm_usBankAccount_success", "pm_usBankAccount_insufficientFunds"),
}

DEBITS: Final = (
    *["tok_bank_ok"] * 6, "tok_bank_instant", "tok_bank_slow", "tok_bank_returned", "tok_bank_returned",
    "tok_bank_insufficient", "tok_bank_no_mandate", "tok_bank_closed", "tok_bank_refund_fails",
)  # fmt: skip
TRANSFERS: Final = (
    *["tok_bank_ok"] * 6, "tok_bank_instant", "tok_bank_instant", "tok_bank_slow", "tok_bank_returned",
    "tok_bank_closed", "tok_bank_wrong_number", "tok_bank_blocked", "tok_bank_refused",
)  # fmt: skip

Body = dict[str, Any]


def _card(author: Author, cards: Sequence[str] = GOOD_CARDS, **more: Any) -> Body:
    """A payment by one of `cards`; those of Meridian are charged in euros, and most that it takes too."""
    card = author.draw.choice(cards)
    in_euros = card.startswith("mtk_") or (card.startswith("tok_card_") and author.draw.random() < 0.7)
    euros = {"currency": "EUR"} if in_euros else {}
    return {"kind": "pay_in", "method": "card", "instrument": card, **euros, **more}


def _manual(author: Author, amount: int) -> Body:
    return _card(author, capture="manual", amount=amount)


def _parts(author: Author, total: int, count: int) -> list[int]:
    """`total` in so many positive parts."""
    cuts = sorted(author.draw.sample(range(1, total), count - 1))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]


def plain(author: Author, number: int) -> Script:
    """A card, charged at once."""
    return author.payment(number, "plain", _card(author))


def refunded(author: Author, number: int) -> Script:
    """Paid back in one to three parts, wholly or not; at times more is asked than there is left."""
    amount = author.amount()
    parts = _parts(author, amount, author.draw.randint(1, 3))
    if author.draw.random() < 0.4:
        parts = parts[:-1] or [max(1, amount // 2)]
    together = author.draw.random() < 0.5
    asks = [author.ask(Action.REFUND, {"amount": part}) for part in parts]
    if author.draw.random() < 0.25:
        asks.append(author.ask(Action.REFUND, {"amount": amount + 1}, refused=True))
    grouped = [tuple(asks)] if together else [(ask,) for ask in asks]
    steps = [Step(after=SUCCEEDED, asks=group) for group in grouped]
    cards = LATE_REFUND_CARDS if author.draw.random() < 0.2 else GOOD_CARDS
    body = _card(author, cards, amount=amount)
    return author.payment(number, "refunded", body, *steps)


def disputed(author: Author, number: int) -> Script:
    """The payer's bank takes it back; it is won, lost or left open, and perhaps refunded meanwhile."""
    if author.draw.random() < 0.2:  # by itself, some time after the charge
        return author.payment(number, "disputed", _card(author, DISPUTED_CARDS))
    steps = [Step(after=SUCCEEDED, deeds=(Deed.DISPUTE,))]
    chance = author.draw.random()
    if chance < 0.3:
        both = Step(after=SUCCEEDED, asks=(author.ask(Action.REFUND),), deeds=(Deed.DISPUTE,))
        steps = [both]
    end = author.draw.choice([Deed.WIN_DISPUTE, Deed.LOSE_DISPUTE, None])
    if end is not None:
        steps.append(Step(after=SUCCEEDED, deeds=(end,)))
    return author.payment(number, "disputed", _card(author), *steps)


def declined(author: Author, number: int) -> Script:
    """The card does not pay."""
    return author.payment(number, "declined", _card(author, DECLINED_CARDS))


def half_declined(author: Author, number: int) -> Script:
    """The card pays at one of its partners only: charged at once, or captured later, or paid back."""
    manual = author.draw.random() < 0.5
    body = _card(author, HALF_DECLINED_CARDS, capture="manual" if manual else "automatic")
    after, action = (AUTHORISED, Action.CAPTURE) if manual else (SUCCEEDED, Action.REFUND)
    steps = [Step(after=after, asks=(author.ask(action),))] if author.draw.random() < 0.6 else []
    return author.payment(number, "half_declined", body, *steps)


def odd(author: Author, number: int) -> Script:
    """The acquirer does not know what it did, or does not do what it said: captured or called off."""
    body = _card(author, ODD_CARDS, capture="manual")
    action = author.draw.choice([Action.CAPTURE, Action.CANCEL])
    return author.payment(number, "odd", body, Step(after=AUTHORISED, asks=(author.ask(action),)))


def captured(author: Author, number: int) -> Script:
    """Authorised, then captured wholly or in part, once."""
    amount = author.amount()
    part = author.draw.choice([None, amount, max(1, amount // 3)])
    asks = [author.ask(Action.CAPTURE, {} if part is None else {"amount": part})]
    first = author.ask(Action.CAPTURE, {"amount": amount + 1}, refused=True)
    steps = [Step(after=AUTHORISED, asks=tuple(asks))]
    if author.draw.random() < 0.2:
        steps.insert(0, Step(after=AUTHORISED, asks=(first,)))
    return author.payment(number, "captured", _manual(author, amount), *steps)


def captured_often(author: Author, number: int) -> Script:
    """Captured in two or three parts; the last one says so, or nobody says so and a cancel ends it."""
    amount = author.amount()
    parts = _parts(author, amount, author.draw.randint(2, 3))
    ends = author.draw.random() < 0.7
    steps = [
        Step(
            after=AUTHORISED,
            asks=(author.ask(Action.CAPTURE, {"amount": part, "final": ends and index == len(parts) - 1}),),
        )
        for index, part in enumerate(parts if ends else parts[:-1])
    ]
    if not ends:
        steps.append(Step(after=AUTHORISED, asks=(author.ask(Action.CANCEL),)))
    return author.payment(number, "captured_often", _manual(author, amount), *steps)


def incremented(author: Author, number: int) -> Script:
    """Raised once or twice, then captured to the last."""
    amount = author.amount()
    totals = [amount + author.draw.randrange(1, 3_000)]
    if author.draw.random() < 0.3:
        totals.append(totals[0] + author.draw.randrange(1, 3_000))
    steps = [
        Step(after=AUTHORISED, asks=(author.ask(Action.INCREMENT, {"amount": total}),)) for total in totals
    ]
    steps.append(Step(after=AUTHORISED, asks=(author.ask(Action.CAPTURE),)))
    return author.payment(number, "incremented", _manual(author, amount), *steps)


def cancelled(author: Author, number: int) -> Script:
    """Called off: before it is sent, while it is on its way, or once it is authorised."""
    when = author.draw.choice([AUTHORISED, frozenset({"processing", "authorised"})])
    step = Step(after=when, asks=(author.ask(Action.CANCEL),))
    return author.payment(number, "cancelled", _manual(author, author.amount()), step)


def left(author: Author, number: int) -> Script:
    """Authorised, and nobody comes back for it."""
    return author.payment(number, "left", _manual(author, author.amount()))


def authenticated(author: Author, number: int) -> Script:
    """The customer is sent to the bank's page: passes, fails, never comes, or thinks better of it."""
    body = _card(
        author,
        THREE_D_SECURE_CARDS,
        return_url="https://shop.example/back",
        capture=author.draw.choice(["automatic", "manual"]),
    )
    confirm = author.ask(Action.CONFIRM)
    chance = author.draw.random()
    if chance < 0.55:
        steps = [Step(after=ACTION, deeds=(Deed.AUTHENTICATE,)), Step(after=ACTION, asks=(confirm,))]
        if body["capture"] == "manual":
            steps.append(Step(after=AUTHORISED, asks=(author.ask(Action.CAPTURE),)))
    elif chance < 0.75:
        steps = [Step(after=ACTION, deeds=(Deed.FAIL_AUTHENTICATION,)), Step(after=ACTION, asks=(confirm,))]
    elif chance < 0.9:
        steps = [Step(after=ACTION, asks=(author.ask(Action.CANCEL),))]
    else:
        steps = [Step(after=ACTION, asks=(author.ask(Action.CANCEL),), deeds=(Deed.AUTHENTICATE,))]
    return author.payment(number, "authenticated", body, *steps)


def debited(author: Author, number: int) -> Script:
    """From a bank account: some fail, some come back, some are refunded."""
    token = author.draw.choice(DEBITS)
    body = {"kind": "pay_in", "method": "bank_debit", "partner": "bank", "instrument": token}
    steps = []
    if token == "tok_bank_refund_fails" or author.draw.random() < 0.15:  # noqa: S105  # names a behaviour
        steps.append(Step(after=SUCCEEDED, asks=(author.ask(Action.REFUND, {"amount": 100}),)))
    elif author.draw.random() < 0.1:
        steps.append(Step(after=SUCCEEDED, deeds=(Deed.RETURN,)))
    return author.payment(number, "debited", body, *steps)


def debited_by_stripe(author: Author, number: int) -> Script:
    """From a bank account, through the partner for cards: known days later."""
    currency = author.draw.choice(list(STRIPE_DEBITS))
    body = {
        "kind": "pay_in",
        "method": "bank_debit",
        "partner": "stripe",
        "currency": currency,
        "instrument": author.draw.choice(STRIPE_DEBITS[currency]),
    }
    return author.payment(number, "debited_by_stripe", body)


def mismatched(author: Author, number: int) -> Script:
    """The partner does something else than it was asked: a person decides what to do about it."""
    body: Body = {
        "kind": "pay_in",
        "method": "bank_debit",
        "partner": "bank",
        "instrument": author.draw.choice(["tok_bank_other_amount", "tok_bank_other_currency"]),
    }
    if author.draw.random() < 0.4:
        body = _card(author, ["mtk_other_amount", "mtk_other_currency"])
    steps = []
    if author.draw.random() < 0.7:
        action = author.draw.choice([Action.APPROVE, Action.DECLINE])
        steps.append(Step(after=REVIEW, asks=(author.ask(action),)))
    return author.payment(number, "mismatched", body, *steps)


def paid_out(author: Author, number: int) -> Script:
    """To a bank account: some are refused, some come back days later."""
    body = {
        "kind": "payout",
        "method": "bank_transfer",
        "instrument": author.draw.choice(TRANSFERS),
        "amount": author.amount(100, 4_000),
    }
    steps = []
    chance = author.draw.random()
    if chance < 0.1:
        steps.append(Step(after=frozenset({"processing"}), asks=(author.ask(Action.CANCEL),)))
    elif chance < 0.2:
        steps.append(Step(after=SUCCEEDED, deeds=(Deed.RETURN,)))
    return author.payment(number, "paid_out", body, *steps)


def internal(author: Author, number: int) -> Script:
    """From customer to customer."""
    to = author.draw.choice(author.people).id
    body = {"kind": "internal", "destination": to, "amount": author.amount(100, 4_000)}
    return author.payment(number, "internal", body)


def reviewed(author: Author, number: int) -> Script:
    """A person is asked: approves, declines, is not asked in time, or the caller calls it off."""
    action = author.draw.choice([Action.APPROVE, Action.APPROVE, Action.DECLINE, Action.CANCEL, None])
    asks = () if action is None else (author.ask(action),)
    if action is not None and author.draw.random() < 0.2:
        asks = (*asks, author.ask(Action.DECLINE))
    body = author.draw.choice([_card(author), {"kind": "payout", "instrument": "tok_bank_ok"}])
    steps = [Step(after=REVIEW, asks=asks)] if asks else []
    product = author.draw.choice([WATCHED, LIMITED])
    content = {**body, "context": {"device": WATCHED_DEVICE}}
    return author.payment(number, "reviewed", content, *steps, product=product)


def limited(author: Author, number: int) -> Script:
    """More than the product allows: declined by our own decision."""
    body = _card(author, amount=LIMITED_ABOVE + author.amount())
    return author.payment(number, "limited", body, product=LIMITED)


def scheduled(author: Author, number: int) -> Script:
    """Carried out a moment later, or called off before."""
    steps = []
    if author.draw.random() < 0.3:
        steps.append(Step(after=frozenset({"scheduled"}), asks=(author.ask(Action.CANCEL),)))
    # A moment of the run; the seconds are put in place of the mark when it is sent.
    body = _card(author) | {"execute_at": f"+{author.draw.uniform(0.5, 3.0):.3f}"}
    return author.payment(number, "scheduled", body, *steps)


def raced(author: Author, number: int) -> Script:
    """Two that exclude one another, at the same time: one wins, the other gets a typed conflict."""
    amount = author.amount()
    most = amount * 2 // 3 + 1
    pairs: list[tuple[frozenset[str], list[tuple[Action, Body]]]] = [
        (AUTHORISED, [(Action.CAPTURE, {}), (Action.CAPTURE, {})]),
        (AUTHORISED, [(Action.CAPTURE, {}), (Action.CANCEL, {})]),
        (AUTHORISED, [(Action.INCREMENT, {"amount": amount + 50}), (Action.CAPTURE, {})]),
        (SUCCEEDED, [(Action.REFUND, {"amount": most}), (Action.REFUND, {"amount": most})]),
    ]
    after, rivals = author.draw.choice(pairs)
    asks = tuple(author.ask(action, body) for action, body in rivals)
    made = _manual(author, amount) if after is AUTHORISED else _card(author, amount=amount)
    return author.payment(number, "raced", made, Step(after=after, asks=asks))


def refused(author: Author, number: int) -> Script:
    """What cannot be: a card number where none may stand, nobody's payment, more than there is."""
    wrong: Body = author.draw.choice(
        [
            _card(author, reference=f"card {CANARY_CARD}"),
            _card(author, description=CANARY_CARD),
            _card(author, [CANARY_CARD]),
            _card(author, amount=0),
            _card(author, currency="CHF"),
            {"kind": "payout", "instrument": "tok_bank_ok", "amount": 10**12},
            {"kind": "internal", "destination": author.people[0].id, "amount": 10**12},
            _card(author, partner="nobody"),
        ]
    )
    return author.payment(number, "refused", wrong, refused=True)


WEIGHTS: Final[dict[Callable[[Author, int], Script], int]] = {
    plain: 22, refunded: 11, disputed: 6, declined: 5, captured: 8, captured_often: 4, incremented: 3,
    cancelled: 4, left: 2, authenticated: 5, debited: 8, paid_out: 9, internal: 6, reviewed: 3, limited: 1,
    scheduled: 3, raced: 4, refused: 2, debited_by_stripe: 2, mismatched: 1, half_declined: 8, odd: 2,
}  # fmt: skip


def scripts(seed: int, count: int, people: list[Customer], at: dt.datetime) -> list[Script]:
    """What all callers of a run will do, in the order in which they begin."""
    author = Author(seed, people, at)
    makers = author.draw.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    return [maker(author, number) for number, maker in enumerate(makers, start=1)]


def funding(seed: int, people: list[Customer], at: dt.datetime) -> list[Script]:
    """A first payment in each currency of each customer, so that there is money to move."""
    author = Author(seed + 1_000_003, people, at)
    made: list[Script] = []
    for person in people:
        for currency in person.currencies:
            body = {
                "kind": "pay_in",
                "method": "card",
                "instrument": "pm_card_visa",
                "customer": person.id,
                "currency": currency,
                "amount": 14_000,
            }
            made.append(author.payment(-len(made) - 1, "funding", body))
    return made
