"""The typed errors of models.

CaudalError
├── NotFound                    404  model_not_found
├── Conflict                    409
│   ├── StageRefused                 model_stage
│   ├── SamePerson                   model_same_person
│   └── NothingToRollBack            model_nothing_to_roll_back
├── Unprocessable               422
│   ├── ModelInvalid                 model_invalid
│   │   ├── ModelCorrupt             model_corrupt
│   │   ├── ModelSchemaUnknown       model_schema_unknown
│   │   └── ModelHashMismatch        model_hash_mismatch
│   ├── GateClosed                   model_gate_closed
│   └── ServingInvalid               model_serving_invalid
└── Unavailable                 503
    └── LibraryMissing               model_library_missing
"""

from caudal_base.errors import Conflict, NotFound, Unavailable, Unprocessable


class ModelNotFound(NotFound):
    """The book has no model of this id, or of this name and version."""

    code = "model_not_found"
    title = "There is no such model"


class StageRefused(Conflict):
    """The model cannot go from its stage to the one that is wanted."""

    code = "model_stage"
    title = "The model cannot change to this stage"


class SamePerson(Conflict):
    """Who registered a model does not let it decide: another person must."""

    code = "model_same_person"
    title = "Another person must approve this"


class NothingToRollBack(Conflict):
    """No other champion served before the present one."""

    code = "model_nothing_to_roll_back"
    title = "There is nothing to go back to"


class ModelInvalid(Unprocessable):
    """A model that cannot be: `field` names the part of the card at fault, or `artifact`."""

    code = "model_invalid"
    title = "The model cannot be so"


class ModelCorrupt(ModelInvalid):
    """The file is not whole, or its artifact is not of the kind that its card says."""

    code = "model_corrupt"
    title = "The model's file is corrupt"


class ModelSchemaUnknown(ModelInvalid):
    """The card is of another schema than those that are read here."""

    code = "model_schema_unknown"
    title = "The model's card is of another schema"


class ModelHashMismatch(ModelInvalid):
    """The content is not what its hash says."""

    code = "model_hash_mismatch"
    title = "The model's content does not match its hash"


class GateClosed(Unprocessable):
    """The model does not meet what the book asks of one that decides; `missing` lists what."""

    code = "model_gate_closed"
    title = "The model does not pass the gate"


class ServingInvalid(Unprocessable):
    """Terms of serving that cannot be: thresholds out of order, a bound that is none."""

    code = "model_serving_invalid"
    title = "The terms of serving cannot be so"


class LibraryMissing(Unavailable):
    """The library that runs models of this kind is not installed here: `caudal[models]`."""

    code = "model_library_missing"
    title = "The library for models of this kind is not installed"
