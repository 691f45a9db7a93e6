"""Live appointments: each change is sent at least once, to the subscribers who may see it at that
moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TypeAlias

import pytest

from app.api.operation.loaders import EventLoaders
from app.core.ids import AppointmentId
from app.core.refusals import NotAllowed
from app.core.viewer import Role, Viewer
from app.live.pace import Pace
from app.standins.embedded import Servers
from app.store import pool as store_pool
from app.store.pool import DatabaseUnavailableError
from app.store.sql import Record, catalogue
from app.usecases.booking.close_appointment import complete_what_ended
from app.usecases.callers.identify import identify, with_records
from app.usecases.events.watch_appointments import AppointmentNews, watch_appointments
from app.usecases.resources import Resources
from tests.builders import Api, Caller, Json, a_provider, key_in, weekly
from tests.integration.live.subscriber import (
    PATIENCE_SECONDS,
    SUSPICIOUS,
    a_process,
    joined,
    load_for,
    until,
)
from tests.lives import booked, cancel, move, no_show

HOURS = weekly("09:00", "12:00")

UPDATE_PROVIDER = """
    mutation ($input: UpdateProviderInput!) {
        answer: updateProvider(input: $input) { __typename ... on UserError { message } }
    }
"""


RENEW = """
    mutation ($input: RenewManageTokenInput!) {
        answer: renewManageToken(input: $input) { __typename ... on BookingConfirmation { manageToken } }
    }
