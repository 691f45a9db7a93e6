"""A dry run says what the change then does: Hypothesis draws changes of hours, exceptions, time
off, zones, rules, units, offers and archiving, and each is previewed, made, and measured on the
real database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.hours import windows_of
from app.core.ids import ProviderId, ServiceId, SubjectId
from app.core.stranded import SubjectState, dates_around, preview_span
from app.core.zones import date_of_number
from app.settings import Settings
from app.store.needs import load_needs
from app.store.stranded import load_states
from tests.builders import (
    LISTING,
    TODAY,
    Api,
    Json,
    Running,
    a_provider,
    a_resource,
    a_service,
    book,
    key_in,
    made,
    running,
    weekly,
)
from tests.stranded import change, preview, stranded, try_change

Result = TypeVar("Result")
Run = Callable[[Coroutine[Any, Any, Result]], Result]

ZONES: Final = (
    "UTC",
    "America/New_York",  # clocks change on March 8
    "Europe/Berlin",  # on March 29
    "Africa/Casablanca",  # twice for Ramadan
    "America/Santiago",  # on April 5, at midnight
    "Australia/Lord_Howe",  # on that day by half an hour
    "Pacific/Kiritimati",
)
DATES: Final = (
    TODAY + timedelta(days=1),
    *(date(2026, 3, 28) + timedelta(days=ahead) for ahead in range(2)),
    date(2026, 4, 5),
    date(2026, 6, 1),  # beyond the 92 days
)
"""What happens is drawn on these, so that changes meet what is booked."""

_quarters = st.integers(0, 95).map(lambda quarter: 15 * quarter)
_dates = st.sampled_from(DATES).map(str)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def ranges(draw: st.DrawFn, *, inside: bool = False) -> Json:
    """A range of wall-clock time, mostly long; if not inside its date, it may run past midnight."""
    start = draw(_quarters)
    until = start + draw(st.sampled_from([15, 60, 600, 1_000, 1_440]))
    if until > 1_440:
        until = 1_440 if inside else until - 1_440
    return {"start": clock(start), "end": clock(until)}


@st.composite
def weeks(draw: st.DrawFn) -> list[Json]:
    every_day = [
        weekly(each["start"], each["end"]) for each in draw(st.lists(ranges(), max_size=2))
    ]
    days = st.sampled_from(["MONDAY", "SATURDAY", "SUNDAY"])
    some = [{**draw(ranges()), "weekday": draw(days)} for _ in range(draw(st.integers(0, 2)))]
    return [each for week in every_day for each in week] + some


@st.composite
def exceptions(draw: st.DrawFn) -> Json:
    is_blocked = draw(st.booleans())
    some = draw(st.lists(ranges(inside=is_blocked), min_size=not is_blocked, max_size=2))
    return {"date": draw(_dates), "isBlocked": is_blocked, "ranges": some}


@st.composite
def times_away(draw: st.DrawFn, days: st.SearchStrategy[date]) -> Json:
    """Readings of time off, from minutes to days long."""
    day, start = draw(days), draw(_quarters)
    minutes = draw(st.sampled_from([15, 60, 600, 1_440, 4_000]))
    ahead, until = divmod(start + minutes, 1_440)
    return {
        "from": f"{day}T{clock(start)}",
        "until": f"{day + timedelta(days=ahead)}T{clock(until)}",
    }


hours_changes = st.one_of(
    st.tuples(
        st.just("setWeeklyHours"), st.fixed_dictionaries({"hours": weeks(), "breaks": weeks()})
    ),
    st.tuples(st.just("setException"), exceptions()),
    st.tuples(st.just("removeException"), st.fixed_dictionaries({"date": _dates})),
    st.tuples(st.just("addTimeOff"), times_away(st.sampled_from(DATES))),
)
"""Of providers and resources."""


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, Json]:
    """A mutation and its input, with names in place of ids."""
    kind = draw(
        st.sampled_from(["hours", "hours", "hours", "away", "provider", "resource", "service"])
    )
    match kind:
        case "away":
            which = {"id": f"time off {draw(st.integers(0, 2))}"}
            if draw(st.booleans()):
                return "removeTimeOff", which
            return "updateTimeOff", {**which, **draw(times_away(st.sampled_from(DATES)))}
        case "hours":
            mutation, values = draw(hours_changes)
            whose = draw(st.sampled_from(["ada", "ben", "room"]))
            return mutation, {**values, "resourceId" if whose == "room" else "providerId": whose}
        case "provider":
            given_ = st.fixed_dictionaries(
                {"id": st.sampled_from(["ada", "ben"])},
                optional={
                    "timeZone": st.sampled_from(ZONES),
                    "serviceDurationMinutes": st.integers(1, 300),
                    "bufferMinutes": st.integers(0, 60),
                    "maxAdvanceBookingDays": st.integers(0, 365),
                    "isArchived": st.booleans(),
                },
            )
            return "updateProvider", draw(given_)
        case "resource":
            given_ = st.fixed_dictionaries(
                {"id": st.just("room")},
                optional={
                    "units": st.integers(1, 3),
                    "alwaysOpen": st.booleans(),
                    "isArchived": st.booleans(),
                    "timeZone": st.sampled_from(ZONES),
                },
            )
            return "updateResource", draw(given_)
        case _:
            offers = st.lists(st.sampled_from(["ada", "ben"]), unique=True, max_size=2)
            need = st.sampled_from([[], [{"name": "room", "resourceIds": ["room"]}]])
            given_ = st.fixed_dictionaries(
                {"id": st.sampled_from(["cut", "duo", "yoga"])},
                optional={
                    "providerIds": offers,
                    "needs": need,
                    "durationMinutes": st.integers(1, 300),
                    "providersNeeded": st.integers(1, 2),
                    "seats": st.integers(1, 3),
                    "isArchived": st.booleans(),
                },
            )
            return "updateService", draw(given_)


bookings = st.tuples(
    st.sampled_from(["ada", "ben", "cut", "duo", "yoga", "yoga"]),
    st.sampled_from(DATES),
    st.integers(0, 47).map(lambda half: clock(30 * half)),
)


def with_ids(values: Json, ids: Mapping[str, str]) -> Json:
    """With ids in place of names."""

    def found(value: Any) -> Any:  # noqa: ANN401  JSON
        match value:
            case str():
                return ids.get(value, value)
            case list():
                return [found(each) for each in value]
            case dict():
                return {
                    name: each if name in {"name", "date"} else found(each)
                    for name, each in value.items()
                }
            case _:
                return value

    result: Json = found(values)
    return result


async def a_world(api: Api) -> dict[str, str]:
    """Everybody and everything is open all the time; the ids, by name."""
    always: Json = {"weeklyHours": weekly("00:00", "24:00"), "maxAdvanceBookingDays": 365}
    ada, ben = [
        await a_provider(api, **always, timeZone=zone, serviceDurationMinutes=90)
        for zone in ("Europe/Berlin", "America/New_York")
    ]
    room = await a_resource(api, units=2)
    rooms = [{"name": "room", "resourceIds": [room["id"]]}]
    cut = await a_service(api, ada, ben)
    duo = await a_service(api, ada, ben, providersNeeded=2, needs=rooms, durationMinutes=60)
    yoga = await a_service(api, ada, ben, seats=3, needs=rooms, durationMinutes=75)
    named = {"ada": ada, "ben": ben, "room": room, "cut": cut, "duo": duo, "yoga": yoga}
    return {name: each["id"] for name, each in named.items()}


async def measured(api: Api, mutation: str, whose: UUID) -> dict[tuple[UUID, int], int]:
    """Whom and what the change is about as the database has it: the open minutes of each unit of
    each, as bits.
    """
    span = preview_span(api.clock())
    pool, organization_id = api.resources.pool, api.organization.id
    subject_ids: list[SubjectId] = [ProviderId(whose)]
    if mutation == "updateService":
        service_id = ServiceId(whose)
        # Nobody offers an archived service.
        needs = await load_needs(pool, organization_id, [service_id])
        subject_ids = [*needs[service_id].provider_ids] if service_id in needs else []
    states = await load_states(pool, organization_id, subject_ids, span)

    def bits(state: SubjectState) -> int:
        begin, end = span
        low, high = dates_around(begin, end)
        found = 0
        for number in range(low, high + 1):
            for start, until in windows_of(state.hours, date_of_number(number)):
                first, last = max(start, begin), min(until, end)
                if first < last:
                    found |= ((1 << (last - first)) - 1) << (first - begin)
        return found

    return {
        (subject_id, unit): bits(state)
        for subject_id, state in states.items()
        for unit in range(state.units)
    }


def more(after: Mapping[tuple[UUID, int], int], before: Mapping[tuple[UUID, int], int]) -> int:
    """How many minutes are open after and were not before."""
    return sum((bits & ~before.get(unit, 0)).bit_count() for unit, bits in after.items())


async def check_changes(
    api: Api, booked: list[tuple[str, date, str]], wanted: list[tuple[str, Json]]
) -> None:
    ids = await a_world(api)
    for whom, day, at in booked:
        wish = {} if whom in {"ada", "ben"} else {"serviceId": ids[whom], "providerId": None}
        await book(api, {"id": ids.get(whom)}, f"{day}T{at}Z", **wish)  # type: ignore[arg-type]
    assert await stranded(api, first=100) == []
    owners: dict[str, UUID] = {}
    for mutation, named in wanted:
        values = with_ids(named, ids)
        is_new = mutation == "addTimeOff"
        key = values.get("id") or values.get("providerId") or values["resourceId"]
        if key.startswith("time off"):
            continue  # there is none, or no longer
        whose = owners.get(key) or key_in(key)
        were = await stranded(api, first=100)
        open_before = await measured(api, mutation, whose)
        said = await try_change(api, mutation, {**values, "dryRun": True})
        assert await stranded(api, first=100) == were
        if said["__typename"] != "ChangePreview":
            assert said == await try_change(api, mutation, values), "refused alike"
            continue
        changed = await change(api, mutation, **values)
        if is_new:
            ids[f"time off {len(owners)}"] = changed
            owners[changed] = whose
        elif mutation == "removeTimeOff":
            del ids[named["id"]]
        are = await stranded(api, first=100)
        open_after = await measured(api, mutation, whose)
        new = [each for each in are if each not in were]
        assert [each["id"] for each in said["stranded"]] == new, (mutation, values)
        assert said["strandedCount"] == len(new)
        assert (said["openMinutesGained"], said["openMinutesLost"]) == (
            more(open_after, open_before),
            more(open_before, open_after),
        ), (mutation, values)


# ---------------------------------------------------------------- the listing

WINDOW: Final = tuple(date(2026, 3, 27) + timedelta(days=ahead) for ahead in range(5))
"""The provider works on these dates only."""


@st.composite
def changes_in_window(draw: st.DrawFn) -> tuple[str, Json]:
    effect = {"effectiveFrom": str(WINDOW[0]), "effectiveUntil": str(WINDOW[-1])}
    kind = draw(st.sampled_from(["week", "exception", "remove", "away", "zone"]))
    day = draw(st.sampled_from(WINDOW))
    match kind:
        case "week":
            hours, breaks = ([{**each, **effect} for each in draw(weeks())] for _ in range(2))
            return "setWeeklyHours", {"hours": hours, "breaks": breaks}
        case "exception":
            return "setException", {**draw(exceptions()), "date": str(day)}
        case "remove":
            return "removeException", {"date": str(day)}
        case "away":
            return "addTimeOff", draw(times_away(st.just(day)))
        case _:
            return "updateProvider", {"timeZone": draw(st.sampled_from(ZONES))}


async def listed_minutes(api: Api, provider: Json) -> set[str]:
    """Every start of a visit of one minute."""
    first, last = WINDOW[0] - timedelta(days=3), WINDOW[-1] + timedelta(days=3)
    dates: Json = {"from": str(first), "to": str(last)}
    answer = await api.ask(LISTING, id=provider["id"], timeZone="UTC", **dates)
    found = made(answer["provider"]["availability"], "Availability")
    return {start for day in found["days"] for start in day["startTimes"]}


async def check_listing(api: Api, wanted: list[tuple[str, Json]]) -> None:
    cleo = await a_provider(
        api,
        weeklyHours=weekly(
            "08:00", "20:00", effectiveFrom=str(WINDOW[0]), effectiveUntil=str(WINDOW[-1])
        ),
        serviceDurationMinutes=1,
        slotIntervalMinutes=1,
        maxAdvanceBookingDays=365,
    )
    before = await listed_minutes(api, cleo)
    assert len(before) == len(WINDOW) * 12 * 60
    for mutation, named in wanted:
        key = "id" if mutation == "updateProvider" else "providerId"
        values = {**named, key: cleo["id"]}
        said = await preview(api, mutation, **values)
        await change(api, mutation, **values)
        after = await listed_minutes(api, cleo)
        assert (said["openMinutesGained"], said["openMinutesLost"]) == (
            len(after - before),
            len(before - after),
        ), (mutation, values)
        before = after


# ---------------------------------------------------------------- how they run


@contextmanager
def application(environment: dict[str, str]) -> Iterator[tuple[Running, Run[None]]]:
    """The application, and what runs a coroutine on its loop."""
    loop = asyncio.new_event_loop()
    ready: asyncio.Future[Running] = loop.create_future()
    over = asyncio.Event()

    async def live() -> None:
        async with running(Settings.from_environment(environment)) as found:
            ready.set_result(found)
            await over.wait()

    async def started() -> Running:
        waits: list[asyncio.Future[Any]] = [life, ready]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            life.result()
        return ready.result()

    life = loop.create_task(live())
    try:
        yield loop.run_until_complete(started()), loop.run_until_complete
    finally:
        over.set()
        loop.run_until_complete(life)
        loop.close()


def previewed(environment: dict[str, str], *, runs: int) -> None:
    with application(environment) as (found, run):
        limits = settings(max_examples=runs, deadline=None, suppress_health_check=list(HealthCheck))

        @limits
        @given(
            st.lists(bookings, min_size=8, max_size=14),
            st.lists(changes(), min_size=3, max_size=7),
        )
        def strands_and_counts(
            booked: list[tuple[str, date, str]], wanted: list[tuple[str, Json]]
        ) -> None:
            async def example() -> None:
                await check_changes(await found.api(), booked, wanted)

            run(example())

        @limits
        @given(st.lists(changes_in_window(), min_size=1, max_size=5))
        def lists(wanted: list[tuple[str, Json]]) -> None:
            async def example() -> None:
                await check_listing(await found.api(), wanted)

            run(example())

        strands_and_counts()
        lists()


def test_a_dry_run_says_what_the_change_then_does(environment: dict[str, str]) -> None:
    previewed(environment, runs=8)


@pytest.mark.full
def test_many_dry_runs_say_what_the_changes_then_do(environment: dict[str, str]) -> None:
    previewed(environment, runs=400)
