"""Notify the owner of a calendar feed that it can't be read: by mail, once, after a day."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.core.ids import ProviderId, ResourceId
from app.core.provider import Provider
from app.notify.feed_notice import feed_notice
from app.notify.outcome import TemporaryFailure
from app.store.busy_feeds import feed_owner_warned
from app.store.organizations import organization_by_id
from app.store.providers import providers_by_ids
from app.store.resources import resources_by_ids
from app.usecases.messages.send_notice import send_notice

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.resource import Resource
    from app.store.busy_feeds import FeedFailure, LeasedFeed
    from app.usecases.resources import Resources

PATIENCE: Final = timedelta(days=1)
"""Servers are away for hours; nobody wants a mail about each time."""

_log: Final = logging.getLogger(__name__)


async def warn_owner(
    resources: Resources, feed: LeasedFeed, failure: FeedFailure, problem: str, now: datetime
) -> None:
    """The provider, where they have an e-mail address; else, and about a resource's, the
    administrators, where the organization has one. A worker that dies between sending and writing
    that down may send it once more, under the same Message-ID.
    """
    sender = resources.messaging.senders.email
    if failure.warned_at is not None or now - failure.since < PATIENCE or sender is None:
        return
    organization = await organization_by_id(resources.pool, feed.organization_id)
    owner = await _owner(resources, feed)
    if organization is None or owner is None:
        return
    is_told = isinstance(owner, Provider) and owner.email is not None
    addressee = owner if isinstance(owner, Provider) and is_told else organization
    if addressee.email is None:
        return
    outcome = await send_notice(
        sender,
        organization,
        message_id=f"<feed-{feed.source.id}-{int(failure.since.timestamp())}"
        f"@{resources.messaging.domain}>",
        to_name=addressee.name,
        to_address=addressee.email,
        content=feed_notice(
            addressee,
            of=None if is_told else owner.name,
            time_zone=owner.time_zone,
            feed=feed.source.name,
            since=failure.since,
            problem=problem,
            now=now,
        ),
        now=now,
    )
    if isinstance(outcome, TemporaryFailure):
        _log.warning("the mail about feed %s was not sent: %s", feed.source.id, outcome.detail)
        return  # again after the next reading
    await feed_owner_warned(resources.pool, feed, now)


async def _owner(resources: Resources, feed: LeasedFeed) -> Provider | Resource | None:
    """Whose time the feed is about."""
    organization_id, subject_id = feed.organization_id, feed.source.subject_id
    provider_id, resource_id = ProviderId(subject_id), ResourceId(subject_id)
    providers = await providers_by_ids(resources.pool, organization_id, [provider_id])
    if provider_id in providers:
        return providers[provider_id]
    found = await resources_by_ids(resources.pool, organization_id, [resource_id])
    return found.get(resource_id)
