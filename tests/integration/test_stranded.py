"""Changes under what is booked: what a dry run says, and which appointments are stranded, for
teams, rooms, sessions, units, offers and zones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app.core.ids import ProviderId, ResourceId, ServiceId, SubjectId
from app.store.locks import lock_external_ids, lock_rules, lock_service, lock_token_subjects
from app.store.pool import transaction
from tests.builders import (
    Api,
    Json,
    a_provider,
    a_resource,
    a_service,
    an_appointment,
    key_in,
    made,
    unknown,
    weekly,
)
from tests.lives import cancel
from tests.stranded import STRANDED, change, preview, stranded, try_change

TEN = "2026-01-13T10:00Z"
TUESDAY = "2026-01-13"
NOTHING = {
    "__typename": "ChangePreview",
    "openMinutesGained": 0,
    "openMinutesLost": 0,
    "strandedCount": 0,
    "stranded": [],
}


def minutes(found: Json) -> tuple[int, int]:
    return found["openMinutesGained"], found["openMinutesLost"]


def ids(found: Json) -> list[str]:
    """Of a preview."""
    assert found["strandedCount"] == len(found["stranded"])
    return [each["id"] for each in found["stranded"]]


async def booked(api: Api, provider: Json, starts_at: str, **wish: Any) -> str:  # noqa: ANN401  fields of the input
    """The id of a new appointment."""
    confirmed = await an_appointment(api, provider, starts_at, **wish)
    appointment_id: str = confirmed["appointment"]["id"]
    return appointment_id


async def strands_in_both(api: Api, mutation: str, values: Json, expected: list[str]) -> Json:
    """The preview, which strands these, as the change then does."""
    before = await stranded(api)
    found = await preview(api, mutation, **values)
    assert ids(found) == expected
    assert await stranded(api) == before, "a dry run changes nothing"
    await change(api, mutation, **values)
    assert set(await stranded(api)) == {*before, *expected}
    return found


# ---------------------------------------------------------------- hours


async def test_a_closed_date_strands_what_is_booked_on_it_and_takes_its_minutes(api: Api) -> None:
    ada = await a_provider(api)
    other = await booked(api, ada, "2026-01-14T10:00Z")
    visits = [await booked(api, ada, f"{TUESDAY}T{hour}:00Z") for hour in (15, 10, 12)]
    closed = {"providerId": ada["id"], "date": TUESDAY, "isBlocked": True}
    expected = [visits[1], visits[2], visits[0]]
    found = await strands_in_both(api, "setException", closed, expected)
    assert minutes(found) == (0, 8 * 60)
    again = await preview(api, "setException", **closed)
    assert again == NOTHING, "they are stranded already"
    opened = await preview(api, "removeException", providerId=ada["id"], date=TUESDAY)
    assert minutes(opened) == (8 * 60, 0)
    assert ids(opened) == []
    assert other not in await stranded(api)


async def test_weekly_hours_strand_on_any_date_and_count_minutes_of_92_days(api: Api) -> None:
    ada = await a_provider(api, maxAdvanceBookingDays=365)
    soon, late = [await booked(api, ada, f"{day}T16:00Z") for day in (TUESDAY, "2026-12-01")]
    await booked(api, ada, "2026-12-01T10:00Z")
    shorter = {"providerId": ada["id"], "hours": weekly("08:00", "16:00")}
    found = await strands_in_both(api, "setWeeklyHours", shorter, [soon, late])
    # It is 08:00: all of today's hours are still to come.
    assert minutes(found) == (92 * 60, 92 * 60)


async def test_breaks_strand_and_custom_hours_give_minutes(api: Api) -> None:
    ada = await a_provider(api)
    noon = await booked(api, ada, f"{TUESDAY}T12:00Z")
    lunch = {
        "providerId": ada["id"],
        "hours": weekly("09:00", "17:00"),
        "breaks": weekly("12:30", "13:00", days=["TUESDAY"]),
    }
    found = await strands_in_both(api, "setWeeklyHours", lunch, [noon])
    assert minutes(found) == (0, 14 * 30 - 30), "Tuesdays from 2026-01-13 to 2026-04-07"
    custom = await preview(
        api,
        "setException",
        providerId=ada["id"],
        date="2026-01-14",
        isBlocked=False,
        ranges=[{"start": "08:00", "end": "20:00"}],
    )
    assert minutes(custom) == (4 * 60, 0)


async def test_a_changed_zone_strands_what_then_lies_outside_of_hours(api: Api) -> None:
    """Also over the night on which the clocks change: 10:00Z is 11:00 in Berlin until March 29,
    and 12:00 from then on.
    """
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"), maxAdvanceBookingDays=120)
    early = await booked(api, ada, "2026-01-13T09:00Z")
    last = await booked(api, ada, "2026-01-13T11:00Z")
    winter = await booked(api, ada, "2026-03-27T10:00Z")
    summer = await booked(api, ada, "2026-03-30T10:00Z")
    move = {"id": ada["id"], "timeZone": "Europe/Berlin"}
    found = await strands_in_both(api, "updateProvider", move, [last, summer])
    assert {early, winter}.isdisjoint(ids(found))
    # It opens and closes an hour earlier on 76 days until March 28, and two on 16 days until April
    # 13. On April 14, only the hour from 7 to 8 lies within the 92 days.
    assert minutes(found) == (76 * 60 + 16 * 120 + 60, 76 * 60 + 16 * 120)


async def test_what_does_not_open_or_close_changes_nothing(api: Api) -> None:
    ada = await a_provider(api)
    room = await a_resource(api)
    cut = await a_service(api, ada, needs=[{"name": "room", "resourceIds": [room["id"]]}])
    await booked(api, ada, TEN, serviceId=cut["id"])
    assert (
        await preview(
            api,
            "updateProvider",
            id=ada["id"],
            name="Ada",
            bufferMinutes=60,
            minNoticeMinutes=100_000,
            maxAdvanceBookingDays=0,
            serviceDurationMinutes=90,
            slotIntervalMinutes=7,
            limits=[{"period": "DAY", "maxVisits": 1}],
        )
        == NOTHING
    )
    assert (
        await preview(
            api, "updateService", id=cut["id"], durationMinutes=300, bufferBeforeMinutes=60, seats=3
        )
        == NOTHING
    )
    assert await preview(api, "updateResource", id=room["id"], name="Hall") == NOTHING
    assert await preview(api, "setWeeklyHours", resourceId=room["id"], hours=[]) == NOTHING, (
        "it is always open"
    )


async def test_time_off_strands_as_long_as_no_other_covers_the_same(api: Api) -> None:
    ada = await a_provider(api)
    first, second, third = [
        await booked(api, ada, at)
        for at in ("2026-01-13T16:00Z", "2026-01-14T09:00Z", "2026-01-15T12:00Z")
    ]
    week = {"from": "2026-01-13T16:30", "until": "2026-01-15T12:00", "reason": "Ill"}
    found = await strands_in_both(
        api, "addTimeOff", {"providerId": ada["id"], **week}, [first, second]
    )
    assert minutes(found) == (0, 30 + 8 * 60 + 3 * 60)
    [ill] = await away(api, ada)
    longer = {"id": ill, "until": "2026-01-15T12:01"}
    found = await strands_in_both(api, "updateTimeOff", longer, [third])
    assert minutes(found) == (0, 1)
    moved = await preview(api, "updateTimeOff", id=ill, **{"from": "2026-01-14T00:00"})
    assert minutes(moved) == (30, 0)
    day = {"providerId": ada["id"], "from": "2026-01-14T00:00", "until": "2026-01-15T00:00"}
    assert await preview(api, "addTimeOff", **day) == NOTHING
    await change(api, "addTimeOff", **day)
    found = await preview(api, "removeTimeOff", id=ill)
    assert minutes(found) == (30 + 3 * 60 + 1, 0)
    assert ids(found) == []
    await change(api, "removeTimeOff", id=ill)
    assert await stranded(api) == [second]


async def away(api: Api, provider: Json) -> list[str]:
    """The ids of the provider's time off to come."""
    data = await api.ask(
        "query ($id: ID!) { provider(id: $id) { timeOff { id } } }",
        caller=api.admin,
        id=provider["id"],
    )
    return [each["id"] for each in data["provider"]["timeOff"]]


