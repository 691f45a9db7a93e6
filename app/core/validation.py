"""Input, checked: what people typed becomes values that the rules accept, or a refusal that names
the field.

Each `valid_…` function takes the raw values and answers with the checked ones or with
`InvalidInput`. Field names are paths from the input in snake_case. Bounds here and CHECK
constraints in the database say the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar
from urllib.parse import urlsplit

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.numbers import list_currencies
from email_validator import EmailNotValidError, validate_email

from app.core.appointment import Contact
from app.core.booking import Wanted
from app.core.busy import LONGEST_WINDOW_DAYS, MOST_TIMES, BusyTimes
from app.core.hours import ClockRange, DayException, WeeklyRange, merge_clock_ranges
from app.core.limits import MOST_MINUTES, MOST_VISITS, BookingLimit, LimitPeriod
from app.core.location import Location
from app.core.messages import Channel
from app.core.money import CancellationPolicy, LateCancellation, Money
from app.core.needs import MOST_SEATS, Assignment, Needs, ResourceGroup
from app.core.refusals import InvalidInput
from app.core.resource import MOST_UNITS
from app.core.rules import ProviderRules, ServiceRules
from app.core.sentences import Sentence, say
from app.core.zones import (
    LAST_DATE,
    date_of_number,
    day_number,
    is_known_zone,
    is_supported_date,
    minute_at_or_after,
    minute_of,
)
from app.weighted_cache import remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from app.core.ids import LocationId, ProviderId, ResourceId, ServiceId
    from app.core.provider import Organization
    from app.core.resource import Resource
    from app.core.zones import Interval

P = ParamSpec("P")
T = TypeVar("T")

DAY_MINUTES = 1440
NAME_LENGTH = 200
KIND_LENGTH = 100
EXTERNAL_ID_LENGTH = 255
REASON_LENGTH = 500
ADDRESS_LENGTH = 500
URL_LENGTH = 500
DIRECTIONS_LENGTH = 1_000
DESCRIPTION_LENGTH = 2_000
NOTES_LENGTH = 2_000
SUBJECT_LENGTH = 255
IDEMPOTENCY_KEY_LENGTH = 255
ZONE_NAME_LENGTH = 64
# The longest language tag that people write, by RFC 5646, section 4.4.1.
LOCALE_LENGTH = 35
SOURCE_LENGTH = 100
# How far ahead anything may be booked, in days: three years, and a little for the planner's
# convenience.
HORIZON_DAYS = 1_100
NOTICE_MINUTES = HORIZON_DAYS * DAY_MINUTES
# What fits a GraphQL Int.
AMOUNT_MINOR = 2**31 - 1
REMINDER_MINUTES = (5, 30 * DAY_MINUTES)
"""How long before the start a reminder may be due."""
MOST_REMINDERS = 5
WEEKLY_RANGES = 200
EXCEPTION_RANGES = 48
SERVICE_PROVIDERS = 1_000
SERVICE_NEEDS = 20
SERVICE_RESOURCES = 1_000

NAMED_TWICE = say("Name each provider once.")
SEVERAL_NEED_A_SERVICE = say("Several providers are taken for a service only.")

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_UNPRINTABLE_IN_PARAGRAPHS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
# Addresses that the library accepts unchanged if it accepts their domains.
_PLAIN_ADDRESS = re.compile(
    r"(?P<local_part>[a-z0-9]+(?:[.+_-][a-z0-9]+)*)@(?P<domain>[a-z0-9.-]+)", re.ASCII
)
_PLAIN_ADDRESS_LENGTH = 120
# How most of the world dials abroad (ITU-T E.164): people write it for the plus.
_INTERNATIONAL_PREFIX = re.compile(r"^[\s(]*00[\s)]*")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class _Refused(Exception):  # noqa: N818  it never leaves this module: it carries a refusal out of a nested check
    """A check failed."""

    def __init__(self, field: str, message: Sentence) -> None:
        super().__init__(message)
        self.refusal = InvalidInput(field=field, message=message)


def _answers(check: Callable[P, T]) -> Callable[P, T | InvalidInput]:
    @wraps(check)
    def answered(*args: P.args, **kwargs: P.kwargs) -> T | InvalidInput:
        try:
            return check(*args, **kwargs)
        except _Refused as refused:
            return refused.refusal

    return answered


# ------------------------------------------------ what the forms look like, before they are checked


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyForm:
    """A cancellation policy as typed."""

    free_until_minutes_before: int
    late_cancellation: LateCancellation
    late_fee: Money | None
    late_fee_percent: int | None
    grace_minutes: int = 0
    charges_no_show: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderForm:
    """A provider as typed. None where a value is required means that null was sent."""

    name: str | None
    time_zone: str | None
    service_duration_minutes: int | None
    buffer_minutes: int | None
    slot_interval_minutes: int | None
    min_notice_minutes: int | None
    max_advance_booking_days: int | None
    email: str | None
    phone: str | None
    cancellation_policy: PolicyForm | None
    subject: str | None
    locale: str | None = None
    channels: Sequence[Channel] | None = None
    limits: Sequence[BookingLimit] | None = ()
    description: str | None = None
    location_id: LocationId | None = None
    is_archived: bool | None = False
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyForm:
    """What a source says about the time between two instants, as pushed: when the subject is
    busy, each time from its beginning to its end.
    """

    source: str
    first: datetime
    until: datetime
    busy: Sequence[tuple[datetime, datetime]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOffForm:
    """Time off as typed, in wall minutes. None where a reading must be means null was sent."""

    from_wall: int | None
    until_wall: int | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceForm:
    """A service as typed. None where a value is required means that null was sent."""

    name: str | None
    duration_minutes: int | None
    buffer_before_minutes: int | None
    buffer_after_minutes: int | None
    slot_interval_minutes: int | None
    min_notice_minutes: int | None
    max_advance_booking_days: int | None
    price: Money | None
    cancellation_policy: PolicyForm | None
    limits: Sequence[BookingLimit] | None = ()
    max_open_per_customer: int | None = None
    description: str | None = None
    location_id: LocationId | None = None
    is_archived: bool | None = False
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedForm:
    """A group of resources as typed: a visit takes `count` units of them."""

    name: str | None
    count: int | None
    resource_ids: Sequence[ResourceId]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsForm:
    """What a visit takes, as typed; providers and resources in the order to try them in. None
    where a value is required means that null was sent; `providers_needed` None: all of them.
    """

    provider_ids: Sequence[ProviderId] | None
    providers_needed: int | None = 1
    assignment: Assignment | None = Assignment.PRIORITY
    needs: Sequence[NeedForm] | None = ()
    seats: int | None = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceForm:
    """A resource as typed. None where a value is required means that null was sent."""

    name: str | None
    kind: str | None
    time_zone: str | None
    units: int | None
    always_open: bool | None
    external_id: str | None
    is_archived: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationForm:
    """A location as typed. None where a value is required means that null was sent."""

    name: str | None
    address: str | None = None
    phone: str | None = None
    email: str | None = None
    url: str | None = None
    directions: str | None = None
    time_zone: str | None = None
    is_archived: bool | None = False
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationForm:
    """An organization's settings as typed. None where a value is required means that null was
    sent.
    """

    sms_to_unverified_numbers: bool | None
    allows_customer_overlap: bool | None
    phone: str | None
    email: str | None
    url: str | None
    reminder_minutes_before: Sequence[int] | None
    locale: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactForm:
    """Contact data as typed."""

    name: str
    email: str | None
    phone: str | None
    locale: str | None
    channels: Sequence[Channel] | None = None


# ------------------------------------------------------------------ what they become


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidProvider:
    """A provider's values, checked."""

    name: str
    time_zone: str
    email: str | None
    phone: str | None
    rules: ProviderRules
    cancellation_policy: CancellationPolicy
    subject: str
    locale: str | None
    channels: tuple[Channel, ...] | None
    limits: tuple[BookingLimit, ...]
    description: str | None
    location_id: LocationId | None
    is_archived: bool
    external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidService:
    """A service's values, checked."""

    name: str
    rules: ServiceRules
    price: Money | None
    cancellation_policy: CancellationPolicy | None
    limits: tuple[BookingLimit, ...]
    max_open_per_customer: int | None
    description: str | None
    location_id: LocationId | None
    is_archived: bool
    external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidResource:
    """A resource's values, checked."""

    name: str
    kind: str
    time_zone: str
    units: int
    is_always_open: bool
    external_id: str | None
    is_archived: bool


