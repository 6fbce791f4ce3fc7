"""The typed errors of rules; none of them comes from evaluating.

CaudalError
├── Forbidden         403  risk_rules_own_review
├── NotFound          404  risk_rule_set_not_found
│   └── RuleNotFound       risk_rule_not_found
├── Conflict          409
│   ├── RulesReviewed      risk_rules_reviewed
│   └── RulesNotReviewed   risk_rules_not_reviewed
└── Unprocessable     422
    ├── RulesInvalid       risk_rules_invalid
    ├── RuleTestsFailed    risk_rule_tests_failed
    ├── FeatureInUse       risk_feature_in_use
    └── SnoozeInvalid      risk_snooze_invalid
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from caudal.rules.types import RuleTested
from caudal_base.errors import Conflict, Forbidden, NotFound, Unprocessable

MAX_TOLD: Final = 20
"""Problems, and failed tests, that one error tells of."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong with rules."""

    field: str
    """The part at fault: `rules[2].when`, `rules[2].tests[0].given`."""
    detail: str
    code: str = "risk_rules_invalid"
    rule: str | None = None
    line: int | None = None
    """Within the expression, from 1; so is `column`."""
    column: int | None = None
    picture: str | None = None
    """The line of the expression, with what is meant underlined."""

    def __str__(self) -> str:
        """With the rule's name: `many_payments: line 1, column 4: there is no features.x`."""
        return self.detail if self.rule is None else f"{self.rule}: {self.detail}"


class RuleSetNotFound(NotFound):
    """The book has no rule set of this version, or none that is published."""

    code = "risk_rule_set_not_found"
    title = "There is no such rule set for decisions"


class RuleNotFound(NotFound):
    """The published rule set has no rule of this name."""

    code = "risk_rule_not_found"
    title = "There is no such rule"


class OwnReview(Forbidden):
    """Who wrote rules cannot be the one who reviews them: four eyes."""

    code = "risk_rules_own_review"
    title = "Rules are reviewed by somebody else than their author"


class RulesReviewed(Conflict):
    """A rule set is reviewed once; another verdict is a new draft's."""

    code = "risk_rules_reviewed"
    title = "The rules have been reviewed"


class RulesNotReviewed(Conflict):
    """Only what somebody else has reviewed, and accepted, is published."""

    code = "risk_rules_not_reviewed"
    title = "The rules have not been reviewed and accepted"


class RulesInvalid(Unprocessable):
    """Rules that cannot be: a name, a size, an expression, a test. `problems` has all of it."""

    code = "risk_rules_invalid"
    title = "The rules cannot be so"

    def __init__(self, problems: Sequence[Problem]) -> None:
        """The first one is told in `detail` and `field`."""
        first = problems[0]
        self.problems = tuple(problems)
        super().__init__(str(first), field=first.field, problems=[_told(one) for one in problems[:MAX_TOLD]])


class RuleTestsFailed(Unprocessable):
    """The rules' own tests say that they do not do what they are for. `tests` has those that failed."""

    code = "risk_rule_tests_failed"
    title = "The rules fail their own tests"

    def __init__(self, failed: Sequence[RuleTested]) -> None:
        """The first one is told in `detail`."""
        first = failed[0]
        named = f" ({first.name})" if first.name else ""
        super().__init__(
            f"{first.rule}: test {first.number}{named} expects {first.expected.value}, and found "
            f"{first.found.value}",
            tests=[{**_told(one), "passed": False} for one in failed[:MAX_TOLD]],
        )


def _told(one: msgspec.Struct) -> dict[str, Any]:
    """Its fields as JSON has them, without those that say nothing."""
    return {
        name: value for name, value in msgspec.to_builtins(one).items() if value is not None and value != ""
    }


class FeatureInUse(Unprocessable):
    """A feature that the published rules read would be gone, or of another type."""

    code = "risk_feature_in_use"
    title = "The published rules read this feature"


class SnoozeInvalid(Unprocessable):
    """A snooze that is over already, that is too long, or whose reason cannot be kept."""

    code = "risk_snooze_invalid"
    title = "The rule cannot be snoozed so"
