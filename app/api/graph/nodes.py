"""`node` and `nodes`: from opaque ids back to objects, for those who may see them."""

import asyncio
from typing import Annotated

import strawberry

from app.api.graph.appointments import Appointment, customer_seen, messages_of
from app.api.graph.providers import Provider
from app.api.graph.reminders import Reminder
from app.api.graph.resources import Resource
from app.api.graph.services import Service
from app.api.graph.sessions import Session
from app.api.graph.time_off import TimeOff
from app.api.operation.info import Info
from app.api.words.errors import BadUserInput
from app.api.words.node import Node
from app.api.words.relay import read_global_id, read_global_id_of_part
from app.core import appointment as core
from app.core.ids import (
    AppointmentId,
    CustomerId,
    ProviderId,
    ResourceId,
    ServiceId,
    SessionId,
    TimeOffId,
)
from app.usecases.booking.find_appointment import find_appointment

MOST_IDS = 100


async def _node(info: Info, text: str) -> Node | None:  # noqa: C901  one case for each type
    found = read_global_id(text)
    if found is None:
        return await _reminder(info, text)
    type_name, key = found
    loaders, viewer = info.context.loaders, info.context.viewer
    match type_name:
        case "Provider":
            provider = await loaders.provider.load(ProviderId(key))
            return None if provider is None else Provider.of(provider)
        case "Resource":
            if not viewer.sees_staff_matters:
                return None
            resource = await loaders.resource.load(ResourceId(key))
            return None if resource is None else Resource.of(resource)
        case "TimeOff":
            if not viewer.sees_staff_matters:
                return None
            time_off = await loaders.one_time_off.load(TimeOffId(key))
            return None if time_off is None else TimeOff.of(time_off)
        case "Service":
            service = await loaders.service.load(ServiceId(key))
            return None if service is None else Service.of(service)
        case "Session":
            session = await loaders.session.load(SessionId(key))
            may_see = session is not None and viewer.sees_session_of(session.providers)
            return Session.of(session) if session is not None and may_see else None
        case "Customer":
            return await customer_seen(info, CustomerId(key))
        case "Appointment":
            appointment = await _appointment(info, AppointmentId(key))
            return None if appointment is None else Appointment.of(appointment)
        case _:
            return None


async def _appointment(info: Info, key: AppointmentId) -> core.Appointment | None:
    context = info.context
    return await find_appointment(
        context.resources,
        context.viewer,
        key,
        manage_token=None,
        load=context.loaders.appointment.load,
    )


async def _reminder(info: Info, text: str) -> Reminder | None:
    """A message is found through its appointment: one that is planned is stored nowhere else."""
    keys = read_global_id_of_part("Reminder", text)
    appointment = None if keys is None else await _appointment(info, AppointmentId(keys[0]))
    if keys is None or appointment is None:
        return None
    found = await messages_of(info, appointment)
    return next((Reminder.of(each) for each in found if each.key == keys[1]), None)


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
