"""The typed errors of objectives.

CaudalError
├── NotFound             404  objective_not_found
└── Unprocessable
    └── ObjectiveInvalid 422  objective_invalid
"""

from caudal_base.errors import NotFound, Unprocessable


class ObjectiveNotFound(NotFound):
    """The book has no objective of this name."""

    code = "objective_not_found"
    title = "There is no such objective"


class ObjectiveInvalid(Unprocessable):
    """An objective that cannot be: a name, a time or a share that is out of bounds."""

    code = "objective_invalid"
    title = "The objective cannot be so"