@_answers
def valid_provider(form: ProviderForm) -> ValidProvider:
    """Check a provider's values."""
    rules = ProviderRules(
        service_duration_minutes=_integer(
            "service_duration_minutes", form.service_duration_minutes, 1, DAY_MINUTES
        ),
        buffer_minutes=_integer("buffer_minutes", form.buffer_minutes, 0, DAY_MINUTES),
        slot_interval_minutes=_optional_integer(
            "slot_interval_minutes", form.slot_interval_minutes, 1, DAY_MINUTES
        ),
        min_notice_minutes=_integer(
            "min_notice_minutes", form.min_notice_minutes, 0, NOTICE_MINUTES
        ),
        max_advance_booking_days=_integer(
            "max_advance_booking_days", form.max_advance_booking_days, 0, HORIZON_DAYS
        ),
    )
    return ValidProvider(
        name=_text("name", form.name, NAME_LENGTH),
        time_zone=_zone("time_zone", form.time_zone),
        email=_email("email", form.email),
        phone=_phone("phone", form.phone),
        rules=rules,
        cancellation_policy=_policy("cancellation_policy", form.cancellation_policy, price=None),
        subject=_text("subject", form.subject, SUBJECT_LENGTH),
        locale=_locale("locale", form.locale),
        channels=_channels(form.channels),
        limits=_limits("limits", form.limits),
        description=_description(form.description),
        location_id=form.location_id,
        is_archived=_flag("is_archived", form.is_archived),
        external_id=_external_id(form.external_id),
    )


