"""The law of messages: which are due when, for whom, on which channel. Planned with a change,
decided again right before each attempt to send.

Reminders are due at the organization's times before the start, in elapsed minutes: by default 24
hours and one hour before. One whose due time had passed when
the appointment was made, or moved, is never planned. A planned message is sent late rather than
never, while the start is still ahead and nothing has happened that makes it untrue.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from app.core.appointment import AppointmentStatus
from app.core.changes import AppointmentChangeKind
from app.core.messages import Channel, MessageKind, MessageStatus, Recipient
from app.core.provider import DEFAULT_REMINDER_MINUTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.ids import ProviderId, SessionId
    from app.core.messages import GroupVisit

REMINDERS: Final = frozenset({
    MessageKind.DAY_BEFORE, MessageKind.HOUR_BEFORE, MessageKind.BEFORE,
})  # fmt: skip
"""The kinds that are due before the start."""

_MINUTES: Final[Mapping[MessageKind, int]] = MappingProxyType({
    MessageKind.DAY_BEFORE: 1440,
    MessageKind.HOUR_BEFORE: 60,
})  # fmt: skip
_KINDS: Final = MappingProxyType({minutes: kind for kind, minutes in _MINUTES.items()})


def reminder_kind(minutes_before: int) -> MessageKind:
    """The kind of the reminder that is due so long before the start."""
    return _KINDS.get(minutes_before, MessageKind.BEFORE)


def reminder_minutes(kind: MessageKind) -> int | None:
    """How long before the start a message of this kind is due; None where the kind does not say."""
    return _MINUTES.get(kind)


RETRY_DELAYS: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 20, 40, 60, 120, 240)
)
"""How long to wait after each failed attempt: eight hours in all, which outlasts most outages of a
mail server, with most of the attempts within the hour that the hour's reminder has.
"""

MOST_ATTEMPTS: Final = len(RETRY_DELAYS) + 1
"""Deaths of workers count too: a message that kills its worker must not do so for ever."""

LONGEST_RETRY: Final = timedelta(hours=6)
"""The longest pause that a server's Retry-After gets."""

_NEWS: Final = MappingProxyType({
    AppointmentChangeKind.BOOKED: MessageKind.BOOKED,
    AppointmentChangeKind.RESCHEDULED: MessageKind.RESCHEDULED,
    AppointmentChangeKind.CANCELLED: MessageKind.CANCELLED,
    AppointmentChangeKind.CORRECTED: MessageKind.CORRECTED,
})  # fmt: skip


class SkipReason(StrEnum):
    """Why a planned message is not sent; the log shows the sentence."""

    CANCELLED = "the appointment was cancelled"
    MOVED = "the appointment was moved"
    STARTED = "the appointment has started"
    NEARER_IS_DUE = "a reminder closer to the start is due too"
    ERASED = "the customer was erased"
    OPTED_OUT = "the recipient opted out"
    UNWANTED = "the recipient does not want messages on this channel"
    NO_ADDRESS = "the recipient has no address for this channel"
    UNVERIFIED = "the phone number is not verified"
    NO_SENDER = "this channel is not set up"
    TOO_MANY = "the recipient has had as many messages as go out within a day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A kind of message about the current time of an appointment, and when it is due.
    `minutes_before` the start, where it is a reminder.
    """

    kind: MessageKind
    due_at: datetime
    minutes_before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How one side of an appointment is reached, as of now.

    `channels` are those it asked for; None: by e-mail where it has an address, else by SMS.
    `opted_out` are those on which its address wants nothing from this organization, except for
    `notices`: kinds of messages that it needs, since the other side cancelled or moved the visit.
    `may_be_texted` is whether text messages may go to its number: it is verified, or the
    organization does not ask for that.
    """

    recipient: Recipient
    email: str | None
    phone: str | None
    channels: tuple[Channel, ...] | None = None
    opted_out: frozenset[Channel] = frozenset()
    notices: frozenset[MessageKind] = frozenset()
    may_be_texted: bool = True
    is_erased: bool = False
    provider_id: ProviderId | None = None
    """Which provider this is; None for the customer."""

    def address(self, channel: Channel) -> str | None:
        """Where a message on this channel goes."""
        return self.email if channel is Channel.EMAIL else self.phone

    @property
    def wanted(self) -> tuple[Channel, ...]:
        """The channels on which this side gets its messages, in a fixed order."""
        if self.channels is not None:
            return tuple(channel for channel in Channel if channel in self.channels)
        # an erased customer's message is recorded, as skipped
        if self.email is not None or self.is_erased:
            return (Channel.EMAIL,)
        return () if self.phone is None else (Channel.SMS,)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKey:
    """What the log knows a message of an appointment, or of a session, by: at most one row for
    each.

    `is_resend` marks a deliberate repetition, with a row of its own: it is sent even if its channel
    is not a preferred one. `provider_id` is the provider it is for, where it is for one.
    `session_id` is that of a message to a provider about all of a session, however many
    appointments it has; `time_version` is then the session's. `minutes_before` the start a reminder
    is due; None for other kinds, and where staff send one of the kind BEFORE.
    """

    kind: MessageKind
    time_version: int
    recipient: Recipient
    channel: Channel
    is_resend: bool = False
    provider_id: ProviderId | None = None
    session_id: SessionId | None = None
    minutes_before: int | None = None


