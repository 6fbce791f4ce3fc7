"""The typed errors of delivery."""

from caudal_base.errors import Conflict, InvalidRequest, NotFound, Unprocessable


class EndpointNotFound(NotFound):
    """The book has no webhook endpoint with this id."""

    code = "webhook_endpoint_not_found"
    title = "There is no such webhook endpoint"


class DeliveryNotFound(NotFound):
    """The event has not been sent to this endpoint, or so long ago that nothing is kept of it."""

    code = "delivery_not_found"
    title = "There is no such delivery"


class EndpointUrlRefused(Unprocessable):
    """The URL is none that webhooks are sent to."""

    code = "webhook_url_refused"
    title = "Webhooks are not sent to such a URL"


class EndpointAddressRefused(Unprocessable):
    """The host is, or resolves to, an address that is not of the public internet."""

    code = "webhook_address_refused"
    title = "Webhooks are not sent to addresses inside a network"


class InvalidEventTypes(InvalidRequest):
    """A filter that is none, or that nothing can match."""

    code = "invalid_event_types"
    title = "This is not a type of event"


class TooManyEndpoints(Conflict):
    """The book has as many endpoints as it may have."""

    code = "too_many_webhook_endpoints"
    title = "The book has too many webhook endpoints"


class TooManySecrets(Conflict):
    """So many secrets of the endpoint sign that another one is only made without an overlap."""

    code = "too_many_webhook_secrets"
    title = "The endpoint has too many secrets"


class NothingChosen(Unprocessable):
    """A replay that does not say of what. Everything is sent again only to those who ask for it."""

    code = "replay_not_chosen"
    title = "Say what to send again"


class EndpointStateConflict(Conflict):
    """The endpoint's state does not allow it."""

    code = "webhook_endpoint_state"
    title = "The endpoint's state does not allow this"
