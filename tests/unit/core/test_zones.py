"""Zones: one source of tables, names by membership, and instants found from what clocks read."""

from __future__ import annotations

import struct
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from itertools import pairwise

import pytest
from dateutil import tz
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import zones
from tests.unit.core.worlds import CURIOUS_ZONES, changes, dates_in


def at(text: str) -> int:
    return zones.minute_of(datetime.fromisoformat(text))


def test_the_operating_systems_tables_are_never_read() -> None:
    assert zoneinfo.TZPATH == ()
    assert (
        zones.local_text("America/Vancouver", at("2026-12-01T12:00Z"))
        == "2026-12-01T05:00:00-07:00"
    )


def test_the_version_of_the_tables_is_known() -> None:
    assert zones.tzdata_version()[:4].isdigit()
    assert len(zones.tzdata_version()) == 5


@pytest.mark.parametrize(
    "name",
    ["Europe/Berlin", "US/Eastern", "Etc/GMT+5", "UTC", "EST5EDT", "America/Argentina/Ushuaia"],
)
def test_zones_and_their_links_are_known(name: str) -> None:
    assert zones.is_known_zone(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "europe/berlin",
            "Europe/Berlin ",
            "Europe",
            "Mars/Phobos",
            "Europe/Berlin\0",
            "+02:00",
        ),
        *(
            "Factory",
            "localtime",
            "posixrules",
            "posix/UTC",
            "right/UTC",
            "zones",
            "../UTC",
            "/etc/passwd",
        ),
    ],
)
def test_what_is_no_zone_is_unknown(name: str) -> None:
    assert not zones.is_known_zone(name)
    with pytest.raises(zones.UnknownZoneError):
        zones.offset_at(name, 0)


def test_every_known_zone_can_be_computed_with() -> None:
    for zone in zones.known_zones():
        assert -720 <= zones.offset_at(zone, at("2026-06-01T00:00Z")) <= 840


def utc_minutes(first_year: int, last_year: int) -> st.SearchStrategy[int]:
    """Minutes since 1970, of these years."""
    return st.integers(at(f"{first_year}-01-02T00:00Z"), at(f"{last_year}-12-30T00:00Z"))


def transitions(name: str) -> list[tuple[int, int]]:
    """The (UTC seconds, offset in seconds from then on) written in the zone's compiled file (RFC
    8536, version 2 data).
    """
    data = resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    counts = struct.unpack(">6l", data[20:44])
    skip = 44 + counts[3] * 5 + counts[4] * 6 + counts[5] + counts[2] * 8 + counts[1] + counts[0]
    isut, isstd, leaps, times, types, chars = struct.unpack(">6l", data[skip + 20 : skip + 44])
    assert (data[:4], data[skip : skip + 4], leaps) == (b"TZif", b"TZif", 0)
    assert isut + isstd + chars >= 0
    body = skip + 44
    moments = struct.unpack(f">{times}q", data[body : body + 8 * times])
    kinds = data[body + 8 * times : body + 9 * times]
    offsets = [
        struct.unpack(">l", data[at : at + 4])[0]
        for at in range(body + 9 * times, body + 9 * times + 6 * types, 6)
    ]
    return [(moment, offsets[kind]) for moment, kind in zip(moments, kinds, strict=True)]


def test_transitions_are_too_far_apart_to_be_stepped_over_and_offsets_are_whole_minutes() -> None:
    """The two facts about the pinned tables that the search for transitions builds on."""
    first = datetime(1973, 1, 1, tzinfo=UTC).timestamp()
    seen = 0
    for name in zones.known_zones():
        written = [(moment, offset) for moment, offset in transitions(name) if moment >= first]
        seen += len(written)
        assert all(moment % 60 == 0 and offset % 60 == 0 for moment, offset in written)
        assert all(
            after - before > zones._PROBE_MINUTES * 60
            for (before, _), (after, _) in pairwise(written)
        )
    assert seen > 10_000


@pytest.mark.full
def test_every_change_until_2037_happens_at_the_minute_of_the_tables() -> None:
    for name in zones.known_zones():
        table = zoneinfo.ZoneInfo(name)
        for night in changes(name):
            midnight = at(f"{night}T00:00Z")
            for minute in range(midnight, midnight + 1440):
                shown = datetime.fromtimestamp(minute * 60, table)
                assert timedelta(minutes=zones.offset_at(name, minute)) == shown.utcoffset()


@given(st.sampled_from(CURIOUS_ZONES), utc_minutes(1973, 2999))
def test_offsets_dates_and_texts_are_the_tables(zone: str, minute: int) -> None:
    instant = datetime.fromtimestamp(minute * 60, UTC)
    assert (
        zones.minute_of(instant)
        == zones.minute_of(instant + timedelta(microseconds=59_999_999))
        == minute
    )
    shown = instant.astimezone(zoneinfo.ZoneInfo(zone))
    assert zones.instant_of(minute) == instant
    assert timedelta(minutes=zones.offset_at(zone, minute)) == shown.utcoffset()
    assert zones.local_date(zone, minute) == shown.date()
    assert zones.local_text(zone, minute) == shown.isoformat()


@st.composite
def walls(draw: st.DrawFn) -> tuple[str, int]:
    """A zone, and a wall minute there, mostly of a date at or next to a change of its clocks."""
    zone = draw(st.sampled_from(CURIOUS_ZONES))
    return zone, zones.day_number(draw(dates_in(zone))) * 1440 + draw(st.integers(0, 1439))


