"""`caudal bench webhooks`, as small as it goes."""

import msgspec

from caudal.bench import webhooks


async def test_every_case_is_measured_beside_the_floor_of_the_run() -> None:
    told: list[str] = []
    tiny = webhooks.Size(events=100, singles=3, rounds=1)

    report = await webhooks.run(tiny, lambda what, _done, _total: told.append(what))

    plain = msgspec.json.decode(msgspec.json.encode(report))
    assert (plain["name"], list(plain["floor"])) == ("webhooks", ["posts_per_second"])
    cases = {case["case"]: case for case in plain["cases"]}
    assert list(cases) == list(webhooks.CASES)
    assert told == ["floor", *webhooks.CASES]
    assert all(case["per_second"] > 0 and case["ratio_to_floor"] > 0 for case in cases.values())
    for name in ("deliver", "deliver_ordered"):
        assert 0 < cases[name]["p50_ms"] <= cases[name]["p99_ms"] < 5_000
    assert list(cases["slow_neighbour"]["figures"]) == ["alone_per_second", "kept", "kept_cpu", "cpu_us"]
