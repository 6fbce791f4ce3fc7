"""The typed errors of anomalies.

CaudalError
├── NotFound        404  anomaly_not_found, anomaly_stream_not_found
└── Unprocessable   422  anomaly_stream_invalid, anomaly_silence_invalid
"""

from caudal_base.errors import NotFound, Unprocessable


class AnomalyNotFound(NotFound):
    """No anomaly of the book has this id."""

    code = "anomaly_not_found"
    title = "There is no such anomaly"


class AnomalyStreamNotFound(NotFound):
    """The book has no stream of this name."""

    code = "anomaly_stream_not_found"
    title = "There is no such stream"


class AnomalyStreamInvalid(Unprocessable):
    """A stream that cannot be watched so: `field` says what of it."""

    code = "anomaly_stream_invalid"
    title = "The stream cannot be so"


class AnomalySilenceInvalid(Unprocessable):
    """A silence of nothing, or until a moment that is not to come."""

    code = "anomaly_silence_invalid"
    title = "The silence cannot be so"
