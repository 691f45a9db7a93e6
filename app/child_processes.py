"""Child processes that never outlive us: each dies with its parent, and is ended politely, then
surely.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h: the signal that a process gets when its parent dies."""


def die_with_parent(how: signal.Signals) -> Callable[[], None] | None:
    """What a child calls so that the kernel sends it this signal when its parent dies: as
    `preexec_fn` of `Popen`, or in its main thread. The parent has to start it from its main thread,
    since Linux ties a child's life to a thread. None where there is no such call.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(how))

    return ask


def end(child: subprocess.Popen[bytes], how: signal.Signals, *, within_seconds: float) -> None:
    """Asks the child, which leads a session of its own, to end; then kills it, and what it left
    behind in any case.
    """
    if child.poll() is None:
        child.send_signal(how)
    try:
        child.wait(timeout=within_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
