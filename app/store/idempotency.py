"""Idempotency keys, as stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import AppointmentId, HoldId, OrganizationId, SessionId
    from app.store.sql import Executor, Record

_FIND = query("idempotency_key")
_USED = query("used_keys")
_PURGE = query("purge_idempotency_keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyScope:
    """The scope of a key: `caller` is a subject, the appointment of a manage token, or
    anonymous.
    """

    organization_id: OrganizationId
    mutation: str
    caller: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """The key of one request, with a keyed hash of all that it asks for."""

    scope: KeyScope
    request_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The result that a key was used for: an appointment, a hold or a session."""

    request_hash: bytes
    appointment_id: AppointmentId | None = None
    hold_id: HoldId | None = None
    session_id: SessionId | None = None


async def stored_answer(on: Executor, scope: KeyScope) -> StoredAnswer | None:
    """The result that the key was used for, if any; call it under `lock_idempotency_key`."""
    row = await _FIND.maybe(on, scope.organization_id, scope.mutation, scope.caller, scope.key)
    return None if row is None else stored_answer_from(row)


def stored_answer_from(row: Record) -> StoredAnswer:
    """The answer in a row that has all of a key's columns."""
    return StoredAnswer(
        request_hash=row["request_hash"],
        appointment_id=row["appointment_id"],
        hold_id=row["hold_id"],
        session_id=row["session_id"],
    )


async def used_keys(
    on: Executor, organization_id: OrganizationId, scopes: Sequence[KeyScope]
) -> frozenset[KeyScope]:
    """Which of these keys of the organization have been used."""
    rows = await _USED.many(
        on,
        organization_id,
        [scope.mutation for scope in scopes],
        [scope.caller for scope in scopes],
        [scope.key for scope in scopes],
    )
    return frozenset(scopes[row["place"] - 1] for row in rows)


async def purge_keys(on: Executor, *, made_before: datetime, batch_size: int) -> int:
    """Delete a batch of keys made before this instant. Returns how many."""
    row = await _PURGE.one(on, made_before, batch_size)
    purged: int = row["purged"]
    return purged
