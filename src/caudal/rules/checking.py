"""What of rules is refused, and what their tests say. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from caudal.expressions import (
    RESERVED,
    Environment,
    Expression,
    ExpressionInvalid,
    ValueUnreadable,
    compile,
    explain,
)
from caudal.rules.errors import Problem
from caudal.rules.names import FEATURES, environment
from caudal.rules.types import (
    Given,
    RiskRule,
    RiskRules,
    RuleExpected,
    RuleStage,
    RuleSubject,
    RuleTest,
    RuleTested,
)
from caudal_base.personal import personal_kind

MAX_RULES: Final = 200
MAX_TESTS: Final = 50
"""Of one rule."""
MAX_STEPS: Final = 5_000
"""What the rules of a set may cost together on one row, in the steps of expressions: a quarter of a
millisecond, and less than half a second to compile."""
MAX_REASON: Final = 200
MAX_NOTE: Final = 1_000
MAX_NAME: Final = 63
MAX_APPLICATION: Final = 500
MAX_VALUE: Final = 255

_VALUE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}", re.ASCII)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


class Checked(msgspec.Struct, frozen=True):
    """Rules that were looked through."""

    problems: tuple[Problem, ...]
    expressions: tuple[Expression | None, ...]
    """In the order of the rules; None for what cannot be. Of rules with problems perhaps not all."""
    warnings: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The features that the rules read, without what they begin with; sorted."""
        names = {name for one in self.expressions if one is not None for name in one.names}
        return tuple(sorted(name.removeprefix(FEATURES) for name in names if name.startswith(FEATURES)))


def flat(rules: RiskRules) -> RiskRules:
    """The same rules, the values of their tests by whole names: `{"features": {"a": 1}}` is `features.a`."""
    return msgspec.structs.replace(
        rules,
        rules=tuple(
            msgspec.structs.replace(
                rule,
                tests=tuple(msgspec.structs.replace(test, given=_flat(test.given)) for test in rule.tests),
            )
            for rule in rules.rules
        ),
    )


def _flat(given: Mapping[str, Any]) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for name, value in given.items():
        if isinstance(value, Mapping):
            found.update({f"{name}.{inner}": each for inner, each in value.items()})
        else:
            found[name] = value
    return found


def check_rules(rules: RiskRules, features: Mapping[str, str]) -> Checked:
    """Look through `rules`, as `flat` gives them, over the `features` of their set (with types as texts)."""
    if unnamed := tuple(_problems_of_values(rules)):
        return Checked(unnamed, ())
    environments = {
        (on, stage): environment(rules, features, stage, on) for on in RuleSubject for stage in RuleStage
    }
    problems = [*_problems_of_set(rules)]
    expressions: list[Expression | None] = []
    warnings: list[str] = []
    seen: set[str] = set()
    cost = 0
    for number, rule in enumerate(rules.rules[:MAX_RULES]):
        at = f"rules[{number}]"
        problems += _problems_of_rule(rule, at)
        if rule.name in seen:
            problems.append(Problem(field=f"{at}.name", detail=f"{rule.name!r} stands twice"))
        seen.add(rule.name)
        try:
            expression = compile(rule.when, environments[rule.on, rule.stage])
        except ExpressionInvalid as wrong:
            problems.append(_problem_of(rule, f"{at}.when", wrong))
            expressions.append(None)
            continue
        expressions.append(expression)
        cost += expression.cost
        if cost > MAX_STEPS:
            detail = f"up to here they take more than {MAX_STEPS:,} steps"
            problems.append(Problem(field="rules", rule=rule.name, detail=detail))
            break
        warnings += [f"{rule.name}: {text}" for text in expression.warnings]
        problems += _problems_of_tests(rule, at, environments[rule.on, rule.stage])
    return Checked(tuple(problems), tuple(expressions), tuple(warnings))


