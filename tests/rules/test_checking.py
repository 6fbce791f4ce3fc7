"""What of rules is refused, with the rule and the place at fault, and what their tests say."""

from typing import Any

import pytest

from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.rules import MAX_RULES, RiskRules, RuleExpected, RulesInvalid, check_rules, features_of, run_tests
from support.rule_worlds import KNOWN, LARGE, MANY, rule, written


def problems(*each: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    return [(one.field, one.detail) for one in check_rules(written(*each, **more), KNOWN).problems]


def test_sound_rules_have_no_problems_and_say_which_features_they_read() -> None:
    checked = check_rules(written(LARGE, MANY, rule("mean", "features.card_mean_7d > 1.5")), KNOWN)
    assert checked.problems == ()
    assert checked.reads == ("card_count_1h", "card_mean_7d")


def test_an_expression_is_refused_with_its_rule_line_column_and_picture() -> None:
    wrong = rule("typing_error", "payment.amount > 5 &&\n  features.card_cuont_1h > 5")
    (problem,) = check_rules(written(LARGE, wrong), KNOWN).problems
    assert (problem.field, problem.code, problem.rule, problem.line, problem.column) == (
        "rules[1].when",
        "expression_name_unknown",
        "typing_error",
        2,
        3,
    )
    assert "did you mean features.card_count_1h?" in problem.detail
    assert problem.picture == "  features.card_cuont_1h > 5\n  ^~~~~~~~~~~~~~~~~~~~~~"
    error = RulesInvalid([problem])
    assert error.field == "rules[1].when"
    assert error.detail.startswith("typing_error: line 2, column 3: ")
    assert error.problem()["problems"][0]["line"] == 2


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("features.card_count_1h >", "expected"),
        ("payment.amount", "bool"),
        ('payment.kind == "card"', "pay_in"),
        ("features.card_mean_7d + payment.amount > 1.0", "double"),
        ("model.score > 0.5", "there is no model.score"),
        ("1 / 0 > 1", "zero"),
        ("payment.currency.matches('E.*')", "matches"),
        ("open('x')", "open"),
        ("", "empty"),
    ],
)
def test_what_is_not_a_condition_over_known_names_is_refused(when: str, says: str) -> None:
    ((field, detail),) = problems(rule("wrong", when))
    assert field == "rules[0].when"
    assert says in detail


def test_only_rules_after_the_model_read_its_score() -> None:
    assert problems(rule("late", "model.score > 0.5", stage="after_model")) == []


def test_names_reasons_and_notes_are_bounded_and_hold_no_personal_data() -> None:
    assert problems(rule("Large", "true")) == [
        ("rules[0].name", "lower-case letters, digits and _, a letter first, at most 63")
    ]
    assert problems(LARGE, LARGE) == [("rules[1].name", "'large' stands twice")]
    for reason in ("", " ", "x" * 201, "line\nbreak", "ask ann@example.com"):
        ((field, _),) = problems({**LARGE, "reason": reason})
        assert field == "rules[0].reason"
    assert [field for field, _ in problems(LARGE, note="ask ann@example.com")] == ["note"]
    card = rule("own", 'payment.card == "4242424242424242"')
    assert problems(card) == [("rules[0].when", "this looks like a card number: use its token")]


def test_a_set_has_at_least_one_rule_and_not_too_many() -> None:
    assert problems() == [("rules", f"1 to {MAX_RULES} rules")]
    many = [rule(f"rule_{number}", "true") for number in range(MAX_RULES + 1)]
    assert problems(*many) == [("rules", f"1 to {MAX_RULES} rules")]


def test_what_all_rules_cost_together_is_bounded() -> None:
    wide = " || ".join(f"payment.amount == {number}" for number in range(300))
    each = [rule(f"wide_{number}", wide) for number in range(20)]
    assert problems(*each[:4]) == []
    ((field, detail),) = problems(*each)
    assert field == "rules"
    assert "more than 5,000" in detail


