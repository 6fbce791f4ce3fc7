"""A process that must not outlive the one that started it: the kernel tells it when that one has died.

Linux only. Elsewhere nothing is arranged, and a child that outlives its parent has to be ended by hand.
"""

import ctypes
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

from caudal_base.check import check

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def dying_with_parent(number: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the child gets the signal `number` when the calling thread ends, however it ends.

    Raises `InvariantError` outside the main thread, since the child would then end with that thread.
    """
    check(threading.current_thread() is threading.main_thread(), "children are started by the main thread")
    _prctl()  # loads the library before the fork, where it is safe
    return functools.partial(die_with_parent, number, parent=os.getpid())


def die_with_parent(number: signal.Signals, *, parent: int) -> None:
    """In a child: let it get the signal `number` when its parent, which was the process `parent`, has died.

    Ends the child at once if the parent has died already.
    """
    prctl = _prctl()
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)


@functools.cache
def _prctl() -> Callable[..., int] | None:
    return ctypes.CDLL(None).prctl if sys.platform == "linux" else None
