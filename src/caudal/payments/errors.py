"""The typed errors of reading payments. What a command is refused for stands in `refusals`."""

from caudal_base.errors import NotFound


class PaymentNotFound(NotFound):
    """No payment of the book has this id."""

    code = "payment_not_found"
    title = "There is no such payment"


class RefundNotFound(NotFound):
    """No refund of the book has this id."""

    code = "refund_not_found"
    title = "There is no such refund"


class DisputeNotFound(NotFound):
    """No dispute of the book has this id."""

    code = "dispute_not_found"
    title = "There is no such dispute"
