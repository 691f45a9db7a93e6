"""Free days between cache and PostgreSQL: which requests compute, wait or are refused, and what a
change does to each.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from app.admission.gate import (
    RETRY_AFTER_SECONDS,
    WAITING_FOR_EACH,
    Gate,
)
from app.core.ids import ProviderId
from app.core.refusals import NotFound, TemporarilyUnavailable
from app.core.validation import ContactForm
from app.core.viewer import Viewer
from app.core.zones import instant_of
from app.free_times.accelerator import make_accelerator
from app.free_times.connection import open_redis
from app.standins.embedded import Servers
from app.store.locks import lock_calendars
from app.store.pool import Pool, transaction
from app.store.sql import Record
from app.usecases.booking.answer import Booked
from app.usecases.booking.book_appointment import (
    BookingForm,
    book_appointment,
)
from app.usecases.listing.find_next_slots import earliest_slots
from app.usecases.listing.list_availability import (
    FreeTimes,
    Listed,
    SlotQuestion,
    list_availability,
)
from app.usecases.listing.look_ahead import TooMuchToDoError
from app.usecases.resources import Resources
from tests.builders import (
    BOOK,
    TODAY,
    Api,
    Json,
    a_booking,
    a_provider,
    a_service,
    an_appointment,
    book,
    key_in,
    listed,
    unknown,
    utc,
)

HOLD = """
    mutation ($input: HoldSlotInput!) {
        answer: holdSlot(input: $input) {
            __typename
            ... on Hold { holdToken expiresAt }
            ... on SlotUnavailableError { reasons }
        }
    }
"""
PATIENCE_SECONDS = 10.0
FAR = TODAY + timedelta(days=120)
"""Beyond what is read of exceptions around today: who has asked for this knows the calendar, but
for other dates.
"""


class Wire(Pool):
    """The way to PostgreSQL: it counts statements, and can be held up after claims (or what else is
    said) were read, before they arrive.
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool._connections)
        self.statements: Counter[str] = Counter()
        self.holds_up = "FROM claim"
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.ran = asyncio.Event()

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Record]:
        rows = await super().fetch(sql, arguments)
        self.statements[
            "claims" if "FROM claim" in sql else "calendars" if "AS wanted" in sql else "other"
        ] += 1
        if self.holds_up in sql:
            self.ran.set()
            await asyncio.wait_for(self.is_open.wait(), PATIENCE_SECONDS)
        return rows


_nodes: list[Resources] = []


@pytest.fixture(autouse=True)
async def _ended_nodes() -> AsyncIterator[None]:
    """Their background tasks end with the test."""
    yield
    while _nodes:
        await _nodes.pop().accelerator.close()


def node_of(api: Api, **changes: object) -> tuple[Resources, Wire]:
    """Another process, as far as the cache can tell: an accelerator of its own."""
    wire = Wire(api.resources.pool)
    accelerator = make_accelerator(
        api.resources.redis, real_clock=lambda: datetime.now(UTC), computations=4
    )
    node = replace(api.resources, **{"pool": wire, "accelerator": accelerator, **changes})  # type: ignore[arg-type]
    _nodes.append(node)
    return node, wire


def week_of(provider: Json, first: date = TODAY, days: int = 7) -> SlotQuestion:
    last = first + timedelta(days=days - 1)
    return SlotQuestion(
        provider_id=ProviderId(key_in(provider["id"])),
        service_id=None,
        first=first,
        last=last,
        time_zone=None,
    )


async def answers(api: Api, node: Resources, *questions: SlotQuestion) -> list[Listed]:
    return await list_availability(node, api.organization.id, questions)


async def starts(api: Api, node: Resources, question: SlotQuestion) -> list[str]:
    found = (await answers(api, node, question))[0]
    assert isinstance(found, FreeTimes)
    return [
        f"{instant_of(start):%Y-%m-%dT%H:%M:%SZ}"
        for day in found.starts_by_date.values()
        for start in day
    ]


