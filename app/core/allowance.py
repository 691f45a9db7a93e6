"""The allowance of a destination limits the messages to one address of customers within a day, so
that no mailbox is flooded. That of a network limits those that its guests cause, to any addresses.

Nobody verifies the address in a booking's form, so its sender could direct any number of messages
there. News of a booking or a move, and of a cancellation that a guest makes, is therefore sent only
while its destination and its network are below their limits. Messages that follow from news that
was sent are always sent: reminders of that time, which do not count, and a cancellation by the
practice. Each comes once, and a customer who knows of an appointment must learn that it is off.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from app.core.addresses import same_mailbox
from app.core.messages import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.core.ids import AppointmentId

A_DAY: Final = timedelta(hours=24)
"""Rolling: a message counts against its destination for so long after its turn came. Retries don't
count again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifiedTime:
    """A time of an appointment of which somebody was notified on this channel; None: any of its
    times.
    """

    appointment_id: AppointmentId
    channel: Channel
    time_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A message to a customer whose turn has come. It follows from news if its recipient knows
    `about` already.

    `destination` and `origin` are what it counts against; None: not. `by_guest` says that a guest
    made the change that it is about. A resend follows from nothing: staff may send it any number of
    times.
    """

    destination: bytes | None
    origin: bytes | None
    about: NotifiedTime
    is_reminder: bool
    is_resend: bool
    by_guest: bool

    @property
    def is_counted(self) -> bool:
        """Whether it counts against anything."""
        return self.destination is not None or self.origin is not None


class Verdict(Enum):
    """Whether a message goes out, and whether it counts against its destination and network."""

    COUNTED = auto()
    UNCOUNTED = auto()
    HELD_BACK = auto()


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
    turns: Sequence[Turn],
    *,
    had: Mapping[bytes, int],
    caused: Mapping[bytes, int],
    known: Iterable[NotifiedTime],
    per_destination: int,
    per_network: int,
) -> list[Verdict]:
    """Which of these messages go out, in the order of their turns.

    `had` is how many messages each destination has had within a day, `caused` how many guests of
    each network have caused on this one, `known` what was sent before; a limit of 0 is none.
    """
    to, by = Counter(had), Counter(caused)
    sent = {each for known_time in known for each in _with_any(known_time)}
    verdicts: list[Verdict] = []
    for turn in turns:
        follows = turn.about in sent and not turn.is_resend
        if follows and turn.is_reminder:
            verdict = Verdict.UNCOUNTED
        elif (follows and not turn.by_guest) or (
            _has_room(turn.destination, to, per_destination)
            and _has_room(turn.origin, by, per_network)
        ):
            verdict = Verdict.COUNTED
            to.update(() if turn.destination is None else (turn.destination,))
            by.update(() if turn.origin is None else (turn.origin,))
        else:
            verdict = Verdict.HELD_BACK
        if verdict is not Verdict.HELD_BACK:
            sent.update(_with_any(turn.about))
        verdicts.append(verdict)
    return verdicts


def _has_room(name: bytes | None, counts: Mapping[bytes, int], most: int) -> bool:
    return name is None or not most or counts.get(name, 0) < most


def _with_any(notified: NotifiedTime) -> tuple[NotifiedTime, NotifiedTime]:
    return notified, replace(notified, time_version=None)
