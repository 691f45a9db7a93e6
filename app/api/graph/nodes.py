"""`node` and `nodes`: from opaque ids back to objects, for those who may see them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final
from uuid import UUID

import strawberry

from app.api.graph.appointments import Appointment, Customer, customer_seen, messages_of
from app.api.graph.busy import BusySource
from app.api.graph.holds import Hold
from app.api.graph.locations import location_of
from app.api.graph.organizations import Organization
from app.api.graph.providers import Provider
from app.api.graph.reminders import Reminder
from app.api.graph.resources import Resource
from app.api.graph.services import Service
from app.api.graph.sessions import Session
from app.api.graph.time_off import TimeOff
from app.api.graph.webhooks import Delivery, Webhook
from app.api.operation.info import Info
from app.api.words.enums import ExternalType
from app.api.words.errors import BadUserInput
from app.api.words.node import Node
from app.api.words.relay import global_id, read_global_id, read_global_id_of_part
from app.core import appointment as core
from app.core.ids import (
    AppointmentId,
    BusySourceId,
    CustomerId,
    DeliveryId,
    HoldId,
    LocationId,
    MessageLogId,
    ProviderId,
    ResourceId,
    ServiceId,
    SessionId,
    TimeOffId,
    WebhookId,
)
from app.usecases.booking.find_appointment import find_appointment
from app.usecases.practice.edit_organization import read_organization
from app.usecases.practice.find_by_external_id import find_by_external_id

MOST_IDS = 100

_TYPE_NAMES: Final = {
    ExternalType.PROVIDER: "Provider",
    ExternalType.SERVICE: "Service",
    ExternalType.RESOURCE: "Resource",
    ExternalType.LOCATION: "Location",
    ExternalType.CUSTOMER: "Customer",
    ExternalType.APPOINTMENT: "Appointment",
}


async def _provider(info: Info, key: UUID) -> Node | None:
    found = await info.context.loaders.provider.load(ProviderId(key))
    return Provider.found(found, info.context.viewer)


async def _resource(info: Info, key: UUID) -> Node | None:
    if not info.context.viewer.sees_staff_matters:
        return None
    found = await info.context.loaders.resource.load(ResourceId(key))
    return None if found is None else Resource.of(found)


async def _hold(info: Info, key: UUID) -> Node | None:
    """Those who run its calendar may release it: its caller has the token from `holdSlot`."""
    context = info.context
    found = await context.loaders.hold.load(HoldId(key))
    may_see = found is not None and context.viewer.runs_any(found.providers)
    return Hold.found(found, context) if found is not None and may_see else None


async def _time_off(info: Info, key: UUID) -> Node | None:
    if not info.context.viewer.sees_staff_matters:
        return None
    found = await info.context.loaders.one_time_off.load(TimeOffId(key))
    return None if found is None else TimeOff.of(found)


async def _busy_source(info: Info, key: UUID) -> Node | None:
    if not info.context.viewer.sees_staff_matters:
        return None
    found = await info.context.loaders.busy_source.load(BusySourceId(key))
    return None if found is None else BusySource.of(found)


async def _service(info: Info, key: UUID) -> Node | None:
    found = await info.context.loaders.service.load(ServiceId(key))
    return Service.found(found, info.context.viewer)


async def _location(info: Info, key: UUID) -> Node | None:
    return await location_of(info, LocationId(key))


async def _organization(info: Info, key: UUID) -> Node | None:
    context = info.context
    if key != context.viewer.organization_id:
        return None
    found = await read_organization(context.resources, context.viewer)
    return None if found is None else Organization.of(found)


async def _session(info: Info, key: UUID) -> Node | None:
    found = await info.context.loaders.session.load(SessionId(key))
    may_see = found is not None and info.context.viewer.sees_session_of(found.providers)
    return Session.of(found) if found is not None and may_see else None


async def _customer(info: Info, key: UUID) -> Node | None:
    return await customer_seen(info, CustomerId(key))


async def _appointment(info: Info, key: UUID) -> Node | None:
    found = await _booked(info, key)
    return None if found is None else Appointment.of(found)


async def _booked(info: Info, key: UUID) -> core.Appointment | None:
    context = info.context
    return await find_appointment(
        context.resources,
        context.viewer,
        AppointmentId(key),
        manage_token=None,
        load=context.loaders.appointment.load,
    )


async def _webhook(info: Info, key: UUID) -> Node | None:
    if not info.context.viewer.is_admin:
        return None
    found = await info.context.loaders.webhook.load(WebhookId(key))
    return None if found is None else Webhook.of(found)


async def _delivery(info: Info, key: UUID) -> Node | None:
    if not info.context.viewer.is_admin:
        return None
    found = await info.context.loaders.delivery.load(DeliveryId(key))
    return None if found is None else Delivery.of(found)


async def _message(info: Info, key: UUID) -> Node | None:
    """By its row in the log, from which events and webhooks know it."""
    appointment_id = await info.context.loaders.appointment_of_message.load(MessageLogId(key))
    appointment = None if appointment_id is None else await _booked(info, appointment_id)
    if appointment is None:
        return None
    found = await messages_of(info, appointment)
    return next((Reminder.of(each) for each in found if each.id == key), None)


async def _reminder(info: Info, text: str) -> Reminder | None:
    """A message is found through its appointment: one that is planned is stored nowhere else."""
    keys = read_global_id_of_part("Reminder", text)
    appointment = None if keys is None else await _booked(info, keys[0])
    if keys is None or appointment is None:
        return None
    found = await messages_of(info, appointment)
    return next((Reminder.of(each) for each in found if each.key == keys[1]), None)


_FIND: Final[Mapping[str, Callable[[Info, UUID], Awaitable[Node | None]]]] = {
    "Appointment": _appointment,
    "BusySource": _busy_source,
    "Customer": _customer,
    "Delivery": _delivery,
    "Hold": _hold,
    "Location": _location,
    "Organization": _organization,
    "Provider": _provider,
    "Reminder": _message,
    "Resource": _resource,
    "Service": _service,
    "Session": _session,
    "TimeOff": _time_off,
    "Webhook": _webhook,
}
"""How an object of each type is found by its key, for those who may see it."""


async def _node(info: Info, text: str) -> Node | None:
    found = read_global_id(text)
    return await _reminder(info, text) if found is None else await _found(info, *found)


async def _found(info: Info, type_name: str, key: UUID) -> Node | None:
    find = _FIND.get(type_name)
    return None if find is None else await find(info, key)


async def node_of(info: Info, type_name: str, key: UUID) -> Node | None:
    """The object of this type that an event is about; None where there is none any more that the
    caller may see. Batched.
    """
    found = await _found(info, type_name, key)
    if isinstance(found, Customer) and isinstance(found.row, core.Customer):
        return None if found.row.is_erased else found
    return found


@strawberry.type
class NodeQuery:
    """Relay's two root fields."""

    @strawberry.field(
        description="The object with this id; null where there is none that the caller may see."
    )
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its opaque id.")],
    ) -> Node | None:
        """Batched."""
        return await _node(info, id)

    @strawberry.field(
        description="The object of this type with the organization's own id; null where there is "
        "none that the caller may see. Staff only."
    )
    async def by_external_id(
        self,
        info: Info,
        type: Annotated[ExternalType, strawberry.argument(description="Of which type.")],
        external_id: Annotated[str, strawberry.argument(description="The organization's own id.")],
    ) -> Node | None:
        """See the use case."""
        context = info.context
        key = await find_by_external_id(
            context.resources, context.viewer, type, external_id.replace("\0", "")
        )
        return None if key is None else await _node(info, global_id(_TYPE_NAMES[type], key))

    @strawberry.field(
        description=(
            "The objects with these ids, at most 100, in the same order; null for each unknown one."
        )
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Their opaque ids.")],
    ) -> list[Node | None]:
        """Batched."""
        if len(ids) > MOST_IDS:
            raise BadUserInput(f"Ask for at most {MOST_IDS} ids at once.", "ids")
        return list(await asyncio.gather(*(_node(info, text) for text in ids)))
