"""The worker reads calendar feeds: when they are due, each by itself, and so that a failing one
makes nobody free.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

import pytest

from app.busy_feeds.readers import Readers
from app.core.busy import BusySource
from app.core.ids import BusySourceId, ProviderId
from app.core.viewer import Role, Viewer
from app.jobs.schedule import CRON_JOBS, FEED_JOBS
from app.notify.email import Begin, Letter
from app.notify.outcome import Outcome, Sent, TemporaryFailure
from app.notify.senders import Senders
from app.settings import Settings
from app.store.busy_feeds import insert_feed
from app.store.pool import transaction
from app.usecases.busy.add_feed import add_busy_feed
from app.usecases.busy.read_feeds import read_feeds
from app.usecases.practice.edit_hours import Owner
from app.usecases.practice.edit_organization import change_organization
from app.usecases.resources import Resources
from app.usecases.upkeep.measure_lags import Feeds, measure_feeds
from tests.builders import (
    NOW,
    REFUSALS,
    Api,
    Json,
    a_provider,
    a_resource,
    book,
    key_in,
    listed,
    running,
    utc,
    weekly,
)
from tests.unit.busy_feeds.calendars import event, ics
from tests.unit.outgoing.servers import Talk, answer, served, silent

TUESDAY: Final = "2026-01-13"
OPEN: Final = utc(TUESDAY, "09:00", "10:00", "11:00", "12:00")

TEN = ics(event("DTSTART:20260113T100000Z", "DTEND:20260113T110000Z"))
ELEVEN = ics(event("DTSTART:20260113T110000Z", "DTEND:20260113T120000Z"))

QUARTER = timedelta(minutes=17)
"""Longer than the longest time between two readings."""


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    """On a database of its own: feeds of all organizations are read."""
    settings = Settings.from_environment(
        environment | {"SLOTWRIGHT_OUTGOING_NETWORKS": "127.0.0.0/8"}
    )
    async with running(settings) as own:
        yield await own.api()


async def ada(api: Api, **changes: object) -> Json:
    values = {"weeklyHours": weekly("09:00", "13:00"), "timeZone": "UTC", **changes}
    return await a_provider(api, of=None, **values)


async def a_feed(api: Api, owner: Json, url: str, name: str = "Phone") -> BusySource:
    source = BusySource(
        id=BusySourceId(uuid4()), subject_id=ProviderId(key_in(owner["id"])), name=name, url=url
    )
    async with transaction(api.resources.pool) as tx:
        await insert_feed(tx, api.organization.id, source, api.clock())
    return source


async def state(api: Api, source: BusySource) -> Json:
    (row,) = await api.rows("SELECT * FROM busy_source WHERE id = $1", source.id)
    return row


class Says:
    """What a server answers to its next requests, and the last one from then on."""

    def __init__(self, *talks: Talk) -> None:
        self._talks = list(talks)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = self._talks.pop(0) if len(self._talks) > 1 else self._talks[0]
        await talk(reader, writer)


async def test_a_feed_is_read_when_it_is_due_and_asked_whether_it_has_changed(api: Api) -> None:
    provider = await ada(api)
    not_modified = answer(status="304 Not Modified")
    says = Says(
        answer(TEN, headers=('ETag: "one"', "Last-Modified: Mon, 05 Jan 2026 09:00:00 GMT")),
        not_modified,
        answer(ELEVEN),
        answer(ELEVEN),
    )
    async with served(says) as server:
        feed = await a_feed(api, provider, server.url)
        assert await listed(api, provider, TUESDAY) == OPEN
        assert await read_feeds(api.resources) == {"changed": 1}
        assert await listed(api, provider, TUESDAY) == utc(TUESDAY, "09:00", "11:00", "12:00")
        assert await read_feeds(api.resources) == {}
        row = await state(api, feed)
        assert (row["last_read_at"], row["problem"], row["leased_until"]) == (NOW, None, None)
        assert timedelta(minutes=14) <= row["next_read_at"] - NOW <= timedelta(minutes=16)
        assert "if-none-match" not in server.heads[0].lower()

        api.clock.set(NOW + QUARTER)
        assert await read_feeds(api.resources) == {"not_modified": 1}
        assert 'If-None-Match: "one"' in server.heads[1]
        assert "If-Modified-Since: Mon, 05 Jan 2026 09:00:00 GMT" in server.heads[1]
        assert (await state(api, feed))["last_read_at"] == NOW + QUARTER
        assert await listed(api, provider, TUESDAY) == utc(TUESDAY, "09:00", "11:00", "12:00")

        api.clock.set(NOW + 2 * QUARTER)
        assert await read_feeds(api.resources) == {"changed": 1}
        assert await listed(api, provider, TUESDAY) == utc(TUESDAY, "09:00", "10:00", "12:00")

        api.clock.set(NOW + 3 * QUARTER)
        assert await read_feeds(api.resources) == {"unchanged": 1}


async def test_a_feed_is_read_whole_again_before_bookings_reach_beyond_it(api: Api) -> None:
    """A series without an end is there for as long as it goes on, though the file never changes."""
    provider = await ada(api)
    series = ics(event("DTSTART:20260106T100000Z", "DTEND:20260106T110000Z", "RRULE:FREQ=WEEKLY"))
    whole = answer(series, headers=('ETag: "one"',))
    async with served(Says(whole, answer(status="304 Not Modified"), whole)) as server:
        feed = await a_feed(api, provider, server.url)
        for days in (0, 1, 3):
            api.clock.set(NOW + timedelta(days=days))
            await read_feeds(api.resources)
        asked = ["if-none-match" in head.lower() for head in server.heads]
        assert asked == [False, True, False]
        (row,) = await api.rows(
            "SELECT max(busy_from) AS last FROM busy_time WHERE source_id = $1", feed.id
        )
        assert row["last"] > (NOW + timedelta(days=366 - 7)).timestamp() / 60


async def test_a_day_of_a_feed_is_one_of_its_owners_zone(api: Api) -> None:
    provider = await ada(api, timeZone="America/New_York", weeklyHours=weekly("09:00", "11:00"))
    holiday = ics(event("DTSTART;VALUE=DATE:20260113", "DTEND;VALUE=DATE:20260114"))
    async with served(answer(holiday)) as server:
        await a_feed(api, provider, server.url)
        assert await read_feeds(api.resources) == {"changed": 1}
    assert await listed(api, provider, TUESDAY) == []
    assert await listed(api, provider, "2026-01-14") == utc("2026-01-14", "14:00", "15:00")


FAILURES: Final = {
    "500": (answer(status="500 Oops"), "The server answered with status 500."),
    "404": (answer(status="404 Not Found"), "The server answered with status 404."),
    "304 to nothing": (
        answer(status="304 Not Modified"),
        "The server answered with status 304.",
    ),
    "a page": (
        answer(b"<title>Sign in</title>"),
        "The answer is not a whole iCalendar file.",
    ),
    "cut": (answer(TEN[:-20]), "The answer is not a whole iCalendar file."),
    "too long": (
        answer(b"x" * 5_000_001),
        "The calendar is longer than 5 MB.",
    ),
    "not http": (answer(status="no 1"), "The answer is not valid HTTP."),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_feed_that_fails_keeps_what_it_said_and_says_so(api: Api, failure: str) -> None:
    provider = await ada(api)
    talk, problem = FAILURES[failure]
    async with served(Says(answer(TEN), talk, talk, answer(ELEVEN))) as server:
        feed = await a_feed(api, provider, server.url)
        await read_feeds(api.resources)
        for turn in (1, 2):
            api.clock.set(NOW + turn * QUARTER)
            assert await read_feeds(api.resources) == {"failed": 1}
            row = await state(api, feed)
            assert (row["failing_since"], row["problem"]) == (NOW + QUARTER, problem)
            assert row["last_read_at"] == NOW
        assert await listed(api, provider, TUESDAY) == utc(TUESDAY, "09:00", "11:00", "12:00")
        api.clock.set(NOW + 3 * QUARTER)
        assert await read_feeds(api.resources) == {"changed": 1}
        row = await state(api, feed)
        assert (row["failing_since"], row["problem"]) == (None, None)
        assert await listed(api, provider, TUESDAY) == utc(TUESDAY, "09:00", "10:00", "12:00")


async def test_a_feed_that_failed_for_a_day_is_tried_every_hour(api: Api) -> None:
    provider = await ada(api)
    async with served(answer(status="500 Oops")) as server:
        feed = await a_feed(api, provider, server.url)
        for hours, minutes in ((0, 15), (23, 15), (24, 60), (48, 60)):
            now = NOW + timedelta(hours=hours)
            api.clock.set(now)
            assert await read_feeds(api.resources) == {"failed": 1}
            pause = (await state(api, feed))["next_read_at"] - now
            assert abs(pause - timedelta(minutes=minutes)) <= timedelta(minutes=1), hours


async def test_a_calendar_that_is_too_much_to_read_is_tried_every_hour(api: Api) -> None:
    """And keeps the others from their child process once an hour only."""
    provider = await ada(api)
    never = ics(event("DTSTART:20260301T090000Z", "RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"))
    readers = Readers(seconds=0.5)
    async with served(answer(never)) as server:
        feed = await a_feed(api, provider, server.url)
        resources = replace(api.resources, feed_readers=readers)
        assert await read_feeds(resources) == {"failed": 1}
        await readers.close()
    row = await state(api, feed)
    assert row["problem"] == "The calendar takes too long to read."
    assert row["next_read_at"] - NOW >= timedelta(minutes=59)


async def test_nobody_listens_and_no_private_address_is_called(api: Api) -> None:
    provider = await ada(api)
    async with served(silent) as closed:
        pass
    gone = await a_feed(api, provider, closed.url, "Gone")
    inside = await a_feed(api, provider, "https://169.254.169.254/latest", "Inside")
    assert await read_feeds(api.resources) == {"failed": 2}
    assert (await state(api, gone))["problem"] == "The connection failed."
    assert (await state(api, inside))["problem"] == (
        "This address is not public, so it can't be called."
    )


async def test_events_that_can_not_be_read_are_counted(api: Api) -> None:
    provider = await ada(api)
    some = TEN.replace(b"END:VCALENDAR", b"BEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR")
    async with served(answer(some)) as server:
        feed = await a_feed(api, provider, server.url)
        assert await read_feeds(api.resources) == {"changed": 1}
    row = await state(api, feed)
    assert row["problem"] == "One event can't be read, at least not wholly."
    assert row["failing_since"] is None
    assert await listed(api, provider, TUESDAY) == utc(TUESDAY, "09:00", "11:00", "12:00")


async def test_our_own_invitations_are_left_out_and_those_of_others_are_not(api: Api) -> None:
    provider = await ada(api)
    booked = await book(api, provider, f"{TUESDAY}T09:00Z")
    own = key_in(booked["appointment"]["id"])
    both = ics(
        event("DTSTART:20260113T090000Z", "DURATION:PT1H", uid=f"{own}@slotwright"),
        event("DTSTART:20260113T100000Z", "DURATION:PT1H", uid=f"{uuid4()}@slotwright"),
    )
    async with served(answer(both)) as server:
        feed = await a_feed(api, provider, server.url)
        assert await read_feeds(api.resources) == {"changed": 1}
    rows = await api.rows("SELECT busy_from FROM busy_time WHERE source_id = $1", feed.id)
    assert len(rows) == 1
    assert await listed(api, provider, TUESDAY) == utc(TUESDAY, "11:00", "12:00")


async def test_a_slow_feed_delays_no_other(api: Api) -> None:
    """The slow one is longest due, and the fast one is read while the other still is."""
    provider = await ada(api)
    async with served(silent) as slow, served(answer(TEN)) as fast:
        await a_feed(api, provider, slow.url, "Slow")
        api.clock.set(NOW + timedelta(seconds=1))
        await a_feed(api, provider, fast.url, "Fast")
        reading = asyncio.create_task(read_feeds(api.resources))
        try:
            while await listed(api, provider, TUESDAY) == OPEN:
                assert not reading.done(), reading.result()
                await asyncio.sleep(0.05)
            assert slow.connections == 1
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def test_workers_share_the_feeds(api: Api) -> None:
    """Each feed is read once, however many workers there are."""
    provider = await ada(api)
    async with served(answer(TEN)) as server:
        for number in range(8):
            await a_feed(api, provider, server.url, f"Feed {number}")
        counts = await asyncio.gather(*(read_feeds(api.resources) for _ in range(3)))
        assert sum(sum(count.values()) for count in counts) == 8
        assert server.connections == 8


async def test_a_lease_that_ended_is_taken_over(api: Api) -> None:
    provider = await ada(api)
    async with served(answer(TEN)) as server:
        feed = await a_feed(api, provider, server.url)
        await api.rows(
            "UPDATE busy_source SET leased_until = $2 WHERE id = $1",
            feed.id,
            NOW + timedelta(minutes=5),
        )
        assert await read_feeds(api.resources) == {}
        api.clock.set(NOW + timedelta(minutes=5))
        assert await read_feeds(api.resources) == {"changed": 1}


# ---------------------------------------------------------------- the mail


class Post:
    """A mail server that keeps what it gets."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.letters: list[Letter] = []

    async def send(self, begin: Begin) -> Outcome | None:
        letter = await begin()
        assert letter is not None
        self.letters.append(letter)
        return self._outcomes.pop(0) if self._outcomes else Sent()

    async def aclose(self) -> None:
        pass


