"""The jobs room's typed errors."""

from caudal_base.errors import CaudalError, Conflict, NotFound, PayloadTooLarge


class JobNotFound(NotFound):
    """No job with this id is in the book: it never was, it succeeded, or its retention is over."""

    code = "job_not_found"
    title = "There is no such job"


class JobStateConflict(Conflict):
    """What was asked for does not fit the job's state, such as to cancel one that runs."""

    code = "job_state_conflict"
    title = "The job's state does not allow this"


class JobBusy(Conflict):
    """A worker holds the job or its key at this very moment; nothing was changed."""

    code = "job_busy"
    title = "The job is being worked on"
    retry_after = 1


class JobPayloadTooLarge(PayloadTooLarge):
    """A job's payload is a reference to data, not the data: at most 64 KiB."""

    code = "job_payload_too_large"
    title = "The job's payload is too large"


class ClaimLost(CaudalError):
    """The claim on a job has expired and another worker has the job: this one must not have an effect.

    Raised inside the handler's transaction, so that it is rolled back.
    """

    code = "job_claim_lost"
    title = "Another worker has taken over the job"