"""


class Follower:
    """Keeps the news that they received."""

    def __init__(self, events: AsyncGenerator[AppointmentNews | NotAllowed, None]) -> None:
        self.events = events
        self._waiting: asyncio.Future[AppointmentNews | NotAllowed] | None = None

    async def next(self) -> AppointmentNews:
        news = await self._next_within(PATIENCE_SECONDS)
        assert isinstance(news, AppointmentNews), news
        return news

    async def gets(self, *kinds: str) -> list[AppointmentNews]:
        news = [await self.next() for _ in kinds]
        assert [each.kind for each in news] == list(kinds)
        return news

    async def gets_nothing(self) -> None:
        assert await self._next_within(0.15) is None

    async def _next_within(self, seconds: float) -> AppointmentNews | NotAllowed | None:
        if self._waiting is None:
            self._waiting = asyncio.ensure_future(anext(self.events))
        if not (await asyncio.wait({self._waiting}, timeout=seconds))[0]:
            return None
        waiting, self._waiting = self._waiting, None
        return waiting.result()

    async def refused(self) -> NotAllowed:
        """The refusal that ends their news."""
        refusal = await self._next_within(PATIENCE_SECONDS)
        assert isinstance(refusal, NotAllowed)
        assert await anext(self.events, None) is None
        return refusal

    async def leave(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)
        await self.events.aclose()


Following: TypeAlias = Callable[[Resources, Viewer], "Follower"]


@pytest.fixture
async def following() -> AsyncIterator[Following]:
    """Subscribes, and leaves when the test is over."""
    async with AsyncExitStack() as stack:

        def subscribe(resources: Resources, viewer: Viewer) -> Follower:
            follower = Follower(
                watch_appointments(resources, viewer, load_for=partial(load_for, resources))
            )
            stack.push_async_callback(follower.leave)
            return follower

        yield subscribe


async def viewer_of(api: Api, caller: Caller) -> Viewer:
    viewer = await identify(
        api.resources, authorization=f"Bearer {caller.token}", organization=None
    )
    assert isinstance(viewer, Viewer), viewer
    return viewer


async def ready(resources: Resources, api: Api, *followers: Follower) -> None:
    """Subscribed and up to date: what comes from now on is later."""
    for follower in followers:
        await follower.gets_nothing()
    await joined(resources, api)


async def test_changes_of_a_first_booking_arrive_while_its_customer_is_being_looked_up(
    api: Api, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, may_look = await a_provider(api, weeklyHours=HOURS), asyncio.Event()
    ann, bob = (
        api.customer("ann", name="Ann", email="ann@example.com"),
        api.customer("bob", name="Bob"),
    )

    async def with_records_later(resources: Resources, viewer: Viewer) -> Viewer:
        if viewer.role is Role.CUSTOMER:
            await may_look.wait()
        return await with_records(resources, viewer)

    monkeypatch.setattr("app.usecases.events.watch_appointments.with_records", with_records_later)
    async with a_process(api) as here:
        viewers = [await viewer_of(api, caller) for caller in (ann, bob, api.admin)]
        of_ann, of_bob, of_admin = followers = [following(here, viewer) for viewer in viewers]
        await ready(here, api, *followers)
        mine = await booked(api, ada, "2026-01-12T09:00Z", caller=ann)
        await of_admin.gets("BOOKED")
        await cancel(api, mine, caller=ann)
        await of_admin.gets("CANCELLED")
        may_look.set()
        await of_ann.gets("BOOKED", "CANCELLED")
        await of_bob.gets_nothing()


async def test_each_sees_their_own_and_nobody_elses(api: Api, following: Following) -> None:
    """A customer theirs, from their first booking on; a provider theirs; an administrator all."""
    ada, bea = await a_provider(api, weeklyHours=HOURS), await a_provider(api, weeklyHours=HOURS)
    ann, bob = (
        api.customer("ann", name="Ann", email="ann@example.com"),
        api.customer("bob", name="Bob"),
    )
    async with a_process(api) as here:
        viewers = [
            await viewer_of(api, caller) for caller in (ann, bob, api.acting_for(ada), api.admin)
        ]
        of_ann, of_bob, of_ada, of_admin = followers = [
            following(here, viewer) for viewer in viewers
        ]
        await ready(here, api, *followers)
        with_ada = await booked(api, ada, "2026-01-12T09:00Z", caller=ann)
        (first,) = await of_ann.gets("BOOKED")
        assert first.viewer.sees_record(first.appointment.customer_id)
        await of_ada.gets("BOOKED")
        await of_admin.gets("BOOKED")
        await booked(
            api, bea, "2026-01-12T09:00Z", customer={"name": "Guest", "email": "guest@example.com"}
        )
        await of_admin.gets("BOOKED")
        await move(api, with_ada, "2026-01-12T10:00Z", caller=ann)
        await cancel(api, with_ada, caller=ann)
        for follower in (of_ann, of_ada, of_admin):
            moved, cancelled = await follower.gets("RESCHEDULED", "CANCELLED")
            assert (
                moved.appointment.id
                == cancelled.appointment.id
                == key_in(with_ada["appointment"]["id"])
            )
        for follower in followers:
            await follower.gets_nothing()
        assert of_bob is not of_ann


async def test_a_completed_appointment_is_news(api: Api, following: Following) -> None:
    """Completed by the program, corrected by the provider."""
    ada = await a_provider(api, weeklyHours=HOURS)
    visit = await booked(api, ada, "2026-01-12T09:00Z")
    async with a_process(api) as here:
        follower = following(here, await viewer_of(api, api.acting_for(ada)))
        await ready(here, api, follower)
        api.clock.set("2026-01-12T10:00Z")
        await complete_what_ended(api.resources)
        await follower.gets("COMPLETED")
        await no_show(api, visit, caller=api.acting_for(ada))
        await follower.gets("NO_SHOW")


async def test_a_manage_token_watches_its_one_appointment(api: Api, following: Following) -> None:
    ada = await a_provider(api, weeklyHours=HOURS)
    mine, other = (
        await booked(api, ada, "2026-01-12T09:00Z"),
        await booked(api, ada, "2026-01-12T10:00Z"),
    )
    async with a_process(api) as here:
        follower = following(here, await viewer_of(api, Caller(token=mine["manageToken"])))
        await ready(here, api, follower)
        await cancel(api, other)
        await follower.gets_nothing()
        await cancel(api, mine)
        (news,) = await follower.gets("CANCELLED")
        assert not news.viewer.sees_record(news.appointment.customer_id)


async def test_nobody_in_particular_has_nothing_to_watch(api: Api, following: Following) -> None:
    async with a_process(api) as here:
        await following(here, Viewer(organization_id=api.organization.id)).refused()
        assert here.feed.subscribers == 0


async def test_another_organization_is_another_world(api: Api, following: Following) -> None:
    other = await api.another_organization()
    theirs = await a_provider(api, of=other)
    async with a_process(api) as here:
        follower = following(here, await viewer_of(api, api.admin))
        await ready(here, api, follower)
        await booked(api, theirs, "2026-01-12T09:00Z", caller=other.anonymous)
        await follower.gets_nothing()


async def test_permission_is_asked_at_every_event(api: Api, following: Following) -> None:
    """A provider whose subject is given to somebody else gets no more news; the other one gets it from
    then on.
    """
    ada = await a_provider(api, weeklyHours=HOURS)
    before, after = api.acting_for(ada), api.acting_for({"subject": "her-successor"})
    async with a_process(api) as here:
        followers = [following(here, await viewer_of(api, caller)) for caller in (before, after)]
        await ready(here, api, *followers)
        visit = await booked(api, ada, "2026-01-12T09:00Z")
        await followers[0].gets("BOOKED")
        values: Json = {"id": ada["id"], "subject": "her-successor"}
        data = await api.ask(UPDATE_PROVIDER, caller=api.admin, input=values)
        assert data["answer"]["__typename"] == "Provider"
        await followers[1].gets_nothing()
        await cancel(api, visit)
        await followers[1].gets("CANCELLED")
        await followers[0].gets_nothing()


async def test_a_change_without_an_event_is_found(api: Api, following: Following) -> None:
    """A message that was lost; and nothing is delivered twice."""
    ada = await a_provider(api, weeklyHours=HOURS)
    told = await booked(api, ada, "2026-01-12T09:00Z")
    async with a_process(api, SUSPICIOUS) as here:
        follower = following(here, await viewer_of(api, api.admin))
        await ready(here, api, follower)
        await cancel(api, told)
        await follower.gets("CANCELLED")
        silent = await booked(api, ada, "2026-01-12T10:00Z")
        await follower.gets("BOOKED")
        await api.rows(
            """
            WITH moved AS (
                UPDATE appointment SET version = 2, time_version = 2 WHERE organization_id = $1 AND id = $2 RETURNING *
            )
            INSERT INTO appointment_history (organization_id, appointment_id, version, kind, occurred_at, actor,
                from_status, to_status, from_starts_at, to_starts_at)
            SELECT organization_id, id, 2, 'RESCHEDULED', created_at, 'ADMIN', status, status, starts_at, starts_at
            FROM moved
            RETURNING version
            """,
            api.organization.id,
            key_in(silent["appointment"]["id"]),
        )
        (news,) = await follower.gets("RESCHEDULED")
        assert news.appointment.version == 2
        assert here.feed.counts.repaired >= 1
        await follower.gets_nothing()


async def test_a_slow_follower_keeps_the_newest_of_each(api: Api, following: Following) -> None:
    """Beyond a bound, older changes of the same appointment give way."""
    ada = await a_provider(api, weeklyHours=HOURS)
    async with a_process(api, Pace(most_pending=2)) as here:
        follower = following(here, await viewer_of(api, api.admin))
        await ready(here, api, follower)
        await follower.leave()
        slow = following(here, await viewer_of(api, api.admin))
        waiting = asyncio.ensure_future(anext(slow.events))
        await until(lambda: here.feed.subscribers)
        visit = await booked(api, ada, "2026-01-12T09:00Z")
        assert (await waiting).appointment.version == 1  # type: ignore[union-attr]
        for hour in (10, 11, 9, 10):
            await move(api, visit, f"2026-01-12T{hour:02}:00Z")
        await cancel(api, visit)
        await joined(here, api)
        await asyncio.sleep(0.2)
        assert (await slow.next()).kind == "CANCELLED"
        await slow.gets_nothing()


async def test_an_appointment_is_read_once_for_all_subscribers_of_its_change(
    api: Api, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await a_provider(api, weeklyHours=HOURS)
    sent: list[str] = []
    fetch = store_pool._fetch

    async def fetch_and_note(
        connection: store_pool.Connection, sql: str, arguments: Sequence[object]
    ) -> list[Record]:
        sent.append(sql)
        return await fetch(connection, sql, arguments)

    async with a_process(api) as here:
        followers = [following(here, await viewer_of(api, api.admin)) for _ in range(20)]
        await ready(here, api, *followers)
        visit = await booked(api, ada, "2026-01-12T09:00Z")
        for follower in followers:
            await follower.gets("BOOKED")
        waiting = [asyncio.ensure_future(follower.gets("CANCELLED")) for follower in followers]
        monkeypatch.setattr(store_pool, "_fetch", fetch_and_note)
        await cancel(api, visit)
        told = [news for (news,) in await asyncio.gather(*waiting)]
    assert {news.appointment.status for news in told} == {"CANCELLED"}
    assert sent.count(catalogue()["appointment_by_ids"].sql) == 1


async def test_a_look_up_that_failed_is_made_again_for_the_next_subscriber(
    api: Api, own_postgres: Servers
) -> None:
    loaders = EventLoaders(api.resources, api.organization.id)
    unknown = AppointmentId(api.organization.id)
    own_postgres.stop_postgres()
    with pytest.raises(DatabaseUnavailableError):
        await loaders.appointment.load(unknown)
    own_postgres.start_postgres()
    assert await loaders.appointment.load(unknown) is None


async def test_who_leaves_leaves_nothing_behind(api: Api, following: Following) -> None:
    async with a_process(api) as here:
        followers = [following(here, await viewer_of(api, api.admin)) for _ in range(3)]
        await ready(here, api, *followers)
        for follower in followers:
            await follower.leave()
        assert here.feed.subscribers == 0
        await until(lambda: here.feed.running == 0)


async def test_a_new_manage_link_ends_what_the_one_before_it_watches(
    api: Api, following: Following
) -> None:
    """Its bearer gets no more news; the bearer of the new one does."""
    ada = await a_provider(api, weeklyHours=HOURS)
    mine = await booked(api, ada, "2026-01-12T09:00Z")
    async with a_process(api) as here:
        follower = following(here, await viewer_of(api, Caller(token=mine["manageToken"])))
        of_ada = following(here, await viewer_of(api, api.acting_for(ada)))
        await ready(here, api, follower, of_ada)
        values = {"appointmentId": mine["appointment"]["id"]}
        answer = (await api.ask(RENEW, caller=api.admin, input=values))["answer"]
        await of_ada.gets("CORRECTED")
        assert "no longer valid" in (await follower.refused()).message
        again = following(here, await viewer_of(api, Caller(token=answer["manageToken"])))
        await ready(here, api, again)
        await cancel(api, mine, caller=api.admin)
        (news,) = await again.gets("CANCELLED")
        assert news.appointment.id == key_in(values["appointmentId"])
