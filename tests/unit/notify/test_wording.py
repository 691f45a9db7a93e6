"""Dates, durations and money as their readers write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel import localedata
from hypothesis import example, given
from hypothesis import strategies as st

from app.core import zones
from app.core.money import Money
from app.core.sentences import LANGUAGES
from app.notify import wording
from tests.unit.notify.facts import utc

JANUARY = utc(2026, 1, 2, 12)


@pytest.mark.parametrize(
    ("tag", "language", "formats"),
    [
        ("de-AT", "de", "de_AT"),
        ("de_CH", "de", "de_CH"),
        ("DE", "de", "de"),
        ("de-Latn-AT-1996", "de", "de_AT"),
        ("de-u-co-phonebk", "de", "de"),
        ("en-GB", "en", "en_GB"),
        ("es-419", "es", "es_419"),
        ("fr-ZZ", "fr", "fr"),
        ("pt-BR", "en", "en"),
        ("tlh", "en", "en"),
        ("", "en", "en"),
        (None, "en", "en"),
        ("../../etc/passwd", "en", "en"),
    ],
)
def test_a_locale_is_negotiated(tag: str | None, language: str, formats: str) -> None:
    speech = wording.negotiate(tag)
    assert (speech.language, str(speech.formats)) == (language, formats)


@given(
    st.one_of(
        st.text(max_size=40),
        st.from_regex(r"[a-z]{2}[-_][A-Za-z0-9]{1,8}([-_][A-Za-z0-9]{1,8})?", fullmatch=True),
    )
)
@example("en-\x00")
def test_any_tag_finds_a_language(tag: str) -> None:
    speech = wording.negotiate(tag)
    assert speech.language in LANGUAGES
    assert speech.formats.language == speech.language


def test_every_region_of_our_languages_can_write_a_date() -> None:
    for identifier in localedata.locale_identifiers():
        if identifier.split("_")[0] not in LANGUAGES:
            continue
        speech = wording.negotiate(identifier)
        when = wording.when(
            utc(2026, 3, 29, 7),
            utc(2026, 3, 29, 8),
            now=JANUARY,
            zone=ZoneInfo("Europe/Berlin"),
            speech=speech,
        )
        assert "2026" in when.date
        assert "29" in when.brief
        assert "9" in when.time
        assert wording.remaining(timedelta(hours=23, minutes=55), speech)
        assert wording.money(Money(amount_minor=1, currency="EUR"), speech)


# ---------------------------------------------------------------- time zones


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_zone_is_named_truly(language: str) -> None:
    """City and offset at that instant, never an unknown city, never the inverted sign
    of Etc/GMT+5.
    """
    speech = wording.negotiate(language)
    for name in zones.known_zones():
        zone = wording.zone_of(name)
        for instant in (utc(2026, 1, 15, 12), utc(2026, 7, 15, 12), utc(2027, 1, 15, 12)):
            local = instant.astimezone(zone)
            said = wording.zone_name(local, zone, speech)
            shown = re.search(r"(?:GMT|UTC)(?:([+-])(\d+)(?::(\d\d))?)?$", said)
            assert shown is not None, (name, said)
            sign, hours, minutes = shown.groups(default="0")
            seconds = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1)
            assert local.utcoffset() == timedelta(seconds=seconds), (name, said)
            assert said.isprintable()
            assert not re.search(r"nknown|Unbekannt|inconnu|desconocid", said), (name, said)
            if name.startswith("Etc/"):
                assert "," not in said


@pytest.mark.parametrize(
    ("zone", "instant", "said"),
    [
        ("Europe/Berlin", utc(2026, 3, 29, 0, 59), "Sun, Mar 29, 1:59 AM (Berlin, GMT+1)"),
        ("Europe/Berlin", utc(2026, 3, 29, 1), "Sun, Mar 29, 3:00 AM (Berlin, GMT+2)"),
        ("America/New_York", utc(2026, 11, 1, 5, 30), "Sun, Nov 1, 1:30 AM (New York, GMT-4)"),
        ("America/New_York", utc(2026, 11, 1, 6, 30), "Sun, Nov 1, 1:30 AM (New York, GMT-5)"),
        ("Asia/Kathmandu", utc(2026, 3, 1), "Sun, Mar 1, 5:45 AM (Kathmandu, GMT+5:45)"),
        ("Asia/Katmandu", utc(2026, 3, 1), "Sun, Mar 1, 5:45 AM (Kathmandu, GMT+5:45)"),
        (
            "Australia/Lord_Howe",
            utc(2026, 4, 4, 14, 30),
            "Sun, Apr 5, 1:30 AM (Lord Howe Island, GMT+11)",
        ),
        (
            "Australia/Lord_Howe",
            utc(2026, 4, 4, 15),
            "Sun, Apr 5, 1:30 AM (Lord Howe Island, GMT+10:30)",
        ),
        ("America/St_Johns", utc(2026, 7, 1), "Tue, Jun 30, 9:30 PM (St. John’s, GMT-2:30)"),
        ("Europe/Dublin", utc(2026, 1, 1, 9), "Thu, Jan 1, 9:00 AM (Dublin, GMT)"),
        ("Europe/Dublin", utc(2026, 7, 1, 9), "Wed, Jul 1, 10:00 AM (Dublin, GMT+1)"),
        (
            "America/Vancouver",
            utc(2026, 12, 1, 12),
            "Tue, Dec 1, 5:00 AM (Vancouver, GMT-7)",
        ),  # no longer standard time
        ("Etc/GMT+5", utc(2026, 1, 2), "Thu, Jan 1, 7:00 PM (GMT-5)"),
        ("UTC", utc(2026, 1, 1), "Thu, Jan 1, 12:00 AM (GMT)"),
        ("Pacific/Apia", utc(2027, 1, 1), "Fri, Jan 1, 2027, 1:00 PM (Apia, GMT+13)"),
    ],
)
def test_a_moment_is_read_off_the_clock_on_the_wall(
    zone: str, instant: datetime, said: str
) -> None:
    assert (
        wording.moment(
            instant, now=JANUARY, zone=wording.zone_of(zone), speech=wording.negotiate("en")
        )
        == said
    )


def test_an_unknown_zone_is_refused_by_name() -> None:
    with pytest.raises(zones.UnknownZoneError, match="Mars/Olympus"):
        wording.zone_of("Mars/Olympus")


@pytest.mark.parametrize(
    ("zone", "start", "minutes", "hours", "named"),
    [
        ("Europe/Berlin", utc(2026, 3, 29, 7), 60, "9:00 AM – 10:00 AM", "Berlin, GMT+2"),
        (
            "America/New_York",
            utc(2026, 11, 1, 5, 30),
            60,
            "1:30 AM (GMT-4) – 1:30 AM (GMT-5)",
            "New York",
        ),
        (
            "Europe/Berlin",
            utc(2026, 3, 29, 0, 30),
            60,
            "1:30 AM (GMT+1) – 3:30 AM (GMT+2)",
            "Berlin",
        ),
        (
            "Australia/Lord_Howe",
            utc(2026, 4, 4, 14, 45),
            30,
            "1:45 AM (GMT+11) – 1:45 AM (GMT+10:30)",
            "Lord Howe Island",
        ),
        (
            "Asia/Kathmandu",
            utc(2026, 3, 1, 17),
            120,
            "10:45 PM – Mon, Mar 2, 12:45 AM",
            "Kathmandu, GMT+5:45",
        ),
    ],
)
def test_a_visit_over_a_clock_change_or_midnight_says_so(
    zone: str, start: datetime, minutes: int, hours: str, named: str
) -> None:
    end = start + timedelta(minutes=minutes)
    when = wording.when(
        start, end, now=JANUARY, zone=wording.zone_of(zone), speech=wording.negotiate("en")
    )
    assert (when.hours, when.zone) == (hours, named)


# ---------------------------------------------------------------- what remains


@pytest.mark.parametrize(
    ("duration", "language", "said"),
    [
        (timedelta(hours=24), "en", "24 hours"),
        (timedelta(hours=23, minutes=59, seconds=20), "en", "24 hours"),  # the queue's own delay
        (timedelta(hours=21, minutes=1), "en", "21 hours"),
        (timedelta(hours=20, minutes=37), "en", "20 hours and 35 minutes"),
        (timedelta(hours=2), "en", "2 hours"),
        (timedelta(hours=1, minutes=59), "en", "1 hour and 59 minutes"),
        (timedelta(minutes=60), "de", "1 Stunde"),
        (timedelta(minutes=59, seconds=10), "fr", "59 minutes"),
        (timedelta(minutes=1), "es", "1 minuto"),
        (timedelta(seconds=5), "en", "1 minute"),
        (timedelta(days=3, hours=1, minutes=10), "de", "3 Tage und 1 Stunde"),
        (timedelta(), "en", None),
        (timedelta(minutes=-5), "en", None),
    ],
)
def test_the_remaining_time_is_said(duration: timedelta, language: str, said: str | None) -> None:
    assert wording.remaining(duration, wording.negotiate(language)) == said


@given(st.integers(min_value=31, max_value=48 * 3600 - 200))
def test_the_remaining_time_is_true(seconds: int) -> None:
    """Within half a minute below two hours, within two and a half minutes above."""
    said = wording.remaining(timedelta(seconds=seconds), wording.negotiate("en"))
    assert said is not None
    hours, minutes = (re.search(rf"(\d+) {unit}", said) for unit in ("hour", "minute"))
    told = 3600 * int(hours[1] if hours else 0) + 60 * int(minutes[1] if minutes else 0)
    assert abs(told - seconds) <= (30 if seconds < 7200 else 150)


# ---------------------------------------------------------------- money


@pytest.mark.parametrize(
    ("minor", "currency", "tag", "said"),
    [
        (1200, "JPY", "en", "¥1,200"),
        (1200, "JPY", "de", "1.200\u00a0¥"),
        (1500, "KWD", "en", "KWD\u00a01.500"),
        (1500, "KWD", "fr", "1,500\u00a0KWD"),
        (4950, "EUR", "de", "49,50\u00a0€"),
        (4950, "EUR", "en", "€49.50"),
        (123456, "CHF", "de-CH", "CHF\u00a01’234.56"),
        # its minor unit exists, though CLDR rounds it away
        (99999, "HUF", "en", "HUF\u00a0999.99"),
        (1, "USD", "es", "0,01\u00a0US$"),
        (10001, "CLF", "en", "CLF\u00a01.0001"),
    ],
)
def test_money_has_the_digits_of_its_currency(
    minor: int, currency: str, tag: str, said: str
) -> None:
    assert (
        wording.money(Money(amount_minor=minor, currency=currency), wording.negotiate(tag)) == said
    )


@given(
    st.integers(min_value=0, max_value=10**12),
    st.sampled_from(["JPY", "KWD", "EUR", "ISK", "IQD", "CLF", "XXX"]),
)
def test_no_amount_is_rounded(minor: int, currency: str) -> None:
    said = wording.money(Money(amount_minor=minor, currency=currency), wording.negotiate("en"))
    assert int(re.sub(r"\D", "", said)) == minor
