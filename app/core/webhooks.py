"""The rules of webhooks: which events one gets, when a delivery is tried again, which deliveries
wait for others, and when a webhook is switched off.

A delivery is one event for one webhook. It is tried until the receiver answers with a 2xx status,
with growing pauses, for about three days. Later events of the same subject wait for an earlier
one that fails, for ten minutes after its first try at most. A receiver that fails several times in
a row rests between tries, all of its deliveries with it, and is tried with one delivery at a time.
A webhook is switched off by the status 410, and by five days without a single success.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.events import EventType
from app.core.sentences import say

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from app.core.events import Event
    from app.core.ids import DeliveryId, WebhookId
    from app.core.sentences import Sentence

MOST_WEBHOOKS: Final = 20
"""Of one organization: every event is delivered to each."""

URL_LENGTH: Final = 2_000
PROBLEM_LENGTH: Final = 500
"""How much of a failed answer is kept, in characters."""

SECRET_BYTES: Final = 32
"""Of a secret, before its encoding; Standard Webhooks asks for 24 to 64."""

ROTATION: Final = timedelta(days=1)
"""How long the secret before a rotation still signs, next to the new one."""

PAUSES: Final = (
    timedelta(seconds=5),
    timedelta(seconds=15),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=12),
    timedelta(hours=18),
    timedelta(hours=24),
)
"""After each failed try: about three days in all, and six of them within the ten minutes for which
later events of the same subject wait.
"""

JITTER: Final = 0.2
"""A pause is longer by up to this share of it, so that what failed together is spread. Pauses grow
all the same: each is more than 1.2 times the one before.
"""

MOST_ATTEMPTS: Final = len(PAUSES) + 1

HOLDS_BACK: Final = timedelta(minutes=10)
"""How long after its first try an undelivered event holds back later ones of its subject."""

SWITCH_OFF_AFTER: Final = timedelta(days=5)
"""Without a success, from the first failure on."""

REACHES_BACK: Final = timedelta(days=3)
"""A webhook that is switched on again gets what happened meanwhile, this far back."""

RESTS_FROM: Final = 3
"""So many failures in a row make a receiver rest."""

LONGEST_REST: Final = timedelta(minutes=1)
"""How late a receiver that is back is noticed, at most, jitter left out."""

AT_ONCE: Final = 16
"""Requests to one receiver at a time: different subjects, so that none overtakes its own."""

GONE: Final = 410
"""The status with which a receiver asks for no more."""

NOT_SENT_TO_ALL: Final = frozenset({EventType.WEBHOOK_TESTED})
"""A test goes to the webhook that is tested, and to no other."""


class DeliveryStatus(StrEnum):
    """How far a delivery is."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class DisabledReason(StrEnum):
    """Why the program switched a webhook off."""

    GONE = "GONE"
    FAILING = "FAILING"