def plan(
    before: Appointment | None,
    after: Appointment,
    change: AppointmentChangeKind,
    now: datetime,
    reminders: Sequence[int] = DEFAULT_REMINDER_MINUTES,
) -> tuple[Planned, ...]:
    """The messages of a change made at `now`: the news at once, and the reminders, so many minutes
    before the start.

    A move that keeps the start has none: the reminders of that start are planned already. Neither
    has a correction that changes no address. A correction that changes one plans the reminders
    again, for the new address, and a notice to the old one.
    """
    kind = _NEWS.get(change)
    if kind is None or (
        before is not None and before.time_version == after.time_version and kind in _OF_A_TIME
    ):
        return ()
    at_once = Planned(kind=kind, due_at=now)
    if kind is MessageKind.CORRECTED:
        farewell = Planned(kind=MessageKind.READDRESSED, due_at=now)
        if after.status is not AppointmentStatus.CONFIRMED or now >= after.starts_at:
            return (farewell,)
        return (at_once, farewell, *plan_reminders(after.starts_at, now, reminders))
    if kind not in _OF_A_TIME:
        return (at_once,)
    return (at_once, *plan_reminders(after.starts_at, now, reminders))


_OF_A_TIME: Final = frozenset({
    MessageKind.BOOKED, MessageKind.RESCHEDULED, MessageKind.CORRECTED,
})  # fmt: skip


def plan_reminders(
    starts_at: datetime, made_at: datetime, reminders: Sequence[int]
) -> tuple[Planned, ...]:
    """The reminders of a start that was set at `made_at`, except for those that were overdue."""
    return tuple(
        Planned(kind=reminder_kind(minutes), due_at=due, minutes_before=minutes)
        for minutes in reminders
        if (due := starts_at - timedelta(minutes=minutes)) >= made_at
    )


def recipients(
    kind: MessageKind, time_version: int, *sides: Reach, session_id: SessionId | None = None
) -> tuple[MessageKey, ...]:
    """The messages that a planned one becomes: to each side, on each channel that it wants now."""
    return tuple(
        MessageKey(
            kind=kind,
            time_version=time_version,
            recipient=side.recipient,
            channel=channel,
            provider_id=side.provider_id,
            session_id=session_id,
        )
        for side in sides
        for channel in side.wanted
    )


def why_not(
    message: MessageKey,
    about: Appointment | GroupVisit,
    reach: Reach,
    now: datetime,
    reminders: Sequence[int] = DEFAULT_REMINDER_MINUTES,
) -> SkipReason | None:
    """Why the message is not sent at this instant; None where it is. `about` is the appointment, or
    the session, that it is about, `reach` is its recipient's, and `reminders` are how many minutes
    before the start the organization reminds.
    """
    return _untrue(message, about, now, reminders) or _unreachable(message, reach)


