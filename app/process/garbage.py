"""How often a process looks for objects that only refer to each other."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (5_000, 2, 3_000)
"""Objects made before a collection, and collections before those of the older generations. Each
stops the process: one of 5,000 young objects for some 2 ms, every third one, with those that
survived, for 5; with 10 for 2, every eleventh would take 17. Fewer objects would be collected
several times within an answer for dozens of providers. All objects are collected after some 45
million, if at all: requests and messages leave few cycles.
"""


def collect_rarely() -> None:
    """From here on. The objects made so far stay until the end: walking them at every collection
    would take most of the slowest answers' time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