@_answers
def valid_service(form: ServiceForm) -> ValidService:
    """Check a service's values, the policy against the price among them."""
    rules = ServiceRules(
        duration_minutes=_integer("duration_minutes", form.duration_minutes, 1, DAY_MINUTES),
        buffer_before_minutes=_integer(
            "buffer_before_minutes", form.buffer_before_minutes, 0, DAY_MINUTES
        ),
        buffer_after_minutes=_optional_integer(
            "buffer_after_minutes", form.buffer_after_minutes, 0, DAY_MINUTES
        ),
        slot_interval_minutes=_optional_integer(
            "slot_interval_minutes", form.slot_interval_minutes, 1, DAY_MINUTES
        ),
        min_notice_minutes=_optional_integer(
            "min_notice_minutes", form.min_notice_minutes, 0, NOTICE_MINUTES
        ),
        max_advance_booking_days=_optional_integer(
            "max_advance_booking_days", form.max_advance_booking_days, 0, HORIZON_DAYS
        ),
    )
    price = None if form.price is None else _money("price", form.price)
    policy = form.cancellation_policy
    return ValidService(
        name=_text("name", form.name, NAME_LENGTH),
        rules=rules,
        price=price,
        cancellation_policy=None
        if policy is None
        else _policy("cancellation_policy", policy, price=price),
        limits=_limits("limits", form.limits),
        max_open_per_customer=_optional_integer(
            "max_open_per_customer", form.max_open_per_customer, 1, MOST_VISITS
        ),
        description=_description(form.description),
        location_id=form.location_id,
        is_archived=_flag("is_archived", form.is_archived),
        external_id=_external_id(form.external_id),
    )


def _external_id(external_id: str | None) -> str | None:
    return None if external_id is None else _text("external_id", external_id, EXTERNAL_ID_LENGTH)


def _limits(field: str, limits: Sequence[BookingLimit] | None) -> tuple[BookingLimit, ...]:
    """In the order of their periods."""
    found: dict[LimitPeriod, BookingLimit] = {}
    for at, limit in enumerate(_not_null(field, limits)):
        place = f"{field}.{at}"
        if limit.period in found:
            raise _Refused(f"{place}.period", say("Name each period once."))
        _optional_integer(f"{place}.max_visits", limit.max_visits, 1, MOST_VISITS)
        _optional_integer(f"{place}.max_minutes", limit.max_minutes, 1, MOST_MINUTES)
        if limit.max_visits is None and limit.max_minutes is None:
            raise _Refused(place, say("Limit the visits, their minutes, or both."))
        found[limit.period] = limit
    return tuple(found[period] for period in LimitPeriod if period in found)


@_answers
def valid_resource(form: ResourceForm) -> ValidResource:
    """Check a resource's values."""
    return ValidResource(
        name=_text("name", form.name, NAME_LENGTH),
        kind=_text("kind", form.kind, KIND_LENGTH),
        time_zone=_zone("time_zone", form.time_zone),
        units=_integer("units", form.units, 1, MOST_UNITS),
        is_always_open=_flag("always_open", form.always_open),
        external_id=_external_id(form.external_id),
        is_archived=_flag("is_archived", form.is_archived),
    )


@_answers
def valid_location(location_id: LocationId, form: LocationForm) -> Location:
    """Check a location's values; texts of nothing but white space are none."""
    return Location(
        id=location_id,
        name=_text("name", form.name, NAME_LENGTH),
        address=_optional_text("address", form.address, ADDRESS_LENGTH, paragraphs=True),
        phone=_phone("phone", form.phone),
        email=_email("email", form.email),
        url=_url("url", form.url),
        directions=_optional_text(
            "directions", form.directions, DIRECTIONS_LENGTH, paragraphs=True
        ),
        time_zone=None if form.time_zone is None else _zone("time_zone", form.time_zone),
        is_archived=_flag("is_archived", form.is_archived),
        external_id=_external_id(form.external_id),
    )


