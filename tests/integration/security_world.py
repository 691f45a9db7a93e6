"""A world in which every field has data to show, with callers of every role, and requests made from
the schema.

Whoever adds a field or a mutation meets it here: it has no rule yet, or asks for an argument that
nobody gave it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from tests.builders import (
    Api,
    Caller,
    Json,
    a_provider,
    a_resource,
    a_service,
    an_appointment,
    busy,
    key_in,
    made,
    time_off,
    weekly,
)
from tests.lives import held

SCHEMA: Final = build_schema(
    (Path(__file__).parents[2] / "schema.graphql").read_text(encoding="utf-8")
)

ARGUMENTS: Final = {
    "timeOff": '(from: "2026-01-01", to: "2026-12-31")',
    "busyTimes": '(from: "2026-02-20T00:00:00Z", to: "2026-02-21T00:00:00Z")',
    "exceptions": '(from: "2026-01-01", to: "2026-02-01")',
    "availability": '(from: "2026-01-13", to: "2026-01-13", timeZone: "UTC")',
    "rescheduleAvailability": '(from: "2026-01-13", to: "2026-01-13")',
    "nextAvailableSlot": '(timeZone: "UTC")',
}
"""Of the fields that can't do without."""

_SET_EXCEPTION = (
    "mutation ($input: SetExceptionInput!) { answer: setException(input: $input) { __typename } }"
)
_FEED = """
    UPDATE busy_source
    SET url = 'https://calendar.example/secret.ics', last_read_at = now(), next_read_at = now(), failing_since = now(),
        problem = 'It does not answer.'
    WHERE organization_id = $1 AND id = $2
    RETURNING 1
"""
_CANCEL = (
    "mutation ($input: CancelAppointmentInput!) { answer: cancelAppointment(input: $input) "
    "{ "
    "__typename } }"
)
_UPDATE_CUSTOMER = (
    "mutation ($input: UpdateCustomerInput!) { answer: updateCustomer(input: "
    "$input) { __typename } }"
)
_SET_TEMPLATE = (
    "mutation ($input: SetMessageTemplateInput!) { answer: setMessageTemplate(input: "
    "$input) { __typename } }"
)
_CREATE_LOCATION = (
    "mutation ($input: CreateLocationInput!) { answer: createLocation(input: $input) "
    "{ __typename ... on Location { id } } }"
)
_UPDATE_ORGANIZATION = (
    "mutation ($input: UpdateOrganizationInput!) { answer: updateOrganization(input: $input) "
    "{ __typename ... on Organization { id } } }"
)
_CREATE_WEBHOOK = (
    "mutation ($input: CreateWebhookInput!) { answer: createWebhook(input: $input) "
    "{ __typename ... on WebhookWithSecret { webhook { id } } } }"
)
_TEST_WEBHOOK = (
    "mutation ($input: WebhookInput!) { answer: sendTestEvent(input: $input) "
    "{ __typename ... on Delivery { id } } }"
)
_SWITCHED_OFF = """
    UPDATE webhook SET is_active = false, disabled_reason = 'FAILING'
    WHERE organization_id = $1 AND id = $2
    RETURNING 1
"""
_TRIED = """
    UPDATE webhook_delivery
    SET attempts = 1, last_attempt_at = '2026-01-12T10:00Z', response_status = 500, problem = 'broken'
    WHERE organization_id = $1 AND id = $2
    RETURNING 1
"""
_NOTE = (
    "mutation ($input: UpdateAppointmentInput!) { answer: updateAppointment(input: $input) "
    "{ __typename } }"
)
RENEW_FEED: Final = (
    "mutation ($input: RenewCalendarFeedInput!) { answer: renewCalendarFeed(input: $input) "
    "{ __typename ... on Provider { calendarFeedUrl } ... on Customer { calendarFeedUrl } } }"
)
_SESSION = "query ($id: ID!) { appointment(id: $id) { session { id } } }"
_MESSAGES = "query ($id: ID!) { appointment(id: $id) { messages { id sentAt } } }"
_SENT = """
    INSERT INTO reminder_log (organization_id, id, appointment_id, time_version, kind, recipient, channel, status,
        due_at, sent_at, detail, attempts, created_at)
    VALUES ($1, gen_random_uuid(), $2, 1, 'DAY_BEFORE', $3, 'SMS', 'SENT', '2026-01-12T10:00Z',
        '2026-01-12T10:00Z', 'late', 1, '2026-01-12T10:00Z')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Ada works with Robin, who has an account; nobody else has to do with either. `things` are
    ids, by type.
    """

    api: Api
    callers: dict[str, Caller]
    things: dict[str, list[str]]
    ada: Json
    service: Json
    upcoming: Json
    cancelled: Json


