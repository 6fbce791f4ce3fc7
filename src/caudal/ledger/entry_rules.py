"""The rules of journal entries: many postings, carried by as few transfers as their order allows."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from caudal.ledger.admission import CURRENCIES, wrong_amount
from caudal.ledger.book import Book, Savepoint
from caudal.ledger.commands import CreateTransfer, RecordTransaction
from caudal.ledger.comparison import entry_transfer_id, existing_transaction
from caudal.ledger.refusals import refused
from caudal.ledger.transfer_rules import create
from caudal.ledger.types import (
    AccountId,
    Outcome,
    OutcomeStatus,
    Posting,
    Refusal,
    Side,
    Transaction,
    Transfer,
)
from caudal_base.check import check


def pair(postings: Sequence[Posting]) -> list[tuple[Posting, Posting, int]]:
    """Debits and credits paired greedily in the caller's order, per currency: `(debit, credit, amount)`.

    Takes postings that balance. Of n postings at most n - 1 pairs per currency are made.
    """
    queues: dict[str, tuple[list[Posting], list[Posting]]] = defaultdict(lambda: ([], []))
    for posting in postings:
        queues[posting.currency][0 if posting.side is Side.DEBIT else 1].append(posting)
    pairs = []
    for debits, credits in queues.values():
        debit_index = credit_index = 0
        debit_left, credit_left = debits[0].amount, credits[0].amount
        while True:
            amount = min(debit_left, credit_left)
            pairs.append((debits[debit_index], credits[credit_index], amount))
            debit_left -= amount
            credit_left -= amount
            if debit_left == 0:
                debit_index += 1
                if debit_index == len(debits):
                    check(credit_left == 0 and credit_index == len(credits) - 1, "postings were balanced")
                    break
                debit_left = debits[debit_index].amount
            if credit_left == 0:
                credit_index += 1
                check(credit_index < len(credits), "postings were balanced")
                credit_left = credits[credit_index].amount
    return pairs


def record(book: Book, command: RecordTransaction) -> Outcome:
    """All of a journal entry, or nothing of it."""
    wrong = wrong_postings(command.postings)
    if wrong is not None:
        return wrong
    before = book.transactions.get(command.id)
    if before is not None:
        return existing_transaction(book, before, command)
    reason = book.refused_ids.get(command.id)
    if reason is not None:
        return refused("id_already_refused", f"refused before: {reason}", "id")
    point = Savepoint(book)
    alone = book.group_seq is None
    if alone:
        book.group_seq = book.seq + 1
    transfers: list[Transfer] = []
    for index, (debit, credit, amount) in enumerate(pair(command.postings)):
        outcome = create(book, _leg(command, index, debit, credit, amount))
        if outcome.refusal is not None:
            point.restore()
            at_fault = credit if (outcome.refusal.field or "").startswith("credit") else debit
            return Outcome(
                OutcomeStatus.REFUSED, refusal=_of_entry(outcome.refusal, command.postings, at_fault)
            )
        if outcome.transfer is not None:
            transfers.append(outcome.transfer)
            if outcome.transfer.id in book.corrected:
                book.corrected.add(command.id)
    if alone:
        book.group_seq = None
    point.release()
    transaction = Transaction(
        id=command.id,
        first_seq=transfers[0].seq,
        last_seq=transfers[-1].seq,
        recorded_at=book.recorded_at,
        postings=command.postings,
        effective_at=command.effective_at,
        code=command.code,
        reference=command.reference,
        metadata=command.metadata,
        template=command.template,
        beyond_limits=command.beyond_limits,
    )
    book.new_transactions.append(transaction)
    book.transactions[transaction.id] = transaction
    return Outcome(OutcomeStatus.CREATED, transaction=transaction, transfers=tuple(transfers))


def _leg(
    command: RecordTransaction, index: int, debit: Posting, credit: Posting, amount: int
) -> CreateTransfer:
    """The transfer that carries a pair of postings."""
    return CreateTransfer(
        id=entry_transfer_id(command.id, index),
        debit_account=debit.account,
        credit_account=credit.account,
        amount=amount,
        currency=debit.currency,
        effective_at=command.effective_at,
        code=command.code,
        reference=command.reference,
        metadata=command.metadata,
        beyond_limits=command.beyond_limits,
        may_post_closed=command.may_post_closed,
        may_correct=command.may_correct,
    )


def _of_entry(refusal: Refusal, postings: Sequence[Posting], at_fault: Posting) -> Refusal:
    """A transfer's refusal, told in terms of the posting that it came from."""
    if refusal.field == "effective_at":
        return refusal
    index = next(number for number, posting in enumerate(postings) if posting is at_fault)
    part = "amount" if refusal.field == "amount" else "account"
    return msgspec.structs.replace(refusal, field=f"postings[{index}].{part}")


def wrong_postings(postings: Sequence[Posting]) -> Outcome | None:
    """Refuse postings that are no journal entry, whatever the state of the book."""
    totals: dict[str, int] = defaultdict(int)
    sides: dict[str, set[Side]] = defaultdict(set)
    for index, posting in enumerate(postings):
        wrong = wrong_amount(posting.amount, f"postings[{index}].amount")
        if wrong is not None:
            return wrong
    for index, posting in enumerate(postings):
        if posting.currency not in CURRENCIES:
            field = f"postings[{index}].currency"
            return refused("unknown_currency", f"{posting.currency!r} is no ISO 4217 currency", field)
        totals[posting.currency] += posting.amount if posting.side is Side.DEBIT else -posting.amount
        sides[posting.currency].add(posting.side)
    side_of: dict[AccountId, Side] = {}
    for index, posting in enumerate(postings):
        if side_of.setdefault(posting.account, posting.side) is not posting.side:
            return refused("same_account", "an account is debited and credited", f"postings[{index}].account")
    if not postings:
        return refused("postings_missing", "there is nothing to post", "postings")
    for currency, total in totals.items():
        if len(sides[currency]) < 2 or total != 0:
            return refused("postings_unbalanced", f"{currency}: debits less credits are {total}", "postings")
    return None
