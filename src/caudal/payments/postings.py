"""The ledger postings of the table: for each `Posting`, the transfers it makes and what the payment keeps.

All transfers of one posting are a linked group. What the outside world has done already is posted
`beyond_limits`; what a caller asks for is not. Ids follow from the payment's id and version, so that a batch
that runs again makes the same ones.

Of a payment with a fee of ours, the share that a partial capture brings is cumulative: after captures of `c`
in total, `fee * c // amount` has been charged, so that a full capture charges the fee to the minor unit.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from caudal.connectors import Operation, PartnerFee, Settlement
from caudal.ledger import (
    AccountId,
    Command,
    CreateTransfer,
    PostPending,
    Remainder,
    TransferId,
    VoidPending,
    derived_id,
)
from caudal.payments import accounts
from caudal.payments.guards import Situation
from caudal.payments.part_rules import DisputePosting, RefundPosting
from caudal.payments.reports import captured_in
from caudal.payments.terms import Posting
from caudal.payments.types import Payment, PaymentKind, Refund
from caudal_base.check import check


class Planned(NamedTuple):
    """What is asked of the ledger, and what changes on the payment with it."""

    commands: list[Command]
    changes: Mapping[str, Any]


_NONE: Final = Planned([], {})


def plan(posting: Posting, situation: Situation) -> Planned:
    """The transfers of a row's posting."""
    return _PLANS[posting](situation)


def _linked(commands: list[Command]) -> list[Command]:
    """One group: all of it or nothing."""
    return [
        *(msgspec.structs.replace(command, linked=True) for command in commands[:-1]),
        *commands[-1:],
    ]


def _id(payment: Payment, label: str) -> TransferId:
    return TransferId(derived_id("tr", payment.id, f"{label}:{payment.version}"))


def _sides(payment: Payment) -> tuple[AccountId, AccountId]:
    """The debited and the credited account of money that goes the payment's way."""
    customer = accounts.wallet(payment.customer, payment.currency)
    if payment.kind is PaymentKind.INTERNAL:
        check(payment.destination is not None, "an internal payment has a destination")
        return customer, accounts.wallet(payment.destination or "", payment.currency)
    check(payment.partner is not None, "a payment through a partner names it")
    through = accounts.clearing(payment.partner or "", payment.currency)
    return (through, customer) if payment.kind is PaymentKind.PAY_IN else (customer, through)


def _transfer(payment: Payment, label: str, amount: int, *, pending: bool = False, forced: bool = False,
              back: bool = False) -> CreateTransfer:  # fmt: skip
    debit, credit = _sides(payment)
    if back:
        debit, credit = credit, debit
    return CreateTransfer(
        id=_id(payment, label),
        debit_account=debit,
        credit_account=credit,
        amount=amount,
        currency=payment.currency,
        pending=pending,
        code=f"payment.{payment.kind.value}" if not back else f"payment.{payment.kind.value}.back",
        reference=payment.id,
        beyond_limits=forced,
    )


def _fee(payment: Payment, amount: int, *, pending: bool = False, forced: bool = False) -> CreateTransfer:
    return CreateTransfer(
        id=_id(payment, "fee"),
        debit_account=accounts.wallet(payment.customer, payment.currency),
        credit_account=accounts.income(payment.currency),
        amount=amount,
        currency=payment.currency,
        pending=pending,
        code="payment.fee",
        reference=payment.id,
        beyond_limits=forced,
    )


def _reserve(situation: Situation) -> Planned:
    payment = situation.payment
    hold = _transfer(payment, "hold", payment.amount, pending=True)
    commands: list[Command] = [hold]
    changes: dict[str, Any] = {"hold_id": hold.id}
    # Of a pay-in the fee is taken from what arrives; of the others it must be there.
    if payment.fee and payment.kind is not PaymentKind.PAY_IN:
        fee = _fee(payment, payment.fee, pending=True)
        commands.append(fee)
        changes["fee_hold_id"] = fee.id
    return Planned(_linked(commands), changes)


