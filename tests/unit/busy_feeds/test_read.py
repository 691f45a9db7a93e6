"""What feeds say, compared with expansions by hand. Instants are in UTC."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.busy_feeds.read import NOT_A_CALENDAR, TOO_MUCH, read_feed
from tests.unit.busy_feeds.calendars import (
    W_EUROPE,
    at,
    event,
    floating,
    ics,
    instants,
    nothing,
    read,
    spans,
)

WINDOW = {"first": at("2026-01-01T00:00"), "last": at("2027-01-01T00:00")}

# ---------------------------------------------------------------- single events


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("DTSTART:20260301T090000Z", "DTEND:20260301T100000Z"), ["2026-03-01T09:00/10:00"]),
        (("DTSTART:20260301T090000Z", "DURATION:PT1H30M"), ["2026-03-01T09:00/10:30"]),
        (("DTSTART:20260301T090000Z", "DURATION:P1W"), ["2026-03-01T09:00/2026-03-08T09:00"]),
        (("DTSTART:20260301T090000Z", "DURATION:P1DT2H"), ["2026-03-01T09:00/2026-03-02T11:00"]),
        (("DTSTART:20260301T090030Z", "DTEND:20260301T100030Z"), ["2026-03-01T09:00/10:01"]),
        (
            (
                "DTSTART;TZID=Europe/Berlin:20260301T090000",
                "DTEND;TZID=Europe/Berlin:20260301T100000",
            ),
            ["2026-03-01T08:00/09:00"],
        ),
        (
            (
                'DTSTART;TZID="Europe/Berlin":20260701T090000',
                "DTEND;TZID=America/New_York:20260701T090000",
            ),
            ["2026-07-01T07:00/13:00"],
        ),
        # an instant makes nobody busy, nor does an end before the start
        (("DTSTART:20260301T090000Z",), []),
        (("DTSTART:20260301T090000Z", "DTEND:20260301T090000Z"), []),
        (("DTSTART:20260301T090000Z", "DTEND:20260301T080000Z"), []),
        (("DTSTART:20260301T090000Z", "DURATION:-PT1H"), []),
        # the window's edges cut
        (("DTSTART:20251231T230000Z", "DTEND:20260101T010000Z"), ["2026-01-01T00:00/01:00"]),
        (
            ("DTSTART:20261231T230000Z", "DTEND:20270101T010000Z"),
            ["2026-12-31T23:00/2027-01-01T00:00"],
        ),
        (("DTSTART:20251231T230000Z", "DTEND:20260101T000000Z"), []),
    ],
)
def test_a_single_event(lines: tuple[str, ...], expected: list[str]) -> None:
    assert instants(ics(event(*lines))) == expected


@pytest.mark.parametrize(
    "line",
    [
        "TRANSP:TRANSPARENT",
        "TRANSP:transparent",
        "STATUS:CANCELLED",
        "X-MICROSOFT-CDO-BUSYSTATUS:FREE",
    ],
)
def test_what_is_cancelled_or_free_makes_nobody_busy(line: str) -> None:
    found = read(ics(event("DTSTART:20260301T090000Z", "DTEND:20260301T100000Z", line)))
    assert nothing(found.busy)
    assert found.unread == 0


@pytest.mark.parametrize(
    "line",
    [
        "TRANSP:OPAQUE",
        "STATUS:TENTATIVE",
        "STATUS:CONFIRMED",
        "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE",
        "X-MICROSOFT-CDO-BUSYSTATUS:OOF",
    ],
)
def test_what_is_tentative_makes_busy(line: str) -> None:
    data = ics(event("DTSTART:20260301T090000Z", "DTEND:20260301T100000Z", line))
    assert instants(data) == ["2026-03-01T09:00/10:00"]


def test_touching_and_overlapping_times_are_one() -> None:
    hours = [("09", "10"), ("10", "11"), ("1030", "12"), ("13", "14"), ("13", "14")]
    events = [
        event(
            f"DTSTART:20260301T{start:0<6}Z",
            f"DTEND:20260301T{end:0<6}Z",
            uid=f"{number}@example.com",
        )
        for number, (start, end) in enumerate(hours)
    ]
    assert instants(ics(*events)) == ["2026-03-01T09:00/12:00", "2026-03-01T13:00/14:00"]


# ---------------------------------------------------------------- dates and floating times


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ("DTSTART;VALUE=DATE:20260301", "DTEND;VALUE=DATE:20260302"),
            ["2026-03-01T00:00/2026-03-02T00:00"],
        ),
        (
            ("DTSTART;VALUE=DATE:20260301", "DTEND;VALUE=DATE:20260304"),
            ["2026-03-01T00:00/2026-03-04T00:00"],
        ),
        (("DTSTART;VALUE=DATE:20260301",), ["2026-03-01T00:00/2026-03-02T00:00"]),
        (("DTSTART:20260301",), ["2026-03-01T00:00/2026-03-02T00:00"]),
        (
            ("DTSTART;VALUE=DATE:20260301", "DTEND;VALUE=DATE:20260301"),
            ["2026-03-01T00:00/2026-03-02T00:00"],
        ),
        (("DTSTART;VALUE=DATE:20260301", "DURATION:P2D"), ["2026-03-01T00:00/2026-03-03T00:00"]),
        (("DTSTART:20260301T090000", "DTEND:20260301T100000"), ["2026-03-01T09:00/10:00"]),
        (("DTSTART:20260301T230000", "DURATION:PT2H"), ["2026-03-01T23:00/2026-03-02T01:00"]),
        (
            ("DTSTART:20260301T090000", "DTEND:20260301T100000", "RRULE:FREQ=DAILY;COUNT=2"),
            ["2026-03-01T09:00/10:00", "2026-03-02T09:00/10:00"],
        ),
        (
            (
                "DTSTART:20260301T090000",
                "DTEND:20260301T100000",
                "RRULE:FREQ=DAILY;UNTIL=20260302T090000Z",
            ),
            ["2026-03-01T09:00/10:00", "2026-03-02T09:00/10:00"],
        ),
    ],
)
def test_dates_and_floating_times_are_kept_as_read(
    lines: tuple[str, ...], expected: list[str]
) -> None:
    assert floating(ics(event(*lines))) == expected


def test_a_calendars_own_zone_is_that_of_its_floating_times() -> None:
    """X-WR-TIMEZONE, as Google and Apple write it. Dates stay dates, UTC stays UTC."""
    head = "X-WR-TIMEZONE:America/New_York"
    data = ics(
        event("DTSTART:20260115T090000", "DTEND:20260115T100000", uid="a"),
        event("DTSTART:20260701T090000", "DTEND:20260701T100000", uid="b"),
        event("DTSTART:20260702T090000Z", "DTEND:20260702T100000Z", uid="c"),
        event("DTSTART;VALUE=DATE:20260801", "DTEND;VALUE=DATE:20260802", uid="d"),
        head=head,
    )
    found = read(data)
    assert spans(found.busy.instants) == [
        "2026-01-15T14:00/15:00",
        "2026-07-01T13:00/14:00",
        "2026-07-02T09:00/10:00",
    ]
    assert spans(found.busy.floating) == ["2026-08-01T00:00/2026-08-02T00:00"]


def test_a_zone_that_nobody_knows_floats() -> None:
    data = ics(event("DTSTART;TZID=Nowhere:20260301T090000", "DTEND;TZID=Nowhere:20260301T100000"))
    assert floating(data) == ["2026-03-01T09:00/10:00"]


# ---------------------------------------------------------------- zones


@pytest.mark.parametrize(
    "tzid",
    [
        "Europe/Berlin",
        "europe/berlin",
        "W. Europe Standard Time",
        "w. europe standard time",
        "/mozilla.org/20050126_1/Europe/Berlin",
        "/freeassociation.sourceforge.net/Europe/Berlin",
    ],
)
def test_names_of_zones(tzid: str) -> None:
    data = ics(event(f"DTSTART;TZID={tzid}:20260701T090000", f"DTEND;TZID={tzid}:20260701T100000"))
    assert instants(data) == ["2026-07-01T07:00/08:00"]


@pytest.mark.parametrize(
    ("tzid", "expected"),
    [
        ("Eastern Standard Time", "2026-07-01T13:00/14:00"),
        ("Pacific Standard Time", "2026-07-01T16:00/17:00"),
        ("GMT Standard Time", "2026-07-01T08:00/09:00"),
        ("Romance Standard Time", "2026-07-01T07:00/08:00"),
        ("Tokyo Standard Time", "2026-07-01T00:00/01:00"),
        ("India Standard Time", "2026-07-01T03:30/04:30"),
        ("America/Argentina/Salta", "2026-07-01T12:00/13:00"),
        ("/x/America/Argentina/Salta", "2026-07-01T12:00/13:00"),
        ("UTC", "2026-07-01T09:00/10:00"),
        ("Etc/GMT-3", "2026-07-01T06:00/07:00"),
    ],
)
def test_windows_names_and_others(tzid: str, expected: str) -> None:
    data = ics(event(f"DTSTART;TZID={tzid}:20260701T090000", f"DTEND;TZID={tzid}:20260701T100000"))
    assert instants(data) == [expected]


@pytest.mark.parametrize(
    "tzid", ["Customized Time Zone", "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"]
)
def test_a_zone_by_its_own_rules(tzid: str) -> None:
    """Also in its gaps and folds: a reading in the gap is read by the offset before, one in the fold
    is the first of the two.
    """
    times = {
        "20260115T090000": "2026-01-15T08:00/09:00",
        "20260328T090000": "2026-03-28T08:00/09:00",
        "20260329T015900": "2026-03-29T00:59/01:59",
        "20260329T090000": "2026-03-29T07:00/08:00",
        "20261025T010000": "2026-10-24T23:00/2026-10-25T00:00",
        "20261025T090000": "2026-10-25T08:00/09:00",
    }
    events = [event(f'DTSTART;TZID="{tzid}":{time}', "DURATION:PT1H", uid=time) for time in times]
    assert instants(ics(W_EUROPE.format(tzid=tzid), *events)) == list(times.values())


def test_the_tables_and_a_feeds_own_rules_agree_minute_by_minute() -> None:
    """Around both changes of clocks of the year."""
    readings = [
        f"{day}T{time}00"
        for day in ("20260328", "20260329", "20260330", "20261024", "20261025", "20261026")
        for time in ("0000", "0130", "0159", "0200", "0230", "0259", "0300", "0330", "1200")
    ]
    clocks = [
        instants(
            ics(
                W_EUROPE.format(tzid=tzid),
                *(
                    event(f"DTSTART;TZID={tzid}:{reading}", "DURATION:PT1M", uid=reading)
                    for reading in readings
                ),
            )
        )
        for tzid in ("Custom", "Europe/Berlin")
    ]
    assert clocks[0] == clocks[1]
    assert len(clocks[0]) > 40


def test_a_zone_of_one_offset_and_a_zone_with_a_location() -> None:
    fixed = """
        BEGIN:VTIMEZONE
        TZID:Fixed
        BEGIN:STANDARD
        DTSTART:19700101T000000
        TZOFFSETFROM:-0330
        TZOFFSETTO:-0330
        END:STANDARD
        END:VTIMEZONE
    """
    located = """
        BEGIN:VTIMEZONE
        TZID:Custom Berlin
        X-LIC-LOCATION:Europe/Berlin
        BEGIN:STANDARD
        DTSTART:19700101T000000
        TZOFFSETFROM:+0000
        TZOFFSETTO:+0000
        END:STANDARD
        END:VTIMEZONE
    """
    data = ics(
        fixed,
        located,
        event("DTSTART;TZID=Fixed:20260701T090000", "DURATION:PT1H", uid="a"),
        event("DTSTART;TZID=Custom Berlin:20260702T090000", "DURATION:PT1H", uid="b"),
    )
    assert instants(data) == ["2026-07-01T12:30/13:30", "2026-07-02T07:00/08:00"]


def test_a_zone_whose_rules_ended() -> None:
    """UNTIL of a zone is in UTC; dates say the rest."""
    zone = """
        BEGIN:VTIMEZONE
        TZID:Ended
        BEGIN:STANDARD
        DTSTART:20001029T030000
        TZOFFSETFROM:+0200
        TZOFFSETTO:+0100
        RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;UNTIL=20251026T010000Z
        END:STANDARD
        BEGIN:DAYLIGHT
        DTSTART:20010325T020000
        TZOFFSETFROM:+0100
        TZOFFSETTO:+0200
        RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;UNTIL=20250330T010000Z
        RDATE:20260510T020000
        END:DAYLIGHT
        END:VTIMEZONE
    """
    data = ics(
        zone,
        event("DTSTART;TZID=Ended:20260401T090000", "DURATION:PT1H", uid="a"),
        event("DTSTART;TZID=Ended:20260601T090000", "DURATION:PT1H", uid="b"),
        event("DTSTART;TZID=Ended:20261201T090000", "DURATION:PT1H", uid="c"),
    )
    assert instants(data) == [
        "2026-04-01T08:00/09:00",
        "2026-06-01T07:00/08:00",
        "2026-12-01T07:00/08:00",
    ]


def test_a_zone_with_broken_rules_floats_and_spoils_nothing_else() -> None:
    zone = """
        BEGIN:VTIMEZONE
        TZID:Broken
        BEGIN:STANDARD
        DTSTART:19700101T000000
        TZOFFSETFROM:+9999
        TZOFFSETTO:later
        END:STANDARD
        END:VTIMEZONE
    """
    found = read(
        ics(
            zone,
            event("DTSTART;TZID=Broken:20260701T090000", "DURATION:PT1H", uid="a"),
            event("DTSTART:20260702T090000Z", "DURATION:PT1H", uid="b"),
        )
    )
    assert spans(found.busy.floating) == ["2026-07-01T09:00/10:00"]
    assert spans(found.busy.instants) == ["2026-07-02T09:00/10:00"]


# ---------------------------------------------------------------- series


BERLIN = ("DTSTART;TZID=Europe/Berlin:20260323T090000", "DTEND;TZID=Europe/Berlin:20260323T100000")
"""A Monday in the last week of winter time."""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            "RRULE:FREQ=WEEKLY;COUNT=3",
            ["2026-03-23T08:00/09:00", "2026-03-30T07:00/08:00", "2026-04-06T07:00/08:00"],
        ),
        (
            "RRULE:FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20260330T065959Z",
            ["2026-03-23T08:00/09:00", "2026-03-25T08:00/09:00"],
        ),
        (
            "RRULE:FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20260330T070000Z",
            ["2026-03-23T08:00/09:00", "2026-03-25T08:00/09:00", "2026-03-30T07:00/08:00"],
        ),
        (
            "RRULE:FREQ=WEEKLY;UNTIL=20260330",
            ["2026-03-23T08:00/09:00", "2026-03-30T07:00/08:00"],
        ),
        (
            "RRULE:FREQ=WEEKLY;UNTIL=20260330T090000",
            ["2026-03-23T08:00/09:00", "2026-03-30T07:00/08:00"],
        ),
        (
            "RRULE:FREQ=WEEKLY;INTERVAL=2;WKST=SU;COUNT=2",
            ["2026-03-23T08:00/09:00", "2026-04-06T07:00/08:00"],
        ),
        (
            "RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=2",  # the first time counts, though it is no Friday
            ["2026-03-23T08:00/09:00", "2026-03-27T08:00/09:00", "2026-04-24T07:00/08:00"],
        ),
        (
            "RRULE:FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2",
            ["2026-03-23T08:00/09:00", "2026-03-31T07:00/08:00", "2026-05-31T07:00/08:00"],
        ),
        (
            "RRULE:FREQ=YEARLY;COUNT=5",
            ["2026-03-23T08:00/09:00"],
        ),
        (
            "rrule:freq=weekly;count=2",
            ["2026-03-23T08:00/09:00", "2026-03-30T07:00/08:00"],
        ),
    ],
)
def test_a_series(rule: str, expected: list[str]) -> None:
    assert instants(ics(event(*BERLIN, rule))) == expected


def test_a_series_from_long_ago_is_expanded_in_the_window_only() -> None:
    data = ics(
        event(
            "DTSTART;TZID=America/New_York:20010101T083000",
            "DTEND;TZID=America/New_York:20010101T090000",
            "RRULE:FREQ=WEEKLY;BYDAY=MO",
        )
    )
    assert instants(data, first="2026-03-01T00:00", last="2026-03-16T00:00") == [
        "2026-03-02T13:30/14:00",
        "2026-03-09T12:30/13:00",
    ]


def test_an_occurrence_that_began_before_the_window_counts() -> None:
    data = ics(event("DTSTART:20250101T220000Z", "DTEND:20250104T060000Z", "RRULE:FREQ=WEEKLY"))
    assert instants(data, first="2026-01-02T00:00", last="2026-01-08T00:00") == [
        "2026-01-02T00:00/2026-01-03T06:00",
        "2026-01-07T22:00/2026-01-08T00:00",
    ]


def test_dates_are_added_and_left_out() -> None:
    data = ics(
        event(
            *BERLIN,
            "RRULE:FREQ=DAILY;COUNT=5",
            "EXDATE;TZID=Europe/Berlin:20260324T090000,20260325T090000",
            "EXDATE:20260326T080000Z",
            "RDATE;TZID=Europe/Berlin:20260401T120000",
            "RDATE;VALUE=PERIOD:20260402T090000Z/20260402T093000Z,20260403T090000Z/PT2H",
        )
    )
    assert instants(data) == [
        "2026-03-23T08:00/09:00",
        "2026-03-27T08:00/09:00",
        "2026-04-01T10:00/11:00",
        "2026-04-02T09:00/09:30",
        "2026-04-03T09:00/11:00",
    ]


def test_the_first_time_can_be_left_out() -> None:
    data = ics(
        event(*BERLIN, "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE;TZID=Europe/Berlin:20260323T090000")
    )
    assert instants(data) == ["2026-03-30T07:00/08:00"]


def test_a_date_leaves_out_whatever_is_on_it() -> None:
    data = ics(event(*BERLIN, "RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:20260324"))
    assert instants(data) == ["2026-03-23T08:00/09:00", "2026-03-25T08:00/09:00"]


def test_a_rule_of_exceptions() -> None:
    data = ics(event(*BERLIN, "RRULE:FREQ=DAILY;COUNT=4", "EXRULE:FREQ=DAILY;INTERVAL=2;COUNT=2"))
    assert instants(data) == ["2026-03-24T08:00/09:00", "2026-03-26T08:00/09:00"]


def test_a_series_of_dates_with_exceptions() -> None:
    data = ics(
        event(
            "DTSTART;VALUE=DATE:20260501",
            "DTEND;VALUE=DATE:20260503",
            "RRULE:FREQ=WEEKLY;UNTIL=20260522",
            "EXDATE;VALUE=DATE:20260508",
            "RDATE;VALUE=DATE:20260601",
        )
    )
    assert floating(data) == [
        "2026-05-01T00:00/2026-05-03T00:00",
        "2026-05-15T00:00/2026-05-17T00:00",
        "2026-05-22T00:00/2026-05-24T00:00",
        "2026-06-01T00:00/2026-06-03T00:00",
    ]


# ---------------------------------------------------------------- changed instances


def series(*changes: str, rule: str = "RRULE:FREQ=DAILY;COUNT=4") -> bytes:
    return ics(event(*BERLIN, rule, "SEQUENCE:1"), *changes)


def test_an_instance_is_moved() -> None:
    moved = event(
        "RECURRENCE-ID;TZID=Europe/Berlin:20260324T090000",
        "DTSTART;TZID=Europe/Berlin:20260324T150000",
        "DTEND;TZID=Europe/Berlin:20260324T163000",
    )
    expected = [
        "2026-03-23T08:00/09:00",
        "2026-03-24T14:00/15:30",
        "2026-03-25T08:00/09:00",
        "2026-03-26T08:00/09:00",
    ]
    assert instants(series(moved)) == expected
    # however the instance is named
    for name in ("RECURRENCE-ID:20260324T080000Z", "RECURRENCE-ID;VALUE=DATE:20260324"):
        other = moved.replace("RECURRENCE-ID;TZID=Europe/Berlin:20260324T090000", name)
        assert instants(series(other)) == expected
    # and wherever the change is in the file
    assert instants(ics(moved, event(*BERLIN, "RRULE:FREQ=DAILY;COUNT=4"))) == expected


def test_an_instance_is_cancelled_or_made_free() -> None:
    for line in ("STATUS:CANCELLED", "TRANSP:TRANSPARENT"):
        changed = event("RECURRENCE-ID:20260324T080000Z", *BERLIN, line)
        assert instants(series(changed, rule="RRULE:FREQ=DAILY;COUNT=2")) == [
            "2026-03-23T08:00/09:00"
        ]


def test_an_instance_that_is_left_out_and_also_moved_counts_where_it_was_moved_to() -> None:
    """Android's calendars leave out what they move. Others may mean that it is gone: nobody is
    booked at what may be taken.
    """
    series = event(
        "DTSTART:20260301T090000Z",
        "DURATION:PT1H",
        "RRULE:FREQ=DAILY;COUNT=2",
        "EXDATE:20260302T090000Z",
    )
    moved = event("RECURRENCE-ID:20260302T090000Z", "DTSTART:20260304T120000Z", "DURATION:PT1H")
    assert instants(ics(series, moved)) == ["2026-03-01T09:00/10:00", "2026-03-04T12:00/13:00"]


def test_an_instance_is_moved_into_the_window_and_out_of_it() -> None:
    """The window is of the 24th only."""
    window = {"first": "2026-03-24T00:00", "last": "2026-03-25T00:00"}
    moved_out = event("RECURRENCE-ID:20260324T080000Z", "DTSTART:20260424T080000Z", "DURATION:PT1H")
    moved_in = event("RECURRENCE-ID:20260326T080000Z", "DTSTART:20260324T200000Z", "DURATION:PT1H")
    assert instants(series(moved_out), **window) == []
    assert instants(series(moved_out, moved_in), **window) == ["2026-03-24T20:00/21:00"]


def test_an_instance_without_its_series_is_an_event() -> None:
    """An invitation to one date of somebody else's series."""
    data = ics(event("RECURRENCE-ID:20260324T080000Z", "DTSTART:20260324T090000Z", "DURATION:PT1H"))
    assert instants(data) == ["2026-03-24T09:00/10:00"]


