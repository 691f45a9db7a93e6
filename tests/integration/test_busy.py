"""Busy times that are pushed: what a push replaces, and what nobody can book because of it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest

from app.core.busy import BusyTimes
from app.core.events import PROGRAM
from app.core.ids import ProviderId
from app.core.zones import minute_of
from app.store.busy import busy_source_by_name
from app.store.locks import lock_rules
from app.store.pool import transaction
from app.usecases.busy.replace import replace_busy
from app.usecases.upkeep import purge
from tests.builders import (
    REFUSALS,
    SET_BUSY_TIMES,
    Api,
    Caller,
    Json,
    a_provider,
    a_resource,
    a_service,
    an_appointment,
    book,
    busy,
    instant,
    key_in,
    listed,
    made,
    reasons,
    unknown,
    utc,
    weekly,
)
from tests.lives import held
from tests.visits import a_visit, try_visit

MONDAY, TUESDAY, WEDNESDAY = "2026-01-12", "2026-01-13", "2026-01-14"
TEN, NOON = f"{TUESDAY}T10:00Z", f"{TUESDAY}T12:00Z"

REMOVE: Final = """
    mutation ($input: RemoveBusySourceInput!) {
        answer: removeBusySource(input: $input) {
            __typename ... on Provider { id } ... on Resource { id } ... on UserError { code message }
        }
    }
"""
SOURCES: Final = """
    query ($id: ID!, $from: DateTime!, $to: DateTime!) {
        node(id: $id) {
            ... on Provider { busySources { ...Source } }
            ... on Resource { busySources { ...Source } }
        }
    }
    fragment Source on BusySource {
        id name url lastReadAt busyTimes(from: $from, to: $to) { startsAt endsAt }
    }
"""
MEMBERS: Final = """
    query ($serviceId: ID!, $startsAt: DateTime!) {
        explainTime(serviceId: $serviceId, startsAt: $startsAt) {
            reasons members { provider { id } resource { id } reasons busySource { name } }
        }
    }
"""
MOVES: Final = """
    query ($id: ID!, $day: Date!) { appointment(id: $id) {
        status rescheduleAvailability(from: $day, to: $day) {
            ... on ServiceAvailability { slots { startsAt } }
        }
    } }
"""
MOVE: Final = f"""
    mutation ($input: RescheduleAppointmentInput!) {{
        answer: rescheduleAppointment(input: $input) {{
            __typename ... on SlotUnavailableError {{ reasons }} {REFUSALS}
        }}
    }}
