"""Stripe's test payment methods, and what becomes of payments with each. Names are Stripe's own."""

from typing import Any, Final

import msgspec


class Decline(msgspec.Struct, frozen=True):
    """How a charge fails."""

    code: str
    decline_code: str | None
    message: str


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """A payment method, and what becomes of payments with it."""

    id: str
    type: str = "card"
    brand: str = "visa"
    last4: str = "4242"
    funding: str = "credit"
    country: str = "US"
    decline: Decline | None = None
    authentication: bool = False
    """3-D Secure is asked for before the charge."""
    dispute: str | None = None
    """Disputed soon after the charge, for this reason."""
    inquiry: bool = False
    """The dispute is a mere question."""
    refund: str = "succeeded"
    """How refunds go: `succeeded`, `pending` (then succeeded) or `failed` (after it had succeeded)."""
    settles_after_s: int | None = None
    """Of bank debits: how long they are processing; None: for good."""
    available_at_once: bool = False
    misreads: str | None = None
    """The sandbox's own: payments are taken with another `amount` or `currency` than was asked for."""


SOON_S: Final = 2
"""What follows a test payment by itself comes so much later, on the sandbox's clock."""

LATER_S: Final = 180
"""What Stripe calls delayed."""

_DECLINED = "Your card was declined."

GENERIC = Decline("card_declined", "generic_decline", _DECLINED)
INSUFFICIENT = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
LOST = Decline("card_declined", "lost_card", _DECLINED)
STOLEN = Decline("card_declined", "stolen_card", _DECLINED)
FRAUDULENT = Decline("card_declined", "fraudulent", _DECLINED)
VELOCITY = Decline(
    "card_declined",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
)
EXPIRED = Decline("expired_card", None, "Your card has expired.")
INCORRECT_CVC = Decline("incorrect_cvc", None, "Your card's security code is incorrect.")
PROCESSING = Decline(
    "processing_error", None, "An error occurred while processing your card. Try again in a little bit."
)
UNAUTHENTICATED = Decline(
    "authentication_required", "authentication_required", "Your card was declined. It needs authentication."
)

_DECLINES: Final = {
    "chargeDeclined": (GENERIC, "0002"),
    "chargeDeclinedInsufficientFunds": (INSUFFICIENT, "9995"),
    "chargeDeclinedLostCard": (LOST, "9987"),
    "chargeDeclinedStolenCard": (STOLEN, "9979"),
    "chargeDeclinedExpiredCard": (EXPIRED, "0069"),
    "chargeDeclinedIncorrectCvc": (INCORRECT_CVC, "0127"),
    "chargeDeclinedProcessingError": (PROCESSING, "0119"),
    "chargeDeclinedVelocityLimitExceeded": (VELOCITY, "6975"),
    "chargeDeclinedFraudulent": (FRAUDULENT, "0019"),
    "chargeCustomerFail": (GENERIC, "0341"),
    "radarBlock": (FRAUDULENT, "0019"),
}

_BRANDS: Final = {
    "visa": ("visa", "4242", "credit"),
    "visa_debit": ("visa", "5556", "debit"),
    "mastercard": ("mastercard", "4444", "credit"),
    "mastercard_debit": ("mastercard", "3222", "debit"),
    "mastercard_prepaid": ("mastercard", "5100", "prepaid"),
    "amex": ("amex", "8431", "credit"),
    "discover": ("discover", "9424", "credit"),
    "diners": ("diners", "3237", "credit"),
    "jcb": ("jcb", "0505", "credit"),
    "unionpay": ("unionpay", "0005", "credit"),
}

_COUNTRIES: Final = {
    "at": "0007", "be": "0004", "br": "0002", "ca": "0000", "ch": "0009", "de": "0016", "es": "0007",
    "fr": "0003", "gb": "0000", "ie": "0013", "it": "0008", "mx": "8002", "nl": "0002", "pt": "0017",
    "us": "4242",
}  # fmt: skip

_SEPA_COUNTRIES: Final = ("at", "be", "de", "es", "fr", "ie", "it", "nl", "pt")

_NO_FUNDS = Decline("insufficient_funds", None, "The customer's account has insufficient funds.")
_CLOSED = Decline("account_closed", None, "The customer's bank account has been closed.")
_NO_ACCOUNT = Decline("no_account", None, "The customer's bank account could not be located.")
_NOT_AUTHORIZED = Decline(
    "debit_not_authorized", None, "The customer has told their bank that this payment was not authorised."
)
_BAD_CURRENCY = Decline("invalid_currency", None, "The bank could not process this payment in its currency.")
_FAILED = Decline("generic_could_not_process", None, "The payment could not be processed.")


