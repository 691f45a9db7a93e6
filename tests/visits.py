"""Services whose visits take teams and rooms, for the tests of booking, holding and moving them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Final
from uuid import UUID

from app.api.words.relay import global_id
from app.core.ids import ProviderId, ResourceId, ServiceId
from app.core.needs import Assignment, Needs, ResourceGroup
from app.core.resource import Resource
from app.store.needs import load_needs, replace_needs
from app.store.pool import transaction
from app.store.resources import insert_resource
from tests.builders import NOW, Api, Caller, Json, a_booking, a_service, instant, key_in, made

_numbers = count(1)

VISIT: Final = """
    fragment Visit on Appointment {
        id status startsAt endsAt version seats price { amountMinor }
        provider { id } providers { id }
        history { kind assignment fromProviders { id } toProviders { id } }
    }
"""
_REFUSED: Final = """
    ... on UserError { code message }
    ... on InvalidInputError { field }
    ... on SlotUnavailableError { reasons alternatives { providerId startsAt } }
    ... on HoldExpiredError { alternatives { providerId startsAt } }
"""
BOOK_VISIT: Final = f"""
    mutation ($input: BookAppointmentInput!) {{
        answer: bookAppointment(input: $input) {{
            __typename ... on BookingConfirmation {{ manageToken appointment {{ ...Visit }} }} {_REFUSED}
        }}
    }} {VISIT}
"""
HOLD_VISIT: Final = f"""
    mutation ($input: HoldSlotInput!) {{
        answer: holdSlot(input: $input) {{
            __typename
            ... on Hold {{
                holdToken startsAt endsAt expiresAt seats provider {{ id }} providers {{ id }}
            }}
            {_REFUSED.replace("... on HoldExpiredError { alternatives { providerId startsAt } }", "")}
        }}
    }}
"""
MOVE_VISIT: Final = f"""
    mutation ($input: RescheduleAppointmentInput!) {{
        answer: rescheduleAppointment(input: $input) {{
            __typename ... on BookingConfirmation {{ manageToken appointment {{ ...Visit }} }}
            {_REFUSED.replace("... on HoldExpiredError { alternatives { providerId startsAt } }", "")}
        }}
    }} {VISIT}
"""


async def a_room(api: Api, *, units: int = 1) -> ResourceId:
    """A room that is always open."""
    number = next(_numbers)
    room = Resource(
        id=ResourceId(api.resources.new_id()),
        name=f"Room {number}",
        kind="room",
        time_zone="UTC",
        units=units,
    )
    async with transaction(api.resources.pool) as tx:
        assert await insert_resource(tx, api.organization.id, room, NOW)
    return room.id


async def a_treatment(
    api: Api,
    *providers: Json,
    needed: int | None = 1,
    rooms: Sequence[ResourceId] = (),
    of_rooms: int = 1,
    assignment: Assignment = Assignment.PRIORITY,
    **changes: Any,  # noqa: ANN401  fields of the input
) -> Json:
    """A service of these providers in this order, which takes so many of them and of the rooms."""
    service = await a_service(api, *providers, **changes)
    await needs_now(
        api,
        service,
        provider_ids=tuple(ProviderId(key_in(each["id"])) for each in providers),
        providers_needed=needed,
        assignment=assignment,
        groups=(ResourceGroup(name="room", count=of_rooms, resource_ids=tuple(rooms)),)
        if rooms
        else (),
    )
    return service


async def a_class(api: Api, *providers: Json, seats: int, **changes: object) -> Json:
    """A service with so many seats, an hour long; but for the changes."""
    values: Json = {"durationMinutes": 60, "seats": seats}
    return await a_service(api, *providers, **values | changes)


def of_rooms(rooms: Sequence[ResourceId]) -> list[Json]:
    """What a service needs that takes one of these rooms."""
    return [{"name": "room", "resourceIds": [node("Resource", room) for room in rooms]}]


async def needs_now(api: Api, service: Json, **changes: Any) -> None:  # noqa: ANN401  fields of Needs
    """From now on the service needs something else."""
    service_id = ServiceId(key_in(service["id"]))
    organization_id = api.organization.id
    async with transaction(api.resources.pool) as tx:
        before: Needs = (await load_needs(tx, organization_id, [service_id]))[service_id]
        await replace_needs(tx, organization_id, service_id, replace(before, **changes))


async def change_service(api: Api, service: Json, **changes: object) -> None:
    answer = await api.ask(
        "mutation ($input: UpdateServiceInput!) {"
        " answer: updateService(input: $input) { __typename } }",
        caller=api.admin,
        input={"id": service["id"], **changes},
    )
    made(answer["answer"], "Service")


def a_wish(service: Mapping[str, Any], starts_at: str, *named: Json, **changes: object) -> Json:
    """The input of a guest's booking with all of these, or with any free provider."""
    values = a_booking({"id": ""}, starts_at) | {"serviceId": service["id"]}
    del values["providerId"]
    return values | ({"providerIds": [each["id"] for each in named]} if named else {}) | changes


async def try_visit(
    api: Api,
    service: Json,
    starts_at: str,
    *named: Json,
    caller: Caller | None = None,
    **changes: object,
) -> Json:
    """Try to book a visit; the answer, whatever it is."""
    wish = a_wish(service, starts_at, *named, **changes)
    answer: Json = (await api.ask(BOOK_VISIT, caller=caller, input=wish))["answer"]
    return answer


async def a_visit(
    api: Api,
    service: Json,
    starts_at: str,
    *named: Json,
    caller: Caller | None = None,
    **changes: object,
) -> Json:
    """A visit that is booked: its confirmation."""
    answer = await try_visit(api, service, starts_at, *named, caller=caller, **changes)
    return made(answer, "BookingConfirmation")


async def try_hold(
    api: Api, service: Json, starts_at: str, *named: Json, **changes: object
) -> Json:
    """Try to hold a visit; the answer, whatever it is."""
    values: Json = {
        "serviceId": service["id"],
        "startsAt": instant(starts_at).isoformat(),
        "idempotencyKey": f"hold-{next(_numbers)}",
        **({"providerIds": ids_of(named)} if named else {}),
        **changes,
    }
    answer: Json = (await api.ask(HOLD_VISIT, input=values))["answer"]
    return answer


async def try_move(
    api: Api,
    booked: Json,
    starts_at: str,
    *named: Json,
    caller: Caller | None = None,
    **changes: object,
) -> Json:
    """Try to move a visit, as the bearer of its token or as this caller; the answer."""
    values: Json = {
        "appointmentId": booked["appointment"]["id"],
        "startsAt": instant(starts_at).isoformat(),
        "idempotencyKey": f"move-{next(_numbers)}",
        **({"manageToken": booked["manageToken"]} if caller is None else {}),
        **({"providerIds": ids_of(named)} if named else {}),
        **changes,
    }
    answer: Json = (await api.ask(MOVE_VISIT, caller=caller, input=values))["answer"]
    return answer


def ids_of(providers: Sequence[Json]) -> list[str]:
    """Their ids."""
    return [each["id"] for each in providers]


async def taken(api: Api, booked: Json) -> dict[UUID, list[int]]:
    """The units that an appointment has claimed, by subject."""
    rows = await api.rows(
        "SELECT subject_id, array_agg(unit ORDER BY unit) AS units FROM claim"
        " WHERE appointment_id = $1 AND active GROUP BY subject_id",
        key_in(booked["appointment"]["id"]),
    )
    return {row["subject_id"]: row["units"] for row in rows}


def node(type_name: str, key: UUID) -> str:
    """The opaque id of a key."""
    return str(global_id(type_name, key))