def mailing(api: Api, post: Post) -> Resources:
    messaging = replace(api.resources.messaging, senders=Senders(email=post, sms=None))
    return replace(api.resources, messaging=messaging)


async def test_a_provider_is_told_once_after_a_day(api: Api) -> None:
    """And again when it fails once more after it could be read."""
    provider = await ada(api, email="ada@salon.example", name="Ada")
    post = Post(TemporaryFailure(detail="busy"))
    resources = mailing(api, post)
    broken = answer(status="404 Not Found")
    talks = Says(broken, broken, broken, broken, broken, answer(TEN), broken, broken)
    async with served(talks) as server:
        feed = await a_feed(api, provider, server.url, "Private")
        hours = [(0, 0), (23, 0), (24, 1), (26, 2), (50, 2), (60, 2)]
        hours += [(61, 2), (86, 3)]
        for hour, letters in hours:
            api.clock.set(NOW + timedelta(hours=hour))
            assert sum((await read_feeds(resources)).values()) == 1
            assert len(post.letters) == letters, hour
        assert (await state(api, feed))["warned_at"] is not None
    first, again, other = post.letters
    assert (first.to_address, first.to_name) == ("ada@salon.example", "Ada")
    assert first.content.subject == "Your calendar “Private” can't be read"
    assert "Problem: The server answered with status 404." in first.content.text
    assert again.message_id == first.message_id != other.message_id


