"""The endpoints of routing."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import routing
from caudal.api import routing_examples as examples
from caudal.api import routing_views as views
from caudal.api.bodies import Write
from caudal.api.endpoint import Endpoint, KeyUse, NoBody, NoQuery, Shape
from caudal.api.queries import PageQuery
from caudal.api.views import PageView
from caudal.routing import Rules

_TAG: Final = "Routing"
_NAME: Final = {"name": examples.NAME}
_PARTNER: Final = {"partner": examples.PARTNER}

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
        scope=Scope.ROUTING_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Kept.", type=views.RuleSetView, example=examples.RULE_SET),),
            200: (
                Shape(
                    description="By `dry_run`, what would be answered.",
                    type=views.RuleSetView,
                    example=examples.RULE_SET,
                ),
            ),
        },
        errors=(422,),
        example=examples.RULES,
    ),
    Endpoint(
        method="GET",
        path="/v1/routing/rule-sets",
        name="list_rule_sets",
        tag=_TAG,
        summary="List rule sets, the newest first",
        handle=routing.find_rule_sets,
        query=PageQuery,
        body=NoBody,
        scope=Scope.ROUTING_READ,
        answers={
            200: (Shape(description="A page.", type=PageView[views.RuleSetView], example=examples.RULE_SETS),)
        },
    ),
    Endpoint(
        method="GET",
        path="/v1/routing/rule-sets/{name}",
        name="get_rule_set",
        tag=_TAG,
        summary="Read a rule set",
        description="By its name, `v3`; `current` is the one that payments go by.",
        handle=routing.read_rule_set,
        query=NoQuery,
        body=NoBody,
        scope=Scope.ROUTING_READ,
        answers={
            200: (Shape(description="The rule set.", type=views.RuleSetView, example=examples.PUBLISHED),)
        },
        errors=(404,),
        path_ids=_NAME,
    ),
    Endpoint(
        method="POST",
        path="/v1/routing/rule-sets/{name}/publish",
        name="publish_rule_set",
        tag=_TAG,
        summary="Let payments go by a rule set",
        description="Every process goes by it within two seconds. To publish an older one is to go back "
        "to it. Refused with a code of its own: rules without a default, routes in a circle, a partner that "
        "does not serve the book or cannot do what it would be sent, weights that do not make 100.",
        handle=routing.publish_rule_set,
        query=Write,
        body=NoBody,
        scope=Scope.ROUTING_WRITE,
        key=KeyUse.ACCEPTED,
        answers={200: (Shape(description="It counts.", type=views.RuleSetView, example=examples.PUBLISHED),)},
        errors=(404, 422),
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
        scope=Scope.ROUTING_READ,
        key=KeyUse.ACCEPTED,
        answers={200: (Shape(description="What came of it.", type=views.TrialView, example=examples.TRIAL),)},
        errors=(422,),
        example=examples.NEW_TRIAL,
    ),
)

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
        scope=Scope.ROUTING_READ,
        answers={
            200: (Shape(description="By lane.", type=views.RoutingReportView, example=examples.REPORT),)
        },
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
        scope=Scope.ROUTING_READ,
        answers={
            200: (
                Shape(
                    description="The partners of the book.",
                    type=views.PartnersView,
                    example=examples.PARTNERS,
                ),
            )
        },
    ),
    Endpoint(
        method="POST",
        path="/v1/routing/partners/{partner}/drain",
        name="drain_partner",
        tag=_TAG,
        summary="Let a partner run dry",
        description="It gets no new payments but those that name it; what it has goes on.",
        handle=routing.drain_partner,
        query=Write,
        body=routing.NewDrain,
        scope=Scope.ROUTING_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            200: (Shape(description="Drained.", type=views.PartnerStandingView, example=examples.DRAINED),)
        },
        errors=(404, 422),
        example=examples.NEW_DRAIN,
        path_ids=_PARTNER,
    ),
    Endpoint(
        method="POST",
        path="/v1/routing/partners/{partner}/resume",
        name="resume_partner",
        tag=_TAG,
        summary="Send a partner new payments again",
        handle=routing.resume_partner,
        query=Write,
        body=NoBody,
        scope=Scope.ROUTING_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            200: (Shape(description="As it stands.", type=views.PartnerStandingView, example=examples.UP),)
        },
        errors=(404,),
        path_ids=_PARTNER,
    ),
)

ENDPOINTS: Final = (*_RULE_SETS, *_HEALTH)