# ---------------------------------------------------------------- teams, rooms, sessions, units


async def test_any_of_a_team_strands_the_visit_once(api: Api) -> None:
    ada, ben = [await a_provider(api) for _ in range(2)]
    duo = await a_service(api, ada, ben, providersNeeded=2)
    both = await booked(api, ada, TEN, serviceId=duo["id"], providerId=None)
    closed = {"date": TUESDAY, "isBlocked": True}
    found = await strands_in_both(api, "setException", {**closed, "providerId": ben["id"]}, [both])
    assert minutes(found) == (0, 8 * 60)
    assert ids(await preview(api, "setException", **closed, providerId=ada["id"])) == []
    assert await stranded(api) == [both]


async def test_a_room_strands_when_it_closes_and_while_always_open_its_hours_do_not(
    api: Api,
) -> None:
    ada = await a_provider(api)
    room = await a_resource(api, units=2, weeklyHours=weekly("09:00", "17:00", ["MONDAY"]))
    cut = await a_service(api, ada, needs=[{"name": "room", "resourceIds": [room["id"]]}])
    visit = await booked(api, ada, TEN, serviceId=cut["id"])
    own_hours = {"id": room["id"], "alwaysOpen": False}
    found = await strands_in_both(api, "updateResource", own_hours, [visit])
    # Both units: from today at 08:00, a Monday, there are 14 Mondays, of which the last ends before
    # the 92 days do.
    assert minutes(found) == (0, 2 * (92 * 1440 - 14 * 8 * 60))
    tuesdays = {"resourceId": room["id"], "hours": weekly("09:00", "17:00", ["TUESDAY"])}
    await change(api, "setWeeklyHours", **tuesdays)
    assert await stranded(api) == []


