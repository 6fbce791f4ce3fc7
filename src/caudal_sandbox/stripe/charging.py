"""What happens when an intent is confirmed: authentication, authorisation, decline, and what time brings."""

from typing import Any, Final

import msgspec

from caudal_sandbox.effects import Kind
from caudal_sandbox.stripe import errors, tokens, views, views_money
from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.money import Balance
from caudal_sandbox.stripe.types import Charge, Intent

AUTHORISED_FOR_S: Final = 7 * 86_400
"""How long a card's authorisation lasts."""

BOOKED_AFTER_S: Final = 1
"""With `automatic_async` the balance transaction shows so much after the answer."""

EXPIRE: Final = "stripe.expire"
COLLECT: Final = "stripe.collect"
DISPUTE: Final = "stripe.dispute"
BOOKED: Final = "stripe.booked"

_AUTHENTICATION_FAILED: Final = {
    "type": "invalid_request_error",
    "code": "payment_intent_authentication_failure",
    "doc_url": f"{errors.DOCUMENTATION}payment-intent-authentication-failure",
    "message": "The payer could not be authenticated: confirm this PaymentIntent with another PaymentMethod.",
}


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """How a confirmation was asked for."""

    pages: str
    """Where the pages of this sandbox begin, as the caller reaches it."""
    off_session: bool = False
    error_on_action: bool = False
    authenticate: bool = False
    """Asked for by the merchant (`request_three_d_secure`)."""


