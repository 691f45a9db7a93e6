"""How often a process looks for objects that only refer to each other."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 2, 300)
"""More objects made than freed before a collection, and collections before those of the older
generations. Each stops the process: one of 50,000 young objects for some 20 ms, every third one,
with those that survived, for 40. Under load, the objects of all requests under way are walked as
well: with 5,000, that took a fifth of the processor's time at a thousand requests a second. All
objects are collected after some 45 million, if at all: requests and messages leave few cycles.
"""


def collect_rarely() -> None:
    """From here on. The objects made so far stay until the end: walking them at every collection
    would take most of the slowest answers' time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
