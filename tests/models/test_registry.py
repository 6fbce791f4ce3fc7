"""Models go from registration to decisions past a gate and a second person, and back by one command."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from caudal import models
from caudal.models import (
    Comparison,
    Difference,
    DriftBounds,
    Gate,
    GateClosed,
    Group,
    Leak,
    Metric,
    ModelNotFound,
    NothingToRollBack,
    Outcome,
    Purpose,
    Registered,
    Role,
    SamePerson,
    ServingInvalid,
    ServingVersion,
    Stage,
    StageRefused,
    Terms,
    store,
)
from caudal_base.database import Connection, Database
from caudal_base.errors import InvalidRequest
from caudal_base.personal import PersonalDataRefused
from support.model_worlds import ANA, BEN, ROW, ModelWorld, scorecard_file


@pytest.fixture
async def world(database: Database) -> ModelWorld:
    return await ModelWorld.make(database)


async def leaves(world: ModelWorld) -> list[tuple[str, str, str, str]]:
    found = await world.rows(
        "select convert_from(leaf, 'UTF8') from audit.record"
        " where book_id = %(book_id)s order by inserted_by, id"
    )
    told = [json.loads(leaf) for (leaf,) in found]
    return [(one["principal"], one["action"], one["object_id"], one["result"]) for one in told]


async def test_from_registration_to_the_champion_every_act_is_audited_and_told(world: ModelWorld) -> None:
    model = await world.register(scorecard_file())
    assert (model.label, model.stage) == ("card-fraud@1", Stage.REGISTERED)
    await world.changed(model, Stage.SHADOW, caller=ANA)
    champion = await world.changed(model, Stage.CHAMPION)
    assert champion.stage is Stage.CHAMPION
    assert await leaves(world) == [
        ("key_ana", "models.register", "card-fraud@1", "registered"),
        ("key_ana", "models.shadow", "card-fraud@1", "shadow"),
        ("key_ben", "models.promote", "card-fraud@1", "champion"),
    ]
    told = await world.told()
    assert [(type_, data["stage"]) for type_, data in told] == [
        ("model.registered", "registered"),
        ("model.shadowed", "shadow"),
        ("model.promoted", "champion"),
    ]
    assert {data["id"] for _, data in told} == {model.external_id}


async def test_the_same_content_is_registered_once(world: ModelWorld) -> None:
    first = await world.register(scorecard_file())
    again = await world.register(scorecard_file(), caller=BEN)
    assert (again.id, again.version, again.registered_by) == (first.id, 1, "key_ana")
    assert (await world.register(scorecard_file(shift=1.0))).version == 2


async def test_what_is_kept_is_read_back_whole(world: ModelWorld) -> None:
    file = scorecard_file()
    model = await world.register(file)
    async with world.database.connection() as connection:
        assert await models.get_file(connection, world.book_id, model.id) == file
        for reference in (model.external_id, "card-fraud", "card-fraud@1"):
            found = await models.get_model(connection, world.book_id, reference)
            assert (found.id, found.card, found.measured) == (model.id, file.card, model.measured)
        for reference in ("card-fraud@2", "nobody", "Card Fraud", "mdl_" + "0" * 31 + "1"):
            with pytest.raises(ModelNotFound):
                await models.get_model(connection, world.book_id, reference)


async def test_who_registered_a_model_does_not_let_it_decide(world: ModelWorld) -> None:
    model = await world.register(scorecard_file())
    await world.changed(model, Stage.SHADOW, caller=ANA)
    for override in (None, "it is urgent"):
        refused = await world.change(model, Stage.CHAMPION, caller=ANA, override=override)
        assert isinstance(refused, SamePerson)
    assert (await world.serving()).champion is None
    assert (await leaves(world))[-1] == ("key_ana", "models.promote", "card-fraud@1", "model_same_person")


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"metrics": {}}, "auc: not measured"),
        ({"metrics": {"auc": Metric(value=0.9)}}, "auc: measured without an interval"),
        (
            {"metrics": {"auc": Metric(value=0.65, low=0.55, high=0.75)}},
            "auc: the interval begins at 0.55, below 0.6",
        ),
        ({"calibration_error": None}, "calibration error: not measured"),
        ({"calibration_error": 0.2}, "calibration error: 0.2, above 0.05"),
        ({"stability": None}, "stability: not measured"),
        ({"stability": 0.5}, "stability: PSI 0.5, above 0.25"),
        ({"leaks": None}, "leak check: not done"),
        (
            {"leaks": (Leak(name="term", auc=0.99, kept=True),)},
            "leak check: term predicts too well, and was left in",
        ),
        ({"purpose": Purpose.CREDIT, "groups": ()}, "fairness: groups were not looked at"),
        (
            {"groups": (Group(attribute="sex", group="f", rows=9, approved=0.5, ratio=0.625),)},
            "fairness: sex f is approved 0.62 times as often as the best group, below 0.80",
        ),
    ],
)
async def test_the_gate_says_what_is_missing(
    world: ModelWorld, changes: dict[str, Any], missing: str
) -> None:
    model = await world.register(scorecard_file(**changes))
    await world.changed(model, Stage.SHADOW)
    refused = await world.change(model, Stage.CHAMPION)
    assert isinstance(refused, GateClosed)
    assert refused.members["missing"] == [missing]
    assert (await world.serving()).champion is None


async def test_latency_contract_and_time_as_a_shadow_are_at_the_gate(world: ModelWorld) -> None:
    await world.set_terms(Terms(gate=Gate(max_latency_us=5, min_shadow_hours=2)))
    model = await world.register(scorecard_file())
    await world.changed(model, Stage.SHADOW)
    world.clock.advance(dt.timedelta(hours=1))
    refused = await world.change(model, Stage.CHAMPION)
    assert isinstance(refused, GateClosed)
    assert refused.members["missing"] == [
        "latency: 9 µs for 99 in 100, above 5",
        "shadow: for less than 2 hours",
    ]


async def test_an_override_needs_a_reason_and_leaves_it_with_what_was_missing(world: ModelWorld) -> None:
    model = await world.register(scorecard_file(stability=0.5))
    for reason in ("", "call +49 30 901820", "x" * 201):
        refused = await world.change(model, Stage.CHAMPION, override=reason)
        assert isinstance(refused, InvalidRequest | PersonalDataRefused), reason
    assert isinstance(await world.change(model, Stage.CHAMPION), StageRefused)
    await world.changed(model, Stage.CHAMPION, override="attack under way")
    missed = ["stability: PSI 0.5, above 0.25", "shadow: it never was one"]
    type_, data = (await world.told())[-1]
    assert (type_, data["misses"], data["reason"], data["by"]) == (
        "model.promoted", missed, "attack under way", "key_ben",
    )  # fmt: skip
    ((details,),) = await world.rows(
        "select convert_from(leaf, 'UTF8')::json ->> 'details' from audit.record"
        " where book_id = %(book_id)s and action = 'models.promote' and convert_from(leaf, 'UTF8')::json ->>"
        " 'result' = 'champion'"
    )
    assert json.loads(details) == {"version": 1, "missed": missed, "override": "attack under way"}


async def test_a_new_champion_retires_the_old_one_and_a_rollback_brings_it_back(world: ModelWorld) -> None:
    first = await world.champion(scorecard_file())
    assert isinstance(await world.roll_back(), NothingToRollBack)
    second = await world.champion(scorecard_file(shift=1.0))
    assert await world.stage(first) is Stage.RETIRED
    assert (await world.serving()).champion.id == second.id  # type: ignore[union-attr]

    back = await world.roll_back("too many reviews")
    assert isinstance(back, Registered)
    assert (back.id, back.stage, back.retired_at) == (first.id, Stage.CHAMPION, None)
    assert await world.stage(second) is Stage.RETIRED
    assert (await world.serving()).champion.id == first.id  # type: ignore[union-attr]
    told = [(type_, data["id"], data.get("reason")) for type_, data in await world.told()][-2:]
    assert told == [
        ("model.promoted", first.external_id, "too many reviews"),
        ("model.retired", second.external_id, "too many reviews"),
    ]


async def test_rollbacks_go_back_along_the_history_until_there_is_none(world: ModelWorld) -> None:
    a, b, c = [await world.champion(scorecard_file(shift=float(number))) for number in range(3)]
    for expected in (b, a):
        back = await world.roll_back()
        assert isinstance(back, Registered)
        assert (back.id, back.stage) == (expected.id, Stage.CHAMPION)
        assert (await world.serving()).champion.id == expected.id  # type: ignore[union-attr]
    assert isinstance(await world.roll_back(), NothingToRollBack)
    assert await world.stage(a) is Stage.CHAMPION
    assert [await world.stage(each) for each in (b, c)] == [Stage.RETIRED, Stage.RETIRED]
    assert (await leaves(world))[-1][1:] == ("models.rollback", "champion", "model_nothing_to_roll_back")


async def test_what_was_taken_back_is_gone_back_to_only_once_it_was_promoted_again(world: ModelWorld) -> None:
    a, b = [await world.champion(scorecard_file(shift=float(number))) for number in range(2)]
    await world.roll_back()
    for stage in (Stage.SHADOW, Stage.CHAMPION):
        await world.changed(b, stage)
    c = await world.champion(scorecard_file(shift=3.0))
    await world.changed(c, Stage.RETIRED, override="it fails")
    served = []
    while isinstance(back := await world.roll_back(), Registered):
        served.append(back.label)
    assert served == [b.label, a.label]


async def test_a_model_that_is_clearly_worse_than_the_champion_is_refused_unless_somebody_says_why(
    world: ModelWorld,
) -> None:
    await world.champion(scorecard_file())
    model = await world.register(scorecard_file(shift=1.0))
    await world.changed(model, Stage.SHADOW)
    of = {"measure": "auc", "champion": 0.9, "challenger": 0.85, "difference": -0.05}
    compared = Comparison(
        champion="card-fraud@1", rows=1_200, bad=130,
        differences=(Difference(**of, low=-0.07, high=-0.03),),
    )  # fmt: skip
    unclear = msgspec.structs.replace(compared, differences=(Difference(**of, low=-0.11, high=0.01),))
    refused = await world.change(model, Stage.CHALLENGER, share=10, compared=compared)
    assert isinstance(refused, GateClosed)
    assert refused.members["missing"] == [
        "comparison: auc is 0.8500, card-fraud@1's 0.9000 on the same 1,200 decisions: worse by 0.0300 to "
        "0.0700"
    ]
    assert isinstance(await world.change(model, Stage.CHAMPION, compared=compared), GateClosed)
    await world.changed(model, Stage.CHALLENGER, share=10, compared=unclear)
    await world.changed(model, Stage.CHAMPION, compared=compared, override="it costs a tenth")
    type_, told = (await world.told())[-2]
    assert (type_, told["reason"], told["misses"]) == (
        "model.promoted", "it costs a tenth", refused.members["missing"],
    )  # fmt: skip


async def test_a_challenger_gets_its_share_and_the_same_keys_always(world: ModelWorld) -> None:
    champion = await world.champion(scorecard_file())
    model = await world.register(scorecard_file(shift=1.0))
    await world.changed(model, Stage.SHADOW)
    for share in (None, 0, 100):
        assert isinstance(await world.change(model, Stage.CHALLENGER, share=share), InvalidRequest)
    await world.changed(model, Stage.CHALLENGER, share=10)
    serving = await world.serving()
    keys = [f"pay_{number}" for number in range(10_000)]
    ten = {key for key in keys if models.assign(serving, key).role is Role.CHALLENGER}
    assert 900 < len(ten) < 1_100
    chosen = models.assign(serving, next(iter(ten)))
    assert chosen.model is not None
    assert chosen.model.id == model.id

    await world.changed(model, Stage.CHALLENGER, share=30)
    serving = await world.serving()
    thirty = {key for key in keys if models.assign(serving, key).role is Role.CHALLENGER}
    assert ten < thirty
    await world.set_terms(Terms(salt="another"))
    serving = await world.serving()
    other = {key for key in keys if models.assign(serving, key).role is Role.CHALLENGER}
    assert other != thirty
    await world.changed(model, Stage.RETIRED)
    assigned = models.assign(await world.serving(), next(iter(other)))
    assert assigned.model is not None
    assert (assigned.model.id, assigned.role) == (champion.id, Role.CHAMPION)


@pytest.mark.parametrize(
    ("before", "stage"),
    [
        ([], Stage.CHALLENGER),
        ([], Stage.CHAMPION),
        ([Stage.SHADOW, Stage.CHAMPION], Stage.SHADOW),
        ([Stage.SHADOW, Stage.CHAMPION], Stage.RETIRED),
        ([Stage.SHADOW], Stage.CHALLENGER),
        ([Stage.RETIRED], Stage.CHAMPION),
        ([], Stage.REGISTERED),
    ],
)
async def test_no_stage_is_skipped_and_none_is_left_without_a_champion(
    world: ModelWorld, before: list[Stage], stage: Stage
) -> None:
    model = await world.register(scorecard_file())
    for each in before:
        await world.changed(model, each)
    share = 10 if stage is Stage.CHALLENGER else None
    was = await world.stage(model)
    assert isinstance(await world.change(model, stage, share=share), StageRefused)
    assert await world.stage(model) is was


async def test_terms_say_what_a_score_comes_to(world: ModelWorld) -> None:
    assert (await world.serving()).version == 0
    assert isinstance(await world.set_terms(Terms(review_at=0.5, decline_at=0.4)), ServingInvalid)
    assert isinstance(await world.set_terms(Terms(salt="ü" * 40)), ServingInvalid)
    made = await world.set_terms(Terms(challenge_at=0.1, review_at=0.5, decline_at=0.9, drift=DriftBounds()))
    assert isinstance(made, ServingVersion)
    terms = (await world.serving()).terms
    assert [models.outcome_of(terms, score) for score in (0.0999, 0.1, 0.5, 0.9)] == [
        Outcome.APPROVE, Outcome.CHALLENGE, Outcome.REVIEW, Outcome.DECLINE,
    ]  # fmt: skip
    assert models.outcome_of(Terms(), 1.0) is Outcome.APPROVE
    assert [type_ for type_, _ in await world.told()] == ["model_serving.changed"]


async def test_a_process_loads_a_model_once_and_learns_of_each_change(world: ModelWorld) -> None:
    model = await world.register(scorecard_file())
    await world.changed(model, Stage.SHADOW)
    shadow = (await world.serving()).shadows[0]
    assert shadow.scorer is not None
    assert shadow.scorer.score(ROW).raw == 0.75
    assert (await world.serving()).shadows[0].scorer is shadow.scorer
    await world.changed(model, Stage.CHAMPION)
    champion = (await world.serving()).champion
    assert champion is not None
    assert champion.scorer is shadow.scorer


async def test_what_was_prepared_is_not_read_when_it_comes_to_serve(world: ModelWorld) -> None:
    model = await world.register(scorecard_file())
    directory = models.Directory()
    async with world.database.connection() as connection:
        await directory.prepare(connection, world.book_id)
    await world.rows("update models.model set artifact = '' where book_id = %(book_id)s returning id")
    await world.changed(model, Stage.SHADOW)

    async with world.database.connection() as connection:
        (shadow,) = (await directory.load(connection, world.book_id)).shadows
        (elsewhere,) = (await models.Directory().load(connection, world.book_id)).shadows

    assert shadow.scorer is not None
    assert elsewhere.scorer is None


async def test_what_is_prepared_meanwhile_takes_no_model_from_a_book_that_is_loaded(
    world: ModelWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caudal.models.directory.MAX_SCORERS", 1)
    served = [await world.register(scorecard_file(shift=float(n))) for n in range(2)]
    for model in served:
        await world.changed(model, Stage.SHADOW)
    later = await world.register(scorecard_file(shift=9.0))
    directory = models.Directory()
    async with world.database.connection() as connection:
        await directory.load_model(connection, world.book_id, served[0].id)
    reading = store.contents

    async def read(connection: Connection, book_id: int, wanted: Sequence[UUID]) -> object:
        found = await reading(connection, book_id, wanted)
        monkeypatch.setattr(store, "contents", reading)
        async with world.database.connection() as another:
            await directory.load_model(another, book_id, later.id)
        return found

    monkeypatch.setattr(store, "contents", read)
    async with world.database.connection() as connection:
        shadows = (await directory.load(connection, world.book_id)).shadows

    assert [shadow.scorer is not None for shadow in shadows] == [True, True]


async def test_what_served_is_found_again_by_its_version(world: ModelWorld) -> None:
    first = await world.champion(scorecard_file())
    version = (await world.serving()).version
    await world.champion(scorecard_file(shift=1.0))
    async with world.database.connection() as connection:
        then = await world.directory.load_version(connection, world.book_id, version)
        assert (await world.directory.load_model(connection, world.book_id, first.id)).hash == first.hash
        with pytest.raises(ModelNotFound):
            await world.directory.load_version(connection, world.book_id, 99)
    assert then.champion is not None
    assert then.champion.id == first.id


async def test_a_stored_model_that_is_damaged_serves_no_scores_and_says_why(world: ModelWorld) -> None:
    await world.champion(scorecard_file())
    async with world.database.transaction() as connection:
        await connection.execute(
            "update models.model set artifact = '\\x00' where book_id = %(book_id)s",
            {"book_id": world.book_id},
        )
    champion = (await world.serving()).champion
    assert champion is not None
    assert (champion.scorer, champion.why) == (None, "model_hash_mismatch")
    assert (await world.serving()).terms.fallback is Outcome.REVIEW


async def test_more_shadows_than_can_be_afforded_are_refused(world: ModelWorld) -> None:
    for number in range(models.MAX_SHADOWS):
        await world.changed(await world.register(scorecard_file(shift=float(number))), Stage.SHADOW)
    one_more = await world.register(scorecard_file(shift=99.0))
    assert isinstance(await world.change(one_more, Stage.SHADOW), StageRefused)


async def test_preparing_loads_and_measures(world: ModelWorld) -> None:
    prepared = models.prepare(models.content_of(scorecard_file()))
    assert prepared.measured.broken == ()
    assert 0 < prepared.measured.latency_us <= prepared.measured.latency_p99_us
