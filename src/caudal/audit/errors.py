"""What the audit log refuses."""

from caudal_base.errors import InvariantError


class RecordRefused(InvariantError):
    """A record that may not be written: a secret, a float, or too much in it. A bug of the room that made it.

    The message names the place and the type, never the value.
    """

    code = "audit_record_refused"
    title = "An audit record cannot be written"
