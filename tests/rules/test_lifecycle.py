"""Rules on their way from draft to publication, and back: who may do what, and that all of it is audited."""

import datetime as dt
import json

import msgspec
import pytest

from caudal import rules
from caudal.access import OPERATOR
from caudal.features import FeatureSet, FeatureSetNotFound
from caudal.rules import (
    NO_RULES,
    FeatureInUse,
    OwnReview,
    ReviewVerdict,
    RuleNotFound,
    RuleSetNotFound,
    RulesInvalid,
    RulesNotReviewed,
    RulesReviewed,
    RuleTestsFailed,
    Snooze,
    SnoozeInvalid,
    Version,
    evaluate,
)
from caudal_base.database import Database
from caudal_base.errors import InvalidRequest
from support.rule_worlds import (
    AUTHOR,
    COUNT,
    LARGE,
    MANY,
    MEAN,
    MOST,
    PAYMENT,
    REVIEWER,
    RuleWorld,
    rule,
    written,
)

HOUR = dt.timedelta(hours=1)


@pytest.fixture
async def world(database: Database) -> RuleWorld:
    return await RuleWorld.make(database)


async def leaves(world: RuleWorld) -> list[tuple[str, str, str, str]]:
    found = await world.rows(
        "select convert_from(leaf, 'UTF8') from audit.record"
        " where book_id = %(book_id)s order by inserted_by, id"
    )
    told = [json.loads(leaf) for (leaf,) in found]
    return [
        (one["principal"], one["action"], one["object_id"], one["result"])
        for one in told
        if not one["action"].startswith("features.")
    ]


async def test_rules_count_once_somebody_else_has_reviewed_them_and_all_of_it_is_audited(
    world: RuleWorld,
) -> None:
    draft = await world.draft(written(MANY, note="first try"))
    assert isinstance(draft, Version)
    assert (draft.version, draft.feature_set, draft.reads) == (1, 1, {"card_count_1h": "int"})
    assert isinstance(await world.publish(1), RulesNotReviewed)
    assert await world.load() is NO_RULES
    assert isinstance(await world.review(1, caller=AUTHOR), OwnReview)
    reviewed = await world.review(1, note="looks right")
    assert isinstance(reviewed, Version)
    assert reviewed.review is not None
    assert (reviewed.review.by, reviewed.review.note) == ("key_reviewer", "looks right")
    published = await world.publish(1)
    assert isinstance(published, Version)
    assert (published.published_at, published.published_by) == (world.clock.now(), "operator")
    assert (await world.load()).version == 1
    assert await leaves(world) == [
        ("operator", "rules.draft", "risk_rules@1", "drafted"),
        ("operator", "rules.publish", "risk_rules@1", "risk_rules_not_reviewed"),
        ("operator", "rules.review", "risk_rules@1", "risk_rules_own_review"),
        ("key_reviewer", "rules.review", "risk_rules@1", "accept"),
        ("operator", "rules.publish", "risk_rules@1", "published"),
    ]


async def test_an_author_with_another_key_of_the_same_identity_is_still_the_author(world: RuleWorld) -> None:
    await world.draft(written(LARGE))
    rotated = msgspec.structs.replace(REVIEWER.principal, id=OPERATOR.id)
    again = msgspec.structs.replace(REVIEWER, principal=rotated)
    assert isinstance(await world.review(1, caller=again), OwnReview)


async def test_what_was_rejected_is_not_published_and_a_review_is_final(world: RuleWorld) -> None:
    await world.draft(written(LARGE))
    await world.review(1, ReviewVerdict.REJECT, note="far too loud")
    assert isinstance(await world.publish(1), RulesNotReviewed)
    assert isinstance(await world.review(1), RulesReviewed)


async def test_a_draft_that_cannot_be_is_not_kept(world: RuleWorld) -> None:
    refused = await world.draft(written(rule("wrong", "features.nothing > 1")))
    assert isinstance(refused, RulesInvalid)
    assert refused.field == "rules[0].when"
    for version in (9, 0, 2**40):
        refused_set = await world.draft(written(LARGE, feature_set=version))
        assert isinstance(refused_set, FeatureSetNotFound)
        assert refused_set.field == "feature_set"
    assert await world.rows("select version from rules.rule_set where book_id = %(book_id)s") == []
    assert [result for *_, result in await leaves(world)] == [
        "risk_rules_invalid",
        *3 * ["feature_set_not_found"],
    ]