async def until(is_true: object) -> None:
    """Let the others run until it is."""
    assert callable(is_true)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_true():  # noqa: ASYNC110  what is waited for are the program's own counts
            await asyncio.sleep(0.002)


def weeks_missed(node: Resources, count: int) -> Callable[[], bool]:
    """Whether so many more weeks were looked for in vain: those who asked compute them by then, or
    wait for who does.
    """
    counts = node.accelerator.shared.counts
    before = counts.days_missed
    return lambda: counts.days_missed - before >= 7 * count


@pytest.fixture
async def api(own_api: Api) -> Api:
    return own_api


async def test_many_providers_cost_two_statements_cold_and_none_when_they_are_kept(
    api: Api,
) -> None:
    providers = [await a_provider(api) for _ in range(12)]
    node, wire = node_of(api)
    cold = await answers(api, node, *map(week_of, providers))
    assert wire.statements == {"calendars": 1, "claims": 1}
    assert await answers(api, node, *map(week_of, providers)) == cold
    await until(lambda: node.accelerator.shared.counts.fills == len(providers))
    other, other_wire = node_of(api)
    assert await answers(api, other, *map(week_of, providers)) == cold
    assert wire.statements == {"calendars": 1, "claims": 1}
    assert other_wire.statements == {"calendars": 1}, (
        "its calendars are its own, the days are everybody's"
    )


async def test_after_a_change_of_time_only_the_claims_are_read_again(api: Api) -> None:
    provider = await a_provider(api)
    node, wire = node_of(api)
    await starts(api, node, week_of(provider))
    await an_appointment(api, provider, "2026-01-13T10:00Z")
    assert "2026-01-13T10:00:00Z" not in await starts(api, node, week_of(provider))
    assert wire.statements == {"calendars": 1, "claims": 2}


async def test_what_does_not_exist_is_not_found_every_time(api: Api) -> None:
    provider = await a_provider(api)
    node, _ = node_of(api)
    nobody = week_of({"id": unknown("Provider")})
    for _ in range(2):
        found = await answers(api, node, nobody, week_of(provider))
        assert isinstance(found[0], NotFound)
        assert isinstance(found[1], FreeTimes)


async def test_a_service_that_is_no_longer_offered_is_not_found_though_it_was_kept(
    api: Api,
) -> None:
    provider, other = await a_provider(api), await a_provider(api)
    service = await a_service(api, provider)
    assert await listed(api, provider, serviceId=service["id"])
    await api.ask(
        "mutation ($input: UpdateServiceInput!) { updateService(input: $input) { __typename } }",
        caller=api.admin,
        input={"id": service["id"], "providerIds": [other["id"]]},
    )
    data = await api.ask(
        """query ($id: ID!, $serviceId: ID!) { provider(id: $id) {
            availability(from: "2026-01-12", to: "2026-01-12", serviceId: $serviceId) { __typename } } }""",
        id=provider["id"],
        serviceId=service["id"],
    )
    assert data["provider"]["availability"]["__typename"] == "NotFoundError"


async def test_a_slow_fill_loses_against_a_change_and_does_not_outlive_it(api: Api) -> None:
    provider = await a_provider(api)
    node, wire = node_of(api)
    wire.is_open.clear()
    wire.ran.clear()
    asking = asyncio.create_task(starts(api, node, week_of(provider)))
    await wire.ran.wait()  # the claims were read, and are on their way
    await an_appointment(api, provider, "2026-01-12T10:00Z")
    wire.is_open.set()
    assert "2026-01-12T10:00:00Z" in await asking, "it was asked before the booking"
    await until(lambda: node.accelerator.shared.counts.fills_too_late == 1)
    fresh, _ = node_of(api)
    for each in (node, fresh):
        assert "2026-01-12T10:00:00Z" not in await starts(api, each, week_of(provider))


