"""What exports and those who read them are told about."""

from caudal_base.errors import CaudalError, Conflict, NotFound


class ExportBusy(Conflict):
    """Another process is exporting into this directory."""

    code = "export_busy"
    title = "Another export writes into this directory"


class ExportForeign(Conflict):
    """The directory holds an export of another deployment, or of a database that was since set back."""

    code = "export_foreign"
    title = "This directory is the export of something else"


class ExportNewer(Conflict):
    """A newer version has written into this directory: this one would write less into it."""

    code = "export_newer"
    title = "A newer version has made this export"


class ExportOlder(Conflict):
    """A version has made this export whose decisions and labels have no numbers: begin anew."""

    code = "export_older"
    title = "An older version has made this export"


class ExportDamaged(Conflict):
    """The manifest cannot be read, or does not fit what is there."""

    code = "export_damaged"
    title = "This export is damaged"


class ExportMissing(NotFound):
    """There is no export in this directory, or none of this book."""

    code = "export_missing"
    title = "There is no such export"


class TrainingSetInvalid(CaudalError):
    """What is asked of history cannot be answered."""

    code = "training_set_invalid"
    status = 422
    title = "There can be no such training set"
