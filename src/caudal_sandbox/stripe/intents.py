"""The calls on PaymentIntents."""

from typing import Any, Final

from caudal_sandbox.effects import Kind
from caudal_sandbox.messages import Request
from caudal_sandbox.stripe import errors, views, views_money
from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.charging import Charging, Confirmation
from caudal_sandbox.stripe.form import ANY, Parameters, Shape
from caudal_sandbox.stripe.money import MAXIMUM_AMOUNT, MINIMUM_AMOUNTS, Balance
from caudal_sandbox.stripe.tokens import METHOD_CURRENCIES
from caudal_sandbox.stripe.types import CaptureMethod, Intent

_CONFIRMING: Final[Shape] = {
    "allowed_payment_method_types": {"*": None},
    "error_on_requires_action": None,
    "mandate": None,
    "mandate_data": ANY,
    "off_session": None,
    "payment_method": None,
    "payment_method_options": {"*": ANY},
    "receipt_email": None,
    "return_url": None,
    "setup_future_usage": None,
    "use_stripe_sdk": None,
    "expand": {"*": None},
}
_WORDS: Final[Shape] = {
    "metadata": {"*": None},
    "description": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "transfer_group": None,
    "customer": None,
}
CREATE: Final[Shape] = {
    **_CONFIRMING,
    **_WORDS,
    "amount": None,
    "automatic_payment_methods": {"enabled": None, "allow_redirects": None},
    "capture_method": None,
    "confirm": None,
    "confirmation_method": None,
    "currency": None,
}
UPDATE: Final[Shape] = {
    **_WORDS,
    "amount": None,
    "currency": None,
    "payment_method": None,
    "payment_method_options": {"*": ANY},
    "receipt_email": None,
    "setup_future_usage": None,
    "expand": {"*": None},
}
CONFIRM: Final[Shape] = _CONFIRMING
CAPTURE: Final[Shape] = {
    "amount_to_capture": None,
    "final_capture": None,
    "metadata": {"*": None},
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "expand": {"*": None},
}
INCREMENT: Final[Shape] = {
    "amount": None,
    "description": None,
    "metadata": {"*": None},
    "statement_descriptor": None,
    "expand": {"*": None},
}
CANCEL: Final[Shape] = {"cancellation_reason": None, "expand": {"*": None}}

MAX_INCREMENTS: Final = 10
MAX_CAPTURES: Final = 50

_TEXTS: Final = (
    "customer", "description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix",
    "return_url",
)  # fmt: skip
_METHOD_TYPES: Final = ("card", "us_bank_account", "sepa_debit")
_DEFAULT_TYPES: Final = {"usd": ["card", "us_bank_account"], "eur": ["card", "sepa_debit"]}


