"""Converts opaque ids to the domain's. Text that is not an id of the type becomes an id that no row
has, so that it finds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.api.words.relay import key_of
from app.core.ids import (
    AppointmentId,
    BusySourceId,
    CustomerId,
    DeliveryId,
    LocationId,
    ProviderId,
    ResourceId,
    ServiceId,
    SessionId,
    TimeOffId,
    WebhookId,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_NOTHING: Final = UUID(int=0)


def provider_key(text: str) -> ProviderId:
    """The provider that this global id names."""
    return ProviderId(key_of("Provider", text) or _NOTHING)


def provider_keys(texts: Iterable[str]) -> list[ProviderId]:
    """The providers that these global ids name."""
    return [provider_key(text) for text in texts]


def optional_provider_key(text: str | None) -> ProviderId | None:
    """The provider that this global id names; None where none was given."""
    return None if text is None else provider_key(text)


def resource_key(text: str) -> ResourceId:
    """The resource that this global id names."""
    return ResourceId(key_of("Resource", text) or _NOTHING)


def resource_keys(texts: Iterable[str]) -> list[ResourceId]:
    """The resources that these global ids name."""
    return [resource_key(text) for text in texts]


def optional_resource_key(text: str | None) -> ResourceId | None:
    """The resource that this global id names; None where none was given."""
    return None if text is None else resource_key(text)


def optional_provider_keys(texts: Iterable[str] | None) -> list[ProviderId] | None:
    """The providers that these global ids name; None where no list was given."""
    return None if texts is None else provider_keys(texts)


def service_key(text: str) -> ServiceId:
    """The service that this global id names."""
    return ServiceId(key_of("Service", text) or _NOTHING)


def service_keys(texts: Iterable[str]) -> list[ServiceId]:
    """The services that these global ids name."""
    return [service_key(text) for text in texts]


def optional_service_key(text: str | None) -> ServiceId | None:
    """The service that this global id names; None where none was given."""
    return None if text is None else service_key(text)


def session_key(text: str) -> SessionId:
    """The session that this global id names."""
    return SessionId(key_of("Session", text) or _NOTHING)


def time_off_key(text: str) -> TimeOffId:
    """The time off that this global id names."""
    return TimeOffId(key_of("TimeOff", text) or _NOTHING)


def busy_source_key(text: str) -> BusySourceId:
    """The source of busy times that this global id names."""
    return BusySourceId(key_of("BusySource", text) or _NOTHING)


def location_key(text: str) -> LocationId:
    """The location that this global id names."""
    return LocationId(key_of("Location", text) or _NOTHING)


def optional_location_key(text: str | None) -> LocationId | None:
    """The location that this global id names; None where none was given."""
    return None if text is None else location_key(text)


def appointment_key(text: str) -> AppointmentId:
    """The appointment that this global id names."""
    return AppointmentId(key_of("Appointment", text) or _NOTHING)


def customer_key(text: str) -> CustomerId:
    """The customer that this global id names."""
    return CustomerId(key_of("Customer", text) or _NOTHING)


def optional_customer_key(text: str | None) -> CustomerId | None:
    """The customer that this global id names; None where none was given."""
    return None if text is None else customer_key(text)


def webhook_key(text: str) -> WebhookId:
    """The webhook that this global id names."""
    return WebhookId(key_of("Webhook", text) or _NOTHING)


def delivery_key(text: str) -> DeliveryId:
    """The delivery that this global id names."""
    return DeliveryId(key_of("Delivery", text) or _NOTHING)
