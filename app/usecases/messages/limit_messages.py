"""Limit messages: beyond so many within a day, a destination of customers gets no further news.
What is held back is logged.

Counted is where a row of the log is written, under a lock of the organization and in the same
transaction, so the limit is exact however many workers there are. Providers' own addresses are set
by staff, and not counted: a busy provider hears of hundreds of bookings a day.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.core.allowance import A_DAY, Told, Turn, counted_address, let_out
from app.core.message_rules import LEADS, SkipReason
from app.core.messages import MessageKind, Recipient
from app.store.locks import lock_destinations
from app.store.messages import count_messages, told_times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import OrganizationId
    from app.core.message_rules import MessageKey, Reach
    from app.store.messages import NewMessage
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

DESTINATION_BYTES: Final = 16


def destination_of(
    resources: Resources, organization_id: OrganizationId, message: MessageKey, reach: Reach
) -> bytes | None:
    """A keyed hash of where the message goes: tells two destinations apart, and nothing else. None:
    it is not counted.
    """
    address = reach.address(message.channel)
    if (
        message.recipient is Recipient.PROVIDER
        or address is None
        or not resources.messaging.daily_limit
    ):
        return None
    text = f"{organization_id}\x1f{message.channel}\x1f{counted_address(message.channel, address)}"
    return hmac.digest(resources.hash_secret, text.encode(), hashlib.sha256)[:DESTINATION_BYTES]


async def limit_messages(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    rows: Sequence[NewMessage],
    now: datetime,
) -> list[NewMessage]:
    """The rows as they are to be written: those too many for their destination are skipped, and not
    counted.
    """
    # News before reminders that are due at the same instant, which follow from it.
    in_turn = sorted(rows, key=lambda row: (row.due_at, row.message.kind in LEADS))
    turns = {row.id: _turn(row, row.destination) for row in in_turn if row.destination is not None}
    if not turns:
        return in_turn
    await lock_destinations(tx, organization_id)
    had = await count_messages(
        tx, organization_id, {turn.destination for turn in turns.values()}, since=now - A_DAY
    )
    known = await told_times(
        tx, organization_id, {turn.about.appointment_id for turn in turns.values()}
    )
    answers = let_out(
        list(turns.values()), had=had, known=known, most=resources.messaging.daily_limit
    )
    held_back = {row_id for row_id, goes in zip(turns, answers, strict=True) if not goes}
    return [
        replace(row, skipped=SkipReason.TOO_MANY, destination=None) if row.id in held_back else row
        for row in in_turn
    ]


def _turn(row: NewMessage, destination: bytes) -> Turn:
    message = row.message
    about = Told(
        appointment_id=row.appointment_id,
        channel=message.channel,
        # Who was told of any time of an appointment has to hear that there is none any more.
        time_version=None if message.kind is MessageKind.CANCELLED else message.time_version,
    )
    return Turn(destination=destination, about=about, is_resend=message.is_resend)