class Intents:
    """Each method is one call: it takes parameters, changes an intent and returns it."""

    def __init__(self, account: Account, charging: Charging, balance: Balance) -> None:
        self._account = account
        self._charging = charging
        self._balance = balance

    def create(self, given: Parameters, request: Request) -> Intent:
        """A new intent, confirmed if that is asked for."""
        account = self._account
        currency = given.required("currency").lower()
        if currency not in MINIMUM_AMOUNTS:
            raise errors.invalid(f"Invalid currency: {currency}.", param="currency")
        amount = _amount(given, currency)
        automatic, redirects, types = self._types(given, currency)
        metadata = given.metadata({})
        id = account.id("pi")
        intent = Intent(
            id=id,
            amount=amount,
            currency=currency,
            created=account.now(),
            status="requires_payment_method",
            capture_method=_capture_method(given),
            method_types=types,
            automatic_methods=automatic,
            allowed=given.texts("allowed_payment_method_types"),
            redirects=redirects,
            attempt_id=metadata.get("attempt_id", account.caller.request_key),
            metadata=metadata,
            transfer_group=given.text("transfer_group"),
            confirmation_method=given.choice("confirmation_method", "automatic", "manual") or "automatic",
            client_secret=f"{id}_secret_{account.world.draws.of('secret', id).token()}",
        )
        self._apply(intent, given)
        confirm = given.boolean("confirm") or False
        if not confirm and given.text("return_url") is not None:
            raise errors.invalid("`return_url` is for confirmations.", param="return_url")
        if confirm:
            self._may_confirm(intent, given)
            self._misread(intent)
        account.intents.put(intent)
        account.tell("payment_intent.created", lambda: views.intent(account, intent))
        if confirm:
            self._charging.confirm(intent, _asked(given, request, intent))
        return intent

    def _misread(self, intent: Intent) -> None:
        """What no partner should do, and one will: take less than was asked, or in another currency."""
        match self._account.method(intent.method or "").misreads:
            case "amount":
                intent.amount -= 1
            case "currency":
                intent.currency = "nok" if intent.currency != "nok" else "sek"

    def update(self, id: str, given: Parameters, _: Request) -> Intent:
        """Change what may still be changed."""
        intent = self._account.intent(id)
        open_ = ("requires_payment_method", "requires_confirmation", "requires_action")
        changes = [name for name in ("amount", "currency", "payment_method") if name in given]
        if changes and intent.status not in open_:
            raise self._unexpected(intent, f"{changes[0]} can no longer be changed")
        if "currency" in given and given.required("currency").lower() != intent.currency:
            raise errors.invalid("The currency of an intent stays.", param="currency")
        if "amount" in given:
            intent.amount = _amount(given, intent.currency)
        intent.metadata = given.metadata(intent.metadata)
        self._apply(intent, given)
        return self._account.intents.put(intent)

    def confirm(self, id: str, given: Parameters, request: Request) -> Intent:
        """Confirm an intent that has a payment method, or is given one."""
        intent = self._account.intent(id)
        if intent.status not in ("requires_payment_method", "requires_confirmation", "requires_action"):
            raise self._unexpected(intent, "it cannot be confirmed")
        self._may_confirm(intent, given)
        self._apply(intent, given)
        self._charging.confirm(intent, _asked(given, request, intent))
        return intent

    def capture(self, id: str, given: Parameters, _: Request) -> Intent:
        """Take what has been authorised, or a part of it."""
        account = self._account
        intent = account.intent(id)
        amount, final = given.integer("amount_to_capture"), given.boolean("final_capture")
        if intent.status != "requires_capture" or intent.charge is None:
            raise self._unexpected(intent, "it could not be captured", code_prefix="capture")
        if amount is None:
            amount = intent.capturable
        if amount > intent.capturable:
            raise errors.conflict(
                f"The requested capture amount ({amount}) is greater than the amount you can capture "
                f"({intent.capturable}) for this PaymentIntent.",
                code="amount_too_large",
                param="amount_to_capture",
            )
        if amount < (0 if final and intent.received else 1):
            raise errors.invalid("Invalid positive integer", param="amount_to_capture")
        if final is False and not intent.multicapture:
            raise errors.invalid(
                "This PaymentIntent does not support multiple captures: `final_capture` must be true.",
                param="final_capture",
            )
        if intent.captures >= MAX_CAPTURES:
            raise self._unexpected(intent, f"it has been captured {MAX_CAPTURES} times")
        intent.metadata = given.metadata(intent.metadata)
        self._take(intent, amount, final=final is not False)
        return intent

    def _take(self, intent: Intent, amount: int, *, final: bool) -> None:
        account = self._account
        charge = account.charge(intent.charge or "")
        intent.captures += 1
        intent.received += amount
        intent.capturable = 0 if final else intent.capturable - amount
        charge.captured, charge.amount_captured = True, intent.received
        if amount:
            attempt_id = account.caller.request_key
            self._balance.charged(charge, amount, attempt_id=attempt_id, kind=Kind.CAPTURE)
        charge.released = final and intent.received < intent.amount
        account.charges.put(charge)
        done = intent.capturable == 0
        intent.status = "succeeded" if done else "requires_capture"
        account.intents.put(intent)
        event = "payment_intent.succeeded" if done else "payment_intent.amount_capturable_updated"
        account.tell("charge.captured", lambda: views_money.charge(account, charge))
        account.tell(event, lambda: views.intent(account, intent))

    def increment(self, id: str, given: Parameters, _: Request) -> Intent:
        """Raise what is authorised to a new total."""
        account = self._account
        intent = account.intent(id)
        amount = _amount(given, intent.currency)
        if intent.status != "requires_capture" or intent.received:
            raise self._unexpected(intent, "its authorisation cannot be incremented")
        if not intent.incremental:
            raise errors.conflict(
                "This PaymentIntent is not eligible for incremental authorizations.", param="intent"
            )
        if amount <= intent.amount:
            raise errors.invalid(
                f"The new amount must be greater than the present {intent.amount}.", param="amount"
            )
        if intent.increments >= MAX_INCREMENTS:
            raise self._unexpected(intent, f"it has been incremented {MAX_INCREMENTS} times")
        added = amount - intent.amount
        intent.metadata = given.metadata(intent.metadata)
        intent.amount = intent.capturable = amount
        intent.increments += 1
        charge = account.charge(intent.charge or "")
        charge.amount = amount
        account.charges.put(charge)
        account.intents.put(intent)
        account.note(
            Kind.INCREMENT, intent.id, amount=added, currency=intent.currency,
            attempt_id=account.caller.request_key,
        )  # fmt: skip
        account.tell("payment_intent.amount_capturable_updated", lambda: views.intent(account, intent))
        return intent

    def cancel(self, id: str, given: Parameters, _: Request) -> Intent:
        """Call it off, or let go of what has not been captured."""
        intent = self._account.intent(id)
        reasons = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
        reason = given.choice("cancellation_reason", *reasons)
        if intent.status in ("succeeded", "canceled", "processing"):
            raise self._unexpected(intent, "it cannot be canceled")
        self._account.note(
            Kind.CANCEL, intent.id, amount=intent.capturable, currency=intent.currency,
            attempt_id=self._account.caller.request_key,
        )  # fmt: skip
        self._charging.release(intent, reason=reason)
        return intent

    def _types(self, given: Parameters, currency: str) -> tuple[bool, bool, list[str]]:
        """Whether methods are chosen automatically, whether they may redirect, and which there are."""
        allowed = given.texts("allowed_payment_method_types")
        automatic = given.nested("automatic_payment_methods")
        param = "allowed_payment_method_types"
        unknown = [type for type in allowed if type not in _METHOD_TYPES]
        if unknown:
            raise errors.invalid(f"The payment method type {unknown[0]} is invalid.", param=param)
        if allowed and automatic:
            raise errors.invalid(
                "You may only specify one of these parameters: allowed_payment_method_types, "
                "automatic_payment_methods.",
                param=param,
            )
        if allowed:
            # What does not fit is left out without a word (changelog of 2026-07-29).
            fitting = [type for type in allowed if METHOD_CURRENCIES.get(type, currency) == currency]
            if not fitting:
                raise errors.invalid(f"None of the payment method types takes {currency}.", param=param)
            return False, True, fitting
        redirects = automatic.get("allow_redirects", "always") != "never"
        return True, redirects, _DEFAULT_TYPES.get(currency, ["card"])

    def _apply(self, intent: Intent, given: Parameters) -> None:
        """Take the parameters that mean the same in every call. Changes nothing if one is wrong."""
        method = given.text("payment_method")
        if method is not None:
            self._account.method(method)
        usage = given.choice("setup_future_usage", "on_session", "off_session")
        options = given.nested("payment_method_options")
        for name in _TEXTS:
            if name in given:
                setattr(intent, name, given.text(name))
        intent.setup_future_usage = usage or intent.setup_future_usage
        if options:
            intent.options = {**intent.options, **options}
            card: Any = intent.options.get("card") or {}
            intent.multicapture = card.get("request_multicapture") == "if_available"
            intent.incremental = card.get("request_incremental_authorization") == "if_available"
        if method is not None:
            intent.method = method
            if intent.status == "requires_payment_method":
                intent.status = "requires_confirmation"

    def _may_confirm(self, intent: Intent, given: Parameters) -> None:
        """Raises `Refusal` unless the intent can be confirmed with what it has and is given."""
        id = given.text("payment_method") or intent.method
        if id is None:
            raise errors.conflict(
                "You cannot confirm this PaymentIntent because it's missing a payment method.",
                code="payment_intent_unexpected_state",
            )
        if intent.automatic_methods and intent.redirects and given.text("return_url") is None:
            raise errors.invalid(
                "This PaymentIntent accepts payment methods that may redirect your customer: give a "
                "`return_url`, or set `automatic_payment_methods[allow_redirects]` to `never`.",
                param="return_url",
            )
        type = self._account.method(id).type
        wrong = None
        if type not in intent.method_types:
            wrong = f"The PaymentMethod provided ({type}) is not allowed for this PaymentIntent."
        elif METHOD_CURRENCIES.get(type, intent.currency) != intent.currency:
            wrong = f"The currency provided ({intent.currency}) is invalid for {type}."
        elif type != "card" and intent.capture_method == "manual":
            wrong = f"The PaymentMethod provided ({type}) cannot be captured manually."
        if wrong is not None:
            raise errors.invalid(
                wrong, param="payment_method", code="payment_intent_incompatible_payment_method"
            )

    def _unexpected(self, intent: Intent, what: str, *, code_prefix: str | None = None) -> errors.Refusal:
        captured = code_prefix == "capture" and intent.status == "succeeded"
        return errors.conflict(
            f"This PaymentIntent has a status of {intent.status}: {what}.",
            code="charge_already_captured" if captured else "payment_intent_unexpected_state",
            payment_intent=views.intent(self._account, intent),
        )