async def test_rules_that_fail_their_own_tests_are_not_published(world: RuleWorld) -> None:
    wrong = {**MANY, "tests": [{"given": {"features.card_count_1h": 5}, "expect": "fires", "name": "five"}]}
    await world.draft(written(wrong))
    await world.review(1)
    refused = await world.publish(1)
    assert isinstance(refused, RuleTestsFailed)
    assert refused.detail == "many_payments: test 1 (five) expects fires, and found does_not_fire"
    assert refused.members["tests"][0]["why"] == ("features.card_count_1h = 5 <= 5",)
    assert await world.load() is NO_RULES


async def test_to_publish_an_older_version_is_to_go_back_to_it_and_every_version_can_be_loaded(
    world: RuleWorld,
) -> None:
    await world.published(MANY)
    await world.published(LARGE)
    assert (await world.load()).version == 2
    await world.publish(1)
    assert (await world.load()).version == 1
    async with world.database.connection() as connection:
        older = await rules.load_version(connection, world.book_id, 2)
        assert evaluate(older, PAYMENT, world.clock.now()).names == ("large",)
        assert await rules.load_version(connection, world.book_id, 0) is NO_RULES
        assert (await rules.load_published(connection, world.book_id)).version == 1
        with pytest.raises(RuleSetNotFound):
            await rules.load_version(connection, world.book_id, 3)
    assert await world.rows(
        "select number, version from rules.publication where book_id = %(book_id)s order by number"
    ) == [(1, 1), (2, 2), (3, 1)]


async def test_versions_are_listed_newest_first(world: RuleWorld) -> None:
    for each in (MANY, LARGE, MANY):
        await world.draft(written(each))
    await world.review(2)
    await world.publish(2)
    async with world.database.connection() as connection:
        listed, current = await rules.list_versions(connection, world.book_id, limit=2)
        rest, _ = await rules.list_versions(connection, world.book_id, before=2)
        assert (await rules.get_version(connection, world.book_id)).version == 2
        with pytest.raises(InvalidRequest):
            await rules.list_versions(connection, world.book_id, limit=0)
    assert ([one.version for one in listed], [one.version for one in rest], current) == ([3, 2], [1], 2)


async def test_drafts_reviews_publications_and_withdrawals_are_told(world: RuleWorld) -> None:
    await world.published(MANY)
    await world.published(LARGE)
    await world.publish(1)
    await world.publish(1)
    await world.draft(written(MANY))
    await world.review(3, ReviewVerdict.REJECT, note="twice the same")
    await world.publish(3)
    told = await world.told()
    assert [(type_.removeprefix("risk_rule_set."), data["name"]) for type_, data in told] == [
        ("drafted", "v1"), ("reviewed", "v1"), ("published", "v1"),
        ("drafted", "v2"), ("reviewed", "v2"), ("published", "v2"), ("withdrawn", "v1"),
        ("published", "v1"), ("withdrawn", "v2"), ("published", "v1"),
        ("drafted", "v3"), ("reviewed", "v3"),
    ]  # fmt: skip
    published, rejected = told[2][1], told[-1][1]
    assert (published["rules"], published["published_by"]) == (1, "operator")
    assert (rejected["review"]["verdict"], rejected["review"]["note"]) == ("reject", "twice the same")


# Features


async def test_a_feature_that_published_rules_read_is_not_dropped_unnoticed(world: RuleWorld) -> None:
    await world.published(MANY, rule("more", "features.card_count_1h > 50"), LARGE)
    async with world.database.connection() as connection:
        await rules.refuse_dropped(connection, world.book_id, FeatureSet(features=(COUNT,)))
        with pytest.raises(FeatureInUse, match=r"card_count_1h would be gone: .*\(many_payments, more\)"):
            await rules.refuse_dropped(connection, world.book_id, FeatureSet(features=(MEAN,)))
        changed = msgspec.structs.replace(MEAN, name=COUNT.name)
        with pytest.raises(FeatureInUse, match="would be double, and is int"):
            await rules.refuse_dropped(connection, world.book_id, FeatureSet(features=(changed,)))


async def test_where_it_is_dropped_nevertheless_rules_do_not_fire_and_cannot_be_published_anew(
    world: RuleWorld,
) -> None:
    await world.published(MANY)
    await world.published(rule("most", "features.card_max_7d > 5"))
    await world.declare(COUNT)
    fired = evaluate(await world.load(), {**PAYMENT, "features.card_count_1h": 9}, world.clock.now())
    assert (fired.names, fired.missing) == ((), ("most",))
    refused = await world.publish(2)
    assert isinstance(refused, RulesInvalid)
    assert refused.detail == "features.card_max_7d is not in the feature set in use"
    assert isinstance(await world.publish(1), Version)


