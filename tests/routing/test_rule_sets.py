"""Rule sets are kept in versions, published, gone back to; and every process learns of it."""

import json
from typing import Any

import msgspec
import pytest

from caudal import events, routing
from caudal.connectors import PartnerUnknown
from caudal.routing import Directory, NoDefaultRule, Rules, RuleSetNotFound, Version
from caudal_base.database import Database
from caudal_base.errors import InvalidRequest
from caudal_base.personal import PersonalDataRefused
from support.customer_worlds import CALLER
from support.documented import refuse_undocumented
from support.routes import default, rules
from support.routing_worlds import RoutingWorld

ALPHA, BETA = rules(default("alpha")), rules(default("beta"))


@pytest.fixture
async def world(database: Database) -> RoutingWorld:
    return await RoutingWorld.make(database)


async def leaves(world: RoutingWorld) -> list[tuple[str, str, str, str]]:
    found = await world.rows(
        "select convert_from(leaf, 'UTF8') from audit.record"
        " where book_id = %(book_id)s order by inserted_by, id"
    )
    told = [json.loads(leaf) for (leaf,) in found]
    return [(one["principal"], one["action"], one["object_id"], one["result"]) for one in told]


async def told(world: RoutingWorld) -> list[tuple[str, dict[str, Any]]]:
    async with world.database.connection() as connection:
        page = await events.find(connection, world.book_id)
    for event in page.events:
        refuse_undocumented(event)
    return [(event.type, msgspec.json.decode(event.data)) for event in page.events]


async def test_rules_are_a_draft_until_they_are_published_and_both_is_audited(world: RoutingWorld) -> None:
    draft = await world.create(ALPHA)
    assert (draft.version, draft.published_at) == (1, None)
    assert (await world.standing()).version is None

    published = await world.publish(1)
    assert isinstance(published, Version)
    assert (published.published_at, published.published_by) == (world.clock.now(), "operator")
    assert (await world.standing()).version == 1
    assert await leaves(world) == [
        ("operator", "routing.create", "rules@1", "created"),
        ("operator", "routing.publish", "rules@1", "published"),
    ]


async def test_a_rule_set_is_told_of_when_it_is_kept_and_each_time_it_is_published(
    world: RoutingWorld,
) -> None:
    await world.create(ALPHA)
    await world.publish(1)
    await world.publish(2)
    await world.publish(1)
    found = await told(world)
    assert [type_ for type_, _ in found] == ["rule_set.created", "rule_set.published", "rule_set.published"]
    assert {data["id"] for _, data in found} == {"rls_00000000000000000000000000000001"}
    assert [data.get("published_by") for _, data in found] == [None, "operator", "operator"]


async def test_rules_that_cannot_work_may_be_kept_but_not_published(world: RoutingWorld) -> None:
    written = rules({**default("alpha"), "when": {"currency": ["EUR"]}})
    assert (await world.create(written)).version == 1
    assert isinstance(await world.publish(1), NoDefaultRule)
    assert isinstance(await world.publish(2), RuleSetNotFound)
    assert (await world.standing()).version is None
    assert [(action, result) for _, action, _, result in await leaves(world)] == [
        ("routing.create", "created"),
        ("routing.publish", "routing_no_default"),
        ("routing.publish", "rule_set_not_found"),
    ]


async def test_to_publish_an_older_version_is_to_go_back_to_it(world: RoutingWorld) -> None:
    for written in (ALPHA, BETA):
        await world.published(written)
    assert (await world.standing()).version == 2
    await world.publish(1)
    standing = await world.standing()
    assert standing.version == 1
    assert standing.plan == routing.compiled(ALPHA)
    assert await world.rows(
        "select number, version from routing.publication where book_id = %(book_id)s order by number"
    ) == [(1, 1), (2, 2), (3, 1)]


