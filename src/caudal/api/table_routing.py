"""The endpoints of routing."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import routing
from caudal.api import routing_examples as examples
from caudal.api import routing_views as views
from caudal.api.bodies import Write
from caudal.api.declaring import action, listing, ok, reading
from caudal.api.endpoint import Endpoint, KeyUse, NoBody, NoQuery, Shape
from caudal.api.queries import PageQuery
from caudal.routing import PartnerStandingView, Rules

_TAG: Final = "Routing"
_NAME: Final = {"name": examples.NAME}
_PARTNER: Final = {"partner": examples.PARTNER}
_READ, _WRITE = Scope.ROUTING_READ, Scope.ROUTING_WRITE

_RULE_SETS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/routing/rule-sets",
        name="create_rule_set",
        tag=_TAG,
        summary="Keep a rule set",
        description="As the book's next version, a draft: payments go by it once it is published. "
        "`problems` says why it may not be, `warnings` what is odd about it.",
        handle=routing.create_rule_set,
        query=Write,
        body=Rules,
        scope=_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Kept.", type=views.RuleSetView, example=examples.RULE_SET),),
            **ok("By `dry_run`, what would be answered.", views.RuleSetView, examples.RULE_SET),
        },
        errors=(422,),
        example=examples.RULES,
    ),
    listing(
        "/v1/routing/rule-sets", "list_rule_sets", _TAG, "List rule sets, the newest first",
        routing.find_rule_sets, PageQuery, scope=_READ, answer="A page.", row=views.RuleSetView,
        example=examples.RULE_SETS,
    ),
    reading(
        "/v1/routing/rule-sets/{name}", "get_rule_set", _TAG, "Read a rule set", routing.read_rule_set,
        scope=_READ, description="By its name, `v3`; `current` is the one that payments go by.",
        answer="The rule set.", view=views.RuleSetView, example=examples.PUBLISHED, path_ids=_NAME,
    ),
    action(
        "/v1/routing/rule-sets/{name}/publish", "publish_rule_set", _TAG, "Let payments go by a rule set",
        routing.publish_rule_set, scope=_WRITE,
        description="Every process goes by it within two seconds. To publish an older one is to go back "
        "to it. Refused with a code of its own: rules without a default, routes in a circle, a partner that "
        "does not serve the book or cannot do what it would be sent, weights that do not make 100.",
        answer="It counts.", view=views.RuleSetView, example=examples.PUBLISHED, errors=(404, 422),
        path_ids=_NAME,
    ),
    Endpoint(
        method="POST",
        path="/v1/routing/try",
        name="try_rules",
        tag=_TAG,
        summary="What rules would have done with payments of the past",
        description="Nothing is kept or changed. At most 50,000 payments are looked at, the newest.",
        handle=routing.try_rules,
        query=NoQuery,
        body=routing.NewTrial,
        scope=_READ,
        key=KeyUse.ACCEPTED,
        answers=ok("What came of it.", views.TrialView, examples.TRIAL),
        errors=(422,),
        example=examples.NEW_TRIAL,
    ),
)  # fmt: skip

_HEALTH: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/routing/report",
        name="get_routing_report",
        tag=_TAG,
        summary="How each route does: approvals, declines, cost",
        handle=routing.read_report,
        waits=False,
        query=routing.ReportQuery,
        body=NoBody,
        scope=_READ,
        answers=ok("By lane.", views.RoutingReportView, examples.REPORT),
    ),
    Endpoint(
        method="GET",
        path="/v1/routing/partners",
        name="list_partner_health",
        tag=_TAG,
        summary="Which partners get new payments",
        handle=routing.find_partners,
        query=NoQuery,
        body=NoBody,
        scope=_READ,
        answers=ok("The partners of the book.", views.PartnersView, examples.PARTNERS),
    ),
    action(
        "/v1/routing/partners/{partner}/drain", "drain_partner", _TAG, "Let a partner run dry",
        routing.drain_partner, scope=_WRITE,
        description="It gets no new payments but those that name it; what it has goes on.",
        body=routing.NewDrain, body_example=examples.NEW_DRAIN, answer="Drained.",
        view=PartnerStandingView, example=examples.DRAINED, errors=(404, 422), path_ids=_PARTNER,
    ),
    action(
        "/v1/routing/partners/{partner}/resume", "resume_partner", _TAG,
        "Send a partner new payments again", routing.resume_partner, scope=_WRITE, answer="As it stands.",
        view=PartnerStandingView, example=examples.UP, errors=(404,), path_ids=_PARTNER,
    ),
)  # fmt: skip

ENDPOINTS: Final = (*_RULE_SETS, *_HEALTH)
