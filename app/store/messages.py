"""The outbox and the log of messages, as stored. Every row of the log is claimed with a lease
before it is sent.

Sweeps select candidates without locks and claim them, one organization at a time, by conditional
statements: any number of workers may do so at once, on one node or on many.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from app.core.allowance import NotifiedTime
from app.core.ids import AppointmentId, MessageLogId, OrganizationId, ProviderId, SessionId
from app.core.message_rules import MessageKey, reminder_minutes
from app.core.messages import (
    Channel,
    GroupVisit,
    Message,
    MessageKind,
    MessageStatus,
    Recipient,
)
from app.store.appointments import appointment_from
from app.store.opt_outs import digests_of
from app.store.organizations import organization_from
from app.store.providers import channels, provider_from
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.events import Author, Happening
    from app.core.ids import CustomerId, EventId
    from app.core.message_rules import SkipReason
    from app.core.provider import Organization, Provider
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_DUE_OUTBOX = query("due_outbox")
_TAKE_OUTBOX = query("take_outbox")
_OUTBOX_OF_APPOINTMENTS = query("outbox_of_appointments")
_INSERT = query("insert_messages")
_INSERT_RESEND = query("insert_resend")
_COUNT = query("count_messages")
_NOTIFIED_TIMES = query("notified_times")
_OF_APPOINTMENTS = query("messages_of_appointments")
_BY_ID = query("message_by_id")
_BOOKED_VISITS = query("booked_visits")
_GROUP_VISITS = query("group_visits")
_PROVIDERS = query("providers_of_visits")
_WAITING = query("waiting_messages")
_CLAIM = query("claim_messages")
_GIVE_BACK = query("give_back")
_BEGIN = query("begin_attempts")
_CLOSE = query("close_message")
_CLOSE_TOGETHER = query("close_messages")
_END_TOGETHER = query("end_messages")
_POSTPONE = query("postpone_message")
_APPOINTMENTS = query("appointments_of_messages")
_KNOWN_IDS = query("known_message_ids")
_RECORD_DELIVERY = query("record_delivery")
_STOP = query("stop_messages_of_customer")
_FORGET_DESTINATIONS = query("forget_destinations_of_customer")


class BookedVisit(NamedTuple):
    """An appointment, with what its customer's record says about messages."""

    appointment: Appointment
    wanted_channels: tuple[Channel, ...] | None
    is_erased: bool


class StoredKind(NamedTuple):
    """The kind of a message as a column has it. Reminders at times of the organization's own have
    the minutes in it, since an appointment may have several of them: BEFORE_45.
    """

    kind: MessageKind
    minutes_before: int | None

    @classmethod
    def of(cls, stored: str) -> StoredKind:
        """From the column."""
        name, _, minutes = stored.partition("BEFORE_")
        if name == "" and minutes:
            return cls(MessageKind.BEFORE, int(minutes))
        kind = MessageKind(stored)
        return cls(kind, reminder_minutes(kind))

    def __str__(self) -> str:
        if self.kind is MessageKind.BEFORE and self.minutes_before is not None:
            return f"BEFORE_{self.minutes_before}"
        return self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """A kind of message that is planned about one time of an appointment.

    `by_guest` says whether a guest, or the bearer of a manage link, made the change that it is
    about, and `origin` from which network, where that is counted.
    """

    appointment_id: AppointmentId
    time_version: int
    kind: StoredKind
    due_at: datetime
    by_guest: bool
    origin: bytes | None


