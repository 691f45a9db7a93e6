"""Time off: nothing can be booked in it, whatever else is set there, and what is booked stays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.builders import (
    ADD_TIME_OFF,
    REFUSALS,
    REMOVE_TIME_OFF,
    UPDATE_TIME_OFF,
    Api,
    Caller,
    Json,
    a_provider,
    a_resource,
    a_service,
    listed,
    made,
    reasons,
    time_off,
    unknown,
    utc,
    weekly,
)
from tests.lives import booked, cancel, held, move, seen, try_booking
from tests.visits import a_visit, try_visit

MONDAY, TUESDAY, WEDNESDAY = "2026-01-12", "2026-01-13", "2026-01-14"

SET_EXCEPTION = (
    "mutation ($input: SetExceptionInput!) { answer: setException(input: $input) { __typename } }"
)
UPDATE_PROVIDER = (
    "mutation ($input: UpdateProviderInput!) "
    f"{{ answer: updateProvider(input: $input) {{ __typename {REFUSALS} }} }}"
)
OF_PROVIDER = """
    query ($id: ID!, $from: Date, $to: Date) {
        answer: provider(id: $id) { timeOff(from: $from, to: $to) { id from until reason } }
    }
"""
EXPLAIN_SERVICE = """
    query ($serviceId: ID!, $startsAt: DateTime!) {
        explainTime(serviceId: $serviceId, startsAt: $startsAt) {
            reasons members { provider { id } resource { id } reasons }
        }
    }
