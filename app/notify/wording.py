"""Instants, durations and money in words: in the recipient's time zone, language and regional
format, by CLDR.

A time zone is named by its city and its offset from GMT at that instant. The long names ("Pacific
Standard Time") are not used: CLDR assigns them by the shape of the rules, and says "Irish Standard
Time" in January and "Pacific Standard Time" for Vancouver after 2026, where neither is the time.
City and offset are right everywhere, and distinguish the two 01:30s of an autumn night.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from sys import getsizeof
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import format_date, format_skeleton, format_time, get_timezone_location
from babel.lists import format_list
from babel.units import format_unit

from app.core import zones
from app.core.money import Money
from app.core.sentences import DEFAULT_LANGUAGE, LANGUAGES
from app.weighted_cache import remembered

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:[-_][a-z]{4})?(?:[-_](?P<region>[a-z]{2}|[0-9]{3}))?(?:[-_].*)?",
    re.IGNORECASE,
)

# ISO 4217 (list one, 2026-01-01): every currency whose minor unit is not a hundredth. CLDR's own
# digits are not these: it rounds away minor units that are out of use (forints, dinars of Iraq),
# and an amount in them would shift.
_MINOR_DIGITS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}

# From here on, remaining time is rounded to 5 minutes: the queue's own delay would only add noise
# ("23 h 59 min").
_EXACT_BELOW = timedelta(hours=2)
_COARSE_MINUTES = 5
# Up to here it is given in hours ("36 hours"), beyond in days and hours.
_HOURS_BELOW_MINUTES = 48 * 60

_SPEECH_BYTES = 350
_SAID_BYTES = 450


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Speech:
    """The language of the phrases, one of `LANGUAGES`, and the regional formats for dates and
    numbers in it. Each is remembered and compared by identity: to hash the formats takes longer
    than what is remembered for them.
    """

    language: str
    formats: Locale


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A visit's time, as its recipient reads it.

    `hours` is the range ("9:00 AM – 10:00 AM"); it holds dates or offsets of its own where start
    and end differ in them. `zone` is city and offset ("Berlin, GMT+2"), or the city alone where
    `hours` has the offsets. `brief` is the start alone, complete, for a text message.
    """

    date: str
    date_brief: str
    time: str
    end_time: str
    hours: str
    zone: str
    brief: str

    @property
    def full(self) -> str:
        return f"{self.date}, {self.hours} ({self.zone})"


def zone_of(name: str) -> ZoneInfo:
    """The zone in the program's own tables, which `zones` has put before the system's."""
    if not zones.is_known_zone(name):
        raise zones.UnknownZoneError(name)
    return ZoneInfo(name)


@remembered(
    "languages",
    most_bytes=1024 * 1024,
    weigh=lambda arguments, _speech: getsizeof(arguments[0]) + _SPEECH_BYTES,
)
def negotiate(tag: str | None) -> Speech:
    """The nearest we speak to a BCP 47 tag: `de-AT` → German with Austrian formats, anything
    unknown → English.
    """
    found = _TAG.fullmatch(tag or "")
    if found is None or (language := found["language"].lower()) not in LANGUAGES:
        return Speech(language=DEFAULT_LANGUAGE, formats=Locale(DEFAULT_LANGUAGE))
    try:
        formats = Locale(language, (found["region"] or "").upper() or None)
    except UnknownLocaleError:
        formats = Locale(language)
    return Speech(language=language, formats=formats)


def when(
    starts_at: datetime, ends_at: datetime, *, now: datetime, zone: ZoneInfo, speech: Speech
) -> When:
    """The visit `[starts_at, ends_at)` as clocks in `zone` show it."""
    start, end, today = (each.astimezone(zone) for each in (starts_at, ends_at, now))
    date_brief = _date_brief(start, now=today, speech=speech)
    time, end_time = _time(start, speech), _time(end, speech)
    where = zone_name(start, zone, speech)
    zone_of_hours, hours_start, hours_end = where, time, end_time
    if start.date() != end.date():
        hours_end = f"{_date_brief(end, now=today, speech=speech)}, {hours_end}"
    if start.utcoffset() != end.utcoffset():
        zone_of_hours = _city(zone, speech)
        hours_start, hours_end = (
            f"{hours_start} ({offset(start, speech)})",
            f"{hours_end} ({offset(end, speech)})",
        )
    return When(
        date=_said("date", start.date(), speech),
        date_brief=date_brief,
        time=time,
        end_time=end_time,
        hours=f"{hours_start} – {hours_end}",
        zone=zone_of_hours,
        brief=_moment(date_brief, time, where),
    )


