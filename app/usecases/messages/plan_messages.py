"""Plan messages: what a change has to be told, written to the outbox in the transaction of that
change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.reminders import plan
from app.store.messages import insert_outbox

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.changes import AppointmentChangeKind
    from app.core.ids import OrganizationId
    from app.store.pool import Transaction


def plan_messages(
    tx: Transaction,
    organization_id: OrganizationId,
    before: Appointment | None,
    after: Appointment,
    change: AppointmentChangeKind,
    now: datetime,
) -> None:
    """Both or neither: without the change nothing is told of it, and with it everything will be."""
    insert_outbox(
        tx, organization_id, after.id, after.time_version, plan(before, after, change, now)
    )
