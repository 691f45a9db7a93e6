"""The ids of the domain: UUIDv7s, made by the program, each with a type of its own so that none is
taken for another.
"""

from __future__ import annotations

from typing import NewType, TypeAlias
from uuid import UUID

OrganizationId = NewType("OrganizationId", UUID)
ProviderId = NewType("ProviderId", UUID)
ResourceId = NewType("ResourceId", UUID)
SubjectId: TypeAlias = ProviderId | ResourceId
"""Whatever has hours and time that can be taken. No provider and resource share an id."""
ServiceId = NewType("ServiceId", UUID)
"""No service shares an id with a subject."""
OwnerId: TypeAlias = SubjectId | ServiceId | OrganizationId
"""A subject, a service, or the organization itself: each has something that may change, and so a
stamp.
"""
LocationId = NewType("LocationId", UUID)
CustomerId = NewType("CustomerId", UUID)
AppointmentId = NewType("AppointmentId", UUID)
HoldId = NewType("HoldId", UUID)
SessionId = NewType("SessionId", UUID)
"""No session shares an id with a subject or a service."""
WeeklyHoursId = NewType("WeeklyHoursId", UUID)
WeeklyBreakId = NewType("WeeklyBreakId", UUID)
AvailabilityExceptionId = NewType("AvailabilityExceptionId", UUID)
TimeOffId = NewType("TimeOffId", UUID)
BusySourceId = NewType("BusySourceId", UUID)
EventId = NewType("EventId", UUID)
CalendarFeedId = NewType("CalendarFeedId", UUID)
"""A calendar feed gets a new one whenever its address is renewed."""
WebhookId = NewType("WebhookId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
"""One event for one webhook, however often it is tried."""
MessageLogId = NewType("MessageLogId", UUID)
"""A row of the message log. It outlives retries, and so does what is derived from it, such as a
mail's Message-ID.
"""
