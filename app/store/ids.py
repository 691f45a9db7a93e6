"""New ids: UUIDs of version 7 (RFC 9562), so that what is made later is stored behind what was made
before. They are of the driver's own type, as all ids that are read: it is sent, hashed and written
as text several times faster than Python's.
"""

from __future__ import annotations

import os
from struct import Struct
from time import time_ns  # noqa: TID251  an id says when it was made, which decides nothing
from typing import TYPE_CHECKING, Final

from asyncpg.pgproto import pgproto

if TYPE_CHECKING:
    from uuid import UUID

_TICKS: Final = 4_096
"""In a millisecond: the twelve bits behind it count them (RFC 9562, 6.2, method 3)."""
_pack: Final = Struct(">QQ").pack
_unpack: Final = Struct(">Q").unpack

_last = 0


def new_id() -> UUID:
    """Greater than all that this process made before, whatever the clock does."""
    global _last  # noqa: PLW0603  one for all
    _last = ticks = max(time_ns() * _TICKS // 1_000_000, _last + 1)
    (random,) = _unpack(os.urandom(8))
    version_and_ticks = 0x7000 | ticks % _TICKS
    return pgproto.UUID(_pack(ticks // _TICKS << 16 | version_and_ticks, 1 << 63 | random >> 2))