async def test_who_comes_after_a_change_does_not_take_what_was_read_before_it(api: Api) -> None:
    provider = await a_provider(api)
    node, wire = node_of(api)
    wire.is_open.clear()
    wire.ran.clear()
    before = asyncio.create_task(starts(api, node, week_of(provider)))
    await wire.ran.wait()
    await an_appointment(api, provider, "2026-01-12T10:00Z")
    after = [asyncio.create_task(starts(api, node, week_of(provider))) for _ in range(5)]
    await asyncio.sleep(0)
    wire.is_open.set()
    assert "2026-01-12T10:00:00Z" in await before
    for asked in after:
        assert "2026-01-12T10:00:00Z" not in await asked


async def test_a_thousand_questions_through_two_nodes_are_computed_at_most_once_in_each(
    api: Api,
) -> None:
    provider = await a_provider(api)
    one, wire = node_of(api)
    other, other_wire = node_of(api)
    for each in (wire, other_wire):
        each.is_open.clear()
        each.ran.clear()
    asking = [
        asyncio.create_task(starts(api, node, week_of(provider)))
        for node in (one, other)
        for _ in range(500)
    ]
    for each in (wire, other_wire):
        await each.ran.wait()
    # They come while it is computed, and see that nothing has changed since it was begun.
    asking += [asyncio.create_task(starts(api, one, week_of(provider))) for _ in range(10)]
    await until(weeks_missed(one, 10))
    for each in (wire, other_wire):
        each.is_open.set()
    found = await asyncio.gather(*asking)
    assert found == [found[0]] * 1010
    for each in (wire, other_wire):
        assert each.statements == {"calendars": 1, "claims": 1}


async def test_who_wants_other_dates_of_a_provider_does_not_wait_for_what_is_computed(
    api: Api,
) -> None:
    provider = await a_provider(api)
    node, wire = node_of(api)
    wire.is_open.clear()
    wire.ran.clear()
    asking = [asyncio.create_task(starts(api, node, week_of(provider)))]
    await wire.ran.wait()
    asking.append(
        asyncio.create_task(starts(api, node, week_of(provider, TODAY + timedelta(days=7))))
    )
    asking.append(asyncio.create_task(starts(api, node, week_of(provider, days=2))))
    await until(lambda: wire.statements["claims"] == 2)
    wire.is_open.set()
    assert [len(await asked) for asked in asking] == [7 * 8, 7 * 8, 2 * 8]
    assert wire.statements["claims"] == 2, "what is computed already was waited for"


async def test_who_reads_a_calendar_and_is_gone_leaves_one_other_to_read_it(api: Api) -> None:
    provider = await a_provider(api)
    node, wire = node_of(api)
    await starts(api, node, week_of(provider, FAR))
    wire.statements.clear()
    wire.holds_up = "AS wanted"
    wire.is_open.clear()
    wire.ran.clear()
    asking = asyncio.create_task(starts(api, node, week_of(provider)))
    await wire.ran.wait()
    waiting = [
        asyncio.create_task(starts(api, node, week_of(provider)))
        for _ in range(10 * WAITING_FOR_EACH)
    ]
    await until(weeks_missed(node, len(waiting)))
    asking.cancel()
    await asyncio.wait([asking])
    wire.is_open.set()
    assert {len(await asked) for asked in waiting} == {7 * 8}
    assert wire.statements == {"calendars": 2, "claims": 1}


async def test_a_calendar_that_is_read_again_keeps_the_dates_that_it_had(api: Api) -> None:
    provider = await a_provider(api, maxAdvanceBookingDays=365)
    node, wire = node_of(api)
    await starts(api, node, week_of(provider, FAR))
    await starts(api, node, week_of(provider))
    assert wire.statements == {"calendars": 2, "claims": 2}
    between = week_of(provider, TODAY + timedelta(days=90))
    assert len(await starts(api, node, between)) == 7 * 8
    assert wire.statements == {"calendars": 2, "claims": 3}


