"""Limits, over HTTP: as they are set, and as they are counted by listing, booking, holding, moving."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta

import pytest

from app.core.ids import ProviderId, SubjectId
from app.core.limits import LimitPeriod
from app.store.locks import lock_calendars
from app.store.pool import transaction
from app.usecases.booking import book_appointment
from tests.builders import (
    BOOK,
    TODAY,
    Api,
    Json,
    a_booking,
    a_provider,
    a_service,
    an_appointment,
    blocked,
    blocked_by,
    book,
    key_in,
    listed,
    made,
    reasons,
    utc,
    weekly,
)
from tests.integration.test_batching import Statements
from tests.integration.test_book_at_once import no_short_way
from tests.integration.test_service_availability import offered
from tests.lives import cancel, held, release, try_booking
from tests.visits import a_treatment, a_visit, try_move, try_visit

LIMITS = "limits { period maxVisits maxMinutes }"
CREATE = {
    kind: f"""
        mutation ($input: Create{kind}Input!) {{
            answer: create{kind}(input: $input) {{
                __typename ... on {kind} {{ id {LIMITS} }}
                ... on InvalidInputError {{ field message }} ... on UserError {{ code }}
            }}
        }}
    """
    for kind in ("Provider", "Service")
}
UPDATE = {
    kind: f"""
        mutation ($input: Update{kind}Input!) {{
            answer: update{kind}(input: $input) {{
                __typename ... on {kind} {{ id {LIMITS} }}
                ... on InvalidInputError {{ field message }} ... on UserError {{ code }}
            }}
        }}
    """
    for kind in ("Provider", "Service")
}
LISTINGS = """
    query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Provider {
        availability(from: "2026-01-12", to: "2026-01-12") { ... on Availability { slots { startsAt } } }
    } } }
"""
NEXT = """
    query ($id: ID!) { node(id: $id) { ... on Provider { nextAvailableSlot { startsAt } } } }
