"""Limit messages: beyond a number within a day, a destination of customers gets no further news,
and guests of one network cause none. Messages that are held back are logged.

They are counted where a row of the log is written, under a lock of the organization and in the same
transaction, so the limit is exact with any number of workers. Providers' own addresses are set by
staff, and not counted: a busy provider gets hundreds of them a day.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

from app.core.allowance import A_DAY, NotifiedTime, Turn, Verdict, counted_address, let_out
from app.core.message_rules import REMINDERS, SkipReason
from app.core.messages import Channel, MessageKind, Recipient
from app.store.locks import lock_destinations
from app.store.messages import count_messages, notified_times
from app.store.network_tallies import messages_of_networks, tally_messages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import OrganizationId
    from app.core.message_rules import MessageKey, Reach
    from app.store.messages import NewMessage
    from app.store.pool import Transaction
    from app.usecases.messages.compose_messages import Subject
    from app.usecases.messages.messaging import Messaging
    from app.usecases.resources import Resources

DESTINATION_BYTES: Final = 16


def destination_of(
    resources: Resources, organization_id: OrganizationId, message: MessageKey, reach: Reach
) -> bytes | None:
    """A keyed hash of the destination: it distinguishes destinations and reveals nothing else.
    None: the message is not counted.
    """
    address = reach.address(message.channel)
    if (
        message.recipient is Recipient.PROVIDER
        or address is None
        or not resources.messaging.daily_limit
    ):
        return None
    text = f"{organization_id}\x1f{message.channel}\x1f{counted_address(message.channel, address)}"
    return resources.hashes.of(text.encode())[:DESTINATION_BYTES]


def is_unverified(subject: Subject, message: MessageKey) -> bool:
    """Whether it is news to an unverified address: any e-mail address, and a phone where texts go
    to any number.
    """
    return (
        message.recipient is Recipient.CUSTOMER
        and message.kind not in REMINDERS
        and (message.channel is Channel.EMAIL or subject.organization.sms_to_unverified_numbers)
    )


async def limit_messages(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    rows: Sequence[NewMessage],
    now: datetime,
) -> list[NewMessage]:
    """The rows as they are to be written: those too many for their destination, or for the network
    that caused them, are skipped; those that don't count have no destination.
    """
    limits = resources.messaging
    # News before reminders that are due at the same instant, which follow from it.
    in_turn = sorted(rows, key=lambda row: (row.due_at, row.message.kind in REMINDERS))
    all_turns = {row.id: _turn(row, limits) for row in in_turn}
    turns = {row_id: turn for row_id, turn in all_turns.items() if turn.is_counted}
    if not turns:
        return in_turn
    await lock_destinations(tx, organization_id)
    destinations = {turn.destination for turn in turns.values() if turn.destination is not None}
    origins = {turn.origin for turn in turns.values() if turn.origin is not None}
    since = {row.appointment_id: row.address_since for row in in_turn}
    notified = await notified_times(
        tx, organization_id, {turn.about.appointment_id for turn in turns.values()}
    )
    verdicts = let_out(
        list(turns.values()),
        had=await count_messages(tx, organization_id, destinations, since=now - A_DAY),
        caused=await messages_of_networks(tx, organization_id, origins, now.date()),
        # A message to an earlier address does not count for the present one.
        known=[each for each in notified if (each.time_version or 0) >= since[each.appointment_id]],
        per_destination=limits.daily_limit,
        per_network=limits.daily_limit_of_network,
    )
    verdict_of = dict(zip(turns, verdicts, strict=True))
    caused = Counter(
        turn.origin
        for row_id, turn in turns.items()
        if turn.origin is not None and verdict_of[row_id] is Verdict.COUNTED
    )
    await tally_messages(tx, organization_id, caused, now.date())
    return [_judged(row, verdict_of.get(row.id)) for row in in_turn]


def _judged(row: NewMessage, verdict: Verdict | None) -> NewMessage:
    match verdict:
        case None | Verdict.COUNTED:
            return row
        case Verdict.UNCOUNTED:
            return replace(row, destination=None)
        case Verdict.HELD_BACK:
            return replace(row, skipped=SkipReason.TOO_MANY, destination=None)
        case _:
            assert_never(verdict)


def _turn(row: NewMessage, limits: Messaging) -> Turn:
    message = row.message
    about = NotifiedTime(
        appointment_id=row.appointment_id,
        channel=message.channel,
        # A customer who got a message about any time of an appointment must get its cancellation.
        time_version=None if message.kind is MessageKind.CANCELLED else message.time_version,
    )
    if message.kind is MessageKind.READDRESSED:
        # That address was notified of the time before, if of any.
        about = replace(about, time_version=message.time_version - 1)
    return Turn(
        destination=row.destination,
        origin=row.origin if limits.daily_limit_of_network else None,
        about=about,
        is_reminder=message.kind in REMINDERS,
        is_resend=message.is_resend,
        by_guest=row.by_guest,
    )