def _amount(given: Parameters, currency: str) -> int:
    given.required("amount")
    amount = given.integer("amount") or 0
    if amount < 1:
        raise errors.invalid("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    if amount < MINIMUM_AMOUNTS[currency]:
        raise errors.invalid(
            f"Amount must be at least {MINIMUM_AMOUNTS[currency]} {currency} in its smallest unit.",
            param="amount",
            code="amount_too_small",
        )
    if amount > MAXIMUM_AMOUNT:
        raise errors.invalid(
            f"Amount must be no more than {MAXIMUM_AMOUNT}.", param="amount", code="amount_too_large"
        )
    return amount


def _capture_method(given: Parameters) -> CaptureMethod:
    match given.choice("capture_method", "automatic", "automatic_async", "manual"):
        case "automatic":
            return "automatic"
        case "manual":
            return "manual"
        case _:
            return "automatic_async"


def _asked(given: Parameters, request: Request, intent: Intent) -> Confirmation:
    off_session = given.text("off_session")
    card: Any = intent.options.get("card") or {}
    return Confirmation(
        pages=f"http://{request.headers.get('host', 'localhost')}",
        off_session=off_session not in (None, "false"),
        error_on_action=given.boolean("error_on_requires_action") or False,
        authenticate=card.get("request_three_d_secure") in ("any", "challenge"),
    )