def test_the_newest_version_counts() -> None:
    old = event(
        "RECURRENCE-ID:20260324T080000Z", "DTSTART:20260324T120000Z", "DURATION:PT1H", "SEQUENCE:2"
    )
    new = event(
        "RECURRENCE-ID:20260324T080000Z", "DTSTART:20260324T140000Z", "DURATION:PT1H", "SEQUENCE:3"
    )
    expected = ["2026-03-23T08:00/09:00", "2026-03-24T14:00/15:00"]
    rule = "RRULE:FREQ=DAILY;COUNT=2"
    assert (
        instants(series(old, new, rule=rule)) == instants(series(new, old, rule=rule)) == expected
    )
    older_series = event("DTSTART:20260101T080000Z", "DURATION:PT1H", "SEQUENCE:0")
    assert instants(series(older_series, new, rule=rule)) == expected


def test_an_instance_is_changed_with_all_later_ones() -> None:
    """RANGE=THISANDFUTURE: from the third on half an hour later and longer; the fifth is moved by
    itself, and from the sixth on nothing takes place.
    """
    data = series(
        event(
            "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260325T090000",
            "DTSTART;TZID=Europe/Berlin:20260325T093000",
            "DTEND;TZID=Europe/Berlin:20260325T110000",
        ),
        event("RECURRENCE-ID:20260327T080000Z", "DTSTART:20260327T180000Z", "DURATION:PT1H"),
        event("RECURRENCE-ID;RANGE=THISANDFUTURE:20260328T080000Z", *BERLIN, "STATUS:CANCELLED"),
        rule="RRULE:FREQ=DAILY;COUNT=10",
    )
    assert instants(data) == [
        "2026-03-23T08:00/09:00",
        "2026-03-24T08:00/09:00",
        "2026-03-25T08:30/10:00",
        "2026-03-26T08:30/10:00",
        "2026-03-27T18:00/19:00",
    ]


