"""Free times: by dates, in any zone, the next ones, and the reasons against a time."""

from __future__ import annotations

import pytest

from tests.builders import (
    LISTING,
    NOW,
    TODAY,
    WEEKDAYS,
    Api,
    Json,
    a_provider,
    a_service,
    an_appointment,
    listed,
    made,
    reasons,
    unknown,
    utc,
    weekly,
)

NEXT_SLOT = """
    query ($id: ID!, $after: DateTime, $serviceId: ID, $timeZone: TimeZone) {
        provider(id: $id) {
            nextAvailableSlot(after: $after, serviceId: $serviceId, timeZone: $timeZone) {
                providerId provider { id } startsAt endsAt localStart localEnd
            }
        }
    }
"""

NEXT_SLOTS = """
    query ($providerIds: [ID!], $after: DateTime, $serviceId: ID, $first: Int, $timeZone: TimeZone) {
        nextAvailableSlots(
            providerIds: $providerIds, after: $after, serviceId: $serviceId, first: $first, timeZone: $timeZone
        ) { providerId startsAt localStart }
    }
"""

HOLD = """
    mutation ($input: HoldSlotInput!) { answer: holdSlot(input: $input) { ... on Hold { expiresAt } } }
"""

SET_EXCEPTION = """
    mutation ($input: SetExceptionInput!) { answer: setException(input: $input) { __typename } }
"""


async def availability(api: Api, provider: Json, first: str, last: str, **asked: object) -> Json:
    days = {"from": first, "to": last}
    data = await api.ask(LISTING, caller=None, id=provider["id"], **days, **asked)
    found: Json = data["provider"]["availability"]
    return found


async def an_exception(
    api: Api, provider: Json, date: str, *ranges: tuple[str, str], is_blocked: bool = True
) -> None:
    values = {
        "providerId": provider["id"],
        "date": date,
        "isBlocked": is_blocked,
        "ranges": [{"start": start, "end": end} for start, end in ranges],
    }
    made((await api.ask(SET_EXCEPTION, caller=api.admin, input=values))["answer"], "Provider")


# ---------------------------------------------------------------- by dates


async def test_every_date_asked_for_is_there_also_the_empty_ones(api: Api) -> None:
    """Days, slots and startTimes tell the same times; an empty list means that nothing is free."""
    ada = await a_provider(
        api, timeZone="Europe/Berlin", weeklyHours=weekly("09:00", "11:00", ["TUESDAY"])
    )
    found = made(await availability(api, ada, "2026-01-12", "2026-01-14"), "Availability")
    assert (found["timeZone"], found["durationMinutes"]) == ("Europe/Berlin", 60)
    assert [(day["date"], day["slotCount"]) for day in found["days"]] == [
        ("2026-01-12", 0),
        ("2026-01-13", 2),
        ("2026-01-14", 0),
    ]
    assert found["days"][0]["slots"] == found["days"][0]["startTimes"] == []
    assert found["days"][1]["startTimes"] == utc("2026-01-13", "08:00", "09:00")
    assert found["days"][1]["slots"][0] == {
        "startsAt": "2026-01-13T08:00:00Z",
        "endsAt": "2026-01-13T09:00:00Z",
        "localStart": "2026-01-13T09:00:00+01:00",
    }
    assert [slot["startsAt"] for slot in found["slots"]] == utc("2026-01-13", "08:00", "09:00")


async def test_the_dates_are_those_of_the_zone_asked_for_and_the_instants_are_the_same(
    api: Api,
) -> None:
    """A slot is on the date that its start reads in the viewer's zone, whichever date the
    provider reads.
    """
    ada = await a_provider(
        api,
        timeZone="Asia/Tokyo",
        serviceDurationMinutes=240,
        weeklyHours=weekly("00:00", "24:00", ["WEDNESDAY"]),
    )
    own = await listed(api, ada, "2026-01-14")
    assert own == utc("2026-01-13", "15:00", "19:00", "23:00") + utc(
        "2026-01-14", "03:00", "07:00", "11:00"
    )
    there = made(
        await availability(api, ada, "2026-01-12", "2026-01-15", timeZone="America/Los_Angeles"),
        "Availability",
    )
    assert there["timeZone"] == "America/Los_Angeles"
    assert [(day["date"], day["startTimes"]) for day in there["days"]] == [
        ("2026-01-12", []),
        ("2026-01-13", own[:5]),
        ("2026-01-14", own[5:]),
        ("2026-01-15", []),
    ]
    assert there["days"][1]["slots"][0]["localStart"] == "2026-01-13T07:00:00-08:00"


