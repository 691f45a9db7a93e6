"""Free days as bytes: a head of 20, and four for each run of starts that follow each other at the
grid's step.

A day that is wholly free takes 24 bytes, one with ten bookings some 60.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from app.core.free_days import FreeDay, HeldStart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.zones import Minute

GENERATION_BYTES: Final = 8

# generation, kept since, base, number of runs, number of held starts
_HEAD: Final = struct.Struct("<8sIIHH")
_RUN: Final = struct.Struct("<HH")  # minutes after the base, how many
_HELD: Final = struct.Struct("<iq")  # minutes after the base, free from


class PackedDay(NamedTuple):
    """What a value in Redis holds."""

    generation: bytes
    kept_since: int
    """Seconds since 1970 by the writer's real clock: how old the value is, roughly."""
    day: FreeDay


def pack_day(day: FreeDay, *, step: int, generation: bytes, kept_since: int) -> bytes:
    """The bytes of a day whose grid has this step."""
    starts = day.starts
    base = starts[0] if starts else day.held[0].start if day.held else 0
    runs = _runs(starts, step)
    head = _HEAD.pack(generation, kept_since, base, len(runs) // 2, len(day.held))
    held = b"".join(_HELD.pack(start - base, free_from) for start, free_from in day.held)
    return head + struct.pack(f"<{len(runs)}H", *runs) + held


@lru_cache(maxsize=16_384)
def unpack_day(value: bytes, step: int) -> PackedDay:
    """What `pack_day` packed with the same step. Remembered: a popular day is read
    again and again.
    """
    generation, kept_since, base, run_count, held_count = _HEAD.unpack_from(value)
    starts: list[Minute] = []
    held_at = _HEAD.size + run_count * _RUN.size
    for offset, count in _RUN.iter_unpack(value[_HEAD.size : held_at]):
        begin = base + offset
        starts += range(begin, begin + count * step, step)
    held = (
        tuple(
            HeldStart(base + offset, free_from)
            for offset, free_from in _HELD.iter_unpack(value[held_at:])
        )
        if held_count
        else ()
    )
    return PackedDay(generation, kept_since, FreeDay(tuple(starts), held))


def _runs(starts: Sequence[Minute], step: int) -> list[int]:
    """Minutes after the first start, and how many: of each run, one after the other."""
    runs: list[int] = []
    following = count = 0
    for start in starts:
        if start == following:
            count += 1
        else:
            if count:
                runs.append(count)
            runs.append(start - starts[0])
            count = 1
        following = start + step
    if count:
        runs.append(count)
    return runs
