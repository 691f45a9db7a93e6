"""Notify the owner of a calendar feed that it can't be read: by mail, once, after a day."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.core.ids import ProviderId
from app.notify.feed_notice import feed_notice
from app.notify.outcome import TemporaryFailure
from app.store.busy_feeds import feed_owner_warned
from app.store.organizations import organization_by_id
from app.store.providers import providers_by_ids
from app.usecases.messages.send_notice import send_notice

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.busy_feeds import FeedFailure, LeasedFeed
    from app.usecases.resources import Resources

PATIENCE: Final = timedelta(days=1)
"""Servers are away for hours; nobody wants a mail about each time."""

_log: Final = logging.getLogger(__name__)


async def warn_owner(
    resources: Resources, feed: LeasedFeed, failure: FeedFailure, problem: str, now: datetime
) -> None:
    """The provider, where they have an e-mail address. A worker that dies between sending and
    writing that down may send it once more, under the same Message-ID.
    """
    sender = resources.messaging.senders.email
    if failure.warned_at is not None or now - failure.since < PATIENCE or sender is None:
        return
    provider_id = ProviderId(feed.source.subject_id)
    found = await providers_by_ids(resources.pool, feed.organization_id, [provider_id])
    provider = found.get(provider_id)
    organization = await organization_by_id(resources.pool, feed.organization_id)
    if provider is None or provider.email is None or organization is None:
        return
    outcome = await send_notice(
        sender,
        organization,
        message_id=f"<feed-{feed.source.id}-{int(failure.since.timestamp())}"
        f"@{resources.messaging.domain}>",
        to_name=provider.name,
        to_address=provider.email,
        content=feed_notice(
            provider=provider, feed=feed.source.name, since=failure.since, problem=problem, now=now
        ),
        now=now,
    )
    if isinstance(outcome, TemporaryFailure):
        _log.warning("the mail about feed %s was not sent: %s", feed.source.id, outcome.detail)
        return  # again after the next reading
    await feed_owner_warned(resources.pool, feed, now)
