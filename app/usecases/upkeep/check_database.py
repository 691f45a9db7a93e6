"""Check the database: whether it answers, has this program's schema version, and is distributed
where it can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from app.store.migrations import (
    DatabaseAheadError,
    MigrationError,
    UndistributedError,
    check,
)
from app.store.pool import DatabaseUnavailableError

if TYPE_CHECKING:
    from app.store.distribution import Engine
    from app.usecases.resources import Resources


class DatabaseState(StrEnum):
    """What `/readyz` reports about PostgreSQL. A newer schema means an upgrade in progress: running
    processes go on working until they are replaced.
    """

    OK = "ok"
    NEWER = "newer"
    NOT_MIGRATED = "not migrated"
    NOT_DISTRIBUTED = "not distributed"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    state: DatabaseState
    engine: Engine | None = None
    """Known where the state is OK."""


async def check_database(resources: Resources) -> Database:
    """The database's state; this may take as long as PostgreSQL takes to answer."""
    try:
        return Database(state=DatabaseState.OK, engine=await check(resources.pool))
    except DatabaseAheadError:
        return Database(state=DatabaseState.NEWER)
    except UndistributedError:
        return Database(state=DatabaseState.NOT_DISTRIBUTED)
    except MigrationError:
        return Database(state=DatabaseState.NOT_MIGRATED)
    except DatabaseUnavailableError:
        return Database(state=DatabaseState.UNAVAILABLE)
