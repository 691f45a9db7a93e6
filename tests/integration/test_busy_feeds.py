"""What a feed says, as its reader gives it: busy times and readings, of which only differences are
written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import uuid4

from app.core.busy import MOST_PIECES, BusySource, BusyTimes
from app.core.changes import PracticeChanged, TimeChanged
from app.core.events import PROGRAM
from app.core.ids import BusySourceId, ProviderId, ResourceId
from app.core.refusals import InvalidInput, NotFound
from app.core.zones import Interval, minute_of
from app.store.locks import lock_rules
from app.store.pool import transaction
from app.usecases.busy.replace import Published, replace_busy
from app.usecases.events.publish import publish
from tests.builders import (
    NOW,
    REFUSALS,
    Api,
    Json,
    a_provider,
    a_resource,
    instant,
    key_in,
    listed,
    utc,
    weekly,
)

MONDAY: Final = "2026-01-12"
TUESDAY: Final = "2026-01-13"
WINDOW: Final = (minute_of(NOW), minute_of(NOW + timedelta(days=60)))
CHANGE: Final = (
    (
        "mutation ($input: Update%sInput!) "
        f"{{{{ answer: update%s(input: $input) {{{{ __typename {REFUSALS} }}}} }}}}"
    )
    .replace("{{", "{")
    .replace("}}", "}")
)


async def a_feed(api: Api, owner: Json, name: str = "Phone") -> BusySource:
    """A source that is read from a feed."""
    source = BusySource(
        id=BusySourceId(uuid4()),
        subject_id=ProviderId(key_in(owner["id"])),
        name=name,
        url="https://calendar.example/private.ics",
    )
    await api.rows(
        """
        INSERT INTO busy_source (organization_id, id, subject_id, name, url, next_read_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)
        """,
        api.organization.id,
        source.id,
        source.subject_id,
        source.name,
        source.url,
        NOW,
    )
    return source


def at(day: str, start: str, end: str) -> Interval:
    """Minutes of these instants in UTC; readings, where a clock reads them."""
    return minute_of(instant(f"{day}T{start}Z")), minute_of(instant(f"{day}T{end}Z"))


async def read(
    api: Api,
    source: BusySource,
    times: Sequence[Interval] = (),
    readings: Sequence[Interval] = (),
    window: Interval = WINDOW,
) -> Published | InvalidInput | NotFound:
    """The feed was read, and says this."""
    said = BusyTimes(window=window, times=times, readings=readings)
    async with transaction(api.resources.pool) as tx:
        changes = await replace_busy(
            api.resources, tx, api.organization.id, source, said, author=PROGRAM
        )
    if isinstance(changes, tuple):
        await publish(api.resources, *changes)
    return changes


async def stored(api: Api, source: BusySource) -> list[tuple[int, int, bool, str]]:
    """Its pieces, each with the transaction that wrote it."""
    rows = await api.rows(
        """
        SELECT busy_from, busy_until, is_floating, xmin::text AS written_by
        FROM busy_time
        WHERE organization_id = $1 AND source_id = $2
        ORDER BY busy_from
        """,
        api.organization.id,
        source.id,
    )
    return [
        (row["busy_from"], row["busy_until"], row["is_floating"], row["written_by"]) for row in rows
    ]


async def move_to(api: Api, kind: str, owner: Json, zone: str) -> None:
    answer = await api.ask(
        CHANGE % (kind, kind), caller=api.admin, input={"id": owner["id"], "timeZone": zone}
    )
    assert answer["answer"]["__typename"] == kind, answer


async def test_readings_are_busy_where_clocks_read_them_and_follow_the_zone(api: Api) -> None:
    """Times with a zone of their own stay where they are."""
    ada = await a_provider(
        api, timeZone="UTC", weeklyHours=weekly("09:00", "13:00"), serviceDurationMinutes=60
    )
    feed = await a_feed(api, ada)
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "09:00", "10:00", "11:00", "12:00")
    await read(api, feed, [at(TUESDAY, "12:00", "12:30")], [at(TUESDAY, "09:00", "10:00")])
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "10:00", "11:00")
    await move_to(api, "Provider", ada, "Europe/Berlin")
    # Open from 8 to 12 in UTC now, and busy from 8 to 9.
    assert await listed(api, ada, TUESDAY) == utc(TUESDAY, "09:00", "10:00", "11:00")
    (floating, fixed) = await stored(api, feed)
    assert floating[:3] == (*at(TUESDAY, "08:00", "09:00"), True)
    assert fixed[:3] == (*at(TUESDAY, "12:00", "12:30"), False)


async def test_the_readings_of_a_resource_follow_its_zone(api: Api) -> None:
    room = await a_resource(api, timeZone="Asia/Kolkata")
    feed = await a_feed(api, room)
    await read(api, feed, readings=[at(TUESDAY, "09:00", "10:00")])
    assert [each[:2] for each in await stored(api, feed)] == [at(TUESDAY, "03:30", "04:30")]
    await move_to(api, "Resource", room, "UTC")
    assert [each[:2] for each in await stored(api, feed)] == [at(TUESDAY, "09:00", "10:00")]


async def test_a_feed_that_says_the_same_writes_nothing_and_waits_for_nobody(api: Api) -> None:
    """Not even for a booking that runs, nor for a change of the rules."""
    ada = await a_provider(api, timeZone="UTC")
    feed = await a_feed(api, ada)
    times = [at(TUESDAY, "12:00", "12:30"), at(TUESDAY, "12:15", "13:00")]
    readings = [at(TUESDAY, "09:00", "10:00"), at(TUESDAY, "10:00", "11:00")]
    assert await read(api, feed, times, readings)
    before = await stored(api, feed)
    events = "SELECT count(*) AS total FROM event WHERE organization_id = $1"
    (said,) = await api.rows(events, api.organization.id)
    async with transaction(api.resources.pool) as tx:
        await lock_rules(tx, api.organization.id, [feed.subject_id])
        async with asyncio.timeout(60):
            assert await read(api, feed, [*reversed(times)], readings) == ()
    assert await stored(api, feed) == before
    assert await api.rows(events, api.organization.id) == [said]


async def test_only_what_differs_is_written_and_published(api: Api) -> None:
    ada = await a_provider(api, timeZone="UTC")
    feed = await a_feed(api, ada)
    early, late = at(TUESDAY, "09:00", "10:00"), at(TUESDAY, "15:00", "16:00")
    await read(api, feed, [early, late])
    kept = (await stored(api, feed))[1]
    changes = await read(api, feed, [at(TUESDAY, "09:00", "11:00"), late])
    assert isinstance(changes, tuple)
    change, edit = changes
    assert isinstance(change, TimeChanged)
    assert isinstance(edit, PracticeChanged)
    assert (change.claimed_from, change.claimed_until) == at(TUESDAY, "10:00", "11:00")
    assert (await stored(api, feed))[1] == kept


async def test_what_ended_long_ago_is_neither_stored_nor_missed(api: Api) -> None:
    """Otherwise each purge would make the same feed look different."""
    ada = await a_provider(api, timeZone="UTC")
    feed = await a_feed(api, ada)
    long_ago, recent = at("2025-12-01", "09:00", "10:00"), at("2026-01-02", "09:00", "10:00")
    window = (minute_of(NOW - timedelta(days=90)), WINDOW[1])
    readings = [at("2025-12-01", "15:00", "16:00"), at("2026-01-02", "15:00", "16:00")]
    await read(api, feed, [long_ago, recent], readings, window)
    assert [each[0] for each in await stored(api, feed)] == [recent[0], readings[1][0]]
    assert await read(api, feed, [recent], readings[1:], window) == ()
    assert await read(api, feed, [long_ago, recent], readings, window) == ()


async def test_a_source_that_is_removed_meanwhile_gets_no_times(api: Api) -> None:
    ada = await a_provider(api, timeZone="UTC")
    feed = await a_feed(api, ada)
    await api.rows(
        "DELETE FROM busy_source WHERE organization_id = $1 AND id = $2",
        api.organization.id,
        feed.id,
    )
    gone = await read(api, feed, [at(TUESDAY, "09:00", "10:00")])
    assert gone == NotFound(what="busy source")
    assert await stored(api, feed) == []


async def test_a_source_with_too_many_times_keeps_what_it_had(api: Api) -> None:
    ada = await a_provider(api, timeZone="UTC")
    feed = await a_feed(api, ada)
    first = WINDOW[0]
    await read(api, feed, [(first, first + 1)])
    before = await stored(api, feed)
    many = [(first + 2 * each, first + 2 * each + 1) for each in range(MOST_PIECES + 1)]
    refused = await read(api, feed, many)
    assert isinstance(refused, InvalidInput)
    assert await stored(api, feed) == before


async def test_a_resource_s_feed_is_an_event_of_the_resource(api: Api) -> None:
    room = await a_resource(api, timeZone="UTC")
    feed = await a_feed(api, room)
    await read(api, feed, [at(TUESDAY, "09:00", "10:00")])
    rows = await api.rows(
        "SELECT type, actor FROM event WHERE organization_id = $1 AND subject_id = $2 ORDER BY transaction_id",
        api.organization.id,
        ResourceId(key_in(room["id"])),
    )
    assert rows[-1] == {"type": "RESOURCE_CHANGED", "actor": "SYSTEM"}