async def test_a_provider_is_told_in_their_language(api: Api) -> None:
    provider = await ada(api, email="ada@salon.example", locale="de-AT", timeZone="Europe/Vienna")
    post = Post()
    async with served(answer(status="500 Oops")) as server:
        await a_feed(api, provider, server.url, "Privat")
        for hours in (0, 25):
            api.clock.set(NOW + timedelta(hours=hours))
            await read_feeds(mailing(api, post))
    (letter,) = post.letters
    assert letter.content.subject == "Ihr Kalender „Privat“ kann nicht gelesen werden"
    assert letter.content.language == "de"


async def test_the_administrators_are_told_of_a_resource_and_of_who_has_no_address(
    api: Api,
) -> None:
    await change_organization(
        api.resources,
        Viewer(organization_id=api.organization.id, role=Role.ADMIN),
        {"email": "office@salon.example", "locale": "de"},
    )
    provider = await ada(api, email=None, name="Ada")
    room = await a_resource(api, name="Raum 1")
    post = Post()
    async with served(answer(status="500 Oops")) as server:
        await a_feed(api, provider, server.url, "Privat")
        await a_feed(api, room, server.url, "Belegung")
        for hours in (0, 25):
            api.clock.set(NOW + timedelta(hours=hours))
            await read_feeds(mailing(api, post))
    assert {(letter.to_address, letter.content.subject) for letter in post.letters} == {
        ("office@salon.example", "Der Kalender „Privat“ von Ada kann nicht gelesen werden"),
        ("office@salon.example", "Der Kalender „Belegung“ von Raum 1 kann nicht gelesen werden"),
    }
    assert "ist Raum 1 nicht buchbar" in "".join(letter.content.text for letter in post.letters)


