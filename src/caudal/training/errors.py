"""The typed errors of training.

CaudalError
├── InvalidRequest              400
│   ├── ColumnUnknown                column_unknown
│   └── ColumnUnfit                  column_unfit
└── Unprocessable               422
    ├── DataUnreadable               data_unreadable
    ├── TargetUnclear                target_unclear
    └── DataTooSmall                 data_too_small
"""

from caudal_base.errors import InvalidRequest, Unprocessable


class ColumnUnknown(InvalidRequest):
    """A column is named that the file does not have."""

    code = "column_unknown"
    title = "The file has no such column"


class ColumnUnfit(InvalidRequest):
    """A column is not what it is asked to be: a target of one value, a time that is none."""

    code = "column_unfit"
    title = "The column is not fit for this"


class DataUnreadable(Unprocessable):
    """The file is no CSV with a header and no Parquet file, or has no rows."""

    code = "data_unreadable"
    title = "The data cannot be read"


class TargetUnclear(Unprocessable):
    """No column, or more than one, may be the outcome: it must be named."""

    code = "target_unclear"
    title = "It is not clear which column is the outcome"


class DataTooSmall(Unprocessable):
    """Too few rows, or too few of one outcome, to train and to validate on."""

    code = "data_too_small"
    title = "There is too little data"
