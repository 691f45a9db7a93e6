"""The application of one process of `serve`, and what such a process sets for all of Python."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from typing import Final

from starlette.applications import Starlette

from app.api.transport import CURRENT_REQUEST_ID
from app.child_processes import die_with_parent
from app.process.asgi import create_app
from app.process.garbage import collect_rarely
from app.process.huge_pages import use_huge_pages
from app.process.shutdown import Leaving
from app.settings import Settings
from app.telemetry.logs import configure_logs

SWITCH_SECONDS: Final = 0.000_5
"""How long a thread that reads a document or compiles a template keeps the interpreter from the
event loop, which asks for it at every callback. Python's own 5 ms would make an answer ten times
as slow meanwhile.
"""


def application() -> Starlette:
    """The application of one worker process, which reads its settings itself."""
    _end_with_parent()
    settings = Settings.of_this_process()
    configure_logs(settings.watch.log_format, request_id=CURRENT_REQUEST_ID.get)
    leave = settings.leave
    leaving = Leaving(drain_seconds=leave.drain_seconds, finishing_seconds=leave.finishing_seconds)
    made = create_app(settings, leaving=leaving)
    # Answers are large and have no cycles.
    collect_rarely()
    use_huge_pages()
    sys.setswitchinterval(SWITCH_SECONDS)
    return made


def _end_with_parent() -> None:
    """One of several worker processes ends in order where its parent was killed: nobody else would
    ever end it, and it would keep the port.
    """
    parent, ask = multiprocessing.parent_process(), die_with_parent(signal.SIGTERM)
    if parent is None or ask is None:
        return
    ask()
    if os.getppid() != parent.pid:  # it was killed before we asked
        signal.raise_signal(signal.SIGTERM)
