"""The errors of lists and decisions.

CaudalError
├── Unprocessable  422  entry_invalid, label_invalid, application_invalid, payment_undecidable
├── Conflict       409  no_model_serves, decision_differs
└── NotFound       404  entry_not_found, decision_not_found
"""

from caudal_base.errors import Conflict, NotFound, Unprocessable


class EntryInvalid(Unprocessable):
    """An entry that can never match, or says not why it is there; `field` tells."""

    code = "entry_invalid"
    title = "This cannot stand on a list"


class EntryNotFound(NotFound):
    """The list has no such entry."""

    code = "entry_not_found"
    title = "The list has no such entry"


class DecisionNotFound(NotFound):
    """No decision has this id."""

    code = "decision_not_found"
    title = "There is no such decision"


class LabelInvalid(Unprocessable):
    """Something that cannot be said of a decision; `field` tells."""

    code = "label_invalid"
    title = "This cannot be said of a decision"


class ApplicationInvalid(Unprocessable):
    """An application that no model could read; `field` tells."""

    code = "application_invalid"
    title = "This cannot be decided on"


class NoModelServes(Conflict):
    """Nobody could decide on an application: a model must serve in the book."""

    code = "no_model_serves"
    title = "No model decides in this book"


class PaymentInvalid(Unprocessable):
    """A payment that is carried out elsewhere, and that none could be; `field` tells."""

    code = "payment_undecidable"
    title = "This payment cannot be decided on"


class DecisionDiffers(Conflict):
    """The caller's name of a payment was decided on before, and it was another payment then."""

    code = "decision_differs"
    title = "This subject was decided on as another payment"
