"""What the bank refuses."""


class Refusal(Exception):
    """The bank does not do it: nothing has changed. Shown as `{"error": {"code": …, "message": …}}`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """`status` is HTTP's; `code` is stable; `message` is for developers."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
