"""In which order programs are stopped, and that those of one stage do not wait for one another."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from caudal.supervisor import Program, Stage, Supervisor
from support.processes import wait_for

SCRIPT = 'trap \'echo "told $0" >> "$1"; sleep "$2"; echo "ended $0" >> "$1"; exit 0\' TERM; '
SCRIPT += 'echo "runs $0" >> "$1"; while :; do sleep 0.02; done'


def program(name: str, journal: Path, stage: Stage, takes_s: float, **fields: float) -> Program:
    """A program that takes so long to end, and writes down what happens to it."""
    return Program(
        name=name,
        arguments=["/bin/sh", "-c", SCRIPT, name, str(journal), str(takes_s)],
        environment=dict(os.environ),
        stage=stage,
        **fields,  # type: ignore[arg-type]
    )


def stopped(journal: Path, *programs: Program) -> list[str]:
    """What is written down when they are stopped after all of them run."""
    journal.touch()

    def stop() -> None:
        wait_for(lambda: journal.read_text().count("runs") == len(programs))
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    Supervisor(None, programs).run(lambda: None)
    return [line for line in journal.read_text().splitlines() if not line.startswith("runs")]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The programs' output goes where the supervisor's errors go, which must be a file.
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    return tmp_path / "journal"


def test_what_callers_come_to_ends_first_and_what_the_others_need_last(journal: Path) -> None:
    told = stopped(
        journal,
        program("sandbox", journal, Stage.CALLED_UPON, 0),
        program("worker", journal, Stage.WORKING, 0.1),
        program("api", journal, Stage.CALLED, 0.1),
    )

    assert told == [
        "told api", "ended api", "told worker", "ended worker", "told sandbox", "ended sandbox",
    ]  # fmt: skip


def test_those_of_one_stage_take_leave_together(journal: Path) -> None:
    workers = [program(f"worker-{number}", journal, Stage.WORKING, 0.5) for number in range(3)]

    told = stopped(journal, *workers)

    assert sorted(told[:3]) == ["told worker-0", "told worker-1", "told worker-2"]
    assert sorted(told[3:]) == ["ended worker-0", "ended worker-1", "ended worker-2"]


def test_one_that_takes_too_long_is_killed_and_the_next_stage_comes(journal: Path) -> None:
    began = time.monotonic()

    told = stopped(
        journal,
        program("api", journal, Stage.CALLED, 60, stop_within_s=0.3),
        program("worker", journal, Stage.WORKING, 0),
    )

    assert told == ["told api", "told worker", "ended worker"]
    assert time.monotonic() - began < 30