def test_all_later_ones_are_changed_across_a_change_of_clocks() -> None:
    data = series(
        event(
            "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260328T090000",
            "DTSTART;TZID=Europe/Berlin:20260329T080000",
            "DTEND;TZID=Europe/Berlin:20260329T090000",
        ),
        rule="RRULE:FREQ=DAILY;UNTIL=20260329T090000Z",
    )
    assert instants(data) == [
        *(f"2026-03-{day}T08:00/09:00" for day in range(23, 28)),
        "2026-03-29T06:00/07:00",
        "2026-03-30T06:00/07:00",
    ]


# ---------------------------------------------------------------- nights with a change of clocks


def nights(zone: str, start: str, *rest: str, until: str) -> list[str]:
    lines = (f"DTSTART;TZID={zone}:{start}", *rest, f"RRULE:FREQ=DAILY;UNTIL={until}")
    return instants(ics(event(*lines)))


def test_a_series_goes_through_the_nights_of_the_year() -> None:
    """In spring 02:30 is not there: it is read by the offset before, as 03:30. In autumn it is there
    twice: it is the first.
    """
    assert (
        nights("Europe/Berlin", "20260328T023000", "DURATION:PT30M", until="20260330T230000Z")
        == [
            "2026-03-28T01:30/02:00",
            "2026-03-29T01:30/02:00",
            "2026-03-30T00:30/01:00",
            "2026-03-31T00:30/01:00",
        ][:3]
    )
    assert nights(
        "Europe/Berlin", "20261024T023000", "DURATION:PT30M", until="20261026T230000Z"
    ) == [
        "2026-10-24T00:30/01:00",
        "2026-10-25T00:30/01:00",
        "2026-10-26T01:30/02:00",
    ]


