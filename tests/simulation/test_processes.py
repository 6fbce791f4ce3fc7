"""What a run knows of its programs' processes."""

import os
import signal
import subprocess
import sys
import time

from caudal.simulation.processes import Waiting

_BUSY = "while True: pass"


def test_two_that_share_a_processor_take_twice_as_long() -> None:
    processor = {min(os.sched_getaffinity(0))}
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(2)]
    try:
        for each in busy:
            os.sched_setaffinity(each.pid, processor)
        waiting = Waiting()
        deadline = time.monotonic() + 20
        while waiting.slowness < 1.8 and time.monotonic() < deadline:
            time.sleep(0.05)
            waiting.look(busy[0].pid)
        assert waiting.slowness >= 1.8
    finally:
        for each in busy:
            each.send_signal(signal.SIGKILL)
            each.wait()


def test_who_has_gone_or_was_not_looked_at_says_nothing() -> None:
    waiting = Waiting()
    waiting.look(2**22 + 1)
    assert waiting.slowness == 1.0
