"""Create and change services, who offers them, and what a visit of them takes. A change holds back
bookings with those providers and resources while it runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from app.core.changes import RulesChanged
from app.core.external_ids import ExternalType
from app.core.ids import ServiceId
from app.core.provider import Service
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import say
from app.core.stranded import Change, ChangePreview, ServiceChange
from app.core.validation import (
    NeedsForm,
    ServiceForm,
    ValidService,
    needs_form,
    policy_form,
    refuse_price_of_seats,
    valid_needs,
    valid_service,
    valid_units,
)
from app.store.external_ids import external_id_is_taken
from app.store.locks import lock_external_ids, lock_rules, lock_service
from app.store.needs import load_stored_needs, replace_needs
from app.store.pool import transaction
from app.store.providers import providers_by_ids
from app.store.resources import resources_by_ids
from app.store.services import insert_service, services_by_ids, update_service
from app.usecases.events.publish import publish
from app.usecases.events.record import record_edit, service_changed
from app.usecases.practice.edit_location import refuse_location
from app.usecases.practice.preview_change import editing, preview_change

if TYPE_CHECKING:
    from app.core.ids import OrganizationId, SubjectId
    from app.core.needs import Needs
    from app.core.validation import Changes
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

Refusal: TypeAlias = InvalidInput | NotAllowed | NotFound

_EXTERNAL_ID_TAKEN = InvalidInput(
    field="external_id", message=say("Another service has this external id already.")
)
_NOT_ALLOWED = NotAllowed(message=say("Only administrators create and change services."))


def _service(service_id: ServiceId, valid: ValidService) -> Service:
    return Service(
        id=service_id,
        name=valid.name,
        rules=valid.rules,
        price=valid.price,
        cancellation_policy=valid.cancellation_policy,
        limits=valid.limits,
        max_open_per_customer=valid.max_open_per_customer,
        description=valid.description,
        location_id=valid.location_id,
        is_archived=valid.is_archived,
        external_id=valid.external_id,
    )


async def create_service(
    resources: Resources, viewer: Viewer, form: ServiceForm, wanted: NeedsForm
) -> Service | Refusal:
    """Create a service that takes this, and that these providers offer."""
    if not viewer.is_admin:
        return _NOT_ALLOWED
    valid = valid_service(form)
    if isinstance(valid, InvalidInput):
        return valid
    needs = valid_needs(wanted)
    if isinstance(needs, InvalidInput):
        return needs
    refused = refuse_price_of_seats(valid.price, needs.seats)
    if refused is not None:
        return refused
    service = _service(ServiceId(resources.new_id()), valid)
    async with transaction(resources.pool) as tx:
        subject_ids = _subject_ids(needs)
        await lock_external_ids(tx, viewer.organization_id)
        await lock_rules(tx, viewer.organization_id, subject_ids)
        refusal = await _refusal(tx, viewer.organization_id, needs) or await refuse_location(
            tx, viewer.organization_id, service.location_id
        )
        if refusal is not None:
            return refusal
        if await external_id_is_taken(
            tx, viewer.organization_id, ExternalType.SERVICE, service.external_id
        ):
            return _EXTERNAL_ID_TAKEN
        await insert_service(tx, viewer.organization_id, service, resources.clock())
        await replace_needs(tx, viewer.organization_id, service.id, needs)
        record_edit(resources, tx, viewer, service_changed(service.id))
    await _publish(resources, viewer, service.id, subject_ids)
    return service


async def change_service(
    resources: Resources,
    viewer: Viewer,
    service_id: ServiceId,
    changes: Changes,
    needs_changes: Changes,
    *,
    dry_run: bool = False,
) -> Service | ChangePreview | Refusal:
    """Change the named fields of a service, and of what it needs, or preview that; the others
    stay.
    """
    if not viewer.is_admin:
        return _NOT_ALLOWED
    async with editing(resources.pool, dry_run=dry_run) as tx:
        await _lock(tx, viewer, service_id, changes)
        before = (await load_stored_needs(tx, viewer.organization_id, [service_id])).get(service_id)
        stored = (await services_by_ids(tx, viewer.organization_id, [service_id])).get(service_id)
        if stored is None or before is None:
            return NotFound(what="service")
        valid = valid_service(replace(_form_of(stored), **changes))
        if isinstance(valid, InvalidInput):
            return valid
        needs = valid_needs(replace(needs_form(before), **needs_changes))
        if isinstance(needs, InvalidInput):
            return needs
        refused = await _refuse_values(
            tx, viewer.organization_id, stored, valid, needs, dry_run=dry_run
        )
        if refused is not None:
            return refused
        subject_ids = _subject_ids(before) | _subject_ids(needs)
        await lock_rules(tx, viewer.organization_id, subject_ids)
        if needs != before:
            refusal = await _refusal(tx, viewer.organization_id, needs)
            if refusal is not None:
                return refusal
        if dry_run:
            change = Change(
                service=ServiceChange(
                    service_id,
                    before,
                    needs,
                    was_archived=stored.is_archived,
                    is_archived=valid.is_archived,
                )
            )
            return await preview_change(resources, tx, viewer, change)
        if needs != before:
            await replace_needs(tx, viewer.organization_id, service_id, needs)
        service = _service(service_id, valid)
        await update_service(tx, viewer.organization_id, service)
        record_edit(resources, tx, viewer, service_changed(service_id))
    await _publish(resources, viewer, service_id, subject_ids)
    return service


async def _lock(tx: Transaction, viewer: Viewer, service_id: ServiceId, changes: Changes) -> None:
    """Hold back others who would change the service, or give the same external id."""
    if "external_id" in changes:
        await lock_external_ids(tx, viewer.organization_id)
    await lock_service(tx, viewer.organization_id, service_id)


async def _refuse_values(
    tx: Transaction,
    organization_id: OrganizationId,
    stored: Service,
    valid: ValidService,
    needs: Needs,
    *,
    dry_run: bool,
) -> InvalidInput | None:
    """Why the service can't have these values. Its external id is locked where it changes."""
    refused = refuse_price_of_seats(valid.price, needs.seats) or await refuse_location(
        tx, organization_id, valid.location_id, before=stored.location_id, dry_run=dry_run
    )
    if refused is not None or valid.external_id == stored.external_id:
        return refused
    is_taken = await external_id_is_taken(
        tx, organization_id, ExternalType.SERVICE, valid.external_id, but_by=stored.id
    )
    return _EXTERNAL_ID_TAKEN if is_taken else None


