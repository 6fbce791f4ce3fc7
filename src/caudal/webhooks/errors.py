"""The webhooks room's typed errors."""

from caudal_base.errors import Conflict, NotFound


class InboundNotFound(NotFound):
    """The book has no webhook with this id."""

    code = "webhook_not_found"
    title = "There is no such webhook"


class InboundSettled(Conflict):
    """Only a webhook that has not had its effect can be tried again."""

    code = "webhook_settled"
    title = "The webhook has had its effect"


class InboundForgotten(Conflict):
    """Nobody replayed it in time: its body has been removed, so that there is nothing to apply."""

    code = "webhook_forgotten"
    title = "The webhook's body has been removed"
