"""A booking, a move or a cancellation in two round trips is that of the long way, whatever happens
meanwhile; and so is a new guest's booking in one.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from app.admission import lines
from app.cache import new_guests
from app.core.booking import BookingWish
from app.core.changes import AppointmentChangeKind
from app.core.ids import OrganizationId, ProviderId
from app.core.viewer import Viewer
from app.store import pool as store_pool
from app.store.idempotency import RequestKey
from app.store.locks import lock_rules
from app.store.pool import DatabaseUnavailableError, Pool, Writes, transaction
from app.store.side_by_side import OVERTAKEN, Commits
from app.store.sql import query
from app.telemetry.metrics import BOOKING_WAYS
from app.usecases.booking import (
    book_appointment,
    book_at_once,
    cancel_appointment,
    limit_guests,
    reschedule_appointment,
)
from app.usecases.booking.answer import Written
from app.usecases.booking.book_at_once import Way
from app.usecases.booking.limit_guests import ORIGIN_BYTES
from app.usecases.resources import Resources
from tests.builders import (
    BOOK,
    TODAY,
    Api,
    Caller,
    Json,
    a_booking,
    a_provider,
    a_service,
    an_organization,
    blocked_by,
    book,
    busy,
    key_in,
    made,
    time_off,
    utc,
    weekly,
)
from tests.lives import CANCEL, MOVE, broken_laws, cancel, history, move
from tests.visits import a_room, a_treatment

NINE, TEN, ELEVEN = utc(str(TODAY), "09:00", "10:00", "11:00")
UPDATE_PROVIDER: Final = "mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: $input) { __typename } }"
UPDATE_SERVICE: Final = (
    "mutation ($input: UpdateServiceInput!) { answer: updateService(input: $input) { __typename } }"
)
SET_HOURS: Final = "mutation ($input: SetWeeklyHoursInput!) { answer: setWeeklyHours(input: $input) { __typename } }"
UPDATE_CUSTOMER: Final = "mutation ($input: UpdateCustomerInput!) { answer: updateCustomer(input: $input) { __typename } }"
UPDATE_ORGANIZATION: Final = "mutation ($input: UpdateOrganizationInput!) { answer: updateOrganization(input: $input) { __typename } }"
SET_EXCEPTION: Final = (
    "mutation ($input: SetExceptionInput!) { answer: setException(input: $input) { __typename } }"
)

CORRECT: Final = "mutation ($input: UpdateAppointmentInput!) { answer: updateAppointment(input: $input) { __typename } }"
ERASE: Final = (
    "mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }"
)

Change: TypeAlias = Callable[[Api, Json, Json], Awaitable[object]]


GUESS: Final = book_at_once._guess_and_write


async def no_guess(*_: object) -> None:
    """The look is made."""


@pytest.fixture(autouse=True)
def looks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever books."""
    monkeypatch.setattr(book_at_once, "_guess_and_write", no_guess)


def guess(monkeypatch: pytest.MonkeyPatch, _api: object = None) -> None:
    """What was not seen yet, whether guesses were right or wrong before."""
    monkeypatch.setattr(book_at_once, "_guess_and_write", GUESS)
    monkeypatch.setattr(new_guests, "LONGEST_PAUSE", 0)


