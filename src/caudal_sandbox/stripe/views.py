"""PaymentIntents, payment methods and their parts as Stripe writes them."""

from typing import Any

from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.tokens import Method
from caudal_sandbox.stripe.types import Intent

_NO_BILLING: dict[str, Any] = {
    "address": {
        "city": None,
        "country": None,
        "line1": None,
        "line2": None,
        "postal_code": None,
        "state": None,
    },
    "email": None,
    "name": None,
    "phone": None,
    "tax_id": None,
}


def intent(account: Account, row: Intent) -> dict[str, Any]:
    """A PaymentIntent."""
    return {
        "id": row.id,
        "object": "payment_intent",
        "allowed_payment_method_types": row.allowed or None,
        "amount": row.amount,
        "amount_capturable": row.capturable,
        "amount_details": {"tip": {}},
        "amount_received": row.received,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": _automatic(row),
        "canceled_at": row.canceled_at,
        "cancellation_reason": row.cancellation_reason,
        "capture_method": row.capture_method,
        "client_secret": row.client_secret,
        "confirmation_method": row.confirmation_method,
        "created": row.created,
        "currency": row.currency,
        "customer": row.customer,
        "customer_account": None,
        "description": row.description,
        "excluded_payment_method_types": None,
        "last_payment_error": _error(account, row),
        "latest_charge": row.charge,
        "livemode": False,
        "managed_payments": None,
        "metadata": row.metadata,
        "next_action": _next_action(row),
        "on_behalf_of": None,
        "payment_method": row.method,
        "payment_method_configuration_details": None,
        "payment_method_options": _options(row),
        "payment_method_types": row.method_types,
        "processing": _processing(account, row),
        "receipt_email": row.receipt_email,
        "review": None,
        "setup_future_usage": row.setup_future_usage,
        "shipping": None,
        "source": None,
        "statement_descriptor": row.statement_descriptor,
        "statement_descriptor_suffix": row.statement_descriptor_suffix,
        "status": row.status,
        "transfer_data": None,
        "transfer_group": row.transfer_group,
    }


def payment_method(row: Method, created: int) -> dict[str, Any]:
    """A PaymentMethod. Test methods have always been there: `created` is when one asked."""
    rendered: dict[str, Any] = {
        "id": row.id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": _NO_BILLING,
        "created": created,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": row.type,
    }
    rendered[row.type] = _METHOD_DETAILS[row.type](row)
    return rendered


def _card(row: Method) -> dict[str, Any]:
    return {
        "brand": row.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": row.country,
        "display_brand": row.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": f"sandbox{row.last4}{row.country}",
        "funding": row.funding,
        "generated_from": None,
        "last4": row.last4,
        "networks": {"available": [row.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _us_bank_account(row: Method) -> dict[str, Any]:
    return {
        "account_holder_type": "individual",
        "account_type": row.funding,
        "bank_name": row.brand,
        "financial_connections_account": None,
        "fingerprint": f"sandbox{row.last4}",
        "last4": row.last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    }


def _sepa_debit(row: Method) -> dict[str, Any]:
    return {
        "bank_code": "37040044",
        "branch_code": "",
        "country": row.country,
        "fingerprint": f"sandbox{row.id}",
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": row.last4,
    }


_METHOD_DETAILS = {"card": _card, "us_bank_account": _us_bank_account, "sepa_debit": _sepa_debit}


def charged_with(row: Method, *, multicapture: bool, incremental: bool, **more: Any) -> dict[str, Any]:
    """`payment_method_details` of a charge; `more` is what only the charge knows of its card."""
    if row.type != "card":
        return {row.type: _METHOD_DETAILS[row.type](row), "type": row.type}
    card = {
        "amount_authorized": more["amount_authorized"],
        "authorization_code": None,
        "brand": row.brand,
        "capture_before": more["capture_before"],
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": row.country,
        "exp_month": 12,
        "exp_year": 2034,
        "extended_authorization": {"status": "disabled"},
        "fingerprint": f"sandbox{row.last4}{row.country}",
        "funding": row.funding,
        "incremental_authorization": {"status": "available" if incremental else "unavailable"},
        "installments": None,
        "last4": row.last4,
        "mandate": None,
        "multicapture": {"status": "available" if multicapture else "unavailable"},
        "network": row.brand,
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": more["amount_authorized"], "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": _three_d_secure() if more["authenticated"] else None,
        "transaction_link_id": None,
        "wallet": None,
    }
    return {"card": card, "type": "card"}


def _three_d_secure() -> dict[str, Any]:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": None,
        "version": "2.2.0",
    }


def billing_details() -> dict[str, Any]:
    """Nothing: no personal data comes here."""
    return _NO_BILLING


def _automatic(row: Intent) -> dict[str, Any] | None:
    if not row.automatic_methods:
        return None
    return {"allow_redirects": "always" if row.redirects else "never", "enabled": True}


def _error(account: Account, row: Intent) -> dict[str, Any] | None:
    if row.error is None:
        return None
    method = row.error.get("payment_method")
    if not isinstance(method, str):
        return row.error
    return {**row.error, "payment_method": payment_method(account.method(method), row.created)}


def _next_action(row: Intent) -> dict[str, Any] | None:
    if row.status != "requires_action" or row.action_url is None:
        return None
    if row.return_url is None:
        sdk = {"type": "three_d_secure_redirect", "stripe_js": row.action_url, "source": row.id}
        return {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    return {
        "redirect_to_url": {"return_url": row.return_url, "url": row.action_url},
        "type": "redirect_to_url",
    }


def _options(row: Intent) -> dict[str, Any]:
    rendered: dict[str, Any] = {}
    for type in row.method_types:
        given = row.options.get(type)
        if type == "card":
            rendered[type] = {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
                **(given if isinstance(given, dict) else {}),
            }
        elif given:
            rendered[type] = given
    return rendered


def _processing(account: Account, row: Intent) -> dict[str, Any] | None:
    if row.status != "processing" or row.method is None:
        return None
    type = account.method(row.method).type
    return {"type": type, type: {}}
