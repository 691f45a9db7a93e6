"""Create and change providers. A change holds back bookings while it runs; booked appointments stay
unchanged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.core.changes import PracticeChanged, RulesChanged
from app.core.external_ids import ExternalType
from app.core.ids import ProviderId
from app.core.money import CancellationPolicy
from app.core.provider import Provider
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import say
from app.core.stranded import ChangePreview, change_of_provider
from app.core.validation import (
    ProviderForm,
    ValidProvider,
    policy_form,
    valid_provider,
    valid_week,
)
from app.store.external_ids import external_id_is_taken
from app.store.hours import replace_weekly_hours
from app.store.locks import lock_external_ids, lock_rules, lock_token_subjects
from app.store.pool import transaction
from app.store.providers import insert_provider, providers_by_ids, subject_is_taken, update_provider
from app.store.services import services_of_providers
from app.usecases.busy.replace import refloat_busy
from app.usecases.events.publish import publish
from app.usecases.events.record import provider_changed, record_edit
from app.usecases.messages.opt_out import want_again
from app.usecases.practice.edit_location import refuse_location
from app.usecases.practice.preview_change import editing, preview_change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.hours import WeeklyRange
    from app.core.ids import ServiceId
    from app.core.validation import Changes
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

DEFAULT_POLICY = CancellationPolicy()
"""Free until the start: the default."""

_EXTERNAL_ID_TAKEN = InvalidInput(
    field="external_id", message=say("Another provider has this external id already.")
)
_SUBJECT_TAKEN = InvalidInput(
    field="subject", message=say("Another provider has this subject already.")
)


def _provider(provider_id: ProviderId, valid: ValidProvider) -> Provider:
    return Provider(
        id=provider_id,
        subject=valid.subject,
        name=valid.name,
        email=valid.email,
        phone=valid.phone,
        time_zone=valid.time_zone,
        rules=valid.rules,
        cancellation_policy=valid.cancellation_policy,
        locale=valid.locale,
        channels=valid.channels,
        limits=valid.limits,
        description=valid.description,
        location_id=valid.location_id,
        is_archived=valid.is_archived,
        external_id=valid.external_id,
    )


async def create_provider(
    resources: Resources,
    viewer: Viewer,
    form: ProviderForm,
    *,
    hours: Sequence[WeeklyRange],
    breaks: Sequence[WeeklyRange],
) -> Provider | InvalidInput | NotAllowed:
    """Create a provider with its weekly hours. Where the form names no subject, it is the
    provider's id.
    """
    if not viewer.is_admin:
        return NotAllowed(message=say("Only administrators create providers."))
    provider_id = ProviderId(resources.new_id())
    form = replace(
        form,
        subject=form.subject if form.subject is not None else str(provider_id),
        cancellation_policy=form.cancellation_policy or policy_form(DEFAULT_POLICY),
    )
    valid = valid_provider(form)
    if isinstance(valid, InvalidInput):
        return valid
    week = valid_week("weekly_hours", hours, breaks)
    if isinstance(week, InvalidInput):
        return week
    provider = _provider(provider_id, valid)
    async with transaction(resources.pool) as tx:
        await lock_external_ids(tx, viewer.organization_id)
        await lock_token_subjects(tx, viewer.organization_id)
        refusal = await refuse_location(tx, viewer.organization_id, provider.location_id)
        if refusal is not None:
            return refusal
        if await external_id_is_taken(
            tx, viewer.organization_id, ExternalType.PROVIDER, provider.external_id
        ):
            return _EXTERNAL_ID_TAKEN
        if not await insert_provider(tx, viewer.organization_id, provider, resources.clock()):
            tx.roll_back()
            return _SUBJECT_TAKEN
        await replace_weekly_hours(
            tx,
            viewer.organization_id,
            provider_id,
            hours=week.hours,
            breaks=week.breaks,
            new_id=resources.new_id,
        )
        record_edit(resources, tx, viewer, provider_changed(provider_id))
    await publish(resources, PracticeChanged(organization_id=viewer.organization_id))
    return provider


async def change_provider(
    resources: Resources,
    viewer: Viewer,
    provider_id: ProviderId,
    changes: Changes,
    *,
    dry_run: bool = False,
) -> Provider | ChangePreview | InvalidInput | NotAllowed | NotFound:
    """Change the named fields of a provider, or preview that; the others stay."""
    if not viewer.is_staff:
        return NotAllowed(
            message=say("Only the provider, reception and administrators change a provider.")
        )
    async with editing(resources.pool, dry_run=dry_run) as tx:
        await _lock_names(tx, viewer, changes)
        await lock_rules(tx, viewer.organization_id, [provider_id])
        stored = (await providers_by_ids(tx, viewer.organization_id, [provider_id])).get(
            provider_id
        )
        if stored is None:
            return NotFound(what="provider")
        refused = _refuse(viewer, provider_id, changes)
        if refused is not None:
            return refused
        valid = valid_provider(replace(_form_of(stored), **changes))
        if isinstance(valid, InvalidInput):
            return valid
        provider = _provider(provider_id, valid)
        refusal = await _refuse_names(tx, viewer, provider, changes) or await refuse_location(
            tx,
            viewer.organization_id,
            provider.location_id,
            before=stored.location_id,
            dry_run=dry_run,
        )
        if refusal is not None:
            return refusal
        if dry_run:
            change = change_of_provider(stored, provider)
            return await preview_change(resources, tx, viewer, change)
        await update_provider(tx, viewer.organization_id, provider)
        if provider.time_zone != stored.time_zone:
            await refloat_busy(
                tx, viewer.organization_id, provider_id, provider.time_zone, resources.clock()
            )
        if "channels" in changes:
            await want_again(
                tx,
                viewer.organization_id,
                provider.channels,
                email=provider.email,
                phone=provider.phone,
            )
        service_ids = await _services_changed(tx, viewer, stored, provider)
        record_edit(resources, tx, viewer, provider_changed(provider_id))
    await publish(
        resources,
        RulesChanged(organization_id=viewer.organization_id, ids=(provider_id, *service_ids)),
    )
    return provider


async def _lock_names(tx: Transaction, viewer: Viewer, changes: Changes) -> None:
    """Hold back others who would give the same external id or subject."""
    if "external_id" in changes:
        await lock_external_ids(tx, viewer.organization_id)
    if "subject" in changes:
        await lock_token_subjects(tx, viewer.organization_id)


async def _refuse_names(
    tx: Transaction, viewer: Viewer, after: Provider, changes: Changes
) -> InvalidInput | None:
    """Why the provider can't have this external id or this subject."""
    organization_id = viewer.organization_id
    if "subject" in changes and await subject_is_taken(
        tx, organization_id, after.id, after.subject
    ):
        return _SUBJECT_TAKEN
    if "external_id" in changes and await external_id_is_taken(
        tx, organization_id, ExternalType.PROVIDER, after.external_id, but_by=after.id
    ):
        return _EXTERNAL_ID_TAKEN
    return None


