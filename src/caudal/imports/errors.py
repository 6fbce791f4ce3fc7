"""The errors of imports.

CaudalError
├── InvalidRequest 400  file_unreadable, description_invalid
├── NotFound       404  not_imported
└── Unprocessable  422  file_unsuitable, row_invalid, import_stopped
"""

from caudal.imports.types import ImportReport, RowError
from caudal_base.errors import InvalidRequest, NotFound, Unprocessable


class FileUnreadable(InvalidRequest):
    """There is no such file, or it may not be read."""

    code = "file_unreadable"
    title = "The file cannot be read"


class FileUnsuitable(Unprocessable):
    """A file whose header lacks a column that is needed, or has it twice."""

    code = "file_unsuitable"
    title = "The file is not as described"


class DescriptionInvalid(InvalidRequest):
    """A description that contradicts itself, or says too little."""

    code = "description_invalid"
    title = "The description does not work"


class RowInvalid(Unprocessable):
    """A row of a file that says something it cannot mean."""

    code = "row_invalid"
    title = "A row of the file is not valid"

    def __init__(self, error: RowError) -> None:
        """`error` says where and what."""
        super().__init__(
            error.text(), field=error.column, file=error.file, line=error.line, reason=error.code
        )
        self.error = error


class ImportStopped(Unprocessable):
    """A row that cannot be imported; the rows before it are, and nothing of it or behind it."""

    code = "import_stopped"
    title = "The import stopped at a row"

    def __init__(self, error: RowError, report: ImportReport) -> None:
        """`report` is of the rows before."""
        super().__init__(
            f"{error.text()}; the {report.rows} rows before it are imported",
            field=error.column,
            file=error.file,
            line=error.line,
            reason=error.code,
        )
        self.error = error
        self.report = report


class NotImported(NotFound):
    """Nothing of these files is in the book."""

    code = "not_imported"
    title = "These files have not been imported"
