"""The errors of lists and decisions.

CaudalError
├── Unprocessable  422  entry_invalid, label_invalid
└── NotFound       404  entry_not_found, decision_not_found
"""

from caudal_base.errors import NotFound, Unprocessable


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