async def test_a_new_feed_is_read_at_once(api: Api) -> None:
    """Its mutation wakes the worker, by the name of a job that it has."""
    provider = ProviderId(key_in((await ada(api))["id"]))
    woken: list[str] = []
    resources = replace(api.resources, wake_feed_readers=lambda: woken.extend(FEED_JOBS))
    viewer = Viewer(organization_id=api.organization.id, role=Role.ADMIN)
    url = "https://calendar.example.com/private.ics"
    added = await add_busy_feed(
        resources, viewer, Owner(provider_id=provider), name="Private", url=url
    )
    assert isinstance(added, BusySource)
    assert woken == ["read_feeds"]
    assert set(woken) <= {job.name for job in CRON_JOBS}


async def test_without_an_address_nobody_is_told(api: Api) -> None:
    provider = await ada(api, email=None)
    post = Post()
    async with served(answer(status="500 Oops")) as server:
        await a_feed(api, provider, server.url)
        for hours in (0, 25):
            api.clock.set(NOW + timedelta(hours=hours))
            assert await read_feeds(mailing(api, post)) == {"failed": 1}
    assert post.letters == []


# ---------------------------------------------------------------- adding one

ADD: Final = f"""
    mutation ($input: AddBusyFeedInput!) {{
        answer: addBusyFeed(input: $input) {{
            __typename
            ... on BusySource {{ id name url lastReadAt failingSince problem }}
            {REFUSALS}
        }}
    }}
"""
SOURCES: Final = """
    query ($id: ID!) { provider(id: $id) { busySources { name url lastReadAt failingSince problem } } }
"""


