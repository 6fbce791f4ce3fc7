"""The typed errors of cases.

CaudalError
├── NotFound       404  case_not_found
├── Unprocessable  422  case_invalid
└── Conflict       409  case_closed, case_open_already, case_exists
"""

from caudal_base.errors import Conflict, NotFound, Unprocessable


class CaseNotFound(NotFound):
    """No case of the book has this id."""

    code = "case_not_found"
    title = "There is no such case"


class CaseInvalid(Unprocessable):
    """A case, a note or an assignment that cannot be so: `field` says what of it."""

    code = "case_invalid"
    title = "The case cannot be so"


class CaseClosed(Conflict):
    """The case is closed: reopen it first."""

    code = "case_closed"
    title = "The case is closed"


class CaseOpenAlready(Conflict):
    """Another case of this kind and key is open, and there is one at a time; `case` says which."""

    code = "case_open_already"
    title = "Another case is open under this key"


class CaseExists(Conflict):
    """The id belongs to a case of another kind or key."""

    code = "case_exists"
    title = "Another case has this id"
