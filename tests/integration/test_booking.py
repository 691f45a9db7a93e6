"""Booking: what is listed can be booked, what is not is refused with its reasons, and a request is
never done twice.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from app.core.appointment import Contact, Customer
from app.core.ids import CustomerId
from app.store.customers import insert_customer
from app.store.ids import new_id
from app.store.pool import transaction
from tests.builders import (
    BOOK,
    CREATE_PROVIDER,
    CREATE_SERVICE,
    WEEKDAYS,
    Api,
    Json,
    a_booking,
    a_provider,
    a_service,
    an_appointment,
    blocked,
    book,
    instant,
    key_in,
    listed,
    made,
    reasons,
    subset,
    unknown,
    utc,
    weekly,
)

SET_EXCEPTION = (
    "mutation ($input: SetExceptionInput!) { answer: setException(input: $input) { __typename } }"
)


async def an_exception(
    api: Api, provider: Json, day: str, *ranges: tuple[str, str], is_blocked: bool = True
) -> None:
    values = {
        "providerId": provider["id"],
        "date": day,
        "isBlocked": is_blocked,
        "ranges": [{"start": start, "end": end} for start, end in ranges],
    }
    made((await api.ask(SET_EXCEPTION, caller=api.admin, input=values))["answer"], "Provider")


async def count_of(api: Api, table: str) -> int:
    """How many rows of this organization the table holds."""
    rows = await api.rows(
        f"SELECT count(*) AS n FROM {table} WHERE organization_id = $1", api.organization.id
    )
    count: int = rows[0]["n"]
    return count


# ---------------------------------------------------------------- listed ⇔ bookable

ZONES = (
    "America/New_York",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "UTC",
)
CLOCK_CHANGES = (
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 5),
    date(2026, 10, 4),
    date(2026, 11, 1),
)


MOMENTS = (timedelta(0), timedelta(microseconds=1), timedelta(hours=13, minutes=20))


def reading(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def hours(draw: st.DrawFn, *, most: int) -> list[Json]:
    """Ranges on random days, overnight ones and overlapping ones among them, on quarters of an
    hour.
    """
    return [
        {
            "weekday": draw(st.sampled_from(WEEKDAYS)),
            "start": reading(15 * draw(st.integers(0, 95))),
            "end": reading(15 * draw(st.integers(1, 96))),
        }
        for _ in range(draw(st.integers(0, most)))
    ]


@st.composite
def worlds(draw: st.DrawFn) -> Json:
    """A provider and perhaps a service, by any rules, around a date that is likely to be odd."""
    quarters = st.integers(1, 12).map(lambda count: 15 * count)
    gap = st.sampled_from([0, 0, 5, 15, 40])
    optional: Any = st.none()
    return {
        "provider": {
            "name": "Random",
            "timeZone": draw(st.sampled_from(ZONES)),
            "serviceDurationMinutes": draw(quarters),
            "bufferMinutes": draw(gap),
            "slotIntervalMinutes": draw(optional | st.sampled_from([10, 15, 25, 60])),
            "minNoticeMinutes": draw(st.sampled_from([0, 0, 30, 1_000])),
            "maxAdvanceBookingDays": draw(st.integers(1, 6)),
            "weeklyHours": draw(hours(most=10)),
            "breaks": draw(hours(most=3)),
        },
        "service": draw(
            optional
            | st.fixed_dictionaries(
                {
                    "durationMinutes": quarters,
                    "bufferBeforeMinutes": gap,
                    "bufferAfterMinutes": optional | gap,
                    "slotIntervalMinutes": optional | st.just(20),
                    "minNoticeMinutes": optional | st.just(45),
                    "maxAdvanceBookingDays": optional | st.integers(1, 3),
                }
            )
        ),
        "now": datetime.combine(draw(st.sampled_from(CLOCK_CHANGES)), time(), UTC)
        + draw(st.sampled_from(MOMENTS)),
        "exception": draw(
            optional | st.tuples(st.integers(0, 2), st.sampled_from(["closed", "block", "custom"]))
        ),
        "wishes": draw(
            st.lists(
                st.tuples(st.integers(0, 10_000), st.sampled_from([0, 0, 0, 1, 7, -15, 30, 600])),
                min_size=3,
                max_size=6,
            )
        ),
    }


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds())
async def test_an_instant_is_listed_if_and_only_if_booking_it_succeeds(
    api: Api, world: Json
) -> None:
    """Over random rules, hours, exceptions and bookings made on the way: listing, explaining and
    booking agree, and what a refusal offers instead is listed. Whatever was booked stays, and no
    two visits overlap.
    """
    api.clock.set(world["now"])
    today = api.clock.now.date()
    provider = made(
        (await api.ask(CREATE_PROVIDER, caller=api.admin, input=world["provider"]))["answer"],
        "Provider",
    )
    asked: Json = {}
    if world["service"] is not None:
        values = world["service"] | {"name": "Random", "providerIds": [provider["id"]]}
        service = made(
            (await api.ask(CREATE_SERVICE, caller=api.admin, input=values))["answer"], "Service"
        )
        asked["serviceId"] = service["id"]
    if world["exception"] is not None:
        days, kind = world["exception"]
        ranges = [] if kind == "closed" else [("08:00", "13:30")]
        await an_exception(
            api, provider, str(today + timedelta(days=days)), *ranges, is_blocked=kind != "custom"
        )

    first, last = str(today - timedelta(days=2)), str(today + timedelta(days=9))
    booked: list[tuple[str, str]] = []
    for number, shift in world["wishes"]:
        times = await listed(api, provider, first, last, timeZone="UTC", **asked)
        # Near a time that is listed, or near one that was booked a moment ago.
        near = [start for start, _ in booked] if booked and number % 2 else times
        base = instant(near[number % len(near)]) if near else api.clock.now.replace(microsecond=0)
        wish = base + timedelta(minutes=shift)
        is_listed = wish.isoformat().replace("+00:00", "Z") in times
        why_not = await reasons(api, provider, wish, **asked)
        assert is_listed == (not why_not), wish
        answer = await book(api, provider, wish, **asked)
        event("booked" if is_listed else "refused: " + " ".join(why_not))
        if is_listed:
            visit = made(answer, "BookingConfirmation")["appointment"]
            booked.append((visit["startsAt"], visit["endsAt"]))
        else:
            assert made(answer, "SlotUnavailableError")["reasons"] == why_not
            offered = [slot["startsAt"] for slot in answer["alternatives"]]
            assert set(offered) <= set(times)
            by_distance = sorted(times, key=lambda start: (abs(instant(start) - wish), start))
            if wish >= api.clock.now:
                assert offered == sorted(by_distance[:5])
    stored = await api.rows(
        (
            "SELECT starts_at, ends_at FROM appointment WHERE organization_id = $1 AND provider_id = "
            "$2"
        ),
        api.organization.id,
        key_in(provider["id"]),
    )
    assert sorted((row["starts_at"], row["ends_at"]) for row in stored) == sorted(
        (instant(start), instant(end)) for start, end in booked
    )
    for (_, end), (start, _) in zip(sorted(booked), sorted(booked)[1:], strict=False):
        assert end <= start


async def test_every_listed_time_of_a_day_can_be_booked_one_after_the_other(api: Api) -> None:
    """Until the day is full: then nothing is listed, and every refusal offers times of
    other days.
    """
    ada = await a_provider(
        api, timeZone="America/St_Johns", bufferMinutes=10, weeklyHours=weekly("09:00", "13:00")
    )
    for start in await listed(api, ada, "2026-01-13"):
        await an_appointment(api, ada, start)
    assert await listed(api, ada, "2026-01-13") == []
    refused = made(await book(api, ada, "2026-01-13T12:30Z"), "SlotUnavailableError")
    assert refused["reasons"] == ["ALREADY_TAKEN"]
    around = await listed(api, ada, "2026-01-12", "2026-01-14")
    assert {slot["startsAt"] for slot in refused["alternatives"]} < set(around)
    assert refused["code"] == "SLOT_UNAVAILABLE"
    assert "already taken" in refused["message"]


async def test_alternatives_are_the_nearest_listed_times_in_the_customers_zone(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "13:00"))
    for start in utc("2026-01-13", "10:00", "11:00"):
        await an_appointment(api, ada, start)
    refused = made(
        await book(api, ada, "2026-01-13T10:00Z", customerTimeZone="Asia/Tokyo"),
        "SlotUnavailableError",
    )
    assert [slot["startsAt"] for slot in refused["alternatives"]] == [
        *utc("2026-01-12", "11:00", "12:00"),
        *utc("2026-01-13", "09:00", "12:00"),
        *utc("2026-01-14", "09:00"),
    ]
    assert refused["alternatives"][2] == {
        "providerId": ada["id"],
        "startsAt": "2026-01-13T09:00:00Z",
        "endsAt": "2026-01-13T10:00:00Z",
        "localStart": "2026-01-13T18:00:00+09:00",
    }


async def test_a_time_out_of_every_calendar_is_refused_like_any_other(api: Api) -> None:
    """In the years that no calendar supports, in both directions; and who does not exist is not
    found there either.
    """
    ada = await a_provider(api)
    for start, reason in (
        ("9999-12-31T23:59:59Z", "BEYOND_HORIZON"),
        ("3000-01-01T00:00:00Z", "BEYOND_HORIZON"),
        ("2999-12-31T23:00:00Z", "BEYOND_HORIZON"),
        ("1970-01-01T00:00:00Z", "IN_THE_PAST"),
        ("0001-01-01T00:00:00Z", "IN_THE_PAST"),
    ):
        refused = made(await book(api, ada, start), "SlotUnavailableError")
        assert reason in refused["reasons"], start
        assert set(refused["reasons"]) == set(await reasons(api, ada, start)), start
        made(await book(api, {"id": unknown("Provider")}, start), "NotFoundError")


async def test_a_time_between_two_minutes_is_on_no_grid(api: Api) -> None:
    ada = await a_provider(api)
    refused = made(await book(api, ada, "2026-01-13T10:00:00.5Z"), "SlotUnavailableError")
    assert refused["reasons"] == ["NOT_ON_GRID"]
    assert refused["alternatives"][0]["startsAt"] == "2026-01-13T09:00:00Z"
    made(await book(api, ada, "2026-01-13T10:00:00.000000Z"), "BookingConfirmation")


# ---------------------------------------------------------------- the worked examples, from end to end

HOUR = timedelta(hours=1)
EXAMPLES: list[tuple[str, Json, Json, list[str]]] = [
    (
        "a gap in New York",
        {"timeZone": "America/New_York", "weeklyHours": weekly("13:00", "18:00")},
        {"first": "2026-03-08"},
        utc("2026-03-08", "17:00", "18:00", "19:00", "20:00", "21:00"),
    ),
    (
        "hours over the gap",
        {"timeZone": "America/New_York", "weeklyHours": weekly("01:00", "04:00")},
        {"first": "2026-03-08"},
        utc("2026-03-08", "06:00", "07:00"),
    ),
    (
        "a fold in Chicago",
        {
            "timeZone": "America/Chicago",
            "weeklyHours": weekly("00:00", "06:00"),
            "maxAdvanceBookingDays": 365,
        },
        {"first": "2026-11-01"},
        utc("2026-11-01", "05:00", "06:00", "07:00", "08:00", "09:00", "10:00", "11:00"),
    ),
    (
        "half an hour off in Kolkata",
        {"timeZone": "Asia/Kolkata", "weeklyHours": weekly("07:30", "12:00")},
        {"first": "2026-01-14"},
        utc("2026-01-14", "02:00", "03:00", "04:00", "05:00"),
    ),
    (
        "a Friday night",
        {
            "timeZone": "America/New_York",
            "weeklyHours": weekly("22:30", "02:00", ["FRIDAY"]),
            "slotIntervalMinutes": 30,
        },
        {"first": "2026-01-16", "last": "2026-01-17"},
        utc("2026-01-17", "03:30", "04:00", "04:30", "05:00", "05:30", "06:00"),
    ),
]


@pytest.mark.parametrize(
    ("rules", "asked", "expected"),
    [each[1:] for each in EXAMPLES],
    ids=[each[0] for each in EXAMPLES],
)
async def test_the_worked_examples_hold_from_end_to_end(
    api: Api, rules: Json, asked: Json, expected: list[str]
) -> None:
    reach: Json = {"maxAdvanceBookingDays": 90}
    ada = await a_provider(api, **(reach | rules))
    assert await listed(api, ada, **asked) == expected
    for start in (expected[-1], expected[0]):
        visit = (await an_appointment(api, ada, start))["appointment"]
        expected = [each for each in expected if not visit["startsAt"] <= each < visit["endsAt"]]
        expected = [
            each for each in expected if instant(each) <= instant(start) - HOUR or each > start
        ]
        assert await listed(api, ada, **asked) == expected


async def test_a_fold_shows_the_same_reading_twice_with_both_offsets(api: Api) -> None:
    ada = await a_provider(
        api,
        timeZone="America/Chicago",
        weeklyHours=weekly("00:00", "06:00"),
        maxAdvanceBookingDays=365,
    )
    first = (
        await an_appointment(api, ada, "2026-11-01T06:00Z", customerTimeZone="America/Chicago")
    )["appointment"]
    second = (
        await an_appointment(api, ada, "2026-11-01T07:00Z", customerTimeZone="America/Chicago")
    )["appointment"]
    assert first["localStart"] == "2026-11-01T01:00:00-05:00"
    assert second["localStart"] == "2026-11-01T01:00:00-06:00"


async def test_a_closed_saturday_closes_the_night_before_it(api: Api) -> None:
    ada = await a_provider(
        api,
        timeZone="America/New_York",
        slotIntervalMinutes=30,
        weeklyHours=weekly("22:30", "02:00", ["FRIDAY"]),
    )
    await an_exception(api, ada, "2026-01-17")
    assert await listed(api, ada, "2026-01-16", "2026-01-17") == utc("2026-01-17", "03:30", "04:00")
    await an_exception(api, ada, "2026-01-23")
    assert await listed(api, ada, "2026-01-23", "2026-01-25") == []


async def test_neighbours_are_apart_by_the_ones_after_and_the_others_before(api: Api) -> None:
    """A (60 min, 30 before) is booked at 12:00; B (30 min, no buffers): 11:00 yes, 11:15 no, 13:00
    yes.
    """
    ada = await a_provider(api, slotIntervalMinutes=15)
    long = await a_service(api, ada, durationMinutes=60, bufferBeforeMinutes=30)
    short = await a_service(api, ada, durationMinutes=30)
    await an_appointment(api, ada, "2026-01-13T12:00Z", serviceId=long["id"])
    free = await listed(api, ada, "2026-01-13", serviceId=short["id"])
    assert [start for start in free if "T10:50" < start[10:] < "T13:10"] == utc(
        "2026-01-13", "11:00", "13:00"
    )
    refused = made(
        await book(api, ada, "2026-01-13T11:15Z", serviceId=short["id"]), "SlotUnavailableError"
    )
    assert refused["reasons"] == ["BUFFER"]
    for start in utc("2026-01-13", "13:00", "11:00"):
        await an_appointment(api, ada, start, serviceId=short["id"])


async def test_notice_is_elapsed_time_across_a_clock_change(api: Api) -> None:
    """Berlin, 24 h of notice, start 2026-03-29T08:00Z: bookable until 2026-03-28T08:00Z, an hour
    "late" by the wall.
    """
    ada = await a_provider(
        api,
        timeZone="Europe/Berlin",
        minNoticeMinutes=24 * 60,
        weeklyHours=weekly("10:00", "12:00"),
    )
    api.clock.set("2026-03-28T08:00:00.000001Z")
    refused = made(await book(api, ada, "2026-03-29T08:00Z"), "SlotUnavailableError")
    assert refused["reasons"] == ["TOO_SHORT_NOTICE"]
    api.clock.set("2026-03-28T08:00:00Z")
    await an_appointment(api, ada, "2026-03-29T08:00Z")


# ---------------------------------------------------------------- what is asked for, and what is kept


async def test_a_booking_that_cannot_be_is_refused_with_its_field(api: Api) -> None:
    ada = await a_provider(api)
    contact = {"name": "Noor", "email": "noor@example.com"}
    for wrong, field in (
        ({"customer": None}, "customer"),
        ({"customer": contact | {"name": " "}}, "customer.name"),
        ({"customer": contact | {"name": "x" * 201}}, "customer.name"),
        ({"customer": contact | {"name": "No\nor"}}, "customer.name"),
        ({"customer": contact | {"email": "noor"}}, "customer.email"),
        (
            {"customer": contact | {"email": "noor@example.com\r\nBcc: all@example.com"}},
            "customer.email",
        ),
        ({"customer": {"name": "Noor"}}, "customer.email"),
        ({"customer": contact | {"phone": "911"}}, "customer.phone"),
        ({"customer": contact | {"locale": "xx-nowhere"}}, "customer.locale"),
        ({"customerTimeZone": "Mars/Olympus"}, "customerTimeZone"),
        ({"notes": "x" * 2_001}, "notes"),
        ({"notes": "a\0b"}, "notes"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
        ({"idempotencyKey": "x" * 256}, "idempotencyKey"),
        ({"idempotencyKey": "a\0b"}, "idempotencyKey"),
        ({"durationMinutes": 30}, "durationMinutes"),
    ):
        refused = made(await book(api, ada, "2026-01-13T10:00Z", **wrong), "InvalidInputError")
        assert refused["field"] == field
    assert await count_of(api, "appointment") == await count_of(api, "customer") == 0
    made(
        await book(
            api,
            ada,
            "2026-01-13T10:00Z",
            notes="x" * 2_000,
            idempotencyKey="ключ" * 63,
            durationMinutes=60,
        ),
        "BookingConfirmation",
    )


async def test_an_instant_without_an_offset_is_refused(api: Api) -> None:
    ada = await a_provider(api)
    for wrong in (
        "2026-01-13T10:00:00",
        "2026-01-13",
        "2026-W03-1T10:00:00Z",
        "2026-01-13 10:00:00Z",
        "2026-02-30T10:00:00Z",
    ):
        answer = await api.send(
            BOOK, input=a_booking(ada, "2026-01-13T10:00Z") | {"startsAt": wrong}
        )
        assert answer.codes == ["BAD_USER_INPUT"]
        assert answer.body["errors"][0]["extensions"]["field"] == "input.startsAt"


async def test_an_unknown_provider_or_service_is_not_found(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    cut = await a_service(api, ben)
    for provider_id, service_id in (
        (unknown("Provider"), None),
        ("nonsense", None),
        (cut["id"], None),
        (ada["id"], unknown("Service")),
        (ada["id"], cut["id"]),  # somebody else's
    ):
        answer = await book(api, {"id": provider_id}, "2026-01-13T10:00Z", serviceId=service_id)
        assert made(answer, "NotFoundError")["code"] == "NOT_FOUND"


async def test_price_and_policy_are_kept_as_they_were_at_booking(api: Api) -> None:
    """The service's policy where it has one, else the provider's; and the price, whatever becomes
    of either later.
    """
    price = {"amountMinor": 5000, "currency": "EUR"}
    share = {"freeUntilMinutesBefore": 120, "lateCancellation": "FEE", "lateFeePercent": 50}
    own = {"freeUntilMinutesBefore": 60, "lateCancellation": "REFUSED"}
    ada = await a_provider(api, cancellationPolicy=own)
    with_policy = await a_service(api, ada, price=price, cancellationPolicy=share)
    without = await a_service(api, ada, price=price)
    for start, service_id in (
        ("09:00", with_policy["id"]),
        ("10:00", without["id"]),
        ("11:00", None),
    ):
        await an_appointment(api, ada, f"2026-01-13T{start}Z", serviceId=service_id)
    rows = await api.rows(
        "SELECT price_minor, price_currency, policy_free_until_minutes_before AS free, "
        "policy_late_cancellation AS late,"
        " policy_late_fee_percent AS percent FROM appointment WHERE organization_id = $1 ORDER BY "
        "starts_at",
        api.organization.id,
    )
    assert [tuple(row.values()) for row in rows] == [
        (5000, "EUR", 120, "FEE", 50),
        (5000, "EUR", 60, "REFUSED", None),
        (None, None, 60, "REFUSED", None),
    ]


# ---------------------------------------------------------------- idempotency


async def test_the_same_key_fifty_times_at_once_books_once_and_is_answered_alike(api: Api) -> None:
    ada = await a_provider(api)
    wish = a_booking(ada, "2026-01-13T10:00Z", notes="Once.")
    answers = await asyncio.gather(*(api.ask(BOOK, input=wish) for _ in range(50)))
    assert answers[0]["answer"]["__typename"] == "BookingConfirmation"
    assert all(answer == answers[0] for answer in answers)
    assert [
        await count_of(api, table)
        for table in ("appointment", "claim", "idempotency_key", "customer")
    ] == [1] * 4


async def test_a_request_is_the_same_when_it_means_the_same(api: Api) -> None:
    """Compared after normalizing: the same instant in another offset, an e-mail's domain in another
    case.
    """
    ada = await a_provider(api)
    wish = a_booking(
        ada, "2026-01-13T10:00Z", customer={"name": "Noor", "email": "noor@example.com"}
    )
    first = (await api.ask(BOOK, input=wish))["answer"]
    again = wish | {
        "startsAt": "2026-01-13T11:00:00.000+01:00",
        "customer": {"name": " Noor ", "email": "noor@EXAMPLE.com", "phone": None},
        "notes": "  ",
        "durationMinutes": None,
    }
    assert (await api.ask(BOOK, input=again))["answer"] == first


async def test_the_same_key_for_another_request_is_refused(api: Api) -> None:
    """Any difference counts, also in contact data; and the attempt changes nothing."""
    ada, ben = await a_provider(api), await a_provider(api)
    cut = await a_service(api, ada, durationMinutes=60)
    wish = a_booking(ada, "2026-01-13T10:00Z")
    first = (await api.ask(BOOK, input=wish))["answer"]
    for other in (
        {"startsAt": "2026-01-13T11:00:00Z"},
        {"providerId": ben["id"]},
        {"serviceId": cut["id"]},
        {"customer": wish["customer"] | {"email": "another@example.com"}},
        {"customer": wish["customer"] | {"phone": "+33123456789"}},
        {"customerTimeZone": "UTC"},
        {"notes": "Something"},
        {"durationMinutes": 60},
    ):
        refused = made(
            (await api.ask(BOOK, input=wish | other))["answer"], "IdempotencyKeyReusedError"
        )
        assert refused["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await api.ask(BOOK, input=wish))["answer"] == first
    assert await count_of(api, "appointment") == 1


async def test_a_refused_request_keeps_no_key(api: Api) -> None:
    """The key of a time that was taken can be sent again, with another time or with the same one
    when it is free.
    """
    ada = await a_provider(api)
    await an_appointment(api, ada, "2026-01-13T10:00Z")
    wish = a_booking(ada, "2026-01-13T10:00Z")
    before = await count_of(api, "idempotency_key")
    for refused in (wish, wish | {"notes": "x" * 3_000}, wish | {"serviceId": unknown("Service")}):
        assert (await api.ask(BOOK, input=refused))["answer"]["__typename"] != "BookingConfirmation"
    assert await count_of(api, "idempotency_key") == before
    assert await count_of(api, "customer") == 1
    made(
        (await api.ask(BOOK, input=wish | {"startsAt": "2026-01-13T11:00:00Z"}))["answer"],
        "BookingConfirmation",
    )


async def test_a_key_counts_for_its_caller_alone(api: Api) -> None:
    """Scope: organization, mutation, caller and key."""
    ada = await a_provider(api)
    other = await api.another_organization()
    theirs = await a_provider(api, of=other)
    wish = a_booking(ada, "2026-01-13T10:00Z", idempotencyKey="the same")
    booked = set()
    for hour, caller in enumerate(
        (
            api.anonymous,
            api.customer("robin"),
            api.customer("sasha"),
            api.acting_for(ada),
            api.admin,
        ),
        start=10,
    ):
        values = wish | {"startsAt": f"2026-01-13T{hour}:00:00Z"}
        for _ in range(2):
            answer = made(
                (await api.ask(BOOK, caller=caller, input=values))["answer"], "BookingConfirmation"
            )
            booked.add(answer["appointment"]["id"])
    values = wish | {"providerId": theirs["id"]}
    made(
        (await api.ask(BOOK, caller=other.anonymous, input=values))["answer"], "BookingConfirmation"
    )
    assert len(booked) == 5


async def test_an_answer_given_again_shows_the_appointment_as_it_is_now(api: Api) -> None:
    """Its fields are as of now, its manage token is the same one."""
    ada = await a_provider(api)
    wish = a_booking(ada, "2026-01-13T10:00Z")
    first = (await api.ask(BOOK, input=wish))["answer"]
    await api.rows(
        (
            "UPDATE appointment SET notes = 'Changed since', version = 2 WHERE organization_id = $1 "
            "RETURNING id"
        ),
        api.organization.id,
    )
    api.clock.set("2026-01-14T10:00Z")  # also after it is over
    again = (await api.ask(BOOK, input=wish))["answer"]
    assert again["manageToken"] == first["manageToken"]
    assert again["appointment"] == first["appointment"] | {"notes": "Changed since", "version": 2}


async def test_a_stored_key_reveals_nothing_of_the_request(api: Api) -> None:
    """Contact data is compared by a keyed hash, not kept."""
    ada = await a_provider(api)
    await an_appointment(
        api, ada, "2026-01-13T10:00Z", customer={"name": "Noor", "email": "noor@example.com"}
    )
    (row,) = await api.rows(
        "SELECT * FROM idempotency_key WHERE organization_id = $1", api.organization.id
    )
    assert len(row["request_hash"]) == 32
    assert subset(row, ["mutation", "caller"]) == {
        "mutation": "bookAppointment",
        "caller": "anonymous",
    }
    assert "noor" not in str(row).lower()


async def test_different_bookings_of_one_guest_at_once_make_one_customer(api: Api) -> None:
    providers = [await a_provider(api) for _ in range(8)]
    contact = {"name": "Noor", "email": "noor@example.com"}
    answers = await asyncio.gather(
        *(book(api, each, "2026-01-13T10:00Z", customer=contact) for each in providers)
    )
    assert [answer["__typename"] for answer in answers] == ["BookingConfirmation"] * 8
    assert await count_of(api, "customer") == 1
    robin = api.customer("robin")
    answers = await asyncio.gather(
        *(
            book(api, each, "2026-01-13T12:00Z", caller=robin, customer=contact)
            for each in providers
        )
    )
    assert len({answer["appointment"]["customer"]["id"] for answer in answers}) == 1
    assert await count_of(api, "customer") == 2


async def test_two_bookings_in_one_document_each_show_the_times_that_are_left(api: Api) -> None:
    """Mutations run one after the other, and what is read below one shows what it has changed."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"))
    document = """
        mutation ($one: BookAppointmentInput!, $two: BookAppointmentInput!) {
            one: bookAppointment(input: $one) { ...Left }
            two: bookAppointment(input: $two) { ...Left }
        }
        fragment Left on BookingConfirmation {
            appointment {
                provider {
                    availability(from: "2026-01-13", to: "2026-01-13") { ... on Availability { slots { startsAt } } }
                    nextAvailableSlot(after: "2026-01-13T00:00:00Z") { startsAt }
                    appointments { nodes { startsAt } }
                }
            }
        }
    """
    wishes = {
        name: a_booking(ada, f"2026-01-13T{hour}Z")
        for name, hour in (("one", "09:00"), ("two", "10:00"))
    }
    data = await api.ask(document, caller=api.admin, **wishes)
    left = [data[name]["appointment"]["provider"] for name in ("one", "two")]
    assert [len(each["availability"]["slots"]) for each in left] == [2, 1]
    assert [each["nextAvailableSlot"]["startsAt"][11:16] for each in left] == ["10:00", "11:00"]
    assert [len(each["appointments"]["nodes"]) for each in left] == [1, 2]


async def test_a_guest_who_books_twice_for_the_first_time_is_one_customer(api: Api) -> None:
    """With two providers at once: the later booking finds the record that the other has
    just made.
    """
    ada, ben = await a_provider(api), await a_provider(api)
    noor = {"name": "Noor", "email": "noor@example.com"}
    async with transaction(api.resources.pool) as tx:
        record = Customer(
            id=CustomerId(new_id()),
            subject=None,
            contact=Contact(name="Noor", email="Noor@example.com", phone=None, locale=None),
            time_zone="UTC",
            created_at=api.clock(),
        )
        insert_customer(tx, api.organization.id, record)
        await tx.write()
        late = asyncio.create_task(book(api, ada, "2026-01-12T10:00Z", customer=noor))
        await blocked(api)
    made(await late, "BookingConfirmation")
    await an_appointment(api, ben, "2026-01-12T10:00Z", customer=noor)
    rows = await api.rows(
        "SELECT DISTINCT customer_id FROM appointment WHERE organization_id = $1",
        api.organization.id,
    )
    assert [row["customer_id"] for row in rows] == [record.id]
    assert await count_of(api, "customer") == 1