def test_a_night_shift_lasts_as_long_as_its_first_one() -> None:
    """With a DTEND all instances last equally long (RFC 5545, section 3.8.5.3): 22:00 to 06:00 ends
    an hour later or earlier by the clock.
    """
    end = "DTEND;TZID=Europe/Berlin:{}T060000"
    assert nights(
        "Europe/Berlin", "20260327T220000", end.format("20260328"), until="20260328T230000Z"
    ) == [
        "2026-03-27T21:00/2026-03-28T05:00",
        "2026-03-28T21:00/2026-03-29T05:00",
    ]
    assert nights(
        "Europe/Berlin", "20261023T220000", end.format("20261024"), until="20261024T230000Z"
    ) == [
        "2026-10-23T20:00/2026-10-24T04:00",
        "2026-10-24T20:00/2026-10-25T04:00",
    ]


def test_a_day_lasts_until_the_same_time_of_the_next_one() -> None:
    """P1D is a day of the calendar, PT24H are 24 hours."""
    for length, end in (("P1D", "2026-03-29T07:00"), ("PT24H", "2026-03-29T08:00")):
        data = ics(event("DTSTART;TZID=Europe/Berlin:20260328T090000", f"DURATION:{length}"))
        assert instants(data) == [f"2026-03-28T08:00/{end}"]