async def test_days_that_were_found_need_no_second_look_once_the_calendar_was_read(
    api: Api,
) -> None:
    provider = await a_provider(api, maxAdvanceBookingDays=365)
    node, wire = node_of(api)
    later = FAR + timedelta(days=7)
    await starts(api, node, week_of(provider, later))
    await an_appointment(api, provider, f"{FAR}T10:00Z")
    served = await starts(api, node, week_of(provider, later))
    counts = node.accelerator.shared.counts
    await until(lambda: counts.fills + counts.fills_too_late == 2)
    wire.statements.clear()
    missed = counts.days_missed
    # The calendar that is known does not reach back to the first of these days.
    found = await starts(api, node, week_of(provider, FAR, days=14))
    assert found[-7 * 8 :] == served
    assert len(found) == 14 * 8 - 1
    assert wire.statements == {"calendars": 1, "claims": 1}
    assert counts.days_missed - missed == 7


class HeldGate(Gate):
    """Admits who waits only once it is open."""

    __slots__ = ("is_open", "is_reached")

    def __init__(self) -> None:
        super().__init__(4)
        self.is_open = asyncio.Event()
        self.is_reached = asyncio.Event()

    async def _enter(self) -> bool:
        self.is_reached.set()
        await self.is_open.wait()
        return await super()._enter()


async def test_days_of_another_shape_are_not_mixed_with_a_calendar_that_was_read_later(
    api: Api,
) -> None:
    provider = await a_provider(api, maxAdvanceBookingDays=365)
    node, _ = node_of(api)
    later = FAR + timedelta(days=7)
    await starts(api, node, week_of(provider, later))
    gate = HeldGate()
    held = replace(node, accelerator=replace(node.accelerator, gate=gate))
    asking = asyncio.create_task(starts(api, held, week_of(provider, FAR, days=14)))
    await gate.is_reached.wait()
    await api.ask(
        "mutation ($input: UpdateProviderInput!) { updateProvider(input: $input) { __typename } }",
        caller=api.admin,
        input={"id": provider["id"], "serviceDurationMinutes": 120},
    )
    gate.is_open.set()
    fresh, _ = node_of(api)
    assert await asking == await starts(api, fresh, week_of(provider, FAR, days=14))
    assert len(await asking) == 14 * 4


class SlowGate(Gate):
    """Refuses the requests that wait until it answers, and counts them."""

    __slots__ = ("answers", "turned_away")

    def __init__(self) -> None:
        super().__init__(1)
        self.answers = asyncio.Event()
        self.turned_away = 0

    async def _enter(self) -> bool:
        self.turned_away += 1
        await self.answers.wait()
        return False


@pytest.mark.parametrize("known", [TODAY - timedelta(days=7), FAR], ids=["days", "the calendar"])
async def test_waiting_for_a_refused_computation_is_refused_too(api: Api, known: date) -> None:
    provider = await a_provider(api)
    node, _ = node_of(api)
    await starts(api, node, week_of(provider, known))
    gate = SlowGate()
    full = replace(node, accelerator=replace(node.accelerator, gate=gate))
    are_waiting = weeks_missed(node, 20)
    asked = [asyncio.create_task(answers(api, full, week_of(provider))) for _ in range(20)]
    await until(are_waiting)
    gate.answers.set()
    refused = [(await each)[0] for each in asked]
    assert refused == [TemporarilyUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)] * 20
    assert gate.turned_away == 1


async def test_a_computation_that_is_given_up_does_not_hold_up_the_others(api: Api) -> None:
    provider = await a_provider(api)
    node, wire = node_of(api)
    wire.is_open.clear()
    wire.ran.clear()
    asking = asyncio.create_task(starts(api, node, week_of(provider)))
    await wire.ran.wait()
    waiting = asyncio.create_task(starts(api, node, week_of(provider)))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    wire.is_open.set()
    assert len(await waiting) == 7 * 8