def _subject_ids(needs: Needs) -> set[SubjectId]:
    """Whose time a visit may take."""
    return {*needs.provider_ids, *needs.resource_ids}


async def _refusal(
    tx: Transaction, organization_id: OrganizationId, needs: Needs
) -> InvalidInput | NotFound | None:
    """Why this can't be needed: somebody or something does not exist, or has too few units. The
    rules of all of them are locked.
    """
    providers = await providers_by_ids(tx, organization_id, needs.provider_ids)
    if len(providers) < len(needs.provider_ids):
        return NotFound(what="provider")
    known = await resources_by_ids(tx, organization_id, needs.resource_ids)
    if len(known) < len(needs.resource_ids):
        return NotFound(what="resource")
    units = valid_units(needs, known)
    return units if isinstance(units, InvalidInput) else None


async def _publish(
    resources: Resources, viewer: Viewer, service_id: ServiceId, subject_ids: set[SubjectId]
) -> None:
    """Listings of all these may differ from now on."""
    change = RulesChanged(organization_id=viewer.organization_id, ids=(service_id, *subject_ids))
    await publish(resources, change)


def _form_of(service: Service) -> ServiceForm:
    rules = service.rules
    return ServiceForm(
        name=service.name,
        duration_minutes=rules.duration_minutes,
        buffer_before_minutes=rules.buffer_before_minutes,
        buffer_after_minutes=rules.buffer_after_minutes,
        slot_interval_minutes=rules.slot_interval_minutes,
        min_notice_minutes=rules.min_notice_minutes,
        max_advance_booking_days=rules.max_advance_booking_days,
        price=service.price,
        cancellation_policy=policy_form(service.cancellation_policy),
        limits=service.limits,
        max_open_per_customer=service.max_open_per_customer,
        description=service.description,
        location_id=service.location_id,
        is_archived=service.is_archived,
        external_id=service.external_id,
    )
