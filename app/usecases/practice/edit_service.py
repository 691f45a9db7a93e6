"""Create and change services, and who offers them. A change holds back bookings with those
providers while it runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.core.changes import RulesChanged
from app.core.ids import ServiceId
from app.core.needs import Needs
from app.core.provider import Service
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import say
from app.core.validation import (
    ServiceForm,
    ValidService,
    policy_form,
    valid_provider_count,
    valid_service,
)
from app.store.locks import lock_rules, lock_service
from app.store.needs import load_needs, replace_needs
from app.store.pool import transaction
from app.store.providers import providers_by_ids
from app.store.services import insert_service, services_by_ids, update_service
from app.usecases.events.record import record_events, service_changed
from app.usecases.events.tell import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import OrganizationId, ProviderId
    from app.core.validation import Changes
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

_NOT_ALLOWED = NotAllowed(message=say("Only administrators create and change services."))


def _service(service_id: ServiceId, valid: ValidService) -> Service:
    return Service(
        id=service_id,
        name=valid.name,
        rules=valid.rules,
        price=valid.price,
        cancellation_policy=valid.cancellation_policy,
    )


async def create_service(
    resources: Resources, viewer: Viewer, form: ServiceForm, provider_ids: Sequence[ProviderId]
) -> Service | InvalidInput | NotAllowed | NotFound:
    """Create a service that these providers offer."""
    if not viewer.is_admin:
        return _NOT_ALLOWED
    valid = valid_service(form)
    if isinstance(valid, InvalidInput):
        return valid
    service = _service(ServiceId(resources.new_id()), valid)
    async with transaction(resources.pool) as tx:
        refusal = await _lock_providers(tx, viewer.organization_id, provider_ids)
        if refusal is not None:
            return refusal
        await insert_service(tx, viewer.organization_id, service, resources.clock())
        needs = Needs(provider_ids=tuple(dict.fromkeys(provider_ids)))
        await replace_needs(tx, viewer.organization_id, service.id, needs)
        _record(resources, viewer, tx, service.id)
    await tell(
        resources,
        RulesChanged(organization_id=viewer.organization_id, ids=(service.id, *provider_ids)),
    )
    return service


async def change_service(
    resources: Resources,
    viewer: Viewer,
    service_id: ServiceId,
    changes: Changes,
    provider_ids: Sequence[ProviderId] | None,
) -> Service | InvalidInput | NotAllowed | NotFound:
    """Change the named fields of a service, and where `provider_ids` is not None, who offers it."""
    if not viewer.is_admin:
        return _NOT_ALLOWED
    async with transaction(resources.pool) as tx:
        await lock_service(tx, viewer.organization_id, service_id)
        needs = (await load_needs(tx, viewer.organization_id, [service_id])).get(service_id)
        offering = needs.provider_ids if needs else ()
        refusal = await _lock_providers(
            tx, viewer.organization_id, provider_ids or (), also=offering
        )
        if refusal is not None:
            return refusal
        stored = (await services_by_ids(tx, viewer.organization_id, [service_id])).get(service_id)
        if stored is None or needs is None:
            return NotFound(what="service")
        valid = valid_service(replace(_form_of(stored), **changes))
        if isinstance(valid, InvalidInput):
            return valid
        service = _service(service_id, valid)
        await update_service(tx, viewer.organization_id, service)
        if provider_ids is not None:
            needs = replace(needs, provider_ids=tuple(dict.fromkeys(provider_ids)))
            await replace_needs(tx, viewer.organization_id, service_id, needs)
        _record(resources, viewer, tx, service_id)
    changed = {*offering, *(provider_ids or ())}
    await tell(
        resources,
        RulesChanged(organization_id=viewer.organization_id, ids=(service_id, *changed)),
    )
    return service


def _record(resources: Resources, viewer: Viewer, tx: Transaction, service_id: ServiceId) -> None:
    record_events(
        resources,
        tx,
        viewer.organization_id,
        [service_changed(service_id)],
        author=viewer.author,
        now=resources.clock(),
    )


async def _lock_providers(
    tx: Transaction,
    organization_id: OrganizationId,
    provider_ids: Sequence[ProviderId],
    *,
    also: Sequence[ProviderId] = (),
) -> InvalidInput | NotFound | None:
    """Hold back bookings with all of these; a refusal where one that the caller named does not
    exist.
    """
    count = valid_provider_count(len(provider_ids))
    if isinstance(count, InvalidInput):
        return count
    await lock_rules(tx, organization_id, {*provider_ids, *also})
    known = await providers_by_ids(tx, organization_id, provider_ids)
    return None if known.keys() >= set(provider_ids) else NotFound(what="provider")


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
    )