async def test_a_slot_shows_start_and_end_each_with_the_offset_of_its_instant(api: Api) -> None:
    """A visit over the change of clocks ends by the new time."""
    berlin = await a_provider(
        api,
        timeZone="Europe/Berlin",
        serviceDurationMinutes=180,
        maxAdvanceBookingDays=365,
        weeklyHours=weekly("01:00", "05:00", ["SUNDAY"]),
    )
    ask = """query ($id: ID!) { provider(id: $id) {
        availability(from: "2026-03-29", to: "2026-03-29", timeZone: "Europe/Berlin") {
            ... on Availability { slots { localStart localEnd } }
        }
    } }"""
    found = await api.ask(ask, caller=None, id=berlin["id"])
    assert found["provider"]["availability"]["slots"] == [
        {"localStart": "2026-03-29T01:00:00+01:00", "localEnd": "2026-03-29T05:00:00+02:00"}
    ]


@pytest.mark.parametrize(
    "zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
async def test_query_edges_never_matter(api: Api, zone: str) -> None:
    """slots(a, c) = slots(a, b) and slots(b, c) together, in every zone."""
    ada = await a_provider(
        api, timeZone="America/New_York", bufferMinutes=7, weeklyHours=weekly("22:00", "03:00")
    )
    await an_appointment(api, ada, (await listed(api, ada, "2026-03-07"))[1])
    whole = await listed(api, ada, "2026-03-05", "2026-03-10", timeZone=zone)
    assert whole == sorted(set(whole))
    for cut in ("2026-03-06", "2026-03-07", "2026-03-08", "2026-03-09"):
        before = await listed(api, ada, "2026-03-05", cut, timeZone=zone)
        following = f"2026-03-{int(cut[-2:]) + 1:02}"
        after = await listed(api, ada, following, "2026-03-10", timeZone=zone)
        assert before + after == whole


async def test_sixty_two_dates_can_be_asked_for_and_no_more(api: Api) -> None:
    ada = await a_provider(api, maxAdvanceBookingDays=365)
    found = made(await availability(api, ada, "2026-02-01", "2026-04-03"), "Availability")
    assert len(found["days"]) == 62
    assert all(day["slotCount"] == 8 for day in found["days"])
    for first, last in (
        ("2026-02-01", "2026-04-04"),
        ("2026-02-02", "2026-02-01"),
        ("0001-01-01", "0001-01-02"),
        ("9999-12-30", "9999-12-31"),
        ("1969-12-31", "1970-01-01"),
    ):
        refused = made(await availability(api, ada, first, last), "InvalidDateRangeError")
        assert refused["code"] == "INVALID_DATE_RANGE"
        assert refused["message"]


async def test_an_unknown_zone_is_refused_by_name_and_never_replaced(api: Api) -> None:
    ada = await a_provider(api)
    for zone in ("Mars/Olympus", "europe/berlin", "", "UTC+1", "../etc/passwd", "Europe/Berlin\0"):
        refused = made(
            await availability(api, ada, "2026-01-12", "2026-01-12", timeZone=zone),
            "InvalidInputError",
        )
        assert refused["field"] == "timeZone"
    assert (
        "Mars/Olympus"
        in (await availability(api, ada, "2026-01-12", "2026-01-12", timeZone="Mars/Olympus"))[
            "message"
        ]
    )
    assert (await api.send(NEXT_SLOT, id=ada["id"], timeZone="Mars/Olympus")).codes == [
        "BAD_USER_INPUT"
    ]
    assert (await api.send(NEXT_SLOTS, timeZone="Mars/Olympus", first=1)).codes == [
        "BAD_USER_INPUT"
    ]


async def test_a_service_refines_the_rules_and_one_that_is_not_offered_is_not_found(
    api: Api,
) -> None:
    ada, ben = (
        await a_provider(api, bufferMinutes=30, weeklyHours=weekly("09:00", "12:00")),
        await a_provider(api),
    )
    quick = await a_service(
        api, ada, durationMinutes=20, bufferBeforeMinutes=10, bufferAfterMinutes=0
    )
    found = made(
        await availability(api, ada, "2026-01-13", "2026-01-13", serviceId=quick["id"]),
        "Availability",
    )
    assert found["durationMinutes"] == 20
    assert [slot["startsAt"] for slot in found["slots"]] == utc(
        "2026-01-13", "09:00", "09:30", "10:00", "10:30", "11:00", "11:30"
    )
    plain = made(await availability(api, ada, "2026-01-13", "2026-01-13"), "Availability")
    assert [slot["startsAt"] for slot in plain["slots"]] == utc("2026-01-13", "09:00", "10:30")
    for service_id in (unknown("Service"), "nonsense", ada["id"]):
        refused = await availability(api, ada, "2026-01-13", "2026-01-13", serviceId=service_id)
        assert made(refused, "NotFoundError")["code"] == "NOT_FOUND"
    made(
        await availability(api, ben, "2026-01-13", "2026-01-13", serviceId=quick["id"]),
        "NotFoundError",
    )


async def test_availability_names_its_provider_and_service(api: Api) -> None:
    ada = await a_provider(api, name="Ada")
    quick = await a_service(api, ada, name="Quick")
    document = """
        query ($id: ID!, $serviceId: ID) {
            provider(id: $id) {
                availability(from: "2026-01-13", to: "2026-01-13", serviceId: $serviceId) {
                    ... on Availability { provider { name } service { name } slots { provider { name } providerId } }
                }
            }
        }
    """
    found = (await api.ask(document, id=ada["id"], serviceId=quick["id"]))["provider"][
        "availability"
    ]
    assert (found["provider"], found["service"]) == ({"name": "Ada"}, {"name": "Quick"})
    assert found["slots"][0] == {"provider": {"name": "Ada"}, "providerId": ada["id"]}
    assert (await api.ask(document, id=ada["id"]))["provider"]["availability"]["service"] is None


async def test_notice_and_horizon_move_with_the_clock(api: Api) -> None:
    """Both are applied at the instant of reading, elapsed time and provider-local dates
    respectively.
    """
    ada = await a_provider(
        api,
        # 13 hours ahead: it is already tomorrow there in the afternoon of UTC
        timeZone="Pacific/Auckland",
        minNoticeMinutes=90,
        maxAdvanceBookingDays=1,
        weeklyHours=weekly("00:00", "24:00"),
        serviceDurationMinutes=60,
    )
    api.clock.set("2026-01-12T10:30Z")
    assert (await listed(api, ada, "2026-01-12", "2026-01-20"))[:2] == utc(
        "2026-01-12", "12:00", "13:00"
    )
    assert (await listed(api, ada, "2026-01-12", "2026-01-20"))[-1] == "2026-01-13T10:00:00Z"
    api.clock.set("2026-01-12T10:30:00.000001Z")
    assert (await listed(api, ada, "2026-01-12", "2026-01-20"))[0] == "2026-01-12T13:00:00Z"
    api.clock.set("2026-01-12T11:00Z")  # midnight there
    assert (await listed(api, ada, "2026-01-12", "2026-01-20"))[-1] == "2026-01-14T10:00:00Z"


# ---------------------------------------------------------------- the next ones


async def test_the_next_slot_is_the_first_listed_one_at_or_after_the_instant(api: Api) -> None:
    ada = await a_provider(
        api, timeZone="America/New_York", weeklyHours=weekly("09:00", "11:00", ["TUESDAY"])
    )
    quick = await a_service(api, ada, durationMinutes=30)

    async def start(**asked: object) -> Json | None:
        slot: Json | None = (await api.ask(NEXT_SLOT, caller=None, id=ada["id"], **asked))[
            "provider"
        ]["nextAvailableSlot"]
        return slot

    assert await start() == {
        "providerId": ada["id"],
        "provider": {"id": ada["id"]},
        "startsAt": "2026-01-13T14:00:00Z",
        "endsAt": "2026-01-13T15:00:00Z",
        "localStart": "2026-01-13T09:00:00-05:00",
        "localEnd": "2026-01-13T10:00:00-05:00",
    }
    in_paris = await start(after="2026-01-13T14:00:01Z", timeZone="Europe/Paris")
    assert in_paris is not None
    assert in_paris["localStart"] == "2026-01-13T16:00:00+01:00"
    short = await start(after="2026-01-13T14:30:00Z", serviceId=quick["id"])
    assert short is not None
    assert (short["startsAt"], short["endsAt"]) == ("2026-01-13T14:30:00Z", "2026-01-13T15:00:00Z")
    past = await start(after="0001-01-01T00:00:00Z")
    assert past is not None
    assert past["startsAt"] == "2026-01-13T14:00:00Z"
    for never in ("2026-03-20T00:00:00Z", "2999-12-31T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert await start(after=never) is None
    assert await start(serviceId=unknown("Service")) is None


async def test_the_next_slot_is_found_however_far_ahead_it_is(api: Api) -> None:
    """Up to the horizon, and not a day later."""
    hours = [
        {"weekday": day, "start": "09:00", "end": "10:00", "effectiveFrom": "2028-12-01"}
        for day in WEEKDAYS
    ]
    far = await a_provider(api, maxAdvanceBookingDays=1_100, weeklyHours=hours)
    near = await a_provider(api, maxAdvanceBookingDays=1_000, weeklyHours=hours)
    found = [
        (await api.ask(NEXT_SLOT, id=each["id"]))["provider"]["nextAvailableSlot"]
        for each in (far, near)
    ]
    assert found[0]["startsAt"] == "2028-12-01T09:00:00Z"
    assert found[1] is None


async def test_the_earliest_slots_over_many_providers_come_in_order_of_start(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"))
    ben = await a_provider(api, serviceDurationMinutes=90, weeklyHours=weekly("09:30", "12:30"))
    idle = await a_provider(api, weeklyHours=[])
    await an_appointment(api, ada, "2026-01-12T10:00Z")

    async def found(**asked: object) -> list[tuple[str, str]]:
        slots = (await api.ask(NEXT_SLOTS, caller=None, **asked))["nextAvailableSlots"]
        return [
            ("ada" if slot["providerId"] == ada["id"] else "ben", slot["startsAt"][5:16])
            for slot in slots
        ]

    everybody = [
        ("ada", "01-12T09:00"),
        ("ben", "01-12T09:30"),
        ("ada", "01-12T11:00"),
        ("ben", "01-12T11:00"),
    ]
    by_provider = sorted(
        everybody[2:],
        key=lambda slot: [ada["id"], ben["id"]].index({"ada": ada, "ben": ben}[slot[0]]["id"]),
    )
    assert await found(first=4) == everybody[:2] + by_provider
    assert len(await found()) == 10
    assert await found(
        first=2, providerIds=[ben["id"], idle["id"], unknown("Provider"), ben["id"]]
    ) == [
        ("ben", "01-12T09:30"),
        ("ben", "01-12T11:00"),
    ]
    assert await found(providerIds=[]) == []
    assert await found(providerIds=[idle["id"]]) == []
    assert await found(first=1, after="2026-01-12T11:00:01Z") == [("ada", "01-13T09:00")]
    quick = await a_service(api, ben, durationMinutes=15)
    assert await found(first=1, serviceId=quick["id"]) == [("ben", "01-12T09:30")]
    for first in (0, 101, -1, None):
        assert (await api.send(NEXT_SLOTS, first=first)).codes == ["BAD_USER_INPUT"]


async def test_the_earliest_slots_that_were_given_before_follow_every_change_and_the_clock(
    api: Api,
) -> None:
    """They are given again only while nothing has changed: asked thrice, they come from memory."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "11:00"))
    ben = await a_provider(api, weeklyHours=weekly("09:00", "10:00"), minNoticeMinutes=60)

    async def found() -> list[tuple[str, str]]:
        slots = [
            (await api.ask(NEXT_SLOTS, first=3, providerIds=[ada["id"], ben["id"]]))[
                "nextAvailableSlots"
            ]
            for _ in range(3)
        ]
        assert slots == [slots[0]] * 3
        return sorted(
            ("ada" if slot["providerId"] == ada["id"] else "ben", slot["startsAt"][5:16])
            for slot in slots[0]
        )

    first = ("ada", "01-12T09:00")
    assert await found() == [first, ("ada", "01-12T10:00"), ("ben", "01-12T09:00")]
    wish = {
        "providerId": ada["id"],
        "startsAt": "2026-01-12T09:00:00Z",
        "idempotencyKey": "hold",
    }
    hold = (await api.ask(HOLD, input=wish))["answer"]
    assert first not in await found()
    api.clock.set(hold["expiresAt"])
    assert first in await found(), "at the very instant"
    api.clock.set("2026-01-12T08:30Z")
    assert ("ben", "01-12T09:00") not in await found(), "the notice has begun"
    await an_appointment(api, ada, "2026-01-12T09:00Z")
    assert first not in await found()
    await an_exception(api, ada, "2026-01-12")
    assert await found() == [("ada", "01-13T09:00"), ("ada", "01-13T10:00"), ("ben", "01-13T09:00")]


async def test_the_earliest_slots_cross_from_one_stretch_of_dates_into_the_next(api: Api) -> None:
    """Asked for more than a week holds, they are still exactly what is listed, without a gap or a
    double.
    """
    ada = await a_provider(api, timeZone="Pacific/Auckland", weeklyHours=weekly("09:00", "11:00"))
    ben = await a_provider(api, timeZone="Pacific/Pago_Pago", weeklyHours=weekly("20:00", "01:00"))
    both = sorted(
        [
            start
            for each in (ada, ben)
            for start in await listed(api, each, TODAY, "2026-02-20", timeZone="UTC")
        ]
    )
    slots = (await api.ask(NEXT_SLOTS, first=100))["nextAvailableSlots"]
    assert [slot["startsAt"] for slot in slots] == both[:100]


# ---------------------------------------------------------------- why not


async def test_every_reason_that_applies_is_given(api: Api) -> None:
    """The reasons of the law, by example; none for a time that is listed."""
    ada = await a_provider(
        api,
        bufferMinutes=15,
        slotIntervalMinutes=30,
        minNoticeMinutes=60,
        maxAdvanceBookingDays=10,
        weeklyHours=weekly("09:00", "17:00"),
        breaks=weekly("12:00", "13:00"),
    )
    await an_exception(api, ada, "2026-01-14")
    await an_exception(api, ada, "2026-01-15", ("15:00", "17:00"))
    await an_exception(api, ada, "2026-01-16", ("10:00", "12:00"), is_blocked=False)
    await an_appointment(api, ada, "2026-01-13T10:00Z")
    for start, expected in (
        ("2026-01-13T14:00Z", []),
        ("2026-01-12T07:00Z", ["IN_THE_PAST", "TOO_SHORT_NOTICE", "OUTSIDE_HOURS"]),
        ("2026-01-12T08:30Z", ["TOO_SHORT_NOTICE", "OUTSIDE_HOURS"]),
        ("2026-01-12T09:00Z", []),
        ("2026-01-22T09:00Z", []),
        ("2026-01-23T09:00Z", ["BEYOND_HORIZON"]),
        ("2026-01-13T20:00Z", ["OUTSIDE_HOURS"]),
        ("2026-01-13T12:30Z", ["BREAK"]),
        ("2026-01-14T09:00Z", ["EXCEPTION"]),
        ("2026-01-14T20:00Z", ["OUTSIDE_HOURS"]),
        ("2026-01-15T15:30Z", ["EXCEPTION"]),
        ("2026-01-16T09:00Z", ["EXCEPTION"]),
        ("2026-01-16T10:00Z", []),
        ("2026-01-13T14:10Z", ["NOT_ON_GRID"]),
        ("2026-01-13T14:00:30Z", ["NOT_ON_GRID"]),
        ("2026-01-13T16:30Z", ["DOES_NOT_FIT"]),
        ("2026-01-13T16:40Z", ["NOT_ON_GRID", "DOES_NOT_FIT"]),
        ("2026-01-13T10:00Z", ["ALREADY_TAKEN"]),
        ("2026-01-13T10:30Z", ["ALREADY_TAKEN"]),
        ("2026-01-13T09:00Z", ["BUFFER"]),
        ("2026-01-13T11:00Z", ["BUFFER"]),
        ("2026-01-13T11:10Z", ["NOT_ON_GRID", "DOES_NOT_FIT", "BUFFER"]),
        ("2999-12-31T12:00Z", ["BEYOND_HORIZON"]),
        ("9999-12-31T23:59Z", ["BEYOND_HORIZON"]),
        ("0001-01-01T00:00Z", ["IN_THE_PAST"]),
    ):
        said = await reasons(api, ada, start)
        if start.startswith("2026"):
            assert said == expected, start
            is_listed = start.count(":") == 1 and f"{start[:16]}:00Z" in await listed(
                api, ada, start[:10]
            )
            assert is_listed == (not expected), start
        else:
            assert expected[0] in said  # so far away, what the clock says is enough


async def test_an_unknown_provider_or_service_has_nothing_to_explain(api: Api) -> None:
    ada = await a_provider(api)
    document = """
        query ($id: ID!, $serviceId: ID, $at: DateTime!) {
            explainTime(providerId: $id, startsAt: $at, serviceId: $serviceId) { bookable }
        }
    """
    for at in (NOW.isoformat(), "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"):
        for provider_id, service_id in (
            (unknown("Provider"), None),
            (ada["id"], unknown("Service")),
        ):
            said = await api.ask(document, id=provider_id, serviceId=service_id, at=at)
            assert said["explainTime"] is None, at
