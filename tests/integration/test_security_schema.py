"""Permissions: every field and every mutation of the schema, for every role and from another
organization.

The rules stand here; the questions are made from the schema. A field or a mutation without a rule
fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest
from graphql import GraphQLObjectType

from tests.builders import Api, Json, a_booking, weekly
from tests.integration.security_world import (
    SCHEMA,
    World,
    a_world,
    node_types,
    paths,
    selection,
    shown,
)
from tests.lives import held

EVERYBODY: Final = "anonymous stranger robin link ada ben admin"
STAFF: Final = "ada ben admin"
THOSE_IN_IT: Final = "robin link ada admin"
OTHERS: Final = "other-guest other-robin other-ada other-admin"
"""Of another organization; Robin and Ada go by the same subjects there."""
NOBODY: Final = ""

# Whose field it is, by type and by who sees it. “link” is the appointment's manage token, used as a
# bearer token.
FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "Provider": {
        EVERYBODY: """
            id name timeZone serviceDurationMinutes bufferMinutes slotIntervalMinutes minNoticeMinutes
            maxAdvanceBookingDays
            cancellationPolicy cancellationPolicy.freeUntilMinutesBefore cancellationPolicy.lateCancellation
            cancellationPolicy.lateFee cancellationPolicy.lateFee.amountMinor cancellationPolicy.lateFee.currency cancellationPolicy.lateFee.formatted
            weeklyHours weeklyHours.id weeklyHours.weekday weeklyHours.start weeklyHours.end
            weeklyHours.effectiveFrom weeklyHours.effectiveUntil
            breaks breaks.id breaks.weekday breaks.start breaks.end breaks.effectiveFrom breaks.effectiveUntil
            exceptions exceptions.id exceptions.date exceptions.isBlocked exceptions.start exceptions.end
            limits limits.period limits.maxVisits limits.maxMinutes
            services availability nextAvailableSlot appointments
        """,  # the page of appointments holds those that the caller may see
        STAFF: "email phone locale channels subject exceptions.reason",
        # a provider has no price that there could be a share of
        NOBODY: "cancellationPolicy.lateFeePercent",
    },
    "Service": {
        EVERYBODY: """
            id name durationMinutes bufferBeforeMinutes bufferAfterMinutes slotIntervalMinutes minNoticeMinutes
            maxAdvanceBookingDays price price.amountMinor price.currency price.formatted
            cancellationPolicy cancellationPolicy.freeUntilMinutesBefore cancellationPolicy.lateCancellation
            cancellationPolicy.lateFee cancellationPolicy.lateFee.amountMinor cancellationPolicy.lateFee.currency cancellationPolicy.lateFee.formatted
            cancellationPolicy.lateFeePercent providers providersNeeded assignment seats maxOpenPerCustomer
            needs needs.name needs.count needs.resources availability nextAvailableSlot
            limits limits.period limits.maxVisits limits.maxMinutes
        """,
    },
    # Others see some of it where a service needs it, never by its id.
    "Resource": {
        STAFF: """
            id name kind timeZone units alwaysOpen isArchived externalId
            weeklyHours weeklyHours.id weeklyHours.weekday weeklyHours.start weeklyHours.end
            weeklyHours.effectiveFrom weeklyHours.effectiveUntil
            breaks breaks.id breaks.weekday breaks.start breaks.end breaks.effectiveFrom breaks.effectiveUntil
            exceptions exceptions.id exceptions.date exceptions.isBlocked exceptions.start exceptions.end
            exceptions.reason
        """,
    },
    "Customer": {"robin admin": "id name email phone timeZone locale channels"},
    "Appointment": {
        THOSE_IN_IT: """
            id status startsAt endsAt customerTimeZone notes version createdAt localStart localEnd calendarUid provider providers resources
            service seats price price.amountMinor price.currency price.formatted
            contact contact.name contact.email contact.phone contact.locale contact.channels
            cancellationQuote cancellationQuote.freeUntil cancellationQuote.allowed
            reminders messages
        """,
        # The provider's side cancels for nothing.
        "robin link": (
            "cancellationQuote.fee cancellationQuote.fee.amountMinor cancellationQuote.fee.currency cancellationQuote.fee.formatted"
        ),
        # The link is the other appointment's, which was not cancelled.
        "robin ada admin": """
            cancelledAt cancellationReason cancellationFee cancellationFee.amountMinor cancellationFee.currency cancellationFee.formatted
        """,
        "robin admin": "customer",
        # It is too late for the customer to move it: only the provider's side still can.
        "ada admin": """
            rescheduleAvailability session
            history history.version history.kind history.occurredAt history.actor history.actorSubject
            history.fromStatus history.toStatus history.fromStartsAt history.toStartsAt history.reason
            history.fromProviders history.toProviders history.assignment
        """,
    },
    "Reminder": {
        THOSE_IN_IT: "id kind channel recipient status dueAt sentAt detail isResend provider"
    },
    # Its customers never learn of one another.
    "Session": {
        "ada admin": """
            id service providers resources startsAt endsAt seats seatsTaken isCancelled calendarUid appointments
        """,
    },
}

# Root fields, and the callers who get data from them.
QUERIES: Final[Mapping[str, tuple[str, str]]] = {
    "node": ("node(id: $provider) { id }", EVERYBODY),
    "nodes": ("nodes(ids: [$appointment]) { id }", THOSE_IN_IT),
    "viewer": ("viewer { role }", f"{EVERYBODY} {OTHERS}"),
    "organization": (
        "organization { slug name smsToUnverifiedNumbers allowsCustomerOverlap }",
        "ada ben admin other-ada other-admin",
    ),
    "provider": ("provider(id: $provider) { id }", EVERYBODY),
    "providers": ("providers(ids: [$provider]) { nodes { id } }", EVERYBODY),
    "service": ("service(id: $service) { id }", EVERYBODY),
    "services": ("services(ids: [$service]) { nodes { id } }", EVERYBODY),
    "resource": ("resource(id: $resource) { id }", STAFF),
    "resources": ("resources(ids: [$resource]) { nodes { id } }", STAFF),
    "nextAvailableSlots": ("nextAvailableSlots(providerIds: [$provider]) { startsAt }", EVERYBODY),
    "explainTime": (
        'explainTime(providerId: $provider, startsAt: "2026-01-13T10:00:00Z") { reasons }',
        EVERYBODY,
    ),
    "appointment": ("appointment(id: $appointment) { id }", THOSE_IN_IT),
    "appointments": ("appointments { nodes { id } }", "robin ada admin"),
    "sessions": (
        'sessions(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z") { nodes { id } }',
        "ada admin",
    ),
    "messageTemplates": ("messageTemplates { kind }", "admin"),
    "previewMessage": (
        "previewMessage(kind: BOOKED, recipient: CUSTOMER, channel: EMAIL) { text }",
        "admin other-admin",
    ),
}

# Who may, and with what. Others are told that they may not, or that there is no such thing.
MUTATIONS: Final[Mapping[str, str]] = {
    "updateOrganization": "admin other-admin",  # each their own
    "createProvider": "admin other-admin",  # each in their own organization
    "updateProvider": "ada admin",
    "createService": "admin",
    "updateService": "admin",
    "createResource": "admin other-admin",  # each in their own organization
    "updateResource": "admin",
    "setWeeklyHours": "ada admin",
    "setException": "ada admin",
    "removeException": "ada admin",
    "holdSlot": "anonymous stranger robin ada admin",
    "releaseHold": EVERYBODY,  # with its token
    "bookAppointment": "anonymous stranger robin ada admin",
    "rescheduleAppointment": THOSE_IN_IT,
    "cancelAppointment": THOSE_IN_IT,
    "cancelSession": "ada admin",
    "rescheduleSession": "ada admin",
    "completeAppointment": "ada admin",
    "markNoShow": "ada admin",
    "updateCustomer": "robin admin",
    "eraseCustomer": "admin",
    "resendReminder": "ada admin",
    "setMessageTemplate": "admin other-admin",
    "advanceClock": NOBODY,  # only where there is a test clock
}


@pytest.fixture
async def world(api: Api) -> World:
    return await a_world(api)


def of(audience: str) -> set[str]:
    return set(audience.split())


@pytest.mark.parametrize("type_", node_types(), ids=lambda type_: type_.name)
async def test_every_field_is_seen_by_those_of_its_rule(
    type_: GraphQLObjectType, world: World
) -> None:
    document = (
        f"query ($id: ID!) {{ node(id: $id) {{ ... on {type_.name} {{ {selection(type_)} }} }} }}"
    )
    seen: dict[str, set[str]] = {path: set() for path in paths(type_)}
    for name, caller in world.callers.items():
        for thing in world.things[type_.name]:
            for path in shown((await world.api.ask(document, caller=caller, id=thing))["node"]):
                seen[path].add(name)
    rules = {
        path: of(audience)
        for audience, listed in FIELDS[type_.name].items()
        for path in listed.split()
    }
    assert set(seen) == set(rules), "each field needs a rule, and each rule a field"
    assert {path: names for path, names in seen.items() if names != rules[path]} == {}


async def test_every_root_field_answers_those_of_its_rule(world: World) -> None:
    assert SCHEMA.query_type is not None
    assert set(QUERIES) == set(SCHEMA.query_type.fields), "each root field needs a rule"
    values = {
        "provider": world.ada["id"],
        "service": world.service["id"],
        "resource": world.things["Resource"][0],
        "appointment": world.standing["appointment"]["id"],
    }
    for field, (question, audience) in QUERIES.items():
        used = " ".join(f"${name}: ID!" for name in values if f"${name}" in question)
        document = f"query {f'({used})' if used else ''} {{ answer: {question} }}"
        answered = set()
        for name, caller in world.callers.items():
            answer = await world.api.send(
                document, caller=caller, **{k: v for k, v in values.items() if f"${k}" in question}
            )
            assert set(answer.codes) <= {"FORBIDDEN"}, (field, name, answer)
            if any(shown((answer.body.get("data") or {}).get("answer"))):
                answered.add(name)
        assert answered == of(audience), field


@pytest.mark.parametrize(
    "field", sorted(SCHEMA.mutation_type.fields if SCHEMA.mutation_type else ())
)
async def test_every_mutation_is_for_those_of_its_rule(field: str, world: World) -> None:
    assert field in MUTATIONS, "each mutation needs a rule"
    allowed = set()
    for number, (name, caller) in enumerate(world.callers.items()):
        values = await an_input(field, world, number)
        type_name = f"{field[0].upper()}{field[1:]}Input"
        document = (
            f"mutation ($input: {type_name}!) {{ answer: {field}(input: $input) {{ __typename }} }}"
        )
        answer = await world.api.send(document, caller=caller, input=values)
        assert set(answer.codes) <= {"FORBIDDEN", "BAD_USER_INPUT"}, (name, answer)
        kind = "" if answer.codes else answer.data["answer"]["__typename"]
        assert kind != "InvalidInputError", (name, answer)
        if kind not in {"", "NotAllowedError", "NotFoundError"}:
            allowed.add(name)
    assert allowed == of(MUTATIONS[field])


async def test_hours_of_a_resource_are_for_administrators_to_change(world: World) -> None:
    room = {"resourceId": world.things["Resource"][0]}
    for field, values in (
        ("setWeeklyHours", {"hours": weekly("09:00", "17:00")}),
        ("setException", {"date": "2026-02-02", "isBlocked": True}),
        ("removeException", {"date": "2026-02-02"}),
    ):
        type_name = f"{field[0].upper()}{field[1:]}Input"
        document = (
            f"mutation ($input: {type_name}!) {{ answer: {field}(input: $input) {{ __typename }} }}"
        )
        allowed = set()
        for name, caller in world.callers.items():
            answer = await world.api.ask(document, caller=caller, input=room | values)
            kind = answer["answer"]["__typename"]
            assert kind in {"Resource", "NotAllowedError", "NotFoundError"}
            if kind == "Resource":
                allowed.add(name)
        assert allowed == {"admin"}, field


def test_every_rule_is_about_something() -> None:
    assert SCHEMA.mutation_type is not None
    assert set(MUTATIONS) == set(SCHEMA.mutation_type.fields)
    assert set(FIELDS) == {type_.name for type_ in node_types()}


async def an_input(field: str, world: World, number: int) -> Json:
    """One that whoever may do this gets through with, whoever tried before; `number` tells the
    tries apart.
    """
    ada, appointment = (
        {"providerId": world.ada["id"]},
        {"appointmentId": world.standing["appointment"]["id"]},
    )
    key, day = {"idempotencyKey": f"try-{number}"}, f"2026-01-{14 + number}"
    inputs: dict[str, Any] = {
        "updateOrganization": {"smsToUnverifiedNumbers": True},
        "createProvider": {
            "name": "Cleo",
            "timeZone": "UTC",
            "serviceDurationMinutes": 30,
            "subject": f"cleo-{number}",
        },
        "updateProvider": {"id": world.ada["id"], "name": "Ada"},
        "createService": {"name": "Cut", "providerIds": [world.ada["id"]], "durationMinutes": 30},
        "updateService": {"id": world.service["id"], "name": "Cut"},
        "createResource": {"name": "Room", "kind": "room", "timeZone": "UTC"},
        "updateResource": {"id": world.things["Resource"][0], "name": "Room"},
        "setWeeklyHours": {**ada, "hours": weekly("09:00", "17:00")},
        "setException": {**ada, "date": "2026-02-02", "isBlocked": True},
        "removeException": {**ada, "date": "2026-02-02"},
        "holdSlot": {**ada, **key, "startsAt": f"{day}T13:00:00Z"},
        "bookAppointment": a_booking(world.ada, f"{day}T14:00Z"),
        "rescheduleAppointment": {**appointment, **key, "startsAt": f"{day}T15:00:00Z"},
        "cancelAppointment": {**appointment, "acceptFeeMinor": 10_000},
        "cancelSession": {"sessionId": world.things["Session"][0]},
        "rescheduleSession": {
            "sessionId": world.things["Session"][0],
            **key,
            "startsAt": f"{day}T16:00:00Z",
        },
        "completeAppointment": appointment,
        "markNoShow": appointment,
        "updateCustomer": {"id": world.things["Customer"][0], "name": "Robin"},
        "eraseCustomer": {"id": world.things["Customer"][0]},
        "resendReminder": {
            **appointment,
            "kind": "BOOKED",
            "recipient": "CUSTOMER",
            "channel": "EMAIL",
        },
        "setMessageTemplate": {
            "kind": "BOOKED",
            "recipient": "CUSTOMER",
            "language": "en",
            "subject": "Booked",
        },
        "advanceClock": {"minutes": 1},
    }
    if field == "releaseHold":
        hold = await held(world.api, world.ada, f"{day}T10:00Z", caller=world.api.admin)
        return {"holdToken": hold["holdToken"]}
    values: Json = inputs[field]
    return values
