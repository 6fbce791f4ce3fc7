"""Where traces go: nowhere unless a setting says so, and then nothing is loaded for them."""

import datetime as dt
import os
import subprocess
import sys

import pytest

from caudal_base import ids, telemetry
from caudal_base.settings import InvalidSettings, load


@pytest.mark.parametrize("value", ["console", "http://collector:4318/v1/traces", "https://collector"])
def test_an_exporter_is_the_console_or_an_address(value: str) -> None:
    assert load({"CAUDAL_TRACE_EXPORTER": value}).trace_exporter == value
    assert load({}).trace_exporter is None


@pytest.mark.parametrize("value", ["collector:4318", "ftp://collector", "Console", "http://u:p@collector"])
def test_another_exporter_is_refused(value: str) -> None:
    with pytest.raises(InvalidSettings, match="trace_exporter must be console"):
        load({"CAUDAL_TRACE_EXPORTER": value})


def test_the_libraries_are_not_loaded_while_it_is_off() -> None:
    program = "import sys, caudal.app, caudal.worker; print([m for m in sys.modules if 'opentelemetry' in m])"

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"


def test_the_console_prints_spans() -> None:
    program = (
        "from caudal_base import telemetry\n"
        "telemetry.configure('console', service='caudal-test')\n"
        "with telemetry.span('job x', {'caudal.job.kind': 'x'}): pass\n"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert '"name": "job x"' in ran.stdout
    assert '"service.name": "caudal-test"' in ran.stdout


def test_a_share_of_the_payments_is_kept_whole_and_of_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    exporter = InMemorySpanExporter()
    telemetry.install(SimpleSpanProcessor(exporter))
    for number in range(400):  # of one millisecond ids are near one another
        made_at = dt.datetime(2026, 3, 2, tzinfo=dt.UTC) + number * dt.timedelta(milliseconds=1)
        payment = ids.encode(ids.PAYMENT, ids.uuid7(made_at, os.urandom))
        telemetry.record("made", {}, seconds=0.001, payment_id=payment, first=True)
        with telemetry.span("done", {}, payment_id=payment):
            pass
    telemetry.install(None)

    traces = {"made": set[int](), "done": set[int]()}
    for span in exporter.get_finished_spans():
        traces[span.name].add(span.context.trace_id)
    assert traces["made"] == traces["done"]
    assert 50 < len(traces["made"]) < 150  # 100 are expected; so far off once in 10^8