def test_values_of_tests_are_checked_like_expressions() -> None:
    def given(**values: Any) -> list[tuple[str, str]]:
        named = {name.replace("__", "."): value for name, value in values.items()}
        return problems(rule("one", "true", tests=[{"given": named, "expect": "fires"}]))

    assert given(features__card_count_1h=7, payment__at="2026-03-01T12:00:00Z") == []
    for wrong, says in (
        (given(features__card_cuont_1h=1), "did you mean"),
        (given(features__card_count_1h="7"), "is no"),
        (given(payment__amount=1.5), "is no"),
        (given(payment__customer="ann@example.com"), "no personal data"),
        (given(payment__customer="x" * 256), "255"),
    ):
        ((field, detail), *_) = wrong
        assert field == "rules[0].tests[0].given"
        assert says in detail
    (named, *_) = problems(rule("one", "true", tests=[{"given": {}, "expect": "fires", "name": "a\nb"}]))
    assert named[0] == "rules[0].tests[0].name"
    too_many = [{"given": {}, "expect": "fires"}] * 51
    assert problems(rule("one", "true", tests=too_many)) == [("rules[0].tests", "at most 50 tests")]


def outcomes_of(rules: RiskRules) -> list[tuple[int, RuleExpected, bool, tuple[str, ...]]]:
    return [
        (one.number, one.found, one.passed, one.why) for one in run_tests(rules, check_rules(rules, KNOWN))
    ]


def test_tests_say_what_was_found_and_why() -> None:
    assert outcomes_of(written(MANY)) == [
        (1, RuleExpected.FIRES, True, ("features.card_count_1h = 6 > 5",)),
        (2, RuleExpected.DOES_NOT_FIRE, True, ("features.card_count_1h = 5 <= 5",)),
        (3, RuleExpected.MISSING, True, ("features.card_count_1h is missing",)),
    ]
    wrong = {**MANY, "tests": [{"given": {"features.card_count_1h": 5}, "expect": "fires"}]}
    assert outcomes_of(written(wrong)) == [
        (1, RuleExpected.DOES_NOT_FIRE, False, ("features.card_count_1h = 5 <= 5",))
    ]


def test_features_have_the_type_of_their_aggregate() -> None:
    values = {Aggregate.COUNT: None, Aggregate.SINCE_LAST: None, Aggregate.DISTINCT: "merchant"}
    declared = FeatureSet(
        features=tuple(
            Feature(name=one.value, by=(Entity.CARD,), aggregate=one, value=values.get(one, "amount"))
            for one in Aggregate
        )
    )
    assert features_of(declared) == {
        "count": "int", "sum": "int", "mean": "double", "stddev": "double", "min": "int", "max": "int",
        "distinct": "int", "since_last": "double", "ratio": "double",
    }  # fmt: skip
    assert features_of(None) == {}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"application": {"in come": "int"}}, "application"),
        ({"application": {"1st": "int"}}, "application"),
        ({"application": {"in": "int"}}, "application"),
        ({"application": {f"v{number}": "int" for number in range(501)}}, "application"),
        ({"rules": ({**LARGE, "on": "application"},)}, "rules[0].when"),
        ({"rules": (rule("x", "application.late > 1"),), "application": {"late": "int"}}, "rules[0].when"),
        ({"rules": (rule("x", "application.other > 1", on="application"),)}, "rules[0].when"),
        ({"rules": (rule("x", "features.card_count_1h > 1", on="application"),)}, "rules[0].when"),
        (
            {
                "rules": (rule("x", "application.late > 1.0", on="application"),),
                "application": {"late": "string"},
            },
            "rules[0].when",
        ),
    ],
)
def test_rules_on_applications_read_what_is_declared_of_them_and_no_payments(
    changes: dict[str, Any], field: str
) -> None:
    each = changes.pop("rules", (LARGE,))
    found = check_rules(written(*each, **changes), KNOWN)
    assert field in {one.field for one in found.problems}
