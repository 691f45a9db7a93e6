"""The message that webhooks get about an event: the same words as the API's, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

import orjson

from app.api.words.relay import Order, global_id
from app.core.events import EventType

if TYPE_CHECKING:
    from app.core.events import Event, EventCursor
    from app.core.ids import OrganizationId

API_VERSION: Final = "1"
"""Of the messages below: another one where a receiver that understands this one would not
understand them.
"""

IN_ORDER: Final = Order(name="events", types=(int, int, UUID))
"""The order of the log of events, which its cursors are of."""

SUBJECT_TYPES: Final = {
    EventType.APPOINTMENT_BOOKED: "Appointment",
    EventType.APPOINTMENT_RESCHEDULED: "Appointment",
    EventType.APPOINTMENT_CANCELLED: "Appointment",
    EventType.APPOINTMENT_COMPLETED: "Appointment",
    EventType.APPOINTMENT_NO_SHOW: "Appointment",
    EventType.APPOINTMENT_CORRECTED: "Appointment",
    EventType.SESSION_RESCHEDULED: "Session",
    EventType.SESSION_CANCELLED: "Session",
    EventType.HOLD_CREATED: "Hold",
    EventType.HOLD_ENDED: "Hold",
    EventType.MESSAGE_SENT: "Reminder",
    EventType.MESSAGE_FAILED: "Reminder",
    EventType.PROVIDER_CHANGED: "Provider",
    EventType.SERVICE_CHANGED: "Service",
    EventType.RESOURCE_CHANGED: "Resource",
    EventType.LOCATION_CHANGED: "Location",
    EventType.ORGANIZATION_CHANGED: "Organization",
    EventType.CUSTOMER_CHANGED: "Customer",
    EventType.CUSTOMER_ERASED: "Customer",
    EventType.WEBHOOK_CHANGED: "Webhook",
    EventType.WEBHOOK_TESTED: "Webhook",
}
"""The GraphQL type of what each event is about."""


def cursor_text(cursor: EventCursor) -> str:
    """The opaque cursor of a place in the log."""
    return IN_ORDER.cursor((cursor.epoch, cursor.transaction_id, cursor.id))


def event_message(organization_id: OrganizationId, event: Event) -> tuple[str, bytes]:
    """The id of an event, and the body that webhooks are sent. The same event has the same body,
    however often it is sent.
    """
    happening, author = event.happening, event.author
    event_id = str(global_id("Event", event.id))
    provider_id, customer_id = happening.provider_id, happening.customer_id
    body = {
        "type": happening.type,
        "timestamp": event.occurred_at,
        "api_version": API_VERSION,
        "data": {
            "event_id": event_id,
            "cursor": cursor_text(event.cursor),
            "organization_id": global_id("Organization", organization_id),
            "subject_type": SUBJECT_TYPES[happening.type],
            "subject_id": global_id(SUBJECT_TYPES[happening.type], happening.subject_id),
            "version": happening.version,
            "provider_id": None if provider_id is None else global_id("Provider", provider_id),
            "customer_id": None if customer_id is None else global_id("Customer", customer_id),
            "actor": author.actor,
            "actor_subject": author.staff_subject,
        },
    }
    return event_id, orjson.dumps(body, option=orjson.OPT_UTC_Z)
