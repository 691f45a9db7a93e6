"""The allowance of a destination: so many messages to one address of customers within a day, and no
mailbox is flooded.

Nobody verifies the address in a booking's form, so whoever fills it in decides where the news goes,
again and again. News of a booking or a move therefore goes out only while its destination has had
fewer than so many messages. What follows from news that did go out, reminders of that time and the
cancellation, goes out in any case: each comes once, and whoever was told of an appointment must not
be left to wait for it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.core.addresses import same_mailbox
from app.core.messages import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.core.ids import AppointmentId

A_DAY: Final = timedelta(hours=24)
"""Rolling: a message counts against its destination for so long after its turn came. Retries don't
count anew.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What somebody knows by a message on this channel: of this time of an appointment; None: of
    any of its times.
    """

    appointment_id: AppointmentId
    channel: Channel
    time_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A message to a customer whose turn has come. It follows from news if its recipient knows
    `about` already.

    A resend follows from nothing: staff may send it any number of times.
    """

    destination: bytes
    about: Told
    is_resend: bool


def counted_address(channel: Channel, address: str) -> str:
    """One text for the spellings that reach one mailbox, as far as anybody can know, or one phone.

    Case, dots and what follows a plus, by which a mailbox has as many addresses as one likes, make
    no difference before the @. That counts a few strangers together where dots do matter, which
    does no harm within an allowance.
    """
    if channel is Channel.SMS:
        return address
    name, _, domain = same_mailbox(address).rpartition("@")
    return f"{name.partition('+')[0].replace('.', '')}@{domain}"


def let_out(
    turns: Sequence[Turn], *, had: Mapping[bytes, int], known: Iterable[Told], most: int
) -> list[bool]:
    """Which of these messages go out, in the order of their turns.

    `had` is how many messages each destination has had within a day, `known` what was told before;
    0 is no limit.
    """
    counts, told = Counter(had), {each for known_time in known for each in _with_any(known_time)}
    answers: list[bool] = []
    for turn in turns:
        follows = turn.about in told and not turn.is_resend
        goes = follows or not most or counts[turn.destination] < most
        if goes:
            counts[turn.destination] += 1
            told.update(_with_any(turn.about))
        answers.append(goes)
    return answers


def _with_any(told: Told) -> tuple[Told, Told]:
    return told, replace(told, time_version=None)