async def test_a_provider_adds_their_calendar_and_sees_how_it_is_read(api: Api) -> None:
    provider = await ada(api)
    caller = api.acting_for(provider)
    async with served(Says(answer(TEN), answer(status="410 Gone"))) as server:
        given = {"providerId": provider["id"], "name": "Phone", "url": f" {server.url} "}
        added = (await api.ask(ADD, caller=caller, input=given))["answer"]
        unread = {"url": server.url, "lastReadAt": None, "failingSince": None, "problem": None}
        assert added == {
            "__typename": "BusySource",
            "id": added["id"],
            "name": "Phone",
            **unread,
        }
        now = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
        failing: Json = {"failingSince": None, "problem": None}
        for turn in (0, 1):
            api.clock.set(NOW + turn * QUARTER)
            await read_feeds(api.resources)
            (seen,) = (await api.ask(SOURCES, caller=caller, id=provider["id"]))["provider"][
                "busySources"
            ]
            assert seen == {"name": "Phone", "url": server.url, "lastReadAt": now, **failing}
            failing = {
                "failingSince": f"{NOW + QUARTER:%Y-%m-%dT%H:%M:%SZ}",
                "problem": "The server answered with status 410.",
            }
    assert await listed(api, provider, TUESDAY) == utc(TUESDAY, "09:00", "11:00", "12:00")


async def test_an_address_to_subscribe_to_is_one_of_https(api: Api) -> None:
    given = {"name": "Phone", "url": "webcal://p1.icloud.example/published/2/abc"}
    provider = await ada(api)
    given["providerId"] = provider["id"]
    added = (await api.ask(ADD, caller=api.admin, input=given))["answer"]
    assert added["url"] == "https://p1.icloud.example/published/2/abc"


async def test_a_feed_that_can_not_be_added_is_refused(api: Api) -> None:
    provider = await ada(api)
    good = {"providerId": provider["id"], "name": "Phone", "url": "https://calendar.example/a.ics"}
    for field, changes in (
        ("url", {"url": "http://8.8.8.8/a.ics"}),
        ("url", {"url": "https://10.0.0.1/a.ics"}),
        ("url", {"url": "https://me:secret@calendar.example/a.ics"}),
        ("url", {"url": "https://calendar.example:22/a.ics"}),
        ("url", {"url": "calendar"}),
        ("name", {"name": " "}),
        ("name", {"name": "x" * 101}),
    ):
        refused = (await api.ask(ADD, caller=api.admin, input=good | changes))["answer"]
        assert (refused["__typename"], refused["field"]) == ("InvalidInputError", field), changes
    assert (await api.ask(ADD, caller=api.admin, input=good))["answer"]["name"] == "Phone"
    again = (await api.ask(ADD, caller=api.admin, input=good))["answer"]
    assert again["message"] == "Another source has this name already."
    for number in range(19):
        await a_feed(api, provider, "https://calendar.example/", f"Feed {number}")
    full = (await api.ask(ADD, caller=api.admin, input=good | {"name": "More"}))["answer"]
    assert full["message"] == "At most 20 sources are kept."


async def test_feeds_are_counted_by_how_they_fare(api: Api) -> None:
    provider = await ada(api)
    async with served(answer(status="500 Oops")) as server:
        await a_feed(api, provider, server.url)
        assert await measure_feeds(api.resources) == Feeds(failing=0, lag=timedelta(0))
        api.clock.set(NOW + timedelta(minutes=3))
        assert await measure_feeds(api.resources) == Feeds(failing=0, lag=timedelta(minutes=3))
        await read_feeds(api.resources)
        assert await measure_feeds(api.resources) == Feeds(failing=1, lag=timedelta(0))
