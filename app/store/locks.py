"""Advisory locks, all of them: each lasts until its transaction ends, and its key is made here and
nowhere else.

A key is the first 64 bits of a BLAKE2b hash of its parts: the same on every machine, in every
process, in every version. Two things that share a key by accident only wait for each other. Order
within a transaction, so that no two wait in a circle: the idempotency key, a customer or a guest's
names in the order of their keys, an appointment's or hold's row, the caller, tokens' subjects,
external ids, a service, the rules of all subjects, all (subject, date), all (subject, period) of
limits, the destinations of messages. Within each, ascending.

Programs of 0.1.0 make the same keys for providers, so they and this one wait for each other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from app.store.sql import query
from app.telemetry.metrics import LOCK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from app.core.ids import CustomerId, OrganizationId, ServiceId, SubjectId
    from app.core.limits import LimitPeriod
    from app.store.idempotency import KeyScope
    from app.store.pool import Transaction

_LOCK_EACH = query("lock_each")


@dataclass(frozen=True, slots=True)
class CalendarLock:
    """The proof that these dates of these subjects are locked. Functions that write claims ask for
    it.
    """

    organization_id: OrganizationId
    dates: Mapping[SubjectId, frozenset[date]]

    @classmethod
    def of(
        cls, organization_id: OrganizationId, dates: Mapping[SubjectId, Iterable[date]]
    ) -> CalendarLock:
        """The proof for these dates, for the statement that takes the locks."""
        return cls(organization_id, {each: frozenset(dates[each]) for each in sorted(dates)})

    def keys(self, periods: Mapping[SubjectId, Iterable[tuple[LimitPeriod, date]]]) -> list[int]:
        """What is locked, in order: the dates, then these periods of limits."""
        return [
            lock_key("calendar", self.organization_id, subject_id, day.isoformat())
            for subject_id, days in self.dates.items()
            for day in sorted(days)
        ] + [
            lock_key("period", self.organization_id, subject_id, period, first.isoformat())
            for subject_id in sorted(periods)
            for period, first in sorted(periods[subject_id])
        ]


class UnlockedCalendarError(Exception):
    """A caller tried to write a claim on a subject without the lock of its calendar."""


def lock_key(*parts: object) -> int:
    """The key of a lock: a signed 64-bit integer, as PostgreSQL wants it."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


class LockKeys(NamedTuple):
    """Locks that are taken first, each in its order: alone, then shared."""

    alone: Sequence[int]
    shared: Sequence[int] = ()


def first_keys(
    scope: KeyScope,
    *,
    guests: Iterable[str] = (),
    service_id: ServiceId | None = None,
    rules: Iterable[SubjectId] = (),
) -> LockKeys:
    """Requests that carry the same key go one after the other; and so do those that count against
    one of these guests' limits, by the names in `guests`. The service, and the rules of the
    subjects in `rules`, are shared.
    """
    organization_id = scope.organization_id
    key = lock_key("idempotency", organization_id, scope.mutation, scope.caller, scope.key)
    counted = sorted(lock_key("guest", organization_id, guest) for guest in guests)
    return LockKeys([key, *counted], _shared_keys(organization_id, service_id, rules))


def rules_keys(organization_id: OrganizationId, subject_ids: Iterable[SubjectId]) -> LockKeys:
    """The rules of these subjects are shared; nothing else is locked first."""
    return LockKeys((), _rules_keys(organization_id, subject_ids))


async def lock_each(tx: Transaction, organization_id: OrganizationId, locks: LockKeys) -> None:
    """All of these."""
    await _wait_for(tx, organization_id, locks.alone, shared=locks.shared)


async def lock_idempotency_key(tx: Transaction, scope: KeyScope) -> None:
    """Requests that carry the same key go one after the other."""
    await _wait_for(tx, scope.organization_id, first_keys(scope).alone)


async def lock_caller(tx: Transaction, organization_id: OrganizationId, caller: str) -> None:
    """Serializes requests that count against a caller's limit."""
    await _wait_for(tx, organization_id, [lock_key("caller", organization_id, caller)])


async def lock_customers(
    tx: Transaction, organization_id: OrganizationId, names: Iterable[str]
) -> None:
    """Serializes what is decided over all bookings of these customers, by the names under which
    they are locked; there may be none. Bookings take these locks with their key.
    """
    keys = sorted(lock_key("guest", organization_id, each) for each in {*names})
    if keys:
        await _wait_for(tx, organization_id, keys)