async def a_private_calendar(api: Api, ada: Json, room: Json) -> Json:
    """Ada's feed, which can't be read any more; the room has a source, too."""
    await busy(api, room, "Calendar of the house")
    times = [("2026-02-20T09:00Z", "2026-02-20T10:00Z")]
    private = await busy(api, ada, "Phone", times, to="2026-02-27T00:00Z")
    await api.rows(_FEED, api.organization.id, key_in(private["id"]))
    return private


async def a_world(api: Api) -> World:
    """Everything filled in."""
    contact: dict[str, Any] = {
        "email": "ada@example.com",
        "phone": "+4930901820",
        "locale": "de",
        "channels": ["EMAIL"],
    }
    policy = {
        "freeUntilMinutesBefore": 100_000,
        "lateCancellation": "FEE",
        "lateFee": {"amountMinor": 500, "currency": "EUR"},
    }
    limits = [{"period": "MONTH", "maxVisits": 1_000, "maxMinutes": 40_000}]
    reached = {
        "phone": "+4930901800",
        "email": "desk@example.com",
        "url": "https://example.com",
    }
    place = {
        "name": "Main practice",
        "address": "Invalidenstr. 117",
        "directions": "Ring twice",
        "timeZone": "Europe/Berlin",
        "externalId": "main",
        **reached,
    }
    location = (await api.ask(_CREATE_LOCATION, caller=api.admin, input=place))["answer"]
    organization = (
        await api.ask(_UPDATE_ORGANIZATION, caller=api.admin, input={**reached, "locale": "de"})
    )["answer"]
    ada = await a_provider(
        api,
        description="Speaks French",
        locationId=location["id"],
        limits=limits,
        slotIntervalMinutes=30,
        externalId="ada-1",
        cancellationPolicy=policy,
        breaks=weekly("12:00", "12:30", effectiveFrom="2020-01-01", effectiveUntil="2030-01-01"),
        weeklyHours=weekly(
            "09:00", "17:00", effectiveFrom="2020-01-01", effectiveUntil="2030-01-01"
        ),
        **contact,
    )
    ben = await a_provider(api)
    share = {"freeUntilMinutesBefore": 100_000, "lateCancellation": "FEE", "lateFeePercent": 50}
    always = {"effectiveFrom": "2020-01-01", "effectiveUntil": "2030-01-01"}
    room = await a_resource(
        api,
        externalId="room-1",
        weeklyHours=weekly("09:00", "17:00", **always),
        breaks=weekly("12:00", "12:30", **always),
    )
    service = await a_service(
        api,
        ada,
        description="With a wash",
        locationId=location["id"],
        bufferAfterMinutes=0,
        slotIntervalMinutes=30,
        minNoticeMinutes=0,
        maxAdvanceBookingDays=60,
        externalId="visit-1",
        price={"amountMinor": 5_000, "currency": "EUR"},
        cancellationPolicy=share,
        needs=[{"name": "room", "resourceIds": [room["id"]]}],
        limits=limits,
    )
    fixed = await a_service(
        api,
        ada,
        price={"amountMinor": 5_000, "currency": "EUR"},
        cancellationPolicy={**policy, "freeUntilMinutesBefore": 0},
        maxOpenPerCustomer=100,
    )
    times = {
        "isBlocked": True,
        "reason": "At the dentist's",
        "ranges": [{"start": "16:00", "end": "16:30"}],
    }
    for whose, type_name in (
        ({"providerId": ada["id"]}, "Provider"),
        ({"resourceId": room["id"]}, "Resource"),
    ):
        values = {**whose, "date": "2026-01-20", **times}
        answer = await api.ask(_SET_EXCEPTION, caller=api.admin, input=values)
        made(answer["answer"], type_name)
    away = [
        await time_off(api, each, "2026-02-16T00:00", "2026-02-28T00:00", reason="Renovation")
        for each in (ada, room)
    ]
    robin = api.customer("robin")
    person = {
        "name": "Robin",
        "email": "robin@example.com",
        "phone": "+4930901821",
        "locale": "de",
        "channels": ["EMAIL"],
    }
    asked: dict[str, Any] = {
        "caller": robin,
        "serviceId": service["id"],
        "customer": person,
        "notes": "Ring twice",
    }
    cancelled = await an_appointment(api, ada, "2026-01-13T11:00Z", **asked)
    given = {
        "appointmentId": cancelled["appointment"]["id"],
        "reason": "Ill",
        "acceptFeeMinor": 10_000,
    }
    made((await api.ask(_CANCEL, caller=robin, input=given))["answer"], "Appointment")
    customer_id = cancelled["appointment"]["customer"]["id"]
    changed = {"id": customer_id, "channels": ["EMAIL"]}
    made((await api.ask(_UPDATE_CUSTOMER, caller=robin, input=changed))["answer"], "Customer")
    entered = {"id": customer_id, "externalId": "robin-1"}
    made((await api.ask(_UPDATE_CUSTOMER, caller=api.admin, input=entered))["answer"], "Customer")
    # It takes a room, and Ada was assigned to it.
    upcoming = await an_appointment(api, ada, "2026-01-13T10:00Z", providerId=None, **asked)
    overridden = await an_appointment(
        api,
        ada,
        "2026-01-13T16:30Z",
        caller=api.admin,
        customer=None,
        customerId=customer_id,
        ignore=["HOURS"],
    )
    noted = {"appointmentId": upcoming["appointment"]["id"], "staffNotes": "Pays in cash"}
    made((await api.ask(_NOTE, caller=api.admin, input=noted))["answer"], "Appointment")
    await api.rows(
        "UPDATE appointment SET external_id = 'visit-1' WHERE organization_id = $1 AND id = $2 RETURNING 1",
        api.organization.id,
        key_in(upcoming["appointment"]["id"]),
    )
    yoga = await a_service(api, ada, seats=4, needs=[{"name": "room", "resourceIds": [room["id"]]}])
    asked |= {"serviceId": yoga["id"], "providerId": None, "seats": 2}
    seated = await an_appointment(api, ada, "2026-01-13T14:00Z", **asked)
    values = {"id": seated["appointment"]["id"]}
    session = (await api.ask(_SESSION, caller=api.admin, **values))["appointment"]["session"]["id"]
    for recipient in ("CUSTOMER", "PROVIDER"):
        await api.rows(_SENT, api.organization.id, key_in(upcoming["appointment"]["id"]), recipient)
    values = {"id": upcoming["appointment"]["id"]}
    found = (await api.ask(_MESSAGES, caller=api.admin, **values))["appointment"]["messages"]
    words = {"kind": "BOOKED", "recipient": "CUSTOMER", "language": "en", "subject": "Booked"}
    made((await api.ask(_SET_TEMPLATE, caller=api.admin, input=words))["answer"], "MessageTemplate")
    for caller, owner in (
        (api.admin, {"providerId": ada["id"]}),
        (robin, {"customerId": customer_id}),
    ):
        renewed = (await api.ask(RENEW_FEED, caller=caller, input=owner))["answer"]
        made(renewed, "Provider" if caller is api.admin else "Customer")
    hold = await held(api, ada, "2026-01-13T09:00Z")
    other = await api.another_organization()
    return World(
        api=api,
        callers={
            "anonymous": api.anonymous,
            "stranger": api.customer("stranger"),
            "robin": robin,
            "link": Caller(token=upcoming["manageToken"]),
            "ada": api.acting_for(ada),
            "ben": api.acting_for(ben),
            "reception": api.reception,
            "admin": api.admin,
            "other-guest": other.anonymous,
            "other-robin": other.customer("robin"),
            "other-ada": other.acting_for(ada),
            "other-admin": other.admin,
        },
        things={
            "Provider": [ada["id"]],
            "Resource": [room["id"]],
            "Service": [service["id"], fixed["id"]],
            "Customer": [customer_id],
            "Appointment": [
                each["appointment"]["id"] for each in (upcoming, cancelled, seated, overridden)
            ],
            "Hold": [hold["id"]],
            "Session": [session],
            "TimeOff": [each["id"] for each in away],
            "BusySource": [(await a_private_calendar(api, ada, room))["id"]],
            "Location": [location["id"]],
            "Organization": [organization["id"]],
            **await _a_webhook(api),
            "Reminder": [each["id"] for each in found if each["sentAt"] is not None],
        },
        ada=ada,
        service=service,
        upcoming=upcoming,
        cancelled=cancelled,
    )


