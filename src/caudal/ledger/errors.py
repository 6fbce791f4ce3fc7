"""The ledger's errors, beside the refusals of single commands (`refusals.REASONS`).

CaudalError
├── InvalidRequest 400  book_name_invalid
├── NotFound       404  book_not_found, account_not_found, transfer_not_found, transaction_not_found,
│                       template_not_found
├── Unprocessable  422  duplicate_id, period_not_over, reference_reserved, statement_days_reversed,
│                       template_invalid
└── Conflict       409  book_name_taken, period_already_closed
"""

from caudal_base.errors import Conflict, InvalidRequest, NotFound, Unprocessable


class BookNotFound(NotFound):
    """No such book, or none that the caller may see."""

    code = "book_not_found"
    title = "There is no such book"


class AccountNotFound(NotFound):
    """No account of the book has this id."""

    code = "account_not_found"
    title = "There is no such account"


class TransferNotFound(NotFound):
    """No transfer of the book has this id."""

    code = "transfer_not_found"
    title = "There is no such transfer"


class TransactionNotFound(NotFound):
    """No journal entry of the book has this id."""

    code = "transaction_not_found"
    title = "There is no such transaction"


class TemplateNotFound(NotFound):
    """No template of the book has this name and version."""

    code = "template_not_found"
    title = "There is no such template"


class TemplateInvalid(Unprocessable):
    """A template that can never give a journal entry, or parameters that do not fit it."""

    code = "template_invalid"
    title = "The template or its parameters do not fit"


class DuplicateId(Unprocessable):
    """A batch that names one id twice: nothing of it was carried out."""

    code = "duplicate_id"
    title = "The batch repeats an id"


class ReferenceReserved(Unprocessable):
    """A reference that begins with a payment's id: those are of payments' own transfers."""

    code = "reference_reserved"
    title = "This reference is reserved"


class PeriodNotOver(Unprocessable):
    """Only days that are over can be closed."""

    code = "period_not_over"
    title = "The period is not over"


class PeriodAlreadyClosed(Conflict):
    """The book is closed through this day or a later one."""

    code = "period_already_closed"
    title = "The period is closed already"


class BookNameTaken(Conflict):
    """Another book has this name."""

    code = "book_name_taken"
    title = "Another book has this name"


class BookNameInvalid(InvalidRequest):
    """A name that no book can have."""

    code = "book_name_invalid"
    title = "No book can have this name"


class StatementDaysReversed(Unprocessable):
    """A statement that would end before it starts."""

    code = "statement_days_reversed"
    title = "The statement's days are in the wrong order"