def _refuse(viewer: Viewer, provider_id: ProviderId, changes: Changes) -> NotAllowed | None:
    """Why a member of staff may not make these changes."""
    if not viewer.runs(provider_id) or ("subject" in changes and not viewer.is_admin):
        return NotAllowed(
            message=say("A provider changes only themselves, and not whose tokens act for them.")
        )
    if "is_archived" in changes and not viewer.is_admin:
        return NotAllowed(message=say("Only administrators archive a provider."))
    return None


async def _services_changed(
    tx: Transaction, viewer: Viewer, before: Provider, after: Provider
) -> list[ServiceId]:
    """The services of which a visit takes others from now on. The lock of the provider's rules
    holds back changes of who offers what.
    """
    if before.is_archived == after.is_archived:
        return []
    offered = await services_of_providers(tx, viewer.organization_id, [after.id])
    return [each.id for each in offered.get(after.id, ())]


def _form_of(provider: Provider) -> ProviderForm:
    rules = provider.rules
    return ProviderForm(
        name=provider.name,
        time_zone=provider.time_zone,
        service_duration_minutes=rules.service_duration_minutes,
        buffer_minutes=rules.buffer_minutes,
        slot_interval_minutes=rules.slot_interval_minutes,
        min_notice_minutes=rules.min_notice_minutes,
        max_advance_booking_days=rules.max_advance_booking_days,
        email=provider.email,
        phone=provider.phone,
        cancellation_policy=policy_form(provider.cancellation_policy),
        subject=provider.subject,
        locale=provider.locale,
        channels=provider.channels,
        limits=provider.limits,
        description=provider.description,
        location_id=provider.location_id,
        is_archived=provider.is_archived,
        external_id=provider.external_id,
    )