@_answers
def valid_settings(organization: Organization, form: OrganizationForm) -> Organization:
    """Check an organization's settings; the rest of it stays."""
    return replace(
        organization,
        sms_to_unverified_numbers=_flag(
            "sms_to_unverified_numbers", form.sms_to_unverified_numbers
        ),
        allows_customer_overlap=_flag("allows_customer_overlap", form.allows_customer_overlap),
        phone=_phone("phone", form.phone),
        email=_email("email", form.email),
        url=_url("url", form.url),
        reminder_minutes_before=_reminders("reminder_minutes_before", form.reminder_minutes_before),
        locale=_locale("locale", form.locale),
    )


def _reminders(field: str, minutes: Sequence[int] | None) -> tuple[int, ...]:
    """The longest first, each once. None are fine: then nobody is reminded."""
    if minutes is None:
        raise _Refused(field, say("This can't be null; send an empty list."))
    known = {_integer(field, each, *REMINDER_MINUTES) for each in minutes}
    if len(known) > MOST_REMINDERS:
        raise _Refused(field, say("At most {most} reminders are sent.", most=MOST_REMINDERS))
    return tuple(sorted(known, reverse=True))


class Week(NamedTuple):
    """What the weeks of a provider or resource look like, checked and merged."""

    hours: tuple[WeeklyRange, ...]
    breaks: tuple[WeeklyRange, ...]


@_answers
def valid_week(
    hours_field: str, hours: Sequence[WeeklyRange], breaks: Sequence[WeeklyRange]
) -> Week:
    """Check weekly hours, which the input calls `hours_field`, and then breaks."""
    return Week(_weekly(hours_field, hours), _weekly("breaks", breaks))


def _weekly(field: str, ranges: Sequence[WeeklyRange]) -> tuple[WeeklyRange, ...]:
    """Check weekly hours or breaks; ranges of one weekday and effect that overlap or touch are
    merged.
    """
    if len(ranges) > WEEKLY_RANGES:
        raise _Refused(field, say("At most {count} ranges can be kept.", count=WEEKLY_RANGES))
    grouped: dict[tuple[int, date | None, date | None], list[ClockRange]] = {}
    for at, weekly in enumerate(ranges):
        for name in ("effective_from", "effective_until"):
            day = getattr(weekly, name)
            if day is not None:
                _date(f"{field}.{at}.{name}", day)
        if (
            weekly.effective_from
            and weekly.effective_until
            and weekly.effective_until < weekly.effective_from
        ):
            raise _Refused(
                f"{field}.{at}.effective_until", say("The last date must not be before the first.")
            )
        clock = _clock_range(
            f"{field}.{at}",
            ClockRange(start_minute=weekly.start_minute, end_minute=weekly.end_minute),
        )
        grouped.setdefault(
            (weekly.weekday, weekly.effective_from, weekly.effective_until), []
        ).append(clock)
    return tuple(
        WeeklyRange(
            weekday=weekday,
            start_minute=clock.start_minute,
            end_minute=clock.end_minute,
            effective_from=effective_from,
            effective_until=effective_until,
        )
        for (weekday, effective_from, effective_until), clocks in grouped.items()
        for clock in merge_clock_ranges(clocks)
    )


@_answers
def valid_exception(day: date, *, is_blocked: bool, ranges: Sequence[ClockRange]) -> DayException:
    """Check an exception: custom hours need a range, a block's ranges stay inside their date."""
    _date("date", day)
    if not is_blocked and not ranges:
        raise _Refused(
            "ranges", say("Custom hours need at least one range; to close the day, set isBlocked.")
        )
    if len(ranges) > EXCEPTION_RANGES:
        raise _Refused(
            "ranges",
            say("At most {count} ranges can be kept for one date.", count=EXCEPTION_RANGES),
        )
    clocks = [_clock_range(f"ranges.{at}", clock) for at, clock in enumerate(ranges)]
    for at, clock in enumerate(clocks):
        if is_blocked and clock.end_minute <= clock.start_minute:
            raise _Refused(
                f"ranges.{at}.end",
                say("A block ends on the date it starts on, at 24:00 at the latest."),
            )
    return DayException(date=day, is_blocked=is_blocked, ranges=tuple(merge_clock_ranges(clocks)))


class ValidBusy(NamedTuple):
    """Busy times that may be kept."""

    source: str
    said: BusyTimes


class ValidTimeOff(NamedTuple):
    """Time off that may be kept."""

    from_wall: int
    until_wall: int
    reason: str | None


@_answers
def valid_time_off(form: TimeOffForm) -> ValidTimeOff:
    """Check time off: it ends after it begins, and lies in the years that the calendar supports."""
    from_wall = _reading("from", form.from_wall)
    until_wall = _reading("until", form.until_wall)
    if until_wall <= from_wall:
        raise _Refused("until", say("The end must be after the beginning."))
    reason = _optional_text("reason", form.reason, REASON_LENGTH, paragraphs=True)
    return ValidTimeOff(from_wall, until_wall, reason)


