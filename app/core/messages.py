"""Messages about an appointment: what they are for, whom they reach and how. Words are made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MessageKind(StrEnum):
    """Why a message is sent."""

    BOOKED = "BOOKED"
    RESCHEDULED = "RESCHEDULED"
    CANCELLED = "CANCELLED"
    DAY_BEFORE = "DAY_BEFORE"
    HOUR_BEFORE = "HOUR_BEFORE"


class Recipient(StrEnum):
    """Whose side of the appointment a message is for."""

    CUSTOMER = "CUSTOMER"
    PROVIDER = "PROVIDER"


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "EMAIL"
    SMS = "SMS"


class MessageStatus(StrEnum):
    """What became of a message. All but PENDING are ends."""

    PENDING = "PENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateOverride:
    """An organization's own words for one kind, recipient and language: Jinja2 sources.

    A part left out is the built-in one. `subject`, `text` and `html` are for e-mail, `sms` for SMS. What a source may
    hold and which words it may use, the renderer says.
    """

    subject: str | None = None
    text: str | None = None
    html: str | None = None
    sms: str | None = None