class Charging:
    """Takes money for intents."""

    def __init__(self, account: Account, balance: Balance) -> None:
        self._account = account
        self._balance = balance
        clock = account.world.clock
        clock.on(EXPIRE, self._expire)
        clock.on(COLLECT, self._collected)
        clock.on(BOOKED, self._booked)

    def confirm(self, intent: Intent, asked: Confirmation) -> None:
        """Try to charge the intent's payment method. Raises `Refusal` for a decline, and has told of it."""
        account = self._account
        method = account.method(intent.method or "")
        intent.error = None
        if method.authentication or (asked.authenticate and method.type == "card"):
            self._authenticate(intent, method, asked)
        else:
            self._charge(intent, method, authenticated=False)

    def authenticated(self, intent: Intent, *, well: bool) -> None:
        """The payer has been at the 3-D Secure page. A decline that follows is told by events alone."""
        account = self._account
        method = account.method(intent.method or "")
        intent.action_url = None
        if well:
            try:
                self._charge(intent, method, authenticated=True)
            except errors.Refusal:
                return
        else:
            intent.status = "requires_payment_method"
            intent.error = {**_AUTHENTICATION_FAILED, "payment_method": method.id}
            intent.method = None
            self._put(intent, "payment_intent.payment_failed")

    def _authenticate(self, intent: Intent, method: tokens.Method, asked: Confirmation) -> None:
        if asked.off_session or asked.error_on_action:
            self._decline(intent, method, tokens.UNAUTHENTICATED)
        intent.status = "requires_action"
        intent.action_url = f"{asked.pages}/3ds/{intent.id}/{intent.client_secret[-12:]}"
        self._put(intent, "payment_intent.requires_action")

    def _charge(self, intent: Intent, method: tokens.Method, *, authenticated: bool) -> None:
        if method.type != "card":
            self._begin_debit(intent, method)
        elif method.decline is not None:
            self._decline(intent, method, method.decline, authenticated=authenticated)
        elif intent.capture_method == "manual":
            self._authorise(intent, method, authenticated=authenticated)
        else:
            charge = self._new_charge(intent, method, authenticated=authenticated)
            self._collect(intent, charge)
            if method.dispute is not None:
                self._account.world.clock.schedule(self._account.now() + tokens.SOON_S, DISPUTE, charge.id)

    def _new_charge(self, intent: Intent, method: tokens.Method, *, authenticated: bool) -> Charge:
        account = self._account
        charge = Charge(
            id=account.id("ch" if method.type == "card" else "py"),
            intent=intent.id,
            amount=intent.amount,
            currency=intent.currency,
            created=account.now(),
            method=method.id,
            status="succeeded",
            authenticated=authenticated,
            metadata=dict(intent.metadata),
            description=intent.description,
        )
        intent.charge = charge.id
        return charge

    def _authorise(self, intent: Intent, method: tokens.Method, *, authenticated: bool) -> None:
        account = self._account
        charge = self._new_charge(intent, method, authenticated=authenticated)
        charge.capture_before = charge.created + AUTHORISED_FOR_S
        account.charges.put(charge)
        intent.status, intent.capturable = "requires_capture", intent.amount
        account.note(
            Kind.AUTHORISATION, intent.id, amount=intent.amount, currency=intent.currency,
            attempt_id=intent.attempt_id,
        )  # fmt: skip
        account.world.clock.schedule(charge.capture_before, EXPIRE, intent.id)
        self._put(intent, "payment_intent.amount_capturable_updated")
        self._tell_charge(charge, "charge.succeeded")

    def _collect(self, intent: Intent, charge: Charge) -> None:
        """All of an automatic charge is collected."""
        account = self._account
        charge.status, charge.captured, charge.amount_captured = "succeeded", True, charge.amount
        self._balance.charged(charge, charge.amount, attempt_id=intent.attempt_id, kind=Kind.CHARGE)
        if intent.capture_method == "automatic_async" and account.caller.wants("charge.updated"):
            charge.shown_after = account.now() + BOOKED_AFTER_S
            account.world.clock.schedule(charge.shown_after, BOOKED, charge.id)
        account.charges.put(charge)
        intent.status, intent.received = "succeeded", charge.amount
        self._put(intent, "payment_intent.succeeded")
        self._tell_charge(charge, "charge.succeeded")

    def _booked(self, charge_id: str) -> None:
        charge = self._account.charges.get(charge_id)
        if charge is not None:
            self._tell_charge(charge, "charge.updated", {"balance_transaction": None})

    def _begin_debit(self, intent: Intent, method: tokens.Method) -> None:
        account = self._account
        charge = self._new_charge(intent, method, authenticated=False)
        charge.status = "pending"
        account.charges.put(charge)
        intent.status = "processing"
        if method.settles_after_s is not None:
            account.world.clock.schedule(account.now() + method.settles_after_s, COLLECT, charge.id)
        self._put(intent, "payment_intent.processing")
        self._tell_charge(charge, "charge.pending")

    def _collected(self, charge_id: str) -> None:
        """A bank debit has come to its end."""
        account = self._account
        charge = account.charges.get(charge_id)
        if charge is None or charge.status != "pending":
            return
        intent, method = account.intent(charge.intent), account.method(charge.method)
        if method.decline is None:
            self._collect(intent, charge)
            if method.dispute is not None:
                account.world.clock.schedule(account.now() + tokens.SOON_S, DISPUTE, charge.id)
        else:
            self._fail(intent, charge, method.decline)

    def _decline(
        self, intent: Intent, method: tokens.Method, decline: tokens.Decline, *, authenticated: bool = False
    ) -> None:
        charge = self._new_charge(intent, method, authenticated=authenticated)
        self._fail(intent, charge, decline)
        error = {**(intent.error or {}), "payment_intent": views.intent(self._account, intent)}
        error["payment_method"] = views.payment_method(method, charge.created)
        raise errors.declined(error)

    def _fail(self, intent: Intent, charge: Charge, decline: tokens.Decline) -> None:
        charge.status = "failed"
        charge.failure_code, charge.failure_message = decline.code, decline.message
        charge.decline_code = decline.decline_code
        self._account.charges.put(charge)
        card = self._account.method(charge.method).type == "card"
        error: dict[str, Any] = {
            "type": "card_error" if card else "invalid_request_error",
            "charge": charge.id,
            "code": decline.code,
            "doc_url": errors.DOCUMENTATION + decline.code.replace("_", "-"),
            "message": decline.message,
            "payment_method": charge.method,
        }
        if decline.decline_code is not None:
            error["decline_code"] = decline.decline_code
        intent.error = error
        intent.status, intent.method = "requires_payment_method", None
        self._put(intent, "payment_intent.payment_failed")
        self._tell_charge(charge, "charge.failed")

    def _expire(self, intent_id: str) -> None:
        intent = self._account.intents.get(intent_id)
        if intent is not None and intent.status == "requires_capture":
            self.release(intent, reason="expired")

    def release(self, intent: Intent, *, reason: str | None) -> None:
        """Let go of what has not been captured: the intent ends canceled, or succeeded if some was."""
        account = self._account
        charge = account.charges.get(intent.charge) if intent.charge else None
        intent.capturable, intent.action_url = 0, None
        if charge is not None and charge.status == "succeeded":
            charge.released = True
            account.charges.put(charge)
        if intent.received:
            intent.status = "succeeded"
            self._put(intent, "payment_intent.succeeded")
            return
        intent.status = "canceled"
        intent.canceled_at, intent.cancellation_reason = account.now(), reason
        self._put(intent, "payment_intent.canceled")
        if charge is not None and charge.released and reason == "expired":
            self._tell_charge(charge, "charge.expired")

    def _put(self, intent: Intent, event: str) -> None:
        self._account.intents.put(intent)
        self._account.tell(event, lambda: views.intent(self._account, intent))

    def _tell_charge(self, charge: Charge, event: str, previous: dict[str, Any] | None = None) -> None:
        self._account.tell(event, lambda: views_money.charge(self._account, charge), previous)
