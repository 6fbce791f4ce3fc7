"""`caudal bench risk`, as small as it goes."""

from collections.abc import Sequence

import msgspec
import pytest

from caudal.bench import risk, risk_model
from caudal.bench.risk_world import FEATURES, RiskWorld
from caudal.bench.world import World
from caudal.models import Prepared
from caudal.risk import DecisionFilter, find_decisions
from caudal_base.decide import Verdict
from caudal_base.statements import execute


async def test_every_case_is_measured_by_stage_and_on_the_shorter_history_too() -> None:
    told: list[str] = []
    tiny = risk.Size(histories=(200, 2_000), decisions=20, seconds=0.4, rates=1, trees=20)

    report = await risk.run(tiny, lambda what, _done, _total: told.append(what))

    plain = msgspec.json.decode(msgspec.json.encode(report))
    assert (plain["name"], list(plain["floor"])) == ("risk", ["http_requests_per_second"])
    cases = {case["case"]: case for case in plain["cases"]}
    assert list(cases) == list(risk.CASES)
    assert told[-1] == "http"
    for name in ("decide", "decide_hot", "decide_batch"):
        assert 0 < cases[name]["p50_ms"] <= cases[name]["p99_ms"] < 5_000
        figures = cases[name]["figures"]
        assert {"read_p99_ms", "write_p99_ms", "p99_ms_at_200"} <= figures.keys()
        assert (figures["models"], figures["scored_share"]) == (2, 1)
        assert 0 < figures["model_us"] < 20_000
    assert cases["http"]["per_second"] > 0
    assert (cases["http"]["figures"]["models"], cases["http"]["figures"]["scored_share"]) == (2, 1)


async def test_every_decision_of_it_has_a_models_score_and_a_shadows_and_stops_no_payment(
    dsn: str, small_models: Sequence[Prepared]
) -> None:
    async with World.on(dsn, "decided") as world:
        made = RiskWorld(world)
        await made.prepare(200, small_models)
        async with world.database.transaction() as connection:
            await (await world.ledger.begin(connection, world.book_id, ())).finish()
            subjects = [*made.subjects(5, hot=True), *made.subjects(5, hot=False)]
            batch = await made.decider.begin(connection, world.book_id, subjects)
            await batch.ready(made.clock.now())
            for subject in subjects:
                batch.recorded(subject, batch.decide(subject))
            await execute(connection, batch.writes())
        async with world.database.connection() as connection:
            found = await find_decisions(connection, world.book_id, DecisionFilter())
        share = await risk_model.scored_share(world)

    assert len(found) == 10
    for record in found:
        assert (record.served.model, record.served.role) == ("bench@1", "champion")
        assert record.decided.outcome is Verdict.APPROVE
        assert record.decided.score is not None
        assert 0 < record.decided.score < 0.9
        (shadow,) = record.shadows
        assert (shadow.model, shadow.score is None) == ("bench@2", False)
        assert shadow.score != record.decided.score
    assert share == 1.0
    assert made.asked()[0] == 20


async def test_without_what_runs_models_none_is_asked_and_the_figures_say_so(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    prepared = risk_model.prepare(FEATURES)
    monkeypatch.undo()
    async with World.on(dsn, "alone") as world:
        made = RiskWorld(world)
        await made.prepare(200, prepared)
        case = await risk._in_process(made, "decide", 20, batch=1, hot=False)

    assert prepared == ()
    assert (case.figures["models"], case.figures["scored_share"], case.figures["model_us"]) == (0, 0, 0)