def _problem_of(rule: RiskRule, field: str, wrong: ExpressionInvalid) -> Problem:
    return Problem(
        field=field, code=wrong.code, rule=rule.name, detail=wrong.detail, line=wrong.line,
        column=wrong.column, picture=wrong.picture,
    )  # fmt: skip


def _problems_of_set(rules: RiskRules) -> Iterator[Problem]:
    if not 1 <= len(rules.rules) <= MAX_RULES:
        yield Problem(field="rules", detail=f"1 to {MAX_RULES} rules")
    if rules.note is not None and (why := text_fault(rules.note, MAX_NOTE)):
        yield Problem(field="note", detail=why)


def _problems_of_values(rules: RiskRules) -> Iterator[Problem]:
    if len(rules.application) > MAX_APPLICATION:
        yield Problem(field="application", detail=f"at most {MAX_APPLICATION} values")
    for name in rules.application:
        if _VALUE_NAME.fullmatch(name) is None or name in RESERVED:
            detail = f"{name[:64]!r}: letters, digits and _, a letter first, at most {MAX_NAME}, no CEL word"
            yield Problem(field="application", detail=detail)


def _problems_of_rule(rule: RiskRule, at: str) -> Iterator[Problem]:
    if _NAME.fullmatch(rule.name) is None:
        detail = f"lower-case letters, digits and _, a letter first, at most {MAX_NAME}"
        yield Problem(field=f"{at}.name", detail=detail)
    if why := text_fault(rule.reason, MAX_REASON):
        yield Problem(field=f"{at}.reason", rule=rule.name, detail=why)
    if kind := personal_kind(rule.when):
        yield Problem(field=f"{at}.when", rule=rule.name, detail=f"this looks like {kind}: use its token")
    if len(rule.tests) > MAX_TESTS:
        yield Problem(field=f"{at}.tests", rule=rule.name, detail=f"at most {MAX_TESTS} tests")


def text_fault(text: str, most: int) -> str | None:
    """Why a text that people write cannot be kept; None where it can."""
    if not 1 <= len(text) <= most or not text.isprintable() or not text.strip():
        return f"1 to {most} printable characters"
    kind = personal_kind(text)
    return None if kind is None else f"this looks like {kind}: keep it in the vault, and use its token"


def _problems_of_tests(rule: RiskRule, at: str, names: Environment) -> Iterator[Problem]:
    for number, test in enumerate(rule.tests[:MAX_TESTS]):
        field = f"{at}.tests[{number}]"
        if test.name and (why := text_fault(test.name, MAX_REASON)):
            yield Problem(field=f"{field}.name", rule=rule.name, detail=why)
        for name, value in test.given.items():
            if isinstance(value, str) and (len(value) > MAX_VALUE or personal_kind(value)):
                detail = f"{name[:64]}: at most {MAX_VALUE} characters, and no personal data"
                yield Problem(field=f"{field}.given", rule=rule.name, detail=detail)
        try:
            names.read(test.given)
        except ValueUnreadable as wrong:
            yield Problem(field=f"{field}.given", rule=rule.name, code=wrong.code, detail=wrong.detail)


def run_tests(rules: RiskRules, checked: Checked) -> list[RuleTested]:
    """What comes of all tests of rules without problems: each on its own rule's condition alone."""
    return [
        _run(rule, number, test, expression)
        for rule, expression in zip(rules.rules, checked.expressions, strict=True)
        if expression is not None
        for number, test in enumerate(rule.tests, start=1)
    ]


def _run(rule: RiskRule, number: int, test: RuleTest, expression: Expression) -> RuleTested:
    row = expression.environment.read(test.given)
    outcome = expression.evaluate(row)
    if outcome.missing is not None:
        found = RuleExpected.MISSING
        why: tuple[str, ...] = (str(outcome.missing),)
    else:
        found = RuleExpected.FIRES if outcome.value is True else RuleExpected.DOES_NOT_FIRE
        why = tuple(reason.text for reason in explain(expression, row))
    return RuleTested(
        rule=rule.name, number=number, name=test.name, expected=test.expect, found=found, why=why
    )