@_answers
def valid_source_name(field: str, name: str) -> str:
    """Check the name of a source of busy times."""
    return _text(field, name, SOURCE_LENGTH)


@_answers
def valid_busy(form: BusyForm) -> ValidBusy:
    """Check pushed busy times: they lie within the window. A beginning between two minutes is
    rounded down, an end up.
    """
    source = _text("source", form.source, SOURCE_LENGTH)
    first, until = _stretch("", "from", "to", form.first, form.until)
    if until - first > LONGEST_WINDOW_DAYS * DAY_MINUTES:
        raise _Refused(
            "to", say("This can be at most {days} days later.", days=LONGEST_WINDOW_DAYS)
        )
    if len(form.busy) > MOST_TIMES:
        raise _Refused("busy", say("At most {most} times can be given.", most=MOST_TIMES))
    times: list[Interval] = []
    for index, (starts_at, ends_at) in enumerate(form.busy):
        place = f"busy.{index}."
        if starts_at < form.first:
            raise _Refused(f"{place}starts_at", say("This lies outside of the window."))
        if ends_at > form.until:
            raise _Refused(f"{place}ends_at", say("This lies outside of the window."))
        times.append(_stretch(place, "starts_at", "ends_at", starts_at, ends_at))
    return ValidBusy(source, BusyTimes(window=(first, until), times=times))