def customer_name(subject: str) -> str:
    """The name under which a signed-in customer is locked, among `guests`."""
    return f"customer:{subject}"


def name_of_customer(customer_id: CustomerId, subject: str | None) -> str:
    """The name under which a known customer is locked, among `guests`: one with an account by its
    subject, as for their own bookings.
    """
    return f"record:{customer_id}" if subject is None else customer_name(subject)


async def lock_token_subjects(tx: Transaction, organization_id: OrganizationId) -> None:
    """Serializes changes of providers' subjects (the `sub` of their tokens)."""
    await _wait_for(tx, organization_id, [lock_key("subjects", organization_id)])


async def lock_external_ids(tx: Transaction, organization_id: OrganizationId) -> None:
    """Serializes changes of external ids."""
    await _wait_for(tx, organization_id, [lock_key("external-ids", organization_id)])


async def lock_webhooks(tx: Transaction, organization_id: OrganizationId) -> None:
    """Serializes the creation of webhooks. No other lock is taken with it."""
    await _wait_for(tx, organization_id, [lock_key("webhooks", organization_id)])


async def lock_service(
    tx: Transaction, organization_id: OrganizationId, service_id: ServiceId
) -> None:
    """Changes of a service, and of who offers it, go one after the other. Taken before its
    providers' locks.
    """
    await _wait_for(tx, organization_id, [_service_key(organization_id, service_id)])


async def lock_rules(
    tx: Transaction, organization_id: OrganizationId, subject_ids: Iterable[SubjectId]
) -> None:
    """No time of these subjects is taken while their hours, rules, services or zone change."""
    await _wait_for(tx, organization_id, _rules_keys(organization_id, subject_ids))


async def share_rules(
    tx: Transaction,
    organization_id: OrganizationId,
    subject_ids: Iterable[SubjectId],
    *,
    service_id: ServiceId | None = None,
) -> None:
    """Hours, rules, services and zones of these subjects don't change until the transaction ends,
    nor does what a visit of the service needs. Other bookings share the locks.
    """
    await _wait_for(
        tx, organization_id, shared=_shared_keys(organization_id, service_id, subject_ids)
    )


async def lock_destinations(tx: Transaction, organization_id: OrganizationId) -> None:
    """Messages that count against their destination's limit are written one batch after the other.

    One lock for all of an organization's destinations: a batch has hundreds, and its writing takes
    milliseconds.
    """
    await _wait_for(tx, organization_id, [lock_key("destinations", organization_id)])


async def lock_calendars(
    tx: Transaction,
    organization_id: OrganizationId,
    dates: Mapping[SubjectId, Iterable[date]],
    periods: Mapping[SubjectId, Iterable[tuple[LimitPeriod, date]]] | None = None,
) -> CalendarLock:
    """No other transaction writes claims on these dates, each in the zone of its subject, nor
    visits that a limit counts in these periods, each given by its first date.
    """
    lock = CalendarLock.of(organization_id, dates)
    await _wait_for(tx, organization_id, lock.keys(periods or {}))
    return lock


async def _wait_for(
    tx: Transaction,
    organization_id: OrganizationId,
    alone: Sequence[int] = (),
    *,
    shared: Sequence[int] = (),
) -> None:
    if tx.is_snapshot:
        return  # Nothing that it reads can change, and it writes nothing.
    with LOCK_SECONDS.time():
        await _LOCK_EACH.exec(tx, organization_id, alone, shared)


def _service_key(organization_id: OrganizationId, service_id: ServiceId) -> int:
    return lock_key("service", organization_id, service_id)


def _shared_keys(
    organization_id: OrganizationId,
    service_id: ServiceId | None,
    subject_ids: Iterable[SubjectId],
) -> list[int]:
    service = [] if service_id is None else [_service_key(organization_id, service_id)]
    return [*service, *_rules_keys(organization_id, subject_ids)]


def _rules_keys(organization_id: OrganizationId, subject_ids: Iterable[SubjectId]) -> list[int]:
    return [lock_key("rules", organization_id, each) for each in sorted(set(subject_ids))]