async def test_a_draft_may_name_a_feature_set_and_says_which_it_speaks_of(world: RuleWorld) -> None:
    await world.declare(MOST)
    older = await world.draft(written(MANY, feature_set=1))
    newest = await world.draft(written(LARGE))
    assert isinstance(older, Version)
    assert isinstance(newest, Version)
    assert (older.feature_set, newest.feature_set) == (1, 2)


# Snoozes


async def test_a_snooze_takes_effect_with_the_next_batch_and_ends_by_itself(world: RuleWorld) -> None:
    await world.published(LARGE)
    before = await world.load()
    made = await world.snooze("large", HOUR)
    assert isinstance(made, Snooze)
    after = await world.load()
    now = world.clock.now()
    assert evaluate(before, PAYMENT, now).names == ("large",)
    assert evaluate(after, PAYMENT, now).snoozed == ("large",)
    assert evaluate(after, PAYMENT, now + HOUR).names == ("large",)
    async with world.database.connection() as connection:
        assert await rules.list_snoozes(connection, world.book_id, at=now) == [made]
        assert await rules.list_snoozes(connection, world.book_id, at=now + HOUR) == []


async def test_replay_knows_what_was_snoozed_when_it_was_decided(world: RuleWorld) -> None:
    await world.published(LARGE)
    now = world.clock.now()
    known = [(await world.load()).snoozes]
    await world.snooze("large", HOUR)
    known.append((await world.load()).snoozes)
    assert isinstance(await world.wake("large"), Snooze)
    known.append((await world.load()).snoozes)
    assert known == [0, 1, 2]
    async with world.database.connection() as connection:
        replayed = [
            evaluate(
                await rules.load_version(connection, world.book_id, 1, snoozes=number), PAYMENT, now
            ).names
            for number in known
        ]
    assert replayed == [("large",), (), ("large",)]


async def test_snoozes_are_told_and_shown_with_the_rules_that_they_are_of(world: RuleWorld) -> None:
    version = await world.published(LARGE, MANY)
    now = world.clock.now()
    made = await world.snooze("large", HOUR)
    assert isinstance(made, Snooze)
    async with world.database.connection() as connection:
        view = await rules.shown(connection, world.book_id, version, at=now)
        later = await rules.shown(connection, world.book_id, version, at=now + HOUR)
    assert ([one.rule for one in view.snoozed], later.snoozed) == (["large"], ())
    assert (view.snoozed[0].until, view.snoozed[0].reason) == (now + HOUR, "too loud")
    await world.wake("large")
    await world.wake("large")
    (snoozed, told), (woken, again) = (await world.told())[-2:]
    assert (snoozed, told["rule"], told["reason"], told["by"]) == (
        "risk_rule.snoozed", "large", "too loud", "operator",
    )  # fmt: skip
    assert (woken, again["id"], again["reason"]) == ("risk_rule.woken", told["id"], "all is well")
    assert again["until"] == again["at"] < told["until"]


async def test_a_snooze_holds_across_versions(world: RuleWorld) -> None:
    await world.published(LARGE)
    await world.snooze("large", HOUR)
    await world.published({**LARGE, "when": "payment.amount > 5"}, MANY)
    assert evaluate(await world.load(), PAYMENT, world.clock.now()).snoozed == ("large",)


async def test_snoozes_that_cannot_be_are_refused_and_audited(world: RuleWorld) -> None:
    assert isinstance(await world.snooze("large", HOUR), RuleNotFound)
    await world.published(LARGE)
    assert isinstance(await world.snooze("many_payments", HOUR), RuleNotFound)
    for length, reason in (
        (dt.timedelta(), "x"), (-HOUR, "x"), (dt.timedelta(days=367), "x"), (HOUR, ""),
        (HOUR, "a@example.com"),
    ):  # fmt: skip
        assert isinstance(await world.snooze("large", length, reason), SnoozeInvalid)
    assert isinstance(await world.wake("large"), SnoozeInvalid)
    assert await world.rows("select number from rules.snooze where book_id = %(book_id)s") == []
    found = [(action, object_id, result) for _, action, object_id, result in await leaves(world)]
    assert found[0] == ("rules.snooze", "risk_rule:large", "risk_rule_not_found")
    assert found[-1] == ("rules.wake", "risk_rule:large", "risk_snooze_invalid")
