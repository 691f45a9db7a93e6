"""Send messages: what is due becomes rows of the log, which are claimed as they are written; each
is decided upon right before it is sent, and closed with its outcome. Rows that wait, since their
worker died or their attempt failed for now, are claimed as well.

Any number of workers do so at once, and any of them may die at any point. A dead worker leaves a
lease that expires, and the record of the attempt: the next worker sends the same mail under the
same Message-ID, and asks the gateway about a text message before it sends that again. If the
message must not be sent any more by then, it ends as FAILED, its fate unknown.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from app.core.ids import MessageLogId
from app.store.appointments import share_appointments
from app.store.messages import (
    NewMessage,
    claim_messages,
    due_outbox,
    insert_messages,
    take_outbox,
    waiting_messages,
)
from app.store.pool import DatabaseUnavailableError, transaction
from app.tasks import end
from app.usecases.messages.compose_messages import load_subjects, load_words
from app.usecases.messages.deliver_message import Delivery, DeliveryBatches
from app.usecases.messages.limit_messages import (
    destination_of,
    is_unverified,
    limit_messages,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from datetime import datetime

    from app.core.ids import OrganizationId
    from app.store.messages import ClaimedMessage, OutboxKey
    from app.usecases.resources import Resources

DUE_BATCH: Final = 100
"""Entries of the outbox taken at once: two or three rows of the log each. About as many as are sent
meanwhile, so that in a rush the first messages don't wait until the last ones are in the log.
"""

SEND_BATCH: Final = 128
"""Messages claimed at once: few enough to send within a lease, even over a slow mail server. Those
that wait come first, and those that are being logged have the rest.
"""

SENDING_AT_ONCE: Final = 128
"""Messages on their way at once: those that may have a connection to the mail server, 64 at most,
and those whose outcome is being recorded.
"""

CLAIM_BELOW: Final = 128
"""The next batch is claimed when so few messages of the earlier ones are left: no connection waits
while what is due meanwhile is logged and the batch is claimed.
"""

LEASE: Final = timedelta(minutes=5)
"""How long a claimed message is left to its worker, by the real clock: how late it is at most when
that worker dies.
"""

LEASE_RESERVE: Final = timedelta(minutes=1)
"""With less than this left of its lease, a message is not begun: it would be claimed again soon. It
is given back, as if it had not been claimed.
"""

RUN_SECONDS: Final = 200.0
"""How long one run goes on taking batches; the next one follows within a minute."""

LEFT: Final = "LEFT"
"""Counted for a message that is left to the next claim."""

_UNEXPECTED: Final = "an unexpected error; the worker's log says more"

_log: Final = logging.getLogger(__name__)


class Claimed(NamedTuple):
    """Messages of one organization that were claimed, and when they must have begun."""

    organization_id: OrganizationId
    messages: Sequence[ClaimedMessage]
    begin_by: datetime


Start: TypeAlias = Callable[[Claimed], Awaitable[None]]


async def send_messages(resources: Resources) -> dict[str, int]:
    """Send all that is due, for some minutes at most; how many messages ended how."""
    until = monotonic() + RUN_SECONDS
    batches, sending = DeliveryBatches(resources), Sending()
    slots = asyncio.Semaphore(SENDING_AT_ONCE)

    async def start(claimed: Claimed) -> None:
        organization_id, messages, begin_by = claimed
        about = {(each.message.kind, each.message.recipient) for each in messages}
        own = await load_words(resources.pool, organization_id, about)
        for each in messages:
            delivery = Delivery(resources=resources, batches=batches, claimed=each, own=own)
            sending.start(_deliver(delivery, begin_by, slots))

    try:
        more = True
        while more and monotonic() < until:
            room = SEND_BATCH
            for claimed in await _claim_waiting(resources):
                room -= len(claimed.messages)
                await start(claimed)
            planned = await log_what_is_due(resources, claim=room, start=start)
            # Before the run ends, it looks for what came due while the last ones were sent.
            more = bool(planned or sending.count)
            await sending.until(most_left=CLAIM_BELOW if planned or room < SEND_BATCH else 0)
        await sending.until(most_left=0)
    except asyncio.CancelledError:
        await sending.cancel()
        raise
    finally:
        # After an error, what was begun may end.
        await sending.finish()
        await batches.aclose()
    return dict(sending.ended)


class Sending:
    """The messages of a run that are on their way, and how many ended how."""

    def __init__(self) -> None:
        self.ended: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[str]] = set()
        self._failure: BaseException | None = None
        self._few_are_left = asyncio.Event()
        self._most_left = 0

    @property
    def count(self) -> int:
        return len(self._tasks)

    def start(self, delivery: Coroutine[None, None, str]) -> None:
        task = asyncio.create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    async def until(self, *, most_left: int) -> None:
        """Wait until so few messages are left. Raises what ended one of them against all care."""
        self._most_left = most_left
        while self.count > most_left and self._failure is None:
            self._few_are_left.clear()
            await self._few_are_left.wait()
        if self._failure is not None:
            raise self._failure

    async def cancel(self) -> None:
        """Cut them off."""
        await end(self._tasks)

    async def finish(self) -> None:
        """When all of them have ended, whichever way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, task: asyncio.Task[str]) -> None:
        # One by one: `asyncio.wait` looks at every task that is left, for each that ends.
        self._tasks.discard(task)
        if not task.cancelled():
            self._failure = self._failure or task.exception()
            if self._failure is None:
                self.ended[task.result()] += 1
        if self.count <= self._most_left or self._failure is not None:
            self._few_are_left.set()


