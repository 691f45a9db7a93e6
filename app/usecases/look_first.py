"""Look first: where many want the same times, who comes too late is refused without waiting for any lock.

It refuses only what is plainly taken, by the same decision as everybody else, and it never accepts. Those who book where
nobody contests it do not pay for it: a provider counts as contested for some seconds after a refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.booking import Acceptance, claim_for, decide_booking
from app.core.refusals import InvalidInput, NotFound, SlotUnavailable
from app.core.zones import is_supported_date, minute_of
from app.store.calendars import load_claims
from app.store.idempotency import is_taken_without_key
from app.usecases.list_slots import load_calendar

if TYPE_CHECKING:
    from app.core.booking import BookingWish
    from app.store.idempotency import KeyScope
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

CONTESTED_SECONDS: Final = 5.0
"""Longer than a rush pauses, shorter than anybody would notice the one statement more."""


def note_refusal(resources: Resources, scope: KeyScope, wish: BookingWish) -> None:
    """The provider is contested from now on."""
    key = (scope.organization_id, wish.provider_id)
    resources.accelerator.contested.keep(key, None, answer=True, seconds=CONTESTED_SECONDS)


async def look_first(
    resources: Resources, tx: Transaction, scope: KeyScope, wish: BookingWish
) -> SlotUnavailable | InvalidInput | None:
    """The refusal of a time that is plainly taken; None where there is more to find out.

    The key is looked for together with the visit that stands there: who asks again for what they have gets it again.
    """
    if wish.hold_id is not None or not resources.accelerator.contested.find(
        (scope.organization_id, wish.provider_id), None
    ):
        return None
    if not is_supported_date(wish.starts_at.date()):
        return None
    if not await is_taken_without_key(tx, scope, wish.provider_id, minute_of(wish.starts_at)):
        return None
    wanted = (wish.provider_id, wish.service_id)
    calendar = await load_calendar(tx, scope.organization_id, wanted, wish.starts_at.date())
    if isinstance(calendar, NotFound):
        return None
    claim = claim_for(calendar.rules, wish.starts_at)
    claims = await load_claims(
        tx, scope.organization_id, [wish.provider_id], claim.claimed_from, claim.claimed_until + 1
    )
    decided = decide_booking(calendar, claims[wish.provider_id], wish, resources.clock())
    return None if isinstance(decided, Acceptance) else decided
