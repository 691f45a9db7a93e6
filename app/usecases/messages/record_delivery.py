"""Record a delivery: what the gateway reports about a text message that it accepted. Only signed
reports count.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from app.core.messages import MessageStatus
from app.notify.outcome import PermanentFailure, Sent
from app.notify.sms import is_genuine, read_form, read_status
from app.store.messages import record_delivery as store_delivery
from app.store.pool import transaction
from app.usecases.events.record import record_messages
from app.usecases.messages.messaging import report_path

if TYPE_CHECKING:
    from app.core.ids import MessageLogId, OrganizationId
    from app.usecases.resources import Resources


class Report(Enum):
    """The outcome of a report."""

    TAKEN = auto()
    MALFORMED = auto()
    FORGED = auto()


async def record_delivery(
    resources: Resources,
    organization_id: OrganizationId,
    message_id: MessageLogId,
    *,
    body: bytes,
    signature: str,
) -> Report:
    """Record the report. A late, repeated or out-of-order one does not override what is known."""
    messaging = resources.messaging
    if messaging.gateway_token is None or messaging.public_url is None:
        return Report.FORGED
    try:
        form = read_form(body)
    except ValueError:
        return Report.MALFORMED
    url = f"{messaging.public_url}{report_path(organization_id, message_id)}"
    if not is_genuine(auth_token=messaging.gateway_token, signature=signature, url=url, form=form):
        return Report.FORGED
    report = read_status(dict(form))
    if report is None:
        return Report.MALFORMED
    outcome = report.outcome
    if isinstance(outcome, Sent | PermanentFailure):
        failed = isinstance(outcome, PermanentFailure)
        status = MessageStatus.FAILED if failed else MessageStatus.SENT
        async with transaction(resources.pool) as tx:
            is_news = await store_delivery(
                tx,
                organization_id,
                message_id,
                status,
                at=resources.clock(),
                detail=outcome.detail if isinstance(outcome, PermanentFailure) else None,
                provider_message_id=report.provider_message_id,
            )
            if is_news:
                record_messages(resources, tx, organization_id, {message_id: status})
    return Report.TAKEN