async def test_versions_are_read_one_by_one_and_listed_newest_first(world: RoutingWorld) -> None:
    for written in (ALPHA, BETA, ALPHA):
        await world.create(written)
    await world.publish(2)
    async with world.database.connection() as connection:
        one, two = [await routing.get_version(connection, world.book_id, number) for number in (1, 2)]
        current = await routing.get_version(connection, world.book_id)
        listed, number = await routing.list_versions(connection, world.book_id, limit=2)
        rest, _ = await routing.list_versions(connection, world.book_id, before=2)
        with pytest.raises(RuleSetNotFound):
            await routing.get_version(connection, world.book_id, 4)
        with pytest.raises(InvalidRequest):
            await routing.list_versions(connection, world.book_id, limit=1_001)
    assert (one.rules, one.published_at, two.rules, current) == (ALPHA, None, BETA, two)
    assert ([each.version for each in listed], [each.version for each in rest], number) == ([3, 2], [1], 2)


async def test_what_looks_like_personal_data_is_not_kept(world: RoutingWorld) -> None:
    card = {**default("alpha", name="own"), "when": {"instrument": ["4242424242424242"]}}
    for written in (rules(default("alpha"), note="ask ann@example.com"), rules(card, default("alpha"))):
        with pytest.raises(PersonalDataRefused):
            await world.create(written)
    assert await world.rows("select 1 from routing.rule_set where book_id = %(book_id)s") == []


async def test_what_is_known_is_read_again_only_once_it_is_stale(world: RoutingWorld) -> None:
    now = 0.0
    world.directory = Directory(world.clock, fresh_s=2.0, monotonic=lambda: now)
    assert (await world.standing()).version is None
    await world.published(ALPHA)
    now = 1.9
    assert (await world.standing()).version is None
    now = 2.0
    assert (await world.standing()).version == 1
    await world.published(BETA)
    world.directory.forget(world.book_id)
    assert (await world.standing()).version == 2


async def test_a_version_is_read_and_compiled_once(world: RoutingWorld) -> None:
    await world.published(ALPHA)
    assert (await world.standing()).plan is (await world.standing()).plan


async def test_a_partner_is_drained_and_resumed_by_an_operator(world: RoutingWorld) -> None:
    async def condition(name: str) -> str:
        async with world.database.connection() as connection:
            (found,) = await routing.conditions(connection, world.book_id, [name], at=world.clock.now())
        return found.health.value

    async def drain(name: str, reason: str = "contract ends") -> None:
        async with world.database.transaction() as connection:
            await routing.drain(
                connection, world.book_id, name, reason, [*world.partners], caller=CALLER,
                ledger=world.ledger, at=world.clock.now(),
            )  # fmt: skip

    await drain("alpha")
    for _ in range(2):
        await drain("alpha", "for another reason")
    assert (await condition("alpha"), await condition("beta")) == ("draining", "up")
    assert (await world.standing()).drained == {"alpha"}
    for _ in range(2):
        async with world.database.transaction() as connection:
            await routing.resume(
                connection, world.book_id, "alpha", ["alpha"], caller=CALLER, ledger=world.ledger,
                at=world.clock.now(),
            )  # fmt: skip
    assert await condition("alpha") == "up"
    assert [result for _, _, _, result in await leaves(world)] == [
        "draining", "draining", "draining", "resumed", "unchanged",
    ]  # fmt: skip
    assert [
        (type_, data["health"], data.get("drain", {}).get("reason")) for type_, data in await told(world)
    ] == [
        ("partner.drained", "draining", "contract ends"),
        ("partner.drained", "draining", "for another reason"),
        ("partner.resumed", "up", None),
    ], "what changes nothing is not told"
    with pytest.raises(PartnerUnknown):
        await drain("nobody")
    with pytest.raises(InvalidRequest):
        await drain("alpha", "")
    with pytest.raises(PersonalDataRefused):
        await drain("alpha", "ask ann@example.com")


async def test_rules_survive_being_written_down(world: RoutingWorld) -> None:
    split = {"split": [{"partner": "alpha", "weight": 60}, {"partner": "beta", "weight": 40}]}
    written = rules(
        {"name": "own", "when": {"currency": ["EUR"], "amount_from": 5, "country": ["DE"]}, "to": split},
        default("alpha"),
        routes={"spare": {"to": {"partner": "beta"}}},
        retries=[{"cause": "soft_decline", "then": "later", "wait_s": 60}],
        note="first try",
    )
    await world.published(written)
    async with world.database.connection() as connection:
        assert (await routing.get_version(connection, world.book_id)).rules == written
    assert isinstance(written, Rules)
