"""How the ledger's enums stand in the database: as small integers, whose meaning never changes."""

from typing import Final
from uuid import UUID

import msgspec

from caudal.ledger.types import AccountEventKind, AccountStatus, HoldState, TransferKind

KIND_CODE: Final = {
    TransferKind.POSTED: 1,
    TransferKind.PENDING: 2,
    TransferKind.POST: 3,
    TransferKind.VOID: 4,
    TransferKind.EXPIRY: 5,
    TransferKind.REVERSAL: 6,
}
KIND_OF: Final = {code: kind for kind, code in KIND_CODE.items()}

STATUS_CODE: Final = {AccountStatus.OPEN: 1, AccountStatus.FROZEN: 2, AccountStatus.CLOSED: 3}
STATUS_OF: Final = {code: status for status, code in STATUS_CODE.items()}

HOLD_CODE: Final = {HoldState.OPEN: 1, HoldState.POSTED: 2, HoldState.VOIDED: 3, HoldState.EXPIRED: 4}
HOLD_OF: Final = {code: state for state, code in HOLD_CODE.items()}

EVENT_CODE: Final = {
    AccountEventKind.OPENED: 1,
    AccountEventKind.FROZEN: 2,
    AccountEventKind.UNFROZEN: 3,
    AccountEventKind.CLOSED: 4,
    AccountEventKind.REOPENED: 5,
    AccountEventKind.LIMIT_CHANGED: 6,
}
EVENT_OF: Final = {code: kind for kind, code in EVENT_CODE.items()}


def account_id(value: UUID) -> str:
    """The external id of an account's UUID."""
    return "acct_" + value.hex


def transfer_id(value: UUID) -> str:
    """The external id of a transfer's UUID."""
    return "tr_" + value.hex


def transaction_id(value: UUID) -> str:
    """The external id of a journal entry's UUID."""
    return "txn_" + value.hex


def to_json(value: object) -> bytes | None:
    """JSON text for a jsonb column; nothing for None and for empty metadata."""
    return msgspec.json.encode(value) if value else None