def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the statements of bookings that run from now on."""
    names = {query(name).sql: name for name in ("look_before_booking", "book_as_seen")}
    run: list[str] = []
    fetch, execute = store_pool._fetch, store_pool._execute

    async def fetch_noting(
        connection: store_pool.Connection, sql: str, arguments: Sequence[object]
    ) -> list[asyncpg.Record]:
        run.extend([names[sql]] if sql in names else [])
        return await fetch(connection, sql, arguments)

    async def execute_noting(
        connection: store_pool.Connection, sql: str, arguments: Sequence[object]
    ) -> int:
        run.extend([names[sql]] if sql in names else [])
        return await execute(connection, sql, arguments)

    monkeypatch.setattr(store_pool, "_fetch", fetch_noting)
    monkeypatch.setattr(store_pool, "_execute", execute_noting)
    return run


async def no_short_way(*_: object, **__: object) -> None:
    """The long way decides."""


def go_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_appointment, "book_at_once", no_short_way)
    monkeypatch.setattr(cancel_appointment, "cancel_at_once", no_short_way)
    monkeypatch.setattr(reschedule_appointment, "move_at_once", no_short_way)


def go_as_configured(_way: pytest.MonkeyPatch, _api: Api) -> None:
    """The short way where it can."""


def as_distributed(way: pytest.MonkeyPatch, _api: Api) -> None:
    """Writes go to the function that runs them one by one, which one PostgreSQL has as well."""
    way.setattr(Pool, "is_distributed", True)


BOOKED, MOVED, CANCELLED = (
    AppointmentChangeKind.BOOKED,
    AppointmentChangeKind.RESCHEDULED,
    AppointmentChangeKind.CANCELLED,
)


def ways(kind: AppointmentChangeKind) -> Counter[str]:
    return Counter(
        {way: int(BOOKING_WAYS.labels(change=kind, way=way)._value.get()) for way in Way}
    )


async def way_of(
    change: Awaitable[Json], kind: AppointmentChangeKind = BOOKED
) -> tuple[Json, list[str]]:
    """The answer, and which ways it went."""
    before = ways(kind)
    answer = await change
    return answer, list((ways(kind) - before).elements())


def before_writing(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[], Awaitable[object]]
) -> None:
    """Let something happen after the look, and before the one statement that writes: the long way,
    where it is a booking or the like.
    """
    commit = Commits.commit

    async def changed_first(commits: Commits, writes: Writes) -> None:
        monkeypatch.setattr(Commits, "commit", commit)
        with pytest.MonkeyPatch.context() as meanwhile:
            go_the_long_way(meanwhile)
            await change()
        await commit(commits, writes)

    monkeypatch.setattr(Commits, "commit", changed_first)


# ---------------------------------------------------------------- what it rests on


def edit(document: str, **values: object) -> Change:
    async def change(api: Api, provider: Json, service: Json) -> None:
        places = {"$provider": provider["id"], "$service": service["id"]}
        filled = {key: places.get(str(value), value) for key, value in values.items()}
        data = await api.ask(document, caller=api.admin, input=filled)
        assert "Error" not in data["answer"]["__typename"], data

    return change


async def off(api: Api, provider: Json, _: Json) -> None:
    await time_off(api, provider, f"{TODAY}T08:00", f"{TODAY}T18:00")


async def elsewhere(api: Api, provider: Json, _: Json) -> None:
    await busy(api, provider, times=[(NINE, ELEVEN)])


async def withdrawn(api: Api, _: Json, service: Json) -> None:
    other = await a_provider(api)
    await edit(UPDATE_SERVICE, id="$service", providerIds=[other["id"]])(api, other, service)


async def booked_by_others(api: Api, provider: Json, _: Json) -> None:
    made(await book(api, provider, NINE), "BookingConfirmation")


CHANGES: Final[dict[str, Change]] = {
    "hours": edit(SET_HOURS, providerId="$provider", hours=weekly("12:00", "17:00")),
    "a break": edit(
        SET_HOURS,
        providerId="$provider",
        hours=weekly("09:00", "17:00"),
        breaks=weekly("09:00", "10:00"),
    ),
    "a closed date": edit(SET_EXCEPTION, providerId="$provider", date=str(TODAY), isBlocked=True),
    "time off": off,
    "busy elsewhere": elsewhere,
    "notice": edit(UPDATE_PROVIDER, id="$provider", minNoticeMinutes=600),
    "the zone": edit(UPDATE_PROVIDER, id="$provider", timeZone="Asia/Tokyo"),
    "an archived provider": edit(UPDATE_PROVIDER, id="$provider", isArchived=True),
    "notice of the service": edit(UPDATE_SERVICE, id="$service", minNoticeMinutes=600),
    "an archived service": edit(UPDATE_SERVICE, id="$service", isArchived=True),
    "a service that others offer": withdrawn,
    "another booking": booked_by_others,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("when", ["before the look", "after the look", "instead of it"])
async def test_nothing_is_booked_by_what_has_changed(
    api: Api, monkeypatch: pytest.MonkeyPatch, change: Change, when: str
) -> None:
    """The process has read the calendar before; the change is made by itself or another one."""
    provider = await a_provider(api)
    service = await a_service(api, provider)
    answer, went = await way_of(book(api, provider, TEN, serviceId=service["id"]))
    made(answer, "BookingConfirmation")
    assert went == [Way.SHORT]
    happens = partial(change, api, provider, service)
    looked = when == "after the look"
    if looked:
        before_writing(monkeypatch, happens)
    else:
        await happens()
    if when == "instead of it":
        guess(monkeypatch)
    run = noted(monkeypatch)
    answer, went = await way_of(book(api, provider, NINE, serviceId=service["id"]))
    assert run[0] == ("book_as_seen" if when == "instead of it" else "look_before_booking")
    assert answer["__typename"] in {"SlotUnavailableError", "NotFoundError"}, answer
    assert Way.SHORT not in went
    # The constraint refuses what another booking takes.
    overtaken = Way.TAKEN if change is booked_by_others else Way.CHANGED
    assert not looked or went == [overtaken]


OLD_OFFERS: Final = {"an archived service", "a service that others offer"}
"""What is booked can be moved all the same."""


@pytest.mark.parametrize(
    ("name", "go"),
    [
        *((name, go_as_configured) for name in CHANGES),
        ("hours", as_distributed),
        ("another booking", as_distributed),
    ],
)
async def test_nothing_is_moved_by_what_has_changed(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    go: Callable[[pytest.MonkeyPatch, Api], None],
) -> None:
    """After the look, and then before the next one, with the calendar that the process has read."""
    go(monkeypatch, api)
    provider = await a_provider(api)
    service = await a_service(api, provider)
    booked = made(await book(api, provider, ELEVEN, serviceId=service["id"]), "BookingConfirmation")
    answer, went = await way_of(move(api, booked, TEN), MOVED)
    made(answer, "BookingConfirmation")
    assert went == [Way.SHORT]
    before_writing(monkeypatch, partial(CHANGES[name], api, provider, service))
    expected = "BookingConfirmation" if name in OLD_OFFERS else "SlotUnavailableError"
    # The constraint refuses what another booking takes.
    overtaken = Way.TAKEN if CHANGES[name] is booked_by_others else Way.CHANGED
    for went_first in ([overtaken], None):
        answer, went = await way_of(move(api, booked, NINE), MOVED)
        made(answer, expected)
        assert went == went_first if went_first else Way.SHORT not in went


async def test_an_appointment_moves_and_is_cancelled_as_it_is_by_then(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever others make of it after the look, and before the statement that writes."""
    provider = await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")

    async def corrected(booked: Json) -> None:
        values = {"appointmentId": booked["appointment"]["id"], "notes": "By the window"}
        await api.ask(CORRECT, caller=api.admin, input=values)

    async def erased(booked: Json) -> None:
        values = {"id": booked["appointment"]["customer"]["id"]}
        await api.ask(ERASE, caller=api.admin, input=values)

    async def moved(booked: Json) -> None:
        made(await move(api, booked, ELEVEN, caller=api.admin), "BookingConfirmation")

    async def cancelled(booked: Json) -> None:
        made(await cancel(api, booked, caller=api.admin), "Appointment")

    for happens, then_moved, then_cancelled in (
        (corrected, "BookingConfirmation", "Appointment"),
        (moved, "BookingConfirmation", "Appointment"),
        (cancelled, "NotReschedulableError", "Appointment"),
        (erased, "NotFoundError", "NotFoundError"),
    ):
        for kind, expected in ((MOVED, then_moved), (CANCELLED, then_cancelled)):
            booked = made(
                await book(api, provider, NINE, caller=robin, customer=None), "BookingConfirmation"
            )
            before_writing(monkeypatch, partial(happens, booked))
            doing = (
                move(api, booked, TEN, caller=robin)
                if kind is MOVED
                else cancel(api, booked, caller=robin, reason="Robin is ill")
            )
            answer, went = await way_of(doing, kind)
            made(answer, expected)
            assert went == [Way.CHANGED], happens
            versions = [entry["version"] for entry in await history(api, booked)]
            assert versions == list(range(1, len(versions) + 1))
            if happens is erased:
                stored = await api.rows(
                    "SELECT * FROM appointment_history WHERE organization_id = $1",
                    api.organization.id,
                )
                assert "ill" not in str(stored)
                robin = api.customer("robin again", name="Robin", email="robin@example.com")
            await cancel(api, booked, caller=api.admin)
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_a_move_rests_on_the_settings_as_they_are_by_then(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the organization reminds, and whether a customer may be in two places at once."""
    provider, other = await a_provider(api), await a_provider(api)
    kim = api.customer("kim")

    async def settled(**settings: object) -> None:
        await api.ask(UPDATE_ORGANIZATION, caller=api.admin, input=settings)

    made(await book(api, other, NINE, caller=kim, customer=KIM), "BookingConfirmation")
    booked = made(await book(api, provider, ELEVEN, caller=kim), "BookingConfirmation")
    before_writing(monkeypatch, partial(settled, reminderMinutesBefore=[45]))
    answer, went = await way_of(move(api, booked, TEN, caller=kim), MOVED)
    made(answer, "BookingConfirmation")
    assert went == [Way.CHANGED]
    planned = await api.rows(
        "SELECT kind FROM message_outbox WHERE organization_id = $1 AND time_version = 2",
        api.organization.id,
    )
    assert {row["kind"] for row in planned} == {"RESCHEDULED", "BEFORE_45"}

    before_writing(monkeypatch, partial(settled, allowsCustomerOverlap=False))
    answer, went = await way_of(move(api, booked, NINE, caller=kim), MOVED)
    assert made(answer, "SlotUnavailableError")["reasons"] == ["CUSTOMER_BUSY"]
    assert went == [Way.CHANGED]

    # The long way, too, by what it finds once it need not wait any more.
    await settled(allowsCustomerOverlap=True)
    async with transaction(api.resources.pool) as holder:
        await holder.fetch(
            "SELECT id FROM appointment WHERE organization_id = $1 AND id = $2 FOR UPDATE",
            (api.organization.id, key_in(booked["appointment"]["id"])),
        )
        moving = asyncio.create_task(way_of(move(api, booked, NINE, caller=kim), MOVED))
        await blocked_by(api, holder)
        await settled(allowsCustomerOverlap=False)
    answer, went = await moving
    assert made(answer, "SlotUnavailableError")["reasons"] == ["CUSTOMER_BUSY"]
    assert went == [Way.LOCKED]


@pytest.mark.parametrize("kind", [MOVED, CANCELLED])
async def test_an_appointment_that_is_locked_is_waited_for_the_long_way(
    api: Api, kind: AppointmentChangeKind
) -> None:
    """Another change of it is being written, or a message about it."""
    provider = await a_provider(api)
    booked = made(await book(api, provider, NINE), "BookingConfirmation")
    async with transaction(api.resources.pool) as holder:
        await holder.fetch(
            "SELECT id FROM appointment WHERE organization_id = $1 AND id = $2 FOR KEY SHARE",
            (api.organization.id, key_in(booked["appointment"]["id"])),
        )
        doing = asyncio.create_task(
            way_of(move(api, booked, TEN) if kind is MOVED else cancel(api, booked), kind)
        )
        await blocked_by(api, holder)
    answer, went = await doing
    assert "Error" not in answer["__typename"]
    assert went == [Way.LOCKED]


GUEST: Final = {"name": "Ann", "email": "ann@example.com"}
KIM: Final = {"name": "Kim", "email": "kim@example.com"}


def renamed(api: Api, _: Json, kim: str) -> Awaitable[Json]:
    return api.ask(UPDATE_CUSTOMER, caller=api.admin, input={"id": kim, "name": "Kimberly"})


def erased(api: Api, _: Json, kim: str) -> Awaitable[Json]:
    return api.ask(ERASE, caller=api.admin, input={"id": kim})


def reminded(api: Api, *_: object) -> Awaitable[Json]:
    return api.ask(UPDATE_ORGANIZATION, caller=api.admin, input={"reminderMinutesBefore": [45]})


def booked_by_kim(api: Api, other: Json, _: str) -> Awaitable[Json]:
    return book(api, other, ELEVEN, caller=api.customer("kim"), customer=KIM)


def booked_by_a_guest(api: Api, other: Json, _: str) -> Awaitable[Json]:
    return book(api, other, ELEVEN, customer={"name": "Bob", "email": "bob@example.com"})


def key_used(api: Api, other: Json, _: str) -> Awaitable[Json]:
    return book(api, other, ELEVEN, customer=GUEST, idempotencyKey="once")


@pytest.mark.parametrize(
    ("change", "is_known"),
    [
        (renamed, True),
        (erased, True),
        (booked_by_kim, True),
        (booked_by_a_guest, False),
        (reminded, False),
        (key_used, False),
    ],
)
async def test_the_long_way_decides_where_anything_has_changed_since_the_look(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Api, Json, str], Awaitable[Json]],
    *,
    is_known: bool,
) -> None:
    """The customer's record, what counts against limits, the settings, or the key: here the time
    stays free, and no constraint would object.
    """
    monkeypatch.setattr(limit_guests, "counted_origin", lambda *_: b"n" * ORIGIN_BYTES)
    provider, other = await a_provider(api), await a_provider(api)
    caller, customer = (api.customer("kim"), KIM) if is_known else (api.anonymous, GUEST)
    before = await book(api, provider, TEN, caller=caller, customer=customer)
    appointment = made(before, "BookingConfirmation")["appointment"]

    before_writing(
        monkeypatch, partial(change, api, other, (appointment["customer"] or {}).get("id", ""))
    )
    _, went = await way_of(
        book(api, provider, NINE, caller=caller, customer=customer, idempotencyKey="once")
    )
    assert went == [Way.CHANGED]
    _, went = await way_of(book(api, provider, "2026-01-12T12:00Z", customer=GUEST))
    assert went == [Way.SHORT]


@pytest.mark.parametrize("same", [{"customer": GUEST}, {"idempotencyKey": "once"}])
async def test_a_key_or_an_address_that_is_taken_by_then_is_in_no_error(
    api: Api, monkeypatch: pytest.MonkeyPatch, same: Json
) -> None:
    """PostgreSQL logs its errors, and those of constraints have the values in them."""
    provider, other = await a_provider(api), await a_provider(api)
    fetch, errors = store_pool._fetch, list[asyncpg.PostgresError]()

    async def noting(
        connection: store_pool.Connection, sql: str, arguments: Sequence[object]
    ) -> list[asyncpg.Record]:
        try:
            return await fetch(connection, sql, arguments)
        except asyncpg.PostgresError as error:
            errors.append(error)
            raise

    monkeypatch.setattr(store_pool, "_fetch", noting)
    before_writing(monkeypatch, partial(book, api, other, ELEVEN, **same))
    mine: Json = {"customer": {"name": "Bob", "email": "bob@example.com"}} | same
    _, went = await way_of(book(api, provider, NINE, **mine))
    assert went == [Way.TAKEN]
    # An address is looked at before anything is written, and then there is no error at all.
    assert [(each.sqlstate, each.args[0], each.detail) for each in errors] == (
        [(OVERTAKEN, "TAKEN", None)] if "idempotencyKey" in same else []
    )


async def test_a_lock_that_is_taken_is_waited_for_the_long_way(api: Api) -> None:
    """A change of rules that is being written holds it: the booking comes before or after."""
    provider = await a_provider(api)
    made(await book(api, provider, TEN), "BookingConfirmation")
    async with transaction(api.resources.pool) as holder:
        await lock_rules(holder, api.organization.id, [ProviderId(key_in(provider["id"]))])
        booking = asyncio.create_task(way_of(book(api, provider, NINE)))
        await blocked_by(api, holder)
    answer, went = await booking
    made(answer, "BookingConfirmation")
    assert went == [Way.LOCKED]


# ---------------------------------------------------------------- all ways

STARTS: Final = utc(str(TODAY), "08:30", "09:00", "09:30", "10:00", "11:00", "11:01")
BOOKERS: Final = ("ann@example.com", "bob@example.com", "kim")
"""Two guests, and a customer who signs in."""


class Booking(NamedTuple):
    booker: int
    provider: int
    start: int
    service: int
    """None, one of a provider, and one of both providers and a room."""
    key: int


class Moving(NamedTuple):
    which: int
    """Of the appointments, in the order in which they were booked."""
    start: int
    by: int
    key: int
    version: int | None


class Cancelling(NamedTuple):
    which: int
    by: int
    version: int | None


Step: TypeAlias = "Booking | Moving | Cancelling | str"
"""What a client does; or the name of a change."""

some_start: Final = st.integers(0, len(STARTS) - 1)
some_version: Final = st.sampled_from([None, None, None, 1, 2])
bookings: Final = st.builds(
    Booking,
    booker=st.integers(0, len(BOOKERS) - 1),
    provider=st.integers(0, 1),
    start=some_start,
    service=st.integers(0, 2),
    key=st.integers(0, 20),
)
steps: st.SearchStrategy[Step] = st.one_of(
    bookings,
    bookings,
    st.builds(
        Moving,
        which=st.integers(0, 4),
        start=some_start,
        by=st.integers(0, 2),
        key=st.integers(0, 6),
        version=some_version,
    ),
    st.builds(Cancelling, which=st.integers(0, 4), by=st.integers(0, 2), version=some_version),
    st.sampled_from(["a break", "time off", "busy elsewhere", "notice", "notice of the service"]),
)
A_LIFE: Final[list[Step]] = [
    Booking(0, 0, 1, 1, 1),
    Booking(2, 1, 3, 0, 2),
    Booking(1, 0, 4, 2, 3),
    Moving(0, 2, 0, 1, None),
    Moving(0, 2, 0, 1, None),
    Moving(1, 4, 1, 2, 1),
    Moving(1, 1, 2, 3, 2),
    Cancelling(1, 0, 1),
    Cancelling(2, 0, None),
    Moving(0, 4, 1, 4, None),
    Cancelling(0, 1, 3),
    Cancelling(0, 0, None),
    Moving(0, 1, 0, 5, None),
]
"""With what most random histories lack: visits that are moved and cancelled several times."""


class Practice:
    """The same providers and services in an organization of its own; what happens, by one way."""

    def __init__(
        self,
        api: Api,
        providers: Sequence[Json],
        services: Sequence[Json],
        go: Callable[[pytest.MonkeyPatch, Api], None],
    ) -> None:
        self.api = api
        self.providers = providers
        self.services = services
        self.go = go
        self.booked: dict[str, Json] = {}

    @classmethod
    async def opened(cls, beside: Api, go: Callable[[pytest.MonkeyPatch, Api], None]) -> Practice:
        organization = await an_organization(beside.resources)
        api = Api(beside.http, beside.resources, organization, beside.clock)
        providers = [await a_provider(api, bufferMinutes=minutes) for minutes in (0, 15)]
        together = await a_treatment(
            api, *providers, needed=2, rooms=[await a_room(api)], durationMinutes=30
        )
        services = [await a_service(api, *providers), together]
        return cls(api, providers, services, go)

    async def take(self, step: Step) -> object:
        """What a client sees of it, but for ids."""
        if isinstance(step, str):
            await CHANGES[step](self.api, self.providers[0], self.services[0])
            return None
        asked = self._asked(step)
        if asked is None:
            return None
        document, caller, values = asked
        with pytest.MonkeyPatch.context() as way:
            self.go(way, self.api)
            answer = (await self.api.ask(document, caller=caller, input=values))["answer"]
        if document == BOOK and "appointment" in answer:
            self.booked.setdefault(answer["appointment"]["id"], answer)
        return self._without_ids(answer)

    def _asked(self, step: Booking | Moving | Cancelling) -> tuple[str, Caller, Json] | None:
        if isinstance(step, Booking):
            name = BOOKERS[step.booker]
            caller = self.api.customer(name) if step.booker == 2 else self.api.anonymous
            wish = a_booking(
                self.providers[step.provider],
                STARTS[step.start],
                customer={"name": name, "email": name if step.booker < 2 else "kim@example.com"},
                idempotencyKey=f"key-{step.key}",
                **({"serviceId": self.services[step.service - 1]["id"]} if step.service else {}),
            )
            return BOOK, caller, wish
        if not self.booked:
            return None
        which = list(self.booked.values())[step.which % len(self.booked)]
        callers = (self.api.anonymous, self.api.admin, self.api.customer(BOOKERS[2]))
        values = {
            "appointmentId": which["appointment"]["id"],
            "expectedVersion": step.version,
            **({} if step.by else {"manageToken": which["manageToken"]}),
        }
        if isinstance(step, Cancelling):
            return CANCEL, callers[step.by], {**values, "reason": "Away"}
        values |= {"startsAt": STARTS[step.start], "idempotencyKey": f"key-{step.key}"}
        return MOVE, callers[step.by], values

    def _without_ids(self, answer: object) -> object:
        """The answer with the names of providers and the order of appointments for their ids."""
        names = {each["id"]: f"provider {at}" for at, each in enumerate(self.providers)}
        names |= {each: f"appointment {at}" for at, each in enumerate(self.booked)}
        match answer:
            case dict():
                return {
                    key: names.get(value, "another") if key == "id" else self._without_ids(value)
                    for key, value in answer.items()
                    if key not in {"manageToken", "providerId"}
                }
            case list():
                return [self._without_ids(each) for each in answer]
        return answer

    async def rows(self) -> list[list[Json]]:
        """What is stored, but for ids."""
        return [await self.api.rows(sql, self.api.organization.id) for sql in STORED]


STORED: Final = (
    """SELECT status, starts_at, ends_at, contact_email, version, time_version, created_at, notes, seats, named,
        cancelled_at, cancellation_reason, cancellation_fee_minor, ignored,
        guest_origin IS NULL AS is_known FROM appointment WHERE organization_id = $1
        ORDER BY starts_at, contact_email, status, version""",
    """SELECT h.version, kind, actor, actor_subject, from_status, to_status, from_starts_at, to_starts_at, reason
        FROM appointment_history AS h WHERE organization_id = $1
        ORDER BY h.version, kind, from_starts_at, to_starts_at, actor, actor_subject""",
    """SELECT kind, due_at, time_version, by_guest FROM message_outbox WHERE organization_id = $1
        ORDER BY due_at, kind, time_version, by_guest""",
    """SELECT type, version, actor, actor_subject, count(*), count(DISTINCT transaction_id) AS transactions FROM event
        WHERE organization_id = $1 GROUP BY type, version, actor, actor_subject ORDER BY 1, 2, 3, 4""",
    """SELECT mutation, regexp_replace(caller, '^appointment:.*', 'appointment') AS caller, key FROM idempotency_key
        WHERE organization_id = $1 ORDER BY 1, 2, 3""",
    "SELECT name, email, subject FROM customer WHERE organization_id = $1 ORDER BY email, subject",
    """SELECT claimed_from, claimed_until, visit_from, visit_until, unit, active, provider_id IS NULL AS is_rooms
        FROM claim WHERE organization_id = $1 ORDER BY 1, 2, 3, 4, 5, 6, 7""",
    "SELECT day, what, count FROM network_tally WHERE organization_id = $1 ORDER BY day, what",
    "SELECT left(line, 20) AS line FROM customer_word WHERE organization_id = $1 ORDER BY line",
)


WAYS: Final[Sequence[Callable[[pytest.MonkeyPatch, Api], None]]] = (
    lambda way, _: go_the_long_way(way),
    guess,
    as_distributed,
)


async def lived_all_ways(api: Api, history: Sequence[Step]) -> None:
    practices = [await Practice.opened(api, go) for go in WAYS]
    for step in history:
        long, *short = [await practice.take(step) for practice in practices]
        assert short == [long] * len(short), step
    long_rows, *short_rows = [await practice.rows() for practice in practices]
    assert short_rows == [long_rows] * len(short_rows)


histories = st.lists(steps, min_size=4, max_size=14)
anything_goes: Final = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=6, suppress_health_check=anything_goes)
@given(history=histories)
@example(history=A_LIFE)
async def test_all_ways_book_move_and_cancel_the_same(api: Api, history: list[Step]) -> None:
    """Over a random history of what clients do, and of changes: answers and rows."""
    await lived_all_ways(api, history)


@pytest.mark.full
@settings(max_examples=300, suppress_health_check=anything_goes)
@given(history=histories)
async def test_all_ways_do_the_same_for_long(api: Api, history: list[Step]) -> None:
    """The law above, over more of them."""
    await lived_all_ways(api, history)


WRITTEN: Final = {
    "appointment",
    "appointment_history",
    "claim",
    "customer",
    "customer_word",
    "event",
    "idempotency_key",
    "message_outbox",
    "network_tally",
}


async def test_both_ways_fill_every_column_of_a_booking_alike(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever can be said with one: a guest's first booking for a service and another one of
    theirs, that of an account, and one that staff make for somebody they know.
    """
    monkeypatch.setattr(limit_guests, "counted_origin", lambda *_: b"n" * ORIGIN_BYTES)
    stored = []
    for go in (guess, go_as_configured, lambda way, _: go_the_long_way(way)):
        organization = await an_organization(api.resources)
        here = Api(api.http, api.resources, organization, api.clock)
        provider = await a_provider(here, bufferMinutes=5, slotIntervalMinutes=60)
        service = await a_service(
            here,
            provider,
            price={"amountMinor": 1250, "currency": "EUR"},
            cancellationPolicy={
                "freeUntilMinutesBefore": 60,
                "lateCancellation": "FEE",
                "lateFeePercent": 50,
                "graceMinutes": 5,
                "chargesNoShow": True,
            },
        )
        ann = {
            "name": "Ann",
            "email": "ann@example.com",
            "phone": "+4930123456",
            "locale": "de",
            "channels": ["EMAIL"],
        }
        wishes: list[tuple[Caller, Json]] = [
            (
                here.anonymous,
                {
                    "serviceId": service["id"],
                    "customer": ann,
                    "customerTimeZone": "Asia/Tokyo",
                    "notes": "By the window",
                },
            ),
            (here.anonymous, {"customer": ann | {"phone": None}}),
            (here.customer("kim"), {"customer": {"name": "Kim", "email": "kim@example.com"}}),
            (here.admin, {"customer": {"name": "Bob", "email": "bob@example.com"}}),
        ]
        went: list[str] = []
        with pytest.MonkeyPatch.context() as way:
            go(way, here)
            run = noted(way)
            for number, (start, (caller, said)) in enumerate(
                zip(utc(str(TODAY), "09:00", "11:00", "13:00", "15:00"), wishes, strict=True)
            ):
                wish = a_booking(provider, start, idempotencyKey=f"key-{number}") | said
                answer, by = await way_of(here.ask(BOOK, caller=caller, input=wish))
                made(answer["answer"], "BookingConfirmation")
                went += by
        look_and_write = ["look_before_booking", "book_as_seen"]
        assert (went, run) == {
            # Ann has booked before, and Kim is an account.
            guess: (
                [Way.SHORT] * 4,
                [*look_and_write, "book_as_seen", *look_and_write * 2, "book_as_seen"],
            ),
            go_as_configured: ([Way.SHORT] * 4, look_and_write * 4),
        }.get(go, ([], []))
        rows = {
            table: await here.rows(
                f"SELECT to_jsonb({table}) - '{{transaction_id,request_hash}}'::text[] AS row "
                f"FROM {table} WHERE organization_id = $1",
                organization.id,
            )
            for table in sorted(WRITTEN)
        }
        stored.append(
            {
                table: sorted(
                    re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4,12}){4}", "an id", str(row)) for row in of
                )
                for table, of in rows.items()
            }
        )
    at_once, short, long = stored
    assert at_once == short == long
    assert all(short.values()), "nothing was compared"


