"""Scalars: strict on the way in, one form on the way out.

A value of the wrong shape is a request error. Whether a well-formed value makes sense (a zone that
exists, a date within reach) is decided by the rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final, NewType

import strawberry
from graphql import GraphQLError, StringValueNode, ValueNode
from strawberry.types.scalar import ScalarDefinition

from app.core.zones import date_of_number, day_number

LocalTime = NewType("LocalTime", int)
"""Minutes of a wall clock since 00:00; 1,440 is 24:00, the end of the day."""

LocalDateTime = NewType("LocalDateTime", int)
"""A wall minute: minutes that a wall clock has counted since it read 1970-01-01T00:00."""

TimeZoneName = NewType("TimeZoneName", str)
"""The IANA name that a caller gave, not yet looked up."""

MINUTES_A_DAY: Final = 1440
# The longest name in the IANA database has 32 characters; twice that leaves room for its future.
LONGEST_ZONE_NAME: Final = 64

# RFC 3339, section 5.6: date-time. Python's own parser also takes weeks, ordinal dates and bare
# dates.
_DATE_TIME: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_FULL_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LOCAL_DATE_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)
_LOCAL_TIME: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)


def parse_date_time(value: object) -> datetime:
    """An instant in UTC. Digits beyond the microsecond are cut off; an offset is demanded."""
    if isinstance(value, str) and _DATE_TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # a 30th of February, or an instant before the year 1
    raise GraphQLError(
        "DateTime must be an RFC 3339 instant with an offset, such as 2026-03-08T09:00:00-05:00."
    )


def format_date_time(value: object) -> str:
    """RFC 3339 in UTC with `Z`; microseconds only where there are any. Text comes from a row, where
    this function made it.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TypeError("a DateTime is an aware datetime")
    # isoformat() of UTC ends in +00:00, six characters.
    return value.astimezone(UTC).isoformat()[:-6] + "Z"


def parse_date(value: object) -> date:
    if isinstance(value, str) and _FULL_DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass  # a 30th of February
    raise GraphQLError("Date must be a calendar date written YYYY-MM-DD, such as 2026-03-08.")


def format_date(value: object) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError("a Date is a date without a time")
    return value.isoformat()


def parse_local_time(value: object) -> LocalTime:
    if isinstance(value, str) and _LOCAL_TIME.fullmatch(value):
        return LocalTime(int(value[:2]) * 60 + int(value[3:]))
    raise GraphQLError(
        "LocalTime must be a wall clock time written HH:MM, such as 09:30; 24:00 is the end of a "
        "day."
    )


def format_local_time(value: object) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MINUTES_A_DAY:
        raise TypeError("a LocalTime is a number of minutes from 0 to 1440")
    return f"{value // 60:02}:{value % 60:02}"


def parse_local_date_time(value: object) -> LocalDateTime:
    """A reading, whichever zone's clock shows it: one that a clock skips is a reading as well."""
    if isinstance(value, str) and _LOCAL_DATE_TIME.fullmatch(value):
        try:
            day = date.fromisoformat(value[:10])
        except ValueError:
            pass  # a 30th of February
        else:
            return LocalDateTime(
                day_number(day) * MINUTES_A_DAY + int(value[11:13]) * 60 + int(value[14:])
            )
    raise GraphQLError(
        "LocalDateTime must be what a wall clock reads, written YYYY-MM-DDTHH:MM without an "
        "offset, such as 2026-03-08T09:30."
    )


def format_local_date_time(value: object) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a LocalDateTime is a number of minutes since 1970-01-01T00:00")
    number, minute = divmod(value, MINUTES_A_DAY)
    return f"{date_of_number(number).isoformat()}T{minute // 60:02}:{minute % 60:02}"


def parse_time_zone(value: object) -> TimeZoneName:
    if isinstance(value, str) and len(value) <= LONGEST_ZONE_NAME:
        return TimeZoneName(value)
    raise GraphQLError(
        f"TimeZone must be a name of at most {LONGEST_ZONE_NAME} characters, such as Europe/Berlin."
    )


def _scalar(
    name: str,
    description: str,
    parse: Callable[[object], object],
    serialize: Callable[[object], str],
    specified_by_url: str | None = None,
) -> ScalarDefinition:
    def parse_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> object:
        # Without this, an enum-like word or a number in the document would be read as a string.
        return parse(node.value if isinstance(node, StringValueNode) else None)

    return strawberry.scalar(
        name=name,
        description=description,
        specified_by_url=specified_by_url,
        serialize=serialize,
        parse_value=parse,
        parse_literal=parse_literal,
    )


SCALARS: Final[dict[object, ScalarDefinition]] = {
    datetime: _scalar(
        "DateTime",
        "An instant: RFC 3339 with an offset on the way in (2026-03-08T09:00:00-05:00), in UTC on "
        "the way out "
        "(2026-03-08T14:00:00Z). A time without an offset is refused.",
        parse_date_time,
        format_date_time,
        "https://datatracker.ietf.org/doc/html/rfc3339#section-5.6",
    ),
    date: _scalar(
        "Date",
        "A calendar date, YYYY-MM-DD, in the zone that the field names.",
        parse_date,
        format_date,
        "https://datatracker.ietf.org/doc/html/rfc3339#section-5.6",
    ),
    LocalTime: _scalar(
        "LocalTime",
        "A wall-clock time, HH:MM. 24:00 is allowed where a range ends.",
        parse_local_time,
        format_local_time,
        "https://datatracker.ietf.org/doc/html/rfc3339#appendix-A",
    ),
    LocalDateTime: _scalar(
        "LocalDateTime",
        "A wall-clock time, YYYY-MM-DDTHH:MM, without an offset, in the zone of the "
        "provider or resource.",
        parse_local_date_time,
        format_local_date_time,
    ),
    TimeZoneName: _scalar(
        "TimeZone",
        "A time zone by its name in the IANA database, such as America/New_York.",
        parse_time_zone,
        str,
        "https://www.iana.org/time-zones",
    ),
}
"""For `StrawberryConfig(scalar_map=SCALARS)`: annotate with datetime, date, LocalTime,
LocalDateTime and TimeZoneName.
"""