def moment(instant: datetime, *, now: datetime, zone: ZoneInfo, speech: Speech) -> str:
    """One instant, short and complete: "Sun, Mar 29, 9:00 AM (Berlin, GMT+2)". Another year than
    this is named.
    """
    local = instant.astimezone(zone)
    date = _date_brief(local, now=now.astimezone(zone), speech=speech)
    return _moment(date, _time(local, speech), zone_name(local, zone, speech))


def _moment(date: str, time: str, zone: str) -> str:
    return f"{date}, {time} ({zone})"


def zone_name(local: datetime, zone: ZoneInfo, speech: Speech) -> str:
    """City and offset, "Kathmandu, GMT+5:45"; the offset alone where the zone is no place
    (`Etc/GMT+5`, `UTC`).
    """
    city = _city(zone, speech)
    return f"{city}, {offset(local, speech)}" if city else offset(local, speech)


def _city(zone: ZoneInfo, speech: Speech) -> str:
    """Empty where the zone is no place."""
    return _said("city", zone.key, speech)


def offset(local: datetime, speech: Speech) -> str:
    """The offset in CLDR's short localized GMT format: "GMT+2", "UTC−3:30" (with a plain hyphen),
    "GMT".
    """
    pattern: str = speech.formats.zone_formats["gmt"]
    delta = local.utcoffset() or timedelta()
    minutes = abs(delta) // timedelta(minutes=1)
    if minutes == 0:
        return pattern.replace("%s", "")
    sign = "-" if delta < timedelta() else "+"
    shown = f"{sign}{minutes // 60}" + (f":{minutes % 60:02}" if minutes % 60 else "")
    return pattern.replace("%s", shown)


def remaining(duration: timedelta, speech: Speech) -> str | None:
    """The time that remains, "23 hours and 55 minutes": to the minute below two hours, to five
    above; None if over.
    """
    if duration <= timedelta():
        return None
    step = 1 if duration < _EXACT_BELOW else _COARSE_MINUTES
    minutes = max(1, step * round(duration / timedelta(minutes=step)))
    return _said("remaining", minutes, speech)


def _minutes_in_words(minutes: int, formats: Locale) -> str:
    if minutes < _HOURS_BELOW_MINUTES:
        parts = [(minutes // 60, "duration-hour"), (minutes % 60, "duration-minute")]
    else:
        days, hours = divmod(round(minutes / 60), 24)
        parts = [(days, "duration-day"), (hours, "duration-hour")]
    said = [format_unit(count, unit, "long", locale=formats) for count, unit in parts if count]
    return str(format_list(said, "standard", locale=formats))


def money(amount: Money, speech: Speech) -> str:
    """An amount with exactly the currency's own digits: ¥1,200, KWD 1.500, €49.50."""
    digits = _MINOR_DIGITS.get(amount.currency, 2)
    # CLDR's digits would be applied by format_currency; the pattern itself takes ours.
    pattern = copy(speech.formats.currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    value = Decimal(amount.amount_minor).scaleb(-digits)
    shown: str = pattern.apply(
        value, speech.formats, currency=amount.currency, currency_digits=False
    )
    # CLDR's "alpha next to number": a code does not touch the digits, a sign does. Babel has no
    # such pattern.
    return re.sub(r"(?<=[A-Z])(?=\d)", "\u00a0", shown)


def _time(local: datetime, speech: Speech) -> str:
    # Without its zone: the formatter has nothing to convert.
    return _said("time", time(local.hour, local.minute), speech)


def _date_brief(local: datetime, *, now: datetime, speech: Speech) -> str:
    skeleton = "MMMEd" if local.year == now.year else "yMMMEd"
    return _said(skeleton, local.date(), speech)


@remembered(
    "times in words", most_bytes=1024 * 1024, weigh=lambda _arguments, said: _SAID_BYTES + len(said)
)
def _said(form: str, what: date | time | int | str, speech: Speech) -> str:
    """A time of day as `time`; a date in full as `date`, or by a skeleton of CLDR's; minutes as
    `remaining`; a zone's `city` by its key. Hundreds of reminders in a minute say the same, and
    saying it takes a quarter of a millisecond.
    """
    return _spaces(_by_cldr(form, what, speech.formats))


def _by_cldr(form: str, what: date | time | int | str, formats: Locale) -> str:
    match what:
        case time():
            return format_time(what, "short", locale=formats)
        case date():
            if form == "date":
                return format_date(what, "full", locale=formats)
            return format_skeleton(form, what, locale=formats)
        case int():
            return _minutes_in_words(what, formats)
        case str():
            key = get_global("zone_aliases").get(what, what)
            is_place = "/" in key and not key.startswith("Etc/")
            return get_timezone_location(key, locale=formats, return_city=True) if is_place else ""


def _spaces(text: str) -> str:
    """Plain spaces and no soft hyphens: subjects and text messages hold these words too."""
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("\u00ad", "")