@dataclass(frozen=True, slots=True)
class OutboxKey:
    """What an entry of the outbox is known by, within its organization."""

    appointment_id: AppointmentId
    time_version: int
    kind: StoredKind


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A row to be written to the log: PENDING without a `skipped`, else SKIPPED at once.

    `destination` is what it is counted under, a hash; None where it is not counted. `by_guest` and
    `origin` are those of the outbox, for news to an unverified address; `address_since` is the
    first time version whose messages go to the customer's present address. These are not stored.
    """

    id: MessageLogId
    appointment_id: AppointmentId
    message: MessageKey
    due_at: datetime
    skipped: SkipReason | None
    destination: bytes | None
    by_guest: bool = False
    origin: bytes | None = None
    address_since: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage:
    """A message that is ours until its lease ends; `attempts`, this one included, is the proof.

    `last_failure` says why an earlier attempt failed. `begun_at`, by the real clock, is when an
    earlier attempt began whose outcome was not recorded: the message may have arrived. `wire_text`
    are its words where it is a text message.
    """

    id: MessageLogId
    organization_id: OrganizationId
    appointment_id: AppointmentId
    message: MessageKey
    attempts: int
    last_failure: str | None
    wire_text: str | None
    begun_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptBeginning:
    """An attempt that is about to begin: what was seen when it was decided upon. A version that is
    None does not matter to the message. `wire_text` are the words of a text message. `address` is
    where it goes, which must not have opted out; None where that does not matter.
    """

    claimed: ClaimedMessage
    appointment_version: int | None
    session: GroupVisit | None
    wire_text: str | None
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEnd:
    """How a claimed message ended."""

    claimed: ClaimedMessage
    status: MessageStatus
    sent_at: datetime | None = None
    detail: str | None = None
    provider_message_id: str | None = None


# ---------------------------------------------------------------- the outbox


async def due_outbox(
    on: Executor, *, due_by: datetime, batch_size: int
) -> dict[OrganizationId, list[OutboxKey]]:
    """A batch of what is due, news first, by organization. Nothing is locked."""
    found: dict[OrganizationId, list[OutboxKey]] = {}
    for row in await _DUE_OUTBOX.many(on, due_by, batch_size):
        key = OutboxKey(
            AppointmentId(row["appointment_id"]), row["time_version"], StoredKind.of(row["kind"])
        )
        found.setdefault(OrganizationId(row["organization_id"]), []).append(key)
    return found


async def take_outbox(
    tx: Transaction, organization_id: OrganizationId, keys: Sequence[OutboxKey]
) -> list[OutboxEntry]:
    """Take these entries, for rows of the log to be written in the same transaction."""
    rows = await _TAKE_OUTBOX.many(
        tx,
        organization_id,
        [key.appointment_id for key in keys],
        [key.time_version for key in keys],
        [str(key.kind) for key in keys],
    )
    return [_entry(row) for row in rows]


async def outbox_of_appointments(
    on: Executor, organization_id: OrganizationId, appointment_ids: Sequence[AppointmentId]
) -> dict[AppointmentId, list[OutboxEntry]]:
    """What is still planned for each of these appointments, for any of its times, in order."""
    found: dict[AppointmentId, list[OutboxEntry]] = {}
    for row in await _OUTBOX_OF_APPOINTMENTS.many(on, organization_id, appointment_ids):
        entry = _entry(row)
        found.setdefault(entry.appointment_id, []).append(entry)
    return found


def _entry(row: Record) -> OutboxEntry:
    return OutboxEntry(
        appointment_id=AppointmentId(row["appointment_id"]),
        time_version=row["time_version"],
        kind=StoredKind.of(row["kind"]),
        due_at=row["due_at"],
        by_guest=row["by_guest"],
        origin=row["origin"],
    )


# ---------------------------------------------------------------- the log


async def insert_messages(
    tx: Transaction,
    organization_id: OrganizationId,
    messages: Sequence[NewMessage],
    *,
    created_at: datetime,
    free_from: datetime,
    claim: int,
    lease_until: datetime,
) -> list[ClaimedMessage]:
    """Write rows of the log, each once. The first ones of those that are to be sent, as many as
    `claim` says, are ours until the lease ends, and are returned where they were written by this.
    The others wait, and may be claimed from `free_from` on, by the real clock.
    """
    claimed = {new.id for new in islice((n for n in messages if n.skipped is None), claim)}
    rows = await _INSERT.many(
        tx,
        organization_id,
        [new.id for new in messages],
        [new.appointment_id for new in messages],
        [new.message.time_version for new in messages],
        [str(stored_kind(new.message)) for new in messages],
        [new.message.recipient for new in messages],
        [new.message.channel for new in messages],
        [
            MessageStatus.PENDING if new.skipped is None else MessageStatus.SKIPPED
            for new in messages
        ],
        [new.due_at for new in messages],
        [
            None if new.skipped is not None else lease_until if new.id in claimed else free_from
            for new in messages
        ],
        [new.skipped for new in messages],
        created_at,
        [new.destination for new in messages],
        [new.message.provider_id for new in messages],
        [new.message.session_id for new in messages],
        [int(new.id in claimed) for new in messages],
    )
    written = {row["id"] for row in rows}
    return [
        ClaimedMessage(
            id=new.id,
            organization_id=organization_id,
            appointment_id=new.appointment_id,
            message=new.message,
            attempts=1,
            last_failure=None,
            wire_text=None,
            begun_at=None,
        )
        for new in messages
        if new.id in claimed and new.id in written
    ]


async def insert_resend(
    tx: Transaction,
    organization_id: OrganizationId,
    resend: NewMessage,
    *,
    free_from: datetime,
) -> bool:
    """Write a row of its own for a message that goes out again; False where such a one waits
    already.
    """
    message = resend.message
    row = await _INSERT_RESEND.maybe(
        tx,
        organization_id,
        resend.id,
        resend.appointment_id,
        message.time_version,
        str(stored_kind(message)),
        message.recipient,
        message.channel,
        resend.due_at,
        free_from,
        resend.destination,
        message.provider_id,
        message.session_id,
    )
    return row is not None


async def count_messages(
    tx: Transaction,
    organization_id: OrganizationId,
    destinations: Collection[bytes],
    *,
    since: datetime,
) -> dict[bytes, int]:
    """How many messages each of these destinations was sent after that instant, or is about to be;
    absent: none.

    Ask under the lock of the organization's destinations.
    """
    rows = await _COUNT.many(tx, organization_id, list(destinations), since)
    return {row["destination"]: row["messages"] for row in rows}


async def notified_times(
    tx: Transaction, organization_id: OrganizationId, appointment_ids: Collection[AppointmentId]
) -> set[NotifiedTime]:
    """The times of these appointments that messages to customers were sent or are pending about."""
    return {
        NotifiedTime(
            appointment_id=AppointmentId(row["appointment_id"]),
            channel=Channel(row["channel"]),
            time_version=row["time_version"],
        )
        for row in await _NOTIFIED_TIMES.many(tx, organization_id, list(appointment_ids))
    }


async def messages_of_appointments(
    on: Executor, organization_id: OrganizationId, appointment_ids: Sequence[AppointmentId]
) -> dict[AppointmentId, list[Message]]:
    """Every row of the log for each of these appointments, in the order in which they were due."""
    found: dict[AppointmentId, list[Message]] = {}
    for row in await _OF_APPOINTMENTS.many(on, organization_id, appointment_ids):
        logged = _logged(row)
        found.setdefault(logged.appointment_id, []).append(logged)
    return found


async def message_by_id(
    on: Executor, organization_id: OrganizationId, message_id: MessageLogId
) -> Message | None:
    """One row of the log."""
    row = await _BY_ID.maybe(on, organization_id, message_id)
    return None if row is None else _logged(row)


def stored_kind(message: MessageKey) -> StoredKind:
    """The kind of this message as a column has it."""
    return StoredKind(message.kind, message.minutes_before)


def _logged(row: Record) -> Message:
    kind, minutes_before = StoredKind.of(row["kind"])
    return Message(
        id=MessageLogId(row["id"]),
        appointment_id=AppointmentId(row["appointment_id"]),
        time_version=row["time_version"],
        kind=kind,
        minutes_before=minutes_before,
        recipient=Recipient(row["recipient"]),
        channel=Channel(row["channel"]),
        status=MessageStatus(row["status"]),
        due_at=row["due_at"],
        sent_at=row["sent_at"],
        detail=row["detail"],
        is_resend=row["is_resend"],
        provider_id=_provider_id(row),
        session_id=_session_id(row),
    )


def _session_id(row: Record) -> SessionId | None:
    return None if row["session_id"] is None else SessionId(row["session_id"])


def _provider_id(row: Record) -> ProviderId | None:
    return None if row["provider_id"] is None else ProviderId(row["provider_id"])


async def booked_visits(
    on: Executor, organization_id: OrganizationId, ids: Collection[AppointmentId]
) -> dict[AppointmentId, BookedVisit]:
    """The existing ones of these appointments, as messages describe them."""
    return {
        AppointmentId(row["id"]): BookedVisit(
            appointment=appointment_from(row),
            wanted_channels=channels(row["wanted_channels"]),
            is_erased=row["is_erased"],
        )
        for row in await _BOOKED_VISITS.many(on, organization_id, list(ids))
    }


async def providers_of_visits(
    on: Executor, organization_id: OrganizationId, ids: Sequence[ProviderId]
) -> tuple[Organization | None, dict[ProviderId, Provider]]:
    """These providers, by id, and their organization. None: none of them exists."""
    organization: Organization | None = None
    found: dict[ProviderId, Provider] = {}
    for row in await _PROVIDERS.many(on, organization_id, ids):
        provider_id = ProviderId(row["id"])
        found[provider_id] = provider_from(row, provider_id)
        organization = organization or organization_from(row, prefix="own_")
    return organization, found


async def group_visits(
    on: Executor, organization_id: OrganizationId, ids: Collection[SessionId]
) -> dict[SessionId, GroupVisit]:
    """These sessions, as messages to providers describe them."""
    found: dict[SessionId, GroupVisit] = {}
    for row in await _GROUP_VISITS.many(on, organization_id, list(ids)):
        session_id = SessionId(row["id"])
        found[session_id] = GroupVisit(
            id=session_id,
            providers=tuple(map(ProviderId, row["provider_ids"])),
            starts_at=row["starts_at"],
            ends_at=row["ends_at"],
            version=row["version"],
            time_version=row["time_version"],
            is_cancelled=row["is_cancelled"],
            seats=row["seats"],
            bookings=row["bookings"],
        )
    return found


async def waiting_messages(
    on: Executor, *, real_now: datetime, batch_size: int
) -> dict[OrganizationId, list[MessageLogId]]:
    """A batch of messages that nobody has a lease on, news first, by organization. Nothing is
    locked.
    """
    found: dict[OrganizationId, list[MessageLogId]] = {}
    for row in await _WAITING.many(on, real_now, batch_size):
        found.setdefault(OrganizationId(row["organization_id"]), []).append(MessageLogId(row["id"]))
    return found


async def claim_messages(
    on: Executor,
    organization_id: OrganizationId,
    ids: Sequence[MessageLogId],
    *,
    real_now: datetime,
    lease_until: datetime,
) -> list[ClaimedMessage]:
    """Those of these messages that are ours from now on, until the lease ends."""
    return [
        ClaimedMessage(
            id=MessageLogId(row["id"]),
            organization_id=organization_id,
            appointment_id=AppointmentId(row["appointment_id"]),
            message=MessageKey(
                kind=(kind := StoredKind.of(row["kind"])).kind,
                minutes_before=kind.minutes_before,
                time_version=row["time_version"],
                recipient=Recipient(row["recipient"]),
                channel=Channel(row["channel"]),
                is_resend=row["is_resend"],
                provider_id=_provider_id(row),
                session_id=_session_id(row),
            ),
            attempts=row["attempts"],
            last_failure=row["detail"],
            wire_text=row["wire_text"],
            begun_at=row["wire_since"],
        )
        for row in await _CLAIM.many(on, organization_id, ids, real_now, lease_until)
    ]


async def give_back(on: Executor, claimed: ClaimedMessage, *, real_now: datetime) -> None:
    """A claimed message that no attempt began with waits as before. The claim may not be used any
    more.
    """
    await _GIVE_BACK.exec(on, claimed.organization_id, claimed.id, claimed.attempts, real_now)


async def begin_attempts(
    on: Executor,
    organization_id: OrganizationId,
    beginnings: Sequence[AttemptBeginning],
    *,
    begun_at: datetime,
    lease_until: datetime,
) -> set[MessageLogId]:
    """Record that these messages are about to be handed over, and renew their leases. Returns those
    that may be: not those whose claim is no longer ours, or whose subject has changed, since the
    appointment or the session is no longer at the version that was seen, or whose address has opted
    out.
    """
    sessions = [each.session for each in beginnings]
    digests = [
        (None, None)
        if each.address is None
        else digests_of(organization_id, (each.claimed.message.channel, each.address))
        for each in beginnings
    ]
    rows = await _BEGIN.many(
        on,
        organization_id,
        [each.claimed.id for each in beginnings],
        [each.claimed.attempts for each in beginnings],
        [each.appointment_version for each in beginnings],
        begun_at,
        lease_until,
        [each.wire_text for each in beginnings],
        [None if session is None else session.id for session in sessions],
        [None if session is None else session.version for session in sessions],
        [digest for digest, _ in digests],
        [earlier for _, earlier in digests],
    )
    return {MessageLogId(row["id"]) for row in rows}


async def close_messages(
    on: Executor,
    organization_id: OrganizationId,
    ends: Sequence[MessageEnd],
    events: Sequence[tuple[EventId, Happening]],
    *,
    author: Author,
    occurred_at: datetime,
) -> set[MessageLogId]:
    """Record the end of claimed messages, and the `events` of those that end. Returns those that
    have ended by this; the others are no longer ours, or somebody else is changing them, and
    `close_message` waits for that.
    """
    rows = await _CLOSE_TOGETHER.many(
        on,
        organization_id,
        *_columns_of(ends),
        [event_id for event_id, _ in events],
        [happening.type for _, happening in events],
        [happening.subject_id for _, happening in events],
        occurred_at,
        author.actor,
        author.staff_subject,
    )
    return {MessageLogId(row["id"]) for row in rows}


async def end_messages(
    tx: Transaction, organization_id: OrganizationId, ends: Sequence[MessageEnd]
) -> set[MessageLogId]:
    """As `close_messages`, but the events are still to be recorded: where the database is
    distributed, no statement writes to several tables.
    """
    rows = await _END_TOGETHER.many(tx, organization_id, *_columns_of(ends))
    return {MessageLogId(row["id"]) for row in rows}


def _columns_of(ends: Sequence[MessageEnd]) -> tuple[list[object], ...]:
    return (
        [end.claimed.id for end in ends],
        [end.claimed.attempts for end in ends],
        [end.status for end in ends],
        [end.sent_at for end in ends],
        [end.detail for end in ends],
        [end.provider_message_id for end in ends],
    )


async def close_message(tx: Transaction, end: MessageEnd) -> bool:
    """Record the end of a claimed message; False where the claim is no longer ours."""
    claimed = end.claimed
    count = await _CLOSE.exec(
        tx,
        claimed.organization_id,
        claimed.id,
        claimed.attempts,
        end.status,
        end.sent_at,
        end.detail,
        end.provider_message_id,
    )
    return count == 1


async def postpone_message(
    on: Executor, claimed: ClaimedMessage, until: datetime, detail: str, *, may_have_arrived: bool
) -> bool:
    """Leave a claimed message alone until then. Unless it `may_have_arrived`, the record of the
    attempt goes.
    """
    count = await _POSTPONE.exec(
        on, claimed.organization_id, claimed.id, claimed.attempts, until, detail, may_have_arrived
    )
    return count == 1


async def appointments_of_messages(
    on: Executor, organization_id: OrganizationId, ids: Sequence[MessageLogId]
) -> dict[MessageLogId, AppointmentId]:
    """Which appointment each of these messages is about; the log may not have them any more."""
    return {
        MessageLogId(row["id"]): AppointmentId(row["appointment_id"])
        for row in await _APPOINTMENTS.many(on, organization_id, ids)
    }


async def known_message_ids(
    on: Executor, organization_id: OrganizationId, appointment_id: AppointmentId
) -> frozenset[str]:
    """The gateway's names of an appointment's text messages that are accounted for."""
    rows = await _KNOWN_IDS.many(on, organization_id, appointment_id)
    return frozenset(row["provider_message_id"] for row in rows)


async def record_delivery(
    on: Executor,
    organization_id: OrganizationId,
    message_id: MessageLogId,
    status: MessageStatus,
    *,
    at: datetime,
    detail: str | None,
    provider_message_id: str,
) -> bool:
    """Record the gateway's report on a text message; False if it changes nothing."""
    count = await _RECORD_DELIVERY.exec(
        on, organization_id, message_id, status, at, detail, provider_message_id
    )
    return count == 1


async def stop_messages_of_customer(
    tx: Transaction, organization_id: OrganizationId, customer_id: CustomerId
) -> list[MessageLogId]:
    """Invalidate all claims of messages about an erased customer's appointments, and delete the
    words of text messages that were on their way. Returns the latter, which have failed.
    """
    rows = await _STOP.many(tx, organization_id, customer_id)
    return [MessageLogId(row["id"]) for row in rows if row["status"] == MessageStatus.FAILED]


async def forget_destinations_of_customer(
    tx: Transaction, organization_id: OrganizationId, customer_id: CustomerId
) -> None:
    """Remove the hashes of the destinations from an erased customer's messages."""
    await _FORGET_DESTINATIONS.exec(tx, organization_id, customer_id)