def _void(payment: Payment, name: str, hold: str) -> VoidPending:
    return VoidPending(
        id=_id(payment, f"release:{name}"), pending_id=TransferId(hold), code="payment.release",
        reference=payment.id,
    )  # fmt: skip


def _release(situation: Situation) -> Planned:
    payment = situation.payment
    commands: list[Command] = [
        _void(payment, name, hold)
        for name, hold in (("hold", payment.hold_id), ("fee", payment.fee_hold_id))
        if hold is not None
    ]
    return Planned(_linked(commands), {"hold_id": None, "fee_hold_id": None})


def _rehold(situation: Situation) -> Planned:
    """The hold goes to the clearing account of the next partner; our fee's hold has nothing to do with it."""
    payment, again = situation.payment, situation.again
    changes: dict[str, Any] = {"partner_id": None, "related": {}}
    if again is None or again.partner == payment.partner or payment.hold_id is None:
        return Planned([], changes)
    moved = msgspec.structs.replace(payment, partner=again.partner)
    # What is held already cannot be lacking: neither a limit nor a freeze stands in its way.
    hold = _transfer(moved, "hold", payment.amount, pending=True, forced=True)
    commands: list[Command] = [_void(payment, "hold", payment.hold_id), hold]
    return Planned(_linked(commands), {**changes, "partner": again.partner, "hold_id": hold.id})


def _move(situation: Situation) -> Planned:
    payment = situation.payment
    commands: list[Command] = [_transfer(payment, "move", payment.amount)]
    if payment.fee:
        commands.append(_fee(payment, payment.fee))
    return Planned(_linked(commands), {"captured_amount": payment.amount, "fee_amount": payment.fee})


def _total(situation: Situation) -> int:
    """What has been captured in total once the event has been taken in."""
    payment, snapshot = situation.payment, situation.snapshot
    if snapshot is not None:
        return captured_in(snapshot)
    capture = situation.capture
    if situation.operation is Operation.CAPTURE and capture is not None:
        return payment.captured_amount + capture.amount
    return payment.amount


def _post_up_to(situation: Situation, total: int, *, keep_rest: bool) -> Planned:
    """Post what brings the captured amount to `total`; hold the rest anew, or release it."""
    payment = situation.payment
    amount = total - payment.captured_amount
    held = payment.authorised_amount or payment.amount
    rest = held - payment.captured_amount
    check(amount >= 0, "what was captured does not become less")
    if payment.hold_id is None or amount > rest:
        return _post_unheld(situation, total)
    if amount == 0:
        return _NONE if keep_rest else _release(situation)
    post = PostPending(
        id=_id(payment, "post"), pending_id=TransferId(payment.hold_id), amount=amount,
        remainder=Remainder.HOLD if keep_rest else Remainder.RELEASE,
        code=f"payment.{payment.kind.value}", reference=payment.id, beyond_limits=True,
    )  # fmt: skip
    commands: list[Command] = [post]
    changes: dict[str, Any] = {
        "captured_amount": total,
        "hold_id": derived_id("tr", post.id, "remainder") if keep_rest and amount < rest else None,
    }
    _add_fee(payment, total, commands, changes)
    return Planned(_linked(commands), changes)


def _add_fee(payment: Payment, total: int, commands: list[Command], changes: dict[str, Any]) -> None:
    if payment.fee_hold_id is not None:
        commands.append(
            PostPending(
                id=_id(payment, "fee"), pending_id=TransferId(payment.fee_hold_id), code="payment.fee",
                reference=payment.id, beyond_limits=True,
            )
        )  # fmt: skip
        changes |= {"fee_hold_id": None, "fee_amount": payment.fee}
    elif payment.kind is PaymentKind.PAY_IN and payment.fee:
        due = payment.fee * total // payment.amount - payment.fee_amount
        if due > 0:
            commands.append(_fee(payment, due, forced=True))
            changes["fee_amount"] = payment.fee_amount + due


