"""Change when a provider works: weekly hours, breaks, exceptions. Booked appointments are never
changed.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.core.changes import RulesChanged
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import say
from app.core.validation import valid_date, valid_exception, valid_reason, valid_week
from app.store.hours import remove_exception as delete_exception
from app.store.hours import replace_exception, replace_weekly_hours
from app.store.locks import lock_rules
from app.store.pool import transaction
from app.store.providers import providers_by_ids
from app.usecases.events.record import provider_changed, record_events
from app.usecases.events.tell import tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import date

    from app.core.hours import ClockRange, WeeklyRange
    from app.core.ids import ProviderId
    from app.core.provider import Provider
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


@asynccontextmanager
async def _rules_of(
    resources: Resources, viewer: Viewer, provider_id: ProviderId
) -> AsyncIterator[tuple[Transaction, Provider | NotAllowed | NotFound]]:
    """A transaction that holds back bookings with the provider, and the provider, if the caller may
    change its hours. The change is recorded at the end of the block.
    """
    async with transaction(resources.pool) as tx:
        if not viewer.is_staff:
            yield (
                tx,
                NotAllowed(
                    message=say(
                        "Only the provider and administrators change when a provider works."
                    )
                ),
            )
            return
        await lock_rules(tx, viewer.organization_id, [provider_id])
        provider = (await providers_by_ids(tx, viewer.organization_id, [provider_id])).get(
            provider_id
        )
        if provider is None:
            yield tx, NotFound(what="provider")
        elif not viewer.runs(provider_id):
            yield tx, NotAllowed(message=say("A provider changes only when they work themselves."))
        else:
            yield tx, provider
            record_events(
                resources,
                tx,
                viewer.organization_id,
                [provider_changed(provider_id)],
                author=viewer.author,
                now=resources.clock(),
            )


async def set_weekly_hours(
    resources: Resources,
    viewer: Viewer,
    provider_id: ProviderId,
    *,
    hours: Sequence[WeeklyRange],
    breaks: Sequence[WeeklyRange],
) -> Provider | InvalidInput | NotAllowed | NotFound:
    """Replace all weekly hours and breaks of the provider."""
    week = valid_week("hours", hours, breaks)
    if isinstance(week, InvalidInput):
        return week
    async with _rules_of(resources, viewer, provider_id) as (tx, provider):
        if isinstance(provider, NotAllowed | NotFound):
            return provider
        await replace_weekly_hours(
            tx,
            viewer.organization_id,
            provider_id,
            hours=week.hours,
            breaks=week.breaks,
            new_id=resources.new_id,
        )
    await _tell_rules(resources, viewer, provider_id)
    return provider


async def set_exception(
    resources: Resources,
    viewer: Viewer,
    provider_id: ProviderId,
    day: date,
    *,
    is_blocked: bool,
    ranges: Sequence[ClockRange],
    reason: str | None,
) -> Provider | InvalidInput | NotAllowed | NotFound:
    """Set the date's exception; it replaces an earlier one."""
    exception = valid_exception(day, is_blocked=is_blocked, ranges=ranges)
    if isinstance(exception, InvalidInput):
        return exception
    checked_reason = valid_reason(reason)
    if isinstance(checked_reason, InvalidInput):
        return checked_reason
    async with _rules_of(resources, viewer, provider_id) as (tx, provider):
        if isinstance(provider, NotAllowed | NotFound):
            return provider
        await replace_exception(
            tx,
            viewer.organization_id,
            provider_id,
            exception,
            reason=checked_reason,
            new_id=resources.new_id,
        )
    await _tell_rules(resources, viewer, provider_id)
    return provider


async def remove_exception(
    resources: Resources, viewer: Viewer, provider_id: ProviderId, day: date
) -> Provider | InvalidInput | NotAllowed | NotFound:
    """Remove the date's exception, if it has one."""
    checked = valid_date("date", day)
    if isinstance(checked, InvalidInput):
        return checked
    async with _rules_of(resources, viewer, provider_id) as (tx, provider):
        if isinstance(provider, NotAllowed | NotFound):
            return provider
        await delete_exception(tx, viewer.organization_id, provider_id, day)
    await _tell_rules(resources, viewer, provider_id)
    return provider


async def _tell_rules(resources: Resources, viewer: Viewer, provider_id: ProviderId) -> None:
    await tell(resources, RulesChanged(organization_id=viewer.organization_id, ids=(provider_id,)))