# ---------------------------------------------------------------- as the programs write them


GOOGLE = b"""\
BEGIN:VCALENDAR\r
PRODID:-//Google Inc//Google Calendar 70.9054//EN\r
VERSION:2.0\r
CALSCALE:GREGORIAN\r
METHOD:PUBLISH\r
X-WR-CALNAME:anna@example.com\r
X-WR-TIMEZONE:Europe/Berlin\r
BEGIN:VTIMEZONE\r
TZID:Europe/Berlin\r
X-LIC-LOCATION:Europe/Berlin\r
BEGIN:DAYLIGHT\r
TZOFFSETFROM:+0100\r
TZOFFSETTO:+0200\r
TZNAME:GMT+2\r
DTSTART:19700329T020000\r
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r
END:DAYLIGHT\r
BEGIN:STANDARD\r
TZOFFSETFROM:+0200\r
TZOFFSETTO:+0100\r
TZNAME:GMT+1\r
DTSTART:19701025T030000\r
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r
END:STANDARD\r
END:VTIMEZONE\r
BEGIN:VEVENT\r
DTSTART:20260504T070000Z\r
DTEND:20260504T080000Z\r
DTSTAMP:20260420T101010Z\r
UID:2v4c0n@google.com\r
CREATED:20260401T000000Z\r
DESCRIPTION:Ein langer Text\\, der gefaltet wird\\, mit Umlaut \xc3\xa4\xc3\xb6\xc3\r
 \xbc und BEGIN:VEVENT darin\r
LAST-MODIFIED:20260401T000000Z\r
SEQUENCE:0\r
STATUS:CONFIRMED\r
SUMMARY:Zahnarzt\r
TRANSP:OPAQUE\r
END:VEVENT\r
BEGIN:VEVENT\r
DTSTART;TZID=Europe/Berlin:20260505T180000\r
DTEND;TZID=Europe/Berlin:20260505T193000\r
RRULE:FREQ=WEEKLY;UNTIL=20260526T215959Z;BYDAY=TU\r
EXDATE;TZID=Europe/Berlin:20260512T180000\r
UID:choir@google.com\r
SEQUENCE:1\r
STATUS:CONFIRMED\r
SUMMARY:Chor\r
BEGIN:VALARM\r
ACTION:DISPLAY\r
TRIGGER:-P0DT0H30M0S\r
DURATION:PT15M\r
END:VALARM\r
TRANSP:OPAQUE\r
END:VEVENT\r
BEGIN:VEVENT\r
DTSTART;TZID=Europe/Berlin:20260520T180000\r
DTEND;TZID=Europe/Berlin:20260520T193000\r
UID:choir@google.com\r
RECURRENCE-ID;TZID=Europe/Berlin:20260519T180000\r
SEQUENCE:2\r
STATUS:CONFIRMED\r
TRANSP:OPAQUE\r
END:VEVENT\r
BEGIN:VEVENT\r
DTSTART;VALUE=DATE:20260601\r
DTEND;VALUE=DATE:20260606\r
UID:holiday@google.com\r
STATUS:CONFIRMED\r
TRANSP:OPAQUE\r
END:VEVENT\r
BEGIN:VEVENT\r
DTSTART;VALUE=DATE:20260610\r
DTEND;VALUE=DATE:20260611\r
RRULE:FREQ=YEARLY\r
UID:birthday@google.com\r
TRANSP:TRANSPARENT\r
END:VEVENT\r
END:VCALENDAR\r
"""


