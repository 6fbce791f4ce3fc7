"""What callers may not write into their own fields of a command: personal data, and references of payments.

The rules do not ask for it: payments' own commands, which pass them too, have such references.
"""

from collections.abc import Sequence

from caudal.ledger.commands import ChangeLimit, ChangeStatus, Command
from caudal.ledger.errors import ReferenceReserved
from caudal.ledger.hold_rules import begins_with_a_payment
from caudal_base.personal import refuse_personal, refuse_personal_in


def refuse_unfit_texts(commands: Sequence[Command], *, items: str | None = None) -> None:
    """Raise for the first text of a caller's commands that must not be kept.

    `items` is the array of the request that the commands stand in: an error's field is then `items[3].code`.
    Raises `PersonalDataRefused` and `ReferenceReserved`, which never repeat the text.
    """
    for index, command in enumerate(commands):
        if isinstance(command, ChangeStatus | ChangeLimit):
            continue
        code, reference, metadata = command.code, command.reference, command.metadata
        if code is None and reference is None and metadata is None:
            continue
        path = "" if items is None else f"{items}[{index}]."
        refuse_personal(code, f"{path}code")
        refuse_reference(reference, f"{path}reference")
        refuse_personal_in(metadata, f"{path}metadata")


def refuse_reference(reference: str | None, field: str) -> None:
    """Raise for a reference that must not be kept: see `refuse_unfit_texts`."""
    if reference is None:
        return
    refuse_personal(reference, field)
    if begins_with_a_payment(reference):
        raise ReferenceReserved(
            "references that begin with a payment's id are those of payments", field=field
        )
