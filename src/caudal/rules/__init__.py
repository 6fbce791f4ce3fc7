"""Rules of decisions: conditions over payments and features, reviewed by a second person before they count.

    rule_set = await directory.load(connection, book_id)     # one statement a batch; compiled once a version
    fired = evaluate(rule_set, row, now)                     # row: {"payment.amount": 1050, …}
    fired.outcome, fired.names, fired.missing

`draft`, `review`, `publish` lead a version there, `snooze` has a rule keep quiet; `load_version` gives what a
decision of the past went by, from the version and the number of snoozes that it kept.
"""

from caudal.rules.checking import MAX_RULES, MAX_STEPS, Checked, check_rules, flat, run_tests
from caudal.rules.directory import Directory, Waiting
from caudal.rules.errors import (
    FeatureInUse,
    OwnReview,
    Problem,
    RuleNotFound,
    RuleSetNotFound,
    RulesInvalid,
    RulesNotReviewed,
    RulesReviewed,
    RuleTestsFailed,
    SnoozeInvalid,
)
from caudal.rules.evaluating import (
    NO_RULES,
    NOTHING,
    Fired,
    Row,
    RuleSet,
    Value,
    evaluate,
    evaluate_batch,
    severest,
)
from caudal.rules.names import features_of
from caudal.rules.service import (
    compiled,
    draft,
    get_version,
    list_snoozes,
    list_versions,
    load_published,
    load_version,
    publish,
    refuse_dropped,
    review,
    snooze,
    tests_of,
    try_tests,
    wake,
)
from caudal.rules.types import (
    SEVERITY,
    Expected,
    Outcome,
    Review,
    Rule,
    Rules,
    RuleTest,
    RuleTested,
    Snooze,
    Stage,
    Verdict,
    Version,
)

__all__ = [
    "MAX_RULES",
    "MAX_STEPS",
    "NOTHING",
    "NO_RULES",
    "SEVERITY",
    "Checked",
    "Directory",
    "Expected",
    "FeatureInUse",
    "Fired",
    "Outcome",
    "OwnReview",
    "Problem",
    "Review",
    "Row",
    "Rule",
    "RuleNotFound",
    "RuleSet",
    "RuleSetNotFound",
    "RuleTest",
    "RuleTested",
    "RuleTestsFailed",
    "Rules",
    "RulesInvalid",
    "RulesNotReviewed",
    "RulesReviewed",
    "Snooze",
    "SnoozeInvalid",
    "Stage",
    "Value",
    "Verdict",
    "Version",
    "Waiting",
    "check_rules",
    "compiled",
    "draft",
    "evaluate",
    "evaluate_batch",
    "features_of",
    "flat",
    "get_version",
    "list_snoozes",
    "list_versions",
    "load_published",
    "load_version",
    "publish",
    "refuse_dropped",
    "review",
    "run_tests",
    "severest",
    "snooze",
    "tests_of",
    "try_tests",
    "wake",
]
