"""Scalars are strict on the way in and have one form on the way out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

import pytest
from graphql import GraphQLError
from graphql.language import parse_value
from hypothesis import given
from hypothesis import strategies as st

from app.api.words.scalars import (
    SCALARS,
    LocalTime,
    TimeZoneName,
    format_date,
    format_date_time,
    format_local_date_time,
    format_local_time,
    parse_date,
    parse_date_time,
    parse_local_date_time,
    parse_local_time,
    parse_time_zone,
)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-08T09:00:00-05:00", datetime(2026, 3, 8, 14, tzinfo=UTC)),
        ("2026-03-08t14:00:00z", datetime(2026, 3, 8, 14, tzinfo=UTC)),
        ("2026-03-08T14:00:00.5Z", datetime(2026, 3, 8, 14, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-03-08T14:00:00.123456789Z", datetime(2026, 3, 8, 14, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-03-08T14:00:00-00:00", datetime(2026, 3, 8, 14, tzinfo=UTC)),
        ("2999-12-31T23:59:59+14:00", datetime(2999, 12, 31, 9, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_date_time_is_read_as_an_instant_in_utc(text: str, instant: datetime) -> None:
    read = parse_date_time(text)
    assert (read, read.tzinfo) == (instant, UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-08T09:00:00",  # naive
        "2026-03-08",  # a date
        "2026-W10-7T09:00:00Z",  # a week
        "20260308T090000Z",  # ISO 8601's basic form
        "2026-03-08 09:00:00Z",
        "2026-03-08T09:00Z",  # RFC 3339 has seconds
        "2026-03-08T24:00:00Z",
        "2026-03-08T09:00:60Z",  # leap seconds are no instants here
        "2026-02-30T09:00:00Z",
        "0001-01-01T00:00:00+01:00",  # before the year 1
        "0000-01-01T00:00:00Z",
        "2026-03-08T09:00:00+24:00",
        "2026-03-08T09:00:00Z\n",
        "٢٠٢٦-03-08T09:00:00Z",  # digits, but not ours
        "",
        1772979600,
        None,
        True,
        ["2026-03-08T09:00:00Z"],
    ],
)
def test_what_is_no_rfc_3339_instant_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_date_time(value)


def test_an_instant_is_written_in_utc_with_microseconds_only_where_there_are_any() -> None:
    assert (
        format_date_time(datetime(2026, 3, 8, 9, tzinfo=timezone(timedelta(hours=-5))))
        == "2026-03-08T14:00:00Z"
    )
    assert (
        format_date_time(datetime(2026, 3, 8, 9, 0, 0, 10, tzinfo=UTC))
        == "2026-03-08T09:00:00.000010Z"
    )


@pytest.mark.parametrize("value", [datetime(2026, 3, 8, 9), date(2026, 3, 8), 5, None])  # noqa: DTZ001  that is the case
def test_a_naive_time_is_never_written(value: object) -> None:
    with pytest.raises(TypeError):
        format_date_time(value)


# From the year 2 to the year 9998, so that no offset leads out of Python's calendar.
MICROSECONDS = st.integers(-62_103_974_400_000_000, 253_339_228_800_000_000)


@given(MICROSECONDS, st.timezones())
def test_what_is_written_reads_as_the_same_instant(microseconds: int, zone: tzinfo) -> None:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    assert parse_date_time(format_date_time(instant.astimezone(zone))) == instant


@given(st.dates())
def test_a_date_survives_the_round_trip(value: date) -> None:
    assert parse_date(format_date(value)) == value


@pytest.mark.parametrize(
    "value",
    ["2026-02-30", "2026-3-8", "20260308", "2026-W10-7", "2026-03-08T00:00:00Z", "", 5, None],
)
def test_what_is_no_calendar_date_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_date(value)


def test_an_instant_is_not_written_as_a_date() -> None:
    with pytest.raises(TypeError):
        format_date(datetime(2026, 3, 8, tzinfo=UTC))


@given(st.integers(0, 1440))
def test_a_local_time_survives_the_round_trip(minutes: int) -> None:
    assert parse_local_time(format_local_time(minutes)) == minutes


def test_midnight_at_the_end_of_a_day_is_written_24_00() -> None:
    assert parse_local_time("24:00") == LocalTime(1440)
    assert format_local_time(LocalTime(1440)) == "24:00"


@pytest.mark.parametrize(
    "value", ["24:01", "9:00", "09:60", "09:00:00", "0900", "-1:00", "09:00\n", 540, None]
)
def test_what_is_no_wall_clock_reading_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_local_time(value)


@pytest.mark.parametrize("value", [-1, 1441, True, 9.5, None])
def test_a_local_time_outside_the_day_is_never_written(value: object) -> None:
    with pytest.raises(TypeError):
        format_local_time(value)


@given(
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001  readings
        lambda reading: reading.replace(second=0, microsecond=0)
    )
)
def test_a_reading_survives_the_round_trip(reading: datetime) -> None:
    text = reading.isoformat()[:16]
    wall = parse_local_date_time(text)
    assert wall == (reading - datetime(1970, 1, 1)) // timedelta(minutes=1)  # noqa: DTZ001
    assert format_local_date_time(wall) == text


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-08T09:30:00",
        "2026-03-08T09:30Z",
        "2026-03-08T09:30+01:00",
        "2026-03-08 09:30",
        "2026-03-08T24:00",
        "2026-03-08T9:30",
        "2026-02-30T09:30",
        "0000-01-01T00:00",
        "2026-03-08",
        "2026-03-08T09:30\n",
        29_000_000,
        None,
    ],
)
def test_what_no_wall_clock_reads_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_local_date_time(value)


@pytest.mark.parametrize("value", [True, 9.5, None, datetime(2026, 3, 8)])  # noqa: DTZ001
def test_what_is_no_reading_is_never_written(value: object) -> None:
    with pytest.raises(TypeError):
        format_local_date_time(value)


def test_a_zone_is_not_looked_up_here() -> None:
    assert parse_time_zone("Atlantis/Sunken") == TimeZoneName("Atlantis/Sunken")


@pytest.mark.parametrize("value", ["x" * 65, 5, None, ["UTC"]])
def test_a_zone_that_is_no_short_text_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_time_zone(value)


@pytest.mark.parametrize("literal", ["UTC", "5", "5.5", "true", '["UTC"]', '{a: "UTC"}'])
def test_only_strings_are_read_from_a_document(literal: str) -> None:
    """Otherwise the enum-like word `UTC` would pass for the string "UTC"."""
    for scalar in SCALARS.values():
        assert scalar.parse_literal is not None
        with pytest.raises(GraphQLError):
            scalar.parse_literal(parse_value(literal), None)
