"""New ids: UUIDs of version 7 (RFC 9562), so that what is made later is stored behind what was made
before. They are of the driver's own type, as all ids that are read: it is sent, hashed and written
as text several times faster than Python's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncpg.pgproto import pgproto
from uuid_utils import uuid7

if TYPE_CHECKING:
    from uuid import UUID


def new_id() -> UUID:
    """Greater than all that this process made before."""
    return pgproto.UUID(uuid7().bytes)
