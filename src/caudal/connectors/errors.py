"""What goes wrong between us and a partner, outside of the answers to calls.

CaudalError
├── WebhookRefused         400  webhook_refused          its signature proves nothing
│   └── KeyNeeded               webhook_key_needed       signed with a key that is to be fetched first
├── PartnerUnknown         404  partner_unknown          settings name no such partner
├── PartnerUnavailable     503  partner_unavailable      it does not answer, or not so that it can be read
└── InvalidSettings
    └── PartnerMisconfigured    partner_misconfigured    settings that its connector cannot work with
"""

import enum

from caudal_base.errors import InvalidRequest, NotFound, Unavailable
from caudal_base.settings import InvalidSettings


class RefusalReason(enum.Enum):
    """Why a webhook is not taken for the partner's."""

    MISSING = "missing"
    """No signature, or not all that belongs to it."""
    MALFORMED = "malformed"
    """A signature, time or body that cannot be read."""
    NO_MATCH = "no_match"
    """Signed with none of our secrets, or changed on its way."""
    TOO_OLD = "too_old"
    """Rightly signed, and older than tolerated: perhaps a replay."""
    TOO_NEW = "too_new"
    """Rightly signed, and from further ahead than clocks differ."""
    KEY_UNKNOWN = "key_unknown"
    """Signed with a public key that we do not have."""


class WebhookRefused(InvalidRequest):
    """A webhook that nothing shows to be the partner's: nothing of it is believed."""

    code = "webhook_refused"
    title = "The webhook cannot be verified"

    def __init__(self, reason: RefusalReason, detail: str) -> None:
        """`detail` is for operators, and holds nothing of a secret or an expected signature."""
        super().__init__(detail, reason=reason.value)
        self.reason = reason


class KeyNeeded(WebhookRefused):
    """Signed with a public key that has to be fetched: fetch it by `Partner.learn_key` and verify again."""

    code = "webhook_key_needed"
    title = "The webhook's key is not known yet"

    def __init__(self, key_id: str) -> None:
        """`key_id` is as the webhook names it, and so not to be trusted."""
        super().__init__(RefusalReason.KEY_UNKNOWN, "signed with a key that has not been fetched yet")
        self.key_id = key_id


class PartnerUnknown(NotFound):
    """No partner has this name."""

    code = "partner_unknown"
    title = "There is no such partner"


class PartnerUnavailable(Unavailable):
    """The partner cannot be reached or read now. Reading again later is safe."""

    code = "partner_unavailable"
    title = "The partner is not available"


class PartnerMisconfigured(InvalidSettings):
    """The settings of a partner do not suit its connector, or name one that there is not."""

    code = "partner_misconfigured"
    title = "A partner's settings are not usable"
