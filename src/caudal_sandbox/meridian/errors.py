"""What Meridian refuses with an HTTP status of its own; declines are no refusals, but results."""


class Refusal(Exception):
    """Meridian does not do it: nothing has changed. Shown as `{"status", "errorCode", "message"}`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """`status` is HTTP's; `code` is stable (`M-301`); `message` is for developers."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def malformed(message: str) -> Refusal:
    """A request that cannot be read."""
    return Refusal(400, "M-100", message)


def not_found(message: str) -> Refusal:
    """No such object. 422, as for all that is refused for its content."""
    return Refusal(422, "M-300", message)


def wrong_state(message: str) -> Refusal:
    """The object's state does not allow it."""
    return Refusal(422, "M-301", message)