# ---------------------------------------------------------------- guesses


async def same_guest(api: Api, provider: Json) -> object:
    return await book(api, provider, ELEVEN, customer=GUEST)


async def same_network(api: Api, provider: Json) -> object:
    return await book(api, provider, ELEVEN, customer=KIM)


async def other_settings(api: Api, _: Json) -> object:
    return await reminded(api)


@pytest.mark.parametrize("happened", [same_guest, same_network, other_settings])
async def test_a_guess_that_is_wrong_is_looked_at(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    happened: Callable[[Api, Json], Awaitable[object]],
) -> None:
    """The guest has booked before, or somebody in their network; or the settings have changed."""
    networks = itertools.count()
    monkeypatch.setattr(
        limit_guests,
        "counted_origin",
        lambda *_: (
            next(networks).to_bytes(ORIGIN_BYTES)
            if happened is not same_network
            else b"n" * ORIGIN_BYTES
        ),
    )
    provider = await a_provider(api)
    bob = {"name": "Bob", "email": "bob@example.com"}
    made(await book(api, provider, TEN, customer=bob), "BookingConfirmation")
    await happened(api, provider)
    guess(monkeypatch)
    run = noted(monkeypatch)
    answer, went = await way_of(book(api, provider, NINE, customer=GUEST))
    made(answer, "BookingConfirmation")
    assert went == [Way.SHORT]
    assert run == ["book_as_seen", "look_before_booking", "book_as_seen"]
    planned = await api.rows(
        "SELECT kind FROM message_outbox WHERE organization_id = $1 AND appointment_id = $2",
        api.organization.id,
        key_in(answer["appointment"]["id"]),
    )
    kinds = {"BEFORE_45"} if happened is other_settings else {"HOUR_BEFORE"}
    assert {row["kind"] for row in planned} - {"BOOKED"} == kinds
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_a_retry_of_a_booking_that_was_guessed_gets_it_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = await a_provider(api)
    made(await book(api, provider, TEN), "BookingConfirmation")
    guess(monkeypatch)
    run = noted(monkeypatch)
    wish = a_booking(provider, NINE)
    booked, again = [made(await _asked(api, wish), "BookingConfirmation") for _ in range(2)]
    assert run[:3] == ["book_as_seen", "book_as_seen", "look_before_booking"]
    assert again == booked
    other = {**wish, "startsAt": ELEVEN}
    assert (await _asked(api, other))["__typename"] == "IdempotencyKeyReusedError"


