"""`caudal bench risk`, as small as it goes."""

import msgspec

from caudal.bench import risk


async def test_every_case_is_measured_by_stage_and_on_the_shorter_history_too() -> None:
    told: list[str] = []
    tiny = risk.Size(histories=(200, 2_000), decisions=20, seconds=0.4, rates=1)

    report = await risk.run(tiny, lambda what, _done, _total: told.append(what))

    plain = msgspec.json.decode(msgspec.json.encode(report))
    assert (plain["name"], list(plain["floor"])) == ("risk", ["http_requests_per_second"])
    cases = {case["case"]: case for case in plain["cases"]}
    assert list(cases) == list(risk.CASES)
    assert told[-1] == "http"
    for name in ("decide", "decide_hot", "decide_batch"):
        assert 0 < cases[name]["p50_ms"] <= cases[name]["p99_ms"] < 5_000
        assert {"read_p99_ms", "write_p99_ms", "p99_ms_at_200"} <= cases[name]["figures"].keys()
    assert cases["http"]["per_second"] > 0
