"""Check the database: whether it answers, and has this program's schema version."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from app.store.migrations import DatabaseAheadError, MigrationError, check
from app.store.pool import DatabaseUnavailableError

if TYPE_CHECKING:
    from app.usecases.resources import Resources


class DatabaseState(StrEnum):
    """What `/readyz` reports about PostgreSQL. A newer schema means an upgrade in progress: running
    processes go on working until they are replaced.
    """

    OK = "ok"
    NEWER = "newer"
    NOT_MIGRATED = "not migrated"
    UNAVAILABLE = "unavailable"


async def check_database(resources: Resources) -> DatabaseState:
    """The database's state; this may take as long as PostgreSQL takes to answer."""
    try:
        await check(resources.pool)
    except DatabaseAheadError:
        return DatabaseState.NEWER
    except MigrationError:
        return DatabaseState.NOT_MIGRATED
    except DatabaseUnavailableError:
        return DatabaseState.UNAVAILABLE
    return DatabaseState.OK
