"""Charges, refunds, disputes, payouts and balance transactions as Stripe writes them."""

from typing import Any, Final

from caudal_sandbox.stripe import views
from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.types import Charge, Dispute, Payout, Refund, Transaction

EVIDENCE: Final = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation",
    "duplicate_charge_explanation", "duplicate_charge_id", "product_description", "receipt",
    "refund_policy", "refund_policy_disclosure", "refund_refusal_explanation", "service_date",
    "service_documentation", "shipping_address", "shipping_carrier", "shipping_date",
    "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip
"""What may be said in a dispute."""

RESPOND_WITHIN_S: Final = 7 * 86_400


def charge(account: Account, row: Charge) -> dict[str, Any]:
    """A Charge."""
    intent = account.intent(row.intent)
    method = account.method(row.method)
    failed = row.status == "failed"
    shown = row.transaction if account.now() >= row.shown_after else None
    details = views.charged_with(
        method,
        multicapture=intent.multicapture,
        incremental=intent.incremental,
        amount_authorized=row.amount,
        capture_before=row.capture_before,
        authenticated=row.authenticated,
    )
    return {
        "id": row.id,
        "object": "charge",
        "amount": row.amount,
        "amount_captured": row.amount_captured,
        "amount_refunded": row.amount_refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": shown,
        "billing_details": views.billing_details(),
        "calculated_statement_descriptor": "SANDBOX",
        "captured": row.captured,
        "created": row.created,
        "currency": row.currency,
        "customer": intent.customer,
        "description": row.description,
        "disputed": row.dispute is not None,
        "failure_balance_transaction": None,
        "failure_code": row.failure_code,
        "failure_message": row.failure_message,
        "fraud_details": {},
        "livemode": False,
        "metadata": row.metadata,
        "on_behalf_of": None,
        "outcome": _outcome(row, failed=failed),
        "paid": row.status == "succeeded",
        "payment_intent": row.intent,
        "payment_method": row.method,
        "payment_method_details": details,
        "receipt_email": intent.receipt_email,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": 0 < row.amount_captured == row.amount_refunded,
        "refunds": _refunds(account, row),
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": row.status,
        "transfer_data": None,
        "transfer_group": intent.transfer_group,
    }


def _refunds(account: Account, row: Charge) -> dict[str, Any]:
    refunds = account.refunds.find("charge", row.id)
    return {
        "object": "list",
        "data": [refund(each) for each in reversed(refunds[-10:])],
        "has_more": len(refunds) > 10,
        "url": f"/v1/charges/{row.id}/refunds",
    }


def _outcome(row: Charge, *, failed: bool) -> dict[str, Any]:
    advice = None
    if failed:
        advice = "try_again_later" if row.decline_code == "insufficient_funds" else "do_not_try_again"
    return {
        "advice_code": advice,
        "network_advice_code": None,
        "network_decline_code": "05" if failed else None,
        "network_status": "declined_by_network" if failed else "approved_by_network",
        "reason": row.decline_code if failed else None,
        "risk_level": "normal",
        "seller_message": "The bank did not accept it." if failed else "Payment complete.",
        "type": "issuer_declined" if failed else "authorized",
    }


def refund(row: Refund) -> dict[str, Any]:
    """A Refund."""
    rendered: dict[str, Any] = {
        "id": row.id,
        "object": "refund",
        "amount": row.amount,
        "balance_transaction": row.transaction,
        "charge": row.charge,
        "created": row.created,
        "currency": row.currency,
        "customer": None,
        "customer_account": None,
        "destination_details": {
            "card": {"reference": None, "reference_status": "pending", "type": "refund"},
            "type": "card",
        },
        "metadata": row.metadata,
        "payment_intent": row.intent,
        "payment_method": None,
        "reason": row.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": row.status,
        "transfer_reversal": None,
    }
    if row.status == "failed":
        rendered["failure_reason"] = row.failure_reason
        rendered["failure_balance_transaction"] = row.failure_transaction
    return rendered


def dispute(account: Account, row: Dispute) -> dict[str, Any]:
    """A Dispute."""
    method = account.method(account.charge(row.charge).method)
    inquiry = row.status.startswith("warning_")
    details: dict[str, Any] = {"type": method.type}
    if method.type == "card":
        details["card"] = {
            "brand": method.brand,
            "case_type": "inquiry" if inquiry else "chargeback",
            "network": method.brand,
            "network_reason_code": "10.4" if row.reason == "fraudulent" else "13.1",
        }
    due = row.created + RESPOND_WITHIN_S
    return {
        "id": row.id,
        "object": "dispute",
        "amount": row.amount,
        "balance_transactions": [
            transaction(account.transaction(id), account.now()) for id in row.transactions
        ],
        "charge": row.charge,
        "created": row.created,
        "currency": row.currency,
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}, **row.evidence},
        "evidence_details": {
            "due_by": due,
            "enhanced_eligibility": {},
            "has_evidence": bool(row.evidence),
            "past_due": account.now() > due,
            "submission_count": row.submissions,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": row.metadata,
        "payment_intent": row.intent,
        "payment_method_details": details,
        "reason": row.reason,
        "status": row.status,
    }


def payout(row: Payout) -> dict[str, Any]:
    """A Payout."""
    return {
        "id": row.id,
        "object": "payout",
        "amount": row.amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": row.arrival,
        "automatic": row.automatic,
        "balance_transaction": row.transaction,
        "created": row.created,
        "currency": row.currency,
        "description": row.description,
        "destination": "ba_sandbox",
        "failure_balance_transaction": row.failure_transaction,
        "failure_code": row.failure_code,
        "failure_message": None if row.failure_code is None else "The bank account does not take it.",
        "livemode": False,
        "metadata": row.metadata,
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed" if row.automatic else "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": row.statement_descriptor,
        "status": row.status,
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }


def transaction(row: Transaction, now: int) -> dict[str, Any]:
    """A BalanceTransaction, as it stands `now`."""
    fees = [
        {
            "amount": row.fee,
            "application": None,
            "currency": row.currency,
            "description": "Stripe processing fees" if row.type != "adjustment" else "Dispute fee",
            "type": "stripe_fee",
        }
    ]
    return {
        "id": row.id,
        "object": "balance_transaction",
        "amount": row.amount,
        "available_on": row.available_on,
        "balance_type": "payments",
        "created": row.created,
        "currency": row.currency,
        "description": row.description,
        "exchange_rate": None,
        "fee": row.fee,
        "fee_details": fees if row.fee else [],
        "net": row.amount - row.fee,
        "reporting_category": row.category,
        "source": row.source,
        "status": "available" if row.available_on <= now else "pending",
        "type": row.type,
    }