async def test_under_too_much_load_misses_are_refused_hits_are_served_and_bookings_go_on(
    api: Api,
) -> None:
    known, booked, late = await a_provider(api), await a_provider(api), await a_provider(api)
    crowd = [await a_provider(api) for _ in range(2 * WAITING_FOR_EACH)]
    one_at_a_time = make_accelerator(
        api.resources.redis, real_clock=lambda: datetime.now(UTC), computations=1
    )
    node, wire = node_of(api, accelerator=one_at_a_time)
    served = await starts(api, node, week_of(known))
    await starts(api, node, week_of(known, FAR))
    wire.is_open.clear()
    wire.ran.clear()
    asking = [asyncio.create_task(answers(api, node, week_of(crowd[0])))]
    await wire.ran.wait()
    asking += [asyncio.create_task(answers(api, node, week_of(provider))) for provider in crowd[1:]]
    await until(lambda: sum(task.done() for task in asking) >= WAITING_FOR_EACH - 1)
    refused = [task.result()[0] for task in asking if task.done()]
    assert refused == [TemporarilyUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)] * len(
        refused
    )
    assert await starts(api, node, week_of(known)) == served
    await an_appointment(api, booked, "2026-01-12T10:00Z")
    with pytest.raises(TooMuchToDoError):
        await earliest_slots(
            node, api.organization.id, [ProviderId(key_in(late["id"]))], None, after=None, count=1
        )
    wire.is_open.set()
    found = [(await task)[0] for task in asking]
    assert any(isinstance(answer, FreeTimes) for answer in found)
    assert isinstance((await answers(api, node, week_of(crowd[-1])))[0], FreeTimes), (
        "and then it is calm again"
    )


async def test_a_hold_is_over_on_reading_at_its_very_instant(api: Api) -> None:
    provider = await a_provider(api)
    hold = await api.ask(
        HOLD,
        input={
            "providerId": provider["id"],
            "startsAt": "2026-01-12T10:00:00Z",
            "idempotencyKey": "hold",
        },
    )
    ends = datetime.fromisoformat(hold["answer"]["expiresAt"])
    node, wire = node_of(api)
    free = utc("2026-01-12", *(f"{hour:02}:00" for hour in range(9, 17)))
    held = [start for start in free if "T10:" not in start]
    assert await starts(api, node, week_of(provider, days=1)) == held
    api.clock.set(ends - timedelta(microseconds=1))
    assert await starts(api, node, week_of(provider, days=1)) == held
    api.clock.set(ends)
    assert await starts(api, node, week_of(provider, days=1)) == free
    assert wire.statements["claims"] == 1, "it was read from what had been kept"


async def test_notice_and_horizon_move_with_the_clock_over_what_is_kept(api: Api) -> None:
    provider = await a_provider(api, minNoticeMinutes=60, maxAdvanceBookingDays=1)
    node, wire = node_of(api)
    assert (await starts(api, node, week_of(provider)))[0] == "2026-01-12T09:00:00Z"
    api.clock.set("2026-01-12T08:00:00.000001Z")
    assert (await starts(api, node, week_of(provider)))[0] == "2026-01-12T10:00:00Z"
    assert (await starts(api, node, week_of(provider)))[-1] == "2026-01-13T16:00:00Z"
    api.clock.set("2026-01-13T00:00Z")
    assert (await starts(api, node, week_of(provider)))[-1] == "2026-01-14T16:00:00Z"
    assert wire.statements["claims"] == 1


async def test_without_redis_everything_is_answered_from_postgresql(
    api: Api, own_redis: Servers
) -> None:
    provider = await a_provider(api)
    node, wire = node_of(api)
    served = await starts(api, node, week_of(provider))
    own_redis.stop_redis()
    assert await starts(api, node, week_of(provider)) == served
    assert wire.statements == {"calendars": 2, "claims": 2}
    await an_appointment(api, provider, "2026-01-12T10:00Z")
    assert await starts(api, node, week_of(provider)) == [
        start for start in served if start != "2026-01-12T10:00:00Z"
    ]
    assert await starts(api, node, week_of(provider, days=1)) == await listed(api, provider)