def test_a_calendar_as_google_writes_it() -> None:
    found = read(GOOGLE)
    assert spans(found.busy.instants) == [
        "2026-05-04T07:00/08:00",
        "2026-05-05T16:00/17:30",
        "2026-05-20T16:00/17:30",
        "2026-05-26T16:00/17:30",
    ]
    assert spans(found.busy.floating) == ["2026-06-01T00:00/2026-06-06T00:00"]
    assert found.unread == 0


def test_a_calendar_as_outlook_writes_it() -> None:
    """Windows' names of zones, with a VTIMEZONE of that name, and BUSYSTATUS."""
    zone = "W. Europe Standard Time"
    data = ics(
        W_EUROPE.format(tzid=zone),
        event(
            f"DTSTART;TZID={zone}:20260316T100000",
            f"DTEND;TZID={zone}:20260316T110000",
            "RRULE:FREQ=WEEKLY;UNTIL=20260413T080000Z;INTERVAL=1;BYDAY=MO;WKST=MO",
            f"EXDATE;TZID={zone}:20260323T100000,20260330T100000",
            "CLASS:PUBLIC",
            "PRIORITY:5",
            "TRANSP:OPAQUE",
            "STATUS:CONFIRMED",
            "SEQUENCE:0",
            "X-MICROSOFT-CDO-APPT-SEQUENCE:0",
            "X-MICROSOFT-CDO-BUSYSTATUS:BUSY",
            "X-MICROSOFT-CDO-INTENDEDSTATUS:BUSY",
            "X-MICROSOFT-CDO-ALLDAYEVENT:FALSE",
            uid="040000008200E00074C5B7101A82E008",
        ),
        event(
            f"RECURRENCE-ID;TZID={zone}:20260406T100000",
            f"DTSTART;TZID={zone}:20260407T140000",
            f"DTEND;TZID={zone}:20260407T150000",
            "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE",
            uid="040000008200E00074C5B7101A82E008",
        ),
        event(
            "DTSTART;VALUE=DATE:20260501",
            "DTEND;VALUE=DATE:20260502",
            "TRANSP:OPAQUE",
            "X-MICROSOFT-CDO-BUSYSTATUS:OOF",
            "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE",
            uid="040000008200E00074C5B7101A82E009",
        ),
        event(
            f"DTSTART;TZID={zone}:20260504T000000",
            f"DTEND;TZID={zone}:20260505T000000",
            "TRANSP:TRANSPARENT",
            "X-MICROSOFT-CDO-BUSYSTATUS:FREE",
            uid="040000008200E00074C5B7101A82E010",
        ),
    )
    found = read(data)
    assert spans(found.busy.instants) == [
        "2026-03-16T09:00/10:00",
        "2026-04-07T12:00/13:00",
        "2026-04-13T08:00/09:00",
    ]
    assert spans(found.busy.floating) == ["2026-05-01T00:00/2026-05-02T00:00"]


