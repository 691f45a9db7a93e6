"""Permissions: every field and every mutation of the schema, for every role and from another
organization.

The rules are in `permission_rules`; the questions are made from the schema. A field or a mutation without a rule
fails.
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type

from tests.builders import Api, Json, Running, a_booking, busy, time_off, weekly
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
from tests.permission_rules import FIELDS, MUTATIONS, QUERIES, of

AWAY: Final[Json] = {"from": "2026-02-09T00:00", "until": "2026-02-10T00:00"}

BUSY: Final[Json] = {
    "source": "Desk",
    "from": "2026-02-10T00:00:00Z",
    "to": "2026-02-12T00:00:00Z",
    "busy": [{"startsAt": "2026-02-11T09:00:00Z", "endsAt": "2026-02-11T10:00:00Z"}],
}


@pytest.fixture
async def world(api: Api) -> World:
    return await a_world(api)


@pytest.fixture(scope="module")
async def _kept(_shared: Running) -> World:
    return await a_world(await _shared.api())


@pytest.fixture
async def kept_world(api: Api, _kept: World) -> World:
    """One for all tests that only read; `api` has set its clock to where it was."""
    return _kept


@pytest.mark.parametrize("type_", node_types(), ids=lambda type_: type_.name)
async def test_every_field_is_seen_by_those_of_its_rule(
    type_: GraphQLObjectType, kept_world: World
) -> None:
    document = (
        f"query ($id: ID!) {{ node(id: $id) {{ ... on {type_.name} {{ {selection(type_)} }} }} }}"
    )
    seen: dict[str, set[str]] = {path: set() for path in paths(type_)}
    for name, caller in kept_world.callers.items():
        for thing in kept_world.things[type_.name]:
            for path in shown(
                (await kept_world.api.ask(document, caller=caller, id=thing))["node"]
            ):
                seen[path].add(name)
    rules = {
        path: of(audience)
        for audience, listed in FIELDS[type_.name].items()
        for path in listed.split()
    }
    assert set(seen) == set(rules), "each field needs a rule, and each rule a field"
    assert {path: names for path, names in seen.items() if names != rules[path]} == {}


async def test_every_root_field_answers_those_of_its_rule(kept_world: World) -> None:
    assert SCHEMA.query_type is not None
    assert set(QUERIES) == set(SCHEMA.query_type.fields), "each root field needs a rule"
    values = {
        "provider": kept_world.ada["id"],
        "service": kept_world.service["id"],
        "resource": kept_world.things["Resource"][0],
        "appointment": kept_world.upcoming["appointment"]["id"],
        "customer": kept_world.things["Customer"][0],
    }
    for field, (question, audience) in QUERIES.items():
        used = " ".join(f"${name}: ID!" for name in values if f"${name}" in question)
        document = f"query {f'({used})' if used else ''} {{ answer: {question} }}"
        answered = set()
        for name, caller in kept_world.callers.items():
            answer = await kept_world.api.send(
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
        document = f"mutation ($input: {input_of(field)}) {{ answer: {field}(input: $input) {{ __typename }} }}"
        answer = await world.api.send(document, caller=caller, input=values)
        assert set(answer.codes) <= {"FORBIDDEN", "BAD_USER_INPUT"}, (name, answer)
        kind = "" if answer.codes else answer.data["answer"]["__typename"]
        assert kind != "InvalidInputError", (name, answer)
        if kind not in {"", "NotAllowedError", "NotFoundError"}:
            allowed.add(name)
    assert allowed == of(MUTATIONS[field])


def dry_runs() -> list[str]:
    """The mutations that can be previewed."""
    assert SCHEMA.mutation_type is not None
    inputs = {
        name: get_named_type(field.args["input"].type)
        for name, field in SCHEMA.mutation_type.fields.items()
    }
    return sorted(
        name
        for name, input_ in inputs.items()
        if isinstance(input_, GraphQLInputObjectType) and "dryRun" in input_.fields
    )


@pytest.mark.parametrize("field", dry_runs())
async def test_a_change_is_previewed_by_those_who_may_make_it(field: str, world: World) -> None:
    """Everybody else gets the refusal that the change would get."""
    type_name = f"{field[0].upper()}{field[1:]}Input"
    document = (
        f"mutation ($input: {type_name}!) {{ answer: {field}(input: $input) {{ __typename }} }}"
    )
    allowed = set()
    for number, (name, caller) in enumerate(world.callers.items()):
        values = await an_input(field, world, number)
        found = []
        for dry_run in (True, False):
            asked = {**values, "dryRun": dry_run}
            answer = await world.api.ask(document, caller=caller, input=asked)
            found.append(answer["answer"]["__typename"])
        previewed, changed = found
        if previewed == "ChangePreview":
            allowed.add(name)
            assert not changed.endswith("Error")
        else:
            assert previewed == changed
    assert allowed == of(MUTATIONS[field])


async def test_hours_of_a_resource_are_for_the_practice_to_change(world: World) -> None:
    room = {"resourceId": world.things["Resource"][0]}
    for field, values in (
        ("setWeeklyHours", {"hours": weekly("09:00", "17:00")}),
        ("setException", {"date": "2026-02-02", "isBlocked": True}),
        ("removeException", {"date": "2026-02-02"}),
        ("addTimeOff", AWAY),
        ("setBusyTimes", BUSY),
        ("addBusyFeed", {"url": "https://calendar.example/busy.ics"}),
    ):
        type_name = f"{field[0].upper()}{field[1:]}Input"
        document = (
            f"mutation ($input: {type_name}!) {{ answer: {field}(input: $input) {{ __typename }} }}"
        )
        allowed = set()
        for name, caller in world.callers.items():
            own = {"name": f"Calendar of {name}"} if field == "addBusyFeed" else {}
            answer = await world.api.ask(document, caller=caller, input=room | values | own)
            kind = answer["answer"]["__typename"]
            assert kind in {
                "Resource",
                "TimeOff",
                "BusySource",
                "NotAllowedError",
                "NotFoundError",
            }
            if kind in {"Resource", "TimeOff", "BusySource"}:
                allowed.add(name)
        assert allowed == of("practice"), field


def test_every_rule_is_about_something() -> None:
    assert SCHEMA.mutation_type is not None
    assert set(MUTATIONS) == set(SCHEMA.mutation_type.fields)
    assert set(FIELDS) == {type_.name for type_ in node_types()}


def input_of(field: str) -> str:
    """The type of a mutation's input."""
    assert SCHEMA.mutation_type is not None
    return str(SCHEMA.mutation_type.fields[field].args["input"].type)