DISABLED_SENTENCES: Final[dict[DisabledReason, Sentence]] = {
    DisabledReason.GONE: say("The receiver answered 410 Gone, which asks for no more events."),
    DisabledReason.FAILING: say("Every delivery has failed for five days."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a receiver did lately. `failures` are those in a row, failures at the same time counted
    once; `counted_at` is when the last of them was counted, `failing_since` when the first was.
    Nothing is sent before `rests_until`. All times are the real clock's.
    """

    failures: int = 0
    failing_since: datetime | None = None
    counted_at: datetime | None = None
    rests_until: datetime | None = None

    @property
    def at_once(self) -> int:
        """How many requests it gets at a time."""
        return AT_ONCE if self.failures < RESTS_FROM else 1

    def rests_at(self, now: datetime) -> bool:
        """Whether it gets nothing at this instant."""
        return self.rests_until is not None and now < self.rests_until


WELL: Final = Health()
"""The last try succeeded, or there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where an organization's events are sent. `types` are those wanted; None: all."""

    id: WebhookId
    url: str
    types: frozenset[EventType] | None
    is_active: bool
    disabled_reason: DisabledReason | None
    created_at: datetime

    def wants(self, event_type: EventType) -> bool:
        """Whether it gets events of this type."""
        if event_type in NOT_SENT_TO_ALL:
            return False
        return self.types is None or event_type in self.types


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one webhook, and how its last try ended. `next_attempt_at` is None unless it
    is PENDING. `by_hand`: somebody sent it, so it is tried once.
    """

    id: DeliveryId
    webhook_id: WebhookId
    event: Event
    status: DeliveryStatus
    by_hand: bool
    attempts: int
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    response_status: int | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The receiver answered with a 2xx status."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It answered with another status, or, where `status` is None, not at all."""

    status: int | None
    problem: str

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more."""
        return self.status == GONE


Outcome: TypeAlias = Succeeded | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What a try makes of a delivery. `next_attempt_at` is None unless it is PENDING."""

    status: DeliveryStatus
    next_attempt_at: datetime | None


def outcome_of(status: int, body: str) -> Outcome:
    """What an answer means. A redirect is a failure: it is not followed. `body` is the beginning
    of the answer.
    """
    if 200 <= status < 300:  # noqa: PLR2004  the class of success, RFC 9110, section 15.3
        return Succeeded(status=status)
    said = " ".join("".join(c if c.isprintable() else " " for c in body).split())
    problem = f"the receiver answered {status}"
    return Failed(
        status=status, problem=(f"{problem}: {said}" if said else problem)[:PROBLEM_LENGTH]
    )


def pause_after(attempts: int, chance: float) -> timedelta | None:
    """How long to wait after so many attempts, the last of which failed; None: that was the last.
    `chance`, in [0, 1), spreads what failed together.
    """
    if not 1 <= attempts <= len(PAUSES):
        return None
    return PAUSES[attempts - 1] * (1 + JITTER * chance)


def close(
    outcome: Outcome, *, attempts: int, by_hand: bool, now: datetime, chance: float
) -> Closed:
    """What becomes of a delivery after its try number `attempts` has ended so. What was sent by
    hand is tried once: those who did it see how it went.
    """
    if isinstance(outcome, Succeeded):
        return Closed(status=DeliveryStatus.DELIVERED, next_attempt_at=None)
    pause = None if by_hand or outcome.is_gone else pause_after(attempts, chance)
    if pause is None:
        return Closed(status=DeliveryStatus.FAILED, next_attempt_at=None)
    return Closed(status=DeliveryStatus.PENDING, next_attempt_at=now + pause)


def health_after(
    health: Health, outcome: Outcome, *, begun_at: datetime, now: datetime, chance: float
) -> Health:
    """A receiver's health after a try that began then. Tries that were under way when a failure was
    counted are part of it: one outage fails all of them.
    """
    if isinstance(outcome, Succeeded):
        return WELL
    if health.counted_at is not None and begun_at <= health.counted_at:
        return health
    failures = health.failures + 1
    rest = timedelta(0)
    if failures >= RESTS_FROM:
        # The exponent is bounded: a receiver may fail for days.
        doubled = timedelta(seconds=2 ** min(failures - RESTS_FROM, 10))
        rest = min(doubled, LONGEST_REST) * (1 + JITTER * chance)
    return replace(
        health,
        failures=failures,
        failing_since=health.failing_since or now,
        counted_at=now,
        rests_until=now + rest if rest else None,
    )


def why_switched_off(
    health: Health, outcomes: Collection[Outcome], now: datetime
) -> DisabledReason | None:
    """Why the webhook is switched off after these tries; None where it stays on."""
    if any(isinstance(each, Failed) and each.is_gone for each in outcomes):
        return DisabledReason.GONE
    if health.failing_since is not None and now - health.failing_since >= SWITCH_OFF_AFTER:
        return DisabledReason.FAILING
    return None