def _stretch(place: str, first: str, until: str, start: datetime, end: datetime) -> Interval:
    """The whole minutes around a stretch of time in the supported years."""
    for field, instant in ((first, start), (until, end)):
        _date(f"{place}{field}", date_of_number(minute_of(instant) // DAY_MINUTES))
    if end <= start:
        raise _Refused(f"{place}{until}", say("The end must be after the beginning."))
    return minute_of(start), minute_at_or_after(end)


@_answers
def valid_date(field: str, day: date) -> date:
    """Check that a date is one the calendar supports."""
    return _date(field, day)


@_answers
def valid_contact(form: ContactForm) -> Contact:
    """Check contact data: a name, and at least one of e-mail and phone."""
    contact = Contact(
        name=_text("customer.name", form.name, NAME_LENGTH),
        email=_email("customer.email", form.email),
        phone=_phone("customer.phone", form.phone),
        locale=_locale("customer.locale", form.locale),
        channels=_channels(form.channels),
    )
    if contact.email is None and contact.phone is None:
        raise _Refused(
            "customer.email",
            say("Give an e-mail address or a phone number, so that you can be reached."),
        )
    return contact


@_answers
def valid_external_id(external_id: str | None) -> str | None:
    """Check an organization's own id of something; None where it has none."""
    return _external_id(external_id)


@_answers
def valid_phone(number: str | None) -> str | None:
    """Check a phone number, and write it in E.164 form."""
    return _phone("phone", number)


@_answers
def valid_time_zone(field: str, name: str | None) -> str:
    """Check that a zone is in the time zone database."""
    return _zone(field, name)


@_answers
def valid_notes(notes: str | None) -> str | None:
    """Check the notes of a booking; nothing but white space is none."""
    return _optional_text("notes", notes, NOTES_LENGTH, paragraphs=True)


@_answers
def valid_staff_notes(notes: str | None) -> str | None:
    """Check the staff's notes on an appointment; nothing but white space is none."""
    return _optional_text("staff_notes", notes, NOTES_LENGTH, paragraphs=True)


@_answers
def valid_reason(reason: str | None) -> str | None:
    """Check the reason for a change; nothing but white space is none."""
    return _optional_text("reason", reason, REASON_LENGTH, paragraphs=True)


@_answers
def valid_wanted(
    provider_id: ProviderId | None,
    provider_ids: Sequence[ProviderId] | None,
    service_id: ServiceId | None,
    seats: int | None = None,
    *,
    is_held: bool,
) -> Wanted:
    """Check with whom a visit is wished: one provider, several for a service, each once, or nobody
    for a service; and for how many, one by default. With a hold all may be left out: it says who
    and what is held.
    """
    if provider_id is not None and provider_ids:
        raise _Refused(
            "provider_ids", say("Name providers either by providerId or by providerIds.")
        )
    named = tuple(provider_ids or ()) if provider_id is None else (provider_id,)
    if len(set(named)) < len(named):
        raise _Refused("provider_ids", NAMED_TWICE)
    if service_id is None and not named and not is_held:
        raise _Refused("provider_id", say("Name a provider, or a service that somebody offers."))
    if service_id is None and len(named) > 1 and not is_held:
        raise _Refused("provider_ids", SEVERAL_NEED_A_SERVICE)
    return Wanted(
        named, service_id, _integer("seats", 1 if seats is None else seats, 1, MOST_SEATS)
    )


@_answers
def valid_seats(seats: int | None) -> int:
    """Check how many seats a party takes: 1 to `MOST_SEATS`. Whether the service has so many is
    decided with its time.
    """
    return _integer("seats", seats, 1, MOST_SEATS)


@_answers
def valid_idempotency_key(key: str) -> str:
    """Check an idempotency key: 1 to 255 characters, taken as they are."""
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH:
        raise _Refused(
            "idempotency_key",
            say("An idempotency key has 1 to {count} characters.", count=IDEMPOTENCY_KEY_LENGTH),
        )
    if _UNPRINTABLE.search(key):
        raise _Refused("idempotency_key", say("An idempotency key has no control characters."))
    return key


@_answers
def valid_accepted_fee(amount_minor: int | None) -> int:
    """Check the most that a caller agrees to pay; none said is nothing."""
    return (
        0 if amount_minor is None else _integer("accept_fee_minor", amount_minor, 0, AMOUNT_MINOR)
    )


def is_slug(text: str) -> bool:
    """Whether this can be an organization's public name."""
    return _SLUG.fullmatch(text) is not None


@_answers
def valid_organization(slug: str, name: str) -> tuple[str, str]:
    """Check an organization's public name and its name for people."""
    if not is_slug(slug):
        raise _Refused(
            "slug",
            say("A slug has 1 to 63 lower-case letters, digits and hyphens, none at its ends."),
        )
    return slug, _text("name", name, NAME_LENGTH)


@_answers
def valid_needs(form: NeedsForm) -> Needs:
    """Check what a visit of a service takes. How many units there are is for `valid_units` to
    check.
    """
    if form.assignment is None:
        raise _Refused("assignment", say("This can't be null."))
    provider_ids = tuple(dict.fromkeys(_not_null("provider_ids", form.provider_ids)))
    if len(provider_ids) > SERVICE_PROVIDERS:
        raise _Refused(
            "provider_ids",
            say("At most {count} providers can be named at once.", count=SERVICE_PROVIDERS),
        )
    needed = _optional_integer("providers_needed", form.providers_needed, 1, SERVICE_PROVIDERS)
    # Nobody may offer a service for now: one provider is what it needs by default.
    if needed is not None and needed > max(1, len(provider_ids)):
        raise _Refused(
            "providers_needed", say("A visit can't take more providers than the service names.")
        )
    return Needs(
        provider_ids=provider_ids,
        providers_needed=needed,
        assignment=form.assignment,
        groups=_groups(_not_null("needs", form.needs)),
        seats=_integer("seats", form.seats, 1, MOST_SEATS),
    )


def _groups(forms: Sequence[NeedForm]) -> tuple[ResourceGroup, ...]:
    if len(forms) > SERVICE_NEEDS:
        raise _Refused("needs", say("At most {count} groups can be named.", count=SERVICE_NEEDS))
    if sum(len(form.resource_ids) for form in forms) > SERVICE_RESOURCES:
        raise _Refused(
            "needs", say("At most {count} resources can be named at once.", count=SERVICE_RESOURCES)
        )
    groups: list[ResourceGroup] = []
    named: set[ResourceId] = set()
    for at, form in enumerate(forms):
        field = f"needs.{at}"
        resource_ids = tuple(dict.fromkeys(form.resource_ids))
        if not resource_ids:
            raise _Refused(f"{field}.resource_ids", say("Name at least one resource."))
        if not named.isdisjoint(resource_ids):
            raise _Refused(
                f"{field}.resource_ids", say("A resource can be in one group of a service only.")
            )
        named.update(resource_ids)
        group = ResourceGroup(
            name=_text(f"{field}.name", form.name, NAME_LENGTH),
            count=_integer(f"{field}.count", form.count, 1, MOST_UNITS),
            resource_ids=resource_ids,
        )
        groups.append(group)
    return tuple(groups)


@_answers
def valid_units(needs: Needs, resources: Mapping[ResourceId, Resource]) -> Needs:
    """Check that each group has as many units as a visit takes of it. All of its resources are
    given.
    """
    for at, group in enumerate(needs.groups):
        units = sum(resources[resource_id].units for resource_id in group.resource_ids)
        if group.count > units:
            raise _Refused(
                f"needs.{at}.count",
                say("These resources have fewer units than a visit would take of them."),
            )
    return needs


def refuse_price_of_seats(
    price: Money | None, seats: int, *, field: str = "price.amount_minor"
) -> InvalidInput | None:
    """The refusal of the field where so many seats together cost more than an appointment's price
    can be; `price` is that of one.
    """
    if price is None or price.amount_minor * seats <= AMOUNT_MINOR:
        return None
    return InvalidInput(field=field, message=say("The price of all seats together is too high."))


def is_subject(text: str) -> bool:
    """Whether this can be the subject of a token: 1 to 255 characters that can be printed."""
    return 1 <= len(text) <= SUBJECT_LENGTH and _UNPRINTABLE.search(text) is None


# ------------------------------------------------------------------ single values


def _text(field: str, value: str | None, longest: int, *, paragraphs: bool = False) -> str:
    if value is None:
        raise _Refused(field, say("This can't be null."))
    text = value.strip()
    if not text:
        raise _Refused(field, say("This can't be empty."))
    if len(text) > longest:
        raise _Refused(field, say("This can have at most {count} characters.", count=longest))
    if (_UNPRINTABLE_IN_PARAGRAPHS if paragraphs else _UNPRINTABLE).search(text):
        raise _Refused(field, say("This contains characters that can't be printed."))
    return text


def _optional_text(
    field: str, value: str | None, longest: int, *, paragraphs: bool = False
) -> str | None:
    return (
        None
        if value is None or not value.strip()
        else _text(field, value, longest, paragraphs=paragraphs)
    )


def _description(value: str | None) -> str | None:
    return _optional_text("description", value, DESCRIPTION_LENGTH, paragraphs=True)


def _url(field: str, value: str | None) -> str | None:
    """An absolute http or https address: it becomes a link in pages and mails."""
    if value is None:
        return None
    text = _text(field, value, URL_LENGTH)
    problem = say("This is not a web address. Write it like https://example.com.")
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise _Refused(field, problem) from None
    is_plain = not any(character.isspace() or character in '<>"\\' for character in text)
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc or not is_plain:
        raise _Refused(field, problem)
    return text


def _not_null(field: str, values: Sequence[T] | None) -> Sequence[T]:
    if values is None:
        raise _Refused(field, say("This can't be null; send an empty list."))
    return values


def _flag(field: str, value: bool | None) -> bool:  # noqa: FBT001  a value to check
    if value is None:
        raise _Refused(field, say("This can't be null."))
    return value


def _integer(field: str, value: int | None, least: int, most: int) -> int:
    if value is None:
        raise _Refused(field, say("This can't be null."))
    if not least <= value <= most:
        raise _Refused(field, say("This must be from {least} to {most}.", least=least, most=most))
    return value


def _optional_integer(field: str, value: int | None, least: int, most: int) -> int | None:
    return None if value is None else _integer(field, value, least, most)


def _zone(field: str, name: str | None) -> str:
    if name is None:
        raise _Refused(field, say("This can't be null."))
    if not is_known_zone(name):
        if len(name) > ZONE_NAME_LENGTH or not name.isprintable():
            raise _Refused(
                field,
                say(
                    "That is not a time zone in the IANA database. "
                    "Use a name such as Europe/Berlin."
                ),
            )
        raise _Refused(
            field,
            say(
                "{name} is not a time zone in the IANA database. Use a name such as Europe/Berlin.",
                name=name,
            ),
        )
    return name


def _date(field: str, day: date) -> date:
    if not is_supported_date(day):
        raise _Refused(field, say("This date is outside the years the calendar supports."))
    return day


def _reading(field: str, wall: int | None) -> int:
    """A wall minute; midnight at the end of the last supported date is the last one."""
    if wall is None:
        raise _Refused(field, say("This can't be null."))
    if wall != (day_number(LAST_DATE) + 1) * DAY_MINUTES:
        _date(field, date_of_number(wall // DAY_MINUTES))
    return wall


def _clock_range(field: str, clock: ClockRange) -> ClockRange:
    if clock.start_minute >= DAY_MINUTES:
        raise _Refused(
            f"{field}.start", say("A range starts at 23:59 at the latest; 24:00 is an end only.")
        )
    return clock


def _email(field: str, value: str | None) -> str | None:
    if value is None:
        return None
    address = _mail_address(value.strip())
    if address is None:
        raise _Refused(field, say("This is not an e-mail address. Write it like name@example.com."))
    return address


def _mail_address(typed: str) -> str | None:
    """The address in the form that is stored; None where it is not one. Of most, only the domain
    has to be checked, and it was checked before.
    """
    plain = _PLAIN_ADDRESS.fullmatch(typed)
    if plain is not None and len(typed) <= _PLAIN_ADDRESS_LENGTH:
        domain = _mail_domain(plain["domain"])
        return None if domain is None else f"{plain['local_part']}@{domain}"
    try:
        return validate_email(typed, check_deliverability=False).normalized
    except EmailNotValidError:
        return None


@remembered(
    "mail domains",
    most_bytes=1024 * 1024,
    weigh=lambda arguments, domain: 2 * len(arguments[0]) + 4 * len(domain or "") + 150,
)
def _mail_domain(name: str) -> str | None:
    """The domain in the form that is stored; None where mail can't be sent to it."""
    try:
        return validate_email(f"a@{name}", check_deliverability=False).domain
    except EmailNotValidError:
        return None


def _phone(field: str, value: str | None) -> str | None:
    if value is None:
        return None
    problem = say(
        "This is not a phone number. Write it with its country code, such as +49 30 901820."
    )
    try:
        number = phonenumbers.parse(_INTERNATIONAL_PREFIX.sub("+", value), None)
    except phonenumbers.NumberParseException:
        raise _Refused(field, problem) from None
    # `is_possible_number` also takes what can be dialled only within its area (+1 555 0100).
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE or number.extension:
        raise _Refused(field, problem)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _locale(field: str, value: str | None) -> str | None:
    if value is None:
        return None
    if _LOCALE.fullmatch(value) and len(value) <= LOCALE_LENGTH:
        try:
            Locale.parse(value.replace("_", "-"), sep="-")
        except (UnknownLocaleError, ValueError):
            pass
        else:
            return value.replace("_", "-")
    raise _Refused(
        field, say("This is not a known locale. Use a language tag such as en or de-AT.")
    )


def _channels(channels: Sequence[Channel] | None) -> tuple[Channel, ...] | None:
    """Each once, in a fixed order."""
    return (
        None if channels is None else tuple(channel for channel in Channel if channel in channels)
    )


@cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def _money(field: str, money: Money) -> Money:
    _integer(f"{field}.amount_minor", money.amount_minor, 0, AMOUNT_MINOR)
    if money.currency not in _currencies():
        raise _Refused(
            f"{field}.currency",
            say("This is not an ISO 4217 currency code. Use a code such as EUR."),
        )
    return money


def _policy(field: str, form: PolicyForm | None, *, price: Money | None) -> CancellationPolicy:
    if form is None:
        raise _Refused(field, say("This can't be null."))
    free_until = _integer(
        f"{field}.free_until_minutes_before", form.free_until_minutes_before, 0, NOTICE_MINUTES
    )
    fee = None if form.late_fee is None else _money(f"{field}.late_fee", form.late_fee)
    percent = _optional_integer(f"{field}.late_fee_percent", form.late_fee_percent, 1, 100)
    if form.late_cancellation is LateCancellation.FEE:
        if (fee is None) == (percent is None):
            raise _Refused(
                f"{field}.late_fee",
                say("A fee is either a fixed amount or a share of the price: set one of them."),
            )
        if percent is not None and price is None:
            raise _Refused(
                f"{field}.late_fee_percent",
                say("A share needs a price; only services have one."),
            )
    elif fee is not None or percent is not None:
        raise _Refused(
            f"{field}.late_fee", say("A fee is given only where lateCancellation is FEE.")
        )
    if form.charges_no_show and form.late_cancellation is not LateCancellation.FEE:
        raise _Refused(
            f"{field}.charges_no_show",
            say("A no-show costs the fee of a late cancellation: set lateCancellation to FEE."),
        )
    return CancellationPolicy(
        free_until_minutes_before=free_until,
        late_cancellation=form.late_cancellation,
        late_fee=fee,
        late_fee_percent=percent,
        grace_minutes=_integer(f"{field}.grace_minutes", form.grace_minutes, 0, NOTICE_MINUTES),
        charges_no_show=form.charges_no_show,
    )


def needs_form(needs: Needs) -> NeedsForm:
    """The form that would be checked into these needs."""
    return NeedsForm(
        provider_ids=needs.provider_ids,
        providers_needed=needs.providers_needed,
        assignment=needs.assignment,
        needs=[
            NeedForm(name=group.name, count=group.count, resource_ids=group.resource_ids)
            for group in needs.groups
        ],
        seats=needs.seats,
    )


def policy_form(policy: CancellationPolicy | None) -> PolicyForm | None:
    """The form that would be checked into this policy."""
    if policy is None:
        return None
    return PolicyForm(
        free_until_minutes_before=policy.free_until_minutes_before,
        late_cancellation=policy.late_cancellation,
        late_fee=policy.late_fee,
        late_fee_percent=policy.late_fee_percent,
        grace_minutes=policy.grace_minutes,
        charges_no_show=policy.charges_no_show,
    )


Changes = dict[str, Any]
"""The fields that an update names, in snake_case, with their new values: absent means unchanged."""
