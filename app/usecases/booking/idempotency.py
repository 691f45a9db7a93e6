"""Idempotency: a request that comes again is answered with what it made, not made again.

A key counts within its organization, mutation and caller. It is stored in the transaction that made
something, with a keyed hash of the whole request: a retry finds both or neither, and a different
request under the same key is recognized.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import orjson

from app.core.refusals import IdempotencyKeyReused
from app.store.idempotency import KeyScope, RequestKey, StoredAnswer, stored_answer
from app.store.locks import lock_idempotency_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.core.appointment import ManageLink
    from app.core.ids import ProviderId
    from app.core.overrides import Override
    from app.core.viewer import Role, Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


def key_scope(
    viewer: Viewer, mutation: str, key: str, *, opened: ManageLink | None = None
) -> KeyScope:
    """Where this caller's key counts; `opened` is the manage link that the request carries."""
    manages = opened or viewer.manages
    if manages is not None:
        caller = f"appointment:{manages.appointment_id}"
    elif viewer.subject is not None:
        caller = caller_name(viewer.role, viewer.subject)
    else:
        caller = "anonymous"
    return KeyScope(
        organization_id=viewer.organization_id, mutation=mutation, caller=caller, key=key
    )


def caller_name(role: Role, subject: str) -> str:
    """The name under which a signed-in caller's keys and holds are kept."""
    return f"{role.lower()}:{subject}"


def request_key(resources: Resources, scope: KeyScope, request: Mapping[str, object]) -> RequestKey:
    """The key with an HMAC-SHA-256 of all normalized inputs: equal for equal requests, and telling
    nothing.

    Hashes outlive an upgrade, so names and their order never change. An input that was added since
    is left out where it has its default.
    """
    # Ids may be subclasses of UUID, which orjson leaves to `default`.
    body = orjson.dumps(request, default=str)
    return RequestKey(scope=scope, request_hash=resources.hashes.of(body))


def wanted_in_request(
    field: str, provider_ids: Sequence[ProviderId], seats: int | None
) -> tuple[dict[str, object], dict[str, object]]:
    """How a request's hash says who is named, and for how many: the entries that come first in it,
    and those that come last. One provider is the same whether they are named alone or in a list;
    the order of several counts. One seat is the same as none given.
    """
    last: dict[str, object] = {}
    if len(provider_ids) > 1:
        last["provider_ids"] = list(provider_ids)
    if seats is not None and seats > 1:
        last["seats"] = seats
    return {field: provider_ids[0] if len(provider_ids) == 1 else None}, last


def ignored_in_request(override: Override) -> dict[str, object]:
    """How a request's hash says what is set aside; it comes last. In which order it was named plays
    no part.
    """
    return {"ignore": sorted(override.rules)} if override.rules else {}


async def earlier_answer(
    tx: Transaction, key: RequestKey
) -> StoredAnswer | IdempotencyKeyReused | None:
    """Lock the key for this transaction, then: what it made, a refusal if for another request, None
    if it is new.
    """
    await lock_idempotency_key(tx, key.scope)
    return of_this_request(await stored_answer(tx, key.scope), key)


def of_this_request(
    stored: StoredAnswer | None, key: RequestKey
) -> StoredAnswer | IdempotencyKeyReused | None:
    """What a key made; a refusal where that was for another request."""
    if stored is None or hmac.compare_digest(stored.request_hash, key.request_hash):
        return stored
    return IdempotencyKeyReused()