def _untrue(
    message: MessageKey,
    about: Appointment | GroupVisit,
    now: datetime,
    reminders: Sequence[int],
) -> SkipReason | None:
    is_cancelled = about.status is AppointmentStatus.CANCELLED
    if message.kind is MessageKind.CANCELLED:
        # Nothing leaves that state, so it stays true. A provider who left may be back.
        is_back = not is_cancelled and message.provider_id in about.providers
        return SkipReason.MOVED if is_back else None
    if message.kind is MessageKind.READDRESSED:
        return None  # it was so, whatever came since
    if is_cancelled:
        return SkipReason.CANCELLED
    if message.time_version != about.time_version:
        return SkipReason.MOVED
    if now >= about.starts_at or about.status is not AppointmentStatus.CONFIRMED:
        return SkipReason.STARTED
    if message.minutes_before is None or message.is_resend:
        return None
    due_too = (
        minutes
        for minutes in reminders
        if minutes < message.minutes_before and now >= about.starts_at - timedelta(minutes=minutes)
    )
    return None if next(due_too, None) is None else SkipReason.NEARER_IS_DUE


def _unreachable(message: MessageKey, reach: Reach) -> SkipReason | None:
    if reach.is_erased:
        return SkipReason.ERASED
    if message.channel in reach.opted_out and message.kind not in reach.notices:
        return SkipReason.OPTED_OUT
    if message.channel not in reach.wanted and not message.is_resend:
        return SkipReason.UNWANTED
    if reach.address(message.channel) is None:
        return SkipReason.NO_ADDRESS
    return (
        SkipReason.UNVERIFIED
        if message.channel is Channel.SMS and not reach.may_be_texted
        else None
    )


# ---------------------------------------------------------------- one attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """What was tried so far. `number` is that of this attempt, from 1; `last_failure` says why an
    earlier one failed. `may_have_arrived`: an earlier one was handed over, and its answer is not
    known.
    """

    number: int
    last_failure: str | None = None
    may_have_arrived: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """The message goes out now, to this address."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The message ends unsent, FAILED or SKIPPED."""

    status: MessageStatus
    detail: str


def decide_attempt(
    message: MessageKey,
    about: Appointment | GroupVisit,
    reach: Reach,
    now: datetime,
    tries: Tries,
    reminders: Sequence[int] = DEFAULT_REMINDER_MINUTES,
) -> Attempt | Ended:
    """Whether the message goes out at this instant; asked right before it does. `about` is the
    appointment, or the session, that it is about, and `reminders` are the organization's.
    """
    address = reach.address(message.channel)
    reason = why_not(message, about, reach, now, reminders)
    if reason is not None or address is None:
        return leave_unsent(reason or SkipReason.NO_ADDRESS, tries)
    if tries.number > MOST_ATTEMPTS:
        detail = tries.last_failure or "the worker died at every attempt"
        return Ended(
            status=MessageStatus.FAILED,
            detail=unknown_fate(detail) if tries.may_have_arrived else detail,
        )
    return Attempt(address)


def leave_unsent(reason: SkipReason, tries: Tries) -> Ended:
    """The end of a message that is not sent (again). One that may have arrived is never SKIPPED."""
    if tries.may_have_arrived:
        detail = unknown_fate(f"an attempt was cut off; then {reason}")
        return Ended(status=MessageStatus.FAILED, detail=detail)
    if reason in _TOO_LATE and tries.last_failure is not None:
        return Ended(status=MessageStatus.FAILED, detail=tries.last_failure)
    return Ended(status=MessageStatus.SKIPPED, detail=reason)


_TOO_LATE: Final = frozenset({SkipReason.STARTED, SkipReason.NEARER_IS_DUE})


def unknown_fate(detail: str) -> str:
    """The log's sentence for a message of which it is unknown whether it arrived."""
    return f"its fate is unknown: {detail}"


def next_try(attempts: int, retry_after_seconds: int | None) -> timedelta | None:
    """How long to wait after so many attempts, the last of which failed for now; None: that was the
    last.
    """
    if not 1 <= attempts <= len(RETRY_DELAYS):
        return None
    asked = timedelta(seconds=retry_after_seconds or 0)
    return max(RETRY_DELAYS[attempts - 1], min(asked, LONGEST_RETRY))
