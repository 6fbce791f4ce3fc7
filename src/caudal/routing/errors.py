"""The typed errors of routing. Those of rules name the part at fault in `field`: `rules[2].next[0]`.

CaudalError
├── NotFound              404  rule_set_not_found
└── Unprocessable
    └── RulesInvalid      422  routing_invalid
        ├── NoDefaultRule      routing_no_default
        ├── RouteUnknown       routing_route_unknown
        ├── RoutesInCircle     routing_cycle
        ├── WeightsInvalid     routing_weights
        ├── RoutedPartnerUnknown    routing_partner_unknown
        ├── RoutedPartnerIncapable  routing_partner_incapable
        └── RetryForbidden     routing_retry_forbidden
"""

from caudal_base.errors import NotFound, Unprocessable


class RuleSetNotFound(NotFound):
    """The book has no rule set of this version, or none that is published."""

    code = "rule_set_not_found"
    title = "There is no such rule set"


class RulesInvalid(Unprocessable):
    """Rules that cannot work: a name, a number or a size that is out of bounds."""

    code = "routing_invalid"
    title = "The rules cannot be so"


class NoDefaultRule(RulesInvalid):
    """The last rule must hold for every payment, so that none is left without a route."""

    code = "routing_no_default"
    title = "The rules have no default"


class RouteUnknown(RulesInvalid):
    """A rule or route names a route that the rule set does not have."""

    code = "routing_route_unknown"
    title = "A route that is named does not exist"


class RoutesInCircle(RulesInvalid):
    """Routes that lead back to themselves."""

    code = "routing_cycle"
    title = "The routes lead in a circle"


class WeightsInvalid(RulesInvalid):
    """The weights of a split are percentages from 1 on, and make 100."""

    code = "routing_weights"
    title = "The weights of a split do not make 100"


class RoutedPartnerUnknown(RulesInvalid):
    """A rule sends payments to a partner that does not serve the book."""

    code = "routing_partner_unknown"
    title = "A partner that is named does not serve the book"


class RoutedPartnerIncapable(RulesInvalid):
    """A rule would send a partner what it cannot do: by kind, method, currency or capture mode."""

    code = "routing_partner_incapable"
    title = "A partner cannot do what a rule would send it"


class RetryForbidden(RulesInvalid):
    """A row of retries that would charge a card that must not be tried again, or a bug once more."""

    code = "routing_retry_forbidden"
    title = "This must not be tried again"