async def an_input(field: str, world: World, number: int) -> Json:
    """One that whoever may do this gets through with, whoever tried before; `number` tells the
    tries apart.
    """
    ada, appointment = (
        {"providerId": world.ada["id"]},
        {"appointmentId": world.upcoming["appointment"]["id"]},
    )
    key, day = {"idempotencyKey": f"try-{number}"}, f"2026-01-{14 + number}"
    inputs: dict[str, Any] = {
        "updateOrganization": {"smsToUnverifiedNumbers": True},
        "createLocation": {"name": "Branch"},
        "updateLocation": {"id": world.things["Location"][0], "name": "Main practice"},
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
        "addTimeOff": {**ada, **AWAY},
        "updateTimeOff": {"id": world.things["TimeOff"][0], "reason": "Holiday"},
        "setBusyTimes": {**ada, **BUSY},
        "addBusyFeed": {
            **ada,
            "name": f"Calendar {number}",
            "url": "https://calendar.example/busy.ics",
        },
        "holdSlot": {**ada, **key, "startsAt": f"{day}T13:00:00Z"},
        "bookAppointment": a_booking(world.ada, f"{day}T14:00Z"),
        "rescheduleAppointment": {**appointment, **key, "startsAt": f"{day}T15:00:00Z"},
        "updateAppointment": {**appointment, "notes": f"Try {number}"},
        # Of one that nobody's link opens, since the tests go on with this one's.
        "renewManageToken": {"appointmentId": world.cancelled["appointment"]["id"]},
        "cancelAppointment": {**appointment, "acceptFeeMinor": 10_000},
        "cancelSession": {"sessionId": world.things["Session"][0]},
        "rescheduleSession": {
            "sessionId": world.things["Session"][0],
            **key,
            "startsAt": f"{day}T16:00:00Z",
        },
        "completeAppointment": appointment,
        "markNoShow": appointment,
        "createCustomer": {"name": "Kim", "email": "kim@example.com", "timeZone": "UTC"},
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
        "renewCalendarFeed": ada,
        "createWebhook": {"url": "https://crm.example/hook"},
        "updateWebhook": {"id": world.things["Webhook"][0], "types": ["APPOINTMENT_BOOKED"]},
        "rotateWebhookSecret": {"id": world.things["Webhook"][0]},
        "sendTestEvent": {"id": world.things["Webhook"][0]},
        "redeliver": {"deliveryId": world.things["Delivery"][0]},
        "deleteWebhook": {"id": world.things["Webhook"][0]},
        "advanceClock": {"minutes": 1},
    }
    if field == "releaseHold":
        hold = await held(world.api, world.ada, f"{day}T10:00Z", caller=world.api.admin)
        return {"holdToken": hold["holdToken"]}
    if field == "removeBusySource":
        return {"id": (await busy(world.api, world.ada, f"Old phone {number}"))["id"]}
    if field == "removeTimeOff":
        return {"id": (await time_off(world.api, world.ada, AWAY["from"], AWAY["until"]))["id"]}
    values: Json = inputs[field]
    return values