def _cards() -> list[Method]:
    cards = [
        Method(id=f"pm_card_{name}", brand=brand, last4=last4, funding=funding)
        for name, (brand, last4, funding) in _BRANDS.items()
    ]
    cards += [
        Method(id=f"pm_card_{country}", country=country.upper(), last4=last4)
        for country, last4 in _COUNTRIES.items()
    ]
    cards += [
        Method(id=f"pm_card_{brand}{name}", decline=decline, last4=last4)
        for name, (decline, last4) in _DECLINES.items()
        for brand in ("", "visa_")
    ]
    authenticated = "pm_card_authenticationRequired"
    cards += [
        Method(id=authenticated, authentication=True, last4="3184"),
        Method(id=f"{authenticated}OnSetup", last4="3155"),
        Method(
            id=f"{authenticated}ChargeDeclinedInsufficientFunds",
            authentication=True,
            decline=INSUFFICIENT,
            last4="8254",
        ),
        Method(id="pm_card_threeDSecureRequired", authentication=True, last4="3063"),
        Method(id="pm_card_threeDSecure2Required", authentication=True, last4="3220"),
        Method(id="pm_card_threeDSecureOptional", last4="3055"),
        Method(
            id="pm_card_threeDSecureRequiredChargeDeclined",
            authentication=True,
            decline=GENERIC,
            last4="1629",
        ),
        Method(id="pm_card_createDispute", dispute="fraudulent", last4="0259"),
        Method(id="pm_card_createDisputeProductNotReceived", dispute="product_not_received", last4="2685"),
        Method(id="pm_card_createDisputeInquiry", dispute="fraudulent", inquiry=True, last4="1976"),
        Method(id="pm_card_refundFail", refund="failed", last4="5126"),
        Method(id="pm_card_pendingRefund", refund="pending", last4="7726"),
        Method(id="pm_sandbox_otherAmount", misreads="amount"),
        Method(id="pm_sandbox_otherCurrency", misreads="currency"),
        Method(id="pm_card_bypassPending", available_at_once=True, last4="0077"),
    ]
    return cards


def _vault_cards() -> list[Method]:
    return [
        Method(id="tok_card_ok"),
        Method(id="tok_card_declined", decline=GENERIC, last4="0002"),
        Method(id="tok_card_stolen", decline=STOLEN, last4="9979"),
        Method(id="tok_card_3ds", authentication=True, last4="3220"),
        Method(id="tok_card_disputed", dispute="fraudulent", last4="0259"),
        Method(id="tok_card_not_stripe", decline=INSUFFICIENT, last4="9995"),
        Method(id="tok_card_not_meridian"),
    ]


def _bank_debits() -> list[Method]:
    ach: dict[str, Any] = {
        "type": "us_bank_account",
        "brand": "STRIPE TEST BANK",
        "funding": "checking",
        "refund": "pending",
    }
    sepa: dict[str, Any] = {"type": "sepa_debit", "brand": "", "funding": "", "refund": "pending"}

    def method(base: dict[str, Any], id: str, after: int | None = SOON_S, **more: Any) -> Method:
        return Method(**{**base, "id": id, "settles_after_s": after, **more})

    made = [
        method(ach, "pm_usBankAccount_success", last4="6789"),
        method(ach, "pm_usBankAccount_processing", None, last4="2222"),
        method(ach, "pm_usBankAccount_accountClosed", decline=_CLOSED, last4="1111"),
        method(ach, "pm_usBankAccount_noAccount", decline=_NO_ACCOUNT, last4="1116"),
        method(ach, "pm_usBankAccount_insufficientFunds", decline=_NO_FUNDS, last4="3333"),
        method(ach, "pm_usBankAccount_debitNotAuthorized", decline=_NOT_AUTHORIZED, last4="5555"),
        method(ach, "pm_usBankAccount_invalidCurrency", decline=_BAD_CURRENCY, last4="7777"),
        method(ach, "pm_usBankAccount_dispute", dispute="bank_cannot_process", last4="9111"),
    ]
    for country in _SEPA_COUNTRIES:
        there = {**sepa, "country": country.upper(), "last4": "3000"}
        made += [
            method(there, f"pm_success_{country}"),
            method(there, f"pm_successDelayed_{country}", LATER_S),
            method(there, f"pm_failed_{country}", decline=_FAILED),
            method(there, f"pm_failedDelayed_{country}", LATER_S, decline=_FAILED),
            method(there, f"pm_insufficientFunds_{country}", decline=_NO_FUNDS),
            method(there, f"pm_disputed_{country}", dispute="debit_not_authorized"),
        ]
    return made


METHODS: Final = {method.id: method for method in (*_cards(), *_vault_cards(), *_bank_debits())}
"""All of them, by id. The sandbox's own are `pm_sandbox_…`, and `tok_card_…` that other partners take too."""

METHOD_CURRENCIES: Final = {"us_bank_account": "usd", "sepa_debit": "eur"}
"""Types that know one currency only."""