"""

MONDAY, FRIDAY, SUNDAY = TODAY, TODAY + timedelta(days=4), TODAY + timedelta(days=6)
HOURS = weekly("09:00", "12:00")
NINE, TEN, ELEVEN = utc(str(MONDAY), "09:00", "10:00", "11:00")
ON_FRIDAY = utc(str(FRIDAY), "09:00", "10:00", "11:00")
NEXT_MONDAY = str(MONDAY + timedelta(days=7))


def at_most(period: str, visits: int | None = None, minutes: int | None = None) -> Json:
    """A limit, as it is set and shown."""
    return {"period": period, "maxVisits": visits, "maxMinutes": minutes}


async def change(api: Api, kind: str, of: Json, **changes: object) -> Json:
    """What the update answers."""
    data = await api.ask(UPDATE[kind], caller=api.admin, input={"id": of["id"], **changes})
    answer: Json = data["answer"]
    return answer


# ---------------------------------------------------------------- set


@pytest.mark.parametrize("kind", ["Provider", "Service"])
async def test_limits_are_set_shown_in_order_and_replaced(api: Api, kind: str) -> None:
    ada = await a_provider(api)
    values: Json = {"name": "Limited"} | (
        {"timeZone": "UTC", "serviceDurationMinutes": 60}
        if kind == "Provider"
        else {"durationMinutes": 60, "providerIds": [ada["id"]]}
    )
    month, day = at_most("MONTH", minutes=600), at_most("DAY", 2)
    data = await api.ask(CREATE[kind], caller=api.admin, input=values | {"limits": [month, day]})
    created = made(data["answer"], kind)
    assert created["limits"] == [day, month]
    assert made(await change(api, kind, created, name="Other"), kind)["limits"] == [day, month]
    both = at_most("WEEK", 10_000, 44_640)
    assert made(await change(api, kind, created, limits=[both]), kind)["limits"] == [both]
    assert made(await change(api, kind, created, limits=[]), kind)["limits"] == []
    data = await api.ask(CREATE[kind], caller=api.admin, input=values)
    assert made(data["answer"], kind)["limits"] == []


@pytest.mark.parametrize("kind", ["Provider", "Service"])
@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (None, "limits"),
        ([at_most("DAY")], "limits.0"),
        ([at_most("DAY", 1), at_most("DAY", 2)], "limits.1.period"),
        ([at_most("DAY", 0)], "limits.0.maxVisits"),
        ([at_most("DAY", 10_001)], "limits.0.maxVisits"),
        ([at_most("WEEK", minutes=0)], "limits.0.maxMinutes"),
        ([at_most("WEEK", 1, 44_641)], "limits.0.maxMinutes"),
    ],
)
async def test_limits_that_make_no_sense_are_refused(
    api: Api, kind: str, limits: list[Json] | None, field: str
) -> None:
    ada = await a_provider(api)
    of = ada if kind == "Provider" else await a_service(api, ada)
    refused = made(await change(api, kind, of, limits=limits), "InvalidInputError")
    assert refused["field"] == field


async def test_a_provider_limits_themselves_and_only_administrators_a_service(api: Api) -> None:
    ada, bea = await a_provider(api), await a_provider(api)
    service = await a_service(api, ada)
    for kind, of, who, allowed in (
        ("Provider", ada, api.acting_for(ada), True),
        ("Provider", bea, api.acting_for(ada), False),
        ("Provider", ada, api.customer(), False),
        ("Service", service, api.acting_for(ada), False),
        ("Service", service, api.admin, True),
    ):
        values = {"id": of["id"], "limits": [at_most("DAY", 5)]}
        answer = (await api.ask(UPDATE[kind], caller=who, input=values))["answer"]
        assert answer["__typename"] == (kind if allowed else "NotAllowedError")


# ---------------------------------------------------------------- counted


async def test_a_full_day_is_not_listed_and_refused_with_its_reason(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=HOURS, limits=[at_most("DAY", 2)])
    await an_appointment(api, ada, NINE)
    assert await listed(api, ada) == [TEN, ELEVEN]
    booked = await an_appointment(api, ada, TEN)
    for _ in range(3):
        assert await listed(api, ada, MONDAY, MONDAY + timedelta(days=1)) == utc(
            "2026-01-13", "09:00", "10:00", "11:00"
        )
    assert await reasons(api, ada, ELEVEN) == ["LIMIT_REACHED"]
    assert await reasons(api, ada, TEN) == ["ALREADY_TAKEN", "LIMIT_REACHED"]
    refused = made(await book(api, ada, ELEVEN), "SlotUnavailableError")
    assert refused["reasons"] == ["LIMIT_REACHED"]
    assert refused["alternatives"]
    assert all(not each["startsAt"].startswith(str(MONDAY)) for each in refused["alternatives"])
    first = (await api.ask(NEXT, id=ada["id"]))["node"]["nextAvailableSlot"]
    assert first == {"startsAt": "2026-01-13T09:00:00Z"}
    await cancel(api, booked)
    assert await listed(api, ada) == [TEN, ELEVEN]


async def test_a_booking_on_monday_may_close_the_friday_of_its_week(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=HOURS, limits=[at_most("WEEK", 2)])
    assert await listed(api, ada, FRIDAY) == ON_FRIDAY
    await an_appointment(api, ada, utc(NEXT_MONDAY, "09:00")[0])
    await an_appointment(api, ada, NINE)
    assert await listed(api, ada, FRIDAY) == ON_FRIDAY
    booked = await an_appointment(api, ada, TEN)
    assert await listed(api, ada, FRIDAY) == []
    assert await listed(api, ada, SUNDAY) == []
    assert await listed(api, ada, NEXT_MONDAY) == utc(NEXT_MONDAY, "10:00", "11:00")
    await cancel(api, booked)
    assert await listed(api, ada, FRIDAY) == ON_FRIDAY
    await change(api, "Provider", ada, limits=[at_most("WEEK", 1)])
    assert await listed(api, ada, FRIDAY) == []
    await change(api, "Provider", ada, limits=[])
    assert await listed(api, ada, FRIDAY) == ON_FRIDAY


async def test_minutes_are_counted_by_the_length_of_each_visit(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=HOURS, limits=[at_most("MONTH", minutes=90)])
    short = await a_service(api, ada, durationMinutes=30)
    await an_appointment(api, ada, NINE)
    assert await listed(api, ada, FRIDAY) == []
    assert len(await listed(api, ada, FRIDAY, serviceId=short["id"])) == 6
    await an_appointment(api, ada, ON_FRIDAY[0], serviceId=short["id"])
    assert await listed(api, ada, FRIDAY, serviceId=short["id"]) == []
    assert await listed(api, ada, "2026-02-02") == utc("2026-02-02", "09:00", "10:00", "11:00")


async def test_a_hold_counts_until_it_expires_and_can_be_booked_when_all_is_full(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=HOURS, limits=[at_most("WEEK", 1)])
    hold = await held(api, ada, NINE)
    assert await listed(api, ada, FRIDAY) == []
    assert await reasons(api, ada, ON_FRIDAY[0]) == ["LIMIT_REACHED"]
    await release(api, hold["holdToken"])
    assert await listed(api, ada, FRIDAY) == ON_FRIDAY
    hold = await held(api, ada, NINE)
    api.clock.set(datetime.fromisoformat(hold["expiresAt"]) - timedelta(microseconds=1))
    assert await listed(api, ada, FRIDAY) == []
    api.clock.set(hold["expiresAt"])
    assert await listed(api, ada, FRIDAY) == ON_FRIDAY
    hold = await held(api, ada, ON_FRIDAY[0])
    answer = await try_booking(api, ada, ON_FRIDAY[0], holdToken=hold["holdToken"])
    made(answer, "BookingConfirmation")
    made(await book(api, ada, ON_FRIDAY[1]), "SlotUnavailableError")


async def test_a_move_inside_a_full_period_is_not_one_more(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=HOURS, limits=[at_most("WEEK", 2)])
    moved = await an_appointment(api, ada, NINE)
    await an_appointment(api, ada, TEN)
    for at in ("09:00", "10:00"):
        await an_appointment(api, ada, utc(NEXT_MONDAY, at)[0])
    made(await try_move(api, moved, ON_FRIDAY[0]), "BookingConfirmation")
    refused = made(await try_move(api, moved, utc(NEXT_MONDAY, "11:00")[0]), "SlotUnavailableError")
    assert refused["reasons"] == ["LIMIT_REACHED"]
    assert refused["alternatives"]
    for each in refused["alternatives"]:
        assert not NEXT_MONDAY <= each["startsAt"][:10] < "2026-01-26"
    made(await try_move(api, moved, refused["alternatives"][0]["startsAt"]), "BookingConfirmation")


async def test_a_service_limit_counts_its_visits_for_each_who_leads_them(api: Api) -> None:
    ada, bea = [await a_provider(api, weeklyHours=HOURS) for _ in range(2)]
    limited = await a_treatment(
        api, ada, bea, durationMinutes=60, limits=[at_most("DAY", 1)], needed=1
    )
    other = await a_service(api, ada, bea, durationMinutes=60)
    await an_appointment(api, ada, NINE, serviceId=other["id"])
    assert await listed(api, ada, serviceId=limited["id"]) == [TEN, ELEVEN]
    booked = await an_appointment(api, ada, TEN, serviceId=limited["id"])
    assert await listed(api, ada, serviceId=limited["id"]) == []
    assert await listed(api, ada, serviceId=other["id"]) == [ELEVEN]
    assert await listed(api, bea, serviceId=limited["id"]) == [NINE, TEN, ELEVEN]
    assert await offered(api, limited) == {at: [bea["id"]] for at in (NINE, TEN, ELEVEN)}
    assert await reasons(api, ada, ELEVEN, serviceId=limited["id"]) == ["LIMIT_REACHED"]
    made(await try_visit(api, limited, ELEVEN, ada), "SlotUnavailableError")
    made(await try_move(api, booked, ELEVEN), "BookingConfirmation")
    assert (await a_visit(api, limited, ELEVEN))["appointment"]["provider"]["id"] == bea["id"]
    refused = made(await try_visit(api, limited, TEN), "SlotUnavailableError")
    assert refused["reasons"] == ["NOBODY_FREE", "LIMIT_REACHED"]


async def test_who_only_takes_part_counts_for_their_own_limit_and_not_for_the_services(
    api: Api,
) -> None:
    ada = await a_provider(api, weeklyHours=HOURS)
    bea = await a_provider(api, weeklyHours=HOURS, limits=[at_most("DAY", 1)])
    pair = await a_treatment(
        api, ada, bea, needed=2, durationMinutes=60, limits=[at_most("DAY", 2)]
    )
    await a_visit(api, pair, NINE, ada)
    assert await offered(api, pair) == {}
    assert await listed(api, bea) == []
    await change(api, "Provider", bea, limits=[])
    assert await offered(api, pair) == {at: [ada["id"], bea["id"]] for at in (TEN, ELEVEN)}
    await a_visit(api, pair, TEN, ada)
    assert await offered(api, pair) == {ELEVEN: [bea["id"]]}


async def test_listed_means_bookable_whatever_the_limits(api: Api) -> None:
    """Each start on two days of two weeks is listed if, and only if, it can be held right now."""
    chance = random.Random(14)
    for _ in range(4):
        providers = [
            await a_provider(
                api,
                weeklyHours=weekly("09:00", "11:00"),
                limits=[
                    at_most(period, chance.randint(1, 3), chance.choice([None, 60, 120]))
                    for period in chance.sample(["DAY", "WEEK", "MONTH"], chance.randint(0, 2))
                ],
            )
            for _ in range(2)
        ]
        service = await a_treatment(
            api,
            *providers,
            needed=chance.choice([1, 2]),
            durationMinutes=60,
            limits=[at_most(chance.choice(["DAY", "WEEK"]), chance.randint(1, 2))],
        )
        days = [MONDAY, FRIDAY, MONDAY + timedelta(days=7)]
        starts = [at for day in days for at in utc(str(day), "09:00", "10:00")]
        for at in chance.sample(starts, 3):
            if chance.random() < 0.5:
                await try_visit(api, service, at, caller=api.admin)
            else:
                await book(api, chance.choice(providers), at, caller=api.admin)
            found = await offered(api, service, MONDAY, MONDAY + timedelta(days=7))
            alone = {
                each["id"]: await listed(api, each, MONDAY, MONDAY + timedelta(days=7))
                for each in providers
            }
            for start in starts:
                visit = await try_visit(api, service, start, caller=api.admin)
                assert (visit["__typename"] == "BookingConfirmation") == (start in found), visit
                if visit["__typename"] == "BookingConfirmation":
                    assert visit["appointment"]["provider"]["id"] in found[start]
                    await cancel(api, visit)
                for each in providers:
                    answer = await book(api, each, start, caller=api.admin)
                    is_booked = answer["__typename"] == "BookingConfirmation"
                    assert is_booked == (start in alone[each["id"]]), answer
                    if is_booked:
                        await cancel(api, answer)


# ---------------------------------------------------------------- what it costs


async def test_a_limit_costs_a_statement_for_all_and_nobody_else_pays(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting does not grow with the number of providers."""
    statements = Statements(monkeypatch)
    limits = [at_most("WEEK", 2)]
    plain = [await a_provider(api, weeklyHours=HOURS) for _ in range(3)]
    limited = [await a_provider(api, weeklyHours=HOURS, limits=limits) for _ in range(3)]

    async def listing(providers: list[Json]) -> list[str]:
        return await statements.of(api, LISTINGS, ids=[each["id"] for each in providers])

    once = await listing(plain)
    assert once.count("claims_of_subjects") == 1
    assert sorted(await listing(limited)) == sorted([*once, "claims_of_subjects"])


