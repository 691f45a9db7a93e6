"""Deliver events to webhooks, for as long as the worker runs.

Each webhook that something can be done for has a task of its own: a receiver that is slow or dead
keeps only its own task waiting. Those that fail have a limit of their own, so that however many
there are, the others are served.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from app.core.events import PROGRAM
from app.core.ids import DeliveryId
from app.core.webhooks import (
    Delivery,
    DisabledReason,
    Failed,
    Outcome,
    close,
    health_after,
    outcome_of,
    why_switched_off,
)
from app.identity.signatures import Signer
from app.outgoing.client import WEBHOOK_LIMITS, Answer, Unanswered
from app.store.events import events_after
from app.store.pool import DatabaseUnavailableError, transaction
from app.store.webhooks import (
    Leased,
    Tried,
    WebhookToDo,
    insert_deliveries,
    lease_webhook,
    move_webhook,
    ready_deliveries,
    record_attempts,
    record_health,
    release_lease,
    renew_lease,
    reseal_secrets,
    switch_off,
    webhooks_to_do,
)
from app.telemetry.metrics import DELIVERIES
from app.usecases.events.record import record_events, webhook_changed
from app.usecases.webhooks.notify_administrators import notify_administrators

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import WebhookId
    from app.core.webhooks import Health
    from app.usecases.resources import Resources

LOOK_SECONDS: Final = 1.0
"""How often a worker looks for something to do: about how late an event is delivered."""

LEASE: Final = timedelta(seconds=20)
"""By the real clock: how late events are at most when the worker that has the lease dies."""

RENEW_SECONDS: Final = 1.0
"""How often a lease is renewed, and with it the settings: the secrets, above all."""

BEGIN_SECONDS: Final = 4.0
"""No request begins later than this after the lease was renewed, so that it ends before the lease
does: the longest takes 15 s.
"""

WEBHOOKS_AT_ONCE: Final = 200
FAILING_AT_ONCE: Final = 100
"""Webhooks that one worker delivers to at the same time: that work, and that fail."""

TURN_SECONDS: Final = 60.0
"""After so long a webhook with a backlog lets others have its place."""

STATEMENTS_AT_ONCE: Final = 4
"""Connections that deliveries use together: the worker has other jobs."""

PAGE: Final = 200
"""Events that become deliveries in one transaction."""

PAGES: Final = 10
"""Pages that are read before deliveries go on."""

READY: Final = 256
"""Deliveries that are fetched at once."""

RECORD_BATCH: Final = 32
RECORD_SECONDS: Final = 0.05
"""The outcomes of so many requests are recorded together, or of those within this time."""

_log: Final = logging.getLogger(__name__)


async def deliver_until(resources: Resources, stop: asyncio.Event, *, grace_seconds: float) -> None:
    """Deliver until `stop` is set; requests under way then may end, for a while."""
    deliverer = Deliverer(resources)
    try:
        while not stop.is_set():
            try:
                await deliverer.look()
                await notify_administrators(resources)
            except DatabaseUnavailableError as error:
                _log.warning("cannot look for events to deliver: %s", error)
            except Exception:  # noqa: BLE001  logged with its traceback; events must go on
                _log.exception("looking for events to deliver failed")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
    finally:
        await deliverer.end(grace_seconds)


class Deliverer:
    """The tasks of this worker, one for each webhook that it has a lease on or tries to get."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.statements = asyncio.Semaphore(STATEMENTS_AT_ONCE)
        self.is_ending = False
        self._works: dict[WebhookId, asyncio.Task[None]] = {}
        self._fails: dict[WebhookId, asyncio.Task[None]] = {}

    async def look(self) -> int:
        """Start a task for each webhook that something can be done for; how many were started."""
        resources = self.resources
        async with self.statements:
            found = await webhooks_to_do(
                resources.pool,
                real_now=resources.real_clock(),
                batch_size=2 * (WEBHOOKS_AT_ONCE + FAILING_AT_ONCE),
            )
        started = 0
        for each in found:
            tasks, most = (
                (self._fails, FAILING_AT_ONCE)
                if each.is_failing
                else (self._works, WEBHOOKS_AT_ONCE)
            )
            is_known = each.webhook_id in self._works or each.webhook_id in self._fails
            if is_known or len(tasks) >= most:
                continue
            task = asyncio.create_task(_deliver_to(self, each))
            tasks[each.webhook_id] = task
            task.add_done_callback(partial(_forget, tasks, each.webhook_id))
            started += 1
        return started

    async def settle(self) -> None:
        """Wait until nothing is left to do for the webhooks that have tasks."""
        tasks = [*self._works.values(), *self._fails.values()]
        if tasks:
            await asyncio.wait(tasks)

    async def end(self, grace_seconds: float) -> None:
        """Begin no more requests; those under way may end within this time."""
        self.is_ending = True
        tasks = [*self._works.values(), *self._fails.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _forget(
    tasks: dict[WebhookId, asyncio.Task[None]], webhook_id: WebhookId, _: asyncio.Task[None]
) -> None:
    del tasks[webhook_id]


async def _deliver_to(deliverer: Deliverer, which: WebhookToDo) -> None:
    held: Leased | None = None
    try:
        async with deliverer.statements:
            now = deliverer.resources.real_clock()
            renewed = monotonic()
            held = await lease_webhook(
                deliverer.resources.pool, which, real_now=now, until=now + LEASE
            )
        if held is not None:
            await _Turn(deliverer, held, renewed).run()
    except DatabaseUnavailableError as error:
        _log.warning("deliveries to webhook %s stop for now: %s", which.webhook_id, error)
    except Exception:  # noqa: BLE001  logged with its traceback, and tried again
        _log.exception("delivering to webhook %s failed", which.webhook_id)
    finally:
        if held is not None:
            await _release(deliverer, held)


async def _release(deliverer: Deliverer, held: Leased) -> None:
    """Give the lease back, as soon as PostgreSQL can be reached; it ends by itself otherwise."""
    resources, until = deliverer.resources, monotonic() + LEASE.total_seconds()
    while monotonic() < until:
        try:
            async with deliverer.statements:
                await release_lease(resources.pool, held, real_now=resources.real_clock())
        except DatabaseUnavailableError:
            if deliverer.is_ending:
                return
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A request that ended, of which the outcome is not recorded yet."""

    delivery: Delivery
    outcome: Outcome
    begun_at: datetime
    ended_at: datetime


class _LeaseLostError(Exception):
    """Somebody else delivers to the webhook, or its settings were changed."""


class _Turn:
    """One lease on one webhook: from taking it until nothing is left to do."""

    def __init__(self, deliverer: Deliverer, held: Leased, renewed: float) -> None:
        self._deliverer = deliverer
        self._resources = deliverer.resources
        self._held = held
        self._renewed = renewed
        self._until = renewed + TURN_SECONDS
        self._health = held.health
        self._cursor = held.cursor
        self._has_events = True
        self._is_off = False
        self._buffer: list[Delivery] = []
        self._under_way: dict[asyncio.Task[_Ended], DeliveryId] = {}
        self._ended: list[_Ended] = []
        self._first_ended = 0.0
        self._signers = self._open_secrets()

    async def run(self) -> None:
        """Deliver until nothing is ready, or the turn is over."""
        try:
            await self._reseal()
            while True:
                await self._renew()
                if not self._is_over:
                    await self._fill()
                self._begin()
                if not self._under_way:
                    break
                await self._wait()
                if self._must_record:
                    await self._record()
        except _LeaseLostError:
            _log.info("webhook %s is somebody else's now", self._held.webhook.id)
        finally:
            await self._cancel()

    @property
    def _is_over(self) -> bool:
        return self._deliverer.is_ending or monotonic() > self._until

    @property
    def _rests(self) -> bool:
        return self._health.rests_at(self._resources.real_clock())

    # ---------------------------------------------------------------- the lease

    async def _renew(self) -> None:
        if monotonic() - self._renewed < RENEW_SECONDS:
            return
        renewed = monotonic()
        until = self._resources.real_clock() + LEASE
        async with self._deliverer.statements:
            held = await renew_lease(self._resources.pool, self._held, until=until)
        if held is None:
            raise _LeaseLostError
        self._renewed = renewed
        is_same = (held.secret, held.previous_secret) == (
            self._held.secret,
            self._held.previous_secret,
        )
        self._held = held
        self._has_events = True
        if not is_same:
            self._signers = self._open_secrets()

    # ---------------------------------------------------------------- what to send

    async def _fill(self) -> None:
        """Read events that came, and fetch what is ready."""
        if self._buffer or len(self._under_way) >= self._health.at_once:
            return
        is_active = self._held.webhook.is_active and not self._is_off
        for _ in range(PAGES):
            if not (is_active and self._has_events):
                break
            await self._read()
        async with self._deliverer.statements:
            self._buffer = await ready_deliveries(
                self._resources.pool,
                self._held,
                real_now=self._resources.real_clock(),
                under_way=[*self._under_way.values(), *(each.delivery.id for each in self._ended)],
                by_hand_only=not is_active or self._rests,
                batch_size=READY,
            )

    async def _read(self) -> None:
        """A page of events becomes deliveries."""
        resources, held = self._resources, self._held
        async with self._deliverer.statements, transaction(resources.pool) as tx:
            events = await events_after(tx, held.organization_id, self._cursor, page_size=PAGE)
            self._has_events = len(events) == PAGE
            if not events:
                return
            wanted = [
                (DeliveryId(resources.new_id()), event.id)
                for event in events
                if held.webhook.wants(event.happening.type)
            ]
            if wanted:
                await insert_deliveries(
                    tx,
                    held.organization_id,
                    held.webhook.id,
                    wanted,
                    due_at=resources.real_clock(),
                    by_hand=False,
                )
            if not await move_webhook(tx, held, events[-1].cursor):
                tx.roll_back()
                raise _LeaseLostError
        self._cursor = events[-1].cursor

    # ---------------------------------------------------------------- sending

    def _begin(self) -> None:
        """Send as many as the receiver gets at a time."""
        if self._deliverer.is_ending or monotonic() - self._renewed > BEGIN_SECONDS:
            self._buffer.clear()
        rests = self._rests
        while self._buffer and len(self._under_way) < self._health.at_once:
            delivery = self._buffer.pop(0)
            if rests and not delivery.by_hand:
                continue
            self._under_way[asyncio.create_task(self._try(delivery))] = delivery.id

    async def _try(self, delivery: Delivery) -> _Ended:
        begun_at = self._resources.real_clock()
        try:
            outcome = await self._post(delivery, begun_at)
        except Exception:  # noqa: BLE001  logged with its traceback; a failed try like others
            _log.exception("delivery %s failed", delivery.id)
            outcome = Failed(status=None, problem="an unexpected error; the worker's log says more")
        return _Ended(
            delivery=delivery,
            outcome=outcome,
            begun_at=begun_at,
            ended_at=self._resources.real_clock(),
        )

    async def _post(self, delivery: Delivery, now: datetime) -> Outcome:
        held = self._held
        signers = self._signers
        if held.previous_until is None or now >= held.previous_until:
            signers = signers[:1]
        if not signers:
            return Failed(status=None, problem="its secret can't be decrypted: rotate it")
        event_id, body = self._resources.hooks.message(held.organization_id, delivery.event)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(event_id, now, body) for signer in signers),
        }
        answer = await self._resources.outgoing.post(
            held.webhook.url, headers=headers, body=body, limits=WEBHOOK_LIMITS
        )
        match answer:
            case Answer():
                return outcome_of(answer.status, answer.body.decode(errors="replace"))
            case Unanswered():
                return Failed(status=None, problem=answer.problem)

    async def _wait(self) -> None:
        """Until a request ends, or it is time to look again."""
        ended, _ = await asyncio.wait(
            self._under_way,
            timeout=RECORD_SECONDS if self._ended else LOOK_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if ended and not self._ended:
            self._first_ended = monotonic()
        for task in ended:
            del self._under_way[task]
            self._ended.append(task.result())

    # ---------------------------------------------------------------- outcomes

    @property
    def _must_record(self) -> bool:
        return bool(self._ended) and (
            not self._under_way
            or len(self._ended) >= RECORD_BATCH
            or monotonic() - self._first_ended >= RECORD_SECONDS
            or any(isinstance(each.outcome, Failed) for each in self._ended)
        )

    async def _record(self) -> None:
        ended, self._ended = self._ended, []
        resources, held = self._resources, self._held
        now, chance = resources.real_clock(), resources.hooks.chance
        tried = [
            Tried(
                delivery_id=each.delivery.id,
                by_hand=each.delivery.by_hand,
                outcome=each.outcome,
                closed=close(
                    each.outcome,
                    attempts=each.delivery.attempts + 1,
                    by_hand=each.delivery.by_hand,
                    now=now,
                    chance=chance(),
                ),
                begun_at=each.begun_at,
                ended_at=each.ended_at,
            )
            for each in ended
        ]
        health = self._health
        for each in ended:
            health = health_after(
                health, each.outcome, begun_at=each.begun_at, now=now, chance=chance()
            )
        off = None
        if held.webhook.is_active and not self._is_off:
            off = why_switched_off(health, [each.outcome for each in ended], now)
        await self._store(tried, health, off, now)
        for done in tried:
            DELIVERIES.labels(_outcome_label(done)).inc()
        self._health = health
        if off is not None:
            _log.warning("webhook %s was switched off: %s", held.webhook.id, off.value)
            self._is_off = True
            self._buffer.clear()

    async def _store(
        self, tried: list[Tried], health: Health, off: DisabledReason | None, now: datetime
    ) -> None:
        held = self._held
        async with self._deliverer.statements, transaction(self._resources.pool) as tx:
            if not await record_attempts(tx, held, tried, real_now=now):
                tx.roll_back()
                raise _LeaseLostError
            if health != self._health:
                await record_health(tx, held, health)
            if off is not None and await switch_off(tx, held, off, notice_due_at=now):
                record_events(
                    self._resources,
                    tx,
                    held.organization_id,
                    [webhook_changed(held.webhook.id)],
                    author=PROGRAM,
                    now=self._resources.clock(),
                )

    async def _cancel(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    # ---------------------------------------------------------------- secrets

    def _open_secrets(self) -> list[Signer]:
        """The secrets that sign, the present one first; none where the present one can't be
        decrypted.
        """
        seal = self._resources.hooks.seal
        present = seal.open(self._held.secret)
        previous = self._held.previous_secret
        before = None if previous is None else seal.open(previous)
        return [] if present is None else [Signer.of(each) for each in (present, before) if each]

    async def _reseal(self) -> None:
        """Encrypt the secrets with the first key where it was another: that one may be removed."""
        seal, held = self._resources.hooks.seal, self._held
        sealed = [each for each in (held.secret, held.previous_secret) if each is not None]
        opened = [seal.open(each) for each in sealed]
        if all(map(seal.is_current, sealed)) or None in opened:
            return
        closed = [seal.close(each) for each in opened if each is not None]
        async with self._deliverer.statements:
            await reseal_secrets(
                self._resources.pool,
                held,
                secret=closed[0],
                previous_secret=closed[1] if len(closed) > 1 else None,
            )


def _outcome_label(tried: Tried) -> str:
    """By the closed set of what may become of a try."""
    is_retried = tried.closed.next_attempt_at is not None
    return "retried" if is_retried else tried.closed.status.value.lower()
