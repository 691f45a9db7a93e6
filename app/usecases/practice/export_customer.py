"""Export everything that is stored about one customer, for the customer: the counterpart of an
erasure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.viewer import Role
from app.store.customers import customers_by_ids
from app.store.customers import export_customer as stored_about
from app.usecases.booking.idempotency import caller_name

if TYPE_CHECKING:
    from app.core.ids import CustomerId
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


async def export_customer(
    resources: Resources, viewer: Viewer, customer_id: CustomerId
) -> str | None:
    """A JSON object; None for callers who may not have it, and where there is no such customer."""
    if not viewer.exports(customer_id):
        return None
    organization_id, pool = viewer.organization_id, resources.pool
    customer = (await customers_by_ids(pool, organization_id, [customer_id])).get(customer_id)
    if customer is None:
        return None
    caller = None if customer.subject is None else caller_name(Role.CUSTOMER, customer.subject)
    return await stored_about(pool, organization_id, customer_id, caller=caller)