def test_a_calendar_as_apple_writes_it() -> None:
    """Quoted parameters, birthdays of 1604, travel times, and an end of a series in local time."""
    data = ics(
        event(
            "CREATED:20260101T000000Z",
            "DTSTART;TZID=America/New_York:20260306T170000",
            "DTEND;TZID=America/New_York:20260306T180000",
            "RRULE:FREQ=WEEKLY;UNTIL=20260313T205959Z",
            "X-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC",
            'X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-TITLE="Gym; 1, Main St.":geo:1,2',
            "TRANSP:OPAQUE",
            "SEQUENCE:0",
            uid="9A1E6D1C-0000-4000-8000-AAAAAAAAAAAA",
        ),
        event(
            "DTSTART;VALUE=DATE;X-APPLE-OMIT-YEAR=1604:16040229",
            "DTEND;VALUE=DATE:16040301",
            "RRULE:FREQ=YEARLY",
            "TRANSP:TRANSPARENT",
            uid="9A1E6D1C-0000-4000-8000-BBBBBBBBBBBB",
        ),
        event(
            "DTSTART;VALUE=DATE;X-APPLE-OMIT-YEAR=1604:16040315",
            "RRULE:FREQ=YEARLY",
            uid="9A1E6D1C-0000-4000-8000-CCCCCCCCCCCC",
        ),
        head="X-WR-TIMEZONE:America/New_York\nX-APPLE-CALENDAR-COLOR:#1BADF8",
    )
    found = read(data)
    assert spans(found.busy.instants) == ["2026-03-06T22:00/23:00"]
    assert spans(found.busy.floating) == ["2026-03-15T00:00/2026-03-16T00:00"]
    assert found.unread == 0


def test_a_free_busy_calendar() -> None:
    """As Exchange and others publish it."""
    data = ics(
        """
        BEGIN:VFREEBUSY
        DTSTART:20260101T000000Z
        DTEND:20260401T000000Z
        FREEBUSY;FBTYPE=BUSY:20260301T090000Z/20260301T100000Z,20260302T090000Z/PT1H
        FREEBUSY:20260303T090000Z/PT30M
        FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260304T090000Z/PT30M
        FREEBUSY;FBTYPE=FREE:20260305T090000Z/PT8H
        END:VFREEBUSY
        """
    )
    assert instants(data) == [
        "2026-03-01T09:00/10:00",
        "2026-03-02T09:00/10:00",
        "2026-03-03T09:00/09:30",
        "2026-03-04T09:00/09:30",
    ]


def test_our_invitations_are_told_apart() -> None:
    """Whether they are this installation's own, only the database knows."""
    own = "0190a6e8-7b5c-7c3e-8d52-0123456789ab"
    data = ics(
        event("DTSTART:20260301T090000Z", "DURATION:PT1H", uid=f"{own}@slotwright"),
        event("DTSTART:20260302T090000Z", "DURATION:PT1H", uid=f"{own.upper()}@SLOTWRIGHT"),
        event("DTSTART:20260303T090000Z", "DURATION:PT1H", uid=f"x{own}@slotwright"),
        event("DTSTART:20260304T090000Z", "DURATION:PT1H", uid=f"{own}@slotwright.example"),
    )
    found = read(data)
    assert spans(found.busy.instants) == ["2026-03-03T09:00/10:00", "2026-03-04T09:00/10:00"]
    assert set(found.perhaps_ours) == {UUID(own)}
    assert spans(found.perhaps_ours[UUID(own)].instants) == [
        "2026-03-01T09:00/10:00",
        "2026-03-02T09:00/10:00",
    ]


