"""Changes, as published to caches and subscribers after the commit. A change names what it touched,
not the new state.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.core.ids import (
        AppointmentId,
        CustomerId,
        OrganizationId,
        OwnerId,
        ProviderId,
        SubjectId,
    )
    from app.core.zones import Minute


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeChanged:
    """Time of a subject was taken or freed: `[claimed_from, claimed_until)`, buffers included."""

    organization_id: OrganizationId
    subject_id: SubjectId
    time_zone: str
    claimed_from: Minute
    claimed_until: Minute


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesChanged:
    """Hours, exceptions, rules, units, offers, needs or the zone of these subjects and services
    changed: any date may look different.
    """

    organization_id: OrganizationId
    ids: tuple[OwnerId, ...]


class AppointmentChangeKind(StrEnum):
    """What happened to an appointment."""

    BOOKED = "BOOKED"
    RESCHEDULED = "RESCHEDULED"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    NO_SHOW = "NO_SHOW"
    CORRECTED = "CORRECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentChanged:
    """An appointment was booked, moved, cancelled, closed or corrected; `version` is the one it has
    since.

    `provider_ids` are those taken since, the lead first.
    """

    organization_id: OrganizationId
    appointment_id: AppointmentId
    provider_ids: tuple[ProviderId, ...]
    customer_id: CustomerId
    kind: AppointmentChangeKind
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PracticeChanged:
    """The organization, or its providers, services, resources or locations were edited: the log of
    events says which.
    """

    organization_id: OrganizationId


Change = TimeChanged | RulesChanged | AppointmentChanged | PracticeChanged
