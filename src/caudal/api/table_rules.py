"""The endpoints of rules of decisions."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import rules
from caudal.api import rules_examples as examples
from caudal.api.bodies import Write
from caudal.api.declaring import action, listing, ok, reading
from caudal.api.endpoint import Endpoint, KeyUse, NoBody, NoQuery, Shape
from caudal.api.queries import PageQuery
from caudal.rules import (
    RiskRules,
    RiskRuleSetView,
    RuleBacktestView,
    RuleSnoozeView,
    RuleStatsView,
    RuleTestsView,
)

_TAG: Final = "Rules of decisions"
_NAME: Final = {"name": examples.NAME}
_RULE: Final = {"rule": examples.RULE}
_READ, _WRITE = Scope.RULES_READ, Scope.RULES_WRITE

_SETS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/risk/rule-sets",
        name="draft_risk_rules",
        tag=_TAG,
        summary="Draft a rule set",
        description="Kept as the book's next version. What cannot be is refused, with the rule, the line and "
        "the column of each fault in `problems`.",
        handle=rules.draft_rule_set,
        query=Write,
        body=RiskRules,
        scope=_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Kept.", type=RiskRuleSetView, example=examples.RULE_SET),),
            **ok("By `dry_run`, what would be answered.", RiskRuleSetView, examples.RULE_SET),
        },
        errors=(404, 422),
        example=examples.RULES,
    ),
    listing(
        "/v1/risk/rule-sets", "list_risk_rule_sets", _TAG, "List rule sets, the newest first",
        rules.find_rule_sets, PageQuery, scope=_READ, answer="A page.", row=RiskRuleSetView,
        example=examples.RULE_SETS,
    ),
    reading(
        "/v1/risk/rule-sets/{name}", "get_risk_rule_set", _TAG, "Read a rule set", rules.read_rule_set,
        scope=_READ, description="By its name, `v3`; `current` is the one that decisions go by.",
        answer="The rule set.", view=RiskRuleSetView, example=examples.SHOWN, path_ids=_NAME,
    ),
    action(
        "/v1/risk/rule-sets/{name}/review", "review_risk_rules", _TAG, "Accept or reject a draft",
        rules.review_rule_set, scope=Scope.RULES_REVIEW,
        description="Once, and by another than its author: a key that succeeds the author's is the author's.",
        body=rules.NewRuleReview, body_example=examples.NEW_REVIEW, answer="Reviewed.", view=RiskRuleSetView,
        example=examples.REVIEWED, errors=(404, 409, 422), path_ids=_NAME,
    ),
    action(
        "/v1/risk/rule-sets/{name}/publish", "publish_risk_rules", _TAG, "Let decisions go by a rule set",
        rules.publish_rule_set, scope=_WRITE,
        description="From the next batch of decisions on. It must have been accepted, its own tests must "
        "find what they expect, and the feature set in use must have what it reads. To publish an older one "
        "is to go back to it.",
        answer="It counts.", view=RiskRuleSetView, example=examples.PUBLISHED, errors=(404, 409, 422),
        path_ids=_NAME,
    ),
)  # fmt: skip

_RULES: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/risk/rules/test",
        name="test_risk_rules",
        tag=_TAG,
        summary="Check rules and run their tests",
        description="Nothing is kept or changed.",
        handle=rules.test_rules,
        query=NoQuery,
        body=RiskRules,
        scope=_READ,
        key=KeyUse.ACCEPTED,
        answers=ok("What came of it.", RuleTestsView, examples.TESTS),
        errors=(404, 422),
        example=examples.RULES,
    ),
    Endpoint(
        method="POST",
        path="/v1/risk/rules/backtest",
        name="backtest_risk_rules",
        tag=_TAG,
        summary="What rules would have done with decisions of the past",
        description="By rule: hits, amounts, overlaps with one another and with the rules of the time; and "
        "what would have come out another way. Precision and recall (with 95 % intervals) are those of "
        "decisions that are old enough for good ends and bad ones to be known: where the span is younger, "
        "`matured` has the last one of its length that is. Nothing is kept or changed. At most 100,000 "
        "decisions of each span are looked at, its oldest; the command line has no such bound.",
        handle=rules.backtest_rules,
        query=NoQuery,
        body=rules.NewBacktest,
        scope=_READ,
        key=KeyUse.ACCEPTED,
        answers=ok("What came of it.", RuleBacktestView, examples.BACKTEST),
        errors=(404, 422),
        example=examples.NEW_BACKTEST,
    ),
    Endpoint(
        method="GET",
        path="/v1/risk/rules/stats",
        name="get_rule_stats",
        tag=_TAG,
        summary="How published rules do: fire rate and precision",
        description="Precision is that of decisions that are old enough for good ends and bad ones to be "
        "known: where the span is younger, `matured` has the last one of its length that is.",
        handle=rules.read_rule_stats,
        waits=False,
        query=rules.StatsQuery,
        body=NoBody,
        scope=_READ,
        answers=ok("By rule and period.", RuleStatsView, examples.STATS),
    ),
    Endpoint(
        method="GET",
        path="/v1/risk/rules/snoozes",
        name="list_rule_snoozes",
        tag=_TAG,
        summary="Which rules are snoozed",
        handle=rules.find_snoozes,
        query=NoQuery,
        body=NoBody,
        scope=_READ,
        answers=ok("Those that are snoozed now.", rules.SnoozesView, examples.SNOOZES),
    ),
    action(
        "/v1/risk/rules/{rule}/snooze", "snooze_rule", _TAG, "Have a rule not fire for a while",
        rules.snooze_rule, scope=_WRITE,
        description="From the next batch of decisions on, in whichever version is published. Decisions say "
        "where it would have fired.",
        body=rules.NewSnooze, body_example=examples.NEW_SNOOZE, answer="Snoozed.", view=RuleSnoozeView,
        example=examples.SNOOZE, errors=(404, 422), path_ids=_RULE,
    ),
    action(
        "/v1/risk/rules/{rule}/wake", "wake_rule", _TAG, "Have a snoozed rule fire again", rules.wake_rule,
        scope=_WRITE, body=rules.NewWake, body_example=examples.NEW_WAKE, answer="Awake.",
        view=RuleSnoozeView, example=examples.AWAKE, errors=(404, 422), path_ids=_RULE,
    ),
)  # fmt: skip

ENDPOINTS: Final = (*_SETS, *_RULES)
"""What the document shows of rules."""