def test_old_line_ends_folds_and_marks_are_understood() -> None:
    plain = ics(event("DTSTART:20260301T090000Z", "DTEND:20260301T100000Z"))
    folded = plain.replace(b"DTSTART:2026", b"DTST\r\n ART:20\r\n\t26")
    for data in (
        plain.replace(b"\r\n", b"\n"),
        plain.replace(b"\r\n", b"\r"),
        b"\xef\xbb\xbf" + plain,
        folded,
        plain + plain,
        plain.replace(b"UID:", b"SUMMARY:\xff\xfe\r\nUID:"),
        plain.replace(b"UID:one@example.com\r\n", b""),
        plain.replace(b"BEGIN:VEVENT", b"begin:vevent"),
        plain.replace(b"UID:", b"no property\r\n:nor this\r\nUID:"),
    ):
        assert instants(data) == ["2026-03-01T09:00/10:00"]


# ---------------------------------------------------------------- what can't be read


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html><title>Sign in</title>",
        b"BEGIN:VCARD\r\nEND:VCARD\r\n",
        ics(event("DTSTART:20260301T090000Z", "DURATION:PT1H"))[:-20],
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n",
        b"END:VCALENDAR\r\n",
        b"\x00\xff" * 1_000,
    ],
    ids=["nothing", "a page", "a card", "cut", "crossed", "only an end", "noise"],
)
def test_what_is_no_whole_calendar_is_refused(data: bytes) -> None:
    """So a sign-in page or a broken download makes nobody free."""
    assert read_feed(data, **WINDOW) == NOT_A_CALENDAR


def test_an_empty_calendar_is_a_calendar() -> None:
    assert nothing(read(ics()).busy)


@pytest.mark.parametrize(
    "lines",
    [
        ("SUMMARY:no start",),
        ("DTSTART:soon", "DURATION:PT1H"),
        ("DTSTART:20260230T090000Z", "DURATION:PT1H"),
        ("DTSTART:20260301T250000Z", "DURATION:PT1H"),
        ("DTSTART:20260301T090000Z", "DURATION:long"),
        ("DTSTART:20260301T090000Z", "DTEND:later"),
        ("DTSTART:00000101T090000Z", "DURATION:PT1H"),
        ("DTSTART:20260301T090000Z", "DURATION:PT1H", "EXDATE:never"),
    ],
)
def test_an_event_without_a_readable_time_is_counted_and_spoils_no_other(
    lines: tuple[str, ...],
) -> None:
    found = read(
        ics(event(*lines, uid="a"), event("DTSTART:20260302T090000Z", "DURATION:PT1H", uid="b"))
    )
    assert spans(found.busy.instants) == ["2026-03-02T09:00/10:00"]
    assert found.unread == 1


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "FREQ=FORTNIGHTLY",
        "COUNT=3",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=000",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;UNTIL=never",
        "FREQ=DAILY;BYDAY=XX",
        "FREQ=WEEKLY;BYSETPOS=999",
        "FREQ=DAILY;BYHOUR=99",
        "FREQ=DAILY;COUNT=many",
        "FREQ=DAILY;" + "X" * 2_000,
        "nonsense",
    ],
)
def test_an_event_whose_rule_can_not_be_read_makes_busy_once(rule: str) -> None:
    found = read(ics(event("DTSTART:20260301T090000Z", "DURATION:PT1H", f"RRULE:{rule}")))
    assert spans(found.busy.instants) == ["2026-03-01T09:00/10:00"]
    assert found.unread == 1


# ---------------------------------------------------------------- bombs


@pytest.mark.parametrize(
    "data",
    [
        ics(event("DTSTART:20000101T000000Z", "DURATION:PT1M", "RRULE:FREQ=MINUTELY;INTERVAL=3")),
        ics(event("DTSTART:20260301T090000Z", "EXDATE:" + ",".join(["20260301T090000Z"] * 10_000))),
        ics(event("DTSTART:20260301T090000Z", *["RDATE:20260301T090000Z"] * 5_001)),
        b"BEGIN:VCALENDAR\r\n" * 100,
        b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 50_001 + b"END:VCALENDAR\r\n",
        ics(event("DTSTART:20260101T000000Z", "DURATION:PT1M", "RRULE:FREQ=MINUTELY;INTERVAL=5")),
    ],
    ids=["by minutes", "long line", "many lines", "deep", "many", "many in the window"],
)
def test_a_calendar_of_more_than_anybodys_is_refused(data: bytes) -> None:
    assert read_feed(data, **WINDOW) == TOO_MUCH


def test_long_descriptions_cost_nothing() -> None:
    data = ics(
        event(
            "DTSTART:20260301T090000Z",
            "DURATION:PT1H",
            "DESCRIPTION:" + "x" * 4_000_000,
            "ATTACH;ENCODING=BASE64:" + "A" * 500_000,
        )
    )
    assert instants(data) == ["2026-03-01T09:00/10:00"]


def test_a_calendar_of_ten_thousand_events() -> None:
    """Every half an hour of 2026 from its beginning on, each with its own event, and a series."""
    events = []
    for number in range(9_999):
        day, half = divmod(number, 48)
        start = f"2026{day // 28 + 1:02}{day % 28 + 1:02}T{half // 2:02}{half % 2 * 3}000Z"
        events.append(event(f"DTSTART:{start}", "DURATION:PT10M", uid=f"{number}@example.com"))
    events.append(event("DTSTART:20261201T090000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"))
    found = instants(ics(*events))
    assert len(found) == 10_002
    assert found[:2] == ["2026-01-01T00:00/00:10", "2026-01-01T00:30/00:40"]
    assert found[-1] == "2026-12-03T09:00/10:00"