async def test_fewer_units_strand_those_who_have_the_highest(api: Api) -> None:
    ada, ben = [await a_provider(api) for _ in range(2)]
    chairs = await a_resource(api, units=2)
    cut = await a_service(api, ada, ben, needs=[{"name": "chair", "resourceIds": [chairs["id"]]}])
    await booked(api, ada, TEN, serviceId=cut["id"])
    second = await booked(api, ben, TEN, serviceId=cut["id"])
    one = {"id": chairs["id"], "units": 1}
    found = await strands_in_both(api, "updateResource", one, [second])
    assert minutes(found) == (0, 92 * 1440)
    more = await preview(api, "updateResource", id=chairs["id"], units=4)
    assert minutes(more) == (3 * 92 * 1440, 0)


async def test_a_visit_with_two_units_of_a_room_is_counted_once(api: Api) -> None:
    ada = await a_provider(api)
    beds = await a_resource(api, units=2)
    need = [{"name": "bed", "count": 2, "resourceIds": [beds["id"]]}]
    stay = await a_service(api, ada, needs=need)
    visit = await booked(api, ada, TEN, serviceId=stay["id"])
    closed = {"id": beds["id"], "alwaysOpen": False}
    await strands_in_both(api, "updateResource", closed, [visit])


async def test_everybody_in_a_session_is_stranded_with_it(api: Api) -> None:
    ada = await a_provider(api)
    hall = await a_resource(api)
    yoga = await a_service(api, ada, seats=4, needs=[{"name": "hall", "resourceIds": [hall["id"]]}])
    wish = {"serviceId": yoga["id"]}
    party = [await booked(api, ada, TEN, **wish, seats=seats) for seats in (1, 2)]
    away = await an_appointment(api, ada, TEN, **wish)
    made(await cancel(api, away), "Appointment")
    later = await booked(api, ada, "2026-01-13T11:00Z", **wish)
    block = {
        "resourceId": hall["id"],
        "date": TUESDAY,
        "isBlocked": True,
        "ranges": [{"start": "10:00", "end": "10:10"}],
    }
    await change(api, "updateResource", id=hall["id"], alwaysOpen=False)
    assert set(await stranded(api)) == {*party, later}
    await change(api, "setWeeklyHours", resourceId=hall["id"], hours=weekly("00:00", "24:00"))
    assert await stranded(api) == []
    found = await preview(api, "setException", **block)
    assert set(ids(found)) == {*party}
    await change(api, "setException", **block)
    assert set(await stranded(api)) == {*party}