def _post_unheld(situation: Situation, total: int) -> Planned:
    """Post, beyond limits, what moved without a hold that covers it."""
    payment = situation.payment
    amount = total - payment.captured_amount
    commands = _release(situation).commands
    changes: dict[str, Any] = {"captured_amount": total, "hold_id": None, "fee_hold_id": None}
    if amount:
        commands.append(_transfer(payment, "late", amount, forced=True))
    unheld = msgspec.structs.replace(payment, fee_hold_id=None)
    _add_fee(unheld, total, commands, changes)
    return Planned(_linked([msgspec.structs.replace(c, linked=False) for c in commands]), changes)


def _post(situation: Situation) -> Planned:
    return _post_up_to(situation, situation.payment.amount, keep_rest=False)


def _post_part(situation: Situation) -> Planned:
    planned = _post_up_to(situation, _total(situation), keep_rest=True)
    payment = situation.payment
    # What is captured in part was authorised, heard of or not.
    return Planned(
        planned.commands,
        {"authorised_amount": payment.authorised_amount or payment.amount, **planned.changes},
    )


def _post_last(situation: Situation) -> Planned:
    return _post_up_to(situation, _total(situation), keep_rest=False)


def _post_reported(situation: Situation) -> Planned:
    return _post_up_to(situation, situation.payment.reported_amount or 0, keep_rest=False)


def _enlarge(situation: Situation) -> Planned:
    payment, snapshot, live = situation.payment, situation.snapshot, situation.case.live
    if snapshot is not None:
        total = snapshot.amount
    else:
        # A person says so, of the attempt or of what the partner reported.
        total = live.amount if live is not None else payment.reported_amount or 0
    hold = _transfer(payment, "hold", total - payment.captured_amount, pending=True, forced=True)
    commands: list[Command] = [hold]
    if payment.hold_id is not None:
        commands.insert(0, _void(payment, "hold", payment.hold_id))
    return Planned(_linked(commands), {"hold_id": hold.id, "authorised_amount": total})


def _take_back(situation: Situation) -> Planned:
    payment = situation.payment
    if payment.captured_amount == 0:
        return _NONE
    return Planned([_transfer(payment, "return", payment.captured_amount, forced=True, back=True)], {})


def _post_and_take_back(situation: Situation) -> Planned:
    payment, snapshot = situation.payment, situation.snapshot
    said = None if snapshot is None else snapshot.captured
    total = max(said or payment.captured_amount or payment.amount, payment.captured_amount)
    posted = _post_up_to(situation, total, keep_rest=False)
    back = _transfer(payment, "return", total, forced=True, back=True)
    commands = [msgspec.structs.replace(command, linked=False) for command in (*posted.commands, back)]
    return Planned(_linked(commands), posted.changes)


_PLANS: Final[Mapping[Posting, Callable[[Situation], Planned]]] = {
    Posting.NOTHING: lambda _: _NONE,
    Posting.RESERVE: _reserve,
    Posting.REHOLD: _rehold,
    Posting.RELEASE: _release,
    Posting.MOVE: _move,
    Posting.POST: _post,
    Posting.POST_PART: _post_part,
    Posting.POST_LAST: _post_last,
    Posting.POST_REPORTED: _post_reported,
    Posting.ENLARGE: _enlarge,
    Posting.POST_LATE: _post_last,
    Posting.TAKE_BACK: _take_back,
    Posting.POST_AND_TAKE_BACK: _post_and_take_back,
}