async def test_a_booking_counts_in_the_statements_that_it_has(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a service's limit needs one more, for the visits that the provider leads. A booking that
    limits count goes the long way.
    """
    monkeypatch.setattr(book_appointment, "book_at_once", no_short_way)
    statements = Statements(monkeypatch)
    limits = [at_most("WEEK", 2)]
    ada = await a_provider(api, weeklyHours=HOURS)
    bea = await a_provider(api, weeklyHours=HOURS, limits=limits)
    simple = await a_service(api, ada, bea)
    counted = await a_service(api, ada, bea, limits=limits)

    async def booking(provider: Json, starts_at: str, **changes: object) -> list[str]:
        wish = a_booking(provider, starts_at, **changes)
        names = await statements.of(api, BOOK, input=wish)
        assert "ALREADY_TAKEN" in await reasons(api, provider, starts_at)
        # What the answer shows may be known already.
        return [name for name in names if not name.endswith("_by_ids")]

    plain = await booking(ada, NINE)
    assert await booking(bea, NINE) == plain
    assert await booking(ada, TEN, serviceId=simple["id"]) == plain
    assert sorted(await booking(ada, ELEVEN, serviceId=counted["id"])) == sorted(
        [*plain, "led_claims"]
    )


# ---------------------------------------------------------------- at the same moment


async def confirmed(api: Api) -> list[str]:
    """The starts of all appointments that are confirmed."""
    rows = await api.rows(
        "SELECT starts_at FROM appointment WHERE organization_id = $1 AND status = 'CONFIRMED'",
        api.organization.id,
    )
    return [row["starts_at"].isoformat().replace("+00:00", "Z") for row in rows]


async def test_a_hold_that_expires_while_its_use_waits_no_longer_counts(api: Api) -> None:
    """The use waits for the period, and the hold expires: then the use is one more booking, and of
    the two that want the last visit of the week exactly one gets it.
    """
    ada = await a_provider(api, weeklyHours=HOURS, limits=[at_most("WEEK", 1)])
    hold = await held(api, ada, NINE)
    expires_at = datetime.fromisoformat(hold["expiresAt"])
    ada_id: SubjectId = ProviderId(key_in(ada["id"]))
    api.clock.set(expires_at - timedelta(microseconds=1))
    async with transaction(api.resources.pool) as holder:
        week = {ada_id: {(LimitPeriod.WEEK, MONDAY)}}
        await lock_calendars(holder, api.organization.id, {}, week)
        using = asyncio.create_task(try_booking(api, ada, NINE, holdToken=hold["holdToken"]))
        await blocked_by(api, holder)
        api.clock.set(expires_at)
        other = asyncio.create_task(try_booking(api, ada, ON_FRIDAY[0]))
        await blocked(api, 2)
    used, booked = await asyncio.gather(using, other)
    winner = made(used if "appointment" in used else booked, "BookingConfirmation")
    made(
        booked if winner is used else used,
        "SlotUnavailableError" if winner is used else "HoldExpiredError",
    )
    assert await confirmed(api) == [winner["appointment"]["startsAt"]]


async def test_a_hold_that_expires_after_it_was_used_was_counted(api: Api) -> None:
    """Its use is decided and not committed yet when the hold expires: another booking of the week
    waits for it, and finds the week full.
    """
    ada = await a_provider(api, weeklyHours=HOURS, limits=[at_most("WEEK", 1)])
    hold = await held(api, ada, NINE)
    expires_at = datetime.fromisoformat(hold["expiresAt"])
    api.clock.set(expires_at - timedelta(microseconds=1))
    async with transaction(api.resources.pool) as holder:
        # No appointment is written meanwhile.
        await holder.execute("LOCK TABLE appointment IN SHARE MODE", [])
        using = asyncio.create_task(try_booking(api, ada, NINE, holdToken=hold["holdToken"]))
        await blocked_by(api, holder)
        api.clock.set(expires_at)
        other = asyncio.create_task(try_booking(api, ada, ON_FRIDAY[0]))
        await blocked(api, 2)
    made(await using, "BookingConfirmation")
    assert made(await other, "SlotUnavailableError")["reasons"] == ["LIMIT_REACHED"]
    assert await confirmed(api) == [NINE]