# ---------------------------------------------------------------- offers


async def test_who_no_longer_offers_a_service_strands_its_visits_alone(api: Api) -> None:
    ada, ben = [await a_provider(api) for _ in range(2)]
    cut, dye = await a_service(api, ada, ben), await a_service(api, ada)
    hers = await booked(api, ada, TEN, serviceId=cut["id"])
    await booked(api, ben, TEN, serviceId=cut["id"])
    await booked(api, ada, "2026-01-13T11:00Z", serviceId=dye["id"])
    await booked(api, ada, "2026-01-13T13:00Z")
    without = {"id": cut["id"], "providerIds": [ben["id"]]}
    found = await strands_in_both(api, "updateService", without, [hers])
    assert minutes(found) == (0, 92 * 8 * 60)
    back = await preview(api, "updateService", id=cut["id"], providerIds=[ada["id"], ben["id"]])
    assert minutes(back) == (92 * 8 * 60, 0)
    await change(api, "updateService", id=cut["id"], providerIds=[ada["id"], ben["id"]])
    assert await stranded(api) == []


async def test_a_room_that_left_the_group_strands_its_visits(api: Api) -> None:
    ada = await a_provider(api)
    old, new = [await a_resource(api) for _ in range(2)]
    cut = await a_service(api, ada, needs=[{"name": "room", "resourceIds": [old["id"]]}])
    visit = await booked(api, ada, TEN, serviceId=cut["id"])
    moved = {"id": cut["id"], "needs": [{"name": "room", "resourceIds": [new["id"]]}]}
    found = await strands_in_both(api, "updateService", moved, [visit])
    assert minutes(found) == (0, 0)
    await change(
        api, "updateService", id=cut["id"], needs=[{"name": "any", "resourceIds": [old["id"]]}]
    )
    assert await stranded(api) == []


# ---------------------------------------------------------------- the list


async def test_only_confirmed_appointments_to_come_are_stranded(api: Api) -> None:
    ada = await a_provider(api)
    gone, past = [await an_appointment(api, ada, at) for at in (TEN, "2026-01-12T09:00Z")]
    next_one = await booked(api, ada, "2026-01-13T15:00Z")
    made(await cancel(api, gone), "Appointment")
    await change(api, "setWeeklyHours", providerId=ada["id"], hours=[])
    assert await stranded(api) == [past["appointment"]["id"], next_one]
    api.clock.set("2026-01-12T09:00Z")
    assert await stranded(api) == [next_one], "what has started is over for this list"
    api.clock.set("2026-01-13T15:00Z")
    assert await stranded(api) == []


@pytest.mark.parametrize(("stretch", "batch"), [(0, 1), (3, 2), (5_000, 3), (5_000, 200)])
async def test_the_list_pages_by_start_in_both_directions(
    api: Api, monkeypatch: pytest.MonkeyPatch, stretch: int, batch: int
) -> None:
    """However many are looked at together, and however many of those are stranded."""
    monkeypatch.setattr("app.usecases.booking.list_stranded.STRETCH", stretch)
    monkeypatch.setattr("app.usecases.booking.list_stranded.BATCH", batch)
    ada, ben = [await a_provider(api) for _ in range(2)]
    hours = range(9, 17)
    for hour in hours:
        await booked(api, ada, f"{TUESDAY}T{hour:02}:00Z")
    expected = [await booked(api, ben, f"{TUESDAY}T{hour:02}:00Z") for hour in hours]
    await change(api, "setException", providerId=ben["id"], date=TUESDAY, isBlocked=True)
    assert await stranded(api) == expected

    async def page(**asked: object) -> tuple[list[str], Json, int]:
        found = (await api.ask(STRANDED, caller=api.admin, **asked))["found"]
        return [each["id"] for each in found["nodes"]], found["pageInfo"], found["totalCount"]

    shown, info, total = await page(first=3)
    assert (shown, info["hasNextPage"], total) == (expected[:3], True, 8)
    shown, info, _ = await page(first=5, after=info["endCursor"])
    assert (shown, info["hasNextPage"], info["hasPreviousPage"]) == (expected[3:], False, True)
    shown, info, _ = await page(last=3)
    assert (shown, info["hasPreviousPage"]) == (expected[5:], True)
    shown, info, _ = await page(last=9, before=info["startCursor"])
    assert (shown, info["hasPreviousPage"]) == (expected[:5], False)
    for named in ([ben["id"]], [ada["id"], ben["id"]]):
        assert await stranded(api, providerIds=named, last=3) == expected[5:]
        assert await stranded(api, providerIds=named, first=3) == expected[:3]
    assert await stranded(api, providerIds=[ada["id"]]) == []
    assert await stranded(api, providerIds=[unknown("Provider")]) == []
    assert await stranded(api, first=0) == []


