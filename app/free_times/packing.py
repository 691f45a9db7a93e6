"""Free days as bytes: a head, six for each stretch of possible starts, and twelve for each hold.

A day that is wholly free takes 42 bytes, one with ten bookings some 100.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from app.core.free_days import FreeDay, Held

STAMP_BYTES: Final = 24

# stamp, kept since, base, number of stretches, number of holds
_HEAD: Final = struct.Struct(f"<{STAMP_BYTES}sIIHH")
_HELD: Final = struct.Struct("<hhq")  # minutes after the base: first, until; expires at


class PackedDay(NamedTuple):
    """What a value in Redis holds."""

    stamp: bytes
    kept_since: int
    """Seconds since 1970 by the writer's real clock: how old the value is, roughly."""
    day: FreeDay


def pack_day(day: FreeDay, *, stamp: bytes, kept_since: int) -> bytes:
    """The bytes of a day. A date, the windows that reach into it and the holds that matter for it
    lie within a week, so minutes after its first stretch fit into 16 bits.
    """
    stretches, held = day
    base = stretches[0] if stretches else held[0].first if held else 0
    count = len(stretches)
    minutes = [minute - base for minute in stretches]
    packed = struct.pack(
        f"{_HEAD.format}{count}h", stamp, kept_since, base, count // 3, len(held), *minutes
    )
    if held:
        packed += b"".join(
            _HELD.pack(first - base, until - base, expires_at) for first, until, expires_at in held
        )
    return packed


def unpack_day(value: bytes) -> PackedDay:
    """What `pack_day` packed."""
    stamp, kept_since, base, stretch_count, held_count = _HEAD.unpack_from(value)
    minutes = struct.unpack_from(f"<{3 * stretch_count}h", value, _HEAD.size)
    stretches = tuple([base + minute for minute in minutes])
    held: tuple[Held, ...] = ()
    if held_count:
        held = tuple(
            Held(base + first, base + until, expires_at)
            for first, until, expires_at in _HELD.iter_unpack(
                value[_HEAD.size + 6 * stretch_count :]
            )
        )
    return PackedDay(stamp, kept_since, FreeDay(stretches, held))
