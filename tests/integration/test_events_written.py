"""Every change is an event: each mutation of the schema is made once, and what it wrote is read.

Whoever adds a mutation meets it here: say which events it writes, or that it changes nothing that
others follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.core.events import PROGRAM
from app.core.provider import Organization
from app.core.refusals import InvalidInput
from app.store.events import START_OF_EVENTS
from app.usecases.events.record import organization_changed
from app.usecases.practice.create_organization import create_organization
from tests.builders import Api, Json
from tests.integration.security_world import SCHEMA, World, a_world
from tests.integration.test_events import read, settled
from tests.integration.test_security_schema import an_input, input_of

WRITTEN: Final[Mapping[str, str]] = {
    "updateOrganization": "ORGANIZATION_CHANGED",
    "setMessageTemplate": "ORGANIZATION_CHANGED",
    "createLocation": "LOCATION_CHANGED",
    "updateLocation": "LOCATION_CHANGED",
    "createProvider": "PROVIDER_CHANGED",
    "updateProvider": "PROVIDER_CHANGED",
    "createService": "SERVICE_CHANGED",
    "updateService": "SERVICE_CHANGED",
    "createResource": "RESOURCE_CHANGED",
    "updateResource": "RESOURCE_CHANGED",
    "setWeeklyHours": "PROVIDER_CHANGED",
    "setException": "PROVIDER_CHANGED",
    "removeException": "PROVIDER_CHANGED",
    "addTimeOff": "PROVIDER_CHANGED",
    "updateTimeOff": "PROVIDER_CHANGED",
    "removeTimeOff": "PROVIDER_CHANGED",
    "createCustomer": "CUSTOMER_CHANGED",
    "updateCustomer": "CUSTOMER_CHANGED",
    "holdSlot": "HOLD_CREATED",
    "releaseHold": "HOLD_ENDED",
    "bookAppointment": "CUSTOMER_CHANGED APPOINTMENT_BOOKED",
    "rescheduleAppointment": "APPOINTMENT_RESCHEDULED",
    "updateAppointment": "APPOINTMENT_CORRECTED",
    "renewManageToken": "APPOINTMENT_CORRECTED",
    "rescheduleSession": "APPOINTMENT_RESCHEDULED SESSION_RESCHEDULED",
    "cancelSession": "SESSION_CANCELLED APPOINTMENT_CANCELLED",
    "resendReminder": "",  # plans a message, which is an event when it was sent or has failed
    "cancelAppointment": "APPOINTMENT_CANCELLED",
    "completeAppointment": "APPOINTMENT_COMPLETED",
    "markNoShow": "APPOINTMENT_NO_SHOW",
    "renewCalendarFeed": "PROVIDER_CHANGED",
    "eraseCustomer": "CUSTOMER_ERASED",
    "setBusyTimes": "PROVIDER_CHANGED",
    "addBusyFeed": "PROVIDER_CHANGED",
    "removeBusySource": "PROVIDER_CHANGED",
    "createWebhook": "WEBHOOK_CHANGED",
    "updateWebhook": "WEBHOOK_CHANGED",
    "rotateWebhookSecret": "WEBHOOK_CHANGED",
    "sendTestEvent": "WEBHOOK_TESTED",
    "redeliver": "",  # sends an event again
    "deleteWebhook": "WEBHOOK_CHANGED",
}
"""The events of each mutation, in the order in which they are tried."""

NOT_TRIED: Final = {"advanceClock"}
"""It changes no organization, and only a test server has it."""


async def test_every_mutation_writes_its_events_in_its_own_transaction(api: Api) -> None:
    assert SCHEMA.mutation_type is not None
    assert {*WRITTEN, *NOT_TRIED} == set(SCHEMA.mutation_type.fields)
    world = await a_world(api)
    written = {}
    for number, field in enumerate(WRITTEN):
        values = await its_input(field, world, number)
        written[field] = await events_of(api, field, values)
    assert written == WRITTEN


async def its_input(field: str, world: World, number: int) -> Json:
    """One that succeeds after the ones before it."""
    values = await an_input(field, world, number % 10)
    if field in {"completeAppointment", "markNoShow"}:
        world.api.clock.set("2026-01-13T18:00Z")
        return {**values, "appointmentId": world.things["Appointment"][-1]}
    return values


async def events_of(api: Api, field: str, values: Json) -> str:
    """The types of the events that this mutation writes, in order."""
    pool, organization_id = api.resources.pool, api.organization.id
    await settled(pool)
    before = await read(pool, organization_id)
    place = before[-1].cursor if before else START_OF_EVENTS
    document = f"mutation ($input: {input_of(field)}) {{ answer: {field}(input: $input) {{ __typename }} }}"
    answer = (await api.ask(document, caller=api.admin, input=values))["answer"]["__typename"]
    assert not answer.endswith("Error"), (field, answer)
    await settled(pool)
    after = await read(pool, organization_id, place)
    assert len({each.cursor.transaction_id for each in after}) <= 1
    assert {each.author.subject for each in after} <= {"an-admin"}
    return " ".join(each.happening.type for each in after)


async def test_an_organization_begins_with_its_own_event(api: Api) -> None:
    pool = api.resources.pool
    made = await create_organization(api.resources, slug="first-event", name="A Practice")
    assert isinstance(made, Organization)
    await settled(pool)
    (event,) = await read(pool, made.id)
    assert event.happening == organization_changed(made.id)
    assert event.author == PROGRAM
    refused = await create_organization(api.resources, slug="first-event", name="Another")
    assert isinstance(refused, InvalidInput)
