"""Renew the private calendar feed of a provider or a customer: the address before ends at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.ids import CalendarFeedId
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import say
from app.core.viewer import Role
from app.store.calendar_feeds import renew_feed_of_customer, renew_feed_of_provider
from app.store.customers import customer_for_update
from app.store.pool import transaction
from app.store.providers import providers_by_ids
from app.usecases.events.record import customer_changed, provider_changed, record_events

if TYPE_CHECKING:
    from app.core.appointment import Customer
    from app.core.ids import CustomerId, ProviderId
    from app.core.provider import Provider
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources

_EXACTLY_ONE: Final = InvalidInput(
    field="provider_id",
    message=say("Name either a provider or a customer, exactly one of the two."),
)


async def renew_calendar_feed(
    resources: Resources,
    viewer: Viewer,
    *,
    provider_id: ProviderId | None,
    customer_id: CustomerId | None,
) -> Provider | Customer | InvalidInput | NotAllowed | NotFound:
    """Exactly one is given. The first time, the feed begins."""
    if provider_id is not None and customer_id is None:
        return await _of_provider(resources, viewer, provider_id)
    if customer_id is not None and provider_id is None:
        return await _of_customer(resources, viewer, customer_id)
    return _EXACTLY_ONE


async def _of_provider(
    resources: Resources, viewer: Viewer, provider_id: ProviderId
) -> Provider | NotAllowed | NotFound:
    if not viewer.is_staff:
        return NotAllowed(message=say("Only staff renew the calendar feeds of providers."))
    organization_id, now = viewer.organization_id, resources.clock()
    async with transaction(resources.pool) as tx:
        provider = (await providers_by_ids(tx, organization_id, [provider_id])).get(provider_id)
        if provider is None:
            return NotFound(what="provider")
        if not viewer.runs(provider_id):
            return NotAllowed(message=say("A provider renews only their own calendar feed."))
        feed_id = CalendarFeedId(resources.new_id())
        await renew_feed_of_provider(tx, organization_id, provider_id, feed_id, now)
        changed = provider_changed(provider_id)
        record_events(resources, tx, organization_id, [changed], author=viewer.author, now=now)
    return provider


async def _of_customer(
    resources: Resources, viewer: Viewer, customer_id: CustomerId
) -> Customer | InvalidInput | NotAllowed | NotFound:
    """Reception and administrators may end an address that went astray: only the customer sees the
    new one.
    """
    if viewer.role is not Role.CUSTOMER and not viewer.sees_all_customers:
        return NotAllowed(
            message=say(
                "Only the signed-in customer, reception and administrators renew a customer's "
                "calendar feed."
            )
        )
    if not viewer.sees_record(customer_id):
        return NotFound(what="customer")
    organization_id, now = viewer.organization_id, resources.clock()
    async with transaction(resources.pool) as tx:
        customer = await customer_for_update(tx, organization_id, customer_id)
        if customer is None or customer.is_erased:
            return NotFound(what="customer")
        if customer.subject is None:
            return InvalidInput(
                field="customer_id", message=say("This customer has no account to see a feed with.")
            )
        feed_id = CalendarFeedId(resources.new_id())
        await renew_feed_of_customer(tx, organization_id, customer_id, feed_id, now)
        changed = customer_changed(customer_id)
        record_events(resources, tx, organization_id, [changed], author=viewer.author, now=now)
    return customer