async def _a_webhook(api: Api) -> dict[str, list[str]]:
    """The ids of one that was switched off, and of a delivery that failed, by type."""
    values: Json = {"url": "https://crm.example/hook"}
    made_ = (await api.ask(_CREATE_WEBHOOK, caller=api.admin, input=values))["answer"]
    webhook: str = made_["webhook"]["id"]
    tested = (await api.ask(_TEST_WEBHOOK, caller=api.admin, input={"id": webhook}))["answer"]
    delivery: str = tested["id"]
    await api.rows(_SWITCHED_OFF, api.organization.id, key_in(webhook))
    await api.rows(_TRIED, api.organization.id, key_in(delivery))
    return {"Webhook": [webhook], "Delivery": [delivery]}


def node_types() -> list[GraphQLObjectType]:
    """What can be asked for by its id."""
    node = SCHEMA.get_type("Node")
    assert isinstance(node, GraphQLInterfaceType)
    return sorted(SCHEMA.get_implementations(node).objects, key=lambda type_: type_.name)


def selection(type_: GraphQLObjectType) -> str:
    """Every field of the type, and of what belongs to it alone."""
    return " ".join(_asked(name, field) for name, field in type_.fields.items())


def _asked(name: str, field: GraphQLField) -> str:
    needed = [argument for argument, given in field.args.items() if is_required_argument(given)]
    arguments = ARGUMENTS.get(name, "")
    assert all(argument in arguments for argument in needed), (
        f"say in ARGUMENTS what {name} is asked with"
    )
    named = get_named_type(field.type)
    if is_leaf_type(named):
        return f"{name}{arguments}"
    inner = (
        selection(named)
        if isinstance(named, GraphQLObjectType) and is_part(named)
        else "__typename"
    )
    return f"{name}{arguments} {{ {inner} }}"


def is_part(type_: object) -> bool:
    """Whether values of this type belong to what they are read from: no thing of its own, no page,
    no union.
    """
    if (
        not isinstance(type_, GraphQLObjectType)
        or type_.name.endswith(("Connection", "Edge"))
        or type_.name in {"Slot", "ServiceSlot"}
    ):
        return False
    return all(interface.name != "Node" for interface in type_.interfaces)


def paths(type_: GraphQLObjectType, prefix: str = "") -> Iterator[str]:
    """Every field that `selection` asks for, as a path."""
    for name, field in type_.fields.items():
        named = get_named_type(field.type)
        yield f"{prefix}{name}"
        if is_part(named) and isinstance(named, GraphQLObjectType):
            yield from paths(named, f"{prefix}{name}.")


def shown(value: object, prefix: str = "") -> Iterator[str]:
    """The paths under which the answer holds something."""
    if isinstance(value, list):
        for item in value:
            yield from shown(item, prefix)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name == "__typename":
                continue
            path = f"{prefix}.{name}" if prefix else name
            if inner is not None and inner != []:
                yield path
                yield from shown(inner, path)
