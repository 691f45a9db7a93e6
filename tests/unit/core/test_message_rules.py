"""Which message is due when, for whom and over which channel: against a model that goes through
time step by step, and by example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.appointment import Appointment, AppointmentStatus, Contact
from app.core.changes import AppointmentChangeKind
from app.core.ids import AppointmentId, CustomerId, ProviderId
from app.core.message_rules import (
    LONGEST_RETRY,
    MOST_ATTEMPTS,
    RETRY_DELAYS,
    Attempt,
    Ended,
    MessageKey,
    Planned,
    Reach,
    SkipReason,
    Tries,
    decide_attempt,
    next_try,
    plan,
    recipients,
    reminder_minutes,
    why_not,
)
from app.core.messages import Channel, MessageKind, MessageStatus, Recipient
from app.core.money import CancellationPolicy
from app.core.provider import DEFAULT_REMINDER_MINUTES

DAY, HOUR = MessageKind.DAY_BEFORE, MessageKind.HOUR_BEFORE
EPOCH = datetime(2026, 3, 25, tzinfo=UTC)
CUSTOMER = Reach(recipient=Recipient.CUSTOMER, email="grace@example.org", phone="+491701234567")
PROVIDER = Reach(recipient=Recipient.PROVIDER, email="ada@salon.example", phone=None)


def at(minute: float) -> datetime:
    return EPOCH + timedelta(minutes=minute)


def an_appointment(starts_at: datetime, made_at: datetime, **changes: object) -> Appointment:
    appointment = Appointment(
        id=AppointmentId(UUID(int=1)),
        provider_id=ProviderId(UUID(int=2)),
        service_id=None,
        customer_id=CustomerId(UUID(int=3)),
        status=AppointmentStatus.CONFIRMED,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=30),
        customer_time_zone="Europe/Berlin",
        contact=Contact(name="Grace", email="grace@example.org", phone=None, locale=None),
        notes=None,
        version=1,
        time_version=1,
        price=None,
        cancellation_policy=CancellationPolicy(),
        created_at=made_at,
        cancelled_at=None,
        cancellation_reason=None,
        cancellation_fee=None,
    )
    return replace(appointment, **changes)  # type: ignore[arg-type]


# ---------------------------------------------------------------- against a model that walks through time


@dataclass(frozen=True, kw_only=True)
class Event:
    """At `minute`: book or move to `start`; cancel (None); or the worker runs (`runs`)."""

    minute: int
    start: int | None = None
    runs: bool = False


@dataclass(kw_only=True)
class Program:
    """The law as the program applies it: a plan kept with each change, decided upon when the worker
    runs.
    """

    reminders: Sequence[int] = DEFAULT_REMINDER_MINUTES
    appointment: Appointment | None = None
    outbox: list[tuple[Planned, int]] = field(default_factory=list)
    log: dict[MessageKey, datetime | SkipReason] = field(default_factory=dict)

    def change(self, event: Event) -> None:
        now, before = at(event.minute), self.appointment
        if before is None:
            if event.start is None:
                return
            kind, after = AppointmentChangeKind.BOOKED, an_appointment(at(event.start), now)
        elif before.status is AppointmentStatus.CANCELLED or now >= before.starts_at:
            return
        elif event.start is None:
            kind = AppointmentChangeKind.CANCELLED
            after = replace(
                before,
                status=AppointmentStatus.CANCELLED,
                version=before.version + 1,
                cancelled_at=now,
            )
        else:
            kind, moved = AppointmentChangeKind.RESCHEDULED, at(event.start)
            time_version = before.time_version + (moved != before.starts_at)
            after = replace(
                before, starts_at=moved, version=before.version + 1, time_version=time_version
            )
        planned = plan(before, after, kind, now, self.reminders)
        self.outbox += [(each, after.time_version) for each in planned]
        self.appointment = after

    def run(self, now: datetime) -> None:
        assert self.appointment is not None or not self.outbox
        for planned, time_version in [entry for entry in self.outbox if entry[0].due_at <= now]:
            self.outbox.remove((planned, time_version))
            assert self.appointment is not None
            for made in recipients(planned.kind, time_version, CUSTOMER, PROVIDER):
                message = replace(made, minutes_before=planned.minutes_before)
                reach = CUSTOMER if message.recipient is Recipient.CUSTOMER else PROVIDER
                assert message not in self.log, "at most one row for each"
                self.log[message] = (
                    why_not(message, self.appointment, reach, now, self.reminders) or now
                )

    def sent(self, recipient: Recipient) -> list[tuple[int, datetime]]:
        """The reminders, by minutes before the start."""
        return sorted(
            (message.minutes_before, when)
            for message, when in self.log.items()
            if message.recipient is recipient
            and message.minutes_before is not None
            and isinstance(when, datetime)
        )


def model(events: list[Event], reminders: Sequence[int]) -> list[tuple[int, datetime]]:
    """Nothing planned, nothing remembered but what was sent: at each run, look at the appointment
    as it is.
    """
    start: int | None = None
    made = 0
    cancelled = False
    told: set[int] = set()
    sent: list[tuple[int, datetime]] = []
    for event in events:
        now = event.minute
        if event.runs:
            if start is None or cancelled or now >= start:
                continue
            nearest = min((each for each in reminders if now >= start - each), default=None)
            if nearest is not None and start - nearest >= made and nearest not in told:
                told.add(nearest)
                sent.append((nearest, at(now)))
        elif start is None and event.start is not None:
            start, made = event.start, now
        elif start is None or cancelled or now >= start:
            continue
        elif event.start is None:
            cancelled = True
        elif event.start != start:
            start, made, told = event.start, now, set()
    return sorted(sent)


def days(most: int) -> st.SearchStrategy[int]:
    """Minutes, often on the hour: due times then meet changes and runs exactly."""
    return st.one_of(
        st.integers(0, most * 24).map(lambda hour: hour * 60), st.integers(0, most * 1440)
    )


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    booked = draw(days(1))
    events = [Event(minute=booked, start=booked + 1 + draw(days(4)))]
    for _ in range(draw(st.integers(0, 4))):
        minute = booked + draw(days(5))
        cancels = draw(st.integers(0, 3)) == 0
        events.append(Event(minute=minute, start=None if cancels else minute + 1 + draw(days(4))))
    runs = draw(st.lists(days(10), max_size=30)) if draw(st.booleans()) else range(0, 10 * 1440, 7)
    events += [Event(minute=minute, runs=True) for minute in runs]
    return sorted(events, key=lambda event: (event.minute, event.runs))


times = st.sets(st.integers(1, 120) | st.sampled_from([60, 1440, 4320]), max_size=5).map(tuple)


@given(lives(), st.just(DEFAULT_REMINDER_MINUTES) | times)
@example(
    [Event(minute=0, start=120), *(Event(minute=minute, runs=True) for minute in range(200))],
    DEFAULT_REMINDER_MINUTES,
)
@example(
    [Event(minute=0, start=1440), Event(minute=1, start=1440), Event(minute=2, runs=True)],
    DEFAULT_REMINDER_MINUTES,
)
@example([Event(minute=0, start=3000), Event(minute=10, start=4000), Event(minute=20, start=3000),
          *(Event(minute=minute, runs=True) for minute in range(0, 4000, 10))],
          DEFAULT_REMINDER_MINUTES)  # fmt: skip
def test_what_is_sent_is_what_a_look_at_the_appointment_would_send(
    events: list[Event], reminders: Sequence[int]
) -> None:
    program = Program(reminders=reminders)
    for event in events:
        if event.runs:
            program.run(at(event.minute))
        else:
            program.change(event)
    assert program.sent(Recipient.CUSTOMER) == model(events, reminders)
    assert program.sent(Recipient.PROVIDER) == model(events, reminders)


# ---------------------------------------------------------------- by example


def booked(start: float, made: float = 0) -> tuple[Planned, ...]:
    return plan(None, an_appointment(at(start), at(made)), AppointmentChangeKind.BOOKED, at(made))


@pytest.mark.parametrize(
    ("minutes_ahead", "kinds"),
    [
        (30, []),
        (59, []),
        (60, [HOUR]),
        (120, [HOUR]),
        (1439, [HOUR]),
        (1440, [DAY, HOUR]),
        (10_000, [DAY, HOUR]),
    ],
)
def test_a_reminder_that_was_due_before_the_booking_is_not_planned(
    minutes_ahead: int, kinds: list[MessageKind]
) -> None:
    told, *reminders = booked(minutes_ahead)
    assert told == Planned(kind=MessageKind.BOOKED, due_at=at(0))
    assert [planned.kind for planned in reminders] == kinds


def test_a_day_is_24_elapsed_hours_whatever_the_clocks_do() -> None:
    start = datetime(2026, 3, 29, 8, tzinfo=UTC)  # ten in Berlin, after the night of 23 hours
    _told, day, hour = plan(None, an_appointment(start, EPOCH), AppointmentChangeKind.BOOKED, EPOCH)
    assert (day.due_at, hour.due_at) == (
        datetime(2026, 3, 28, 8, tzinfo=UTC),
        datetime(2026, 3, 29, 7, tzinfo=UTC),
    )


def test_a_move_in_place_announces_nothing_and_a_real_one_plans_again() -> None:
    before = an_appointment(at(5000), at(0))
    moved = AppointmentChangeKind.RESCHEDULED
    assert plan(before, replace(before, version=2), moved, at(10)) == ()
    after = replace(before, version=2, time_version=2, starts_at=at(1500))
    assert [planned.kind for planned in plan(before, after, moved, at(100))] == [
        MessageKind.RESCHEDULED,
        HOUR,
    ]


def test_an_organization_reminds_at_its_own_times() -> None:
    visit = an_appointment(at(10_000), at(0))
    told, *reminders = plan(None, visit, AppointmentChangeKind.BOOKED, at(0), (2880, 1440, 45))
    assert told.kind is MessageKind.BOOKED
    assert [(each.kind, each.minutes_before, each.due_at) for each in reminders] == [
        (MessageKind.BEFORE, 2880, at(7_120)),
        (DAY, 1440, at(8_560)),
        (MessageKind.BEFORE, 45, at(9_955)),
    ]
    assert [each.kind for each in plan(None, visit, AppointmentChangeKind.BOOKED, at(0), ())] == [
        MessageKind.BOOKED
    ]


def test_a_cancellation_is_announced_and_plans_nothing_else() -> None:
    before = an_appointment(at(5000), at(0))
    after = replace(before, status=AppointmentStatus.CANCELLED, version=2)
    told = plan(before, after, AppointmentChangeKind.CANCELLED, at(7))
    assert told == (Planned(kind=MessageKind.CANCELLED, due_at=at(7)),)
    for closed in (AppointmentChangeKind.COMPLETED, AppointmentChangeKind.NO_SHOW):
        assert plan(before, replace(before, version=2), closed, at(6000)) == ()


def a_message(kind: MessageKind = DAY, **changes: object) -> MessageKey:
    message = MessageKey(
        kind=kind,
        time_version=1,
        recipient=Recipient.CUSTOMER,
        channel=Channel.EMAIL,
        minutes_before=reminder_minutes(kind),
    )
    return replace(message, **changes)  # type: ignore[arg-type]


STANDING = an_appointment(at(2000), at(0))
CANCELLED = replace(STANDING, status=AppointmentStatus.CANCELLED)
TEXTED = replace(CUSTOMER, channels=(Channel.SMS,))
UNVERIFIED = replace(TEXTED, may_be_texted=False)


@pytest.mark.parametrize(
    ("message", "appointment", "reach", "minute", "reason"),
    [
        (a_message(), STANDING, CUSTOMER, 560, None),
        (a_message(), STANDING, CUSTOMER, 1939, None),
        (a_message(), STANDING, CUSTOMER, 1940, SkipReason.NEARER_IS_DUE),
        (a_message(is_resend=True), STANDING, CUSTOMER, 1940, None),
        (a_message(HOUR), STANDING, CUSTOMER, 1999, None),
        (a_message(HOUR), STANDING, CUSTOMER, 2000, SkipReason.STARTED),
        (
            a_message(HOUR),
            replace(STANDING, status=AppointmentStatus.CANCELLED),
            CUSTOMER,
            1950,
            SkipReason.CANCELLED,
        ),
        (a_message(HOUR), replace(STANDING, time_version=2), CUSTOMER, 1950, SkipReason.MOVED),
        (
            a_message(MessageKind.BOOKED),
            replace(STANDING, time_version=2),
            CUSTOMER,
            5,
            SkipReason.MOVED,
        ),
        (
            a_message(MessageKind.CANCELLED),
            replace(STANDING, status=AppointmentStatus.CANCELLED),
            CUSTOMER,
            9000,
            None,
        ),
        (
            a_message(HOUR),
            STANDING,
            replace(CUSTOMER, is_erased=True, email=None),
            1950,
            SkipReason.ERASED,
        ),
        (
            a_message(HOUR),
            STANDING,
            replace(CUSTOMER, opted_out=frozenset({Channel.EMAIL})),
            1950,
            SkipReason.OPTED_OUT,
        ),
        (
            a_message(HOUR),
            STANDING,
            replace(CUSTOMER, opted_out=frozenset({Channel.SMS})),
            1950,
            None,
        ),
        (
            a_message(HOUR),
            STANDING,
            replace(CUSTOMER, channels=(Channel.SMS,)),
            1950,
            SkipReason.UNWANTED,
        ),
        (a_message(HOUR, channel=Channel.SMS), STANDING, CUSTOMER, 1950, SkipReason.UNWANTED),
        (a_message(HOUR, channel=Channel.SMS, is_resend=True), STANDING, CUSTOMER, 1950, None),
        (
            a_message(HOUR, channel=Channel.SMS),
            STANDING,
            replace(CUSTOMER, channels=(Channel.SMS,), phone=None),
            1950,
            SkipReason.NO_ADDRESS,
        ),
        (a_message(HOUR, channel=Channel.SMS), STANDING, TEXTED, 1950, None),
        (a_message(HOUR, channel=Channel.SMS), STANDING, UNVERIFIED, 1950, SkipReason.UNVERIFIED),
        (
            a_message(HOUR, channel=Channel.SMS, is_resend=True),
            STANDING,
            UNVERIFIED,
            1950,
            SkipReason.UNVERIFIED,
        ),
        (
            a_message(HOUR, channel=Channel.SMS),
            STANDING,
            replace(UNVERIFIED, phone=None),
            1950,
            SkipReason.NO_ADDRESS,
        ),
        (a_message(HOUR), STANDING, replace(CUSTOMER, may_be_texted=False), 1950, None),
    ],
)
def test_why_a_message_is_not_sent(
    message: MessageKey,
    appointment: Appointment,
    reach: Reach,
    minute: int,
    reason: SkipReason | None,
) -> None:
    assert why_not(message, appointment, reach, at(minute)) is reason


TRIED = Tries(number=2, last_failure="smtp 451 at RCPT")
CUT_OFF = replace(TRIED, may_have_arrived=True)
CANCELLED_THEN = "its fate is unknown: an attempt was cut off; then the appointment was cancelled"


@pytest.mark.parametrize(
    ("appointment", "tries", "ends"),
    [
        (STANDING, Tries(number=1), None),
        (STANDING, CUT_OFF, None),
        (CANCELLED, Tries(number=1), ("SKIPPED", "the appointment was cancelled")),
        (CANCELLED, TRIED, ("SKIPPED", "the appointment was cancelled")),
        (CANCELLED, CUT_OFF, ("FAILED", CANCELLED_THEN)),
        (STANDING, replace(TRIED, number=MOST_ATTEMPTS + 1), ("FAILED", "smtp 451 at RCPT")),
        (
            STANDING,
            Tries(number=MOST_ATTEMPTS + 1, may_have_arrived=True),
            ("FAILED", "its fate is unknown: the worker died at every attempt"),
        ),
    ],
)
def test_an_attempt_is_made_or_the_message_ends(
    appointment: Appointment, tries: Tries, ends: tuple[str, str] | None
) -> None:
    """What may have arrived is never called skipped."""
    decision = decide_attempt(a_message(HOUR), appointment, CUSTOMER, at(1950), tries)
    if ends is None:
        assert decision == Attempt("grace@example.org")
    else:
        assert decision == Ended(status=MessageStatus(ends[0]), detail=ends[1])


def test_what_failed_until_it_was_too_late_has_failed() -> None:
    decision = decide_attempt(a_message(HOUR), STANDING, CUSTOMER, STANDING.starts_at, TRIED)
    assert decision == Ended(status=MessageStatus.FAILED, detail="smtp 451 at RCPT")


def test_who_says_nothing_is_reached_by_e_mail_else_by_sms() -> None:
    assert CUSTOMER.wanted == (Channel.EMAIL,)
    assert replace(CUSTOMER, email=None).wanted == (Channel.SMS,)
    assert replace(CUSTOMER, email=None, phone=None).wanted == ()
    assert replace(CUSTOMER, channels=(Channel.SMS, Channel.EMAIL)).wanted == (
        Channel.EMAIL,
        Channel.SMS,
    )
    assert replace(CUSTOMER, channels=()).wanted == ()


def test_an_erased_customers_message_is_recorded() -> None:
    erased = replace(CUSTOMER, email=None, phone=None, is_erased=True)
    assert [message.recipient for message in recipients(DAY, 1, erased)] == [Recipient.CUSTOMER]


def test_the_delays_grow_and_end() -> None:
    assert list(RETRY_DELAYS) == sorted(set(RETRY_DELAYS))
    waits = [next_try(attempts, None) for attempts in range(1, len(RETRY_DELAYS) + 1)]
    assert waits == list(RETRY_DELAYS)
    assert next_try(len(RETRY_DELAYS) + 1, None) is None


@given(st.integers(1, len(RETRY_DELAYS)), st.integers(0, 10**9))
def test_a_server_may_ask_for_more_time_within_reason(attempts: int, seconds: int) -> None:
    waits = next_try(attempts, seconds)
    assert waits is not None
    assert max(RETRY_DELAYS[attempts - 1], min(timedelta(seconds=seconds), LONGEST_RETRY)) == waits