"""


async def change(
    api: Api,
    document: str,
    caller: Caller | None = None,
    **values: Any,  # noqa: ANN401  fields of the input
) -> Json:
    answer = await api.ask(document, caller=caller or api.admin, input=values)
    found: Json = answer["answer"]
    return found


async def away(api: Api, provider: Json, **asked: object) -> list[str]:
    """The time off that staff see, as from/until."""
    data = await api.ask(OF_PROVIDER, caller=api.admin, id=provider["id"], **asked)
    return [f"{each['from']}/{each['until']}" for each in data["answer"]["timeOff"]]


# ---------------------------------------------------------------- what it closes


async def test_time_off_closes_its_readings_on_every_date_and_the_grid_begins_after_it(
    api: Api,
) -> None:
    ada = await a_provider(api)
    await time_off(api, ada, f"{MONDAY}T10:30", f"{WEDNESDAY}T14:15", reason="Fair")
    assert await listed(api, ada, MONDAY, WEDNESDAY) == [
        *utc(MONDAY, "09:00"),
        *utc(WEDNESDAY, "14:15", "15:15"),
    ]
    assert await reasons(api, ada, f"{TUESDAY}T09:00Z", caller=api.admin) == ["TIME_OFF"]
    assert await reasons(api, ada, f"{TUESDAY}T08:00Z", caller=api.admin) == ["OUTSIDE_HOURS"]


async def test_time_off_adds_up_and_removing_one_leaves_the_others(api: Api) -> None:
    ada = await a_provider(api)
    one = await time_off(api, ada, f"{MONDAY}T00:00", f"{MONDAY}T12:00")
    two = await time_off(api, ada, f"{MONDAY}T11:00", f"{MONDAY}T15:00")
    same = await time_off(api, ada, f"{MONDAY}T11:00", f"{MONDAY}T15:00")
    assert await listed(api, ada, MONDAY) == utc(MONDAY, "15:00", "16:00")
    assert made(await change(api, REMOVE_TIME_OFF, id=two["id"]), "TimeOff") == two
    assert await listed(api, ada, MONDAY) == utc(MONDAY, "15:00", "16:00")
    await change(api, REMOVE_TIME_OFF, id=same["id"])
    assert await listed(api, ada, MONDAY) == utc(
        MONDAY, "12:00", "13:00", "14:00", "15:00", "16:00"
    )
    await change(api, REMOVE_TIME_OFF, id=one["id"])
    assert len(await listed(api, ada, MONDAY)) == 8


async def test_time_off_a_block_and_custom_hours_each_do_their_part(api: Api) -> None:
    ada = await a_provider(api)
    block: Json = {"isBlocked": True, "ranges": [{"start": "10:00", "end": "12:00"}]}
    custom: Json = {"isBlocked": False, "ranges": [{"start": "11:00", "end": "20:00"}]}
    await change(api, SET_EXCEPTION, providerId=ada["id"], date=MONDAY, **block)
    await change(api, SET_EXCEPTION, providerId=ada["id"], date=TUESDAY, **custom)
    for day in (MONDAY, TUESDAY):
        await time_off(api, ada, f"{day}T11:00", f"{day}T15:00")
    assert await listed(api, ada, MONDAY) == utc(MONDAY, "09:00", "15:00", "16:00")
    assert await listed(api, ada, TUESDAY) == utc(
        TUESDAY, "15:00", "16:00", "17:00", "18:00", "19:00"
    )
    said = {
        time: await reasons(api, ada, time, caller=api.admin)
        for time in (
            f"{MONDAY}T10:00Z",
            f"{MONDAY}T11:00Z",
            f"{TUESDAY}T14:00Z",
            f"{TUESDAY}T10:00Z",
        )
    }
    assert list(said.values()) == [
        ["EXCEPTION"],
        ["EXCEPTION", "TIME_OFF"],
        ["TIME_OFF"],
        ["EXCEPTION"],
    ]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        # 02:00 to 03:00 is left out on 8 March, and 01:00 to 02:00 is read twice on 1 November.
        ("2026-03-08T02:30", "2026-03-08T04:00", ("06:00", "07:00", "09:00", "10:00")),
        ("2026-03-08T00:00", "2026-03-08T02:30", ("08:00", "09:00", "10:00")),
        ("2026-11-01T00:00", "2026-11-01T01:30", ("07:30", "08:30", "09:30", "10:30")),
        ("2026-11-01T01:00", "2026-11-01T02:00", ("05:00", "08:00", "09:00", "10:00", "11:00")),
    ],
)
async def test_no_reading_of_time_off_is_open_where_the_clock_changes(
    api: Api, start: str, end: str, expected: tuple[str, ...]
) -> None:
    ada = await a_provider(
        api,
        timeZone="America/Chicago",
        weeklyHours=weekly("00:00", "06:00"),
        maxAdvanceBookingDays=365,
    )
    await time_off(api, ada, start, end)
    assert await listed(api, ada, start[:10]) == utc(start[:10], *expected)


async def test_a_change_of_the_zone_keeps_the_readings(api: Api) -> None:
    ada = await a_provider(api, timeZone="Europe/Berlin")
    await time_off(api, ada, f"{MONDAY}T00:00", f"{MONDAY}T16:00")
    assert await listed(api, ada, MONDAY) == utc(MONDAY, "15:00")
    await change(api, UPDATE_PROVIDER, id=ada["id"], timeZone="America/New_York")
    assert await listed(api, ada, MONDAY) == utc(MONDAY, "21:00")
    assert await away(api, ada) == [f"{MONDAY}T00:00/{MONDAY}T16:00"]


async def test_a_resource_that_is_always_open_can_have_time_off(api: Api) -> None:
    ada, room = await a_provider(api), await a_resource(api)
    cut = await a_service(
        api, ada, durationMinutes=60, needs=[{"name": "room", "resourceIds": [room["id"]]}]
    )
    added = await time_off(api, room, f"{MONDAY}T00:00", f"{MONDAY}T15:00")
    assert (added["provider"], added["resource"]) == (None, {"id": room["id"]})
    assert await listed(api, ada, MONDAY, serviceId=cut["id"]) == utc(MONDAY, "15:00", "16:00")
    asked = {"serviceId": cut["id"], "startsAt": f"{MONDAY}T10:00:00Z"}
    said = (await api.ask(EXPLAIN_SERVICE, caller=api.admin, **asked))["explainTime"]
    assert [each["reasons"] for each in said["members"]] == [[], ["TIME_OFF"]]
    refused = await try_visit(api, cut, f"{MONDAY}T10:00Z")
    assert refused["reasons"] == ["RESOURCE_TAKEN"]


# ---------------------------------------------------------------- what stays


async def test_what_is_booked_or_held_stays_and_nothing_new_is_booked(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, f"{MONDAY}T10:00Z")
    kept = await held(api, ada, f"{MONDAY}T11:00Z")
    await time_off(api, ada, f"{MONDAY}T00:00", f"{TUESDAY}T00:00")
    stays = await seen(api, visit)
    assert stays is not None
    assert (stays["status"], stays["startsAt"]) == ("CONFIRMED", f"{MONDAY}T10:00:00Z")
    # The hold's promise is kept.
    await booked(api, ada, f"{MONDAY}T11:00Z", holdToken=kept["holdToken"])
    assert (await try_booking(api, ada, f"{MONDAY}T14:00Z"))["reasons"] == ["EXCEPTION"]
    moved = await move(api, visit, f"{MONDAY}T14:00Z")
    assert moved["reasons"] == ["EXCEPTION"]
    made(await move(api, visit, f"{TUESDAY}T14:00Z"), "BookingConfirmation")
    made(await cancel(api, visit), "Appointment")


async def test_a_session_of_a_provider_who_is_away_stays_and_stops_filling(api: Api) -> None:
    ada = await a_provider(api)
    yoga = await a_service(api, ada, durationMinutes=60, seats=4)
    seated = await a_visit(api, yoga, f"{MONDAY}T10:00Z")
    added = await time_off(api, ada, f"{MONDAY}T00:00", f"{TUESDAY}T00:00")
    assert (await try_visit(api, yoga, f"{MONDAY}T10:00Z"))["__typename"] == "SlotUnavailableError"
    stays = await seen(api, seated)
    assert stays is not None
    assert stays["status"] == "CONFIRMED"
    await change(api, REMOVE_TIME_OFF, id=added["id"])
    await a_visit(api, yoga, f"{MONDAY}T10:00Z")


# ---------------------------------------------------------------- who may know


async def test_that_somebody_is_away_is_for_staff(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    await time_off(api, ada, f"{MONDAY}T00:00", f"{TUESDAY}T00:00", reason="Surgery")
    ten = f"{MONDAY}T10:00Z"
    for caller in (api.admin, api.reception, api.acting_for(ada), api.acting_for(ben)):
        assert await reasons(api, ada, ten, caller=caller) == ["TIME_OFF"]
        data = await api.ask(OF_PROVIDER, caller=caller, id=ada["id"])
        assert [each["reason"] for each in data["answer"]["timeOff"]] == ["Surgery"]
    for caller in (api.anonymous, api.customer("robin")):
        assert await reasons(api, ada, ten, caller=caller) == ["EXCEPTION"]
        data = await api.ask(OF_PROVIDER, caller=caller, id=ada["id"])
        assert data["answer"]["timeOff"] is None
        refused = await try_booking(api, ada, ten, caller=caller)
        assert refused["reasons"] == ["EXCEPTION"]
        assert "away" not in refused["message"]
    refused = await try_booking(api, ada, ten, caller=api.reception)
    assert refused["reasons"] == ["TIME_OFF"]
    assert "away" in refused["message"]


async def test_a_reason_that_reads_as_another_one_is_given_once(api: Api) -> None:
    ada = await a_provider(api)
    await change(api, SET_EXCEPTION, providerId=ada["id"], date=MONDAY, isBlocked=True, ranges=[])
    await time_off(api, ada, f"{MONDAY}T00:00", f"{TUESDAY}T00:00")
    assert await reasons(api, ada, f"{MONDAY}T10:00Z") == ["EXCEPTION"]


async def test_providers_change_their_own_time_off_only(api: Api) -> None:
    ada, ben, room = await a_provider(api), await a_provider(api), await a_resource(api)
    range_: Json = {"from": f"{MONDAY}T00:00", "until": f"{TUESDAY}T00:00"}
    as_ada = api.acting_for(ada)
    own = await change(api, ADD_TIME_OFF, as_ada, providerId=ada["id"], **range_)
    for owner in ({"providerId": ben["id"]}, {"resourceId": room["id"]}):
        refused = await change(api, ADD_TIME_OFF, as_ada, **owner, **range_)
        assert refused["code"] == "NOT_ALLOWED"
        others = await change(api, ADD_TIME_OFF, **owner, **range_)
        for document in (UPDATE_TIME_OFF, REMOVE_TIME_OFF):
            assert (await change(api, document, as_ada, id=others["id"]))["code"] == "NOT_ALLOWED"
    for document in (UPDATE_TIME_OFF, REMOVE_TIME_OFF):
        made(await change(api, document, as_ada, id=own["id"]), "TimeOff")


async def test_time_off_of_another_organization_does_not_exist(api: Api) -> None:
    ada, other = await a_provider(api), await api.another_organization()
    own = await time_off(api, ada, f"{MONDAY}T00:00", f"{TUESDAY}T00:00")
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await api.ask(node, caller=api.admin, id=own["id"]))["node"] == {"id": own["id"]}
    assert (await api.ask(node, caller=other.admin, id=own["id"]))["node"] is None
    assert (await api.ask(node, id=own["id"]))["node"] is None
    for document in (UPDATE_TIME_OFF, REMOVE_TIME_OFF):
        refused = await change(api, document, other.admin, id=own["id"])
        assert refused["code"] == "NOT_FOUND"
    assert await away(api, ada) == [f"{MONDAY}T00:00/{TUESDAY}T00:00"]


# ---------------------------------------------------------------- changing and refusing


async def test_an_update_changes_what_it_names(api: Api) -> None:
    ada = await a_provider(api)
    added = await time_off(api, ada, f"{MONDAY}T00:00", f"{TUESDAY}T00:00", reason="Fair")
    shorter = await change(api, UPDATE_TIME_OFF, id=added["id"], until=f"{MONDAY}T15:00")
    assert shorter == {**added, "until": f"{MONDAY}T15:00"}
    assert await listed(api, ada, MONDAY) == utc(MONDAY, "15:00", "16:00")
    later = await change(
        api, UPDATE_TIME_OFF, **{"id": added["id"], "from": f"{MONDAY}T10:00", "reason": None}
    )
    assert later == {**shorter, "from": f"{MONDAY}T10:00", "reason": None}
    assert await listed(api, ada, MONDAY) == utc(MONDAY, "09:00", "15:00", "16:00")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"until": f"{MONDAY}T09:00"}, "until"),
        ({"until": f"{MONDAY}T08:59"}, "until"),
        ({"from": "1972-12-31T23:59"}, "from"),
        ({"from": "3000-01-01T00:00", "until": "3000-01-02T00:00"}, "until"),
        ({"until": "3000-01-01T00:01"}, "until"),
        ({"reason": "x" * 501}, "reason"),
        ({"resourceId": unknown("Resource")}, "resourceId"),
        ({"providerId": None}, "resourceId"),
    ],
)
async def test_time_off_that_makes_no_sense_is_refused_by_field(
    api: Api, values: Json, field: str
) -> None:
    ada = await a_provider(api)
    given: Json = {"providerId": ada["id"], "from": f"{MONDAY}T09:00", "until": f"{MONDAY}T10:00"}
    refused = await change(api, ADD_TIME_OFF, **(given | values))
    assert (refused["__typename"], refused["field"]) == ("InvalidInputError", field)
    if not field.endswith("Id"):
        added = await change(api, ADD_TIME_OFF, **given)
        again = await change(api, UPDATE_TIME_OFF, id=added["id"], **values)
        assert (again["__typename"], again["field"]) == ("InvalidInputError", field)
    for name in ("from", "until"):
        added = await change(api, ADD_TIME_OFF, **given)
        nothing = await change(api, UPDATE_TIME_OFF, id=added["id"], **{name: None})
        assert (nothing["__typename"], nothing["field"]) == ("InvalidInputError", name)


async def test_time_off_reaches_from_the_first_supported_date_to_the_last(api: Api) -> None:
    ada = await a_provider(api)
    ever = await time_off(api, ada, "1973-01-01T00:00", "3000-01-01T00:00")
    assert (ever["from"], ever["until"]) == ("1973-01-01T00:00", "3000-01-01T00:00")
    assert await listed(api, ada, MONDAY, WEDNESDAY) == []
    for day in ("1973-01-01", "2999-12-31"):
        assert await away(api, ada, **{"from": day, "to": day}) != []
    for day in ("1972-12-31", "3000-01-01"):
        assert await away(api, ada, **{"from": day, "to": day}) == []


async def test_unknown_time_off_and_owners_are_not_found(api: Api) -> None:
    range_: Json = {"from": f"{MONDAY}T00:00", "until": f"{TUESDAY}T00:00"}
    for answer in (
        await change(api, ADD_TIME_OFF, providerId=unknown("Provider"), **range_),
        await change(api, ADD_TIME_OFF, resourceId=unknown("Resource"), **range_),
        await change(api, UPDATE_TIME_OFF, id=unknown("TimeOff"), reason="Fair"),
        await change(api, REMOVE_TIME_OFF, id=unknown("TimeOff")),
    ):
        assert answer["code"] == "NOT_FOUND"


async def test_of_two_removals_at_once_one_finds_it(api: Api) -> None:
    ada = await a_provider(api)
    added = await time_off(api, ada, f"{MONDAY}T00:00", f"{TUESDAY}T00:00")
    answers = await asyncio.gather(
        *(change(api, REMOVE_TIME_OFF, id=added["id"]) for _ in range(4))
    )
    found = sorted(each["__typename"] for each in answers)
    assert found == ["NotFoundError"] * 3 + ["TimeOff"]


async def test_a_list_holds_what_has_a_reading_on_its_dates(api: Api) -> None:
    ada = await a_provider(api)
    long = await time_off(api, ada, f"{MONDAY}T12:00", f"{WEDNESDAY}T00:00")
    short = await time_off(api, ada, f"{TUESDAY}T09:00", f"{TUESDAY}T10:00")
    names = {id(each): f"{each['from']}/{each['until']}" for each in (long, short)}
    both = [names[id(long)], names[id(short)]]
    assert await away(api, ada, **{"from": MONDAY, "to": MONDAY}) == both[:1]
    assert await away(api, ada, **{"from": TUESDAY, "to": TUESDAY}) == both
    assert await away(api, ada, **{"from": WEDNESDAY, "to": WEDNESDAY}) == []
    # From today on, and for 400 dates, where no date is named.
    assert await away(api, ada) == both
    assert await away(api, ada, to=MONDAY) == both[:1]
    assert await away(api, ada, **{"from": "2025-01-01"}) == both
    assert await away(api, ada, **{"from": "9999-12-31"}) == []
    for dates in ({"from": "2025-01-01", "to": "2026-02-05"}, {"from": TUESDAY, "to": MONDAY}):
        answer = await api.send(OF_PROVIDER, caller=api.admin, id=ada["id"], **dates)
        assert answer.codes == ["BAD_USER_INPUT"]


async def test_a_change_of_time_off_is_an_event_and_a_refused_one_is_none(api: Api) -> None:
    ada, room = await a_provider(api), await a_resource(api)
    count = "SELECT type, count(*) AS total FROM event WHERE organization_id = $1 GROUP BY type"

    async def events() -> dict[str, int]:
        return {row["type"]: row["total"] for row in await api.rows(count, api.organization.id)}

    before = await events()
    added = await time_off(api, ada, f"{MONDAY}T00:00", f"{TUESDAY}T00:00")
    await time_off(api, room, f"{MONDAY}T00:00", f"{TUESDAY}T00:00")
    await change(api, UPDATE_TIME_OFF, id=added["id"], reason="Fair")
    await change(api, UPDATE_TIME_OFF, id=added["id"], until=f"{MONDAY}T00:00")
    await change(api, REMOVE_TIME_OFF, id=added["id"])
    await change(api, REMOVE_TIME_OFF, id=added["id"])
    after = await events()
    assert after["PROVIDER_CHANGED"] - before["PROVIDER_CHANGED"] == 3
    assert after["RESOURCE_CHANGED"] - before["RESOURCE_CHANGED"] == 1