def test_after_wrong_guesses_more_and_more_bookings_look_first() -> None:
    guests, organization_id = new_guests.NewGuests(), OrganizationId(uuid4())
    settings = new_guests.Settings(1, allows_overlap=True, reminders=[60])

    def looks_before_the_next_guess() -> int:
        looks = 0
        while guests.guess(organization_id) is None:
            guests.saw(organization_id, settings)
            looks += 1
        return looks

    assert looks_before_the_next_guess() == 1, "nothing was seen"
    looks = []
    for right in (True, False, False, False, True, True, True, *[False] * 7):
        guests.turned_out(organization_id, right=right)
        looks.append(looks_before_the_next_guess())
    assert looks == [0, 2, 4, 8, 4, 2, 1, 2, 4, 8, 16, 32, 64, 64]


# ---------------------------------------------------------------- races and broken connections


async def test_one_of_sixty_wins_whichever_way_they_go(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other booking goes the long way, and nobody waits in the queue of the provider."""
    provider = await a_provider(api)
    made(await book(api, provider, TEN), "BookingConfirmation")
    at_once = book_at_once.book_at_once
    turn = itertools.count()

    async def every_other(
        resources: Resources, viewer: Viewer, key: RequestKey, wish: BookingWish
    ) -> Written | None:
        return await at_once(resources, viewer, key, wish) if next(turn) % 2 else None

    monkeypatch.setattr(book_appointment, "book_at_once", every_other)
    monkeypatch.setattr(lines, "AT_ONCE", 60)
    answers = await asyncio.gather(*(book(api, provider, NINE) for _ in range(60)))
    assert Counter(answer["__typename"] for answer in answers) == {
        "BookingConfirmation": 1,
        "SlotUnavailableError": 59,
    }
    assert await api.rows(
        "SELECT count(*) AS claims FROM claim WHERE organization_id = $1 AND active",
        api.organization.id,
    ) == [{"claims": 2}]


async def test_sixty_bookings_and_a_change_of_hours_agree_on_an_order(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is booked before the provider's hours end, or refused after."""
    providers = [await a_provider(api) for _ in range(12)]
    for provider in providers:
        made(await book(api, provider, "2026-01-13T16:00:00Z"), "BookingConfirmation")
    monkeypatch.setattr(lines, "AT_ONCE", 60)

    async def close(provider: Json) -> Json:
        never = {"providerId": provider["id"], "hours": []}
        answer: Json = (await api.ask(SET_HOURS, caller=api.admin, input=never))["answer"]
        return answer

    hours = [f"2026-01-12T{hour:02}:00:00Z" for hour in range(9, 14)]
    answers = await asyncio.gather(
        *(book(api, provider, hour) for hour in hours for provider in providers),
        *map(close, providers),
    )
    booked = Counter(answer["__typename"] for answer in answers)
    assert booked["BookingConfirmation"] + booked["SlotUnavailableError"] == 60
    # A transaction gets its id when it first writes, which each of these does under its locks.
    late = await api.rows(
        """SELECT booked.subject_id FROM event AS booked
        WHERE organization_id = $1 AND type = 'APPOINTMENT_BOOKED' AND transaction_id > (
            SELECT max(transaction_id) FROM event
            WHERE organization_id = $1 AND type = 'PROVIDER_CHANGED' AND subject_id = booked.provider_id
        )""",
        api.organization.id,
    )
    assert late == []
    for provider in providers:
        answer, went = await way_of(book(api, provider, "2026-01-12T15:00:00Z"))
        assert answer["__typename"] == "SlotUnavailableError"
        assert Way.SHORT not in went


async def test_a_booking_that_is_guessed_takes_a_connection_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = await a_provider(api)
    made(await book(api, provider, NINE, customer=KIM), "BookingConfirmation")
    guess(monkeypatch)
    only = "mutation ($input: BookAppointmentInput!) { answer: bookAppointment(input: $input) { __typename } }"

    def taken() -> float:
        return REGISTRY.get_sample_value("slotwright_pool_wait_seconds_count") or 0.0

    before = taken()
    _, went = await way_of(api.ask(only, input=a_booking(provider, TEN)))
    assert (went, taken() - before) == ([Way.SHORT], 1)


async def test_a_connection_that_breaks_after_the_commit_books_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The long way finds the key, and so does a retry of the client's."""
    provider = await a_provider(api)
    wish = a_booking(provider, NINE)
    commit = Commits.commit

    async def broken(commits: Commits, writes: Writes) -> None:
        await commit(commits, writes)
        raise DatabaseUnavailableError

    monkeypatch.setattr(Commits, "commit", broken)
    answer, went = await way_of(_asked(api, wish))
    booked = made(answer, "BookingConfirmation")
    assert went == [Way.DISCONNECTED]
    again = made(await _asked(api, wish), "BookingConfirmation")
    assert again["appointment"]["id"] == booked["appointment"]["id"]
    assert (
        len(
            await api.rows(
                "SELECT id FROM appointment WHERE organization_id = $1", api.organization.id
            )
        )
        == 1
    )


@pytest.mark.parametrize("kind", [MOVED, CANCELLED])
async def test_a_connection_that_breaks_after_the_commit_changes_once(
    api: Api, monkeypatch: pytest.MonkeyPatch, kind: AppointmentChangeKind
) -> None:
    """The long way finds the key of the move, or what is cancelled; and so does a retry."""
    booked = made(await book(api, await a_provider(api), NINE), "BookingConfirmation")
    commit = Commits.commit

    async def broken(commits: Commits, writes: Writes) -> None:
        await commit(commits, writes)
        raise DatabaseUnavailableError

    async def change() -> Json:
        if kind is MOVED:
            return await move(api, booked, TEN, idempotencyKey="the same", expectedVersion=1)
        return await cancel(api, booked, expectedVersion=1)

    with pytest.MonkeyPatch.context() as cut:
        cut.setattr(Commits, "commit", broken)
        answer, went = await way_of(change(), kind)
    assert "Error" not in answer["__typename"]
    assert went == [Way.DISCONNECTED]
    assert await change() == answer
    assert [entry["kind"] for entry in await history(api, booked)] == ["BOOKED", kind]


async def _asked(api: Api, wish: Json) -> Json:
    answer: Json = (await api.ask(BOOK, input=wish))["answer"]
    return answer


# ---------------------------------------------------------------- the functions


async def test_every_table_that_a_calendar_is_read_from_raises_the_version_of_the_rules(
    api: Api,
) -> None:
    """But for that of subjects, which has the version. Providers and services are never deleted."""
    read = {*re.findall(r"(?<!epoch )\b(?:FROM|JOIN) ([a-z_]+)", query("calendars").sql)} - {
        "unnest",
        "subject",
    }
    assert read > {"provider", "service", "weekly_hours", "time_off"}
    found = await api.rows(
        """SELECT event_object_table::text AS name, array_agg(DISTINCT event_manipulation::text) AS events
        FROM information_schema.triggers
        WHERE action_statement ~ '(rules_of_(subjects|services)|subject|service)_written'
        GROUP BY event_object_table""",
    )
    events = {row["name"]: sorted(row["events"]) for row in found}
    assert {name: events.get(name) for name in read} == {
        name: ["UPDATE"] if name in {"provider", "service"} else ["DELETE", "INSERT", "UPDATE"]
        for name in read
    }


@pytest.mark.usefixtures("one_postgres")
async def test_its_functions_read_by_indexes_under_one_plan(api: Api) -> None:
    """Whatever was in a table when a connection first ran them."""
    names = ["circumstances_of_booking", "claims_under_lock", "lock_change_as_seen", "try_to_book"]
    found = await api.rows(
        "SELECT proname, proconfig FROM pg_proc WHERE proname = ANY($1) ORDER BY proname", names
    )
    assert [each["proname"] for each in found] == names
    for each in found:
        assert {"plan_cache_mode=force_generic_plan", "enable_seqscan=off"} <= {*each["proconfig"]}