async def test_a_repeated_answer_publishes_what_the_first_did_not(api: Api, redis_url: str) -> None:
    provider = await a_provider(api)
    node, _ = node_of(api)
    served = await starts(api, node, week_of(provider))
    elsewhere = open_redis(redis_url.rpartition("/")[0] + "/7", timeout_seconds=2.0)
    dying, _ = node_of(
        api,
        accelerator=make_accelerator(
            elsewhere, real_clock=lambda: datetime.now(UTC), computations=4
        ),
    )
    form = BookingForm(
        provider_id=ProviderId(key_in(provider["id"])),
        service_id=None,
        starts_at=datetime(2026, 1, 12, 10, tzinfo=UTC),
        duration_minutes=None,
        customer=ContactForm(name="Guest", email="guest@example.com", phone=None, locale=None),
        customer_time_zone="UTC",
        notes=None,
        idempotency_key="once",
    )
    viewer = Viewer(organization_id=api.organization.id)
    assert isinstance(await book_appointment(dying, viewer, form), Booked)
    assert await starts(api, node, week_of(provider)) == served, "nobody here was told"
    assert isinstance(await book_appointment(api.resources, viewer, form), Booked)
    assert await starts(api, node, week_of(provider)) == [
        start for start in served if start != "2026-01-12T10:00:00Z"
    ]
    await elsewhere.aclose()


async def test_where_a_time_is_contested_who_comes_too_late_waits_for_no_lock(api: Api) -> None:
    provider = await a_provider(api)
    won = a_booking(provider, "2026-01-12T10:00Z")
    assert (await api.ask(BOOK, input=won))["answer"]["__typename"] == "BookingConfirmation"
    first = await book(api, provider, "2026-01-12T10:00Z")
    assert first["reasons"] == ["ALREADY_TAKEN"]
    key = key_in(provider["id"])
    async with transaction(api.resources.pool) as tx:
        await lock_calendars(tx, api.organization.id, {ProviderId(key): [date(2026, 1, 12)]})
        async with asyncio.timeout(PATIENCE_SECONDS):
            late = await book(api, provider, "2026-01-12T10:00Z")
            assert (late["__typename"], late["reasons"]) == (
                "SlotUnavailableError",
                ["ALREADY_TAKEN"],
            )
            assert late["alternatives"] == first["alternatives"]
            again = (await api.ask(BOOK, input=won))["answer"]
            assert again["__typename"] == "BookingConfirmation", (
                "a repeated booking returns the same appointment"
            )
            other = await book(api, provider, "2026-01-12T10:00Z", durationMinutes=45)
            assert other["__typename"] == "InvalidInputError", "the same decision as everybody's"
            free = asyncio.create_task(book(api, provider, "2026-01-12T11:00Z"))
            await asyncio.sleep(0.05)
            assert not free.done(), "it never accepts"
    assert (await free)["__typename"] == "BookingConfirmation"


async def test_a_rush_on_one_provider_leaves_the_connections_to_the_others(api: Api) -> None:
    """Many times more than there are connections want one provider, whose calendar is locked: all
    else goes on.
    """
    popular, other = await a_provider(api), await a_provider(api)
    async with transaction(api.resources.pool) as tx:
        await lock_calendars(
            tx, api.organization.id, {ProviderId(key_in(popular["id"])): [date(2026, 1, 12)]}
        )
        rush = [
            asyncio.create_task(book(api, popular, f"2026-01-12T{10 + at % 4}:00Z"))
            for at in range(60)
        ]
        wishes = [
            {
                "providerId": popular["id"],
                "startsAt": f"2026-01-12T{10 + at % 4}:00:00Z",
                "idempotencyKey": f"hold-{at}",
            }
            for at in range(20)
        ]
        holds = [asyncio.create_task(api.ask(HOLD, input=wish)) for wish in wishes]
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await book(api, other, "2026-01-12T10:00Z"))[
                "__typename"
            ] == "BookingConfirmation"
        assert not any(task.done() for task in [*rush, *holds])
    answers = [
        *await asyncio.gather(*rush),
        *[each["answer"] for each in await asyncio.gather(*holds)],
    ]
    kinds = Counter(answer["__typename"] for answer in answers)
    assert kinds.pop("SlotUnavailableError") == 76
    assert sum(kinds.values()) == 4, kinds
    assert all(answer["reasons"] == ["ALREADY_TAKEN"] for answer in answers if "reasons" in answer)