async def test_a_provider_sees_their_own_and_nobody_but_staff_sees_any(api: Api) -> None:
    ada, ben = [await a_provider(api) for _ in range(2)]
    hers = await booked(api, ada, TEN)
    duo = await a_service(api, ada, ben, providersNeeded=2)
    both = await booked(api, ada, "2026-01-13T12:00Z", serviceId=duo["id"], providerId=None)
    await change(api, "setWeeklyHours", providerId=ada["id"], hours=[])
    assert await stranded(api) == [hers, both]
    assert await stranded(api, caller=api.acting_for(ada)) == [hers, both]
    assert await stranded(api, caller=api.acting_for(ben)) == [both]
    own = api.acting_for(ben)
    assert await stranded(api, caller=own, providerIds=[ada["id"], ben["id"]]) == [both]
    assert await stranded(api, caller=own, providerIds=[ada["id"]]) == []
    assert await stranded(api, caller=api.acting_for({"subject": "nobody"})) == []
    for caller in (api.anonymous, api.customer()):
        assert (await api.ask(STRANDED, caller=caller)) == {"found": None}
    other = await api.another_organization()
    assert await stranded(api, caller=other.admin) == []


# ---------------------------------------------------------------- the dry run


async def test_a_preview_shows_the_first_hundred_and_counts_all(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.usecases.practice.preview_change.BATCH", 3)
    monkeypatch.setattr("app.usecases.practice.preview_change.MOST_SHOWN", 2)
    ada, ben = [await a_provider(api) for _ in range(2)]
    cut = await a_service(api, ada, ben)
    wish = {"serviceId": cut["id"]}
    for hour in range(9, 16):
        await booked(api, ada, f"{TUESDAY}T{hour:02}:30Z", **wish)
    first = await booked(api, ben, f"{TUESDAY}T09:00Z", **wish)
    found = await preview(api, "updateService", id=cut["id"], providerIds=[])
    assert found["strandedCount"] == 8
    assert [each["startsAt"] for each in found["stranded"]] == [
        f"{TUESDAY}T09:00:00Z",
        f"{TUESDAY}T09:30:00Z",
    ]
    assert found["stranded"][0]["id"] == first


REFUSED = [
    ("setWeeklyHours", {"hours": weekly("09:00", "17:00")}, "InvalidInputError"),
    (
        "setWeeklyHours",
        {"providerId": unknown("Provider"), "hours": []},
        "NotFoundError",
    ),
    (
        "setException",
        {"resourceId": unknown("Resource"), "date": TUESDAY, "isBlocked": False},
        "InvalidInputError",
    ),
    (
        "removeException",
        {"resourceId": unknown("Resource"), "date": TUESDAY},
        "NotFoundError",
    ),
    (
        "addTimeOff",
        {"from": "2026-01-14T00:00", "until": "2026-01-14T00:00"},
        "InvalidInputError",
    ),
    (
        "addTimeOff",
        {
            "providerId": unknown("Provider"),
            "from": "2026-01-14T00:00",
            "until": "2026-01-15T00:00",
        },
        "NotFoundError",
    ),
    ("updateTimeOff", {"id": unknown("TimeOff"), "reason": "Ill"}, "NotFoundError"),
    ("removeTimeOff", {"id": unknown("TimeOff")}, "NotFoundError"),
    ("updateProvider", {"id": unknown("Provider"), "name": "Ada"}, "NotFoundError"),
    ("updateService", {"id": unknown("Service"), "name": "Cut"}, "NotFoundError"),
    ("updateResource", {"id": unknown("Resource"), "name": "Room"}, "NotFoundError"),
]


@pytest.mark.parametrize(("mutation", "values", "kind"), REFUSED)
async def test_a_dry_run_is_refused_as_the_change_is(
    api: Api, mutation: str, values: Json, kind: str
) -> None:
    real = await try_change(api, mutation, values)
    assert made(real, kind) == await try_change(api, mutation, {**values, "dryRun": True})


async def test_a_dry_run_is_refused_for_what_is_stored_as_the_change_is(api: Api) -> None:
    ada, ben = [await a_provider(api) for _ in range(2)]
    room = await a_resource(api, externalId="1")
    other = await a_resource(api)
    cut = await a_service(api, ada)
    for mutation, values in (
        ("updateProvider", {"id": ada["id"], "subject": ben["subject"]}),
        ("updateProvider", {"id": ada["id"], "timeZone": None}),
        ("updateResource", {"id": other["id"], "externalId": "1"}),
        ("updateResource", {"id": room["id"], "units": 0}),
        ("updateService", {"id": cut["id"], "providerIds": [unknown("Provider")]}),
        (
            "updateService",
            {"id": cut["id"], "needs": [{"name": "r", "count": 9, "resourceIds": [room["id"]]}]},
        ),
    ):
        real = await try_change(api, mutation, values)
        assert real["__typename"] in {"InvalidInputError", "NotFoundError"}, real
        assert real == await try_change(api, mutation, {**values, "dryRun": True})


async def test_a_dry_run_waits_for_no_lock_and_writes_nothing(api: Api) -> None:
    """While another transaction changes everything, with all its locks, the dry run answers, and
    sees nothing of it; and every table stays as it is.
    """
    ada = await a_provider(api)
    room = await a_resource(api)
    need = [{"name": "room", "resourceIds": [room["id"]]}]
    cut = await a_service(api, ada, needs=need)
    visit = await booked(api, ada, TEN, serviceId=cut["id"])
    asked: list[tuple[str, Json]] = [
        ("setWeeklyHours", {"providerId": ada["id"], "hours": []}),
        ("setException", {"providerId": ada["id"], "date": TUESDAY, "isBlocked": True}),
        (
            "addTimeOff",
            {"providerId": ada["id"], "from": f"{TUESDAY}T00:00", "until": f"{TUESDAY}T23:00"},
        ),
        ("updateProvider", {"id": ada["id"], "timeZone": "Asia/Tokyo", "subject": "new"}),
        ("updateResource", {"id": room["id"], "alwaysOpen": False, "externalId": "9"}),
        ("updateService", {"id": cut["id"], "providerIds": []}),
    ]
    expected = [await preview(api, mutation, **values) for mutation, values in asked]
    assert all(ids(each) == [visit] for each in expected)
    tables = [
        row["name"]
        for row in await api.rows(
            "SELECT relname AS name FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    ]
    marks = await contents(api, tables)
    async with transaction(api.resources.pool) as tx:
        organization_id = api.organization.id
        await lock_token_subjects(tx, organization_id)
        await lock_external_ids(tx, organization_id)
        await lock_service(tx, organization_id, ServiceId(key_in(cut["id"])))
        subjects: list[SubjectId] = [ProviderId(key_in(ada["id"])), ResourceId(key_in(room["id"]))]
        await lock_rules(tx, organization_id, subjects)
        for table in tables:
            await tx.execute(f'LOCK TABLE "{table}" IN EXCLUSIVE MODE', [])
        await tx.execute("UPDATE provider SET time_zone = 'Asia/Tokyo'", [])
        await tx.execute("DELETE FROM claim", [])
        answers = [await preview(api, mutation, **values) for mutation, values in asked]
        tx.roll_back()
    assert answers == expected
    assert await contents(api, tables) == marks


async def contents(api: Api, tables: Sequence[str]) -> dict[str, str]:
    """A digest of each table."""
    return {
        table: (
            await api.rows(
                f"SELECT md5(string_agg(row::text, ',' ORDER BY row::text)) AS digest"
                f' FROM "{table}" AS row'
            )
        )[0]["digest"]
        for table in tables
    }
