"""Check the database: whether it answers, and is where this program needs it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from app.store.migrations import DatabaseAheadError, MigrationError, check
from app.store.pool import DatabaseUnavailableError

if TYPE_CHECKING:
    from app.usecases.resources import Resources


class DatabaseState(StrEnum):
    """What `/readyz` says of PostgreSQL. A newer one is being upgraded: who runs goes on until
    they are replaced.
    """

    OK = "ok"
    NEWER = "newer"
    NOT_MIGRATED = "not migrated"
    UNAVAILABLE = "unavailable"


async def check_database(resources: Resources) -> DatabaseState:
    """How it is; it may take as long as PostgreSQL does."""
    try:
        await check(resources.pool)
    except DatabaseAheadError:
        return DatabaseState.NEWER
    except MigrationError:
        return DatabaseState.NOT_MIGRATED
    except DatabaseUnavailableError:
        return DatabaseState.UNAVAILABLE
    return DatabaseState.OK
