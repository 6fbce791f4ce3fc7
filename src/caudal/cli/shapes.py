"""The ledger's objects as `--json` prints them: the API's names, and nothing for what is not set."""

from typing import Any

from caudal.ledger import (
    BY_CODE,
    Account,
    AccountEvent,
    Balance,
    Counters,
    Entry,
    HoldState,
    Outcome,
    OutcomeStatus,
    Refusal,
    Transfer,
    TransferDetail,
    TransferKind,
    ValueBalance,
    balance_of,
    limit_of,
)
from caudal_base.errors import CaudalError

Shape = dict[str, Any]


class Refused(CaudalError):
    """The ledger refused a command; the code says why."""

    def __init__(self, refusal: Refusal) -> None:
        """With the code, the status and the words of `refusal`."""
        super().__init__(refusal.detail, field=refusal.field)
        reason = BY_CODE[refusal.code]
        self.refusal = refusal
        self.status = int(reason.status)  # type: ignore[misc]
        self.code = refusal.code  # type: ignore[misc]
        self.title = reason.meaning  # type: ignore[misc]


def accepted(outcome: Outcome) -> Outcome:
    """`outcome`, unless it is a refusal: that is raised as `Refused`."""
    if outcome.refusal is not None:
        raise Refused(outcome.refusal)
    return outcome


def account(found: Account) -> Shape:
    """An account with its counters, in minor units."""
    stand = balance_of(found, found.version)
    limit, overdraft = limit_of(found)
    return _set(
        {
            "id": found.id,
            "currency": found.currency,
            "normal_side": found.normal_side.value,
            "status": found.status.value,
            "code": found.code,
            "reference": found.reference,
            "metadata": found.metadata or None,
            "balance": stand.posted,
            "available": stand.available,
            "debits_posted": found.debits_posted,
            "credits_posted": found.credits_posted,
            "debits_pending": found.debits_pending,
            "credits_pending": found.credits_pending,
            "limit": limit.value,
            "overdraft": overdraft,
            "version": found.version,
            "opened_at": found.opened_at,
        }
    )


def posted(found: Account) -> int:
    """The posted balance: positive on the account's normal side."""
    return balance_of(found, found.version).posted


def balance(found: Balance) -> Shape:
    """A balance at one moment, in minor units."""
    return {
        "account": found.account,
        "currency": found.currency,
        "normal_side": found.normal_side.value,
        "balance": found.posted,
        "available": found.available,
        **counters(
            Counters(found.debits_posted, found.credits_posted, found.debits_pending, found.credits_pending)
        ),
        "version": found.version,
        "seq": found.seq,
    }


def value_balance(found: ValueBalance) -> Shape:
    """A balance by effective time, in minor units."""
    return {
        "account": found.account,
        "currency": found.currency,
        "normal_side": found.normal_side.value,
        "balance": found.posted,
        "debits_posted": found.debits_posted,
        "credits_posted": found.credits_posted,
        "effective_at": found.effective_at,
        "seq": found.seq,
    }


def counters(found: Counters) -> Shape:
    """The four counters, in minor units."""
    return {
        "debits_posted": found.debits_posted,
        "credits_posted": found.credits_posted,
        "debits_pending": found.debits_pending,
        "credits_pending": found.credits_pending,
    }


def transfer(found: Transfer, *, state: HoldState | None = None) -> Shape:
    """A transfer as it was recorded."""
    reverses = found.kind is TransferKind.REVERSAL
    terms = found.terms
    return _set(
        {
            "id": found.id,
            "seq": found.seq,
            "kind": found.kind.value,
            "debit_account": found.debit_account,
            "credit_account": found.credit_account,
            "amount": found.amount,
            "currency": found.currency,
            "recorded_at": found.recorded_at,
            "effective_at": found.effective_at,
            "state": None if state is None else state.value,
            "expires_at": None if terms is None else terms.expires_at,
            "pending_id": None if reverses else found.related_id,
            "original_id": found.related_id if reverses else None,
            "group_seq": found.group_seq,
            "code": found.code,
            "reference": found.reference,
            "metadata": found.metadata or None,
            "requested": None if terms is None else terms.requested,
            "rate": None if terms is None else terms.rate,
            "beyond_limits": True if terms is not None and terms.beyond_limits else None,
        }
    )


def detail(found: TransferDetail) -> Shape:
    """A transfer with what has become of it since."""
    return {
        **transfer(found.transfer, state=found.state),
        **_set(
            {
                "expires_at": found.expires_at,
                "resolved_by": found.resolved_by,
                "reversed_amount": found.reversed_amount or None,
                "transaction": found.transaction,
            }
        ),
    }


def recorded(outcome: Outcome) -> Shape:
    """What a transfer command recorded, now (`created`) or before (`exists`)."""
    made = outcome.transfer
    if made is None:
        return {"result": outcome.status.value}
    opened = made.kind is TransferKind.PENDING and outcome.status is OutcomeStatus.CREATED
    shape = transfer(made, state=HoldState.OPEN if opened else None)
    if outcome.remainder is not None:
        shape["remainder_id"] = outcome.remainder.id
    return {"result": outcome.status.value, **shape}


def entered(outcome: Outcome) -> Shape:
    """The journal entry that a command recorded, now (`created`) or before (`exists`)."""
    made = outcome.transaction
    if made is None:
        return {"result": outcome.status.value}
    return {
        "result": outcome.status.value,
        **_set(
            {
                "id": made.id,
                "first_seq": made.first_seq,
                "last_seq": made.last_seq,
                "recorded_at": made.recorded_at,
                "effective_at": made.effective_at,
                "code": made.code,
                "reference": made.reference,
                "metadata": made.metadata or None,
                "template": made.template,
                "beyond_limits": True if made.beyond_limits else None,
            }
        ),
        "postings": [
            {
                "account": posting.account,
                "side": posting.side.value,
                "amount": posting.amount,
                "currency": posting.currency,
            }
            for posting in made.postings
        ],
        "transfers": [transfer(one) for one in outcome.transfers],
    }


def entry(found: Entry) -> Shape:
    """A transfer as its account sees it, with the posted balance after it."""
    return {
        "seq": found.seq,
        "side": found.side.value,
        "amount": found.amount,
        "balance": found.balance,
        **counters(found.after),
        "value_at": found.value_at,
        "transfer": transfer(found.transfer),
    }


def account_event(found: AccountEvent) -> Shape:
    """What happened to an account, beside transfers."""
    return _set(
        {
            "seq": found.seq,
            "kind": found.kind.value,
            "account": found.account,
            "status": found.status.value,
            "max_net_debit": found.max_net_debit,
            "max_net_credit": found.max_net_credit,
            "recorded_at": found.recorded_at,
        }
    )


def _set(shape: Shape) -> Shape:
    """`shape` without what is not set."""
    return {name: value for name, value in shape.items() if value is not None}
