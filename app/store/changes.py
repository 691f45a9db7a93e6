"""Recent changes, and how a read is ordered among all commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.core.changes import AppointmentChanged, AppointmentChangeKind
from app.core.ids import AppointmentId, CustomerId, OrganizationId, ProviderId
from app.store.sql import query

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.pool import Transaction
    from app.store.sql import Executor

_POSITION = query("commit_position")
_SINCE = query("appointment_changes_since")

_BEFORE_ALL: Final = AppointmentId(UUID(int=0))


COMMITS_OF_EPOCH: Final = 10**15
"""More than a server ever has."""


async def commit_position(snapshot: Transaction, organization_id: OrganizationId) -> int:
    """Grows with every commit that the snapshot sees: of two readings of an organization, the one
    with more commits has the greater, also where its rows were moved to another server in between.
    """
    row = await _POSITION.one(snapshot, organization_id)
    position: int = row["epoch"] * COMMITS_OF_EPOCH + row["commits"]
    return position


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place in an organization's history; what is written later comes after it, but for clocks
    that differ.
    """

    occurred_at: datetime
    appointment_id: AppointmentId = _BEFORE_ALL
    version: int = 0


async def appointment_changes_since(
    on: Executor, organization_id: OrganizationId, after: Mark, *, page_size: int
) -> tuple[list[AppointmentChanged], Mark | None]:
    """The next page of changes after a mark, oldest first, and where the page after it begins; None
    after the last.
    """
    rows = await _SINCE.many(
        on, organization_id, after.occurred_at, after.appointment_id, after.version, page_size
    )
    changes = [
        AppointmentChanged(
            organization_id=organization_id,
            appointment_id=AppointmentId(row["appointment_id"]),
            provider_ids=tuple(map(ProviderId, row["provider_ids"])),
            customer_id=CustomerId(row["customer_id"]),
            kind=AppointmentChangeKind(row["kind"]),
            version=row["version"],
        )
        for row in rows
    ]
    if len(rows) < page_size:
        return changes, None
    last = rows[-1]
    mark = Mark(
        occurred_at=last["occurred_at"],
        appointment_id=AppointmentId(last["appointment_id"]),
        version=last["version"],
    )
    return changes, mark