@given(walls())
@settings(max_examples=500)
def test_a_wall_minute_is_read_as_often_as_dateutil_says(reading: tuple[str, int]) -> None:
    """Once as a rule, never in a gap, twice in a fold."""
    zone, wall = reading
    table = zoneinfo.ZoneInfo(zone)
    naive = datetime.fromtimestamp(wall * 60, UTC).replace(tzinfo=None)
    minute = naive.hour * 60 + naive.minute
    found = zones.reading_intervals(zone, naive.date(), minute, minute + 1)
    # For zones that are not its own, dateutil calls a gap ambiguous too: ask for existence first.
    expected = (1 + tz.datetime_ambiguous(naive, table)) if tz.datetime_exists(naive, table) else 0
    assert sum(end - start for start, end in found) == expected
    for start, _ in found:
        assert zones.instant_of(start).astimezone(table).replace(tzinfo=None) == naive


def test_a_date_is_one_stretch_or_two_or_none() -> None:
    assert zones.date_interval("Pacific/Apia", date(2011, 12, 30)) == ()
    assert zones.date_interval("Pacific/Apia", date(2011, 12, 31)) == (
        (at("2011-12-30T10:00Z"), at("2011-12-31T10:00Z")),
    )
    (only,) = zones.date_interval("America/Havana", date(2026, 3, 8))
    assert only[1] - only[0] == 23 * 60
    first, second = (
        zones.date_interval("America/Scoresbysund", date(2026, 10, 24)),
        zones.date_interval("America/Scoresbysund", date(2026, 10, 25)),
    )
    assert sum(end - start for start, end in first + second) == 49 * 60
    (lord_howe,) = zones.date_interval("Australia/Lord_Howe", date(2026, 4, 5))
    assert lord_howe[1] - lord_howe[0] == 24 * 60 + 30


def test_a_fold_across_midnight_makes_two_stretches_of_a_date() -> None:
    """St. John's turned its clock back from 00:01 to 23:01 of the day before, until 2010."""
    zone, evening, morning = "America/St_Johns", date(2010, 11, 6), date(2010, 11, 7)
    two, later = zones.date_interval(zone, evening), zones.date_interval(zone, morning)
    assert [len(two), len(later)] == [2, 2]
    assert later[0][1] - later[0][0] == 1
    assert zones.dates_touched(zone, later[0][0], later[0][0] + 2) == (evening, morning)


@given(
    st.sampled_from(CURIOUS_ZONES),
    st.dates(date(2009, 1, 1), date(2037, 12, 1)),
    st.integers(1, 4000),
    st.integers(0, 1440),
)
@settings(max_examples=50)
def test_the_dates_a_time_touches_are_those_its_minutes_read(
    zone: str, day: date, length: int, into: int
) -> None:
    start = at(f"{day}T00:00Z") + into
    read = {zones.local_date(zone, minute) for minute in range(start, start + length)}
    assert zones.dates_touched(zone, start, start + length) == tuple(sorted(read))


@given(st.sampled_from(CURIOUS_ZONES), st.integers(730, 13_000), st.integers(1, 60))
def test_local_days_are_plain_only_where_no_transition_is_near(
    zone: str, number: int, count: int
) -> None:
    for day in zones.local_days(zone, number, number + count):
        assert (zones.day_number(day.date), day.date.weekday()) == (day.number, day.weekday)
        base = day.number * 1440
        if day.midnight is not None:
            assert zones.instants_reading(zone, base, base + 2880) == (
                (day.midnight, day.midnight + 2880),
            )
        eras = zones.eras_between(zone, base - 1440, base + 3 * 1440)
        assert (day.midnight is None) == (len(eras) > 1)
        assert all(left[1] == right[0] and left[2] != right[2] for left, right in pairwise(eras))


@pytest.mark.parametrize("zone", CURIOUS_ZONES)
def test_a_reading_of_a_calendar_is_the_first_in_a_fold_and_by_the_offset_before_a_gap(
    zone: str,
) -> None:
    """What Python's fold=0 means, every seven minutes around the changes of some years."""
    table = zoneinfo.ZoneInfo(zone)
    for day in changes(zone)[:8]:
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001  a reading
        for minutes in range(-1440, 2 * 1440, 7):
            reading = midnight + timedelta(minutes=minutes)
            wall = zones.day_number(day) * 1440 + minutes
            expected = zones.minute_of(reading.replace(tzinfo=table).astimezone(UTC))
            assert zones.first_reading(zone, wall) == expected, reading


def test_dates_and_instants_at_the_ends_of_the_calendar_raise_nothing() -> None:
    for zone in CURIOUS_ZONES:
        for text in (
            "0001-01-01T00:00Z",
            "1972-12-31T00:00Z",
            "3000-01-01T00:00Z",
            "9999-12-31T23:59Z",
        ):
            minute = at(text)
            zones.local_date(zone, minute)
            zones.local_days(zone, minute // 1440, minute // 1440 + 2)
            zones.dates_touched(zone, minute, minute + 10)
        assert len(zones.date_interval(zone, date.min)) == 1
        assert len(zones.date_interval(zone, date.max)) == 1
    assert [
        zones.is_supported_date(day) for day in (date.min, date(1972, 12, 31), date(1973, 1, 1))
    ] == [
        False,
        False,
        True,
    ]
    assert [zones.is_supported_date(day) for day in (date(2999, 12, 31), date(3000, 1, 1))] == [
        True,
        False,
    ]


def test_a_date_time_without_an_offset_is_a_bug() -> None:
    with pytest.raises(TypeError):
        zones.minute_of(datetime(2026, 1, 1))  # noqa: DTZ001 - the very mistake
