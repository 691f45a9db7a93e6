"""The application of one process of `serve`, and what such a process sets for all of Python."""

from __future__ import annotations

import gc
import sys
from typing import Final

from starlette.applications import Starlette

from app.api.transport import CURRENT_REQUEST_ID
from app.process.asgi import create_app
from app.process.shutdown import Leaving
from app.settings import Settings
from app.telemetry.logs import configure_logs

GC_THRESHOLDS: Final = (5_000, 2, 3_000)
"""Objects made before a collection, and collections before those of the older generations. Each
stops the process: one of 5,000 young objects for some 2 ms, every third one, with those that
survived, for 5; with 10 for 2, every eleventh would take 17. Fewer objects would be collected
several times within an answer for dozens of providers. All objects are collected after some 45
million, if at all: requests leave few cycles.
"""

SWITCH_SECONDS: Final = 0.000_5
"""How long a thread that reads a document or compiles a template keeps the interpreter from the
event loop, which asks for it at every callback. Python's own 5 ms would make an answer ten times
as slow meanwhile.
"""


def application() -> Starlette:
    """The application of one worker process, which reads its settings itself."""
    settings = Settings.of_this_process()
    configure_logs(settings.watch.log_format, request_id=CURRENT_REQUEST_ID.get)
    leave = settings.leave
    leaving = Leaving(drain_seconds=leave.drain_seconds, finishing_seconds=leave.finishing_seconds)
    made = create_app(settings, leaving=leaving)
    # The objects made so far stay until the end. Walking them at every collection would take most
    # of the slowest answers' time. Answers are large and have no cycles, so collections may be
    # rare.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)
    return made