"""


async def an_hourly_provider(api: Api, **changes: object) -> Json:
    """Open from nine to one, in UTC, with a visit each hour."""
    given: Json = {
        "timeZone": "UTC",
        "weeklyHours": weekly("09:00", "13:00"),
        "serviceDurationMinutes": 60,
        "bufferMinutes": 0,
    }
    return await a_provider(api, **(given | changes))


async def said(
    api: Api,
    owner: Json,
    first: str = f"{MONDAY}T00:00:00Z",
    to: str = "2026-01-20T00:00:00Z",
    caller: Caller | None = None,
) -> dict[str, list[str]]:
    """What each source says, as start/end."""
    data = await api.ask(
        SOURCES, caller=caller or api.admin, id=owner["id"], **{"from": first, "to": to}
    )
    return {
        source["name"]: [
            f"{each['startsAt'][5:16]}/{each['endsAt'][5:16]}" for each in source["busyTimes"]
        ]
        for source in data["node"]["busySources"]
    }


def at(day: str, start: str, end: str) -> tuple[str, str]:
    return f"{day}T{start}Z", f"{day}T{end}Z"


async def remove(api: Api, source: Json, caller: Caller | None = None) -> Json:
    answer = await api.ask(REMOVE, caller=caller or api.admin, input={"id": source["id"]})
    found: Json = answer["answer"]
    return found


# ---------------------------------------------------------------- what a push replaces


async def test_a_push_replaces_its_window_and_cuts_what_reaches_into_it(api: Api) -> None:
    ada = await an_hourly_provider(api)
    await busy(api, ada, times=[at(TUESDAY, "09:00", "12:00"), at(WEDNESDAY, "10:00", "11:00")])
    assert await said(api, ada) == {"Phone": ["01-13T09:00/01-13T12:00", "01-14T10:00/01-14T11:00"]}
    await busy(api, ada, times=[], first=f"{TUESDAY}T10:00Z", to=f"{TUESDAY}T11:00Z")
    assert await said(api, ada) == {
        "Phone": [
            "01-13T09:00/01-13T10:00",
            "01-13T11:00/01-13T12:00",
            "01-14T10:00/01-14T11:00",
        ]
    }
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "10:00", "12:00")
    halves = [at(TUESDAY, "10:00", "10:30"), at(TUESDAY, "10:15", "11:00")]
    await busy(api, ada, times=halves, first=f"{TUESDAY}T10:00Z", to=f"{TUESDAY}T11:00Z")
    assert (await said(api, ada))["Phone"][0] == "01-13T09:00/01-13T12:00"


async def test_sources_say_what_they_say_independently(api: Api) -> None:
    ada = await an_hourly_provider(api)
    phone = await busy(api, ada, "Phone", [at(TUESDAY, "09:00", "11:00")])
    laptop = await busy(api, ada, "Laptop", [at(TUESDAY, "10:00", "12:00")])
    assert list(await said(api, ada)) == ["Laptop", "Phone"]
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "12:00")
    removed = await remove(api, phone)
    assert (removed["__typename"], removed["id"]) == ("Provider", ada["id"])
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "09:00", "12:00")
    assert (await remove(api, phone))["__typename"] == "NotFoundError"
    await remove(api, laptop)
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "09:00", "10:00", "11:00", "12:00")
    assert await said(api, ada) == {}


async def test_the_same_push_once_more_writes_nothing_and_waits_for_nobody(api: Api) -> None:
    ada = await an_hourly_provider(api)
    times = [at(TUESDAY, "09:00", "11:00"), at(TUESDAY, "10:30", "12:00")]
    await busy(api, ada, times=times)
    pieces = "SELECT *, xmin::text AS by FROM busy_time WHERE organization_id = $1"
    events = "SELECT count(*) AS total FROM event WHERE organization_id = $1"
    before = (
        await api.rows(pieces, api.organization.id),
        await api.rows(events, api.organization.id),
    )
    assert len(before[0]) == 1
    async with transaction(api.resources.pool) as tx:
        await lock_rules(tx, api.organization.id, [ProviderId(key_in(ada["id"]))])
        async with asyncio.timeout(60):
            await busy(api, ada, times=[*reversed(times)])
    after = await api.rows(pieces, api.organization.id), await api.rows(events, api.organization.id)
    assert after == before


async def test_the_retry_of_a_push_publishes_what_its_first_process_did_not(api: Api) -> None:
    """That one died between its commit and its answer."""
    ada = await an_hourly_provider(api)
    await busy(api, ada, times=[])
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "09:00", "10:00", "11:00", "12:00")
    async with transaction(api.resources.pool) as tx:
        provider_id = ProviderId(key_in(ada["id"]))
        source = await busy_source_by_name(tx, api.organization.id, provider_id, "Phone")
        assert source is not None
        nine, noon = (
            minute_of(datetime.fromisoformat(f"{TUESDAY}T{at}Z")) for at in ("09:00", "12:00")
        )
        times = BusyTimes(window=(nine, noon), times=[(nine, noon)])
        await replace_busy(api.resources, tx, api.organization.id, source, times, author=PROGRAM)
    await busy(api, ada, times=[at(TUESDAY, "09:00", "12:00")])
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "12:00")


async def test_parts_of_minutes_are_busy_minutes(api: Api) -> None:
    ada = await an_hourly_provider(api)
    await busy(api, ada, times=[(f"{TUESDAY}T10:00:30Z", f"{TUESDAY}T11:00:01Z")])
    assert await said(api, ada) == {"Phone": ["01-13T10:00/01-13T11:01"]}


async def test_a_busy_time_of_a_year_is_busy_in_its_middle(api: Api) -> None:
    ada = await an_hourly_provider(api, maxAdvanceBookingDays=400)
    long = (f"{WEDNESDAY}T00:00Z", "2027-01-14T00:00Z")
    await busy(api, ada, times=[long], to="2027-02-01T00:00Z")
    assert await listed(api, ada, "2026-07-01", "2026-07-31") == []
    assert await listed(api, ada, "2027-01-13", "2027-01-14") == utc(
        "2027-01-14", "09:00", "10:00", "11:00", "12:00"
    )
    assert await reasons(api, ada, "2026-07-15T10:00Z", caller=api.admin) == ["BUSY_ELSEWHERE"]
    refused = await book(api, ada, "2026-07-15T10:00Z")
    assert (refused["__typename"], refused["reasons"]) == (
        "SlotUnavailableError",
        ["ALREADY_TAKEN"],
    )


# ---------------------------------------------------------------- the law


async def test_no_new_visit_with_its_buffers_overlaps_a_busy_time(api: Api) -> None:
    """Staff read why, and others that the time is taken."""
    ada = await an_hourly_provider(api, bufferMinutes=15, slotIntervalMinutes=60)
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "09:00", "10:00", "11:00", "12:00")
    await busy(api, ada, times=[at(TUESDAY, "11:10", "11:20")])
    # The buffer after the visit at ten reaches into it; no start moves.
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "09:00", "12:00")
    for start in ("10:00", "11:00"):
        when = f"{TUESDAY}T{start}Z"
        assert await reasons(api, ada, when, caller=api.admin) == ["BUSY_ELSEWHERE"]
        assert await reasons(api, ada, when) == ["ALREADY_TAKEN"]
        refused = await book(api, ada, when)
        assert refused["reasons"] == ["ALREADY_TAKEN"]
        assert "busy" not in refused["message"]
        assert (await book(api, ada, when, caller=api.admin))["reasons"] == ["BUSY_ELSEWHERE"]


async def test_what_is_booked_or_held_stays_and_keeps_its_start(api: Api) -> None:
    ada = await an_hourly_provider(api)
    booked = await an_appointment(api, ada, TEN)
    hold = await held(api, ada, NOON)
    await busy(api, ada, times=[at(TUESDAY, "09:00", "13:00")])
    assert made(await book(api, ada, NOON, holdToken=hold["holdToken"]), "BookingConfirmation")
    found = await api.ask(MOVES, caller=api.admin, id=booked["appointment"]["id"], day=TUESDAY)
    assert found["appointment"]["status"] == "CONFIRMED"
    offered = [each["startsAt"] for each in found["appointment"]["rescheduleAvailability"]["slots"]]
    assert offered == utc(TUESDAY, "10:00")  # where it is
    for start, expected in (
        (f"{TUESDAY}T11:00:00Z", "SlotUnavailableError"),
        (f"{TUESDAY}T10:00:00Z", "BookingConfirmation"),
        (f"{WEDNESDAY}T11:00:00Z", "BookingConfirmation"),
    ):
        moved = await api.ask(
            MOVE,
            caller=api.admin,
            input={
                "appointmentId": booked["appointment"]["id"],
                "startsAt": start,
                "idempotencyKey": f"to-{start}",
            },
        )
        assert moved["answer"]["__typename"] == expected, moved


async def test_staff_set_busy_times_aside_and_take_nothing_that_is_booked(api: Api) -> None:
    ada = await an_hourly_provider(api)
    await busy(api, ada, times=[at(TUESDAY, "09:00", "13:00")])
    for caller in (api.admin, api.acting_for(ada)):
        refused = await book(api, ada, TEN, caller=caller, ignore=["HOURS", "LIMITS"])
        assert refused["reasons"] == ["BUSY_ELSEWHERE"]
    made(
        await book(api, ada, TEN, caller=api.acting_for(ada), ignore=["BUSY_ELSEWHERE"]),
        "BookingConfirmation",
    )
    refused = await book(api, ada, TEN, caller=api.admin, ignore=["BUSY_ELSEWHERE"])
    assert refused["reasons"] == ["ALREADY_TAKEN"]
    anybody = await book(api, ada, NOON, ignore=["BUSY_ELSEWHERE"])
    assert anybody["__typename"] == "NotAllowedError"


async def test_busy_times_count_for_no_limit_and_not_as_work(api: Api) -> None:
    """Bob has an appointment, Ada is busy for longer, and is the less busy of the two."""
    limits = [{"period": "DAY", "maxVisits": 1}]
    ada = await an_hourly_provider(api, limits=limits)
    bob = await an_hourly_provider(api)
    service = await a_service(api, bob, ada, durationMinutes=60, assignment="LEAST_BUSY")
    await busy(api, ada, times=[at(TUESDAY, "09:00", "12:00")])
    await an_appointment(api, bob, f"{WEDNESDAY}T09:00Z")
    visit = await a_visit(api, service, NOON)
    assert [each["id"] for each in visit["appointment"]["providers"]] == [ada["id"]]


async def test_teams_and_rooms_do_without_those_who_are_busy(api: Api) -> None:
    ada, bob, cai = [await an_hourly_provider(api) for _ in range(3)]
    room = await a_resource(api, units=3)
    service = await a_service(
        api,
        ada,
        bob,
        cai,
        durationMinutes=60,
        providersNeeded=2,
        needs=[{"name": "room", "resourceIds": [room["id"]]}],
    )
    await busy(api, ada, times=[at(TUESDAY, "09:00", "11:00")])
    visit = await a_visit(api, service, TEN)
    assert {each["id"] for each in visit["appointment"]["providers"]} == {bob["id"], cai["id"]}
    calendar = await busy(api, room, "Calendar of the house", [at(TUESDAY, "11:00", "13:00")])
    listing = """
        query ($id: ID!, $day: Date!) { service(id: $id) {
            availability(from: $day, to: $day, timeZone: "UTC") { ... on ServiceAvailability { slots { startsAt } } }
        } }
    """
    found = await api.ask(listing, id=service["id"], day=TUESDAY)
    assert [each["startsAt"] for each in found["service"]["availability"]["slots"]] == utc(
        TUESDAY, "09:00"
    )
    noon = {"serviceId": service["id"], "startsAt": f"{TUESDAY}T12:00:00Z"}
    explained = (await api.ask(MEMBERS, caller=api.admin, **noon))["explainTime"]
    assert explained["reasons"] == ["RESOURCE_TAKEN"]
    by_id = {
        (each["provider"] or each["resource"])["id"]: (each["reasons"], each["busySource"])
        for each in explained["members"]
    }
    assert by_id[room["id"]] == (["BUSY_ELSEWHERE"], {"name": "Calendar of the house"})
    assert by_id[ada["id"]] == ([], None)
    nine = noon | {"startsAt": f"{TUESDAY}T09:00:00Z"}
    explained = (await api.ask(MEMBERS, caller=api.admin, **nine))["explainTime"]
    assert [each["busySource"] for each in explained["members"] if each["reasons"]] == [
        {"name": "Phone"}
    ]
    assert (await api.ask(MEMBERS, **noon))["explainTime"]["members"] is None
    await remove(api, calendar)
    refused = await try_visit(api, service, NOON)
    assert refused["__typename"] == "BookingConfirmation"


async def test_a_class_is_joined_by_others_while_its_teacher_is_busy(api: Api) -> None:
    """The session has its time already; a new one does not begin."""
    ada = await an_hourly_provider(api)
    service = await a_service(api, ada, durationMinutes=60, seats=3)
    await a_visit(api, service, TEN)
    await busy(api, ada, times=[at(TUESDAY, "09:00", "13:00")])
    await a_visit(api, service, TEN)
    refused = await try_visit(api, service, NOON)
    assert refused["__typename"] == "SlotUnavailableError"


# ---------------------------------------------------------------- who, and what is refused


async def test_providers_push_their_own_times_and_see_the_sources_of_all(api: Api) -> None:
    ada, bob = await an_hourly_provider(api), await an_hourly_provider(api)
    phone = await busy(api, ada, times=[at(TUESDAY, "10:00", "11:00")], caller=api.acting_for(ada))
    assert await said(api, ada, caller=api.acting_for(bob)) == {
        "Phone": ["01-13T10:00/01-13T11:00"]
    }
    answer = await api.ask(
        SET_BUSY_TIMES,
        caller=api.acting_for(bob),
        input={
            "providerId": ada["id"],
            "source": "Phone",
            "from": f"{TUESDAY}T00:00:00Z",
            "to": f"{WEDNESDAY}T00:00:00Z",
            "busy": [],
        },
    )
    assert answer["answer"]["code"] == "NOT_ALLOWED"
    assert (await remove(api, phone, api.acting_for(bob)))["__typename"] == "NotAllowedError"
    assert (await remove(api, phone, api.anonymous))["__typename"] == "NotAllowedError"
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await api.ask(node, id=phone["id"]))["node"] is None
    other = await api.another_organization()
    assert (await remove(api, phone, other.admin))["__typename"] == "NotFoundError"
    assert (await api.ask(node, caller=other.admin, id=phone["id"]))["node"] is None
    assert await said(api, ada) == {"Phone": ["01-13T10:00/01-13T11:00"]}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source": " "}, "source"),
        ({"source": "x" * 101}, "source"),
        ({"to": f"{TUESDAY}T00:00:00Z"}, "to"),
        ({"to": "2029-06-01T00:00:00Z"}, "to"),
        ({"from": "1972-12-31T00:00:00Z"}, "from"),
        ({"to": "3000-01-01T12:00:00Z"}, "to"),
        ({"busy": [(f"{MONDAY}T23:00:00Z", TEN)]}, "busy.0.startsAt"),
        ({"busy": [(TEN, NOON), (TEN, f"{WEDNESDAY}T00:00:01Z")]}, "busy.1.endsAt"),
        ({"busy": [(TEN, TEN)]}, "busy.0.endsAt"),
        ({"busy": [(NOON, TEN)]}, "busy.0.endsAt"),
        ({"resourceId": unknown("Resource")}, "resourceId"),
    ],
)
async def test_a_push_that_makes_no_sense_is_refused_by_field(
    api: Api, changes: dict[str, Any], field: str
) -> None:
    ada = await an_hourly_provider(api)
    values = {
        "providerId": ada["id"],
        "source": "Phone",
        "from": f"{TUESDAY}T00:00:00Z",
        "to": f"{WEDNESDAY}T00:00:00Z",
        "busy": [],
    } | changes
    values["busy"] = [
        {"startsAt": instant(start).isoformat(), "endsAt": instant(end).isoformat()}
        for start, end in values["busy"]
    ]
    answer = (await api.ask(SET_BUSY_TIMES, caller=api.admin, input=values))["answer"]
    assert (answer["__typename"], answer.get("field")) == ("InvalidInputError", field)
    assert await said(api, ada) == {}


async def test_a_feed_is_not_pushed_to_and_twenty_sources_are_kept(api: Api) -> None:
    ada = await an_hourly_provider(api)
    for number in range(20):
        await busy(api, ada, f"Source {number}")
    values = {
        "providerId": ada["id"],
        "from": f"{TUESDAY}T00:00:00Z",
        "to": f"{WEDNESDAY}T00:00:00Z",
        "busy": [],
    }
    await api.rows(
        "UPDATE busy_source SET url = 'https://a.example', next_read_at = now() "
        "WHERE organization_id = $1 AND name = 'Source 7' RETURNING 1",
        api.organization.id,
    )
    for name in ("Source 7", "One more"):
        answer = await api.ask(SET_BUSY_TIMES, caller=api.admin, input={**values, "source": name})
        assert answer["answer"]["field"] == "source"


async def test_unknown_owners_are_not_found(api: Api) -> None:
    for whose in ("Provider", "Resource"):
        values = {
            f"{whose.lower()}Id": unknown(whose),
            "source": "Phone",
            "from": f"{TUESDAY}T00:00:00Z",
            "to": f"{WEDNESDAY}T00:00:00Z",
            "busy": [],
        }
        answer = await api.ask(SET_BUSY_TIMES, caller=api.admin, input=values)
        assert answer["answer"]["__typename"] == "NotFoundError"


@pytest.mark.parametrize(
    ("first", "to"),
    [
        (f"{TUESDAY}T00:00:00Z", f"{TUESDAY}T00:00:00Z"),
        (f"{TUESDAY}T00:00:00Z", "2026-04-24T00:01:00Z"),
        ("9999-12-01T00:00:00Z", "9999-12-02T00:00:00Z"),
    ],
)
async def test_a_list_of_busy_times_has_a_hundred_days_at_most(
    api: Api, first: str, to: str
) -> None:
    ada = await an_hourly_provider(api)
    await busy(api, ada)
    answer = await api.send(SOURCES, caller=api.admin, id=ada["id"], **{"from": first, "to": to})
    assert answer.codes == ["BAD_USER_INPUT"]


# ---------------------------------------------------------------- upkeep


async def test_busy_times_are_purged_a_month_after_their_end_and_pushed_again_in_vain(
    own_api: Api,
) -> None:
    api = own_api
    ada = await an_hourly_provider(api)
    times = [at(TUESDAY, "10:00", "11:00"), at("2026-01-15", "10:00", "11:00")]
    await busy(api, ada, times=times)
    assert await purge.purge_busy_times(api.resources) == 0
    api.clock.set(instant(f"{TUESDAY}T11:00Z") + timedelta(days=30))
    assert await purge.purge_busy_times(api.resources) == 1
    left = await api.rows("SELECT source_id, busy_from FROM busy_time")
    await busy(api, ada, times=times)
    assert await api.rows("SELECT source_id, busy_from FROM busy_time") == left
    assert isinstance(left[0]["source_id"], UUID)
    assert await purge.purge_busy_times(api.resources) == 0
