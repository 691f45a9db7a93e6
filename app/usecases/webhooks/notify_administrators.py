"""Notify the administrators of an organization, by mail, that a webhook was switched off."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.notify.outcome import PermanentFailure, Sent
from app.notify.webhook_notice import webhook_switched_off
from app.store.organizations import organization_by_id
from app.store.webhooks import claim_notice, close_notice, notices_due
from app.usecases.messages.send_notice import send_notice

if TYPE_CHECKING:
    from app.store.webhooks import Notice
    from app.usecases.resources import Resources

BATCH: Final = 20
PAUSE: Final = timedelta(minutes=10)
"""Between tries, during which another worker leaves it to this one."""

MOST_ATTEMPTS: Final = 144
"""A day: after that the API alone says it, as it does from the beginning."""

_log: Final = logging.getLogger(__name__)


async def notify_administrators(resources: Resources) -> int:
    """Send the mails that are due; how many were tried."""
    now = resources.real_clock()
    due = await notices_due(resources.pool, real_now=now, batch_size=BATCH)
    for organization_id, webhook_id in due:
        notice = await claim_notice(
            resources.pool, organization_id, webhook_id, real_now=now, next_try_at=now + PAUSE
        )
        if notice is not None and await _is_done(resources, notice):
            await close_notice(resources.pool, notice)
    return len(due)


async def _is_done(resources: Resources, notice: Notice) -> bool:
    """Sends the mail; whether it need not be tried again."""
    organization = await organization_by_id(resources.pool, notice.organization_id)
    sender = resources.messaging.senders.email
    if organization is None or organization.email is None or sender is None:
        _log.warning(
            "webhook %s was switched off; its organization has no e-mail address, or no mail is "
            "sent here",
            notice.webhook_id,
        )
        return True
    failed_at = 0 if notice.failed_at is None else int(notice.failed_at.timestamp())
    outcome = await send_notice(
        sender,
        organization,
        # The same for every try.
        message_id=f"<webhook-{notice.webhook_id}-{failed_at}@{resources.messaging.domain}>",
        to_name=organization.name,
        to_address=organization.email,
        content=webhook_switched_off(organization, notice.url, notice.reason),
        now=resources.real_clock(),
    )
    is_over = notice.attempts >= MOST_ATTEMPTS or isinstance(outcome, PermanentFailure)
    if not isinstance(outcome, Sent):
        _log.warning("the mail about webhook %s was not sent: %s", notice.webhook_id, outcome)
    return is_over or isinstance(outcome, Sent)