def refund_plan(posting: RefundPosting, payment: Payment, refund: Refund) -> tuple[list[Command], str | None]:
    """The transfers of a refund's posting, and the id of the transfer that the refund then stands on."""
    if posting is RefundPosting.NOTHING:
        return [], refund.hold_id
    label = f"{posting.value}:{payment.version}"
    new_id = TransferId(derived_id("tr", refund.id, label))
    held = TransferId(refund.hold_id or "")
    if posting is RefundPosting.POST:
        return [PostPending(id=new_id, pending_id=held, code="refund", reference=payment.id,
                            beyond_limits=True)], new_id  # fmt: skip
    if posting is RefundPosting.RELEASE:
        return [VoidPending(id=new_id, pending_id=held, code="refund.release", reference=payment.id)], None
    back = posting is not RefundPosting.REVERSE
    debit, credit = _sides(payment)
    if back:
        debit, credit = credit, debit
    command = CreateTransfer(
        id=new_id, debit_account=debit, credit_account=credit, amount=refund.amount,
        currency=payment.currency,
        pending=posting in (RefundPosting.RESERVE, RefundPosting.RESERVE_FORCED),
        code="refund" if back else "refund.failed", reference=payment.id,
        beyond_limits=posting is not RefundPosting.RESERVE,
    )  # fmt: skip
    return [command], new_id if back else None


def dispute_plan(posting: DisputePosting, payment: Payment, dispute_id: str, amount: int, version: int
                 ) -> list[Command]:  # fmt: skip
    """The transfers of a dispute's posting: funds leave when it opens, and return when it is won."""
    debit, credit = _sides(payment)
    legs = {
        DisputePosting.NOTHING: (),
        DisputePosting.WITHDRAW: ("withdrawn",),
        DisputePosting.REINSTATE: ("reinstated",),
        DisputePosting.BOTH: ("withdrawn", "reinstated"),
    }[posting]
    return _linked(
        [
            CreateTransfer(
                id=TransferId(derived_id("tr", dispute_id, f"{leg}:{version}")),
                debit_account=credit if leg == "withdrawn" else debit,
                credit_account=debit if leg == "withdrawn" else credit,
                amount=amount, currency=payment.currency, code=f"dispute.{leg}", reference=payment.id,
                beyond_limits=True,
            )
            for leg in legs
        ]
    )  # fmt: skip


def fee_transfer(partner: str, fee: PartnerFee, reference: str | None) -> CreateTransfer:
    """The posting of a partner's fee. Its id follows from the partner's id of it, so it is posted once."""
    cost, owed = accounts.partner_fees(partner, fee.currency), accounts.clearing(partner, fee.currency)
    given_back = fee.amount < 0
    return CreateTransfer(
        id=fee_transfer_id(partner, fee.partner_id),
        debit_account=owed if given_back else cost,
        credit_account=cost if given_back else owed,
        amount=abs(fee.amount), currency=fee.currency, code="partner.fee", reference=reference,
        beyond_limits=True,
    )  # fmt: skip


def fee_transfer_id(partner: str, partner_id: str) -> TransferId:
    """Under which id a partner's fee stands in the ledger."""
    return TransferId(derived_id("tr", "tr_" + "0" * 32, f"fee:{partner}:{partner_id}"))


def settlement_transfer(partner: str, settlement: Settlement) -> CreateTransfer:
    """The posting of a batch that a partner has paid out to our bank account, or drawn from it."""
    owed, own = (
        accounts.clearing(partner, settlement.currency),
        accounts.bank(settlement.currency),
    )
    drawn = settlement.amount < 0
    return CreateTransfer(
        id=settlement_transfer_id(partner, settlement.partner_id),
        debit_account=owed if drawn else own,
        credit_account=own if drawn else owed,
        amount=abs(settlement.amount), currency=settlement.currency, code="partner.settlement",
        reference=settlement.partner_id, beyond_limits=True,
    )  # fmt: skip


def settlement_transfer_id(partner: str, partner_id: str) -> TransferId:
    """Under which id a settlement stands in the ledger."""
    return TransferId(derived_id("tr", "tr_" + "0" * 32, f"settlement:{partner}:{partner_id}"))