# ---------------------------------------------------------------- from the outbox to the log


async def log_what_is_due(
    resources: Resources, *, claim: int = 0, start: Start | None = None
) -> int:
    """A batch of what is due becomes rows of the log, for its recipients as they are now; how many
    entries of the outbox there were. So many of the rows, at most, are claimed and started; the
    others wait to be claimed.
    """
    due = await due_outbox(resources.pool, due_by=resources.clock(), batch_size=DUE_BATCH)
    for organization_id, keys in due.items():
        claimed = await _log_due(resources, organization_id, keys, 0 if start is None else claim)
        claim -= len(claimed.messages)
        if start is not None and claimed.messages:
            await start(claimed)
    return sum(map(len, due.values()))


async def _log_due(
    resources: Resources, organization_id: OrganizationId, keys: Sequence[OutboxKey], claim: int
) -> Claimed:
    async with transaction(resources.pool) as tx:
        # An erasure is over, or waits: what is written here is erased with the rest. Changes of an
        # appointment lock it before its outbox, and so does this.
        await share_appointments(tx, organization_id, {key.appointment_id for key in keys})
        entries = await take_outbox(tx, organization_id, keys)
        subjects = await load_subjects(
            tx, organization_id, {entry.appointment_id for entry in entries}
        )
        now = resources.clock()
        new: list[NewMessage] = []
        for entry in entries:
            subject = subjects[entry.appointment_id]
            for message in subject.messages(entry.kind, entry.time_version):
                reach = subject.reach(message)
                skipped = subject.why_not(message, reach, now)
                counted = skipped is None
                origin = entry.origin if counted and is_unverified(subject, message) else None
                new.append(
                    NewMessage(
                        id=MessageLogId(resources.new_id()),
                        appointment_id=entry.appointment_id,
                        message=message,
                        due_at=entry.due_at,
                        skipped=skipped,
                        destination=destination_of(resources, organization_id, message, reach)
                        if counted
                        else None,
                        by_guest=entry.by_guest,
                        origin=origin,
                        address_since=subject.recent.address_since,
                    )
                )
        real_now = resources.real_clock()
        lease_until, ours = real_now + LEASE, []
        if new:
            new = await limit_messages(resources, tx, organization_id, new, now)
            ours = await insert_messages(
                tx,
                organization_id,
                new,
                created_at=now,
                free_from=real_now,
                claim=claim,
                lease_until=lease_until,
            )
    return Claimed(organization_id, ours, lease_until - LEASE_RESERVE)


# ---------------------------------------------------------------- from the log to the senders


async def _claim_waiting(resources: Resources) -> list[Claimed]:
    """A batch of the rows that wait, of all organizations."""
    now = resources.real_clock()
    lease_until = now + LEASE
    waiting = await waiting_messages(resources.pool, real_now=now, batch_size=SEND_BATCH)
    batches = [
        Claimed(
            organization_id,
            await claim_messages(
                resources.pool, organization_id, ids, real_now=now, lease_until=lease_until
            ),
            lease_until - LEASE_RESERVE,
        )
        for organization_id, ids in waiting.items()
    ]
    return [batch for batch in batches if batch.messages]


async def _deliver(delivery: Delivery, begin_by: datetime, slots: asyncio.Semaphore) -> str:
    """One message. Its failure must not keep the others from being sent."""
    async with slots:
        if delivery.resources.real_clock() > begin_by:
            with contextlib.suppress(DatabaseUnavailableError):  # its lease ends anyway
                await delivery.give_back()
            return LEFT
        try:
            return await delivery.run() or LEFT
        except DatabaseUnavailableError:
            # It may have been sent; its lease ends, and the next attempt knows that.
            _log.warning("could not record the outcome of message %s", delivery.claimed.id)
            return LEFT
        except Exception:  # noqa: BLE001  logged with its traceback, and tried again
            _log.exception("sending message %s failed", delivery.claimed.id)
            return await delivery.postpone(_UNEXPECTED, may_have_arrived=True)
